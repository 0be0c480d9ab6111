//! Two imports of one list at once, with syncs in between, taking turns at every call: one client and one contact each.

use std::collections::BTreeMap;

use chaos::world::World;
use coportal_core::client::Client;
use coportal_core::job::JobId;
use coportal_core::ledger::Ledger;
use coportal_engine::import::ImportAnswer;
use futures_util::future::join;
use jiff::SignedDuration;
use serde_json::json;

use crate::scene::{all_new, external_id, import, imported, previewed, request, rows, tick, work};

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
            // Two of one address, of which one is left alone; and one that is archived, whose address a live one has.
            {"name": "Dan", "email": "dan@example.com"},
            {"name": "Dan, too", "email": "Dan@example.com"},
            {"name": "Bob, before", "email": "BOB@example.com"},
        ]}))
        .unwrap();
    world.bookkeeper(json!({"action": "archive_contact", "contact_id": external_id(&world, "Bob, before")})).unwrap();
    let (one, two) = (world.process().unwrap(), world.process().unwrap());
    let (first, second) = (previewed(&world, &one).await, previewed(&world, &two).await);
    let ticked: Vec<_> = rows(&world, &one, first.id).await.iter().map(|row| tick(&row.external_id, row.default_action)).collect();
    world.wire.interleave(seed);
    let ctx = world.ctx();
    // In two of three schedules the bookkeeper renames a contact: before the commits, or while they run.
    let cid = external_id(&world, "Cid");
    let bookkeeper = async {
        let turns = if seed % 3 == 1 { seed.wrapping_mul(37) % 400 } else { 0 };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        if seed % 3 < 2 {
            world.bookkeeper(json!({"action": "edit_contact", "contact_id": cid, "name": "Cid Renamed"})).unwrap();
        }
    };
    let second_request = if seed.is_multiple_of(2) { all_new(second.id) } else { request(second.id, ticked.clone()) };
    let imports = join(import(&world, &one, &ctx, request(first.id, ticked)), import(&world, &two, &ctx, second_request));
    let (((a, b), _), ()) = join(join(imports, world.sync(world.invoice_id)), bookkeeper).await;
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
    // Who was renamed before his row's turn was reported, and not guessed: a new preview shows him, and imports nobody twice.
    let named = |clients: &[Client], name: &str| clients.iter().filter(|client| client.name.starts_with(name)).count();
    let so_far = one.store.clients(world.workspace, true, None, 100).await.unwrap().items;
    let cids = named(&so_far, "Cid");
    assert!(named(&so_far, "Ann") == 1 && named(&so_far, "Bob") == 1 && named(&so_far, "Dan") == 1, "{case}: {so_far:?}");
    match seed % 3 {
        // Renamed before both commits; while they ran; not at all.
        0 => assert_eq!(cids, 0, "{case}: {so_far:?}"),
        1 => assert!(cids <= 1, "{case}: {so_far:?}"),
        _ => assert_eq!(cids, 1, "{case}: {so_far:?}"),
    }
    let third = previewed(&world, &one).await;
    let _ = imported(&world, &one, all_new(third.id)).await;
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
    assert_eq!(clients.len(), 5, "{case}: {clients:?}");
    assert!(clients.values().all(|count| *count == 1), "{case}: {clients:?}");
    let contacts: Vec<_> = world.books().contacts.into_iter().map(|contact| contact.name).collect();
    assert_eq!(contacts.len(), 7, "{case}: {contacts:?}");
}

/// A hundred schedules, or as many as `IMPORT_CROSSINGS` says: two fifths of them in Xero, a fifth in each of the others.
#[expect(clippy::disallowed_methods, reason = "how many schedules is asked of whoever runs the test")]
fn schedules(fifths: u64) -> u64 {
    let asked = std::env::var("IMPORT_CROSSINGS").ok().map(|text| text.parse::<u64>().unwrap());
    (asked.unwrap_or(100) * fifths).div_ceil(5)
}

/// I2, I15, R141: real commits and syncs over the wire (the model of `shared/core/tests/import` runs two thousand).
#[tokio::test(start_paused = true)]
async fn i2_i15_r141_two_imports_and_a_sync_at_once_leave_one_of_each_in_xero() {
    for seed in 0..schedules(2) {
        crossed(Ledger::Xero, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i2_i15_r141_two_imports_and_a_sync_at_once_leave_one_of_each_in_the_other_ledgers() {
    for ledger in [Ledger::Quickbooks, Ledger::Sage, Ledger::BusinessCentral] {
        for seed in 0..schedules(1) {
            crossed(ledger, seed).await;
        }
    }
}
