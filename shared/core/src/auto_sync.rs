//! Which connections want a new version of an invoice by themselves, and what their sync row says then (R34-R37).
//!
//! Every change of an invoice is an event: it is sent, changes its status, or is edited (R35, R69). What the event was is not kept: a
//! connection looks at the invoice as it is now, so that a late, doubled or lost event changes nothing. Switching auto-sync on raises
//! nothing either: it acts on what happens from then on, and what lies before that is a backfill's, which begins at the connect date
//! (C30).

use jiff::Timestamp;

use crate::connection::{Connection, ConnectionStatus, Generation, SyncOn};
use crate::eligibility::{self, Ineligible};
use crate::id::HoldId;
use crate::invoice::{Invoice, InvoiceStatus};
use crate::ledger::Ledger;
use crate::sync::HoldDraft;
use crate::sync::plan::void_unasked;
use crate::sync::row::{Hold, RowProblem, SyncRow, SyncState, Waiting, WaitingFor};
use crate::workspace::Workspace;

/// What a connection does about a version of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Brings it into the ledger.
    Sync,
    /// Wants it, but the workspace's plan does not include the ledger: the row waits for the plan (R146).
    Park,
    /// A person's word: the invoice is void here, its document stands there, and the connection does nothing by itself (C10).
    Ask,
    /// Nothing, and the timeline says why.
    NothingBecause(Reason),
    /// Nothing, as a matter of course.
    Nothing,
}

/// Why a connection that syncs by itself leaves a version alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was voided before it reached the ledger.
    VoidBefore,
    /// A person left it out of the ledger, or took its link away.
    LeftOut,
}

impl Reason {
    /// In a sentence, for the timeline.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::VoidBefore => "Nothing to update: the invoice was voided before it reached the ledger.",
            Self::LeftOut => "Not synced by itself: somebody left this invoice out of the ledger. Press Sync to take it in again.",
        }
    }
}

/// Whether a connection wants this version by itself. `row` is the invoice's row in the connection's generation.
///
/// With `payments = none` a paid invoice is wanted like any other (C2): the sync finds its content unchanged and says so.
#[must_use]
pub fn wants(workspace: &Workspace, connection: &Connection, invoice: &Invoice, row: &SyncRow) -> Wants {
    // A dead grant does not refuse: what is queued waits for the reconnect (C19).
    let stands = match connection.status {
        ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired => connection.organisation.is_some(),
        ConnectionStatus::ChooseOrganisation | ConnectionStatus::Disconnected => false,
    };
    if !stands {
        return Wants::Nothing;
    }
    if !connection.options.auto_sync {
        let void = eligibility::check(invoice, &connection.options) == Err(Ineligible::Void);
        let left_out = row.state == SyncState::Stopped && row.left_out;
        return if void && !left_out && void_unasked(row, connection.ledger).is_some() { Wants::Ask } else { Wants::Nothing };
    }
    let wanted = match eligibility::check(invoice, &connection.options) {
        Ok(()) => invoice.status != InvoiceStatus::Draft || connection.options.sync_on == SyncOn::Created,
        // C10: what stands in the ledger, or may, has to be taken out, or asked about.
        Err(Ineligible::Void) if has_been_asked_for(row) => true,
        Err(Ineligible::Void) => return Wants::NothingBecause(Reason::VoidBefore),
        Err(Ineligible::NotSent | Ineligible::ViewOnly) => false,
    };
    if !wanted {
        return Wants::Nothing;
    }
    if row.state == SyncState::Stopped && row.left_out {
        return Wants::NothingBecause(Reason::LeftOut);
    }
    if workspace.plan < connection.ledger.plan_required() { Wants::Park } else { Wants::Sync }
}

/// Whether the ledger may know of the invoice, or somebody waits for it there.
fn has_been_asked_for(row: &SyncRow) -> bool {
    row.link.is_some() || row.intent.is_some() || !matches!(row.state, SyncState::Never | SyncState::Stopped)
}

