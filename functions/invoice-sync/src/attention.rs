//! `GET /v1/sync/attention`: everything that needs a person, as JSON or, with `Accept: text/csv`, as a table for a spreadsheet; and
//! `POST /v1/sync/attention/retry`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_aws::records::sync::Attention;
use coportal_core::id::InvoiceId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Problem;
use coportal_core::sync::row::{RowProblem, SyncState, WaitingFor};
use coportal_engine::sync::RetryRequest;
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{OptionalJsonBody, PageQuery, PageView, QueryOf, page_limit, sort_key_cursor};
use coportal_lambda::idempotency::{IdempotencyKey, Reply, Request, once};
use coportal_lambda::problem::{Answer, HoldView};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::Timestamp;
use serde::Serialize;

use crate::AppState;

/// One entry.
#[derive(Debug, Serialize)]
struct AttentionView {
    invoice_id: InvoiceId,
    ledger: Ledger,
    state: SyncState,
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<RowProblem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<WaitingFor>,
}

impl From<Attention> for AttentionView {
    fn from(entry: Attention) -> Self {
        let Attention { key, row } = entry;
        Self {
            invoice_id: key.inv,
            ledger: key.ledger,
            state: row.state,
            since: row.since,
            hold: row.hold.as_ref().map(HoldView::from),
            problem: row.problem,
            waiting_for: row.waiting.map(|waiting| waiting.reason),
        }
    }
}

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

fn table(items: &[AttentionView]) -> String {
    let mut text = String::from("invoice_id,ledger,state,since,question,detail,fix\r\n");
    for item in items {
        let since = item.since.map(|since| since.to_string()).unwrap_or_default();
        let question = item
            .hold
            .as_ref()
            .map_or_else(|| item.problem.as_ref().map(|problem| problem.code.as_ref()).unwrap_or_default(), |hold| hold.question);
        let detail = item
            .hold
            .as_ref()
            .map_or_else(|| item.problem.as_ref().map(|problem| problem.detail.as_ref()).unwrap_or_default(), |hold| hold.detail.as_str());
        let fix = item.problem.as_ref().map(|problem| problem.fix.what.as_ref()).unwrap_or_default();
        let id = item.invoice_id.to_string();
        let cells = [id.as_str(), item.ledger.slug(), item.state.as_str(), since.as_str(), question, detail, fix].map(cell);
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell that a spreadsheet shows and never computes: text that begins like a formula is quoted with an apostrophe.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula { format!("'{text}") } else { text.to_owned() };
    if formula || guarded.contains([',', '"', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_never_a_formula() {
        for (text, written) in [
            ("plain", "plain"),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-5", "\"'-5\""),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
