//! `POST /customer` (section 2).

use jiff::Timestamp;

use super::address::Address;
use super::company::Company;
use super::fault::Refusal;
use super::patch::{Patch, limited, only, reference};
use super::person::{Person, PersonKind};
use super::wire::Version;
use crate::skeleton::fields::Fields;

const FIELDS: [&str; 30] = [
    "Id",
    "SyncToken",
    "sparse",
    "domain",
    "MetaData",
    "DisplayName",
    "CompanyName",
    "Title",
    "GivenName",
    "MiddleName",
    "FamilyName",
    "Suffix",
    "PrimaryEmailAddr",
    "PrimaryPhone",
    "Mobile",
    "BillAddr",
    "Notes",
    "ResaleNum",
    "PrimaryTaxIdentifier",
    "Active",
    "CurrencyRef",
    // What the API shows and nobody can write.
    "FullyQualifiedName",
    "PrintOnCheckName",
    "PreferredDeliveryMethod",
    "Job",
    "BillWithParent",
    "IsProject",
    "Taxable",
    "Balance",
    "BalanceWithJobs",
];

/// Longest texts, in characters (section 2; those marked "today" there).
const LONGEST_DISPLAY_NAME: usize = 500;
const LONGEST_NAME: usize = 100;
const LONGEST_EMAIL: usize = 100;
const LONGEST_PHONE: usize = 30;
const LONGEST_NOTES: usize = 2000;
const LONGEST_SHORT: usize = 16;
const LONGEST_TAX_IDENTIFIER: usize = 20;

/// Creates a customer, or changes the one of this id.
pub(crate) fn write(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    only(fields, &FIELDS, "customer")?;
    for flag in ["Job", "BillWithParent", "IsProject"] {
        if fields.boolean(flag)? == Some(true) {
            return Err(Refusal::not_modelled("sub-customers and projects"));
        }
    }
    match fields.text("Id")? {
        None => create(company, fields, now),
        Some(id) => update(company, fields, &id, now),
    }
}

fn create(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    let currency = match reference(fields, "CurrencyRef")? {
        None => company.home().to_owned(),
        // Section 2: sending it to a single-currency company is an error.
        Some(_) if !company.preferences.multi_currency() => {
            return Err(Refusal::business("Multi currency should be enabled to perform this operation."));
        }
        Some(code) if company.rate_of(&code).is_none() => return Err(Refusal::reference("CurrencyRef", &code)),
        Some(code) => code,
    };
    if fields.boolean("Active")? == Some(false) {
        return Err(Refusal::not_modelled("making a customer that is inactive"));
    }
    let mut person = Person::new(String::new(), PersonKind::Customer, "", &currency, Version::new(now));
    set(&mut person, Patch { fields, full: true })?;
    company.name_is_free(&person.display_name, None)?;
    person.id = company.next_person();
    let id = person.id.clone();
    company.people.put(person);
    Ok(id)
}

fn update(company: &mut Company, fields: &Fields, id: &str, now: Timestamp) -> Result<String, Refusal> {
    let mut person = company.person(PersonKind::Customer, id)?.clone();
    current(fields, &person.version)?;
    if reference(fields, "CurrencyRef")?.is_some_and(|code| code != person.currency) {
        return Err(Refusal::business("The currency of a customer cannot be changed."));
    }
    let full = fields.boolean("sparse")? != Some(true);
    set(&mut person, Patch { fields, full })?;
    if let Some(active) = fields.boolean("Active")? {
        person.set_active(active);
    }
    if person.active {
        company.name_is_free(&person.display_name, Some(id))?;
    }
    person.version.bump(now);
    company.people.put(person);
    Ok(id.to_owned())
}

/// `SyncToken` must be there and current (section 0, fact 5).
pub(crate) fn current(fields: &Fields, version: &Version) -> Result<(), Refusal> {
    let token = fields.text("SyncToken")?.ok_or_else(|| Refusal::missing("SyncToken"))?;
    if token == version.token.to_string() { Ok(()) } else { Err(Refusal::stale()) }
}

fn set(person: &mut Person, patch: Patch<'_>) -> Result<(), Refusal> {
    patch.text("CompanyName", LONGEST_NAME, &mut person.company_name)?;
    patch.text("Title", LONGEST_SHORT, &mut person.title)?;
    patch.text("GivenName", LONGEST_NAME, &mut person.given_name)?;
    patch.text("MiddleName", LONGEST_NAME, &mut person.middle_name)?;
    patch.text("FamilyName", LONGEST_NAME, &mut person.family_name)?;
    patch.text("Suffix", LONGEST_SHORT, &mut person.suffix)?;
    patch.inner("PrimaryEmailAddr", "Address", LONGEST_EMAIL, &mut person.email)?;
    patch.inner("PrimaryPhone", "FreeFormNumber", LONGEST_PHONE, &mut person.phone)?;
    patch.inner("Mobile", "FreeFormNumber", LONGEST_PHONE, &mut person.mobile)?;
    patch.text("Notes", LONGEST_NOTES, &mut person.notes)?;
    patch.text("ResaleNum", LONGEST_SHORT, &mut person.resale_number)?;
    // What is read is masked: sending that back would lose the number, so only another value is taken.
    let masked = |text: &Option<String>| text.as_ref().is_some_and(|text| text.starts_with('X'));
    let mut tax_identifier = person.tax_identifier.clone();
    patch.text("PrimaryTaxIdentifier", LONGEST_TAX_IDENTIFIER, &mut tax_identifier)?;
    if !masked(&tax_identifier) {
        person.tax_identifier = tax_identifier;
    }
    if patch.speaks("BillAddr") {
        person.address = patch.fields.object("BillAddr")?.map(|address| Address::read(&address, "BillAddr")).transpose()?;
    }
    if patch.speaks("DisplayName") {
        let parts = [&person.title, &person.given_name, &person.middle_name, &person.family_name, &person.suffix];
        let joined: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        let derived = Some(joined.join(" ")).filter(|name| !name.is_empty());
        let sent = limited(patch.fields, "DisplayName", LONGEST_DISPLAY_NAME)?.map(|name| name.trim().to_owned());
        let name = sent.filter(|name| !name.is_empty()).or(derived).ok_or_else(|| Refusal::missing("DisplayName"))?;
        if name.contains([':', '\t', '\n']) {
            return Err(Refusal::business("A display name may not contain a colon, a tab or a new line."));
        }
        person.display_name = name;
    }
    Ok(())
}
