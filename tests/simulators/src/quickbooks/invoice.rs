//! Invoices: what they are, their arithmetic, and how they are shown (sections 3, 4 and 11).

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::company::Company;
use super::fault::Refusal;
use super::price;
use super::store::Record;
use super::wire::{EmailAddress, Head, Ref, Version};
use crate::skeleton::number::{Exact, half_up};

/// `GlobalTaxCalculation`; none in the US.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Calculation {
    TaxExcluded,
    TaxInclusive,
    NotApplicable,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) version: Version,
    pub(crate) doc_number: Option<String>,
    pub(crate) date: Date,
    pub(crate) due_date: Option<Date>,
    pub(crate) customer: String,
    pub(crate) currency: String,
    pub(crate) exchange_rate: Decimal,
    pub(crate) private_note: Option<String>,
    pub(crate) customer_memo: Option<String>,
    pub(crate) bill_email: Option<String>,
    pub(crate) email_status: String,
    pub(crate) bill_addr: Option<Address>,
    pub(crate) card_payment: Option<bool>,
    pub(crate) ach_payment: Option<bool>,
    /// `None` in the US.
    pub(crate) calculation: Option<Calculation>,
    pub(crate) lines: Vec<Line>,
    /// The id that the next line gets.
    pub(crate) next_line: u32,
    /// US: `TxnTaxDetail.TxnTaxCodeRef`.
    pub(crate) tax_code: Option<String>,
    /// US with automated sales tax: the tax that was sent and is honoured.
    pub(crate) tax_override: Option<Decimal>,
    pub(crate) tax_lines: Vec<TaxLine>,
    pub(crate) subtotal: Decimal,
    pub(crate) total_tax: Decimal,
    pub(crate) total: Decimal,
    /// How much of payments is applied to it.
    pub(crate) applied: Decimal,
    /// Ids of the payments applied to it.
    pub(crate) payments: Vec<String>,
    pub(crate) voided: bool,
    pub(crate) deleted: bool,
    pub(crate) created_by_app: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: u32,
    pub(crate) description: Option<String>,
    pub(crate) amount: Decimal,
    /// `None` on a line that is only text.
    pub(crate) sale: Option<SalesItem>,
}

/// `SalesItemLineDetail`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SalesItem {
    pub(crate) item: String,
    pub(crate) class: Option<String>,
    pub(crate) quantity: Option<Decimal>,
    pub(crate) unit_price: Option<Decimal>,
    pub(crate) tax_code: Option<String>,
    /// With `TaxInclusive`: the amount with tax.
    pub(crate) inclusive: Option<Decimal>,
    pub(crate) service_date: Option<Date>,
}

/// What one rate makes of the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TaxLine {
    pub(crate) rate: String,
    pub(crate) percent: Decimal,
    pub(crate) amount: Decimal,
    pub(crate) taxable: Decimal,
}

impl Record for Invoice {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> Option<&str> {
        self.doc_number.as_deref()
    }
}

impl Invoice {
    pub(crate) fn balance(&self) -> Decimal {
        self.total - self.applied
    }

    /// Computes the tax lines and totals from the lines. A void document has nothing to compute.
    ///
    /// Outside the US each line is taxed and rounded, then summed; in the US the sum of the taxable lines is (section 11).
    pub(crate) fn compute(&mut self, company: &Company) -> Result<(), Refusal> {
        if self.voided {
            return Ok(());
        }
        let places = price::decimals(&self.currency);
        let taxed = if company.is_us() { self.us_tax(company, places)? } else { self.line_tax(company, places) };
        self.subtotal = half_up(self.lines.iter().map(|line| line.amount).sum(), places);
        let computed = taxed.iter().map(|line| line.amount).sum();
        self.tax_lines = taxed;
        self.total_tax = half_up(self.tax_override.unwrap_or(computed), places);
        self.total = half_up(self.subtotal + self.total_tax, places);
        Ok(())
    }

