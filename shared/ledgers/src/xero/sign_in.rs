//! Sign-in at Xero: authorisation code with PKCE and the client's secret (a confidential client may use both), rotating refresh tokens,
//! and the links to organisations. Sources: developer.xero.com "OAuth 2.0", `xero-identity.yaml`.

use std::marker::PhantomData;

use coportal_core::connection::Organisation;
use coportal_core::failure::Failure;
use coportal_core::oauth::TokenSet;
use coportal_core::secret::Secret;
use futures_util::future::BoxFuture;
use http::Method;
use jiff::Timestamp;
use url::Url;

use super::claims::claims;
use super::fixit::Cause;
use super::map;
use super::outcome;
use super::profile::{PROFILE, XeroEndpoints};
use super::wire::Link;
use crate::exec::call::bearer;
use crate::exec::{Executor, Operation, encoded};
use crate::oauth::{self, AuthType, Errand, NoExtra, TokenEndpoint, Tokens};
use crate::{AuthorizeRequest, ClientCredentials, Held, RefreshFailure, SignIn, judge};

/// Xero's sign-in.
pub(super) struct XeroSignIn {
    executor: Executor,
    endpoints: XeroEndpoints,
    tokens: TokenEndpoint<Cause, NoExtra>,
}

impl XeroSignIn {
    pub(super) fn new(executor: Executor, endpoints: XeroEndpoints) -> Self {
        let tokens = TokenEndpoint {
            executor: executor.clone(),
            url: endpoints.token.clone(),
            route: "/connect/token",
            auth: AuthType::BasicAuth,
            pkce: true,
            headers: &[],
            parameters: &[],
            shape: PhantomData,
        };
        Self { executor, endpoints, tokens }
    }

    async fn links(&self, token: &Secret, auth_event: Option<&str>) -> Result<Vec<Organisation>, Failure> {
        let mut address = self.endpoints.connections.to_string();
        if let Some(event) = auth_event {
            address = format!("{address}?authEventId={}", encoded(event));
        }
        let operation = Operation { name: "organisations", route: "/connections" };
        let errand = Errand { operation, method: Method::GET, address, authorization: bearer(token), body: None, secret: token };
        let (asked, answer) = oauth::run::<Cause>(&self.executor, errand).await?;
        if !answer.status().is_success() {
            return Err(outcome::failure(&asked, &answer));
        }
        judge::read::<Cause, Vec<Link>>(&asked, &answer).map(map::organisations)
    }
}

impl SignIn for XeroSignIn {
    fn authorize_url(&self, request: &AuthorizeRequest<'_>) -> Url {
        let scopes = oauth::scopes(&PROFILE, request.lanes);
        // A write scope includes what its `.read` variant allows.
        let wanted = |scope: &&&str| scope.strip_suffix(".read").is_none_or(|broader| !scopes.contains(&broader));
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

    fn organisations<'a>(&'a self, token: &'a Secret, auth_event: Option<&'a str>) -> BoxFuture<'a, Result<Vec<Organisation>, Failure>> {
        Box::pin(self.links(token, auth_event))
    }

    fn unlink<'a>(&'a self, _credentials: &'a ClientCredentials, held: Held<'a>, link_id: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let token = held.access;
            let address = format!("{}/{}", self.endpoints.connections.as_str().trim_end_matches('/'), encoded(link_id));
            let operation = Operation { name: "unlink", route: "/connections/{id}" };
            // Cutting a link twice leaves it cut, so a lost answer may simply be tried again.
            let errand = Errand { operation, method: Method::DELETE, address, authorization: bearer(token), body: None, secret: token };
            let (asked, answer) = oauth::run::<Cause>(&self.executor, errand).await?;
            match answer.status().as_u16() {
                200..=299 | 404 => Ok(()),
                _ => Err(outcome::failure(&asked, &answer)),
            }
        })
    }
}

fn token_set(tokens: Tokens<NoExtra>, now: Timestamp) -> TokenSet {
    let claims = claims(tokens.access_token.secret());
    let life = tokens.life(claims.exp, PROFILE.access_token_life, now);
    let has_refresh_token = tokens.refresh_token.is_some();
    TokenSet {
        access_token: Secret::new(tokens.access_token.into_secret()),
        refresh_token: tokens.refresh_token.map(|token| Secret::new(token.into_secret())),
        access_expires_at: oauth::until(now, life),
        refresh_expires_at: has_refresh_token.then(|| oauth::until(now, PROFILE.refresh_token_life)),
        auth_event: claims.authentication_event_id,
    }
}

#[cfg(test)]
mod tests;
