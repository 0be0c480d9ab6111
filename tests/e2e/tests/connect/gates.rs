//! Who may, and on which plan: R9, R19, R146, R150, C21; and that another workspace's things are simply not there.

use coportal_core::workspace::Plan;
use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{UK, World};

/// R3-R6, R146: refused at connect, naming the plan; nothing is begun. Each ledger says which plan it needs.
#[tokio::test]
async fn a_plan_without_xero_cannot_connect() {
    let world = World::new().await;
    world.plan(world.one, Plan::Solo).await;
    let answer = world.admin(world.one, "POST", "/v1/integrations/xero/connect", None).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "plan_required"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("Studio"));
    assert!(answer.headers.get("set-cookie").is_none());
    let list = world.admin(world.one, "GET", "/v1/integrations", None).await.json();
    let gates: Vec<(&str, &str, bool)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["ledger"].as_str().unwrap(), item["plan_required"].as_str().unwrap(), item["allowed"].as_bool().unwrap()))
        .collect();
    let expected =
        [("xero", "studio", false), ("quickbooks", "studio", false), ("sage", "agency", false), ("business-central", "enterprise", false)];
    assert_eq!(gates, expected);
}

/// R146: a downgrade between consent and callback, at the callback, and at every later call; what is there is kept.
#[tokio::test]
async fn a_downgrade_stops_and_keeps() {
    let world = World::new().await;
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    world.plan(world.one, Plan::Solo).await;
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    assert_eq!(answer.header("location"), "/settings/integrations?connect_error=plan_required");
    assert_eq!(world.connection(world.one).await, None);
    assert!(world.vendor_calls().is_empty());

    world.plan(world.one, Plan::Studio).await;
    let before = world.connected(world.one, UK).await;
    world.plan(world.one, Plan::Solo).await;
    let calls = world.vendor_calls().len();
    for (method, route) in [("POST", "test"), ("GET", "choices"), ("POST", "connect"), ("POST", "connect/confirm")] {
        let answer = world.admin(world.one, method, &format!("/v1/integrations/xero/{route}"), None).await;
        assert_eq!(answer.code(), "plan_required", "{method} {route}");
    }
    assert_eq!(world.vendor_calls().len(), calls);
    assert_eq!(world.connection(world.one).await.unwrap(), before, "nothing is lost");
    let list = world.admin(world.one, "GET", "/v1/integrations", None).await.json();
    assert_eq!(list["items"][0]["connection"]["health"]["level"], "stopped");
}

/// R9, R150: until the vendor has approved the app, connecting is refused with the reason.
#[tokio::test]
async fn an_app_that_is_not_approved_cannot_be_connected() {
    let world = World::with(false).await;
    let answer = world.admin(world.one, "POST", "/v1/integrations/xero/connect", None).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "pending_approval"));
    let list = world.admin(world.one, "GET", "/v1/integrations", None).await.json();
    for item in list["items"].as_array().unwrap() {
        assert_eq!(item["availability"], "pending_approval");
    }
    let (session, _) = world.session(world.one, "admin").await;
    let page = world.page("/settings/integrations", Some(&session)).await;
    assert!(page.text.contains("Waiting for platform approval"), "R9");
    world.plan(world.one, Plan::Enterprise).await;
    let world = World::new().await;
    world.plan(world.one, Plan::Enterprise).await;
    let answer = world.admin(world.one, "POST", "/v1/integrations/sage/connect", None).await;
    assert_eq!(answer.code(), "pending_approval", "a ledger that this deployment lacks");
}

/// Every admin route of an integration, with a body that it would take.
fn admin_routes() -> Vec<(&'static str, String, Option<Value>)> {
    let of = |method, tail: &str, body| (method, format!("/v1/integrations/xero{tail}"), body);
    vec![
        of("POST", "/connect", None),
        of("POST", "/connect/confirm", None),
        of("GET", "/organisations", None),
        of("PUT", "/organisation", Some(json!({"organisation_id": "x"}))),
        of("GET", "/choices", None),
        of("PUT", "/choices", Some(json!({}))),
        of("PATCH", "/options", Some(json!({}))),
        of("POST", "/test", None),
        of("DELETE", "", None),
        ("GET", "/v1/audit".to_owned(), None),
    ]
}

/// C21, R19: members see the list and nothing more; nobody without a sign-in sees anything; a removed admin is nobody.
#[tokio::test]
async fn only_admins_change_integrations() {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    let before = world.connection(world.one).await;
    let member = world.token(world.one, "member");
    assert_eq!(world.call(&member, "GET", "/v1/integrations", None).await.status, StatusCode::OK);
    for (method, path, body) in admin_routes() {
        let refused = world.call(&member, method, &path, body.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "role_required"), "{method} {path}");
        let refused = world.call("not-a-token", method, &path, body.clone()).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        let stranger = world.call(&world.token(world.one, "stranger"), method, &path, body).await;
        assert_eq!((stranger.status, stranger.code().as_str()), (StatusCode::FORBIDDEN, "not_a_member"), "{method} {path}");
    }
    assert_eq!(world.connection(world.one).await, before);
    for (method, path, body) in admin_routes().into_iter().filter(|(method, path, _)| *method == "GET" || path.ends_with("/test")) {
        for user in ["owner", "admin"] {
            let answer = world.call(&world.token(world.one, user), method, &path, body.clone()).await;
            assert_eq!(answer.status, StatusCode::OK, "{user} {method} {path}: {}", answer.text);
        }
    }
}

