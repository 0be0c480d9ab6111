//! Invoices (vendor notes, section 3).

use serde_json::{Value, json};

use crate::support::{Caller, advance, aimed, body, gb, line, number, raw_digits, seed, text, us};

async fn one(caller: &Caller) -> Value {
    let customer = caller.customer("Acme Ltd").await;
    caller.invoice(&body(&customer, "CP-1", vec![line("2", "50", "100", "2"), line("1", "0.5", "0.50", "4")])).await
}

async fn read(caller: &Caller, made: &Value) -> Value {
    caller.get(&format!("invoice/{}", made["Id"].as_str().unwrap())).await["Invoice"].clone()
}

#[tokio::test]
async fn an_invoice_posts_at_once_and_is_read_as_it_was_replied() {
    let caller = gb().await;
    let made = one(&caller).await;
    assert_eq!((&made["SyncToken"], &made["DocNumber"], &made["EmailStatus"]), (&json!("0"), &json!("CP-1"), &json!("NotSet")));
    assert_eq!((&made["CustomerRef"]["name"], &made["CurrencyRef"]["value"]), (&json!("Acme Ltd"), &json!("GBP")));
    assert_eq!((&made["TotalAmt"], &made["Balance"]), (&number("120.50"), &number("120.50")));
    assert_eq!(made["TxnTaxDetail"]["TotalTax"], number("20.00"));
    let first = &made["Line"][0];
    assert_eq!((&first["Id"], &first["LineNum"], &first["DetailType"]), (&json!("1"), &json!(1), &json!("SalesItemLineDetail")));
    assert_eq!(first["SalesItemLineDetail"]["ItemAccountRef"]["name"], "Sales");
    assert_eq!((&made["Line"][2]["DetailType"], &made["Line"][2]["Amount"]), (&json!("SubTotalLineDetail"), &number("100.50")));
    assert_eq!(read(&caller, &made).await, made);
    let id = made["Id"].as_str().unwrap();
    let reply = text(&caller.send("GET", &format!("invoice/{id}"), &Value::Null).await);
    assert_eq!(raw_digits(&reply, &["Invoice", "TotalAmt"]), "120.50", "decimals keep their places");
    assert_eq!(caller.simulator.state().documents[0].status, "approved", "there is no draft");
}

#[tokio::test]
async fn a_sparse_update_keeps_what_is_not_sent_and_a_full_one_nulls_it() {
    let caller = gb().await;
    let made = one(&caller).await;
    let sparse = caller.invoice(&aimed(&made, json!({ "sparse": true, "DueDate": "2026-04-30" }))).await;
    assert_eq!((&sparse["DueDate"], &sparse["PrivateNote"]), (&json!("2026-04-30"), &json!("coportal:CP-1")));
    assert_eq!((&sparse["Line"], &sparse["SyncToken"]), (&made["Line"], &json!("1")));
    let mut kept = made["Line"][0].clone();
    kept["Description"] = json!("More work");
    let lines = caller.invoice(&aimed(&sparse, json!({ "sparse": true, "Line": [kept, line("1", "5", "5", "2")] }))).await;
    let ids: Vec<&Value> = lines["Line"].as_array().unwrap().iter().map(|line| &line["Id"]).collect();
    assert_eq!(ids, [&json!("1"), &json!("3"), &Value::Null], "the array is replaced as a whole; new lines get new ids");
    assert_eq!(lines["TotalAmt"], number("126.00"));
    advance(&caller.simulator, 1800);
    let full = aimed(&lines, json!({ "CustomerRef": lines["CustomerRef"], "Line": [line("1", "5", "5", "2")] }));
    let nulled = caller.invoice(&full).await;
    for gone in ["PrivateNote", "DocNumber"] {
        assert!(nulled.get(gone).is_none(), "{gone}");
    }
    assert_eq!((&nulled["TxnDate"], &nulled["DueDate"]), (&json!("2026-03-10"), &json!("2026-03-10")), "the vendor's own day");
    assert_eq!(caller.code("POST", "invoice", &aimed(&nulled, json!({ "CustomerRef": nulled["CustomerRef"] }))).await, "2020");
    assert_eq!(caller.code("POST", "invoice", &aimed(&nulled, json!({ "Line": nulled["Line"] }))).await, "2020");
    let again = caller.invoice(&nulled).await;
    assert_eq!(again["TotalAmt"], nulled["TotalAmt"], "a whole invoice can be sent back as it was read");
    let mut stranger = line("1", "5", "5", "2");
    stranger["Id"] = json!("99");
    caller.not_modelled("POST", "invoice", &aimed(&again, json!({ "sparse": true, "Line": [stranger] }))).await;
}

