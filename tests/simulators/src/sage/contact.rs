//! Contacts: what they are, and how they are read.

use std::collections::HashMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::business::Business;
use super::invoice::Status;
use super::json::{Json, Members, amount, base, integer};
use super::query::{Query, contains, id};
use super::reply::{self, Refusal};
use crate::skeleton::answer::Reply;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) is_customer: bool,
    pub(crate) is_vendor: bool,
    /// At most ten characters; unique, and kept after the contact is deleted.
    pub(crate) reference: Option<String>,
    /// The one currency that it trades in.
    pub(crate) currency: String,
    pub(crate) sales_ledger_account: Option<Uuid>,
    pub(crate) sales_tax_rate: Option<String>,
    pub(crate) tax_number: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) source_guid: Option<String>,
    pub(crate) credit_days: Option<u32>,
    pub(crate) main_address: Option<Address>,
    pub(crate) delivery_address: Option<Address>,
    pub(crate) person: Option<Person>,
    pub(crate) is_active: bool,
    /// Made by Sage for its own transactions.
    pub(crate) system: bool,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) deleted: Option<Timestamp>,
}

/// An address. As a snapshot on an invoice it has no type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) id: Uuid,
    pub(crate) address_type: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) address_line_1: Option<String>,
    pub(crate) address_line_2: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) postal_code: Option<String>,
    /// ISO 3166, two letters.
    pub(crate) country: Option<String>,
}

/// The main contact person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) types: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) job_title: Option<String>,
    pub(crate) telephone: Option<String>,
    pub(crate) mobile: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) fax: Option<String>,
}

impl Contact {
    pub(crate) fn new(id: Uuid, name: &str, currency: &str, now: Timestamp) -> Self {
        Self {
            id,
            name: name.to_owned(),
            is_customer: true,
            is_vendor: false,
            reference: None,
            currency: currency.to_owned(),
            sales_ledger_account: None,
            sales_tax_rate: None,
            tax_number: None,
            notes: None,
            source_guid: None,
            credit_days: None,
            main_address: None,
            delivery_address: None,
            person: None,
            is_active: true,
            system: false,
            created: now,
            updated: now,
            deleted: None,
        }
    }

    pub(crate) fn email(&self) -> Option<&str> {
        self.person.as_ref().and_then(|person| person.email.as_deref())
    }

    pub(crate) fn base(&self) -> Json {
        base(&self.id.simple().to_string(), &self.name, "contacts")
    }
}

/// The contacts of a business, in the order of their making; deleted ones stay, out of sight.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Contact>", into = "Vec<Contact>")]
pub(crate) struct Contacts {
    all: Vec<Contact>,
    positions: HashMap<Uuid, usize>,
}

impl From<Vec<Contact>> for Contacts {
    fn from(all: Vec<Contact>) -> Self {
        let mut contacts = Self::default();
        for contact in all {
            contacts.put(contact);
        }
        contacts
    }
}

impl From<Contacts> for Vec<Contact> {
    fn from(contacts: Contacts) -> Self {
        contacts.all
    }
}

impl Contacts {
    /// Those that were not deleted.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Contact> {
        self.all.iter().filter(|contact| contact.deleted.is_none())
    }

    /// One that was not deleted.
    pub(crate) fn get(&self, id: Uuid) -> Option<&Contact> {
        self.known(id).filter(|contact| contact.deleted.is_none())
    }

    /// One, deleted or not.
    pub(crate) fn known(&self, id: Uuid) -> Option<&Contact> {
        self.positions.get(&id).and_then(|position| self.all.get(*position))
    }

    /// Who has a reference, deleted contacts included (byte8 documentation, "troubleshooting"). Case is ignored: the stricter reading.
    pub(crate) fn by_reference(&self, reference: &str) -> Option<&Contact> {
        self.all.iter().find(|contact| contact.reference.as_deref().is_some_and(|one| one.eq_ignore_ascii_case(reference)))
    }

    fn all(&self) -> &[Contact] {
        &self.all
    }

    pub(crate) fn put(&mut self, contact: Contact) {
        match self.positions.get(&contact.id).and_then(|position| self.all.get_mut(*position)) {
            Some(place) => *place = contact,
            None => {
                self.positions.insert(contact.id, self.all.len());
                self.all.push(contact);
            }
        }
    }
}

