//! The clients function: the businesses and people that invoices are addressed to (R109-R116, R133).

mod request;
mod routes;

use axum::Router;
use axum::routing::get;
use coportal_lambda::shell::Shell;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "clients";

/// The function's routes. Its state is the shell alone: it uses records and nothing else.
pub fn router(shell: Shell) -> Router {
    let routes = Router::new()
        .route("/v1/clients", get(routes::list).post(routes::create))
        .route("/v1/clients/{id}", get(routes::read).patch(routes::change))
        .with_state(shell.clone());
    shell.serve(routes)
}

#[cfg(test)]
mod tests;
