//! What the product relies on from the embedded DynamoDB, asked through the real SDK.

use crate::support;
use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, KeysAndAttributes, Put, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
    TransactWriteItem, Update,
};
use bytes::Bytes;
use coportal_local::assembly::TABLE_NAME;
use coportal_local::table::{Table, TableError};
use coportal_local::template::{DEPLOYED, Template};
use http::Request;
use serde_json::{Value, json};

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn client() -> (Client, coportal_local::aws_endpoint::Cloud) {
    let cloud = support::local().cloud;
    (support::dynamodb(&cloud), cloud)
}

fn item(pk: &str, sk: &str, more: &[(&str, AttributeValue)]) -> HashMap<String, AttributeValue> {
    let mut item = HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]);
    item.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    item
}

async fn put(client: &Client, item: HashMap<String, AttributeValue>) {
    client.put_item().table_name(TABLE_NAME).set_item(Some(item)).send().await.unwrap();
}

async fn get(client: &Client, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
    let answer = client.get_item().table_name(TABLE_NAME).key("pk", s(pk)).key("sk", s(sk)).consistent_read(true).send().await;
    answer.unwrap().item
}

/// The write id is found again on the item that made the condition fail: "our own earlier attempt landed".
#[tokio::test]
async fn a_failed_condition_returns_the_old_item_of_put_and_update() {
    let (client, _) = client();
    put(&client, item("A", "1", &[("rev", n(1)), ("wid", s("w1"))])).await;

    let update = client
        .update_item()
        .table_name(TABLE_NAME)
        .key("pk", s("A"))
        .key("sk", s("1"))
        .update_expression("SET rev = :next, wid = :wid")
        .condition_expression("rev = :seen")
        .expression_attribute_values(":seen", n(7))
        .expression_attribute_values(":next", n(8))
        .expression_attribute_values(":wid", s("w2"))
        .return_values_on_condition_check_failure(OnFailure::AllOld)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let UpdateItemError::ConditionalCheckFailedException(failed) = update else { panic!("{update:?}") };
    assert_eq!(failed.item.unwrap()["wid"], s("w1"));

    let refused = client
        .put_item()
        .table_name(TABLE_NAME)
        .set_item(Some(item("A", "1", &[])))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(OnFailure::AllOld)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let PutItemError::ConditionalCheckFailedException(failed) = refused else { panic!("{refused:?}") };
    assert_eq!(failed.item.unwrap()["rev"], n(1));
    assert_eq!(get(&client, "A", "1").await.unwrap()["wid"], s("w1"));
}

#[tokio::test]
async fn an_update_returns_the_new_item_and_keeps_what_it_does_not_name() {
    let (client, _) = client();
    put(&client, item("A", "1", &[("rev", n(1)), ("newer", s("kept"))])).await;
    let updated = client
        .update_item()
        .table_name(TABLE_NAME)
        .key("pk", s("A"))
        .key("sk", s("1"))
        .update_expression("SET rev = rev + :one, #lease = :lease REMOVE gone")
        .condition_expression("attribute_not_exists(#lease) OR #lease.#until < :now")
        .expression_attribute_names("#lease", "lease")
        .expression_attribute_names("#until", "until")
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":now", n(5))
        .expression_attribute_values(":lease", AttributeValue::M(HashMap::from([("until".to_owned(), n(9))])))
        .return_values(ReturnValue::AllNew)
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap();
    assert_eq!((updated["rev"].clone(), updated["newer"].clone()), (n(2), s("kept")));
}

fn put_if_absent(pk: &str) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(TABLE_NAME)
        .set_item(Some(item(pk, "1", &[("rev", n(1))])))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(OnFailure::AllOld)
        .build()
        .unwrap();
    TransactWriteItem::builder().put(put).build()
}

fn add_one(pk: &str) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(TABLE_NAME)
        .key("pk", s(pk))
        .key("sk", s("1"))
        .update_expression("ADD times :one")
        .expression_attribute_values(":one", n(1))
        .build()
        .unwrap();
    TransactWriteItem::builder().update(update).build()
}

