//! Importing contacts of a ledger as clients: a preview that shows what it would do, and a commit of exactly what was ticked (R24-R33).
//!
//! A preview is a job: it reads the ledger's whole list, a page of the vendor's a step, then compares it with the workspace's clients. At
//! rest it is looked at and ticked; the commit wakes it again. Every row is decided on what is known when it is its turn
//! (`coportal_core::import::decide`) and written in one transaction, so that a commit may be cut off anywhere, repeated, and run beside
//! another one.

mod books;
mod commit;
mod read;
mod row;
mod view;

use coportal_aws::keys::PreviewPart;
use coportal_aws::records::jobs::Job;
use coportal_aws::store::Versioned;
use coportal_core::connection::{ConnectionStatus, Generation};
use coportal_core::ctx::Ctx;
use coportal_core::id::{PreviewId, WorkspaceId};
use coportal_core::import::{Counts, Row};
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Fix, Outcome, Problem, ProblemKind};
use coportal_core::sync::row::RowProblem;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use commit::{ImportAnswer, ImportRequest, PickedRow};
pub use view::{ImportResult, Looked, MappedRow, PreviewView, RowNote, RowReport, RowResult};

use crate::Engine;
use crate::access::AccessProblem;
use crate::jobs::{StepOf, Steps};

/// How long a preview can be looked at and committed.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How much longer it is stored: a commit that was begun in its last minute has the time to come to its end.
const STORED_LONGER: SignedDuration = SignedDuration::from_hours(24);

/// How long a preview can at least be looked at, and its commit be worked on, after a commit was begun.
const COMMIT_TIME: SignedDuration = SignedDuration::from_hours(6);

/// Time that a step may take: one vendor call with its time-out, and what is written around it.
const STEP_TIME: SignedDuration = SignedDuration::from_secs(18);

/// Longest list that is previewed: what is kept of it while it is compared fits a function's memory many times over.
const MOST_CONTACTS: u32 = 100_000;

/// Where a preview stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PreviewState {
    /// The list is being read.
    Reading,
    /// It can be looked at and ticked.
    Ready,
    /// What was ticked is being done.
    Committing,
    /// What was ticked is done. More can be ticked.
    Done,
    /// The list could not be read.
    Failed,
}

/// How many rows of a commit ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) created: u32,
    pub(crate) linked: u32,
    pub(crate) skipped: u32,
}

impl Tally {
    /// Both together.
    pub(crate) fn plus(self, more: Self) -> Self {
        Self {
            created: self.created.saturating_add(more.created),
            linked: self.linked.saturating_add(more.linked),
            skipped: self.skipped.saturating_add(more.skipped),
        }
    }
}

/// The newest commit of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// Digest of what was ticked, under which it is kept.
    pub(crate) digest: String,
    /// Pages of rows with something ticked.
    pub(crate) pages: Vec<u32>,
    /// How many of them are done.
    pub(crate) done: usize,
    /// Rows that are to be created or linked.
    pub(crate) rows: u32,
    /// What those pages came to.
    pub(crate) tally: Tally,
    /// What the page after them came to so far, where it was begun and something stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<Tally>,
}

/// What the head of a preview keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Preview {
    pub(crate) ledger: Ledger,
    pub(crate) generation: Generation,
    pub(crate) organisation: String,
    pub(crate) state: PreviewState,
    /// Who began it.
    pub(crate) by: Actor,
    /// Until when it can be looked at and committed.
    pub(crate) ends: Timestamp,
    /// Until when it is stored: a commit goes on until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stored_until: Option<Timestamp>,
    /// Everything new is imported as soon as it is known (C14).
    pub(crate) import_all: bool,
    /// The pages of the list that are known to come next.
    #[serde(default)]
    pub(crate) next: Vec<String>,
    /// The whole list was read.
    #[serde(default)]
    pub(crate) list_read: bool,
    /// Pages of the list so far: vendor calls.
    #[serde(default)]
    pub(crate) calls: u32,
    /// Contacts so far.
    #[serde(default)]
    pub(crate) read: u32,
    /// Contacts in all, where the ledger says so.
    #[serde(default)]
    pub(crate) expected: Option<u32>,
    /// Pages of what was read.
    #[serde(default)]
    pub(crate) read_pages: u32,
    /// Pages of rows.
    #[serde(default)]
    pub(crate) pages: u32,
    #[serde(default)]
    pub(crate) counts: Counts,
    /// By page of rows: how many are ticked before anybody touches them, and are not done.
    #[serde(default)]
    pub(crate) untouched: Vec<u32>,
    #[serde(default)]
    pub(crate) commit: Option<Commit>,
    /// Why it failed, or why the newest commit ended early.
    #[serde(default)]
    pub(crate) problem: Option<RowProblem>,
}

