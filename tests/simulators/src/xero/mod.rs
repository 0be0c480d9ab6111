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
mod query;
mod reply;
mod seed;
mod simulator;
mod world;

pub use bookkeeper::{Action, Which};
pub use simulator::Simulator;

use crate::skeleton::clock::Clock;

/// How a simulator is set up: the app as registered with the vendor, its clock, and the seed of its ids.
pub struct Config {
    /// The clock; may be shared.
    pub clock: Clock,
    /// The app's client id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: String,
    /// Where sign-in may return to; compared exactly.
    pub redirect_uris: Vec<String>,
    /// Everything random begins here.
    pub seed: u64,
}
