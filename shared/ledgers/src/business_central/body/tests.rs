use coportal_core::document::{DocumentStatus, RemoteLine, RemovedLine};
use coportal_core::invoice::TaxMode;
use coportal_core::pricing::Totals;
use serde_json::json;

use super::super::document::{document, is_corrective};
use super::super::wire::WireInvoice;
use super::*;

const INVOICE: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const CUSTOMER: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const LINES: [&str; 3] =
    ["cccccccc-0000-4000-8000-000000000001", "cccccccc-0000-4000-8000-000000000002", "cccccccc-0000-4000-8000-000000000003"];

fn dec(text: &str) -> rust_decimal::Decimal {
    text.parse().unwrap()
}

fn line(text: &str, line_id: Option<String>) -> WriteLine {
    WriteLine {
        key: Some("li_0192f0c1a2b37c4d8e5f6a7b8c9d0e1f".parse().unwrap()),
        line_id,
        description: text.to_owned(),
        quantity: Some(dec("2.5")),
        unit_price: Some(dec("80.12345")),
        tax_code: None,
        account: Some("6110".to_owned()),
        rate: None,
        tax: None,
        kept: Value::Null,
    }
}

fn write() -> DocumentWrite {
    DocumentWrite {
        external_id: None,
        number: None,
        reference: Some("CP-2026-0042".to_owned()),
        url: "0123456789ABCDEF0123456789ABCDEF012".to_owned(),
        contact: CUSTOMER.to_owned(),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-11-20".parse().unwrap(),
        due_date: "2026-12-20".parse().unwrap(),
        tax_mode: Some(TaxMode::Exclusive),
        status: DocumentStatus::Draft,
        native_status: None,
        lines: vec![
            line("Design", None),
            WriteLine { tax_code: Some("VAT15".to_owned()), ..line("Hosting", None) },
            WriteLine { quantity: None, unit_price: None, account: None, ..line("A text", None) },
        ],
        removed: Vec::new(),
        version: None,
        totals: Totals::default(),
        kept: Value::Null,
    }
}

fn version(is_gross: bool) -> String {
    Version {
        etag: "W/\"7\"".to_owned(),
        contact: CUSTOMER.to_owned(),
        currency: Some("GBP".parse().unwrap()),
        issue_date: Some("2026-11-20".parse().unwrap()),
        due_date: Some("2026-12-20".parse().unwrap()),
        is_gross,
    }
    .write()
}

fn id(index: usize, sequence: u32) -> Option<String> {
    Some(LineRef { id: LINES[index].parse().unwrap(), sequence }.write())
}

fn update_of(lines: Vec<WriteLine>) -> DocumentWrite {
    DocumentWrite { external_id: Some(INVOICE.to_owned()), version: Some(version(false)), lines, ..write() }
}

fn pretty(body: &[u8]) -> String {
    let raw: Box<RawValue> = serde_json::from_slice(body).unwrap();
    raw.get().replace("},{", "},\n{")
}

/// R61, R46: the header with our number as the external one, then lines with sequences of their own.
#[test]
fn r61_a_create_is_a_header_and_numbered_lines() {
    insta::assert_snapshot!(pretty(&document_body(&write())));
    assert_eq!(document_body(&write()), document_body(&write()));
}

#[test]
fn an_update_is_guarded_by_its_first_request_and_names_only_what_changes() {
    let kept = json!({ "lineType": "\"Item\"", "description2": "\"more\"", "discountPercent": "5" });
    let moved = WriteLine { kept, account: Some("1900".to_owned()), ..line("Moved up", id(2, 30_000)) };
    let mut write = update_of(vec![
        moved,
        line("Design", id(0, 10_000)),
        line("New", None),
        WriteLine { key: None, quantity: None, unit_price: None, account: None, ..line("A text of the bookkeeper's", id(1, 20_000)) },
    ]);
    write.removed = vec![RemovedLine { line_id: format!("{INVOICE}/40000"), kept: Value::Null }];
    insta::assert_snapshot!(pretty(&document_body(&write)));
}

