//! `GET /clients/{id}`: everything about one client, and the forms that change it.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use coportal_aws::records::people::{PersonRemoved, PersonSaved};
use coportal_core::client::{Client, ContactPerson};
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, ContactPersonId};
use coportal_core::invoice::Invoice;
use coportal_core::money::Money;
use coportal_core::overview::{Billed, billed};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_lambda::authn::{Invocation, Member, MemberForm, Principal};
use coportal_lambda::clients::{AddContactRequest, ChangeClientRequest, change_client};
use coportal_lambda::extract::{MAX_LIMIT, PathIds};
use coportal_lambda::problem::Refusal;
use coportal_lambda::standings::{self, Standing};
use coportal_lambda::telemetry::Note;
use coportal_pages::components::{Issues, Look, Tone, button, empty, facts, fold, form, pill, press, problem_notice, table};
use coportal_pages::layout::{self, Section, Viewer};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::fields::Fields;
use crate::AppState;
use crate::amounts;
use crate::answers::{see_other, shown, viewer};
use crate::invoice;

/// Invoices and payments that the page shows.
const NEWEST: usize = 20;

/// What the page shows.
struct Seen {
    client: Client,
    billed: Billed,
    contacts: Vec<ContactPerson>,
    /// The newest invoices, with how each stands.
    invoices: Vec<Invoice>,
    standings: Vec<Vec<Standing>>,
    /// Invoices in all.
    count: usize,
}

/// A form that came back.
enum Refused {
    Change(Box<Fields>, Problem),
    Contact(ContactFields, Problem),
}

fn back(id: Option<ClientId>) -> String {
    id.map_or_else(|| "/clients".to_owned(), |id| format!("/clients/{id}"))
}

fn place(path: &Result<PathIds<ClientId>, Refusal>) -> Option<ClientId> {
    path.as_ref().ok().map(|PathIds(id)| *id)
}

pub(crate) async fn client(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    member: Result<Member, Refusal>,
    path: Result<PathIds<ClientId>, Refusal>,
) -> Response {
    let show = async {
        let (Member(principal), PathIds(id)) = (member?, path?);
        Ok(render(&principal, &read(&state, &ctx, &principal, id).await?, None))
    };
    shown(show.await, ("/clients", "All clients"))
}

async fn read(state: &AppState, ctx: &Ctx, principal: &Principal, id: ClientId) -> Outcome<Seen> {
    let (store, workspace) = (state.shell.store(), &principal.workspace);
    let client = store.client(workspace.id, id).await?.ok_or_else(|| Problem::not_found("client"))?.value;
    let mut invoices = store.invoices_of_client(ctx, workspace.id, id).await?;
    let contacts = store.people(workspace.id, id, None, MAX_LIMIT).await?.items;
    let billed = billed(&invoices, workspace.tax_rounding);
    let count = invoices.len();
    invoices.reverse();
    invoices.truncate(NEWEST);
    let standings = standings::of_invoices(store, ctx, workspace.id, &invoices).await?;
    Ok(Seen { client, billed, contacts, invoices, standings, count })
}

