//! Batches and changes (vendor notes, sections 5 and 8).

use serde_json::{Value, json};

use crate::support::{advance, aimed, body, connect, gb, line, value};

#[tokio::test]
async fn items_succeed_or_fail_alone_and_are_matched_by_their_ids() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let first = caller.invoice(&body(&customer, "CP-0", vec![line("1", "10", "10", "2")])).await;
    let second = caller.invoice(&body(&customer, "CP-9", vec![line("1", "10", "10", "2")])).await;
    let sent = json!({ "BatchItemRequest": [
        { "bId": "i1", "operation": "create", "Invoice": body(&customer, "CP-1", vec![line("1", "10", "10", "2")]) },
        { "bId": "i2", "operation": "create", "Invoice": body(&customer, "CP-1", vec![line("1", "10", "10", "2")]) },
        { "bId": "q1", "Query": "select * from Invoice where DocNumber = 'CP-1'" },
        { "bId": "c1", "operation": "create", "Customer": { "DisplayName": "Acme" } },
        { "bId": "v1", "operation": "update", "optionsData": "void", "Invoice": aimed(&first, json!({ "sparse": true })) },
        { "bId": "d1", "operation": "delete", "Invoice": aimed(&second, json!({})) },
        { "bId": "q2", "Query": "select Id from Invoice" },
        { "bId": "dup", "operation": "create", "optionsData": "allowduplicatedocnum", "Invoice": body(&customer, "CP-1", vec![line("1", "10", "10", "2")]) },
    ] });
    let answered = caller.post("batch?minorversion=75", &sent).await["BatchItemResponse"].clone();
    let ids: Vec<&str> = answered.as_array().unwrap().iter().map(|item| item["bId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["i1", "i2", "q1", "c1", "v1", "d1", "q2", "dup"]);
    assert_eq!(answered[0]["Invoice"]["DocNumber"], "CP-1");
    let code = |position: usize| answered[position]["Fault"]["Error"][0]["code"].as_str().unwrap();
    assert_eq!((code(1), code(3), code(6)), ("6140", "6240", "4001"));
    assert_eq!(answered[1]["Fault"]["type"], "ValidationFault");
    assert_eq!(answered[2]["QueryResponse"]["maxResults"], 1, "an item sees what those before it did");
    assert_eq!(answered[4]["Invoice"]["PrivateNote"], "Voided - coportal:CP-0");
    assert_eq!(answered[5]["Invoice"]["status"], "Deleted");
    assert_eq!(caller.simulator.state().documents.len(), 3);
}

#[tokio::test]
async fn a_batch_has_thirty_items_and_its_ids_have_lengths() {
    let caller = gb().await;
    let items = |count: usize| -> Value {
        let all: Vec<Value> = (0..count).map(|n| json!({ "bId": format!("q{n}"), "Query": "select * from Item" })).collect();
        json!({ "BatchItemRequest": all })
    };
    assert_eq!(caller.code("POST", "batch", &items(31)).await, "1040");
    caller.post("batch", &items(30)).await;
    assert_eq!(caller.code("POST", &format!("batch?requestid={}", "x".repeat(37)), &items(1)).await, "2050");
    let long = json!({ "BatchItemRequest": [{ "bId": "12345678901", "Query": "select * from Item" }] });
    assert_eq!(caller.code("POST", "batch?requestid=r", &long).await, "2050");
    caller.post("batch", &long).await;
    caller.post("batch?requestid=s", &items(1)).await;
    caller.not_modelled("POST", "batch?requestid=s", &items(1)).await;
    assert_eq!(caller.code("POST", "batch", &json!({ "BatchItemRequest": [{ "Query": "select * from Item" }] })).await, "2020");
}

#[tokio::test]
async fn what_is_not_modelled_leaves_nothing_of_its_batch() {
    let caller = gb().await;
    let sent = json!({ "BatchItemRequest": [
        { "bId": "1", "operation": "create", "Customer": { "DisplayName": "Acme" } },
        { "bId": "2", "operation": "create", "Bill": {} },
    ] });
    caller.not_modelled("POST", "batch", &sent).await;
    assert!(caller.simulator.state().contacts.is_empty());
}

/// Section 6: 40 batches a minute, beside the 500 calls.
#[tokio::test]
async fn batches_have_a_limit_of_their_own() {
    let caller = gb().await;
    let one = json!({ "BatchItemRequest": [{ "bId": "1", "Query": "select * from Item" }] });
    for _ in 0..40 {
        caller.post("batch", &one).await;
    }
    let refused = caller.send("POST", "batch", &one).await;
    assert_eq!((refused.status().as_u16(), value(&refused)["fault"]["error"][0]["code"].clone()), (429, json!("3001")));
    caller.get("preferences").await;
    advance(&caller.simulator, 60);
    caller.post("batch", &one).await;
}

#[tokio::test]
async fn changes_are_told_with_deletions_for_thirty_days() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let made = caller.invoice(&body(&customer, "CP-1", vec![line("1", "10", "10", "2")])).await;
    caller.act(json!({ "action": "pay", "document_id": made["Id"] }));
    advance(&caller.simulator, 60);
    let second = caller.invoice(&body(&customer, "CP-2", vec![line("1", "10", "10", "2")])).await;
    caller.act(json!({ "action": "delete", "document_id": second["Id"] }));
    let since = |at: &str| format!("cdc?entities=Invoice,Payment,Customer&changedSince={at}&minorversion=75");
    let all = caller.get(&since("2026-03-10T09:00:00Z")).await["CDCResponse"][0]["QueryResponse"].clone();
    assert_eq!((&all[0]["maxResults"], &all[1]["maxResults"], &all[2]["maxResults"]), (&json!(2), &json!(1), &json!(1)));
    let late = caller.get(&since("2026-03-10T09:00:30Z")).await["CDCResponse"][0]["QueryResponse"].clone();
    assert_eq!((&late[0]["Invoice"][0]["status"], &late[0]["Invoice"][0]["Id"]), (&json!("Deleted"), &second["Id"]));
    assert_eq!((&late[1], &late[2]), (&json!({}), &json!({})));
    caller.not_modelled("GET", &since("2026-01-01"), &Value::Null).await;
    assert_eq!(caller.code("GET", "cdc?entities=Invoice", &Value::Null).await, "2020");
    assert_eq!(caller.code("GET", &since("yesterday"), &Value::Null).await, "4001");
    caller.not_modelled("GET", "cdc?entities=Bill&changedSince=2026-03-10", &Value::Null).await;
    drop(connect(caller.simulator, "Table Rock Studio LLC").await);
}
