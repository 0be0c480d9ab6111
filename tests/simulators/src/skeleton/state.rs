//! What a simulator holds, in one shape for all ledgers, and the shape in which it is seeded.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Everything a ledger holds that a person would see in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Invoices, deleted ones left out.
    pub documents: Vec<Document>,
    /// Contacts, archived ones included.
    pub contacts: Vec<Contact>,
    /// Payments that stand.
    pub payments: Vec<Payment>,
    /// The organisations.
    pub organisations: Vec<Organisation>,
}

/// One invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The vendor's id.
    pub id: String,
    /// The organisation's id.
    pub organisation: String,
    /// The number.
    pub number: Option<String>,
    /// The reference.
    pub reference: Option<String>,
    /// `draft`, `submitted`, `approved`, `paid` or `voided`.
    pub status: String,
    /// The vendor's own word.
    pub vendor_status: String,
    /// With tax.
    pub total: Decimal,
    /// Tax.
    pub tax: Decimal,
    /// Without tax.
    pub subtotal: Decimal,
    /// What is still to be paid.
    pub amount_due: Decimal,
    /// ISO 4217.
    pub currency: String,
    /// The contact's id.
    pub contact_id: String,
    /// Date of the invoice.
    pub issue_date: Date,
    /// When it is due.
    pub due_date: Option<Date>,
    /// The link back to the app that made it.
    pub url: Option<String>,
    /// The note that only the organisation's own people see, where the ledger has one.
    #[serde(default)]
    pub note: Option<String>,
    /// Whether it was made through the API.
    pub created_by_app: bool,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The vendor's id.
    pub id: String,
    /// The text.
    pub description: String,
    /// `None` on a line that is only text.
    pub quantity: Option<Decimal>,
    /// `None` on a line that is only text.
    pub unit_price: Option<Decimal>,
    /// Percent.
    pub discount_percent: Option<Decimal>,
    /// The account's code.
    pub account: Option<String>,
    /// The vendor's tax code.
    pub tax_type: Option<String>,
    /// The tax of this line.
    pub tax: Decimal,
    /// The amount of this line, as the document's tax mode reads it.
    pub amount: Decimal,
    /// `category: option` of each tracking entry.
    pub tracking: Vec<String>,
}

/// One contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// The vendor's id.
    pub id: String,
    /// The organisation's id.
    pub organisation: String,
    /// The name.
    pub name: String,
    /// The address mail goes to.
    pub email: Option<String>,
    /// `active`, `archived` or `merged`.
    pub status: String,
    /// The number by which other systems know it.
    pub number: Option<String>,
    /// The contact it was merged into.
    pub merged_into: Option<String>,
    /// A supplier, not a customer, where the ledger keeps the two apart.
    #[serde(default)]
    pub supplier: bool,
    /// ISO 4217, where the ledger binds a contact to one currency.
    #[serde(default)]
    pub currency: Option<String>,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// The vendor's id.
    pub id: String,
    /// The organisation's id.
    pub organisation: String,
    /// The invoice it pays; empty for money that is not applied to any.
    pub document_id: String,
    /// How much.
    pub amount: Decimal,
    /// When.
    pub date: Date,
    /// The reference.
    pub reference: Option<String>,
    /// Who paid, where the ledger books payments on a contact.
    #[serde(default)]
    pub contact_id: Option<String>,
    /// The note that only the organisation's own people see, where the ledger has one.
    #[serde(default)]
    pub note: Option<String>,
}

/// One organisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Organisation {
    /// The vendor's id.
    pub id: String,
    /// The same id: every entry of the state names its organisation.
    pub organisation: String,
    /// The name.
    pub name: String,
    /// ISO 3166.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    /// Whether a connection of the app stands.
    pub connected: bool,
}

/// What to put into a simulator: the shape of [`State`], ids optional. Members that follow from others (`amount_due`, `connected`) are
/// accepted, so that a state can be posted back, and computed again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Organisations to change (found by id or name) or add.
    pub organisations: Vec<SeedOrganisation>,
    /// Contacts to add.
    pub contacts: Vec<SeedContact>,
    /// Invoices to add.
    pub documents: Vec<SeedDocument>,
    /// Payments to add.
    pub payments: Vec<SeedPayment>,
}

/// A contact to add.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedContact {
    /// Made up when absent.
    pub id: Option<String>,
    /// Id or name; the first organisation when absent.
    pub organisation: Option<String>,
    /// Required.
    pub name: String,
    /// Email address.
    pub email: Option<String>,
    /// `active` (when absent), `archived` or `merged`.
    pub status: Option<String>,
    /// The number by which other systems know it.
    pub number: Option<String>,
    /// For `merged`: the id of the contact it was merged into.
    pub merged_into: Option<String>,
    /// A supplier, not a customer.
    pub supplier: bool,
    /// The number people dial.
    pub phone: Option<String>,
    /// ISO 4217; the organisation's own when absent. Only where the ledger binds a contact to one currency.
    pub currency: Option<String>,
}

