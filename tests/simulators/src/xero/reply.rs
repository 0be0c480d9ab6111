//! Reply shapes of the Accounting API: the envelope, and each way of saying no.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Malformed;

/// A whole request refused, before any effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 501: real Xero may do something here; the simulator does not know what.
    NotModelled(String),
    /// 400 `PostDataInvalidException` (vendor notes, section 7).
    PostData(String),
    /// 400 `QueryParseException` (section 7).
    Query(String),
    /// 400 `ValidationException` without elements: the request as a whole is wrong.
    Request(String),
    /// 404 as HTML (section 7).
    NotFound,
    /// 412: a header that cannot be read (section 7).
    Precondition,
}

impl Refusal {
    pub(crate) fn not_modelled(what: impl Into<String>) -> Self {
        Self::NotModelled(what.into())
    }

    pub(crate) fn reply(&self) -> Reply {
        match self {
            Self::NotModelled(what) => Reply::not_modelled(what),
            Self::PostData(message) => error(14, "PostDataInvalidException", message),
            Self::Query(message) => error(16, "QueryParseException", message),
            Self::Request(message) => error(10, "ValidationException", message),
            Self::NotFound => Reply::new(404, "text/html", "The resource you're looking for cannot be found".to_owned()),
            Self::Precondition => Reply::new(412, "text/plain", "Precondition failed".to_owned()),
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed(message): Malformed) -> Self {
        Self::PostData(message)
    }
}

fn error(number: u16, kind: &str, message: &str) -> Reply {
    Reply::json(400, json!({ "ErrorNumber": number, "Type": kind, "Message": message }).to_string())
}

/// The 401 and 403 of the gateway (section 7).
pub(crate) fn unauthorised(status: u16, detail: &str, instance: Uuid) -> Reply {
    let title = if status == 403 { "Forbidden" } else { "Unauthorized" };
    let body = json!({ "Type": null, "Title": title, "Status": status, "Detail": detail, "Instance": instance, "Extensions": {} });
    Reply::json(status, body.to_string())
}

/// The 400 that lists failed elements (section 7).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValidationException<'elements, T> {
    error_number: u16,
    #[serde(rename = "Type")]
    kind: &'static str,
    message: &'static str,
    elements: &'elements [T],
}

pub(crate) fn validation<T: Serialize>(elements: &[T]) -> Reply {
    let body = ValidationException { error_number: 10, kind: "ValidationException", message: "A validation exception occurred", elements };
    encode(400, &body)
}

/// Encodes a body; these types have only string keys, so an encoding error would be a bug of the simulator and is said as one.
pub(crate) fn encode(status: u16, body: &impl Serialize) -> Reply {
    match serde_json::to_string(body) {
        Ok(text) => Reply::json(status, text),
        Err(error) => Reply::new(500, "text/plain", error.to_string()),
    }
}

/// `pagination` of a paged list.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    page: usize,
    page_size: usize,
    page_count: usize,
    item_count: usize,
}

impl Pagination {
    pub(crate) fn new(page: usize, page_size: usize, item_count: usize) -> Self {
        Self { page, page_size, page_count: item_count.div_ceil(page_size), item_count }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Head<'text> {
    id: Uuid,
    status: &'static str,
    provider_name: &'text str,
    #[serde(rename = "DateTimeUTC")]
    date_time_utc: String,
    #[serde(rename = "pagination", skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

/// What every 200 of the API says before its records.
pub(crate) struct Envelope<'text> {
    pub(crate) id: Uuid,
    pub(crate) provider: &'text str,
    pub(crate) now: Timestamp,
}

impl Envelope<'_> {
    /// A 200 with `records` under `name`.
    pub(crate) fn reply<T: Serialize>(&self, name: &str, records: &[T], pagination: Option<Pagination>) -> Reply {
        let head = Head {
            id: self.id,
            status: "OK",
            provider_name: self.provider,
            date_time_utc: format!("/Date({})/", self.now.as_millisecond()),
            pagination,
        };
        match (serde_json::to_string(&head), serde_json::to_string(records)) {
            (Ok(mut text), Ok(records)) => {
                // The member's name varies with the endpoint: it is put behind the head's members.
                text.pop();
                text.push_str(&format!(",\"{name}\":{records}}}"));
                Reply::json(200, text)
            }
            (Err(error), _) | (_, Err(error)) => Reply::new(500, "text/plain", error.to_string()),
        }
    }
}

/// `/Date(ms+0000)/` of an instant.
pub(crate) fn ms_instant(at: Timestamp) -> String {
    format!("/Date({}+0000)/", at.as_millisecond())
}

fn midnight(date: Date) -> i64 {
    date.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_millisecond())
}

/// `/Date(ms+0000)/` of a date at midnight UTC.
pub(crate) fn ms_date(date: Date) -> String {
    format!("/Date({}+0000)/", midnight(date))
}

/// `2026-01-31T00:00:00`.
pub(crate) fn date_string(date: Date) -> String {
    format!("{date}T00:00:00")
}

/// A failed rule of one element.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Message {
    pub(crate) message: String,
}

pub(crate) fn messages(texts: &[String]) -> Vec<Message> {
    texts.iter().map(|text| Message { message: text.clone() }).collect()
}
