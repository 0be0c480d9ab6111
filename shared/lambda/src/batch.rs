//! Records of a queue or of the table's stream, one by one: a body that cannot be read, a panic and a failure are each their own record's
//! business, and the answer names exactly the records that are to come again (AWS Lambda Developer Guide, "Handling errors for an SQS event
//! source", "Configuring partial batch response with DynamoDB").

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use aws_lambda_events::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use coportal_aws::keys;
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::queue::Message;
use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::events::{EventShell, Invocation};
use crate::telemetry::{Note, Recorded};

/// The time of a function that takes from the sync queues (design decision 14: 180 s), with a margin for its answer.
pub const WORKER_BUDGET: SignedDuration = SignedDuration::from_secs(175);
/// The time of a function that takes from the table's stream, whose timeout is a minute.
pub const STREAM_BUDGET: SignedDuration = SignedDuration::from_secs(55);
/// Less than this is left: no message is begun any more. A sync of one invoice has to fit, its vendor calls included.
const MESSAGE_NEEDS: SignedDuration = SignedDuration::from_secs(30);
/// The same for the handing on of a changed invoice.
const CHANGE_NEEDS: SignedDuration = SignedDuration::from_secs(10);
/// A message that is received so often has brought down whoever had it before: it is counted, not tried.
const THIRD: u32 = 3;
/// Changed invoices that are handed on at once.
const AT_ONCE: usize = 8;

/// A message, as the queue delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What it says.
    pub message: Message,
    /// The queue's id of it.
    pub id: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was first received.
    pub first_received: Timestamp,
}

/// What a function does with the messages of a queue.
pub trait Work: Sync {
    /// Does what the message says. `Ok` deletes it, whatever its rows came to: they say so themselves.
    ///
    /// # Errors
    /// When it is to be delivered again.
    fn work(&self, ctx: &Ctx, message: &Message, note: &Note) -> impl Future<Output = Outcome<()>> + Send;

    /// The one message that says what all of these say, which are of one group; `None` where they are to be worked on one by one.
    fn together(&self, messages: &[&Message]) -> Option<Message>;

    /// The work panicked, or two earlier deliveries came to no end that the queue was told of: counts that where no claim since `since`
    /// has, so that the rows are tried by the schedule. `Ok` deletes the message.
    ///
    /// # Errors
    /// When it is to be delivered again.
    fn broken(&self, ctx: &Ctx, message: &Message, since: Timestamp) -> impl Future<Output = Outcome<()>> + Send;
}

/// What became of a record.
struct Fate {
    outcome: &'static str,
    /// It comes again.
    again: bool,
    is_error: bool,
    problem: Option<String>,
    reason: Option<String>,
}

impl Fate {
    fn of(outcome: &'static str, again: bool, is_error: bool) -> Self {
        Self { outcome, again, is_error, problem: None, reason: None }
    }

    fn because(mut self, problem: &Problem) -> Self {
        self.problem = Some(problem.code.to_string());
        self.reason = problem.internal().map(str::to_owned);
        self
    }

