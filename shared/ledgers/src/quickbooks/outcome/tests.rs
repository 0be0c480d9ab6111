use std::collections::BTreeSet;

use super::*;
use crate::exec::TransportError;
use crate::exec::scripted::{answer, json};
use crate::judge::unanswered;

type Headers = &'static [(&'static str, &'static str)];
/// Status, headers, body; the disposition of a read and of a write; the code of a read.
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

/// The public half must help, and must hold nothing of the vendor's.
fn check_public(failure: &Failure, vendor_words: &[&str]) {
    let public = format!("{} {} {}", failure.detail, failure.fix.what, failure.fix.place);
    for words in vendor_words {
        assert!(words.len() < 12 || !public.contains(words), "{public}");
    }
    assert!(failure.internal.chars().count() <= 500 && !failure.internal.contains("the-access-token"));
}

fn faults(errors: &[(&str, &str, &str)]) -> String {
    let list: Vec<_> = errors
        .iter()
        .map(|(code, detail, element)| serde_json::json!({ "Message": "In a word", "Detail": detail, "code": code, "element": element }))
        .collect();
    serde_json::json!({ "Fault": { "Error": list, "type": "ValidationFault" }, "time": "2026-11-21T02:00:00.000-08:00" }).to_string()
}

fn judged(effect: Effect, subject: Subject, response: &Response<Bytes>) -> Failure {
    failure(&asked(effect, subject), response)
}

const EXPIRED: &str = r#"{"fault":{"error":[{"message":"message=AuthenticationFailed; errorCode=003200; statusCode=401","detail":"Token expired: the-access-token","code":"3200","element":null}],"type":"AUTHENTICATION"},"time":1763719200000}"#;
const THROTTLED: &str = r#"{"fault":{"error":[{"message":"message=ThrottleExceeded; errorCode=003001; statusCode=429","detail":"The request limit was reached. Try again later"}],"type":"SERVICE"}}"#;

