//! Invoices as sent (section 3, Fields).

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::fault::Refusal;
use super::patch::{limited, only, reference};
use crate::skeleton::fields::Fields;
use crate::skeleton::number::half_up;

pub(crate) const FIELDS: [&str; 37] = [
    "Id",
    "SyncToken",
    "sparse",
    "CustomerRef",
    "DocNumber",
    "TxnDate",
    "DueDate",
    "PrivateNote",
    "CustomerMemo",
    "EmailStatus",
    "BillEmail",
    "BillAddr",
    "GlobalTaxCalculation",
    "CurrencyRef",
    "ExchangeRate",
    "Line",
    "TxnTaxDetail",
    "AllowOnlineCreditCardPayment",
    "AllowOnlineACHPayment",
    // What the API shows and nobody can write: taken and not read, so that a whole invoice can be sent back.
    "domain",
    "MetaData",
    "LinkedTxn",
    "TotalAmt",
    "HomeTotalAmt",
    "HomeBalance",
    "Balance",
    "ApplyTaxAfterDiscount",
    "PrintStatus",
    "CustomField",
    "Deposit",
    "AllowIPNPayment",
    "AllowOnlinePayment",
    "InvoiceLink",
    "FreeFormAddress",
    "TaxExemptionRef",
    "EInvoiceStatus",
    "status",
];

const LINE_FIELDS: [&str; 9] = [
    "Id",
    "LineNum",
    "Description",
    "Amount",
    "DetailType",
    "SalesItemLineDetail",
    "DescriptionLineDetail",
    "SubTotalLineDetail",
    "LinkedTxn",
];

const SALE_FIELDS: [&str; 8] =
    ["ItemRef", "ClassRef", "UnitPrice", "Qty", "TaxCodeRef", "TaxInclusiveAmt", "ServiceDate", "ItemAccountRef"];

/// Longest texts, in characters (section 3).
pub(crate) const LONGEST_NUMBER: usize = 21;
pub(crate) const LONGEST_NOTE: usize = 4000;
pub(crate) const LONGEST_MEMO: usize = 1000;
pub(crate) const LONGEST_EMAIL: usize = 100;
const LONGEST_DESCRIPTION: usize = 4000;

/// Decimal places of quantities and unit prices (section 3: about 7).
const UNIT_PLACES: u32 = 7;

/// Below it no product or sum leaves the range of a decimal.
pub(crate) const LARGEST: Decimal = Decimal::from_parts(1_410_065_408, 2, 0, false, 0);

/// A line as sent.
pub(crate) struct LineInput {
    pub(crate) id: Option<u32>,
    pub(crate) description: Option<String>,
    pub(crate) sale: Option<SaleInput>,
}

pub(crate) struct SaleInput {
    pub(crate) item: String,
    pub(crate) class: Option<String>,
    pub(crate) quantity: Option<Decimal>,
    pub(crate) unit_price: Option<Decimal>,
    pub(crate) amount: Decimal,
    pub(crate) tax_code: Option<String>,
    pub(crate) inclusive: Option<Decimal>,
    pub(crate) service_date: Option<Date>,
}

fn number(fields: &Fields, name: &str) -> Result<Option<Decimal>, Refusal> {
    match fields.decimal(name)? {
        Some(value) if value.abs() >= LARGEST => Err(Refusal::not_modelled("numbers of more than ten digits on a line")),
        value => Ok(value),
    }
}

/// At most [`UNIT_PLACES`], its own digits otherwise.
fn unit(value: Decimal) -> Decimal {
    if value.scale() > UNIT_PLACES { half_up(value, UNIT_PLACES) } else { value }
}

/// `Line`; `None` when it is not sent. The subtotal that the API shows is not read.
pub(crate) fn lines(fields: &Fields) -> Result<Option<Vec<LineInput>>, Refusal> {
    let Some(sent) = fields.objects("Line")? else { return Ok(None) };
    let mut lines = Vec::with_capacity(sent.len());
    for line in &sent {
        only(line, &LINE_FIELDS, "line")?;
        if line.objects("LinkedTxn")?.is_some_and(|linked| !linked.is_empty()) {
            return Err(Refusal::not_modelled("a line that is linked to another transaction"));
        }
        match line.text("DetailType")?.as_deref() {
            None => return Err(Refusal::missing("Line.DetailType")),
            Some("SubTotalLineDetail") => {}
            Some("SalesItemLineDetail") => lines.push(LineInput { sale: Some(sale(line)?), ..bare(line)? }),
            Some("DescriptionOnly") => {
                if number(line, "Amount")?.is_some_and(|amount| !amount.is_zero()) {
                    return Err(Refusal::not_modelled("a line of text that has an amount"));
                }
                lines.push(bare(line)?);
            }
            Some(known @ ("DiscountLineDetail" | "GroupLineDetail" | "TaxLineDetail")) => {
                return Err(Refusal::NotModelled(format!("lines of {known}")));
            }
            Some(other) => return Err(Refusal::enumeration("DetailType", other)),
        }
    }
    Ok(Some(lines))
}

fn bare(line: &Fields) -> Result<LineInput, Refusal> {
    let id = line.text("Id")?.filter(|id| !id.is_empty());
    let id = id.map(|id| id.parse().map_err(|_| Refusal::malformed("Line.Id is no number"))).transpose()?;
    Ok(LineInput { id, description: limited(line, "Description", LONGEST_DESCRIPTION)?, sale: None })
}

fn sale(line: &Fields) -> Result<SaleInput, Refusal> {
    let amount = number(line, "Amount")?.ok_or_else(|| Refusal::missing("Line.Amount"))?;
    let detail = line.object("SalesItemLineDetail")?.ok_or_else(|| Refusal::missing("Line.SalesItemLineDetail"))?;
    only(&detail, &SALE_FIELDS, "SalesItemLineDetail")?;
    let (quantity, unit_price) = (number(&detail, "Qty")?, number(&detail, "UnitPrice")?);
    if quantity.is_some() != unit_price.is_some() {
        return Err(Refusal::not_modelled("a line with only one of Qty and UnitPrice"));
    }
    // Section 3: documentation to the schema, a default item to others.
    let item = reference(&detail, "ItemRef")?.ok_or_else(|| Refusal::not_modelled("a line without ItemRef"))?;
    Ok(SaleInput {
        item,
        class: reference(&detail, "ClassRef")?,
        quantity: quantity.map(unit),
        unit_price: unit_price.map(unit),
        amount,
        tax_code: reference(&detail, "TaxCodeRef")?,
        inclusive: number(&detail, "TaxInclusiveAmt")?,
        service_date: detail.date("ServiceDate")?,
    })
}

/// `TxnTaxDetail` as sent.
#[derive(Default)]
pub(crate) struct TaxInput {
    pub(crate) code: Option<String>,
    pub(crate) total: Option<Decimal>,
}

pub(crate) fn tax(fields: &Fields) -> Result<Option<TaxInput>, Refusal> {
    let Some(detail) = fields.object("TxnTaxDetail")? else { return Ok(None) };
    only(&detail, &["TxnTaxCodeRef", "TotalTax", "TaxLine"], "TxnTaxDetail")?;
    Ok(Some(TaxInput { code: reference(&detail, "TxnTaxCodeRef")?, total: number(&detail, "TotalTax")? }))
}
