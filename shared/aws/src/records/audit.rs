//! The audit list of a workspace: who connected, changed an option, resolved a hold, disconnected. Kept 400 days.

use coportal_core::ctx::Ctx;
use coportal_core::id::WorkspaceId;
use coportal_core::timeline::AuditEvent;

use super::timeline::{KEPT_FOR, ends};
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Fields, Kind, Page, Range, Store, from_item};

impl Store {
    /// Adds a line to the audit list.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_audit(&self, ctx: &Ctx, ws: WorkspaceId, event: &AuditEvent) -> Result<(), StoreError> {
        let fields = Fields::of(Kind::Audit, event)?.expires(ends(event.at, KEPT_FOR));
        let _always_done = self.write(ctx, Change::put(keys::audit(ws, event.at, event.id), fields)).await?;
        Ok(())
    }

    /// A page of the audit list, newest first; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// When the table does not answer or a line cannot be read.
    pub async fn audit(&self, ctx: &Ctx, ws: WorkspaceId, limit: i32, after: Option<&str>) -> Result<Page<AuditEvent>, StoreError> {
        let range = Range { after, newest_first: true, limit: Some(limit), ..Range::default() };
        let page = self.query(&keys::audit_pk(ws), &range).await?;
        let live = page.items.into_iter().filter(|item| crate::store::is_live(item, ctx.now()));
        let items = live.map(|item| from_item(Kind::Audit, item)).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }
}
