use super::*;
use crate::exec::TransportError;
use crate::exec::scripted::{answer, json};
use crate::judge::{Effect, unanswered};

type Headers = &'static [(&'static str, &'static str)];
/// Status, headers, body; the disposition of a read and of a write; the code of a read.
type StatusRow<'a> = (u16, Headers, &'a str, &'static str, &'static str, &'static str);
/// Headers, code, disposition.
type LimitRow = (Headers, &'static str, &'static str);

const NOW: &str = "2026-11-21T10:00:00Z";

fn asked(effect: Effect, subject: Subject) -> Asked<'static> {
    Asked { effect, subject, now: NOW.parse().unwrap(), token: "the-access-token" }
}

/// A disposition, short enough for a table.
fn word(disposition: &Disposition) -> String {
    match disposition {
        Disposition::Retry { not_before: None } => "retry".to_owned(),
        Disposition::Retry { not_before: Some(at) } => {
            format!("retry+{}", at.duration_since(NOW.parse().unwrap()).as_secs())
        }
        Disposition::Reauthorize => "reauthorize".to_owned(),
        Disposition::Reject { issues } => format!("reject/{}", issues.len()),
        Disposition::LookFirst => "look_first".to_owned(),
        Disposition::Stale => "stale".to_owned(),
        Disposition::Hold { question } => format!("hold:{}", question.code()),
        Disposition::Defect => "defect".to_owned(),
    }
}

/// The public half must help, and must hold nothing of the vendor's.
fn check_public(failure: &Failure, vendor_words: &[&str]) {
    let issues = match &failure.disposition {
        Disposition::Reject { issues } => issues.iter().map(|issue| issue.detail.to_string()).collect::<Vec<_>>().join(" "),
        Disposition::Retry { .. }
        | Disposition::Reauthorize
        | Disposition::LookFirst
        | Disposition::Hold { .. }
        | Disposition::Stale
        | Disposition::Defect => String::new(),
    };
    let public = format!("{} {} {} {issues}", failure.detail, failure.fix.what, failure.fix.place);
    for words in vendor_words {
        assert!(words.len() < 12 || !public.contains(words), "{public}");
    }
    assert!(!failure.detail.is_empty() && !failure.fix.what.is_empty() && !failure.fix.place.is_empty());
    assert!(failure.internal.chars().count() <= 500 && !failure.internal.contains("the-access-token"));
}

fn validation(messages: &[&str]) -> String {
    let errors: Vec<_> = messages.iter().map(|message| serde_json::json!({ "Message": message })).collect();
    serde_json::json!({
        "ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred",
        "Elements": [{ "HasErrors": true, "ValidationErrors": errors }],
    })
    .to_string()
}

fn judged(effect: Effect, subject: Subject, response: &Response<Bytes>) -> Failure {
    failure(&asked(effect, subject), response)
}

