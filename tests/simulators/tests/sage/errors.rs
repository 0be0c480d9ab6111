//! How the API says no: the array of errors, roles, limits, media types, and what is not modelled.

use serde_json::{Value, json};
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::limits::LimitsChange;

use crate::support::{advance, answer, connected, header, id, value, whole};

/// 100 calls a minute and 2,500 a day for each business; nothing is promised in headers.
#[tokio::test]
async fn the_minute_of_a_business_fills() {
    let caller = connected().await;
    for _ in 0..100 {
        caller.get("/artefact_statuses").await;
    }
    let refused = caller.send("GET", "/contacts", &Value::Null).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, ""));
    assert_eq!(value(&refused)[0]["$severity"], "error");
    caller.at(1).get("/contacts").await;
    caller.get("/businesses").await;
    let lead = caller.aimed("").send("GET", "/contacts", &Value::Null).await;
    assert_eq!(lead.status(), 429, "a call without the header counts for the business that answers");
    advance(&caller.simulator, 60);
    caller.get("/contacts").await;
    assert_eq!((caller.simulator.limits().minute, caller.simulator.limits().day), (100, 2_500));
    caller.simulator.change_limits(LimitsChange { day: Some(0), ..LimitsChange::default() });
    assert_eq!(caller.refused("GET", "/contacts", &Value::Null).await.0, 429);
    caller.simulator.reset();
    caller.get("/contacts").await;
}

/// Published schema, "Access Control Restrictions": what a role lacks is 403, and the message names the area.
#[tokio::test]
async fn roles() {
    let caller = connected().await;
    let made = caller.invoice().await;
    let deny = |denied: &[&str]| {
        let seed = json!({ "organisations": [{ "id": caller.business, "refused_actions": denied }] });
        caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    };
    let area = async |method: &str, path: &str| {
        let reply = caller.send(method, path, &Value::Null).await;
        if reply.status() == 403 { value(&reply)[0]["$message"].as_str().unwrap().to_owned() } else { String::new() }
    };
    let read = format!("/sales_invoices/{}?mark_as_sent=false", id(&made));
    let void = format!("/sales_invoices/{}?void_reason=x", id(&made));
    deny(&["Sales.full"]);
    assert!(area("DELETE", &void).await.contains("Sales"));
    assert_eq!(area("GET", &read).await, "");
    deny(&["Sales.write"]);
    assert!(area("POST", "/sales_invoices").await.contains("Sales"));
    assert_eq!(area("GET", &read).await, "");
    deny(&["Sales"]);
    assert!(area("GET", &read).await.contains("Sales"));
    assert_eq!(area("GET", "/contacts").await, "", "another area will do for a read");
    deny(&["Sales", "Contacts", "Bank"]);
    assert!(area("GET", "/contacts").await.contains("Contacts"));
    deny(&["Bank", "Settings"]);
    assert!(area("GET", "/bank_accounts").await.contains("Bank"));
    assert!(area("GET", "/financial_settings").await.contains("Settings"));
    deny(&[]);
    assert_eq!(area("GET", "/financial_settings").await, "");
    let unknown = json!({ "organisations": [{ "id": caller.business, "refused_actions": ["Everything"] }] });
    assert!(caller.simulator.seed(&serde_json::from_value(unknown).unwrap()).is_err());
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let caller = connected().await;
    let send = async |kind: &str, body: &str| {
        let request = http::Request::post("/v3.1/contacts")
            .header("authorization", format!("Bearer {}", caller.access))
            .header("x-business", &caller.business)
            .header("content-type", kind);
        whole(answer(&caller.simulator, request, body).await)
    };
    let good = r#"{"contact":{"name":"Acme","contact_type_ids":["CUSTOMER"]}}"#;
    assert_eq!(send("text/plain", good).await.status(), 415);
    assert_eq!(send("application/json", "{").await.status(), 422);
    assert_eq!(send("application/json", r#"{"contact":{"name":5,"contact_type_ids":["CUSTOMER"]}}"#).await.status(), 422);
    assert_eq!(send("application/json; charset=utf-8", good).await.status(), 201);
}

#[tokio::test]
async fn what_is_not_modelled_is_said() {
    let caller = connected().await;
    for (method, path) in [
        ("GET", "/products"),
        ("POST", "/contact_allocations"),
        ("POST", "/sales_credit_notes"),
        ("PATCH", "/contacts/1"),
        ("PUT", "/contact_payments/1"),
    ] {
        let (status, kind, _) = caller.refused(method, path, &Value::Null).await;
        assert_eq!((status, kind.as_str()), (501, "NotModelled"), "{method} {path}");
    }
    assert_eq!(caller.refused("POST", "/contacts?x=1", &Value::Null).await.0, 501);
    let other = whole(answer(&caller.simulator, http::Request::get("/api/v3"), "").await);
    assert_eq!(other.status(), 501);
}

#[tokio::test]
async fn a_call_without_a_token_is_401() {
    let caller = connected().await;
    let mut stranger = caller.aimed(&caller.business);
    stranger.access = "nothing".to_owned();
    assert_eq!(stranger.refused("GET", "/contacts", &Value::Null).await, (401, "AuthorizationFailure".to_owned(), String::new()));
    assert_eq!(stranger.refused("GET", "/businesses", &Value::Null).await.0, 401);
}

/// Statuses that the simulator never gives by itself can be scripted: 409, 5xx.
#[tokio::test]
async fn other_statuses_are_scripted() {
    let caller = connected().await;
    for status in [409, 500, 503] {
        let body = r#"[{"$severity":"error","$dataCode":"Conflict","$message":"Conflict.","$source":""}]"#.to_owned();
        caller.simulator.post_faults(vec![Fault { status: Some(status), body: Some(body), ..Fault::on("/contacts", FaultKind::Status) }]);
        assert_eq!(caller.refused("POST", "/contacts", &json!({})).await.0, status);
    }
    assert!(caller.simulator.state().contacts.is_empty());
}
