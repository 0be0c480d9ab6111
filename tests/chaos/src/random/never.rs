//! What may never follow from a step, whatever the step was: read from the books before and after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coportal_core::ledger::Ledger;
use rust_decimal::Decimal;
use simulators::skeleton::state::{Document, State};

use super::fault::Fault;
use super::universe::Universe;

/// The books of every ledger.
pub(super) type Books = BTreeMap<Ledger, Arc<State>>;

impl Universe {
    /// What stands in the ledgers now.
    pub(super) fn books(&self) -> Books {
        self.ledgers.iter().map(|(ledger, simulator)| (*ledger, Arc::new(simulator.state()))).collect()
    }

    /// The same after a step, read only where something can have changed since `before`: in ledgers that were called since (`calls` were
    /// counted then), and in all of them once a call may be done late.
    pub(super) fn books_since(&self, before: &Books, calls: usize) -> Books {
        let late = self.with_tally(|tally| tally.faults.contains_key(&Fault::Late));
        let called: BTreeSet<Ledger> = self.with_called(|all| all.iter().skip(calls).map(|call| call.ledger).collect());
        let now = |(ledger, known): (&Ledger, &Arc<State>)| match self.ledgers.get(ledger) {
            Some(simulator) if late || called.contains(ledger) => (*ledger, Arc::new(simulator.state())),
            Some(_) | None => (*ledger, Arc::clone(known)),
        };
        before.iter().map(now).collect()
    }

    /// What may never follow from a step that is no bookkeeper's: a document of ours that is taken back to draft, or one with money on it that
    /// is edited, voided or deleted (I8); a document or contact of others that is changed (I7; none of them can be linked by an answer: no
    /// number, name or total is like ours).
    pub(super) fn never(before: &Books, after: &Books) -> Vec<String> {
        let mut wrong = Vec::new();
        for (ledger, now) in after {
            if let Some(was) = before.get(ledger).filter(|was| !Arc::ptr_eq(was, now)) {
                wrong.extend(theirs(*ledger, was, now));
                wrong.extend(was.documents.iter().filter_map(|was| undone(*ledger, was, now)));
            }
        }
        wrong
    }
}

/// I7.
fn theirs(ledger: Ledger, was: &State, now: &State) -> Vec<String> {
    let mut wrong = Vec::new();
    for theirs in was.documents.iter().filter(|document| !document.created_by_app) {
        if !now.documents.contains(theirs) {
            wrong.push(format!("I7: {ledger} document {} is not ours and was changed: {theirs:?}", theirs.id));
        }
    }
    for theirs in was.contacts.iter().filter(|contact| !contact.name.starts_with("Client ")) {
        if !now.contacts.contains(theirs) {
            wrong.push(format!("I7: {ledger} contact {} is not ours and was changed: {theirs:?}", theirs.id));
        }
    }
    wrong
}

/// I8, of one document.
fn undone(ledger: Ledger, was: &Document, now: &State) -> Option<String> {
    let there = now.documents.iter().find(|document| document.id == was.id);
    if let Some(now) = there
        && was.status != "draft"
        && now.status == "draft"
    {
        return Some(format!("I8: {ledger} document {} went from {} back to draft", was.id, was.status));
    }
    if !has_money(was) {
        return None;
    }
    match there {
        None => Some(format!("I8: {ledger} document {} had money on it and was deleted: {was:?}", was.id)),
        Some(now) if now.status == "voided" || content(now) != content(was) => {
            Some(format!("I8: {ledger} document {} had money on it and was changed: {was:?}, now {now:?}", was.id))
        }
        Some(_) => None,
    }
}

/// Whether some of it is paid. A document that is out of the books has nothing due either, and no money on it.
fn has_money(document: &Document) -> bool {
    document.status != "voided" && document.total > Decimal::ZERO && document.amount_due < document.total
}

/// What an edit would change: all but what money itself moves.
fn content(document: &Document) -> Document {
    Document { status: String::new(), vendor_status: String::new(), amount_due: Decimal::ZERO, ..document.clone() }
}
