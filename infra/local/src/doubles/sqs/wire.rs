//! The protocol: AWS JSON 1.0, with the error codes of the older query protocol beside it (`x-amzn-query-error`), as SQS has it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::state::{HandleError, MAX_DELAY, MAX_VISIBILITY};
use super::{Sqs, TARGET, arn, md5, url};
use crate::aws_json::{self, Failure};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// Entries of one batch request (SQS API Reference).
const MAX_ENTRIES: usize = 10;
/// Bytes of a message, and of a batch's messages together (SQS Developer Guide, "Message quotas").
const MAX_BYTES: usize = 1024 * 1024;
/// Longest long poll, in seconds.
const MAX_WAIT: u64 = 20;
/// Characters of a batch entry's id and of a message's group.
const MAX_ENTRY_ID: usize = 80;
const MAX_GROUP: usize = 128;

/// Errors whose code in the query protocol is not the name of the exception (the service's Smithy model, `awsQueryError`).
const QUERY_CODES: [(&str, &str); 7] = [
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
];

pub(super) async fn answer(sqs: &Sqs, request: &Request<Bytes>) -> Response<Bytes> {
    let outcome = respond(sqs, request).await;
    let code = outcome.as_ref().err().map(|failure| {
        let code = QUERY_CODES.iter().find(|(kind, _)| *kind == failure.kind).map_or(failure.kind.as_str(), |(_, code)| code);
        format!("{code};{}", if failure.status.is_client_error() { "Sender" } else { "Receiver" })
    });
    let outcome = outcome.map_err(|failure| Failure { kind: format!("com.amazonaws.sqs#{}", failure.kind), ..failure });
    let mut response = aws_json::answer(CONTENT_TYPE, outcome);
    if let Some(code) = code.and_then(|code| HeaderValue::from_str(&code).ok()) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}

async fn respond(sqs: &Sqs, request: &Request<Bytes>) -> Result<Value, Failure> {
    aws_json::admit(request)?;
    let operation =
        aws_json::operation(request.headers(), TARGET).ok_or_else(|| Failure::client("UnknownOperationException", "no X-Amz-Target"))?;
    if request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != CONTENT_TYPE) {
        return Err(Failure::client("SerializationException", format!("the content type {CONTENT_TYPE} is wanted")));
    }
    let body = request.body();
    match operation {
        "SendMessage" => send(sqs, body),
        "SendMessageBatch" => send_batch(sqs, body),
        "ReceiveMessage" => receive(sqs, body).await,
        "DeleteMessage" => delete(sqs, body),
        "DeleteMessageBatch" => delete_batch(sqs, body),
        "ChangeMessageVisibility" => change_visibility(sqs, body),
        "GetQueueAttributes" => attributes(sqs, body),
        "GetQueueUrl" => queue_url(sqs, body),
        other => Err(Failure::not_modelled(format_args!("sqs:{other}"))),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::client("InvalidParameterValue", message)
}

fn no_queue() -> Failure {
    Failure::client("QueueDoesNotExist", "The specified queue does not exist.")
}

fn required<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, Failure> {
    aws_json::text(members, name)?
        .ok_or_else(|| Failure::client("MissingParameter", format!("The request must contain the parameter {name}.")))
}

/// A whole number within bounds, when it is there.
fn number(members: &Map<String, Value>, name: &str, least: u64, most: u64) -> Result<Option<u64>, Failure> {
    let Some(value) = members.get(name) else { return Ok(None) };
    match value.as_u64().filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            Err(invalid(format!("Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided.")))
        }
    }
}

/// The queue that the request's address names.
fn queue_of(sqs: &Sqs, members: &Map<String, Value>) -> Result<String, Failure> {
    let address = required(members, "QueueUrl")?;
    let name = address.rsplit('/').next().unwrap_or_default();
    if address == url(name) && sqs.lock().has(name) { Ok(name.to_owned()) } else { Err(no_queue()) }
}

fn refused_handle(error: HandleError) -> Failure {
    match error {
        HandleError::Invalid => Failure::client("ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
        HandleError::NotInFlight => {
            Failure::client("MessageNotInflight", "The specified message isn't in flight, or its receipt handle has expired.")
        }
    }
}

/// What a message is to be.
struct Outgoing<'a> {
    body: &'a str,
    group: Option<&'a str>,
    delay: Duration,
}