/// An invoice to add.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedDocument {
    /// Made up when absent.
    pub id: Option<String>,
    /// Id or name; the first organisation when absent.
    pub organisation: Option<String>,
    /// The next of the organisation's counter when absent.
    pub number: Option<String>,
    /// The reference.
    pub reference: Option<String>,
    /// `draft` (when absent), `submitted`, `approved`, `paid`, `voided` or `deleted`, or the vendor's word.
    pub status: Option<String>,
    /// The vendor's word; ignored when `status` is there.
    pub vendor_status: Option<String>,
    /// With `lines`: ignored, totals are computed. Without: one line is made of it.
    pub total: Option<Decimal>,
    /// Without `lines`: the tax contained in `total`.
    pub tax: Option<Decimal>,
    /// Computed; ignored.
    pub subtotal: Option<Decimal>,
    /// Computed; ignored.
    pub amount_due: Option<Decimal>,
    /// The organisation's own when absent.
    pub currency: Option<String>,
    /// A contact of the same seed or an earlier one; a contact named "Seeded Customer" when absent.
    pub contact_id: Option<String>,
    /// The clock's day when absent.
    pub issue_date: Option<Date>,
    /// The issue date when absent.
    pub due_date: Option<Date>,
    /// The link back to the app.
    pub url: Option<String>,
    /// The note that only the organisation's own people see.
    pub note: Option<String>,
    /// Whether it counts as made through the API.
    pub created_by_app: bool,
    /// Its lines.
    pub lines: Vec<SeedLine>,
}

/// A line of an invoice to add.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedLine {
    /// Made up when absent.
    pub id: Option<String>,
    /// The text.
    pub description: String,
    /// One when absent.
    pub quantity: Option<Decimal>,
    /// Zero when absent.
    pub unit_price: Option<Decimal>,
    /// Percent.
    pub discount_percent: Option<Decimal>,
    /// The account's code; the organisation's first sales account when absent.
    pub account: Option<String>,
    /// The vendor's tax code; the account's own when absent.
    pub tax_type: Option<String>,
    /// The tax of the line; computed when absent.
    pub tax: Option<Decimal>,
    /// Computed; ignored.
    pub amount: Option<Decimal>,
    /// `category: option` of each tracking entry.
    pub tracking: Vec<String>,
}

/// A payment to add.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedPayment {
    /// Made up when absent.
    pub id: Option<String>,
    /// Follows from the document; ignored.
    pub organisation: Option<String>,
    /// The invoice it pays.
    pub document_id: String,
    /// All that is due when absent.
    pub amount: Option<Decimal>,
    /// The clock's day when absent.
    pub date: Option<Date>,
    /// The reference.
    pub reference: Option<String>,
    /// Follows from the document; ignored.
    pub contact_id: Option<String>,
    /// The note that only the organisation's own people see.
    pub note: Option<String>,
}

/// An organisation to change or add.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedOrganisation {
    /// Finds the organisation.
    pub id: Option<String>,
    /// The same as `id`.
    pub organisation: Option<String>,
    /// Finds it when no id is given; otherwise its new name.
    pub name: Option<String>,
    /// ISO 3166; for a new organisation.
    pub country: Option<String>,
    /// ISO 4217; for a new organisation.
    pub currency: Option<String>,
    /// Follows from consent; ignored.
    pub connected: Option<bool>,
    /// Nothing dated on or before this day can be written; null lifts the lock.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub period_lock_date: Option<Option<Date>>,
    /// The same, for the year.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub end_of_year_lock_date: Option<Option<Date>>,
    /// Whether it is registered for tax.
    pub pays_tax: Option<bool>,
    /// Vendor edition (`BUSINESS`, `PARTNER`).
    pub edition: Option<String>,
    /// Accounts to add or replace, in the vendor's wire names.
    pub accounts: Vec<serde_json::Value>,
    /// Tax rates to add or replace, in the vendor's wire names.
    pub tax_rates: Vec<serde_json::Value>,
    /// Items (products and services) to add or replace, in the vendor's wire names.
    pub items: Vec<serde_json::Value>,
    /// Tax codes to add or replace where the ledger has them beside its rates, in the vendor's wire names.
    pub tax_codes: Vec<serde_json::Value>,
    /// Dimensions to add or replace (classes, departments, tracking), in the vendor's wire names.
    pub dimensions: Vec<serde_json::Value>,
    /// Settings of the organisation to change, in the vendor's wire names; what is not named stays.
    pub preferences: Option<serde_json::Value>,
    /// Currencies to enable.
    pub currencies: Vec<String>,
    /// Actions that the vendor refuses to this user.
    pub refused_actions: Option<Vec<String>>,
}

/// Null is `Some(None)`: it clears, where an absent member leaves alone.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Date>>, D::Error> {
    Option::<Date>::deserialize(deserializer).map(Some)
}
