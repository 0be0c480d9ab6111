//! What the calls of one process pass: each may be lost, refused, late or the process's last, as its step's salt says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use coportal_core::ledger::Ledger;
use coportal_ledgers::exec::{Transport, TransportError};
use coportal_local::aws_endpoint::Cloud;
use coportal_local::sdk;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use jiff::SignedDuration;
use serde::Serialize;
use simulators::skeleton::faults::{Fault as Scripted, FaultKind};
use simulators::skeleton::simulator::AnyLedger;
use simulators::{Answer, Clock};
use tokio::sync::watch;

use super::dice::Dice;
use super::plant::{self, Passing, Plant};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// AWS: the request is lost.
    AwsRequestLost,
    /// AWS: done, and the answer is lost.
    AwsAnswerLost,
    /// AWS: refused for its rate.
    AwsThrottled,
    /// AWS: 500, before anything was done.
    AwsServerError,
    /// The process dies before the call.
    CrashBefore,
    /// The call is done, and the process dies before it reads the answer.
    CrashAfter,
    /// The process stands still for longer than a lease, after the call.
    Stall,
    /// Vendor: the connection is refused.
    Refused,
    /// Vendor: the request is lost, and nobody knows.
    RequestLost,
    /// Vendor: done, and the answer is lost.
    AnswerLost,
    /// Vendor: lost for the caller, and done much later.
    Late,
    /// Vendor: 429.
    Throttled,
    /// Vendor: 500, before anything was done.
    ServerError,
    /// Vendor: 503 from something on the way.
    Unavailable,
}

const AWS: [(u64, Fault); 7] = [
    (25, Fault::AwsRequestLost),
    (25, Fault::AwsAnswerLost),
    (20, Fault::AwsThrottled),
    (12, Fault::AwsServerError),
    (5, Fault::CrashBefore),
    (7, Fault::CrashAfter),
    (3, Fault::Stall),
];

const VENDOR: [(u64, Fault); 10] = [
    (8, Fault::Refused),
    (18, Fault::RequestLost),
    (22, Fault::AnswerLost),
    (12, Fault::Late),
    (12, Fault::Throttled),
    (8, Fault::ServerError),
    (6, Fault::Unavailable),
    (5, Fault::CrashBefore),
    (7, Fault::CrashAfter),
    (3, Fault::Stall),
];

/// Counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Calls to vendors.
    pub vendor_calls: u64,
    /// Calls to AWS.
    pub aws_calls: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<Fault, u64>,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.vendor_calls += other.vendor_calls;
        self.aws_calls += other.aws_calls;
        self.crashes += other.crashes;
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }
}

/// One call to a vendor, as the checker asks about it.
#[derive(Debug, Clone)]
pub struct Called {
    /// Which process made it.
    pub line: u64,
    /// When it was sent.
    pub at: jiff::Timestamp,
    /// Whose.
    pub ledger: Ledger,
    /// Method and path, without its query.
    pub operation: String,
    /// Whether it went wrong on the way, for its caller.
    pub fault: Option<Fault>,
    /// The status that the vendor answered.
    pub status: Option<u16>,
}

/// What all lines share.
#[derive(Clone)]
pub(super) struct Street {
    pub(super) clock: Clock,
    pub(super) cloud: Cloud,
    pub(super) ledgers: Arc<BTreeMap<Ledger, Arc<dyn AnyLedger>>>,
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) called: Arc<Mutex<Vec<Called>>>,
    pub(super) plant: Option<Plant>,
}

struct Draws {
    dice: Dice,
    faults: u64,
    turns: bool,
    struck: Vec<Fault>,
}

/// The calls of one process. Clones share it.
#[derive(Clone)]
pub(super) struct Line {
    street: Street,
    number: u64,
    draws: Arc<Mutex<Draws>>,
    crashed: watch::Sender<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// A line: `faults` in a thousand calls go wrong; with `turns`, others go first now and then.
    pub(super) fn new(street: Street, number: u64, salt: u64, faults: u64, turns: bool) -> Self {
        let draws = Draws { dice: Dice::new(salt), faults, turns, struck: Vec::new() };
        Self { street, number, draws: Arc::new(Mutex::new(draws)), crashed: watch::Sender::new(false) }
    }

    /// Ends when the process has died.
    pub(super) async fn death(&self) {
        let mut watched = self.crashed.subscribe();
        let _ = watched.wait_for(|crashed| *crashed).await;
    }

    /// What went wrong so far.
    pub(super) fn struck(&self) -> Vec<Fault> {
        lock(&self.draws).struck.clone()
    }

    /// Whether nothing can go wrong on it.
    pub(super) fn is_faultless(&self) -> bool {
        lock(&self.draws).faults == 0
    }

    /// The SDK's HTTP client.
    pub(super) fn aws(&self) -> SharedHttpClient {
        SharedHttpClient::new(AwsSide(self.clone()))
    }

