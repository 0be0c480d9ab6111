//! Many processes at once, on one clock, taking turns at every call: one document, one contact, one refresh; and grants that are lost,
//! slow, or really dead.
//!
//! I1, I2, I4, I11; R21, R64, R145, C19; K18; design decision 10.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test by panicking, and print what they counted")]

use chaos::wire::{Fault as WireFault, Side};
use chaos::world::{Run, World};
use coportal_core::connection::ConnectionStatus;
use coportal_core::id::InvoiceId;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use futures_util::future::join_all;
use jiff::SignedDuration;
use simulators::skeleton::calls::Call;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::limits::LimitsChange;
use simulators::xero::Action;

const HARBOUR: &str = "Harbour & Hill Ltd";

/// The token requests that the simulator answered, refused ones included.
fn refreshes(world: &World) -> Vec<Call> {
    world.simulator.calls().into_iter().filter(|call| call.path.starts_with("/connect/token")).collect()
}

/// Successful refreshes since `before` token requests.
fn refreshed(world: &World, before: usize) -> usize {
    refreshes(world).iter().skip(before).filter(|call| call.status == Some(200)).count()
}

fn expected(end: &Outcome<SyncEnd>) -> bool {
    matches!(end, Ok(SyncEnd::Synced(_) | SyncEnd::InProgress { .. } | SyncEnd::Waiting { .. }))
}

async fn rest(world: &World, invoice: InvoiceId, case: &str) {
    let end = world.patient(invoice, 20).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
}

/// One document and one contact, with the invoice's total.
async fn one_of_each(world: &World, case: &str) {
    let only = world.only().unwrap_or_else(|error| panic!("{case}: {error:#}"));
    assert_eq!(only.total, world.invoice().await.unwrap().totals(TaxRounding::Line).total, "{case}");
    assert_eq!(world.books().contacts.len(), 1, "{case}");
}

#[tokio::test(start_paused = true)]
async fn i1_fifty_syncs_of_one_invoice_at_once() {
    let mut synced = 0;
    for seed in 0..12 {
        let case = format!("schedule {seed}");
        let world = World::new(17).await.unwrap();
        let mut at = 0;
        // A first sync, an update, and a first sync on a token that has ended.
        for step in 0..3 {
            if step == 1 {
                world.edit(|invoice| invoice.lines[0].quantity += rust_decimal::Decimal::ONE).await.unwrap();
            }
            if step == 2 {
                world.clock.advance(SignedDuration::from_mins(31));
                world.edit(|invoice| invoice.lines[0].quantity += rust_decimal::Decimal::ONE).await.unwrap();
                at = refreshes(&world).len();
            }
            world.wire.interleave(seed);
            let ends = join_all((0..50).map(|_| world.sync(world.invoice_id))).await;
            for end in ends {
                let end = end.unwrap();
                assert!(expected(&end), "{case}, step {step}: {end:?}");
                synced += usize::from(matches!(end, Ok(SyncEnd::Synced(_))));
            }
            rest(&world, world.invoice_id, &case).await;
            one_of_each(&world, &case).await;
        }
        assert_eq!(refreshed(&world, at), 1, "{case}");
        let calls = world.simulator.calls();
        let writes: Vec<_> = calls.iter().filter(|call| call.path.contains("/Invoices") && call.method != "GET").collect();
        let done = writes.iter().filter(|call| call.status == Some(200)).count();
        assert_eq!(done, 3, "{case}: one create and two updates, each once: {writes:?}");
    }
    println!("fifty at once: 12 schedules, 1800 syncs, {synced} ended synced at once");
}

