//! Customers, companies and facts: domain to wire and back. Pure, and the same bytes for the same value.

use coportal_core::client::Address;
use coportal_core::connection::Organisation;
use coportal_core::contact::{Contact, ContactContent, ContactStatus};
use coportal_core::facts::{Account, AccountUse, Facts, TaxRate};
use coportal_core::money::Currency;
use coportal_core::text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::fixit::Cause;
use super::place::{Place, is_name};
use super::wire::{
    CustomerBody, WireAccount, WireCompany, WireCurrency, WireCustomer, WireEnvironment, WireInformation, WireJournal, WireSetup,
    WireTaxGroup, word,
};
use crate::{country, json};

/// A text of at most so many characters, without blanks at its ends.
fn cut(text: &str, max: usize) -> String {
    let head: String = text::tidy(text).chars().take(max).collect();
    head.trim_end().to_owned()
}

/// A customer's name as it is kept: at most 100 characters (section 4).
pub(super) fn contact_name(name: &str) -> String {
    cut(name, 100)
}

/// A customer to write, as the intent stores it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CustomerWrite {
    /// The whole name, where a name is written: the ledger may keep less of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// The version that an update rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) if_match: Option<String>,
    /// The customer.
    pub(super) customer: Option<Box<RawValue>>,
    /// The same without its country, for companies that do not have that code: which codes there are is no part of the facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) without_country: Option<Box<RawValue>>,
}

/// The body of a customer's create or update.
pub(super) fn contact_body(content: &ContactContent, there: Option<&Contact>) -> Vec<u8> {
    let text = |text: &Option<String>, max: usize| text.as_deref().map(|text| cut(text, max)).filter(|text| !text.is_empty());
    let plain = |text: &'_ Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).is_some();
    let address = content.billing_address.as_ref();
    let part = |of: fn(&Address) -> &Option<String>, max| address.and_then(|address| text(of(address), max));
    let mut body = CustomerBody {
        display_name: content.name.as_deref().map(contact_name).filter(|name| !name.is_empty()),
        email: content.email.as_deref().map(str::trim).filter(|_| plain(&content.email)),
        // Letters are refused in a number, and so is a longer one: the customer is worth more than it.
        phone_number: content
            .phone
            .as_deref()
            .map(str::trim)
            .filter(|phone| plain(&content.phone) && phone.chars().count() <= 30 && !phone.chars().any(char::is_alphabetic)),
        address_line1: part(|address| &address.line1, 100),
        address_line2: part(|address| &address.line2, 50),
        city: part(|address| &address.city, 30),
        state: part(|address| &address.region, 30),
        postal_code: part(|address| &address.postal_code, 20),
        country: address.and_then(|address| address.country.as_deref()).and_then(country::code),
    };
    let customer = to_raw_value(&body).ok();
    let without_country = body.country.take().and_then(|_| to_raw_value(&body).ok());
    // An update always names a version; `*` where the ledger told none.
    let if_match = there.map(|there| there.version.clone().unwrap_or_else(|| "*".to_owned()));
    json::bytes(&CustomerWrite { name: content.name.clone(), if_match, customer, without_country })
}

/// A customer as CoPortal sees it.
pub(super) fn contact(wire: WireCustomer) -> Contact {
    let address = Address {
        line1: wire.address_line1,
        line2: wire.address_line2,
        city: wire.city,
        region: wire.state,
        postal_code: wire.postal_code,
        // CoPortal keeps countries by name.
        country: wire.country.map(|code| country::name(&code).to_owned()),
    };
    let status = match wire.blocked.as_deref().map(word).as_deref() {
        // `Ship` stops deliveries, not invoices (section 4).
        None | Some("" | "Ship") => ContactStatus::Active,
        Some(_) => ContactStatus::Archived,
    };
    Contact {
        external_id: wire.id.to_string(),
        name: wire.display_name.unwrap_or_default(),
        email: wire.email,
        phone: wire.phone_number,
        billing_address: (!address.is_empty()).then_some(address),
        our_mark: None,
        status,
        merged_into: None,
        // Nothing is made after its last change: where only that is told, it still shows what is too old to be ours.
        created_at: wire.system_created_at.or(wire.last_modified_date_time),
        version: wire.etag,
        currency: None,
    }
}

/// A customer whose name is as much of `name` as the ledger keeps has that name: what was cut off is no difference.
pub(super) fn with_whole_name(contact: Contact, name: &str) -> Contact {
    let is_cut = text::name_key(&contact.name) == text::name_key(&contact_name(name));
    if is_cut { Contact { name: text::tidy(name), ..contact } } else { contact }
}

/// A customer found by an e-mail address: of a list in the field the one that was asked for is its address.
pub(super) fn with_email(mut contact: Contact, email: &str) -> Option<Contact> {
    let key = text::email_key(email);
    let held = contact.email.as_deref()?;
    let found = held.split(';').map(str::trim).find(|one| text::email_key(one) == key)?.to_owned();
    contact.email = Some(found);
    Some(contact)
}

/// Whether an environment is of a type (section 2: compared without regard to case).
fn is_of(environment: &WireEnvironment, kind: &str) -> bool {
    environment.r#type.as_deref().is_some_and(|word| word.trim().eq_ignore_ascii_case(kind))
}

/// Whether an environment's type is the one for real books.
fn is_production(environment: &WireEnvironment) -> bool {
    is_of(environment, "Production")
}

