//! `GET /v1/invoices/{id}/timeline`: every attempt and decision, newest first, and why nothing happened.

use axum::Json;
use axum::extract::State;
use coportal_core::id::InvoiceId;
use coportal_core::problem::Problem;
use coportal_core::timeline::TimelineEvent;
use coportal_lambda::authn::{Invocation, Member};
use coportal_lambda::extract::{PageQuery, PageView, PathIds, QueryOf, page_limit, sort_key_cursor};
use coportal_lambda::problem::Answer;

use crate::AppState;

pub(crate) async fn timeline(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(invoice): PathIds<InvoiceId>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Answer<Json<PageView<TimelineEvent>>> {
    let workspace = principal.workspace.id;
    let limit = i32::try_from(page_limit(page.limit)?).unwrap_or(i32::MAX);
    let after = sort_key_cursor(page.cursor.as_deref())?;
    state.shell.store().invoice(workspace, invoice).await.map_err(Problem::from)?.ok_or_else(|| Problem::not_found("invoice"))?;
    let listed = state.shell.store().timeline(&ctx, workspace, invoice, limit, after).await.map_err(Problem::from)?;
    Ok(Json(PageView { items: listed.items, next_cursor: listed.next }))
}
