//! Several records in one call (docs/vendors/xero.md, sections 3 and 5): an array in the body, `summarizeErrors=false`, and an answer with a
//! verdict for each element. One call against every limit, whatever it carries.

use bytes::Bytes;
use coportal_core::contact::Contact;
use coportal_core::document::RemoteDocument;
use coportal_core::failure::Failure;
use coportal_core::sync::row::Look;
use coportal_core::text;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::profile::PROFILE;
use super::wire::{ContactsAnswer, InvoicesAnswer, WireContact, WireInvoice};
use super::{Xero, filter, is_id, map, outcome};
use crate::batches::{BatchAnswer, BatchBound, BatchCreates, BatchReads, BatchUpdates, BatchWrite, Batched, by_row};
use crate::exec::call::{Call, Reply};
use crate::exec::{Operation, encoded};
use crate::json;
use crate::judge::Subject;
use crate::xero::fixit::Cause;
use crate::{Access, Answered, Called};

/// Longest body (section 5: 3.5 MB), with a margin.
const BODY_MAX: usize = 3_400_000;

/// Longest filter, as it stands in the address: addresses of twice that length pass every gateway in common use.
const FILTER_MAX: usize = 6_000;

/// Records of a page: the vendor's most.
const PAGE: usize = 1_000;

/// A body with several elements, or with the one that an intent stores.
#[derive(Deserialize, Serialize)]
struct Invoices {
    #[serde(rename = "Invoices")]
    elements: Vec<Box<RawValue>>,
}

#[derive(Deserialize, Serialize)]
struct Contacts {
    #[serde(rename = "Contacts")]
    elements: Vec<Box<RawValue>>,
}

/// By what an element of an answer is known.
#[derive(Default, Deserialize)]
struct Sent {
    #[serde(default, rename = "InvoiceID")]
    id: Option<String>,
    #[serde(default, rename = "InvoiceNumber")]
    number: Option<String>,
    #[serde(default, rename = "Reference")]
    reference: Option<String>,
    #[serde(default, rename = "Url")]
    url: Option<String>,
    #[serde(default, rename = "ContactNumber")]
    mark: Option<String>,
    #[serde(default, rename = "Name")]
    name: Option<String>,
}

impl Sent {
    /// Whether an invoice of an answer is another one. What was refused comes back with the words that it was sent with, or without.
    fn contradicts(&self, there: &WireInvoice) -> bool {
        let other = |ours: &Option<String>, theirs: &Option<String>| {
            ours.as_deref().zip(theirs.as_deref()).is_some_and(|(ours, theirs)| ours.trim() != theirs.trim())
        };
        let other_id = self.id.as_deref().is_some_and(|id| is_id(&there.id) && !id.eq_ignore_ascii_case(&there.id));
        let nameless = is_id(&there.id) && self.number.is_some() && there.invoice_number.is_none();
        // An update leaves a number that it does not name as it is.
        other_id
            || nameless
            || other(&self.number, &there.invoice_number)
            || other(&self.reference, &there.reference)
            || other(&self.url, &there.url)
    }

    /// Whether an invoice of an answer can only be this one.
    fn names(&self, there: &WireInvoice) -> bool {
        let same = |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && ours == theirs;
        match &self.id {
            Some(id) => id.eq_ignore_ascii_case(&there.id),
            None => same(&self.number, &there.invoice_number) || same(&self.url, &there.url),
        }
    }

    fn contradicts_contact(&self, there: &WireContact) -> bool {
        let other_mark = there.contact_number.is_some() && there.contact_number != self.mark;
        let nameless = is_id(&there.id) && self.mark.is_some() && there.contact_number.is_none();
        let other_name =
            self.name.as_deref().zip(there.name.as_deref()).is_some_and(|(ours, theirs)| text::name_key(ours) != text::name_key(theirs));
        other_mark || nameless || other_name
    }

    fn names_contact(&self, there: &WireContact) -> bool {
        match &self.mark {
            Some(_) => self.mark == there.contact_number,
            None => {
                self.name.as_deref().zip(there.name.as_deref()).is_some_and(|(ours, theirs)| text::name_key(ours) == text::name_key(theirs))
            }
        }
    }
}

