//! What a client was billed and has paid: the figures of its overview (R129).

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::id::InvoiceId;
use crate::invoice::{Invoice, InvoiceStatus};
use crate::money::{Currency, Money};
use crate::workspace::TaxRounding;

/// A payment, with the invoice that it was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PaymentReceived {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// CoPortal's id of the payment.
    pub payment_id: String,
    /// How much.
    pub amount: Money,
    /// When it was received.
    pub date: Date,
}

/// The invoices of one client, summed. Amounts are listed by currency, since nothing here converts; a client without invoices has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Billed {
    /// Invoices that count: sent and paid ones. Drafts are not billed yet, void ones no longer.
    pub count: u32,
    /// What they come to, tax included.
    pub total: Vec<Money>,
    /// What of it is not paid yet.
    pub outstanding: Vec<Money>,
    /// What was received, newest first.
    pub payments: Vec<PaymentReceived>,
}

/// Sums a client's invoices under the workspace's rounding.
#[must_use]
pub fn billed<'a>(invoices: impl IntoIterator<Item = &'a Invoice>, rounding: TaxRounding) -> Billed {
    let mut billed = Billed::default();
    let mut sums: BTreeMap<Currency, (Decimal, Decimal)> = BTreeMap::new();
    for invoice in invoices {
        match invoice.status {
            InvoiceStatus::Sent | InvoiceStatus::Paid => {}
            InvoiceStatus::Draft | InvoiceStatus::Void => continue,
        }
        billed.count = billed.count.saturating_add(1);
        let total = invoice.totals(rounding).total;
        let sum = sums.entry(invoice.currency).or_default();
        sum.0 += total;
        sum.1 += (total - invoice.paid()).max(Decimal::ZERO);
        billed.payments.extend(invoice.payments.iter().map(|payment| PaymentReceived {
            invoice_id: invoice.id,
            number: invoice.number.clone(),
            payment_id: payment.payment_id.clone(),
            amount: Money::new(payment.amount, invoice.currency),
            date: payment.date,
        }));
    }
    billed.payments.sort_by(|a, b| (b.date, &b.number, &b.payment_id).cmp(&(a.date, &a.number, &a.payment_id)));
    billed.total = sums.iter().map(|(currency, (total, _))| Money::new(*total, *currency)).collect();
    billed.outstanding = sums.iter().map(|(currency, (_, open))| Money::new(*open, *currency)).collect();
    billed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClientId, LineId};
    use crate::invoice::{LineItem, Payment, TaxMode};
    use uuid::Uuid;

    fn invoice(n: u128, status: InvoiceStatus, currency: &str, price: i64, paid: &[(&str, i64, &str)]) -> Invoice {
        Invoice {
            id: InvoiceId::new(Uuid::from_u128(n)),
            number: format!("INV-{n}"),
            client_id: ClientId::new(Uuid::from_u128(1)),
            currency: currency.parse().unwrap(),
            issue_date: "2026-03-01".parse().unwrap(),
            due_date: None,
            status,
            tax_mode: TaxMode::Exclusive,
            lines: vec![LineItem {
                id: LineId::new(Uuid::from_u128(9)),
                description: "Work".into(),
                quantity: Decimal::ONE,
                unit_price: Decimal::new(price, 2),
                tax_rate: Some(Decimal::from(20).try_into().unwrap()),
                discount_percent: None,
            }],
            payments: paid
                .iter()
                .map(|(id, amount, date)| Payment {
                    payment_id: (*id).into(),
                    amount: Decimal::new(*amount, 2),
                    date: date.parse().unwrap(),
                })
                .collect(),
            version: 1,
            created_at: "2026-03-01T09:00:00Z".parse().unwrap(),
        }
    }

    fn shown(money: &[Money]) -> Vec<String> {
        money.iter().map(|money| format!("{} {}", money.amount, money.currency)).collect()
    }

    /// R129: total invoiced, outstanding, history of payments; by currency, without drafts and void invoices.
    #[test]
    fn r129_what_was_billed_and_what_is_open() {
        let invoices = [
            invoice(1, InvoiceStatus::Sent, "GBP", 10_000, &[("p1", 2_000, "2026-03-02")]),
            invoice(2, InvoiceStatus::Paid, "GBP", 5_000, &[("p2", 6_000, "2026-03-09")]),
            invoice(3, InvoiceStatus::Sent, "EUR", 1_000, &[]),
            invoice(4, InvoiceStatus::Draft, "GBP", 99_900, &[]),
            invoice(5, InvoiceStatus::Void, "USD", 99_900, &[]),
        ];
        let billed = billed(&invoices, TaxRounding::Line);
        assert_eq!(billed.count, 3);
        assert_eq!(shown(&billed.total), ["12.00 EUR", "180.00 GBP"]);
        assert_eq!(shown(&billed.outstanding), ["12.00 EUR", "100.00 GBP"]);
        let history: Vec<_> = billed.payments.iter().map(|payment| (payment.number.as_str(), payment.payment_id.as_str())).collect();
        assert_eq!(history, [("INV-2", "p2"), ("INV-1", "p1")]);
    }

    #[test]
    fn a_client_without_invoices_was_billed_nothing() {
        assert_eq!(billed(&[], TaxRounding::Line), Billed::default());
    }
}
