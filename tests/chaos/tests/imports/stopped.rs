//! What stands between a preview and the end of its commit: clients that change, a ledger that refuses one contact, the preview's end, and
//! what is said of it all.

use chaos::world::World;
use coportal_core::id::ClientId;
use coportal_core::import::{Action, Status};
use coportal_core::job::JobId;
use coportal_core::ledger::Ledger;
use coportal_engine::import::{ImportAnswer, Looked, PickedRow, PreviewState, RowResult};
use jiff::SignedDuration;
use serde_json::json;
use simulators::skeleton::faults::{Fault, FaultKind};
use uuid::Uuid;

use crate::scene::{actor, all_new, clients, external_id, import, imported, plant, previewed, request, rows, shown, tick, work, workspace};

/// C14, R26, R32: an archived contact does not hide the live one of the same address; of two live ones the second is left to the person.
#[tokio::test(start_paused = true)]
async fn c14_r26_r32_the_live_contact_behind_an_archived_one_is_imported() {
    for ledger in Ledger::ALL {
        let world = World::of(ledger, 21).await.unwrap();
        let contact = |name: &str, email: &str| json!({"name": name, "email": email});
        world
            .plant(json!({"contacts": [
                contact("Ann, before", "ann@example.com"),
                contact("Ann, now", "ann@example.com"),
                contact("Bob", "bob@example.com"),
                contact("Bob, too", "BOB@example.com"),
            ]}))
            .unwrap();
        world.bookkeeper(json!({"action": "archive_contact", "contact_id": external_id(&world, "Ann, before")})).unwrap();
        let engine = world.process().unwrap();
        let preview = previewed(&world, &engine).await;
        assert_eq!((preview.counts.unwrap().new, preview.all_new), (4, Some(2)), "{ledger}");
        let rows = rows(&world, &engine, preview.id).await;
        let ticked = |name: &str| rows.iter().find(|row| row.name == name).map(|row| (row.ticked, row.twin_of.is_some()));
        // Vendors list in their own order: an archived contact may come before the live one or behind it.
        assert_eq!(ticked("Ann, before").map(|(ticked, _)| ticked), Some(false), "{ledger}");
        assert_eq!(ticked("Ann, now").map(|(ticked, _)| ticked), Some(true), "{ledger}");
        let bobs = [ticked("Bob"), ticked("Bob, too")];
        assert!(bobs.contains(&Some((true, false))) && bobs.contains(&Some((false, true))), "{ledger}: {bobs:?}");
        let result = imported(&world, &engine, all_new(preview.id)).await;
        assert_eq!((result.created, result.skipped), (2, 2), "{ledger}: {result:?}");
        let after = shown(&world, &engine, preview.id).await;
        assert_eq!(after.all_new, Some(0), "{ledger}");
        let made = engine.store.clients(world.workspace, true, None, 10).await.unwrap().items;
        assert!(made.iter().any(|client| client.name == "Ann, now"), "{ledger}: {made:?}");
        assert_eq!(made.len(), 3, "{ledger}: {made:?}");
        // I15: the twin that a person ticks is a second client: it was shown as one.
        let twin = rows.iter().find(|row| row.name.starts_with("Bob") && !row.ticked).unwrap();
        let forced = imported(&world, &engine, request(preview.id, vec![tick(&twin.external_id, Action::Create)])).await;
        assert_eq!((forced.created, clients(&world).await.len()), (1, 4), "{ledger}: {forced:?}");
    }
}

/// I15, C15: a duplicate whose client has another address by now is not tied to it, and neither is anybody who never had one.
#[tokio::test(start_paused = true)]
async fn i15_c15_a_client_that_lost_the_address_is_not_linked() {
    let world = World::new(22).await.unwrap();
    let engine = world.process().unwrap();
    let known = world.add_client(1).await.unwrap();
    world.edit_client(known, |client| client.email = "known@example.com".to_owned()).await.unwrap();
    world.plant(json!({"contacts": [{"name": "Known", "email": "known@example.com"}]})).unwrap();
    let preview = previewed(&world, &engine).await;
    let row = rows(&world, &engine, preview.id).await.remove(0);
    assert_eq!((row.status, row.client_id), (Status::DuplicateEmail, Some(known)));
    let link = |client_id| request(preview.id, vec![PickedRow { external_id: row.external_id.clone(), action: Action::Link, client_id }]);
    for stranger in [world.client, ClientId::new(Uuid::from_u128(77))] {
        let refused = imported(&world, &engine, link(Some(stranger))).await;
        let report = &refused.failed[0];
        assert_eq!((report.code.as_str(), report.name.as_str(), refused.linked), ("other_client", "Known", 0), "{refused:?}");
    }
    world.edit_client(known, |client| client.email = "corrected@example.com".to_owned()).await.unwrap();
    for picked in [None, Some(known)] {
        let result = imported(&world, &engine, link(picked)).await;
        let report = &result.changed_since_preview[0];
        assert_eq!((report.code.as_str(), report.name.as_str(), result.linked), ("no_duplicate", "Known", 0), "{result:?}");
    }
    let generation = world.connection().await.unwrap().value.generation;
    assert!(engine.store.contact_rows(world.workspace, world.ledger, generation).await.unwrap().is_empty(), "nothing is linked");
    world.edit_client(known, |client| client.email = "KNOWN@example.com".to_owned()).await.unwrap();
    assert_eq!(imported(&world, &engine, link(None)).await.linked, 1);
}

