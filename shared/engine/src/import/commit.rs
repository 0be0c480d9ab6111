//! The commit: exactly the ticked rows, a page of rows at a time, each compared first with what the ledger shows now (I15).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use coportal_aws::keys::PreviewPart;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, PreviewId};
use coportal_core::import::{Action, Fresh, Listed, Pick, Row};
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::text::digest;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use jiff::SignedDuration;
use serde::Deserialize;

use super::books::{Books, Stop, listed, listed_alone};
use super::read::untouched;
use super::row::emails_of;
use super::view::{ImportResult, Looked, PreviewView, Results, RowResult};
use super::{Commit, Preview, PreviewState, STEP_TIME, Step, Tally, no_preview};
use crate::Engine;
use crate::jobs::JobEnd;

/// Most rows that a request does itself; more are a job (docs/api.md).
const AT_ONCE: u32 = 100;

/// Longest list that a request for everything new reads itself; a longer one is a job.
const LIST_AT_ONCE: u32 = 1_000;

/// Time that a page of rows may take: it is not begun with less.
const PAGE_TIME: SignedDuration = SignedDuration::from_secs(8);

/// How often a list that shows a contact as archived or not at all is asked what became of it: a merged one is told from a deleted one.
const MOST_LOOKS: u32 = 25;

/// How often a commit is begun anew because somebody else's was begun at the same moment.
const ROUNDS: usize = 5;

/// One ticked row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PickedRow {
    /// The ledger's id of the contact.
    pub external_id: String,
    /// What to do with it.
    pub action: Action,
    /// The client to link it to, where several have its address.
    #[serde(default)]
    pub client_id: Option<ClientId>,
}

/// `POST …/import`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The preview; without one everything new is previewed and imported in one go.
    #[serde(default)]
    pub preview_id: Option<PreviewId>,
    /// What was ticked.
    #[serde(default)]
    pub rows: Option<Vec<PickedRow>>,
    /// Everything new is ticked, duplicates are not (C14).
    #[serde(default)]
    pub all_new: bool,
}

/// The answer to an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportAnswer {
    /// It is done.
    Done(ImportResult),
    /// It is being done; the result will stand on the preview.
    Accepted(Box<PreviewView>),
}

/// What was ticked, by page of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Picked {
    pub(super) pages: BTreeMap<u32, BTreeMap<String, Pick>>,
    /// Rows that are left alone beside those: "everything new" leaves the rest.
    pub(super) left: u32,
}

impl Picked {
    fn picks(&self) -> impl Iterator<Item = (&String, &Pick)> {
        self.pages.values().flatten()
    }

    fn rows(&self) -> u32 {
        u32::try_from(self.picks().filter(|(_, pick)| pick.action != Action::Skip).count()).unwrap_or(u32::MAX)
    }

    /// The same ticks have the same digest.
    fn digest(&self) -> String {
        let action = |pick: &Pick| match pick.action {
            Action::Create => "create",
            Action::Link => "link",
            Action::Skip => "skip",
        };
        let parts: Vec<String> = self
            .picks()
            .flat_map(|(id, pick)| [id.clone(), action(pick).to_owned(), pick.client.map(|client| client.to_string()).unwrap_or_default()])
            .collect();
        let mut digest = digest(parts.iter().map(String::as_bytes));
        digest.truncate(32);
        digest
    }
}

fn invalid(pointer: &str, code: &'static str, detail: &'static str) -> Problem {
    Problem::invalid(vec![Issue::new(pointer.to_owned(), code, detail)])
}

impl Engine {
    /// Imports what was ticked: up to a hundred rows at once, more as a job. Repeating it makes nothing more.
    ///
    /// # Errors
    /// 404 for a preview that is not there and for a row that is none of its rows; 409 while the list is read, or while other ticks of the
    /// same preview are being done; 422 when the request is malformed.
    pub async fn import(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: Actor,
        ledger: Ledger,
        request: ImportRequest,
    ) -> Outcome<ImportAnswer> {
        crate::sync::check_plan(workspace, ledger)?;
        let ticked = match (request.rows, request.all_new) {
            (Some(_), true) => return Err(invalid("/all_new", "either_or", "Send rows, or all_new, and not both.")),
            (None, false) => return Err(invalid("/rows", "required", "Say which rows to import, or send all_new.")),
            (rows, _) => rows,
        };
        let Some(id) = request.preview_id else {
            if ticked.is_some() {
                return Err(invalid("/preview_id", "required", "Rows are those of a preview: say which."));
            }
            let begun = self.begin_preview(ctx, workspace, by, ledger, true).await?;
            return self.work_now(ctx, workspace, ledger, begun.id).await;
        };
        self.begin_import(ctx, workspace, by, ledger, id, ticked).await?;
        self.work_now(ctx, workspace, ledger, id).await
    }

