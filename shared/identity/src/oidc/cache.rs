//! Discovery documents and keys, kept between invocations.
//!
//! A function is frozen between two requests, for seconds or for hours, and timers stand still with it. Age is therefore counted from
//! the wall clock that each call brings along, and a clock behind the entry makes it stale too.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::fetch::{Fetch, FetchError, get};
use crate::reason::{Reason, Refusal};

/// How long a discovery document is used.
const DOCUMENT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Bounds of what `Cache-Control: max-age` may say about keys.
const KEYS_AT_LEAST: SignedDuration = SignedDuration::from_mins(5);
const KEYS_AT_MOST: SignedDuration = SignedDuration::from_hours(24);
/// How long keys are used when their answer does not say.
const KEYS_FOR: SignedDuration = SignedDuration::from_hours(1);
/// At most one look for a key that is not known per issuer in this time: a stream of forged `kid`s must not become a stream of fetches.
const FLOOR: SignedDuration = SignedDuration::from_mins(1);

/// An issuer, and where its documents may point.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    /// Letter by letter as its tokens name it.
    pub(super) name: String,
    /// Hosts besides the issuer's own that its endpoints may be on, by `https` on port 443.
    pub(super) hosts: Vec<String>,
    /// Endpoints that are known without discovery.
    pub(super) fixed: Option<CoreProviderMetadata>,
}

impl Issuer {
    fn base(&self) -> Result<Url, Refusal> {
        self.name.parse().map_err(|_| Refusal::because(Reason::RegistrationWrong, "the issuer is not a web address"))
    }

    /// Whether an issuer is named that the same authority speaks for: a tenant of it.
    pub(super) fn is_of_its_authority(&self, named: &str) -> bool {
        let origin = |text: &str| text.parse::<Url>().ok().map(|url| url.origin());
        origin(named).is_some_and(|named| Some(named) == origin(&self.name))
    }

    /// An endpoint of the document must be on the issuer's origin or on a listed host: the document decides where the client secret is sent.
    fn admits(&self, endpoint: &Url) -> bool {
        let same = self.base().is_ok_and(|base| base.origin() == endpoint.origin());
        let listed = endpoint.scheme() == "https"
            && endpoint.port_or_known_default() == Some(443)
            && endpoint.host_str().is_some_and(|host| self.hosts.iter().any(|listed| listed == host));
        same || listed
    }
}

/// One provider as the cache holds it. It can be stored elsewhere too, and put back at a cold start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CachedProvider {
    issuer: String,
    document: CoreProviderMetadata,
    /// The library leaves the keys out when it writes the document, so they stand beside it.
    keys: CoreJsonWebKeySet,
    document_at: Timestamp,
    keys_at: Timestamp,
    keys_until: Timestamp,
}

impl CachedProvider {
    /// The document with its keys in place.
    pub(super) fn metadata(&self) -> CoreProviderMetadata {
        self.document.clone().set_jwks(self.keys.clone())
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        let document_until = self.document_at.saturating_add(DOCUMENT_FOR).unwrap_or(Timestamp::MAX);
        self.document_at <= now && now < document_until && self.keys_at <= now && now < self.keys_until
    }
}

/// The documents and keys of every issuer that this process has met.
#[derive(Debug, Default)]
pub struct ProviderCache {
    entries: Mutex<BTreeMap<String, CachedProvider>>,
}

