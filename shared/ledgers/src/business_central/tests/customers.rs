//! Customers.

use super::*;

fn customer_json(id: &str, name: &str, email: &str) -> Value {
    json!({ "@odata.etag": "W/\"3\"", "id": id, "displayName": name, "email": email, "blocked": "_x0020_" })
}

/// R60: by e-mail address; with a name as well, both in one call.
#[tokio::test]
async fn r60_customers_are_searched_in_one_call() {
    let by_email =
        json!({ "value": [customer_json(CUSTOMER, "Acme", "x@y.co; ann@acme.co"), customer_json(OTHER, "Near miss", "joann@acme.co")] });
    let by_name = json!({ "value": [customer_json(CUSTOMER, "Acme", "x@y.co; ann@acme.co"), customer_json(INVOICE, "ACME", "")] });
    let both = json!({ "responses": [{ "id": "1", "status": 200, "body": by_email }, { "id": "2", "status": 200, "body": by_name }] });
    let transport = Scripted::new([
        Ok(reply(200, &both.to_string())),
        Ok(reply(200, &by_email.to_string())),
        error(405, "", ""),
        Ok(reply(200, &by_email.to_string())),
        Ok(reply(200, &by_name.to_string())),
    ]);
    let api = ledger(&transport);
    let (found, calls) = with_access!(|access| api.contacts.search(access, Some("Ann@acme.co"), Some("Acme")));
    let ids = |found: Vec<coportal_core::contact::Contact>| found.into_iter().map(|contact| contact.external_id).collect::<Vec<_>>();
    assert_eq!((ids(found.unwrap().value), calls), (vec![CUSTOMER.to_owned(), INVOICE.to_owned()], 1));
    assert_eq!(transport.header(0, "isolation"), None, "reads need no transaction");
    insta::assert_snapshot!(transport.body(0).replace("},{", "},\n{"));
    let (found, _) = with_access!(|access| api.contacts.search(access, Some("ann@acme.co"), None));
    assert_eq!(ids(found.unwrap().value), [CUSTOMER.to_owned()]);
    let (found, calls) = with_access!(|access| api.contacts.search(access, Some("ann@acme.co"), Some("Acme")));
    assert_eq!((found.unwrap().value.len(), calls), (2, 3), "an environment without batches takes two requests");
    assert_eq!(with_access!(|access| api.contacts.search(access, Some(" "), None)).1, 0);
}

#[tokio::test]
async fn a_customer_is_made_changed_and_missed() {
    let transport = Scripted::new([
        error(
            400,
            "Internal_InvalidTableRelation",
            "The field Country/Region Code contains a value (XX) that cannot be found in the related table",
        ),
        Ok(reply(201, &customer_json(CUSTOMER, "Acme", "ann@acme.co").to_string())),
        error(409, "Request_EntityChanged", "x"),
        error(404, "BadRequest_NotFound", "x"),
        error(400, "Internal_EntityWithSameKeyExists", "x"),
    ]);
    let api = ledger(&transport);
    let content = ContactContent {
        name: Some("Acme".to_owned()),
        email: Some("ann@acme.co".to_owned()),
        phone: None,
        billing_address: Some(coportal_core::client::Address { country: Some("Ireland".to_owned()), ..Default::default() }),
        our_mark: None,
        currency: None,
    };
    let body = api.contacts.contact_body(&content, None);
    let (made, _) = with_access!(|access| api.contacts.write_contact(access, None, &body, "key"));
    let made = made.unwrap().value;
    assert_eq!((made.external_id.as_str(), made.version.as_deref()), (CUSTOMER, Some("W/\"3\"")));
    assert!(transport.body(0).contains("\"IE\"") && !transport.body(1).contains("IE"), "a code that the company lacks is left out");
    let body = api.contacts.contact_body(&content, Some(&made));
    let (failed, _) = with_access!(|access| api.contacts.write_contact(access, Some(CUSTOMER), &body, "key"));
    assert_eq!(failed.unwrap_err().disposition, Disposition::Stale);
    assert_eq!(transport.header(2, "if-match").as_deref(), Some("W/\"3\""));
    assert!(with_access!(|access| api.contacts.read_contact(access, CUSTOMER)).0.unwrap().value.is_none());
    let (failed, _) = with_access!(|access| api.contacts.write_contact(access, None, &body, "key"));
    assert_eq!(failed.unwrap_err().disposition, Disposition::Retry { not_before: None });
}
