//! What a sync reads: two consistent batches, and the lists that people see.

use coportal_core::choices::Choices;
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncRow;
use serde::de::DeserializeOwned;

use super::{Attention, FanOutHead, SyncBody, SyncHead, SyncHeads, SyncKey, SyncNeeds};
use crate::error::StoreError;
use crate::keys::{self, Index, Key};
use crate::records::contacts::{self, ContactKey};
use crate::records::metering::CallsKnown;
use crate::records::{choices, facts, intent_body};
use crate::store::{Item, Kind, Page, Range, Store, Versioned, from_item, rev_of};

fn record<T: DeserializeOwned>(kind: Kind, item: Option<Item>) -> Result<Option<T>, StoreError> {
    item.map(|item| from_item(kind, item)).transpose()
}

fn versioned<T: DeserializeOwned>(kind: Kind, item: Option<Item>) -> Result<Option<Versioned<T>>, StoreError> {
    item.map(|item| {
        let rev = rev_of(&item);
        Ok(Versioned::new(from_item(kind, item)?, rev))
    })
    .transpose()
}

/// A sync row with the body of its intent, when that lies in the row.
pub(super) fn row_of(item: Item) -> Result<Versioned<SyncRow>, StoreError> {
    let (rev, body) = (rev_of(&item), intent_body::read(&item)?);
    let mut row: SyncRow = from_item(Kind::SyncRow, item)?;
    if let Some(intent) = &mut row.intent {
        intent.body = body;
    }
    Ok(Versioned::new(row, rev))
}

/// What the second read of a sync reads.
fn body_keys(key: SyncKey, needs: &SyncNeeds) -> Vec<Key> {
    let SyncKey { ws, ledger, generation, .. } = key;
    let SyncNeeds { client, currency, rates, products, organisation } = needs;
    let contact = ContactKey { ws, client: *client, ledger, generation, currency: *currency };
    let mut wanted = vec![
        keys::client(ws, *client),
        keys::tokens(ws, ledger, generation),
        keys::facts(ws, ledger, generation, facts::ORGANISATION),
        contact.row(),
        key.row(),
        keys::bucket(ledger, organisation),
        keys::app_bucket(ledger),
    ];
    wanted.extend(choices::keys_for(ws, ledger, generation, rates, products));
    wanted
}

