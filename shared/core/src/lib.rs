//! The domain of CoPortal Integrations and every decision it takes.
//!
//! Nothing here does I/O: no clock, no randomness, no network, no store. What a decision needs is an argument, what it decides is a
//! value, and so each rule of the product can be tested as a table and replayed from a seed.

pub mod auto_sync;
pub mod backfill;
pub mod choices;
pub mod client;
pub mod connection;
pub mod contact;
pub mod ctx;
pub mod document;
pub mod door;
pub mod eligibility;
pub mod facts;
pub mod failure;
pub mod id;
pub mod import;
pub mod invoice;
pub mod job;
pub mod ledger;
pub mod metering;
pub mod money;
pub mod oauth;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod overview;
pub mod pricing;
pub mod problem;
pub mod queue;
pub mod secret;
pub mod sync;
pub mod tax;
pub mod text;
pub mod timeline;
pub mod workspace;
