use coportal_core::document::DocumentLine;
use serde_json::json;

use super::super::wire::{ContactsAnswer, InvoicesAnswer};
use super::*;

fn pretty(body: &[u8]) -> String {
    // Numbers stay the characters they are: only white space is added.
    let mut out = String::new();
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for c in std::str::from_utf8(body).unwrap().chars() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        if matches!(c, '}' | ']') {
            depth -= 1;
            out.push_str(&format!("\n{}", "  ".repeat(depth)));
        }
        out.push(c);
        in_string = c == '"';
        if matches!(c, '{' | '[') {
            depth += 1;
        }
        if matches!(c, '{' | '[' | ',') {
            out.push_str(&format!("\n{}", "  ".repeat(depth)));
        }
    }
    out
}

fn line(description: &str, quantity: &str, unit_price: &str) -> WriteLine {
    WriteLine {
        key: None,
        line_id: None,
        description: description.to_owned(),
        quantity: Some(quantity.parse().unwrap()),
        unit_price: Some(unit_price.parse().unwrap()),
        tax_code: Some("OUTPUT2".to_owned()),
        account: Some("200".to_owned()),
        rate: None,
        tax: None,
        kept: Value::Null,
    }
}

fn write() -> DocumentWrite {
    DocumentWrite {
        external_id: None,
        number: Some("CP-1001".to_owned()),
        reference: Some("CP-1001".to_owned()),
        url: "https://app.coportal.example/invoices/inv_1".to_owned(),
        contact: "6c0b5a4e-1c2d-4e3f-8a9b-0c1d2e3f4a5b".to_owned(),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-11-20".parse().unwrap(),
        due_date: "2026-12-20".parse().unwrap(),
        tax_mode: Some(TaxMode::Exclusive),
        status: DocumentStatus::Draft,
        native_status: None,
        lines: vec![line("Design \"phase 1\"", "2.5", "1250.00"), line("Hosting", "1", "0.0001")],
        removed: Vec::new(),
        version: None,
        totals: Totals::default(),
        kept: Value::Null,
    }
}

#[test]
fn a_create_as_draft() {
    insta::assert_snapshot!(pretty(&document_body(&write())));
    assert_eq!(document_body(&write()), document_body(&write()));
}

#[test]
fn a_create_as_approved_without_number_and_without_tax() {
    let write = DocumentWrite { number: None, reference: None, tax_mode: None, status: DocumentStatus::Approved, ..write() };
    insta::assert_snapshot!(pretty(&document_body(&write)));
}

#[test]
fn c29_an_update_hands_back_ids_status_and_what_is_not_ours() {
    let kept = json!({
        "Tracking": r#"[{"Name":"Region","Option":"North","TrackingCategoryID":"c1"}]"#,
        "ItemCode": r#""BOOK""#,
        "DiscountRate": "12.50",
        "DiscountAmount": "0.00",
    });
    let ours = WriteLine { line_id: Some("11111111-2222-4333-8444-555555555555".to_owned()), kept, ..line("Design", "1", "99.9") };
    let by_amount = WriteLine { kept: json!({ "DiscountRate": "0.00", "DiscountAmount": "5.10" }), ..line("Print", "3", "7") };
    let text = WriteLine {
        quantity: None,
        unit_price: None,
        tax_code: None,
        account: Some("7d94f4b2-6c5e-4d1e-9f41-0a1b2c3d4e5f".to_owned()),
        ..line("Thank you", "1", "1")
    };
    let write = DocumentWrite {
        external_id: Some("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".to_owned()),
        tax_mode: Some(TaxMode::Inclusive),
        native_status: Some("SUBMITTED".to_owned()),
        lines: vec![ours, by_amount, text],
        ..write()
    };
    insta::assert_snapshot!(pretty(&document_body(&write)));
}

#[test]
fn a_paid_document_is_not_told_its_state() {
    let write = DocumentWrite { native_status: Some("PAID".to_owned()), status: DocumentStatus::Paid, ..write() };
    let body = String::from_utf8(document_body(&write)).unwrap();
    assert!(!body.contains("\"Status\"") && !body.contains("SentToContact"), "{body}");
}

