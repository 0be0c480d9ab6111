//! Invoices: what a user wrote, its states, and what may happen to it.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InvoiceId, LineId};
use crate::money::{Currency, Rate};
use crate::pricing::{PricedLine, Totals, invoice_totals};
use crate::problem::{Issue, Outcome, Problem, ProblemKind};
use crate::text;
use crate::workspace::{TaxRounding, Workspace};

/// Most lines of one invoice.
pub const MAX_LINES: usize = 500;

/// Where an invoice stands in CoPortal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Being written.
    Draft,
    /// Sent to the client.
    Sent,
    /// Paid in full.
    Paid,
    /// Voided.
    Void,
}

impl InvoiceStatus {
    /// The word in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Sent => "sent",
            Self::Paid => "paid",
            Self::Void => "void",
        }
    }
}

/// Whether prices contain tax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaxMode {
    /// Tax is added to prices.
    #[default]
    Exclusive,
    /// Prices contain tax.
    Inclusive,
}

/// A line of an invoice (R48).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LineItem {
    /// Its id; survives edits.
    pub id: LineId,
    /// What was done.
    pub description: String,
    /// Units.
    pub quantity: Decimal,
    /// Price of a unit.
    pub unit_price: Decimal,
    /// Tax rate; absent until the invoice is sent (C11).
    #[serde(default)]
    pub tax_rate: Option<Rate>,
    /// Discount in percent.
    #[serde(default)]
    pub discount_percent: Option<Decimal>,
}

impl LineItem {
    /// The line as arithmetic sees it.
    #[must_use]
    pub fn priced(&self) -> PricedLine {
        PricedLine {
            quantity: self.quantity,
            unit_price: self.unit_price,
            discount_percent: self.discount_percent.unwrap_or_default(),
            rate: self.tax_rate.unwrap_or(Rate::ZERO),
        }
    }
}

