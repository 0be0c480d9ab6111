//! What syncs by itself, and what does not.

use chaos::wire::{Fault, Side};
use coportal_aws::keys;
use coportal_core::connection::{ConnectionStatus, OnVoid, SyncOn};
use coportal_core::document::DocumentStatus;
use coportal_core::failure::Question;
use coportal_core::invoice::{InvoiceStatus, Payment};
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_core::workspace::{Plan, TaxRounding};
use coportal_engine::connect::Links;
use coportal_engine::sync::SyncEnd;
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::json;

use crate::pumps::{NOW, Pumps, world};

/// R66, C1, C2: a paid event with `payments = none` is queued, calls nobody, and says why.
#[tokio::test(start_paused = true)]
async fn c2_a_paid_event_calls_nobody_and_says_why() {
    let world = world(21).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    let before = (pumps.vendor_calls(), world.only().unwrap());
    world
        .edit(|invoice| {
            let amount = invoice.totals(TaxRounding::Line).total;
            invoice.payments.push(Payment { payment_id: "p1".to_owned(), amount, date: date(2026, 3, 2) });
            invoice.status = InvoiceStatus::Paid;
        })
        .await
        .unwrap();
    pumps.stream(world.invoice_id).await;
    assert_eq!(pumps.waiting(), 1, "the event is queued like any other (C2)");
    assert!(pumps.deliver().await);
    assert_eq!((pumps.vendor_calls(), world.only().unwrap()), before, "0 vendor calls, nothing changed there (I9)");
    let told = ("nothing".to_owned(), "Nothing to update; payments are not pushed by this connection.".to_owned());
    assert_eq!(pumps.last_line().await, told);
    assert_eq!((pumps.row().await.state, pumps.row().await.done), (SyncState::Synced, 2));
}

/// R34, R37: off by default and when switched off; what was queued while it was on is finished, later events are not.
#[tokio::test(start_paused = true)]
async fn r34_switched_off_with_rows_in_the_queue() {
    let world = world(22).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    world.options(|options| options.auto_sync = false).await.unwrap();
    assert!(pumps.deliver().await);
    assert_eq!((pumps.row().await.state, pumps.row().await.done), (SyncState::Synced, 1), "accepted while it was on (I3)");
    let calls = pumps.vendor_calls();
    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    pumps.rest(3).await;
    assert_eq!((pumps.vendor_calls(), pumps.row().await.wanted), (calls, 1), "off: an event raises nothing");
    // C30: switching it on again acts on what happens from then on.
    world.options(|options| options.auto_sync = true).await.unwrap();
    pumps.minute().await;
    assert_eq!(pumps.vendor_calls(), calls);
    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    assert_eq!(pumps.row().await.done, 3, "the newest version, with what was changed while it was off");
}

/// R35, R67, C9: a draft is wanted on creation only where the options say so; when it is sent, it is.
#[tokio::test(start_paused = true)]
async fn r67_created_or_sent() {
    for on_creation in [false, true] {
        let world = world(23).await;
        let pumps = Pumps::of(&world);
        world
            .options(|options| {
                options.also_draft_source = true;
                options.sync_on = if on_creation { SyncOn::Created } else { SyncOn::Sent };
            })
            .await
            .unwrap();
        world.edit(|invoice| invoice.status = InvoiceStatus::Draft).await.unwrap();
        pumps.stream(world.invoice_id).await;
        assert!(pumps.deliver().await);
        assert_eq!(world.live().len(), usize::from(on_creation));
        world.edit(|invoice| invoice.status = InvoiceStatus::Sent).await.unwrap();
        pumps.stream(world.invoice_id).await;
        assert!(pumps.deliver().await);
        world.only().unwrap();
        assert_eq!(pumps.row().await.done, 3);
    }
}

