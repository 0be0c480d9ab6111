//! Scripted faults, in process and over real HTTP.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use simulators::business_central::Simulator;
use simulators::skeleton::calls::Dropped;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::{Answer, Clock};
use tokio::net::TcpListener;

use crate::support::*;

async fn header_post(caller: &Caller, customer: &str) -> Answer {
    let body = json!({ "customerId": customer, "externalDocumentNumber": "CP-1" }).to_string();
    answer(&caller.simulator, caller.request("POST", "salesInvoices"), &body).await
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
        let customer = caller.customer("Acme").await;
        caller.simulator.post_faults(vec![Fault { after_seconds: 1, method: Some("POST".into()), ..Fault::on("/salesInvoices", kind) }]);
        let got = header_post(&caller, &customer).await;
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
        assert_eq!(caller.simulator.state().documents.len(), effect, "{kind:?}");
        assert_eq!(caller.simulator.calls().last().unwrap().dropped, dropped, "{kind:?}");
        assert_eq!(caller.simulator.faults()[0].fired, 1);
        assert!(matches!(header_post(&caller, &customer).await, Answer::Response(_)), "{kind:?} struck once");
    }
}

/// A head that lands after a retry made another one: two drafts, which only a look-up can find.
#[tokio::test]
async fn a_late_head_makes_a_second_draft_and_a_late_line_meets_its_sequence() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    caller.simulator.post_faults(vec![Fault { after_seconds: 400, ..Fault::on("/salesInvoices", FaultKind::Late) }]);
    assert!(matches!(header_post(&caller, &customer).await, Answer::Dropped { applied: false }));
    advance(&caller.simulator, 399);
    assert_eq!(caller.found("salesInvoices", "externalDocumentNumber eq 'CP-1'").await.len(), 0);
    let invoice = caller.draft(&customer, "CP-1").await;
    advance(&caller.simulator, 1);
    assert_eq!(caller.found("salesInvoices", "externalDocumentNumber eq 'CP-1'").await.len(), 2);
    caller.simulator.post_faults(vec![Fault { after_seconds: 60, ..Fault::on("/salesInvoiceLines", FaultKind::Late) }]);
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    assert!(matches!(
        answer(&caller.simulator, caller.request("POST", &lines), &ordered(&line(10_000, "10"))).await,
        Answer::Dropped { applied: false }
    ));
    caller.line(&invoice, 10_000, "10").await;
    advance(&caller.simulator, 61);
    let document = caller.simulator.state().documents.into_iter().find(|document| document.id == invoice).unwrap();
    assert_eq!(document.lines.len(), 1);
}

/// It passed the gate when it arrived: a token that ends meanwhile does not stop it, one that had ended does.
#[tokio::test]
async fn a_late_effect_outlives_its_token() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    caller.simulator.post_faults(vec![Fault { after_seconds: 7_200, times: 2, ..Fault::on("/salesInvoices", FaultKind::Late) }]);
    header_post(&caller, &customer).await;
    advance(&caller.simulator, 3_600);
    header_post(&caller, &customer).await;
    advance(&caller.simulator, 7_200);
    assert_eq!(caller.simulator.state().documents.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_of_post_cancel_and_batch_has_taken_effect() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    for (action, status) in [("post", "approved"), ("cancel", "voided")] {
        caller.simulator.post_faults(vec![Fault::on("/Microsoft.NAV.", FaultKind::TimeoutAfter)]);
        let path = format!("salesInvoices({invoice})/Microsoft.NAV.{action}");
        assert!(matches!(answer(&caller.simulator, caller.request("POST", &path), "").await, Answer::Dropped { applied: true }));
        assert_eq!(caller.simulator.state().documents[0].status, status);
        caller.simulator.clear_faults();
    }
    caller.simulator.post_faults(vec![Fault::on("/$batch", FaultKind::TimeoutAfter)]);
    let inner = json!({
        "id": "1", "method": "POST", "url": format!("companies({})/customers", caller.company),
        "headers": { "Content-Type": "application/json" }, "body": { "displayName": "By batch" },
    });
    let request = caller.raw("POST", &format!("{}/$batch", caller.root()));
    answer(&caller.simulator, request, &json!({ "requests": [inner] }).to_string()).await;
    assert_eq!(caller.simulator.state().contacts.len(), 2);
}

