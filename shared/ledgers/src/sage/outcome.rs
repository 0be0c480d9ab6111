//! Status, headers and body to a [`Failure`]: what happened, and what follows from it. Sources: developer.sage.com/accounting "Frequently
//! Raised Errors" and "Response Codes", and replies reported by integrators (docs/vendors/sage.md, section 7).
//!
//! A refusal names the field in `$source`, often not at all or another field than the one at fault; the words of `$message` count first.

use bytes::Bytes;
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::metering::Limit;
use coportal_core::problem::Issue;
use http::Response;
use jiff::SignedDuration;

use super::fixit::Cause;
use super::wire::Fault;
use crate::fixit::Catalogue as _;
use crate::judge::{self, Asked, Effect, REFUSED, Subject, failed, lost};

/// How long a limit lasts where the vendor does not say.
const UNLESS_TOLD: SignedDuration = SignedDuration::from_mins(1);

/// The faults of an answer: a list of them, or one by itself; none where the body is anything else.
fn faults(answer: &Response<Bytes>) -> Vec<Fault> {
    let body = answer.body();
    serde_json::from_slice::<Vec<Fault>>(body).or_else(|_| serde_json::from_slice::<Fault>(body).map(|one| vec![one])).unwrap_or_default()
}

/// Whether a 404 is Sage's own: a record that is not there, and not an address that something on the way does not know.
pub(super) fn says_missing(answer: &Response<Bytes>) -> bool {
    answer.status().as_u16() == 404 && !faults(answer).is_empty()
}

/// The failure that an answer other than a success is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
    let body = String::from_utf8_lossy(answer.body());
    let faults = faults(answer);
    let says = |words: &[&str]| {
        let messages = faults.iter().filter_map(|fault| fault.message.as_deref()).map(str::to_lowercase);
        messages.into_iter().any(|message| words.iter().any(|word| message.contains(word)))
    };
    let with = |cause, disposition| failed(asked, cause, disposition, Some(answer), &body);
    let lost = |cause| lost(asked, cause, answer, &body);
    match answer.status().as_u16() {
        // Before the token: it is as good as ever, and a new one is answered alike.
        401..=403 if says(&["subscription"]) => with(Cause::SubscriptionInactive, REFUSED),
        401 => with(Cause::TokenRefused, Disposition::Reauthorize),
        403 if says(&["business"]) => with(Cause::BusinessNotReached, REFUSED),
        403 if says(&["scope", "reading", "read only", "readonly", "read-only"]) => with(Cause::ScopeMissing, REFUSED),
        402 | 403 => with(Cause::PermissionMissing, REFUSED),
        400 | 404 | 422 if faults.iter().any(is_refusal) => refused(asked, answer, &faults, &body),
        // Sage answers in a list of its own (docs/vendors/sage.md, section 7). A 404 in other words is something on the way that does not
        // know the address, and says nothing about a record: taken for one, a document would be forgotten that is there.
        404 if faults.is_empty() => with(Cause::RequestMalformed, Disposition::Defect),
        404 => match (asked.subject, asked.effect) {
            (Subject::Document, Effect::Read) => with(Cause::DocumentMissing, Disposition::Hold { question: Question::DocumentGone }),
            // Read again, it is found missing, and the question about that has its own answers.
            (Subject::Document, Effect::Write) => with(Cause::DocumentMissing, Disposition::Stale),
            (Subject::Contact, _) => with(Cause::ContactMissing, Disposition::Hold { question: Question::ContactGone }),
            // Something that the body names, and the answer does not say what.
            (Subject::Place, Effect::Write) => with(Cause::RecordMissing, REFUSED),
            (Subject::Place, Effect::Read) => with(Cause::RequestMalformed, Disposition::Defect),
        },
        408 => lost(Cause::NoAnswer),
        409 => with(Cause::Conflict, conflict(asked)),
        429 => judge::throttled(asked, Cause::LimitReached, answer, &body),
        501 => with(Cause::NotSupported, Disposition::Defect),
        503 => lost(Cause::Offline),
        500..=599 => lost(Cause::ServerError),
        // 400 and 422 without a word, 415, other 4xx, and redirects, which are not followed: the vendor did nothing.
        _ => with(Cause::RequestMalformed, Disposition::Defect),
    }
}

/// Which limit a refusal is of: nothing tells the minute's from the others (section 6).
pub(super) fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
    (answer.status().as_u16() == 429).then_some((Limit::Minute, UNLESS_TOLD))
}

/// Somebody else wrote at this moment. What is named by its id is read again; of a create nobody knows what became.
fn conflict(asked: &Asked<'_>) -> Disposition {
    match (asked.effect, asked.subject) {
        (Effect::Read, _) => Disposition::Retry { not_before: None },
        (Effect::Write, Subject::Document | Subject::Contact) => Disposition::Stale,
        (Effect::Write, Subject::Place) => Disposition::LookFirst,
    }
}

/// Whether a fault says that content was refused; a record that is not found says so too, when it names which.
fn is_refusal(fault: &Fault) -> bool {
    match fault.code.as_deref() {
        Some("RecordNotFound") => cause_of(fault) != Cause::RecordMissing,
        Some(_) => true,
        None => false,
    }
}