impl Steps for Preview {
    async fn step(&mut self, engine: &Engine, ctx: &Ctx, of: StepOf) -> Outcome<NextStep> {
        let JobId::Preview(preview) = of.job else { return Err(Problem::internal_error("a preview of another kind of job")) };
        let step = Step { engine, ctx, ws: of.ws, preview, fence: of.fence };
        let end = match self.state {
            PreviewState::Committing => self.stored_until(),
            PreviewState::Reading | PreviewState::Ready | PreviewState::Done | PreviewState::Failed => self.ends,
        };
        if end <= ctx.now() {
            return Err(ended(self.ledger));
        }
        let next = match self.state {
            PreviewState::Reading if !self.list_read => step.read_pages(self).await?,
            PreviewState::Reading => step.classify(self).await?,
            PreviewState::Committing => step.commit(self).await?,
            PreviewState::Ready | PreviewState::Done | PreviewState::Failed => NextStep::Rest,
        };
        match next {
            NextStep::At(at) if end <= at => Err(ended(self.ledger)),
            NextStep::Now | NextStep::At(_) | NextStep::Rest => Ok(next),
        }
    }

    fn give_up(&mut self, _: Timestamp, problem: &Problem) {
        self.problem = Some(RowProblem {
            code: problem.code.clone(),
            detail: problem.detail.clone(),
            fix: problem.fix.clone().unwrap_or_else(|| Fix::new("Try again later.", "Settings -> Integrations", true)),
            issues: problem.issues.clone(),
        });
        self.state = match self.state {
            PreviewState::Reading | PreviewState::Failed => PreviewState::Failed,
            // What was done is done; the same can be asked for again.
            PreviewState::Committing | PreviewState::Ready => PreviewState::Ready,
            PreviewState::Done => PreviewState::Done,
        };
    }
}

fn ended(ledger: Ledger) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "preview_ended",
        format!("{} takes calls again only after the end of this preview.", ledger.label()),
    )
    .fix("Preview the contacts again tomorrow.", "Settings -> Integrations", true)
}

impl Preview {
    fn stored_until(&self) -> Timestamp {
        self.stored_until.unwrap_or(self.ends)
    }

    /// Whether it is there for those who ask: it has not ended, or what was ticked before its end is still being done.
    fn is_there(&self, now: Timestamp) -> bool {
        now < self.ends || self.state == PreviewState::Committing
    }

    /// Its end, once a commit is begun: there is time to do what was ticked and to read what it came to, and never less storage.
    fn ends_after_commit(&self, now: Timestamp) -> Timestamp {
        let latest = self.stored_until().saturating_sub(COMMIT_TIME).unwrap_or(self.ends);
        self.ends.max(now.saturating_add(COMMIT_TIME).unwrap_or(Timestamp::MAX).min(latest))
    }
}

/// One step of one preview.
#[derive(Clone, Copy)]
struct Step<'a> {
    engine: &'a Engine,
    ctx: &'a Ctx,
    ws: WorkspaceId,
    preview: PreviewId,
    fence: u64,
}

impl Step<'_> {
    fn key(&self) -> (WorkspaceId, PreviewId) {
        (self.ws, self.preview)
    }

    async fn rows(&self, page: u32) -> Outcome<Vec<Row>> {
        let rows = self.engine.store.preview_part(self.ctx, self.key(), PreviewPart::Rows(page)).await?;
        rows.ok_or_else(|| Problem::internal_error("a page of a preview is missing"))
    }

    async fn put<T: Serialize>(&self, of: &Preview, part: PreviewPart<'_>, rows: &T) -> Outcome<()> {
        // A step that was overtaken is told when its head is saved; until then what it writes beside it is refused.
        let _ = self.engine.store.put_preview_part(self.ctx, self.key(), part, self.fence, of.stored_until(), rows).await?;
        Ok(())
    }
}

