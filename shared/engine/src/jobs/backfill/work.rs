//! The steps that sync: what waits is looked at, then the next chunk is begun.

use std::time::Duration;

use coportal_aws::store::Versioned;
use coportal_core::backfill::{Backfill, BackfillState, Came, Chunk, Purpose, ROWS_PER_SECOND, Stage, Wait};
use coportal_core::ctx::Ctx;
use coportal_core::id::{BackfillId, ClientId, InvoiceId};
use coportal_core::job::NextStep;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::row::WaitingFor;
use jiff::{SignedDuration, Timestamp};

use super::id_of;
use super::rows::{Ended, PERSON_TURN, ended, holds_up_all, stands};
use crate::Engine;
use crate::jobs::StepOf;
use crate::sync::{SyncEnd, SyncRequest};

/// Chunks with waiting invoices that one step looks at.
const LOOKED_AT: usize = 20;
/// How often contacts that others are at, or that are in doubt, are waited for before the invoices are begun all the same.
const CONTACT_TRIES: u32 = 4;
/// A row that is this much overdue is begun by the job: the sweep's message did not bring it further.
const OVERDUE: SignedDuration = SignedDuration::from_mins(2);
/// How soon a job looks again at what should be settled by now.
const TURN: SignedDuration = SignedDuration::from_secs(30);
/// From so many failed steps on, a chunk's invoices are begun one by one, so that the one that ends the process is found.
const ALONE_AFTER: u32 = 2;
/// How often an invoice is begun alone before it counts as failed.
const ALONE_TRIES: u32 = 2;

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Calls that a sync made.
fn calls_of(end: &Outcome<SyncEnd>) -> u32 {
    match end {
        Ok(SyncEnd::Synced(answer)) => answer.vendor_calls,
        Ok(SyncEnd::Waiting { vendor_calls, .. }) => *vendor_calls,
        Ok(SyncEnd::InProgress { .. } | SyncEnd::Held(_) | SyncEnd::Failed(_)) | Err(_) => 0,
    }
}

/// A chunk in hand.
struct InHand {
    id: BackfillId,
    number: u32,
    chunk: Versioned<Chunk>,
}

impl Engine {
    /// The contacts of new clients, for many chunks at once: the ledger's list is read once for all of them.
    pub(super) async fn contacts_step(&self, ctx: &Ctx, of: StepOf, backfill: &mut Backfill) -> Outcome<NextStep> {
        let id = id_of(of)?;
        let chunks = backfill.chunks_of_contacts();
        let to = chunks.end;
        let mut invoices = Vec::new();
        for number in chunks {
            let chunk = self.store.chunk(of.ws, id, number).await?.ok_or_else(|| missing(number))?;
            invoices.extend(chunk.value.pending());
        }
        let (ledger, generation, actor, pages) = (backfill.ledger, backfill.generation, backfill.actor.clone(), backfill.contact_pages);
        let resolved = Box::pin(self.resolve_contacts(ctx, of.ws, ledger, generation, &invoices, actor, pages)).await?;
        backfill.shared_calls = backfill.shared_calls.saturating_add(resolved.vendor_calls);
        backfill.contact_pages = resolved.pages;
        let now = ctx.now();
        let waits = |(_, reason, until): &(ClientId, WaitingFor, Option<Timestamp>)| Wait {
            reason: *reason,
            until: until.unwrap_or_else(|| later(now, PERSON_TURN)).max(later(now, SignedDuration::from_secs(1))),
        };
        let waits: Vec<Wait> = resolved.waiting.iter().map(waits).collect();
        // What holds up all is waited for as long as it takes. What holds up one client is tried a few times, and then left to its invoices.
        let of_all = waits.iter().filter(|wait| holds_up_all(wait.reason)).min_by_key(|wait| wait.until);
        let of_one = waits.iter().min_by_key(|wait| wait.until).filter(|_| backfill.contact_tries < CONTACT_TRIES);
        backfill.waits = of_all.or(of_one).copied();
        if let Some(wait) = backfill.waits {
            backfill.contact_tries =
                if of_all.is_some() || !resolved.linked.is_empty() { 0 } else { backfill.contact_tries.saturating_add(1) };
            return Ok(NextStep::At(wait.until));
        }
        backfill.contact_tries = 0;
        backfill.contacts_done = to;
        if to == backfill.chunks {
            backfill.stage = Stage::Working;
        }
        Ok(NextStep::Now)
    }

    /// One step: what waits, then the next chunk.
    pub(super) async fn work_step(&self, ctx: &Ctx, of: StepOf, backfill: &mut Backfill) -> Outcome<NextStep> {
        let id = id_of(of)?;
        let waits = self.look_at_waiting(ctx, of, backfill, id).await?;
        backfill.waits = waits.iter().filter(|wait| holds_up_all(wait.reason)).min_by_key(|wait| wait.until).copied();
        if let Some(wait) = backfill.waits {
            return Ok(NextStep::At(wait.until.max(later(ctx.now(), SignedDuration::from_secs(1)))));
        }
        if backfill.next_chunk < backfill.chunks {
            return self.begin_chunk(ctx, of, backfill, id).await;
        }
        match waits.iter().map(|wait| wait.until).min() {
            None => {
                backfill.end(BackfillState::Done, ctx.now());
                Ok(NextStep::Rest)
            }
            Some(until) => Ok(NextStep::At(until.max(later(ctx.now(), TURN)))),
        }
    }

