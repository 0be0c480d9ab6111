//! Problems as HTTP answers: RFC 9457 `application/problem+json`, the public half only.

use axum::response::{IntoResponse, Response};
use coportal_core::problem::{Fix, Issue, Problem, ProblemKind};
use coportal_core::sync::row::Hold;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use coportal_core::sync::row::Choice;

/// The media type of every problem (RFC 9457, section 3).
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What a handler answers when it refuses or fails: a problem, and what HTTP adds to it.
#[derive(Debug, Clone)]
pub struct Refusal(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    problem: Problem,
    hold: Option<HoldView>,
    retry_after: Option<SignedDuration>,
}

/// A handler's result.
pub type Answer<T> = Result<T, Refusal>;

/// A hold, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HoldView {
    /// Its id: what `resolve` takes.
    pub id: String,
    /// The question's code.
    pub question: &'static str,
    /// The question in words.
    pub detail: String,
    /// The answers offered.
    pub choices: Vec<Choice>,
    /// Since when.
    pub since: Timestamp,
}

impl From<&Hold> for HoldView {
    fn from(hold: &Hold) -> Self {
        Self {
            id: hold.id.to_string(),
            question: hold.question.code(),
            detail: hold.detail.clone(),
            choices: hold.choices.clone(),
            since: hold.since,
        }
    }
}

impl Refusal {
    /// A problem, as it stands.
    #[must_use]
    pub fn new(problem: Problem) -> Self {
        Self(Box::new(Parts { problem, hold: None, retry_after: None }))
    }

    /// A sync that holds: 422 whose code is the question, with the member `hold`.
    #[must_use]
    pub fn held(hold: &Hold) -> Self {
        let problem = Problem::new(ProblemKind::Invalid, hold.question.code(), hold.detail.clone()).fix(
            "Answer the question on the invoice; it is then synced at once.",
            "the invoice's sync panel",
            false,
        );
        Self(Box::new(Parts { problem, hold: Some(HoldView::from(hold)), retry_after: None }))
    }

    /// Adds when trying again makes sense (`Retry-After`, rounded up to a second).
    #[must_use]
    pub fn retry_after(mut self, wait: SignedDuration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The problem.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(wait) = self.0.retry_after {
            let seconds = wait.as_secs().saturating_add(i64::from(wait.subsec_nanos() > 0)).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.problem.kind == ProblemKind::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers
    }

    /// The answer, with the id under which support finds the request.
    #[must_use]
    pub fn render(&self, request_id: Option<&str>) -> Response {
        let problem = &self.0.problem;
        let status = status(problem.kind);
        let body = Body {
            r#type: format!("urn:coportal:problem:{}", problem.code),
            title: title(problem.kind),
            status: status.as_u16(),
            detail: &problem.detail,
            code: &problem.code,
            fix: problem.fix.as_ref(),
            issues: &problem.issues,
            request_id,
            hold: self.0.hold.as_ref(),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        (status, self.headers(), body).into_response()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.render(None);
        // The outermost layer writes it again with the request's id, and logs the half that no answer carries.
        response.extensions_mut().insert(self);
        response
    }
}

/// What is refused, or failed (RFC 9457).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Problem))]
struct Body<'a> {
    /// `urn:coportal:problem:` and the code.
    r#type: String,
    /// The class of problems, in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, in a sentence.
    detail: &'a str,
    /// Stable code.
    code: &'a str,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a Fix>,
    /// The parts of the request that are wrong.
    #[serde(skip_serializing_if = "<[Issue]>::is_empty")]
    issues: &'a [Issue],
    /// What support finds the request by.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// The question that a sync waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<&'a HoldView>,
}

/// A reference to the schema of problems, which `operation` keeps.
#[cfg(feature = "openapi")]
pub(crate) fn schema(operation: &mut crate::openapi::Operation) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    operation.schema::<Body<'static>>()
}

