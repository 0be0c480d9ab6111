//! Sage Business Cloud Accounting v3.1: the calls.

mod changes;
mod contact_list;
mod documents;
mod fixit;
mod map;
mod markup;
mod outcome;
mod payments;
mod profile;
mod sign_in;
mod wire;

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use coportal_core::contact::{Contact, ContactContent, ContactStatus};
use coportal_core::facts::Facts;
use coportal_core::failure::Failure;
use coportal_core::sync::row::Look;
use coportal_core::text;
use coportal_core::workspace::Workspace;
use futures_util::future;
use http::Method;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::fixit::Cause;
pub use self::profile::SageEndpoints;
use self::profile::{PROFILE, RULES};
use self::wire::{BankAccount, Business, FinancialSettings, LedgerAccount, Named, Page, WireContact, WireTaxRate};
use crate::batches::Batches;
use crate::exec::call::{Call, Caller, Reply, Tenancy, nothing};
use crate::exec::{Executor, Operation, encoded};
use crate::judge::{self, REFUSED, Subject};
use crate::{Access, Answered, Called, Contacts, LedgerApi, ReadFacts};

/// Sage, sending through `executor`.
pub(crate) fn api(executor: Executor, endpoints: SageEndpoints) -> LedgerApi {
    let caller = Caller {
        executor: executor.clone(),
        base: endpoints.api.as_str().trim_end_matches('/').to_owned(),
        // Without it the user's lead business answers, which can change while nobody looks (docs/vendors/sage.md, section 1).
        tenancy: Tenancy::Header("x-business"),
        idempotency: PROFILE.idempotency,
        always: &[],
        catalogue: PhantomData,
    };
    let calls = Arc::new(Sage { caller });
    LedgerApi {
        rules: RULES,
        profile: &PROFILE,
        sign_in: Arc::new(sign_in::SageSignIn::new(executor, endpoints)),
        facts: calls.clone(),
        contacts: calls.clone(),
        contact_list: calls.clone(),
        documents: calls.clone(),
        batches: Batches::none(),
        changes: calls.clone(),
        drafts: Some(calls.clone()),
        stepwise: None,
        payments: Some(calls),
        notice: Some(notice),
    }
}

/// The countries whose businesses the API serves (guide "Regional API to GAC API Guide").
const SERVED: [&str; 7] = ["GB", "IE", "CA", "US", "FR", "ES", "DE"];

/// What a workspace should know before it connects (docs/vendors/sage.md, sections 0 and 13).
fn notice(workspace: &Workspace) -> Option<&'static str> {
    let country = workspace.country.trim().to_ascii_uppercase();
    if country == "ZA" || workspace.currency.as_str() == "ZAR" {
        return Some(
            "CoPortal connects to Sage's international API, which serves businesses in the United Kingdom, Ireland, Canada, the United \
             States, France, Spain and Germany. Sage Accounting South Africa keeps its books behind another API, which has no sign-in \
             by consent, so South African books cannot be connected; a Sage business of one of those countries can.",
        );
    }
    (!SERVED.contains(&country.as_str())).then_some(
        "Sage's API serves businesses in the United Kingdom, Ireland, Canada, the United States, France, Spain and Germany. A business \
         of another country cannot be connected.",
    )
}

/// The Accounting API.
struct Sage {
    caller: Caller<Cause>,
}

/// Entries of a page: the vendor's most.
const PAGE: &str = "200";

/// Most pages that are read of one list. A filter that leaves more is no help in finding anything.
const PAGES_MAX: u32 = 10;

