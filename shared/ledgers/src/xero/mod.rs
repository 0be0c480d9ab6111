//! Xero: the calls.

mod batches;
mod changes;
mod claims;
mod contact_list;
mod filter;
mod fixit;
mod map;
mod outcome;
mod payments;
mod profile;
mod sign_in;
mod wire;

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use coportal_core::contact::{Contact, ContactContent};
use coportal_core::document::{DocumentWrite, RemoteDocument, Removal};
use coportal_core::facts::Facts;
use coportal_core::failure::Failure;
use coportal_core::sync::row::Look;
use coportal_core::text;
use futures_util::future;
use http::Method;
use serde::Deserialize;

use self::fixit::Cause;
pub use self::profile::XeroEndpoints;
use self::profile::{KEYS, PROFILE, RULES};
use self::wire::{Accounts, ContactsAnswer, Currencies, InvoicesAnswer, Organisations, TaxRates, WireContact, WireInvoice};
use crate::batches::Batches;
use crate::exec::call::{Call, Caller, Reply, Tenancy, nothing};
use crate::exec::{Executor, Operation, encoded, headers};
use crate::judge::{self, Subject};
use crate::{Access, Answered, Called, Contacts, Documents, Drafts, LedgerApi, ReadFacts};

/// Xero, sending through `executor`.
pub(crate) fn api(executor: Executor, endpoints: XeroEndpoints) -> LedgerApi {
    let caller = Caller {
        executor: executor.clone(),
        base: endpoints.api.as_str().trim_end_matches('/').to_owned(),
        tenancy: Tenancy::Header("xero-tenant-id"),
        idempotency: Some(KEYS),
        always: &[],
        catalogue: PhantomData,
    };
    let calls = Arc::new(Xero { caller });
    LedgerApi {
        rules: RULES,
        profile: &PROFILE,
        sign_in: Arc::new(sign_in::XeroSignIn::new(executor, endpoints)),
        facts: calls.clone(),
        contacts: calls.clone(),
        contact_list: calls.clone(),
        documents: calls.clone(),
        batches: Batches { creates: Some(calls.clone()), updates: Some(calls.clone()), reads: Some(calls.clone()) },
        changes: calls.clone(),
        drafts: Some(calls.clone()),
        stepwise: None,
        payments: Some(calls),
        notice: None,
    }
}

/// The Accounting API.
struct Xero {
    caller: Caller<Cause>,
}

/// Contacts, or payments, of one search: as many as a page may have (docs/vendors/xero.md, section 2).
const SEARCH_PAGE: usize = 1_000;

/// A full page may lack what is looked for (a text search shows whatever has the words), so that nothing can be said of it: taken for a
/// miss, it would make a second contact or payment.
fn whole(reply: &Reply<'_, Cause>, records: usize) -> Result<(), Failure> {
    if records < SEARCH_PAGE { Ok(()) } else { Err(reply.unexpected("more records fit than one page can show")) }
}

/// Invoices of one page of a look-up, which come with their lines, and the most pages that one looks through.
const LOOK_PAGE: usize = 100;
const LOOK_PAGES: usize = 20;

/// A create by PUT, which can only make; an update by POST to the id, which can only change this one ("Invoices", "Contacts").
fn write<'a>(
    names: [&'static str; 2],
    routes: [&'static str; 2],
    external_id: Option<&str>,
    body: &[u8],
    key: &'a str,
    subject: Subject,
) -> Call<'a> {
    let [create, update] = names;
    let [all, one] = routes;
    let body = Bytes::copy_from_slice(body);
    let call = match external_id {
        None => Call::write(Operation { name: create, route: all }, Method::PUT, all.to_owned(), body, key, Subject::Place),
        Some(id) => Call::write(Operation { name: update, route: one }, Method::POST, format!("{all}/{}", encoded(id)), body, key, subject),
    };
    // Said always: the published default and the vendor's prose disagree.
    call.with("summarizeErrors", "true")
}

