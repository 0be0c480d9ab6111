//! Sending: one transport for all ledgers, counted and traced, never retried and never redirected here.

mod address;
pub(crate) mod call;
pub mod egress;
pub(crate) mod headers;
pub mod http_transport;
pub(crate) mod redact;
#[cfg(test)]
pub(crate) mod scripted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coportal_core::ledger::Ledger;
use coportal_core::metering::Withheld;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use jiff::Timestamp;

pub(crate) use self::address::encoded;
pub use self::egress::{Egress, EgressError};
pub use self::http_transport::HttpTransport;
use crate::LimitsSeen;

/// Longest answer that is read, in bytes: the largest page of contacts (1,000 of Xero's, 5,000 of Business Central's) and one of 100
/// invoices with lines stay below it, and a hostile answer cannot fill the function's memory.
pub const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Refused before the first byte of the request was sent: the vendor did nothing.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Anything later (time-out, reset, truncated or oversized answer): the vendor may have done it.
    #[error("may have been sent: {0}")]
    MaybeSent(String),
    /// Not sent: a limit of the vendor's stands in the way.
    #[error("not sent: a limit of the vendor stands in the way until {}", .0.until)]
    Withheld(Withheld),
}

/// What one call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Calls against the vendor's limits.
    pub calls: u32,
    /// Whether the vendor counts it as a batch as well.
    pub batch: bool,
}

impl Cost {
    /// One ordinary call.
    pub const ONE: Self = Self { calls: 1, batch: false };
}

/// What stands between a run and the vendor's limits. Every call of an organisation's API passes it, whoever makes the call.
pub trait Gate: Send + Sync {
    /// Asks for leave to make one call now.
    ///
    /// # Errors
    /// [`TransportError::Withheld`] while a limit stands in the way, [`TransportError::NotSent`] when nobody knows.
    fn pass<'a>(&'a self, cost: Cost) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Hears what an answer told of the limits.
    fn answered<'a>(&'a self, seen: LimitsSeen) -> BoxFuture<'a, ()>;

    /// The time as it is now: what a vendor tells in seconds counts from its answer, and a step of several calls takes its time.
    fn now(&self) -> Timestamp;

    /// Hears that the vendor refused a call for a limit, and until when.
    fn refused<'a>(&'a self, limit: Withheld) -> BoxFuture<'a, ()>;
}

/// Sends one request and reads one answer. An implementation follows no redirect and repeats nothing.
pub trait Transport: Send + Sync {
    /// Sends `request`; the answer must be complete within `timeout`.
    fn send<'a>(&'a self, request: Request<Bytes>, timeout: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>>;
}

/// Counts the vendor calls of one run, failed ones included, and holds the gate that they pass.
#[derive(Default)]
pub struct Meter {
    calls: AtomicU32,
    gate: Option<Arc<dyn Gate>>,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Meter {
    /// A meter whose calls pass `gate`. What serves users has one; `default` is for tests of the ledgers themselves.
    #[must_use]
    pub fn gated(gate: Arc<dyn Gate>) -> Self {
        Self { calls: AtomicU32::new(0), gate: Some(gate) }
    }

    pub(crate) async fn pass(&self, cost: Cost) -> Result<(), TransportError> {
        match &self.gate {
            Some(gate) => gate.pass(cost).await,
            None => Ok(()),
        }
    }

    /// When an answer of a call that is made with `access` has come, as far as is known.
    pub(crate) fn answered_at(&self, asked_at: Timestamp) -> Timestamp {
        self.gate.as_ref().map_or(asked_at, |gate| gate.now().max(asked_at))
    }

    pub(crate) async fn heard(&self, seen: LimitsSeen, refused: Option<Withheld>) {
        let Some(gate) = &self.gate else { return };
        match refused {
            Some(limit) => gate.refused(limit).await,
            None => gate.answered(seen).await,
        }
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is traced of one vendor call: enough to find it at the vendor, and nothing that a query, header or body held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLine {
    /// The ledger.
    pub ledger: Ledger,
    /// Our name of the operation.
    pub operation: &'static str,
    /// HTTP method.
    pub method: Method,
    /// The route's template, such as `/Invoices/{id}`: no id and no query.
    pub route: &'static str,
    /// HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Milliseconds until the answer was complete.
    pub ms: u64,
    /// The vendor's id of the request.
    pub vendor_request_id: Option<String>,
    /// What was left of the vendor's limits.
    pub limits: LimitsSeen,
    /// Why there was no answer.
    pub error: Option<String>,
}

impl CallLine {
    fn trace(&self) {
        tracing::info!(
            target: "vendor_call",
            ledger = self.ledger.slug(),
            operation = self.operation,
            method = self.method.as_str(),
            route = self.route,
            status = self.status,
            ms = self.ms,
            vendor_request_id = self.vendor_request_id.as_deref(),
            minute_left = self.limits.minute,
            day_left = self.limits.day,
            app_left = self.limits.app,
            error = self.error.as_deref(),
            "vendor call"
        );
    }
}

/// What a call is, for its trace line.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    /// Our name of it.
    pub(crate) name: &'static str,
    /// The route's template.
    pub(crate) route: &'static str,
}

/// The one place that sends.
#[derive(Clone)]
pub(crate) struct Executor {
    transport: Arc<dyn Transport>,
    ledger: Ledger,
}

impl Executor {
    pub(crate) fn new(transport: Arc<dyn Transport>, ledger: Ledger) -> Self {
        Self { transport, ledger }
    }

    /// Sends, counts, bounds the answer and traces.
    pub(crate) async fn send(
        &self,
        operation: Operation,
        request: Request<Bytes>,
        timeout: Duration,
        meter: Option<&Meter>,
    ) -> Result<Response<Bytes>, TransportError> {
        if let Some(meter) = meter {
            meter.count();
        }
        let method = request.method().clone();
        let started = tokio::time::Instant::now();
        let outcome = self.transport.send(request, timeout).await.and_then(|answer| {
            // Every transport is held to the bound, also one that reads without it.
            if answer.body().len() > ANSWER_MAX { Err(TransportError::MaybeSent("the answer is too large".to_owned())) } else { Ok(answer) }
        });
        let answer = outcome.as_ref().ok();
        CallLine {
            ledger: self.ledger,
            operation: operation.name,
            method,
            route: operation.route,
            status: answer.map(|answer| answer.status().as_u16()),
            ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            vendor_request_id: answer.and_then(|answer| headers::request_id(answer.headers())),
            limits: answer.map(|answer| headers::limits(answer.headers())).unwrap_or_default(),
            error: outcome.as_ref().err().map(|error| redact::line(&error.to_string(), &[])),
        }
        .trace();
        outcome
    }
}
