//! A ledger that is down, or refuses: invoices go out all the same, and what needs a person is listed and tried again.

use coportal_core::ledger::Ledger;
use coportal_local::studio::{Studio, text};
use http::Method;
use serde_json::{Value, json};

use crate::support::{connected, count, lines};

async fn idle(studio: &Studio) {
    let reply = studio.owner.send(Method::POST, "/__local/idle", None, &[]).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
}

async fn shown(studio: &Studio, invoice: &Value) -> Value {
    studio.owner.get(&format!("/v1/invoices/{}", text(invoice, "/id"))).await.unwrap().json()
}

async fn faults(studio: &Studio, faults: Value) {
    studio.at(Ledger::Xero).control(Method::POST, "faults", Some(&faults)).await.unwrap();
}

/// R142, R35: a failed ledger never blocks an invoice. It is written, sent, edited and paid while nothing of the ledger answers, and is
/// there once when the ledger is back.
#[tokio::test(flavor = "multi_thread")]
async fn r142_an_invoice_is_created_and_sent_with_the_ledger_down() {
    let (local, studio) = connected().await;
    studio.at(Ledger::Xero).set_options(&json!({"auto_sync": true})).await.unwrap();
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    faults(&studio, json!([{"match": "", "kind": "status", "status": 503, "times": 1000}])).await;

    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    assert_eq!(text(&invoice, "/status"), "sent");
    idle(&studio).await;
    let invoice = studio.edit_line(&invoice, "/lines/0/unit_price", json!("250.00")).await.unwrap();
    let paid = studio.pay_invoice(&invoice, "p1", "300.00").await.unwrap();
    assert_eq!(text(&paid, "/status"), "paid");
    idle(&studio).await;
    let standing = shown(&studio, &invoice).await;
    assert_eq!((text(&standing, "/status"), text(&standing, "/ledgers/0/state")), ("paid", "waiting"), "{standing}");

    // Whatever the ledger has is as it was before; nothing of this invoice ever arrived there.
    studio.at(Ledger::Xero).control(Method::POST, "reset", None).await.unwrap();
    let mut minutes = 0;
    while text(&shown(&studio, &invoice).await, "/ledgers/0/state") != "synced" {
        assert!(minutes < 60, "not synced an hour later: {}", shown(&studio, &invoice).await);
        minutes += 1;
        studio.owner.post("/__local/clock", &json!({"advance_seconds": 60})).await.unwrap();
        idle(&studio).await;
    }
    let state = studio.at(Ledger::Xero).state().await.unwrap();
    assert_eq!((count(&state, "documents"), count(&state, "contacts")), (1, 1));
    assert!(text(&state, "/documents/0/total").starts_with("300"), "the newest version, once: {state}");
    local.shutdown().await.unwrap();
}

/// C10, C20: what the ledger refused is listed, as JSON and as a table, and tried again by one call when the reason is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_listed_and_tried_again() {
    let (local, studio) = connected().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    let message = "=HYPERLINK(\"https://evil.example\") is no description";
    let body = json!({
        "ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred",
        "Elements": [{"ValidationErrors": [{"Message": message}]}],
    });
    let refusal = |method: &str| {
        json!({
            "method": method, "match": "/Invoices", "kind": "status", "status": 400,
            "headers": {"content-type": "application/json"}, "body": body.to_string(),
        })
    };
    faults(&studio, json!([refusal("PUT"), refusal("POST")])).await;
    let refused = studio.at(Ledger::Xero).sync(&invoice).await.unwrap();
    assert_eq!(refused.status.as_u16(), 422, "{}", refused.text());

    let listed = studio.owner.get("/v1/sync/attention").await.unwrap().json();
    let (id, code) = (text(&invoice, "/id"), text(&listed, "/items/0/problem/code"));
    assert_eq!(count(&listed, "items"), 1, "{listed}");
    assert_eq!((text(&listed, "/items/0/invoice_id"), text(&listed, "/items/0/ledger")), (id, "xero"));
    assert_eq!((text(&listed, "/items/0/state"), &listed["next_cursor"]), ("failed", &Value::Null));
    assert!(!code.is_empty() && !text(&listed, "/items/0/problem/fix/what").is_empty(), "{listed}");
    let table = studio.owner.send(Method::GET, "/v1/sync/attention", None, &[("accept", "text/csv")]).await.unwrap().text();
    let rows: Vec<&str> = table.split("\r\n").collect();
    assert_eq!(rows[0], "invoice_id,ledger,state,since,question,detail,fix");
    assert!(rows[1].starts_with(&format!("{id},xero,failed,")) && rows[1].contains(code), "{table}");
    assert!(!rows.iter().any(|row| row.split(',').any(|cell| cell.trim_start_matches('"').starts_with(['=', '+', '-', '@']))), "{table}");

    // A member may look at neither.
    for (method, path) in [(Method::GET, "/v1/sync/attention"), (Method::POST, "/v1/sync/attention/retry")] {
        assert_eq!(studio.member.send(method, path, None, &[]).await.unwrap().status.as_u16(), 403, "{path}");
    }
    let waiting = studio.owner.post("/v1/sync/attention/retry", &json!({"state": "waiting"})).await.unwrap();
    assert_eq!(waiting.json(), json!({"queued": 0, "looked_for": 0, "held": 0, "left": 1, "more": false}));
    let retried = studio.owner.post("/v1/sync/attention/retry", &json!({"state": "failed", "ledger": "xero"})).await.unwrap();
    assert_eq!(retried.status.as_u16(), 200, "{}", retried.text());
    assert_eq!(retried.json(), json!({"queued": 1, "looked_for": 0, "held": 0, "left": 0, "more": false}));
    idle(&studio).await;
    assert_eq!(text(&shown(&studio, &invoice).await, "/ledgers/0/state"), "synced");
    assert_eq!(count(&studio.at(Ledger::Xero).state().await.unwrap(), "documents"), 1);
    assert_eq!(studio.owner.get("/v1/sync/attention").await.unwrap().json(), json!({"items": [], "next_cursor": null}));
    local.shutdown().await.unwrap();
}
