//! What the local gateway adds under `/__local`. None of it is part of a function, so none of it can be deployed (design decision 17).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{FromRef, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use coportal_aws::keys::{self, Index};
use coportal_aws::store::{Item, Kind, Range};
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::problem::{Issue, Problem, ProblemKind};
use coportal_core::workspace::Plan;
use coportal_lambda::authn::token::{KeySource, Verifier};
use coportal_lambda::authn::{Invocation, SESSION_COOKIE, new_session};
use coportal_lambda::config::Issuer;
use coportal_lambda::extract::{JsonBody, PathIds, QueryOf};
use coportal_lambda::problem::{Answer, Refusal};
use coportal_lambda::shell::Shell;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION, SET_COOKIE};
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::RunError;
use super::keeper::Keeper;
use super::ledgers::SimulatedLedger;
use super::people::{NewWorkspace, OpenedWorkspace, Stated, user_id};
use super::seed::DemoWorkspace;
use crate::assembly::LocalCloud;
use crate::dns::Dns;
use crate::gateway::Gateway;
use crate::issuer::JWKS_PATH;
use crate::mailbox::Mail;
use crate::pumps::{Pumps, Work};

/// Below this path nothing reaches the gateway.
pub(super) const PREFIX: &str = "/__local";
/// Where a sign-in ends.
const AFTER_SIGN_IN: &str = "/settings/integrations";
/// The clock is moved by at most this much at once: ten years.
const FARTHEST: i64 = 10 * 366 * 24 * 60 * 60;

/// Queues are waited for at most this long; a worker has three minutes for a message.
const IDLE_WITHIN: Duration = Duration::from_secs(240);

/// What the local routes work with. Clones share it.
#[derive(Clone)]
pub(super) struct Local(Arc<Inner>);

struct Inner {
    parts: Parts,
    verifier: Verifier,
    demo: OnceLock<Option<DemoWorkspace>>,
}

/// What [`Local`] is made of.
pub(super) struct Parts {
    pub(super) origin: String,
    pub(super) aws_endpoint: String,
    pub(super) ledgers: Vec<SimulatedLedger>,
    /// `aud` of a member's tokens.
    pub(super) audience: String,
    pub(super) cloud: LocalCloud,
    pub(super) gateway: Gateway,
    pub(super) keeper: Option<Keeper>,
    pub(super) pumps: Arc<Pumps>,
    /// Customers' identity providers.
    pub(super) providers_origin: String,
    /// The name server.
    pub(super) dns: Dns,
    pub(super) shell: Shell,
    pub(super) keys: Arc<dyn KeySource>,
}

impl FromRef<Local> for Shell {
    fn from_ref(local: &Local) -> Self {
        local.parts().shell.clone()
    }
}

impl Local {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When the origin is not an address.
    pub(super) fn new(parts: Parts) -> Result<Self, RunError> {
        let jwks = format!("{}{JWKS_PATH}", parts.origin).parse().map_err(|_| RunError::Stop(parts.origin.clone()))?;
        let issuer = Issuer { issuer: parts.cloud.issuer.iss().to_owned(), jwks };
        let verifier = Verifier::new(&[issuer], &parts.audience, Arc::clone(&parts.keys));
        Ok(Self(Arc::new(Inner { parts, verifier, demo: OnceLock::new() })))
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    pub(super) fn set_demo(&self, demo: Option<DemoWorkspace>) {
        // Set once, by the start; a second time changes nothing.
        let _ = self.0.demo.set(demo);
    }

    fn demo(&self) -> Option<&DemoWorkspace> {
        self.0.demo.get().and_then(Option::as_ref)
    }

    /// The routes, with the same shell around them as every function has.
    pub(super) fn router(&self) -> Router {
        let routes = Router::new()
            .route(PREFIX, get(overview))
            .route("/__local/sign-in", get(sign_in))
            .route("/__local/demo/token", get(demo_token))
            .route("/__local/workspaces", post(open_workspace))
            .route("/__local/workspaces/{id}", put(change_plan))
            .route("/__local/mailbox", get(mailbox))
            .route("/__local/clock", get(clock).post(advance))
            .route("/__local/queue", get(queue))
            .route("/__local/idle", post(idle))
            .route("/__local/dns", put(dns))
            .with_state(self.clone())
            .merge(self.parts().cloud.issuer.router());
        self.parts().shell.serve(routes).layer(from_fn(only_this_machine))
    }
}

/// A page of another site can make a browser ask 127.0.0.1 under that site's own name (DNS rebinding); these routes hand out sessions.
async fn only_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let named = host.and_then(|host| host.parse::<Uri>().ok()).and_then(|uri| uri.host().map(str::to_owned));
    if named.is_some_and(|name| matches!(name.as_str(), "127.0.0.1" | "localhost")) {
        return next.run(request).await;
    }
    let problem = Problem::new(ProblemKind::Forbidden, "other_host", "The local routes answer under 127.0.0.1 and localhost only.");
    Refusal::new(problem.fix("Use the address that was printed at the start.", "the terminal", false)).into_response()
}

