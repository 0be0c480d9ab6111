//! Reading requests: JSON bodies, forms, path ids, paging. What is wrong becomes a problem that names the place.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use coportal_core::problem::{Issue, Problem, ProblemKind};
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::objects::Objects;
use crate::problem::{Answer, Refusal, too_large, wrong_content_type};

/// Largest request body, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// Items of a page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 50;

/// Most items of a page.
pub const MAX_LIMIT: u32 = 100;

/// A JSON body, and its bytes for the fingerprint of an idempotency key.
///
/// Request types say `deny_unknown_fields`; a field too many, a missing one or one of the wrong shape is a 422 with its pointer.
#[derive(Debug)]
pub struct JsonBody<T> {
    /// The body.
    pub value: T,
    /// The bytes it was read from.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !is_media_type(request.headers(), "application/json") {
            return Err(wrong_content_type("application/json").into());
        }
        let bytes = read_body(request, state).await?;
        Ok(Self { value: parse_json(&bytes)?, bytes })
    }
}

/// A body that may be absent: an empty one reads as the type's default.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub JsonBody<T>);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let is_json = is_media_type(request.headers(), "application/json");
        let bytes = read_body(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(JsonBody { value: T::default(), bytes }));
        }
        if !is_json {
            return Err(wrong_content_type("application/json").into());
        }
        Ok(Self(JsonBody { value: parse_json(&bytes)?, bytes }))
    }
}

/// The body of a route that takes nothing: an empty object, or no body at all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmptyRequest {}

/// Reads a whole body within the limit.
///
/// # Errors
/// 413 when it is larger; 400's class of problem when it breaks off.
pub(crate) async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Answer<Bytes> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
            Refusal::new(too_large())
        } else {
            Problem::invalid(vec![Issue::new("", "unreadable", "The request's body broke off.")]).into()
        }
    })
}

pub(crate) fn is_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected))
}

/// Parses JSON; the problem names the place and never repeats a value. A record is an object: an array of its fields is none.
///
/// # Errors
/// 422 with a pointer when the text is not the wanted JSON.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(Objects(&mut deserializer))
        .map_err(|error| (pointer(error.path()), error.into_inner()))
        .and_then(|value| deserializer.end().map(|()| value).map_err(|error| (String::new(), error)));
    parsed.map_err(|(pointer, error)| Problem::invalid(vec![json_issue(pointer, &error)]).into())
}

fn json_issue(pointer: String, error: &serde_json::Error) -> Issue {
    if error.is_syntax() || error.is_eof() {
        let place = format!("The body is not valid JSON (line {}, column {}).", error.line(), error.column());
        return Issue::new("", "invalid_json", place);
    }
    // serde's own words, whose fixed beginnings tell the case; the rest of them may repeat what the caller sent.
    let text = error.to_string();
    if let Some(name) = quoted_name(&text, "missing field ") {
        return Issue::new(format!("{pointer}/{name}"), "required", "This field is required.");
    }
    if text.starts_with("unknown field ") {
        return Issue::new(pointer, "unknown_field", "This route knows no such field.");
    }
    if text.starts_with("unknown variant ") {
        let expected = text.split_once("expected ").map(|(_, rest)| rest.split(" at line").next().unwrap_or(rest).replace('`', ""));
        return Issue::new(pointer, "unknown_value", format!("The value is not {}.", expected.unwrap_or_default()));
    }
    if text.starts_with("invalid type: ") {
        return Issue::new(pointer, "wrong_type", "The value has another shape than this field takes.");
    }
    Issue::new(pointer, "invalid", "The value cannot be read as what this field holds.")
}

fn quoted_name<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    text.strip_prefix(beginning)?.split('`').nth(1)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        let part: Cow<'_, str> = match segment {
            Segment::Seq { index } => index.to_string().into(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1").into(),
            Segment::Enum { variant } => variant.as_str().into(),
            Segment::Unknown => continue,
        };
        // A caller's own field name may be anything, of any length.
        text.push('/');
        text.extend(part.chars().filter(|c| !c.is_control()).take(100));
    }
    text
}

/// The network that a request came from: the first three parts of an IPv4 address, the first four of an IPv6 one. What limits strangers
/// counts networks, since one machine has as many addresses of the latter as it likes.
#[derive(Debug, Clone)]
pub struct Network(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Network {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let source = match parts.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref().and_then(|text| text.parse().ok()),
            Some(_) | None => None,
        };
        Ok(Self(source.map_or_else(|| "unknown".to_owned(), network)))
    }
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