/// A payment received in CoPortal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Payment {
    /// The caller's id of it; the same id again changes nothing.
    pub payment_id: String,
    /// How much, in the invoice's currency.
    pub amount: Decimal,
    /// When.
    pub date: Date,
}

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// Its number, unique in the workspace.
    pub number: String,
    /// Whom it is addressed to.
    pub client_id: ClientId,
    /// Its currency.
    pub currency: Currency,
    /// Date of issue.
    pub issue_date: Date,
    /// Date it falls due (R50: optional).
    #[serde(default)]
    pub due_date: Option<Date>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// Whether prices contain tax.
    pub tax_mode: TaxMode,
    /// Its lines.
    pub lines: Vec<LineItem>,
    /// Payments received.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// Grows with each change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Invoice {
    /// Its totals under the workspace's rounding rule.
    #[must_use]
    pub fn totals(&self, rounding: TaxRounding) -> Totals {
        invoice_totals(&self.lines, self.currency, self.tax_mode, rounding)
    }

    /// What has been paid so far.
    #[must_use]
    pub fn paid(&self) -> Decimal {
        self.payments.iter().map(|payment| payment.amount).sum()
    }

    /// Checks what a user wrote, all at once; `pointer`s are JSON pointers into the request.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let number = self.number.trim();
        if number.is_empty()
            || number.chars().count() > 50
            || number.chars().any(char::is_control)
            || number.contains('#') && number.starts_with('#')
        {
            issues.push(Issue::new("/number", "invalid", "An invoice number has 1 to 50 characters and does not begin with #."));
        }
        if self.due_date.is_some_and(|due| due < self.issue_date) {
            issues.push(Issue::new("/due_date", "before_issue_date", "The due date is before the date of issue."));
        }
        if self.lines.is_empty() {
            issues.push(Issue::new("/lines", "required", "An invoice needs at least one line."));
        }
        if self.lines.len() > MAX_LINES {
            issues.push(Issue::new("/lines", "too_many", "An invoice has at most 500 lines."));
        }
        let mut ids: Vec<LineId> = self.lines.iter().map(|line| line.id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != self.lines.len() {
            issues.push(Issue::new("/lines", "duplicate_id", "Two lines carry the same id."));
        }
        for (index, line) in self.lines.iter().enumerate() {
            issues.extend(line_issues(index, line));
        }
        if issues.is_empty() {
            let total = self.totals(TaxRounding::Line).total;
            if total < Decimal::ZERO {
                issues.push(Issue::new("/lines", "negative_total", "The total is negative: that is a credit note, not an invoice."));
            }
        }
        issues
    }

    /// Sends the invoice: fills missing tax rates from the workspace's default (C11) and fixes it for the client.
    ///
    /// # Errors
    /// When it is not a draft.
    pub fn send(&mut self, workspace: &Workspace) -> Outcome<()> {
        match self.status {
            InvoiceStatus::Draft => {}
            InvoiceStatus::Sent | InvoiceStatus::Paid => return Ok(()),
            InvoiceStatus::Void => return Err(state_conflict("A void invoice cannot be sent.")),
        }
        self.settle_rates(workspace);
        self.status = InvoiceStatus::Sent;
        Ok(())
    }

    /// Gives lines without a rate the workspace's default (C11): when the invoice is sent, and when a sent one is changed. Never at push.
    pub fn settle_rates(&mut self, workspace: &Workspace) {
        for line in &mut self.lines {
            line.tax_rate = line.tax_rate.or(workspace.default_tax_rate);
        }
    }

    /// Voids the invoice.
    ///
    /// # Errors
    /// When money was received for it.
    pub fn void(&mut self) -> Outcome<()> {
        match self.status {
            InvoiceStatus::Void => Ok(()),
            InvoiceStatus::Paid => Err(state_conflict("A paid invoice cannot be voided.")),
            InvoiceStatus::Draft | InvoiceStatus::Sent if !self.payments.is_empty() => {
                Err(state_conflict("An invoice with a payment cannot be voided."))
            }
            InvoiceStatus::Draft | InvoiceStatus::Sent => {
                self.status = InvoiceStatus::Void;
                Ok(())
            }
        }
    }

    /// Records a payment; the same `payment_id` again changes nothing. Answers whether anything changed.
    ///
    /// # Errors
    /// When the invoice is not sent, the amount is not positive or has digits below the currency's unit, more is paid than is
    /// outstanding, or the same id came with another amount or date.
    pub fn pay(&mut self, payment: Payment, rounding: TaxRounding) -> Outcome<bool> {
        if let Some(known) = self.payments.iter().find(|known| known.payment_id == payment.payment_id) {
            return if *known == payment {
                Ok(false)
            } else {
                Err(state_conflict("This payment_id was already recorded with another amount or date."))
            };
        }
        match self.status {
            InvoiceStatus::Sent => {}
            InvoiceStatus::Draft => {
                return Err(state_conflict("A draft cannot be paid: send it first."));
            }
            InvoiceStatus::Paid => return Err(state_conflict("The invoice is paid in full.")),
            InvoiceStatus::Void => return Err(state_conflict("A void invoice cannot be paid.")),
        }
        let mut issues = Vec::new();
        if payment.payment_id.is_empty() || payment.payment_id.chars().count() > 100 {
            issues.push(Issue::new("/payment_id", "invalid", "A payment_id has 1 to 100 characters."));
        }
        let outstanding = self.totals(rounding).total - self.paid();
        if payment.amount <= Decimal::ZERO || !self.currency.is_exact(payment.amount) {
            issues.push(Issue::new(
                "/amount",
                "invalid",
                format!("An amount is positive and has at most {} decimals.", self.currency.minor_units()),
            ));
        } else if payment.amount > outstanding {
            issues.push(Issue::new("/amount", "more_than_outstanding", format!("Only {outstanding} {} is outstanding.", self.currency)));
        }
        if !issues.is_empty() {
            return Err(Problem::invalid(issues));
        }
        self.payments.push(payment);
        if self.paid() == self.totals(rounding).total {
            self.status = InvoiceStatus::Paid;
        }
        Ok(true)
    }

    /// Whether its content may be replaced (PUT): drafts and sent invoices only.
    ///
    /// # Errors
    /// When it is paid, part-paid or void.
    pub fn check_editable(&self) -> Outcome<()> {
        match self.status {
            InvoiceStatus::Draft | InvoiceStatus::Sent if self.payments.is_empty() => Ok(()),
            InvoiceStatus::Draft | InvoiceStatus::Sent => Err(state_conflict("An invoice with a payment can no longer be changed.")),
            InvoiceStatus::Paid => Err(state_conflict("A paid invoice can no longer be changed.")),
            InvoiceStatus::Void => Err(state_conflict("A void invoice can no longer be changed.")),
        }
    }
}

fn state_conflict(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::Conflict, "invoice_state", detail).fix(
        "Read the invoice again and use an action that its status allows.",
        "the invoice",
        false,
    )
}

