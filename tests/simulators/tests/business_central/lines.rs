//! Lines of invoices, their VAT and the totals (vendor notes, sections 5, 6 and 13).

use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulators::business_central::{Action, price};
use simulators::skeleton::ids::Ids;
use simulators::skeleton::pricing::{Sale, SaleLine};

use crate::support::*;

async fn totals(caller: &Caller, invoice: &str) -> Value {
    let head = caller.get(&format!("salesInvoices({invoice})")).await;
    pick(&head, &["totalAmountExcludingTax", "totalTaxAmount", "totalAmountIncludingTax", "remainingAmount"])
}

/// 25.06 + 25.61 + 25.63 at 15% is 11.45 of tax, not 11.44; lines show what the group's tax grew by.
#[tokio::test]
async fn tax_is_of_the_group_and_spread_back() {
    let caller = connected().await.at(1);
    let invoice = caller.invoice("CP-1", &["25.06", "25.61", "25.63"]).await;
    assert_eq!(totals(&caller, &invoice).await, json!([76.3, 11.45, 87.75, 87.75]));
    let lines = caller.get(&format!("salesInvoices({invoice})/salesInvoiceLines")).await;
    let taxes: Vec<_> =
        lines["value"].as_array().unwrap().iter().map(|line| pick(line, &["taxPercent", "totalTaxAmount", "taxCode"])).collect();
    assert_eq!(taxes, [json!([15, 3.76, "VAT15"]), json!([15, 3.84, "VAT15"]), json!([15, 3.85, "VAT15"])]);
    let raw = text(&caller.send("GET", &format!("salesInvoices({invoice})"), &Value::Null).await);
    assert!(raw.contains("\"totalTaxAmount\":11.45,"), "digits, never a float");
    let document = &caller.simulator.state().documents[0];
    assert_eq!(
        (document.subtotal.to_string(), document.tax.to_string(), document.total.to_string()),
        ("76.30".into(), "11.45".into(), "87.75".into())
    );
}

#[tokio::test]
async fn a_later_line_changes_the_tax_and_the_etag_of_the_lines_behind_it() {
    let caller = connected().await.at(1);
    let customer = caller.customer("Acme").await;
    let invoice = caller.draft(&customer, "CP-1").await;
    let last = caller.line(&invoice, 20_000, "25.61").await;
    assert_eq!(last["totalTaxAmount"], 3.84);
    caller.line(&invoice, 10_000, "25.63").await;
    let path = format!("salesInvoices({invoice})/salesInvoiceLines({})", last["id"].as_str().unwrap());
    let after = caller.get(&path).await;
    assert_eq!(after["totalTaxAmount"], 3.85, "3.8445 and 3.8415 make 7.686");
    assert_ne!(after["@odata.etag"], last["@odata.etag"]);
    assert_eq!(caller.guarded(last["@odata.etag"].as_str().unwrap(), "PATCH", &path, &json!({ "quantity": 2 })).await.status(), 409);
}

#[tokio::test]
async fn rates_come_from_the_customer_and_the_line_together() {
    let caller = connected().await;
    let areas = caller.get("taxAreas").await;
    let export = areas["value"][1]["id"].clone();
    let customer = caller.post("customers", &json!({ "displayName": "Abroad", "taxAreaId": export })).await["id"].clone();
    let abroad = caller.draft(customer.as_str().unwrap(), "CP-1").await;
    assert_eq!(pick(&caller.line(&abroad, 10_000, "100").await, &["taxCode", "taxPercent"]), json!(["STANDARD", 0]));
    let customer = caller.customer("At home").await;
    let home = caller.draft(&customer, "CP-2").await;
    let lines = format!("salesInvoices({home})/salesInvoiceLines");
    for (sequence, tax_code, percent) in [(10_000, "STANDARD", 20), (20_000, "REDUCED", 5), (30_000, "ZERO", 0)] {
        let mut body = line(sequence, "10");
        body["taxCode"] = json!(tax_code);
        assert_eq!(pick(&caller.post(&lines, &body).await, &["taxPercent", "netAmount"]), json!([percent, 10]));
    }
    assert_eq!(totals(&caller, &home).await, json!([30, 2.5, 32.5, 32.5]));
    let mut wrong = line(40_000, "10");
    wrong["taxCode"] = json!("VAT15");
    assert_eq!(caller.refused("POST", &lines, &wrong).await.1, "Internal_InvalidTableRelation");
    let seed = json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "tax_codes": [{ "code": "LONELY" }] }] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    wrong["taxCode"] = json!("LONELY");
    let (status, code, message) = caller.refused("POST", &lines, &wrong).await;
    assert_eq!((status, code.as_str()), (400, "Internal_RecordNotFound"));
    assert!(message.starts_with("The VAT Posting Setup does not exist."), "{message}");
}

