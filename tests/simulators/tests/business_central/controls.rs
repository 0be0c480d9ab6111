//! `/__sim`, seeds, the bookkeeper, snapshots.

use std::sync::Arc;

use http::Request;
use serde_json::{Value, json};
use simulators::business_central::{Action, Simulator, Which};
use simulators::skeleton::calls::Kind;
use simulators::skeleton::simulator::AnyLedger;

use crate::support::*;

async fn control(simulator: &Simulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = whole(answer(simulator, Request::builder().method(method).uri(format!("/__sim/{path}")), &body).await);
    (response.status().as_u16(), value(&response))
}

#[tokio::test]
async fn state_seed_and_reset_through_http() {
    let caller = connected().await;
    let za = &caller.simulator.state().organisations[1].name;
    let seed = json!({
        "contacts": [{ "name": "Acme", "email": "a@b.example", "organisation": za, "number": "C777", "phone": "1" }],
        "documents": [
            { "organisation": za, "number": "PS-1", "reference": "cp-1", "status": "paid", "lines": [{ "description": "x", "quantity": "2", "unit_price": "50" }] },
            { "organisation": za, "total": "115", "tax": "15", "status": "approved", "note": "mark" },
        ],
    });
    let (status, put_in) = control(&caller.simulator, "POST", "seed", &seed).await;
    assert_eq!(status, 200, "{put_in}");
    let (_, state) = control(&caller.simulator, "GET", "state", &Value::Null).await;
    assert_eq!(pick(&state["documents"][0], &["total", "status", "number", "reference"]), json!(["115.00", "paid", "PS-1", "CP-1"]));
    assert_eq!(pick(&state["documents"][1], &["total", "tax", "status", "note"]), json!(["115.00", "15.00", "approved", "mark"]));
    assert_eq!(state["documents"][0]["organisation"], state["organisations"][1]["id"]);
    assert_eq!(state["payments"][0]["document_id"], state["documents"][0]["id"]);
    assert_eq!(pick(&state["contacts"][0], &["email", "number"]), json!(["a@b.example", "C777"]));
    let pay = json!({ "payments": [{ "document_id": state["documents"][1]["id"], "amount": "15", "reference": "P" }] });
    assert_eq!(control(&caller.simulator, "POST", "seed", &pay).await.1["payments"][0]["amount"], "15.00");
    caller.get("customers").await;
    let (_, calls) = control(&caller.simulator, "GET", "calls", &Value::Null).await;
    let last = calls.as_array().unwrap().last().unwrap().clone();
    assert_eq!(pick(&last, &["method", "status", "kind", "organisation"]), json!(["GET", 200, "api", caller.company]));
    assert!(last["bytes"].as_u64().unwrap() > 0 && last["at"].is_string());
    assert!(caller.simulator.calls().iter().any(|call| call.kind == Kind::Oauth));
    control(&caller.simulator, "POST", "limits", &json!({ "minute": 0 })).await;
    control(&caller.simulator, "POST", "reset", &Value::Null).await;
    let state = caller.simulator.state();
    assert!(state.documents.is_empty() && state.contacts.is_empty() && state.payments.is_empty() && caller.simulator.calls().is_empty());
    caller.get("customers").await;
}

/// A seed takes the shape of a state.
#[tokio::test]
async fn a_state_can_be_posted_back() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10.03", "-2.5"]).await;
    caller.post(&format!("salesInvoices({invoice})/salesInvoiceLines"), &json!({ "lineType": "Comment", "description": "Thanks" })).await;
    caller.patch(&format!("salesInvoices({invoice})"), &json!({ "shortcutDimension1Code": "SALES" })).await;
    let posted = caller.invoice("CP-2", &["3.33"]).await;
    caller.act(&format!("salesInvoices({posted})/Microsoft.NAV.post")).await;
    let pay = Action::Pay { document_id: posted.clone(), amount: Some("1".parse().unwrap()), date: None };
    caller.simulator.bookkeeper(pay).unwrap();
    let before = caller.simulator.state();
    caller.simulator.reset();
    let (status, reply) = control(&caller.simulator, "POST", "seed", &serde_json::to_value(&before).unwrap()).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(caller.simulator.state(), before);
}

