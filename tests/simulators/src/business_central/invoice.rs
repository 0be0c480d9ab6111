//! Sales invoices, drafts and posted ones in one set (vendor notes, section 5): what they are, and their arithmetic.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cell::etag;
use super::company::Company;
use super::customer::Address;
use super::desk::touched;
use super::pricing::{self, Discount, Taxed};

/// Where a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Draft,
    /// Waiting for a workflow's approval.
    InReview,
    /// Released but not posted; the API says `Open`.
    Released,
    /// Posted, unpaid.
    Open,
    Paid,
    Canceled,
    /// A posted document that corrects another.
    Corrective,
}

impl Status {
    /// The vendor's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::InReview => "In Review",
            // Section 5: do not equate Open with posted.
            Self::Released | Self::Open => "Open",
            Self::Paid => "Paid",
            Self::Canceled => "Canceled",
            Self::Corrective => "Corrective",
        }
    }

    pub(crate) fn posted(self) -> bool {
        matches!(self, Self::Open | Self::Paid | Self::Canceled | Self::Corrective)
    }
}

/// One document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invoice {
    /// The same before and after posting.
    pub(crate) id: Uuid,
    /// Of the drafts' series, then of the posted ones'.
    pub(crate) number: String,
    pub(crate) external_number: String,
    pub(crate) document_date: Date,
    pub(crate) posting_date: Date,
    pub(crate) due_date: Date,
    pub(crate) promised_date: Option<Date>,
    pub(crate) your_reference: String,
    pub(crate) customer: Uuid,
    pub(crate) customer_name: String,
    pub(crate) sell_to: Address,
    /// Blank is the local currency.
    pub(crate) currency: String,
    pub(crate) dimension1: String,
    pub(crate) dimension2: String,
    pub(crate) payment_terms: Option<Uuid>,
    pub(crate) prices_include_tax: bool,
    /// The VAT business posting group, copied from the card.
    pub(crate) vat_bus_posting_group: String,
    pub(crate) status: Status,
    pub(crate) phone: String,
    pub(crate) email: String,
    /// In the order of their sequence.
    pub(crate) lines: Vec<Line>,
    pub(crate) subtotal: Decimal,
    pub(crate) tax: Decimal,
    pub(crate) total: Decimal,
    /// Applied by posted payments.
    pub(crate) paid: Decimal,
    pub(crate) modified: Timestamp,
    pub(crate) version: u64,
    pub(crate) created_by_app: bool,
}

/// What a line sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineType {
    Comment,
    Account,
    Item,
}

impl LineType {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Comment => "Comment",
            Self::Account => "Account",
            Self::Item => "Item",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: Uuid,
    /// Unique in its document.
    pub(crate) sequence: i64,
    pub(crate) kind: LineType,
    /// Number of the account or item; blank on a comment.
    pub(crate) object: String,
    pub(crate) description: String,
    pub(crate) description2: String,
    pub(crate) unit_of_measure: String,
    pub(crate) quantity: Decimal,
    pub(crate) unit_price: Decimal,
    pub(crate) discount: Discount,
    /// The VAT product posting group.
    pub(crate) tax_code: String,
    pub(crate) percent: Decimal,
    pub(crate) identifier: String,
    /// After the line's discount, as the document's tax mode reads it.
    pub(crate) amount: Decimal,
    pub(crate) discount_amount: Decimal,
    pub(crate) net: Decimal,
    pub(crate) tax: Decimal,
    /// `CODE: value` of each dimension that somebody set on the line.
    pub(crate) dimensions: Vec<String>,
    pub(crate) version: u64,
}

impl Line {
    pub(crate) fn blank(id: Uuid, sequence: i64) -> Self {
        Self {
            id,
            sequence,
            kind: LineType::Comment,
            object: String::new(),
            description: String::new(),
            description2: String::new(),
            unit_of_measure: String::new(),
            quantity: Decimal::ZERO,
            unit_price: Decimal::ZERO,
            discount: Discount::Percent(Decimal::ZERO),
            tax_code: String::new(),
            percent: Decimal::ZERO,
            identifier: String::new(),
            amount: Decimal::ZERO,
            discount_amount: Decimal::ZERO,
            net: Decimal::ZERO,
            tax: Decimal::ZERO,
            dimensions: Vec::new(),
            version: 1,
        }
    }

    pub(crate) fn etag(&self) -> String {
        etag(self.id, self.version)
    }

    pub(crate) fn discount_percent(&self) -> Decimal {
        match self.discount {
            Discount::Percent(percent) => percent,
            Discount::Amount(_) => {
                let gross = self.amount + self.discount_amount;
                if gross.is_zero() {
                    Decimal::ZERO
                } else {
                    crate::skeleton::number::half_up(self.discount_amount * Decimal::ONE_HUNDRED / gross, pricing::UNIT_PLACES)
                }
            }
        }
    }
}

impl Invoice {
    /// What is still to be paid: all of a draft, nothing of a cancelled one.
    pub(crate) fn remaining(&self) -> Decimal {
        match self.status {
            Status::Canceled => Decimal::ZERO,
            Status::Draft | Status::InReview | Status::Released | Status::Open | Status::Paid | Status::Corrective => {
                self.total - self.paid
            }
        }
    }

    pub(crate) fn etag(&self) -> String {
        etag(self.id, self.version)
    }

    /// Computes amounts, taxes and totals again (section 13). A line that another line's tax changed has a new etag, and so has the head.
    pub(crate) fn compute(&mut self, company: &Company, now: Timestamp) {
        let places = company.places(&self.currency);
        self.lines.sort_by_key(|line| line.sequence);
        let before: Vec<(Decimal, Decimal)> = self.lines.iter().map(|line| (line.net, line.tax)).collect();
        for line in &mut self.lines {
            (line.amount, line.discount_amount) = pricing::amount(line.quantity, line.unit_price, line.discount, places);
        }
        let taxed: Vec<Taxed<'_>> =
            self.lines.iter().map(|line| Taxed { amount: line.amount, percent: line.percent, identifier: &line.identifier }).collect();
        let spread = pricing::spread(&taxed, self.prices_include_tax, places);
        for ((line, (net, tax)), before) in self.lines.iter_mut().zip(spread).zip(before) {
            (line.net, line.tax) = (net, tax);
            if before != (net, tax) {
                line.version += 1;
            }
        }
        self.subtotal = self.lines.iter().map(|line| line.net).sum();
        self.tax = self.lines.iter().map(|line| line.tax).sum();
        self.total = self.subtotal + self.tax;
        self.touch(now);
    }

    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.modified = touched(now, self.modified);
    }

    /// The head's name in messages.
    pub(crate) fn record(&self) -> String {
        format!("Sales Header: Document Type=Invoice, No.={}", self.number)
    }
}