/// The environments in the order in which they are offered (R16): those for real books first, by name.
pub(super) fn environments(all: Vec<WireEnvironment>) -> Vec<WireEnvironment> {
    let is_ours = |environment: &WireEnvironment| {
        environment.application_family.as_deref().is_none_or(|family| family.trim().eq_ignore_ascii_case("BusinessCentral"))
    };
    let mut ours: Vec<WireEnvironment> = all.into_iter().filter(is_ours).filter(|environment| is_name(&environment.name)).collect();
    ours.sort_by(|a, b| (!is_production(a), &a.name).cmp(&(!is_production(b), &b.name)));
    ours
}

/// A company as an organisation. A sandbox says what it is, whatever its name: nobody should take it for the real books (R16).
pub(super) fn organisation(environment: &WireEnvironment, company: WireCompany) -> Organisation {
    let name = environment.name.as_str();
    let is_told = name.to_ascii_lowercase().contains("sandbox");
    let shown = if is_of(environment, "Sandbox") && !is_told { format!("{name}, sandbox") } else { name.to_owned() };
    Organisation {
        id: Place::new(environment.aad_tenant_id, name, company.id).id(),
        name: company.display_name.unwrap_or(company.name),
        environment: Some(shown),
        // There is no link to cut: an administrator takes the consent back (section 1).
        link_id: None,
    }
}

/// What facts are made of.
pub(super) struct Parts {
    pub(super) company: WireCompany,
    pub(super) setup: WireSetup,
    pub(super) information: WireInformation,
    pub(super) accounts: Vec<WireAccount>,
    pub(super) tax_groups: Vec<WireTaxGroup>,
    pub(super) currencies: Vec<WireCurrency>,
    pub(super) journals: Vec<WireJournal>,
}

/// A company's facts.
///
/// # Errors
/// The company's local currency is not one that CoPortal knows.
pub(super) fn facts(parts: Parts, now: Timestamp) -> Result<Facts, Cause> {
    let local = parts.setup.local_currency_code.or(parts.information.currency_code);
    let base_currency: Currency = local.and_then(|code| code.parse().ok()).ok_or(Cause::BaseCurrencyUnknown)?;
    // The list holds foreign currencies only.
    let mut usable: Vec<Currency> = parts.currencies.iter().filter_map(|currency| currency.code.parse().ok()).collect();
    usable.push(base_currency);
    usable.sort_unstable();
    usable.dedup();
    let mut accounts: Vec<Account> = parts.accounts.into_iter().filter_map(account).collect();
    // "Default first by number" (section 5).
    accounts.sort_by(|a, b| a.code.cmp(&b.code));
    let default_sales_account =
        accounts.iter().find(|account| account.uses.contains(&AccountUse::Sales)).and_then(|account| account.code.clone());
    accounts.extend(parts.journals.into_iter().map(journal));
    Ok(Facts {
        name: parts.company.display_name.unwrap_or_else(|| parts.company.name.clone()),
        base_currency,
        currencies: usable,
        tax_rates: parts.tax_groups.into_iter().filter_map(tax_group).collect(),
        accounts,
        // The web client's address names the company by its name, not by what it shows.
        short_code: Some(parts.company.name),
        items: Vec::new(),
        default_item: None,
        default_sales_account,
        assigns_numbers: false,
        tax_method: None,
        one_tax_code: false,
        // Nothing says that a company charges no VAT; the percentage of each line that comes back is checked (section 6).
        pays_tax: true,
        locked_until: parts.setup.allow_posting_from.and_then(|from| from.yesterday().ok()),
        fetched_at: now,
    })
}

fn tax_group(wire: WireTaxGroup) -> Option<TaxRate> {
    let code = wire.code?;
    Some(TaxRate {
        name: wire.display_name.map_or_else(|| code.clone(), |name| format!("{code} {name}")),
        code,
        // Not on the API (section 6).
        rate: None,
        on_sales: true,
        class: wire.tax_type,
        parts: Vec::new(),
        windows: Vec::new(),
    })
}

/// Beginnings of the word "rounding" in the languages of the vendor's charts of accounts: no field says that an account is for it.
const ROUNDING: [&str; 8] = ["rounding", "afrond", "rundung", "arrond", "redondeo", "arrotond", "arredond", "avrund"];

/// Accounts that lines can be posted to and that serve one of our purposes.
fn account(wire: WireAccount) -> Option<Account> {
    let is = |text: &Option<String>, wanted: &str| text.as_deref().map(word).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    if !is(&wire.account_type, "Posting")
        || wire.direct_posting != Some(true)
        || wire.blocked == Some(true)
        || wire.number.trim().is_empty()
    {
        return None;
    }
    let name = wire.display_name.unwrap_or_else(|| wire.number.clone());
    let lower = name.to_lowercase();
    let uses = if ROUNDING.iter().any(|word| lower.contains(word)) {
        AccountUse::Rounding
    } else if is(&wire.category, "Income") {
        AccountUse::Sales
    } else {
        return None;
    };
    Some(Account { id: wire.id.to_string(), code: Some(wire.number), name, uses: vec![uses], tax_code: None })
}

/// A payment journal: where payments are left for the bookkeeper to post (section 12). It goes by its id: its code is no account's.
fn journal(wire: WireJournal) -> Account {
    let code = wire.code.unwrap_or_default();
    let name = wire.display_name.map_or_else(|| code.clone(), |name| if code.is_empty() { name } else { format!("{name} ({code})") });
    Account {
        id: wire.id.to_string(),
        code: None,
        name: format!("Payment journal {name}").trim_end().to_owned(),
        uses: vec![AccountUse::Payment],
        tax_code: None,
    }
}

#[cfg(test)]
mod tests;
