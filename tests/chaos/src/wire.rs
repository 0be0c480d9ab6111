//! The one place through which all calls pass, to AWS and to vendors.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use coportal_ledgers::exec::{Transport, TransportError};
use coportal_local::aws_endpoint::Cloud;
use coportal_local::sdk;
use futures_util::future::BoxFuture;
use simulators::Answer;
use simulators::skeleton::simulator::AnyLedger;
use tokio::sync::{Notify, watch};

/// Who was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// An AWS service.
    Aws,
    /// A ledger.
    Vendor,
}

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The process dies before the call has any effect.
    CrashBefore,
    /// The call has its effect, and the process dies before it reads the answer.
    CrashAfter,
    /// The call has its effect, and its answer is lost; the process lives on (the SDK retries AWS calls by itself).
    AnswerLost,
    /// The call never reaches the other side, and the caller cannot tell that from a lost answer.
    RequestLost,
    /// The call has its effect, and its answer is held back until [`Wire::release`].
    Held,
}

/// One call that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Which side.
    pub side: Side,
    /// The operation: an AWS target, or method and path without its query.
    pub operation: String,
    /// What a write to the table is about: the kind of its (first) item, `CLAIM` and `LINK_CLAIM` where it claims a sync row or a contact's.
    pub subject: String,
}

/// Answers of the vendor that another one takes the place of, after the call has had its effect.
#[derive(Debug, Clone)]
pub struct Replaced {
    /// The method.
    pub method: &'static str,
    /// A part of the path.
    pub path: &'static str,
    /// For how many calls.
    pub times: u32,
    /// The status that is answered.
    pub status: u16,
    /// What the body is said to be.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Which call is struck.
#[derive(Clone, Copy)]
enum Armed {
    /// The one of this number.
    Call(usize),
    /// The first that is like this; it is asked about the call and its number.
    When(fn(&Passed, usize) -> bool),
}

struct State {
    armed: Option<(Armed, Fault)>,
    interleaved: Option<u64>,
    replaced: Option<Replaced>,
    passed: Vec<Passed>,
    struck: bool,
    /// Calls to AWS whose body contains this are refused.
    refused: Option<String>,
    /// What a call to AWS takes; the vendor's then take what the simulator says. `None`: no call takes any time.
    pace: Option<Duration>,
}

/// Counts calls and strikes at a chosen one. Clones share it.
#[derive(Clone)]
pub struct Wire {
    state: Arc<Mutex<State>>,
    crashed: watch::Sender<bool>,
    held: Arc<Notify>,
    release: Arc<Notify>,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                armed: None,
                interleaved: None,
                replaced: None,
                passed: Vec::new(),
                struck: false,
                refused: None,
                pace: None,
            })),
            crashed: watch::Sender::new(false),
            held: Arc::default(),
            release: Arc::default(),
        }
    }
}

impl Wire {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what has passed and strikes at the `call`-th call from now (0 is the next).
    pub fn arm(&self, call: usize, fault: Fault) {
        let mut state = self.state();
        state.passed.clear();
        state.struck = false;
        state.armed = Some((Armed::Call(call), fault));
        self.crashed.send_replace(false);
    }

    /// Forgets what has passed and strikes, once, at the first call that is like this.
    pub fn arm_when(&self, like: fn(&Passed, usize) -> bool, fault: Fault) {
        let mut state = self.state();
        state.passed.clear();
        state.struck = false;
        state.armed = Some((Armed::When(like), fault));
        self.crashed.send_replace(false);
    }

    /// Forgets what has passed and lets everything pass.
    pub fn disarm(&self) {
        let mut state = self.state();
        state.passed.clear();
        state.struck = false;
        state.armed = None;
        self.crashed.send_replace(false);
    }

    /// Forgets what has passed; an armed fault counts from here.
    pub fn forget(&self) {
        self.state().passed.clear();
    }

    /// From now on every call lets others go first, before and after it, a number of times that follows from `seed`: processes that run
    /// at once take turns at every call, in an order that replays.
    pub fn interleave(&self, seed: u64) {
        self.state().interleaved = Some(seed);
    }

    /// From now on calls take their time: those to AWS `aws`, the vendor's what its simulator's latency says, for as long as which they are in
    /// flight there.
    pub fn take_time(&self, aws: Duration) {
        self.state().pace = Some(aws);
    }

    /// From now on AWS refuses every call whose body contains `text`, with an answer that is not tried again; `None` ends that.
    pub fn refuse(&self, text: Option<String>) {
        self.state().refused = text;
    }

    fn refuses(&self, body: &[u8]) -> bool {
        self.state().refused.as_ref().is_some_and(|text| body.windows(text.len()).any(|part| part == text.as_bytes()))
    }

    /// The vendor does what it is asked, and something on the way answers otherwise (a gateway's 504).
    pub fn replace(&self, replaced: Option<Replaced>) {
        self.state().replaced = replaced;
    }

    /// The answer that takes the place of this call's, if one does.
    fn replacement(&self, operation: &str) -> Option<http::Response<Bytes>> {
        let mut state = self.state();
        let replaced = state
            .replaced
            .as_mut()
            .filter(|replaced| replaced.times > 0 && operation.starts_with(replaced.method) && operation.contains(replaced.path))?;
        replaced.times -= 1;
        let response = http::Response::builder().status(replaced.status).header("content-type", replaced.content_type);
        response.body(Bytes::from(replaced.body.clone())).ok()
    }

