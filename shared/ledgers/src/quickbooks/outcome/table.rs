//! An answer for each row of docs/vendors/quickbooks.md, section 7, and more where the words decide.

use coportal_core::ledger::Ledger;

use super::super::fixit::Cause;
use crate::error_table::{Row, Told, check, html, says};

fn fault(status: u16, code: &str, detail: &str) -> Told {
    let error = serde_json::json!([{ "Message": "In a word", "Detail": detail, "code": code, "element": "" }]);
    let body = serde_json::json!({ "Fault": { "Error": error, "type": "ValidationFault" }, "time": "2026-11-21T02:00:00.000-08:00" });
    says(status, body.to_string())
}

/// The gateway's form: in lower case, the code in the message as well.
fn gateway(status: u16, code: &str) -> Told {
    let message = format!("message=x; errorCode=00{code}; statusCode={status}");
    let error = serde_json::json!([{ "message": message, "detail": "x", "code": code, "element": null }]);
    says(status, serde_json::json!({ "fault": { "error": error, "type": "AUTHENTICATION" }, "time": 1_763_719_200_000_i64 }).to_string())
}

/// A code in an answer of 400, which is how the API tells most of them, and inside a success.
fn code(code: &'static str, detail: &str) -> Row {
    (code, vec![fault(400, code, detail), fault(200, code, detail)])
}

/// Every row of the error tables reaches its disposition, and each has a fix-it.
#[test]
fn every_row_of_the_error_tables_reaches_its_disposition() {
    let by_status: Vec<Row> = vec![
        ("200", vec![fault(200, "6140", "x"), fault(200, "6000", "x"), fault(200, "5010", "x"), fault(200, "2020", "x")]),
        ("400", vec![fault(400, "6140", "x"), fault(400, "6000", "x"), fault(400, "5010", "x"), fault(400, "2020", "x"), says(400, "{}")]),
        ("400", vec![Told::Refresh(400, r#"{"error":"invalid_grant"}"#)]),
        ("401", vec![gateway(401, "3200")]),
        ("403", vec![gateway(403, "3100"), gateway(403, "3001")]),
        ("404", vec![html(404), says(404, "")]),
        ("429", vec![gateway(429, "3001"), says(429, "")]),
        ("500, 502, 503, 504", vec![fault(500, "10000", "x"), html(502), html(503), html(504)]),
    ];
    let reference = |of: &str| fault(400, "2500", &format!("Invalid Reference Id : {of} element id 5 not found"));
    let by_code: Vec<Row> = vec![
        code("120", "AuthorizationFailure: -11014"),
        code("500", "Operation delete is not supported."),
        code("600", "Duplicate Request ID"),
        code("610", "Object Not Found"),
        code("1040", "A batch takes at most 30 items."),
        code("2020", "Required parameter Line is missing"),
        code("2050", "String length"),
        code("2170", "Invalid Enumeration"),
        ("2500", vec![reference("Customers"), reference("Items"), reference("TaxCodes"), reference("Accounts"), reference("Classes")]),
        ("3001, 3100, 3200", vec![fault(400, "3001", "x"), fault(400, "3100", "x"), fault(400, "3200", "x")]),
        code("4001", "Invalid query"),
        code("5010", "Stale Object Error"),
        (
            "6000",
            vec![
                fault(400, "6000", "Make sure all your transactions have a VAT rate before you save."),
                fault(400, "6000", "Multi currency should be enabled to perform this operation."),
                fault(400, "6000", "Transaction amount must be 0 or greater."),
            ],
        ),
        code("6070", "Amount is not equal to UnitPrice * Qty"),
        code("6140", "Duplicate Document Number Error"),
        code("6190", "Your subscription has ended"),
        code("6210", "The books are closed"),
        code("6240", "Duplicate Name Exists Error"),
        code("6540", "The payment was deposited"),
        ("10000 and above", vec![fault(400, "10000", "x"), fault(200, "10001", "x"), fault(500, "10000", "x")]),
    ];
    let rows = by_status.into_iter().chain(by_code).collect();
    check::<Cause>(Ledger::Quickbooks, include_str!("../../../../../docs/vendors/quickbooks.md"), rows);
}
