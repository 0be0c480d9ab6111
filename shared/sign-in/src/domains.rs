//! Domains: asked for, proved by a TXT record, looked at again (C23).

use coportal_aws::records::sign_in::connections::Saved;
use coportal_aws::records::sign_in::domains::{AskedDomain, Claim, OwnedDomain};
use coportal_core::ctx::Ctx;
use coportal_core::id::{DomainId, SsoConnectionId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_identity::domain::{Challenge, Domain, Observation, ProofState, observe};
use serde::Deserialize;

use crate::SignIn;
use crate::problems::{conflict, on_plan, saved, wrong};
use crate::settings::{document, from_document};
use crate::views::DomainView;

/// Most domains of one workspace.
const MOST: usize = 50;

/// A domain to ask for.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AskDomain {
    /// The domain, as somebody typed it.
    pub domain: String,
    /// The connection that it shall lead to; the workspace's oldest live one where absent.
    #[serde(default)]
    pub connection_id: Option<SsoConnectionId>,
}

fn taken() -> Problem {
    conflict(
        "domain_taken",
        "Another workspace has proved this domain, and its proof stands.",
        "Remove the domain from the other workspace, or ask CoPortal support if you do not know it.",
    )
}

/// Whether somebody else's proof of a domain stands.
fn held_by_another(owner: Option<&OwnedDomain>, ws: WorkspaceId, ctx: &Ctx) -> Outcome<bool> {
    let Some(other) = owner.filter(|owner| owner.ws != ws) else {
        return Ok(false);
    };
    Ok(from_document::<ProofState>(&other.proof)?.standing(ctx.now()).is_good())
}

