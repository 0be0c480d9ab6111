//! Status, headers and body to a [`Failure`]: what happened, and what follows from it (docs/vendors/business-central.md, sections 8 and 9).

use bytes::Bytes;
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::metering::Limit;
use coportal_core::problem::Issue;
use http::Response;
use jiff::SignedDuration;

use super::batch;
use super::fixit::Cause;
use super::wire::{ErrorBody, ErrorEnvelope};
use crate::fixit::Catalogue as _;
use crate::judge::{self, Asked, REFUSED, Subject, failed, lost};

/// How long a throttled call waits where the vendor does not say (section 8: `Retry-After` is not promised with a 429).
const THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// What an error says, without the correlation id that each message ends with.
struct Said {
    code: String,
    message: String,
    correlation: Option<String>,
}

fn said(answer: &Response<Bytes>) -> Said {
    let envelope: ErrorEnvelope = serde_json::from_slice(answer.body()).unwrap_or_default();
    let ErrorBody { code, message } = envelope.error;
    let is_error = code.is_some() || message.is_some();
    let message = message.unwrap_or_default();
    let (text, correlation) = split_correlation(&message);
    let body = || String::from_utf8_lossy(answer.body()).into_owned();
    Said { code: code.unwrap_or_default(), message: if is_error { text.to_owned() } else { body() }, correlation }
}

/// A message and the id at its end: `…  CorrelationId:  <guid>.` (section 9).
fn split_correlation(message: &str) -> (&str, Option<String>) {
    let Some((text, id)) = message.rsplit_once("CorrelationId:") else { return (message.trim(), None) };
    let id = id.trim().trim_end_matches('.');
    let is_id = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (text.trim(), is_id.then(|| id.to_owned()))
}

/// The failure that an answer other than a success is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
    let said = said(answer);
    let mut failure = judged(asked, answer, &said);
    if failure.vendor_request_id.is_none() {
        failure.vendor_request_id = said.correlation;
    }
    failure
}

fn judged(asked: &Asked<'_>, answer: &Response<Bytes>, said: &Said) -> Failure {
    let internal = format!("{}: {}", said.code, said.message);
    let with = |cause, disposition| failed(asked, cause, disposition, Some(answer), &internal);
    let lost = |cause| lost(asked, cause, answer, &internal);
    let validation = || validation(asked, answer, said, &internal);
    // A limit is told by its status (section 8): whatever code stands beside it, nothing was done and nothing is wrong with the content.
    if answer.status().as_u16() == 429 {
        return judge::throttled(asked, Cause::LimitReached, answer, &internal);
    }
    match said.code.as_str() {
        "Internal_CompanyNotFound" => with(Cause::CompanyMissing, REFUSED),
        "Internal_TenantUnavailable" => lost(Cause::TenantUnavailable),
        "Internal_ServerError" => lost(Cause::ServerError),
        "Request_EntityChanged" | "BadRequest_InvalidToken" => with(Cause::VersionOld, Disposition::Stale),
        "Internal_EntityWithSameKeyExists" => with(Cause::AlreadyThere, Disposition::LookFirst),
        // What is missing may be a part of the set-up, which the message names, or the object that the address names.
        "BadRequest_NotFound" | "Internal_RecordNotFound" | "Internal_DataNotFoundFilter" if cause_of(&said.message) == Cause::Refused => {
            missing(asked, answer, &internal)
        }
        "BadRequest_NotFound" | "Internal_RecordNotFound" | "Internal_DataNotFoundFilter" => validation(),
        "Internal_InvalidTableRelation" => validation(),
        "Application_StringExceededLength" => with(Cause::TextTooLong, Disposition::Reject { issues: vec![issue(Cause::TextTooLong)] }),
        "Application_CallbackNotAllowed" => {
            with(Cause::ConfirmationNeeded, Disposition::Reject { issues: vec![issue(Cause::ConfirmationNeeded)] })
        }
        // Queries and ids are ours.
        "Application_FilterErrorException" | "Application_EvaluateException" | "Application_InvalidGUID" => {
            with(Cause::RequestMalformed, Disposition::Defect)
        }
        code if code.starts_with("Authentication_") => with(Cause::TokenRefused, Disposition::Reauthorize),
        code if code.starts_with("Authorization_") => with(Cause::PermissionMissing, REFUSED),
        code if code.starts_with("Application_") => validation(),
        code if code.starts_with("BadRequest") => with(Cause::RequestMalformed, Disposition::Defect),
        // `Unknown`, a code of an extension, or no envelope at all.
        code => match answer.status().as_u16() {
            400 if !code.is_empty() => validation(),
            401 => with(Cause::TokenRefused, Disposition::Reauthorize),
            403 => with(Cause::PermissionMissing, REFUSED),
            // Neither a record nor a path that the API does not have: the environment or the company itself (section 2).
            404 => with(Cause::CompanyMissing, REFUSED),
            408 | 504 => lost(Cause::NoAnswer),
            409 | 412 => with(Cause::VersionOld, Disposition::Stale),
            413 => with(Cause::TooLarge, Disposition::Defect),
            501 => with(Cause::RequestMalformed, Disposition::Defect),
            500..=599 => lost(Cause::ServerError),
            // Redirects, which are not followed, and other refusals: the vendor did nothing.
            _ => with(Cause::RequestMalformed, Disposition::Defect),
        },
    }
}

