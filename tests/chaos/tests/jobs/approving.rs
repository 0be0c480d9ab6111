//! Approving all drafts (C7, C8).

use chaos::world::World;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::Actor;
use rust_decimal::Decimal;

use crate::support::{begin, drive, is_over, populate, vendor_calls};

/// C7: an explicit act for all drafts, forecast first, after each one's totals were checked; a second time there is nothing to do.
#[tokio::test(start_paused = true)]
async fn c7_all_drafts_are_approved_by_one_act() {
    for ledger in Ledger::ALL {
        let world = World::of(ledger, 1).await.unwrap();
        let invoices = populate(&world, 2, 2).await;
        let id = begin(&world).await;
        let drafts = drive(&world, id).await;
        let held = ledger == Ledger::Quickbooks;
        assert_eq!(if held { drafts.progress.held } else { drafts.progress.synced }, 5, "{ledger}: {drafts:?}");

        let engine = world.process().unwrap();
        let before = vendor_calls(&world);
        let forecast = engine.forecast_approving(&world.ctx(), world.workspace, world.ledger).await.unwrap();
        assert_eq!(forecast.invoices, 5);
        // 961.00 + 1200.99 and 20% of each.
        assert_eq!(forecast.totals.iter().map(|sum| sum.amount).collect::<Vec<_>>(), [Decimal::new(259_439, 2) * Decimal::from(5)]);
        assert_eq!(vendor_calls(&world), before, "a forecast asks nobody");

        let actor = Actor::User(world.user.clone());
        let id = engine.begin_approving(&world.ctx(), world.workspace, world.ledger, actor.clone()).await.unwrap();
        let done = drive(&world, id).await;
        is_over(&done);
        assert_eq!((done.progress.total, done.progress.synced), (5, 5), "{ledger}: {done:?}");
        assert_eq!(world.live().len(), 5, "{ledger}");
        assert!(world.live().iter().all(|document| document.status != "draft"), "{ledger}: {:?}", world.live());
        for invoice in &invoices {
            let row = world.row_of(*invoice).await.unwrap();
            assert_eq!((row.state, row.approve), (SyncState::Synced, false), "{ledger}");
        }

        let again = engine.begin_approving(&world.ctx(), world.workspace, world.ledger, actor).await.unwrap();
        let again = drive(&world, again).await;
        assert_eq!((again.progress.total, again.progress.vendor_calls), (0, 0), "{ledger}");
    }
}