/// C10, R76: a void of what stands in the ledger asks, or takes it out (voided or deleted, as the option says); a void of what never got
/// there says so, once.
#[tokio::test(start_paused = true)]
async fn c10_a_void_by_itself() {
    for (on_void, reached) in [(OnVoid::None, true), (OnVoid::Void, true), (OnVoid::Delete, true), (OnVoid::Void, false)] {
        let world = world(24).await;
        let pumps = Pumps::of(&world);
        world.options(|options| options.on_void = on_void).await.unwrap();
        if reached {
            pumps.stream(world.invoice_id).await;
            assert!(pumps.deliver().await);
        }
        world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
        pumps.stream(world.invoice_id).await;
        assert!(pumps.deliver().await);
        let row = pumps.row().await;
        match (on_void, reached) {
            (_, false) => {
                assert_eq!((row.state, pumps.vendor_calls(), pumps.waiting()), (SyncState::Never, pumps.vendor_calls(), 0));
                let text = "Nothing to update: the invoice was voided before it reached the ledger.";
                assert_eq!(pumps.last_line().await, ("nothing".to_owned(), text.to_owned()));
            }
            (OnVoid::None, true) => {
                assert_eq!(row.hold.map(|hold| hold.question), Some(Question::VoidInLedger));
                world.only().unwrap();
            }
            (OnVoid::Void | OnVoid::Delete, true) => {
                assert_eq!(row.state, SyncState::Synced);
                assert!(world.live().is_empty());
                let there = row.link.unwrap().status;
                // A draft has nothing to void at Xero: it is deleted either way.
                assert_eq!(there, DocumentStatus::Deleted, "{on_void:?}");
            }
        }
    }
}

/// C10: on a connection that does nothing by itself, a void of what stands in the ledger is listed: nobody is called, the option for voids
/// is not obeyed, and a person's answer is.
#[tokio::test(start_paused = true)]
async fn c10_a_void_without_auto_sync_is_asked_about() {
    for on_void in [OnVoid::None, OnVoid::Void, OnVoid::Delete] {
        let world = world(32).await;
        let pumps = Pumps::of(&world);
        world.options(|options| (options.auto_sync, options.on_void) = (false, on_void)).await.unwrap();
        world.synced().await.unwrap();
        pumps.stream(world.invoice_id).await;
        let calls = pumps.vendor_calls();
        world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
        pumps.stream(world.invoice_id).await;
        // A record that comes twice, and the sweep.
        pumps.stream(world.invoice_id).await;
        pumps.minute().await;
        assert_eq!((pumps.vendor_calls(), pumps.waiting(), pumps.is_marked().await), (calls, 0, false), "{on_void:?}");
        world.only().unwrap();
        let row = pumps.row().await;
        let hold = row.hold.unwrap();
        let choices: Vec<&str> = hold.choices.iter().map(|choice| choice.id.as_str()).collect();
        assert_eq!((row.state, hold.question, choices), (SyncState::Held, Question::VoidInLedger, vec!["void", "leave", "retry"]));
        assert_eq!(pumps.last_line().await, ("held".to_owned(), hold.detail.clone()));
        let held = pumps.story().await.into_iter().filter(|line| line.step == "held").count();
        assert_eq!(held, 1, "told once");
        let engine = world.process().unwrap();
        let listed = engine.store.attention(&world.ctx(), world.workspace, 10, None).await.unwrap();
        assert_eq!(listed.items.len(), 1, "an open receivable overstates income: it is listed");
        let choice = if on_void == OnVoid::None { "leave" } else { "void" };
        let end = world.resolve(hold.id, choice).await.unwrap();
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{on_void:?}: {end:?}");
        assert_eq!(world.live().len(), usize::from(choice == "leave"));
        let listed = engine.store.attention(&world.ctx(), world.workspace, 10, None).await.unwrap();
        assert_eq!((listed.items.len(), pumps.row().await.state), (0, SyncState::Synced));
    }
}

/// C10: of what never reached the ledger, or what a person took out of it, a void says nothing there.
#[tokio::test(start_paused = true)]
async fn c10_a_void_without_auto_sync_and_without_a_document_is_quiet() {
    for unlinked in [false, true] {
        let world = world(33).await;
        let pumps = Pumps::of(&world);
        world.options(|options| options.auto_sync = false).await.unwrap();
        if unlinked {
            world.synced().await.unwrap();
            world.process().unwrap().unlink_document(&world.ctx(), world.request()).await.unwrap();
        }
        let calls = pumps.vendor_calls();
        let before = pumps.row().await;
        world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
        pumps.stream(world.invoice_id).await;
        pumps.minute().await;
        assert_eq!((pumps.vendor_calls(), pumps.row().await, pumps.is_marked().await), (calls, before, false));
    }
}

