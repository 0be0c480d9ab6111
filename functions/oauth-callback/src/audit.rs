//! `GET /v1/audit`: who connected, changed an option, resolved a hold, disconnected; newest first.

use axum::Json;
use axum::extract::State;
use coportal_core::timeline::AuditEvent;
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{PageQuery, PageView, QueryOf, page_limit};
use coportal_lambda::problem::Answer;

use crate::AppState;

/// The audit list of the caller's workspace.
pub(crate) async fn list(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    QueryOf(page): QueryOf<PageQuery>,
) -> Answer<Json<PageView<AuditEvent>>> {
    let limit = page_limit(page.limit)?;
    let page = state.engine.audit_list(&ctx, principal.workspace.id, limit, page.cursor.as_deref()).await?;
    Ok(Json(PageView { items: page.items, next_cursor: page.next }))
}
