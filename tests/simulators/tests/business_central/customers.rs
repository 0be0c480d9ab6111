//! Customers (vendor notes, section 4).

use serde_json::{Value, json};
use simulators::business_central::{Action, Blocked};

use crate::support::*;

#[tokio::test]
async fn a_customer_is_made_numbered_and_gets_what_the_template_gives() {
    let caller = connected().await;
    let sent = json!({
        "displayName": "Acme Ltd", "type": "Company", "email": "ada@acme.example;bob@acme.example", "phoneNumber": "0117 496 0000",
        "addressLine1": "1 High St", "addressLine2": "Floor 2", "city": "Bristol", "state": "Avon", "postalCode": "bs1 1aa", "country": "gb",
        "taxRegistrationNumber": "GB123456789", "currencyCode": "GBP", "website": "https://acme.example",
    });
    let response = caller.send("POST", "customers", &sent).await;
    assert_eq!(response.status(), 201);
    let made = value(&response);
    assert_eq!(header(&response, "etag"), made["@odata.etag"].as_str().unwrap());
    assert!(made["@odata.context"].as_str().unwrap().ends_with("/customers/$entity"));
    assert_eq!(
        pick(&made, &["number", "displayName", "blocked", "currencyCode", "postalCode", "country", "taxAreaDisplayName"]),
        json!(["C00020", "Acme Ltd", "_x0020_", "GBP", "BS1 1AA", "GB", "Domestic customers and vendors"])
    );
    assert_eq!(made["currencyId"], "00000000-0000-0000-0000-000000000000", "the local currency is blank inside");
    let id = made["id"].as_str().unwrap();
    assert_eq!(caller.get(&format!("customers({id})")).await["email"], sent["email"]);
    let state = caller.simulator.state();
    assert_eq!((state.contacts.len(), state.contacts[0].status.as_str()), (1, "active"));
}

/// Neither email nor name is unique, and comparisons mind case unless `tolower` is asked for.
#[tokio::test]
async fn nothing_is_unique_and_look_ups_mind_case() {
    let caller = connected().await;
    for (name, email) in
        [("O'Brien Ltd", "Ada@Acme.example"), ("Other", "ada@acme.example"), ("O'Brien Ltd", "third@x.example;ada@acme.example")]
    {
        caller.post("customers", &json!({ "displayName": name, "email": email })).await;
    }
    assert_eq!(caller.found("customers", "email eq 'ada@acme.example'").await.len(), 1);
    assert_eq!(caller.found("customers", "tolower(email) eq 'ada@acme.example'").await.len(), 2);
    assert_eq!(caller.found("customers", "tolower(email) eq 'Ada@Acme.example'").await.len(), 0, "the literal must be lower-case");
    assert_eq!(caller.found("customers", "contains(email,'ada@acme.example')").await.len(), 2, "several addresses in one field");
    assert_eq!(caller.found("customers", "displayName eq 'O''Brien Ltd'").await.len(), 2);
    assert_eq!(caller.found("customers", "blocked eq '_x0020_' and displayName ne 'Other'").await.len(), 2);
}

#[tokio::test]
async fn patch_needs_the_etag_and_leaves_what_is_not_sent() {
    let caller = connected().await;
    let made = caller.post("customers", &json!({ "displayName": "Acme", "email": "a@b.example", "city": "Leeds" })).await;
    let (id, etag) = (made["id"].as_str().unwrap(), made["@odata.etag"].as_str().unwrap());
    let path = format!("customers({id})");
    let change = json!({ "city": "York" });
    let missing = caller.send("PATCH", &path, &change).await;
    assert_eq!((missing.status().as_u16(), value(&missing)["error"]["code"].as_str().unwrap()), (400, "BadRequest_InvalidToken"));
    assert_eq!(value(&caller.guarded("nonsense", "PATCH", &path, &change).await)["error"]["code"], "BadRequest_InvalidToken");
    let changed = caller.guarded(etag, "PATCH", &path, &change).await;
    assert_eq!(changed.status(), 200);
    assert_eq!(pick(&value(&changed), &["city", "email", "displayName"]), json!(["York", "a@b.example", "Acme"]));
    assert_ne!(value(&changed)["@odata.etag"], etag);
    assert_ne!(value(&changed)["lastModifiedDateTime"], made["lastModifiedDateTime"]);
    let stale = caller.guarded(etag, "PATCH", &path, &change).await;
    assert_eq!((stale.status().as_u16(), value(&stale)["error"]["code"].as_str().unwrap()), (409, "Request_EntityChanged"));
    caller.patch(&path, &json!({ "@odata.etag": "ignored", "city": "Hull" })).await;
    let nobody = format!("customers({})", caller.company);
    for method in ["PATCH", "GET"] {
        let (status, code, _) = caller.refused(method, &nobody, &change).await;
        assert_eq!((status, code.as_str()), (404, "BadRequest_NotFound"));
    }
}