impl Sage {
    /// All entries of a list. The vendor's own link to the next page only tells that there is one: a link is never followed.
    async fn all<'a, T: DeserializeOwned>(
        &self,
        access: Access<'a>,
        call: impl Fn() -> Call<'static>,
    ) -> Result<(Reply<'a, Cause>, Vec<T>), Failure> {
        let mut found = Vec::new();
        let mut number = 1;
        loop {
            let call = call().with("items_per_page", PAGE);
            let call = if number == 1 { call } else { call.with("page", number.to_string()) };
            let (reply, Page { items, next, .. }) = self.caller.list::<Page<T>>(access, call).await?;
            let is_last = next.is_none() || items.is_empty();
            found.extend(items);
            if is_last {
                return Ok((reply, found));
            }
            if number == PAGES_MAX {
                return Err(judge::failed(&reply.asked, Cause::TooManyMatches, REFUSED, Some(&reply.answer), "more pages than are read"));
            }
            number += 1;
        }
    }

    async fn read_facts(&self, access: Access<'_>) -> Result<Answered<Facts>, Failure> {
        let place = |name, route: &'static str| Call::read(name, route, route.to_owned(), Subject::Place);
        let today = TimeZone::UTC.to_datetime(access.now).date().to_string();
        let business_path = format!("/businesses/{}", encoded(access.organisation));
        // Two in flight at most; every answer is awaited, so that a failure leaves nothing running.
        let (settings, business) = future::join(
            self.caller.list::<FinancialSettings>(access, place("read_financial_settings", "/financial_settings")),
            self.caller.list::<Business>(access, Call::read("read_business", "/businesses/{id}", business_path, Subject::Place)),
        )
        .await;
        let ((reply, settings), (_, business)) = (settings?, business?);
        if !is_same(&business.id, Some(access.organisation)) {
            return Err(reply.unexpected("the answer is about another business"));
        }
        let (rates, sales_accounts) = future::join(
            self.all::<WireTaxRate>(access, || {
                place("list_tax_rates", "/tax_rates")
                    .with("usage", "sales")
                    .with("date", today.clone())
                    .with("include_historical_data", "true")
                    .with("attributes", "all")
            }),
            self.all::<LedgerAccount>(access, || {
                place("list_ledger_accounts", "/ledger_accounts").with("visible_in", "sales").with("attributes", "all")
            }),
        )
        .await;
        let ((_, tax_rates), (_, sales_accounts)) = (rates?, sales_accounts?);
        let (banks, currencies) = future::join(
            self.all::<BankAccount>(access, || {
                place("list_bank_accounts", "/bank_accounts").with("filter_inactive_bank_accounts", "true").with("attributes", "all")
            }),
            async {
                // A business with one currency has no use for the list of all that there are.
                if settings.multi_currency_enabled != Some(true) {
                    return Ok(Vec::new());
                }
                self.all::<Named>(access, || place("list_currencies", "/currencies")).await.map(|(_, currencies)| currencies)
            },
        )
        .await;
        let ((_, bank_accounts), currencies) = (banks?, currencies?);
        let books = map::Books { business, settings, tax_rates, sales_accounts, bank_accounts, currencies };
        let facts = map::facts(books, access.now).map_err(|cause| judge::unusable(&reply.asked, cause, &reply.answer))?;
        Ok(reply.answered(facts))
    }

    fn contacts(name: &'static str) -> Call<'static> {
        // Inactive and system contacts are shown, and not used: else a second one would be made beside them.
        Call::read(name, "/contacts", "/contacts".to_owned(), Subject::Place)
            .with("contact_type_id", "CUSTOMER")
            .with("attributes", "all")
            .with("nested_attributes", "all")
    }

    /// Contacts of a list that must all have an id.
    fn known(reply: &Reply<'_, Cause>, found: Vec<WireContact>) -> Result<Vec<Contact>, Failure> {
        if found.iter().any(|contact| !is_id(&contact.id)) {
            return Err(reply.unexpected("a contact without an id"));
        }
        Ok(found.into_iter().map(map::contact).collect())
    }

    /// The two filters cannot be asked for together: `search` looks at names and references and finds parts of them, `email` at the main
    /// person's address. Both are compared again here.
    async fn search_contacts(
        &self,
        access: Access<'_>,
        email: Option<&str>,
        name: Option<&str>,
    ) -> Result<Answered<Vec<Contact>>, Failure> {
        let name = name.map(map::contact_name).filter(|name| !name.is_empty());
        let email = email.map(str::trim).filter(|email| !email.is_empty());
        let by = |parameter: &'static str, value: Option<String>| async move {
            let Some(value) = value else { return Ok(None) };
            let call = || Self::contacts("search_contacts").with(parameter, value.clone());
            let (reply, found) = self.all::<WireContact>(access, call).await?;
            let found = Self::known(&reply, found)?;
            Ok::<_, Failure>(Some(reply.answered(found)))
        };
        let (named, mailed) = future::join(by("search", name.clone()), by("email", email.map(str::to_owned))).await;
        let (email, name) = (email.map(text::email_key), name.as_deref().map(text::name_key));
        let fits = |contact: &Contact| {
            let by_email = email.is_some() && contact.email.as_deref().map(text::email_key) == email;
            by_email || (name.is_some() && Some(text::name_key(&contact.name)) == name)
        };
        let mut together: Answered<Vec<Contact>> = nothing();
        for answered in [named?, mailed?].into_iter().flatten() {
            let Answered { value, vendor_request_id, limits, at } = answered;
            together.vendor_request_id = vendor_request_id;
            together.limits = together.limits.tighter(limits);
            together.at = at;
            for contact in value.into_iter().filter(&fits) {
                if together.value.iter().all(|known| known.external_id != contact.external_id) {
                    together.value.push(contact);
                }
            }
        }
        Ok(together)
    }

    /// A deleted contact keeps its reference, so that none other can have it: it is looked for where no living one has it, and counts as
    /// one that cannot be used (docs/vendors/sage.md, section 2).
    async fn contacts_by_mark(&self, access: Access<'_>, mark: &str) -> Result<Answered<Vec<Contact>>, Failure> {
        if mark.trim().is_empty() {
            return Ok(nothing());
        }
        let call = || Self::contacts("find_contact_by_mark").with("search", mark);
        let (reply, found) = self.all::<WireContact>(access, call).await?;
        let ours = |contact: &Contact| contact.our_mark.as_deref() == Some(mark);
        let found: Vec<Contact> = Self::known(&reply, found)?.into_iter().filter(ours).collect();
        if !found.is_empty() {
            return Ok(reply.answered(found));
        }
        let deleted = || call().with("deleted_since", "2000-01-01T00:00:00Z");
        let (reply, found) = self.all::<WireContact>(access, deleted).await?;
        let archived = |contact: Contact| Contact { status: ContactStatus::Archived, ..contact };
        let found = Self::known(&reply, found)?.into_iter().filter(ours).map(archived).collect();
        Ok(reply.answered(found))
    }

    async fn contact(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<Contact>>, Failure> {
        let path = format!("/contacts/{}", encoded(external_id));
        let call = Call::read("read_contact", "/contacts/{id}", path, Subject::Contact).with("nested_attributes", "all");
        let reply = self.caller.exchange(access, call).await?;
        match reply.status() {
            404 if outcome::says_missing(&reply.answer) => Ok(reply.answered(None)),
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
        let sent = Bytes::copy_from_slice(body);
        let call = match external_id {
            None => {
                let operation = Operation { name: "create_contact", route: "/contacts" };
                Call::write(operation, Method::POST, "/contacts".to_owned(), sent, key, Subject::Place)
            }
            Some(id) => {
                let operation = Operation { name: "update_contact", route: "/contacts/{id}" };
                Call::write(operation, Method::PUT, format!("/contacts/{}", encoded(id)), sent, key, Subject::Contact)
            }
        };
        let reply = self.caller.send(access, call).await?;
        let contact = one_contact(&reply, external_id)?;
        if mark_of(body).is_some_and(|sent| contact.our_mark.as_deref() != Some(sent.as_str())) {
            return Err(reply.unexpected("the answer is about another contact"));
        }
        Ok(reply.answered(contact))
    }
}

/// The reference that a contact's body carries.
fn mark_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(default)]
        reference: Option<String>,
    }
    #[derive(Deserialize)]
    struct Body {
        contact: Fields,
    }
    serde_json::from_slice::<Body>(body).ok()?.contact.reference
}

/// Ids are texts of letters and digits, never empty and never zeros alone.
fn is_id(id: &str) -> bool {
    id.bytes().any(|byte| byte.is_ascii_alphanumeric() && byte != b'0')
}

/// Whether an answer's id is an id, and the one that was asked for.
fn is_same(id: &str, wanted: Option<&str>) -> bool {
    is_id(id) && wanted.is_none_or(|wanted| id.eq_ignore_ascii_case(wanted))
}

/// The one contact that an answer must be about.
fn one_contact(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<Contact, Failure> {
    let wire: WireContact = reply.read()?;
    if is_same(&wire.id, external_id) { Ok(map::contact(wire)) } else { Err(reply.unexpected("the answer is not about this one contact")) }
}

impl ReadFacts for Sage {
    fn facts<'a>(&'a self, access: Access<'a>) -> Called<'a, Facts> {
        Box::pin(self.read_facts(access))
    }
}

impl Contacts for Sage {
    fn contact_body(&self, content: &ContactContent, there: Option<&Contact>) -> Vec<u8> {
        map::contact_body(content, there)
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

#[cfg(test)]
mod tests;
