//! Somebody who calls the API over real HTTP: a bearer token, a browser's cookies, redirects followed one by one and in sight.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

/// No route takes longer than API Gateway's 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(35);
/// Most redirects of one chain, as browsers have it.
const MAX_HOPS: usize = 20;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The connection, or the answer's framing.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// A text that is not an address.
    #[error("{0} is not an address")]
    Address(String),
    /// Redirects without end.
    #[error("more than {MAX_HOPS} redirects")]
    Redirects,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One step of a chain of redirects.
#[derive(Debug, Clone)]
pub struct Hop {
    /// What was asked.
    pub url: Url,
    /// The answer.
    pub reply: Reply,
}

/// A caller. Clones share connections and cookies.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    origin: String,
    known_as: Option<String>,
    token: Option<String>,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Caller {
    /// A caller without credentials, of the API at `origin`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    #[expect(clippy::disallowed_methods, reason = "a caller of the product stands outside it; redirects are off, and followed in sight")]
    pub fn new(origin: &str) -> Result<Self, CallError> {
        // No connection is kept: what it led to may have been stopped and started again.
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).pool_max_idle_per_host(0);
        let http = builder.build()?;
        Ok(Self { http, origin: origin.to_owned(), known_as: None, token: None, cookies: Arc::default() })
    }

    /// The same with a bearer token, and cookies of its own.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), cookies: Arc::default(), ..self.clone() }
    }

    /// The same, of an API that browsers know under another origin: what leads there is asked where the API really is.
    #[must_use]
    pub fn known_as(&self, public: &str) -> Self {
        Self { known_as: Some(format!("{public}/")), ..self.clone() }
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn get(&self, at: &str) -> Result<Reply, CallError> {
        self.send(Method::GET, at, None, &[]).await
    }

    /// `POST` with a JSON body.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn post(&self, at: &str, body: &Value) -> Result<Reply, CallError> {
        self.send(Method::POST, at, Some(body), &[]).await
    }

    /// Sends one request. `at` is a path of the API, or a whole address. Credentials go to the API alone.
    ///
    /// # Errors
    /// When the connection fails, or `at` is no address.
    pub async fn send(&self, method: Method, at: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Result<Reply, CallError> {
        match body {
            Some(body) => self.raw(method, at, "application/json", body.to_string(), headers).await,
            None => self.raw(method, at, "", String::new(), headers).await,
        }
    }

    async fn raw(&self, method: Method, at: &str, kind: &str, body: String, headers: &[(&str, &str)]) -> Result<Reply, CallError> {
        let path = match &self.known_as {
            Some(public) => at.strip_prefix(public.as_str()).map(|path| format!("/{path}")),
            None => None,
        };
        let at = path.as_deref().unwrap_or(at);
        let url = if at.starts_with('/') { format!("{}{at}", self.origin) } else { at.to_owned() };
        let url: Url = url.parse().map_err(|_| CallError::Address(at.to_owned()))?;
        // The origin may have a path of its own, where one server has several APIs.
        let is_own = url.as_str().strip_prefix(self.origin.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let mut request = self.http.request(method, url);
        if is_own {
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let cookies: Vec<String> = self.lock().iter().map(|(name, value)| format!("{name}={value}")).collect();
            if !cookies.is_empty() {
                request = request.header(header::COOKIE, cookies.join("; "));
            }
        }
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if is_own {
            self.keep_cookies(&headers);
        }
        Ok(Reply { status, headers, body: response.bytes().await? })
    }

    /// `POST` of a form, as the page of a site sends it; the cookies go along when it is sent to the API's own origin.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn form(&self, at: &str, fields: &[(String, String)]) -> Result<Reply, CallError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.raw(Method::POST, at, "application/x-www-form-urlencoded", body, &[]).await
    }

    /// Sends a body that is text of the media type that `headers` name.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn send_text(&self, method: Method, at: &str, body: &str, headers: &[(&str, &str)]) -> Result<Reply, CallError> {
        let kind = headers.iter().find(|(name, _)| *name == "content-type").map(|(_, kind)| *kind).unwrap_or_default();
        let others: Vec<(&str, &str)> = headers.iter().copied().filter(|(name, _)| *name != "content-type").collect();
        self.raw(method, at, kind, body.to_owned(), &others).await
    }

    /// The value of a cookie that was set.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.lock().get(name).cloned()
    }

    /// Opens an address as a browser does, redirects followed.
    ///
    /// # Errors
    /// As [`Caller::send`], and when the chain does not end.
    pub async fn browse(&self, at: &str) -> Result<Vec<Hop>, CallError> {
        let base: Url = self.origin.parse().map_err(|_| CallError::Address(self.origin.clone()))?;
        let mut url = base.join(at).map_err(|_| CallError::Address(at.to_owned()))?;
        let mut hops = Vec::new();
        while hops.len() < MAX_HOPS {
            let reply = self.send(Method::GET, url.as_str(), None, &[]).await?;
            let next = reply.status.is_redirection().then(|| url.join(reply.header("location")));
            hops.push(Hop { url, reply });
            match next {
                None => return Ok(hops),
                Some(to) => url = to.map_err(|_| CallError::Address("the Location of a redirect".to_owned()))?,
            }
        }
        Err(CallError::Redirects)
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        for line in headers.get_all(header::SET_COOKIE) {
            let Some((name, rest)) = line.to_str().ok().and_then(|line| line.split_once('=')) else { continue };
            let value = rest.split(';').next().unwrap_or_default();
            let over = rest.split(';').any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
            if over || value.is_empty() {
                self.lock().remove(name);
            } else {
                self.lock().insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Forgets every cookie: another browser.
    pub fn forget_cookies(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
