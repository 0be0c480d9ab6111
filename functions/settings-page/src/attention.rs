//! Attention: everything that needs a person, trying it again in bulk, and the same list for a spreadsheet.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use coportal_core::client::Client;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, InvoiceId};
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::sync::row::WaitingFor;
use coportal_core::workspace::Workspace;
use coportal_engine::sync::{Retried, RetryRequest, RetryState};
use coportal_lambda::attention::{AttentionView, table as spreadsheet};
use coportal_lambda::authn::{Admin, AdminForm, Invocation};
use coportal_lambda::extract::sort_key_cursor;
use coportal_lambda::problem::Refusal;
use coportal_lambda::telemetry::Note;
use coportal_pages::components::{Choice, Issues, Look, Tone, ago, button, count, empty, form, heading, more, notice, pill, select, table};
use coportal_pages::layout::{Section, Viewer};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use crate::AppState;
use crate::answers::{page, see_other, shown, viewer};
use crate::invoice::state_word;

/// Entries of one page, and of one read for the spreadsheet.
const PAGE: i32 = 100;
/// Time that reading the list leaves for the answer.
const FOR_THE_ANSWER: SignedDuration = SignedDuration::from_secs(4);
const BACK: (&str, &str) = ("/settings/attention", "Back to the list");

/// Where the list goes on, and what the last bulk retry came to.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AttentionQuery {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    queued: Option<u32>,
    #[serde(default)]
    looked_for: Option<u32>,
    #[serde(default)]
    held: Option<u32>,
    #[serde(default)]
    left: Option<u32>,
    #[serde(default)]
    more: Option<bool>,
}

pub(crate) async fn attention(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    admin: Result<Admin, Refusal>,
    query: Result<Query<AttentionQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let show = async {
        let Admin(principal) = admin?;
        let after = sort_key_cursor(query.cursor.as_deref())?;
        let listed = state.shell.store().attention(&ctx, principal.workspace.id, PAGE, after).await.map_err(Problem::from)?;
        let entries: Vec<AttentionView> = listed.items.into_iter().map(AttentionView::from).collect();
        let known = Known::read(&state, &ctx, &principal.workspace, &entries).await?;
        let viewer = viewer(&principal);
        let next = listed.next.as_ref().and_then(|next| serde_urlencoded::to_string([("cursor", next)]).ok());
        let main = html! {
            (heading("Attention", "What waits for a person: questions, what a ledger did not accept, and what cannot go on by itself."))
            @if let Some(told) = told(&query) { (told) }
            @if entries.is_empty() {
                (nothing(query.cursor.is_some()))
            } @else {
                (again(viewer))
                (list(ctx.now(), &entries, &known))
                (more(next.map(|query| format!("/settings/attention?{query}")).as_deref(), "More"))
            }
        };
        Ok(page("Attention", Section::Attention, viewer, &main))
    };
    shown(show.await, ("/settings/integrations", "Back to Integrations"))
}

fn nothing(later: bool) -> Markup {
    if later {
        return empty("That was all", &html! { p { a href="/settings/attention" { "Back to the beginning of the list" } } });
    }
    empty(
        "Nothing needs you",
        &html! { p { "What a ledger asks or does not accept is listed here. How each invoice stands is on the " a href="/invoices" { "list of invoices" } "." } },
    )
}

/// The invoices and clients that entries are about, for their names.
struct Known {
    invoices: BTreeMap<InvoiceId, Invoice>,
    clients: BTreeMap<ClientId, Client>,
}

impl Known {
    async fn read(state: &AppState, ctx: &Ctx, workspace: &Workspace, entries: &[AttentionView]) -> Outcome<Self> {
        let (store, ws) = (state.shell.store(), workspace.id);
        let invoices = store.invoices_by_id(ctx, ws, entries.iter().map(|entry| entry.invoice_id)).await?;
        let clients = store.clients_by_id(ctx, ws, invoices.values().map(|invoice| invoice.client_id)).await?;
        Ok(Self { invoices, clients })
    }

    fn client(&self, invoice: InvoiceId) -> Option<&Client> {
        self.clients.get(&self.invoices.get(&invoice)?.client_id)
    }
}

fn told(query: &AttentionQuery) -> Option<Markup> {
    let queued = query.queued?;
    let number = |number: Option<u32>| u64::from(number.unwrap_or_default());
    let (looked_for, held, left) = (number(query.looked_for), number(query.held), number(query.left));
    let title = match queued {
        0 => "Nothing was queued again".to_owned(),
        queued => format!("{} queued again", count(u64::from(queued), "entry is", "entries are")),
    };
    let body = html! {
        @if queued > 0 { p { "They leave this list when they are done; reload it in a moment." } }
        @if looked_for > 0 { p { (count(looked_for, "of them has", "of them have")) " a write whose outcome is not known: CoPortal looks for it first, and sends nothing before it is found out." } }
        @if held > 0 { p { (count(held, "question is", "questions are")) " left for you to answer: open the invoice." } }
        @if left > 0 { p { (count(left, "entry was", "entries were")) " left alone: not chosen, or still waiting for a reconnect or a plan." } }
        @if query.more == Some(true) { p { strong { "There are more than there was time for." } " Press Try again once more." } }
    };
    Some(notice(if queued > 0 { Tone::Good } else { Tone::Neutral }, &title, &body))
}

