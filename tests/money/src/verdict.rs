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
use coportal_core::sync::settle::document_mark;
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

/// Where an invoice goes: an organisation as the product knows it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The ledger.
    pub rules: &'a LedgerRules,
    /// The organisation's facts.
    pub facts: &'a Facts,
    /// Its choices.
    pub choices: &'a Choices,
    /// The contact that the invoice is written to.
    pub contact: &'a str,
    /// Whether it taxes by document at one rate.
    pub one_rate: bool,
}

/// What is to be done with an invoice, before anything is sent.
#[derive(Debug)]
pub enum Planned {
    /// A person is asked first.
    Held,
    /// It is pushed.
    Push(Box<Push>),
}

/// An invoice that is pushed, and what everybody reckons of it.
#[derive(Debug)]
pub struct Push {
    /// What is sent.
    pub content: BuiltContent,
    own: Totals,
    shown: oracle::Totals,
    expected: oracle::Totals,
}

/// Builds the content of a case for a place; `name` becomes the invoice's number, and with it its mark.
///
/// # Errors
/// A violation, in a sentence: a hold without a reason, or a question that is none of money.
pub fn plan(case: &Case, place: Place<'_>, name: &str) -> Result<Planned> {
    let Place { rules, facts, choices, contact, one_rate } = place;
    let ledger = rules.ledger;
    let (invoice, workspace) = (Invoice { number: name.to_owned(), ..invoice(case)? }, workspace(case)?);
    let options = Options { rounding: if case.rounding_line { Rounding::Line } else { Rounding::Hold }, ..Options::defaults(ledger) };
    let asked = for_oracle(case)?;
    let shown = oracle::shown(&asked);
    let own = invoice.totals(workspace.tax_rounding);
    ensure!(same(own, &shown)?, "CoPortal shows {own:?}, the oracle {shown:?}");
    let expected = oracle::in_ledger(&asked, books::arithmetic(ledger, one_rate));
    let url = document_mark(rules.document_mark, &format!("https://app.example/invoices/{name}"));
    let built = build(ContentInputs {
        rules,
        workspace: &workspace,
        invoice: &invoice,
        facts,
        choices,
        options: &options,
        row: &SyncRow::default(),
        contact,
        url: &url,
    });
    match built {
        Ok(content) => Ok(Planned::Push(Box::new(Push { content, own, shown, expected }))),
        Err(hold) if hold.question == Question::MapTax && one_rate && several_rates(case) => Ok(Planned::Held),
        Err(hold) if hold.question != Question::TotalsDiffer => bail!("held for another reason: {}", hold.detail),
        Err(hold) if expected == shown => bail!("held although the ledger makes the same of it: {}", hold.detail),
        Err(_) => Ok(Planned::Held),
    }
}

/// Judges a pushed invoice by what the ledger made of it.
///
/// # Errors
/// A violation, in a sentence: other cents, or a rounding line that nobody allowed or that does not close the gap.
pub fn verdict(case: &Case, push: &Push, in_ledger: Totals) -> Result<Verdict> {
    let Push { content: built, own, shown, expected } = push;
    ensure!(in_ledger == built.totals, "the core expects {:?}, the simulator makes {in_ledger:?}", built.totals);
    if built.rounding_account.is_none() {
        ensure!(same(built.totals, expected)?, "the core expects {:?}, the oracle {expected:?}", built.totals);
        ensure!(built.totals == *own, "pushed as {:?}, shown as {own:?}", built.totals);
        return Ok(Verdict::Pushed);
    }
    ensure!(case.rounding_line, "a rounding line that nobody allowed");
    ensure!(expected != shown, "a rounding line where none is needed");
    let bridged = built.content.lines.iter().filter(|line| line.key.is_none()).map(|line| line.unit_price).sum::<Decimal>();
    let limit = Decimal::new(5, built.content.currency.minor_units());
    ensure!(bridged.abs() <= limit && !bridged.is_zero(), "a rounding line of {bridged}");
    ensure!(built.totals.total == own.total, "with its rounding line {:?}, shown as {own:?}", built.totals);
    ensure!(exact(&bridged.to_string()).as_ref() == Some(&(&shown.total - &expected.total)), "a rounding line of {bridged}");
    Ok(Verdict::RoundingLine)
}

/// Builds the content of a case for a ledger and compares CoPortal's, the core's, the simulator's and the oracle's figures.
///
/// # Errors
/// A violation, in a sentence: other cents that were pushed, a hold without a reason, or a question that is none of money.
pub fn judge(case: &Case, rules: &LedgerRules) -> Result<Verdict> {
    let ledger = rules.ledger;
    let one_rate = case.one_rate && ledger == Ledger::Quickbooks;
    let choices = Choices {
        sales_account: Some("200".to_owned()),
        sales_item: Some("1".to_owned()),
        item_map: BTreeMap::new(),
        payment_account: None,
        tax_map: BTreeMap::new(),
    };
    let facts = facts(case, one_rate)?;
    let place = Place { rules, facts: &facts, choices: &choices, contact: "contact", one_rate };
    match plan(case, place, "CP-1")? {
        Planned::Held => Ok(Verdict::Held),
        Planned::Push(push) => {
            let in_ledger = simulated(&push.content, ledger, one_rate, case)?;
            verdict(case, &push, in_ledger)
        }
    }
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