    /// Does the job's steps here and now, while they are few and there is time, and answers how it stands then. What is left goes on by
    /// messages.
    async fn work_now(&self, ctx: &Ctx, workspace: &Workspace, ledger: Ledger, id: PreviewId) -> Outcome<ImportAnswer> {
        let job = JobId::Preview(id);
        let mut goes_on = true;
        let now = loop {
            let now = self.known_preview(ctx, workspace.id, ledger, id).await?.value;
            let (time, few) = match now.state {
                PreviewState::Reading => (STEP_TIME, now.read.max(now.expected.unwrap_or_default()) <= LIST_AT_ONCE),
                PreviewState::Committing => (PAGE_TIME, now.commit.as_ref().is_some_and(|commit| commit.rows <= AT_ONCE)),
                PreviewState::Ready | PreviewState::Done | PreviewState::Failed => break now,
            };
            if !goes_on {
                break now;
            }
            if !few || !ctx.has_time_for(time) {
                self.send_step(ctx, workspace.id, job).await;
                break now;
            }
            goes_on = match self.take_step(ctx, workspace.id, job).await? {
                JobEnd::Advanced(NextStep::Now) => true,
                JobEnd::Advanced(NextStep::At(_) | NextStep::Rest) | JobEnd::NotDue | JobEnd::Busy | JobEnd::AtRest | JobEnd::Gone => false,
            };
        };
        let step = Step { engine: self, ctx, ws: workspace.id, preview: id, fence: 0 };
        match (now.state, &now.problem) {
            (PreviewState::Done, _) => Ok(ImportAnswer::Done(step.result(&now).await?.unwrap_or_default())),
            (PreviewState::Failed, _) => Err(failed(&now)),
            (PreviewState::Ready, Some(problem)) => {
                let mut refused = Problem::new(ProblemKind::Conflict, problem.code.clone(), problem.detail.clone());
                refused.fix = Some(problem.fix.clone());
                Err(refused)
            }
            (PreviewState::Ready | PreviewState::Reading | PreviewState::Committing, _) => {
                Ok(ImportAnswer::Accepted(Box::new(self.preview_view(ctx, workspace.id, id, &now, Looked::default()).await?)))
            }
        }
    }

    /// Writes down what was ticked and wakes the job.
    async fn begin_import(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: Actor,
        ledger: Ledger,
        id: PreviewId,
        ticked: Option<Vec<PickedRow>>,
    ) -> Outcome<()> {
        let mut told = false;
        for _ in 0..ROUNDS {
            let found = self.known_preview(ctx, workspace.id, ledger, id).await?;
            let (mut preview, rev) = (found.value, found.rev);
            match preview.state {
                PreviewState::Ready | PreviewState::Done | PreviewState::Committing => {}
                PreviewState::Reading => return Err(not_ready(ledger)),
                PreviewState::Failed => return Err(failed(&preview)),
            }
            let step = Step { engine: self, ctx, ws: workspace.id, preview: id, fence: rev };
            let picked = match &ticked {
                Some(rows) => step.find(&preview, rows).await?,
                None => step.everything_new(&preview).await?,
            };
            if preview.state == PreviewState::Committing {
                let same = preview.commit.as_ref().is_some_and(|commit| commit.digest == picked.digest());
                return if same { Ok(()) } else { Err(under_way()) };
            }
            // Said before it is done: a process that dies between the two leaves a line too many, and no import that nobody is named for.
            if !told {
                let text = format!("Began to import {} contacts of {}.", picked.rows(), ledger.label());
                self.audit(ctx, workspace.id, by.clone(), "import_started", Some(ledger), text).await?;
                told = true;
            }
            step.begin_commit(&mut preview, &picked).await?;
            if self.store.wake_job(ctx, workspace.id, JobId::Preview(id), rev, &preview).await? {
                return Ok(());
            }
        }
        Err(under_way())
    }
}

