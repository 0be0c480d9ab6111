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
use simulators::skeleton::faults::{Fault as Scripted, FaultKind};
use simulators::skeleton::simulator::AnyLedger;
use simulators::{Answer, Clock};
use tokio::sync::watch;

use super::budget::{Flights, organisation};
use super::dice::Dice;
use super::fault::{AWS, Fault, Tally, VENDOR};
use super::grants::{Consent, Grants};
use super::heard::Heard;
use super::history::Rates;
use super::plant::{self, Passing, Plant};

/// One call to a vendor, as the checker asks about it.
#[derive(Debug, Clone)]
pub struct Called {
    /// Which process made it.
    pub line: u64,
    /// When it was sent.
    pub at: jiff::Timestamp,
    /// When that process began.
    pub born: jiff::Timestamp,
    /// Whose.
    pub ledger: Ledger,
    /// The organisation that it is about; `None` of sign-in and token endpoints.
    pub organisation: Option<String>,
    /// The consent whose access token it carries.
    pub consent: Option<Consent>,
    /// Method and path, without its query.
    pub operation: String,
    /// Whether it went wrong on the way, for its caller.
    pub fault: Option<Fault>,
    /// The status that was answered.
    pub status: Option<u16>,
    /// The seconds of a `Retry-After` that was answered to a process whose calls to AWS all go well: it can write that down.
    pub pause: Option<i64>,
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
    pub(super) heard: Heard,
    pub(super) flights: Flights,
    pub(super) grants: Grants,
}

struct Draws {
    dice: Dice,
    turns: bool,
    struck: Vec<Fault>,
}

/// The calls of one process. Clones share it.
#[derive(Clone)]
pub(super) struct Line {
    street: Street,
    number: u64,
    born: jiff::Timestamp,
    rates: Rates,
    draws: Arc<Mutex<Draws>>,
    crashed: watch::Sender<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// A line whose calls go wrong as often as `rates` says; with `turns`, others go first now and then.
    pub(super) fn new(street: Street, number: u64, salt: u64, rates: Rates, turns: bool) -> Self {
        let draws = Draws { dice: Dice::new(salt), turns, struck: Vec::new() };
        let born = street.clock.now();
        Self { street, number, born, rates, draws: Arc::new(Mutex::new(draws)), crashed: watch::Sender::new(false) }
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
        self.rates.is_none()
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
    fn next(&self, of: &[(u64, Fault)], rate: u64, fastest: u64, slowest: u64) -> (Option<Fault>, u64) {
        let mut draws = lock(&self.draws);
        let takes = fastest + draws.dice.roll(slowest - fastest + 1);
        let fault = if draws.dice.chance(rate) { draws.dice.weighed(of) } else { None };
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
            self.street.grants.disturbed(self.number);
        }
        std::future::pending().await
    }

    async fn to_aws(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.take_turns().await;
        let (fault, takes) = self.next(&AWS, self.rates.aws, 2, 12);
        {
            let mut tally = lock(&self.street.tally);
            tally.aws_calls += 1;
            tally.aws_exposed += u64::from(self.rates.aws > 0);
            tally.aws_faults += u64::from(fault.is_some());
        }
        if fault.is_some() {
            self.street.grants.disturbed(self.number);
        }
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
        self.street.heard.sent_to_aws(&target, &request);
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
        self.street.heard.answered_by_aws(&target, &answer);
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
        let lost = || TransportError::MaybeSent("the connection broke".to_owned());
        let host = request.uri().host().and_then(|host| host.strip_suffix(".test")).unwrap_or_default();
        let ledger = host.parse::<Ledger>().map_err(|_| TransportError::NotSent("no such host".to_owned()))?;
        let simulator = self.street.ledgers.get(&ledger).ok_or_else(|| TransportError::NotSent("no such ledger".to_owned()))?;
        let organisation = organisation(ledger, &request);
        let _flight = self.street.flights.begin(ledger, organisation.as_deref(), || {
            format!("{} {} of process {} at {}", request.method(), request.uri().path(), self.number, self.street.clock.now())
        });
        let (fault, takes) = self.next(&VENDOR, self.rates.vendor, 60, 400);
        {
            let mut tally = lock(&self.street.tally);
            tally.vendor_calls += 1;
            tally.vendor_exposed += u64::from(self.rates.vendor > 0);
            tally.vendor_faults += u64::from(fault.is_some());
        }
        self.street.heard.sent_to_vendor(&request);
        self.street.clock.advance(SignedDuration::from_millis(i64::try_from(takes).unwrap_or(1)));
        let (method, asked) = (request.method().to_string(), request.uri().path_and_query().map(ToString::to_string).unwrap_or_default());
        let operation = format!("{method} {}", request.uri().path());
        let number = {
            let mut called = lock(&self.street.called);
            called.push(Called {
                line: self.number,
                at: self.street.clock.now(),
                born: self.born,
                ledger,
                organisation,
                consent: self.street.grants.of_call(ledger, &request),
                operation,
                fault,
                status: None,
                pause: None,
            });
            called.len() - 1
        };
        let tokens = self.street.grants.sent(ledger, self.number, self.street.clock.now(), fault, &request);
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
                let after = self.seconds(1, 60);
                if let Some(called) = lock(&self.street.called).get_mut(number) {
                    called.status = Some(429);
                    called.pause = Some(after).filter(|_| self.rates.aws == 0);
                }
                return refused(429, &[("retry-after", &after.to_string()), ("x-rate-limit-problem", "minute")]);
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
        self.street.heard.answered_by_vendor(&asked, &answer);
        if let Some(tokens) = tokens {
            self.street.grants.answered(tokens, &answer);
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
