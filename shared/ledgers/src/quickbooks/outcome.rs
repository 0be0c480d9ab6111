//! Status, headers and body to a [`Failure`]: what happened, and what follows from it. Source: docs/vendors/quickbooks.md, section 7.

use bytes::Bytes;
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::metering::Limit;
use coportal_core::problem::Issue;
use http::Response;
use jiff::SignedDuration;

use super::fixit::Cause;
use super::wire::{BatchAnswer, Fault, FaultError, Refusal};
use crate::exec::headers;
use crate::fixit::Catalogue as _;
use crate::judge::{Asked, Effect, REFUSED, RETRY, Subject, failed, lost};

/// After a hit limit, where the answer names no time (section 6).
const LIMIT_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// The refusal in a body; a success may hold one as well.
pub(super) fn fault(answer: &Response<Bytes>) -> Option<Fault> {
    let refusal: Option<Refusal> = serde_json::from_slice(answer.body()).ok();
    refusal.and_then(|refusal| refusal.fault).or_else(|| xml_fault(answer.body()))
}

/// The API's gateways may answer in XML, whatever was asked for.
fn xml_fault(body: &[u8]) -> Option<Fault> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.trim_start().starts_with("<?xml"))?;
    let after = text.split_once("<Error")?.1;
    let code = after.split_once("code=\"")?.1.split_once('"')?.0;
    Some(Fault { errors: vec![FaultError { code: code.parse().ok(), ..FaultError::default() }] })
}

/// Whether an answer is a success: a 200 may hold a refusal.
pub(super) fn succeeded(answer: &Response<Bytes>) -> bool {
    answer.status().is_success() && fault(answer).is_none()
}

/// The failure that an answer other than a success is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
    let body = String::from_utf8_lossy(answer.body());
    let fault = fault(answer);
    let with = |cause, disposition| failed(asked, cause, disposition, Some(answer), &body);
    let errors = fault.map(|fault| fault.errors).unwrap_or_default();
    if errors.iter().any(is_limit) {
        return throttled(asked, answer);
    }
    match answer.status().as_u16() {
        429 => throttled(asked, answer),
        401 => match errors.iter().find_map(code) {
            Some(120) => with(Cause::RightsLost, Disposition::Reauthorize),
            _ => with(Cause::TokenRefused, Disposition::Reauthorize),
        },
        403 => match errors.iter().find_map(code) {
            Some(120) => with(Cause::RightsLost, Disposition::Reauthorize),
            _ => with(Cause::CompanyNotLinked, Disposition::Reauthorize),
        },
        200..=299 | 400 if !errors.is_empty() => refused(asked, answer, &errors),
        404 => with(Cause::RequestMalformed, Disposition::Defect),
        408 => lost(asked, Cause::NoAnswer, answer, &body),
        501 => with(Cause::NotSupported, Disposition::Defect),
        500..=599 => lost(asked, Cause::ServerError, answer, &body),
        // A fault without an error, other 4xx, and redirects, which are not followed: the vendor did nothing.
        _ => with(Cause::RequestMalformed, Disposition::Defect),
    }
}

/// A limit was hit: it comes as a 429, and in an older form as a 403 with a fault (section 6).
fn throttled(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
    let not_before = headers::retry_after(answer.headers(), asked.now).or_else(|| asked.now.saturating_add(LIMIT_PAUSE).ok());
    let body = String::from_utf8_lossy(answer.body());
    let failure = failed(asked, Cause::LimitReached, Disposition::Retry { not_before }, Some(answer), &body);
    // One query of a batch may be refused inside a success.
    Failure { limit: Some(Limit::Minute), ..failure }
}

/// Which limit a refusal is of: the vendor does not tell its minutes from its calls in flight.
pub(super) fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
    let errors = || fault(answer).map(|fault| fault.errors).unwrap_or_default();
    let is_limit = answer.status().as_u16() == 429 || errors().iter().any(is_limit);
    is_limit.then_some((Limit::Minute, LIMIT_PAUSE))
}

