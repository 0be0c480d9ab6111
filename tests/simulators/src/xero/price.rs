//! The arithmetic of a sales invoice (vendor notes, sections 10 and 11). Amounts have two decimals in every currency.

use rust_decimal::Decimal;

use super::invoice::LineAmountTypes;
use crate::skeleton::number::{half_up, truncated};
use crate::skeleton::pricing::{Sale, Totals};

/// Decimal places of amounts.
const PLACES: u32 = 2;
/// Decimal places of quantities, and of unit prices with `unitdp=4`.
const UNIT_PLACES: u32 = 4;

/// What comes off a line.
#[derive(Clone, Copy)]
pub(crate) enum Discount {
    None,
    Percent(Decimal),
    Amount(Decimal),
}

/// Quantity times price less discount, rounded to cents.
///
/// Half-up without a discount rate (section 11). With one the vendor cuts on a write through the API: 1908.396 becomes 1908.39
/// (section 10, Stack Overflow 66782237).
pub(crate) fn net(quantity: Decimal, unit: Decimal, discount: Discount) -> Decimal {
    let gross = quantity * unit;
    match discount {
        Discount::Percent(rate) if !rate.is_zero() => truncated(gross * (Decimal::ONE_HUNDRED - rate) / Decimal::ONE_HUNDRED, PLACES),
        Discount::Amount(amount) => half_up(gross - amount, PLACES),
        Discount::Percent(_) | Discount::None => half_up(gross, PLACES),
    }
}

/// The tax of one line, rounded half-up to cents (section 11).
pub(crate) fn tax(amount: Decimal, percent: Decimal, types: LineAmountTypes) -> Decimal {
    let tax = match types {
        LineAmountTypes::NoTax => Decimal::ZERO,
        LineAmountTypes::Exclusive => amount * percent / Decimal::ONE_HUNDRED,
        LineAmountTypes::Inclusive => amount * percent / (Decimal::ONE_HUNDRED + percent),
    };
    half_up(tax, PLACES)
}

/// Totals of lines, each with its amount and its tax.
pub(crate) fn totals(lines: impl Iterator<Item = (Decimal, Decimal)>, types: LineAmountTypes) -> Totals {
    let (amounts, taxes) = lines.fold((Decimal::ZERO, Decimal::ZERO), |(amounts, taxes), (amount, tax)| (amounts + amount, taxes + tax));
    let tax = half_up(taxes, PLACES);
    let (subtotal, total) = match types {
        LineAmountTypes::Inclusive => (amounts - tax, amounts),
        LineAmountTypes::Exclusive | LineAmountTypes::NoTax => (amounts, amounts + tax),
    };
    Totals { subtotal: half_up(subtotal, PLACES), tax, total: half_up(total, PLACES) }
}

/// What Xero makes of a sale sent with `unitdp=4`. The currency's own decimals do not count: amounts have two in all of them.
#[must_use]
pub fn price(sale: &Sale) -> Totals {
    let types = if sale.tax_inclusive { LineAmountTypes::Inclusive } else { LineAmountTypes::Exclusive };
    let lines = sale.lines.iter().map(|line| {
        let (quantity, unit) = (half_up(line.quantity, UNIT_PLACES), half_up(line.unit_price, UNIT_PLACES));
        let amount = net(quantity, unit, Discount::Percent(line.discount_percent));
        (amount, tax(amount, line.tax_percent, types))
    });
    totals(lines, types)
}