    fn line_tax(&self, company: &Company, places: u32) -> Vec<TaxLine> {
        let mut found: Vec<TaxLine> = Vec::new();
        for (line, sale) in self.lines.iter().filter_map(|line| line.sale.as_ref().map(|sale| (line, sale))) {
            let Some(code) = &sale.tax_code else { continue };
            for (rate, percent) in company.percents(code, self.date) {
                let amount = match (self.calculation, sale.inclusive) {
                    (Some(Calculation::TaxInclusive), Some(gross)) => price::contained_tax(gross, percent, places),
                    _ => price::tax(line.amount, percent, places),
                };
                match found.iter_mut().find(|one| one.rate == rate) {
                    Some(one) => {
                        one.amount += amount;
                        one.taxable += line.amount;
                    }
                    None => found.push(TaxLine { rate, percent, amount, taxable: line.amount }),
                }
            }
        }
        found
    }

    fn us_tax(&self, company: &Company, places: u32) -> Result<Vec<TaxLine>, Refusal> {
        let marked = |line: &&Line| line.sale.as_ref().is_some_and(|sale| sale.tax_code.as_deref() == Some("TAX"));
        let taxable: Decimal = self.lines.iter().filter(marked).map(|line| line.amount).sum();
        let automated = company.preferences.tax_prefs.partner_tax_enabled == Some(true);
        if automated && self.tax_override.is_none() && self.lines.iter().any(|line| marked(&line)) {
            return Err(Refusal::not_modelled("what automated sales tax makes of an invoice without TotalTax"));
        }
        let Some(code) = self.tax_code.as_ref().filter(|_| company.taxes()) else { return Ok(Vec::new()) };
        let rates = company.percents(code, self.date);
        let one = |(rate, percent): (String, Decimal)| TaxLine { rate, percent, amount: price::tax(taxable, percent, places), taxable };
        let mut lines: Vec<TaxLine> = rates.into_iter().map(one).collect();
        if let Some(sent) = self.tax_override {
            // An explicit TotalTax is prorated over the rates (section 4); the last one takes what rounding leaves.
            let whole: Decimal = lines.iter().map(|line| line.percent).sum();
            let mut left = sent;
            let last = lines.len().saturating_sub(1);
            for (position, line) in lines.iter_mut().enumerate() {
                let share = if whole.is_zero() { Decimal::ZERO } else { half_up(sent * line.percent / whole, places) };
                line.amount = if position == last { left } else { share };
                left -= line.amount;
            }
        }
        Ok(lines)
    }