/// The same of an element of a batch, whose fault stands inside a success.
pub(super) fn limit_inside(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
    const NAMED: &[u8] = b"BatchItemResponse";
    // Other answers are not read twice.
    let is_batch = answer.body().windows(NAMED.len()).any(|part| part == NAMED);
    let batch: BatchAnswer = is_batch.then(|| serde_json::from_slice(answer.body()).ok()).flatten()?;
    let mut faults = batch.batch_item_response.into_iter().filter_map(|item| item.fault);
    faults.any(|fault| fault.errors.iter().any(is_limit)).then_some((Limit::Minute, LIMIT_PAUSE))
}

fn is_limit(error: &FaultError) -> bool {
    code(error) == Some(3001) || error.message.as_deref().is_some_and(|message| message.contains("ThrottleExceeded"))
}

/// An error's code: its own field, else the one that the gateway's message names.
fn code(error: &FaultError) -> Option<u32> {
    error.code.or_else(|| {
        let message = error.message.as_deref()?;
        message.split_once("errorCode=")?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

/// The failure of a call, or of one query of a batch, that was refused with these errors. Every error is classified; what may already be
/// done goes before a question to a person, and that before a plain refusal.
pub(super) fn refused(asked: &Asked<'_>, answer: &Response<Bytes>, errors: &[FaultError]) -> Failure {
    if errors.iter().any(is_limit) {
        return throttled(asked, answer);
    }
    let words: Vec<String> = errors.iter().map(in_words).collect();
    let internal = words.join(" | ");
    let causes: Vec<Cause> = errors.iter().map(|error| cause_of(error, asked.subject)).collect();
    let Some(first) = causes.iter().copied().min_by_key(|cause| rank(*cause)) else {
        return failed(asked, Cause::RequestMalformed, Disposition::Defect, Some(answer), &internal);
    };
    let disposition = match (disposition(first), asked.effect) {
        (Disposition::LookFirst, Effect::Read) => RETRY,
        (Disposition::Reject { .. }, _) => {
            let mut seen = Vec::new();
            for cause in causes.iter().filter(|cause| matches!(disposition(**cause), Disposition::Reject { .. })) {
                if !seen.contains(cause) {
                    seen.push(*cause);
                }
            }
            Disposition::Reject { issues: seen.into_iter().map(issue).collect() }
        }
        (other, _) => other,
    };
    let mut failure = failed(asked, first, disposition, Some(answer), &internal);
    failure.facts_stale |= causes.iter().any(|cause| cause.facts_stale());
    failure
}

fn in_words(error: &FaultError) -> String {
    let code = code(error).map(|code| code.to_string());
    let parts = [code.as_deref(), error.message.as_deref(), error.detail.as_deref(), error.element.as_deref()];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// The causes that decide first, when a refusal has several errors.
const FIRST: [Cause; 14] = [
    Cause::OutcomeUnknown,
    Cause::KeyReused,
    Cause::TokenRefused,
    Cause::RightsLost,
    Cause::CompanyNotLinked,
    Cause::VersionOld,
    Cause::DocumentMissing,
    Cause::ContactMissing,
    Cause::NumberTaken,
    Cause::NameTaken,
    Cause::PeriodLocked,
    Cause::PaymentDeposited,
    Cause::CurrencyMissing,
    Cause::SubscriptionEnded,
];

fn rank(cause: Cause) -> usize {
    let unknown = usize::from(cause == Cause::Refused);
    FIRST.iter().position(|first| *first == cause).unwrap_or(FIRST.len() + unknown)
}

/// What follows from a refusal with a fault.
fn disposition(cause: Cause) -> Disposition {
    let hold = |question| Disposition::Hold { question };
    match cause {
        // "Duplicate Request ID", and a fault of the system: an earlier send may have been done.
        Cause::KeyReused | Cause::OutcomeUnknown | Cause::ServerError => Disposition::LookFirst,
        Cause::TokenRefused | Cause::RightsLost | Cause::CompanyNotLinked => Disposition::Reauthorize,
        Cause::VersionOld => Disposition::Stale,
        Cause::DocumentMissing => hold(Question::DocumentGone),
        Cause::ContactMissing => hold(Question::ContactGone),
        Cause::NumberTaken => hold(Question::NumberTaken),
        Cause::NameTaken => hold(Question::NameClash),
        Cause::PeriodLocked => hold(Question::PeriodLocked),
        Cause::PaymentDeposited => hold(Question::PaidInLedger),
        Cause::CurrencyMissing => hold(Question::CurrencyMissing),
        Cause::RequestMalformed | Cause::NotSupported | Cause::AmountRefused | Cause::AnswerUnexpected | Cause::AppRefused => {
            Disposition::Defect
        }
        Cause::Unreachable | Cause::NoAnswer | Cause::AnswerUnreadable | Cause::LimitReached => RETRY,
        Cause::SubscriptionEnded
        | Cause::ReferenceInactive
        | Cause::ItemRefused
        | Cause::AccountRefused
        | Cause::TaxRefused
        | Cause::TextTooLong
        | Cause::RuleBroken
        | Cause::Refused
        | Cause::BaseCurrencyUnknown
        | Cause::CodeRefused => REFUSED,
    }
}

fn issue(cause: Cause) -> Issue {
    let pointer = if matches!(cause, Cause::ItemRefused | Cause::TaxRefused) { "/lines" } else { "" };
    let entry = cause.entry();
    Issue::new(pointer, entry.code, entry.detail)
}

/// What an error means.
pub(super) fn cause_of(error: &FaultError, subject: Subject) -> Cause {
    match code(error) {
        Some(120) => Cause::RightsLost,
        Some(500) => Cause::NotSupported,
        Some(600) => Cause::KeyReused,
        Some(610) => match subject {
            Subject::Document => Cause::DocumentMissing,
            Subject::Contact => Cause::ContactMissing,
            Subject::Place => Cause::ReferenceInactive,
        },
        Some(1040 | 2010 | 2020 | 2170 | 4000 | 4001) => Cause::RequestMalformed,
        Some(2050) => Cause::TextTooLong,
        Some(2500) => reference(error),
        Some(3100) => Cause::CompanyNotLinked,
        Some(3001) => Cause::LimitReached,
        Some(3200) => Cause::TokenRefused,
        Some(5010) => Cause::VersionOld,
        Some(6000) => rule(error),
        Some(6070) => Cause::AmountRefused,
        Some(6140) => Cause::NumberTaken,
        Some(6190) => Cause::SubscriptionEnded,
        Some(6210) => Cause::PeriodLocked,
        Some(6240) => Cause::NameTaken,
        Some(6540) => Cause::PaymentDeposited,
        Some(10_000..) => Cause::OutcomeUnknown,
        Some(_) | None => Cause::Refused,
    }
}

/// 2500: which reference it is stands in the element or the detail; the advice behind it names all kinds.
fn reference(error: &FaultError) -> Cause {
    let element = error.element.as_deref().unwrap_or_default();
    let detail = error.detail.as_deref().unwrap_or_default();
    let said = detail.split("Check the fields").next().unwrap_or_default();
    let text = format!("{element} {said}").to_ascii_lowercase();
    let has = |words: &str| text.contains(words);
    if has("customer") {
        Cause::ContactMissing
    } else if has("taxcode") || has("tax code") {
        Cause::TaxRefused
    } else if has("currency") {
        Cause::CurrencyMissing
    } else if has("item") {
        Cause::ItemRefused
    } else if has("account") {
        Cause::AccountRefused
    } else if has("txn") {
        Cause::DocumentMissing
    } else {
        Cause::ReferenceInactive
    }
}

/// 6000: a rule of the business, told in words that differ by country.
fn rule(error: &FaultError) -> Cause {
    let parts = [error.message.as_deref(), error.detail.as_deref()];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    let has = |words: &str| text.contains(words);
    if has("vat rate") || has("gst") || has("hst") || has("tax rate") || has("tax code") {
        Cause::TaxRefused
    } else if has("currency") {
        Cause::CurrencyMissing
    } else {
        Cause::RuleBroken
    }
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
