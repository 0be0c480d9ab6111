//! The OpenAPI document, as it is checked in: `infra/openapi.json`, which `make update` writes from the functions' own types.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const DOCUMENT: &str = include_str!("../../../infra/openapi.json");

/// `GET /openapi.json`. It says nothing of anybody: whoever integrates with the API may keep it for a while.
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")], DOCUMENT).into_response()
}
