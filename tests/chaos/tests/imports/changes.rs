//! I15: contacts that were changed, archived, merged or deleted in the ledger between preview and commit are reported, one by one; the rest
//! is done.

use chaos::world::World;
use coportal_core::import::Action;
use coportal_core::ledger::Ledger;
use coportal_engine::import::ImportResult;
use serde_json::json;

use crate::scene::{all_new, calls, clients, external_id, imported, plant, previewed, request, rows, shown, tick};

fn codes(result: &ImportResult) -> Vec<&str> {
    let mut codes: Vec<&str> = result.changed_since_preview.iter().map(|row| row.code.as_str()).collect();
    codes.sort_unstable();
    codes
}

fn name(n: usize) -> String {
    format!("Contact {n:05} Zoë")
}

async fn changed(ledger: Ledger, contacts: usize, by_list: bool) {
    let world = World::of(ledger, 7).await.unwrap();
    plant(&world, 0, contacts);
    let engine = world.process().unwrap();
    let preview = previewed(&world, &engine).await;
    assert_eq!(preview.counts.unwrap().new, u32::try_from(contacts).unwrap());
    world.bookkeeper(json!({"action": "edit_contact", "contact_id": external_id(&world, &name(0)), "name": "Renamed Ltd"})).unwrap();
    world.bookkeeper(json!({"action": "edit_contact", "contact_id": external_id(&world, &name(1)), "email": "other@example.com"})).unwrap();
    world.bookkeeper(json!({"action": "archive_contact", "contact_id": external_id(&world, &name(2))})).unwrap();
    let mut expected = vec!["archived", "fields", "fields"];
    // What a merge leaves behind: Xero says so; in QuickBooks and Business Central the contact is no longer there; Sage has no merge, and
    // deletes a contact that nothing refers to.
    let merged = match ledger {
        Ledger::Xero => Some("merged"),
        Ledger::Quickbooks | Ledger::BusinessCentral => Some("deleted"),
        Ledger::Sage => None,
    };
    if let Some(code) = merged {
        let (gone, stays) = (external_id(&world, &name(3)), external_id(&world, &name(4)));
        world.bookkeeper(json!({"action": "merge_contact", "contact_id": gone, "into": stays})).unwrap();
        expected.push(code);
    }
    if ledger == Ledger::Sage {
        world.bookkeeper(json!({"action": "delete_contact", "contact_id": external_id(&world, &name(5))})).unwrap();
        expected.push("deleted");
    }
    expected.sort_unstable();
    let before = calls(&world).len();
    let result = imported(&world, &engine, all_new(preview.id)).await;
    assert_eq!(codes(&result), expected, "{ledger}: {result:?}");
    assert_eq!(usize::try_from(result.created).unwrap(), contacts - expected.len(), "{ledger}");
    assert_eq!(clients(&world).await.len(), 1 + contacts - expected.len(), "{ledger}");
    let made = calls(&world).split_off(before);
    // One page of the list, and a look at each contact that is no longer there as it was.
    assert_eq!(made.len() <= 1 + expected.len(), by_list, "{ledger}: {made:?}");
    // A new preview shows what is there now.
    let again = previewed(&world, &engine).await;
    assert_eq!(again.counts.unwrap().linked, result.created, "{ledger}");
}

#[tokio::test(start_paused = true)]
async fn i15_what_was_changed_in_xero_is_reported() {
    changed(Ledger::Xero, 12, true).await;
}

#[tokio::test(start_paused = true)]
async fn i15_what_was_changed_in_quickbooks_is_reported() {
    changed(Ledger::Quickbooks, 12, true).await;
}

#[tokio::test(start_paused = true)]
async fn i15_what_was_changed_in_sage_is_reported() {
    changed(Ledger::Sage, 12, true).await;
}

#[tokio::test(start_paused = true)]
async fn i15_what_was_changed_in_business_central_is_reported() {
    changed(Ledger::BusinessCentral, 12, true).await;
}

/// One row is compared by reading that contact, and no list is read for it: in every ledger.
#[tokio::test(start_paused = true)]
async fn one_row_costs_one_call() {
    for ledger in Ledger::ALL {
        let world = World::of(ledger, 8).await.unwrap();
        plant(&world, 0, 3);
        let engine = world.process().unwrap();
        let preview = previewed(&world, &engine).await;
        let rows = rows(&world, &engine, preview.id).await;
        for (n, row) in rows.iter().enumerate() {
            let before = calls(&world).len();
            let result = imported(&world, &engine, request(preview.id, vec![tick(&row.external_id, Action::Create)])).await;
            assert_eq!((result.created, result.changed_since_preview.len()), (1, 0), "{ledger}: {result:?}");
            assert_eq!(calls(&world).len() - before, 1, "{ledger}");
            assert_eq!(clients(&world).await.len(), 2 + n, "{ledger}");
        }
        // R28: the client has the contact's fields.
        let client = engine.store.clients(world.workspace, false, None, 1).await.unwrap().items.remove(0);
        assert!(client.name.starts_with("Contact 0000") && client.email.ends_with("@example.com"), "{ledger}: {client:?}");
        let after = shown(&world, &engine, preview.id).await;
        assert!(after.rows.unwrap().iter().all(|row| serde_json::to_value(row).unwrap()["outcome"]["result"] == "created"));
    }
}
