//! A transport for tests: gives prepared answers in order and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};

use super::{Transport, TransportError};

pub(crate) type Scripting = Result<Response<Bytes>, TransportError>;

#[derive(Default)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Scripting>>,
    seen: Mutex<Vec<Request<Bytes>>>,
}

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = Scripting>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), seen: Mutex::default() })
    }

    /// Each request as `METHOD path?query`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|request| format!("{} {}", request.method(), request.uri().path_and_query().unwrap())).collect()
    }

    pub(crate) fn header(&self, index: usize, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        seen[index].headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub(crate) fn body(&self, index: usize) -> String {
        String::from_utf8(self.seen.lock().unwrap()[index].body().to_vec()).unwrap()
    }
}

impl Transport for Scripted {
    fn send<'a>(&'a self, request: Request<Bytes>, _: Duration) -> BoxFuture<'a, Scripting> {
        self.seen.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().expect("one more call than the test prepared");
        Box::pin(std::future::ready(answer))
    }
}

/// An answer with these headers.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Response<Bytes> {
    answer(status, &[("content-type", "application/json; charset=utf-8")], body.to_owned())
}
