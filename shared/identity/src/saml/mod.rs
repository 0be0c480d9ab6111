//! SAML 2.0, service provider side: SP-initiated, request by redirect, response by POST (R102, R108).
//!
//! A response passes four hands before it is believed. [`shape`](self) reads it with bounds and refuses whatever single sign-on does not
//! need: a second assertion, a second reference, a comment, a document type. `saml-rs` under a hardened policy verifies the signature and
//! every condition against what we stored, never against what the message says of itself. Our own reading and the library's must then
//! agree on issuer, name id and assertion id. Last, the store spends the ids, and only then is there an identity to read
//! ([`Verified::settle`]): a response works once.
//!
//! Each connection has an entity id and an assertion consumer address of its own, so that the audience keeps workspaces apart even when
//! two of them share a provider. Trusted are the certificates that were stored with the connection; what a message carries as `KeyInfo`
//! is not looked at.

mod change;
mod metadata;
mod request;
mod response;
mod shape;
mod xml;

pub use self::change::{Change, HeldChange, METADATA_EVERY, compare};
pub use self::metadata::{MetadataError, SamlIdp, SigningKey, fetch_metadata};
pub use self::request::{RequestAlgorithm, RequestSigner, ServiceProvider, SignError, Started};
pub use self::response::{Pending, ReplayStore, SeenId, Settlement, SignedPart, Use, Verified, verify};

/// Namespaces and identifiers of the standards.
pub(crate) mod names {
    pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
    pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
    pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
    pub(crate) const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
    pub(crate) const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
    pub(crate) const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
    pub(crate) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
    pub(crate) const NAME_ID_EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
    pub(crate) const NAME_ID_UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
    pub(crate) const NAME_ID_PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
}
