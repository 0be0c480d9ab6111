//! Late, doubled, reordered, and all at once: the newest version wins, once.

use coportal_core::invoice::InvoiceStatus;
use coportal_core::queue::{Message, SyncMessage};
use coportal_core::timeline::Actor;
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::SyncRequest;
use futures_util::future::join_all;
use rust_decimal::Decimal;

use crate::pumps::{BULK, NOW, Pumps, world};

/// I10: the event of an older version arrives after the newer one's, at the fan-out and at the worker.
#[tokio::test(start_paused = true)]
async fn i10_an_older_event_never_overwrites_a_newer_push() {
    let world = world(11).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    let first = pumps.receive(NOW, 5);
    world.edit(|invoice| invoice.lines[0].unit_price += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await, "the newer one's message");
    let engine = world.process().unwrap();
    assert!(pumps.hand_over(engine.clone(), NOW, &first).await.unwrap().is_empty(), "the older one's");
    assert!(pumps.stream(world.invoice_id).await, "and the older event once more");
    pumps.rest(5).await;
    let expected = world.invoice().await.unwrap().totals(TaxRounding::Line).total;
    assert_eq!(world.only().unwrap().total, expected);
    assert_eq!((pumps.row().await.wanted, pumps.row().await.done), (2, 2));
    assert_eq!(pumps.writes(), 1, "the older version was never written: the newest is read when work begins");
}

/// Each message one to five times, the copies shuffled between those of other versions.
#[tokio::test(start_paused = true)]
async fn duplicates_make_no_second_document() {
    for copies in 1..=5_usize {
        let world = world(12).await;
        let pumps = Pumps::of(&world);
        let mut kept = Vec::new();
        for version in 0..4 {
            pumps.stream(world.invoice_id).await;
            let received = pumps.receive(NOW, 5);
            for _ in 0..copies {
                assert!(pumps.hand_over(world.process().unwrap(), NOW, &received).await.unwrap().is_empty());
            }
            kept.extend(received);
            for message in kept.iter().rev() {
                let again = pumps.hand_over(world.process().unwrap(), NOW, std::slice::from_ref(message)).await.unwrap();
                assert!(again.is_empty());
            }
            if version < 3 {
                world.edit(|invoice| invoice.lines[1].quantity += Decimal::ONE).await.unwrap();
            }
        }
        pumps.rest(5).await;
        let expected = world.invoice().await.unwrap().totals(TaxRounding::Line).total;
        assert_eq!(world.only().unwrap().total, expected, "{copies} copies");
        assert_eq!(pumps.writes(), 4, "{copies} copies: one write a version");
        assert_eq!(world.books().contacts.len(), 1);
    }
}

/// A click, the queue and a bulk message at the same moment, in many orders of turns: one document, one push, one contact.
#[tokio::test(start_paused = true)]
async fn i1_button_queue_and_bulk_at_once_push_once() {
    for seed in 0..25 {
        let world = world(13).await;
        let pumps = Pumps::of(&world);
        let key = pumps.key().await;
        pumps.stream(world.invoice_id).await;
        let bulk = SyncMessage { ws: key.ws, ledger: key.ledger, generation: key.generation, invoices: vec![key.inv] };
        assert!(world.cloud.cloud.sqs().send(BULK, &Message::Sync(bulk).encode().unwrap()));
        let (now, bulk) = (pumps.receive(NOW, 5), pumps.receive(BULK, 1));
        let (one, two, three) = (world.process().unwrap(), world.process().unwrap(), world.process().unwrap());
        let ctx = world.ctx();
        let request = SyncRequest { actor: Actor::User(world.user.clone()), ..world.request() };
        world.wire.interleave(seed);
        let queued = pumps.hand_over(one, NOW, &now);
        let in_bulk = pumps.hand_over(two, BULK, &bulk);
        let clicked = three.sync_invoice(&ctx, request);
        let (queued, in_bulk, clicked) = futures_util::join!(queued, in_bulk, Box::pin(clicked));
        assert_eq!((queued, in_bulk), (Some(Vec::new()), Some(Vec::new())), "schedule {seed}");
        clicked.unwrap_or_else(|problem| panic!("schedule {seed}: {problem:?}"));
        pumps.rest(5).await;
        world.only().unwrap_or_else(|error| panic!("schedule {seed}: {error:#}"));
        assert_eq!(world.books().contacts.len(), 1, "schedule {seed}");
        let made = world.simulator.calls().into_iter().filter(|call| call.path.contains("/Invoices") && call.method != "GET").count();
        assert_eq!(made, 1, "schedule {seed}: one push");
    }
}

/// Many invoices of one new client in one bulk message and one by one: one contact (I2), a document each.
#[tokio::test(start_paused = true)]
async fn i2_many_invoices_of_one_new_client_make_one_contact() {
    let world = world(14).await;
    let pumps = Pumps::of(&world);
    let mut invoices = vec![world.invoice_id];
    for n in 0..12 {
        invoices.push(world.add_invoice(n, world.client).await.unwrap());
    }
    world.wire.interleave(3);
    join_all(invoices.iter().map(|invoice| pumps.stream(*invoice))).await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        let (received, engine, pumps) = (pumps.receive(NOW, 5), world.process().unwrap(), &pumps);
        workers.push(async move {
            assert_eq!(pumps.hand_over(engine, NOW, &received).await, Some(Vec::new()));
        });
    }
    join_all(workers).await;
    for _ in 0..5 {
        pumps.minute().await;
    }
    assert_eq!(world.live().len(), invoices.len());
    assert_eq!(world.books().contacts.len(), 1);
    for invoice in invoices {
        assert_eq!(world.row_of(invoice).await.unwrap().done, 1);
    }
}

/// A void that crosses the first sync: whatever the order, nothing open is left in the ledger without a person's knowing (C10).
#[tokio::test(start_paused = true)]
async fn c10_a_void_before_the_queue_came_to_it_is_nothing_to_do() {
    let world = world(15).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    pumps.rest(3).await;
    assert!(world.books().documents.is_empty());
    assert_eq!(pumps.writes(), 0);
    assert_eq!(pumps.last_line().await.1, "The invoice was voided before it reached the ledger.");
}
