use coportal_core::id::InvoiceId;
use coportal_core::sync::row::{SyncRow, SyncState};
use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::records::sync::{Saved, SyncKey};
use crate::testing::Services;

fn ws() -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(1))
}

fn ann() -> UserId {
    "ann".parse().unwrap()
}

fn row(ledger: Ledger, invoice: u128) -> SyncKey {
    SyncKey { ws: ws(), inv: InvoiceId::new(Uuid::from_u128(invoice)), ledger, generation: Generation(1) }
}

async fn save(services: &Services, store: &Store, key: SyncKey, state: SyncState, rev: u64) {
    let row = SyncRow { state, last_synced_at: Some(services.now()), since: Some(services.now()), ..SyncRow::default() };
    assert!(matches!(store.save_row(&services.ctx(), key, &row, rev).await.unwrap(), Saved::Done { .. }));
}

/// R63: one query tells when anything was last synced over each connection, without a write of its own for each sync.
#[tokio::test]
async fn r63_the_newest_sync_of_each_connection_is_found() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    assert_eq!(store.cards_listed(&ctx, ws(), &ann()).await.unwrap(), CardsListed::default());
    let first = services.now();
    save(&services, &store, row(Ledger::Xero, 1), SyncState::Synced, 0).await;
    services.advance(SignedDuration::from_secs(60));
    save(&services, &store, row(Ledger::Xero, 2), SyncState::Synced, 0).await;
    save(&services, &store, row(Ledger::Sage, 2), SyncState::Synced, 0).await;
    let listed = store.cards_listed(&ctx, ws(), &ann()).await.unwrap();
    let newest = services.now();
    let expected = [((Ledger::Xero, Generation(1)), newest), ((Ledger::Sage, Generation(1)), newest)];
    assert_eq!((listed.synced, listed.read_back_to), (BTreeMap::from(expected), None));
    save(&services, &store, row(Ledger::Xero, 2), SyncState::Held, 1).await;
    let listed = store.cards_listed(&ctx, ws(), &ann()).await.unwrap();
    assert_eq!(listed.synced.get(&(Ledger::Xero, Generation(1))), Some(&first), "what needs a person lies in the attention list");
    let other = WorkspaceId::new(Uuid::from_u128(2));
    assert_eq!(store.cards_listed(&ctx, other, &ann()).await.unwrap(), CardsListed::default());
}

/// A ledger that a hundred later syncs of others hide is not said to have synced never.
#[tokio::test]
async fn what_lies_beyond_the_page_is_not_denied() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    save(&services, &store, row(Ledger::Sage, 1), SyncState::Synced, 0).await;
    let mut oldest_read = None;
    for n in 0..100 {
        services.advance(SignedDuration::from_secs(1));
        oldest_read.get_or_insert(services.now());
        save(&services, &store, row(Ledger::Xero, n), SyncState::Synced, 0).await;
    }
    let listed = store.cards_listed(&ctx, ws(), &ann()).await.unwrap();
    assert_eq!(listed.synced.keys().collect::<Vec<_>>(), [&(Ledger::Xero, Generation(1))]);
    assert_eq!(listed.read_back_to, oldest_read);
}

/// A wait that is noted stands until it is over; another organisation's wait takes its place at once.
#[tokio::test]
async fn the_first_wait_stands_until_it_is_over() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let after = |minutes| services.now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    let waits = |generation, until| Waits { generation: Generation(generation), limit: Limit::Day, since: services.now(), until };
    let noted = async || store.cards(&services.ctx(), ws()).await.unwrap().notes.get(&Ledger::Xero).and_then(|note| note.waits);
    assert_eq!(noted().await, None);
    let first = waits(1, after(10));
    store.note_wait(&ctx, ws(), Ledger::Xero, first).await.unwrap();
    // Another process, which does not know of it.
    services.cloud().store.note_wait(&ctx, ws(), Ledger::Xero, waits(1, after(20))).await.unwrap();
    assert_eq!(noted().await, Some(first));
    let elsewhere = waits(2, after(30));
    store.note_wait(&ctx, ws(), Ledger::Xero, elsewhere).await.unwrap();
    assert_eq!(noted().await, Some(elsewhere));
    services.advance(SignedDuration::from_mins(30));
    let ctx = services.ctx();
    let next = waits(2, after(5));
    store.note_wait(&ctx, ws(), Ledger::Xero, next).await.unwrap();
    assert_eq!(noted().await, Some(next));
}

/// A process that parks a thousand rows for one limit notes it once.
#[test]
fn a_process_notes_a_wait_once() {
    let noted = Noted::default();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (now, until) = (at("2026-03-02T09:00:00Z"), at("2026-03-02T10:00:00Z"));
    let waits = Waits { generation: Generation(1), limit: Limit::Minute, since: now, until };
    assert!(noted.is_new(ws(), Ledger::Xero, waits, now));
    assert!(!noted.is_new(ws(), Ledger::Xero, waits, now));
    assert!(noted.is_new(ws(), Ledger::Sage, waits, now));
    assert!(noted.is_new(ws(), Ledger::Xero, Waits { generation: Generation(2), ..waits }, now));
    assert!(noted.is_new(ws(), Ledger::Sage, waits, until), "it is over");
    noted.forget(ws(), Ledger::Sage);
    assert!(noted.is_new(ws(), Ledger::Sage, waits, now), "it could not be written");
}

/// A version to come may write notes that this one cannot read: they say nothing, and the connections are read all the same.
#[tokio::test]
async fn a_note_that_cannot_be_read_costs_nobody_the_page() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let fields = Fields::empty(Kind::Note).text("waits", "in words");
    assert!(matches!(store.write(&ctx, Change::update(keys::note(ws(), Ledger::Xero), fields)).await.unwrap(), Write::Done { .. }));
    assert!(store.cards(&ctx, ws()).await.unwrap().notes.is_empty());
}