#[tokio::test]
async fn a_seed_that_contradicts_itself_changes_nothing() {
    let simulator = simulator();
    for seed in [
        json!({ "contacts": [{ "name": "A", "number": "1" }, { "name": "B", "number": "1" }] }),
        json!({ "contacts": [{ "name": "A", "supplier": true }] }),
        json!({ "contacts": [{ "name": "A", "currency": "XXX" }] }),
        json!({ "contacts": [{ "name": "A", "organisation": "nobody" }] }),
        json!({ "contacts": [{ "name": "" }] }),
        json!({ "documents": [{ "number": "1" }, { "number": "1" }] }),
        json!({ "documents": [{ "contact_id": "00000000-0000-4000-8000-000000000001" }] }),
        json!({ "documents": [{ "total": "100", "tax": "33" }] }),
        json!({ "documents": [{ "url": "https://app.example" }] }),
        json!({ "documents": [{ "status": "lost" }] }),
        json!({ "documents": [{ "lines": [{ "description": "x", "unit_price": "1", "tax_type": "VAT15" }] }] }),
        json!({ "payments": [{ "document_id": "00000000-0000-4000-8000-000000000001" }] }),
        json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "preferences": { "surprise": true } }] }),
        json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "accounts": [{ "number": "1", "displayName": "A", "category": "Wishes" }] }] }),
        json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "pays_tax": false }] }),
        json!({ "surprise": [] }),
    ] {
        let before = simulator.state();
        let (status, reply) = control(&simulator, "POST", "seed", &seed).await;
        assert_eq!(status, 422, "{seed}: {reply}");
        assert_eq!(simulator.state(), before);
    }
    assert_eq!(control(&simulator, "GET", "nothing", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_new_company_with_its_own_facts() {
    let simulator = simulator();
    let seed = json!({ "organisations": [{
        "name": "Third Ltd", "country": "IE", "currency": "EUR", "edition": "Dublin", "currencies": ["USD", "EUR", "JPY"],
        "period_lock_date": "2026-01-31",
        "tax_codes": [{ "code": "S23", "displayName": "23%" }],
        "tax_rates": [{ "business": "DOMESTIC", "product": "S23", "percent": "23", "identifier": "S23" }],
        "accounts": [{ "number": "7000", "displayName": "Fees", "category": "Income", "genProdPostingGroup": "SERVICES", "vatProdPostingGroup": "S23" }],
        "items": [{ "number": "DAY", "displayName": "A day", "type": "Non-Inventory", "unitPrice": "500", "generalProductPostingGroupCode": "SERVICES", "vatProdPostingGroup": "S23" }],
        "preferences": { "manual_customer_numbers": true, "customer_template": { "payment_terms": "30 DAYS" } },
    }] });
    let (status, reply) = control(&simulator, "POST", "seed", &seed).await;
    assert_eq!(status, 200, "{reply}");
    let mut caller = connect(simulator, simulators::skeleton::consent::Consent::approve()).await.at(3);
    caller.environment = "Dublin".to_owned();
    let customer = caller.post("customers", &json!({ "displayName": "Acme", "number": "c-1" })).await;
    assert_eq!(customer["number"], "C-1");
    assert_eq!(
        caller.refused("POST", "customers", &json!({ "displayName": "B", "number": "C-1" })).await.1,
        "Internal_EntityWithSameKeyExists"
    );
    let invoice = caller.post("salesInvoices", &json!({ "customerId": customer["id"] })).await;
    assert_eq!(pick(&invoice, &["currencyCode", "dueDate"]), json!(["EUR", "2026-04-09"]));
    let lines = format!("salesInvoices({})/salesInvoiceLines", invoice["id"].as_str().unwrap());
    let line = caller.post(&lines, &json!({ "lineType": "Item", "lineObjectNumber": "DAY", "quantity": 1 })).await;
    assert_eq!(pick(&line, &["taxPercent", "amountIncludingTax"]), json!([23, 615]));
    assert_eq!(caller.get("generalLedgerSetup").await["value"][0]["allowPostingFrom"], "2026-02-01");
    assert_eq!(caller.found("items", "type eq 'Non_x002D_Inventory'").await.len(), 1);
}

#[tokio::test]
async fn the_bookkeeper_works_by_the_same_rules() {
    let caller = connected().await;
    let id = caller.invoice("CP-1", &["10"]).await;
    let document = || caller.simulator.state().documents.into_iter().find(|document| document.id == id);
    let act = async |action: Value| control(&caller.simulator, "POST", "bookkeeper", &action).await;
    let with = |action: &str, more: Value| {
        let mut all = json!({ "action": action, "document_id": id });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    assert_eq!(act(with("void", json!({}))).await.0, 422, "a draft is deleted, not cancelled");
    assert_eq!(act(with("pay", json!({}))).await.0, 422, "trap 4: post first");
    let path = format!("salesInvoices({id})");
    let etag = caller.get(&path).await["@odata.etag"].clone();
    let edit = json!({ "line": 0, "unit_price": "20", "description": "Theirs", "tracking": ["PROJECT: NORTH"], "account": "8450", "tax_type": "REDUCED" });
    assert_eq!(act(with("edit_line", edit)).await.0, 200);
    assert_ne!(caller.get(&path).await["@odata.etag"], etag);
    assert_eq!(act(with("add_line", json!({ "description": "More", "quantity": "1", "unit_price": "5" }))).await.0, 200);
    let now = document().unwrap();
    assert_eq!((now.total.to_string().as_str(), now.lines[0].tracking[0].as_str()), ("27.00", "PROJECT: NORTH"));
    assert_eq!((now.lines[0].account.as_deref(), now.lines[0].tax_type.as_deref()), (Some("8450"), Some("REDUCED")));
    assert_eq!(act(with("remove_line", json!({ "line": now.lines[1].id }))).await.0, 200);
    assert_eq!(act(with("edit_line", json!({ "line": 5 }))).await.0, 422);
    assert_eq!(act(with("edit_line", json!({ "line": 0, "account": "6120" }))).await.0, 422, "blocked");
    assert_eq!(act(with("edit_document", json!({ "dimension": "NOPE" }))).await.0, 422);
    assert_eq!(act(with("edit_document", json!({ "due_date": "2026-06-01", "reference": "po 7", "dimension": "ADM" }))).await.0, 200);
    assert_eq!(document().unwrap().reference.as_deref(), Some("PO 7"));
    assert_eq!(act(with("approve", json!({}))).await.0, 200);
    assert_eq!(act(with("approve", json!({}))).await.0, 422);
    assert_eq!(act(with("delete", json!({}))).await.0, 422);
    assert_eq!(act(with("edit_document", json!({ "reference": "x" }))).await.0, 422);
    assert_eq!(act(with("edit_document", json!({ "due_date": "2026-07-01" }))).await.0, 200);
    assert_eq!(act(with("pay", json!({ "amount": "25" }))).await.0, 422, "more than is due");
    assert_eq!(act(with("pay", json!({}))).await.0, 200);
    assert_eq!(document().unwrap().status, "paid");
    assert_eq!(act(with("void", json!({}))).await.0, 422);
    let locked = Action::EditLine {
        document_id: id.clone(),
        line: Which::Position(0),
        description: None,
        quantity: Some("2".parse().unwrap()),
        unit_price: None,
        account: None,
        tax_type: None,
        tracking: None,
    };
    assert!(caller.simulator.bookkeeper(locked).is_err());
    let other = caller.invoice("CP-2", &["10"]).await;
    assert_eq!(act(json!({ "action": "delete", "document_id": other })).await.0, 200);
    assert_eq!(caller.simulator.state().documents.len(), 1);
    assert_eq!(act(json!({ "action": "dance" })).await.0, 422);
    assert_eq!(act(json!({ "action": "rename_environment", "environment": "Nowhere", "name": "x" })).await.0, 422);
}

#[tokio::test]
async fn a_snapshot_brings_everything_back() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["0.00001", "25.06"]).await;
    let kept = caller.simulator.snapshot();
    let before = caller.simulator.state();
    let fresh = Caller { simulator: simulator(), refresh: String::new(), ..caller };
    fresh.simulator.restore(kept).unwrap();
    assert_eq!(fresh.simulator.state(), before);
    let shown = fresh.get(&format!("salesInvoices({invoice})?$expand=salesInvoiceLines")).await;
    assert_eq!(shown["totalAmountExcludingTax"].to_string(), "25.06");
    let raw = text(&fresh.send("GET", &format!("salesInvoices({invoice})?$expand=salesInvoiceLines"), &Value::Null).await);
    assert!(raw.contains("\"unitPrice\":0.00001,"));
    assert!(fresh.simulator.restore(json!({ "no": "world" })).is_err());
    assert_eq!(fresh.simulator.state(), before);
}

/// The same history gives the same answers, also to a harness that does not know which ledger it holds.
#[tokio::test]
async fn histories_replay() {
    let history = async || {
        let caller = connected().await;
        let invoice = caller.invoice("CP-1", &["10"]).await;
        let any: Arc<dyn AnyLedger> = Arc::new(caller.simulator.clone());
        assert_eq!(any.state(), caller.simulator.state());
        any.bookkeeper(&json!({ "action": "approve", "document_id": invoice })).unwrap();
        (caller.access.clone(), caller.get(&format!("salesInvoices({invoice})")).await.to_string())
    };
    assert_eq!(history().await, history().await);
}

/// The chaos harness replays tens of thousands of calls: a write must stay far below a millisecond, also with many records.
#[tokio::test]
async fn writes_stay_fast_among_many_records() {
    let caller = connected().await;
    control(&caller.simulator, "POST", "limits", &json!({ "minute": 1_000_000 })).await;
    let customer = caller.customer("Acme").await;
    let begun = tokio::time::Instant::now();
    for count in 0..1000 {
        assert!(caller.found("salesInvoices", &format!("externalDocumentNumber eq 'CP-{count}'")).await.is_empty());
        let invoice = caller.draft(&customer, &format!("CP-{count}")).await;
        caller.line(&invoice, 10_000, "10").await;
    }
    let each = begun.elapsed() / 3000;
    println!("one call among 1000 invoices: {each:?}");
    assert!(each < std::time::Duration::from_millis(5), "{each:?} each, unoptimised");
}
