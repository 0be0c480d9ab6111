//! Limits (vendor notes, section 8).

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::Answer;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::limits::LimitsChange;

use crate::support::*;

async fn status(caller: &Caller) -> u16 {
    match answer(&caller.simulator, caller.request("GET", "customers"), "").await {
        Answer::Response(response) | Answer::Slow { response, .. } => response.status().as_u16(),
        other @ (Answer::Dropped { .. } | Answer::Refused | Answer::Truncated(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn six_thousand_calls_of_a_user_fit_into_five_sliding_minutes() {
    let caller = connected().await;
    assert_eq!(caller.simulator.limits().minute * 5, 6_000);
    caller.simulator.change_limits(LimitsChange { minute: Some(2), ..LimitsChange::default() });
    for position in 0..10 {
        // Both companies are one user's.
        assert_eq!(status(&caller.at(position % 2)).await, 200);
        advance(&caller.simulator, 1);
    }
    let refused = caller.send("GET", "customers", &Value::Null).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), "", "not promised");
    assert!(value(&refused)["error"]["code"].is_string());
    advance(&caller.simulator, 289);
    assert_eq!(status(&caller).await, 429, "a refused call is not counted, but the first is not five minutes old");
    advance(&caller.simulator, 1);
    assert_eq!(status(&caller).await, 200);
    assert_eq!(status(&caller).await, 429);
    caller.simulator.reset();
    assert_eq!(caller.simulator.limits().minute, 1_200);
    assert_eq!(status(&caller).await, 200);
}

#[tokio::test]
async fn the_requests_of_a_batch_count() {
    let caller = connected().await;
    caller.simulator.change_limits(LimitsChange { minute: Some(1), ..LimitsChange::default() });
    let get = json!({ "id": "1", "method": "GET", "url": format!("companies({})/customers", caller.company) });
    let send = async |count: usize| {
        let body = json!({ "requests": vec![get.clone(); count] }).to_string();
        let request = caller.raw("POST", &format!("{}/$batch", caller.root()));
        whole(answer(&caller.simulator, request, &body).await).status().as_u16()
    };
    assert_eq!(send(5).await, 429, "six calls");
    assert_eq!(send(4).await, 200);
    assert_eq!(send(0).await, 429);
}

#[tokio::test]
async fn five_are_served_the_rest_wait_and_too_long_a_wait_is_503() {
    let caller = connected().await;
    caller.simulator.post_faults(vec![Fault { after_seconds: 600, times: 5, ..Fault::on("/customers", FaultKind::Slow) }]);
    for _ in 0..5 {
        assert_eq!(status(&caller).await, 200);
    }
    let refused = caller.send("GET", "customers", &Value::Null).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(header(&refused, "retry-after"), "60");
    assert_eq!(caller.simulator.peak_in_flight(), 5);
    caller.simulator.clock().advance(SignedDuration::from_secs(121));
    assert_eq!(status(&caller).await, 200, "the first five end within eight minutes");
}

#[tokio::test]
async fn a_hundred_connections_are_the_most() {
    let caller = connected().await;
    caller.simulator.change_limits(LimitsChange { latency_ms: Some(1_000), ..LimitsChange::default() });
    for position in 0..100 {
        assert_eq!(status(&caller).await, 200, "{position}");
    }
    assert_eq!(status(&caller).await, 429);
    let Answer::Slow { after, ticket, .. } = answer(&caller.simulator, caller.at(1).request("GET", "customers"), "").await else {
        panic!("calls take their time")
    };
    assert_eq!(after, SignedDuration::from_secs(1));
    caller.simulator.release(ticket);
    advance(&caller.simulator, 1);
    assert_eq!(status(&caller).await, 200);
}
