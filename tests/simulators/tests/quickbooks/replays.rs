//! `requestid` (vendor notes, section 3).

use serde_json::{Value, json};
use simulators::skeleton::limits::LimitsChange;

use crate::support::{Caller, advance, aimed, body, connect, gb, line, text, value};

async fn sent(caller: &Caller, id: &str, body: &Value) -> (u16, String) {
    let reply = caller.send("POST", &format!("invoice?minorversion=75&requestid={id}"), body).await;
    (reply.status().as_u16(), text(&reply))
}

#[tokio::test]
async fn the_same_id_gets_the_first_reply_whatever_is_sent() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let first = body(&customer, "CP-1", vec![line("1", "10", "10", "2")]);
    let made = sent(&caller, "intent-1", &first).await;
    assert_eq!(made.0, 200);
    assert_eq!(sent(&caller, "intent-1", &first).await, made);
    let other = body(&customer, "CP-2", vec![line("1", "99", "99", "2")]);
    assert_eq!(sent(&caller, "intent-1", &other).await, made, "the body is not compared");
    let entity = caller.send("POST", "customer?requestid=intent-1", &json!({ "DisplayName": "Other" })).await;
    assert_eq!(text(&entity), made.1, "unique across all entities");
    assert_eq!((caller.simulator.state().documents.len(), caller.simulator.state().contacts.len()), (1, 1));
}

/// LanternOps/breeze PR #4624: the reply names a dead id.
#[tokio::test]
async fn a_deleted_entity_is_replayed_all_the_same() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let first = body(&customer, "CP-1", vec![line("1", "10", "10", "2")]);
    let made = sent(&caller, "intent-1", &first).await;
    let invoice = serde_json::from_str::<Value>(&made.1).unwrap()["Invoice"].clone();
    caller.post("invoice?operation=delete", &aimed(&invoice, json!({}))).await;
    assert_eq!(sent(&caller, "intent-1", &first).await, made);
    assert!(caller.simulator.state().documents.is_empty());
    assert_eq!(sent(&caller, "intent-1:g2", &first).await.0, 200);
    assert_eq!(caller.simulator.state().documents.len(), 1);
}

/// Kept a day out of the box; afterwards duplicates are possible. How long is the simulator's to be told.
#[tokio::test]
async fn an_id_is_forgotten_after_its_time() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let mut first = body(&customer, "", vec![line("1", "10", "10", "2")]);
    first.as_object_mut().unwrap().remove("DocNumber");
    let made = sent(&caller, "a", &first).await;
    advance(&caller.simulator, 86_399);
    let caller = connect(caller.simulator.clone(), "Harbour & Hill Ltd").await;
    assert_eq!(sent(&caller, "a", &first).await, made);
    advance(&caller.simulator, 1);
    assert_ne!(sent(&caller, "a", &first).await, made);
    assert_eq!(caller.simulator.state().documents.len(), 2);
    caller.simulator.change_limits(LimitsChange { replay_seconds: Some(900), ..LimitsChange::default() });
    let second = sent(&caller, "b", &first).await;
    advance(&caller.simulator, 899);
    assert_eq!(sent(&caller, "b", &first).await, second);
    advance(&caller.simulator, 1);
    assert_ne!(sent(&caller, "b", &first).await, second);
}

#[tokio::test]
async fn an_id_is_of_one_company_and_of_fifty_characters() {
    let caller = gb().await;
    let other = connect(caller.simulator.clone(), "Table Rock Studio LLC").await;
    let (one, two) = (caller.customer("Acme").await, other.customer("Acme").await);
    assert_eq!(sent(&caller, "same", &body(&one, "CP-1", vec![line("1", "10", "10", "2")])).await.0, 200);
    assert_eq!(sent(&other, "same", &body(&two, "CP-1", vec![line("1", "10", "10", "NON")])).await.0, 200);
    assert_eq!(caller.simulator.state().documents.len(), 2);
    let long = caller.send("POST", &format!("customer?requestid={}", "x".repeat(51)), &json!({ "DisplayName": "Long" })).await;
    assert_eq!(value(&long)["Fault"]["Error"][0]["code"], "2050");
    let fits = caller.send("POST", &format!("customer?requestid={}", "x".repeat(50)), &json!({ "DisplayName": "Long" })).await;
    assert_eq!(fits.status(), 200);
}

#[tokio::test]
async fn a_refusal_is_replayed_as_well() {
    let caller = gb().await;
    caller.customer("Acme").await;
    let clash = json!({ "DisplayName": "Acme" });
    let first = text(&caller.send("POST", "customer?requestid=r", &clash).await);
    let renamed = caller.send("POST", "customer?requestid=r", &json!({ "DisplayName": "Acme Two" })).await;
    assert_eq!((renamed.status().as_u16(), text(&renamed)), (400, first));
    let unknown = caller.send("POST", "customer?requestid=u", &json!({ "DisplayName": "x", "Nonsense": 1 })).await;
    assert_eq!(unknown.status(), 501);
    let fixed = caller.send("POST", "customer?requestid=u", &json!({ "DisplayName": "x" })).await;
    assert_eq!(fixed.status(), 200, "the simulator's own ignorance is no reply of the vendor's");
}
