//! Drafts, release, update, void (published schema, Sales Invoices).

use serde_json::{Value, json};
use simulators::sage::Action;

use crate::support::{Caller, advance, connected, header, id, value};

fn at(invoice: &Value) -> String {
    format!("/sales_invoices/{}", id(invoice))
}

fn head(fields: Value) -> Value {
    json!({ "sales_invoice": fields })
}

async fn lock(caller: &Caller, date: Option<&str>) {
    let organisation = caller.business.clone();
    caller.simulator.bookkeeper(Action::Lock { organisation, date: date.map(|date| date.parse().unwrap()) }).unwrap();
}

/// `displayed_as` is a number only once the invoice is released.
#[tokio::test]
async fn a_draft_has_no_number_until_it_is_released() {
    let caller = connected().await;
    let draft = caller.draft().await;
    assert_eq!((&draft["status"]["id"], &draft["displayed_as"]), (&json!("DRAFT"), &json!("Draft")));
    assert_eq!((&draft["invoice_number"], &draft["invoice_number_prefix"]), (&Value::Null, &Value::Null));
    assert_eq!(caller.simulator.state().documents[0].number, None);
    assert_eq!(caller.get("/invoice_settings").await["next_invoice_number"], 1);
    let released = caller.post(&format!("{}/release", at(&draft)), &Value::Null).await;
    assert_eq!((&released["status"]["id"], &released["displayed_as"]), (&json!("UNPAID"), &json!("SI-1")));
    assert_eq!(caller.get("/invoice_settings").await["next_invoice_number"], 2);
    assert_eq!(caller.invalid("POST", &format!("{}/release", at(&draft)), &Value::Null).await, "status");
    let other = caller.draft().await;
    assert_eq!(caller.refused("POST", &format!("{}/release", at(&other)), &json!({ "x": 1 })).await.0, 501);
    assert_eq!(caller.refused("POST", "/sales_invoices/00000000000000000000000000000000/release", &Value::Null).await.0, 404);
}

/// A draft can be changed in everything.
#[tokio::test]
async fn a_draft_can_be_rewritten() {
    let caller = connected().await;
    let draft = caller.draft().await;
    let zenith = caller.contact("Zenith").await;
    let mut body = caller.body(&zenith, &[("1", "10", "2"), ("3", "5", "3")]).await;
    body["sales_invoice"]["date"] = json!("2026-04-01");
    body["sales_invoice"]["status_id"] = json!("DRAFT");
    let now = caller.put(&at(&draft), &body).await;
    assert_eq!((&now["status"]["id"], &now["contact_name"], &now["date"]), (&json!("DRAFT"), &json!("Zenith"), &json!("2026-04-01")));
    assert_eq!((&now["total_amount"], &now["invoice_number"]), (&json!("30.0"), &Value::Null));
    assert_eq!(caller.simulator.state().documents.len(), 1);
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let caller = connected().await;
    let made = caller.invoice().await;
    advance(&caller.simulator, 10);
    let now = caller.put(&at(&made), &head(json!({ "due_date": "2026-05-01", "reference": null, "notes": "Thanks" }))).await;
    assert_eq!((&now["due_date"], &now["reference"], &now["notes"]), (&json!("2026-05-01"), &Value::Null, &json!("Thanks")));
    assert_eq!((&now["date"], &now["invoice_lines"], &now["displayed_as"]), (&made["date"], &made["invoice_lines"], &made["displayed_as"]));
    assert_ne!(now["updated_at"], made["updated_at"]);
    let zenith = caller.contact("Zenith").await;
    let moved = caller.put(&at(&made), &head(json!({ "contact_id": zenith }))).await;
    assert_eq!((id(&moved["contact"]), &moved["contact_name"]), (zenith, &json!("Zenith")));
    assert_eq!(caller.refused("PUT", &at(&made), &head(json!({ "status_id": "DRAFT" }))).await.0, 501, "never back to draft");
    caller.put(&at(&made), &head(json!({ "status_id": "UNPAID" }))).await;
}

