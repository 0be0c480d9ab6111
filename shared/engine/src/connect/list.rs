//! The list of integrations.

use coportal_core::connection::ConnectionStatus;
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::workspace::Workspace;
use futures_util::future::try_join_all;

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
        let shared = try_join_all(connections.iter().map(|connection| async {
            let organisation = connection.value.organisation.as_ref();
            match organisation.filter(|_| connection.value.status != ConnectionStatus::Disconnected) {
                Some(organisation) => self.is_shared(connection.value.ledger, &organisation.id, workspace.id).await,
                None => Ok(false),
            }
        }))
        .await?;
        let views = Ledger::ALL.into_iter().map(|ledger| {
            let mut view = IntegrationView::new(ledger, self.availability(ledger), workspace, self.ledgers.get(ledger));
            let found = connections.iter().zip(&shared).find(|(connection, _)| connection.value.ledger == ledger);
            view.connection = found.map(|(connection, shared)| ConnectionView::of(&connection.value, workspace, *shared));
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
