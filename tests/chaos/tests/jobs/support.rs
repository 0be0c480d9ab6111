//! A world with several clients and invoices, and somebody who delivers its jobs' messages.

use chaos::world::World;
use coportal_core::backfill::BackfillState;
use coportal_core::id::{BackfillId, InvoiceId};
use coportal_core::job::{JobId, NextStep};
use coportal_core::timeline::Actor;
use coportal_engine::Engine;
use coportal_engine::jobs::{BackfillRequest, BackfillView, JobEnd};
use jiff::SignedDuration;
use jiff::civil::date;

/// Steps that a job of these tests needs at most.
const STEPS: usize = 400;

/// From the first day of the world's invoices: they are a day older than its connection.
pub(crate) fn everything() -> BackfillRequest {
    BackfillRequest { from: Some(date(2026, 3, 1)), ..BackfillRequest::default() }
}

/// `clients` further clients with `each` invoices each, beside the world's own; answers all invoices.
pub(crate) async fn populate(world: &World, clients: u128, each: u128) -> Vec<InvoiceId> {
    let mut invoices = vec![world.invoice_id];
    for n in 1..=clients {
        let client = world.add_client(n).await.unwrap();
        world
            .edit_client(client, |client| {
                client.name = format!("Client {n}");
                client.email = format!("client{n}@example.com");
            })
            .await
            .unwrap();
        for m in 0..each {
            invoices.push(world.add_invoice(n * 100 + m, client).await.unwrap());
        }
    }
    world.wire.disarm();
    invoices
}

/// Calls to the vendor's API so far.
pub(crate) fn vendor_calls(world: &World) -> usize {
    world.simulator.calls().into_iter().filter(|call| call.kind == simulators::skeleton::calls::Kind::Api).count()
}

pub(crate) async fn begin(world: &World) -> BackfillId {
    // A moment after whatever was before: what was synced since is its own.
    world.clock.advance(SignedDuration::from_secs(1));
    let engine = world.process().unwrap();
    let actor = Actor::User(world.user.clone());
    engine.begin_backfill(&world.ctx(), world.workspace, world.ledger, &everything(), actor).await.unwrap()
}

/// A message to a job, in a process of its own.
pub(crate) async fn deliver(world: &World, id: BackfillId) -> JobEnd {
    let engine = world.process().unwrap();
    deliver_in(&engine, world, id).await
}

pub(crate) async fn deliver_in(engine: &Engine, world: &World, id: BackfillId) -> JobEnd {
    engine.run_job(&world.ctx(), world.workspace, JobId::Backfill(id)).await.unwrap()
}

/// Delivers a job's messages, and moves the clock to where it waits, until it rests.
pub(crate) async fn drive(world: &World, id: BackfillId) -> BackfillView {
    for _ in 0..STEPS {
        match deliver(world, id).await {
            JobEnd::AtRest => return view(world, id).await,
            JobEnd::Advanced(NextStep::At(at)) => {
                let wait = world.clock.now().duration_until(at);
                world.clock.advance(wait.max(SignedDuration::from_secs(1)));
            }
            JobEnd::Advanced(NextStep::Now | NextStep::Rest) => {}
            // Of a process that died: its lease ends.
            JobEnd::Busy | JobEnd::NotDue => world.clock.advance(SignedDuration::from_secs(15)),
            JobEnd::Gone => panic!("the job is gone"),
        }
    }
    panic!("not at rest after {STEPS} steps: {:?}", view(world, id).await)
}

pub(crate) async fn view(world: &World, id: BackfillId) -> BackfillView {
    world.process().unwrap().backfill(&world.ctx(), world.workspace, world.ledger, id).await.unwrap()
}

/// Every invoice has exactly one document, and every client exactly one contact (I1, I2).
pub(crate) fn one_of_each(world: &World, invoices: usize, clients: usize) {
    let mut references: Vec<String> = world.live().into_iter().map(|document| document.number.or(document.reference).unwrap()).collect();
    references.sort();
    let found = references.len();
    references.dedup();
    assert_eq!((found, references.len()), (invoices, invoices), "{references:?}");
    assert_eq!(world.books().contacts.len(), clients);
}

pub(crate) fn is_over(view: &BackfillView) {
    assert_eq!(view.state, BackfillState::Done, "{view:?}");
    assert_eq!((view.eta, view.waiting_for), (None, None), "{view:?}");
    assert_eq!((view.progress.pending, view.progress.waiting), (0, 0), "{view:?}");
}
