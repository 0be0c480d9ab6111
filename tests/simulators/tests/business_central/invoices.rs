//! Heads of invoices (vendor notes, sections 5 and 10).

use serde_json::{Value, json};
use simulators::business_central::Action;

use crate::support::*;

#[tokio::test]
async fn a_draft_is_made_from_the_card_and_what_is_sent() {
    let caller = connected().await;
    let sent =
        json!({ "displayName": "Acme Ltd", "email": "a@b.example", "addressLine1": "1 High St", "city": "Bristol", "country": "GB" });
    let customer = caller.post("customers", &sent).await;
    let made = caller
        .post(
            "salesInvoices",
            &json!({
                "customerNumber": customer["number"], "externalDocumentNumber": " inv-0001 ", "invoiceDate": "2026-03-09",
                "postingDate": "2026-03-10", "dueDate": "2026-04-01", "customerPurchaseOrderReference": "coportal:1",
                "sellToCity": "Bath", "shortcutDimension1Code": "SALES",
            }),
        )
        .await;
    let names = [
        "number",
        "externalDocumentNumber",
        "invoiceDate",
        "postingDate",
        "dueDate",
        "customerPurchaseOrderReference",
        "customerName",
        "sellToAddressLine1",
        "sellToCity",
        "billToCity",
        "currencyCode",
        "pricesIncludeTax",
        "status",
        "email",
        "shortcutDimension1Code",
        "totalAmountIncludingTax",
        "promisedPayDate",
    ];
    assert_eq!(
        pick(&made, &names),
        json!([
            "S-INV102202",
            "INV-0001",
            "2026-03-09",
            "2026-03-10",
            "2026-04-01",
            "coportal:1",
            "Acme Ltd",
            "1 High St",
            "Bath",
            "Bath",
            "GBP",
            false,
            "Draft",
            "a@b.example",
            "SALES",
            0,
            "0001-01-01"
        ])
    );
    assert_eq!(made["customerId"], customer["id"]);
    let state = caller.simulator.state();
    let document = &state.documents[0];
    assert_eq!((document.reference.as_deref(), document.status.as_str(), document.created_by_app), (Some("INV-0001"), "draft", true));
    assert_eq!(document.note.as_deref(), Some("coportal:1"));
}

/// Section 0 of every recovery: nothing keeps a second document with the same external number away.
#[tokio::test]
async fn a_repeated_post_really_makes_a_second_draft() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    let (first, second) = (caller.draft(&customer, "CP-1").await, caller.draft(&customer, "cp-1").await);
    assert_ne!(first, second);
    assert_eq!(caller.found("salesInvoices", "externalDocumentNumber eq 'CP-1'").await.len(), 2);
    assert_eq!(caller.found("salesInvoices", "externalDocumentNumber eq 'cp-1'").await.len(), 0, "stored in capitals, compared as sent");
    let (_, code, _) = caller
        .refused(
            "GET",
            &format!("salesInvoices?$filter={}", encode(&format!("externalDocumentNumber eq '{}'", "X".repeat(36)))),
            &Value::Null,
        )
        .await;
    assert_eq!(code, "Application_FilterErrorException");
}

#[tokio::test]
async fn heads_have_their_rules() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    let other = caller.post("customers", &json!({ "displayName": "Other" })).await;
    let with = |name: &str, value: Value| {
        let mut body = json!({ "customerId": customer });
        body[name] = value;
        body
    };
    for (sent, code) in [
        (json!({}), "Application_DialogException"),
        (json!({ "customerId": caller.company }), "Application_DialogException"),
        (json!({ "customerNumber": "C99999" }), "Application_DialogException"),
        (with("customerNumber", other["number"].clone()), "Application_DialogException"),
        (with("number", json!("X-1")), "BadRequest_InvalidOperation"),
        (with("status", json!("Open")), "BadRequest_InvalidOperation"),
        (with("pricesIncludeTax", json!(true)), "BadRequest_InvalidOperation"),
        (with("billToCity", json!("Bath")), "BadRequest_InvalidOperation"),
        (with("totalTaxAmount", json!(1)), "BadRequest_InvalidOperation"),
        (with("reference", json!("x")), "BadRequest"),
        (with("invoiceDate", json!("10/03/2026")), "BadRequest"),
        (with("externalDocumentNumber", json!("x".repeat(36))), "Application_StringExceededLength"),
        (with("customerPurchaseOrderReference", json!("x".repeat(36))), "Application_StringExceededLength"),
        (with("currencyCode", json!("XXX")), "Application_DialogException"),
        (with("currencyCode", json!("CHF")), "Internal_DataNotFoundFilter"),
        (with("sellToCountry", json!("XX")), "Internal_InvalidTableRelation"),
        (with("shortcutDimension1Code", json!("NOPE")), "Internal_InvalidTableRelation"),
        (with("paymentTermsId", json!(caller.company)), "Application_DialogException"),
    ] {
        assert_eq!(caller.refused("POST", "salesInvoices", &sent).await.1, code, "{sent}");
    }
    for (name, value) in [("discountAmount", json!(5)), ("salesInvoiceLines", json!([])), ("billToCustomerId", json!(customer))] {
        assert_eq!(caller.send("POST", "salesInvoices", &with(name, value)).await.status(), 501, "{name}");
    }
    assert!(caller.simulator.state().documents.is_empty());
}

