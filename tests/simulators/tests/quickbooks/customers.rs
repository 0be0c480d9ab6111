//! Customers (vendor notes, section 2).

use serde_json::{Value, json};

use crate::support::{aimed, body, gb, line, seed, us};

#[tokio::test]
async fn a_customer_is_made_read_and_changed_sparsely_or_whole() {
    let caller = gb().await;
    let made = caller
        .post(
            "customer?minorversion=75",
            &json!({
                "DisplayName": "Acme Ltd", "CompanyName": "Acme", "GivenName": "Ann", "FamilyName": "Lee", "Notes": "vip",
                "PrimaryEmailAddr": { "Address": "a@acme.example" }, "PrimaryPhone": { "FreeFormNumber": "020 7946 0000" },
                "BillAddr": { "Line1": "1 Quay", "City": "Hull", "PostalCode": "HU1", "Country": "GBR" }, "PrimaryTaxIdentifier": "GB123456789"
            }),
        )
        .await["Customer"]
        .clone();
    assert_eq!((&made["SyncToken"], &made["Active"], &made["FullyQualifiedName"]), (&json!("0"), &json!(true), &json!("Acme Ltd")));
    assert_eq!(made["PrimaryTaxIdentifier"], "XXXXXXX6789", "masked on reads");
    assert_eq!(made["MetaData"]["CreateTime"], "2026-03-10T01:00:00-08:00");
    let sparse = aimed(&made, json!({ "sparse": true, "CompanyName": "Acme Group" }));
    let changed = caller.post("customer", &sparse).await["Customer"].clone();
    assert_eq!((&changed["CompanyName"], &changed["Notes"], &changed["SyncToken"]), (&json!("Acme Group"), &json!("vip"), &json!("1")));
    assert_eq!(caller.code("POST", "customer", &sparse).await, "5010");
    let whole = caller.post("customer", &aimed(&changed, json!({ "DisplayName": "Acme Ltd" }))).await["Customer"].clone();
    assert!(whole.get("Notes").is_none() && whole.get("PrimaryEmailAddr").is_none(), "omitted writable fields become null");
    assert_eq!(caller.get(&format!("customer/{}", made["Id"].as_str().unwrap())).await["Customer"], whole);
    assert_eq!(caller.code("POST", "customer", &json!({ "Id": made["Id"], "sparse": true })).await, "2020");
    assert_eq!(caller.code("POST", "customer", &json!({ "Id": "404", "SyncToken": "0" })).await, "610");
    assert_eq!(caller.code("POST", "customer?operation=delete", &aimed(&whole, json!({}))).await, "500");
}

/// Section 0, fact 4: unique across customers, vendors and employees together.
#[tokio::test]
async fn a_display_name_is_taken_by_customers_and_vendors_alike() {
    let caller = gb().await;
    seed(&caller.simulator, json!({ "contacts": [{ "name": "Paper Co", "supplier": true }] }));
    caller.customer("Acme Ltd").await;
    for taken in ["Acme Ltd", "ACME LTD", "Paper Co"] {
        let refused = caller.refused("POST", "customer", &json!({ "DisplayName": taken })).await;
        assert_eq!((&refused["code"], &refused["Message"]), (&json!("6240"), &json!("Duplicate Name Exists Error")));
        assert!(refused["Detail"].as_str().unwrap().contains("Another customer, vendor or employee"), "{taken}");
    }
    let vendor = caller.query("select * from Vendor where DisplayName = 'Paper Co'").await["Vendor"][0].clone();
    assert_eq!(caller.get(&format!("vendor/{}", vendor["Id"].as_str().unwrap())).await["Vendor"]["DisplayName"], "Paper Co");
    assert_eq!(caller.query("select * from Customer where DisplayName = 'Paper Co'").await, json!({}));
    let other = caller.post("customer", &json!({ "DisplayName": "Other" })).await["Customer"].clone();
    assert_eq!(caller.code("POST", "customer", &aimed(&other, json!({ "sparse": true, "DisplayName": "Acme Ltd" }))).await, "6240");
    caller.not_modelled("POST", "vendor", &json!({ "DisplayName": "V" })).await;
}

#[tokio::test]
async fn an_inactive_customer_frees_its_name_and_says_so_in_it() {
    let caller = gb().await;
    let made = caller.post("customer", &json!({ "DisplayName": "Acme Ltd" })).await["Customer"].clone();
    let gone = caller.post("customer", &aimed(&made, json!({ "sparse": true, "Active": false }))).await["Customer"].clone();
    assert_eq!((&gone["DisplayName"], &gone["Active"]), (&json!("Acme Ltd (deleted)"), &json!(false)));
    let heir = caller.customer("Acme Ltd").await;
    assert_eq!(caller.code("POST", "customer", &aimed(&gone, json!({ "sparse": true, "Active": true }))).await, "6240");
    caller.act(json!({ "action": "edit_contact", "contact_id": heir, "name": "Acme Two" }));
    let back = caller.post("customer", &aimed(&gone, json!({ "sparse": true, "Active": true }))).await["Customer"].clone();
    assert_eq!(back["DisplayName"], "Acme Ltd");
}