#[tokio::test(start_paused = true)]
async fn i2_two_invoices_of_one_new_client_at_once() {
    for seed in 0..40 {
        let case = format!("schedule {seed}");
        let world = World::new(19).await.unwrap();
        let second = world.add_invoice(1, world.client).await.unwrap();
        world.wire.interleave(seed);
        let (one, two) = tokio::join!(world.sync(world.invoice_id), world.sync(second));
        for end in [one.unwrap(), two.unwrap()] {
            assert!(expected(&end), "{case}: {end:?}");
        }
        rest(&world, world.invoice_id, &case).await;
        rest(&world, second, &case).await;
        assert_eq!((world.live().len(), world.books().contacts.len()), (2, 1), "{case}");
        let made = world.simulator.calls().iter().filter(|call| call.method == "PUT" && call.path.contains("/Contacts")).count();
        assert_eq!(made, 1, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn i11_a_hundred_invoices_on_one_expired_token() {
    for (seed, limited) in [(1, false), (2, false), (3, true), (4, true)] {
        let case = format!("schedule {seed}, limited: {limited}");
        let world = World::new(23).await.unwrap();
        world.synced().await.unwrap();
        let mut invoices = Vec::new();
        for n in 0..100 {
            invoices.push(world.add_invoice(n, world.client).await.unwrap());
        }
        if !limited {
            world.simulator.change_limits(LimitsChange { minute: Some(100_000), ..LimitsChange::default() });
        }
        world.clock.advance(SignedDuration::from_mins(31));
        let before = refreshes(&world).len();
        world.wire.interleave(seed);
        let ends = join_all(invoices.iter().map(|invoice| world.sync(*invoice))).await;
        let mut waiting = 0;
        for end in ends {
            let end = end.unwrap();
            assert!(matches!(end, Ok(SyncEnd::Synced(_) | SyncEnd::Waiting { .. })), "{case}: {end:?}");
            waiting += usize::from(matches!(end, Ok(SyncEnd::Waiting { .. })));
        }
        assert_eq!(refreshed(&world, before), 1, "{case}");
        assert_eq!(refreshes(&world).len() - before, 1, "{case}: nor another request");
        assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected, "{case}");
        println!("{case}: {waiting} of 100 waited");
        for invoice in &invoices {
            rest(&world, *invoice, &case).await;
        }
        assert_eq!((world.live().len(), world.books().contacts.len()), (101, 1), "{case}");
    }
}

/// The answer of a refresh is lost, once or several times, before or after its effect: the grace time brings it back, and nobody is asked
/// to reconnect.
#[tokio::test(start_paused = true)]
async fn k18_a_refresh_whose_answer_is_lost() {
    let mut cases = 0;
    for kind in
        [FaultKind::TimeoutAfter, FaultKind::TimeoutBefore, FaultKind::Truncate, FaultKind::Garbage, FaultKind::Status, FaultKind::Refuse]
    {
        for times in [1, 2, 5] {
            for callers in [1, 10] {
                let case = format!("{kind:?}, {times} times, {callers} callers");
                let world = World::new(29).await.unwrap();
                world.link_contact().await.unwrap();
                world.clock.advance(SignedDuration::from_mins(31));
                world.simulator.post_faults(vec![Fault { times, status: Some(503), ..Fault::on("/connect/token", kind) }]);
                world.wire.interleave(7);
                let ends = join_all((0..callers).map(|_| world.sync(world.invoice_id))).await;
                for end in ends {
                    assert!(expected(&end.unwrap()), "{case}");
                }
                for _ in 0..20 {
                    assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected, "{case}");
                    if matches!(world.patient(world.invoice_id, 1).await, Ok(Ok(SyncEnd::Synced(_)))) {
                        break;
                    }
                }
                rest(&world, world.invoice_id, &case).await;
                one_of_each(&world, &case).await;
                // The set that is stored is a live one: the next refresh works.
                world.clock.advance(SignedDuration::from_mins(40));
                world.edit(|invoice| invoice.lines[0].quantity += rust_decimal::Decimal::ONE).await.unwrap();
                rest(&world, world.invoice_id, &case).await;
                assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected, "{case}");
                cases += 1;
            }
        }
    }
    println!("lost refreshes: {cases} cases");
}

