use coportal_core::document::DocumentStatus;
use coportal_core::failure::Question;
use coportal_core::id::{ClientId, EventId, HoldId, IntentId, RunId};
use coportal_core::sync::row::{DocumentLink, Hold, Intent, IntentKind, Lease, Look, SyncState, Waiting, WaitingFor};
use coportal_core::timeline::{Actor, TimelineEvent};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;
use crate::error::StoreError;
use crate::keys::{self, Index};
use crate::store::{Fields, Kind, Range, Store};
use crate::testing::{Fault, Services};

fn key() -> SyncKey {
    SyncKey {
        ws: WorkspaceId::new(Uuid::from_u128(1)),
        inv: InvoiceId::new(Uuid::from_u128(2)),
        ledger: Ledger::Xero,
        generation: Generation(3),
    }
}

fn needs(rates: Vec<Rate>) -> SyncNeeds {
    SyncNeeds { client: ClientId::new(Uuid::from_u128(5)), currency: None, rates, products: Vec::new(), organisation: "org".to_owned() }
}

fn intent(n: u128, body: Vec<u8>) -> Intent {
    let at: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
    Intent {
        id: IntentId::new(Uuid::from_u128(n)),
        kind: IntentKind::Create,
        key: format!("key-{n}"),
        first_sent_at: at,
        send_by: at,
        body,
        look: Look { number: Some("INV-1".to_owned()), ..Look::default() },
        sent: None,
        hash: "h1".to_owned(),
        version: 4,
        batched: false,
    }
}

fn claiming(services: &Services, n: u128, body: Vec<u8>) -> SyncRow {
    SyncRow {
        wanted: 4,
        state: SyncState::Syncing,
        intent: Some(intent(n, body)),
        lease: Some(Lease { owner: RunId::new(Uuid::from_u128(n)), until: services.now() + SignedDuration::from_secs(30) }),
        attempts: 1,
        since: Some(services.now()),
        ..SyncRow::default()
    }
}

fn synced(services: &Services) -> SyncRow {
    SyncRow {
        wanted: 4,
        done: 4,
        state: SyncState::Synced,
        hash: Some("h1".to_owned()),
        link: Some(DocumentLink {
            external_id: "doc-1".to_owned(),
            external_number: Some("INV-1".to_owned()),
            url: None,
            remote_version: None,
            status: DocumentStatus::Draft,
            sent: None,
            created_by_us: true,
            as_sent: false,
        }),
        attempts: 1,
        since: Some(services.now()),
        ..SyncRow::default()
    }
}

fn event(services: &Services, n: u128) -> TimelineEvent {
    TimelineEvent {
        id: EventId::new(Uuid::from_u128(n)),
        at: services.now(),
        ledger: Some(Ledger::Xero),
        step: "created".to_owned(),
        text: "Created.".to_owned(),
        vendor_request_id: None,
        actor: Actor::System,
        version: 4,
    }
}

const DOCUMENT: DocumentClaim<'static> = DocumentClaim { organisation: "org", external_id: "doc-1" };

async fn won(store: &Store, services: &Services, n: u128) -> u64 {
    let row = claiming(services, n, b"body".to_vec());
    match store.claim_row(&services.ctx(), key(), &row, 0, services.now()).await.unwrap() {
        Claim::Won { rev } => rev,
        Claim::Lost(row) => panic!("{row:?}"),
        Claim::PermitMoved => panic!("no permit was asked for"),
    }
}

#[tokio::test]
async fn a_claim_is_read_back_whole() {
    let services = Services::new();
    let store = services.cloud().store;
    assert_eq!(won(&store, &services, 7).await, 1);
    let read = store.sync_row(key()).await.unwrap();
    assert_eq!(read, Versioned::new(claiming(&services, 7, b"body".to_vec()), 1));
    let rows = store.sync_rows(key().ws, key().inv).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].0, rows[0].1), (Ledger::Xero, Generation(3)));
}

