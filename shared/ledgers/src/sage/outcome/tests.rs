use std::collections::BTreeSet;

use super::*;
use crate::exec::scripted::{answer, json};

type Headers = &'static [(&'static str, &'static str)];
/// Status, headers, body; the disposition of a read and of a write at an address; the code of a read.
type StatusRow<'a> = (u16, Headers, &'a str, &'static str, &'static str, &'static str);

const NOW: &str = "2026-11-21T10:00:00Z";

fn asked(effect: Effect, subject: Subject) -> Asked<'static> {
    Asked { effect, subject, now: NOW.parse().unwrap(), token: "the-access-token" }
}

/// A disposition, short enough for a table.
fn word(disposition: &Disposition) -> String {
    match disposition {
        Disposition::Retry { not_before: None } => "retry".to_owned(),
        Disposition::Retry { not_before: Some(at) } => format!("retry+{}", at.duration_since(NOW.parse().unwrap()).as_secs()),
        Disposition::Reauthorize => "reauthorize".to_owned(),
        Disposition::Reject { issues } => format!("reject/{}", issues.len()),
        Disposition::LookFirst => "look_first".to_owned(),
        Disposition::Hold { question } => format!("hold:{}", question.code()),
        Disposition::Stale => "stale".to_owned(),
        Disposition::Defect => "defect".to_owned(),
    }
}

fn issues(failure: &Failure) -> &[Issue] {
    if let Disposition::Reject { issues } = &failure.disposition { issues } else { &[] }
}

/// The public half must help, and must hold nothing of the vendor's.
fn check_public(failure: &Failure, vendor_words: &str) {
    let issues: String = issues(failure).iter().map(|issue| issue.detail.to_string()).collect();
    let public = format!("{} {} {} {issues}", failure.detail, failure.fix.what, failure.fix.place);
    assert!(vendor_words.len() < 12 || !public.contains(vendor_words), "{public}");
    assert!(!failure.detail.is_empty() && !failure.fix.what.is_empty() && !failure.fix.place.is_empty());
    assert!(failure.internal.chars().count() <= 500 && !failure.internal.contains("the-access-token"));
}

fn fault(code: &str, message: &str, source: &str) -> String {
    serde_json::json!([{ "$severity": "error", "$dataCode": code, "$message": message, "$source": source }]).to_string()
}

fn judged(effect: Effect, subject: Subject, response: &Response<Bytes>) -> Failure {
    failure(&asked(effect, subject), response)
}

