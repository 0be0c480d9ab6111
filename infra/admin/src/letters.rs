//! Dead letters: what is there, whether this version can read it, and back into its queue.

use anyhow::{Context as _, Result};
use aws_sdk_sqs::types::{Message as Letter, MessageSystemAttributeName};
use coportal_aws::queues::QueueUrls;
use coportal_core::queue::{Message, SyncQueue};

use crate::access::{Access, ctx};
use crate::report::{Progress, Report};

/// For how long what is being looked at is hidden from the next look, in seconds. What stays is shown again at the end.
const HIDDEN_FOR: i32 = 120;
/// Letters that one receive answers at most (SQS API Reference).
const RECEIVED: i32 = 10;
/// Receives without an answer, after which the queue counts as read: one receive asks a part of the queue's servers.
const EMPTY_RECEIVES: u8 = 3;

/// Where letters come from and go back to.
pub struct Queues<'a> {
    /// Address of the queue of dead letters.
    pub dead_letters: &'a str,
    /// Address of the queue that they came from.
    pub home: &'a str,
}

/// Reads every letter; with `redrive`, sends what this version can read to its queue again, and deletes it here after that. What comes
/// back is settled before anything is sent to a ledger, as with every message that comes twice.
///
/// # Errors
/// When SQS does not answer; a letter that was sent and not deleted is sent again by the next run, which is harmless.
pub async fn dead_letters(access: &Access, queues: &Queues<'_>, redrive: bool, dry_run: bool) -> Result<Report> {
    let client = access.sqs();
    let home = QueueUrls { now: Some(queues.home.to_owned()), bulk: None };
    let sender = access.cloud("none", "none", home).queues();
    let mut report = Report::of(&format!("Dead letters in {}", queues.dead_letters), dry_run || !redrive);
    let progress = Progress::of("letters");
    let mut empty = 0;
    let mut seen = std::collections::BTreeSet::new();
    let mut stays = Vec::new();
    while empty < EMPTY_RECEIVES {
        let receive =
            client.receive_message().queue_url(queues.dead_letters).max_number_of_messages(RECEIVED).visibility_timeout(HIDDEN_FOR);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp).wait_time_seconds(1);
        let letters = receive.send().await.context("receiving")?.messages.unwrap_or_default();
        let fresh: Vec<Letter> = letters.into_iter().filter(|letter| seen.insert(letter.message_id.clone().unwrap_or_default())).collect();
        empty = if fresh.is_empty() { empty + 1 } else { 0 };
        for letter in fresh {
            progress.at(seen.len(), None);
            let handle = letter.receipt_handle.context("a letter without a receipt")?;
            match Message::decode(letter.body.as_deref().unwrap_or_default()) {
                Err(error) => {
                    stays.push(handle);
                    report.count("unreadable");
                    report.notes.push(format!("{}: {error}", letter.message_id.as_deref().unwrap_or("a letter without an id")));
                }
                Ok(_) if !redrive || dry_run => {
                    stays.push(handle);
                    report.count("readable");
                }
                Ok(message) => {
                    let sent = sender.send(&ctx(), SyncQueue::Now, &[message]).await?;
                    if !sent.iter().all(coportal_aws::queues::SendOutcome::is_sent) {
                        stays.push(handle);
                        report.count("not sent");
                        continue;
                    }
                    client.delete_message().queue_url(queues.dead_letters).receipt_handle(handle).send().await.context("deleting")?;
                    report.count("sent again");
                }
            }
        }
    }
    for handle in stays {
        let show = client.change_message_visibility().queue_url(queues.dead_letters).receipt_handle(handle).visibility_timeout(0);
        // Whoever looks next would find the queue empty; after its time a letter shows itself.
        if let Err(error) = show.send().await {
            report.notes.push(format!("a letter stays hidden for up to {HIDDEN_FOR} seconds: {error}"));
        }
    }
    Ok(report)
}
