//! The import-preview function: a ledger's contacts as they would be imported, and the import of the ticked ones (R24-R33).

#[cfg(feature = "openapi")]
pub mod openapi;
mod routes;

use axum::Router;
use axum::routing::{get, post};

pub use coportal_lambda::use_cases::AppState;

/// The function's routes, each as in `infra/template.yaml`.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/v1/integrations/{ledger}/import/preview", post(routes::preview))
        .route("/v1/integrations/{ledger}/import/previews/{id}", get(routes::read))
        .route("/v1/integrations/{ledger}/import", post(routes::import));
    let shell = state.shell.clone();
    shell.serve(routes.with_state(state))
}
