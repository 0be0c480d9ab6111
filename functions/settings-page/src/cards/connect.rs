//! The parts of a card that begin, change and end a connection.

use coportal_core::connection::ConnectionStatus;
use coportal_engine::connect::{Availability, ConnectionView, IntegrationView, OrganisationsView};
use coportal_pages::components::{Issues, csrf};
use coportal_pages::components::{Look, Tone, button, checkbox, fold, form, instant, notice, press, radio};
use coportal_pages::layout::Viewer;
use jiff::Timestamp;
use maud::{Markup, html};

use super::action;

/// The button that begins a connection that is not there, or is not whole.
pub(super) fn connect(view: &IntegrationView, live: Option<&ConnectionView>, viewer: Viewer<'_>) -> Markup {
    let label = view.label;
    let text = match live.map(|connection| connection.status) {
        Some(ConnectionStatus::ReconnectRequired) => format!("Reconnect {label}"),
        Some(ConnectionStatus::ChooseOrganisation) => return again(view, viewer),
        None | Some(ConnectionStatus::Disconnected | ConnectionStatus::Connected) => format!("Connect {label}"),
    };
    html! {
        @if possible(view) { (press(viewer, &action(view.ledger, "connect"), &text, Look::Primary)) }
        @else if live.is_none() { p { button type="button" disabled { (text) } } }
    }
}

/// Connecting once more, where there is no need to.
pub(super) fn again(view: &IntegrationView, viewer: Viewer<'_>) -> Markup {
    html! {
        @if possible(view) {
            form method="post" action=(action(view.ledger, "connect")) {
                (csrf(viewer))
                button.link type="submit" { "Reconnect or change organisation" }
            }
        }
    }
}

fn possible(view: &IntegrationView) -> bool {
    view.availability == Availability::Available && view.allowed
}

/// Whether another organisation of the same consent can be chosen.
pub(crate) fn changeable(view: &IntegrationView, live: Option<&ConnectionView>) -> bool {
    let connected = live.is_some_and(|connection| connection.status == ConnectionStatus::Connected);
    connected && view.capabilities.is_some_and(|capabilities| capabilities.change_organisation)
}

pub(super) fn confirmation(view: &IntegrationView, began_at: Timestamp, viewer: Viewer<'_>) -> Markup {
    let body = html! {
        p { "The sign-in that you started at " (instant(began_at)) " came back in another browser. If it was you, confirm; if not, do nothing, and it is thrown away within 30 minutes." }
        @if viewer.admin { (press(viewer, &action(view.ledger, "confirm"), &format!("Yes, connect {}", view.label), Look::Primary)) }
    };
    notice(Tone::Attention, &format!("Did you just sign in at {}?", view.label), &body)
}

pub(super) fn choice(view: &IntegrationView, organisations: &OrganisationsView, viewer: Viewer<'_>) -> Markup {
    html! {
        @if organisations.items.is_empty() {
            p { "The time to choose is over. Connect " (view.label) " again." }
        } @else if viewer.admin {
            (form(viewer, &action(view.ledger, "organisation"), &html! {
                fieldset {
                    legend { "Which organisation do invoices go to?" }
                    @for organisation in &organisations.items {
                        (organisation_choice(organisation))
                    }
                }
                (button("Use this organisation", Look::Primary))
            }))
        }
    }
}

fn organisation_choice(choice: &coportal_engine::connect::OrganisationChoice) -> Markup {
    let name = match &choice.organisation.environment {
        Some(environment) => format!("{} ({environment})", choice.organisation.name),
        None => choice.organisation.name.clone(),
    };
    let mut hints = Vec::new();
    if choice.chosen {
        hints.push("In use now.");
    }
    if choice.used_by_another_workspace {
        hints.push("Another CoPortal workspace is connected to it too.");
    }
    radio("organisation_id", &choice.organisation.id, &name, &hints.join(" "), choice.chosen)
}

pub(super) fn disconnect(view: &IntegrationView, connection: &ConnectionView, viewer: Viewer<'_>) -> Markup {
    let name = connection.organisation.as_ref().map_or(view.label, |organisation| organisation.name.as_str());
    let keep = format!("Connecting {name} again goes on where you left off.");
    let erase = "Connecting again starts anew and may create documents a second time.";
    let body = html! {
        p { "Waiting invoices stop, and the tokens are erased. Documents in " (name) " stay as they are." }
        (form(viewer, &action(view.ledger, "disconnect"), &html! {
            fieldset {
                legend { "Links between invoices and documents" }
                (radio("links", "keep", "Keep them", &keep, true))
                (radio("links", "erase", "Erase them", erase, false))
            }
            (checkbox("confirm", "yes", &format!("Yes, disconnect {}", view.label), "", false, Issues::default()))
            (button("Disconnect", Look::Danger))
        }))
    };
    fold("Disconnect", false, &body)
}