/// The element of each stored body; `None` where one is none of ours.
fn invoice_elements(rows: &[BatchWrite<'_>]) -> Option<Vec<Box<RawValue>>> {
    rows.iter().map(|row| serde_json::from_slice::<Invoices>(row.body).ok().and_then(|body| only(body.elements))).collect()
}

fn contact_elements(rows: &[BatchWrite<'_>]) -> Option<Vec<Box<RawValue>>> {
    rows.iter().map(|row| serde_json::from_slice::<Contacts>(row.body).ok().and_then(|body| only(body.elements))).collect()
}

fn only(mut elements: Vec<Box<RawValue>>) -> Option<Box<RawValue>> {
    let last = elements.pop();
    last.filter(|_| elements.is_empty())
}

fn sent(elements: &[Box<RawValue>]) -> Vec<Sent> {
    elements.iter().map(|raw| serde_json::from_str(raw.get()).unwrap_or_default()).collect()
}

const UNTOLD: &str = "the answer of the batch does not say what became of this row";

impl Xero {
    async fn write_invoices(
        &self,
        access: Access<'_>,
        operation: Operation,
        method: Method,
        rows: &[BatchWrite<'_>],
        key: &str,
    ) -> BatchAnswer<RemoteDocument> {
        let elements = invoice_elements(rows);
        let sent = sent(elements.as_deref().unwrap_or_default());
        let told = rows
            .iter()
            .zip(&sent)
            .all(|(row, sent)| row.external_id.is_none_or(|id| sent.id.as_deref().is_some_and(|sent| sent.eq_ignore_ascii_case(id))));
        let body = Bytes::from(json::bytes(&Invoices { elements: elements.unwrap_or_default() }));
        let call = Call::write(operation, method, "/Invoices".to_owned(), body, key, Subject::Place);
        if sent.len() != rows.len() || !told {
            return Err(self.caller.unsendable(access, &call, "a stored body is none of this ledger's, or about another invoice"));
        }
        let reply = self.caller.send(access, call.with("summarizeErrors", "false").with("unitdp", "4")).await?;
        let answer: InvoicesAnswer = reply.read()?;
        let found = by_row(&sent, answer.invoices, Sent::contradicts, Sent::names);
        let mut seen = Vec::new();
        Ok(sent.iter().zip(found).map(|(sent, found)| saved_invoice(&reply, sent, found, &mut seen)).collect())
    }

    async fn write_contacts(&self, access: Access<'_>, rows: &[BatchWrite<'_>], key: &str) -> BatchAnswer<Contact> {
        let elements = contact_elements(rows);
        let sent = sent(elements.as_deref().unwrap_or_default());
        let body = Bytes::from(json::bytes(&Contacts { elements: elements.unwrap_or_default() }));
        let operation = Operation { name: "create_contacts", route: "/Contacts" };
        let call = Call::write(operation, Method::PUT, "/Contacts".to_owned(), body, key, Subject::Place);
        if sent.len() != rows.len() {
            return Err(self.caller.unsendable(access, &call, "a stored body is none of this ledger's"));
        }
        let reply = self.caller.send(access, call.with("summarizeErrors", "false")).await?;
        let answer: ContactsAnswer = reply.read()?;
        let found = by_row(&sent, answer.contacts, Sent::contradicts_contact, Sent::names_contact);
        let mut seen = Vec::new();
        Ok(found.into_iter().map(|found| saved_contact(&reply, found, &mut seen)).collect())
    }

    async fn read_invoices(&self, access: Access<'_>, ids: &[&str]) -> Result<Answered<Vec<Option<RemoteDocument>>>, Failure> {
        let call = Call::read("read_invoices", "/Invoices", "/Invoices".to_owned(), Subject::Place)
            .with("IDs", ids.join(","))
            .with("page", "1")
            .with("pageSize", PAGE.to_string())
            .with("unitdp", "4");
        let (reply, answer): (_, InvoicesAnswer) = self.caller.list(access, call).await?;
        let documents = sales(&reply, answer)?;
        let of = |id: &&str| documents.iter().find(|document| document.external_id.eq_ignore_ascii_case(id)).cloned();
        let found = ids.iter().map(of).collect();
        Ok(reply.answered(found))
    }

    /// By number and by reference, as one look is ([`Xero::look_for`]): the number alone would pass over a document that somebody has given
    /// another one.
    async fn look_for_several(&self, access: Access<'_>, looks: &[&Look]) -> Result<Answered<Vec<Option<Vec<RemoteDocument>>>>, Failure> {
        let clauses: Vec<Option<String>> =
            looks.iter().map(|look| filter::all_of(look.number.as_deref(), look.reference.as_deref())).collect();
        let mut found: Answered<Vec<Option<Vec<RemoteDocument>>>> = crate::exec::call::nothing();
        found.value = vec![None; looks.len()];
        let mut rest: Vec<(usize, &String)> =
            clauses.iter().enumerate().filter_map(|(place, clause)| Some((place, clause.as_ref()?))).collect();
        while !rest.is_empty() {
            let (places, condition) = filter_of(&mut rest);
            let call = Call::read("look_for_invoices", "/Invoices", "/Invoices".to_owned(), Subject::Place)
                .with("where", condition)
                .with("page", "1")
                .with("pageSize", PAGE.to_string())
                .with("unitdp", "4");
            let (reply, answer): (_, InvoicesAnswer) = self.caller.list(access, call).await?;
            if answer.invoices.len() >= PAGE {
                // More than anybody can have under these numbers: each is looked for alone.
                continue;
            }
            let documents = sales(&reply, answer)?;
            for (place, look) in places.into_iter().filter_map(|place| Some((place, *looks.get(place)?))) {
                if let Some(slot) = found.value.get_mut(place) {
                    *slot = Some(documents.iter().filter(|document| is_looked_for(document, look)).cloned().collect());
                }
            }
            found = reply.answered(found.value);
        }
        Ok(found)
    }

    /// Contacts by our marks, archived ones included, as one look is.
    async fn look_for_marks(&self, access: Access<'_>, looks: &[&Look]) -> Result<Answered<Vec<Option<Vec<Contact>>>>, Failure> {
        let clauses: Vec<Option<String>> =
            looks.iter().map(|look| look.mark.as_deref().and_then(|mark| filter::equals("ContactNumber", mark))).collect();
        let mut found: Answered<Vec<Option<Vec<Contact>>>> = crate::exec::call::nothing();
        found.value = vec![None; looks.len()];
        let mut rest: Vec<(usize, &String)> =
            clauses.iter().enumerate().filter_map(|(place, clause)| Some((place, clause.as_ref()?))).collect();
        while !rest.is_empty() {
            let (places, condition) = filter_of(&mut rest);
            let call = Call::read("find_contacts_by_mark", "/Contacts", "/Contacts".to_owned(), Subject::Place)
                .with("where", condition)
                .with("includeArchived", "true")
                .with("page", "1")
                .with("pageSize", PAGE.to_string());
            let (reply, answer): (_, ContactsAnswer) = self.caller.list(access, call).await?;
            if answer.contacts.len() >= PAGE {
                continue;
            }
            let contacts = Self::contacts(&reply, answer)?;
            for (place, look) in places.into_iter().filter_map(|place| Some((place, *looks.get(place)?))) {
                if let Some(slot) = found.value.get_mut(place) {
                    *slot = Some(contacts.iter().filter(|contact| contact.our_mark == look.mark).cloned().collect());
                }
            }
            found = reply.answered(found.value);
        }
        Ok(found)
    }
}

/// The first of these clauses that one filter holds, at least one, with the places that they are for.
fn filter_of<'c>(rest: &mut Vec<(usize, &'c String)>) -> (Vec<usize>, String) {
    let mut length = 0;
    let fitting = rest.iter().take(PROFILE.batch).take_while(|(_, clause)| {
        length += encoded(clause).len() + encoded(filter::OR).len();
        length <= FILTER_MAX
    });
    let count = fitting.count().max(1).min(rest.len());
    let some: Vec<(usize, &'c String)> = rest.drain(..count).collect();
    let condition = some.iter().map(|(_, clause)| clause.as_str()).collect::<Vec<_>>().join(filter::OR);
    (some.into_iter().map(|(place, _)| place).collect(), condition)
}

/// Whether a document has a look's number or reference.
fn is_looked_for(document: &RemoteDocument, look: &Look) -> bool {
    let same = |wanted: &Option<String>, there: &Option<String>| {
        wanted.as_deref().is_some_and(|wanted| there.as_deref().map(str::trim) == Some(wanted.trim()))
    };
    same(&look.number, &document.number) || same(&look.reference, &document.reference)
}

/// The sales documents of an answer, each with an id.
fn sales(reply: &Reply<'_, Cause>, answer: InvoicesAnswer) -> Result<Vec<RemoteDocument>, Failure> {
    let read = |wire: WireInvoice| {
        if !is_id(&wire.id) {
            return Err(reply.unexpected("an invoice without an id"));
        }
        map::document(wire).map_err(|why| reply.unexpected(why))
    };
    answer.invoices.into_iter().filter(map::is_sales).map(read).collect()
}

/// What one element of an answer says of its row. An id that two rows are answered with is neither's.
fn saved_invoice(
    reply: &Reply<'_, Cause>,
    sent: &Sent,
    found: Option<WireInvoice>,
    seen: &mut Vec<String>,
) -> Result<Answered<RemoteDocument>, Failure> {
    let mut wire = found.ok_or_else(|| reply.unexpected(UNTOLD))?;
    let state = wire.take_state();
    if state.is_refused() {
        return Err(outcome::refused(&reply.asked, &reply.answer, &state));
    }
    let same = sent.id.as_deref().is_none_or(|id| id.eq_ignore_ascii_case(&wire.id));
    if !is_id(&wire.id) || !same || !map::is_sales(&wire) || seen.contains(&wire.id) {
        return Err(reply.unexpected(UNTOLD));
    }
    seen.push(wire.id.clone());
    let document = map::document(wire).map_err(|why| reply.unexpected(why))?;
    Ok(reply.answered(document))
}

fn saved_contact(reply: &Reply<'_, Cause>, found: Option<WireContact>, seen: &mut Vec<String>) -> Result<Answered<Contact>, Failure> {
    let mut wire = found.ok_or_else(|| reply.unexpected(UNTOLD))?;
    let state = wire.take_state();
    if state.is_refused() {
        return Err(outcome::refused(&reply.asked, &reply.answer, &state));
    }
    if !is_id(&wire.id) || seen.contains(&wire.id) {
        return Err(reply.unexpected(UNTOLD));
    }
    seen.push(wire.id.clone());
    Ok(reply.answered(map::contact(wire)))
}

impl BatchCreates for Xero {
    fn bound(&self) -> BatchBound {
        BatchBound { rows: PROFILE.batch, bytes: BODY_MAX }
    }

    fn create_documents<'a>(&'a self, access: Access<'a>, rows: &'a [BatchWrite<'a>], key: &'a str) -> Batched<'a, RemoteDocument> {
        let operation = Operation { name: "create_invoices", route: "/Invoices" };
        // PUT can only make: a number that is taken is refused, and never edits somebody else's invoice.
        Box::pin(self.write_invoices(access, operation, Method::PUT, rows, key))
    }

    fn create_contacts<'a>(&'a self, access: Access<'a>, rows: &'a [BatchWrite<'a>], key: &'a str) -> Batched<'a, Contact> {
        Box::pin(self.write_contacts(access, rows, key))
    }

    fn look_contacts<'a>(&'a self, access: Access<'a>, looks: &'a [&'a Look]) -> Called<'a, Vec<Option<Vec<Contact>>>> {
        Box::pin(self.look_for_marks(access, looks))
    }
}

impl BatchUpdates for Xero {
    fn bound(&self) -> BatchBound {
        BatchBound { rows: PROFILE.batch, bytes: BODY_MAX }
    }

    fn update_documents<'a>(&'a self, access: Access<'a>, rows: &'a [BatchWrite<'a>], key: &'a str) -> Batched<'a, RemoteDocument> {
        let operation = Operation { name: "update_invoices", route: "/Invoices" };
        // POST makes or changes: every element names its invoice by id, so that none can be chosen by its number.
        Box::pin(self.write_invoices(access, operation, Method::POST, rows, key))
    }
}

impl BatchReads for Xero {
    fn read_documents<'a>(&'a self, access: Access<'a>, external_ids: &'a [&'a str]) -> Called<'a, Vec<Option<RemoteDocument>>> {
        Box::pin(self.read_invoices(access, external_ids))
    }

    fn look_documents<'a>(&'a self, access: Access<'a>, looks: &'a [&'a Look]) -> Called<'a, Vec<Option<Vec<RemoteDocument>>>> {
        Box::pin(self.look_for_several(access, looks))
    }
}

#[cfg(test)]
mod tests;
