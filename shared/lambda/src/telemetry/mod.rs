//! One wide JSON line for each request, with its metrics in it (CloudWatch embedded metric format).
//!
//! The line is made of typed fields. The route stands in it by its key, never by path or query; headers and bodies have no field at
//! all. Keys are those that users of Powertools know from other languages.

mod lines;
mod scrub;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use coportal_core::id::{InvoiceId, UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

pub use lines::{install, report_panics};
pub use scrub::scrub;

/// Where lines go.
pub trait Sink: Send + Sync {
    /// Writes one line; `line` has no line break.
    fn write(&self, line: &str);
}

/// Standard output: what Lambda hands to CloudWatch.
pub struct Stdout;

impl Sink for Stdout {
    fn write(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // A log that cannot be written must not fail the request that it is about.
        let _ = writeln!(out, "{line}");
    }
}

/// How a function speaks: its name, where its lines go, which namespace its metrics have.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    function: &'static str,
    service: String,
    namespace: String,
    sink: Arc<dyn Sink>,
    warm: AtomicBool,
}

impl Telemetry {
    /// The telemetry of one function.
    #[must_use]
    pub fn new(function: &'static str, settings: &crate::config::Telemetry, sink: Arc<dyn Sink>) -> Self {
        let service = settings.service.clone().unwrap_or_else(|| function.to_owned());
        Self(Arc::new(Inner { function, service, namespace: settings.namespace.clone(), sink, warm: AtomicBool::new(false) }))
    }

    /// Writes the line of a finished request.
    pub fn finish(&self, request: &Finished<'_>, note: &Note) {
        let noted = note.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cold_start = !self.0.warm.swap(true, Ordering::Relaxed);
        let outcome = noted.outcome.map_or_else(|| request.problem_code.map_or("ok".to_owned(), str::to_owned), str::to_owned);
        let line = Line {
            level: if request.status >= 500 { "ERROR" } else { "INFO" },
            message: "request",
            service: &self.0.service,
            timestamp: format!("{:.3}", request.at),
            cold_start,
            function_request_id: request.request_id,
            xray_trace_id: request.trace_id,
            route: request.route,
            status: Some(request.status),
            record: None,
            receives: None,
            duration_ms: request.duration_ms,
            requests: 1,
            errors: u8::from(request.status >= 500),
            workspace_id: noted.workspace,
            user_id: noted.user.as_ref(),
            auth: noted.auth,
            invoice_id: noted.invoice,
            vendor_calls: noted.vendor_calls,
            problem: request.problem_code,
            internal: request.internal.map(scrub),
            function: self.0.function,
            ledger: noted.ledger.map_or("none", Ledger::slug),
            outcome,
            aws: self.metrics(request.at),
        };
        if let Ok(text) = serde_json::to_string(&line) {
            self.0.sink.write(&text);
        }
    }

    /// Writes the line of one record, or of a tick of a schedule.
    #[cfg(any(test, feature = "events"))]
    pub fn record(&self, record: &Recorded<'_>, note: &Note) {
        let noted = note.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cold_start = !self.0.warm.swap(true, Ordering::Relaxed);
        let line = Line {
            level: if record.is_error { "ERROR" } else { "INFO" },
            message: "record",
            service: &self.0.service,
            timestamp: format!("{:.3}", record.at),
            cold_start,
            function_request_id: record.request_id,
            xray_trace_id: record.trace_id,
            route: record.source,
            status: None,
            record: record.id,
            receives: record.receives,
            duration_ms: record.duration_ms,
            requests: 1,
            errors: u8::from(record.is_error),
            workspace_id: noted.workspace,
            user_id: None,
            auth: None,
            invoice_id: noted.invoice,
            vendor_calls: noted.vendor_calls,
            problem: record.problem,
            internal: record.reason.map(scrub),
            function: self.0.function,
            ledger: noted.ledger.map_or("none", Ledger::slug),
            outcome: record.outcome.to_owned(),
            aws: self.metrics(record.at),
        };
        if let Ok(text) = serde_json::to_string(&line) {
            self.0.sink.write(&text);
        }
    }

