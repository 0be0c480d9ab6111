//! An answer for each row of docs/vendors/business-central.md, section 9, and more where the words decide.

use coportal_core::ledger::Ledger;

use super::super::fixit::Cause;
use crate::error_table::{Row, Told, check, html, says};

fn error(status: u16, code: &str, message: &str) -> Told {
    let message = format!("{message}  CorrelationId:  0f0f0f0f-1111-4222-8333-444444444444.");
    says(status, serde_json::json!({ "error": { "code": code, "message": message } }).to_string())
}

/// What the application says in words of its own.
fn words(code: &str) -> Vec<Told> {
    [
        "Something that nobody has said before",
        "Posting Date is not within your range of allowed posting dates in Sales Header",
        "The Sales Line already exists. Line No.='10000'",
    ]
    .into_iter()
    .map(|message| error(400, code, message))
    .collect()
}

/// Every row of the error table reaches its disposition, and each has a fix-it.
#[test]
fn every_row_of_the_error_table_reaches_its_disposition() {
    let rows: Vec<Row> = vec![
        (
            "`BadRequest_InvalidRequestUrl`, `BadRequest_ResourceNotFound`, `BadRequest_InvalidOperation`",
            vec![
                error(400, "BadRequest_InvalidRequestUrl", "x"),
                error(404, "BadRequest_ResourceNotFound", "x"),
                error(400, "BadRequest_InvalidOperation", "x"),
            ],
        ),
        ("`BadRequest_InvalidToken`", vec![error(400, "BadRequest_InvalidToken", "x"), error(412, "BadRequest_InvalidToken", "x")]),
        (
            "`BadRequest_NotFound`, `Internal_RecordNotFound`, `Internal_DataNotFoundFilter`",
            vec![
                error(404, "BadRequest_NotFound", "x"),
                error(404, "Internal_RecordNotFound", "x"),
                error(400, "Internal_DataNotFoundFilter", "x"),
                error(404, "Internal_RecordNotFound", "The VAT Posting Setup does not exist."),
            ],
        ),
        ("`Authentication_InvalidCredentials`", vec![error(401, "Authentication_InvalidCredentials", "x")]),
        ("`Authorization_…`", vec![error(403, "Authorization_RequestDenied", "x")]),
        ("`Request_EntityChanged`", vec![error(409, "Request_EntityChanged", "x")]),
        (
            "`Internal_EntityWithSameKeyExists`",
            vec![error(400, "Internal_EntityWithSameKeyExists", "x"), error(409, "Internal_EntityWithSameKeyExists", "x")],
        ),
        ("`Internal_CompanyNotFound`", vec![error(404, "Internal_CompanyNotFound", "x")]),
        (
            "`Internal_TenantUnavailable`",
            vec![error(503, "Internal_TenantUnavailable", "x"), error(500, "Internal_TenantUnavailable", "x")],
        ),
        ("`Internal_ServerError`", vec![error(400, "Internal_ServerError", "x"), error(500, "Internal_ServerError", "x")]),
        (
            "`Internal_InvalidTableRelation`",
            vec![
                error(400, "Internal_InvalidTableRelation", "cannot be found in the related table (Country/Region)."),
                error(400, "Internal_InvalidTableRelation", "cannot be found in the related table (Currency)."),
            ],
        ),
        ("`Application_DialogException`", words("Application_DialogException")),
        ("`Application_FieldValidationException`", words("Application_FieldValidationException")),
        ("`Application_StringExceededLength`", vec![error(400, "Application_StringExceededLength", "x")]),
        ("`Application_CallbackNotAllowed`", vec![error(400, "Application_CallbackNotAllowed", "x")]),
        (
            "`Application_FilterErrorException`, `Application_EvaluateException`, `Application_InvalidGUID`",
            vec![
                error(400, "Application_FilterErrorException", "x"),
                error(400, "Application_EvaluateException", "x"),
                error(400, "Application_InvalidGUID", "x"),
            ],
        ),
        ("408, 504", vec![error(408, "Unknown", "x"), error(504, "Unknown", "x"), html(408), html(504)]),
        ("412", vec![error(412, "Unknown", "x"), says(412, "")]),
        ("429", vec![error(429, "Application_TooManyRequests", "x"), html(429)]),
        ("500, 502, 503", vec![error(500, "Unknown", "x"), html(502), html(503)]),
        (
            "`Unknown`, or none",
            vec![
                error(400, "Unknown", "x"),
                error(401, "Unknown", "x"),
                error(403, "Unknown", "x"),
                error(404, "Unknown", "x"),
                error(409, "Unknown", "x"),
                error(418, "Unknown", "x"),
                error(429, "Unknown", "x"),
                error(500, "Unknown", "x"),
            ],
        ),
        (
            "400 of the token endpoint, `invalid_grant`",
            vec![Told::Refresh(400, r#"{"error":"invalid_grant","error_description":"AADSTS700082: The refresh token has expired"}"#)],
        ),
        (
            "400 or 503 of the token endpoint, `temporarily_unavailable`",
            vec![
                Told::Refresh(400, r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: transient"}"#),
                Told::Refresh(503, r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: transient"}"#),
            ],
        ),
    ];
    check::<Cause>(Ledger::BusinessCentral, include_str!("../../../../../docs/vendors/business-central.md"), rows);
}