fn again(viewer: Viewer<'_>) -> Markup {
    let states = [
        Choice { value: "", label: "Everything that can be tried" },
        Choice { value: "failed", label: "What was not accepted" },
        Choice { value: "waiting", label: "What waits for a reconnect or a plan" },
    ];
    let mut ledgers = vec![Choice { value: "", label: "All ledgers" }];
    ledgers.extend(Ledger::ALL.iter().map(|ledger| Choice { value: ledger.slug(), label: ledger.label() }));
    html! {
        div.toolbar {
            (form(viewer, "/settings/attention/retry", &html! {
                (select("state", "Try again", "", &states, "", Issues::default()))
                (select("ledger", "In", "", &ledgers, "", Issues::default()))
                (button("Try again", Look::Primary))
            }))
            a.button href="/settings/attention.csv" download="attention.csv" { "Download as CSV" }
        }
        p.quiet { "Questions stay until they are answered. What may have reached a ledger already is looked for first, and never sent twice." }
    }
}

fn list(now: Timestamp, entries: &[AttentionView], known: &Known) -> Markup {
    let rows: Vec<Markup> = entries
        .iter()
        .map(|entry| {
            let (tone, word) = state_word(entry.state);
            let number = known.invoices.get(&entry.invoice_id).map_or("an invoice", |invoice| invoice.number.as_str());
            html! {
                tr {
                    th scope="row" {
                        a href=(format!("/invoices/{}#{}", entry.invoice_id, entry.ledger)) { (number) }
                        @if let Some(client) = known.client(entry.invoice_id) { small { (client.name) } }
                    }
                    td { (entry.ledger.label()) }
                    td { (pill(tone, word)) }
                    td { @if let Some(since) = entry.since { (ago(now, since)) } }
                    td.text { (what(entry)) }
                }
            }
        })
        .collect();
    table("attention", "What needs a person", &["Invoice", "Ledger", "State", "Since", "What it is about"], &rows)
}

fn what(entry: &AttentionView) -> Markup {
    if let Some(hold) = &entry.hold {
        return html! { (hold.detail) " " a href=(format!("/invoices/{}#{}", entry.invoice_id, entry.ledger)) { "Answer" } };
    }
    if let Some(problem) = &entry.problem {
        return html! { (problem.detail) " " (problem.fix.what) };
    }
    html! {
        @match entry.waiting_for {
            Some(WaitingFor::Reconnect) => { "The ledger signed us out. " a href=(format!("/settings/integrations#{}", entry.ledger)) { "Reconnect it" } ", and it goes on by itself." }
            Some(WaitingFor::Plan) => { "The plan does not include this ledger. Upgrade, and it goes on by itself." }
            Some(WaitingFor::Outcome) => { "What became of the last write is not known yet. CoPortal keeps looking." }
            Some(WaitingFor::Limit | WaitingFor::DayBudget | WaitingFor::Ledger | WaitingFor::OtherRun | WaitingFor::Retry) => { "It goes on by itself." }
            None => { "Open the invoice to see more." }
        }
    }
}

/// `GET /settings/attention.csv`: the whole list, as the API's table.
pub(crate) async fn csv(State(state): State<AppState>, Invocation(ctx): Invocation, admin: Result<Admin, Refusal>) -> Response {
    let show = async {
        let Admin(principal) = admin?;
        let mut entries: Vec<AttentionView> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let read = state.shell.store().attention(&ctx, principal.workspace.id, PAGE, after.as_deref()).await;
            let listed = read.map_err(Problem::from)?;
            entries.extend(listed.items.into_iter().map(AttentionView::from));
            match listed.next {
                None => break,
                Some(_) if !ctx.has_time_for(FOR_THE_ANSWER) => return Err(too_many().into()),
                Some(next) => after = Some(next),
            }
        }
        let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"attention.csv\"")];
        Ok((headers, spreadsheet(&entries)).into_response())
    };
    shown(show.await, BACK)
}

/// A part of the list that looks like all of it would mislead.
fn too_many() -> Problem {
    Problem::new(ProblemKind::Unavailable, "taking_longer", "There are more entries than can be read while you wait.").fix(
        "Read the list page by page over the API: GET /v1/sync/attention with Accept: text/csv.",
        "the API",
        true,
    )
}

/// What to try again: empty fields mean all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Again {
    #[serde(default)]
    state: String,
    #[serde(default)]
    ledger: String,
}

impl Again {
    fn request(&self) -> Outcome<RetryRequest> {
        let state = match self.state.as_str() {
            "" => Some(None),
            "failed" => Some(Some(RetryState::Failed)),
            "waiting" => Some(Some(RetryState::Waiting)),
            _ => None,
        };
        let ledger = if self.ledger.is_empty() { Some(None) } else { self.ledger.parse().ok().map(Some) };
        let mut issues = Vec::new();
        if state.is_none() {
            issues.push(Issue::new("/state", "unknown", "Only what was not accepted, or what waits, can be tried again."));
        }
        if ledger.is_none() {
            issues.push(Issue::new("/ledger", "unknown", "There is no such ledger."));
        }
        if !issues.is_empty() {
            return Err(Problem::invalid(issues));
        }
        Ok(RetryRequest { state: state.flatten(), ledger: ledger.flatten() })
    }
}

/// Tries again what can be.
pub(crate) async fn retry(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    form: Result<AdminForm<Again>, Refusal>,
) -> Response {
    let run = async {
        let AdminForm { principal, form } = form?;
        let request = form.request()?;
        let Retried { queued, looked_for, held, left, more } =
            state.engine.retry_attention(&ctx, principal.workspace.id, &request, &principal.actor()).await?;
        note.outcome("retried");
        Ok(see_other(&format!("/settings/attention?queued={queued}&looked_for={looked_for}&held={held}&left={left}&more={more}"))?)
    };
    shown(run.await, BACK)
}
