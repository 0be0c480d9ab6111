//! Who asks: a member by bearer token or session cookie, or a service by its own token.
//!
//! A credential says who and where. What they may do (role, teams, plan, whether the membership counts at all) is read from the records
//! on every request, in one consistent batch read.

mod extract;
mod session;
pub mod token;

use coportal_aws::records::cards::Cards;
use coportal_aws::records::sessions::SignIn;
use coportal_aws::records::workspaces::Access;
use coportal_core::ctx::Ctx;
use coportal_core::door::{SessionMethod, session_may_act};
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::timeline::Actor;
use coportal_core::workspace::{Plan, Role, Workspace};
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;

pub use extract::{Admin, AdminForm, Invocation, Member, MemberForm, MemberWithCards, Service};
pub use session::{SESSION_COOKIE, csrf_token, new_session, new_session_by, presented_cookie};
use token::Door;

use crate::extract::header;
use crate::shell::Shell;

/// A member of a workspace, as the records know them at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The workspace, its plan included.
    pub workspace: Workspace,
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Teams that limit what they see.
    pub teams: Vec<String>,
    /// How they showed who they are.
    pub auth: Auth,
}

/// How somebody showed who they are.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// A bearer token of an issuer.
    Bearer {
        /// The session that the token came from, by the issuer's name for it.
        session: Option<String>,
    },
    /// The session cookie.
    Session {
        /// What a form of a page must carry in `_csrf`.
        csrf: String,
        /// The session's name where it is spoken of: no secret, and not what the browser carries.
        reference: String,
        /// How and when the person signed in.
        sign_in: SignIn,
        /// When it ends at the latest.
        until: Timestamp,
    },
}

/// Without what a form must carry: it is as good as the cookie against forged requests.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bearer { session } => f.debug_struct("Bearer").field("session", session).finish(),
            Self::Session { reference, sign_in, .. } => {
                f.debug_struct("Session").field("reference", reference).field("sign_in", sign_in).finish_non_exhaustive()
            }
        }
    }
}

impl Auth {
    fn label(&self) -> &'static str {
        match self {
            Self::Bearer { .. } => "bearer",
            Self::Session { .. } => "session",
        }
    }
}

impl Principal {
    /// Refuses whoever has a lower role.
    ///
    /// # Errors
    /// 403 `role_required`, naming the role.
    pub fn require(&self, role: Role) -> Outcome<()> {
        if self.role >= role {
            return Ok(());
        }
        let needed = match role {
            Role::Member => "a member",
            Role::Admin => "an admin",
            Role::Owner => "the owner",
        };
        Err(Problem::new(ProblemKind::Forbidden, "role_required", format!("This needs {needed} of the workspace."))
            .fix(format!("Ask {needed} to do it, or to give you that role."), "Settings -> Members", false)
            .because(format_args!("role {:?}", self.role)))
    }

    /// The principal as timelines and audit lines name them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::User(self.user.clone())
    }

    /// What a form of a page must carry in `_csrf`; empty for a bearer token, which needs none.
    #[must_use]
    pub fn csrf(&self) -> &str {
        match &self.auth {
            Auth::Session { csrf, .. } => csrf,
            Auth::Bearer { .. } => "",
        }
    }
}

/// A service of CoPortal's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Its name at the issuer.
    pub name: String,
}

/// Where the token against forged requests is looked for.
enum Csrf<'a> {
    /// In the header `x-csrf-token`.
    Header,
    /// It was found in the form.
    Form(&'a str),
}

/// What a credential proves: who, where, since when, and how.
struct Proven {
    workspace: WorkspaceId,
    user: UserId,
    since: Option<Timestamp>,
    door: Door,
    auth: Auth,
}

impl Proven {
    /// The connection of a single sign-on that it came by.
    fn came_by(&self) -> Option<SsoConnectionId> {
        match self.door {
            Door::Sso(connection) => Some(connection),
            Door::BreakGlass | Door::Other => None,
        }
    }
}

async fn authenticate(shell: &Shell, ctx: &Ctx, parts: &Parts, csrf: Csrf<'_>) -> Outcome<Principal> {
    let proven = prove(shell, ctx, parts, csrf).await?;
    let access = shell.store().access(ctx, proven.workspace, &proven.user, proven.came_by()).await?;
    admit(proven, access)
}

