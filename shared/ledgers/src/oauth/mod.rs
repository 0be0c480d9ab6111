//! Sign-in by OAuth 2.0 (authorisation code, confidential client), the same for every ledger; what differs is data in [`TokenEndpoint`].
//! Standard: RFC 6749, RFC 7636.

pub(crate) mod tokens;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::secret::Secret;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use jiff::{SignedDuration, Timestamp};
pub(crate) use oauth2::AuthType;
use oauth2::basic::{BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, TokenUrl,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub(crate) use self::tokens::{NoExtra, Tokens};
use crate::exec::{Executor, Operation, TransportError, headers};
use crate::fixit::{Catalogue, Common, GrantRefusal};
use crate::judge::{self, Asked, Effect, REFUSED, Subject};
use crate::profile::{Lane, Profile};
use crate::{AuthorizeRequest, ClientCredentials, RefreshFailure};

/// How long a call of the sign-in may take: the same as one made for a waiting user.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(12);

type OAuthClient<E> =
    oauth2::Client<BasicErrorResponse, Tokens<E>, BasicTokenIntrospectionResponse, StandardRevocableToken, BasicRevocationErrorResponse>;

type TokenError = RequestTokenError<TransportError, BasicErrorResponse>;

/// A ledger's token endpoint. `C` is the ledger's catalogue, `E` what its answers have beyond the standard's fields.
pub(crate) struct TokenEndpoint<C, E> {
    pub(crate) executor: Executor,
    /// Its address.
    pub(crate) url: Url,
    /// Its path, for the trace.
    pub(crate) route: &'static str,
    /// How our app shows who it is.
    pub(crate) auth: AuthType,
    /// Whether the vendor takes a PKCE verifier.
    pub(crate) pkce: bool,
    /// Headers that every call carries beyond the standard's.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// Parameters that every form carries beyond the standard's.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    pub(crate) shape: PhantomData<fn() -> (C, E)>,
}

/// The scopes of the lanes, each once, in the order of the profile.
pub(crate) fn scopes(profile: &Profile, lanes: &[Lane]) -> Vec<&'static str> {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in lanes.iter().flat_map(|lane| profile.scopes(*lane)) {
        if !scopes.contains(scope) {
            scopes.push(scope);
        }
    }
    scopes
}

/// The consent page to send a user to.
pub(crate) fn consent(authorize: &Url, request: &AuthorizeRequest<'_>, scopes: &[&str], pkce: bool, extra: &[(&str, &str)]) -> Url {
    let client =
        OAuthClient::<NoExtra>::new(ClientId::new(request.client_id.to_owned())).set_auth_uri(AuthUrl::from_url(authorize.clone()));
    let state = request.state.to_owned();
    let mut asked = client
        .authorize_url(|| CsrfToken::new(state))
        .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).to_owned())))
        .add_extra_param("redirect_uri", request.redirect_uri);
    if pkce {
        // The challenge is computed outside, where the verifier stays.
        asked = asked.add_extra_param("code_challenge", request.pkce_challenge).add_extra_param("code_challenge_method", "S256");
    }
    for (name, value) in extra {
        asked = asked.add_extra_param(*name, *value);
    }
    asked.url().0
}

/// `Authorization: Basic …` of our app, marked so that no layer below prints it. Id and secret are form-encoded first (RFC 6749, 2.3.1).
pub(crate) fn basic(credentials: &ClientCredentials) -> Option<HeaderValue> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(&credentials.client_id), encode(credentials.client_secret.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A call of the sign-in, beside the token endpoint.
pub(crate) struct Errand<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    pub(crate) address: String,
    /// `Authorization`; `None` when it could not be written.
    pub(crate) authorization: Option<HeaderValue>,
    /// A body with its media type.
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
    /// The secret that it carries.
    pub(crate) secret: &'a Secret,
}

