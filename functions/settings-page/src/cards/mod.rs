//! The cards of Settings, Integrations.

mod connect;
mod options;

use coportal_core::connection::ConnectionStatus;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Problem;
use coportal_engine::connect::{Availability, ConnectionView, HealthLevel, IntegrationView, OptionsPatch, OrganisationsView};
use coportal_pages::components::{Look, Tone, ago, csrf, facts, fold, form, instant, press, problem_notice};
use coportal_pages::components::{button, pill as pill_of};
use coportal_pages::layout::Viewer;
use jiff::Timestamp;
use maud::{Markup, html};

pub(crate) use connect::changeable;

/// A change of options that was refused, to be shown again.
pub(crate) struct Refused<'a> {
    pub(crate) ledger: Ledger,
    pub(crate) patch: &'a OptionsPatch,
    pub(crate) problem: &'a Problem,
}

/// What a card is made of.
#[derive(Clone, Copy)]
pub(crate) struct Card<'a> {
    pub(crate) view: &'a IntegrationView,
    /// There while an organisation is to be chosen.
    pub(crate) organisations: Option<&'a OrganisationsView>,
    pub(crate) refused: Option<&'a Refused<'a>>,
    pub(crate) viewer: Viewer<'a>,
    pub(crate) now: Timestamp,
}

/// Where the form or page `what` of a ledger is.
pub(crate) fn action(ledger: Ledger, what: &str) -> String {
    format!("/settings/integrations/{ledger}/{what}")
}

