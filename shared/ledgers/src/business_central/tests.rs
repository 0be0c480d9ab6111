use std::time::Duration;

use coportal_core::contact::ContactContent;
use coportal_core::document::{DocumentStatus, DocumentWrite, PaymentWrite, RemoteDocument, WriteLine};
use coportal_core::failure::{Disposition, Question};
use coportal_core::invoice::TaxMode;
use coportal_core::ledger::Ledger;
use coportal_core::metering::Withheld;
use coportal_core::pricing::Totals;
use coportal_core::secret::Secret;
use coportal_core::sync::row::{IntentKind, Look};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::LimitsSeen;
use crate::exec::scripted::{Scripted, Scripting, answer, json as reply};
use crate::exec::{ANSWER_MAX, Cost, Gate, Meter, TransportError};

const TENANT: &str = "dddddddd-0000-4000-8000-000000000004";
const COMPANY: &str = "eeeeeeee-0000-4000-8000-000000000005";
const INVOICE: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const CUSTOMER: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const JOURNAL: &str = "ffffffff-0000-4000-8000-000000000006";
const OTHER: &str = "99999999-0000-4000-8000-000000000009";

fn organisation() -> String {
    format!("{TENANT}/Production/{COMPANY}")
}

fn ledger(transport: &Arc<Scripted>) -> LedgerApi {
    api(Executor::new(transport.clone(), Ledger::BusinessCentral), BusinessCentralEndpoints::default())
}

/// The requests, without what they all begin with.
fn lines(transport: &Scripted) -> Vec<String> {
    let root = format!("/v2.0/{TENANT}/Production/api/v2.0");
    let company = format!("/companies({COMPANY})");
    transport.lines().into_iter().map(|line| line.replace(&root, "").replace(&company, "")).collect()
}

