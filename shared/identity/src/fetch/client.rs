//! The client that connects to checked addresses only.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::{AddressClass, AddressLookup, Fetch, FetchError, Guard, Limits, UrlRefusal};

/// How long one connection may take to come up.
const CONNECT: Duration = Duration::from_secs(4);

/// Looks names up for the connector and releases only what the guard admits. What it does not release, no socket reaches: the connector
/// has no other source of addresses, and literal ones were refused with the URL.
pub struct GuardedResolver {
    lookup: Arc<dyn AddressLookup>,
    guard: Guard,
}

/// Why a name was not resolved, as it travels through the client's own error.
#[derive(Debug, thiserror::Error)]
enum Unresolved {
    #[error("the name leads to {0}")]
    Refused(AddressClass),
    #[error("the name has no address")]
    NoAddress,
    #[error("{0}")]
    Lookup(String),
}

impl GuardedResolver {
    /// A resolver that asks `lookup` and releases what `guard` admits.
    #[must_use]
    pub fn new(lookup: Arc<dyn AddressLookup>, guard: Guard) -> Self {
        Self { lookup, guard }
    }

    async fn admitted(lookup: Arc<dyn AddressLookup>, guard: Guard, host: String) -> Result<Vec<IpAddr>, Unresolved> {
        let found = if guard.is_local_host(&host) {
            vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
        } else {
            lookup.addresses(&host).await.map_err(|error| Unresolved::Lookup(error.to_string()))?
        };
        let admitted = guard.admit(&host, found).map_err(Unresolved::Refused)?;
        if admitted.is_empty() { Err(Unresolved::NoAddress) } else { Ok(admitted) }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, guard, host) = (self.lookup.clone(), self.guard.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let admitted = Self::admitted(lookup, guard, host).await?;
            // Port 0 stands for the URL's own.
            let addresses: Addrs = Box::new(admitted.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Sends over HTTP/1.1 and TLS to what its guard admits: no redirects, no retries, no cookies, no proxy from the environment, no
/// decompression, no connection kept for later.
pub struct GuardedFetch {
    client: reqwest::Client,
    guard: Guard,
}

impl GuardedFetch {
    /// A client behind this guard, which finds addresses by `lookup`.
    ///
    /// # Errors
    /// [`FetchError::Unreachable`] when TLS cannot be set up on this machine (no root certificates).
    pub fn new(lookup: Arc<dyn AddressLookup>, guard: Guard) -> Result<Self, FetchError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the guarded client: its resolver is the check that the executor's list is for ledgers"
        )]
        let client = reqwest::Client::builder()
            .dns_resolver(GuardedResolver::new(lookup, guard.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("CoPortal-Integrations/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unsent(&error))?;
        Ok(Self { client, guard })
    }

    async fn exchange(&self, mut request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, FetchError> {
        let url: Url = request.uri().to_string().parse().map_err(|_| FetchError::Url(UrlRefusal::NotAUrl))?;
        self.guard.check(&url).map_err(FetchError::Url)?;
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let request = reqwest::Request::try_from(request).map_err(|_| FetchError::Url(UrlRefusal::NotAUrl))?;
        let mut answer = self.client.execute(request).await.map_err(|error| unsent(&error))?;
        if let Some(peer) = answer.remote_addr()
            && !self.guard.admits_peer(&url, peer.ip())
        {
            return Err(FetchError::Address(super::refused_class(peer.ip()).unwrap_or(AddressClass::Reserved)));
        }
        if answer.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
            return Err(FetchError::Encoded);
        }
        let mut head = Response::new(());
        *head.status_mut() = answer.status();
        *head.headers_mut() = answer.headers().clone();
        let mut body = BytesMut::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| unsent(&error))? {
            if body.len() + piece.len() > limits.bytes {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(head.map(|()| body.freeze()))
    }
}

impl Fetch for GuardedFetch {
    fn send<'a>(&'a self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'a, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move { tokio::time::timeout(limits.time, self.exchange(request, limits)).await.unwrap_or(Err(FetchError::TooSlow)) })
    }
}

/// What the client's error means. The chain of causes carries no address: its query may hold a secret.
fn unsent(error: &reqwest::Error) -> FetchError {
    let mut causes = Vec::new();
    let mut source: Option<&(dyn StdError + 'static)> = StdError::source(error);
    while let Some(inner) = source {
        match inner.downcast_ref::<Unresolved>() {
            Some(Unresolved::Refused(class)) => return FetchError::Address(*class),
            Some(Unresolved::NoAddress) => return FetchError::NoAddress,
            Some(Unresolved::Lookup(_)) | None => causes.push(inner.to_string()),
        }
        source = inner.source();
    }
    if error.is_timeout() { FetchError::TooSlow } else { FetchError::Unreachable(causes.join(": ")) }
}

#[cfg(test)]
mod tests;
