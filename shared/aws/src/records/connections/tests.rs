use coportal_core::connection::Options;
use coportal_core::id::ConnectionId;
use uuid::Uuid;

use super::*;
use crate::testing::{Fault, Services};
use crate::vault::Envelope;

fn ws() -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(1))
}

fn organisation(id: &str) -> Organisation {
    Organisation { id: id.to_owned(), name: id.to_uppercase(), environment: None, link_id: Some(format!("link-{id}")) }
}

fn connection(organisation: Option<Organisation>, generation: Generation, grant: u64) -> Connection {
    Connection {
        id: ConnectionId::new(Uuid::from_u128(5)),
        ledger: Ledger::Xero,
        status: if organisation.is_some() { ConnectionStatus::Connected } else { ConnectionStatus::ChooseOrganisation },
        organisation,
        generation,
        grant,
        options: Options::defaults(Ledger::Xero),
        connected_at: None,
        connected_by: None,
        look_first: false,
        reconnect_reason: None,
    }
}

fn tokens(services: &Services, grant: u64) -> TokenRow {
    TokenRow::issued(Envelope::from_bytes(vec![1]), services.now(), None, grant)
}

fn token_key(generation: Generation) -> TokenKey {
    TokenKey { ws: ws(), ledger: Ledger::Xero, generation }
}

async fn connect(services: &Services, store: &Store, to: &str, grant: u64) -> Versioned<Connection> {
    let ctx = services.ctx();
    let before = store.connection(ws(), Ledger::Xero).await.unwrap();
    let draw = store.draw_generation(&ctx, ws(), Ledger::Xero, to).await.unwrap();
    let connection = connection(Some(organisation(to)), draw.generation, grant);
    let done = store.connect(&ctx, ws(), before.as_ref(), &connection, &tokens(services, grant), Some(&draw)).await.unwrap();
    assert!(matches!(done, Connected::Done { .. }));
    store.connection(ws(), Ledger::Xero).await.unwrap().unwrap()
}

/// docs/records.md, section 1, rule 4: never given twice; coming back comes back to the number, unless its links were erased.
#[tokio::test]
async fn an_organisation_has_one_number_and_gets_it_back() {
    let services = Services::new();
    let store = services.cloud().store;
    let one = connect(&services, &store, "one", 1).await;
    assert_eq!(one.value.generation, Generation(1));
    let two = connect(&services, &store, "two", 2).await;
    assert_eq!(two.value.generation, Generation(2));
    assert!(store.tokens(token_key(Generation(1))).await.unwrap().is_none(), "tokens of the other organisation are gone");
    assert_eq!(connect(&services, &store, "one", 3).await.value.generation, Generation(1));
    let before = store.connection(ws(), Ledger::Xero).await.unwrap().unwrap();
    let gone = store.disconnect(&services.ctx(), ws(), &before, Links::Erase).await.unwrap();
    assert_eq!(gone, Connected::Done { rev: 4 });
    assert_eq!(connect(&services, &store, "one", 4).await.value.generation, Generation(3));
    assert_eq!(connect(&services, &store, "two", 5).await.value.generation, Generation(2));
    let before = store.connection(ws(), Ledger::Xero).await.unwrap().unwrap();
    assert!(matches!(store.disconnect(&services.ctx(), ws(), &before, Links::Keep).await.unwrap(), Connected::Done { .. }));
    assert_eq!(connect(&services, &store, "two", 6).await.value.generation, Generation(2), "kept");
}

#[tokio::test]
async fn two_connects_at_once_never_share_a_number() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let draws = [
        store.draw_generation(&ctx, ws(), Ledger::Xero, "one").await.unwrap(),
        store.draw_generation(&ctx, ws(), Ledger::Xero, "two").await.unwrap(),
    ];
    assert_eq!(draws[0].generation, draws[1].generation, "both drew the same");
    let mut done = Vec::new();
    for draw in &draws {
        let to = connection(Some(organisation(&draw.organisation)), draw.generation, 1);
        let before = store.connection(ws(), Ledger::Xero).await.unwrap();
        done.push(store.connect(&ctx, ws(), before.as_ref(), &to, &tokens(&services, 1), Some(draw)).await.unwrap());
    }
    assert!(matches!(done[..], [Connected::Done { .. }, Connected::Moved]), "{done:?}");
}

/// Two admins consent at the same moment, each to other organisations: what can be chosen belongs to the tokens that are stored.
#[tokio::test]
async fn of_two_offers_at_once_the_list_is_that_of_the_tokens() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let granted = |id: &str| Granted { grant: 1, organisations: vec![organisation(id), organisation("both")], options_of: None };
    let pending = connection(None, Generation(0), 1);
    let (mine, theirs) = (granted("mine"), granted("theirs"));
    let first = store.offer(&ctx, ws(), None, &pending, &tokens(&services, 1), &mine).await.unwrap();
    assert_eq!(first, Connected::Done { rev: 1 });
    let second = store.offer(&ctx, ws(), None, &pending, &tokens(&services, 1), &theirs).await.unwrap();
    assert_eq!(second, Connected::Moved, "it was prepared on a connection that has moved");
    assert_eq!(store.granted(ws(), Ledger::Xero, 1).await.unwrap(), Some(mine));
    // Prepared anew, it replaces both together.
    let before = store.connection(ws(), Ledger::Xero).await.unwrap().unwrap();
    let next = Granted { grant: 2, ..theirs };
    let pending = connection(None, Generation(0), 2);
    let again = store.offer(&ctx, ws(), Some(&before), &pending, &tokens(&services, 2), &next).await.unwrap();
    assert_eq!(again, Connected::Done { rev: 2 });
    assert_eq!(store.granted(ws(), Ledger::Xero, 2).await.unwrap(), Some(next));
}

