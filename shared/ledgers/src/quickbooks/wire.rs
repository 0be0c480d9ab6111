//! QuickBooks Online's JSON. Only properties with a value are returned (docs/vendors/quickbooks.md, section 2).

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::{maybe_decimal, maybe_list, maybe_text};

/// A JSON object whose fields are kept as the very characters they came in.
pub(super) type RawObject = BTreeMap<String, Box<RawValue>>;

/// An instant as `MetaData` has it: a time with an offset (section 10).
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// A day: `2026-01-15`, or the day of a longer text.
pub(super) fn day(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

/// A reference to another record.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ref {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) value: Option<String>,
}

/// A reference's id; `None` where there is none.
pub(super) fn id_of(reference: &Option<Ref>) -> Option<String> {
    reference.as_ref().and_then(|reference| reference.value.clone())
}

/// `MetaData`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetaData {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) create_time: Option<String>,
}

/// A refusal: upper case from the API, lower case from its gateway (section 7).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Fault {
    #[serde(default, rename = "Error", alias = "error", deserialize_with = "maybe_list")]
    pub(super) errors: Vec<FaultError>,
}

/// One error of a refusal.
#[derive(Debug, Default, Deserialize)]
pub(super) struct FaultError {
    #[serde(default, rename = "Message", alias = "message")]
    pub(super) message: Option<String>,
    #[serde(default, rename = "Detail", alias = "detail")]
    pub(super) detail: Option<String>,
    #[serde(default, deserialize_with = "code")]
    pub(super) code: Option<u32>,
    #[serde(default)]
    pub(super) element: Option<String>,
}

/// A code as text or number, with or without zeros before it; anything else is none.
fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| raw.get().trim_matches('"').trim().parse().ok()))
}

/// The envelope that a refusal comes in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default, rename = "Fault", alias = "fault")]
    pub(super) fault: Option<Fault>,
}

/// `GET /query`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueryAnswer {
    pub(super) query_response: Found,
}

/// What a query found: one of the lists.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Found {
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) customer: Vec<WireCustomer>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) invoice: Vec<WireInvoice>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) payment: Vec<WirePayment>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) item: Vec<WireItem>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) account: Vec<WireAccount>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) tax_rate: Vec<WireTaxRate>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) tax_code: Vec<WireTaxCode>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) company_info: Vec<WireCompany>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) preferences: Vec<WirePreferences>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) company_currency: Vec<WireCurrency>,
}

impl Found {
    /// Takes over the lists of a further page.
    pub(super) fn extend(&mut self, page: Self) -> usize {
        let Self { customer, invoice, payment, item, account, tax_rate, tax_code, company_info, preferences, company_currency } = page;
        let before = self.size();
        self.customer.extend(customer);
        self.invoice.extend(invoice);
        self.payment.extend(payment);
        self.item.extend(item);
        self.account.extend(account);
        self.tax_rate.extend(tax_rate);
        self.tax_code.extend(tax_code);
        self.company_info.extend(company_info);
        self.preferences.extend(preferences);
        self.company_currency.extend(company_currency);
        self.size() - before
    }

    /// Records in all lists.
    pub(super) fn size(&self) -> usize {
        let people = self.customer.len() + self.invoice.len() + self.payment.len();
        let lists = self.item.len() + self.account.len() + self.tax_rate.len() + self.tax_code.len();
        people + lists + self.company_info.len() + self.preferences.len() + self.company_currency.len()
    }
}

/// `POST /batch`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchAnswer {
    pub(super) batch_item_response: Vec<BatchItem>,
}

/// One item's answer.
#[derive(Debug, Deserialize)]
pub(super) struct BatchItem {
    #[serde(rename = "bId")]
    pub(super) id: String,
    #[serde(default, rename = "QueryResponse")]
    pub(super) found: Option<Found>,
    #[serde(default, rename = "Invoice")]
    pub(super) invoice: Option<WireInvoice>,
    #[serde(default, rename = "Fault", alias = "fault")]
    pub(super) fault: Option<Fault>,
}

/// `CompanyInfo`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireCompany {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) company_name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) country: Option<String>,
}

/// `GET /companyinfo/{realmId}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CompanyAnswer {
    pub(super) company_info: WireCompany,
}

/// `Preferences`, as far as it decides something.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePreferences {
    #[serde(default)]
    pub(super) accounting_info_prefs: Option<AccountingPreferences>,
    #[serde(default)]
    pub(super) sales_forms_prefs: Option<SalesPreferences>,
    #[serde(default)]
    pub(super) currency_prefs: Option<CurrencyPreferences>,
    #[serde(default)]
    pub(super) tax_prefs: Option<TaxPreferences>,
}

