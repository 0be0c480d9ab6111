use coportal_core::contact::ContactContent;
use serde_json::json;

use super::*;

const ID: &str = "aaaaaaaa-0000-4000-8000-000000000001";

fn customer(extra: &serde_json::Value) -> Contact {
    let mut wire = json!({ "@odata.etag": "W/\"1\"", "id": ID, "displayName": "Acme", "email": "ann@acme.co", "blocked": "_x0020_" });
    wire.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    contact(serde_json::from_value(wire).unwrap())
}

fn content() -> ContactContent {
    ContactContent {
        name: Some(" Acme   Ltd ".to_owned()),
        email: Some("ann@acme.co".to_owned()),
        phone: Some("+44 20 7946 0000".to_owned()),
        billing_address: Some(Address {
            line1: Some("1 High Street".to_owned()),
            line2: Some("x".repeat(60)),
            city: Some("Bristol".to_owned()),
            region: None,
            postal_code: Some("BS1 1AA".to_owned()),
            country: Some("gb".to_owned()),
        }),
        our_mark: None,
        currency: None,
    }
}

#[test]
fn a_customer_create_is_cut_to_what_the_fields_hold() {
    insta::assert_snapshot!(String::from_utf8(contact_body(&content(), None)).unwrap());
    assert_eq!(contact_body(&content(), None), contact_body(&content(), None));
}

