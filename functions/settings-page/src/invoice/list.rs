//! `GET /invoices`: newest first, with how each stands in the connected ledgers.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use coportal_core::client::Client;
use coportal_core::id::{ClientId, InvoiceId};
use coportal_core::invoice::Invoice;
use coportal_core::money::Money;
use coportal_core::problem::Problem;
use coportal_core::workspace::TaxRounding;
use coportal_lambda::authn::{Invocation, Member};
use coportal_lambda::extract::{PageQuery, QueryOf, cursor, page_limit};
use coportal_lambda::problem::Refusal;
use coportal_lambda::standings::{self, Standing};
use coportal_pages::components::{empty, heading, more, pill, table};
use coportal_pages::layout::Section;
use maud::{Markup, html};

use super::words;
use crate::AppState;
use crate::amounts;
use crate::answers::{page, shown, viewer};

pub(crate) async fn invoices(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    member: Result<Member, Refusal>,
    query: Result<QueryOf<PageQuery>, Refusal>,
) -> Response {
    let show = async {
        let (Member(principal), QueryOf(query)) = (member?, query?);
        let (store, workspace) = (state.shell.store(), &principal.workspace);
        let after: Option<InvoiceId> = cursor(query.cursor.as_deref())?;
        let listed = store.invoices(workspace.id, after, page_limit(query.limit)?).await.map_err(Problem::from)?;
        let standings = standings::of_invoices(store, &ctx, workspace.id, &listed.items).await?;
        let clients = listed.items.iter().map(|invoice| invoice.client_id);
        let clients = store.clients_by_id(&ctx, workspace.id, clients).await.map_err(Problem::from)?;
        let main = html! {
            (heading("Invoices", "Newest first, with how each stands in your ledgers. Open one to sync it or to see what happened."))
            @if listed.items.is_empty() {
                @if after.is_none() {
                    (empty("No invoices yet", &html! { p { "Write an invoice in CoPortal and send it to its client. It is listed here, and goes to your ledgers from here." } }))
                } @else {
                    (empty("That was all", &html! { p { a href="/invoices" { "Back to the newest invoices" } } }))
                }
            } @else {
                (list(&listed.items, &standings, &clients, workspace.tax_rounding))
                (more(listed.next.as_ref().map(|next| format!("/invoices?cursor={next}")).as_deref(), "Older invoices"))
            }
        };
        Ok(page("Invoices", Section::Invoices, viewer(&principal), &main))
    };
    shown(show.await, ("/invoices", "All invoices"))
}

/// The table of invoices, also on a client's page.
pub(crate) fn list(
    invoices: &[Invoice],
    standings: &[Vec<Standing>],
    clients: &BTreeMap<ClientId, Client>,
    rounding: TaxRounding,
) -> Markup {
    let rows: Vec<Markup> = invoices
        .iter()
        .zip(standings)
        .map(|(invoice, standings)| {
            let total = Money::new(invoice.totals(rounding).total, invoice.currency);
            html! {
                tr {
                    th scope="row" { a href=(format!("/invoices/{}", invoice.id)) { (invoice.number) } }
                    td { @if let Some(client) = clients.get(&invoice.client_id) { (client.name) } }
                    td.date { (amounts::day(invoice.issue_date)) }
                    td { (words::status_pill(invoice.status)) }
                    td.number { (amounts::money(total)) }
                    td { (stands(standings)) }
                }
            }
        })
        .collect();
    table("invoices", "Invoices, newest first", &["Number", "Client", "Issued", "Status", "Total", "Ledgers"], &rows)
}

fn stands(standings: &[Standing]) -> Markup {
    html! {
        @for standing in standings {
            @let (tone, word) = words::state_word(standing.row.as_ref().map_or_else(Default::default, |row| row.state));
            span.stand { (standing.connection.ledger.label()) " " (pill(tone, word)) }
        }
        @if standings.is_empty() { span.quiet { "none connected" } }
    }
}
