//! Contacts: uniqueness, PUT and POST, lists (vendor notes, section 2).

use serde_json::{Value, json};
use simulators::xero::Action;

use crate::support::{Caller, connected, text, value};

async fn names(caller: &Caller, query: &str) -> Vec<String> {
    let list = caller.get(&format!("/Contacts?{query}")).await;
    list["Contacts"].as_array().unwrap().iter().map(|contact| contact["Name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn active_names_are_unique_without_case_and_an_archived_one_is_free() {
    let caller = connected().await;
    let first = caller.contact("Acme Ltd").await;
    let taken = caller.refused("PUT", "/Contacts?summarizeErrors=true", &json!({ "Contacts": [{ "Name": "ACME ltd" }] })).await;
    assert_eq!(
        taken,
        "The contact name ACME ltd is already assigned to another contact. The contact name must be unique across all active contacts."
    );
    caller.simulator.bookkeeper(Action::ArchiveContact { contact_id: first.clone() }).unwrap();
    let second = caller.contact("ACME ltd").await;
    assert_ne!(first, second);
    assert_eq!(names(&caller, "").await, ["ACME ltd"]);
    assert_eq!(names(&caller, "includeArchived=true").await.len(), 2);
    let states: Vec<String> = caller.simulator.state().contacts.into_iter().map(|contact| contact.status).collect();
    assert_eq!(states, ["archived", "active"]);
}

/// Any element may be ordered by; the id is the one that is modelled.
#[tokio::test]
async fn lists_are_ordered_by_id_where_asked() {
    let caller = connected().await;
    let mut made = Vec::new();
    for name in ["C", "A", "B"] {
        made.push(caller.contact(name).await);
    }
    made.sort();
    let list = caller.get("/Contacts?order=ContactID&page=1&pageSize=2").await;
    let ids: Vec<&str> = list["Contacts"].as_array().unwrap().iter().map(|contact| contact["ContactID"].as_str().unwrap()).collect();
    assert_eq!(ids, made[..2]);
    assert_eq!((&list["pagination"]["pageCount"], &list["pagination"]["itemCount"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn contact_and_account_numbers_are_unique() {
    let caller = connected().await;
    caller.put("/Contacts", &json!({ "Contacts": [{ "Name": "A", "ContactNumber": "coportal:1", "AccountNumber": "x" }] })).await;
    for sent in [json!({ "Name": "B", "ContactNumber": "coportal:1" }), json!({ "Name": "B", "AccountNumber": "x" })] {
        let message = caller.refused("PUT", "/Contacts", &json!({ "Contacts": [sent] })).await;
        assert!(message.contains("already assigned"), "{message}");
    }
    let by_number = caller.get("/Contacts/coportal:1").await;
    assert_eq!(by_number["Contacts"][0]["Name"], "A");
}

#[tokio::test]
async fn post_changes_sent_fields_only_and_upserts_what_it_matches() {
    let caller = connected().await;
    let sent = json!({ "Contacts": [{
        "Name": "Acme Ltd", "EmailAddress": "a@b.example", "TaxNumber": "GB1",
        "Addresses": [{ "AddressType": "POBOX", "AddressLine1": "1 High St", "City": "Leeds", "Country": "United Kingdom" }],
        "Phones": [{ "PhoneType": "DEFAULT", "PhoneNumber": "123" }, { "PhoneType": "OFFICE", "PhoneNumber": "9" }],
    }] });
    let made = caller.put("/Contacts?summarizeErrors=true", &sent).await["Contacts"][0].clone();
    let id = made["ContactID"].as_str().unwrap();
    assert_eq!((&made["IsCustomer"], &made["IsSupplier"]), (&json!(false), &json!(false)));
    assert_eq!(made["Phones"].as_array().unwrap().len(), 5, "four types always, and the one sent");
    assert_eq!(
        made["Addresses"][0],
        json!({
            "AddressType": "STREET", "AddressLine1": "", "AddressLine2": "", "AddressLine3": "", "AddressLine4": "", "City": "",
            "Region": "", "PostalCode": "", "Country": "", "AttentionTo": "",
        })
    );
    let sent = json!({ "Contacts": [{ "Addresses": [{ "AddressType": "POBOX", "City": "York" }] }] });
    let after = caller.post(&format!("/Contacts/{id}"), &sent).await["Contacts"][0].clone();
    assert_eq!((&after["EmailAddress"], &after["TaxNumber"]), (&json!("a@b.example"), &json!("GB1")));
    assert_eq!((&after["Addresses"][1]["City"], &after["Addresses"][1]["AddressLine1"]), (&json!("York"), &json!("1 High St")));
    assert_ne!(after["UpdatedDateUTC"], made["UpdatedDateUTC"]);
    let upserted = caller.post("/Contacts", &json!({ "Contacts": [{ "Name": "acme ltd", "EmailAddress": "new@b.example" }] })).await;
    assert_eq!(upserted["Contacts"][0]["ContactID"], id);
    caller.post("/Contacts", &json!({ "Name": "Another" })).await;
    assert_eq!(caller.simulator.state().contacts.len(), 2);
    let clash = caller.refused("POST", &format!("/Contacts/{id}"), &json!({ "Name": "Another" })).await;
    assert!(clash.starts_with("The contact name Another is already assigned"), "{clash}");
    let missing = caller.send("POST", "/Contacts/00000000-0000-4000-8000-000000000001", &json!({ "Name": "x" })).await;
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn lengths_and_forms_are_enforced() {
    let caller = connected().await;
    let bad = [
        json!({ "Name": "" }),
        json!({ "EmailAddress": "a@b.example" }),
        json!({ "Name": "x".repeat(256) }),
        json!({ "Name": "a <b>" }),
        json!({ "Name": " a" }),
        json!({ "Name": "a  b" }),
        json!({ "Name": "a", "ContactNumber": "x".repeat(51) }),
        json!({ "Name": "a", "EmailAddress": "müller@b.example" }),
        json!({ "Name": "a", "EmailAddress": "nobody" }),
        json!({ "Name": "a", "Phones": [{ "PhoneType": "DEFAULT", "PhoneNumber": "1".repeat(51) }] }),
        json!({ "Name": "a", "Phones": [{ "PhoneType": "DEFAULT", "PhoneAreaCode": "1".repeat(11) }] }),
        json!({ "Name": "a", "Addresses": [{ "AddressType": "POBOX", "AddressLine1": "x".repeat(501) }] }),
        json!({ "Name": "a", "Addresses": [{ "AddressType": "POBOX", "Country": "GB1" }] }),
    ];
    for sent in bad {
        let reply = caller.send("PUT", "/Contacts?summarizeErrors=true", &json!({ "Contacts": [sent] })).await;
        assert_eq!(reply.status(), 400, "{sent}");
        assert_eq!(value(&reply)["Elements"][0]["HasValidationErrors"], true);
    }
    assert!(caller.simulator.state().contacts.is_empty());
}

#[tokio::test]
async fn contacts_are_filtered_searched_and_paged() {
    let caller = connected().await;
    let seed = json!({ "contacts": [
        { "name": "Café Noir", "email": "shared@x.example" }, { "name": "Bakery", "email": "SHARED@x.example", "number": "coportal:7" },
        { "name": "Old", "status": "archived" }, { "name": "Supplier", "supplier": true },
    ] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    let equal = |field: &str, text: &str| format!("{field}%3D%3D%22{text}%22");
    assert_eq!(names(&caller, &format!("where={}", equal("EmailAddress", "shared@x.example"))).await.len(), 2, "email is not unique");
    assert_eq!(names(&caller, &format!("where={}", equal("Name", "cafe%20noir"))).await, ["Café Noir"]);
    let both = format!("where={}%20OR%20{}&page=1", equal("EmailAddress", "none@x.example"), equal("Name", "Bakery"));
    assert_eq!(names(&caller, &both).await, ["Bakery"]);
    let number = format!("where={}&includeArchived=true", equal("ContactNumber", "coportal:7"));
    assert_eq!(names(&caller, &number).await, ["Bakery"]);
    assert_eq!(names(&caller, "searchTerm=NOIR").await, ["Café Noir"]);
    assert_eq!(names(&caller, "page=2&pageSize=2").await, ["Supplier"]);
    let page = caller.get("/Contacts?page=1&pageSize=2&includeArchived=true").await;
    assert_eq!(page["pagination"], json!({ "page": 1, "pageSize": 2, "pageCount": 2, "itemCount": 4 }));
    let summary = caller.get("/Contacts?summaryOnly=true&page=1").await;
    assert!(summary["Contacts"][0].get("IsSupplier").is_none() && summary["Contacts"][0]["Name"].is_string());
    let id = page["Contacts"][1]["ContactID"].as_str().unwrap();
    assert_eq!(names(&caller, &format!("IDs={id}")).await, ["Bakery"]);
    let archived = caller.get("/Contacts?includeArchived=true").await;
    assert_eq!(archived["Contacts"][2]["ContactStatus"], "ARCHIVED");
}

#[tokio::test]
async fn if_modified_since_leaves_older_ones_out() {
    let caller = connected().await;
    caller.contact("Old").await;
    crate::support::advance(&caller.simulator, 60);
    caller.contact("New").await;
    for since in ["2026-03-10T09:00:30", "2026-03-10T10:00:30+01:00"] {
        let request = caller.request("GET", "/Contacts").header("if-modified-since", since);
        let reply = crate::support::whole(crate::support::answer(&caller.simulator, request, "").await);
        assert_eq!(value(&reply)["Contacts"].as_array().unwrap().len(), 1, "{since}");
    }
    let request = caller.request("GET", "/Contacts").header("if-modified-since", "yesterday");
    assert_eq!(crate::support::whole(crate::support::answer(&caller.simulator, request, "").await).status(), 412);
}

#[tokio::test]
async fn a_merged_contact_tells_where_it_went_and_its_invoices_follow() {
    let caller = connected().await;
    let (from, into) = (caller.contact("Acme").await, caller.contact("Acme Ltd").await);
    let made = caller.invoice(crate::support::body(&from, "CP-1", "DRAFT", &[("1", "10")])).await;
    caller.simulator.bookkeeper(Action::MergeContact { contact_id: from.clone(), into: into.clone() }).unwrap();
    let merged = caller.get(&format!("/Contacts/{from}")).await["Contacts"][0].clone();
    assert_eq!((&merged["ContactStatus"], &merged["MergedToContactID"]), (&json!("ARCHIVED"), &json!(into)));
    let list = caller.get("/Contacts?includeArchived=true").await;
    assert!(list["Contacts"][0].get("MergedToContactID").is_none(), "only paged or single reads tell");
    let after = caller.get(&format!("/Invoices/{}", made["InvoiceID"].as_str().unwrap())).await;
    assert_eq!(after["Invoices"][0]["Contact"]["ContactID"], into.as_str());
    let again = json!({ "Invoices": [crate::support::body(&from, "CP-2", "DRAFT", &[("1", "10")])] });
    assert!(caller.refused("PUT", "/Invoices", &again).await.contains("archived"));
}

#[tokio::test]
async fn what_is_not_modelled_says_so() {
    let caller = connected().await;
    let id = caller.contact("Acme").await;
    caller.simulator.bookkeeper(Action::ArchiveContact { contact_id: id.clone() }).unwrap();
    let calls = [
        ("GET", "/Contacts?order=Name".to_owned(), Value::Null),
        ("GET", "/Contacts?where=Name.ToLower()%3D%3D%22a%22".to_owned(), Value::Null),
        ("GET", "/Contacts?pageSize=10".to_owned(), Value::Null),
        ("GET", "/Items".to_owned(), Value::Null),
        ("GET", "/Invoices/x/OnlineInvoice".to_owned(), Value::Null),
        ("DELETE", "/Contacts".to_owned(), Value::Null),
        ("POST", format!("/Contacts/{id}"), json!({ "ContactStatus": "ACTIVE" })),
        ("PUT", "/Contacts".to_owned(), json!({ "Contacts": [{ "Name": "B", "Website": "x" }] })),
        ("PUT", "/Contacts".to_owned(), json!({ "Contacts": [{ "ContactID": id, "Name": "B" }] })),
        ("PUT", "/Invoices?unitdp=3".to_owned(), json!({ "Invoices": [{}] })),
    ];
    for (method, path, body) in calls {
        let reply = caller.send(method, &path, &body).await;
        assert_eq!((reply.status().as_u16(), &value(&reply)["Type"]), (501, &json!("NotModelled")), "{method} {path}: {}", text(&reply));
        assert!(value(&reply)["Message"].as_str().unwrap().starts_with("the simulator does not model "));
    }
    for accept in ["*/*", "application/xml"] {
        let mut request = caller.request("GET", "/Contacts");
        request.headers_mut().unwrap().insert("accept", accept.parse().unwrap());
        let reply = crate::support::whole(crate::support::answer(&caller.simulator, request, "").await);
        assert_eq!(reply.status(), 501, "XML by default");
    }
    let elsewhere = crate::support::answer(&caller.simulator, http::Request::get("/payroll"), "").await;
    assert_eq!(crate::support::whole(elsewhere).status(), 501);
}
