//! The cards of Settings, Integrations.

use coportal_core::connection::{
    ConnectionStatus, ContactUpdate, ItemPolicy, MatchBy, NameClash, NumberPolicy, OnVoid, Options, Payments, Profile, Rounding, SyncOn,
};
use coportal_core::ledger::{DraftMeaning, Ledger};
use coportal_engine::connect::{Availability, ConnectionView, HealthLevel, IntegrationView, OrganisationsView};
use coportal_pages::components::{csrf, instant};
use coportal_pages::layout::Viewer;
use jiff::Timestamp;
use maud::{Markup, html};

/// One card. `organisations` is there while one is to be chosen.
pub(crate) fn card(view: &IntegrationView, organisations: Option<&OrganisationsView>, viewer: Viewer<'_>) -> Markup {
    let slug = view.ledger.slug();
    let (pill, class) = pill(view);
    let connection = view.connection.as_ref();
    let live = connection.filter(|connection| connection.status != ConnectionStatus::Disconnected);
    html! {
        section.card id=(slug) aria-labelledby={ (slug) "-name" } {
            header {
                h2 id={ (slug) "-name" } { (view.label) }
                span class={ "pill " (class) } { (pill) }
            }
            @if let Some(connection) = connection { (state(connection)) }
            @else { p.quiet { "Push sent invoices to " (view.label) " with their lines, tax and client." } }
            @if let (None, Some(notice)) = (live, view.notice) { p.quiet { strong { "Before you connect: " } (notice) } }
            @if let Some(parked) = &view.parked { (confirmation(view, parked.began_at, viewer)) }
            @if view.availability == Availability::PendingApproval {
                p {
                    @if view.capabilities.is_some() { strong { "Waiting for platform approval. " } (view.label) " has not approved CoPortal's app yet, so it cannot be connected." }
                    @else { strong { "Not in this version. " } (view.label) " comes with a later version of CoPortal, so it cannot be connected." }
                    " Nothing is to be done here." @if !view.allowed { " It will need the " (view.plan_required.label()) " plan." }
                }
            } @else if !view.allowed {
                p { strong { (view.label) " is part of the " (view.plan_required.label()) " plan. " } "This workspace is on " (viewer.plan) ". Upgrade under Settings, Plan" @if live.is_some() { "; links and choices are kept" } "." }
            }
            @if let (Some(organisations), Some(connection)) = (organisations, live) {
                @if connection.status != ConnectionStatus::ReconnectRequired { (choice(view, organisations, viewer)) }
            }
            @if let Some(connection) = live { (options(view, &connection.options)) }
            @if !viewer.admin {
                p.quiet { "Only admins and the owner of the workspace can change integrations." }
            } @else {
                (connect(view, live, viewer))
                @if let Some(connection) = live { (disconnect(view, connection, viewer)) }
            }
        }
    }
}

fn pill(view: &IntegrationView) -> (&'static str, &'static str) {
    match view.connection.as_ref().filter(|connection| connection.status != ConnectionStatus::Disconnected) {
        Some(connection) => match (connection.status, connection.health.level) {
            (ConnectionStatus::ChooseOrganisation, _) => ("Choose an organisation", "attention"),
            (ConnectionStatus::ReconnectRequired, _) => ("Reconnect", "stopped"),
            (_, HealthLevel::Stopped) => ("Stopped", "stopped"),
            (_, HealthLevel::Attention) => ("Connected", "attention"),
            (_, HealthLevel::Good) => ("Connected", "good"),
        },
        None if view.capabilities.is_none() => ("Not in this version", ""),
        None if view.availability == Availability::PendingApproval => ("Pending approval", "attention"),
        None if !view.allowed => ("Not in your plan", ""),
        None => ("Not connected", ""),
    }
}

