use uuid::Uuid;

use super::*;
use crate::records::connections::ReconnectMarked;
use crate::testing::{Fault, Services};

fn key() -> TokenKey {
    TokenKey { ws: WorkspaceId::new(Uuid::from_u128(1)), ledger: Ledger::Xero, generation: Generation(3) }
}

fn run(n: u128) -> RunId {
    RunId::new(Uuid::from_u128(n))
}

fn envelope(text: &str) -> Envelope {
    Envelope::from_bytes(text.as_bytes().to_vec())
}

async fn issued(services: &Services, store: &Store) -> Versioned<TokenRow> {
    let row = TokenRow::issued(envelope("one"), services.now(), None, 1);
    let change = Change::update(key().key(), fields(&key(), &row, services.now()).unwrap());
    assert!(matches!(store.write(&services.ctx(), change).await.unwrap(), Write::Done { rev: 1 }));
    store.tokens(key()).await.unwrap().unwrap()
}

async fn take(services: &Services, store: &Store, read: &Versioned<TokenRow>, owner: RunId) -> Refresh {
    let until = services.now() + SignedDuration::from_secs(30);
    store.take_refresh_lease(&services.ctx(), key(), read, owner, until).await.unwrap()
}

fn mine(refresh: Refresh) -> Versioned<TokenRow> {
    match refresh {
        Refresh::Mine(row) => *row,
        Refresh::Other(other) => panic!("{other:?}"),
    }
}

fn refreshed(services: &Services, text: &str) -> Refreshed {
    Refreshed { envelope: envelope(text), access_exp: services.now() + SignedDuration::from_mins(30), refresh_exp: None }
}

