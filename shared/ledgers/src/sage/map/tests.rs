use coportal_core::document::DocumentLine;
use coportal_core::document::{DocumentContent, SentDocument};
use coportal_core::sync::merge::holds;

use super::*;

/// A body with a line for each field: numbers stay the characters they are.
fn lines(body: &[u8]) -> String {
    std::str::from_utf8(body).unwrap().replace(",\"", ",\n\"").replace("},{", "},\n{")
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn line(description: &str, quantity: &str, unit_price: &str, tax: &str) -> WriteLine {
    WriteLine {
        key: None,
        line_id: None,
        description: description.to_owned(),
        quantity: Some(dec(quantity)),
        unit_price: Some(dec(unit_price)),
        tax_code: Some("GB_STANDARD".to_owned()),
        account: Some("a4000".to_owned()),
        rate: None,
        tax: Some(dec(tax)),
        kept: Value::Null,
    }
}

fn write() -> DocumentWrite {
    DocumentWrite {
        external_id: None,
        number: None,
        reference: Some("CP-1001".to_owned()),
        url: String::new(),
        contact: "c1".to_owned(),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-11-20".parse().unwrap(),
        due_date: "2026-12-20".parse().unwrap(),
        tax_mode: Some(TaxMode::Exclusive),
        status: DocumentStatus::Draft,
        native_status: None,
        lines: vec![line("Design \"phase 1\" R&amp;D", "2.5", "1250.00", "625.00"), line("Hosting", "1", "0.01", "0")],
        removed: Vec::new(),
        version: None,
        totals: Totals::default(),
        kept: Value::Null,
    }
}

#[test]
fn a_create_as_draft_tells_the_tax_of_each_line_and_no_totals() {
    insta::assert_snapshot!(lines(&document_body(&write())));
    assert_eq!(document_body(&write()), document_body(&write()));
}

/// An organisation that is not registered has no rates to name.
#[test]
fn a_create_as_issued_without_tax() {
    let write = DocumentWrite { reference: Some("  ".to_owned()), tax_mode: None, status: DocumentStatus::Approved, ..write() };
    insta::assert_snapshot!(lines(&document_body(&write)));
}

/// C29: kept lines go by their ids; the state is left alone, and nothing that CoPortal does not carry is named.
#[test]
fn c29_an_update_names_the_lines_that_stay() {
    let kept = WriteLine { line_id: Some("l1".to_owned()), ..line("Design", "1", "99.9", "19.98") };
    let write = DocumentWrite {
        external_id: Some("i1".to_owned()),
        native_status: Some("DRAFT".to_owned()),
        lines: vec![kept, line("New", "1", "-5", "-1")],
        ..write()
    };
    insta::assert_snapshot!(lines(&document_body(&write)));
}

/// Prices with tax are sent net (C12); a document that the bookkeeper made inclusive keeps its mode on an update.
#[test]
fn a_document_that_is_inclusive_there_is_written_so() {
    let body = |mode| String::from_utf8(document_body(&DocumentWrite { tax_mode: mode, ..write() })).unwrap();
    assert!(body(Some(TaxMode::Inclusive)).contains(r#""unit_price_includes_tax":true"#));
    assert!(!body(Some(TaxMode::Exclusive)).contains(r#""unit_price_includes_tax":true"#));
}

#[test]
fn an_end_has_a_reason_unless_it_is_a_drafts() {
    let body = |stands| String::from_utf8(void_body(stands)).unwrap();
    assert_eq!(body(DocumentStatus::Draft), "{}");
    for issued in [DocumentStatus::Approved, DocumentStatus::Paid] {
        assert_eq!(body(issued), r#"{"void_reason":"Voided in CoPortal"}"#);
    }
    assert!(VOID_REASON.chars().count() <= 200);
}

fn content() -> ContactContent {
    ContactContent {
        name: Some("  Acme   Holdings\tLtd ".to_owned()),
        email: Some(" ann@acme.example ".to_owned()),
        phone: Some("+44 20 7946 0000".to_owned()),
        billing_address: Some(Address {
            line1: Some("1 High Street".to_owned()),
            line2: Some("x".repeat(60)),
            city: Some("Leeds".to_owned()),
            region: None,
            postal_code: Some("LS1 4AP".to_owned()),
            country: Some("England".to_owned()),
        }),
        our_mark: Some("0A1B2C3D4E".to_owned()),
        currency: Some("GBP".parse().unwrap()),
    }
}

#[test]
fn a_contact_create_carries_mark_currency_person_and_address() {
    insta::assert_snapshot!(lines(&contact_body(&content(), None)));
}

fn there() -> Contact {
    contact(serde_json::from_str(r#"{"id":"c1","name":"Acme"}"#).unwrap())
}

/// C27: an update never touches name, reference or currency; types go along only where there is nobody whose they could be.
#[test]
fn c27_a_contact_update_sends_only_what_is_given() {
    let email = |there: &Contact| {
        let update = ContactContent { name: None, phone: None, billing_address: None, ..content() };
        String::from_utf8(contact_body(&update, Some(there))).unwrap()
    };
    let nobody = r#"{"contact":{"main_contact_person":{"contact_person_type_ids":["ACCOUNTS"],"name":"Acme","email":"ann@acme.example"}}}"#;
    assert_eq!(email(&there()), nobody);
    let known = Contact { phone: Some("1".to_owned()), ..there() };
    assert_eq!(email(&known), r#"{"contact":{"main_contact_person":{"email":"ann@acme.example"}}}"#);
    let address = ContactContent { name: None, email: None, phone: None, our_mark: None, ..content() };
    let body = String::from_utf8(contact_body(&address, Some(&Contact { billing_address: Some(Address::default()), ..there() }))).unwrap();
    assert!(body.starts_with(r#"{"contact":{"main_address":{"address_line_1""#), "{body}");
}

/// Sage keeps ten characters of a postal code and fifty of a number: cut off, either would be another one.
#[test]
fn what_cannot_be_written_whole_is_left_out() {
    let mut content = content();
    content.phone = Some("1".repeat(51));
    if let Some(address) = &mut content.billing_address {
        address.postal_code = Some("12345678901".to_owned());
        address.country = Some("Atlantis".to_owned());
    }
    let body = String::from_utf8(contact_body(&content, None)).unwrap();
    assert!(!body.contains("telephone") && !body.contains("postal_code") && !body.contains("country_id"), "{body}");
    assert_eq!(contact_name(&"é".repeat(120)).chars().count(), 100);
}

#[test]
fn a_contact_is_read_with_person_and_address() {
    let wire = r#"{"id":"c1","displayed_as":"Acme (A1)","name":"Acme","reference":"0A1B2C3D4E","email":null,
        "main_contact_person":{"email":"ann@acme.example","telephone":"","mobile":"07700 900000"},
        "main_address":{"address_line_1":"1 High Street","city":"Leeds","country":{"id":"GB","displayed_as":"United Kingdom (GB)"}},
        "currency":{"id":"GBP"},"is_active":true,"system":false,"created_at":"2026-11-20T09:00:00Z"}"#;
    let read = contact(serde_json::from_str(wire).unwrap());
    assert_eq!(
        (read.name.as_str(), read.email.as_deref(), read.phone.as_deref()),
        ("Acme", Some("ann@acme.example"), Some("07700 900000"))
    );
    assert_eq!(read.our_mark.as_deref(), Some("0A1B2C3D4E"));
    assert_eq!(read.billing_address.and_then(|address| address.country).as_deref(), Some("United Kingdom"));
    assert_eq!((read.status, read.currency), (ContactStatus::Active, Some("GBP".parse().unwrap())));
}

#[test]
fn contacts_that_cannot_be_used_count_as_archived() {
    for mark in [r#""is_active":false"#, r#""system":true"#, r#""gdpr_obfuscated":true"#, r#""deleted_at":"2026-11-20T09:00:00Z""#] {
        let read = contact(serde_json::from_str(&format!(r#"{{"id":"c1","name":"A",{mark}}}"#)).unwrap());
        assert_eq!(read.status, ContactStatus::Archived, "{mark}");
    }
    assert_eq!(there().status, ContactStatus::Active);
}

fn rate(json: &str, day: &str) -> TaxRate {
    tax_rate(serde_json::from_str(json).unwrap(), day.parse().unwrap())
}

/// C11: the percentage of the document's day counts, not the one beside it.
#[test]
fn c11_a_rate_is_the_one_of_its_day() {
    let standard = r#"{"id":"GB_STANDARD","displayed_as":"Standard 20.00%","percentage":17.5,"is_visible":true,"retailer":false,"percentages":[
        {"percentage":"17.5","from_date":null,"to_date":"2008-11-30"},{"percentage":15,"from_date":"2008-12-01","to_date":"2009-12-31"},
        {"percentage":null,"from_date":"2010-01-01","to_date":"2011-01-03"},{"percentage":20.0,"from_date":"2011-01-04","to_date":null}]}"#;
    let standard = rate(standard, "2026-11-21");
    let on = |day: &str| standard.rate_on(day.parse().unwrap()).map(|rate| rate.to_string());
    assert_eq!(standard.rate.map(|rate| rate.to_string()).as_deref(), Some("20"), "as of the reading");
    assert_eq!(on("2026-11-21").as_deref(), Some("20"));
    assert_eq!(on("2009-01-01").as_deref(), Some("15"));
    assert_eq!(on("2000-01-01").as_deref(), Some("17.5"));
    assert_eq!(on("2010-06-01"), None, "no window of its own is open");
    let plain = rate(r#"{"id":"X","percentage":"5.0"}"#, "2026-11-21");
    assert_eq!(plain.rate_on("1999-01-01".parse().unwrap()).map(|rate| rate.to_string()).as_deref(), Some("5"));
    assert_eq!(rate(r#"{"id":"X","percentage":null}"#, "2026-11-21").rate, None);
}

fn books(rates: &str) -> Books {
    Books {
        business: serde_json::from_str(r#"{"id":"b1","displayed_as":"Harbour Ltd","name":null}"#).unwrap(),
        settings: serde_json::from_str(
            r#"{"base_currency":{"id":"GBP"},"multi_currency_enabled":true,"tax_scheme":{"id":"STANDARD","displayed_as":"Standard"},
                "year_end_lockdown_date":"2025-03-31"}"#,
        )
        .unwrap(),
        tax_rates: serde_json::from_str(rates).unwrap(),
        sales_accounts: serde_json::from_str(
            r#"[{"id":"a4000","displayed_as":"Sales (4000)","visible_in_sales":true},{"id":"a1","visible_in_sales":false}]"#,
        )
        .unwrap(),
        bank_accounts: serde_json::from_str(
            r#"[{"id":"k1","displayed_as":"Current (1200)","is_active":true},{"id":"k2","is_active":false},
                {"id":"k3","deleted_at":"2026-01-01T00:00:00Z"}]"#,
        )
        .unwrap(),
        currencies: serde_json::from_str(r#"[{"id":"EUR"},{"id":"GBP"},{"id":"???"}]"#).unwrap(),
    }
}

const NOW: &str = "2026-11-21T10:00:00Z";

fn facts_of(books: Books) -> Result<Facts, Cause> {
    facts(books, NOW.parse().unwrap())
}

#[test]
fn facts_name_accounts_by_id_and_say_what_they_are_for() {
    let facts = facts_of(books("[]")).unwrap();
    assert_eq!((facts.name.as_str(), facts.base_currency.as_str(), facts.pays_tax), ("Harbour Ltd", "GBP", true));
    assert_eq!(facts.currencies.iter().map(Currency::as_str).collect::<Vec<_>>(), ["EUR", "GBP"]);
    let named = |purpose| facts.accounts_for(purpose).map(|account| (account.id.as_str(), account.name.as_str())).collect::<Vec<_>>();
    assert_eq!(named(AccountUse::Sales), [("a4000", "Sales (4000)")]);
    assert_eq!(named(AccountUse::Payment), [("k1", "Current (1200)")]);
    assert!(facts.accounts.iter().all(|account| account.code.is_none()), "documents name accounts by id alone");
    assert_eq!(facts.default_sales_account.as_deref(), Some("a4000"));
    assert_eq!(facts.locked_until, Some("2025-03-31".parse().unwrap()));
    assert_eq!(facts_of(Books { settings: serde_json::from_str("{}").unwrap(), ..books("[]") }).unwrap_err(), Cause::BaseCurrencyUnknown);
}

#[test]
fn a_business_pays_tax_unless_its_scheme_says_otherwise_or_is_missing() {
    for (settings, expected) in [
        (r#"{"base_currency":{"id":"GBP"},"tax_scheme":{"id":"STANDARD"}}"#, true),
        (r#"{"base_currency":{"id":"GBP"},"tax_number":"GB123456789","tax_scheme":null}"#, true),
        (r#"{"base_currency":{"id":"GBP"},"tax_scheme":{"id":"GB_NOT_REGISTERED"}}"#, false),
        (r#"{"base_currency":{"id":"GBP"},"tax_scheme":{"id":"7","displayed_as":"Not Registered"}}"#, false),
        (r#"{"base_currency":{"id":"GBP"},"tax_scheme":null,"tax_number":""}"#, false),
    ] {
        let facts = facts_of(Books { settings: serde_json::from_str(settings).unwrap(), ..books("[]") }).unwrap();
        assert_eq!(facts.pays_tax, expected, "{settings}");
    }
}

/// R57 and C11: rates fetched {0, 5, 15, 20}; 15% is found by its percentage, an invisible or retailer one is none, and two of one
/// percentage are a question, whatever they are called.
#[test]
fn r57_c11_a_rate_is_found_by_its_percentage_and_never_by_its_name() {
    use coportal_core::choices::Choices;
    use coportal_core::tax::{TaxCode, resolve};
    let one = |id: &str, percent: &str, more: &str| format!(r#"{{"id":"{id}","percentage":{percent}{more}}}"#);
    let base = [one("Z", "0", ""), one("GB_LOWER", "5.0", ""), one("ANY_NAME", "15.0", ""), one("GB_STANDARD", "20.0", "")].join(",");
    let found = |more: &str, percent: i64| {
        let rates = if more.is_empty() { format!("[{base}]") } else { format!("[{base},{more}]") };
        let facts = facts_of(books(&rates)).unwrap();
        match resolve(Rate::try_from(Decimal::from(percent)).unwrap(), &facts, &Choices::default()) {
            TaxCode::Code(code) => code.to_owned(),
            TaxCode::Ask(candidates) => format!("{} candidates", candidates.len()),
        }
    };
    assert_eq!(found("", 15), "ANY_NAME");
    assert_eq!(found("", 20), "GB_STANDARD");
    assert_eq!(found("", 14), "0 candidates");
    assert_eq!(found(&one("OLD", "15", r#","is_visible":false"#), 15), "ANY_NAME");
    assert_eq!(found(&one("SHOP", "15", r#","retailer":true"#), 15), "ANY_NAME");
    assert_eq!(found(&one("ZA_STANDARD", "15.00", ""), 15), "2 candidates", "a name that ends in _STANDARD does not win");
    assert_eq!(found(&one("GB_EXEMPT", "0.0", ""), 0), "2 candidates");
}

const INVOICE: &str = r#"{"id":"i1","displayed_as":"SI-12","invoice_number":"12","reference":"CP-1001","contact":{"id":"c1","displayed_as":"Acme"},
    "currency":{"id":"GBP"},"status":{"id":"UNPAID"},"date":"2026-11-20","due_date":"2026-12-20","net_amount":"250.0","tax_amount":"50.0",
    "total_amount":"300.0","total_paid":"0.0","outstanding_amount":"300.0","editable":true,"tax_reconciled":false,
    "created_at":"2026-11-20T09:00:00Z","updated_at":"2026-11-20T09:00:05Z","invoice_lines":[
    {"id":"l1","description":"R& amp;D","ledger_account":{"id":"a4000"},"quantity":"2.5","unit_price":"100.0","net_amount":"250.0",
     "tax_rate":{"id":"GB_STANDARD"},"tax_amount":"50.0","unit_price_includes_tax":false}]}"#;

fn read(json: &str) -> RemoteDocument {
    document(serde_json::from_str(json).unwrap()).unwrap()
}

/// C6: Sage's own number is read back, ours is the reference; there is no mark.
#[test]
fn c6_an_invoice_is_read_with_its_own_number() {
    let read = read(INVOICE);
    assert_eq!((read.number.as_deref(), read.reference.as_deref(), read.url), (Some("SI-12"), Some("CP-1001"), None));
    assert_eq!((read.status, read.native_status.as_str(), read.changeable), (DocumentStatus::Approved, "UNPAID", Changeable::All));
    assert_eq!((read.totals.subtotal, read.totals.tax, read.totals.total), (dec("250"), dec("50"), dec("300")));
    assert_eq!((read.balance, read.has_payments, read.tax_mode), (Some(dec("300")), false, Some(TaxMode::Exclusive)));
    assert_eq!(read.created_at, Some("2026-11-20T09:00:00Z".parse().unwrap()));
    let line = &read.lines[0];
    assert_eq!(
        (line.description.as_str(), line.account.as_deref(), line.tax_code.as_deref()),
        ("R&amp;D", Some("a4000"), Some("GB_STANDARD"))
    );
    assert_eq!((line.amount, line.tax, line.line_id.as_deref()), (Some(dec("250")), Some(dec("50")), Some("l1")));
}

/// What was sent is recognised when it comes back, text with entities included: how a lost write is known as done.
#[test]
fn what_was_sent_is_held_when_it_comes_back() {
    let content = DocumentContent {
        number: None,
        reference: Some("CP-1001".to_owned()),
        url: String::new(),
        contact: "c1".to_owned(),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-11-20".parse().unwrap(),
        due_date: "2026-12-20".parse().unwrap(),
        tax_mode: TaxMode::Exclusive,
        lines: vec![DocumentLine {
            key: None,
            description: "R&amp;D".to_owned(),
            quantity: dec("2.5"),
            unit_price: dec("100"),
            rate: Rate::try_from(dec("20")).unwrap(),
            tax_code: "GB_STANDARD".to_owned(),
            item: None,
            tax: Some(dec("50")),
        }],
    };
    let sent = SentDocument::of(&content, Totals { subtotal: dec("250"), tax: dec("50"), total: dec("300") });
    assert!(holds(&read(INVOICE), &sent));
    assert!(!holds(&read(&INVOICE.replace("50.0\",\n    \"total", "49.99\",\n    \"total")), &sent));
}

#[test]
fn every_status_has_its_place() {
    for (native, expected, paid) in [
        ("DRAFT", DocumentStatus::Draft, false),
        ("UNPAID", DocumentStatus::Approved, false),
        ("PART_PAID", DocumentStatus::Approved, true),
        ("PAID", DocumentStatus::Paid, true),
        ("VOID", DocumentStatus::Voided, false),
        ("CORRECTED", DocumentStatus::Approved, false),
    ] {
        let read = read(&INVOICE.replace("UNPAID", native));
        assert_eq!((read.status, read.has_payments), (expected, paid), "{native}");
        assert_eq!(read.number.is_some(), native != "DRAFT", "{native}");
    }
    let deleted = INVOICE.replace("UNPAID", "DRAFT").replace("\"total_paid\"", "\"deleted_at\":\"2026-11-21T00:00:00Z\",\"total_paid\"");
    assert_eq!(read(&deleted).status, DocumentStatus::Deleted);
}

/// I8: what the vendor has closed is not changed.
#[test]
fn an_invoice_that_is_not_editable_is_closed() {
    assert_eq!(read(&INVOICE.replace("\"editable\":true", "\"editable\":false")).changeable, Changeable::Nothing);
    assert_eq!(read(&INVOICE.replace("\"tax_reconciled\":false", "\"tax_reconciled\":true")).changeable, Changeable::Nothing);
    assert_eq!(read(&INVOICE.replace("\"editable\":true", "\"editable\":null")).changeable, Changeable::All);
}

#[test]
fn money_on_an_invoice_is_seen_however_it_is_told() {
    for (from, to) in [
        (r#""total_paid":"0.0""#, r#""total_paid":"0.01""#),
        (r#""total_paid":"0.0""#, r#""payments_allocations_total_amount":1"#),
        (r#""total_paid":"0.0""#, r#""payments_allocations":[{"amount":"1.0"}]"#),
    ] {
        assert!(read(&INVOICE.replace(from, to)).has_payments, "{to}");
    }
}

/// A line that includes tax in a document that does not is reckoned otherwise than quantity times price, which the comparison shows.
#[test]
fn inclusive_lines_make_an_inclusive_document_only_together() {
    let inclusive = INVOICE.replace("\"unit_price_includes_tax\":false", "\"unit_price_includes_tax\":true");
    let one = read(&inclusive);
    assert_eq!((one.tax_mode, one.lines[0].amount), (Some(TaxMode::Inclusive), Some(dec("300"))));
    let second = r#",{"id":"l2","quantity":1,"unit_price":1,"net_amount":1,"tax_rate":{"id":"GB_ZERO"},"tax_amount":0}]}"#;
    let mixed = read(&inclusive.replacen("}]}", &format!("}}{second}"), 1));
    assert_eq!((mixed.tax_mode, mixed.lines[0].amount), (Some(TaxMode::Exclusive), Some(dec("250"))));
    let untaxed = INVOICE.replace(r#"{"id":"GB_STANDARD"}"#, "null").replace(r#""tax_amount":"50.0""#, r#""tax_amount":"0.0""#);
    assert_eq!(read(&untaxed).tax_mode, None);
}

#[test]
fn an_answer_without_what_every_invoice_has_is_refused() {
    for (name, without) in [
        ("net_amount", INVOICE.replacen(r#""net_amount":"250.0""#, r#""net_amount":null"#, 1)),
        ("total_amount", INVOICE.replace(r#""total_amount":"300.0""#, r#""total_amount":"""#)),
        ("status", INVOICE.replace(r#""status":{"id":"UNPAID"}"#, r#""status":null"#)),
        ("contact", INVOICE.replace(r#""contact":{"id":"c1","#, r#""contact":{"id":"","#)),
    ] {
        let why = document(serde_json::from_str(&without).unwrap()).unwrap_err();
        assert!(why.contains(name), "{name}: {why}");
    }
}

#[test]
fn huge_figures_of_a_vendor_do_not_overflow() {
    let most = Decimal::MAX.to_string();
    let huge = INVOICE.replace("\"250.0\"", &most).replace("\"50.0\"", &most).replace("_tax\":false", "_tax\":true");
    assert_eq!(read(&huge).lines[0].amount, None);
}

/// C1: a payment goes to its document in full, with our mark as its reference.
#[test]
fn c1_a_payment_is_a_receipt_that_is_allocated() {
    let write = PaymentWrite {
        mark: "CP-0123456789ABCDEF0".to_owned(),
        document: "i1".to_owned(),
        document_number: Some("SI-12".to_owned()),
        contact: "c1".to_owned(),
        amount: dec("120.50"),
        currency: "GBP".parse().unwrap(),
        date: "2026-11-21".parse().unwrap(),
        account: "k1".to_owned(),
        text: "Payment of CP-1001".to_owned(),
    };
    insta::assert_snapshot!(lines(&payment_body(&write)));
    let wire = |document: &str| {
        let json = format!(
            r#"{{"id":"p1","reference":"CP-0123456789ABCDEF0","total_amount":"120.5","date":"2026-11-21",
                "allocated_artefacts":[{{"artefact":{{"id":"{document}"}},"amount":"120.5"}}]}}"#
        );
        serde_json::from_str::<WirePayment>(&json).unwrap()
    };
    let made = payment(wire("I1"), "i1").unwrap();
    assert_eq!((made.external_id.as_str(), made.amount, made.mark.as_deref()), ("p1", dec("120.5"), Some("CP-0123456789ABCDEF0")));
    assert!(payment(wire("i2"), "i1").is_err());
}

#[test]
fn payments_are_read_with_their_marks_and_credits_without() {
    let with = r#""payments_allocations":[
        {"reference":"CP-1","amount":"100.0","date":"2026-11-21","contact_payment":{"id":"p1","reference":null}},
        {"reference":null,"amount":"50.0","contact_payment":{"id":"p2","reference":"CP-2"}},
        {"amount":"25.0","contact_allocation":{"id":"a1"}},{"amount":"1.0"}],"total_paid""#;
    let paid = paid(serde_json::from_str(&INVOICE.replace("\"total_paid\"", with)).unwrap()).unwrap();
    assert_eq!(paid.balance, dec("300"));
    let told: Vec<_> = paid.payments.iter().map(|one| (one.external_id.as_str(), one.mark.as_deref(), one.amount)).collect();
    assert_eq!(told, [("p1", Some("CP-1"), dec("100")), ("p2", Some("CP-2"), dec("50")), ("a1", None, dec("25"))]);
}
