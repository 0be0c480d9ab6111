//! Timelines: what happened to an invoice, newest first. Kept 400 days.

use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::timeline::TimelineEvent;
use jiff::{SignedDuration, Timestamp};

use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Fields, Kind, Page, Range, Store, from_item};

/// How long lines of timelines and of the audit list are kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The end of something that begins at `at`.
pub(crate) fn ends(at: Timestamp, after: SignedDuration) -> Timestamp {
    at.saturating_add(after).unwrap_or(Timestamp::MAX)
}

/// The change that adds a line; its key is fresh, so adding it twice is adding it once.
pub(crate) fn line(ws: WorkspaceId, inv: InvoiceId, event: &TimelineEvent) -> Result<Change, StoreError> {
    let fields = Fields::of(Kind::Timeline, event)?.expires(ends(event.at, KEPT_FOR));
    Ok(Change::put(keys::timeline(ws, inv, event.at, event.id), fields))
}

impl Store {
    /// Adds a line to an invoice's timeline.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_timeline(&self, ctx: &Ctx, ws: WorkspaceId, inv: InvoiceId, event: &TimelineEvent) -> Result<(), StoreError> {
        let _always_done = self.write(ctx, line(ws, inv, event)?).await?;
        Ok(())
    }

    /// A page of an invoice's timeline, newest first; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// When the table does not answer or a line cannot be read.
    pub async fn timeline(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        inv: InvoiceId,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<TimelineEvent>, StoreError> {
        let range = Range { after, newest_first: true, limit: Some(limit), ..Range::default() };
        let page = self.query(&keys::timeline_pk(ws, inv), &range).await?;
        let live = page.items.into_iter().filter(|item| crate::store::is_live(item, ctx.now()));
        let items = live.map(|item| from_item(Kind::Timeline, item)).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }
}
