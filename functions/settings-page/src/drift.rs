//! Changes there: what somebody changed in a ledger of documents that CoPortal sent, and a person's word about each.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use coportal_core::connection::Connection;
use coportal_core::id::InvoiceId;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::drift::{DriftKind, Drifted};
use coportal_engine::jobs::DriftState;
use coportal_engine::sync::{KeepSide, SyncEnd, SyncRequest};
use coportal_lambda::authn::{Admin, AdminForm, Invocation, Principal};
use coportal_lambda::extract::{PathIds, cursor};
use coportal_lambda::problem::Refusal;
use coportal_lambda::telemetry::Note;
use coportal_pages::components::{Look, Tone, button, empty, fix, form, heading, instant, more, notice, press, table};
use coportal_pages::layout::{Section, Viewer};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use crate::AppState;
use crate::answers::{page, see_other, shown, viewer};
use crate::connected::{chosen, connected, none_connected, organisation, tabs};

/// Entries of one page.
const PAGE: u32 = 25;

/// Which ledger, where its list goes on, and what a form came to.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct DriftQuery {
    #[serde(default)]
    ledger: Option<String>,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    kept: Option<String>,
    #[serde(default)]
    asked: Option<String>,
}

pub(crate) async fn drift(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    admin: Result<Admin, Refusal>,
    query: Result<Query<DriftQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let show = async {
        let Admin(principal) = admin?;
        let after: Option<InvoiceId> = cursor(query.cursor.as_deref())?;
        let ws = principal.workspace.id;
        let connections = connected(&state, &ctx, ws).await?;
        let viewer = viewer(&principal);
        let about = chosen(&connections, query.ledger.as_deref());
        let listed = match about {
            None => html! { (none_connected()) },
            Some(connection) => {
                let found = state.engine.drifts(&ctx, ws, connection.ledger, PAGE, after).await?;
                let named = found.items.iter().map(|drifted| drifted.inv);
                let invoices = state.shell.store().invoices_by_id(&ctx, ws, named).await.map_err(Problem::from)?;
                let next = found.next.map(|next| format!("/settings/drift?ledger={}&cursor={next}", connection.ledger));
                html! {
                    (tabs(Section::Drift, &connections, connection.ledger))
                    @if let Some(told) = told(&query, connection.ledger) { (told) }
                    (checks(connection, &found.state, ctx.now(), viewer))
                    @if found.items.is_empty() { (nothing(connection, &found.state)) }
                    @else {
                        div.stack { @for drifted in &found.items { (entry(connection, drifted, &invoices, viewer)) } }
                        (more(next.as_deref(), "More"))
                    }
                }
            }
        };
        let main = html! {
            (heading("Changes there", "What somebody changed in the ledger on invoices that CoPortal sent. Nothing is overwritten without your word."))
            (listed)
        };
        Ok(page("Changes there", Section::Drift, viewer, &main))
    };
    shown(show.await, ("/settings/integrations", "Back to Integrations"))
}

fn told(query: &DriftQuery, ledger: Ledger) -> Option<Markup> {
    let name = ledger.label();
    if query.asked.is_some() {
        return Some(notice(
            Tone::Neutral,
            "The books are being compared",
            &html! { p { "Reload this page in a moment to see what was found." } },
        ));
    }
    let (title, text) = match query.kept.as_deref()? {
        "ours" => ("Put back as it is here", format!("{name} has CoPortal's values again.")),
        "theirs" => ("Left as it is there", format!("CoPortal accepts what stands in {name}, and merges later changes into it.")),
        _ => return None,
    };
    Some(notice(Tone::Good, title, &html! { p { (text) } }))
}

fn checks(connection: &Connection, state: &DriftState, now: Timestamp, viewer: Viewer<'_>) -> Markup {
    let label = connection.ledger.label();
    let under_way = state.due_at.is_some_and(|due| due <= now);
    html! {
        div.toolbar {
            p {
                @match state.checked_at {
                    Some(at) => { (organisation(connection)) " was last compared on " (instant(at)) "." }
                    None => { (organisation(connection)) " has not been compared yet." }
                }
                @if under_way { " A comparison is under way." }
                @else if let Some(due) = state.due_at { " The next one is due on " (instant(due)) "." }
                @else { " While auto-sync is on, it is compared every hour." }
            }
            (press(viewer, &format!("/settings/drift/{}", connection.ledger), "Compare now", Look::Plain))
        }
        @if let Some(problem) = &state.problem {
            (notice(Tone::Attention, &format!("The last comparison with {label} did not come to its end"), &html! { p { (problem.detail) } (fix(&problem.fix)) }))
        }
    }
}

fn nothing(connection: &Connection, state: &DriftState) -> Markup {
    let label = connection.ledger.label();
    if state.checked_at.is_none() {
        return empty(
            "Not compared yet",
            &html! { p { "Press Compare now. CoPortal reads what changed in " (label) " and lists what it did not write itself." } },
        );
    }
    empty("Nothing was changed there", &html! { p { "Every document that CoPortal sent to " (label) " stands there as it was sent." } })
}

