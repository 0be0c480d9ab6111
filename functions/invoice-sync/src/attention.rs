//! `GET /v1/sync/attention`: everything that needs a person, as JSON or, with `Accept: text/csv`, as a table for a spreadsheet; and
//! `POST /v1/sync/attention/retry`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_core::problem::Problem;
use coportal_engine::sync::RetryRequest;
use coportal_lambda::attention::{AttentionView, table};
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{OptionalJsonBody, PageQuery, PageView, QueryOf, page_limit, sort_key_cursor};
use coportal_lambda::idempotency::{IdempotencyKey, Reply, Request, once};
use coportal_lambda::problem::Answer;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::AppState;

pub(crate) async fn attention(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    QueryOf(page): QueryOf<PageQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let limit = i32::try_from(page_limit(page.limit)?).unwrap_or(i32::MAX);
    let after = sort_key_cursor(page.cursor.as_deref())?;
    let listed = state.shell.store().attention(&ctx, principal.workspace.id, limit, after).await.map_err(Problem::from)?;
    let items: Vec<AttentionView> = listed.items.into_iter().map(AttentionView::from).collect();
    let wants_table = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/csv"));
    if wants_table {
        let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"attention.csv\"")];
        return Ok((headers, table(&items)).into_response());
    }
    Ok(Json(PageView { items, next_cursor: listed.next }).into_response())
}

/// Queues what failed, or waited for what a person has done by now, again; held entries stay held, and what is in doubt is looked for first.
pub(crate) async fn retry(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    key: IdempotencyKey,
    OptionalJsonBody(body): OptionalJsonBody<RetryRequest>,
) -> Answer<Response> {
    let workspace = principal.workspace.id;
    once(state.shell.store(), &ctx, Request::of(&principal, "POST /v1/sync/attention/retry", &key, &body.bytes), async {
        let retried = state.engine.retry_attention(&ctx, workspace, &body.value, &principal.actor()).await?;
        Ok(Reply::ok(&retried)?)
    })
    .await
}