fn state(connection: &ConnectionView) -> Markup {
    html! {
        p { (connection.health.text) @if let Some(fix) = &connection.health.fix { " " (fix) } }
        @if connection.status != ConnectionStatus::Disconnected {
            dl.facts {
                @if let Some(organisation) = &connection.organisation {
                    dt { "Organisation" }
                    dd {
                        (organisation.name)
                        @if let Some(environment) = &organisation.environment {
                            " "
                            @if environment.eq_ignore_ascii_case("sandbox") { span.pill.attention { "Sandbox" } }
                            @else { "(" (environment) ")" }
                        }
                    }
                }
                @if let Some(at) = connection.connected_at { dt { "Connected" } dd { (instant(at)) } }
                dt { "Last synced" }
                dd { @if let Some(at) = connection.last_synced_at { (instant(at)) } @else { "never" } }
            }
        }
    }
}

fn action(ledger: Ledger, what: &str) -> String {
    format!("/settings/integrations/{ledger}/{what}")
}

fn connect(view: &IntegrationView, live: Option<&ConnectionView>, viewer: Viewer<'_>) -> Markup {
    let possible = view.availability == Availability::Available && view.allowed;
    let label = view.label;
    let (text, main) = match live.map(|connection| connection.status) {
        None | Some(ConnectionStatus::Disconnected) => (format!("Connect {label}"), true),
        Some(ConnectionStatus::ReconnectRequired) => (format!("Reconnect {label}"), true),
        Some(ConnectionStatus::Connected | ConnectionStatus::ChooseOrganisation) => ("Reconnect or change organisation".to_owned(), false),
    };
    html! {
        @if possible {
            form method="post" action=(action(view.ledger, "connect")) {
                (csrf(viewer))
                button.primary[main] type="submit" { (text) }
            }
            // R17. The list is read from the ledger when it is asked for, never for the page itself.
            @if changeable(view, live) {
                p { a href=(format!("/settings/integrations?choose={}#{}", view.ledger, view.ledger)) { "Change company" } }
            }
        } @else if live.is_none() {
            p { button type="button" disabled { (text) } }
        }
    }
}

/// Whether another organisation of the same consent can be chosen.
pub(crate) fn changeable(view: &IntegrationView, live: Option<&ConnectionView>) -> bool {
    let connected = live.is_some_and(|connection| connection.status == ConnectionStatus::Connected);
    connected && view.capabilities.is_some_and(|capabilities| capabilities.change_organisation)
}

fn confirmation(view: &IntegrationView, began_at: Timestamp, viewer: Viewer<'_>) -> Markup {
    html! {
        div.notice.attention role="alert" {
            p.title { "Did you just sign in at " (view.label) "?" }
            p { "The sign-in that you started at " (instant(began_at)) " came back in another browser. If it was you, confirm; if not, do nothing, and it is thrown away within 30 minutes." }
            @if viewer.admin {
                form method="post" action=(action(view.ledger, "confirm")) {
                    (csrf(viewer))
                    button.primary type="submit" { "Yes, connect " (view.label) }
                }
            }
        }
    }
}

fn choice(view: &IntegrationView, organisations: &OrganisationsView, viewer: Viewer<'_>) -> Markup {
    html! {
        @if organisations.items.is_empty() {
            p { "The time to choose is over. Connect " (view.label) " again." }
        } @else if viewer.admin {
            form method="post" action=(action(view.ledger, "organisation")) {
                (csrf(viewer))
                fieldset {
                    legend { "Which organisation do invoices go to?" }
                    @for organisation in &organisations.items {
                        label.tick {
                            input type="radio" name="organisation_id" value=(organisation.organisation.id) checked[organisation.chosen] required;
                            span {
                                (organisation.organisation.name)
                                @if let Some(environment) = &organisation.organisation.environment { " (" (environment) ")" }
                                @if organisation.chosen { small { "In use now." } }
                                @if organisation.used_by_another_workspace { small { "Another CoPortal workspace is connected to it too." } }
                            }
                        }
                    }
                }
                button.primary type="submit" { "Use this organisation" }
            }
        }
    }
}

