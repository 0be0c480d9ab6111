//! Domain to wire and back: pure, and the same bytes for the same value.

use coportal_core::client::Address;
use coportal_core::connection::Organisation;
use coportal_core::contact::{Contact, ContactContent, ContactStatus};
use coportal_core::document::{Changeable, DocumentStatus, DocumentWrite, RemoteDocument, RemoteLine, WriteLine};
use coportal_core::facts::{Account, AccountUse, Facts, TaxRate};
use coportal_core::invoice::TaxMode;
use coportal_core::money::{Currency, Rate};
use coportal_core::pricing::Totals;
use coportal_core::text;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use uuid::Uuid;

use super::fixit::Cause;
use super::wire::{
    AddressBody, ContactBody, ContactIdBody, ContactsBody, EndBody, InvoiceBody, InvoicesBody, LineBody, Link, OrganisationFacts,
    PhoneBody, WireAccount, WireAddress, WireContact, WireCurrency, WireInvoice, WireLine, WirePhone, WireTaxRate, day,
};
use crate::json::{self, WireDecimal, kept};

/// A contact's name as Xero takes it: no angle brackets, no blanks at the ends or doubled, at most 255 characters ("Contacts").
pub(super) fn contact_name(name: &str) -> String {
    let tidy = text::tidy(&name.replace(['<', '>'], " "));
    let cut: String = tidy.chars().take(255).collect();
    cut.trim_end().to_owned()
}

/// A country as Xero takes it: at most 50 letters from A to Z and blanks (`xero_accounting.yaml`, Address). Accents are left off; a name in
/// another script cannot be written there at all.
fn country(name: &str) -> Option<String> {
    let plain = name.nfkd().filter(|c| !is_combining_mark(*c));
    let letters: String = plain.map(|c| if c.is_alphabetic() { c } else { ' ' }).collect();
    Some(text::tidy(&letters)).filter(|country| !country.is_empty() && country.is_ascii() && country.len() <= 50)
}

/// The body of a contact's create or update. An update never carries the id: Xero refuses a name beside one, and the path names the
/// contact already.
pub(super) fn contact_body(content: &ContactContent, is_update: bool) -> Vec<u8> {
    let present = |text: &'_ Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).is_some();
    let address = content.billing_address.as_ref().filter(|address| !address.is_empty());
    let body = ContactsBody {
        contacts: [ContactBody {
            name: content.name.as_deref().map(contact_name).filter(|name| !name.is_empty()),
            email_address: content.email.as_deref().map(str::trim).filter(|_| present(&content.email)),
            // Set on create only: on a linked contact another integration's value may stand there.
            contact_number: content.our_mark.as_deref().filter(|_| !is_update),
            phones: content
                .phone
                .as_deref()
                .map(str::trim)
                .filter(|_| present(&content.phone))
                .map(|number| [PhoneBody { phone_type: "DEFAULT", phone_number: number }]),
            addresses: address.map(|address| {
                [AddressBody {
                    address_type: "POBOX",
                    address_line1: address.line1.as_deref(),
                    address_line2: address.line2.as_deref(),
                    city: address.city.as_deref(),
                    region: address.region.as_deref(),
                    postal_code: address.postal_code.as_deref(),
                    country: address.country.as_deref().and_then(country),
                }]
            }),
        }],
    };
    json::bytes(&body)
}

