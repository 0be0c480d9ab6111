//! QuickBooks Online: the calls.

mod batches;
mod body;
mod changes;
mod contact_list;
mod fixit;
mod map;
mod note;
mod outcome;
mod profile;
mod query;
mod sign_in;
mod wire;

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use coportal_core::contact::{Contact, ContactContent};
use coportal_core::document::{DocumentWrite, Paid, PaymentWrite, RemoteDocument, RemotePayment, Removal};
use coportal_core::facts::Facts;
use coportal_core::failure::Failure;
use coportal_core::sync::row::Look;
use http::Method;
use serde::Deserialize;

use self::body::{BatchBody, BatchQuery};
use self::fixit::Cause;
use self::map::{contact, document, facts, payment};
pub use self::profile::QuickBooksEndpoints;
use self::profile::{ALWAYS, KEYS, PROFILE, RULES};
use self::wire::{BatchAnswer, CustomerAnswer, Found, InvoiceAnswer, PaymentAnswer, QueryAnswer, WireCustomer, WireInvoice};
use crate::batches::Batches;
use crate::exec::call::{Call, Caller, Reply, Tenancy, nothing};
use crate::exec::{Cost, Executor, Operation, encoded};
use crate::judge::{self, Subject};
use crate::{Access, Answered, Called, Contacts, Documents, LedgerApi, Payments, ReadFacts, json};

/// QuickBooks Online, sending through `executor`.
pub(crate) fn api(executor: Executor, endpoints: QuickBooksEndpoints) -> LedgerApi {
    let caller = Caller {
        executor: executor.clone(),
        base: endpoints.api.as_str().trim_end_matches('/').to_owned(),
        tenancy: Tenancy::Path(company_path),
        idempotency: Some(KEYS),
        always: ALWAYS,
        catalogue: PhantomData,
    };
    let calls = Arc::new(QuickBooks { caller, sandbox: endpoints.sandbox });
    LedgerApi {
        rules: RULES,
        profile: &PROFILE,
        sign_in: Arc::new(sign_in::QuickBooksSignIn::new(executor, endpoints)),
        facts: calls.clone(),
        contacts: calls.clone(),
        contact_list: calls.clone(),
        documents: calls.clone(),
        // A create is never one of many: a batch that is sent again answers faults instead of what it made (section 3).
        batches: Batches { creates: None, updates: Some(calls.clone()), reads: Some(calls.clone()) },
        changes: calls.clone(),
        // An invoice posts when it is made: there is nothing to approve (C8).
        drafts: None,
        stepwise: None,
        payments: Some(calls),
        notice: None,
    }
}

/// The Accounting API.
struct QuickBooks {
    caller: Caller<Cause>,
    sandbox: bool,
}

/// Where every path begins: the company.
fn company_path(realm: &str) -> Option<String> {
    is_realm(realm).then(|| format!("/{realm}"))
}