#[tokio::test]
async fn prices_include_tax_when_the_card_says_so() {
    let caller = connected().await.at(1);
    let customer = caller.customer("Acme").await;
    let edit =
        Action::EditContact { contact_id: customer.clone(), name: None, email: None, prices_include_tax: Some(true), tax_area: None };
    caller.simulator.bookkeeper(edit).unwrap();
    let invoice = caller.draft(&customer, "CP-1").await;
    for sequence in [10_000, 20_000, 30_000] {
        caller.line(&invoice, sequence, "1").await;
    }
    assert_eq!(caller.get(&format!("salesInvoices({invoice})")).await["pricesIncludeTax"], true);
    assert_eq!(totals(&caller, &invoice).await, json!([2.61, 0.39, 3, 3]));
}

#[tokio::test]
async fn units_have_five_decimals_and_amounts_those_of_the_currency() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    let made = caller.post("salesInvoices", &json!({ "customerId": customer, "currencyCode": "JPY" })).await;
    let invoice = made["id"].as_str().unwrap();
    let line = caller.line(invoice, 10_000, "1.234565").await;
    assert_eq!(pick(&line, &["unitPrice", "netAmount"]), json!([1.23457, 1]));
    let mut body = crate::support::line(20_000, "100");
    body["discountPercent"] = json!(7.5);
    body["quantity"] = json!(3);
    let discounted = caller.post(&format!("salesInvoices({invoice})/salesInvoiceLines"), &body).await;
    assert_eq!(pick(&discounted, &["discountAmount", "discountPercent", "netAmount"]), json!([23, 7.5, 277]));
    body = crate::support::line(30_000, "100");
    body["discountAmount"] = json!(25);
    let by_amount = caller.post(&format!("salesInvoices({invoice})/salesInvoiceLines"), &body).await;
    assert_eq!(pick(&by_amount, &["discountAmount", "discountPercent", "netAmount"]), json!([25, 25, 75]));
}

/// Section 5: the sequence makes a repeat harmless.
#[tokio::test]
async fn a_repeated_sequence_is_refused_and_cannot_change() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    let (status, code, message) = caller.refused("POST", &lines, &line(10_000, "10")).await;
    assert_eq!((status, code.as_str()), (400, "Internal_EntityWithSameKeyExists"));
    assert!(message.starts_with("The Sales Line already exists."), "{message}");
    let mut without = line(0, "5");
    without.as_object_mut().unwrap().remove("sequence");
    let made = caller.post(&lines, &without).await;
    assert_eq!(made["sequence"], 20_000);
    let path = format!("{lines}({})", made["id"].as_str().unwrap());
    assert_eq!(caller.refused("PATCH", &path, &json!({ "sequence": 30_000 })).await.1, "Application_DialogException");
    assert_eq!(caller.patch(&path, &json!({ "sequence": 20_000, "unitPrice": 6 })).await["unitPrice"], 6);
    assert_eq!(caller.guarded("*", "DELETE", &path, &Value::Null).await.status(), 204);
    assert_eq!(caller.refused("DELETE", &path, &Value::Null).await.0, 404);
    caller.line(&invoice, 20_000, "7").await;
    assert_eq!(totals(&caller, &invoice).await, json!([17, 3.4, 20.4, 20.4]));
}

