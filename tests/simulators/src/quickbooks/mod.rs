//! The QuickBooks Online simulator: sign-in and the Accounting API v3, as far as the connector needs them.
//!
//! "Section n" in this module's comments is a section of docs/vendors/quickbooks.md, also called "the vendor notes". What the notes leave
//! open is answered 501, or decided here and said so at the place.
//!
//! One origin stands for the vendor's four hosts; the paths are the vendor's own: `/connect/oauth2` (appcenter.intuit.com),
//! `/oauth2/v1/tokens/bearer` (oauth.platform.intuit.com), `/v2/oauth2/tokens/revoke` (developer.api.intuit.com) and
//! `/v3/company/{realmId}/…` (quickbooks.api.intuit.com).

mod address;
mod batch;
mod bookkeeper;
mod cdc;
mod company;
mod facts;
mod fault;
mod invoice;
mod invoice_input;
mod invoice_write;
mod item;
mod oauth;
mod patch;
mod payment;
mod person;
mod person_write;
mod preferences;
mod price;
mod query;
mod replay;
mod route;
mod seed;
mod select;
mod store;
mod tax;
mod wire;
mod world;

pub use bookkeeper::{Action, Standing, Which};
pub use price::{price, price_us};
pub use world::World;

pub use crate::skeleton::config::Config;

/// A QuickBooks Online of one's own. Clones share it.
pub type Simulator = crate::skeleton::simulator::Simulator<World>;
