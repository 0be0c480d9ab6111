//! `POST` and `DELETE /v1/invoices/{id}/sync/{ledger}/link`.

use axum::extract::State;
use axum::response::Response;
use coportal_core::id::InvoiceId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Problem};
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{JsonBody, PathIds};
use coportal_lambda::idempotency::{IdempotencyKey, Request, once};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use coportal_lambda::views::is_document_id;
use http::StatusCode;
use serde::Deserialize;

use crate::AppState;
use crate::sync::{reply, request};

/// The body of a link.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkRequest {
    #[cfg_attr(feature = "openapi", schema(pattern = "^\\s*[A-Za-z0-9-]{1,100}\\s*$"))]
    external_id: String,
}

/// Ties the invoice to a document that exists, compared first; then syncs.
pub(crate) async fn link(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds((invoice, ledger)): PathIds<(InvoiceId, Ledger)>,
    key: IdempotencyKey,
    note: Note,
    body: JsonBody<LinkRequest>,
) -> Answer<Response> {
    let external_id = body.value.external_id.trim().to_owned();
    if !is_document_id(&external_id) {
        return Err(Problem::invalid(vec![Issue::new(
            "/external_id",
            "invalid",
            "A document's id in the ledger has letters, digits and hyphens.",
        )])
        .into());
    }
    let route = format!("POST /v1/invoices/{invoice}/sync/{ledger}/link");
    let asked = request(&principal, invoice, ledger, &note);
    once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &body.bytes), async {
        let end = state.engine.link_document(&ctx, asked.clone(), &external_id).await?;
        reply(end, &ctx, &note)
    })
    .await
}

/// Unties the invoice; the document stays in the ledger as it is.
pub(crate) async fn unlink(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds((invoice, ledger)): PathIds<(InvoiceId, Ledger)>,
    note: Note,
) -> Answer<StatusCode> {
    state.engine.unlink_document(&ctx, request(&principal, invoice, ledger, &note)).await?;
    Ok(StatusCode::NO_CONTENT)
}
