//! CoPortal's own totals, and each ledger's arithmetic beside them (design decision 11, C12).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::invoice::{LineItem, TaxMode};
use crate::ledger::{Arithmetic, TaxMethod};
use crate::money::{Currency, Rate, round};
use crate::workspace::TaxRounding;

/// Subtotal, tax and total, in major units of the document's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Totals {
    /// Net of tax.
    pub subtotal: Decimal,
    /// Tax.
    pub tax: Decimal,
    /// What the client pays.
    pub total: Decimal,
}

/// One line as arithmetic sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedLine {
    /// Units.
    pub quantity: Decimal,
    /// Price of a unit, with or without tax as the document says.
    pub unit_price: Decimal,
    /// Discount in percent, 0 to 100.
    pub discount_percent: Decimal,
    /// Tax rate.
    pub rate: Rate,
}

impl PricedLine {
    /// The line's amount (net when exclusive, gross when inclusive), rounded to the currency.
    #[must_use]
    pub fn amount(&self, currency: Currency) -> Decimal {
        let kept = (Decimal::ONE_HUNDRED - self.discount_percent) / Decimal::ONE_HUNDRED;
        currency.round(self.quantity * self.unit_price * kept)
    }
}

/// The unrounded tax inside or on top of an amount.
#[must_use]
pub fn raw_tax(amount: Decimal, rate: Rate, mode: TaxMode) -> Decimal {
    match mode {
        TaxMode::Exclusive => amount * rate.factor(),
        // One division, last: gross x rate / (100 + rate).
        TaxMode::Inclusive => amount * rate.percent() / (Decimal::ONE_HUNDRED + rate.percent()),
    }
}

/// The unrounded share of one `part` in the tax of a whole `rate`.
fn raw_part(amount: Decimal, part: Rate, rate: Rate, mode: TaxMode) -> Decimal {
    match mode {
        TaxMode::Exclusive => raw_tax(amount, part, mode),
        TaxMode::Inclusive => amount * part.percent() / (Decimal::ONE_HUNDRED + rate.percent()),
    }
}

/// Totals of priced lines: amounts rounded per line, tax rounded where `rounding` says, halves away from zero.
#[must_use]
pub fn totals(lines: impl IntoIterator<Item = PricedLine>, currency: Currency, mode: TaxMode, rounding: TaxRounding) -> Totals {
    let mut amounts = Decimal::ZERO;
    let mut tax = Decimal::ZERO;
    let mut by_rate: BTreeMap<Rate, Decimal> = BTreeMap::new();
    for line in lines {
        let amount = line.amount(currency);
        amounts += amount;
        match rounding {
            TaxRounding::Line => tax += currency.round(raw_tax(amount, line.rate, mode)),
            TaxRounding::Document => *by_rate.entry(line.rate).or_default() += amount,
        }
    }
    tax += by_rate.iter().map(|(rate, amount)| currency.round(raw_tax(*amount, *rate, mode))).sum::<Decimal>();
    match mode {
        TaxMode::Exclusive => Totals { subtotal: amounts, tax, total: amounts + tax },
        TaxMode::Inclusive => Totals { subtotal: amounts - tax, tax, total: amounts },
    }
}

/// Each line's part of CoPortal's tax, so that the parts add up to the document's tax: where it is rounded per document, the cents that
/// the lines lack or have over go to the largest line of their rate.
#[must_use]
pub fn line_taxes(lines: &[PricedLine], currency: Currency, mode: TaxMode, rounding: TaxRounding) -> Vec<Decimal> {
    let amounts: Vec<Decimal> = lines.iter().map(|line| line.amount(currency)).collect();
    let mut taxes: Vec<Decimal> =
        lines.iter().zip(&amounts).map(|(line, amount)| currency.round(raw_tax(*amount, line.rate, mode))).collect();
    if rounding == TaxRounding::Line {
        return taxes;
    }
    let mut groups: BTreeMap<Rate, Vec<usize>> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        groups.entry(line.rate).or_default().push(index);
    }
    for (rate, members) in groups {
        let sum = |of: &[Decimal]| members.iter().filter_map(|index| of.get(*index)).sum::<Decimal>();
        let missing = currency.round(raw_tax(sum(&amounts), rate, mode)) - sum(&taxes);
        let largest = members.iter().copied().max_by_key(|index| amounts.get(*index).map(Decimal::abs));
        if let Some(tax) = largest.and_then(|index| taxes.get_mut(index)) {
            *tax += missing;
        }
    }
    taxes
}

