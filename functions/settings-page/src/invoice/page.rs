//! `GET /invoices/{id}`: the address that documents in ledgers carry as their owner's mark.

use axum::extract::{Query, State};
use axum::response::Response;
use coportal_core::client::Client;
use coportal_core::ctx::Ctx;
use coportal_core::id::InvoiceId;
use coportal_core::invoice::{Invoice, InvoiceStatus, TaxMode};
use coportal_core::money::Money;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::TimelineEvent;
use coportal_core::workspace::TaxRounding;
use coportal_lambda::authn::{Invocation, Member, Principal};
use coportal_lambda::extract::{PathIds, sort_key_cursor};
use coportal_lambda::problem::Refusal;
use coportal_lambda::standings::{self, Standing};
use coportal_pages::components::{empty, facts, instant, more, table};
use coportal_pages::layout::{self, Section, Viewer};
use http::StatusCode;
use maud::{Markup, html};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::forms::Did;
use super::panel::panel;
use super::words;
use crate::AppState;
use crate::amounts;
use crate::answers::{shown, viewer};
use crate::names::Names;

/// Lines of the timeline on one page.
const LINES: i32 = 25;
/// How often the page is looked at anew while something is under way.
const EVERY: u8 = 5;

/// What a redirect, or the link to older lines, tells the page. Whatever else stands in the query is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default)]
    ledger: Option<String>,
    #[serde(default)]
    did: Option<String>,
    #[serde(default)]
    timeline: Option<String>,
}

/// What the page shows.
struct Seen {
    invoice: Invoice,
    client: Option<Client>,
    standings: Vec<Standing>,
    events: Vec<TimelineEvent>,
    names: Names,
    older: Option<String>,
}

pub(crate) async fn invoice(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    member: Result<Member, Refusal>,
    path: Result<PathIds<InvoiceId>, Refusal>,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let show = async {
        let (Member(principal), PathIds(id)) = (member?, path?);
        let seen = read(&state, &ctx, &principal, id, sort_key_cursor(query.timeline.as_deref())?).await?;
        Ok(render(&principal, &seen, &query))
    };
    shown(show.await, ("/invoices", "All invoices"))
}

async fn read(state: &AppState, ctx: &Ctx, principal: &Principal, id: InvoiceId, after: Option<&str>) -> Outcome<Seen> {
    let (store, ws) = (state.shell.store(), principal.workspace.id);
    let invoice = store.invoice(ws, id).await?.ok_or_else(|| Problem::not_found("invoice"))?;
    let client = store.client(ws, invoice.client_id).await?.map(|client| client.value);
    let standings = standings::of_invoice(store, ctx, ws, &invoice).await?;
    let timeline = store.timeline(ctx, ws, id, LINES, after).await?;
    let names = Names::of(state, ctx, principal, timeline.items.iter().map(|event| &event.actor)).await?;
    Ok(Seen { invoice, client, standings, events: timeline.items, names, older: timeline.next })
}

fn render(principal: &Principal, seen: &Seen, query: &PageQuery) -> Response {
    let viewer = viewer(principal);
    let invoice = &seen.invoice;
    let title = format!("Invoice {}", invoice.number);
    let message = query.did.as_deref().zip(query.ledger.as_deref()).and_then(|(did, ledger)| Did::said(did, ledger, &seen.standings));
    let under_way = |standing: &Standing| {
        standing.row.as_ref().is_some_and(|row| matches!(row.state, SyncState::Queued | SyncState::Syncing | SyncState::Uncertain))
    };
    let refresh = seen.standings.iter().any(under_way).then_some(EVERY);
    let main = html! {
        header.page-head data-reload=[refresh] {
            h1 { (title) }
            (words::status_pill(invoice.status))
        }
        @if let Some(message) = message { (message) }
        (head(seen, principal.workspace.tax_rounding))
        (lines(invoice, principal.workspace.tax_rounding))
        h2 { "In your ledgers" }
        (panels(principal, seen, viewer))
        h2 #timeline { "Timeline" }
        (timeline(seen))
    };
    layout::answer(StatusCode::OK, layout::page_in_progress(&title, Section::Invoices, viewer, refresh, &main), &[])
}

