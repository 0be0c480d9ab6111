use super::*;
use crate::exec::TransportError;
use crate::exec::scripted::{answer, json};
use crate::judge::{Effect, unanswered};

type Headers = &'static [(&'static str, &'static str)];

const NOW: &str = "2026-11-21T10:00:00Z";
const CORRELATION: &str = "0f0f0f0f-1111-4222-8333-444444444444";

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

/// An error as the vendor writes it, with the correlation id at its end.
fn error(code: &str, message: &str) -> String {
    serde_json::json!({ "error": { "code": code, "message": format!("{message}  CorrelationId:  {CORRELATION}.") } }).to_string()
}

/// The public half must help, and must hold nothing of the vendor's.
fn check(failure: &Failure, vendor_words: &str) {
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
    assert!(vendor_words.len() < 12 || !public.contains(vendor_words), "{public}");
    assert!(failure.internal.chars().count() <= 500 && !failure.internal.contains("the-access-token"));
    assert!(!failure.internal.contains("CorrelationId"), "{}", failure.internal);
}

fn judged_as(subject: Subject, status: u16, headers: Headers, body: &str) -> [Failure; 2] {
    let headers: Vec<(&str, &str)> = std::iter::once(("content-type", "application/json")).chain(headers.iter().copied()).collect();
    [Effect::Read, Effect::Write].map(|effect| failure(&asked(effect, subject), &answer(status, &headers, body.to_owned())))
}

/// Every row of the vendor's error table (section 9), for reads and for writes.
#[test]
fn every_code_and_status_has_its_disposition() {
    use Subject::{Contact, Document, Place};
    let words = "Some words that only the vendor says";
    // Subject, status, code, disposition of a read, of a write, the cause of a read.
    let table: [(Subject, u16, &str, &str, &str, &str); 45] = [
        (Place, 400, "BadRequest", "defect", "defect", "request_malformed"),
        (Place, 400, "BadRequest_InvalidRequestUrl", "defect", "defect", "request_malformed"),
        (Place, 404, "BadRequest_ResourceNotFound", "defect", "defect", "request_malformed"),
        (Place, 400, "BadRequest_InvalidOperation", "defect", "defect", "request_malformed"),
        (Document, 400, "BadRequest_InvalidToken", "stale", "stale", "version_old"),
        (Document, 412, "BadRequest_InvalidToken", "stale", "stale", "version_old"),
        (Document, 404, "BadRequest_NotFound", "hold:document_gone", "hold:document_gone", "document_missing"),
        (Contact, 404, "BadRequest_NotFound", "hold:contact_gone", "hold:contact_gone", "contact_missing"),
        (Place, 404, "BadRequest_NotFound", "defect", "defect", "request_malformed"),
        (Document, 404, "Internal_RecordNotFound", "hold:document_gone", "hold:document_gone", "document_missing"),
        (Document, 400, "Internal_DataNotFoundFilter", "hold:document_gone", "hold:document_gone", "document_missing"),
        (Document, 401, "Authentication_InvalidCredentials", "reauthorize", "reauthorize", "token_refused"),
        (Document, 403, "Authorization_RequestDenied", "reject/0", "reject/0", "permission_missing"),
        (Document, 409, "Request_EntityChanged", "stale", "stale", "version_old"),
        (Document, 400, "Internal_EntityWithSameKeyExists", "look_first", "look_first", "already_there"),
        (Document, 409, "Internal_EntityWithSameKeyExists", "look_first", "look_first", "already_there"),
        (Document, 404, "Internal_CompanyNotFound", "reject/0", "reject/0", "company_missing"),
        (Document, 503, "Internal_TenantUnavailable", "retry", "look_first", "tenant_unavailable"),
        (Document, 400, "Internal_ServerError", "retry", "look_first", "server_error"),
        (Document, 500, "Internal_ServerError", "retry", "look_first", "server_error"),
        (Document, 400, "Internal_InvalidTableRelation", "reject/1", "reject/1", "refused"),
        (Document, 400, "Application_DialogException", "reject/1", "reject/1", "refused"),
        (Document, 400, "Application_FieldValidationException", "reject/1", "reject/1", "refused"),
        (Document, 400, "Application_StringExceededLength", "reject/1", "reject/1", "text_too_long"),
        (Document, 400, "Application_FilterErrorException", "defect", "defect", "request_malformed"),
        (Document, 400, "Application_EvaluateException", "defect", "defect", "request_malformed"),
        (Document, 400, "Application_CallbackNotAllowed", "reject/1", "reject/1", "confirmation_needed"),
        (Document, 400, "Application_InvalidGUID", "defect", "defect", "request_malformed"),
        (Document, 408, "Unknown", "retry", "look_first", "no_answer"),
        (Document, 413, "Unknown", "defect", "defect", "too_large"),
        (Document, 429, "Unknown", "retry+30", "retry+30", "limit_reached"),
        // A limit is no refusal of the content, whatever code it comes with.
        (Document, 429, "Application_TooManyRequests", "retry+30", "retry+30", "limit_reached"),
        (Document, 429, "BadRequest", "retry+30", "retry+30", "limit_reached"),
        (Document, 500, "Unknown", "retry", "look_first", "server_error"),
        (Document, 502, "Unknown", "retry", "look_first", "server_error"),
        (Document, 503, "Unknown", "retry", "look_first", "server_error"),
        (Document, 504, "Unknown", "retry", "look_first", "no_answer"),
        (Document, 412, "Unknown", "stale", "stale", "version_old"),
        (Document, 400, "Unknown", "reject/1", "reject/1", "refused"),
        (Document, 401, "Unknown", "reauthorize", "reauthorize", "token_refused"),
        (Document, 403, "Unknown", "reject/0", "reject/0", "permission_missing"),
        // An environment that was renamed is no document that is gone.
        (Document, 404, "NoEnvironment", "reject/0", "reject/0", "company_missing"),
        (Document, 404, "Unknown", "reject/0", "reject/0", "company_missing"),
        (Document, 501, "Unknown", "defect", "defect", "request_malformed"),
        (Document, 418, "Unknown", "defect", "defect", "request_malformed"),
    ];
    for (subject, status, code, on_read, on_write, cause) in table {
        let [read, write] = judged_as(subject, status, &[], &error(code, words));
        assert_eq!((word(&read.disposition).as_str(), word(&write.disposition).as_str()), (on_read, on_write), "{status} {code}");
        assert_eq!(read.code, format!("business_central_{cause}"), "{status} {code}");
        for failure in [read, write] {
            check(&failure, words);
            assert_eq!(failure.vendor_request_id.as_deref(), Some(CORRELATION), "{status} {code}");
            assert_eq!(failure.certainly_not_done(), failure.disposition != Disposition::LookFirst);
        }
    }
    println!("{} rows of the error table", table.len());
}