/// What went wrong behind a local route is for whoever started the process; it carries no secret.
fn failed(error: &RunError) -> Refusal {
    Refusal::new(Problem::internal_error(error))
}

#[derive(Serialize)]
struct Overview<'a> {
    api: &'a str,
    aws_endpoint: &'a str,
    simulators: BTreeMap<String, String>,
    identity_providers: &'a str,
    mailbox: String,
    now: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    demo: Option<Value>,
}

async fn overview(State(local): State<Local>) -> Response {
    let parts = local.parts();
    let demo = local.demo().map(|demo| {
        json!({"workspace_id": demo.workspace_id, "client_id": demo.client_id, "invoice_id": demo.invoice_id, "token": format!("{}/__local/demo/token", parts.origin)})
    });
    Json(Overview {
        api: &parts.origin,
        aws_endpoint: &parts.aws_endpoint,
        simulators: parts.ledgers.iter().map(|ledger| (ledger.ledger.slug().replace('-', "_"), ledger.origin.clone())).collect(),
        identity_providers: &parts.providers_origin,
        mailbox: format!("{}/__local/mailbox", parts.origin),
        now: parts.cloud.clock.now(),
        demo,
    })
    .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInQuery {
    token: String,
}

/// Turns the printed link, or a member's bearer token, into a session cookie.
async fn sign_in(
    State(local): State<Local>,
    Invocation(ctx): Invocation,
    QueryOf(SignInQuery { token }): QueryOf<SignInQuery>,
) -> Answer<Response> {
    let (user, workspace): (UserId, WorkspaceId) = match local.demo().filter(|demo| demo.sign_in == token) {
        Some(demo) => {
            let owner = user_id("owner", demo.workspace_id).parse().map_err(Problem::internal_error)?;
            (owner, demo.workspace_id)
        }
        None => {
            let member = local.0.verifier.member(&token, ctx.now()).await?;
            (member.user, member.workspace)
        }
    };
    let (cookie, session) = new_session(&ctx, user, workspace, "local");
    local.parts().shell.store().put_session(&ctx, cookie.expose(), &session).await.map_err(Problem::from)?;
    let line = format!("{SESSION_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie.expose());
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(SET_COOKIE, HeaderValue::from_str(&line).map_err(Problem::internal_error)?);
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(AFTER_SIGN_IN));
    Ok(response)
}

/// The bearer token of the demo workspace's owner, as plain text for a shell.
async fn demo_token(State(local): State<Local>) -> Answer<Response> {
    let demo = local.demo().ok_or_else(|| Problem::not_found("demo workspace"))?;
    let token = local.member_token(demo.workspace_id, "owner").map_err(|error| failed(&error))?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], token).into_response())
}

fn stated(outcome: Stated, status: StatusCode) -> Response {
    match outcome {
        Stated::Opened(opened) => (status, Json::<OpenedWorkspace>(opened)).into_response(),
        Stated::Refused(answer) => answer.map(axum::body::Body::from),
    }
}