/// An admin who lost the role while at the consent page does not connect any more.
#[tokio::test]
async fn a_role_lost_at_the_consent_page_counts() {
    for body in [json!({"role": "member"}), json!({"role": "admin", "active": false})] {
        let world = World::new().await;
        let started = world.start(world.one, "admin").await;
        let back = world.consent(&started).await;
        let path = format!("/v1/workspaces/{}/members/admin", world.one.id);
        let changed = world.call(&world.service_token(), "PUT", &path, Some(body)).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
        let answer = world.navigate(&back, Some(&started.cookie)).await;
        assert_eq!(answer.header("location"), "/settings/integrations?connect_error=invalid_state");
        assert_eq!(world.connection(world.one).await, None);
        assert!(world.vendor_calls().is_empty());
    }
}

/// I13: what one workspace has is not there for the other; its cursors and ids lead nowhere.
#[tokio::test]
async fn another_workspaces_integration_is_not_there() {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    let list = world.admin(world.two, "GET", "/v1/integrations", None).await.json();
    assert!(list["items"][0]["connection"].is_null());
    let before = world.connection(world.one).await;
    for (method, path, body) in admin_routes().into_iter().filter(|(_, path, _)| path.contains("xero") && !path.ends_with("/connect")) {
        let answer = world.admin(world.two, method, &path, body).await;
        let missing = matches!(answer.code().as_str(), "not_connected" | "nothing_to_confirm");
        assert!(missing, "{method} {path}: {} {}", answer.status, answer.text);
    }
    assert_eq!(world.connection(world.one).await, before);
    // A cursor holds no partition: the other workspace's leads into one's own list.
    let page = world.admin(world.one, "GET", "/v1/audit?limit=1", None).await.json();
    let cursor = page["next_cursor"].as_str().unwrap().replace('#', "%23");
    let foreign = world.admin(world.two, "GET", &format!("/v1/audit?cursor={cursor}"), None).await;
    assert_eq!((foreign.status, foreign.json()["items"].clone()), (StatusCode::OK, json!([])));
    let own = world.admin(world.one, "GET", &format!("/v1/audit?cursor={cursor}"), None).await.json();
    assert_eq!(own["items"][0]["action"], "connect_started");
    assert_eq!(world.admin(world.one, "GET", "/v1/audit?cursor=AUDIT%23ws_1", None).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// The service routes: by a service token alone; created, then changed; a malformed id reads like a missing one.
#[tokio::test]
async fn workspaces_and_members_are_stated_by_the_backend() {
    let world = World::new().await;
    let service = world.service_token();
    let id = "ws_0190000000007000800000000000abcd";
    let workspace = json!({"name": "Cape Studio", "plan": "agency", "currency": "ZAR", "country": "ZA"});
    let made = world.call(&service, "PUT", &format!("/v1/workspaces/{id}"), Some(workspace.clone())).await;
    assert_eq!((made.status, made.header("location")), (StatusCode::CREATED, format!("/v1/workspaces/{id}").as_str()));
    assert_eq!(made.json()["default_tax_rate"], "15", "C11");
    let again = world.call(&service, "PUT", &format!("/v1/workspaces/{id}"), Some(workspace.clone())).await;
    assert_eq!(again.status, StatusCode::OK);
    let member = format!("/v1/workspaces/{id}/members/usr_1");
    assert_eq!(world.call(&service, "PUT", &member, Some(json!({"role": "owner"}))).await.status, StatusCode::CREATED);
    assert_eq!(world.call(&service, "PUT", &member, Some(json!({"role": "admin", "teams": ["north"]}))).await.status, StatusCode::OK);
    let nowhere = "/v1/workspaces/ws_0190000000007000800000000000ffff/members/usr_1";
    assert_eq!(world.call(&service, "PUT", nowhere, Some(json!({"role": "owner"}))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.call(&service, "PUT", "/v1/workspaces/nonsense", Some(workspace.clone())).await.status, StatusCode::NOT_FOUND);
    let extra = json!({"name": "x", "plan": "agency", "currency": "ZAR", "country": "ZA", "admin": true});
    assert_eq!(world.call(&service, "PUT", &format!("/v1/workspaces/{id}"), Some(extra)).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let owner = world.token(world.one, "owner");
    let refused = world.call(&owner, "PUT", &format!("/v1/workspaces/{}", world.one.id), Some(workspace)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "a member's token is no service's");
}