impl Store {
    /// The first read of a sync: workspace, invoice and connection in one consistent batch.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn sync_head(&self, ctx: &Ctx, ws: WorkspaceId, inv: InvoiceId, ledger: Ledger) -> Result<SyncHead, StoreError> {
        let wanted = [keys::workspace(ws), keys::invoice(ws, inv), keys::connection(ws, ledger)];
        let mut found = self.batch_get(ctx, &wanted).await?.into_iter();
        let mut next = || found.next().flatten();
        Ok(SyncHead {
            workspace: record(Kind::Workspace, next())?,
            invoice: record(Kind::Invoice, next())?,
            connection: versioned(Kind::Connection, next())?,
        })
    }

    /// The first read of a sync of several invoices: workspace, connection and invoices in one consistent batch.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn sync_heads(&self, ctx: &Ctx, ws: WorkspaceId, invoices: &[InvoiceId], ledger: Ledger) -> Result<SyncHeads, StoreError> {
        let mut wanted = vec![keys::workspace(ws), keys::connection(ws, ledger)];
        wanted.extend(invoices.iter().map(|invoice| keys::invoice(ws, *invoice)));
        let mut found = self.batch_get(ctx, &wanted).await?.into_iter();
        let workspace = record(Kind::Workspace, found.next().flatten())?;
        let connection = versioned(Kind::Connection, found.next().flatten())?;
        let invoices = found.map(|item| record(Kind::Invoice, item)).collect::<Result<_, _>>()?;
        Ok(SyncHeads { workspace, connection, invoices })
    }

    /// The second read of a sync: client, tokens, facts, choices (with the tax codes of `rates`), contact and row in one consistent batch.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn sync_body(&self, ctx: &Ctx, key: SyncKey, needs: &SyncNeeds) -> Result<SyncBody, StoreError> {
        let found = self.batch_get(ctx, &body_keys(key, needs)).await?;
        self.body_of(key, found).await
    }

    /// The second read of a sync of several invoices: what they share is read once.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn sync_bodies(&self, ctx: &Ctx, wanted: &[(SyncKey, SyncNeeds)]) -> Result<Vec<SyncBody>, StoreError> {
        let by_row: Vec<Vec<Key>> = wanted.iter().map(|(key, needs)| body_keys(*key, needs)).collect();
        let all: Vec<Key> = by_row.iter().flatten().cloned().collect();
        let mut found = self.batch_get(ctx, &all).await?.into_iter();
        let mut bodies = Vec::with_capacity(wanted.len());
        for ((key, _), keys) in wanted.iter().zip(&by_row) {
            bodies.push(self.body_of(*key, found.by_ref().take(keys.len()).collect()).await?);
        }
        Ok(bodies)
    }

    /// A body from its items, in the order of [`body_keys`].
    async fn body_of(&self, key: SyncKey, found: Vec<Option<Item>>) -> Result<SyncBody, StoreError> {
        let mut found = found.into_iter();
        let mut next = || found.next().flatten();
        let client = record(Kind::Client, next())?;
        let tokens = versioned(Kind::Tokens, next())?;
        let facts = record(Kind::Facts, next())?;
        let contact = next().map(contacts::row_of).transpose()?.unwrap_or_default();
        let row = next();
        let calls = CallsKnown::of(next(), next())?;
        let row = self.whole_row(&key, row).await?;
        let mut chosen = Choices::default();
        for item in found.flatten() {
            choices::add(&mut chosen, &item)?;
        }
        Ok(SyncBody { client, tokens, facts, choices: chosen, contact, row, calls })
    }

    /// One sync row, with the body of its intent wherever it lies.
    ///
    /// # Errors
    /// When the table does not answer or the row cannot be read.
    pub async fn sync_row(&self, key: SyncKey) -> Result<Versioned<SyncRow>, StoreError> {
        let item = self.get(&key.row()).await?;
        self.whole_row(&key, item).await
    }

    pub(super) async fn whole_row(&self, key: &SyncKey, item: Option<Item>) -> Result<Versioned<SyncRow>, StoreError> {
        let Some(item) = item else {
            return Ok(Versioned::default());
        };
        let apart = intent_body::is_apart(&item);
        let mut row = row_of(item)?;
        if let Some(intent) = row.value.intent.as_mut().filter(|_| apart)
            && let Some(body) = self.get(&key.body()).await?
            && body.get("intent").and_then(|id| id.as_s().ok()).is_some_and(|id| *id == intent.id.to_string())
        {
            intent.body = intent_body::read(&body)?;
        }
        Ok(row)
    }

    /// The rows of an invoice: all ledgers, all generations. Bodies of intents are left out.
    ///
    /// # Errors
    /// When the table does not answer or a row cannot be read.
    pub async fn sync_rows(&self, ws: WorkspaceId, inv: InvoiceId) -> Result<Vec<(Ledger, Generation, SyncRow)>, StoreError> {
        let items = self.query_all(&keys::sync_rows_pk(ws, inv), "").await?;
        let mut rows = Vec::with_capacity(items.len());
        for item in items {
            if let Some((_, sk)) = crate::store::key_of(&item)
                && let Some((ledger, generation)) = ledger_and_generation(sk)
            {
                rows.push((ledger, generation, row_of(item)?.value));
            }
        }
        Ok(rows)
    }

    /// The rows of many invoices in their connections' present generations, for lists: one batch read. Absent rows are left out.
    ///
    /// # Errors
    /// When the table does not answer or a row cannot be read.
    pub async fn sync_rows_of(&self, ctx: &Ctx, wanted: &[SyncKey]) -> Result<Vec<(SyncKey, SyncRow)>, StoreError> {
        let row_keys: Vec<_> = wanted.iter().map(SyncKey::row).collect();
        let found = self.batch_get(ctx, &row_keys).await?;
        let there = wanted.iter().zip(found).filter_map(|(key, item)| item.map(|item| (*key, item)));
        there.map(|(key, item)| Ok((key, row_of(item)?.value))).collect()
    }

    /// Rows with their revisions, in the order of the keys, in one consistent batch; an absent one is as new. Bodies of intents that lie
    /// apart are left out.
    ///
    /// # Errors
    /// When the table does not answer or a row cannot be read.
    pub async fn sync_rows_at(&self, ctx: &Ctx, wanted: &[SyncKey]) -> Result<Vec<Versioned<SyncRow>>, StoreError> {
        let row_keys: Vec<_> = wanted.iter().map(SyncKey::row).collect();
        let found = self.batch_get(ctx, &row_keys).await?;
        found.into_iter().map(|item| item.map(row_of).transpose().map(Option::unwrap_or_default)).collect()
    }

    /// What the fan-out of an invoice rests on: its workspace, itself and its due mark, and who may want it, in one consistent batch.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn fan_out_head(&self, ctx: &Ctx, ws: WorkspaceId, inv: InvoiceId) -> Result<FanOutHead, StoreError> {
        let mut wanted = vec![keys::workspace(ws), keys::invoice(ws, inv)];
        wanted.extend(Ledger::ALL.map(|ledger| keys::connection(ws, ledger)));
        let mut found = self.batch_get(ctx, &wanted).await?.into_iter();
        let workspace = record(Kind::Workspace, found.next().flatten())?;
        let item = found.next().flatten();
        let connections = found.flatten().map(|item| from_item(Kind::Connection, item)).collect::<Result<_, _>>()?;
        let marked = item.as_ref().filter(|item| item.contains_key(Index::Due.pk()));
        let version = marked.and_then(|item| item.get("autosync_version")?.as_n().ok()?.parse().ok());
        Ok(FanOutHead { workspace, invoice: record(Kind::Invoice, item)?, version, connections })
    }

    /// A page of what a person should look at: by state, oldest first. The index names the rows, the rows themselves are read
    /// consistently, and those that are settled by now are left out.
    ///
    /// # Errors
    /// When the table does not answer or a row cannot be read.
    pub async fn attention(&self, ctx: &Ctx, ws: WorkspaceId, limit: i32, after: Option<&str>) -> Result<Page<Attention>, StoreError> {
        let range = Range { after, limit: Some(limit), ..Range::default() };
        let page = self.query_index(Index::List, &keys::attention_pk(ws), &range).await?;
        let listed: Vec<SyncKey> = page.items.iter().filter_map(|item| key_of_row(ws, item)).collect();
        let rows = self.sync_rows_of(ctx, &listed).await?;
        let open = rows.into_iter().filter(|(key, row)| super::attention_keys(key, row).is_some());
        Ok(Page { items: open.map(|(key, row)| Attention { key, row }).collect(), next: page.next })
    }
}

/// `{ledger}#{generation}`; the items of bodies have a third part and are no rows.
fn ledger_and_generation(sk: &str) -> Option<(Ledger, Generation)> {
    let (ledger, generation) = sk.split_once('#')?;
    Some((ledger.parse().ok()?, Generation(generation.parse().ok()?)))
}

fn key_of_row(ws: WorkspaceId, item: &Item) -> Option<SyncKey> {
    let (pk, sk) = crate::store::key_of(item)?;
    let inv = pk.strip_prefix(&format!("SYNC#{ws}#"))?.parse().ok()?;
    let (ledger, generation) = ledger_and_generation(sk)?;
    Some(SyncKey { ws, inv, ledger, generation })
}
