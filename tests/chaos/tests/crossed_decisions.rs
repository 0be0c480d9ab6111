//! People who decide at the same moment: links, answers and disconnects that cross a sync, or each other.
//!
//! I1, I5, I7, I14; R64; K21.

use chaos::wire::{Fault as WireFault, Side};
use chaos::world::World;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncState;
use coportal_engine::connect::Links;
use coportal_engine::sync::{SyncAnswer, SyncEnd};
use jiff::SignedDuration;
use serde_json::json;
use simulators::skeleton::faults::{Fault, FaultKind};

/// The calls to the ledger since the wire was armed or disarmed.
fn vendor_calls(world: &World) -> Vec<String> {
    world.wire.passed().into_iter().filter(|passed| passed.side == Side::Vendor).map(|passed| passed.operation).collect()
}

/// A document that a bookkeeper wrote by hand, of the invoice's total; answers its id.
fn by_hand(world: &World, number: &str) -> Option<String> {
    let planted = world
        .plant(json!({
            "contacts": [{ "id": "c0000000-0000-4000-8000-000000000001", "name": "Rosewood & Vale", "email": "accounts@rosewood.example" }],
            "documents": [{
                "number": number, "status": "approved", "currency": "GBP", "contact_id": "c0000000-0000-4000-8000-000000000001",
                "lines": [
                    { "description": "Brand workshop", "quantity": "2", "unit_price": "480.50" },
                    { "description": "Logo", "quantity": "1", "unit_price": "1200.99" }
                ]
            }]
        }))
        .ok()?;
    planted.documents.into_iter().find(|document| document.number.as_deref() == Some(number)).map(|document| document.id)
}

/// Where a click's calls stand: the index of the first whose operation has this in it.
fn index_of(world: &World, wanted: &str) -> Option<usize> {
    world.wire.passed().iter().position(|passed| passed.operation.contains(wanted))
}

/// I1, I7: an admin ties the invoice to a document written by hand while a sync changes the row. The admin's wish is done or refused: it
/// never turns into a second document.
#[tokio::test(start_paused = true)]
async fn a_link_that_a_sync_crosses_makes_no_document() {
    let world = World::new(71).await.unwrap();
    let id = by_hand(&world, "MANUAL-7").unwrap();
    // Where the link reads the document, measured in a world of its own.
    let rehearsal = World::new(71).await.unwrap();
    let same = by_hand(&rehearsal, "MANUAL-7").unwrap();
    rehearsal.wire.disarm();
    rehearsal.process().unwrap().link_document(&rehearsal.ctx(), rehearsal.request(), &same).await.unwrap();
    let read = index_of(&rehearsal, "GET /api.xro/2.0/Invoices/").unwrap();

    world.wire.arm(read, WireFault::Held);
    let (engine, ctx) = (world.process().unwrap(), world.ctx());
    let linking = engine.link_document(&ctx, world.request(), &id);
    let crossing = async {
        world.wire.holding().await;
        world.simulator.post_faults(vec![Fault {
            method: Some("PUT".to_owned()),
            status: Some(503),
            times: 5,
            ..Fault::on("/Invoices", FaultKind::Status)
        }]);
        let end = world.sync(world.invoice_id).await.unwrap();
        assert!(matches!(end, Ok(SyncEnd::Waiting { .. })), "{end:?}");
        world.heal().unwrap();
        world.wire.release();
    };
    let (linked, ()) = tokio::join!(linking, crossing);
    let documents: Vec<_> = world.live().into_iter().map(|document| document.number).collect();
    assert_eq!(documents, [Some("MANUAL-7".to_owned())], "{linked:?}");
    match linked {
        Ok(SyncEnd::Synced(SyncAnswer { external_id, .. })) => assert_eq!(external_id, Some(id)),
        Ok(SyncEnd::Held(_)) => {}
        Err(problem) => assert_eq!(problem.code, "sync_in_progress"),
        Ok(other) => panic!("{other:?}"),
    }
}

/// Two admins answer one question differently at the same moment: each is told what became of it.
#[tokio::test(start_paused = true)]
async fn of_two_answers_at_once_one_counts_and_the_other_is_told() {
    let world = World::new(73).await.unwrap();
    by_hand(&world, "INV-0001").unwrap();
    let hold = world.held().await.unwrap();
    let rehearsal = World::new(73).await.unwrap();
    by_hand(&rehearsal, "INV-0001").unwrap();
    let same = rehearsal.held().await.unwrap();
    rehearsal.wire.disarm();
    rehearsal.resolve(same.id, "skip").await.unwrap().unwrap();
    let noted = index_of(&rehearsal, "PutItem").unwrap();

    world.wire.arm(noted, WireFault::Held);
    let skipping = world.resolve(hold.id, "skip");
    let crossing = async {
        world.wire.holding().await;
        let pushed = world.resolve(hold.id, "ledger_number").await.unwrap();
        assert!(matches!(pushed, Ok(SyncEnd::Synced(_))), "{pushed:?}");
        world.wire.release();
    };
    let (skipped, ()) = tokio::join!(skipping, crossing);
    assert_eq!(world.row().await.unwrap().state, SyncState::Synced);
    let told = skipped.unwrap().unwrap_err();
    assert_eq!(told.code, "hold_closed");
}

