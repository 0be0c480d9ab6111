//! Bearer tokens: JWTs of configured issuers, verified against their published keys.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use crate::config::Issuer;

/// `typ` of a member's token (explicit typing, RFC 8725 section 3.11).
pub const MEMBER_TYP: &str = "session+jwt";

/// `typ` of a service's token.
pub const SERVICE_TYP: &str = "service+jwt";

/// The scope that admits to the workspace routes.
pub const WORKSPACES_SCOPE: &str = "workspaces";

/// Longest life of a service's token: it is made for a call, not kept.
pub const SERVICE_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// Algorithms that are accepted, whatever a token's header asks for.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::ES256, Algorithm::RS256];

/// Clocks of issuers may differ from ours by this much.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// Keys older than this are read again, so that a withdrawn key stops counting.
const KEYS_FRESH: SignedDuration = SignedDuration::from_mins(60);

/// While an issuer does not answer, keys that it published this recently still count.
const KEYS_USABLE: SignedDuration = SignedDuration::from_hours(24);

/// Strangers can name unknown keys at will: they cost an issuer one request in this time.
const FETCH_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// `aud` of a service's token, from that of a member's.
#[must_use]
pub fn service_audience(audience: &str) -> String {
    format!("{audience}/service")
}

/// The claims that are read. An issuer of tokens (the local one) writes them with the same type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// The user, or the service.
    pub sub: String,
    /// The workspace (members).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ws: Option<WorkspaceId>,
    /// The session it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// How the person signed in (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it was made, in seconds since 1970; without it, a user whose older sessions were ended is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// From when it counts, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The single sign-on connection that the person came by; counts in our own tokens alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssc: Option<SsoConnectionId>,
    /// When the person signed in, in seconds since 1970 (OpenID Connect Core, section 2); counts in our own tokens alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Scopes, separated by blanks (services).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// A member's verified token. It says who and where; what they may do stands in the member record alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberToken {
    /// The user.
    pub user: UserId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The session it came from.
    pub session: Option<String>,
    /// How the person signed in.
    pub methods: Vec<String>,
    /// When it was made; of our own tokens, when the session behind it was opened.
    pub issued_at: Option<Timestamp>,
    /// Through which door the person came. Only our own issuer's word counts for another than the ordinary one.
    pub door: Door,
}

/// Through which door somebody came in, as their credential shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A password, a magic link, another issuer: anything but the two below.
    Other,
    /// A single sign-on connection.
    Sso(SsoConnectionId),
    /// A break-glass code.
    BreakGlass,
}

/// The method of a session that a single sign-on connection opened, and the value in `amr`.
pub const SSO_METHOD: &str = "sso";
/// The method of a session that a break-glass code opened, and the value in `amr`.
pub const BREAK_GLASS_METHOD: &str = "break_glass";

/// Where this deployment publishes the keys of the tokens that it makes of sessions, below its own origin.
pub const OWN_JWKS_PATH: &str = "/.well-known/jwks.json";

/// The issuer of the tokens that this deployment makes of sessions: its own origin, without a final slash.
#[must_use]
pub fn own_issuer(public_url: &Url) -> String {
    public_url.as_str().trim_end_matches('/').to_owned()
}

/// Where an issuer's keys are read from.
pub trait KeySource: Send + Sync {
    /// Reads the key set at `url`.
    fn fetch<'a>(&'a self, url: &'a Url) -> Pin<Box<dyn Future<Output = Result<JwkSet, KeysUnavailable>> + Send + 'a>>;
}

/// An issuer's keys could not be read; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys could not be read: {0}")]
pub struct KeysUnavailable(pub String);

/// Keys over HTTPS: no redirects, three seconds, 64 kB at most.
pub struct HttpKeys(reqwest::Client);

impl HttpKeys {
    /// Builds the client.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    #[expect(clippy::disallowed_methods, reason = "not a vendor call: the issuers are configuration, and the client follows no redirect")]
    pub fn new() -> Result<Self, KeysUnavailable> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(3))
            .build()
            .map_err(|error| KeysUnavailable(error.without_url().to_string()))?;
        Ok(Self(client))
    }
}

