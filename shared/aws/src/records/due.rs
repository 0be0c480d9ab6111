//! What is due: sync rows, invoices whose newest version was not handed on yet, and jobs, found through the `due` index.
//!
//! The index lags the table by moments. An entry is therefore a hint: [`Store::put_off`] asks the table whether it is due still, and takes
//! it out of the way of the next look in the same write.

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::job::JobId;
use jiff::Timestamp;

use super::sync::SyncKey;
use crate::error::StoreError;
use crate::keys::{self, Index, Key};
use crate::store::{Change, Condition, Fields, Item, Kind, Page, Range, Store, Write, key_of};

/// Most entries of one page. An entry takes about 300 bytes, a page of DynamoDB 1 MB.
const PAGE: i32 = 1_000;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueWork {
    /// A sync row.
    Row(SyncKey),
    /// An invoice whose newest version no connection was told of yet.
    Invoice {
        /// The workspace.
        ws: WorkspaceId,
        /// The invoice.
        inv: InvoiceId,
    },
    /// A job.
    Job {
        /// The workspace.
        ws: WorkspaceId,
        /// The job.
        job: JobId,
    },
}

impl DueWork {
    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Row(key) => key.ws,
            Self::Invoice { ws, .. } | Self::Job { ws, .. } => *ws,
        }
    }
}

/// One entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What is due.
    pub work: DueWork,
    /// The item.
    key: Key,
    /// Its sort key in the index, as it was seen.
    seen: String,
}

impl Due {
    /// When it was due.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.seen.split('#').next().and_then(|at| at.parse().ok())
    }
}

impl Store {
    /// A page of what is due in one of the [`keys::SHARDS`] shards by `now`, longest due first; `after` is the `next` of the page before.
    /// Entries that this binary does not know are left out.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn due_entries(&self, shard: u8, now: Timestamp, after: Option<&str>) -> Result<Page<Due>, StoreError> {
        // After every entry of this very millisecond.
        let up_to = format!("{}~", keys::instant(now));
        let range = Range { after, up_to: Some(&up_to), limit: Some(PAGE), ..Range::default() };
        let page = self.query_index(Index::Due, &keys::due_pk(shard), &range).await?;
        Ok(Page { items: page.items.iter().filter_map(due_of).collect(), next: page.next })
    }

    /// Moves an entry to another time, so that the next look does not find it; the entry as it is then, or `None` when it was no longer due
    /// as it was seen. Nothing else of the item changes; its next write gives it a time of its own.
    ///
    /// # Errors
    /// When the table does not answer; it may then be moved.
    pub async fn put_off(&self, ctx: &Ctx, due: &Due, until: Timestamp) -> Result<Option<Due>, StoreError> {
        let rest = due.seen.split_once('#').map_or("", |(_, rest)| rest);
        let moved = Due { seen: format!("{}#{rest}", keys::instant(until)), ..due.clone() };
        let fields = Fields::of_any_kind().text(Index::Due.sk(), &moved.seen);
        let unmoved = Condition::new("#due_sk = :seen").text(":seen", &due.seen);
        match self.write(ctx, Change::update(due.key.clone(), fields).when(unmoved)).await? {
            Write::Done { .. } => Ok(Some(moved)),
            Write::Refused { .. } => Ok(None),
        }
    }

    /// Removes the due mark of an invoice once every connection that wants this version knows of it; whether it was removed. A newer
    /// version keeps its mark.
    ///
    /// # Errors
    /// When the table does not answer; the mark is then found again, and handing the version on again changes nothing.
    pub async fn confirm_fan_out(&self, ctx: &Ctx, ws: WorkspaceId, inv: InvoiceId, version: u64) -> Result<bool, StoreError> {
        let unmoved = Condition::new("#autosync_version = :version").number(":version", version);
        let change = Change::update(keys::invoice(ws, inv), Fields::empty(Kind::Invoice).due(None)).when(unmoved);
        match self.write(ctx, change).await? {
            Write::Done { .. } => Ok(true),
            Write::Refused { .. } => Ok(false),
        }
    }
}

fn due_of(item: &Item) -> Option<Due> {
    let (pk, sk) = key_of(item)?;
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    let seen = text(Index::Due.sk())?;
    let work = if let Some((ws, job)) = keys::job_of_due_sk(seen) {
        DueWork::Job { ws, job }
    } else {
        match text("kind")? {
            kind if kind == Kind::SyncRow.as_str() => {
                let generation = item.get("gen").and_then(|value| value.as_n().ok())?.parse().ok()?;
                DueWork::Row(SyncKey {
                    ws: text("ws")?.parse().ok()?,
                    inv: text("inv")?.parse().ok()?,
                    ledger: text("ledger")?.parse().ok()?,
                    generation: Generation(generation),
                })
            }
            kind if kind == Kind::Invoice.as_str() => DueWork::Invoice { ws: text("ws")?.parse().ok()?, inv: text("inv")?.parse().ok()? },
            _ => return None,
        }
    };
    Some(Due { work, key: Key { pk: pk.to_owned(), sk: sk.to_owned() }, seen: seen.to_owned() })
}

#[cfg(test)]
mod tests;