/// Which limit a refusal is of: the vendor queues what is too much at once, and refuses what is too much in five minutes (section 8).
pub(super) fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
    (answer.status().as_u16() == 429).then_some((Limit::Minute, THROTTLED_FOR))
}

/// The same of a request of a batch, which is refused inside a success.
pub(super) fn limit_inside(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
    batch::is_throttled(answer.body()).then_some((Limit::Minute, THROTTLED_FOR))
}

/// Not found: a question about a named object; what CoPortal asked for by itself is its own mistake.
fn missing(asked: &Asked<'_>, answer: &Response<Bytes>, internal: &str) -> Failure {
    let (cause, disposition) = match asked.subject {
        Subject::Document => (Cause::DocumentMissing, Disposition::Hold { question: Question::DocumentGone }),
        Subject::Contact => (Cause::ContactMissing, Disposition::Hold { question: Question::ContactGone }),
        Subject::Place => (Cause::RequestMalformed, Disposition::Defect),
    };
    failed(asked, cause, disposition, Some(answer), internal)
}

/// A refusal for its content, known by the application's own words.
fn validation(asked: &Asked<'_>, answer: &Response<Bytes>, said: &Said, internal: &str) -> Failure {
    let cause = cause_of(&said.message);
    let disposition = match question(cause) {
        Some(question) => Disposition::Hold { question },
        None if cause == Cause::AlreadyThere => Disposition::LookFirst,
        None => Disposition::Reject { issues: vec![issue(cause)] },
    };
    failed(asked, cause, disposition, Some(answer), internal)
}

/// A refusal of ours that follows from what an answer says: a document that cannot be written correctly, a posting that came to nothing.
pub(super) fn refused(asked: &Asked<'_>, cause: Cause, answer: Option<&Response<Bytes>>) -> Failure {
    failed(asked, cause, Disposition::Reject { issues: vec![issue(cause)] }, answer, "")
}

/// A write that rested on something that is no longer so.
pub(super) fn stale(asked: &Asked<'_>, answer: &Response<Bytes>, internal: &str) -> Failure {
    failed(asked, Cause::VersionOld, Disposition::Stale, Some(answer), internal)
}

/// A posting that was taken and has not happened: it may still happen.
pub(super) fn outstanding(asked: &Asked<'_>) -> Failure {
    failed(asked, Cause::PostingOutstanding, Disposition::LookFirst, None, "the document is still a draft")
}

/// The failure of a step after a write that was done: whatever went wrong in it, the write must be looked up and never be taken for undone.
pub(super) fn after_write(failure: Failure) -> Failure {
    let entry = Cause::OutcomeUnknown.entry();
    let internal = format!("done, and not confirmed ({}): {}", failure.code, failure.internal);
    Failure {
        code: entry.code.into(),
        disposition: Disposition::LookFirst,
        detail: entry.detail.into(),
        fix: entry.fix(),
        internal: internal.chars().take(500).collect(),
        facts_stale: false,
        ..failure
    }
}

/// Whether the environment takes no `$batch`: the address or the form itself is refused, before any of its requests is looked at.
pub(super) fn refuses_batch(answer: &Response<Bytes>) -> bool {
    match answer.status().as_u16() {
        405 | 501 => true,
        400 | 404 => said(answer).code.starts_with("BadRequest"),
        _ => false,
    }
}

/// Whether a failure has this cause.
pub(super) fn is(failure: &Failure, cause: Cause) -> bool {
    failure.code == cause.entry().code
}

/// The causes that a person can settle by an answer.
const QUESTIONS: [(Cause, Question); 7] = [
    (Cause::ContactBlocked, Question::ContactGone),
    (Cause::ContactMissing, Question::ContactGone),
    (Cause::PeriodLocked, Question::PeriodLocked),
    (Cause::CurrencyMissing, Question::CurrencyMissing),
    (Cause::DocumentPaid, Question::PaidInLedger),
    (Cause::DocumentPosted, Question::LockedInLedger),
    (Cause::DocumentReleased, Question::LockedInLedger),
];