impl KeySource for HttpKeys {
    fn fetch<'a>(&'a self, url: &'a Url) -> Pin<Box<dyn Future<Output = Result<JwkSet, KeysUnavailable>> + Send + 'a>> {
        const LIMIT: usize = 64 * 1024;
        Box::pin(async move {
            let unavailable = |error: reqwest::Error| KeysUnavailable(error.without_url().to_string());
            let mut response = self.0.get(url.clone()).send().await.map_err(unavailable)?;
            if response.status() != http::StatusCode::OK {
                return Err(KeysUnavailable(format!("status {}", response.status().as_u16())));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
                if body.len() + chunk.len() > LIMIT {
                    return Err(KeysUnavailable("the key set is larger than 64 kB".to_owned()));
                }
                body.extend_from_slice(&chunk);
            }
            serde_json::from_slice(&body).map_err(|_| KeysUnavailable("not a key set".to_owned()))
        })
    }
}

#[derive(Default)]
struct CachedKeys {
    keys: Option<(JwkSet, Timestamp)>,
    tried_at: Option<Timestamp>,
}

/// Verifies bearer tokens.
pub struct Verifier {
    issuers: BTreeMap<String, (Url, Mutex<CachedKeys>)>,
    audience: String,
    source: Arc<dyn KeySource>,
    own: Option<String>,
}

impl Verifier {
    /// A verifier for these issuers.
    #[must_use]
    pub fn new(issuers: &[Issuer], audience: &str, source: Arc<dyn KeySource>) -> Self {
        let issuers = issuers.iter().map(|known| (known.issuer.clone(), (known.jwks.clone(), Mutex::default()))).collect();
        Self { issuers, audience: audience.to_owned(), source, own: None }
    }

    /// Accepts our own tokens too: those that this deployment makes of sessions, published under its own origin.
    #[must_use]
    pub fn with_own(mut self, public_url: &Url) -> Self {
        let own = own_issuer(public_url);
        if let Ok(jwks) = public_url.join(OWN_JWKS_PATH) {
            self.issuers.insert(own.clone(), (jwks, Mutex::default()));
            self.own = Some(own);
        }
        self
    }

    /// Verifies a member's token.
    ///
    /// # Errors
    /// 401 when it is not one that counts now; 503 when its issuer's keys cannot be read.
    pub async fn member(&self, token: &str, now: Timestamp) -> Outcome<MemberToken> {
        let claims = self.claims(token, MEMBER_TYP, &self.audience, now).await?;
        let workspace = claims.ws.ok_or_else(|| refused("the token names no workspace"))?;
        let user = claims.sub.parse().map_err(|_| refused("the token's subject is no user id"))?;
        let ours = self.own.as_ref().is_some_and(|own| *own == claims.iss);
        let since = if ours { claims.auth_time.or(claims.iat) } else { claims.iat };
        let issued_at = since.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let door = match claims.ssc.filter(|_| ours) {
            Some(connection) => Door::Sso(connection),
            None if ours && claims.amr.iter().any(|method| method == BREAK_GLASS_METHOD) => Door::BreakGlass,
            None => Door::Other,
        };
        Ok(MemberToken { user, workspace, session: claims.sid, methods: claims.amr, issued_at, door })
    }

    /// Verifies a service's token for a scope; answers the service's name.
    ///
    /// # Errors
    /// 401 when it is not one that counts now; 403 when it lacks the scope; 503 when its issuer's keys cannot be read.
    pub async fn service(&self, token: &str, scope: &str, now: Timestamp) -> Outcome<String> {
        let claims = self.claims(token, SERVICE_TYP, &service_audience(&self.audience), now).await?;
        let life = claims.iat.map(|made| claims.exp.saturating_sub(made));
        if life.is_none_or(|seconds| seconds > SERVICE_LIFETIME.as_secs()) {
            return Err(refused("a service token says when it was made and lives 15 minutes at most"));
        }
        if !claims.scope.as_deref().is_some_and(|scopes| scopes.split(' ').any(|granted| granted == scope)) {
            return Err(Problem::new(
                ProblemKind::Forbidden,
                "scope_required",
                format!("This route needs a token with the scope {scope}."),
            )
            .fix("Ask the issuer for a token with that scope.", "CoPortal's own backend", false));
        }
        Ok(claims.sub)
    }