fn not_ready(ledger: Ledger) -> Problem {
    Problem::new(ProblemKind::Conflict, "preview_not_ready", format!("The contacts of {} are still being read.", ledger.label())).fix(
        "Wait until the preview is ready, then import.",
        "the preview",
        true,
    )
}

fn under_way() -> Problem {
    Problem::new(ProblemKind::Conflict, "import_in_progress", "Another import of this preview is under way.").fix(
        "Wait until it is done, then import the other rows.",
        "the preview",
        true,
    )
}

fn failed(preview: &Preview) -> Problem {
    let (code, detail) = preview.problem.as_ref().map_or(("preview_failed".into(), "The contacts could not be read.".into()), |problem| {
        (problem.code.clone(), problem.detail.clone())
    });
    Problem::new(ProblemKind::Conflict, code, detail).fix("Preview the contacts again.", "Settings -> Integrations", false)
}

/// How far a page of rows came.
struct PageEnd {
    /// Its rows that are ticked before anybody touches them, and are not done.
    untouched: u32,
    tally: Tally,
    /// What stopped it before its end.
    stop: Option<Stop>,
    /// Something was written that was not there: the next step begins further on.
    written: bool,
}

/// The contacts of a list as it is now, of those that are ticked; or how to ask for them one by one.
enum Comparison {
    /// Each is read by itself: fewer calls than the list has pages.
    Each,
    /// The list, read again.
    List { contacts: HashMap<String, Listed>, looks: u32 },
}

