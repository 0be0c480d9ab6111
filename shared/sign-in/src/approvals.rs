//! Sign-ins that wait for an admin: somebody brought a known address, and it is not certain that they are who it belongs to.

use coportal_aws::records::sign_in::approvals::{Approval, WaitingSignIn};
use coportal_aws::records::sign_in::connections::Saved;
use coportal_aws::records::sign_in::people::WhoIs;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ApprovalId, SsoConnectionId, UserId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::text::digest;
use coportal_core::timeline::Actor;
use coportal_core::workspace::{Role, Workspace};
use coportal_identity::linking::{Membership, decide};
use coportal_identity::{Identity, Reason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SignIn;
use crate::account::{known, membership};
use crate::problems::{SETTINGS_PAGE, changed_meanwhile, on_plan};
use crate::views::reason_of;

/// What an admin says to a sign-in that waits.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalAnswer {
    /// Whether it is the same person.
    pub accept: bool,
}

/// A sign-in that waits, as an admin reads it. No `Debug`: it holds personal data.
#[derive(Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalView {
    /// Its id.
    pub id: ApprovalId,
    /// The connection.
    pub connection_id: SsoConnectionId,
    /// The user whose address it brought.
    pub user_id: UserId,
    /// The address.
    pub email: String,
    /// How the provider names the person.
    pub name: Option<String>,
    /// Why it waits, in a code.
    pub reason: String,
    /// Why it waits, in a sentence.
    pub sentence: Option<&'static str>,
    /// When the person last tried.
    pub at: Timestamp,
    /// When it is forgotten.
    pub ends_at: Timestamp,
}

impl From<WaitingSignIn> for ApprovalView {
    fn from(waiting: WaitingSignIn) -> Self {
        Self {
            id: waiting.id,
            connection_id: waiting.connection,
            ends_at: waiting.ends_at(),
            sentence: reason_of(&waiting.reason).map(Reason::sentence),
            user_id: waiting.user,
            email: waiting.email,
            name: waiting.name,
            reason: waiting.reason,
            at: waiting.at,
        }
    }
}

/// An answer as it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ApprovalAnswered))]
pub struct Answered {
    /// Whether the identity is the user's from now on.
    pub approved: bool,
}

/// One id for one identity at one connection.
fn id_of(connection: SsoConnectionId, identity: &str) -> Outcome<ApprovalId> {
    let hash = digest([connection.to_string().as_bytes(), identity.as_bytes()]);
    let short: String = hash.chars().take(32).collect();
    format!("{}_{short}", ApprovalId::PREFIX).parse().map_err(Problem::internal_error)
}

impl SignIn {
    /// Lets a sign-in wait for an admin, where an admin can help.
    pub(crate) async fn wait_for_approval(
        &self,
        ctx: &Ctx,
        (ws, connection): (WorkspaceId, SsoConnectionId),
        identity: &Identity,
        who: &WhoIs,
        reason: Reason,
    ) -> Outcome<()> {
        let (Reason::SubjectChanged | Reason::AddressUnconfirmed, Some(holder)) = (reason, &who.address) else {
            return Ok(());
        };
        let key = identity.key();
        let waiting = WaitingSignIn {
            id: id_of(connection, &key)?,
            ws,
            connection,
            identity: key,
            user: holder.user.clone(),
            reason: reason.code().to_owned(),
            email: identity.email.to_string(),
            name: identity.name.clone(),
            at: ctx.now(),
        };
        Ok(self.store().put_waiting_sign_in(ctx, &waiting).await?)
    }

    /// The workspace's sign-ins that wait.
    ///
    /// # Errors
    /// 403 `plan_required`.
    pub async fn approvals(&self, ctx: &Ctx, workspace: &Workspace) -> Outcome<Vec<ApprovalView>> {
        on_plan(workspace)?;
        let waiting = self.store().waiting_sign_ins(ctx, workspace.id).await?;
        Ok(waiting.into_iter().map(ApprovalView::from).collect())
    }

    /// Says yes or no to one. Yes ties the identity to the user, in the place of the one that they had at this connection; what the
    /// refusal rested on is looked at again first.
    ///
    /// # Errors
    /// 404; 403 `role_required` when it is an owner's account and the answer is not an owner's; 409 `changed_meanwhile`, or the reason
    /// for which the sign-in would be refused by now.
    pub async fn answer_approval(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        (by, role): (&UserId, Role),
        id: ApprovalId,
        answer: ApprovalAnswer,
    ) -> Outcome<Answered> {
        on_plan(workspace)?;
        let ws = workspace.id;
        let waiting = self.store().waiting_sign_in(ctx, ws, id).await?.ok_or_else(|| Problem::not_found("sign-in that waits"))?;
        let connection = waiting.connection;
        let whose = format!("Connection {connection}, user {}, subject {:.16}.", waiting.user, waiting.identity);
        let actor = Actor::User(by.clone());
        if !answer.accept {
            if self.store().drop_waiting_sign_in(ctx, ws, id).await? == Saved::Stale {
                return Err(changed_meanwhile());
            }
            let text = format!("A sign-in by another account was turned down. {whose}");
            self.audit(ctx, ws, actor, "sso_sign_in_rejected", text).await?;
            return Ok(Answered { approved: false });
        }
        self.own(ws, connection).await?;
        let proof = self.proof_of_address(ctx, ws, &waiting.email).await?;
        let who = self.store().who_is(ctx, ws, connection, &waiting.identity, &waiting.email).await?;
        let holder = who.address.as_ref().filter(|holder| holder.user == waiting.user && who.identity.is_none());
        if holder.is_none() {
            return Err(changed_meanwhile());
        }
        // An admin does not hand an owner's account to somebody.
        if who.address_member.as_ref().is_some_and(|member| member.role == Role::Owner) && role != Role::Owner {
            let problem = Problem::new(ProblemKind::Forbidden, "role_required", "The address is an owner's: an owner answers this.");
            return Err(problem.fix("Ask an owner of the workspace.", SETTINGS_PAGE, false));
        }
        match decide(&known(&who, proof)) {
            Err(refusal) if matches!(refusal.reason, Reason::SubjectChanged | Reason::AddressUnconfirmed) => {}
            Err(refusal) => {
                let fix = refusal.reason.fix();
                let problem = Problem::new(ProblemKind::Conflict, refusal.reason.code(), refusal.reason.sentence());
                return Err(problem.fix(fix.what, fix.place, false));
            }
            // The address was confirmed meanwhile: the person signs in without anybody's help.
            Ok(_) => return Err(changed_meanwhile()),
        }
        let instead_of = self.store().identity_at(&waiting.user, connection).await?;
        let join = membership(who.address_member.as_ref()) == Membership::None;
        let approval = Approval { waiting: &waiting, instead_of: instead_of.as_deref(), join };
        if self.store().approve_sign_in(ctx, &approval).await? == Saved::Stale {
            return Err(changed_meanwhile());
        }
        let text = format!("A sign-in by another account was approved: it is the user's from now on. {whose}");
        self.audit(ctx, ws, actor, "sso_sign_in_approved", text).await?;
        Ok(Answered { approved: true })
    }
}
