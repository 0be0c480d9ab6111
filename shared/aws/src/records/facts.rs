//! Facts of an organisation, as last read from the ledger.

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::facts::Facts;
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;

use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Fields, Kind, Store};

/// The topic under which all facts of an organisation are kept together: they are read together.
pub(crate) const ORGANISATION: &str = "organisation";

impl Store {
    /// The facts of a generation's organisation.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn facts(&self, ws: WorkspaceId, ledger: Ledger, generation: Generation) -> Result<Option<Facts>, StoreError> {
        let found = self.get_record(Kind::Facts, &keys::facts(ws, ledger, generation, ORGANISATION)).await?;
        Ok(found.map(|facts| facts.value))
    }

    /// Stores facts just read from the ledger.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_facts(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        facts: &Facts,
    ) -> Result<(), StoreError> {
        let key = keys::facts(ws, ledger, generation, ORGANISATION);
        let _always_done = self.write(ctx, Change::update(key, Fields::of(Kind::Facts, facts)?)).await?;
        Ok(())
    }
}
