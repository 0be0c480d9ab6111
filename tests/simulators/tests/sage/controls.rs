//! `/__sim`: state, seed, reset, snapshots.

use http::Request;
use serde_json::{Value, json};
use simulators::sage::{Action, Simulator};
use simulators::skeleton::calls::Kind;

use crate::support::{answer, connected, id, simulator, value, whole};

async fn control(simulator: &Simulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = whole(answer(simulator, Request::builder().method(method).uri(format!("/__sim/{path}")), &body).await);
    (response.status().as_u16(), value(&response))
}

#[tokio::test]
async fn state_seed_and_reset_through_http() {
    let caller = connected().await;
    let za = caller.simulator.state().organisations[2].clone();
    assert_eq!((za.country.as_str(), za.currency.as_str(), za.connected), ("ZA", "ZAR", true));
    let seed = json!({
        "contacts": [{ "name": "Acme", "email": "a@b.example", "phone": "1", "organisation": za.name }],
        "documents": [{ "organisation": za.name, "reference": "Z-1", "status": "paid", "lines": [{ "description": "x", "quantity": "2", "unit_price": "50" }] }],
    });
    let (status, put_in) = control(&caller.simulator, "POST", "seed", &seed).await;
    assert_eq!(status, 200, "{put_in}");
    let (_, state) = control(&caller.simulator, "GET", "state", &Value::Null).await;
    let document = &state["documents"][0];
    assert_eq!((&document["total"], &document["status"], &document["number"]), (&json!("115.00"), &json!("paid"), &json!("SI-1")));
    assert_eq!((&document["organisation"], &document["amount_due"]), (&json!(za.id), &json!("0.00")));
    assert_eq!(state["payments"][0]["document_id"], document["id"]);
    assert_eq!(state["contacts"][0]["email"], "a@b.example");
    caller.get("/contacts").await;
    let (_, calls) = control(&caller.simulator, "GET", "calls", &Value::Null).await;
    let last = calls.as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["path"], &last["kind"], &last["organisation"]), (&json!("/v3.1/contacts"), &json!("api"), &json!(caller.business)));
    assert!(caller.simulator.calls().iter().any(|call| call.kind == Kind::Oauth));
    control(&caller.simulator, "POST", "reset", &Value::Null).await;
    let state = caller.simulator.state();
    assert!(state.documents.is_empty() && state.contacts.is_empty() && state.payments.is_empty() && caller.simulator.calls().is_empty());
    assert_eq!(caller.invoice().await["displayed_as"], "SI-1", "the counter begins again, the grant lives on");
}

#[tokio::test]
async fn a_state_can_be_posted_back() {
    let caller = connected().await;
    let made = caller.invoice().await;
    caller.draft().await;
    let part = Action::Pay { document_id: id(&made), amount: Some(20.into()), date: None };
    caller.simulator.bookkeeper(part).unwrap();
    let paid = caller.invoice().await;
    caller.simulator.bookkeeper(Action::Pay { document_id: id(&paid), amount: None, date: None }).unwrap();
    let void = caller.invoice().await;
    caller.simulator.bookkeeper(Action::Void { document_id: id(&void), reason: None }).unwrap();
    let before = caller.simulator.state();
    caller.simulator.reset();
    let (status, reply) = control(&caller.simulator, "POST", "seed", &serde_json::to_value(&before).unwrap()).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(caller.simulator.state(), before);
    assert_eq!(caller.invoice().await["displayed_as"], "SI-4", "the counter goes on behind the numbers that were seeded");
}

