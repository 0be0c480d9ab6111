//! The checker: after each step what must never be so, and at rest the invariants over store and simulators.

use std::collections::BTreeMap;

use anyhow::Result;
use coportal_core::connection::ConnectionStatus;
use coportal_core::id::InvoiceId;
use coportal_core::invoice::{Invoice, InvoiceStatus};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{SyncRow, SyncState, WaitingFor};
use coportal_core::workspace::TaxRounding;
use coportal_engine::Engine;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::SignedDuration;
use simulators::skeleton::state::Document;

use super::never::Books;
use super::perform::{Aim, click};
use super::rest::Seen;
use super::universe::{Known, Universe};

impl Universe {
    /// The invariants, at rest.
    ///
    /// # Errors
    /// When the harness itself cannot go on.
    pub(super) async fn invariants(&mut self, hands: &Engine, seen: &Seen) -> Result<Vec<String>> {
        let books = self.books();
        let invoices = self.stored_invoices().await?;
        let mut wrong = self.one_of_each(&books);
        wrong.extend(self.payments(&books, &invoices));
        wrong.extend(self.after_a_disconnect());
        wrong.extend(self.beyond_the_plan());
        wrong.extend(self.last_tokens(seen).await?);
        for aim in self.aims()? {
            let connection = seen.connection(aim.link)?;
            if connection.status != ConnectionStatus::Connected {
                continue;
            }
            let Some(row) = seen.row(&aim) else { continue };
            let organisation = connection.organisation.as_ref().map(|organisation| organisation.id.clone()).unwrap_or_default();
            wrong.extend(self.agrees(hands, &aim, row, &organisation, &books, invoices.get(&aim.known.id)).await?);
        }
        wrong.extend(self.imports().await?);
        wrong.extend(self.budgets());
        wrong.extend(self.heard().leaks());
        Ok(wrong)
    }

    /// The invoices as they are stored.
    async fn stored_invoices(&self) -> Result<BTreeMap<InvoiceId, Invoice>> {
        let mut all = BTreeMap::new();
        for (number, space) in self.spaces.iter().enumerate() {
            let ids = self.invoices.iter().filter(|known| known.space == number).map(|known| known.id);
            all.extend(self.quiet.store.invoices_by_id(&self.ctx(), space.workspace.id, ids).await?);
        }
        Ok(all)
    }

    /// I1, I2, I4: over the books alone.
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

    /// I5, I6, I10, R64: the row and the document say the same, and another click than the one that brought them there says nothing
    /// new.
    async fn agrees(
        &self,
        hands: &Engine,
        aim: &Aim,
        row: &SyncRow,
        organisation: &str,
        books: &Books,
        invoice: Option<&Invoice>,
    ) -> Result<Vec<String>> {
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
        if self.unchanged.contains(&(aim.known.id, ledger)) {
            return Ok(wrong);
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
pub(super) fn is_of(document: &Document, known: &Known) -> bool {
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
