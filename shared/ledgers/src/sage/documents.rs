//! Sage: the calls about sales invoices.

use bytes::Bytes;
use coportal_core::contact::ContactStatus;
use coportal_core::document::{DocumentStatus, DocumentWrite, RemoteDocument, Removal};
use coportal_core::facts::Facts;
use coportal_core::failure::{Disposition, Failure, Question};
use coportal_core::sync::row::Look;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use serde::Deserialize;

use super::fixit::Cause;
use super::wire::{EndBody, Listed, WireInvoice};
use super::{Sage, is_id, is_same, map, outcome};
use crate::exec::call::{Call, Reply, nothing};
use crate::exec::{Operation, encoded};
use crate::judge::{self, REFUSED, Subject};
use crate::{Access, Answered, Called, Documents, Drafts};

/// Most invoices of one reference that are read. More are no accident: a person has to look.
const MATCHES_MAX: usize = 20;

/// Reads in flight at once (docs/vendors/sage.md, section 6).
const IN_FLIGHT: usize = 2;

impl Sage {
    /// A read of one invoice with all that is nested in it. `mark_as_sent=false`, since the vendor's default flags it as sent.
    pub(super) fn reading(name: &'static str, external_id: &str) -> Call<'static> {
        let path = format!("/sales_invoices/{}", encoded(external_id));
        Call::read(name, "/sales_invoices/{id}", path, Subject::Document)
            .with("nested_attributes", "all")
            .with("show_payments_allocations", "true")
            .with("mark_as_sent", "false")
    }

    /// One invoice as it stands; `None` when there is none of this id.
    pub(super) async fn invoice<'a>(
        &self,
        access: Access<'a>,
        name: &'static str,
        external_id: &str,
    ) -> Result<(Reply<'a, Cause>, Option<WireInvoice>), Failure> {
        let reply = self.caller.exchange(access, Self::reading(name, external_id)).await?;
        match reply.status() {
            404 if outcome::says_missing(&reply.answer) => Ok((reply, None)),
            200..=299 => {
                let wire = one_invoice(&reply, Some(external_id))?;
                Ok((reply, Some(wire)))
            }
            _ => Err(reply.failure()),
        }
    }

