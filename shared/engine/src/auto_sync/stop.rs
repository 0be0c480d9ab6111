//! Rows that queued work no longer brings anywhere: stopped, or parked until what is in doubt can be looked for.

use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_aws::store::Versioned;
use coportal_core::auto_sync::park_for_plan;
use coportal_core::ctx::Ctx;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Fix, Outcome, Problem};
use coportal_core::sync::row::{RowProblem, SyncRow, SyncState, Waiting, WaitingFor};
use jiff::Timestamp;

use super::{TRIES, contended, line};
use crate::Engine;
use crate::sync::public_half;

/// What is made of a row, and the line that says so; `None` leaves it.
type Remade = Option<(SyncRow, &'static str, String)>;

impl Engine {
    /// Stops a row whose connection is gone, with a line that says why (I14, design decision 9). While the outcome of a write is not known no
    /// stop is taken (design decision 7): such a row is parked, and settled when the organisation comes back.
    pub(super) async fn stop_queued(&self, ctx: &Ctx, key: SyncKey, reason: &str) -> Outcome<()> {
        self.remake(ctx, key, |row| stopped(row, key.ledger, reason, ctx.now())).await
    }

    /// R146: a row waits for a plan that includes the ledger; its link is kept.
    pub(super) async fn park_queued(&self, ctx: &Ctx, key: SyncKey, problem: &Problem) -> Outcome<()> {
        self.remake(ctx, key, |row| {
            if row.state.is_at_rest() {
                return None;
            }
            let parked = park_for_plan(row, public_half(problem), ctx.now())?;
            Some((parked, "waiting", problem.detail.to_string()))
        })
        .await
    }

    /// Somebody else is at the contact that this row needs: it is due when they should be through.
    pub(super) async fn wait_for_other(&self, ctx: &Ctx, key: SyncKey, until: Timestamp) -> Outcome<()> {
        let read = self.store.sync_row(key).await?;
        if read.value.state != SyncState::Queued {
            return Ok(());
        }
        let waiting = Some(Waiting { reason: WaitingFor::OtherRun, until: Some(until) });
        // A row that moved meanwhile has a time of its own.
        let _ = self.store.save_row(ctx, key, &SyncRow { waiting, ..read.value }, read.rev).await?;
        Ok(())
    }

    /// Changes a row as it stands, and adds the line that says so; a row that was never stored stays so.
    pub(super) async fn remake(&self, ctx: &Ctx, key: SyncKey, make: impl Fn(&SyncRow) -> Remade) -> Outcome<()> {
        let mut read = self.store.sync_row(key).await?;
        for _ in 0..TRIES {
            let Versioned { value: row, rev } = read;
            let Some((next, step, text)) = (if rev == 0 { None } else { make(&row) }) else { return Ok(()) };
            match self.store.save_row(ctx, key, &next, rev).await? {
                Saved::Done { .. } => {
                    let said = line(ctx, &key, step, &text, next.wanted);
                    return Ok(self.store.put_timeline(ctx, key.ws, key.inv, &said).await?);
                }
                Saved::Moved(now) => read = *now,
            }
        }
        Err(contended())
    }
}

fn stopped(row: &SyncRow, ledger: Ledger, reason: &str, now: Timestamp) -> Remade {
    let parked = row.state == SyncState::Waiting && row.waiting.is_some_and(|waiting| waiting.reason == WaitingFor::Reconnect);
    let busy = row.lease.is_some_and(|lease| lease.is_live(now));
    if row.state.is_at_rest() || busy || (parked && row.intent.is_some()) {
        return None;
    }
    let label = ledger.label();
    if row.intent.is_some() {
        let detail = format!("Whether the last write reached {label} is not known, and the organisation is no longer connected.");
        let what = format!("Reconnect {label} to that organisation: CoPortal then looks for it by itself.");
        let problem = RowProblem {
            code: "outcome_unknown".into(),
            detail: detail.clone().into(),
            fix: Fix::new(what, "Settings -> Integrations", false),
            issues: Vec::new(),
        };
        let waiting = Some(Waiting { reason: WaitingFor::Reconnect, until: None });
        let next = SyncRow { state: SyncState::Waiting, waiting, problem: Some(problem), lease: None, since: Some(now), ..row.clone() };
        return Some((next, "waiting", detail));
    }
    let next = SyncRow {
        state: SyncState::Stopped,
        left_out: false,
        waiting: None,
        problem: None,
        hold: None,
        lease: None,
        since: Some(now),
        ..row.clone()
    };
    Some((next, "stopped", reason.to_owned()))
}
