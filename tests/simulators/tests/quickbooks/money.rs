//! The arithmetic as functions, and the same arithmetic on documents (vendor notes, section 11).

use rust_decimal::Decimal;
use serde_json::Value;
use simulators::quickbooks::{price, price_us};
use simulators::skeleton::pricing::{Sale, SaleLine, Totals};

use crate::support::{body, gb, line, us};

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

fn totals(subtotal: &str, tax: &str, total: &str) -> Totals {
    Totals { subtotal: number(subtotal), tax: number(tax), total: number(total) }
}

#[test]
fn tax_is_per_line_outside_the_us_and_on_the_sum_inside() {
    let three = sale(&["25.06", "25.61", "25.63"], "15");
    assert_eq!(price(&three), totals("76.30", "11.44", "87.74"));
    assert_eq!(price_us(&three), Some(totals("76.30", "11.45", "87.75")));
    let inclusive = Sale { tax_inclusive: true, ..three };
    assert_eq!(price(&inclusive), totals("66.35", "9.95", "76.30"));
    assert_eq!(price_us(&inclusive), None);
}

/// The vendor's own Canadian case: 29 lines of 1.59 and two of 17.49 at 12 per cent.
#[test]
fn the_vendor_s_case_comes_to_its_cent() {
    let mut prices = vec!["1.59"; 29];
    prices.extend(["17.49", "17.49"]);
    assert_eq!(price(&sale(&prices, "12")).tax, number("9.71"));
}

#[test]
fn currencies_have_their_own_decimals_and_discounts_come_off_the_amount() {
    let yen = Sale { currency_decimals: 0, ..sale(&["1005"], "10") };
    assert_eq!(price(&yen), totals("1005", "101", "1106"));
    let dinar = Sale { currency_decimals: 3, ..sale(&["1.0005"], "5") };
    assert_eq!(price(&dinar), totals("1.001", "0.050", "1.051"));
    let mut less = sale(&["2120.44"], "0");
    less.lines[0].discount_percent = number("10");
    assert_eq!(price(&less).total, number("1908.40"));
    let mut back = sale(&["10.03", "-10.03"], "20");
    back.lines[1].quantity = Decimal::ONE;
    assert_eq!(price(&back), totals("0.00", "0.00", "0.00"));
}

/// What a function says, a document comes to.
#[tokio::test]
async fn documents_agree_with_the_function() {
    let (uk, america) = (gb().await, us().await);
    let (one, two) = (uk.customer("Acme").await, america.customer("Acme").await);
    let exact = |value: &Value| serde_json::to_string(value).unwrap().parse::<Decimal>().unwrap();
    for (position, prices) in [vec!["10.03", "10.03", "10.03"], vec!["0.01", "99999.99"], vec!["33.33", "-3.33"]].iter().enumerate() {
        let lines = |code: &str| prices.iter().map(|price| line("1", price, price, code)).collect::<Vec<_>>();
        let made = uk.invoice(&body(&one, &format!("CP-{position}"), lines("2"))).await;
        let wanted = price(&sale(prices, "20"));
        assert_eq!((exact(&made["TxnTaxDetail"]["TotalTax"]), exact(&made["TotalAmt"])), (wanted.tax, wanted.total), "{prices:?}");
        let mut sent = body(&two, &format!("CP-{position}"), lines("TAX"));
        sent["TxnTaxDetail"] = serde_json::json!({ "TxnTaxCodeRef": { "value": "2" } });
        let made = america.invoice(&sent).await;
        let wanted = price_us(&sale(prices, "8")).unwrap();
        assert_eq!((exact(&made["TxnTaxDetail"]["TotalTax"]), exact(&made["TotalAmt"])), (wanted.tax, wanted.total), "{prices:?}");
    }
}
