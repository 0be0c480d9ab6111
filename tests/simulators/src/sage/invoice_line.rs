//! One line as sent.

use rust_decimal::Decimal;

use super::business::Business;
use super::input::{known, number, record};
use super::invoice::{Invoice, Line};
use super::price::{Discount, PLACES, is_tax_of};
use super::reply::{Fault, Refusal, fault};
use crate::skeleton::fields::Fields;
use crate::skeleton::ids::Ids;

/// `id` is not in the published schema of a write; integrators send it to keep a line (developer community, "Updating Items on Invoices").
const LINE: [&str; 10] = [
    "id",
    "description",
    "discount_amount",
    "discount_percentage",
    "ledger_account_id",
    "quantity",
    "tax_amount",
    "tax_rate_id",
    "unit_price",
    "unit_price_includes_tax",
];

/// Decimal places of quantities and unit prices. No document limits them; kept as sent, up to here.
const UNIT_PLACES: u32 = 10;

/// Reads a line: one with an id changes the line of this invoice, one without is new and needs everything.
pub(crate) fn merge(
    business: &Business,
    ids: &mut Ids,
    fields: &Fields,
    invoice: &Invoice,
    faults: &mut Vec<Fault>,
) -> Result<Line, Refusal> {
    known(fields, &LINE, "invoice line")?;
    let before = match record(fields, "id")? {
        None => None,
        Some(id) => Some(invoice.lines.iter().find(|line| line.id == id).cloned().ok_or(Refusal::NotFound)?),
    };
    let is_new = before.is_none();
    let at = |name: &str| format!("invoice_lines.{name}");
    let mut need = |name: &str, shown: &str, cleared: bool| {
        if cleared || (is_new && !fields.has(name)) {
            faults.push(fault(&at(shown), "is missing"));
        }
    };
    // Published schema, postSalesInvoices: description, ledger account and unit price.
    let (description, account) = (fields.text("description")?, record(fields, "ledger_account_id")?);
    let (quantity, unit_price) = (number(fields, "quantity", UNIT_PLACES)?, number(fields, "unit_price", UNIT_PLACES)?);
    need("description", "description", fields.has("description") && description.as_deref().is_none_or(|text| text.trim().is_empty()));
    need("ledger_account_id", "ledger_account", fields.has("ledger_account_id") && account.is_none());
    need("unit_price", "unit_price", fields.has("unit_price") && unit_price.is_none());
    if quantity.is_none() && (is_new || fields.has("quantity")) {
        return Err(Refusal::not_modelled("a line without quantity"));
    }
    if description.as_deref().is_some_and(holds_entity) {
        // byte8 documentation, "troubleshooting".
        faults.push(fault("line_items.description", "is invalid"));
    }
    if account.is_some_and(|id| !business.ledger_account(id).is_some_and(|account| account.visible_in_sales)) {
        // Sage/sageone_api_php_sample#32: an account that is not for sales is "not found".
        return Err(Refusal::NotFound);
    }
    let mut line = before.unwrap_or_else(|| Line {
        id: ids.uuid(),
        description: String::new(),
        ledger_account: account.unwrap_or_default(),
        quantity: Decimal::ZERO,
        unit_price: Decimal::ZERO,
        unit_price_includes_tax: false,
        tax_rate: None,
        tax_amount: Decimal::ZERO,
        discount: Discount::None,
    });
    line.description = description.unwrap_or(line.description);
    line.ledger_account = account.unwrap_or(line.ledger_account);
    line.quantity = quantity.unwrap_or(line.quantity);
    line.unit_price = unit_price.unwrap_or(line.unit_price);
    line.unit_price_includes_tax = fields.boolean("unit_price_includes_tax")?.unwrap_or(line.unit_price_includes_tax);
    line.discount = discount(fields, line.discount, faults)?;
    tax(business, fields, invoice, is_new, &mut line, faults)?;
    Ok(line)
}

