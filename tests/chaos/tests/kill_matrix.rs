//! The kill matrix of the manual sync (docs/architecture.md, K4 to K18): at every call k, to AWS and to the vendor, the work is dropped before
//! and after it, or its request or answer is lost; then a patient person clicks again. Always one document, one contact, and `synced`.
//!
//! I1, I2, I5, I6, I8, I10; R64, R140, R141; C29, C30.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where it fails, and prints how many cases it ran"
)]

use chaos::wire::{Fault, Passed, Side};
use chaos::world::{Run, World};
use coportal_core::connection::Profile;
use coportal_core::invoice::{Invoice, InvoiceStatus};
use coportal_core::sync::row::SyncState;
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use simulators::skeleton::faults::{Fault as FaultOf, FaultKind};
use simulators::xero::Action;

/// What is synced when the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// The client is not in the ledger yet.
    FirstSyncOfNewContact,
    /// The client is linked already.
    FirstSyncOfLinkedContact,
    /// The document is there, and the invoice was changed.
    Update,
    /// The access token has ended.
    FirstSyncOnExpiredToken,
}

/// What happens between the fault and the next click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// Nothing.
    Nothing,
    /// A user edits the invoice.
    Edited,
    /// A user voids it.
    Voided,
    /// A user takes the last edit back.
    Reverted,
    /// So much time passes that the vendor has forgotten the idempotency key.
    KeyForgotten,
}

fn dearer(invoice: &mut Invoice, by: i64) {
    if let Some(line) = invoice.lines.first_mut() {
        line.unit_price += Decimal::new(by, 2);
    }
}

async fn prepare(seed: u64, scenario: Scenario) -> World {
    let world = World::new(seed).await.unwrap();
    match scenario {
        Scenario::FirstSyncOfNewContact => {}
        Scenario::FirstSyncOfLinkedContact => world.link_contact().await.unwrap(),
        Scenario::Update => {
            assert!(matches!(world.settle().await.unwrap(), Ok(SyncEnd::Synced(_))));
            world.edit(|invoice| dearer(invoice, 150)).await.unwrap();
        }
        Scenario::FirstSyncOnExpiredToken => world.clock.advance(SignedDuration::from_mins(31)),
    }
    world.wire.disarm();
    world
}

/// The calls that the scenario makes when nothing goes wrong.
async fn calls(scenario: Scenario) -> Vec<Passed> {
    let world = prepare(1, scenario).await;
    let Run::Ended(end) = world.click().await.unwrap() else { panic!("nothing was armed") };
    let Ok(SyncEnd::Synced(answer)) = *end else { panic!("{scenario:?} ended as {end:?}") };
    let expected = if scenario == Scenario::Update { Changed::Updated } else { Changed::Created };
    assert_eq!(answer.changed, expected);
    world.wire.passed()
}

async fn check(world: &World, case: &str, voided: bool) {
    let end = world.settle().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    let books = world.books();
    let live: Vec<_> = books.documents.iter().filter(|document| document.status != "voided" && document.status != "deleted").collect();
    assert!(books.contacts.len() <= 1, "{case}: {} contacts", books.contacts.len());
    if voided {
        assert!(live.len() <= 1, "{case}: {} documents", live.len());
        let held = matches!(&end, Ok(SyncEnd::Held(hold)) if hold.question.code() == "void_in_ledger");
        // Voided before it reached the ledger: there is nothing to do, and a row that was waiting comes to rest.
        let refused = matches!(&end, Err(problem) if problem.code == "not_eligible");
        let at_rest = matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing && answer.external_id.is_none());
        assert!(if live.is_empty() { refused || at_rest } else { held }, "{case}: {} documents, {end:?}", live.len());
        return;
    }
    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
    assert_eq!(world.state().await.unwrap(), SyncState::Synced, "{case}");
    assert_eq!(books.contacts.len(), 1, "{case}");
    assert_eq!(live.len(), 1, "{case}: {live:?}");
    let invoice = world.invoice().await.unwrap();
    let total = live.first().map(|document| document.total).unwrap();
    assert_eq!(total, invoice.totals(TaxRounding::Line).total, "{case}: the ledger has the newest version");
    // R64: another click makes no vendor call.
    let before = world.simulator.calls().len();
    let again = world.settle().await.unwrap();
    assert!(matches!(again, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing && answer.vendor_calls == 0), "{case}");
    assert_eq!(world.simulator.calls().len(), before, "{case}");
}

async fn matrix(scenario: Scenario) -> usize {
    let calls = calls(scenario).await;
    let mut cases = 0;
    for (k, call) in calls.iter().enumerate() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::RequestLost] {
            for meanwhile in [Meanwhile::Nothing, Meanwhile::Edited, Meanwhile::Voided, Meanwhile::Reverted, Meanwhile::KeyForgotten] {
                if meanwhile == Meanwhile::Reverted && scenario != Scenario::Update {
                    continue;
                }
                let case = format!("{scenario:?}, call {k} ({}), {fault:?}, {meanwhile:?}", call.operation);
                let world = prepare(1, scenario).await;
                world.wire.arm(k, fault);
                let run = world.click().await.unwrap();
                assert!(world.wire.struck(), "{case}: the fault did not strike");
                let dies = matches!(fault, Fault::CrashBefore | Fault::CrashAfter);
                assert_eq!(matches!(run, Run::Died), dies, "{case}: {run:?}");
                if fault == Fault::AnswerLost && call.side == Side::Aws {
                    // The SDK asks again by itself: a lost answer of AWS must not be seen at all.
                    assert!(matches!(&run, Run::Ended(end) if matches!(end.as_ref(), Ok(SyncEnd::Synced(_)))), "{case}: {run:?}");
                }
                world.wire.disarm();
                match meanwhile {
                    Meanwhile::Nothing => {}
                    Meanwhile::Edited => world.edit(|invoice| dearer(invoice, 333)).await.unwrap(),
                    Meanwhile::Reverted => world.edit(|invoice| dearer(invoice, -150)).await.unwrap(),
                    Meanwhile::Voided => world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap(),
                    Meanwhile::KeyForgotten => world.clock.advance(SignedDuration::from_mins(8)),
                }
                check(&world, &case, meanwhile == Meanwhile::Voided).await;
                cases += 1;
            }
        }
    }
    println!("{scenario:?}: {} calls, {cases} cases", calls.len());
    for call in &calls {
        println!("  {:?} {}", call.side, call.operation);
    }
    cases
}