/// Lines with an id keep what is not sent (developer community, "Updating Items on Invoices"), lines left out go, others are new.
#[tokio::test]
async fn lines_are_matched_by_id() {
    let caller = connected().await;
    let contact = caller.contact("Acme Ltd").await;
    let mut body = caller.body(&contact, &[("1", "100", "18"), ("1", "50", "10"), ("1", "25", "5")]).await;
    body["sales_invoice"]["invoice_lines"][0]["discount_amount"] = json!(10);
    let made = caller.post("/sales_invoices", &body).await;
    let ids: Vec<String> = made["invoice_lines"].as_array().unwrap().iter().map(id).collect();
    let fresh = body["sales_invoice"]["invoice_lines"][2].clone();
    let lines = json!([{ "id": ids[2], "description": "Kept" }, { "id": ids[0], "quantity": 1 }, fresh]);
    let now = caller.put(&at(&made), &head(json!({ "invoice_lines": lines }))).await;
    let lines = now["invoice_lines"].as_array().unwrap();
    assert_eq!((id(&lines[0]), id(&lines[1])), (ids[2].clone(), ids[0].clone()));
    assert!(!ids.contains(&id(&lines[2])));
    assert_eq!((&lines[0]["description"], &lines[0]["net_amount"]), (&json!("Kept"), &json!("25.0")));
    assert_eq!(lines[1]["discount_amount"], "10.0", "an omitted optional attribute is not cleared");
    assert_eq!(now["total_amount"], "168.0");
    let cleared = json!([{ "id": ids[0], "discount_amount": null, "tax_amount": 20 }]);
    let now = caller.put(&at(&made), &head(json!({ "invoice_lines": cleared }))).await;
    assert_eq!((&now["invoice_lines"][0]["discount_amount"], &now["total_amount"]), (&json!("0.0"), &json!("120.0")), "null clears it");
    let stale = json!([{ "id": ids[0], "unit_price": 200 }]);
    assert_eq!(caller.invalid("PUT", &at(&made), &head(json!({ "invoice_lines": stale }))).await, "invoice_lines.tax_amount");
    let unknown = json!([{ "id": ids[1], "quantity": 1 }]);
    assert_eq!(caller.refused("PUT", &at(&made), &head(json!({ "invoice_lines": unknown }))).await.0, 404, "removed before");
    assert_eq!(caller.invalid("PUT", &at(&made), &head(json!({ "invoice_lines": [] }))).await, "invoice_lines");
    let twice = json!([{ "id": ids[0] }, { "id": ids[0] }]);
    assert_eq!(caller.refused("PUT", &at(&made), &head(json!({ "invoice_lines": twice }))).await.0, 501);
    let partial = json!([{ "description": "No price" }]);
    assert_eq!(caller.refused("PUT", &at(&made), &head(json!({ "invoice_lines": partial }))).await.0, 501, "a new line needs everything");
}

/// DELETE: a draft goes; an issued invoice is voided, with a reason of at most 200 characters.
#[tokio::test]
async fn void_needs_a_reason_and_a_draft_none() {
    let caller = connected().await;
    let draft = caller.draft().await;
    let gone = caller.send("DELETE", &at(&draft), &Value::Null).await;
    assert_eq!(gone.status(), 200);
    assert!(value(&gone)["deleted_at"].is_string());
    assert_eq!(caller.refused("GET", &format!("{}?mark_as_sent=false", at(&draft)), &Value::Null).await.0, 404);
    assert!(caller.simulator.state().documents.is_empty());
    assert_eq!(caller.get("/sales_invoices?deleted_since=2026-03-09").await["$total"], 1);
    assert_eq!(caller.get("/sales_invoices").await["$total"], 0);
    let made = caller.invoice().await;
    for reason in ["", "?void_reason=", "?void_reason=%20", &format!("?void_reason={}", "x".repeat(201))] {
        assert_eq!(caller.invalid("DELETE", &format!("{}{reason}", at(&made)), &Value::Null).await, "void_reason", "{reason}");
    }
    let path = format!("{}?void_reason=Billed%20twice", at(&made));
    let void = value(&caller.send("DELETE", &path, &Value::Null).await);
    assert_eq!((&void["status"]["id"], &void["void_reason"]), (&json!("VOID"), &json!("Billed twice")));
    assert_eq!((&void["outstanding_amount"], &void["total_amount"], &void["editable"]), (&json!("0.0"), &json!("120.0"), &json!(false)));
    assert_eq!(caller.refused("DELETE", &path, &Value::Null).await.0, 422, "once");
    assert_eq!(caller.refused("PUT", &at(&made), &head(json!({ "notes": "x" }))).await.0, 422);
    assert_eq!(caller.simulator.state().documents[0].status, "voided");
    assert_eq!(caller.get("/sales_invoices?search=CP-1").await["$total"], 1, "a void invoice is found by its reference");
}

