use std::time::Duration;

use coportal_core::document::{DocumentStatus, Removal};
use coportal_core::failure::{Disposition, Question};
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use coportal_core::workspace::{Plan, TaxRounding};
use uuid::Uuid;

use super::*;
use crate::exec::scripted::{Scripted, Scripting, answer, json};
use crate::exec::{ANSWER_MAX, Meter, TransportError};

const ID: &str = "aaaaaaaabbbb4ccc8dddeeeeeeeeeeee";
const OTHER: &str = "bbbbbbbbbbbb4ccc8dddeeeeeeeeeeee";
const BUSINESS: &str = "0f0f0f0f111142228333444444444444";
const BODY: &[u8] = br#"{"sales_invoice":{"contact_id":"c1","reference":"CP-1"}}"#;
const READ: &str = "?nested_attributes=all&show_payments_allocations=true&mark_as_sent=false";

fn sage(transport: &Arc<Scripted>) -> LedgerApi {
    api(Executor::new(transport.clone(), Ledger::Sage), SageEndpoints::default())
}

/// Runs `call` with an access, and gives back what it counted.
macro_rules! with_access {
    (|$access:ident| $call:expr) => {{
        let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
        let $access = Access {
            organisation: BUSINESS,
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let outcome = $call.await;
        (outcome, meter.calls())
    }};
}

fn invoice(id: &str, status: &str, reference: &str) -> String {
    format!(
        r#"{{"id":"{id}","displayed_as":"SI-1","invoice_number":"1","reference":"{reference}","contact":{{"id":"c1"}},"currency":{{"id":"GBP"}},
        "status":{{"id":"{status}"}},"date":"2026-11-20","due_date":"2026-12-20","net_amount":"1.0","tax_amount":"0.2","total_amount":"1.2",
        "outstanding_amount":"1.2","editable":true,"invoice_lines":[{{"id":"l1","description":"A","quantity":"1.0","unit_price":"1.0",
        "net_amount":"1.0","tax_rate":{{"id":"GB_STANDARD"}},"tax_amount":"0.2","ledger_account":{{"id":"a1"}}}}]}}"#
    )
}

/// The same with its lines cut to their titles, as a write may answer.
fn cut_invoice(id: &str, status: &str, reference: &str) -> String {
    let whole = invoice(id, status, reference);
    let at = whole.find("\"invoice_lines\"").unwrap();
    format!("{}\"invoice_lines\":[{{\"id\":\"l1\",\"displayed_as\":\"A\"}}]}}", &whole[..at])
}

fn ok(body: &str) -> Scripting {
    Ok(json(200, body))
}

