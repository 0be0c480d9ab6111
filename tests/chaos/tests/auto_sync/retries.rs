//! What came to nothing is tried again by the schedule, on the moved clock, and listed at its end; what is in doubt is looked for as long as
//! it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chaos::wire::VendorSide;
use chaos::world::World;
use coportal_core::sync::row::{SyncRow, SyncState};
use coportal_engine::Engine;
use coportal_ledgers::exec::{Transport, TransportError};
use coportal_ledgers::{Endpoints, Ledgers};
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use url::Url;

use crate::pumps::{NOW, Pumps, world};

type Answer<'a> = BoxFuture<'a, Result<http::Response<Bytes>, TransportError>>;

/// Where a request named by a word of its address is never answered, but brings the caller down.
pub(crate) struct PanicsOver(pub(crate) VendorSide, pub(crate) &'static str);

impl Transport for PanicsOver {
    fn send<'a>(&'a self, request: http::Request<Bytes>, timeout: Duration) -> Answer<'a> {
        assert!(!request.uri().to_string().contains(self.1), "panicked over {}", self.1);
        self.0.send(request, timeout)
    }
}

/// A vendor that cannot be connected to.
struct Unreachable;

impl Transport for Unreachable {
    fn send<'a>(&'a self, _: http::Request<Bytes>, _: Duration) -> Answer<'a> {
        Box::pin(async { Err(TransportError::NotSent("refused".to_owned())) })
    }
}

/// A vendor that makes the document, and is not heard of again.
struct DeafAfterAWrite(VendorSide, AtomicBool);

impl Transport for DeafAfterAWrite {
    fn send<'a>(&'a self, request: http::Request<Bytes>, timeout: Duration) -> Answer<'a> {
        Box::pin(async move {
            if self.1.load(Ordering::SeqCst) {
                return Err(TransportError::NotSent("refused".to_owned()));
            }
            let write = request.method() != http::Method::GET && request.uri().path().contains("/Invoices");
            let answer = self.0.send(request, timeout).await;
            if write {
                self.1.store(true, Ordering::SeqCst);
                return Err(TransportError::MaybeSent("the connection broke".to_owned()));
            }
            answer
        })
    }
}

pub(crate) fn vendor(world: &World) -> VendorSide {
    VendorSide { wire: world.wire.clone(), simulator: Arc::clone(&world.simulator) }
}

/// A process whose ledger is reached through `transport`.
pub(crate) fn process(world: &World, transport: impl Transport + 'static) -> Engine {
    let mut endpoints = Endpoints::default();
    endpoints.simulate(world.ledger, &Url::parse("https://ledger.test").unwrap());
    Engine { ledgers: Ledgers::new(Arc::new(transport), endpoints), ..world.process().unwrap() }
}

/// How long the row waits from now, in seconds.
fn waits(world: &World, row: &SyncRow) -> i64 {
    let until = row.waiting.unwrap().until.unwrap();
    world.clock.now().duration_until(until).as_secs()
}

/// The clock goes to where the row is due, the schedule ticks, and what is sent is delivered.
pub(crate) async fn due(pumps: &Pumps<'_>, engine: &Engine) {
    let wait = waits(pumps.world, &pumps.row().await).max(0) + 1;
    pumps.world.clock.advance(SignedDuration::from_secs(wait));
    assert!(pumps.sweep().await && Box::pin(pumps.deliver_with(engine)).await);
}

const SCHEDULE: [i64; 6] = [5, 30, 120, 600, 3_600, 21_600];

/// Each interval of the schedule, a fifth shorter to a fifth longer, then failed and listed, and nothing due any more.
async fn runs_through_the_schedule(pumps: &Pumps<'_>, engine: &Engine) {
    let world = pumps.world;
    for (attempt, interval) in (1..).zip(SCHEDULE) {
        let row = pumps.row().await;
        assert_eq!((row.state, row.attempts, pumps.waiting()), (SyncState::Waiting, attempt, 0), "its message is deleted");
        let wait = waits(world, &row);
        assert!(wait * 10 >= interval * 8 - 10 && wait * 10 <= interval * 12, "try {attempt}: {wait} s of {interval} s");
        due(pumps, engine).await;
    }
    let row = pumps.row().await;
    assert_eq!((row.state, row.attempts, pumps.waiting()), (SyncState::Failed, 7, 0));
    let store = &world.process().unwrap().store;
    let listed = store.attention(&world.ctx(), world.workspace, 10, None).await.unwrap();
    assert_eq!(listed.items.iter().map(|item| item.key.inv).collect::<Vec<_>>(), [world.invoice_id]);
    world.clock.advance(SignedDuration::from_hours(48));
    assert!(pumps.sweep().await);
    assert_eq!(pumps.waiting(), 0, "a row that has failed is not due");
}

