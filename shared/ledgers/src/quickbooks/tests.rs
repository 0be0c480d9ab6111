use std::time::Duration;

use coportal_core::contact::ContactStatus;
use coportal_core::document::DocumentStatus;
use coportal_core::failure::Disposition;
use coportal_core::ledger::Ledger;
use coportal_core::metering::Withheld;
use coportal_core::secret::Secret;
use futures_util::future::BoxFuture;

use super::*;
use crate::LimitsSeen;
use crate::batches::BatchWrite;
use crate::exec::scripted::{Scripted, Scripting, answer, json};
use crate::exec::{ANSWER_MAX, Cost, Gate, Meter, TransportError};

const REALM: &str = "4620816365002450";
const URL: &str = "https://app.coportal.example/invoices/inv_1";
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// What is left of the key on the wire: fifty characters of it.
const REQUEST_ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";

fn quickbooks(transport: &Arc<Scripted>) -> LedgerApi {
    api(Executor::new(transport.clone(), Ledger::Quickbooks), QuickBooksEndpoints::default())
}

/// Runs `call` with an access, and gives back what it counted.
macro_rules! with_access {
    (|$access:ident| $call:expr) => {
        with_access!(REALM, |$access| $call)
    };
    ($organisation:expr, |$access:ident| $call:expr) => {{
        let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
        let $access = Access {
            organisation: $organisation,
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let outcome = $call.await;
        (outcome, meter.calls())
    }};
}

fn invoice(id: &str, number: &str) -> String {
    format!(
        r#"{{"Id":"{id}","SyncToken":"0","DocNumber":"{number}","TxnDate":"2026-11-20","DueDate":"2026-12-20","CustomerRef":{{"value":"12"}},
        "CurrencyRef":{{"value":"GBP"}},"PrivateNote":"CoPortal {number} {URL}","TotalAmt":1.20,"Balance":1.20,"TxnTaxDetail":{{"TotalTax":0.20}},"Line":[]}}"#
    )
}

