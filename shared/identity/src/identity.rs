//! What a provider's answer has proved.

use std::collections::BTreeSet;
use std::fmt;

use coportal_core::text::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Domain, Email};
use crate::reason::{Reason, Refusal};

/// A person as an identity provider has proved them. What names the person is (`issuer`, `subject`); the address is only what the
/// provider says today, and lies in a domain that the connection's workspace has proved.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who vouches. OIDC: the `iss` claim. SAML: the connection and the provider's entity id, since two workspaces may share a provider
    /// and anybody may write any entity id.
    pub issuer: String,
    /// Whom: unique and lasting at the issuer. OIDC: `sub`. SAML: the name id with its format and qualifiers.
    pub subject: String,
    /// The address, normalised, of one of the connection's proven domains.
    pub email: Email,
    /// Whether the provider itself says that it has verified the address (Google always, Entra by `xms_edov`, SAML never). The domain is
    /// proved in either case.
    pub email_verified: bool,
    /// How the provider names the person.
    pub name: Option<String>,
    /// When the provider's own session ends, if it says so: ours must not outlive it (`SessionNotOnOrAfter`).
    pub session_ends_at: Option<Timestamp>,
}

impl Identity {
    /// The key of the identity's row: a hash of issuer and subject, which never moves with the address.
    #[must_use]
    pub fn key(&self) -> String {
        digest([self.issuer.as_bytes(), self.subject.as_bytes()])
    }
}

/// Personal data: a log that prints a value around it shows issuer, key and the address's domain alone.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.issuer)
            .field("key", &self.key())
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// A claim or attribute as the dry run of a connection shows it to the admin who set it up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownClaim {
    /// Its name at the provider.
    pub name: String,
    /// Its value as text, cut at 200 characters.
    pub value: String,
}

/// Personal data: a log that prints a value around it shows the name alone.
impl fmt::Debug for ShownClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShownClaim").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ShownClaim {
    pub(crate) fn new(name: impl Into<String>, value: impl AsRef<str>) -> Self {
        Self { name: name.into(), value: value.as_ref().chars().filter(|c| !c.is_control()).take(200).collect() }
    }
}

/// A name of a person, without control characters, cut at 200 characters.
pub(crate) fn tidy_name(text: &str) -> Option<String> {
    let name: String = coportal_core::text::tidy(text).chars().take(200).collect();
    (!name.is_empty()).then_some(name)
}

/// The address, if it is of one of the connection's proven domains.
pub(crate) fn email_within(text: &str, domains: &BTreeSet<Domain>) -> Result<Email, Refusal> {
    let email = Email::parse(text).map_err(|_| Refusal::because(Reason::EmailMissing, "the address is not of a usable form"))?;
    if domains.contains(email.domain()) { Ok(email) } else { Err(Refusal::because(Reason::EmailOutsideDomains, email.domain())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_is_printed() {
        let identity = Identity {
            issuer: "https://accounts.google.com".to_owned(),
            subject: "ann@acme.example".to_owned(),
            email: Email::parse("ann@acme.example").unwrap(),
            email_verified: true,
            name: Some("Ann Smith".to_owned()),
            session_ends_at: None,
        };
        let printed = format!("{identity:?} {:?}", ShownClaim::new("email", "ann@acme.example"));
        assert!(printed.contains(&identity.key()) && !printed.to_lowercase().contains("ann@") && !printed.contains("Smith"), "{printed}");
    }
}