#[tokio::test]
async fn names_have_parts_lengths_and_forbidden_signs() {
    let caller = gb().await;
    let derived = caller.post("customer", &json!({ "GivenName": "Ann", "FamilyName": "Lee" })).await;
    assert_eq!(derived["Customer"]["DisplayName"], "Ann Lee");
    assert_eq!(caller.code("POST", "customer", &json!({ "Notes": "nobody" })).await, "2020");
    let long = |name: &str, length: usize| json!({ "DisplayName": "Fine", name: "x".repeat(length) });
    for (name, most) in [("DisplayName", 500), ("CompanyName", 100), ("GivenName", 100), ("FamilyName", 100), ("Notes", 2000)] {
        let refused = caller.refused("POST", "customer", &long(name, most + 1)).await;
        assert_eq!((&refused["code"], &refused["element"]), (&json!("2050"), &json!(name)));
    }
    let email = json!({ "DisplayName": "Fine", "PrimaryEmailAddr": { "Address": "x".repeat(101) } });
    assert_eq!(caller.code("POST", "customer", &email).await, "2050");
    let phone = json!({ "DisplayName": "Fine", "PrimaryPhone": { "FreeFormNumber": "1".repeat(31) } });
    assert_eq!(caller.code("POST", "customer", &phone).await, "2050");
    let postcode = json!({ "DisplayName": "Fine", "BillAddr": { "PostalCode": "1".repeat(31) } });
    assert_eq!(caller.code("POST", "customer", &postcode).await, "2050");
    for name in ["a:b", "a\tb", "a\nb"] {
        assert_eq!(caller.code("POST", "customer", &json!({ "DisplayName": name })).await, "6000", "{name:?}");
    }
    assert_eq!(caller.code("POST", "customer", &json!({ "DisplayName": 7 })).await, "2010");
    caller.not_modelled("POST", "customer", &json!({ "DisplayName": "x", "Job": true, "ParentRef": { "value": "1" } })).await;
    assert!(caller.simulator.state().contacts.iter().all(|contact| contact.name == "Ann Lee"), "nothing refused was kept");
}

/// Section 2: `CurrencyRef` is fixed at creation, and an error where there is one currency.
#[tokio::test]
async fn a_customer_has_one_currency_for_good() {
    let single = us().await;
    let foreign = json!({ "DisplayName": "Euro", "CurrencyRef": { "value": "EUR" } });
    assert_eq!(single.code("POST", "customer", &foreign).await, "6000");
    assert_eq!(single.query("select * from CompanyCurrency").await, json!({}));
    let preferences = json!({ "CurrencyPrefs": { "MultiCurrencyEnabled": true } });
    let organisations = json!([{ "name": "Table Rock Studio LLC", "preferences": preferences, "currencies": ["EUR"] }]);
    seed(&single.simulator, json!({ "organisations": organisations }));
    let enabled = single.query("select * from CompanyCurrency where Active = true").await["CompanyCurrency"].clone();
    assert_eq!((&enabled[0]["Code"], enabled.as_array().unwrap().len()), (&json!("EUR"), 1));
    let made = single.post("customer", &foreign).await["Customer"].clone();
    assert_eq!(made["CurrencyRef"]["value"], "EUR");
    let moved = aimed(&made, json!({ "sparse": true, "CurrencyRef": { "value": "USD" } }));
    assert_eq!(single.code("POST", "customer", &moved).await, "6000");
    let unknown = json!({ "DisplayName": "Yen", "CurrencyRef": { "value": "JPY" } });
    assert_eq!(single.code("POST", "customer", &unknown).await, "2500");
    let bill = |currency: Value| json!({ "CustomerRef": { "value": made["Id"] }, "TxnDate": "2026-03-10", "CurrencyRef": currency, "Line": [line("1", "10", "10", "NON")] });
    assert_eq!(single.code("POST", "invoice", &bill(Value::Null)).await, "2020", "required with multicurrency");
    assert_eq!(single.code("POST", "invoice", &bill(json!({ "value": "USD" }))).await, "6000", "must be the customer's");
    assert_eq!(single.code("POST", "invoice", &bill(json!({ "value": "JPY" }))).await, "2500");
    let billed = single.invoice(&bill(json!({ "value": "EUR" }))).await;
    assert_eq!((&billed["CurrencyRef"]["value"], &billed["ExchangeRate"]), (&json!("EUR"), &json!(1)));
}

/// Section 2: the losing id disappears.
#[tokio::test]
async fn a_merged_customer_is_gone_and_its_invoices_have_moved() {
    let caller = gb().await;
    let (loser, winner) = (caller.customer("Acme").await, caller.customer("Acme Ltd").await);
    let made = caller.invoice(&body(&loser, "CP-1", vec![line("1", "10", "10", "2")])).await;
    caller.act(json!({ "action": "merge_contact", "contact_id": loser, "into": winner }));
    assert_eq!(caller.code("GET", &format!("customer/{loser}"), &Value::Null).await, "610");
    assert_eq!(caller.query("select * from Customer where Active IN (true, false)").await["maxResults"], 1);
    let moved = caller.get(&format!("invoice/{}", made["Id"].as_str().unwrap())).await["Invoice"].clone();
    assert_eq!((&moved["CustomerRef"]["value"], &moved["SyncToken"]), (&json!(winner), &json!("1")));
    let next = body(&loser, "CP-2", vec![line("1", "10", "10", "2")]);
    assert_eq!(caller.code("POST", "invoice", &next).await, "2500");
    assert_eq!(caller.simulator.state().contacts[0].status, "merged");
}
