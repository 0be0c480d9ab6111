//! The list, and the two ends of connecting that a session or token may call.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Problem, ProblemKind};
use coportal_engine::connect::{CallbackEnd, IntegrationView, ReturnPath};
use coportal_lambda::authn::{Admin, Invocation, Member};
use coportal_lambda::extract::{OptionalJsonBody, PageView, PathIds};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::AppState;

/// `GET /v1/integrations`.
pub(crate) async fn list(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
) -> Answer<Json<PageView<IntegrationView>>> {
    let items = state.engine.integrations(&ctx, &principal.workspace, &principal.user).await?;
    Ok(Json(PageView { items, next_cursor: None }))
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectRequest {
    #[serde(default)]
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 512, pattern = "^(/[A-Za-z0-9_~=&-]+)+/?(\\?[A-Za-z0-9/_.~=&%-]*)?$", example = "/settings/integrations")
    )]
    return_to: Option<String>,
}

/// No `Debug`: the address carries the state.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct ConnectView {
    authorize_url: String,
    expires_at: Timestamp,
}

/// `POST /v1/integrations/{ledger}/connect`.
pub(crate) async fn connect(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    OptionalJsonBody(body): OptionalJsonBody<ConnectRequest>,
) -> Answer<Response> {
    note.ledger(ledger);
    let return_to = ReturnPath::or_settings(body.value.return_to.as_deref())?;
    let start = state.engine.begin_connect(&ctx, &principal.workspace, &principal.user, ledger, return_to).await?;
    let view = ConnectView { authorize_url: start.authorize_url.to_string(), expires_at: start.expires_at };
    let mut response = Json(view).into_response();
    let headers = response.headers_mut();
    headers.insert(SET_COOKIE, HeaderValue::from_str(&start.cookie()).map_err(Problem::internal_error)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `POST /v1/integrations/{ledger}/connect/confirm`: answers the integration as it stands then.
pub(crate) async fn confirm(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
) -> Answer<Json<IntegrationView>> {
    note.ledger(ledger);
    let end = state.engine.confirm(&ctx, &principal.workspace, &principal.user, ledger).await?;
    if let CallbackEnd::Failed { error, .. } = end {
        return Err(Problem::new(ProblemKind::Conflict, error.code(), "The confirmed sign-in did not lead to a connection.")
            .fix(format!("Connect {} again.", ledger.label()), "Settings -> Integrations", false)
            .into());
    }
    let views = state.engine.integrations(&ctx, &principal.workspace, &principal.user).await?;
    let view =
        views.into_iter().find(|view| view.ledger == ledger).ok_or_else(|| Problem::internal_error("a ledger is missing from the list"))?;
    Ok(Json(view))
}
