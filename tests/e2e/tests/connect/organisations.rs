//! Zero, one and several organisations; another one later, and back again (R145).

use coportal_aws::records::tokens::TokenKey;
use coportal_core::connection::{ConnectionStatus, Generation};
use coportal_core::ledger::Ledger;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;
use simulators::skeleton::consent::Consent;

use crate::world::{UK, World};

fn other(world: &World) -> String {
    world.organisations().into_iter().find(|name| name != UK).unwrap()
}

#[tokio::test]
async fn a_consent_without_organisations_is_told() {
    let world = World::new().await;
    let answer = world.connect(world.one, Consent::approve_only(&[])).await;
    assert_eq!(answer.header("location"), "/settings/integrations?connect_error=no_organisation");
    assert_eq!(world.connection(world.one).await, None);
}

/// The same person's organisations of another workspace are not this consent's: none of them is taken.
#[tokio::test]
async fn a_consent_without_organisations_takes_none_of_another_workspace() {
    let world = World::new().await;
    world.connected(world.two, UK).await;
    let answer = world.connect(world.one, Consent::approve_only(&[])).await;
    assert_eq!(answer.header("location"), "/settings/integrations?connect_error=no_organisation");
    assert_eq!(world.connection(world.one).await, None);
    // Nor when the vendor keeps the first consent's id of an organisation that only the other workspace knows.
    let answer = world.connect(world.one, Consent { keep_auth_event: true, ..Consent::approve_only(&[UK]) }).await;
    assert_eq!(answer.header("location"), "/settings/integrations?connect_error=no_organisation");
    assert_eq!(world.connection(world.one).await, None);
}

/// A reconnect may keep its first `authEventId`; then the stored organisation is found again.
#[tokio::test]
async fn a_reconnect_that_keeps_its_first_event_finds_its_organisation() {
    let world = World::new().await;
    let before = world.connected(world.one, UK).await;
    let answer = world.connect(world.one, Consent { keep_auth_event: true, ..Consent::approve_only(&[UK]) }).await;
    assert_eq!(answer.header("location"), "/settings/integrations?connected=xero");
    let after = world.connection(world.one).await.unwrap();
    assert_eq!((after.id, after.generation), (before.id, before.generation));
    assert!(after.grant > before.grant);
}

/// One organisation: chosen at once, facts read, the single sales account stored.
#[tokio::test]
async fn one_organisation_is_chosen_at_once_with_its_facts() {
    let world = World::new().await;
    let connection = world.connected(world.one, UK).await;
    assert_eq!((connection.status, connection.generation), (ConnectionStatus::Connected, Generation(1)));
    let facts = world.store().facts(world.one.id, Ledger::Xero, connection.generation).await.unwrap().unwrap();
    assert_eq!(facts.name, UK);
    let choices = world.admin(world.one, "GET", "/v1/integrations/xero/choices", None).await.json();
    assert_eq!(choices["chosen"]["sales_account"], "200", "the single sales account is chosen: {choices}");
}

