//! What goes wrong, in each vendor's own words (docs/vendors, the sections on errors).

use bytes::Bytes;
use coportal_core::ledger::Ledger;
use coportal_ledgers::exec::TransportError;
use http::Response;
use serde_json::{Value, json};

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Refused before the first byte.
    Refused,
    /// Cut before it had its effect.
    CutBefore,
    /// Cut after it had its effect.
    CutAfter,
    /// Refused with this status in the vendor's own shape.
    Own(u16),
    /// Refused with this status by something that answers in HTML.
    Html(u16),
    /// 429, with these words in Retry-After.
    Throttled(Option<&'static str>),
    /// 504, after the effect.
    GatewayTimeoutAfter,
    /// 200 without a body; nothing was done.
    EmptyBefore,
    /// The answer's body is lost.
    EmptyAfter,
    /// Half the answer's body is lost.
    TruncatedJson,
    /// The answer says that it is HTML.
    NotJson,
    /// The answer has each key twice.
    DuplicateKeys,
    /// Each status in the answer is one that nobody knows.
    UnknownEnum,
    /// The answer is about another object.
    AnotherObject,
    /// More than is ever read where a few kilobytes are expected.
    Oversized,
}

/// An instant an hour after the beginning of the world.
pub(crate) const DATE: &str = "Mon, 02 Mar 2026 10:00:00 GMT";

/// All of them.
pub(crate) const WRONGS: [Wrong; 35] = [
    Wrong::Refused,
    Wrong::CutBefore,
    Wrong::CutAfter,
    Wrong::Own(400),
    Wrong::Own(401),
    Wrong::Own(403),
    Wrong::Own(404),
    Wrong::Own(409),
    Wrong::Own(412),
    Wrong::Own(500),
    Wrong::Html(400),
    Wrong::Html(401),
    Wrong::Html(403),
    Wrong::Html(404),
    Wrong::Html(409),
    Wrong::Html(412),
    Wrong::Html(500),
    Wrong::Html(502),
    Wrong::Html(503),
    Wrong::Html(504),
    Wrong::Throttled(None),
    Wrong::Throttled(Some("0")),
    Wrong::Throttled(Some("17")),
    Wrong::Throttled(Some("3600")),
    Wrong::Throttled(Some("90000")),
    Wrong::Throttled(Some(DATE)),
    Wrong::GatewayTimeoutAfter,
    Wrong::EmptyBefore,
    Wrong::EmptyAfter,
    Wrong::TruncatedJson,
    Wrong::NotJson,
    Wrong::DuplicateKeys,
    Wrong::UnknownEnum,
    Wrong::AnotherObject,
    Wrong::Oversized,
];

/// How far a struck call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Not to the vendor, and the caller knows.
    Unsent,
    /// Not to the vendor, and the caller does not know.
    Lost,
    /// Answered before anything was done.
    Instead,
    /// Done, and then something happens to its answer.
    After,
}

/// What is worth doing again and again: of the others, one answer is judged as the next is, before anything is sent once more.
pub(crate) const AGAIN: [Wrong; 17] = [
    Wrong::Refused,
    Wrong::CutBefore,
    Wrong::CutAfter,
    Wrong::Own(400),
    Wrong::Own(401),
    Wrong::Own(403),
    Wrong::Own(404),
    Wrong::Own(409),
    Wrong::Html(401),
    Wrong::Html(502),
    Wrong::Throttled(None),
    Wrong::Throttled(Some("90000")),
    Wrong::GatewayTimeoutAfter,
    Wrong::EmptyAfter,
    Wrong::TruncatedJson,
    Wrong::DuplicateKeys,
    Wrong::AnotherObject,
];

