//! Business Central's JSON (docs/vendors/business-central.md, sections 2 to 6, 12).

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::json::{WireDecimal, maybe_count, maybe_decimal, maybe_list, maybe_text};

/// The vendor's undefined date: "no date".
const UNDEFINED: Date = Date::constant(1, 1, 1);

/// A day; null, absent, blank and the undefined date are none.
fn maybe_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    let Some(text) = maybe_text(deserializer)? else { return Ok(None) };
    let day: Date = text.parse().map_err(D::Error::custom)?;
    Ok((day > UNDEFINED).then_some(day))
}

/// A GUID; null, absent, blank and the one of zeros only are none.
fn maybe_guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    let Some(text) = maybe_text(deserializer)? else { return Ok(None) };
    let id = Uuid::try_parse(&text).map_err(D::Error::custom)?;
    Ok((!id.is_nil()).then_some(id))
}

/// An instant that only helps: what is none counts as not said.
fn maybe_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = maybe_text(deserializer)? else { return Ok(None) };
    // The undefined instant is of the year 1.
    Ok(text.parse().ok().filter(|at: &Timestamp| at.as_second() > 0))
}

/// A word of a set as OData writes it: `_x0020_` for a blank, `_x002D_` for a hyphen (section 4).
pub(super) fn word(text: &str) -> String {
    text.replace("_x0020_", " ").replace("_x002D_", "-").replace("_x002d_", "-").trim().to_owned()
}

/// An error's envelope (section 9).
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorEnvelope {
    #[serde(default)]
    pub(super) error: ErrorBody,
}

/// What an error says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) value: Vec<T>,
    #[serde(default, rename = "@odata.nextLink", deserialize_with = "maybe_text")]
    pub(super) next: Option<String>,
    #[serde(default, rename = "@odata.count", deserialize_with = "maybe_count")]
    pub(super) count: Option<u32>,
}

/// An environment of the signed-in user's tenant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEnvironment {
    pub(super) aad_tenant_id: Uuid,
    #[serde(default)]
    pub(super) application_family: Option<String>,
    #[serde(default)]
    pub(super) r#type: Option<String>,
    pub(super) name: String,
}

/// A company.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireCompany {
    pub(super) id: Uuid,
    pub(super) name: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) display_name: Option<String>,
}

/// `generalLedgerSetup`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireSetup {
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) allow_posting_from: Option<Date>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) local_currency_code: Option<String>,
}

/// `companyInformation`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireInformation {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) currency_code: Option<String>,
}

/// A G/L account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireAccount {
    pub(super) id: Uuid,
    pub(super) number: String,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) display_name: Option<String>,
    #[serde(default)]
    pub(super) category: Option<String>,
    #[serde(default)]
    pub(super) account_type: Option<String>,
    #[serde(default)]
    pub(super) direct_posting: Option<bool>,
    #[serde(default)]
    pub(super) blocked: Option<bool>,
}

/// A tax group: a VAT product posting group where the company uses VAT.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTaxGroup {
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) display_name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tax_type: Option<String>,
}

/// A currency.
#[derive(Debug, Deserialize)]
pub(super) struct WireCurrency {
    pub(super) code: String,
}

/// A journal for customers' payments, with the lines that nobody has posted yet where they were asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireJournal {
    pub(super) id: Uuid,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) display_name: Option<String>,
}

/// A line of such a journal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePayment {
    pub(super) id: Uuid,
    #[serde(default, deserialize_with = "maybe_guid")]
    pub(super) applies_to_invoice_id: Option<Uuid>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) external_document_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) posting_date: Option<Date>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount: Option<Decimal>,
}

/// A customer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireCustomer {
    #[serde(default, rename = "@odata.etag", deserialize_with = "maybe_text")]
    pub(super) etag: Option<String>,
    pub(super) id: Uuid,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) display_name: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) email: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) phone_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line1: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) address_line2: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) city: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) state: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) postal_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) country: Option<String>,
    /// Asked for in lists alone: a document may be in any currency.
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) currency_code: Option<String>,
    #[serde(default)]
    pub(super) blocked: Option<String>,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) system_created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_instant")]
    pub(super) last_modified_date_time: Option<Timestamp>,
}

/// A customer as written: what is absent stays as it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address_line1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address_line2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<&'static str>,
}