#[test]
fn every_status_has_its_disposition_for_reads_and_writes() {
    let expired = r#"{"Type":null,"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired at 11/21/2026 09:59:00","Instance":"5f0b5a4e-1c2d-4e3f-8a9b-0c1d2e3f4a5b","Extensions":{}}"#;
    let unsuccessful =
        r#"{"Type":null,"Title":"Unauthorized","Status":401,"Detail":"AuthorizationUnsuccessful","Instance":"x","Extensions":{}}"#;
    let unlinked = r#"{"Type":null,"Title":"Forbidden","Status":403,"Detail":"AuthenticationUnsuccessful","Instance":"x","Extensions":{}}"#;
    let query = r#"{"ErrorNumber":16,"Type":"QueryParseException","Message":"Operator '==' incompatible with operand types"}"#;
    let post = r#"{"ErrorNumber":14,"Type":"PostDataInvalidException","Message":"JSON for post data was invalid"}"#;
    let api = r#"{"ErrorNumber":21,"Type":"ApiException","Message":"The resource does not support this method"}"#;
    let html = "<!DOCTYPE html><html><body>An unexpected error occurred in the vendor's gateway</body></html>";
    let gone = "The resource you're looking for cannot be found";
    let scope: Headers = &[("www-authenticate", r#"Bearer error="insufficient_scope", scope="accounting.invoices""#)];
    let misspelt: Headers = &[("www-authenticate", r#"Bearer error="insufficent_scope""#)];
    let text: Headers = &[("content-type", "text/html")];
    let later: Headers = &[("retry-after", "120")];
    let table: [StatusRow<'_>; 24] = [
        (400, &[], query, "defect", "defect", "xero_request_malformed"),
        (400, &[], post, "defect", "defect", "xero_request_malformed"),
        (400, text, html, "defect", "defect", "xero_request_malformed"),
        (400, &[], "", "defect", "defect", "xero_request_malformed"),
        (401, &[], expired, "reauthorize", "reauthorize", "xero_token_refused"),
        (401, &[], unsuccessful, "reject/0", "reject/0", "xero_permission_missing"),
        (401, scope, "", "reject/0", "reject/0", "xero_scope_missing"),
        (401, misspelt, "", "reject/0", "reject/0", "xero_scope_missing"),
        (401, &[], "", "reauthorize", "reauthorize", "xero_token_refused"),
        (403, &[], unlinked, "reauthorize", "reauthorize", "xero_organisation_not_linked"),
        (403, scope, "", "reject/0", "reject/0", "xero_scope_missing"),
        (404, text, gone, "defect", "defect", "xero_request_malformed"),
        (408, &[], "", "retry", "look_first", "xero_no_answer"),
        (412, &[], "", "defect", "defect", "xero_request_malformed"),
        (418, &[], "", "defect", "defect", "xero_request_malformed"),
        (302, &[("location", "https://elsewhere.example/")], "", "defect", "defect", "xero_request_malformed"),
        (500, text, html, "retry", "look_first", "xero_server_error"),
        (500, later, html, "retry+120", "look_first", "xero_server_error"),
        (501, &[], api, "defect", "defect", "xero_not_supported"),
        (502, text, html, "retry", "look_first", "xero_server_error"),
        (503, text, "The Xero API is offline for maintenance", "retry", "look_first", "xero_offline"),
        (503, later, "The organisation is offline", "retry+120", "look_first", "xero_offline"),
        (504, text, html, "retry", "look_first", "xero_server_error"),
        (599, &[], "", "retry", "look_first", "xero_server_error"),
    ];
    for (status, headers, body, on_read, on_write, code) in table {
        let response = answer(status, headers, body.to_owned());
        let read = judged(Effect::Read, Subject::Place, &response);
        let write = judged(Effect::Write, Subject::Place, &response);
        assert_eq!((word(&read.disposition).as_str(), word(&write.disposition).as_str()), (on_read, on_write), "{status} {body}");
        assert_eq!((read.code.as_ref(), read.status), (code, Some(status)), "{status} {body}");
        for failure in [read, write] {
            check_public(&failure, &[body]);
            assert_eq!(failure.certainly_not_done(), failure.disposition != Disposition::LookFirst);
        }
    }
}

#[test]
fn a_404_of_a_named_object_is_a_question() {
    let gone = answer(404, &[("content-type", "text/html")], "The resource you're looking for cannot be found");
    assert_eq!(word(&judged(Effect::Write, Subject::Document, &gone).disposition), "hold:document_gone");
    assert_eq!(word(&judged(Effect::Write, Subject::Contact, &gone).disposition), "hold:contact_gone");
}

#[test]
fn every_limit_waits_as_long_as_told_and_no_longer_than_sane() {
    let table: [LimitRow; 13] = [
        (&[("x-rate-limit-problem", "minute"), ("retry-after", "17")], "xero_limit_minute", "retry+17"),
        (&[("x-rate-limit-problem", "Minute")], "xero_limit_minute", "retry+60"),
        (&[("x-rate-limit-problem", "day"), ("retry-after", "3600")], "xero_limit_day", "retry+3600"),
        (&[("x-rate-limit-problem", "DAY"), ("retry-after", "90000")], "xero_limit_day", "retry+90000"),
        (&[("x-rate-limit-problem", "day-limit")], "xero_limit_day", "retry+3600"),
        (&[("x-rate-limit-problem", "concurrent")], "xero_limit_concurrent", "retry+2"),
        (&[("x-rate-limit-problem", "appminute"), ("retry-after", "5")], "xero_limit_app", "retry+5"),
        (&[("x-rate-limit-problem", "fortnight"), ("retry-after", "9")], "xero_limit_minute", "retry+9"),
        (&[], "xero_limit_minute", "retry+60"),
        (&[("retry-after", "0")], "xero_limit_minute", "retry+0"),
        (&[("retry-after", "99999999")], "xero_limit_minute", "retry+90000"),
        (&[("retry-after", "Sat, 21 Nov 2026 10:00:42 GMT")], "xero_limit_minute", "retry+42"),
        (&[("retry-after", "when pigs fly")], "xero_limit_minute", "retry+60"),
    ];
    for (headers, code, expected) in table {
        for effect in [Effect::Read, Effect::Write] {
            let failure = judged(effect, Subject::Document, &answer(429, headers, "slow down please, vendor says"));
            assert_eq!((failure.code.as_ref(), word(&failure.disposition).as_str()), (code, expected), "{headers:?}");
            check_public(&failure, &["slow down please, vendor says"]);
        }
    }
}

#[test]
fn every_validation_message_has_its_disposition() {
    let name =
        "The contact name Acme Ltd is already assigned to another contact. The contact name must be unique across all active contacts.";
    let mark = "The contact number coportal:cl_1 is already assigned to another contact. The contact number must be unique.";
    let paid = "This document cannot be edited as it has a payment or credit note allocated to it.";
    let void = "A status of VOIDED cannot be applied because payments or credit notes are allocated to this document.";
    let archived = "The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes.";
    let table = [
        (name, "xero_name_taken", "hold:name_clash", false),
        (mark, "xero_mark_taken", "look_first", false),
        ("Invoice # must be unique.", "xero_number_taken", "hold:number_taken", false),
        ("Invoice not of valid status for modification", "xero_document_locked", "reject/1", false),
        ("Invoice not of valid status for modification This document cannot be edited", "xero_document_locked", "reject/1", false),
        (paid, "xero_document_paid", "hold:paid_in_ledger", false),
        (void, "xero_document_paid", "hold:paid_in_ledger", false),
        (archived, "xero_contact_archived", "hold:contact_gone", false),
        ("The contact with the specified contact details could not be found.", "xero_contact_missing", "hold:contact_gone", false),
        (
            "The document date cannot be before the period lock date, currently 31 Mar 2026",
            "xero_period_locked",
            "hold:period_locked",
            true,
        ),
        ("Organisation is not subscribed to currency USD", "xero_currency_missing", "hold:currency_missing", true),
        ("Account must be valid.", "xero_account_refused", "reject/1", true),
        ("Account code '999' is not a valid code for this document.", "xero_account_refused", "reject/1", true),
        ("The TaxType code 'OUTPUT2' cannot be used with account code '404'.", "xero_tax_refused", "reject/1", true),
        ("Tax rate must be valid.", "xero_tax_refused", "reject/1", true),
        ("Email address must be valid.", "xero_email_refused", "reject/1", false),
        ("Payment amount exceeds the amount outstanding on this document", "xero_payment_too_large", "reject/1", false),
        ("A sentence that nobody has seen before", "xero_refused", "reject/1", false),
    ];
    for (message, code, expected, facts_stale) in table {
        let failure = judged(Effect::Write, Subject::Document, &json(400, &validation(&[message])));
        assert_eq!((failure.code.as_ref(), word(&failure.disposition).as_str()), (code, expected), "{message}");
        assert_eq!(failure.facts_stale, facts_stale, "{message}");
        assert!(failure.internal.contains(message.get(..40).unwrap_or(message)), "{message}");
        check_public(&failure, &[message]);
    }
}

#[test]
fn of_several_messages_the_one_that_decides_comes_first_and_all_refusals_are_listed() {
    let failure = judged(
        Effect::Write,
        Subject::Document,
        &json(400, &validation(&["Account must be valid.", "Invoice # must be unique.", "Tax rate must be valid."])),
    );
    assert_eq!(word(&failure.disposition), "hold:number_taken");
    assert!(failure.facts_stale);
    let failure = judged(
        Effect::Write,
        Subject::Document,
        &json(400, &validation(&["Odd.", "Tax rate must be valid.", "Account must be valid.", "Odd again."])),
    );
    let Disposition::Reject { issues } = &failure.disposition else { panic!("{:?}", failure.disposition) };
    let codes: Vec<_> = issues.iter().map(|issue| issue.code.as_ref()).collect();
    assert_eq!(codes, ["xero_refused", "xero_tax_refused", "xero_account_refused"]);
    assert_eq!(failure.code, "xero_tax_refused");
}

#[test]
fn a_validation_without_messages_is_a_plain_refusal() {
    for body in
        [r#"{"Type":"ValidationException","Message":"A validation exception occurred","Elements":[]}"#, r#"{"Type":"ValidationException"}"#]
    {
        let failure = judged(Effect::Write, Subject::Document, &json(400, body));
        assert_eq!((failure.code.as_ref(), word(&failure.disposition).as_str()), ("xero_refused", "reject/1"), "{body}");
    }
}

#[test]
fn a_reused_key_means_look_first_wherever_the_words_stand() {
    let words = "Idempotency Key: abc is used with a different request.";
    for body in [
        words.to_owned(),
        format!(r#"{{"Type":"ValidationException","Message":"{words}"}}"#),
        format!(r#"{{"Detail":"{words}"}}"#),
        validation(&[words]),
    ] {
        let failure = judged(Effect::Write, Subject::Document, &json(400, &body));
        assert_eq!((failure.code.as_ref(), word(&failure.disposition).as_str()), ("xero_key_reused", "look_first"), "{body}");
        assert!(!failure.certainly_not_done());
    }
}

#[test]
fn a_call_without_an_answer_is_judged_by_how_far_it_came() {
    let not_sent = TransportError::NotSent("refused".to_owned());
    let maybe = TransportError::MaybeSent("time-out".to_owned());
    for (error, effect, expected) in [
        (&not_sent, Effect::Read, "retry"),
        (&not_sent, Effect::Write, "retry"),
        (&maybe, Effect::Read, "retry"),
        (&maybe, Effect::Write, "look_first"),
    ] {
        let failure = unanswered::<Cause>(&asked(effect, Subject::Document), error);
        assert_eq!(word(&failure.disposition), expected);
        check_public(&failure, &[]);
    }
}

#[test]
fn an_echoed_token_reaches_no_log() {
    let echo = r#"{"Detail":"TokenExpired for the-access-token and Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"}"#;
    let failure = judged(Effect::Read, Subject::Place, &json(401, echo));
    assert!(failure.internal.contains("TokenExpired") && !failure.internal.contains("eyJ"), "{}", failure.internal);
    check_public(&failure, &[]);
}
