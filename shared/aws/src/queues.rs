//! The sync queues, as their sender sees them. Receiving and deleting is Lambda's own work.
//!
//! The SDK asks again when an answer was lost, and a standard queue delivers at least once, so a message may come twice. That is
//! harmless by design: a message says only what to bring up to date (design decision 6).

use coportal_core::ctx::Ctx;
use coportal_core::queue::{Message, SyncQueue};
use jiff::SignedDuration;

use crate::cloud::ATTEMPT_TIMEOUT;
use crate::error::StoreError;

const SEND: &str = "SendMessageBatch";
/// Messages that one `SendMessageBatch` takes (SQS API Reference).
pub const BATCH: usize = 10;
/// Bytes that the bodies of one `SendMessageBatch` have together at most (SQS API Reference: 1 MiB).
pub const BATCH_BYTES: usize = 1024 * 1024;

/// Addresses of the queues; absent in a function that does not send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueUrls {
    /// Of `sync-now`.
    pub now: Option<String>,
    /// Of `sync-bulk`.
    pub bulk: Option<String>,
}

impl QueueUrls {
    /// Of one queue.
    #[must_use]
    pub fn of(&self, queue: SyncQueue) -> Option<&str> {
        match queue {
            SyncQueue::Now => self.now.as_deref(),
            SyncQueue::Bulk => self.bulk.as_deref(),
        }
    }
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The queue has it.
    Sent,
    /// It is not known to be in the queue: whoever sent it leaves the row due, and the sweep sends again.
    NotSent {
        /// Error code of the service, or the kind of failure; for the log.
        cause: String,
    },
}

impl SendOutcome {
    /// Whether the queue has it.
    #[must_use]
    pub const fn is_sent(&self) -> bool {
        matches!(self, Self::Sent)
    }
}

/// The queues. Clones share connections.
#[derive(Clone)]
pub struct Queues {
    client: aws_sdk_sqs::Client,
    urls: QueueUrls,
}

impl Queues {
    /// Queues through an SDK client.
    #[must_use]
    pub fn new(client: aws_sdk_sqs::Client, urls: QueueUrls) -> Self {
        Self { client, urls }
    }

    /// Puts messages into a queue, [`BATCH`] a call; one outcome each, in the order of the messages.
    ///
    /// # Errors
    /// When nothing was sent and nothing could be: the function has no address of the queue, or its first call failed as a whole. A
    /// later call that fails is an outcome of its messages and of those after them.
    pub async fn send(&self, ctx: &Ctx, queue: SyncQueue, messages: &[Message]) -> Result<Vec<SendOutcome>, StoreError> {
        let refused = |cause: String| StoreError::Defect { operation: SEND, cause };
        let url = self.urls.of(queue).ok_or_else(|| refused(format!("this function has no address of {}", queue.label())))?;
        let mut bodies = Vec::with_capacity(messages.len());
        for message in messages {
            bodies.push((message.encode().map_err(|error| refused(error.to_string()))?, message.group()));
        }
        let mut outcomes = Vec::with_capacity(messages.len());
        for batch in batches(&bodies) {
            let answer = if outcomes.is_empty() || ctx.has_time_for(one_attempt()) {
                self.send_batch(url, batch).await
            } else {
                Err(StoreError::Unavailable { operation: SEND, cause: "no time left".to_owned() })
            };
            match answer {
                Ok(answered) => outcomes.extend(answered),
                Err(error) if outcomes.is_empty() => return Err(error),
                Err(error) => {
                    let unsent = SendOutcome::NotSent { cause: error.to_string() };
                    outcomes.resize(messages.len(), unsent);
                    break;
                }
            }
        }
        Ok(outcomes)
    }

    async fn send_batch(&self, url: &str, batch: &[(String, String)]) -> Result<Vec<SendOutcome>, StoreError> {
        let entries = batch.iter().enumerate().map(|(at, (body, group))| {
            aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .message_body(body)
                .message_group_id(group)
                .build()
                .map_err(|error| StoreError::Defect { operation: SEND, cause: error.to_string() })
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let answer = self
            .client
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| StoreError::of(SEND, &error))?;
        let outcomes = (0..batch.len()).map(|at| {
            let id = at.to_string();
            if answer.successful.iter().any(|entry| entry.id == id) {
                return SendOutcome::Sent;
            }
            let failed = answer.failed.iter().find(|entry| entry.id == id);
            SendOutcome::NotSent { cause: failed.map_or_else(|| "the answer does not name it".to_owned(), |entry| entry.code.clone()) }
        });
        Ok(outcomes.collect())
    }
}

fn one_attempt() -> SignedDuration {
    SignedDuration::try_from(ATTEMPT_TIMEOUT).unwrap_or(SignedDuration::MAX)
}

/// Cuts bodies into calls by number and by bytes. A body is at most `coportal_core::queue::MAX_BODY`, so each fits.
fn batches(bodies: &[(String, String)]) -> impl Iterator<Item = &[(String, String)]> {
    let mut rest = bodies;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(BATCH).take_while(|(body, _)| {
            bytes += body.len();
            bytes <= BATCH_BYTES
        });
        let (batch, after) = rest.split_at_checked(fits.count().max(1))?;
        rest = after;
        Some(batch)
    })
}

#[cfg(test)]
mod tests;
