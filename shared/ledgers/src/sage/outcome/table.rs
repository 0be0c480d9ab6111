//! An answer for each row of docs/vendors/sage.md, section 7, and more where the words decide.

use coportal_core::ledger::Ledger;

use super::super::fixit::Cause;
use crate::error_table::{Row, Told, check, html, says};

fn fault(status: u16, code: &str, message: &str, source: &str) -> Told {
    let fault = serde_json::json!([{ "$severity": "error", "$dataCode": code, "$message": message, "$source": source }]);
    says(status, fault.to_string())
}

/// What the vendor refuses for its content, in words that lead to each disposition.
fn content(status: u16) -> Vec<Told> {
    [
        ("is invalid", "line_items.description"),
        ("must be after the year end lockdown date", "date"),
        ("has already been taken", "reference"),
        ("Only a draft can be released.", "status"),
        ("something new", ""),
    ]
    .into_iter()
    .map(|(message, source)| fault(status, "RecordInvalid", message, source))
    .collect()
}

/// Every row of the error table reaches its disposition, and each has a fix-it.
#[test]
fn every_row_of_the_error_table_reaches_its_disposition() {
    let rows: Vec<Row> = vec![
        ("400", content(400)),
        ("400", vec![html(400), says(400, "")]),
        ("400", vec![Told::Refresh(400, r#"{"error":"invalid_grant"}"#)]),
        ("401", vec![fault(401, "AuthorizationFailure", "The access token has expired.", ""), says(401, "")]),
        ("401", vec![fault(401, "AuthorizationFailure", "No active subscription. (MSE)", "")]),
        (
            "403",
            vec![
                fault(403, "AccessDenied", "You do not have access to the area Sales.", ""),
                fault(403, "AccessDenied", "You do not have access to this business.", ""),
                html(403),
            ],
        ),
        ("404", vec![fault(404, "RecordNotFound", "Couldn't find record.", ""), html(404)]),
        ("409", vec![fault(409, "Conflict", "x", ""), says(409, "")]),
        ("415, 405", vec![fault(415, "UnsupportedMediaType", "x", ""), says(405, "")]),
        ("422", content(422)),
        ("429", vec![fault(429, "TooManyRequests", "Too many requests.", ""), says(429, "")]),
        ("5xx, no answer", vec![html(500), html(502), html(503), html(504), says(500, "")]),
    ];
    check::<Cause>(Ledger::Sage, include_str!("../../../../../docs/vendors/sage.md"), rows);
}
