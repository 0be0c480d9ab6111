//! The local token issuer: it signs the bearer tokens that CoPortal's own sign-in issues in production.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use jiff::SignedDuration;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Clock;

/// Where the keys are published, under the local origin.
pub const JWKS_PATH: &str = "/__local/jwks.json";

/// Why a token could not be issued, or the issuer not be opened.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The key could not be made or used.
    #[error("the issuer's key: {0}")]
    Key(String),
    /// The kept key could not be read or written.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The token could not be signed.
    #[error("the token: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The lifetime leads out of the calendar.
    #[error("the token's lifetime is not one")]
    Lifetime,
}

/// What a token says.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// Who (`sub`): a user, or the service itself.
    pub sub: &'a str,
    /// Workspace (`ws`); service tokens have none.
    pub ws: Option<&'a str>,
    /// Session (`sid`).
    pub sid: Option<&'a str>,
    /// For whom (`aud`).
    pub aud: &'a str,
    /// Kind of token (`typ`), in the header (explicit typing, RFC 8725 section 3.11) and among the claims.
    pub typ: &'a str,
    /// Space-separated scopes (`scope`) of a service token.
    pub scope: Option<&'a str>,
    /// How the user signed in (`amr`, RFC 8176).
    pub amr: &'a [&'a str],
    /// How long it is valid.
    pub ttl: SignedDuration,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    typ: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ws: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [&'a str],
    iat: i64,
    exp: i64,
}

#[derive(Serialize, Deserialize)]
struct KeptKey {
    pkcs8: String,
}

/// The issuer. Clones share the key.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    clock: Clock,
    iss: String,
    key: EncodingKey,
    kid: String,
    jwks: Value,
}

impl Issuer {
    /// An issuer with a key of its own; `origin` is the local address, `http://127.0.0.1:8787`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn in_memory(origin: &str, clock: Clock) -> Result<Self, IssuerError> {
        Self::with(origin, clock, &generate()?)
    }

    /// The same, with the key kept in a file.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds no key.
    pub fn kept(origin: &str, clock: Clock, path: &Path) -> Result<Self, IssuerError> {
        let io = |source| IssuerError::Kept { path: path.to_owned(), source };
        let unreadable = || IssuerError::Key(format!("{} holds no key", path.display()));
        let pkcs8 = match crate::kept::read(path).map_err(io)? {
            Some(bytes) => {
                let kept: KeptKey = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
                STANDARD.decode(kept.pkcs8).map_err(|_| unreadable())?
            }
            None => {
                let pkcs8 = generate()?;
                let kept = KeptKey { pkcs8: STANDARD.encode(&pkcs8) };
                let bytes = serde_json::to_vec(&kept).map_err(|_| unreadable())?;
                crate::kept::write(path, &bytes).map_err(io)?;
                pkcs8
            }
        };
        Self::with(origin, clock, &pkcs8)
    }

    fn with(origin: &str, clock: Clock, pkcs8: &[u8]) -> Result<Self, IssuerError> {
        let key = EncodingKey::from_ec_der(pkcs8);
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self(Arc::new(Inner { clock, iss: format!("{origin}/__local"), key, kid, jwks: json!({"keys": [jwk]}) })))
    }

    /// The issuer's name (`iss`).
    #[must_use]
    pub fn iss(&self) -> &str {
        &self.0.iss
    }

    /// The published keys (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> &Value {
        &self.0.jwks
    }

    /// Signs a token (ES256).
    ///
    /// # Errors
    /// When the lifetime leads out of the calendar, or signing fails.
    pub fn mint(&self, grant: &Grant<'_>) -> Result<String, IssuerError> {
        let inner = &self.0;
        let now = inner.clock.now();
        let end = now.checked_add(grant.ttl).map_err(|_| IssuerError::Lifetime)?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(grant.typ.to_owned());
        header.kid = Some(inner.kid.clone());
        let claims = Claims {
            iss: &inner.iss,
            aud: grant.aud,
            typ: grant.typ,
            sub: grant.sub,
            ws: grant.ws,
            sid: grant.sid,
            scope: grant.scope,
            amr: grant.amr,
            iat: now.as_second(),
            exp: end.as_second(),
        };
        Ok(jsonwebtoken::encode(&header, &claims, &inner.key)?)
    }

    /// A router that answers [`JWKS_PATH`].
    pub fn router(&self) -> Router {
        let body = self.0.jwks.to_string();
        Router::new().route(
            JWKS_PATH,
            get(move || {
                let body = body.clone();
                async move { ([(header::CONTENT_TYPE, "application/jwk-set+json")], body).into_response() }
            }),
        )
    }
}

fn generate() -> Result<Vec<u8>, IssuerError> {
    let failed = |_| IssuerError::Key("could not be made".to_owned());
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    Ok(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec())
}
