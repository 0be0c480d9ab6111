//! E-mail domains: their one spelling, which of them nobody may claim, and the DNS record that proves one.

mod consumer;
mod email;
mod proof;
mod txt;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::email::{Email, EmailError};
pub use self::proof::{Challenge, Observation, ProofState, RECHECK_EVERY, Standing, observe};
pub use self::txt::{Dns, LookupError, TxtLookup};

/// Longest name of a domain in DNS, in bytes (RFC 1035, section 2.3.4), less the label that [`Challenge::record_name`] puts before it.
const MAX: usize = 253 - "_coportal-challenge.".len();

/// Why a text is not a domain that a workspace may claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Not the name of an internet domain.
    #[error("this is not a domain name")]
    NotADomain,
    /// A public suffix, such as `co.uk`: many organisations live below it.
    #[error("this is a public suffix, below which anybody can register")]
    PublicSuffix,
    /// A provider of mail for everybody, such as `gmail.com`.
    #[error("addresses of this domain are given to everybody")]
    Consumer,
    /// CoPortal's own.
    #[error("this domain is CoPortal's own")]
    Ours,
}

impl DomainError {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotADomain => "not_a_domain",
            Self::PublicSuffix => "public_suffix",
            Self::Consumer => "consumer_domain",
            Self::Ours => "reserved_domain",
        }
    }
}

/// A domain in its one spelling: lower case, Unicode as punycode (UTS 46, non-transitional, STD 3 rules), no trailing dot. Two texts
/// that name the same domain are equal, two that only look alike are not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Reads a domain as somebody typed it.
    ///
    /// # Errors
    /// [`DomainError::NotADomain`]: an IP address, a single label, an empty or overlong label, a character that no host name has.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| DomainError::NotADomain)?;
        let top = ascii.rsplit('.').next().unwrap_or_default();
        let dotted = ascii.contains('.') && !ascii.ends_with('.');
        // A last label of digits, or 0x and digits, is how the parts of an IPv4 address are written (WHATWG URL, "ends in a number").
        let address = top.bytes().all(|b| b.is_ascii_digit()) || top.starts_with("0x");
        if !dotted || address || ascii.len() > MAX { Err(DomainError::NotADomain) } else { Ok(Self(ascii)) }
    }

    /// Whether a workspace may claim it (C23). `ours` are CoPortal's own domains; a domain below one of them is ours too.
    ///
    /// # Errors
    /// [`DomainError::PublicSuffix`], [`DomainError::Consumer`] (and any domain below such a one), [`DomainError::Ours`].
    pub fn claimable(&self, ours: &[Domain]) -> Result<(), DomainError> {
        if psl::suffix_str(&self.0) == Some(self.0.as_str()) {
            return Err(DomainError::PublicSuffix);
        }
        if self.parents().any(consumer::is_consumer) {
            return Err(DomainError::Consumer);
        }
        if self.parents().any(|name| ours.iter().any(|own| own.0 == name)) {
            return Err(DomainError::Ours);
        }
        Ok(())
    }

    /// The name itself and each name above it that has a dot.
    fn parents(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.0.as_str()), |name| name.split_once('.').map(|(_, rest)| rest)).filter(|name| name.contains('.'))
    }

    /// The domain in its one spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Domain {
    type Error = DomainError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

#[cfg(test)]
mod tests;
