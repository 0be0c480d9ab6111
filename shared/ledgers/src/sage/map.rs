//! Domain to wire and back: pure, and the same bytes for the same value.

use coportal_core::client::Address;
use coportal_core::connection::Organisation;
use coportal_core::contact::{Contact, ContactContent, ContactStatus};
use coportal_core::document::{
    Changeable, DocumentStatus, DocumentWrite, Paid, PaymentWrite, RemoteDocument, RemoteLine, RemotePayment, WriteLine,
};
use coportal_core::facts::{Account, AccountUse, Facts, RateWindow, TaxRate};
use coportal_core::invoice::TaxMode;
use coportal_core::money::{Currency, Rate};
use coportal_core::pricing::Totals;
use coportal_core::text;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::Value;

use super::fixit::Cause;
use super::markup;
use super::wire::{
    AddressBody, Allocation, AllocationBody, BankAccount, Business, ContactBody, ContactDocument, EndBody, FinancialSettings, InvoiceBody,
    InvoiceDocument, LedgerAccount, LineBody, Named, PaymentBody, PaymentDocument, PersonBody, Window, WireAddress, WireContact,
    WireInvoice, WireLine, WirePayment, WireTaxRate,
};
use crate::country;
use crate::json::{self, WireDecimal};

/// Longest name of a contact.
const NAME_MAX: usize = 100;
/// Longest part of an address, telephone number, or name of a person.
const PART_MAX: usize = 50;
/// Longest postal code.
const POSTAL_CODE_MAX: usize = 10;

/// What Sage keeps as the reason of a void: at most 200 characters.
const VOID_REASON: &str = "Voided in CoPortal";

/// The types of the address and of the person that a contact is made with (docs/vendors/sage.md, section 2).
const ADDRESS_TYPE: &str = "ACCOUNTS";
const PERSON_TYPE: &str = "ACCOUNTS";

fn cut(text: &str, max: usize) -> String {
    let cut: String = text.chars().take(max).collect();
    cut.trim_end().to_owned()
}

