//! Customers (docs/vendors/business-central.md, section 4).

use bytes::Bytes;
use coportal_core::contact::{Contact, ContactContent};
use coportal_core::failure::{Disposition, Failure};
use coportal_core::sync::row::Look;
use coportal_core::text;
use http::{Method, Response};
use serde_json::value::RawValue;

use super::batch::{self, Inner};
use super::fixit::Cause;
use super::map::{self, CustomerWrite};
use super::place::Place;
use super::profile::PAGE;
use super::wire::{Page, WireCustomer};
use super::{BusinessCentral, Change, filter, outcome};
use crate::exec::call::{Call, Reply, nothing};
use crate::exec::{Operation, encoded};
use crate::judge::{Effect, Subject};
use crate::{Access, Answered, Called, Contacts};

/// The fields of a customer that are read; `lastModifiedDateTime` stands in for the time of its making.
pub(super) const FIELDS: &str =
    "id,displayName,email,phoneNumber,addressLine1,addressLine2,city,state,postalCode,country,blocked,lastModifiedDateTime";

impl BusinessCentral {
    fn customers(place: &Place, name: &'static str, condition: &str) -> Call<'static> {
        Self::read(place, name, "/customers", "/customers", Subject::Place).with("$filter", condition).with("$select", FIELDS)
    }

    async fn search_customers(
        &self,
        access: Access<'_>,
        email: Option<&str>,
        name: Option<&str>,
    ) -> Result<Answered<Vec<Contact>>, Failure> {
        let email = email.map(str::trim).filter(|email| !email.is_empty());
        let name = name.map(text::tidy).filter(|name| !name.is_empty());
        let fits = |wire: WireCustomer| {
            let contact = map::contact(wire);
            let contact = name.as_deref().map_or_else(|| contact.clone(), |name| map::with_whole_name(contact.clone(), name));
            let named = name.as_deref().is_some_and(|name| text::name_key(&contact.name) == text::name_key(name));
            match email.and_then(|email| map::with_email(contact.clone(), email)) {
                Some(found) => Some(found),
                None => named.then_some(contact),
            }
        };
        let conditions: Vec<String> =
            email.map(filter::by_email).into_iter().chain(name.as_deref().map(|name| filter::by_name(&map::contact_name(name)))).collect();
        let (reply, wires) = match conditions.as_slice() {
            [] => return Ok(nothing()),
            [only] => self.list(access, Self::customers(&Self::place(access)?, "search_customers", only), PAGE).await?,
            [by_email, by_name, ..] => self.either(access, by_email, by_name).await?,
        };
        let mut found: Vec<Contact> = Vec::new();
        for contact in wires.into_iter().filter_map(fits) {
            if !found.iter().any(|other| other.external_id == contact.external_id) {
                found.push(contact);
            }
        }
        Ok(reply.answered(found))
    }

    /// Customers that fit one of two conditions on different fields, which one filter cannot hold (section 3): two requests in one call, or
    /// in two where the environment takes no batches.
    async fn either<'a>(&self, access: Access<'a>, first: &str, second: &str) -> Result<(Reply<'a, Cause>, Vec<WireCustomer>), Failure> {
        let place = Self::place(access)?;
        let url = |condition: &str| place.below(&format!("/customers?$filter={}&$select={FIELDS}", encoded(condition)));
        let requests = [first, second].map(url);
        let inner: Vec<Inner<'_>> =
            requests.into_iter().enumerate().map(|(index, url)| Inner::new(index, "GET", url, None, None)).collect();
        let reply = self.batch(access, "search_customers", &inner, Effect::Read, Subject::Place).await?;
        if outcome::refuses_batch(&reply.answer) {
            let one = |condition: &str| self.list(access, Self::customers(&place, "search_customers", condition), PAGE);
            let (_, mut found) = one(first).await?;
            let (reply, more) = one(second).await?;
            found.extend(more);
            return Ok((reply, found));
        }
        if !reply.is_success() {
            return Err(reply.failure());
        }
        let answers = batch::answers(&reply, inner.len()).map_err(|(_, failure)| failure)?;
        let mut found = Vec::new();
        for answer in &answers {
            let page = page(&reply, answer)?;
            // A page of a batch holds 20,000 customers (section 8): more of one address or name are no answer that anybody can choose from.
            if page.next.is_some() {
                return Err(reply.unexpected("more customers of one name or address than a page holds"));
            }
            found.extend(page.value);
        }
        Ok((reply, found))
    }

