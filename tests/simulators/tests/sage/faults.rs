//! Scripted faults, in process and over real HTTP. There are no keys here: what was lost may be there, and a repeat makes another.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use simulators::sage::{Action, Simulator};
use simulators::skeleton::calls::Dropped;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::{Answer, Clock};
use tokio::net::TcpListener;

use crate::support::{Caller, advance, answer, connect, connected, id, refresh, simulator_at, text};

async fn attempt(caller: &Caller, body: &Value) -> Answer {
    answer(&caller.simulator, caller.request("POST", "/sales_invoices"), &body.to_string()).await
}

async fn prepared() -> (Caller, Value) {
    let caller = connected().await;
    let contact = caller.contact("Acme Ltd").await;
    let body = caller.body(&contact, &[("2", "50", "20")]).await;
    (caller, body)
}

#[tokio::test]
async fn every_kind_does_to_the_state_what_it_says() {
    let kinds = [
        (FaultKind::Refuse, 0, Some(Dropped::Refused)),
        (FaultKind::TimeoutBefore, 0, Some(Dropped::Before)),
        (FaultKind::TimeoutAfter, 1, Some(Dropped::After)),
        (FaultKind::Late, 0, Some(Dropped::Late)),
        (FaultKind::Status, 0, None),
        (FaultKind::Truncate, 1, Some(Dropped::Truncated)),
        (FaultKind::Slow, 1, None),
        (FaultKind::Garbage, 1, None),
    ];
    for (kind, effect, dropped) in kinds {
        let (caller, body) = prepared().await;
        caller.simulator.post_faults(vec![Fault { after_seconds: 60, method: Some("POST".into()), ..Fault::on("/sales_invoices", kind) }]);
        let got = attempt(&caller, &body).await;
        match (kind, &got) {
            (FaultKind::Refuse, Answer::Refused)
            | (FaultKind::TimeoutBefore | FaultKind::Late, Answer::Dropped { applied: false })
            | (FaultKind::TimeoutAfter, Answer::Dropped { applied: true })
            | (FaultKind::Slow, Answer::Slow { .. })
            | (FaultKind::Truncate, Answer::Truncated(_)) => {}
            (FaultKind::Status, Answer::Response(response)) => assert_eq!(response.status(), 503),
            (FaultKind::Garbage, Answer::Response(response)) => assert!(serde_json::from_slice::<Value>(response.body()).is_err()),
            (kind, other) => panic!("{kind:?}: {other:?}"),
        }
        assert_eq!(caller.simulator.state().documents.len(), effect, "{kind:?}");
        assert_eq!(caller.simulator.calls().last().unwrap().dropped, dropped, "{kind:?}");
        assert_eq!(caller.simulator.faults()[0].fired, 1);
        assert!(matches!(attempt(&caller, &body).await, Answer::Response(_)), "{kind:?} struck once");
        assert_eq!(caller.simulator.state().documents.len(), effect + 1, "{kind:?}: a repeat is another invoice");
    }
}

/// A request that lands after the caller gave up: the look-up finds nothing, a repeat makes one, and then there are two.
#[tokio::test]
async fn a_late_create_makes_a_second_invoice() {
    let (caller, body) = prepared().await;
    caller.simulator.post_faults(vec![Fault { after_seconds: 400, ..Fault::on("/sales_invoices", FaultKind::Late) }]);
    assert!(matches!(attempt(&caller, &body).await, Answer::Dropped { applied: false }));
    assert_eq!(caller.get("/sales_invoices?search=CP-1").await["$total"], 0);
    assert!(matches!(attempt(&caller, &body).await, Answer::Response(_)));
    advance(&caller.simulator, 399);
    assert_eq!(caller.simulator.state().documents.len(), 1);
    advance(&caller.simulator, 1);
    let two = caller.simulator.state().documents;
    assert_eq!(two.len(), 2, "its token had expired meanwhile: it was let in before");
    assert_eq!(two[0].reference, two[1].reference);
}

