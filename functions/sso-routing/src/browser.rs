//! The steps that a browser takes by itself: out to the provider and back. Whatever comes of them is a redirect to a page of ours, since
//! a person is looking; only our own failure is a problem.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
pub(crate) use bytes_of_form::Form;
use coportal_core::id::SsoConnectionId;
use coportal_core::problem::Problem;
use coportal_identity::Refusal;
use coportal_lambda::authn::Invocation;
use coportal_lambda::extract::{PathIds, QueryOf};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use coportal_sign_in::{Begun, End};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::{AppState, cookies};

/// A redirect whose own address held a secret: neither a cache nor the next site may see it.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Answer<Response> {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(location).map_err(Problem::internal_error)?);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Where a step ended.
fn ended(note: &Note, end: &End) -> Answer<Response> {
    note.outcome(end.label());
    redirect(StatusCode::SEE_OTHER, &end.location())
}

#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct StartQuery {
    #[serde(default)]
    connection: String,
    #[serde(default)]
    login_hint: Option<String>,
    #[serde(default)]
    return_to: Option<String>,
}

/// `GET /v1/sso/start`: 302 to the identity provider.
pub(crate) async fn start(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    QueryOf(query): QueryOf<StartQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let StartQuery { connection, login_hint, return_to } = query;
    let browser = cookies::browser(&headers);
    let begun = state.sign_in.start(&ctx, &connection, login_hint.as_deref(), return_to.as_deref(), browser).await?;
    match begun {
        Ok(Begun { location, browser }) => {
            note.outcome("begun");
            let mut response = redirect(StatusCode::FOUND, &location)?;
            cookies::bind(response.headers_mut(), &browser)?;
            Ok(response)
        }
        Err(refusal) => ended(&note, &End::Failed(refusal)),
    }
}

/// `GET /v1/sso/oidc/callback`.
pub(crate) async fn callback(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer<Response> {
    let end = state.sign_in.callback(&ctx, query.as_deref().unwrap_or_default(), cookies::browser(&headers).as_ref()).await?;
    ended(&note, &end)
}

/// `POST /v1/sso/saml/{connection}/acs`. An address that is no connection's answers like one whose sign-in is unknown.
pub(crate) async fn acs(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    PathIds(connection): PathIds<SsoConnectionId>,
    form: Form,
) -> Answer<Response> {
    let end = match form {
        Form::Fields(fields) => state.sign_in.acs(&ctx, connection, &fields).await?,
        Form::Refused(reason) => End::Failed(Refusal::new(reason)),
    };
    ended(&note, &end)
}

#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct CompleteQuery {
    #[serde(default)]
    handle: String,
}

/// `GET /v1/sso/complete`: our own GET after a provider's POST; here the browser shows its cookie.
pub(crate) async fn complete(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    QueryOf(CompleteQuery { handle }): QueryOf<CompleteQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let end = state.sign_in.complete(&ctx, &handle, cookies::browser(&headers).as_ref()).await?;
    ended(&note, &end)
}

/// `GET /v1/sso/saml/{connection}/metadata`: what the provider is given.
pub(crate) async fn metadata(State(state): State<AppState>, PathIds(connection): PathIds<SsoConnectionId>) -> Answer<Response> {
    let xml = state.sign_in.sp_metadata(connection).await?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/samlmetadata+xml"))], xml).into_response())
}

/// Reading a provider's form: every field, twice the same name included, and never more than a response may have.
mod bytes_of_form {
    use axum::extract::{FromRequest, Request};
    use coportal_identity::Reason;
    use coportal_lambda::problem::Refusal;
    use http::header::CONTENT_TYPE;

    /// 256 KB of base 64, each of whose characters may be written as three, and some room for the other fields.
    const MOST: usize = 900 * 1024;

    /// The fields of a form, or why there are none.
    pub(crate) enum Form {
        Fields(Vec<(String, String)>),
        Refused(Reason),
    }

    impl<S: Send + Sync> FromRequest<S> for Form {
        type Rejection = Refusal;

        async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
            let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if kind != "application/x-www-form-urlencoded" {
                return Ok(Self::Refused(Reason::Malformed));
            }
            let Ok(bytes) = axum::body::to_bytes(request.into_body(), MOST).await else {
                return Ok(Self::Refused(Reason::TooLarge));
            };
            Ok(serde_urlencoded::from_bytes(&bytes).map_or(Self::Refused(Reason::Malformed), Self::Fields))
        }
    }
}
