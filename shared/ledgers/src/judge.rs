//! What an answer, or none, means before the vendor's own words are read: the same for every ledger. Each ledger's `outcome` module goes on
//! from here.

use std::borrow::Cow;

use bytes::Bytes;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::metering::{Limit, Withheld};
use coportal_core::problem::Fix;
use http::Response;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::exec::{TransportError, headers, redact};
use crate::fixit::{Catalogue, Common, WAIT};

/// What a call does at the vendor when its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing, or the same however often it is done.
    Read,
    /// Something that must not be done twice.
    Write,
}

/// What a call is about, which decides what "not found" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An invoice named by id.
    Document,
    /// A contact named by id.
    Contact,
    /// Anything else: an address that exists always.
    Place,
}

/// The question that an answer is judged against.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) effect: Effect,
    pub(crate) subject: Subject,
    pub(crate) now: Timestamp,
    /// The secret that the call carries, which an answer may echo and a log must not hold.
    pub(crate) token: &'a str,
}

/// Try again, whenever.
pub(crate) const RETRY: Disposition = Disposition::Retry { not_before: None };

/// A refusal without an issue of its own.
pub(crate) const REFUSED: Disposition = Disposition::Reject { issues: Vec::new() };

/// Puts a failure together from its cause.
pub(crate) fn failed<C: Catalogue>(
    asked: &Asked<'_>,
    cause: C,
    disposition: Disposition,
    answer: Option<&Response<Bytes>>,
    internal: &str,
) -> Failure {
    let entry = cause.entry();
    Failure {
        code: Cow::Borrowed(entry.code),
        disposition,
        detail: Cow::Borrowed(entry.detail),
        fix: entry.fix(),
        status: answer.map(|answer| answer.status().as_u16()),
        vendor_request_id: answer.and_then(|answer| headers::request_id(answer.headers())),
        internal: redact::line(internal, &[asked.token]),
        facts_stale: cause.facts_stale(),
        limit: answer.and_then(C::limit).map(|(limit, _)| limit),
    }
}

/// The failure of a call that a limit refused: not done, and not before the vendor's own time.
pub(crate) fn throttled<C: Catalogue>(asked: &Asked<'_>, cause: C, answer: &Response<Bytes>, internal: &str) -> Failure {
    let not_before = C::limit(answer).and_then(|(_, unless_told)| {
        headers::retry_after(answer.headers(), asked.now).or_else(|| asked.now.saturating_add(unless_told).ok())
    });
    failed(asked, cause, Disposition::Retry { not_before }, Some(answer), internal)
}

/// The failure of a call that was not made, since the vendor would have refused it.
#[must_use]
pub fn withheld(withheld: Withheld) -> Failure {
    let Withheld { limit, until } = withheld;
    let minute = until.strftime("%Y-%m-%d %H:%M UTC");
    let detail = match limit {
        Limit::Minute => format!("The ledger takes no more calls for this organisation just now; from {minute} on it does."),
        Limit::Day => format!("The day's calls for this organisation are used up; from {minute} on there are more."),
        Limit::Concurrent => "The ledger is already handling as many calls for this organisation as it allows at once.".to_owned(),
        Limit::App => format!("The ledger takes no more calls from CoPortal just now; from {minute} on it does."),
    };
    Failure {
        code: Cow::Owned(format!("limit_{}", limit.as_str())),
        disposition: Disposition::Retry { not_before: Some(until) },
        detail: Cow::Owned(detail),
        fix: Fix { what: Cow::Borrowed("Nothing to do: it goes on by itself."), place: Cow::Borrowed(WAIT), retry_helps: true },
        status: None,
        vendor_request_id: None,
        internal: format!("no permit: {}", limit.as_str()),
        facts_stale: false,
        limit: Some(limit),
    }
}

/// The failure of a call that got no answer.
pub(crate) fn unanswered<C: Catalogue>(asked: &Asked<'_>, error: &TransportError) -> Failure {
    let (common, disposition) = match (error, asked.effect) {
        (TransportError::Withheld(no), _) => return withheld(*no),
        (TransportError::NotSent(_), _) => (Common::Unreachable, RETRY),
        (TransportError::MaybeSent(_), Effect::Read) => (Common::NoAnswer, RETRY),
        (TransportError::MaybeSent(_), Effect::Write) => (Common::OutcomeUnknown, Disposition::LookFirst),
    };
    failed(asked, C::common(common), disposition, None, &error.to_string())
}

/// The failure of a request that could not even be built.
pub(crate) fn unbuildable<C: Catalogue>(asked: &Asked<'_>, why: &str) -> Failure {
    failed(asked, C::common(Common::RequestMalformed), Disposition::Defect, None, why)
}

/// A success whose body arrived damaged. A write with such an answer has very probably been done.
pub(crate) fn unreadable<C: Catalogue>(asked: &Asked<'_>, answer: &Response<Bytes>, why: &str) -> Failure {
    match asked.effect {
        Effect::Read => failed(asked, C::common(Common::AnswerUnreadable), RETRY, Some(answer), why),
        Effect::Write => failed(asked, C::common(Common::OutcomeUnknown), Disposition::LookFirst, Some(answer), why),
    }
}

/// A success whose body is whole but not about what was asked for.
pub(crate) fn unexpected<C: Catalogue>(asked: &Asked<'_>, answer: &Response<Bytes>, why: &str) -> Failure {
    match asked.effect {
        Effect::Read => failed(asked, C::common(Common::AnswerUnexpected), Disposition::Defect, Some(answer), why),
        Effect::Write => failed(asked, C::common(Common::OutcomeUnknown), Disposition::LookFirst, Some(answer), why),
    }
}

/// An answer that leaves open whether the call was done (408, 5xx): a read may simply be tried again, a write is looked up first.
pub(crate) fn lost<C: Catalogue>(asked: &Asked<'_>, cause: C, answer: &Response<Bytes>, internal: &str) -> Failure {
    match asked.effect {
        Effect::Read => {
            let not_before = headers::retry_after(answer.headers(), asked.now);
            failed(asked, cause, Disposition::Retry { not_before }, Some(answer), internal)
        }
        Effect::Write => failed(asked, C::common(Common::OutcomeUnknown), Disposition::LookFirst, Some(answer), internal),
    }
}

/// An organisation that cannot be used, found out by reading it.
pub(crate) fn unusable<C: Catalogue>(asked: &Asked<'_>, cause: C, answer: &Response<Bytes>) -> Failure {
    failed(asked, cause, REFUSED, Some(answer), "")
}

/// Reads a success.
///
/// # Errors
/// The failure that a damaged or foreign body is.
pub(crate) fn read<C: Catalogue, T: DeserializeOwned>(asked: &Asked<'_>, answer: &Response<Bytes>) -> Result<T, Failure> {
    if let Some(kind) = headers::text(answer.headers(), "content-type") {
        let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !media.ends_with("json") {
            return Err(unreadable::<C>(asked, answer, &format!("the answer is {media}, not JSON")));
        }
    }
    if answer.body().is_empty() {
        return Err(unreadable::<C>(asked, answer, "the answer is empty"));
    }
    serde_json::from_slice(answer.body()).map_err(|error| match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => unreadable::<C>(asked, answer, &format!("the answer is no JSON: {error}")),
        Category::Data => unexpected::<C>(asked, answer, &format!("the answer has another shape: {error}")),
    })
}
