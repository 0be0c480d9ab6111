//! The settings-page function: Settings, Integrations as a page that works without scripts, and its forms.
//!
//! The forms call the same use cases as the routes of the API. What a person sees is rendered here; what happens is decided there.

mod assets;
mod cards;
mod forms;
mod layout;
mod messages;
mod page;

use axum::Router;
use axum::routing::{get, post};

pub use coportal_lambda::use_cases::AppState;

/// The function's routes, each as in `infra/template.yaml`.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/settings/integrations", get(page::integrations))
        .route("/settings/integrations/{ledger}/connect", post(forms::connect))
        .route("/settings/integrations/{ledger}/organisation", post(forms::organisation))
        .route("/settings/integrations/{ledger}/confirm", post(forms::confirm))
        .route("/settings/integrations/{ledger}/disconnect", post(forms::disconnect))
        .route("/settings/assets/{name}", get(assets::asset))
        .route("/healthz", get(healthz));
    let shell = state.shell.clone();
    shell.serve(routes.with_state(state))
}

/// `GET /healthz`: the function is up; it asks nobody else.
async fn healthz() -> &'static str {
    "ok\n"
}
