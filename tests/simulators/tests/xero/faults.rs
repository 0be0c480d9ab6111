//! Scripted faults, in process and over real HTTP.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use simulators::skeleton::calls::Dropped;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::xero::Simulator;
use simulators::{Answer, Clock};
use tokio::net::TcpListener;

use crate::support::{Caller, SCOPES, advance, answer, connect, connected, simulator_at, text};

fn contact(name: &str) -> Value {
    json!({ "Contacts": [{ "Name": name }] })
}

async fn put(caller: &Caller, name: &str) -> Answer {
    answer(&caller.simulator, caller.request("PUT", "/Contacts"), &contact(name).to_string()).await
}

#[tokio::test]
async fn every_kind_does_to_the_state_what_it_says() {
    let caller = connected().await;
    let kinds = [
        (FaultKind::Refuse, 0, Some(Dropped::Refused)),
        (FaultKind::TimeoutBefore, 0, Some(Dropped::Before)),
        (FaultKind::TimeoutAfter, 1, Some(Dropped::After)),
        (FaultKind::Status, 0, None),
        (FaultKind::Truncate, 1, Some(Dropped::Truncated)),
        (FaultKind::Slow, 1, None),
        (FaultKind::Garbage, 1, None),
    ];
    for (kind, effect, dropped) in kinds {
        caller.simulator.reset();
        caller.simulator.post_faults(vec![Fault { after_seconds: 1, method: Some("PUT".into()), ..Fault::on("/Contacts", kind) }]);
        let got = put(&caller, "Acme").await;
        match (kind, &got) {
            (FaultKind::Refuse, Answer::Refused)
            | (FaultKind::TimeoutBefore, Answer::Dropped { applied: false })
            | (FaultKind::TimeoutAfter, Answer::Dropped { applied: true })
            | (FaultKind::Slow, Answer::Slow { .. }) => {}
            (FaultKind::Status, Answer::Response(response)) => assert_eq!(response.status(), 503),
            (FaultKind::Garbage, Answer::Response(response)) => assert!(serde_json::from_slice::<Value>(response.body()).is_err()),
            (FaultKind::Truncate, Answer::Truncated(response)) => {
                let promised: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
                assert!(response.body().len() < promised);
            }
            (kind, other) => panic!("{kind:?}: {other:?}"),
        }
        assert_eq!(caller.simulator.state().contacts.len(), effect, "{kind:?}");
        assert_eq!(caller.simulator.calls().last().unwrap().dropped, dropped, "{kind:?}");
        assert_eq!(caller.simulator.faults()[0].fired, 1);
        assert!(matches!(put(&caller, "Other").await, Answer::Response(_)), "{kind:?} struck once");
    }
}

#[tokio::test]
async fn a_late_effect_comes_when_the_clock_has_moved() {
    let caller = connected().await;
    caller.simulator.post_faults(vec![Fault { after_seconds: 400, ..Fault::on("/Contacts", FaultKind::Late) }]);
    assert!(matches!(put(&caller, "Acme").await, Answer::Dropped { applied: false }));
    advance(&caller.simulator, 399);
    assert!(caller.simulator.state().contacts.is_empty());
    advance(&caller.simulator, 1);
    assert_eq!(caller.simulator.state().contacts.len(), 1);
    assert_eq!(caller.simulator.calls().last().unwrap().dropped, Some(Dropped::Late));
}

#[tokio::test]
async fn a_late_effect_meets_the_key_that_a_retry_used_meanwhile() {
    let caller = connected().await;
    caller.simulator.post_faults(vec![Fault { after_seconds: 60, ..Fault::on("/Contacts", FaultKind::Late) }]);
    let keyed = || caller.request("PUT", "/Contacts").header("idempotency-key", "k");
    answer(&caller.simulator, keyed(), &contact("Acme").to_string()).await;
    answer(&caller.simulator, keyed(), &contact("Acme").to_string()).await;
    advance(&caller.simulator, 61);
    assert_eq!(caller.simulator.state().contacts.len(), 1);
}

#[tokio::test]
async fn a_status_fault_answers_what_was_scripted() {
    let caller = connected().await;
    let fault = json!([{ "match": "/Contacts", "kind": "status", "status": 429, "headers": { "Retry-After": "7" }, "body": "wait", "nth": 2, "times": 2 }]);
    caller.simulator.post_faults(serde_json::from_value(fault).unwrap());
    let statuses = [put(&caller, "A").await, put(&caller, "B").await, put(&caller, "C").await, put(&caller, "D").await].map(|got| {
        let Answer::Response(response) = got else { panic!("{got:?}") };
        if response.status() == 429 {
            assert_eq!((response.headers()["retry-after"].to_str().unwrap(), text(&response).as_str()), ("7", "wait"));
        }
        response.status().as_u16()
    });
    assert_eq!(statuses, [200, 429, 429, 200]);
    assert_eq!(caller.simulator.faults()[0].fired, 2);
}