fn line_issues(index: usize, line: &LineItem) -> Vec<Issue> {
    let at = |field: &str| format!("/lines/{index}/{field}");
    let mut issues = Vec::new();
    let description = text::tidy(&line.description);
    if description.is_empty() || line.description.chars().count() > 4_000 {
        issues.push(Issue::new(at("description"), "invalid", "A description has 1 to 4,000 characters."));
    }
    let limit = Decimal::from(1_000_000_000_u64);
    if line.quantity.abs() >= limit || line.quantity.normalize().scale() > 4 {
        issues.push(Issue::new(at("quantity"), "invalid", "A quantity is below 1,000,000,000 and has at most four decimals."));
    }
    if line.unit_price.abs() >= limit || line.unit_price.normalize().scale() > 6 {
        issues.push(Issue::new(at("unit_price"), "invalid", "A price is below 1,000,000,000 and has at most six decimals."));
    }
    if line
        .discount_percent
        .is_some_and(|percent| percent < Decimal::ZERO || percent > Decimal::ONE_HUNDRED || percent.normalize().scale() > 4)
    {
        issues.push(Issue::new(at("discount_percent"), "invalid", "A discount is a percentage from 0 to 100 with at most four decimals."));
    }
    issues
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Plan;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn workspace() -> Workspace {
        Workspace {
            id: crate::id::WorkspaceId::new(Uuid::from_u128(1)),
            name: "Studio".into(),
            plan: Plan::Studio,
            currency: "ZAR".parse().unwrap(),
            country: "ZA".into(),
            tax_rounding: TaxRounding::Line,
            default_tax_rate: Some(dec("15").try_into().unwrap()),
        }
    }

    fn draft() -> Invoice {
        Invoice {
            id: InvoiceId::new(Uuid::from_u128(2)),
            number: "CP-1".into(),
            client_id: ClientId::new(Uuid::from_u128(3)),
            currency: "ZAR".parse().unwrap(),
            issue_date: "2026-02-20".parse().unwrap(),
            due_date: None,
            status: InvoiceStatus::Draft,
            tax_mode: TaxMode::Exclusive,
            lines: vec![LineItem {
                id: LineId::new(Uuid::from_u128(4)),
                description: "Design".into(),
                quantity: dec("1"),
                unit_price: dec("100"),
                tax_rate: None,
                discount_percent: None,
            }],
            payments: vec![],
            version: 1,
            created_at: "2026-02-20T00:00:00Z".parse().unwrap(),
        }
    }

    fn sent() -> Invoice {
        let mut invoice = draft();
        invoice.send(&workspace()).unwrap();
        invoice
    }

    fn payment(id: &str, amount: &str) -> Payment {
        Payment { payment_id: id.into(), amount: dec(amount), date: "2026-03-01".parse().unwrap() }
    }

    fn codes(invoice: &Invoice) -> Vec<String> {
        invoice.issues().into_iter().map(|issue| format!("{} {}", issue.pointer, issue.code)).collect()
    }

    /// C11: a missing rate is settled when the invoice is sent; a rate that is there, zero too, stays.
    #[test]
    fn c11_rates_are_settled_when_sent() {
        let mut invoice = draft();
        assert_eq!(invoice.totals(TaxRounding::Line).tax, Decimal::ZERO);
        invoice.lines.push(LineItem { id: LineId::new(Uuid::from_u128(5)), tax_rate: Some(Rate::ZERO), ..invoice.lines[0].clone() });
        invoice.send(&workspace()).unwrap();
        assert_eq!(invoice.status, InvoiceStatus::Sent);
        assert_eq!(invoice.lines.iter().map(|line| line.tax_rate.unwrap().to_string()).collect::<Vec<_>>(), ["15", "0"]);
        let again = invoice.clone();
        invoice.send(&workspace()).unwrap();
        assert_eq!(invoice, again, "sending again changes nothing");
        let mut without = draft();
        without.send(&Workspace { default_tax_rate: None, ..workspace() }).unwrap();
        assert_eq!(without.lines[0].tax_rate, None, "no default: the sync asks");
    }

    #[test]
    fn a_void_invoice_stays_void() {
        let mut invoice = sent();
        invoice.void().unwrap();
        invoice.void().unwrap();
        assert_eq!(invoice.status, InvoiceStatus::Void);
        assert!(invoice.send(&workspace()).is_err());
        assert!(invoice.pay(payment("p", "1"), TaxRounding::Line).is_err());
        assert!(invoice.check_editable().is_err());
    }

    #[test]
    fn money_received_protects_an_invoice() {
        let mut invoice = sent();
        assert!(invoice.check_editable().is_ok());
        invoice.pay(payment("p1", "15"), TaxRounding::Line).unwrap();
        assert_eq!(invoice.status, InvoiceStatus::Sent);
        assert!(invoice.void().is_err());
        assert!(invoice.check_editable().is_err());
        invoice.pay(payment("p2", "100.00"), TaxRounding::Line).unwrap();
        assert_eq!(invoice.status, InvoiceStatus::Paid);
        assert!(invoice.void().is_err());
        assert!(invoice.check_editable().is_err());
        assert!(invoice.send(&workspace()).is_ok(), "sent already");
    }

    /// The same payment again changes nothing, also when the invoice is paid by now; another amount under its id is refused.
    #[test]
    fn payments_are_idempotent() {
        let mut invoice = sent();
        assert!(invoice.pay(payment("p", "115"), TaxRounding::Line).unwrap());
        let once = invoice.clone();
        assert!(!invoice.pay(payment("p", "115.0"), TaxRounding::Line).unwrap());
        assert_eq!(invoice, once);
        assert_eq!(invoice.pay(payment("p", "114"), TaxRounding::Line).unwrap_err().code, "invoice_state");
        assert!(invoice.pay(payment("q", "1"), TaxRounding::Line).is_err(), "paid in full");
    }

    #[test]
    fn payments_are_positive_exact_and_no_more_than_outstanding() {
        for amount in ["0", "-1", "0.001", "115.01"] {
            let mut invoice = sent();
            let problem = invoice.pay(payment("p", amount), TaxRounding::Line).unwrap_err();
            assert_eq!((problem.kind, problem.issues.len()), (ProblemKind::Invalid, 1), "{amount}");
            assert!(invoice.payments.is_empty());
        }
        assert!(sent().pay(payment("", "1"), TaxRounding::Line).is_err());
        assert!(draft().pay(payment("p", "1"), TaxRounding::Line).is_err());
    }

    /// R66: paying changes nothing of what a ledger carries: neither lines nor totals nor dates.
    #[test]
    fn r66_a_payment_changes_no_content() {
        let before = sent();
        let mut after = before.clone();
        after.pay(payment("p", "115"), TaxRounding::Line).unwrap();
        let paid = Invoice { status: InvoiceStatus::Paid, payments: after.payments.clone(), ..before };
        assert_eq!(after, paid);
    }

    #[test]
    fn issues_name_every_fault_at_once() {
        assert!(draft().issues().is_empty());
        let mut invoice = draft();
        invoice.number = "#1".into();
        invoice.due_date = Some("2026-01-01".parse().unwrap());
        let line = &mut invoice.lines[0];
        (line.description, line.quantity, line.unit_price, line.discount_percent) =
            (" ".into(), dec("1.00001"), dec("1000000000"), Some(dec("101")));
        invoice.lines.push(invoice.lines[0].clone());
        let found = codes(&invoice);
        for wanted in ["/number invalid", "/due_date before_issue_date", "/lines duplicate_id"] {
            assert!(found.iter().any(|code| code == wanted), "{wanted} in {found:?}");
        }
        for field in ["description", "quantity", "unit_price", "discount_percent"] {
            assert!(found.contains(&format!("/lines/1/{field} invalid")), "{field} in {found:?}");
        }
        let empty = Invoice { lines: vec![], ..draft() };
        assert_eq!(codes(&empty), ["/lines required"]);
        let mut credit = draft();
        credit.lines[0].unit_price = dec("-1");
        assert_eq!(codes(&credit), ["/lines negative_total"]);
        for number in ["", " ", "a\nb", &"9".repeat(51)] {
            assert_eq!(codes(&Invoice { number: number.into(), ..draft() }), ["/number invalid"], "{number:?}");
        }
    }

    proptest! {
        /// Whatever payments come in whatever order and how often, no more is recorded than the total, and paid means exactly the total.
        #[test]
        fn payments_never_exceed_the_total(tries in prop::collection::vec((0_u8..6, 1_i64..8_000), 0..30)) {
            let mut invoice = sent();
            let total = invoice.totals(TaxRounding::Line).total;
            for (id, cents) in tries {
                let before = invoice.clone();
                match invoice.pay(payment(&id.to_string(), &Decimal::new(cents, 2).to_string()), TaxRounding::Line) {
                    Ok(changed) => prop_assert_eq!(changed, invoice != before),
                    Err(_) => prop_assert_eq!(&invoice, &before),
                }
                prop_assert!(invoice.paid() <= total);
                prop_assert_eq!(invoice.status == InvoiceStatus::Paid, invoice.paid() == total);
            }
        }
    }
}
