//! Taking a connection apart: the vendor's link, the tokens, the waiting work.

use coportal_aws::records::connections::{Connected, Links};
use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_aws::store::Versioned;
use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::ctx::Ctx;
use coportal_core::id::{EventId, UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::{Actor, TimelineEvent};
use coportal_core::workspace::Workspace;
use coportal_ledgers::Held;
use serde::{Deserialize, Serialize};

use super::moved;
use crate::Engine;

/// How often a row, or the connection, is read again when somebody else changed it.
const TRIES: u32 = 4;

/// Why the vendor's own link was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// Another workspace is connected to the same organisation through it.
    UsedByAnotherWorkspace,
    /// The vendor could not be reached, or no token was left to ask with.
    Unreachable,
    /// There was no link: no organisation had been chosen, or it was disconnected before.
    NothingToRemove,
}

impl RevokeReason {
    /// The code in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UsedByAnotherWorkspace => "used_by_another_workspace",
            Self::Unreachable => "unreachable",
            Self::NothingToRemove => "nothing_to_remove",
        }
    }
}

/// What a disconnect did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DisconnectReceipt {
    /// Whether the vendor's link between CoPortal and the organisation is gone.
    pub revoked: bool,
    /// Why not.
    pub reason: Option<RevokeReason>,
    /// Whether no token of the connection is left in CoPortal.
    pub tokens_erased: bool,
    /// Waiting invoices that were stopped.
    pub stopped: u64,
    /// Invoices whose last write has no known outcome: they are settled before they can be stopped.
    pub unsettled: u64,
}

impl Engine {
    /// Disconnects, in an order that a repeat can finish from any point (K21): the vendor's link first, while there is a token to ask
    /// with; then connection, tokens, number and use in one transaction; then the waiting rows. Tokens are erased even when the vendor
    /// cannot be reached. The vendor's own revocation is never called: at Xero it would take the user's links for other workspaces along.
    ///
    /// # Errors
    /// 409 when the ledger was never connected, or somebody keeps changing the connection.
    pub async fn disconnect(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        user: &UserId,
        ledger: Ledger,
        links: Links,
    ) -> Outcome<DisconnectReceipt> {
        let mut before = self.known_connection(workspace.id, ledger).await?;
        let reason = self.revoke(ctx, workspace, &before.value).await?;
        let mut tries = 0;
        loop {
            match self.store.disconnect(ctx, workspace.id, &before, links).await? {
                Connected::Done { .. } => break,
                Connected::Moved if tries < TRIES => {
                    tries += 1;
                    before = self.known_connection(workspace.id, ledger).await?;
                }
                Connected::Moved => return Err(moved(ledger)),
            }
        }
        if let Some(left) = &before.value.organisation {
            self.tell_sharing(ctx, ledger, &left.id).await;
        }
        let (stopped, unsettled) = self.stop_rows(ctx, workspace, user, ledger).await?;
        let receipt = DisconnectReceipt { revoked: reason.is_none(), reason, tokens_erased: true, stopped, unsettled };
        let name = before.value.organisation.as_ref().map_or("no organisation", |organisation| organisation.name.as_str());
        let at_vendor = receipt.reason.map_or("removed", RevokeReason::code);
        let kept = if links == Links::Keep { "kept" } else { "erased" };
        let text = format!("{name}: link at the vendor {at_vendor}, tokens erased, links {kept}, {stopped} stopped.");
        self.audit(ctx, workspace.id, Actor::User(user.clone()), "disconnected", Some(ledger), text).await?;
        Ok(receipt)
    }

