//! The forms of the page: each does one use case and goes back to it (303); what is wrong with a field stands beside it.

use axum::extract::State;
use axum::response::Response;
use coportal_core::id::{ApprovalId, DomainId, SsoConnectionId};
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_lambda::authn::{AdminForm, Invocation, Principal};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::Refusal;
use coportal_lambda::telemetry::Note;
use coportal_sign_in::{ApprovalAnswer, AskDomain, EnforceRequest, HeldAnswer, Wanted};
use http::HeaderMap;
use serde::Deserialize;

use super::connection::Fields;
use super::frame::{PAGE, see_other, shown};
use super::page::{Refused, again, codes};
use crate::{AppState, cookies};

fn done(did: &str, anchor: &str) -> Outcome<Response> {
    see_other(&format!("{PAGE}?did={did}#{anchor}"))
}

/// What a person can mend comes back as the page; anything else stands in its place.
async fn or_again(
    state: &AppState,
    ctx: &coportal_core::ctx::Ctx,
    principal: &Principal,
    problem: Problem,
    refused: impl FnOnce(Problem) -> Refused,
) -> Result<Response, Refusal> {
    match problem.kind {
        ProblemKind::Invalid | ProblemKind::Conflict => Ok(again(state, ctx, principal, &refused(problem)).await?),
        ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::NotFound
        | ProblemKind::Stale
        | ProblemKind::PreconditionRequired
        | ProblemKind::TooLarge
        | ProblemKind::Limited
        | ProblemKind::Unavailable
        | ProblemKind::Internal => Err(problem.into()),
    }
}

/// A domain to ask for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainFields {
    domain: String,
}

/// `POST /settings/sso/domains`.
pub(crate) async fn ask_domain(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    form: Result<AdminForm<DomainFields>, Refusal>,
) -> Response {
    let run = async {
        let AdminForm { principal, form } = form?;
        let asked = AskDomain { domain: form.domain.clone(), connection_id: None };
        match state.sign_in.ask_domain(&ctx, &principal.workspace, principal.actor(), &asked).await {
            Ok(view) => Ok(done(if view.status == "verified" { "verified" } else { "asked" }, &view.id.to_string())?),
            Err(problem) => or_again(&state, &ctx, &principal, problem, |problem| Refused::Domain(form.domain, problem)).await,
        }
    };
    shown(run.await)
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {}

type Pressed = Result<AdminForm<Press>, Refusal>;

/// `POST /settings/sso/domains/{id}/verify`: looks for the record now.
pub(crate) async fn verify_domain(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Result<PathIds<DomainId>, Refusal>,
    form: Pressed,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, PathIds(id)) = (form?, path?);
        match state.sign_in.verify_domain(&ctx, &principal.workspace, principal.actor(), id).await {
            Ok(view) => {
                note.outcome(view.status);
                Ok(done(if view.status == "verified" { "verified" } else { "pending" }, &id.to_string())?)
            }
            Err(problem) => or_again(&state, &ctx, &principal, problem, Refused::Other).await,
        }
    };
    shown(run.await)
}

/// `POST /settings/sso/domains/{id}/release`.
pub(crate) async fn release_domain(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<DomainId>, Refusal>,
    form: Pressed,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, PathIds(id)) = (form?, path?);
        state.sign_in.release_domain(&ctx, &principal.workspace, principal.actor(), id).await?;
        Ok(done("released", "domains")?)
    };
    shown(run.await)
}

/// `POST /settings/sso/connections` (R105).
pub(crate) async fn connect(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    form: Result<AdminForm<Fields>, Refusal>,
) -> Response {
    let run = async {
        let AdminForm { principal, form } = form?;
        let made = match form.request() {
            Ok(request) => state.sign_in.create_connection(&ctx, &principal.workspace, &principal.user, &request).await,
            Err(problem) => Err(problem),
        };
        match made {
            Ok(view) => Ok(done("connected", &view.id.to_string())?),
            Err(problem) => or_again(&state, &ctx, &principal, problem, |problem| Refused::Connection(form, problem)).await,
        }
    };
    shown(run.await)
}

