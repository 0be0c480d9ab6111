//! `GET /settings/integrations`.

use axum::extract::{Query, State};
use axum::response::Response;
use coportal_aws::records::cards::Cards;
use coportal_core::connection::ConnectionStatus;
use coportal_core::ctx::Ctx;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_engine::connect::{ConnectionView, IntegrationView, OptionsPatch, OrganisationsView};
use coportal_lambda::authn::{Invocation, MemberWithCards, Principal};
use coportal_lambda::problem::{Refusal, status};
use coportal_pages::components::heading;
use coportal_pages::layout::{self, Section};
use http::StatusCode;
use maud::html;
use serde::Deserialize;

use crate::AppState;
use crate::cards::{Card, Refused, changeable};
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
    /// The ledger whose options were changed.
    #[serde(default)]
    saved: Option<String>,
    /// The switch that was pressed.
    #[serde(default)]
    option: Option<String>,
    /// The ledger that answered a test.
    #[serde(default)]
    tested: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    ms: Option<u64>,
    /// The ledger whose accounts and tax codes were chosen.
    #[serde(default)]
    chosen: Option<String>,
    /// The ledger whose company is to be changed.
    #[serde(default)]
    choose: Option<String>,
}

pub(crate) async fn integrations(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    member: Result<MemberWithCards, Refusal>,
    outcomes: Result<Query<Outcomes>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let outcomes = outcomes.map(|Query(outcomes)| outcomes).unwrap_or_default();
    let shown = match member {
        Ok(MemberWithCards(principal, cards)) => show(&state, &ctx, &principal, &cards, &outcomes, None).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    crate::layout::paged(shown, Section::Integrations)
}

/// The page again, with what was wrong beside its fields.
pub(crate) async fn refused(
    state: &AppState,
    ctx: &Ctx,
    principal: &Principal,
    ledger: Ledger,
    patch: &OptionsPatch,
    problem: &Problem,
) -> Outcome<Response> {
    let cards = state.shell.store().cards(ctx, principal.workspace.id).await?;
    show(state, ctx, principal, &cards, &Outcomes::default(), Some(&Refused { ledger, patch, problem })).await
}

async fn show(
    state: &AppState,
    ctx: &Ctx,
    principal: &Principal,
    read: &Cards,
    outcomes: &Outcomes,
    refused: Option<&Refused<'_>>,
) -> Outcome<Response> {
    let workspace = &principal.workspace;
    let viewer = viewer(principal);
    let views = state.engine.integrations_of(ctx, workspace, &principal.user, read).await?;
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
    let now = ctx.now();
    let main = html! {
        (heading("Integrations", "Connect the accounting system that your invoices belong in. CoPortal pushes to it; what is there already stays yours."))
        @if let Some(message) = &message { (banner(message)) }
        div.cards {
            @for (view, organisations) in &cards {
                (Card { view, organisations: organisations.as_ref(), refused, viewer, now }.render())
            }
        }
    };
    let page = layout::page("Integrations", Section::Integrations, viewer, &main);
    let status = refused.map_or(StatusCode::OK, |refused| status(refused.problem.kind));
    Ok(layout::answer(status, page, &state.engine.consent_origins()))
}

/// The message of a redirect. A ledger that is said to be connected and is not gets none: anybody can write a link.
fn message<'v>(outcomes: &Outcomes, mut views: impl Iterator<Item = &'v IntegrationView>) -> Option<Message> {
    if let Some(code) = &outcomes.connect_error {
        return Some(messages::connect_error(code));
    }
    let named = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Ledger>().ok());
    let [connected, disconnected, saved, tested, chosen] =
        [&outcomes.connected, &outcomes.disconnected, &outcomes.saved, &outcomes.tested, &outcomes.chosen].map(named);
    let about = connected.or(disconnected).or(saved).or(tested).or(chosen)?;
    let connection: &ConnectionView = views.find(|view| view.ledger == about)?.connection.as_ref()?;
    match connection.status {
        ConnectionStatus::Connected if connected.is_some() => Some(messages::connected(about, false)),
        ConnectionStatus::ChooseOrganisation if connected.is_some() => Some(messages::connected(about, true)),
        ConnectionStatus::Disconnected if disconnected.is_some() => {
            Some(messages::disconnected(about, outcomes.left.as_deref(), outcomes.stopped.unwrap_or_default()))
        }
        ConnectionStatus::Disconnected => None,
        _ if saved.is_some() => Some(messages::saved(about, outcomes.option.as_deref(), &connection.options)),
        ConnectionStatus::Connected if tested.is_some() => Some(messages::tested(about, connection, outcomes.ms)),
        ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired if chosen.is_some() => Some(messages::chosen(about)),
        ConnectionStatus::Connected | ConnectionStatus::ChooseOrganisation | ConnectionStatus::ReconnectRequired => None,
    }
}