#[test]
fn answers_that_are_no_error_object_are_judged_by_their_status() {
    let html = "<html>the gateway of the hotel asks you to sign in</html>";
    for (status, body, on_read, on_write) in [
        (400, html, "defect", "defect"),
        (400, "", "defect", "defect"),
        (401, "", "reauthorize", "reauthorize"),
        (403, html, "reject/0", "reject/0"),
        (404, html, "reject/0", "reject/0"),
        (429, html, "retry+30", "retry+30"),
        (500, html, "retry", "look_first"),
        (502, html, "retry", "look_first"),
        (302, "", "defect", "defect"),
        (400, "{\"error\":{}}", "defect", "defect"),
        (400, "{\"error\":\"no\"}", "defect", "defect"),
    ] {
        let [read, write] = judged_as(Subject::Document, status, &[], body);
        assert_eq!((word(&read.disposition).as_str(), word(&write.disposition).as_str()), (on_read, on_write), "{status} {body}");
        check(&read, body);
    }
}

#[test]
fn a_limit_waits_as_long_as_told() {
    for (headers, expected) in [
        (&[("retry-after", "17")] as Headers, "retry+17"),
        (&[("retry-after", "Sat, 21 Nov 2026 10:00:42 GMT")], "retry+42"),
        (&[("retry-after", "soon")], "retry+30"),
        (&[("retry-after", "99999999")], "retry+90000"),
    ] {
        for failure in judged_as(Subject::Document, 429, headers, &error("Unknown", "Too many requests")) {
            assert_eq!(word(&failure.disposition), expected, "{headers:?}");
        }
    }
    let [read, write] = judged_as(Subject::Document, 503, &[("retry-after", "60")], &error("Unknown", "busy"));
    assert_eq!((word(&read.disposition), word(&write.disposition)), ("retry+60".to_owned(), "look_first".to_owned()));
}

