//! The sso-routing function: from an e-mail domain to an identity provider, and from its answer to a session (R102-R108).
//!
//! What happens is decided in `coportal-sign-in`; here are the routes, the cookies, the sign-in page and the settings of single sign-on.

mod admin;
mod boot;
mod browser;
mod cookies;
mod doors;
mod glass;
#[cfg(feature = "openapi")]
pub mod openapi;
mod page;
mod session;
mod settings;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use coportal_lambda::shell::Shell;
use coportal_sign_in::SignIn;

pub use boot::state;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "sso-routing";

/// What the routes work with.
#[derive(Clone)]
pub struct AppState {
    /// Clock, records, door and voice.
    pub shell: Shell,
    /// The use cases.
    pub sign_in: SignIn,
    /// `aud` of the tokens that are made of sessions.
    pub audience: String,
}

impl FromRef<AppState> for Shell {
    fn from_ref(state: &AppState) -> Self {
        state.shell.clone()
    }
}

/// The function's routes, each as in `infra/template.yaml`.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/v1/sso/discover", post(doors::discover))
        .route("/v1/sso/start", get(browser::start))
        .route("/v1/sso/oidc/callback", get(browser::callback))
        .route("/v1/sso/saml/{connection}/acs", post(browser::acs))
        .route("/v1/sso/saml/{connection}/metadata", get(browser::metadata))
        .route("/v1/sso/complete", get(browser::complete))
        .route("/v1/sso/exchange", post(doors::exchange))
        .route("/v1/sso/break-glass", post(doors::break_glass))
        .route("/v1/sso/break-glass/codes", post(admin::issue_codes))
        .route("/v1/sso/connections", get(admin::connections).post(admin::create_connection))
        .route("/v1/sso/connections/{id}", get(admin::connection).delete(admin::delete_connection))
        .route("/v1/sso/connections/{id}/test", post(admin::test))
        .route("/v1/sso/connections/{id}/enforce", post(admin::enforce))
        .route("/v1/sso/connections/{id}/metadata", post(admin::answer_held))
        .route("/v1/sso/approvals", get(admin::approvals))
        .route("/v1/sso/approvals/{id}", post(admin::answer_approval))
        .route("/v1/sso/domains", get(admin::domains).post(admin::ask_domain))
        .route("/v1/sso/domains/{id}", get(admin::domain).delete(admin::release_domain))
        .route("/v1/sso/domains/{id}/verify", post(admin::verify_domain))
        .route("/v1/session", get(session::read).delete(session::end))
        .route("/v1/session/token", post(session::token))
        .route("/.well-known/jwks.json", get(session::jwks))
        .route("/settings/sso", get(settings::settings))
        .route("/settings/sso/domains", post(settings::ask_domain))
        .route("/settings/sso/domains/{id}/verify", post(settings::verify_domain))
        .route("/settings/sso/domains/{id}/release", post(settings::release_domain))
        .route("/settings/sso/connections", post(settings::connect))
        .route("/settings/sso/connections/{id}/test", post(settings::test))
        .route("/settings/sso/connections/{id}/enforce", post(settings::enforce))
        .route("/settings/sso/connections/{id}/remove", post(settings::remove))
        .route("/settings/sso/connections/{id}/metadata", post(settings::metadata))
        .route("/settings/sso/approvals/{id}", post(settings::approve))
        .route("/settings/sso/break-glass", post(settings::issue_codes))
        .route("/sign-in", get(page::show).post(page::submit))
        .route("/sign-in/break-glass", get(glass::show).post(glass::submit));
    let shell = state.shell.clone();
    shell.serve(routes.with_state(state))
}
