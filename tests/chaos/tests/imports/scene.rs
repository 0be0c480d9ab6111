//! A world with a list of contacts, and what an admin does with it.

use chaos::world::World;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, PreviewId};
use coportal_core::import::Action;
use coportal_core::job::{JobId, NextStep};
use coportal_core::problem::Outcome;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_engine::Engine;
use coportal_engine::import::{ImportAnswer, ImportRequest, ImportResult, MappedRow, PickedRow, PreviewState, PreviewView};
use coportal_engine::jobs::JobEnd;
use jiff::SignedDuration;
use serde_json::{Value, json};

pub(crate) fn actor(world: &World) -> Actor {
    Actor::User(world.user.clone())
}

pub(crate) async fn workspace(world: &World) -> Workspace {
    world.process().unwrap().store.workspace(world.workspace).await.unwrap().unwrap()
}

/// Puts so many contacts into the ledger.
pub(crate) fn plant(world: &World, from: usize, count: usize) {
    let contacts: Vec<Value> =
        (from..from + count).map(|n| json!({"name": format!("Contact {n:05} Zoë"), "email": format!("contact{n}@example.com")})).collect();
    world.plant(json!({ "contacts": contacts })).unwrap();
}

/// Takes steps of the job until it rests, as the queue and the sweep would. Answers the steps taken.
pub(crate) async fn work(world: &World, engine: &Engine, id: PreviewId) -> u32 {
    for steps in 0..400 {
        match engine.run_job(&world.ctx(), world.workspace, JobId::Preview(id)).await.unwrap() {
            JobEnd::Advanced(NextStep::Now) => {}
            JobEnd::Advanced(NextStep::Rest) | JobEnd::AtRest | JobEnd::Gone => return steps + 1,
            JobEnd::Advanced(NextStep::At(_)) | JobEnd::NotDue | JobEnd::Busy => world.clock.advance(SignedDuration::from_secs(61)),
        }
    }
    panic!("the job does not come to rest");
}

/// A preview, read to its end.
pub(crate) async fn previewed(world: &World, engine: &Engine) -> PreviewView {
    let begun = engine.begin_preview(&world.ctx(), &workspace(world).await, actor(world), world.ledger, false).await.unwrap();
    assert_eq!((begun.state, begun.rows.is_none()), (PreviewState::Reading, true));
    work(world, engine, begun.id).await;
    shown(world, engine, begun.id).await
}

/// A preview as it stands.
pub(crate) async fn shown(world: &World, engine: &Engine, id: PreviewId) -> PreviewView {
    engine.preview(&world.ctx(), &workspace(world).await, world.ledger, id, None).await.unwrap()
}

/// All rows of a preview, page by page.
pub(crate) async fn rows(world: &World, engine: &Engine, id: PreviewId) -> Vec<MappedRow> {
    let (mut rows, mut cursor): (Vec<MappedRow>, Option<String>) = (Vec::new(), None);
    loop {
        let view = engine.preview(&world.ctx(), &workspace(world).await, world.ledger, id, cursor.as_deref()).await.unwrap();
        rows.extend(view.rows.unwrap());
        match view.next_cursor {
            Some(next) => cursor = Some(next),
            None => return rows,
        }
    }
}

pub(crate) fn tick(external_id: &str, action: Action) -> PickedRow {
    PickedRow { external_id: external_id.to_owned(), action, client_id: None }
}

pub(crate) fn request(id: PreviewId, rows: Vec<PickedRow>) -> ImportRequest {
    ImportRequest { preview_id: Some(id), rows: Some(rows), all_new: false }
}

pub(crate) fn all_new(id: PreviewId) -> ImportRequest {
    ImportRequest { preview_id: Some(id), rows: None, all_new: true }
}

/// One import, as an admin's click.
pub(crate) async fn import(world: &World, engine: &Engine, ctx: &Ctx, request: ImportRequest) -> Outcome<ImportAnswer> {
    engine.import(ctx, &workspace(world).await, actor(world), world.ledger, request).await
}

/// The same, however many jobs it takes.
pub(crate) async fn imported(world: &World, engine: &Engine, request: ImportRequest) -> ImportResult {
    let id = request.preview_id.unwrap();
    match import(world, engine, &world.ctx(), request).await.unwrap() {
        ImportAnswer::Done(result) => result,
        ImportAnswer::Accepted(_) => {
            work(world, engine, id).await;
            let view = shown(world, engine, id).await;
            assert_eq!(view.state, PreviewState::Done, "{:?}", view.problem);
            view.result.unwrap()
        }
    }
}

/// The clients that there are.
pub(crate) async fn clients(world: &World) -> Vec<ClientId> {
    let clients = world.process().unwrap().store.client_ids(world.workspace).await.unwrap();
    clients.into_iter().map(|(client, _)| client).collect()
}

/// The ids of the ledger's contacts, by name.
pub(crate) fn external_id(world: &World, name: &str) -> String {
    let found = world.books().contacts.into_iter().find(|contact| contact.name == name);
    found.unwrap_or_else(|| panic!("no contact is called {name}")).id
}

/// Calls of the vendor's API so far.
pub(crate) fn calls(world: &World) -> Vec<String> {
    use simulators::skeleton::calls::Kind;
    world.simulator.calls().into_iter().filter(|call| call.kind == Kind::Api).map(|call| format!("{} {}", call.method, call.path)).collect()
}