fn present(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// A contact's name as Sage takes it: no blanks at the ends or doubled, at most 100 characters.
pub(super) fn contact_name(name: &str) -> String {
    cut(&text::tidy(name), NAME_MAX)
}

/// The body of a contact's create, or of an update of `there`. What an update leaves out stays, inside its address and person too.
pub(super) fn contact_body(content: &ContactContent, there: Option<&Contact>) -> Vec<u8> {
    let name = content.name.as_deref().map(contact_name).filter(|name| !name.is_empty());
    let email = present(content.email.as_deref());
    // A number that is too long to be one is left out: cut off it would be another number.
    let telephone = present(content.phone.as_deref()).filter(|phone| phone.chars().count() <= PART_MAX);
    // A contact that has neither has no person yet, as far as can be seen; a person that is made needs a name and a type.
    let has_person = there.is_some_and(|there| there.email.is_some() || there.phone.is_some());
    let person_name = name.as_deref().or(there.map(|there| there.name.as_str())).map(|name| cut(name, PART_MAX));
    let person = (email.is_some() || telephone.is_some()).then(|| PersonBody {
        contact_person_type_ids: (!has_person).then_some([PERSON_TYPE]),
        name: person_name.filter(|name| !has_person && !name.is_empty()),
        email,
        telephone,
    });
    let has_address = there.is_some_and(|there| there.billing_address.is_some());
    let address = content.billing_address.as_ref().filter(|address| !address.is_empty());
    let body = ContactDocument {
        contact: ContactBody {
            name,
            contact_type_ids: there.is_none().then_some(["CUSTOMER"]),
            // Set on create only: a reference that stands there is the bookkeeper's.
            reference: content.our_mark.as_deref().filter(|_| there.is_none()),
            currency_id: content.currency.as_ref().map(Currency::as_str).filter(|_| there.is_none()),
            main_address: address.map(|address| address_body(address, !has_address)),
            main_contact_person: person,
        },
    };
    json::bytes(&body)
}

fn address_body(address: &Address, is_new: bool) -> AddressBody {
    let part = |text: &Option<String>| present(text.as_deref()).map(|text| cut(&text::tidy(text), PART_MAX));
    AddressBody {
        address_type_id: is_new.then_some(ADDRESS_TYPE),
        address_line_1: part(&address.line1),
        address_line_2: part(&address.line2),
        city: part(&address.city),
        region: part(&address.region),
        // A code that is too long is none of Sage's countries'.
        postal_code: part(&address.postal_code).filter(|code| code.chars().count() <= POSTAL_CODE_MAX),
        country_id: address.country.as_deref().and_then(country::code),
    }
}

/// A contact as CoPortal sees it.
pub(super) fn contact(wire: WireContact) -> Contact {
    let person = wire.main_contact_person.as_ref();
    let email = wire.email.clone().or_else(|| person.and_then(|person| person.email.clone()));
    let phone = person.and_then(|person| person.telephone.clone().or_else(|| person.mobile.clone()));
    // Inactive ones, Sage's own, erased and deleted ones are not to be used on new documents.
    let usable =
        wire.is_active != Some(false) && wire.system != Some(true) && wire.gdpr_obfuscated != Some(true) && wire.deleted_at.is_none();
    Contact {
        external_id: wire.id,
        name: wire.name.or(wire.displayed_as).unwrap_or_default(),
        email,
        phone,
        billing_address: wire.main_address.as_ref().and_then(address),
        our_mark: wire.reference,
        status: if usable { ContactStatus::Active } else { ContactStatus::Archived },
        merged_into: None,
        created_at: wire.created_at,
        version: wire.updated_at,
        currency: wire.currency.and_then(|currency| currency.id.parse().ok()),
    }
}

fn address(wire: &WireAddress) -> Option<Address> {
    let country = wire.country.as_ref().map(|country| country.id.as_str()).filter(|id| !id.is_empty());
    let address = Address {
        line1: wire.address_line_1.clone(),
        line2: wire.address_line_2.clone(),
        city: wire.city.clone(),
        region: wire.region.clone(),
        postal_code: wire.postal_code.clone(),
        country: country.map(|code| country::name(code).to_owned()),
    };
    (!address.is_empty()).then_some(address)
}

/// The businesses that a person reaches.
pub(super) fn organisations(businesses: Vec<Business>) -> Vec<Organisation> {
    businesses
        .into_iter()
        .map(|business| Organisation {
            name: business.name.or(business.displayed_as).unwrap_or_else(|| UNNAMED.to_owned()),
            // The consent is the only link there is; it is cut by taking the refresh token back.
            link_id: Some(business.id.clone()),
            id: business.id,
            environment: None,
        })
        .collect()
}

const UNNAMED: &str = "Unnamed business";

/// What [`facts`] is made from.
pub(super) struct Books {
    pub(super) business: Business,
    pub(super) settings: FinancialSettings,
    pub(super) tax_rates: Vec<WireTaxRate>,
    pub(super) sales_accounts: Vec<LedgerAccount>,
    pub(super) bank_accounts: Vec<BankAccount>,
    /// Currencies that documents may have, where there are several.
    pub(super) currencies: Vec<Named>,
}

/// A business's facts.
///
/// # Errors
/// The business cannot be used: it has no base currency that CoPortal knows.
pub(super) fn facts(books: Books, now: Timestamp) -> Result<Facts, Cause> {
    let Books { business, settings, tax_rates, sales_accounts, bank_accounts, currencies } = books;
    let base_currency: Currency =
        settings.base_currency.as_ref().and_then(|currency| currency.id.parse().ok()).ok_or(Cause::BaseCurrencyUnknown)?;
    let mut usable: Vec<Currency> = currencies.iter().filter_map(|currency| currency.id.parse().ok()).collect();
    usable.push(base_currency);
    usable.sort_unstable();
    usable.dedup();
    let today = TimeZone::UTC.to_datetime(now).date();
    let sales: Vec<Account> = sales_accounts.into_iter().filter_map(sales_account).collect();
    // Sage names no default account of the business; where there is one only, it is that.
    let default_sales_account = match sales.as_slice() {
        [only] => Some(only.id.clone()),
        _ => None,
    };
    Ok(Facts {
        name: business.name.or(business.displayed_as).unwrap_or_else(|| UNNAMED.to_owned()),
        base_currency,
        currencies: usable,
        tax_rates: tax_rates.into_iter().map(|rate| tax_rate(rate, today)).collect(),
        accounts: sales.into_iter().chain(bank_accounts.into_iter().filter_map(bank_account)).collect(),
        short_code: None,
        items: Vec::new(),
        default_item: None,
        default_sales_account,
        assigns_numbers: false,
        tax_method: None,
        one_tax_code: false,
        pays_tax: settings.tax_number.is_some() || settings.tax_scheme.as_ref().is_some_and(is_registered),
        locked_until: settings.year_end_lockdown_date,
        fetched_at: now,
    })
}

/// Whether a tax scheme is one of a registered business.
fn is_registered(scheme: &Named) -> bool {
    let names = [Some(scheme.id.as_str()), scheme.displayed_as.as_deref()];
    let not = |name: &str| {
        let name = name.to_ascii_lowercase().replace(['_', '-'], " ");
        name.contains("not registered") || name.contains("unregistered")
    };
    !scheme.id.is_empty() && !names.into_iter().flatten().any(not)
}

/// A tax rate with its percentages over time. The window of a day counts before the percentage beside the windows, which is another
/// day's (docs/vendors/sage.md, section 4).
fn tax_rate(wire: WireTaxRate, today: Date) -> TaxRate {
    let percent = |percentage: Option<Decimal>| percentage.and_then(|percent| Rate::try_from(percent).ok());
    let window = |window: &Window| Some(RateWindow { rate: percent(window.percentage)?, from: window.from_date, until: window.to_date });
    let rate = TaxRate {
        name: wire.displayed_as.or(wire.name).unwrap_or_else(|| wire.id.clone()),
        code: wire.id,
        rate: percent(wire.percentage),
        on_sales: wire.is_visible != Some(false) && wire.retailer != Some(true),
        class: None,
        parts: Vec::new(),
        windows: wire.percentages.iter().filter_map(window).collect(),
    };
    TaxRate { rate: rate.rate_on(today), ..rate }
}

/// Documents name accounts by id alone, so that a nominal code is part of the name and no code.
fn sales_account(wire: LedgerAccount) -> Option<Account> {
    (wire.visible_in_sales != Some(false) && !wire.id.is_empty()).then(|| Account {
        name: wire.displayed_as.unwrap_or_else(|| "Unnamed account".to_owned()),
        id: wire.id,
        code: None,
        uses: vec![AccountUse::Sales],
        tax_code: wire.tax_rate.map(|rate| rate.id).filter(|id| !id.is_empty()),
    })
}

fn bank_account(wire: BankAccount) -> Option<Account> {
    (wire.is_active != Some(false) && wire.deleted_at.is_none() && !wire.id.is_empty()).then(|| Account {
        name: wire.displayed_as.unwrap_or_else(|| "Unnamed bank account".to_owned()),
        id: wire.id,
        code: None,
        uses: vec![AccountUse::Payment],
        tax_code: None,
    })
}

/// Where a document stands. A word that CoPortal does not know counts as approved: such a document is not gone, and is not a draft that
/// may be freely changed.
fn status(native: &str) -> DocumentStatus {
    match native {
        "DRAFT" => DocumentStatus::Draft,
        "PAID" => DocumentStatus::Paid,
        "VOID" => DocumentStatus::Voided,
        // UNPAID, PART_PAID.
        _ => DocumentStatus::Approved,
    }
}

/// The body of an invoice's create or update.
pub(super) fn document_body(write: &DocumentWrite) -> Vec<u8> {
    let is_draft = write.external_id.is_none() && write.status == DocumentStatus::Draft;
    let includes_tax = write.tax_mode == Some(TaxMode::Inclusive);
    let body = InvoiceDocument {
        sales_invoice: InvoiceBody {
            contact_id: &write.contact,
            date: write.issue_date,
            due_date: write.due_date,
            reference: present(write.reference.as_deref()),
            currency_id: write.currency.as_str(),
            // Left out, it is issued; on an update the state stays as it is (docs/vendors/sage.md, section 3).
            status_id: is_draft.then_some("DRAFT"),
            invoice_lines: write.lines.iter().map(|line| line_body(line, write.tax_mode.is_some(), includes_tax)).collect(),
        },
    };
    json::bytes(&body)
}

/// A line as written; one that is left out of an update is removed. A document without tax names no tax rate.
fn line_body(line: &WriteLine, has_tax: bool, includes_tax: bool) -> LineBody<'_> {
    LineBody {
        id: line.line_id.as_deref(),
        description: markup::written(&line.description),
        ledger_account_id: line.account.as_deref(),
        quantity: line.quantity.map(WireDecimal),
        unit_price: line.unit_price.map(WireDecimal),
        unit_price_includes_tax: includes_tax,
        tax_rate_id: line.tax_code.as_deref().filter(|_| has_tax),
        tax_amount: WireDecimal(line.tax.filter(|_| has_tax).unwrap_or_default()),
    }
}