/// The same with an answer that other invoices share: the account that is stored is the one of the answer that counted.
#[tokio::test(start_paused = true)]
async fn of_two_accounts_chosen_at_once_the_one_that_counted_is_kept() {
    let mut crossed = 0;
    for call in 0..12 {
        let world = World::new(97).await.unwrap();
        let account = |code: &str, status: &str| json!({ "Code": code, "Name": code, "Type": "REVENUE", "Class": "REVENUE", "TaxType": "OUTPUT2", "Status": status });
        let accounts = [account("200", "ARCHIVED"), account("210", "ACTIVE"), account("220", "ACTIVE")];
        world.plant(json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "accounts": accounts }] })).unwrap();
        world.clock.advance(SignedDuration::from_hours(25));
        let hold = world.held().await.unwrap();
        world.wire.arm(call, WireFault::Held);
        let late = world.resolve(hold.id, "220");
        let crossing = async {
            tokio::select! {
                () = world.wire.holding() => {}
                () = tokio::time::sleep(std::time::Duration::from_secs(60)) => return None,
            }
            world.wire.disarm();
            let end = world.resolve(hold.id, "210").await.unwrap();
            world.wire.release();
            Some(end)
        };
        let (late, first) = tokio::join!(late, crossing);
        let late = late.unwrap();
        if matches!(first, Some(Ok(SyncEnd::Synced(_)))) && matches!(&late, Err(problem) if problem.code == "hold_closed") {
            crossed += 1;
            let document = world.only().unwrap();
            assert!(document.lines.iter().all(|line| line.account.as_deref() == Some("210")), "call {call}: {document:?}");
            let again = world.synced().await.unwrap();
            assert_eq!(again.changed, coportal_engine::sync::Changed::Nothing, "call {call}");
        }
    }
    assert!(crossed >= 2, "{crossed}");
}

/// I14: after a disconnect nothing is sent to the ledger, by a sync that was under way neither.
#[tokio::test(start_paused = true)]
async fn i14_a_sync_under_way_sends_nothing_after_a_disconnect() {
    let rehearsal = World::new(79).await.unwrap();
    rehearsal.wire.disarm();
    rehearsal.sync(rehearsal.invoice_id).await.unwrap().unwrap();
    let calls = rehearsal.wire.passed();
    let before_the_end = calls.iter().rposition(|call| call.side == Side::Vendor).unwrap();
    let mut after = Vec::new();
    for (at, call) in calls.iter().enumerate().take(before_the_end) {
        let world = World::new(79).await.unwrap();
        world.wire.arm(at, WireFault::Held);
        let (engine, ctx) = (world.process().unwrap(), world.ctx());
        let syncing = engine.sync_invoice(&ctx, world.request());
        let leaving = async {
            world.wire.holding().await;
            let workspace = engine.store.workspace(world.workspace).await.unwrap().unwrap();
            let (other, now) = (world.process().unwrap(), world.ctx());
            let receipt = other.disconnect(&now, &workspace, &world.user, Ledger::Xero, Links::Keep).await.unwrap();
            assert!(receipt.tokens_erased);
            world.clock.advance(SignedDuration::from_secs(2));
            world.wire.disarm();
            world.wire.release();
        };
        let (end, ()) = tokio::join!(syncing, leaving);
        let calls_after = vendor_calls(&world);
        if !calls_after.is_empty() {
            after.push(format!("held at {at} {call:?}: {calls_after:?} -> {end:?}"));
        }
    }
    assert!(after.is_empty(), "{}", after.join("\n"));
}

/// What an admin does about one invoice.
#[derive(Debug, Clone, Copy)]
enum Decision {
    Link,
    Unlink,
    Resolve,
}

/// A world in which the decision can be made, and what it is made about.
async fn before(decision: Decision) -> Option<(World, String)> {
    let world = World::new(83).await.ok()?;
    let about = match decision {
        Decision::Link => by_hand(&world, "MANUAL-7")?,
        Decision::Unlink => {
            world.synced().await.ok()?;
            String::new()
        }
        Decision::Resolve => {
            by_hand(&world, "INV-0001")?;
            String::new()
        }
    };
    if matches!(decision, Decision::Resolve) {
        world.held().await.ok()?;
    }
    world.wire.disarm();
    Some((world, about))
}

