//! What makes functions run without a request: queues, the table's stream and schedules, mapped as the template says (design decision
//! 16). The same `handle` functions run as on AWS, and get the events that Lambda would hand them.
//!
//! Everything is woken by what happens: a send, a write, a move of the clock. Nothing is polled.

mod activity;
mod invoke;
mod queue;
mod schedule;
mod stream;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::assembly::LocalCloud;
use crate::doubles::sqs::{Counts, Sqs};
use crate::table::Table;

use activity::Activity;
use invoke::Function;
use queue::QueuePump;
use schedule::SchedulePump;
use stream::StreamPump;

pub use invoke::Handler;

/// Why the pumps could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PumpError {
    /// The template maps events to a function that was not handed over.
    #[error("the template hands events to {0}, which is not mounted")]
    NotMounted(String),
    /// A function was handed over that no event of the template reaches.
    #[error("the function {0} is mounted for events, but the template hands it none")]
    NoEvents(String),
}

/// Messages by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Work {
    /// In queues that a function takes from: could be received now, or sent with a delay.
    pub queued: u64,
    /// In the same queues: received, and hidden until they are deleted or their time is over.
    pub in_flight: u64,
    /// In queues that no function takes from: what could not be delivered, and what was given up.
    pub dead_lettered: u64,
    /// Of the queued ones, those whose delay is not over.
    pub delayed: u64,
}

/// The pumps of a local cloud. They stop with [`Pumps::stop`].
pub struct Pumps {
    sqs: Sqs,
    table: Table,
    activity: Activity,
    sources: Vec<String>,
    streams: Vec<watch::Receiver<u64>>,
    schedules: Vec<Arc<SchedulePump>>,
    moved: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Pumps {
    /// Starts a pump for each mapping and rule of the template. `handlers` are the functions by binary name; under `data` the place in
    /// the stream outlives the process.
    ///
    /// # Errors
    /// When mappings and handlers do not match each other exactly.
    pub fn start(local: &LocalCloud, mut handlers: HashMap<String, Handler>, data: Option<&Path>) -> Result<Self, PumpError> {
        let template = local.template;
        let mut functions: HashMap<String, Function> = HashMap::new();
        let sources = template.queue_sources.iter().map(|source| &source.function);
        let sources = sources.chain(template.stream_sources.iter().map(|source| &source.function));
        for id in sources.chain(template.schedules.iter().map(|schedule| &schedule.function)) {
            if functions.contains_key(id) {
                continue;
            }
            let found = template.functions.get(id).and_then(|function| Some((function, handlers.remove(&function.binary)?)));
            let (function, handler) = found.ok_or_else(|| PumpError::NotMounted(id.clone()))?;
            let (binary, timeout, clock) = (function.binary.clone(), function.timeout, local.clock.clone());
            functions.insert(id.clone(), Function { binary, timeout, handler, clock });
        }
        if let Some(binary) = handlers.into_keys().next() {
            return Err(PumpError::NoEvents(binary));
        }
        let function = |id: &String| functions.get(id).cloned().ok_or_else(|| PumpError::NotMounted(id.clone()));
        let (sqs, table, activity) = (local.cloud.sqs().clone(), local.cloud.table().clone(), Activity::new());
        let (stop, stopped) = watch::channel(false);
        let (moved, _) = watch::channel(0);
        let mut tasks = Vec::new();
        for source in &template.queue_sources {
            let function = function(&source.function)?;
            let (sqs, clock, activity) = (sqs.clone(), local.clock.clone(), activity.clone());
            tasks.push(tokio::spawn(QueuePump { source: source.clone(), function, sqs, clock, activity }.run(stopped.clone())));
        }
        let mut streams = Vec::new();
        for source in &template.stream_sources {
            let (seen, read) = watch::channel(u64::MAX);
            streams.push(read);
            let pump = StreamPump {
                source: source.clone(),
                function: function(&source.function)?,
                table: table.clone(),
                sqs: sqs.clone(),
                clock: local.clock.clone(),
                activity: activity.clone(),
                file: data.map(|folder| folder.join(format!("stream-{}.json", source.function))),
                seen,
            };
            tasks.push(tokio::spawn(pump.run(stopped.clone())));
        }
        let mut schedules = Vec::new();
        for rule in &template.schedules {
            let pump = SchedulePump::new(rule.clone(), function(&rule.function)?, local.clock.clone(), activity.clone());
            let pump = Arc::new(pump);
            schedules.push(Arc::clone(&pump));
            let (moved, stopped) = (moved.subscribe(), stopped.clone());
            tasks.push(tokio::spawn(async move { pump.run(moved, stopped).await }));
        }
        let sources = template.queue_sources.iter().map(|source| source.queue.clone()).collect();
        Ok(Self { sqs, table, activity, sources, streams, schedules, moved, stop, tasks: Mutex::new(tasks) })
    }

    /// Messages by where they are now.
    #[must_use]
    pub fn work(&self) -> Work {
        let mut work = Work::default();
        for queue in self.sqs.names() {
            let Counts { visible, in_flight, delayed } = self.sqs.counts(&queue);
            if self.sources.contains(&queue) {
                work.queued += visible + delayed;
                work.delayed += delayed;
                work.in_flight += in_flight;
            } else {
                work.dead_lettered += visible + in_flight + delayed;
            }
        }
        work
    }

    fn is_idle(&self) -> bool {
        let version = self.table.version();
        self.activity.is_quiet()
            && self.streams.iter().all(|seen| *seen.borrow() == version)
            && self.sources.iter().all(|queue| self.sqs.counts(queue).visible == 0)
            // Asked last and again: nothing began while the rest was looked at.
            && self.activity.is_quiet()
            && self.table.version() == version
    }

    /// Waits until every queue and stream is drained; what is delayed, hidden after a failure, or parked in the table is not waited for.
    /// Whether that was reached within `patience`.
    pub async fn idle(&self, patience: Duration) -> bool {
        let mut activity = self.activity.changes();
        let mut queues = self.sqs.changes();
        let mut streams = self.streams.clone();
        let waiting = async {
            while !self.is_idle() {
                let read = async {
                    match streams.first_mut() {
                        Some(stream) => stream.changed().await.is_ok(),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = activity.changed() => {}
                    _ = queues.changed() => {}
                    _ = read => {}
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }

    /// After the clock was moved: what waits looks again, and what became due by it is run before this answers.
    pub async fn run_due(&self) {
        self.sqs.wake();
        for schedule in &self.schedules {
            schedule.run_due().await;
        }
        self.wake();
    }

    /// After the clock was moved: what waits looks again, by and by.
    pub fn wake(&self) {
        self.sqs.wake();
        self.moved.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Stops: no event is begun any more, and those under way are finished, within `patience`. What was not is where it was.
    pub async fn stop(&self, patience: Duration) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let until = tokio::time::Instant::now() + patience;
        for task in tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout_at(until, task).await.is_err() {
                abort.abort();
            }
        }
    }
}
