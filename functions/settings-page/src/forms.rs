//! The forms of Settings, Integrations: each does one use case and goes back to the page (303).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_engine::connect::{CallbackEnd, Links, ReturnPath};
use coportal_lambda::authn::{AdminForm, Invocation};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::Refusal;
use coportal_pages::layout::Section;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use serde::Deserialize;

use crate::{AppState, layout};

fn paged(answer: Result<Response, Refusal>) -> Response {
    layout::paged(answer, Section::Integrations)
}

/// 303 to an address that was built here.
pub(crate) fn see_other(location: &str) -> Outcome<Response> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(location).map_err(Problem::internal_error)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn ledger(path: Result<PathIds<Ledger>, Refusal>) -> Result<Ledger, Refusal> {
    path.map(|PathIds(ledger)| ledger)
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {}

pub(crate) async fn connect(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let run = async {
        let (ledger, AdminForm { principal, .. }) = (ledger(path)?, form?);
        let start = state.engine.begin_connect(&ctx, &principal.workspace, &principal.user, ledger, ReturnPath::settings()).await?;
        let mut response = see_other(start.authorize_url.as_str())?;
        let cookie = HeaderValue::from_str(&start.cookie()).map_err(Problem::internal_error)?;
        response.headers_mut().insert(SET_COOKIE, cookie);
        Ok(response)
    };
    paged(run.await)
}

/// The organisation picked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pick {
    organisation_id: String,
}

pub(crate) async fn organisation(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Pick>, Refusal>,
) -> Response {
    let run = async {
        let (ledger, AdminForm { principal, form }) = (ledger(path)?, form?);
        state.engine.choose_organisation(&ctx, &principal.workspace, &principal.user, ledger, &form.organisation_id).await?;
        Ok(see_other(&ReturnPath::settings().with("connected", ledger.slug()))?)
    };
    paged(run.await)
}

pub(crate) async fn confirm(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let run = async {
        let (ledger, AdminForm { principal, .. }) = (ledger(path)?, form?);
        let location = match state.engine.confirm(&ctx, &principal.workspace, &principal.user, ledger).await? {
            CallbackEnd::Failed { error, .. } => ReturnPath::settings().with("connect_error", error.code()),
            CallbackEnd::Connected { .. } | CallbackEnd::ChooseOrganisation { .. } | CallbackEnd::Parked => {
                ReturnPath::settings().with("connected", ledger.slug())
            }
        };
        Ok(see_other(&location)?)
    };
    paged(run.await)
}

/// How to disconnect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leave {
    links: Links,
    #[serde(default)]
    confirm: Option<String>,
}

pub(crate) async fn disconnect(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Leave>, Refusal>,
) -> Response {
    let run = async {
        let (ledger, AdminForm { principal, form }) = (ledger(path)?, form?);
        if form.confirm.as_deref() != Some("yes") {
            let issue = Issue::new("/confirm", "required", format!("Tick \"Yes, disconnect {}\" first.", ledger.label()));
            return Err(Problem::invalid(vec![issue]).into());
        }
        let receipt = state.engine.disconnect(&ctx, &principal.workspace, &principal.user, ledger, form.links).await?;
        let mut location = ReturnPath::settings().with("disconnected", ledger.slug());
        location.push_str(&format!("&stopped={}", receipt.stopped));
        if let Some(reason) = receipt.reason {
            location.push_str(&format!("&left={}", reason.code()));
        }
        Ok(see_other(&location)?)
    };
    paged(run.await)
}
