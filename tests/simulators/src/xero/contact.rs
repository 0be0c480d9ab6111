//! Contacts and their rules (vendor notes, section 2).

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reply::Refusal;
use crate::skeleton::clock::plus;
use crate::skeleton::fields::Fields;
use crate::skeleton::ids::Ids;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ContactStatus {
    Active,
    Archived,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: Uuid,
    pub(crate) number: Option<String>,
    pub(crate) account_number: Option<String>,
    pub(crate) status: ContactStatus,
    pub(crate) merged_to: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) company_number: Option<String>,
    pub(crate) email: String,
    pub(crate) tax_number: String,
    pub(crate) default_currency: Option<String>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) is_supplier: bool,
    pub(crate) is_customer: bool,
    pub(crate) updated: Timestamp,
}

/// An address; reads always show the lines, mostly empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Address {
    pub(crate) address_type: String,
    pub(crate) address_line1: String,
    pub(crate) address_line2: String,
    pub(crate) address_line3: String,
    pub(crate) address_line4: String,
    pub(crate) city: String,
    pub(crate) region: String,
    pub(crate) postal_code: String,
    pub(crate) country: String,
    pub(crate) attention_to: String,
}

/// A phone number; reads always show the four common types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Phone {
    pub(crate) phone_type: String,
    pub(crate) phone_number: String,
    pub(crate) phone_area_code: String,
    pub(crate) phone_country_code: String,
}

impl Contact {
    pub(crate) fn new(id: Uuid, name: &str, now: Timestamp) -> Self {
        let address = |kind: &str| Address { address_type: kind.to_owned(), ..Address::default() };
        let phone = |kind: &str| Phone { phone_type: kind.to_owned(), ..Phone::default() };
        Self {
            id,
            number: None,
            account_number: None,
            status: ContactStatus::Active,
            merged_to: None,
            name: name.to_owned(),
            first_name: None,
            last_name: None,
            company_number: None,
            email: String::new(),
            tax_number: String::new(),
            default_currency: None,
            addresses: ["STREET", "POBOX"].map(address).into(),
            phones: ["DDI", "DEFAULT", "FAX", "MOBILE"].map(phone).into(),
            is_supplier: false,
            is_customer: false,
            updated: now,
        }
    }
}

