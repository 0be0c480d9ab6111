use uuid::Uuid;

use super::*;
use crate::testing::{Fault, Services};

fn sign_in(services: &Services) -> OauthState {
    OauthState {
        ws: WorkspaceId::new(Uuid::from_u128(1)),
        user: "ann".parse().unwrap(),
        ledger: Ledger::Xero,
        verifier: Envelope::from_bytes(vec![1, 2]),
        browser_hash: "b".to_owned(),
        return_path: None,
        begun_at: services.now(),
        consumed_by: None,
        grant: None,
        grant_terms: None,
        taken_by: None,
    }
}

fn terms(services: &Services) -> GrantTerms {
    GrantTerms { access_expires_at: services.now(), refresh_expires_at: None, auth_event: Some("e".to_owned()) }
}

/// Consume a state: once, by one request, in time; a lost answer does not make a good state look used.
#[tokio::test]
async fn a_state_is_consumed_by_one_request_in_time() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    store.put_oauth_state(&ctx, "s", &sign_in(&services)).await.unwrap();
    assert!(store.put_oauth_state(&ctx, "s", &sign_in(&services)).await.is_err(), "a key is never taken over");
    assert!(services.calls().iter().all(|call| !call.body.to_string().contains("\"OAUTH#s\"")), "keyed by its hash");
    assert!(store.consume_oauth_state(&ctx, Ledger::Xero, "other", "r1").await.unwrap().is_none(), "missing");
    assert!(store.consume_oauth_state(&ctx, Ledger::Sage, "s", "r1").await.unwrap().is_none(), "another ledger's");
    services.fault(1, Fault::LoseAnswer);
    let first = store.consume_oauth_state(&ctx, Ledger::Xero, "s", "r1").await.unwrap().unwrap();
    assert_eq!(first.consumed_by.as_deref(), Some("r1"));
    assert!(store.consume_oauth_state(&ctx, Ledger::Xero, "s", "r1").await.unwrap().is_some(), "the same request again");
    assert!(store.consume_oauth_state(&ctx, Ledger::Xero, "s", "r2").await.unwrap().is_none(), "replay");

    store.put_oauth_state(&ctx, "late", &sign_in(&services)).await.unwrap();
    services.advance(STATE_LIVES - SignedDuration::from_secs(1));
    assert!(store.oauth_state(&services.ctx(), "late").await.unwrap().is_some());
    services.advance(SignedDuration::from_secs(1));
    assert!(store.oauth_state(&services.ctx(), "late").await.unwrap().is_none(), "TTL is compared by us");
    assert!(store.consume_oauth_state(&services.ctx(), Ledger::Xero, "late", "r1").await.unwrap().is_none());
}

#[tokio::test]
async fn many_requests_with_one_state_and_one_has_it() {
    let services = Services::new();
    let store = services.cloud().store;
    store.put_oauth_state(&services.ctx(), "s", &sign_in(&services)).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (store, ctx) = (store.clone(), services.ctx());
            tokio::spawn(async move { store.consume_oauth_state(&ctx, Ledger::Xero, "s", &format!("r{n}")).await.unwrap().is_some() })
        })
        .collect();
    let mut had = 0;
    for task in tasks {
        had += usize::from(task.await.unwrap());
    }
    assert_eq!(had, 1);
}

/// A grant whose browser is not known is parked: only the person who began can take it, once, in time.
#[tokio::test]
async fn a_parked_grant_is_taken_once_by_its_person() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let state = sign_in(&services);
    store.put_oauth_state(&ctx, "s", &state).await.unwrap();
    let grant = Envelope::from_bytes(vec![7; 40]);
    assert!(store.park_grant(&ctx, "s", "r1", &state, &grant, &terms(&services)).await.unwrap().is_none(), "not consumed by it");
    store.consume_oauth_state(&ctx, Ledger::Xero, "s", "r1").await.unwrap().unwrap();
    services.fault(0, Fault::LoseAnswer);
    let reference = store.park_grant(&ctx, "s", "r1", &state, &grant, &terms(&services)).await.unwrap().unwrap();

    let (ws, ann) = (state.ws, state.user.clone());
    let other: UserId = "bob".parse().unwrap();
    let elsewhere = WorkspaceId::new(Uuid::from_u128(9));
    assert_eq!(store.parked_grants(&ctx, ws, &ann).await.unwrap().len(), 1);
    assert!(store.parked_grants(&ctx, ws, &other).await.unwrap().is_empty());
    for (ws, user) in [(ws, &other), (elsewhere, &ann)] {
        assert!(store.parked_grant(&ctx, ws, user, &reference).await.unwrap().is_none());
        assert!(store.take_parked_grant(&ctx, ws, user, &reference, "r2").await.unwrap().is_none());
    }
    services.fault(1, Fault::LoseAnswer);
    let taken = store.take_parked_grant(&ctx, ws, &ann, &reference, "r2").await.unwrap().unwrap();
    assert_eq!(taken.state.grant, Some(grant));
    assert_eq!(taken.state.grant_terms, Some(terms(&services)));
    assert!(store.take_parked_grant(&ctx, ws, &ann, &reference, "r3").await.unwrap().is_none(), "twice");
    assert!(store.parked_grants(&ctx, ws, &ann).await.unwrap().is_empty());
    assert!(store.take_parked_grant(&ctx, ws, &ann, "unknown", "r3").await.unwrap().is_none());
}

#[tokio::test]
async fn a_parked_grant_ends_after_thirty_minutes() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let state = sign_in(&services);
    store.put_oauth_state(&ctx, "s", &state).await.unwrap();
    store.consume_oauth_state(&ctx, Ledger::Xero, "s", "r1").await.unwrap().unwrap();
    let grant = Envelope::from_bytes(vec![7]);
    let reference = store.park_grant(&ctx, "s", "r1", &state, &grant, &terms(&services)).await.unwrap().unwrap();
    services.advance(PARKED_LIVES - SignedDuration::from_secs(1));
    assert!(store.parked_grant(&ctx, state.ws, &state.user, &reference).await.unwrap().is_some());
    services.advance(SignedDuration::from_secs(1));
    assert!(store.parked_grant(&ctx, state.ws, &state.user, &reference).await.unwrap().is_none());
    assert!(store.take_parked_grant(&ctx, state.ws, &state.user, &reference, "r2").await.unwrap().is_none());
}
