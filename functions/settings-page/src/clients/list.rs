//! `GET /clients` and a new client.

use axum::extract::State;
use axum::response::Response;
use coportal_aws::records::clients::ClientSaved;
use coportal_core::client::Client;
use coportal_core::ctx::Ctx;
use coportal_core::id::ClientId;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_lambda::authn::{Invocation, Member, MemberForm};
use coportal_lambda::clients::check_client;
use coportal_lambda::extract::{QueryOf, cursor, page_limit};
use coportal_lambda::problem::Refusal;
use coportal_lambda::telemetry::Note;
use coportal_pages::components::{Tone, empty, heading, more, pill, table};
use coportal_pages::layout::{self, Section, Viewer};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::fields::Fields;
use crate::AppState;
use crate::answers::{page, see_other, shown, viewer};

/// Where the list goes on, and whether archived clients are on it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    archived: bool,
}

const BACK: (&str, &str) = ("/clients", "All clients");

pub(crate) async fn clients(
    State(state): State<AppState>,
    member: Result<Member, Refusal>,
    query: Result<QueryOf<ListQuery>, Refusal>,
) -> Response {
    let show = async {
        let (Member(principal), QueryOf(query)) = (member?, query?);
        let after: Option<ClientId> = cursor(query.cursor.as_deref())?;
        let limit = page_limit(query.limit)?;
        let listed = state.shell.store().clients(principal.workspace.id, query.archived, after, limit).await.map_err(Problem::from)?;
        let archived = if query.archived { "archived=true&" } else { "" };
        let next = listed.next.as_ref().map(|next| format!("/clients?{archived}cursor={next}"));
        let main = html! {
            (heading("Clients", "The businesses and people that your invoices are addressed to, newest first."))
            div.toolbar {
                nav.tabs aria-label="Which clients" {
                    a href="/clients" aria-current=[(!query.archived).then_some("page")] { "Active" }
                    a href="/clients?archived=true" aria-current=[query.archived.then_some("page")] { "With archived" }
                }
                a.button.primary href="/clients/new" { "New client" }
            }
            @if listed.items.is_empty() {
                @if after.is_some() { (empty("That was all", &html! { p { a href="/clients" { "Back to the newest clients" } } })) }
                @else {
                    (empty("No clients yet", &html! {
                        p { a href="/clients/new" { "Make the first one" } @if viewer(&principal).admin { ", or import the contacts of a ledger from " a href="/settings/integrations" { "Integrations" } } "." }
                        @if !query.archived { p { "Archived clients are listed under With archived." } }
                    }))
                }
            } @else {
                (list(&listed.items))
                (more(next.as_deref(), "Older clients"))
            }
        };
        Ok(page("Clients", Section::Clients, viewer(&principal), &main))
    };
    shown(show.await, BACK)
}

fn list(clients: &[Client]) -> Markup {
    let rows: Vec<Markup> = clients
        .iter()
        .map(|client| {
            html! {
                tr {
                    th scope="row" {
                        a href=(format!("/clients/{}", client.id)) { (client.name) }
                        @if let Some(company) = client.company.as_ref().filter(|company| **company != client.name) { small { (company) } }
                    }
                    td { (client.email) }
                    td { @if let Some(phone) = &client.phone { (phone) } }
                    td { @if client.archived { (pill(Tone::Neutral, "Archived")) } }
                }
            }
        })
        .collect();
    table("clients", "Clients, newest first", &["Name", "E-mail", "Phone", "State"], &rows)
}

/// `GET /clients/new`.
pub(crate) async fn new(member: Result<Member, Refusal>) -> Response {
    let show = member.map(|Member(principal)| blank(viewer(&principal), &Fields::default(), None));
    shown(show, BACK)
}

fn blank(viewer: Viewer<'_>, fields: &Fields, refused: Option<&Problem>) -> Response {
    let main = html! {
        p.crumb { a href="/clients" { "Clients" } }
        (heading("New client", "The name is printed on invoices, quotes and PDFs: use the legal one."))
        (fields.form(viewer, "/settings/clients", "Save client", refused))
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    layout::answer(status, layout::page("New client", Section::Clients, viewer, &main), &[])
}

/// `POST /settings/clients` (R110-R116).
pub(crate) async fn create(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    form: Result<MemberForm<Fields>, Refusal>,
) -> Response {
    let run = async {
        let MemberForm { principal, form } = form?;
        match make(&state, &ctx, &principal, &form).await {
            Ok(id) => {
                note.outcome("created");
                Ok(see_other(&format!("/clients/{id}"))?)
            }
            Err(problem) if problem.kind == ProblemKind::Invalid => Ok(blank(viewer(&principal), &form, Some(&problem))),
            Err(problem) => Err(problem.into()),
        }
    };
    shown(run.await, BACK)
}

async fn make(state: &AppState, ctx: &Ctx, principal: &coportal_lambda::authn::Principal, fields: &Fields) -> Outcome<ClientId> {
    let client = fields.creating().into_client(ClientId::new(ctx.uuid()));
    check_client(&client)?;
    match state.shell.store().create_client(ctx, principal.workspace.id, &client, None).await? {
        ClientSaved::Done => Ok(client.id),
        ClientSaved::Stale | ClientSaved::CompanionRefused => Err(Problem::internal_error("a fresh client id is in use")),
    }
}