impl Engine {
    /// Begins a preview of a ledger's contacts. With `import_all` everything that turns out new is imported at once: Business Central's
    /// "Import BC Customers" (R32, R33, C14).
    ///
    /// # Errors
    /// 403 when the plan does not include the ledger (R146), 409 without a connected organisation.
    pub async fn begin_preview(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: Actor,
        ledger: Ledger,
        import_all: bool,
    ) -> Outcome<PreviewView> {
        let (connection, organisation) = self.usable_connection(workspace, ledger).await?;
        if connection.value.status == ConnectionStatus::ReconnectRequired {
            return Err(AccessProblem::Dead.problem(ledger));
        }
        let id = PreviewId::new(ctx.uuid());
        let ends = ctx.now().saturating_add(KEPT).unwrap_or(Timestamp::MAX);
        let preview = Preview {
            ledger,
            generation: connection.value.generation,
            organisation: organisation.id,
            state: PreviewState::Reading,
            by: by.clone(),
            ends,
            stored_until: ends.saturating_add(STORED_LONGER).ok(),
            import_all,
            next: Vec::new(),
            list_read: false,
            calls: 0,
            read: 0,
            expected: None,
            read_pages: 0,
            pages: 0,
            counts: Counts::default(),
            untouched: Vec::new(),
            commit: None,
            problem: None,
        };
        if import_all {
            let text = format!("Began to import all new contacts of {}.", organisation.name);
            self.audit(ctx, workspace.id, by, "import_started", Some(ledger), text).await?;
        }
        let job = JobId::Preview(id);
        if import_all {
            // Whoever asked does the first steps itself; the sweep finds what it leaves behind.
            self.store.create_job(ctx, workspace.id, job, &preview, ctx.now(), Some(preview.stored_until())).await?;
        } else {
            self.start_job(ctx, workspace.id, job, &preview, Some(preview.stored_until())).await?;
        }
        self.preview_view(ctx, workspace.id, id, &preview, Looked::default()).await
    }

    /// A preview as it stands, with a page of its rows once it is ready. Another workspace's, another ledger's and an ended one are not there.
    /// Whoever asks for one whose next step is due, and that nobody is at, does that step: a person who waits does not wait for a message.
    ///
    /// # Errors
    /// 404 when it is not there, 422 when the cursor is none of it.
    pub async fn preview(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        ledger: Ledger,
        id: PreviewId,
        cursor: Option<&str>,
    ) -> Outcome<PreviewView> {
        self.look_at_preview(ctx, workspace, ledger, id, Looked { cursor, ..Looked::default() }).await
    }

    /// The same with those rows that are looked for.
    ///
    /// # Errors
    /// As [`Self::preview`].
    pub async fn look_at_preview(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        ledger: Ledger,
        id: PreviewId,
        looked: Looked<'_>,
    ) -> Outcome<PreviewView> {
        crate::sync::check_plan(workspace, ledger)?;
        let mut found = self.known_job(ctx, workspace.id, ledger, id).await?;
        let under_way = matches!(found.value.body.state, PreviewState::Reading | PreviewState::Committing);
        // After a step that failed the worker goes on, which can wait longer for a slow ledger.
        if under_way && found.value.failures == 0 && ctx.has_time_for(STEP_TIME) {
            // What a step cannot do stands in the head, or the sweep does it.
            if let Err(problem) = self.run_job(ctx, workspace.id, JobId::Preview(id)).await {
                tracing::warn!(preview = %id, ?problem, "a step of a preview that is looked at was not done");
            }
            found = self.known_job(ctx, workspace.id, ledger, id).await?;
        }
        self.preview_view(ctx, workspace.id, id, &found.value.body, looked).await
    }

    async fn known_job(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, id: PreviewId) -> Outcome<Versioned<Job<Preview>>> {
        let found = self.store.job::<Preview>(ctx, ws, JobId::Preview(id)).await?;
        found.filter(|found| found.value.body.ledger == ledger && found.value.body.is_there(ctx.now())).ok_or_else(no_preview)
    }

    async fn known_preview(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, id: PreviewId) -> Outcome<Versioned<Preview>> {
        let found = self.known_job(ctx, ws, ledger, id).await?;
        Ok(Versioned::new(found.value.body, found.rev))
    }
}

fn no_preview() -> Problem {
    Problem::not_found("import preview")
}
