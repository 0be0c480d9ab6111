//! What sign-in through a customer's own identity provider keeps: connections and domains, sign-ins under way, who is who.
//!
//! The protocols live in another crate, which nothing else links: what only they understand is kept as a document
//! ([`connections::SsoConnection::settings`], [`domains::OwnedDomain::proof`], [`logins::HandOff::proved`]).

pub mod approvals;
pub mod break_glass;
pub mod connections;
pub mod domains;
pub mod limits;
pub mod logins;
pub mod people;

#[cfg(test)]
mod tests;