#[tokio::test]
async fn a_stale_token_changes_nothing() {
    let caller = gb().await;
    let made = one(&caller).await;
    caller.act(json!({ "action": "edit_document", "document_id": made["Id"], "due_date": "2026-05-01" }));
    for path in ["invoice", "invoice?operation=void", "invoice?operation=delete"] {
        assert_eq!(caller.code("POST", path, &aimed(&made, json!({ "sparse": true, "PrivateNote": "x" }))).await, "5010", "{path}");
    }
    assert_eq!(caller.code("POST", "invoice?operation=void", &json!({ "Id": made["Id"] })).await, "2020");
    assert_eq!(read(&caller, &made).await["PrivateNote"], "coportal:CP-1");
}

#[tokio::test]
async fn a_void_keeps_the_record_at_nothing_and_says_so_in_the_note() {
    let caller = gb().await;
    let made = one(&caller).await;
    let void = caller.post("invoice?operation=void", &aimed(&made, json!({}))).await["Invoice"].clone();
    assert_eq!(void["PrivateNote"], "Voided - coportal:CP-1");
    assert_eq!((&void["TotalAmt"], &void["Balance"], &void["LinkedTxn"]), (&number("0.00"), &number("0.00"), &json!([])));
    assert_eq!((&void["Line"][0]["Amount"], &void["Line"][0]["SalesItemLineDetail"]["Qty"]), (&number("0.00"), &json!(0)));
    assert_eq!(void["DocNumber"], "CP-1");
    assert_eq!(caller.simulator.state().documents[0].status, "voided");
    caller.not_modelled("POST", "invoice?operation=void", &aimed(&void, json!({}))).await;
    caller.not_modelled("POST", "invoice", &aimed(&void, json!({ "sparse": true, "DueDate": "2026-04-30" }))).await;
}

#[tokio::test]
async fn a_deleted_invoice_is_found_by_nobody() {
    let caller = gb().await;
    let made = one(&caller).await;
    let reply = caller.post("invoice?operation=delete", &aimed(&made, json!({}))).await;
    assert_eq!(reply["Invoice"], json!({ "status": "Deleted", "domain": "QBO", "Id": made["Id"] }));
    let id = made["Id"].as_str().unwrap();
    assert_eq!(caller.code("GET", &format!("invoice/{id}"), &Value::Null).await, "610");
    assert_eq!(caller.query("select * from Invoice where DocNumber = 'CP-1'").await, json!({}));
    assert_eq!(caller.code("POST", "invoice", &aimed(&made, json!({ "sparse": true, "DueDate": "2026-04-30" }))).await, "610");
    assert!(caller.simulator.state().documents.is_empty());
    let customer = made["CustomerRef"]["value"].as_str().unwrap();
    caller.invoice(&body(customer, "CP-1", vec![line("1", "1", "1", "2")])).await;
}

