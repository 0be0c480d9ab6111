//! Sign-in at Sage: authorisation code with PKCE and the client's secret in the form, tokens of five minutes, refresh tokens that rotate.
//! Source: developer.sage.com/accounting "Authentication" (docs/vendors/sage.md, section 1).

use std::marker::PhantomData;

use bytes::Bytes;
use coportal_core::connection::Organisation;
use coportal_core::failure::Failure;
use coportal_core::oauth::TokenSet;
use coportal_core::secret::Secret;
use futures_util::future::BoxFuture;
use http::{Method, Request, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use super::fixit::Cause;
use super::map;
use super::outcome;
use super::profile::{PROFILE, SageEndpoints};
use super::wire::{Business, Page};
use crate::exec::call::bearer;
use crate::exec::{Executor, Operation};
use crate::judge::{self, Asked, Effect, Subject};
use crate::oauth::tokens::Seconds;
use crate::oauth::{self, AuthType, Errand, TIMEOUT, TokenEndpoint, Tokens};
use crate::{AuthorizeRequest, ClientCredentials, Held, RefreshFailure, SignIn};

/// Most pages of businesses that are read. The vendor puts all on one.
const PAGES_MAX: u32 = 10;

/// A life of a refresh token beyond this is not believed: a connection would be thought alive when it is dead.
const REFRESH_LIFE_MAX: i64 = 92 * 24 * 3600;

/// What Sage's token answer has beyond the standard's fields.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Extra {
    /// How long the refresh token lives if it is not used, in seconds.
    #[serde(default)]
    refresh_token_expires_in: Seconds,
}

/// Sage's sign-in.
pub(super) struct SageSignIn {
    executor: Executor,
    endpoints: SageEndpoints,
    tokens: TokenEndpoint<Cause, Extra>,
}

impl SageSignIn {
    pub(super) fn new(executor: Executor, endpoints: SageEndpoints) -> Self {
        let tokens = TokenEndpoint {
            executor: executor.clone(),
            url: endpoints.token.clone(),
            route: "/token",
            // "Authentication": client id and secret are fields of the form.
            auth: AuthType::RequestBody,
            pkce: true,
            headers: &[],
            parameters: &[],
            shape: PhantomData,
        };
        Self { executor, endpoints, tokens }
    }

    async fn businesses(&self, token: &Secret) -> Result<Vec<Organisation>, Failure> {
        let base = self.endpoints.api.as_str().trim_end_matches('/');
        let mut found = Vec::new();
        for page in 1..=PAGES_MAX {
            let address = if page == 1 { format!("{base}/businesses") } else { format!("{base}/businesses?page={page}") };
            let operation = Operation { name: "organisations", route: "/businesses" };
            let errand = Errand { operation, method: Method::GET, address, authorization: bearer(token), body: None, secret: token };
            let (asked, answer) = oauth::run::<Cause>(&self.executor, errand).await?;
            if !answer.status().is_success() {
                return Err(outcome::failure(&asked, &answer));
            }
            let Page { items, next, .. } = judge::read::<Cause, Page<Business>>(&asked, &answer)?;
            if items.iter().any(|business| business.id.trim().is_empty()) {
                return Err(judge::unexpected::<Cause>(&asked, &answer, "a business without an id"));
            }
            let is_last = next.is_none() || items.is_empty();
            found.extend(map::organisations(items));
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// Takes the grant back. Sage has no link to one business: with the grant all businesses of this consent go.
    async fn revoke(&self, credentials: &ClientCredentials, refresh_token: &Secret) -> Result<(), Failure> {
        let mut asked = Asked { effect: Effect::Read, subject: Subject::Place, now: Timestamp::UNIX_EPOCH, token: refresh_token.expose() };
        let form = [
            ("client_id", credentials.client_id.as_str()),
            ("client_secret", credentials.client_secret.expose()),
            ("token", refresh_token.expose()),
        ];
        let request = serde_urlencoded::to_string(form).ok().and_then(|form| {
            Request::builder()
                .method(Method::POST)
                .uri(self.endpoints.revoke.as_str())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ACCEPT, "application/json")
                .body(Bytes::from(form))
                .ok()
        });
        let request = request.ok_or_else(|| judge::unbuildable::<Cause>(&asked, "the request cannot be built"))?;
        let operation = Operation { name: "unlink", route: "/revoke" };
        // A grant that is revoked twice is revoked, so a lost answer may simply be tried again.
        let answer =
            self.executor.send(operation, request, TIMEOUT, None).await.map_err(|error| judge::unanswered::<Cause>(&asked, &error))?;
        asked.now = crate::exec::headers::date(answer.headers()).unwrap_or(asked.now);
        let is_dead = answer.status().as_u16() == 400 && says_invalid_grant(answer.body());
        if answer.status().is_success() || is_dead { Ok(()) } else { Err(outcome::failure(&asked, &answer)) }
    }
}

/// Whether the vendor says that a token is dead already.
fn says_invalid_grant(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    serde_json::from_slice::<Refusal>(body).is_ok_and(|refusal| matches!(refusal.error.as_str(), "invalid_grant" | "invalid_token"))
}

impl SignIn for SageSignIn {
    fn authorize_url(&self, request: &AuthorizeRequest<'_>) -> Url {
        let scopes = oauth::scopes(&PROFILE, request.lanes);
        // There are two scopes; the larger one includes reading.
        let wanted = |scope: &&&str| **scope != "readonly" || scopes.len() == 1;
        let asked: Vec<&str> = scopes.iter().filter(wanted).copied().collect();
        oauth::consent(&self.endpoints.authorize, request, &asked, self.tokens.pkce, &[])
    }

    fn exchange_code<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        code: &'a Secret,
        verifier: &'a Secret,
        redirect_uri: &'a str,
        _realm: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, Failure>> {
        Box::pin(async move {
            let tokens = self.tokens.exchange(credentials, code, verifier, redirect_uri, now).await?;
            Ok(token_set(tokens, now))
        })
    }

    fn refresh<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        refresh_token: &'a Secret,
        _organisation: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, RefreshFailure>> {
        Box::pin(async move {
            let tokens = self.tokens.refresh(credentials, refresh_token, now).await?;
            Ok(token_set(tokens, now))
        })
    }

    fn organisations<'a>(&'a self, token: &'a Secret, _auth_event: Option<&'a str>) -> BoxFuture<'a, Result<Vec<Organisation>, Failure>> {
        Box::pin(self.businesses(token))
    }

    fn unlink<'a>(&'a self, credentials: &'a ClientCredentials, held: Held<'a>, _link_id: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            match held.refresh {
                Some(refresh_token) => self.revoke(credentials, refresh_token).await,
                // One business of a consent that stays in use: it has no link of its own to cut.
                None => Ok(()),
            }
        })
    }
}

fn token_set(tokens: Tokens<Extra>, now: Timestamp) -> TokenSet {
    let life = tokens.life(None, PROFILE.access_token_life, now);
    let told = tokens.extra.refresh_token_expires_in.0.filter(|seconds| (1..=REFRESH_LIFE_MAX).contains(seconds));
    let refresh_life = told.map_or(PROFILE.refresh_token_life, SignedDuration::from_secs);
    let has_refresh_token = tokens.refresh_token.is_some();
    TokenSet {
        access_token: Secret::new(tokens.access_token.into_secret()),
        refresh_token: tokens.refresh_token.map(|token| Secret::new(token.into_secret())),
        access_expires_at: oauth::until(now, life),
        refresh_expires_at: has_refresh_token.then(|| oauth::until(now, refresh_life)),
        auth_event: None,
    }
}

#[cfg(test)]
mod tests;