fn kind(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::Voided => "voided there",
        DriftKind::Deleted => "deleted there",
        DriftKind::Paid => "paid or credited there",
        DriftKind::Renumbered => "given another number there",
        DriftKind::ContactChanged => "moved to another contact there",
        DriftKind::Changed => "changed there",
    }
}

fn entry(connection: &Connection, drifted: &Drifted, invoices: &BTreeMap<InvoiceId, Invoice>, viewer: Viewer<'_>) -> Markup {
    let ledger = connection.ledger;
    let label = ledger.label();
    let number = invoices.get(&drifted.inv).map_or("An invoice", |invoice| invoice.number.as_str());
    let kinds: Vec<&str> = drifted.kinds.iter().copied().map(kind).collect();
    let heading = format!("drift-{}", drifted.inv);
    let drift = drifted.drift();
    let (undone, gone, digest) = (drift.can_be_undone(), drift.is_gone(), drift.digest());
    let action = format!("/settings/drift/{ledger}/{}", drifted.inv);
    html! {
        section.card aria-labelledby=(heading) {
            header { h2 id=(heading) { a href=(format!("/invoices/{}#{ledger}", drifted.inv)) { (number) } " was " (kinds.join(" and ")) } }
            p.quiet {
                "Seen on " (instant(drifted.seen_at)) "."
                @if let Some(url) = &drifted.external_url {
                    " " a href=(url) rel="noreferrer noopener" target="_blank" { "Open " (drifted.external_number.as_deref().unwrap_or(number)) " in " (label) span.sr-only { ", in a new tab" } }
                }
            }
            @if !drifted.differences.is_empty() {
                @let rows: Vec<Markup> = drifted.differences.iter().map(|change| html! {
                    tr { th scope="row" { (change.field) } td.text { (change.in_ledger) } td.text { (change.to_send) } }
                }).collect();
                (table(&format!("{heading}-fields"), &format!("What differs of {number}"), &["Field", &format!("In {label}"), "As CoPortal sent it"], &rows))
            }
            div.row {
                @if undone {
                    (keep(viewer, &action, &digest, "ours", if gone { "Make it again" } else { "Put ours back" }))
                }
                (keep(viewer, &action, &digest, "theirs", "Keep theirs"))
            }
        }
    }
}

fn keep(viewer: Viewer<'_>, action: &str, digest: &str, side: &str, label: &str) -> Markup {
    form(
        viewer,
        action,
        &html! { input type="hidden" name="keep" value=(side); input type="hidden" name="digest" value=(digest); (button(label, Look::Plain)) },
    )
}

fn back(ledger: Option<Ledger>) -> String {
    ledger.map_or_else(|| "/settings/drift".to_owned(), |ledger| format!("/settings/drift?ledger={ledger}"))
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {}

/// Has the books compared now.
pub(crate) async fn check(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let place = path.as_ref().ok().map(|PathIds(ledger)| *ledger);
    let run = async {
        let (AdminForm { principal, .. }, PathIds(ledger)) = (form?, path?);
        note.ledger(ledger);
        state.engine.check_drift(&ctx, principal.workspace.id, ledger).await?;
        Ok(see_other(&format!("/settings/drift?ledger={ledger}&asked=yes"))?)
    };
    shown(run.await, (&back(place), "Back to the changes"))
}

/// Whose values stay.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keep {
    keep: KeepSide,
    /// Of what the page showed.
    digest: String,
}

/// Keeps ours, or theirs.
pub(crate) async fn answer(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Result<PathIds<(Ledger, InvoiceId)>, Refusal>,
    form: Result<AdminForm<Keep>, Refusal>,
) -> Response {
    let place = path.as_ref().ok().map(|PathIds((ledger, _))| *ledger);
    let run = async {
        let (AdminForm { principal, form }, PathIds((ledger, invoice))) = (form?, path?);
        note.invoice(invoice);
        note.ledger(ledger);
        let end = state.engine.keep_drift(&ctx, request(&principal, invoice, ledger), form.keep, Some(&form.digest)).await?;
        Ok(ended(&end, invoice, ledger, form.keep)?)
    };
    shown(run.await, (&back(place), "Back to the changes"))
}

fn request(principal: &Principal, invoice: InvoiceId, ledger: Ledger) -> SyncRequest {
    SyncRequest { workspace: principal.workspace.id, invoice, ledger, actor: principal.actor() }
}

/// What was settled is told here; what was not is told by the invoice's own page.
fn ended(end: &SyncEnd, invoice: InvoiceId, ledger: Ledger, keep: KeepSide) -> Outcome<Response> {
    let side = match keep {
        KeepSide::Ours => "ours",
        KeepSide::Theirs => "theirs",
    };
    match end {
        SyncEnd::Synced(_) => see_other(&format!("/settings/drift?ledger={ledger}&kept={side}")),
        SyncEnd::Waiting { .. } | SyncEnd::InProgress { .. } | SyncEnd::Held(_) | SyncEnd::Failed(_) => {
            see_other(&format!("/invoices/{invoice}?ledger={ledger}&did={}#{ledger}", crate::invoice::code(end)))
        }
    }
}
