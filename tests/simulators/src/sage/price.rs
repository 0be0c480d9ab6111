//! Sage's arithmetic. The caller sends the tax of every line, and Sage adds up.
//!
//! The published schema (`SalesInvoiceLineItem.tax_amount`) makes the tax the caller's: it has to be sent unless the rate is zero, exempt or
//! no tax, and the version before took 0.0 for what was missing. So the amount sent is the amount booked. Whether Sage compares it with the
//! rate is documented nowhere; see [`is_tax_of`] for what the simulator does.
//!
//! Amounts have two decimals in every currency (no document says otherwise).

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::skeleton::number::half_up;
use crate::skeleton::pricing::{Sale, Totals};

/// Decimal places of amounts.
pub(crate) const PLACES: u32 = 2;

/// What is taken off a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Discount {
    None,
    /// Percent of quantity times price.
    Percent(Decimal),
    /// An amount.
    Amount(Decimal),
}

/// The discount of a line as an amount, rounded half away from zero to cents: that is how a read shows it.
pub(crate) fn discount(quantity: Decimal, unit: Decimal, discount: Discount) -> Decimal {
    match discount {
        Discount::None => half_up(Decimal::ZERO, PLACES),
        Discount::Amount(amount) => half_up(amount, PLACES),
        Discount::Percent(percent) => half_up(quantity * unit * percent / Decimal::ONE_HUNDRED, PLACES),
    }
}

/// Quantity times price less discount, rounded half away from zero to cents: net, or with tax where the price has it.
pub(crate) fn amount(quantity: Decimal, unit: Decimal, taken_off: Discount) -> Decimal {
    half_up(quantity * unit - discount(quantity, unit, taken_off), PLACES)
}

/// The tax in or on an amount, not rounded.
fn exact_tax(amount: Decimal, percent: Decimal, inclusive: bool) -> Decimal {
    let of = if inclusive { Decimal::ONE_HUNDRED + percent } else { Decimal::ONE_HUNDRED };
    amount * percent / of
}

/// The tax of a line, rounded half away from zero: what a careful caller sends, and what Sage's own pages fill in.
pub(crate) fn tax(amount: Decimal, percent: Decimal, inclusive: bool) -> Decimal {
    half_up(exact_tax(amount, percent, inclusive), PLACES)
}

/// Whether a tax that was sent can be that of its line. Assumption of the simulator: it may be away from rate times amount by what rounding
/// the whole document instead of each of its `lines` can move onto one line, half a cent for every line and one for the document and one
/// for itself. More is refused, although the documents do not say that Sage does: a caller that sends another rate's tax must not pass.
pub(crate) fn is_tax_of(sent: Decimal, amount: Decimal, percent: Decimal, inclusive: bool, lines: usize) -> bool {
    let away = (sent - exact_tax(amount, percent, inclusive)).abs();
    let halves = u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(2);
    away <= Decimal::new(5, 3) * Decimal::from(halves)
}

/// One line: net and tax. `tax` is what was sent.
pub(crate) fn net(amount: Decimal, tax: Decimal, inclusive: bool) -> Decimal {
    if inclusive { amount - tax } else { amount }
}

/// Totals are sums of lines, each with its net and its tax.
pub(crate) fn totals(lines: impl Iterator<Item = (Decimal, Decimal)>) -> Totals {
    let (net, tax) = lines.fold((Decimal::ZERO, Decimal::ZERO), |(nets, taxes), (net, tax)| (nets + net, taxes + tax));
    Totals { subtotal: half_up(net, PLACES), tax: half_up(tax, PLACES), total: half_up(net + tax, PLACES) }
}

/// What Sage makes of a sale whose caller sends the rounded tax of each line. The currency's own decimals do not count.
#[must_use]
pub fn price(sale: &Sale) -> Totals {
    totals(sale.lines.iter().map(|line| {
        let amount = amount(line.quantity, line.unit_price, Discount::Percent(line.discount_percent));
        let tax = tax(amount, line.tax_percent, sale.tax_inclusive);
        (net(amount, tax, sale.tax_inclusive), tax)
    }))
}

/// What Sage makes of a sale whose caller sends these taxes, one for each line; `None` where one of them is too far from its rate to be
/// taken.
#[must_use]
pub fn price_told(sale: &Sale, taxes: &[Decimal]) -> Option<Totals> {
    if taxes.len() != sale.lines.len() {
        return None;
    }
    let told = sale.lines.iter().zip(taxes).map(|(line, told)| {
        let amount = amount(line.quantity, line.unit_price, Discount::Percent(line.discount_percent));
        let taken = is_tax_of(*told, amount, line.tax_percent, sale.tax_inclusive, sale.lines.len());
        taken.then(|| (net(amount, half_up(*told, PLACES), sale.tax_inclusive), half_up(*told, PLACES)))
    });
    told.collect::<Option<Vec<_>>>().map(|lines| totals(lines.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::pricing::SaleLine;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn sale(prices: &[&str], percent: &str) -> Sale {
        let line = |price: &&str| SaleLine {
            quantity: Decimal::ONE,
            unit_price: number(price),
            discount_percent: Decimal::ZERO,
            tax_percent: number(percent),
        };
        Sale { currency_decimals: 2, tax_inclusive: false, lines: prices.iter().map(line).collect() }
    }

    /// The golden case of C12: tax per line.
    #[test]
    fn tax_is_rounded_on_every_line_and_then_summed() {
        let sale = sale(&["25.06", "25.61", "25.63"], "15");
        assert_eq!(price(&sale), Totals { subtotal: number("76.30"), tax: number("11.44"), total: number("87.74") });
        let inclusive = Sale { tax_inclusive: true, ..sale };
        assert_eq!(price(&inclusive), Totals { subtotal: number("66.35"), tax: number("9.95"), total: number("76.30") });
    }

    #[test]
    fn a_discount_is_an_amount_in_cents_before_it_is_taken_off() {
        let mut sale = sale(&["2120.44"], "0");
        sale.lines[0].discount_percent = number("10");
        assert_eq!(price(&sale).total, number("1908.40"), "212.04 of 212.044 is taken off");
    }

    #[test]
    fn a_sent_tax_may_hold_the_residue_of_rounding_and_no_more() {
        // 25.06 + 25.61 + 25.63 at 15%: 11.445 as a document; the largest line takes the cent.
        let at = |sent: &str, lines| is_tax_of(number(sent), number("25.63"), number("15"), false, lines);
        assert!(at("3.84", 3) && at("3.85", 3));
        assert!(!at("3.88", 3), "3.8445 and 2.5 cents is the edge for three lines");
        assert!(!at("3.90", 3) && !at("5.13", 3) && !at("0", 3));
        assert!(at("3.88", 60), "sixty lines leave more to place");
    }
}