/// The body that ends a document: a draft is deleted, which takes no reason; an issued one is voided, which needs one.
pub(super) fn void_body(stands: DocumentStatus) -> Vec<u8> {
    let is_issued = stands != DocumentStatus::Draft;
    json::bytes(&EndBody { void_reason: is_issued.then(|| VOID_REASON.to_owned()) })
}

/// A sales invoice as CoPortal sees it.
///
/// # Errors
/// What is missing, when the answer lacks a field that no invoice is without.
pub(super) fn document(wire: WireInvoice) -> Result<RemoteDocument, &'static str> {
    let totals = Totals {
        subtotal: wire.net_amount.ok_or("the invoice has no net_amount")?,
        tax: wire.tax_amount.ok_or("the invoice has no tax_amount")?,
        total: wire.total_amount.ok_or("the invoice has no total_amount")?,
    };
    let named = |named: Option<Named>| named.map(|named| named.id).filter(|id| !id.is_empty());
    let native_status = named(wire.status).ok_or("the invoice has no status")?;
    let stands = if wire.deleted_at.is_some() { DocumentStatus::Deleted } else { status(&native_status) };
    let counts = |amount: Option<Decimal>| amount.is_some_and(|amount| !amount.is_zero());
    let paid = counts(wire.total_paid) || counts(wire.payments_allocations_total_amount) || !wire.payments_allocations.is_empty();
    let tax_mode = tax_mode(&wire.invoice_lines);
    let closed = wire.editable == Some(false) || wire.tax_reconciled == Some(true);
    // A draft is displayed as a word, and an issued one by its number.
    let number = wire.displayed_as.filter(|_| native_status != "DRAFT" && wire.invoice_number.is_some());
    Ok(RemoteDocument {
        external_id: wire.id,
        number,
        reference: wire.reference,
        url: None,
        contact: named(wire.contact).ok_or("the invoice has no contact")?,
        currency: wire.currency.and_then(|currency| currency.id.parse().ok()),
        issue_date: wire.date,
        due_date: wire.due_date,
        tax_mode,
        status: stands,
        has_payments: paid || matches!(native_status.as_str(), "PART_PAID" | "PAID"),
        native_status,
        lines: wire.invoice_lines.into_iter().map(|wire| line(wire, tax_mode)).collect(),
        totals,
        version: wire.updated_at,
        balance: wire.outstanding_amount,
        created_at: wire.created_at,
        changeable: if closed { Changeable::Nothing } else { Changeable::All },
        kept: Value::Null,
    })
}

