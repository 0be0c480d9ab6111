//! Amounts and days as people read them.

use coportal_core::money::{Currency, Money};
use jiff::civil::Date;
use maud::{Markup, html};
use rust_decimal::Decimal;

/// `GBP 1,250.00`: the currency's own decimals, thousands apart.
pub(crate) fn money(money: Money) -> String {
    let Money { amount, currency } = Money::new(money.amount, money.currency);
    format!("{currency} {}", grouped(&amount.to_string()))
}

/// The same without the currency, for columns of one.
pub(crate) fn bare(amount: Decimal, currency: Currency) -> String {
    grouped(&Money::new(amount, currency).amount.to_string())
}

/// A price of a unit: at least the currency's decimals, and as many more as it has.
pub(crate) fn unit_price(amount: Decimal, currency: Currency) -> String {
    let mut exact = amount.normalize();
    if exact.scale() < currency.minor_units() {
        exact.rescale(currency.minor_units());
    }
    grouped(&exact.to_string())
}

/// A quantity or a rate, without closing zeros.
pub(crate) fn plain(number: Decimal) -> String {
    number.normalize().to_string()
}

/// `20 Nov 2026`, readable by machines too.
pub(crate) fn day(date: Date) -> Markup {
    html! { time datetime=(date) { (date.strftime("%-d %b %Y")) } }
}

/// Commas between thousands, in what stands before the decimal point.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("\u{2212}", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut text = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && whole.len().saturating_sub(index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_and_have_their_currencys_decimals() {
        let text = |amount: &str, currency: &str| money(Money::new(amount.parse().unwrap(), currency.parse().unwrap()));
        for (amount, currency, shown) in [
            ("1250", "GBP", "GBP 1,250.00"),
            ("0.5", "GBP", "GBP 0.50"),
            ("999999.995", "GBP", "GBP 1,000,000.00"),
            ("-1234", "JPY", "JPY \u{2212}1,234"),
            ("100", "ZAR", "ZAR 100.00"),
        ] {
            assert_eq!(text(amount, currency), shown);
        }
    }

    #[test]
    fn a_unit_price_keeps_all_its_decimals() {
        let gbp = "GBP".parse().unwrap();
        for (price, shown) in [("0.33333", "0.33333"), ("12", "12.00"), ("12.500", "12.50"), ("1000.1", "1,000.10")] {
            assert_eq!(unit_price(price.parse().unwrap(), gbp), shown);
        }
        assert_eq!(plain("2.500".parse().unwrap()), "2.5");
    }
}
