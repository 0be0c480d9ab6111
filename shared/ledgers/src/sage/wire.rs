//! Sage's JSON. Amounts come as texts or as numbers, and never pass through a float (docs/vendors/sage.md, section 11).

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};

use crate::json::{WireDecimal, maybe_count, maybe_decimal, maybe_list, maybe_text};

/// One page of a list (guide "Best Practices", pagination).
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    #[serde(rename = "$items")]
    pub(super) items: Vec<T>,
    /// Where the next page is; only whether there is one is used.
    #[serde(default, rename = "$next", deserialize_with = "maybe_text")]
    pub(super) next: Option<String>,
    /// Entries of all pages.
    #[serde(default, rename = "$total", deserialize_with = "maybe_count")]
    pub(super) total: Option<u32>,
}

/// One sentence of a refusal (guide "Frequently Raised Errors").
#[derive(Debug, Default, Deserialize)]
pub(super) struct Fault {
    #[serde(default, rename = "$dataCode", deserialize_with = "maybe_text")]
    pub(super) code: Option<String>,
    #[serde(default, rename = "$message", deserialize_with = "maybe_text")]
    pub(super) message: Option<String>,
    #[serde(default, rename = "$source", deserialize_with = "maybe_text")]
    pub(super) source: Option<String>,
}

/// A record that is named by its id and title.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) displayed_as: Option<String>,
}

/// An instant; absent, null and unreadable ones are none.
fn maybe_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(maybe_text(deserializer)?.and_then(|text| text.parse().ok()))
}

/// A day, or the day of an instant as it is written; absent, null and unreadable ones are none.
fn maybe_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    Ok(maybe_text(deserializer)?.and_then(|text| text.trim().get(..10).and_then(|day| day.parse().ok())))
}

/// A business: in the list by its name alone.
#[derive(Debug, Deserialize)]
pub(super) struct Business {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) displayed_as: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
}

/// `GET /financial_settings`.
#[derive(Debug, Deserialize)]
pub(super) struct FinancialSettings {
    #[serde(default)]
    pub(super) base_currency: Option<Named>,
    #[serde(default)]
    pub(super) multi_currency_enabled: Option<bool>,
    #[serde(default)]
    pub(super) tax_scheme: Option<Named>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tax_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) year_end_lockdown_date: Option<Date>,
}

/// A tax rate.
#[derive(Debug, Deserialize)]
pub(super) struct WireTaxRate {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) displayed_as: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) percentage: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) percentages: Vec<Window>,
    #[serde(default)]
    pub(super) is_visible: Option<bool>,
    #[serde(default)]
    pub(super) retailer: Option<bool>,
}

/// A percentage and the days on which it holds.
#[derive(Debug, Deserialize)]
pub(super) struct Window {
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) percentage: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) from_date: Option<Date>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) to_date: Option<Date>,
}

/// A ledger account.
#[derive(Debug, Deserialize)]
pub(super) struct LedgerAccount {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) displayed_as: Option<String>,
    #[serde(default)]
    pub(super) visible_in_sales: Option<bool>,
    #[serde(default)]
    pub(super) tax_rate: Option<Named>,
}

/// A bank account.
#[derive(Debug, Deserialize)]
pub(super) struct BankAccount {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) displayed_as: Option<String>,
    #[serde(default)]
    pub(super) is_active: Option<bool>,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) deleted_at: Option<Timestamp>,
}

/// A contact as read.
#[derive(Debug, Deserialize)]
pub(super) struct WireContact {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) displayed_as: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) reference: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) main_contact_person: Option<WirePerson>,
    #[serde(default)]
    pub(super) main_address: Option<WireAddress>,
    #[serde(default)]
    pub(super) currency: Option<Named>,
    #[serde(default)]
    pub(super) is_active: Option<bool>,
    #[serde(default)]
    pub(super) system: Option<bool>,
    #[serde(default)]
    pub(super) gdpr_obfuscated: Option<bool>,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) updated_at: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) deleted_at: Option<String>,
}

/// The main person of a contact.
#[derive(Debug, Deserialize)]
pub(super) struct WirePerson {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) email: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) telephone: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) mobile: Option<String>,
}

/// An address as read.
#[derive(Debug, Deserialize)]
pub(super) struct WireAddress {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line_1: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line_2: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) city: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) region: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) postal_code: Option<String>,
    #[serde(default)]
    pub(super) country: Option<Named>,
}

/// A sales invoice as a list shows it, when only its reference is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) reference: Option<String>,
}

/// A sales invoice as read.
#[derive(Debug, Deserialize)]
pub(super) struct WireInvoice {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) displayed_as: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) invoice_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) reference: Option<String>,
    #[serde(default)]
    pub(super) contact: Option<Named>,
    #[serde(default)]
    pub(super) currency: Option<Named>,
    #[serde(default)]
    pub(super) status: Option<Named>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) date: Option<Date>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) due_date: Option<Date>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) net_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) tax_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_paid: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) payments_allocations_total_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) outstanding_amount: Option<Decimal>,
    #[serde(default)]
    pub(super) editable: Option<bool>,
    #[serde(default)]
    pub(super) tax_reconciled: Option<bool>,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) updated_at: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) deleted_at: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) invoice_lines: Vec<WireLine>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) payments_allocations: Vec<Allocation>,
}

impl WireInvoice {
    /// Whether the invoice and each of its lines came whole. The vendor cuts nested records to id and title unless it is asked not to, and
    /// a write cannot ask.
    pub(super) fn is_whole(&self) -> bool {
        let whole = |line: &WireLine| line.quantity.is_some() && line.unit_price.is_some() && line.net_amount.is_some();
        self.status.is_some() && self.contact.is_some() && !self.invoice_lines.is_empty() && self.invoice_lines.iter().all(whole)
    }
}

