//! Each way of saying no (vendor notes, section 9), and the shape of what is said.

use serde_json::json;
use uuid::Uuid;

use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Malformed;

/// The content type of OData answers.
pub(crate) const ODATA: &str = "application/json; odata.metadata=minimal; odata.streaming=true";

/// A request refused, before any effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 501: the real service may do something here; the simulator does not know what.
    NotModelled(String),
    /// The vendor's error object.
    Error {
        /// HTTP.
        status: u16,
        /// One of the vendor's error codes.
        code: &'static str,
        /// What a person reads, without the correlation id.
        message: String,
    },
}

impl Refusal {
    pub(crate) fn not_modelled(what: impl Into<String>) -> Self {
        Self::NotModelled(what.into())
    }

    pub(crate) fn error(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::Error { status, code, message: message.into() }
    }

    /// The request is not OData, or names what the type does not have.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::error(400, "BadRequest", message)
    }

    /// A field that only the service writes.
    pub(crate) fn read_only(field: &str) -> Self {
        Self::error(400, "BadRequest_InvalidOperation", format!("Control '{field}' is read-only."))
    }

    /// A rule of the application, in its own words.
    pub(crate) fn dialog(message: impl Into<String>) -> Self {
        Self::error(400, "Application_DialogException", message)
    }

    /// A field of a record has not the value that it must have.
    pub(crate) fn field(message: impl Into<String>) -> Self {
        Self::error(400, "Application_FieldValidationException", message)
    }

    /// A field that must not be blank is.
    pub(crate) fn must_have(field: &str, record: &str) -> Self {
        Self::field(format!("{field} must have a value in {record}. It cannot be zero or empty."))
    }

    /// A code that the related table does not have.
    pub(crate) fn relation(field: &str, table: &str, value: &str, related: &str) -> Self {
        let message =
            format!("The field {field} of table {table} contains a value ({value}) that cannot be found in the related table ({related}).");
        Self::error(400, "Internal_InvalidTableRelation", message)
    }

    /// A record that the application itself looked for.
    pub(crate) fn no_record(message: impl Into<String>) -> Self {
        Self::error(400, "Internal_RecordNotFound", message)
    }

    /// An entity that the address names.
    pub(crate) fn not_found() -> Self {
        Self::error(404, "BadRequest_NotFound", "Bad Request - Error in query syntax")
    }

    /// The etag sent is not the record's any more.
    pub(crate) fn changed() -> Self {
        Self::error(409, "Request_EntityChanged", "Another user has already changed the record.")
    }

    pub(crate) fn too_long(value: &str, most: usize) -> Self {
        let length = value.chars().count();
        let message =
            format!("The length of the string is {length}, but it must be less than or equal to {most} characters. Value: {value}");
        Self::error(400, "Application_StringExceededLength", message)
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::NotModelled(_) => 501,
            Self::Error { status, .. } => *status,
        }
    }

    /// The error object, as a body or inside a batch.
    pub(crate) fn body(&self, correlation: Uuid) -> serde_json::Value {
        match self {
            Self::NotModelled(what) => {
                json!({ "Type": "NotModelled", "Message": format!("the simulator does not model {what}") })
            }
            Self::Error { code, message, .. } => {
                json!({ "error": { "code": code, "message": format!("{message}  CorrelationId:  {correlation}.") } })
            }
        }
    }

    pub(crate) fn reply(&self, correlation: Uuid) -> Reply {
        let content = if matches!(self, Self::NotModelled(_)) { "application/json; charset=utf-8" } else { ODATA };
        let reply = Reply::new(self.status(), content, self.body(correlation).to_string()).with("odata-version", "4.0");
        match self.status() {
            // Section 8: 502 and 503 carry Retry-After, a 429 is not promised to.
            503 => reply.with("retry-after", "60"),
            401 => reply.with("www-authenticate", "Bearer error=\"invalid_token\""),
            _ => reply,
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed(message): Malformed) -> Self {
        Self::bad_request(format!("Invalid Request Body: {message}"))
    }
}
