//! The sync rows of a connection that are not at rest, found through the `due` index.

use coportal_core::connection::Generation;
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;

use super::sync::SyncKey;
use crate::error::StoreError;
use crate::keys::{self, Index};
use crate::store::{Item, Range, Store};

impl Store {
    /// Rows of a workspace's connection that are due or parked, of every generation. The index lags the table by a moment: each row is
    /// read before anything is decided about it, and a row that came later is stopped by its own next step, which finds no connection.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn open_rows(&self, ws: WorkspaceId, ledger: Ledger) -> Result<Vec<SyncKey>, StoreError> {
        let mut rows = Vec::new();
        for partition in [keys::due_pk(keys::shard(ws, ledger)), keys::park_pk(ws, ledger)] {
            let mut after: Option<String> = None;
            loop {
                let range = Range { after: after.as_deref(), ..Range::default() };
                let page = self.query_index(Index::Due, &partition, &range).await?;
                rows.extend(page.items.iter().filter_map(key_of).filter(|key| key.ws == ws && key.ledger == ledger));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(rows)
    }
}

/// The row that an entry of the index names; other kinds of entries (an invoice's due mark) name none.
pub(super) fn key_of(item: &Item) -> Option<SyncKey> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let generation = item.get("gen").and_then(|value| value.as_n().ok())?.parse().ok()?;
    Some(SyncKey {
        ws: text("ws")?.parse().ok()?,
        inv: text("inv")?.parse().ok()?,
        ledger: text("ledger")?.parse().ok()?,
        generation: Generation(generation),
    })
}
