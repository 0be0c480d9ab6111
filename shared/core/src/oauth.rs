//! What an OAuth sign-in at a ledger carries between its steps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// A token set as a ledger issued it.
pub struct TokenSet {
    /// Authorises calls.
    pub access_token: Secret,
    /// Gets the next token set; absent when the ledger did not rotate it (the old one stays good).
    pub refresh_token: Option<Secret>,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// When the refresh token ends if it is not used, where the ledger says so.
    pub refresh_expires_at: Option<Timestamp>,
    /// The sign-in this set came from (Xero: claim `authentication_event_id`), to tell fresh organisation links from older ones.
    pub auth_event: Option<String>,
}

/// Why a callback ended without a connection; the value of `connect_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectError {
    /// The user said no.
    AccessDenied,
    /// The state is unknown, used, expired or of another ledger.
    InvalidState,
    /// The ledger refused the code.
    ExchangeFailed,
    /// The consent named no organisation.
    NoOrganisation,
    /// The plan does not include the ledger.
    PlanRequired,
    /// The ledger could not be reached.
    LedgerUnavailable,
}

impl ConnectError {
    /// The code in the redirect.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidState => "invalid_state",
            Self::ExchangeFailed => "exchange_failed",
            Self::NoOrganisation => "no_organisation",
            Self::PlanRequired => "plan_required",
            Self::LedgerUnavailable => "ledger_unavailable",
        }
    }
}