/// A reference to a record whose id is a word: country, currency, type.
pub(crate) fn word(id: &str, path: &str) -> Json {
    base(id, id, path)
}

fn text(value: Option<&String>) -> Json {
    value.map(String::as_str).into()
}

/// An address as contacts and invoices show it.
pub(crate) fn address(address: &Address, path: &str) -> Json {
    let shown = address.address_line_1.as_deref().or(address.city.as_deref()).unwrap_or_default();
    Json::Object(vec![
        ("id", address.id.simple().to_string().into()),
        ("displayed_as", shown.into()),
        ("$path", format!("/{path}/{}", address.id.simple()).into()),
        ("address_line_1", text(address.address_line_1.as_ref())),
        ("address_line_2", text(address.address_line_2.as_ref())),
        ("city", text(address.city.as_ref())),
        ("postal_code", text(address.postal_code.as_ref())),
        ("country", address.country.as_deref().map(|code| word(code, "countries")).into()),
        ("address_type", address.address_type.as_deref().map(|kind| word(kind, "address_types")).into()),
        ("name", text(address.name.as_ref())),
        ("region", text(address.region.as_ref())),
    ])
}

fn person(person: &Person) -> Json {
    let types = person.types.iter().map(|kind| word(kind, "contact_person_types")).collect();
    Json::Object(vec![
        ("id", person.id.simple().to_string().into()),
        ("displayed_as", person.name.as_deref().unwrap_or_default().into()),
        ("$path", format!("/contact_persons/{}", person.id.simple()).into()),
        ("contact_person_types", Json::List(types)),
        ("name", text(person.name.as_ref())),
        ("job_title", text(person.job_title.as_ref())),
        ("telephone", text(person.telephone.as_ref())),
        ("mobile", text(person.mobile.as_ref())),
        ("email", text(person.email.as_ref())),
        ("fax", text(person.fax.as_ref())),
        ("is_main_contact", true.into()),
    ])
}

/// What the contact owes, in its currency.
fn balance(business: &Business, contact: &Contact) -> Decimal {
    let open = business.invoices.all().iter().filter(|invoice| invoice.contact == contact.id && invoice.deleted.is_none());
    open.filter(|invoice| !matches!(invoice.status, Status::Draft | Status::Void))
        .map(|invoice| invoice.totals.total - business.paid(invoice.id))
        .sum()
}

fn deletable(business: &Business, contact: &Contact) -> bool {
    !contact.system && !business.invoices.all().iter().any(|invoice| invoice.contact == contact.id && invoice.deleted.is_none())
}

