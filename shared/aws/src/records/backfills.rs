//! Chunks of a backfill, and the reads that choose what is in them.

use std::collections::BTreeSet;

use coportal_core::backfill::{Backfill, Chunk};
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{BackfillId, ClientId, InvoiceId, WorkspaceId};
use coportal_core::invoice::Invoice;
use coportal_core::job::JobId;
use coportal_core::ledger::Ledger;

use super::contacts;
use super::jobs::Job;
use crate::error::StoreError;
use crate::keys::{self, Index, Key};
use crate::store::{Change, Condition, Fields, Kind, Page, Range, Store, Versioned, Write, from_item, is_live, key_of};

/// The attributes of a chunk.
fn fields(ws: WorkspaceId, chunk: &Chunk) -> Result<Fields, StoreError> {
    Ok(Fields::of(Kind::JobPart, chunk)?.text("ws", ws))
}

impl Store {
    /// The newest backfills, and approvals of many drafts, of a workspace. The index names them (it lags a moment), the table answers.
    ///
    /// # Errors
    /// When the table does not answer or a head cannot be read.
    pub async fn recent_backfills(&self, ctx: &Ctx, ws: WorkspaceId, limit: i32) -> Result<Vec<(BackfillId, Backfill)>, StoreError> {
        let range = Range { newest_first: true, limit: Some(limit), ..Range::default() };
        let page = self.query_index(Index::List, &keys::backfills_pk(ws), &range).await?;
        let named = page.items.iter().filter_map(|item| item.get(Index::List.sk())?.as_s().ok()?.split('#').next_back()?.parse().ok());
        let ids: Vec<BackfillId> = named.collect();
        let heads: Vec<Key> = ids.iter().map(|id| keys::job(ws, JobId::Backfill(*id))).collect();
        let mut found = Vec::new();
        for (id, item) in ids.into_iter().zip(self.batch_get(ctx, &heads).await?) {
            if let Some(item) = item.filter(|item| is_live(item, ctx.now())) {
                found.push((id, from_item::<Job<Backfill>>(Kind::Job, item)?.body));
            }
        }
        Ok(found)
    }