impl ProviderCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is held for an issuer, to be stored elsewhere.
    #[must_use]
    pub fn export(&self, issuer: &str) -> Option<CachedProvider> {
        self.with(|entries| entries.get(issuer).cloned())
    }

    /// Puts back what was exported, unless something newer is held.
    pub fn import(&self, provider: CachedProvider) {
        self.with(|entries| {
            let newer = entries.get(&provider.issuer).is_some_and(|held| held.keys_at >= provider.keys_at);
            if !newer {
                entries.insert(provider.issuer.clone(), provider);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, CachedProvider>) -> T) -> T {
        // A panic of another holder leaves whole entries behind: each is put in by one insert.
        act(&mut self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The issuer's document and keys, fetched if they are missing or too old.
    pub(super) async fn get(&self, fetch: &dyn Fetch, now: Timestamp, issuer: &Issuer) -> Result<CachedProvider, Refusal> {
        if let Some(held) = self.export(&issuer.name).filter(|held| held.is_fresh(now)) {
            return Ok(held);
        }
        let document = match &issuer.fixed {
            Some(document) => document.clone(),
            None => discover(fetch, issuer).await?,
        };
        self.fetch_keys(fetch, now, issuer, document, now).await
    }

    /// The keys anew, because a token named one that is not among them; `None` when they were fetched less than a minute ago.
    pub(super) async fn refresh_keys(&self, fetch: &dyn Fetch, now: Timestamp, issuer: &Issuer) -> Result<Option<CachedProvider>, Refusal> {
        let Some(held) = self.export(&issuer.name) else {
            return self.get(fetch, now, issuer).await.map(Some);
        };
        if held.keys_at <= now && held.keys_at.duration_until(now) < FLOOR {
            return Ok(None);
        }
        self.fetch_keys(fetch, now, issuer, held.document, held.document_at).await.map(Some)
    }

    async fn fetch_keys(
        &self,
        fetch: &dyn Fetch,
        now: Timestamp,
        issuer: &Issuer,
        document: CoreProviderMetadata,
        document_at: Timestamp,
    ) -> Result<CachedProvider, Refusal> {
        let answer = get(fetch, document.jwks_uri().url(), "application/json").await.map_err(unavailable)?;
        let keys: CoreJsonWebKeySet = read(&answer, "keys")?;
        let keys_until = now.saturating_add(keys_last(answer.headers())).unwrap_or(Timestamp::MAX);
        let provider = CachedProvider { issuer: issuer.name.clone(), document, keys, document_at, keys_at: now, keys_until };
        self.with(|entries| entries.insert(issuer.name.clone(), provider.clone()));
        Ok(provider)
    }
}

async fn discover(fetch: &dyn Fetch, issuer: &Issuer) -> Result<CoreProviderMetadata, Refusal> {
    let url: Url = format!("{}/.well-known/openid-configuration", issuer.name.trim_end_matches('/'))
        .parse()
        .map_err(|_| Refusal::because(Reason::RegistrationWrong, "the issuer is not a web address"))?;
    let answer = get(fetch, &url, "application/json").await.map_err(unavailable)?;
    let document: CoreProviderMetadata = read(&answer, "discovery document")?;
    // OpenID Connect Discovery 1.0, section 4.3: the issuer is the one that was asked for, letter by letter. The documents of Microsoft's
    // `common` and `organizations` fail here, as they should.
    if document.issuer().as_str() != issuer.name {
        return Err(Refusal::because(Reason::IssuerMismatch, "the discovery document names another issuer"));
    }
    let endpoints =
        [Some(document.authorization_endpoint().url()), document.token_endpoint().map(|url| url.url()), Some(document.jwks_uri().url())];
    for endpoint in endpoints {
        let endpoint =
            endpoint.ok_or_else(|| Refusal::because(Reason::ProviderUnavailable, "the discovery document names no token endpoint"))?;
        if !issuer.admits(endpoint) {
            return Err(Refusal::because(Reason::ProviderUnavailable, "the discovery document points to a foreign host"));
        }
    }
    Ok(document)
}

fn read<T: serde::de::DeserializeOwned>(answer: &Response<Bytes>, what: &str) -> Result<T, Refusal> {
    serde_json::from_slice(answer.body()).map_err(|_| Refusal::because(Reason::ProviderUnavailable, format!("the {what} cannot be read")))
}

pub(super) fn unavailable(error: FetchError) -> Refusal {
    Refusal::because(Reason::ProviderUnavailable, error)
}

/// `max-age` of `Cache-Control`, within bounds.
fn keys_last(headers: &HeaderMap) -> SignedDuration {
    let directives =
        headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let age = directives.filter_map(|directive| directive.trim().to_ascii_lowercase().strip_prefix("max-age=")?.parse::<i64>().ok()).next();
    age.map_or(KEYS_FOR, SignedDuration::from_secs).clamp(KEYS_AT_LEAST, KEYS_AT_MOST)
}