/// Every row of docs/vendors/sage.md, section 7, and what no document foresees.
#[test]
fn every_status_has_its_disposition_for_reads_and_writes() {
    let expired = fault("AuthorizationFailure", "The access token has expired.", "");
    let ended = fault("AuthorizationFailure", "No active subscription. (MSE)", "");
    let elsewhere = fault("AccessDenied", "You do not have access to this business.", "");
    let role = fault("AccessDenied", "You do not have access to the area Sales.", "");
    let reading = fault("AccessDenied", "The token was granted for reading alone.", "");
    let missing = fault("RecordNotFound", "Couldn't find record.", "");
    let html = "<!DOCTYPE html><html><body>An unexpected error occurred in the vendor's gateway</body></html>";
    let text: Headers = &[("content-type", "text/html")];
    let later: Headers = &[("retry-after", "120")];
    let table: [StatusRow<'_>; 31] = [
        (400, text, html, "defect", "defect", "sage_request_malformed"),
        (400, &[], "", "defect", "defect", "sage_request_malformed"),
        (401, &[], &expired, "reauthorize", "reauthorize", "sage_token_refused"),
        (401, &[], "", "reauthorize", "reauthorize", "sage_token_refused"),
        (401, &[], &ended, "reject/0", "reject/0", "sage_subscription_inactive"),
        (402, &[], &ended, "reject/0", "reject/0", "sage_subscription_inactive"),
        (403, &[], &ended, "reject/0", "reject/0", "sage_subscription_inactive"),
        (403, &[], &elsewhere, "reject/0", "reject/0", "sage_business_not_reached"),
        (403, &[], &role, "reject/0", "reject/0", "sage_permission_missing"),
        (403, &[], &reading, "reject/0", "reject/0", "sage_scope_missing"),
        (403, text, html, "reject/0", "reject/0", "sage_permission_missing"),
        (404, &[], &missing, "defect", "reject/0", "sage_request_malformed"),
        (404, text, html, "defect", "defect", "sage_request_malformed"),
        (405, &[], "", "defect", "defect", "sage_request_malformed"),
        (408, &[], "", "retry", "look_first", "sage_no_answer"),
        (409, &[], &fault("Conflict", "x", ""), "retry", "look_first", "sage_conflict"),
        (415, &[], &fault("UnsupportedMediaType", "x", ""), "defect", "defect", "sage_request_malformed"),
        (422, &[], "", "defect", "defect", "sage_request_malformed"),
        (422, text, html, "defect", "defect", "sage_request_malformed"),
        (429, &[], &fault("TooManyRequests", "Too many requests.", ""), "retry+60", "retry+60", "sage_limit_reached"),
        (429, later, "", "retry+120", "retry+120", "sage_limit_reached"),
        (429, &[("retry-after", "99999999")], "", "retry+90000", "retry+90000", "sage_limit_reached"),
        (429, &[("retry-after", "when pigs fly")], "", "retry+60", "retry+60", "sage_limit_reached"),
        (418, &[], "", "defect", "defect", "sage_request_malformed"),
        (302, &[("location", "https://elsewhere.example/")], "", "defect", "defect", "sage_request_malformed"),
        (500, text, html, "retry", "look_first", "sage_server_error"),
        (500, later, html, "retry+120", "look_first", "sage_server_error"),
        (501, &[], "", "defect", "defect", "sage_not_supported"),
        (502, text, html, "retry", "look_first", "sage_server_error"),
        (503, text, "maintenance", "retry", "look_first", "sage_offline"),
        (504, text, html, "retry", "look_first", "sage_server_error"),
    ];
    for (status, headers, body, on_read, on_write, code) in table {
        let response = answer(status, headers, body.to_owned());
        let read = judged(Effect::Read, Subject::Place, &response);
        let write = judged(Effect::Write, Subject::Place, &response);
        assert_eq!((word(&read.disposition).as_str(), word(&write.disposition).as_str()), (on_read, on_write), "{status} {body}");
        assert_eq!((read.code.as_ref(), read.status), (code, Some(status)), "{status} {body}");
        for failure in [read, write] {
            check_public(&failure, body);
            assert_eq!(failure.certainly_not_done(), failure.disposition != Disposition::LookFirst);
        }
    }
}

/// A 401 about the subscription must not send anybody round in circles: a new token is answered alike.
#[test]
fn an_ended_subscription_is_no_reason_to_refresh() {
    let body = fault("AuthorizationFailure", "No active subscription. (MSE)", "");
    let failure = judged(Effect::Read, Subject::Document, &json(401, &body));
    assert!(matches!(failure.disposition, Disposition::Reject { .. }) && failure.fix.retry_helps);
}

#[test]
fn what_a_404_and_a_409_mean_depends_on_what_was_named() {
    let missing = json(404, &fault("RecordNotFound", "Couldn't find record.", ""));
    let conflict = json(409, "");
    let of = |effect, subject, response| word(&judged(effect, subject, response).disposition);
    assert_eq!(of(Effect::Read, Subject::Document, &missing), "hold:document_gone");
    assert_eq!(of(Effect::Write, Subject::Document, &missing), "stale");
    assert_eq!(of(Effect::Write, Subject::Contact, &missing), "hold:contact_gone");
    let write = judged(Effect::Write, Subject::Place, &missing);
    assert_eq!((write.code.as_ref(), write.facts_stale), ("sage_record_missing", true), "accounts and rates are read again");
    assert_eq!(of(Effect::Write, Subject::Document, &conflict), "stale");
    assert_eq!(of(Effect::Write, Subject::Contact, &conflict), "stale");
}

