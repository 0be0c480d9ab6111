//! SQS: standard queues as the template shapes them, and exactly the operations that send, receive and settle messages (Amazon SQS API
//! Reference). At least once is kept to: [`Sqs::double_next`] delivers a message twice when a test wants it.
//!
//! Visibility, delays and retention follow the one clock that everything shares; a long poll waits by the machine's.

mod state;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::aws_json::{ACCOUNT, REGION};
use crate::clock::Clock;
use crate::kept;
use crate::template;

use state::State;

/// Prefix of `X-Amz-Target`.
pub const TARGET: &str = "AmazonSQS";

/// Address of a queue, as SQS forms it; the client's endpoint decides where it is asked.
#[must_use]
pub fn url(queue: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}")
}

/// ARN of a queue.
#[must_use]
pub fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// Why the queues could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SqsError {
    /// What was kept cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was kept is something else, or of other queues than the template's.
    #[error("{} does not hold messages of the template's queues; move it away to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Messages of a queue, by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Could be received now.
    pub visible: u64,
    /// Received, and hidden until they are deleted or their time is over.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
}

/// A message as it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its id; a message that comes twice has one.
    pub message_id: String,
    /// What it is deleted with.
    pub receipt_handle: String,
    /// Its body.
    pub body: String,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// When it was sent.
    pub sent: Timestamp,
    /// When it was received first.
    pub first_received: Timestamp,
    /// How often it was received, this time included.
    pub receives: u32,
    /// ARN of the queue that it could not be delivered from.
    pub moved_from: Option<String>,
}

impl Received {
    /// The attributes of the system by name.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<&'static str, String> {
        let millis = |at: Timestamp| at.as_millisecond().to_string();
        let mut attributes = BTreeMap::from([
            ("SenderId", format!("{ACCOUNT}:local")),
            ("SentTimestamp", millis(self.sent)),
            ("ApproximateReceiveCount", self.receives.to_string()),
            ("ApproximateFirstReceiveTimestamp", millis(self.first_received)),
        ]);
        attributes.extend(self.group.clone().map(|group| ("MessageGroupId", group)));
        attributes.extend(self.moved_from.clone().map(|source| ("DeadLetterQueueSourceArn", source)));
        attributes
    }

    /// MD5 of the body, as SQS states it.
    #[must_use]
    pub fn md5(&self) -> String {
        md5(&self.body)
    }

    /// The message as a record of the event that Lambda hands to a function (Lambda Developer Guide, "Using Lambda with Amazon SQS").
    #[must_use]
    pub fn record(&self, queue: &str) -> Value {
        json!({
            "messageId": self.message_id,
            "receiptHandle": self.receipt_handle,
            "body": self.body,
            "attributes": self.attributes(),
            "messageAttributes": {},
            "md5OfBody": self.md5(),
            "eventSource": "aws:sqs",
            "eventSourceARN": arn(queue),
            "awsRegion": REGION,
        })
    }
}

fn md5(text: &str) -> String {
    format!("{:x}", md5::compute(text))
}

/// The double. Clones share the queues.
#[derive(Clone)]
pub struct Sqs {
    clock: Clock,
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
    file: Option<Arc<Path>>,
}

impl Sqs {
    /// Empty queues, by logical id.
    #[must_use]
    pub fn in_memory(shapes: &BTreeMap<String, template::Queue>, clock: &Clock) -> Self {
        let state = Arc::new(Mutex::new(State::new(shapes)));
        Self { clock: clock.clone(), state, changed: Arc::new(watch::Sender::new(0)), file: None }
    }

    /// The queues with the messages that the file holds; each change is written to it before it is answered.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn kept(shapes: &BTreeMap<String, template::Queue>, clock: &Clock, file: &Path) -> Result<Self, SqsError> {
        let sqs = Self { file: Some(file.into()), ..Self::in_memory(shapes, clock) };
        let bytes = kept::read(file).map_err(|source| SqsError::File { path: file.to_owned(), source })?;
        if let Some(bytes) = bytes {
            let damaged = || SqsError::Damaged { path: file.to_owned() };
            let kept = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
            sqs.lock().restore(kept).ok_or_else(damaged)?;
        }
        Ok(sqs)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a change: it is kept, and who waits looks again.
    fn settle(&self, state: MutexGuard<'_, State>) {
        if let Some(file) = &self.file {
            let written = serde_json::to_vec(&state.snapshot()).map_err(std::io::Error::other).and_then(|bytes| kept::write(file, &bytes));
            if let Err(error) = written {
                tracing::error!(%error, "the queues could not be kept");
            }
        }
        drop(state);
        self.wake();
    }

    /// Lets everybody who waits look again: after the clock was moved.
    pub fn wake(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Resolves at the next change after it was asked for.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Names of the queues.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names()
    }

    /// What lies in a queue; nothing in one that is not there.
    #[must_use]
    pub fn counts(&self, queue: &str) -> Counts {
        self.lock().counts(queue, self.clock.now())
    }

    /// When the next hidden message of a queue can be received.
    #[must_use]
    pub fn next_visible(&self, queue: &str) -> Option<Timestamp> {
        self.lock().next_visible(queue, self.clock.now())
    }

    /// The next `count` messages sent to the queue are delivered twice each.
    pub fn double_next(&self, queue: &str, count: u32) {
        self.lock().double_next(queue, count);
    }

    /// Puts a message into a queue, as one of AWS's own services does. Whether there is such a queue.
    pub fn send(&self, queue: &str, body: &str) -> bool {
        let mut state = self.lock();
        let sent = state.send(queue, body, None, Duration::ZERO, self.clock.now()).is_some();
        self.settle(state);
        sent
    }

    /// Takes up to `max` messages, as a poller of Lambda does.
    #[must_use]
    pub fn receive(&self, queue: &str, max: usize) -> Vec<Received> {
        self.take(queue, max, None).0
    }

    /// Messages, and the time until a hidden one can be received.
    fn take(&self, queue: &str, max: usize, visibility: Option<Duration>) -> (Vec<Received>, Option<Duration>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let before = state.counts(queue, now).visible;
        let received = state.receive(queue, max, visibility, now);
        let soon = state.next_visible(queue, now).map(|at| Duration::try_from(now.duration_until(at)).unwrap_or_default());
        // Who found nothing to receive or to move has changed nothing, and wakes nobody: two long polls would keep each other awake.
        if before > 0 {
            self.settle(state);
        }
        (received, soon)
    }

    /// Deletes a message, as a poller of Lambda does after its function answered.
    pub fn delete(&self, queue: &str, receipt_handle: &str) {
        let mut state = self.lock();
        // A handle that is not the newest deletes nothing: the message comes again, which is what at least once means.
        let _ = state.delete(queue, receipt_handle);
        self.settle(state);
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        wire::answer(self, &request).await
    }
}
