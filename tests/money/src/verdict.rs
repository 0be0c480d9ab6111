//! One invoice in one ledger: pushed and equal to the cent everywhere, or held, or with a rounding line that was allowed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use coportal_core::choices::Choices;
use coportal_core::connection::{Options, Rounding};
use coportal_core::facts::{Account, AccountUse, Facts, Item, TaxRate};
use coportal_core::failure::Question;
use coportal_core::id::{ClientId, InvoiceId, LineId, WorkspaceId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, TaxMode};
use coportal_core::ledger::{Ledger, LedgerRules, TaxMethod};
use coportal_core::money::{Currency, Rate};
use coportal_core::pricing::Totals;
use coportal_core::sync::content::{BuiltContent, ContentInputs, build};
use coportal_core::sync::row::SyncRow;
use coportal_core::workspace::{Plan, TaxRounding, Workspace};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use simulators::skeleton::pricing::{Sale, SaleLine};
use uuid::Uuid;

use crate::books;
use crate::cases::{Case, RATES};
use crate::oracle::{self, Exact, exact};

/// What became of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Pushed as it is: CoPortal, the ledger and the oracle agree in subtotal, tax and total.
    Pushed,
    /// A person is asked first: the ledger would make other cents of it, or takes no second rate.
    Held,
    /// Pushed with a rounding line, as the connection allows; the total is CoPortal's.
    RoundingLine,
}

