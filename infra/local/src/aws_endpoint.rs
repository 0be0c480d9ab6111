//! The AWS endpoint of the local cloud: one address for DynamoDB, its stream, KMS, SQS and SSM, told apart by `X-Amz-Target`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::aws_json::{self, Failure};
use crate::clock::Clock;
use crate::doubles::kms::{self, Kms};
use crate::doubles::sqs::{self, Sqs};
use crate::doubles::ssm::{self, Ssm};
use crate::table::{self, Table, Units};

/// DynamoDB takes requests of up to 16 MB; the others far smaller ones.
const MAX_BODY: usize = 16 * 1024 * 1024;
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// A call that the cloud answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// When, by the cloud's clock.
    pub at: Timestamp,
    /// Service and operation as in a policy: `dynamodb:GetItem`, `kms:Decrypt`.
    pub operation: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// Name of the exception, when it was one.
    pub error: Option<String>,
    /// What DynamoDB would charge for it, while that is counted.
    pub units: Option<Units>,
}

/// Table and doubles behind one handler. Clones share everything.
#[derive(Clone)]
pub struct Cloud {
    clock: Clock,
    table: Table,
    kms: Kms,
    sqs: Sqs,
    ssm: Ssm,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").field("table", &self.table.name()).finish_non_exhaustive()
    }
}

impl Cloud {
    /// Puts the parts behind one handler.
    #[must_use]
    pub fn new(clock: Clock, table: Table, kms: Kms, sqs: Sqs, ssm: Ssm) -> Self {
        Self { clock, table, kms, sqs, ssm, calls: Arc::default() }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The key double.
    #[must_use]
    pub fn kms(&self) -> &Kms {
        &self.kms
    }

    /// The queue double.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        &self.sqs
    }

    /// The parameter double.
    #[must_use]
    pub fn ssm(&self) -> &Ssm {
        &self.ssm
    }

    /// Every call since the beginning or the last [`Cloud::forget_calls`], oldest first.
    #[must_use]
    pub fn call_log(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same calls, counted by operation.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for call in self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            *counts.entry(call.operation.clone()).or_default() += 1;
        }
        counts
    }

    /// Begins the log anew.
    pub fn forget_calls(&self) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Answers a request in process.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let headers = request.headers();
        let named = |prefix: &str| aws_json::operation(headers, prefix).map(str::to_owned);
        let (operation, response) = if let Some(name) = named(table::TARGET) {
            (format!("dynamodb:{name}"), self.table.handle(request).await)
        } else if let Some(name) = named(table::STREAMS_TARGET) {
            (format!("dynamodb:{name}"), self.table.handle(request).await)
        } else if let Some(name) = named(kms::TARGET) {
            (format!("kms:{name}"), self.kms.handle(request).await)
        } else if let Some(name) = named(sqs::TARGET) {
            (format!("sqs:{name}"), self.sqs.handle(request).await)
        } else if let Some(name) = named(ssm::TARGET) {
            (format!("ssm:{name}"), self.ssm.handle(request).await)
        } else {
            let failure = Failure::not_modelled("a request without the X-Amz-Target of DynamoDB, KMS, SQS or SSM");
            ("unknown".to_owned(), aws_json::answer(CONTENT_TYPE, Err(failure)))
        };
        let units = response.extensions().get::<Units>().copied();
        let call = Call { at: self.clock.now(), operation, status: response.status().as_u16(), error: exception(&response), units };
        tracing::debug!(target: "local_cloud", operation = call.operation, status = call.status, error = call.error);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        response
    }

    /// Serves the endpoint over HTTP until `shutdown` resolves.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
            let cloud = self.clone();
            async move { cloud.over_http(request).await }
        });
        axum::serve(listener, router).with_graceful_shutdown(shutdown).await
    }

    async fn over_http(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(collected) => self.handle(Request::from_parts(parts, collected.to_bytes())).await.map(Body::from),
            Err(error) => {
                let failure = Failure {
                    status: StatusCode::PAYLOAD_TOO_LARGE,
                    kind: "RequestEntityTooLargeException".to_owned(),
                    message: error.to_string(),
                };
                aws_json::answer(CONTENT_TYPE, Err(failure)).map(Body::from)
            }
        }
    }
}

fn exception(response: &Response<Bytes>) -> Option<String> {
    if response.status().is_success() {
        return None;
    }
    let body: Value = serde_json::from_slice(response.body()).ok()?;
    let kind = body.get("__type")?.as_str()?;
    Some(kind.rsplit_once('#').map_or(kind, |(_, short)| short).to_owned())
}
