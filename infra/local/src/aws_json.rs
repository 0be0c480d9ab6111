//! The AWS JSON protocol, as far as the doubles speak it: a POST to `/` whose `X-Amz-Target` names the operation, a JSON object as
//! body, errors with `__type` and `message` (AWS, "AWS JSON 1.1 protocol").

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};

/// The region of the local cloud.
pub const REGION: &str = "eu-west-1";
/// The account of the local cloud.
pub const ACCOUNT: &str = "000000000000";

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    /// HTTP status.
    pub status: StatusCode,
    /// Name of the exception, `NotFoundException` for example.
    pub kind: String,
    /// Text for a developer.
    pub message: String,
}

impl Failure {
    /// An exception that the service answers with 400.
    #[must_use]
    pub fn client(kind: &str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: kind.to_owned(), message: message.into() }
    }

    /// What the real service would do and the double does not. 501, because the SDK retries 500, 502, 503 and 504.
    #[must_use]
    pub fn not_modelled(what: impl std::fmt::Display) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            kind: "NotModelledException".to_owned(),
            message: format!("not modelled by the local cloud: {what}"),
        }
    }

    /// An error of the double itself.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "InternalFailure".to_owned(), message: message.into() }
    }
}

/// The part of `X-Amz-Target` behind the service's prefix, when it is this service's.
#[must_use]
pub fn operation<'a>(headers: &'a HeaderMap, prefix: &str) -> Option<&'a str> {
    headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.strip_prefix(prefix))
        .and_then(|rest| rest.strip_prefix('.'))
}

/// Refuses what is not a POST to `/`, or carries no SigV4-shaped authorization. Signatures themselves are not verified.
///
/// # Errors
/// `UnknownOperationException`, `MissingAuthenticationTokenException`, `IncompleteSignatureException`,
/// `InvalidSignatureException` as AWS words them.
pub fn admit<B>(request: &Request<B>) -> Result<(), Failure> {
    if request.method() != Method::POST || request.uri().path() != "/" {
        return Err(Failure {
            status: StatusCode::NOT_FOUND,
            kind: "UnknownOperationException".to_owned(),
            message: "a POST to / is wanted".to_owned(),
        });
    }
    let headers = request.headers();
    let refusal = dynoxide::auth_material::validate(dynoxide::auth_material::AuthMaterial {
        authorization: headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()),
        query: request.uri().query().unwrap_or_default(),
        has_date_header: headers.contains_key("x-amz-date") || headers.contains_key(header::DATE),
    });
    let Some(envelope) = refusal else {
        return Ok(());
    };
    let envelope: Value = serde_json::from_str(&envelope).unwrap_or_default();
    let text = |name: &str| envelope.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = text("__type");
    Err(Failure::client(kind.rsplit_once('#').map_or(kind, |(_, short)| short), text("message")))
}

/// The request's members, of which only the known ones may be there.
///
/// # Errors
/// `SerializationException` when the body is not a JSON object; "not modelled" for a member that the double would have to ignore.
pub fn members(body: &Bytes, known: &[&str]) -> Result<Map<String, Value>, Failure> {
    let members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| Failure::client("SerializationException", error.to_string()))?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(Failure::not_modelled(format_args!("the parameter {unknown}"))),
        None => Ok(members),
    }
}

/// A text member, when it is there.
///
/// # Errors
/// `SerializationException` when it is not text.
pub fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            value.as_str().map(Some).ok_or_else(|| Failure::client("SerializationException", format!("{name} must be a string")))
        }
    }
}

/// A text member that must be there.
///
/// # Errors
/// `ValidationException` when it is not, as AWS words it.
pub fn required_text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, Failure> {
    text(members, name)?.ok_or_else(|| {
        let mut member = name.to_owned();
        if let Some(first) = member.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        Failure::client(
            "ValidationException",
            format!("1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"),
        )
    })
}

/// The answer in the protocol's form.
#[must_use]
pub fn answer(content_type: &'static str, outcome: Result<Value, Failure>) -> Response<Bytes> {
    let (status, kind, body) = match outcome {
        Ok(body) => (StatusCode::OK, None, body),
        Err(failure) => (failure.status, Some(failure.kind.clone()), json!({"__type": failure.kind, "message": failure.message})),
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    if let Ok(id) = header::HeaderValue::from_str(&request_id()) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(kind) = kind.and_then(|kind| header::HeaderValue::from_str(&kind).ok()) {
        headers.insert("x-amzn-errortype", kind);
    }
    response
}

/// A fresh request id, in the form of a version 4 UUID.
#[must_use]
pub fn request_id() -> String {
    let mut bytes = [0_u8; 16];
    // A request id only tells two log lines apart; without randomness it is the nil id.
    if crate::chance::fill(&mut bytes).is_err() {
        return uuid::Uuid::nil().to_string();
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
