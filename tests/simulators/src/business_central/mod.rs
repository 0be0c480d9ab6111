//! The Business Central simulator: sign-in with Microsoft Entra, discovery of environments and companies, and the part of API v2.0 that the
//! connector needs.
//!
//! "Section n" and "trap n" in this module's comments are of docs/vendors/business-central.md, also called "the vendor notes", which gathers
//! the vendor's documentation, its published source and what integrators have seen. What it leaves open is answered 501, or decided here and
//! said so at the place.
//!
//! Where things are, below the address at which the simulator is served (its one listener stands for the vendor's two hosts):
//!
//! | vendor | here |
//! | --- | --- |
//! | `https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize` | `/{tenant}/oauth2/v2.0/authorize` |
//! | `https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token` | `/{tenant}/oauth2/v2.0/token` |
//! | `https://api.businesscentral.dynamics.com/environments/v1.2` | `/environments/v1.2` |
//! | `https://api.businesscentral.dynamics.com/v2.0/{tenantId}/{environment}/api/v2.0/…` | `/v2.0/{tenantId}/{environment}/api/v2.0/…` |
//!
//! `{tenant}` is `organizations`, `common`, the tenant's id or its domain. The tenant may be left out of the API's path, as the vendor allows.

mod ask;
mod batch;
mod bookkeeper;
mod cell;
mod company;
mod customer;
mod desk;
mod entra;
mod facts;
mod filter;
mod header;
mod invoice;
mod invoice_reply;
mod line_write;
mod payment;
mod posting;
mod pricing;
mod reply;
mod seed;
mod world;

pub use bookkeeper::{Action, Which};
pub use customer::Blocked;
pub use pricing::price;
pub use world::World;

pub use crate::skeleton::config::Config;

/// A Business Central of one's own. Clones share it.
pub type Simulator = crate::skeleton::simulator::Simulator<World>;
