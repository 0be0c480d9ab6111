//! Reply shapes: one object, the list envelope, and each way of saying no.

use serde::Serialize;
use serde_json::json;

use super::json::{Json, Members, integer};
use super::query::{Page, Query};
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Malformed;

/// A call refused, before any effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 501: real Sage may do something here; the simulator does not know what.
    NotModelled(String),
    /// 422 `RecordInvalid` (guide "Response Codes": invalid data has been passed). Message and source of each broken rule.
    Invalid(Vec<Fault>),
    /// 404 `RecordNotFound`: a path that names nothing, or an id in the body that the place does not take (Sage/sageone_api_php_sample#32:
    /// the answer does not say which).
    NotFound,
    /// 403: the user's role does not reach this area.
    Denied(String),
    /// 415 (guide "Response Codes").
    MediaType,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) source: String,
}

pub(crate) fn fault(source: &str, message: &str) -> Fault {
    Fault { message: message.to_owned(), source: source.to_owned() }
}

impl Refusal {
    pub(crate) fn not_modelled(what: impl Into<String>) -> Self {
        Self::NotModelled(what.into())
    }

    pub(crate) fn invalid(source: &str, message: &str) -> Self {
        Self::Invalid(vec![fault(source, message)])
    }

    pub(crate) fn reply(&self) -> Reply {
        match self {
            Self::NotModelled(what) => Reply::not_modelled(what),
            Self::Invalid(faults) => {
                let errors: Vec<_> = faults.iter().map(|fault| problem("RecordInvalid", &fault.message, &fault.source)).collect();
                encode(422, &errors)
            }
            Self::NotFound => error(404, "RecordNotFound", "Couldn't find record."),
            Self::Denied(area) => error(403, "AccessDenied", &format!("You do not have access to the area {area}.")),
            Self::MediaType => error(415, "UnsupportedMediaType", "The media type of the request is not supported."),
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed(message): Malformed) -> Self {
        Self::invalid("", &message)
    }
}

fn problem(code: &str, message: &str, source: &str) -> serde_json::Value {
    json!({ "$severity": "error", "$dataCode": code, "$message": message, "$source": source })
}

/// An error of the API: an array of one (guide "Frequently Raised Errors").
pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    encode(status, &[problem(code, message, "")])
}

/// Encodes a body; these types have only string keys, so an encoding error would be a bug of the simulator and is said as one.
pub(crate) fn encode(status: u16, body: &impl Serialize) -> Reply {
    match serde_json::to_string(body) {
        Ok(text) => Reply::json(status, text),
        Err(error) => Reply::new(500, "text/plain", error.to_string()),
    }
}

/// One page of a list, in its envelope. `$next` and `$back` keep the other parameters of the call.
pub(crate) fn list(query: &Query<'_>, path: &str, whole: Vec<Json>, nested: &Members) -> Result<Reply, Refusal> {
    let page = query.page()?;
    let attributes = Members::read(query.text("attributes"), Members::Base);
    let total = whole.len();
    let to = |number: usize| Json::Text(query.at_page(path, number));
    let next = if page.number.saturating_mul(page.size) < total { to(page.number + 1) } else { Json::Null };
    let back = if page.number > 1 { to(page.number - 1) } else { Json::Null };
    let items = whole.into_iter().skip((page.number - 1).saturating_mul(page.size)).take(page.size);
    let items = items.map(|item| attributes.cut(item, nested)).collect();
    Ok(encode(200, &envelope(total, page, next, back, items)))
}

pub(crate) fn envelope(total: usize, page: Page, next: Json, back: Json, items: Vec<Json>) -> Json {
    let count = |number: usize| integer(u32::try_from(number).unwrap_or(u32::MAX));
    Json::Object(vec![
        ("$total", count(total)),
        ("$page", count(page.number)),
        ("$next", next),
        ("$back", back),
        ("$items_per_page", count(page.size)),
        ("$items", Json::List(items)),
    ])
}

/// One object, as a read of it by id answers: all its own members, entities inside it by their base ones unless asked.
pub(crate) fn one(query: &Query<'_>, whole: Json) -> Reply {
    let attributes = Members::read(query.text("attributes"), Members::All);
    let nested = Members::read(query.text("nested_attributes"), Members::Base);
    encode(200, &attributes.cut(whole, &nested))
}

/// The object that a write answers with: whole.
pub(crate) fn written(status: u16, whole: &Json) -> Reply {
    encode(status, whole)
}