/// The HTTP status of a class of problems.
#[must_use]
pub fn status(kind: ProblemKind) -> StatusCode {
    match kind {
        ProblemKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ProblemKind::Forbidden => StatusCode::FORBIDDEN,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        ProblemKind::Conflict => StatusCode::CONFLICT,
        ProblemKind::Stale => StatusCode::PRECONDITION_FAILED,
        ProblemKind::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        ProblemKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ProblemKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ProblemKind::Limited => StatusCode::TOO_MANY_REQUESTS,
        ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

pub(crate) fn title(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Unauthenticated => "Sign-in needed",
        ProblemKind::Forbidden => "Not allowed",
        ProblemKind::NotFound => "Not found",
        ProblemKind::Conflict => "Conflict with the present state",
        ProblemKind::Stale => "The version is no longer the newest",
        ProblemKind::PreconditionRequired => "A precondition is missing",
        ProblemKind::Invalid => "The request cannot be accepted",
        ProblemKind::TooLarge => "The request is too large",
        ProblemKind::Limited => "Too many requests",
        ProblemKind::Unavailable => "Not available just now",
        ProblemKind::Internal => "Something went wrong",
    }
}

/// What is not there: a route, a method of a route (as API Gateway's HTTP APIs answer), an id.
#[must_use]
pub fn no_such_route() -> Problem {
    Problem::new(ProblemKind::NotFound, "not_found", "There is nothing at this address.").fix(
        "Check the method and the path.",
        "the request",
        false,
    )
}

/// The body is over the limit.
#[must_use]
pub fn too_large() -> Problem {
    Problem::new(ProblemKind::TooLarge, "too_large", "A request has at most 1 MB.").fix("Send less at once.", "the request", false)
}

/// A body is of another media type than the route reads.
#[must_use]
pub fn wrong_content_type(expected: &'static str) -> Problem {
    Problem::invalid(vec![Issue::new("", "content_type", format!("This route reads {expected}: say so in Content-Type."))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use coportal_core::failure::Question;
    use coportal_core::id::HoldId;
    use http_body_util::BodyExt;
    use serde_json::Value;

    async fn shown(refusal: &Refusal) -> (StatusCode, HeaderMap, Value) {
        let (parts, body) = refusal.render(Some("req-1")).into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
    }

    const KINDS: [ProblemKind; 11] = [
        ProblemKind::Unauthenticated,
        ProblemKind::Forbidden,
        ProblemKind::NotFound,
        ProblemKind::Conflict,
        ProblemKind::Stale,
        ProblemKind::PreconditionRequired,
        ProblemKind::Invalid,
        ProblemKind::TooLarge,
        ProblemKind::Limited,
        ProblemKind::Unavailable,
        ProblemKind::Internal,
    ];

    #[tokio::test]
    async fn each_kind_has_one_shape() {
        let mut all = Vec::new();
        for kind in KINDS {
            let problem = Problem::new(kind, "some_code", "A sentence.")
                .fix("Do this.", "there", true)
                .issues(vec![Issue::new("/name", "required", "A name is needed.")])
                .because("only the log reads this");
            all.push(shown(&Refusal::new(problem)).await.2);
        }
        insta::assert_json_snapshot!("problem_kinds", all);
    }

    #[tokio::test]
    async fn the_internal_half_never_reaches_an_answer() {
        for kind in KINDS {
            let (_, headers, body) = shown(&Refusal::new(Problem::new(kind, "c", "d").because("canary-internal"))).await;
            assert!(!format!("{headers:?}{body}").contains("canary"));
        }
    }

    #[tokio::test]
    async fn a_hold_is_a_422_whose_code_is_the_question() {
        let hold = Hold {
            id: HoldId::new(uuid::Uuid::from_u128(1)),
            question: Question::ChooseAccount,
            detail: "Which account do sales go to?".to_owned(),
            choices: vec![Choice::new("200", "200 Sales")],
            inputs_hash: "h".to_owned(),
            since: "2026-03-01T09:00:00Z".parse().unwrap(),
        };
        let (status, headers, body) = shown(&Refusal::held(&hold)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        insta::assert_json_snapshot!("problem_hold", body);
    }

    #[tokio::test]
    async fn retry_after_is_in_whole_seconds_and_never_zero() {
        for (wait, header) in
            [(SignedDuration::from_millis(1), "1"), (SignedDuration::from_millis(1_001), "2"), (SignedDuration::ZERO, "1")]
        {
            let refusal = Refusal::new(Problem::new(ProblemKind::Limited, "limited", "Slow down.")).retry_after(wait);
            assert_eq!(shown(&refusal).await.1[RETRY_AFTER], header);
        }
    }
}
