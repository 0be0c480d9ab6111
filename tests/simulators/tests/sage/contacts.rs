//! Contacts (published schema, Contacts).

use serde_json::{Value, json};
use simulators::sage::Action;

use crate::support::{advance, connected, encode, id};

fn customer(contact: Value) -> Value {
    let mut whole = json!({ "name": "Acme Ltd", "contact_type_ids": ["CUSTOMER"] });
    for (name, value) in contact.as_object().unwrap() {
        whole[name] = value.clone();
    }
    json!({ "contact": whole })
}

/// postContacts: `name` and `contact_type_ids` are required.
#[tokio::test]
async fn a_contact_needs_a_name_and_a_type() {
    let caller = connected().await;
    assert_eq!(caller.invalid("POST", "/contacts", &json!({ "contact": { "contact_type_ids": ["CUSTOMER"] } })).await, "name");
    assert_eq!(caller.invalid("POST", "/contacts", &json!({ "contact": { "name": "Acme" } })).await, "contact_type_ids");
    assert_eq!(caller.invalid("POST", "/contacts", &customer(json!({ "name": " " }))).await, "name");
    assert_eq!(caller.invalid("POST", "/contacts", &customer(json!({ "contact_type_ids": [] }))).await, "contact_type_ids");
    assert_eq!(caller.refused("POST", "/contacts", &customer(json!({ "contact_type_ids": ["FRIEND"] }))).await.0, 404);
    assert_eq!(caller.invalid("POST", "/contacts", &json!({})).await, "contact");
    assert!(caller.simulator.state().contacts.is_empty());
}

#[tokio::test]
async fn a_contact_comes_back_as_sent() {
    let caller = connected().await;
    let sent = json!({
        "reference": "CP-1", "tax_number": "GB987654321", "credit_days": 14, "notes": "From CoPortal", "source_guid": "cp",
        "main_address": { "address_type_id": "ACCOUNTS", "address_line_1": "1 Quay", "address_line_2": "Floor 2", "city": "Leith",
            "region": "Lothian", "postal_code": "EH6 6AA", "country_id": "GB" },
        "main_contact_person": { "contact_person_type_ids": ["ACCOUNTS"], "name": "Ann", "email": "ann@acme.example", "telephone": "0131 1" },
    });
    let made = caller.post("/contacts", &customer(sent)).await;
    let read = caller.get(&format!("/contacts/{}?nested_attributes=all", id(&made))).await;
    assert_eq!(read, made);
    assert_eq!(
        (&read["displayed_as"], &read["email"], &read["reference"]),
        (&json!("Acme Ltd"), &json!("ann@acme.example"), &json!("CP-1"))
    );
    assert_eq!(read["contact_types"][0]["id"], "CUSTOMER");
    assert_eq!((&read["main_address"]["country"]["id"], &read["main_address"]["postal_code"]), (&json!("GB"), &json!("EH6 6AA")));
    assert_eq!((&read["currency"]["id"], &read["is_active"], &read["system"]), (&json!("GBP"), &json!(true), &json!(false)));
    assert_eq!(read["credit_days"], 14);
    let narrow = caller.get(&format!("/contacts/{}", id(&made))).await;
    assert_eq!(narrow["name"], "Acme Ltd");
    assert!(narrow["main_address"].get("city").is_none(), "nested objects show their base members alone");
}

/// The limits of the published schema, and of nothing more than they say.
#[tokio::test]
async fn texts_have_their_limits() {
    let caller = connected().await;
    let cases = [
        ("name", json!({ "name": "x".repeat(100) }), json!({ "name": "x".repeat(101) })),
        ("reference", json!({ "reference": "x".repeat(10) }), json!({ "reference": "x".repeat(11) })),
        (
            "main_address.postal_code",
            json!({ "main_address": { "address_type_id": "ACCOUNTS", "postal_code": "1234567890" } }),
            json!({ "main_address": { "address_type_id": "ACCOUNTS", "postal_code": "12345678901" } }),
        ),
        (
            "main_address.city",
            json!({ "main_address": { "address_type_id": "ACCOUNTS", "city": "é".repeat(50) } }),
            json!({ "main_address": { "address_type_id": "ACCOUNTS", "city": "é".repeat(51) } }),
        ),
        (
            "main_contact_person.telephone",
            json!({ "main_contact_person": { "contact_person_type_ids": ["SALES"], "telephone": "1".repeat(50) } }),
            json!({ "main_contact_person": { "contact_person_type_ids": ["SALES"], "telephone": "1".repeat(51) } }),
        ),
    ];
    for (source, fits, too_long) in cases {
        caller.post("/contacts", &customer(fits)).await;
        assert_eq!(caller.invalid("POST", "/contacts", &customer(too_long)).await, source);
    }
}

