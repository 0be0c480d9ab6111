//! Ledgers that guard versions (`SyncToken`, an etag): what stands as we left it is written without being read; what somebody touched is
//! refused, read and compared once, and never overwritten blindly.

use chaos::wire::{Fault, Side};
use chaos::world::{Run, World};
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::civil::date;
use simulators::skeleton::calls::Call;
use simulators::skeleton::state::Document;

use crate::books::{Origin, dearer, ids, prepare, to_the_cent};
use crate::rest::quiet;
use crate::work::Work;

/// What our update changes: a line, or the head alone, which some ledgers take by another call.
const OURS: [fn(&mut Invoice); 2] = [dearer, |invoice| invoice.due_date = Some(date(2026, 6, 1))];

/// What the bookkeeper touched.
const TOUCHES: [Work; 3] = [Work::Description, Work::Account, Work::IssueDate];

fn is_read(call: &Call) -> bool {
    call.method == "GET"
}

/// The click, and the calls that it made.
async fn update(world: &World) -> Vec<Call> {
    let before = world.simulator.calls().len();
    let end = world.sync(world.invoice_id).await.unwrap();
    assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Updated), "{}: {end:?}", world.ledger);
    world.simulator.calls().split_off(before)
}

/// The bookkeeper's work is there still, and so is ours.
async fn both_are_there(world: &World, touched: &Document, work: Work, case: &str) {
    let now = world.only().unwrap();
    to_the_cent(world, &now, case).await;
    assert_eq!(ids(&now), ids(touched), "{case}");
    match work {
        Work::Description => assert_eq!(now.lines[0].description, touched.lines[0].description, "{case}"),
        Work::Account => assert_eq!(now.lines[0].account, touched.lines[0].account, "{case}"),
        _ => assert_eq!(now.issue_date, touched.issue_date, "{case}"),
    }
    quiet(world, case).await;
}

/// Runs the cases; answers how many there were.
pub(crate) async fn are_guarded(ledger: Ledger) -> usize {
    let origin = if ledger == Ledger::Quickbooks { Origin::Approved } else { Origin::Draft };
    let mut cases = 0;
    for (place, ours) in OURS.into_iter().enumerate() {
        let case = format!("{ledger}, untouched, edit {place}");
        let world = Box::pin(prepare(ledger, origin)).await;
        // Twice: what an update answers with is good enough for the next one.
        for _ in 0..2 {
            world.edit(ours).await.unwrap();
            world.edit(dearer).await.unwrap();
            let calls = update(&world).await;
            assert!(!is_read(&calls[0]), "{case}: nothing is read before the write: {calls:?}");
            assert_eq!(calls.iter().filter(|call| !is_read(call)).count(), 1, "{case}: {calls:?}");
            to_the_cent(&world, &world.only().unwrap(), &case).await;
        }
        cases += 1;
        for work in TOUCHES {
            let case = format!("{ledger}, {work:?}, edit {place}");
            let world = Box::pin(prepare(ledger, origin)).await;
            work.act(&world);
            let touched = world.only().unwrap();
            world.edit(ours).await.unwrap();
            let calls = update(&world).await;
            let writes: Vec<usize> = (0..calls.len()).filter(|index| !is_read(&calls[*index])).collect();
            assert_eq!(writes.len(), 2, "{case}: refused, and written: {calls:?}");
            assert_eq!((writes[0], writes[1]), (0, 2), "{case}: read once, between the two: {calls:?}");
            both_are_there(&world, &touched, work, &case).await;
            cases += 1;
        }
    }
    cases + Box::pin(raced(ledger, origin)).await
}

/// Touched again between our read and our write: refused again, and compared again on a later attempt.
async fn raced(ledger: Ledger, origin: Origin) -> usize {
    let case = format!("{ledger}, touched while it was compared");
    let begin = || async {
        let world = Box::pin(prepare(ledger, origin)).await;
        Work::IssueDate.act(&world);
        world.edit(dearer).await.unwrap();
        world.wire.disarm();
        world
    };
    let rehearsal = Box::pin(begin()).await;
    let Run::Ended(_) = rehearsal.click().await.unwrap() else { panic!("nothing was armed") };
    let reads = |call: &chaos::wire::Passed| call.side == Side::Vendor && call.operation.starts_with("GET");
    let read = rehearsal.wire.passed().iter().position(reads).unwrap_or_else(|| panic!("{case}: it was not read"));
    let world = Box::pin(begin()).await;
    world.wire.arm(read, Fault::Held);
    let meanwhile = async {
        world.wire.holding().await;
        Work::Description.act(&world);
        world.wire.release();
    };
    let (run, ()) = tokio::join!(Box::pin(world.click()), Box::pin(meanwhile));
    assert!(world.wire.struck(), "{case}");
    let Run::Ended(end) = run.unwrap() else { panic!("{case}: died") };
    assert!(matches!(*end, Ok(SyncEnd::Waiting { .. })), "{case}: {end:?}");
    let touched = world.only().unwrap();
    assert_eq!(touched.lines[0].description, "Workshop, as agreed by telephone", "{case}: not overwritten");
    world.wire.disarm();
    world.synced().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    both_are_there(&world, &touched, Work::Description, &case).await;
    both_are_there(&world, &touched, Work::IssueDate, &case).await;
    1
}
