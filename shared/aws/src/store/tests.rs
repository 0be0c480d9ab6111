use super::*;
use crate::error::StoreError;
use crate::keys::{self, Key};
use crate::testing::{Fault, Services, TABLE};
use coportal_core::id::WorkspaceId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    name: String,
    note: Option<String>,
}

fn key(n: u128) -> Key {
    keys::workspace(WorkspaceId::new(Uuid::from_u128(n)))
}

fn sample(name: &str, note: Option<&str>) -> Fields {
    Fields::of(Kind::Workspace, &Sample { name: name.to_owned(), note: note.map(str::to_owned) }).unwrap()
}

fn done(write: &Write) -> u64 {
    match write {
        Write::Done { rev } => *rev,
        Write::Refused { old } => panic!("refused: {old:?}"),
    }
}

#[tokio::test]
async fn an_update_sets_removes_and_leaves_alone() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let first = sample("one", Some("n")).text("of_a_newer_binary", "kept");
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), first).when(Condition::absent())).await.unwrap()), 1);
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), sample("two", None)).when(Condition::rev(1))).await.unwrap()), 2);
    let item = store.get(&key(1)).await.unwrap().unwrap();
    assert_eq!(item["of_a_newer_binary"].as_s().unwrap(), "kept");
    assert!(!item.contains_key("note"));
    assert_eq!((item["kind"].as_s().unwrap().as_str(), rev_of(&item)), ("workspace", 2));
    assert_eq!(item["wid"].as_s().unwrap().len(), 32);
    assert_eq!(item["updated_at"].as_s().unwrap(), "2026-03-01T09:00:00.000Z");
    let read: Sample = from_item(Kind::Workspace, item.clone()).unwrap();
    assert_eq!(read, Sample { name: "two".to_owned(), note: None });
    assert!(from_item::<Sample>(Kind::Client, item.clone()).is_err(), "another kind");
    let mut newer = item;
    newer.insert("v".to_owned(), number(2));
    assert!(from_item::<Sample>(Kind::Workspace, newer).is_err(), "a newer shape");
}

/// What is asked back is counted in what crosses the network: where the condition names the revision, nothing is.
#[tokio::test]
async fn an_update_asks_for_its_revision_only_where_its_condition_does_not_say_it() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let newest = || services.calls().pop().unwrap().body;
    let absent = Change::update(key(1), sample("one", None)).when(Condition::absent());
    assert_eq!(done(&store.write(&ctx, absent).await.unwrap()), 1);
    assert_eq!(newest()["ReturnValues"], "NONE");
    assert!(!newest()["UpdateExpression"].as_str().unwrap().contains("REMOVE"), "nothing to remove from what is not there");
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), sample("two", None))).await.unwrap()), 2);
    assert_eq!(newest()["ReturnValues"], "UPDATED_NEW");
    let either = Condition::new("attribute_not_exists(#pk) OR #rev = :two").number(":two", 2);
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), sample("three", None)).when(either)).await.unwrap()), 3);
    assert_eq!(newest()["ReturnValues"], "UPDATED_NEW");
    let known = Condition::present().and(Condition::rev(3));
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), sample("four", None)).when(known)).await.unwrap()), 4);
    assert_eq!(newest()["ReturnValues"], "NONE");
    assert!(newest()["UpdateExpression"].as_str().unwrap().contains("REMOVE"));
    assert_eq!(rev_of(&store.get(&key(1)).await.unwrap().unwrap()), 4);
}

#[tokio::test]
async fn a_failed_condition_shows_the_item_that_stands() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), sample("one", None))).await.unwrap()), 1);
    let refused = store.write(&ctx, Change::update(key(1), sample("two", None)).when(Condition::rev(7))).await.unwrap();
    let Write::Refused { old: Some(old) } = refused else { panic!() };
    assert_eq!(old["name"].as_s().unwrap(), "one");
    let refused = store.write(&ctx, Change::update(key(2), sample("two", None)).when(Condition::rev(7))).await.unwrap();
    assert!(matches!(refused, Write::Refused { old: None }));
}

