//! `GET /settings/integrations`.

use axum::extract::{Query, State};
use axum::response::Response;
use coportal_core::connection::ConnectionStatus;
use coportal_core::ctx::Ctx;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_engine::connect::{IntegrationView, OrganisationsView};
use coportal_lambda::authn::{Invocation, Member, Principal};
use coportal_lambda::problem::Refusal;
use coportal_pages::components::heading;
use coportal_pages::layout::{self, Section};
use http::StatusCode;
use maud::html;
use serde::Deserialize;

use crate::AppState;
use crate::cards::{card, changeable};
use crate::layout::{banner, viewer};
use crate::messages::{self, Message};

/// What a redirect tells the page. Whatever else stands in the query is ignored: links from elsewhere may carry their own.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Outcomes {
    #[serde(default)]
    connected: Option<String>,
    #[serde(default)]
    connect_error: Option<String>,
    #[serde(default)]
    disconnected: Option<String>,
    #[serde(default)]
    left: Option<String>,
    #[serde(default)]
    stopped: Option<u64>,
    /// The ledger whose company is to be changed.
    #[serde(default)]
    choose: Option<String>,
}

pub(crate) async fn integrations(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    member: Result<Member, Refusal>,
    outcomes: Result<Query<Outcomes>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let outcomes = outcomes.map(|Query(outcomes)| outcomes).unwrap_or_default();
    let shown = match member {
        Ok(Member(principal)) => show(&state, &ctx, &principal, &outcomes).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    crate::layout::paged(shown, Section::Integrations)
}

async fn show(state: &AppState, ctx: &Ctx, principal: &Principal, outcomes: &Outcomes) -> Outcome<Response> {
    let workspace = &principal.workspace;
    let viewer = viewer(principal);
    let views = state.engine.integrations(ctx, workspace, &principal.user).await?;
    let mut cards = Vec::new();
    for view in views {
        let live = view.connection.as_ref();
        let waits = live.is_some_and(|connection| connection.status == ConnectionStatus::ChooseOrganisation);
        // Read from the ledger only where somebody asked to change the company (R17).
        let asked = outcomes.choose.as_deref() == Some(view.ledger.slug()) && changeable(&view, live);
        let organisations: Option<OrganisationsView> =
            if viewer.admin && (waits || asked) { Some(state.engine.organisations(ctx, workspace, view.ledger).await?) } else { None };
        cards.push((view, organisations));
    }
    let message = message(outcomes, cards.iter().map(|(view, _)| view));
    let main = html! {
        (heading("Integrations", "Connect the accounting system that your invoices belong in. CoPortal pushes to it; what is there already stays yours."))
        @if let Some(message) = &message { (banner(message)) }
        div.cards { @for (view, organisations) in &cards { (card(view, organisations.as_ref(), viewer)) } }
    };
    let page = layout::page("Integrations", Section::Integrations, viewer, &main);
    Ok(layout::answer(StatusCode::OK, page, &state.engine.consent_origins()))
}

/// The message of a redirect. A ledger that is said to be connected and is not gets none: anybody can write a link.
fn message<'v>(outcomes: &Outcomes, mut views: impl Iterator<Item = &'v IntegrationView>) -> Option<Message> {
    if let Some(code) = &outcomes.connect_error {
        return Some(messages::connect_error(code));
    }
    let named = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Ledger>().ok());
    let about = named(&outcomes.connected).or_else(|| named(&outcomes.disconnected))?;
    let status = views.find(|view| view.ledger == about)?.connection.as_ref()?.status;
    match status {
        ConnectionStatus::Connected if outcomes.connected.is_some() => Some(messages::connected(about, false)),
        ConnectionStatus::ChooseOrganisation if outcomes.connected.is_some() => Some(messages::connected(about, true)),
        ConnectionStatus::Disconnected if outcomes.disconnected.is_some() => {
            Some(messages::disconnected(about, outcomes.left.as_deref(), outcomes.stopped.unwrap_or_default()))
        }
        ConnectionStatus::Connected
        | ConnectionStatus::ChooseOrganisation
        | ConnectionStatus::ReconnectRequired
        | ConnectionStatus::Disconnected => None,
    }
}
