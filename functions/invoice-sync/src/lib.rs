//! Sync an invoice now, ask what that would do, answer its questions, link it, and read its story; and the same for many at once.

mod attention;
mod backfill;
mod drift;
mod link;
#[cfg(feature = "openapi")]
pub mod openapi;
mod sync;
mod timeline;

use axum::Router;
use axum::routing::{get, post};

pub use coportal_lambda::use_cases::AppState;

/// The function's routes.
pub fn router(state: AppState) -> Router {
    let shell = state.shell.clone();
    let routes = Router::new()
        .route("/v1/invoices/{id}/sync/{ledger}", post(sync::sync))
        .route("/v1/invoices/{id}/sync/{ledger}/dry-run", post(sync::dry_run))
        .route("/v1/invoices/{id}/sync/{ledger}/resolve", post(sync::resolve))
        .route("/v1/invoices/{id}/sync/{ledger}/approve", post(sync::approve))
        .route("/v1/invoices/{id}/sync/{ledger}/link", post(link::link).delete(link::unlink))
        .route("/v1/invoices/{id}/timeline", get(timeline::timeline))
        .route("/v1/sync/attention", get(attention::attention))
        .route("/v1/sync/attention/retry", post(attention::retry))
        .route("/v1/integrations/{ledger}/backfill", post(backfill::begin))
        .route("/v1/integrations/{ledger}/backfills/{id}", get(backfill::progress).delete(backfill::cancel))
        .route("/v1/integrations/{ledger}/drift", get(drift::list).post(drift::check))
        .route("/v1/integrations/{ledger}/drift/{id}", post(drift::keep))
        .route("/v1/integrations/{ledger}/approve-drafts", post(backfill::approve_drafts))
        .with_state(state);
    shell.serve(routes)
}
