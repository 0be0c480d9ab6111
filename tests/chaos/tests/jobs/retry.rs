//! Trying again what needs a person (by state; held entries stay held).

use chaos::world::World;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::Actor;
use coportal_engine::sync::{RetryRequest, RetryState, SyncEnd};

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