#[test]
fn every_status_has_its_disposition_for_reads_and_writes() {
    let system = faults(&[("10000", "An application error has occurred while processing your request", "")]);
    let lost_rights = faults(&[("120", "AuthorizationFailure: -11014", "")]);
    let unlinked = r#"{"fault":{"error":[{"message":"message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403"}]}}"#;
    let xml =
        r#"<?xml version="1.0"?><IntuitResponse><Fault type="ValidationFault"><Error code="5010" element="x"/></Fault></IntuitResponse>"#;
    let html = "<!DOCTYPE html><html><body>An unexpected error occurred in the vendor's gateway</body></html>";
    let text: Headers = &[("content-type", "text/html")];
    let later: Headers = &[("retry-after", "120")];
    let table: [StatusRow<'_>; 25] = [
        (400, &[], "{}", "defect", "defect", "quickbooks_request_malformed"),
        (400, text, html, "defect", "defect", "quickbooks_request_malformed"),
        (400, &[], r#"{"Fault":{"Error":[]}}"#, "defect", "defect", "quickbooks_request_malformed"),
        (400, &[], xml, "stale", "stale", "quickbooks_version_old"),
        (400, &[], &lost_rights, "reauthorize", "reauthorize", "quickbooks_rights_lost"),
        (400, &[], &system, "retry", "look_first", "quickbooks_outcome_unknown"),
        (200, &[], &lost_rights, "reauthorize", "reauthorize", "quickbooks_rights_lost"),
        (401, &[], EXPIRED, "reauthorize", "reauthorize", "quickbooks_token_refused"),
        (401, &[], "", "reauthorize", "reauthorize", "quickbooks_token_refused"),
        (401, &[], &lost_rights, "reauthorize", "reauthorize", "quickbooks_rights_lost"),
        (403, &[], unlinked, "reauthorize", "reauthorize", "quickbooks_company_not_linked"),
        (403, &[], &lost_rights, "reauthorize", "reauthorize", "quickbooks_rights_lost"),
        (403, &[], THROTTLED, "retry+60", "retry+60", "quickbooks_limit_reached"),
        (404, text, html, "defect", "defect", "quickbooks_request_malformed"),
        (408, &[], "", "retry", "look_first", "quickbooks_no_answer"),
        (418, &[], "", "defect", "defect", "quickbooks_request_malformed"),
        (302, &[("location", "https://elsewhere.example/")], "", "defect", "defect", "quickbooks_request_malformed"),
        (429, &[], "", "retry+60", "retry+60", "quickbooks_limit_reached"),
        (429, later, THROTTLED, "retry+120", "retry+120", "quickbooks_limit_reached"),
        (500, &[], &system, "retry", "look_first", "quickbooks_server_error"),
        (501, &[], "", "defect", "defect", "quickbooks_not_supported"),
        (502, text, html, "retry", "look_first", "quickbooks_server_error"),
        (503, later, "", "retry+120", "look_first", "quickbooks_server_error"),
        (504, text, html, "retry", "look_first", "quickbooks_server_error"),
        (599, &[], "", "retry", "look_first", "quickbooks_server_error"),
    ];
    for (status, headers, body, on_read, on_write, code) in table {
        let response = answer(status, headers, body.to_owned());
        assert!(!succeeded(&response), "{status} {body}");
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
fn a_success_with_a_fault_is_none() {
    assert!(succeeded(&json(200, r#"{"Invoice":{"Id":"1"}}"#)));
    assert!(succeeded(&json(200, r#"{"BatchItemResponse":[{"bId":"q0","Fault":{"Error":[]}}]}"#)), "one query's fault is that query's");
    assert!(!succeeded(&json(200, &faults(&[("6000", "x", "")]))));
    assert!(!succeeded(&json(200, EXPIRED)));
}

/// The rows of the note's error table, section 7: code, detail, element, subject; the code that a user sees, the disposition of a write,
/// whether facts are read again.
const ROWS: [(&str, &str, &str, Subject, &str, &str, bool); 34] = [
    ("120", "AuthorizationFailure: -11014", "", Subject::Place, "rights_lost", "reauthorize", false),
    ("500", "Operation delete is not supported.", "", Subject::Contact, "not_supported", "defect", false),
    ("600", "Duplicate Request ID", "", Subject::Place, "key_reused", "look_first", false),
    ("610", "Object Not Found", "", Subject::Document, "document_missing", "hold:document_gone", false),
    ("610", "Object Not Found", "", Subject::Contact, "contact_missing", "hold:contact_gone", false),
    ("610", "has been made inactive. Check the fields with customers", "", Subject::Place, "reference_inactive", "reject/1", true),
    ("1040", "A batch takes at most 30 items.", "", Subject::Place, "request_malformed", "defect", false),
    ("2010", "Request has invalid property", "", Subject::Place, "request_malformed", "defect", false),
    ("2020", "Required parameter Line is missing", "Line", Subject::Place, "request_malformed", "defect", false),
    ("2050", "String length", "PrivateNote", Subject::Document, "text_too_long", "reject/1", false),
    ("2170", "Invalid Enumeration", "EmailStatus", Subject::Place, "request_malformed", "defect", false),
    ("2500", "Invalid Reference Id : Customers element id 5 not found", "", Subject::Place, "contact_missing", "hold:contact_gone", false),
    (
        "2500",
        "Something is inactive. Check the fields with accounts, customers, items",
        "CustomerRef",
        Subject::Place,
        "contact_missing",
        "hold:contact_gone",
        false,
    ),
    ("2500", "Invalid Reference Id : Items element id 5 not found", "Items", Subject::Place, "item_refused", "reject/1", true),
    ("2500", "Invalid Reference Id : TaxCodes element id 5 not found", "", Subject::Place, "tax_refused", "reject/1", true),
    ("2500", "Invalid Reference Id : Accounts element id 5 not found", "", Subject::Place, "account_refused", "reject/1", true),
    (
        "2500",
        "Invalid Reference Id : CurrencyRef element id JPY not found",
        "",
        Subject::Place,
        "currency_missing",
        "hold:currency_missing",
        true,
    ),
    ("2500", "Invalid Reference Id : Txns element id 5 not found", "", Subject::Place, "document_missing", "hold:document_gone", false),
    ("2500", "Invalid Reference Id : Classes element id 5 not found", "", Subject::Place, "reference_inactive", "reject/1", true),
    (
        "2500",
        "Something is inactive. Check the fields with accounts, customers, items",
        "",
        Subject::Place,
        "reference_inactive",
        "reject/1",
        true,
    ),
    ("3001", "The request limit was reached", "", Subject::Place, "limit_reached", "retry+60", false),
    ("003001", "The request limit was reached", "", Subject::Place, "limit_reached", "retry+60", false),
    ("3100", "ApplicationAuthorizationFailed", "", Subject::Place, "company_not_linked", "reauthorize", false),
    ("3200", "AuthenticationFailed", "", Subject::Place, "token_refused", "reauthorize", false),
    ("4001", "Invalid query", "", Subject::Place, "request_malformed", "defect", false),
    ("5010", "Stale Object Error", "", Subject::Document, "version_old", "stale", false),
    ("6000", "Make sure all your transactions have a VAT rate before you save.", "", Subject::Place, "tax_refused", "reject/1", true),
    ("6000", "Make sure all your transactions have a GST/HST rate before you save.", "", Subject::Place, "tax_refused", "reject/1", true),
    (
        "6000",
        "Multi currency should be enabled to perform this operation.",
        "",
        Subject::Place,
        "currency_missing",
        "hold:currency_missing",
        true,
    ),
    ("6000", "Transaction amount must be 0 or greater.", "", Subject::Place, "rule_broken", "reject/1", false),
    ("6070", "Amount is not equal to UnitPrice * Qty", "", Subject::Place, "amount_refused", "defect", false),
    ("6190", "Your subscription has ended", "", Subject::Place, "subscription_ended", "reject/1", false),
    ("10000", "An application error has occurred", "", Subject::Place, "outcome_unknown", "look_first", false),
    ("9999", "Something new", "", Subject::Place, "refused", "reject/1", false),
];

/// The rows that a person settles by an answer, for every subject.
const QUESTIONS: [(&str, &str, &str); 4] = [
    ("6140", "number_taken", "hold:number_taken"),
    ("6210", "period_locked", "hold:period_locked"),
    ("6240", "name_taken", "hold:name_clash"),
    ("6540", "payment_deposited", "hold:paid_in_ledger"),
];

/// The codes of section 7's table; those of 3200, 3100 and 3001 share a row there.
const TABLE: [&str; 22] = [
    "120", "500", "600", "610", "2020", "2050", "2170", "2500", "3200", "3100", "3001", "4001", "5010", "6000", "6070", "6140", "6190",
    "6210", "6240", "6540", "10000", "1040",
];

#[test]
fn every_row_of_the_error_table_has_its_disposition() {
    let mut covered = BTreeSet::new();
    let mut check = |code: &'static str, detail: &str, element: &str, subject, name: &str, disposition: &str, stale: Option<bool>| {
        for status in [400, 200] {
            let failure = judged(Effect::Write, subject, &json(status, &faults(&[(code, detail, element)])));
            assert_eq!(
                (failure.code.as_ref(), word(&failure.disposition).as_str()),
                (format!("quickbooks_{name}").as_str(), disposition),
                "{code} {detail}"
            );
            assert!(stale.is_none_or(|stale| failure.facts_stale == stale), "{code} {detail}");
            check_public(&failure, &[detail]);
        }
        covered.insert(code);
    };
    for (code, detail, element, subject, name, disposition, stale) in ROWS {
        check(code, detail, element, subject, name, disposition, Some(stale));
    }
    for (code, name, disposition) in QUESTIONS {
        for subject in [Subject::Document, Subject::Contact, Subject::Place] {
            check(code, "Duplicate Document Number Error", "", subject, name, disposition, None);
        }
    }
    let reached = TABLE.iter().filter(|code| covered.contains(*code)).count();
    assert_eq!(reached, TABLE.len());
}

#[test]
fn what_may_be_done_goes_before_a_question_and_a_question_before_a_refusal() {
    for (codes, disposition) in [
        (["2050", "600"], "look_first"),
        (["6240", "5010"], "stale"),
        (["2050", "6240"], "hold:name_clash"),
        (["2050", "9999"], "reject/2"),
        (["2050", "2050"], "reject/1"),
        (["9999", "3001"], "retry+60"),
    ] {
        let errors: Vec<_> = codes.iter().map(|code| (*code, "x", "")).collect();
        let failure = judged(Effect::Write, Subject::Place, &json(400, &faults(&errors)));
        assert_eq!(word(&failure.disposition), disposition, "{codes:?}");
    }
    let numbers = r#"{"Fault":{"Error":[{"code":6240}]}}"#;
    assert_eq!(judged(Effect::Write, Subject::Place, &json(400, numbers)).code, "quickbooks_name_taken", "a code may be a number");
}

#[test]
fn no_answer_is_judged_by_what_the_call_does() {
    let not_sent = TransportError::NotSent("refused".to_owned());
    let maybe = TransportError::MaybeSent("time-out".to_owned());
    for (error, effect, expected) in [
        (&not_sent, Effect::Read, "retry"),
        (&not_sent, Effect::Write, "retry"),
        (&maybe, Effect::Read, "retry"),
        (&maybe, Effect::Write, "look_first"),
    ] {
        let failure = unanswered::<Cause>(&asked(effect, Subject::Document), error);
        assert_eq!(word(&failure.disposition), expected, "{error}");
    }
}

#[test]
fn every_cause_is_reached() {
    // The rest comes of what is no refusal: sign-in, reading facts, a damaged answer.
    let elsewhere = ["code_refused", "app_refused", "base_currency_unknown", "unreachable", "no_answer", "server_error"];
    let damaged = ["answer_unreadable", "answer_unexpected"];
    let told: BTreeSet<String> = ROWS
        .iter()
        .map(|row| row.4)
        .chain(QUESTIONS.iter().map(|row| row.1))
        .chain(elsewhere)
        .chain(damaged)
        .map(|name| format!("quickbooks_{name}"))
        .collect();
    let all: BTreeSet<String> = Cause::ALL.iter().map(|cause| cause.entry().code.to_owned()).collect();
    assert_eq!(all, told);
}