/// A holder that outlives its lease: others refresh meanwhile, by the grace time; whichever set is stored is live, and nobody is asked.
#[tokio::test(start_paused = true)]
async fn i11_a_refresh_that_outlives_its_lease() {
    let probe = World::new(31).await.unwrap();
    probe.link_contact().await.unwrap();
    probe.clock.advance(SignedDuration::from_mins(31));
    probe.wire.disarm();
    assert!(matches!(probe.click().await.unwrap(), Run::Ended(_)));
    let calls = probe.wire.passed();
    let refresh = calls.iter().position(|call| call.side == Side::Vendor && call.operation.contains("/connect/token")).unwrap();
    let mut cases = 0;
    // From the lease to the storing of the answer.
    for (k, call) in calls.iter().enumerate().skip(refresh.saturating_sub(3)).take(6) {
        for late_by in
            [SignedDuration::from_secs(5), SignedDuration::from_secs(35), SignedDuration::from_mins(10), SignedDuration::from_mins(25)]
        {
            let case = format!("call {k} ({}) held for {late_by}", call.operation);
            let world = World::new(31).await.unwrap();
            world.link_contact().await.unwrap();
            world.clock.advance(SignedDuration::from_mins(31));
            world.wire.arm(k, WireFault::Held);
            let (slow, ()) = tokio::join!(world.click(), async {
                world.wire.holding().await;
                world.clock.advance(late_by);
                let end = world.patient(world.invoice_id, 20).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
                assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
                world.wire.release();
            });
            let Run::Ended(end) = slow.unwrap() else { panic!("{case}") };
            let to_reconnect = matches!(end.as_ref(), Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, .. }));
            assert!(expected(&end) && !to_reconnect, "{case}: {end:?}");
            assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected, "{case}");
            rest(&world, world.invoice_id, &case).await;
            one_of_each(&world, &case).await;
            assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected, "{case}");
            for _ in 0..2 {
                world.clock.advance(SignedDuration::from_mins(40));
                world.edit(|invoice| invoice.lines[0].quantity += rust_decimal::Decimal::ONE).await.unwrap();
                rest(&world, world.invoice_id, &case).await;
                assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::Connected, "{case}");
            }
            cases += 1;
        }
    }
    println!("slow refreshes: {cases} cases");
    assert!(cases >= 16, "{cases}");
}

/// A grant that is really dead: the card says so within one attempt, the row waits for the reconnect, nothing is tried meanwhile, and after
/// the reconnect it goes on by one click with the same links.
#[tokio::test(start_paused = true)]
async fn c19_a_dead_grant_asks_to_reconnect_once() {
    for (death, callers) in [
        ("disconnected there", 1),
        ("disconnected there", 10),
        ("unused for 61 days", 1),
        ("unused for 61 days", 10),
        ("revoked", 1),
        ("revoked", 10),
    ] {
        let case = format!("{death}, {callers} callers");
        let world = World::new(37).await.unwrap();
        world.synced().await.unwrap();
        world.edit(|invoice| invoice.lines[0].quantity += rust_decimal::Decimal::ONE).await.unwrap();
        match death {
            "disconnected there" => world.bookkeeper(Action::Disconnect { organisation: HARBOUR.to_owned() }).unwrap(),
            "unused for 61 days" => world.clock.advance(SignedDuration::from_hours(61 * 24)),
            _ => {
                // Somebody else revoked the user's consent: the vendor knows none of its tokens any more.
                world.clock.advance(SignedDuration::from_mins(31));
                let mut fault = Fault { status: Some(400), times: 1_000, ..Fault::on("/connect/token", FaultKind::Status) };
                fault.headers.insert("content-type".to_owned(), "application/json".to_owned());
                fault.body = Some("{\"error\":\"invalid_grant\"}".to_owned());
                world.simulator.post_faults(vec![fault]);
            }
        }
        let before = refreshes(&world).len();
        world.wire.interleave(5);
        let ends = join_all((0..callers).map(|_| world.sync(world.invoice_id))).await;
        let mut parked = 0;
        for end in ends {
            let end = end.unwrap();
            assert!(expected(&end), "{case}: {end:?}");
            parked += usize::from(matches!(end, Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, due_at: None, .. })));
        }
        assert!(parked >= 1, "{case}");
        assert!(refreshes(&world).len() - before <= callers, "{case}: {:?}", refreshes(&world));
        let connection = world.connection().await.unwrap().value;
        assert_eq!(connection.status, ConnectionStatus::ReconnectRequired, "{case}");
        assert!(connection.reconnect_reason.is_some(), "{case}");
        let end = world.sync(world.invoice_id).await.unwrap();
        assert!(matches!(end, Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, due_at: None, .. })), "{case}: {end:?}");
        let row = world.row().await.unwrap();
        assert_eq!((row.state, row.waiting.map(|waiting| waiting.reason)), (SyncState::Waiting, Some(WaitingFor::Reconnect)), "{case}");
        let calls = world.simulator.calls().len();
        let _ = world.sync(world.invoice_id).await.unwrap();
        assert_eq!(world.simulator.calls().len(), calls, "{case}: a dead grant is not asked again");

        world.heal().unwrap();
        let id = world.only().unwrap().id;
        world.reconnect(&[HARBOUR]).await.unwrap();
        rest(&world, world.invoice_id, &case).await;
        one_of_each(&world, &case).await;
        assert_eq!(world.only().unwrap().id, id, "{case}: the link was kept");
    }
}