fn options(view: &IntegrationView, options: &Options) -> Markup {
    let Options {
        auto_sync,
        sync_as_draft,
        profile,
        payments,
        on_void,
        match_by,
        name_only_ok,
        name_clash,
        number,
        rounding,
        contact_update,
        item,
        also_draft_source,
        sync_on,
    } = options;
    let way = |way: &MatchBy| match way {
        MatchBy::Email => "email",
        MatchBy::Name => "name",
    };
    let matched: Vec<&str> = match_by.iter().map(way).collect();
    let held = view.capabilities.is_some_and(|capabilities| capabilities.draft == DraftMeaning::Held);
    html! {
        details {
            summary { "Options" }
            dl.facts {
                dt { "Auto-sync" }
                dd { @match (auto_sync, sync_on) { (false, _) => "off: invoices sync when somebody presses Sync", (true, SyncOn::Sent) => "on, when an invoice is sent or changes status", (true, SyncOn::Created) => "on, from the moment an invoice is created" } }
                dt { "Sync as draft" }
                dd { @match (sync_as_draft, held) { (true, false) => "on: invoices arrive as drafts", (true, true) => (format!("on: {} has no drafts, so CoPortal holds invoices until you press Post", view.label)), (false, true) => "off: invoices are created unsent, which posts to your books", (false, false) => "off: invoices arrive approved" } }
                dt { "Invoices taken" }
                dd { @if *also_draft_source { "draft, sent and paid" } @else { "sent and paid" } }
                dt { "Contacts" }
                dd { "matched by " (matched.join(", then ")) @if *name_only_ok { "; a name alone is enough" } "; " (match name_clash { NameClash::Hold => "a taken name asks you", NameClash::Suffix => "a taken name gets the address added", NameClash::Fail => "a taken name fails" }) }
                dt { "Contact details" }
                dd { (match contact_update { ContactUpdate::FillBlanks => "fill what is blank", ContactUpdate::Overwrite => "ours replace theirs", ContactUpdate::Never => "left alone" }) }
                dt { "Number" }
                dd { (match number { NumberPolicy::Both => "as number and as reference", NumberPolicy::ReferenceOnly => "as reference only", NumberPolicy::LedgerAssigns => "the ledger's own" }) }
                dt { "Cents that differ" }
                dd { (match rounding { Rounding::Hold => "ask you first", Rounding::Line => "a rounding line of at most 5 cents" }) }
                @if *item == ItemPolicy::Mapped { dt { "Items" } dd { "by product: each line's text has an item of its own" } }
                dt { "Payments" }
                dd { (match payments { Payments::None => "not pushed", Payments::Push => "pushed" }) }
                dt { "Void here" }
                dd { (match on_void { OnVoid::None => "asks you", OnVoid::Void => "voids there", OnVoid::Delete => "deletes there" }) }
                dt { "Profile" }
                dd { (match profile { Profile::Coportal => "CoPortal", Profile::Copilot => "Copilot", Profile::Copper => "Copper (view only)" }) }
            }
        }
    }
}

fn disconnect(view: &IntegrationView, connection: &ConnectionView, viewer: Viewer<'_>) -> Markup {
    let name = connection.organisation.as_ref().map_or(view.label, |organisation| organisation.name.as_str());
    html! {
        details {
            summary { "Disconnect" }
            form method="post" action=(action(view.ledger, "disconnect")) {
                (csrf(viewer))
                p { "Waiting invoices stop, and the tokens are erased. Documents in " (name) " stay as they are." }
                fieldset {
                    legend { "Links between invoices and documents" }
                    label.tick { input type="radio" name="links" value="keep" checked; span { "Keep them" small { "Connecting " (name) " again goes on where you left off." } } }
                    label.tick { input type="radio" name="links" value="erase"; span { "Erase them" small { "Connecting again starts anew and may create documents a second time." } } }
                }
                label.tick { input type="checkbox" name="confirm" value="yes" required; span { "Yes, disconnect " (view.label) } }
                button.danger type="submit" { "Disconnect" }
            }
        }
    }
}
