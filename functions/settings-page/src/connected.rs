//! The ledgers that a page is about: those that are connected now.

use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::ctx::Ctx;
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_pages::components::empty;
use coportal_pages::layout::Section;
use maud::{Markup, html};

use crate::AppState;

/// The connections with an organisation; one whose grant is dead is among them, since what it did can still be read.
pub(crate) async fn connected(state: &AppState, ctx: &Ctx, ws: WorkspaceId) -> Outcome<Vec<Connection>> {
    let found = state.shell.store().connections(ctx, ws).await?.into_iter().map(|connection| connection.value);
    let usable = |connection: &Connection| matches!(connection.status, ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired);
    Ok(found.filter(usable).collect())
}

/// The connection that the query names, or the first; an unknown name is the first too, since a link may be old.
pub(crate) fn chosen<'c>(connections: &'c [Connection], asked: Option<&str>) -> Option<&'c Connection> {
    let named = asked.and_then(|asked| asked.parse::<Ledger>().ok());
    connections.iter().find(|connection| Some(connection.ledger) == named).or_else(|| connections.first())
}

/// One tab for each connected ledger; none where there is one alone.
pub(crate) fn tabs(section: Section, connections: &[Connection], chosen: Ledger) -> Markup {
    html! {
        @if connections.len() > 1 {
            nav.tabs aria-label="Ledgers" {
                @for connection in connections {
                    a href=(format!("{}?ledger={}", section.path(), connection.ledger)) aria-current=[(connection.ledger == chosen).then_some("page")] { (connection.ledger.label()) }
                }
            }
        }
    }
}

/// The organisation's name, or the ledger's.
pub(crate) fn organisation(connection: &Connection) -> &str {
    connection.organisation.as_ref().map_or(connection.ledger.label(), |organisation| organisation.name.as_str())
}

/// In place of a page that needs a connected ledger.
pub(crate) fn none_connected() -> Markup {
    empty(
        "No ledger is connected",
        &html! { p { a href=(Section::Integrations.path()) { "Connect one in Integrations" } ", and this page has something to show." } },
    )
}