/// Section 3, DocNumber.
#[tokio::test]
async fn numbers_follow_the_company_s_preferences() {
    let custom = gb().await;
    let customer = custom.customer("Acme").await;
    let mut none = body(&customer, "", vec![line("1", "1", "1", "2")]);
    assert!(custom.invoice(&none).await.get("DocNumber").is_none(), "custom numbers on and none sent: it stays empty");
    none["DocNumber"] = json!("AUTO_GENERATE");
    assert_eq!(custom.invoice(&none).await["DocNumber"], "1001");
    let first = custom.invoice(&body(&customer, "CP-1", vec![line("1", "1", "1", "2")])).await;
    let twice = custom.refused("POST", "invoice", &body(&customer, "cp-1", vec![line("1", "1", "1", "2")])).await;
    assert_eq!((&twice["code"], &twice["element"]), (&json!("6140"), &json!("DocNumber")));
    assert!(twice["Detail"].as_str().unwrap().ends_with(&format!("TxnId={}", first["Id"].as_str().unwrap())));
    custom.post("invoice?include=allowduplicatedocnum", &body(&customer, "CP-1", vec![line("1", "1", "1", "2")])).await;
    let long = body(&customer, &"9".repeat(22), vec![line("1", "1", "1", "2")]);
    assert_eq!(custom.code("POST", "invoice", &long).await, "2050");
    let second = custom.invoice(&body(&customer, "CP-2", vec![line("1", "1", "1", "2")])).await;
    assert_eq!(custom.code("POST", "invoice", &aimed(&second, json!({ "sparse": true, "DocNumber": "CP-1" }))).await, "6140");

    let auto = us().await;
    let customer = auto.customer("Acme").await;
    let plain = json!({ "CustomerRef": { "value": customer }, "TxnDate": "2026-03-10", "Line": [line("1", "1", "1", "NON")] });
    assert_eq!(auto.invoice(&plain).await["DocNumber"], "1001");
    let mut sent = plain.clone();
    sent["DocNumber"] = json!("1002");
    assert_eq!(auto.invoice(&sent).await["DocNumber"], "1002", "a value that is sent is taken");
    assert_eq!(auto.invoice(&plain).await["DocNumber"], "1002", "and collides later");
    assert_eq!(auto.simulator.state().documents.len(), 3, "this company does not warn");
}

#[tokio::test]
async fn fields_have_their_rules() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let good = body(&customer, "CP-1", vec![line("1", "10", "10", "2")]);
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    for (name, value, code) in [
        ("CustomerRef", Value::Null, "2020"),
        ("CustomerRef", json!({ "value": "404" }), "2500"),
        ("Line", json!([]), "2020"),
        ("Line", Value::Null, "2020"),
        ("EmailStatus", json!("Later"), "2170"),
        ("EmailStatus", json!("NeedToSend"), "2020"),
        ("GlobalTaxCalculation", json!("Sometimes"), "2170"),
        ("PrivateNote", json!("x".repeat(4001)), "2050"),
        ("CustomerMemo", json!({ "value": "x".repeat(1001) }), "2050"),
        ("BillEmail", json!({ "Address": "x".repeat(101) }), "2050"),
        ("CurrencyRef", json!({ "value": "EUR" }), "6000"),
        ("TxnDate", json!("10/03/2026"), "2010"),
        ("Line", json!([{ "Amount": 1 }]), "2020"),
        ("Line", json!([line("1", "-10", "-10", "2")]), "6000"),
        ("Line", json!([{ "DetailType": "Nonsense" }]), "2170"),
    ] {
        assert_eq!(caller.code("POST", "invoice", &with(name, value.clone())).await, code, "{name} {value}");
    }
    for (name, value) in [
        ("DepartmentRef", json!({ "value": "1" })),
        ("Line", json!([{ "DetailType": "DiscountLineDetail", "Amount": 1 }])),
        ("Line", json!([{ "DetailType": "SalesItemLineDetail", "Amount": 1, "SalesItemLineDetail": {} }])),
    ] {
        caller.not_modelled("POST", "invoice", &with(name, value)).await;
    }
    caller.act(json!({ "action": "archive_contact", "contact_id": customer }));
    assert_eq!(caller.code("POST", "invoice", &good).await, "2500", "an inactive customer");
    assert!(caller.simulator.state().documents.is_empty());
}

/// 6070: the amount must be the product to the cent; longer prices are kept to seven places.
#[tokio::test]
async fn an_amount_is_quantity_times_price() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let make = |line: Value| body(&customer, "CP-1", vec![line]);
    let off = caller.refused("POST", "invoice", &make(line("3", "3.333", "10.01", "2"))).await;
    assert_eq!((&off["code"], &off["element"]), (&json!("6070"), &json!("Line.Amount")));
    let made = caller.invoice(&make(line("3", "3.3333333", "10.00", "2"))).await;
    assert_eq!(made["Line"][0]["SalesItemLineDetail"]["UnitPrice"], number("3.3333333"));
    let mut alone = line("1", "1", "12.34", "2");
    for name in ["Qty", "UnitPrice"] {
        alone["SalesItemLineDetail"].as_object_mut().unwrap().remove(name);
    }
    let mut second = make(alone.clone());
    second["DocNumber"] = json!("CP-2");
    assert_eq!(caller.invoice(&second).await["Line"][0]["Amount"], number("12.34"));
    alone["SalesItemLineDetail"]["Qty"] = json!(1);
    caller.not_modelled("POST", "invoice", &make(alone)).await;
}