#[test]
fn header_fields_travel_when_they_move() {
    let header = |write: &DocumentWrite| {
        let update: Update = serde_json::from_slice(&document_body(write)).unwrap();
        let first = &update.requests[0];
        assert_eq!((first.method.as_str(), first.path.as_str(), first.if_match.as_deref()), ("PATCH", "", Some("W/\"7\"")));
        first.body.as_deref().unwrap().get().to_owned()
    };
    let marks = r#""externalDocumentNumber":"CP-2026-0042","customerPurchaseOrderReference":"0123456789ABCDEF0123456789ABCDEF012""#;
    let base = update_of(Vec::new());
    assert_eq!(header(&base), format!("{{{marks}}}"));
    let due = DocumentWrite { due_date: "2027-01-05".parse().unwrap(), ..base.clone() };
    assert_eq!(header(&due), format!("{{{marks},\"dueDate\":\"2027-01-05\"}}"));
    // A new date of issue moves the posting date, and would move the due date.
    let issue = DocumentWrite { issue_date: "2026-11-25".parse().unwrap(), ..base.clone() };
    assert_eq!(
        header(&issue),
        format!("{{{marks},\"invoiceDate\":\"2026-11-25\",\"postingDate\":\"2026-11-25\",\"dueDate\":\"2026-12-20\"}}")
    );
    let contact = DocumentWrite { contact: INVOICE.to_owned(), currency: "EUR".parse().unwrap(), ..base };
    assert_eq!(header(&contact), format!("{{\"customerId\":\"{INVOICE}\",\"currencyCode\":\"EUR\",{marks}}}"));
}

/// Section 5: after posting nothing but the due date may be named.
#[test]
fn a_posted_document_takes_its_due_date_alone() {
    for status in [DocumentStatus::Approved, DocumentStatus::Paid] {
        let body = document_body(&DocumentWrite { status, ..update_of(vec![line("Design", id(0, 10_000))]) });
        let expected = r#"{"requests":[{"method":"PATCH","path":"","if_match":"W/\"7\"","body":{"dueDate":"2026-12-20"}}]}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected, "{status:?}");
    }
}

#[test]
fn a_document_with_prices_that_contain_tax_takes_no_net_ones() {
    let update: Update =
        serde_json::from_slice(&document_body(&DocumentWrite { version: Some(version(true)), ..update_of(vec![]) })).unwrap();
    assert!(update.is_gross);
}

fn remote(json: Value) -> RemoteDocument {
    document(serde_json::from_value::<WireInvoice>(json).unwrap()).unwrap()
}

fn wire(status: &str) -> Value {
    json!({
        "@odata.etag": "W/\"9\"", "id": INVOICE.to_uppercase(), "number": "S-INV1", "externalDocumentNumber": "CP-1",
        "customerPurchaseOrderReference": "MARK", "customerId": CUSTOMER.to_uppercase(), "currencyCode": "GBP", "invoiceDate": "2026-11-20",
        "dueDate": "0001-01-01", "pricesIncludeTax": false, "totalAmountExcludingTax": 100, "totalTaxAmount": 20.0,
        "totalAmountIncludingTax": 120.00, "remainingAmount": 120, "status": status,
        "salesInvoiceLines": [
            { "id": LINES[1], "sequence": 20000, "lineType": "Comment", "lineObjectNumber": "", "description": "A text", "quantity": 0,
              "unitPrice": 0, "amountExcludingTax": 0, "taxPercent": 0 },
            { "id": LINES[0], "sequence": 10000, "lineType": "Account", "lineObjectNumber": "6110", "description": "Design", "quantity": 2.50000,
              "unitPrice": 40.0, "amountExcludingTax": 100, "amountIncludingTax": 120, "taxCode": "VAT15", "taxPercent": 20,
              "totalTaxAmount": 20, "discountPercent": 0, "description2": "" },
        ],
    })
}

#[test]
fn a_document_is_read_line_by_line_in_its_order() {
    let read = remote(wire("Draft"));
    assert_eq!((read.external_id.as_str(), read.contact.as_str()), (INVOICE, CUSTOMER), "ids in small letters");
    assert_eq!((read.number.as_deref(), read.reference.as_deref(), read.url.as_deref()), (Some("S-INV1"), Some("CP-1"), Some("MARK")));
    assert_eq!((read.tax_mode, read.due_date, read.balance), (Some(TaxMode::Exclusive), None, None));
    assert!(read.kept.is_null() && read.lines.iter().all(|line| line.kept.is_null()));
    let texts: Vec<&str> = read.lines.iter().map(|line| line.description.as_str()).collect();
    assert_eq!(texts, ["Design", "A text"]);
    let RemoteLine { line_id, quantity, amount, tax, rate, account, .. } = &read.lines[0];
    assert_eq!((line_id.as_deref(), account.as_deref()), (id(0, 10_000).as_deref(), Some("6110")));
    assert_eq!((*quantity, *amount, *tax), (Some(dec("2.5")), Some(dec("100")), Some(dec("20"))));
    assert_eq!(rate.map(|rate| rate.percent()), Some(dec("20")));
    assert_eq!((read.lines[1].quantity, read.lines[1].unit_price, read.lines[1].amount), (None, None, None));
    let version = Version::read(read.version.as_deref().unwrap()).unwrap();
    assert_eq!((version.etag.as_str(), version.is_gross, version.due_date), ("W/\"9\"", false, None));
}

