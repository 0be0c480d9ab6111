//! K19: the process dies before or after any call of a job, to AWS or to the vendor; its messages come again.

use chaos::wire::Fault;
use chaos::world::World;
use coportal_core::id::BackfillId;
use coportal_core::job::NextStep;
use coportal_engine::jobs::JobEnd;

use crate::support::{begin, deliver_in, drive, is_over, one_of_each, populate};

async fn prepare(seed: u64) -> (World, BackfillId) {
    let world = World::new(seed).await.unwrap();
    populate(&world, 1, 2).await;
    let id = begin(&world).await;
    (world, id)
}

/// Steps in one process until it dies, or the job rests.
async fn until_death(world: &World, id: BackfillId) {
    let engine = world.process().unwrap();
    tokio::select! {
        biased;
        () = world.wire.death() => {}
        () = async {
            while !matches!(deliver_in(&engine, world, id).await, JobEnd::AtRest | JobEnd::Advanced(NextStep::Rest)) {}
        } => {}
    }
}

#[tokio::test(start_paused = true)]
async fn k19_a_backfill_survives_the_death_of_its_process_at_any_call() {
    let (world, id) = prepare(1).await;
    world.wire.disarm();
    until_death(&world, id).await;
    let calls = world.wire.passed().len();
    assert!(calls > 20, "{calls}");
    for call in 0..calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let (world, id) = prepare(1).await;
            world.wire.arm(call, fault);
            until_death(&world, id).await;
            assert!(world.wire.struck(), "call {call} of {calls}");
            world.wire.disarm();
            let done = drive(&world, id).await;
            is_over(&done);
            assert_eq!((done.progress.total, done.progress.synced), (3, 3), "{fault:?} at {call}: {done:?}");
            one_of_each(&world, 3, 2);
        }
    }
}