/// Several: an admin chooses, any admin; the tokens are sealed anew for the organisation, and the links to the others are cut.
#[tokio::test]
async fn of_several_organisations_one_is_chosen_and_the_others_are_let_go() {
    let world = World::new().await;
    let za = other(&world);
    let answer = world.connect(world.one, Consent::approve_only(&[UK, &za])).await;
    assert_eq!(answer.header("location"), "/settings/integrations?connected=xero");
    let pending = world.connection(world.one).await.unwrap();
    assert_eq!(pending.status, ConnectionStatus::ChooseOrganisation);
    assert_eq!(pending.organisation, None);
    let view = world.admin(world.one, "GET", "/v1/integrations", None).await.json();
    assert_eq!(view["items"][0]["connection"]["status"], "choose_organisation");

    let token = world.token(world.one, "other-admin");
    let offered = world.call(&token, "GET", "/v1/integrations/xero/organisations", None).await.json();
    let names: Vec<&str> = offered["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(!offered.to_string().contains("link_id"));
    let id = offered["items"].as_array().unwrap().iter().find(|item| item["name"] == za.as_str()).unwrap()["id"].clone();

    let refused = world.call(&token, "PUT", "/v1/integrations/xero/organisation", Some(json!({"organisation_id": "forged"}))).await;
    assert_eq!((refused.status, refused.json()["issues"][0]["code"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("not_granted")));
    let chosen = world.call(&token, "PUT", "/v1/integrations/xero/organisation", Some(json!({"organisation_id": id}))).await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text);
    assert_eq!(chosen.json()["connection"]["organisation"]["name"], za.as_str());
    assert_eq!(world.linked(), std::slice::from_ref(&za), "each link is a slot: the other one is cut");

    let pending = TokenKey { ws: world.one.id, ledger: Ledger::Xero, generation: Generation(0) };
    assert!(world.store().tokens(pending).await.unwrap().is_none(), "nothing is left under the pending organisation");
    let test = world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await.json();
    assert_eq!((test["ok"].as_bool(), test["organisation"]["name"].as_str()), (Some(true), Some(za.as_str())));
    // Choosing the same again is harmless; choosing another one needs a consent.
    let again = world.call(&token, "PUT", "/v1/integrations/xero/organisation", Some(json!({"organisation_id": id}))).await;
    assert_eq!(again.status, StatusCode::OK);
    let refused = world.call(&token, "PUT", "/v1/integrations/xero/organisation", Some(json!({"organisation_id": "other"}))).await;
    assert_eq!(refused.code(), "consent_needed");
}

/// A choice may be made after the access token has ended: it is refreshed for the organisation then.
#[tokio::test]
async fn a_choice_may_come_late() {
    let world = World::new().await;
    let za = other(&world);
    world.connect(world.one, Consent::approve_only(&[UK, &za])).await;
    world.advance(SignedDuration::from_mins(45));
    let offered = world.admin(world.one, "GET", "/v1/integrations/xero/organisations", None).await.json();
    let id = offered["items"][0]["id"].clone();
    let chosen = world.admin(world.one, "PUT", "/v1/integrations/xero/organisation", Some(json!({"organisation_id": id}))).await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text);
    let test = world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await.json();
    assert_eq!(test["ok"], true, "{test}");
}

/// R145, K22: another organisation has its own generation, choices, facts and options; the first one comes back to its number.
#[tokio::test]
async fn another_organisation_has_its_own_number_and_the_first_comes_back_to_its_own() {
    let world = World::new().await;
    let za = other(&world);
    let first = world.connected(world.one, UK).await;
    let patch = json!({"auto_sync": true, "sync_as_draft": false});
    assert_eq!(world.admin(world.one, "PATCH", "/v1/integrations/xero/options", Some(patch)).await.status, StatusCode::OK);
    let chosen = json!({"tax_map": {"20": "OUTPUT2"}});
    let put = world.admin(world.one, "PUT", "/v1/integrations/xero/choices", Some(chosen)).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);

    let second = world.connected(world.one, &za).await;
    assert_eq!((first.generation, second.generation), (Generation(1), Generation(2)));
    assert_eq!(first.id, second.id, "one connection per workspace and ledger");
    assert!(!second.options.auto_sync && second.options.sync_as_draft, "what was switched on for other books is not switched on here");
    let choices = world.admin(world.one, "GET", "/v1/integrations/xero/choices", None).await.json();
    assert_eq!(choices["chosen"]["tax_map"], json!({}), "no code of one organisation reaches another");
    assert_eq!(world.linked(), std::slice::from_ref(&za));
    let old = TokenKey { ws: world.one.id, ledger: Ledger::Xero, generation: first.generation };
    assert!(world.store().tokens(old).await.unwrap().is_none(), "no token of the first organisation is left");

    let back = world.connected(world.one, UK).await;
    assert_eq!(back.generation, first.generation, "the old number, and with it the old links");
    let choices = world.admin(world.one, "GET", "/v1/integrations/xero/choices", None).await.json();
    assert_eq!(choices["chosen"]["tax_map"]["20"], "OUTPUT2", "{choices}");
}