/// Runs `call` with an access, and gives back what it counted.
macro_rules! with_access {
    (|$access:ident| $call:expr) => {{
        let (token, meter, organisation) = (Secret::new("a-1".to_owned()), Meter::default(), organisation());
        let $access = Access {
            organisation: &organisation,
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let outcome = $call.await;
        (outcome, meter.calls())
    }};
}

mod company;
mod customers;
mod payments;

fn line_json(sequence: u32) -> Value {
    json!({
        "id": format!("cccccccc-0000-4000-8000-{sequence:012}"), "sequence": sequence, "lineType": "Account", "lineObjectNumber": "6110",
        "description": "Design", "quantity": 1, "unitPrice": 100, "amountExcludingTax": 100, "taxCode": "STANDARD", "taxPercent": 20,
        "totalTaxAmount": 20,
    })
}

fn invoice_json(status: &str, sequences: &[u32]) -> Value {
    let lines: Vec<Value> = sequences.iter().map(|sequence| line_json(*sequence)).collect();
    json!({
        "@odata.etag": "W/\"9\"", "id": INVOICE, "number": "S-INV1", "externalDocumentNumber": "CP-1",
        "customerPurchaseOrderReference": "MARK", "customerId": CUSTOMER, "currencyCode": "GBP", "invoiceDate": "2026-11-20",
        "dueDate": "2026-12-20", "pricesIncludeTax": false, "totalAmountExcludingTax": 100, "totalTaxAmount": 20,
        "totalAmountIncludingTax": 120, "remainingAmount": 120, "status": status, "salesInvoiceLines": lines,
    })
}

fn invoice(status: &str, sequences: &[u32]) -> Scripting {
    Ok(reply(200, &invoice_json(status, sequences).to_string()))
}

fn gross(sequences: &[u32]) -> Value {
    let mut json = invoice_json("Draft", sequences);
    json["pricesIncludeTax"] = true.into();
    json
}

fn there(json: Value) -> RemoteDocument {
    document::document(serde_json::from_value(json).unwrap()).unwrap()
}

fn error(status: u16, code: &str, message: &str) -> Scripting {
    Ok(reply(status, &json!({ "error": { "code": code, "message": message } }).to_string()))
}

fn done() -> Scripting {
    Ok(answer(204, &[], ""))
}

fn lost() -> Scripting {
    Err(TransportError::MaybeSent("time-out".to_owned()))
}

/// A batch's answer with these statuses; the last may carry an error.
fn batched(statuses: &[u16], error: Option<(&str, &str)>) -> Scripting {
    let responses: Vec<Value> = statuses
        .iter()
        .enumerate()
        .map(|(index, status)| match error {
            Some((code, message)) if *status >= 400 => {
                json!({ "id": (index + 1).to_string(), "status": status, "body": { "error": { "code": code, "message": message } } })
            }
            _ => json!({ "id": (index + 1).to_string(), "status": status }),
        })
        .collect();
    Ok(reply(200, &json!({ "responses": responses }).to_string()))
}

fn list(value: Value) -> Scripting {
    Ok(reply(200, &json!({ "value": value }).to_string()))
}

fn write_of(count: usize) -> DocumentWrite {
    let line = |index: usize| WriteLine {
        key: None,
        line_id: None,
        description: format!("Line {index}"),
        quantity: Some(1.into()),
        unit_price: Some(100.into()),
        tax_code: None,
        account: Some("6110".to_owned()),
        rate: None,
        tax: None,
        kept: Value::Null,
    };
    DocumentWrite {
        external_id: None,
        number: None,
        reference: Some("CP-1".to_owned()),
        url: "MARK".to_owned(),
        contact: CUSTOMER.to_owned(),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-11-20".parse().unwrap(),
        due_date: "2026-12-20".parse().unwrap(),
        tax_mode: Some(TaxMode::Exclusive),
        status: DocumentStatus::Draft,
        native_status: None,
        lines: (0..count).map(line).collect(),
        removed: Vec::new(),
        version: None,
        totals: Totals::default(),
        kept: Value::Null,
    }
}

/// R61: the header first and alone; then each line as a nested resource, several in one transaction; then what stands there.
#[tokio::test]
async fn r61_the_header_comes_first_and_then_the_lines() {
    let transport = Scripted::new([invoice("Draft", &[]), batched(&[201, 201], None), invoice("Draft", &[10_000, 20_000])]);
    let api = ledger(&transport);
    let body = api.documents.document_body(&write_of(2));
    let (header, calls) = with_access!(|access| api.documents.write_document(access, None, &body, "key"));
    let header = header.unwrap().value;
    assert_eq!((header.lines.len(), calls), (0, 1));
    let (whole, calls) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &header, &body, "key"));
    assert_eq!((whole.unwrap().value.lines.len(), calls), (2, 2));
    assert_eq!(
        lines(&transport),
        ["POST /salesInvoices".to_owned(), "POST /$batch".to_owned(), format!("GET /salesInvoices({INVOICE})?$expand=salesInvoiceLines"),]
    );
    assert!(!transport.body(0).contains("lines"), "{}", transport.body(0));
    assert_eq!(transport.header(1, "isolation").as_deref(), Some("snapshot"));
    insta::assert_snapshot!(transport.body(1).replace("},{", "},\n{"));
    for index in 0..3 {
        assert_eq!(transport.header(index, "accept-language").as_deref(), Some("en-US"));
        assert_eq!(transport.header(index, "authorization").as_deref(), Some("Bearer a-1"));
        assert_eq!(transport.header(index, "data-access-intent"), None, "a replica lags");
    }
}

