//! `POST /contacts`, `PUT /contacts/{key}`, `DELETE /contacts/{key}`.

use jiff::Timestamp;

use super::business::Business;
use super::contact::{Contact, Person, view};
use super::input::{address, body, known, record, settle, text};
use super::query::id;
use super::reply::{Fault, Refusal, fault, written};
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;
use crate::skeleton::ids::Ids;
use crate::skeleton::incoming::Incoming;

const CONTACT: [&str; 13] = [
    "name",
    "contact_type_ids",
    "reference",
    "default_sales_ledger_account_id",
    "default_sales_tax_rate_id",
    "tax_number",
    "notes",
    "source_guid",
    "credit_days",
    "currency_id",
    "main_address",
    "delivery_address",
    "main_contact_person",
];

const PERSON: [&str; 7] = ["contact_person_type_ids", "name", "job_title", "telephone", "mobile", "email", "fax"];

/// Person types that the simulator knows (from memory: the vendor lists them under `/contact_person_types`).
const PERSON_TYPES: [&str; 4] = ["ACCOUNTS", "GENERAL", "PURCHASING", "SALES"];

/// `POST /contacts`.
pub(crate) fn create(business: &mut Business, ids: &mut Ids, call: &Incoming, now: Timestamp) -> Result<Reply, Refusal> {
    let fields = body(call, "contact")?;
    let mut contact = Contact::new(ids.uuid(), "", &business.currency, now);
    contact.is_customer = false;
    let mut faults = Vec::new();
    for (name, given) in [("name", fields.text("name")?.is_some()), ("contact_type_ids", fields.texts("contact_type_ids")?.is_some())] {
        if !given {
            faults.push(fault(name, "is missing"));
        }
    }
    apply(business, ids, &fields, &mut contact, faults)?;
    let shown = view(business, &contact, false);
    business.contacts.put(contact);
    Ok(written(201, &shown))
}

/// `PUT /contacts/{key}`: what is absent stays, inside nested objects too.
pub(crate) fn update(business: &mut Business, ids: &mut Ids, call: &Incoming, key: &str, now: Timestamp) -> Result<Reply, Refusal> {
    let mut contact = id(key).and_then(|id| business.contacts.get(id)).cloned().ok_or(Refusal::NotFound)?;
    let fields = body(call, "contact")?;
    apply(business, ids, &fields, &mut contact, Vec::new())?;
    contact.updated = now;
    let shown = view(business, &contact, false);
    business.contacts.put(contact);
    Ok(written(200, &shown))
}

/// `DELETE /contacts/{key}`: soft, and only while nothing refers to it. Its reference stays taken.
pub(crate) fn delete(business: &mut Business, key: &str, now: Timestamp) -> Result<Reply, Refusal> {
    let mut contact = id(key).and_then(|id| business.contacts.get(id)).cloned().ok_or(Refusal::NotFound)?;
    let used = business.invoices.all().iter().any(|invoice| invoice.contact == contact.id && invoice.deleted.is_none());
    if used || contact.system {
        return Err(Refusal::invalid("", "The contact cannot be deleted."));
    }
    contact.updated = now;
    contact.deleted = Some(now);
    business.contacts.put(contact);
    Ok(Reply::new(204, "", String::new()))
}

fn apply(business: &Business, ids: &mut Ids, fields: &Fields, contact: &mut Contact, mut faults: Vec<Fault>) -> Result<(), Refusal> {
    known(fields, &CONTACT, "contact")?;
    if contact.system {
        return Err(Refusal::invalid("", "A system contact cannot be changed."));
    }
    if fields.has("name") {
        let mut name = None;
        text(fields, "name", "name", 100, &mut faults, &mut name)?;
        match name.filter(|name| !name.trim().is_empty()) {
            Some(name) => contact.name = name,
            None => faults.push(fault("name", "can't be blank")),
        }
    }
    if let Some(kinds) = fields.texts("contact_type_ids")? {
        if kinds.is_empty() {
            faults.push(fault("contact_type_ids", "can't be blank"));
        }
        if kinds.iter().any(|kind| kind != "CUSTOMER" && kind != "VENDOR") {
            return Err(Refusal::NotFound);
        }
        contact.is_customer = kinds.iter().any(|kind| kind == "CUSTOMER");
        contact.is_vendor = kinds.iter().any(|kind| kind == "VENDOR");
    }
    reference(business, fields, contact, &mut faults)?;
    defaults(business, fields, contact)?;
    text(fields, "notes", "notes", 4000, &mut faults, &mut contact.notes)?;
    text(fields, "source_guid", "source_guid", 255, &mut faults, &mut contact.source_guid)?;
    text(fields, "tax_number", "tax_number", 255, &mut faults, &mut contact.tax_number)?;
    if fields.has("credit_days") {
        let days = fields.decimal("credit_days")?;
        contact.credit_days = match days {
            None => None,
            Some(days) => match u32::try_from(days) {
                Ok(whole) if whole <= 365 && days.is_integer() => Some(whole),
                _ => return Err(Refusal::invalid("credit_days", "is not a number of days")),
            },
        };
    }
    currency(business, fields, contact, &mut faults)?;
    for name in ["main_address", "delivery_address"] {
        if let Some(sent) = fields.object(name)? {
            let target = if name == "main_address" { &mut contact.main_address } else { &mut contact.delivery_address };
            address(&sent, name, true, ids, &mut faults, target)?;
        }
    }
    if let Some(sent) = fields.object("main_contact_person")? {
        person(&sent, ids, &mut faults, contact)?;
    }
    let country = contact.main_address.as_ref().and_then(|address| address.country.as_deref()).unwrap_or(&business.country);
    if fields.has("tax_number") && contact.tax_number.as_deref().is_some_and(|number| !is_tax_number(number, country)) {
        faults.push(fault("tax_number", "is not a valid tax number"));
    }
    settle(faults)
}

