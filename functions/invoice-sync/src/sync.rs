//! `POST /v1/invoices/{id}/sync/{ledger}` and its siblings `dry-run`, `resolve` and `approve`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use coportal_core::ctx::Ctx;
use coportal_core::id::{HoldId, InvoiceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Problem, ProblemKind};
use coportal_core::sync::row::{RowProblem, SyncState, WaitingFor};
use coportal_engine::sync::{DryRun, SyncEnd, SyncRequest};
use coportal_lambda::authn::{Admin, Invocation, Member, Principal};
use coportal_lambda::extract::{JsonBody, PathIds};
use coportal_lambda::idempotency::{IdempotencyKey, Reply, Request, once};
use coportal_lambda::problem::{Answer, Refusal};
use coportal_lambda::telemetry::Note;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::AppState;

/// A sync that must wait (202).
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct WaitingView {
    state: SyncState,
    waiting_for: WaitingFor,
    /// When it is due again; null where a person's act is waited for.
    due_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Box<RowProblem>>,
    vendor_calls: u32,
}

/// The body of `resolve`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveRequest {
    hold_id: HoldId,
    choice: String,
}

pub(crate) fn request(principal: &Principal, invoice: InvoiceId, ledger: Ledger, note: &Note) -> SyncRequest {
    note.invoice(invoice);
    note.ledger(ledger);
    SyncRequest { workspace: principal.workspace.id, invoice, ledger, actor: principal.actor() }
}

/// Syncs now (R38, R64).
pub(crate) async fn sync(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds((invoice, ledger)): PathIds<(InvoiceId, Ledger)>,
    key: IdempotencyKey,
    note: Note,
) -> Answer<Response> {
    let route = format!("POST /v1/invoices/{invoice}/sync/{ledger}");
    let asked = request(&principal, invoice, ledger, &note);
    once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, b""), async {
        let end = state.engine.sync_invoice(&ctx, asked.clone()).await?;
        reply(end, &ctx, &note)
    })
    .await
}

/// What a sync would do; writes nothing anywhere.
pub(crate) async fn dry_run(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds((invoice, ledger)): PathIds<(InvoiceId, Ledger)>,
    note: Note,
) -> Answer<Json<DryRun>> {
    let forecast = state.engine.dry_run(&ctx, request(&principal, invoice, ledger, &note)).await?;
    note.vendor_calls(forecast.vendor_calls);
    Ok(Json(forecast))
}

/// Answers a hold, then syncs.
pub(crate) async fn resolve(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds((invoice, ledger)): PathIds<(InvoiceId, Ledger)>,
    key: IdempotencyKey,
    note: Note,
    body: JsonBody<ResolveRequest>,
) -> Answer<Response> {
    let route = format!("POST /v1/invoices/{invoice}/sync/{ledger}/resolve");
    let asked = request(&principal, invoice, ledger, &note);
    once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &body.bytes), async {
        let end = state.engine.resolve_hold(&ctx, asked.clone(), body.value.hold_id, &body.value.choice).await?;
        reply(end, &ctx, &note)
    })
    .await
}

/// Approves (posts, releases) the draft, or posts what waits for it; answers like a sync (C7, C8).
pub(crate) async fn approve(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    PathIds((invoice, ledger)): PathIds<(InvoiceId, Ledger)>,
    key: IdempotencyKey,
    note: Note,
) -> Answer<Response> {
    let route = format!("POST /v1/invoices/{invoice}/sync/{ledger}/approve");
    let asked = request(&principal, invoice, ledger, &note);
    once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, b""), async {
        let end = state.engine.approve(&ctx, asked.clone()).await?;
        reply(end, &ctx, &note)
    })
    .await
}

/// One end of a sync as an answer: 200, 202, 409 or 422.
pub(crate) fn reply(end: SyncEnd, ctx: &Ctx, note: &Note) -> Answer<Reply> {
    match end {
        SyncEnd::Synced(answer) => {
            note.vendor_calls(answer.vendor_calls);
            note.outcome(answer.state.as_str());
            Ok(Reply::ok(&answer)?)
        }
        SyncEnd::Waiting { state, waiting_for, due_at, problem, vendor_calls } => {
            note.vendor_calls(vendor_calls);
            note.outcome(state.as_str());
            Ok(Reply::new(StatusCode::ACCEPTED, None, &WaitingView { state, waiting_for, due_at, problem, vendor_calls })?)
        }
        SyncEnd::InProgress { until } => {
            let problem = Problem::new(ProblemKind::Conflict, "sync_in_progress", "Somebody is syncing this invoice right now.").fix(
                "Look again in a few seconds.",
                "the invoice",
                true,
            );
            Err(Refusal::new(problem).retry_after(ctx.now().duration_until(until)))
        }
        SyncEnd::Held(hold) => {
            note.outcome("held");
            Err(Refusal::held(&hold))
        }
        SyncEnd::Failed(problem) => Err(Refusal::new(*problem)),
    }
}