/// A company's id is a number.
fn is_realm(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// So are the ids of its records. Refused ones are not answered with an id.
fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Most records of a page, and the most pages that are read of one list.
const PAGE: usize = 1000;
const PAGES_MAX: usize = 10;

/// Our key, no longer than the vendor takes: of 256 bits of a digest, 200 stay.
fn request_id(key: &str) -> &str {
    key.get(..KEYS.key_max).unwrap_or(key)
}

impl QuickBooks {
    /// One query.
    async fn query<'a>(&self, access: Access<'a>, name: &'static str, text: &str) -> Result<(Reply<'a, Cause>, Found), Failure> {
        let call = Call::read(name, "/query", "/query".to_owned(), Subject::Place).with("query", text);
        let (reply, answer) = self.caller.list::<QueryAnswer>(access, call).await?;
        Ok((reply, answer.query_response))
    }

    /// Several queries in one call. Each answers for itself; one that is refused fails them all.
    async fn queries<'a>(
        &self,
        access: Access<'a>,
        name: &'static str,
        texts: &[String],
    ) -> Result<(Reply<'a, Cause>, Vec<Found>), Failure> {
        let items = texts.iter().enumerate().map(|(index, query)| BatchQuery { id: format!("q{index}"), query });
        let body = json::bytes(&BatchBody { batch_item_request: items.collect() });
        let mut call = Call::read(name, "/batch", "/batch".to_owned(), Subject::Place);
        call.method = Method::POST;
        call.cost = Cost { calls: 1, batch: true };
        call.body = Some(Bytes::from(body));
        let (reply, answer) = self.caller.list::<BatchAnswer>(access, call).await?;
        let mut items = answer.batch_item_response;
        let mut found = Vec::with_capacity(texts.len());
        for index in 0..texts.len() {
            let place = items.iter().position(|item| item.id == format!("q{index}"));
            let item = place.map(|place| items.swap_remove(place)).ok_or_else(|| reply.unexpected("a query of the batch has no answer"))?;
            if let Some(fault) = item.fault {
                return Err(outcome::refused(&reply.asked, &reply.answer, &fault.errors));
            }
            found.push(item.found.ok_or_else(|| reply.unexpected("a query of the batch has no result"))?);
        }
        Ok((reply, found))
    }

    /// What one or two queries find, in one call.
    async fn either<'a>(
        &self,
        access: Access<'a>,
        name: &'static str,
        texts: &[String],
    ) -> Result<Option<(Reply<'a, Cause>, Found)>, Failure> {
        match texts {
            [] => Ok(None),
            [only] => self.query(access, name, only).await.map(Some),
            several => {
                let (reply, lists) = self.queries(access, name, several).await?;
                let mut all = Found::default();
                for found in lists {
                    all.extend(found);
                }
                Ok(Some((reply, all)))
            }
        }
    }

    async fn read_facts(&self, access: Access<'_>) -> Result<Answered<Facts>, Failure> {
        let first = [
            "select * from CompanyInfo".to_owned(),
            "select * from Preferences".to_owned(),
            page_of("TaxRate", "Active = true", 1),
            page_of("TaxCode", "Active = true", 1),
            page_of("Item", "Active = true and Type in ('Service', 'NonInventory')", 1),
            page_of("Account", "Active = true and AccountType in ('Income', 'Bank', 'Other Current Asset')", 1),
        ];
        let (reply, lists) = self.queries(access, "read_company", &first).await?;
        let mut all = Found::default();
        for (found, text) in lists.into_iter().zip(&first) {
            let full = all.extend(found) >= PAGE;
            if full {
                self.further_pages(access, text, &mut all).await?;
            }
        }
        if facts::has_currencies(&all) {
            let (_, found) = self.query(access, "list_currencies", &page_of("CompanyCurrency", "Active = true", 1)).await?;
            all.extend(found);
        }
        let company = all.company_info.pop().ok_or_else(|| reply.unexpected("no company"))?;
        let facts = facts::facts(company, all, access.now).map_err(|cause| judge::unusable(&reply.asked, cause, &reply.answer))?;
        Ok(reply.answered(facts))
    }

    /// The pages behind a full first one, which `text` asked for.
    async fn further_pages(&self, access: Access<'_>, text: &str, all: &mut Found) -> Result<(), Failure> {
        for page in 1..PAGES_MAX {
            let start = page * PAGE + 1;
            let next = text.replace("startposition 1 ", &format!("startposition {start} "));
            let (_, found) = self.query(access, "read_company_page", &next).await?;
            if all.extend(found) < PAGE {
                break;
            }
        }
        Ok(())
    }

    /// Customers of an answer that must all have an id.
    fn customers(reply: &Reply<'_, Cause>, found: Vec<WireCustomer>) -> Result<Vec<WireCustomer>, Failure> {
        if found.iter().any(|customer| !is_id(&customer.id)) {
            return Err(reply.unexpected("a customer without an id"));
        }
        Ok(found)
    }

    async fn find_customers(
        &self,
        access: Access<'_>,
        operation: &'static str,
        email: Option<&str>,
        name: Option<&str>,
    ) -> Result<Answered<Vec<Contact>>, Failure> {
        let email = email.map(str::trim).filter(|email| !email.is_empty());
        let spelt = name.map(contact::display_name).filter(|name| !name.is_empty());
        // The language has no OR: two queries, in one call.
        let texts: Vec<String> =
            [spelt.as_deref().map(query::customers_named), email.map(query::customers_mailed)].into_iter().flatten().collect();
        let Some((reply, found)) = self.either(access, operation, &texts).await? else { return Ok(nothing()) };
        let found = Self::customers(&reply, found.customer)?;
        Ok(reply.answered(contact::fitting(found, email, name)))
    }

    async fn customer(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<Contact>>, Failure> {
        let path = format!("/customer/{}", encoded(external_id));
        let reply = self.caller.exchange(access, Call::read("read_customer", "/customer/{id}", path, Subject::Contact)).await?;
        if is_missing(&reply) {
            return Ok(reply.answered(None));
        }
        if !reply.is_success() {
            return Err(reply.failure());
        }
        let contact = one_customer(&reply, Some(external_id))?;
        Ok(reply.answered(Some(contact)))
    }

    async fn put_customer(
        &self,
        access: Access<'_>,
        external_id: Option<&str>,
        body: &[u8],
        key: &str,
    ) -> Result<Answered<Contact>, Failure> {
        let (name, subject) = match external_id {
            Some(_) => ("update_customer", Subject::Contact),
            None => ("create_customer", Subject::Place),
        };
        let call = write(Operation { name, route: "/customer" }, Bytes::copy_from_slice(body), key, subject);
        let reply = self.caller.send(access, call).await?;
        let contact = one_customer(&reply, external_id)?;
        Ok(reply.answered(contact))
    }

    async fn invoice(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<RemoteDocument>>, Failure> {
        let path = format!("/invoice/{}", encoded(external_id));
        let reply = self.caller.exchange(access, Call::read("read_invoice", "/invoice/{id}", path, Subject::Document)).await?;
        if is_missing(&reply) {
            return Ok(reply.answered(None));
        }
        if !reply.is_success() {
            return Err(reply.failure());
        }
        let wire = one_invoice(&reply, Some(external_id))?;
        let document = document::document(wire).map_err(|why| reply.unexpected(why))?;
        Ok(reply.answered(Some(document)))
    }

    async fn look_for(&self, access: Access<'_>, look: &Look) -> Result<Answered<Vec<RemoteDocument>>, Failure> {
        if let Some(id) = &look.external_id {
            return Ok(self.invoice(access, id).await?.map(|found| found.into_iter().collect()));
        }
        // Notes cannot be searched: without a number of ours, the customer's invoices of that day are read, and the marks compared here.
        let text = match (look.number.as_deref(), look.contact.as_deref()) {
            (Some(number), _) => query::invoices_numbered(number),
            (None, Some(contact)) => query::invoices_of(contact, look.issue_date),
            (None, None) => return Ok(nothing()),
        };
        let (reply, found) = self.query(access, "look_for_invoice", &text).await?;
        let read = |wire: WireInvoice| {
            if !is_id(&wire.id) {
                return Err(reply.unexpected("an invoice without an id"));
            }
            document::document(wire).map_err(|why| reply.unexpected(why))
        };
        let found = found.invoice.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(reply.answered(found))
    }

    async fn put_invoice(
        &self,
        access: Access<'_>,
        external_id: Option<&str>,
        body: &[u8],
        key: &str,
    ) -> Result<Answered<RemoteDocument>, Failure> {
        let (name, subject) = match external_id {
            Some(_) => ("update_invoice", Subject::Document),
            None => ("create_invoice", Subject::Place),
        };
        let call = write(Operation { name, route: "/invoice" }, Bytes::copy_from_slice(body), key, subject);
        let reply = self.caller.send(access, call).await?;
        let wire = one_invoice(&reply, external_id)?;
        let document = document::document(wire).map_err(|why| reply.unexpected(why))?;
        // A request id that served another request is answered with that one's reply.
        if mark_of(body).is_some_and(|sent| document.url.as_ref() != Some(&sent)) {
            return Err(reply.unexpected("the answer is about another invoice"));
        }
        Ok(reply.answered(document))
    }

    async fn end_invoice(
        &self,
        access: Access<'_>,
        external_id: &str,
        body: &[u8],
        key: &str,
    ) -> Result<Answered<RemoteDocument>, Failure> {
        let ending: Option<document::Ending> = serde_json::from_slice(body).ok();
        let ending = ending.filter(|ending| ending.there.external_id == external_id);
        let operation = Operation { name: "end_invoice", route: "/invoice" };
        let sent = ending.as_ref().map(|ending| Bytes::copy_from_slice(ending.invoice.get().as_bytes()));
        let Some((ending, sent)) = ending.zip(sent) else {
            let call = write(operation, Bytes::new(), key, Subject::Document);
            return Err(self.caller.unsendable(access, &call, "the stored body does not end this invoice"));
        };
        let call = write(operation, sent, key, Subject::Document).with("operation", &*ending.operation);
        let reply = self.caller.send(access, call).await?;
        let wire = one_invoice(&reply, Some(external_id))?;
        let document = if document::is_deletion(&wire) {
            document::deleted(ending.there)
        } else {
            document::document(wire).map_err(|why| reply.unexpected(why))?
        };
        Ok(reply.answered(document))
    }

    async fn paid(&self, access: Access<'_>, document: &str) -> Result<Answered<Paid>, Failure> {
        let path = format!("/invoice/{}", encoded(document));
        let call = Call::read("read_invoice", "/invoice/{id}", path, Subject::Document);
        let reply = self.caller.exchange(access, call).await?;
        // What is deleted has nothing open because it is gone, and not because it is paid: that is told, and not reckoned with.
        if !reply.is_success() {
            return Err(reply.failure());
        }
        let wire = one_invoice(&reply, Some(document))?;
        let there = document::document(wire).map_err(|why| reply.unexpected(why))?;
        let balance = there.balance.ok_or_else(|| reply.unexpected("the invoice has no Balance"))?;
        let (reply, found) = self.query(access, "list_payments", &query::payments_of(&there.contact)).await?;
        if found.payment.iter().any(|payment| !is_id(&payment.id)) {
            return Err(reply.unexpected("a payment without an id"));
        }
        let payments = found.payment.into_iter().filter_map(|wire| payment::payment(wire, document)).collect();
        Ok(reply.answered(Paid { balance, contact: Some(there.contact), payments }))
    }

    async fn put_payment(&self, access: Access<'_>, body: &[u8], key: &str) -> Result<Answered<RemotePayment>, Failure> {
        let operation = Operation { name: "create_payment", route: "/payment" };
        let call = write(operation, Bytes::copy_from_slice(body), key, Subject::Place);
        let Some((document, mark)) = payment::named(body) else {
            return Err(self.caller.unsendable(access, &call, "the stored body names no invoice and mark"));
        };
        let reply = self.caller.send(access, call).await?;
        let wire = reply.read::<PaymentAnswer>()?.payment;
        let made = Some(wire).filter(|wire| is_id(&wire.id)).and_then(|wire| payment::payment(wire, &document));
        match made.filter(|made| made.mark.as_deref() == Some(mark.as_str())) {
            Some(made) => Ok(reply.answered(made)),
            None => Err(reply.unexpected("the answer is not about this payment")),
        }
    }
}

/// A page of an entity.
fn page_of(entity: &str, filter: &str, start: usize) -> String {
    format!("select * from {entity} where {filter} startposition {start} maxresults {PAGE}")
}

/// A POST to an entity: it makes, changes or ends by what the body and the query say.
fn write<'a>(operation: Operation, body: Bytes, key: &'a str, subject: Subject) -> Call<'a> {
    Call::write(operation, Method::POST, operation.route.to_owned(), body, request_id(key), subject)
}

