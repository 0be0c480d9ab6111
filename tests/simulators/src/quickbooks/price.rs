//! The arithmetic of invoices (vendor notes, section 11).

use rust_decimal::Decimal;

use crate::skeleton::number::half_up;
use crate::skeleton::pricing::{Sale, Totals};

/// Decimal places of a currency's unit (ISO 4217).
pub(crate) fn decimals(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// The amount of a line: quantity times price, rounded to the currency.
pub(crate) fn amount(quantity: Decimal, unit: Decimal, decimals: u32) -> Decimal {
    half_up(quantity * unit, decimals)
}

/// The tax of an amount at one rate, rounded to the currency. Outside the US it is asked line by line; in the US once for the sum of what is
/// taxable.
pub(crate) fn tax(amount: Decimal, percent: Decimal, decimals: u32) -> Decimal {
    half_up(amount * percent / Decimal::ONE_HUNDRED, decimals)
}

/// The tax that a gross amount contains, rounded to the currency.
pub(crate) fn contained_tax(gross: Decimal, percent: Decimal, decimals: u32) -> Decimal {
    half_up(gross * percent / (Decimal::ONE_HUNDRED + percent), decimals)
}

fn discounted(line: &crate::skeleton::pricing::SaleLine, decimals: u32) -> Decimal {
    // There is no discount on a line (section 3, Fields): whoever sends one has taken it off the amount.
    half_up(line.quantity * line.unit_price * (Decimal::ONE_HUNDRED - line.discount_percent) / Decimal::ONE_HUNDRED, decimals)
}

fn totals(subtotal: Decimal, tax: Decimal, decimals: u32) -> Totals {
    Totals { subtotal: half_up(subtotal, decimals), tax: half_up(tax, decimals), total: half_up(subtotal + tax, decimals) }
}

/// What a company outside the US makes of a sale: tax per line, rounded to the currency, then summed. With tax inside the prices, the lines
/// are taken as `TaxInclusiveAmt`.
#[must_use]
pub fn price(sale: &Sale) -> Totals {
    let places = sale.currency_decimals;
    let (mut net, mut taxes) = (Decimal::ZERO, Decimal::ZERO);
    for line in &sale.lines {
        let amount = discounted(line, places);
        let of_line =
            if sale.tax_inclusive { contained_tax(amount, line.tax_percent, places) } else { tax(amount, line.tax_percent, places) };
        net += if sale.tax_inclusive { amount - of_line } else { amount };
        taxes += of_line;
    }
    totals(net, taxes, places)
}

/// What a US company with manual tax makes of a sale: the rate on the sum of the lines that bear it, rounded once per rate. `None` when prices
/// contain tax: there is no such thing there (section 4).
#[must_use]
pub fn price_us(sale: &Sale) -> Option<Totals> {
    if sale.tax_inclusive {
        return None;
    }
    let places = sale.currency_decimals;
    let mut rates: Vec<(Decimal, Decimal)> = Vec::new();
    let mut net = Decimal::ZERO;
    for line in &sale.lines {
        let amount = discounted(line, places);
        net += amount;
        match rates.iter_mut().find(|(percent, _)| *percent == line.tax_percent) {
            Some((_, taxable)) => *taxable += amount,
            None => rates.push((line.tax_percent, amount)),
        }
    }
    Some(totals(net, rates.iter().map(|(percent, taxable)| tax(*taxable, *percent, places)).sum(), places))
}