/// Claim: two workers, one wins; a plan made on a read that missed an item loses.
#[tokio::test]
async fn claim_two_workers_one_wins() {
    let services = Services::new();
    let store = services.cloud().store;
    assert_eq!(won(&store, &services, 7).await, 1);
    let late = claiming(&services, 8, b"other".to_vec());
    let Claim::Lost(stands) = store.claim_row(&services.ctx(), key(), &late, 0, services.now()).await.unwrap() else { panic!() };
    assert_eq!(stands.value.intent.unwrap().key, "key-7");
    assert_eq!(stands.rev, 1);
}

#[tokio::test]
async fn a_live_lease_keeps_others_away_until_it_is_over() {
    let services = Services::new();
    let store = services.cloud().store;
    let rev = won(&store, &services, 7).await;
    let again =
        SyncRow { lease: Some(Lease { owner: RunId::new(Uuid::from_u128(9)), until: services.now() }), ..claiming(&services, 7, vec![]) };
    let at = |millis: i64| services.now() + SignedDuration::from_millis(millis);
    for early in [0, 29_999] {
        assert!(matches!(store.claim_row(&services.ctx(), key(), &again, rev, at(early)).await.unwrap(), Claim::Lost(_)));
    }
    let claim = store.claim_row(&services.ctx(), key(), &again, rev, at(30_000)).await.unwrap();
    assert_eq!(claim, Claim::Won { rev: 2 });
    let body = store.sync_row(key()).await.unwrap().value.intent.unwrap().body;
    assert_eq!(body, b"body", "an open intent claimed again keeps its body");
}