#[tokio::test]
async fn formats_are_checked() {
    let caller = connected().await;
    for good in ["GB123456789", "123 4567 89", "GB123456789012"] {
        caller.post("/contacts", &customer(json!({ "tax_number": good }))).await;
    }
    for bad in ["GB12", "XX123456789", "12345678A"] {
        assert_eq!(caller.invalid("POST", "/contacts", &customer(json!({ "tax_number": bad }))).await, "tax_number", "{bad}");
    }
    let address = |country: &str| customer(json!({ "main_address": { "address_type_id": "ACCOUNTS", "country_id": country } }));
    assert_eq!(caller.refused("POST", "/contacts", &address("United Kingdom")).await.0, 404);
    let person = |email: &str| customer(json!({ "main_contact_person": { "contact_person_type_ids": ["ACCOUNTS"], "email": email } }));
    assert_eq!(caller.invalid("POST", "/contacts", &person("nobody")).await, "main_contact_person.email");
    let untyped = customer(json!({ "main_contact_person": { "name": "Ann" } }));
    assert_eq!(caller.invalid("POST", "/contacts", &untyped).await, "main_contact_person.contact_person_types");
    let untyped = customer(json!({ "main_address": { "city": "Leith" } }));
    assert_eq!(caller.invalid("POST", "/contacts", &untyped).await, "main_address.address_type");
    let ireland = caller.at(1);
    ireland.post("/contacts", &customer(json!({ "tax_number": "IE1234567FA" }))).await;
    assert_eq!(ireland.invalid("POST", "/contacts", &customer(json!({ "tax_number": "GB123456789" }))).await, "tax_number");
    assert_eq!(caller.refused("POST", "/contacts", &customer(json!({ "locale": "en-GB" }))).await.0, 501);
}

/// Names repeat; a reference does not, and a deleted contact keeps it (byte8 documentation, "troubleshooting").
#[tokio::test]
async fn references_are_unique_for_ever_and_names_are_not() {
    let caller = connected().await;
    let first = caller.post("/contacts", &customer(json!({ "reference": "CP-1" }))).await;
    caller.contact("Acme Ltd").await;
    assert_eq!(caller.simulator.state().contacts.len(), 2);
    assert_eq!(caller.invalid("POST", "/contacts", &customer(json!({ "reference": "cp-1" }))).await, "reference");
    let path = format!("/contacts/{}", id(&first));
    let gone = caller.send("DELETE", &path, &Value::Null).await;
    assert_eq!((gone.status().as_u16(), gone.body().len()), (204, 0));
    assert_eq!(caller.refused("GET", &path, &Value::Null).await.0, 404);
    assert_eq!(caller.refused("DELETE", &path, &Value::Null).await.0, 404);
    assert_eq!(caller.invalid("POST", "/contacts", &customer(json!({ "reference": "CP-1" }))).await, "reference");
    assert_eq!(caller.simulator.state().contacts.len(), 1);
    caller.at(1).post("/contacts", &customer(json!({ "reference": "CP-1" }))).await;
    let listed = caller.get("/contacts?deleted_since=2026-03-09&attributes=all").await;
    assert_eq!((&listed["$total"], &listed["$items"][0]["reference"]), (&json!(1), &json!("CP-1")));
}

