//! Syncing several invoices of one connection: their runs go in lock-step, and what several of them need of the ledger at the same moment
//! travels in one call, where the ledger has such calls ([`coportal_ledgers::batches`]).
//!
//! Every invoice keeps its own claim, lease and intent: N claims, one call, N outcomes, each stored on its own intent. A batch whose answer
//! is lost is never sent again: each of its rows is in doubt, and one look-up settles all of them when a miss counts (design decision 8;
//! docs/adr/0025-batches.md). What no batch takes is performed one by one, as a single sync does it.

mod contacts;
mod directory;
mod load;
mod reads;
mod rows;
mod writes;

pub use contacts::ContactsResolved;

use coportal_aws::records::contacts::ContactKey;
use coportal_core::connection::{ConnectionStatus, Generation};
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::plan::Step;
use coportal_core::sync::row::{IntentKind, WaitingFor};
use coportal_core::timeline::Actor;
use jiff::SignedDuration;

use self::directory::Directory;
use self::rows::{Row, is_of_the_contact, refresh_contacts};
use super::SyncEnd;
use super::run::{MAX_STEPS, Next};
use crate::Engine;

/// What one invoice needs beside a vendor call: its reads, the claim and the outcome.
const AROUND_A_CALL: SignedDuration = SignedDuration::from_secs(6);

/// Claims and outcomes of one batch that are written at once.
const AT_ONCE: usize = 8;

/// How far the runs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Each to its end.
    Synced,
    /// Each until its client has a contact.
    Contacts,
}

impl Engine {
    /// Brings invoices of one connection up to date in the ledger, each exactly once (R64), in the order given. What `generation` says is
    /// the organisation that the caller saw: where the connection has another one by now, nothing is sent (I4).
    ///
    /// Each invoice has an end or a problem of its own, in the order given. An invoice that is not begun, because the deadline leaves no
    /// time for it, has the problem [`NO_TIME`] and its row as it was. The calls of a batch are counted at the first of its rows.
    pub async fn sync_invoices(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        invoices: &[InvoiceId],
        actor: Actor,
    ) -> Vec<(InvoiceId, Outcome<SyncEnd>)> {
        let mut ends = Vec::with_capacity(invoices.len());
        let mut distinct: Vec<InvoiceId> = Vec::with_capacity(invoices.len());
        for invoice in invoices {
            if !distinct.contains(invoice) {
                distinct.push(*invoice);
            }
        }
        let call = self.ledgers.get(ledger).map(|api| api.rules.call_timeout).unwrap_or_default();
        if !ctx.has_time_for(call + AROUND_A_CALL) {
            return invoices.iter().map(|invoice| (*invoice, Err(no_time()))).collect();
        }
        let mut rows = match self.load_many(ctx, ws, ledger, generation, &distinct, &actor).await {
            Ok(loaded) => {
                let (rows, refused) = loaded;
                ends.extend(refused.into_iter().map(|(invoice, problem)| (invoice, Err(problem))));
                rows
            }
            Err(problem) => return invoices.iter().map(|invoice| (*invoice, Err(problem.clone()))).collect(),
        };
        Box::pin(Together { rows: &mut rows, goal: Goal::Synced, directory: Directory::default(), facts: None }.run()).await;
        ends.extend(rows.into_iter().map(|row| (row.run.request.invoice, row.end.unwrap_or_else(|| Err(no_end())))));
        let place = |invoice: &InvoiceId| distinct.iter().position(|known| known == invoice);
        ends.sort_by_key(|(invoice, _)| place(invoice));
        ends
    }
}

/// The runs of one connection.
struct Together<'r, 'e> {
    rows: &'r mut [Row<'e>],
    goal: Goal,
    /// The ledger's contacts, where they were listed.
    directory: Directory,
    /// Facts that were read for one of the runs.
    facts: Option<coportal_core::facts::Facts>,
}

/// What a round gathers: the places of rows whose next steps are of one kind.
#[derive(Default)]
struct Gathered {
    reads: Vec<usize>,
    searches: Vec<usize>,
    contact_looks: Vec<usize>,
    contacts: Vec<usize>,
    creates: Vec<usize>,
    updates: Vec<usize>,
}

impl Together<'_, '_> {
    async fn run(&mut self) {
        self.run_to_the_goal().await;
        if let Some(row) = self.rows.first() {
            Box::pin(row.run.permits.close()).await;
        }
    }

    async fn run_to_the_goal(&mut self) {
        // Where nothing travels with others, each goes to its end before the next one begins.
        for place in 0..self.rows.len() {
            while let Some(row) = self.rows.get(place).filter(|row| row.goes_alone() && row.end.is_none() && !row.reached) {
                let step = row.next();
                if self.goal == Goal::Contacts && row.is_beyond_its_contact(&step) {
                    break;
                }
                self.alone(place, step).await;
            }
        }
        loop {
            let mut gathered = Gathered::default();
            let mut leaders: Vec<(ContactKey, usize)> = Vec::new();
            let mut active = false;
            for place in 0..self.rows.len() {
                let Some(row) = self.rows.get_mut(place).filter(|row| row.end.is_none() && !row.reached) else { continue };
                active = true;
                let step = row.next();
                if self.goal == Goal::Contacts && row.is_beyond_its_contact(&step) {
                    row.reached = true;
                    continue;
                }
                // One client, one contact: the first of its invoices goes on with it, the others wait for what becomes of it.
                if is_of_the_contact(&step) {
                    let key = row.run.contact_key();
                    if leaders.iter().any(|(led, _)| *led == key) {
                        continue;
                    }
                    leaders.push((key, place));
                }
                if let Some(step) = self.gather(place, step, &mut gathered) {
                    self.alone(place, step).await;
                }
            }
            if !active {
                return;
            }
            self.send(gathered).await;
            refresh_contacts(self.rows, &leaders);
        }
    }