/// A line as read.
#[derive(Debug, Deserialize)]
pub(super) struct WireLine {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) ledger_account: Option<Named>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) quantity: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) unit_price: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) net_amount: Option<Decimal>,
    #[serde(default)]
    pub(super) tax_rate: Option<Named>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) tax_amount: Option<Decimal>,
    #[serde(default)]
    pub(super) unit_price_includes_tax: Option<bool>,
}

/// What is allocated to an invoice: a payment, or another document.
#[derive(Debug, Deserialize)]
pub(super) struct Allocation {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) reference: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) date: Option<Date>,
    #[serde(default)]
    pub(super) contact_payment: Option<AllocatedPayment>,
    #[serde(default)]
    pub(super) contact_allocation: Option<Named>,
}

/// The payment of an allocation.
#[derive(Debug, Deserialize)]
pub(super) struct AllocatedPayment {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) reference: Option<String>,
}

/// A customer's receipt as read.
#[derive(Debug, Deserialize)]
pub(super) struct WirePayment {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) reference: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) date: Option<Date>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) allocated_artefacts: Vec<AllocatedArtefact>,
}

/// What of a receipt goes to one document.
#[derive(Debug, Deserialize)]
pub(super) struct AllocatedArtefact {
    #[serde(default)]
    pub(super) artefact: Option<Named>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount: Option<Decimal>,
}

/// A contact's write.
#[derive(Debug, Serialize)]
pub(super) struct ContactDocument<'a> {
    pub(super) contact: ContactBody<'a>,
}

/// A contact as written: what is absent stays as it is.
#[derive(Debug, Serialize)]
pub(super) struct ContactBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_type_ids: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) main_address: Option<AddressBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) main_contact_person: Option<PersonBody<'a>>,
}

/// An address as written.
#[derive(Debug, Serialize)]
pub(super) struct AddressBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address_type_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address_line_1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address_line_2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country_id: Option<&'static str>,
}

/// The main person as written.
#[derive(Debug, Serialize)]
pub(super) struct PersonBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_person_type_ids: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) telephone: Option<&'a str>,
}

/// A sales invoice's write.
#[derive(Debug, Serialize)]
pub(super) struct InvoiceDocument<'a> {
    pub(super) sales_invoice: InvoiceBody<'a>,
}

/// A sales invoice as written. Totals are left to Sage, which compares them with its own when they are sent.
#[derive(Debug, Serialize)]
pub(super) struct InvoiceBody<'a> {
    pub(super) contact_id: &'a str,
    pub(super) date: Date,
    pub(super) due_date: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<&'a str>,
    pub(super) currency_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_id: Option<&'static str>,
    pub(super) invoice_lines: Vec<LineBody<'a>>,
}

/// A line as written.
#[derive(Debug, Serialize)]
pub(super) struct LineBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ledger_account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantity: Option<WireDecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit_price: Option<WireDecimal>,
    pub(super) unit_price_includes_tax: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tax_rate_id: Option<&'a str>,
    pub(super) tax_amount: WireDecimal,
}

/// How a document is ended: a reason for an issued one, none for a draft.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct EndBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) void_reason: Option<String>,
}

/// A payment's write.
#[derive(Debug, Serialize)]
pub(super) struct PaymentDocument<'a> {
    pub(super) contact_payment: PaymentBody<'a>,
}

/// A payment as written.
#[derive(Debug, Serialize)]
pub(super) struct PaymentBody<'a> {
    pub(super) transaction_type_id: &'static str,
    pub(super) contact_id: &'a str,
    pub(super) bank_account_id: &'a str,
    pub(super) date: Date,
    pub(super) total_amount: WireDecimal,
    pub(super) reference: &'a str,
    pub(super) allocated_artefacts: [AllocationBody<'a>; 1],
}

/// What of a payment goes to one document.
#[derive(Debug, Serialize)]
pub(super) struct AllocationBody<'a> {
    pub(super) artefact_id: &'a str,
    pub(super) amount: WireDecimal,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers may arrive as JSON strings, ids and titles as null.
    #[test]
    fn amounts_come_as_texts_or_numbers_and_fields_may_be_null() {
        let json = r#"{"id":"i","contact":null,"reference":"","total_amount":"1500.0","net_amount":1250,"tax_amount":null,
            "date":"2026-03-10","due_date":"2026-03-10T00:00:00Z","created_at":"2026-03-10T09:00:00Z","deleted_at":null,
            "invoice_lines":null,"payments_allocations":null,"editable":null}"#;
        let invoice: WireInvoice = serde_json::from_str(json).unwrap();
        assert_eq!((invoice.total_amount, invoice.net_amount), (Some(Decimal::from(1500)), Some(Decimal::from(1250))));
        assert_eq!((invoice.date, invoice.due_date), (Some("2026-03-10".parse().unwrap()), Some("2026-03-10".parse().unwrap())));
        assert_eq!(invoice.created_at, Some("2026-03-10T09:00:00Z".parse().unwrap()));
        assert!(invoice.reference.is_none() && !invoice.is_whole());
        for nonsense in [r#"{"total_amount":"1,500.00"}"#, r#"{"total_amount":1e999}"#, r#"{"id":7}"#, r#"{"invoice_lines":{}}"#] {
            assert!(serde_json::from_str::<WireInvoice>(nonsense).is_err(), "{nonsense}");
        }
        let odd: WireInvoice = serde_json::from_str(r#"{"date":"10/03/2026","created_at":"soon"}"#).unwrap();
        assert!(odd.date.is_none() && odd.created_at.is_none());
    }
}