/// The mark in a body's note.
fn mark_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "PrivateNote")]
        note: String,
    }
    note::read(&serde_json::from_slice::<Body>(body).ok()?.note).url
}

/// Whether an answer says that there is no record of this id: a 400 with code 610 (section 7).
fn is_missing(reply: &Reply<'_, Cause>) -> bool {
    let gone = |fault: wire::Fault| fault.errors.iter().any(|error| error.code == Some(610));
    !reply.is_success() && outcome::fault(&reply.answer).is_some_and(gone)
}

/// The one customer that an answer must be about.
fn one_customer(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<Contact, Failure> {
    let customer = reply.read::<CustomerAnswer>()?.customer;
    if is_same(&customer.id, external_id) {
        Ok(contact::contact(customer))
    } else {
        Err(reply.unexpected("the answer is not about this customer"))
    }
}

/// The one invoice that an answer must be about.
fn one_invoice(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<WireInvoice, Failure> {
    let invoice = reply.read::<InvoiceAnswer>()?.invoice;
    if is_same(&invoice.id, external_id) { Ok(invoice) } else { Err(reply.unexpected("the answer is not about this invoice")) }
}

/// Whether an answer's id is an id, and the one that was asked for.
fn is_same(id: &str, wanted: Option<&str>) -> bool {
    is_id(id) && wanted.is_none_or(|wanted| id == wanted)
}

impl ReadFacts for QuickBooks {
    fn facts<'a>(&'a self, access: Access<'a>) -> Called<'a, Facts> {
        Box::pin(self.read_facts(access))
    }
}

impl Contacts for QuickBooks {
    fn contact_body(&self, content: &ContactContent, there: Option<&Contact>) -> Vec<u8> {
        contact::body(content, there)
    }

    fn search<'a>(&'a self, access: Access<'a>, email: Option<&'a str>, name: Option<&'a str>) -> Called<'a, Vec<Contact>> {
        Box::pin(self.find_customers(access, "search_customers", email, name))
    }

    fn look_contact<'a>(&'a self, access: Access<'a>, look: &'a Look) -> Called<'a, Vec<Contact>> {
        // A lost create has its name: the address is compared by the caller.
        Box::pin(self.find_customers(access, "look_for_customer", None, look.name.as_deref()))
    }

    fn read_contact<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<Contact>> {
        Box::pin(self.customer(access, external_id))
    }

    fn write_contact<'a>(&'a self, access: Access<'a>, external_id: Option<&'a str>, body: &'a [u8], key: &'a str) -> Called<'a, Contact> {
        Box::pin(self.put_customer(access, external_id, body, key))
    }
}

