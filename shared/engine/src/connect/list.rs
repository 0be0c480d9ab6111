//! The list of integrations.

use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::workspace::Workspace;
use futures_util::future::{try_join, try_join_all};

use super::view::{ConnectionView, IntegrationView, ParkedView};
use crate::Engine;

impl Engine {
    /// Every ledger, with what this workspace has of it: availability, plan gate, connection, health, and a grant that waits for the
    /// asking user's own confirmation.
    ///
    /// # Errors
    /// When records do not answer.
    pub async fn integrations(&self, ctx: &Ctx, workspace: &Workspace, user: &UserId) -> Outcome<Vec<IntegrationView>> {
        let connections = self.store.connections(ctx, workspace.id).await?;
        let parked = self.store.parked_grants(ctx, workspace.id, user).await?;
        // For each connection: whether another workspace uses its organisation, and when anything was last synced over it.
        let seen = try_join_all(connections.iter().map(|connection| async {
            let Connection { ledger, generation, status, organisation, .. } = &connection.value;
            let Some(organisation) = organisation.as_ref().filter(|_| *status != ConnectionStatus::Disconnected) else {
                return Ok((false, None));
            };
            let newest = async { self.store.last_synced(workspace.id, *ledger, *generation).await.map_err(Problem::from) };
            try_join(self.is_shared(*ledger, &organisation.id, workspace.id), newest).await
        }))
        .await?;
        let views = Ledger::ALL.into_iter().map(|ledger| {
            let mut view = IntegrationView::new(ledger, self.availability(ledger), workspace, self.ledgers.get(ledger));
            let found = connections.iter().zip(&seen).find(|(connection, _)| connection.value.ledger == ledger);
            view.connection = found.map(|(connection, seen)| ConnectionView::of(&connection.value, workspace, seen.0, seen.1));
            view.parked =
                parked.iter().find(|grant| grant.state.ledger == ledger).map(|grant| ParkedView { began_at: grant.state.begun_at });
            view
        });
        Ok(views.collect())
    }

    /// Whether another workspace is connected to the same organisation.
    pub(super) async fn is_shared(&self, ledger: Ledger, organisation: &str, workspace: WorkspaceId) -> Outcome<bool> {
        Ok(!self.store.other_users_of(ledger, organisation, workspace).await?.is_empty())
    }
}