/// `search` is a substring of name or reference: nobody may trust its first row.
#[tokio::test]
async fn search_contains_and_email_is_whole() {
    let caller = connected().await;
    let person = |email: &str| json!({ "contact_person_type_ids": ["ACCOUNTS"], "email": email });
    for (name, reference, email) in
        [("Acme", "A1", "ann@acme.example"), ("The ACME Group", "B2", "bob@acme.example"), ("Zenith", "ACME9", "")]
    {
        let mut sent = json!({ "name": name, "reference": reference });
        if !email.is_empty() {
            sent["main_contact_person"] = person(email);
        }
        caller.post("/contacts", &customer(sent)).await;
    }
    let total = async |query: &str| caller.get(&format!("/contacts?{query}")).await["$total"].clone();
    assert_eq!(total("search=acme").await, 3, "name or reference, case ignored");
    assert_eq!(total("search=Acme%20Group").await, 1);
    assert_eq!(total(&format!("email={}", encode("ANN@acme.example"))).await, 1);
    assert_eq!(total("email=acme.example").await, 0);
    assert_eq!(total("contact_type_id=VENDOR").await, 0);
    assert_eq!(caller.refused("GET", "/contacts?where=x", &Value::Null).await.0, 501);
}

#[tokio::test]
async fn inactive_contacts_show_unless_filtered() {
    let caller = connected().await;
    let acme = caller.contact("Acme").await;
    caller.contact("Zenith").await;
    caller.simulator.bookkeeper(Action::ArchiveContact { contact_id: acme.clone() }).unwrap();
    assert_eq!(caller.get("/contacts").await["$total"], 2);
    let active = caller.get("/contacts?filter_inactive_contacts=true&exclude_system=true&attributes=name,is_active").await;
    assert_eq!((&active["$total"], &active["$items"][0]["name"]), (&json!(1), &json!("Zenith")));
    assert_eq!(caller.get(&format!("/contacts/{acme}")).await["is_active"], false);
    assert_eq!(caller.simulator.state().contacts[0].status, "archived");
}

/// PUT is partial, inside nested objects too; null clears.
#[tokio::test]
async fn an_update_changes_what_it_names() {
    let caller = connected().await;
    let sent = json!({
        "reference": "CP-1", "notes": "old",
        "main_address": { "address_type_id": "ACCOUNTS", "address_line_1": "1 Quay", "city": "Leith" },
        "main_contact_person": { "contact_person_type_ids": ["ACCOUNTS"], "name": "Ann", "email": "ann@acme.example" },
    });
    let made = caller.post("/contacts", &customer(sent)).await;
    advance(&caller.simulator, 10);
    let path = format!("/contacts/{}", id(&made));
    let change = json!({ "contact": {
        "notes": null, "main_address": { "city": "Edinburgh", "address_line_1": null }, "main_contact_person": { "telephone": "0131 1" },
    } });
    let now = caller.put(&path, &change).await;
    assert_eq!((&now["name"], &now["reference"], &now["notes"]), (&json!("Acme Ltd"), &json!("CP-1"), &Value::Null));
    assert_eq!((&now["main_address"]["city"], &now["main_address"]["address_line_1"]), (&json!("Edinburgh"), &Value::Null));
    let person = &now["main_contact_person"];
    assert_eq!((&person["name"], &person["email"], &person["telephone"]), (&json!("Ann"), &json!("ann@acme.example"), &json!("0131 1")));
    assert_ne!(now["updated_at"], made["updated_at"]);
    assert_eq!(caller.invalid("PUT", &path, &json!({ "contact": { "name": null } })).await, "name");
    caller.put(&path, &json!({ "contact": { "reference": "CP-1" } })).await;
    assert_eq!(caller.refused("PUT", "/contacts/00000000000000000000000000000000", &json!({ "contact": {} })).await.0, 404);
    let since = caller.get("/contacts?updated_or_created_since=2026-03-10T09:00:10Z").await;
    assert_eq!(since["$total"], 1, "inclusive");
    assert_eq!(caller.get("/contacts?updated_or_created_since=2026-03-10T09:00:11Z").await["$total"], 0);
}

