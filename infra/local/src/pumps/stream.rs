//! From the table's stream to its function: the records that the mapping's filters let through, in lanes that keep the order of each
//! item, in batches that are bisected and tried again when they fail and in the end given up to the failure destination (Lambda
//! Developer Guide, "Using Lambda with DynamoDB").
//!
//! The records are the embedded database's own stream; a write wakes the reader, so nothing is polled for.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::activity::{Activity, Busy};
use super::invoke::{Function, failed_items};
use super::queue::stopping;
use crate::aws_json;
use crate::clock::Clock;
use crate::doubles::sqs::Sqs;
use crate::kept;
use crate::table::{StreamStart, Table};
use crate::template::StreamSource;

/// Before the first repetition; doubled for each further one. Lambda does not publish its own back-off.
const BACKOFF: Duration = Duration::from_millis(200);

/// One mapping of the table's stream to a function.
pub(super) struct StreamPump {
    pub(super) source: StreamSource,
    pub(super) function: Function,
    pub(super) table: Table,
    pub(super) sqs: Sqs,
    pub(super) clock: Clock,
    pub(super) activity: Activity,
    /// Where the place in the stream is kept.
    pub(super) file: Option<PathBuf>,
    /// The table's version up to which the stream was read to its end.
    pub(super) seen: watch::Sender<u64>,
}

/// A record on its way, with its number and the sign that it is.
struct Record {
    number: String,
    event: Value,
    _busy: Busy,
}

/// What outlives the process: where to read on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// At the oldest record that is not settled.
    At(String),
    /// Behind the newest record, all of which are settled.
    After(String),
}

#[derive(Default)]
struct Progress {
    unsettled: BTreeSet<String>,
    read: Option<String>,
}

