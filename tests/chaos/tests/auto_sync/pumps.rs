//! What Lambda does: hands records to handlers, and deletes what they did not name.

use std::sync::{Arc, Mutex};

use chaos::world::World;
use coportal_aws::keys;
use coportal_aws::records::sync::SyncKey;
use coportal_core::ctx::{Clock, Random};
use coportal_core::id::InvoiceId;
use coportal_core::sync::row::SyncRow;
use coportal_core::timeline::TimelineEvent;
use coportal_engine::Engine;
use coportal_lambda::config;
use coportal_lambda::events::{EventShell, LambdaEvent};
use coportal_lambda::telemetry::{Sink, Telemetry};
use coportal_local::doubles::sqs::Received;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The queues of the template.
pub(crate) const NOW: &str = "SyncNow";
pub(crate) const BULK: &str = "SyncBulk";

struct OfWorld(simulators::Clock);

impl Clock for OfWorld {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Even bytes: half of every interval's jitter, which is none, and ids that count.
struct Counting(Mutex<u64>);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.0.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            *count = count.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let drawn = (*count ^ (*count >> 29)).to_be_bytes();
            for (to, from) in chunk.iter_mut().zip(drawn) {
                *to = from;
            }
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Sink for Log {
    fn write(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Log {
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.0.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Lambda, as far as these functions meet it.
pub(crate) struct Pumps<'w> {
    pub(crate) world: &'w World,
    pub(crate) log: Log,
    random: Arc<Counting>,
}

impl<'w> Pumps<'w> {
    pub(crate) fn of(world: &'w World) -> Self {
        Self { world, log: Log::default(), random: Arc::new(Counting(Mutex::new(7))) }
    }

    pub(crate) fn shell(&self, function: &'static str) -> EventShell {
        let settings = config::Telemetry { service: None, namespace: "CoPortal".to_owned(), level: tracing::Level::INFO };
        let telemetry = Telemetry::new(function, &settings, Arc::new(self.log.clone()));
        EventShell::new(Arc::new(OfWorld(self.world.clock.clone())), Arc::clone(&self.random) as Arc<dyn Random>, telemetry)
    }

    /// A moment passes, so that the lines of a story have an order.
    fn moment(&self) {
        self.world.clock.advance(SignedDuration::from_millis(10));
    }

    /// The stream's record of the invoice; whether the process lived. What a crash leaves is the test's business.
    pub(crate) async fn stream(&self, invoice: InvoiceId) -> bool {
        self.moment();
        let key = keys::invoice(self.world.workspace, invoice);
        let record = json!({
            "eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
            "dynamodb": {
                "Keys": {"pk": {"S": key.pk}, "sk": {"S": key.sk}},
                "SequenceNumber": "100", "SizeBytes": 26, "StreamViewType": "NEW_IMAGE"
            },
            "eventSourceARN": "arn:aws:dynamodb:eu-west-1:000000000000:table/coportal/stream/2026"
        });
        let event = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        let state = auto_sync_fanout::State { shell: self.shell("auto-sync-fanout"), auto_sync: self.world.process().unwrap().auto_sync() };
        tokio::select! {
            biased;
            () = self.world.wire.death() => false,
            answered = Box::pin(auto_sync_fanout::handle(state, LambdaEvent::new(event, Default::default()))) => { answered.unwrap(); true }
        }
    }

    /// One tick of the schedule; whether the process lived.
    pub(crate) async fn sweep(&self) -> bool {
        let state = sweep::State { shell: self.shell("sweep"), auto_sync: self.world.process().unwrap().auto_sync() };
        let event = serde_json::from_value(json!({})).unwrap();
        tokio::select! {
            biased;
            () = self.world.wire.death() => false,
            swept = Box::pin(sweep::handle(state, LambdaEvent::new(event, Default::default()))) => { let _ = swept; true }
        }
    }

    /// Takes messages of a queue.
    pub(crate) fn receive(&self, queue: &str, max: usize) -> Vec<Received> {
        self.world.cloud.cloud.sqs().receive(queue, max)
    }

    /// Hands messages to the worker and deletes those that it does not name; the ids that it names, or `None` when the process died.
    pub(crate) async fn hand_over(&self, engine: Engine, queue: &str, received: &[Received]) -> Option<Vec<String>> {
        self.moment();
        let records: Vec<Value> = received.iter().map(|message| message.record(queue)).collect();
        let event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let state = auto_sync_worker::State { shell: self.shell("auto-sync-worker"), engine };
        let answer = tokio::select! {
            biased;
            () = self.world.wire.death() => return None,
            answered = Box::pin(auto_sync_worker::handle(state, LambdaEvent::new(event, Default::default()))) => answered.unwrap(),
        };
        let again: Vec<String> = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        for message in received.iter().filter(|message| !again.contains(&message.message_id)) {
            self.world.cloud.cloud.sqs().delete(queue, &message.receipt_handle);
        }
        Some(again)
    }

    /// Delivers what can be received now; whether every process lived.
    pub(crate) async fn deliver_with(&self, engine: &Engine) -> bool {
        for (queue, batch) in [(NOW, 5), (BULK, 1)] {
            for _ in 0..200 {
                let received = self.receive(queue, batch);
                if received.is_empty() {
                    break;
                }
                if Box::pin(self.hand_over(engine.clone(), queue, &received)).await.is_none() {
                    return false;
                }
            }
        }
        true
    }

    /// The same in a process of its own.
    pub(crate) async fn deliver(&self) -> bool {
        self.deliver_with(&self.world.process().unwrap()).await
    }

    /// Messages in a queue, in flight or not.
    pub(crate) fn waiting(&self) -> u64 {
        [NOW, BULK].iter().map(|queue| self.world.cloud.cloud.sqs().counts(queue)).map(|counts| counts.visible + counts.in_flight).sum()
    }

    /// A minute passes: the schedule ticks, and what is in the queues is delivered.
    pub(crate) async fn minute(&self) {
        self.world.clock.advance(SignedDuration::from_secs(60));
        assert!(self.sweep().await && self.deliver().await, "a process died although nothing was armed");
    }

    /// Minutes pass until nothing is due or queued; how many.
    pub(crate) async fn rest(&self, most: u32) -> u32 {
        for minute in 0..most {
            if self.waiting() == 0 && !self.is_marked().await && self.row().await.state.is_at_rest() {
                return minute;
            }
            Box::pin(self.minute()).await;
        }
        panic!("not at rest after {most} minutes: {:?}, {} messages", self.row().await, self.waiting());
    }

    /// Whether the invoice's newest version still waits to be handed on.
    pub(crate) async fn is_marked(&self) -> bool {
        let engine = self.world.process().unwrap();
        engine.store.fan_out_head(&self.world.ctx(), self.world.workspace, self.world.invoice_id).await.unwrap().version.is_some()
    }

    /// The row of the present generation; as new where there is none.
    pub(crate) async fn row(&self) -> SyncRow {
        let engine = self.world.process().unwrap();
        engine.store.sync_row(self.key().await).await.unwrap().value
    }

    pub(crate) async fn key(&self) -> SyncKey {
        let World { workspace: ws, invoice_id: inv, ledger, .. } = self.world;
        SyncKey { ws: *ws, inv: *inv, ledger: *ledger, generation: self.world.connection().await.unwrap().value.generation }
    }

    /// The invoice's story, newest first.
    pub(crate) async fn story(&self) -> Vec<TimelineEvent> {
        let engine = self.world.process().unwrap();
        engine.store.timeline(&self.world.ctx(), self.world.workspace, self.world.invoice_id, 50, None).await.unwrap().items
    }

    /// The newest line's step and text.
    pub(crate) async fn last_line(&self) -> (String, String) {
        let line = self.story().await.into_iter().next().expect("a line");
        (line.step, line.text)
    }

    /// How many calls the vendor's API has had, sign-in apart.
    pub(crate) fn vendor_calls(&self) -> usize {
        self.world.simulator.calls().iter().filter(|call| !call.path.contains("/connect/")).count()
    }

    /// Documents that were asked to be made or changed.
    pub(crate) fn writes(&self) -> usize {
        let calls = self.world.simulator.calls();
        calls.iter().filter(|call| call.path.contains("/Invoices") && call.method != "GET").count()
    }
}

/// A world whose connection syncs by itself, with a sent invoice that nobody was told of, and its client's contact linked.
pub(crate) async fn world(seed: u64) -> World {
    let world = World::new(seed).await.unwrap();
    world.options(|options| options.auto_sync = true).await.unwrap();
    world.wire.disarm();
    world
}
