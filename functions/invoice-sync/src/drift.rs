//! `GET` and `POST /v1/integrations/{ledger}/drift`, and a person's word about one invoice.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use coportal_core::id::InvoiceId;
use coportal_core::ledger::Ledger;
use coportal_core::sync::drift::{DriftKind, Drifted};
use coportal_core::sync::merge::Difference;
use coportal_engine::jobs::DriftState;
use coportal_engine::sync::KeepSide;
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{EmptyRequest, JsonBody, OptionalJsonBody, PageQuery, PathIds, QueryOf, cursor, page_limit};
use coportal_lambda::idempotency::{IdempotencyKey, Request, once};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::AppState;
use crate::sync::{reply, request};

/// What somebody changed of one document.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct DriftView {
    invoice_id: InvoiceId,
    external_id: String,
    external_number: Option<String>,
    external_url: Option<String>,
    kinds: Vec<DriftKind>,
    fields: Vec<Difference>,
    /// Stands for what is shown here; sent back with the answer, it counts for this and nothing newer.
    digest: String,
    seen_at: Timestamp,
}

impl From<Drifted> for DriftView {
    fn from(drifted: Drifted) -> Self {
        Self {
            digest: drifted.drift().digest(),
            invoice_id: drifted.inv,
            external_id: drifted.external_id,
            external_number: drifted.external_number,
            external_url: drifted.external_url,
            kinds: drifted.kinds,
            fields: drifted.differences,
            seen_at: drifted.seen_at,
        }
    }
}

/// A page of what somebody changed, and when it was looked.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct DriftsView {
    items: Vec<DriftView>,
    next_cursor: Option<InvoiceId>,
    #[serde(flatten)]
    state: DriftState,
}

/// The body of an answer.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepRequest {
    keep: KeepSide,
    /// The digest of the entry that is answered; without it, what is known by now is.
    #[serde(default)]
    digest: Option<String>,
}

/// What somebody changed in the ledger.
pub(crate) async fn list(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(ledger): PathIds<Ledger>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Answer<Json<DriftsView>> {
    let limit = page_limit(page.limit)?;
    let after = cursor::<InvoiceId>(page.cursor.as_deref())?;
    let found = state.engine.drifts(&ctx, principal.workspace.id, ledger, limit, after).await?;
    let items = found.items.into_iter().map(DriftView::from).collect();
    Ok(Json(DriftsView { items, next_cursor: found.next, state: found.state }))
}

/// Has the books compared now.
pub(crate) async fn check(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds(ledger): PathIds<Ledger>,
    note: Note,
    OptionalJsonBody(_body): OptionalJsonBody<EmptyRequest>,
) -> Answer<(StatusCode, Json<DriftState>)> {
    note.ledger(ledger);
    let state = state.engine.check_drift(&ctx, principal.workspace.id, ledger).await?;
    Ok((StatusCode::ACCEPTED, Json(state)))
}

/// Keeps ours, or theirs; answers like a sync.
pub(crate) async fn keep(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds((ledger, invoice)): PathIds<(Ledger, InvoiceId)>,
    key: IdempotencyKey,
    note: Note,
    body: JsonBody<KeepRequest>,
) -> Answer<Response> {
    let route = format!("POST /v1/integrations/{ledger}/drift/{invoice}");
    let asked = request(&principal, invoice, ledger, &note);
    once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &body.bytes), async {
        let end = state.engine.keep_drift(&ctx, asked.clone(), body.value.keep, body.value.digest.as_deref()).await?;
        reply(end, &ctx, &note)
    })
    .await
}
