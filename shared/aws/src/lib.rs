//! Records, token vault, queues and parameters: the only crate that names the AWS SDK.
//!
//! What is kept, under which keys and on which conditions is docs/records.md; each condition named there has one function here.

pub mod cloud;
pub mod error;
pub mod keys;
pub mod parameters;
pub mod queues;
pub mod records;
pub mod signing;
pub mod store;
pub mod vault;

#[cfg(test)]
mod testing;
