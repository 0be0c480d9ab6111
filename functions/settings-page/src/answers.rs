//! How pages and their forms answer.

use axum::response::Response;
use coportal_lambda::problem::{Refusal, status};
use coportal_pages::layout::{self, Section, Viewer};
use http::StatusCode;
use maud::Markup;

pub(crate) use crate::forms::see_other;
pub(crate) use crate::layout::viewer;

/// A page that can be shown.
pub(crate) fn page(title: &str, section: Section, viewer: Viewer<'_>, main: &Markup) -> Response {
    layout::answer(StatusCode::OK, layout::page(title, section, viewer, main), &[])
}

/// A page, or in its place what stands in its way: a person never meets JSON. `back` is an address and its name.
pub(crate) fn shown(answer: Result<Response, Refusal>, back: (&str, &str)) -> Response {
    answer.unwrap_or_else(|refusal| layout::problem(status(refusal.problem().kind), refusal.problem(), back))
}
