//! What a page takes from whoever asks for it, and a refusal as a page.

use axum::response::Response;
use coportal_core::workspace::Role;
use coportal_lambda::authn::Principal;
use coportal_lambda::problem::{Refusal, status};
use coportal_pages::components;
use coportal_pages::layout::{self, Section, Viewer};
use maud::{Markup, html};

use crate::messages::Message;

/// What pages show of a principal.
pub(crate) fn viewer(principal: &Principal) -> Viewer<'_> {
    Viewer {
        csrf: principal.csrf(),
        admin: principal.require(Role::Admin).is_ok(),
        workspace: &principal.workspace.name,
        plan: principal.workspace.plan.label(),
    }
}

/// Turns a refusal into a page, so that a person never meets JSON; `back` is where they come from.
pub(crate) fn paged(answer: Result<Response, Refusal>, back: Section) -> Response {
    let name = match back {
        Section::Integrations => "Back to Integrations",
        Section::Clients => "Back to Clients",
        Section::Invoices => "Back to Invoices",
        Section::Attention => "Back to Attention",
        Section::Backfill => "Back to Backfill",
        Section::Drift => "Back to Changes there",
        Section::Audit => "Back to Activity",
        Section::SignIn => "Back to Sign-in",
    };
    answer.unwrap_or_else(|refusal| layout::problem(status(refusal.problem().kind), refusal.problem(), (back.path(), name)))
}

/// A message above the content.
pub(crate) fn banner(message: &Message) -> Markup {
    components::notice(message.tone, &message.title, &html! { p { (message.text) } })
}
