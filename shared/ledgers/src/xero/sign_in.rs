//! Sign-in at Xero: authorisation code with PKCE and the client's secret (a confidential client may use both), rotating refresh tokens,
//! and the links to organisations. Sources: developer.xero.com "OAuth 2.0", `xero-identity.yaml`.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use coportal_core::connection::Organisation;
use coportal_core::failure::Failure;
use coportal_core::oauth::TokenSet;
use coportal_core::secret::Secret;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use oauth2::basic::{BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, TokenUrl,
};
use url::Url;

use super::fixit::Cause;
use super::outcome::{self, Asked, Effect, Subject};
use super::profile::{PROFILE, XeroEndpoints};
use super::tokens::{Tokens, claims};
use super::wire::Link;
use super::{filter, map};
use crate::exec::{Executor, Operation, TransportError, headers};
use crate::{AuthorizeRequest, ClientCredentials, Held, RefreshFailure, SignIn};

/// How long a call of the sign-in may take: the same as one made for a waiting user.
const TIMEOUT: Duration = Duration::from_secs(12);

type OAuthClient =
    oauth2::Client<BasicErrorResponse, Tokens, BasicTokenIntrospectionResponse, StandardRevocableToken, BasicRevocationErrorResponse>;

type TokenError = RequestTokenError<TransportError, BasicErrorResponse>;

/// Xero's sign-in.
pub(super) struct XeroSignIn {
    executor: Executor,
    endpoints: XeroEndpoints,
}

/// Lends the executor to the OAuth library for one exchange, and remembers the head of the answer: the library tells a refusal from a
/// damaged answer, but not a 429 from a 502.
struct Lent<'x> {
    executor: &'x Executor,
    operation: Operation,
    head: Mutex<Option<Response<Bytes>>>,
}

impl<'c> AsyncHttpClient<'c> for Lent<'_> {
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, TransportError>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.executor.send(self.operation, request.map(Bytes::from), TIMEOUT, None).await?;
            let mut head = Response::new(Bytes::new());
            *head.status_mut() = answer.status();
            *head.headers_mut() = answer.headers().clone();
            *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
            Ok(answer.map(|body| body.to_vec()))
        })
    }
}

impl XeroSignIn {
    pub(super) fn new(executor: Executor, endpoints: XeroEndpoints) -> Self {
        Self { executor, endpoints }
    }

