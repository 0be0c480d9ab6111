//! One invocation: an event goes in as JSON, an answer comes out as JSON, and nothing that happens inside gets out otherwise.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws_json::{self, ACCOUNT, REGION};
use crate::clock::Clock;

type Answering = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// A function's `handle`, with JSON on both sides as Lambda has it.
#[derive(Clone)]
pub struct Handler(Arc<dyn Fn(Value, Context) -> Answering + Send + Sync>);

impl Handler {
    /// Of a `handle` function.
    pub fn of<E, A, F>(handle: impl Fn(LambdaEvent<E>) -> F + Send + Sync + 'static) -> Self
    where
        E: DeserializeOwned,
        A: Serialize,
        F: Future<Output = Result<A, lambda_http::Error>> + Send + 'static,
    {
        Self(Arc::new(move |event, context| {
            let handling = serde_json::from_value(event).map(|event| handle(LambdaEvent::new(event, context)));
            Box::pin(async move {
                let answer = handling.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())?;
                serde_json::to_value(answer).map_err(|error| error.to_string())
            })
        }))
    }
}

/// A function that events are handed to.
#[derive(Clone)]
pub(super) struct Function {
    pub(super) binary: String,
    pub(super) timeout: Duration,
    pub(super) handler: Handler,
    pub(super) clock: Clock,
}

impl Function {
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.binary)
    }

    /// Runs it in a task of its own. `None` when it ended in an error, a panic or its time-out; why stands in the log.
    pub(super) async fn invoke(&self, event: Value) -> Option<Value> {
        let mut context = Context::default();
        context.request_id = aws_json::request_id();
        context.invoked_function_arn = self.arn();
        let allowed = SignedDuration::try_from(self.timeout).unwrap_or(SignedDuration::MAX);
        let deadline = self.clock.now().saturating_add(allowed).ok();
        context.deadline = deadline.and_then(|deadline| u64::try_from(deadline.as_millisecond()).ok()).unwrap_or_default();
        let function = self.binary.as_str();
        match tokio::spawn(tokio::time::timeout(self.timeout, (self.handler.0)(event, context))).await {
            Ok(Ok(Ok(answer))) => return Some(answer),
            Ok(Ok(Err(problem))) => tracing::error!(function, problem, "the function answered with an error"),
            Ok(Err(_)) => tracing::error!(function, "the function ran into its time-out"),
            Err(_) => tracing::error!(function, "the function panicked"),
        }
        None
    }
}

/// The items that an answer names as failed. `None` when the answer is not one that Lambda understands: then all of them failed
/// (Lambda Developer Guide, "Success and failure conditions").
pub(super) fn failed_items(answer: &Value) -> Option<Vec<&str>> {
    let listed = match answer {
        Value::Null => return Some(Vec::new()),
        Value::Object(members) => members.get("batchItemFailures").unwrap_or(&Value::Null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return None,
    };
    if listed.is_null() {
        return Some(Vec::new());
    }
    listed.as_array()?.iter().map(|item| item.get("itemIdentifier")?.as_str().filter(|id| !id.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_understood_as_lambda_understands_them() {
        let item = |id: Value| json!({"batchItemFailures": [{"itemIdentifier": id}]});
        for answer in [json!(null), json!({}), json!({"batchItemFailures": null}), json!({"batchItemFailures": []})] {
            assert_eq!(failed_items(&answer), Some(Vec::new()), "{answer}");
        }
        assert_eq!(failed_items(&item(json!("m-1"))), Some(vec!["m-1"]));
        for answer in [
            json!("done"),
            json!([]),
            json!({"batchItemFailures": "m-1"}),
            item(json!("")),
            item(json!(null)),
            item(json!(7)),
            json!({"batchItemFailures": [{"itemIdentifer": "m-1"}]}),
        ] {
            assert_eq!(failed_items(&answer), None, "{answer}");
        }
    }
}