#[test]
fn every_status_has_its_place() {
    use coportal_core::document::Changeable::{All, DueDate, Nothing};
    for (word, status, changeable) in [
        ("Draft", DocumentStatus::Draft, All),
        ("In_x0020_Review", DocumentStatus::Draft, Nothing),
        // Posted, or released and not posted: neither may be taken for a draft.
        ("Open", DocumentStatus::Approved, DueDate),
        ("Paid", DocumentStatus::Paid, DueDate),
        ("Canceled", DocumentStatus::Voided, Nothing),
        ("Corrective", DocumentStatus::Approved, Nothing),
        ("_x0020_", DocumentStatus::Approved, Nothing),
        ("A word of the future", DocumentStatus::Approved, Nothing),
    ] {
        let read = remote(wire(word));
        assert_eq!((read.status, read.changeable), (status, changeable), "{word}");
        let corrects = is_corrective(&serde_json::from_value(wire(word)).unwrap());
        assert_eq!(corrects, word == "Corrective");
    }
    let paid = |status: &str, remaining: i64| {
        let mut json = wire(status);
        json["remainingAmount"] = remaining.into();
        let read = remote(json);
        (read.has_payments, read.balance)
    };
    assert_eq!(paid("Open", 120), (false, Some(dec("120"))));
    assert_eq!(paid("Open", 20), (true, Some(dec("20"))));
    assert_eq!(paid("Paid", 0), (true, Some(dec("0"))));
    assert_eq!(paid("Draft", 20), (false, None));
}

#[test]
fn what_a_line_has_beyond_ours_is_kept() {
    let mut json = wire("Draft");
    json["salesInvoiceLines"][1]["lineType"] = "Fixed_x0020_Asset".into();
    json["salesInvoiceLines"][1]["description2"] = "more \"quoted\"".into();
    json["salesInvoiceLines"][1]["discountPercent"] = 7.5.into();
    let kept = &remote(json).lines[0].kept;
    assert_eq!(kept["lineType"], "\"Fixed_x0020_Asset\"");
    assert_eq!(kept["description2"], r#""more \"quoted\"""#);
    assert_eq!(kept["discountPercent"], "7.5");
    let line = WriteLine { kept: kept.clone(), ..line("Design", None) };
    let body = new_line(&line, 10_000).unwrap();
    assert!(body.get().contains(r#""lineType":"Fixed_x0020_Asset""#) && body.get().contains(r#""discountPercent":7.5"#), "{}", body.get());
}

#[test]
fn an_incomplete_document_is_no_document() {
    for field in ["@odata.etag", "customerId", "totalAmountExcludingTax", "totalTaxAmount", "totalAmountIncludingTax", "status"] {
        let mut json = wire("Draft");
        json.as_object_mut().unwrap().remove(field);
        assert!(document(serde_json::from_value(json).unwrap()).is_err(), "{field}");
    }
    let mut paged = wire("Draft");
    paged["salesInvoiceLines@odata.nextLink"] = "https://api/next".into();
    assert!(document(serde_json::from_value(paged).unwrap()).is_err(), "lines are missing");
}

/// C10, section 12: a draft is deleted under its version, a posted document cancelled, and never deleted.
#[test]
fn c10_a_draft_is_deleted_and_a_posted_document_cancelled() {
    let void = |status: &str| serde_json::from_slice::<Void>(&void_body(&remote(wire(status)))).unwrap();
    for status in ["Draft", "In Review"] {
        let Void::Delete { if_match, there } = void(status) else { panic!("{status}") };
        assert_eq!((if_match.as_deref(), there.external_id.as_str()), (Some("W/\"9\""), INVOICE));
    }
    for status in ["Open", "Paid", "Canceled"] {
        assert!(matches!(void(status), Void::Cancel {}), "{status}");
    }
}

/// C1: a receipt is negative, and carries our mark.
#[test]
fn c1_a_payment_is_a_line_for_a_journal() {
    let write = PaymentWrite {
        mark: "CP-0123456789ABCDEF0".to_owned(),
        document: INVOICE.to_owned(),
        document_number: None,
        contact: CUSTOMER.to_owned(),
        amount: dec("12.50"),
        currency: "GBP".parse().unwrap(),
        date: "2026-11-21".parse().unwrap(),
        account: LINES[0].to_owned(),
        text: "Payment of invoice CP-1".to_owned(),
    };
    insta::assert_snapshot!(String::from_utf8(payment_body(&write)).unwrap());
}
