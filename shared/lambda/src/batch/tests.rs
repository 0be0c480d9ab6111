//! The protocol, byte for byte, and what becomes of each record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use coportal_core::connection::Generation;
use coportal_core::ledger::Ledger;
use coportal_core::queue::{JobMessage, SyncMessage};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::config;
use crate::system::SystemRandom;
use crate::telemetry::Telemetry;
use crate::testing::{Collected, FixedClock};

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Did {
    Began(Message),
    Ended(Message),
    Counted(Message, Timestamp),
}

/// Work that does what the test says of each invoice.
#[derive(Default)]
struct Scripted {
    did: Mutex<Vec<Did>>,
    panics: Vec<InvoiceId>,
    fails: Vec<InvoiceId>,
    uncountable: bool,
    joins: bool,
    takes: BTreeMap<InvoiceId, SignedDuration>,
    clock: FixedClock,
}

fn first(message: &Message) -> Option<InvoiceId> {
    match message {
        Message::Sync(sync) => sync.invoices.first().copied(),
        Message::Job(_) => None,
    }
}

fn unavailable() -> Problem {
    Problem::new(ProblemKind::Unavailable, "store_unavailable", "d").because("GetItem: unavailable (time-out)")
}

impl Scripted {
    fn did(&self, what: Did) {
        self.did.lock().unwrap().push(what);
    }

    fn done(&self) -> Vec<Message> {
        let ended = |did: &Did| if let Did::Ended(message) = did { Some(message.clone()) } else { None };
        self.did.lock().unwrap().iter().filter_map(ended).collect()
    }

    fn counted(&self) -> Vec<(Message, Timestamp)> {
        let counted = |did: &Did| if let Did::Counted(message, since) = did { Some((message.clone(), *since)) } else { None };
        self.did.lock().unwrap().iter().filter_map(counted).collect()
    }
}

impl Work for Scripted {
    async fn work(&self, _: &Ctx, message: &Message, _: &Note) -> Outcome<()> {
        self.did(Did::Began(message.clone()));
        tokio::task::yield_now().await;
        let invoice = first(message);
        assert!(!invoice.is_some_and(|inv| self.panics.contains(&inv)), "panicked over it");
        if let Some(time) = invoice.and_then(|inv| self.takes.get(&inv)) {
            self.clock.advance(*time);
        }
        if invoice.is_some_and(|inv| self.fails.contains(&inv)) {
            return Err(unavailable());
        }
        self.did(Did::Ended(message.clone()));
        Ok(())
    }

    fn together(&self, messages: &[&Message]) -> Option<Message> {
        let mut all = None;
        for message in messages.iter().filter(|_| self.joins) {
            let Message::Sync(sync) = message else { return None };
            let joined = all.get_or_insert_with(|| SyncMessage { invoices: Vec::new(), ..sync.clone() });
            joined.invoices.extend(&sync.invoices);
        }
        all.map(Message::Sync)
    }

    async fn broken(&self, _: &Ctx, message: &Message, since: Timestamp) -> Outcome<()> {
        if self.uncountable {
            return Err(unavailable());
        }
        self.did(Did::Counted(message.clone(), since));
        Ok(())
    }
}

struct Stand {
    shell: EventShell,
    clock: FixedClock,
    log: Collected,
}

impl Stand {
    fn new() -> Self {
        let (clock, log) = (FixedClock::default(), Collected::default());
        let settings = config::Telemetry { service: None, namespace: "CoPortal".to_owned(), level: tracing::Level::INFO };
        let telemetry = Telemetry::new("auto-sync-worker", &settings, Arc::new(log.clone()));
        Self { shell: EventShell::new(Arc::new(clock.clone()), Arc::new(SystemRandom), telemetry), clock, log }
    }

