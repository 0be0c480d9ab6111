//! An answer for each row of docs/vendors/xero.md, section 7, and more where the words decide.

use coportal_core::ledger::Ledger;

use super::super::fixit::Cause;
use super::*;
use crate::error_table::{Row, Told, asked, check, html, says};
use crate::exec::scripted::answer;
use crate::judge::Effect;

fn validation(message: &str) -> String {
    serde_json::json!({
        "ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred",
        "Elements": [{ "HasErrors": true, "ValidationErrors": [{ "Message": message }] }],
    })
    .to_string()
}

/// A refused element inside a success.
fn element(message: &str) -> Told {
    let body = serde_json::json!({ "HasErrors": true, "StatusAttributeString": "ERROR", "ValidationErrors": [{ "Message": message }] });
    let state: ElementState = serde_json::from_value(body).unwrap();
    assert!(state.is_refused());
    Told::Read(refused(&asked(Effect::Write, Subject::Document), &answer(200, &[], ""), &state))
}

fn problem(status: u16, detail: &str) -> Told {
    let body = serde_json::json!({ "Type": null, "Title": "x", "Status": status, "Detail": detail, "Instance": "x", "Extensions": {} });
    says(status, body.to_string())
}

/// Every row of the error table reaches its disposition, and each has a fix-it.
#[test]
fn every_row_of_the_error_table_reaches_its_disposition() {
    let text: fn(u16, &str) -> Told = |status, body| Told::Call(status, &[("content-type", "text/plain")], body.to_owned());
    let rows: Vec<Row> = vec![
        ("200", vec![element("Invoice # must be unique."), element("Account must be valid.")]),
        (
            "400",
            vec![
                says(400, validation("Account must be valid.")),
                says(400, validation("Invoice # must be unique.")),
                says(400, validation("Payment amount exceeds the amount outstanding on this document")),
                says(400, validation("Invoice not of valid status for modification")),
                says(400, validation("The contact name A is already assigned to another contact.")),
                says(400, validation("The contact number A is already assigned to another contact.")),
                says(400, validation("A sentence that nobody has seen before")),
            ],
        ),
        (
            "400",
            vec![
                says(400, r#"{"ErrorNumber":16,"Type":"QueryParseException","Message":"x"}"#),
                says(400, r#"{"ErrorNumber":14,"Type":"PostDataInvalidException","Message":"x"}"#),
            ],
        ),
        ("400", vec![text(400, "Idempotency Key: abc is used with a different request.")]),
        ("400", vec![Told::Refresh(400, r#"{"error":"invalid_grant"}"#)]),
        ("401", vec![problem(401, "TokenExpired: token expired at 11/21/2026 09:59:00")]),
        ("401", vec![problem(401, "AuthorizationUnsuccessful")]),
        ("403", vec![problem(403, "AuthenticationUnsuccessful")]),
        ("404", vec![Told::Call(404, &[("content-type", "text/html")], "The resource you're looking for cannot be found".to_owned())]),
        ("412", vec![says(412, "")]),
        ("429", vec![says(429, ""), text(429, "slow down")]),
        ("500", vec![html(500), text(500, "An error occurred")]),
        ("501", vec![says(501, r#"{"ErrorNumber":21,"Type":"ApiException","Message":"x"}"#)]),
        ("503", vec![text(503, "The Xero API is offline for maintenance"), html(503)]),
    ];
    check::<Cause>(Ledger::Xero, include_str!("../../../../../docs/vendors/xero.md"), rows);
}
