//! `Idempotency-Key` on POSTs: the same key and body get the same answer, once the work was done; another body is refused.
//!
//! The answer is kept together with the effect, in one transaction, wherever the effect is one (docs/records.md, section 5): then a
//! repeat finds an answer exactly when the effect is there. A request that was refused leaves its key free.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use coportal_aws::keys;
use coportal_aws::records::idempotency::{Begin, Claim, KeptAnswer};
use coportal_aws::store::{Change, Store};
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::text;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use serde::Serialize;

use crate::authn::Principal;
use crate::problem::{Answer, Refusal};

const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The request's `Idempotency-Key`, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(value) = parts.headers.get(KEY_HEADER) else {
            return Ok(Self(None));
        };
        let key = value.to_str().ok().filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
        match key {
            Some(key) => Ok(Self(Some(key.to_owned()))),
            None => Err(Problem::invalid(vec![Issue::new(
                "",
                "idempotency_key",
                "An Idempotency-Key has 1 to 255 visible ASCII characters, a UUID for example.",
            )])
            .into()),
        }
    }
}

/// One POST, as its key sees it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The caller's workspace.
    pub workspace: WorkspaceId,
    /// The caller.
    pub user: &'a UserId,
    /// The route with its ids: the same key on another invoice is another request.
    pub route: &'a str,
    /// The key.
    pub key: &'a IdempotencyKey,
    /// The body as it came.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A POST of a member.
    #[must_use]
    pub fn of(principal: &'a Principal, route: &'a str, key: &'a IdempotencyKey, body: &'a [u8]) -> Self {
        Self { workspace: principal.workspace.id, user: &principal.user, route, key, body }
    }
}

/// An answer that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply(KeptAnswer);

impl Reply {
    /// 200 with a body.
    ///
    /// # Errors
    /// When the body has no form in JSON.
    pub fn ok(body: &impl Serialize) -> Outcome<Self> {
        Self::new(StatusCode::OK, None, body)
    }

    /// 201 with `Location` and a body.
    ///
    /// # Errors
    /// When the body has no form in JSON.
    pub fn created(location: String, body: &impl Serialize) -> Outcome<Self> {
        Self::new(StatusCode::CREATED, Some(location), body)
    }

    /// Any status.
    ///
    /// # Errors
    /// When the body has no form in JSON.
    pub fn new(status: StatusCode, location: Option<String>, body: &impl Serialize) -> Outcome<Self> {
        let body = serde_json::to_vec(body).map_err(Problem::internal_error)?;
        Ok(Self(KeptAnswer { status: status.as_u16(), location, body }))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let KeptAnswer { status, location, body } = self.0;
        let mut response = body.into_response();
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(LOCATION, location);
        }
        response
    }
}

/// The attempt that does the work.
pub struct Attempt {
    claim: Option<Claim>,
}

impl Attempt {
    /// The change that keeps `reply`, for the transaction of the effect; `None` when the caller sent no key.
    ///
    /// # Errors
    /// When the answer has no form in DynamoDB.
    pub fn companion(&self, reply: &Reply) -> Outcome<Option<Change>> {
        Ok(self.claim.as_ref().map(|claim| claim.completed(&reply.0)).transpose()?)
    }

    /// Ends the attempt: keeps the answer, unless the transaction of the effect did, or frees the key when nothing was done.
    ///
    /// # Errors
    /// What the work was refused with; otherwise when the table does not answer.
    pub async fn settle(self, store: &Store, ctx: &Ctx, done: Outcome<Done>) -> Answer<Response> {
        match (done, &self.claim) {
            (Ok(Done::Kept(reply)), _) | (Ok(Done::ToKeep(reply)), None) => Ok(reply.into_response()),
            (Ok(Done::ToKeep(reply)), Some(claim)) => {
                store.complete_idempotent(ctx, claim, &reply.0).await.map_err(Problem::from)?;
                Ok(reply.into_response())
            }
            (Err(problem), claim) => {
                if let Some(claim) = claim.as_ref().filter(|_| certainly_nothing_happened(&problem)) {
                    // Best effort: an answer is due, and the lease ends by itself.
                    let _ = store.release_idempotent(ctx, claim).await;
                }
                Err(problem.into())
            }
        }
    }
}

/// Work that was done, and whether its answer is kept already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The transaction of the effect had [`Attempt::companion`] in it.
    Kept(Reply),
    /// There was no effect, or none that a transaction could hold: the answer is kept now.
    ToKeep(Reply),
}

/// What to do with a POST.
pub enum Begun {
    /// The work; its end is told by [`Attempt::settle`].
    Work(Attempt),
    /// Nothing: it was done, and this was the answer.
    Answered(Box<Response>),
}

/// Begins a POST: its work is done at most once for its key.
///
/// # Errors
/// 422 when the key came with another body before, 409 while the same request is being worked on.
pub async fn begin(store: &Store, ctx: &Ctx, request: Request<'_>) -> Answer<Begun> {
    let Some(key) = &request.key.0 else {
        return Ok(Begun::Work(Attempt { claim: None }));
    };
    let record = keys::idempotency(request.workspace, request.user.as_str(), request.route, key);
    match store.begin_idempotent(ctx, record, &text::digest([request.body])).await.map_err(Problem::from)? {
        Begin::Mine(claim) => Ok(Begun::Work(Attempt { claim: Some(claim) })),
        Begin::Answered(answer) => {
            let mut response = Reply(answer).into_response();
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(Begun::Answered(Box::new(response)))
        }
        Begin::InProgress(until) => Err(Refusal::new(in_progress()).retry_after(ctx.now().duration_until(until).min(RETRY))),
        Begin::OtherBody => Err(reused().into()),
    }
}

const RETRY: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// A refusal was decided before any effect; a failure may have come after one.
fn certainly_nothing_happened(problem: &Problem) -> bool {
    match problem.kind {
        ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::NotFound
        | ProblemKind::Conflict
        | ProblemKind::Stale
        | ProblemKind::PreconditionRequired
        | ProblemKind::Invalid
        | ProblemKind::TooLarge
        | ProblemKind::Limited => true,
        ProblemKind::Unavailable | ProblemKind::Internal => false,
    }
}

/// The same request is being worked on by another attempt.
#[must_use]
pub fn in_progress() -> Problem {
    Problem::new(ProblemKind::Conflict, "idempotency_in_progress", "The same request is being worked on.").fix(
        "Send it again in a moment: you then get its answer.",
        "the request",
        true,
    )
}

fn reused() -> Problem {
    Problem::new(ProblemKind::Invalid, "idempotency_key_reused", "This Idempotency-Key came with another body before.").fix(
        "Take a fresh key for a new request; repeat a request byte for byte.",
        "the Idempotency-Key header",
        false,
    )
}