impl<'a> Outgoing<'a> {
    fn read(members: &'a Map<String, Value>) -> Result<Self, Failure> {
        let body = required(members, "MessageBody")?;
        if body.is_empty() {
            return Err(Failure::client("MissingParameter", "The request must contain the parameter MessageBody."));
        }
        if body.len() > MAX_BYTES {
            return Err(invalid(format!("One or more parameters are invalid. Reason: Message must be shorter than {MAX_BYTES} bytes.")));
        }
        // XML 1.0's characters, as the API Reference lists them.
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
        if !body.chars().all(allowed) {
            return Err(Failure::client("InvalidMessageContents", "Invalid characters found in the message body."));
        }
        let group = aws_json::text(members, "MessageGroupId")?;
        if group.is_some_and(|group| !(1..=MAX_GROUP).contains(&group.len()) || !group.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(invalid("Value for parameter MessageGroupId is invalid: 1 to 128 letters, digits and punctuation are wanted."));
        }
        let delay = number(members, "DelaySeconds", 0, MAX_DELAY)?.unwrap_or_default();
        Ok(Self { body, group, delay: Duration::from_secs(delay) })
    }

    fn store(&self, sqs: &Sqs, queue: &str) -> Result<Value, Failure> {
        let mut state = sqs.lock();
        let id = state.send(queue, self.body, self.group, self.delay, sqs.clock.now()).ok_or_else(no_queue)?;
        sqs.settle(state);
        Ok(json!({"MessageId": id.to_string(), "MD5OfMessageBody": md5(self.body)}))
    }
}

fn send(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let members = aws_json::members(body, &["QueueUrl", "MessageBody", "DelaySeconds", "MessageGroupId"])?;
    let queue = queue_of(sqs, &members)?;
    Outgoing::read(&members)?.store(sqs, &queue)
}

/// An entry of a batch, with its id.
type Entry = (String, Map<String, Value>);

