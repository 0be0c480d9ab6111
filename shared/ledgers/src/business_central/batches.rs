//! Several invoices read in one call: a `$batch` of reads (docs/vendors/business-central.md, section 7). Where the environment takes no
//! batches, or a request of one fails, the answer does not tell, and the invoice is read alone.

use bytes::Bytes;
use coportal_core::document::RemoteDocument;
use coportal_core::failure::Failure;
use coportal_core::sync::row::Look;
use coportal_core::text;
use http::{Method, Response};
use serde::de::DeserializeOwned;

use super::batch::{self, Inner};
use super::documents::{LINES, invoice};
use super::fixit::Cause;
use super::profile::BATCH_MAX;
use super::wire::{Page, WireInvoice};
use super::{BusinessCentral, LANGUAGE, document, filter, outcome};
use crate::batches::BatchReads;
use crate::exec::call::{Call, Reply, nothing};
use crate::judge::Subject;
use crate::{Access, Answered, Called};

impl BusinessCentral {
    /// Reads in one call; each answers for itself.
    async fn read_several<'a>(
        &self,
        access: Access<'a>,
        name: &'static str,
        urls: Vec<String>,
    ) -> Result<(Reply<'a, Cause>, Vec<Option<Response<Bytes>>>), Failure> {
        let requests: Vec<Inner<'_>> = urls.into_iter().enumerate().map(|(place, url)| Inner::new(place, "GET", url, None, None)).collect();
        let call = Call {
            method: Method::POST,
            body: Some(Bytes::from(batch::body(&requests))),
            ..Call::read(name, "/$batch", "/$batch".to_owned(), Subject::Place).header("accept-language", LANGUAGE)
        };
        let reply = self.caller.exchange(access, call.header("prefer", "odata.continue-on-error")).await?;
        if outcome::refuses_batch(&reply.answer) {
            return Ok((reply, requests.iter().map(|_| None).collect()));
        }
        if !reply.is_success() {
            return Err(reply.failure());
        }
        let answers = batch::each(&reply, requests.len())?;
        Ok((reply, answers))
    }

    async fn invoices(&self, access: Access<'_>, ids: &[&str]) -> Result<Answered<Vec<Option<RemoteDocument>>>, Failure> {
        let place = Self::place(access)?;
        let mut found: Answered<Vec<Option<RemoteDocument>>> = nothing();
        for some in ids.chunks(BATCH_MAX) {
            let urls = some.iter().map(|id| place.below(&format!("{}?$expand={LINES}", invoice(id)))).collect();
            let (reply, answers) = self.read_several(access, "read_invoices", urls).await?;
            let read = |(id, answer): (&&str, Option<Response<Bytes>>)| {
                let wire: WireInvoice = of(answer.as_ref()?)?;
                document::document(wire).ok().filter(|document| document.external_id.eq_ignore_ascii_case(id))
            };
            found.value.extend(some.iter().zip(answers).map(read));
            found = reply.answered(found.value);
        }
        Ok(found)
    }

    async fn look_for_several(&self, access: Access<'_>, looks: &[&Look]) -> Result<Answered<Vec<Option<Vec<RemoteDocument>>>>, Failure> {
        let place = Self::place(access)?;
        let mut found: Answered<Vec<Option<Vec<RemoteDocument>>>> = nothing();
        found.value = vec![None; looks.len()];
        let referenced: Vec<(usize, &str)> =
            looks.iter().enumerate().filter_map(|(at, look)| Some((at, look.reference.as_deref()?))).collect();
        for some in referenced.chunks(BATCH_MAX) {
            let url = |reference: &str| {
                let condition = format!("externalDocumentNumber eq {}", filter::quoted(&text::capitals(reference)));
                place.below(&format!("/salesInvoices?$expand={LINES}&$filter={}", crate::exec::encoded(&condition)))
            };
            let urls = some.iter().map(|(_, reference)| url(reference)).collect();
            let (reply, answers) = self.read_several(access, "look_for_invoices", urls).await?;
            for ((at, reference), answer) in some.iter().zip(answers) {
                let Some(page) = answer.as_ref().and_then(of::<Page<WireInvoice>>).filter(|page| page.next.is_none()) else { continue };
                let wires = page.value.into_iter().filter(|wire| !document::is_corrective(wire));
                let Ok(documents) = wires.map(document::document).collect::<Result<Vec<_>, _>>() else { continue };
                if let Some(slot) = found.value.get_mut(*at) {
                    *slot = Some(documents.into_iter().filter(|document| document::has_reference(document, reference)).collect());
                }
            }
            found = reply.answered(found.value);
        }
        Ok(found)
    }
}

fn of<T: DeserializeOwned>(answer: &Response<Bytes>) -> Option<T> {
    serde_json::from_slice(answer.body()).ok()
}

impl BatchReads for BusinessCentral {
    fn read_documents<'a>(&'a self, access: Access<'a>, external_ids: &'a [&'a str]) -> Called<'a, Vec<Option<RemoteDocument>>> {
        Box::pin(self.invoices(access, external_ids))
    }

    fn look_documents<'a>(&'a self, access: Access<'a>, looks: &'a [&'a Look]) -> Called<'a, Vec<Option<Vec<RemoteDocument>>>> {
        Box::pin(self.look_for_several(access, looks))
    }
}
