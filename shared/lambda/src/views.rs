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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// Whether a text can be a document's id in a ledger: up to 100 letters, digits and hyphens.
#[must_use]
pub fn is_document_id(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Why an invoice cannot be synced now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = IneligibleReason))]
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
                eligibility::Ineligible::ViewOnly => "view_only",
            },
            ineligible.detail().to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coportal_core::connection::{Generation, Options};
    use coportal_core::failure::Question;
    use coportal_core::id::{ClientId, ConnectionId, HoldId, InvoiceId};
    use coportal_core::invoice::{InvoiceStatus, TaxMode};
    use coportal_core::problem::Fix;
    use coportal_core::sync::row::{Choice, DocumentLink, Hold};
    use uuid::Uuid;

    fn invoice(status: InvoiceStatus) -> Invoice {
        Invoice {
            id: InvoiceId::new(Uuid::from_u128(1)),
            number: "INV-0001".to_owned(),
            client_id: ClientId::new(Uuid::from_u128(2)),
            currency: "GBP".parse().unwrap(),
            issue_date: "2026-03-01".parse().unwrap(),
            due_date: None,
            status,
            tax_mode: TaxMode::Exclusive,
            lines: Vec::new(),
            payments: Vec::new(),
            version: 1,
            created_at: "2026-03-01T09:00:00Z".parse().unwrap(),
        }
    }

    fn connection(status: ConnectionStatus) -> Connection {
        Connection {
            id: ConnectionId::new(Uuid::from_u128(3)),
            ledger: Ledger::Xero,
            status,
            organisation: None,
            generation: Generation(1),
            grant: 1,
            options: Options::defaults(Ledger::Xero),
            connected_at: None,
            connected_by: None,
            look_first: false,
            reconnect_reason: None,
        }
    }

    fn reason_of(invoice_status: InvoiceStatus, status: ConnectionStatus, plan: bool) -> Option<&'static str> {
        let view = LedgerView::of(&invoice(invoice_status), &connection(status), None, plan);
        assert_eq!(view.eligible, view.reason.is_none());
        view.reason.map(|reason| reason.code)
    }

    /// C9, R146: the button is not merely hidden, the reason is said.
    #[test]
    fn c9_why_an_invoice_cannot_be_synced_now() {
        use ConnectionStatus::{ChooseOrganisation, Connected, Disconnected, ReconnectRequired};
        for (status, connection, plan, reason) in [
            (InvoiceStatus::Sent, Connected, true, None),
            (InvoiceStatus::Paid, Connected, true, None),
            (InvoiceStatus::Draft, Connected, true, Some("not_sent")),
            (InvoiceStatus::Void, Connected, true, Some("void")),
            (InvoiceStatus::Sent, Connected, false, Some("plan_required")),
            (InvoiceStatus::Sent, ChooseOrganisation, true, Some("choose_organisation")),
            (InvoiceStatus::Sent, ReconnectRequired, true, Some("reconnect_required")),
            (InvoiceStatus::Sent, Disconnected, true, Some("not_connected")),
        ] {
            assert_eq!(reason_of(status, connection, plan), reason);
        }
    }

    /// R63: the ledger's id and the time of the last sync are shown on the invoice.
    #[test]
    fn r63_what_is_shown_of_a_synced_and_of_a_held_row() {
        let row = SyncRow {
            state: SyncState::Synced,
            link: Some(DocumentLink {
                external_id: "ext-1".to_owned(),
                external_number: Some("INV-0001".to_owned()),
                url: Some("https://ledger.test/ext-1".to_owned()),
                remote_version: Some("secret to users".to_owned()),
                status: DocumentStatus::Draft,
                sent: None,
                created_by_us: true,
                as_sent: false,
            }),
            last_synced_at: Some("2026-03-01T10:00:00Z".parse().unwrap()),
            ..SyncRow::default()
        };
        let shown = |row: Option<&SyncRow>| {
            serde_json::to_value(LedgerView::of(&invoice(InvoiceStatus::Sent), &connection(ConnectionStatus::Connected), row, true))
                .unwrap()
        };
        let held = SyncRow {
            state: SyncState::Held,
            hold: Some(Hold {
                id: HoldId::new(Uuid::from_u128(4)),
                question: Question::ChooseAccount,
                detail: "Which account?".to_owned(),
                choices: vec![Choice::new("200", "200 Sales")],
                inputs_hash: "not shown".to_owned(),
                since: "2026-03-01T10:00:00Z".parse().unwrap(),
            }),
            ..SyncRow::default()
        };
        let failed = SyncRow {
            state: SyncState::Failed,
            problem: Some(RowProblem {
                code: "rejected".into(),
                detail: "The ledger refused it.".into(),
                fix: Fix::new("Correct it.", "the invoice", false),
                issues: Vec::new(),
            }),
            ..SyncRow::default()
        };
        insta::assert_json_snapshot!("ledger_views", [shown(None), shown(Some(&row)), shown(Some(&held)), shown(Some(&failed))]);
    }
}
