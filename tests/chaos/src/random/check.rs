//! The checker: after each step what must never be so, and at rest the invariants over store and simulators.

use std::collections::BTreeMap;

use anyhow::Result;
use coportal_core::connection::ConnectionStatus;
use coportal_core::invoice::InvoiceStatus;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{SyncRow, SyncState, WaitingFor};
use coportal_core::workspace::TaxRounding;
use coportal_engine::Engine;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::SignedDuration;
use simulators::skeleton::state::{Document, State};

use super::line::Called;
use super::perform::{Aim, click};
use super::universe::{Known, Universe};

/// The books of every ledger.
pub(super) type Books = BTreeMap<Ledger, State>;

impl Universe {
    /// What stands in the ledgers now.
    pub(super) fn books(&self) -> Books {
        self.ledgers.iter().map(|(ledger, simulator)| (*ledger, simulator.state())).collect()
    }

    /// What may never follow from a step: a document of ours that is taken back to draft, or one with money on it that is changed (I8); a
    /// document or contact of others that is changed (I7; none of them can be linked by an answer: no number, name or total is like ours).
    /// `ours`: the step was no bookkeeper's.
    pub(super) fn never(before: &Books, after: &Books, ours: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        if !ours {
            return wrong;
        }
        for (ledger, books) in after {
            if let Some(was) = before.get(ledger) {
                for theirs in was.documents.iter().filter(|document| !document.created_by_app) {
                    if !books.documents.contains(theirs) {
                        wrong.push(format!("I7: {ledger} document {} is not ours and was changed: {theirs:?}", theirs.id));
                    }
                }
                for theirs in was.contacts.iter().filter(|contact| !contact.name.starts_with("Client ")) {
                    if !books.contacts.contains(theirs) {
                        wrong.push(format!("I7: {ledger} contact {} is not ours and was changed: {theirs:?}", theirs.id));
                    }
                }
            }
            let was = |id: &str| before.get(ledger).and_then(|books| books.documents.iter().find(|document| document.id == id));
            for now in &books.documents {
                let Some(was) = was(&now.id) else { continue };
                if was.status != "draft" && now.status == "draft" {
                    wrong.push(format!("I8: {ledger} document {} went from {} back to draft", now.id, was.status));
                }
                let paid = was.status == "paid" || (was.status == "approved" && was.amount_due < was.total);
                let touched = was.total != now.total || (now.status == "voided" && was.status != "voided");
                if paid && touched {
                    wrong.push(format!("I8: {ledger} document {} had money on it and was changed: {was:?}, now {now:?}", now.id));
                }
            }
        }
        wrong
    }

    /// The invariants, at rest.
    ///
    /// # Errors
    /// When the harness itself cannot go on.
    pub(super) async fn invariants(&mut self, hands: &Engine) -> Result<Vec<String>> {
        let books = self.books();
        let mut wrong = self.one_of_each(&books);
        wrong.extend(self.two_refreshes());
        wrong.extend(self.after_a_disconnect());
        let seen = self.seen().await?;
        for aim in self.aims()? {
            let connection = seen.connection(aim.link)?;
            if connection.status != ConnectionStatus::Connected {
                continue;
            }
            let Some(row) = seen.row(&aim) else { continue };
            let organisation = connection.organisation.as_ref().map(|organisation| organisation.id.clone()).unwrap_or_default();
            wrong.extend(self.agrees(hands, &aim, row, &organisation, &books).await?);
        }
        wrong.extend(self.imports().await?);
        wrong.extend(self.budgets());
        wrong.extend(self.heard().leaks());
        Ok(wrong)
    }

