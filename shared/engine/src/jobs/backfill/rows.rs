//! What the invoices of a chunk came to: by the end of a sync, or by how their rows stand.

use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_core::backfill::{Backfill, Came, Stage, Wait};
use coportal_core::ctx::Ctx;
use coportal_core::id::{EventId, InvoiceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::row::{SyncRow, SyncState, WaitingFor};
use coportal_core::timeline::TimelineEvent;
use jiff::{SignedDuration, Timestamp};

use super::id_of;
use crate::Engine;
use crate::jobs::StepOf;
use crate::sync::{Changed, NO_TIME, SyncEnd, public_half};

/// How often a job looks whether what waits for a person's act (a reconnect, a plan) goes on.
pub(super) const PERSON_TURN: SignedDuration = SignedDuration::from_mins(10);
/// How often a change of a row that others write at the same moment is tried again.
const TRIES: u32 = 5;

/// What one invoice came to, and whether the whole can go on.
pub(super) enum Ended {
    /// This.
    Came(Came, Option<Wait>),
    /// It was refused before anything was sent; its row does not say so yet.
    Refused(Box<Problem>),
    /// Our side was not available: it is begun again.
    Again(Box<Problem>),
    /// No invoice can go on: the connection or the plan does not allow it.
    Stop(Box<Problem>),
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// What the end of a sync means for its backfill.
pub(super) fn ended(end: Outcome<SyncEnd>, backfill: &Backfill, now: Timestamp) -> Ended {
    let waits = |reason, until: Option<Timestamp>| {
        Ended::Came(Came::Waiting, Some(Wait { reason, until: until.unwrap_or_else(|| later(now, PERSON_TURN)) }))
    };
    match end {
        Ok(SyncEnd::Synced(answer)) => Ended::Came(
            match (answer.state, answer.changed) {
                (SyncState::Stopped, _) => Came::Skipped,
                (_, Changed::Created | Changed::Updated) => Came::Synced,
                // A step that was cut off after its work: this job did it, although there is nothing left to do.
                (_, Changed::Nothing) if answer.synced_at.is_some_and(|at| backfill.begun_at <= at) => Came::Synced,
                (_, Changed::Nothing) => Came::Unchanged,
            },
            None,
        ),
        Ok(SyncEnd::Waiting { waiting_for, due_at, .. }) => waits(waiting_for, due_at),
        Ok(SyncEnd::InProgress { until }) => waits(WaitingFor::OtherRun, Some(until)),
        Ok(SyncEnd::Held(_)) => Ended::Came(Came::Held, None),
        Ok(SyncEnd::Failed(_)) => Ended::Came(Came::Failed, None),
        Err(problem) if problem.code == NO_TIME => Ended::Came(Came::Pending, None),
        Err(problem) => refused(problem),
    }
}

fn refused(problem: Problem) -> Ended {
    const STOP: [&str; 4] = ["not_connected", "choose_organisation", "other_organisation", "plan_required"];
    if STOP.contains(&problem.code.as_ref()) {
        return Ended::Stop(Box::new(problem));
    }
    match problem.kind {
        ProblemKind::Unavailable | ProblemKind::Limited => Ended::Again(Box::new(problem)),
        ProblemKind::NotFound => Ended::Came(Came::Skipped, None),
        _ if problem.code == "not_eligible" => Ended::Came(Came::Skipped, None),
        ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::Conflict
        | ProblemKind::Stale
        | ProblemKind::PreconditionRequired
        | ProblemKind::Invalid
        | ProblemKind::TooLarge
        | ProblemKind::Internal => Ended::Refused(Box::new(problem)),
    }
}

/// How an invoice stands by its row, once a job has begun it.
pub(super) fn stands(row: &SyncRow, backfill: &Backfill, now: Timestamp) -> (Came, Option<Wait>) {
    match row.state {
        SyncState::Synced if row.last_synced_at.is_some_and(|at| backfill.begun_at <= at) => (Came::Synced, None),
        SyncState::Synced => (Came::Unchanged, None),
        SyncState::Held => (Came::Held, None),
        SyncState::Failed => (Came::Failed, None),
        SyncState::Stopped => (Came::Skipped, None),
        SyncState::Never => (Came::Pending, None),
        SyncState::Queued | SyncState::Syncing | SyncState::Waiting | SyncState::Uncertain => {
            let leased = row.lease.map(|lease| lease.until);
            let (reason, until) = row.waiting.map_or((WaitingFor::OtherRun, None), |waiting| (waiting.reason, waiting.until));
            let until = match reason {
                WaitingFor::Reconnect | WaitingFor::Plan => later(now, PERSON_TURN),
                WaitingFor::Limit
                | WaitingFor::DayBudget
                | WaitingFor::Ledger
                | WaitingFor::Outcome
                | WaitingFor::OtherRun
                | WaitingFor::Retry => until.or(leased).unwrap_or(now),
            };
            (Came::Waiting, Some(Wait { reason, until }))
        }
    }
}

/// Whether what one invoice waits for holds up all: then nothing else is begun before.
pub(super) fn holds_up_all(reason: WaitingFor) -> bool {
    match reason {
        WaitingFor::Limit | WaitingFor::DayBudget | WaitingFor::Ledger | WaitingFor::Reconnect | WaitingFor::Plan => true,
        WaitingFor::Outcome | WaitingFor::OtherRun | WaitingFor::Retry => false,
    }
}

impl Engine {
    /// Puts a refusal on the row of an invoice that nobody watches, so that it is listed under attention. A row that somebody is at, or whose last
    /// write is in doubt, stays as it is.
    pub(super) async fn note_refusal(&self, ctx: &Ctx, of: StepOf, backfill: &Backfill, inv: InvoiceId, problem: &Problem) -> Outcome<()> {
        let key = SyncKey { ws: of.ws, inv, ledger: backfill.ledger, generation: backfill.generation };
        let mut read = self.store.sync_row(key).await?;
        for _ in 0..TRIES {
            let row = &mut read.value;
            if row.intent.is_some() || row.lease.is_some_and(|lease| lease.is_live(ctx.now())) || row.state == SyncState::Held {
                return Ok(());
            }
            row.state = SyncState::Failed;
            row.since = Some(ctx.now());
            row.waiting = None;
            row.lease = None;
            row.problem = Some(public_half(problem));
            match self.store.save_row(ctx, key, row, read.rev).await? {
                Saved::Done { .. } => return self.tell(ctx, backfill, key, "failed", problem.detail.to_string(), read.value.wanted).await,
                Saved::Moved(now) => read = *now,
            }
        }
        Ok(())
    }

    /// A cancelled backfill: its invoices that wait for their turn no longer do. What may have been sent, and what a connection wants by itself,
    /// goes on.
    pub(super) async fn release_rows(&self, ctx: &Ctx, of: StepOf, backfill: &Backfill) -> Outcome<()> {
        let id = id_of(of)?;
        let connection = self.store.connection(of.ws, backfill.ledger).await?;
        if connection.is_some_and(|connection| connection.value.options.auto_sync) {
            return Ok(());
        }
        // While contacts are found or made, the invoices that stand for their clients may wait as well.
        let standing_for = if backfill.stage == Stage::Contacts { backfill.chunks_of_contacts() } else { 0..0 };
        for number in backfill.open.iter().copied().chain(standing_for) {
            let Some(mut chunk) = self.store.chunk(of.ws, id, number).await? else { continue };
            let unfinished: Vec<InvoiceId> =
                chunk.value.chosen.iter().filter(|chosen| !chosen.came.is_end()).map(|chosen| chosen.inv).collect();
            let rows = self.rows_of(ctx, of.ws, backfill.ledger, backfill.generation, &unfinished).await?;
            for (inv, row) in unfinished.into_iter().zip(rows) {
                if row.state.is_at_rest() {
                    let (came, waits) = stands(&row, backfill, ctx.now());
                    chunk.value.note(inv, came, waits);
                    continue;
                }
                let key = SyncKey { ws: of.ws, inv, ledger: backfill.ledger, generation: backfill.generation };
                let came = self.release_row(ctx, backfill, key).await?;
                chunk.value.note(inv, came.0, came.1);
            }
            let _nobody_else_writes_it = self.store.save_chunk(ctx, of.ws, id, number, &chunk.value, chunk.rev).await?;
        }
        Ok(())
    }

    async fn release_row(&self, ctx: &Ctx, backfill: &Backfill, key: SyncKey) -> Outcome<(Came, Option<Wait>)> {
        let mut read = self.store.sync_row(key).await?;
        for _ in 0..TRIES {
            let row = &mut read.value;
            let busy = row.intent.is_some() || row.lease.is_some_and(|lease| lease.is_live(ctx.now()));
            if read.rev == 0 || row.state.is_at_rest() || busy {
                break;
            }
            row.state = SyncState::Stopped;
            row.since = Some(ctx.now());
            row.waiting = None;
            row.lease = None;
            match self.store.save_row(ctx, key, row, read.rev).await? {
                Saved::Done { .. } => {
                    let text = "The backfill that this invoice waited for was cancelled. Press Sync to send it by itself.".to_owned();
                    self.tell(ctx, backfill, key, "stopped", text, read.value.wanted).await?;
                    break;
                }
                Saved::Moved(now) => read = *now,
            }
        }
        Ok(stands(&read.value, backfill, ctx.now()))
    }

    async fn tell(&self, ctx: &Ctx, backfill: &Backfill, key: SyncKey, step: &str, text: String, version: u64) -> Outcome<()> {
        let line = TimelineEvent {
            id: EventId::new(ctx.uuid()),
            at: ctx.now(),
            ledger: Some(key.ledger),
            step: step.to_owned(),
            text,
            vendor_request_id: None,
            actor: backfill.actor.clone(),
            version,
        };
        Ok(self.store.put_timeline(ctx, key.ws, key.inv, &line).await?)
    }
}