#[test]
fn an_end_is_a_delete_for_drafts_and_a_void_for_approved_ones() {
    let body = |stands| String::from_utf8(void_body("id-1", stands)).unwrap();
    assert_eq!(body(DocumentStatus::Draft), r#"{"Invoices":[{"InvoiceID":"id-1","Status":"DELETED"}]}"#);
    assert_eq!(body(DocumentStatus::Approved), r#"{"Invoices":[{"InvoiceID":"id-1","Status":"VOIDED"}]}"#);
}

fn content() -> ContactContent {
    ContactContent {
        name: Some("  Acme   <Holdings>\tLtd ".to_owned()),
        email: Some(" ann@acme.example ".to_owned()),
        phone: Some("+44 20 7946 0000".to_owned()),
        billing_address: Some(Address {
            line1: Some("1 High Street".to_owned()),
            city: Some("Leeds".to_owned()),
            country: Some("Côte d'Ivoire (CI)".to_owned()),
            ..Address::default()
        }),
        our_mark: Some("coportal:cl_1".to_owned()),
        currency: None,
    }
}

#[test]
fn a_contact_create_carries_our_mark_and_a_clean_name() {
    insta::assert_snapshot!(pretty(&contact_body(&content(), false)));
}

#[test]
fn c27_a_contact_update_carries_neither_id_nor_mark_and_blanks_nothing() {
    let partial = ContactContent { name: None, phone: Some(" ".to_owned()), billing_address: Some(Address::default()), ..content() };
    assert_eq!(String::from_utf8(contact_body(&partial, true)).unwrap(), r#"{"Contacts":[{"EmailAddress":"ann@acme.example"}]}"#);
}

#[test]
fn a_country_is_letters_or_left_out() {
    for (given, written) in
        [("Côte d'Ivoire (CI)", Some("Cote d Ivoire CI")), ("United Kingdom", Some("United Kingdom")), ("日本", None), ("--", None)]
    {
        assert_eq!(country(given).as_deref(), written, "{given}");
    }
}

#[test]
fn names_are_cut_to_what_xero_takes() {
    assert_eq!(contact_name("<>"), "");
    assert_eq!(contact_name(&"é".repeat(300)).chars().count(), 255);
    assert_eq!(contact_name(&format!("{} b", "a".repeat(254))).len(), 254);
}

const INVOICE: &str = r#"{"Id":"x","Status":"OK","Invoices":[{
  "Type":"ACCREC","InvoiceID":"AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee","InvoiceNumber":"CP-1001","Reference":"","Url":"https://app.coportal.example/i/1",
  "Contact":{"ContactID":"6c0b5a4e-1c2d-4e3f-8a9b-0c1d2e3f4a5b","Name":"Acme","Phones":[]},
  "DateString":"2026-11-20T00:00:00","Date":"/Date(1795132800000+0000)/","DueDate":"/Date(1797724800000+0000)/",
  "Status":"SUBMITTED","LineAmountTypes":"Exclusive","SubTotal":1908.40,"TotalTax":"381.68","Total":2290.08,"AmountPaid":0.00,"AmountCredited":0,
  "Payments":[],"Prepayments":[{"PrepaymentID":"p"}],"CurrencyCode":"GBP","UpdatedDateUTC":"/Date(1795180000000+0000)/","FutureField":{"a":[1e999]},
  "LineItems":[
    {"LineItemID":"l1","Description":"Design","Quantity":3.0000,"UnitAmount":636.1333,"TaxType":"OUTPUT2","AccountCode":"200","AccountID":"acc",
     "LineAmount":1908.40,"TaxAmount":381.68,"ItemCode":"BOOK","DiscountRate":10.10,
     "Tracking":[ { "Name": "Region \" x",   "Option":"North" , "Weight": 0.30000000000000004 } ]},
    {"LineItemID":"l2","Description":"","Tracking":[],"ItemCode":null}
  ]}]}"#;

#[test]
fn an_invoice_reads_exactly() {
    let answer: InvoicesAnswer = serde_json::from_str(INVOICE).unwrap();
    let document = document(answer.invoices.into_iter().next().unwrap()).unwrap();
    assert_eq!(document.status, DocumentStatus::Draft);
    assert_eq!(document.native_status, "SUBMITTED");
    assert_eq!(document.reference, None);
    assert_eq!(document.issue_date, Some("2026-11-20".parse().unwrap()));
    assert_eq!(document.due_date, Some("2026-12-20".parse().unwrap()));
    assert_eq!(document.totals.tax, "381.68".parse().unwrap());
    assert!(document.has_payments, "a prepayment is allocated");
    assert_eq!(document.lines[0].unit_price, Some("636.1333".parse().unwrap()));
    assert_eq!(document.lines[0].account.as_deref(), Some("200"));
    assert_eq!(document.lines[1].kept, Value::Null);
    assert_eq!(document.lines[1].quantity, None);
    assert_eq!(
        document.lines[0].kept,
        json!({
            "Tracking": r#"[{"Name":"Region \" x","Option":"North","Weight":0.30000000000000004}]"#,
            "ItemCode": r#""BOOK""#,
            "DiscountRate": "10.10",
        })
    );
}