/// docs/records.md, section 4, first row: a success is never read as a defeat.
#[tokio::test]
async fn a_lost_answer_of_a_conditional_write_is_not_a_defeat() {
    for lost in 1..=2_usize {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        for n in 0..lost {
            services.fault(n, Fault::LoseAnswer);
        }
        let write = store.write(&ctx, Change::update(key(1), sample("one", None)).when(Condition::absent())).await.unwrap();
        assert_eq!(done(&write), 1);
        services.fault(0, Fault::LoseAnswer);
        let write = store.write(&ctx, Change::put(key(2), sample("one", None)).when(Condition::absent())).await.unwrap();
        assert_eq!(done(&write), 1);
        services.fault(0, Fault::LoseAnswer);
        let write = store.write(&ctx, Change::update(key(1), sample("two", None)).when(Condition::rev(1))).await.unwrap();
        assert_eq!(done(&write), 2);
    }
}

#[tokio::test]
async fn a_lost_answer_of_a_transaction_is_not_a_defeat() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    services.fault(0, Fault::LoseAnswer);
    let changes = vec![
        Change::update(key(1), sample("one", None)).when(Condition::absent()),
        Change::update(key(2), sample("two", None)).when(Condition::absent()),
    ];
    assert!(matches!(store.transact(&ctx, changes).await.unwrap(), Transacted::Done));
    assert_eq!(rev_of(&store.get(&key(1)).await.unwrap().unwrap()), 1, "one effect");
    let calls = services.calls();
    assert_eq!(calls[0].body["ClientRequestToken"], calls[1].body["ClientRequestToken"]);
}

/// The table forgets tokens after ten minutes; the write id still tells.
#[tokio::test]
async fn a_transaction_that_landed_and_was_forgotten_is_recognised_by_its_write_id() {
    let wid = "00ff";
    let mut old = Item::new();
    old.insert("wid".to_owned(), string(wid));
    let reason = aws_sdk_dynamodb::types::CancellationReason::builder().code("ConditionalCheckFailed").set_item(Some(old)).build();
    let none = aws_sdk_dynamodb::types::CancellationReason::builder().code("None").build();
    let outcome = write::cancellation(vec![none, reason], wid).unwrap();
    assert!(matches!(outcome, Transacted::Done));
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_says_which_part_refused() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), sample("one", None))).await.unwrap()), 1);
    let changes = vec![
        Change::update(key(2), sample("two", None)),
        Change::update(key(1), sample("x", None)).when(Condition::rev(9)),
        Change::check(key(3), Condition::present()),
    ];
    let outcome = store.transact(&ctx, changes).await.unwrap();
    assert!(outcome.refusal(0).is_none());
    assert_eq!(outcome.refusal(1).unwrap().unwrap()["name"].as_s().unwrap(), "one");
    assert!(outcome.refusal(2).unwrap().is_none(), "refused on an absent item");
    assert!(store.get(&key(2)).await.unwrap().is_none());
    assert!(store.write(&ctx, Change::check(key(3), Condition::present())).await.is_err(), "a check alone is no write");
}

fn cancelled(code: &str) -> Fault {
    Fault::Answer(
        400,
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "Transaction cancelled",
            "CancellationReasons": [{"Code": code, "Message": "x"}, {"Code": "None"}],
        }),
    )
}

#[tokio::test]
async fn conflicts_are_tried_again_with_the_same_token_and_end() {
    let changes = || vec![Change::update(key(1), sample("one", None)), Change::update(key(2), sample("two", None))];
    for code in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        services.fault(0, cancelled(code));
        services.fault(1, cancelled(code));
        assert!(matches!(store.transact(&ctx, changes()).await.unwrap(), Transacted::Done));
        let tokens: Vec<_> = services.calls().iter().map(|call| call.body["ClientRequestToken"].clone()).collect();
        assert!(tokens.windows(2).all(|two| two[0] == two[1]), "{tokens:?}");
    }
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    for n in 0..100 {
        services.fault(n, cancelled("TransactionConflict"));
    }
    let error = store.transact(&ctx, changes()).await.unwrap_err();
    assert_eq!(error, StoreError::Conflict { operation: "TransactWriteItems" });
    assert!(services.calls().len() <= 24, "bounded: {}", services.calls().len());

    let services = Services::new();
    services.fault(0, cancelled("ValidationError"));
    let error = services.cloud().store.transact(&services.ctx(), changes()).await.unwrap_err();
    assert!(matches!(error, StoreError::Defect { .. }), "a refused request is not tried again: {error}");
    assert_eq!(services.calls().len(), 1);
}