fn head(seen: &Seen, rounding: TaxRounding) -> Markup {
    let invoice = &seen.invoice;
    let totals = invoice.totals(rounding);
    let money = |amount: Decimal| amounts::money(Money::new(amount, invoice.currency));
    let client = match &seen.client {
        Some(client) => html! { a href=(format!("/clients/{}", client.id)) { (client.name) } },
        None => html! { "a client that is no longer there" },
    };
    let mut entries = vec![("Client", client), ("Issued", amounts::day(invoice.issue_date))];
    if let Some(due) = invoice.due_date {
        entries.push(("Due", amounts::day(due)));
    }
    entries.push(("Total", html! { strong { (money(totals.total)) } }));
    let outstanding = totals.total - invoice.paid();
    match invoice.status {
        InvoiceStatus::Sent if !invoice.payments.is_empty() => {
            entries.push(("Outstanding", html! { (money(outstanding)) }));
        }
        InvoiceStatus::Paid => entries.push(("Outstanding", html! { (money(Decimal::ZERO)) })),
        InvoiceStatus::Draft | InvoiceStatus::Sent | InvoiceStatus::Void => {}
    }
    facts(&entries)
}

fn lines(invoice: &Invoice, rounding: TaxRounding) -> Markup {
    let currency = invoice.currency;
    let totals = invoice.totals(rounding);
    let discounted = invoice.lines.iter().any(|line| line.discount_percent.is_some_and(|percent| !percent.is_zero()));
    let prices = match invoice.tax_mode {
        TaxMode::Exclusive => "without tax",
        TaxMode::Inclusive => "with tax",
    };
    let mut columns = vec!["Description", "Quantity", "Unit price", "Tax rate", "Amount"];
    if discounted {
        columns.insert(3, "Discount");
    }
    let percent = |number: Decimal| format!("{} %", amounts::plain(number));
    let mut rows: Vec<Markup> = Vec::new();
    for line in &invoice.lines {
        rows.push(html! {
            tr {
                td.text { (line.description) }
                td.number { (amounts::plain(line.quantity)) }
                td.number { (amounts::unit_price(line.unit_price, currency)) }
                @if discounted { td.number { @if let Some(discount) = line.discount_percent { (percent(discount)) } } }
                td.number { @match line.tax_rate { Some(rate) => (percent(rate.percent())), None => span.quiet { "set when sent" } } }
                td.number { (amounts::bare(line.priced().amount(currency), currency)) }
            }
        });
    }
    let span = columns.len() - 1;
    for (name, amount) in [("Subtotal", totals.subtotal), ("Tax", totals.tax), ("Total", totals.total)] {
        rows.push(html! {
            tr.sum {
                th scope="row" colspan=(span) { (name) }
                td.number { (amounts::bare(amount, currency)) }
            }
        });
    }
    html! {
        h2 { "Lines" }
        p.quiet { "Amounts in " (currency) ", prices " (prices) "." }
        (table("lines", "The invoice's lines and totals", &columns, &rows))
    }
}

fn panels(principal: &Principal, seen: &Seen, viewer: Viewer<'_>) -> Markup {
    if seen.standings.is_empty() {
        let next = html! {
            @if viewer.admin { p { a href="/settings/integrations" { "Connect a ledger" } ", and sent invoices go there with one click or by themselves." } }
            @else { p { "Ask an admin of the workspace to connect one in Settings, Integrations." } }
        };
        return empty("No ledger is connected", &next);
    }
    html! {
        div.cards {
            @for standing in &seen.standings { (panel(&principal.workspace, &seen.invoice, standing, viewer)) }
        }
    }
}

/// The lines, newest first, without those that the line above them says again: a refusal, and the end that followed from it at once.
fn told_once(events: &[TimelineEvent]) -> impl Iterator<Item = &TimelineEvent> {
    let above = std::iter::once(None).chain(events.iter().map(Some));
    events.iter().zip(above).filter_map(|(event, above)| {
        let again = above.is_some_and(|above| {
            (event.step.as_ref(), above.step.as_ref()) == ("refused", "failed") && event.text == above.text && event.ledger == above.ledger
        });
        (!again).then_some(event)
    })
}

fn timeline(seen: &Seen) -> Markup {
    if seen.events.is_empty() {
        return empty(
            "Nothing has happened yet",
            &html! { p { "Every sync, question and answer of this invoice is told here, and why nothing happened." } },
        );
    }
    let older = seen.older.as_ref().and_then(|cursor| serde_urlencoded::to_string([("timeline", cursor)]).ok());
    let older = older.map(|query| format!("/invoices/{}?{query}#timeline", seen.invoice.id));
    html! {
        ol.timeline {
            @for event in told_once(&seen.events) {
                li {
                    p.when {
                        (instant(event.at))
                        @if let Some(ledger) = event.ledger { " · " (ledger.label()) }
                        " · " (seen.names.actor(&event.actor))
                    }
                    p { (event.text) }
                    @if let Some(id) = &event.vendor_request_id {
                        p.quiet { "The ledger's id of the request, for its support: " span.mono { (id) } }
                    }
                }
            }
        }
        (more(older.as_deref(), "Older"))
    }
}
