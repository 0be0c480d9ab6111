//! What every HTTP function stands on, and the layer around its routes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use coportal_aws::store::Store;
use coportal_core::ctx::{Clock, Ctx, Random};
use coportal_core::problem::Problem;
use futures_util::FutureExt;
use http::Method;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use jiff::SignedDuration;
use lambda_http::RequestExt;
use tokio::time::Instant;
use url::{Origin, Url};

use crate::authn::token::Verifier;
use crate::extract::BODY_LIMIT;
use crate::problem::{Refusal, no_such_route};
use crate::telemetry::{Finished, Note, Telemetry};

/// An HTTP function answers within this time or hands the work to the queue (design decision 14).
pub const HTTP_BUDGET: SignedDuration = SignedDuration::from_secs(24);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// Clock, chance, records, door and voice of a function. Clones share everything.
#[derive(Clone)]
pub struct Shell(Arc<Parts>);

/// What a [`Shell`] is made of.
pub struct Parts {
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// Where unguessable bytes come from.
    pub random: Arc<dyn Random>,
    /// The records.
    pub store: Store,
    /// Checks bearer tokens.
    pub verifier: Verifier,
    /// The API's own origin.
    pub public_url: Url,
    /// The function's voice.
    pub telemetry: Telemetry,
}

impl Shell {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// A context for one invocation, with the time that an HTTP function has.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Arc::clone(&self.0.clock), Arc::clone(&self.0.random), HTTP_BUDGET)
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The API's own origin, as a URL with an empty path.
    #[must_use]
    pub fn public_url(&self) -> &Url {
        &self.0.public_url
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// Whether an `Origin` is that of our own pages.
    #[must_use]
    pub fn is_own_origin(&self, origin: &str) -> bool {
        let own = self.0.public_url.origin();
        // A browser writes an origin in one way only (HTML, "ASCII serialisation of an origin"); what reads alike is no browser's.
        matches!(own, Origin::Tuple(..)) && own.ascii_serialization() == origin
    }

    /// Wraps a function's routes: what is not there is 404 (another method included), bodies have a limit, a panic is an answer, and
    /// each request leaves one line.
    pub fn serve(&self, routes: Router) -> Router {
        let nothing = || async { Refusal::new(no_such_route()) };
        routes
            .fallback(nothing)
            .method_not_allowed_fallback(nothing)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn_with_state(self.clone(), around))
    }
}

async fn around(State(shell): State<Shell>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let ctx = shell.ctx();
    let note = Note::default();
    let invocation = request.lambda_context_ref();
    let trace = invocation.and_then(|context| context.xray_trace_id.clone());
    let request_id = invocation.map(|context| context.request_id.clone()).filter(|id| !id.is_empty());
    let request_id = request_id.unwrap_or_else(|| ctx.uuid().to_string());
    let route = route_key(&request);
    request.extensions_mut().insert(ctx.clone());
    request.extensions_mut().insert(note.clone());

    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| Refusal::new(Problem::internal_error("the handler panicked")).into_response());

    let refusal = response.extensions_mut().remove::<Refusal>();
    if let Some(refusal) = &refusal {
        response = refusal.render(Some(&request_id));
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(NO_SNIFF).or_insert(HeaderValue::from_static("nosniff"));

    let problem = refusal.as_ref().map(Refusal::problem);
    let finished = Finished {
        at: ctx.now(),
        route: &route,
        status: response.status().as_u16(),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        request_id: &request_id,
        trace_id: trace.as_deref(),
        problem_code: problem.map(|problem| problem.code.as_ref()),
        internal: problem.and_then(Problem::internal),
    };
    shell.0.telemetry.finish(&finished, &note);
    response
}

/// `GET /v1/clients/{id}`: never the path itself. A request that no route took is `$default`, as API Gateway calls it.
fn route_key(request: &Request) -> String {
    let method = match *request.method() {
        Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::HEAD | Method::OPTIONS => {
            request.method().as_str()
        }
        _ => "OTHER",
    };
    match request.extensions().get::<MatchedPath>() {
        Some(path) => format!("{method} {}", path.as_str()),
        None => "$default".to_owned(),
    }
}

#[cfg(test)]
mod tests;
