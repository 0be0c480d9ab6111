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
    pub async fn settle(self, store: &Store, ctx: &Ctx, done: Result<Done, impl Into<Refusal>>) -> Answer<Response> {
        match (done.map_err(Into::into), &self.claim) {
            (Ok(Done::Kept(reply)), _) | (Ok(Done::ToKeep(reply)), None) => Ok(reply.into_response()),
            (Ok(Done::ToKeep(reply)), Some(claim)) => {
                store.complete_idempotent(ctx, claim, &reply.0).await.map_err(Problem::from)?;
                Ok(reply.into_response())
            }
            (Err(refusal), claim) => {
                if let Some(claim) = claim.as_ref().filter(|_| certainly_nothing_happened(refusal.problem())) {
                    // Best effort: an answer is due, and the lease ends by itself.
                    let _ = store.release_idempotent(ctx, claim).await;
                }
                Err(refusal)
            }
        }
    }
}

/// A whole POST whose answer is kept after its effect: for work that is safe to begin again by itself, such as a sync. `work` is not
/// started when its answer is known already.
///
/// # Errors
/// As [`begin`], and whatever `work` refuses with.
pub async fn once(store: &Store, ctx: &Ctx, request: Request<'_>, work: impl Future<Output = Answer<Reply>>) -> Answer<Response> {
    match begin(store, ctx, request).await? {
        Begun::Answered(response) => Ok(*response),
        Begun::Work(attempt) => attempt.settle(store, ctx, work.await.map(Done::ToKeep)).await,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use coportal_core::workspace::Plan;
    use jiff::SignedDuration;
    use serde_json::json;
    use std::cell::Cell;

    struct Case {
        bench: Bench,
        ws: WorkspaceId,
        user: UserId,
        key: IdempotencyKey,
        runs: Cell<u32>,
    }

    async fn case() -> Case {
        let bench = Bench::new("test");
        let ws = bench.workspace(Plan::Studio).await;
        Case { bench, ws, user: "member".parse().unwrap(), key: IdempotencyKey(Some("k".to_owned())), runs: Cell::new(0) }
    }

    impl Case {
        async fn once(&self, body: &[u8], answer: Answer<Reply>) -> Answer<Response> {
            let request = Request { workspace: self.ws, user: &self.user, route: "POST /v1/x", key: &self.key, body };
            let work = async {
                self.runs.set(self.runs.get() + 1);
                answer
            };
            once(self.bench.store(), &self.bench.ctx(), request, work).await
        }
    }

    fn accepted() -> Answer<Reply> {
        Ok(Reply::new(StatusCode::ACCEPTED, None, &json!({"state": "waiting"}))?)
    }

    fn refusing(kind: ProblemKind) -> Answer<Reply> {
        Err(Problem::new(kind, "some_code", "No.").into())
    }

    #[tokio::test]
    async fn work_without_a_transaction_is_answered_again_from_what_was_kept() {
        let case = case().await;
        for _ in 0..3 {
            assert_eq!(case.once(b"1", accepted()).await.unwrap().status(), StatusCode::ACCEPTED);
        }
        assert_eq!(case.runs.get(), 1);
        assert_eq!(case.once(b"2", accepted()).await.unwrap_err().problem().code, "idempotency_key_reused");
    }

    /// A refusal had no effect and frees the key; a failure may have come after one, and its key is held until the lease ends.
    #[tokio::test]
    async fn what_frees_a_key_and_what_does_not() {
        let case = case().await;
        for kind in [ProblemKind::Invalid, ProblemKind::Conflict, ProblemKind::NotFound, ProblemKind::Limited] {
            assert!(case.once(b"1", refusing(kind)).await.is_err());
        }
        assert_eq!(case.runs.get(), 4);
        for kind in [ProblemKind::Unavailable, ProblemKind::Internal] {
            assert!(case.once(b"1", refusing(kind)).await.is_err());
            let again = case.once(b"1", accepted()).await.unwrap_err();
            assert_eq!(again.problem().code, "idempotency_in_progress");
            case.bench.clock.advance(SignedDuration::from_secs(33));
        }
        assert_eq!(case.runs.get(), 6);
        assert!(case.once(b"1", accepted()).await.is_ok());
    }

    #[tokio::test]
    async fn without_a_key_the_work_is_done_each_time() {
        let mut case = case().await;
        case.key = IdempotencyKey(None);
        for _ in 0..2 {
            assert!(case.once(b"1", accepted()).await.is_ok());
        }
        assert_eq!(case.runs.get(), 2);
    }

    #[tokio::test]
    async fn an_answer_too_large_to_keep_is_given_again_by_its_place() {
        let case = case().await;
        // Hexadecimal of chance packs to half its size.
        let body: String = (0..8_000).map(|_| hex_of(&case.bench.ctx().random_bytes::<16>())).collect();
        let reply = || Ok(Reply::created("/v1/x/1".to_owned(), &json!({ "text": body }))?);
        assert_eq!(case.once(b"1", reply()).await.unwrap().status(), StatusCode::CREATED);
        let again = case.once(b"1", reply()).await.unwrap();
        assert_eq!((again.status(), &again.headers()[LOCATION]), (StatusCode::CREATED, &HeaderValue::from_static("/v1/x/1")));
        assert_eq!(case.runs.get(), 1);
    }

    fn hex_of(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
