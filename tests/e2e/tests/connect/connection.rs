//! Options, choices, the test, and the list.

use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::skeleton::consent::Consent;
use simulators::skeleton::faults::{Fault, FaultKind};

use crate::world::{UK, World};

async fn connected() -> World {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    world
}

async fn options(world: &World, path: &str, patch: Value) -> (StatusCode, Value) {
    let answer = world.admin(world.one, "PATCH", path, Some(patch)).await;
    (answer.status, answer.json())
}

/// R34, R36, R37: two independent toggles; a dry run stores nothing; what changed is told and audited.
#[tokio::test]
async fn options_change_and_a_dry_run_does_not() {
    let world = connected().await;
    let (status, view) = options(&world, "/v1/integrations/xero/options?dry_run=true", json!({"sync_as_draft": false})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(view["dry_run"], true);
    assert_eq!(view["changes"], json!([{"field": "sync_as_draft", "from": true, "to": false}]));
    assert!(view["notes"][0].as_str().unwrap().contains("stay as they are"), "C7: {view}");
    assert!(world.connection(world.one).await.unwrap().options.sync_as_draft, "nothing was stored");

    let (status, view) = options(&world, "/v1/integrations/xero/options", json!({"sync_as_draft": false, "match": ["name"]})).await;
    assert_eq!((status, view["dry_run"].as_bool()), (StatusCode::OK, Some(false)));
    let stored = world.connection(world.one).await.unwrap().options;
    assert!(!stored.sync_as_draft && !stored.auto_sync);
    assert_eq!(world.audit(world.one).await.first().unwrap(), "options_changed");

    let (status, view) = options(&world, "/v1/integrations/xero/options", json!({"profile": "copilot"})).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    assert_eq!(view["options"]["on_void"], "delete");
    for (patch, pointer) in [
        (json!({"sync_as_draft": false}), "/also_draft_source"),
        (json!({"match": []}), "/match"),
        (json!({"auto_sync": "yes"}), "/auto_sync"),
        (json!({"colour": "red"}), "/colour"),
    ] {
        let (status, problem) = options(&world, "/v1/integrations/xero/options", patch.clone()).await;
        assert_eq!((status, problem["issues"][0]["pointer"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some(pointer)), "{patch}");
    }
}

/// What the organisation does not offer cannot be chosen; what is chosen is stored and shown.
#[tokio::test]
async fn choices_are_those_that_the_organisation_offers() {
    let world = connected().await;
    let view = world.admin(world.one, "GET", "/v1/integrations/xero/choices", None).await.json();
    assert_eq!(view["organisation"], UK);
    assert!(view["tax_rates"].as_array().unwrap().iter().any(|rate| rate["id"] == "OUTPUT2" && rate["rate"] == "20"));
    let payment = view["payment_accounts"][0]["id"].clone();
    let body = json!({"payment_account": payment, "tax_map": {"20": "OUTPUT2"}});
    let stored = world.admin(world.one, "PUT", "/v1/integrations/xero/choices", Some(body)).await;
    assert_eq!(stored.status, StatusCode::OK, "{}", stored.text);
    let again = world.admin(world.one, "GET", "/v1/integrations/xero/choices", None).await.json();
    assert_eq!(again["chosen"]["payment_account"], payment);
    assert_eq!(again["chosen"]["tax_map"], json!({"20": "OUTPUT2"}));
    assert_eq!(again["chosen"]["sales_account"], "200");
    for (body, pointer) in [
        (json!({"sales_account": "999"}), "/sales_account"),
        (json!({"tax_map": {"15": "OUTPUT2"}}), "/tax_map/15"),
        (json!({"sales_item": "x"}), "/sales_item"),
    ] {
        let refused = world.admin(world.one, "PUT", "/v1/integrations/xero/choices", Some(body)).await;
        assert_eq!(refused.json()["issues"][0]["pointer"], pointer);
    }
    let actions = world.audit(world.one).await;
    assert_eq!(actions.iter().filter(|action| *action == "choices_changed").count(), 1);
}

/// R23: a real read. A ledger that refuses is a result with a way on, not an error.
#[tokio::test]
async fn the_test_really_asks_the_ledger() {
    let world = connected().await;
    let before = world.vendor_calls().len();
    let view = world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await.json();
    assert_eq!((view["ok"].as_bool(), view["organisation"]["name"].as_str()), (Some(true), Some(UK)));
    assert!(view["latency_ms"].is_u64());
    assert!(world.vendor_calls().len() > before);

    world.simulator.post_faults(vec![Fault { times: 20, ..Fault::on("/api.xro/", FaultKind::Status) }]);
    let answer = world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await;
    let view = answer.json();
    assert_eq!((answer.status, view["ok"].as_bool()), (StatusCode::OK, Some(false)), "{view}");
    assert!(view["problem"]["fix"]["what"].is_string(), "{view}");
}

/// C19: a grant that is taken back at the vendor asks for a reconnect; after it everything works again.
#[tokio::test]
async fn a_dead_grant_asks_for_a_reconnect() {
    let world = connected().await;
    world.advance(SignedDuration::from_hours(61 * 24));
    let view = world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await.json();
    assert_eq!((view["ok"].as_bool(), view["problem"]["code"].as_str()), (Some(false), Some("reconnect_required")), "{view}");
    let list = world.admin(world.one, "GET", "/v1/integrations", None).await.json();
    assert_eq!(list["items"][0]["connection"]["status"], "reconnect_required");
    assert_eq!(list["items"][0]["connection"]["health"]["level"], "stopped");
    let calls = world.vendor_calls().len();
    world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await;
    assert_eq!(world.vendor_calls().len(), calls, "a grant that is known to be dead is not tried");
    world.connected(world.one, UK).await;
    let view = world.admin(world.one, "POST", "/v1/integrations/xero/test", None).await.json();
    assert_eq!(view["ok"], true, "{view}");
}

/// Before a connection, and while none is chosen, nothing can be asked of it.
#[tokio::test]
async fn without_an_organisation_nothing_is_asked() {
    let world = World::new().await;
    let routes =
        [("GET", "organisations"), ("GET", "choices"), ("POST", "test"), ("PATCH", "options"), ("PUT", "choices"), ("PUT", "organisation")];
    for (method, route) in routes {
        let body = match (method, route) {
            ("GET" | "POST", _) => None,
            (_, "organisation") => Some(json!({"organisation_id": "x"})),
            _ => Some(json!({})),
        };
        let answer = world.admin(world.one, method, &format!("/v1/integrations/xero/{route}"), body).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "not_connected"), "{method} {route}");
    }
    let answer = world.admin(world.one, "DELETE", "/v1/integrations/xero", None).await;
    assert_eq!(answer.code(), "not_connected");
    let names = world.organisations();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.connect(world.one, Consent::approve_only(&names)).await;
    for (method, route) in [("GET", "choices"), ("POST", "test")] {
        let answer = world.admin(world.one, method, &format!("/v1/integrations/xero/{route}"), None).await;
        assert_eq!(answer.code(), "choose_organisation", "{method} {route}");
    }
}