/// The ids in a path. One that cannot be an id answers exactly like one that is missing.
#[derive(Debug, Clone)]
pub struct PathIds<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathIds<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(Problem::not_found(subject(parts.uri.path())).into()),
        }
    }
}

/// What a path is about, so that a malformed id reads like a missing one.
fn subject(path: &str) -> &'static str {
    let mut parts = path.split('/').skip_while(|part| *part != "v1").skip(1);
    match parts.next() {
        Some("clients") if path.contains("/contacts/") => "contact person",
        Some("clients") => "client",
        Some("invoices") => "invoice",
        Some("workspaces") => "workspace",
        Some("integrations") if path.contains("/import/previews/") => "import preview",
        _ => "record",
    }
}

/// The query's parameters; an unknown or malformed one is a 422.
#[derive(Debug, Clone)]
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::invalid(vec![Issue::new("", "query", "A query parameter is unknown or malformed.")]).into()),
        }
    }
}

/// `?limit=&cursor=` of a list, to be flattened into its query or used alone.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items wanted, 1 to 100.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// How many items a page has.
///
/// # Errors
/// 422 when it is not 1 to 100.
pub fn page_limit(limit: Option<u32>) -> Answer<u32> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Problem::invalid(vec![Issue::new("", "limit", format!("A page has 1 to {MAX_LIMIT} items."))]).into()),
    }
}

/// A cursor: the sort key where the page before ended. It holds nothing else; the partition comes from the principal.
///
/// # Errors
/// 422 when it is none of ours.
pub fn cursor<T: FromStr>(cursor: Option<&str>) -> Answer<Option<T>> {
    let malformed = || Problem::invalid(vec![Issue::new("", "cursor", "This cursor did not come from a list of this kind.")]).into();
    cursor.map(|text| text.parse().map_err(|_| malformed())).transpose()
}

/// A cursor that is a sort key as text, `part#part`: what cannot be one is refused here, and not by the table.
///
/// # Errors
/// 422 when it is none of ours.
pub fn sort_key_cursor(cursor: Option<&str>) -> Answer<Option<&str>> {
    let is_key = |text: &str| text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic()) && text.contains('#');
    match cursor {
        Some(text) if !is_key(text) => {
            Err(Problem::invalid(vec![Issue::new("", "cursor", "This cursor did not come from a list of this kind.")]).into())
        }
        other => Ok(other),
    }
}

/// A page of a list.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PageView<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

#[cfg(feature = "openapi")]
impl<T: utoipa::ToSchema> utoipa::PartialSchema for PageView<T> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, SchemaType, Type};
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
            .description(Some("What to send as `cursor` for the next page; null on the last."));
        ObjectBuilder::new()
            .description(Some("A page of a list."))
            .property("items", ArrayBuilder::new().items(Ref::from_schema_name(T::name())))
            .required("items")
            .property("next_cursor", cursor)
            .required("next_cursor")
            .into()
    }
}

/// Each list has a page of its own name: the derive would call them all alike.
#[cfg(feature = "openapi")]
impl<T: utoipa::ToSchema> utoipa::ToSchema for PageView<T> {
    fn name() -> Cow<'static, str> {
        format!("PageOf{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// The version in `If-Match`, with or without the quotes of an entity tag.
///
/// # Errors
/// 428 when the header is missing; 422 when it is no version.
pub fn if_match(headers: &HeaderMap) -> Answer<u64> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Err(Problem::new(
            ProblemKind::PreconditionRequired,
            "precondition_required",
            "Say which version you saw, so that nobody's change is lost.",
        )
        .fix("Send If-Match with the version of the record that you read.", "the If-Match header", false)
        .into());
    };
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    bare.parse().map_err(|_| Problem::invalid(vec![Issue::new("", "if_match", "If-Match carries a version number, like 3.")]).into())
}