/// Refresh, take: two refreshes of one token set.
#[tokio::test]
async fn refresh_take_is_given_once() {
    let services = Services::new();
    let store = services.cloud().store;
    let read = issued(&services, &store).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (services, store, read) = (services.clone(), store.clone(), read.clone());
            tokio::spawn(async move { take(&services, &store, &read, run(n)).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += usize::from(matches!(task.await.unwrap(), Refresh::Mine(_)));
    }
    assert_eq!(won, 1);
    // With the newest read too, while the lease is live; and again when it is over.
    let read = store.tokens(key()).await.unwrap().unwrap();
    assert!(matches!(take(&services, &store, &read, run(99)).await, Refresh::Other(Some(_))));
    services.advance(SignedDuration::from_secs(30));
    let row = mine(take(&services, &store, &read, run(99)).await);
    assert_eq!(row.value.lease.unwrap().fence, 2);
}

#[tokio::test]
async fn a_lost_answer_of_a_lease_is_a_lease() {
    let services = Services::new();
    let store = services.cloud().store;
    let read = issued(&services, &store).await;
    services.fault(0, Fault::LoseAnswer);
    let held = mine(take(&services, &store, &read, run(1)).await);
    services.fault(0, Fault::LoseAnswer);
    let sent = mine(store.mark_refresh_sent(&services.ctx(), key(), &held).await.unwrap());
    assert_eq!(sent.value.lease.as_ref().unwrap().phase, RefreshPhase::Sent);
    services.fault(0, Fault::LoseAnswer);
    let stored = mine(store.store_refreshed(&services.ctx(), key(), &sent.value, &refreshed(&services, "two")).await.unwrap());
    assert_eq!(stored, store.tokens(key()).await.unwrap().unwrap());
    assert_eq!((stored.value.token_gen, stored.value.envelope), (2, envelope("two")));
}

/// Refresh, store: not the fence. A slow holder whose lease is over still brings the only live refresh token.
#[tokio::test]
async fn refresh_store_of_a_slow_holder_is_kept_while_set_and_consent_are_unmoved() {
    let services = Services::new();
    let store = services.cloud().store;
    let read = issued(&services, &store).await;
    let slow = mine(take(&services, &store, &read, run(1)).await);
    let slow = mine(store.mark_refresh_sent(&services.ctx(), key(), &slow).await.unwrap());
    services.advance(SignedDuration::from_mins(1));
    let read = store.tokens(key()).await.unwrap().unwrap();
    let second = mine(take(&services, &store, &read, run(2)).await);
    let stored = mine(store.store_refreshed(&services.ctx(), key(), &slow.value, &refreshed(&services, "slow")).await.unwrap());
    assert_eq!(stored.value.token_gen, 2);
    // The second must not write over it: the set has moved.
    let late = store.store_refreshed(&services.ctx(), key(), &second.value, &refreshed(&services, "second")).await.unwrap();
    let Refresh::Other(Some(stands)) = late else { panic!() };
    assert_eq!(stands.value.envelope, envelope("slow"));
    assert!(stands.value.lease.is_none() && stands.value.sent.is_empty());
    // Nor may one that woke before sending call the vendor.
    assert!(matches!(store.mark_refresh_sent(&services.ctx(), key(), &second).await.unwrap(), Refresh::Other(_)));
}

#[tokio::test]
async fn a_refresh_of_an_earlier_consent_is_not_stored() {
    let services = Services::new();
    let store = services.cloud().store;
    let read = issued(&services, &store).await;
    let held = mine(take(&services, &store, &read, run(1)).await);
    let again = TokenRow::issued(envelope("new consent"), services.now(), None, 2);
    let change = Change::update(key().key(), fields(&key(), &again, services.now()).unwrap());
    assert!(matches!(store.write(&services.ctx(), change).await.unwrap(), Write::Done { .. }));
    let late = store.store_refreshed(&services.ctx(), key(), &held.value, &refreshed(&services, "old")).await.unwrap();
    assert!(matches!(late, Refresh::Other(Some(stands)) if stands.value.grant == 2));
}

/// Reconnect required: not while a refresh from the same set, sent in the last 15 minutes, has no outcome.
#[tokio::test]
async fn reconnect_required_waits_for_refreshes_without_outcome() {
    let services = Services::new();
    let store = services.cloud().store;
    let read = issued(&services, &store).await;
    let lost = mine(take(&services, &store, &read, run(1)).await);
    let _sent = mine(store.mark_refresh_sent(&services.ctx(), key(), &lost).await.unwrap());
    services.advance(SignedDuration::from_mins(1));
    // The second is refused by the vendor: the first may have rotated the token.
    let read = store.tokens(key()).await.unwrap().unwrap();
    let second = mine(take(&services, &store, &read, run(2)).await);
    let _sent = mine(store.mark_refresh_sent(&services.ctx(), key(), &second).await.unwrap());
    let mark = async |token_gen, grant| {
        store.mark_reconnect_required(&services.ctx(), key(), token_gen, grant, Some(run(2)), "invalid_grant").await.unwrap()
    };
    assert_eq!(mark(1, 1).await, ReconnectMarked::Unsettled);
    assert_eq!(mark(2, 1).await, ReconnectMarked::Moved);
    assert_eq!(mark(1, 2).await, ReconnectMarked::Moved);
    let released = store.release_refresh_lease(&services.ctx(), key(), run(2), RefreshOutcome::Settled).await.unwrap().unwrap();
    assert!(released.value.lease.is_none());
    assert_eq!(released.value.sent.len(), 1, "the first is still without outcome");
    services.advance(REFRESH_UNSETTLED_FOR);
    // Nothing is under way any more; without a connection of this consent there is nothing to mark.
    assert_eq!(mark(1, 1).await, ReconnectMarked::Moved);
}

#[tokio::test]
async fn an_unknown_outcome_gives_the_lease_back_and_stays_unsettled() {
    let services = Services::new();
    let store = services.cloud().store;
    let read = issued(&services, &store).await;
    let held = mine(take(&services, &store, &read, run(1)).await);
    let _sent = mine(store.mark_refresh_sent(&services.ctx(), key(), &held).await.unwrap());
    let released = store.release_refresh_lease(&services.ctx(), key(), run(1), RefreshOutcome::Unknown).await.unwrap().unwrap();
    assert!(released.value.lease.is_none());
    assert!(released.value.has_unsettled_refresh(services.now(), None));
    assert!(!released.value.has_unsettled_refresh(services.now(), Some(run(1))));
    let again = store.release_refresh_lease(&services.ctx(), key(), run(1), RefreshOutcome::Unknown).await.unwrap().unwrap();
    assert_eq!(again.rev, released.rev, "nothing to give back");
    let gone = TokenKey { generation: Generation(9), ..key() };
    assert!(store.release_refresh_lease(&services.ctx(), gone, run(1), RefreshOutcome::Settled).await.unwrap().is_none());
}