/// C30: an event about an invoice in a closed period asks, and writes nothing.
#[tokio::test(start_paused = true)]
async fn c30_a_closed_period_asks() {
    let world = world(25).await;
    let pumps = Pumps::of(&world);
    world.plant(json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "period_lock_date": "2026-03-01" }] })).unwrap();
    world.clock.advance(jiff::SignedDuration::from_hours(25));
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    assert_eq!(pumps.row().await.hold.map(|hold| hold.question), Some(Question::PeriodLocked));
    assert!(world.live().is_empty());
}

/// I14: a disconnect stops what is queued; messages that were under way call nobody, and no event raises anything.
#[tokio::test(start_paused = true)]
async fn i14_a_disconnect_stops_the_queue() {
    let world = world(26).await;
    let pumps = Pumps::of(&world);
    let mut invoices = vec![world.invoice_id];
    for n in 0..6 {
        invoices.push(world.add_invoice(n, world.client).await.unwrap());
    }
    for invoice in &invoices {
        pumps.stream(*invoice).await;
    }
    let late = pumps.receive(NOW, 5);
    let engine = world.process().unwrap();
    let workspace = engine.store.workspace(world.workspace).await.unwrap().unwrap();
    let receipt = engine.disconnect(&world.ctx(), &workspace, &world.user, world.ledger, Links::Keep).await.unwrap();
    assert_eq!((receipt.stopped, receipt.unsettled), (7, 0));
    let calls = pumps.vendor_calls();
    assert!(pumps.hand_over(engine, NOW, &late).await.unwrap().is_empty());
    assert!(pumps.deliver().await);
    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    for _ in 0..3 {
        pumps.minute().await;
    }
    assert_eq!((pumps.vendor_calls(), pumps.waiting()), (calls, 0));
    for invoice in invoices {
        assert_eq!(world.row_of(invoice).await.unwrap().state, SyncState::Stopped);
    }
    // Coming back, the next event goes on: a disconnect is nobody's word about this invoice.
    world.reconnect_as_before().await.unwrap();
    assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected);
    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    assert_eq!(pumps.row().await.done, 3);
}

/// I14, design decision 7: what is in doubt is never called stopped. It waits, listed, until the organisation comes back and tells.
#[tokio::test(start_paused = true)]
async fn i14_what_is_in_doubt_waits_for_its_organisation() {
    let mut call = 0;
    let world = loop {
        let world = world(27).await;
        world.link_contact().await.unwrap();
        let pumps = Pumps::of(&world);
        pumps.stream(world.invoice_id).await;
        // The process dies once the document is made: its answer is nobody's.
        world.wire.arm(call, Fault::CrashAfter);
        assert!(!pumps.deliver().await, "no call made the document");
        let made = world.wire.passed().last().is_some_and(|last| last.side == Side::Vendor && last.operation.contains("/Invoices"));
        world.wire.disarm();
        if made && !world.live().is_empty() {
            break world;
        }
        call += 1;
    };
    let pumps = Pumps::of(&world);
    let engine = world.process().unwrap();
    let workspace = engine.store.workspace(world.workspace).await.unwrap().unwrap();
    let receipt = engine.disconnect(&world.ctx(), &workspace, &world.user, world.ledger, Links::Keep).await.unwrap();
    assert_eq!((receipt.stopped, receipt.unsettled), (0, 1));
    let calls = pumps.vendor_calls();
    for _ in 0..15 {
        pumps.minute().await;
    }
    let row = pumps.row().await;
    assert_eq!((row.state, row.waiting.map(|waiting| waiting.reason)), (SyncState::Waiting, Some(WaitingFor::Reconnect)));
    assert!(row.intent.is_some() && row.problem.is_some_and(|problem| problem.code == "outcome_unknown"));
    assert_eq!(pumps.vendor_calls(), calls);
    let listed = engine.store.attention(&world.ctx(), world.workspace, 10, None).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    world.reconnect_as_before().await.unwrap();
    world.synced().await.unwrap();
    world.only().unwrap();
}

