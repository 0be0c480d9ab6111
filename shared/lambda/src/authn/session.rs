//! The session cookie of a signed-in browser.

use coportal_aws::keys::{self, is_secret_of};
use coportal_aws::records::sessions::{Session, SignIn, csrf_hash};
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::secret::Secret;
use coportal_core::text;
use http::header::{COOKIE, ORIGIN};
use http::request::Parts;
use http::{HeaderName, Method};
use jiff::{SignedDuration, Timestamp};

use super::token::{BREAK_GLASS_METHOD, Door};
use super::{Auth, Csrf, Proven, unauthenticated};
use crate::extract::header;
use crate::shell::Shell;

/// Name of the cookie. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain` (RFC 6265bis, section 4.1.3.2).
pub const SESSION_COOKIE: &str = "__Host-coportal";

/// Header that carries the token against forged requests.
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// A session ends at the latest this long after the sign-in.
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);

/// A session that nobody uses ends after this time; each use begins it anew.
const IDLE: SignedDuration = SignedDuration::from_hours(2);

/// How much of the idle time has passed before a use is written down: a page of many requests costs one write.
const IDLE_GRAIN: SignedDuration = SignedDuration::from_mins(5);

/// What a browser's writes must carry beside the cookie: derived from it, so that a page can be written without another read.
#[must_use]
pub fn csrf_token(cookie: &str) -> String {
    text::digest([b"csrf".as_slice(), cookie.as_bytes()])
}

/// A fresh session: the cookie's value, and the record to store. It ends after 2 hours without use, and 12 hours from now in any case.
#[must_use]
pub fn new_session(ctx: &Ctx, user: UserId, workspace: WorkspaceId, method: &str) -> (Secret, Session) {
    new_session_by(ctx, user, workspace, SignIn { method: method.to_owned(), connection: None, at: ctx.now() }, None)
}

/// The same for a sign-in of any kind; `ends_at` is when the session at the identity provider ends, which ours does not outlive.
#[must_use]
pub fn new_session_by(ctx: &Ctx, user: UserId, workspace: WorkspaceId, auth: SignIn, ends_at: Option<Timestamp>) -> (Secret, Session) {
    let cookie = ctx.token();
    let end = ctx.now().saturating_add(ABSOLUTE).unwrap_or(Timestamp::MAX);
    let end = ends_at.map_or(end, |ends_at| end.min(ends_at));
    let session = Session {
        user,
        workspace,
        auth,
        csrf: csrf_hash(&csrf_token(&cookie)),
        idle_until: idle_end(ctx.now()).min(end),
        absolute_until: end,
    };
    (Secret::new(cookie), session)
}

fn idle_end(now: Timestamp) -> Timestamp {
    now.saturating_add(IDLE).unwrap_or(Timestamp::MAX)
}

/// Writes down that a session is in use. That it could not be written ends nobody's request: the next use tries again.
async fn keep_alive(shell: &Shell, ctx: &Ctx, cookie: &str, session: &Session) {
    let until = idle_end(ctx.now()).min(session.absolute_until);
    if session.idle_until.duration_until(until) < IDLE_GRAIN {
        return;
    }
    if let Err(error) = shell.store().extend_session(ctx, cookie, until).await {
        tracing::warn!(%error, "the use of a session could not be written down");
    }
}

/// What the cookie proves.
pub(super) async fn prove(shell: &Shell, ctx: &Ctx, parts: &Parts, csrf: &Csrf<'_>) -> Outcome<Proven> {
    let cookie = cookie(parts).ok_or_else(|| unauthenticated("unauthenticated", "Sign in to use this."))?;
    let session = shell.store().session(&cookie).await?;
    let session = session.ok_or_else(|| unauthenticated("unauthenticated", "Sign in to use this.").because("no such session"))?;
    let now = ctx.now();
    if now >= session.idle_until || now >= session.absolute_until {
        return Err(unauthenticated("session_ended", "Your session has ended."));
    }
    if !is_read(&parts.method) {
        check_origin(shell, parts)?;
        let presented = match csrf {
            Csrf::Header => header(&parts.headers, &CSRF_HEADER).unwrap_or_default(),
            Csrf::Form(token) => token,
        };
        if !is_secret_of(presented, &session.csrf) {
            return Err(forged("the token against forged requests is missing or another session's"));
        }
    }
    let door = match session.auth.connection.as_deref().map(str::parse) {
        Some(Ok(connection)) => Door::Sso(connection),
        Some(Err(_)) => return Err(unauthenticated("session_ended", "Your session has ended.").because("its connection is no id")),
        None if session.auth.method == BREAK_GLASS_METHOD => Door::BreakGlass,
        None => Door::Other,
    };
    keep_alive(shell, ctx, &cookie, &session).await;
    Ok(Proven {
        workspace: session.workspace,
        user: session.user,
        since: Some(session.auth.at),
        door,
        auth: Auth::Session {
            csrf: csrf_token(&cookie),
            reference: reference(&cookie),
            sign_in: session.auth,
            until: session.absolute_until,
        },
    })
}

/// The session's name in tokens and logs: the beginning of what it is kept under.
fn reference(cookie: &str) -> String {
    keys::secret_hash(cookie).chars().take(32).collect()
}

/// The session cookie that a request carries, if it carries exactly one.
#[must_use]
pub fn presented_cookie(parts: &Parts) -> Option<Secret> {
    cookie(parts).map(Secret::new)
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// A browser's write comes from our own pages. `Origin` is sent with every POST, PUT, PATCH and DELETE (Fetch, "Origin header").
fn check_origin(shell: &Shell, parts: &Parts) -> Outcome<()> {
    let origin = header(&parts.headers, &ORIGIN).unwrap_or_default();
    if shell.is_own_origin(origin) { Ok(()) } else { Err(forged("the Origin is another, or missing")) }
}

fn forged(because: &'static str) -> Problem {
    Problem::new(ProblemKind::Forbidden, "csrf", "This request did not come from CoPortal's own page.")
        .fix("Reload the page and try again.", "the page you came from", false)
        .because(because)
}

/// The cookie's value; a request that carries two of that name has been tampered with and counts as signed out.
fn cookie(parts: &Parts) -> Option<String> {
    let mut found = None;
    for line in parts.headers.get_all(COOKIE) {
        for pair in line.to_str().ok()?.split(';') {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if name == SESSION_COOKIE && found.replace(value.to_owned()).is_some() {
                return None;
            }
        }
    }
    found.filter(|value| !value.is_empty() && value.len() <= 256)
}
