//! The Parameter Store: `GetParameters` (AWS Systems Manager API Reference, `GetParameters`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws_json::{self, ACCOUNT, Failure, REGION};
use crate::clock::Clock;

/// Prefix of `X-Amz-Target`.
pub const TARGET: &str = "AmazonSSM";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The double. Clones share parameters and counts.
#[derive(Clone)]
pub struct Ssm {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    parameters: BTreeMap<String, Stored>,
    calls: BTreeMap<String, u64>,
}

struct Stored {
    value: String,
    secure: bool,
    version: u64,
    modified: Timestamp,
}

impl Ssm {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// Stores a `SecureString`; again under the same name makes the next version.
    pub fn put_secure(&self, name: &str, value: &str) {
        self.put(name, value, true);
    }

    /// Stores a `String`.
    pub fn put_text(&self, name: &str, value: &str) {
        self.put(name, value, false);
    }

    fn put(&self, name: &str, value: &str, secure: bool) {
        let mut state = self.lock();
        let version = state.parameters.get(name).map_or(1, |old| old.version + 1);
        let stored = Stored { value: value.to_owned(), secure, version, modified: self.clock.now() };
        state.parameters.insert(name.to_owned(), stored);
    }

    /// Calls so far, by operation.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request.
    #[expect(clippy::unused_async, reason = "one shape for all handlers of the local cloud")]
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        aws_json::answer(CONTENT_TYPE, self.respond(&request))
    }

    fn respond(&self, request: &Request<Bytes>) -> Result<Value, Failure> {
        aws_json::admit(request)?;
        let operation = aws_json::operation(request.headers(), TARGET)
            .ok_or_else(|| Failure::client("UnknownOperationException", "no X-Amz-Target"))?;
        *self.lock().calls.entry(operation.to_owned()).or_default() += 1;
        match operation {
            "GetParameters" => self.get_parameters(request.body()),
            other => Err(Failure::not_modelled(format_args!("ssm:{other}"))),
        }
    }

    fn get_parameters(&self, body: &Bytes) -> Result<Value, Failure> {
        let members = aws_json::members(body, &["Names", "WithDecryption"])?;
        let names = members
            .get("Names")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>())
            .unwrap_or_default();
        if names.is_empty() || names.len() > 10 {
            let bound = if names.is_empty() { "greater than or equal to 1" } else { "less than or equal to 10" };
            return Err(Failure::client(
                "ValidationException",
                format!(
                    "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: Member must have length {bound}",
                    names.join(", ")
                ),
            ));
        }
        if names.iter().collect::<BTreeSet<_>>().len() != names.len() {
            return Err(Failure::client("ValidationException", "Parameter names must be unique in a request."));
        }
        if let Some(selector) = names.iter().find(|name| name.contains(':')) {
            return Err(Failure::not_modelled(format_args!("the version, label or ARN in the name {selector}")));
        }
        let decrypt = members.get("WithDecryption").and_then(Value::as_bool).unwrap_or_default();
        let state = self.lock();
        let mut found = Vec::new();
        let mut invalid = Vec::new();
        for name in names {
            match state.parameters.get(name) {
                None => invalid.push(name),
                Some(stored) => found.push(json!({
                    "Name": name,
                    "Type": if stored.secure { "SecureString" } else { "String" },
                    "Value": if stored.secure && !decrypt { sealed(name, stored.version) } else { stored.value.clone() },
                    "Version": stored.version,
                    "LastModifiedDate": stored.modified.as_second(),
                    "ARN": format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"),
                    "DataType": "text",
                })),
            }
        }
        Ok(json!({"Parameters": found, "InvalidParameters": invalid}))
    }
}

/// What a caller sees who asked for a `SecureString` without decryption: opaque, and not derived from the value.
fn sealed(name: &str, version: u64) -> String {
    STANDARD.encode(format!("sealed:{name}:{version}"))
}
