//! Disconnecting: both halves, whatever happens between (K21, I14).

use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_aws::records::tokens::TokenKey;
use coportal_core::connection::{ConnectionStatus, Generation};
use coportal_core::id::{InvoiceId, RunId};
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use coportal_core::sync::row::{Lease, SyncRow, SyncState, Waiting, WaitingFor};
use coportal_ledgers::{ClientCredentials, Held};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::faults::{Fault, FaultKind};
use uuid::Uuid;

use crate::world::{UK, World};

const PATH: &str = "/v1/integrations/xero";

async fn has_tokens(world: &World, generation: Generation) -> bool {
    let key = TokenKey { ws: world.one.id, ledger: Ledger::Xero, generation };
    world.store().tokens(key).await.unwrap().is_some()
}

/// The vendor's link and the tokens go; the vendor's revocation, which would take other workspaces' links along, is never called.
#[tokio::test]
async fn both_halves_go_and_the_receipt_says_so() {
    let world = World::new().await;
    let connection = world.connected(world.one, UK).await;
    let receipt = world.admin(world.one, "DELETE", PATH, None).await.json();
    assert_eq!(receipt, json!({"revoked": true, "reason": null, "tokens_erased": true, "stopped": 0, "unsettled": 0}));
    assert!(world.linked().is_empty());
    assert!(!has_tokens(&world, connection.generation).await);
    assert_eq!(world.connection(world.one).await.unwrap().status, ConnectionStatus::Disconnected);
    assert!(world.simulator.calls().iter().all(|call| !call.path.contains("/revocation")));
    assert_eq!(world.audit(world.one).await.first().unwrap(), "disconnected");
    // I14: nothing is asked of the ledger any more.
    let calls = world.vendor_calls().len();
    assert_eq!(world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await.code(), "not_connected");
    assert_eq!(world.vendor_calls().len(), calls);
}

/// K21, erased but not revoked: the vendor cannot be reached, or the access token cannot be renewed. The tokens go all the same.
#[tokio::test]
async fn tokens_are_erased_even_when_the_vendor_cannot_be_reached() {
    for (matching, kind) in
        [("/connections/", FaultKind::Refuse), ("/connections/", FaultKind::Status), ("/connect/token", FaultKind::Refuse)]
    {
        let world = World::new().await;
        let connection = world.connected(world.one, UK).await;
        world.advance(SignedDuration::from_mins(40));
        world.simulator.post_faults(vec![Fault { times: 9, ..Fault::on(matching, kind) }]);
        let receipt = world.admin(world.one, "DELETE", PATH, None).await.json();
        assert_eq!((receipt["revoked"].as_bool(), receipt["reason"].as_str()), (Some(false), Some("unreachable")), "{matching} {kind:?}");
        assert_eq!(receipt["tokens_erased"], true);
        assert!(!has_tokens(&world, connection.generation).await);
        assert_eq!(world.connection(world.one).await.unwrap().status, ConnectionStatus::Disconnected);
    }
}

/// K21, revoked but not erased: the first attempt died after the vendor's answer; the repeat finds the link gone and finishes.
#[tokio::test]
async fn a_repeat_finishes_what_was_begun() {
    let world = World::new().await;
    let connection = world.connected(world.one, UK).await;
    let link = connection.organisation.clone().unwrap().link_id.unwrap();
    let ctx = world.ctx();
    let token = world.engine.access_token(&ctx, world.one.id, &connection, None).await.unwrap_or_else(|problem| panic!("{problem:?}"));
    let sign_in = world.engine.ledgers.get(Ledger::Xero).unwrap().sign_in.clone();
    // Xero's links are cut with the access token alone.
    let credentials = ClientCredentials { client_id: String::new(), client_secret: Secret::new(String::new()) };
    sign_in.unlink(&credentials, Held { access: token.secret(), refresh: None }, &link).await.unwrap();
    let receipt = world.admin(world.one, "DELETE", PATH, None).await.json();
    assert_eq!((receipt["revoked"].as_bool(), receipt["tokens_erased"].as_bool()), (Some(true), Some(true)));
    // And once more: nothing is left to do, and nothing breaks.
    let receipt = world.admin(world.one, "DELETE", PATH, None).await.json();
    assert_eq!((receipt["revoked"].as_bool(), receipt["reason"].as_str()), (Some(false), Some("nothing_to_remove")));
}

