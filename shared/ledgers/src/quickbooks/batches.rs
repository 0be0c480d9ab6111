//! Several invoices in one call (docs/vendors/quickbooks.md, sections 2 and 5): reads and look-ups by one query or by `/batch`, and updates
//! by `/batch`, each guarded by its SyncToken, so that one that is done twice is refused. Creates are sent one by one: a batch that is sent
//! again is reported to answer faults instead of what it made (section 3).

use std::collections::BTreeMap;

use bytes::Bytes;
use coportal_core::document::RemoteDocument;
use coportal_core::failure::Failure;
use coportal_core::sync::row::Look;
use coportal_core::text;
use http::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use super::fixit::Cause;
use super::map::document;
use super::profile::PROFILE;
use super::wire::{BatchAnswer as Answer, WireInvoice};
use super::{PAGE, QuickBooks, is_id, is_same, outcome, query};
use crate::batches::{BatchAnswer, BatchBound, BatchReads, BatchUpdates, BatchWrite, Batched};
use crate::exec::call::{Call, Reply, nothing};
use crate::exec::{Cost, Operation};
use crate::json;
use crate::judge::Subject;
use crate::{Access, Answered, Called};

/// Longest body of a batch. The vendor names none; this is far below what its gateway is seen to take.
const BODY_MAX: usize = 1_000_000;

/// Longest query, as text: numbers have at most 21 characters.
const QUERY_MAX: usize = 4_000;

/// An update inside a batch.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(rename = "bId")]
    id: String,
    operation: &'static str,
    #[serde(rename = "Invoice")]
    invoice: &'a RawValue,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "BatchItemRequest")]
    items: Vec<Item<'a>>,
}

impl QuickBooks {
    /// The invoices of an answer, each with an id.
    fn read_all(reply: &Reply<'_, Cause>, found: Vec<WireInvoice>) -> Result<Vec<RemoteDocument>, Failure> {
        let read = |wire: WireInvoice| {
            if !is_id(&wire.id) {
                return Err(reply.unexpected("an invoice without an id"));
            }
            document::document(wire).map_err(|why| reply.unexpected(why))
        };
        found.into_iter().map(read).collect()
    }

    async fn invoices(&self, access: Access<'_>, ids: &[&str]) -> Result<Answered<Vec<Option<RemoteDocument>>>, Failure> {
        if ids.is_empty() {
            return Ok(nothing());
        }
        let (reply, found) = self.query(access, "read_invoices", &query::invoices_by_id(ids)).await?;
        let documents = Self::read_all(&reply, found.invoice)?;
        let found = ids.iter().map(|id| documents.iter().find(|document| document.external_id == **id).cloned()).collect();
        Ok(reply.answered(found))
    }

    /// Numbers in one query; what has no number (the company gives its own) is asked for by customer and day, in one batch of queries.
    async fn look_for_several(&self, access: Access<'_>, looks: &[&Look]) -> Result<Answered<Vec<Option<Vec<RemoteDocument>>>>, Failure> {
        let mut found: Answered<Vec<Option<Vec<RemoteDocument>>>> = nothing();
        found.value = vec![None; looks.len()];
        let mut numbered: Vec<(usize, &str)> =
            looks.iter().enumerate().filter_map(|(place, look)| Some((place, look.number.as_deref()?))).collect();
        while !numbered.is_empty() {
            let mut length = 0;
            let fitting = numbered.iter().take_while(|(_, number)| {
                length += number.len() + 4;
                length <= QUERY_MAX
            });
            let some: Vec<(usize, &str)> = numbered.drain(..fitting.count().max(1)).collect();
            let numbers: Vec<&str> = some.iter().map(|(_, number)| *number).collect();
            let (reply, all) = self.query(access, "look_for_invoices", &query::invoices_with_numbers(&numbers)).await?;
            if all.invoice.len() >= PAGE {
                continue;
            }
            let documents = Self::read_all(&reply, all.invoice)?;
            for (place, number) in some {
                let same = |document: &&RemoteDocument| document.number.as_deref().map(text::name_key) == Some(text::name_key(number));
                if let Some(slot) = found.value.get_mut(place) {
                    *slot = Some(documents.iter().filter(same).cloned().collect());
                }
            }
            found = reply.answered(found.value);
        }
        let by_contact: Vec<(usize, String)> = looks
            .iter()
            .enumerate()
            .filter(|(_, look)| look.number.is_none())
            .filter_map(|(place, look)| Some((place, query::invoices_of(look.contact.as_deref()?, look.issue_date))))
            .collect();
        for some in by_contact.chunks(PROFILE.batch) {
            let texts: Vec<String> = some.iter().map(|(_, text)| text.clone()).collect();
            let (reply, lists) = self.queries(access, "look_for_invoices", &texts).await?;
            for ((place, _), list) in some.iter().zip(lists) {
                let documents = Self::read_all(&reply, list.invoice)?;
                if let Some(slot) = found.value.get_mut(*place) {
                    *slot = Some(documents);
                }
            }
            found = reply.answered(found.value);
        }
        Ok(found)
    }