/// Sage marks each line; a document is inclusive where all of its lines are. A single line that is otherwise shows by its amount.
fn tax_mode(lines: &[WireLine]) -> Option<TaxMode> {
    let has_rate = |line: &WireLine| line.tax_rate.as_ref().is_some_and(|rate| !rate.id.is_empty());
    let taxed = lines.iter().any(|line| has_rate(line) || line.tax_amount.is_some_and(|tax| !tax.is_zero()));
    let inclusive = lines.iter().all(|line| line.unit_price_includes_tax == Some(true));
    taxed.then_some(if inclusive { TaxMode::Inclusive } else { TaxMode::Exclusive })
}

fn line(wire: WireLine, mode: Option<TaxMode>) -> RemoteLine {
    let named = |named: Option<Named>| named.map(|named| named.id).filter(|id| !id.is_empty());
    let amount = match mode {
        // A vendor's figures are not trusted to be small.
        Some(TaxMode::Inclusive) => wire.net_amount.and_then(|net| net.checked_add(wire.tax_amount.unwrap_or_default())),
        Some(TaxMode::Exclusive) | None => wire.net_amount,
    };
    RemoteLine {
        line_id: wire.id,
        description: markup::read(wire.description.as_deref().unwrap_or_default()),
        quantity: wire.quantity,
        unit_price: wire.unit_price,
        tax_code: named(wire.tax_rate),
        account: named(wire.ledger_account),
        amount,
        tax: wire.tax_amount,
        rate: None,
        // What CoPortal does not carry (product, service, analysis types) stays on a line whose id is sent
        // (docs/vendors/sage.md, section 3): nothing has to be handed back.
        kept: Value::Null,
    }
}

