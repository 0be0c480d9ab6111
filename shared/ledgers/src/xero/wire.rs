//! Xero's JSON. Reads fill unset fields with empty strings (`xero_accounting.yaml`, examples of Contacts), which count as absent.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::{WireDecimal, maybe_count, maybe_decimal, maybe_list, maybe_text};

/// An instant as Xero writes it, `/Date(1658880000000+0000)/`. The milliseconds are UTC; the offset after them only says how to show
/// them ("Requests and Responses", JSON responses).
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let digits = inner.strip_prefix('-').unwrap_or(inner);
    let end = digits.find(['+', '-']).unwrap_or(digits.len()) + (inner.len() - digits.len());
    Timestamp::from_millisecond(inner.get(..end)?.parse().ok()?).ok()
}

/// A day: `2026-01-15`, `2026-01-15T00:00:00`, or an instant whose UTC day it is.
pub(super) fn day(text: &str) -> Option<Date> {
    if let Some(instant) = instant(text) {
        return Some(instant.to_zoned(jiff::tz::TimeZone::UTC).date());
    }
    text.get(..10)?.parse().ok()
}

/// One sentence of a refusal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// The marks of a failed element inside a 200 answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ElementState {
    #[serde(default)]
    pub(super) has_errors: Option<bool>,
    #[serde(default)]
    pub(super) has_validation_errors: Option<bool>,
    #[serde(default)]
    pub(super) status_attribute_string: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) validation_errors: Vec<Message>,
}

impl ElementState {
    /// Whether the vendor refused this element.
    pub(super) fn is_refused(&self) -> bool {
        let error = self.status_attribute_string.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("ERROR"));
        error || self.has_errors == Some(true) || self.has_validation_errors == Some(true)
    }
}

/// An error's envelope: validation ("HTTP Response Codes & Errors") and authorisation failures alike.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ErrorEnvelope {
    #[serde(default)]
    pub(super) r#type: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) detail: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) elements: Vec<ElementState>,
}

/// One organisation that our app is linked to (`xero-identity.yaml`, Connection).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) tenant_id: String,
    #[serde(default)]
    pub(super) tenant_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tenant_name: Option<String>,
}

/// `GET /Organisation`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Organisations {
    pub(super) organisations: Vec<OrganisationFacts>,
}

/// An organisation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OrganisationFacts {
    #[serde(default, rename = "OrganisationID")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    pub(super) base_currency: String,
    #[serde(default)]
    pub(super) pays_tax: Option<bool>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) short_code: Option<String>,
    #[serde(default)]
    pub(super) edition: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) period_lock_date: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) end_of_year_lock_date: Option<String>,
}

/// `GET /TaxRates`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaxRates {
    pub(super) tax_rates: Vec<WireTaxRate>,
}

/// A tax rate.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireTaxRate {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tax_type: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) effective_rate: Option<Decimal>,
    #[serde(default)]
    pub(super) can_apply_to_revenue: Option<bool>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) report_tax_type: Option<String>,
}

/// `GET /Accounts`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Accounts {
    pub(super) accounts: Vec<WireAccount>,
}

/// An account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireAccount {
    #[serde(rename = "AccountID")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) r#type: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tax_type: Option<String>,
    #[serde(default)]
    pub(super) system_account: Option<String>,
    #[serde(default)]
    pub(super) enable_payments_to_account: Option<bool>,
}

/// `GET /Currencies`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Currencies {
    pub(super) currencies: Vec<WireCurrency>,
}

/// A currency.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireCurrency {
    pub(super) code: String,
}

/// An answer about contacts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContactsAnswer {
    pub(super) contacts: Vec<WireContact>,
    #[serde(default, rename = "pagination")]
    pub(super) pagination: Option<Pagination>,
}

/// How a list is divided into pages (`xero_accounting.yaml`, Pagination).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pagination {
    #[serde(default, deserialize_with = "maybe_count")]
    pub(super) page_count: Option<u32>,
    #[serde(default, deserialize_with = "maybe_count")]
    pub(super) item_count: Option<u32>,
}

/// A contact as read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireContact {
    #[serde(default, rename = "ContactID")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) contact_number: Option<String>,
    #[serde(default)]
    pub(super) contact_status: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) first_name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) last_name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) email_address: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) contact_persons: Vec<WirePerson>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) phones: Vec<WirePhone>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) addresses: Vec<WireAddress>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) default_currency: Option<String>,
    #[serde(default, rename = "MergedToContactID", deserialize_with = "maybe_text")]
    pub(super) merged_to: Option<String>,
    #[serde(default)]
    pub(super) has_errors: Option<bool>,
    #[serde(default)]
    pub(super) has_validation_errors: Option<bool>,
    #[serde(default)]
    pub(super) status_attribute_string: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) validation_errors: Vec<Message>,
}

