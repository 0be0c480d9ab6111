//! The extractors by which a handler says who may call it.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use coportal_aws::records::cards::Cards;
use coportal_core::ctx::Ctx;
use coportal_core::problem::{Issue, Problem};
use coportal_core::workspace::Role;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{Csrf, Principal, ServicePrincipal, authenticate, authenticate_service, authenticate_with_cards};
use crate::extract::{is_media_type, read_body};
use crate::problem::{Refusal, wrong_content_type};
use crate::shell::Shell;
use crate::telemetry::Note;

/// What this invocation knows of time and chance; its 24 s began when the request came in.
#[derive(Debug, Clone)]
pub struct Invocation(pub Ctx);

impl<S: Send + Sync> FromRequestParts<S> for Invocation {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        ctx(parts).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Note {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(note(parts))
    }
}

fn ctx(parts: &Parts) -> Result<Ctx, Refusal> {
    let ctx = parts.extensions.get::<Ctx>().cloned();
    ctx.ok_or_else(|| Problem::internal_error("the router was not wrapped by Shell::serve").into())
}

fn note(parts: &Parts) -> Note {
    parts.extensions.get::<Note>().cloned().unwrap_or_default()
}

/// Any member.
#[derive(Debug, Clone)]
pub struct Member(pub Principal);

/// Any member, with the connections of the workspace: read in the batch that lets somebody in, for the page that shows them.
#[derive(Debug, Clone)]
pub struct MemberWithCards(pub Principal, pub Cards);

/// A member who is an admin or the owner.
#[derive(Debug, Clone)]
pub struct Admin(pub Principal);

/// A service of CoPortal's own, with the scope `workspaces`.
#[derive(Debug, Clone)]
pub struct Service(pub ServicePrincipal);

async fn principal(parts: &Parts, shell: &Shell, csrf: Csrf<'_>) -> Result<Principal, Refusal> {
    let principal = authenticate(shell, &ctx(parts)?, parts, csrf).await?;
    name(parts, &principal);
    Ok(principal)
}

/// The log line of the request names whoever asks.
fn name(parts: &Parts, principal: &Principal) {
    note(parts).principal(principal.workspace.id, &principal.user, principal.auth.label());
}

impl<S> FromRequestParts<S> for Member
where
    S: Send + Sync,
    Shell: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        principal(parts, &Shell::from_ref(state), Csrf::Header).await.map(Self)
    }
}

impl<S> FromRequestParts<S> for MemberWithCards
where
    S: Send + Sync,
    Shell: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let (principal, cards) = authenticate_with_cards(&Shell::from_ref(state), &ctx(parts)?, parts).await?;
        name(parts, &principal);
        Ok(Self(principal, cards))
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Shell: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Member(principal) = Member::from_request_parts(parts, state).await?;
        principal.require(Role::Admin)?;
        Ok(Self(principal))
    }
}

impl<S> FromRequestParts<S> for Service
where
    S: Send + Sync,
    Shell: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        authenticate_service(&Shell::from_ref(state), &ctx(parts)?, parts).await.map(Self).map_err(Refusal::from)
    }
}

/// A page's own form, sent by a member; its field `_csrf` was checked and is not part of `form`.
#[derive(Debug, Clone)]
pub struct MemberForm<T> {
    /// Who sent it.
    pub principal: Principal,
    /// The other fields.
    pub form: T,
}

/// The same, sent by an admin or the owner.
#[derive(Debug, Clone)]
pub struct AdminForm<T> {
    /// Who sent it.
    pub principal: Principal,
    /// The other fields.
    pub form: T,
}

impl<T, S> FromRequest<S> for MemberForm<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
    Shell: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        const KIND: &str = "application/x-www-form-urlencoded";
        if !is_media_type(request.headers(), KIND) {
            return Err(wrong_content_type(KIND).into());
        }
        let (parts, body) = request.into_parts();
        let bytes = read_body(Request::from_parts(parts.clone(), body), state).await?;
        let malformed = || Refusal::new(Problem::invalid(vec![Issue::new("", "form", "The form has unknown or malformed fields.")]));
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes).map_err(|_| malformed())?;
        let (csrf, fields): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name == "_csrf");
        let token = csrf.first().map(|(_, token)| token.as_str()).unwrap_or_default();
        let principal = principal(&parts, &Shell::from_ref(state), Csrf::Form(token)).await?;
        let rest = serde_urlencoded::to_string(fields).map_err(|_| malformed())?;
        let form = serde_urlencoded::from_str(&rest).map_err(|_| malformed())?;
        Ok(Self { principal, form })
    }
}

impl<T, S> FromRequest<S> for AdminForm<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
    Shell: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let MemberForm { principal, form } = MemberForm::<T>::from_request(request, state).await?;
        principal.require(Role::Admin)?;
        Ok(Self { principal, form })
    }
}