impl Step<'_> {
    /// Where the ticked rows stand. A row that is none of the preview's is not there.
    async fn find(&self, preview: &Preview, ticked: &[PickedRow]) -> Outcome<Picked> {
        let mut wanted: HashMap<&str, Pick> = HashMap::with_capacity(ticked.len());
        for (at, row) in ticked.iter().enumerate() {
            if row.client_id.is_some() && row.action != Action::Link {
                return Err(invalid(&format!("/rows/{at}/client_id"), "only_with_link", "A client is named where a row is linked to it."));
            }
            if wanted.insert(&row.external_id, Pick { action: row.action, client: row.client_id }).is_some() {
                return Err(invalid(&format!("/rows/{at}/external_id"), "twice", "This row is there twice."));
            }
        }
        let mut picked = Picked::default();
        for page in 0..preview.pages {
            let rows = self.rows(page).await?;
            let picks = rows.iter().filter_map(|row| {
                let id = row.listed.external_id.as_str();
                wanted.remove(id).map(|pick| (id.to_owned(), pick))
            });
            let picks: BTreeMap<String, Pick> = picks.collect();
            if !picks.is_empty() {
                picked.pages.insert(page, picks);
            }
        }
        if wanted.is_empty() { Ok(picked) } else { Err(no_preview()) }
    }

    /// Keeps what was ticked, and makes it the preview's newest commit.
    pub(super) async fn begin_commit(&self, preview: &mut Preview, picked: &Picked) -> Outcome<()> {
        let digest = picked.digest();
        for (page, picks) in &picked.pages {
            self.put(preview, PreviewPart::Picked(&digest, *page), picks).await?;
        }
        let tally = Tally { skipped: picked.left, ..Tally::default() };
        preview.commit =
            Some(Commit { digest, pages: picked.pages.keys().copied().collect(), done: 0, rows: picked.rows(), tally, begun: None });
        preview.state = PreviewState::Committing;
        preview.ends = preview.ends_after_commit(self.ctx.now());
        preview.problem = None;
        Ok(())
    }

    /// What was ticked of a page.
    pub(super) async fn picks(&self, digest: &str, page: u32) -> Outcome<BTreeMap<String, Pick>> {
        let picks = self.engine.store.preview_part(self.ctx, self.key(), PreviewPart::Picked(digest, page)).await?;
        picks.ok_or_else(|| Problem::internal_error("what was ticked is missing"))
    }

    /// Does pages of rows while there is time for one more.
    pub(super) async fn commit(&self, preview: &mut Preview) -> Outcome<NextStep> {
        let Some(commit) = preview.commit.clone() else { return Err(Problem::internal_error("a commit of nothing")) };
        let mut books = Books::open(*self, preview).await?;
        let next = self.commit_pages(preview, &commit, &mut books).await;
        books.close().await;
        next
    }

    async fn commit_pages(&self, preview: &mut Preview, commit: &Commit, books: &mut Books<'_>) -> Outcome<NextStep> {
        let mut comparison: Option<Comparison> = None;
        for (at, page) in commit.pages.iter().enumerate().skip(commit.done) {
            // A step does one page at least, or it would never end.
            if at > commit.done && !self.ctx.has_time_for(PAGE_TIME) {
                return Ok(NextStep::Now);
            }
            let end = self.commit_page(preview, commit, *page, books, &mut comparison).await;
            let end = match end {
                Ok(end) => end,
                // What was done is kept; the next step meets the same problem, or does not.
                Err(_) if at > commit.done => return Ok(NextStep::Now),
                Err(problem) => return Err(problem),
            };
            let index = usize::try_from(*page).unwrap_or(usize::MAX);
            if let Some(open) = preview.untouched.get_mut(index) {
                *open = end.untouched;
            }
            let Some(kept) = &mut preview.commit else { return Err(Problem::internal_error("a commit of nothing")) };
            match end.stop {
                None => {
                    kept.done = at.saturating_add(1);
                    kept.tally = kept.tally.plus(end.tally);
                    kept.begun = None;
                }
                Some(stop) => {
                    kept.begun = Some(end.tally);
                    return match stop {
                        Stop::Until(until) => Ok(NextStep::At(until)),
                        Stop::Problem(_) if at > commit.done || end.written => Ok(NextStep::Now),
                        Stop::Problem(problem) => Err(problem),
                    };
                }
            }
        }
        preview.state = PreviewState::Done;
        Ok(NextStep::Rest)
    }

    /// Does the ticked rows of a page, up to the first that something stops.
    async fn commit_page(
        &self,
        preview: &Preview,
        commit: &Commit,
        page: u32,
        books: &mut Books<'_>,
        comparison: &mut Option<Comparison>,
    ) -> Outcome<PageEnd> {
        let picks = self.picks(&commit.digest, page).await?;
        let all = self.rows(page).await?;
        let rows: Vec<(&Row, Pick)> = all.iter().filter_map(|row| picks.get(&row.listed.external_id).map(|pick| (row, *pick))).collect();
        let emails: Vec<Vec<&str>> = rows.iter().map(|(row, _)| emails_of(row)).collect();
        let around = self.around(preview, rows.iter().map(|(row, _)| *row).zip(&emails)).await?;
        let before = self.engine.store.preview_part::<Results>(self.ctx, self.key(), PreviewPart::Done(page)).await?.unwrap_or_default();
        let mut results = before.clone();
        // What an earlier commit reported about a row is said by this one when it is the row's turn.
        results.retain(|id, result| !picks.contains_key(id) || result.is_done());
        let (mut tally, mut stop, mut written) = (Tally::default(), None, false);
        for (((row, pick), emails), around) in rows.iter().zip(&emails).zip(around) {
            let was_owned = around.owner.is_some();
            let done = async {
                // What has an owner was imported before; what is left alone is not looked at.
                let fresh = match (pick.action, around.owner) {
                    (Action::Skip, _) | (_, Some(_)) => None,
                    (Action::Create | Action::Link, None) => Some(self.fresh(preview, commit, row, books, comparison).await?),
                };
                self.import_row(preview, books, row, *pick, emails, around, fresh.as_ref()).await.map_err(Stop::Problem)
            };
            let result = match done.await {
                Ok(result) => result,
                Err(stopped) => {
                    stop = Some(stopped);
                    break;
                }
            };
            let count = match result {
                RowResult::Created { .. } => Some(&mut tally.created),
                RowResult::Linked { .. } => Some(&mut tally.linked),
                RowResult::Skipped => Some(&mut tally.skipped),
                RowResult::ChangedSincePreview { .. } | RowResult::Failed { .. } => None,
            };
            if let Some(count) = count {
                *count = count.saturating_add(1);
            }
            written = written || (result.is_done() && !was_owned);
            let entry = results.entry(row.listed.external_id.clone()).or_insert(result);
            // Leaving a row alone does not undo what became of it.
            if result != RowResult::Skipped {
                *entry = result;
            }
        }
        if results != before {
            self.put(preview, PreviewPart::Done(page), &results).await?;
        }
        Ok(PageEnd { untouched: untouched(&all, &results), tally, stop, written })
    }

    /// The contact as the ledger shows it now: read by itself, or from the list, whichever is fewer calls.
    async fn fresh(
        &self,
        preview: &Preview,
        commit: &Commit,
        row: &Row,
        books: &mut Books<'_>,
        comparison: &mut Option<Comparison>,
    ) -> Result<Fresh, Stop> {
        let id = row.listed.external_id.as_str();
        if comparison.is_none() {
            *comparison = Some(if commit.rows <= preview.calls { Comparison::Each } else { self.list_again(commit, books).await? });
        }
        let Some(Comparison::List { contacts, looks }) = comparison else {
            return alone(books, id).await;
        };
        let there = contacts.remove(id);
        let vanished = there.as_ref().is_none_or(|there| there.archived && !row.listed.archived);
        if vanished && *looks < MOST_LOOKS {
            *looks = looks.saturating_add(1);
            return alone(books, id).await;
        }
        Ok(there.map_or(Fresh::Gone, |there| Fresh::There(Box::new(there))))
    }

    /// The whole list once more; of its contacts those that are ticked.
    async fn list_again(&self, commit: &Commit, books: &mut Books<'_>) -> Result<Comparison, Stop> {
        let mut wanted = BTreeSet::new();
        for page in &commit.pages {
            wanted.extend(self.picks(&commit.digest, *page).await?.into_keys());
        }
        let (mut contacts, mut window) = (HashMap::with_capacity(wanted.len()), vec![None]);
        while !window.is_empty() {
            if !self.ctx.has_time_for(books.api.rules.call_timeout) {
                return Err(Stop::Problem(slow(books)));
            }
            let (pages, stop) = books.pages(&window).await;
            if let Some(stop) = stop {
                return Err(stop);
            }
            window = pages.last().map(|last| books.window(last.next.iter().chain(&last.ahead))).unwrap_or_default();
            let those = pages.into_iter().flat_map(|page| page.contacts).map(listed);
            contacts.extend(
                those.filter(|contact| wanted.contains(&contact.external_id)).map(|contact| (contact.external_id.clone(), contact)),
            );
        }
        Ok(Comparison::List { contacts, looks: 0 })
    }
}