#[tokio::test]
async fn unprocessed_keys_are_never_missing() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    for n in 1..=5 {
        assert_eq!(done(&store.write(&ctx, Change::update(key(n), sample("x", None))).await.unwrap()), 1);
    }
    services.fault(0, Fault::LeaveUnprocessed);
    services.fault(1, Fault::LeaveUnprocessed);
    let wanted: Vec<Key> = [5, 1, 9, 3, 1].into_iter().map(key).collect();
    let found = store.batch_get(&ctx, &wanted).await.unwrap();
    let there: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, true, false, true, true]);
    assert_eq!(found[1], found[4]);

    let all = json!({"Responses": {}, "UnprocessedKeys": {TABLE: {"Keys": [{"pk": {"S": "a"}, "sk": {"S": "b"}}]}}});
    for n in 0..100 {
        services.fault(n, Fault::Answer(200, all.clone()));
    }
    let error = store.batch_get(&ctx, &wanted).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }));
}

#[tokio::test]
async fn more_than_a_hundred_keys_are_read_in_batches() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let wanted: Vec<Key> = (0..230).map(key).collect();
    assert_eq!(store.batch_get(&ctx, &wanted).await.unwrap().len(), 230);
    assert_eq!(services.calls().len(), 3);
    assert!(store.batch_get(&ctx, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_unavailable_and_one_that_refuses_is_our_defect() {
    let services = Services::new();
    let store = services.cloud().store;
    for n in 0..3 {
        services.fault(n, Fault::LoseRequest);
    }
    assert!(matches!(store.get(&key(1)).await.unwrap_err(), StoreError::Unavailable { .. }));
    assert_eq!(services.calls().len(), 3, "attempts of the SDK");
    services.fault(0, Fault::Answer(400, json!({"__type": "x#AccessDeniedException", "message": "no"})));
    assert!(matches!(store.get(&key(1)).await.unwrap_err(), StoreError::Defect { .. }));
}

#[tokio::test]
async fn a_list_goes_on_after_its_cursor_and_stays_in_its_partition() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let at = |n: u8| Key { pk: "P".to_owned(), sk: format!("M#{n}") };
    for n in 0..5 {
        let fields = sample("x", None).listed(Some(("L".to_owned(), format!("s{n}"))));
        assert_eq!(done(&store.write(&ctx, Change::update(at(n), fields)).await.unwrap()), 1);
    }
    let other = Key { pk: "P".to_owned(), sk: "OTHER".to_owned() };
    assert_eq!(done(&store.write(&ctx, Change::update(other, sample("y", None))).await.unwrap()), 1);
    for newest_first in [false, true] {
        for index in [false, true] {
            let (mut seen, mut after) = (Vec::new(), None::<String>);
            loop {
                let prefix = if index { "" } else { "M#" };
                let range = Range { prefix, after: after.as_deref(), newest_first, limit: Some(2), ..Range::default() };
                let page =
                    if index { store.query_index(keys::Index::List, "L", &range).await } else { store.query("P", &range).await }.unwrap();
                seen.extend(page.items.iter().map(|item| item["sk"].as_s().unwrap().clone()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let mut expected: Vec<String> = (0..5).map(|n| format!("M#{n}")).collect();
            if newest_first {
                expected.reverse();
            }
            assert_eq!(seen, expected, "index {index}");
        }
    }
    let forged = Range { prefix: "M#", after: Some("OTHER"), ..Range::default() };
    assert!(store.query("P", &forged).await.unwrap().items.is_empty());
    assert_eq!(store.query_all("P", "M#").await.unwrap().len(), 5);
    let due = Range { up_to: Some("s2"), ..Range::default() };
    assert_eq!(store.query_index(keys::Index::List, "L", &due).await.unwrap().items.len(), 3);
}

/// The same through the SDK's own HTTP client and dynoxide's own server.
#[tokio::test]
async fn a_write_and_a_read_over_a_socket() {
    let services = Services::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(dynoxide::server::serve_with_shutdown(listener, services.db.clone(), async {
        let _ = stopped.await;
    }));
    let mut config = services.config();
    config.http_client = None;
    config.sleep = None;
    config.endpoints = crate::cloud::Endpoints::all(&format!("http://{address}"));
    let store = config.store();
    let ctx = services.ctx();
    assert_eq!(done(&store.write(&ctx, Change::update(key(1), sample("one", None)).when(Condition::absent())).await.unwrap()), 1);
    assert!(store.get(&key(1)).await.unwrap().is_some());
    drop(store);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
