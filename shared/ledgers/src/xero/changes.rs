//! Invoices by when they changed (docs/vendors/xero.md, section 3: `If-Modified-Since`).

use coportal_core::failure::Failure;
use jiff::Timestamp;

use super::wire::InvoicesAnswer;
use super::{Xero, is_id, map};
use crate::changes::{ChangedDocument, ChangedPage, Changes, Seen};
use crate::exec::call::Call;
use crate::judge::Subject;
use crate::listing::{page_after, page_number};
use crate::{Access, Answered, Called};

/// Invoices of one page, with their lines.
const PAGE: usize = 200;

impl Xero {
    async fn changed(&self, access: Access<'_>, since: Timestamp, cursor: Option<&str>) -> Result<Answered<ChangedPage>, Failure> {
        let call = Call::read("list_changed_invoices", "/Invoices", "/Invoices".to_owned(), Subject::Place);
        let Some(number) = page_number(cursor) else {
            return Err(self.caller.unsendable(access, &call, "the cursor is none of this list"));
        };
        // Oldest first: what changes meanwhile comes again on a later page, and nothing is missed.
        let call = call
            .header("if-modified-since", format!("{since:.0}"))
            .with("order", "UpdatedDateUTC ASC")
            .with("page", number.to_string())
            .with("pageSize", PAGE.to_string())
            .with("unitdp", "4");
        let (reply, answer): (_, InvoicesAnswer) = self.caller.list(access, call).await?;
        let next = page_after(number, answer.invoices.len() >= PAGE);
        let mut documents = Vec::new();
        for wire in answer.invoices.into_iter().filter(map::is_sales) {
            if !is_id(&wire.id) {
                return Err(reply.unexpected("an invoice without an id"));
            }
            let document = map::document(wire).map_err(|why| reply.unexpected(why))?;
            documents.push(ChangedDocument { external_id: document.external_id.clone(), seen: Seen::Whole(Box::new(document)) });
        }
        Ok(reply.answered(ChangedPage { documents, next }))
    }
}

impl Changes for Xero {
    fn changed_page<'a>(&'a self, access: Access<'a>, since: Timestamp, cursor: Option<&'a str>) -> Called<'a, ChangedPage> {
        Box::pin(self.changed(access, since, cursor))
    }
}
