//! The arithmetic of a sales invoice (vendor notes, section 13).
//!
//! Tax is computed on the sum of each VAT group of the document and spread back to its lines: each line gets what the group's rounded tax
//! grows by when the line is added. The vendor's published source keys the groups by VAT identifier *and sign* ("VAT Amount Line", key
//! `VAT Identifier, VAT Calculation Type, Tax Group Code, Use Tax, Positive`): negative lines of a group are rounded by themselves.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::skeleton::number::half_up;
use crate::skeleton::pricing::{Sale, Totals};

/// Decimal places of quantities and unit prices.
pub(crate) const UNIT_PLACES: u32 = 5;

/// What comes off a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Discount {
    Percent(Decimal),
    Amount(Decimal),
}

/// Quantity times price, rounded; its discount, rounded; and what is left.
pub(crate) fn amount(quantity: Decimal, unit_price: Decimal, discount: Discount, places: u32) -> (Decimal, Decimal) {
    let gross = half_up(quantity * unit_price, places);
    let off = match discount {
        Discount::Percent(percent) => half_up(gross * percent / Decimal::ONE_HUNDRED, places),
        Discount::Amount(amount) => half_up(amount, places),
    };
    (gross - off, off)
}

/// A line as the tax sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taxed<'line> {
    /// What is left after the line's discount, rounded.
    pub(crate) amount: Decimal,
    /// Percent.
    pub(crate) percent: Decimal,
    /// The VAT identifier.
    pub(crate) identifier: &'line str,
}

struct Group<'line> {
    identifier: &'line str,
    percent: Decimal,
    positive: bool,
    amount: Decimal,
    net: Decimal,
    tax: Decimal,
}

/// Net and tax of every line, in order.
pub(crate) fn spread(lines: &[Taxed<'_>], tax_inclusive: bool, places: u32) -> Vec<(Decimal, Decimal)> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut spread = Vec::with_capacity(lines.len());
    for line in lines {
        let positive = line.amount >= Decimal::ZERO;
        let same = |group: &Group<'_>| group.identifier == line.identifier && group.percent == line.percent && group.positive == positive;
        let mut group = match groups.iter().position(same) {
            Some(position) => groups.swap_remove(position),
            None => Group {
                identifier: line.identifier,
                percent: line.percent,
                positive,
                amount: Decimal::ZERO,
                net: Decimal::ZERO,
                tax: Decimal::ZERO,
            },
        };
        group.amount += line.amount;
        let (net, tax) = if tax_inclusive {
            let net = half_up(group.amount * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + line.percent), places);
            (net, group.amount - net)
        } else {
            (group.amount, half_up(group.amount * line.percent / Decimal::ONE_HUNDRED, places))
        };
        spread.push((net - group.net, tax - group.tax));
        (group.net, group.tax) = (net, tax);
        groups.push(group);
    }
    spread
}

/// What Business Central makes of a sale: the totals of the document after its last line. Each rate is one VAT identifier.
#[must_use]
pub fn price(sale: &Sale) -> Totals {
    let places = sale.currency_decimals;
    let identifiers: Vec<String> = sale.lines.iter().map(|line| line.tax_percent.normalize().to_string()).collect();
    let lines: Vec<Taxed<'_>> = sale
        .lines
        .iter()
        .zip(&identifiers)
        .map(|(line, identifier)| {
            let (quantity, unit_price) = (half_up(line.quantity, UNIT_PLACES), half_up(line.unit_price, UNIT_PLACES));
            let (amount, _) = amount(quantity, unit_price, Discount::Percent(line.discount_percent), places);
            Taxed { amount, percent: line.tax_percent, identifier }
        })
        .collect();
    let (subtotal, tax) = spread(&lines, sale.tax_inclusive, places)
        .into_iter()
        .fold((Decimal::ZERO, Decimal::ZERO), |(subtotal, taxes), (net, tax)| (subtotal + net, taxes + tax));
    Totals { subtotal: half_up(subtotal, places), tax: half_up(tax, places), total: half_up(subtotal + tax, places) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::pricing::SaleLine;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn priced(prices: &[&str], percent: &str, tax_inclusive: bool, currency_decimals: u32) -> (String, String, String) {
        let lines = prices
            .iter()
            .map(|unit_price| SaleLine {
                quantity: Decimal::ONE,
                unit_price: number(unit_price),
                discount_percent: Decimal::ZERO,
                tax_percent: number(percent),
            })
            .collect();
        let totals = price(&Sale { currency_decimals, tax_inclusive, lines });
        (totals.subtotal.to_string(), totals.tax.to_string(), totals.total.to_string())
    }

    fn triple(subtotal: &str, tax: &str, total: &str) -> (String, String, String) {
        (subtotal.to_owned(), tax.to_owned(), total.to_owned())
    }

    #[test]
    fn tax_is_of_the_group_not_of_the_line() {
        // Per line it would be 3.76 + 3.84 + 3.84 = 11.44.
        assert_eq!(priced(&["25.06", "25.61", "25.63"], "15", false, 2), triple("76.30", "11.45", "87.75"));
    }

    #[test]
    fn inclusive_prices_give_the_net_of_the_group() {
        assert_eq!(priced(&["1.00", "1.00", "1.00"], "15", true, 2), triple("2.61", "0.39", "3.00"));
    }

    #[test]
    fn the_currency_says_how_many_places() {
        assert_eq!(priced(&["105", "105"], "15", false, 0), triple("210", "32", "242"));
        assert_eq!(priced(&["1.2345"], "15", false, 3), triple("1.235", "0.185", "1.420"));
    }

    #[test]
    fn negative_lines_are_a_group_of_their_own_and_round_away_from_zero() {
        // 0.50 - 0.10: together 0.40 * 5% = 0.02; apart 0.025 -> 0.03 and -0.005 -> -0.01.
        assert_eq!(priced(&["0.50", "-0.10"], "5", false, 2), triple("0.40", "0.02", "0.42"));
        // 0.30 - 0.10: together 0.01; apart 0.015 -> 0.02 and -0.01.
        assert_eq!(priced(&["0.30", "-0.10"], "5", false, 2), triple("0.20", "0.01", "0.21"));
        // 0.50 - 0.08: together 0.021 -> 0.02; apart 0.03 - 0.00.
        assert_eq!(priced(&["0.50", "-0.08"], "5", false, 2), triple("0.42", "0.03", "0.45"));
    }

    #[test]
    fn what_is_spread_adds_up_and_discounts_round_before_tax() {
        let lines: Vec<Taxed<'_>> = ["25.06", "25.61", "25.63"]
            .iter()
            .map(|amount| Taxed { amount: number(amount), percent: number("15"), identifier: "A" })
            .collect();
        let taxes: Vec<String> = spread(&lines, false, 2).into_iter().map(|(_, tax)| tax.to_string()).collect();
        assert_eq!(taxes, ["3.76", "3.84", "3.85"]);
        let (left, off) = amount(number("3"), number("33.335"), Discount::Percent(number("7.5")), 2);
        assert_eq!((left.to_string(), off.to_string()), ("92.51".to_owned(), "7.50".to_owned()));
    }
}
