//! The routes for the OpenAPI document.

use coportal_core::problem::ProblemKind;
use coportal_engine::import::{ImportResult, PreviewView};
use coportal_lambda::openapi::Operations;

use crate::routes;

/// What each route takes and answers.
#[must_use]
pub fn operations() -> Operations {
    Operations::default()
        .route("POST /v1/integrations/{ledger}/import/preview", routes::preview)
        .accepted_at::<PreviewView>()
        .route("GET /v1/integrations/{ledger}/import/previews/{id}", routes::read)
        .refuses(&[ProblemKind::Conflict])
        .route("POST /v1/integrations/{ledger}/import", routes::import)
        .ok::<ImportResult>()
        .accepted_at::<PreviewView>()
}