/// An invoice as CoPortal has it.
///
/// # Errors
/// When the case is none that CoPortal takes.
pub fn invoice(case: &Case) -> Result<Invoice> {
    let date: Date = "2026-03-01".parse().context("a date")?;
    let mut lines = Vec::with_capacity(case.lines.len());
    for (number, line) in (0_u128..).zip(&case.lines) {
        lines.push(LineItem {
            id: LineId::new(Uuid::from_u128(number + 1)),
            description: "Line".to_owned(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            tax_rate: Some(Rate::try_from(line.tax_percent)?),
            discount_percent: line.discount_percent,
        });
    }
    let invoice = Invoice {
        id: InvoiceId::new(Uuid::from_u128(1)),
        number: "CP-1".to_owned(),
        client_id: ClientId::new(Uuid::from_u128(1)),
        currency: case.currency.parse()?,
        issue_date: date,
        due_date: None,
        status: InvoiceStatus::Sent,
        tax_mode: if case.tax_inclusive { TaxMode::Inclusive } else { TaxMode::Exclusive },
        lines,
        payments: Vec::new(),
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
    };
    let issues = invoice.issues();
    ensure!(issues.is_empty(), "not an invoice: {issues:?}");
    Ok(invoice)
}

/// The invoice as the oracle has it: every figure by its digits.
///
/// # Errors
/// When a figure is none.
pub fn for_oracle(case: &Case) -> Result<oracle::Invoice> {
    let figure = |value: Decimal| exact(&value.to_string()).with_context(|| format!("{value} is no figure"));
    let mut lines = Vec::with_capacity(case.lines.len());
    for line in &case.lines {
        lines.push(oracle::Line {
            quantity: figure(line.quantity)?,
            unit_price: figure(line.unit_price)?,
            discount_percent: figure(line.discount_percent.unwrap_or_default())?,
            tax_percent: figure(line.tax_percent)?,
        });
    }
    let places = match case.currency {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    };
    Ok(oracle::Invoice { places, inclusive: case.tax_inclusive, by_document: case.by_document, lines })
}

fn workspace(case: &Case) -> Result<Workspace> {
    Ok(Workspace {
        id: WorkspaceId::new(Uuid::from_u128(1)),
        name: "Studio".to_owned(),
        plan: Plan::Enterprise,
        currency: case.currency.parse()?,
        country: "GB".to_owned(),
        tax_rounding: if case.by_document { TaxRounding::Document } else { TaxRounding::Line },
        default_tax_rate: None,
    })
}

fn facts(case: &Case, one_rate: bool) -> Result<Facts> {
    let currency: Currency = case.currency.parse()?;
    let mut tax_rates = Vec::new();
    for percent in RATES {
        let rate = Rate::try_from(percent.parse::<Decimal>()?)?;
        tax_rates.push(TaxRate {
            code: format!("T{percent}"),
            name: format!("{percent}%"),
            rate: Some(rate),
            on_sales: true,
            class: None,
            windows: Vec::new(),
            parts: Vec::new(),
        });
    }
    let account = |code: &str, purpose| Account {
        id: format!("id-{code}"),
        code: Some(code.to_owned()),
        name: code.to_owned(),
        uses: vec![purpose],
        tax_code: None,
    };
    Ok(Facts {
        name: "Org".to_owned(),
        base_currency: currency,
        currencies: vec![currency],
        tax_rates,
        accounts: vec![account("200", AccountUse::Sales), account("860", AccountUse::Rounding)],
        short_code: None,
        items: vec![Item { id: "1".to_owned(), name: "Services".to_owned() }],
        default_item: None,
        default_sales_account: None,
        assigns_numbers: false,
        tax_method: one_rate.then_some(TaxMethod::Group),
        one_tax_code: one_rate,
        pays_tax: true,
        locked_until: None,
        fetched_at: Timestamp::UNIX_EPOCH,
    })
}

/// Builds the content of a case for a ledger and compares CoPortal's, the core's, the simulator's and the oracle's figures.
///
/// # Errors
/// A violation, in a sentence: other cents that were pushed, a hold without a reason, or a question that is none of money.
pub fn judge(case: &Case, rules: &LedgerRules) -> Result<Verdict> {
    let ledger = rules.ledger;
    let one_rate = case.one_rate && ledger == Ledger::Quickbooks;
    let (invoice, workspace, facts) = (invoice(case)?, workspace(case)?, facts(case, one_rate)?);
    let options = Options { rounding: if case.rounding_line { Rounding::Line } else { Rounding::Hold }, ..Options::defaults(ledger) };
    let choices = Choices {
        sales_account: Some("200".to_owned()),
        sales_item: Some("1".to_owned()),
        item_map: BTreeMap::new(),
        payment_account: None,
        tax_map: BTreeMap::new(),
    };
    let asked = for_oracle(case)?;
    let shown = oracle::shown(&asked);
    let own = invoice.totals(workspace.tax_rounding);
    ensure!(same(own, &shown)?, "CoPortal shows {own:?}, the oracle {shown:?}");
    let expected = oracle::in_ledger(&asked, books::arithmetic(ledger, one_rate));
    let built = build(ContentInputs {
        rules,
        workspace: &workspace,
        invoice: &invoice,
        facts: &facts,
        choices: &choices,
        options: &options,
        row: &SyncRow::default(),
        contact: "contact",
        url: "https://app.example/invoices/1",
    });
    let built = match built {
        Ok(built) => built,
        Err(hold) if hold.question == Question::MapTax && one_rate && several_rates(case) => return Ok(Verdict::Held),
        Err(hold) if hold.question != Question::TotalsDiffer => bail!("held for another reason: {}", hold.detail),
        Err(hold) if expected == shown => bail!("held although the ledger makes the same of it: {}", hold.detail),
        Err(_) => return Ok(Verdict::Held),
    };
    let in_ledger = simulated(&built, ledger, one_rate, case)?;
    ensure!(in_ledger == built.totals, "the core expects {:?}, the simulator makes {in_ledger:?}", built.totals);
    if built.rounding_account.is_none() {
        ensure!(same(built.totals, &expected)?, "the core expects {:?}, the oracle {expected:?}", built.totals);
        ensure!(built.totals == own, "pushed as {:?}, shown as {own:?}", built.totals);
        return Ok(Verdict::Pushed);
    }
    ensure!(case.rounding_line, "a rounding line that nobody allowed");
    ensure!(expected != shown, "a rounding line where none is needed");
    let bridged = built.content.lines.iter().filter(|line| line.key.is_none()).map(|line| line.unit_price).sum::<Decimal>();
    let limit = Decimal::new(5, invoice.currency.minor_units());
    ensure!(bridged.abs() <= limit && !bridged.is_zero(), "a rounding line of {bridged}");
    ensure!(built.totals.total == own.total, "with its rounding line {:?}, shown as {own:?}", built.totals);
    ensure!(exact(&bridged.to_string()).as_ref() == Some(&(&shown.total - &expected.total)), "a rounding line of {bridged}");
    Ok(Verdict::RoundingLine)
}

fn several_rates(case: &Case) -> bool {
    let mut rates: Vec<Decimal> = case.lines.iter().map(|line| line.tax_percent).filter(|percent| !percent.is_zero()).collect();
    rates.sort_unstable();
    rates.dedup();
    rates.len() > 1
}

fn simulated(built: &BuiltContent, ledger: Ledger, one_rate: bool, case: &Case) -> Result<Totals> {
    let content = &built.content;
    let sale = Sale {
        currency_decimals: content.currency.minor_units(),
        tax_inclusive: content.tax_mode == TaxMode::Inclusive,
        lines: content
            .lines
            .iter()
            .map(|line| SaleLine {
                quantity: line.quantity,
                unit_price: line.unit_price,
                discount_percent: Decimal::ZERO,
                tax_percent: line.rate.percent(),
            })
            .collect(),
    };
    let taxes: Vec<Decimal> = content.lines.iter().filter_map(|line| line.tax).collect();
    let totals = books::simulated(ledger, one_rate, &sale, &taxes).with_context(|| format!("{ledger}'s simulator refuses {case:?}"))?;
    Ok(Totals { subtotal: totals.subtotal, tax: totals.tax, total: totals.total })
}

fn same(ours: Totals, theirs: &oracle::Totals) -> Result<bool> {
    let equal = |ours: Decimal, theirs: &Exact| Ok::<_, anyhow::Error>(exact(&ours.to_string()).context("a figure")? == *theirs);
    Ok(equal(ours.subtotal, &theirs.subtotal)? && equal(ours.tax, &theirs.tax)? && equal(ours.total, &theirs.total)?)
}
