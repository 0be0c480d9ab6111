//! What becomes of a grant: connected at once, kept until an organisation is chosen, or parked until its user confirms it.

use coportal_aws::records::oauth::{ACCESS, GrantTerms, OauthState, REFRESH};
use coportal_aws::vault::{Purpose, SealContext};
use coportal_core::connection::{Connection, ConnectionStatus, Organisation};
use coportal_core::ctx::Ctx;
use coportal_core::failure::Failure;
use coportal_core::id::{RunId, UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::oauth::{ConnectError, TokenSet};
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::secret::Secret;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_ledgers::profile::OrganisationChoice as Policy;
use serde::Serialize;

use super::ReturnPath;
use super::callback::{CallbackEnd, unreachable_or_refused};
use super::probe::not_connected;
use super::view::OrganisationView;
use crate::Engine;

/// An organisation that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrganisationChoice {
    /// The organisation.
    #[serde(flatten)]
    pub organisation: OrganisationView,
    /// Whether it is the one in use.
    pub chosen: bool,
    /// Whether another workspace is connected to it: allowed, and both are told.
    pub used_by_another_workspace: bool,
}

/// The organisations that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrganisationsView {
    /// One each. While one is in use it stands alone where another needs a consent of its own ("Connect"), else beside all that the
    /// consent reaches.
    pub items: Vec<OrganisationChoice>,
}

impl Engine {
    /// Asks the ledger what was granted, and connects, offers the choice, or says that there is nothing.
    pub(super) async fn settle_grant(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        user: &UserId,
        ledger: Ledger,
        tokens: TokenSet,
        return_to: ReturnPath,
    ) -> Outcome<CallbackEnd> {
        let organisations = match self.granted(workspace.id, ledger, &tokens).await? {
            Ok(organisations) => organisations,
            Err(failure) => return Ok(CallbackEnd::Failed { return_to, error: unreachable_or_refused(&failure) }),
        };
        match organisations.as_slice() {
            [] => Ok(CallbackEnd::Failed { return_to, error: ConnectError::NoOrganisation }),
            [only] => {
                self.connect_fresh(ctx, workspace, user, ledger, only, &tokens).await?;
                Ok(CallbackEnd::Connected { return_to, organisation: only.name.clone() })
            }
            [first, ..] if self.connectable(ledger)?.0.profile.choice == Policy::FirstAndChangeable => {
                // Coming back is coming back to the same books (R145); else the first as the ledger's folder orders them (R16).
                let present = self.store.connection(workspace.id, ledger).await?.and_then(|connection| connection.value.organisation);
                let same = present.and_then(|present| organisations.iter().find(|organisation| organisation.id == present.id));
                let chosen = same.unwrap_or(first);
                self.connect_fresh(ctx, workspace, user, ledger, chosen, &tokens).await?;
                Ok(CallbackEnd::Connected { return_to, organisation: chosen.name.clone() })
            }
            _ => {
                self.offer(ctx, workspace.id, user, ledger, organisations, &tokens).await?;
                Ok(CallbackEnd::ChooseOrganisation { return_to })
            }
        }
    }

    /// The organisations of this consent. A ledger may list one that was linked before under its first consent (Xero keeps
    /// `authEventId`); then the organisation that this workspace is connected to counts, and no other: the same user may have linked
    /// others for other workspaces.
    async fn granted(&self, workspace: WorkspaceId, ledger: Ledger, tokens: &TokenSet) -> Outcome<Result<Vec<Organisation>, Failure>> {
        let (api, _) = self.connectable(ledger)?;
        let of_consent = match api.sign_in.organisations(&tokens.access_token, tokens.auth_event.as_deref()).await {
            Ok(organisations) => organisations,
            Err(failure) => return Ok(Err(failure)),
        };
        if !of_consent.is_empty() || tokens.auth_event.is_none() {
            return Ok(Ok(of_consent));
        }
        let present = self.store.connection(workspace, ledger).await?.and_then(|connection| connection.value.organisation);
        let Some(present) = present else {
            return Ok(Ok(Vec::new()));
        };
        let all = api.sign_in.organisations(&tokens.access_token, None).await;
        Ok(all.map(|all| all.into_iter().filter(|organisation| organisation.id == present.id).collect()))
    }

