//! The queue double, asked by the real SDK.

use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry};
use coportal_local::assembly::LocalCloud;
use coportal_local::doubles::sqs::{Counts, Sqs, url};
use jiff::SignedDuration;
use serde_json::json;

use crate::support;

const NOW: &str = "SyncNow";
const DEAD: &str = "SyncNowDeadLetters";

fn counts(visible: u64, in_flight: u64, delayed: u64) -> Counts {
    Counts { visible, in_flight, delayed }
}

async fn send(client: &aws_sdk_sqs::Client, body: &str, group: &str) {
    client.send_message().queue_url(url(NOW)).message_body(body).message_group_id(group).send().await.unwrap();
}

async fn bodies(client: &aws_sdk_sqs::Client, queue: &str, max: i32) -> Vec<String> {
    let answer = client.receive_message().queue_url(url(queue)).max_number_of_messages(max).send().await.unwrap();
    answer.messages().iter().map(|message| message.body().unwrap().to_owned()).collect()
}

fn advance(local: &LocalCloud, seconds: i64) {
    local.clock.advance(SignedDuration::from_secs(seconds));
    local.cloud.sqs().wake();
}

#[tokio::test]
async fn a_message_is_hidden_while_it_is_in_flight_and_gone_when_it_is_deleted() {
    let local = support::local();
    let (client, sqs) = (support::sqs(&local.cloud), local.cloud.sqs());
    send(&client, "one", "a").await;
    assert_eq!(sqs.counts(NOW), counts(1, 0, 0));
    let answer =
        client.receive_message().queue_url(url(NOW)).message_system_attribute_names(MessageSystemAttributeName::All).send().await.unwrap();
    let [message] = answer.messages() else { panic!("{answer:?}") };
    assert_eq!(message.md5_of_body(), Some("f97c5d29941bfb1b2fdab0874906ab82"));
    let attributes = message.attributes().unwrap();
    assert_eq!(attributes[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    assert_eq!(attributes[&MessageSystemAttributeName::MessageGroupId], "a");
    assert_eq!(attributes[&MessageSystemAttributeName::SentTimestamp], "1772355600000");
    assert!(bodies(&client, NOW, 10).await.is_empty());
    assert_eq!(sqs.counts(NOW), counts(0, 1, 0));
    let old = message.receipt_handle().unwrap().to_owned();

    // The template's visibility time-out: six times the worker's 180 seconds.
    advance(&local, 1_079);
    assert!(bodies(&client, NOW, 10).await.is_empty());
    advance(&local, 1);
    let again = client.receive_message().queue_url(url(NOW)).send().await.unwrap();
    let new = again.messages()[0].receipt_handle().unwrap();
    assert_ne!(new, old);
    client.delete_message().queue_url(url(NOW)).receipt_handle(&old).send().await.unwrap();
    assert_eq!(sqs.counts(NOW), counts(0, 1, 0), "an older handle deletes nothing");
    client.delete_message().queue_url(url(NOW)).receipt_handle(new).send().await.unwrap();
    client.delete_message().queue_url(url(NOW)).receipt_handle(new).send().await.unwrap();
    assert_eq!(sqs.counts(NOW), counts(0, 0, 0));
}

#[tokio::test]
async fn what_was_received_as_often_as_the_queue_allows_goes_to_its_dead_letters() {
    let local = support::local();
    let (client, sqs) = (support::sqs(&local.cloud), local.cloud.sqs());
    send(&client, "poison", "a").await;
    for _ in 0..5 {
        assert_eq!(bodies(&client, NOW, 10).await, ["poison"]);
        assert_eq!(sqs.counts(DEAD), Counts::default());
        advance(&local, 1_080);
    }
    assert!(bodies(&client, NOW, 10).await.is_empty());
    assert_eq!((sqs.counts(NOW), sqs.counts(DEAD)), (Counts::default(), counts(1, 0, 0)));
    let dead = sqs.receive(DEAD, 10);
    assert_eq!(dead[0].body, "poison");
    assert_eq!(dead[0].moved_from.as_deref(), Some("arn:aws:sqs:eu-west-1:000000000000:SyncNow"));
    // Age counts from the first sending: 14 days there.
    advance(&local, 14 * 86_400 - 5 * 1_080 - 1);
    assert_eq!(sqs.counts(DEAD), counts(1, 0, 0));
    advance(&local, 1);
    assert_eq!(sqs.counts(DEAD), Counts::default());
}

#[tokio::test]
async fn a_delay_is_waited_for_and_fifteen_minutes_are_the_longest() {
    let local = support::local();
    let client = support::sqs(&local.cloud);
    let send = |delay: i32| client.send_message().queue_url(url(NOW)).message_body("later").delay_seconds(delay).send();
    send(900).await.unwrap();
    let error = send(901).await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    assert_eq!(local.cloud.sqs().counts(NOW), counts(0, 0, 1));
    advance(&local, 899);
    assert!(bodies(&client, NOW, 1).await.is_empty());
    advance(&local, 1);
    assert_eq!(bodies(&client, NOW, 1).await, ["later"]);
}

#[tokio::test]
async fn a_long_poll_ends_with_the_message_and_not_before_its_time_without_one() {
    let local = support::local();
    let (client, other) = (support::sqs(&local.cloud), support::sqs(&local.cloud));
    let began = tokio::time::Instant::now();
    let waiting = tokio::spawn(async move { other.receive_message().queue_url(url(NOW)).wait_time_seconds(20).send().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    send(&client, "here", "a").await;
    assert_eq!(waiting.await.unwrap().unwrap().messages().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(10));
    let began = tokio::time::Instant::now();
    assert!(client.receive_message().queue_url(url(NOW)).wait_time_seconds(1).send().await.unwrap().messages().is_empty());
    assert!(began.elapsed() >= Duration::from_secs(1));
}

/// SQS fair queues: the one message of a quiet group does not wait behind the many of a busy one.
#[tokio::test]
async fn a_group_with_much_in_flight_lets_others_go_first() {
    let local = support::local();
    let client = support::sqs(&local.cloud);
    for n in 0..30 {
        send(&client, &format!("busy {n}"), "busy").await;
    }
    for group in ["quiet 1", "quiet 2"] {
        send(&client, group, &group.replace(' ', "-")).await;
    }
    client.send_message().queue_url(url(NOW)).message_body("alone").send().await.unwrap();
    assert_eq!(bodies(&client, NOW, 2).await, ["busy 0", "quiet 1"]);
    assert_eq!(bodies(&client, NOW, 3).await, ["quiet 2", "alone", "busy 1"]);
}

#[tokio::test]
async fn batches_are_bounded_and_each_entry_has_its_own_outcome() {
    let local = support::local();
    let client = support::sqs(&local.cloud);
    let entry = |id: &str, body: String| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap();
    let send =
        |entries: Vec<SendMessageBatchRequestEntry>| client.send_message_batch().queue_url(url(NOW)).set_entries(Some(entries)).send();
    let answer = send(vec![entry("a", "good".to_owned()), entry("b", "\u{1}".to_owned())]).await.unwrap();
    assert_eq!((answer.successful().len(), answer.successful()[0].id()), (1, "a"));
    let failed = &answer.failed()[0];
    assert_eq!((failed.id(), failed.code(), failed.sender_fault()), ("b", "InvalidMessageContents", true));
    let half = "x".repeat(512 * 1024);
    assert!(send(vec![entry("a", half.clone()), entry("b", half.clone())]).await.is_ok());
    for (entries, code) in [
        (vec![entry("a", half.clone()), entry("b", half.clone()), entry("c", "x".to_owned())], "BatchRequestTooLong"),
        ((0..11).map(|n| entry(&n.to_string(), "x".to_owned())).collect(), "TooManyEntriesInBatchRequest"),
        (Vec::new(), "EmptyBatchRequest"),
        (vec![entry("a", "x".to_owned()), entry("a", "y".to_owned())], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "x".to_owned())], "InvalidBatchEntryId"),
    ] {
        let error = send(entries).await.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some(format!("AWS.SimpleQueueService.{code}").as_str()));
    }
    assert_eq!(local.cloud.sqs().counts(NOW).visible, 3);
    let received = local.cloud.sqs().receive(NOW, 10);
    let delete = aws_sdk_sqs::types::DeleteMessageBatchRequestEntry::builder;
    let good = delete().id("good").receipt_handle(&received[0].receipt_handle).build().unwrap();
    let bad = delete().id("bad").receipt_handle("no handle").build().unwrap();
    let answer = client.delete_message_batch().queue_url(url(NOW)).entries(good).entries(bad).send().await.unwrap();
    assert_eq!((answer.successful()[0].id(), answer.failed()[0].code()), ("good", "ReceiptHandleIsInvalid"));
    assert_eq!(local.cloud.sqs().counts(NOW).in_flight, 2);
}

#[tokio::test]
async fn visibility_is_changed_while_a_message_is_in_flight() {
    let local = support::local();
    let client = support::sqs(&local.cloud);
    send(&client, "one", "a").await;
    let handle = local.cloud.sqs().receive(NOW, 1)[0].receipt_handle.clone();
    let change =
        |handle: &str, to: i32| client.change_message_visibility().queue_url(url(NOW)).receipt_handle(handle).visibility_timeout(to).send();
    change(&handle, 60).await.unwrap();
    advance(&local, 59);
    assert_eq!(local.cloud.sqs().counts(NOW), counts(0, 1, 0));
    change(&handle, 0).await.unwrap();
    assert_eq!(local.cloud.sqs().counts(NOW), counts(1, 0, 0));
    let error = change(&handle, 60).await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight(), "{error}");
    assert!(change("no handle", 60).await.unwrap_err().into_service_error().is_receipt_handle_is_invalid());
}