#[tokio::test]
async fn a_seed_that_contradicts_itself_changes_nothing() {
    let simulator = simulator();
    let before = simulator.state();
    for seed in [
        json!({ "contacts": [{ "name": "A", "number": "1" }, { "name": "B", "number": "1" }] }),
        json!({ "contacts": [{ "name": "" }] }),
        json!({ "contacts": [{ "name": "A", "status": "merged" }] }),
        json!({ "contacts": [{ "name": "A", "currency": "USD" }] }),
        json!({ "contacts": [{ "name": "A", "organisation": "Nobody" }] }),
        json!({ "documents": [{ "status": "submitted" }] }),
        json!({ "documents": [{ "number": "SI-9" }] }),
        json!({ "documents": [{ "url": "https://app.example" }] }),
        json!({ "documents": [{ "note": "x" }] }),
        json!({ "documents": [{ "currency": "USD" }] }),
        json!({ "documents": [{ "lines": [{ "account": "9999" }] }] }),
        json!({ "documents": [{ "lines": [{ "tax_type": "XX" }] }] }),
        json!({ "documents": [{ "lines": [{ "tracking": ["a: b"] }] }] }),
        json!({ "payments": [{ "document_id": "00000000000000000000000000000000" }] }),
        json!({ "organisations": [{ "country": "GB" }] }),
        json!({ "organisations": [{ "name": "New", "edition": "BUSINESS" }] }),
        json!({ "organisations": [{ "name": "New", "period_lock_date": "2026-01-01" }] }),
        json!({ "organisations": [{ "name": "New", "items": [{}] }] }),
        json!({ "organisations": [{ "name": "New", "tax_rates": [{ "id": "X" }] }] }),
        json!({ "organisations": [{ "name": "New", "preferences": { "colour": "red" } }] }),
    ] {
        let (status, reply) = control(&simulator, "POST", "seed", &seed).await;
        assert_eq!(status, 422, "{seed}: {reply}");
        assert_eq!(simulator.state(), before, "{seed}");
    }
}

#[tokio::test]
async fn a_business_is_seeded_with_its_facts() {
    let caller = connected().await;
    let seed = json!({ "organisations": [{
        "name": "Harbour & Lane Ltd", "accounts": [{ "name": "Design", "nominal_code": 4020, "visible_in_sales": true }],
        "preferences": { "customer_credit_days": 7, "sales_invoice_number_prefix": "HL", "next_invoice_number": 40 },
    }, { "name": "Paris SARL", "country": "FR", "currency": "EUR" }] });
    let put_in = caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    assert_eq!((put_in.organisations[1].country.as_str(), put_in.organisations[1].connected), ("FR", false));
    assert_eq!(caller.get("/ledger_accounts?visible_in=sales").await["$total"], 2);
    let made = caller.invoice().await;
    assert_eq!(made["displayed_as"], "HL40");
}

#[tokio::test]
async fn a_snapshot_is_everything_but_the_clock() {
    let caller = connected().await;
    let made = caller.invoice().await;
    let before = caller.simulator.snapshot();
    let state = caller.simulator.state();
    caller.send("DELETE", &format!("/sales_invoices/{}?void_reason=x", id(&made)), &Value::Null).await;
    assert_ne!(caller.simulator.state(), state);
    caller.simulator.restore(before).unwrap();
    assert_eq!(caller.simulator.state(), state);
    assert_eq!(caller.read(&id(&made)).await["status"]["id"], "UNPAID", "tokens are in it too");
}

/// One history gives one set of answers.
#[tokio::test]
async fn the_same_seed_gives_the_same_ids() {
    let (one, two) = (connected().await, connected().await);
    assert_eq!(one.access, two.access);
    assert_eq!(one.invoice().await, two.invoice().await);
}

/// A harness that does not know the ledger drives it in JSON.
#[tokio::test]
async fn the_bookkeeper_is_reached_through_http() {
    let simulator = simulator();
    let seed = json!({ "documents": [{ "status": "approved", "total": "12", "tax": "2" }] });
    let (_, put_in) = control(&simulator, "POST", "seed", &seed).await;
    let document = &put_in["documents"][0];
    assert_eq!((&document["subtotal"], &document["tax"], &document["vendor_status"]), (&json!("10.00"), &json!("2.00"), &json!("UNPAID")));
    let action = json!({ "action": "void", "document_id": document["id"] });
    let (status, state) = control(&simulator, "POST", "bookkeeper", &action).await;
    assert_eq!((status, &state["documents"][0]["status"]), (200, &json!("voided")));
    assert_eq!(control(&simulator, "POST", "bookkeeper", &action).await.0, 422);
    assert_eq!(control(&simulator, "POST", "bookkeeper", &json!({ "action": "dance" })).await.0, 422);
}