/// Trap 3, and the order of the fields.
#[tokio::test]
async fn a_line_is_what_its_fields_say_in_their_order() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    let invoice = caller.draft(&customer, "CP-1").await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    assert_eq!(caller.post(&lines, &json!({ "description": "Only text" })).await["lineType"], "Item");
    let comment = caller.post(&lines, &json!({ "lineType": "Comment", "description": "Thank you" })).await;
    assert_eq!(pick(&comment, &["lineType", "quantity", "netAmount"]), json!(["Comment", 0, 0]));
    let raw = |body: &'static str| {
        let request = caller.request("POST", &lines);
        let simulator = caller.simulator.clone();
        async move { value(&whole(answer(&simulator, request, body).await)) }
    };
    let early = raw(r#"{"unitPrice":5,"quantity":2,"description":"Mine","lineType":"Item","lineObjectNumber":"1900"}"#).await;
    assert_eq!(pick(&early, &["unitPrice", "quantity", "description", "unitOfMeasureCode"]), json!([90, 0, "Consulting hour", "HOUR"]));
    let late = raw(r#"{"lineType":"Item","lineObjectNumber":"1900","unitPrice":5,"quantity":2,"description":"Mine"}"#).await;
    assert_eq!(pick(&late, &["unitPrice", "quantity", "description"]), json!([5, 2, "Mine"]));
    assert_eq!(late["itemId"], caller.get("items").await["value"][0]["id"]);
    let untyped = raw(r#"{"lineObjectNumber":"6110","lineType":"Account"}"#).await;
    assert_eq!(untyped["error"]["code"], "Internal_RecordNotFound");
    let account = caller.found("accounts", "number eq '6110'").await[0]["id"].clone();
    let by_id = caller.post(&lines, &json!({ "accountId": account, "quantity": 1, "unitPrice": 3 })).await;
    assert_eq!(pick(&by_id, &["lineType", "lineObjectNumber", "accountId", "netAmount"]), json!(["Account", "6110", account, 3]));
}

#[tokio::test]
async fn lines_have_their_rules() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    let account = |number: &str| json!({ "lineType": "Account", "lineObjectNumber": number });
    let with = |name: &str, value: Value| {
        let mut body = line(50_000, "10");
        body[name] = value;
        body
    };
    for (sent, code) in [
        (account("9999"), "Application_DialogException"),
        (account("6100"), "Application_FieldValidationException"),
        (account("6120"), "Application_FieldValidationException"),
        (account("5610"), "Application_FieldValidationException"),
        (json!({ "lineType": "Item", "lineObjectNumber": "nope" }), "Application_DialogException"),
        (json!({ "lineType": "Comment", "quantity": 1 }), "Application_FieldValidationException"),
        (json!({ "lineType": "Wish" }), "BadRequest"),
        (json!({ "itemId": caller.company, "accountId": caller.company }), "Application_DialogException"),
        (with("description", json!("x".repeat(101))), "Application_StringExceededLength"),
        (with("description2", json!("x".repeat(51))), "Application_StringExceededLength"),
        (with("unitOfMeasureCode", json!("HOUR")), "Application_FieldValidationException"),
        (with("discountPercent", json!(101)), "Application_FieldValidationException"),
        (with("sequence", json!(1.5)), "BadRequest"),
        (with("documentId", json!(caller.company)), "Application_DialogException"),
        (with("taxPercent", json!(15)), "BadRequest_InvalidOperation"),
        (with("netAmount", json!(15)), "BadRequest_InvalidOperation"),
        (with("price", json!(15)), "BadRequest"),
    ] {
        assert_eq!(caller.refused("POST", &lines, &sent).await.1, code, "{sent}");
    }
    let both = json!({ "lineType": "Account", "lineObjectNumber": "6110", "discountAmount": 1, "discountPercent": 1 });
    for sent in [
        json!({ "lineType": "Resource", "description": "x" }),
        both,
        with("shipmentDate", json!("2026-03-10")),
        with("locationId", json!(caller.company)),
    ] {
        assert_eq!(caller.send("POST", &lines, &sent).await.status(), 501, "{sent}");
    }
    let first = caller.get(&lines).await["value"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("{lines}({first})");
    assert_eq!(caller.refused("PATCH", &path, &json!({ "lineObjectNumber": "8450" })).await.1, "Application_DialogException");
    assert_eq!(caller.send("PATCH", &path, &json!({ "quantity": 2 })).await.status(), 400, "no etag");
    assert_eq!(caller.send("DELETE", &path, &Value::Null).await.status(), 412, "no etag");
    assert_eq!(caller.refused("POST", &format!("salesInvoices({})/salesInvoiceLines", caller.company), &line(1, "1")).await.0, 404);
}

/// Trap 6.
#[tokio::test]
async fn lines_are_read_through_their_document() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10", "20"]).await;
    let (_, code, message) = caller.refused("GET", "salesInvoiceLines", &Value::Null).await;
    assert_eq!(code, "Application_DialogException");
    assert!(message.starts_with("You must specify an Id or a Document Id to get the lines."));
    let found = caller.found("salesInvoiceLines", &format!("documentId eq {invoice}")).await;
    assert_eq!(found.len(), 2);
    let line = found[1]["id"].as_str().unwrap();
    assert_eq!(caller.found("salesInvoiceLines", &format!("id eq {line}")).await.len(), 1);
    assert_eq!(caller.get(&format!("salesInvoiceLines({line})")).await["unitPrice"], 20);
    caller.patch(&format!("salesInvoiceLines({line})"), &json!({ "unitPrice": 21 })).await;
    assert_eq!(caller.guarded("*", "DELETE", &format!("salesInvoiceLines({line})"), &Value::Null).await.status(), 204);
    let expanded = caller.get(&format!("salesInvoices({invoice})?$expand=salesInvoiceLines")).await;
    assert_eq!(expanded["salesInvoiceLines"].as_array().unwrap().len(), 1);
    assert!(expanded["salesInvoiceLines"][0]["@odata.etag"].is_string());
}

/// `price` is the arithmetic of the routes: 200 sales in three currencies, with discounts, negative lines, three rates, net and gross.
#[tokio::test]
async fn the_function_and_the_routes_agree() {
    let caller = connected().await;
    let mut ids = Ids::new(2026);
    let mut below = |most: u128| i64::try_from(ids.uuid().as_u128() % most).unwrap();
    let customer = caller.customer("Acme").await;
    for round in 0..200 {
        let tax_inclusive = round % 2 == 1;
        let edit = Action::EditContact {
            contact_id: customer.clone(),
            name: None,
            email: None,
            prices_include_tax: Some(tax_inclusive),
            tax_area: None,
        };
        caller.simulator.bookkeeper(edit).unwrap();
        let (currency, currency_decimals) = [("GBP", 2), ("JPY", 0), ("KWD", 3)][usize::try_from(below(3)).unwrap()];
        let invoice = caller.post("salesInvoices", &json!({ "customerId": customer, "currencyCode": currency })).await;
        let path = format!("salesInvoices({})/salesInvoiceLines", invoice["id"].as_str().unwrap());
        let mut lines = Vec::new();
        for _ in 0..=below(6) {
            let (tax_code, percent) = [("STANDARD", 20), ("REDUCED", 5), ("ZERO", 0)][usize::try_from(below(3)).unwrap()];
            let sold = SaleLine {
                quantity: Decimal::new(below(400_000) - 100_000, 4),
                unit_price: Decimal::new(below(9_000_000), 5),
                discount_percent: if below(3) == 0 { Decimal::new(below(10_000), 2) } else { Decimal::ZERO },
                tax_percent: Decimal::from(percent),
            };
            let body = format!(
                r#"{{"lineType":"Account","lineObjectNumber":"6110","taxCode":"{tax_code}","quantity":{},"unitPrice":{},"discountPercent":{}}}"#,
                sold.quantity, sold.unit_price, sold.discount_percent
            );
            assert_eq!(whole(answer(&caller.simulator, caller.request("POST", &path), &body).await).status(), 201);
            lines.push(sold);
        }
        let priced = price(&Sale { currency_decimals, tax_inclusive, lines });
        let document = caller.simulator.state().documents.pop().unwrap();
        assert_eq!((document.subtotal, document.tax, document.total), (priced.subtotal, priced.tax, priced.total), "{document:?}");
    }
}
