//! The page at the two ends of a sign-in: it asks for an address, hands a code on, or says what went wrong.

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use coportal_identity::Reason;
use coportal_lambda::authn::Invocation;
use coportal_lambda::extract::{Network, QueryOf};
use coportal_lambda::problem::{Answer, Refusal};
use coportal_pages::components::{Look, Tone, button, notice};
use coportal_pages::layout;
use coportal_sign_in::Discovered;
use http::StatusCode;
use http::header::{HeaderValue, REFERRER_POLICY};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{AppState, browser};

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

/// A page without the sidebar. Its address may hold a code: no other request of the browser names it. A form may lead on to a provider, and
/// from there to wherever that sends the browser: Chromium holds `form-action` against every redirect that follows a form.
fn answer(status: StatusCode, title: &str, body: &Markup, origins: &[String]) -> Response {
    let main = html! { p.brand { "CoPortal" } h1 { (title) } (body) };
    let mut response = layout::answer(status, layout::alone(title, &main), origins);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
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
pub(crate) async fn show(State(state): State<AppState>, QueryOf(query): QueryOf<PageQuery>) -> Response {
    if let Some(code) = &query.code {
        // Where scripts run, the form sends itself.
        let body = html! {
            p { "You are signed in at your identity provider." }
            form method="post" action="/v1/sso/exchange" data-send {
                input type="hidden" name="code" value=(code);
                (button("Continue to CoPortal", Look::Primary))
            }
        };
        return answer(StatusCode::OK, "Signing in", &body, &[]);
    }
    if query.error.is_some() {
        let body = html! { (explained(reason(query.error.as_deref()))) p { a.button.primary href="/sign-in" { "Sign in again" } } };
        return answer(StatusCode::OK, "You are not signed in", &body, &[]);
    }
    if let Some(test) = &query.test {
        let (title, body) = match test.as_str() {
            "passed" => {
                ("The test passed", html! { p { "What the identity provider said is shown at the connection. Nothing was switched on." } })
            }
            _ => ("The test did not pass", explained(reason(query.reason.as_deref()))),
        };
        let on = html! { (body) p { a.button.primary href="/settings/sso#provider" { "Back to single sign-on" } } };
        return answer(StatusCode::OK, title, &on, &[]);
    }
    let body = ask(None, "", query.return_to.as_deref());
    answer(StatusCode::OK, "Sign in", &body, &onward(&state))
}

/// Where a form that leads on to a provider may end.
pub(crate) fn onward(state: &AppState) -> Vec<String> {
    let mut origins = vec!["https:".to_owned()];
    if state.shell.public_url().scheme() == "http" {
        origins.push("http:".to_owned());
    }
    origins
}

/// The address is asked for first: what comes next depends on its domain.
fn ask(message: Option<&Markup>, email: &str, return_to: Option<&str>) -> Markup {
    html! {
        @if let Some(message) = message { (message) }
        form method="post" action="/sign-in" {
            div.field {
                label for="email" { "Your e-mail address at work" }
                input #email type="email" name="email" value=(email) autocomplete="username" required autofocus;
            }
            @if let Some(return_to) = return_to { input type="hidden" name="return_to" value=(return_to); }
            (button("Continue", Look::Primary))
        }
        p.quiet { "If your organisation signs in through its identity provider, you are sent there." }
        p.quiet { a href="/sign-in/break-glass" { "An owner with a break-glass code" } }
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
            let message = notice(
                Tone::Attention,
                "This address has no identity provider",
                &html! { p { "Use CoPortal's ordinary sign-in. If you expected your organisation's, check the address, or ask an admin of your workspace." } },
            );
            let body = ask(Some(&message), &fields.email, fields.return_to.as_deref());
            Ok(answer(StatusCode::OK, "Sign in", &body, &onward(&state)))
        }
    }
}