async fn open_workspace(State(local): State<Local>, body: JsonBody<NewWorkspace>) -> Answer<Response> {
    let outcome = local.open_workspace(&body.value).await.map_err(|error| failed(&error))?;
    Ok(stated(outcome, StatusCode::CREATED))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanRequest {
    plan: Plan,
}

async fn change_plan(State(local): State<Local>, PathIds(id): PathIds<WorkspaceId>, body: JsonBody<PlanRequest>) -> Answer<Response> {
    let outcome = local.change_plan(id, body.value.plan).await.map_err(|error| failed(&error))?;
    let outcome = outcome.ok_or_else(|| Problem::not_found("workspace"))?;
    Ok(stated(outcome, StatusCode::OK))
}

async fn mailbox(State(local): State<Local>) -> Json<Vec<Mail>> {
    Json(local.parts().cloud.mailbox.mails())
}

#[derive(Serialize)]
struct Now {
    now: Timestamp,
}

async fn clock(State(local): State<Local>) -> Json<Now> {
    Json(Now { now: local.parts().cloud.clock.now() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

/// Moves everything together and runs what became due by it before it answers; what that sends is worked on as always.
async fn advance(State(local): State<Local>, body: JsonBody<Advance>) -> Answer<Json<Now>> {
    let seconds = body.value.advance_seconds;
    if !(0..=FARTHEST).contains(&seconds) {
        let issue = Issue::new("/advance_seconds", "range", "The clock moves forward, by ten years at most.");
        return Err(Problem::invalid(vec![issue]).into());
    }
    let parts = local.parts();
    parts.cloud.clock.advance(SignedDuration::from_secs(seconds));
    for SimulatedLedger { ledger, simulator, .. } in &parts.ledgers {
        simulator.settle();
        if let Some(keeper) = &parts.keeper {
            keeper.save(*ledger, &**simulator).map_err(|error| failed(&error))?;
        }
    }
    parts.pumps.run_due().await;
    Ok(Json(Now { now: parts.cloud.clock.now() }))
}

async fn queue(State(local): State<Local>) -> Json<Work> {
    Json(local.parts().pumps.work())
}

/// What is left when everything that can run has run: rows that wait for a time, a limit or a person are not waited for, but counted.
#[derive(Serialize)]
struct IdleView {
    #[serde(flatten)]
    work: Work,
    parked: usize,
}

async fn idle(State(local): State<Local>) -> Answer<Json<IdleView>> {
    let parts = local.parts();
    if !parts.pumps.idle(IDLE_WITHIN).await {
        let problem = Problem::new(ProblemKind::Unavailable, "still_busy", "Messages are still being worked on.");
        return Err(problem.fix("Ask again.", "the terminal", true).into());
    }
    let store = parts.shell.store();
    let mut parked = 0;
    for shard in 0..keys::SHARDS {
        let due = store.query_index(Index::Due, &keys::due_pk(shard), &Range::default()).await.map_err(Problem::from)?;
        let is_sync = |item: &&Item| item.get("kind").and_then(|kind| kind.as_s().ok()).is_some_and(|kind| kind == Kind::SyncRow.as_str());
        parked += due.items.iter().filter(is_sync).count();
    }
    Ok(Json(IdleView { work: parts.pumps.work(), parked }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DnsRecord {
    name: String,
    txt: Vec<String>,
}

/// Puts the TXT records of a name into the name server; an empty list takes them away.
async fn dns(State(local): State<Local>, body: JsonBody<DnsRecord>) -> Answer<Response> {
    let DnsRecord { name, txt } = body.value;
    // One answer fits one packet.
    if txt.iter().map(String::len).sum::<usize>() > 900 || txt.len() > 20 {
        let issue = Issue::new("/txt", "length", "A name has at most 20 records of together 900 bytes here.");
        return Err(Problem::invalid(vec![issue]).into());
    }
    local.parts().dns.put(&name, txt);
    Ok(StatusCode::NO_CONTENT.into_response())
}