fn of(entity: &str, record: &str) -> Scripting {
    Ok(json(200, &format!(r#"{{"{entity}":{record},"time":"2026-11-21T02:00:00.000-08:00"}}"#)))
}

fn found(entity: &str, records: &[String]) -> Scripting {
    of("QueryResponse", &format!(r#"{{"{entity}":[{}],"startPosition":1,"maxResults":{}}}"#, records.join(","), records.len()))
}

fn customer(id: &str, name: &str, email: &str) -> String {
    format!(r#"{{"Id":"{id}","SyncToken":"0","DisplayName":"{name}","PrimaryEmailAddr":{{"Address":"{email}"}},"Active":true}}"#)
}

fn fault(code: &str) -> Scripting {
    Ok(json(400, &format!(r#"{{"Fault":{{"Error":[{{"code":"{code}"}}],"type":"ValidationFault"}}}}"#)))
}

fn create_body(number: &str) -> Vec<u8> {
    format!(r#"{{"DocNumber":"{number}","PrivateNote":"CoPortal {number} {URL}"}}"#).into_bytes()
}

#[tokio::test]
async fn writes_carry_company_key_and_version_of_the_api_and_the_very_bytes() {
    let transport = Scripted::new([of("Invoice", &invoice("145", "INV-1")), of("Invoice", &invoice("145", "INV-1"))]);
    let ledger = quickbooks(&transport);
    let body = create_body("INV-1");
    let (made, calls) = with_access!(|access| ledger.documents.write_document(access, None, &body, KEY));
    assert_eq!((made.unwrap().value.external_id.as_str(), calls), ("145", 1));
    let (changed, _) = with_access!(|access| ledger.documents.write_document(access, Some("145"), &body, "short"));
    assert!(changed.is_ok());
    assert_eq!(
        transport.lines(),
        [
            format!("POST /v3/company/{REALM}/invoice?requestid={REQUEST_ID}&minorversion=75"),
            format!("POST /v3/company/{REALM}/invoice?requestid=short&minorversion=75"),
        ]
    );
    for index in [0, 1] {
        assert_eq!(transport.header(index, "accept").as_deref(), Some("application/json"));
        assert_eq!(transport.header(index, "content-type").as_deref(), Some("application/json"));
        assert_eq!(transport.body(index).as_bytes(), body, "byte for byte");
    }
}

#[tokio::test]
async fn no_call_reaches_other_books() {
    let transport = Scripted::new([]);
    let ledger = quickbooks(&transport);
    for organisation in ["", "12/../13", "abc", "12?x=1"] {
        let (read, calls) = with_access!(organisation, |access| ledger.documents.read_document(access, "145"));
        assert_eq!((read.unwrap_err().disposition, calls), (Disposition::Defect, 0), "{organisation}");
    }
}

#[tokio::test]
async fn headers_of_an_answer_are_told() {
    let headers = [("content-type", "application/json"), ("intuit_tid", "1-abc"), ("date", "Sat, 21 Nov 2026 10:00:01 GMT")];
    let transport = Scripted::new([Ok(answer(200, &headers, format!(r#"{{"Invoice":{}}}"#, invoice("145", "INV-1"))))]);
    let (read, _) = with_access!(|access| quickbooks(&transport).documents.read_document(access, "145"));
    let read = read.unwrap();
    assert_eq!(read.vendor_request_id.as_deref(), Some("1-abc"));
    assert_eq!(read.at, Some("2026-11-21T10:00:01Z".parse().unwrap()));
}

#[tokio::test]
async fn a_record_that_is_gone_is_none() {
    let transport = Scripted::new([fault("610"), fault("610"), fault("6000")]);
    let ledger = quickbooks(&transport);
    assert!(with_access!(|access| ledger.documents.read_document(access, "145")).0.unwrap().value.is_none());
    assert!(with_access!(|access| ledger.contacts.read_contact(access, "12")).0.unwrap().value.is_none());
    assert!(with_access!(|access| ledger.documents.read_document(access, "145")).0.is_err());
}

/// Answers that a vendor, a proxy or an attacker may give to any call.
fn hostile() -> Vec<(&'static str, Scripting)> {
    let whole = format!(r#"{{"Invoice":{},"Customer":{}}}"#, invoice("999", "X"), customer("999", "X", ""));
    let html = [("content-type", "text/html")];
    let plain_json = [("content-type", "application/json")];
    let mut huge = whole.clone().into_bytes();
    huge.resize(ANSWER_MAX + 1, b' ');
    vec![
        ("empty", Ok(json(200, ""))),
        ("truncated", Ok(json(200, whole.get(..whole.len() / 2).unwrap()))),
        ("html", Ok(answer(200, &html, "<html>sign in to the hotel's network</html>"))),
        ("xml", Ok(answer(200, &[("content-type", "application/xml")], "<IntuitResponse/>"))),
        ("json that says html", Ok(answer(200, &html, whole.clone()))),
        ("no content", Ok(answer(204, &[], ""))),
        ("ten megabytes", Ok(answer(200, &plain_json, huge))),
        ("not utf-8", Ok(answer(200, &plain_json, vec![b'"', 0xff, 0xfe, b'"']))),
        ("deep", Ok(json(200, &format!(r#"{{"Invoice":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000))))),
        ("null", Ok(json(200, "null"))),
        ("a list", Ok(json(200, "[]"))),
        ("another envelope", Ok(json(200, r#"{"Items":[]}"#))),
        ("nothing in it", Ok(json(200, r#"{"Invoice":null,"Customer":null}"#))),
        ("id of another record", Ok(json(200, &whole))),
        ("no id", Ok(json(200, &whole.replace("999", "")))),
        ("an id that is none", Ok(json(200, &whole.replace("999", "../1")))),
        ("reset", Err(TransportError::MaybeSent("reset".to_owned()))),
    ]
}

#[tokio::test]
async fn hostile_answers_to_a_write_mean_look_first_and_to_a_read_nothing_is_believed() {
    for index in 0..hostile().len() {
        let script = || hostile().into_iter().nth(index).unwrap();
        let name = script().0;
        let transport = Scripted::new((0..6).map(|_| script().1));
        let ledger = quickbooks(&transport);
        let body = create_body("INV-1");
        let there = document::document(serde_json::from_str(&invoice("145", "INV-1")).unwrap()).unwrap();
        let end = ledger.documents.void_body(&there, Removal::Void);
        for (what, failure) in [
            ("update", with_access!(|access| ledger.documents.write_document(access, Some("145"), &body, KEY)).0.unwrap_err()),
            ("void", with_access!(|access| ledger.documents.void_document(access, "145", &end, KEY)).0.unwrap_err()),
            ("contact", with_access!(|access| ledger.contacts.write_contact(access, Some("12"), b"{}", KEY)).0.unwrap_err()),
        ] {
            assert_eq!(failure.disposition, Disposition::LookFirst, "{name}: {what}");
        }
        for failure in [
            with_access!(|access| ledger.documents.read_document(access, "145")).0.unwrap_err(),
            with_access!(|access| ledger.contacts.read_contact(access, "12")).0.unwrap_err(),
            with_access!(|access| ledger.payments.as_ref().unwrap().payments(access, "145")).0.unwrap_err(),
        ] {
            let expected = matches!(failure.disposition, Disposition::Retry { .. } | Disposition::Defect);
            assert!(expected, "{name}: {:?}", failure.disposition);
        }
    }
}

/// A request id that served another request is answered with that one's reply: the echo is compared with what was sent.
#[tokio::test]
async fn i5_a_create_answered_about_another_invoice_is_looked_up_first() {
    let other = invoice("145", "INV-1").replace(URL, "https://app.coportal.example/invoices/inv_2");
    for reply in [other, invoice("145", "INV-1").replace("CoPortal ", "")] {
        let transport = Scripted::new([of("Invoice", &reply)]);
        let body = create_body("INV-1");
        let (made, _) = with_access!(|access| quickbooks(&transport).documents.write_document(access, None, &body, KEY));
        assert_eq!(made.unwrap_err().disposition, Disposition::LookFirst);
    }
}

#[tokio::test]
async fn a_refusal_inside_a_success_is_a_refusal() {
    let transport = Scripted::new([Ok(json(200, r#"{"Fault":{"Error":[{"code":"6140"}]}}"#)), fault("5010"), fault("6240")]);
    let ledger = quickbooks(&transport);
    let body = create_body("INV-1");
    let (made, _) = with_access!(|access| ledger.documents.write_document(access, None, &body, KEY));
    assert_eq!(made.unwrap_err().code, "quickbooks_number_taken");
    let (made, _) = with_access!(|access| ledger.documents.write_document(access, Some("145"), &body, KEY));
    assert_eq!(made.unwrap_err().disposition, Disposition::Stale);
    let (made, _) = with_access!(|access| ledger.contacts.write_contact(access, None, b"{}", KEY));
    assert_eq!(made.unwrap_err().code, "quickbooks_name_taken", "C5");
}

#[tokio::test]
async fn c3_email_and_name_are_searched_in_one_call_and_compared_here() {
    let batch = format!(
        r#"{{"BatchItemResponse":[{{"bId":"q1","QueryResponse":{{"Customer":[{}]}}}},{{"bId":"q0","QueryResponse":{{"Customer":[{},{}]}}}}],"time":"x"}}"#,
        customer("7", "Other", "ANN@acme.example"),
        customer("8", "O'Brien (deleted)", "").replace("true", "false"),
        customer("9", "o'brien", "z@y.example"),
    );
    let transport = Scripted::new([Ok(json(200, &batch))]);
    let (hits, calls) = with_access!(|access| quickbooks(&transport).contacts.search(access, Some("ann@acme.example"), Some("O'Brien")));
    let hits = hits.unwrap().value;
    let shown: Vec<_> = hits.iter().map(|contact| (contact.external_id.as_str(), contact.status)).collect();
    assert_eq!(shown, [("8", ContactStatus::Archived), ("9", ContactStatus::Active), ("7", ContactStatus::Active)]);
    assert_eq!(calls, 1);
    assert_eq!(transport.lines(), [format!("POST /v3/company/{REALM}/batch?minorversion=75")]);
    assert_eq!(
        transport.body(0),
        r#"{"BatchItemRequest":[{"bId":"q0","Query":"select * from Customer where DisplayName in ('O\\'Brien', 'O\\'Brien (deleted)') and Active in (true, false) maxresults 1000"},{"bId":"q1","Query":"select * from Customer where PrimaryEmailAddr like '%ann@acme.example%' and Active in (true, false) maxresults 1000"}]}"#
    );
}

#[tokio::test]
async fn one_thing_to_look_for_is_one_query_and_nothing_none() {
    let transport = Scripted::new([found("Customer", &[customer("7", "Acme", "")]), of("QueryResponse", "{}")]);
    let ledger = quickbooks(&transport);
    let (hits, _) = with_access!(|access| ledger.contacts.search(access, None, Some("Acme")));
    assert_eq!(hits.unwrap().value.len(), 1);
    let look = Look { name: Some("Acme".to_owned()), email: Some("ann@acme.example".to_owned()), ..Look::default() };
    let (hits, _) = with_access!(|access| ledger.contacts.look_contact(access, &look));
    assert!(hits.unwrap().value.is_empty());
    assert!(transport.lines().iter().all(|line| line.contains("/query?query=select%20%2A%20from%20Customer%20where%20DisplayName")));
    for (hits, calls) in [
        with_access!(|access| ledger.contacts.search(access, Some(" "), Some(":"))),
        with_access!(|access| ledger.contacts.look_contact(access, &Look::default())),
    ] {
        assert_eq!((hits.unwrap().value.len(), calls), (0, 0));
    }
    let (hits, calls) = with_access!(|access| ledger.documents.look(access, &Look::default()));
    assert_eq!((hits.unwrap().value.len(), calls), (0, 0));
}

#[tokio::test]
async fn a_batch_whose_query_is_refused_or_unanswered_fails() {
    for (items, code) in [
        (r#"{"bId":"q0","QueryResponse":{}},{"bId":"q1","Fault":{"Error":[{"code":"4001"}]}}"#, "quickbooks_request_malformed"),
        (r#"{"bId":"q0","QueryResponse":{}},{"bId":"q1","Fault":{"Error":[{"code":"3001"}]}}"#, "quickbooks_limit_reached"),
        (r#"{"bId":"q0","QueryResponse":{}}"#, "quickbooks_answer_unexpected"),
        (r#"{"bId":"q0","QueryResponse":{}},{"bId":"q1"}"#, "quickbooks_answer_unexpected"),
        (r#"{"bId":"q0","QueryResponse":{"Customer":[{"Id":""}]}},{"bId":"q1","QueryResponse":{}}"#, "quickbooks_answer_unexpected"),
    ] {
        let transport = Scripted::new([Ok(json(200, &format!(r#"{{"BatchItemResponse":[{items}]}}"#)))]);
        let (hits, _) = with_access!(|access| quickbooks(&transport).contacts.search(access, Some("a@b.co"), Some("Acme")));
        assert_eq!(hits.unwrap_err().code, code, "{items}");
    }
}

/// C31: the number is looked up before each create; without one, the customer's invoices of the day are read for the mark.
#[tokio::test]
async fn c31_a_look_takes_the_narrowest_way() {
    let look = |number: Option<&str>, contact: Option<&str>, day: Option<&str>, id: Option<&str>| Look {
        external_id: id.map(str::to_owned),
        number: number.map(str::to_owned),
        reference: Some("INV-1".to_owned()),
        contact: contact.map(str::to_owned),
        issue_date: day.map(|day| day.parse().unwrap()),
        ..Look::default()
    };
    let encode = |text: &str| format!("GET /v3/company/{REALM}/query?query={}&minorversion=75", encoded(text));
    let two = || found("Invoice", &[invoice("145", "INV-1"), invoice("146", "INV-1")]);
    let table = [
        (look(Some("O'1"), Some("12"), None, None), two(), 2, encode(r"select * from Invoice where DocNumber = 'O\'1' maxresults 1000")),
        (
            look(None, Some("12"), Some("2026-11-20"), None),
            two(),
            2,
            encode("select * from Invoice where CustomerRef = '12' and TxnDate = '2026-11-20' maxresults 1000"),
        ),
        (
            look(None, Some("12"), None, None),
            two(),
            2,
            encode("select * from Invoice where CustomerRef = '12' orderby MetaData.CreateTime desc maxresults 100"),
        ),
        (
            look(None, None, None, Some("145")),
            of("Invoice", &invoice("145", "INV-1")),
            1,
            format!("GET /v3/company/{REALM}/invoice/145?minorversion=75"),
        ),
        (look(None, None, None, Some("145")), fault("610"), 0, format!("GET /v3/company/{REALM}/invoice/145?minorversion=75")),
    ];
    for (look, scripted, expected, line) in table {
        let transport = Scripted::new([scripted]);
        let (hits, calls) = with_access!(|access| quickbooks(&transport).documents.look(access, &look));
        assert_eq!((hits.unwrap().value.len(), calls, transport.lines()), (expected, 1, vec![line]));
    }
}

#[tokio::test]
async fn c10_an_end_is_a_void_or_a_deletion() {
    let there = document::document(serde_json::from_str(&invoice("145", "INV-1")).unwrap()).unwrap();
    let voided = invoice("145", "INV-1").replace("1.20", "0").replace("0.20", "0").replace("CoPortal", "Voided - CoPortal");
    let gone = of("Invoice", r#"{"status":"Deleted","domain":"QBO","Id":"145"}"#);
    for (how, scripted, operation, status) in [
        (Removal::Void, of("Invoice", &voided), "void", DocumentStatus::Voided),
        (Removal::Delete, gone, "delete", DocumentStatus::Deleted),
    ] {
        let transport = Scripted::new([scripted]);
        let ledger = quickbooks(&transport);
        let body = ledger.documents.void_body(&there, how);
        let (ended, _) = with_access!(|access| ledger.documents.void_document(access, "145", &body, KEY));
        let ended = ended.unwrap().value;
        assert_eq!((ended.status, ended.url.as_deref()), (status, Some(URL)));
        let line = format!("POST /v3/company/{REALM}/invoice?operation={operation}&requestid={REQUEST_ID}&minorversion=75");
        assert_eq!((transport.lines(), transport.body(0)), (vec![line], r#"{"Id":"145","SyncToken":"0"}"#.to_owned()));
    }
    let transport = Scripted::new([]);
    let ledger = quickbooks(&transport);
    let body = ledger.documents.void_body(&there, Removal::Void);
    for (id, body) in [("146", body.as_slice()), ("145", b"{}"), ("145", b"")] {
        let (ended, calls) = with_access!(|access| ledger.documents.void_document(access, id, body, KEY));
        assert_eq!((ended.unwrap_err().disposition, calls), (Disposition::Defect, 0));
    }
}

#[tokio::test]
async fn c1_payments_are_read_with_the_balance_and_written_with_the_mark() {
    let pay = |id: &str, mark: &str, document: &str| {
        format!(
            r#"{{"Id":"{id}","PaymentRefNum":"{mark}","TotalAmt":60,"TxnDate":"2026-11-20","Line":[{{"Amount":60,"LinkedTxn":[{{"TxnId":"{document}","TxnType":"Invoice"}}]}}]}}"#
        )
    };
    let list = found("Payment", &[pay("9", "CP-1", "145"), pay("10", "", "145"), pay("11", "CP-2", "146")]);
    let transport = Scripted::new([of("Invoice", &invoice("145", "INV-1")), list]);
    let ledger = quickbooks(&transport);
    let payments = ledger.payments.as_ref().unwrap();
    let (paid, calls) = with_access!(|access| payments.payments(access, "145"));
    let paid = paid.unwrap().value;
    let marks: Vec<_> = paid.payments.iter().map(|one| (one.external_id.as_str(), one.mark.as_deref())).collect();
    assert_eq!((marks, calls), (vec![("9", Some("CP-1")), ("10", None)], 2));
    assert_eq!(paid.balance, "1.20".parse().unwrap());

    let body = pay("", "CP-3", "145").into_bytes();
    let answers = [
        of("Payment", &pay("12", "CP-3", "145")),
        of("Payment", &pay("12", "CP-4", "145")),
        of("Payment", &pay("12", "CP-3", "146")),
        of("Payment", &pay("", "CP-3", "145")),
        fault("6210"),
    ];
    let transport = Scripted::new(answers);
    let ledger = quickbooks(&transport);
    let payments = ledger.payments.as_ref().unwrap();
    let outcomes: Vec<_> = [(); 5].iter().map(|()| async { with_access!(|access| payments.write_payment(access, &body, KEY)).0 }).collect();
    let mut told = Vec::new();
    for outcome in outcomes {
        told.push(match outcome.await {
            Ok(made) => made.value.external_id,
            Err(failure) => failure.code.to_string(),
        });
    }
    let lost = "quickbooks_outcome_unknown";
    assert_eq!(told, ["12", lost, lost, lost, "quickbooks_period_locked"]);
    assert_eq!(transport.lines()[0], format!("POST /v3/company/{REALM}/payment?requestid={REQUEST_ID}&minorversion=75"));
    let (made, calls) = with_access!(|access| payments.write_payment(access, b"{}", KEY));
    assert_eq!((made.unwrap_err().disposition, calls), (Disposition::Defect, 0));
}

fn company_batch(preferences: &str, items: &[String]) -> Scripting {
    let lists = [
        r#""CompanyInfo":[{"CompanyName":"Harbour & Hill","Country":"GB","Id":"1"}]"#.to_owned(),
        format!(r#""Preferences":[{preferences}]"#),
        r#""TaxRate":[{"Id":"1","RateValue":20}]"#.to_owned(),
        r#""TaxCode":[{"Id":"6","Name":"20.0% S","SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"1"}}]}}]"#.to_owned(),
        format!(r#""Item":[{}]"#, items.join(",")),
        r#""Account":[{"Id":"35","Name":"Current","AccountType":"Bank"}]"#.to_owned(),
    ];
    let items: Vec<String> =
        lists.iter().enumerate().map(|(index, list)| format!(r#"{{"bId":"q{index}","QueryResponse":{{{list}}}}}"#)).collect();
    Ok(json(200, &format!(r#"{{"BatchItemResponse":[{}]}}"#, items.join(","))))
}

const PLAIN: &str =
    r#"{"CurrencyPrefs":{"MultiCurrencyEnabled":false,"HomeCurrency":{"value":"GBP"}},"SalesFormsPrefs":{"CustomTxnNumbers":true}}"#;

#[tokio::test]
async fn facts_are_one_call_and_one_more_with_several_currencies() {
    let item = |id: usize| format!(r#"{{"Id":"{id}","Name":"Item {id}"}}"#);
    let transport = Scripted::new([company_batch(PLAIN, &[item(5)])]);
    let (facts, calls) = with_access!(|access| quickbooks(&transport).facts.facts(access));
    let facts = facts.unwrap().value;
    assert_eq!((calls, facts.name.as_str(), facts.currencies.len(), facts.items.len()), (1, "Harbour & Hill", 1, 1));

    let several = PLAIN.replace("false", "true");
    let transport = Scripted::new([company_batch(&several, &[]), found("CompanyCurrency", &[r#"{"Code":"USD"}"#.to_owned()])]);
    let (facts, calls) = with_access!(|access| quickbooks(&transport).facts.facts(access));
    assert_eq!((calls, facts.unwrap().value.currencies.len()), (2, 2));

    // A full page means that there may be another one.
    let full: Vec<String> = (1..=PAGE).map(item).collect();
    let transport = Scripted::new([company_batch(PLAIN, &full), found("Item", &[item(1001)])]);
    let (facts, calls) = with_access!(|access| quickbooks(&transport).facts.facts(access));
    assert_eq!((calls, facts.unwrap().value.items.len()), (2, 1001));
    assert!(transport.lines()[1].contains("startposition%201001%20maxresults%201000"), "{:?}", transport.lines());

    for (scripted, code) in [
        (company_batch("{}", &[]), "quickbooks_base_currency_unknown"),
        (Ok(json(200, r#"{"BatchItemResponse":[]}"#)), "quickbooks_answer_unexpected"),
        (Ok(json(401, "")), "quickbooks_token_refused"),
    ] {
        let transport = Scripted::new([scripted]);
        let (facts, _) = with_access!(|access| quickbooks(&transport).facts.facts(access));
        assert_eq!(facts.unwrap_err().code, code);
    }
}

#[tokio::test]
async fn an_invoice_is_opened_where_its_company_lives() {
    let transport = Scripted::new([company_batch(PLAIN, &[]), of("Invoice", &invoice("145", "INV-1"))]);
    let ledger = quickbooks(&transport);
    let facts = with_access!(|access| ledger.facts.facts(access)).0.unwrap().value;
    let there = with_access!(|access| ledger.documents.read_document(access, "145")).0.unwrap().value.unwrap();
    let url = |ledger: &LedgerApi| ledger.documents.document_url(&facts, REALM, &there).unwrap();
    assert_eq!(url(&ledger), "https://qbo.intuit.com/app/invoice?txnId=145");
    let sandbox = api(Executor::new(transport.clone(), Ledger::Quickbooks), QuickBooksEndpoints::sandbox());
    assert_eq!(url(&sandbox), "https://sandbox.qbo.intuit.com/app/invoice?txnId=145");
}

/// C8: nothing to approve, everything in one call.
#[test]
fn c8_there_are_no_drafts() {
    let ledger = quickbooks(&Scripted::new([]));
    assert!(ledger.drafts.is_none() && ledger.stepwise.is_none() && ledger.payments.is_some() && ledger.notice.is_none());
    let ledgers = crate::Ledgers::new(Scripted::new([]), crate::Endpoints::default());
    assert_eq!(ledgers.get(Ledger::Quickbooks).map(|api| api.rules.ledger), Some(Ledger::Quickbooks));
}

/// A gate that keeps what it is asked for, and what it hears.
#[derive(Default)]
struct Counting(std::sync::Mutex<Vec<Cost>>, std::sync::Mutex<Option<Withheld>>);

impl Gate for Counting {
    fn pass(&self, cost: Cost) -> BoxFuture<'_, Result<(), TransportError>> {
        self.0.lock().unwrap().push(cost);
        Box::pin(async { Ok(()) })
    }

    fn answered(&self, _: LimitsSeen) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn now(&self) -> jiff::Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    fn refused(&self, limit: Withheld) -> BoxFuture<'_, ()> {
        *self.1.lock().unwrap() = Some(limit);
        Box::pin(async {})
    }
}

/// Section 6: forty batches a minute, whatever is in them. An element that is refused for a limit stops the company as any call would.
#[tokio::test]
async fn a_batch_of_updates_counts_as_a_batch() {
    let throttled = r#"{"BatchItemResponse":[{"bId":"u0","Fault":{"Error":[{"code":"3001"}]}}]}"#;
    let transport = Scripted::new([Ok(json(200, r#"{"BatchItemResponse":[]}"#)), Ok(json(200, throttled))]);
    let ledger = quickbooks(&transport);
    let body = create_body("INV-1");
    let gate = Arc::new(Counting::default());
    let (token, meter) = (Secret::new("a-1".to_owned()), Meter::gated(gate.clone()));
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let access = Access { organisation: REALM, token: &token, meter: &meter, timeout: Duration::from_secs(12), now };
    let rows = [BatchWrite { external_id: Some("145"), body: &body }];
    let outcomes = ledger.batches.updates.as_ref().unwrap().update_documents(access, &rows, KEY).await.unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap_err().disposition, Disposition::LookFirst, "nothing was said of it");
    assert_eq!(*gate.0.lock().unwrap(), [Cost { calls: 1, batch: true }]);
    assert_eq!(*gate.1.lock().unwrap(), None);
    let outcomes = ledger.batches.updates.as_ref().unwrap().update_documents(access, &rows, KEY).await.unwrap();
    assert!(matches!(outcomes[0].as_ref().unwrap_err().disposition, Disposition::Retry { .. }), "it was not looked at");
    let until = "2026-11-21T10:01:00Z".parse().unwrap();
    assert_eq!(*gate.1.lock().unwrap(), Some(Withheld { limit: coportal_core::metering::Limit::Minute, until }));
}
