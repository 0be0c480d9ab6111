//! The transport that really sends.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use url::Url;

use super::{ANSWER_MAX, Egress, Transport, TransportError};

/// How long a connection that nothing uses is kept: below the idle time-outs of load balancers, so that a write is not lost on a
/// connection that the other side has just closed.
const IDLE: Duration = Duration::from_secs(20);

/// How long connecting may take; a connection that does not come up was certainly not used.
const CONNECT: Duration = Duration::from_secs(5);

/// Sends over HTTP/1.1 and TLS: no redirects, no retries, no cookies, no proxy from the environment, no decompression, answers of at
/// most [`ANSWER_MAX`] bytes, and only to the origins of its [`Egress`].
pub struct HttpTransport {
    client: reqwest::Client,
    egress: Egress,
}

impl HttpTransport {
    /// A transport that may call these origins.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine (no root certificates).
    pub fn new(egress: Egress) -> Result<Self, TransportError> {
        #[expect(clippy::disallowed_methods, reason = "the one place that makes the outbound client")]
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("CoPortal-Integrations/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TransportError::NotSent(cause_of(&error)))?;
        Ok(Self { client, egress })
    }

    async fn exchange(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, TransportError> {
        let url: Url =
            request.uri().to_string().parse().map_err(|_| TransportError::NotSent("the address of the request is not valid".to_owned()))?;
        if !self.egress.allows(&url) {
            return Err(TransportError::NotSent(format!("{} may not be called", url.origin().ascii_serialization())));
        }
        let mut request = reqwest::Request::try_from(request).map_err(|error| TransportError::NotSent(cause_of(&error)))?;
        *request.timeout_mut() = Some(timeout);
        let mut answer = self.client.execute(request).await.map_err(|error| {
            // Only a connection that never came up proves that nothing was sent.
            if error.is_connect() || error.is_builder() {
                TransportError::NotSent(cause_of(&error))
            } else {
                TransportError::MaybeSent(cause_of(&error))
            }
        })?;
        let mut head = Response::new(());
        *head.status_mut() = answer.status();
        *head.headers_mut() = answer.headers().clone();
        let mut body = BytesMut::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| TransportError::MaybeSent(cause_of(&error)))? {
            if body.len() + piece.len() > ANSWER_MAX {
                return Err(TransportError::MaybeSent("the answer is too large".to_owned()));
            }
            body.extend_from_slice(&piece);
        }
        Ok(head.map(|()| body.freeze()))
    }
}

impl Transport for HttpTransport {
    fn send<'a>(&'a self, request: Request<Bytes>, timeout: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        Box::pin(self.exchange(request, timeout))
    }
}

/// The chain of causes without the address, whose query may hold personal data.
fn cause_of(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "broken answer"
    } else {
        "failed"
    };
    let mut causes = vec![kind.to_owned()];
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        causes.push(inner.to_string());
        source = inner.source();
    }
    causes.join(": ")
}

#[cfg(test)]
mod tests;