/// Links kept: the organisation comes back to its number. Links erased: it gets a new one (design decision 9).
#[tokio::test]
async fn erased_links_never_come_back() {
    let world = World::new().await;
    let first = world.connected(world.one, UK).await;
    world.admin(world.one, "DELETE", PATH, Some(json!({"links": "keep"}))).await;
    let kept = world.connected(world.one, UK).await;
    assert_eq!(kept.generation, first.generation);
    world.admin(world.one, "DELETE", PATH, Some(json!({"links": "erase"}))).await;
    let erased = world.connected(world.one, UK).await;
    assert!(erased.generation > first.generation);
    let refused = world.admin(world.one, "DELETE", PATH, Some(json!({"links": "burn"}))).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// A consent from which nothing was chosen yet is taken apart too, with all its links.
#[tokio::test]
async fn a_pending_choice_can_be_disconnected() {
    let world = World::new().await;
    let names = world.organisations();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.connect(world.one, Consent::approve_only(&names)).await;
    assert_eq!(world.linked().len(), names.len());
    let receipt = world.admin(world.one, "DELETE", PATH, None).await.json();
    assert_eq!(receipt["revoked"], true, "{receipt}");
    assert!(world.linked().is_empty());
    assert!(!has_tokens(&world, Generation(0)).await);
}

/// What waits is stopped, with a line in its timeline; what is at rest, leased, or another workspace's is left alone.
#[tokio::test]
async fn waiting_work_is_stopped_and_counted() {
    let world = World::new().await;
    let connection = world.connected(world.one, UK).await;
    world.connected(world.two, UK).await;
    let now = world.clock.now();
    let later = now.saturating_add(SignedDuration::from_mins(5)).unwrap();
    let row = |state, waiting, lease| SyncRow { wanted: 1, state, waiting, lease, since: Some(now), ..SyncRow::default() };
    let wait = |reason, until| Some(Waiting { reason, until });
    let lease = Some(Lease { owner: RunId::new(Uuid::from_u128(9)), until: later });
    let rows = [
        (1, world.one.id, row(SyncState::Queued, None, None), SyncState::Stopped),
        (2, world.one.id, row(SyncState::Waiting, wait(WaitingFor::Limit, Some(later)), None), SyncState::Stopped),
        (3, world.one.id, row(SyncState::Waiting, wait(WaitingFor::Reconnect, None), None), SyncState::Stopped),
        (4, world.one.id, row(SyncState::Syncing, None, lease), SyncState::Syncing),
        (5, world.one.id, row(SyncState::Held, None, None), SyncState::Held),
        (6, world.one.id, row(SyncState::Synced, None, None), SyncState::Synced),
        (7, world.two.id, row(SyncState::Queued, None, None), SyncState::Queued),
    ];
    let key =
        |n: u128, ws| SyncKey { ws, inv: InvoiceId::new(Uuid::from_u128(n)), ledger: Ledger::Xero, generation: connection.generation };
    for (n, ws, row, _) in &rows {
        let saved = world.store().save_row(&world.ctx(), key(*n, *ws), row, 0).await.unwrap();
        assert!(matches!(saved, Saved::Done { .. }));
    }
    let receipt = world.admin(world.one, "DELETE", PATH, None).await.json();
    assert_eq!((receipt["stopped"].as_u64(), receipt["unsettled"].as_u64()), (Some(3), Some(1)), "{receipt}");
    for (n, ws, _, state) in &rows {
        let stored = world.store().sync_row(key(*n, *ws)).await.unwrap().value;
        assert_eq!(stored.state, *state, "row {n}");
    }
    let lines = world.store().timeline(&world.ctx(), world.one.id, InvoiceId::new(Uuid::from_u128(1)), 10, None).await.unwrap();
    assert_eq!(lines.items.first().unwrap().step, "stopped");
}
