//! Contacts on the wire, and the ways to list them (vendor notes, section 2).

use serde::Serialize;
use uuid::Uuid;

use super::contact::{Address, Contact, ContactStatus, Phone};
use super::filter;
use super::organisation::Organisation;
use super::query::{Page, Query};
use super::reply::{Envelope, Message, Pagination, Refusal, ms_instant};
use crate::skeleton::answer::Reply;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContactView<'contact> {
    #[serde(rename = "ContactID")]
    contact_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none", rename = "MergedToContactID")]
    merged_to_contact_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_number: Option<&'contact str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_number: Option<&'contact str>,
    contact_status: &'static str,
    name: &'contact str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'contact str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'contact str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    company_number: Option<&'contact str>,
    email_address: &'contact str,
    bank_account_details: &'static str,
    tax_number: &'contact str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_currency: Option<&'contact str>,
    addresses: &'contact [Address],
    phones: &'contact [Phone],
    #[serde(rename = "UpdatedDateUTC")]
    updated_date_utc: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    heavy: Option<Heavy>,
    has_validation_errors: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_attribute_string: Option<&'static str>,
}

/// What a summary leaves out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Heavy {
    contact_groups: [(); 0],
    is_supplier: bool,
    is_customer: bool,
    contact_persons: [(); 0],
    has_attachments: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A single or paged read.
    Whole,
    /// A list without paging: a merge is not told.
    List,
    /// `summaryOnly=true`.
    Summary,
    /// The reply to a write.
    Written,
}

pub(crate) fn view(contact: &Contact, detail: Detail) -> ContactView<'_> {
    let heavy = Heavy {
        contact_groups: [],
        is_supplier: contact.is_supplier,
        is_customer: contact.is_customer,
        contact_persons: [],
        has_attachments: false,
    };
    ContactView {
        contact_id: contact.id,
        merged_to_contact_id: contact.merged_to.filter(|_| detail == Detail::Whole),
        contact_number: contact.number.as_deref(),
        account_number: contact.account_number.as_deref(),
        contact_status: match contact.status {
            ContactStatus::Active => "ACTIVE",
            ContactStatus::Archived => "ARCHIVED",
        },
        name: &contact.name,
        first_name: contact.first_name.as_deref(),
        last_name: contact.last_name.as_deref(),
        company_number: contact.company_number.as_deref(),
        email_address: &contact.email,
        bank_account_details: "",
        tax_number: &contact.tax_number,
        default_currency: contact.default_currency.as_deref(),
        addresses: &contact.addresses,
        phones: &contact.phones,
        updated_date_utc: ms_instant(contact.updated),
        heavy: (detail != Detail::Summary).then_some(heavy),
        has_validation_errors: false,
        status_attribute_string: (detail == Detail::Written).then_some("OK"),
    }
}

/// A contact that was not saved, as the vendor shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FailedContact {
    #[serde(rename = "ContactID")]
    pub(crate) contact_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) addresses: [(); 0],
    pub(crate) phones: [(); 0],
    pub(crate) contact_groups: [(); 0],
    pub(crate) contact_persons: [(); 0],
    pub(crate) has_validation_errors: bool,
    pub(crate) status_attribute_string: &'static str,
    pub(crate) validation_errors: Vec<Message>,
}

const MODELLED: [&str; 8] = ["where", "page", "pageSize", "includeArchived", "summaryOnly", "searchTerm", "IDs", "order"];

/// `GET /Contacts`.
pub(crate) fn list(organisation: &Organisation, envelope: &Envelope<'_>, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&MODELLED)?;
    let by_id = match query.text("order") {
        None => false,
        Some("ContactID" | "ContactID ASC") => true,
        Some(other) => return Err(Refusal::NotModelled(format!("order={other}"))),
    };
    let fields = ["Name", "EmailAddress", "ContactNumber", "ContactStatus", "ContactID"];
    let clause = query.text("where").map(|text| filter::parse(text, &fields)).transpose()?;
    let page = query.page()?;
    let archived = query.flag("includeArchived")?;
    let summary = query.flag("summaryOnly")?;
    let ids = query.ids("IDs")?;
    let since = query.modified_since()?;
    let term = query.text("searchTerm").map(str::to_lowercase);
    let mut found: Vec<&Contact> = organisation
        .contacts
        .all()
        .iter()
        .filter(|contact| archived || contact.status == ContactStatus::Active)
        .filter(|contact| ids.as_ref().is_none_or(|ids| ids.contains(&contact.id)))
        .filter(|contact| since.is_none_or(|since| contact.updated >= since))
        .filter(|contact| term.as_ref().is_none_or(|term| mentions(contact, term)))
        .filter(|contact| {
            clause.as_ref().is_none_or(|clause| {
                clause.selects(&|field, literal| match field {
                    "Name" => literal.is_name(&contact.name),
                    "EmailAddress" => literal.is_text(Some(&contact.email)),
                    "ContactNumber" => literal.is_text(contact.number.as_deref()),
                    "ContactID" => literal.is_guid(contact.id),
                    _ => literal.is_text(Some(if contact.status == ContactStatus::Active { "ACTIVE" } else { "ARCHIVED" })),
                })
            })
        })
        .collect();
    if by_id {
        found.sort_by_key(|contact| contact.id);
    }
    let detail = match (&page, summary) {
        (_, true) => Detail::Summary,
        (Some(_), false) => Detail::Whole,
        (None, false) => Detail::List,
    };
    let pagination = page.map(|Page { number, size }| Pagination::new(number, size, found.len()));
    let shown: Vec<_> = Page::cut(page, &found).iter().map(|contact| view(contact, detail)).collect();
    Ok(envelope.reply("Contacts", &shown, pagination))
}

fn mentions(contact: &Contact, term: &str) -> bool {
    [Some(&contact.name), contact.first_name.as_ref(), contact.last_name.as_ref(), contact.number.as_ref(), Some(&contact.email)]
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(term))
}

/// `GET /Contacts/{ContactID or ContactNumber}`.
pub(crate) fn one(organisation: &Organisation, envelope: &Envelope<'_>, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&[])?;
    let by_id = Uuid::parse_str(key).ok().and_then(|id| organisation.contacts.get(id));
    let contact = by_id.or_else(|| organisation.contacts.by_number(key)).ok_or(Refusal::NotFound)?;
    Ok(envelope.reply("Contacts", &[view(contact, Detail::Whole)], None))
}