#[test]
fn an_update_names_the_version_and_only_what_changes() {
    let there = customer(&json!({}));
    let change = ContactContent { name: None, email: None, billing_address: None, ..content() };
    let body = String::from_utf8(contact_body(&change, Some(&there))).unwrap();
    assert_eq!(body, r#"{"if_match":"W/\"1\"","customer":{"phoneNumber":"+44 20 7946 0000"}}"#);
    let blind = Contact { version: None, ..there };
    assert!(String::from_utf8(contact_body(&change, Some(&blind))).unwrap().starts_with(r#"{"if_match":"*""#));
}

#[test]
fn what_the_fields_refuse_is_left_out() {
    for (phone, kept) in [("+44 (0)20-1", true), ("ask for Ann", false), ("0123456789012345678901234567890", false), ("  ", false)] {
        let body = contact_body(&ContactContent { phone: Some(phone.to_owned()), ..content() }, None);
        assert_eq!(String::from_utf8(body).unwrap().contains("phoneNumber"), kept, "{phone}");
    }
    for (country, code) in [("GB", Some("GB")), ("South Africa", Some("ZA")), ("Atlantis", None), ("", None)] {
        let address = Address { country: Some(country.to_owned()), ..Address::default() };
        let body = contact_body(&ContactContent { billing_address: Some(address), ..content() }, None);
        let body = String::from_utf8(body).unwrap();
        assert_eq!(body.contains("country"), code.is_some(), "{country}");
        assert!(code.is_none_or(|code| body.contains(&format!("\"country\":\"{code}\""))), "{body}");
    }
    assert_eq!(customer(&json!({ "country": "ZA" })).billing_address.unwrap().country.as_deref(), Some("South Africa"));
    let long = contact_name(&"é".repeat(300));
    assert_eq!(long.chars().count(), 100);
}

#[test]
fn a_blocked_customer_is_not_usable_and_a_blocked_delivery_is() {
    for (blocked, status) in [
        ("_x0020_", ContactStatus::Active),
        (" ", ContactStatus::Active),
        ("", ContactStatus::Active),
        ("Ship", ContactStatus::Active),
        ("Invoice", ContactStatus::Archived),
        ("All", ContactStatus::Archived),
        ("A word of the future", ContactStatus::Archived),
    ] {
        assert_eq!(customer(&json!({ "blocked": blocked })).status, status, "{blocked}");
    }
}

/// The time of its making, or the last change, which is never before it.
#[test]
fn the_evidence_of_a_customers_age() {
    let at = |text: &str| Some(text.parse().unwrap());
    let created = json!({ "systemCreatedAt": "2026-01-01T00:00:00Z", "lastModifiedDateTime": "2026-02-01T00:00:00Z" });
    assert_eq!(customer(&created).created_at, at("2026-01-01T00:00:00Z"));
    assert_eq!(customer(&json!({ "lastModifiedDateTime": "2026-02-01T00:00:00.5Z" })).created_at, at("2026-02-01T00:00:00.5Z"));
    assert_eq!(customer(&json!({})).created_at, None);
    assert_eq!(customer(&json!({})).version.as_deref(), Some("W/\"1\""));
}

/// R60: a field may hold several addresses.
#[test]
fn r60_an_address_inside_a_list_is_the_contacts() {
    let listed = customer(&json!({ "email": "finance@acme.co; Ann@Acme.co;" }));
    assert_eq!(with_email(listed.clone(), " ann@acme.CO ").unwrap().email.as_deref(), Some("Ann@Acme.co"));
    assert!(with_email(listed, "nn@acme.co").is_none());
    assert!(with_email(customer(&json!({ "email": "" })), "ann@acme.co").is_none());
}

fn environment(name: &str, kind: Option<&str>, family: Option<&str>) -> WireEnvironment {
    serde_json::from_value(json!({ "aadTenantId": ID, "name": name, "type": kind, "applicationFamily": family })).unwrap()
}

/// R16: the first production environment, whatever the vendor's order.
#[test]
fn r16_production_comes_first_by_name() {
    let all = vec![
        environment("Alpha", Some("Sandbox"), Some("BusinessCentral")),
        environment("Zulu", Some("production"), Some("businesscentral")),
        environment("Mike", Some("Production"), None),
        environment("Other product", Some("Production"), Some("Something")),
        environment("Kind unknown", None, None),
        environment(" ", Some("Production"), None),
    ];
    let names: Vec<String> = environments(all).into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["Mike", "Zulu", "Alpha", "Kind unknown"]);
}

#[test]
fn a_company_is_an_organisation_of_its_environment() {
    let company: WireCompany = serde_json::from_value(json!({ "id": ID, "name": "CRONUS UK Ltd.", "displayName": "" })).unwrap();
    let organisation = organisation(&environment("My Sandbox", Some("Sandbox"), None), company);
    assert_eq!(organisation.id, format!("{ID}/My%20Sandbox/{ID}"));
    assert_eq!((organisation.name.as_str(), organisation.environment.as_deref()), ("CRONUS UK Ltd.", Some("My Sandbox")));
    assert_eq!(organisation.link_id, None);
}

/// R16: without a production environment the first sandbox is taken, and says that it is one.
#[test]
fn r16_a_sandbox_is_never_taken_for_the_real_books() {
    for (name, kind, shown) in [
        ("Production", "Production", "Production"),
        ("Sandbox", "Sandbox", "Sandbox"),
        ("Test", "sandbox", "Test, sandbox"),
        ("Sandbox talk", "Production", "Sandbox talk"),
    ] {
        let company: WireCompany = serde_json::from_value(json!({ "id": ID, "name": "C" })).unwrap();
        let organisation = organisation(&environment(name, Some(kind), None), company);
        assert_eq!(organisation.environment.as_deref(), Some(shown));
        assert_eq!(organisation.id, Place::new(ID.parse().unwrap(), name, ID.parse().unwrap()).id(), "addresses have the name itself");
    }
}

fn account_of(number: &str, name: &str, category: &str, extra: &serde_json::Value) -> WireAccount {
    let mut wire = json!({
        "id": ID, "number": number, "displayName": name, "category": category, "accountType": "Posting", "directPosting": true, "blocked": false,
    });
    wire.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(wire).unwrap()
}

fn parts() -> Parts {
    let from = |json: serde_json::Value| json;
    Parts {
        company: serde_json::from_value(from(json!({ "id": ID, "name": "Key name", "displayName": "Shown name" }))).unwrap(),
        setup: serde_json::from_value(json!({ "allowPostingFrom": "2026-04-01", "localCurrencyCode": "GBP" })).unwrap(),
        information: WireInformation::default(),
        accounts: vec![
            account_of("6210", "Consulting", "Income", &json!({})),
            account_of("6110", "Sales", "Income", &json!({})),
            account_of("6120", "Old sales", "Income", &json!({ "blocked": true })),
            account_of("6130", "Not direct", "Income", &json!({ "directPosting": false })),
            account_of("6100", "Revenue", "Income", &json!({ "accountType": "Heading" })),
            account_of("8450", "Invoice Rounding", "Expense", &json!({})),
            account_of("8451", "Rounding of sales", "Income", &json!({})),
            account_of("2910", "Cash", "Assets", &json!({})),
        ],
        tax_groups: vec![
            serde_json::from_value(json!({ "code": "VAT15", "displayName": "Standard", "taxType": "VAT" })).unwrap(),
            serde_json::from_value(json!({ "code": "" })).unwrap(),
        ],
        currencies: serde_json::from_value(json!([{ "code": "EUR" }, { "code": "LOYALTY" }, { "code": "GBP" }])).unwrap(),
        journals: serde_json::from_value(json!([{ "id": ID, "code": "GENERAL", "displayName": "Customer payments" }])).unwrap(),
    }
}

#[test]
fn facts_of_a_company() {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let facts = facts(parts(), now).unwrap();
    let used = |purpose| facts.accounts_for(purpose).map(|account| account.name.as_str()).collect::<Vec<_>>();
    assert_eq!(used(AccountUse::Sales), ["Sales", "Consulting"], "by number; blocked, heading and not direct ones left out");
    assert_eq!(used(AccountUse::Rounding), ["Invoice Rounding", "Rounding of sales"]);
    assert_eq!(used(AccountUse::Payment), ["Payment journal Customer payments (GENERAL)"]);
    let journal = facts.accounts_for(AccountUse::Payment).next().unwrap();
    assert_eq!((journal.code.as_deref(), journal.id.as_str()), (None, ID));
    assert_eq!(facts.default_sales_account.as_deref(), Some("6110"));
    assert_eq!((facts.name.as_str(), facts.short_code.as_deref()), ("Shown name", Some("Key name")));
    assert_eq!(facts.currencies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["EUR", "GBP"]);
    assert_eq!(facts.locked_until, Some(jiff::civil::date(2026, 3, 31)));
    assert_eq!(facts.tax_rates.len(), 1);
    assert_eq!((facts.tax_rates[0].code.as_str(), facts.tax_rates[0].rate), ("VAT15", None), "percentages are not published");
    assert!(facts.pays_tax);
}

#[test]
fn the_local_currency_comes_from_the_set_up_or_the_company() {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let with = |setup: Option<&str>, information: Option<&str>| {
        let setup = WireSetup { local_currency_code: setup.map(str::to_owned), allow_posting_from: None };
        let information = WireInformation { currency_code: information.map(str::to_owned) };
        facts(Parts { setup, information, ..parts() }, now).map(|facts| facts.base_currency.to_string())
    };
    assert_eq!(with(Some("GBP"), None).as_deref(), Ok("GBP"));
    assert_eq!(with(None, Some("ZAR")).as_deref(), Ok("ZAR"));
    assert_eq!(with(None, None), Err(Cause::BaseCurrencyUnknown));
    assert_eq!(with(Some("POINTS"), None), Err(Cause::BaseCurrencyUnknown));
}