fn question(cause: Cause) -> Option<Question> {
    QUESTIONS.iter().find(|(asked, _)| *asked == cause).map(|(_, question)| *question)
}

fn issue(cause: Cause) -> Issue {
    let pointers = [(Cause::AccountRefused, "/lines"), (Cause::EmailRefused, "/client/email"), (Cause::PhoneRefused, "/client/phone")];
    let pointer = pointers.iter().find(|(of, _)| *of == cause).map_or("", |(_, pointer)| pointer);
    let entry = cause.entry();
    Issue::new(pointer, entry.code, entry.detail)
}

/// Words of the application's messages in English (each call asks for them), and what they mean: all of a row's words must be there, and
/// the first row that fits decides. Sources: section 9, and the messages quoted in sections 4, 5, 6 and 12.
const WORDS: [(&[&str], Cause); 52] = [
    (&["appliestoinvoice"], Cause::PaymentRefused),
    (&["applies-to"], Cause::PaymentRefused),
    (&["negative number"], Cause::PaymentRefused),
    (&["related table", "currency"], Cause::CurrencyMissing),
    (&["related table", "posting group"], Cause::TaxSetupMissing),
    (&["related table"], Cause::CodeUnknown),
    (&["credit memo", "created"], Cause::CancelIncomplete),
    (&["credit memo", "posted", "but"], Cause::CancelIncomplete),
    (&["draft invoice"], Cause::NotADraft),
    (&["can no longer be modified"], Cause::DocumentPosted),
    (&["already been cancel"], Cause::DocumentPosted),
    (&["corrective document"], Cause::DocumentPosted),
    (&["paid", "cancel"], Cause::DocumentPaid),
    (&["paid", "correct"], Cause::DocumentPaid),
    (&["status must be equal to 'open'"], Cause::DocumentReleased),
    (&["current value is 'released'"], Cause::DocumentReleased),
    (&["posted invoice only"], Cause::DocumentReleased),
    (&["must be approved"], Cause::ApprovalPending),
    (&["approval"], Cause::ApprovalPending),
    (&["workflow"], Cause::ApprovalPending),
    (&["external document no"], Cause::ExternalNumberRequired),
    (&["ext. doc. no"], Cause::ExternalNumberRequired),
    (&["allowed posting dates"], Cause::PeriodLocked),
    (&["posting date", "range"], Cause::PeriodLocked),
    (&["posting date", "not allowed"], Cause::PeriodLocked),
    (&["period", "closed"], Cause::PeriodLocked),
    (&["no. series"], Cause::NumberSeries),
    (&["number series"], Cause::NumberSeries),
    (&["numbers manually"], Cause::NumberSeries),
    (&["vat posting setup"], Cause::TaxSetupMissing),
    (&["tax area", "cannot be found"], Cause::TaxSetupMissing),
    (&["posting group"], Cause::PostingGroupMissing),
    (&["general posting setup"], Cause::PostingGroupMissing),
    (&["exchange rate"], Cause::CurrencyMissing),
    (&["currency"], Cause::CurrencyMissing),
    (&["dimension"], Cause::DimensionMissing),
    (&["at least one line"], Cause::NothingToPost),
    (&["nothing to post"], Cause::NothingToPost),
    (&["no quantity"], Cause::NothingToPost),
    (&["quantity must have a value"], Cause::NothingToPost),
    (&["customer", "blocked"], Cause::ContactBlocked),
    (&["does not match to a customer"], Cause::ContactMissing),
    (&["customer does not exist"], Cause::ContactMissing),
    (&["customer cannot be found"], Cause::ContactMissing),
    (&["account", "blocked"], Cause::AccountRefused),
    (&["account does not exist"], Cause::AccountRefused),
    (&["direct posting"], Cause::AccountRefused),
    (&["g/l account"], Cause::AccountRefused),
    (&["email"], Cause::EmailRefused),
    (&["phone"], Cause::PhoneRefused),
    (&["already exists"], Cause::AlreadyThere),
    (&["does not match to a"], Cause::CodeUnknown),
];

/// What a message means; what is not known is a plain refusal.
fn cause_of(message: &str) -> Cause {
    let text = message.to_ascii_lowercase();
    WORDS.iter().find(|(words, _)| words.iter().all(|word| text.contains(word))).map_or(Cause::Refused, |(_, cause)| *cause)
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