/// Token calls can be lost too: the old refresh token then has its grace.
#[tokio::test]
async fn a_lost_refresh_has_rotated() {
    let caller = connected().await;
    caller.simulator.post_faults(vec![Fault::on("/connect/token", FaultKind::TimeoutAfter)]);
    let request = http::Request::post("/connect/token")
        .header("authorization", crate::support::basic(crate::support::CLIENT, crate::support::SECRET))
        .header("content-type", "application/x-www-form-urlencoded");
    let form = format!("grant_type=refresh_token&refresh_token={}", caller.refresh);
    assert!(matches!(answer(&caller.simulator, request, &form).await, Answer::Dropped { applied: true }));
    assert_eq!(crate::support::refresh(&caller.simulator, &caller.refresh).await.status(), 200, "grace");
}

/// Serves on a port of its own until the guard is dropped.
async fn served(simulator: &Simulator) -> (String, tokio::sync::oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let simulator = simulator.clone();
    tokio::spawn(async move {
        simulator.serve(listener, async { drop(stopped.await) }).await.unwrap();
    });
    (base, stop)
}

#[expect(clippy::disallowed_methods, reason = "the simulator is called as a stranger would call it")]
fn client() -> Client {
    Client::builder().build().unwrap()
}

async fn send(caller: &Caller, base: &str, method: Method, path: &str, body: String) -> reqwest::Result<reqwest::Response> {
    client()
        .request(method, format!("{base}{path}"))
        .header("authorization", format!("Bearer {}", caller.access))
        .header("xero-tenant-id", &caller.tenant)
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
}

#[tokio::test]
async fn over_http_the_connection_is_really_cut_and_timeout_after_really_applies() {
    let caller = connect(simulator_at(Clock::system()), SCOPES).await;
    let (base, stop) = served(&caller.simulator).await;
    let path = "/api.xro/2.0/Contacts";
    let kinds = [("timeout_after", 1), ("timeout_before", 1), ("refuse", 1), ("late", 1)];
    for (position, (kind, contacts)) in kinds.into_iter().enumerate() {
        let fault = json!([{ "match": "/Contacts", "kind": kind, "after_seconds": 3600 }]);
        let posted = send(&caller, &base, Method::POST, "/__sim/faults", fault.to_string()).await.unwrap();
        assert_eq!(posted.status(), 200);
        let lost = send(&caller, &base, Method::PUT, path, contact(&format!("Acme {position}")).to_string()).await;
        assert!(lost.is_err(), "{kind}");
        assert_eq!(caller.simulator.state().contacts.len(), contacts, "{kind}");
    }
    let moved = send(&caller, &base, Method::POST, "/__sim/clock", json!({ "advance_seconds": 3600 }).to_string()).await.unwrap();
    assert_eq!(moved.status(), 200);
    let state: Value =
        serde_json::from_slice(&send(&caller, &base, Method::GET, "/__sim/state", String::new()).await.unwrap().bytes().await.unwrap())
            .unwrap();
    let held = state["contacts"].as_array().unwrap().len();
    assert_eq!(held, 2, "the late one took effect, though its token has expired since");
    drop(stop);
}

#[tokio::test]
async fn over_http_a_body_breaks_off_and_a_slow_answer_takes_its_time() {
    let caller = connect(simulator_at(Clock::system()), SCOPES).await;
    let (base, stop) = served(&caller.simulator).await;
    caller.simulator.post_faults(vec![
        Fault::on("/Contacts", FaultKind::Truncate),
        Fault { after_seconds: 1, nth: 2, ..Fault::on("/Contacts", FaultKind::Slow) },
    ]);
    let head = send(&caller, &base, Method::GET, "/api.xro/2.0/Contacts", String::new()).await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(head.bytes().await.is_err());
    let begun = tokio::time::Instant::now();
    let slow = send(&caller, &base, Method::GET, "/api.xro/2.0/Contacts", String::new()).await.unwrap();
    assert_eq!(slow.status(), 200);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let body = slow.bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["Contacts"].as_array().unwrap().is_empty());
    drop(stop);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(send(&caller, &base, Method::GET, "/api.xro/2.0/Contacts", String::new()).await.is_err(), "stopped");
}
