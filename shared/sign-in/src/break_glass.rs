//! The named owner's way in.

use coportal_aws::records::sign_in::break_glass::BreakGlassCode;
use coportal_aws::records::sign_in::limits::Rate;
use coportal_aws::records::sign_in::people::Person;
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::timeline::Actor;
use coportal_core::workspace::{Role, Workspace};
use coportal_identity::Reason;
use coportal_identity::break_glass::{StoredCode, find, issue};
use coportal_identity::domain::Email;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::SignIn;
use crate::problems::{on_plan, saved, wrong};

/// How often one network may try a code: every half minute, and ten at once.
const PER_NETWORK: Rate = Rate { every: SignedDuration::from_secs(30), burst: 10 };
/// How often codes of one address may be tried, wherever from.
const PER_ADDRESS: Rate = Rate { every: SignedDuration::from_secs(60), burst: 10 };

/// A fresh set of codes, on its way to the owner's eyes.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssuedCodes {
    /// The owner who may use them.
    pub owner: UserId,
    /// The address by which they sign in with one.
    pub email: String,
    /// The codes. Each works once; they are not shown again.
    pub codes: Vec<String>,
    /// When they were issued.
    pub issued_at: Timestamp,
}

/// Without the codes.
impl std::fmt::Debug for IssuedCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedCodes").field("owner", &self.owner).field("issued_at", &self.issued_at).finish_non_exhaustive()
    }
}

/// Somebody who was let in by a code.
#[derive(Debug, PartialEq, Eq)]
pub struct BreakGlassEntry {
    /// Who.
    pub user: UserId,
    /// Where.
    pub workspace: WorkspaceId,
}

/// One answer for every code that does not count.
fn not_right() -> Problem {
    let reason = Reason::BreakGlassUnknown;
    let fix = reason.fix();
    Problem::new(ProblemKind::Unauthenticated, reason.code(), "The address or the code is not right.").fix(fix.what, fix.place, false)
}

impl SignIn {
    /// Issues a fresh set for an owner; older ones end. `email` is needed while CoPortal knows no address of theirs.
    ///
    /// # Errors
    /// 403 `role_required` for anybody but an owner; 422 without a usable address.
    pub async fn issue_codes(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        owner: &UserId,
        role: Role,
        email: Option<&str>,
    ) -> Outcome<IssuedCodes> {
        on_plan(workspace)?;
        if role < Role::Owner {
            return Err(Problem::new(ProblemKind::Forbidden, "role_required", "Break-glass codes are issued to an owner, by that owner.")
                .fix("Ask an owner of the workspace to do it.", "Settings -> Members", false));
        }
        let mut person = self.store().profile(owner).await?;
        let typed = email.map(Email::parse).transpose().map_err(|_| wrong("/email", "email", "This is not an e-mail address."))?;
        let email = match (typed.map(|email| email.to_string()), &person.email) {
            (Some(typed), known) if known.as_ref() != Some(&typed) => {
                person = Person { email: Some(typed.clone()), ..person };
                if !self.store().put_profile(ctx, owner, &person, false).await? {
                    return Err(wrong("/email", "taken", "This address belongs to another user."));
                }
                typed
            }
            (_, Some(known)) => known.clone(),
            (Some(typed), None) => typed,
            (None, None) => return Err(wrong("/email", "required", "Name the address by which the owner will use the codes.")),
        };
        let issued = issue(ctx, owner);
        let stored: Vec<BreakGlassCode> = issued
            .iter()
            .map(|code| BreakGlassCode {
                number: code.number,
                ws: workspace.id,
                hash: code.hash.clone(),
                issued_at: ctx.now(),
                used_at: None,
            })
            .collect();
        saved(self.store().put_break_glass(ctx, owner, &stored).await?)?;
        let text = format!("{} break-glass codes were issued; older ones have ended.", stored.len());
        self.audit(ctx, workspace.id, Actor::User(owner.clone()), "sso_break_glass_issued", text).await?;
        Ok(IssuedCodes {
            owner: owner.clone(),
            email,
            codes: issued.iter().map(|code| code.code.expose().to_owned()).collect(),
            issued_at: ctx.now(),
        })
    }

    /// Codes for an owner who makes sign-in required while nobody holds any.
    pub(crate) async fn codes_for(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: &UserId,
        role: Role,
        email: Option<&str>,
    ) -> Outcome<Option<IssuedCodes>> {
        if role < Role::Owner || self.codes_left(workspace.id).await? > 0 {
            return Ok(None);
        }
        if email.is_none() && self.store().profile(by).await?.email.is_none() {
            return Err(wrong(
                "/break_glass_email",
                "required",
                "No owner holds a break-glass code yet: name the address by which you will use yours.",
            ));
        }
        self.issue_codes(ctx, workspace, by, role, email).await.map(Some)
    }

    /// Unused codes that owners of a workspace hold.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn codes_left(&self, ws: WorkspaceId) -> Outcome<usize> {
        let mut left = 0;
        for member in self.store().members(ws).await? {
            if member.active && member.role == Role::Owner {
                let codes = self.store().break_glass_codes(&member.user).await?;
                left += codes.iter().filter(|code| code.ws == ws && code.used_at.is_none()).count();
            }
        }
        Ok(left)
    }

    /// `POST /v1/sso/break-glass`: a code opens its owner's workspace, once.
    ///
    /// # Errors
    /// 401 for every code that does not count, whatever the reason; 429 when network or address try too often.
    pub async fn break_glass(&self, ctx: &Ctx, network: &str, email: &str, typed: &str) -> Outcome<BreakGlassEntry> {
        self.take(ctx, "break-glass", network, PER_NETWORK).await?;
        let email = Email::parse(email).map_err(|_| not_right())?.to_string();
        self.take(ctx, "break-glass-address", &coportal_core::text::fingerprint(&email), PER_ADDRESS).await?;
        let address = self.store().address(&email).await?.ok_or_else(not_right)?;
        let user = address.user;
        let codes = self.store().break_glass_codes(&user).await?;
        let stored: Vec<StoredCode> =
            codes.iter().map(|code| StoredCode { number: code.number, hash: code.hash.clone(), used: code.used_at.is_some() }).collect();
        let ws = codes.first().map(|code| code.ws);
        let found = match find(&user, typed, &stored) {
            Ok(number) => codes.iter().find(|code| code.number == number),
            Err(reason) => {
                if let Some(ws) = ws {
                    let text = format!("{} Nobody was let in.", reason.sentence());
                    self.audit(ctx, ws, Actor::User(user), &format!("sso_{reason}"), text).await?;
                }
                return Err(not_right());
            }
        };
        let code = found.ok_or_else(not_right)?;
        // The owner must be one still: codes of somebody who was made a member, or was removed, open nothing.
        let members = self.store().members(code.ws).await?;
        if !members.iter().any(|member| member.user == user && member.active && member.role == Role::Owner) {
            return Err(not_right());
        }
        if !self.store().use_break_glass(ctx, &user, code).await? {
            return Err(not_right());
        }
        tracing::warn!(workspace = %code.ws, number = code.number, "a break-glass code was used");
        let text = format!(
            "{} Code {} of the set of {:.0}. {}",
            Reason::BreakGlassUsed.sentence(),
            code.number,
            code.issued_at,
            Reason::BreakGlassUsed.fix().what
        );
        self.audit(ctx, code.ws, Actor::User(user.clone()), "sso_break_glass_used", text).await?;
        Ok(BreakGlassEntry { user, workspace: code.ws })
    }
}
