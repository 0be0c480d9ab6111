//! Status, headers and body to a [`Failure`]: what happened, and what follows from it. Sources: developer.xero.com "HTTP Response Codes &
//! Errors", "OAuth 2.0 API Limits", "Idempotent requests", and replies reported by integrators.

use bytes::Bytes;
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::metering::Limit;
use coportal_core::problem::Issue;
use http::Response;
use jiff::SignedDuration;

use super::fixit::Cause;
use super::wire::{ElementState, ErrorEnvelope};
use crate::exec::headers;
use crate::fixit::Catalogue as _;
use crate::judge::{self, Asked, REFUSED, Subject, failed, lost};

/// The failure of an element that was refused inside a success.
pub(super) fn refused(asked: &Asked<'_>, answer: &Response<Bytes>, state: &ElementState) -> Failure {
    let messages: Vec<&str> = state.validation_errors.iter().filter_map(|error| error.message.as_deref()).collect();
    validation(asked, answer, &messages)
}

/// The failure that an answer other than a success is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
    let body = String::from_utf8_lossy(answer.body());
    let envelope: ErrorEnvelope = serde_json::from_slice(answer.body()).unwrap_or_default();
    let with = |cause, disposition| failed(asked, cause, disposition, Some(answer), &body);
    let lost = |cause| lost(asked, cause, answer, &body);
    match answer.status().as_u16() {
        400 => bad_request(asked, answer, &envelope, &body),
        401 | 403 if lacks_scope(answer) => with(Cause::ScopeMissing, REFUSED),
        401 => match envelope.detail.as_deref() {
            Some(detail) if detail.starts_with("AuthorizationUnsuccessful") => with(Cause::PermissionMissing, REFUSED),
            _ => with(Cause::TokenRefused, Disposition::Reauthorize),
        },
        403 => with(Cause::OrganisationNotLinked, Disposition::Reauthorize),
        404 => match asked.subject {
            Subject::Document => with(Cause::DocumentMissing, Disposition::Hold { question: Question::DocumentGone }),
            Subject::Contact => with(Cause::ContactMissing, Disposition::Hold { question: Question::ContactGone }),
            Subject::Place => with(Cause::RequestMalformed, Disposition::Defect),
        },
        408 => lost(Cause::NoAnswer),
        429 => throttled(asked, answer, &body),
        501 => with(Cause::NotSupported, Disposition::Defect),
        503 => lost(Cause::Offline),
        500..=599 => lost(Cause::ServerError),
        // 412 (a precondition that we do not send), other 4xx, and redirects, which are not followed: the vendor did nothing.
        _ => with(Cause::RequestMalformed, Disposition::Defect),
    }
}

/// `WWW-Authenticate` names a missing scope; the vendor spells it in two ways.
fn lacks_scope(answer: &Response<Bytes>) -> bool {
    headers::text(answer.headers(), "www-authenticate").is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("insufficient_scope") || value.contains("insufficent_scope")
    })
}

/// A limit was hit. `X-Rate-Limit-Problem` says which; a word that is not known is taken for the minute's.
pub(super) fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
    if answer.status().as_u16() != 429 {
        return None;
    }
    let problem = headers::text(answer.headers(), "x-rate-limit-problem").unwrap_or_default().to_ascii_lowercase();
    Some(if problem.starts_with("day") {
        (Limit::Day, SignedDuration::from_hours(1))
    } else if problem.starts_with("concurrent") {
        (Limit::Concurrent, SignedDuration::from_secs(2))
    } else if problem.starts_with("app") {
        (Limit::App, SignedDuration::from_mins(1))
    } else {
        (Limit::Minute, SignedDuration::from_mins(1))
    })
}

fn throttled(asked: &Asked<'_>, answer: &Response<Bytes>, body: &str) -> Failure {
    let problem = headers::text(answer.headers(), "x-rate-limit-problem").unwrap_or_default();
    let cause = match limit(answer) {
        Some((Limit::Day, _)) => Cause::LimitDay,
        Some((Limit::Concurrent, _)) => Cause::LimitConcurrent,
        Some((Limit::App, _)) => Cause::LimitApp,
        Some((Limit::Minute, _)) | None => Cause::LimitMinute,
    };
    judge::throttled(asked, cause, answer, &format!("limit {problem}: {body}"))
}

fn bad_request(asked: &Asked<'_>, answer: &Response<Bytes>, envelope: &ErrorEnvelope, body: &str) -> Failure {
    // The vendor's words for a key that was used with other content stand in a text, in a message or in a detail.
    if body.to_ascii_lowercase().contains("is used with a different request") {
        return failed(asked, Cause::KeyReused, Disposition::LookFirst, Some(answer), body);
    }
    let messages: Vec<&str> =
        envelope.elements.iter().flat_map(|element| &element.validation_errors).filter_map(|error| error.message.as_deref()).collect();
    let is_validation = envelope.r#type.as_deref() == Some("ValidationException");
    if !messages.is_empty() || is_validation {
        let own = envelope.message.as_deref().filter(|_| messages.is_empty());
        let messages: Vec<&str> = messages.into_iter().chain(own).collect();
        return validation(asked, answer, &messages);
    }
    // QueryParseException, PostDataInvalidException, and what is no envelope at all.
    failed(asked, Cause::RequestMalformed, Disposition::Defect, Some(answer), body)
}