/// The entries of a batch.
fn entries(members: &Map<String, Value>, known: &[&str]) -> Result<Vec<Entry>, Failure> {
    let malformed = || Failure::client("SerializationException", "Entries must be a list of objects");
    let listed = members.get("Entries").and_then(Value::as_array).ok_or_else(malformed)?;
    if listed.is_empty() {
        return Err(Failure::client("EmptyBatchRequest", "The request doesn't contain any entries."));
    }
    if listed.len() > MAX_ENTRIES {
        let message = format!("Maximum number of entries per request are {MAX_ENTRIES}. You have sent {}.", listed.len());
        return Err(Failure::client("TooManyEntriesInBatchRequest", message));
    }
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    for entry in listed {
        let entry = entry.as_object().ok_or_else(malformed)?;
        if let Some(unknown) = entry.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Failure::not_modelled(format_args!("the parameter {unknown} of an entry")));
        }
        let id = required(entry, "Id")?;
        let shaped =
            (1..=MAX_ENTRY_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !shaped {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores, up to 80 of them.";
            return Err(Failure::client("InvalidBatchEntryId", message));
        }
        if !ids.insert(id.to_owned()) {
            return Err(Failure::client("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
        found.push((id.to_owned(), entry.clone()));
    }
    Ok(found)
}

/// The answer of a batch: each entry by itself.
fn batch_answer(outcomes: Vec<(String, Result<Value, Failure>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(mut entry) => {
                if let Some(members) = entry.as_object_mut() {
                    members.insert("Id".to_owned(), id.into());
                }
                successful.push(entry);
            }
            Err(failure) => {
                let sender = failure.status.is_client_error();
                failed.push(json!({"Id": id, "SenderFault": sender, "Code": failure.kind, "Message": failure.message}));
            }
        }
    }
    json!({"Successful": successful, "Failed": failed})
}

fn send_batch(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let members = aws_json::members(body, &["QueueUrl", "Entries"])?;
    let queue = queue_of(sqs, &members)?;
    let entries = entries(&members, &["Id", "MessageBody", "DelaySeconds", "MessageGroupId"])?;
    let bytes: usize = entries.iter().filter_map(|(_, entry)| entry.get("MessageBody")?.as_str()).map(str::len).sum();
    if bytes > MAX_BYTES {
        let message = format!("Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {bytes} bytes.");
        return Err(Failure::client("BatchRequestTooLong", message));
    }
    let outcome = |entry: &Map<String, Value>| Outgoing::read(entry)?.store(sqs, &queue);
    Ok(batch_answer(entries.into_iter().map(|(id, entry)| (id, outcome(&entry))).collect()))
}

async fn receive(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let known = ["QueueUrl", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds", "MessageSystemAttributeNames"];
    let members = aws_json::members(body, &known)?;
    let queue = queue_of(sqs, &members)?;
    let max = number(&members, "MaxNumberOfMessages", 1, 10)?.unwrap_or(1);
    let max = usize::try_from(max).unwrap_or(1);
    let visibility = number(&members, "VisibilityTimeout", 0, MAX_VISIBILITY)?.map(Duration::from_secs);
    let wait = number(&members, "WaitTimeSeconds", 0, MAX_WAIT)?.map_or(Duration::ZERO, Duration::from_secs);
    let wanted: Vec<&str> = match members.get("MessageSystemAttributeNames") {
        None => Vec::new(),
        Some(names) => names.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let until = Instant::now() + wait;
    let mut changes = sqs.changes();
    let received = loop {
        changes.mark_unchanged();
        let (received, soon) = sqs.take(&queue, max, visibility);
        let left = until.saturating_duration_since(Instant::now());
        if !received.is_empty() || left.is_zero() {
            break received;
        }
        let soon = soon.unwrap_or(left);
        let _ = tokio::time::timeout(left.min(soon), changes.changed()).await;
    };
    if received.is_empty() {
        return Ok(json!({}));
    }
    let messages = received.iter().map(|message| {
        let mut shown = json!({
            "MessageId": message.message_id,
            "ReceiptHandle": message.receipt_handle,
            "MD5OfBody": message.md5(),
            "Body": message.body,
        });
        let mut attributes = message.attributes();
        attributes.retain(|name, _| wanted.contains(&"All") || wanted.contains(name));
        if let Some(members) = shown.as_object_mut().filter(|_| !attributes.is_empty()) {
            members.insert("Attributes".to_owned(), json!(attributes));
        }
        shown
    });
    Ok(json!({"Messages": messages.collect::<Vec<_>>()}))
}

fn delete_one(sqs: &Sqs, queue: &str, members: &Map<String, Value>) -> Result<Value, Failure> {
    let handle = required(members, "ReceiptHandle")?;
    let mut state = sqs.lock();
    state.delete(queue, handle).map_err(refused_handle)?;
    sqs.settle(state);
    Ok(json!({}))
}

fn delete(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let members = aws_json::members(body, &["QueueUrl", "ReceiptHandle"])?;
    let queue = queue_of(sqs, &members)?;
    delete_one(sqs, &queue, &members)
}

fn delete_batch(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let members = aws_json::members(body, &["QueueUrl", "Entries"])?;
    let queue = queue_of(sqs, &members)?;
    let entries = entries(&members, &["Id", "ReceiptHandle"])?;
    Ok(batch_answer(entries.into_iter().map(|(id, entry)| (id, delete_one(sqs, &queue, &entry))).collect()))
}

fn change_visibility(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let members = aws_json::members(body, &["QueueUrl", "ReceiptHandle", "VisibilityTimeout"])?;
    let queue = queue_of(sqs, &members)?;
    let handle = required(&members, "ReceiptHandle")?;
    let to = number(&members, "VisibilityTimeout", 0, MAX_VISIBILITY)?
        .ok_or_else(|| Failure::client("MissingParameter", "The request must contain the parameter VisibilityTimeout."))?;
    let mut state = sqs.lock();
    state.change_visibility(&queue, handle, Duration::from_secs(to), sqs.clock.now()).map_err(refused_handle)?;
    sqs.settle(state);
    Ok(json!({}))
}

fn attributes(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let members = aws_json::members(body, &["QueueUrl", "AttributeNames"])?;
    let queue = queue_of(sqs, &members)?;
    let counts = sqs.counts(&queue);
    let state = sqs.lock();
    let shape = state.shape(&queue).ok_or_else(no_queue)?;
    let mut all = vec![
        ("QueueArn", arn(&queue)),
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("VisibilityTimeout", shape.visibility.as_secs().to_string()),
        ("MessageRetentionPeriod", shape.retention.as_secs().to_string()),
        ("MaximumMessageSize", MAX_BYTES.to_string()),
        ("DelaySeconds", "0".to_owned()),
        ("ReceiveMessageWaitTimeSeconds", "0".to_owned()),
        ("SqsManagedSseEnabled", shape.encrypted.to_string()),
    ];
    if let Some(redrive) = &shape.redrive {
        let policy = json!({"deadLetterTargetArn": arn(&redrive.dead_letters), "maxReceiveCount": redrive.max_receives});
        all.push(("RedrivePolicy", policy.to_string()));
    }
    let names: Vec<&str> =
        members.get("AttributeNames").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(unknown) =
        names.iter().find(|name| **name != "All" && all.iter().all(|(known, _)| known != *name) && **name != "RedrivePolicy")
    {
        return Err(Failure::not_modelled(format_args!("the queue attribute {unknown}")));
    }
    let shown: Map<String, Value> = all
        .into_iter()
        .filter(|(name, _)| names.contains(&"All") || names.contains(name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    Ok(json!({"Attributes": shown}))
}

fn queue_url(sqs: &Sqs, body: &Bytes) -> Result<Value, Failure> {
    let members = aws_json::members(body, &["QueueName"])?;
    let name = required(&members, "QueueName")?;
    if sqs.lock().has(name) { Ok(json!({"QueueUrl": url(name)})) } else { Err(no_queue()) }
}
