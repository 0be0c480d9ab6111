use std::time::Duration;

use coportal_core::failure::Disposition;
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;

use super::*;
use crate::exec::scripted::{Scripted, Scripting, answer, json};
use crate::exec::{ANSWER_MAX, Meter, TransportError};

const ID: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const OTHER: &str = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const ORGANISATION: &str = "0f0f0f0f-1111-4222-8333-444444444444";

fn xero(transport: &Arc<Scripted>) -> LedgerApi {
    api(Executor::new(transport.clone(), Ledger::Xero), XeroEndpoints::default())
}

/// Runs `call` with an access, and gives back what it counted.
macro_rules! with_access {
    (|$access:ident| $call:expr) => {{
        let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
        let $access = Access {
            organisation: ORGANISATION,
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let outcome = $call.await;
        (outcome, meter.calls())
    }};
}

fn invoice(id: &str, number: &str, reference: &str) -> String {
    format!(
        r#"{{"Type":"ACCREC","InvoiceID":"{id}","InvoiceNumber":"{number}","Reference":"{reference}","Url":"https://app/1",
        "Contact":{{"ContactID":"c-1"}},"Status":"DRAFT","LineAmountTypes":"Exclusive","LineItems":[],
        "SubTotal":1.00,"TotalTax":0.20,"Total":1.20,"CurrencyCode":"GBP","UpdatedDateUTC":"/Date(1795180000000+0000)/"}}"#
    )
}

