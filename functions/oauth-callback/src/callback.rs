//! `GET /v1/oauth/{ledger}/callback`: where a ledger sends the browser back to.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Problem;
use coportal_core::secret::Secret;
use coportal_engine::connect::{CONNECT_COOKIE, CallbackEnd, CallbackQuery};
use coportal_lambda::authn::Invocation;
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use http::header::{CACHE_CONTROL, COOKIE, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use crate::AppState;

/// Consumes the state, trades the code, and sends the browser to the page it came from. Whatever the ledger or the person decided is a
/// 303, since a person is looking; only our own failure is a problem.
pub(crate) async fn callback(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer<Response> {
    note.ledger(ledger);
    let query = CallbackQuery::parse(query.as_deref().unwrap_or_default());
    let end = state.engine.callback(&ctx, ledger, query, browser(&headers)).await?;
    note.outcome(end.label());
    let mut response = StatusCode::SEE_OTHER.into_response();
    let answer = response.headers_mut();
    answer.insert(LOCATION, HeaderValue::from_str(&end.location(ledger)).map_err(Problem::internal_error)?);
    // The address of this answer held a code and a state: neither a cache nor the next site may see it.
    answer.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(end, CallbackEnd::Connected { .. } | CallbackEnd::ChooseOrganisation { .. }) {
        let over = format!("{CONNECT_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
        answer.insert(SET_COOKIE, HeaderValue::from_str(&over).map_err(Problem::internal_error)?);
    }
    Ok(response)
}

/// The value of `__Host-connect`. Two of that name say that somebody planted one: then there is none.
fn browser(headers: &HeaderMap) -> Option<Secret> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        for pair in line.to_str().ok()?.split(';') {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if name == CONNECT_COOKIE && found.replace(value).is_some() {
                return None;
            }
        }
    }
    found.filter(|value| !value.is_empty() && value.len() <= 256).map(|value| Secret::new(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        browser(&headers).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_cookie_counts_when_it_is_there_once() {
        assert_eq!(with(&["a=b; __Host-connect=x1; c=d"]).as_deref(), Some("x1"));
        assert_eq!(with(&["a=b", "__Host-connect=x1"]).as_deref(), Some("x1"));
        for lines in [
            &["__Host-connect=x1; __Host-connect=x2"][..],
            &["__Host-connect=x1", "__Host-connect=x1"],
            &["__host-connect=x"],
            &["__Host-connect="],
            &[],
        ] {
            assert_eq!(with(lines), None, "{lines:?}");
        }
    }
}