#[tokio::test]
async fn a_transaction_is_whole_and_names_the_item_that_stopped_it() {
    let (client, _) = client();
    put(&client, item("taken", "1", &[("wid", s("theirs"))])).await;
    let check = ConditionCheck::builder()
        .table_name(TABLE_NAME)
        .key("pk", s("taken"))
        .key("sk", s("1"))
        .condition_expression("wid = :theirs")
        .expression_attribute_values(":theirs", s("theirs"))
        .build()
        .unwrap();
    let error = client
        .transact_write_items()
        .transact_items(put_if_absent("free"))
        .transact_items(TransactWriteItem::builder().condition_check(check).build())
        .transact_items(put_if_absent("taken").clone())
        .client_request_token("never-applied")
        .send()
        .await;
    // One transaction may touch an item once.
    assert_eq!(error.unwrap_err().into_service_error().code(), Some("ValidationException"));

    let error = client
        .transact_write_items()
        .transact_items(put_if_absent("free"))
        .transact_items(put_if_absent("taken"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { panic!("{error:?}") };
    let reasons = canceled.cancellation_reasons.unwrap();
    assert_eq!(reasons[0].code.as_deref(), Some("None"));
    assert_eq!(reasons[1].code.as_deref(), Some("ConditionalCheckFailed"));
    assert_eq!(reasons[1].item.as_ref().unwrap()["wid"], s("theirs"));
    assert!(get(&client, "free", "1").await.is_none());
}

/// The SDK repeats a transaction whose answer was lost under the same token: it must take effect once.
#[tokio::test]
async fn a_transaction_repeated_with_its_token_takes_effect_once() {
    let (client, _) = client();
    for _ in 0..2 {
        let sent = client.transact_write_items().transact_items(add_one("A")).transact_items(put_if_absent("B"));
        sent.client_request_token("t-1").send().await.unwrap();
    }
    assert_eq!(get(&client, "A", "1").await.unwrap()["times"], n(1));
    let other = client.transact_write_items().transact_items(add_one("C")).client_request_token("t-1").send().await;
    let other = other.unwrap_err().into_service_error();
    assert!(other.is_idempotent_parameter_mismatch_exception(), "{other:?}");
    let again = client.transact_write_items().transact_items(add_one("A")).client_request_token("t-2").send().await;
    again.unwrap();
    assert_eq!(get(&client, "A", "1").await.unwrap()["times"], n(2));
}

#[tokio::test]
async fn a_consistent_batch_read_finds_what_is_there_and_leaves_out_what_is_not() {
    let (client, _) = client();
    for sk in ["1", "2"] {
        put(&client, item("A", sk, &[])).await;
    }
    let keys = KeysAndAttributes::builder()
        .consistent_read(true)
        .keys(item("A", "1", &[]))
        .keys(item("A", "2", &[]))
        .keys(item("A", "3", &[]))
        .build()
        .unwrap();
    let answer = client.batch_get_item().request_items(TABLE_NAME, keys).send().await.unwrap();
    assert_eq!(answer.responses.unwrap()[TABLE_NAME].len(), 2);
    assert!(answer.unprocessed_keys.is_none_or(|left| left.is_empty()));
}

#[tokio::test]
async fn both_indexes_are_sparse_sorted_and_carry_the_named_attributes_alone() {
    let (client, _) = client();
    for (sk, due) in [("1", "2026-03-01T10:00:00.000Z"), ("2", "2026-03-01T09:00:00.000Z"), ("3", "2026-03-02T00:00:00.000Z")] {
        put(&client, item("SYNC", sk, &[("due_pk", s("DUE#1")), ("due_sk", s(due)), ("kind", s("sync")), ("intent", s("large"))])).await;
    }
    put(&client, item("SYNC", "4", &[("kind", s("sync"))])).await;
    put(&client, item("SYNC", "5", &[("ix_pk", s("ATT#w")), ("ix_sk", s("held#1")), ("label", s("INV-1")), ("intent", s("large"))])).await;

    let due = client
        .query()
        .table_name(TABLE_NAME)
        .index_name("due")
        .key_condition_expression("due_pk = :shard AND due_sk <= :now")
        .expression_attribute_values(":shard", s("DUE#1"))
        .expression_attribute_values(":now", s("2026-03-01T12:00:00.000Z"))
        .send()
        .await
        .unwrap()
        .items
        .unwrap();
    let keys: Vec<&AttributeValue> = due.iter().map(|item| &item["sk"]).collect();
    assert_eq!(keys, [&s("2"), &s("1")]);
    assert_eq!(due[0]["kind"], s("sync"));
    assert!(!due[0].contains_key("intent"));

    let first = client
        .query()
        .table_name(TABLE_NAME)
        .index_name("list")
        .key_condition_expression("ix_pk = :list")
        .expression_attribute_values(":list", s("ATT#w"))
        .scan_index_forward(false)
        .limit(1)
        .send()
        .await
        .unwrap();
    let found = first.items.unwrap();
    assert_eq!(found[0]["label"], s("INV-1"));
    assert!(!found[0].contains_key("intent"));

    let at_rest = client
        .update_item()
        .table_name(TABLE_NAME)
        .key("pk", s("SYNC"))
        .key("sk", s("1"))
        .update_expression("REMOVE due_pk, due_sk")
        .send();
    at_rest.await.unwrap();
    let left = client.query().table_name(TABLE_NAME).index_name("due").key_condition_expression("due_pk = :shard");
    let left = left.expression_attribute_values(":shard", s("DUE#1")).send().await.unwrap();
    assert_eq!(left.count, 2);
}

#[tokio::test]
async fn a_query_goes_on_from_its_cursor_in_both_directions() {
    let (client, _) = client();
    for number in 0..5 {
        put(&client, item("INVOICE#w", &format!("inv_{number}"), &[])).await;
    }
    for (forward, wanted) in [(true, "inv_0 inv_1 inv_2 inv_3 inv_4"), (false, "inv_4 inv_3 inv_2 inv_1 inv_0")] {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = client
                .query()
                .table_name(TABLE_NAME)
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", s("INVOICE#w"))
                .scan_index_forward(forward)
                .limit(2)
                .set_exclusive_start_key(cursor)
                .send()
                .await
                .unwrap();
            seen.extend(page.items.unwrap().iter().map(|item| item["sk"].as_s().unwrap().clone()));
            cursor = page.last_evaluated_key;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.join(" "), wanted);
    }
}

async fn records(cloud: &coportal_local::aws_endpoint::Cloud) -> Vec<Value> {
    let arn = cloud.table().stream_arn().unwrap().to_owned();
    let streams = "DynamoDBStreams_20120810";
    let (status, described) = support::ask(cloud, &format!("{streams}.DescribeStream"), json!({"StreamArn": arn})).await;
    assert_eq!(status, 200, "{described}");
    assert_eq!(described["StreamDescription"]["StreamViewType"], "NEW_IMAGE");
    let mut all = Vec::new();
    for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
        let request = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        let (_, iterator) = support::ask(cloud, &format!("{streams}.GetShardIterator"), request).await;
        let (status, page) =
            support::ask(cloud, &format!("{streams}.GetRecords"), json!({"ShardIterator": iterator["ShardIterator"]})).await;
        assert_eq!(status, 200, "{page}");
        all.extend(page["Records"].as_array().unwrap().iter().cloned());
    }
    all
}