/// Data code, message, source, status; code, disposition of a write.
type FaultRow = (&'static str, &'static str, &'static str, u16, &'static str, &'static str);

const FAULTS: [FaultRow; 40] = [
    ("RecordInvalid", "Couldn't find Supplier.", "", 422, "sage_contact_missing", "hold:contact_gone"),
    ("RecordInvalid", "Couldn't find Customer.", "", 400, "sage_contact_missing", "hold:contact_gone"),
    ("RecordNotFound", "Couldn't find Contact.", "", 404, "sage_contact_missing", "hold:contact_gone"),
    ("RecordInvalid", "Couldn't find record.", "contact_id", 422, "sage_contact_missing", "hold:contact_gone"),
    ("RecordInvalid", "Couldn't find record.", "invoice_lines.ledger_account_id", 422, "sage_account_refused", "reject/1"),
    ("RecordInvalid", "Couldn't find record.", "invoice_lines.tax_rate_id", 422, "sage_tax_refused", "reject/1"),
    ("RecordInvalid", "Couldn't find record.", "bank_account_id", 422, "sage_bank_account_refused", "reject/1"),
    ("RecordInvalid", "Couldn't find record.", "", 422, "sage_record_missing", "reject/1"),
    ("RecordInvalid", "has already been taken", "reference", 422, "sage_mark_taken", "look_first"),
    ("RecordInvalid", "is inactive", "contact", 422, "sage_contact_inactive", "hold:contact_gone"),
    ("RecordInvalid", "must be after the year end lockdown date", "date", 422, "sage_period_locked", "hold:period_locked"),
    ("RecordInvalid", "The date lies in a closed period", "", 422, "sage_period_locked", "hold:period_locked"),
    ("RecordInvalid", "is not enabled for this business", "currency", 422, "sage_currency_refused", "hold:currency_missing"),
    ("RecordInvalid", "must be the currency of the contact", "currency", 422, "sage_currency_refused", "hold:currency_missing"),
    ("RecordInvalid", "The invoice cannot be edited.", "", 422, "sage_document_locked", "hold:locked_in_ledger"),
    ("RecordInvalid", "The invoice cannot be voided: its tax return was filed.", "", 422, "sage_document_locked", "hold:locked_in_ledger"),
    ("RecordInvalid", "The invoice is void already.", "", 422, "sage_document_locked", "hold:locked_in_ledger"),
    ("RecordInvalid", "The invoice cannot be voided: payments are allocated to it.", "", 422, "sage_document_paid", "hold:paid_in_ledger"),
    ("RecordInvalid", "can't be blank", "void_reason", 422, "sage_document_moved", "stale"),
    ("RecordInvalid", "Only a draft can be released.", "status", 422, "sage_document_moved", "stale"),
    (
        "RecordInvalid",
        "is greater than the outstanding amount",
        "allocated_artefacts.amount",
        422,
        "sage_payment_too_large",
        "hold:payment_differs",
    ),
    ("RecordInvalid", "is inactive", "bank_account", 422, "sage_bank_account_refused", "reject/1"),
    ("RecordInvalid", "is invalid", "line_items.description", 422, "sage_lines_refused", "reject/1"),
    ("RecordInvalid", "can't be blank", "invoice_lines", 422, "sage_lines_refused", "reject/1"),
    (
        "Validation",
        "sales_invoice[invoice_lines][0][unit_price] is invalid",
        "sales_invoice[invoice_lines]",
        400,
        "sage_lines_refused",
        "reject/1",
    ),
    ("RecordInvalid", "is missing", "invoice_lines.ledger_account", 422, "sage_account_refused", "reject/1"),
    ("RecordInvalid", "is missing", "invoice_lines.tax_amount", 422, "sage_tax_refused", "reject/1"),
    ("RecordInvalid", "does not agree with the tax rate", "invoice_lines.tax_amount", 422, "sage_tax_refused", "reject/1"),
    ("RecordInvalid", "does not apply on the date of the invoice", "invoice_lines.tax_rate", 422, "sage_tax_refused", "reject/1"),
    ("RecordInvalid", "is not a valid email address", "main_contact_person.email", 422, "sage_email_refused", "reject/1"),
    ("RecordInvalid", "is too long (maximum is 100 characters)", "main_contact_person.email", 422, "sage_email_refused", "reject/1"),
    ("RecordInvalid", "is too long (maximum is 50 characters)", "main_address.city", 422, "sage_address_refused", "reject/1"),
    ("RecordInvalid", "is missing", "main_address.address_type", 422, "sage_address_refused", "reject/1"),
    ("RecordInvalid", "is too long (maximum is 100 characters)", "name", 422, "sage_refused", "reject/1"),
    ("RecordInvalid", "is not a valid tax number", "tax_number", 422, "sage_refused", "reject/1"),
    ("RecordInvalid", "is too long (maximum is 25 characters)", "reference", 422, "sage_refused", "reject/1"),
    ("RecordInvalid", "something new", "", 422, "sage_refused", "reject/1"),
    ("RecordInvalid", "", "", 422, "sage_refused", "reject/1"),
    ("Whatever", "something new", "", 422, "sage_refused", "reject/1"),
    ("RecordInvalid", "A credit note is allocated to this invoice", "base", 422, "sage_document_paid", "hold:paid_in_ledger"),
];

#[test]
fn every_refusal_has_its_cause_and_disposition() {
    for (code, message, source, status, expected, disposition) in FAULTS {
        let failure = judged(Effect::Write, Subject::Place, &json(status, &fault(code, message, source)));
        assert_eq!((failure.code.as_ref(), word(&failure.disposition).as_str()), (expected, disposition), "{message} at {source}");
        check_public(&failure, message);
        assert!(failure.internal.contains("$dataCode"), "the log keeps the whole list: {}", failure.internal);
    }
}

#[test]
fn several_faults_are_told_together_and_questions_come_first() {
    let body = |faults: &[(&str, &str)]| {
        let list: Vec<_> = faults
            .iter()
            .map(|(message, source)| serde_json::json!({ "$severity": "error", "$dataCode": "RecordInvalid", "$message": message, "$source": source }))
            .collect();
        serde_json::Value::from(list).to_string()
    };
    let several = body(&[
        ("is invalid", "line_items.description"),
        ("is missing", "invoice_lines.tax_amount"),
        ("is missing", "invoice_lines.tax_amount"),
        ("is not a valid email address", "main_contact_person.email"),
    ]);
    let failure = judged(Effect::Write, Subject::Place, &json(422, &several));
    assert_eq!(
        (failure.code.as_ref(), word(&failure.disposition).as_str()),
        ("sage_tax_refused", "reject/3"),
        "the umbrella is not the cause"
    );
    let pointers: Vec<_> = issues(&failure).iter().map(|issue| issue.pointer.to_string()).collect();
    assert_eq!(pointers, ["/lines", "/lines", "/client/email"]);
    assert!(failure.facts_stale);
    let with_question = body(&[("is missing", "invoice_lines.tax_amount"), ("must be after the year end lockdown date", "date")]);
    let failure = judged(Effect::Write, Subject::Document, &json(422, &with_question));
    assert_eq!(word(&failure.disposition), "hold:period_locked");
}

#[test]
fn a_single_fault_outside_a_list_is_understood() {
    let one = r#"{"$severity":"error","$dataCode":"AuthorizationFailure","$message":"No active subscription. (MSE)","$source":""}"#;
    assert_eq!(judged(Effect::Read, Subject::Place, &json(401, one)).code, "sage_subscription_inactive");
}

#[test]
fn hostile_bodies_of_refusals_do_no_harm() {
    for body in ["[[[[", "null", "[null]", "[{}]", "[1,2]", r#"[{"$message":{"a":1}}]"#, "\u{0}", &"[".repeat(50_000), r#"{"error":"x"}"#] {
        for status in [400, 401, 403, 404, 422, 500] {
            let failure = judged(Effect::Write, Subject::Place, &json(status, body));
            assert!(!failure.detail.is_empty() && failure.internal.chars().count() <= 500, "{status} {body}");
        }
    }
}

/// The catalogue's coverage: every cause is reached by a row of a table, or is one that the judge of all ledgers or the calls give.
#[test]
fn every_cause_is_reached() {
    let by_refusal = FAULTS.iter().map(|(_, _, _, _, code, _)| *code);
    let by_status = [
        "sage_server_error",
        "sage_offline",
        "sage_no_answer",
        "sage_limit_reached",
        "sage_token_refused",
        "sage_subscription_inactive",
        "sage_business_not_reached",
        "sage_permission_missing",
        "sage_scope_missing",
        "sage_document_missing",
        "sage_request_malformed",
        "sage_not_supported",
        "sage_conflict",
    ];
    // Reached in this ledger's tests of the calls and of the sign-in.
    let by_calls = [
        "sage_unreachable",
        "sage_outcome_unknown",
        "sage_answer_unreadable",
        "sage_answer_unexpected",
        "sage_too_many_matches",
        "sage_base_currency_unknown",
        "sage_code_refused",
        "sage_app_refused",
    ];
    let reached: BTreeSet<&str> = by_refusal.chain(by_status).chain(by_calls).collect();
    let all: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.entry().code).collect();
    println!("fix-it catalogue of Sage: {} of {} causes reached", all.intersection(&reached).count(), all.len());
    assert_eq!(all, reached);
}
