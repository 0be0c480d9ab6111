//! Sync an invoice now, ask what that would do, answer its questions, link it, and read its story.

mod attention;
mod link;
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
        .with_state(state);
    shell.serve(routes)
}
