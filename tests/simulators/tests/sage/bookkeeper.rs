//! What a person does inside Sage, and what the app then meets.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulators::sage::{Action, Which};

use crate::support::{connected, id};

fn act(action: Value) -> Action {
    serde_json::from_value(action).unwrap()
}

#[tokio::test]
async fn lines_change_with_their_tax() {
    let caller = connected().await.at(1);
    let contact = caller.contact("Acme").await;
    let mut body = caller.body(&contact, &[("2", "50", "23")]).await;
    body["sales_invoice"]["invoice_lines"][0]["tax_rate_id"] = json!("IE_STANDARD");
    let made = id(&caller.post("/sales_invoices", &body).await);
    let edit =
        json!({ "action": "edit_line", "document_id": made, "line": 0, "account": "4010", "unit_price": "60", "tax_type": "IE_REDUCED" });
    caller.simulator.bookkeeper(act(edit)).unwrap();
    caller
        .simulator
        .bookkeeper(act(json!({ "action": "add_line", "document_id": made, "description": "Travel", "quantity": "1", "unit_price": "10" })))
        .unwrap();
    caller
        .simulator
        .bookkeeper(act(json!({ "action": "edit_document", "document_id": made, "due_date": "2026-06-01", "reference": "mine" })))
        .unwrap();
    let now = caller.read(&made).await;
    let lines = &now["invoice_lines"];
    assert_eq!((&lines[0]["ledger_account"]["displayed_as"], &lines[0]["tax_amount"]), (&json!("Consulting (4010)"), &json!("16.2")));
    assert_eq!((&lines[1]["description"], &lines[1]["tax_rate"]["id"]), (&json!("Travel"), &json!("IE_STANDARD")));
    assert_eq!((&now["total_amount"], &now["due_date"], &now["reference"]), (&json!("148.5"), &json!("2026-06-01"), &json!("mine")));
    let first = Which::Id(id(&lines[0]));
    caller.simulator.bookkeeper(Action::RemoveLine { document_id: made.clone(), line: first }).unwrap();
    assert_eq!(caller.read(&made).await["total_amount"], "12.3");
    for refused in [
        json!({ "action": "remove_line", "document_id": made, "line": 0 }),
        json!({ "action": "edit_line", "document_id": made, "line": 7 }),
        json!({ "action": "edit_line", "document_id": made, "line": 0, "account": "5000" }),
        json!({ "action": "edit_line", "document_id": made, "line": 0, "tax_type": "GB_STANDARD" }),
        json!({ "action": "edit_document", "document_id": made, "contact_id": made }),
        json!({ "action": "void", "document_id": contact }),
    ] {
        assert!(caller.simulator.bookkeeper(act(refused.clone())).is_err(), "{refused}");
    }
}

#[tokio::test]
async fn drafts_are_released_and_deleted_invoices_voided_and_paid() {
    let caller = connected().await;
    let (draft, other) = (id(&caller.draft().await), id(&caller.draft().await));
    let run = |name: &str, document: &str| caller.simulator.bookkeeper(act(json!({ "action": name, "document_id": document })));
    assert!(run("void", &draft).is_err(), "a draft is deleted");
    run("release", &draft).unwrap();
    assert!(run("approve", &draft).is_err() && run("delete", &draft).is_err());
    run("delete", &other).unwrap();
    assert_eq!(caller.refused("GET", &format!("/sales_invoices/{other}"), &Value::Null).await.0, 404);
    assert!(run("pay", &other).is_err());
    run("file_tax_return", &draft).unwrap();
    assert!(run("void", &draft).is_err(), "its tax return was filed");
    let made = id(&caller.invoice().await);
    let pay = |amount: i64| Action::Pay { document_id: made.clone(), amount: Some(Decimal::from(amount)), date: None };
    caller.simulator.bookkeeper(pay(20)).unwrap();
    assert!(caller.simulator.bookkeeper(pay(101)).is_err(), "more than is open");
    assert!(run("void", &made).is_err());
    let edit = json!({ "action": "edit_line", "document_id": made, "line": 0, "quantity": "3" });
    assert!(caller.simulator.bookkeeper(act(edit)).is_err(), "part paid");
    run("remove_payments", &made).unwrap();
    run("void", &made).unwrap();
    assert_eq!(caller.read(&made).await["void_reason"], "Voided in Sage");
    assert!(run("void", &made).is_err());
    let twice = act(json!({ "action": "file_tax_return", "document_id": made }));
    assert!(caller.simulator.bookkeeper(twice).is_err(), "a void invoice is in no return");
}

#[tokio::test]
async fn contacts_are_renamed_and_made_inactive() {
    let caller = connected().await;
    let invoice = caller.invoice().await;
    let contact = id(&invoice["contact"]);
    let rename =
        json!({ "action": "edit_contact", "contact_id": contact, "name": "Acme Holdings", "email": "x@acme.example", "number": "A1" });
    caller.simulator.bookkeeper(act(rename)).unwrap();
    let now = caller.get(&format!("/contacts/{contact}")).await;
    assert_eq!((&now["name"], &now["email"], &now["reference"]), (&json!("Acme Holdings"), &json!("x@acme.example"), &json!("A1")));
    assert_eq!(caller.read(&id(&invoice)).await["contact_name"], "Acme Ltd", "the invoice keeps the name it was made with");
    let zenith = caller.contact("Zenith").await;
    assert!(caller.simulator.bookkeeper(act(json!({ "action": "edit_contact", "contact_id": zenith, "number": "a1" }))).is_err());
    caller.simulator.bookkeeper(act(json!({ "action": "deactivate_contact", "contact_id": contact }))).unwrap();
    assert_eq!(caller.get("/contacts?filter_inactive_contacts=true").await["$total"], 1);
    assert!(caller.simulator.bookkeeper(act(json!({ "action": "archive_contact", "contact_id": id(&invoice) }))).is_err());
}

#[tokio::test]
async fn the_lock_stops_the_bookkeeper_too() {
    let caller = connected().await;
    let made = id(&caller.invoice().await);
    let name = caller.simulator.state().organisations[0].name.clone();
    caller.simulator.bookkeeper(act(json!({ "action": "lock", "organisation": name, "date": "2026-03-31" }))).unwrap();
    for refused in [
        json!({ "action": "void", "document_id": made }),
        json!({ "action": "edit_document", "document_id": made, "due_date": "2026-06-01" }),
        json!({ "action": "pay", "document_id": made, "date": "2026-03-31" }),
        json!({ "action": "lock", "organisation": "Nobody Ltd" }),
    ] {
        assert!(caller.simulator.bookkeeper(act(refused.clone())).is_err(), "{refused}");
    }
    caller.simulator.bookkeeper(act(json!({ "action": "pay", "document_id": made, "date": "2026-04-01" }))).unwrap();
}