/// A late effect passes the gate when it is sent and the rules when it lands.
#[tokio::test]
async fn a_late_effect_meets_what_is_there_by_then() {
    let (caller, body) = prepared().await;
    let late = |seconds: i64, on: &str| Fault { after_seconds: seconds, ..Fault::on(on, FaultKind::Late) };
    caller.simulator.post_faults(vec![late(60, "/sales_invoices")]);
    let mut stranger = caller.aimed(&caller.business);
    stranger.access = "nothing".to_owned();
    attempt(&stranger, &body).await;
    advance(&caller.simulator, 60);
    assert!(caller.simulator.state().documents.is_empty(), "refused at the gate");
    let made = caller.post("/sales_invoices", &body).await;
    caller.simulator.post_faults(vec![late(60, "void_reason")]);
    let path = format!("/sales_invoices/{}?void_reason=x", id(&made));
    assert!(matches!(answer(&caller.simulator, caller.request("DELETE", &path), "").await, Answer::Dropped { .. }));
    caller.simulator.bookkeeper(Action::Pay { document_id: id(&made), amount: None, date: None }).unwrap();
    advance(&caller.simulator, 60);
    assert_eq!(caller.simulator.state().documents[0].status, "paid", "a paid invoice is not voided, late or not");
}

/// A refresh whose answer is lost has rotated: the old token is dead, and nobody has the new one.
#[tokio::test]
async fn a_lost_refresh_ends_the_grant() {
    let caller = connected().await;
    caller.simulator.post_faults(vec![Fault::on("/token", FaultKind::TimeoutAfter)]);
    let request = http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    let form = format!("client_id=client&client_secret=secret&grant_type=refresh_token&refresh_token={}", caller.refresh);
    assert!(matches!(answer(&caller.simulator, request, &form).await, Answer::Dropped { applied: true }));
    assert_eq!(text(&refresh(&caller.simulator, &caller.refresh).await), r#"{"error":"invalid_grant"}"#);
    let before = connected().await;
    before.simulator.post_faults(vec![Fault::on("/token", FaultKind::TimeoutBefore)]);
    let request = http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    let form = format!("client_id=client&client_secret=secret&grant_type=refresh_token&refresh_token={}", before.refresh);
    assert!(matches!(answer(&before.simulator, request, &form).await, Answer::Dropped { applied: false }));
    assert_eq!(refresh(&before.simulator, &before.refresh).await.status(), 200);
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

#[tokio::test]
async fn over_http_the_connection_is_really_cut() {
    let caller = connect(simulator_at(Clock::system()), "full_access").await;
    let contact = caller.contact("Acme Ltd").await;
    let body = caller.body(&contact, &[("2", "50", "20")]).await;
    let (base, stop) = served(&caller.simulator).await;
    let send = async |method: Method, path: &str, body: String| {
        let request = client().request(method, format!("{base}{path}")).header("authorization", format!("Bearer {}", caller.access));
        request.header("x-business", &caller.business).header("content-type", "application/json").body(body).send().await
    };
    for (kind, documents) in [("timeout_after", 1), ("timeout_before", 1), ("refuse", 1), ("late", 1)] {
        let fault = json!([{ "match": "/sales_invoices", "kind": kind, "after_seconds": 3600 }]);
        assert_eq!(send(Method::POST, "/__sim/faults", fault.to_string()).await.unwrap().status(), 200);
        assert!(send(Method::POST, "/v3.1/sales_invoices", body.to_string()).await.is_err(), "{kind}");
        assert_eq!(caller.simulator.state().documents.len(), documents, "{kind}");
    }
    let moved = send(Method::POST, "/__sim/clock", json!({ "advance_seconds": 3600 }).to_string()).await.unwrap();
    assert_eq!(moved.status(), 200);
    assert_eq!(caller.simulator.state().documents.len(), 2);
    drop(stop);
}