/// A contact trades in one currency (byte8 documentation, "multi-currency").
#[tokio::test]
async fn a_contact_is_bound_to_its_currency() {
    let caller = connected().await;
    assert_eq!(caller.invalid("POST", "/contacts", &customer(json!({ "currency_id": "EUR" }))).await, "currency");
    let name = caller.simulator.state().organisations[0].name.clone();
    let seed = serde_json::from_value(json!({ "organisations": [{ "name": name, "currencies": ["EUR"] }] })).unwrap();
    caller.simulator.seed(&seed).unwrap();
    let made = caller.post("/contacts", &customer(json!({ "currency_id": "EUR" }))).await;
    assert_eq!(made["currency"]["id"], "EUR");
    let path = format!("/contacts/{}", id(&made));
    caller.put(&path, &json!({ "contact": { "currency_id": "GBP" } })).await;
    caller.put(&path, &json!({ "contact": { "currency_id": "EUR" } })).await;
    let body = caller.body(&id(&made), &[("1", "10", "2")]).await;
    assert_eq!(caller.post("/sales_invoices", &body).await["currency"]["id"], "EUR");
    assert_eq!(caller.invalid("PUT", &path, &json!({ "contact": { "currency_id": "GBP" } })).await, "currency");
    let mut other = body.clone();
    other["sales_invoice"]["currency_id"] = json!("GBP");
    assert_eq!(caller.invalid("POST", "/sales_invoices", &other).await, "currency");
}

#[tokio::test]
async fn a_contact_with_invoices_stays() {
    let caller = connected().await;
    let invoice = caller.invoice().await;
    let contact = id(&invoice["contact"]);
    assert_eq!(caller.get(&format!("/contacts/{contact}")).await["deletable"], false);
    assert_eq!(caller.refused("DELETE", &format!("/contacts/{contact}"), &Value::Null).await.0, 422);
    let shown = caller.get(&format!("/contacts/{contact}?show_balance=true")).await;
    assert_eq!(shown["balance"], "120.0");
}

#[tokio::test]
async fn defaults_have_to_exist() {
    let caller = connected().await;
    let accounts = caller.get("/ledger_accounts?visible_in=expenses").await;
    let expense = id(&accounts["$items"][0]);
    let sales = caller.sales_account().await;
    let made = caller
        .post("/contacts", &customer(json!({ "default_sales_ledger_account_id": sales, "default_sales_tax_rate_id": "GB_ZERO" })))
        .await;
    assert_eq!((id(&made["default_sales_ledger_account"]), id(&made["default_sales_tax_rate"])), (sales, "GB_ZERO".to_owned()));
    for wrong in [json!({ "default_sales_ledger_account_id": expense }), json!({ "default_sales_tax_rate_id": "ZA_STANDARD" })] {
        assert_eq!(caller.refused("POST", "/contacts", &customer(wrong)).await.0, 404);
    }
}

/// A contact that Sage made for itself is there to be left alone.
#[tokio::test]
async fn system_contacts_are_not_for_use() {
    let caller = connected().await;
    let seed = json!({ "contacts": [{ "name": "Revenue & Customs", "status": "system" }] });
    let made = caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap().contacts.remove(0);
    assert_eq!(caller.get("/contacts").await["$total"], 1);
    assert_eq!(caller.get("/contacts?exclude_system=true").await["$total"], 0);
    let path = format!("/contacts/{}", made.id);
    let shown = caller.get(&path).await;
    assert_eq!((&shown["system"], &shown["deletable"]), (&json!(true), &json!(false)));
    assert_eq!(caller.refused("PUT", &path, &json!({ "contact": { "name": "x" } })).await.0, 422);
    assert_eq!(caller.refused("DELETE", &path, &Value::Null).await.0, 422);
    let body = caller.body(&made.id, &[("1", "10", "2")]).await;
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "contact");
    let before = caller.simulator.state();
    caller.simulator.reset();
    caller.simulator.seed(&serde_json::from_value(serde_json::to_value(&before).unwrap()).unwrap()).unwrap();
    assert_eq!(caller.simulator.state(), before);
}
