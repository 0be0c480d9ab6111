//! The README's tables about the ledgers: what each can do, from the code that does it, and what each operation costs, from the file that
//! `tests/chaos` holds against the simulators.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use coportal_core::ledger::{ContactMark, DocumentMark, DocumentShape, DraftMeaning, Ledger, LineTarget, TaxMethod};
use coportal_ledgers::exec::{Transport, TransportError};
use coportal_ledgers::profile::OrganisationChoice;
use coportal_ledgers::{Endpoints, LedgerApi, Ledgers};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use serde::Deserialize;

use crate::root;

/// The tables ask the ledgers what they are, and nothing of their vendors.
struct Nowhere;

impl Transport for Nowhere {
    fn send<'a>(&'a self, _: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        Box::pin(std::future::ready(Err(TransportError::NotSent("nothing is sent".to_owned()))))
    }
}

/// The ledgers of this build, in the order of the pages.
fn ledgers() -> Vec<LedgerApi> {
    let all = Ledgers::new(Arc::new(Nowhere), Endpoints::default());
    Ledger::ALL.into_iter().filter_map(|ledger| all.get(ledger).cloned()).collect()
}

fn minutes(length: jiff::SignedDuration) -> String {
    let minutes = length.as_mins();
    if minutes >= 120 && minutes % 60 == 0 { format!("{} hours", minutes / 60) } else { format!("{minutes} minutes") }
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

/// What a row says of one ledger.
type Says = fn(&LedgerApi) -> String;

/// The rows: what is asked, and the answer of a ledger.
const ROWS: [(&str, Says); 17] = [
    ("lowest plan", |api| api.rules.ledger.plan_required().label().to_owned()),
    ("a draft is", |api| {
        match api.rules.draft {
            DraftMeaning::Native => "a draft of its own",
            DraftMeaning::Held => "held in CoPortal until it is posted",
            DraftMeaning::Unsent => "a document not yet sent",
        }
        .to_owned()
    }),
    ("drafts are approved from here", |api| yes(api.drafts.is_some())),
    ("payments are recorded", |api| yes(api.payments.is_some())),
    ("our number is the document's", |api| yes(api.rules.carries_number)),
    ("a number twice is refused there", |api| yes(api.rules.enforces_number)),
    ("a write is repeated safely for", |api| match api.profile.idempotency {
        Some(_) if !api.rules.key_window.is_zero() => minutes(api.rules.key_window),
        _ => "never: looked up instead".to_owned(),
    }),
    ("a lost write is settled after", |api| minutes(api.rules.settle)),
    ("an old version is refused", |api| yes(api.rules.guards_versions)),
    ("a document is written", |api| {
        match api.rules.shape {
            DocumentShape::Whole => "whole",
            DocumentShape::HeaderThenLines => "header, then lines",
        }
        .to_owned()
    }),
    ("most elements of a batch", |api| match api.profile.batch {
        0 | 1 => "no batches".to_owned(),
        most => most.to_string(),
    }),
    ("gathered in one call", |api| {
        let batches = &api.batches;
        let kinds = [
            (batches.creates.is_some(), "new invoices and contacts"),
            (batches.updates.is_some(), "changes"),
            (batches.reads.is_some(), "reads and look-ups"),
        ];
        let gathered: Vec<&str> = kinds.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)).collect();
        if gathered.is_empty() { "nothing".to_owned() } else { gathered.join("; ") }
    }),
    ("tax is rounded", |api| {
        match api.rules.arithmetic.tax {
            TaxMethod::Line => "per line",
            TaxMethod::Group => "per tax code",
            TaxMethod::SignedGroup => "per tax code, credits apart",
            TaxMethod::Given => "by CoPortal, per line",
        }
        .to_owned()
    }),
    ("lines stand on", |api| {
        match api.rules.line_target {
            LineTarget::Account => "an account",
            LineTarget::Item => "an item",
        }
        .to_owned()
    }),
    ("a document is known as ours by", |api| {
        match api.rules.document_mark {
            DocumentMark::Link => "the address of its page",
            DocumentMark::Digest => "a digest of that address",
            DocumentMark::Evidence => "reference, contact, amount and time",
        }
        .to_owned()
    }),
    ("a contact is known as ours by", |api| match api.rules.contact_mark {
        ContactMark::ClientId => "the client's id".to_owned(),
        ContactMark::Digest { max } => format!("{max} characters of a digest"),
        ContactMark::Evidence => "name, e-mail address and time".to_owned(),
    }),
    ("which organisation", |api| {
        match api.profile.choice {
            OrganisationChoice::Asked => "asked; another needs a new consent",
            OrganisationChoice::AskedAndChangeable => "asked, and can be changed",
            OrganisationChoice::FirstAndChangeable => "the first, and can be changed",
        }
        .to_owned()
    }),
];

