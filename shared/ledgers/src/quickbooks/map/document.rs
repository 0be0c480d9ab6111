//! Invoices (docs/vendors/quickbooks.md, sections 3, 4 and 11).

use coportal_core::document::{Changeable, DocumentStatus, DocumentWrite, RemoteDocument, RemoteLine, Removal, WriteLine};
use coportal_core::invoice::TaxMode;
use coportal_core::money::Currency;
use coportal_core::pricing::Totals;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::facts::{TAXED, UNTAXED, us_code, us_group};
use crate::json::{self, WireDecimal};
use crate::quickbooks::body::{InvoiceBody, LineBody, NothingBody, RefBody, SaleBody, TaxBody, WrittenLine};
use crate::quickbooks::note;
use crate::quickbooks::profile::RULES;
use crate::quickbooks::wire::{RawObject, Ref, WireInvoice, day, id_of, instant};

const SALE: &str = "SalesItemLineDetail";
const TEXT: &str = "DescriptionOnly";
/// The sum that the vendor puts behind the lines.
const SUBTOTAL: &str = "SubTotalLineDetail";

/// Keys of what is kept: of a line beside its detail, of its detail, and of a line that is handed back whole.
const OF_LINE: &str = "Line";
const OF_DETAIL: &str = "Detail";
const WHOLE: &str = "Whole";
/// The bookkeeper's text in the note.
const NOTE: &str = "PrivateNote";

/// The body of an invoice's create, or of an update: sparse, with every line, since the list is replaced as a whole (section 3).
pub(in crate::quickbooks) fn body(write: &DocumentWrite) -> Vec<u8> {
    let update = write.external_id.is_some();
    let group = write.lines.iter().find_map(|line| us_group(line.tax_code.as_deref()?));
    let in_us = write.lines.iter().any(|line| line.tax_code.as_deref().is_some_and(is_us_word));
    let foreign = write.kept.get(NOTE).and_then(Value::as_str);
    json::bytes(&InvoiceBody {
        id: write.external_id.as_deref(),
        sync_token: write.version.as_deref(),
        sparse: update.then_some(true),
        customer_ref: RefBody { value: &write.contact },
        doc_number: write.number.as_deref(),
        txn_date: write.issue_date,
        due_date: write.due_date,
        // Required where the company has several currencies; the company's own is taken where it has one.
        currency_ref: RefBody { value: write.currency.as_str() },
        private_note: note::write(write.reference.as_deref(), &write.url, foreign),
        // The client has the invoice from CoPortal: QuickBooks is never asked to mail it.
        email_status: (!update).then_some("NotSet"),
        global_tax_calculation: match write.tax_mode {
            _ if in_us => None,
            None => None,
            Some(TaxMode::Exclusive) => Some("TaxExcluded"),
            Some(TaxMode::Inclusive) => Some("TaxInclusive"),
        },
        line: write.lines.iter().enumerate().map(|(index, line)| line_body(line, index + 1, write)).collect(),
        // Outside the US the vendor computes it from the lines; what was read is never sent back, it would not be computed anew.
        txn_tax_detail: group.map(|id| TaxBody { txn_tax_code_ref: RefBody { value: id }, total_tax: WireDecimal(write.totals.tax) }),
    })
}

fn is_us_word(code: &str) -> bool {
    code == UNTAXED || code == TAXED || us_group(code).is_some()
}

fn line_body<'a>(line: &'a WriteLine, place: usize, write: &DocumentWrite) -> LineBody<'a> {
    if let Some(whole) = json::kept(&line.kept, WHOLE) {
        return LineBody::HandedBack(whole);
    }
    let amount = line.quantity.zip(line.unit_price).and_then(|(quantity, price)| amount(quantity, price, write.currency));
    let code = line.tax_code.as_deref().filter(|_| write.tax_mode.is_some());
    let sale = line.account.as_deref().map(|item| SaleBody {
        item_ref: RefBody { value: item },
        qty: line.quantity.map(WireDecimal),
        unit_price: line.unit_price.map(WireDecimal),
        tax_code_ref: code.map(|code| RefBody { value: if us_group(code).is_some() { TAXED } else { code } }),
        tax_inclusive_amt: (write.tax_mode == Some(TaxMode::Inclusive)).then_some(amount).flatten().map(WireDecimal),
        kept: raw_object(&line.kept, OF_DETAIL),
    });
    LineBody::Written(Box::new(WrittenLine {
        id: line.line_id.as_deref(),
        line_num: place,
        description: Some(line.description.as_str()).filter(|text| !text.is_empty()),
        amount: sale.is_some().then(|| WireDecimal(amount.unwrap_or_default())),
        detail_type: if sale.is_some() { SALE } else { TEXT },
        description_line_detail: sale.is_none().then_some(NothingBody {}),
        sales_item_line_detail: sale,
        kept: raw_object(&line.kept, OF_LINE),
    }))
}

