//! Customer receipts (published schema, Contact Payments).

use serde_json::{Value, json};

use crate::support::{Caller, connected, id};

async fn receipt(caller: &Caller, invoice: &Value, amount: &str) -> Value {
    let bank = caller.get("/bank_accounts").await;
    let amount: Value = serde_json::from_str(amount).unwrap();
    json!({ "contact_payment": {
        "transaction_type_id": "CUSTOMER_RECEIPT", "contact_id": invoice["contact"]["id"], "bank_account_id": bank["$items"][0]["id"],
        "date": "2026-03-12", "total_amount": amount, "reference": "CP-pay-1",
        "allocated_artefacts": [{ "artefact_id": invoice["id"], "amount": amount }],
    } })
}

#[tokio::test]
async fn a_receipt_pays_an_invoice_in_parts_and_in_full() {
    let caller = connected().await;
    let invoice = caller.invoice().await;
    let first = caller.post("/contact_payments", &receipt(&caller, &invoice, "50").await).await;
    assert_eq!((&first["total_amount"], &first["reference"]), (&json!("50.0"), &json!("CP-pay-1")));
    assert_eq!(
        (&first["allocated_artefacts"][0]["artefact"]["id"], &first["transaction_type"]["id"]),
        (&invoice["id"], &json!("CUSTOMER_RECEIPT"))
    );
    let part = caller.read(&id(&invoice)).await;
    assert_eq!(
        (&part["status"]["id"], &part["outstanding_amount"], &part["total_paid"]),
        (&json!("PART_PAID"), &json!("70.0"), &json!("50.0"))
    );
    let second = caller.post("/contact_payments", &receipt(&caller, &invoice, "70").await).await;
    let paid = caller.read(&id(&invoice)).await;
    assert_eq!(
        (&paid["status"]["id"], &paid["outstanding_amount"], &paid["last_paid"]),
        (&json!("PAID"), &json!("0.0"), &json!("2026-03-12"))
    );
    let allocations = paid["payments_allocations"].as_array().unwrap();
    assert_eq!((allocations.len(), &allocations[1]["contact_payment"]["id"]), (2, &second["id"]));
    assert_eq!(allocations[1]["contact_payment"]["reference"], "CP-pay-1", "with nested_attributes=all");
    assert!(caller.get(&format!("/sales_invoices/{}?mark_as_sent=false", id(&invoice))).await.get("payments_allocations").is_none());
    let state = caller.simulator.state();
    assert_eq!((state.payments.len(), state.documents[0].status.as_str()), (2, "paid"));
    assert_eq!(state.payments[0].document_id, id(&invoice));
    let listed = caller.get(&format!("/contact_payments?contact_id={}&attributes=all&sort=created_at:desc", id(&invoice["contact"]))).await;
    assert_eq!((&listed["$total"], &listed["$items"][0]["total_amount"]), (&json!(2), &json!("70.0")));
    assert_eq!(caller.get(&format!("/contact_payments/{}", id(&first))).await, first);
}

/// There is no key: a repeated call makes a second payment while enough is open.
#[tokio::test]
async fn a_repeated_payment_is_a_second_payment_until_nothing_is_open() {
    let caller = connected().await;
    let invoice = caller.invoice().await;
    let body = receipt(&caller, &invoice, "60").await;
    caller.post("/contact_payments", &body).await;
    caller.post("/contact_payments", &body).await;
    assert_eq!(caller.simulator.state().payments.len(), 2);
    assert_eq!(caller.invalid("POST", "/contact_payments", &body).await, "allocated_artefacts.amount");
}

#[tokio::test]
async fn one_receipt_can_pay_two_invoices_and_leaves_with_both() {
    let caller = connected().await;
    let contact = caller.contact("Acme Ltd").await;
    let body = caller.body(&contact, &[("2", "50", "20")]).await;
    let (one, two) = (caller.post("/sales_invoices", &body).await, caller.post("/sales_invoices", &body).await);
    let mut both = receipt(&caller, &one, "150").await;
    both["contact_payment"]["allocated_artefacts"] =
        json!([{ "artefact_id": one["id"], "amount": 120 }, { "artefact_id": two["id"], "amount": 30 }]);
    let payment = caller.post("/contact_payments", &both).await;
    let status = async |invoice: &Value| caller.read(&id(invoice)).await["status"]["id"].clone();
    assert_eq!((status(&one).await, status(&two).await), (json!("PAID"), json!("PART_PAID")));
    assert_eq!(caller.simulator.state().payments.len(), 2, "one entry for each invoice");
    caller.send("DELETE", &format!("/contact_payments/{}", id(&payment)), &Value::Null).await;
    assert_eq!((status(&one).await, status(&two).await), (json!("UNPAID"), json!("UNPAID")));
    both["contact_payment"]["allocated_artefacts"] =
        json!([{ "artefact_id": one["id"], "amount": 75 }, { "artefact_id": one["id"], "amount": 75 }]);
    assert_eq!(caller.refused("POST", "/contact_payments", &both).await.0, 501, "the same invoice twice");
}