/// One header as text; `None` when it is absent or not text.
#[must_use]
pub fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only its reading is tested")]
        quantity: rust_decimal::Decimal,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its reading is tested")]
        lines: Vec<Line>,
        #[serde(default)]
        #[expect(dead_code, reason = "only its reading is tested")]
        mode: Option<coportal_core::invoice::TaxMode>,
    }

    fn issue(text: &str) -> (String, String, String) {
        let refusal = parse_json::<Body>(text.as_bytes()).unwrap_err();
        let issue = refusal.problem().issues.first().unwrap().clone();
        (issue.pointer.into_owned(), issue.code.into_owned(), issue.detail.into_owned())
    }

    #[test]
    fn what_is_wrong_is_named_by_its_pointer() {
        for (text, pointer, code) in [
            ("{", "", "invalid_json"),
            (r#"{"lines":[]} x"#, "", "invalid_json"),
            (r#"{}"#, "/lines", "required"),
            (r#"{"lines":[{}]}"#, "/lines/0/quantity", "required"),
            (r#"{"lines":[{"quantity":"1"},{"quantity":"1","canary/x~":1}]}"#, "/lines/1/canary~1x~0", "unknown_field"),
            (r#"{"lines":"canary"}"#, "/lines", "wrong_type"),
            (r#"{"lines":[{"quantity":"canary"}]}"#, "/lines/0/quantity", "invalid"),
            (r#"{"lines":[],"mode":"canary"}"#, "/mode", "unknown_value"),
        ] {
            let (found_pointer, found_code, detail) = issue(text);
            assert_eq!((found_pointer.as_str(), found_code.as_str()), (pointer, code), "{text}");
            assert!(!detail.contains("canary"), "{detail}");
        }
    }

    /// serde's derive would read an array as a record, field by field.
    #[test]
    fn an_array_is_no_record_at_any_depth() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Optional {
            #[serde(default)]
            #[expect(dead_code, reason = "only its reading is tested")]
            inner: Option<Inner>,
        }
        #[derive(Debug, Deserialize)]
        struct Inner {
            #[serde(default)]
            #[expect(dead_code, reason = "only its reading is tested")]
            name: Option<String>,
        }
        for (text, pointer) in [("[null]", ""), ("[]", ""), (r#"{"inner":[null]}"#, "/inner"), (r#"{"inner":["x"]}"#, "/inner")] {
            let refusal = parse_json::<Optional>(text.as_bytes()).unwrap_err();
            let issue = refusal.problem().issues.first().unwrap();
            assert_eq!((issue.pointer.as_ref(), issue.code.as_ref()), (pointer, "wrong_type"), "{text}");
        }
        for text in ["{}", r#"{"inner":null}"#, r#"{"inner":{}}"#, r#"{"inner":{"name":"x"}}"#] {
            assert!(parse_json::<Optional>(text.as_bytes()).is_ok(), "{text}");
        }
        assert_eq!(
            issue(r#"{"lines":[["1"]]}"#),
            ("/lines/0".to_owned(), "wrong_type".to_owned(), "The value has another shape than this field takes.".to_owned())
        );
    }

    /// Money and quantities are decimal strings: a JSON number has been through somebody's float.
    #[test]
    fn a_number_is_not_a_decimal() {
        let (pointer, code, _) = issue(&json!({"lines": [{"quantity": 1.5}]}).to_string());
        assert_eq!((pointer.as_str(), code.as_str()), ("/lines/0/quantity", "wrong_type"));
    }

    #[test]
    fn if_match_takes_a_version() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, http::HeaderValue::from_static(value));
            if_match(&headers)
        };
        assert_eq!(with("3").unwrap(), 3);
        assert_eq!(with("\"3\"").unwrap(), 3);
        assert_eq!(with("*").unwrap_err().problem().kind, ProblemKind::Invalid);
        assert_eq!(if_match(&HeaderMap::new()).unwrap_err().problem().code, "precondition_required");
    }

    #[test]
    fn pages_have_one_to_a_hundred_items() {
        assert_eq!(page_limit(None).unwrap(), DEFAULT_LIMIT);
        assert_eq!(page_limit(Some(100)).unwrap(), 100);
        assert!(page_limit(Some(0)).is_err());
        assert!(page_limit(Some(101)).is_err());
        assert!(cursor::<coportal_core::id::ClientId>(Some("INVOICE#ws_1")).is_err());
        assert!(sort_key_cursor(Some("held#2026-03-01T09:00:00.000Z#xero#inv_00000000000000000000000000000007")).is_ok());
        assert_eq!(sort_key_cursor(None).unwrap(), None);
        // DynamoDB refuses an empty key, and one of more than 1,024 bytes: that would be an answer of 500.
        for other in ["", " ", "x", "a#\u{0}", "a#\u{e9}", &format!("a#{}", "x".repeat(1_024))] {
            assert!(sort_key_cursor(Some(other)).is_err(), "{other:?}");
        }
    }
}
