//! Typed identifiers: a prefix that says what the thing is, and a UUIDv7, so that sorting by id is sorting by creation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind} id (expected {prefix}_ followed by 32 hexadecimal digits)")]
pub struct InvalidId {
    /// What was expected, in words.
    pub kind: &'static str,
    /// The expected prefix.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix that this kind of id carries.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID (version 7 for everything CoPortal creates).
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(parse_simple)
                    .map(Self)
                    .ok_or(InvalidId { kind: $kind, prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::openapi::text(concat!("Id: ", $kind, "."), concat!("^", $prefix, "_[0-9a-f]{32}$"))
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    )*};
}

/// Exactly 32 lower-case hexadecimal digits: one spelling per id, so that a key has one spelling too.
fn parse_simple(text: &str) -> Option<Uuid> {
    let canonical = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    canonical.then(|| Uuid::try_parse(text).ok()).flatten()
}

ids! {
    /// A workspace: the tenant.
    WorkspaceId = "ws", "workspace";
    /// A client of a workspace.
    ClientId = "cl", "client";
    /// A contact person of a client.
    ContactPersonId = "ct", "contact person";
    /// An invoice.
    InvoiceId = "inv", "invoice";
    /// A line of an invoice; survives edits, so that a ledger's line can be matched to ours.
    LineId = "li", "invoice line";
    /// A connection of a workspace to a ledger.
    ConnectionId = "con", "connection";
    /// An intent: one vendor write that is about to be, or may have been, sent.
    IntentId = "int", "intent";
    /// A hold: a question that a person answers.
    HoldId = "hld", "hold";
    /// A connection of a workspace to its own identity provider.
    SsoConnectionId = "ssc", "SSO connection";
    /// A claim of an e-mail domain by a workspace.
    DomainId = "dom", "domain";
    /// A sign-in that waits for an admin's approval.
    ApprovalId = "apv", "sign-in approval";
    /// An event (timeline, audit).
    EventId = "evt", "event";
    /// A backfill, or another job over many invoices of a connection.
    BackfillId = "bkf", "backfill";
    /// An import preview.
    PreviewId = "prv", "import preview";
    /// One run of a use case; the owner of the leases it takes.
    RunId = "run", "run";
}

/// A person's id as their sign-in system names them: opaque, 1 to 128 visible ASCII characters without `#`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

impl UserId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidId { kind: "user", prefix: "usr" }) }
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for UserId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        crate::openapi::text("A person's id as their sign-in system names them.", r#"^[!"$-~]{1,128}$"#)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for UserId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = InvoiceId::new(Uuid::from_u128(7));
        assert_eq!(id.to_string(), "inv_00000000000000000000000000000007");
        assert_eq!(id.to_string().parse::<InvoiceId>().unwrap(), id);
        for wrong in [
            "",
            "inv_",
            "cl_00000000000000000000000000000007",
            "inv_0000000000000000000000000000000A",
            "inv_00000000-0000-0000-0000-000000000007",
            "INV_00000000000000000000000000000007",
        ] {
            assert!(wrong.parse::<InvoiceId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_user_id_cannot_forge_a_key() {
        assert!("usr#META".parse::<UserId>().is_err());
        assert!("auth0|507f".parse::<UserId>().is_ok());
    }
}