/// Ledger by capability.
#[must_use]
pub fn capabilities() -> String {
    let ledgers = ledgers();
    let mut table = head("", &ledgers);
    for (asked, says) in ROWS {
        let cells: Vec<String> = ledgers.iter().map(says).collect();
        table += &format!("| {asked} | {} |\n", cells.join(" | "));
    }
    table
}

fn head(first: &str, ledgers: &[LedgerApi]) -> String {
    let names: Vec<&str> = ledgers.iter().map(|api| api.rules.ledger.label()).collect();
    format!("| {first} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()))
}

/// One row of `tests/fixtures/calls.json`.
#[derive(Deserialize)]
struct Measured {
    operation: String,
    ledger: Ledger,
    calls: usize,
    lower_bound: usize,
}

fn measured() -> Result<Vec<Measured>> {
    let path = root().join("tests/fixtures/calls.json");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).context("tests/fixtures/calls.json")
}

/// Calls to the ledger for an operation.
///
/// # Errors
/// The file cannot be read, or does not tell of it.
pub fn measured_calls(operation: &str, ledger: Ledger) -> Result<usize> {
    let rows = measured()?;
    let row = rows.iter().find(|row| row.operation == operation && row.ledger == ledger);
    Ok(row.with_context(|| format!("tests/fixtures/calls.json: no {operation} of {ledger}"))?.calls)
}

/// Operation by ledger: calls, and the fewest that it could be done in where that is another number.
///
/// # Errors
/// The file cannot be read, or says something twice.
pub fn calls() -> Result<String> {
    let rows = measured()?;
    let ledgers = ledgers();
    let mut operations: Vec<&str> = Vec::new();
    let mut cells: BTreeMap<(&str, Ledger), String> = BTreeMap::new();
    for row in &rows {
        if !operations.contains(&row.operation.as_str()) {
            operations.push(&row.operation);
        }
        let cell =
            if row.calls == row.lower_bound { row.calls.to_string() } else { format!("{} (at best {})", row.calls, row.lower_bound) };
        let twice = cells.insert((&row.operation, row.ledger), cell).is_some();
        anyhow::ensure!(!twice, "{} at {} has two rows", row.operation, row.ledger);
    }
    let mut table = head("calls", &ledgers);
    for operation in operations {
        let of = |api: &LedgerApi| cells.get(&(operation, api.rules.ledger)).map_or("-", String::as_str);
        let line: Vec<&str> = ledgers.iter().map(of).collect();
        table += &format!("| {operation} | {} |\n", line.join(" | "));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ledger_has_a_column_and_every_row_as_many_cells() {
        for table in [capabilities(), calls().unwrap()] {
            let mut widths = table.lines().map(|line| line.matches('|').count());
            let width = widths.next().unwrap();
            assert_eq!(width, Ledger::ALL.len() + 2);
            assert!(widths.all(|other| other == width), "{table}");
            assert!(table.lines().count() > 5);
            for ledger in Ledger::ALL {
                assert!(table.contains(ledger.label()), "{ledger}");
            }
        }
    }
}
