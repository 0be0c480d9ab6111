//! Jobs: long work in bounded steps, a message each.
//!
//! A job is a head in the table (`shared/aws/src/records/jobs.rs`), and whatever its kind keeps beside it. A message names a job and says nothing
//! else; [`Engine::run_job`] claims one step, does it, writes down how far it came, and sends the message of the next one. Any message may
//! be lost, doubled or late, and a process may die anywhere:
//!
//! - a job that is not at rest lies in the `due` index: when its message is overdue, when a step's lease ends, or when it waits for a time.
//!   The sweep sends its message then;
//! - a message for a step that is not due, that somebody else is at, or of a job at rest does nothing;
//! - a step that was cut off is done again from what the head says, so a step must be harmless when it is repeated: what it does outside the
//!   head is either the same each time, or is found done (a sync of an invoice that is synced makes no call);
//! - a step that fails for a reason of ours is tried again after 5 seconds to 6 hours, and then the job is given up, with the reason.
//!
//! A new kind of job is a variant of [`JobId`], a type that implements `Steps`, and a line in [`Engine::run_job`].

mod backfill;
mod drift;

use std::future::Future;

use coportal_aws::records::jobs::{Job, JobClaim};
use coportal_aws::records::sync::Saved;
use coportal_core::backfill::Backfill;
use coportal_core::ctx::Ctx;
use coportal_core::id::{RunId, WorkspaceId};
use coportal_core::job::{JobId, NextStep, retry_after};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::queue::{JobMessage, Message, SyncQueue};
use coportal_core::sync::row::Lease;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use backfill::{BackfillPlan, BackfillRequest, BackfillView, DraftsForecast, Statuses};
pub use drift::{DriftPage, DriftState};

use crate::Engine;
use crate::import::Preview;

/// How much longer than its deadline a step keeps others away: for what it writes when the deadline is over.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(20);

/// How a message to a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// A step was done, or failed and will be tried again; this is when the job goes on.
    Advanced(NextStep),
    /// Its next step is not due yet.
    NotDue,
    /// Somebody else is at a step.
    Busy,
    /// It is over.
    AtRest,
    /// There is no such job (any more).
    Gone,
}

impl JobEnd {
    /// The word in logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Advanced(NextStep::Now) => "job_goes_on",
            Self::Advanced(NextStep::At(_)) => "job_waits",
            Self::Advanced(NextStep::Rest) => "job_ended",
            Self::NotDue => "job_not_due",
            Self::Busy => "job_busy",
            Self::AtRest => "job_at_rest",
            Self::Gone => "job_gone",
        }
    }
}

/// Which step of which job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepOf {
    /// The workspace.
    pub(crate) ws: WorkspaceId,
    /// The job.
    pub(crate) job: JobId,
    /// The head's revision at the claim: larger for a later step.
    pub(crate) fence: u64,
    /// Somebody wants the job to end.
    pub(crate) cancel: bool,
    /// Steps that did not end well just before this one.
    pub(crate) failures: u32,
}

/// What a kind of job keeps in its head, and how it goes on.
pub(crate) trait Steps: Clone + Serialize + DeserializeOwned + Send + Sync {
    /// Does one bounded step, and says when the next one is due. Must be harmless when it is repeated: what `self` is after a step may never be
    /// stored, and is not when the step fails.
    ///
    /// # Errors
    /// When the step is to be tried again (our side was unavailable or is defective), or the job cannot go on (anything else).
    fn step(&mut self, engine: &Engine, ctx: &Ctx, of: StepOf) -> impl Future<Output = Outcome<NextStep>> + Send;

    /// The job cannot go on.
    fn give_up(&mut self, now: Timestamp, problem: &Problem);
}

/// Whether the same step may succeed later.
fn may_pass(problem: &Problem) -> bool {
    match problem.kind {
        ProblemKind::Unavailable | ProblemKind::Internal | ProblemKind::Limited => true,
        ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::NotFound
        | ProblemKind::Conflict
        | ProblemKind::Stale
        | ProblemKind::PreconditionRequired
        | ProblemKind::Invalid
        | ProblemKind::TooLarge => false,
    }
}

impl Engine {
    /// Does the next step of a job, if it is due and nobody else is at it.
    ///
    /// # Errors
    /// When the table does not answer: the message may be tried again.
    pub async fn run_job(&self, ctx: &Ctx, ws: WorkspaceId, job: JobId) -> Outcome<JobEnd> {
        let end = self.take_step(ctx, ws, job).await?;
        if end == JobEnd::Advanced(NextStep::Now) {
            self.send_step(ctx, ws, job).await;
        }
        Ok(end)
    }