/// R145, I4: another organisation has its own links; the old ones are not used there, and are there again on the way back.
#[tokio::test(start_paused = true)]
async fn r145_another_organisation_uses_no_old_id() {
    const TABLE_BAY: &str = "Table Bay Studio (Pty) Ltd";
    let world = World::new(41).await.unwrap();
    world
        .plant(serde_json::json!({ "organisations": [{
        "name": TABLE_BAY, "currencies": ["GBP"],
        "tax_rates": [{ "Name": "20%", "TaxType": "TAX020", "EffectiveRate": "20", "CanApplyToRevenue": true }],
    }] }))
        .unwrap();
    world.synced().await.unwrap();
    let first = world.only().unwrap();
    world.reconnect(&[TABLE_BAY]).await.unwrap();
    let since = world.simulator.calls().len();
    let hold = world.held().await.unwrap();
    assert_eq!(hold.question.code(), "choose_account", "the choices of the other organisation are not reused");
    let end = world.resolve(hold.id, "210").await.unwrap();
    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Created), "{end:?}");
    let books = world.books();
    let second = books.documents.iter().find(|document| document.id != first.id).unwrap();
    assert_eq!((books.documents.len(), books.contacts.len()), (2, 2));
    assert_ne!(second.organisation, first.organisation);
    assert_eq!(second.total, first.total);
    for call in world.simulator.calls().iter().skip(since).filter(|call| call.path.starts_with("/api.xro")) {
        assert_eq!(call.organisation.as_deref(), Some(second.organisation.as_str()), "I4: {call:?}");
        assert!(!call.path.contains(&first.id) && !call.path.contains(&first.contact_id), "R145: {call:?}");
    }
    // Back again: the first generation's link is there, and no third document is made.
    world.reconnect(&[HARBOUR]).await.unwrap();
    world.edit(|invoice| invoice.lines[0].quantity += rust_decimal::Decimal::ONE).await.unwrap();
    let answer = world.patient(world.invoice_id, 12).await.unwrap();
    assert!(matches!(&answer, Ok(SyncEnd::Synced(answer)) if answer.external_id.as_deref() == Some(first.id.as_str())), "{answer:?}");
    let books = world.books();
    assert_eq!((books.documents.len(), books.contacts.len()), (2, 2));
    assert_eq!(
        books.documents.iter().find(|document| document.id == second.id),
        Some(second),
        "the other organisation's document is left alone"
    );
}
