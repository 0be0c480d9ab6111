//! Two imports of one list at once, with syncs in between, taking turns at every call: one client and one contact each.

use std::collections::BTreeMap;

use chaos::world::World;
use coportal_core::job::JobId;
use coportal_core::ledger::Ledger;
use coportal_engine::import::ImportAnswer;
use futures_util::future::join;
use jiff::SignedDuration;
use serde_json::json;

use crate::scene::{all_new, import, previewed, request, rows, tick, work};

async fn crossed(ledger: Ledger, seed: u64) {
    let case = format!("{ledger}, schedule {seed}");
    let world = World::of(ledger, 1_000 + seed).await.unwrap();
    // The world's own client is in the ledger, too: an import links what a sync may be linking at the same moment.
    world
        .plant(json!({"contacts": [
            {"name": "Rosewood & Vale", "email": "accounts@rosewood.example"},
            {"name": "Ann", "email": "ann@example.com"},
            {"name": "Bob", "email": "bob@example.com"},
            {"name": "Cid", "email": "cid@example.com"},
        ]}))
        .unwrap();
    let (one, two) = (world.process().unwrap(), world.process().unwrap());
    let (first, second) = (previewed(&world, &one).await, previewed(&world, &two).await);
    let ticked: Vec<_> = rows(&world, &one, first.id).await.iter().map(|row| tick(&row.external_id, row.default_action)).collect();
    world.wire.interleave(seed);
    let ctx = world.ctx();
    let second_request = if seed.is_multiple_of(2) { all_new(second.id) } else { request(second.id, ticked.clone()) };
    let imports = join(import(&world, &one, &ctx, request(first.id, ticked)), import(&world, &two, &ctx, second_request));
    let ((a, b), _) = join(imports, world.sync(world.invoice_id)).await;
    for (answer, id) in [(a, first.id), (b, second.id)] {
        match answer {
            Ok(ImportAnswer::Done(_) | ImportAnswer::Accepted(_)) => {}
            Err(problem) => assert!(problem.fix.as_ref().is_some_and(|fix| fix.retry_helps), "{case}: {problem:?}"),
        }
        let _ = work(&world, &one, id).await;
        let _ = one.run_job(&world.ctx(), world.workspace, JobId::Preview(id)).await.unwrap();
    }
    world.clock.advance(SignedDuration::from_secs(40));
    let end = world.patient(world.invoice_id, 20).await.unwrap();
    assert!(end.is_ok(), "{case}: {end:?}");
    // Every client is billed once: a sync uses the link that an import made, and makes no contact (R141).
    let mut clients: BTreeMap<String, usize> = BTreeMap::new();
    for client in one.store.clients(world.workspace, true, None, 100).await.unwrap().items {
        *clients.entry(client.email.to_lowercase()).or_default() += 1;
        if client.id != world.client {
            let invoice = world.add_invoice(u128::from(seed) << 8 | clients.len() as u128, client.id).await.unwrap();
            let end = world.patient(invoice, 20).await.unwrap();
            assert!(end.is_ok(), "{case}: {end:?}");
        }
    }
    assert_eq!(clients.len(), 4, "{case}: {clients:?}");
    assert!(clients.values().all(|count| *count == 1), "{case}: {clients:?}");
    let contacts: Vec<_> = world.books().contacts.into_iter().map(|contact| contact.name).collect();
    assert_eq!(contacts.len(), 4, "{case}: {contacts:?}");
}

/// I2, I15, R141: a hundred schedules of real commits and syncs (the model of `shared/core/tests/import` runs two thousand).
#[tokio::test(start_paused = true)]
async fn i2_i15_r141_two_imports_and_a_sync_at_once_leave_one_of_each_in_xero() {
    for seed in 0..40 {
        crossed(Ledger::Xero, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i2_i15_r141_two_imports_and_a_sync_at_once_leave_one_of_each_in_the_other_ledgers() {
    for ledger in [Ledger::Quickbooks, Ledger::Sage, Ledger::BusinessCentral] {
        for seed in 0..20 {
            crossed(ledger, seed).await;
        }
    }
}
