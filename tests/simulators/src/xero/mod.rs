//! The Xero simulator: Accounting API, identity and connections, as far as the connector needs them.
//!
//! "Section n" in this module's comments is a section of docs/vendors/xero.md, also called "the vendor notes", which gathers the published
//! OpenAPI description, the vendor's developer pages and what integrators have seen. What it leaves open is answered 501, or decided here
//! and said so at the place.

mod batch;
mod bookkeeper;
mod contact;
mod contact_reply;
mod facts;
mod filter;
mod invoice;
mod invoice_input;
mod invoice_reply;
mod invoice_write;
mod keys;
mod oauth;
mod organisation;
mod payment;
mod price;
mod query;
mod reply;
mod seed;
mod world;

pub use bookkeeper::{Action, Which};
pub use price::price;
pub use world::World;

pub use crate::skeleton::config::Config;

/// A Xero of one's own. Clones share it.
pub type Simulator = crate::skeleton::simulator::Simulator<World>;