    /// Removes the vendor's links that nobody else uses; `None` when they are gone, else why not.
    async fn revoke(&self, ctx: &Ctx, workspace: &Workspace, connection: &Connection) -> Outcome<Option<RevokeReason>> {
        let ledger = connection.ledger;
        if connection.status == ConnectionStatus::ChooseOrganisation {
            return self.revoke_pending(ctx, workspace.id, connection).await;
        }
        let linked = connection.organisation.as_ref().and_then(|organisation| Some((organisation, organisation.link_id.as_deref()?)));
        let (organisation, link) = match linked {
            Some(linked) if connection.status != ConnectionStatus::Disconnected => linked,
            Some(_) | None => return Ok(Some(RevokeReason::NothingToRemove)),
        };
        if self.is_shared(ledger, &organisation.id, workspace.id).await? {
            return Ok(Some(RevokeReason::UsedByAnotherWorkspace));
        }
        let Ok((api, _)) = self.connectable(ledger) else {
            return Ok(Some(RevokeReason::Unreachable));
        };
        let token = match self.access_token(ctx, workspace.id, connection, None).await {
            Ok(token) => token,
            Err(problem) => {
                tracing::warn!(?problem, "no token to remove the vendor's link with");
                return Ok(Some(RevokeReason::Unreachable));
            }
        };
        let credentials = self.credentials(ctx, ledger).await?;
        let refresh = self.held_refresh_token(ctx, workspace.id, connection).await?;
        let held = Held { access: token.secret(), refresh: refresh.as_ref() };
        match api.sign_in.unlink(&credentials, held, link).await {
            Ok(()) => Ok(None),
            Err(failure) => {
                tracing::warn!(code = %failure.code, internal = %failure.internal, "the vendor's link could not be removed");
                Ok(Some(RevokeReason::Unreachable))
            }
        }
    }

    /// The same for a consent from which nothing was chosen yet: all its links go, but those that other workspaces use.
    async fn revoke_pending(&self, ctx: &Ctx, workspace: WorkspaceId, connection: &Connection) -> Outcome<Option<RevokeReason>> {
        let granted = self.store.granted(workspace, connection.ledger, connection.grant).await?;
        let Some((access, refresh)) = self.pending_tokens(ctx, workspace, connection).await? else {
            return Ok(Some(RevokeReason::Unreachable));
        };
        let held = Held { access: &access, refresh: refresh.as_ref() };
        let mut reason = None;
        for organisation in granted.iter().flat_map(|granted| &granted.organisations) {
            if let Err(problem) = self.cut_if_unused(ctx, workspace, connection.ledger, organisation, held).await {
                tracing::warn!(?problem, "the link to a granted organisation could not be cut");
                reason = Some(RevokeReason::Unreachable);
            }
        }
        Ok(reason)
    }

    /// Stops what waits. A row with an open intent is left: while it is not known whether the vendor did it, no stop is taken (design
    /// decision 7), and its own next step finds no connection.
    async fn stop_rows(&self, ctx: &Ctx, workspace: &Workspace, user: &UserId, ledger: Ledger) -> Outcome<(u64, u64)> {
        let (mut stopped, mut unsettled) = (0, 0);
        for key in self.store.open_rows(workspace.id, ledger).await? {
            match self.stop_row(ctx, user, key).await? {
                Stop::Stopped => stopped += 1,
                Stop::Unsettled => unsettled += 1,
                Stop::AtRest => {}
            }
        }
        Ok((stopped, unsettled))
    }

    async fn stop_row(&self, ctx: &Ctx, user: &UserId, key: SyncKey) -> Outcome<Stop> {
        let mut read = self.store.sync_row(key).await?;
        for _ in 0..TRIES {
            let Versioned { value: mut row, rev } = read;
            if rev == 0 || row.state.is_at_rest() {
                return Ok(Stop::AtRest);
            }
            let busy = row.lease.is_some_and(|lease| lease.is_live(ctx.now()));
            if row.intent.is_some() || busy {
                return Ok(Stop::Unsettled);
            }
            row.state = SyncState::Stopped;
            row.left_out = false;
            row.since = Some(ctx.now());
            row.waiting = None;
            row.lease = None;
            match self.store.save_row(ctx, key, &row, rev).await? {
                Saved::Done { .. } => {
                    let line = TimelineEvent {
                        id: EventId::new(ctx.uuid()),
                        at: ctx.now(),
                        ledger: Some(key.ledger),
                        step: "stopped".to_owned(),
                        text: format!("{} was disconnected: this invoice no longer waits for it.", key.ledger.label()),
                        vendor_request_id: None,
                        actor: Actor::User(user.clone()),
                        version: row.wanted,
                    };
                    self.store.put_timeline(ctx, key.ws, key.inv, &line).await?;
                    return Ok(Stop::Stopped);
                }
                Saved::Moved(now) => read = *now,
            }
        }
        Ok(Stop::Unsettled)
    }
}

enum Stop {
    Stopped,
    Unsettled,
    AtRest,
}
