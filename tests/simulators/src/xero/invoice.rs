//! Sales invoices: what they are, and their arithmetic (vendor notes, sections 3 and 11).

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::organisation::Organisation;
use super::price::{self, Discount};
use crate::skeleton::number::half_up;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Draft,
    Submitted,
    Authorised,
    Paid,
    Voided,
    Deleted,
}

impl Status {
    /// The vendor's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Submitted => "SUBMITTED",
            Self::Authorised => "AUTHORISED",
            Self::Paid => "PAID",
            Self::Voided => "VOIDED",
            Self::Deleted => "DELETED",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Draft, Self::Submitted, Self::Authorised, Self::Paid, Self::Voided, Self::Deleted]
            .into_iter()
            .find(|status| status.word() == word)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LineAmountTypes {
    Exclusive,
    Inclusive,
    NoTax,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: Uuid,
    pub(crate) number: String,
    pub(crate) reference: String,
    pub(crate) status: Status,
    pub(crate) contact: Uuid,
    pub(crate) date: Date,
    pub(crate) due_date: Option<Date>,
    pub(crate) line_amount_types: LineAmountTypes,
    pub(crate) currency: String,
    pub(crate) currency_rate: Decimal,
    pub(crate) url: Option<String>,
    pub(crate) sent: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) sub_total: Decimal,
    pub(crate) total_tax: Decimal,
    pub(crate) total: Decimal,
    pub(crate) updated: Timestamp,
    pub(crate) created_by_app: bool,
    pub(crate) fully_paid_on: Option<Date>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: Uuid,
    pub(crate) description: String,
    /// `None` together with `unit_amount` on a line that is only text.
    pub(crate) quantity: Option<Decimal>,
    pub(crate) unit_amount: Option<Decimal>,
    pub(crate) discount_rate: Option<Decimal>,
    pub(crate) discount_amount: Option<Decimal>,
    pub(crate) account_code: Option<String>,
    pub(crate) tax_type: Option<String>,
    pub(crate) line_amount: Decimal,
    pub(crate) tax_amount: Decimal,
    /// Whether `tax_amount` was sent, not computed.
    pub(crate) tax_override: bool,
    pub(crate) tracking: Vec<Tracking>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tracking {
    #[serde(rename = "TrackingCategoryID")]
    pub(crate) category_id: Uuid,
    #[serde(rename = "TrackingOptionID")]
    pub(crate) option_id: Uuid,
    pub(crate) name: String,
    pub(crate) option: String,
}

impl Line {
    /// Quantity times price less discount ([`price::net`]).
    pub(crate) fn net(&self) -> Decimal {
        let (Some(quantity), Some(unit)) = (self.quantity, self.unit_amount) else { return half_up(Decimal::ZERO, 2) };
        let discount = match (self.discount_rate, self.discount_amount) {
            (Some(rate), _) if !rate.is_zero() => Discount::Percent(rate),
            (_, Some(amount)) => Discount::Amount(amount),
            _ => Discount::None,
        };
        price::net(quantity, unit, discount)
    }

    /// Whether the line is only text.
    pub(crate) fn is_text(&self) -> bool {
        self.quantity.is_none() && self.unit_amount.is_none()
    }
}

impl Invoice {
    /// Computes line amounts, line taxes and totals. Tax is rounded half-up to cents on every line, then summed (section 11).
    pub(crate) fn compute(&mut self, rate: impl Fn(&str) -> Decimal) {
        for line in &mut self.lines {
            line.line_amount = line.net();
            let percent = line.tax_type.as_deref().map_or(Decimal::ZERO, &rate);
            if !line.tax_override || self.line_amount_types == LineAmountTypes::NoTax {
                line.tax_amount = price::tax(line.line_amount, percent, self.line_amount_types);
                line.tax_override = false;
            }
        }
        let lines = self.lines.iter().map(|line| (line.line_amount, line.tax_amount));
        let totals = price::totals(lines, self.line_amount_types);
        (self.sub_total, self.total_tax, self.total) = (totals.subtotal, totals.tax, totals.total);
    }

    /// Rounds unit prices to `places`, as any write without `unitdp=4` does (section 3, "Line semantics on POST").
    pub(crate) fn round_units(&mut self, places: u32) {
        for line in &mut self.lines {
            line.unit_amount = line.unit_amount.map(|unit| half_up(unit, places));
        }
    }
}

impl Organisation {
    /// The percentage of a tax type, archived ones included.
    pub(crate) fn percent(&self, tax_type: &str) -> Decimal {
        self.tax_rates.iter().find(|rate| rate.tax_type == tax_type).map_or(Decimal::ZERO, |rate| rate.effective_rate)
    }
}

/// The invoices of an organisation, in the order of their making. None ever leaves: a number stays taken after delete or void
/// (section 0, fact 3).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Invoice>", into = "Vec<Invoice>")]
pub(crate) struct Invoices {
    all: Vec<Invoice>,
    positions: HashMap<Uuid, usize>,
    numbers: HashMap<String, Uuid>,
}

impl From<Vec<Invoice>> for Invoices {
    fn from(all: Vec<Invoice>) -> Self {
        let mut invoices = Self::default();
        for invoice in all {
            invoices.put(invoice);
        }
        invoices
    }
}

impl From<Invoices> for Vec<Invoice> {
    fn from(invoices: Invoices) -> Self {
        invoices.all
    }
}

impl Invoices {
    pub(crate) fn all(&self) -> &[Invoice] {
        &self.all
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&Invoice> {
        self.positions.get(&id).and_then(|position| self.all.get(*position))
    }

    pub(crate) fn by_number(&self, number: &str) -> Option<&Invoice> {
        self.numbers.get(number).and_then(|id| self.get(*id))
    }

    /// Adds or replaces, keeping the indexes.
    pub(crate) fn put(&mut self, invoice: Invoice) {
        let before = self.positions.get(&invoice.id).copied();
        if let Some(old) = before.and_then(|position| self.all.get(position)).filter(|old| old.number != invoice.number) {
            self.numbers.remove(&old.number);
        }
        self.numbers.insert(invoice.number.clone(), invoice.id);
        match before.and_then(|position| self.all.get_mut(position)) {
            Some(place) => *place = invoice,
            None => {
                self.positions.insert(invoice.id, self.all.len());
                self.all.push(invoice);
            }
        }
    }
}