#[tokio::test(start_paused = true)]
async fn i1_first_sync_of_a_new_contact() {
    assert!(matrix(Scenario::FirstSyncOfNewContact).await > 150);
}

#[tokio::test(start_paused = true)]
async fn i1_first_sync_of_a_linked_contact() {
    assert!(matrix(Scenario::FirstSyncOfLinkedContact).await > 75);
}

#[tokio::test(start_paused = true)]
async fn i1_update() {
    assert!(matrix(Scenario::Update).await > 100);
}

/// K18: the refresh of an expired token is part of the sync, and may be cut at every point as well.
#[tokio::test(start_paused = true)]
async fn i11_first_sync_on_an_expired_token() {
    assert!(matrix(Scenario::FirstSyncOnExpiredToken).await > 150);
}

/// A holder that answers after its lease: its answer is knowledge, and the other run's settling has not made a second document.
#[tokio::test(start_paused = true)]
async fn i1_a_slow_holder_answers_after_its_lease() {
    let mut cases = 0;
    for scenario in [Scenario::FirstSyncOfNewContact, Scenario::FirstSyncOfLinkedContact, Scenario::Update] {
        for (k, call) in calls(scenario).await.iter().enumerate() {
            for late_by in [SignedDuration::from_secs(40), SignedDuration::from_mins(8)] {
                let case = format!("{scenario:?}, call {k} ({}) held for {late_by}", call.operation);
                let world = prepare(1, scenario).await;
                world.wire.arm(k, Fault::Held);
                let slow = async { world.click().await.unwrap() };
                let others = async {
                    world.wire.holding().await;
                    world.clock.advance(late_by);
                    let end = world.settle().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
                    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
                    world.wire.release();
                };
                let (slow, ()) = tokio::join!(slow, others);
                assert!(matches!(slow, Run::Ended(_)), "{case}");
                check(&world, &case, false).await;
                cases += 1;
            }
        }
    }
    println!("slow holders: {cases} cases");
    assert!(cases > 40);
}

/// Two processes die one after the other, at every pair of calls of a first sync.
#[tokio::test(start_paused = true)]
async fn i1_pairs_of_crashes() {
    let calls = calls(Scenario::FirstSyncOfNewContact).await;
    let mut cases = 0;
    for first in 0..calls.len() {
        for second in 0..calls.len() {
            let case = format!("deaths after calls {first} and {second}");
            let world = prepare(1, Scenario::FirstSyncOfNewContact).await;
            world.wire.arm(first, Fault::CrashAfter);
            assert!(matches!(world.click().await.unwrap(), Run::Died), "{case}");
            world.clock.advance(SignedDuration::from_secs(40));
            world.wire.arm(second, Fault::CrashAfter);
            let _ = world.click().await.unwrap();
            world.wire.disarm();
            check(&world, &case, false).await;
            cases += 1;
        }
    }
    println!("pairs of crashes: {cases} cases");
}

/// Made, its answer lost, and deleted by the bookkeeper before anybody looked: no new document is made without a word.
#[tokio::test(start_paused = true)]
async fn i1_a_lost_create_that_was_deleted_meanwhile_asks() {
    let world = prepare(1, Scenario::FirstSyncOfLinkedContact).await;
    let put = calls(Scenario::FirstSyncOfLinkedContact).await.iter().position(|call| call.operation.starts_with("PUT")).unwrap();
    world.wire.arm(put, Fault::CrashAfter);
    assert!(matches!(world.click().await.unwrap(), Run::Died));
    world.wire.disarm();
    let made = world.books().documents.first().unwrap().id.clone();
    world.bookkeeper(Action::Delete { document_id: made }).unwrap();
    world.clock.advance(SignedDuration::from_mins(8));
    let end = world.settle().await.unwrap();
    assert!(matches!(&end, Ok(SyncEnd::Held(hold)) if hold.question.code() == "document_gone"), "{end:?}");
    assert_eq!(world.state().await.unwrap(), SyncState::Held);
}

/// A row that waits, and whose sync is then refused, waits for nothing: it comes to rest and is listed.
#[tokio::test(start_paused = true)]
async fn a_refused_row_comes_to_rest() {
    let world = prepare(1, Scenario::FirstSyncOfLinkedContact).await;
    world.simulator.post_faults(vec![FaultOf { times: 9, ..FaultOf::on("/Invoices", FaultKind::Refuse) }]);
    let Run::Ended(end) = world.click().await.unwrap() else { panic!("nothing was armed") };
    assert!(matches!(*end, Ok(SyncEnd::Waiting { .. })), "{end:?}");
    assert_eq!(world.state().await.unwrap(), SyncState::Waiting);
    world.options(|options| options.profile = Profile::Copper).await.unwrap();
    let Run::Ended(end) = world.click().await.unwrap() else { panic!("nothing was armed") };
    assert!(end.is_err(), "{end:?}");
    assert_eq!(world.state().await.unwrap(), SyncState::Failed);
}