/// The row of a record that panics each time: its message is deleted, it is retried by the schedule, then failed with code `internal`.
#[tokio::test(start_paused = true)]
async fn a_panic_is_retried_by_the_schedule_and_fails_as_internal() {
    let world = world(41).await;
    let pumps = Pumps::of(&world);
    let engine = process(&world, PanicsOver(vendor(&world), "ledger.test"));
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver_with(&engine).await);
    runs_through_the_schedule(&pumps, &engine).await;
    let problem = pumps.row().await.problem.unwrap();
    assert_eq!((problem.code.as_ref(), problem.fix.retry_helps), ("internal", true));
    assert_eq!(pumps.writes(), 0);
    assert_eq!(pumps.log.lines().iter().filter(|line| line["outcome"] == "panicked").count(), 7);
    // Retried by state: a click begins anew, and brings it there.
    world.synced().await.unwrap();
    world.only().unwrap();
}

/// An outage: the same schedule, then failed with what the ledger said; the next event begins anew.
#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_and_then_listed() {
    let world = world(42).await;
    let pumps = Pumps::of(&world);
    let engine = process(&world, Unreachable);
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver_with(&engine).await);
    runs_through_the_schedule(&pumps, &engine).await;
    assert_ne!(pumps.row().await.problem.unwrap().code, "internal");
    world.edit(|invoice| invoice.due_date = None).await.unwrap();
    pumps.stream(world.invoice_id).await;
    assert_eq!((pumps.row().await.state, pumps.row().await.attempts), (SyncState::Queued, 0));
    assert!(pumps.deliver().await);
    assert_eq!(pumps.row().await.done, 2);
    world.only().unwrap();
}

/// Impatient clicks do not make a row fail: each begins the schedule anew.
#[tokio::test(start_paused = true)]
async fn clicks_use_up_no_tries() {
    let world = world(43).await;
    let pumps = Pumps::of(&world);
    let engine = process(&world, Unreachable);
    for _ in 0..12 {
        engine.sync_invoice(&world.ctx(), world.request()).await.unwrap();
        let row = pumps.row().await;
        assert_eq!((row.state, row.attempts), (SyncState::Waiting, 1));
        assert!((3..=6).contains(&waits(&world, &row)));
    }
    // And what they left waiting goes on by itself.
    pumps.rest(3).await;
    world.only().unwrap();
}

/// A write whose outcome nobody can find out: never failed, by whatever count; looked for at the longest interval, listed, and adopted as soon
/// as the ledger answers.
#[tokio::test(start_paused = true)]
async fn what_is_in_doubt_is_looked_for_as_long_as_it_takes() {
    let world = world(44).await;
    let pumps = Pumps::of(&world);
    let engine = process(&world, DeafAfterAWrite(vendor(&world), AtomicBool::new(false)));
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver_with(&engine).await);
    assert_eq!(world.live().len(), 1, "it was made, and nobody knows");
    let store = world.process().unwrap().store;
    for attempt in 1..=12 {
        let row = pumps.row().await;
        assert!(row.intent.is_some() && !row.state.is_at_rest(), "try {attempt}: {row:?}");
        let listed = store.attention(&world.ctx(), world.workspace, 10, None).await.unwrap().items.len();
        assert_eq!(listed, usize::from(row.attempts > 6), "try {attempt}");
        if row.attempts > 6 {
            assert_eq!(row.state, SyncState::Uncertain);
            assert!((17_270..=25_930).contains(&waits(&world, &row)), "{}", waits(&world, &row));
        }
        due(&pumps, &engine).await;
    }
    assert!(pumps.row().await.attempts > 6);
    due(&pumps, &world.process().unwrap()).await;
    pumps.rest(20).await;
    world.only().unwrap();
    assert_eq!((pumps.row().await.state, pumps.row().await.attempts), (SyncState::Synced, 0));
    assert!(pumps.story().await.iter().any(|line| line.step == "adopted"));
}

/// A message that comes a third time, without a claim since it first came, is counted and not tried: what had it may have died of it.
#[tokio::test(start_paused = true)]
async fn a_third_receive_is_counted() {
    let world = world(45).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    for _ in 0..2 {
        assert_eq!(pumps.receive(NOW, 5).len(), 1);
        world.clock.advance(SignedDuration::from_secs(1_081));
    }
    let calls = pumps.vendor_calls();
    assert!(pumps.deliver().await);
    let row = pumps.row().await;
    assert_eq!((row.state, row.attempts, pumps.waiting(), pumps.vendor_calls()), (SyncState::Waiting, 1, 0, calls));
    pumps.rest(3).await;
    world.only().unwrap();
}