#[tokio::test]
async fn a_status_fault_answers_what_was_scripted() {
    let caller = connected().await;
    let fault = json!([{ "match": "/customers", "kind": "status", "status": 504, "headers": { "Retry-After": "7" }, "body": "wait", "nth": 2, "times": 2 }]);
    caller.simulator.post_faults(serde_json::from_value(fault).unwrap());
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = caller.send("GET", "customers", &Value::Null).await;
        if response.status() == 504 {
            assert_eq!((header(&response, "retry-after"), text(&response).as_str()), ("7", "wait"));
        }
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 504, 504, 200]);
}

/// A lost refresh does no harm: the old token stays alive.
#[tokio::test]
async fn a_lost_refresh_can_be_repeated() {
    let caller = connected().await;
    caller.simulator.post_faults(vec![Fault::on("/oauth2/v2.0/token", FaultKind::TimeoutAfter)]);
    let request = http::Request::post("/organizations/oauth2/v2.0/token").header("content-type", "application/x-www-form-urlencoded");
    let form = format!("grant_type=refresh_token&client_id={CLIENT}&client_secret={SECRET}&refresh_token={}", caller.refresh);
    assert!(matches!(answer(&caller.simulator, request, &form).await, Answer::Dropped { applied: true }));
    assert_eq!(refresh(&caller.simulator, &caller.refresh).await.status(), 200);
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

async fn send(caller: &Caller, method: Method, address: &str, body: String) -> reqwest::Result<reqwest::Response> {
    client()
        .request(method, address)
        .header("authorization", format!("Bearer {}", caller.access))
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .header("prefer", "odata.maxpagesize=1")
        .body(body)
        .send()
        .await
}

#[tokio::test]
async fn over_http_the_connection_is_really_cut_and_links_lead_back() {
    let caller = connect(simulator_at(Clock::system()), Consent::approve()).await;
    let (base, stop) = served(&caller.simulator).await;
    let customers = format!("{base}{}/companies({})/customers", caller.root(), caller.company);
    let kinds = [("timeout_after", 1), ("timeout_before", 1), ("refuse", 1), ("late", 1)];
    for (position, (kind, contacts)) in kinds.into_iter().enumerate() {
        let fault = json!([{ "match": "/customers", "kind": kind, "after_seconds": 3600 }]);
        let posted = send(&caller, Method::POST, &format!("{base}/__sim/faults"), fault.to_string()).await.unwrap();
        assert_eq!(posted.status(), 200);
        let body = json!({ "displayName": format!("Acme {position}") }).to_string();
        assert!(send(&caller, Method::POST, &customers, body).await.is_err(), "{kind}");
        assert_eq!(caller.simulator.state().contacts.len(), contacts, "{kind}");
    }
    caller.customer("Second").await;
    let list: Value =
        serde_json::from_slice(&send(&caller, Method::GET, &customers, String::new()).await.unwrap().bytes().await.unwrap()).unwrap();
    let next = list["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(&base), "{next}");
    let list: Value =
        serde_json::from_slice(&send(&caller, Method::GET, next, String::new()).await.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(list["value"][0]["displayName"], "Second");
    let moved = send(&caller, Method::POST, &format!("{base}/__sim/clock"), json!({ "advance_seconds": 3600 }).to_string()).await.unwrap();
    assert_eq!(moved.status(), 200);
    assert_eq!(caller.simulator.state().contacts.len(), 3, "the late one took effect, though its token has expired since");
    drop(stop);
}

#[tokio::test]
async fn over_http_a_body_breaks_off_and_a_slow_answer_takes_its_time() {
    let caller = connect(simulator_at(Clock::system()), Consent::approve()).await;
    let (base, stop) = served(&caller.simulator).await;
    let customers = format!("{base}{}/companies({})/customers", caller.root(), caller.company);
    caller.simulator.post_faults(vec![
        Fault::on("/customers", FaultKind::Truncate),
        Fault { after_seconds: 1, nth: 2, ..Fault::on("/customers", FaultKind::Slow) },
    ]);
    let head = send(&caller, Method::GET, &customers, String::new()).await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(head.bytes().await.is_err());
    let begun = tokio::time::Instant::now();
    let slow = send(&caller, Method::GET, &customers, String::new()).await.unwrap();
    assert_eq!(slow.status(), 200);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    drop(stop);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(send(&caller, Method::GET, &customers, String::new()).await.is_err(), "stopped");
}
