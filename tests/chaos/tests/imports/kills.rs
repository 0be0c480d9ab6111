//! I15: a commit of sixty rows, dead before and after every one of its calls, then repeated: exactly the ticked rows, once.

use std::collections::BTreeMap;

use chaos::wire::{Fault, Side};
use chaos::world::World;
use coportal_core::import::{Action, Status};
use coportal_core::ledger::Ledger;
use coportal_engine::import::{ImportAnswer, ImportRequest, ImportResult, MappedRow};
use jiff::SignedDuration;

use crate::scene::{clients, import, plant, previewed, request, rows, tick};

/// Of seventy contacts sixty are ticked: two thirds created, the rest linked or skipped; ten are not touched.
async fn prepare() -> (World, ImportRequest, Vec<MappedRow>) {
    let world = World::new(1).await.unwrap();
    plant(&world, 0, 60);
    // Ten contacts of clients that are here already.
    let engine = world.process().unwrap();
    for n in 0..10 {
        let client = world.add_client(n).await.unwrap();
        world.edit_client(client, |client| client.email = format!("known{n}@example.com")).await.unwrap();
        world.plant(serde_json::json!({"contacts": [{"name": format!("Known {n}"), "email": format!("KNOWN{n}@example.com")}]})).unwrap();
    }
    let preview = previewed(&world, &engine).await;
    let rows = rows(&world, &engine, preview.id).await;
    assert_eq!(rows.len(), 70);
    let mut fresh = rows.iter().filter(|row| row.status == Status::New);
    let mut ticked: Vec<_> = fresh.by_ref().take(40).map(|row| tick(&row.external_id, Action::Create)).collect();
    ticked.extend(fresh.by_ref().take(10).map(|row| tick(&row.external_id, Action::Skip)));
    ticked.extend(rows.iter().filter(|row| row.status == Status::DuplicateEmail).map(|row| tick(&row.external_id, Action::Link)));
    assert_eq!(ticked.len(), 60);
    world.wire.disarm();
    (world, request(preview.id, ticked), rows)
}

/// What must be there afterwards, however the commit came to its end.
async fn check(world: &World, request: &ImportRequest, rows: &[MappedRow], result: &ImportResult, case: &str) {
    assert_eq!((result.created, result.linked, result.skipped), (40, 10, 10), "{case}: {result:?}");
    assert!(result.changed_since_preview.is_empty() && result.failed.is_empty(), "{case}: {result:?}");
    let engine = world.process().unwrap();
    // One of the world's own, ten that were known, forty that are new.
    assert_eq!(clients(world).await.len(), 51, "{case}");
    let generation = world.connection().await.unwrap().value.generation;
    let links = engine.store.contact_rows(world.workspace, world.ledger, generation).await.unwrap();
    let by_contact: BTreeMap<_, _> = links.iter().map(|(client, row)| (row.link.as_ref().unwrap().external_id.clone(), *client)).collect();
    assert_eq!((links.len(), by_contact.len()), (50, 50), "{case}: one link for each");
    let organisation = world.connection().await.unwrap().value.organisation.unwrap().id;
    for picked in request.rows.iter().flatten() {
        let owner = engine.store.contact_owner(world.workspace, world.ledger, &organisation, &picked.external_id).await.unwrap();
        let expected = (picked.action != Action::Skip).then(|| by_contact.get(&picked.external_id).copied().unwrap());
        assert_eq!(owner, expected, "{case}");
        let row = rows.iter().find(|row| row.external_id == picked.external_id).unwrap();
        let owners = engine.store.email_owners(world.workspace, row.email.as_deref().unwrap()).await.unwrap().value;
        assert_eq!(owners.len(), usize::from(picked.action != Action::Skip), "{case}: {row:?}");
    }
}

/// Clicks until the answer is the result, as a patient person would.
async fn repeated(world: &World, request: &ImportRequest, case: &str) -> ImportResult {
    for _ in 0..8 {
        let engine = world.process().unwrap();
        match import(world, &engine, &world.ctx(), request.clone()).await {
            Ok(ImportAnswer::Done(result)) => return result,
            // The dead one's lease has to end, or AWS failed for good.
            Ok(ImportAnswer::Accepted(_)) | Err(_) => world.clock.advance(SignedDuration::from_secs(50)),
        }
    }
    panic!("{case}: not done");
}

#[tokio::test(start_paused = true)]
async fn i15_a_commit_that_dies_before_any_call_and_is_repeated_makes_the_ticked_rows_once() {
    die_at_each_call(Fault::CrashBefore).await;
}

#[tokio::test(start_paused = true)]
async fn i15_a_commit_that_dies_after_any_call_and_is_repeated_makes_the_ticked_rows_once() {
    die_at_each_call(Fault::CrashAfter).await;
}

async fn die_at_each_call(fault: Fault) {
    let (world, wanted, shown) = prepare().await;
    let engine = world.process().unwrap();
    let Ok(ImportAnswer::Done(result)) = import(&world, &engine, &world.ctx(), wanted.clone()).await else { panic!("nothing was armed") };
    let passed = world.wire.passed();
    check(&world, &wanted, &shown, &result, "undisturbed").await;
    let vendor = passed.iter().filter(|call| call.side == Side::Vendor).count();
    assert_eq!(vendor, 1, "the list once more, in one page");
    for (k, call) in passed.iter().enumerate() {
        let case = format!("call {k} ({}), {fault:?}", call.operation);
        let (world, wanted, shown) = prepare().await;
        world.wire.arm(k, fault);
        let engine = world.process().unwrap();
        let ctx = world.ctx();
        let died = tokio::select! {
            biased;
            () = world.wire.death() => true,
            _ = import(&world, &engine, &ctx, wanted.clone()) => false,
        };
        assert!(died && world.wire.struck(), "{case}");
        world.wire.disarm();
        let result = repeated(&world, &wanted, &case).await;
        check(&world, &wanted, &shown, &result, &case).await;
    }
    assert!(passed.len() > 50, "fifty rows are written one by one");
}

/// R27, R33: repeating a finished commit answers the same, makes nothing, and does not ask the ledger again.
#[tokio::test(start_paused = true)]
async fn r33_repeating_a_commit_makes_nothing_more() {
    let (world, wanted, shown) = prepare().await;
    assert_eq!(world.ledger, Ledger::Xero);
    let first = repeated(&world, &wanted, "first").await;
    let before = world.simulator.calls().len();
    for _ in 0..2 {
        assert_eq!(repeated(&world, &wanted, "again").await, first);
    }
    check(&world, &wanted, &shown, &first, "repeated").await;
    assert_eq!(world.simulator.calls().len(), before, "no vendor call");
}