/// One line as a ledger has it.
#[derive(Debug, Clone, Copy)]
pub struct LedgerLine<'a> {
    /// Units.
    pub quantity: Decimal,
    /// Price of a unit.
    pub unit_price: Decimal,
    /// Tax rate.
    pub rate: Rate,
    /// Tax code: amounts of one code are summed before they are taxed, where the ledger does so.
    pub tax_code: &'a str,
    /// Its tax, where the ledger is told it.
    pub tax: Option<Decimal>,
    /// The percentages that its code is made of, where each is rounded by itself.
    pub parts: &'a [Rate],
}

/// The tax of a line that a ledger takes when it is told `told` and would compute `own` (not rounded), in a document of `lines` lines: what
/// is told, as far as rounding explains it. That is half a unit of the ledger's for each line, since what a document's tax has over or lacks
/// is put on one of them, and for the document and the line itself.
#[must_use]
pub fn taken_tax(told: Decimal, own: Decimal, lines: usize, currency: Currency, arithmetic: &Arithmetic) -> Decimal {
    let explained = Decimal::new(5, arithmetic.decimals(currency) + 1) * Decimal::from(lines.saturating_add(2));
    if (told - own).abs() <= explained { told } else { arithmetic.round(own, currency) }
}

/// What a ledger computes of lines: amounts rounded per line, tax by its method, halves away from zero (C12, R143).
///
/// A ledger that is told the tax takes it as far as rounding explains it ([`taken_tax`]). Where it keeps other decimals than the currency
/// has, a rounded tax may be none of its own: then what it would compute itself counts, and the difference is seen before anything is sent.
#[must_use]
pub fn ledger_totals<'a>(
    lines: impl IntoIterator<Item = LedgerLine<'a>>,
    currency: Currency,
    mode: TaxMode,
    arithmetic: &Arithmetic,
    method: TaxMethod,
) -> Totals {
    let round = |amount| arithmetic.round(amount, currency);
    let mut amounts = Decimal::ZERO;
    let mut tax = Decimal::ZERO;
    let mut groups: BTreeMap<(Rate, &str, bool), (Decimal, &[Rate])> = BTreeMap::new();
    let tax_on = |amount: Decimal, rate: Rate, parts: &[Rate]| match parts {
        [] => round(raw_tax(amount, rate, mode)),
        parts => parts.iter().map(|part| round(raw_part(amount, *part, rate, mode))).sum(),
    };
    let lines: Vec<LedgerLine<'_>> = lines.into_iter().collect();
    let count = lines.len();
    for line in lines {
        let amount = round(line.quantity * line.unit_price);
        amounts += amount;
        match (method, line.tax) {
            (TaxMethod::Given, Some(told)) => {
                tax += round(taken_tax(told, raw_tax(amount, line.rate, mode), count, currency, arithmetic));
            }
            (TaxMethod::Line | TaxMethod::Given, _) => tax += tax_on(amount, line.rate, line.parts),
            (TaxMethod::Group | TaxMethod::SignedGroup, _) => {
                let apart = method == TaxMethod::SignedGroup && amount.is_sign_negative() && !amount.is_zero();
                groups.entry((line.rate, line.tax_code, apart)).or_insert((Decimal::ZERO, line.parts)).0 += amount;
            }
        }
    }
    tax += groups.iter().map(|((rate, _, _), (amount, parts))| tax_on(*amount, *rate, parts)).sum::<Decimal>();
    match mode {
        TaxMode::Exclusive => Totals { subtotal: amounts, tax, total: amounts + tax },
        TaxMode::Inclusive => Totals { subtotal: amounts - tax, tax, total: amounts },
    }
}

/// CoPortal's totals of an invoice. A line without a rate counts as untaxed until it is sent (C11).
#[must_use]
pub fn invoice_totals(lines: &[LineItem], currency: Currency, mode: TaxMode, rounding: TaxRounding) -> Totals {
    totals(lines.iter().map(LineItem::priced), currency, mode, rounding)
}

