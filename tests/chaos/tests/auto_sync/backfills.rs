//! Backfills of a size that vendors' limits are about, over queue, worker and sweep: what they cost, and what they do when the limits fall.

use std::collections::BTreeMap;

use chaos::world::World;
use coportal_core::backfill::BackfillState;
use coportal_core::id::BackfillId;
use coportal_core::sync::row::WaitingFor;
use coportal_core::timeline::Actor;
use coportal_engine::Engine;
use coportal_engine::jobs::{BackfillRequest, BackfillView};
use jiff::SignedDuration;
use jiff::civil::date;
use serde_json::json;
use simulators::skeleton::calls::{Call, Kind};
use simulators::skeleton::limits::LimitsChange;

use crate::populate::{clients, invoices, none_lost_none_doubled};
use crate::pumps::Pumps;

/// Connected, with so many contacts in the ledger that their list has a second page, and 1,000 invoices over 200 clients that it does not know.
async fn a_thousand(seed: u64) -> World {
    let world = World::new(seed).await.unwrap();
    let strangers: Vec<_> =
        (0..1_050).map(|n| json!({"name": format!("Stranger {n}"), "email": format!("s{n}@stranger.example")})).collect();
    world.plant(json!({ "contacts": strangers })).unwrap();
    let clients = clients(&world, 200).await;
    assert_eq!(invoices(&world, &clients, 1_000).await.len(), 1_000);
    // What connecting called is more than a day ago.
    world.clock.advance(SignedDuration::from_hours(25));
    world
}

fn api_calls(world: &World) -> Vec<Call> {
    world.simulator.calls().into_iter().filter(|call| call.kind == Kind::Api).collect()
}

/// Organisation, accounts, tax rates and what else is read about the organisation itself.
fn is_fact(call: &Call) -> bool {
    ["/Contacts", "/Invoices", "/Payments"].iter().all(|of_work| !call.path.contains(of_work))
}

async fn begin(world: &World, engine: &Engine) -> BackfillId {
    world.clock.advance(SignedDuration::from_secs(1));
    let everything = BackfillRequest { from: Some(date(2026, 3, 1)), ..BackfillRequest::default() };
    let actor = Actor::User(world.user.clone());
    engine.begin_backfill(&world.ctx(), world.workspace, world.ledger, &everything, actor).await.unwrap()
}

async fn view(world: &World, engine: &Engine, id: BackfillId) -> BackfillView {
    engine.backfill(&world.ctx(), world.workspace, world.ledger, id).await.unwrap()
}

/// The schedule ticks and messages are delivered until the job is over, the clock moved to where it says that it waits; the views on the way.
async fn to_rest(pumps: &Pumps<'_>, engine: &Engine, id: BackfillId) -> Vec<BackfillView> {
    let world = pumps.world;
    let mut seen = Vec::new();
    for _ in 0..400 {
        assert!(Box::pin(pumps.deliver_with(engine)).await);
        let now = view(world, engine, id).await;
        let due = now.due_at;
        let state = now.state;
        seen.push(now);
        if state != BackfillState::Running {
            return seen;
        }
        let wait = due.map_or(SignedDuration::ZERO, |due| world.clock.now().duration_until(due));
        world.clock.advance(wait.max(SignedDuration::from_secs(1)));
        assert!(pumps.sweep().await);
    }
    panic!("not at rest: {:?}", seen.last());
}

fn dead_letters(world: &World) -> u64 {
    let sqs = world.cloud.cloud.sqs();
    let dead = sqs.names().into_iter().filter(|name| name.ends_with("DeadLetters"));
    dead.map(|name| sqs.counts(&name)).map(|counts| counts.visible + counts.in_flight + counts.delayed).sum()
}

