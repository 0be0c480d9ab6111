//! Schemas of values that are text with a form of its own. Part of the generator of the OpenAPI document, and of nothing that is deployed.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// The schema of a text: what it is, and the regular expression (ECMA-262, as JSON Schema wants it) that it matches as a whole.
#[must_use]
pub fn text(description: &str, pattern: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).pattern(Some(pattern)).into()
}

/// The schema of a text that also has an example.
#[must_use]
pub fn text_like(description: &str, pattern: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).pattern(Some(pattern)).examples([example]).into()
}