/// I15: what a commit did before something stopped it is told and counted, page by page and row by row; the rest is done when it is
/// asked for again.
#[tokio::test(start_paused = true)]
async fn i15_a_stopped_commit_says_what_it_did() {
    let world = World::of(Ledger::Sage, 23).await.unwrap();
    plant(&world, 0, 450);
    let engine = world.process().unwrap();
    let preview = previewed(&world, &engine).await;
    let listed = rows(&world, &engine, preview.id).await;
    // One of the first page of rows, two of the last; three calls are no more than the pages of the list.
    let of = |n: usize| tick(&listed[n].external_id, Action::Create);
    let wanted = request(preview.id, vec![of(0), of(410), of(420)]);
    let refusing = Box::leak(format!("/contacts/{}", listed[420].external_id).into_boxed_str());
    world.simulator.post_faults(vec![Fault { status: Some(400), times: 99, ..Fault::on(refusing, FaultKind::Status) }]);
    let answer = import(&world, &engine, &world.ctx(), wanted.clone()).await.unwrap();
    let ImportAnswer::Accepted(under_way) = answer else { panic!("one of the three cannot be read") };
    assert_eq!((under_way.state, under_way.result.unwrap().created), (PreviewState::Committing, 2));
    // It is tried again, and given up at last.
    for _ in 0..40 {
        world.clock.advance(SignedDuration::from_mins(30));
        let _ = engine.run_job(&world.ctx(), world.workspace, JobId::Preview(preview.id)).await.unwrap();
    }
    let stopped = shown(&world, &engine, preview.id).await;
    assert!(stopped.state == PreviewState::Ready && stopped.problem.is_some(), "{:?}: {:?}", stopped.state, stopped.problem);
    let result = stopped.result.unwrap();
    assert_eq!((result.created, clients(&world).await.len()), (2, 3), "{result:?}");
    assert_eq!(stopped.all_new, Some(448));
    let after = rows(&world, &engine, preview.id).await;
    let made = |n: usize| matches!(after[n].outcome, Some(RowResult::Created { .. }));
    assert_eq!([made(0), made(410), made(420)], [true, true, false]);
    world.heal().unwrap();
    let result = imported(&world, &engine, wanted).await;
    assert_eq!((result.created, clients(&world).await.len()), (3, 4), "{result:?}");
    // Leaving a row alone afterwards does not undo what became of it.
    let skipped = imported(&world, &engine, request(preview.id, vec![tick(&listed[0].external_id, Action::Skip)])).await;
    assert_eq!((skipped.created, skipped.skipped), (0, 1));
    let again = rows(&world, &engine, preview.id).await;
    assert!(matches!(again[0].outcome, Some(RowResult::Created { .. })), "{:?}", again[0]);
}

/// A commit that is begun in a preview's last minute comes to its end, and what it came to can be read.
#[tokio::test(start_paused = true)]
async fn a_commit_begun_in_the_last_minute_comes_to_its_end() {
    let world = World::new(24).await.unwrap();
    plant(&world, 0, 130);
    let engine = world.process().unwrap();
    let preview = previewed(&world, &engine).await;
    world.clock.advance(SignedDuration::from_hours(24) - SignedDuration::from_secs(30));
    let answer = import(&world, &engine, &world.ctx(), all_new(preview.id)).await.unwrap();
    assert!(matches!(answer, ImportAnswer::Accepted(_)), "{answer:?}");
    world.clock.advance(SignedDuration::from_mins(10));
    work(&world, &engine, preview.id).await;
    let done = shown(&world, &engine, preview.id).await;
    assert_eq!((done.state, done.result.unwrap().created, clients(&world).await.len()), (PreviewState::Done, 130, 131));
    // It does not live for ever by being committed again and again.
    for _ in 0..10 {
        world.clock.advance(SignedDuration::from_hours(5));
        let _ = import(&world, &engine, &world.ctx(), all_new(preview.id)).await;
    }
    let ours = workspace(&world).await;
    let gone = engine.preview(&world.ctx(), &ours, world.ledger, preview.id, None).await.unwrap_err();
    assert_eq!(gone.code, "not_found");
}

/// R24: whoever looks for a contact looks through the whole preview, not through one page of it.
#[tokio::test(start_paused = true)]
async fn r24_a_search_goes_through_the_whole_preview() {
    let world = World::new(25).await.unwrap();
    plant(&world, 0, 450);
    let engine = world.process().unwrap();
    let id = previewed(&world, &engine).await.id;
    let ours = workspace(&world).await;
    let ctx = world.ctx();
    let look = |looked| engine.look_at_preview(&ctx, &ours, world.ledger, id, looked);
    let one = look(Looked { words: "zoë CONTACT449@", ..Looked::default() }).await.unwrap();
    let names: Vec<String> = one.rows.unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!((names, one.next_cursor), (vec!["Contact 00449 Zoë".to_owned()], None));
    let none = look(Looked { status: Some(Status::Linked), ..Looked::default() }).await.unwrap();
    assert_eq!((none.rows.map(|rows| rows.len()), none.next_cursor), (Some(0), None));
    let (mut found, mut cursor) = (0, None::<String>);
    loop {
        let looked = Looked { words: "contact", status: Some(Status::New), cursor: cursor.as_deref() };
        let page = engine.look_at_preview(&ctx, &ours, world.ledger, id, looked).await.unwrap();
        found += page.rows.unwrap().len();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, 450);
    assert_eq!(engine.begin_preview(&ctx, &ours, actor(&world), world.ledger, false).await.unwrap().all_new, None, "not read yet");
}
