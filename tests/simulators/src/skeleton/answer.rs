//! What comes back from a simulator, including the ways in which nothing comes back.

use bytes::Bytes;
use http::Response;
use jiff::SignedDuration;

use super::limits::Ticket;

/// The outcome of one HTTP call.
#[derive(Debug)]
pub enum Answer {
    /// A whole response.
    Response(Response<Bytes>),
    /// The connection was cut after the request went out; the caller cannot know whether it took effect.
    Dropped {
        /// Whether it did (for a `late` fault: whether it already has).
        applied: bool,
    },
    /// The connection failed before the first byte of the request arrived: certainly no effect.
    Refused,
    /// The whole response, `after` this long. The call occupies a slot of the concurrency limit until the simulator's clock has moved by
    /// `after` or [`release`](super::simulator::Simulator::release) is called with the ticket.
    Slow {
        /// How long the vendor took.
        after: SignedDuration,
        /// What it answered.
        response: Response<Bytes>,
        /// The slot it holds.
        ticket: Ticket,
    },
    /// The head of a response whose `Content-Length` promises more than its body holds: the connection was cut inside the body. The call
    /// took effect.
    Truncated(Response<Bytes>),
}

/// A response in a simulator's own hands.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// `Content-Type`; none is sent when empty.
    pub content_type: String,
    /// The other headers; `Content-Length` is added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: String) -> Self {
        Self { status, content_type: content_type.to_owned(), headers: Vec::new(), body }
    }

    pub(crate) fn json(status: u16, body: String) -> Self {
        Self::new(status, "application/json; charset=utf-8", body)
    }

    /// A 501 that says what is missing: every simulator's answer to what it does not model.
    pub(crate) fn not_modelled(what: &str) -> Self {
        let message = format!("the simulator does not model {what}");
        Self::json(501, serde_json::json!({ "Type": "NotModelled", "Message": message }).to_string())
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The response, with `Content-Length` of its body. A header or status that HTTP does not allow (only a scripted fault can hold one)
    /// becomes a 500 that says so.
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let body = Bytes::from(self.body);
        let mut builder = Response::builder().status(self.status);
        if !self.content_type.is_empty() {
            builder = builder.header("content-type", self.content_type);
        }
        builder = builder.header("content-length", body.len());
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        builder.body(body).unwrap_or_else(|error| {
            let mut response = Response::new(Bytes::from(format!("the scripted answer is not HTTP: {error}")));
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}