    async fn document(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<RemoteDocument>>, Failure> {
        let (reply, wire) = self.invoice(access, "read_invoice", external_id).await?;
        let document = wire.map(map::document).transpose().map_err(|why| reply.unexpected(why))?;
        Ok(reply.answered(document))
    }

    /// Lists show lines by their titles alone, so that what fits is read one by one; mostly that is nothing.
    async fn look_for(&self, access: Access<'_>, look: &Look) -> Result<Answered<Vec<RemoteDocument>>, Failure> {
        if let Some(id) = &look.external_id {
            return Ok(self.document(access, id).await?.map(|found| found.into_iter().collect()));
        }
        let place = || Call::read("look_for_invoice", "/sales_invoices", "/sales_invoices".to_owned(), Subject::Place);
        let reference = look.reference.as_deref().map(str::trim).filter(|reference| !reference.is_empty());
        let (reply, listed) = match (reference, look.contact.as_deref()) {
            // Void ones are in the list; a deleted draft is gone without a trace, as a read of it is.
            (Some(reference), _) => {
                self.all::<Listed>(access, || place().with("search", reference).with("attributes", "reference")).await?
            }
            (None, Some(contact)) => {
                let days = look.issue_date.map(|date| date.to_string());
                let call = || {
                    let call = place().with("contact_id", contact).with("attributes", "reference");
                    match &days {
                        Some(day) => call.with("from_date", day.clone()).with("to_date", day.clone()),
                        None => call,
                    }
                };
                self.all::<Listed>(access, call).await?
            }
            (None, None) => return Ok(nothing()),
        };
        // The search finds parts, and names of contacts too.
        let fits = |listed: &Listed| reference.is_none_or(|wanted| listed.reference.as_deref().map(str::trim) == Some(wanted));
        let ids: Vec<String> = listed.into_iter().filter(fits).map(|listed| listed.id).collect();
        if ids.iter().any(|id| !is_id(id)) {
            return Err(reply.unexpected("an invoice without an id"));
        }
        if ids.len() > MATCHES_MAX {
            return Err(judge::failed(&reply.asked, Cause::TooManyMatches, REFUSED, Some(&reply.answer), "more matches than are read"));
        }
        let whole: Vec<Option<RemoteDocument>> = stream::iter(ids)
            .map(|id| async move { self.document(access, &id).await.map(|answered| answered.value) })
            .buffered(IN_FLIGHT)
            .try_collect()
            .await?;
        Ok(reply.answered(whole.into_iter().flatten().collect()))
    }

    async fn put_document(
        &self,
        access: Access<'_>,
        external_id: Option<&str>,
        body: &[u8],
        key: &str,
    ) -> Result<Answered<RemoteDocument>, Failure> {
        let sent = Bytes::copy_from_slice(body);
        let call = match external_id {
            None => {
                let operation = Operation { name: "create_invoice", route: "/sales_invoices" };
                Call::write(operation, Method::POST, "/sales_invoices".to_owned(), sent, key, Subject::Place)
            }
            Some(id) => {
                let operation = Operation { name: "update_invoice", route: "/sales_invoices/{id}" };
                Call::write(operation, Method::PUT, format!("/sales_invoices/{}", encoded(id)), sent, key, Subject::Document)
            }
        };
        let reply = self.caller.exchange(access, call).await?;
        if !reply.is_success() {
            let failure = reply.failure();
            return Err(if outcome::says_missing(&reply.answer) {
                self.which_is_missing(access, &reply, external_id, body, failure).await
            } else {
                failure
            });
        }
        let wire = one_invoice(&reply, external_id)?;
        // A reference that is not sent stays as it is.
        let sent = fields_of(body).and_then(|fields| fields.reference);
        if sent.is_some_and(|sent| wire.reference.as_deref().map(str::trim) != Some(sent.as_str())) {
            return Err(reply.unexpected("the answer is about another invoice"));
        }
        let document = self.whole(access, &reply, wire).await?;
        Ok(reply.answered(document))
    }

    /// The document that a write answered with. A write cannot ask for what is nested, so that a document whose lines came as titles is
    /// read once more. The write was done: if that fails, the outcome is looked for.
    async fn whole(&self, access: Access<'_>, reply: &Reply<'_, Cause>, wire: WireInvoice) -> Result<RemoteDocument, Failure> {
        if wire.is_whole() {
            return map::document(wire).map_err(|why| reply.unexpected(why));
        }
        self.read_back(access, reply, &wire.id).await
    }

    async fn read_back(&self, access: Access<'_>, reply: &Reply<'_, Cause>, external_id: &str) -> Result<RemoteDocument, Failure> {
        let read = self.document(access, external_id).await;
        match read.map(|answered| answered.value) {
            Ok(Some(document)) => Ok(document),
            Ok(None) => Err(reply.unexpected("the invoice that was written is not there")),
            Err(failure) => Err(reply.unexpected(&format!("the invoice that was written could not be read back: {}", failure.internal))),
        }
    }

    /// "Couldn't find record." does not say which record: the document itself, its contact, or an account or tax rate of a line. Nothing
    /// was written, so that there is time to find out.
    async fn which_is_missing(
        &self,
        access: Access<'_>,
        reply: &Reply<'_, Cause>,
        external_id: Option<&str>,
        body: &[u8],
        failure: Failure,
    ) -> Failure {
        if let Some(id) = external_id {
            match self.invoice(access, "read_invoice", id).await {
                Ok((_, Some(_))) => {}
                Ok((_, None)) | Err(_) => return failure,
            }
        }
        let because = |cause, disposition| judge::failed(&reply.asked, cause, disposition, Some(&reply.answer), &failure.internal);
        let contact = match fields_of(body) {
            Some(fields) => self.contact(access, &fields.contact_id).await.map(|answered| answered.value),
            None => return because(Cause::RecordMissing, REFUSED),
        };
        let gone = Disposition::Hold { question: Question::ContactGone };
        match contact {
            Ok(None) => because(Cause::ContactMissing, gone),
            Ok(Some(contact)) if contact.status == ContactStatus::Archived => because(Cause::ContactInactive, gone),
            Ok(Some(_)) | Err(_) => because(Cause::RecordMissing, REFUSED),
        }
    }

    async fn end_document(
        &self,
        access: Access<'_>,
        external_id: &str,
        body: &[u8],
        key: &str,
    ) -> Result<Answered<RemoteDocument>, Failure> {
        let end: EndBody = serde_json::from_slice(body).unwrap_or_default();
        let operation = Operation { name: "void_invoice", route: "/sales_invoices/{id}" };
        let path = format!("/sales_invoices/{}", encoded(external_id));
        let mut call = Call { body: None, ..Call::write(operation, Method::DELETE, path, Bytes::new(), key, Subject::Document) };
        if let Some(reason) = &end.void_reason {
            call = call.with("void_reason", reason.clone());
        }
        let reply = self.caller.send(access, call).await?;
        let wire = one_invoice(&reply, Some(external_id))?;
        let mut document = map::document(wire).map_err(|why| reply.unexpected(why))?;
        match (end.void_reason, document.status.is_gone()) {
            (_, true) => {}
            // Only a draft can go without a reason, and the vendor said that it went.
            (None, false) => document.status = DocumentStatus::Deleted,
            (Some(_), false) => return Err(reply.unexpected("the invoice is not void after all")),
        }
        Ok(reply.answered(document))
    }

    async fn release(&self, access: Access<'_>, external_id: &str, key: &str) -> Result<Answered<RemoteDocument>, Failure> {
        let operation = Operation { name: "release_invoice", route: "/sales_invoices/{id}/release" };
        let path = format!("/sales_invoices/{}/release", encoded(external_id));
        // The call takes no body.
        let call = Call { body: None, ..Call::write(operation, Method::POST, path, Bytes::new(), key, Subject::Document) };
        let reply = self.caller.send(access, call).await?;
        let document = self.read_back(access, &reply, external_id).await?;
        if document.status == DocumentStatus::Draft {
            return Err(reply.unexpected("the invoice is a draft after all"));
        }
        Ok(reply.answered(document))
    }
}

/// The one invoice that an answer must be about.
fn one_invoice(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<WireInvoice, Failure> {
    let wire: WireInvoice = reply.read()?;
    if is_same(&wire.id, external_id) { Ok(wire) } else { Err(reply.unexpected("the answer is not about this one invoice")) }
}

/// What an invoice's body says that its answer is held against.
#[derive(Deserialize)]
struct Fields {
    contact_id: String,
    #[serde(default)]
    reference: Option<String>,
}

fn fields_of(body: &[u8]) -> Option<Fields> {
    #[derive(Deserialize)]
    struct Body {
        sales_invoice: Fields,
    }
    serde_json::from_slice::<Body>(body).ok().map(|body| body.sales_invoice)
}

impl Documents for Sage {
    fn document_body(&self, write: &DocumentWrite) -> Vec<u8> {
        map::document_body(write)
    }

    fn void_body(&self, there: &RemoteDocument, _how: Removal) -> Vec<u8> {
        // Only a draft can be deleted; an issued invoice that is to go is voided.
        map::void_body(there.status)
    }

    fn read_document<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<RemoteDocument>> {
        Box::pin(self.document(access, external_id))
    }

    fn look<'a>(&'a self, access: Access<'a>, look: &'a Look) -> Called<'a, Vec<RemoteDocument>> {
        Box::pin(self.look_for(access, look))
    }

    fn write_document<'a>(
        &'a self,
        access: Access<'a>,
        external_id: Option<&'a str>,
        body: &'a [u8],
        key: &'a str,
    ) -> Called<'a, RemoteDocument> {
        Box::pin(self.put_document(access, external_id, body, key))
    }

    fn void_document<'a>(&'a self, access: Access<'a>, external_id: &'a str, body: &'a [u8], key: &'a str) -> Called<'a, RemoteDocument> {
        Box::pin(self.end_document(access, external_id, body, key))
    }

    fn document_url(&self, _facts: &Facts, _organisation: &str, _document: &RemoteDocument) -> Option<String> {
        // No address of an invoice's page is documented (docs/vendors/sage.md, section 9); a guess could lead to other books.
        None
    }
}

impl Drafts for Sage {
    fn approve_body(&self, _there: &RemoteDocument) -> Vec<u8> {
        // The call itself carries none; what is stored for it is the empty object.
        b"{}".to_vec()
    }

    fn approve_document<'a>(
        &'a self,
        access: Access<'a>,
        external_id: &'a str,
        _body: &'a [u8],
        key: &'a str,
    ) -> Called<'a, RemoteDocument> {
        Box::pin(self.release(access, external_id, key))
    }
}
