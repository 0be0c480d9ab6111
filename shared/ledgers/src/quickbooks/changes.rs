//! Invoices by when they changed, deletions included (docs/vendors/quickbooks.md, section 8: change data capture).

use coportal_core::failure::Failure;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::map::document;
use super::wire::WireInvoice;
use super::{PAGE, QuickBooks, is_id, query};
use crate::changes::{ChangedDocument, ChangedPage, Changes, Seen};
use crate::exec::call::Call;
use crate::judge::Subject;
use crate::listing::{page_after, page_number};
use crate::{Access, Answered, Called};

/// It looks back 30 days and no further; a day is left for clocks.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(29 * 24);

/// The answer: a response for each list of entities, in it a response for each entity.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(rename = "CDCResponse")]
    responses: Vec<Responses>,
}

#[derive(Debug, Deserialize)]
struct Responses {
    #[serde(default, rename = "QueryResponse")]
    found: Vec<Found>,
}

#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default, rename = "Invoice")]
    invoices: Vec<Box<RawValue>>,
}

/// What a deleted invoice leaves: its id and a word.
#[derive(Debug, Deserialize)]
struct Trace {
    #[serde(rename = "Id")]
    id: String,
    #[serde(default)]
    status: Option<String>,
}

impl QuickBooks {
    /// The first page is the vendor's feed of changes, which ends at 1,000; further ones are a query, which does not know what was deleted.
    async fn changed(&self, access: Access<'_>, since: Timestamp, cursor: Option<&str>) -> Result<Answered<ChangedPage>, Failure> {
        let call = Call::read("list_changed_invoices", "/cdc", "/cdc".to_owned(), Subject::Place);
        let Some(number) = page_number(cursor) else {
            return Err(self.caller.unsendable(access, &call, "the cursor is none of this list"));
        };
        let since = since.max(access.now.saturating_sub(LOOK_BACK).unwrap_or(since));
        if number > 1 {
            return self.changed_by_query(access, since, number).await;
        }
        let call = call.with("entities", "Invoice").with("changedSince", format!("{since:.0}"));
        let (reply, answer): (_, Answer) = self.caller.list(access, call).await?;
        let mut documents = Vec::new();
        for raw in answer.responses.into_iter().flat_map(|responses| responses.found).flat_map(|found| found.invoices) {
            let unreadable = || reply.unexpected("an invoice of the feed cannot be read");
            let trace: Trace = serde_json::from_str(raw.get()).map_err(|_| unreadable())?;
            if !is_id(&trace.id) {
                return Err(reply.unexpected("an invoice without an id"));
            }
            let seen = if trace.status.as_deref() == Some("Deleted") {
                Seen::Deleted
            } else {
                let wire: WireInvoice = serde_json::from_str(raw.get()).map_err(|_| unreadable())?;
                Seen::Whole(Box::new(document::document(wire).map_err(|why| reply.unexpected(why))?))
            };
            documents.push(ChangedDocument { external_id: trace.id, seen });
        }
        let next = page_after(number, documents.len() >= PAGE);
        Ok(reply.answered(ChangedPage { documents, next }))
    }

    async fn changed_by_query(&self, access: Access<'_>, since: Timestamp, number: u32) -> Result<Answered<ChangedPage>, Failure> {
        let start = usize::try_from(number.saturating_sub(2)).unwrap_or(usize::MAX).saturating_mul(PAGE).saturating_add(1);
        let (reply, found) = self.query(access, "list_changed_invoices", &query::invoices_changed(since, start, PAGE)).await?;
        let next = page_after(number, found.invoice.len() >= PAGE);
        let mut documents = Vec::new();
        for wire in found.invoice {
            if !is_id(&wire.id) {
                return Err(reply.unexpected("an invoice without an id"));
            }
            let document = document::document(wire).map_err(|why| reply.unexpected(why))?;
            documents.push(ChangedDocument { external_id: document.external_id.clone(), seen: Seen::Whole(Box::new(document)) });
        }
        Ok(reply.answered(ChangedPage { documents, next }))
    }
}

impl Changes for QuickBooks {
    fn changed_page<'a>(&'a self, access: Access<'a>, since: Timestamp, cursor: Option<&'a str>) -> Called<'a, ChangedPage> {
        Box::pin(self.changed(access, since, cursor))
    }
}