/// A contact, whole.
pub(crate) fn view(business: &Business, contact: &Contact, with_balance: bool) -> Json {
    let kinds = [(contact.is_customer, "CUSTOMER"), (contact.is_vendor, "VENDOR")];
    let kinds = kinds.iter().filter(|(is, _)| *is).map(|(_, kind)| word(kind, "contact_types")).collect();
    let account = contact.sales_ledger_account.and_then(|id| business.ledger_account(id));
    let today = jiff::tz::TimeZone::UTC.to_datetime(contact.updated).date();
    let mut members = vec![
        ("id", contact.id.simple().to_string().into()),
        ("displayed_as", contact.name.as_str().into()),
        ("$path", format!("/contacts/{}", contact.id.simple()).into()),
        ("created_at", contact.created.into()),
        ("updated_at", contact.updated.into()),
        ("links", Json::List(Vec::new())),
        ("deleted_at", contact.deleted.into()),
    ];
    if with_balance {
        members.push(("balance", amount(balance(business, contact))));
    }
    members.extend([
        ("contact_types", Json::List(kinds)),
        ("name", contact.name.as_str().into()),
        ("reference", text(contact.reference.as_ref())),
        (
            "default_sales_ledger_account",
            account.map(|account| base(&account.id.simple().to_string(), &account.displayed_as(), "ledger_accounts")).into(),
        ),
        (
            "default_sales_tax_rate",
            contact.sales_tax_rate.as_deref().and_then(|id| business.tax_rate(id)).map(|rate| rate.base(today)).into(),
        ),
        ("tax_number", text(contact.tax_number.as_ref())),
        ("notes", text(contact.notes.as_ref())),
        ("main_address", contact.main_address.as_ref().map(|one| address(one, "addresses")).into()),
        ("delivery_address", contact.delivery_address.as_ref().map(|one| address(one, "addresses")).into()),
        ("main_contact_person", contact.person.as_ref().map(person).into()),
        ("credit_days", contact.credit_days.map(integer).into()),
        ("source_guid", text(contact.source_guid.as_ref())),
        ("currency", word(&contact.currency, "currencies")),
        ("deletable", deletable(business, contact).into()),
        ("email", contact.email().into()),
        ("gdpr_obfuscated", false.into()),
        ("system", contact.system.into()),
        ("is_active", contact.is_active.into()),
    ]);
    Json::Object(members)
}

const LIST: [&str; 13] = [
    "search",
    "email",
    "contact_type_id",
    "exclude_system",
    "filter_inactive_contacts",
    "show_balance",
    "updated_or_created_since",
    "deleted_since",
    "attributes",
    "nested_attributes",
    "items_per_page",
    "page",
    "context_date",
];

/// `GET /contacts`. `search` is a substring of name or reference; `email` is the main person's, whole, case ignored.
pub(crate) fn list(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&LIST)?;
    if query.text("context_date").is_some() {
        return Err(Refusal::not_modelled("tax treatment by context_date"));
    }
    let kind = match query.text("contact_type_id") {
        None => None,
        Some(kind @ ("CUSTOMER" | "VENDOR")) => Some(kind),
        Some(other) => return Err(Refusal::NotModelled(format!("contact_type_id={other}"))),
    };
    let no_system = query.flag("exclude_system")?.unwrap_or(false);
    let only_active = query.flag("filter_inactive_contacts")?.unwrap_or(false);
    let with_balance = query.flag("show_balance")?.unwrap_or(false);
    let (updated, deleted) = (query.instant("updated_or_created_since")?, query.instant("deleted_since")?);
    let found = business
        .contacts
        .all()
        .iter()
        .filter(|contact| match deleted {
            // Not inclusive, unlike the other (published schema).
            Some(since) => contact.deleted.is_some_and(|at| at > since),
            None => contact.deleted.is_none(),
        })
        .filter(|contact| updated.is_none_or(|since| contact.updated >= since))
        .filter(|contact| match kind {
            None => true,
            Some("CUSTOMER") => contact.is_customer,
            Some(_) => contact.is_vendor,
        })
        .filter(|contact| !(no_system && contact.system) && (!only_active || contact.is_active))
        .filter(|contact| {
            query.text("search").is_none_or(|wanted| {
                contains(&contact.name, wanted) || contact.reference.as_deref().is_some_and(|reference| contains(reference, wanted))
            })
        })
        .filter(|contact| {
            let wanted = query.text("email").map(str::to_lowercase);
            wanted.is_none_or(|wanted| contact.email().is_some_and(|email| email.to_lowercase() == wanted))
        });
    let shown = found.map(|contact| view(business, contact, with_balance)).collect();
    let nested = Members::read(query.text("nested_attributes"), Members::Base);
    reply::list(query, "contacts", shown, &nested)
}

/// `GET /contacts/{key}`.
pub(crate) fn one(business: &Business, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&["nested_attributes", "show_balance", "attributes"])?;
    let contact = id(key).and_then(|id| business.contacts.get(id)).ok_or(Refusal::NotFound)?;
    let with_balance = query.flag("show_balance")?.unwrap_or(false);
    Ok(reply::one(query, view(business, contact, with_balance)))
}
