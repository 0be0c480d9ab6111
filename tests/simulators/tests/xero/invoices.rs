//! Invoices: PUT and POST, numbers, statuses, lines, tax, lists (vendor notes, sections 3, 4, 5, 10 and 11).

use crate::support::{Caller, answer, body, connected, header, text, value, whole};
use serde_json::{Value, json};

fn id(invoice: &Value) -> String {
    invoice["InvoiceID"].as_str().unwrap().to_owned()
}

fn invoice_path(invoice: &Value) -> String {
    format!("/Invoices/{}?unitdp=4", id(invoice))
}

async fn with_contact() -> (Caller, String) {
    let caller = connected().await;
    let contact = caller.contact("Acme Ltd").await;
    (caller, contact)
}

/// Section 11: the vendor's own example, 15% on three lines.
#[tokio::test]
async fn tax_is_rounded_on_every_line_and_then_summed() {
    let caller = connected().await.at(1);
    let contact = caller.contact("Acme Ltd").await;
    let lines = [("1", "25.06"), ("1", "25.61"), ("1", "25.63")];
    let sent = json!({ "Invoices": [body(&contact, "CP-1", "DRAFT", &lines)] });
    let reply = caller.send("PUT", "/Invoices?unitdp=4&summarizeErrors=true", &sent).await;
    let whole = text(&reply);
    assert!(
        whole.contains(r#""TotalTax":11.44"#) && whole.contains(r#""SubTotal":76.30"#) && whole.contains(r#""Total":87.74"#),
        "{whole}"
    );
    let taxes: Vec<String> =
        value(&reply)["Invoices"][0]["LineItems"].as_array().unwrap().iter().map(|l| l["TaxAmount"].to_string()).collect();
    assert_eq!(taxes, ["3.76", "3.84", "3.84"]);
}

/// Section 11: the worked UK case, and tax contained in the amounts.
#[tokio::test]
async fn exclusive_inclusive_and_no_tax() {
    let (caller, contact) = with_contact().await;
    let lines = [("1", "10.03"), ("1", "10.03"), ("1", "10.03")];
    let exclusive = caller.invoice(body(&contact, "CP-1", "DRAFT", &lines)).await;
    assert_eq!((exclusive["TotalTax"].to_string(), exclusive["Total"].to_string()), ("6.03".into(), "36.12".into()));
    let mut sent = body(&contact, "CP-2", "DRAFT", &[("1", "120")]);
    sent["LineAmountTypes"] = json!("Inclusive");
    let inclusive = caller.invoice(sent).await;
    assert_eq!(inclusive["TotalTax"], json!(20.0));
    assert_eq!(inclusive["SubTotal"], json!(100.0));
    assert_eq!(inclusive["Total"], json!(120.0));
    let mut sent = body(&contact, "CP-3", "DRAFT", &[("1", "120")]);
    sent["LineAmountTypes"] = json!("NoTax");
    let none = caller.invoice(sent).await;
    assert_eq!(none["TotalTax"], json!(0.0));
    assert_eq!(none["LineItems"][0]["TaxType"], "NONE");
    assert_eq!(none["Total"], json!(120.0));
}

/// Section 3, line `TaxAmount`: an override stands.
#[tokio::test]
async fn a_line_tax_can_be_overridden() {
    let (caller, contact) = with_contact().await;
    let mut sent = body(&contact, "CP-1", "DRAFT", &[("1", "10.03")]);
    sent["LineItems"][0]["TaxAmount"] = json!(2.0);
    assert_eq!(caller.invoice(sent).await["TotalTax"], json!(2.0));
}

/// Section 0, fact 6: without `unitdp=4` unit prices are rounded to cents, on writes and on reads.
#[tokio::test]
async fn unit_prices_keep_four_places_only_with_unitdp() {
    let (caller, contact) = with_contact().await;
    let sent = json!({ "Invoices": [body(&contact, "CP-1", "DRAFT", &[("1000", "0.1234")])] });
    let kept = caller.put("/Invoices?unitdp=4&summarizeErrors=true", &sent).await["Invoices"][0].clone();
    assert_eq!(kept["LineItems"][0]["UnitAmount"], json!(0.1234));
    assert_eq!(kept["SubTotal"], json!(123.4));
    let shown = caller.get(&format!("/Invoices/{}", id(&kept))).await;
    assert_eq!(shown["Invoices"][0]["LineItems"][0]["UnitAmount"], json!(0.12));
    let sent = json!({ "Invoices": [body(&contact, "CP-2", "DRAFT", &[("1000", "0.1234")])] });
    let cut = caller.put("/Invoices?summarizeErrors=true", &sent).await["Invoices"][0].clone();
    assert_eq!(cut["SubTotal"], json!(120.0));
    // Section 3: even a status-only update without unitdp rounds what was stored.
    let approved = caller.post(&format!("/Invoices/{}", id(&kept)), &json!({ "Status": "AUTHORISED" })).await;
    assert_eq!(approved["Invoices"][0]["SubTotal"], json!(120.0));
}

/// Section 0, facts 2 and 3; section 10: the documented danger is real here.
#[tokio::test]
async fn put_creates_only_and_post_edits_whoever_has_the_number() {
    let (caller, contact) = with_contact().await;
    let first = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
    let sent = json!({ "Invoices": [body(&contact, "CP-1", "DRAFT", &[("1", "99")])] });
    assert_eq!(caller.refused("PUT", "/Invoices?summarizeErrors=true", &sent).await, "Invoice # must be unique.");
    let edited = caller.post("/Invoices?unitdp=4&summarizeErrors=true", &sent).await;
    assert_eq!(edited["Invoices"][0]["InvoiceID"], first["InvoiceID"]);
    assert_eq!(caller.simulator.state().documents.len(), 1);
    assert_eq!(caller.simulator.state().documents[0].total.to_string(), "118.80");
}

/// Section 0, fact 3, and section 10, "Number reuse after delete".
#[tokio::test]
async fn a_number_stays_taken_after_void_and_delete() {
    let (caller, contact) = with_contact().await;
    for (number, from, to) in [("CP-1", "AUTHORISED", "VOIDED"), ("CP-2", "DRAFT", "DELETED")] {
        let made = caller.invoice(body(&contact, number, from, &[("1", "10")])).await;
        caller.post(&invoice_path(&made), &json!({ "Status": to })).await;
        let again = json!({ "Invoices": [body(&contact, number, "DRAFT", &[("1", "10")])] });
        assert_eq!(caller.refused("PUT", "/Invoices?summarizeErrors=true", &again).await, "Invoice # must be unique.");
        let by_post = caller.refused("POST", "/Invoices?summarizeErrors=true", &again).await;
        assert_eq!(by_post, "Invoice not of valid status for modification");
    }
    let left = caller.simulator.state().documents;
    assert_eq!(left.len(), 1, "deleted ones are gone from the state");
    assert_eq!((left[0].status.as_str(), left[0].vendor_status.as_str()), ("voided", "VOIDED"));
}

/// Section 3, "Status transitions": every move, from every state that the API can reach.
#[tokio::test]
async fn status_transitions() {
    let words = ["DRAFT", "SUBMITTED", "AUTHORISED", "VOIDED", "DELETED", "PAID"];
    let allowed = |from: &str, to: &str| match from {
        "DRAFT" | "SUBMITTED" => matches!(to, "DRAFT" | "SUBMITTED" | "AUTHORISED" | "DELETED"),
        "AUTHORISED" => matches!(to, "AUTHORISED" | "VOIDED"),
        _ => false,
    };
    let (caller, contact) = with_contact().await;
    caller.simulator.change_limits(simulators::skeleton::limits::LimitsChange { minute: Some(1000), ..Default::default() });
    let mut count = 0;
    for from in ["DRAFT", "SUBMITTED", "AUTHORISED", "VOIDED", "DELETED"] {
        for to in words {
            count += 1;
            let first = match from {
                "VOIDED" => "AUTHORISED",
                "DELETED" => "DRAFT",
                other => other,
            };
            let made = caller.invoice(body(&contact, &format!("CP-{count}"), first, &[("1", "10")])).await;
            if first != from {
                caller.post(&invoice_path(&made), &json!({ "Status": from })).await;
            }
            let reply = caller.send("POST", &invoice_path(&made), &json!({ "Status": to })).await;
            assert_eq!(reply.status() == 200, allowed(from, to), "{from} -> {to}: {}", text(&reply));
            if reply.status() != 200 {
                assert!(text(&reply).contains("Invoice not of valid status for modification"), "{from} -> {to}");
            }
        }
        let at_creation = json!({ "Invoices": [body(&contact, &format!("NEW-{from}"), from, &[("1", "10")])] });
        let reply = caller.send("PUT", "/Invoices?summarizeErrors=true", &at_creation).await;
        assert_eq!(reply.status() == 200, matches!(from, "DRAFT" | "SUBMITTED" | "AUTHORISED"), "created {from}");
    }
}

/// Section 3, "What may change": free while nothing is allocated, but the status must be said.
#[tokio::test]
async fn an_approved_invoice_is_edited_with_its_status() {
    let (caller, contact) = with_contact().await;
    let made = caller.invoice(body(&contact, "CP-1", "AUTHORISED", &[("1", "10")])).await;
    let silent = caller.refused("POST", &invoice_path(&made), &json!({ "Reference": "new" })).await;
    assert_eq!(silent, "Invoice not of valid status for modification");
    let mut sent = body(&contact, "CP-1", "AUTHORISED", &[("2", "10")]);
    sent["InvoiceID"] = made["InvoiceID"].clone();
    assert_eq!(caller.post(&invoice_path(&made), &sent).await["Invoices"][0]["Total"], json!(24.0));
}

/// Section 3, "What may change", and section 9, "Void flow".
#[tokio::test]
async fn under_a_payment_only_a_few_fields_change() {
    let (caller, contact) = with_contact().await;
    let made = caller.invoice(body(&contact, "CP-1", "AUTHORISED", &[("1", "10")])).await;
    let pay = simulators::xero::Action::Pay { document_id: id(&made), amount: Some("5".parse().unwrap()), date: None };
    caller.simulator.bookkeeper(pay).unwrap();
    let line = made["LineItems"][0]["LineItemID"].clone();
    let mut sent = body(&contact, "CP-9", "AUTHORISED", &[("1", "10")]);
    sent["LineItems"][0]["LineItemID"] = line.clone();
    sent["LineItems"][0]["Description"] = json!("Other words");
    sent["DueDate"] = json!("2026-05-01");
    let edited = caller.post(&invoice_path(&made), &sent).await["Invoices"][0].clone();
    assert_eq!(edited["InvoiceNumber"], "CP-9");
    assert_eq!(edited["LineItems"][0]["Description"], "Other words");
    assert_eq!(edited["AmountDue"], json!(7.0));
    sent["LineItems"][0]["UnitAmount"] = json!(11);
    let message = caller.refused("POST", &invoice_path(&made), &sent).await;
    assert!(message.contains("cannot be edited as it has a payment or credit note allocated to it"), "{message}");
    let message = caller.refused("POST", &invoice_path(&made), &json!({ "Status": "VOIDED" })).await;
    assert!(message.contains("payments or credit notes are allocated"), "{message}");
}

/// Section 3, "any, dated on/before lock date".
#[tokio::test]
async fn locked_periods_refuse_every_write() {
    let (caller, contact) = with_contact().await;
    let made = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
    let seed = json!({ "organisations": [{ "id": caller.tenant, "period_lock_date": "2026-03-10" }] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    let new = json!({ "Invoices": [body(&contact, "CP-2", "DRAFT", &[("1", "10")])] });
    for message in [
        caller.refused("PUT", "/Invoices?summarizeErrors=true", &new).await,
        caller.refused("POST", &invoice_path(&made), &json!({ "Status": "DELETED" })).await,
    ] {
        assert_eq!(message, "The document date cannot be before the period lock date, currently 10 Mar 2026");
    }
    assert_eq!(caller.get("/Organisation").await["Organisations"][0]["PeriodLockDate"], "/Date(1773100800000+0000)/");
    let seed = json!({ "organisations": [{ "id": caller.tenant, "period_lock_date": null }] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    caller.post(&invoice_path(&made), &json!({ "Status": "DELETED" })).await;
}

/// Section 3, "Line semantics on POST".
#[tokio::test]
async fn lines_are_matched_by_id_and_an_omitted_id_deletes_the_line() {
    let (caller, contact) = with_contact().await;
    let made = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10"), ("1", "20")])).await;
    let second = made["LineItems"][1]["LineItemID"].clone();
    let mut sent = body(&contact, "CP-1", "DRAFT", &[("1", "20"), ("1", "30")]);
    sent["LineItems"][0]["LineItemID"] = second.clone();
    let after = caller.post(&invoice_path(&made), &sent).await["Invoices"][0].clone();
    let lines = after["LineItems"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["LineItemID"], second);
    assert_ne!(lines[1]["LineItemID"], made["LineItems"][0]["LineItemID"]);
    assert_eq!(after["SubTotal"], json!(50.0));
    // Lines that are not sent at all stay.
    let after = caller.post(&invoice_path(&made), &json!({ "Reference": "other" })).await["Invoices"][0].clone();
    assert_eq!(after["LineItems"][0]["LineItemID"], second);
    sent["LineItems"][0]["LineItemID"] = json!("00000000-0000-4000-8000-000000000001");
    assert_eq!(caller.send("POST", &invoice_path(&made), &sent).await.status(), 501);
}

/// Section 3, Fields, and section 4, Errors: the messages.
#[tokio::test]
async fn validation_messages() {
    let (caller, contact) = with_contact().await;
    caller.simulator.seed(&serde_json::from_value(json!({ "contacts": [{ "name": "Gone", "status": "archived" }] })).unwrap()).unwrap();
    let gone = caller.simulator.state().contacts.iter().find(|contact| contact.name == "Gone").unwrap().id.clone();
    let change = |member: &str, to: Value| {
        let mut sent = body(&contact, "CP-1", "AUTHORISED", &[("1", "10")]);
        if to.is_null() {
            sent.as_object_mut().unwrap().remove(member);
        } else {
            sent[member] = to;
        }
        sent
    };
    let line = |member: &str, to: Value| {
        let mut sent = body(&contact, "CP-1", "AUTHORISED", &[("1", "10")]);
        if to.is_null() {
            sent["LineItems"][0].as_object_mut().unwrap().remove(member);
        } else {
            sent["LineItems"][0][member] = to;
        }
        sent
    };
    let cases = [
        (change("DueDate", Value::Null), "Due Date cannot be empty."),
        (change("Contact", Value::Null), "A Contact must be specified"),
        (change("Contact", json!({ "ContactID": gone })), "has been archived"),
        (change("Contact", json!({ "ContactID": "00000000-0000-4000-8000-000000000001" })), "could not be found"),
        (change("CurrencyCode", json!("JPY")), "Organisation is not subscribed to currency JPY"),
        (change("Url", json!("/relative")), "Url must be"),
        (change("Reference", json!("x".repeat(256))), "The Reference cannot be longer than 255"),
        (change("LineItems", json!([])), "One or more line items"),
        (line("AccountCode", Value::Null), "Account code must be specified."),
        (line("AccountCode", json!("999")), "Account must be valid."),
        (line("AccountCode", json!("090")), "Account must be valid."),
        (line("AccountCode", json!("201")), "Account must be valid."),
        (line("TaxType", json!("NOPE")), "Tax rate must be valid."),
        (line("TaxType", json!("TAX001")), "Tax rate must be valid."),
        (line("TaxType", json!("INPUT2")), "The TaxType code 'INPUT2' cannot be used with account code '200'."),
        (line("LineAmount", json!(9.5)), "The line total 9.50 does not match the expected line total 10.00"),
        (line("Description", json!("")), "Description needs to be"),
        (line("Tracking", json!([{ "Name": "Region", "Option": "West" }])), "tracking"),
    ];
    for (sent, expected) in cases {
        let message = caller.refused("PUT", "/Invoices?unitdp=4&summarizeErrors=true", &json!({ "Invoices": [sent] })).await;
        assert!(message.contains(expected), "{message} should say {expected}");
    }
    assert!(caller.simulator.state().documents.is_empty());
    let mut draft = body(&contact, "CP-2", "DRAFT", &[("1", "10")]);
    draft["SentToContact"] = json!(true);
    let message = caller.refused("PUT", "/Invoices?summarizeErrors=true", &json!({ "Invoices": [draft] })).await;
    assert!(message.contains("SentToContact"), "{message}");
}

/// Section 3, Fields: defaults, description-only lines, discounts; section 10 for the cut cent.
#[tokio::test]
async fn what_is_left_out_has_the_documented_default() {
    let (caller, contact) = with_contact().await;
    let sent = json!({
        "Type": "ACCREC", "Contact": { "ContactID": contact }, "Date": "2026-03-10",
        "LineItems": [{ "Description": "Only words" }, { "Description": "Off", "Quantity": 1, "UnitAmount": 2120.44, "DiscountRate": 10, "AccountCode": "200" }],
    });
    let made = caller.invoice(sent).await;
    assert_eq!(made["Status"], "DRAFT");
    assert_eq!(made["InvoiceNumber"], "INV-0001");
    assert_eq!(made["LineAmountTypes"], "Exclusive");
    assert_eq!(made["CurrencyCode"], "GBP");
    assert_eq!(made["LineItems"][1]["TaxType"], "OUTPUT2", "the account's own");
    assert_eq!(made["LineItems"][1]["LineAmount"], json!(1908.39));
    assert_eq!(made["LineItems"][0]["LineAmount"], json!(0.0));
    assert_eq!(made["DateString"], "2026-03-10T00:00:00");
    assert_eq!(made["Date"], "/Date(1773100800000+0000)/");
}

/// Section 2, last rule: a name inside an invoice mints a contact.
#[tokio::test]
async fn a_named_contact_is_minted_and_becomes_a_customer() {
    let (caller, contact) = with_contact().await;
    let mut sent = body(&contact, "CP-1", "DRAFT", &[("1", "10")]);
    sent["Contact"] = json!({ "Name": "acme  LTD" });
    let matched = caller.invoice(sent.clone()).await;
    assert_eq!(matched["Contact"]["ContactID"], contact.as_str());
    assert_eq!(caller.get(&format!("/Contacts/{contact}")).await["Contacts"][0]["IsCustomer"], true);
    sent["InvoiceNumber"] = json!("CP-2");
    sent["Contact"] = json!({ "Name": "Somebody New" });
    caller.invoice(sent).await;
    assert_eq!(caller.simulator.state().contacts.len(), 2);
}

/// Section 3, Verbs: ways to find, and the missing lines without `page`.
#[tokio::test]
async fn invoices_are_listed_and_found() {
    let (caller, contact) = with_contact().await;
    let made = caller.invoice(body(&contact, "CP-1", "AUTHORISED", &[("1", "10")])).await;
    let seed = json!({ "documents": [{ "number": "HAND-1", "status": "approved", "total": "12.00", "tax": "2.00" }] });
    let seeded = caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    assert_eq!(seeded.documents[0].total.to_string(), "12.00");
    let count = async |query: &str| caller.get(&format!("/Invoices?{query}")).await["Invoices"].as_array().unwrap().len();
    assert_eq!(count("page=1").await, 2);
    assert_eq!(count("InvoiceNumbers=CP-1,NONE&page=1").await, 1);
    assert_eq!(count("Statuses=DRAFT,PAID").await, 0);
    assert_eq!(count(&format!("ContactIDs={contact}&page=1")).await, 1);
    assert_eq!(count(&format!("IDs={}", id(&made))).await, 1);
    assert_eq!(count("createdByMyApp=true").await, 1);
    assert_eq!(count("where=Reference%3D%3D%22COPORTAL%3ACP-1%22&page=1").await, 1, "case does not count: re-check at the caller");
    assert_eq!(count("where=Reference%3D%3D%22coportal%3ACP-1%22%20OR%20InvoiceNumber%3D%3D%22HAND-1%22").await, 2);
    let bare = caller.get("/Invoices").await;
    assert!(bare["pagination"].is_null());
    assert_eq!(bare["Invoices"][0]["LineItems"], json!([]), "section 3: no lines without page");
    let paged = caller.get("/Invoices?page=2&pageSize=1").await;
    assert_eq!(paged["pagination"], json!({ "page": 2, "pageSize": 1, "pageCount": 2, "itemCount": 2 }));
    assert_eq!(paged["Invoices"][0]["InvoiceNumber"], "HAND-1");
    assert_eq!(paged["Invoices"][0]["LineItems"].as_array().unwrap().len(), 1);
    assert_eq!(caller.get("/Invoices/CP-1").await["Invoices"][0]["InvoiceID"], made["InvoiceID"]);
    let missing = caller.send("GET", "/Invoices/00000000-0000-4000-8000-000000000001", &Value::Null).await;
    assert_eq!((missing.status().as_u16(), text(&missing).as_str()), (404, "The resource you're looking for cannot be found"));
    assert_eq!(header(&missing, "content-type"), "text/html");
}

/// Section 3, `UpdatedDateUTC`: the only version there is; a paused clock does not hide an edit.
#[tokio::test]
async fn every_edit_shows_in_updated_date() {
    let (caller, contact) = with_contact().await;
    let made = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
    let edited = caller.post(&invoice_path(&made), &json!({ "Reference": "other" })).await;
    assert_ne!(made["UpdatedDateUTC"], edited["Invoices"][0]["UpdatedDateUTC"]);
}

/// Section 5: `summarizeErrors`.
#[tokio::test]
async fn summarize_errors_decides_between_200_and_400() {
    let (caller, contact) = with_contact().await;
    caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
    let batch = json!({ "Invoices": [body(&contact, "CP-2", "DRAFT", &[("1", "10")]), body(&contact, "CP-1", "DRAFT", &[("1", "10")])] });
    let unknown = caller.send("PUT", "/Invoices?summarizeErrors=true", &batch).await;
    assert_eq!(unknown.status(), 501, "whether valid siblings are saved is not documented");
    assert_eq!(caller.simulator.state().documents.len(), 1, "and nothing was");
    let mixed = caller.put("/Invoices?summarizeErrors=false", &batch).await;
    assert_eq!(mixed["Invoices"][0]["StatusAttributeString"], "OK");
    assert_eq!(mixed["Invoices"][0]["HasErrors"], false);
    assert_eq!(mixed["Invoices"][1]["StatusAttributeString"], "ERROR");
    assert_eq!(mixed["Invoices"][1]["HasErrors"], true);
    assert_eq!(mixed["Invoices"][1]["InvoiceID"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(mixed["Invoices"][1]["ValidationErrors"][0]["Message"], "Invoice # must be unique.");
    assert_eq!(caller.simulator.state().documents.len(), 2);
}

/// Section 7: a body that is no JSON.
#[tokio::test]
async fn malformed_bodies_and_filters_are_400_of_their_type() {
    let (caller, contact) = with_contact().await;
    let broken = whole(answer(&caller.simulator, caller.request("PUT", "/Invoices"), "{\"Invoices\":[").await);
    assert_eq!(broken.status(), 400);
    assert_eq!((&value(&broken)["Type"], &value(&broken)["ErrorNumber"]), (&json!("PostDataInvalidException"), &json!(14)));
    let mut sent = body(&contact, "CP-1", "DRAFT", &[("1", "10")]);
    sent["LineItems"][0]["Quantity"] = json!("1");
    assert_eq!(caller.send("PUT", "/Invoices", &json!({ "Invoices": [sent] })).await.status(), 400);
    let broken = caller.send("GET", "/Invoices?where=Reference%3D%3D%22open", &Value::Null).await;
    assert_eq!((broken.status().as_u16(), &value(&broken)["Type"]), (400, &json!("QueryParseException")));
}

/// Arithmetic never leaves the range of a decimal, whatever is sent.
#[tokio::test]
async fn enormous_numbers_are_refused() {
    let (caller, contact) = with_contact().await;
    for number in ["10000000000", "79228162514264337593543950335", "-10000000000"] {
        let sent = json!({ "Invoices": [body(&contact, "CP-1", "DRAFT", &[(number, "9999999999")])] });
        let status = caller.send("PUT", "/Invoices?unitdp=4", &sent).await.status().as_u16();
        assert!(matches!(status, 400 | 501), "{number}: {status}");
    }
    caller.invoice(body(&contact, "CP-1", "DRAFT", &[("9999999999", "9999999999")])).await;
}

/// Section 3, Fields: only enabled currencies; the rate is the day's, or as sent.
#[tokio::test]
async fn foreign_currencies_carry_a_rate() {
    let (caller, contact) = with_contact().await;
    let mut sent = body(&contact, "CP-1", "DRAFT", &[("1", "10")]);
    sent["CurrencyCode"] = json!("EUR");
    let made = caller.invoice(sent.clone()).await;
    assert_eq!((&made["CurrencyCode"], &made["CurrencyRate"]), (&json!("EUR"), &json!(1.17)));
    let own = caller.post(&invoice_path(&made), &json!({ "CurrencyRate": 1.2 })).await;
    assert_eq!(own["Invoices"][0]["CurrencyRate"], json!(1.2));
    let again = caller.post(&invoice_path(&made), &json!({ "CurrencyCode": "EUR" })).await;
    assert_eq!(again["Invoices"][0]["CurrencyRate"], json!(1.2));
}

/// Section 9.
#[tokio::test]
async fn payments_pay_and_their_deletion_reopens() {
    let (caller, contact) = with_contact().await;
    let bank = caller.get("/Accounts?where=Type%3D%3D%22BANK%22").await["Accounts"][0]["AccountID"].clone();
    let pay = |invoice: &Value, amount: Value| json!({ "Payments": [{ "Invoice": { "InvoiceID": invoice["InvoiceID"] }, "Account": { "AccountID": bank }, "Date": "2026-03-11", "Amount": amount, "Reference": "coportal:p1" }] });
    let draft = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
    assert!(caller.refused("PUT", "/Payments", &pay(&draft, json!(1))).await.starts_with("Payments can only be made"));
    let made = caller.invoice(body(&contact, "CP-2", "AUTHORISED", &[("1", "10")])).await;
    let too_much = caller.refused("PUT", "/Payments", &pay(&made, json!(12.01))).await;
    assert_eq!(too_much, "Payment amount exceeds the amount outstanding on this document");
    caller.put("/Payments", &pay(&made, json!(2))).await;
    let last = caller.put("/Payments", &pay(&made, json!(10))).await["Payments"][0].clone();
    assert_eq!(last["Status"], "AUTHORISED");
    let paid = caller.get(&invoice_path(&made)).await["Invoices"][0].clone();
    assert_eq!((&paid["Status"], &paid["AmountDue"], &paid["AmountPaid"]), (&json!("PAID"), &json!(0.0), &json!(12.0)));
    assert_eq!(paid["FullyPaidOnDate"], "/Date(1773187200000+0000)/");
    assert_eq!(caller.get("/Payments?where=Reference%3D%3D%22coportal%3Ap1%22").await["Payments"].as_array().unwrap().len(), 2);
    let deleted = caller.post(&format!("/Payments/{}", last["PaymentID"].as_str().unwrap()), &json!({ "Status": "DELETED" })).await;
    assert_eq!(deleted["Payments"][0]["Status"], "DELETED");
    assert_eq!(caller.get(&invoice_path(&made)).await["Invoices"][0]["Status"], "AUTHORISED");
    assert_eq!(caller.simulator.state().payments.len(), 1);
}