fn reference(business: &Business, fields: &Fields, contact: &mut Contact, faults: &mut Vec<Fault>) -> Result<(), Refusal> {
    text(fields, "reference", "reference", 10, faults, &mut contact.reference)?;
    let holder = contact.reference.as_deref().and_then(|reference| business.contacts.by_reference(reference));
    if fields.has("reference") && holder.is_some_and(|holder| holder.id != contact.id) {
        faults.push(fault("reference", "has already been taken"));
    }
    Ok(())
}

fn defaults(business: &Business, fields: &Fields, contact: &mut Contact) -> Result<(), Refusal> {
    if fields.has("default_sales_ledger_account_id") {
        let account = record(fields, "default_sales_ledger_account_id")?;
        if account.is_some_and(|id| !business.ledger_account(id).is_some_and(|account| account.visible_in_sales)) {
            return Err(Refusal::NotFound);
        }
        contact.sales_ledger_account = account;
    }
    if fields.has("default_sales_tax_rate_id") {
        let rate = fields.text("default_sales_tax_rate_id")?;
        if rate.as_deref().is_some_and(|id| business.usable_tax_rate(id).is_none()) {
            return Err(Refusal::NotFound);
        }
        contact.sales_tax_rate = rate;
    }
    Ok(())
}

/// A contact trades in one currency: it can be chosen while the contact has no invoice (byte8 documentation, "multi-currency").
fn currency(business: &Business, fields: &Fields, contact: &mut Contact, faults: &mut Vec<Fault>) -> Result<(), Refusal> {
    let Some(code) = fields.text("currency_id")? else { return Ok(()) };
    if !business.trades_in(&code) {
        faults.push(fault("currency", "is not enabled for this business"));
    } else if code != contact.currency && business.invoices.all().iter().any(|invoice| invoice.contact == contact.id) {
        faults.push(fault("currency", "cannot be changed"));
    }
    contact.currency = code;
    Ok(())
}

fn person(sent: &Fields, ids: &mut Ids, faults: &mut Vec<Fault>, contact: &mut Contact) -> Result<(), Refusal> {
    known(sent, &PERSON, "main_contact_person")?;
    let mut person = contact.person.take().unwrap_or_else(|| Person { id: ids.uuid(), ..Person::default() });
    if let Some(types) = sent.texts("contact_person_type_ids")? {
        if types.iter().any(|kind| !PERSON_TYPES.contains(&kind.as_str())) {
            return Err(Refusal::NotFound);
        }
        person.types = types;
    }
    if person.types.is_empty() {
        faults.push(fault("main_contact_person.contact_person_types", "is missing"));
    }
    let at = |name: &str| format!("main_contact_person.{name}");
    text(sent, "name", &at("name"), 50, faults, &mut person.name)?;
    text(sent, "job_title", &at("job_title"), 50, faults, &mut person.job_title)?;
    text(sent, "telephone", &at("telephone"), 50, faults, &mut person.telephone)?;
    text(sent, "mobile", &at("mobile"), 50, faults, &mut person.mobile)?;
    text(sent, "email", &at("email"), 100, faults, &mut person.email)?;
    text(sent, "fax", &at("fax"), 50, faults, &mut person.fax)?;
    if person.email.as_deref().is_some_and(|email| !email.contains('@') || email.contains(' ')) {
        faults.push(fault("main_contact_person.email", "is not a valid email address"));
    }
    contact.person = Some(person);
    Ok(())
}

/// "The format will be validated" (published schema). Modelled: GB has 9 or 12 digits, IE 7 digits and one or two letters, each with or
/// without the country's letters; any other country 4 to 15 letters and digits. No check digits.
fn is_tax_number(number: &str, country: &str) -> bool {
    let plain: String = number.chars().filter(|one| !one.is_whitespace()).collect();
    let rest = plain.strip_prefix(country).unwrap_or(&plain);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let letters = rest.bytes().skip(digits).all(|byte| byte.is_ascii_uppercase());
    match country {
        "GB" => matches!(digits, 9 | 12) && rest.len() == digits,
        "IE" => digits == 7 && letters && matches!(rest.len(), 8 | 9),
        _ => {
            (4..=15).contains(&rest.len())
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && rest.bytes().any(|byte| byte.is_ascii_digit())
        }
    }
}
