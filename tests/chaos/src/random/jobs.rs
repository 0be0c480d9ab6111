//! Backfills and checks for drift: begun by people in processes that may die, and gone on with by sweeps and workers.

use anyhow::{Context as _, Result};
use coportal_core::backfill::{Backfill, BackfillState};
use coportal_core::job::JobId;
use coportal_core::problem::ProblemKind;
use coportal_core::timeline::Actor;
use coportal_engine::jobs::BackfillRequest;
use coportal_engine::sync::KeepSide;
use jiff::Timestamp;
use jiff::civil::date;

use super::history::{Click, Rates, Side};
use super::perform::survived;
use super::universe::Universe;

impl Universe {
    /// An admin brings all older invoices of a workspace into a ledger.
    pub(super) async fn backfill(&mut self, place: usize, salt: u64, faults: Rates) -> Result<Vec<String>> {
        let (space, ledger) = self.link(place).map(|link| (link.space, link.ledger))?;
        let (engine, line) = self.process(salt, faults, false)?;
        let (ctx, at) = (self.ctx(), self.space(space)?);
        let request = BackfillRequest { from: Some(date(2026, 3, 1)), ..BackfillRequest::default() };
        let begun = survived(&line, engine.begin_backfill(&ctx, at.workspace.id, ledger, &request, Actor::User(at.user.clone()))).await;
        match begun {
            Some(Ok(id)) => self.backfills.push((place, id)),
            Some(Err(problem)) if problem.kind == ProblemKind::Internal && line.struck().is_empty() => {
                return Ok(vec![format!("a backfill of {ledger}: {problem:?}")]);
            }
            Some(Err(_)) | None => {}
        }
        Ok(Vec::new())
    }

    /// Somebody has the books of a connection compared.
    pub(super) async fn drift(&mut self, place: usize, salt: u64, faults: Rates) -> Result<Vec<String>> {
        let (space, ledger) = self.link(place).map(|link| (link.space, link.ledger))?;
        let (engine, line) = self.process(salt, faults, false)?;
        let (ctx, ws) = (self.ctx(), self.space(space)?.workspace.id);
        let asked = survived(&line, engine.check_drift(&ctx, ws, ledger)).await;
        let odd = matches!(&asked, Some(Err(problem)) if problem.kind == ProblemKind::Internal && line.struck().is_empty());
        Ok(if odd { vec![format!("a check of {ledger}: {:?}", asked.and_then(Result::err))] } else { Vec::new() })
    }

    /// Somebody says whose values stay, where a check found other ones.
    pub(super) async fn keep(&mut self, click: Click, side: Side, salt: u64, faults: Rates) -> Result<Vec<String>> {
        let aim = self.aim(click)?;
        let generation = self.generation(aim.link)?;
        let (ws, ledger) = (aim.request.workspace, aim.request.ledger);
        let Some(seen) = self.quiet.store.drift(ws, ledger, generation, aim.known.id).await? else { return Ok(Vec::new()) };
        // What stands there from now on may be a person's choice.
        self.excused.answered.insert((aim.known.id, ledger));
        let (engine, line) = self.process(salt, faults, false)?;
        let ctx = self.ctx();
        let keep = match side {
            Side::Ours => KeepSide::Ours,
            Side::Theirs => KeepSide::Theirs,
        };
        let end = survived(&line, engine.keep_drift(&ctx, aim.request.clone(), keep, Some(&seen.drift().digest()))).await;
        Ok(self.judged(&aim, &line, end))
    }

    /// When the backfills that are under way go on.
    pub(super) async fn going(&self) -> Result<Vec<Timestamp>> {
        let mut due = Vec::new();
        for (place, id) in &self.backfills {
            let ws = self.space(self.link(*place)?.space)?.workspace.id;
            let job = self.quiet.store.job::<Backfill>(&self.ctx(), ws, JobId::Backfill(*id)).await?.context("a backfill is kept")?.value;
            let leased = job.lease.map(|lease| lease.until);
            due.extend(job.next_at.map(|next| leased.map_or(next, |leased| leased.max(next))));
        }
        Ok(due)
    }

    /// At rest: every backfill has ended, with nothing left that it had begun (I3).
    pub(super) async fn backfilled(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for (place, id) in &self.backfills {
            let link = self.link(*place)?;
            let ws = self.space(link.space)?.workspace.id;
            let view = self.quiet.backfill(&self.ctx(), ws, link.ledger, *id).await.map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
            let left = view.progress.pending + view.progress.waiting;
            let is_explained = view.problem.as_ref().is_some_and(|problem| !problem.detail.is_empty());
            let is_over = match view.state {
                BackfillState::Running => false,
                BackfillState::Done => left == 0,
                BackfillState::Stopped => is_explained,
                BackfillState::Cancelled => true,
            };
            if !is_over {
                wrong.push(format!("I3: a backfill of {} does not come to its end: {view:?}", link.ledger));
            }
        }
        Ok(wrong)
    }
}
