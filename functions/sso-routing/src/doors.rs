//! What a stranger may ask: where to sign in, a code for a session, a break-glass code for one.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use coportal_aws::records::sessions::SignIn as How;
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::problem::Problem;
use coportal_core::secret::Secret;
use coportal_lambda::authn::token::{BREAK_GLASS_METHOD, SSO_METHOD};
use coportal_lambda::authn::{Invocation, csrf_token, new_session_by};
use coportal_lambda::extract::{JsonBody, Network};
use coportal_lambda::problem::{Answer, Refusal};
use coportal_lambda::telemetry::Note;
use coportal_sign_in::{BreakGlassEntry, Discovered, Redeemed};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;

use crate::session::SessionView;
use crate::{AppState, browser, cookies};

#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscoverRequest {
    email: String,
}

/// `POST /v1/sso/discover`.
pub(crate) async fn discover(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Network(network): Network,
    note: Note,
    body: JsonBody<DiscoverRequest>,
) -> Answer<Json<Discovered>> {
    let found = state.sign_in.discover(&ctx, &network, &body.value.email).await?;
    note.outcome(if found == Discovered::Password { "password" } else { "sso" });
    Ok(Json(found))
}

#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeRequest {
    code: String,
}

/// A code in a JSON body, from a script; or in a form, from the page that a browser without scripts sees.
pub(crate) enum Code {
    Json(String),
    Form(String),
}

impl<S: Send + Sync> FromRequest<S> for Code {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Ok(Self::Json(JsonBody::<CodeRequest>::from_request(request, state).await?.value.code));
        }
        let bytes = axum::body::to_bytes(request.into_body(), 4096).await.unwrap_or_default();
        let form: CodeRequest = serde_urlencoded::from_bytes(&bytes).unwrap_or(CodeRequest { code: String::new() });
        Ok(Self::Form(form.code))
    }
}

/// Opens a session and says whose it is.
async fn open(
    state: &AppState,
    ctx: &Ctx,
    (user, workspace): (UserId, WorkspaceId),
    how: How,
    ends_at: Option<Timestamp>,
) -> Answer<(Secret, SessionView)> {
    let (cookie, session) = new_session_by(ctx, user, workspace, how, ends_at);
    let view = SessionView::opened(&state.shell, ctx, &session, csrf_token(cookie.expose())).await?;
    state.shell.store().put_session(ctx, cookie.expose(), &session).await.map_err(Problem::from)?;
    Ok((cookie, view))
}

/// `POST /v1/sso/exchange`: a one-time code for the session, in the browser that began the sign-in.
pub(crate) async fn exchange(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    headers: HeaderMap,
    code: Code,
) -> Answer<Response> {
    let (Code::Json(text) | Code::Form(text)) = &code;
    let bound = cookies::browser(&headers);
    let Redeemed { user, workspace, connection, ends_at, return_to } = match state.sign_in.redeem(&ctx, text, bound.as_ref()).await? {
        Ok(redeemed) => redeemed,
        Err(refusal) => {
            note.outcome(refusal.reason.code());
            return match code {
                Code::Json(_) => Err(refusal.problem().into()),
                Code::Form(_) => browser::redirect(StatusCode::SEE_OTHER, &format!("/sign-in?error={}", refusal.reason)),
            };
        }
    };
    let how = How { method: SSO_METHOD.to_owned(), connection: Some(connection.to_string()), at: ctx.now() };
    let (cookie, view) = open(&state, &ctx, (user, workspace), how, ends_at).await?;
    note.outcome("session_opened");
    let mut response = match code {
        Code::Json(_) => Json(view.returning_to(return_to)).into_response(),
        Code::Form(_) => browser::redirect(StatusCode::SEE_OTHER, &return_to)?,
    };
    cookies::session(response.headers_mut(), &cookie)?;
    cookies::unbind(response.headers_mut())?;
    Ok(response)
}

#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakGlassRequest {
    email: String,
    code: String,
}

/// `POST /v1/sso/break-glass`.
pub(crate) async fn break_glass(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Network(network): Network,
    note: Note,
    body: JsonBody<BreakGlassRequest>,
) -> Answer<Response> {
    let BreakGlassRequest { email, code } = body.value;
    let entry = state.sign_in.break_glass(&ctx, &network, &email, &code).await?;
    note.outcome("break_glass_used");
    let (cookie, view) = open_by_break_glass(&state, &ctx, entry).await?;
    let mut response = Json(view).into_response();
    cookies::session(response.headers_mut(), &cookie)?;
    Ok(response)
}

/// The session of an owner who came in by a code.
pub(crate) async fn open_by_break_glass(state: &AppState, ctx: &Ctx, entry: BreakGlassEntry) -> Answer<(Secret, SessionView)> {
    let how = How { method: BREAK_GLASS_METHOD.to_owned(), connection: None, at: ctx.now() };
    open(state, ctx, (entry.user, entry.workspace), how, None).await
}