/// A line encoded so that a ledger which keeps few decimals computes exactly our line amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedLine {
    /// Units to send.
    pub quantity: Decimal,
    /// Price of a unit to send; any discount is already in it.
    pub unit_price: Decimal,
    /// Text to append to the description where the quantity could not be kept.
    pub note: Option<String>,
}

/// Encodes a line for a ledger that keeps `quantity_decimals` and `unit_price_decimals`, best form first (docs/vendors/xero.md, section 11,
/// "Line encoding that is always exact"): as it is; the same quantity with an exact net unit price; one unit at the line's amount.
#[must_use]
pub fn encode_line(line: PricedLine, currency: Currency, quantity_decimals: u32, unit_price_decimals: u32) -> EncodedLine {
    encode_amount(line, line.amount(currency), currency.minor_units(), quantity_decimals, unit_price_decimals)
}

/// The same for a line that is to come to `amount`, which need not be its own (a price with tax, sent net), in a ledger that rounds
/// amounts to `amount_decimals`, which need not be the currency's.
#[must_use]
pub fn encode_amount(
    line: PricedLine,
    amount: Decimal,
    amount_decimals: u32,
    quantity_decimals: u32,
    unit_price_decimals: u32,
) -> EncodedLine {
    let fits = |value: Decimal, decimals: u32| round(value, decimals) == value;
    let computes = |quantity: Decimal, unit_price: Decimal| round(quantity * unit_price, amount_decimals) == amount;
    let plain = line.discount_percent.is_zero() && computes(line.quantity, line.unit_price);
    if plain && fits(line.quantity, quantity_decimals) && fits(line.unit_price, unit_price_decimals) {
        return EncodedLine { quantity: line.quantity.normalize(), unit_price: line.unit_price.normalize(), note: None };
    }
    if !line.quantity.is_zero() && fits(line.quantity, quantity_decimals) {
        let unit_price = amount / line.quantity;
        if fits(unit_price, unit_price_decimals) && computes(line.quantity, unit_price) {
            return EncodedLine { quantity: line.quantity.normalize(), unit_price: unit_price.normalize(), note: None };
        }
    }
    let discount = if line.discount_percent.is_zero() { String::new() } else { format!(" less {}%", line.discount_percent.normalize()) };
    EncodedLine {
        quantity: Decimal::ONE,
        unit_price: amount.normalize(),
        note: Some(format!("({} x {}{discount})", line.quantity.normalize(), line.unit_price.normalize())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(quantity: &str, unit_price: &str, discount: &str, rate: &str) -> PricedLine {
        PricedLine {
            quantity: quantity.parse().unwrap(),
            unit_price: unit_price.parse().unwrap(),
            discount_percent: discount.parse().unwrap(),
            rate: rate.parse::<Decimal>().unwrap().try_into().unwrap(),
        }
    }

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// The vendor's own example (R54, C12): tax per line 3.76 + 3.84 + 3.84 = 11.44, on the sum 11.45.
    #[test]
    fn r54_tax_per_line_and_per_document_differ_by_a_cent() {
        let gbp = "GBP".parse().unwrap();
        let lines = ["25.06", "25.61", "25.63"].map(|price| line("1", price, "0", "15"));
        assert_eq!(
            totals(lines, gbp, TaxMode::Exclusive, TaxRounding::Line),
            Totals { subtotal: dec("76.30"), tax: dec("11.44"), total: dec("87.74") }
        );
        assert_eq!(totals(lines, gbp, TaxMode::Exclusive, TaxRounding::Document).tax, dec("11.45"));
    }

    #[test]
    fn inclusive_prices_keep_the_gross_total() {
        let zar = "ZAR".parse().unwrap();
        let sums = totals([line("3", "115.00", "0", "15")], zar, TaxMode::Inclusive, TaxRounding::Line);
        assert_eq!(sums, Totals { subtotal: dec("300.00"), tax: dec("45.00"), total: dec("345.00") });
    }

    #[test]
    fn yen_and_dinar_round_to_their_own_units() {
        let yen = totals([line("3", "33.5", "0", "10")], "JPY".parse().unwrap(), TaxMode::Exclusive, TaxRounding::Line);
        assert_eq!((yen.subtotal, yen.tax), (dec("101"), dec("10")));
        let dinar = totals([line("1", "1.2345", "0", "5")], "KWD".parse().unwrap(), TaxMode::Exclusive, TaxRounding::Line);
        assert_eq!((dinar.subtotal, dinar.tax), (dec("1.235"), dec("0.062")));
    }

    #[test]
    fn encodings_in_order_of_preference() {
        let gbp = "GBP".parse().unwrap();
        assert_eq!(
            encode_line(line("2.5", "80.1234", "0", "20"), gbp, 4, 4),
            EncodedLine { quantity: dec("2.5"), unit_price: dec("80.1234"), note: None }
        );
        assert_eq!(
            encode_line(line("4", "25", "10", "20"), gbp, 4, 4),
            EncodedLine { quantity: dec("4"), unit_price: dec("22.5"), note: None }
        );
        assert_eq!(
            encode_line(line("3", "3.333333", "0", "20"), gbp, 4, 4),
            EncodedLine { quantity: Decimal::ONE, unit_price: dec("10"), note: Some("(3 x 3.333333)".into()) }
        );
    }

    proptest! {
        /// Whatever the line, its encoding computes to our amount with the ledger's decimals (R54).
        #[test]
        fn an_encoded_line_is_exact(quantity in -99_999_i64..99_999, q_scale in 0_u32..6, price in -9_999_999_i64..9_999_999, p_scale in 0_u32..7, discount in 0_i64..=1_000) {
            let gbp: Currency = "GBP".parse().unwrap();
            let line = PricedLine { quantity: Decimal::new(quantity, q_scale), unit_price: Decimal::new(price, p_scale), discount_percent: Decimal::new(discount, 1), rate: Rate::ZERO };
            let encoded = encode_line(line, gbp, 4, 4);
            prop_assert_eq!(round(encoded.quantity, 4), encoded.quantity);
            prop_assert_eq!(round(encoded.unit_price, 4), encoded.unit_price);
            prop_assert_eq!(gbp.round(encoded.quantity * encoded.unit_price), line.amount(gbp));
        }
    }

    /// C12: a code of several percentages is rounded percentage by percentage, per line or per document.
    #[test]
    fn c12_each_part_of_a_code_is_rounded_by_itself() {
        let rate = |percent: &str| Rate::try_from(percent.parse::<Decimal>().unwrap()).unwrap();
        let parts = [rate("7.1"), rate("2")];
        let line = LedgerLine {
            quantity: Decimal::ONE,
            unit_price: "10.35".parse().unwrap(),
            rate: rate("9.1"),
            tax_code: "3",
            tax: None,
            parts: &parts,
        };
        let arithmetic = Arithmetic {
            tax: TaxMethod::Line,
            inclusive: crate::ledger::InclusivePrices::SentNet,
            quantity_decimals: 7,
            unit_price_decimals: 7,
            amount_decimals: 2,
        };
        let usd: Currency = "USD".parse().unwrap();
        let tax =
            |lines: &[LedgerLine<'_>], mode, method| ledger_totals(lines.iter().copied(), usd, mode, &arithmetic, method).tax.to_string();
        let whole = LedgerLine { parts: &[], ..line };
        // 0.73485 and 0.207: 0.73 and 0.21; of two lines 1.4697 and 0.414: 1.47 and 0.41.
        assert_eq!(tax(&[line], TaxMode::Exclusive, TaxMethod::Line), "0.94");
        assert_eq!(tax(&[line, line], TaxMode::Exclusive, TaxMethod::Line), "1.88");
        assert_eq!(tax(&[line, line], TaxMode::Exclusive, TaxMethod::Group), "1.88");
        let third = LedgerLine { unit_price: "10.25".parse().unwrap(), ..line };
        // 0.72775 and 0.205: 0.73 and 0.21, where 9.1% of it is 0.93.
        assert_eq!(tax(&[third], TaxMode::Exclusive, TaxMethod::Group), "0.94");
        assert_eq!(tax(&[LedgerLine { parts: &[], ..third }], TaxMode::Exclusive, TaxMethod::Group), "0.93");
        assert_eq!(tax(&[whole], TaxMode::Exclusive, TaxMethod::Line), "0.94");
        // 10.35 gross: 0.6735... and 0.1897... of 109.1.
        assert_eq!(tax(&[line], TaxMode::Inclusive, TaxMethod::Line), "0.86");
    }
}
