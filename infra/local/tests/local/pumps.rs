//! The pumps over the deployed template, with functions of these tests' making in the place of the product's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coportal_local::assembly::LocalCloud;
use coportal_local::doubles::sqs::Counts;
use coportal_local::pumps::{Handler, PumpError, Pumps, Work};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support;

const PATIENCE: Duration = Duration::from_secs(30);
const WORKER: &str = "auto-sync-worker";
const FANOUT: &str = "auto-sync-fanout";

/// What the functions were handed, by name.
type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A function that notes its event and answers with what `answer` makes of it.
fn noting(name: &'static str, seen: &Seen, answer: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static) -> Handler {
    let (seen, answer) = (Arc::clone(seen), Arc::new(answer));
    Handler::of(move |event: lambda_http::LambdaEvent<Value>| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            assert!(event.context.deadline > 0 && event.context.invoked_function_arn.ends_with(name));
            seen.lock().unwrap().push((name.to_owned(), event.payload.clone()));
            answer(&event.payload).map_err(lambda_http::Error::from)
        }
    })
}

fn well(_: &Value) -> Result<Value, String> {
    Ok(json!({"batchItemFailures": []}))
}

/// One handler for each function that the template hands events to; those named here answer otherwise.
fn handlers(local: &LocalCloud, seen: &Seen, mut others: HashMap<&'static str, Handler>) -> HashMap<String, Handler> {
    let template = &local.template;
    let ids = template.queue_sources.iter().map(|source| &source.function);
    let ids = ids.chain(template.stream_sources.iter().map(|source| &source.function));
    let ids = ids.chain(template.schedules.iter().map(|rule| &rule.function));
    let mut all = HashMap::new();
    for id in ids {
        let binary = template.functions[id].binary.clone();
        let name: &'static str = binary.clone().leak();
        all.entry(binary).or_insert_with(|| others.remove(name).unwrap_or_else(|| noting(name, seen, well)));
    }
    all
}

fn start(local: &LocalCloud, seen: &Seen, others: HashMap<&'static str, Handler>) -> Pumps {
    Pumps::start(local, handlers(local, seen, others), None).unwrap()
}

fn events_of(seen: &Seen, name: &str) -> Vec<Value> {
    seen.lock().unwrap().iter().filter(|(of, _)| of == name).map(|(_, event)| event.clone()).collect()
}

fn bodies(events: &[Value]) -> Vec<String> {
    let records = events.iter().flat_map(|event| event["Records"].as_array().unwrap());
    let mut bodies: Vec<String> = records.map(|record| record["body"].as_str().unwrap().to_owned()).collect();
    bodies.sort();
    bodies
}