#[tokio::test]
async fn the_stream_carries_the_new_image_of_every_change_in_order() {
    let (client, cloud) = client();
    put(&client, item("INVOICE#w", "inv_1", &[("kind", s("invoice")), ("version", n(1))])).await;
    put(&client, item("INVOICE#w", "inv_1", &[("kind", s("invoice")), ("version", n(2))])).await;
    client.transact_write_items().transact_items(put_if_absent("NUM#w")).send().await.unwrap();
    client.delete_item().table_name(TABLE_NAME).key("pk", s("INVOICE#w")).key("sk", s("inv_1")).send().await.unwrap();
    let seen: Vec<String> = records(&cloud)
        .await
        .iter()
        .map(|record| format!("{} {}", record["eventName"].as_str().unwrap(), record["dynamodb"]["NewImage"]["version"]["N"]))
        .collect();
    assert_eq!(seen, ["INSERT \"1\"", "MODIFY \"2\"", "INSERT null", "REMOVE null"]);
}

#[tokio::test]
async fn expired_items_are_removed_by_the_moved_clock_and_not_before() {
    let local = support::local();
    let client = support::dynamodb(&local.cloud);
    let exp = local.clock.now().as_second() + 600;
    put(&client, item("OAUTH#h", "STATE", &[("exp", n(exp))])).await;
    assert_eq!(local.cloud.table().remove_expired().unwrap(), 0);
    local.clock.advance(jiff::SignedDuration::from_mins(11));
    assert!(get(&client, "OAUTH#h", "STATE").await.is_some(), "an expired item is there until it is removed");
    assert_eq!(local.cloud.table().remove_expired().unwrap(), 1);
    assert!(get(&client, "OAUTH#h", "STATE").await.is_none());
}

