//! The handlers.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use coportal_core::id::PreviewId;
use coportal_core::ledger::Ledger;
use coportal_engine::import::{ImportAnswer, ImportRequest, PreviewView};
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{EmptyRequest, JsonBody, OptionalJsonBody, PathIds, QueryOf};
use coportal_lambda::idempotency::{self, IdempotencyKey, Reply, Request};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use http::StatusCode;
use serde::Deserialize;

use crate::AppState;

fn accepted(ledger: Ledger, view: &PreviewView) -> Answer<Reply> {
    let location = format!("/v1/integrations/{ledger}/import/previews/{}", view.id);
    Ok(Reply::new(StatusCode::ACCEPTED, Some(location), view)?)
}

/// `POST /v1/integrations/{ledger}/import/preview`: begins to read; 202. It takes nothing: what is previewed is the whole list.
pub(crate) async fn preview(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    key: IdempotencyKey,
    OptionalJsonBody(body): OptionalJsonBody<EmptyRequest>,
) -> Answer<Response> {
    note.ledger(ledger);
    let route = format!("POST /v1/integrations/{ledger}/import/preview");
    let work = async {
        let view = state.engine.begin_preview(&ctx, &principal.workspace, principal.actor(), ledger, false).await?;
        accepted(ledger, &view)
    };
    idempotency::once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &body.bytes), work).await
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RowsQuery {
    #[serde(default)]
    cursor: Option<String>,
}

/// `GET /v1/integrations/{ledger}/import/previews/{id}?cursor=`.
pub(crate) async fn read(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds((ledger, id)): PathIds<(Ledger, PreviewId)>,
    QueryOf(RowsQuery { cursor }): QueryOf<RowsQuery>,
) -> Answer<Json<PreviewView>> {
    note.ledger(ledger);
    Ok(Json(state.engine.preview(&ctx, &principal.workspace, ledger, id, cursor.as_deref()).await?))
}

/// `POST /v1/integrations/{ledger}/import`: 200 with the result, or 202 with the preview, on which the result will stand.
pub(crate) async fn import(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    key: IdempotencyKey,
    body: JsonBody<ImportRequest>,
) -> Answer<Response> {
    note.ledger(ledger);
    let JsonBody { value, bytes } = body;
    let route = format!("POST /v1/integrations/{ledger}/import");
    let work = async {
        match state.engine.import(&ctx, &principal.workspace, principal.actor(), ledger, value).await? {
            ImportAnswer::Done(result) => {
                note.outcome("imported");
                Ok(Reply::ok(&result)?)
            }
            ImportAnswer::Accepted(view) => {
                note.outcome("accepted");
                accepted(ledger, &view)
            }
        }
    };
    idempotency::once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &bytes), work).await
}
