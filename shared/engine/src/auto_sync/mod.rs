//! Sync without a click: from a changed invoice to the sync rows that want it, from what is due to messages, and from a message to the
//! ledger.
//!
//! Nothing here has to happen. The truth is in the rows: an invoice keeps its due mark until every connection that wants its newest version
//! knows of it, and a row that is not at rest is due. A lost stream record, message or process costs time (K1-K6), a doubled one a read
//! (K3, K17).

mod count;
mod fan_out;
mod stop;
mod sweep;
mod work;

use coportal_aws::queues::Queues;
use coportal_aws::records::sync::SyncKey;
use coportal_aws::store::Store;
use coportal_core::ctx::Ctx;
use coportal_core::id::EventId;
use coportal_core::problem::{Problem, ProblemKind};
use coportal_core::timeline::{Actor, TimelineEvent};

pub use count::INTERNAL;
pub use fan_out::FannedOut;
pub use sweep::{Swept, lot};
pub use work::rows_of;

use crate::Engine;

/// How often a row is read again because others keep changing it.
const TRIES: usize = 8;

/// What hands work on without calling a ledger: the fan-out and the sweep.
#[derive(Clone)]
pub struct AutoSync {
    /// The records.
    pub store: Store,
    /// The sync queues.
    pub queues: Queues,
}

impl Engine {
    /// The part that hands work on.
    #[must_use]
    pub fn auto_sync(&self) -> AutoSync {
        AutoSync { store: self.store.clone(), queues: self.queues.clone() }
    }
}

/// A line of CoPortal's own.
fn line(ctx: &Ctx, key: &SyncKey, step: &str, text: &str, version: u64) -> TimelineEvent {
    TimelineEvent {
        id: EventId::new(ctx.uuid()),
        at: ctx.now(),
        ledger: Some(key.ledger),
        step: step.to_owned(),
        text: text.to_owned(),
        vendor_request_id: None,
        actor: Actor::System,
        version,
    }
}

/// Others keep changing the same row: nothing was done, and it may be tried again.
fn contended() -> Problem {
    Problem::new(ProblemKind::Unavailable, "changed_meanwhile", "Others keep changing this invoice.").fix(
        "Nothing to do: it is tried again.",
        "the invoice",
        true,
    )
}
