//! The frame of every page, and the headers that go with it.

use axum::response::{IntoResponse, Response};
use coportal_core::problem::Problem;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use crate::assets::{icon, script, stylesheet};
use crate::components::fix;

/// Who looks at a page. No `Debug`: it carries what protects the forms.
#[derive(Clone, Copy)]
pub struct Viewer<'a> {
    /// What each form carries against forged requests; empty without a session.
    pub csrf: &'a str,
    /// Whether they may change anything that admins alone may (C21).
    pub admin: bool,
    /// The workspace's name.
    pub workspace: &'a str,
    /// The workspace's plan, as people read it.
    pub plan: &'a str,
}

/// A place in the sidebar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The ledgers and how they are connected (R2).
    Integrations,
    /// The workspace's clients.
    Clients,
    /// The workspace's invoices, and how each stands in the ledgers.
    Invoices,
    /// What needs a person.
    Attention,
    /// Sending older invoices.
    Backfill,
    /// What was changed in a ledger.
    Drift,
    /// Who did what.
    Audit,
    /// Domains, and sign-in through an identity provider.
    SignIn,
}

impl Section {
    /// The places that have a page.
    const SHOWN: [Self; 8] =
        [Self::Integrations, Self::Clients, Self::Invoices, Self::Attention, Self::Backfill, Self::Drift, Self::Audit, Self::SignIn];

    /// Where it is.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Integrations => "/settings/integrations",
            Self::Clients => "/clients",
            Self::Invoices => "/invoices",
            Self::Attention => "/settings/attention",
            Self::Backfill => "/settings/backfill",
            Self::Drift => "/settings/drift",
            Self::Audit => "/settings/audit",
            Self::SignIn => "/settings/sso",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Integrations => "Integrations",
            Self::Clients => "Clients",
            Self::Invoices => "Invoices",
            Self::Attention => "Attention",
            Self::Backfill => "Backfill",
            Self::Drift => "Changes there",
            Self::Audit => "Activity",
            Self::SignIn => "Sign-in",
        }
    }

    /// Whether it says nothing to a member (C21).
    fn for_admins(self) -> bool {
        match self {
            Self::Integrations | Self::Clients | Self::Invoices => false,
            Self::Attention | Self::Backfill | Self::Drift | Self::Audit | Self::SignIn => true,
        }
    }
}

/// A page as an answer. Nothing inline runs or styles; forms go to ourselves and on to the origins named (consent pages, identity
/// providers: Chromium holds `form-action` against every redirect that follows a form).
#[must_use]
pub fn answer(status: StatusCode, page: Markup, form_origins: &[String]) -> Response {
    let mut targets = String::from("'self'");
    for origin in form_origins {
        targets.push(' ');
        targets.push_str(origin);
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
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

fn document(title: &str, refresh_seconds: Option<u8>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title) " · CoPortal" }
                link rel="icon" type="image/svg+xml" href=(icon());
                link rel="stylesheet" href=(stylesheet());
                script type="module" src=(script()) {}
                // Where scripts run, they look for themselves and change no more than what is new.
                @if let Some(seconds) = refresh_seconds { noscript { meta http-equiv="refresh" content=(seconds); } }
            }
            body { (body) }
        }
    }
}

/// A page in the frame with the sidebar (R2): `main` begins with its `h1`.
#[must_use]
pub fn page(title: &str, section: Section, viewer: Viewer<'_>, main: &Markup) -> Markup {
    page_in_progress(title, section, viewer, None, main)
}

/// The same, looked at anew every so many seconds while no script does.
#[must_use]
pub fn page_in_progress(title: &str, section: Section, viewer: Viewer<'_>, refresh_seconds: Option<u8>, main: &Markup) -> Markup {
    let sections = Section::SHOWN.into_iter().filter(|shown| viewer.admin || !shown.for_admins());
    document(
        title,
        refresh_seconds,
        &html! {
            a.skip href="#main" { "Skip to the content" }
            div.frame {
                nav.side aria-label="CoPortal" {
                    p.brand { "CoPortal" }
                    p.place { (viewer.workspace) }
                    ul {
                        @for shown in sections {
                            li { a href=(shown.path()) aria-current=[(shown == section).then_some("page")] { (shown.label()) } }
                        }
                    }
                }
                main #main tabindex="-1" { (main) }
            }
        },
    )
}

/// A page without the sidebar: sign-in, and what stands in place of a page that cannot be shown.
#[must_use]
pub fn alone(title: &str, main: &Markup) -> Markup {
    document(title, None, &html! { main.alone #main { (main) } })
}

/// What stands in place of a page that cannot be shown: what happened, what to do, and a way back.
#[must_use]
pub fn problem(status: StatusCode, problem: &Problem, back: (&str, &str)) -> Response {
    let signed_out = status == StatusCode::UNAUTHORIZED;
    let title = match status {
        StatusCode::UNAUTHORIZED => "You are not signed in",
        StatusCode::FORBIDDEN => "That is not allowed",
        StatusCode::NOT_FOUND => "That is not here",
        _ => "That did not work",
    };
    let (href, label) = back;
    let body = html! {
        h1 { (title) }
        p { (problem.detail) }
        // What a caller of the API does about it is not what a person at a page does.
        @if let Some(known) = problem.fix.as_ref().filter(|_| !signed_out) { (fix(known)) }
        @if !problem.issues.is_empty() {
            ul { @for issue in &problem.issues { li { (issue.detail) } } }
        }
        @if signed_out {
            p { "Sign in to CoPortal in this browser, then open this page again. When you run CoPortal locally, use the sign-in link that it printed in the terminal." }
            p { a.button.primary href="/sign-in" { "Sign in through your organisation" } }
        }
        p { a href=(href) { @if signed_out { "Try again" } @else { (label) } } }
    };
    answer(status, alone(title, &body), &[])
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

    /// C21: what only admins may see is not in a member's sidebar; and the place one is at is marked for those who cannot see it.
    #[test]
    fn the_sidebar_shows_what_the_viewer_may_see() {
        let viewer = |admin| Viewer { csrf: "c", admin, workspace: "Studio <One>", plan: "Studio" };
        for admin in [true, false] {
            let page = page("Integrations", Section::Integrations, viewer(admin), &html! { h1 { "x" } }).into_string();
            for section in Section::SHOWN {
                assert_eq!(page.contains(&format!(r#"href="{}""#, section.path())), admin || !section.for_admins(), "{section:?}");
            }
            assert!(page.contains(r#"href="/settings/integrations" aria-current="page""#));
            assert!(page.contains("Studio &lt;One&gt;"));
        }
    }
}
