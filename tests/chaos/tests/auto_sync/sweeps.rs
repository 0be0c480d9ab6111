//! What the sweep sends, in which lots, and in whose turn.

use chaos::world::World;
use coportal_aws::keys;
use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_core::connection::Generation;
use coportal_core::id::{BackfillId, InvoiceId, WorkspaceId};
use coportal_core::job::JobId;
use coportal_core::ledger::Ledger;
use coportal_core::queue::{JobMessage, Message};
use coportal_core::sync::row::{SyncRow, SyncState, Waiting, WaitingFor};
use coportal_engine::auto_sync::{Swept, lot};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::pumps::{BULK, NOW, Pumps, world};

/// Rows of a connection that wait until now.
async fn wait(world: &World, ws: WorkspaceId, ledger: Ledger, count: u128) {
    let store = world.process().unwrap().store;
    let waiting = Some(Waiting { reason: WaitingFor::Limit, until: Some(world.clock.now()) });
    let row = SyncRow { wanted: 1, state: SyncState::Waiting, waiting, ..SyncRow::default() };
    for n in 0..count {
        let key = SyncKey { ws, inv: InvoiceId::new(Uuid::from_u128(0xaaaa_0000 + n)), ledger, generation: Generation(1) };
        let saved = store.save_row(&world.ctx(), key, &row, 0).await.unwrap();
        assert!(matches!(saved, Saved::Done { .. }));
    }
}

fn messages(pumps: &Pumps<'_>, queue: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        let received = pumps.receive(queue, 10);
        if received.is_empty() {
            return messages;
        }
        messages.extend(received.iter().map(|message| Message::decode(&message.body).unwrap()));
    }
}

fn sizes(messages: &[Message]) -> Vec<usize> {
    messages.iter().map(|message| if let Message::Sync(sync) = message { sync.invoices.len() } else { 0 }).collect()
}

async fn swept(world: &World) -> Swept {
    world.process().unwrap().auto_sync().sweep(&world.ctx()).await.unwrap()
}

/// One by itself goes to `sync-now`, many of a connection together to `sync-bulk`, in lots of the vendor's batch; the next minutes send
/// nothing twice, and a message that was lost is sent again.
#[tokio::test(start_paused = true)]
async fn rows_are_sent_in_lots_of_their_connection() {
    let world = world(61).await;
    let pumps = Pumps::of(&world);
    pumps.rest(3).await;
    let one = WorkspaceId::new(Uuid::from_u128(0x51));
    let many = WorkspaceId::new(Uuid::from_u128(0x52));
    wait(&world, one, Ledger::Xero, 1).await;
    wait(&world, many, Ledger::Xero, 120).await;
    wait(&world, many, Ledger::Sage, 12).await;
    let done = swept(&world).await;
    assert_eq!((done.rows, done.messages, done.failed, done.more), (133, 6, 0, false));
    assert_eq!(sizes(&messages(&pumps, NOW)), [1]);
    let mut bulk = sizes(&messages(&pumps, BULK));
    bulk.sort_unstable();
    // The last two of Sage are a lot of their own.
    assert_eq!(bulk, [2, 10, 20, 50, 50]);
    for _ in 0..9 {
        world.clock.advance(SignedDuration::from_secs(60));
        assert_eq!(swept(&world).await, Swept::default(), "sent, and out of the way");
    }
    world.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(swept(&world).await.rows, 133, "nobody came to them: they are due again");
}

/// What a vendor's own folder says of its batches.
#[tokio::test(start_paused = true)]
async fn a_lot_is_no_larger_than_a_batch() {
    let world = world(62).await;
    let ledgers = world.process().unwrap().ledgers;
    for ledger in Ledger::ALL {
        let batch = ledgers.get(ledger).unwrap().profile.batch;
        assert!(lot(ledger) <= batch || batch == 1, "{ledger}: {} of {batch}", lot(ledger));
    }
}

/// Workspaces take turns: one that has thousands due leaves room for another in the same shard, in the same sweep.
#[tokio::test(start_paused = true)]
async fn nobody_waits_behind_the_thousands_of_another() {
    let world = world(63).await;
    let pumps = Pumps::of(&world);
    pumps.rest(3).await;
    let busy = WorkspaceId::new(Uuid::from_u128(0x61));
    let shard = keys::shard(busy, Ledger::Xero);
    let beside = (0x62..).map(|n| WorkspaceId::new(Uuid::from_u128(n))).find(|ws| keys::shard(*ws, Ledger::Xero) == shard).unwrap();
    wait(&world, busy, Ledger::Xero, 1_300).await;
    world.clock.advance(SignedDuration::from_secs(1));
    wait(&world, beside, Ledger::Xero, 1).await;
    let first = swept(&world).await;
    assert!(first.more);
    assert_eq!((first.rows, sizes(&messages(&pumps, NOW))), (601, vec![1]));
    assert_eq!(messages(&pumps, BULK).len(), 12);
    let (second, third) = (swept(&world).await, swept(&world).await);
    assert_eq!((second.rows, second.more, third.rows, third.more), (600, true, 100, false));
}

/// A job's head that is due is a message.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_due_is_sent() {
    let world = world(64).await;
    let pumps = Pumps::of(&world);
    pumps.rest(3).await;
    let job = JobId::Backfill(BackfillId::new(Uuid::from_u128(9)));
    let store = world.process().unwrap().store;
    assert!(store.create_job(&world.ctx(), world.workspace, job, &"body", world.clock.now(), None).await.unwrap());
    assert_eq!((swept(&world).await.jobs, swept(&world).await.jobs), (1, 0));
    assert_eq!(messages(&pumps, BULK), [Message::Job(JobMessage { ws: world.workspace, job })]);
}
