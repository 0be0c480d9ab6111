//! Contact persons of a client (R117-R119).

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use coportal_aws::records::people::{PersonRemoved, PersonSaved};
use coportal_core::client::ContactPerson;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, ContactPersonId};
use coportal_core::problem::{Outcome, Problem};
use coportal_lambda::authn::{Invocation, Member, Principal};
use coportal_lambda::clients::AddContactRequest;
use coportal_lambda::extract::{JsonBody, PageQuery, PageView, PathIds, QueryOf, cursor, page_limit};
use coportal_lambda::idempotency::{self, Attempt, Begun, Done, IdempotencyKey, Reply, Request, in_progress};
use coportal_lambda::problem::Answer;
use coportal_lambda::shell::Shell;
use coportal_lambda::telemetry::Note;

/// `POST /v1/clients/{id}/contacts`.
pub(crate) async fn create(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(client): PathIds<ClientId>,
    key: IdempotencyKey,
    note: Note,
    body: JsonBody<AddContactRequest>,
) -> Answer<Response> {
    let JsonBody { value, bytes } = body;
    let route = format!("POST /v1/clients/{client}/contacts");
    let attempt = match idempotency::begin(shell.store(), &ctx, Request::of(&principal, &route, &key, &bytes)).await? {
        Begun::Answered(response) => return Ok(*response),
        Begun::Work(attempt) => attempt,
    };
    let done = add(&shell, &ctx, &principal, client, &attempt, value).await;
    note.outcome(if done.is_ok() { "created" } else { "refused" });
    attempt.settle(shell.store(), &ctx, done).await
}

async fn add(
    shell: &Shell,
    ctx: &Ctx,
    principal: &Principal,
    client: ClientId,
    attempt: &Attempt,
    request: AddContactRequest,
) -> Outcome<Done> {
    let person = request.into_person(ContactPersonId::new(ctx.uuid()));
    let issues = person.issues();
    if !issues.is_empty() {
        return Err(Problem::invalid(issues));
    }
    let reply = Reply::created(format!("/v1/clients/{client}/contacts/{}", person.id), &person)?;
    let companion = attempt.companion(&reply)?;
    match shell.store().create_person(ctx, principal.workspace.id, client, &person, companion).await? {
        PersonSaved::Done => Ok(Done::Kept(reply)),
        PersonSaved::NoClient => Err(Problem::not_found("client")),
        PersonSaved::CompanionRefused => Err(in_progress()),
        PersonSaved::Stale => Err(Problem::internal_error("a fresh contact person's id is in use")),
    }
}

/// `GET /v1/clients/{id}/contacts`.
pub(crate) async fn list(
    State(shell): State<Shell>,
    Member(principal): Member,
    PathIds(client): PathIds<ClientId>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Answer<Json<PageView<ContactPerson>>> {
    let ws = principal.workspace.id;
    let after: Option<ContactPersonId> = cursor(query.cursor.as_deref())?;
    let limit = page_limit(query.limit)?;
    if shell.store().client(ws, client).await.map_err(Problem::from)?.is_none() {
        return Err(Problem::not_found("client").into());
    }
    let page = shell.store().people(ws, client, after, limit).await.map_err(Problem::from)?;
    Ok(Json(PageView { items: page.items, next_cursor: page.next }))
}

/// `GET /v1/clients/{id}/contacts/{contact}`.
pub(crate) async fn read(
    State(shell): State<Shell>,
    Member(principal): Member,
    PathIds((client, contact)): PathIds<(ClientId, ContactPersonId)>,
) -> Answer<Json<ContactPerson>> {
    let found = shell.store().person(principal.workspace.id, client, contact).await.map_err(Problem::from)?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("contact person"))?.value))
}

/// `DELETE /v1/clients/{id}/contacts/{contact}`: answers the contact person that was removed.
pub(crate) async fn remove(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds((client, contact)): PathIds<(ClientId, ContactPersonId)>,
) -> Answer<Json<ContactPerson>> {
    let ws = principal.workspace.id;
    let missing = || Problem::not_found("contact person");
    let person = shell.store().person(ws, client, contact).await.map_err(Problem::from)?.ok_or_else(missing)?.value;
    match shell.store().remove_person(&ctx, ws, client, contact).await.map_err(Problem::from)? {
        PersonRemoved::Done => Ok(Json(person)),
        PersonRemoved::NotThere => Err(missing().into()),
    }
}