    fn saying(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

/// Handles an event of a queue. Messages of different connections are worked on at once, those of one connection in their order.
pub async fn messages<W: Work>(shell: &EventShell, invocation: &Invocation, event: SqsEvent, work: &W) -> SqsBatchResponse {
    let ctx = shell.ctx(WORKER_BUDGET);
    let mut again: Vec<(usize, String)> = Vec::new();
    let mut groups: BTreeMap<String, Vec<(usize, String, Delivery)>> = BTreeMap::new();
    for (place, record) in event.records.into_iter().enumerate() {
        let source = source_of(&record);
        match delivery(record, ctx.now()) {
            Ok(delivery) => groups.entry(delivery.message.group()).or_default().push((place, source, delivery)),
            Err((id, receives, reason)) => {
                // It can never be read: the queue moves it to the dead-letter queue after the set number of deliveries.
                let fate = Fate::of("undecodable", true, true).saying(reason);
                tell(
                    shell,
                    invocation,
                    &Told { at: ctx.now(), source: &source, id: &id, receives: Some(receives), took: 0 },
                    &fate,
                    &Note::default(),
                );
                again.push((place, id));
            }
        }
    }
    let each = groups.into_values().map(|group| in_order(shell, invocation, &ctx, group, work));
    again.extend(join_all(each).await.into_iter().flatten());
    again.sort_unstable();
    let mut response = SqsBatchResponse::default();
    response.set_failures(again.into_iter().map(|(_, id)| id));
    response
}

async fn in_order<W: Work>(
    shell: &EventShell,
    invocation: &Invocation,
    ctx: &Ctx,
    group: Vec<(usize, String, Delivery)>,
    work: &W,
) -> Vec<(usize, String)> {
    let mut again = Vec::new();
    let together = together(ctx, &group, work).await;
    for (place, source, delivery) in group {
        let (mut at, began, mut note) = (ctx.now(), Instant::now(), Note::default());
        if let Some(together) = together.as_ref().filter(|together| together.places.first() == Some(&place)) {
            // The calls that all of them cost are counted once.
            note = together.note.clone();
        }
        noted(&note, &delivery.message);
        let (fate, took) = match together.as_ref().filter(|together| together.is_done && together.places.contains(&place)) {
            Some(together) => {
                at = together.at;
                (Fate::of("done", false, false), together.took)
            }
            None => (deliver(ctx, &delivery, work, &note).await, millis(began)),
        };
        let told = Told { at, source: &source, id: &delivery.id, receives: Some(delivery.receives), took };
        tell(shell, invocation, &told, &fate, &note);
        if fate.again {
            again.push((place, delivery.id));
        }
    }
    again
}

/// What became of several messages of one group that were worked on as one.
struct Together {
    /// Which of the event's records.
    places: Vec<usize>,
    /// All of them came to an end; else each is worked on by itself.
    is_done: bool,
    note: Note,
    at: Timestamp,
    took: u64,
}

/// Works on the messages of a group as on one, where they can be: a ledger's batch takes the time, the permit and the slot of a call. What came
/// before is not known to have been harmless, so only first deliveries go together; and where they come to no end, which of them it was is not
/// known, so each goes by itself then.
async fn together<W: Work>(ctx: &Ctx, group: &[(usize, String, Delivery)], work: &W) -> Option<Together> {
    let first: Vec<(usize, &Message)> =
        group.iter().filter(|(_, _, delivery)| delivery.receives == 1).map(|(place, _, delivery)| (*place, &delivery.message)).collect();
    if first.len() < 2 || !ctx.has_time_for(MESSAGE_NEEDS) {
        return None;
    }
    let (places, messages): (Vec<usize>, Vec<&Message>) = first.into_iter().unzip();
    let message = work.together(&messages)?;
    let (at, began, note) = (ctx.now(), Instant::now(), Note::default());
    let ended = AssertUnwindSafe(work.work(ctx, &message, &note)).catch_unwind().await;
    Some(Together { places, is_done: matches!(ended, Ok(Ok(()))), note, at, took: millis(began) })
}

async fn deliver<W: Work>(ctx: &Ctx, delivery: &Delivery, work: &W, note: &Note) -> Fate {
    let Delivery { message, receives, first_received, .. } = delivery;
    if *receives >= THIRD {
        let reason = format!("received {receives} times: counted and not tried");
        return counted(ctx, message, *first_received, work, Fate::of("counted", false, true).saying(reason)).await;
    }
    if !ctx.has_time_for(MESSAGE_NEEDS) {
        return Fate::of("no_time", true, false);
    }
    let began = ctx.now();
    match AssertUnwindSafe(work.work(ctx, message, note)).catch_unwind().await {
        Ok(Ok(())) => Fate::of("done", false, false),
        Ok(Err(problem)) => Fate::of("given_back", true, false).because(&problem),
        Err(panic) => {
            let fate = Fate::of("panicked", false, true).saying(panic_text(panic.as_ref()));
            counted(ctx, message, began, work, fate).await
        }
    }
}

/// What broke off is counted in a write of its own; a count that cannot be written gives the message back.
async fn counted<W: Work>(ctx: &Ctx, message: &Message, since: Timestamp, work: &W, fate: Fate) -> Fate {
    match AssertUnwindSafe(work.broken(ctx, message, since)).catch_unwind().await {
        Ok(Ok(())) => fate,
        Ok(Err(problem)) => Fate { again: true, problem: Some(problem.code.to_string()), ..fate },
        Err(_) => Fate { again: true, ..fate },
    }
}

/// The panic's own words; the hook that boot installs has written its place.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("a panic without words").to_owned()
}

/// A message as it was delivered; or its id, how often it was received, and why it is none.
fn delivery(record: SqsMessage, now: Timestamp) -> Result<Delivery, (String, u32, String)> {
    // Without an id nothing can be said of one record: an empty one makes Lambda deliver the whole batch again, which is harmless.
    let id = record.message_id.unwrap_or_default();
    let attribute = |name: &str| record.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
    let receives = attribute("ApproximateReceiveCount").and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let first_received = attribute("ApproximateFirstReceiveTimestamp").and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(now);
    match Message::decode(record.body.as_deref().unwrap_or_default()) {
        Ok(message) if !id.is_empty() => Ok(Delivery { message, id, receives, first_received }),
        Ok(_) => Err((id, receives, "a message without an id".to_owned())),
        Err(undecodable) => Err((id, receives, undecodable.reason)),
    }
}

/// The queue's name, from its ARN.
fn source_of(record: &SqsMessage) -> String {
    record.event_source_arn.as_deref().and_then(|arn| arn.rsplit(':').next()).unwrap_or("queue").to_owned()
}

fn noted(note: &Note, message: &Message) {
    note.workspace(message.workspace(), "queue");
    if let Message::Sync(sync) = message {
        note.ledger(sync.ledger);
        if let [only] = sync.invoices.as_slice() {
            note.invoice(*only);
        }
    }
}

/// Handles an event of the table's stream: hands each changed invoice on, once however often it is in the event.
///
/// A shard is never blocked by one bad record: only what a later try may mend is answered as a failure. The rest is logged, and the sweep
/// finds it by its due mark.
pub async fn changes<F, Fut>(shell: &EventShell, invocation: &Invocation, event: StreamEvent, hand_on: F) -> DynamoDbEventResponse
where
    F: Fn(Ctx, WorkspaceId, InvoiceId) -> Fut,
    Fut: Future<Output = Outcome<()>>,
{
    let ctx = shell.ctx(STREAM_BUDGET);
    let mut invoices: Vec<((WorkspaceId, InvoiceId), Vec<String>)> = Vec::new();
    for record in event.records {
        let number = record.change.sequence_number.clone().unwrap_or_default();
        let Some(about) = about(&record) else {
            let told = Told { at: ctx.now(), source: "stream", id: &number, receives: None, took: 0 };
            tell(shell, invocation, &told, &Fate::of("undecodable", false, true).saying("its keys name no invoice"), &Note::default());
            continue;
        };
        match invoices.iter_mut().find(|(known, _)| *known == about) {
            Some((_, numbers)) => numbers.push(number),
            None => invoices.push((about, vec![number])),
        }
    }
    let each = stream::iter(invoices).map(|((ws, inv), numbers)| {
        let (ctx, hand_on) = (ctx.clone(), &hand_on);
        async move {
            let (at, began, note) = (ctx.now(), Instant::now(), Note::default());
            note.workspace(ws, "stream");
            note.invoice(inv);
            let fate = if ctx.has_time_for(CHANGE_NEEDS) {
                match AssertUnwindSafe(hand_on(ctx.clone(), ws, inv)).catch_unwind().await {
                    Ok(Ok(())) => Fate::of("done", false, false),
                    Ok(Err(problem)) => {
                        let passing = matches!(problem.kind, ProblemKind::Unavailable | ProblemKind::Limited);
                        Fate::of(if passing { "given_back" } else { "left_to_sweep" }, passing, !passing).because(&problem)
                    }
                    Err(panic) => Fate::of("panicked", false, true).saying(panic_text(panic.as_ref())),
                }
            } else {
                Fate::of("no_time", true, false)
            };
            let id = numbers.first().map_or("", String::as_str);
            tell(shell, invocation, &Told { at, source: "stream", id, receives: None, took: millis(began) }, &fate, &note);
            if fate.again { numbers } else { Vec::new() }
        }
    });
    let again: Vec<Vec<String>> = each.buffered(AT_ONCE).collect().await;
    let failure = |number| {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(number);
        failure
    };
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures = again.into_iter().flatten().map(failure).collect();
    response
}

/// The invoice that a record of the stream is about.
fn about(record: &EventRecord) -> Option<(WorkspaceId, InvoiceId)> {
    // In DynamoDB's own form: {"pk": {"S": "…"}}.
    let item = serde_json::to_value(&record.change.keys).ok()?;
    let text = |name: &str| item.get(name)?.get("S")?.as_str();
    keys::invoice_of_key(text(keys::PK)?, text(keys::SK)?)
}

/// What is told of a record besides what became of it.
struct Told<'a> {
    at: Timestamp,
    source: &'a str,
    id: &'a str,
    receives: Option<u32>,
    took: u64,
}

fn tell(shell: &EventShell, invocation: &Invocation, told: &Told<'_>, fate: &Fate, note: &Note) {
    let recorded = Recorded {
        at: told.at,
        source: told.source,
        id: Some(told.id).filter(|id| !id.is_empty()),
        receives: told.receives,
        outcome: fate.outcome,
        is_error: fate.is_error,
        duration_ms: told.took,
        request_id: &invocation.request_id,
        trace_id: invocation.trace_id.as_deref(),
        problem: fate.problem.as_deref(),
        reason: fate.reason.as_deref(),
    };
    shell.telemetry().record(&recorded, note);
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
