//! Sign-in at Intuit: authorisation code with the client's secret, without PKCE, for one company that the callback names; rotating refresh
//! tokens. Source: docs/vendors/quickbooks.md, section 1.

use std::marker::PhantomData;

use coportal_core::connection::Organisation;
use coportal_core::failure::Failure;
use coportal_core::oauth::TokenSet;
use coportal_core::secret::Secret;
use futures_util::future::BoxFuture;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use super::fixit::Cause;
use super::is_realm;
use super::outcome;
use super::profile::{ALWAYS, PROFILE, QuickBooksEndpoints};
use super::wire::CompanyAnswer;
use crate::exec::call::bearer;
use crate::exec::{Executor, Operation};
use crate::oauth::tokens::Seconds;
use crate::oauth::{self, AuthType, Errand, TokenEndpoint, Tokens};
use crate::{AuthorizeRequest, ClientCredentials, Held, RefreshFailure, SignIn, judge};

/// What the token endpoint says beyond the standard: how long the refresh token may lie unused, and when the grant ends for good.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Lives {
    #[serde(default)]
    x_refresh_token_expires_in: Seconds,
    #[serde(default)]
    x_refresh_token_hard_expires_in: Seconds,
}

/// QuickBooks Online's sign-in.
pub(super) struct QuickBooksSignIn {
    executor: Executor,
    endpoints: QuickBooksEndpoints,
    tokens: TokenEndpoint<Cause, Lives>,
}

impl QuickBooksSignIn {
    pub(super) fn new(executor: Executor, endpoints: QuickBooksEndpoints) -> Self {
        let tokens = TokenEndpoint {
            executor: executor.clone(),
            url: endpoints.token.clone(),
            route: "/oauth2/v1/tokens/bearer",
            auth: AuthType::BasicAuth,
            pkce: false,
            headers: &[("x-include-refresh-token-hard-expires-in", "true")],
            parameters: &[],
            shape: PhantomData,
        };
        Self { executor, endpoints, tokens }
    }

    /// The company that the callback named, read with the token: a token opens one company only, so that reading it proves that this is
    /// the one (the browser's word alone proves nothing).
    async fn company(&self, token: &Secret, realm: &str) -> Result<Vec<Organisation>, Failure> {
        let base = self.endpoints.api.as_str().trim_end_matches('/');
        let version = ALWAYS.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        // Only digits reach the address: anything else is no realm, and is not sent.
        let address = if is_realm(realm) { format!("{base}/{realm}/companyinfo/{realm}?{version}") } else { String::new() };
        let operation = Operation { name: "organisations", route: "/companyinfo/{id}" };
        let errand = Errand { operation, method: Method::GET, address, authorization: bearer(token), body: None, secret: token };
        let (asked, answer) = oauth::run::<Cause>(&self.executor, errand).await?;
        if !outcome::succeeded(&answer) {
            return Err(outcome::failure(&asked, &answer));
        }
        let company = judge::read::<Cause, CompanyAnswer>(&asked, &answer)?.company_info;
        // The vendor numbers the record itself 1 in every company.
        if company.id.as_deref().is_some_and(|id| id != "1" && id != realm) {
            return Err(judge::unexpected::<Cause>(&asked, &answer, "the answer is about another company"));
        }
        Ok(vec![Organisation {
            id: realm.to_owned(),
            name: company.company_name.unwrap_or_else(|| "Unnamed company".to_owned()),
            environment: self.endpoints.sandbox.then(|| "Sandbox".to_owned()),
            link_id: Some(realm.to_owned()),
        }])
    }
}

/// Why a token need not be taken back any more.
const GONE: [&str; 2] = ["invalid_grant", "invalid_token"];

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl SignIn for QuickBooksSignIn {
    fn authorize_url(&self, request: &AuthorizeRequest<'_>) -> Url {
        oauth::consent(&self.endpoints.authorize, request, &oauth::scopes(&PROFILE, request.lanes), self.tokens.pkce, &[])
    }

    fn exchange_code<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        code: &'a Secret,
        verifier: &'a Secret,
        redirect_uri: &'a str,
        realm: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, Failure>> {
        Box::pin(async move {
            let tokens = self.tokens.exchange(credentials, code, verifier, redirect_uri, now).await?;
            Ok(TokenSet { auth_event: realm.map(str::to_owned), ..token_set(tokens, now) })
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
        Box::pin(async move {
            match auth_event {
                Some(realm) => self.company(token, realm).await,
                // Which company a token is of cannot be learnt from it (section 1).
                None => Ok(Vec::new()),
            }
        })
    }

    fn unlink<'a>(&'a self, credentials: &'a ClientCredentials, held: Held<'a>, _link_id: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a str,
        }
        Box::pin(async move {
            // Taking the refresh token back ends the access token too, and the set is of this company alone (section 1). An access token that
            // comes alone is of the consent that stays in use: taking it back would end the company that was just connected.
            let Some(token) = held.refresh else { return Ok(()) };
            let errand = Errand {
                operation: Operation { name: "unlink", route: "/v2/oauth2/tokens/revoke" },
                method: Method::POST,
                address: self.endpoints.revoke.to_string(),
                authorization: oauth::basic(credentials),
                body: Some(("application/json", crate::json::bytes(&Body { token: token.expose() }))),
                secret: token,
            };
            let (asked, answer) = oauth::run::<Cause>(&self.executor, errand).await?;
            let gone = |refused: Refused| GONE.contains(&refused.error.as_str());
            match answer.status().as_u16() {
                200..=299 => Ok(()),
                400 if serde_json::from_slice(answer.body()).is_ok_and(gone) => Ok(()),
                _ => Err(outcome::failure(&asked, &answer)),
            }
        })
    }
}

fn token_set(tokens: Tokens<Lives>, now: Timestamp) -> TokenSet {
    let life = tokens.life(None, PROFILE.access_token_life, now);
    let has_refresh_token = tokens.refresh_token.is_some();
    let told = [tokens.extra.x_refresh_token_expires_in.0, tokens.extra.x_refresh_token_hard_expires_in.0];
    let unused = told.into_iter().flatten().filter(|seconds| *seconds > 0).min().map(SignedDuration::from_secs);
    TokenSet {
        access_token: Secret::new(tokens.access_token.into_secret()),
        refresh_token: tokens.refresh_token.map(|token| Secret::new(token.into_secret())),
        access_expires_at: oauth::until(now, life),
        refresh_expires_at: has_refresh_token.then(|| oauth::until(now, unused.unwrap_or(PROFILE.refresh_token_life))),
        auth_event: None,
    }
}

#[cfg(test)]
mod tests;
