use coportal_core::id::{ApprovalId, DomainId, SsoConnectionId, UserId, WorkspaceId};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use super::approvals::{Approval, WAITS, WaitingSignIn};
use super::connections::{MetadataSource, Saved, SsoConnection, SsoDirectory};
use super::domains::{AskedDomain, Due, OwnedDomain};
use super::limits::Rate;
use super::logins::{HandOff, Login, LoginPurpose, Seen};
use super::people::{Person, Tie};
use crate::keys;
use crate::store::Store;
use crate::testing::{Fault, Services};

fn ws(n: u128) -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(n))
}

fn ssc(n: u128) -> SsoConnectionId {
    SsoConnectionId::new(Uuid::from_u128(n))
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn connection(services: &Services, n: u128) -> SsoConnection {
    SsoConnection {
        id: ssc(n),
        ws: ws(1),
        provider: "saml".to_owned(),
        settings: Some(json!({"entity_id": "e", "keys": [{"ecdsa": false, "n": 3}]})),
        enforcement: None,
        metadata: None,
        passed: None,
        last_test: None,
        last_failure: None,
        changed_at: services.now(),
        created_at: services.now(),
        created_by: user("ann"),
    }
}

fn login(services: &Services) -> Login {
    Login {
        ws: ws(1),
        connection: ssc(1),
        purpose: LoginPurpose::Test(user("ann")),
        expected: "_req".to_owned(),
        verifier: None,
        browser_hash: "b".to_owned(),
        return_to: "/".to_owned(),
        begun_at: services.now(),
        consumed_by: None,
    }
}

fn hand_off(services: &Services) -> HandOff {
    HandOff {
        ws: ws(1),
        connection: ssc(1),
        purpose: LoginPurpose::SignIn,
        browser_hash: "b".to_owned(),
        return_to: "/".to_owned(),
        proved: Some(json!({"issuer": "i"})),
        user: None,
        ends_at: None,
        at: services.now(),
        consumed_by: None,
    }
}

fn store() -> (Services, Store) {
    let services = Services::new();
    let store = services.cloud().store;
    (services, store)
}

#[tokio::test]
async fn a_connection_is_listed_saved_over_what_was_read_and_removed() {
    let (services, store) = store();
    let ctx = services.ctx();
    let made = SsoConnection {
        metadata: Some(MetadataSource {
            url: "https://idp.example/metadata".to_owned(),
            entity: None,
            fetched_at: services.now(),
            due_at: services.now(),
            problem: None,
            held: None,
        }),
        ..connection(&services, 1)
    };
    let directory = store.sso_directory(ws(1)).await.unwrap();
    assert_eq!(store.create_sso_connection(&ctx, &made, &directory).await.unwrap(), Saved::Done);
    // Somebody else's list is older by now.
    assert_eq!(store.create_sso_connection(&ctx, &connection(&services, 2), &directory).await.unwrap(), Saved::Stale);
    let of = store.sso_of(&ctx, ws(1)).await.unwrap();
    assert_eq!((of.directory.connections.as_slice(), of.connections.as_slice()), ([ssc(1)].as_slice(), [made.clone()].as_slice()));
    assert_eq!(store.sso_due(&ctx, 10).await.unwrap(), [Due::Connection(ssc(1))]);
    let read = store.sso_connection(ssc(1)).await.unwrap().unwrap();
    let moved = SsoConnection { provider: "google".to_owned(), metadata: None, ..made };
    assert_eq!(store.save_sso_connection(&ctx, read.rev, &moved).await.unwrap(), Saved::Done);
    assert_eq!(store.save_sso_connection(&ctx, read.rev, &moved).await.unwrap(), Saved::Stale);
    assert_eq!(store.sso_due(&ctx, 10).await.unwrap(), []);
    let (read, directory) = (store.sso_connection(ssc(1)).await.unwrap().unwrap(), store.sso_directory(ws(1)).await.unwrap());
    assert_eq!(store.delete_sso_connection(&ctx, &read, &directory).await.unwrap(), Saved::Done);
    assert!(store.sso_connection(ssc(1)).await.unwrap().is_none());
    assert_eq!(store.sso_directory(ws(1)).await.unwrap().value, SsoDirectory::default());
}

#[tokio::test]
async fn a_domain_is_asked_for_by_many_and_owned_by_one() {
    let (services, store) = store();
    let ctx = services.ctx();
    let asked = |n: u128| AskedDomain {
        id: DomainId::new(Uuid::from_u128(n)),
        ws: ws(n),
        domain: "acme.example".to_owned(),
        connection: None,
        value: format!("v{n}"),
        asked_at: services.now(),
        checked_at: None,
    };
    let owned = |n: u128| OwnedDomain {
        id: DomainId::new(Uuid::from_u128(n)),
        ws: ws(n),
        domain: "acme.example".to_owned(),
        connection: None,
        value: format!("v{n}"),
        proof: json!({"seen_at": "2026-03-01T09:00:00Z"}),
        proven_at: services.now(),
        due_at: services.now() + SignedDuration::from_hours(1),
    };
    for n in [1, 2] {
        let directory = store.sso_directory(ws(n)).await.unwrap();
        assert_eq!(store.ask_domain(&ctx, &asked(n), &directory).await.unwrap(), Saved::Done);
    }
    // Both prove it at once: both have read that nobody owns it.
    assert_eq!(store.own_domain(&ctx, 0, &owned(1)).await.unwrap(), Saved::Done);
    assert_eq!(store.own_domain(&ctx, 0, &owned(2)).await.unwrap(), Saved::Stale);
    assert_eq!(store.domain_owner("acme.example").await.unwrap().unwrap().value, owned(1));
    assert_eq!(store.sso_due(&ctx, 10).await.unwrap(), []);
    services.advance(SignedDuration::from_hours(1));
    assert_eq!(store.sso_due(&ctx, 10).await.unwrap(), [Due::Domain("acme.example".to_owned())]);

    let directory = store.sso_directory(ws(2)).await.unwrap();
    let claims = store.domain_claims(&ctx, ws(2), &directory.value).await.unwrap();
    assert_eq!((claims.len(), claims[0].asked.is_some(), claims[0].owner.as_ref().unwrap().value.ws), (1, true, ws(1)));
    // Giving up a claim that was never proved does not touch the owner.
    assert_eq!(store.release_domain(&ctx, ws(2), &claims[0], &directory).await.unwrap(), Saved::Done);
    assert!(store.domain_owner("acme.example").await.unwrap().is_some());
    let directory = store.sso_directory(ws(1)).await.unwrap();
    let claims = store.domain_claims(&ctx, ws(1), &directory.value).await.unwrap();
    assert!(claims[0].asked.is_none());
    assert_eq!(store.release_domain(&ctx, ws(1), &claims[0], &directory).await.unwrap(), Saved::Done);
    assert!(store.domain_owner("acme.example").await.unwrap().is_none());
}

#[tokio::test]
async fn a_state_is_consumed_once_and_not_by_its_own_lost_answer() {
    let (services, store) = store();
    let ctx = services.ctx();
    store.put_login(&ctx, "state", &login(&services)).await.unwrap();
    assert_eq!(store.login(&ctx, "state").await.unwrap(), Some(login(&services)));
    services.fault(0, Fault::LoseAnswer);
    assert!(store.consume_login(&ctx, "state", "request-1").await.unwrap());
    assert!(!store.consume_login(&ctx, "state", "request-2").await.unwrap());
    store.put_login(&ctx, "late", &login(&services)).await.unwrap();
    services.advance(SignedDuration::from_mins(10));
    assert_eq!(store.login(&ctx, "late").await.unwrap(), None);
    assert!(!store.consume_login(&ctx, "late", "request-3").await.unwrap());
}

#[tokio::test]
async fn a_response_is_spent_whole_or_not_at_all() {
    let (services, store) = store();
    let ctx = services.ctx();
    let until = services.now() + SignedDuration::from_mins(5);
    let seen = |hash: &str| Seen { hash: hash.to_owned(), until };
    for state in ["s1", "s2", "s3"] {
        store.put_login(&ctx, state, &login(&services)).await.unwrap();
    }
    let hand_off = hand_off(&services);
    services.fault(0, Fault::LoseAnswer);
    assert!(store.settle_login(&ctx, "s1", "r1", ssc(1), &[seen("a"), seen("b")], ("h1", &hand_off)).await.unwrap());
    // The same state again, and another state with the same assertion.
    assert!(!store.settle_login(&ctx, "s1", "r2", ssc(1), &[seen("c"), seen("d")], ("h2", &hand_off)).await.unwrap());
    assert!(!store.settle_login(&ctx, "s2", "r3", ssc(1), &[seen("e"), seen("b")], ("h3", &hand_off)).await.unwrap());
    assert!(store.hand_off(&ctx, "h2").await.unwrap().is_none() && store.hand_off(&ctx, "h3").await.unwrap().is_none());
    assert!(store.login(&ctx, "s2").await.unwrap().unwrap().consumed_by.is_none());
    // Ids belong to a connection: another workspace's provider may use the same.
    assert!(store.settle_login(&ctx, "s3", "r4", ssc(2), &[seen("a"), seen("b")], ("h4", &hand_off)).await.unwrap());
    assert_eq!(store.hand_off(&ctx, "h1").await.unwrap(), Some(hand_off));
    assert!(store.consume_hand_off(&ctx, "h1", "r").await.unwrap());
    assert!(!store.consume_hand_off(&ctx, "h1", "q").await.unwrap());
    services.advance(SignedDuration::from_secs(60));
    assert!(store.hand_off(&ctx, "h4").await.unwrap().is_none());
    assert!(!store.consume_hand_off(&ctx, "h4", "r").await.unwrap());
}

#[tokio::test]
async fn an_identity_is_tied_once() {
    let (services, store) = store();
    let ctx = services.ctx();
    let person = Person { name: Some("Ann".to_owned()), email: Some("ann@acme.example".to_owned()) };
    let (ann, bea) = (user("ann"), user("bea"));
    let tie =
        Tie { ws: ws(1), connection: ssc(1), identity: "i1", identity_is_known: false, user: &ann, join: true, create: Some(&person) };
    assert_eq!(store.tie_identity(&ctx, &tie).await.unwrap(), Saved::Done);
    assert_eq!(store.profile(&ann).await.unwrap(), person);
    let known = store.who_is(&ctx, ws(1), ssc(1), "i1", "Ann@Acme.example").await.unwrap();
    assert_eq!(known.identity.map(|known| known.user), Some(ann.clone()));
    assert!(known.identity_member.is_some_and(|member| member.active) && known.address_has_identity_here);
    // Another subject with her address finds her place taken; nobody else can have the identity.
    let other = Tie { identity: "i2", join: false, create: None, ..tie.clone() };
    assert_eq!(store.tie_identity(&ctx, &other).await.unwrap(), Saved::Stale);
    let stolen = Tie { user: &bea, create: None, ..tie.clone() };
    assert_eq!(store.tie_identity(&ctx, &stolen).await.unwrap(), Saved::Stale);
    // A known identity joins another workspace.
    let there = Tie { ws: ws(2), connection: ssc(2), identity_is_known: true, create: None, ..tie.clone() };
    assert_eq!(store.tie_identity(&ctx, &there).await.unwrap(), Saved::Done);
    let known = store.who_is(&ctx, ws(2), ssc(2), "i1", "x@acme.example").await.unwrap();
    assert!(known.identity_member.is_some() && known.address.is_none());
    // An address has one owner.
    let theirs = Person { name: None, email: person.email.clone() };
    assert!(!store.put_profile(&ctx, &bea, &theirs, true).await.unwrap());
    let moved = Person { email: Some("ann@other.example".to_owned()), ..person };
    assert!(store.put_profile(&ctx, &ann, &moved, true).await.unwrap());
    assert!(store.put_profile(&ctx, &bea, &theirs, true).await.unwrap());
}

#[tokio::test]
async fn permits_come_back_with_time() {
    let (services, store) = store();
    let ctx = services.ctx();
    let key = keys::network_bucket("discover", "192.0.2.0");
    let rate = Rate { every: SignedDuration::from_secs(10), burst: 3 };
    for _ in 0..3 {
        assert_eq!(store.take_permit(&ctx, &key, rate).await.unwrap(), Ok(()));
    }
    let wait = store.take_permit(&ctx, &key, rate).await.unwrap().unwrap_err();
    assert_eq!(wait, services.now() + SignedDuration::from_secs(10));
    services.advance(SignedDuration::from_secs(10));
    assert_eq!(store.take_permit(&ctx, &key, rate).await.unwrap(), Ok(()));
    assert!(store.take_permit(&ctx, &key, rate).await.unwrap().is_err());
    let other = keys::network_bucket("discover", "192.0.3.0");
    assert_eq!(store.take_permit(&ctx, &other, rate).await.unwrap(), Ok(()));
}

/// Another account of a known address takes the place of the first, whole or not at all.
#[tokio::test]
async fn a_waiting_sign_in_is_approved_once_and_over_what_was_read() {
    let (services, store) = store();
    let ctx = services.ctx();
    let ann = user("ann");
    let person = Person { name: None, email: Some("ann@acme.example".to_owned()) };
    let tie = |identity: &'static str| Tie {
        ws: ws(1),
        connection: ssc(1),
        identity,
        identity_is_known: false,
        user: &ann,
        join: true,
        create: Some(&person),
    };
    assert_eq!(store.tie_identity(&ctx, &tie("first")).await.unwrap(), Saved::Done);
    let waiting = |n: u128, identity: &str| WaitingSignIn {
        id: ApprovalId::new(Uuid::from_u128(n)),
        ws: ws(1),
        connection: ssc(1),
        identity: identity.to_owned(),
        user: user("ann"),
        reason: "subject_changed".to_owned(),
        email: "ann@acme.example".to_owned(),
        name: None,
        at: services.now(),
    };
    let (second, third) = (waiting(2, "second"), waiting(3, "third"));
    store.put_waiting_sign_in(&ctx, &second).await.unwrap();
    store.put_waiting_sign_in(&ctx, &third).await.unwrap();
    assert_eq!(store.waiting_sign_ins(&ctx, ws(1)).await.unwrap(), [second.clone(), third.clone()]);
    assert_eq!(
        (store.waiting_sign_ins(&ctx, ws(2)).await.unwrap(), store.waiting_sign_in(&ctx, ws(2), second.id).await.unwrap()),
        (vec![], None)
    );
    let instead = store.identity_at(&ann, ssc(1)).await.unwrap();
    assert_eq!(instead.as_deref(), Some("first"));
    let approval = |waiting| Approval { waiting, instead_of: Some("first"), join: false };
    // Somebody else's address, and a place that another identity has taken meanwhile, are refused.
    let strange = WaitingSignIn { user: user("bob"), ..second.clone() };
    assert_eq!(store.approve_sign_in(&ctx, &approval(&strange)).await.unwrap(), Saved::Stale);
    assert_eq!(store.approve_sign_in(&ctx, &approval(&second)).await.unwrap(), Saved::Done);
    assert_eq!(store.approve_sign_in(&ctx, &approval(&second)).await.unwrap(), Saved::Stale, "it waits no more");
    assert_eq!(store.approve_sign_in(&ctx, &approval(&third)).await.unwrap(), Saved::Stale, "the place is the second's");
    let who = store.who_is(&ctx, ws(1), ssc(1), "second", "ann@acme.example").await.unwrap();
    assert_eq!(who.identity.map(|known| known.user), Some(ann.clone()));
    assert!(store.who_is(&ctx, ws(1), ssc(1), "first", "ann@acme.example").await.unwrap().identity.is_none(), "nobody's");
    assert_eq!(store.drop_waiting_sign_in(&ctx, ws(1), third.id).await.unwrap(), Saved::Done);
    assert_eq!(store.drop_waiting_sign_in(&ctx, ws(1), third.id).await.unwrap(), Saved::Stale);
    assert!(third.ends_at() == third.at + WAITS && !format!("{third:?}").contains("ann@"));
}