/// 1,000 invoices over 200 new clients, with a list of contacts of two pages. What must be called:
///
/// | for | calls |
/// |---|---|
/// | the list of contacts, 1,000 a page (1,050 there) | 2 |
/// | 200 new contacts, 50 a call | 4 |
/// | 1,000 invoices, 50 a call | 20 |
/// | together | 26 |
///
/// The 34 that are promised leave room for eight more: a batch that is refused as a whole and whose rows look again, or more pages. A second
/// run calls nobody.
#[tokio::test(start_paused = true)]
async fn r36_a_thousand_invoices_over_two_hundred_new_clients_take_26_calls() {
    let world = a_thousand(81).await;
    let pumps = Pumps::of(&world);
    let engine = world.metered_process().unwrap();
    let before = api_calls(&world).len();
    let id = begin(&world, &engine).await;
    let done = to_rest(&pumps, &engine, id).await.pop().unwrap();
    assert_eq!((done.state, done.progress.total, done.progress.synced), (BackfillState::Done, 1_000, 1_000), "{done:?}");
    none_lost_none_doubled(&world, 1_000, 200);
    let mut by_kind: BTreeMap<String, u32> = BTreeMap::new();
    for call in api_calls(&world).split_off(before).iter().filter(|call| !is_fact(call)) {
        let path = call.path.split('?').next().unwrap_or_default();
        *by_kind.entry(format!("{} {path}", call.method)).or_default() += 1;
    }
    println!("backfill of 1,000 invoices over 200 new clients: {by_kind:?}");
    let calls: u32 = by_kind.values().sum();
    assert!(calls <= 34, "{calls}: {by_kind:?}");
    assert_eq!(
        by_kind.into_iter().map(|(kind, count)| (kind.rsplit('/').next().unwrap().to_owned(), count)).collect::<Vec<_>>(),
        [("Contacts".to_owned(), 2), ("Contacts".to_owned(), 4), ("Invoices".to_owned(), 20),]
    );
    assert_eq!(done.progress.vendor_calls, u32::try_from(api_calls(&world).len() - before).unwrap(), "what it says is what was called");

    let before = api_calls(&world).len();
    let again = begin(&world, &engine).await;
    let again = to_rest(&pumps, &engine, again).await.pop().unwrap();
    assert_eq!((again.progress.unchanged, again.progress.vendor_calls), (1_000, 0), "{again:?}");
    assert_eq!(api_calls(&world).len(), before);
    assert_eq!(dead_letters(&world), 0);
}

/// The simulator's limits fall to 10 a minute and 20 a day after connecting. The same job never exceeds them, says for what it waits and until
/// when, and is done on a later day.
#[tokio::test(start_paused = true)]
async fn i16_the_same_job_within_ten_calls_a_minute_and_twenty_a_day() {
    let world = a_thousand(82).await;
    let pumps = Pumps::of(&world);
    let engine = world.metered_process().unwrap();
    world.simulator.change_limits(LimitsChange { minute: Some(10), day: Some(20), ..LimitsChange::default() });
    let (before, began) = (api_calls(&world).len(), world.clock.now());
    let id = begin(&world, &engine).await;
    let seen = to_rest(&pumps, &engine, id).await;
    let done = seen.last().unwrap();
    assert_eq!((done.state, done.progress.synced, done.progress.failed), (BackfillState::Done, 1_000, 0), "{done:?}");
    none_lost_none_doubled(&world, 1_000, 200);
    let calls = api_calls(&world).split_off(before);
    assert!(calls.iter().all(|call| call.status.is_some_and(|status| status < 400)), "no call was refused");
    for (window, most) in [(SignedDuration::from_mins(1), 10), (SignedDuration::from_hours(24), 20)] {
        for first in &calls {
            let within = calls.iter().filter(|call| call.at >= first.at && first.at.duration_until(call.at) < window).count();
            assert!(within <= most, "{within} calls in {window} from {}", first.at);
        }
    }
    let waiting: Vec<_> = seen.iter().filter(|view| view.waiting_for.is_some()).collect();
    assert!(waiting.iter().all(|view| view.due_at.is_some() && view.eta >= view.due_at), "each wait has its end");
    for reason in [WaitingFor::Limit, WaitingFor::DayBudget] {
        assert!(waiting.iter().any(|view| view.waiting_for == Some(reason)), "{reason:?}");
    }
    let took = began.duration_until(world.clock.now());
    println!("within 10 a minute and 20 a day: {} calls over {} h, {} waits", calls.len(), took.as_hours(), waiting.len());
    assert!(took > SignedDuration::from_hours(20), "{took}");
    for _ in 0..20 {
        pumps.minute().await;
    }
    assert_eq!((dead_letters(&world), pumps.waiting()), (0, 0));
}