async fn put(local: &LocalCloud, pk: &str, kind: &str, due: bool) {
    let mut item = json!({"pk": {"S": pk}, "sk": {"S": "1"}, "kind": {"S": kind}});
    if due {
        item["due_pk"] = json!({"S": "DUE#1"});
        item["due_sk"] = json!({"S": "1"});
    }
    let request = json!({"TableName": local.cloud.table().name(), "Item": item});
    let (status, body) = support::ask(&local.cloud, "DynamoDB_20120810.PutItem", request).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_queue_is_handed_over_in_batches_and_what_was_done_is_deleted() {
    let (local, seen) = (support::local(), Seen::default());
    for n in 0..12 {
        assert!(local.cloud.sqs().send("SyncNow", &format!("m{n:02}")));
    }
    local.cloud.sqs().send("SyncBulk", "bulk 1");
    local.cloud.sqs().send("SyncBulk", "bulk 2");
    let pumps = start(&local, &seen, HashMap::new());
    assert!(pumps.idle(PATIENCE).await);
    let events = events_of(&seen, WORKER);
    let (now, bulk): (Vec<Value>, Vec<Value>) =
        events.into_iter().partition(|event| event["Records"][0]["eventSourceARN"].as_str().unwrap().ends_with(":SyncNow"));
    let sizes = |events: &[Value]| {
        let mut sizes: Vec<usize> = events.iter().map(|event| event["Records"].as_array().unwrap().len()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!((sizes(&now), sizes(&bulk)), (vec![2, 5, 5], vec![1, 1]));
    assert_eq!(bodies(&now).len(), 12);
    let record = &now[0]["Records"][0];
    assert_eq!((&record["eventSource"], &record["attributes"]["ApproximateReceiveCount"]), (&json!("aws:sqs"), &json!("1")));
    assert_eq!(pumps.work(), Work::default());

    // A send wakes the pump; nobody polls.
    local.cloud.sqs().send("SyncNow", "late");
    assert!(pumps.idle(PATIENCE).await);
    assert!(bodies(&events_of(&seen, WORKER)).contains(&"late".to_owned()));
    pumps.stop(PATIENCE).await;
}

/// The seven good ones are done once; the poison reaches the dead letters after the set count.
#[tokio::test]
async fn what_an_answer_names_comes_again_after_its_time_and_in_the_end_is_a_dead_letter() {
    let (local, seen) = (support::local(), Seen::default());
    let picky = noting(WORKER, &seen, |event| {
        let records = event["Records"].as_array().unwrap().iter();
        let failed = records.filter(|record| record["body"] == "poison").map(|record| json!({"itemIdentifier": record["messageId"]}));
        Ok(json!({"batchItemFailures": failed.collect::<Vec<_>>()}))
    });
    let pumps = start(&local, &seen, HashMap::from([(WORKER, picky)]));
    for body in ["a", "poison", "b"] {
        local.cloud.sqs().send("SyncNow", body);
    }
    for receive in 1..=5_u64 {
        assert!(pumps.idle(PATIENCE).await);
        assert_eq!(pumps.work(), Work { in_flight: 1, ..Work::default() });
        let handed = bodies(&events_of(&seen, WORKER));
        assert_eq!(handed.iter().filter(|body| *body == "poison").count() as u64, receive);
        local.clock.advance(SignedDuration::from_secs(1_080));
        pumps.run_due().await;
    }
    assert!(pumps.idle(PATIENCE).await);
    assert_eq!(pumps.work(), Work { dead_lettered: 1, ..Work::default() });
    let handed = bodies(&events_of(&seen, WORKER));
    assert_eq!(handed.iter().filter(|body| *body != "poison").collect::<Vec<_>>(), ["a", "b"]);
    pumps.stop(PATIENCE).await;
}

#[tokio::test]
async fn an_error_a_panic_and_an_answer_that_is_none_leave_every_message() {
    for answer in ["error", "panic", "garbage", "stranger"] {
        let (local, seen) = (support::local(), Seen::default());
        let broken = noting(WORKER, &seen, move |_| match answer {
            "error" => Err("broken".to_owned()),
            "panic" => panic!("broken"),
            "garbage" => Ok(json!("done")),
            _ => Ok(json!({"batchItemFailures": [{"itemIdentifier": "somebody else's"}]})),
        });
        let pumps = start(&local, &seen, HashMap::from([(WORKER, broken)]));
        local.cloud.sqs().send("SyncNow", "one");
        assert!(pumps.idle(PATIENCE).await);
        assert_eq!(pumps.work(), Work { in_flight: 1, ..Work::default() }, "{answer}");
        pumps.stop(PATIENCE).await;
    }
}

#[tokio::test]
async fn the_stream_hands_over_what_the_filter_lets_through() {
    let (local, seen) = (support::local(), Seen::default());
    put(&local, "before", "invoice", true).await;
    let pumps = start(&local, &seen, HashMap::new());
    put(&local, "due", "invoice", true).await;
    put(&local, "not due", "invoice", false).await;
    put(&local, "client", "client", true).await;
    let key = json!({"pk": {"S": "due"}, "sk": {"S": "1"}});
    let request = json!({"TableName": local.cloud.table().name(), "Key": key});
    support::ask(&local.cloud, "DynamoDB_20120810.DeleteItem", request).await;
    assert!(pumps.idle(PATIENCE).await);
    let events = events_of(&seen, FANOUT);
    let records: Vec<&Value> = events.iter().flat_map(|event| event["Records"].as_array().unwrap()).collect();
    let mut keys: Vec<&str> = records.iter().map(|record| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["before", "due"]);
    assert!(records.iter().all(|record| {
        record["eventSource"] == "aws:dynamodb" && record["awsRegion"] == "eu-west-1" && record["dynamodb"]["StreamViewType"] == "NEW_IMAGE"
    }));
    pumps.stop(PATIENCE).await;
}

/// A shard is never blocked by one bad record: the others of its batch are done once, it is tried again, and then given up.
#[tokio::test(start_paused = true)]
async fn a_bad_record_is_bisected_out_tried_again_and_given_up() {
    let (local, seen) = (support::local(), Seen::default());
    let bad = |record: &Value| record["dynamodb"]["Keys"]["pk"]["S"] == "bad";
    let picky =
        noting(
            FANOUT,
            &seen,
            move |event| {
                if event["Records"].as_array().unwrap().iter().any(bad) { Err("broken".to_owned()) } else { well(event) }
            },
        );
    for n in 0..6 {
        put(&local, &format!("good {n}"), "invoice", true).await;
    }
    put(&local, "bad", "invoice", true).await;
    put(&local, "good 6", "invoice", true).await;
    let pumps = start(&local, &seen, HashMap::from([(FANOUT, picky)]));
    assert!(pumps.idle(Duration::from_secs(600)).await);
    let mut alone = 0;
    let mut done: BTreeMap<String, u32> = BTreeMap::new();
    for event in events_of(&seen, FANOUT) {
        let records = event["Records"].as_array().unwrap();
        if records.iter().any(bad) {
            alone += u32::from(records.len() == 1);
            continue;
        }
        for record in records {
            *done.entry(record["dynamodb"]["Keys"]["pk"]["S"].to_string()).or_default() += 1;
        }
    }
    assert_eq!(alone, 6, "once and five times again");
    assert!(done.len() == 7 && done.values().all(|times| *times == 1), "{done:?}");
    assert_eq!(local.cloud.sqs().counts("AutoSyncFanoutFailures"), Counts { visible: 1, ..Counts::default() });
    let told: Value = serde_json::from_str(&local.cloud.sqs().receive("AutoSyncFanoutFailures", 1)[0].body).unwrap();
    assert_eq!(
        (&told["requestContext"]["condition"], &told["DDBStreamBatchInfo"]["batchSize"]),
        (&json!("RetryAttemptsExhausted"), &json!(1))
    );
    pumps.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_schedule_runs_when_the_clock_has_come_to_it() {
    let (local, seen) = (support::local(), Seen::default());
    let pumps = start(&local, &seen, HashMap::new());
    pumps.run_due().await;
    assert!(events_of(&seen, "sweep").is_empty());
    local.clock.advance(SignedDuration::from_secs(59));
    pumps.run_due().await;
    assert!(events_of(&seen, "sweep").is_empty());
    local.clock.advance(SignedDuration::from_secs(1));
    pumps.run_due().await;
    let [event] = events_of(&seen, "sweep").try_into().unwrap();
    assert_eq!((&event["detail-type"], &event["time"]), (&json!("Scheduled Event"), &json!("2026-03-01T09:01:00Z")));
    local.clock.advance(SignedDuration::from_hours(5));
    pumps.run_due().await;
    assert_eq!(events_of(&seen, "sweep").len(), 2, "once for the move, however many minutes it was");
    pumps.stop(PATIENCE).await;
}

/// A restart reads on where the records are not settled.
#[tokio::test]
async fn the_place_in_the_stream_outlives_the_process() {
    let folder = std::env::temp_dir().join(format!("coportal-stream-{}", std::process::id()));
    let local = LocalCloud::open("http://127.0.0.1:8787", Some(&folder), coportal_local::clock::Clock::system()).unwrap();
    let seen = Seen::default();
    for n in 0..3 {
        put(&local, &format!("invoice {n}"), "invoice", true).await;
        let pumps = Pumps::start(&local, handlers(&local, &seen, HashMap::new()), Some(&folder)).unwrap();
        assert!(pumps.idle(PATIENCE).await);
        pumps.stop(PATIENCE).await;
    }
    let records: usize = events_of(&seen, FANOUT).iter().map(|event| event["Records"].as_array().unwrap().len()).sum();
    assert_eq!(records, 3);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn functions_and_mappings_match_exactly() {
    let (local, seen) = (support::local(), Seen::default());
    let mut missing = handlers(&local, &seen, HashMap::new());
    missing.remove(WORKER);
    let error = Pumps::start(&local, missing, None).err().unwrap();
    assert_eq!(error, PumpError::NotMounted("AutoSyncWorker".to_owned()));
    let mut more = handlers(&local, &seen, HashMap::new());
    more.insert("clients".to_owned(), noting("clients", &seen, well));
    assert_eq!(Pumps::start(&local, more, None).err().unwrap(), PumpError::NoEvents("clients".to_owned()));
}
