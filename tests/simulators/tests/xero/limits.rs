//! Limits and their headers (vendor notes, section 6).

use jiff::SignedDuration;
use serde_json::Value;
use simulators::Answer;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::limits::LimitsChange;

use crate::support::{advance, answer, connected, header};

#[tokio::test]
async fn the_minute_fills_and_a_new_one_begins() {
    let caller = connected().await;
    let mut left = 60;
    let mut refused = None;
    for _ in 0..61 {
        let reply = caller.send("GET", "/Contacts", &Value::Null).await;
        if reply.status() == 200 {
            left -= 1;
            assert_eq!(header(&reply, "x-minlimit-remaining"), left.to_string());
        } else {
            refused = Some(reply);
        }
    }
    let refused = refused.unwrap();
    assert_eq!((refused.status().as_u16(), left), (429, 0));
    assert_eq!(header(&refused, "x-rate-limit-problem"), "minute");
    assert_eq!(header(&refused, "x-daylimit-remaining"), "4940");
    assert_eq!(header(&refused, "x-appminlimit-remaining"), "9940");
    assert_eq!(caller.at(1).send("GET", "/Contacts", &Value::Null).await.status(), 200, "per organisation");
    let wait: i64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait));
    advance(&caller.simulator, wait - 1);
    assert_eq!(caller.send("GET", "/Contacts", &Value::Null).await.status(), 429);
    advance(&caller.simulator, 1);
    assert_eq!(caller.send("GET", "/Contacts", &Value::Null).await.status(), 200);
}

#[tokio::test]
async fn day_and_app_minute_name_themselves() {
    let caller = connected().await;
    caller.simulator.change_limits(LimitsChange { day: Some(1), ..LimitsChange::default() });
    caller.get("/Contacts").await;
    let refused = caller.send("GET", "/Contacts", &Value::Null).await;
    assert_eq!(header(&refused, "x-rate-limit-problem"), "day");
    assert!(header(&refused, "retry-after").parse::<i64>().unwrap() <= 86_400);
    caller.simulator.change_limits(LimitsChange { day: Some(5000), app_minute: Some(1), ..LimitsChange::default() });
    let refused = caller.send("GET", "/Contacts", &Value::Null).await;
    assert_eq!(header(&refused, "x-rate-limit-problem"), "appminute");
    caller.simulator.reset();
    assert_eq!(caller.send("GET", "/Contacts", &Value::Null).await.status(), 200, "reset clears limits");
}

#[tokio::test]
async fn five_calls_in_flight_and_the_sixth_is_refused() {
    let caller = connected().await;
    caller.simulator.change_limits(LimitsChange { latency_ms: Some(1500), ..LimitsChange::default() });
    let mut tickets = Vec::new();
    for _ in 0..5 {
        let got = answer(&caller.simulator, caller.request("GET", "/Contacts"), "").await;
        let Answer::Slow { after, response, ticket } = got else { panic!("{got:?}") };
        assert_eq!((after, response.status().as_u16()), (SignedDuration::from_millis(1500), 200));
        tickets.push(ticket);
    }
    let refused = caller.send("GET", "/Contacts", &Value::Null).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "x-rate-limit-problem")), (429, "concurrent"));
    assert_eq!(header(&refused, "retry-after"), "", "none is promised");
    assert_eq!(caller.simulator.peak_in_flight(), 5);
    caller.simulator.release(tickets[0]);
    assert!(matches!(answer(&caller.simulator, caller.request("GET", "/Contacts"), "").await, Answer::Slow { .. }));
    caller.simulator.clock().advance(SignedDuration::from_secs(2));
    caller.simulator.change_limits(LimitsChange { latency_ms: Some(0), ..LimitsChange::default() });
    caller.get("/Contacts").await;
}

#[tokio::test]
async fn a_slow_call_holds_its_slot() {
    let caller = connected().await;
    caller.simulator.change_limits(LimitsChange { concurrent: Some(1), ..LimitsChange::default() });
    caller.simulator.post_faults(vec![Fault { after_seconds: 20, ..Fault::on("/Contacts", FaultKind::Slow) }]);
    assert!(matches!(answer(&caller.simulator, caller.request("GET", "/Contacts"), "").await, Answer::Slow { .. }));
    assert_eq!(caller.send("GET", "/Contacts", &Value::Null).await.status(), 429);
    advance(&caller.simulator, 20);
    assert_eq!(caller.send("GET", "/Contacts", &Value::Null).await.status(), 200);
}