/// Claim over an open intent: only the same intent may follow, never a second create under a new key.
#[tokio::test]
async fn claim_over_an_open_intent_keeps_it() {
    let services = Services::new();
    let store = services.cloud().store;
    let rev = won(&store, &services, 7).await;
    let later = services.now() + SignedDuration::from_mins(5);
    for row in [claiming(&services, 8, b"x".to_vec()), SyncRow { intent: None, ..claiming(&services, 8, vec![]) }] {
        let claim = store.claim_row(&services.ctx(), key(), &row, rev, later).await.unwrap();
        assert!(matches!(claim, Claim::Lost(_)), "{claim:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_of_a_claim_is_a_claim() {
    for lost in 1..=2 {
        let services = Services::new();
        let store = services.cloud().store;
        for n in 0..lost {
            services.fault(n, Fault::LoseAnswer);
        }
        assert_eq!(won(&store, &services, 7).await, 1);
    }
}

/// A body above 64 kB compressed lies in its own item, written in the claim's transaction, and is read back as if it did not.
#[tokio::test]
async fn a_large_body_is_kept_apart_byte_for_byte() {
    let services = Services::new();
    let store = services.cloud().store;
    let noise = services.ctx().random_bytes::<100_000>().to_vec();
    let row = claiming(&services, 7, noise.clone());
    services.fault(0, Fault::LoseAnswer);
    let claim = store.claim_row(&services.ctx(), key(), &row, 0, services.now()).await.unwrap();
    assert_eq!(claim, Claim::Won { rev: 1 });
    assert_eq!(store.sync_row(key()).await.unwrap().value, row);
    assert_eq!(store.sync_rows(key().ws, key().inv).await.unwrap().len(), 1, "the body is no row");
    let claim = store.claim_row(&services.ctx(), key(), &row, 0, services.now()).await.unwrap();
    assert!(matches!(claim, Claim::Lost(_)));
    let body = store.sync_body(&services.ctx(), key(), &needs(Vec::new())).await.unwrap();
    assert_eq!(body.row.value.intent.unwrap().body, noise);
}

/// Store an outcome: on the intent, not on the lease. A slow holder's answer is kept after its lease and a second claim.
#[tokio::test]
async fn outcome_of_a_slow_holder_is_stored_after_its_lease() {
    let services = Services::new();
    let store = services.cloud().store;
    let rev = won(&store, &services, 7).await;
    services.advance(SignedDuration::from_mins(2));
    let second = SyncRow { attempts: 2, ..claiming(&services, 7, vec![]) };
    assert_eq!(store.claim_row(&services.ctx(), key(), &second, rev, services.now()).await.unwrap(), Claim::Won { rev: 2 });
    let id = IntentId::new(Uuid::from_u128(7));
    let stored = store.store_outcome(&services.ctx(), key(), id, &synced(&services), &event(&services, 1), Some(DOCUMENT)).await.unwrap();
    assert_eq!(stored, Stored::Done);
    assert_eq!(store.sync_row(key()).await.unwrap().value, synced(&services));
    assert_eq!(store.timeline(&services.ctx(), key().ws, key().inv, 10, None).await.unwrap().items.len(), 1);
    assert_eq!(store.document_owner(Ledger::Xero, DOCUMENT).await.unwrap(), Some((key().ws, key().inv)));

    // The second holder comes late: the intent is settled.
    let late = store.store_outcome(&services.ctx(), key(), id, &synced(&services), &event(&services, 2), Some(DOCUMENT)).await.unwrap();
    let Stored::NotMine(stands) = late else { panic!("{late:?}") };
    assert_eq!(stands.value.state, SyncState::Synced);
    let lines = store.timeline(&services.ctx(), key().ws, key().inv, 10, None).await.unwrap().items;
    assert_eq!(lines.len(), 1, "state and story agree");
}

/// A lost answer of the outcome's transaction, at each attempt: stored once.
#[tokio::test]
async fn a_lost_answer_of_an_outcome_is_an_outcome() {
    for lost in 1..=2 {
        let services = Services::new();
        let store = services.cloud().store;
        won(&store, &services, 7).await;
        for n in 0..lost {
            services.fault(n, Fault::LoseAnswer);
        }
        let id = IntentId::new(Uuid::from_u128(7));
        let stored =
            store.store_outcome(&services.ctx(), key(), id, &synced(&services), &event(&services, 1), Some(DOCUMENT)).await.unwrap();
        assert_eq!(stored, Stored::Done);
    }
}

/// Finish: a version that arrived while we worked is not lost.
#[tokio::test]
async fn finish_goes_back_to_queued_when_wanted_has_moved() {
    let services = Services::new();
    let store = services.cloud().store;
    let rev = won(&store, &services, 7).await;
    let moved = SyncRow { wanted: 5, ..claiming(&services, 7, vec![]) };
    assert_eq!(store.save_row(&services.ctx(), key(), &moved, rev).await.unwrap(), Saved::Done { rev: 2 });
    let id = IntentId::new(Uuid::from_u128(7));
    let stored = store.store_outcome(&services.ctx(), key(), id, &synced(&services), &event(&services, 1), Some(DOCUMENT)).await.unwrap();
    assert_eq!(stored, Stored::WantedMoved);
    let row = store.sync_row(key()).await.unwrap().value;
    assert_eq!((row.state, row.wanted, row.done), (SyncState::Queued, 5, 4));
    assert_eq!(row.intent, None);
    assert_eq!(row.link.unwrap().external_id, "doc-1", "what was learned is kept");
    let up_to = keys::due_sk(services.now() + SignedDuration::from_millis(1), key().ws, Ledger::Xero, key().inv);
    let due = Range { up_to: Some(&up_to), ..Range::default() };
    let partition = keys::due_pk(keys::shard(key().ws, Ledger::Xero));
    assert_eq!(store.query_index(Index::Due, &partition, &due).await.unwrap().items.len(), 1, "due now");
}

/// Reverse claim DOC: one document never belongs to two invoices.
#[tokio::test]
async fn a_document_belongs_to_one_invoice() {
    let services = Services::new();
    let store = services.cloud().store;
    let other = SyncKey { inv: InvoiceId::new(Uuid::from_u128(99)), ..key() };
    let linked = store.link_document(&services.ctx(), other, &synced(&services), 0, &event(&services, 3), DOCUMENT).await.unwrap();
    assert_eq!(linked, Stored::Done);
    won(&store, &services, 7).await;
    let id = IntentId::new(Uuid::from_u128(7));
    let owned = Stored::DocumentOwnedByOther { ws: key().ws, inv: other.inv };
    let stored = store.store_outcome(&services.ctx(), key(), id, &synced(&services), &event(&services, 1), Some(DOCUMENT)).await.unwrap();
    assert_eq!(stored, owned);
    assert!(store.sync_row(key()).await.unwrap().value.intent.is_some(), "nothing was stored");
    let rev = store.sync_row(key()).await.unwrap().rev;
    assert_eq!(store.link_document(&services.ctx(), key(), &synced(&services), rev, &event(&services, 4), DOCUMENT).await.unwrap(), owned);

    // Unlinked there, it is free here.
    let free = SyncRow { link: None, ..synced(&services) };
    let unlinked = store.unlink_document(&services.ctx(), other, &free, 1, &event(&services, 5), DOCUMENT).await.unwrap();
    assert_eq!(unlinked, Saved::Done { rev: 2 });
    let stored = store.store_outcome(&services.ctx(), key(), id, &synced(&services), &event(&services, 6), Some(DOCUMENT)).await.unwrap();
    assert_eq!(stored, Stored::Done);
    // An unlink by one that is no owner leaves the owner alone.
    let again = store.unlink_document(&services.ctx(), other, &free, 2, &event(&services, 7), DOCUMENT).await.unwrap();
    assert_eq!(again, Saved::Done { rev: 3 });
    assert_eq!(store.document_owner(Ledger::Xero, DOCUMENT).await.unwrap(), Some((key().ws, key().inv)));
}

#[tokio::test]
async fn a_row_saved_on_an_old_read_is_refused_and_shown_as_it_stands() {
    let services = Services::new();
    let store = services.cloud().store;
    assert_eq!(store.save_row(&services.ctx(), key(), &synced(&services), 0).await.unwrap(), Saved::Done { rev: 1 });
    let Saved::Moved(stands) = store.save_row(&services.ctx(), key(), &SyncRow::default(), 0).await.unwrap() else { panic!() };
    assert_eq!(*stands, Versioned::new(synced(&services), 1));
}

/// docs/records.md, "The sync row": a row that is not at rest always has `due_at`, one at rest never.
#[test]
fn a_row_not_at_rest_is_always_due() {
    let at: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
    let states = [
        SyncState::Never,
        SyncState::Queued,
        SyncState::Syncing,
        SyncState::Synced,
        SyncState::Held,
        SyncState::Waiting,
        SyncState::Uncertain,
        SyncState::Failed,
        SyncState::Stopped,
    ];
    let reasons =
        [WaitingFor::Limit, WaitingFor::Ledger, WaitingFor::Outcome, WaitingFor::OtherRun, WaitingFor::Reconnect, WaitingFor::Plan];
    let mut waits = vec![None];
    for reason in reasons {
        waits.extend([None, Some(at)].map(|until| Some(Waiting { reason, until })));
    }
    let mut cases = 0;
    for state in states {
        for waiting in &waits {
            for lease in [None, Some(Lease { owner: RunId::new(Uuid::from_u128(1)), until: at })] {
                for since in [None, Some(at)] {
                    let row = SyncRow { state, waiting: *waiting, lease, since, ..SyncRow::default() };
                    assert_eq!(due_keys(&key(), &row).is_none(), state.is_at_rest(), "{row:?}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 9 * 13 * 4);
}

#[test]
fn when_a_row_is_due() {
    let at: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
    let later = at + SignedDuration::from_secs(10);
    let due = |row: SyncRow| due_keys(&key(), &row).unwrap();
    let time = |row: SyncRow| due(row).1.split_once('#').unwrap().0.to_owned();
    let row = |state| SyncRow { state, since: Some(at), ..SyncRow::default() };
    let waiting = |reason, until| Some(Waiting { reason, until });
    assert_eq!(time(row(SyncState::Queued)), "2026-03-01T09:01:00.000Z");
    let leased = SyncRow { lease: Some(Lease { owner: RunId::new(Uuid::from_u128(1)), until: later }), ..row(SyncState::Syncing) };
    assert_eq!(time(leased), "2026-03-01T09:00:10.000Z");
    let limited = SyncRow { waiting: waiting(WaitingFor::Limit, Some(later)), ..row(SyncState::Waiting) };
    assert_eq!(time(limited), "2026-03-01T09:00:10.000Z");
    assert_eq!(time(row(SyncState::Waiting)), "2026-03-01T09:00:00.000Z", "without a time: at once");
    let parked = due(SyncRow { waiting: waiting(WaitingFor::Reconnect, None), ..row(SyncState::Waiting) });
    assert_eq!(parked.0, keys::park_pk(key().ws, Ledger::Xero));
    let timed = due(SyncRow { waiting: waiting(WaitingFor::Plan, Some(later)), ..row(SyncState::Waiting) });
    assert!(timed.0.starts_with("DUE#"));
}

#[tokio::test]
async fn attention_lists_what_a_person_should_look_at_and_forgets_what_is_settled() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let hold = Hold {
        id: HoldId::new(Uuid::from_u128(1)),
        question: Question::ChooseAccount,
        detail: "Which account?".to_owned(),
        choices: Vec::new(),
        inputs_hash: "i".to_owned(),
        since: services.now(),
    };
    let held = SyncRow { state: SyncState::Held, hold: Some(hold), since: Some(services.now()), ..SyncRow::default() };
    for n in 0..3 {
        let key = SyncKey { inv: InvoiceId::new(Uuid::from_u128(n)), ..key() };
        assert_eq!(store.save_row(&ctx, key, &held, 0).await.unwrap(), Saved::Done { rev: 1 });
    }
    let first = store.attention(&ctx, key().ws, 2, None).await.unwrap();
    assert_eq!(first.items.len(), 2);
    assert_eq!(first.items[0].row, held);
    let second = store.attention(&ctx, key().ws, 2, first.next.as_deref()).await.unwrap();
    assert_eq!(second.items.len(), 1);
    assert_eq!(store.save_row(&ctx, second.items[0].key, &synced(&services), 1).await.unwrap(), Saved::Done { rev: 2 });
    assert_eq!(store.attention(&ctx, key().ws, 10, None).await.unwrap().items.len(), 2);
    let other = WorkspaceId::new(Uuid::from_u128(77));
    assert!(store.attention(&ctx, other, 10, None).await.unwrap().items.is_empty(), "another workspace");
}

/// docs/records.md, section 3: the reads of a warm sync are two batches.
#[tokio::test]
async fn a_sync_reads_in_two_batches() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let head = store.sync_head(&ctx, key().ws, key().inv, Ledger::Xero).await.unwrap();
    assert!(head.workspace.is_none() && head.invoice.is_none() && head.connection.is_none());
    let rate = Rate::try_from(rust_decimal::Decimal::from(15)).unwrap();
    for (choice, value) in [(keys::Choice::Tax(rate), "OUTPUT3"), (keys::Choice::SalesAccount, "200")] {
        store.put_choice(&ctx, key().ws, Ledger::Xero, Generation(3), choice, Some(value)).await.unwrap();
    }
    let since = services.calls().len();
    let body = store.sync_body(&ctx, key(), &needs(vec![rate])).await.unwrap();
    assert_eq!(services.operations(since), ["BatchGetItem"]);
    assert_eq!(body.choices.tax_map.get(&rate).unwrap(), "OUTPUT3");
    assert_eq!(body.choices.sales_account.as_deref(), Some("200"));
    assert_eq!((body.row.rev, body.contact.rev), (0, 0));
    assert!(body.client.is_none() && body.tokens.is_none() && body.facts.is_none());
    assert_eq!(services.calls()[0].body["RequestItems"][crate::testing::TABLE]["ConsistentRead"], true);
    // The whole map, and a map made smaller.
    let all = store.choices(key().ws, Ledger::Xero, Generation(3)).await.unwrap();
    assert_eq!(all, body.choices);
    store.put_choices(&ctx, key().ws, Ledger::Xero, Generation(3), &all, &Choices::default()).await.unwrap();
    assert_eq!(store.choices(key().ws, Ledger::Xero, Generation(3)).await.unwrap(), Choices::default());
    assert_eq!(store.choices(key().ws, Ledger::Xero, Generation(4)).await.unwrap(), Choices::default(), "another generation");
}

#[tokio::test]
async fn a_row_of_a_newer_shape_is_not_guessed_at() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let fields = Fields::of(Kind::SyncRow, &SyncRow::default()).unwrap();
    let row = keys::sync_row(key().ws, key().inv, Ledger::Xero, Generation(3));
    let newer = crate::store::Change::update(row, fields.text("state", "unheard_of"));
    assert!(matches!(store.write(&ctx, newer).await.unwrap(), crate::store::Write::Done { rev: 1 }));
    assert!(matches!(store.sync_row(key()).await.unwrap_err(), StoreError::Corrupt { .. }));
}
