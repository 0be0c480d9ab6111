//! The vendor's errors that belong to no entity, and its limits (vendor notes, sections 6 and 7).

use serde_json::{Value, json};
use simulators::Answer;
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::limits::LimitsChange;

use crate::support::{advance, answer, gb, header, value};

#[tokio::test]
async fn a_company_may_be_suspended_and_an_administrator_may_lose_their_rights() {
    let caller = gb().await;
    for (standing, code, kind) in [("subscription_ended", "6190", "ValidationFault"), ("rights_lost", "120", "AuthorizationFault")] {
        caller.act(json!({ "action": "set_standing", "organisation": caller.realm, "standing": standing }));
        let refused = caller.send("GET", "preferences", &Value::Null).await;
        let fault = value(&refused)["Fault"].clone();
        assert_eq!((refused.status().as_u16(), &fault["Error"][0]["code"], &fault["type"]), (400, &json!(code), &json!(kind)));
    }
    caller.act(json!({ "action": "set_standing", "organisation": caller.realm, "standing": "good" }));
    caller.get("preferences").await;
}

/// Section 6: 500 a minute; no remaining-quota headers, no `Retry-After`.
#[tokio::test]
async fn too_many_calls_are_throttled_for_the_minute() {
    let caller = gb().await;
    assert_eq!(caller.simulator.limits().minute, 500);
    caller.simulator.change_limits(LimitsChange { minute: Some(2), ..LimitsChange::default() });
    caller.get("preferences").await;
    caller.get("preferences").await;
    let refused = caller.send("GET", "preferences", &Value::Null).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().get("retry-after").is_none());
    let body = value(&refused);
    assert_eq!(body["fault"]["type"], "SERVICE");
    assert_eq!(body["fault"]["error"][0]["message"], "message=ThrottleExceeded; errorCode=003001; statusCode=429");
    assert!(!header(&refused, "intuit_tid").is_empty());
    advance(&caller.simulator, 60);
    caller.get("preferences").await;
}

#[tokio::test]
async fn ten_calls_may_be_under_way_together() {
    let caller = gb().await;
    caller.simulator.change_limits(LimitsChange { latency_ms: Some(1000), ..LimitsChange::default() });
    for _ in 0..10 {
        assert!(matches!(answer(&caller.simulator, caller.request("GET", "preferences"), "").await, Answer::Slow { .. }));
    }
    let Answer::Response(refused) = answer(&caller.simulator, caller.request("GET", "preferences"), "").await else { panic!() };
    assert_eq!(refused.status(), 429);
    assert_eq!(caller.simulator.peak_in_flight(), 10);
    advance(&caller.simulator, 1);
    assert!(matches!(answer(&caller.simulator, caller.request("GET", "preferences"), "").await, Answer::Slow { .. }));
}

/// Section 7: a 200 may hold a `Fault`; a test scripts it.
#[tokio::test]
async fn a_fault_under_a_200_can_be_scripted() {
    let caller = gb().await;
    let body =
        json!({ "Fault": { "Error": [{ "Message": "m", "Detail": "d", "code": "6000", "element": "" }], "type": "ValidationFault" } });
    caller.simulator.post_faults(vec![Fault {
        status: Some(200),
        body: Some(body.to_string()),
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        ..Fault::on("/customer", FaultKind::Status)
    }]);
    let reply = caller.send("POST", "customer", &json!({ "DisplayName": "Acme" })).await;
    assert_eq!((reply.status().as_u16(), value(&reply)), (200, body));
    assert!(caller.simulator.state().contacts.is_empty());
}

#[tokio::test]
async fn what_is_no_json_and_what_is_no_route_is_said_so() {
    let caller = gb().await;
    assert_eq!(caller.code("POST", "customer", &json!([])).await, "2010");
    caller.not_modelled("POST", "invoice/1/send", &json!({})).await;
    caller.not_modelled("POST", "estimate", &json!({})).await;
    caller.not_modelled("POST", "invoice?operation=archive", &json!({})).await;
    caller.not_modelled("GET", "preferences?fields=all", &Value::Null).await;
    assert_eq!(caller.code("DELETE", "invoice/1", &Value::Null).await, "500");
    let nowhere = answer(&caller.simulator, http::Request::get("/v2/elsewhere"), "").await;
    let Answer::Response(nowhere) = nowhere else { panic!("{nowhere:?}") };
    assert_eq!(nowhere.status(), 501);
}
