//! I15: an admin imports contacts: exactly the ticked rows become clients, whatever their process dies of, and however often it is asked for.

use anyhow::{Context as _, Result, anyhow};
use coportal_core::connection::ConnectionStatus;
use coportal_core::id::PreviewId;
use coportal_core::import::{Action, Status};
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::problem::ProblemKind;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_engine::import::{ImportAnswer, ImportRequest, ImportResult, MappedRow, PickedRow, PreviewState};
use coportal_engine::jobs::JobEnd;
use jiff::SignedDuration;

use super::dice::Dice;
use super::history::Rates;
use super::perform::survived;
use super::universe::Universe;

/// Steps that a preview or a commit of so few contacts needs at most.
const STEPS: usize = 80;
/// The code of an answer that a dead grant stands in the way of.
const DEAD: &str = "reconnect_required";
/// The contacts of each ledger that belong to nobody's client.
const STRANGERS: [&str; 4] = ["Quayside Café", "Lantern Works", "Fen & Field", "Ropewalk"];

/// The names of a ledger's own contacts, and their addresses.
pub(super) fn strangers(ledger: Ledger) -> Vec<(String, String)> {
    let of = |(number, name): (usize, &str)| (format!("{name} ({ledger})"), format!("office{number}@{ledger}.example"));
    STRANGERS.into_iter().enumerate().map(of).collect()
}

impl Universe {
    /// A preview, some of its new rows ticked, and their import in a process that may die; then again until it is done.
    pub(super) async fn import(&mut self, link: usize, salt: u64, rates: Rates) -> Result<Vec<String>> {
        let (space, ledger) = self.link(link).map(|link| (link.space, link.ledger))?;
        if self.connection(link).await?.status != ConnectionStatus::Connected {
            return Ok(Vec::new());
        }
        let at = self.space(space)?;
        let (ctx, actor) = (self.ctx(), Actor::User(at.user.clone()));
        let workspace = at.workspace.clone();
        let begun = match self.quiet.begin_preview(&ctx, &workspace, actor.clone(), ledger, false).await {
            Ok(begun) => begun,
            Err(problem) if problem.kind == ProblemKind::Internal => return Ok(vec![format!("a preview of {ledger}: {problem:?}")]),
            Err(_) => return Ok(Vec::new()),
        };
        self.job_rests(&workspace, begun.id).await?;
        let view = match self.quiet.preview(&self.ctx(), &workspace, ledger, begun.id, None).await {
            Ok(view) => view,
            // The grant died while the contacts were read: nothing is ticked.
            Err(problem) if problem.code == DEAD => return Ok(Vec::new()),
            Err(problem) => return Err(anyhow!("{problem:?}")),
        };
        if view.state != PreviewState::Ready {
            return Ok(Vec::new());
        }
        let mut dice = Dice::new(salt ^ 0x1315);
        let rows = view.rows.unwrap_or_default();
        let ticked: Vec<&MappedRow> =
            rows.iter().filter(|row| row.status == Status::New && row.note.is_none() && dice.chance(500)).collect();
        if ticked.is_empty() {
            return Ok(Vec::new());
        }
        let tick = |row: &&MappedRow| PickedRow { external_id: row.external_id.clone(), action: Action::Create, client_id: None };
        let request = ImportRequest { preview_id: Some(begun.id), rows: Some(ticked.iter().map(tick).collect()), all_new: false };
        let (engine, line) = self.process(salt, rates, false)?;
        let _ = survived(&line, engine.import(&ctx, &workspace, actor.clone(), ledger, request.clone())).await;
        let Some(result) = self.finished(link, &workspace, actor, &request).await? else {
            return Ok(vec![format!("I15: an import from {ledger} of {} rows does not come to its end", ticked.len())]);
        };
        // A row that was not what it had been is reported, not guessed.
        let reported = |row: &&MappedRow| {
            result.changed_since_preview.iter().chain(&result.failed).any(|report| report.external_id == row.external_id)
        };
        let done: Vec<String> = ticked.iter().filter(|row| !reported(row)).map(|row| row.name.clone()).collect();
        self.imported.extend(done.into_iter().map(|name| (space, name)));
        Ok(Vec::new())
    }

    /// The same import, asked for by a person until it is done; `None` when it never is.
    async fn finished(
        &mut self,
        link: usize,
        workspace: &Workspace,
        actor: Actor,
        request: &ImportRequest,
    ) -> Result<Option<ImportResult>> {
        let ledger = self.link(link)?.ledger;
        let id = request.preview_id.context("rows are those of a preview")?;
        for _ in 0..STEPS {
            match self.quiet.import(&self.ctx(), workspace, actor.clone(), ledger, request.clone()).await {
                Ok(ImportAnswer::Done(result)) => return Ok(Some(result)),
                Ok(ImportAnswer::Accepted(_)) => self.job_rests(workspace, id).await?,
                // The lease of a process that died, or a limit.
                Err(problem) if problem.fix.as_ref().is_some_and(|fix| fix.retry_helps) => {
                    self.clock.advance(SignedDuration::from_secs(61))
                }
                // The grant died meanwhile: an admin reconnects, and the import is asked for again.
                Err(problem) if problem.code == DEAD => {
                    let connection = self.connection(link).await?;
                    let organisation = connection.organisation.context("a connection that died had an organisation")?.name;
                    self.connect(link, &organisation).await?;
                }
                // The connection has gone, with what was left of the import.
                Err(problem) => return Err(anyhow!("{problem:?}")),
            }
        }
        Ok(None)
    }

    async fn job_rests(&self, workspace: &Workspace, id: PreviewId) -> Result<()> {
        for _ in 0..STEPS {
            match self.quiet.run_job(&self.ctx(), workspace.id, JobId::Preview(id)).await.map_err(|problem| anyhow!("{problem:?}"))? {
                JobEnd::Advanced(NextStep::Now) => {}
                JobEnd::Advanced(NextStep::Rest) | JobEnd::AtRest | JobEnd::Gone => return Ok(()),
                JobEnd::Advanced(NextStep::At(_)) | JobEnd::NotDue | JobEnd::Busy => self.clock.advance(SignedDuration::from_secs(61)),
            }
        }
        Ok(())
    }

    /// I15, at rest: of the ledgers' own contacts exactly those are clients that were ticked, once each.
    pub(super) async fn imports(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for (number, space) in self.spaces.iter().enumerate() {
            let there = self.quiet.store.clients(space.workspace.id, false, None, 100).await?.items;
            for (name, _) in self.links.iter().flat_map(|link| strangers(link.ledger)) {
                let count = there.iter().filter(|client| client.name == name).count();
                let ticked = self.imported.contains(&(number, name.clone()));
                if count != usize::from(ticked) {
                    wrong.push(format!("I15: {name} is {count} clients of workspace {}, and was ticked there: {ticked}", number + 1));
                }
            }
        }
        Ok(wrong)
    }
}
