//! What answers show of records: one shape for the API and for pages.

use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::document::DocumentStatus;
use coportal_core::eligibility;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{RowProblem, SyncRow, SyncState};
use jiff::Timestamp;
use serde::Serialize;

use crate::problem::HoldView;

/// How an invoice stands with one ledger: an entry of `ledgers[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerView {
    /// The ledger.
    pub ledger: Ledger,
    /// Where the sync stands.
    pub state: SyncState,
    /// Where the document stands in the ledger, as of our last read or write.
    pub document: Option<DocumentStatus>,
    /// The ledger's id of the document (R63).
    pub external_id: Option<String>,
    /// The ledger's number of it, always read back (C6).
    pub external_number: Option<String>,
    /// Where a person opens it.
    pub external_url: Option<String>,
    /// The newest successful sync (R63).
    pub last_synced_at: Option<Timestamp>,
    /// The open question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldView>,
    /// Why it failed or waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RowProblem>,
    /// Whether the sync button does something now.
    pub eligible: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Why an invoice cannot be synced now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Stable code.
    pub code: &'static str,
    /// The sentence that the page shows.
    pub detail: String,
}

impl LedgerView {
    /// The entry of one connection; `row` is the sync row of the connection's present generation, `plan_allows` whether the
    /// workspace's plan includes the ledger (R146).
    #[must_use]
    pub fn of(invoice: &Invoice, connection: &Connection, row: Option<&SyncRow>, plan_allows: bool) -> Self {
        let link = row.and_then(|row| row.link.as_ref());
        let reason = reason(invoice, connection, plan_allows);
        Self {
            ledger: connection.ledger,
            state: row.map_or(SyncState::Never, |row| row.state),
            document: link.map(|link| link.status),
            external_id: link.map(|link| link.external_id.clone()),
            external_number: link.and_then(|link| link.external_number.clone()),
            external_url: link.and_then(|link| link.url.clone()),
            last_synced_at: row.and_then(|row| row.last_synced_at),
            hold: row.and_then(|row| row.hold.as_ref()).map(HoldView::from),
            problem: row.and_then(|row| row.problem.clone()),
            eligible: reason.is_none(),
            reason,
        }
    }
}

fn reason(invoice: &Invoice, connection: &Connection, plan_allows: bool) -> Option<Reason> {
    let ledger = connection.ledger.label();
    let because = |code, detail| Some(Reason { code, detail });
    match connection.status {
        ConnectionStatus::Connected => {}
        ConnectionStatus::ChooseOrganisation => {
            return because("choose_organisation", format!("Choose which organisation of {ledger} this workspace uses."));
        }
        ConnectionStatus::ReconnectRequired => {
            return because("reconnect_required", format!("Reconnect {ledger} in Settings -> Integrations."));
        }
        ConnectionStatus::Disconnected => return because("not_connected", format!("{ledger} is not connected.")),
    }
    if !plan_allows {
        let plan = connection.ledger.plan_required().label();
        return because("plan_required", format!("{ledger} needs the {plan} plan."));
    }
    match eligibility::check(invoice, &connection.options) {
        Ok(()) => None,
        Err(ineligible) => because(
            match ineligible {
                eligibility::Ineligible::NotSent => "not_sent",
                eligibility::Ineligible::Void => "void",
            },
            ineligible.detail().to_owned(),
        ),
    }
}
