//! The handlers.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use coportal_aws::records::clients::ClientSaved;
use coportal_core::client::Client;
use coportal_core::ctx::Ctx;
use coportal_core::id::ClientId;
use coportal_core::problem::{Outcome, Problem};
use coportal_lambda::authn::{Invocation, Member, Principal};
use coportal_lambda::clients::{ChangeClientRequest, CreateClientRequest, change_client, check_client};
use coportal_lambda::extract::{JsonBody, PageView, PathIds, QueryOf, cursor, page_limit};
use coportal_lambda::idempotency::{self, Attempt, Begun, Done, IdempotencyKey, Reply, Request, in_progress};
use coportal_lambda::problem::Answer;
use coportal_lambda::shell::Shell;
use coportal_lambda::telemetry::Note;

use crate::request::ListQuery;

pub(crate) async fn create(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    key: IdempotencyKey,
    note: Note,
    body: JsonBody<CreateClientRequest>,
) -> Answer<Response> {
    let JsonBody { value, bytes } = body;
    let request = Request::of(&principal, "POST /v1/clients", &key, &bytes);
    let attempt = match idempotency::begin(shell.store(), &ctx, request).await? {
        Begun::Answered(response) => return Ok(*response),
        Begun::Work(attempt) => attempt,
    };
    let done = create_client(&shell, &ctx, &principal, &attempt, value).await;
    note.outcome(if done.is_ok() { "created" } else { "refused" });
    attempt.settle(shell.store(), &ctx, done).await
}

async fn create_client(shell: &Shell, ctx: &Ctx, principal: &Principal, attempt: &Attempt, request: CreateClientRequest) -> Outcome<Done> {
    let client = request.into_client(ClientId::new(ctx.uuid()));
    check_client(&client)?;
    let reply = Reply::created(format!("/v1/clients/{}", client.id), &client)?;
    let companion = attempt.companion(&reply)?;
    match shell.store().create_client(ctx, principal.workspace.id, &client, companion).await? {
        ClientSaved::Done => Ok(Done::Kept(reply)),
        ClientSaved::CompanionRefused => Err(in_progress()),
        ClientSaved::Stale => Err(Problem::internal_error("a fresh client id is in use")),
    }
}

pub(crate) async fn list(
    State(shell): State<Shell>,
    Member(principal): Member,
    QueryOf(query): QueryOf<ListQuery>,
) -> Answer<Json<PageView<Client>>> {
    let after: Option<ClientId> = cursor(query.cursor.as_deref())?;
    let limit = page_limit(query.limit)?;
    let page = shell.store().clients(principal.workspace.id, query.archived, after, limit).await.map_err(Problem::from)?;
    Ok(Json(PageView { items: page.items, next_cursor: page.next }))
}

pub(crate) async fn read(State(shell): State<Shell>, Member(principal): Member, PathIds(id): PathIds<ClientId>) -> Answer<Json<Client>> {
    let found = shell.store().client(principal.workspace.id, id).await.map_err(Problem::from)?;
    let client = found.ok_or_else(|| Problem::not_found("client"))?;
    Ok(Json(client.value))
}

pub(crate) async fn change(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<ClientId>,
    body: JsonBody<ChangeClientRequest>,
) -> Answer<Json<Client>> {
    Ok(Json(change_client(shell.store(), &ctx, principal.workspace.id, id, body.value).await?))
}

/// `POST /v1/clients/{id}/archive`: hidden from the main list, everything kept (R133). Doing it twice is doing it once.
pub(crate) async fn archive(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<ClientId>,
    key: IdempotencyKey,
) -> Answer<Response> {
    set_archived(&shell, &ctx, &principal, id, &key, true).await
}

/// `POST /v1/clients/{id}/unarchive` (R134).
pub(crate) async fn unarchive(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<ClientId>,
    key: IdempotencyKey,
) -> Answer<Response> {
    set_archived(&shell, &ctx, &principal, id, &key, false).await
}

async fn set_archived(
    shell: &Shell,
    ctx: &Ctx,
    principal: &Principal,
    id: ClientId,
    key: &IdempotencyKey,
    archived: bool,
) -> Answer<Response> {
    let route = format!("POST /v1/clients/{id}/{}", if archived { "archive" } else { "unarchive" });
    let work = async {
        let client = change_client(shell.store(), ctx, principal.workspace.id, id, ChangeClientRequest::archiving(archived)).await?;
        Ok(Reply::ok(&client)?)
    };
    idempotency::once(shell.store(), ctx, Request::of(principal, &route, key, &[]), work).await
}
