//! The log of vendor calls.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of route was called: business calls apart from tokens and consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call of the vendor's API (connections included).
    Api,
    /// Authorise, token and revocation.
    Oauth,
}

/// How a call lost its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// Refused before the first byte.
    Refused,
    /// Cut before the effect; there is none.
    Before,
    /// Cut after the effect.
    After,
    /// Cut at once, with the effect still to come.
    Late,
    /// Cut inside the body, after the effect.
    Truncated,
}

/// One call, as the vendor saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// The status that was (or would have been) answered; `None` when nothing was computed.
    pub status: Option<u16>,
    /// Bytes of the answered body.
    pub bytes: usize,
    /// When, on the simulator's clock.
    pub at: Timestamp,
    /// The organisation the call named, if any.
    pub organisation: Option<String>,
    /// API call or sign-in.
    pub kind: Kind,
    /// Set when the caller never got the whole answer.
    pub dropped: Option<Dropped>,
}
