//! A backfill as people see it.

use coportal_aws::records::jobs::Job;
use coportal_aws::store::Versioned;
use coportal_core::backfill::{Backfill, BackfillState, Progress, Purpose, Stage, eta};
use coportal_core::ctx::Ctx;
use coportal_core::id::{BackfillId, WorkspaceId};
use coportal_core::job::JobId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::row::{RowProblem, WaitingFor};
use jiff::Timestamp;
use serde::Serialize;

use crate::Engine;

/// How far a backfill is.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackfillView {
    /// Its id.
    pub id: BackfillId,
    /// What it does, and to which invoices.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// Where it stands.
    pub state: BackfillState,
    /// How far it is.
    pub stage: Stage,
    /// Somebody ended it, and its last step is not over yet.
    pub cancelling: bool,
    /// The sum over its chunks.
    #[serde(flatten)]
    pub progress: Progress,
    /// For what it waits as a whole.
    pub waiting_for: Option<WaitingFor>,
    /// It goes on then, where it waits as a whole.
    pub due_at: Option<Timestamp>,
    /// When it is expected to be over; null once it is.
    pub eta: Option<Timestamp>,
    /// Why it stopped.
    pub problem: Option<RowProblem>,
    /// When it was asked for.
    pub begun_at: Timestamp,
    /// When it came to rest.
    pub ended_at: Option<Timestamp>,
}

impl Engine {
    pub(super) async fn backfill_head(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        id: BackfillId,
    ) -> Outcome<Versioned<Job<Backfill>>> {
        let head = self.store.job::<Backfill>(ctx, ws, JobId::Backfill(id)).await?;
        head.filter(|head| head.value.body.ledger == ledger).ok_or_else(|| Problem::not_found("record"))
    }

    /// How far a backfill, or the approval of many drafts, is.
    ///
    /// # Errors
    /// 404 when there is none of this id in this ledger.
    pub async fn backfill(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, id: BackfillId) -> Outcome<BackfillView> {
        let Job { cancel, body, .. } = self.backfill_head(ctx, ws, ledger, id).await?.value;
        let mut progress = Progress { vendor_calls: body.shared_calls, ..Progress::default() };
        for chunk in self.store.chunks(ws, id, body.chunks).await? {
            progress.add(&chunk);
        }
        let running = body.state == BackfillState::Running;
        let limits = self.ledgers.get(ledger).map(|api| api.profile.limits).filter(|_| running);
        Ok(BackfillView {
            id,
            purpose: body.purpose,
            state: body.state,
            stage: body.stage,
            cancelling: cancel && running,
            progress,
            waiting_for: body.waits.map(|wait| wait.reason),
            due_at: body.waits.map(|wait| wait.until),
            eta: limits.map(|limits| eta(ctx.now(), body.waits, &progress, limits.per_minute, limits.per_day)),
            problem: body.problem,
            begun_at: body.begun_at,
            ended_at: body.ended_at,
        })
    }
}
