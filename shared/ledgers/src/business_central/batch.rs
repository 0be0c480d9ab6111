//! `$batch`: several requests in one call (docs/vendors/business-central.md, section 7).

use bytes::Bytes;
use coportal_core::failure::Failure;
use http::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fixit::Cause;
use crate::exec::call::Reply;
use crate::fixit::Catalogue as _;
use crate::json;

/// One request inside a batch.
#[derive(Debug, Serialize)]
pub(super) struct Inner<'a> {
    pub(super) method: &'a str,
    pub(super) id: String,
    /// Below the API's root, without a slash at its beginning.
    pub(super) url: String,
    pub(super) headers: InnerHeaders<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<&'a RawValue>,
}

/// The headers of an inner request.
#[derive(Debug, Serialize)]
pub(super) struct InnerHeaders<'a> {
    #[serde(rename = "Accept-Language")]
    pub(super) language: &'static str,
    #[serde(rename = "Content-Type", skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<&'static str>,
    #[serde(rename = "If-Match", skip_serializing_if = "Option::is_none")]
    pub(super) if_match: Option<&'a str>,
}

impl<'a> Inner<'a> {
    /// A request; the id is its place.
    pub(super) fn new(place: usize, method: &'a str, url: String, if_match: Option<&'a str>, body: Option<&'a RawValue>) -> Self {
        let content_type = body.is_some().then_some("application/json");
        let headers = InnerHeaders { language: super::LANGUAGE, content_type, if_match };
        Self { method, id: (place + 1).to_string(), url, headers, body }
    }
}

/// A batch's body.
pub(super) fn body(requests: &[Inner<'_>]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        requests: &'a [Inner<'a>],
    }
    json::bytes(&Body { requests })
}

/// The answer to one request of a batch.
#[derive(Debug, Deserialize)]
struct InnerAnswer {
    #[serde(default)]
    id: Option<String>,
    status: u16,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Answers {
    responses: Vec<InnerAnswer>,
}

/// A request that was not looked at because one before it failed (OData JSON Format 4.01, 19).
const NOT_DONE: u16 = 424;

/// A request that came over the rate limit.
const THROTTLED: u16 = 429;

/// Whether one of a batch's requests came over the rate limit.
pub(super) fn is_throttled(body: &[u8]) -> bool {
    // Other answers are not read twice.
    let may_be = body.windows(3).any(|part| part == b"429");
    let batch: Option<Answers> = may_be.then(|| serde_json::from_slice(body).ok()).flatten();
    batch.is_some_and(|batch| batch.responses.iter().any(|answer| answer.status == THROTTLED))
}

/// The answers of a batch in the order of its requests, each as a response of its own; the outer answer's headers stand for theirs.
///
/// # Errors
/// The first request that failed, with its place; or an answer that is not about these requests.
pub(super) fn answers(reply: &Reply<'_, Cause>, requests: usize) -> Result<Vec<Response<Bytes>>, (Option<usize>, Failure)> {
    let answers: Answers = reply.read().map_err(|failure| (None, failure))?;
    let unexpected = |why: &str| (None, reply.unexpected(why));
    let mut found: Vec<Response<Bytes>> = Vec::with_capacity(answers.responses.len());
    for (place, answer) in answers.responses.into_iter().enumerate() {
        // The order is the requests' own; ids are compared where they are there.
        if answer.id.as_deref().is_some_and(|id| id != (place + 1).to_string()) {
            return Err(unexpected("the answers of the batch are in another order"));
        }
        let body = answer.body.map(|raw| Bytes::copy_from_slice(raw.get().as_bytes())).unwrap_or_default();
        let mut response = Response::new(body);
        *response.headers_mut() = reply.answer.headers().clone();
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status).map_err(|_| unexpected("a request of the batch has no status"))?;
        match answer.status {
            200..=299 => found.push(response),
            NOT_DONE => return Err(unexpected("a request of the batch was left out without a reason")),
            _ => return Err((Some(place), Cause::failure(&reply.asked, &response))),
        }
    }
    if found.len() == requests { Ok(found) } else { Err(unexpected("the batch has another number of answers than of requests")) }
}

/// The answers of a batch whose requests answer each for itself, in their order; `None` where one was not answered with a success.
///
/// # Errors
/// An answer that is not about these requests.
pub(super) fn each(reply: &Reply<'_, Cause>, requests: usize) -> Result<Vec<Option<Response<Bytes>>>, Failure> {
    let answers: Answers = reply.read()?;
    let mut found: Vec<Option<Response<Bytes>>> = (0..requests).map(|_| None).collect();
    for (place, answer) in answers.responses.into_iter().enumerate() {
        let named = match answer.id.as_deref() {
            Some(id) => id.parse::<usize>().ok().and_then(|id| id.checked_sub(1)),
            None => Some(place),
        };
        let slot = named.and_then(|named| found.get_mut(named)).ok_or_else(|| reply.unexpected("an answer of the batch has no request"))?;
        if slot.is_some() {
            return Err(reply.unexpected("a request of the batch is answered twice"));
        }
        if (200..=299).contains(&answer.status) {
            *slot = Some(Response::new(answer.body.map(|raw| Bytes::copy_from_slice(raw.get().as_bytes())).unwrap_or_default()));
        }
    }
    Ok(found)
}
