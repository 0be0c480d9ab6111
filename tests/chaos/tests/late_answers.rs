//! Answers that come late, or never, and what somebody else does before they do.
//!
//! C7, C29; R17; I2, I9, I12.

use chaos::wire::Fault as WireFault;
use chaos::world::World;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncState;
use coportal_engine::sync::SyncEnd;
use jiff::SignedDuration;
use serde_json::json;
use simulators::skeleton::faults::{Fault, FaultKind};

/// QuickBooks answers a request id for a day, whatever the body. An update that was done, whose answer was lost and over which the
/// bookkeeper then wrote, counts as not done; the next update must not be answered with the first one's outcome.
#[tokio::test(start_paused = true)]
async fn i2_an_update_after_one_in_doubt_is_no_replay_of_it() {
    let world = World::of(Ledger::Quickbooks, 211).await.unwrap();
    world.options(|options| options.sync_as_draft = false).await.unwrap();
    world.link_contact().await.unwrap();
    world.synced().await.unwrap();

    world.edit(|invoice| invoice.lines[0].description = "Brand workshop, two days".to_owned()).await.unwrap();
    world.simulator.post_faults(vec![Fault {
        method: Some("POST".to_owned()),
        times: 9,
        ..Fault::on("/invoice", FaultKind::TimeoutAfter)
    }]);
    let doubt = world.sync(world.invoice_id).await.unwrap();
    assert!(matches!(doubt, Ok(SyncEnd::Waiting { state: SyncState::Uncertain, .. })), "{doubt:?}");
    world.heal().unwrap();
    let document = world.only().unwrap();
    assert_eq!(document.lines[0].description, "Brand workshop, two days", "the update was done");
    world.bookkeeper(json!({ "action": "edit_line", "document_id": document.id, "line": 0, "description": "Workshop" })).unwrap();
    world.edit(|invoice| invoice.lines[1].description = "Logo, in colour".to_owned()).await.unwrap();
    world.clock.advance(SignedDuration::from_mins(30));

    let end = world.patient(world.invoice_id, 12).await.unwrap();
    let there = world.only().unwrap();
    match end {
        Ok(SyncEnd::Held(_)) => assert_eq!(there.lines[0].description, "Workshop", "what the bookkeeper wrote is asked about"),
        Ok(SyncEnd::Synced(_)) => assert_eq!(there.lines[1].description, "Logo, in colour", "synced, and the ledger has this version"),
        other => panic!("{other:?}"),
    }
}

/// C7: an approval that crosses a write of the same invoice is refused, or done; never noted and lost.
#[tokio::test(start_paused = true)]
async fn c7_an_approval_that_crosses_a_sync_is_not_lost() {
    let mut refused = 0;
    for call in 0..14 {
        let world = World::of(Ledger::Sage, 223).await.unwrap();
        world.options(|options| options.sync_as_draft = true).await.unwrap();
        world.link_contact().await.unwrap();
        world.synced().await.unwrap();
        world.edit(|invoice| invoice.lines[1].description = "Logo, in colour".to_owned()).await.unwrap();

        world.wire.arm(call, WireFault::Held);
        let syncing = world.sync(world.invoice_id);
        let crossing = async {
            tokio::select! {
                () = world.wire.holding() => {}
                () = tokio::time::sleep(std::time::Duration::from_secs(60)) => return None,
            }
            world.wire.disarm();
            let end = world.approve().await.unwrap();
            world.wire.release();
            Some(end)
        };
        let (synced, approved) = tokio::join!(syncing, crossing);
        synced.unwrap().ok();
        let Some(chaos::world::Run::Ended(approved)) = approved else { continue };
        match *approved {
            Err(problem) => {
                assert_eq!(problem.code, "sync_in_progress", "call {call}");
                refused += 1;
            }
            Ok(end) => {
                world.patient(world.invoice_id, 12).await.unwrap().ok();
                let document = world.only().unwrap();
                assert_eq!(document.status, "approved", "call {call}: taken, and lost: {end:?}");
            }
        }
    }
    assert!(refused > 0, "no approval crossed a write");
}
