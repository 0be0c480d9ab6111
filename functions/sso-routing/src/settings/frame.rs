//! What the settings pages of single sign-on take from whoever asks, and how they answer.

use axum::response::{IntoResponse, Response};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::workspace::Role;
use coportal_lambda::authn::Principal;
use coportal_lambda::problem::{Refusal, status};
use coportal_pages::layout::{self, Viewer};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION};

/// The page that every form goes back to.
pub(crate) const PAGE: &str = "/settings/sso";

/// Who looks at a page.
pub(crate) fn viewer(principal: &Principal) -> Viewer<'_> {
    Viewer {
        csrf: principal.csrf(),
        admin: principal.require(Role::Admin).is_ok(),
        workspace: &principal.workspace.name,
        plan: principal.workspace.plan.label(),
    }
}

/// A page, or in its place what stands in its way.
pub(crate) fn shown(answer: Result<Response, Refusal>) -> Response {
    answer.unwrap_or_else(|refusal| layout::problem(status(refusal.problem().kind), refusal.problem(), (PAGE, "Back to single sign-on")))
}

/// 303 to an address that was built here.
pub(crate) fn see_other(location: &str) -> Outcome<Response> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(location).map_err(Problem::internal_error)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
