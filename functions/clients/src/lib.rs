//! The clients function: the businesses and people that invoices are addressed to, and their contact persons (R109-R120, R133, R134).

mod contacts;
#[cfg(feature = "openapi")]
pub mod openapi;
mod overview;
mod request;
mod routes;

use axum::Router;
use axum::routing::{get, post};
use coportal_lambda::shell::Shell;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "clients";

/// The function's routes. Its state is the shell alone: it uses records and nothing else.
pub fn router(shell: Shell) -> Router {
    let routes = Router::new()
        .route("/v1/clients", get(routes::list).post(routes::create))
        .route("/v1/clients/{id}", get(routes::read).patch(routes::change))
        .route("/v1/clients/{id}/archive", post(routes::archive))
        .route("/v1/clients/{id}/unarchive", post(routes::unarchive))
        .route("/v1/clients/{id}/overview", get(overview::overview))
        .route("/v1/clients/{id}/contacts", get(contacts::list).post(contacts::create))
        .route("/v1/clients/{id}/contacts/{contact}", get(contacts::read).delete(contacts::remove))
        .with_state(shell.clone());
    shell.serve(routes)
}

#[cfg(test)]
mod tests;