fn discount(fields: &Fields, before: Discount, faults: &mut Vec<Fault>) -> Result<Discount, Refusal> {
    let (amount, percent) = (number(fields, "discount_amount", PLACES)?, number(fields, "discount_percentage", UNIT_PLACES)?);
    let named = fields.has("discount_amount") || fields.has("discount_percentage");
    match (amount, percent) {
        (Some(_), Some(_)) => Err(Refusal::not_modelled("a line with both discount_amount and discount_percentage")),
        (Some(amount), None) if amount < Decimal::ZERO => {
            faults.push(fault("invoice_lines.discount_amount", "is invalid"));
            Ok(before)
        }
        (None, Some(percent)) if percent < Decimal::ZERO || percent > Decimal::ONE_HUNDRED => {
            faults.push(fault("invoice_lines.discount_percentage", "is invalid"));
            Ok(before)
        }
        (Some(amount), None) => Ok(Discount::Amount(amount)),
        (None, Some(percent)) => Ok(Discount::Percent(percent)),
        // Null clears; what is absent stays.
        (None, None) => Ok(if named { Discount::None } else { before }),
    }
}

fn tax(
    business: &Business,
    fields: &Fields,
    invoice: &Invoice,
    is_new: bool,
    line: &mut Line,
    faults: &mut Vec<Fault>,
) -> Result<(), Refusal> {
    if let Some(id) = fields.text("tax_rate_id")? {
        let rate = business.usable_tax_rate(&id).filter(|rate| rate.is_for_sales()).ok_or(Refusal::NotFound)?;
        line.tax_rate = Some(rate.id.clone());
    } else if business.pays_tax && (is_new || fields.has("tax_rate_id")) {
        return Err(Refusal::not_modelled("a line without tax_rate_id in a business that is registered for tax"));
    }
    let rate = line.tax_rate.as_deref().and_then(|id| business.tax_rate(id));
    let percent = rate.map_or(Some(Decimal::ZERO), |rate| rate.on(invoice.date));
    let Some(percent) = percent else {
        faults.push(fault("invoice_lines.tax_rate", "does not apply on the date of the invoice"));
        return Ok(());
    };
    let sent = number(fields, "tax_amount", PLACES)?;
    match sent {
        Some(sent) => line.tax_amount = sent,
        // Zero, exempt and no tax: inferred as 0.0 (published schema).
        None if percent.is_zero() => line.tax_amount = Decimal::ZERO,
        None if is_new || fields.has("tax_amount") => faults.push(fault("invoice_lines.tax_amount", "is missing")),
        None => {}
    }
    Ok(())
}

/// Compares every tax with its rate ([`is_tax_of`]).
pub(crate) fn check_taxes(business: &Business, invoice: &Invoice, faults: &mut Vec<Fault>) {
    for line in &invoice.lines {
        let rate = line.tax_rate.as_deref().and_then(|id| business.tax_rate(id));
        let percent = rate.map_or(Some(Decimal::ZERO), |rate| rate.on(invoice.date)).unwrap_or_default();
        let fits = if percent.is_zero() {
            line.tax_amount.is_zero()
        } else {
            is_tax_of(line.tax_amount, line.amount(), percent, line.unit_price_includes_tax, invoice.lines.len())
        };
        if !fits {
            faults.push(fault("invoice_lines.tax_amount", "does not agree with the tax rate"));
        }
    }
}

/// Whether a text holds an HTML entity: `&amp;`, `&#39;`, `&#x27;`.
fn holds_entity(text: &str) -> bool {
    text.split('&').skip(1).any(|rest| {
        let name = rest.split(';').next().filter(|name| name.len() < rest.len());
        name.is_some_and(|name| {
            let plain = name.strip_prefix('#').unwrap_or(name);
            !plain.is_empty() && plain.len() <= 10 && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::holds_entity;

    #[test]
    fn entities_are_told_from_plain_ampersands() {
        assert!(["R&amp;D", "it&#39;s", "&#x27;"].into_iter().all(holds_entity));
        assert!(!["R&D", "R & D; more", "a; b", "&;"].into_iter().any(holds_entity));
    }
}
