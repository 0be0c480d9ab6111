//! What callers read.

use coportal_core::id::{ClientId, InvoiceId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, Payment, TaxMode};
use coportal_core::money::{Currency, Money};
use coportal_core::workspace::TaxRounding;
use coportal_lambda::views::LedgerView;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

/// An invoice.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct InvoiceView<'a> {
    id: InvoiceId,
    number: &'a str,
    client_id: ClientId,
    currency: Currency,
    issue_date: Date,
    due_date: Option<Date>,
    status: InvoiceStatus,
    tax_mode: TaxMode,
    lines: &'a [LineItem],
    totals: TotalsView,
    payments: &'a [Payment],
    outstanding: Money,
    version: u64,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledgers: Option<Vec<LedgerView>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = InvoiceTotals))]
struct TotalsView {
    subtotal: Money,
    tax: Money,
    total: Money,
}

impl<'a> InvoiceView<'a> {
    /// An invoice by itself.
    pub(crate) fn of(invoice: &'a Invoice, rounding: TaxRounding) -> Self {
        let totals = invoice.totals(rounding);
        let money = |amount| Money::new(amount, invoice.currency);
        let outstanding = match invoice.status {
            InvoiceStatus::Void => money(rust_decimal::Decimal::ZERO),
            InvoiceStatus::Draft | InvoiceStatus::Sent | InvoiceStatus::Paid => money(totals.total - invoice.paid()),
        };
        Self {
            id: invoice.id,
            number: &invoice.number,
            client_id: invoice.client_id,
            currency: invoice.currency,
            issue_date: invoice.issue_date,
            due_date: invoice.due_date,
            status: invoice.status,
            tax_mode: invoice.tax_mode,
            lines: &invoice.lines,
            totals: TotalsView { subtotal: money(totals.subtotal), tax: money(totals.tax), total: money(totals.total) },
            payments: &invoice.payments,
            outstanding,
            version: invoice.version,
            created_at: invoice.created_at,
            ledgers: None,
        }
    }

    /// With how it stands with each ledger.
    pub(crate) fn with_ledgers(mut self, ledgers: Vec<LedgerView>) -> Self {
        self.ledgers = Some(ledgers);
        self
    }
}
