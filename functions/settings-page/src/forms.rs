//! The forms of Settings, Integrations: each does one use case and goes back to the page (303).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_core::connection::{ContactUpdate, ItemPolicy, MatchBy, NameClash, NumberPolicy, OnVoid, Payments, Profile, Rounding, SyncOn};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_engine::connect::{CallbackEnd, Links, OptionsPatch, ReturnPath};
use coportal_lambda::authn::{AdminForm, Invocation};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::Refusal;
use coportal_pages::components::{Tone, fix, heading, notice};
use coportal_pages::layout::{self as frame, Section};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use maud::html;
use serde::Deserialize;

use crate::{AppState, layout, page};

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

pub(crate) fn ledger(path: Result<PathIds<Ledger>, Refusal>) -> Result<Ledger, Refusal> {
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
        let (AdminForm { principal, .. }, ledger) = (form?, ledger(path)?);
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
        let (AdminForm { principal, form }, ledger) = (form?, ledger(path)?);
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
        let (AdminForm { principal, .. }, ledger) = (form?, ledger(path)?);
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
        let (AdminForm { principal, form }, ledger) = (form?, ledger(path)?);
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

/// In which order contacts are looked for.
#[derive(Debug, Clone, Copy, Deserialize)]
enum MatchOrder {
    #[serde(rename = "email,name")]
    EmailThenName,
    #[serde(rename = "name,email")]
    NameThenEmail,
    #[serde(rename = "email")]
    Email,
    #[serde(rename = "name")]
    Name,
}

impl MatchOrder {
    fn ways(self) -> Vec<MatchBy> {
        match self {
            Self::EmailThenName => vec![MatchBy::Email, MatchBy::Name],
            Self::NameThenEmail => vec![MatchBy::Name, MatchBy::Email],
            Self::Email => vec![MatchBy::Email],
            Self::Name => vec![MatchBy::Name],
        }
    }
}

/// Any of the options; what is absent stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionFields {
    #[serde(default)]
    auto_sync: Option<bool>,
    #[serde(default)]
    sync_as_draft: Option<bool>,
    #[serde(default)]
    profile: Option<Profile>,
    #[serde(default)]
    payments: Option<Payments>,
    #[serde(default)]
    on_void: Option<OnVoid>,
    #[serde(default, rename = "match")]
    match_by: Option<MatchOrder>,
    #[serde(default)]
    name_only_ok: Option<bool>,
    #[serde(default)]
    name_clash: Option<NameClash>,
    #[serde(default)]
    number: Option<NumberPolicy>,
    #[serde(default)]
    rounding: Option<Rounding>,
    #[serde(default)]
    contact_update: Option<ContactUpdate>,
    #[serde(default)]
    item: Option<ItemPolicy>,
    #[serde(default)]
    also_draft_source: Option<bool>,
    #[serde(default)]
    sync_on: Option<SyncOn>,
}

impl OptionFields {
    /// The switch that was pressed, or that it was none.
    fn pressed(&self) -> &'static str {
        match (self.auto_sync, self.sync_as_draft) {
            (Some(_), _) => "auto_sync",
            (None, Some(_)) => "sync_as_draft",
            (None, None) => "options",
        }
    }

    fn patch(self) -> OptionsPatch {
        OptionsPatch {
            auto_sync: self.auto_sync,
            sync_as_draft: self.sync_as_draft,
            profile: self.profile,
            payments: self.payments,
            on_void: self.on_void,
            match_by: self.match_by.map(MatchOrder::ways),
            name_only_ok: self.name_only_ok,
            name_clash: self.name_clash,
            number: self.number,
            rounding: self.rounding,
            contact_update: self.contact_update,
            item: self.item,
            also_draft_source: self.also_draft_source,
            sync_on: self.sync_on,
        }
    }
}

/// `POST /settings/integrations/{ledger}/options`: a switch, a preset, or the rest. What contradicts itself comes back beside its field.
pub(crate) async fn options(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<OptionFields>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, form }, ledger) = (form?, ledger(path)?);
        let pressed = form.pressed();
        let patch = form.patch();
        match state.engine.patch_options(&ctx, &principal.workspace, principal.actor(), ledger, &patch, false).await {
            Ok(_) => {
                let mut location = ReturnPath::settings().with("saved", ledger.slug());
                location.push_str(&format!("&option={pressed}"));
                Ok(see_other(&location)?)
            }
            Err(problem) if !problem.issues.is_empty() => Ok(page::refused(&state, &ctx, &principal, ledger, &patch, &problem).await?),
            Err(problem) => Err(problem.into()),
        }
    };
    paged(run.await)
}

/// `POST /settings/integrations/{ledger}/test`: reads the organisation now (R23). What did not work is told with what to do.
pub(crate) async fn test(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, ledger) = (form?, ledger(path)?);
        let found = state.engine.test_connection(&ctx, &principal.workspace, principal.actor(), ledger).await?;
        let Some(problem) = &found.problem else {
            let mut location = ReturnPath::settings().with("tested", ledger.slug());
            location.push_str(&format!("&ms={}", found.latency_ms));
            return Ok(see_other(&location)?);
        };
        let title = format!("{} did not pass the test", found.organisation.name);
        let main = html! {
            (heading("Connection test", ""))
            (notice(Tone::Stopped, &title, &html! {
                p { (problem.detail) }
                @if let Some(known) = &problem.fix { (fix(known)) }
            }))
            p { a.button href="/settings/integrations" { "Back to Integrations" } }
        };
        let answer = frame::page("Connection test", Section::Integrations, layout::viewer(&principal), &main);
        Ok(frame::answer(StatusCode::OK, answer, &[]))
    };
    paged(run.await)
}