/// Quantity times price to the cent, which the vendor checks.
fn amount(quantity: Decimal, price: Decimal, currency: Currency) -> Option<Decimal> {
    quantity.checked_mul(price).map(|amount| RULES.arithmetic.round(amount, currency))
}

/// The fields kept under a key, as the characters they came in.
fn raw_object(kept: &Value, key: &str) -> RawObject {
    let fields = kept.get(key).and_then(Value::as_object);
    let raw = |(name, text): (&String, &Value)| Some((name.clone(), RawValue::from_string(text.as_str()?.to_owned()).ok()?));
    fields.into_iter().flatten().filter_map(raw).collect()
}

/// How a document is ended, with what the answer is put together from: a deletion answers with the id alone.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::quickbooks) struct Ending {
    /// `void` or `delete`.
    pub(in crate::quickbooks) operation: String,
    /// What is sent.
    pub(in crate::quickbooks) invoice: Box<RawValue>,
    /// The document as it stood, without its lines.
    pub(in crate::quickbooks) there: RemoteDocument,
}

/// The stored body that takes a document out of the books.
pub(in crate::quickbooks) fn ending(there: &RemoteDocument, how: Removal) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named<'a> {
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        sync_token: Option<&'a str>,
    }
    let named = Named { id: &there.external_id, sync_token: there.version.as_deref() };
    let Ok(invoice) = serde_json::value::to_raw_value(&named) else { return Vec::new() };
    let operation = match how {
        Removal::Void => "void",
        Removal::Delete => "delete",
    };
    let there = RemoteDocument { lines: Vec::new(), kept: Value::Null, ..there.clone() };
    json::bytes(&Ending { operation: operation.to_owned(), invoice, there })
}

/// The document after its deletion.
pub(in crate::quickbooks) fn deleted(there: RemoteDocument) -> RemoteDocument {
    RemoteDocument { status: DocumentStatus::Deleted, native_status: "DELETED".to_owned(), version: None, balance: None, ..there }
}

/// Whether an answer says that the invoice was deleted.
pub(in crate::quickbooks) fn is_deletion(wire: &WireInvoice) -> bool {
    wire.status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("deleted"))
}

/// Transactions whose link is money that was received or credited.
const MONEY: [&str; 5] = ["Payment", "CreditMemo", "Deposit", "JournalEntry", "RefundReceipt"];

/// An invoice as CoPortal sees it.
///
/// # Errors
/// What is missing, when the answer lacks a field that no invoice is without.
pub(in crate::quickbooks) fn document(wire: WireInvoice) -> Result<RemoteDocument, &'static str> {
    let total = wire.total_amt.ok_or("the invoice has no TotalAmt")?;
    let tax = wire.txn_tax_detail.as_ref().and_then(|detail| detail.total_tax).unwrap_or_default();
    let subtotal = total.checked_sub(tax).ok_or("the invoice's totals are no sums")?;
    let balance = wire.balance.ok_or("the invoice has no Balance")?;
    let group = wire.txn_tax_detail.as_ref().and_then(|detail| id_of(&detail.txn_tax_code_ref));
    let note = wire.private_note.as_deref().map(note::read).unwrap_or_default();
    let lines = wire.line.into_iter().filter(|line| !is_subtotal(line)).map(|raw| line(raw, group.as_deref()));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let zero = |line: &RemoteLine| line.amount.is_none_or(|amount| amount.is_zero());
    let voided = total.is_zero() && lines.iter().all(zero) && wire.private_note.as_deref().is_some_and(note::says_voided);
    let has_payments =
        balance != total || wire.linked_txn.iter().filter_map(|linked| linked.txn_type.as_deref()).any(|kind| MONEY.contains(&kind));
    let (status, native) = if voided {
        (DocumentStatus::Voided, "VOIDED")
    } else if balance.is_zero() && !total.is_zero() {
        (DocumentStatus::Paid, "PAID")
    } else {
        (DocumentStatus::Approved, "OPEN")
    };
    Ok(RemoteDocument {
        external_id: wire.id,
        number: wire.doc_number,
        reference: note.reference,
        url: note.url,
        contact: id_of(&wire.customer_ref).ok_or("the invoice has no CustomerRef")?,
        currency: id_of(&wire.currency_ref).and_then(|code| code.parse().ok()),
        issue_date: wire.txn_date.as_deref().and_then(day),
        due_date: wire.due_date.as_deref().and_then(day),
        tax_mode: match wire.global_tax_calculation.as_deref() {
            Some("NotApplicable") => None,
            Some("TaxInclusive") => Some(TaxMode::Inclusive),
            Some(_) => Some(TaxMode::Exclusive),
            // Not said in the US: there, and only where tax is used, lines have a code.
            None => lines.iter().any(|line| line.tax_code.is_some()).then_some(TaxMode::Exclusive),
        },
        status,
        native_status: native.to_owned(),
        lines,
        totals: Totals { subtotal, tax, total },
        has_payments: has_payments && !voided,
        version: wire.sync_token,
        balance: Some(balance),
        created_at: wire.meta_data.and_then(|meta| instant(&meta.create_time?)),
        changeable: Changeable::All,
        kept: note.foreign.map_or(Value::Null, |text| Value::Object(Map::from_iter([(NOTE.to_owned(), Value::String(text))]))),
    })
}