    /// I1, I2, I4, I9: over the books alone.
    fn one_of_each(&self, books: &Books) -> Vec<String> {
        let mut wrong = Vec::new();
        for (ledger, state) in books {
            for organisation in &state.organisations {
                let here = |document: &&Document| document.organisation == organisation.id && document.created_by_app;
                let documents: Vec<&Document> = state.documents.iter().filter(here).collect();
                for known in &self.invoices {
                    let of: Vec<&&Document> = documents.iter().filter(|document| is_of(document, known)).collect();
                    let live: Vec<&&&Document> = of.iter().filter(|document| document.status != "voided").collect();
                    if live.len() > 1 {
                        wrong.push(format!(
                            "I1: {} has {} live documents in {ledger} {}: {live:?}",
                            known.number,
                            live.len(),
                            organisation.name
                        ));
                    }
                    let allowed = self.links.iter().any(|link| {
                        link.space == known.space
                            && link.ledger == *ledger
                            && link.organisations.contains(&place(*ledger, &organisation.id, link))
                    });
                    if !of.is_empty() && !allowed {
                        wrong.push(format!(
                            "I4: {} is in {ledger} {}, which its workspace was never connected to",
                            known.number, organisation.name
                        ));
                    }
                    wrong.extend(self.payments(*ledger, state, &of, known));
                }
                for space in &self.spaces {
                    for (_, name) in &space.clients {
                        let count = state
                            .contacts
                            .iter()
                            .filter(|contact| contact.organisation == organisation.id && contact.name == *name)
                            .count();
                        if count > 1 {
                            wrong.push(format!("I2: {name} is {count} contacts in {ledger} {}", organisation.name));
                        }
                    }
                }
            }
        }
        wrong
    }

    /// I9: where payments were never pushed, none is there but the bookkeeper's; and none is there twice (C1).
    fn payments(&self, ledger: Ledger, state: &State, of: &[&&Document], known: &Known) -> Vec<String> {
        let ours = |reference: &Option<String>| reference.as_deref().is_some_and(|reference| reference.starts_with("CP-"));
        let is_of = |id: &str| of.iter().any(|document| document.id == id);
        let made: Vec<_> = state.payments.iter().filter(|payment| is_of(&payment.document_id) && ours(&payment.reference)).collect();
        let pushed = self.links.iter().any(|link| link.space == known.space && link.ledger == ledger && link.pushed_payments);
        let mut wrong = Vec::new();
        if !made.is_empty() && !pushed {
            wrong.push(format!("I9: {} has payments in {ledger}, and none is ever pushed: {made:?}", known.number));
        }
        let twice = made.iter().enumerate().any(|(place, one)| {
            made.iter().skip(place + 1).any(|other| other.reference == one.reference && other.document_id == one.document_id)
        });
        if twice {
            wrong.push(format!("C1: a payment of {} is in {ledger} twice: {made:?}", known.number));
        }
        wrong
    }

    /// I11: no two processes have a refresh of one connection answered with a new set at the same moment; told by the vendor's own calls: a
    /// refresh that is answered while another of the same ledger and process pair stands between its call and its store would show as two
    /// answered refreshes with one access token's life between them and no store in between.
    fn two_refreshes(&self) -> Vec<String> {
        let called = self.called();
        let refreshes = |call: &&Called| call.operation.contains("token") && !call.operation.contains("revoke");
        let refreshed: Vec<_> = called.iter().filter(refreshes).filter(|call| call.status == Some(200)).collect();
        let mut wrong = Vec::new();
        for (one, next) in refreshed.iter().zip(refreshed.iter().skip(1)) {
            let same_moment =
                one.ledger == next.ledger && next.at.duration_since(one.at) < SignedDuration::from_secs(5) && one.line != next.line;
            let users = self.links.iter().filter(|link| link.ledger == one.ledger).count();
            if same_moment && users == 1 && one.fault.is_none() && next.fault.is_none() && one.line != 0 && next.line != 0 {
                wrong.push(format!("I11: two refreshes at {} within {}: {one:?}, {next:?}", one.ledger, next.at.duration_since(one.at)));
            }
        }
        wrong
    }

    /// I14: no process that began after a disconnect calls the ledger, where nobody else is connected to it.
    fn after_a_disconnect(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for link in &self.links {
            let alone = self.links.iter().filter(|other| other.ledger == link.ledger).count() == 1;
            let (Some(since), true) = (link.silent_since, alone) else { continue };
            let calls = self.called();
            let late = calls.iter().filter(|call| call.ledger == link.ledger && call.line > since);
            wrong.extend(late.map(|call| format!("I14: {} was called after its disconnect: {call:?}", link.ledger)));
        }
        wrong
    }