/// The body of a payment: a customer's receipt that goes to this one document in full.
pub(super) fn payment_body(write: &PaymentWrite) -> Vec<u8> {
    let amount = WireDecimal(write.amount);
    json::bytes(&PaymentDocument {
        contact_payment: PaymentBody {
            transaction_type_id: "CUSTOMER_RECEIPT",
            contact_id: &write.contact,
            bank_account_id: &write.account,
            date: write.date,
            total_amount: amount,
            reference: &write.mark,
            allocated_artefacts: [AllocationBody { artefact_id: &write.document, amount }],
        },
    })
}

/// What is paid of an invoice.
///
/// # Errors
/// What is missing, when the answer does not say what is open.
pub(super) fn paid(wire: WireInvoice) -> Result<Paid, &'static str> {
    let balance = wire.outstanding_amount.ok_or("the invoice has no outstanding_amount")?;
    let contact = wire.contact.map(|contact| contact.id).filter(|id| !id.is_empty());
    Ok(Paid { balance, contact, payments: wire.payments_allocations.into_iter().filter_map(allocation).collect() })
}

/// A payment or credit on an invoice; what has neither id nor amount tells nothing.
fn allocation(wire: Allocation) -> Option<RemotePayment> {
    let (id, own) = match wire.contact_payment {
        Some(payment) => (Some(payment.id), payment.reference),
        None => (wire.contact_allocation.map(|allocation| allocation.id), None),
    };
    Some(RemotePayment {
        external_id: id.filter(|id| !id.is_empty())?,
        mark: wire.reference.or(own),
        amount: wire.amount?,
        date: wire.date,
    })
}

/// A payment that was just recorded for `document`.
///
/// # Errors
/// What is missing, when the answer is not about a payment of that document.
pub(super) fn payment(wire: WirePayment, document: &str) -> Result<RemotePayment, &'static str> {
    let of_document = |named: &Option<Named>| named.as_ref().is_some_and(|named| named.id.eq_ignore_ascii_case(document));
    let part = wire.allocated_artefacts.iter().find(|part| of_document(&part.artefact)).ok_or("the payment is of another document")?;
    Ok(RemotePayment {
        amount: part.amount.or(wire.total_amount).ok_or("the payment has no amount")?,
        external_id: wire.id,
        mark: wire.reference,
        date: wire.date,
    })
}

#[cfg(test)]
mod tests;