fn contact(id: &str, name: &str, email: &str, reference: &str) -> String {
    format!(r#"{{"id":"{id}","name":"{name}","email":"{email}","reference":"{reference}","is_active":true}}"#)
}

fn page(items: &[String], next: bool) -> Scripting {
    let next = if next { r#""/contacts?page=2""# } else { "null" };
    ok(&format!(r#"{{"$total":{},"$page":1,"$next":{next},"$back":null,"$items":[{}]}}"#, items.len(), items.join(",")))
}

fn fault(status: u16, code: &str, message: &str, source: &str) -> Scripting {
    let body = serde_json::json!([{ "$severity": "error", "$dataCode": code, "$message": message, "$source": source }]);
    Ok(json(status, &body.to_string()))
}

fn missing() -> Scripting {
    fault(404, "RecordNotFound", "Couldn't find record.", "")
}

#[tokio::test]
async fn a_create_posts_and_an_update_puts_to_the_id_without_any_key() {
    let transport = Scripted::new([Ok(json(201, &invoice(ID, "DRAFT", "CP-1"))), ok(&invoice(ID, "DRAFT", "CP-1"))]);
    let ledger = sage(&transport);
    let (made, calls) = with_access!(|access| ledger.documents.write_document(access, None, BODY, "key-1"));
    assert_eq!((made.unwrap().value.external_id.as_str(), calls), (ID, 1));
    let (changed, calls) = with_access!(|access| ledger.documents.write_document(access, Some(ID), BODY, "key-2"));
    assert_eq!((changed.unwrap().value.lines.len(), calls), (1, 1));
    assert_eq!(transport.lines(), ["POST /v3.1/sales_invoices".to_owned(), format!("PUT /v3.1/sales_invoices/{ID}")]);
    for index in [0, 1] {
        assert_eq!(transport.header(index, "x-business").as_deref(), Some(BUSINESS), "every call names the business");
        assert_eq!(transport.header(index, "content-type").as_deref(), Some("application/json"));
        assert_eq!(transport.header(index, "idempotency-key"), None);
        assert_eq!(transport.body(index).as_bytes(), BODY, "byte for byte");
    }
}

/// A mere read must not flag the invoice as sent (docs/vendors/sage.md, section 3).
#[tokio::test]
async fn every_read_by_id_says_that_nothing_was_sent() {
    let paid = invoice(ID, "UNPAID", "CP-1");
    let transport = Scripted::new([ok(&paid), ok(&paid), ok(&paid)]);
    let ledger = sage(&transport);
    assert!(with_access!(|access| ledger.documents.read_document(access, ID)).0.unwrap().value.is_some());
    let look = Look { external_id: Some(ID.to_owned()), ..Look::default() };
    assert_eq!(with_access!(|access| ledger.documents.look(access, &look)).0.unwrap().value.len(), 1);
    assert!(with_access!(|access| ledger.payments.as_ref().unwrap().payments(access, ID)).0.is_ok());
    for line in transport.lines() {
        assert_eq!(line, format!("GET /v3.1/sales_invoices/{ID}{READ}"));
    }
}

#[tokio::test]
async fn lines_that_came_as_titles_are_read_once_more() {
    let transport = Scripted::new([Ok(json(201, &cut_invoice(ID, "DRAFT", "CP-1"))), ok(&invoice(ID, "DRAFT", "CP-1"))]);
    let (made, calls) = with_access!(|access| sage(&transport).documents.write_document(access, None, BODY, "k"));
    assert_eq!((made.unwrap().value.lines[0].unit_price, calls), (Some(rust_decimal::Decimal::ONE), 2));
    for script in [missing(), Ok(json(500, "")), Err(TransportError::NotSent("refused".to_owned())), Ok(json(401, "[]"))] {
        let transport = Scripted::new([Ok(json(201, &cut_invoice(ID, "DRAFT", "CP-1"))), script]);
        let (made, _) = with_access!(|access| sage(&transport).documents.write_document(access, None, BODY, "k"));
        let failure = made.unwrap_err();
        assert_eq!((failure.disposition, failure.code.as_ref()), (Disposition::LookFirst, "sage_outcome_unknown"), "the create was done");
    }
}

#[tokio::test]
async fn an_answer_about_another_reference_is_looked_up_first() {
    for other in ["CP-2", ""] {
        let transport = Scripted::new([Ok(json(201, &invoice(ID, "DRAFT", other)))]);
        let (made, _) = with_access!(|access| sage(&transport).documents.write_document(access, None, BODY, "k"));
        assert_eq!(made.unwrap_err().disposition, Disposition::LookFirst, "{other}");
    }
}

/// "Couldn't find record." names nothing: what it was is found out, since nothing was written.
#[tokio::test]
async fn a_record_that_is_not_found_is_told_from_its_neighbours() {
    let there = || ok(&invoice(ID, "DRAFT", "CP-1"));
    let inactive = || ok(&contact("c1", "A", "", "").replace("\"is_active\":true", "\"is_active\":false"));
    let active = || ok(&contact("c1", "A", "", ""));
    let gone = Disposition::Hold { question: Question::ContactGone };
    let rejected = Disposition::Reject { issues: Vec::new() };
    for (external_id, reads, code, disposition) in [
        (None, vec![missing()], "sage_contact_missing", gone.clone()),
        (None, vec![inactive()], "sage_contact_inactive", gone.clone()),
        (None, vec![active()], "sage_record_missing", rejected.clone()),
        (None, vec![Ok(json(500, ""))], "sage_record_missing", rejected.clone()),
        (Some(ID), vec![missing()], "sage_document_missing", Disposition::Stale),
        (Some(ID), vec![Ok(json(500, ""))], "sage_document_missing", Disposition::Stale),
        (Some(ID), vec![there(), missing()], "sage_contact_missing", gone),
        (Some(ID), vec![there(), active()], "sage_record_missing", rejected),
    ] {
        let transport = Scripted::new(std::iter::once(missing()).chain(reads));
        let (made, _) = with_access!(|access| sage(&transport).documents.write_document(access, external_id, BODY, "k"));
        let failure = made.unwrap_err();
        assert_eq!((failure.code.as_ref(), failure.disposition.clone(), failure.status), (code, disposition, Some(404)));
        assert_eq!(failure.facts_stale, code == "sage_record_missing", "{code}");
    }
}

/// C31: the look before each create is one call while nothing bears our reference, and reads what does.
#[tokio::test]
async fn c31_a_look_by_reference_compares_on_our_side() {
    let listed = |id: &str, reference: &str| format!(r#"{{"id":"{id}","displayed_as":"x","reference":"{reference}"}}"#);
    let look = Look { reference: Some("CP-1 é".to_owned()), contact: Some("c1".to_owned()), ..Look::default() };
    let transport = Scripted::new([page(&[listed(OTHER, "CP-1 é5"), listed("c9", "")], false)]);
    let (found, calls) = with_access!(|access| sage(&transport).documents.look(access, &look));
    assert_eq!((found.unwrap().value.len(), calls), (0, 1));
    assert_eq!(transport.lines(), ["GET /v3.1/sales_invoices?search=CP-1%20%C3%A9&attributes=reference&items_per_page=200"]);

    let transport = Scripted::new([
        page(&[listed(ID, "CP-1 é"), listed("c9", "X")], true),
        page(&[listed(OTHER, " CP-1 é ")], false),
        ok(&invoice(ID, "VOID", "CP-1 é")),
        ok(&invoice(OTHER, "DRAFT", "CP-1 é")),
    ]);
    let (found, calls) = with_access!(|access| sage(&transport).documents.look(access, &look));
    let told: Vec<_> = found.unwrap().value.into_iter().map(|one| (one.external_id, one.status)).collect();
    assert_eq!(told, [(ID.to_owned(), DocumentStatus::Voided), (OTHER.to_owned(), DocumentStatus::Draft)], "void ones too");
    assert_eq!(calls, 4);
    assert!(transport.lines()[1].ends_with("&items_per_page=200&page=2"), "the vendor's link is not followed");
}

#[tokio::test]
async fn a_look_without_a_reference_takes_the_contacts_of_that_day_and_nothing_asks_nothing() {
    let look = Look { contact: Some("c1".to_owned()), issue_date: Some("2026-11-20".parse().unwrap()), ..Look::default() };
    let transport = Scripted::new([page(&[format!(r#"{{"id":"{ID}"}}"#)], false), missing()]);
    let (found, _) = with_access!(|access| sage(&transport).documents.look(access, &look));
    assert!(found.unwrap().value.is_empty(), "gone between list and read");
    let list = "GET /v3.1/sales_invoices?contact_id=c1&attributes=reference&from_date=2026-11-20&to_date=2026-11-20&items_per_page=200";
    assert_eq!(transport.lines()[0], list);
    let (found, calls) = with_access!(|access| sage(&Scripted::new([])).documents.look(access, &Look::default()));
    assert_eq!((found.unwrap().value.len(), calls), (0, 0));
}

#[tokio::test]
async fn a_search_that_finds_too_much_finds_nothing_and_says_so() {
    let look = Look { reference: Some("1".to_owned()), ..Look::default() };
    let endless = Scripted::new((0..PAGES_MAX).map(|_| page(&[format!(r#"{{"id":"{ID}"}}"#)], true)));
    let (found, calls) = with_access!(|access| sage(&endless).documents.look(access, &look));
    assert_eq!((found.unwrap_err().code.as_ref(), calls), ("sage_too_many_matches", PAGES_MAX));
    let same: Vec<String> = (0..21).map(|n| format!(r#"{{"id":"a{n}","reference":"1"}}"#)).collect();
    let (found, calls) = with_access!(|access| sage(&Scripted::new([page(&same, false)])).documents.look(access, &look));
    assert_eq!((found.unwrap_err().code.as_ref(), calls), ("sage_too_many_matches", 1));
}

/// C8: an approval is a release, which takes no body, and the document is read back.
#[tokio::test]
async fn c8_a_draft_is_released_and_read_back() {
    let draft = map::document(serde_json::from_str(&invoice(ID, "DRAFT", "CP-1")).unwrap()).unwrap();
    let approve = |scripts: Vec<Scripting>| {
        let draft = draft.clone();
        async move {
            let transport = Scripted::new(scripts);
            let drafts = sage(&transport).drafts.unwrap();
            let body = drafts.approve_body(&draft);
            let (outcome, calls) = with_access!(|access| drafts.approve_document(access, ID, &body, "k"));
            (outcome, calls, transport)
        }
    };
    let (released, calls, transport) = approve(vec![Ok(json(201, "{}")), ok(&invoice(ID, "UNPAID", "CP-1"))]).await;
    let released = released.unwrap().value;
    assert_eq!((released.status, released.number.as_deref(), calls), (DocumentStatus::Approved, Some("SI-1"), 2));
    assert_eq!(transport.lines(), [format!("POST /v3.1/sales_invoices/{ID}/release"), format!("GET /v3.1/sales_invoices/{ID}{READ}")]);
    assert_eq!((transport.body(0).as_str(), transport.header(0, "content-type")), ("", None));
    for after in [ok(&invoice(ID, "DRAFT", "CP-1")), missing(), Ok(json(503, ""))] {
        let (outcome, ..) = approve(vec![Ok(json(201, "{}")), after]).await;
        assert_eq!(outcome.unwrap_err().disposition, Disposition::LookFirst);
    }
    let (outcome, ..) = approve(vec![fault(422, "RecordInvalid", "Only a draft can be released.", "status")]).await;
    assert_eq!(outcome.unwrap_err().disposition, Disposition::Stale, "somebody else released it");
    let (outcome, ..) = approve(vec![Ok(json(500, ""))]).await;
    assert_eq!(outcome.unwrap_err().disposition, Disposition::LookFirst);
}

/// C10: an issued invoice is voided with a reason, whatever the removal; a draft is deleted without one.
#[tokio::test]
async fn c10_a_void_has_a_reason_and_a_draft_is_deleted_without() {
    let end = |status: &'static str, scripts: Vec<Scripting>| async move {
        let there = map::document(serde_json::from_str(&invoice(ID, status, "CP-1")).unwrap()).unwrap();
        let transport = Scripted::new(scripts);
        let documents = sage(&transport).documents;
        let body = documents.void_body(&there, Removal::Delete);
        assert_eq!(body, documents.void_body(&there, Removal::Void));
        let (outcome, calls) = with_access!(|access| documents.void_document(access, ID, &body, "k"));
        assert_eq!(calls, 1);
        (outcome.map(|answered| answered.value.status), transport)
    };
    let (outcome, transport) = end("UNPAID", vec![ok(&invoice(ID, "VOID", "CP-1"))]).await;
    assert_eq!(outcome.unwrap(), DocumentStatus::Voided);
    assert_eq!(transport.lines(), [format!("DELETE /v3.1/sales_invoices/{ID}?void_reason=Voided%20in%20CoPortal")]);
    let (outcome, transport) = end("DRAFT", vec![ok(&cut_invoice(ID, "DRAFT", "CP-1"))]).await;
    assert_eq!(outcome.unwrap(), DocumentStatus::Deleted);
    assert_eq!(transport.lines(), [format!("DELETE /v3.1/sales_invoices/{ID}")]);
    for (status, script, expected) in [
        ("UNPAID", ok(&invoice(ID, "UNPAID", "CP-1")), Disposition::LookFirst),
        ("UNPAID", Ok(answer(204, &[], "")), Disposition::LookFirst),
        ("UNPAID", missing(), Disposition::Stale),
        ("DRAFT", fault(422, "RecordInvalid", "can't be blank", "void_reason"), Disposition::Stale),
        (
            "UNPAID",
            fault(422, "RecordInvalid", "The invoice cannot be voided: payments are allocated to it.", ""),
            Disposition::Hold { question: Question::PaidInLedger },
        ),
    ] {
        assert_eq!(end(status, vec![script]).await.0.unwrap_err().disposition, expected);
    }
}

/// C1: what is open and paid is one read; a payment is one call, known by its mark.
#[tokio::test]
async fn c1_a_payment_is_known_by_its_mark() {
    let sent = br#"{"contact_payment":{"reference":"CP-9","allocated_artefacts":[{"artefact_id":"i1","amount":1.2}]}}"#;
    let made = |reference: &str, artefact: &str| {
        let body = format!(
            r#"{{"id":"{ID}","reference":"{reference}","total_amount":"1.2","allocated_artefacts":[{{"artefact":{{"id":"{artefact}"}},"amount":"1.2"}}]}}"#
        );
        Ok(json(201, &body))
    };
    let pay = |script: Scripting| async move {
        let transport = Scripted::new([script]);
        let payments = sage(&transport).payments.unwrap();
        let (outcome, calls) = with_access!(|access| payments.write_payment(access, sent, "k"));
        (outcome.map(|answered| answered.value), calls, transport.lines())
    };
    let (payment, calls, lines) = pay(made("CP-9", "i1")).await;
    assert_eq!((payment.unwrap().mark.as_deref(), calls, lines), (Some("CP-9"), 1, vec!["POST /v3.1/contact_payments".to_owned()]));
    for script in [made("CP-8", "i1"), made("CP-9", "i2"), Ok(json(201, "{}")), Ok(json(500, "")), Ok(json(409, "[]"))] {
        assert_eq!(pay(script).await.0.unwrap_err().disposition, Disposition::LookFirst);
    }
    let refused = pay(missing()).await.0.unwrap_err();
    assert_eq!((refused.code.as_ref(), refused.facts_stale), ("sage_record_missing", true));

    let gone = Scripted::new([missing()]);
    let (outcome, _) = with_access!(|access| sage(&gone).payments.as_ref().unwrap().payments(access, ID));
    assert_eq!(outcome.unwrap_err().disposition, Disposition::Hold { question: Question::DocumentGone });
    let silent =
        Scripted::new([ok(&invoice(ID, "UNPAID", "CP-1").replace("\"outstanding_amount\":\"1.2\"", "\"outstanding_amount\":null"))]);
    let (outcome, _) = with_access!(|access| sage(&silent).payments.as_ref().unwrap().payments(access, ID));
    assert_eq!(outcome.unwrap_err().code, "sage_answer_unexpected", "nothing is taken for paid or unpaid that the vendor did not say");
}

/// R56 and C3: found by name, by a filter that finds parts, and by e-mail address, in one call each; compared on our side.
#[tokio::test]
async fn r56_contacts_are_searched_by_name_and_email() {
    let script = || {
        [
            page(&[contact("k1", "Acmé  ltd", "x@x.example", ""), contact("k2", "Acme Ltd Holdings", "", "")], false),
            page(&[contact("k1", "Acmé  ltd", "x@x.example", ""), contact("k3", "Other", "ANN@acme.example", "")], false),
        ]
    };
    let transport = Scripted::new(script());
    let (found, calls) = with_access!(|access| sage(&transport).contacts.search(access, Some(" ann@acme.example "), Some(" Acme   Ltd ")));
    let ids: Vec<_> = found.unwrap().value.into_iter().map(|contact| contact.external_id).collect();
    assert_eq!((ids, calls), (vec!["k1".to_owned(), "k3".to_owned()], 2), "each once, parts left out");
    let base = "GET /v3.1/contacts?contact_type_id=CUSTOMER&attributes=all&nested_attributes=all";
    assert_eq!(
        transport.lines(),
        [format!("{base}&search=Acme%20Ltd&items_per_page=200"), format!("{base}&email=ann%40acme.example&items_per_page=200")]
    );
    let [by_name, _] = script();
    let (found, calls) = with_access!(|access| sage(&Scripted::new([by_name])).contacts.search(access, None, Some("Acme Ltd")));
    assert_eq!((found.unwrap().value.len(), calls), (1, 1));
    let (found, calls) = with_access!(|access| sage(&Scripted::new([])).contacts.search(access, Some(" "), Some("\t")));
    assert_eq!((found.unwrap().value.len(), calls), (0, 0));
    let nameless = Scripted::new([page(&[contact("", "Acme Ltd", "", "")], false)]);
    let (found, _) = with_access!(|access| sage(&nameless).contacts.search(access, None, Some("Acme Ltd")));
    assert_eq!(found.unwrap_err().code, "sage_answer_unexpected");
}

/// A deleted contact keeps its reference: it is found, and cannot be used, so that the next one gets another mark.
#[tokio::test]
async fn a_mark_is_looked_for_among_the_living_and_then_among_the_deleted() {
    let look = Look { mark: Some("0A1B2C3D4E".to_owned()), ..Look::default() };
    let living = Scripted::new([page(&[contact("k1", "A", "", "0A1B2C3D4E"), contact("k2", "0A1B2C3D4E", "", "")], false)]);
    let (found, calls) = with_access!(|access| sage(&living).contacts.look_contact(access, &look));
    let found = found.unwrap().value;
    assert_eq!((found.len(), found[0].status, calls), (1, ContactStatus::Active, 1));
    let deleted = Scripted::new([page(&[], false), page(&[contact("k1", "A", "", "0A1B2C3D4E")], false)]);
    let (found, calls) = with_access!(|access| sage(&deleted).contacts.look_contact(access, &look));
    let found = found.unwrap().value;
    assert_eq!((found.len(), found[0].status, calls), (1, ContactStatus::Archived, 2));
    assert!(deleted.lines()[1].contains("&search=0A1B2C3D4E&deleted_since=2000-01-01T00%3A00%3A00Z"));
    let (found, calls) = with_access!(|access| sage(&Scripted::new([])).contacts.look_contact(access, &Look::default()));
    assert_eq!((found.unwrap().value.len(), calls), (0, 0));
}

#[tokio::test]
async fn a_contact_is_made_changed_and_read() {
    let body = br#"{"contact":{"name":"A","reference":"0A1B2C3D4E"}}"#;
    let made = contact(ID, "A", "", "0A1B2C3D4E");
    let transport = Scripted::new([Ok(json(201, &made)), ok(&made), ok(&made), missing()]);
    let ledger = sage(&transport);
    assert_eq!(with_access!(|access| ledger.contacts.write_contact(access, None, body, "k")).0.unwrap().value.external_id, ID);
    assert!(with_access!(|access| ledger.contacts.write_contact(access, Some(ID), b"{\"contact\":{}}", "k")).0.is_ok());
    assert!(with_access!(|access| ledger.contacts.read_contact(access, ID)).0.unwrap().value.is_some());
    assert!(with_access!(|access| ledger.contacts.read_contact(access, ID)).0.unwrap().value.is_none());
    assert_eq!(
        transport.lines(),
        [
            "POST /v3.1/contacts".to_owned(),
            format!("PUT /v3.1/contacts/{ID}"),
            format!("GET /v3.1/contacts/{ID}?nested_attributes=all"),
            format!("GET /v3.1/contacts/{ID}?nested_attributes=all"),
        ]
    );
    let other = Scripted::new([Ok(json(201, &contact(ID, "A", "", "FFFFFFFFFF")))]);
    let (outcome, _) = with_access!(|access| sage(&other).contacts.write_contact(access, None, body, "k"));
    assert_eq!(outcome.unwrap_err().disposition, Disposition::LookFirst);
    let taken = Scripted::new([fault(422, "RecordInvalid", "has already been taken", "reference")]);
    let (outcome, _) = with_access!(|access| sage(&taken).contacts.write_contact(access, None, body, "k"));
    assert_eq!(outcome.unwrap_err().code, "sage_mark_taken");
}

fn facts_script(multi: bool, currency: &str) -> Vec<Scripting> {
    let rate = |id: &str, percent: &str| format!(r#"{{"id":"{id}","displayed_as":"{id} {percent}%","percentage":{percent}}}"#);
    let mut script = vec![
        ok(&format!(r#"{{"base_currency":{{"id":"{currency}"}},"multi_currency_enabled":{multi},"tax_scheme":{{"id":"STANDARD"}}}}"#)),
        ok(&format!(r#"{{"id":"{BUSINESS}","name":"Harbour Ltd"}}"#)),
        page(&[rate("GB_ZERO", "0.0"), rate("GB_LOWER", "5.0"), rate("ZA", "15.0"), rate("GB_STANDARD", "20.0")], false),
        page(&[r#"{"id":"a1","displayed_as":"Sales (4000)","visible_in_sales":true}"#.to_owned()], false),
        page(&[r#"{"id":"k1","displayed_as":"Current (1200)","is_active":true}"#.to_owned()], false),
    ];
    if multi {
        script.push(page(&[r#"{"id":"EUR"}"#.to_owned(), r#"{"id":"GBP"}"#.to_owned()], false));
    }
    script
}

#[tokio::test]
async fn facts_take_five_calls_and_a_sixth_where_there_are_several_currencies() {
    let transport = Scripted::new(facts_script(false, "GBP"));
    let (facts, calls) = with_access!(|access| sage(&transport).facts.facts(access));
    let facts = facts.unwrap().value;
    assert_eq!(
        (facts.name.as_str(), facts.tax_rates.len(), facts.accounts.len(), facts.currencies.len(), calls),
        ("Harbour Ltd", 4, 2, 1, 5)
    );
    assert_eq!(
        transport.lines(),
        [
            "GET /v3.1/financial_settings".to_owned(),
            format!("GET /v3.1/businesses/{BUSINESS}"),
            "GET /v3.1/tax_rates?usage=sales&date=2026-11-21&include_historical_data=true&attributes=all&items_per_page=200".to_owned(),
            "GET /v3.1/ledger_accounts?visible_in=sales&attributes=all&items_per_page=200".to_owned(),
            "GET /v3.1/bank_accounts?filter_inactive_bank_accounts=true&attributes=all&items_per_page=200".to_owned(),
        ]
    );
    let several = Scripted::new(facts_script(true, "GBP"));
    let (facts, calls) = with_access!(|access| sage(&several).facts.facts(access));
    assert_eq!((facts.unwrap().value.currencies.len(), calls), (2, 6));
}

#[tokio::test]
async fn facts_of_another_business_or_without_a_currency_are_refused() {
    let mut other = facts_script(false, "GBP");
    other[1] = ok(&format!(r#"{{"id":"{OTHER}","name":"Somebody else"}}"#));
    let (facts, _) = with_access!(|access| sage(&Scripted::new(other)).facts.facts(access));
    assert_eq!(facts.unwrap_err().code, "sage_answer_unexpected");
    let (facts, _) = with_access!(|access| sage(&Scripted::new(facts_script(false, "???"))).facts.facts(access));
    assert_eq!(facts.unwrap_err().code, "sage_base_currency_unknown");
    let ended = || fault(401, "AuthorizationFailure", "No active subscription. (MSE)", "");
    let (facts, calls) = with_access!(|access| sage(&Scripted::new([ended(), ended()])).facts.facts(access));
    let failure = facts.unwrap_err();
    assert_eq!((failure.code.as_ref(), calls), ("sage_subscription_inactive", 2));
    assert_ne!(failure.disposition, Disposition::Reauthorize, "no refresh loop");
}

/// Answers that a vendor, a proxy or an attacker may give to any call.
fn hostile() -> Vec<(&'static str, Scripting)> {
    let whole = invoice(OTHER, "DRAFT", "CP-1");
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
        ("too large", Ok(answer(200, &plain_json, huge))),
        ("compressed", Ok(answer(200, &plain_json, vec![0x1f, 0x8b, 8, 0, 0, 0]))),
        ("not utf-8", Ok(answer(200, &plain_json, vec![b'"', 0xff, 0xfe, b'"']))),
        ("deep", Ok(json(200, &format!(r#"{{"id":"{ID}","invoice_lines":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000))))),
        ("null", Ok(json(200, "null"))),
        ("a list", Ok(json(200, "[]"))),
        ("another envelope", Ok(json(200, r#"{"sales_invoice":{}}"#))),
        ("id of another object", Ok(json(200, &whole))),
        ("no id", Ok(json(200, &whole.replace(OTHER, "")))),
        ("id of zeros", Ok(json(200, &whole.replace(OTHER, &"0".repeat(32))))),
        ("an id that is a number", Ok(json(200, &whole.replace(&format!("\"{OTHER}\""), "7")))),
        ("duplicate ids", Ok(json(200, &whole.replacen("\"id\"", &format!("\"id\":\"{ID}\",\"id\""), 1)))),
        ("figures beyond all numbers", Ok(json(200, &whole.replace(OTHER, ID).replace("\"1.2\"", "1e99999")))),
        ("figures that are words", Ok(json(200, &whole.replace(OTHER, ID).replace("\"1.2\"", "\"many\"")))),
        ("reset", Err(TransportError::MaybeSent("reset".to_owned()))),
    ]
}

#[tokio::test]
async fn hostile_answers_to_a_write_mean_look_first_and_to_a_read_nothing_is_believed() {
    for index in 0..hostile().len() {
        let script = || hostile().into_iter().nth(index).unwrap();
        let name = script().0;
        let transport = Scripted::new((0..6).map(|_| script().1));
        let ledger = sage(&transport);
        let payments = ledger.payments.clone().unwrap();
        let doubts = [
            with_access!(|access| ledger.documents.write_document(access, Some(ID), BODY, "k")).0.map(|_| ()),
            with_access!(|access| ledger.documents.void_document(access, ID, br#"{"void_reason":"x"}"#, "k")).0.map(|_| ()),
        ];
        for doubt in doubts {
            assert_eq!(doubt.unwrap_err().disposition, Disposition::LookFirst, "{name}");
        }
        let reads = [
            with_access!(|access| ledger.documents.read_document(access, ID)).0.map(|_| ()),
            with_access!(|access| payments.payments(access, ID)).0.map(|_| ()),
        ];
        for read in reads {
            let failure = read.unwrap_err();
            let expected = matches!(failure.disposition, Disposition::Retry { .. } | Disposition::Defect);
            assert!(expected, "{name}: {:?}", failure.disposition);
        }
    }
    let damaged = Scripted::new([Ok(json(200, "{"))]);
    let (read, _) = with_access!(|access| sage(&damaged).documents.read_document(access, ID));
    assert_eq!(read.unwrap_err().code, "sage_answer_unreadable");
}

#[tokio::test]
async fn an_id_from_our_store_cannot_climb_the_path() {
    let transport = Scripted::new([missing()]);
    let (read, _) = with_access!(|access| sage(&transport).documents.read_document(access, "../contacts/x?y#z"));
    assert!(read.unwrap().value.is_none());
    assert_eq!(transport.lines(), [format!("GET /v3.1/sales_invoices/..%2Fcontacts%2Fx%3Fy%23z{READ}")]);
}

fn workspace(country: &str, currency: &str) -> Workspace {
    Workspace {
        id: WorkspaceId::new(Uuid::from_u128(1)),
        name: "W".to_owned(),
        plan: Plan::Agency,
        currency: currency.parse().unwrap(),
        country: country.to_owned(),
        tax_rounding: TaxRounding::Line,
        default_tax_rate: None,
    }
}

/// A South African workspace sees before connecting what is served and what is not.
#[test]
fn r59_a_south_african_workspace_is_told_before_it_connects() {
    let notice = sage(&Scripted::new([])).notice.unwrap();
    for (country, currency) in [("ZA", "ZAR"), ("za", "GBP"), ("GB", "ZAR")] {
        let text = notice(&workspace(country, currency)).unwrap();
        for country in ["United Kingdom", "Ireland", "Canada", "United States", "France", "Spain", "Germany", "South Africa"] {
            assert!(text.contains(country), "{text}");
        }
    }
    for served in SERVED {
        assert_eq!(notice(&workspace(served, "EUR")), None, "{served}");
    }
    assert!(notice(&workspace("AU", "AUD")).is_some_and(|text| !text.contains("South Africa")));
}

#[test]
fn no_address_is_guessed() {
    let ledger = sage(&Scripted::new([]));
    let document = map::document(serde_json::from_str(&invoice(ID, "UNPAID", "CP-1")).unwrap()).unwrap();
    let books = map::Books {
        business: serde_json::from_str(r#"{"id":"b"}"#).unwrap(),
        settings: serde_json::from_str(r#"{"base_currency":{"id":"GBP"}}"#).unwrap(),
        tax_rates: Vec::new(),
        sales_accounts: Vec::new(),
        bank_accounts: Vec::new(),
        currencies: Vec::new(),
    };
    let facts = map::facts(books, "2026-11-21T10:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(ledger.documents.document_url(&facts, BUSINESS, &document), None);
}