impl Xero {
    async fn read_facts(&self, access: Access<'_>) -> Result<Answered<Facts>, Failure> {
        let place = |name, route: &'static str| Call::read(name, route, route.to_owned(), Subject::Place);
        // Two in flight, so that syncs go on beside them below the vendor's five; every answer is awaited, so that a failure leaves nothing
        // running.
        let (organisations, rates) = future::join(
            self.caller.list::<Organisations>(access, place("read_organisation", "/Organisation")),
            self.caller.list::<TaxRates>(access, place("list_tax_rates", "/TaxRates")),
        )
        .await;
        let ((reply, organisations), (rates_reply, rates)) = (organisations?, rates?);
        let (accounts, currencies) = future::join(
            self.caller.list::<Accounts>(access, place("list_accounts", "/Accounts").with("where", r#"Status=="ACTIVE""#)),
            self.caller.list::<Currencies>(access, place("list_currencies", "/Currencies")),
        )
        .await;
        let ((accounts_reply, accounts), (currencies_reply, currencies)) = (accounts?, currencies?);
        let organisation = organisations.organisations.into_iter().next().ok_or_else(|| reply.unexpected("no organisation"))?;
        if organisation.id.as_deref().is_some_and(|id| !id.eq_ignore_ascii_case(access.organisation)) {
            return Err(reply.unexpected("the answer is about another organisation"));
        }
        let facts = map::facts(organisation, rates.tax_rates, accounts.accounts, currencies.currencies, access.now)
            .map_err(|cause| judge::unusable(&reply.asked, cause, &reply.answer))?;
        let mut answered = reply.answered(facts);
        for other in [&rates_reply, &accounts_reply, &currencies_reply] {
            answered.limits = answered.limits.tighter(headers::limits(other.answer.headers()));
        }
        Ok(answered)
    }

    /// Contacts of an answer that must all have an id.
    fn contacts(reply: &Reply<'_, Cause>, answer: ContactsAnswer) -> Result<Vec<Contact>, Failure> {
        whole(reply, answer.contacts.len())?;
        if answer.contacts.iter().any(|contact| !is_id(&contact.id)) {
            return Err(reply.unexpected("a contact without an id"));
        }
        Ok(answer.contacts.into_iter().map(map::contact).collect())
    }

    async fn search_contacts(
        &self,
        access: Access<'_>,
        email: Option<&str>,
        name: Option<&str>,
    ) -> Result<Answered<Vec<Contact>>, Failure> {
        let name = name.map(map::contact_name).filter(|name| !name.is_empty());
        let email = email.map(str::trim).filter(|email| !email.is_empty());
        let Some((parameter, value)) = filter::either([("EmailAddress", email), ("Name", name.as_deref())]) else {
            return Ok(nothing());
        };
        let call = Call::read("search_contacts", "/Contacts", "/Contacts".to_owned(), Subject::Place)
            .with(parameter, value)
            .with("includeArchived", "true")
            .with("page", "1")
            .with("pageSize", SEARCH_PAGE.to_string());
        let (reply, answer) = self.caller.list(access, call).await?;
        let (email, name) = (email.map(text::email_key), name.as_deref().map(text::name_key));
        let fits = |contact: &Contact| {
            let by_email = email.is_some() && contact.email.as_deref().map(text::email_key) == email;
            by_email || (name.is_some() && Some(text::name_key(&contact.name)) == name)
        };
        let found = Self::contacts(&reply, answer)?.into_iter().filter(fits).collect();
        Ok(reply.answered(found))
    }

    async fn contacts_by_mark(&self, access: Access<'_>, mark: &str) -> Result<Answered<Vec<Contact>>, Failure> {
        let Some((parameter, value)) = filter::either([("ContactNumber", Some(mark)), ("ContactNumber", None)]) else {
            return Ok(nothing());
        };
        let call = Call::read("find_contact_by_mark", "/Contacts", "/Contacts".to_owned(), Subject::Place)
            .with(parameter, value)
            .with("includeArchived", "true")
            .with("page", "1")
            .with("pageSize", SEARCH_PAGE.to_string());
        let (reply, answer) = self.caller.list(access, call).await?;
        let found = Self::contacts(&reply, answer)?.into_iter().filter(|contact| contact.our_mark.as_deref() == Some(mark)).collect();
        Ok(reply.answered(found))
    }

    async fn contact(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<Contact>>, Failure> {
        let path = format!("/Contacts/{}", encoded(external_id));
        let reply = self.caller.exchange(access, Call::read("read_contact", "/Contacts/{id}", path, Subject::Contact)).await?;
        match reply.status() {
            404 => Ok(reply.answered(None)),
            200..=299 => {
                let contact = one_contact(&reply, Some(external_id))?;
                Ok(reply.answered(Some(contact)))
            }
            _ => Err(reply.failure()),
        }
    }

    async fn put_contact(
        &self,
        access: Access<'_>,
        external_id: Option<&str>,
        body: &[u8],
        key: &str,
    ) -> Result<Answered<Contact>, Failure> {
        let call = write(["create_contact", "update_contact"], ["/Contacts", "/Contacts/{id}"], external_id, body, key, Subject::Contact);
        let reply = self.caller.send(access, call).await?;
        let contact = one_contact(&reply, external_id)?;
        Ok(reply.answered(contact))
    }

    async fn document(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<RemoteDocument>>, Failure> {
        let path = format!("/Invoices/{}", encoded(external_id));
        let call = Call::read("read_invoice", "/Invoices/{id}", path, Subject::Document).with("unitdp", "4");
        let reply = self.caller.exchange(access, call).await?;
        match reply.status() {
            404 => Ok(reply.answered(None)),
            200..=299 => {
                let wire = one_invoice(&reply, Some(external_id))?;
                // A bill is no sales document, whatever its id.
                let document = map::is_sales(&wire).then(|| map::document(wire)).transpose().map_err(|why| reply.unexpected(why))?;
                Ok(reply.answered(document))
            }
            _ => Err(reply.failure()),
        }
    }

    async fn look_for(&self, access: Access<'_>, look: &Look) -> Result<Answered<Vec<RemoteDocument>>, Failure> {
        if let Some(id) = &look.external_id {
            return Ok(self.document(access, id).await?.map(|found| found.into_iter().collect()));
        }
        let call = Call::read("look_for_invoice", "/Invoices", "/Invoices".to_owned(), Subject::Place);
        let by_text = look.number.is_some() || look.reference.is_some();
        let call = match (look.number.as_deref(), look.reference.as_deref(), look.contact.as_deref()) {
            // The list parameter is the vendor's fast way; it splits at commas.
            (Some(number), None, _) if !number.contains(',') => call.with("InvoiceNumbers", number),
            (None, None, Some(contact)) => {
                // Neither number nor reference was sent: the contact's newest documents of ours.
                call.with("ContactIDs", contact).with("createdByMyApp", "true").with("order", "UpdatedDateUTC DESC")
            }
            (number, reference, _) => match filter::either([("InvoiceNumber", number), ("Reference", reference)]) {
                Some((parameter, value)) => call.with(parameter, value),
                None => return Ok(nothing()),
            },
        };
        // Without a page the vendor leaves the lines out.
        let page =
            |number: usize| call.clone().with("pageSize", LOOK_PAGE.to_string()).with("page", number.to_string()).with("unitdp", "4");
        let (mut reply, answer): (_, InvoicesAnswer) = self.caller.list(access, page(1)).await?;
        let (mut invoices, mut pages) = (answer.invoices, 1);
        // A text search shows whatever has the words, so that what is looked for may stand on the next page. By contact the newest alone
        // are wanted.
        while by_text && invoices.len() >= LOOK_PAGE * pages {
            if pages == LOOK_PAGES {
                return Err(reply.unexpected("more invoices fit than can be looked through"));
            }
            pages += 1;
            let (next, answer): (_, InvoicesAnswer) = self.caller.list(access, page(pages)).await?;
            reply = next;
            invoices.extend(answer.invoices);
        }
        let mut found = Vec::new();
        for wire in invoices.into_iter().filter(map::is_sales) {
            if !is_id(&wire.id) {
                return Err(reply.unexpected("an invoice without an id"));
            }
            let document = map::document(wire).map_err(|why| reply.unexpected(why))?;
            let same = |wanted: &Option<String>, there: &Option<String>| {
                wanted.as_deref().is_some_and(|wanted| there.as_deref().map(str::trim) == Some(wanted.trim()))
            };
            let of_contact = look.contact.as_deref().is_some_and(|contact| document.contact.eq_ignore_ascii_case(contact));
            let fits = same(&look.number, &document.number) || same(&look.reference, &document.reference);
            if if by_text { fits } else { of_contact } {
                found.push(document);
            }
        }
        Ok(reply.answered(found))
    }

    async fn put_document(
        &self,
        access: Access<'_>,
        external_id: Option<&str>,
        body: &[u8],
        key: &str,
    ) -> Result<Answered<RemoteDocument>, Failure> {
        let call = write(["create_invoice", "update_invoice"], ["/Invoices", "/Invoices/{id}"], external_id, body, key, Subject::Document);
        let reply = self.caller.send(access, call.with("unitdp", "4")).await?;
        let wire = one_invoice(&reply, external_id)?;
        if !map::is_sales(&wire) {
            return Err(reply.unexpected("the answer is about a bill"));
        }
        let document = map::document(wire).map_err(|why| reply.unexpected(why))?;
        if number_of(body).is_some_and(|sent| document.number.as_deref() != Some(sent.as_str())) {
            return Err(reply.unexpected("the answer is about another invoice"));
        }
        Ok(reply.answered(document))
    }
}

/// The number that a body asks for.
fn number_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Invoice {
        #[serde(default, rename = "InvoiceNumber")]
        number: Option<String>,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "Invoices")]
        invoices: Vec<Invoice>,
    }
    serde_json::from_slice::<Body>(body).ok()?.invoices.into_iter().next()?.number
}

/// Refused elements come with no id, or one of zeros only.
fn is_id(id: &str) -> bool {
    id.bytes().any(|byte| byte.is_ascii_alphanumeric() && byte != b'0')
}

/// The one contact that an answer must be about.
fn one_contact(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<Contact, Failure> {
    let answer: ContactsAnswer = reply.read()?;
    let mut contacts: Vec<WireContact> = answer.contacts;
    if let [only] = contacts.as_mut_slice() {
        let state = only.take_state();
        if state.is_refused() {
            return Err(outcome::refused(&reply.asked, &reply.answer, &state));
        }
    }
    match (contacts.pop(), contacts.is_empty()) {
        (Some(contact), true) if is_same(&contact.id, external_id) => Ok(map::contact(contact)),
        _ => Err(reply.unexpected("the answer is not about this one contact")),
    }
}

/// The one invoice that an answer must be about.
fn one_invoice(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<WireInvoice, Failure> {
    let answer: InvoicesAnswer = reply.read()?;
    let mut invoices = answer.invoices;
    if let [only] = invoices.as_mut_slice() {
        let state = only.take_state();
        if state.is_refused() {
            return Err(outcome::refused(&reply.asked, &reply.answer, &state));
        }
    }
    match (invoices.pop(), invoices.is_empty()) {
        (Some(invoice), true) if is_same(&invoice.id, external_id) => Ok(invoice),
        _ => Err(reply.unexpected("the answer is not about this one invoice")),
    }
}

/// Whether an answer's id is an id, and the one that was asked for.
fn is_same(id: &str, wanted: Option<&str>) -> bool {
    is_id(id) && wanted.is_none_or(|wanted| id.eq_ignore_ascii_case(wanted))
}

impl ReadFacts for Xero {
    fn facts<'a>(&'a self, access: Access<'a>) -> Called<'a, Facts> {
        Box::pin(self.read_facts(access))
    }
}

impl Contacts for Xero {
    fn contact_body(&self, content: &ContactContent, there: Option<&Contact>) -> Vec<u8> {
        map::contact_body(content, there.is_some())
    }

    fn search<'a>(&'a self, access: Access<'a>, email: Option<&'a str>, name: Option<&'a str>) -> Called<'a, Vec<Contact>> {
        Box::pin(self.search_contacts(access, email, name))
    }

    fn look_contact<'a>(&'a self, access: Access<'a>, look: &'a Look) -> Called<'a, Vec<Contact>> {
        Box::pin(self.contacts_by_mark(access, look.mark.as_deref().unwrap_or_default()))
    }

    fn read_contact<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<Contact>> {
        Box::pin(self.contact(access, external_id))
    }

    fn write_contact<'a>(&'a self, access: Access<'a>, external_id: Option<&'a str>, body: &'a [u8], key: &'a str) -> Called<'a, Contact> {
        Box::pin(self.put_contact(access, external_id, body, key))
    }
}