/// A refusal for its content. Every message is classified; a question to a person goes before a plain refusal, and what may already be
/// done goes before both.
fn validation(asked: &Asked<'_>, answer: &Response<Bytes>, messages: &[&str]) -> Failure {
    let internal = messages.join(" | ");
    let causes: Vec<Cause> = messages.iter().map(|message| cause_of(message)).collect();
    let Some(first) = causes.iter().copied().min_by_key(|cause| rank(*cause)) else {
        let issues = vec![issue(Cause::Refused)];
        return failed(asked, Cause::Refused, Disposition::Reject { issues }, Some(answer), &internal);
    };
    let disposition = match question(first) {
        _ if first == Cause::MarkTaken => Disposition::LookFirst,
        Some(question) => Disposition::Hold { question },
        None => {
            let mut seen = Vec::new();
            for cause in causes.iter().filter(|cause| question(**cause).is_none()) {
                if !seen.contains(cause) {
                    seen.push(*cause);
                }
            }
            Disposition::Reject { issues: seen.into_iter().map(issue).collect() }
        }
    };
    let mut failure = failed(asked, first, disposition, Some(answer), &internal);
    failure.facts_stale |= causes.iter().any(|cause| matches!(cause, Cause::AccountRefused | Cause::TaxRefused));
    failure
}

/// The causes that decide first, when a refusal has several messages.
const FIRST: [Cause; 9] = [
    Cause::MarkTaken,
    Cause::DocumentPaid,
    Cause::DocumentLocked,
    Cause::NumberTaken,
    Cause::NameTaken,
    Cause::ContactArchived,
    Cause::ContactMissing,
    Cause::PeriodLocked,
    Cause::CurrencyMissing,
];

fn rank(cause: Cause) -> usize {
    let unknown = usize::from(cause == Cause::Refused);
    FIRST.iter().position(|first| *first == cause).unwrap_or(FIRST.len() + unknown)
}

/// The causes that a person can settle by an answer.
const QUESTIONS: [(Cause, Question); 7] = [
    (Cause::NameTaken, Question::NameClash),
    (Cause::NumberTaken, Question::NumberTaken),
    (Cause::DocumentPaid, Question::PaidInLedger),
    (Cause::ContactArchived, Question::ContactGone),
    (Cause::ContactMissing, Question::ContactGone),
    (Cause::PeriodLocked, Question::PeriodLocked),
    (Cause::CurrencyMissing, Question::CurrencyMissing),
];

fn question(cause: Cause) -> Option<Question> {
    QUESTIONS.iter().find(|(asked, _)| *asked == cause).map(|(_, question)| *question)
}

fn issue(cause: Cause) -> Issue {
    let pointer = if matches!(cause, Cause::AccountRefused | Cause::TaxRefused) {
        "/lines"
    } else if cause == Cause::EmailRefused {
        "/client/email"
    } else {
        ""
    };
    let entry = cause.entry();
    Issue::new(pointer, entry.code, entry.detail)
}

/// What a validation message means. Known beginnings first, as the vendor's own texts have them; then words that integrators report in
/// several wordings. Whatever is not known is a plain refusal.
fn cause_of(message: &str) -> Cause {
    let text = message.trim().to_ascii_lowercase();
    let begins = |start: &str| text.starts_with(start);
    let has = |words: &str| text.contains(words);
    if begins("the contact name ") && has("already assigned") {
        Cause::NameTaken
    } else if begins("the contact number ") && has("already assigned") {
        Cause::MarkTaken
    } else if begins("invoice # must be unique") {
        Cause::NumberTaken
    } else if has("payment or credit note allocated") || has("payments or credit notes") {
        Cause::DocumentPaid
    } else if begins("invoice not of valid status for modification") || has("not of valid status") {
        Cause::DocumentLocked
    } else if begins("payment amount exceeds the amount outstanding") {
        Cause::PaymentTooLarge
    } else if has("lock date") {
        Cause::PeriodLocked
    } else if has("contact") && has("archived") {
        Cause::ContactArchived
    } else if begins("the contact with the specified contact details could not be found") {
        Cause::ContactMissing
    } else if has("currency") {
        Cause::CurrencyMissing
    } else if begins("the taxtype") || begins("tax rate must be valid") || begins("tax type") {
        Cause::TaxRefused
    } else if begins("account must be valid") || begins("account code") || begins("the account code") || begins("account type") {
        Cause::AccountRefused
    } else if begins("email address") || begins("the email") {
        Cause::EmailRefused
    } else {
        Cause::Refused
    }
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