#[tokio::test]
async fn tables_are_made_by_the_template_alone() {
    let (_, cloud) = client();
    for operation in ["CreateTable", "DeleteTable", "ExecuteStatement", "Nonsense"] {
        let (status, body) = support::ask(&cloud, &format!("DynamoDB_20120810.{operation}"), json!({"TableName": TABLE_NAME})).await;
        assert_eq!(status, 501, "{body}");
        assert!(body["message"].as_str().unwrap().contains(operation));
    }
}

fn shape() -> coportal_local::template::Table {
    Template::parse(DEPLOYED).unwrap().tables.remove("Table").unwrap()
}

#[tokio::test]
async fn a_table_in_a_file_is_there_again_and_one_of_another_shape_is_refused() {
    let folder = Folder::new("table");
    let path = folder.0.join("table.db");
    let write = json!({"TableName": TABLE_NAME, "Item": {"pk": {"S": "A"}, "sk": {"S": "1"}}});
    let first = Table::in_file(&path, TABLE_NAME, &shape()).unwrap();
    assert_eq!(first.handle(support::call("DynamoDB_20120810.PutItem", &write)).await.status(), 200);
    drop(first);

    let second = Table::in_file(&path, TABLE_NAME, &shape()).unwrap();
    assert!(second.stream_arn().is_some());
    let read = json!({"TableName": TABLE_NAME, "Key": {"pk": {"S": "A"}, "sk": {"S": "1"}}});
    let found = second.handle(support::call("DynamoDB_20120810.GetItem", &read)).await;
    assert_eq!(support::body(&found)["Item"]["pk"]["S"], "A");
    drop(second);

    let mut other = shape();
    other.indexes.pop();
    let refused = Table::in_file(&path, TABLE_NAME, &other).err().unwrap();
    assert!(matches!(refused, TableError::OtherShape { .. }), "{refused}");
    assert!(refused.to_string().contains("move the file away"));
}

