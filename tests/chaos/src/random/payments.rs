//! I9 and C1: payments that are ours. A bookkeeper's are written down when they record them; nobody else pays anything in a history, so all others
//! are ours, whatever they say about themselves.

use std::collections::BTreeMap;

use coportal_core::id::InvoiceId;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use simulators::skeleton::state::{Payment, State};

use super::check::is_of;
use super::never::Books;
use super::universe::{Known, Universe};

impl Universe {
    /// Where payments were never pushed there is none of ours, and nowhere is one of them twice.
    pub(super) fn payments(&self, books: &Books, invoices: &BTreeMap<InvoiceId, Invoice>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (ledger, state) in books {
            let theirs = |payment: &Payment| self.their_payments.contains(&(*ledger, payment.id.clone()));
            let ours: Vec<&Payment> = state.payments.iter().filter(|payment| !theirs(payment)).collect();
            for payment in &ours {
                let Some(space) = self.payer(state, payment) else {
                    wrong.push(format!("I9: a payment in {ledger} is of nobody's invoice and client: {payment:?}"));
                    continue;
                };
                let pushed = self.links.iter().any(|link| link.space == space && link.ledger == *ledger && link.pushed_payments);
                if !pushed {
                    wrong.push(format!("I9: workspace {} never pushes payments to {ledger}, and this is there: {payment:?}", space + 1));
                }
            }
            for known in &self.invoices {
                wrong.extend(invoices.get(&known.id).and_then(|invoice| twice(*ledger, state, &ours, known, invoice)));
            }
        }
        wrong
    }

    /// The workspace whose invoice, or whose client, a payment is of.
    fn payer(&self, state: &State, payment: &Payment) -> Option<usize> {
        let document = state.documents.iter().find(|document| document.id == payment.document_id);
        let by_document = document.and_then(|document| self.invoices.iter().find(|known| is_of(document, known))).map(|known| known.space);
        let contact = payment.contact_id.as_ref().or(document.map(|document| &document.contact_id));
        let name = contact.and_then(|id| state.contacts.iter().find(|contact| contact.id == *id)).map(|contact| contact.name.as_str());
        let of_client = || self.spaces.iter().position(|space| space.clients.iter().any(|(_, client)| Some(client.as_str()) == name));
        by_document.or_else(of_client)
    }
}

/// C1: on no document are there more payments of ours of one amount and day than the invoice has, and no reference of ours is there twice.
fn twice(ledger: Ledger, state: &State, ours: &[&Payment], known: &Known, invoice: &Invoice) -> Option<String> {
    for document in state.documents.iter().filter(|document| is_of(document, known)) {
        let made: Vec<&&Payment> = ours.iter().filter(|payment| payment.document_id == document.id).collect();
        let alike = |one: &Payment| made.iter().filter(|other| (other.amount, other.date) == (one.amount, one.date)).count();
        let allowed = |one: &Payment| invoice.payments.iter().filter(|paid| (paid.amount, paid.date) == (one.amount, one.date)).count();
        let repeated = |one: &Payment| one.reference.is_some() && made.iter().filter(|other| other.reference == one.reference).count() > 1;
        if made.iter().any(|one| alike(one) > allowed(one) || repeated(one)) {
            let paid = &invoice.payments;
            return Some(format!("C1: the payments of {} are {paid:?}, and in {ledger} there are {made:?}", known.number));
        }
    }
    None
}