    /// Looks at the invoices that waited. Those whose limit or ledger may let them through now are begun together, as the batch that they are.
    async fn look_at_waiting(&self, ctx: &Ctx, of: StepOf, backfill: &mut Backfill, id: BackfillId) -> Outcome<Vec<Wait>> {
        let mut waits = Vec::new();
        let open = std::mem::take(&mut backfill.open);
        for (place, number) in open.into_iter().enumerate() {
            if place >= LOOKED_AT {
                backfill.open.push(number);
                waits.push(Wait { reason: WaitingFor::OtherRun, until: ctx.now() });
                continue;
            }
            let chunk = self.store.chunk(of.ws, id, number).await?.ok_or_else(|| missing(number))?;
            let mut hand = InHand { id, number, chunk };
            self.look_at_chunk(ctx, of, backfill, &mut hand).await?;
            let chunk = &hand.chunk.value;
            if !chunk.is_over() {
                backfill.open.push(number);
                let now = ctx.now();
                waits.extend(chunk.chosen.iter().filter_map(|chosen| match chosen.came {
                    Came::Waiting => chosen.waits,
                    Came::Pending => Some(Wait { reason: WaitingFor::OtherRun, until: now }),
                    Came::Synced | Came::Unchanged | Came::Held | Came::Failed | Came::Skipped => None,
                }));
            }
        }
        Ok(waits)
    }

    async fn look_at_chunk(&self, ctx: &Ctx, of: StepOf, backfill: &Backfill, hand: &mut InHand) -> Outcome<()> {
        let now = ctx.now();
        let waiting: Vec<InvoiceId> =
            hand.chunk.value.chosen.iter().filter(|chosen| !chosen.came.is_end()).map(|chosen| chosen.inv).collect();
        let rows = self.rows_of(ctx, of.ws, backfill.ledger, backfill.generation, &waiting).await?;
        let mut again = Vec::new();
        let mut for_all = Vec::new();
        for (inv, row) in waiting.iter().zip(&rows) {
            let (came, waits) = stands(row, backfill, now);
            hand.chunk.value.note(*inv, came, waits);
            match (came, waits) {
                (Came::Pending, _) => again.push(*inv),
                (_, Some(wait)) if matches!(wait.reason, WaitingFor::Limit | WaitingFor::Ledger) => for_all.push((*inv, wait.until)),
                (_, Some(wait)) if later(wait.until, OVERDUE) <= now => again.push(*inv),
                (_, _) => {}
            }
        }
        // Rows of one batch wait for the same thing, each until a moment of its own: what one may do, all may do in the same call.
        if for_all.iter().any(|(_, until)| *until <= now) {
            again.extend(for_all.iter().map(|(inv, _)| *inv));
        }
        if again.is_empty() {
            return self.keep_chunk(ctx, of, hand).await;
        }
        self.run_rows(ctx, of, backfill, hand, &again).await
    }

    async fn begin_chunk(&self, ctx: &Ctx, of: StepOf, backfill: &mut Backfill, id: BackfillId) -> Outcome<NextStep> {
        let (number, begun) = (backfill.next_chunk, ctx.now());
        let chunk = self.store.chunk(of.ws, id, number).await?.ok_or_else(|| missing(number))?;
        let mut hand = InHand { id, number, chunk };
        let pending: Vec<InvoiceId> = hand.chunk.value.pending().collect();
        let count = pending.len();
        if of.failures >= ALONE_AFTER {
            self.run_alone(ctx, of, backfill, &mut hand).await?;
        } else {
            self.run_rows(ctx, of, backfill, &mut hand, &pending).await?;
        }
        let chunk = &hand.chunk.value;
        let left = chunk.pending().count();
        if left == 0 {
            backfill.next_chunk = number.saturating_add(1);
            if !chunk.is_over() {
                backfill.open.push(number);
            }
        } else if left == count {
            // Not one was begun: there was no time for any, so a step with all of its time is needed.
            return Ok(NextStep::At(later(ctx.now(), TURN)));
        }
        pace(ctx, begun, count).await;
        Ok(NextStep::Now)
    }