/// Decides, in a process of its own; `None` when it died. Answers the code of a refusal.
async fn decide(world: &World, decision: Decision, about: &str) -> Option<Result<(), String>> {
    let (engine, ctx, request) = (world.process().ok()?, world.ctx(), world.request());
    let held = world.row().await.ok().and_then(|row| row.hold);
    let deciding = async {
        let end = match decision {
            Decision::Link => engine.link_document(&ctx, request, about).await.map(|_| ()),
            Decision::Unlink => engine.unlink_document(&ctx, request).await,
            Decision::Resolve => match held {
                Some(hold) => engine.resolve_hold(&ctx, request, hold.id, "ledger_number").await.map(|_| ()),
                None => Ok(()),
            },
        };
        end.map_err(|problem| problem.code.into_owned())
    };
    tokio::select! {
        biased;
        () = world.wire.death() => None,
        end = deciding => Some(end),
    }
}

/// I1, I5: whatever call of a link, an unlink or an answer is cut, the decision can be made again, and the invoice has one document.
#[tokio::test(start_paused = true)]
async fn a_decision_that_is_cut_anywhere_can_be_made_again() {
    let mut cases = 0;
    for decision in [Decision::Link, Decision::Unlink, Decision::Resolve] {
        let (rehearsal, about) = before(decision).await.unwrap();
        let reading = 1;
        assert_eq!(decide(&rehearsal, decision, &about).await, Some(Ok(())), "{decision:?}");
        let calls = rehearsal.wire.passed().len() - reading;
        assert!(calls >= 4, "{decision:?}: {:?}", rehearsal.wire.passed());
        for call in reading..reading + calls {
            for fault in [WireFault::CrashBefore, WireFault::CrashAfter, WireFault::AnswerLost, WireFault::RequestLost] {
                let case = format!("{decision:?}, {fault:?} at call {call}");
                let (world, about) = before(decision).await.unwrap();
                world.wire.arm(call, fault);
                let cut = decide(&world, decision, &about).await;
                assert!(world.wire.struck(), "{case}: {cut:?}");
                world.wire.disarm();
                // A person tries again: it is done, or it was.
                let again = decide(&world, decision, &about).await.unwrap();
                let settled = match &again {
                    Ok(()) => true,
                    Err(code) => ["already_linked", "not_linked", "hold_closed", "sync_in_progress"].contains(&code.as_str()),
                };
                assert!(settled, "{case}: {again:?}");
                let end = world.patient(world.invoice_id, 12).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
                let answer = match end {
                    Ok(SyncEnd::Synced(answer)) => answer,
                    // The answer was not stored before the process died: the question stands, and is answered once more.
                    Ok(SyncEnd::Held(hold)) if matches!(decision, Decision::Resolve) => {
                        world.resolve(hold.id, "ledger_number").await.unwrap().unwrap();
                        world.synced().await.unwrap()
                    }
                    other => panic!("{case}: {other:?}"),
                };
                let live = world.live();
                let planted = usize::from(matches!(decision, Decision::Resolve));
                assert_eq!(live.len(), 1 + planted, "{case}: {live:?}");
                assert_eq!(world.books().contacts.len(), 1, "{case}");
                assert!(live.iter().any(|document| Some(&document.id) == answer.external_id.as_ref()), "{case}");
                cases += 1;
            }
        }
    }
    println!("decisions cut: {cases} cases");
}

/// A clock that is set back between a lost answer and the next click makes nobody forget what may have been done.
#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_makes_no_second_document() {
    let rehearsal = World::new(89).await.unwrap();
    rehearsal.sync(rehearsal.invoice_id).await.unwrap().unwrap();
    let put = index_of(&rehearsal, "PUT /api.xro/2.0/Invoices").unwrap();
    for back in [SignedDuration::from_secs(10), SignedDuration::from_mins(10), SignedDuration::from_hours(25)] {
        for fault in [WireFault::CrashBefore, WireFault::CrashAfter, WireFault::AnswerLost, WireFault::RequestLost] {
            let case = format!("{fault:?}, back by {back:#}");
            let world = World::new(89).await.unwrap();
            world.wire.arm(put, fault);
            let _ = world.click().await.unwrap();
            assert!(world.wire.struck(), "{case}");
            world.wire.disarm();
            world.clock.advance(-back);
            let end = world.patient(world.invoice_id, 12).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
            assert_eq!((world.live().len(), world.books().contacts.len()), (1, 1), "{case}");
        }
    }
}