/// A sales invoice, draft or posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireInvoice {
    #[serde(default, rename = "@odata.etag", deserialize_with = "maybe_text")]
    pub(super) etag: Option<String>,
    pub(super) id: Uuid,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) number: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) external_document_number: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) customer_purchase_order_reference: Option<String>,
    #[serde(default, deserialize_with = "maybe_guid")]
    pub(super) customer_id: Option<Uuid>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) currency_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) invoice_date: Option<Date>,
    #[serde(default, deserialize_with = "maybe_day")]
    pub(super) due_date: Option<Date>,
    #[serde(default)]
    pub(super) prices_include_tax: Option<bool>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_amount_excluding_tax: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_tax_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_amount_including_tax: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) remaining_amount: Option<Decimal>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "maybe_list")]
    pub(super) sales_invoice_lines: Vec<WireLine>,
    /// Lines that did not fit on this page.
    #[serde(default, rename = "salesInvoiceLines@odata.nextLink")]
    pub(super) more_lines: Option<IgnoredAny>,
}

/// A line as read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireLine {
    pub(super) id: Uuid,
    pub(super) sequence: u32,
    #[serde(default)]
    pub(super) line_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) line_object_number: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) quantity: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) unit_price: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) tax_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) tax_percent: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount_excluding_tax: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) amount_including_tax: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) total_tax_amount: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_decimal")]
    pub(super) discount_percent: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) description2: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub(super) unit_of_measure_code: Option<String>,
    #[serde(default, deserialize_with = "maybe_guid")]
    pub(super) item_variant_id: Option<Uuid>,
    #[serde(default, deserialize_with = "maybe_guid")]
    pub(super) location_id: Option<Uuid>,
}

/// An invoice's header as written. The order counts: a date that comes later does not overwrite one that was set before (section 5).
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeaderBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) external_document_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_purchase_order_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invoice_date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) posting_date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due_date: Option<Date>,
}

/// A line as written. The order counts: what the line is tied to comes before the figures that would follow from it (section 5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line_object_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_variant_id: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location_id: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit_of_measure_code: Option<Box<RawValue>>,
    pub(super) description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description2: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tax_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantity: Option<WireDecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit_price: Option<WireDecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) discount_percent: Option<Box<RawValue>>,
}

/// A payment as written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentBody<'a> {
    pub(super) customer_id: &'a str,
    pub(super) posting_date: Date,
    pub(super) document_number: &'a str,
    pub(super) external_document_number: &'a str,
    pub(super) amount: WireDecimal,
    pub(super) applies_to_invoice_id: &'a str,
    pub(super) description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_their_encoding() {
        for (wire, plain) in
            [("In_x0020_Review", "In Review"), ("_x0020_", ""), (" ", ""), ("Non_x002D_Inventory", "Non-Inventory"), ("Draft", "Draft")]
        {
            assert_eq!(word(wire), plain);
        }
    }

    #[test]
    fn undefined_values_are_none_and_nonsense_is_refused() {
        let setup = |json: &str| serde_json::from_str::<WireSetup>(json);
        for none in [r#"{"allowPostingFrom":"0001-01-01"}"#, r#"{"allowPostingFrom":null}"#, r#"{"allowPostingFrom":""}"#, "{}"] {
            assert_eq!(setup(none).unwrap().allow_posting_from, None, "{none}");
        }
        assert_eq!(setup(r#"{"allowPostingFrom":"2026-04-01"}"#).unwrap().allow_posting_from, Some(Date::constant(2026, 4, 1)));
        assert!(setup(r#"{"allowPostingFrom":"soon"}"#).is_err());
        let invoice = |customer: &str| {
            let json = format!(r#"{{"id":"aaaaaaaa-0000-4000-8000-000000000001","customerId":"{customer}"}}"#);
            serde_json::from_str::<WireInvoice>(&json)
        };
        assert_eq!(invoice("00000000-0000-0000-0000-000000000000").unwrap().customer_id, None);
        assert!(invoice("nobody").is_err());
        assert!(serde_json::from_str::<WireInvoice>(r#"{"id":"not a guid"}"#).is_err());
    }

    #[test]
    fn an_instant_that_is_none_costs_nothing() {
        for (text, known) in [("2026-11-21T10:00:00.123Z", true), ("0001-01-01T00:00:00Z", false), ("yesterday", false), ("", false)] {
            let json = format!(r#"{{"id":"aaaaaaaa-0000-4000-8000-000000000001","lastModifiedDateTime":"{text}"}}"#);
            assert_eq!(serde_json::from_str::<WireCustomer>(&json).unwrap().last_modified_date_time.is_some(), known, "{text}");
        }
    }
}