    async fn claims(&self, token: &str, typ: &str, audience: &str, now: Timestamp) -> Outcome<Claims> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| refused("the token's header cannot be read"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused("the token's algorithm is not accepted"));
        }
        if !header.typ.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(typ)) {
            return Err(refused("the token's typ is another"));
        }
        let kid = header.kid.as_deref().ok_or_else(|| refused("the token names no key"))?;
        // The issuer as claimed decides only which keys are asked; nothing is believed before one of them has verified it.
        let claimed: Claims =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| refused("the token's claims cannot be read"))?;
        let (issuer, (jwks, cache)) =
            self.issuers.get_key_value(&claimed.iss).ok_or_else(|| refused("the token's issuer is not configured"))?;
        let key = self.key(jwks, cache, kid, header.alg, now).await?;

        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Time is compared below with the clock that this invocation was given.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
            .map_err(|error| refused(&format!("the token is not valid: {:?}", error.kind())))?
            .claims;
        let instant = |seconds: i64| Timestamp::from_second(seconds).map_err(|_| refused("a time in the token is out of range"));
        if now >= instant(claims.exp)?.saturating_add(LEEWAY).unwrap_or(Timestamp::MAX) {
            return Err(refused("the token has expired"));
        }
        let ahead = now.saturating_add(LEEWAY).unwrap_or(Timestamp::MAX);
        for from in [claims.nbf, claims.iat].into_iter().flatten() {
            if instant(from)? > ahead {
                return Err(refused("the token is not valid yet"));
            }
        }
        Ok(claims)
    }

    async fn key(&self, jwks: &Url, cache: &Mutex<CachedKeys>, kid: &str, algorithm: Algorithm, now: Timestamp) -> Outcome<DecodingKey> {
        // Held across the request: many callers who meet an empty cache ask the issuer once.
        let mut cache = cache.lock().await;
        let age = |at: Timestamp| at.duration_until(now);
        let known = cache.keys.as_ref().is_some_and(|(keys, at)| keys.find(kid).is_some() && age(*at) < KEYS_FRESH);
        let may_ask = cache.tried_at.is_none_or(|at| age(at) >= FETCH_PAUSE || age(at).is_negative());
        let mut failure = None;
        if !known && may_ask {
            cache.tried_at = Some(now);
            match self.source.fetch(jwks).await {
                Ok(keys) => cache.keys = Some((keys, now)),
                Err(error) => failure = Some(error),
            }
        }
        let usable = cache.keys.as_ref().filter(|(_, at)| age(*at) < KEYS_USABLE);
        let Some((keys, _)) = usable else {
            let because = failure.map_or_else(|| "the last attempt failed".to_owned(), |error| error.to_string());
            return Err(Problem::new(ProblemKind::Unavailable, "sign_in_unavailable", "Your sign-in could not be checked just now.")
                .fix("Try again in a minute.", "the request", true)
                .because(because));
        };
        let jwk = keys.find(kid).ok_or_else(|| refused("the issuer has no such key"))?;
        let says_otherwise = jwk.common.key_algorithm.is_some_and(|stated| stated.to_string() != format!("{algorithm:?}"));
        if says_otherwise {
            return Err(refused("the key is for another algorithm"));
        }
        DecodingKey::from_jwk(jwk).map_err(|_| refused("the issuer's key cannot be used"))
    }
}

/// One answer for every token that does not count: the reason is for the log.
fn refused(because: &str) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, "unauthenticated", "Sign in to use this.")
        .fix("Sign in again; if you call the API, get a fresh token.", "the sign-in page", false)
        .because(because)
}
