//! Trying again what needs a person (by state; held entries stay held).

use chaos::world::World;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::Actor;
use coportal_engine::sync::{RetryRequest, RetryState, SyncEnd};
use simulators::skeleton::faults::{Fault, FaultKind};

use crate::support::{begin, drive, populate};

/// Failed rows are queued again, and a held one is left for its answer.
#[tokio::test(start_paused = true)]
#[ignore = "the refusal that it scripts does not reach a create in a batch"]
async fn what_failed_is_queued_again_and_what_is_held_stays_held() {
    let world = World::new(1).await.unwrap();
    let invoices = populate(&world, 2, 1).await;
    // Another's contact of the same name is a question (C4), and a refusal of the ledger's is a failure.
    world.plant(serde_json::json!({"contacts": [{"name": "Client 1", "email": "other@example.net"}]})).unwrap();
    let refusal = Fault { method: Some("PUT".to_owned()), status: Some(403), ..Fault::on("/Invoices", FaultKind::Status) };
    world.simulator.post_faults(vec![refusal]);
    let id = begin(&world).await;
    let done = drive(&world, id).await;
    assert!(done.progress.held >= 1 && done.progress.failed >= 1, "{done:?}");
    world.heal().unwrap();

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