fn render(principal: &Principal, seen: &Seen, refused: Option<&Refused>) -> Response {
    let viewer = viewer(principal);
    let client = &seen.client;
    let action = |what: &str| format!("/settings/clients/{}{what}", client.id);
    let (change, contact) = match refused {
        None => (None, None),
        Some(Refused::Change(fields, problem)) => (Some((fields.as_ref().clone(), problem)), None),
        Some(Refused::Contact(fields, problem)) => (None, Some((fields, problem))),
    };
    let fields = change.as_ref().map_or_else(|| Fields::of(client), |(fields, _)| fields.clone());
    let main = html! {
        p.crumb { a href="/clients" { "Clients" } }
        header.page-head {
            h1 { (client.name) }
            @if client.archived { (pill(Tone::Neutral, "Archived")) }
        }
        (about(client))
        h2 { "Billed" }
        (money(&seen.billed))
        h2 #invoices-heading { "Invoices" }
        (invoices(seen, principal))
        h2 #contacts { "Contact persons" }
        (contacts(client, &seen.contacts, contact, viewer))
        h2 { "This client" }
        (fold("Edit", change.is_some(), &fields.form(viewer, &action(""), "Save changes", change.as_ref().map(|(_, problem)| *problem))))
        @if client.archived {
            (fold("Unarchive", false, &html! { p { "It is back on the list of clients." } (press(viewer, &action("/unarchive"), "Unarchive", Look::Plain)) }))
        } @else {
            (fold("Archive", false, &html! { p { "It leaves the list of clients. Its invoices and everything else are kept, and it can come back at any time." } (press(viewer, &action("/archive"), "Archive", Look::Plain)) }))
        }
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    layout::answer(status, layout::page(&client.name, Section::Clients, viewer, &main), &[])
}

fn about(client: &Client) -> Markup {
    let mut entries = vec![("E-mail", html! { a href=(format!("mailto:{}", client.email)) { (client.email) } })];
    // R113: the company is shown where it differs.
    if let Some(company) = client.company.as_ref().filter(|company| **company != client.name) {
        entries.push(("Company", html! { (company) }));
    }
    if let Some(phone) = &client.phone {
        entries.push(("Phone", html! { (phone) }));
    }
    if let Some(address) = &client.billing_address {
        let parts: Vec<&str> = address.parts().into_iter().flatten().collect();
        entries.push(("Billing address", html! { (parts.join(", ")) }));
    }
    if let Some(notes) = &client.notes {
        entries.push(("Notes", html! { span.lines { (notes) } " " span.quiet { "(only your team sees them)" } }));
    }
    facts(&entries)
}

fn money(billed: &Billed) -> Markup {
    let sums = |sums: &[Money]| {
        let texts: Vec<String> = sums.iter().copied().map(amounts::money).collect();
        if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
    };
    let payments: Vec<Markup> = billed
        .payments
        .iter()
        .take(NEWEST)
        .map(|payment| {
            html! {
                tr {
                    td.date { (amounts::day(payment.date)) }
                    th scope="row" { a href=(format!("/invoices/{}", payment.invoice_id)) { (payment.number) } }
                    td.number { (amounts::money(payment.amount)) }
                }
            }
        })
        .collect();
    html! {
        (facts(&[("Sent and paid invoices", html! { (billed.count) }), ("Total", html! { (sums(&billed.total)) }), ("Outstanding", html! { (sums(&billed.outstanding)) })]))
        @if !payments.is_empty() {
            (fold(&format!("Payments ({})", billed.payments.len()), false, &table("payments", "Payments, newest first", &["Received", "Invoice", "Amount"], &payments)))
        }
    }
}

fn invoices(seen: &Seen, principal: &Principal) -> Markup {
    if seen.invoices.is_empty() {
        return empty(
            "No invoices yet",
            &html! { p { "An invoice that is addressed to this client is listed here as soon as it is written." } },
        );
    }
    let clients = BTreeMap::from([(seen.client.id, seen.client.clone())]);
    html! {
        (invoice::list(&seen.invoices, &seen.standings, &clients, principal.workspace.tax_rounding))
        @if seen.count > seen.invoices.len() { p.quiet { "The newest " (seen.invoices.len()) " of " (seen.count) "." } }
    }
}

/// A contact person as it was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactFields {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
}

fn contacts(client: &Client, people: &[ContactPerson], refused: Option<(&ContactFields, &Problem)>, viewer: Viewer<'_>) -> Markup {
    let rows: Vec<Markup> = people
        .iter()
        .map(|person| {
            let action = format!("/settings/clients/{}/contacts/{}/remove", client.id, person.id);
            html! {
                tr {
                    th scope="row" { (person.name) }
                    td { (person.email) }
                    td { (form(viewer, &action, &html! { button.link type="submit" { "Remove" span.sr-only { " " (person.name) } } })) }
                }
            }
        })
        .collect();
    let typed = refused.map(|(fields, _)| fields.clone()).unwrap_or_default();
    let problem = refused.map(|(_, problem)| problem);
    let issues = Issues(problem.map(|problem| problem.issues.as_slice()).unwrap_or_default());
    // The page has another field of each name: these have ids of their own.
    let field = |name: &str, label: &str, kind: &str, value: &str| {
        let id = format!("contact-{name}");
        html! {
            div.field {
                label for=(id) { (label) }
                input id=(id) name=(name) type=(kind) value=(value) required aria-invalid=[issues.about(name).map(|_| "true")] aria-describedby=[issues.about(name).map(|_| format!("{id}-wrong"))];
                @if let Some(wrong) = issues.about(name) { p.wrong id={ (id) "-wrong" } { (wrong) } }
            }
        }
    };
    html! {
        @if rows.is_empty() {
            (empty("No contact persons", &html! { p { "Add the people who receive invoices for this client, in finance for example. Their addresses count as the client's when contacts are imported." } }))
        } @else {
            (table("people", "Contact persons", &["Name", "E-mail", "Actions"], &rows))
        }
        (fold("Add a contact person", refused.is_some(), &html! {
            @if let Some(problem) = problem { (problem_notice(problem, &["name", "email"])) }
            (form(viewer, &format!("/settings/clients/{}/contacts", client.id), &html! {
                (field("name", "Name", "text", &typed.name))
                (field("email", "E-mail", "email", &typed.email))
                (button("Add", Look::Primary))
            }))
        }))
    }
}

