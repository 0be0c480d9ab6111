//! The plain page at the two ends of a sign-in: it asks for an address, hands a code on, or says what went wrong.

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coportal_identity::Reason;
use coportal_lambda::authn::Invocation;
use coportal_lambda::extract::{Network, QueryOf};
use coportal_lambda::problem::{Answer, Refusal};
use coportal_sign_in::Discovered;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

use crate::{AppState, browser};

/// Sends the one form of the page, so that nobody has to; without scripts there is a button.
const SUBMIT: &str = "document.forms[0].submit()";

#[derive(Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    test: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    return_to: Option<String>,
}

/// Where the page's forms may lead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forms {
    /// To us.
    Own,
    /// To us, and by our redirects to a provider: Chromium holds the directive against every redirect that follows a form.
    Onward,
}

fn answer(status: StatusCode, title: &str, body: &Markup) -> Response {
    answer_with(status, title, body, Forms::Own)
}

fn answer_with(status: StatusCode, title: &str, body: &Markup, forms: Forms) -> Response {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SUBMIT.as_bytes());
    let script = STANDARD.encode(digest.as_ref());
    let forms = match forms {
        Forms::Own => " form-action 'self';",
        Forms::Onward => "",
    };
    let policy = format!("default-src 'none'; script-src 'sha256-{script}';{forms} base-uri 'none'; frame-ancestors 'none'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · CoPortal" }
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    let mut response = (status, page.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn reason(code: Option<&str>) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| Some(reason.code()) == code)
}

fn explained(reason: Option<Reason>) -> Markup {
    html! {
        @match reason {
            Some(reason) => { p { (reason.sentence()) } p { (reason.fix().what) " (" (reason.fix().place) ")" } }
            None => { p { "The sign-in did not succeed. Start it again." } }
        }
    }
}

/// `GET /sign-in`.
pub(crate) async fn show(QueryOf(query): QueryOf<PageQuery>) -> Response {
    if let Some(code) = &query.code {
        let body = html! {
            form method="post" action="/v1/sso/exchange" {
                input type="hidden" name="code" value=(code);
                noscript { p { "You are signed in at your identity provider." } }
                button { "Continue to CoPortal" }
            }
            script { (PreEscaped(SUBMIT)) }
        };
        return answer(StatusCode::OK, "Signing in", &body);
    }
    if query.error.is_some() {
        let body = html! { (explained(reason(query.error.as_deref()))) p { a href="/sign-in" { "Sign in again" } } };
        return answer(StatusCode::OK, "You are not signed in", &body);
    }
    if let Some(test) = &query.test {
        let (title, body) = match test.as_str() {
            "passed" => ("The test passed", html! { p { "The identity provider's answer is shown at the connection." } }),
            _ => ("The test did not pass", explained(reason(query.reason.as_deref()))),
        };
        return answer(StatusCode::OK, title, &html! { (body) p { "You can close this page." } });
    }
    answer_with(StatusCode::OK, "Sign in", &ask(None, query.return_to.as_deref()), Forms::Onward)
}

fn ask(message: Option<&str>, return_to: Option<&str>) -> Markup {
    html! {
        @if let Some(message) = message { p role="alert" { (message) } }
        form method="post" action="/sign-in" {
            label for="email" { "Your e-mail address at work" }
            input #email type="email" name="email" autocomplete="username" required;
            @if let Some(return_to) = return_to { input type="hidden" name="return_to" value=(return_to); }
            button { "Continue" }
        }
    }
}

#[derive(Default, Deserialize)]
struct Fields {
    #[serde(default)]
    email: String,
    #[serde(default)]
    return_to: Option<String>,
}

/// The form's fields; a body that is none is an empty form.
pub(crate) struct AddressForm(Fields);

impl<S: Send + Sync> FromRequest<S> for AddressForm {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = axum::body::to_bytes(request.into_body(), 4096).await.unwrap_or_default();
        Ok(Self(serde_urlencoded::from_bytes(&bytes).unwrap_or_default()))
    }
}

/// `POST /sign-in`: to the identity provider of the address's domain, if it has one.
pub(crate) async fn submit(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Network(network): Network,
    AddressForm(fields): AddressForm,
) -> Answer<Response> {
    match state.sign_in.discover(&ctx, &network, &fields.email).await? {
        Discovered::Sso { start_url } => {
            let hint = serde_urlencoded::to_string([("login_hint", fields.email.as_str())]).unwrap_or_default();
            let mut location = format!("{start_url}&{hint}");
            if let Some(return_to) = &fields.return_to {
                let more = serde_urlencoded::to_string([("return_to", return_to.as_str())]).unwrap_or_default();
                location = format!("{location}&{more}");
            }
            browser::redirect(StatusCode::SEE_OTHER, &location)
        }
        Discovered::Password => {
            let message = "This address does not sign in through an identity provider. Use CoPortal's ordinary sign-in.";
            Ok(answer_with(StatusCode::OK, "Sign in", &ask(Some(message), fields.return_to.as_deref()), Forms::Onward))
        }
    }
}
