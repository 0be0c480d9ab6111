//! The list of integrations.

use coportal_aws::records::cards::Cards;
use coportal_core::connection::ConnectionStatus;
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::workspace::Workspace;

use super::view::{Beside, ConnectionView, IntegrationView, ParkedView};
use crate::Engine;

impl Engine {
    /// Every ledger, with what this workspace has of it: availability, plan gate, connection, health, and a grant that waits for the
    /// asking user's own confirmation.
    ///
    /// # Errors
    /// When records do not answer.
    pub async fn integrations(&self, ctx: &Ctx, workspace: &Workspace, user: &UserId) -> Outcome<Vec<IntegrationView>> {
        let cards = self.store.cards(ctx, workspace.id).await?;
        self.integrations_of(ctx, workspace, user, &cards).await
    }

    /// The same from connections that are read already: one query more.
    ///
    /// # Errors
    /// When records do not answer.
    pub async fn integrations_of(&self, ctx: &Ctx, workspace: &Workspace, user: &UserId, cards: &Cards) -> Outcome<Vec<IntegrationView>> {
        let listed = self.store.cards_listed(ctx, workspace.id, user).await?;
        let now = ctx.now();
        let views = Ledger::ALL.into_iter().map(|ledger| {
            let mut view = IntegrationView::new(ledger, self.availability(ledger), workspace, self.ledgers.get(ledger));
            let connection = cards.connections.iter().map(|connection| &connection.value).find(|connection| connection.ledger == ledger);
            view.connection = connection.map(|connection| {
                let beside = match connection.status {
                    ConnectionStatus::Disconnected => Beside::default(),
                    ConnectionStatus::Connected | ConnectionStatus::ChooseOrganisation | ConnectionStatus::ReconnectRequired => {
                        Beside::of(connection, cards.notes.get(&ledger), &listed, now)
                    }
                };
                ConnectionView::of(connection, workspace, &beside)
            });
            let parked = listed.parked.iter().find(|parked| parked.ledger == ledger);
            view.parked = parked.map(|parked| ParkedView { began_at: parked.begun_at });
            view
        });
        Ok(views.collect())
    }

    /// Whether another workspace is connected to the same organisation.
    pub(super) async fn is_shared(&self, ledger: Ledger, organisation: &str, workspace: WorkspaceId) -> Outcome<bool> {
        Ok(!self.store.other_users_of(ledger, organisation, workspace).await?.is_empty())
    }

    /// Says on the cards of all who use an organisation whether they share it, once that has changed. A card that could not be written
    /// undoes nothing.
    pub(super) async fn tell_sharing(&self, ctx: &Ctx, ledger: Ledger, organisation: &str) {
        if let Err(error) = self.store.note_sharing(ctx, ledger, organisation).await {
            tracing::warn!(%error, "cards do not say yet who shares an organisation");
        }
    }
}
