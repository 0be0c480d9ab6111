//! The frame of every page, and the headers that go with it.

use axum::response::{IntoResponse, Response};
use coportal_core::problem::Problem;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use crate::assets::stylesheet;
use crate::messages::Message;

/// A page as an answer. Nothing inline runs or styles; forms go to ourselves and on to the consent pages named.
pub(crate) fn answer(status: StatusCode, page: Markup, consent_origins: &[String]) -> Response {
    let mut targets = String::from("'self'");
    for origin in consent_origins {
        targets.push(' ');
        targets.push_str(origin);
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    let mut response = (status, page.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Not `no-referrer`: with it a browser sends `Origin: null` with the page's own forms, and they would be refused as a stranger's.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · CoPortal" }
                link rel="stylesheet" href=(stylesheet());
            }
            body { (body) }
        }
    }
}

/// A page of the settings, with the sidebar that leads to it (R2).
pub(crate) fn settings(title: &str, workspace: &str, main: &Markup) -> Markup {
    document(
        title,
        &html! {
            a.skip href="#main" { "Skip to the content" }
            div.frame {
                nav.side aria-label="Settings" {
                    p.brand { "CoPortal" }
                    p.place { (workspace) }
                    ul { li { a href="/settings/integrations" aria-current="page" { "Integrations" } } }
                }
                main #main tabindex="-1" { (main) }
            }
        },
    )
}

/// A message above the content.
pub(crate) fn banner(message: &Message) -> Markup {
    html! {
        div class={ "banner " (message.tone.class()) } role=(message.tone.role()) {
            p.title { (message.title) }
            p { (message.text) }
        }
    }
}

/// What stands in place of a page that cannot be shown: what happened, what to do, and a way back.
pub(crate) fn problem(status: StatusCode, problem: &Problem) -> Response {
    let signed_out = status == StatusCode::UNAUTHORIZED;
    let title = if signed_out { "You are not signed in" } else { "That did not work" };
    let body = html! {
        main.alone #main {
            h1 { (title) }
            p { (problem.detail) }
            @if let Some(fix) = &problem.fix {
                p { (fix.what) " " span.quiet { "(" (fix.place) ")" } }
            }
            @if !problem.issues.is_empty() {
                ul { @for issue in &problem.issues { li { (issue.detail) } } }
            }
            @if signed_out {
                p { "Sign in to CoPortal in this browser, then open this page again. When you run CoPortal locally, use the sign-in link that it printed in the terminal." }
            }
            p { a href="/settings/integrations" { @if signed_out { "Try again" } @else { "Back to Integrations" } } }
        }
    };
    answer(status, document(title, &body), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Fetch standard ("Append a request Origin header"): under `no-referrer` a form is sent with `Origin: null`, and a write without
    /// our own origin is refused.
    #[test]
    fn a_pages_own_forms_keep_their_origin() {
        let response = answer(StatusCode::OK, html! { p { "x" } }, &["https://login.xero.com".to_owned()]);
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap().to_owned();
        assert_eq!(header(REFERRER_POLICY), "same-origin");
        assert!(header(CONTENT_SECURITY_POLICY).contains("form-action 'self' https://login.xero.com;"));
        assert!(!header(CONTENT_SECURITY_POLICY).contains("unsafe"));
    }
}