    /// The next invoice of a chunk in which steps keep ending without a word, by itself: counted before it is begun.
    async fn run_alone(&self, ctx: &Ctx, of: StepOf, backfill: &Backfill, hand: &mut InHand) -> Outcome<()> {
        let Some(next) = hand.chunk.value.chosen.iter_mut().find(|chosen| chosen.came == Came::Pending) else { return Ok(()) };
        let inv = next.inv;
        if next.alone >= ALONE_TRIES {
            let problem = Problem::internal_error(format_args!("{inv} ends the process that syncs it"));
            self.note_refusal(ctx, of, backfill, inv, &problem).await?;
            hand.chunk.value.note(inv, Came::Failed, None);
            return self.keep_chunk(ctx, of, hand).await;
        }
        next.alone = next.alone.saturating_add(1);
        self.keep_chunk(ctx, of, hand).await?;
        let outcome = Box::pin(self.run_rows(ctx, of, backfill, hand, &[inv])).await;
        // It lived: whatever came of it, it is not what ends the process.
        for chosen in hand.chunk.value.chosen.iter_mut().filter(|chosen| chosen.inv == inv) {
            chosen.alone = 0;
        }
        self.keep_chunk(ctx, of, hand).await?;
        outcome
    }

    /// Syncs these invoices of a chunk, and writes down what each came to.
    async fn run_rows(&self, ctx: &Ctx, of: StepOf, backfill: &Backfill, hand: &mut InHand, invoices: &[InvoiceId]) -> Outcome<()> {
        let mut to_sync = invoices.to_vec();
        if backfill.purpose == Purpose::ApproveDrafts {
            to_sync = self.ask_approvals(ctx, of, backfill, hand, invoices).await?;
        }
        let (ledger, generation, actor) = (backfill.ledger, backfill.generation, backfill.actor.clone());
        let ends = Box::pin(self.sync_invoices(ctx, of.ws, ledger, generation, &to_sync, actor)).await;
        let (mut stop, mut again) = (None, None);
        for (inv, end) in ends {
            hand.chunk.value.vendor_calls = hand.chunk.value.vendor_calls.saturating_add(calls_of(&end));
            match ended(end, backfill, ctx.now()) {
                Ended::Came(came, waits) => hand.chunk.value.note(inv, came, waits),
                Ended::Refused(problem) => {
                    self.note_refusal(ctx, of, backfill, inv, &problem).await?;
                    hand.chunk.value.note(inv, Came::Failed, None);
                }
                Ended::Again(problem) => again = Some(problem),
                Ended::Stop(problem) => stop = Some(problem),
            }
        }
        self.keep_chunk(ctx, of, hand).await?;
        match stop.or(again) {
            Some(problem) => Err(*problem),
            None => Ok(()),
        }
    }

    /// Says of each draft that it is to be approved; answers those that are to be synced now.
    async fn ask_approvals(
        &self,
        ctx: &Ctx,
        of: StepOf,
        backfill: &Backfill,
        hand: &mut InHand,
        invoices: &[InvoiceId],
    ) -> Outcome<Vec<InvoiceId>> {
        let rows = self.rows_of(ctx, of.ws, backfill.ledger, backfill.generation, invoices).await?;
        let mut asked = Vec::with_capacity(invoices.len());
        for (inv, row) in invoices.iter().zip(rows) {
            if row.approve {
                asked.push(*inv);
                continue;
            }
            let request = SyncRequest { workspace: of.ws, invoice: *inv, ledger: backfill.ledger, actor: backfill.actor.clone() };
            match Box::pin(self.ask_approval(ctx, request, backfill.generation)).await {
                Ok(()) => asked.push(*inv),
                Err(problem) if problem.code == "nothing_to_approve" => {
                    // Approved already: by this job, if a step of it was cut off.
                    let (came, waits) = stands(&row, backfill, ctx.now());
                    hand.chunk.value.note(*inv, came, waits);
                }
                Err(problem) if problem.code == "sync_in_progress" => {
                    let until = later(ctx.now(), TURN);
                    hand.chunk.value.note(*inv, Came::Waiting, Some(Wait { reason: WaitingFor::OtherRun, until }));
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(asked)
    }

    async fn keep_chunk(&self, ctx: &Ctx, of: StepOf, hand: &mut InHand) -> Outcome<()> {
        match self.store.save_chunk(ctx, of.ws, hand.id, hand.number, &hand.chunk.value, hand.chunk.rev).await? {
            Some(rev) => hand.chunk.rev = rev,
            // A step that was faster than this one's lease is at it: what it finds is as true.
            None => return Err(Problem::internal_error(format_args!("chunk {} was written by another step", hand.number))),
        }
        Ok(())
    }
}

fn missing(number: u32) -> Problem {
    Problem::internal_error(format_args!("chunk {number} is not there"))
}

/// Waits until so many rows may have been changed since `begun`.
async fn pace(ctx: &Ctx, begun: Timestamp, rows: usize) {
    let wanted = SignedDuration::from_millis(i64::try_from(rows).unwrap_or_default().saturating_mul(1000) / i64::from(ROWS_PER_SECOND));
    let left = wanted - begun.duration_until(ctx.now());
    if let Ok(left) = Duration::try_from(left)
        && !left.is_zero()
    {
        tokio::time::sleep(left).await;
    }
}