/// A refusal for its content. Every fault is classified; a question to a person goes before a plain refusal, and what may already be done
/// goes before both.
fn refused(asked: &Asked<'_>, answer: &Response<Bytes>, faults: &[Fault], body: &str) -> Failure {
    let causes: Vec<Cause> = faults.iter().map(cause_of).collect();
    let first = causes.iter().copied().min_by_key(|cause| rank(*cause)).unwrap_or(Cause::Refused);
    let disposition = match (first, question(first)) {
        (Cause::MarkTaken, _) => Disposition::LookFirst,
        (Cause::DocumentMoved, _) => Disposition::Stale,
        (_, Some(question)) => Disposition::Hold { question },
        (_, None) => {
            let mut seen: Vec<Cause> = Vec::new();
            for cause in &causes {
                if !seen.contains(cause) {
                    seen.push(*cause);
                }
            }
            Disposition::Reject { issues: seen.into_iter().map(issue).collect() }
        }
    };
    let mut failure = failed(asked, first, disposition, Some(answer), body);
    failure.facts_stale |= causes.iter().any(|cause| cause.facts_stale());
    failure
}

/// The causes that decide first, when a refusal has several faults.
const FIRST: [Cause; 9] = [
    Cause::MarkTaken,
    Cause::DocumentMoved,
    Cause::DocumentPaid,
    Cause::DocumentLocked,
    Cause::ContactInactive,
    Cause::ContactMissing,
    Cause::PeriodLocked,
    Cause::CurrencyRefused,
    Cause::PaymentTooLarge,
];

fn rank(cause: Cause) -> usize {
    // The umbrella that Sage puts over other faults comes after them, and what is not known last.
    let vague = [Cause::LinesRefused, Cause::Refused].iter().position(|vague| *vague == cause).map_or(0, |at| at + 1);
    FIRST.iter().position(|first| *first == cause).unwrap_or(FIRST.len() + vague)
}

/// The causes that a person can settle by an answer.
const QUESTIONS: [(Cause, Question); 7] = [
    (Cause::DocumentPaid, Question::PaidInLedger),
    (Cause::DocumentLocked, Question::LockedInLedger),
    (Cause::ContactInactive, Question::ContactGone),
    (Cause::ContactMissing, Question::ContactGone),
    (Cause::PeriodLocked, Question::PeriodLocked),
    (Cause::CurrencyRefused, Question::CurrencyMissing),
    (Cause::PaymentTooLarge, Question::PaymentDiffers),
];

fn question(cause: Cause) -> Option<Question> {
    QUESTIONS.iter().find(|(asked, _)| *asked == cause).map(|(_, question)| *question)
}

fn issue(cause: Cause) -> Issue {
    let pointer = if matches!(cause, Cause::AccountRefused | Cause::TaxRefused | Cause::LinesRefused) {
        "/lines"
    } else if cause == Cause::EmailRefused {
        "/client/email"
    } else if cause == Cause::AddressRefused {
        "/client/billing_address"
    } else {
        ""
    };
    let entry = cause.entry();
    Issue::new(pointer, entry.code, entry.detail)
}

/// What a fault means. Words first, since the field is often empty or the wrong one; then the field. Whatever is not known is a plain
/// refusal.
fn cause_of(fault: &Fault) -> Cause {
    let text = fault.message.as_deref().unwrap_or_default().to_lowercase();
    let source = fault.source.as_deref().unwrap_or_default().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let at = |names: &[&str]| names.iter().any(|name| source.contains(name));
    let missing = has(&["couldn't find", "could not find", "can't find", "cannot find", "not found"]);
    if missing && (has(&["customer", "contact", "supplier"]) || at(&["contact"])) {
        Cause::ContactMissing
    } else if missing {
        record_at(&source)
    } else if at(&["reference"]) && has(&["taken", "already"]) {
        Cause::MarkTaken
    } else if has(&["outstanding", "exceeds", "greater than the amount"]) {
        Cause::PaymentTooLarge
    } else if has(&["payment", "allocat"]) && !at(&["bank_account"]) {
        Cause::DocumentPaid
    } else if has(&["lockdown", "lock date", "locked down", "closed period", "year end"]) {
        Cause::PeriodLocked
    } else if at(&["void_reason"]) || has(&["only a draft", "released"]) {
        Cause::DocumentMoved
    } else if has(&["cannot be edited", "can't be edited", "not editable", "cannot be voided", "void already", "tax return", "reconciled"])
    {
        Cause::DocumentLocked
    } else if has(&["inactive"]) && at(&["contact"]) {
        Cause::ContactInactive
    } else if has(&["currency"]) || at(&["currency"]) {
        Cause::CurrencyRefused
    } else {
        record_or_field(&source)
    }
}

/// What a record that is not found was to be.
fn record_at(source: &str) -> Cause {
    let cause = record_or_field(source);
    let is_record = matches!(cause, Cause::AccountRefused | Cause::TaxRefused | Cause::BankAccountRefused);
    if is_record { cause } else { Cause::RecordMissing }
}

/// The part of a body that a field belongs to.
fn record_or_field(source: &str) -> Cause {
    const FIELDS: [(&[&str], Cause); 6] = [
        (&["bank_account"], Cause::BankAccountRefused),
        (&["ledger_account"], Cause::AccountRefused),
        (&["tax_rate", "tax_amount"], Cause::TaxRefused),
        (&["email"], Cause::EmailRefused),
        (&["address", "country"], Cause::AddressRefused),
        (&["line_items", "invoice_lines"], Cause::LinesRefused),
    ];
    let here = |names: &[&str]| names.iter().any(|name| source.contains(name));
    FIELDS.iter().find(|(names, _)| here(names)).map_or(Cause::Refused, |(_, cause)| *cause)
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