/// A contact, read by itself.
async fn alone(books: &mut Books<'_>, external_id: &str) -> Result<Fresh, Stop> {
    Ok(match books.contact(external_id).await? {
        None => Fresh::Gone,
        Some(contact) if contact.merged_into.is_some() => Fresh::Merged,
        Some(contact) => Fresh::There(Box::new(listed_alone(contact))),
    })
}

fn slow(books: &Books<'_>) -> Problem {
    let label = books.api.rules.ledger.label();
    Problem::new(ProblemKind::Unavailable, "ledger_slow", format!("{label} took too long to show its contacts.")).fix(
        "Nothing was imported without being compared. It is tried again by itself.",
        "the preview",
        true,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_ticks_have_the_same_digest() {
        let pick = |action| Pick { action, client: None };
        let of = |picks: &[(&str, Action)]| {
            let picks = picks.iter().map(|(id, action)| ((*id).to_owned(), pick(*action)));
            Picked { pages: BTreeMap::from([(0, picks.collect())]), left: 0 }
        };
        let one = of(&[("a", Action::Create), ("b", Action::Link), ("c", Action::Skip)]);
        assert_eq!(one.digest(), of(&[("c", Action::Skip), ("b", Action::Link), ("a", Action::Create)]).digest());
        assert_ne!(one.digest(), of(&[("a", Action::Create), ("b", Action::Skip), ("c", Action::Skip)]).digest());
        assert_eq!(one.rows(), 2);
    }
}
