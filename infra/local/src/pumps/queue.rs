//! From a queue to its function, as Lambda's pollers do it: batches of the mapping's size, as many at once as it allows, and a message
//! that the answer does not name is deleted. What failed stays hidden until its visibility time-out is over.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::activity::Activity;
use super::invoke::{Function, failed_items};
use crate::clock::Clock;
use crate::doubles::sqs::{Received, Sqs};
use crate::template::QueueSource;

/// One mapping of a queue to a function.
pub(super) struct QueuePump {
    pub(super) source: QueueSource,
    pub(super) function: Function,
    pub(super) sqs: Sqs,
    pub(super) clock: Clock,
    pub(super) activity: Activity,
}

impl QueuePump {
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let pump = Arc::new(self);
        let permits = Arc::new(Semaphore::new(pump.source.concurrency));
        let mut changes = pump.sqs.changes();
        while let Some(permit) = stopping(&mut stop, Arc::clone(&permits).acquire_owned()).await.and_then(Result::ok) {
            changes.mark_unchanged();
            // Before the receive: whoever waits for rest must not see the message gone and nobody at work.
            let busy = pump.activity.begin();
            let messages = pump.sqs.receive(&pump.source.queue, pump.source.batch_size);
            if messages.is_empty() {
                drop((busy, permit));
                let soon = pump.until_visible();
                if stopping(&mut stop, changed_within(&mut changes, soon)).await.is_none() {
                    break;
                }
                continue;
            }
            let pump = Arc::clone(&pump);
            tokio::spawn(async move {
                pump.deliver(&messages).await;
                drop((busy, permit));
            });
        }
        // What is under way is finished: all permits come back.
        let all = u32::try_from(pump.source.concurrency).unwrap_or(u32::MAX);
        let _ = permits.acquire_many(all).await;
    }

    fn until_visible(&self) -> Option<Duration> {
        let at = self.sqs.next_visible(&self.source.queue)?;
        // It may have come meanwhile.
        Some(Duration::try_from(self.clock.now().duration_until(at)).unwrap_or_default())
    }

    async fn deliver(&self, messages: &[Received]) {
        let queue = self.source.queue.as_str();
        let records: Vec<Value> = messages.iter().map(|message| message.record(queue)).collect();
        let Some(answer) = self.function.invoke(json!({"Records": records})).await else { return };
        let failed =
            failed_items(&answer).filter(|failed| failed.iter().all(|id| messages.iter().any(|message| message.message_id == *id)));
        let Some(failed) = failed else {
            tracing::error!(function = self.function.binary, "the answer is no batch answer; every message is delivered again");
            return;
        };
        for message in messages.iter().filter(|message| !failed.contains(&message.message_id.as_str())) {
            self.sqs.delete(queue, &message.receipt_handle);
        }
    }
}

/// Waits, unless the process is to stop.
pub(super) async fn stopping<T>(stop: &mut watch::Receiver<bool>, wait: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        // Without a sender nobody wants the pump any more.
        _ = stop.wait_for(|stop| *stop) => None,
        done = wait => Some(done),
    }
}

/// Waits for a change, for this long at most; without a time until there is one.
pub(super) async fn changed_within(changes: &mut watch::Receiver<u64>, time: Option<Duration>) {
    let changed = async {
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    match time {
        Some(time) => {
            let _ = tokio::time::timeout(time, changed).await;
        }
        None => changed.await,
    }
}
