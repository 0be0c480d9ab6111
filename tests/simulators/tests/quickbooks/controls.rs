//! Controls, seeds and the bookkeeper.

use serde_json::{Value, json};
use simulators::quickbooks::{Action, Simulator};
use simulators::skeleton::state::Seed;

use crate::support::{aimed, body, gb, line, number, seed, simulator, us};

#[tokio::test]
async fn out_of_the_box_there_are_a_british_and_an_american_company() {
    let simulator = simulator();
    let organisations = simulator.state().organisations;
    let facts: Vec<(&str, &str)> = organisations.iter().map(|one| (one.country.as_str(), one.currency.as_str())).collect();
    assert_eq!(facts, [("GB", "GBP"), ("US", "USD")]);
    assert_ne!(organisations[0].id, organisations[1].id);
    assert!(organisations.iter().all(|one| one.id.len() == 19 && one.id.starts_with("9130")));
}

#[tokio::test]
async fn a_seed_puts_records_in_and_a_state_can_be_posted_back() {
    let caller = gb().await;
    let planted = seed(
        &caller.simulator,
        json!({
            "contacts": [{ "id": "77", "name": "Acme Ltd", "email": "a@acme.example" }],
            "documents": [
                { "contact_id": "77", "number": "INV-1", "note": "mine", "lines": [{ "description": "Work", "quantity": "2", "unit_price": "5", "tax_type": "20.0% S", "account": "Services", "tracking": ["Class: South"] }] },
                { "contact_id": "77", "number": "INV-2", "status": "paid", "total": "12", "tax": "2" },
                { "number": "INV-3", "status": "voided", "total": "10" },
            ],
            "payments": [],
        }),
    );
    assert_eq!(planted.documents.iter().map(|one| one.status.as_str()).collect::<Vec<_>>(), ["approved", "paid", "voided"]);
    assert_eq!(planted.documents[0].total.to_string(), "12.00");
    let found = caller.query("select * from Invoice where DocNumber = 'INV-1'").await["Invoice"][0].clone();
    assert_eq!((&found["CustomerRef"]["value"], &found["Balance"]), (&json!("77"), &number("12.00")));
    let pay = json!({ "payments": [{ "document_id": planted.documents[0].id, "amount": "3", "reference": "r", "note": "n" }] });
    assert_eq!(seed(&caller.simulator, pay).payments[0].amount.to_string(), "3.00");
    let state = caller.simulator.state();
    let mut back = serde_json::to_value(&state).unwrap();
    back["payments"] = json!([]);
    let other = simulator();
    let replanted = other.seed(&serde_json::from_value::<Seed>(back).unwrap()).unwrap();
    assert_eq!(replanted.contacts.len(), state.contacts.len());
    assert_eq!(replanted.documents[0].lines[0].tracking, ["Class: South"]);
}

#[tokio::test]
async fn a_seed_that_cannot_be_puts_nothing_in() {
    let caller = gb().await;
    seed(&caller.simulator, json!({ "contacts": [{ "id": "77", "name": "Acme" }] }));
    let before = caller.simulator.snapshot();
    for bad in [
        json!({ "contacts": [{ "name": "New" }, { "name": "Acme" }] }),
        json!({ "contacts": [{ "id": "77", "name": "Other" }] }),
        json!({ "contacts": [{ "name": "" }] }),
        json!({ "contacts": [{ "name": "x", "number": "1" }] }),
        json!({ "contacts": [{ "name": "x", "status": "merged" }] }),
        json!({ "documents": [{ "status": "draft", "total": "1" }] }),
        json!({ "documents": [{ "contact_id": "404", "total": "1" }] }),
        json!({ "documents": [{ "reference": "r", "total": "1" }] }),
        json!({ "documents": [{ "currency": "EUR", "total": "1" }] }),
        json!({ "documents": [{ "total": "10", "tax": "3" }] }),
        json!({ "documents": [{ "organisation": "Nobody", "total": "1" }] }),
        json!({ "documents": [{ "lines": [{ "unit_price": "1", "account": "Nothing" }] }] }),
        json!({ "documents": [{ "lines": [{ "unit_price": "1", "tax_type": "99%" }] }] }),
        json!({ "documents": [{ "lines": [{ "unit_price": "1", "discount_percent": "5" }] }] }),
        json!({ "payments": [{ "document_id": "404" }] }),
        json!({ "organisations": [{ "country": "FR" }] }),
        json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "preferences": { "Nonsense": true } }] }),
        json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "items": [{ "Id": "9", "Name": "x", "IncomeAccount": "404" }] }] }),
        json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "tax_codes": [{ "Id": "9", "Name": "x", "Rates": ["404"] }] }] }),
        json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "edition": "PLUS" }] }),
    ] {
        assert!(caller.simulator.seed(&serde_json::from_value::<Seed>(bad.clone()).unwrap()).is_err(), "{bad}");
        assert_eq!(caller.simulator.snapshot(), before, "{bad}");
    }
}

#[tokio::test]
async fn a_reset_keeps_companies_and_consent_and_a_snapshot_keeps_everything() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let made = caller.invoice(&body(&customer, "CP-1", vec![line("1", "10", "10", "2")])).await;
    caller.post("customer?requestid=r", &json!({ "DisplayName": "Kept" })).await;
    let snapshot = caller.simulator.snapshot();
    assert!(snapshot.get("faults").is_some(), "members that every world has are at the top");
    caller.simulator.reset();
    assert!(caller.simulator.state().documents.is_empty() && caller.simulator.calls().is_empty());
    caller.get("preferences").await;
    caller.simulator.restore(snapshot.clone()).unwrap();
    assert_eq!(caller.simulator.snapshot(), snapshot);
    assert_eq!(caller.get(&format!("invoice/{}", made["Id"].as_str().unwrap())).await["Invoice"], made);
    assert_eq!(caller.post("customer?requestid=r", &json!({ "DisplayName": "Other" })).await["Customer"]["DisplayName"], "Kept");
    assert!(caller.simulator.restore(json!({})).is_err());
}