#[tokio::test]
async fn dates_follow_the_payment_terms_unless_they_are_sent() {
    let caller = connected().await;
    let terms = caller.get("paymentTerms").await["value"][1]["id"].clone();
    let customer = caller.post("customers", &json!({ "displayName": "Acme", "paymentTermsId": terms })).await["id"].clone();
    let made = caller.post("salesInvoices", &json!({ "customerId": customer })).await;
    assert_eq!(pick(&made, &["invoiceDate", "dueDate"]), json!(["2026-03-10", "2026-04-09"]));
    let path = format!("salesInvoices({})", made["id"].as_str().unwrap());
    let moved = caller.patch(&path, &json!({ "invoiceDate": "2026-03-20" })).await;
    assert_eq!(moved["dueDate"], "2026-04-19", "a document date that moves takes the due date along");
    let fixed = caller.patch(&path, &json!({ "dueDate": "2026-03-31", "invoiceDate": "2026-03-21" })).await;
    assert_eq!(fixed["dueDate"], "2026-03-31");
    let made = caller.post("salesInvoices", &json!({ "customerId": customer, "dueDate": "2026-03-12", "postingDate": "2026-03-11" })).await;
    assert_eq!(pick(&made, &["invoiceDate", "dueDate"]), json!(["2026-03-11", "2026-03-12"]));
}

/// Section 3: each call about a line changes the etag of the head.
#[tokio::test]
async fn the_head_has_a_new_etag_after_each_line() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    let invoice = caller.draft(&customer, "CP-1").await;
    let path = format!("salesInvoices({invoice})");
    let etag = caller.get(&path).await["@odata.etag"].as_str().unwrap().to_owned();
    assert_eq!(caller.guarded(&etag, "PATCH", &path, &json!({ "dueDate": "2026-03-25" })).await.status(), 200);
    let etag = caller.get(&path).await["@odata.etag"].as_str().unwrap().to_owned();
    let line = caller.line(&invoice, 10_000, "10").await;
    let stale = caller.guarded(&etag, "PATCH", &path, &json!({ "dueDate": "2026-03-26" })).await;
    assert_eq!(value(&stale)["error"]["code"], "Request_EntityChanged");
    let etag = caller.get(&path).await["@odata.etag"].as_str().unwrap().to_owned();
    let line = format!("{path}/salesInvoiceLines({})", line["id"].as_str().unwrap());
    caller.patch(&line, &json!({ "quantity": 2 })).await;
    assert_eq!(caller.guarded(&etag, "DELETE", &path, &Value::Null).await.status(), 409);
}

#[tokio::test]
async fn a_customer_or_currency_of_a_draft_with_lines_cannot_change() {
    let caller = connected().await;
    let (first, second) = (caller.customer("Acme").await, caller.customer("Other").await);
    let invoice = caller.draft(&first, "CP-1").await;
    let path = format!("salesInvoices({invoice})");
    assert_eq!(caller.patch(&path, &json!({ "customerId": second })).await["customerName"], "Other");
    caller.line(&invoice, 10_000, "10").await;
    for body in [json!({ "customerId": first }), json!({ "currencyCode": "EUR" })] {
        assert_eq!(caller.refused("PATCH", &path, &body).await.1, "Application_CallbackNotAllowed");
    }
    caller.patch(&path, &json!({ "customerId": second, "currencyCode": "GBP" })).await;
}

#[tokio::test]
async fn a_draft_is_deleted_with_its_etag() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let path = format!("salesInvoices({invoice})");
    let missing = caller.send("DELETE", &path, &Value::Null).await;
    assert_eq!((missing.status().as_u16(), value(&missing)["error"]["code"].as_str().unwrap()), (412, "BadRequest_InvalidToken"));
    assert_eq!(caller.guarded("*", "DELETE", &path, &Value::Null).await.status(), 204);
    assert_eq!(caller.refused("DELETE", &path, &Value::Null).await.0, 404);
    assert!(caller.simulator.state().documents.is_empty());
}

/// Trap 9: `Open` may be unposted.
#[tokio::test]
async fn released_and_reviewed_documents_cannot_be_edited_and_released_says_open() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let path = format!("salesInvoices({invoice})");
    for (action, shown, state) in [
        (Action::Release { document_id: invoice.clone() }, "Open", "submitted"),
        (Action::SendForApproval { document_id: invoice.clone() }, "In_x0020_Review", "submitted"),
    ] {
        caller.simulator.bookkeeper(action).unwrap();
        let head = caller.get(&path).await;
        assert_eq!(head["status"], shown);
        assert!(head["number"].as_str().unwrap().starts_with("S-INV"));
        assert_eq!(caller.simulator.state().documents[0].status, state);
        assert_eq!(caller.refused("PATCH", &path, &json!({ "dueDate": "2026-05-01" })).await.1, "Application_FieldValidationException");
        let lines = format!("{path}/salesInvoiceLines");
        assert_eq!(caller.refused("POST", &lines, &line(20_000, "5")).await.1, "Application_FieldValidationException");
        assert_eq!(caller.refused("DELETE", &path, &Value::Null).await.1, "Application_FieldValidationException");
        caller.simulator.bookkeeper(Action::Reopen { document_id: invoice.clone() }).unwrap();
    }
    assert_eq!(caller.get(&path).await["status"], "Draft");
    assert_eq!(caller.found("salesInvoices", "status eq 'Draft'").await.len(), 1);
}