#[tokio::test]
async fn only_missing_lines_are_written_and_one_alone_needs_no_batch() {
    let transport = Scripted::new([
        Ok(reply(201, &line_json(20_000).to_string())),
        invoice("Draft", &[10_000, 20_000]),
        invoice("Draft", &[10_000, 20_000]),
    ]);
    let api = ledger(&transport);
    let body = api.documents.document_body(&write_of(2));
    let stepwise = api.stepwise.clone().unwrap();
    let begun = there(invoice_json("Draft", &[10_000]));
    assert!(with_access!(|access| stepwise.continue_document(access, &begun, &body, "key")).0.is_ok());
    assert!(transport.body(0).starts_with(r#"{"sequence":20000,"#), "{}", transport.body(0));
    // Nothing is missing: nothing is written.
    let whole = there(invoice_json("Draft", &[10_000, 20_000]));
    let (_, calls) = with_access!(|access| stepwise.continue_document(access, &whole, &body, "key"));
    assert_eq!(calls, 1);
    assert_eq!(lines(&transport)[0], format!("POST /salesInvoices({INVOICE})/salesInvoiceLines"));
}

/// Section 14: requests inside a batch may count, so permits are asked for each of them, for the batch, and for the reading afterwards.
#[test]
fn a_write_counts_as_all_of_its_calls() {
    let transport = Scripted::new([]);
    let api = ledger(&transport);
    let documents = &api.documents;
    let create = |lines: usize, begun: Option<&[u32]>| {
        let begun = begun.map(|written| there(invoice_json("Draft", written)));
        documents.write_calls(IntentKind::Create, &documents.document_body(&write_of(lines)), begun.as_ref())
    };
    assert_eq!((create(2, None), create(1, None)), (5, 3));
    assert_eq!((create(2, Some(&[])), create(2, Some(&[10_000])), create(2, Some(&[10_000, 20_000]))), (4, 2, 1));
    assert_eq!(create(150, None), 103, "a hundred lines are one call of the engine");
    assert_eq!(documents.write_calls(IntentKind::Update, &update_body(&api, false), None), 5, "a header, two lines, the batch, a reading");
    assert_eq!(documents.write_calls(IntentKind::Update, &update_body(&api, true), None), 2);
    assert_eq!(documents.write_calls(IntentKind::Void, b"{}", None), 2);
    assert_eq!(documents.write_calls(IntentKind::Update, b"no body of ours", None), 1);
}

/// A gate whose time goes on while a step makes its calls, and that keeps what it hears.
#[derive(Default)]
struct LaterGate(std::sync::Mutex<Option<Withheld>>);

impl Gate for LaterGate {
    fn pass(&self, _: Cost) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }

    fn answered(&self, _: LimitsSeen) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn now(&self) -> Timestamp {
        "2026-11-21T10:01:26Z".parse().unwrap()
    }

    fn refused(&self, limit: Withheld) -> BoxFuture<'_, ()> {
        *self.0.lock().unwrap() = Some(limit);
        Box::pin(async {})
    }
}

/// Section 8: `Retry-After` counts from the answer. A step whose first call took long would otherwise be told a time that is over.
#[tokio::test]
async fn a_pause_counts_from_the_answer_that_told_it() {
    let refusal = http::Response::builder().status(429).header("retry-after", "9").body(Bytes::new()).unwrap();
    let transport = Scripted::new([batched(&[201, 201], None), Ok(refusal)]);
    let api = ledger(&transport);
    let body = api.documents.document_body(&write_of(2));
    let begun = there(invoice_json("Draft", &[]));
    let gate = Arc::new(LaterGate::default());
    let (token, meter, organisation) = (Secret::new("a-1".to_owned()), Meter::gated(gate.clone()), organisation());
    let (timeout, now) = (Duration::from_secs(12), "2026-11-21T10:00:00Z".parse().unwrap());
    let access = Access { organisation: &organisation, token: &token, meter: &meter, timeout, now };
    let answer = api.stepwise.as_ref().unwrap().continue_document(access, &begun, &body, "key").await;
    assert_eq!(answer.unwrap_err().disposition, Disposition::LookFirst, "the lines were written");
    let until = gate.0.lock().unwrap().unwrap().until;
    assert_eq!(until, "2026-11-21T10:01:35Z".parse().unwrap());
}

