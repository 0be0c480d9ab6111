//! The session: who am I, sign out, a token for services.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_aws::records::sessions::Session;
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::problem::{Problem, ProblemKind};
use coportal_core::workspace::{Plan, Role};
use coportal_lambda::authn::token::{Claims, MEMBER_TYP, own_issuer};
use coportal_lambda::authn::{Auth, Invocation, Member, Principal, presented_cookie};
use coportal_lambda::problem::Answer;
use coportal_lambda::shell::Shell;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{AppState, cookies};

/// How long a token made of a session lives.
const TOKEN_LIVES: SignedDuration = SignedDuration::from_mins(5);

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct UserView {
    id: UserId,
    name: Option<String>,
    email: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct WorkspaceView {
    id: WorkspaceId,
    name: String,
    plan: Plan,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct AuthView {
    method: String,
    connection: Option<String>,
    at: Option<Timestamp>,
}

/// A session, as its owner sees it.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct SessionView {
    user: UserView,
    workspace: WorkspaceView,
    role: Role,
    teams: Vec<String>,
    auth: AuthView,
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_to: Option<String>,
}

impl SessionView {
    /// The view of a session that is about to be opened, if its user is a member at this moment.
    pub(crate) async fn opened(shell: &Shell, ctx: &Ctx, session: &Session, csrf: String) -> Answer<Self> {
        let access = shell.store().access(ctx, session.workspace, &session.user, None).await.map_err(Problem::from)?;
        let (Some(workspace), Some(member)) = (access.workspace, access.member.filter(|member| member.active)) else {
            let problem = Problem::new(ProblemKind::Forbidden, "not_a_member", "You are not a member of this workspace.");
            return Err(problem.fix("Ask an admin of the workspace to add you.", "Settings -> Members", false).into());
        };
        let person = shell.store().profile(&session.user).await.map_err(Problem::from)?;
        Ok(Self {
            user: UserView { id: session.user.clone(), name: person.name, email: person.email },
            workspace: WorkspaceView { id: workspace.id, name: workspace.name, plan: workspace.plan },
            role: member.role,
            teams: member.teams,
            auth: AuthView { method: session.auth.method.clone(), connection: session.auth.connection.clone(), at: Some(session.auth.at) },
            expires_at: Some(session.absolute_until),
            csrf_token: Some(csrf),
            return_to: None,
        })
    }

    /// The same with the page that the person came for.
    pub(crate) fn returning_to(self, path: String) -> Self {
        Self { return_to: Some(path), ..self }
    }

    async fn of(shell: &Shell, principal: Principal) -> Answer<Self> {
        let person = shell.store().profile(&principal.user).await.map_err(Problem::from)?;
        let (auth, expires_at, csrf_token) = match principal.auth {
            Auth::Session { csrf, sign_in, until, .. } => {
                (AuthView { method: sign_in.method, connection: sign_in.connection, at: Some(sign_in.at) }, Some(until), Some(csrf))
            }
            Auth::Bearer { .. } => (AuthView { method: "bearer".to_owned(), connection: None, at: None }, None, None),
        };
        Ok(Self {
            user: UserView { id: principal.user, name: person.name, email: person.email },
            workspace: WorkspaceView { id: principal.workspace.id, name: principal.workspace.name, plan: principal.workspace.plan },
            role: principal.role,
            teams: principal.teams,
            auth,
            expires_at,
            csrf_token,
            return_to: None,
        })
    }
}

/// `GET /v1/session`: who am I.
pub(crate) async fn read(State(state): State<AppState>, Member(principal): Member) -> Answer<Json<SessionView>> {
    SessionView::of(&state.shell, principal).await.map(Json)
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct SignedOut {
    signed_out: bool,
}

/// `DELETE /v1/session`: signs the user out. The row goes, and whatever else was made of an older sign-in, tokens included, no longer
/// counts.
pub(crate) async fn end(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    parts: Parts,
) -> Answer<Response> {
    let store = state.shell.store();
    if let Some(cookie) = presented_cookie(&parts) {
        store.delete_session(&ctx, cookie.expose()).await.map_err(Problem::from)?;
    }
    store.end_sign_ins(&ctx, &principal.user, ctx.now()).await.map_err(Problem::from)?;
    let mut response = Json(SignedOut { signed_out: true }).into_response();
    cookies::end_session(response.headers_mut())?;
    Ok(response)
}

/// No `Debug`: it is a credential.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct TokenView {
    token: String,
    expires_at: Timestamp,
}

/// `POST /v1/session/token`: a short JWT for services. It says where the person signed in and how, so that whoever checks it asks the
/// same as of the session.
pub(crate) async fn token(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
) -> Answer<Json<TokenView>> {
    let Auth::Session { reference, sign_in, until, .. } = principal.auth else {
        let problem = Problem::new(ProblemKind::Forbidden, "session_required", "A token is made of a session, not of another token.");
        return Err(problem.fix("Sign in with a browser.", "the sign-in page", false).into());
    };
    let now = ctx.now();
    let ends = now.saturating_add(TOKEN_LIVES).unwrap_or(until).min(until);
    let claims = Claims {
        iss: own_issuer(state.shell.public_url()),
        aud: state.audience.clone(),
        sub: principal.user.to_string(),
        ws: Some(principal.workspace.id),
        sid: Some(reference),
        amr: vec![sign_in.method],
        exp: ends.as_second(),
        iat: Some(now.as_second()),
        nbf: None,
        ssc: sign_in.connection.as_deref().and_then(|connection| connection.parse().ok()),
        // Rounded up: a token must not look older than the session, nor than what ended older ones.
        auth_time: Some(sign_in.at.as_second().saturating_add(i64::from(sign_in.at.subsec_nanosecond() > 0))),
        scope: None,
    };
    let token = state.sign_in.mint(&ctx, MEMBER_TYP, &claims).await?;
    Ok(Json(TokenView { token, expires_at: ends }))
}

/// `GET /.well-known/jwks.json`: the keys of those tokens.
pub(crate) async fn jwks(State(state): State<AppState>, Invocation(ctx): Invocation) -> Answer<Response> {
    let keys = state.sign_in.jwks(&ctx).await?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    Ok((headers, Json(keys).0.to_string()).into_response())
}