impl StreamPump {
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let pump = Arc::new(self);
        let progress = Arc::new(Mutex::new(Progress::default()));
        let lanes: Vec<_> = (0..pump.source.lanes)
            .map(|_| {
                let (sender, receiver) = mpsc::unbounded_channel();
                (sender, tokio::spawn(Arc::clone(&pump).lane(receiver, Arc::clone(&progress))))
            })
            .collect();
        let mut start = pump.kept_place();
        let mut changes = pump.table.changes();
        loop {
            let version = *changes.borrow_and_update();
            let records = match pump.table.stream(&start) {
                Ok(records) => records,
                Err(error) => {
                    tracing::error!(%error, "the table's stream cannot be read");
                    break;
                }
            };
            if records.is_empty() {
                pump.seen.send_replace(version);
                if stopping(&mut stop, changes.changed()).await.is_none_or(|changed| changed.is_err()) {
                    break;
                }
                continue;
            }
            for event in records {
                let Some(number) = event.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).map(str::to_owned) else { continue };
                start = StreamStart::After(number.clone());
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.read = Some(number.clone());
                if !pump.source.filters.iter().any(|filter| filter.pattern.matches(&event)) {
                    continue;
                }
                progress.unsettled.insert(number.clone());
                drop(progress);
                if let Some((lane, _)) = lanes.get(lane_of(&event, lanes.len())) {
                    // A lane ends after the reader alone.
                    let _ = lane.send(Record { number, event, _busy: pump.activity.begin() });
                }
            }
            if *stop.borrow() {
                break;
            }
        }
        for (lane, task) in lanes {
            drop(lane);
            let _ = task.await;
        }
    }

    fn kept_place(&self) -> StreamStart {
        let bytes = self.file.as_deref().and_then(|file| kept::read(file).ok().flatten());
        // A place that cannot be read is the beginning: a record that comes twice is harmless, one that is skipped waits for the sweep.
        match bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            Some(Place::At(number)) => StreamStart::At(number),
            Some(Place::After(number)) => StreamStart::After(number),
            None => StreamStart::Oldest,
        }
    }

    fn settle(&self, progress: &Mutex<Progress>, records: &[Record]) {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            progress.unsettled.remove(&record.number);
        }
        let Some(file) = &self.file else { return };
        let place = progress.unsettled.first().cloned().map(Place::At).or_else(|| progress.read.clone().map(Place::After));
        let written = serde_json::to_vec(&place).map_err(std::io::Error::other).and_then(|bytes| kept::write(file, &bytes));
        if let Err(error) = written {
            tracing::error!(%error, "the place in the stream could not be kept");
        }
    }

    async fn lane(self: Arc<Self>, mut records: mpsc::UnboundedReceiver<Record>, progress: Arc<Mutex<Progress>>) {
        let mut batch = Vec::new();
        while records.recv_many(&mut batch, self.source.batch_size).await > 0 {
            self.work(std::mem::take(&mut batch), &progress).await;
        }
    }

    /// Works on a batch until each record of it is done or given up.
    async fn work(&self, batch: Vec<Record>, progress: &Mutex<Progress>) {
        let mut open = VecDeque::from([(batch, 0_u32)]);
        while let Some((mut batch, tries)) = open.pop_front() {
            let (young, old): (Vec<Record>, Vec<Record>) = batch.into_iter().partition(|record| !self.is_too_old(&record.event));
            if !old.is_empty() {
                self.give_up(&old, "RecordAgeExceeded", tries);
                self.settle(progress, &old);
            }
            batch = young;
            if batch.is_empty() {
                continue;
            }
            let events: Vec<Value> = batch.iter().map(|record| record.event.clone()).collect();
            let answer = self.function.invoke(json!({"Records": events})).await;
            let Some(first_failed) = first_failed(&batch, answer.as_ref()) else {
                self.settle(progress, &batch);
                continue;
            };
            let mut rest = batch.split_off(first_failed);
            self.settle(progress, &batch);
            if rest.len() > 1 {
                // Bisecting takes nothing from the tries.
                let second = rest.split_off(rest.len().div_ceil(2));
                open.push_front((second, tries));
                open.push_front((rest, tries));
            } else if u64::from(tries) >= self.source.retries {
                self.give_up(&rest, "RetryAttemptsExhausted", tries + 1);
                self.settle(progress, &rest);
            } else {
                tokio::time::sleep(BACKOFF.saturating_mul(2_u32.saturating_pow(tries))).await;
                open.push_front((rest, tries + 1));
            }
        }
    }

    fn is_too_old(&self, event: &Value) -> bool {
        let max_age = SignedDuration::try_from(self.source.max_age).unwrap_or(SignedDuration::MAX);
        created(event).is_some_and(|at| at.duration_until(self.clock.now()) > max_age)
    }

    /// Tells the failure destination where in the stream to look; the records themselves are not repeated (Lambda Developer Guide,
    /// "Retain discarded records").
    fn give_up(&self, records: &[Record], condition: &str, invocations: u32) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let at = |record: &Record| created(&record.event).map(|at| at.to_string());
        let told = json!({
            "requestContext": {
                "requestId": aws_json::request_id(),
                "functionArn": self.function.arn(),
                "condition": condition,
                "approximateInvokeCount": invocations,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": self.clock.now().to_string(),
            "DDBStreamBatchInfo": {
                "shardId": self.table.shard(),
                "startSequenceNumber": first.number,
                "endSequenceNumber": last.number,
                "approximateArrivalOfFirstRecord": at(first),
                "approximateArrivalOfLastRecord": at(last),
                "batchSize": records.len(),
                "streamArn": first.event.get("eventSourceARN"),
            },
        });
        tracing::error!(function = self.function.binary, condition, records = records.len(), "records of the stream were given up");
        self.sqs.send(&self.source.on_failure, &told.to_string());
    }
}

/// Records of one item share a lane.
fn lane_of(event: &Value, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    event.pointer("/dynamodb/Keys").map(Value::to_string).hash(&mut hasher);
    let lanes = u64::try_from(lanes).unwrap_or(1).max(1);
    usize::try_from(hasher.finish() % lanes).unwrap_or_default()
}

/// The first record that is not done: those before it are, those behind it come again too (a stream is settled up to a record).
fn first_failed(batch: &[Record], answer: Option<&Value>) -> Option<usize> {
    let Some(failed) = answer.and_then(failed_items) else { return Some(0) };
    if failed.is_empty() {
        return None;
    }
    // A number that is none of the batch's makes the whole of it fail.
    let places: Option<Vec<usize>> = failed.iter().map(|id| batch.iter().position(|record| record.number == *id)).collect();
    Some(places.and_then(|places| places.into_iter().min()).unwrap_or_default())
}

fn created(event: &Value) -> Option<Timestamp> {
    let seconds = event.pointer("/dynamodb/ApproximateCreationDateTime")?;
    let whole = seconds.as_i64().or_else(|| seconds.to_string().split('.').next()?.parse().ok())?;
    Timestamp::from_second(whole).ok()
}