/// Sends an errand. All of them may be repeated: a lost answer is simply tried again. The answer comes with the question it is judged
/// against, whatever its status.
pub(crate) async fn run<'a, C: Catalogue>(executor: &Executor, errand: Errand<'a>) -> Result<(Asked<'a>, Response<Bytes>), Failure> {
    let mut asked = Asked { effect: Effect::Read, subject: Subject::Place, now: Timestamp::UNIX_EPOCH, token: errand.secret.expose() };
    let build = || {
        let mut request = Request::builder()
            .method(errand.method)
            .uri(errand.address)
            .header(header::AUTHORIZATION, errand.authorization?)
            .header(header::ACCEPT, "application/json");
        let (kind, body) = errand.body.map_or((None, Vec::new()), |(kind, body)| (Some(kind), body));
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        request.body(Bytes::from(body)).ok()
    };
    let request = build().ok_or_else(|| judge::unbuildable::<C>(&asked, "the request cannot be built"))?;
    let answer = executor.send(errand.operation, request, TIMEOUT, None).await.map_err(|error| judge::unanswered::<C>(&asked, &error))?;
    // Calls of the sign-in know no "now" of ours: seconds to wait count from the vendor's own clock.
    asked.now = headers::date(answer.headers()).unwrap_or(asked.now);
    Ok((asked, answer))
}

/// Lends the executor to the OAuth library for one exchange, and remembers the head of the answer: the library tells a refusal from a
/// damaged answer, but not a 429 from a 502.
struct Lent<'x> {
    executor: &'x Executor,
    operation: Operation,
    headers: &'static [(&'static str, &'static str)],
    head: Mutex<Option<Response<Bytes>>>,
}

