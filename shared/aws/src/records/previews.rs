//! What an import preview keeps beside its head: pages of what was read, of its rows, of what was ticked and of what became of it. Each is
//! packed into one item, so that ten thousand contacts are fifty items and not ten thousand writes into one partition.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use coportal_core::ctx::Ctx;
use coportal_core::id::{PreviewId, WorkspaceId};
use coportal_core::job::JobId;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::packed;
use crate::error::StoreError;
use crate::keys::{self, Key, PreviewPart};
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Versioned, Write, from_item, is_live, rev_of};

/// Rows of a page.
pub const PAGE_ROWS: usize = 200;

/// A page is at most two hundred rows; what unpacks to more was not packed by us.
const UNPACKED: u64 = 8 * 1024 * 1024;

/// Name of the packed attribute.
const PACKED: &str = "packed";

/// A step that was overtaken by a later one must not write over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PartStored {
    /// It is stored.
    Done,
    /// A later step has written it.
    Overtaken,
}

fn pack<T: Serialize>(rows: &T) -> Result<AttributeValue, StoreError> {
    let json = serde_json::to_vec(rows).map_err(|error| StoreError::corrupt("a page of a preview", error))?;
    packed::pack(&json)
        .map(|packed| AttributeValue::B(Blob::new(packed)))
        .map_err(|error| StoreError::corrupt("a page of a preview", error))
}

fn unpack<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    let content = item.get(PACKED).and_then(|value| value.as_b().ok());
    let content = content.ok_or_else(|| StoreError::corrupt("a page of a preview", "it has no content"))?;
    let json = packed::unpack(content.as_ref(), UNPACKED).map_err(|error| StoreError::corrupt("a page of a preview", error))?;
    serde_json::from_slice(&json).map_err(|error| StoreError::corrupt("a page of a preview", error))
}

impl Store {
    /// Stores a page; `fence` is the revision of the claim that the step holds, larger for a later step, and `ends` the preview's end.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_preview_part<T: Serialize>(
        &self,
        ctx: &Ctx,
        key: (WorkspaceId, PreviewId),
        part: PreviewPart<'_>,
        fence: u64,
        ends: Timestamp,
        rows: &T,
    ) -> Result<PartStored, StoreError> {
        let fields = Fields::empty(Kind::JobPart).number("fence", fence).set(PACKED, pack(rows)?).expires(ends);
        let not_later = Condition::new("attribute_not_exists(#pk) OR #fence <= :fence").number(":fence", fence);
        let change = Change::update(keys::preview_part(key.0, key.1, part), fields).when(not_later);
        Ok(match self.write(ctx, change).await? {
            Write::Done { .. } => PartStored::Done,
            Write::Refused { .. } => PartStored::Overtaken,
        })
    }

    /// A page; `None` when there is none, or when its preview has ended.
    ///
    /// # Errors
    /// When the table does not answer or the page cannot be read.
    pub async fn preview_part<T: DeserializeOwned>(
        &self,
        ctx: &Ctx,
        key: (WorkspaceId, PreviewId),
        part: PreviewPart<'_>,
    ) -> Result<Option<T>, StoreError> {
        let item = self.get(&keys::preview_part(key.0, key.1, part)).await?;
        item.filter(|item| is_live(item, ctx.now())).map(|item| of_part(item).and_then(|item| unpack(&item))).transpose()
    }

    /// Puts a job at rest to work again: `body` is what its kind keeps from now on, on the revision that was read. Answers whether it was
    /// still at rest there.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn wake_job<T: Serialize>(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        job: JobId,
        read_rev: u64,
        body: &T,
    ) -> Result<bool, StoreError> {
        let now = ctx.now();
        let fields = Fields::empty(Kind::Job)
            .value("body", body)?
            .value("next_at", &now)?
            .number("failures", 0)
            .due(Some(keys::due_job(now, ws, job)));
        let at_rest = Condition::rev(read_rev).and(Condition::new("attribute_not_exists(#lease)"));
        let woken = self.write(ctx, Change::update(keys::job(ws, job), fields).when(at_rest)).await?;
        Ok(matches!(woken, Write::Done { .. }))
    }

    /// Items by their keys, each as the record that it is, with its revision; 0 and the default where there is none.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub(crate) async fn batch_records<T: DeserializeOwned + Default>(
        &self,
        ctx: &Ctx,
        kind: Kind,
        keys: &[Key],
    ) -> Result<Vec<Versioned<T>>, StoreError> {
        let record = |item: Option<Item>| match item {
            Some(item) => {
                let rev = rev_of(&item);
                Ok(Versioned::new(from_item(kind, item)?, rev))
            }
            None => Ok(Versioned::default()),
        };
        self.batch_get(ctx, keys).await?.into_iter().map(record).collect()
    }
}

