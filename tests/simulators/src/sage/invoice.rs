//! Sales invoices: what they are, and how they are kept.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::business::Business;
use super::contact::Address;
use super::price::{self, Discount};

/// Artefact statuses. Their ids are from memory; that there is a list of them is in the published schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Draft,
    Unpaid,
    PartPaid,
    Paid,
    Void,
}

impl Status {
    pub(crate) const ALL: [Self; 5] = [Self::Draft, Self::Unpaid, Self::PartPaid, Self::Paid, Self::Void];

    /// The vendor's id.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Unpaid => "UNPAID",
            Self::PartPaid => "PART_PAID",
            Self::Paid => "PAID",
            Self::Void => "VOID",
        }
    }

    pub(crate) fn displayed_as(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::Unpaid => "Unpaid",
            Self::PartPaid => "Part Paid",
            Self::Paid => "Paid",
            Self::Void => "Void",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: Uuid,
    /// Drafts have none: it is drawn at release.
    pub(crate) number: Option<Number>,
    /// At most 25 characters; not unique.
    pub(crate) reference: Option<String>,
    pub(crate) status: Status,
    pub(crate) contact: Uuid,
    pub(crate) contact_name: String,
    pub(crate) contact_reference: Option<String>,
    pub(crate) main_address: Option<Address>,
    pub(crate) delivery_address: Option<Address>,
    pub(crate) date: Date,
    pub(crate) due_date: Date,
    pub(crate) currency: String,
    pub(crate) exchange_rate: Decimal,
    pub(crate) notes: Option<String>,
    pub(crate) terms_and_conditions: Option<String>,
    pub(crate) sent: bool,
    pub(crate) void_reason: Option<String>,
    /// Its tax return was filed.
    pub(crate) tax_reconciled: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) totals: Sums,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) deleted: Option<Timestamp>,
    pub(crate) created_by_app: bool,
}

/// `invoice_number_prefix` and `invoice_number`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) prefix: String,
    pub(crate) number: String,
}

impl Number {
    /// As `displayed_as` shows it.
    pub(crate) fn shown(&self) -> String {
        format!("{}{}", self.prefix, self.number)
    }
}

/// The three totals of an invoice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) net: Decimal,
    pub(crate) tax: Decimal,
    pub(crate) total: Decimal,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: Uuid,
    pub(crate) description: String,
    pub(crate) ledger_account: Uuid,
    pub(crate) quantity: Decimal,
    pub(crate) unit_price: Decimal,
    pub(crate) unit_price_includes_tax: bool,
    /// The id of a tax rate; `None` in a business that is not registered for tax.
    pub(crate) tax_rate: Option<String>,
    pub(crate) tax_amount: Decimal,
    pub(crate) discount: Discount,
}

impl Line {
    /// Quantity times price less discount: with tax where the price has it.
    pub(crate) fn amount(&self) -> Decimal {
        price::amount(self.quantity, self.unit_price, self.discount)
    }

    pub(crate) fn net(&self) -> Decimal {
        price::net(self.amount(), self.tax_amount, self.unit_price_includes_tax)
    }

    pub(crate) fn discount_amount(&self) -> Decimal {
        price::discount(self.quantity, self.unit_price, self.discount)
    }
}

impl Invoice {
    /// Adds the lines up.
    pub(crate) fn add_up(&mut self) {
        let totals = price::totals(self.lines.iter().map(|line| (line.net(), line.tax_amount)));
        self.totals = Sums { net: totals.subtotal, tax: totals.tax, total: totals.total };
    }

    /// The number once it is released, `Draft` before.
    pub(crate) fn displayed_as(&self) -> String {
        self.number.as_ref().map_or_else(|| "Draft".to_owned(), Number::shown)
    }

    /// What is still to be paid.
    pub(crate) fn outstanding(&self, business: &Business) -> Decimal {
        if self.status == Status::Void { Decimal::ZERO } else { self.totals.total - business.paid(self.id) }
    }

    /// Published schema, `editable`. From memory: not once paid, part paid, void, in a filed tax return or in a locked year.
    pub(crate) fn is_editable(&self, business: &Business) -> bool {
        matches!(self.status, Status::Draft | Status::Unpaid) && !self.tax_reconciled && !business.locks(self.date)
    }
}

impl Business {
    /// Gives an invoice the next number, unless it has one.
    pub(crate) fn number(&mut self, invoice: &mut Invoice) {
        if invoice.number.is_none() {
            let number = self.next_invoice_number.to_string();
            self.next_invoice_number += 1;
            invoice.number = Some(Number { prefix: self.invoice_prefix.clone(), number });
        }
    }

    /// Status of an issued invoice after its payments changed.
    pub(crate) fn settle_status(&mut self, id: Uuid, now: Timestamp) {
        let paid = self.paid(id);
        let Some(invoice) = self.invoices.get(id).cloned() else { return };
        let status = match invoice.status {
            Status::Draft | Status::Void => invoice.status,
            Status::Unpaid | Status::PartPaid | Status::Paid if paid.is_zero() => Status::Unpaid,
            Status::Unpaid | Status::PartPaid | Status::Paid if paid < invoice.totals.total => Status::PartPaid,
            Status::Unpaid | Status::PartPaid | Status::Paid => Status::Paid,
        };
        self.invoices.put(Invoice { status, updated: now, ..invoice });
    }
}

/// The invoices of a business, in the order of their making; deleted drafts stay, out of sight.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Invoice>", into = "Vec<Invoice>")]
pub(crate) struct Invoices {
    all: Vec<Invoice>,
    positions: HashMap<Uuid, usize>,
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
    /// All, deleted drafts included.
    pub(crate) fn all(&self) -> &[Invoice] {
        &self.all
    }

    /// One, deleted or not.
    pub(crate) fn known(&self, id: Uuid) -> Option<&Invoice> {
        self.positions.get(&id).and_then(|position| self.all.get(*position))
    }

    /// One that was not deleted.
    pub(crate) fn get(&self, id: Uuid) -> Option<&Invoice> {
        self.known(id).filter(|invoice| invoice.deleted.is_none())
    }

    pub(crate) fn put(&mut self, invoice: Invoice) {
        match self.positions.get(&invoice.id).and_then(|position| self.all.get_mut(*position)) {
            Some(place) => *place = invoice,
            None => {
                self.positions.insert(invoice.id, self.all.len());
                self.all.push(invoice);
            }
        }
    }
}