/// The answers of dynoxide's own HTTP server and of the in-process handler are the same, success and refusal alike.
#[tokio::test(flavor = "multi_thread")]
async fn the_socket_and_the_process_give_the_same_answers() {
    let clock = support::clock();
    let served = Table::in_memory(TABLE_NAME, &shape(), &clock).unwrap();
    let direct = Table::in_memory(TABLE_NAME, &shape(), &clock).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = {
        let served = served.clone();
        tokio::spawn(async move { served.serve(listener, async { stopped.await.unwrap_or(()) }).await })
    };
    let key = json!({"pk": {"S": "A"}, "sk": {"S": "1"}});
    let put = json!({"TableName": TABLE_NAME, "Item": {"pk": {"S": "A"}, "sk": {"S": "1"}, "rev": {"N": "1"}, "due_pk": {"S": "D"}, "due_sk": {"S": "1"}}});
    let mut guarded = put.clone();
    guarded["ConditionExpression"] = json!("attribute_not_exists(pk)");
    guarded["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    let steps: Vec<(&str, Value)> = vec![
        ("PutItem", put.clone()),
        ("PutItem", guarded.clone()),
        ("GetItem", json!({"TableName": TABLE_NAME, "Key": key, "ConsistentRead": true})),
        ("GetItem", json!({"TableName": "other", "Key": key})),
        ("GetItem", json!({"TableName": TABLE_NAME})),
        ("GetItem", json!({"TableName": 7})),
        ("GetItem", json!({"TableName": TABLE_NAME, "Key": {"pk": {"S": ""}, "sk": {"S": "1"}}})),
        (
            "Query",
            json!({"TableName": TABLE_NAME, "IndexName": "due", "KeyConditionExpression": "due_pk = :p", "ExpressionAttributeValues": {":p": {"S": "D"}}}),
        ),
        (
            "Query",
            json!({"TableName": TABLE_NAME, "IndexName": "none", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "D"}}}),
        ),
        (
            "UpdateItem",
            json!({"TableName": TABLE_NAME, "Key": key, "UpdateExpression": "SET rev = :n", "ConditionExpression": "rev = :s", "ExpressionAttributeValues": {":n": {"N": "2"}, ":s": {"N": "5"}}}),
        ),
        (
            "UpdateItem",
            json!({"TableName": TABLE_NAME, "Key": key, "UpdateExpression": "SET rev = rev + :n", "ExpressionAttributeValues": {":n": {"N": "2"}}, "ReturnValues": "ALL_NEW"}),
        ),
        ("TransactWriteItems", json!({"TransactItems": [{"Put": guarded}], "ClientRequestToken": "t"})),
        ("BatchGetItem", json!({"RequestItems": {TABLE_NAME: {"Keys": [key]}}})),
        ("DeleteItem", json!({"TableName": TABLE_NAME, "Key": key, "ReturnValues": "ALL_OLD"})),
    ];
    let http = Plain(address);
    for (operation, body) in steps {
        let target = format!("DynamoDB_20120810.{operation}");
        let here = direct.handle(support::call(&target, &body)).await;
        let status = here.status().as_u16();
        let mut here = support::body(&here);
        let (status_there, mut there) = http.post(&target, &body).await;
        if here["__type"].as_str().is_some_and(|kind| kind.ends_with("SerializationException")) {
            // What a body cannot be read for is worded by each reader in its own way.
            here["Message"] = Value::Null;
            there["Message"] = Value::Null;
        }
        assert_eq!((status_there, there), (status, here), "{operation} {body}");
    }
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_without_signature_is_refused() {
    let table = Table::in_memory(TABLE_NAME, &shape(), &support::clock()).unwrap();
    let mut request = support::call("DynamoDB_20120810.GetItem", &json!({}));
    request.headers_mut().remove("authorization");
    let refused = table.handle(request).await;
    assert_eq!(support::body(&refused)["__type"], "MissingAuthenticationTokenException");
    let get = Request::get("/").body(Bytes::new()).unwrap();
    assert_eq!(table.handle(get).await.status(), 404);
}

#[tokio::test]
async fn a_request_that_is_no_text_cannot_be_read() {
    let table = Table::in_memory(TABLE_NAME, &shape(), &support::clock()).unwrap();
    let request = support::call("DynamoDB_20120810.GetItem", &json!({}));
    for bytes in [b"{\"TableName\": \"\xFF\"}".as_slice(), b"\xFF", b""] {
        let refused = table.handle(request.clone().map(|_| Bytes::copy_from_slice(bytes))).await;
        assert_eq!(refused.status(), 400, "{bytes:?}");
        let kind = support::body(&refused)["__type"].as_str().unwrap().to_owned();
        assert!(kind.ends_with("SerializationException"), "{bytes:?}: {kind}");
    }
}

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("coportal-local-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A plain HTTP/1.1 client over one connection per request; enough to compare answers.
struct Plain(std::net::SocketAddr);

impl Plain {
    async fn post(&self, target: &str, body: &Value) -> (u16, Value) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let body = body.to_string();
        let mut stream = tokio::net::TcpStream::connect(self.0).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-date: 20260301T090000Z\r\nauthorization: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.0,
            support::AUTHORIZATION,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }
}