    /// Seals a grant that came back in another browser, for whoever began to confirm. The connection is not touched.
    pub(super) async fn park(&self, ctx: &Ctx, state: &Secret, request: &str, sign_in: &OauthState, tokens: &TokenSet) -> Outcome<()> {
        let context = SealContext::sign_in(sign_in.ws, sign_in.ledger, Purpose::ParkedGrant);
        let key = self.vault.data_key(ctx, &context).await?;
        let envelope = self.vault.seal(ctx, &key, 0, &fields(tokens))?;
        let parked = self.store.park_grant(ctx, state.expose(), request, sign_in, &envelope, &GrantTerms::of(tokens)).await?;
        if parked.is_none() {
            return Err(Problem::internal_error("a sign-in was consumed by this request and then by another"));
        }
        let text = format!("A sign-in at {} came back in another browser; it waits for {}.", sign_in.ledger.label(), sign_in.user);
        self.audit(ctx, sign_in.ws, Actor::System, "grant_parked", Some(sign_in.ledger), text).await
    }

    /// Confirms the newest parked grant of this user, in a session of theirs; nobody else can, and nobody twice.
    ///
    /// # Errors
    /// 403 when the plan does not include the ledger (R146); 404 when nothing of theirs waits; 409 while the ledger is not available.
    pub async fn confirm(&self, ctx: &Ctx, workspace: &Workspace, user: &UserId, ledger: Ledger) -> Outcome<CallbackEnd> {
        crate::sync::check_plan(workspace, ledger)?;
        self.connectable(ledger)?;
        let waiting = self.store.parked_grants(ctx, workspace.id, user).await?;
        let newest = waiting.into_iter().find(|grant| grant.state.ledger == ledger).ok_or_else(|| nothing_parked(ledger))?;
        let request = RunId::new(ctx.uuid()).to_string();
        let taken = self.store.take_parked_grant(ctx, workspace.id, user, &newest.reference, &request).await?;
        let taken = taken.ok_or_else(|| nothing_parked(ledger))?;
        let (Some(envelope), Some(terms)) = (&taken.state.grant, &taken.state.grant_terms) else {
            return Err(Problem::internal_error("a parked grant without its tokens"));
        };
        let context = SealContext::sign_in(workspace.id, ledger, Purpose::ParkedGrant);
        let mut opened = self.vault.open(ctx, envelope, &context, 0).await?;
        let tokens = terms.with(&mut opened).ok_or_else(|| Problem::internal_error("a parked grant without an access token"))?;
        let text = format!("Confirmed the sign-in at {} that came back in another browser.", ledger.label());
        self.audit(ctx, workspace.id, Actor::User(user.clone()), "grant_confirmed", Some(ledger), text).await?;
        let return_to = ReturnPath::stored(taken.state.return_path.as_deref());
        self.settle_grant(ctx, workspace, user, ledger, tokens, return_to).await
    }

    /// The organisations to choose from: those of a consent that waits for the choice; all that the consent reaches, where another can be
    /// chosen without a new one (R17); else the one in use.
    ///
    /// # Errors
    /// 409 when the ledger is not connected; the ledger's own failure when it must be asked and does not answer.
    pub async fn organisations(&self, ctx: &Ctx, workspace: &Workspace, ledger: Ledger) -> Outcome<OrganisationsView> {
        let connection = self.known_connection(workspace.id, ledger).await?.value;
        let in_use = connection.organisation.as_ref().map(|organisation| organisation.id.clone());
        let (organisations, chosen) = match connection.status {
            ConnectionStatus::Connected if self.connectable(ledger)?.0.profile.choice.is_changeable() => {
                (self.reachable(ctx, workspace, &connection).await?, true)
            }
            ConnectionStatus::ChooseOrganisation => {
                let granted = self.store.granted(workspace.id, ledger, connection.grant).await?;
                (granted.map(|granted| granted.organisations).unwrap_or_default(), false)
            }
            ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired => (connection.organisation.into_iter().collect(), true),
            ConnectionStatus::Disconnected => return Err(not_connected(ledger)),
        };
        let mut items = Vec::with_capacity(organisations.len());
        for organisation in &organisations {
            let used_by_another_workspace = self.is_shared(ledger, &organisation.id, workspace.id).await?;
            let chosen = chosen && in_use.as_ref() == Some(&organisation.id);
            items.push(OrganisationChoice { organisation: OrganisationView::from(organisation), chosen, used_by_another_workspace });
        }
        Ok(OrganisationsView { items })
    }