/// A contact as CoPortal sees it.
pub(super) fn contact(wire: WireContact) -> Contact {
    let person = || {
        let parts = [wire.first_name.as_deref(), wire.last_name.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let name = wire.name.clone().unwrap_or_else(person);
    let status = match wire.contact_status.as_deref() {
        None | Some("ACTIVE") => ContactStatus::Active,
        // ARCHIVED, GDPRREQUEST, and whatever comes later: not to be used on new documents.
        Some(_) => ContactStatus::Archived,
    };
    let email = wire.email_address.or_else(|| wire.contact_persons.into_iter().find_map(|person| person.email_address));
    Contact {
        external_id: wire.id,
        name,
        email,
        phone: phone(&wire.phones),
        billing_address: ["POBOX", "STREET"].into_iter().find_map(|kind| address(&wire.addresses, kind)),
        our_mark: wire.contact_number,
        status,
        merged_into: wire.merged_to,
        currency: None,
        created_at: None,
        version: None,
    }
}

fn phone(phones: &[WirePhone]) -> Option<String> {
    ["DEFAULT", "MOBILE", "DDI", "OFFICE"].into_iter().find_map(|kind| {
        let phone = phones.iter().find(|phone| phone.phone_type.as_deref() == Some(kind))?;
        let number = phone.phone_number.as_deref()?;
        let parts = [phone.phone_country_code.as_deref(), phone.phone_area_code.as_deref(), Some(number)];
        Some(parts.into_iter().flatten().map(str::trim).collect::<Vec<_>>().join(" "))
    })
}

fn address(addresses: &[WireAddress], kind: &str) -> Option<Address> {
    let wire = addresses.iter().find(|address| address.address_type.as_deref() == Some(kind))?;
    let rest = [&wire.address_line2, &wire.address_line3, &wire.address_line4];
    let rest = rest.into_iter().flatten().map(|line| line.trim()).collect::<Vec<_>>().join(", ");
    let address = Address {
        line1: wire.address_line1.clone(),
        line2: Some(rest).filter(|rest| !rest.is_empty()),
        city: wire.city.clone(),
        region: wire.region.clone(),
        postal_code: wire.postal_code.clone(),
        country: wire.country.clone(),
    };
    (!address.is_empty()).then_some(address)
}

/// The organisations among the links; our app may be linked to practice software as well.
pub(super) fn organisations(links: Vec<Link>) -> Vec<Organisation> {
    links
        .into_iter()
        .filter(|link| link.tenant_type.as_deref() == Some("ORGANISATION"))
        .map(|link| Organisation {
            name: link.tenant_name.unwrap_or_else(|| "Unnamed organisation".to_owned()),
            id: link.tenant_id,
            environment: None,
            link_id: Some(link.id),
        })
        .collect()
}

/// An organisation's facts.
///
/// # Errors
/// The organisation cannot be used: it has no invoices, or a base currency that CoPortal does not know.
pub(super) fn facts(
    organisation: OrganisationFacts,
    rates: Vec<WireTaxRate>,
    accounts: Vec<WireAccount>,
    currencies: Vec<WireCurrency>,
    now: Timestamp,
) -> Result<Facts, Cause> {
    // "Organisations": the partner edition has no invoicing.
    if organisation.edition.as_deref().is_some_and(|edition| edition.eq_ignore_ascii_case("PARTNER")) {
        return Err(Cause::NoInvoicing);
    }
    let base_currency: Currency = organisation.base_currency.parse().map_err(|_| Cause::BaseCurrencyUnknown)?;
    let mut usable: Vec<Currency> = currencies.iter().filter_map(|currency| currency.code.parse().ok()).collect();
    if !usable.contains(&base_currency) {
        usable.push(base_currency);
    }
    usable.sort_unstable();
    usable.dedup();
    let locks = [organisation.period_lock_date, organisation.end_of_year_lock_date];
    Ok(Facts {
        name: organisation.name.unwrap_or_else(|| "Unnamed organisation".to_owned()),
        base_currency,
        currencies: usable,
        tax_rates: rates.into_iter().filter_map(tax_rate).collect(),
        accounts: accounts.into_iter().filter_map(account).collect(),
        short_code: organisation.short_code,
        items: Vec::new(),
        default_item: None,
        default_sales_account: None,
        assigns_numbers: false,
        tax_method: None,
        one_tax_code: false,
        // Absent on old organisations: a wrong "not registered" would drop the tax from every invoice.
        pays_tax: organisation.pays_tax.unwrap_or(true),
        locked_until: locks.iter().flatten().filter_map(|lock| day(lock)).max(),
        fetched_at: now,
    })
}

fn tax_rate(wire: WireTaxRate) -> Option<TaxRate> {
    let code = wire.tax_type?;
    let active = wire.status.as_deref().is_none_or(|status| status == "ACTIVE");
    Some(TaxRate {
        name: wire.name.unwrap_or_else(|| code.clone()),
        code,
        rate: wire.effective_rate.and_then(|percent| Rate::try_from(percent).ok()),
        on_sales: active && wire.can_apply_to_revenue == Some(true),
        class: wire.report_tax_type,
        parts: Vec::new(),
        windows: Vec::new(),
    })
}

/// Accounts that serve none of our purposes are left out: a chart of accounts has hundreds.
fn account(wire: WireAccount) -> Option<Account> {
    if wire.status.as_deref().is_some_and(|status| status != "ACTIVE") {
        return None;
    }
    let kind = wire.r#type.as_deref();
    let purposes = [
        (AccountUse::Sales, matches!(kind, Some("REVENUE" | "SALES"))),
        (AccountUse::Payment, kind == Some("BANK") || wire.enable_payments_to_account == Some(true)),
        (AccountUse::Rounding, wire.system_account.as_deref() == Some("ROUNDING")),
    ];
    let uses: Vec<AccountUse> = purposes.into_iter().filter_map(|(purpose, serves)| serves.then_some(purpose)).collect();
    (!uses.is_empty()).then(|| Account {
        name: wire.name.or_else(|| wire.code.clone()).unwrap_or_else(|| "Unnamed account".to_owned()),
        id: wire.id,
        code: wire.code,
        uses,
        tax_code: wire.tax_type,
    })
}

/// Where a document stands. A word that CoPortal does not know counts as approved: such a document is not gone, and is not a draft that
/// may be freely changed.
fn status(native: &str) -> DocumentStatus {
    match native {
        "DRAFT" | "SUBMITTED" => DocumentStatus::Draft,
        "PAID" => DocumentStatus::Paid,
        "VOIDED" => DocumentStatus::Voided,
        "DELETED" => DocumentStatus::Deleted,
        _ => DocumentStatus::Approved,
    }
}

/// The word that a write carries: the document's own where it has one. `PAID` is never written, it follows from payments.
fn written_status(write: &DocumentWrite) -> Option<&str> {
    let word = write.native_status.as_deref().unwrap_or(match write.status {
        DocumentStatus::Draft => "DRAFT",
        DocumentStatus::Approved => "AUTHORISED",
        DocumentStatus::Paid => "PAID",
        DocumentStatus::Voided => "VOIDED",
        DocumentStatus::Deleted => "DELETED",
    });
    (word != "PAID").then_some(word)
}

/// The body of an invoice's create or update.
pub(super) fn document_body(write: &DocumentWrite) -> Vec<u8> {
    let body = InvoicesBody {
        invoices: [InvoiceBody {
            r#type: "ACCREC",
            // Path and body name the same invoice, so that a number can never choose another one.
            id: write.external_id.as_deref(),
            contact: ContactIdBody { id: &write.contact },
            date: write.issue_date,
            due_date: write.due_date,
            invoice_number: write.number.as_deref(),
            reference: write.reference.as_deref(),
            url: &write.url,
            currency_code: write.currency.as_str(),
            line_amount_types: match write.tax_mode {
                Some(TaxMode::Exclusive) => "Exclusive",
                Some(TaxMode::Inclusive) => "Inclusive",
                None => "NoTax",
            },
            status: written_status(write),
            // Once, when it becomes approved: the client has the invoice from CoPortal, and nobody should send it again from Xero.
            sent_to_contact: (write.native_status.is_none() && write.status == DocumentStatus::Approved).then_some(true),
            line_items: write.lines.iter().map(|line| line_body(line, write.tax_mode.is_some())).collect(),
        }],
    };
    json::bytes(&body)
}

/// A line as written. A document without tax names no tax rate.
fn line_body(line: &WriteLine, has_tax: bool) -> LineBody<'_> {
    // Account codes have at most ten characters, so a UUID can only be an id.
    let is_id = line.account.as_deref().is_some_and(|account| Uuid::try_parse(account).is_ok());
    let rate = kept(&line.kept, "DiscountRate");
    let counts = rate.as_deref().is_some_and(|raw| json::decimal_of(raw).is_some_and(|rate| !rate.is_zero()));
    LineBody {
        id: line.line_id.as_deref(),
        description: Some(line.description.as_str()).filter(|text| !text.is_empty()),
        quantity: line.quantity.map(WireDecimal),
        unit_amount: line.unit_price.map(WireDecimal),
        account_code: line.account.as_deref().filter(|_| !is_id),
        account_id: line.account.as_deref().filter(|_| is_id),
        tax_type: line.tax_code.as_deref().filter(|_| has_tax),
        tracking: kept(&line.kept, "Tracking"),
        item_code: kept(&line.kept, "ItemCode"),
        // Xero shows a discount both ways and takes it one way: the percentage where there is one.
        discount_amount: kept(&line.kept, "DiscountAmount").filter(|_| !counts),
        discount_rate: rate.filter(|_| counts),
        taxability: kept(&line.kept, "Taxability"),
        sales_tax_code_id: kept(&line.kept, "SalesTaxCodeId"),
    }
}

/// What must be handed back unchanged of a line.
fn kept_of(line: &WireLine) -> Value {
    json::keep([
        ("Tracking", &line.tracking),
        ("ItemCode", &line.item_code),
        ("DiscountRate", &line.discount_rate),
        ("DiscountAmount", &line.discount_amount),
        ("Taxability", &line.taxability),
        ("SalesTaxCodeId", &line.sales_tax_code_id),
    ])
}

/// The body that ends a document: drafts are deleted, approved ones voided ("Invoices", status codes).
pub(super) fn void_body(external_id: &str, stands: DocumentStatus) -> Vec<u8> {
    let status = match stands {
        DocumentStatus::Draft | DocumentStatus::Deleted => "DELETED",
        DocumentStatus::Approved | DocumentStatus::Paid | DocumentStatus::Voided => "VOIDED",
    };
    json::bytes(&InvoicesBody { invoices: [EndBody { id: external_id, status }] })
}

/// The body that approves a draft: every field that it leaves out stays as it is ("Invoices", "POST Invoices").
pub(super) fn approve_body(external_id: &str) -> Vec<u8> {
    json::bytes(&InvoicesBody { invoices: [EndBody { id: external_id, status: "AUTHORISED" }] })
}

/// Whether the wire's invoice is a sales invoice; bills share the endpoint.
pub(super) fn is_sales(wire: &WireInvoice) -> bool {
    wire.r#type.as_deref() == Some("ACCREC")
}

/// A sales invoice as CoPortal sees it.
///
/// # Errors
/// What is missing, when the answer lacks a field that no invoice is without.
pub(super) fn document(wire: WireInvoice) -> Result<RemoteDocument, &'static str> {
    let totals = Totals {
        subtotal: wire.sub_total.ok_or("the invoice has no SubTotal")?,
        tax: wire.total_tax.ok_or("the invoice has no TotalTax")?,
        total: wire.total.ok_or("the invoice has no Total")?,
    };
    let native_status = wire.status.ok_or("the invoice has no Status")?;
    let has_amount = |amount: Option<Decimal>| amount.is_some_and(|amount| !amount.is_zero());
    let allocated = [&wire.payments, &wire.credit_notes, &wire.prepayments, &wire.overpayments];
    let date = |text: &Option<String>, fallback: &Option<String>| [text, fallback].into_iter().flatten().find_map(|text| day(text));
    Ok(RemoteDocument {
        external_id: wire.id,
        number: wire.invoice_number,
        reference: wire.reference,
        url: wire.url,
        contact: wire.contact.ok_or("the invoice has no Contact")?.id,
        currency: wire.currency_code.and_then(|code| code.parse().ok()),
        issue_date: date(&wire.date_string, &wire.date),
        due_date: date(&wire.due_date_string, &wire.due_date),
        tax_mode: match wire.line_amount_types.as_deref() {
            Some("NoTax") => None,
            Some("Inclusive") => Some(TaxMode::Inclusive),
            // The vendor's default.
            Some(_) | None => Some(TaxMode::Exclusive),
        },
        status: status(&native_status),
        native_status,
        lines: wire.line_items.into_iter().map(line).collect(),
        totals,
        has_payments: has_amount(wire.amount_paid) || has_amount(wire.amount_credited) || allocated.iter().any(|list| !list.is_empty()),
        version: wire.updated,
        balance: wire.amount_due,
        created_at: None,
        changeable: Changeable::All,
        kept: Value::Null,
    })
}

fn line(wire: WireLine) -> RemoteLine {
    let kept = kept_of(&wire);
    RemoteLine {
        line_id: wire.id,
        description: wire.description.unwrap_or_default(),
        quantity: wire.quantity,
        unit_price: wire.unit_amount,
        tax_code: wire.tax_type,
        account: wire.account_code.or(wire.account_id),
        amount: wire.line_amount,
        tax: wire.tax_amount,
        rate: None,
        kept,
    }
}

#[cfg(test)]
mod tests;
