//! Setting single sign-on up: connections, domains, enforcement.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_core::id::{ApprovalId, DomainId, SsoConnectionId};
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{JsonBody, OptionalJsonBody, PageView, PathIds};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use coportal_sign_in::{
    Answered, ApprovalAnswer, ApprovalView, AskDomain, ConnectionView, CreateConnection, DomainView, EnforceRequest, Enforced, HeldAnswer,
    IssuedCodes,
};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{AppState, cookies};

/// `GET /v1/sso/connections`.
pub(crate) async fn connections(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
) -> Answer<Json<PageView<ConnectionView>>> {
    let items = state.sign_in.connections(&ctx, &principal.workspace).await?;
    Ok(Json(PageView { items, next_cursor: None }))
}

/// `POST /v1/sso/connections`.
pub(crate) async fn create_connection(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    body: JsonBody<CreateConnection>,
) -> Answer<Response> {
    let view = state.sign_in.create_connection(&ctx, &principal.workspace, &principal.user, &body.value).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/v1/sso/connections/{}", view.id))], Json(view)).into_response())
}

/// `GET /v1/sso/connections/{id}`.
pub(crate) async fn connection(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(id): PathIds<SsoConnectionId>,
) -> Answer<Json<ConnectionView>> {
    Ok(Json(state.sign_in.connection(&ctx, &principal.workspace, id).await?))
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct Removed {
    removed: bool,
}

/// `DELETE /v1/sso/connections/{id}`.
pub(crate) async fn delete_connection(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(id): PathIds<SsoConnectionId>,
) -> Answer<Response> {
    state.sign_in.delete_connection(&ctx, &principal.workspace, &principal.user, id).await?;
    Ok(Json(Removed { removed: true }).into_response())
}

/// No `Debug`: the address carries the state.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct TestStarted {
    start_url: String,
}

/// `POST /v1/sso/connections/{id}/test`: where to sign in for a test, bound to this browser. How it went stands on the connection.
pub(crate) async fn test(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(id): PathIds<SsoConnectionId>,
    headers: HeaderMap,
) -> Answer<Response> {
    let browser = cookies::browser(&headers);
    let begun = state.sign_in.test_connection(&ctx, &principal.workspace, &principal.user, id, browser).await?;
    note.outcome("begun");
    let mut response = Json(TestStarted { start_url: begun.location }).into_response();
    cookies::bind(response.headers_mut(), &begun.browser)?;
    Ok(response)
}

/// `POST /v1/sso/connections/{id}/enforce`.
pub(crate) async fn enforce(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(id): PathIds<SsoConnectionId>,
    body: JsonBody<EnforceRequest>,
) -> Answer<Json<Enforced>> {
    let enforced = state.sign_in.enforce(&ctx, &principal.workspace, &principal.user, principal.role, id, &body.value).await?;
    Ok(Json(enforced))
}

/// `POST /v1/sso/connections/{id}/metadata`: an answer to metadata that waits for one.
pub(crate) async fn answer_held(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(id): PathIds<SsoConnectionId>,
    body: JsonBody<HeldAnswer>,
) -> Answer<Json<ConnectionView>> {
    Ok(Json(state.sign_in.answer_held(&ctx, &principal.workspace, &principal.user, id, body.value).await?))
}

#[derive(Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct CodesRequest {
    #[serde(default)]
    email: Option<String>,
}

/// `POST /v1/sso/break-glass/codes`: a fresh set for the owner who asks.
pub(crate) async fn issue_codes(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    OptionalJsonBody(body): OptionalJsonBody<CodesRequest>,
) -> Answer<Json<IssuedCodes>> {
    let email = body.value.email.as_deref();
    Ok(Json(state.sign_in.issue_codes(&ctx, &principal.workspace, &principal.user, principal.role, email).await?))
}

/// `GET /v1/sso/approvals`: sign-ins that wait for an admin.
pub(crate) async fn approvals(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
) -> Answer<Json<PageView<ApprovalView>>> {
    let items = state.sign_in.approvals(&ctx, &principal.workspace).await?;
    Ok(Json(PageView { items, next_cursor: None }))
}

/// `POST /v1/sso/approvals/{id}`: yes or no.
pub(crate) async fn answer_approval(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(id): PathIds<ApprovalId>,
    body: JsonBody<ApprovalAnswer>,
) -> Answer<Json<Answered>> {
    let by = (&principal.user, principal.role);
    Ok(Json(state.sign_in.answer_approval(&ctx, &principal.workspace, by, id, body.value).await?))
}

/// `GET /v1/sso/domains`.
pub(crate) async fn domains(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
) -> Answer<Json<PageView<DomainView>>> {
    let items = state.sign_in.domains(&ctx, &principal.workspace).await?;
    Ok(Json(PageView { items, next_cursor: None }))
}

/// `POST /v1/sso/domains`.
pub(crate) async fn ask_domain(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    body: JsonBody<AskDomain>,
) -> Answer<Response> {
    let view = state.sign_in.ask_domain(&ctx, &principal.workspace, principal.actor(), &body.value).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/v1/sso/domains/{}", view.id))], Json(view)).into_response())
}

/// `GET /v1/sso/domains/{id}`.
pub(crate) async fn domain(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(id): PathIds<DomainId>,
) -> Answer<Json<DomainView>> {
    Ok(Json(state.sign_in.domain(&ctx, &principal.workspace, id).await?))
}

/// `POST /v1/sso/domains/{id}/verify`: looks for the record now; "not yet" is 200 too.
pub(crate) async fn verify_domain(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(id): PathIds<DomainId>,
) -> Answer<Json<DomainView>> {
    let view = state.sign_in.verify_domain(&ctx, &principal.workspace, principal.actor(), id).await?;
    note.outcome(view.status);
    Ok(Json(view))
}

/// `DELETE /v1/sso/domains/{id}`.
pub(crate) async fn release_domain(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(id): PathIds<DomainId>,
) -> Answer<Response> {
    state.sign_in.release_domain(&ctx, &principal.workspace, principal.actor(), id).await?;
    Ok(Json(Removed { removed: true }).into_response())
}
