//! Work that did not even come to a failure: a panic, a process that died, a mistake of our own. It is counted here, so that no row is tried
//! for ever.

use coportal_aws::records::sync::SyncKey;
use coportal_core::ctx::Ctx;
use coportal_core::problem::{Fix, Outcome};
use coportal_core::sync::retry::{self, Then, Tried};
use coportal_core::sync::row::{Lease, RowProblem, SyncRow, SyncState, Waiting, WaitingFor};
use jiff::Timestamp;

use crate::Engine;

/// Code of the problem of a row that CoPortal's own mistakes have brought to rest.
pub const INTERNAL: &str = "internal";

impl Engine {
    /// Counts a try since `since` that broke off, and parks the row by the schedule; after the last interval it has failed, with code
    /// [`INTERNAL`]. A claim since then has counted already. What is in doubt is never called failed: it is looked for at the longest
    /// interval. A row at rest is left alone.
    ///
    /// # Errors
    /// When the table does not answer; the row is then due as it was.
    pub async fn count_broken_try(&self, ctx: &Ctx, key: SyncKey, since: Timestamp) -> Outcome<()> {
        let jitter = ctx.jitter();
        self.remake(ctx, key, |row| {
            let now = ctx.now();
            if row.state.is_at_rest() {
                return None;
            }
            let claimed = row.state == SyncState::Syncing && row.since.is_some_and(|claimed| claimed >= since);
            let attempts = if claimed { row.attempts } else { row.attempts.saturating_add(1) };
            let in_doubt = row.intent.is_some();
            let next = SyncRow { attempts, problem: Some(problem()), ..row.clone() };
            Some(match retry::then(Tried { attempts, in_doubt, not_before: None }, now, jitter) {
                Then::At(at) => (put_off(next, at, now), "waiting", WAITING.to_owned()),
                Then::Failed => {
                    let failed = SyncRow { state: SyncState::Failed, waiting: None, hold: None, lease: None, since: Some(now), ..next };
                    (failed, "failed", FAILED.to_owned())
                }
            })
        })
        .await
    }
}

/// Due again at `at`, and not while a live lease says that somebody may still be at it.
fn put_off(row: SyncRow, at: Timestamp, now: Timestamp) -> SyncRow {
    let lease = row.lease.filter(|lease: &Lease| lease.is_live(now));
    let until = lease.map_or(at, |lease| lease.until.max(at));
    let (state, reason) =
        if row.intent.is_some() { (SyncState::Uncertain, WaitingFor::Outcome) } else { (SyncState::Waiting, WaitingFor::Retry) };
    let since = if row.state == state { row.since } else { Some(now) };
    SyncRow { state, lease, waiting: Some(Waiting { reason, until: Some(until) }), since, ..row }
}

const WAITING: &str = "Something went wrong on our side; it is tried again.";
const FAILED: &str = "Something went wrong on our side, more often than CoPortal tries again by itself.";

fn problem() -> RowProblem {
    RowProblem {
        code: INTERNAL.into(),
        detail: "Something went wrong on our side. Nothing was half-written; we have been told.".into(),
        fix: Fix::new("Sync again; if it stays, send the invoice's id to support.", "the invoice, or CoPortal support", true),
        issues: Vec::new(),
    }
}
