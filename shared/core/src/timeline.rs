//! What happened to an invoice, and what admins did: lines that people read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, UserId};
use crate::ledger::Ledger;

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person.
    User(UserId),
    /// CoPortal itself.
    System,
    /// CoPortal's own backend, by a service token.
    Service,
}

/// One line of an invoice's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimelineEvent {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// The ledger it is about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
    /// The step: `created`, `updated`, `nothing`, `held`, `waiting`, `failed`, `adopted`, `linked` and so on.
    pub step: String,
    /// What was decided, in a sentence.
    pub text: String,
    /// The vendor's id of the request, for their support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_request_id: Option<String>,
    /// Who.
    pub actor: Actor,
    /// The invoice version it was about.
    #[serde(default)]
    pub version: u64,
}

/// One line of the audit list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEvent {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What: `connected`, `organisation_chosen`, `options_changed`, `hold_resolved`, `disconnected` and so on.
    pub action: String,
    /// The ledger it is about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
    /// The particulars in a sentence: names and ids, never a secret.
    pub text: String,
}