impl Wrong {
    /// How far the call gets.
    pub(crate) fn reach(self) -> Reach {
        match self {
            Self::Refused => Reach::Unsent,
            Self::CutBefore => Reach::Lost,
            Self::Own(_) | Self::Html(_) | Self::Throttled(_) | Self::EmptyBefore => Reach::Instead,
            Self::CutAfter
            | Self::GatewayTimeoutAfter
            | Self::EmptyAfter
            | Self::TruncatedJson
            | Self::NotJson
            | Self::DuplicateKeys
            | Self::UnknownEnum
            | Self::AnotherObject
            | Self::Oversized => Reach::After,
        }
    }

    /// The answer to a call that is not carried out.
    pub(crate) fn answer(self, ledger: Ledger, token: bool) -> Response<Bytes> {
        let html = Bytes::from_static(b"<html><body>Bad gateway</body></html>");
        let answer =
            |status: u16, kind: &str, body: Bytes| Response::builder().status(status).header("content-type", kind).body(body).unwrap();
        match self {
            Self::Own(status) if token => answer(status, "application/json", Bytes::from(sign_in(status).to_string())),
            Self::Own(status) => answer(status, "application/json", Bytes::from(own(ledger, status).to_string())),
            Self::Html(status) => answer(status, "text/html", html),
            Self::Throttled(after) => {
                let mut answer = answer(429, "application/json", Bytes::from(own(ledger, 429).to_string()));
                if let Some(after) = after {
                    answer.headers_mut().insert("retry-after", after.parse().unwrap());
                }
                answer
            }
            _ => answer(200, "application/json", Bytes::new()),
        }
    }

    /// What becomes of the answer to a call that is carried out.
    pub(crate) fn after(self, ledger: Ledger, answer: Response<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (mut parts, body) = answer.into_parts();
        let json = || serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
        let body = match self {
            Self::CutAfter => return Err(TransportError::MaybeSent("the connection broke".to_owned())),
            Self::GatewayTimeoutAfter => {
                parts.status = http::StatusCode::GATEWAY_TIMEOUT;
                parts.headers.insert("content-type", "text/html".parse().unwrap());
                Bytes::from_static(b"<html><body>Gateway timeout</body></html>")
            }
            Self::EmptyAfter => Bytes::new(),
            Self::TruncatedJson => body.slice(..body.len() / 2),
            Self::NotJson => {
                parts.headers.insert("content-type", "text/html; charset=utf-8".parse().unwrap());
                body
            }
            Self::DuplicateKeys => Bytes::from(twice(&json())),
            Self::UnknownEnum => {
                let mut value = json();
                moonstruck(&mut value);
                Bytes::from(value.to_string())
            }
            Self::AnotherObject => {
                let mut value = json();
                renamed(ledger, &mut value);
                Bytes::from(strange(&value.to_string()))
            }
            Self::Oversized => {
                let mut text = String::with_capacity(coportal_ledgers::exec::ANSWER_MAX + 16);
                text.push_str("{\"Id\":\"");
                text.extend(std::iter::repeat_n('x', coportal_ledgers::exec::ANSWER_MAX));
                text.push_str("\"}");
                Bytes::from(text)
            }
            _ => body,
        };
        parts.headers.remove("content-length");
        Ok(Response::from_parts(parts, body))
    }
}

/// A refusal of a token endpoint (RFC 6749, section 5.2).
fn sign_in(status: u16) -> Value {
    let error = match status {
        400 => "invalid_grant",
        401 => "invalid_client",
        403 => "access_denied",
        _ => "server_error",
    };
    json!({ "error": error, "error_description": "The moon is not full." })
}