impl Card<'_> {
    pub(crate) fn render(self) -> Markup {
        let Self { view, organisations, viewer, .. } = self;
        let (tone, words) = pill(view);
        let connection = view.connection.as_ref();
        let live = connection.filter(|connection| connection.status != ConnectionStatus::Disconnected);
        let body = html! {
            @if let Some(connection) = connection { (self.state(connection)) }
            @else { p.quiet { "Push sent invoices to " (view.label) " with their lines, tax and client." } }
            @if let (None, Some(notice)) = (live, view.notice) { p.quiet { strong { "Before you connect: " } (notice) } }
            @if let Some(parked) = &view.parked { (connect::confirmation(view, parked.began_at, viewer)) }
            (self.gate(live.is_some()))
            @if let (Some(organisations), Some(connection)) = (organisations, live) {
                @if connection.status != ConnectionStatus::ReconnectRequired { (connect::choice(view, organisations, viewer)) }
            }
            @if let Some(connection) = live { (self.switches(connection)) }
            @if viewer.admin {
                @if let Some(connection) = live.filter(|connection| connection.status == ConnectionStatus::Connected && view.allowed) {
                    (self.tools(connection))
                } @else {
                    (connect::connect(view, live, viewer))
                }
                @if let Some(connection) = live {
                    (self.more_options(connection))
                    (connect::disconnect(view, connection, viewer))
                }
            } @else {
                @if let Some(connection) = live { (self.more_options(connection)) }
                p.quiet { "Only admins and the owner of the workspace can change integrations." }
            }
        };
        coportal_pages::components::card(view.ledger.slug(), view.label, Some(pill_of(tone, words)), &body)
    }

    /// Why it cannot be connected, or no longer works, apart from the connection itself (R9, R146, R150).
    fn gate(self, live: bool) -> Markup {
        let Self { view, viewer, .. } = self;
        html! {
            @if view.availability == Availability::PendingApproval {
                p {
                    @if view.capabilities.is_some() { strong { "Waiting for platform approval. " } (view.label) " has not approved CoPortal's app yet, so it cannot be connected." }
                    @else { strong { "Not in this version. " } (view.label) " comes with a later version of CoPortal, so it cannot be connected." }
                    " Nothing is to be done here." @if !view.allowed { " It will need the " (view.plan_required.label()) " plan." }
                }
            } @else if !view.allowed {
                p { strong { (view.label) " is part of the " (view.plan_required.label()) " plan. " } "This workspace is on " (viewer.plan) ". Upgrade under Settings, Plan" @if live { "; links and choices are kept" } "." }
            }
        }
    }

    /// How the connection stands, in words.
    fn state(self, connection: &ConnectionView) -> Markup {
        let mut entries = Vec::new();
        if connection.status != ConnectionStatus::Disconnected {
            if let Some(organisation) = &connection.organisation {
                let environment = organisation.environment.as_deref();
                let name = html! {
                    (organisation.name)
                    @if let Some(environment) = environment {
                        " "
                        @if environment.eq_ignore_ascii_case("sandbox") { (pill_of(Tone::Attention, "Sandbox")) } @else { "(" (environment) ")" }
                    }
                };
                entries.push(("Organisation", name));
            }
            if let Some(at) = connection.connected_at {
                entries.push(("Connected", instant(at)));
            }
            let synced = html! {
                @if let Some(at) = connection.last_synced_at { (ago(self.now, at)) }
                @else if let Some(floor) = connection.not_synced_since { "not since " (instant(floor)) }
                @else { "never" }
            };
            entries.push(("Last synced", synced));
        }
        html! {
            p { (connection.health.text) @if let Some(fix) = &connection.health.fix { " " (fix) } }
            @if !entries.is_empty() { (facts(&entries)) }
        }
    }

    /// What an admin does with a connection: look at its choices, import, test.
    fn tools(self, live: &ConnectionView) -> Markup {
        let Self { view, viewer, .. } = self;
        let ledger = view.ledger;
        let import = match ledger {
            // R31, R32.
            Ledger::Sage => "Preview import",
            Ledger::BusinessCentral => "Import BC Customers",
            Ledger::Xero | Ledger::Quickbooks => "Import contacts",
        };
        html! {
            div.row {
                // Two clicks begin one reading.
                form method="post" action=(action(ledger, "import")) data-once { (csrf(viewer)) (button(import, Look::Plain)) }
                (press(viewer, &action(ledger, "test"), "Test", Look::Plain))
            }
            ul.links {
                li { a href=(action(ledger, "choices")) { "Accounts and tax" } }
                li { a href=(action(ledger, "drafts")) { "Approve drafts" } }
                // R17. The list is read from the ledger when it is asked for, never for the page itself.
                @if changeable(view, Some(live)) {
                    li { a href=(format!("/settings/integrations?choose={ledger}#{ledger}")) { "Change company" } }
                }
                li { (connect::again(view, viewer)) }
            }
        }
    }

    /// The other options, folded away, each with a sentence.
    fn more_options(self, connection: &ConnectionView) -> Markup {
        let Self { view, viewer, .. } = self;
        if !viewer.admin {
            return fold("Options", false, &options::told(view, &connection.options));
        }
        let refused = self.refused.filter(|refused| refused.ledger == view.ledger);
        let shown = refused.map_or_else(|| connection.options.clone(), |refused| refused.patch.over(&connection.options, view.ledger));
        let issues = refused.map(|refused| refused.problem.issues.as_slice()).unwrap_or_default();
        let body = html! {
            @if let Some(refused) = refused { (problem_notice(refused.problem, options::FIELDS)) }
            (form(viewer, &action(view.ledger, "options"), &html! {
                (options::fields(view, &shown, issues))
                (button("Save options", Look::Primary))
            }))
            (form(viewer, &action(view.ledger, "options"), &options::preset(shown.profile)))
        };
        fold("Other options", refused.is_some(), &body)
    }

    /// The two switches (R34-R37), as buttons that say how they stand: one press changes one of them.
    fn switches(self, connection: &ConnectionView) -> Markup {
        let Self { view, viewer, .. } = self;
        let switch = |name: &str, label: &str, on: bool, hint: &str| {
            let id = format!("{}-{name}", view.ledger.slug());
            html! {
                div.switch {
                    div {
                        p.title id=(id) { (label) }
                        p.hint id={ (id) "-hint" } { (hint) }
                    }
                    @if viewer.admin {
                        (form(viewer, &action(view.ledger, "options"), &html! {
                            button.toggle type="submit" role="switch" name=(name) value=(!on) aria-checked=(on) aria-labelledby=(id) aria-describedby={ (id) "-hint" } {
                                @if on { "On" } @else { "Off" }
                            }
                        }))
                    } @else { (pill_of(Tone::Neutral, if on { "On" } else { "Off" })) }
                }
            }
        };
        html! {
            (switch("auto_sync", "Auto-sync", connection.options.auto_sync, options::auto_sync(&connection.options)))
            (switch("sync_as_draft", "Sync as draft", connection.options.sync_as_draft, &options::sync_as_draft(view, &connection.options)))
        }
    }
}

fn pill(view: &IntegrationView) -> (Tone, &'static str) {
    match view.connection.as_ref().filter(|connection| connection.status != ConnectionStatus::Disconnected) {
        Some(connection) => match (connection.status, connection.health.level, connection.waits_until.is_some()) {
            (ConnectionStatus::ChooseOrganisation, ..) => (Tone::Attention, "Choose an organisation"),
            (ConnectionStatus::ReconnectRequired, ..) => (Tone::Stopped, "Reconnect"),
            (_, HealthLevel::Attention, true) => (Tone::Attention, "Waiting"),
            (_, HealthLevel::Stopped, _) => (Tone::Stopped, "Stopped"),
            (_, HealthLevel::Attention, false) => (Tone::Attention, "Connected"),
            (_, HealthLevel::Good, _) => (Tone::Good, "Connected"),
        },
        None if view.capabilities.is_none() => (Tone::Neutral, "Not in this version"),
        None if view.availability == Availability::PendingApproval => (Tone::Attention, "Pending approval"),
        None if !view.allowed => (Tone::Neutral, "Not in your plan"),
        None => (Tone::Neutral, "Not connected"),
    }
}
