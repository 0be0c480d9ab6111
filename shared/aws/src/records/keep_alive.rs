//! What the keeper goes through: the tokens of all connections, each with the time of its next look, and the rows that wait for a
//! person's act. Both are found through the index `due`, which lags: whatever is decided rests on a read of the item itself.

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;
use jiff::Timestamp;

use super::open_rows;
use super::sync::SyncKey;
use super::tokens::{TokenKey, keep_at};
use crate::error::StoreError;
use crate::keys::{self, Index};
use crate::store::{Change, Condition, Fields, Item, Kind, Page, Range, Store, Write};

/// Entries of one page.
const PAGE: i32 = 100;

/// Tokens, and when they are looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptTokens {
    /// Whose.
    pub key: TokenKey,
    /// When they are looked at.
    pub look_at: Timestamp,
}

impl Store {
    /// A page of the tokens of a shard, those to be looked at first in front.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn kept_tokens(&self, shard: u8, after: Option<&str>) -> Result<Page<KeptTokens>, StoreError> {
        let range = Range { after, limit: Some(PAGE), ..Range::default() };
        let page = self.query_index(Index::Due, &keys::keep_alive_pk(shard), &range).await?;
        Ok(Page { items: page.items.iter().filter_map(kept).collect(), next: page.next })
    }

    /// Sets the time of the next look at tokens that were read at `read_rev`; `false` when they were changed since.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn look_later(&self, ctx: &Ctx, key: TokenKey, read_rev: u64, look_at: Timestamp) -> Result<bool, StoreError> {
        let fields = Fields::empty(Kind::Tokens).due(Some(keep_at(&key, look_at)));
        let change = Change::update(key.key(), fields).when(Condition::rev(read_rev).and(Condition::present()));
        Ok(matches!(self.write(ctx, change).await?, Write::Done { .. }))
    }

    /// A page of the rows of a workspace's connection that wait for a person's act, the longest waiting first.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn parked_rows(&self, ws: WorkspaceId, ledger: Ledger, after: Option<&str>) -> Result<Page<SyncKey>, StoreError> {
        let range = Range { after, limit: Some(PAGE), ..Range::default() };
        let page = self.query_index(Index::Due, &keys::park_pk(ws, ledger), &range).await?;
        Ok(Page { items: page.items.iter().filter_map(open_rows::key_of).collect(), next: page.next })
    }
}

fn kept(item: &Item) -> Option<KeptTokens> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let generation = item.get("gen").and_then(|value| value.as_n().ok())?.parse().ok()?;
    let key = TokenKey { ws: text("ws")?.parse().ok()?, ledger: text("ledger")?.parse().ok()?, generation: Generation(generation) };
    let look_at = text(Index::Due.sk())?.split('#').next()?.parse().ok()?;
    Some(KeptTokens { key, look_at })
}

#[cfg(test)]
mod tests {
    use coportal_core::sync::row::{SyncRow, SyncState, Waiting, WaitingFor};
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::*;
    use crate::records::sync::Saved;
    use crate::records::tokens::{TokenRow, fields};
    use crate::testing::Services;
    use crate::vault::Envelope;

    #[tokio::test]
    async fn tokens_are_found_by_their_next_look_and_put_off() {
        let services = Services::new();
        let store = services.cloud().store;
        let key = TokenKey { ws: WorkspaceId::new(Uuid::from_u128(1)), ledger: Ledger::Sage, generation: Generation(2) };
        let row = TokenRow::issued(Envelope::from_bytes(b"sealed".to_vec()), services.now(), None, 1);
        let change = Change::update(key.key(), fields(&key, &row, services.now()).unwrap());
        let _ = store.write(&services.ctx(), change).await.unwrap();
        let shard = keys::shard(key.ws, key.ledger);
        let day = services.now() + SignedDuration::from_hours(24);
        assert_eq!(store.kept_tokens(shard, None).await.unwrap().items, [KeptTokens { key, look_at: day }]);
        let week = services.now() + SignedDuration::from_hours(7 * 24);
        assert!(store.look_later(&services.ctx(), key, 1, week).await.unwrap());
        assert_eq!(store.kept_tokens(shard, None).await.unwrap().items, [KeptTokens { key, look_at: week }]);
        assert!(!store.look_later(&services.ctx(), key, 1, day).await.unwrap(), "somebody was there");
        assert_eq!(store.tokens(key).await.unwrap().unwrap().value, row, "the tokens are as they were");
        let gone = TokenKey { generation: Generation(9), ..key };
        assert!(!store.look_later(&services.ctx(), gone, 0, day).await.unwrap(), "nothing is made of nothing");
    }

    #[tokio::test]
    async fn rows_that_wait_for_a_person_are_found_page_by_page() {
        let services = Services::new();
        let store = services.cloud().store;
        let ws = WorkspaceId::new(Uuid::from_u128(1));
        for n in 0..150 {
            let key =
                SyncKey { ws, inv: coportal_core::id::InvoiceId::new(Uuid::from_u128(n)), ledger: Ledger::Xero, generation: Generation(1) };
            let waiting = Some(Waiting { reason: WaitingFor::Reconnect, until: None });
            let row = SyncRow { state: SyncState::Waiting, waiting, since: Some(services.now()), ..SyncRow::default() };
            assert!(matches!(store.save_row(&services.ctx(), key, &row, 0).await.unwrap(), Saved::Done { .. }));
        }
        let first = store.parked_rows(ws, Ledger::Xero, None).await.unwrap();
        let second = store.parked_rows(ws, Ledger::Xero, first.next.as_deref()).await.unwrap();
        assert_eq!((first.items.len(), second.items.len()), (100, 50));
        assert!(store.parked_rows(ws, Ledger::Sage, None).await.unwrap().items.is_empty());
    }
}
