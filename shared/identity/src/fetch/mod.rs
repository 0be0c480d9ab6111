//! Fetching from an address that somebody else typed or published: a metadata URL, a provider's discovery document.
//!
//! Server-side request forgery is stopped twice. [`Guard::check`] judges the URL before anything happens: `https`, port 443, a host name
//! and no literal address, no credentials. [`GuardedResolver`] then judges every address behind the name at the moment of connecting,
//! and hands the connector those addresses and no others: there is no second look-up between the check and the socket that a name
//! server could answer differently. Redirects are not followed, no proxy is used, nothing is decompressed, and size and time are bounded.

mod address;
mod client;
mod guard;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use url::Url;

pub use self::address::{AddressClass, refused_class};
pub use self::client::{GuardedFetch, GuardedResolver};
pub use self::guard::{Guard, GuardError, LocalOrigins, UrlRefusal};
pub use crate::domain::LookupError;

/// The addresses behind a host name.
pub trait AddressLookup: Send + Sync {
    /// All of them, IPv4 and IPv6; none when there is no such name.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>>;
}

/// How much of an answer is read, and how long it may take in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest body, in bytes.
    pub bytes: usize,
    /// From the first look-up to the last byte.
    pub time: Duration,
}

impl Limits {
    /// A document of a provider: 1 MB, 8 s.
    pub const DOCUMENT: Self = Self { bytes: 1024 * 1024, time: Duration::from_secs(8) };
    /// An answer of a token endpoint: 64 KB, 8 s.
    pub const TOKEN: Self = Self { bytes: 64 * 1024, time: Duration::from_secs(8) };
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL may not be called; nothing was looked up.
    #[error("the address may not be called: {0}")]
    Url(UrlRefusal),
    /// The name leads to an address that may not be called; nothing was connected.
    #[error("the name leads to {0}")]
    Address(AddressClass),
    /// The name has no address.
    #[error("the name has no address")]
    NoAddress,
    /// The DNS did not answer, or no connection came up, or it broke.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// Longer than the limit.
    #[error("the answer is too large")]
    TooLarge,
    /// Slower than the limit.
    #[error("the answer took too long")]
    TooSlow,
    /// Compressed, although that was not asked for.
    #[error("the answer is compressed")]
    Encoded,
    /// A redirect, which is not followed.
    #[error("the address redirects to {0}")]
    Redirected(String),
    /// Another status than 200.
    #[error("the address answers with status {0}")]
    Status(u16),
}

impl FetchError {
    /// Stable code, for the audit and for the admin who typed the address.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(refusal) => refusal.code(),
            Self::Address(_) => "address_refused",
            Self::NoAddress => "no_address",
            Self::Unreachable(_) => "unreachable",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Encoded => "compressed",
            Self::Redirected(_) => "redirected",
            Self::Status(_) => "status",
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow => true,
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Url(_) | Self::Address(_) | Self::NoAddress | Self::TooLarge | Self::Encoded | Self::Redirected(_) => false,
        }
    }
}

/// Sends one request and reads one answer. An implementation follows no redirect, repeats nothing and reaches no address that its guard
/// refuses.
pub trait Fetch: Send + Sync {
    /// Sends `request`. An answer of any status is an answer.
    fn send<'a>(&'a self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'a, Result<Response<Bytes>, FetchError>>;
}

/// Reads a document: one `GET`, whose answer must be 200.
///
/// # Errors
/// [`FetchError`]; of a redirect the target's host alone is told, so that an admin can paste the right address.
pub async fn get(fetch: &dyn Fetch, url: &Url, accept: &str) -> Result<Response<Bytes>, FetchError> {
    let request =
        Request::get(url.as_str()).header(header::ACCEPT, accept).body(Bytes::new()).map_err(|_| FetchError::Url(UrlRefusal::NotAUrl))?;
    let answer = fetch.send(request, Limits::DOCUMENT).await?;
    if answer.status() == StatusCode::OK {
        return Ok(answer);
    }
    if answer.status().is_redirection() {
        let target = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let host = target.and_then(|target| url.join(target).ok()).and_then(|target| target.host_str().map(str::to_owned));
        return Err(FetchError::Redirected(host.unwrap_or_else(|| "an address that cannot be read".to_owned())));
    }
    Err(FetchError::Status(answer.status().as_u16()))
}
