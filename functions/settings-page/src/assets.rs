//! The files that pages name.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use coportal_lambda::problem::{Refusal, no_such_route};
use coportal_pages::assets;

/// `GET /settings/assets/{name}`.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    assets::answer(&name).unwrap_or_else(|| Refusal::new(no_such_route()).into_response())
}