impl Documents for Xero {
    fn document_body(&self, write: &DocumentWrite) -> Vec<u8> {
        map::document_body(write)
    }

    fn void_body(&self, there: &RemoteDocument, _how: Removal) -> Vec<u8> {
        // Only a draft can be deleted; an approved invoice that is to go is voided ("Invoices", status codes).
        map::void_body(&there.external_id, there.status)
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
        Box::pin(self.put_document(access, Some(external_id), body, key))
    }

    fn document_url(&self, facts: &Facts, _organisation: &str, document: &RemoteDocument) -> Option<String> {
        let code = facts.short_code.as_deref().filter(|code| !code.is_empty())?;
        let (code, id) = (encoded(code), encoded(&document.external_id));
        Some(format!("https://go.xero.com/app/{code}/invoicing/view/{id}"))
    }
}

impl Drafts for Xero {
    fn approve_body(&self, there: &RemoteDocument) -> Vec<u8> {
        map::approve_body(&there.external_id)
    }

    fn approve_document<'a>(
        &'a self,
        access: Access<'a>,
        external_id: &'a str,
        body: &'a [u8],
        key: &'a str,
    ) -> Called<'a, RemoteDocument> {
        Box::pin(self.put_document(access, Some(external_id), body, key))
    }
}

#[cfg(test)]
mod tests;
