//! Sales invoices by when they changed, and which were deleted (docs/vendors/sage.md, section 2: `updated_or_created_since`, `deleted_since`).

use coportal_core::failure::Failure;
use jiff::Timestamp;
use serde::Deserialize;

use super::wire::Page;
use super::{PAGE, Sage, is_id};
use crate::changes::{ChangedDocument, ChangedPage, Changes, Seen};
use crate::exec::call::Call;
use crate::judge::Subject;
use crate::listing::{page_after, page_number};
use crate::{Access, Answered, Called};

/// What the cursor of a page of deleted invoices begins with; those that changed come first.
const DELETED: &str = "deleted";

/// A list shows lines by their titles alone: only which invoices changed is asked for.
#[derive(Debug, Deserialize)]
struct Changed {
    id: String,
    #[serde(default)]
    updated_at: Option<String>,
}

/// Which of the two lists, and its page.
fn place_of(cursor: Option<&str>) -> Option<(bool, u32)> {
    match cursor.and_then(|cursor| cursor.strip_prefix(DELETED)) {
        Some("") => Some((true, 1)),
        Some(page) => page_number(Some(page)).map(|number| (true, number)),
        None => page_number(cursor).map(|number| (false, number)),
    }
}

impl Sage {
    async fn changed(&self, access: Access<'_>, since: Timestamp, cursor: Option<&str>) -> Result<Answered<ChangedPage>, Failure> {
        let call = Call::read("list_changed_invoices", "/sales_invoices", "/sales_invoices".to_owned(), Subject::Place);
        let Some((deleted, number)) = place_of(cursor) else {
            return Err(self.caller.unsendable(access, &call, "the cursor is none of this list"));
        };
        let since_name = if deleted { "deleted_since" } else { "updated_or_created_since" };
        let call = call.with(since_name, format!("{since:.0}")).with("attributes", "updated_at").with("items_per_page", PAGE);
        let call = if number == 1 { call } else { call.with("page", number.to_string()) };
        let (reply, Page { items, next, .. }) = self.caller.list::<Page<Changed>>(access, call).await?;
        if items.iter().any(|item| !is_id(&item.id)) {
            return Err(reply.unexpected("an invoice without an id"));
        }
        let following = page_after(number, next.is_some() && !items.is_empty());
        let next = match (deleted, following) {
            (false, None) => Some(DELETED.to_owned()),
            (true, following) => following.map(|page| format!("{DELETED}{page}")),
            (false, following) => following,
        };
        let documents = items.into_iter().map(|item| ChangedDocument {
            external_id: item.id,
            seen: if deleted { Seen::Deleted } else { Seen::Version(item.updated_at) },
        });
        Ok(reply.answered(ChangedPage { documents: documents.collect(), next }))
    }
}

impl Changes for Sage {
    fn changed_page<'a>(&'a self, access: Access<'a>, since: Timestamp, cursor: Option<&'a str>) -> Called<'a, ChangedPage> {
        Box::pin(self.changed(access, since, cursor))
    }
}