    async fn take_turns(&self) {
        let turns = {
            let mut draws = lock(&self.draws);
            if draws.turns { draws.dice.roll(5) } else { 0 }
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    /// The fault of the next call, and how many milliseconds it takes.
    fn next(&self, of: &[(u64, Fault)], fastest: u64, slowest: u64) -> (Option<Fault>, u64) {
        let mut draws = lock(&self.draws);
        let takes = fastest + draws.dice.roll(slowest - fastest + 1);
        let faults = draws.faults;
        let fault = if draws.dice.chance(faults) { draws.dice.weighed(of) } else { None };
        if let Some(fault) = fault {
            draws.struck.push(fault);
            *lock(&self.street.tally).faults.entry(fault).or_default() += 1;
        }
        (fault, takes)
    }

    fn seconds(&self, from: u64, more: u64) -> i64 {
        i64::try_from(from + lock(&self.draws).dice.roll(more)).unwrap_or_default()
    }

    /// The process is dead: nothing that was under way goes on, and nobody reads an answer.
    async fn die<T>(&self) -> T {
        if !self.crashed.send_replace(true) {
            lock(&self.street.tally).crashes += 1;
        }
        std::future::pending().await
    }

    async fn to_aws(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.take_turns().await;
        lock(&self.street.tally).aws_calls += 1;
        let (fault, takes) = self.next(&AWS, 2, 12);
        self.street.clock.advance(SignedDuration::from_millis(i64::try_from(takes).unwrap_or(1)));
        let refused = |status: u16, kind: &str| {
            let body = format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{kind}\",\"message\":\"Try again.\"}}");
            Response::builder().status(status).header("content-type", "application/x-amz-json-1.0").body(Bytes::from(body)).ok()
        };
        match fault {
            Some(Fault::CrashBefore) => return self.die().await,
            Some(Fault::AwsRequestLost) => return None,
            Some(Fault::AwsThrottled) => return refused(400, "ThrottlingException"),
            Some(Fault::AwsServerError) => return refused(500, "InternalServerError"),
            _ => {}
        }
        let answer = match plant::aws(self.street.plant, request) {
            Passing::On(request) => self.street.cloud.handle(request).await,
            Passing::Answered(answer) => answer,
        };
        match fault {
            Some(Fault::CrashAfter) => return self.die().await,
            Some(Fault::AwsAnswerLost) => return None,
            Some(Fault::Stall) => self.stall().await,
            _ => {}
        }
        self.take_turns().await;
        Some(answer)
    }

    /// Longer than any lease: others go on meanwhile.
    async fn stall(&self) {
        self.street.clock.advance(SignedDuration::from_secs(self.seconds(31, 60)));
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn to_vendor(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.take_turns().await;
        lock(&self.street.tally).vendor_calls += 1;
        let lost = || TransportError::MaybeSent("the connection broke".to_owned());
        let host = request.uri().host().and_then(|host| host.strip_suffix(".test")).unwrap_or_default();
        let ledger = host.parse::<Ledger>().map_err(|_| TransportError::NotSent("no such host".to_owned()))?;
        let simulator = self.street.ledgers.get(&ledger).ok_or_else(|| TransportError::NotSent("no such ledger".to_owned()))?;
        let (fault, takes) = self.next(&VENDOR, 60, 400);
        self.street.clock.advance(SignedDuration::from_millis(i64::try_from(takes).unwrap_or(1)));
        let (method, asked) = (request.method().to_string(), request.uri().path_and_query().map(ToString::to_string).unwrap_or_default());
        let operation = format!("{method} {}", request.uri().path());
        let number = {
            let mut called = lock(&self.street.called);
            called.push(Called { line: self.number, at: self.street.clock.now(), ledger, operation, fault, status: None });
            called.len() - 1
        };
        let refused = |status: u16, headers: &[(&str, &str)]| {
            let response =
                headers.iter().fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
            response.body(Bytes::new()).map_err(|_| lost())
        };
        match fault {
            Some(Fault::CrashBefore) => return self.die().await,
            Some(Fault::Refused) => return Err(TransportError::NotSent("refused".to_owned())),
            Some(Fault::RequestLost) => return Err(lost()),
            Some(Fault::Throttled) => {
                let after = self.seconds(1, 60).to_string();
                return refused(429, &[("retry-after", &after), ("x-rate-limit-problem", "minute")]);
            }
            Some(Fault::ServerError) => return refused(500, &[("content-type", "text/html")]),
            Some(Fault::Unavailable) => return refused(503, &[("content-type", "text/plain")]),
            // A token endpoint that answers after a minute is another fault: its request is lost.
            Some(Fault::Late) if asked.contains("token") => return Err(lost()),
            Some(Fault::Late) => {
                let after_seconds = self.seconds(5, 60);
                simulator.post_faults(vec![Scripted { after_seconds, ..Scripted::on("", FaultKind::Late) }]);
            }
            _ => {}
        }
        let answer = simulator.handle(request).await;
        if fault == Some(Fault::Late) {
            simulator.clear_faults();
        }
        let answer = match answer {
            Answer::Response(response) => response,
            Answer::Refused => return Err(TransportError::NotSent("refused".to_owned())),
            Answer::Dropped { .. } | Answer::Truncated(_) => return Err(lost()),
            Answer::Slow { response, ticket, .. } => {
                simulator.release(ticket);
                response
            }
        };
        if let Some(called) = lock(&self.street.called).get_mut(number) {
            called.status = Some(answer.status().as_u16());
        }
        match fault {
            Some(Fault::CrashAfter) => return self.die().await,
            Some(Fault::AnswerLost) => return Err(lost()),
            Some(Fault::Stall) => self.stall().await,
            _ => {}
        }
        let answer = plant::vendor(self.street.plant, ledger, &method, &asked, answer);
        self.take_turns().await;
        Ok(answer)
    }
}

impl Transport for Line {
    fn send<'a>(&'a self, request: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        Box::pin(self.to_vendor(request))
    }
}

#[derive(Clone)]
struct AwsSide(Line);

impl std::fmt::Debug for AwsSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwsSide")
    }
}

impl HttpConnector for AwsSide {
    fn call(&self, sent: HttpRequest) -> HttpConnectorFuture {
        let side = self.clone();
        HttpConnectorFuture::new(async move {
            let answer = side.0.to_aws(sdk::request(sent)?).await;
            sdk::response(answer.ok_or_else(|| ConnectorError::io("the connection broke".into()))?)
        })
    }
}

impl HttpClient for AwsSide {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
