//! Scripted faults, in process and over real HTTP.

use serde_json::{Value, json};
use simulators::skeleton::calls::Dropped;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::{Answer, Clock};
use tokio::net::TcpListener;

use crate::support::{Caller, advance, answer, body, connect, form, gb, line, refresh, simulator_at, token_request};

async fn make(caller: &Caller, name: &str) -> Answer {
    answer(&caller.simulator, caller.request("POST", "customer?requestid=k"), &json!({ "DisplayName": name }).to_string()).await
}

#[tokio::test]
async fn every_kind_does_to_the_state_what_it_says() {
    let caller = gb().await;
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
        caller.simulator.post_faults(vec![Fault { after_seconds: 1, ..Fault::on("/customer", kind) }]);
        let got = make(&caller, "Acme").await;
        match (kind, &got) {
            (FaultKind::Refuse, Answer::Refused)
            | (FaultKind::TimeoutBefore, Answer::Dropped { applied: false })
            | (FaultKind::TimeoutAfter, Answer::Dropped { applied: true })
            | (FaultKind::Truncate, Answer::Truncated(_))
            | (FaultKind::Slow, Answer::Slow { .. }) => {}
            (FaultKind::Status, Answer::Response(response)) => assert_eq!(response.status(), 503),
            (FaultKind::Garbage, Answer::Response(response)) => assert!(serde_json::from_slice::<Value>(response.body()).is_err()),
            (kind, other) => panic!("{kind:?}: {other:?}"),
        }
        assert_eq!(caller.simulator.state().contacts.len(), effect, "{kind:?}");
        let calls = caller.simulator.calls();
        let last = calls.last().unwrap();
        assert_eq!((last.dropped, last.organisation.as_deref()), (dropped, Some(caller.realm.as_str())), "{kind:?}");
        assert!(matches!(make(&caller, "Acme").await, Answer::Response(_)), "{kind:?} struck once");
        assert_eq!(caller.simulator.state().contacts.len(), 1, "{kind:?}: the same requestid never makes a second");
    }
}

#[tokio::test]
async fn a_late_effect_comes_when_the_clock_has_moved_even_when_its_token_has_expired() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    caller.simulator.post_faults(vec![Fault { after_seconds: 4000, ..Fault::on("/invoice", FaultKind::Late) }]);
    let sent = body(&customer, "CP-1", vec![line("1", "10", "10", "2")]);
    let lost = answer(&caller.simulator, caller.request("POST", "invoice?requestid=a"), &sent.to_string()).await;
    assert!(matches!(lost, Answer::Dropped { applied: false }));
    advance(&caller.simulator, 3999);
    assert!(caller.simulator.state().documents.is_empty());
    advance(&caller.simulator, 1);
    assert_eq!(caller.simulator.state().documents.len(), 1);
}

/// The danger that `requestid` covers, and the one that it does not.
#[tokio::test]
async fn a_late_effect_meets_the_id_that_a_retry_used_and_doubles_without_one() {
    for (id, documents) in [("?requestid=a", 1), ("", 2)] {
        let caller = gb().await;
        let customer = caller.customer("Acme").await;
        let mut sent = body(&customer, "", vec![line("1", "10", "10", "2")]);
        sent.as_object_mut().unwrap().remove("DocNumber");
        caller.simulator.post_faults(vec![Fault { after_seconds: 60, ..Fault::on("/invoice", FaultKind::Late) }]);
        for _ in 0..2 {
            answer(&caller.simulator, caller.request("POST", &format!("invoice{id}")), &sent.to_string()).await;
        }
        advance(&caller.simulator, 61);
        assert_eq!(caller.simulator.state().documents.len(), documents, "{id}");
    }
}

/// A call that the gate refuses has no late effect either.
#[tokio::test]
async fn a_late_call_that_may_not_never_happens() {
    let caller = gb().await;
    let stranger =
        Caller { access: "made-up".into(), refresh: String::new(), realm: caller.realm.clone(), simulator: caller.simulator.clone() };
    caller.simulator.post_faults(vec![Fault { after_seconds: 1, ..Fault::on("/customer", FaultKind::Late) }]);
    assert!(matches!(make(&stranger, "Acme").await, Answer::Dropped { applied: false }));
    advance(&caller.simulator, 2);
    assert!(caller.simulator.state().contacts.is_empty());
}

/// A lost refresh has rotated, and there is no grace: the connection is gone (section 1).
#[tokio::test]
async fn a_lost_refresh_ends_the_connection_and_a_late_one_too() {
    for kind in [FaultKind::TimeoutAfter, FaultKind::Late] {
        let caller = gb().await;
        caller.simulator.post_faults(vec![Fault::on("/tokens/bearer", kind)]);
        let form = form(&[("grant_type", "refresh_token"), ("refresh_token", &caller.refresh)]);
        assert!(matches!(answer(&caller.simulator, token_request(), &form).await, Answer::Dropped { .. }));
        assert_eq!(refresh(&caller.simulator, &caller.refresh).await.status(), 400, "{kind:?}");
    }
}

#[tokio::test]
async fn over_http_the_connection_is_really_cut() {
    let caller = connect(simulator_at(Clock::system()), "Harbour & Hill Ltd").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(caller.simulator.clone().serve(listener, async { drop(stopped.await) }));
    #[expect(clippy::disallowed_methods, reason = "the simulator is called as a stranger would call it")]
    let client = reqwest::Client::builder().build().unwrap();
    let make = async |name: &str| {
        let call = client.post(format!("{base}{}", caller.path("customer"))).header("authorization", format!("Bearer {}", caller.access));
        let call = call.header("accept", "application/json").header("content-type", "application/json");
        call.body(json!({ "DisplayName": name }).to_string()).send().await
    };
    for (position, (kind, contacts)) in [("timeout_after", 1), ("timeout_before", 1), ("refuse", 1), ("late", 1)].into_iter().enumerate() {
        let fault = json!([{ "match": "/customer", "kind": kind, "after_seconds": 3600 }]);
        assert_eq!(client.post(format!("{base}/__sim/faults")).body(fault.to_string()).send().await.unwrap().status(), 200);
        assert!(make(&format!("Acme {position}")).await.is_err(), "{kind}");
        assert_eq!(caller.simulator.state().contacts.len(), contacts, "{kind}");
    }
    let moved = client.post(format!("{base}/__sim/clock")).body(json!({ "advance_seconds": 3600 }).to_string()).send().await.unwrap();
    assert_eq!(moved.status(), 200);
    assert_eq!(caller.simulator.state().contacts.len(), 2);
    drop(stop);
    served.await.unwrap().unwrap();
}
