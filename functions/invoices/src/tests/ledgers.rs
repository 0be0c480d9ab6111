//! `ledgers[]`: how an invoice stands, of the present generation only.

use coportal_aws::records::sync::SyncKey;
use coportal_core::connection::{Connection, ConnectionStatus, Generation, Options};
use coportal_core::document::DocumentStatus;
use coportal_core::id::{ConnectionId, InvoiceId};
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{DocumentLink, SyncRow, SyncState};
use coportal_core::workspace::Plan;
use serde_json::{Value, json};

use super::{Case, case};

impl Case {
    /// Writes a connection of this workspace over the one there is.
    async fn connected(&self, ledger: Ledger, generation: u64, status: ConnectionStatus) {
        let ctx = self.bench.ctx();
        let before = self.bench.store().connection(self.ws, ledger).await.unwrap();
        let connection = Connection {
            id: ConnectionId::new(ctx.uuid()),
            ledger,
            status,
            organisation: None,
            generation: Generation(generation),
            grant: 1,
            options: Options::defaults(ledger),
            connected_at: None,
            connected_by: None,
            look_first: false,
            reconnect_reason: None,
        };
        let rev = before.map_or(0, |before| before.rev);
        let _ = self.bench.store().save_connection(&ctx, self.ws, &connection, rev).await.unwrap();
    }

    async fn synced(&self, inv: InvoiceId, ledger: Ledger, generation: u64, external_id: &str) {
        let key = SyncKey { ws: self.ws, inv, ledger, generation: Generation(generation) };
        let row = SyncRow {
            wanted: 1,
            done: 1,
            state: SyncState::Synced,
            link: Some(DocumentLink {
                external_id: external_id.to_owned(),
                external_number: Some("INV-0001".to_owned()),
                url: Some(format!("https://ledger.test/{external_id}")),
                remote_version: None,
                status: DocumentStatus::Draft,
                sent: None,
                created_by_us: true,
                as_sent: false,
            }),
            last_synced_at: Some(self.bench.ctx().now()),
            ..SyncRow::default()
        };
        let _ = self.bench.store().save_row(&self.bench.ctx(), key, &row, 0).await.unwrap();
    }

    async fn ledgers(&self, path: &str) -> Value {
        let one = self.get(path).await.body["ledgers"].clone();
        let listed = self.get("/v1/invoices").await.body["items"].clone();
        let same = listed.as_array().unwrap().iter().find(|invoice| path.ends_with(invoice["id"].as_str().unwrap())).unwrap();
        assert_eq!(one, same["ledgers"], "one and list agree");
        one
    }
}

fn id_of(path: &str) -> InvoiceId {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// R63: the ledger's id and the time of the last sync are shown on the invoice.
#[tokio::test]
async fn r63_a_synced_invoice_shows_its_document() {
    let case = case().await;
    let path = case.sent().await;
    let _ = case.draft().await;
    case.connected(Ledger::Xero, 1, ConnectionStatus::Connected).await;
    assert_eq!(case.ledgers(&path).await[0]["state"], "never");
    case.synced(id_of(&path), Ledger::Xero, 1, "ext-1").await;
    assert_eq!(
        case.ledgers(&path).await,
        json!([{
            "ledger": "xero", "state": "synced", "document": "draft", "external_id": "ext-1", "external_number": "INV-0001",
            "external_url": "https://ledger.test/ext-1", "last_synced_at": "2026-03-01T09:00:00Z", "eligible": true,
        }])
    );
}

/// R145: a row of another organisation's books is not shown as this one's.
#[tokio::test]
async fn r145_rows_of_another_generation_are_not_this_connections() {
    let case = case().await;
    let path = case.sent().await;
    case.synced(id_of(&path), Ledger::Xero, 1, "old-books").await;
    case.connected(Ledger::Xero, 2, ConnectionStatus::Connected).await;
    let shown = case.ledgers(&path).await;
    assert_eq!((&shown[0]["state"], &shown[0]["external_id"]), (&"never".into(), &Value::Null));
    // Back at the old organisation the old link serves.
    case.connected(Ledger::Xero, 1, ConnectionStatus::Connected).await;
    assert_eq!(case.ledgers(&path).await[0]["external_id"], "old-books");
}

/// C9: why the button does nothing is said.
#[tokio::test]
async fn c9_an_ineligible_invoice_says_why() {
    let case = case().await;
    case.connected(Ledger::Xero, 1, ConnectionStatus::Connected).await;
    let (draft, _) = case.draft().await;
    let shown = case.ledgers(&draft).await;
    assert_eq!((&shown[0]["eligible"], &shown[0]["reason"]["code"]), (&false.into(), &"not_sent".into()));
    // R6, R146: the plan is checked as it is now.
    let sent = case.sent().await;
    case.connected(Ledger::BusinessCentral, 1, ConnectionStatus::Connected).await;
    let shown = case.ledgers(&sent).await;
    assert_eq!(shown[1]["reason"]["code"], "plan_required");
    assert!(shown[1]["reason"]["detail"].as_str().unwrap().contains("Enterprise"));
    assert_eq!(shown[0]["eligible"], true);
    let workspace = case.bench.store().workspace(case.ws).await.unwrap().unwrap();
    let downgraded = coportal_core::workspace::Workspace { plan: Plan::Solo, ..workspace };
    let _ = case.bench.store().put_workspace(&case.bench.ctx(), &downgraded).await.unwrap();
    assert_eq!(case.ledgers(&sent).await[0]["reason"]["code"], "plan_required");
}

#[tokio::test]
async fn a_ledger_that_was_taken_apart_is_listed_where_it_left_something() {
    let case = case().await;
    let (with, without) = (case.sent().await, case.sent().await);
    case.connected(Ledger::Xero, 1, ConnectionStatus::Disconnected).await;
    case.synced(id_of(&with), Ledger::Xero, 1, "ext-1").await;
    assert_eq!(case.ledgers(&without).await, json!([]));
    let shown = case.ledgers(&with).await;
    assert_eq!((&shown[0]["external_id"], &shown[0]["reason"]["code"]), (&"ext-1".into(), &"not_connected".into()));
}