/// A refusal in the vendor's own shape.
fn own(ledger: Ledger, status: u16) -> Value {
    let words = "The moon is not full.";
    match ledger {
        Ledger::Quickbooks => {
            let gateway = |code: &str, name: &str, kind: &str| {
                let message = format!("message={name}; errorCode=00{code}; statusCode={status}");
                json!({ "warnings": null, "intuitObject": null, "fault": { "error": [{ "message": message, "detail": words, "code": code, "element": null }], "type": kind }, "report": null, "time": 1_772_442_000_000_i64 })
            };
            let fault = |code: &str| json!({ "Fault": { "Error": [{ "Message": words, "Detail": words, "code": code, "element": "" }], "type": "ValidationFault" }, "time": "2026-03-02T01:00:00.000-08:00" });
            match status {
                401 => gateway("3200", "AuthenticationFailed", "AUTHENTICATION"),
                403 => gateway("3100", "ApplicationAuthorizationFailed", "AUTHORIZATION"),
                429 => gateway("3001", "ThrottleExceeded", "THROTTLE"),
                404 => fault("610"),
                409 | 412 => fault("5010"),
                500 => fault("10000"),
                _ => fault("6000"),
            }
        }
        Ledger::Sage => {
            let (code, words) = match status {
                404 => ("RecordNotFound", "Couldn't find record."),
                401 | 403 => ("AuthenticationFailed", words),
                _ => ("ValidationError", words),
            };
            json!([{ "$severity": "error", "$dataCode": code, "$message": words, "$source": "" }])
        }
        Ledger::BusinessCentral | Ledger::Xero => {
            let code = match status {
                400 => "Application_DialogException",
                401 => "Authentication_InvalidCredentials",
                403 => "Authorization_RequestDenied",
                404 => "BadRequest_NotFound",
                409 | 412 => "Request_EntityChanged",
                429 => "Application_TooManyRequests",
                _ => "Internal_ServerError",
            };
            let message = format!("{words}  CorrelationId:  11111111-2222-4333-8444-555555555555.");
            json!({ "error": { "code": code, "message": message } })
        }
    }
}

/// The text of an object whose keys all stand twice.
fn twice(value: &Value) -> String {
    let Some(object) = value.as_object() else { return value.to_string() };
    let fields: Vec<String> = object.iter().map(|(key, inner)| format!("{}:{inner}", Value::from(key.as_str()))).collect();
    format!("{{{0},{0}}}", fields.join(","))
}

/// Puts a word that nobody knows in the place of every status.
fn moonstruck(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(moonstruck),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), &mut *field) {
                    (
                        "status" | "EInvoiceStatus" | "GlobalTaxCalculation" | "PrintStatus" | "EmailStatus" | "DetailType" | "token_type",
                        Value::String(word),
                    ) => {
                        "Moonstruck".clone_into(word);
                    }
                    ("status", Value::Object(status)) => {
                        status.insert("id".to_owned(), json!("MOONSTRUCK"));
                    }
                    (_, field) => moonstruck(field),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The same words as somebody else would have written them: other marks, numbers, names and amounts.
fn strange(text: &str) -> String {
    let words = [
        ("INV-0001", "S-77"),
        ("CP-", "CQ-"),
        ("\"reference\":\"", "\"reference\":\"7"),
        ("inv_0", "inv_7"),
        ("Rosewood", "Stranger"),
        ("rosewood", "stranger"),
        ("500.0", "77.0"),
        (":500,", ":77,"),
    ];
    words.iter().fold(text.to_owned(), |text, (ours, theirs)| text.replace(ours, theirs))
}

/// Gives every record that the answer is about the id of another; what those records refer to keeps its own.
fn renamed(ledger: Ledger, value: &mut Value) {
    let name = |fields: &mut serde_json::Map<String, Value>| {
        for (key, id) in
            [("Id", "990099"), ("id", "11111111222243338444555555555555"), ("systemId", "11111111-2222-4333-8444-555555555555")]
        {
            if let Some(field) = fields.get_mut(key).filter(|field| field.is_string()) {
                let dashed = ledger == Ledger::BusinessCentral && key == "id";
                *field = json!(if dashed { "11111111-2222-4333-8444-555555555555" } else { id });
            }
        }
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| renamed(ledger, item)),
        Value::Object(fields) => {
            name(fields);
            for wrapper in ["QueryResponse", "Invoice", "Customer", "Payment", "BatchItemResponse", "$items", "value"] {
                if let Some(inner) = fields.get_mut(wrapper) {
                    renamed(ledger, inner);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
