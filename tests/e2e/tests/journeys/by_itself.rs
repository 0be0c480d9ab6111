//! Sync by itself: an invoice is sent to its client, and nobody clicks (R34, R35, R64).

use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_local::run::LocalRun;
use coportal_local::studio::{Studio, text};
use http::Method;
use serde_json::{Value, json};

use crate::support::{connected, count, lines};

const PATIENCE: Duration = Duration::from_secs(60);

async fn automatic() -> (LocalRun, Studio) {
    let (local, studio) = connected().await;
    studio.at(Ledger::Xero).set_options(&json!({"auto_sync": true})).await.unwrap();
    (local, studio)
}

async fn ledger_of(studio: &Studio, invoice: &Value) -> Value {
    let shown = studio.owner.get(&format!("/v1/invoices/{}", text(invoice, "/id"))).await.unwrap().json();
    shown["ledgers"].as_array().unwrap().iter().find(|ledger| ledger["ledger"] == "xero").cloned().unwrap_or_default()
}

async fn idle(studio: &Studio) -> Value {
    let reply = studio.owner.send(Method::POST, "/__local/idle", None, &[]).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    reply.json()
}

/// R35: the event is the write; stream, fan-out, queue and worker do the rest.
#[tokio::test(flavor = "multi_thread")]
async fn r35_a_sent_invoice_reaches_the_ledger_without_a_click() {
    let (local, studio) = automatic().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    let rest = idle(&studio).await;
    assert_eq!(rest, json!({"queued": 0, "in_flight": 0, "dead_lettered": 0, "delayed": 0, "parked": 0}));
    let state = studio.at(Ledger::Xero).state().await.unwrap();
    assert_eq!((count(&state, "documents"), count(&state, "contacts")), (1, 1));
    assert_eq!(state["documents"][0]["number"], invoice["number"]);
    let shown = ledger_of(&studio, &invoice).await;
    assert_eq!((text(&shown, "/state"), &shown["external_id"]), ("synced", &state["documents"][0]["id"]));

    // An edit follows by itself, into the same document.
    studio.edit_line(&invoice, "/lines/0/unit_price", json!("250.00")).await.unwrap();
    assert!(local.idle(PATIENCE).await);
    let state = studio.at(Ledger::Xero).state().await.unwrap();
    assert_eq!((count(&state, "documents"), text(&state, "/documents/0/total").trim_end_matches(['0', '.'])), (1, "3"));
    local.shutdown().await.unwrap();
}

/// A switched-off connection hears nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_auto_sync_nothing_is_sent_by_itself() {
    let (local, studio) = connected().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    studio.send_invoice(&client, &lines()).await.unwrap();
    assert!(local.idle(PATIENCE).await);
    assert_eq!(count(&studio.at(Ledger::Xero).state().await.unwrap(), "documents"), 0);
    assert_eq!(local.cloud.cloud.calls().get("sqs:SendMessageBatch"), None);
    local.shutdown().await.unwrap();
}

/// C2, R66: a paid event makes a job that calls nobody, and its line says why.
#[tokio::test(flavor = "multi_thread")]
async fn c2_a_paid_event_with_payments_none_calls_nobody_and_says_why() {
    let (local, studio) = automatic().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    assert!(local.idle(PATIENCE).await);
    let before = studio.at(Ledger::Xero).calls("api").await.unwrap().len();
    studio.pay_invoice(&invoice, "p1", "120.00").await.unwrap();
    assert!(local.idle(PATIENCE).await);
    assert_eq!(studio.at(Ledger::Xero).calls("api").await.unwrap().len(), before);
    let timeline = studio.owner.get(&format!("/v1/invoices/{}/timeline", text(&invoice, "/id"))).await.unwrap().text();
    assert!(timeline.contains("payments"), "{timeline}");
    local.shutdown().await.unwrap();
}

/// C20: what the organisation's limit holds up waits with its time, and goes by itself when the clock has come to it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_sent_by_the_sweep_when_its_time_has_come() {
    let (local, studio) = automatic().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let fault = json!([{"match": "/api.xro/", "kind": "status", "status": 503, "times": 3}]);
    studio.at(Ledger::Xero).control(Method::POST, "faults", Some(&fault)).await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    let rest = idle(&studio).await;
    assert_eq!((&rest["queued"], &rest["in_flight"]), (&json!(0), &json!(0)), "what waits costs no receive: {rest}");
    let mut moved = 0;
    while text(&ledger_of(&studio, &invoice).await, "/state") != "synced" {
        assert!(moved < 60, "not synced an hour later: {}", ledger_of(&studio, &invoice).await);
        moved += 1;
        let reply = studio.owner.post("/__local/clock", &json!({"advance_seconds": 60})).await.unwrap();
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        idle(&studio).await;
    }
    assert!(moved > 0, "the fault had no effect");
    assert_eq!(count(&studio.at(Ledger::Xero).state().await.unwrap(), "documents"), 1);
    local.shutdown().await.unwrap();
}
