//! The attack list: documents that a consumer of SAML responses must refuse, each made from a good one.
//!
//! The shapes are those of "On Breaking SAML" (USENIX Security 2012), of published defects (CVE-2025-29774, CVE-2025-29775) and of the
//! conditions of SAML Core and the Web Browser SSO profile.

mod conditions;
mod documents;
mod signatures;
mod wrapping;

use jiff::Timestamp;

use super::keys::{Key, KeyError};
use super::response::{Connection, Says};

/// The name id that an attacker would like to be believed.
pub const EVIL: &str = "evil-1";

/// A document, what it is, and the codes with which it may be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// What was done.
    pub name: String,
    /// The document.
    pub document: String,
    /// Reason codes of which the refusal has one.
    pub reasons: Vec<&'static str>,
}

/// What the attacks are made from. What [`Stage::says`] says, signed by [`Stage::key`], must be accepted.
pub struct Stage<'k> {
    /// The provider's key.
    pub key: &'k Key,
    /// A key that the consumer has never seen.
    pub attacker: &'k Key,
    /// A good response, with a persistent name id and an e-mail address as its first attribute, both without anything to escape.
    pub says: Says,
    /// The connection that it is for.
    pub own: Connection,
    /// Another workspace's connection, which the same provider serves.
    pub other: Connection,
    /// The consumer's present instant.
    pub now: Timestamp,
}

impl Stage<'_> {
    /// What the attacker would like to be believed: another name, and an address of the same domain.
    fn evil(&self) -> Says {
        Says {
            assertion_id: "_evil1".to_owned(),
            name_id: Some(EVIL.to_owned()),
            attributes: vec![("email".to_owned(), format!("boss@{}", self.domain()))],
            ..self.says.clone()
        }
    }

    fn name(&self) -> &str {
        self.says.name_id.as_deref().unwrap_or_default()
    }

    fn mail(&self) -> &str {
        self.says.attributes.first().map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    fn domain(&self) -> &str {
        self.mail().rsplit('@').next().unwrap_or_default()
    }
}

#[derive(Default)]
struct List(Vec<Attack>);

impl List {
    fn add(&mut self, name: impl Into<String>, document: impl Into<String>, reasons: &[&'static str]) {
        self.0.push(Attack { name: name.into(), document: document.into(), reasons: reasons.to_vec() });
    }
}

/// The attack against a consumer that wants assertions signed which is none where a signed response is enough.
pub const RESPONSE_ONLY: &str = "only the response signed, where the assertion must be";

/// Every attack.
///
/// # Errors
/// [`KeyError`].
pub fn all(stage: &Stage<'_>) -> Result<Vec<Attack>, KeyError> {
    let mut list = List::default();
    wrapping::wrapping(stage, &mut list)?;
    signatures::signatures(stage, &mut list)?;
    documents::documents(stage, &mut list)?;
    conditions::conditions(stage, &mut list)?;
    Ok(list.0)
}
