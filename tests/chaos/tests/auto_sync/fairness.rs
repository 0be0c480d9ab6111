//! Fifty workspaces beside one with five thousand (I16): the worker's concurrency is the template's, every call of a vendor takes 300 ms.

use std::cell::Cell;
use std::time::Duration;

use chaos::world::World;
use coportal_aws::queues::SendOutcome;
use coportal_core::id::InvoiceId;
use coportal_core::queue::{Message, SyncMessage, SyncQueue};
use coportal_engine::Engine;
use coportal_lambda::events::LambdaEvent;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::skeleton::calls::Kind;
use simulators::skeleton::limits::LimitsChange;

use crate::populate::{clients, invoices};
use crate::pumps::{BULK, NOW, Pumps, world};

/// Invocations at once and messages of each, for `sync-now` and `sync-bulk` (infra/template.yaml, `ScalingConfig` and `BatchSize`).
const POLLERS: [(&str, usize, usize); 2] = [(NOW, 10, 5), (BULK, 5, 1)];
const NEIGHBOURS: u128 = 50;
/// Invoices that the thousands of messages name in turn: more than are begun before the neighbours are done.
const INVOICES: usize = 1_000;
/// The harness's clock goes in such steps.
const TICK: Duration = Duration::from_millis(5);
/// What a call to AWS takes.
const AWS: Duration = Duration::from_millis(5);

/// One of Lambda's invocations after the other, for as long as the world stands.
async fn poll(pumps: &Pumps<'_>, engine: &Engine, queue: &str, batch: usize) {
    loop {
        let received = pumps.receive(queue, batch);
        if received.is_empty() {
            tokio::time::sleep(TICK).await;
            continue;
        }
        let records: Vec<Value> = received.iter().map(|message| message.record(queue)).collect();
        let event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let state = auto_sync_worker::State { shell: pumps.shell("auto-sync-worker"), engine: engine.clone() };
        let answer = Box::pin(auto_sync_worker::handle(state, LambdaEvent::new(event, Default::default()))).await.unwrap();
        let again: Vec<String> = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        for message in received.iter().filter(|message| !again.contains(&message.message_id)) {
            pumps.world.cloud.cloud.sqs().delete(queue, &message.receipt_handle);
        }
    }
}

/// When each neighbour's document was made, on the world's clock.
fn made(world: &World, busy: &str) -> Vec<Timestamp> {
    let calls = world.simulator.calls().into_iter().filter(|call| call.kind == Kind::Api && call.method == "PUT");
    let documents = calls.filter(|call| call.path.contains("/Invoices") && call.organisation.as_deref().is_some_and(|of| of != busy));
    documents.map(|call| call.at).collect()
}

/// How long fifty workspaces take until each has its one document, beside so many invoices of one other that were there before.
async fn fifty_beside(thousands: usize) -> SignedDuration {
    let world = world(97).await;
    world.simulator.change_limits(LimitsChange { latency_ms: Some(300), ..LimitsChange::default() });
    let mut neighbours = Vec::new();
    for n in 1..=NEIGHBOURS {
        let neighbour = world.beside(n).await.unwrap();
        neighbour.options(|options| options.auto_sync = true).await.unwrap();
        neighbours.push(neighbour);
    }
    let engine = world.metered_process().unwrap();
    let auto_sync = engine.auto_sync();
    if thousands > 0 {
        let clients = clients(&world, 100).await;
        let invoices = invoices(&world, &clients, INVOICES).await;
        let generation = world.connection().await.unwrap().value.generation;
        let message =
            |inv: &InvoiceId| Message::Sync(SyncMessage { ws: world.workspace, ledger: world.ledger, generation, invoices: vec![*inv] });
        let messages: Vec<Message> = invoices.iter().cycle().take(thousands).map(message).collect();
        let sent = engine.queues.send(&world.ctx(), SyncQueue::Now, &messages).await.unwrap();
        assert!(sent.len() == thousands && sent.iter().all(SendOutcome::is_sent));
    }
    let pumps = Pumps::of(&world);
    let busy = world.connection().await.unwrap().value.organisation.unwrap().id;
    // What connecting called is long ago.
    world.clock.advance(SignedDuration::from_mins(10));
    world.wire.take_time(AWS);
    world.wire.disarm();
    let began = Cell::new(None);
    let workers = POLLERS.iter().flat_map(|(queue, invocations, batch)| {
        let (pumps, engine) = (&pumps, &engine);
        (0..*invocations).map(move |_| poll(pumps, engine, queue, *batch))
    });
    let ticking = async {
        loop {
            tokio::time::sleep(TICK).await;
            world.clock.advance(SignedDuration::try_from(TICK).unwrap());
        }
    };
    let arriving = async {
        // All workers are at the thousands by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        began.set(Some(world.clock.now()));
        let each = neighbours.iter().map(|neighbour| {
            let ctx = world.ctx();
            let auto_sync = &auto_sync;
            async move { auto_sync.fan_out(&ctx, neighbour.workspace, neighbour.invoice_id).await.unwrap() }
        });
        join_all(each).await;
        while made(&world, &busy).len() < neighbours.len() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        biased;
        () = arriving => {}
        _ = join_all(workers) => unreachable!("workers never end"),
        () = ticking => {}
        () = tokio::time::sleep(Duration::from_secs(120)) => {
            let row = neighbours.first().unwrap().row().await;
            panic!("{} of {NEIGHBOURS} after two minutes; the first: {row:?}", made(&world, &busy).len());
        }
    }
    let last = made(&world, &busy).into_iter().max().unwrap();
    began.get().unwrap().duration_until(last) + SignedDuration::from_millis(300)
}

#[tokio::test(start_paused = true)]
async fn i16_fifty_workspaces_beside_one_with_five_thousand() {
    let alone = Box::pin(fifty_beside(0)).await;
    let beside = Box::pin(fifty_beside(5_000)).await;
    println!("fifty alone: {} ms; beside five thousand of another: {} ms", alone.as_millis(), beside.as_millis());
    assert!(beside <= alone * 2, "{beside} against {alone}");
}
