//! The whole, started as `cargo run` starts it, over real HTTP.

use coportal_core::ledger::Ledger;
use coportal_core::workspace::Plan;
use coportal_local::caller::{Caller, Reply};
use coportal_local::run::{LocalRun, NewWorkspace, RunError, RunOptions};
use http::Method;
use serde_json::json;

use crate::support;

async fn start() -> LocalRun {
    LocalRun::start(RunOptions { clock: support::clock(), demo_workspace: true, ..RunOptions::default() }).await.unwrap()
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let local = start().await;
    let port = local.origin.rsplit(':').next().unwrap().parse().unwrap();
    let Err(error) = LocalRun::start(RunOptions { port, ..RunOptions::default() }).await else { panic!("started twice on {port}") };
    assert!(matches!(error, RunError::PortTaken(taken) if taken == port), "{error}");
    assert!(error.to_string().contains("--port"), "{error}");
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_printed_link_signs_the_owner_in_and_ends_on_the_settings_page() {
    let local = start().await;
    let browser = Caller::new(&local.origin).unwrap();
    let signed_out = browser.get("/v1/integrations").await.unwrap();
    assert_eq!(code(&signed_out), (401, "unauthenticated".to_owned()));
    let hops = browser.browse(&local.sign_in_link().unwrap()).await.unwrap();
    assert_eq!((hops.len(), hops[1].url.path(), hops[1].reply.status.as_u16()), (2, "/settings/integrations", 200));
    let cookie = hops[0].reply.header("set-cookie");
    for part in ["__Host-coportal=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{part}");
    }
    let list = browser.get("/v1/integrations").await.unwrap().json();
    let xero = list["items"].as_array().unwrap().iter().find(|card| card["ledger"] == "xero").unwrap().clone();
    assert_eq!((&xero["allowed"], &xero["connection"]), (&json!(true), &json!(null)));
    let wrong = browser.get("/__local/sign-in?token=guess").await.unwrap();
    assert_eq!((code(&wrong), wrong.header("set-cookie")), ((401, "unauthenticated".to_owned()), ""));
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_demo_workspace_has_a_client_and_a_sent_invoice_and_no_connection() {
    let local = start().await;
    let anybody = Caller::new(&local.origin).unwrap();
    let overview = anybody.get("/__local").await.unwrap().json();
    let origin = |ledger| local.ledger(ledger).unwrap().origin.clone();
    let simulators = json!({
        "xero": origin(Ledger::Xero),
        "quickbooks": origin(Ledger::Quickbooks),
        "sage": origin(Ledger::Sage),
        "business_central": origin(Ledger::BusinessCentral),
    });
    assert_eq!(overview["simulators"], simulators);
    let owner = anybody.with_token(&anybody.get("/__local/demo/token").await.unwrap().text());
    let demo = local.demo.as_ref().unwrap();
    let invoice = owner.get(&format!("/v1/invoices/{}", demo.invoice_id)).await.unwrap().json();
    assert_eq!((&invoice["status"], &invoice["client_id"]), (&json!("sent"), &json!(demo.client_id)));
    assert_eq!((&invoice["totals"]["total"]["amount"], &invoice["ledgers"]), (&json!("1712.58"), &json!([])));
    local.shutdown().await.unwrap();
}

/// R146: the plan counts from the next call on.
#[tokio::test]
async fn r146_a_changed_plan_counts_at_once() {
    let local = start().await;
    let anybody = Caller::new(&local.origin).unwrap();
    let made = anybody.post("/__local/workspaces", &json!({"name": "A", "plan": "solo"})).await.unwrap();
    assert_eq!(made.status.as_u16(), 201);
    let made = made.json();
    let admin = anybody.with_token(made["admin_token"].as_str().unwrap());
    let connect = || admin.send(Method::POST, "/v1/integrations/xero/connect", None, &[]);
    assert_eq!(code(&connect().await.unwrap()), (403, "plan_required".to_owned()));
    let path = format!("/__local/workspaces/{}", made["workspace_id"].as_str().unwrap());
    let changed = anybody.send(Method::PUT, &path, Some(&json!({"plan": "studio"})), &[]).await.unwrap();
    assert_eq!((changed.status.as_u16(), &changed.json()["workspace_id"]), (200, &made["workspace_id"]));
    assert_eq!(connect().await.unwrap().status.as_u16(), 200);
    let missing = "/__local/workspaces/ws_00000000000000000000000000000009";
    let missing = anybody.send(Method::PUT, missing, Some(&json!({"plan": "solo"})), &[]).await.unwrap();
    assert_eq!(code(&missing), (404, "not_found".to_owned()));
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn roles_are_those_of_the_three_tokens() {
    let local = start().await;
    let opened = local.open_workspace(&NewWorkspace::british("A", Plan::Studio)).await.unwrap();
    let anybody = Caller::new(&local.origin).unwrap();
    for (token, status) in [(&opened.owner_token, 200), (&opened.admin_token, 200), (&opened.member_token, 403)] {
        assert_eq!(anybody.with_token(token).get("/v1/audit").await.unwrap().status.as_u16(), status);
    }
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_clock_moves_product_doubles_and_simulator() {
    let local = start().await;
    let anybody = Caller::new(&local.origin).unwrap();
    let moved = anybody.post("/__local/clock", &json!({"advance_seconds": 3600})).await.unwrap().json();
    assert_eq!(moved["now"], "2026-03-01T10:00:00Z");
    let simulator = anybody.get(&format!("{}/__sim/clock", local.ledger(Ledger::Xero).unwrap().origin)).await.unwrap().json();
    assert_eq!(simulator["now"], "2026-03-01T10:00:00Z");
    // Twelve hours on, the product's own view of a token's life is over.
    let token = anybody.get("/__local/demo/token").await.unwrap().text();
    let owner = anybody.with_token(&token);
    assert_eq!(owner.get("/v1/clients").await.unwrap().status.as_u16(), 200);
    anybody.post("/__local/clock", &json!({"advance_seconds": 13 * 3600})).await.unwrap();
    assert_eq!(owner.get("/v1/clients").await.unwrap().status.as_u16(), 401);
    for wrong in [-1, i64::MAX] {
        let refused = anybody.post("/__local/clock", &json!({"advance_seconds": wrong})).await.unwrap();
        assert_eq!(refused.json()["issues"][0]["pointer"], "/advance_seconds");
    }
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_has_nothing_to_do_says_so() {
    let local = start().await;
    let anybody = Caller::new(&local.origin).unwrap();
    let record = json!({"name": "_coportal-challenge.acme.test", "txt": ["one", "two"]});
    let put = anybody.send(Method::PUT, "/__local/dns", Some(&record), &[]).await.unwrap();
    assert_eq!(put.status.as_u16(), 204);
    let long = json!({"name": "acme.test", "txt": ["x".repeat(901)]});
    assert_eq!(anybody.send(Method::PUT, "/__local/dns", Some(&long), &[]).await.unwrap().status.as_u16(), 422);
    let queue = anybody.send(Method::GET, "/__local/queue", None, &[]).await.unwrap();
    assert_eq!(queue.json(), json!({"queued": 0, "in_flight": 0, "dead_lettered": 0, "delayed": 0}));
    let idle = anybody.send(Method::POST, "/__local/idle", None, &[]).await.unwrap();
    assert_eq!(idle.json(), json!({"queued": 0, "in_flight": 0, "dead_lettered": 0, "delayed": 0, "parked": 0}));
    for (method, path) in [(Method::GET, "/__local/nothing"), (Method::DELETE, "/__local/queue"), (Method::GET, "/__localhost")] {
        assert_eq!(anybody.send(method, path, None, &[]).await.unwrap().status.as_u16(), 404, "{path}");
    }
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_page_of_another_site_cannot_ask_under_its_own_name() {
    let local = start().await;
    let anybody = Caller::new(&local.origin).unwrap();
    for host in ["evil.example", "127.0.0.1.evil.example:8787", "[::1"] {
        let answer = anybody.send(Method::GET, "/__local/demo/token", None, &[("host", host)]).await.unwrap();
        assert_eq!(code(&answer), (403, "other_host".to_owned()), "{host}");
    }
    local.shutdown().await.unwrap();
}