impl WireContact {
    /// The marks of a refusal, taken out.
    pub(super) fn take_state(&mut self) -> ElementState {
        ElementState {
            has_errors: self.has_errors,
            has_validation_errors: self.has_validation_errors,
            status_attribute_string: self.status_attribute_string.take(),
            validation_errors: std::mem::take(&mut self.validation_errors),
        }
    }
}

/// A further person of a contact.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePerson {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) email_address: Option<String>,
}

/// A telephone number.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePhone {
    #[serde(default)]
    pub(super) phone_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) phone_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) phone_area_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) phone_country_code: Option<String>,
}

/// An address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireAddress {
    #[serde(default)]
    pub(super) address_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line1: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line2: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line3: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line4: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) city: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) region: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) postal_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) country: Option<String>,
}

/// An answer about invoices.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvoicesAnswer {
    pub(super) invoices: Vec<WireInvoice>,
}

/// An invoice as read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireInvoice {
    #[serde(default)]
    pub(super) r#type: Option<String>,
    #[serde(default, rename = "InvoiceID")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) invoice_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) reference: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) contact: Option<ContactRef>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) currency_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) date: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) date_string: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) due_date: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) due_date_string: Option<String>,
    #[serde(default)]
    pub(super) line_amount_types: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) line_items: Vec<WireLine>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) sub_total: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_tax: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount_paid: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount_credited: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount_due: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) payments: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) credit_notes: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) prepayments: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) overpayments: Vec<IgnoredAny>,
    #[serde(default, rename = "UpdatedDateUTC", deserialize_with = "maybe_text")]
    pub(super) updated: Option<String>,
    #[serde(default)]
    pub(super) has_errors: Option<bool>,
    #[serde(default)]
    pub(super) status_attribute_string: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) validation_errors: Vec<Message>,
}

impl WireInvoice {
    /// The marks of a refusal, taken out.
    pub(super) fn take_state(&mut self) -> ElementState {
        ElementState {
            has_errors: self.has_errors,
            has_validation_errors: None,
            status_attribute_string: self.status_attribute_string.take(),
            validation_errors: std::mem::take(&mut self.validation_errors),
        }
    }
}

/// A contact named by id.
#[derive(Debug, Deserialize)]
pub(super) struct ContactRef {
    #[serde(rename = "ContactID")]
    pub(super) id: String,
}

/// A line as read. The last fields are not CoPortal's: they are kept as the very characters they came in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireLine {
    #[serde(default, rename = "LineItemID", deserialize_with = "maybe_text")]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) quantity: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) unit_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tax_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) account_code: Option<String>,
    #[serde(default, rename = "AccountID", deserialize_with = "maybe_text")]
    pub(super) account_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) line_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) tax_amount: Option<Decimal>,
    #[serde(default)]
    pub(super) tracking: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) item_code: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) discount_rate: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) discount_amount: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) taxability: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) sales_tax_code_id: Option<Box<RawValue>>,
}

/// A write: one element in its list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContactsBody<'a> {
    pub(super) contacts: [ContactBody<'a>; 1],
}

/// A contact as written: what is absent stays as it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContactBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phones: Option<[PhoneBody<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) addresses: Option<[AddressBody<'a>; 1]>,
}

/// A telephone number as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PhoneBody<'a> {
    pub(super) phone_type: &'static str,
    pub(super) phone_number: &'a str,
}

/// An address as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddressBody<'a> {
    pub(super) address_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address_line1: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address_line2: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) postal_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<String>,
}

/// A write: one element in its list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvoicesBody<T> {
    pub(super) invoices: [T; 1],
}

/// An invoice as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvoiceBody<'a> {
    pub(super) r#type: &'static str,
    #[serde(rename = "InvoiceID", skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) contact: ContactIdBody<'a>,
    pub(super) date: Date,
    pub(super) due_date: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invoice_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<&'a str>,
    pub(super) url: &'a str,
    pub(super) currency_code: &'a str,
    pub(super) line_amount_types: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent_to_contact: Option<bool>,
    pub(super) line_items: Vec<LineBody<'a>>,
}

/// A contact named by id, and by nothing else: a name here could make or catch another contact.
#[derive(Debug, Serialize)]
pub(super) struct ContactIdBody<'a> {
    #[serde(rename = "ContactID")]
    pub(super) id: &'a str,
}

/// A line as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LineBody<'a> {
    #[serde(rename = "LineItemID", skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantity: Option<WireDecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit_amount: Option<WireDecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_code: Option<&'a str>,
    #[serde(rename = "AccountID", skip_serializing_if = "Option::is_none")]
    pub(super) account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tax_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracking: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_code: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) discount_rate: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) discount_amount: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) taxability: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sales_tax_code_id: Option<Box<RawValue>>,
}

/// An end of a document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EndBody<'a> {
    #[serde(rename = "InvoiceID")]
    pub(super) id: &'a str,
    pub(super) status: &'static str,
}

#[cfg(test)]
mod tests;