/// The application's own words (sections 4, 5, 6, 12).
#[test]
fn every_message_has_its_disposition() {
    let table = [
        ("The action can be applied to a draft invoice only.", "not_a_draft", "reject/1"),
        ("The invoice has been posted and can no longer be modified.", "document_posted", "hold:locked_in_ledger"),
        ("The invoice cannot be canceled because it has already been canceled.", "document_posted", "hold:locked_in_ledger"),
        ("The action can be applied to a posted invoice only.", "document_released", "hold:locked_in_ledger"),
        ("You cannot cancel posted sales invoice 103001 because it is fully or partially paid.", "document_paid", "hold:paid_in_ledger"),
        ("Canceling the invoice failed. A credit memo SC-1 was created but could not be posted.", "cancel_incomplete", "reject/1"),
        (
            "Status must be equal to 'Open' in Sales Header: Document Type=Invoice, No.=1. Current value is 'Released'.",
            "document_released",
            "hold:locked_in_ledger",
        ),
        ("Sales Invoice must be approved and released before you can perform this action.", "approval_pending", "reject/1"),
        ("This document can only be released when the approval process is complete.", "approval_pending", "reject/1"),
        (
            "External Document No. must have a value in Sales Header: No.=1. It cannot be zero or empty.",
            "external_number_required",
            "reject/1",
        ),
        ("Posting Date is not within your range of allowed posting dates in Sales Header", "period_locked", "hold:period_locked"),
        ("the inventory or posting period is already closed", "period_locked", "hold:period_locked"),
        ("You cannot assign new numbers from the number series S-CR+.", "number_series", "reject/1"),
        ("You may not enter numbers manually. Please activate Manual Nos. in No. Series CUST.", "number_series", "reject/1"),
        ("The VAT Posting Setup does not exist. VAT Bus. Posting Group='EXPORT'", "tax_setup_missing", "reject/1"),
        ("Gen. Bus. Posting Group must have a value in Customer: No.=C1.", "posting_group_missing", "reject/1"),
        ("Customer Posting Group must have a value in Customer: No.=C1.", "posting_group_missing", "reject/1"),
        ("There is no Currency Exchange Rate within the filter.", "currency_missing", "hold:currency_missing"),
        ("The \"currencyCode\" does not match to a Currency.", "currency_missing", "hold:currency_missing"),
        ("Select a Dimension Value Code for the Dimension Code DEPARTMENT for G/L Account 6110.", "dimension_missing", "reject/1"),
        ("Please add at least one line item to the invoice.", "nothing_to_post", "reject/1"),
        ("There are one or more lines with no quantity specified.", "nothing_to_post", "reject/1"),
        ("You cannot create this type of document when Customer C1 is blocked with type All", "contact_blocked", "hold:contact_gone"),
        ("The sell-to customer cannot be found.", "contact_missing", "hold:contact_gone"),
        ("The \"customerId\" does not match to a Customer.", "contact_missing", "hold:contact_gone"),
        ("Blocked must be equal to 'No' in G/L Account: No.=6120. Current value is 'Yes'.", "account_refused", "reject/1"),
        ("Account does not exist.", "account_refused", "reject/1"),
        ("Direct Posting must be equal to 'Yes' in G/L Account: No.=5610.", "account_refused", "reject/1"),
        ("The email address \"x\" is not valid.", "email_refused", "reject/1"),
        ("Phone No. must not contain letters in Customer.", "phone_refused", "reject/1"),
        ("The \"amount\" should be a negative number.", "payment_refused", "reject/1"),
        ("The \"appliesToInvoiceId\" should be the ID of an Open, Paid, Corrective, or Canceled Invoice.", "payment_refused", "reject/1"),
        ("The Sales Line already exists. Line No.='10000'", "already_there", "look_first"),
        (
            "The field Country/Region Code of table Customer contains a value (XX) that cannot be found in the related table (Country/Region).",
            "code_unknown",
            "reject/1",
        ),
        (
            "The field VAT Prod. Posting Group of table Sales Line contains a value (NOPE) that cannot be found in the related table.",
            "tax_setup_missing",
            "reject/1",
        ),
        (
            "The field Currency Code of table Sales Header contains a value (XXX) that cannot be found in the related table (Currency).",
            "currency_missing",
            "hold:currency_missing",
        ),
        ("Something that nobody has said before", "refused", "reject/1"),
    ];
    for (message, cause, expected) in table {
        for code in ["Application_DialogException", "Application_FieldValidationException", "Internal_InvalidTableRelation"] {
            let [_, write] = judged_as(Subject::Document, 400, &[], &error(code, message));
            assert_eq!(
                (write.code.as_ref(), word(&write.disposition).as_str()),
                (format!("business_central_{cause}").as_str(), expected),
                "{message}"
            );
            assert!(write.internal.contains(message.get(..30).unwrap_or(message)), "{}", write.internal);
            check(&write, message);
        }
    }
    // What the set-up lacks is named by a record that was not found: never the document.
    let [_, write] = judged_as(Subject::Document, 404, &[], &error("Internal_RecordNotFound", "The VAT Posting Setup does not exist."));
    assert_eq!(write.code, "business_central_tax_setup_missing");
    assert!(write.facts_stale);
}