#[tokio::test]
async fn the_bookkeeper_changes_documents_and_every_change_makes_the_token_stale() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let other = caller.customer("Other").await;
    let made = caller.invoice(&body(&customer, "CP-1", vec![line("1", "10", "10", "2")])).await;
    let id = made["Id"].clone();
    let path = format!("invoice/{}", id.as_str().unwrap());
    let second = json!({ "name": "Harbour & Hill Ltd", "accounts": [{ "Id": "9", "Name": "Design", "AccountType": "Income" }], "items": [{ "Id": "9", "Name": "Design work", "IncomeAccount": "9" }] });
    seed(&caller.simulator, json!({ "organisations": [second] }));
    let actions = [
        json!({ "action": "edit_line", "line": 0, "description": "Changed", "quantity": "2", "account": "Design", "tax_type": "5.0% R", "tracking": ["Class: North"] }),
        json!({ "action": "add_line", "description": "More", "quantity": "1", "unit_price": "7" }),
        json!({ "action": "edit_line", "line": "1", "unit_price": "11" }),
        json!({ "action": "remove_line", "line": 1 }),
        json!({ "action": "edit_document", "due_date": "2026-06-01", "issue_date": "2026-03-09", "number": "CP-X", "note": "", "contact_id": other }),
    ];
    for (position, mut action) in actions.into_iter().enumerate() {
        action["document_id"] = id.clone();
        caller.act(action);
        assert_eq!(caller.get(&path).await["Invoice"]["SyncToken"], (position + 1).to_string());
    }
    let after = caller.get(&path).await["Invoice"].clone();
    let detail = &after["Line"][0]["SalesItemLineDetail"];
    assert_eq!((&detail["ItemAccountRef"]["name"], &detail["ClassRef"]["name"]), (&json!("Design"), &json!("North")));
    assert_eq!((&after["TotalAmt"], &after["DueDate"], &after["DocNumber"]), (&number("23.10"), &json!("2026-06-01"), &json!("CP-X")));
    assert!(after.get("PrivateNote").is_none(), "the mark can be lost");
    assert_eq!(after["CustomerRef"]["value"], other);
    caller.act(json!({ "action": "void", "document_id": id }));
    assert_eq!(caller.get(&path).await["Invoice"]["TotalAmt"], number("0.00"));
}

fn refused(simulator: &Simulator, action: &Value) {
    let before = simulator.snapshot();
    assert!(simulator.bookkeeper(serde_json::from_value::<Action>(action.clone()).unwrap()).is_err(), "{action}");
    assert_eq!(simulator.snapshot(), before, "{action}");
}

#[tokio::test]
async fn what_quickbooks_would_not_let_a_person_do_is_refused() {
    let caller = gb().await;
    let (one, two) = (caller.customer("One").await, caller.customer("Two").await);
    let made = caller.invoice(&body(&one, "CP-1", vec![line("1", "10", "10", "2")])).await;
    let id = &made["Id"];
    for action in [
        json!({ "action": "void", "document_id": "404" }),
        json!({ "action": "remove_line", "document_id": id, "line": 0 }),
        json!({ "action": "edit_line", "document_id": id, "line": 9, "description": "x" }),
        json!({ "action": "edit_line", "document_id": id, "line": 0, "unit_price": "-1" }),
        json!({ "action": "edit_line", "document_id": id, "line": 0, "tracking": ["Class: West"] }),
        json!({ "action": "edit_document", "document_id": id, "contact_id": "404" }),
        json!({ "action": "edit_contact", "contact_id": one, "name": "Two" }),
        json!({ "action": "merge_contact", "contact_id": one, "into": one }),
        json!({ "action": "merge_contact", "contact_id": one, "into": "404" }),
        json!({ "action": "archive_contact", "contact_id": "404" }),
        json!({ "action": "set_item", "organisation": "Nobody", "item": "1", "active": true }),
    ] {
        refused(&caller.simulator, &action);
    }
    caller.act(json!({ "action": "pay", "document_id": id }));
    refused(&caller.simulator, &json!({ "action": "edit_document", "document_id": id, "contact_id": two }));
    caller.act(json!({ "action": "deposit", "document_id": id }));
    refused(&caller.simulator, &json!({ "action": "void", "document_id": id }));
    refused(&caller.simulator, &json!({ "action": "remove_payments", "document_id": id }));
    caller.act(json!({ "action": "close_books", "organisation": caller.realm, "until": "2026-12-31" }));
    refused(&caller.simulator, &json!({ "action": "edit_document", "document_id": id, "due_date": "2026-06-01" }));
    assert!(serde_json::from_value::<Action>(json!({ "action": "approve", "document_id": id })).is_err(), "there are no drafts");
}

#[tokio::test]
async fn companies_do_not_share_records_and_ids_name_one_of_them() {
    let (uk, america) = (gb().await, us().await);
    let american = america.customer("Acme").await;
    assert_ne!(uk.customer("Acme").await, american);
    let made = america.post("customer", &json!({ "DisplayName": "Two" })).await["Customer"].clone();
    assert_eq!(uk.code("POST", "customer", &aimed(&made, json!({ "sparse": true, "Notes": "x" }))).await, "610");
}
