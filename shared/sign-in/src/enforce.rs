//! How strict a workspace is: off, offered, required (C24).

use coportal_aws::records::sign_in::connections::{Passed, SsoConnection};
use coportal_core::ctx::Ctx;
use coportal_core::door::{Enforcement, SsoRequired};
use coportal_core::id::SsoConnectionId;
use coportal_core::id::UserId;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::timeline::Actor;
use coportal_core::workspace::{Role, Workspace};
use coportal_identity::Reason;
use coportal_identity::routing::{TestRun, may_require};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SignIn;
use crate::break_glass::IssuedCodes;
use crate::problems::{conflict, on_plan, saved};
use crate::views::ConnectionView;

/// What is wanted of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = WantedEnforcement))]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It lets nobody in.
    Off,
    /// Its domains' addresses are sent there; other ways still open the workspace.
    Offer,
    /// No other way opens the workspace but a break-glass code.
    Require,
}

/// `POST /v1/sso/connections/{id}/enforce`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EnforceRequest {
    /// How strict.
    pub enforcement: Wanted,
    /// With `require`, when no owner holds unused break-glass codes: the address by which the owner who asks will use theirs.
    #[serde(default)]
    pub break_glass_email: Option<String>,
}

/// What was switched.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Enforced {
    /// The connection as it stands then.
    #[serde(flatten)]
    pub connection: ConnectionView,
    /// Codes that were issued with it, shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<IssuedCodes>,
}

/// When what a test has shown last changed: provider, tenant, keys, or the domains.
fn changed_at(connection: &SsoConnection, domains: impl Iterator<Item = Timestamp>) -> Timestamp {
    domains.fold(connection.changed_at, Timestamp::max)
}

fn refused(reason: Reason) -> Problem {
    let fix = reason.fix();
    Problem::new(ProblemKind::Conflict, reason.code(), reason.sentence()).fix(fix.what, fix.place, false)
}

impl SignIn {
    /// Switches a connection off, on, or makes it the only way in. On and required need a test that passed since anything changed;
    /// required, one by the same admin, and an owner who holds a break-glass code.
    ///
    /// # Errors
    /// 404; 409 `test_missing`, `break_glass_missing`, `sso_required` when another connection is the required one.
    pub async fn enforce(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: &UserId,
        role: Role,
        id: SsoConnectionId,
        request: &EnforceRequest,
    ) -> Outcome<Enforced> {
        on_plan(workspace)?;
        let ws = workspace.id;
        let found = self.own(ws, id).await?;
        let mut connection = found.value;
        let required = self.store().sso_required(ws).await?;
        if required.is_some_and(|required| required.connection != id) && request.enforcement == Wanted::Require {
            return Err(conflict(
                "sso_required",
                "This workspace requires sign-in by another connection.",
                "Change the enforcement of the other connection to offer first.",
            ));
        }
        let mut issued = None;
        if request.enforcement != Wanted::Off {
            let directory = self.store().sso_directory(ws).await?;
            let claims = self.store().domain_claims(ctx, ws, &directory.value).await?;
            let owned = claims.iter().filter_map(|claim| claim.owner.as_ref()).filter(|owner| owner.value.ws == ws);
            let changed_at = changed_at(&connection, owned.map(|owner| owner.value.proven_at));
            tested_since(by, &connection, changed_at, request.enforcement)?;
            if request.enforcement == Wanted::Require {
                issued = self.codes_for(ctx, workspace, by, role, request.break_glass_email.as_deref()).await?;
                let test = connection.passed.as_ref().map(|Passed { by, at }| TestRun { connection: id, by: by.clone(), at: *at });
                let codes = self.codes_left(ws).await?;
                may_require(id, by, changed_at, test.as_ref(), codes).map_err(|refusal| refused(refusal.reason))?;
            }
        }
        connection.enforcement = match request.enforcement {
            Wanted::Off => None,
            Wanted::Offer => Some(Enforcement::Offer),
            Wanted::Require => Some(Enforcement::Require),
        };
        let required = match request.enforcement {
            // Asked for again, it began when it began: nobody is signed out a second time.
            Wanted::Require => Some(required.unwrap_or(SsoRequired { connection: id, since: ctx.now() })),
            Wanted::Off | Wanted::Offer => required.filter(|required| required.connection != id),
        };
        saved(self.store().enforce_sso(ctx, found.rev, &connection, required).await?)?;
        let text = format!(
            "Sign-in by this connection is {}. Connection {id}.",
            match request.enforcement {
                Wanted::Off => "switched off",
                Wanted::Offer => "offered",
                Wanted::Require => "required: every other sign-in has ended",
            }
        );
        self.audit(ctx, ws, Actor::User(by.clone()), "sso_enforcement_changed", text).await?;
        Ok(Enforced { connection: self.view(ctx, &*self.oidc(ctx).await?, &connection)?, break_glass: issued })
    }
}

/// Nothing goes live that nobody has tried since it last changed.
fn tested_since(by: &UserId, connection: &SsoConnection, changed_at: Timestamp, wanted: Wanted) -> Outcome<()> {
    let passed = connection.passed.as_ref().filter(|passed| passed.at >= changed_at);
    let enough = match wanted {
        Wanted::Off => true,
        Wanted::Offer => passed.is_some(),
        Wanted::Require => passed.is_some_and(|passed| passed.by == *by),
    };
    if enough { Ok(()) } else { Err(refused(Reason::TestMissing)) }
}