/// The same, with the connections of the workspace in the batch read that is made anyway.
async fn authenticate_with_cards(shell: &Shell, ctx: &Ctx, parts: &Parts) -> Outcome<(Principal, Cards)> {
    let proven = prove(shell, ctx, parts, Csrf::Header).await?;
    let (access, cards) = shell.store().access_and_cards(ctx, proven.workspace, &proven.user, proven.came_by()).await?;
    Ok((admit(proven, access)?, cards))
}

async fn prove(shell: &Shell, ctx: &Ctx, parts: &Parts, csrf: Csrf<'_>) -> Outcome<Proven> {
    Ok(match bearer(parts) {
        Some(token) => {
            let token = shell.verifier().member(token, ctx.now()).await?;
            Proven {
                workspace: token.workspace,
                user: token.user,
                since: token.issued_at,
                door: token.door,
                auth: Auth::Bearer { session: token.session },
            }
        }
        None => session::prove(shell, ctx, parts, &csrf).await?,
    })
}

/// What the one batch read says: user, workspace, member, and the connection of a single sign-on.
fn admit(proven: Proven, access: Access) -> Outcome<Principal> {
    // A token that does not say when it was made cannot show that it is newer than the moment all older ones were ended.
    if access.not_before.is_some_and(|moment| proven.since.is_none_or(|since| since < moment)) {
        return Err(unauthenticated("session_ended", "This sign-in was ended.").because("made before the user's not_before"));
    }
    through_the_right_door(&access, proven.door, proven.since)?;
    let member = access.member.filter(|member| member.active);
    let (Some(workspace), Some(member)) = (access.workspace, member) else {
        return Err(Problem::new(ProblemKind::Forbidden, "not_a_member", "You are not a member of this workspace.").fix(
            "Ask an admin of the workspace to add you, or sign in to another workspace.",
            "Settings -> Members",
            false,
        ));
    };
    Ok(Principal { workspace, user: proven.user, role: member.role, teams: member.teams, auth: proven.auth })
}

/// A session of single sign-on reaches its connection's workspace and no other, and where one connection is required no other way counts
/// but a break-glass code (R102, C24). A workspace that has left the plan requires nothing (R8): its people must get in to mend that.
fn through_the_right_door(access: &Access, door: Door, since: Option<Timestamp>) -> Outcome<()> {
    let method = match door {
        Door::Other => SessionMethod::Other,
        Door::BreakGlass => SessionMethod::BreakGlass,
        Door::Sso(connection) => SessionMethod::Sso { connection, here: access.connection_here },
    };
    if matches!(method, SessionMethod::Sso { here: false, .. }) {
        return Err(unauthenticated("session_ended", "This sign-in was ended.").because("its connection is not one of this workspace"));
    }
    let on_plan = access.workspace.as_ref().is_some_and(|workspace| workspace.plan >= Plan::Enterprise);
    let required = access.sso_required.filter(|_| on_plan);
    let too_old = required.is_some_and(|required| matches!(door, Door::Sso(_)) && since.is_none_or(|since| since < required.since));
    if session_may_act(required.map(|required| required.connection), method) && !too_old {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::Forbidden, "sso_required", "This workspace requires sign-in through its identity provider.")
        .fix("Sign in through the identity provider.", "the sign-in page", false)
        .because(format_args!("came by {door:?}, too old: {too_old}")))
}

async fn authenticate_service(shell: &Shell, ctx: &Ctx, parts: &Parts) -> Outcome<ServicePrincipal> {
    let token = bearer(parts).ok_or_else(|| unauthenticated("unauthenticated", "This route needs a service's token."))?;
    let name = shell.verifier().service(token, token::WORKSPACES_SCOPE, ctx.now()).await?;
    Ok(ServicePrincipal { name })
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = header(&parts.headers, &AUTHORIZATION)?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthenticated(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, code, detail).fix(
        "Sign in again; if you call the API, get a fresh token.",
        "the sign-in page",
        false,
    )
}

#[cfg(test)]
mod tests;