impl Documents for QuickBooks {
    fn document_body(&self, write: &DocumentWrite) -> Vec<u8> {
        document::body(write)
    }

    fn void_body(&self, there: &RemoteDocument, how: Removal) -> Vec<u8> {
        document::ending(there, how)
    }

    fn read_document<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<RemoteDocument>> {
        Box::pin(self.invoice(access, external_id))
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
        Box::pin(self.put_invoice(access, external_id, body, key))
    }

    fn void_document<'a>(&'a self, access: Access<'a>, external_id: &'a str, body: &'a [u8], key: &'a str) -> Called<'a, RemoteDocument> {
        Box::pin(self.end_invoice(access, external_id, body, key))
    }

    fn document_url(&self, _facts: &Facts, _organisation: &str, document: &RemoteDocument) -> Option<String> {
        let host = if self.sandbox { "sandbox.qbo.intuit.com" } else { "qbo.intuit.com" };
        Some(format!("https://{host}/app/invoice?txnId={}", encoded(&document.external_id)))
    }
}

impl Payments for QuickBooks {
    fn payments<'a>(&'a self, access: Access<'a>, document: &'a str) -> Called<'a, Paid> {
        Box::pin(self.paid(access, document))
    }

    fn payment_body(&self, write: &PaymentWrite) -> Vec<u8> {
        payment::body(write)
    }

    fn write_payment<'a>(&'a self, access: Access<'a>, body: &'a [u8], key: &'a str) -> Called<'a, RemotePayment> {
        Box::pin(self.put_payment(access, body, key))
    }
}

#[cfg(test)]
mod tests;
