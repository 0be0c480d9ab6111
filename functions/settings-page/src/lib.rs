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
use axum::extract::FromRef;
use axum::routing::{get, post};
use coportal_engine::Engine;
use coportal_lambda::shell::Shell;

/// What the function's routes use.
#[derive(Clone)]
pub struct AppState {
    /// Clock, records and door.
    pub shell: Shell,
    /// The use cases.
    pub engine: Engine,
}

impl FromRef<AppState> for Shell {
    fn from_ref(state: &AppState) -> Self {
        state.shell.clone()
    }
}

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