/// Design decision 9: a message of another generation is stopped with a line, never pushed.
#[tokio::test(start_paused = true)]
async fn r145_a_message_of_another_organisation_is_never_pushed() {
    let world = world(28).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    let old = pumps.key().await;
    world.plant(json!({ "organisations": [{ "name": "Table Bay Studio (Pty) Ltd", "currencies": ["GBP"] }] })).unwrap();
    world.reconnect(&["Table Bay Studio (Pty) Ltd"]).await.unwrap();
    let new = pumps.key().await;
    assert_ne!(old.generation, new.generation);
    let calls = pumps.vendor_calls();
    assert!(pumps.deliver().await);
    assert_eq!((pumps.vendor_calls(), pumps.waiting()), (calls, 0));
    let engine = world.process().unwrap();
    assert_eq!(engine.store.sync_row(old).await.unwrap().value.state, SyncState::Stopped);
    assert_eq!(engine.store.sync_row(new).await.unwrap().rev, 0, "nothing of the new organisation was touched");
    let (step, text) = pumps.last_line().await;
    assert_eq!(step, "stopped");
    assert!(text.contains("another organisation"), "{text}");
}

/// R146: a downgrade stops what is queued and what would be; it waits, visibly, and its link is kept.
#[tokio::test(start_paused = true)]
async fn r146_a_downgrade_stops_what_is_queued() {
    let world = world(29).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    let link = pumps.row().await.link.unwrap().external_id;
    let calls = pumps.vendor_calls();
    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    world.settings(|workspace| workspace.plan = Plan::Solo).await.unwrap();
    assert!(pumps.deliver().await);
    let waits = |row: &coportal_core::sync::row::SyncRow| (row.state, row.waiting.map(|waiting| (waiting.reason, waiting.until)));
    assert_eq!(waits(&pumps.row().await), (SyncState::Waiting, Some((WaitingFor::Plan, None))));
    assert_eq!(pumps.row().await.link.unwrap().external_id, link);
    assert_eq!(pumps.last_line().await.0, "waiting");
    // A later event is parked where it stands, without a message; the version is remembered.
    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    let row = pumps.row().await;
    assert_eq!((pumps.waiting(), waits(&row), row.wanted), (0, (SyncState::Waiting, Some((WaitingFor::Plan, None))), 3));
    for _ in 0..3 {
        pumps.minute().await;
    }
    assert_eq!(pumps.vendor_calls(), calls, "0 vendor calls on a plan that does not include the ledger");
    let parked = world.process().unwrap().store.open_rows(world.workspace, world.ledger).await.unwrap();
    assert_eq!(parked.len(), 1, "it is found where a change of plan looks: {}", keys::park_pk(world.workspace, world.ledger));
    // A click that comes first is as good.
    world.settings(|workspace| workspace.plan = Plan::Studio).await.unwrap();
    world.synced().await.unwrap();
    assert_eq!(pumps.row().await.done, 3);
}

/// "Not this invoice" stays so whatever happens to the invoice, until a person says otherwise.
#[tokio::test(start_paused = true)]
async fn what_a_person_unlinked_stays_out() {
    let world = world(30).await;
    let pumps = Pumps::of(&world);
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    world.process().unwrap().unlink_document(&world.ctx(), world.request()).await.unwrap();
    let calls = pumps.vendor_calls();
    world.edit(|invoice| invoice.lines[0].quantity += Decimal::ONE).await.unwrap();
    pumps.stream(world.invoice_id).await;
    pumps.rest(3).await;
    assert_eq!((pumps.vendor_calls(), pumps.row().await.state), (calls, SyncState::Stopped));
    assert!(pumps.last_line().await.1.starts_with("Not synced by itself"));
}

/// C19: with a dead grant, events are queued and wait; a click on a row that waits still answers.
#[tokio::test(start_paused = true)]
async fn c19_a_dead_grant_queues_what_happens() {
    let world = world(31).await;
    let pumps = Pumps::of(&world);
    let mut connection = world.connection().await.unwrap();
    connection.value.status = ConnectionStatus::ReconnectRequired;
    let engine = world.process().unwrap();
    let _ = engine.store.save_connection(&world.ctx(), world.workspace, &connection.value, connection.rev).await.unwrap();
    pumps.stream(world.invoice_id).await;
    assert!(pumps.deliver().await);
    let row = pumps.row().await;
    assert_eq!((row.state, row.waiting.map(|waiting| waiting.reason)), (SyncState::Waiting, Some(WaitingFor::Reconnect)));
    assert_eq!((row.wanted, pumps.waiting()), (1, 0), "it waits on its row, not in the queue");
    world.reconnect_as_before().await.unwrap();
    world.synced().await.unwrap();
    world.only().unwrap();
}