    /// Writes a chunk down while invoices are listed, by the step whose claim was `fence`. A later step's chunk of this number stays.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_chunk(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        backfill: BackfillId,
        number: u32,
        chunk: &Chunk,
        fence: u64,
    ) -> Result<(), StoreError> {
        let fields = fields(ws, chunk)?.number("fence", fence);
        let newest = Condition::new("attribute_not_exists(#pk) OR #fence <= :fence").number(":fence", fence);
        let _a_later_step_may_have_written_it =
            self.write(ctx, Change::put(keys::backfill_chunk(ws, backfill, number), fields).when(newest)).await?;
        Ok(())
    }

    /// A chunk, with the revision it was read at.
    ///
    /// # Errors
    /// When the table does not answer or the chunk cannot be read.
    pub async fn chunk(&self, ws: WorkspaceId, backfill: BackfillId, number: u32) -> Result<Option<Versioned<Chunk>>, StoreError> {
        self.get_record(Kind::JobPart, &keys::backfill_chunk(ws, backfill, number)).await
    }

    /// Writes what the invoices of a chunk came to, on the chunk as it was read; answers the revision now, or `None` when somebody else
    /// wrote it meanwhile.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn save_chunk(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        backfill: BackfillId,
        number: u32,
        chunk: &Chunk,
        read_rev: u64,
    ) -> Result<Option<u64>, StoreError> {
        let change = Change::update(keys::backfill_chunk(ws, backfill, number), fields(ws, chunk)?).when(Condition::rev(read_rev));
        Ok(match self.write(ctx, change).await? {
            Write::Done { rev } => Some(rev),
            Write::Refused { .. } => None,
        })
    }

    /// The chunks of a backfill below `chunks`, in order; what a listing left beyond that counts for nothing.
    ///
    /// # Errors
    /// When the table does not answer or a chunk cannot be read.
    pub async fn chunks(&self, ws: WorkspaceId, backfill: BackfillId, chunks: u32) -> Result<Vec<Chunk>, StoreError> {
        let items = self.query_all(&keys::job_pk(ws, JobId::Backfill(backfill)), keys::CHUNK_PREFIX).await?;
        let most = usize::try_from(chunks).unwrap_or(usize::MAX);
        items.into_iter().take(most).map(|item| from_item(Kind::JobPart, item)).collect()
    }

    /// A page of invoices, oldest first: those after `after`. The page is the table's own, 1 MB at most.
    ///
    /// # Errors
    /// When the table does not answer or an invoice cannot be read.
    pub async fn invoices_after(&self, ws: WorkspaceId, after: Option<InvoiceId>, limit: i32) -> Result<Page<Invoice>, StoreError> {
        let after = after.map(|inv| inv.to_string());
        let range = Range { after: after.as_deref(), limit: Some(limit), ..Range::default() };
        let page = self.query(&keys::invoices_pk(ws), &range).await?;
        let items = page.items.into_iter().map(|item| from_item(Kind::Invoice, item)).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// The clients that have a contact in a generation, each with the currency that the contact is fixed to, where contacts have one.
    ///
    /// # Errors
    /// When the table does not answer or a row cannot be read.
    pub async fn linked_clients(
        &self,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
    ) -> Result<BTreeSet<(ClientId, Option<String>)>, StoreError> {
        let items = self.query_all(&keys::contact_links_pk(ws, ledger, generation), "").await?;
        let mut linked = BTreeSet::new();
        for item in items {
            let named =
                key_of(&item).and_then(|(_, sk)| sk.split_once('#')).map(|(client, currency)| (client.to_owned(), currency.to_owned()));
            let Some((client, currency)) = named else { continue };
            let Ok(client) = client.parse::<ClientId>() else { continue };
            if contacts::row_of(item)?.value.link.is_some() {
                linked.insert((client, (currency != "-").then_some(currency)));
            }
        }
        Ok(linked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Services;
    use coportal_core::backfill::Came;
    use uuid::Uuid;

    fn ws() -> WorkspaceId {
        WorkspaceId::new(Uuid::from_u128(1))
    }

    fn backfill() -> BackfillId {
        BackfillId::new(Uuid::from_u128(2))
    }

    fn inv(n: u128) -> InvoiceId {
        InvoiceId::new(Uuid::from_u128(n))
    }

    /// K19: a listing step that was overtaken does not write over what a later one wrote.
    #[tokio::test]
    async fn a_slow_listing_step_overwrites_nothing() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let (slow, fast) = (Chunk::of(&[inv(1)]), Chunk::of(&[inv(2)]));
        store.put_chunk(&ctx, ws(), backfill(), 0, &fast, 7).await.unwrap();
        store.put_chunk(&ctx, ws(), backfill(), 0, &slow, 5).await.unwrap();
        assert_eq!(store.chunk(ws(), backfill(), 0).await.unwrap().unwrap().value, fast);
        store.put_chunk(&ctx, ws(), backfill(), 1, &slow, 5).await.unwrap();
        assert_eq!(store.chunks(ws(), backfill(), 1).await.unwrap(), [fast], "beyond the count of the head");
    }

    #[tokio::test]
    async fn an_outcome_is_written_on_the_chunk_that_was_read() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        store.put_chunk(&ctx, ws(), backfill(), 0, &Chunk::of(&[inv(1), inv(2)]), 1).await.unwrap();
        let mut read = store.chunk(ws(), backfill(), 0).await.unwrap().unwrap();
        read.value.note(inv(1), Came::Synced, None);
        let rev = store.save_chunk(&ctx, ws(), backfill(), 0, &read.value, read.rev).await.unwrap();
        assert_eq!(rev, Some(read.rev + 1));
        assert_eq!(store.save_chunk(&ctx, ws(), backfill(), 0, &read.value, read.rev).await.unwrap(), None);
        assert_eq!(store.chunk(ws(), backfill(), 0).await.unwrap().unwrap().value, read.value);
    }
}