/// Section 8: a request of a batch that came over the limit stops the environment as any call would; what was answered counts.
#[tokio::test]
async fn a_limit_inside_a_batch_is_a_limit() {
    let answers =
        json!({ "responses": [{ "id": "1", "status": 200, "body": invoice_json("Draft", &[10_000]) }, { "id": "2", "status": 429 }] });
    let transport = Scripted::new([Ok(reply(200, &answers.to_string()))]);
    let api = ledger(&transport);
    let gate = Arc::new(LaterGate::default());
    let (token, meter, organisation) = (Secret::new("a-1".to_owned()), Meter::gated(gate.clone()), organisation());
    let (timeout, now) = (Duration::from_secs(12), "2026-11-21T10:00:00Z".parse().unwrap());
    let access = Access { organisation: &organisation, token: &token, meter: &meter, timeout, now };
    let answer = api.batches.reads.as_ref().unwrap().read_documents(access, &[INVOICE, OTHER]).await;
    let told: Vec<bool> = answer.unwrap().value.iter().map(Option::is_some).collect();
    assert_eq!(told, [true, false]);
    assert_eq!(gate.0.lock().unwrap().unwrap().until, "2026-11-21T10:01:56Z".parse().unwrap());
}

/// Section 7: a hundred operations at most; the engine calls again for the rest.
#[tokio::test]
async fn a_long_invoice_goes_in_batches_of_a_hundred() {
    let hundred: Vec<u32> = (1..=100).map(|place| place * 10_000).collect();
    let transport = Scripted::new([batched(&[201; 100], None), invoice("Draft", &hundred)]);
    let api = ledger(&transport);
    let body = api.documents.document_body(&write_of(150));
    let begun = there(invoice_json("Draft", &[]));
    let (some, _) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &begun, &body, "key"));
    assert_eq!(some.unwrap().value.lines.len(), 100);
    assert_eq!(transport.body(0).matches("\"method\":\"POST\"").count(), 100);
}

#[tokio::test]
async fn an_environment_without_batches_gets_one_line_a_call() {
    for refusal in [
        error(404, "BadRequest_ResourceNotFound", "Resource not found for the segment '$batch'."),
        error(400, "BadRequest_InvalidRequestUrl", "no"),
        Ok(answer(405, &[], "")),
    ] {
        let transport = Scripted::new([refusal, Ok(reply(201, &line_json(10_000).to_string())), invoice("Draft", &[10_000])]);
        let api = ledger(&transport);
        let body = api.documents.document_body(&write_of(3));
        let begun = there(invoice_json("Draft", &[]));
        let (one, _) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &begun, &body, "key"));
        assert_eq!(one.unwrap().value.lines.len(), 1);
        assert!(transport.body(1).starts_with(r#"{"sequence":10000,"#));
    }
}

/// Section 10: a line that is there already is no failure, whichever call wrote it.
#[tokio::test]
async fn a_line_that_already_exists_is_read_again() {
    let exists = "The Sales Line already exists. Line No.='10000'";
    let batch = batched(&[400], Some(("Internal_EntityWithSameKeyExists", exists)));
    let single = error(400, "Internal_EntityWithSameKeyExists", exists);
    for (count, refusal) in [(2, batch), (1, single)] {
        let transport = Scripted::new([refusal, invoice("Draft", &[10_000, 20_000])]);
        let api = ledger(&transport);
        let body = api.documents.document_body(&write_of(count));
        let begun = there(invoice_json("Draft", &[]));
        let (read, _) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &begun, &body, "key"));
        assert_eq!(read.unwrap().value.lines.len(), 2);
    }
}