/// `AccountingInfoPrefs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AccountingPreferences {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) book_close_date: Option<String>,
}

/// `SalesFormsPrefs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SalesPreferences {
    #[serde(default)]
    pub(super) custom_txn_numbers: Option<bool>,
    #[serde(default)]
    pub(super) default_item: Option<Ref>,
}

/// `CurrencyPrefs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CurrencyPreferences {
    #[serde(default)]
    pub(super) multi_currency_enabled: Option<bool>,
    #[serde(default)]
    pub(super) home_currency: Option<Ref>,
}

/// `TaxPrefs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaxPreferences {
    #[serde(default)]
    pub(super) using_sales_tax: Option<bool>,
}

/// A currency that a company has beside its own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireCurrency {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) code: Option<String>,
}

/// A tax rate.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireTaxRate {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) rate_value: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) effective_tax_rate: Vec<WireTaxWindow>,
}

/// The days on which a rate has another value.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireTaxWindow {
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) rate_value: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) effective_date: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) end_date: Option<String>,
}

/// A tax code.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireTaxCode {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) active: Option<bool>,
    #[serde(default)]
    pub(super) hidden: Option<bool>,
    #[serde(default)]
    pub(super) sales_tax_rate_list: Option<WireTaxList>,
}

/// The rates that a code combines.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireTaxList {
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) tax_rate_detail: Vec<WireTaxDetail>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireTaxDetail {
    #[serde(default)]
    pub(super) tax_rate_ref: Option<Ref>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tax_type_applicable: Option<String>,
}

/// An item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireItem {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) fully_qualified_name: Option<String>,
    #[serde(default)]
    pub(super) active: Option<bool>,
}

/// An account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireAccount {
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) acct_num: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) account_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) account_sub_type: Option<String>,
    #[serde(default)]
    pub(super) active: Option<bool>,
}

/// One customer, as a read or write answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CustomerAnswer {
    pub(super) customer: WireCustomer,
}

/// A customer as read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireCustomer {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) sync_token: Option<String>,
    #[serde(default)]
    pub(super) meta_data: Option<MetaData>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) display_name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) company_name: Option<String>,
    #[serde(default)]
    pub(super) primary_email_addr: Option<WireEmail>,
    #[serde(default)]
    pub(super) primary_phone: Option<WirePhone>,
    #[serde(default)]
    pub(super) mobile: Option<WirePhone>,
    #[serde(default)]
    pub(super) bill_addr: Option<WireAddress>,
    #[serde(default)]
    pub(super) active: Option<bool>,
    #[serde(default)]
    pub(super) job: Option<bool>,
    #[serde(default)]
    pub(super) currency_ref: Option<Ref>,
}

/// An e-mail address, or several between commas.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireEmail {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address: Option<String>,
}

/// A telephone number.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePhone {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) free_form_number: Option<String>,
}

/// An address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireAddress {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) line1: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) line2: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) line3: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) line4: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) line5: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) city: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) country_sub_division_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) postal_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) country: Option<String>,
}

/// One invoice, as a read or write answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvoiceAnswer {
    pub(super) invoice: WireInvoice,
}

/// An invoice as read; a deletion answers with `Id` and `status` alone (section 3).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireInvoice {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) sync_token: Option<String>,
    #[serde(default)]
    pub(super) meta_data: Option<MetaData>,
    #[serde(default, rename = "status")]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) doc_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) txn_date: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) due_date: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) private_note: Option<String>,
    #[serde(default)]
    pub(super) customer_ref: Option<Ref>,
    #[serde(default)]
    pub(super) currency_ref: Option<Ref>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) global_tax_calculation: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) line: Vec<RawObject>,
    #[serde(default)]
    pub(super) txn_tax_detail: Option<WireTax>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_amt: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) balance: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) linked_txn: Vec<WireLinked>,
}

/// `TxnTaxDetail`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireTax {
    #[serde(default)]
    pub(super) txn_tax_code_ref: Option<Ref>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_tax: Option<Decimal>,
}

/// Another transaction that is tied to this one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireLinked {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) txn_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) txn_type: Option<String>,
}

/// One payment, as a write answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PaymentAnswer {
    pub(super) payment: WirePayment,
}

/// A payment as read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePayment {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) payment_ref_num: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) txn_date: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_amt: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) line: Vec<WirePaymentLine>,
}

/// What a payment is applied to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePaymentLine {
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) linked_txn: Vec<WireLinked>,
}