    fn lines(&self) -> Vec<Value> {
        self.log.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn outcomes(&self) -> Vec<String> {
        self.lines().iter().map(|line| line["outcome"].as_str().unwrap().to_owned()).collect()
    }

    async fn take(&self, records: Vec<Value>, work: &Scripted) -> String {
        let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let invocation = Invocation { request_id: "req-1".to_owned(), trace_id: None };
        serde_json::to_string(&messages(&self.shell, &invocation, event, work).await).unwrap()
    }
}

fn inv(n: u128) -> InvoiceId {
    InvoiceId::new(Uuid::from_u128(n))
}

fn sync(ws: u128, ledger: Ledger, n: u128) -> Message {
    let ws = WorkspaceId::new(Uuid::from_u128(ws));
    Message::Sync(SyncMessage { ws, ledger, generation: Generation(1), invoices: vec![inv(n)] })
}

fn record(id: &str, body: &str, receives: u32) -> Value {
    json!({
        "messageId": id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": receives.to_string(),
            "SentTimestamp": "1772355600000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1772355600000"
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:coportal-SyncNow-1A2B3C",
        "awsRegion": "eu-west-1"
    })
}

fn of(id: &str, message: &Message) -> Value {
    record(id, &message.encode().unwrap(), 1)
}

/// Ten records: the seven good ones are done once, the poison body and the unknown version come again (and so reach the dead-letter queue
/// after the set count, the reason in the line of each delivery), and the panicking one's message is deleted, its row counted.
#[tokio::test]
async fn ten_records_and_each_is_its_own_business() {
    let stand = Stand::new();
    let work = Scripted { panics: vec![inv(4)], ..Scripted::default() };
    let good: Vec<Message> = [1, 2, 3, 5, 6, 7, 8].into_iter().map(|n| sync(n % 3, Ledger::Xero, n)).collect();
    let mut records: Vec<Value> = good.iter().enumerate().map(|(place, message)| of(&format!("good-{place}"), message)).collect();
    records.insert(1, record("poison", "{\"v\":1,\"ws\":\"ws_0", 1));
    records.insert(4, of("panics", &sync(1, Ledger::Sage, 4)));
    records.insert(8, record("newer", r#"{"v":2,"ws":"ws_00000000000000000000000000000001","page":3}"#, 2));
    let answer = stand.take(records, &work).await;
    assert_eq!(answer, r#"{"batchItemFailures":[{"itemIdentifier":"poison"},{"itemIdentifier":"newer"}]}"#);
    let mut done = work.done();
    done.sort_by_key(first);
    assert_eq!(done, good, "each once");
    assert_eq!(work.counted().into_iter().map(|(message, _)| message).collect::<Vec<_>>(), [sync(1, Ledger::Sage, 4)]);
    let lines = stand.lines();
    assert_eq!(lines.len(), 10);
    let line = |id: &str| lines.iter().find(|line| line["record"] == id).unwrap();
    let newer = line("newer");
    assert_eq!(newer["internal"], "version 2 is not known, only 1 is");
    assert_eq!((&newer["level"], &newer["outcome"], &newer["receives"]), (&json!("ERROR"), &json!("undecodable"), &json!(2)));
    assert_eq!(newer["route"], "coportal-SyncNow-1A2B3C");
    assert!(line("poison")["internal"].as_str().unwrap().contains("line 1"), "{}", line("poison"));
    let panicked = line("panics");
    assert_eq!((&panicked["outcome"], &panicked["ledger"], &panicked["errors"]), (&json!("panicked"), &json!("sage"), &json!(1)));
    assert!(panicked["internal"].as_str().unwrap().contains("panicked over it"));
    assert_eq!(line("good-0")["invoice_id"], inv(1).to_string());
    assert!(lines.iter().filter(|line| line["outcome"] == "done").all(|line| line["level"] == "INFO" && line["errors"] == 0));
}

/// Nothing failed: an empty list, which is what Lambda reads as a whole success.
#[tokio::test]
async fn a_batch_without_failures_answers_an_empty_list() {
    let stand = Stand::new();
    assert_eq!(stand.take(Vec::new(), &Scripted::default()).await, r#"{"batchItemFailures":[]}"#);
    let job = Message::Job(JobMessage { ws: WorkspaceId::new(Uuid::from_u128(1)), job: format!("bkf_{:032x}", 7).parse().unwrap() });
    assert_eq!(stand.take(vec![of("a", &job)], &Scripted::default()).await, r#"{"batchItemFailures":[]}"#);
}

/// What the table refused is delivered again; a panic that cannot be counted, too.
#[tokio::test]
async fn what_could_not_be_stored_comes_again() {
    let stand = Stand::new();
    let work = Scripted { fails: vec![inv(1)], panics: vec![inv(2)], uncountable: true, ..Scripted::default() };
    let records = vec![of("a", &sync(1, Ledger::Xero, 1)), of("b", &sync(1, Ledger::Xero, 2)), of("c", &sync(1, Ledger::Xero, 3))];
    let answer = stand.take(records, &work).await;
    assert_eq!(answer, r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}"#);
    assert_eq!(work.done(), [sync(1, Ledger::Xero, 3)], "the next of the same connection goes on");
    assert_eq!(stand.outcomes(), ["given_back", "panicked", "done"]);
    assert_eq!(stand.lines()[0]["problem"], "store_unavailable");
}

/// A third delivery is counted since the first and not tried: whoever had it before may have been brought down by it.
#[tokio::test]
async fn a_third_delivery_is_counted_and_not_tried() {
    let stand = Stand::new();
    let work = Scripted::default();
    let bodies = [sync(1, Ledger::Xero, 1), sync(1, Ledger::Xero, 2)].map(|message| message.encode().unwrap());
    let records = vec![record("second", &bodies[0], 2), record("third", &bodies[1], 3)];
    assert_eq!(stand.take(records, &work).await, r#"{"batchItemFailures":[]}"#);
    assert_eq!(work.done(), [sync(1, Ledger::Xero, 1)]);
    assert_eq!(work.counted(), [(sync(1, Ledger::Xero, 2), Timestamp::from_second(1_772_355_600).unwrap())]);
    assert_eq!(stand.outcomes(), ["done", "counted"]);
    let refused = Scripted { uncountable: true, ..Scripted::default() };
    let answer = stand.take(vec![record("third", &bodies[1], 3)], &refused).await;
    assert_eq!(answer, r#"{"batchItemFailures":[{"itemIdentifier":"third"}]}"#);
}

/// The deadline is kept: what could not be finished in it is not begun, and comes again.
#[tokio::test]
async fn nothing_is_begun_without_time_for_it() {
    let stand = Stand::new();
    let takes = BTreeMap::from([(inv(1), SignedDuration::from_secs(146))]);
    let work = Scripted { takes, clock: stand.clock.clone(), ..Scripted::default() };
    let records = vec![of("a", &sync(1, Ledger::Xero, 1)), of("b", &sync(1, Ledger::Xero, 2)), of("c", &sync(1, Ledger::Xero, 3))];
    let answer = stand.take(records, &work).await;
    assert_eq!(answer, r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}"#);
    assert_eq!(work.did.lock().unwrap().len(), 2, "only the first was begun");
    assert_eq!(stand.outcomes(), ["done", "no_time", "no_time"]);
    assert!(stand.lines().iter().all(|line| line["level"] == "INFO"), "no time is nobody's mistake");
}

/// Different connections at once, one connection in the order of its messages.
#[tokio::test]
async fn connections_run_beside_each_other_and_messages_of_one_in_order() {
    let stand = Stand::new();
    let work = Scripted::default();
    let of_one = [sync(1, Ledger::Xero, 1), sync(1, Ledger::Xero, 2)];
    let of_another = sync(2, Ledger::Xero, 3);
    let records = vec![of("a", &of_one[0]), of("b", &of_one[1]), of("c", &of_another)];
    stand.take(records, &work).await;
    let did = work.did.lock().unwrap().clone();
    let at = |wanted: &Did| did.iter().position(|did| did == wanted).unwrap();
    let (began, ended) = (|message: &Message| at(&Did::Began(message.clone())), |message: &Message| at(&Did::Ended(message.clone())));
    assert!(ended(&of_one[0]) < began(&of_one[1]), "{did:?}");
    assert!(began(&of_another) < ended(&of_one[0]), "{did:?}");
}

/// First deliveries of one connection go together; a later one does not, and where they come to no end each goes by itself.
#[tokio::test]
async fn messages_of_one_connection_go_together() {
    let stand = Stand::new();
    let one = |n| sync(1, Ledger::Xero, n);
    let Message::Sync(joined) = one(1) else { unreachable!("a sync message") };
    let joined = Message::Sync(SyncMessage { invoices: vec![inv(1), inv(2)], ..joined });
    let records =
        || vec![of("a", &one(1)), of("b", &one(2)), record("c", &one(3).encode().unwrap(), 2), of("d", &sync(2, Ledger::Xero, 4))];
    let work = Scripted { joins: true, ..Scripted::default() };
    assert_eq!(stand.take(records(), &work).await, r#"{"batchItemFailures":[]}"#);
    let mut done = work.done();
    done.sort_by_key(first);
    assert_eq!(done, [joined, one(3), sync(2, Ledger::Xero, 4)]);
    assert_eq!(stand.outcomes(), ["done", "done", "done", "done"], "a line for each record");

    let work = Scripted { joins: true, panics: vec![inv(1)], ..Scripted::default() };
    assert_eq!(stand.take(records(), &work).await, r#"{"batchItemFailures":[]}"#);
    assert_eq!(work.counted().into_iter().map(|(message, _)| message).collect::<Vec<_>>(), [one(1)], "the culprit alone");
    assert!(work.done().contains(&one(2)) && work.done().contains(&one(3)));
}

/// An id that is not there cannot be named: the empty one makes Lambda deliver the whole batch again.
#[tokio::test]
async fn a_record_without_an_id_brings_the_batch_back() {
    let stand = Stand::new();
    let mut nameless = of("x", &sync(1, Ledger::Xero, 1));
    nameless.as_object_mut().unwrap().remove("messageId");
    assert_eq!(stand.take(vec![nameless], &Scripted::default()).await, r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#);
}

fn change(number: &str, pk: &str, sk: &str) -> Value {
    json!({
        "eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_772_355_600.0,
            "Keys": {"pk": {"S": pk}, "sk": {"S": sk}},
            "NewImage": {"pk": {"S": pk}, "sk": {"S": sk}, "kind": {"S": "invoice"}, "due_pk": {"S": "DUE#3"}},
            "SequenceNumber": number, "SizeBytes": 26, "StreamViewType": "NEW_IMAGE"
        },
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:111122223333:table/t/stream/2026-03-01T09:00:00.000"
    })
}

/// Each changed invoice is handed on once; only what a later try may mend comes again, with each of its records; what is nobody's invoice,
/// or our own mistake, never blocks the shard.
#[tokio::test]
async fn a_shard_is_never_blocked_by_one_bad_record() {
    let stand = Stand::new();
    let ws = WorkspaceId::new(Uuid::from_u128(1));
    let of = |number: &str, n: u128| change(number, &format!("INVOICE#{ws}"), &inv(n).to_string());
    let records =
        vec![of("100", 1), of("101", 2), of("102", 1), change("103", "WS#nobody", "META"), of("104", 3), of("105", 2), of("106", 4)];
    let event: StreamEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let seen = Mutex::new(Vec::new());
    let hand_on = |_: Ctx, of_ws: WorkspaceId, invoice: InvoiceId| {
        seen.lock().unwrap().push(invoice);
        async move {
            assert_eq!(of_ws, ws);
            assert!(invoice != inv(3), "panicked over it");
            match invoice {
                invoice if invoice == inv(2) => Err(unavailable()),
                invoice if invoice == inv(4) => Err(Problem::internal_error("cannot be read")),
                _ => Ok(()),
            }
        }
    };
    let answer = changes(&stand.shell, &Invocation::default(), event, hand_on).await;
    let answer = serde_json::to_string(&answer).unwrap();
    assert_eq!(answer, r#"{"batchItemFailures":[{"itemIdentifier":"101"},{"itemIdentifier":"105"}]}"#);
    assert_eq!(seen.into_inner().unwrap(), [inv(1), inv(2), inv(3), inv(4)], "once each");
    let mut outcomes = stand.outcomes();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["done", "given_back", "left_to_sweep", "panicked", "undecodable"]);
}
