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

#[tokio::test]
async fn all_customers_come_in_large_pages_on_the_same_host_and_company() {
    let root = format!("https://api.businesscentral.dynamics.com/v2.0/{TENANT}/Production/api/v2.0/companies({COMPANY})");
    let next = format!("{root}/customers?$select=id&$skiptoken=abc");
    let customer = json!({ "id": CUSTOMER, "displayName": "Acme Ltd", "email": "ann@acme.example; bob@acme.example", "blocked": "All",
        "currencyCode": "EUR", "phoneNumber": "0700", "addressLine1": "1 High St", "country": "GB" });
    let page = |next: Option<&str>| {
        let mut body = json!({ "@odata.count": 20_001, "value": [customer] });
        body["@odata.nextLink"] = next.into();
        Ok(reply(200, &body.to_string()))
    };
    let transport = Scripted::new([page(Some(&next)), page(None)]);
    let (first, _) = with_access!(|access| ledger(&transport).contact_list.contact_page(access, None));
    let first = first.unwrap().value;
    assert_eq!((first.next.as_deref(), first.expected), (Some(next.as_str()), Some(20_001)));
    let read = &first.contacts[0];
    assert_eq!((read.name.as_str(), read.archived, read.currency), ("Acme Ltd", true, Some("EUR".parse().unwrap())));
    assert_eq!(read.emails().collect::<Vec<_>>(), ["ann@acme.example", "bob@acme.example"]);
    let (second, calls) = with_access!(|access| ledger(&transport).contact_list.contact_page(access, first.next.as_deref()));
    assert_eq!((second.unwrap().value.next, calls), (None, 1));
    assert_eq!(transport.header(1, "prefer").as_deref(), Some("odata.maxpagesize=20000"));
    let asked = lines(&transport).swap_remove(0);
    assert!(asked.starts_with("GET /customers?$select=id%2CdisplayName") && asked.ends_with("%2CcurrencyCode&$count=true"), "{asked}");
    assert_eq!(lines(&transport)[1], "GET /customers?$select=id&$skiptoken=abc");
    for elsewhere in [
        "https://evil.example/v2.0/x".to_owned(),
        next.replace(COMPANY, OTHER),
        next.replace("/customers", "/salesInvoices"),
        next.replace("/customers", "/../../companies"),
        next.replace("https://", "http://"),
        "2".to_owned(),
    ] {
        // As a cursor it sends nothing; in an answer it is no next page.
        let transport = Scripted::new([page(Some(&elsewhere))]);
        let (refused, calls) = with_access!(|access| ledger(&transport).contact_list.contact_page(access, Some(&elsewhere)));
        assert_eq!((refused.unwrap_err().disposition, calls), (Disposition::Defect, 0), "{elsewhere}");
        let (refused, _) = with_access!(|access| ledger(&transport).contact_list.contact_page(access, None));
        assert_eq!(refused.unwrap_err().disposition, Disposition::Defect, "{elsewhere}");
    }
}