#[tokio::test]
async fn fields_have_their_rules() {
    let caller = connected().await;
    let long = |length: usize| "x".repeat(length);
    for (sent, code) in [
        (json!({}), "Application_DialogException"),
        (json!({ "displayName": "" }), "Application_DialogException"),
        (json!({ "displayName": long(101) }), "Application_StringExceededLength"),
        (json!({ "displayName": "a", "email": long(81) }), "Application_StringExceededLength"),
        (json!({ "displayName": "a", "email": "nobody" }), "Application_DialogException"),
        (json!({ "displayName": "a", "phoneNumber": "call me" }), "Application_FieldValidationException"),
        (json!({ "displayName": "a", "addressLine2": long(51) }), "Application_StringExceededLength"),
        (json!({ "displayName": "a", "city": long(31) }), "Application_StringExceededLength"),
        (json!({ "displayName": "a", "country": "XX" }), "Internal_InvalidTableRelation"),
        (json!({ "displayName": "a", "currencyCode": "XXX" }), "Application_DialogException"),
        (json!({ "displayName": "a", "paymentTermsId": caller.company }), "Application_DialogException"),
        (json!({ "displayName": "a", "taxAreaId": caller.company }), "Internal_InvalidTableRelation"),
        (json!({ "displayName": "a", "taxRegistrationNumber": "GB12" }), "Application_DialogException"),
        (json!({ "displayName": "a", "number": "C1" }), "Application_DialogException"),
        (json!({ "displayName": "a", "type": "Robot" }), "BadRequest"),
        (json!({ "displayName": "a", "blocked": "Everything" }), "BadRequest"),
        (json!({ "displayName": "a", "nickname": "b" }), "BadRequest"),
        (json!({ "displayName": 5 }), "BadRequest"),
        (json!({ "displayName": "a", "id": caller.company }), "BadRequest_InvalidOperation"),
        (json!({ "displayName": "a", "taxAreaDisplayName": "b" }), "BadRequest_InvalidOperation"),
    ] {
        assert_eq!(caller.refused("POST", "customers", &sent).await.1, code, "{sent}");
    }
    assert!(caller.simulator.state().contacts.is_empty());
    let id = caller.customer("Acme").await;
    assert_eq!(caller.refused("PATCH", &format!("customers({id})"), &json!({ "displayName": "" })).await.1, "Application_DialogException");
    for sent in
        [json!({ "displayName": "a", "currencyId": caller.company }), json!({ "displayName": "a", "paymentMethodId": caller.company })]
    {
        assert_eq!(caller.send("POST", "customers", &sent).await.status(), 501);
    }
}

/// Trap 8: no template, no posting groups, no invoice.
#[tokio::test]
async fn a_customer_without_posting_groups_cannot_be_invoiced() {
    let caller = connected().await.at(2);
    let id = caller.customer("Acme").await;
    let (status, code, message) = caller.refused("POST", "salesInvoices", &json!({ "customerId": id })).await;
    assert_eq!((status, code.as_str()), (400, "Application_FieldValidationException"));
    assert!(message.starts_with("Gen. Bus. Posting Group must have a value in Customer: No.=C00020."), "{message}");
}

#[tokio::test]
async fn a_blocked_customer_cannot_be_invoiced_and_one_that_was_merged_is_gone() {
    let caller = connected().await;
    let (first, second) = (caller.customer("Acme").await, caller.customer("Acme Ltd").await);
    let invoice = caller.draft(&first, "CP-1").await;
    caller.simulator.bookkeeper(Action::BlockContact { contact_id: first.clone(), blocked: Blocked::Invoice }).unwrap();
    assert_eq!(caller.get(&format!("customers({first})")).await["blocked"], "Invoice");
    let (_, code, message) = caller.refused("POST", "salesInvoices", &json!({ "customerId": first })).await;
    assert_eq!(code, "Application_DialogException");
    assert!(message.contains("is blocked with type Invoice"), "{message}");
    caller.simulator.bookkeeper(Action::BlockContact { contact_id: first.clone(), blocked: Blocked::No }).unwrap();
    caller.simulator.bookkeeper(Action::MergeContact { contact_id: first.clone(), into: second.clone() }).unwrap();
    assert_eq!(caller.refused("GET", &format!("customers({first})"), &Value::Null).await.0, 404);
    assert_eq!(caller.get("customers").await["value"].as_array().unwrap().len(), 1);
    assert_eq!(caller.get(&format!("salesInvoices({invoice})")).await["customerId"], second.as_str());
    let states: Vec<_> = caller.simulator.state().contacts.into_iter().map(|contact| contact.status).collect();
    assert_eq!(states, ["merged", "active"]);
    caller.simulator.bookkeeper(Action::ArchiveContact { contact_id: second.clone() }).unwrap();
    assert_eq!(caller.simulator.state().contacts[1].status, "archived");
    let edit = Action::EditContact {
        contact_id: second.clone(),
        name: Some("Renamed".into()),
        email: None,
        prices_include_tax: None,
        tax_area: Some("EXPORT".into()),
    };
    caller.simulator.bookkeeper(edit).unwrap();
    let shown = caller.get(&format!("customers({second})")).await;
    assert_eq!(pick(&shown, &["displayName", "taxAreaDisplayName"]), json!(["Renamed", "Other customers and vendors"]));
}

#[tokio::test]
async fn what_the_permission_sets_do_not_allow_is_403() {
    let caller = connected().await;
    let id = caller.customer("Acme").await;
    let seed = json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "refused_actions": ["customers", "salesInvoices"] }] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    caller.get("customers").await;
    for (method, path, body) in [
        ("POST", "customers".to_owned(), json!({ "displayName": "B" })),
        ("PATCH", format!("customers({id})"), json!({ "city": "B" })),
        ("POST", "salesInvoices".to_owned(), json!({ "customerId": id })),
    ] {
        let (status, code, _) = caller.refused(method, &path, &body).await;
        assert_eq!((status, code.as_str()), (403, "Authorization_RequestDenied"), "{path}");
    }
}