/// The item, when it is a page.
fn of_part(item: Item) -> Result<Item, StoreError> {
    let is_part = item.get("kind").and_then(|kind| kind.as_s().ok()).is_some_and(|kind| kind == Kind::JobPart.as_str());
    if is_part { Ok(item) } else { Err(StoreError::corrupt("a page of a preview", "it is of another kind")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fault, Services};
    use jiff::SignedDuration;
    use uuid::Uuid;

    fn key() -> (WorkspaceId, PreviewId) {
        (WorkspaceId::new(Uuid::from_u128(1)), PreviewId::new(Uuid::from_u128(2)))
    }

    #[tokio::test]
    async fn a_page_comes_back_until_its_preview_ends() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let rows: Vec<String> = (0..PAGE_ROWS).map(|n| format!("Zoë {n}")).collect();
        let ends = ctx.now() + SignedDuration::from_hours(24);
        services.fault(0, Fault::LoseAnswer);
        let stored = store.put_preview_part(&ctx, key(), PreviewPart::Rows(3), 2, ends, &rows).await.unwrap();
        assert_eq!(stored, PartStored::Done);
        assert_eq!(store.preview_part::<Vec<String>>(&ctx, key(), PreviewPart::Rows(3)).await.unwrap(), Some(rows));
        for other in [PreviewPart::Rows(4), PreviewPart::Done(3), PreviewPart::Read(3), PreviewPart::Picked("d", 3)] {
            assert_eq!(store.preview_part::<Vec<String>>(&ctx, key(), other).await.unwrap(), None);
        }
        let stranger = (WorkspaceId::new(Uuid::from_u128(9)), key().1);
        assert_eq!(store.preview_part::<Vec<String>>(&ctx, stranger, PreviewPart::Rows(3)).await.unwrap(), None);
        services.advance(SignedDuration::from_hours(24));
        assert_eq!(store.preview_part::<Vec<String>>(&services.ctx(), key(), PreviewPart::Rows(3)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_slow_step_does_not_write_over_a_later_one() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let ends = ctx.now() + SignedDuration::from_hours(24);
        let put = |fence, text: &'static str| {
            let (store, ctx) = (&store, &ctx);
            async move { store.put_preview_part(ctx, key(), PreviewPart::Done(0), fence, ends, &text).await }
        };
        assert_eq!(put(4, "later").await.unwrap(), PartStored::Done);
        assert_eq!(put(3, "slow").await.unwrap(), PartStored::Overtaken);
        assert_eq!(put(4, "again").await.unwrap(), PartStored::Done);
        let kept = store.preview_part::<String>(&ctx, key(), PreviewPart::Done(0)).await.unwrap();
        assert_eq!(kept.as_deref(), Some("again"));
    }

    #[tokio::test]
    async fn a_job_at_rest_is_woken_once() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let (ws, job) = (key().0, JobId::Preview(key().1));
        assert!(store.create_job(&ctx, ws, job, &1_u32, ctx.now(), None).await.unwrap());
        assert!(store.wake_job(&ctx, ws, job, 1, &2_u32).await.unwrap());
        assert!(!store.wake_job(&ctx, ws, job, 1, &3_u32).await.unwrap(), "somebody else woke it");
        let woken = store.job::<u32>(&ctx, ws, job).await.unwrap().unwrap();
        assert_eq!((woken.value.body, woken.value.next_at), (2, Some(ctx.now())));
    }
}
