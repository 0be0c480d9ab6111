//! Sales invoices: wire to domain (docs/vendors/business-central.md, section 5). Pure.

use coportal_core::document::{Changeable, DocumentStatus, RemoteDocument, RemoteLine};
use coportal_core::invoice::TaxMode;
use coportal_core::money::Rate;
use coportal_core::pricing::Totals;
use coportal_core::text;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::sequence::LineRef;
use super::version::Version;
use super::wire::{WireInvoice, WireLine, word};

/// Names of kept fields: what a line has that CoPortal does not carry, for the rare update that has to make the line anew.
pub(super) const LINE_TYPE: &str = "lineType";
pub(super) const DESCRIPTION2: &str = "description2";
pub(super) const UNIT: &str = "unitOfMeasureCode";
pub(super) const DISCOUNT: &str = "discountPercent";
pub(super) const VARIANT: &str = "itemVariantId";
pub(super) const LOCATION: &str = "locationId";

/// A posted document that corrects another: never what CoPortal made, though it may carry its reference (section 10).
pub(super) fn is_corrective(wire: &WireInvoice) -> bool {
    wire.status.as_deref().map(word).as_deref() == Some("Corrective")
}

/// Whether a document carries this reference, which is a code: kept in capitals, and without blanks around it.
pub(super) fn has_reference(document: &RemoteDocument, reference: &str) -> bool {
    let code = |text: &str| text::capitals(text.trim());
    document.reference.as_deref().is_some_and(|there| code(there) == code(reference))
}

/// Where a document stands. `Open` is a posted document, or one that was released and not posted: neither is a draft that may be changed. A
/// word that CoPortal does not know counts the same: such a document is not gone.
fn status(native: &str) -> DocumentStatus {
    match native {
        "Draft" | "In Review" => DocumentStatus::Draft,
        "Paid" => DocumentStatus::Paid,
        "Canceled" => DocumentStatus::Voided,
        _ => DocumentStatus::Approved,
    }
}

fn changeable(native: &str) -> Changeable {
    match native {
        "Draft" => Changeable::All,
        // After posting the due date alone; a document in review, nothing until it is decided.
        "Open" | "Paid" => Changeable::DueDate,
        _ => Changeable::Nothing,
    }
}

/// A sales invoice as CoPortal sees it.
///
/// # Errors
/// What is missing, when the answer lacks a field that no invoice is without, or does not hold all lines.
pub(super) fn document(wire: WireInvoice) -> Result<RemoteDocument, &'static str> {
    if wire.more_lines.is_some() {
        return Err("the invoice's lines do not fit on one page");
    }
    let totals = Totals {
        subtotal: wire.total_amount_excluding_tax.ok_or("the invoice has no totalAmountExcludingTax")?,
        tax: wire.total_tax_amount.ok_or("the invoice has no totalTaxAmount")?,
        total: wire.total_amount_including_tax.ok_or("the invoice has no totalAmountIncludingTax")?,
    };
    let native_status = wire.status.as_deref().map(word).ok_or("the invoice has no status")?;
    let contact = wire.customer_id.ok_or("the invoice has no customerId")?.to_string();
    let etag = wire.etag.ok_or("the invoice has no etag")?;
    let is_gross = wire.prices_include_tax == Some(true);
    let currency = wire.currency_code.and_then(|code| code.parse().ok());
    let status = status(&native_status);
    let changeable = changeable(&native_status);
    let is_posted = matches!(status, DocumentStatus::Approved | DocumentStatus::Paid);
    let balance = wire.remaining_amount.filter(|_| is_posted);
    // Part of it is paid; nothing left to pay without the word for it is a document that is not posted.
    let is_part_paid = balance.is_some_and(|balance| balance != totals.total && !balance.is_zero());
    let version = Version { etag, contact: contact.clone(), currency, issue_date: wire.invoice_date, due_date: wire.due_date, is_gross };
    let mut lines = wire.sales_invoice_lines;
    lines.sort_by_key(|line| line.sequence);
    Ok(RemoteDocument {
        external_id: wire.id.to_string(),
        number: wire.number,
        reference: wire.external_document_number,
        url: wire.customer_purchase_order_reference,
        contact,
        currency,
        issue_date: wire.invoice_date,
        due_date: wire.due_date,
        tax_mode: Some(if is_gross { TaxMode::Inclusive } else { TaxMode::Exclusive }),
        status,
        native_status,
        lines: lines.into_iter().map(|line| self::line(line, is_gross)).collect(),
        totals,
        has_payments: status == DocumentStatus::Paid || is_part_paid,
        version: Some(version.write()),
        balance,
        // Drafts and posted documents tell when they changed last, which says nothing about when they were made.
        created_at: None,
        changeable,
        kept: Value::Null,
    })
}

fn line(wire: WireLine, is_gross: bool) -> RemoteLine {
    let line_id = Some(LineRef { id: wire.id, sequence: wire.sequence }.write());
    let description = wire.description.clone().unwrap_or_default();
    let kept = kept_of(&wire);
    if wire.line_type.as_deref().map(word).as_deref() == Some("Comment") {
        // Figures of a text are all zero.
        return RemoteLine {
            line_id,
            description,
            quantity: None,
            unit_price: None,
            tax_code: None,
            account: wire.line_object_number,
            amount: None,
            tax: None,
            rate: None,
            kept,
        };
    }
    RemoteLine {
        line_id,
        description,
        quantity: wire.quantity.map(|quantity| quantity.normalize()),
        unit_price: wire.unit_price.map(|price| price.normalize()),
        tax_code: wire.tax_code,
        account: wire.line_object_number,
        amount: if is_gross { wire.amount_including_tax } else { wire.amount_excluding_tax },
        tax: wire.total_tax_amount,
        rate: wire.tax_percent.and_then(|percent| Rate::try_from(percent).ok()),
        kept,
    }
}

/// What must be handed back where a line is made anew; null for a plain line of ours.
fn kept_of(wire: &WireLine) -> Value {
    let text = |text: &str| Some(Value::from(text).to_string());
    let kind = wire.line_type.as_deref().filter(|kind| !matches!(word(kind).as_str(), "Account" | "Comment"));
    let discount = wire.discount_percent.filter(|percent| !percent.is_zero()).map(|percent: Decimal| percent.normalize().to_string());
    let fields = [
        (LINE_TYPE, kind.and_then(text)),
        (DESCRIPTION2, wire.description2.as_deref().and_then(text)),
        // Only lines of items have a unit.
        (UNIT, wire.unit_of_measure_code.as_deref().filter(|_| kind.is_some()).and_then(text)),
        (DISCOUNT, discount),
        (VARIANT, wire.item_variant_id.and_then(|id| text(&id.to_string()))),
        (LOCATION, wire.location_id.and_then(|id| text(&id.to_string()))),
    ];
    let kept: Map<String, Value> =
        fields.into_iter().filter_map(|(name, raw)| raw.map(|raw| (name.to_owned(), Value::String(raw)))).collect();
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}
