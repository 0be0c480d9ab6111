//! The settings-page function: Settings, invoices, clients and what needs a person as pages that work without scripts, and their forms.
//!
//! The forms call the same use cases as the routes of the API. What a person sees is rendered here; what happens is decided there.

mod amounts;
mod answers;
mod assets;
mod attention;
mod audit;
mod backfill;
mod cards;
mod choices;
mod clients;
mod connected;
mod document;
mod drafts;
mod drift;
mod forms;
mod import;
mod invoice;
mod layout;
mod messages;
mod names;
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
        .route("/invoices", get(invoice::invoices))
        .route("/invoices/{id}", get(invoice::invoice))
        .route("/invoices/{id}/sync/{ledger}/changes", get(invoice::changes))
        .route("/settings/invoices/{id}/sync/{ledger}", post(invoice::sync))
        .route("/settings/invoices/{id}/sync/{ledger}/resolve", post(invoice::resolve))
        .route("/settings/invoices/{id}/sync/{ledger}/approve", post(invoice::approve))
        .route("/settings/invoices/{id}/sync/{ledger}/link", post(invoice::link))
        .route("/settings/invoices/{id}/sync/{ledger}/unlink", post(invoice::unlink))
        .route("/settings/attention", get(attention::attention))
        .route("/settings/attention.csv", get(attention::csv))
        .route("/settings/attention/retry", post(attention::retry))
        .route("/settings/backfill", get(backfill::backfill))
        .route("/settings/backfill/{ledger}", post(backfill::begin))
        .route("/settings/backfill/{ledger}/{id}", get(backfill::under_way))
        .route("/settings/backfill/{ledger}/{id}/cancel", post(backfill::cancel))
        .route("/clients", get(clients::clients))
        .route("/clients/new", get(clients::new))
        .route("/clients/{id}", get(clients::client))
        .route("/settings/clients", post(clients::create))
        .route("/settings/clients/{id}", post(clients::change))
        .route("/settings/clients/{id}/archive", post(clients::archive))
        .route("/settings/clients/{id}/unarchive", post(clients::unarchive))
        .route("/settings/clients/{id}/contacts", post(clients::add_contact))
        .route("/settings/clients/{id}/contacts/{contact}/remove", post(clients::remove_contact))
        .route("/settings/audit", get(audit::audit))
        .route("/settings/drift", get(drift::drift))
        .route("/settings/drift/{ledger}", post(drift::check))
        .route("/settings/drift/{ledger}/{id}", post(drift::answer))
        .route("/settings/integrations/{ledger}/options", post(forms::options))
        .route("/settings/integrations/{ledger}/test", post(forms::test))
        .route("/settings/integrations/{ledger}/choices", get(choices::show).post(choices::put))
        .route("/settings/integrations/{ledger}/drafts", get(drafts::forecast).post(drafts::approve))
        .route("/settings/integrations/{ledger}/drafts/{id}", get(drafts::under_way))
        .route("/settings/integrations/{ledger}/import", post(import::begin))
        .route("/settings/integrations/{ledger}/import/{id}", get(import::show).post(import::commit))
        .route("/settings/assets/{name}", get(assets::asset))
        .route("/openapi.json", get(document::document))
        .route("/healthz", get(healthz));
    let shell = state.shell.clone();
    shell.serve(routes.with_state(state))
}

/// `GET /healthz`: the function is up; it asks nobody else.
async fn healthz() -> &'static str {
    "ok\n"
}
