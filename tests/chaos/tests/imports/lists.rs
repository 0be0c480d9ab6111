//! Long lists: a vendor call for each page of the vendor's largest size, and bounded memory.

use chaos::world::World;
use coportal_core::id::RunId;
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_engine::import::PreviewState;
use coportal_engine::jobs::JobEnd;
use simulators::skeleton::calls::Kind;
use simulators::skeleton::limits::LimitsChange;

use crate::MEMORY;
use crate::scene::{actor, all_new, calls, clients, imported, plant, previewed, rows, shown, work, workspace};

/// Pages of the vendors' largest size (docs/vendors): 1,000 in Xero and QuickBooks, 200 in Sage, 20,000 in Business Central, which is asked for
/// them in a header (`shared/ledgers/tests/contact_lists.rs` reads 20,001).
#[tokio::test(start_paused = true)]
async fn r24_a_preview_costs_a_vendor_call_for_each_page_of_the_list() {
    for (ledger, contacts, pages, said) in [
        (Ledger::Xero, 2_100, 3, "pageSize=1000"),
        (Ledger::Quickbooks, 2_100, 3, "maxresults%201000"),
        (Ledger::Sage, 450, 3, "items_per_page=200"),
        (Ledger::BusinessCentral, 5_100, 1, "customers"),
    ] {
        let world = World::of(ledger, 11).await.unwrap();
        plant(&world, 0, contacts);
        let engine = world.process().unwrap();
        let before = calls(&world).len();
        let preview = previewed(&world, &engine).await;
        let made = calls(&world).split_off(before);
        assert_eq!(made.len(), pages, "{ledger}: {made:?}");
        assert!(made.iter().all(|call| call.replace('+', "%20").contains(said)), "{ledger}: {made:?}");
        assert_eq!((usize::try_from(preview.vendor_calls).unwrap(), usize::try_from(preview.read).unwrap()), (pages, contacts), "{ledger}");
        assert_eq!(preview.counts.unwrap().total(), preview.read, "{ledger}");
        assert_eq!(rows(&world, &engine, preview.id).await.len(), contacts, "{ledger}: every contact is one row");
    }
}

/// Pages are in flight together where the ledger tells how many there are, and never more than its concurrency limit: one call less at once,
/// and the vendor would refuse.
#[tokio::test(start_paused = true)]
async fn pages_in_flight_stay_within_the_vendors_concurrency_limit() {
    for (ledger, contacts, pages, together) in
        [(Ledger::Xero, 4_100, 5, 3), (Ledger::Sage, 900, 5, 2), (Ledger::Quickbooks, 2_100, 3, 1), (Ledger::BusinessCentral, 450, 1, 1)]
    {
        for (concurrent, refused) in [(together, false), (together - 1, true)].into_iter().filter(|(concurrent, _)| *concurrent > 0) {
            let world = World::of(ledger, 14).await.unwrap();
            plant(&world, 0, contacts);
            let engine = world.process().unwrap();
            let profile = engine.ledgers.get(ledger).unwrap().profile;
            assert!(profile.list_in_flight == together && together <= profile.limits.concurrent, "{ledger}");
            let slow = LimitsChange { latency_ms: Some(500), concurrent: Some(concurrent), ..LimitsChange::default() };
            world.simulator.change_limits(slow);
            let before = calls(&world).len();
            let preview = previewed(&world, &engine).await;
            let statuses: Vec<Option<u16>> =
                world.simulator.calls().into_iter().filter(|call| call.kind == Kind::Api).skip(before).map(|call| call.status).collect();
            assert_eq!(statuses.contains(&Some(429)), refused, "{ledger}, {concurrent} at once: {statuses:?}");
            assert_eq!((preview.state, usize::try_from(preview.read).unwrap()), (PreviewState::Ready, contacts), "{ledger}");
            assert_eq!(usize::try_from(preview.vendor_calls).unwrap(), pages, "{ledger}");
            assert!(refused || statuses.len() == pages, "{ledger}: {statuses:?}");
        }
    }
}

/// C20: a page is a call like any other: without a permit it is not made, and the preview goes on when there is one.
#[tokio::test(start_paused = true)]
async fn c20_a_page_without_a_permit_is_not_asked_for() {
    for ledger in Ledger::ALL {
        let world = World::of(ledger, 15).await.unwrap();
        plant(&world, 0, 3);
        let engine = world.metered_process().unwrap();
        let organisation = world.connection().await.unwrap().value.organisation.unwrap().id;
        let api = engine.ledgers.get(ledger).unwrap();
        let begun = engine.begin_preview(&world.ctx(), &workspace(&world).await, actor(&world), ledger, false).await.unwrap();
        // Others take everything that may be called for some time.
        let mut taken = 0;
        let until = loop {
            let others = engine.permits(&world.ctx(), api, &organisation, RunId::new(world.ctx().uuid()));
            match others.reserve(1, 0).await.unwrap() {
                Ok(()) => taken += 1,
                Err(no) => break no.until,
            }
        };
        assert!(taken > 0 && until > world.clock.now(), "{ledger}");
        let before = calls(&world).len();
        let end = engine.run_job(&world.ctx(), world.workspace, JobId::Preview(begun.id)).await.unwrap();
        assert!(matches!(end, JobEnd::Advanced(NextStep::At(at)) if at > world.clock.now()), "{ledger}: {end:?}");
        assert_eq!(calls(&world).len(), before, "{ledger}: no call without a permit");
        work(&world, &engine, begun.id).await;
        let preview = shown(&world, &engine, begun.id).await;
        assert_eq!((preview.state, calls(&world).len() - before), (PreviewState::Ready, 1), "{ledger}");
    }
}

/// Ten thousand contacts within the 128 MB of the smallest function. Counted is what the preview allocates at its peak beyond what was there
/// before, the simulated ledger's ten answers included; 32 MB are left for the function itself.
#[tokio::test(start_paused = true)]
async fn r24_ten_thousand_contacts_stay_within_a_functions_memory() {
    const MOST: usize = 96 * 1024 * 1024;
    let world = World::of(Ledger::Xero, 12).await.unwrap();
    plant(&world, 0, 10_000);
    let engine = world.process().unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let preview = previewed(&world, &engine).await;
    let added = MEMORY.peak_usage().saturating_sub(before);
    assert_eq!((preview.state, preview.read, preview.vendor_calls), (PreviewState::Ready, 10_000, 10));
    println!("10,000 contacts: the preview allocated {} kB at its peak, beside {} kB of simulated ledger", added / 1024, before / 1024);
    assert!(added > 1024 * 1024 && added < MOST, "the preview allocated {added} bytes");
}

/// A commit of more than a hundred rows is a job, and does them all.
#[tokio::test(start_paused = true)]
async fn a_large_commit_is_a_job() {
    let world = World::of(Ledger::Xero, 13).await.unwrap();
    plant(&world, 0, 450);
    let engine = world.process().unwrap();
    let preview = previewed(&world, &engine).await;
    let before = calls(&world).len();
    let result = imported(&world, &engine, all_new(preview.id)).await;
    assert_eq!((result.created, clients(&world).await.len()), (450, 451));
    assert_eq!(calls(&world).len() - before, 1, "the list once more");
}