#[test]
fn what_is_kept_goes_back_as_the_characters_it_came_in() {
    let answer: InvoicesAnswer = serde_json::from_str(INVOICE).unwrap();
    let remote = document(answer.invoices.into_iter().next().unwrap()).unwrap();
    // Through the store, as a row would keep it.
    let stored = serde_json::to_string(&remote.lines[0].kept).unwrap();
    let kept: Value = serde_json::from_str(&stored).unwrap();
    let write = DocumentWrite { lines: vec![WriteLine { kept, ..line("Design", "1", "1") }], ..write() };
    let body = String::from_utf8(document_body(&write)).unwrap();
    assert!(body.contains(r#""Weight":0.30000000000000004"#) && body.contains(r#""DiscountRate":10.10"#), "{body}");
}

#[test]
fn unknown_words_do_not_fail_the_read() {
    let odd = INVOICE.replace("SUBMITTED", "PARTIALLY_PAID").replace("\"Exclusive\"", "\"Reversed\"").replace("\"GBP\"", "\"ZZZ\"");
    let answer: InvoicesAnswer = serde_json::from_str(&odd).unwrap();
    let document = document(answer.invoices.into_iter().next().unwrap()).unwrap();
    assert_eq!((document.status, document.native_status.as_str()), (DocumentStatus::Approved, "PARTIALLY_PAID"));
    assert_eq!((document.tax_mode, document.currency), (Some(TaxMode::Exclusive), None));
    assert!(!document.status.is_gone());
}

#[test]
fn each_native_status_has_its_meaning() {
    for (word, expected) in [
        ("DRAFT", DocumentStatus::Draft),
        ("SUBMITTED", DocumentStatus::Draft),
        ("AUTHORISED", DocumentStatus::Approved),
        ("PAID", DocumentStatus::Paid),
        ("VOIDED", DocumentStatus::Voided),
        ("DELETED", DocumentStatus::Deleted),
    ] {
        assert_eq!(status(word), expected);
    }
}

#[test]
fn a_contact_reads_with_empty_strings_as_missing() {
    let json = r#"{"Contacts":[{"ContactID":"c1","ContactNumber":"","ContactStatus":"GDPRREQUEST","Name":"","FirstName":"Ann","LastName":"Lee",
      "EmailAddress":"","ContactPersons":[{"EmailAddress":""},{"EmailAddress":"ann@acme.example"}],"MergedToContactID":"c2",
      "Phones":[{"PhoneType":"DEFAULT","PhoneNumber":"","PhoneAreaCode":"","PhoneCountryCode":""},
                {"PhoneType":"MOBILE","PhoneNumber":"946 0000","PhoneAreaCode":"20","PhoneCountryCode":"+44"}],
      "Addresses":[{"AddressType":"POBOX","AddressLine1":"","City":""},
                   {"AddressType":"STREET","AddressLine1":"1 High St","AddressLine2":"Floor 2","AddressLine3":"","AddressLine4":"Left","City":"Leeds","Country":"United Kingdom"}]}]}"#;
    let answer: ContactsAnswer = serde_json::from_str(json).unwrap();
    let contact = contact(answer.contacts.into_iter().next().unwrap());
    assert_eq!((contact.name.as_str(), contact.email.as_deref()), ("Ann Lee", Some("ann@acme.example")));
    assert_eq!(contact.phone.as_deref(), Some("+44 20 946 0000"));
    assert_eq!((contact.status, contact.our_mark, contact.merged_into.as_deref()), (ContactStatus::Archived, None, Some("c2")));
    let address = contact.billing_address.unwrap();
    assert_eq!((address.line1.as_deref(), address.line2.as_deref(), address.postal_code), (Some("1 High St"), Some("Floor 2, Left"), None));
}

#[test]
fn the_body_follows_the_content_that_was_hashed() {
    // A line's discount is inside its unit price: nothing else of the content is priced.
    let content = DocumentLine {
        key: None,
        description: "Design".to_owned(),
        quantity: "1.0000".parse().unwrap(),
        unit_price: "10.5000".parse().unwrap(),
        rate: Rate::ZERO,
        tax_code: "ZERORATEDOUTPUT".to_owned(),
        item: None,
        tax: None,
    };
    let write = DocumentWrite { lines: vec![line(&content.description, "1.0000", "10.5000")], ..write() };
    let body = String::from_utf8(document_body(&write)).unwrap();
    assert!(body.contains(r#""Quantity":1,"UnitAmount":10.5,"#), "{body}");
}