#[tokio::test]
async fn a_removed_payment_opens_the_invoice() {
    let caller = connected().await;
    let invoice = caller.invoice().await;
    let payment = caller.post("/contact_payments", &receipt(&caller, &invoice, "120").await).await;
    let path = format!("/contact_payments/{}", id(&payment));
    assert_eq!(caller.send("DELETE", &path, &Value::Null).await.status(), 204);
    assert_eq!(caller.read(&id(&invoice)).await["status"]["id"], "UNPAID");
    assert_eq!(caller.refused("DELETE", &path, &Value::Null).await.0, 404);
    assert_eq!(caller.refused("GET", &path, &Value::Null).await.0, 404);
    assert!(caller.simulator.state().payments.is_empty());
    assert_eq!(caller.get("/contact_payments?deleted_since=2026-03-09").await["$total"], 1);
}

/// postContactPayments: required fields, and what a receipt can be for.
#[tokio::test]
async fn a_receipt_has_its_rules() {
    let caller = connected().await;
    let (invoice, draft) = (caller.invoice().await, caller.draft().await);
    let good = receipt(&caller, &invoice, "10").await;
    for name in ["transaction_type_id", "contact_id", "bank_account_id", "date", "total_amount"] {
        let mut body = good.clone();
        body["contact_payment"].as_object_mut().unwrap().remove(name);
        assert_eq!(caller.invalid("POST", "/contact_payments", &body).await, name);
    }
    let with = |name: &str, sent: Value| {
        let mut body = good.clone();
        body["contact_payment"][name] = sent;
        body
    };
    let to = |id: &Value, amount: i64| json!([{ "artefact_id": id, "amount": amount }]);
    let refusals = [
        (with("reference", json!("x".repeat(26))), 422),
        (with("total_amount", json!(0)), 422),
        (with("total_amount", json!(5)), 422),
        (with("total_amount", json!(10.001)), 422),
        (with("total_amount", json!(20)), 501),
        (with("allocated_artefacts", to(&invoice["id"], 0)), 422),
        (with("allocated_artefacts", to(&draft["id"], 10)), 404),
        (with("allocated_artefacts", to(&json!("x"), 10)), 404),
        (with("bank_account_id", invoice["id"].clone()), 404),
        (with("contact_id", invoice["id"].clone()), 404),
        (with("transaction_type_id", json!("CUSTOMER_REFUND")), 501),
        (with("payment_method_id", json!("CASH")), 501),
    ];
    for (body, status) in refusals {
        assert_eq!(caller.refused("POST", "/contact_payments", &body).await.0, status, "{body}");
    }
    let own = receipt(&caller, &draft, "10").await;
    assert_eq!(caller.invalid("POST", "/contact_payments", &own).await, "allocated_artefacts", "a draft takes no payment");
    assert!(caller.simulator.state().payments.is_empty());
    let organisation = caller.business.clone();
    let lock = json!({ "organisations": [{ "id": organisation, "end_of_year_lock_date": "2026-03-12" }] });
    caller.simulator.seed(&serde_json::from_value(lock).unwrap()).unwrap();
    assert_eq!(caller.invalid("POST", "/contact_payments", &good).await, "date");
}

#[tokio::test]
async fn bank_accounts() {
    let caller = connected().await;
    let banks = caller.get("/bank_accounts?attributes=all&filter_inactive_bank_accounts=true").await;
    let bank = &banks["$items"][0];
    assert_eq!((&banks["$total"], &bank["currency"]["id"], &bank["is_active"]), (&json!(1), &json!("GBP"), &json!(true)));
    assert_eq!(caller.get(&format!("/bank_accounts/{}", id(bank))).await["displayed_as"], "Current (1200)");
    assert_eq!(caller.refused("GET", "/bank_accounts/x", &Value::Null).await.0, 404);
}