    fn metrics(&self, at: Timestamp) -> Value {
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": self.0.namespace,
                "Dimensions": [["function", "ledger", "outcome"]],
                "Metrics": [
                    {"Name": "requests", "Unit": "Count"},
                    {"Name": "errors", "Unit": "Count"},
                    {"Name": "duration_ms", "Unit": "Milliseconds"},
                    {"Name": "vendor_calls", "Unit": "Count"},
                ],
            }],
        })
    }
}

/// What the outermost layer knows of a request when it is over.
#[derive(Debug)]
pub struct Finished<'a> {
    /// When it began.
    pub at: Timestamp,
    /// Route key, such as `GET /v1/clients/{id}`.
    pub route: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// How long it took.
    pub duration_ms: u64,
    /// The invocation's id.
    pub request_id: &'a str,
    /// The trace it belongs to.
    pub trace_id: Option<&'a str>,
    /// Code of the problem, if it was one.
    pub problem_code: Option<&'a str>,
    /// The problem's half for the log.
    pub internal: Option<&'a str>,
}

/// What is known of a record of a queue or stream, or of a tick, when it is over.
#[cfg(any(test, feature = "events"))]
#[derive(Debug)]
pub struct Recorded<'a> {
    /// When its handling began.
    pub at: Timestamp,
    /// Where it came from: the queue's name, `stream`, `schedule`.
    pub source: &'a str,
    /// Its id: a message's, or a sequence number.
    pub id: Option<&'a str>,
    /// How often a message was received, this time included.
    pub receives: Option<u32>,
    /// What became of it: one of a few fixed words.
    pub outcome: &'static str,
    /// Somebody must look.
    pub is_error: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// The invocation's id.
    pub request_id: &'a str,
    /// The trace it belongs to.
    pub trace_id: Option<&'a str>,
    /// Code of the problem, if there was one.
    pub problem: Option<&'a str>,
    /// Why, for the log.
    pub reason: Option<&'a str>,
}

/// What is learnt about a request on its way; handlers take it as an extractor and add to it.
#[derive(Clone, Default)]
pub struct Note(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    workspace: Option<WorkspaceId>,
    user: Option<UserId>,
    auth: Option<&'static str>,
    invoice: Option<InvoiceId>,
    ledger: Option<Ledger>,
    outcome: Option<&'static str>,
    vendor_calls: u32,
}

impl Note {
    fn with(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Who asks, and how they showed it.
    pub fn principal(&self, workspace: WorkspaceId, user: &UserId, auth: &'static str) {
        self.with(|noted| {
            noted.workspace = Some(workspace);
            noted.user = Some(user.clone());
            noted.auth = Some(auth);
        });
    }

    /// The workspace, where no person asks (service routes, callbacks).
    pub fn workspace(&self, workspace: WorkspaceId, auth: &'static str) {
        self.with(|noted| {
            noted.workspace = Some(workspace);
            noted.auth = Some(auth);
        });
    }

    /// The invoice it is about.
    pub fn invoice(&self, invoice: InvoiceId) {
        self.with(|noted| noted.invoice = Some(invoice));
    }

    /// The ledger it is about: a dimension of the metrics.
    pub fn ledger(&self, ledger: Ledger) {
        self.with(|noted| noted.ledger = Some(ledger));
    }

    /// What came of it: a dimension of the metrics, so one of a few fixed words (`created`, `nothing`, `held`).
    pub fn outcome(&self, outcome: &'static str) {
        self.with(|noted| noted.outcome = Some(outcome));
    }

    /// Vendor calls that it cost.
    pub fn vendor_calls(&self, calls: u32) {
        self.with(|noted| noted.vendor_calls += calls);
    }
}

#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    message: &'static str,
    service: &'a str,
    timestamp: String,
    cold_start: bool,
    function_request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    xray_trace_id: Option<&'a str>,
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receives: Option<u32>,
    duration_ms: u64,
    requests: u8,
    errors: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<WorkspaceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_id: Option<InvoiceId>,
    vendor_calls: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    internal: Option<String>,
    function: &'static str,
    ledger: &'static str,
    outcome: String,
    #[serde(rename = "_aws")]
    aws: Value,
}