#[tokio::test]
async fn a_line_may_be_text_alone_and_may_carry_a_class() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let note = json!({ "DetailType": "DescriptionOnly", "Description": "As agreed", "DescriptionLineDetail": {} });
    let mut classed = line("1", "10", "10", "2");
    classed["SalesItemLineDetail"]["ClassRef"] = json!({ "value": "100" });
    let made = caller.invoice(&body(&customer, "CP-1", vec![classed.clone(), note])).await;
    assert_eq!(made["Line"][1]["DetailType"], "DescriptionOnly");
    assert!(made["Line"][1].get("Amount").is_none());
    assert_eq!(made["Line"][0]["SalesItemLineDetail"]["ClassRef"]["name"], "North");
    let state = caller.simulator.state();
    assert_eq!(state.documents[0].lines[0].tracking, ["Class: North"]);
    assert_eq!((state.documents[0].lines[1].quantity, state.documents[0].note.as_deref()), (None, Some("coportal:CP-1")));
    classed["SalesItemLineDetail"]["ClassRef"] = json!({ "value": "404" });
    assert_eq!(caller.code("POST", "invoice", &body(&customer, "CP-2", vec![classed])).await, "2500");
}

/// 2500: what has become inactive cannot be used anew, but stays where it is.
#[tokio::test]
async fn inactive_items_stay_on_lines_that_have_them() {
    let caller = gb().await;
    let made = one(&caller).await;
    caller.act(json!({ "action": "set_item", "organisation": caller.realm, "item": "Services", "active": false }));
    caller.act(json!({ "action": "set_tax_code", "organisation": caller.realm, "tax_code": "20.0% S", "active": false }));
    let customer = made["CustomerRef"]["value"].as_str().unwrap();
    assert_eq!(caller.code("POST", "invoice", &body(customer, "CP-2", vec![line("1", "1", "1", "2")])).await, "2500");
    caller.invoice(&aimed(&made, json!({ "sparse": true, "Line": made["Line"] }))).await;
}

/// 6210: closed books refuse every write of that day.
#[tokio::test]
async fn closed_books_are_closed_for_create_update_void_and_delete() {
    let caller = gb().await;
    let made = one(&caller).await;
    caller.act(json!({ "action": "close_books", "organisation": caller.realm, "until": "2026-03-10" }));
    let customer = made["CustomerRef"]["value"].as_str().unwrap();
    assert_eq!(caller.code("POST", "invoice", &body(customer, "CP-2", vec![line("1", "1", "1", "2")])).await, "6210");
    for (path, more) in [
        ("invoice", json!({ "sparse": true, "TxnDate": "2026-04-01" })),
        ("invoice?operation=void", json!({})),
        ("invoice?operation=delete", json!({})),
    ] {
        assert_eq!(caller.code("POST", path, &aimed(&made, more)).await, "6210", "{path}");
    }
    assert_eq!(caller.get("preferences").await["Preferences"]["AccountingInfoPrefs"]["BookCloseDate"], "2026-03-10");
    caller.act(json!({ "action": "close_books", "organisation": caller.realm }));
    caller.post("invoice?operation=void", &aimed(&made, json!({}))).await;
}

/// Section 9: `AutoApplyCredit` may pay a newly created invoice.
#[tokio::test]
async fn credit_may_be_applied_to_a_new_invoice_by_the_company_itself() {
    let caller = gb().await;
    let preferences = json!({ "SalesFormsPrefs": { "AutoApplyCredit": true } });
    seed(&caller.simulator, json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "preferences": preferences }] }));
    let customer = caller.customer("Acme").await;
    caller.post("payment", &json!({ "CustomerRef": { "value": customer }, "TotalAmt": 5, "TxnDate": "2026-03-10" })).await;
    let made = caller.invoice(&body(&customer, "CP-1", vec![line("1", "10", "10", "4")])).await;
    assert_eq!((&made["TotalAmt"], &made["Balance"]), (&number("10.00"), &number("5.00")));
}