    fn lend(&self, name: &'static str) -> Lent<'_> {
        Lent { executor: &self.executor, operation: Operation { name, route: "/connect/token" }, head: Mutex::new(None) }
    }

    async fn exchange(
        &self,
        credentials: &ClientCredentials,
        code: &Secret,
        verifier: &Secret,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<TokenSet, Failure> {
        let asked = Asked { effect: Effect::Write, subject: Subject::Place, now, token: code.expose() };
        let redirect =
            RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| outcome::unbuildable(&asked, "the redirect address is not valid"))?;
        let client = OAuthClient::new(ClientId::new(credentials.client_id.clone()))
            .set_client_secret(ClientSecret::new(credentials.client_secret.expose().to_owned()))
            .set_auth_type(AuthType::BasicAuth)
            .set_token_uri(TokenUrl::from_url(self.endpoints.token.clone()));
        let lent = self.lend("exchange_code");
        let answer = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
            .set_redirect_uri(Cow::Owned(redirect))
            .request_async(&lent)
            .await;
        let head = lent.head.into_inner().unwrap_or_else(PoisonError::into_inner);
        answer.map(|tokens| token_set(tokens, now)).map_err(|error| match judged(&error, head.as_ref()) {
            Judged::Grant => outcome::sign_in(&asked, Cause::CodeRefused, head.as_ref(), &internal(&error)),
            Judged::App => outcome::sign_in(&asked, Cause::AppRefused, head.as_ref(), &internal(&error)),
            Judged::NotDone => not_done(&asked, &error, head.as_ref()),
            Judged::Unknown => outcome::sign_in(&asked, Cause::OutcomeUnknown, head.as_ref(), &internal(&error)),
        })
    }

    async fn next_tokens(
        &self,
        credentials: &ClientCredentials,
        refresh_token: &Secret,
        now: Timestamp,
    ) -> Result<TokenSet, RefreshFailure> {
        let asked = Asked { effect: Effect::Write, subject: Subject::Place, now, token: refresh_token.expose() };
        let client = OAuthClient::new(ClientId::new(credentials.client_id.clone()))
            .set_client_secret(ClientSecret::new(credentials.client_secret.expose().to_owned()))
            .set_auth_type(AuthType::BasicAuth)
            .set_token_uri(TokenUrl::from_url(self.endpoints.token.clone()));
        let lent = self.lend("refresh");
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let answer = client.exchange_refresh_token(&token).request_async(&lent).await;
        let head = lent.head.into_inner().unwrap_or_else(PoisonError::into_inner);
        answer.map(|tokens| token_set(tokens, now)).map_err(|error| match judged(&error, head.as_ref()) {
            Judged::Grant => RefreshFailure::Dead,
            Judged::App => RefreshFailure::NotDone(outcome::sign_in(&asked, Cause::AppRefused, head.as_ref(), &internal(&error))),
            Judged::NotDone => RefreshFailure::NotDone(not_done(&asked, &error, head.as_ref())),
            Judged::Unknown => RefreshFailure::Unsettled { internal: internal(&error) },
        })
    }

    async fn links(&self, token: &Secret, auth_event: Option<&str>) -> Result<Vec<Organisation>, Failure> {
        let mut address = self.endpoints.connections.to_string();
        if let Some(event) = auth_event {
            address = format!("{address}?authEventId={}", filter::encoded(event));
        }
        let operation = Operation { name: "organisations", route: "/connections" };
        let asked = asked(token, Subject::Place);
        let answer = self.call(&asked, operation, Method::GET, &address, token).await?;
        if !answer.status().is_success() {
            return Err(outcome::failure(&at(asked, &answer), &answer));
        }
        outcome::read::<Vec<Link>>(&asked, &answer).map(map::organisations)
    }

    async fn call(
        &self,
        asked: &Asked<'_>,
        operation: Operation,
        method: Method,
        address: &str,
        token: &Secret,
    ) -> Result<Response<Bytes>, Failure> {
        let request = super::bearer(token)
            .and_then(|bearer| {
                Request::builder()
                    .method(method)
                    .uri(address)
                    .header(http::header::AUTHORIZATION, bearer)
                    .header(http::header::ACCEPT, "application/json")
                    .body(Bytes::new())
                    .ok()
            })
            .ok_or_else(|| outcome::unbuildable(asked, "the request cannot be built"))?;
        self.executor.send(operation, request, TIMEOUT, None).await.map_err(|error| outcome::unanswered(asked, &error))
    }
}

impl SignIn for XeroSignIn {
    fn authorize_url(&self, request: &AuthorizeRequest<'_>) -> Url {
        let client =
            OAuthClient::new(ClientId::new(request.client_id.to_owned())).set_auth_uri(AuthUrl::from_url(self.endpoints.authorize.clone()));
        let mut scopes: Vec<&str> = Vec::new();
        for scope in request.lanes.iter().flat_map(|lane| PROFILE.scopes(*lane)) {
            if !scopes.contains(scope) {
                scopes.push(scope);
            }
        }
        // A write scope includes what its `.read` variant allows.
        let wanted = |scope: &&str| scope.strip_suffix(".read").is_none_or(|broader| !scopes.contains(&broader));
        let state = request.state.to_owned();
        let (url, _) = client
            .authorize_url(|| CsrfToken::new(state))
            .add_scopes(scopes.iter().copied().filter(wanted).map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("redirect_uri", request.redirect_uri)
            // The challenge is computed outside, where the verifier stays.
            .add_extra_param("code_challenge", request.pkce_challenge)
            .add_extra_param("code_challenge_method", "S256")
            .url();
        url
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
        Box::pin(self.exchange(credentials, code, verifier, redirect_uri, now))
    }

    fn refresh<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        refresh_token: &'a Secret,
        _organisation: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, RefreshFailure>> {
        Box::pin(self.next_tokens(credentials, refresh_token, now))
    }

    fn organisations<'a>(&'a self, token: &'a Secret, auth_event: Option<&'a str>) -> BoxFuture<'a, Result<Vec<Organisation>, Failure>> {
        Box::pin(self.links(token, auth_event))
    }

