//! Authorisation codes, access tokens and rotating refresh tokens.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::clock::plus;

/// Lifetimes.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Of an authorisation code.
    pub code: SignedDuration,
    /// Of an access token.
    pub access: SignedDuration,
    /// Of a refresh token that nobody uses.
    pub unused_refresh: SignedDuration,
    /// How long the refresh token before the last one can still be retried; zero: not once.
    pub grace: SignedDuration,
    /// When refreshing ends for good, counted from the consent; `None`: never.
    pub hard_end: Option<SignedDuration>,
}

/// An authorisation code that was handed out.
#[derive(Clone, Serialize, Deserialize)]
pub struct Code {
    /// Where it was sent.
    pub redirect_uri: String,
    /// The PKCE S256 challenge, when one was sent.
    pub challenge: Option<String>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// The consent it belongs to.
    pub auth_event: Uuid,
    /// When it was handed out.
    pub issued: Timestamp,
    /// Whether it was used.
    pub used: bool,
}

/// One consent's tokens.
#[derive(Clone, Serialize, Deserialize)]
pub struct Grant {
    /// The consent.
    pub auth_event: Uuid,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// When it began.
    pub since: Timestamp,
    current: Option<Refresh>,
    previous: Option<Refresh>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Refresh {
    token: String,
    /// When it was issued; of `previous`: when it was used first.
    since: Timestamp,
}

/// An access token that was handed out.
#[derive(Clone, Serialize, Deserialize)]
pub struct Access {
    /// The consent it belongs to.
    pub auth_event: Uuid,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires: Timestamp,
}

/// Why a code or refresh token is not taken. The vendor says `invalid_grant` for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidGrant(pub &'static str);

/// Everything handed out.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Tokens {
    codes: HashMap<String, Code>,
    grants: Vec<Grant>,
    access: HashMap<String, Access>,
}

impl Tokens {
    /// Remembers a code.
    pub fn keep_code(&mut self, value: String, code: Code) {
        self.codes.insert(value, code);
    }

    /// Takes a code, once.
    ///
    /// # Errors
    /// When it is unknown, used, too old, or sent with another redirect URI or verifier than it was asked with.
    pub fn redeem(
        &mut self,
        value: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Code, InvalidGrant> {
        let code = self.codes.get_mut(value).ok_or(InvalidGrant("unknown code"))?;
        if code.used {
            return Err(InvalidGrant("the code was used already"));
        }
        // Used up even when what follows fails: a code is one attempt.
        code.used = true;
        if now > plus(code.issued, policy.code) {
            return Err(InvalidGrant("the code is too old"));
        }
        if code.redirect_uri != redirect_uri {
            return Err(InvalidGrant("another redirect_uri than the code was asked with"));
        }
        match (&code.challenge, verifier) {
            (None, None) => {}
            (Some(challenge), Some(verifier)) if *challenge == s256(verifier) => {}
            _ => return Err(InvalidGrant("the code_verifier does not fit the code_challenge")),
        }
        Ok(code.clone())
    }

    /// Begins a grant; `refresh` is absent without the scope for it.
    pub fn begin(&mut self, auth_event: Uuid, scopes: Vec<String>, refresh: Option<String>, now: Timestamp) {
        let current = refresh.map(|token| Refresh { token, since: now });
        self.grants.push(Grant { auth_event, scopes, since: now, current, previous: None });
    }

    /// Rotates: the token given becomes the previous one, `next` the current one. The previous one may be retried inside the grace time; a
    /// retry replaces the current one, which counts as lost with its answer. (The vendor does not document which one survives; the
    /// strictest reading is modelled: the last one handed out.)
    ///
    /// # Errors
    /// When the token is unknown, unused for too long, or superseded.
    pub fn rotate(&mut self, token: &str, next: String, policy: &Policy, now: Timestamp) -> Result<Grant, InvalidGrant> {
        let is = |refresh: &Option<Refresh>| refresh.as_ref().is_some_and(|refresh| refresh.token == token);
        for grant in &mut self.grants {
            if is(&grant.current) {
                let since = grant.current.as_ref().map_or(now, |current| current.since);
                if now > plus(since, policy.unused_refresh) {
                    return Err(InvalidGrant("unused for too long"));
                }
                if policy.hard_end.is_some_and(|length| now >= plus(grant.since, length)) {
                    return Err(InvalidGrant("the grant is too old"));
                }
                grant.previous = Some(Refresh { token: token.to_owned(), since: now });
                grant.current = Some(Refresh { token: next, since: now });
                return Ok(grant.clone());
            }
            if is(&grant.previous) {
                let since = grant.previous.as_ref().map_or(now, |previous| previous.since);
                if policy.grace.is_zero() || now > plus(since, policy.grace) {
                    return Err(InvalidGrant("superseded"));
                }
                grant.current = Some(Refresh { token: next, since: now });
                return Ok(grant.clone());
            }
        }
        Err(InvalidGrant("unknown refresh token"))
    }

    /// Whether this refresh token belongs to a grant.
    #[must_use]
    pub fn knows_refresh(&self, token: &str) -> bool {
        let is = |refresh: &Option<Refresh>| refresh.as_ref().is_some_and(|refresh| refresh.token == token);
        self.grants.iter().any(|grant| is(&grant.current) || is(&grant.previous))
    }

    /// Ends the grant that a refresh or access token belongs to, with its access tokens; answers the consent it was of.
    pub fn end_grant_of(&mut self, token: &str) -> Option<Uuid> {
        let is = |refresh: &Option<Refresh>| refresh.as_ref().is_some_and(|refresh| refresh.token == token);
        let held = self.grants.iter().find(|grant| is(&grant.current) || is(&grant.previous)).map(|grant| grant.auth_event);
        let auth_event = held.or_else(|| self.access.get(token).map(|access| access.auth_event))?;
        self.end_consent(auth_event);
        Some(auth_event)
    }

    /// Ends the grants of one consent, with their access tokens.
    pub fn end_consent(&mut self, auth_event: Uuid) {
        self.grants.retain(|grant| grant.auth_event != auth_event);
        self.access.retain(|_, access| access.auth_event != auth_event);
    }

    /// Ends every grant; access tokens live until they expire.
    pub fn end_grants(&mut self) {
        self.grants.clear();
    }

    /// Remembers an access token.
    pub fn keep_access(&mut self, token: String, access: Access) {
        self.access.insert(token, access);
    }

    /// Finds an access token.
    #[must_use]
    pub fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(token)
    }
}

/// The PKCE S256 transformation (RFC 7636, section 4.2).
#[must_use]
pub fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// A token in JWT's three parts with algorithm `none`: readable claims, no signature. Its `jti` makes it unguessable.
#[must_use]
pub fn readable_jwt(claims: &serde_json::Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
}
