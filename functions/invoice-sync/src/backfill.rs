//! `POST /v1/integrations/{ledger}/backfill` and `…/approve-drafts`, and the progress of both.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use coportal_core::id::BackfillId;
use coportal_core::ledger::Ledger;
use coportal_engine::jobs::{BackfillRequest, BackfillView};
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{EmptyRequest, OptionalJsonBody, PathIds, QueryOf};
use coportal_lambda::idempotency::{IdempotencyKey, Reply, Request, once};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::AppState;

/// The query of a backfill.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanQuery {
    /// Only says what it would take.
    #[serde(default)]
    plan: bool,
}

/// The query of an approval of all drafts.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct DryRunQuery {
    /// Only says what it would do.
    #[serde(default)]
    dry_run: bool,
}

/// A job that was begun.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct BegunView {
    id: BackfillId,
}

fn begun(ledger: Ledger, id: BackfillId) -> Answer<Reply> {
    let location = format!("/v1/integrations/{ledger}/backfills/{id}");
    Ok(Reply::new(StatusCode::ACCEPTED, Some(location), &BegunView { id })?)
}

/// Begins a backfill, or says what it would take.
#[expect(clippy::too_many_arguments, reason = "an extractor each")]
pub(crate) async fn begin(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(ledger): PathIds<Ledger>,
    QueryOf(query): QueryOf<PlanQuery>,
    key: IdempotencyKey,
    note: Note,
    OptionalJsonBody(body): OptionalJsonBody<BackfillRequest>,
) -> Answer<Response> {
    note.ledger(ledger);
    let workspace = principal.workspace.id;
    if query.plan {
        return Ok(Json(state.engine.plan_backfill(&ctx, workspace, ledger, &body.value).await?).into_response());
    }
    let route = format!("POST /v1/integrations/{ledger}/backfill");
    once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &body.bytes), async {
        let id = state.engine.begin_backfill(&ctx, workspace, ledger, &body.value, principal.actor()).await?;
        begun(ledger, id)
    })
    .await
}

/// How far a backfill, or an approval of all drafts, is.
pub(crate) async fn progress(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds((ledger, id)): PathIds<(Ledger, BackfillId)>,
) -> Answer<Json<BackfillView>> {
    Ok(Json(state.engine.backfill(&ctx, principal.workspace.id, ledger, id).await?))
}

/// Ends a backfill, or an approval of all drafts: what it has done stays.
pub(crate) async fn cancel(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds((ledger, id)): PathIds<(Ledger, BackfillId)>,
    note: Note,
) -> Answer<Json<BackfillView>> {
    note.ledger(ledger);
    Ok(Json(state.engine.cancel_backfill(&ctx, principal.workspace.id, ledger, id, principal.actor()).await?))
}

/// Approves all drafts, or says which that would be (C7).
#[expect(clippy::too_many_arguments, reason = "an extractor each")]
pub(crate) async fn approve_drafts(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(ledger): PathIds<Ledger>,
    QueryOf(query): QueryOf<DryRunQuery>,
    key: IdempotencyKey,
    note: Note,
    OptionalJsonBody(body): OptionalJsonBody<EmptyRequest>,
) -> Answer<Response> {
    note.ledger(ledger);
    let workspace = principal.workspace.id;
    if query.dry_run {
        return Ok(Json(state.engine.forecast_approving(&ctx, workspace, ledger).await?).into_response());
    }
    let route = format!("POST /v1/integrations/{ledger}/approve-drafts");
    once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &body.bytes), async {
        let id = state.engine.begin_approving(&ctx, workspace, ledger, principal.actor()).await?;
        begun(ledger, id)
    })
    .await
}