    /// The same without the message of the next step: for those who do that one themselves.
    pub(crate) async fn take_step(&self, ctx: &Ctx, ws: WorkspaceId, job: JobId) -> Outcome<JobEnd> {
        match job {
            // On the heap, as each step is: the union of all steps' states is too much for a caller's stack in an unoptimised build.
            JobId::Backfill(_) => Box::pin(self.advance::<Backfill>(ctx, ws, job)).await,
            JobId::Drift { .. } => Box::pin(self.advance::<drift::DriftCheck>(ctx, ws, job)).await,
            JobId::Preview(_) => Box::pin(self.advance::<Preview>(ctx, ws, job)).await,
        }
    }

    /// Starts a job: its head is stored, due at once, and its first message is sent. Answers whether it is new.
    pub(crate) async fn start_job<T: Steps>(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        job: JobId,
        body: &T,
        ends: Option<Timestamp>,
    ) -> Outcome<bool> {
        let is_new = self.store.create_job(ctx, ws, job, body, ctx.now(), ends).await?;
        self.send_step(ctx, ws, job).await;
        Ok(is_new)
    }

    /// Sends a job's message. One that cannot be sent is sent by the sweep.
    pub(crate) async fn send_step(&self, ctx: &Ctx, ws: WorkspaceId, job: JobId) {
        let message = Message::Job(JobMessage { ws, job });
        match self.queues.send(ctx, SyncQueue::Bulk, &[message]).await {
            Ok(sent) if sent.iter().all(coportal_aws::queues::SendOutcome::is_sent) => {}
            Ok(refused) => tracing::warn!(job = %job, ?refused, "the message of a step was refused; the sweep sends it"),
            Err(error) => tracing::warn!(job = %job, %error, "the message of a step was not sent; the sweep sends it"),
        }
    }

    async fn advance<T: Steps>(&self, ctx: &Ctx, ws: WorkspaceId, job: JobId) -> Outcome<JobEnd> {
        let Some(read) = self.store.job::<T>(ctx, ws, job).await? else { return Ok(JobEnd::Gone) };
        let Job { next_at, lease, failures, cancel, mut body } = read.value;
        let Some(next_at) = next_at else { return Ok(JobEnd::AtRest) };
        let now = ctx.now();
        if lease.is_some_and(|lease| lease.is_live(now)) {
            return Ok(JobEnd::Busy);
        }
        if now < next_at && !cancel {
            return Ok(JobEnd::NotDue);
        }
        let until = ctx.deadline().saturating_add(LEASE_MARGIN).unwrap_or(Timestamp::MAX);
        let owner = RunId::new(ctx.uuid());
        let counted = failures.saturating_add(1);
        let fence = match self.store.claim_job(ctx, ws, job, read.rev, Lease { owner, until }, counted).await? {
            JobClaim::Won { rev } => rev,
            JobClaim::Lost => return Ok(JobEnd::Busy),
        };
        let before = body.clone();
        let outcome = match retry_after(counted) {
            Some(_) => Box::pin(body.step(self, ctx, StepOf { ws, job, fence, cancel, failures })).await,
            // Its steps ended by dying: nobody was left to count them to the end.
            None => Err(Problem::internal_error(format_args!("{job} did not come to the end of a step {failures} times"))),
        };
        let (next, counted) = match outcome {
            Ok(next) => (next, 0),
            Err(problem) => {
                body = before;
                match retry_after(counted).filter(|_| may_pass(&problem)) {
                    Some(wait) => {
                        tracing::warn!(job = %job, ?problem, "a step failed and is tried again");
                        (NextStep::At(ctx.now().saturating_add(wait).unwrap_or(Timestamp::MAX)), counted)
                    }
                    None => {
                        tracing::warn!(job = %job, ?problem, "a job is given up");
                        body.give_up(ctx.now(), &problem);
                        (NextStep::Rest, counted)
                    }
                }
            }
        };
        match self.store.save_job(ctx, ws, job, owner, &body, next, counted).await? {
            Saved::Done { .. } => {}
            // Slower than its lease, and overtaken: the other one's word counts.
            Saved::Moved(_) => return Ok(JobEnd::Busy),
        }
        Ok(JobEnd::Advanced(next))
    }
}
