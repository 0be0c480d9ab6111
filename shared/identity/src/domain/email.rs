//! E-mail addresses, as far as sign-in needs them: which domain is it, and is it the same address.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::Domain;

/// A text is not an e-mail address that can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an e-mail address")]
pub struct EmailError;

/// An e-mail address in one spelling. Quoted local parts, comments, routes and display names are refused: they are the forms in which
/// two readers of one text find two domains.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email {
    local: String,
    domain: Domain,
}

impl Email {
    /// Reads an address; blanks around it do not count. ASCII letters of the local part are lowered; beyond ASCII it is composed (NFC)
    /// and no more, since folding there makes one address of two. A character that composing turns into an ASCII one (U+212A, the Kelvin
    /// sign) is refused.
    ///
    /// # Errors
    /// [`EmailError`] for anything else than `local@domain` with one `@`.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\r' | '\n'));
        if text.len() > 254 {
            return Err(EmailError);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let disguised = |c: char| !c.is_ascii() && std::iter::once(c).nfc().all(|composed| composed.is_ascii());
        if local.len() > 64 || local.chars().any(disguised) {
            return Err(EmailError);
        }
        let local: String = local.nfc().map(|c| c.to_ascii_lowercase()).collect();
        let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        if !local.chars().all(plain) || !local.split('.').all(|atom| !atom.is_empty()) {
            return Err(EmailError);
        }
        let domain = Domain::parse(domain).map_err(|_| EmailError)?;
        Ok(Self { local, domain })
    }

    /// The domain, which alone decides where the address signs in.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// Personal data: a log that prints a value around it shows the domain alone.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.domain)
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.to_string()
    }
}
