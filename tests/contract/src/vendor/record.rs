//! A transport to a simulator that remembers everything, with the name that each call has in its trace line.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use coportal_ledgers::exec::{Transport, TransportError};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use simulators::Answer;
use simulators::skeleton::simulator::AnyLedger;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// What a request is, by our own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    /// Our name of the operation.
    pub(super) operation: String,
    /// The method.
    pub(super) method: String,
    /// Our template of the route.
    pub(super) route: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.operation, self.method, self.route)
    }
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// What it is.
    pub(super) kind: Kind,
    /// The method, as sent.
    pub(super) method: Method,
    /// The address, as sent.
    pub(super) uri: Uri,
    /// The headers, as sent.
    pub(super) headers: HeaderMap,
    /// The body, as sent.
    pub(super) body: Bytes,
    /// The status.
    pub(super) status: StatusCode,
    /// The answer's body.
    pub(super) answer: Bytes,
}

/// Sends to a simulator.
pub(super) struct Recorder {
    simulator: Arc<dyn AnyLedger>,
    exchanges: Mutex<Vec<Exchange>>,
    kinds: Mutex<Vec<Kind>>,
    blanked: Option<String>,
}

impl Recorder {
    /// Sends to `simulator`. A member `blanked` of what its answers list is answered as an empty text: for what a vendor may leave open
    /// and the simulator always fills.
    pub(super) fn new(simulator: Arc<dyn AnyLedger>, blanked: Option<String>) -> Arc<Self> {
        Arc::new(Self { simulator, exchanges: Mutex::default(), kinds: Mutex::default(), blanked })
    }

    fn blank(&self, response: Response<Bytes>) -> Response<Bytes> {
        let Some(member) = &self.blanked else { return response };
        let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(response.body()) else { return response };
        let listed = body.get_mut("value").and_then(serde_json::Value::as_array_mut).into_iter().flatten();
        let mut changed = false;
        for value in listed.filter_map(|one| one.get_mut(member)) {
            *value = "".into();
            changed = true;
        }
        if changed { response.map(|_| body.to_string().into()) } else { response }
    }

    /// Everything so far, named.
    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        let (exchanges, kinds) = (self.exchanges.lock().unwrap(), self.kinds.lock().unwrap());
        // In process nothing waits: each call's trace line follows its answer at once.
        assert_eq!(exchanges.len(), kinds.len(), "each call has one trace line");
        let named = exchanges.iter().zip(kinds.iter()).map(|(exchange, kind)| {
            assert_eq!(exchange.method.as_str(), kind.method, "{kind}: {}", exchange.uri);
            Exchange { kind: kind.clone(), ..exchange.clone() }
        });
        named.collect()
    }
}

impl Transport for Recorder {
    fn send<'a>(&'a self, request: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        let (method, uri, headers, body) =
            (request.method().clone(), request.uri().clone(), request.headers().clone(), request.body().clone());
        let Answer::Response(response) = self.simulator.answer(&request) else { panic!("no fault was posted") };
        let response = self.blank(response);
        let (status, answer) = (response.status(), response.body().clone());
        self.exchanges.lock().unwrap().push(Exchange { kind: Kind::default(), method, uri, headers, body, status, answer });
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// Collects the trace lines of calls.
pub(super) struct TraceLines(pub(super) Arc<Recorder>);

impl<S: Subscriber> Layer<S> for TraceLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "vendor_call" {
            let mut kind = Kind::default();
            event.record(&mut kind);
            self.0.kinds.lock().unwrap().push(kind);
        }
    }
}

impl Visit for Kind {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "operation" => value.clone_into(&mut self.operation),
            "method" => value.clone_into(&mut self.method),
            "route" => value.clone_into(&mut self.route),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
