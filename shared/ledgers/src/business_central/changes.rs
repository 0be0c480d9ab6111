//! Sales invoices by when they changed (docs/vendors/business-central.md, sections 3 and 5: `lastModifiedDateTime`). A draft that was deleted is
//! told by nothing: the next sync of its invoice finds that.

use coportal_core::failure::Failure;
use jiff::Timestamp;

use super::documents::LINES;
use super::wire::{Page, WireInvoice};
use super::{BusinessCentral, LANGUAGE, document};
use crate::changes::{ChangedDocument, ChangedPage, Changes, Seen};
use crate::exec::call::Call;
use crate::judge::Subject;
use crate::{Access, Answered, Called};

/// Invoices of one page, with their lines.
const PAGE: usize = 100;

impl BusinessCentral {
    /// The cursor is the vendor's own link to the next page, followed on the same host and below the same company only (section 3).
    async fn changed(&self, access: Access<'_>, since: Timestamp, cursor: Option<&str>) -> Result<Answered<ChangedPage>, Failure> {
        let place = Self::place(access)?;
        let below = |link: &str| {
            let path = self.caller.below(access, link)?;
            path.starts_with(&format!("/{}?", place.below("/salesInvoices"))).then(|| path.to_owned())
        };
        let call = match cursor {
            None => Self::read(&place, "list_changed_invoices", "/salesInvoices", "/salesInvoices", Subject::Place)
                .with("$filter", format!("lastModifiedDateTime ge {since:.0}"))
                .with("$orderby", "lastModifiedDateTime")
                .with("$expand", LINES),
            Some(link) => {
                let path = below(link);
                let call = Call::read("list_changed_invoices", "/salesInvoices", path.clone().unwrap_or_default(), Subject::Place);
                if path.is_none() {
                    return Err(self.caller.unsendable(access, &call, "the cursor is none of this company's list"));
                }
                call.header("accept-language", LANGUAGE)
            }
        };
        let call = call.header("prefer", format!("odata.maxpagesize={PAGE}"));
        let (reply, page): (_, Page<WireInvoice>) = self.caller.list(access, call).await?;
        if page.next.as_deref().is_some_and(|link| below(link).is_none()) {
            return Err(reply.unexpected("the next page is elsewhere"));
        }
        let next = page.next.filter(|_| !page.value.is_empty());
        let mut documents = Vec::new();
        for wire in page.value.into_iter().filter(|wire| !document::is_corrective(wire)) {
            let document = document::document(wire).map_err(|why| reply.unexpected(why))?;
            documents.push(ChangedDocument { external_id: document.external_id.clone(), seen: Seen::Whole(Box::new(document)) });
        }
        Ok(reply.answered(ChangedPage { documents, next }))
    }
}

impl Changes for BusinessCentral {
    fn changed_page<'a>(&'a self, access: Access<'a>, since: Timestamp, cursor: Option<&'a str>) -> Called<'a, ChangedPage> {
        Box::pin(self.changed(access, since, cursor))
    }
}