/// From memory: not editable once paid, part paid, or in a filed tax return; not voided either.
#[tokio::test]
async fn payments_and_tax_returns_close_an_invoice() {
    let caller = connected().await;
    for (amount, status) in [(Some("20"), "PART_PAID"), (None, "PAID")] {
        let made = caller.invoice().await;
        let pay = Action::Pay { document_id: id(&made), amount: amount.map(|text| text.parse().unwrap()), date: None };
        caller.simulator.bookkeeper(pay).unwrap();
        let read = caller.read(&id(&made)).await;
        assert_eq!((&read["status"]["id"], &read["editable"]), (&json!(status), &json!(false)));
        assert_eq!(caller.refused("PUT", &at(&made), &head(json!({ "notes": "x" }))).await.0, 422);
        assert_eq!(caller.refused("DELETE", &format!("{}?void_reason=x", at(&made)), &Value::Null).await.0, 422);
        caller.simulator.bookkeeper(Action::RemovePayments { document_id: id(&made) }).unwrap();
        caller.put(&at(&made), &head(json!({ "notes": "x" }))).await;
    }
    let filed = caller.invoice().await;
    caller.simulator.bookkeeper(Action::FileTaxReturn { document_id: id(&filed) }).unwrap();
    let read = caller.read(&id(&filed)).await;
    assert_eq!((&read["tax_reconciled"], &read["editable"], &read["status"]["id"]), (&json!(true), &json!(false), &json!("UNPAID")));
    assert_eq!(caller.refused("PUT", &at(&filed), &head(json!({ "notes": "x" }))).await.0, 422);
    assert_eq!(caller.refused("DELETE", &format!("{}?void_reason=x", at(&filed)), &Value::Null).await.0, 422);
}

/// From memory: nothing dated on or before the year end lockdown is written.
#[tokio::test]
async fn the_lockdown_covers_its_own_day() {
    let caller = connected().await;
    let (made, draft) = (caller.invoice().await, caller.draft().await);
    lock(&caller, Some("2026-03-10")).await;
    assert_eq!(caller.get("/financial_settings").await["year_end_lockdown_date"], "2026-03-10");
    let contact = id(&made["contact"]);
    let mut body = caller.body(&contact, &[("2", "50", "20")]).await;
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "date");
    assert_eq!(caller.read(&id(&made)).await["editable"], false);
    assert_eq!(caller.refused("PUT", &at(&made), &head(json!({ "date": "2026-03-11" }))).await.0, 422);
    assert_eq!(caller.invalid("DELETE", &format!("{}?void_reason=x", at(&made)), &Value::Null).await, "date");
    assert_eq!(caller.invalid("POST", &format!("{}/release", at(&draft)), &Value::Null).await, "date");
    body["sales_invoice"]["date"] = json!("2026-03-11");
    let open = caller.post("/sales_invoices", &body).await;
    assert_eq!(caller.invalid("PUT", &at(&open), &head(json!({ "date": "2026-03-10" }))).await, "date");
    lock(&caller, None).await;
    caller.put(&at(&made), &head(json!({ "notes": "x" }))).await;
}

/// Multi-currency: off, a foreign invoice is refused; on, it has its contact's currency and a rate.
#[tokio::test]
async fn currencies() {
    let caller = connected().await;
    let contact = caller.contact("Acme").await;
    let mut body = caller.body(&contact, &[("2", "50", "20")]).await;
    body["sales_invoice"]["currency_id"] = json!("EUR");
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "currency");
    assert_eq!(caller.get("/financial_settings").await["multi_currency_enabled"], false);
    let name = caller.simulator.state().organisations[0].name.clone();
    let seed = json!({ "organisations": [{ "name": name, "currencies": ["EUR"] }] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    assert_eq!(caller.get("/financial_settings").await["multi_currency_enabled"], true);
    let listed = caller.get("/currencies").await;
    assert_eq!((&listed["$items"][0]["id"], &listed["$items"][1]["id"]), (&json!("GBP"), &json!("EUR")));
    let french = id(&caller
        .post("/contacts", &json!({ "contact": { "name": "Durand", "contact_type_ids": ["CUSTOMER"], "currency_id": "EUR" } }))
        .await);
    body["sales_invoice"]["contact_id"] = json!(french);
    body["sales_invoice"]["exchange_rate"] = json!(1.17);
    let made = caller.post("/sales_invoices", &body).await;
    assert_eq!((&made["currency"]["id"], &made["exchange_rate"]), (&json!("EUR"), &json!("1.17")));
    body["sales_invoice"]["exchange_rate"] = json!(0);
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "exchange_rate");
    assert_eq!(caller.simulator.state().documents[0].currency, "EUR");
}

#[tokio::test]
async fn replies_name_the_business_that_answered() {
    let caller = connected().await;
    let ireland = caller.at(1);
    let reply = ireland.send("GET", "/sales_invoices/none?mark_as_sent=false", &Value::Null).await;
    assert_eq!((reply.status().as_u16(), header(&reply, "x-business")), (404, ireland.business.as_str()));
}
