//! The invoices function: create, edit, send, void, pay, and how each invoice stands with each ledger.

mod actions;
mod decimal;
#[cfg(feature = "openapi")]
pub mod openapi;
mod request;
mod routes;
mod view;

use axum::Router;
use axum::routing::{get, post};
use coportal_lambda::shell::Shell;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "invoices";

/// The function's routes. Its state is the shell alone: it uses records and nothing else.
pub fn router(shell: Shell) -> Router {
    let routes = Router::new()
        .route("/v1/invoices", get(routes::list).post(routes::create))
        .route("/v1/invoices/{id}", get(routes::read).put(routes::replace))
        .route("/v1/invoices/{id}/send", post(actions::send))
        .route("/v1/invoices/{id}/void", post(actions::void))
        .route("/v1/invoices/{id}/pay", post(actions::pay))
        .with_state(shell.clone());
    shell.serve(routes)
}

#[cfg(test)]
mod tests;
