//! How a sync ends.

use coportal_core::problem::Problem;
use coportal_core::sync::row::{Hold, RowProblem, SyncState, WaitingFor};
use jiff::Timestamp;
use serde::Serialize;

/// What a sync changed in the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// A document was made.
    Created,
    /// A document was changed.
    Updated,
    /// Nothing.
    #[default]
    Nothing,
}

/// A sync that ended with the wanted version in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncAnswer {
    /// `synced`.
    pub state: SyncState,
    /// The ledger's id of the document; absent for an invoice that was voided before it ever reached the ledger.
    pub external_id: Option<String>,
    /// The ledger's number of it.
    pub external_number: Option<String>,
    /// Where a person opens it.
    pub external_url: Option<String>,
    /// When it was last brought up to date.
    pub synced_at: Option<Timestamp>,
    /// Calls to the ledger's API that this took.
    pub vendor_calls: u32,
    /// What changed there.
    pub changed: Changed,
}

/// How a sync ends.
#[derive(Debug)]
pub enum SyncEnd {
    /// The wanted version is in the ledger.
    Synced(SyncAnswer),
    /// It must wait: the row is parked and says for what.
    Waiting {
        /// Where the row stands.
        state: SyncState,
        /// For what.
        waiting_for: WaitingFor,
        /// When it is due again; `None` where a person's act is waited for.
        due_at: Option<Timestamp>,
        /// Why, and what to do.
        problem: Option<Box<RowProblem>>,
        /// Calls made so far.
        vendor_calls: u32,
    },
    /// Somebody else is at it until then.
    InProgress {
        /// End of their lease.
        until: Timestamp,
    },
    /// A person has to answer a question.
    Held(Box<Hold>),
    /// The ledger refused, and trying the same again does not help.
    Failed(Box<Problem>),
}
