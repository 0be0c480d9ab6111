//! Payload format 2.0 (API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs").

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::routes::Found;
use crate::aws_json::ACCOUNT;

/// The event as the function receives it.
pub(super) fn build(request: &Request<Bytes>, found: &Found<'_>, request_id: &str, now: Timestamp, source: IpAddr) -> Vec<u8> {
    // HTTP APIs hand the path over decoded, unlike REST APIs and function URLs.
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
    let query = request.uri().query().unwrap_or_default();
    let headers = joined(request.headers(), source);
    let host = headers.get("host").cloned().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.route.key,
        "rawPath": path,
        "rawQueryString": query,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.split('.').next().unwrap_or_default(),
            "http": {
                "method": request.method().as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source.to_string(),
                "userAgent": headers.get("user-agent").cloned().unwrap_or_default(),
            },
            "requestId": request_id,
            "routeKey": found.route.key,
            "stage": "$default",
            "time": now.to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if let Some(members) = event.as_object_mut() {
        members.insert("headers".to_owned(), json!(headers));
        optional(members, "cookies", cookies(request.headers()).map(|all| json!(all)));
        optional(members, "queryStringParameters", query_parameters(query));
        if !found.parameters.is_empty() {
            members.insert("pathParameters".to_owned(), json!(found.parameters));
        }
        if !request.body().is_empty() {
            let text = is_text(request.headers()).then(|| std::str::from_utf8(request.body()).ok()).flatten();
            let body = text.map_or_else(|| STANDARD.encode(request.body()), str::to_owned);
            members.insert("body".to_owned(), Value::String(body));
            members.insert("isBase64Encoded".to_owned(), Value::Bool(text.is_none()));
        }
    }
    event.to_string().into_bytes()
}

fn optional(members: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value);
    }
}

/// Lower-case names, several values joined by comma, cookies apart, and what the gateway adds.
fn joined(headers: &HeaderMap, source: IpAddr) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        if name == header::COOKIE {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        out.entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    out.entry("x-forwarded-for".to_owned())
        .and_modify(|all| {
            all.push_str(", ");
            all.push_str(&source.to_string());
        })
        .or_insert_with(|| source.to_string());
    out.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    out
}

fn cookies(headers: &HeaderMap) -> Option<Vec<String>> {
    let all: Vec<String> = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| String::from_utf8_lossy(line.as_bytes()).split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>())
        .filter(|cookie| !cookie.is_empty())
        .collect();
    (!all.is_empty()).then_some(all)
}

fn query_parameters(query: &str) -> Option<Value> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        out.entry(name.into_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    (!out.is_empty()).then(|| json!(out))
}

/// Which bodies travel as text; a form, for one, does not.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase())
        .unwrap_or_default();
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(kind.as_str(), "application/json" | "application/xml" | "application/javascript")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The function's answer as HTTP; nothing when it is not one.
pub(super) fn answer(bytes: &[u8]) -> Option<Response<Bytes>> {
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    let text = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { STANDARD.decode(text).ok()? } else { text.into_bytes() };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    for (name, value) in &answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // The gateway frames the answer itself.
        if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING && name != header::CONNECTION {
            response.headers_mut().insert(name, HeaderValue::from_str(value).ok()?);
        }
    }
    for cookie in &answer.cookies {
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    Some(response)
}
