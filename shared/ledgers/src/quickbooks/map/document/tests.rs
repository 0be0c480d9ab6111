use serde_json::json;

use super::*;

const URL: &str = "https://app.coportal.example/invoices/inv_1";

fn line(description: &str, quantity: &str, unit_price: &str, code: Option<&str>) -> WriteLine {
    WriteLine {
        key: None,
        line_id: None,
        description: description.to_owned(),
        quantity: Some(quantity.parse().unwrap()),
        unit_price: Some(unit_price.parse().unwrap()),
        tax_code: code.map(str::to_owned),
        account: Some("5".to_owned()),
        rate: None,
        tax: None,
        kept: Value::Null,
    }
}

fn write() -> DocumentWrite {
    DocumentWrite {
        external_id: None,
        number: Some("INV-1".to_owned()),
        reference: Some("INV-1".to_owned()),
        url: URL.to_owned(),
        contact: "12".to_owned(),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-11-20".parse().unwrap(),
        due_date: "2026-12-20".parse().unwrap(),
        tax_mode: Some(TaxMode::Exclusive),
        status: DocumentStatus::Approved,
        native_status: None,
        lines: vec![line("Design \"phase 1\"", "2.5", "1250.00", Some("6")), line("Hosting", "3", "0.3333333", Some("7"))],
        removed: Vec::new(),
        version: None,
        totals: Totals { subtotal: "3126".parse().unwrap(), tax: "625.20".parse().unwrap(), total: "3751.20".parse().unwrap() },
        kept: Value::Null,
    }
}

fn text(write: &DocumentWrite) -> String {
    String::from_utf8(body(write)).unwrap()
}

fn read(json: &str) -> Result<RemoteDocument, &'static str> {
    document(serde_json::from_str(json).unwrap())
}

