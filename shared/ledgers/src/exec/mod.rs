//! Sending: one transport for all ledgers, counted and traced, never retried and never redirected here.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Refused before the first byte of the request was sent: the vendor did nothing.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Anything later (time-out, reset, truncated or oversized answer): the vendor may have done it.
    #[error("may have been sent: {0}")]
    MaybeSent(String),
}

/// Sends one request and reads one answer. An implementation follows no redirect and repeats nothing.
pub trait Transport: Send + Sync {
    /// Sends `request`; the answer must be complete within `timeout`.
    fn send<'a>(&'a self, request: http::Request<Bytes>, timeout: Duration)
    -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>>;
}

/// Counts the vendor calls of one run, failed ones included.
#[derive(Debug, Default)]
pub struct Meter {
    calls: AtomicU32,
}

impl Meter {
    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts one.
    pub fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}
