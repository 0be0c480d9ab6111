//! Backfill: many invoices of one connection, in chunks of one vendor batch (R36); and the approval of many drafts (C7).

mod list;
mod plan;
mod rows;
mod view;
mod work;

use coportal_core::backfill::{Backfill, BackfillState, Purpose, Selection, Stage};
use coportal_core::connection::Connection;
use coportal_core::ctx::Ctx;
use coportal_core::id::{BackfillId, WorkspaceId};
use coportal_core::invoice::InvoiceStatus;
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

pub use plan::{BackfillPlan, DraftsForecast};
pub use view::BackfillView;

use super::{StepOf, Steps};
use crate::Engine;
use crate::sync::{check_connection, check_plan, not_connected, public_half};

/// How long a backfill and its chunks can be read after it was asked for.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What a person asks of a backfill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BackfillRequest {
    /// Issued on this day or later; the day of the connection where absent (C30).
    #[serde(default)]
    pub from: Option<Date>,
    /// Issued on this day or earlier.
    #[serde(default)]
    pub to: Option<Date>,
    /// In one of these states; sent and paid where absent.
    #[serde(default)]
    pub status: Option<Statuses>,
}

/// One state, or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = InvoiceStatuses))]
#[serde(untagged)]
pub enum Statuses {
    /// One.
    One(InvoiceStatus),
    /// Several.
    Several(Vec<InvoiceStatus>),
}

impl Statuses {
    fn as_slice(&self) -> &[InvoiceStatus] {
        match self {
            Self::One(status) => std::slice::from_ref(status),
            Self::Several(statuses) => statuses,
        }
    }
}

/// The workspace and the connection that a job works for, as they stand now.
struct Standing {
    workspace: Workspace,
    connection: Connection,
}

impl Engine {
    /// Begins a backfill; it goes on by itself.
    ///
    /// # Errors
    /// When the plan or the connection does not allow it, or the request makes no sense.
    pub async fn begin_backfill(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        request: &BackfillRequest,
        actor: Actor,
    ) -> Outcome<BackfillId> {
        let standing = self.standing(ws, ledger).await?;
        let selection = selection(&standing.connection, request)?;
        let text = format!("Invoices from {}{}.", selection.from, selection.to.map(|to| format!(" to {to}")).unwrap_or_default());
        self.begin(ctx, ws, &standing.connection, Purpose::Backfill { selection }, actor, "backfill_begun", text).await
    }

    /// Begins the approval of all drafts that CoPortal has in the ledger; it goes on by itself (C7).
    ///
    /// # Errors
    /// When the plan or the connection does not allow it.
    pub async fn begin_approving(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, actor: Actor) -> Outcome<BackfillId> {
        let standing = self.standing(ws, ledger).await?;
        let text = "All drafts that CoPortal has there.".to_owned();
        self.begin(ctx, ws, &standing.connection, Purpose::ApproveDrafts, actor, "drafts_approved", text).await
    }

    #[expect(clippy::too_many_arguments, reason = "each is one fact of the job")]
    async fn begin(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        connection: &Connection,
        purpose: Purpose,
        actor: Actor,
        action: &str,
        text: String,
    ) -> Outcome<BackfillId> {
        let (ledger, now) = (connection.ledger, ctx.now());
        let id = BackfillId::new(ctx.uuid());
        let body = Backfill::begin(purpose, ledger, connection.generation, actor.clone(), now);
        self.audit(ctx, ws, actor, action, Some(ledger), text).await?;
        let ends = now.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        self.start_job(ctx, ws, JobId::Backfill(id), &body, Some(ends)).await?;
        Ok(id)
    }

    /// Ends a backfill: what was not begun stays as it is, and what waits for its turn no longer does. What may have been sent is settled
    /// all the same.
    ///
    /// # Errors
    /// When there is none of this id in this ledger.
    pub async fn cancel_backfill(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, id: BackfillId, actor: Actor) -> Outcome<BackfillView> {
        let job = JobId::Backfill(id);
        let head = self.backfill_head(ctx, ws, ledger, id).await?;
        if head.value.body.state == BackfillState::Running && self.store.hurry_job(ctx, ws, job, true).await? {
            self.audit(ctx, ws, actor, "backfill_cancelled", Some(ledger), id.to_string()).await?;
            self.send_step(ctx, ws, job).await;
        }
        self.backfill(ctx, ws, ledger, id).await
    }

    /// Workspace and connection, with the gates of each call (R146).
    async fn standing(&self, ws: WorkspaceId, ledger: Ledger) -> Outcome<Standing> {
        let workspace = self.store.workspace(ws).await?.ok_or_else(|| Problem::not_found("workspace"))?;
        check_plan(&workspace, ledger)?;
        let connection = self.store.connection(ws, ledger).await?.ok_or_else(|| not_connected(ledger))?.value;
        check_connection(&connection)?;
        Ok(Standing { workspace, connection })
    }
}

fn selection(connection: &Connection, request: &BackfillRequest) -> Outcome<Selection> {
    let connected = connection.connected_at.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).date();
    let statuses = request.status.as_ref().map(Statuses::as_slice).unwrap_or_default();
    let options = &connection.options;
    Selection::of(connected, request.from, request.to, statuses, options.also_draft_source && options.sync_as_draft)
}

impl Steps for Backfill {
    async fn step(&mut self, engine: &Engine, ctx: &Ctx, of: StepOf) -> Outcome<NextStep> {
        if of.cancel {
            Box::pin(engine.release_rows(ctx, of, self)).await?;
            self.end(BackfillState::Cancelled, ctx.now());
            return Ok(NextStep::Rest);
        }
        let standing = engine.standing(of.ws, self.ledger).await?;
        if standing.connection.generation != self.generation {
            return Err(crate::sync::other_organisation(self.ledger));
        }
        match self.stage {
            Stage::Listing => Box::pin(engine.list_step(ctx, of, self, &standing)).await,
            Stage::Contacts => Box::pin(engine.contacts_step(ctx, of, self)).await,
            Stage::Working => Box::pin(engine.work_step(ctx, of, self)).await,
        }
    }

    fn give_up(&mut self, now: Timestamp, problem: &Problem) {
        self.problem = Some(public_half(problem));
        self.end(BackfillState::Stopped, now);
    }
}

/// The id of a backfill whose step this is.
fn id_of(of: StepOf) -> Outcome<BackfillId> {
    match of.job {
        JobId::Backfill(id) => Ok(id),
        JobId::Preview(_) | JobId::Drift { .. } => Err(Problem::internal_error("a backfill's step for another kind of job")),
    }
}