/// Connect is one step: status never says connected without tokens; a lost answer is no defeat.
#[tokio::test]
async fn connect_stores_all_or_nothing() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let draw = store.draw_generation(&ctx, ws(), Ledger::Xero, "one").await.unwrap();
    assert!(draw.fresh);
    let to = connection(Some(organisation("one")), draw.generation, 1);
    for n in 0..3 {
        services.fault(n, Fault::LoseRequest);
    }
    assert!(store.connect(&ctx, ws(), None, &to, &tokens(&services, 1), Some(&draw)).await.is_err());
    assert!(store.connection(ws(), Ledger::Xero).await.unwrap().is_none());
    assert!(store.tokens(token_key(draw.generation)).await.unwrap().is_none());
    services.fault(0, Fault::LoseAnswer);
    let done = store.connect(&ctx, ws(), None, &to, &tokens(&services, 1), Some(&draw)).await.unwrap();
    assert_eq!(done, Connected::Done { rev: 1 });
    assert_eq!(store.connection(ws(), Ledger::Xero).await.unwrap().unwrap(), Versioned::new(to.clone(), 1));
    assert!(store.tokens(token_key(draw.generation)).await.unwrap().is_some());
    assert_eq!(store.connect(&ctx, ws(), None, &to, &tokens(&services, 1), Some(&draw)).await.unwrap(), Connected::Moved);
    assert_eq!(store.connections(&ctx, ws()).await.unwrap().len(), 1);
    assert!(store.connections(&ctx, WorkspaceId::new(Uuid::from_u128(8))).await.unwrap().is_empty());
}

/// Choosing an organisation re-seals in the same step: the pending tokens go when the organisation's are there.
#[tokio::test]
async fn choosing_an_organisation_replaces_the_pending_tokens() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let pending = connection(None, Generation(0), 1);
    let done = store.connect(&ctx, ws(), None, &pending, &tokens(&services, 1), None).await.unwrap();
    assert_eq!(done, Connected::Done { rev: 1 });
    assert!(store.tokens(token_key(Generation(0))).await.unwrap().is_some());
    let chosen = connect(&services, &store, "one", 1).await;
    assert_eq!(chosen.value.generation, Generation(1));
    assert!(store.tokens(token_key(Generation(0))).await.unwrap().is_none());
    assert!(store.tokens(token_key(Generation(1))).await.unwrap().is_some());
}

#[tokio::test]
async fn a_disconnect_erases_tokens_and_asks_who_else_uses_the_organisation() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let connected = connect(&services, &store, "one", 1).await;
    let other = WorkspaceId::new(Uuid::from_u128(2));
    let use_of = keys::organisation_use(Ledger::Xero, "one", other);
    let change = Change::update(use_of, Fields::empty(Kind::OrganisationUse).text("ws", other));
    assert!(matches!(store.write(&ctx, change).await.unwrap(), Write::Done { .. }));
    assert_eq!(store.other_users_of(Ledger::Xero, "one", ws()).await.unwrap(), [other]);
    assert_eq!(store.other_users_of(Ledger::Xero, "one", other).await.unwrap(), [ws()]);
    services.fault(0, Fault::LoseAnswer);
    let done = store.disconnect(&ctx, ws(), &connected, Links::Keep).await.unwrap();
    assert_eq!(done, Connected::Done { rev: 2 });
    assert!(store.tokens(token_key(Generation(1))).await.unwrap().is_none());
    assert!(store.other_users_of(Ledger::Xero, "one", other).await.unwrap().is_empty());
    let stands = store.connection(ws(), Ledger::Xero).await.unwrap().unwrap().value;
    assert_eq!(stands.status, ConnectionStatus::Disconnected);
    assert_eq!(store.disconnect(&ctx, ws(), &connected, Links::Keep).await.unwrap(), Connected::Moved, "of an old read");
}

#[tokio::test]
async fn a_dead_grant_is_marked_for_its_own_consent_only() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    connect(&services, &store, "one", 1).await;
    let key = token_key(Generation(1));
    assert_eq!(store.mark_reconnect_required(&ctx, key, 1, 7, None, "x").await.unwrap(), ReconnectMarked::Moved);
    services.fault(1, Fault::LoseAnswer);
    assert_eq!(store.mark_reconnect_required(&ctx, key, 1, 1, None, "invalid_grant").await.unwrap(), ReconnectMarked::Done);
    let marked = store.connection(ws(), Ledger::Xero).await.unwrap().unwrap();
    assert_eq!(marked.value.status, ConnectionStatus::ReconnectRequired);
    assert_eq!(marked.value.reconnect_reason.as_deref(), Some("invalid_grant"));
    let again = connect(&services, &store, "one", 2).await.value;
    assert_eq!((again.status, again.reconnect_reason), (ConnectionStatus::Connected, None));
    assert_eq!(store.mark_reconnect_required(&ctx, key, 1, 1, None, "late").await.unwrap(), ReconnectMarked::Moved);
}

#[tokio::test]
async fn options_are_saved_on_the_read_they_were_changed_from() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let read = connect(&services, &store, "one", 1).await;
    let mut changed = read.value.clone();
    changed.options.auto_sync = true;
    assert_eq!(store.save_connection(&ctx, ws(), &changed, read.rev).await.unwrap(), Saved::Done { rev: 2 });
    let Saved::Moved(stands) = store.save_connection(&ctx, ws(), &read.value, read.rev).await.unwrap() else { panic!() };
    assert!(stands.value.options.auto_sync);
}
