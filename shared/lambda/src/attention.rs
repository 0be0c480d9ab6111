//! What needs a person, as answers show it and as a table for a spreadsheet.

use coportal_aws::records::sync::Attention;
use coportal_core::id::InvoiceId;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{RowProblem, SyncState, WaitingFor};
use jiff::Timestamp;
use serde::Serialize;

use crate::problem::HoldView;

/// One entry.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttentionView {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// The ledger that it is about.
    pub ledger: Ledger,
    /// Where the sync stands.
    pub state: SyncState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The open question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldView>,
    /// Why it failed or waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RowProblem>,
    /// For what it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
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

/// The table of a page of entries: RFC 4180, with a row of names at its head.
#[must_use]
pub fn table(items: &[AttentionView]) -> String {
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
