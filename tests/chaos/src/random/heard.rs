//! What the product says, and the secrets that must be in none of it (I12): log lines, what it writes to table and queues, addresses of its
//! vendor calls, and what its use cases answer.

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// Secrets shorter than this could be there by chance.
const SHORTEST: usize = 16;
/// So much of a secret's end is looked for: tokens of one kind begin alike, and a text may be cut off in front.
const LOOKED_FOR: usize = 20;
/// Bytes that most histories do not exceed: what is said is not copied each time that it has doubled.
const USUAL: usize = 1 << 20;
/// Fields of a token request and of its answer that are secrets.
const TOKEN_FIELDS: [&str; 7] = ["access_token", "refresh_token", "id_token", "code", "code_verifier", "client_secret", "client_assertion"];
/// AWS operations that put something where it can be read later.
const KEEPING: [&str; 7] = [
    "DynamoDB_20120810.PutItem",
    "DynamoDB_20120810.UpdateItem",
    "DynamoDB_20120810.TransactWriteItems",
    "DynamoDB_20120810.BatchWriteItem",
    "AmazonSQS.SendMessage",
    "AmazonSQS.SendMessageBatch",
    "AmazonSSM.PutParameter",
];

/// Everything said in one history. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Inner>>);

struct Inner {
    secrets: BTreeSet<String>,
    said: Vec<u8>,
    log_lines: u64,
}

impl Default for Inner {
    fn default() -> Self {
        Self { secrets: BTreeSet::new(), said: Vec::with_capacity(USUAL), log_lines: 0 }
    }
}

impl Heard {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that was said.
    pub(super) fn say(&self, text: &[u8]) {
        let mut inner = self.inner();
        inner.said.extend_from_slice(text);
        inner.said.push(b'\n');
    }

    /// A secret: none of what is said, before or after, may hold it.
    pub(super) fn secret(&self, text: &str) {
        if text.len() >= SHORTEST {
            let end = text.len().saturating_sub(LOOKED_FOR);
            if let Some(tail) = text.get(end..) {
                self.inner().secrets.insert(tail.to_owned());
            }
        }
    }

    /// A call to AWS: what it keeps is said.
    pub(super) fn sent_to_aws(&self, target: &str, request: &Request<Bytes>) {
        if KEEPING.contains(&target) {
            self.say(request.body());
        }
    }

    /// An answer of AWS: an opened data key, or a client's secret, goes no further.
    pub(super) fn answered_by_aws(&self, target: &str, response: &Response<Bytes>) {
        if !["TrentService.", "AmazonSSM."].iter().any(|service| target.starts_with(service)) {
            return;
        }
        let Ok(body) = serde_json::from_slice::<Value>(response.body()) else { return };
        if let Some(key) = body.get("Plaintext").and_then(Value::as_str) {
            self.secret(key);
        }
        let listed = body.get("Parameters").and_then(Value::as_array).into_iter().flatten();
        for parameter in listed.chain(body.get("Parameter")) {
            if parameter.get("Type").and_then(Value::as_str) == Some("SecureString")
                && let Some(value) = parameter.get("Value").and_then(Value::as_str)
            {
                self.secret(value);
            }
        }
    }

    /// A call to a vendor: its address is said; what a token request carries is secret.
    pub(super) fn sent_to_vendor(&self, request: &Request<Bytes>) {
        self.say(request.uri().to_string().as_bytes());
        if request.uri().path().contains("token") {
            for (name, value) in url::form_urlencoded::parse(request.body()) {
                if TOKEN_FIELDS.contains(&&*name) {
                    self.secret(&value);
                }
            }
        }
    }

    /// An answer of a vendor: tokens are secret.
    pub(super) fn answered_by_vendor(&self, path: &str, response: &Response<Bytes>) {
        if !path.contains("token") {
            return;
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(response.body()) else { return };
        for name in TOKEN_FIELDS {
            if let Some(value) = fields.get(name).and_then(Value::as_str) {
                self.secret(value);
            }
        }
    }

    /// How many secrets, bytes and log lines there were.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let inner = self.inner();
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        (count(inner.secrets.len()), count(inner.said.len()), inner.log_lines)
    }

    /// I12: the secrets that were said, each with what stands around it.
    pub(super) fn leaks(&self) -> Vec<String> {
        let inner = self.inner();
        let Ok(finder) = AhoCorasick::new(&inner.secrets) else { return vec!["I12: the secrets cannot be looked for".to_owned()] };
        let mut wrong = Vec::new();
        for found in finder.find_iter(&inner.said).take(3) {
            let line = inner.said.get(..found.start()).and_then(|before| before.rsplit(|byte| *byte == b'\n').next()).unwrap_or_default();
            let before = String::from_utf8_lossy(line.get(line.len().saturating_sub(160)..).unwrap_or_default()).into_owned();
            wrong.push(format!("I12: a secret was said, behind {before:?}"));
        }
        wrong
    }
}

/// Hears the product's log lines, whatever their level.
pub(super) struct Ears {
    heard: Heard,
    spans: AtomicU64,
}

impl Ears {
    /// Writes down for this history.
    pub(super) fn of(heard: Heard) -> Self {
        Self { heard, spans: AtomicU64::new(1) }
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("coportal") || metadata.target().starts_with("auto_sync")
}

struct Words(String);

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Ears {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut words = Words(attributes.metadata().name().to_owned());
        attributes.record(&mut words);
        self.heard.say(words.0.as_bytes());
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut words = Words(String::new());
        values.record(&mut words);
        self.heard.say(words.0.as_bytes());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(event.metadata().target().to_owned());
        event.record(&mut words);
        self.heard.say(words.0.as_bytes());
        self.heard.inner().log_lines += 1;
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
