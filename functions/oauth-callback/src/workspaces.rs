//! What CoPortal's own backend states: workspaces and their members, by a service token.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::timeline::Actor;
use coportal_engine::connect::{MemberRequest, Stated, WorkspaceRequest};
use coportal_lambda::authn::{Invocation, Service};
use coportal_lambda::extract::{JsonBody, PathIds};
use coportal_lambda::problem::Answer;
use http::StatusCode;
use http::header::LOCATION;
use serde::Serialize;

use crate::AppState;

fn answered(stated: Stated, location: String, view: &impl Serialize) -> Response {
    match stated {
        Stated::Created => (StatusCode::CREATED, [(LOCATION, location)], Json(view)).into_response(),
        Stated::Changed => Json(view).into_response(),
    }
}

/// `PUT /v1/workspaces/{id}`.
pub(crate) async fn put_workspace(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    _: Service,
    PathIds(id): PathIds<WorkspaceId>,
    body: JsonBody<WorkspaceRequest>,
) -> Answer<Response> {
    let (stated, workspace) = state.engine.put_workspace(&ctx, Actor::Service, id, body.value).await?;
    Ok(answered(stated, format!("/v1/workspaces/{id}"), &workspace))
}

/// `PUT /v1/workspaces/{id}/members/{user}`.
pub(crate) async fn put_member(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    _: Service,
    PathIds((id, user)): PathIds<(WorkspaceId, UserId)>,
    body: JsonBody<MemberRequest>,
) -> Answer<Response> {
    let location = format!("/v1/workspaces/{id}/members/{user}");
    let (stated, member) = state.engine.put_member(&ctx, Actor::Service, id, user, body.value).await?;
    Ok(answered(stated, location, &member))
}