#[test]
fn a_create_outside_the_us() {
    insta::assert_snapshot!(text(&write()), @r#"{"CustomerRef":{"value":"12"},"DocNumber":"INV-1","TxnDate":"2026-11-20","DueDate":"2026-12-20","CurrencyRef":{"value":"GBP"},"PrivateNote":"CoPortal INV-1 https://app.coportal.example/invoices/inv_1","EmailStatus":"NotSet","GlobalTaxCalculation":"TaxExcluded","Line":[{"LineNum":1,"Description":"Design \"phase 1\"","Amount":3125,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"5"},"Qty":2.5,"UnitPrice":1250,"TaxCodeRef":{"value":"6"}}},{"LineNum":2,"Description":"Hosting","Amount":1,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"5"},"Qty":3,"UnitPrice":0.3333333,"TaxCodeRef":{"value":"7"}}}]}"#);
    assert_eq!(body(&write()), body(&write()), "the same write, the same bytes");
}

/// Lines say a word; the document says the code and the tax that CoPortal shows, which automated sales tax takes over.
#[test]
fn c12_a_create_in_the_us_states_the_documents_tax() {
    let lines = vec![line("Design", "1", "100", Some("TAX:9")), line("Book", "1", "50", Some("NON"))];
    let us = DocumentWrite { lines, currency: "USD".parse().unwrap(), ..write() };
    let text = text(&us);
    assert!(text.ends_with(r#""TxnTaxDetail":{"TxnTaxCodeRef":{"value":"9"},"TotalTax":625.2}}"#), "{text}");
    assert!(text.contains(r#""TaxCodeRef":{"value":"TAX"}"#) && text.contains(r#""TaxCodeRef":{"value":"NON"}"#), "{text}");
    assert!(!text.contains("GlobalTaxCalculation"), "{text}");
    let untaxed = DocumentWrite { lines: vec![line("Book", "1", "50", Some("NON"))], ..us };
    let text = self::text(&untaxed);
    assert!(!text.contains("TxnTaxDetail") && !text.contains("GlobalTaxCalculation"), "{text}");
}

#[test]
fn a_company_that_uses_no_tax_is_told_none() {
    let text = text(&DocumentWrite { tax_mode: None, number: None, ..write() });
    assert!(!text.contains("Tax") && !text.contains("DocNumber"), "{text}");
}

/// C6: where our number is not the document's, it stands in the note, and reads back from there.
#[test]
fn c6_a_number_that_is_not_carried_stands_in_the_note() {
    let body = body(&DocumentWrite { number: None, reference: Some("INV 7/A".to_owned()), ..write() });
    let sent: Value = serde_json::from_slice(&body).unwrap();
    assert!(sent.get("DocNumber").is_none());
    let note = note::read(sent["PrivateNote"].as_str().unwrap());
    assert_eq!((note.reference.as_deref(), note.url.as_deref()), (Some("INV 7/A"), Some(URL)));
}

const THERE: &str = r#"{"Id":"145","SyncToken":"2","MetaData":{"CreateTime":"2026-11-20T02:00:00-08:00"},"DocNumber":"INV-1","TxnDate":"2026-11-20",
  "DueDate":"2026-12-20","CustomerRef":{"value":"12","name":"Acme"},"CurrencyRef":{"value":"GBP"},"GlobalTaxCalculation":"TaxExcluded",
  "PrivateNote":"call Ann\nCoPortal INV-1 https://app.coportal.example/invoices/inv_1","TotalAmt":120.00,"Balance":120.00,"LinkedTxn":[],
  "TxnTaxDetail":{"TotalTax":20.00,"TaxLine":[]},
  "Line":[
    {"Id":"1","LineNum":1,"Description":"Design","Amount":100.00,"DetailType":"SalesItemLineDetail","CustomExtensions":[],
     "SalesItemLineDetail":{"ItemRef":{"value":"5","name":"Services"},"ClassRef":{ "value":"100", "name":"North" },"UnitPrice":50,"Qty":2,
       "ItemAccountRef":{"value":"79"},"TaxCodeRef":{"value":"6"},"ServiceDate":"2026-11-01"}},
    {"Id":"2","LineNum":2,"Description":"Thank you","DetailType":"DescriptionOnly","DescriptionLineDetail":{}},
    {"Id":"3","LineNum":3,"Amount":0,"DetailType":"GroupLineDetail","GroupLineDetail":{"GroupItemRef":{"value":"8"},"Quantity":1.50}},
    {"Amount":100.00,"DetailType":"SubTotalLineDetail","SubTotalLineDetail":{}}]}"#;

#[test]
fn c29_an_update_hands_back_what_is_not_ours() {
    let there = read(THERE).unwrap();
    assert_eq!((there.external_id.as_str(), there.version.as_deref(), there.number.as_deref()), ("145", Some("2"), Some("INV-1")));
    assert_eq!((there.reference.as_deref(), there.url.as_deref()), (Some("INV-1"), Some(URL)));
    assert_eq!(there.kept, json!({ "PrivateNote": "call Ann" }));
    assert_eq!((there.status, there.has_payments, there.tax_mode), (DocumentStatus::Approved, false, Some(TaxMode::Exclusive)));
    assert_eq!(there.totals.subtotal, "100".parse().unwrap());
    assert_eq!(there.created_at, Some("2026-11-20T10:00:00Z".parse().unwrap()));
    let [sale, thanks, group] = there.lines.as_slice() else { panic!("{:?}", there.lines) };
    assert_eq!((sale.line_id.as_deref(), sale.account.as_deref(), sale.tax_code.as_deref()), (Some("1"), Some("5"), Some("6")));
    assert_eq!(sale.kept, json!({ "Detail": { "ClassRef": r#"{"value":"100","name":"North"}"#, "ServiceDate": r#""2026-11-01""# } }));
    assert_eq!((thanks.quantity, thanks.amount, thanks.kept.is_null()), (None, Some(Decimal::ZERO), true));
    assert_eq!((group.quantity, group.amount), (None, Some(Decimal::ZERO)));
    let hand_back = |remote: &RemoteLine| WriteLine {
        line_id: remote.line_id.clone(),
        description: remote.description.clone(),
        quantity: remote.quantity,
        unit_price: remote.unit_price,
        tax_code: remote.tax_code.clone(),
        account: remote.account.clone(),
        kept: remote.kept.clone(),
        ..line("", "1", "1", None)
    };
    let update = DocumentWrite {
        external_id: Some("145".to_owned()),
        version: there.version.clone(),
        lines: there.lines.iter().map(hand_back).collect(),
        kept: there.kept.clone(),
        ..write()
    };
    insta::assert_snapshot!(text(&update), @r#"{"Id":"145","SyncToken":"2","sparse":true,"CustomerRef":{"value":"12"},"DocNumber":"INV-1","TxnDate":"2026-11-20","DueDate":"2026-12-20","CurrencyRef":{"value":"GBP"},"PrivateNote":"CoPortal INV-1 https://app.coportal.example/invoices/inv_1\ncall Ann","GlobalTaxCalculation":"TaxExcluded","Line":[{"Id":"1","LineNum":1,"Description":"Design","Amount":100,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"5"},"Qty":2,"UnitPrice":50,"TaxCodeRef":{"value":"6"},"ClassRef":{"value":"100","name":"North"},"ServiceDate":"2026-11-01"}},{"Id":"2","LineNum":2,"Description":"Thank you","DetailType":"DescriptionOnly","DescriptionLineDetail":{}},{"Amount":0,"DetailType":"GroupLineDetail","GroupLineDetail":{"GroupItemRef":{"value":"8"},"Quantity":1.50},"Id":"3","LineNum":3}]}"#);
}

#[test]
fn a_document_says_where_it_stands() {
    let with = |from: &str, to: &str| read(&THERE.replace(from, to)).unwrap();
    let paid = with(r#""Balance":120.00"#, r#""Balance":0"#);
    assert_eq!((paid.status, paid.has_payments, paid.balance), (DocumentStatus::Paid, true, Some(Decimal::ZERO)));
    let part = with(r#""Balance":120.00"#, r#""Balance":60"#);
    assert_eq!((part.status, part.has_payments), (DocumentStatus::Approved, true));
    let linked = with(r#""LinkedTxn":[]"#, r#""LinkedTxn":[{"TxnId":"9","TxnType":"Payment"}]"#);
    assert!(linked.has_payments);
    assert!(!with(r#""LinkedTxn":[]"#, r#""LinkedTxn":[{"TxnId":"9","TxnType":"Estimate"}]"#).has_payments);
    let zeroed = THERE.replace("120.00", "0").replace("100.00", "0").replace("20.00", "0");
    let voided = read(&zeroed.replace("call Ann", "Voided - call Ann")).unwrap();
    assert_eq!((voided.status, voided.url.as_deref()), (DocumentStatus::Voided, Some(URL)), "and is still known as ours");
    assert_eq!(read(&zeroed).unwrap().status, DocumentStatus::Approved, "nothing to pay is not void");
    assert_eq!(with("call Ann", "Voided cheque").status, DocumentStatus::Approved, "a word is not a void");
}

#[test]
fn a_document_in_the_us_is_read_with_its_code() {
    let us = THERE
        .replace(r#""GlobalTaxCalculation":"TaxExcluded","#, "")
        .replace(r#""TaxCodeRef":{"value":"6"}"#, r#""TaxCodeRef":{"value":"TAX"}"#)
        .replace(r#""TotalTax":20.00"#, r#""TxnTaxCodeRef":{"value":"9"},"TotalTax":20.00"#);
    let there = read(&us).unwrap();
    assert_eq!((there.lines[0].tax_code.as_deref(), there.tax_mode), (Some("TAX:9"), Some(TaxMode::Exclusive)));
    let none = us.replace(r#""TaxCodeRef":{"value":"TAX"},"#, "");
    assert_eq!(read(&none).unwrap().tax_mode, None);
}

#[test]
fn a_discount_takes_away() {
    let discount =
        r#"{"Id":"4","Amount":10.00,"DetailType":"DiscountLineDetail","DiscountLineDetail":{"PercentBased":true,"DiscountPercent":10}}"#;
    let there = read(
        &THERE.replace(r#"{"Amount":100.00,"DetailType":"SubTotal"#, &format!(r#"{discount},{{"Amount":100.00,"DetailType":"SubTotal"#)),
    )
    .unwrap();
    let last = there.lines.last().unwrap();
    assert_eq!((last.amount, last.line_id.as_deref()), (Some("-10".parse().unwrap()), Some("4")));
    assert!(!last.kept.is_null());
}

#[test]
fn an_end_names_the_version_and_remembers_the_document() {
    let there = read(THERE).unwrap();
    for (how, operation) in [(Removal::Void, "void"), (Removal::Delete, "delete")] {
        let stored = ending(&there, how);
        assert_eq!(stored, ending(&there, how));
        let ending: Ending = serde_json::from_slice(&stored).unwrap();
        assert_eq!((ending.operation.as_str(), ending.invoice.get()), (operation, r#"{"Id":"145","SyncToken":"2"}"#));
        let gone = deleted(ending.there);
        assert_eq!(
            (gone.status, gone.external_id.as_str(), gone.url.as_deref(), gone.version),
            (DocumentStatus::Deleted, "145", Some(URL), None)
        );
    }
}

#[test]
fn hostile_figures_are_failures_and_no_panic() {
    let huge = "79228162514264337593543950335";
    for (from, to) in [
        (r#""TotalAmt":120.00"#, r#""TotalAmt":null"#),
        (r#""Balance":120.00,"#, ""),
        (r#""CustomerRef":{"value":"12","name":"Acme"},"#, ""),
        (r#""DetailType":"DescriptionOnly""#, r#""DetailType":null"#),
        (r#""Qty":2"#, r#""Qty":"two""#),
        (r#""ItemRef":{"value":"5","name":"Services"}"#, r#""ItemRef":"5""#),
        (r#""Description":"Design""#, r#""Description":7"#),
    ] {
        assert!(read(&THERE.replace(from, to)).is_err(), "{to}");
    }
    let sums = THERE
        .replace(r#""TotalAmt":120.00"#, &format!(r#""TotalAmt":{huge}"#))
        .replace(r#""TotalTax":20.00"#, &format!(r#""TotalTax":-{huge}"#));
    assert!(read(&sums).is_err());
    let large = line("x", huge, huge, None);
    assert!(text(&DocumentWrite { lines: vec![large], ..write() }).contains(r#""Amount":0"#), "refused there, not here");
}