impl<'c> AsyncHttpClient<'c> for Lent<'_> {
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, TransportError>> + Send + 'c>>;

    fn call(&'c self, mut request: oauth2::HttpRequest) -> Self::Future {
        for (name, value) in self.headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
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

impl<C: Catalogue, E: fmt::Debug + Serialize + DeserializeOwned> TokenEndpoint<C, E> {
    fn lend(&self, name: &'static str) -> Lent<'_> {
        let operation = Operation { name, route: self.route };
        Lent { executor: &self.executor, operation, headers: self.headers, head: Mutex::new(None) }
    }

    /// Turns a code into tokens.
    pub(crate) async fn exchange(
        &self,
        credentials: &ClientCredentials,
        code: &Secret,
        verifier: &Secret,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Tokens<E>, Failure> {
        let asked = Asked { effect: Effect::Write, subject: Subject::Place, now, token: code.expose() };
        let redirect =
            RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| judge::unbuildable::<C>(&asked, "the redirect address is not valid"))?;
        let client = OAuthClient::<E>::new(ClientId::new(credentials.client_id.clone()))
            .set_client_secret(ClientSecret::new(credentials.client_secret.expose().to_owned()))
            .set_auth_type(self.auth.clone())
            .set_token_uri(TokenUrl::from_url(self.url.clone()));
        let lent = self.lend("exchange_code");
        let mut request = client.exchange_code(AuthorizationCode::new(code.expose().to_owned())).set_redirect_uri(Cow::Owned(redirect));
        if self.pkce {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
        }
        for (name, value) in self.parameters {
            request = request.add_extra_param(*name, *value);
        }
        let answer = request.request_async(&lent).await;
        let head = lent.head.into_inner().unwrap_or_else(PoisonError::into_inner);
        answer.map_err(|error| match (vendors_word::<C>(&error), judged(&error, head.as_ref())) {
            (Some(GrantRefusal::Closed(cause)), _) => judge::failed(&asked, cause, REFUSED, head.as_ref(), &internal(&error)),
            (Some(GrantRefusal::Later(cause)), _) => judge::failed(&asked, cause, judge::RETRY, head.as_ref(), &internal(&error)),
            (None, judged) => match judged {
                Judged::Grant => refused::<C>(&asked, Common::CodeRefused, head.as_ref(), &error),
                Judged::App => refused::<C>(&asked, Common::AppRefused, head.as_ref(), &error),
                Judged::NotDone => not_done::<C>(&asked, &error, head.as_ref()),
                Judged::Unknown => refused::<C>(&asked, Common::OutcomeUnknown, head.as_ref(), &error),
            },
        })
    }

    /// Gets the next token set.
    pub(crate) async fn refresh(
        &self,
        credentials: &ClientCredentials,
        refresh_token: &Secret,
        now: Timestamp,
    ) -> Result<Tokens<E>, RefreshFailure> {
        let asked = Asked { effect: Effect::Write, subject: Subject::Place, now, token: refresh_token.expose() };
        let client = OAuthClient::<E>::new(ClientId::new(credentials.client_id.clone()))
            .set_client_secret(ClientSecret::new(credentials.client_secret.expose().to_owned()))
            .set_auth_type(self.auth.clone())
            .set_token_uri(TokenUrl::from_url(self.url.clone()));
        let lent = self.lend("refresh");
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let mut request = client.exchange_refresh_token(&token);
        for (name, value) in self.parameters {
            request = request.add_extra_param(*name, *value);
        }
        let answer = request.request_async(&lent).await;
        let head = lent.head.into_inner().unwrap_or_else(PoisonError::into_inner);
        answer.map_err(|error| match (vendors_word::<C>(&error), judged(&error, head.as_ref())) {
            (Some(GrantRefusal::Closed(_)), _) | (None, Judged::Grant) => RefreshFailure::Dead,
            (Some(GrantRefusal::Later(cause)), _) => {
                RefreshFailure::NotDone(judge::failed(&asked, cause, judge::RETRY, head.as_ref(), &internal(&error)))
            }
            (None, Judged::App) => RefreshFailure::NotDone(refused::<C>(&asked, Common::AppRefused, head.as_ref(), &error)),
            (None, Judged::NotDone) => RefreshFailure::NotDone(not_done::<C>(&asked, &error, head.as_ref())),
            (None, Judged::Unknown) => RefreshFailure::Unsettled { internal: internal(&error) },
        })
    }
}

/// `life` from `now`.
pub(crate) fn until(now: Timestamp, life: SignedDuration) -> Timestamp {
    now.saturating_add(life).unwrap_or(Timestamp::MAX)
}

/// What the vendor's own words say of a refusal.
fn vendors_word<C: Catalogue>(error: &TokenError) -> Option<GrantRefusal<C>> {
    match error {
        RequestTokenError::ServerResponse(refusal) => {
            C::grant_refused(refusal.error().as_ref(), refusal.error_description().map_or("", String::as_str))
        }
        RequestTokenError::Request(_) | RequestTokenError::Parse(..) | RequestTokenError::Other(_) => None,
    }
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
        RequestTokenError::Request(TransportError::NotSent(_) | TransportError::Withheld(_)) => Judged::NotDone,
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

/// The failure of an exchange at the token endpoint: the user starts again, we correct our registration, or nobody knows what happened.
fn refused<C: Catalogue>(asked: &Asked<'_>, common: Common, head: Option<&Response<Bytes>>, error: &TokenError) -> Failure {
    let disposition = match common {
        Common::CodeRefused => REFUSED,
        Common::AppRefused => Disposition::Defect,
        Common::Unreachable
        | Common::NoAnswer
        | Common::OutcomeUnknown
        | Common::AnswerUnreadable
        | Common::AnswerUnexpected
        | Common::RequestMalformed => Disposition::LookFirst,
    };
    judge::failed(asked, C::common(common), disposition, head, &internal(error))
}

fn not_done<C: Catalogue>(asked: &Asked<'_>, error: &TokenError, head: Option<&Response<Bytes>>) -> Failure {
    match (error, head) {
        (RequestTokenError::Request(error), _) => judge::unanswered::<C>(asked, error),
        (_, Some(head)) => C::failure(asked, head),
        (_, None) => judge::unbuildable::<C>(asked, "the token request cannot be built"),
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