/// `POST /settings/sso/connections/{id}/test`: out to the provider, bound to this browser. How it went stands on the connection.
pub(crate) async fn test(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Result<PathIds<SsoConnectionId>, Refusal>,
    headers: HeaderMap,
    form: Pressed,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, PathIds(id)) = (form?, path?);
        let browser = cookies::browser(&headers);
        let begun = state.sign_in.test_connection(&ctx, &principal.workspace, &principal.user, id, browser).await?;
        note.outcome("begun");
        let mut response = see_other(&begun.location)?;
        cookies::bind(response.headers_mut(), &begun.browser)?;
        Ok(response)
    };
    shown(run.await)
}

/// How strict, and what has to be said with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnforceFields {
    enforcement: Wanted,
    #[serde(default)]
    break_glass_email: String,
    #[serde(default)]
    confirm: Option<String>,
}

/// `POST /settings/sso/connections/{id}/enforce` (C24).
pub(crate) async fn enforce(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<SsoConnectionId>, Refusal>,
    form: Result<AdminForm<EnforceFields>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, form }, PathIds(id)) = (form?, path?);
        let EnforceFields { enforcement, break_glass_email, confirm } = form;
        if enforcement == Wanted::Require && confirm.as_deref() != Some("yes") {
            let issue = Issue::new("/confirm", "required", "Tick that you have read what requiring it means, then save again.");
            let problem = Problem::invalid(vec![issue]);
            return or_again(&state, &ctx, &principal, problem, Refused::Other).await;
        }
        let email = Some(break_glass_email.trim().to_owned()).filter(|email| !email.is_empty());
        let request = EnforceRequest { enforcement, break_glass_email: email };
        match state.sign_in.enforce(&ctx, &principal.workspace, &principal.user, principal.role, id, &request).await {
            Ok(enforced) => match &enforced.break_glass {
                Some(issued) => Ok(codes(&principal, issued, Some("Sign-in through your provider is required from now on"))),
                None => Ok(done("enforced", &id.to_string())?),
            },
            Err(problem) => or_again(&state, &ctx, &principal, problem, Refused::Other).await,
        }
    };
    shown(run.await)
}

/// `POST /settings/sso/connections/{id}/remove`.
pub(crate) async fn remove(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<SsoConnectionId>, Refusal>,
    form: Pressed,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, PathIds(id)) = (form?, path?);
        match state.sign_in.delete_connection(&ctx, &principal.workspace, &principal.user, id).await {
            Ok(()) => Ok(done("removed", "provider")?),
            Err(problem) => or_again(&state, &ctx, &principal, problem, Refused::Other).await,
        }
    };
    shown(run.await)
}

/// Yes or no.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    accept: bool,
}

/// `POST /settings/sso/connections/{id}/metadata`: an answer to metadata that waits for one.
pub(crate) async fn metadata(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<SsoConnectionId>, Refusal>,
    form: Result<AdminForm<Verdict>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, form }, PathIds(id)) = (form?, path?);
        let answer = HeldAnswer { accept: form.accept };
        match state.sign_in.answer_held(&ctx, &principal.workspace, &principal.user, id, answer).await {
            Ok(_) => Ok(done("metadata", &id.to_string())?),
            Err(problem) => or_again(&state, &ctx, &principal, problem, Refused::Other).await,
        }
    };
    shown(run.await)
}

/// `POST /settings/sso/approvals/{id}`.
pub(crate) async fn approve(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<ApprovalId>, Refusal>,
    form: Result<AdminForm<Verdict>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, form }, PathIds(id)) = (form?, path?);
        let by = (&principal.user, principal.role);
        let answer = ApprovalAnswer { accept: form.accept };
        state.sign_in.answer_approval(&ctx, &principal.workspace, by, id, answer).await?;
        Ok(done(if form.accept { "approved" } else { "rejected" }, "approvals")?)
    };
    shown(run.await)
}

/// The address by which an owner will use the codes; the known one where empty.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodesFields {
    #[serde(default)]
    email: String,
}

/// `POST /settings/sso/break-glass`: a fresh set, in the answer itself, since it is shown once and stored nowhere.
pub(crate) async fn issue_codes(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    form: Result<AdminForm<CodesFields>, Refusal>,
) -> Response {
    let run = async {
        let AdminForm { principal, form } = form?;
        let email = Some(form.email.trim()).filter(|email| !email.is_empty());
        match state.sign_in.issue_codes(&ctx, &principal.workspace, &principal.user, principal.role, email).await {
            Ok(issued) => Ok(codes(&principal, &issued, None)),
            Err(problem) => or_again(&state, &ctx, &principal, problem, Refused::Other).await,
        }
    };
    shown(run.await)
}