#[test]
fn a_correlation_id_is_kept_and_leaves_the_message() {
    assert_eq!(split_correlation("No.  CorrelationId:  0f0f0f0f-1111-4222-8333-444444444444."), ("No.", Some(CORRELATION.to_owned())));
    assert_eq!(split_correlation("No.  CorrelationId:  <script>."), ("No.", None));
    assert_eq!(split_correlation("No."), ("No.", None));
    let response = answer(400, &[("content-type", "application/json"), ("request-id", "r-1")], error("Unknown", "x"));
    assert_eq!(failure(&asked(Effect::Read, Subject::Place), &response).vendor_request_id.as_deref(), Some("r-1"));
}

#[test]
fn a_call_without_an_answer_is_judged_by_how_far_it_came() {
    let (not_sent, maybe) = (TransportError::NotSent("refused".to_owned()), TransportError::MaybeSent("time-out".to_owned()));
    for (error, effect, expected) in [
        (&not_sent, Effect::Read, "retry"),
        (&not_sent, Effect::Write, "retry"),
        (&maybe, Effect::Read, "retry"),
        (&maybe, Effect::Write, "look_first"),
    ] {
        assert_eq!(word(&unanswered::<Cause>(&asked(effect, Subject::Document), error).disposition), expected);
    }
}

#[test]
fn what_fails_after_a_write_is_never_taken_for_undone() {
    for (status, code) in [(401, "Authentication_InvalidCredentials"), (404, "BadRequest_NotFound"), (429, "Unknown"), (400, "BadRequest")]
    {
        let [read, _] = judged_as(Subject::Document, status, &[], &error(code, "words"));
        let after = after_write(read);
        assert_eq!((after.disposition, after.code.as_ref()), (Disposition::LookFirst, "business_central_outcome_unknown"), "{code}");
    }
}

#[test]
fn an_echoed_token_reaches_no_log() {
    let echo = error("Authentication_InvalidCredentials", "rejected Bearer the-access-token");
    let [read, _] = judged_as(Subject::Place, 401, &[], &echo);
    assert!(read.internal.contains("rejected") && !read.internal.contains("the-access-token"), "{}", read.internal);
}

#[test]
fn an_environment_without_batches_is_known_by_the_refusal_of_the_form() {
    for (status, code, refuses) in [
        (404, "BadRequest_ResourceNotFound", true),
        (400, "BadRequest_InvalidRequestUrl", true),
        (405, "", true),
        (501, "", true),
        (404, "Internal_CompanyNotFound", false),
        (404, "NoEnvironment", false),
        (400, "Application_DialogException", false),
        (401, "Authentication_InvalidCredentials", false),
        (429, "Unknown", false),
        (500, "Internal_ServerError", false),
        (200, "", false),
    ] {
        assert_eq!(refuses_batch(&json(status, &error(code, "words"))), refuses, "{status} {code}");
    }
}