/// A refusal that the person can mend comes back as the page with its form; any other stands in the page's place.
async fn or_again(
    state: &AppState,
    ctx: &Ctx,
    principal: &Principal,
    id: ClientId,
    done: Outcome<()>,
    refused: impl FnOnce(Problem) -> Refused,
) -> Result<Response, Refusal> {
    match done {
        Ok(()) => Ok(see_other(&format!("/clients/{id}"))?),
        Err(problem) if problem.kind == ProblemKind::Invalid => {
            Ok(render(principal, &read(state, ctx, principal, id).await?, Some(&refused(problem))))
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /settings/clients/{id}`.
pub(crate) async fn change(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Result<PathIds<ClientId>, Refusal>,
    form: Result<MemberForm<Fields>, Refusal>,
) -> Response {
    let at = place(&path);
    let run = async {
        let (MemberForm { principal, form }, PathIds(id)) = (form?, path?);
        let changed = change_client(state.shell.store(), &ctx, principal.workspace.id, id, form.changing()).await.map(|_| ());
        note.outcome(if changed.is_ok() { "updated" } else { "refused" });
        or_again(&state, &ctx, &principal, id, changed, |problem| Refused::Change(Box::new(form.clone()), problem)).await
    };
    shown(run.await, (&back(at), "Back to the client"))
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {}

type Pressed = Result<MemberForm<Press>, Refusal>;

async fn set_archived(state: &AppState, ctx: &Ctx, path: Result<PathIds<ClientId>, Refusal>, form: Pressed, archived: bool) -> Response {
    let at = place(&path);
    let run = async {
        let (MemberForm { principal, .. }, PathIds(id)) = (form?, path?);
        let request = ChangeClientRequest::archiving(archived);
        change_client(state.shell.store(), ctx, principal.workspace.id, id, request).await?;
        Ok(see_other(&format!("/clients/{id}"))?)
    };
    shown(run.await, (&back(at), "Back to the client"))
}

/// `POST /settings/clients/{id}/archive` (R133).
pub(crate) async fn archive(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<ClientId>, Refusal>,
    form: Pressed,
) -> Response {
    set_archived(&state, &ctx, path, form, true).await
}

/// `POST /settings/clients/{id}/unarchive` (R134).
pub(crate) async fn unarchive(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<ClientId>, Refusal>,
    form: Pressed,
) -> Response {
    set_archived(&state, &ctx, path, form, false).await
}

/// `POST /settings/clients/{id}/contacts` (R118).
pub(crate) async fn add_contact(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<ClientId>, Refusal>,
    form: Result<MemberForm<ContactFields>, Refusal>,
) -> Response {
    let at = place(&path);
    let run = async {
        let (MemberForm { principal, form }, PathIds(id)) = (form?, path?);
        let added = add(&state, &ctx, &principal, id, form.clone()).await;
        or_again(&state, &ctx, &principal, id, added, |problem| Refused::Contact(form, problem)).await
    };
    shown(run.await, (&back(at), "Back to the client"))
}

async fn add(state: &AppState, ctx: &Ctx, principal: &Principal, client: ClientId, fields: ContactFields) -> Outcome<()> {
    let ContactFields { name, email } = fields;
    let person = AddContactRequest { name, email }.into_person(ContactPersonId::new(ctx.uuid()));
    let issues = person.issues();
    if !issues.is_empty() {
        return Err(Problem::invalid(issues));
    }
    match state.shell.store().create_person(ctx, principal.workspace.id, client, &person, None).await? {
        PersonSaved::Done => Ok(()),
        PersonSaved::NoClient => Err(Problem::not_found("client")),
        PersonSaved::Stale | PersonSaved::CompanionRefused => Err(Problem::internal_error("a fresh contact person's id is in use")),
    }
}

/// `POST /settings/clients/{id}/contacts/{contact}/remove`.
pub(crate) async fn remove_contact(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<(ClientId, ContactPersonId)>, Refusal>,
    form: Pressed,
) -> Response {
    let at = path.as_ref().ok().map(|PathIds((id, _))| *id);
    let run = async {
        let (MemberForm { principal, .. }, PathIds((id, contact))) = (form?, path?);
        match state.shell.store().remove_person(&ctx, principal.workspace.id, id, contact).await.map_err(Problem::from)? {
            PersonRemoved::Done => Ok(see_other(&format!("/clients/{id}#contacts"))?),
            PersonRemoved::NotThere => Err(Problem::not_found("contact person").into()),
        }
    };
    shown(run.await, (&back(at), "Back to the client"))
}
