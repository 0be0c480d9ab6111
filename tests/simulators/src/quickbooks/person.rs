//! Customers, and the vendors and employees whose names they must not take (section 2).

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::company::Company;
use super::fault::Refusal;
use super::store::Record;
use super::wire::{EmailAddress, Head, Ref, Telephone, Version};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PersonKind {
    Customer,
    Vendor,
    Employee,
}

/// A name in one of the three lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) kind: PersonKind,
    pub(crate) version: Version,
    pub(crate) display_name: String,
    pub(crate) company_name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) given_name: Option<String>,
    pub(crate) middle_name: Option<String>,
    pub(crate) family_name: Option<String>,
    pub(crate) suffix: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) mobile: Option<String>,
    pub(crate) address: Option<Address>,
    pub(crate) notes: Option<String>,
    pub(crate) resale_number: Option<String>,
    pub(crate) tax_identifier: Option<String>,
    pub(crate) active: bool,
    pub(crate) currency: String,
    /// The record that it was merged into: it is gone then, to the API.
    pub(crate) merged_into: Option<String>,
}

/// What an inactive record's name ends in.
pub(crate) const DELETED: &str = " (deleted)";

impl Person {
    pub(crate) fn new(id: String, kind: PersonKind, display_name: &str, currency: &str, version: Version) -> Self {
        Self {
            id,
            kind,
            version,
            display_name: display_name.to_owned(),
            company_name: None,
            title: None,
            given_name: None,
            middle_name: None,
            family_name: None,
            suffix: None,
            email: None,
            phone: None,
            mobile: None,
            address: None,
            notes: None,
            resale_number: None,
            tax_identifier: None,
            active: true,
            currency: currency.to_owned(),
            merged_into: None,
        }
    }

    /// Makes it inactive (its name gets the mark and is free again) or active (the mark goes).
    pub(crate) fn set_active(&mut self, active: bool) {
        if self.active == active {
            return;
        }
        self.active = active;
        self.display_name = match (active, self.display_name.strip_suffix(DELETED)) {
            (true, Some(plain)) => plain.to_owned(),
            (true, None) => self.display_name.clone(),
            (false, _) => format!("{}{DELETED}", self.display_name),
        };
    }

    pub(crate) fn view(&self) -> PersonView<'_> {
        PersonView {
            head: Head::of(&self.id, &self.version),
            job: false,
            bill_with_parent: false,
            is_project: false,
            title: self.title.as_deref(),
            given_name: self.given_name.as_deref(),
            middle_name: self.middle_name.as_deref(),
            family_name: self.family_name.as_deref(),
            suffix: self.suffix.as_deref(),
            fully_qualified_name: &self.display_name,
            company_name: self.company_name.as_deref(),
            display_name: &self.display_name,
            print_on_check_name: self.company_name.as_deref().unwrap_or(&self.display_name),
            active: self.active,
            primary_phone: self.phone.as_deref().map(|free_form_number| Telephone { free_form_number }),
            mobile: self.mobile.as_deref().map(|free_form_number| Telephone { free_form_number }),
            primary_email_addr: self.email.as_deref().map(|address| EmailAddress { address }),
            bill_addr: self.address.as_ref(),
            notes: self.notes.as_deref(),
            resale_num: self.resale_number.as_deref(),
            primary_tax_identifier: self.tax_identifier.as_deref().map(masked),
            currency_ref: Ref::bare(&self.currency),
            preferred_delivery_method: "None",
        }
    }
}

/// The VAT number is masked on reads (section 2, field mapping): all but its last four characters.
fn masked(text: &str) -> String {
    let hidden = text.chars().count().saturating_sub(4);
    text.chars().enumerate().map(|(position, one)| if position < hidden { 'X' } else { one }).collect()
}

impl Record for Person {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> Option<&str> {
        Some(&self.display_name).filter(|_| self.merged_into.is_none()).map(String::as_str)
    }
}

/// A person as the API shows them. Balances are left out: nobody may decide by them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PersonView<'person> {
    #[serde(flatten)]
    head: Head<'person>,
    job: bool,
    bill_with_parent: bool,
    is_project: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'person str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<&'person str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    middle_name: Option<&'person str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<&'person str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suffix: Option<&'person str>,
    fully_qualified_name: &'person str,
    #[serde(skip_serializing_if = "Option::is_none")]
    company_name: Option<&'person str>,
    display_name: &'person str,
    print_on_check_name: &'person str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_phone: Option<Telephone<'person>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile: Option<Telephone<'person>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_email_addr: Option<EmailAddress<'person>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill_addr: Option<&'person Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'person str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resale_num: Option<&'person str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_tax_identifier: Option<String>,
    currency_ref: Ref,
    preferred_delivery_method: &'static str,
}

impl Company {
    /// The person of this list who is there; 610 otherwise.
    pub(crate) fn person(&self, kind: PersonKind, id: &str) -> Result<&Person, Refusal> {
        let there = |person: &&Person| person.kind == kind && person.merged_into.is_none();
        self.people.get(id).filter(there).ok_or_else(Refusal::not_found)
    }

    /// 6240 when another active customer, vendor or employee has the name.
    pub(crate) fn name_is_free(&self, name: &str, but: Option<&str>) -> Result<(), Refusal> {
        let taken = self.people.by_key(name).any(|other| other.active && Some(other.id.as_str()) != but);
        if taken { Err(Refusal::duplicate_name("customer, vendor or employee")) } else { Ok(()) }
    }
}