    /// Lets others go first.
    async fn take_turns(&self) {
        let turns = {
            let mut state = self.state();
            let Some(drawn) = state.interleaved.as_mut() else { return };
            // Knuth's linear congruential generator: its high bits are even enough for an order of turns.
            *drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*drawn >> 33) % 5
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    /// What has passed since.
    #[must_use]
    pub fn passed(&self) -> Vec<Passed> {
        self.state().passed.clone()
    }

    /// Whether the armed fault has struck.
    #[must_use]
    pub fn struck(&self) -> bool {
        self.state().struck
    }

    /// Ends when the process has died.
    pub async fn death(&self) {
        let mut watched = self.crashed.subscribe();
        let _ = watched.wait_for(|crashed| *crashed).await;
    }

    /// Ends when an answer is being held back.
    pub async fn holding(&self) {
        self.held.notified().await;
    }

    /// Lets the held answer through.
    pub fn release(&self) {
        self.release.notify_one();
    }

    fn pass(&self, side: Side, operation: String, subject: String) -> Option<Fault> {
        let mut state = self.state();
        let index = state.passed.len();
        let passed = Passed { side, operation, subject };
        let struck = state.struck;
        let strikes = |armed: &Armed| match armed {
            Armed::Call(call) => *call == index,
            Armed::When(like) => !struck && like(&passed, index),
        };
        let fault = state.armed.filter(|(armed, _)| strikes(armed)).map(|(_, fault)| fault);
        state.passed.push(passed);
        let fault = fault?;
        state.struck = true;
        Some(fault)
    }

    /// The process is dead: nothing that was under way goes on, and nobody reads an answer.
    async fn die<T>(&self) -> T {
        self.crashed.send_replace(true);
        std::future::pending().await
    }

    /// Carries one call. `None` stands for a connection that broke.
    async fn carry<T>(&self, side: Side, operation: String, subject: String, call: impl Future<Output = T>) -> Option<T> {
        self.take_turns().await;
        let pace = self.state().pace;
        if let Some(pace) = pace.filter(|_| side == Side::Aws) {
            tokio::time::sleep(pace).await;
        }
        match self.pass(side, operation, subject) {
            None => {
                let answer = call.await;
                self.take_turns().await;
                Some(answer)
            }
            Some(Fault::CrashBefore) => self.die().await,
            Some(Fault::CrashAfter) => {
                call.await;
                self.die().await
            }
            Some(Fault::AnswerLost) => {
                call.await;
                None
            }
            Some(Fault::RequestLost) => None,
            Some(Fault::Held) => {
                let answer = call.await;
                self.held.notify_one();
                self.release.notified().await;
                Some(answer)
            }
        }
    }
}

/// The AWS side: an HTTP client for the SDK.
#[must_use]
pub fn aws_client(wire: Wire, cloud: Cloud) -> SharedHttpClient {
    SharedHttpClient::new(AwsSide { wire, cloud })
}

#[derive(Clone)]
struct AwsSide {
    wire: Wire,
    cloud: Cloud,
}

impl std::fmt::Debug for AwsSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwsSide")
    }
}

impl HttpConnector for AwsSide {
    fn call(&self, sent: HttpRequest) -> HttpConnectorFuture {
        let side = self.clone();
        HttpConnectorFuture::new(async move {
            let request = sdk::request(sent)?;
            let operation = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or("?").to_owned();
            if side.wire.refuses(request.body()) {
                let refusal =
                    Bytes::from_static(br#"{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"refused"}"#);
                let answer = http::Response::builder().status(http::StatusCode::BAD_REQUEST).body(refusal);
                return sdk::response(answer.map_err(|error| ConnectorError::other(error.into(), None))?);
            }
            let subject = subject(&operation, request.body());
            let answer = side.wire.carry(Side::Aws, operation, subject, side.cloud.handle(request)).await;
            let answer = answer.ok_or_else(|| ConnectorError::io("the connection broke".into()))?;
            sdk::response(answer)
        })
    }
}

impl HttpClient for AwsSide {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// What a write to the table is about; empty for everything else.
fn subject(operation: &str, body: &[u8]) -> String {
    if !["UpdateItem", "PutItem", "TransactWriteItems"].iter().any(|write| operation.ends_with(write)) {
        return String::new();
    }
    let body = String::from_utf8_lossy(body);
    // The kind stands before the first `#` of a partition's name.
    let named = body.split_once("\"pk\":{\"S\":\"").map_or("", |(_, rest)| rest);
    let kind = named.split(['#', '"']).next().unwrap_or_default();
    match kind {
        "SYNC" if body.contains("\"syncing\"") => "CLAIM".to_owned(),
        "CLINK" if body.contains("create_contact") => "LINK_CLAIM".to_owned(),
        kind => kind.to_owned(),
    }
}

/// The vendor side: a transport for the executor.
pub struct VendorSide {
    /// What the calls pass.
    pub wire: Wire,
    /// The vendor.
    pub simulator: Arc<dyn AnyLedger>,
}

impl Transport for VendorSide {
    fn send<'a>(&'a self, request: http::Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let operation = format!("{} {}", request.method(), request.uri().path());
            let broke = || TransportError::MaybeSent("the connection broke".to_owned());
            let answer =
                self.wire.carry(Side::Vendor, operation.clone(), String::new(), self.simulator.handle(request)).await.ok_or_else(broke)?;
            if let Some(other) = self.wire.replacement(&operation) {
                return Ok(other);
            }
            match answer {
                Answer::Response(response) => Ok(response),
                Answer::Refused => Err(TransportError::NotSent("refused".to_owned())),
                Answer::Dropped { .. } | Answer::Truncated(_) => Err(broke()),
                Answer::Slow { after, response, ticket } => {
                    let takes = Duration::try_from(after).unwrap_or_default();
                    if self.wire.state().pace.is_some() {
                        tokio::time::sleep(takes).await;
                    } else {
                        // What is called together is in flight together.
                        tokio::task::yield_now().await;
                    }
                    self.simulator.release(ticket);
                    Ok(response)
                }
            }
        })
    }
}