#[tokio::test]
async fn refused_lines_leave_no_empty_draft_behind() {
    let refusal = || batched(&[201, 400], Some(("Application_DialogException", "Account does not exist.")));
    let api_of = |answers: Vec<Scripting>| {
        let transport = Scripted::new(answers);
        (ledger(&transport), transport)
    };
    let (api, transport) = api_of(vec![refusal(), done()]);
    let body = api.documents.document_body(&write_of(2));
    let empty = there(invoice_json("Draft", &[]));
    let (failed, _) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &empty, &body, "key"));
    let failure = failed.unwrap_err();
    assert_eq!(failure.code, "business_central_account_refused");
    assert!(matches!(failure.disposition, Disposition::Reject { .. }));
    assert_eq!(lines(&transport)[1], format!("DELETE /salesInvoices({INVOICE})"));
    assert_eq!(transport.header(1, "if-match").as_deref(), Some("W/\"9\""), "as it was read, and no other version");
    // Whether it was taken back is not known: then neither is what stands there.
    let (api, _) = api_of(vec![refusal(), lost()]);
    let (failed, _) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &empty, &body, "key"));
    assert_eq!(failed.unwrap_err().disposition, Disposition::LookFirst);
    // Lines that stand there already stay.
    let (api, transport) = api_of(vec![error(400, "Application_DialogException", "Account does not exist.")]);
    let begun = there(invoice_json("Draft", &[10_000]));
    let (failed, calls) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &begun, &body, "key"));
    assert!(failed.is_err());
    assert_eq!((calls, transport.lines().len()), (1, 1));
}

#[tokio::test]
async fn what_happened_to_lost_lines_is_not_guessed() {
    let whole = batched(&[201, 201], None);
    for (what, answers) in [
        ("no answer", vec![lost()]),
        ("a gateway's error", vec![Ok(answer(502, &[("content-type", "text/html")], "<html>"))]),
        ("too few answers", vec![batched(&[201], None)]),
        ("a request left out", vec![batched(&[201, 424], None)]),
        ("no JSON", vec![Ok(reply(200, "{"))]),
        ("an inner error of the server", vec![batched(&[201, 500], Some(("Internal_ServerError", "x")))]),
        ("done, and the read was lost", vec![whole.clone(), lost()]),
        ("done, and the token ended", vec![whole.clone(), error(401, "Authentication_InvalidCredentials", "x")]),
        ("done, and throttled", vec![whole.clone(), error(429, "Unknown", "x")]),
        ("done, and gone", vec![whole, error(404, "BadRequest_NotFound", "x")]),
    ] {
        let transport = Scripted::new(answers);
        let api = ledger(&transport);
        let body = api.documents.document_body(&write_of(2));
        let begun = there(invoice_json("Draft", &[]));
        let (failed, _) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &begun, &body, "key"));
        assert_eq!(failed.unwrap_err().disposition, Disposition::LookFirst, "{what}");
    }
}

/// Section 6: whether prices contain tax comes from the customer's card. Net prices are never written to such a document.
#[tokio::test]
async fn prices_that_include_tax_are_told_and_never_wrong_money() {
    let created = || Ok(reply(201, &gross(&[]).to_string()));
    for (answers, code, disposition) in [
        (vec![created(), done()], "prices_include_tax", "reject"),
        (vec![created(), error(404, "BadRequest_NotFound", "x")], "prices_include_tax", "reject"),
        (vec![created(), error(403, "Authorization_RequestDenied", "x")], "draft_prices_include_tax", "reject"),
        (vec![created(), lost()], "outcome_unknown", "look"),
    ] {
        let transport = Scripted::new(answers);
        let api = ledger(&transport);
        let body = api.documents.document_body(&write_of(2));
        let (failed, _) = with_access!(|access| api.documents.write_document(access, None, &body, "key"));
        let failure = failed.unwrap_err();
        assert_eq!(failure.code, format!("business_central_{code}"));
        assert_eq!(failure.disposition == Disposition::LookFirst, disposition == "look", "{code}");
        assert_eq!(lines(&transport)[1], format!("DELETE /salesInvoices({INVOICE})"));
    }
    // The same when a lost create is found again, and when a document is updated: no line is sent.
    let transport = Scripted::new([done()]);
    let api = ledger(&transport);
    let body = api.documents.document_body(&write_of(2));
    let begun = there(gross(&[]));
    let (failed, _) = with_access!(|access| api.stepwise.as_ref().unwrap().continue_document(access, &begun, &body, "key"));
    assert_eq!(failed.unwrap_err().code, "business_central_prices_include_tax");
    let standing = there(gross(&[10_000]));
    let update = DocumentWrite { external_id: Some(INVOICE.to_owned()), version: standing.version.clone(), ..write_of(1) };
    let body = api.documents.document_body(&update);
    let (failed, calls) = with_access!(|access| api.documents.write_document(access, Some(INVOICE), &body, "key"));
    assert_eq!((failed.unwrap_err().code.as_ref(), calls), ("business_central_draft_prices_include_tax", 0));
}

