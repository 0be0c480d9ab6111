use coportal_core::connection::Generation;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::queue::SyncMessage;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::testing::{BULK_URL, Fault, NOW_URL, Services};

fn messages(count: u128) -> Vec<Message> {
    let ws = WorkspaceId::new(Uuid::from_u128(1));
    let message =
        |n| SyncMessage { ws, ledger: Ledger::Xero, generation: Generation(1), invoices: vec![InvoiceId::new(Uuid::from_u128(n))] };
    (1..=count).map(|n| message(n).into()).collect()
}

fn not_sent(cause: &str) -> SendOutcome {
    SendOutcome::NotSent { cause: cause.to_owned() }
}

#[tokio::test]
async fn messages_go_ten_a_call_to_the_queue_that_is_meant_each_with_its_group() {
    let services = Services::new();
    let (queues, ctx) = (services.cloud().queues, services.ctx());
    let sent = queues.send(&ctx, SyncQueue::Now, &messages(21)).await.unwrap();
    assert_eq!(sent, vec![SendOutcome::Sent; 21]);
    let calls = services.calls();
    let sizes: Vec<usize> = calls.iter().map(|call| call.body["Entries"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [10, 10, 1]);
    let bodies: Vec<&Value> = calls.iter().flat_map(|call| call.body["Entries"].as_array().unwrap()).collect();
    for (entry, message) in bodies.iter().zip(messages(21)) {
        assert_eq!(Message::decode(entry["MessageBody"].as_str().unwrap()).unwrap(), message);
        assert_eq!(entry["MessageGroupId"], "ws_00000000000000000000000000000001:xero");
    }
    assert!(calls.iter().all(|call| call.body["QueueUrl"] == NOW_URL));
    queues.send(&ctx, SyncQueue::Bulk, &messages(1)).await.unwrap();
    assert_eq!(services.calls().last().unwrap().body["QueueUrl"], BULK_URL);
    assert_eq!(queues.send(&ctx, SyncQueue::Now, &[]).await.unwrap(), Vec::new());
    assert_eq!(services.calls().len(), 4, "nothing to send is no call");
}

/// The SDK sends again: the queue has the message twice, and the outcome is one.
#[tokio::test]
async fn a_lost_answer_doubles_the_messages_of_that_call_and_loses_none() {
    let services = Services::new();
    services.fault(0, Fault::LoseAnswer);
    let sent = services.cloud().queues.send(&services.ctx(), SyncQueue::Now, &messages(2)).await.unwrap();
    assert_eq!(sent, vec![SendOutcome::Sent; 2]);
    let calls = services.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].body, calls[1].body);
}

#[tokio::test]
async fn an_entry_that_the_queue_refused_or_forgot_is_named() {
    let services = Services::new();
    let done = json!({"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"});
    let failed = json!({"Id": "1", "SenderFault": false, "Code": "InternalError"});
    services.fault(0, Fault::Answer(200, json!({"Successful": [done], "Failed": [failed]})));
    let sent = services.cloud().queues.send(&services.ctx(), SyncQueue::Now, &messages(3)).await.unwrap();
    assert_eq!(sent, [SendOutcome::Sent, not_sent("InternalError"), not_sent("the answer does not name it")]);
}

#[tokio::test]
async fn a_queue_that_cannot_be_reached_is_an_error_and_halfway_an_outcome() {
    let services = Services::new();
    let (queues, ctx) = (services.cloud().queues, services.ctx());
    for n in 0..3 {
        services.fault(n, Fault::LoseRequest);
    }
    let error = queues.send(&ctx, SyncQueue::Now, &messages(1)).await.unwrap_err();
    assert_eq!(error, StoreError::Unavailable { operation: SEND, cause: "no connection".to_owned() });
    for n in 1..4 {
        services.fault(n, Fault::LoseRequest);
    }
    let sent = queues.send(&ctx, SyncQueue::Now, &messages(25)).await.unwrap();
    assert_eq!((sent.len(), sent.iter().filter(|outcome| outcome.is_sent()).count()), (25, 10));
    assert_eq!(sent[10], not_sent("SendMessageBatch: unavailable (no connection)"));
    assert_eq!(services.calls().len(), 3 + 1 + 3, "what cannot be reached is not asked for the rest");
}

#[tokio::test]
async fn without_time_no_further_call_is_begun() {
    let services = Services::new();
    let (queues, ctx) = (services.cloud().queues, services.ctx());
    services.advance(SignedDuration::from_secs(22));
    let sent = queues.send(&ctx, SyncQueue::Now, &messages(11)).await.unwrap();
    assert_eq!(sent.last().unwrap(), &not_sent("SendMessageBatch: unavailable (no time left)"));
    assert_eq!(sent.iter().filter(|outcome| outcome.is_sent()).count(), 10);
}

#[tokio::test]
async fn refusals_of_the_service_are_sorted() {
    let services = Services::new();
    let (queues, ctx) = (services.cloud().queues, services.ctx());
    for (code, transient, calls) in
        [("RequestThrottled", true, 3), ("KmsThrottled", true, 1), ("QueueDoesNotExist", false, 1), ("AccessDenied", false, 1)]
    {
        let before = services.calls().len();
        for n in 0..calls {
            services.fault(n, Fault::Answer(400, json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "no"})));
        }
        let error = queues.send(&ctx, SyncQueue::Now, &messages(1)).await.unwrap_err();
        assert_eq!(matches!(error, StoreError::Unavailable { .. }), transient, "{error}");
        assert!(error.to_string().contains(code), "{error}");
        assert_eq!(services.calls().len() - before, calls, "{code}");
    }
}

#[tokio::test]
async fn a_function_without_addresses_cannot_send_and_says_so() {
    let services = Services::new();
    let mut config = services.config();
    config.queues = QueueUrls { now: None, bulk: Some(BULK_URL.to_owned()) };
    let queues = config.connect().queues;
    let error = queues.send(&services.ctx(), SyncQueue::Now, &messages(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "SendMessageBatch: refused (this function has no address of sync-now)");
    let nothing =
        SyncMessage { ws: WorkspaceId::new(Uuid::from_u128(1)), ledger: Ledger::Xero, generation: Generation(1), invoices: vec![] }.into();
    let error = queues.send(&services.ctx(), SyncQueue::Bulk, &[nothing]).await.unwrap_err();
    assert!(error.to_string().contains("no invoice is named"), "{error}");
    assert!(services.calls().is_empty());
}

#[test]
fn a_call_is_bounded_by_bytes_too() {
    let body = |bytes: usize| ("x".repeat(bytes), String::new());
    let sizes = |bodies: &[(String, String)]| batches(bodies).map(<[_]>::len).collect::<Vec<_>>();
    assert_eq!(sizes(&vec![body(BATCH_BYTES / 2); 3]), [2, 1]);
    assert_eq!(sizes(&vec![body(BATCH_BYTES / 2 + 1); 3]), [1, 1, 1]);
    assert_eq!(sizes(&vec![body(1); 12]), [10, 2]);
    assert_eq!(sizes(&[]), Vec::<usize>::new());
}