    /// A click, repeated when a limit of the ledger that stops it is over.
    async fn patient_click(&self, hands: &Engine, aim: &Aim) -> Outcome<SyncEnd> {
        let mut end = click(hands, self, aim).await;
        for _ in 0..PATIENCE {
            let Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Limit | WaitingFor::DayBudget, due_at: Some(due), .. }) = &end else {
                break;
            };
            self.clock.advance(self.clock.now().duration_until(*due).max(SignedDuration::ZERO) + SignedDuration::from_secs(1));
            end = click(hands, self, aim).await;
        }
        end
    }

    /// I5, I6, I10, R64: the row and the document say the same, and another click says nothing new.
    async fn agrees(&self, hands: &Engine, aim: &Aim, row: &SyncRow, organisation: &str, books: &Books) -> Result<Vec<String>> {
        let (ledger, number) = (aim.request.ledger, &aim.known.number);
        let mut wrong = Vec::new();
        if row.state != SyncState::Synced {
            return Ok(wrong);
        }
        let Some(link) = &row.link else { return Ok(wrong) };
        let Some(state) = books.get(&ledger) else { return Ok(wrong) };
        let there = state.documents.iter().find(|document| document.id == link.external_id);
        let chosen = self.excused.answered.contains(&(aim.known.id, ledger));
        let touched = self.excused.touched.contains(&(ledger, link.external_id.clone()));
        match there {
            // A draft that is deleted, there or by option, is gone without a trace.
            None if link.status.is_gone() || touched => {}
            None => wrong.push(format!("I5: {number} is linked to {ledger} {}, which is not there", link.external_id)),
            Some(there) if !place_is(ledger, &there.organisation, organisation) => {
                wrong.push(format!("I4: {number} is linked to a document of another organisation of {ledger}: {there:?}"));
            }
            Some(there) if link.created_by_us && !chosen && !is_of(there, &aim.known) && !touched => {
                wrong.push(format!("I5: {number} is linked to a document of another invoice: {there:?}"));
            }
            Some(there) if !touched && !chosen && there.status != "voided" => {
                let invoice = self.quiet.store.invoice(aim.request.workspace, aim.known.id).await?;
                if let Some(invoice) = invoice.filter(|invoice| matches!(invoice.status, InvoiceStatus::Sent | InvoiceStatus::Paid)) {
                    let wanted = invoice.totals(TaxRounding::Line).total;
                    if there.total != wanted {
                        wrong.push(format!("I6, I10: {number} is {wanted} here and {} in {ledger}: {row:?}", there.total));
                    }
                    let texts =
                        |line: &&coportal_core::invoice::LineItem| there.lines.iter().any(|one| one.description == line.description);
                    if let Some(missing) = invoice.lines.iter().find(|line| !texts(line)) {
                        wrong.push(format!("I10: {number} lacks {:?} in {ledger}: {there:?}", missing.description));
                    }
                }
            }
            Some(_) => {}
        }
        let end = self.patient_click(hands, aim).await;
        let still = matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing);
        // What a bookkeeper did since is read and asked about; an invoice that is void or never was sent is refused.
        if !still && !touched && !matches!(&end, Err(_) | Ok(SyncEnd::Held(_))) {
            wrong.push(format!("R64: another click on {number} to {ledger} changes something: {end:?}"));
        }
        Ok(wrong)
    }
}

/// How often a click that a limit stops is repeated when it may go on.
const PATIENCE: usize = 3;

/// Whether a document carries our mark of an invoice.
fn is_of(document: &Document, known: &Known) -> bool {
    let id = known.id.to_string();
    let has = |text: &Option<String>, wanted: &str| text.as_deref().is_some_and(|text| text.contains(wanted));
    has(&document.url, &id)
        || has(&document.note, &id)
        || document.number.as_deref() == Some(&known.number)
        || document.reference.as_deref() == Some(&known.number)
}

/// Whether the product's name of an organisation means this one: Business Central's carries tenant and environment too.
fn place_is(ledger: Ledger, there: &str, ours: &str) -> bool {
    there == ours || (ledger == Ledger::BusinessCentral && ours.contains(there))
}

/// The product's name of an organisation that a connection was made to, or the simulator's where there was none.
fn place(ledger: Ledger, there: &str, link: &super::universe::Link) -> String {
    let named = link.organisations.iter().find(|ours| place_is(ledger, there, ours));
    named.cloned().unwrap_or_else(|| there.to_owned())
}
