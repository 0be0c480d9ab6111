//! QuickBooks Online's JSON as CoPortal writes it (docs/vendors/quickbooks.md, sections 2, 3, 5 and 9).

use jiff::civil::Date;
use serde::Serialize;
use serde_json::value::RawValue;

use super::wire::RawObject;
use crate::json::WireDecimal;

/// Queries as sent in one batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchBody<'a> {
    pub(super) batch_item_request: Vec<BatchQuery<'a>>,
}

/// A query of a batch.
#[derive(Debug, Serialize)]
pub(super) struct BatchQuery<'a> {
    #[serde(rename = "bId")]
    pub(super) id: String,
    #[serde(rename = "Query")]
    pub(super) query: &'a str,
}

/// A reference as written.
#[derive(Debug, Serialize)]
pub(super) struct RefBody<'a> {
    pub(super) value: &'a str,
}

/// A customer as written: what is absent stays as it is.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CustomerBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_token: Option<&'a str>,
    #[serde(rename = "sparse", skip_serializing_if = "Option::is_none")]
    pub(super) sparse: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) primary_email_addr: Option<EmailBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) primary_phone: Option<PhoneBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bill_addr: Option<AddressBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency_ref: Option<RefBody<'a>>,
}

/// An e-mail address as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EmailBody<'a> {
    pub(super) address: &'a str,
}

/// A telephone number as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PhoneBody<'a> {
    pub(super) free_form_number: &'a str,
}

/// An address as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddressBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country_sub_division_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<String>,
}

/// An invoice as written: a create, or an update of what it names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvoiceBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_token: Option<&'a str>,
    #[serde(rename = "sparse", skip_serializing_if = "Option::is_none")]
    pub(super) sparse: Option<bool>,
    pub(super) customer_ref: RefBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) doc_number: Option<&'a str>,
    pub(super) txn_date: Date,
    pub(super) due_date: Date,
    pub(super) currency_ref: RefBody<'a>,
    pub(super) private_note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) global_tax_calculation: Option<&'static str>,
    pub(super) line: Vec<LineBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) txn_tax_detail: Option<TaxBody<'a>>,
}

/// A line as written: one that CoPortal can write, or one of a kind that it hands back whole.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum LineBody<'a> {
    Written(Box<WrittenLine<'a>>),
    HandedBack(Box<RawValue>),
}

/// A sales line, or one of text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WrittenLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) line_num: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<WireDecimal>,
    pub(super) detail_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sales_item_line_detail: Option<SaleBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description_line_detail: Option<NothingBody>,
    #[serde(flatten)]
    pub(super) kept: RawObject,
}

/// `{}`.
#[derive(Debug, Serialize)]
pub(super) struct NothingBody {}

/// What is sold.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SaleBody<'a> {
    pub(super) item_ref: RefBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) qty: Option<WireDecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit_price: Option<WireDecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tax_code_ref: Option<RefBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tax_inclusive_amt: Option<WireDecimal>,
    #[serde(flatten)]
    pub(super) kept: RawObject,
}

/// The document's tax in the US.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaxBody<'a> {
    pub(super) txn_tax_code_ref: RefBody<'a>,
    pub(super) total_tax: WireDecimal,
}

/// A payment as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PaymentBody<'a> {
    pub(super) customer_ref: RefBody<'a>,
    pub(super) total_amt: WireDecimal,
    pub(super) txn_date: Date,
    pub(super) currency_ref: RefBody<'a>,
    pub(super) payment_ref_num: &'a str,
    pub(super) private_note: &'a str,
    pub(super) deposit_to_account_ref: RefBody<'a>,
    pub(super) line: [PaymentLineBody<'a>; 1],
}

/// What a payment is applied to, as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PaymentLineBody<'a> {
    pub(super) amount: WireDecimal,
    pub(super) linked_txn: [LinkedBody<'a>; 1],
}

/// A tie to another transaction, as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LinkedBody<'a> {
    pub(super) txn_id: &'a str,
    pub(super) txn_type: &'static str,
}