    async fn customer(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<Contact>>, Failure> {
        let path = format!("/customers({})", encoded(external_id));
        let call = Self::read(&Self::place(access)?, "read_customer", "/customers({id})", &path, Subject::Contact).with("$select", FIELDS);
        let reply = self.caller.exchange(access, call).await?;
        if reply.is_success() {
            let contact = one(&reply, Some(external_id))?;
            return Ok(reply.answered(Some(contact)));
        }
        let failure = reply.failure();
        if outcome::is(&failure, Cause::ContactMissing) { Ok(reply.answered(None)) } else { Err(failure) }
    }

    async fn put_customer(&self, access: Access<'_>, external_id: Option<&str>, body: &[u8]) -> Result<Answered<Contact>, Failure> {
        let write: CustomerWrite = super::stored(access, body)?;
        let first = self.send_customer(access, external_id, &write.if_match, write.customer.as_deref()).await;
        let written = match (first, write.without_country.as_deref()) {
            // Nothing was done: this company does not have the country's code, and the customer is worth more than it.
            (Err(failure), Some(plain)) if outcome::is(&failure, Cause::CodeUnknown) => {
                self.send_customer(access, external_id, &write.if_match, Some(plain)).await
            }
            (first, _) => first,
        };
        let whole = |contact| match write.name.as_deref() {
            Some(name) => map::with_whole_name(contact, name),
            None => contact,
        };
        Ok(written?.map(whole))
    }

    async fn send_customer(
        &self,
        access: Access<'_>,
        external_id: Option<&str>,
        if_match: &Option<String>,
        body: Option<&RawValue>,
    ) -> Result<Answered<Contact>, Failure> {
        let body = body.map(|raw| Bytes::copy_from_slice(raw.get().as_bytes()));
        let change = match external_id {
            None => Change {
                operation: Operation { name: "create_customer", route: "/customers" },
                method: Method::POST,
                path: "/customers".to_owned(),
                if_match: None,
                body,
                subject: Subject::Place,
            },
            Some(id) => Change {
                operation: Operation { name: "update_customer", route: "/customers({id})" },
                method: Method::PATCH,
                path: format!("/customers({})", encoded(id)),
                if_match: if_match.as_deref(),
                body,
                subject: Subject::Contact,
            },
        };
        let reply = self.change(access, change).await?;
        let contact = one(&reply, external_id)?;
        Ok(reply.answered(contact))
    }
}

/// A page inside a batch.
fn page(reply: &Reply<'_, Cause>, answer: &Response<Bytes>) -> Result<Page<WireCustomer>, Failure> {
    serde_json::from_slice(answer.body()).map_err(|error| reply.unexpected(&format!("an answer of the batch has another shape: {error}")))
}

/// The one customer that an answer must be about.
fn one(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<Contact, Failure> {
    let contact = map::contact(reply.read()?);
    if external_id.is_some_and(|wanted| !contact.external_id.eq_ignore_ascii_case(wanted)) {
        return Err(reply.unexpected("the answer is about another customer"));
    }
    Ok(contact)
}

impl Contacts for BusinessCentral {
    fn contact_body(&self, content: &ContactContent, there: Option<&Contact>) -> Vec<u8> {
        map::contact_body(content, there)
    }

    fn search<'a>(&'a self, access: Access<'a>, email: Option<&'a str>, name: Option<&'a str>) -> Called<'a, Vec<Contact>> {
        Box::pin(self.search_customers(access, email, name))
    }

    fn look_contact<'a>(&'a self, access: Access<'a>, look: &'a Look) -> Called<'a, Vec<Contact>> {
        // One of the two suffices: what was made carries both, and the core compares them.
        let email = look.email.as_deref().filter(|email| !email.trim().is_empty());
        let name = look.name.as_deref().filter(|_| email.is_none());
        Box::pin(async move {
            let found = self.search_customers(access, email, name).await?;
            let whole = |contact| match look.name.as_deref() {
                Some(name) => map::with_whole_name(contact, name),
                None => contact,
            };
            Ok(found.map(|contacts| contacts.into_iter().map(whole).collect()))
        })
    }

    fn read_contact<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<Contact>> {
        Box::pin(self.customer(access, external_id))
    }

    fn write_contact<'a>(&'a self, access: Access<'a>, external_id: Option<&'a str>, body: &'a [u8], _key: &'a str) -> Called<'a, Contact> {
        Box::pin(async move {
            let written = self.put_customer(access, external_id, body).await;
            // A customer's create has no other key than one the ledger gives: "already there" is a slip of its number series, and nothing of
            // ours was saved.
            written.map_err(|failure| match (&failure.disposition, external_id) {
                (Disposition::LookFirst, None) if outcome::is(&failure, Cause::AlreadyThere) => {
                    Failure { disposition: Disposition::Retry { not_before: None }, ..failure }
                }
                _ => failure,
            })
        })
    }
}
