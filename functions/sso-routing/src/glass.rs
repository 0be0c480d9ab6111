//! The page for an owner whose identity provider does not answer: an address and a break-glass code for a session.

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_lambda::authn::Invocation;
use coportal_lambda::extract::{Network, header};
use coportal_lambda::problem::{Answer, Refusal, status};
use coportal_lambda::telemetry::Note;
use coportal_pages::components::{Issues, Look, button, problem_notice, text_field};
use coportal_pages::layout;
use http::StatusCode;
use http::header::ORIGIN;
use maud::html;
use serde::Deserialize;

use crate::{AppState, browser, cookies, doors};

#[derive(Default, Deserialize)]
struct Fields {
    #[serde(default)]
    email: String,
    #[serde(default)]
    code: String,
}

/// The form's fields, from a page of our own: anywhere else it would sign somebody in as another.
pub(crate) struct CodeForm(Outcome<Fields>);

impl FromRequest<AppState> for CodeForm {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refusal> {
        let origin = header(request.headers(), &ORIGIN).unwrap_or_default();
        if !state.shell.is_own_origin(origin) {
            let problem = Problem::new(ProblemKind::Forbidden, "forged", "This form was not sent from CoPortal's own page.");
            return Ok(Self(Err(problem.fix("Open this page again and send it from there.", "the sign-in page", true))));
        }
        let bytes = axum::body::to_bytes(request.into_body(), 4096).await.unwrap_or_default();
        Ok(Self(Ok(serde_urlencoded::from_bytes(&bytes).unwrap_or_default())))
    }
}

/// The page; the code that was typed is not written back.
fn page(email: &str, refused: Option<&Problem>) -> Response {
    let issues = Issues(refused.map(|problem| problem.issues.as_slice()).unwrap_or_default());
    let main = html! {
        p.brand { "CoPortal" }
        h1 { "Break-glass sign-in" }
        p { "For an owner of a workspace that requires its identity provider, on a day when that provider cannot be reached. A code works once, and its use is written down." }
        @if let Some(problem) = refused { (problem_notice(problem, &["email", "code"])) }
        form method="post" action="/sign-in/break-glass" {
            (text_field("email", "Your e-mail address", "email", email, true, issues))
            (text_field("code", "One of your codes", "text", "", true, issues))
            (button("Sign in", Look::Primary))
        }
        p.quiet { a href="/sign-in" { "Sign in the ordinary way" } }
    };
    let code = refused.map_or(StatusCode::OK, |problem| status(problem.kind));
    layout::answer(code, layout::alone("Break-glass sign-in", &main), &[])
}

/// `GET /sign-in/break-glass`.
pub(crate) async fn show() -> Response {
    page("", None)
}

/// `POST /sign-in/break-glass`.
pub(crate) async fn submit(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Network(network): Network,
    note: Note,
    CodeForm(fields): CodeForm,
) -> Answer<Response> {
    let Fields { email, code } = match fields {
        Ok(fields) => fields,
        Err(problem) => return Ok(page("", Some(&problem))),
    };
    let mut issues = Vec::new();
    for (pointer, field, text) in [("/email", &email, "Enter your e-mail address."), ("/code", &code, "Enter one of your codes.")] {
        if field.trim().is_empty() {
            issues.push(Issue::new(pointer, "required", text));
        }
    }
    if !issues.is_empty() {
        return Ok(page(&email, Some(&Problem::invalid(issues))));
    }
    let entry = match state.sign_in.break_glass(&ctx, &network, email.trim(), code.trim()).await {
        Ok(entry) => entry,
        Err(problem) => {
            note.outcome("refused");
            return Ok(page(&email, Some(&problem)));
        }
    };
    note.outcome("break_glass_used");
    let (cookie, _) = doors::open_by_break_glass(&state, &ctx, entry).await?;
    let mut response = browser::redirect(StatusCode::SEE_OTHER, "/settings/sso")?;
    cookies::session(response.headers_mut(), &cookie)?;
    Ok(response)
}
