//! Trying again what needs a person (by state; held entries stay held).

use chaos::wire::{Fault, Passed, Side};
use chaos::world::{Run, World};
use coportal_core::queue::SyncMessage;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Plan;
use coportal_engine::sync::{RetryRequest, RetryState, SyncEnd};
use jiff::SignedDuration;

use crate::support::{begin, drive, populate};

/// Failed rows are queued again, and a held one is left for its answer.
#[tokio::test(start_paused = true)]
async fn what_failed_is_queued_again_and_what_is_held_stays_held() {
    let world = World::new(1).await.unwrap();
    let invoices = populate(&world, 2, 1).await;
    // Another's contact of the same name is a question (C4), and a refusal of the ledger's is a failure.
    world.plant(serde_json::json!({"contacts": [{"name": "Client 1", "email": "other@example.net"}]})).unwrap();
    let ill_written = world.process().unwrap().store.invoice(world.workspace, invoices[2]).await.unwrap().unwrap().client_id;
    world.edit_client(ill_written, |client| client.email = "nobody at all".to_owned()).await.unwrap();
    let id = begin(&world).await;
    let done = drive(&world, id).await;
    assert_eq!((done.progress.held, done.progress.failed, done.progress.synced), (1, 1, 1), "{done:?}");
    world.edit_client(ill_written, |client| client.email = "client2@example.com".to_owned()).await.unwrap();

    let engine = world.process().unwrap();
    let actor = Actor::User(world.user.clone());
    let waiting = RetryRequest { state: Some(RetryState::Waiting), ledger: None };
    let none = engine.retry_attention(&world.ctx(), world.workspace, &waiting, &actor).await.unwrap();
    assert_eq!(none.queued, 0, "nothing waits for a person: {none:?}");
    let retried = engine.retry_attention(&world.ctx(), world.workspace, &RetryRequest::default(), &actor).await.unwrap();
    assert_eq!((retried.queued, retried.held, retried.more), (done.progress.failed, done.progress.held, false), "{retried:?}");
    for invoice in invoices {
        let row = world.row_of(invoice).await.unwrap();
        assert!(matches!(row.state, SyncState::Held | SyncState::Queued | SyncState::Synced), "{row:?}");
        if row.state == SyncState::Queued {
            assert!(matches!(world.sync(invoice).await.unwrap(), Ok(SyncEnd::Synced(_))));
        }
    }
}

/// What is in doubt is only ever looked for: it is told so, and no second document is made.
#[tokio::test(start_paused = true)]
async fn what_is_in_doubt_is_looked_for_and_not_sent_again() {
    let world = World::new(2).await.unwrap();
    world.link_contact().await.unwrap();
    // The document is made, and nobody hears of it.
    let made = |call: &Passed, _| call.side == Side::Vendor && call.operation.contains("/Invoices") && !call.operation.starts_with("GET");
    world.wire.arm_when(made, Fault::CrashAfter);
    assert!(matches!(world.click().await.unwrap(), Run::Died));
    world.wire.disarm();
    let document = world.only().unwrap();
    // On a lower plan it is parked as it is (R146), and when the plan is there again somebody tries again before it goes on by itself.
    world.settings(|workspace| workspace.plan = Plan::Solo).await.unwrap();
    world.clock.advance(SignedDuration::from_mins(2));
    let generation = world.connection().await.unwrap().value.generation;
    let message = SyncMessage { ws: world.workspace, ledger: world.ledger, generation, invoices: vec![world.invoice_id] };
    let engine = world.process().unwrap();
    assert!(engine.work(&world.ctx(), &message).await.unwrap().is_empty());
    let parked = world.row().await.unwrap();
    assert!(parked.state == SyncState::Waiting && parked.intent.is_some(), "{parked:?}");
    world.settings(|workspace| workspace.plan = Plan::Studio).await.unwrap();
    // Long after the ledger has forgotten the key of the write.
    world.clock.advance(SignedDuration::from_hours(25));

    let actor = Actor::User(world.user.clone());
    let retried = engine.retry_attention(&world.ctx(), world.workspace, &RetryRequest::default(), &actor).await.unwrap();
    assert_eq!((retried.queued, retried.looked_for, retried.held, retried.left), (1, 1, 0, 0), "{retried:?}");
    let row = world.row().await.unwrap();
    assert!(row.state == SyncState::Uncertain && row.intent.is_some(), "{row:?}");
    let before = world.simulator.calls().len();
    world.synced().await.unwrap();
    assert_eq!(world.only().unwrap(), document, "it was found, and no other one was made");
    let calls = world.simulator.calls().split_off(before);
    assert!(!calls.is_empty() && calls.iter().all(|call| call.method == "GET" || call.path.contains("/token")), "{calls:?}");
    let story = engine.store.timeline(&world.ctx(), world.workspace, world.invoice_id, 50, None).await.unwrap();
    assert!(story.items.iter().any(|line| line.step == "retried" && line.text.contains("looked for first")), "{story:?}");
}