fn text_of(raw: &RawObject, name: &str) -> Result<Option<String>, &'static str> {
    let raw = raw.get(name).filter(|raw| raw.get() != "null");
    let text = raw.map(|raw| serde_json::from_str::<String>(raw.get()).map_err(|_| "a field of a line is no text")).transpose()?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

fn decimal_of(raw: &RawObject, name: &str) -> Result<Option<Decimal>, &'static str> {
    let raw = raw.get(name).filter(|raw| !matches!(raw.get(), "null" | "\"\""));
    raw.map(|raw| json::decimal_of(raw).ok_or("a figure of a line is no number")).transpose()
}

fn ref_of(raw: &RawObject, name: &str) -> Result<Option<String>, &'static str> {
    let raw = raw.get(name).filter(|raw| raw.get() != "null");
    let reference = raw.map(|raw| serde_json::from_str::<Ref>(raw.get()).map_err(|_| "a reference of a line is none")).transpose()?;
    Ok(id_of(&reference))
}

fn is_subtotal(line: &RawObject) -> bool {
    let id = line.get("Id").is_some_and(|id| !matches!(id.get(), "null" | "\"\""));
    !id && line.get("DetailType").is_some_and(|kind| kind.get().trim_matches('"') == SUBTOTAL)
}

/// A line as CoPortal sees it. Every field that is not CoPortal's is kept; so is the whole line where it is neither a sale nor text.
fn line(raw: RawObject, group: Option<&str>) -> Result<RemoteLine, &'static str> {
    let kind = text_of(&raw, "DetailType")?.ok_or("a line has no DetailType")?;
    let detail = raw.get(SALE).filter(|detail| kind == SALE && detail.get() != "null");
    let detail: RawObject = match detail {
        Some(detail) => serde_json::from_str(detail.get()).map_err(|_| "the detail of a line is no object")?,
        None => RawObject::new(),
    };
    let amount = decimal_of(&raw, "Amount")?;
    let mut kept = Map::new();
    if kind == SALE || kind == TEXT {
        let own = ["Id", "LineNum", "Description", "Amount", "DetailType", SALE, "DescriptionLineDetail"];
        // What the item posts to and what tax makes of the price follow from the rest.
        let sold = ["ItemRef", "Qty", "UnitPrice", "TaxCodeRef", "ItemAccountRef", "TaxInclusiveAmt"];
        for (key, fields, ours) in [(OF_LINE, &raw, own.as_slice()), (OF_DETAIL, &detail, sold.as_slice())] {
            let others = fields.iter().filter(|(name, _)| !ours.contains(&name.as_str()));
            let others: Vec<(&str, Option<Box<RawValue>>)> = others.map(|(name, raw)| (name.as_str(), Some(raw.clone()))).collect();
            let others = json::keep(others.iter().map(|(name, raw)| (*name, raw)));
            if !others.is_null() {
                kept.insert(key.to_owned(), others);
            }
        }
    } else {
        let whole = serde_json::to_string(&raw).map_err(|_| "a line cannot be written down")?;
        kept.insert(WHOLE.to_owned(), Value::String(json::compact(&whole)));
    }
    // A discount is written as what it takes away.
    let amount = if kind == "DiscountLineDetail" { amount.map(|amount| -amount) } else { amount };
    let code = ref_of(&detail, "TaxCodeRef")?;
    Ok(RemoteLine {
        line_id: text_of(&raw, "Id")?,
        description: text_of(&raw, "Description")?.unwrap_or_default(),
        quantity: decimal_of(&detail, "Qty")?,
        unit_price: decimal_of(&detail, "UnitPrice")?,
        tax_code: match (code.as_deref(), group) {
            (Some(TAXED), Some(group)) => Some(us_code(group)),
            _ => code,
        },
        account: ref_of(&detail, "ItemRef")?,
        amount: if kind == TEXT { Some(amount.unwrap_or_default()) } else { amount },
        tax: None,
        rate: None,
        kept: if kept.is_empty() { Value::Null } else { Value::Object(kept) },
    })
}

#[cfg(test)]
mod tests;