fn update_body(api: &LedgerApi, posted: bool) -> Vec<u8> {
    let standing = there(invoice_json("Draft", &[10_000]));
    let mut write = DocumentWrite { external_id: Some(INVOICE.to_owned()), version: standing.version.clone(), ..write_of(2) };
    write.lines[0].line_id.clone_from(&standing.lines[0].line_id);
    if posted {
        write.status = DocumentStatus::Approved;
    }
    api.documents.document_body(&write)
}

#[tokio::test]
async fn an_update_is_one_guarded_transaction() {
    let transport = Scripted::new([batched(&[200, 200, 201], None), invoice("Draft", &[10_000, 20_000])]);
    let api = ledger(&transport);
    let body = update_body(&api, false);
    let (changed, calls) = with_access!(|access| api.documents.write_document(access, Some(INVOICE), &body, "key"));
    assert_eq!((changed.unwrap().value.lines.len(), calls), (2, 2));
    assert_eq!(transport.header(0, "isolation").as_deref(), Some("snapshot"));
    insta::assert_snapshot!(transport.body(0).replace("},{", "},\n{"));
}

/// Whoever was faster: the version is old, nothing was done, and the core reads and compares.
#[tokio::test]
async fn an_update_that_rests_on_an_old_version_is_stale() {
    let stale = [
        batched(&[409], Some(("Request_EntityChanged", "Another user has already changed the record."))),
        batched(&[412], Some(("BadRequest_InvalidToken", "x"))),
        batched(&[400], Some(("BadRequest_InvalidToken", "x"))),
        // A line that is gone, or a place that is taken, is the bookkeeper's work: the document itself is there.
        batched(&[200, 404], Some(("BadRequest_NotFound", "x"))),
        batched(&[200, 200, 400], Some(("Internal_EntityWithSameKeyExists", "x"))),
    ];
    for response in stale {
        let transport = Scripted::new([response]);
        let api = ledger(&transport);
        let body = update_body(&api, false);
        let (failed, _) = with_access!(|access| api.documents.write_document(access, Some(INVOICE), &body, "key"));
        let failure = failed.unwrap_err();
        assert_eq!(failure.disposition, Disposition::Stale, "{failure:?}");
        assert!(failure.certainly_not_done());
    }
    for (response, expected) in [
        (batched(&[404], Some(("BadRequest_NotFound", "x"))), Disposition::Hold { question: Question::DocumentGone }),
        (
            batched(&[400], Some(("Application_DialogException", "The invoice has been posted and can no longer be modified."))),
            Disposition::Hold { question: Question::LockedInLedger },
        ),
        (lost(), Disposition::LookFirst),
    ] {
        let transport = Scripted::new([response]);
        let api = ledger(&transport);
        let body = update_body(&api, false);
        let (failed, _) = with_access!(|access| api.documents.write_document(access, Some(INVOICE), &body, "key"));
        assert_eq!(failed.unwrap_err().disposition, expected);
    }
    // Half an update is no update: without batches it is refused, and nothing is sent piece by piece.
    let transport = Scripted::new([error(404, "BadRequest_ResourceNotFound", "x")]);
    let api = ledger(&transport);
    let body = update_body(&api, false);
    let (failed, calls) = with_access!(|access| api.documents.write_document(access, Some(INVOICE), &body, "key"));
    assert_eq!((failed.unwrap_err().code.as_ref(), calls), ("business_central_batch_refused", 1));
}

