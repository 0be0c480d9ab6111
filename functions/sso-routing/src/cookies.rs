//! The two cookies: the one that a sign-in is bound to, and the session.

use coportal_core::problem::Problem;
use coportal_core::secret::Secret;
use coportal_lambda::authn::SESSION_COOKIE;
use coportal_lambda::problem::Answer;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};

/// Names the browser that began a sign-in. `Lax` is not sent with a provider's cross-site POST, and need not be: our own GET after it
/// carries it.
pub(crate) const SSO_COOKIE: &str = "__Host-sso";

/// A sign-in takes ten minutes at most, and its code a minute more.
const SSO_SECONDS: u32 = 15 * 60;

/// The value of `__Host-sso`. Two of that name say that somebody planted one: then there is none.
pub(crate) fn browser(headers: &HeaderMap) -> Option<Secret> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        for pair in line.to_str().ok()?.split(';') {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if name == SSO_COOKIE && found.replace(value).is_some() {
                return None;
            }
        }
    }
    found.filter(|value| !value.is_empty() && value.len() <= 256).map(|value| Secret::new(value.to_owned()))
}

fn set(headers: &mut HeaderMap, line: &str) -> Answer<()> {
    headers.append(SET_COOKIE, HeaderValue::from_str(line).map_err(Problem::internal_error)?);
    Ok(())
}

/// Binds the browser.
pub(crate) fn bind(headers: &mut HeaderMap, browser: &Secret) -> Answer<()> {
    set(headers, &format!("{SSO_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={SSO_SECONDS}", browser.expose()))
}

/// The sign-in is over.
pub(crate) fn unbind(headers: &mut HeaderMap) -> Answer<()> {
    set(headers, &format!("{SSO_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"))
}

/// The session, for as long as the browser runs; its own end is kept with it.
pub(crate) fn session(headers: &mut HeaderMap, cookie: &Secret) -> Answer<()> {
    set(headers, &format!("{SESSION_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie.expose()))
}

/// The session is over.
pub(crate) fn end_session(headers: &mut HeaderMap) -> Answer<()> {
    set(headers, &format!("{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_counts_when_it_is_there_once() {
        let with = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            browser(&headers).map(|secret| secret.expose().to_owned())
        };
        assert_eq!(with(&["a=b; __Host-sso=x1; c=d"]).as_deref(), Some("x1"));
        for lines in [&["__Host-sso=x1; __Host-sso=x2"][..], &["__Host-sso=x1", "__Host-sso=x1"], &["__host-sso=x"], &["__Host-sso="], &[]]
        {
            assert_eq!(with(lines), None, "{lines:?}");
        }
    }
}