    pub(crate) fn view(&self, company: &Company) -> InvoiceView<'_> {
        let places = price::decimals(&self.currency);
        let multi = company.preferences.multi_currency();
        let lines = self.lines.iter().enumerate().map(|(position, line)| LineView::of(line, position, company, places));
        let subtotal = LineView::subtotal(half_up(self.lines.iter().map(|line| line.amount).sum(), places));
        let customer = company.people.get(&self.customer);
        let tax_lines = self.tax_lines.iter().map(|line| TaxLineView {
            amount: Exact(half_up(line.amount, places)),
            detail_type: "TaxLineDetail",
            tax_line_detail: TaxLineDetail {
                tax_rate_ref: Ref::bare(&line.rate),
                percent_based: true,
                tax_percent: Exact(line.percent),
                net_amount_taxable: Exact(half_up(line.taxable, places)),
            },
        });
        InvoiceView {
            head: Head::of(&self.id, &self.version),
            doc_number: self.doc_number.as_deref(),
            txn_date: self.date,
            currency_ref: Ref::bare(&self.currency),
            exchange_rate: multi.then_some(Exact(self.exchange_rate)),
            private_note: self.private_note.as_deref(),
            linked_txn: self.payments.iter().map(|id| LinkedTxn { txn_id: id, txn_type: "Payment" }).collect(),
            line: lines.chain([subtotal]).collect(),
            txn_tax_detail: TxnTaxDetail {
                txn_tax_code_ref: self.tax_code.as_deref().map(Ref::bare),
                total_tax: Exact(self.total_tax),
                tax_line: tax_lines.collect(),
            },
            customer_ref: Ref { value: self.customer.clone(), name: customer.map(|customer| customer.display_name.clone()) },
            customer_memo: self.customer_memo.as_deref().map(Ref::bare),
            bill_addr: self.bill_addr.as_ref(),
            due_date: self.due_date,
            global_tax_calculation: self.calculation,
            total_amt: Exact(self.total),
            home_total_amt: multi.then(|| Exact(half_up(self.total * self.exchange_rate, price::decimals(company.home())))),
            apply_tax_after_discount: false,
            print_status: "NeedToPrint",
            email_status: &self.email_status,
            bill_email: self.bill_email.as_deref().map(|address| EmailAddress { address }),
            balance: Exact(half_up(self.balance(), places)),
            allow_online_credit_card_payment: self.card_payment.unwrap_or(false),
            allow_online_ach_payment: self.ach_payment.unwrap_or(false),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LinkedTxn<'text> {
    pub(crate) txn_id: &'text str,
    pub(crate) txn_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SalesItemLineDetail {
    item_ref: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    class_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qty: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_account_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_code_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_inclusive_amt: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_date: Option<Date>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LineView<'line> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_num: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'line str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Exact>,
    detail_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_item_line_detail: Option<SalesItemLineDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description_line_detail: Option<Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_total_line_detail: Option<Empty>,
}

impl<'line> LineView<'line> {
    fn of(line: &'line Line, position: usize, company: &Company, places: u32) -> Self {
        let sale = line.sale.as_ref();
        let detail = sale.map(|sale| {
            let item = company.item(&sale.item);
            let account = item.and_then(|item| company.accounts.iter().find(|account| account.id == item.income_account));
            let class = sale.class.as_ref().map(|id| {
                let known = company.classes.iter().find(|class| class.id == *id);
                known.map_or_else(|| Ref::bare(id), |class| Ref::named(id, &class.name))
            });
            SalesItemLineDetail {
                item_ref: item.map_or_else(|| Ref::bare(&sale.item), |item| Ref::named(&item.id, &item.name)),
                class_ref: class,
                unit_price: sale.unit_price.map(Exact),
                qty: sale.quantity.map(Exact),
                item_account_ref: account.map(|account| Ref::named(&account.id, &account.name)),
                tax_code_ref: sale.tax_code.as_deref().map(Ref::bare),
                tax_inclusive_amt: sale.inclusive.map(Exact),
                service_date: sale.service_date,
            }
        });
        Self {
            id: Some(line.id.to_string()),
            line_num: Some(position + 1),
            description: line.description.as_deref(),
            amount: sale.map(|_| Exact(half_up(line.amount, places))),
            detail_type: if detail.is_some() { "SalesItemLineDetail" } else { "DescriptionOnly" },
            description_line_detail: detail.is_none().then_some(Empty {}),
            sales_item_line_detail: detail,
            sub_total_line_detail: None,
        }
    }

    /// The line that the vendor puts behind the others.
    fn subtotal(amount: Decimal) -> Self {
        Self {
            id: None,
            line_num: None,
            description: None,
            amount: Some(Exact(amount)),
            detail_type: "SubTotalLineDetail",
            sales_item_line_detail: None,
            description_line_detail: None,
            sub_total_line_detail: Some(Empty {}),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaxLineDetail {
    tax_rate_ref: Ref,
    percent_based: bool,
    tax_percent: Exact,
    net_amount_taxable: Exact,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaxLineView {
    amount: Exact,
    detail_type: &'static str,
    tax_line_detail: TaxLineDetail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TxnTaxDetail {
    #[serde(skip_serializing_if = "Option::is_none")]
    txn_tax_code_ref: Option<Ref>,
    total_tax: Exact,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tax_line: Vec<TaxLineView>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InvoiceView<'invoice> {
    #[serde(flatten)]
    head: Head<'invoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_number: Option<&'invoice str>,
    txn_date: Date,
    currency_ref: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange_rate: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_note: Option<&'invoice str>,
    linked_txn: Vec<LinkedTxn<'invoice>>,
    line: Vec<LineView<'invoice>>,
    txn_tax_detail: TxnTaxDetail,
    customer_ref: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_memo: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill_addr: Option<&'invoice Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    global_tax_calculation: Option<Calculation>,
    total_amt: Exact,
    #[serde(skip_serializing_if = "Option::is_none")]
    home_total_amt: Option<Exact>,
    apply_tax_after_discount: bool,
    print_status: &'static str,
    email_status: &'invoice str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill_email: Option<EmailAddress<'invoice>>,
    balance: Exact,
    allow_online_credit_card_payment: bool,
    #[serde(rename = "AllowOnlineACHPayment")]
    allow_online_ach_payment: bool,
}

impl Company {
    /// The invoice that is there; 610 otherwise.
    pub(crate) fn invoice(&self, id: &str) -> Result<&Invoice, Refusal> {
        self.invoices.get(id).filter(|invoice| !invoice.deleted).ok_or_else(Refusal::not_found)
    }
}