    /// Keeps a step that may travel with others; gives back one that may not.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what no batch takes is performed alone, whatever step it is")]
    fn gather(&mut self, place: usize, step: Step, gathered: &mut Gathered) -> Option<Step> {
        let row = self.rows.get_mut(place)?;
        let batches = &row.run.api.batches;
        let list = match &step {
            // After a refusal as stale the document itself is read: a list may lag behind it.
            Step::ReadDocument(_) | Step::LookDocument(_) | Step::LookNumber(_)
                if batches.reads.is_some() && !row.reads_alone && !row.run.found.stale =>
            {
                &mut gathered.reads
            }
            Step::SearchContacts if !row.searches_alone => &mut gathered.searches,
            Step::LookContact(_) if batches.creates.is_some() && !row.reads_alone => &mut gathered.contact_looks,
            Step::WriteContact(plan) if plan.kind == IntentKind::CreateContact && batches.creates.is_some() && !row.writes_alone => {
                &mut gathered.contacts
            }
            Step::WriteDocument(plan) if plan.kind == IntentKind::Create && batches.creates.is_some() && !row.writes_alone => {
                &mut gathered.creates
            }
            Step::WriteDocument(plan) if plan.kind == IntentKind::Update && batches.updates.is_some() && !row.writes_alone => {
                &mut gathered.updates
            }
            _ => return Some(step),
        };
        list.push(place);
        row.step = Some(step);
        None
    }

    /// Performs a step as a single sync does.
    async fn alone(&mut self, place: usize, step: Step) {
        let facts = self.facts.clone();
        let Some(row) = self.rows.get_mut(place) else { return };
        if row.has_no_time_to_begin() {
            row.end = Some(Err(no_time()));
            return;
        }
        row.count_step();
        if let (Step::ReadFacts, Some(facts)) = (&step, facts) {
            // Another run of these has just read them.
            row.run.facts = Some(facts);
            row.run.found.facts_read = true;
            return;
        }
        let is_facts = matches!(step, Step::ReadFacts);
        let next = if let Step::Busy { until, .. } = step {
            Ok(Next::End(SyncEnd::InProgress { until }))
        } else {
            Box::pin(row.run.perform(step)).await
        };
        row.take(next);
        if is_facts && row.run.found.facts_read {
            self.facts.clone_from(&row.run.facts);
        }
        self.share(place);
    }

    /// What was gathered: one call for each kind, or the single way where there is one row of it.
    async fn send(&mut self, gathered: Gathered) {
        let Gathered { reads, searches, contact_looks, contacts, creates, updates } = gathered;
        self.search(searches).await;
        match reads.as_slice() {
            [only] => self.one(*only).await,
            several => self.read_documents(several).await,
        }
        match contact_looks.as_slice() {
            [only] => self.one(*only).await,
            several => self.look_for_contacts(several).await,
        }
        for (places, kind) in [(contacts, writes::Kind::Contacts), (creates, writes::Kind::Creates), (updates, writes::Kind::Updates)] {
            match places.as_slice() {
                [only] => self.one(*only).await,
                several => self.write(several, kind).await,
            }
        }
    }

    /// A gathered step that is alone of its kind.
    async fn one(&mut self, place: usize) {
        if let Some(step) = self.rows.get_mut(place).and_then(|row| row.step.take()) {
            self.alone(place, step).await;
        }
    }

    /// Token and standing that one run has just made sure of are the others' too.
    fn share(&mut self, place: usize) {
        let Some(from) = self.rows.get(place) else { return };
        if matches!(&from.end, Some(Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, .. }))) {
            // The grant is dead for all of them (C19): nobody else asks for a token.
            for row in self.rows.iter_mut().filter(|row| row.end.is_none()) {
                row.run.connection.status = ConnectionStatus::ReconnectRequired;
            }
            return;
        }
        let (token, stood_at, reauthorized) = (from.run.token.clone(), from.run.stood_at, from.run.reauthorized);
        let Some(token) = token else { return };
        for row in self.rows.iter_mut().filter(|row| row.end.is_none()) {
            row.run.token = Some(token.clone());
            row.run.stood_at = row.run.stood_at.max(stood_at);
            row.run.reauthorized |= reauthorized;
        }
    }
}

/// Code of the problem of an invoice that was not begun for lack of time.
pub const NO_TIME: &str = "no_time";

fn no_time() -> Problem {
    Problem::new(ProblemKind::Unavailable, NO_TIME, "There was no time left to begin this invoice.").fix(
        "Nothing to do: it is begun a little later.",
        "the invoice",
        true,
    )
}

fn no_end() -> Problem {
    Problem::internal_error(format_args!("a sync did not come to an end in {MAX_STEPS} steps"))
}

/// Design decision 9: the wrong books are unreachable.
pub(crate) fn other_organisation(ledger: Ledger) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "other_organisation",
        format!("{} is connected to another organisation than the one this sync was meant for.", ledger.label()),
    )
    .fix("Sync the invoice again if it belongs into the organisation that is connected now.", "the invoice", false)
}
