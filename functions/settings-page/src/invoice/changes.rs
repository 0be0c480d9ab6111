//! `GET /invoices/{id}/sync/{ledger}/changes`: what a sync would do, before it is done. It asks the ledger, so it has an address of its own.

use axum::extract::State;
use axum::response::Response;
use coportal_core::id::InvoiceId;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::money::Currency;
use coportal_core::pricing::Totals;
use coportal_core::problem::Problem;
use coportal_engine::sync::{ContactView, DryRun, SyncRequest};
use coportal_lambda::authn::{Invocation, Member};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::Refusal;
use coportal_lambda::telemetry::Note;
use coportal_pages::components::{Look, Tone, count, facts, notice, press, table};
use coportal_pages::layout::{Section, Viewer};
use maud::{Markup, html};

use super::panel::action;
use super::words;
use crate::AppState;
use crate::amounts;
use crate::answers::{page, shown, viewer};

pub(crate) async fn changes(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    member: Result<Member, Refusal>,
    path: Result<PathIds<(InvoiceId, Ledger)>, Refusal>,
) -> Response {
    let place = path.as_ref().ok().map(|PathIds(place)| *place);
    let show = async {
        let (Member(principal), PathIds((id, ledger))) = (member?, path?);
        note.invoice(id);
        note.ledger(ledger);
        let workspace = principal.workspace.id;
        let invoice = state.shell.store().invoice(workspace, id).await.map_err(Problem::from)?;
        let invoice = invoice.ok_or_else(|| Problem::not_found("invoice"))?;
        let asked = SyncRequest { workspace, invoice: id, ledger, actor: principal.actor() };
        let forecast = state.engine.dry_run(&ctx, asked).await?;
        note.vendor_calls(forecast.vendor_calls);
        let main = render(&invoice, ledger, &forecast, viewer(&principal));
        Ok(page(&format!("What would change in {}", ledger.label()), Section::Invoices, viewer(&principal), &main))
    };
    match place {
        Some((invoice, ledger)) => shown(show.await, (&format!("/invoices/{invoice}#{ledger}"), "Back to the invoice")),
        None => shown(show.await, ("/invoices", "All invoices")),
    }
}

fn render(invoice: &Invoice, ledger: Ledger, forecast: &DryRun, viewer: Viewer<'_>) -> Markup {
    let name = ledger.label();
    html! {
        p.crumb { a href=(format!("/invoices/{}#{ledger}", invoice.id)) { "Invoice " (invoice.number) } }
        h1 { "What would change in " (name) }
        p.lead { (will(forecast.action, name)) " Nothing has been written by looking." }
        @if let Some(hold) = &forecast.hold {
            (notice(Tone::Attention, words::question(hold.question), &html! {
                p { (hold.detail) }
                p.quiet { "A sync asks this on the invoice, with an answer to each button." }
            }))
        }
        (fields(forecast, name))
        h2 { "Client and totals" }
        (facts(&[("Contact", contact(&forecast.contact, name)), ("Calls to the ledger", html! { (count(u64::from(forecast.vendor_calls), "call", "calls")) })]))
        (totals(forecast, invoice.currency, name))
        (taxes(forecast, invoice))
        div.row {
            @if forecast.action != "nothing" { (press(viewer, &action(invoice.id, ledger, ""), "Sync now", Look::Primary)) }
            a.button href=(format!("/invoices/{}#{ledger}", invoice.id)) { "Back to the invoice" }
        }
    }
}

fn will(action: &str, name: &str) -> String {
    match action {
        "create" => format!("A new invoice would be made in {name}."),
        "update" => format!("The invoice in {name} would be changed."),
        "approve" => format!("The draft in {name} would be approved."),
        "void" => format!("The invoice in {name} would be voided."),
        "payment" => format!("A payment would be recorded in {name}."),
        "hold" => "A person would be asked one question first.".to_owned(),
        "settle" => format!("CoPortal would first look in {name} what became of an earlier write."),
        _ => format!("Nothing: {name} has this version already."),
    }
}

fn fields(forecast: &DryRun, name: &str) -> Markup {
    let rows: Vec<Markup> = forecast
        .fields
        .iter()
        .map(|change| {
            html! {
                tr {
                    th scope="row" { (change.field) }
                    td.text { @if change.in_ledger.is_empty() { span.quiet { "nothing" } } @else { (change.in_ledger) } }
                    td.text { @if change.to_send.is_empty() { span.quiet { "nothing" } } @else { strong { (change.to_send) } } }
                }
            }
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2 { "Field by field" }
            (table("fields", "Fields before and after", &["Field", &format!("In {name} now"), "After the sync"], &rows))
        }
    }
}

fn contact(contact: &ContactView, name: &str) -> Markup {
    let called = contact.name.as_deref().unwrap_or("the client");
    match contact.decision {
        "linked" => html! { "The client is linked to a contact there." },
        "link" => html! { (called) " is there already and would be linked." },
        "create" => html! { (called) " would be made in " (name) "." },
        "update" => html! { "The contact of " (called) " would be brought up to date." },
        _ => html! { "It is not known before the question is answered." },
    }
}

fn totals(forecast: &DryRun, currency: Currency, name: &str) -> Markup {
    let row = |label: &str, of: fn(&Totals) -> rust_decimal::Decimal| {
        let ours = &forecast.totals.coportal;
        html! {
            tr {
                th scope="row" { (label) }
                td.number { (amounts::bare(of(ours), currency)) }
                td.number { @match &forecast.totals.ledger { Some(theirs) => (amounts::bare(of(theirs), currency)), None => span.quiet { "not known yet" } } }
            }
        }
    };
    let rows = [row("Subtotal", |totals| totals.subtotal), row("Tax", |totals| totals.tax), row("Total", |totals| totals.total)];
    html! {
        (table("totals", "Totals on both sides", &["Sum", "In CoPortal", &format!("In {name}")], &rows))
        @if forecast.totals.ledger.is_some() {
            @if forecast.totals.equal { p.quiet { "Equal to the cent, in " (currency) "." } }
            @else { p { strong { "The two differ." } " A sync asks what to do before it sends anything." } }
        }
    }
}

fn taxes(forecast: &DryRun, invoice: &Invoice) -> Markup {
    let line = |pointer: &str| {
        let index: Option<usize> = pointer.rsplit('/').find_map(|part| part.parse().ok());
        index.and_then(|index| invoice.lines.get(index)).map_or(pointer, |line| line.description.as_str()).to_owned()
    };
    let rows: Vec<Markup> = forecast
        .tax
        .iter()
        .map(|tax| html! { tr { td.text { (line(&tax.pointer)) } td.number { (tax.rate) " %" } td { span.mono { (tax.code) } } } })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2 { "Tax codes" }
            (table("taxes", "The tax code of each line", &["Line", "Rate", "Code there"], &rows))
        }
    }
}