#[tokio::test]
async fn a_test_can_have_messages_delivered_twice() {
    let local = support::local();
    let client = support::sqs(&local.cloud);
    local.cloud.sqs().double_next(NOW, 1);
    send(&client, "twice", "a").await;
    send(&client, "once", "a").await;
    let received = local.cloud.sqs().receive(NOW, 10);
    let bodies: Vec<&str> = received.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["twice", "twice", "once"]);
    assert_eq!(received[0].message_id, received[1].message_id);
    assert_ne!(received[0].receipt_handle, received[1].receipt_handle);
}

#[tokio::test]
async fn a_queue_says_what_the_template_makes_it() {
    let local = support::local();
    let client = support::sqs(&local.cloud);
    let named = client.get_queue_url().queue_name(NOW).send().await.unwrap();
    assert_eq!(named.queue_url(), Some(url(NOW).as_str()));
    let answer = client.get_queue_attributes().queue_url(url(NOW)).attribute_names(QueueAttributeName::All).send().await.unwrap();
    let attributes = answer.attributes().unwrap();
    for (name, value) in [
        (QueueAttributeName::VisibilityTimeout, "1080"),
        (QueueAttributeName::MessageRetentionPeriod, "345600"),
        (QueueAttributeName::SqsManagedSseEnabled, "true"),
        (
            QueueAttributeName::RedrivePolicy,
            r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:SyncNowDeadLetters","maxReceiveCount":5}"#,
        ),
    ] {
        assert_eq!(attributes[&name], value, "{name}");
    }
    let error = client.get_queue_url().queue_name("Nobody").send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist());
    let elsewhere = url(NOW).replace("000000000000", "111111111111");
    let error = client.send_message().queue_url(elsewhere).message_body("x").send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist(), "the queue of another account");
}