#[tokio::test]
async fn a_due_date_alone_is_one_patch() {
    let transport = Scripted::new([invoice("Open", &[10_000]), invoice("Open", &[10_000])]);
    let api = ledger(&transport);
    let body = update_body(&api, true);
    assert!(with_access!(|access| api.documents.write_document(access, Some(INVOICE), &body, "key")).0.is_ok());
    assert_eq!(lines(&transport)[0], format!("PATCH /salesInvoices({INVOICE})"));
    assert_eq!((transport.body(0).as_str(), transport.header(0, "if-match").as_deref()), (r#"{"dueDate":"2026-12-20"}"#, Some("W/\"9\"")));
}

/// C7, C8: posting cannot be undone, so nothing about it is guessed.
#[tokio::test]
async fn c8_a_draft_is_posted_and_looked_at() {
    let only = "The action can be applied to a draft invoice only.";
    let code = "Application_DialogException";
    for (what, answers, expected) in [
        ("posted", vec![done(), invoice("Open", &[10_000])], "ok"),
        ("posted and paid", vec![done(), invoice("Paid", &[10_000])], "ok"),
        ("posted before", vec![error(400, code, only), invoice("Open", &[10_000])], "ok"),
        ("taken, and not posted", vec![done(), invoice("Draft", &[10_000])], "look posting_outstanding"),
        ("taken, and not to be read", vec![done(), lost()], "look outcome_unknown"),
        ("lost", vec![lost()], "look outcome_unknown"),
        ("refused as no draft, and one", vec![error(400, code, only), invoice("Draft", &[10_000])], "no not_a_draft"),
        ("refused as no draft, and cancelled", vec![error(400, code, only), invoice("Canceled", &[10_000])], "no not_a_draft"),
        ("waiting for approval", vec![error(400, code, "must be approved and released")], "no approval_pending"),
        (
            "in a closed period",
            vec![error(400, code, "Posting Date is not within your range of allowed posting dates")],
            "no period_locked",
        ),
    ] {
        let transport = Scripted::new(answers);
        let api = ledger(&transport);
        let drafts = api.drafts.clone().unwrap();
        let body = drafts.approve_body(&there(invoice_json("Draft", &[10_000])));
        let (outcome, _) = with_access!(|access| drafts.approve_document(access, INVOICE, &body, "key"));
        let said = match outcome {
            Ok(answered) => {
                assert_ne!(answered.value.status, DocumentStatus::Draft);
                "ok".to_owned()
            }
            Err(failure) => {
                let word = if failure.disposition == Disposition::LookFirst { "look" } else { "no" };
                format!("{word} {}", failure.code.trim_start_matches("business_central_"))
            }
        };
        assert_eq!(said, expected, "{what}");
        assert_eq!(lines(&transport)[0], format!("POST /salesInvoices({INVOICE})/Microsoft.NAV.post"));
        assert_eq!(transport.body(0), "", "an action without parameters");
    }
}

/// C10: a draft is deleted under its version, a posted document is cancelled.
#[tokio::test]
async fn c10_a_document_leaves_the_books() {
    let code = "Application_DialogException";
    let partly = "Canceling failed. The credit memo SC-1 was created but could not be posted.";
    let cancelled = "The invoice cannot be canceled because it has already been canceled.";
    let paid = "You cannot cancel posted sales invoice 1 because it is fully or partially paid.";
    for (what, status, answers, expected) in [
        ("a draft", "Draft", vec![done()], "ok Deleted"),
        ("a draft that is gone", "Draft", vec![error(404, "BadRequest_NotFound", "x")], "ok Deleted"),
        ("a draft that was posted meanwhile", "Draft", vec![error(409, "Request_EntityChanged", "x")], "no version_old"),
        ("a lost deletion", "Draft", vec![lost()], "look outcome_unknown"),
        ("a posted one", "Open", vec![done(), invoice("Canceled", &[10_000])], "ok Voided"),
        ("one cancelled before", "Open", vec![error(400, code, cancelled), invoice("Canceled", &[10_000])], "ok Voided"),
        ("one that is paid", "Open", vec![error(400, code, paid)], "no document_paid"),
        ("one half cancelled", "Open", vec![error(400, code, partly), invoice("Open", &[10_000])], "no cancel_incomplete"),
        ("one cancelled with an error", "Open", vec![error(400, code, partly), invoice("Canceled", &[10_000])], "ok Voided"),
        ("an answer without an effect", "Open", vec![done(), invoice("Open", &[10_000])], "look outcome_unknown"),
        ("a lost cancellation", "Open", vec![lost()], "look outcome_unknown"),
        (
            "one released, not posted",
            "Open",
            vec![error(400, code, "The action can be applied to a posted invoice only.")],
            "no document_released",
        ),
    ] {
        let transport = Scripted::new(answers);
        let api = ledger(&transport);
        let body = api.documents.void_body(&there(invoice_json(status, &[10_000])), coportal_core::document::Removal::Void);
        let (outcome, _) = with_access!(|access| api.documents.void_document(access, INVOICE, &body, "key"));
        let said = match outcome {
            Ok(answered) => format!("ok {:?}", answered.value.status),
            Err(failure) => {
                let word = if failure.disposition == Disposition::LookFirst { "look" } else { "no" };
                format!("{word} {}", failure.code.trim_start_matches("business_central_"))
            }
        };
        assert_eq!(said, expected, "{what}");
        if status == "Draft" {
            assert_eq!(lines(&transport)[0], format!("DELETE /salesInvoices({INVOICE})"));
            assert_eq!(transport.header(0, "if-match").as_deref(), Some("W/\"9\""), "never blindly");
        }
    }
}

#[tokio::test]
async fn a_document_is_read_looked_for_and_missed() {
    let corrective = {
        let mut json = invoice_json("Corrective", &[]);
        json["id"] = OTHER.into();
        json
    };
    let transport = Scripted::new([
        error(404, "BadRequest_NotFound", "x"),
        error(404, "NoEnvironment", "x"),
        list(json!([invoice_json("Canceled", &[]), corrective])),
        list(json!([invoice_json("Draft", &[])])),
        list(json!([invoice_json("Draft", &[])])),
    ]);
    let api = ledger(&transport);
    assert!(with_access!(|access| api.documents.read_document(access, INVOICE)).0.unwrap().value.is_none());
    let (failed, _) = with_access!(|access| api.documents.read_document(access, INVOICE));
    assert_eq!(failed.unwrap_err().code, "business_central_company_missing", "an environment that is gone is no document that is gone");
    let look =
        Look { reference: Some("cp-1".to_owned()), mark: Some("MARK".to_owned()), contact: Some(CUSTOMER.to_owned()), ..Look::default() };
    let (found, calls) = with_access!(|access| api.documents.look(access, &look));
    let found = found.unwrap().value;
    assert_eq!((found.len(), found[0].status, calls), (1, DocumentStatus::Voided, 1), "voided ones too, corrective ones never");
    let mark = Look { mark: Some("O'Mark".to_owned()), ..Look::default() };
    assert_eq!(with_access!(|access| api.documents.look(access, &mark)).0.unwrap().value.len(), 0);
    let contact = Look { contact: Some(CUSTOMER.to_owned()), ..Look::default() };
    assert_eq!(with_access!(|access| api.documents.look(access, &contact)).0.unwrap().value.len(), 1);
    assert_eq!(with_access!(|access| api.documents.look(access, &Look::default())).1, 0);
    assert_eq!(
        lines(&transport)[2..],
        [
            "GET /salesInvoices?$expand=salesInvoiceLines&$filter=externalDocumentNumber%20eq%20%27CP-1%27".to_owned(),
            "GET /salesInvoices?$expand=salesInvoiceLines&$filter=customerPurchaseOrderReference%20eq%20%27O%27%27Mark%27".to_owned(),
            format!(
                "GET /salesInvoices?$expand=salesInvoiceLines&$filter=customerId%20eq%20{CUSTOMER}&$orderby=lastModifiedDateTime%20desc&$top=100"
            ),
        ]
    );
    assert_eq!(transport.header(2, "prefer").as_deref(), Some("odata.maxpagesize=100"));
}
