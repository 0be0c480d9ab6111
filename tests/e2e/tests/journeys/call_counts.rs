//! What a sync costs at Xero, from the simulator's own log.

use coportal_core::ledger::Ledger;
use coportal_local::studio::{Studio, text};
use serde_json::{Value, json};

use crate::support::{connected, is_fact, lines};

/// The business calls of one sync, method and path, facts apart.
async fn calls_of(studio: &Studio, invoice: &Value, changed: &str) -> Vec<String> {
    let before = studio.at(Ledger::Xero).calls("api").await.unwrap().len();
    let answer = studio.at(Ledger::Xero).synced(invoice).await.unwrap();
    assert_eq!(text(&answer, "/changed"), changed);
    let calls = studio.at(Ledger::Xero).calls("api").await.unwrap().split_off(before);
    assert_eq!(answer["vendor_calls"], json!(calls.len()), "the answer counts what Xero saw");
    let path = |call: &Value| text(call, "/path").split('?').next().unwrap_or_default().replace("/api.xro/2.0", "");
    calls.iter().filter(|call| !is_fact(call)).map(|call| format!("{} {}", text(call, "/method"), path(call))).collect()
}

/// R44: and the contact comes before the invoice.
#[tokio::test]
async fn a_sync_makes_no_call_too_many() {
    let (local, studio) = connected().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let unknown = studio.send_invoice(&client, &lines()).await.unwrap();
    let known = studio.send_invoice(&client, &lines()).await.unwrap();
    assert_eq!(calls_of(&studio, &unknown, "created").await, ["GET /Contacts", "PUT /Contacts", "PUT /Invoices"]);
    assert_eq!(calls_of(&studio, &known, "created").await, ["PUT /Invoices"]);
    assert_eq!(calls_of(&studio, &known, "nothing").await, Vec::<String>::new());
    let edited = studio.edit_line(&known, "/lines/0/quantity", json!("2")).await.unwrap();
    let update = calls_of(&studio, &edited, "updated").await;
    assert_eq!(update.len(), 2, "{update:?}");
    assert!(update[0].starts_with("GET /Invoices/") && update[1].starts_with("POST /Invoices"), "{update:?}");
    local.shutdown().await.unwrap();
}