/// R21: reconnecting to the same organisation keeps number and options, and moves the grant on.
#[tokio::test]
async fn a_reconnect_keeps_number_and_options() {
    let world = World::new().await;
    let first = world.connected(world.one, UK).await;
    world.admin(world.one, "PATCH", "/v1/integrations/xero/options", Some(json!({"auto_sync": true}))).await;
    let again = world.connected(world.one, UK).await;
    assert_eq!(again.generation, first.generation);
    assert!(again.options.auto_sync);
    assert!(again.grant > first.grant);
}

/// The same when the new consent is for several organisations: choosing the one that was in use keeps its options, another one does not.
#[tokio::test]
async fn a_choice_keeps_the_options_of_its_own_organisation() {
    for (index, kept) in [(0, true), (1, false)] {
        let world = World::new().await;
        world.connected(world.one, UK).await;
        world.admin(world.one, "PATCH", "/v1/integrations/xero/options", Some(json!({"auto_sync": true}))).await;
        let za = other(&world);
        // Twice, since a person who did not choose connects again.
        world.connect(world.one, Consent::approve_only(&[UK, &za])).await;
        world.connect(world.one, Consent::approve_only(&[UK, &za])).await;
        let name = [UK, za.as_str()][index];
        let offered = world.admin(world.one, "GET", "/v1/integrations/xero/organisations", None).await.json();
        let id = offered["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap()["id"].clone();
        world.admin(world.one, "PUT", "/v1/integrations/xero/organisation", Some(json!({"organisation_id": id}))).await;
        let connection = world.connection(world.one).await.unwrap();
        assert_eq!(connection.organisation.unwrap().name, name);
        assert_eq!((connection.options.auto_sync, connection.generation.0), (kept, if kept { 1 } else { 2 }));
    }
}

/// An organisation that another workspace uses too: allowed, both warned, and a disconnect leaves the other one alone.
#[tokio::test]
async fn two_workspaces_may_share_an_organisation_and_both_are_told() {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    world.connected(world.two, UK).await;
    for tenant in [world.one, world.two] {
        let list = world.admin(tenant, "GET", "/v1/integrations", None).await.json();
        assert_eq!(list["items"][0]["connection"]["shared_organisation"], true);
        assert_eq!(list["items"][0]["connection"]["health"]["level"], "attention");
    }
    let receipt = world.admin(world.one, "DELETE", "/v1/integrations/xero", None).await.json();
    assert_eq!((receipt["revoked"].as_bool(), receipt["reason"].as_str()), (Some(false), Some("used_by_another_workspace")));
    assert_eq!(receipt["tokens_erased"], true);
    assert_eq!(world.linked(), [UK], "the vendor's link is still needed");
    let test = world.admin(world.two, "POST", "/v1/integrations/xero/test", None).await.json();
    assert_eq!(test["ok"], true, "the other workspace goes on: {test}");
    let list = world.admin(world.two, "GET", "/v1/integrations", None).await.json();
    assert_eq!(list["items"][0]["connection"]["shared_organisation"], false);
    let receipt = world.admin(world.two, "DELETE", "/v1/integrations/xero", None).await.json();
    assert_eq!(receipt["revoked"], true);
    assert!(world.linked().is_empty());
}

/// Whoever stays with a shared organisation is told when the other one leaves it: by a consent to several, and by one to another.
#[tokio::test]
async fn an_organisation_that_the_other_left_is_not_called_shared() {
    let several = async |world: &World, za: &str| {
        world.connect(world.two, Consent::approve_only(&[UK, za])).await;
    };
    let another = async |world: &World, za: &str| {
        world.connected(world.two, za).await;
    };
    for by_choice in [true, false] {
        let world = World::new().await;
        let za = other(&world);
        world.connected(world.one, UK).await;
        world.connected(world.two, UK).await;
        let shared = async || {
            let list = world.admin(world.one, "GET", "/v1/integrations", None).await.json();
            list["items"][0]["connection"]["shared_organisation"].as_bool()
        };
        assert_eq!(shared().await, Some(true));
        if by_choice {
            several(&world, &za).await
        } else {
            another(&world, &za).await
        }
        assert_eq!(shared().await, Some(false), "by choice: {by_choice}");
    }
}