    fn unlink<'a>(&'a self, _credentials: &'a ClientCredentials, held: Held<'a>, link_id: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let token = held.access;
            let address = format!("{}/{}", self.endpoints.connections.as_str().trim_end_matches('/'), filter::encoded(link_id));
            let operation = Operation { name: "unlink", route: "/connections/{id}" };
            // Cutting a link twice leaves it cut, so a lost answer may simply be tried again.
            let asked = asked(token, Subject::Place);
            let answer = self.call(&asked, operation, Method::DELETE, &address, token).await?;
            match answer.status().as_u16() {
                200..=299 | 404 => Ok(()),
                _ => Err(outcome::failure(&at(asked, &answer), &answer)),
            }
        })
    }
}

fn asked(token: &Secret, subject: Subject) -> Asked<'_> {
    Asked { effect: Effect::Read, subject, now: Timestamp::UNIX_EPOCH, token: token.expose() }
}

/// Calls of the sign-in know no "now" of ours: seconds to wait count from the vendor's own clock.
fn at<'a>(asked: Asked<'a>, answer: &Response<Bytes>) -> Asked<'a> {
    Asked { now: headers::date(answer.headers()).unwrap_or(asked.now), ..asked }
}

/// What a failed exchange at the token endpoint means.
enum Judged {
    /// The grant (code or refresh token) is dead.
    Grant,
    /// The app itself was refused.
    App,
    /// Nothing happened.
    NotDone,
    /// It may have happened.
    Unknown,
}

fn judged(error: &TokenError, head: Option<&Response<Bytes>>) -> Judged {
    let status = head.map(|head| head.status().as_u16());
    match error {
        RequestTokenError::Request(TransportError::NotSent(_)) => Judged::NotDone,
        RequestTokenError::Request(TransportError::MaybeSent(_)) => Judged::Unknown,
        // The library could not build the request: nothing left this machine.
        RequestTokenError::Other(_) | RequestTokenError::Parse(..) if status.is_none() => Judged::NotDone,
        RequestTokenError::ServerResponse(refusal) if matches!(status, Some(400..=428 | 430..=499)) => match refusal.error() {
            BasicErrorResponseType::InvalidGrant => Judged::Grant,
            BasicErrorResponseType::InvalidClient
            | BasicErrorResponseType::InvalidRequest
            | BasicErrorResponseType::InvalidScope
            | BasicErrorResponseType::UnauthorizedClient
            | BasicErrorResponseType::UnsupportedGrantType
            | BasicErrorResponseType::Extension(_) => Judged::App,
        },
        RequestTokenError::ServerResponse(_) | RequestTokenError::Parse(..) | RequestTokenError::Other(_) => match status {
            Some(429) => Judged::NotDone,
            // A refusal without the standard's words is a refusal all the same, but no proof that the grant is dead.
            Some(300..=407 | 409..=499) => Judged::App,
            // 2xx with a damaged body, 408, 5xx: the token may have rotated.
            _ => Judged::Unknown,
        },
    }
}

fn not_done(asked: &Asked<'_>, error: &TokenError, head: Option<&Response<Bytes>>) -> Failure {
    match (error, head) {
        (RequestTokenError::Request(error), _) => outcome::unanswered(asked, error),
        (_, Some(head)) => outcome::failure(asked, head),
        (_, None) => outcome::unbuildable(asked, "the token request cannot be built"),
    }
}

/// What the log keeps: the kind and the standard's code; never a body, which holds tokens when it was half readable.
fn internal(error: &TokenError) -> String {
    match error {
        RequestTokenError::Request(error) => error.to_string(),
        RequestTokenError::ServerResponse(refusal) => format!("the token endpoint refused: {}", refusal.error()),
        RequestTokenError::Parse(at, _) => format!("the token endpoint's answer has another shape at {}", at.path()),
        RequestTokenError::Other(why) => format!("the token endpoint's answer is not usable: {why}"),
    }
}

fn token_set(tokens: Tokens, now: Timestamp) -> TokenSet {
    let claims = claims(tokens.access_token.secret());
    let life = SignedDuration::from_secs(tokens.life(claims.exp, now));
    let has_refresh_token = tokens.refresh_token.is_some();
    TokenSet {
        access_token: Secret::new(tokens.access_token.into_secret()),
        refresh_token: tokens.refresh_token.map(|token| Secret::new(token.into_secret())),
        access_expires_at: now.saturating_add(life).unwrap_or(Timestamp::MAX),
        refresh_expires_at: has_refresh_token.then(|| now.saturating_add(PROFILE.refresh_token_life).unwrap_or(Timestamp::MAX)),
        auth_event: claims.authentication_event_id,
    }
}

#[cfg(test)]
mod tests;
