//! Stateful simulators of the ledgers' HTTP APIs.
//!
//! They keep state, enforce the vendors' documented rules, and answer 501 `NotModelled` to everything else: an honest error beats a
//! plausible answer. They share no code with the product, so that the two cannot agree by sharing a mistake.
//!
//! A simulator is called in process ([`Simulator::handle`](skeleton::simulator::Simulator::handle): no socket, no sleep, one history gives
//! one set of answers) or over real HTTP ([`Simulator::serve`](skeleton::simulator::Simulator::serve)), where scripted faults really cut
//! the connection.
//!
//! [`identity_provider`] signs SAML responses, good ones and a list of attacks, for whoever consumes them.

pub mod business_central;
pub mod identity_provider;
pub mod quickbooks;
pub mod sage;
pub mod skeleton;
pub mod xero;

pub use skeleton::answer::Answer;
pub use skeleton::clock::Clock;
