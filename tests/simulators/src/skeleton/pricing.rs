//! A sale as plain numbers: what each ledger's arithmetic is asked for without a document.

use rust_decimal::Decimal;

/// What is sold. Each ledger's folder has `price(&Sale) -> Totals`: the very arithmetic of its document routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Decimal places of the currency (GBP 2, JPY 0, KWD 3).
    pub currency_decimals: u32,
    /// Whether unit prices contain tax.
    pub tax_inclusive: bool,
    /// The lines, in order.
    pub lines: Vec<SaleLine>,
}

/// One line of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleLine {
    /// How many.
    pub quantity: Decimal,
    /// Price of one, before discount.
    pub unit_price: Decimal,
    /// Percent taken off; zero for none.
    pub discount_percent: Decimal,
    /// Percent of tax; zero for none.
    pub tax_percent: Decimal,
}

/// What a ledger makes of a sale, in the currency's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Without tax.
    pub subtotal: Decimal,
    /// Tax.
    pub tax: Decimal,
    /// With tax.
    pub total: Decimal,
}