/// What the question about a void invoice makes of its row, on a connection that does nothing by itself; `None` when nothing is to be
/// stored. A void is listed until a person has said what becomes of the document, for an open receivable overstates income (C10); the
/// option for voids is not obeyed, nobody is called.
///
/// A row that is not at rest was asked for by a person and takes the newest version along: it is only told.
#[must_use]
pub fn ask_about_void(row: &SyncRow, ledger: Ledger, version: u64, hold: HoldId, now: Timestamp) -> Option<SyncRow> {
    if row.wanted >= version {
        return None;
    }
    if !row.state.is_at_rest() || row.intent.is_some() {
        return Some(SyncRow { wanted: version, ..row.clone() });
    }
    let HoldDraft { question, detail, choices, inputs_hash } = void_unasked(row, ledger)?;
    let same = row.hold.as_ref().filter(|open| open.question == question && open.inputs_hash == inputs_hash);
    let (id, since) = same.map_or((hold, now), |open| (open.id, open.since));
    Some(SyncRow {
        wanted: version,
        state: SyncState::Held,
        hold: Some(Hold { id, question, detail, choices, inputs_hash, since }),
        problem: None,
        waiting: None,
        attempts: 0,
        since: Some(now),
        ..row.clone()
    })
}

/// A row that is to know of a newer version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The row to store.
    pub row: SyncRow,
    /// It is queued: a message brings it to the worker sooner than its due time would.
    pub send: bool,
}

/// What raising the wanted version makes of a row; `None` when the row knows of this version already.
///
/// A row that somebody is at, or whose last write is in doubt, is only told: it is settled first, and goes on with the newer version by
/// itself (I10). One that waits for a limit or a retry goes on waiting: its time is not shortened by an edit.
#[must_use]
pub fn raise(row: &SyncRow, version: u64, now: Timestamp) -> Option<Raised> {
    if row.wanted >= version {
        return None;
    }
    let mut raised = SyncRow { wanted: version, ..row.clone() };
    let queued = match row.state {
        SyncState::Never | SyncState::Synced | SyncState::Held | SyncState::Failed | SyncState::Stopped => {
            // The question of a hold is kept: if it is still open, it is the same one.
            raised.problem = None;
            raised.waiting = None;
            raised.attempts = 0;
            raised.since = Some(now);
            raised.state = SyncState::Queued;
            true
        }
        SyncState::Queued => true,
        SyncState::Syncing | SyncState::Waiting | SyncState::Uncertain => false,
    };
    Some(Raised { row: raised, send: queued })
}

/// Parks a row until the plan includes the ledger; what somebody is at with a live lease is left to them. `None` when it waits already.
#[must_use]
pub fn park_for_plan(row: &SyncRow, problem: RowProblem, now: Timestamp) -> Option<SyncRow> {
    let waits = |waiting: Waiting| waiting.reason == WaitingFor::Plan && waiting.until.is_none();
    let parked = row.state == SyncState::Waiting && row.waiting.is_some_and(waits);
    if parked || row.lease.is_some_and(|lease| lease.is_live(now)) {
        return None;
    }
    let waiting = Some(Waiting { reason: WaitingFor::Plan, until: None });
    Some(SyncRow { state: SyncState::Waiting, waiting, problem: Some(problem), lease: None, since: Some(now), ..row.clone() })
}

/// Whether queued work may begin (R146, design decision 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// Not on this plan: the rows wait for another.
    Plan,
    /// Not any more: the rows are stopped, for this reason.
    Stop(String),
}

/// Asked when queued work starts: the plan may have changed since it was queued, and so may the organisation.
#[must_use]
pub fn gate(workspace: &Workspace, connection: Option<&Connection>, ledger: Ledger, generation: Generation) -> Gate {
    let label = ledger.label();
    let Some(connection) = connection else {
        return Gate::Stop(format!("{label} is not connected: this invoice no longer waits for it."));
    };
    match connection.status {
        ConnectionStatus::Disconnected => Gate::Stop(format!("{label} was disconnected: this invoice no longer waits for it.")),
        _ if connection.generation != generation => {
            Gate::Stop(format!("{label} is connected to another organisation now: this invoice no longer waits for the one before."))
        }
        ConnectionStatus::ChooseOrganisation => Gate::Stop(format!(
            "{label} was connected anew and no organisation is chosen: this invoice no longer waits for the one before."
        )),
        ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired if workspace.plan < ledger.plan_required() => Gate::Plan,
        ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired => Gate::Open,
    }
}

#[cfg(test)]
mod tests;
