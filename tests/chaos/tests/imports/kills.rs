//! I15: a commit of sixty rows, dead before and after every one of its calls, then repeated: exactly the ticked rows, once.

use std::collections::{BTreeMap, BTreeSet};

use chaos::wire::{Fault, Side};
use chaos::world::World;
use coportal_core::import::{Action, Status};
use coportal_core::ledger::Ledger;
use coportal_engine::import::{ImportAnswer, ImportRequest, ImportResult, MappedRow, PreviewState};
use jiff::SignedDuration;

use crate::scene::{clients, import, plant, previewed, request, rows, shown, tick, work};

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

/// Of 205 contacts in two pages of rows 105 are ticked: more than a request does itself.
async fn prepare_job() -> (World, ImportRequest) {
    let world = World::new(2).await.unwrap();
    plant(&world, 0, 205);
    let engine = world.process().unwrap();
    let preview = previewed(&world, &engine).await;
    let rows = rows(&world, &engine, preview.id).await;
    let ticked = rows.iter().enumerate().filter(|(n, _)| *n < 101 || *n > 200).map(|(_, row)| tick(&row.external_id, Action::Create));
    let ticked: Vec<_> = ticked.collect();
    assert_eq!((rows.len(), ticked.len()), (205, 105));
    world.wire.disarm();
    (world, request(preview.id, ticked))
}

/// The click and the messages of the job, until the job is at rest.
async fn click_and_work(world: &World, wanted: &ImportRequest) {
    let engine = world.process().unwrap();
    if import(world, &engine, &world.ctx(), wanted.clone()).await.is_ok() {
        work(world, &engine, wanted.preview_id.unwrap()).await;
    }
}

/// I15: the same for a commit that is a job over several pages of rows: it dies at every seventh of its calls, in the click or in a step, and
/// messages go on with what is left. Who clicked finds the result on the preview.
#[tokio::test(start_paused = true)]
async fn i15_a_job_that_dies_in_the_middle_makes_the_ticked_rows_once() {
    let (world, wanted) = prepare_job().await;
    click_and_work(&world, &wanted).await;
    let calls = world.wire.passed().len();
    assert!(calls > 105, "105 rows are written one by one");
    assert_eq!(clients(&world).await.len(), 106);
    for (turn, k) in (0..calls).step_by(7).enumerate() {
        let fault = [Fault::CrashBefore, Fault::CrashAfter][turn % 2];
        let case = format!("call {k} of {calls}, {fault:?}");
        let (world, wanted) = prepare_job().await;
        let id = wanted.preview_id.unwrap();
        world.wire.arm(k, fault);
        let died = tokio::select! {
            biased;
            () = world.wire.death() => true,
            () = click_and_work(&world, &wanted) => false,
        };
        assert!(died && world.wire.struck(), "{case}");
        world.wire.disarm();
        let engine = world.process().unwrap();
        // The sweep's message, when the dead one's lease is over; a click that was lost is repeated.
        world.clock.advance(SignedDuration::from_secs(61));
        work(&world, &engine, id).await;
        let view = shown(&world, &engine, id).await;
        if view.state == PreviewState::Ready {
            click_and_work(&world, &wanted).await;
        }
        let view = shown(&world, &engine, id).await;
        let result = view.result.unwrap();
        assert_eq!((view.state, result.created, result.linked), (PreviewState::Done, 105, 0), "{case}: {:?}", view.problem);
        assert!(result.changed_since_preview.is_empty() && result.failed.is_empty(), "{case}: {result:?}");
        assert_eq!((clients(&world).await.len(), view.all_new), (106, Some(100)), "{case}");
        let generation = world.connection().await.unwrap().value.generation;
        let links = engine.store.contact_rows(world.workspace, world.ledger, generation).await.unwrap();
        let linked: BTreeSet<_> = links.iter().map(|(_, row)| row.link.as_ref().unwrap().external_id.clone()).collect();
        let ticked: BTreeSet<_> = wanted.rows.iter().flatten().map(|row| row.external_id.clone()).collect();
        assert_eq!((links.len(), &linked), (105, &ticked), "{case}: one link for each of the ticked, and for no other");
        let audit = engine.audit_list(&world.ctx(), world.workspace, 50, None).await.unwrap().items;
        assert!(audit.iter().any(|event| event.action == "import_started"), "{case}: who began it is known");
    }
}
