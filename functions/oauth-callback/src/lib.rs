//! The oauth-callback function: integrations (list, connect, callback, organisation, choices, options, test, disconnect), the service
//! routes for workspaces and members, and the audit list.

mod audit;
mod callback;
mod connection;
mod integrations;
#[cfg(feature = "openapi")]
pub mod openapi;
mod workspaces;

use axum::Router;
use axum::routing::{delete, get, patch, post, put};

pub use coportal_lambda::use_cases::AppState;

/// The function's routes, each as in `infra/template.yaml`.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/v1/integrations", get(integrations::list))
        .route("/v1/integrations/{ledger}/connect", post(integrations::connect))
        .route("/v1/integrations/{ledger}/connect/confirm", post(integrations::confirm))
        .route("/v1/oauth/{ledger}/callback", get(callback::callback))
        .route("/v1/integrations/{ledger}/organisations", get(connection::organisations))
        .route("/v1/integrations/{ledger}/organisation", put(connection::choose_organisation))
        .route("/v1/integrations/{ledger}/choices", get(connection::choices).put(connection::put_choices))
        .route("/v1/integrations/{ledger}/options", patch(connection::patch_options))
        .route("/v1/integrations/{ledger}/test", post(connection::test))
        .route("/v1/integrations/{ledger}", delete(connection::disconnect))
        .route("/v1/workspaces/{id}", put(workspaces::put_workspace))
        .route("/v1/workspaces/{id}/members/{user}", put(workspaces::put_member))
        .route("/v1/audit", get(audit::list));
    let shell = state.shell.clone();
    shell.serve(routes.with_state(state))
}