    async fn update_invoices(&self, access: Access<'_>, rows: &[BatchWrite<'_>]) -> BatchAnswer<RemoteDocument> {
        let operation = Operation { name: "update_invoices", route: "/batch" };
        let raw: Vec<&RawValue> = rows.iter().filter_map(|row| serde_json::from_slice(row.body).ok()).collect();
        let items = raw.iter().enumerate().map(|(place, invoice)| Item { id: format!("u{place}"), operation: "update", invoice });
        let body = Bytes::from(json::bytes(&Body { items: items.collect() }));
        // No request id: what guards an update from being done twice is its SyncToken.
        let cost = Cost { calls: 1, batch: true };
        let call = Call { key: None, cost, ..Call::write(operation, Method::POST, "/batch".to_owned(), body, "", Subject::Document) };
        if raw.len() != rows.len() || rows.iter().any(|row| row.external_id.is_none()) {
            return Err(self.caller.unsendable(access, &call, "a stored body is none of this ledger's, or about no invoice"));
        }
        let reply = self.caller.send(access, call).await?;
        let answer: Answer = reply.read()?;
        let mut items: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for item in answer.batch_item_response {
            items.entry(item.id.clone()).or_default().push(item);
        }
        let one = |(place, row): (usize, &BatchWrite<'_>)| {
            let untold = || reply.unexpected("the answer of the batch does not say what became of this row");
            let mut found = items.remove(&format!("u{place}")).unwrap_or_default();
            let item = found.pop().filter(|_| found.is_empty()).ok_or_else(untold)?;
            if let Some(fault) = item.fault {
                return Err(outcome::refused(&reply.asked, &reply.answer, &fault.errors));
            }
            let wire = item.invoice.filter(|wire| is_same(&wire.id, row.external_id)).ok_or_else(untold)?;
            let document = document::document(wire).map_err(|why| reply.unexpected(why))?;
            Ok(reply.answered(document))
        };
        Ok(rows.iter().enumerate().map(one).collect())
    }
}

impl BatchReads for QuickBooks {
    fn read_documents<'a>(&'a self, access: Access<'a>, external_ids: &'a [&'a str]) -> Called<'a, Vec<Option<RemoteDocument>>> {
        Box::pin(self.invoices(access, external_ids))
    }

    fn look_documents<'a>(&'a self, access: Access<'a>, looks: &'a [&'a Look]) -> Called<'a, Vec<Option<Vec<RemoteDocument>>>> {
        Box::pin(self.look_for_several(access, looks))
    }
}

impl BatchUpdates for QuickBooks {
    fn bound(&self) -> BatchBound {
        BatchBound { rows: PROFILE.batch, bytes: BODY_MAX }
    }

    fn update_documents<'a>(&'a self, access: Access<'a>, rows: &'a [BatchWrite<'a>], _key: &'a str) -> Batched<'a, RemoteDocument> {
        Box::pin(self.update_invoices(access, rows))
    }
}
