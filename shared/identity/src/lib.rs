//! Sign-in through a customer's own identity provider: which e-mail domain leads where, what a provider's answer proves, and what is
//! fetched from an address that somebody else typed.
//!
//! The crate keeps nothing. It reaches the outside through traits: [`fetch::Fetch`] and [`fetch::AddressLookup`] (HTTPS and the
//! addresses behind a name), [`domain::TxtLookup`] (the DNS proof of a domain), [`saml::ReplayStore`] (a response works once) and
//! [`saml::RequestSigner`] (a key that does not leave its service). Time and chance come from [`coportal_core::ctx::Ctx`].
//!
//! What is decided here without any of them: [`domain`] normalises and judges domains, [`routing`] answers "where does this address sign
//! in", [`linking`] says whose account a proved identity is, [`return_to`] says where a browser may go afterwards and [`break_glass`]
//! makes the codes that open the door when the provider is down. Each refusal is a [`reason::Reason`]: one word for the audit line, one
//! sentence and one fix for the person who can change it.

pub mod break_glass;
pub mod domain;
pub mod fetch;
pub mod linking;
pub mod oidc;
pub mod reason;
pub mod return_to;
pub mod routing;
pub mod saml;

mod identity;
#[cfg(test)]
mod testing;

pub use identity::{Identity, ShownClaim};
pub use reason::{Reason, Refusal};