fn invoices(list: &[String]) -> Scripting {
    Ok(json(200, &format!(r#"{{"Invoices":[{}]}}"#, list.join(","))))
}

fn contact(id: &str, name: &str, email: &str, number: &str) -> String {
    format!(r#"{{"ContactID":"{id}","Name":"{name}","EmailAddress":"{email}","ContactNumber":"{number}","ContactStatus":"ACTIVE"}}"#)
}

fn contacts(list: &[String]) -> Scripting {
    Ok(json(200, &format!(r#"{{"Contacts":[{}]}}"#, list.join(","))))
}

#[tokio::test]
async fn a_create_puts_and_an_update_posts_to_the_id() {
    let body = br#"{"Invoices":[{"InvoiceNumber":"CP-1"}]}"#;
    let transport = Scripted::new([invoices(&[invoice(ID, "CP-1", "")]), invoices(&[invoice(ID, "CP-1", "")])]);
    let ledger = xero(&transport);
    let (made, calls) = with_access!(|access| ledger.documents.write_document(access, None, body, "key-1"));
    assert_eq!((made.unwrap().value.external_id.as_str(), calls), (ID, 1));
    let upper = ID.to_uppercase();
    let (changed, _) = with_access!(|access| ledger.documents.write_document(access, Some(&upper), body, "key-2"));
    assert!(changed.is_ok());
    assert_eq!(
        transport.lines(),
        [
            "PUT /api.xro/2.0/Invoices?summarizeErrors=true&unitdp=4".to_owned(),
            format!("POST /api.xro/2.0/Invoices/{upper}?summarizeErrors=true&unitdp=4"),
        ]
    );
    for (index, key) in [(0, "key-1"), (1, "key-2")] {
        assert_eq!(transport.header(index, "idempotency-key").as_deref(), Some(key));
        assert_eq!(transport.header(index, "xero-tenant-id").as_deref(), Some(ORGANISATION));
        assert_eq!(transport.header(index, "accept").as_deref(), Some("application/json"));
        assert_eq!(transport.body(index).as_bytes(), body, "byte for byte");
    }
}

#[tokio::test]
async fn headers_of_an_answer_are_told() {
    let headers = [
        ("content-type", "application/json"),
        ("xero-correlation-id", "req-1"),
        ("x-minlimit-remaining", "59"),
        ("x-daylimit-remaining", "4999"),
        ("x-appminlimit-remaining", "9999"),
        ("date", "Sat, 21 Nov 2026 10:00:01 GMT"),
    ];
    let transport = Scripted::new([Ok(answer(200, &headers, format!(r#"{{"Invoices":[{}]}}"#, invoice(ID, "CP-1", ""))))]);
    let (read, _) = with_access!(|access| xero(&transport).documents.read_document(access, ID));
    let read = read.unwrap();
    assert_eq!(read.vendor_request_id.as_deref(), Some("req-1"));
    assert_eq!((read.limits.minute, read.limits.day, read.limits.app), (Some(59), Some(4999), Some(9999)));
    assert_eq!(read.at, Some("2026-11-21T10:00:01Z".parse().unwrap()));
}

#[tokio::test]
async fn a_missing_object_is_none_and_a_bill_is_no_sales_document() {
    let gone = || Ok(answer(404, &[("content-type", "text/html")], "The resource you're looking for cannot be found"));
    let bill = invoice(ID, "B-1", "").replace("ACCREC", "ACCPAY");
    let transport = Scripted::new([gone(), gone(), invoices(&[bill])]);
    let ledger = xero(&transport);
    assert!(with_access!(|access| ledger.documents.read_document(access, ID)).0.unwrap().value.is_none());
    assert!(with_access!(|access| ledger.contacts.read_contact(access, ID)).0.unwrap().value.is_none());
    assert!(with_access!(|access| ledger.documents.read_document(access, ID)).0.unwrap().value.is_none());
}

/// Answers that a vendor, a proxy or an attacker may give to any call.
fn hostile() -> Vec<(&'static str, Scripting)> {
    let whole = format!(r#"{{"Invoices":[{}],"Contacts":[{}]}}"#, invoice(OTHER, "X", ""), contact(OTHER, "X", "", ""));
    let html = [("content-type", "text/html")];
    let plain_json = [("content-type", "application/json")];
    let mut huge = whole.clone().into_bytes();
    huge.resize(ANSWER_MAX + 1, b' ');
    vec![
        ("empty", Ok(json(200, ""))),
        ("truncated", Ok(json(200, whole.get(..whole.len() / 2).unwrap()))),
        ("html", Ok(answer(200, &html, "<html>sign in to the hotel's network</html>"))),
        ("html that says json", Ok(json(200, "<html></html>"))),
        ("json that says html", Ok(answer(200, &html, whole.clone()))),
        ("no content", Ok(answer(204, &[], ""))),
        ("ten megabytes", Ok(answer(200, &plain_json, huge))),
        ("compressed", Ok(answer(200, &plain_json, vec![0x1f, 0x8b, 8, 0, 0, 0]))),
        ("not utf-8", Ok(answer(200, &plain_json, vec![b'"', 0xff, 0xfe, b'"']))),
        ("deep", Ok(json(200, &format!(r#"{{"Invoices":{}{},"Contacts":[]}}"#, "[".repeat(50_000), "]".repeat(50_000))))),
        ("null", Ok(json(200, "null"))),
        ("a list", Ok(json(200, "[]"))),
        ("another envelope", Ok(json(200, r#"{"Items":[]}"#))),
        ("nothing in it", Ok(json(200, r#"{"Invoices":[],"Contacts":[]}"#))),
        ("id of another object", Ok(json(200, &whole))),
        ("no id", Ok(json(200, &whole.replace(OTHER, "")))),
        ("id of zeros", Ok(json(200, &whole.replace(OTHER, "00000000-0000-0000-0000-000000000000")))),
        (
            "duplicate keys",
            Ok(json(
                200,
                &format!(
                    r#"{{"Invoices":[],"Invoices":[{0}],"Contacts":[],"Contacts":[{1}]}}"#,
                    invoice(ID, "CP-1", ""),
                    contact(ID, "A", "", "")
                ),
            )),
        ),
        (
            "duplicate ids",
            Ok(json(
                200,
                &whole
                    .replace(r#""InvoiceID""#, &format!(r#""InvoiceID":"{ID}","InvoiceID""#))
                    .replace(r#""ContactID":"b"#, &format!(r#""ContactID":"{ID}","ContactID":"b"#)),
            )),
        ),
        (
            "two objects",
            Ok(json(200, &format!(r#"{{"Invoices":[{0},{0}],"Contacts":[{1},{1}]}}"#, invoice(ID, "CP-1", ""), contact(ID, "A", "", "")))),
        ),
        ("reset", Err(TransportError::MaybeSent("reset".to_owned()))),
    ]
}

#[tokio::test]
async fn hostile_answers_to_a_write_mean_look_first_and_to_a_read_nothing_is_believed() {
    for index in 0..hostile().len() {
        let script = || hostile().into_iter().nth(index).unwrap();
        let name = script().0;
        let transport = Scripted::new([script().1, script().1, script().1, script().1]);
        let ledger = xero(&transport);
        let body = br#"{"Invoices":[{"InvoiceNumber":"CP-1"}]}"#;
        let (updated, _) = with_access!(|access| ledger.documents.write_document(access, Some(ID), body, "k"));
        assert_eq!(updated.unwrap_err().disposition, Disposition::LookFirst, "{name}: update");
        let (updated, _) = with_access!(|access| ledger.contacts.write_contact(access, Some(ID), b"{}", "k"));
        assert_eq!(updated.unwrap_err().disposition, Disposition::LookFirst, "{name}: contact");
        for failure in [
            with_access!(|access| ledger.documents.read_document(access, ID)).0.unwrap_err(),
            with_access!(|access| ledger.contacts.read_contact(access, ID)).0.unwrap_err(),
        ] {
            let expected = matches!(failure.disposition, Disposition::Retry { .. } | Disposition::Defect);
            assert!(expected, "{name}: {:?}", failure.disposition);
        }
    }
}

#[tokio::test]
async fn a_create_answered_about_another_number_is_looked_up_first() {
    let transport = Scripted::new([invoices(&[invoice(OTHER, "CP-2", "")])]);
    let body = br#"{"Invoices":[{"InvoiceNumber":"CP-1"}]}"#;
    let (made, _) = with_access!(|access| xero(&transport).documents.write_document(access, None, body, "k"));
    assert_eq!(made.unwrap_err().disposition, Disposition::LookFirst);
}

#[tokio::test]
async fn a_refusal_inside_a_success_is_a_refusal() {
    for (mark, id) in
        [(r#""HasErrors":true"#, ""), (r#""StatusAttributeString":"ERROR""#, r#""InvoiceID":"00000000-0000-0000-0000-000000000000","#)]
    {
        let body = format!(r#"{{"Invoices":[{{{id}{mark},"ValidationErrors":[{{"Message":"Invoice # must be unique."}}]}}]}}"#);
        let transport = Scripted::new([Ok(json(200, &body))]);
        let (made, _) = with_access!(|access| xero(&transport).documents.write_document(access, None, b"{}", "k"));
        assert_eq!(made.unwrap_err().code, "xero_number_taken", "{mark}");
    }
    let body = r#"{"Contacts":[{"HasValidationErrors":true,"ValidationErrors":[{"Message":"Email address must be valid."}]}]}"#;
    let transport = Scripted::new([Ok(json(200, body))]);
    let (made, _) = with_access!(|access| xero(&transport).contacts.write_contact(access, None, b"{}", "k"));
    assert_eq!(made.unwrap_err().code, "xero_email_refused");
}

#[tokio::test]
async fn c3_one_call_searches_by_email_or_name_and_the_comparison_is_ours() {
    let list = [
        contact("c-1", "Other", "ANN@acme.example", ""),
        contact("c-2", "ÁCME  ltd", "x@y.example", ""),
        contact("c-3", "Acme Ltd Holdings", "z@y.example", ""),
    ];
    let transport = Scripted::new([contacts(&list)]);
    let (found, calls) = with_access!(|access| xero(&transport).contacts.search(access, Some("ann@acme.example"), Some("Acme <Ltd>")));
    let ids: Vec<_> = found.unwrap().value.into_iter().map(|contact| contact.external_id).collect();
    assert_eq!((ids, calls), (vec!["c-1".to_owned(), "c-2".to_owned()], 1));
    assert_eq!(
        transport.lines(),
        [
            "GET /api.xro/2.0/Contacts?where=EmailAddress%3D%3D%22ann%40acme.example%22%20OR%20Name%3D%3D%22Acme%20Ltd%22&includeArchived=true&page=1&pageSize=1000"
        ]
    );
}

#[tokio::test]
async fn a_name_that_cannot_be_quoted_is_searched_as_text_and_compared_here() {
    let list =
        [r#"{"ContactID":"c-1","Name":"The \"Best\" Bakery","ContactStatus":"ARCHIVED"}"#.to_owned(), contact("c-2", "Bakery", "", "")];
    let transport = Scripted::new([contacts(&list)]);
    let (found, _) = with_access!(|access| xero(&transport).contacts.search(access, None, Some(r#"The "Best" Bakery"#)));
    let ids: Vec<_> = found.unwrap().value.into_iter().map(|contact| contact.external_id).collect();
    assert_eq!(ids, ["c-1"]);
    assert_eq!(transport.lines(), ["GET /api.xro/2.0/Contacts?searchTerm=Bakery&includeArchived=true&page=1&pageSize=1000"]);
}

/// A text search shows whatever has the words, so that what is looked for may stand on the next page.
#[tokio::test]
async fn i1_a_full_page_of_a_search_is_no_miss() {
    let others: Vec<String> = (0..100).map(|n| invoice(&format!("i-{n}"), &format!("7-{n}"), "")).collect();
    let look = Look { reference: Some(r#"7"-1"#.to_owned()), ..Look::default() };
    let ours = invoice(ID, "X", r#"7\"-1"#);
    let transport = Scripted::new([invoices(&others), invoices(&[ours])]);
    let (found, calls) = with_access!(|access| xero(&transport).documents.look(access, &look));
    let ids: Vec<String> = found.unwrap().value.into_iter().map(|document| document.external_id).collect();
    assert_eq!((ids, calls), (vec![ID.to_owned()], 2));
    assert!(transport.lines()[1].contains("searchTerm=") && transport.lines()[1].contains("page=2"), "{:?}", transport.lines());
    let (transport, list) = (Scripted::new((0..20).map(|_| invoices(&others)).collect::<Vec<_>>()), xero);
    let (found, calls) = with_access!(|access| list(&transport).documents.look(access, &look));
    assert!(found.is_err() && calls == 20, "{found:?} after {calls} calls");
    let people: Vec<String> = (0..1_000).map(|n| contact(&format!("c-{n}"), "Bakery", "", "")).collect();
    let transport = Scripted::new([contacts(&people)]);
    let (found, _) = with_access!(|access| xero(&transport).contacts.search(access, None, Some(r#"The "Best" Bakery"#)));
    assert!(found.is_err(), "{found:?}");
}

#[tokio::test]
async fn nothing_to_look_for_makes_no_call() {
    let transport = Scripted::new([]);
    let ledger = xero(&transport);
    let (found, calls) = with_access!(|access| ledger.contacts.search(access, Some(" "), Some("<>")));
    assert_eq!((found.unwrap().value.len(), calls), (0, 0));
    let nothing = Look::default();
    let (found, calls) = with_access!(|access| ledger.documents.look(access, &nothing));
    assert_eq!((found.unwrap().value.len(), calls), (0, 0));
}

#[tokio::test]
async fn a_mark_is_compared_exactly() {
    let list = [contact("c-1", "A", "", "coportal:cl_1"), contact("c-2", "B", "", "COPORTAL:CL_1")];
    let transport = Scripted::new([contacts(&list)]);
    let look = Look { mark: Some("coportal:cl_1".to_owned()), ..Look::default() };
    let (found, _) = with_access!(|access| xero(&transport).contacts.look_contact(access, &look));
    let ids: Vec<_> = found.unwrap().value.into_iter().map(|contact| contact.external_id).collect();
    assert_eq!(ids, ["c-1"]);
    assert!(transport.lines()[0].contains("where=ContactNumber%3D%3D%22coportal%3Acl_1%22&includeArchived=true"));
}

#[tokio::test]
async fn a_look_takes_the_narrowest_way_and_compares_here() {
    let list = || invoices(&[invoice(ID, "CP-1", "ref-1"), invoice(OTHER, "cp-1", "ref-2"), invoice("d", "X", "REF-1")]);
    let only = || invoices(&[invoice(ID, "CP-1", "ref-1")]);
    let look = |number: Option<&str>, reference: Option<&str>, contact: Option<&str>, id: Option<&str>| Look {
        external_id: id.map(str::to_owned),
        number: number.map(str::to_owned),
        reference: reference.map(str::to_owned),
        contact: contact.map(str::to_owned),
        ..Look::default()
    };
    let base = "GET /api.xro/2.0/Invoices";
    let table = [
        (
            look(Some("CP-1"), Some("ref-1"), Some("c-1"), None),
            list(),
            1,
            format!("{base}?where=InvoiceNumber%3D%3D%22CP-1%22%20OR%20Reference%3D%3D%22ref-1%22&pageSize=100&page=1&unitdp=4"),
        ),
        (look(Some("CP-1"), None, Some("c-1"), None), list(), 1, format!("{base}?InvoiceNumbers=CP-1&pageSize=100&page=1&unitdp=4")),
        (
            look(Some("CP-1,2"), None, None, None),
            list(),
            0,
            format!("{base}?where=InvoiceNumber%3D%3D%22CP-1%2C2%22&pageSize=100&page=1&unitdp=4"),
        ),
        (look(None, Some("ref-1"), None, None), list(), 1, format!("{base}?where=Reference%3D%3D%22ref-1%22&pageSize=100&page=1&unitdp=4")),
        (
            look(None, None, Some("C-1"), None),
            list(),
            3,
            format!("{base}?ContactIDs=C-1&createdByMyApp=true&order=UpdatedDateUTC%20DESC&pageSize=100&page=1&unitdp=4"),
        ),
        (look(Some("CP-9"), None, None, Some(ID)), only(), 1, format!("{base}/{ID}?unitdp=4")),
    ];
    for (look, answer, expected, line) in table {
        let transport = Scripted::new([answer]);
        let (found, _) = with_access!(|access| xero(&transport).documents.look(access, &look));
        assert_eq!((found.unwrap().value.len(), transport.lines()), (expected, vec![line]));
    }
}

#[tokio::test]
async fn facts_are_four_calls_and_belong_to_the_organisation_asked_for() {
    let organisation = |id: &str, edition: &str, currency: &str| {
        let json_text = format!(
            r#"{{"Organisations":[{{"OrganisationID":"{id}","Name":"Harbour & Hill","BaseCurrency":"{currency}","PaysTax":true,"ShortCode":"!mB tL",
            "Edition":"{edition}","PeriodLockDate":"/Date(1790812800000+0000)/","EndOfYearLockDate":"/Date(1774915200000)/"}}]}}"#
        );
        Ok(json(200, &json_text))
    };
    let rates = || {
        let text = r#"{"TaxRates":[
          {"Name":"20%","TaxType":"OUTPUT2","Status":"ACTIVE","EffectiveRate":20.0000,"CanApplyToRevenue":true,"ReportTaxType":"OUTPUT"},
          {"Name":"Old","TaxType":"TAX001","Status":"DELETED","EffectiveRate":17.5,"CanApplyToRevenue":true},
          {"Name":"In","TaxType":"INPUT2","Status":"ACTIVE","EffectiveRate":"20","CanApplyToRevenue":false},
          {"Name":"Odd","TaxType":"TAX002","Status":"ACTIVE","EffectiveRate":120,"CanApplyToRevenue":true}]}"#;
        Ok(answer(200, &[("content-type", "application/json"), ("x-minlimit-remaining", "3")], text))
    };
    let accounts = || {
        Ok(json(
            200,
            r#"{"Accounts":[
          {"AccountID":"a-1","Code":"200","Name":"Sales","Type":"REVENUE","Status":"ACTIVE","TaxType":"OUTPUT2"},
          {"AccountID":"a-2","Name":"Bank","Type":"BANK","Status":"ACTIVE"},
          {"AccountID":"a-3","Code":"860","Name":"Rounding","Type":"CURRLIAB","SystemAccount":"ROUNDING","EnablePaymentsToAccount":true},
          {"AccountID":"a-4","Code":"404","Name":"Fees","Type":"EXPENSE","Status":"ACTIVE"},
          {"AccountID":"a-5","Code":"201","Name":"Old","Type":"SALES","Status":"ARCHIVED"}]}"#,
        ))
    };
    let currencies = || Ok(json(200, r#"{"Currencies":[{"Code":"USD"},{"Code":"ZZZ"}]}"#));
    let script =
        |id: &str, edition: &str, currency: &str| Scripted::new([organisation(id, edition, currency), rates(), accounts(), currencies()]);

    let transport = script(&ORGANISATION.to_uppercase(), "BUSINESS", "GBP");
    let ledger = xero(&transport);
    let (facts, calls) = with_access!(|access| ledger.facts.facts(access));
    let facts = facts.unwrap();
    assert_eq!((calls, facts.limits.minute), (4, Some(3)));
    let facts = facts.value;
    let codes: Vec<_> = facts.currencies.iter().map(|code| code.to_string()).collect();
    assert_eq!(codes, ["GBP", "USD"]);
    assert_eq!(facts.locked_until, Some("2026-10-01".parse().unwrap()));
    let on_sales: Vec<_> =
        facts.tax_rates.iter().filter(|rate| rate.on_sales).map(|rate| (rate.code.as_str(), rate.rate.is_some())).collect();
    assert_eq!(on_sales, [("OUTPUT2", true), ("TAX002", false)]);
    let accounts_kept: Vec<_> = facts.accounts.iter().map(|account| (account.id.as_str(), account.uses.len())).collect();
    assert_eq!(accounts_kept, [("a-1", 1), ("a-2", 1), ("a-3", 2)]);
    let transport = Scripted::new([invoices(&[invoice(ID, "CP-1", "")])]);
    let (document, _) = with_access!(|access| xero(&transport).documents.read_document(access, ID));
    let document = document.unwrap().value.unwrap();
    assert_eq!(
        ledger.documents.document_url(&facts, ORGANISATION, &document),
        Some(format!("https://go.xero.com/app/%21mB%20tL/invoicing/view/{ID}"))
    );
    let mut without = facts.clone();
    without.short_code = None;
    assert_eq!(ledger.documents.document_url(&without, ORGANISATION, &document), None);

    for (id, edition, currency, code) in [
        (OTHER, "BUSINESS", "GBP", "xero_answer_unexpected"),
        (ORGANISATION, "PARTNER", "GBP", "xero_no_invoicing"),
        (ORGANISATION, "BUSINESS", "ZZZ", "xero_base_currency_unknown"),
    ] {
        let (facts, _) = with_access!(|access| xero(&script(id, edition, currency)).facts.facts(access));
        assert_eq!(facts.unwrap_err().code, code);
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_not_sent() {
    let transport = Scripted::new([]);
    let ledger = xero(&transport);
    for key in ["", &"k".repeat(129), "line\nbreak"] {
        let (made, calls) = with_access!(|access| ledger.documents.write_document(access, None, b"{}", key));
        let failure = made.unwrap_err();
        assert_eq!((failure.disposition, calls), (Disposition::Defect, 0));
    }
}

#[test]
fn the_registry_has_what_this_build_has() {
    let ledgers = crate::Ledgers::new(Scripted::new([]), crate::Endpoints::default());
    assert_eq!(ledgers.get(Ledger::Xero).map(|api| api.rules.ledger), Some(Ledger::Xero));
    assert!(crate::Ledgers::of(Vec::new()).get(Ledger::Xero).is_none());
}
