//! One line for each decision: which connection, whose (as a hash), and why. No token, no assertion, no address.

use coportal_aws::records::sign_in::connections::Failure;
use coportal_core::ctx::Ctx;
use coportal_core::id::{SsoConnectionId, WorkspaceId};
use coportal_core::problem::Outcome;
use coportal_core::timeline::Actor;
use coportal_identity::{Identity, Reason, Refusal};

use crate::SignIn;

/// The beginning of an identity's hash: enough to tell one person's lines from another's.
pub(crate) fn subject(identity: &Identity) -> String {
    identity.key().chars().take(16).collect()
}

impl SignIn {
    /// Writes a line of the audit list.
    pub(crate) async fn audit(&self, ctx: &Ctx, ws: WorkspaceId, actor: Actor, action: &str, text: String) -> Outcome<()> {
        self.keeper().audit(ctx, ws, actor, action, text).await
    }

    /// Writes a decision.
    pub(crate) async fn decided(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        connection: SsoConnectionId,
        actor: Actor,
        reason: Reason,
        subject: Option<&str>,
    ) -> Outcome<()> {
        let whose = subject.map_or_else(String::new, |subject| format!(", subject {subject}"));
        let text = format!("{} Connection {connection}{whose}.", reason.sentence());
        self.audit(ctx, ws, actor, &format!("sso_{reason}"), text).await
    }

    /// Writes a refusal, and puts it where the admin who looks at the connection reads what to do.
    pub(crate) async fn refused(&self, ctx: &Ctx, ws: WorkspaceId, connection: SsoConnectionId, refusal: &Refusal) -> Outcome<()> {
        let reason = refusal.reason;
        let detail = refusal.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        let text = format!("{}{detail} Connection {connection}. {}", reason.sentence(), reason.fix().what);
        self.audit(ctx, ws, Actor::System, &format!("sso_{reason}"), text).await?;
        let failure = Failure { at: ctx.now(), reason: reason.code().to_owned(), detail: refusal.detail.clone() };
        Ok(self.store().note_sso_failure(ctx, connection, &failure).await?)
    }
}