    /// What the connection's own token reaches now.
    async fn reachable(&self, ctx: &Ctx, workspace: &Workspace, connection: &Connection) -> Outcome<Vec<Organisation>> {
        let ledger = connection.ledger;
        let (api, _) = self.connectable(ledger)?;
        let token = self.access_token(ctx, workspace.id, connection, None).await.map_err(|problem| problem.problem(ledger))?;
        api.sign_in.organisations(token.secret(), None).await.map_err(|failure| failure.problem())
    }

    /// Chooses one of the organisations granted: its own generation of links and choices (R145), tokens sealed anew for it, and the
    /// links to the others cut. Choosing the one in use again changes nothing.
    ///
    /// # Errors
    /// 403 when the plan does not include the ledger (R146); 409 when nothing is to be chosen; 422 for an organisation that was not
    /// granted.
    pub async fn choose_organisation(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        user: &UserId,
        ledger: Ledger,
        organisation_id: &str,
    ) -> Outcome<()> {
        crate::sync::check_plan(workspace, ledger)?;
        let connection = self.known_connection(workspace.id, ledger).await?;
        let in_use = connection.value.organisation.as_ref().is_some_and(|organisation| organisation.id == organisation_id);
        match connection.value.status {
            ConnectionStatus::Connected if in_use => return Ok(()),
            ConnectionStatus::ChooseOrganisation => {}
            ConnectionStatus::Connected if self.connectable(ledger)?.0.profile.choice.is_changeable() => {
                let reachable = self.reachable(ctx, workspace, &connection.value).await?;
                let chosen = reachable.iter().find(|organisation| organisation.id == organisation_id).ok_or_else(not_granted)?;
                return self.connect_other(ctx, workspace, user, connection, chosen).await;
            }
            ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired => return Err(needs_consent(ledger)),
            ConnectionStatus::Disconnected => return Err(not_connected(ledger)),
        }
        let granted = self.store.granted(workspace.id, ledger, connection.value.grant).await?;
        let granted = granted.ok_or_else(|| super::moved(ledger))?;
        let chosen = granted.organisations.iter().find(|organisation| organisation.id == organisation_id).ok_or_else(not_granted)?;
        self.connect_pending(ctx, workspace, user, connection, chosen, &granted).await
    }
}

/// The secrets of a token set, by the names of their fields.
pub(super) fn fields(tokens: &TokenSet) -> Vec<(&'static str, &Secret)> {
    let refresh = tokens.refresh_token.as_ref().map(|token| (REFRESH, token));
    std::iter::once((ACCESS, &tokens.access_token)).chain(refresh).collect()
}

fn not_granted() -> Problem {
    Problem::invalid(vec![Issue::new("/organisation_id", "not_granted", "The consent did not include this organisation.")])
}

fn nothing_parked(ledger: Ledger) -> Problem {
    Problem::new(ProblemKind::NotFound, "nothing_to_confirm", format!("No sign-in at {} waits for your confirmation.", ledger.label())).fix(
        format!("Connect {} again, and finish in the browser you began in.", ledger.label()),
        "Settings -> Integrations",
        false,
    )
}

fn needs_consent(ledger: Ledger) -> Problem {
    Problem::new(ProblemKind::Conflict, "consent_needed", format!("Another {} organisation needs a consent of its own.", ledger.label()))
        .fix(format!("Connect {} again and pick the organisation there.", ledger.label()), "Settings -> Integrations", false)
}