impl SignIn {
    /// The workspace's domains.
    ///
    /// # Errors
    /// 403 `plan_required`.
    pub async fn domains(&self, ctx: &Ctx, workspace: &Workspace) -> Outcome<Vec<DomainView>> {
        on_plan(workspace)?;
        let directory = self.store().sso_directory(workspace.id).await?;
        let claims = self.store().domain_claims(ctx, workspace.id, &directory.value).await?;
        claims.iter().map(|claim| DomainView::of(ctx, workspace.id, claim)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// 404.
    pub async fn domain(&self, ctx: &Ctx, workspace: &Workspace, id: DomainId) -> Outcome<DomainView> {
        on_plan(workspace)?;
        DomainView::of(ctx, workspace.id, &self.claim(ctx, workspace.id, id).await?)
    }

    async fn claim(&self, ctx: &Ctx, ws: WorkspaceId, id: DomainId) -> Outcome<Claim> {
        let directory = self.store().sso_directory(ws).await?;
        let claims = self.store().domain_claims(ctx, ws, &directory.value).await?;
        claims.into_iter().find(|claim| claim.listed.id == id).ok_or_else(|| Problem::not_found("domain"))
    }

    /// Asks for a domain. Asking again for one that waits gives the same record to set.
    ///
    /// # Errors
    /// 422 for what nobody may claim; 409 `domain_taken` while another workspace's proof stands.
    pub async fn ask_domain(&self, ctx: &Ctx, workspace: &Workspace, actor: Actor, request: &AskDomain) -> Outcome<DomainView> {
        on_plan(workspace)?;
        let ws = workspace.id;
        let domain = Domain::parse(request.domain.trim())
            .and_then(|domain| domain.claimable(&self.settings().own_domains).map(|()| domain))
            .map_err(|error| wrong("/domain", error.code(), format!("This domain cannot be claimed: {error}.")))?;
        let directory = self.store().sso_directory(ws).await?;
        if request.connection_id.is_some_and(|id| !directory.value.connections.contains(&id)) {
            return Err(wrong("/connection_id", "unknown", "This workspace has no such SSO connection."));
        }
        let claims = self.store().domain_claims(ctx, ws, &directory.value).await?;
        let before = claims.iter().find(|claim| claim.listed.domain == domain.as_str());
        if let Some(claim) = before
            && (claim.asked.is_some() || claim.owner.as_ref().is_some_and(|owner| owner.value.ws == ws))
        {
            return DomainView::of(ctx, ws, claim);
        }
        let owner = self.store().domain_owner(domain.as_str()).await?;
        if held_by_another(owner.as_ref().map(|owner| &owner.value), ws, ctx)? {
            return Err(taken());
        }
        if before.is_none() && directory.value.domains.len() >= MOST {
            return Err(conflict("too_many_domains", format!("A workspace has at most {MOST} domains."), "Remove one that is not used."));
        }
        let challenge = Challenge::new(ctx, domain);
        let asked = AskedDomain {
            id: DomainId::new(ctx.uuid()),
            ws,
            domain: challenge.domain.to_string(),
            connection: request.connection_id,
            value: challenge.value,
            asked_at: ctx.now(),
            checked_at: None,
        };
        saved(self.store().ask_domain(ctx, &asked, &directory).await?)?;
        self.audit(ctx, ws, actor, "sso_domain_asked", format!("The domain {} was asked for.", asked.domain)).await?;
        DomainView::of(ctx, ws, &self.claim(ctx, ws, asked.id).await?)
    }

    /// Looks for the record. "Not yet" is an answer, not an error.
    ///
    /// # Errors
    /// 404; 409 `domain_taken` when another workspace was first and its proof stands.
    pub async fn verify_domain(&self, ctx: &Ctx, workspace: &Workspace, actor: Actor, id: DomainId) -> Outcome<DomainView> {
        on_plan(workspace)?;
        let ws = workspace.id;
        let claim = self.claim(ctx, ws, id).await?;
        if let Some(owner) = claim.owner.as_ref().filter(|owner| owner.value.ws == ws) {
            self.keeper().look_again(ctx, owner.rev, &owner.value).await?;
            return DomainView::of(ctx, ws, &self.claim(ctx, ws, id).await?);
        }
        let Some(asked) = &claim.asked else {
            return Err(conflict(
                "domain_request_expired",
                "The request for this domain has waited for more than 30 days.",
                "Ask for the domain again, and set the new record.",
            ));
        };
        let domain = Domain::parse(&asked.domain).map_err(Problem::internal_error)?;
        let challenge = Challenge { domain, value: asked.value.clone() };
        let (observation, error) = observe(&*self.outside().dns, &challenge).await;
        if let Some(error) = error {
            tracing::info!(%error, "a domain's record could not be looked for");
        }
        if observation != Observation::Present {
            self.store().note_domain_look(ctx, asked).await?;
            return DomainView::of(ctx, ws, &self.claim(ctx, ws, id).await?);
        }
        let before = self.store().domain_owner(&asked.domain).await?;
        if held_by_another(before.as_ref().map(|owner| &owner.value), ws, ctx)? {
            return Err(taken());
        }
        let proof = ProofState::proven(ctx.now());
        let owner = OwnedDomain {
            id,
            ws,
            domain: asked.domain.clone(),
            connection: asked.connection,
            value: asked.value.clone(),
            proof: document(&proof)?,
            proven_at: ctx.now(),
            due_at: proof.due_at(),
        };
        match self.store().own_domain(ctx, before.map_or(0, |before| before.rev), &owner).await? {
            Saved::Done => {}
            // Somebody has proved it between our look and our write.
            Saved::Stale => return Err(taken()),
        }
        self.audit(ctx, ws, actor, "sso_domain_verified", format!("The domain {} was proved.", owner.domain)).await?;
        DomainView::of(ctx, ws, &self.claim(ctx, ws, id).await?)
    }

    /// Gives a domain up.
    ///
    /// # Errors
    /// 404.
    pub async fn release_domain(&self, ctx: &Ctx, workspace: &Workspace, actor: Actor, id: DomainId) -> Outcome<()> {
        let ws = workspace.id;
        let directory = self.store().sso_directory(ws).await?;
        let claims = self.store().domain_claims(ctx, ws, &directory.value).await?;
        let claim = claims.iter().find(|claim| claim.listed.id == id).ok_or_else(|| Problem::not_found("domain"))?;
        saved(self.store().release_domain(ctx, ws, claim, &directory).await?)?;
        self.audit(ctx, ws, actor, "sso_domain_released", format!("The domain {} was given up.", claim.listed.domain)).await
    }
}