#[tokio::test]
async fn what_is_not_modelled_is_refused() {
    let local = support::local();
    for (operation, request, kind) in [
        ("PurgeQueue", json!({"QueueUrl": url(NOW)}), "NotModelledException"),
        ("CreateQueue", json!({"QueueName": "Mine"}), "NotModelledException"),
        ("SendMessage", json!({"QueueUrl": url(NOW), "MessageBody": "x", "MessageDeduplicationId": "1"}), "NotModelledException"),
        (
            "SendMessageBatch",
            json!({"QueueUrl": url(NOW), "Entries": [{"Id": "1", "MessageBody": "x", "MessageAttributes": {}}]}),
            "NotModelledException",
        ),
        ("SendMessage", json!({"QueueUrl": url(NOW)}), "MissingParameter"),
        ("SendMessage", json!({"QueueUrl": url(NOW), "MessageBody": ""}), "MissingParameter"),
        ("SendMessage", json!({"QueueUrl": url(NOW), "MessageBody": "x".repeat(1024 * 1024 + 1)}), "InvalidParameterValue"),
        ("SendMessage", json!({"QueueUrl": url(NOW), "MessageBody": "x", "MessageGroupId": "a b"}), "InvalidParameterValue"),
        ("ReceiveMessage", json!({"QueueUrl": url(NOW), "MaxNumberOfMessages": 11}), "InvalidParameterValue"),
        ("ReceiveMessage", json!({"QueueUrl": url(NOW), "WaitTimeSeconds": 21}), "InvalidParameterValue"),
        ("ReceiveMessage", json!({"QueueUrl": url(NOW), "AttributeNames": ["All"]}), "NotModelledException"),
        ("GetQueueAttributes", json!({"QueueUrl": url(NOW), "AttributeNames": ["Policy"]}), "NotModelledException"),
        ("ChangeMessageVisibility", json!({"QueueUrl": url(NOW), "ReceiptHandle": "x"}), "MissingParameter"),
    ] {
        let (_, body) = support::ask(&local.cloud, &format!("AmazonSQS.{operation}"), request.clone()).await;
        assert_eq!(body["__type"], format!("com.amazonaws.sqs#{kind}"), "{operation} {request}");
    }
    assert_eq!(local.cloud.sqs().counts(NOW), Counts::default());
    assert_eq!(local.cloud.calls()["sqs:SendMessage"], 5);
}

#[tokio::test]
async fn queues_outlive_the_process() {
    let folder = std::env::temp_dir().join(format!("coportal-queues-{}", std::process::id()));
    let file = folder.join("queues.json");
    let local = support::local();
    let open = || Sqs::kept(&local.template.queues, &local.clock, &file);
    let queues = open().unwrap();
    assert!(queues.send(NOW, "one") && queues.send(NOW, "two") && !queues.send("Nobody", "x"));
    let held = queues.receive(NOW, 1);
    let again = open().unwrap();
    assert_eq!(again.counts(NOW), counts(1, 1, 0));
    again.delete(NOW, &held[0].receipt_handle);
    assert_eq!(open().unwrap().counts(NOW), counts(1, 0, 0));
    std::fs::write(&file, "[]").unwrap();
    assert!(open().is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