/// How names are compared for uniqueness: trimmed, blanks collapsed, case ignored.
pub(crate) fn comparable(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The contacts of an organisation, in the order of their making.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Contact>", into = "Vec<Contact>")]
pub(crate) struct Contacts {
    all: Vec<Contact>,
    positions: HashMap<Uuid, usize>,
    active_names: HashMap<String, Uuid>,
    numbers: HashMap<String, Uuid>,
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
    pub(crate) fn all(&self) -> &[Contact] {
        &self.all
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&Contact> {
        self.positions.get(&id).and_then(|position| self.all.get(*position))
    }

    pub(crate) fn by_number(&self, number: &str) -> Option<&Contact> {
        self.numbers.get(number).and_then(|id| self.get(*id))
    }

    pub(crate) fn by_active_name(&self, name: &str) -> Option<&Contact> {
        self.active_names.get(&comparable(name)).and_then(|id| self.get(*id))
    }

    /// Adds or replaces, keeping the indexes.
    pub(crate) fn put(&mut self, contact: Contact) {
        if let Some(number) = &contact.number {
            self.numbers.insert(number.clone(), contact.id);
        }
        let before = self.positions.get(&contact.id).copied();
        if let Some(old) = before.and_then(|position| self.all.get(position)) {
            if old.status == ContactStatus::Active {
                self.active_names.remove(&comparable(&old.name));
            }
            if let Some(number) = old.number.as_ref().filter(|number| contact.number.as_ref() != Some(*number)) {
                self.numbers.remove(number);
            }
        }
        if contact.status == ContactStatus::Active {
            self.active_names.insert(comparable(&contact.name), contact.id);
        }
        match before.and_then(|position| self.all.get_mut(position)) {
            Some(place) => *place = contact,
            None => {
                self.positions.insert(contact.id, self.all.len());
                self.all.push(contact);
            }
        }
    }
}

/// A later instant than `before`: a paused clock must not make two versions look like one.
pub(crate) fn touched(now: Timestamp, before: Timestamp) -> Timestamp {
    now.max(plus(before, SignedDuration::from_millis(1)))
}

/// A contact as sent.
#[derive(Clone, Debug)]
pub(crate) struct ContactInput {
    pub(crate) id: Option<Uuid>,
    pub(crate) name: Option<String>,
    number: Option<String>,
    status: Option<String>,
    account_number: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    company_number: Option<String>,
    email: Option<String>,
    tax_number: Option<String>,
    default_currency: Option<String>,
    addresses: Vec<Sent>,
    phones: Vec<Sent>,
}

/// An address or phone as sent: its type, and the members that were there.
#[derive(Clone, Debug)]
struct Sent {
    kind: String,
    members: Vec<(&'static str, String)>,
}

const CONTACT_FIELDS: [&str; 13] = [
    "ContactID",
    "ContactNumber",
    "ContactStatus",
    "AccountNumber",
    "Name",
    "FirstName",
    "LastName",
    "CompanyNumber",
    "EmailAddress",
    "TaxNumber",
    "DefaultCurrency",
    "Addresses",
    "Phones",
];
const ADDRESS_FIELDS: [&str; 9] =
    ["AddressLine1", "AddressLine2", "AddressLine3", "AddressLine4", "City", "Region", "PostalCode", "Country", "AttentionTo"];
const PHONE_FIELDS: [&str; 3] = ["PhoneNumber", "PhoneAreaCode", "PhoneCountryCode"];

/// Maximum lengths of the published schema.
fn longest(field: &str) -> usize {
    match field {
        "AddressLine1" | "AddressLine2" | "AddressLine3" | "AddressLine4" => 500,
        "PostalCode" | "Country" | "PhoneNumber" | "ContactNumber" | "AccountNumber" | "CompanyNumber" | "TaxNumber" => 50,
        "PhoneAreaCode" => 10,
        "PhoneCountryCode" => 20,
        _ => 255,
    }
}

fn nested(fields: &Fields, list: &str, kind: &str, known: &[&'static str], kinds: &[&str]) -> Result<Vec<Sent>, Refusal> {
    let mut all = Vec::new();
    for entry in fields.objects(list)?.unwrap_or_default() {
        let named = entry.text(kind)?.ok_or_else(|| Refusal::not_modelled(format!("an entry of {list} without {kind}")))?;
        if !kinds.contains(&named.as_str()) {
            return Err(Refusal::PostData(format!("{kind} {named} is not known")));
        }
        let allowed: Vec<&str> = known.iter().copied().chain([kind]).collect();
        if let Some(field) = entry.unknown(&allowed) {
            return Err(Refusal::NotModelled(format!("the field {field} in {list}")));
        }
        let mut members = Vec::new();
        for name in known {
            if let Some(text) = entry.text(name)? {
                members.push((*name, text));
            }
        }
        all.push(Sent { kind: named, members });
    }
    Ok(all)
}

impl ContactInput {
    pub(crate) fn read(fields: &Fields) -> Result<Self, Refusal> {
        if let Some(field) = fields.unknown(&CONTACT_FIELDS) {
            return Err(Refusal::NotModelled(format!("writing the contact field {field}")));
        }
        Ok(Self {
            id: fields.uuid("ContactID")?,
            name: fields.text("Name")?,
            number: fields.text("ContactNumber")?.filter(|number| !number.is_empty()),
            status: fields.text("ContactStatus")?,
            account_number: fields.text("AccountNumber")?,
            first_name: fields.text("FirstName")?,
            last_name: fields.text("LastName")?,
            company_number: fields.text("CompanyNumber")?,
            email: fields.text("EmailAddress")?,
            tax_number: fields.text("TaxNumber")?,
            default_currency: fields.text("DefaultCurrency")?,
            addresses: nested(fields, "Addresses", "AddressType", &ADDRESS_FIELDS, &["POBOX", "STREET"])?,
            phones: nested(fields, "Phones", "PhoneType", &PHONE_FIELDS, &["DEFAULT", "DDI", "MOBILE", "FAX", "OFFICE"])?,
        })
    }

    /// Rules that need nothing but the input.
    fn faults(&self, faults: &mut Vec<String>) {
        let texts = [
            ("Name", &self.name),
            ("ContactNumber", &self.number),
            ("AccountNumber", &self.account_number),
            ("FirstName", &self.first_name),
            ("LastName", &self.last_name),
            ("CompanyNumber", &self.company_number),
            ("EmailAddress", &self.email),
            ("TaxNumber", &self.tax_number),
        ];
        let plain = texts.iter().filter_map(|(field, text)| text.as_ref().map(|text| (*field, text)));
        let inner = self.addresses.iter().chain(&self.phones).flat_map(|sent| sent.members.iter().map(|(field, text)| (*field, text)));
        for (field, text) in plain.chain(inner) {
            let most = longest(field);
            if text.chars().count() > most {
                faults.push(format!("The {field} cannot be longer than {most} characters."));
            }
        }
        if let Some(name) = &self.name {
            let collapsed = name.split_whitespace().collect::<Vec<_>>().join(" ");
            if name.contains(['<', '>']) || collapsed != *name {
                faults.push("The contact name contains angle brackets, leading, trailing or repeated spaces.".to_owned());
            }
        }
        if self.email.as_ref().is_some_and(|email| !email.is_empty() && !plausible_email(email)) {
            faults.push("Email address must be valid.".to_owned());
        }
        let country = |sent: &&Sent| {
            let wrong = |text: &str| text.chars().any(|letter| !letter.is_ascii_alphabetic() && letter != ' ');
            sent.members.iter().any(|(field, text)| *field == "Country" && wrong(text))
        };
        if self.addresses.iter().any(|sent| country(&sent)) {
            faults.push("The Country may contain letters only.".to_owned());
        }
    }

    fn apply(self, contact: &mut Contact) {
        let keep = |text: Option<String>, place: &mut Option<String>| {
            if let Some(text) = text {
                *place = Some(text).filter(|text| !text.is_empty());
            }
        };
        keep(self.number, &mut contact.number);
        keep(self.account_number, &mut contact.account_number);
        keep(self.first_name, &mut contact.first_name);
        keep(self.last_name, &mut contact.last_name);
        keep(self.company_number, &mut contact.company_number);
        keep(self.default_currency, &mut contact.default_currency);
        if let Some(name) = self.name {
            contact.name = name;
        }
        if let Some(email) = self.email {
            contact.email = email;
        }
        if let Some(number) = self.tax_number {
            contact.tax_number = number;
        }
        if self.status.as_deref() == Some("ARCHIVED") {
            contact.status = ContactStatus::Archived;
        }
        for sent in self.addresses {
            if let Some(address) = contact.addresses.iter_mut().find(|address| address.address_type == sent.kind) {
                for (field, text) in sent.members {
                    *address_member(address, field) = text;
                }
            }
        }
        for sent in self.phones {
            if !contact.phones.iter().any(|phone| phone.phone_type == sent.kind) {
                contact.phones.push(Phone { phone_type: sent.kind.clone(), ..Phone::default() });
            }
            if let Some(phone) = contact.phones.iter_mut().find(|phone| phone.phone_type == sent.kind) {
                for (field, text) in sent.members {
                    match field {
                        "PhoneNumber" => phone.phone_number = text,
                        "PhoneAreaCode" => phone.phone_area_code = text,
                        _ => phone.phone_country_code = text,
                    }
                }
            }
        }
    }
}

fn address_member<'address>(address: &'address mut Address, field: &str) -> &'address mut String {
    match field {
        "AddressLine1" => &mut address.address_line1,
        "AddressLine2" => &mut address.address_line2,
        "AddressLine3" => &mut address.address_line3,
        "AddressLine4" => &mut address.address_line4,
        "City" => &mut address.city,
        "Region" => &mut address.region,
        "PostalCode" => &mut address.postal_code,
        "Country" => &mut address.country,
        _ => &mut address.attention_to,
    }
}

/// ASCII only ("umlauts not supported"), one `@` with something on both sides, no blanks.
fn plausible_email(email: &str) -> bool {
    let parts: Vec<&str> = email.split('@').collect();
    email.is_ascii() && !email.contains(char::is_whitespace) && parts.len() == 2 && parts.iter().all(|part| !part.is_empty())
}

/// What a write is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// PUT: a new record.
    Create,
    /// POST with an id in the path.
    Update(Uuid),
    /// POST without one: creates, or edits what it matches.
    Upsert,
}

/// Writes one contact. The inner error holds the vendor's messages.
pub(crate) fn write(
    contacts: &mut Contacts,
    ids: &mut Ids,
    now: Timestamp,
    aim: Aim,
    input: ContactInput,
) -> Result<Result<Uuid, Vec<String>>, Refusal> {
    let target = match aim {
        Aim::Create if input.id.is_some() => return Err(Refusal::not_modelled("PUT of a contact that carries a ContactID")),
        Aim::Create => None,
        Aim::Update(id) => {
            if input.id.is_some_and(|sent| sent != id) {
                return Err(Refusal::not_modelled("a ContactID in the body that differs from the path"));
            }
            Some(contacts.get(id).ok_or(Refusal::NotFound)?)
        }
        Aim::Upsert => match input.id {
            Some(id) => Some(contacts.get(id).ok_or_else(|| Refusal::not_modelled("POST of a ContactID that does not exist"))?),
            None => {
                let by_number = input.number.as_ref().and_then(|number| contacts.by_number(number));
                by_number.or_else(|| input.name.as_ref().and_then(|name| contacts.by_active_name(name)))
            }
        },
    };
    let before = target.cloned();
    match (before.as_ref().map(|contact| contact.status), input.status.as_deref()) {
        (_, None) | (Some(_), Some("ARCHIVED")) | (None | Some(ContactStatus::Active), Some("ACTIVE")) => {}
        (Some(ContactStatus::Archived), Some("ACTIVE")) => return Err(Refusal::not_modelled("restoring an archived contact")),
        (_, Some(status)) => return Err(Refusal::NotModelled(format!("setting ContactStatus {status} here"))),
    }
    let mut faults = Vec::new();
    input.faults(&mut faults);
    if before.is_none() && input.name.as_ref().is_none_or(String::is_empty) {
        faults.push("The contact name must be specified.".to_owned());
    }
    let own = before.as_ref().map(|contact| contact.id);
    let stays_active = before.as_ref().is_none_or(|contact| contact.status == ContactStatus::Active);
    if let Some(name) = input.name.as_ref().filter(|_| stays_active)
        && contacts.by_active_name(name).is_some_and(|other| Some(other.id) != own)
    {
        faults.push(format!(
            "The contact name {name} is already assigned to another contact. The contact name must be unique across all active contacts."
        ));
    }
    if let Some(number) = &input.number
        && contacts.by_number(number).is_some_and(|other| Some(other.id) != own)
    {
        faults.push(format!("The contact number {number} is already assigned to another contact. The contact number must be unique."));
    }
    if let Some(number) = input.account_number.as_ref().filter(|number| !number.is_empty())
        && contacts.all().iter().any(|other| other.account_number.as_ref() == Some(number) && Some(other.id) != own)
    {
        faults.push(format!("The account number {number} is already assigned to another contact."));
    }
    if !faults.is_empty() {
        return Ok(Err(faults));
    }
    let mut contact = before.unwrap_or_else(|| Contact::new(ids.uuid(), "", now));
    contact.updated = if own.is_some() { touched(now, contact.updated) } else { now };
    input.apply(&mut contact);
    let id = contact.id;
    contacts.put(contact);
    Ok(Ok(id))
}
