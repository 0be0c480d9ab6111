//! Holds a vendor's error table against the code: each row of the section on errors in the vendor's document is answered with at least one
//! answer, and all that may follow from it, and nothing else, stands in the row's last cell. Each failure leads to a whole entry of the
//! fix-it catalogue. The rows' answers are in the ledgers' own folders (`<ledger>/outcome/table.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use http::Response;
use jiff::Timestamp;

use crate::exec::Transport;
use crate::exec::scripted::{Scripted, answer};
use crate::fixit::Catalogue;
use crate::judge::{Asked, Effect, Subject};
use crate::{ClientCredentials, Endpoints, Ledgers, RefreshFailure};

/// What may follow, as the tables name it; the last three are a refresh's.
const WORDS: [&str; 10] = ["Retry", "Reauthorize", "Reject", "LookFirst", "Hold", "Stale", "Defect", "Dead", "NotDone", "Unsettled"];

/// What a vendor answers in the case of a row.
pub(crate) enum Told {
    /// Status, headers and body of an answer to any call.
    Call(u16, &'static [(&'static str, &'static str)], String),
    /// Status and body of the token endpoint's answer to a refresh.
    Refresh(u16, &'static str),
    /// A refusal that only one kind of call can read.
    Read(Failure),
}

/// An answer in JSON.
pub(crate) fn says(status: u16, body: impl Into<String>) -> Told {
    Told::Call(status, &[("content-type", "application/json")], body.into())
}

/// An answer in HTML.
pub(crate) fn html(status: u16) -> Told {
    Told::Call(status, &[("content-type", "text/html")], "<html><body>An unexpected error occurred</body></html>".to_owned())
}

/// A row: its first cell, and answers that are such a case.
pub(crate) type Row = (&'static str, Vec<Told>);

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

/// The question that an answer is judged against.
pub(crate) fn asked(effect: Effect, subject: Subject) -> Asked<'static> {
    Asked { effect, subject, now: now(), token: "the-access-token" }
}

fn word(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Retry { .. } => "Retry",
        Disposition::Reauthorize => "Reauthorize",
        Disposition::Reject { .. } => "Reject",
        Disposition::LookFirst => "LookFirst",
        Disposition::Hold { .. } => "Hold",
        Disposition::Stale => "Stale",
        Disposition::Defect => "Defect",
    }
}

/// The rows of all tables in the section on errors: first and last cell.
fn rows(document: &'static str) -> Vec<(&'static str, &'static str)> {
    let section =
        document.split("\n## ").find(|section| section.split_once('\n').is_some_and(|(title, _)| title.ends_with("Errors"))).unwrap();
    let lines: Vec<&str> = section.lines().collect();
    let is_rule = |line: &str| line.starts_with("| ---");
    let is_row = |place: &usize| {
        let head = lines.get(place + 1).is_some_and(|next| is_rule(next));
        lines[*place].starts_with('|') && !is_rule(lines[*place]) && !head
    };
    let cells = |place: usize| {
        let inner = lines[place].trim_start_matches('|').trim_end_matches('|');
        (inner.split_once('|').unwrap().0.trim(), inner.rsplit_once('|').unwrap().1.trim())
    };
    (0..lines.len()).filter(is_row).map(cells).collect()
}

/// The words of a row's last cell.
fn named(cell: &str) -> BTreeSet<&'static str> {
    let quoted: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    WORDS.into_iter().filter(|word| quoted.contains(word)).collect()
}

/// A user is told what happened, what to do and where, in an entry of this ledger's catalogue.
fn check_fix(ledger: Ledger, failure: &Failure) {
    let prefix = format!("{}_", ledger.to_string().replace('-', "_"));
    assert!(failure.code.starts_with(&prefix), "{failure:?}");
    assert!(failure.detail.ends_with('.') && failure.fix.what.ends_with('.') && !failure.fix.place.is_empty(), "{failure:?}");
}

/// Every disposition that an answer leads to, whatever was asked.
fn reached<C: Catalogue>(ledger: Ledger, told: Told, words: &mut BTreeSet<&'static str>) {
    match told {
        Told::Call(status, headers, body) => {
            let response: Response<Bytes> = answer(status, headers, body);
            assert!(!C::succeeded(&response), "{status} is no success");
            for effect in [Effect::Read, Effect::Write] {
                for subject in [Subject::Document, Subject::Contact, Subject::Place] {
                    let failure = C::failure(&asked(effect, subject), &response);
                    check_fix(ledger, &failure);
                    words.insert(word(&failure.disposition));
                }
            }
        }
        Told::Refresh(status, body) => {
            let response = answer(status, &[("content-type", "application/json")], body);
            let ledgers = Ledgers::new(Scripted::new([Ok(response)]) as Arc<dyn Transport>, Endpoints::default());
            let credentials = ClientCredentials { client_id: "app-1".to_owned(), client_secret: Secret::new("secret-1".to_owned()) };
            let token = Secret::new("refresh-1".to_owned());
            let sign_in = &ledgers.get(ledger).unwrap().sign_in;
            let refresh = sign_in.refresh(&credentials, &token, None, now());
            let refused = futures_util::FutureExt::now_or_never(refresh).expect("nothing to wait for");
            words.insert(match refused {
                Err(RefreshFailure::Dead) => "Dead",
                Err(RefreshFailure::Unsettled { .. }) => "Unsettled",
                Err(RefreshFailure::NotDone(failure)) => {
                    check_fix(ledger, &failure);
                    "NotDone"
                }
                Ok(_) => panic!("{status} is no success"),
            });
        }
        Told::Read(failure) => {
            check_fix(ledger, &failure);
            words.insert(word(&failure.disposition));
        }
    }
}

/// Asserts that the answers cover the document's rows, all of them, in their order, and lead where the rows say.
pub(crate) fn check<C: Catalogue>(ledger: Ledger, document: &'static str, answers: Vec<Row>) {
    let rows = rows(document);
    let written: Vec<&str> = rows.iter().map(|(first, _)| *first).collect();
    let answered: Vec<&str> = answers.iter().map(|(first, _)| *first).collect();
    assert_eq!(answered, written, "the rows of the document have an answer each");
    let mut count = 0;
    for ((first, last), (_, told)) in rows.iter().zip(answers) {
        assert!(!told.is_empty(), "{ledger}: {first}");
        let mut words = BTreeSet::new();
        for told in told {
            count += 1;
            reached::<C>(ledger, told, &mut words);
        }
        assert_eq!(words, named(last), "{ledger}: {first}: what follows, and what the row says");
    }
    println!("fix-it coverage, {ledger}: {0} of {0} rows of the error table, by {count} answers", rows.len());
}
