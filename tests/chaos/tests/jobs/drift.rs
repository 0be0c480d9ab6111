//! Drift: what somebody changed in the ledger is found by a cheap check, shown, and never overwritten without a word (C29, I7).

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::job::{JobId, NextStep};
use coportal_core::sync::drift::DriftKind;
use coportal_core::sync::row::SyncState;
use coportal_engine::jobs::JobEnd;
use coportal_engine::sync::{KeepSide, SyncEnd};
use jiff::SignedDuration;

use crate::support::vendor_calls;

async fn check(world: &World) -> JobEnd {
    let engine = world.process().unwrap();
    engine.check_drift(&world.ctx(), world.workspace, world.ledger).await.unwrap();
    let connection = world.connection().await.unwrap().value;
    let job = JobId::Drift { ledger: world.ledger, generation: connection.generation };
    for _ in 0..20 {
        let end = world.process().unwrap().run_job(&world.ctx(), world.workspace, job).await.unwrap();
        if end != JobEnd::Advanced(NextStep::Now) {
            return end;
        }
    }
    panic!("a check of one page does not end")
}

async fn drifts(world: &World) -> Vec<coportal_core::sync::drift::Drifted> {
    world.process().unwrap().drifts(&world.ctx(), world.workspace, world.ledger, 50, None).await.unwrap().items
}

async fn synced() -> World {
    let world = World::new(1).await.unwrap();
    world.synced().await.unwrap();
    world.clock.advance(SignedDuration::from_mins(1));
    world
}

/// A connection that nobody works in: one call, nothing found, and our own write is no drift.
#[tokio::test(start_paused = true)]
async fn a_check_of_quiet_books_is_one_call_and_finds_nothing() {
    let world = synced().await;
    let before = vendor_calls(&world);
    assert_eq!(check(&world).await, JobEnd::Advanced(NextStep::Rest));
    assert_eq!((vendor_calls(&world) - before, drifts(&world).await.len()), (1, 0));
    world.options(|options| options.auto_sync = true).await.unwrap();
    let JobEnd::Advanced(NextStep::At(next)) = check(&world).await else { panic!("it begins anew by itself") };
    assert_eq!(world.clock.now().duration_until(next), SignedDuration::from_hours(1));
}

/// Voided there: found, kept by one word, made anew by the other.
#[tokio::test(start_paused = true)]
async fn c29_a_document_that_was_voided_there_is_a_persons_decision() {
    for keep in [KeepSide::Theirs, KeepSide::Ours] {
        let world = synced().await;
        let document = world.only().unwrap();
        world.bookkeeper(simulators::xero::Action::Delete { document_id: document.id.clone() }).unwrap();
        check(&world).await;
        let found = drifts(&world).await;
        assert_eq!(found.len(), 1);
        assert!(found[0].kinds.iter().all(|kind| matches!(kind, DriftKind::Voided | DriftKind::Deleted)), "{found:?}");
        assert_eq!(world.live().len(), 0, "nothing is made without a word");
        let engine = world.process().unwrap();
        let end = engine.keep_drift(&world.ctx(), world.request(), keep).await.unwrap();
        if let SyncEnd::Held(hold) = &end {
            // Xero keeps the number of what was deleted: making it again asks which number it is to have.
            assert_eq!((keep, hold.question), (KeepSide::Ours, Question::NumberTaken), "{end:?}");
            assert_eq!((drifts(&world).await, world.live().len()), (vec![], 0));
            continue;
        }
        let SyncEnd::Synced(answer) = end else { panic!("{end:?}") };
        match keep {
            KeepSide::Theirs => assert_eq!((answer.state, world.live().len()), (SyncState::Stopped, 0)),
            KeepSide::Ours => assert_eq!((answer.state, world.live().len()), (SyncState::Synced, 1)),
        }
        assert_eq!(drifts(&world).await, []);
        check(&world).await;
        assert_eq!(drifts(&world).await, [], "{keep:?}: answered once, it is not found again");
    }
}
