//! Bugs that are planted on the wire, never in product code, to prove that a run of histories would see them.

use std::str::FromStr;

use bytes::Bytes;
use coportal_core::ledger::Ledger;
use http::{Request, Response};
use serde::Serialize;
use serde_json::{Value, json};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plant {
    /// A look-up of documents is answered as if there were none.
    LookupEmpty,
    /// The condition of a write of a sync row holds always: claims and outcomes go over each other.
    ConditionStripped,
    /// The lease write of a refresh succeeds always.
    LeaseAlwaysWon,
    /// The write that stores refreshed tokens is answered as done, and is not done.
    RefreshDropped,
    /// A message is deleted before its handling.
    MessageDeleted,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::LookupEmpty, Self::ConditionStripped, Self::LeaseAlwaysWon, Self::RefreshDropped, Self::MessageDeleted];

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LookupEmpty => "lookup-empty",
            Self::ConditionStripped => "condition-stripped",
            Self::LeaseAlwaysWon => "lease-always-won",
            Self::RefreshDropped => "refresh-dropped",
            Self::MessageDeleted => "message-deleted",
        }
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|plant| plant.name() == text).ok_or_else(|| format!("{text} is none of {}", names()))
    }
}

/// What becomes of a call to AWS.
pub(super) enum Passing {
    /// It goes on, as this.
    On(Request<Bytes>),
    /// It is answered so, and not done.
    Answered(Response<Bytes>),
}

/// Plants into a call to AWS.
pub(super) fn aws(plant: Option<Plant>, request: Request<Bytes>) -> Passing {
    let wanted = match plant {
        Some(Plant::ConditionStripped) => "SYNC#",
        Some(Plant::LeaseAlwaysWon | Plant::RefreshDropped) => "TOK#",
        Some(Plant::LookupEmpty | Plant::MessageDeleted) | None => return Passing::On(request),
    };
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
    let is_write = target.ends_with(".UpdateItem") || target.ends_with(".PutItem") || target.ends_with(".TransactWriteItems");
    let Ok(mut body) = serde_json::from_slice::<Value>(request.body()) else { return Passing::On(request) };
    if !is_write {
        return Passing::On(request);
    }
    if plant == Some(Plant::RefreshDropped) {
        let named = body.get("ExpressionAttributeNames").map(Value::to_string).unwrap_or_default();
        let stores = key_has(&body, wanted) && named.contains("envelope");
        // Only an update is a refresh; a consent writes its tokens in a transaction.
        return if stores && target.ends_with(".UpdateItem") { Passing::Answered(json_answer("{}")) } else { Passing::On(request) };
    }
    // The lease alone, not what is stored when the refresh is over.
    if plant == Some(Plant::LeaseAlwaysWon) {
        let named = body.get("ExpressionAttributeNames").map(Value::to_string).unwrap_or_default();
        if !named.contains("lease") || named.contains("envelope") {
            return Passing::On(request);
        }
    }
    let stripped = match body.get_mut("TransactItems").and_then(Value::as_array_mut) {
        Some(items) => {
            items.iter_mut().filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()).any(|write| strip(write, wanted))
        }
        None => strip(&mut body, wanted),
    };
    if !stripped {
        return Passing::On(request);
    }
    let (mut parts, _) = request.into_parts();
    parts.headers.remove("content-length");
    Passing::On(Request::from_parts(parts, Bytes::from(body.to_string())))
}

fn json_answer(body: &'static str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/x-amz-json-1.0"));
    answer
}

fn key_has(write: &Value, prefix: &str) -> bool {
    let key = write.get("Key").or_else(|| write.get("Item"));
    let pk = key.and_then(|key| key.get("pk")).and_then(|value| value.get("S")).and_then(Value::as_str);
    pk.is_some_and(|pk| pk.starts_with(prefix))
}

/// Makes a condition hold always; what it names stays named, since DynamoDB refuses a value that nothing uses.
fn strip(write: &mut Value, prefix: &str) -> bool {
    if !key_has(write, prefix) {
        return false;
    }
    let Some(condition) = write.get_mut("ConditionExpression") else { return false };
    let Some(text) = condition.as_str() else { return false };
    *condition = json!(format!("({text}) OR attribute_exists(pk) OR attribute_not_exists(pk)"));
    true
}

/// Plants into a vendor's answer to a call.
pub(super) fn vendor(plant: Option<Plant>, ledger: Ledger, method: &str, path_and_query: &str, answer: Response<Bytes>) -> Response<Bytes> {
    if plant != Some(Plant::LookupEmpty) || method != "GET" || !answer.status().is_success() {
        return answer;
    }
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let empty = match ledger {
        Ledger::Xero if path.ends_with("/Invoices") => json!({ "Invoices": [] }),
        Ledger::Quickbooks
            if path.ends_with("/query") && query.to_lowercase().contains("from+invoice") || query.contains("from%20Invoice") =>
        {
            json!({ "QueryResponse": {}, "time": "2026-03-02T01:00:00.000-08:00" })
        }
        Ledger::Sage if path.ends_with("/sales_invoices") => {
            json!({ "$total": 0, "$page": 1, "$next": null, "$back": null, "$itemsPerPage": 20, "$items": [] })
        }
        Ledger::BusinessCentral if path.ends_with("/salesInvoices") => json!({ "value": [] }),
        Ledger::Xero | Ledger::Quickbooks | Ledger::Sage | Ledger::BusinessCentral => return answer,
    };
    let (mut parts, _) = answer.into_parts();
    parts.headers.remove("content-length");
    Response::from_parts(parts, Bytes::from(empty.to_string()))
}
