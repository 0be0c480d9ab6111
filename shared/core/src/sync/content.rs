//! What the ledger's document should say: built from the invoice, checked to the cent before anything is sent (C6, C11, C12, R143).

use rust_decimal::Decimal;

use crate::choices::Choices;
use crate::connection::{NumberPolicy, Options, Rounding};
use crate::document::{DocumentContent, DocumentLine};
use crate::facts::{AccountUse, Facts};
use crate::failure::Question;
use crate::invoice::Invoice;
use crate::ledger::LedgerRules;
use crate::money::Rate;
use crate::pricing::{PricedLine, Totals, encode_line, totals};
use crate::sync::HoldDraft;
use crate::sync::row::{Choice, SyncRow};
use crate::tax::{TaxCode, resolve};
use crate::text::digest;
use crate::workspace::Workspace;

/// Largest difference that a rounding line may bridge, in minor units (C12).
const ROUNDING_LIMIT_MINOR: i64 = 5;

/// What a content is built from.
#[derive(Debug, Clone, Copy)]
pub struct ContentInputs<'a> {
    /// The ledger's constants.
    pub rules: &'a LedgerRules,
    /// The workspace: its rounding rule.
    pub workspace: &'a Workspace,
    /// The invoice.
    pub invoice: &'a Invoice,
    /// The organisation's facts.
    pub facts: &'a Facts,
    /// The stored choices.
    pub choices: &'a Choices,
    /// The connection's options.
    pub options: &'a Options,
    /// The row: answers that a person gave.
    pub row: &'a SyncRow,
    /// The ledger's id of the contact.
    pub contact: &'a str,
    /// The invoice's page in CoPortal.
    pub url: &'a str,
}

/// A content that agrees to the cent, and the account that new lines go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltContent {
    /// The content.
    pub content: DocumentContent,
    /// Account of new lines, by code or id.
    pub sales_account: String,
    /// Account of a rounding line, if there is one in the content.
    pub rounding_account: Option<String>,
    /// What the ledger will compute.
    pub totals: Totals,
}

/// Builds the content, or the question that stands in its way.
///
/// # Errors
/// A hold: a currency the organisation lacks, a closed period, no account chosen, a rate without one code, or cents that differ.
pub fn build(inputs: ContentInputs<'_>) -> Result<BuiltContent, Box<HoldDraft>> {
    let ContentInputs { rules, workspace, invoice, facts, choices, options, row, contact, url } = inputs;
    let label = rules.ledger.label();
    if !facts.currencies.contains(&invoice.currency) {
        return Err(hold(
            Question::CurrencyMissing,
            format!("{} does not have {} among its currencies.", facts.name, invoice.currency),
            vec![Choice::new("retry", format!("I have added {} in {label}: try again", invoice.currency))],
            [invoice.currency.as_str(), facts.name.as_str()],
        ));
    }
    if let Some(locked) = facts.locked_until
        && invoice.issue_date <= locked
    {
        return Err(hold(
            Question::PeriodLocked,
            format!("The invoice is dated {}, and {}'s books are closed up to {locked}.", invoice.issue_date, facts.name),
            vec![Choice::new("retry", "The period is open now: try again")],
            [invoice.issue_date.to_string().as_str(), locked.to_string().as_str()],
        ));
    }
    let sales_account = sales_account(facts, choices, label)?;
    let mut lines = Vec::with_capacity(invoice.lines.len() + 1);
    for line in &invoice.lines {
        let (rate, tax_code) = tax_of(line.tax_rate, facts, choices, row, label)?;
        let encoded = encode_line(
            PricedLine { rate, ..line.priced() },
            invoice.currency,
            rules.arithmetic.quantity_decimals,
            rules.arithmetic.unit_price_decimals,
        );
        let mut description = line.description.trim().to_owned();
        if let Some(note) = encoded.note {
            description.push(' ');
            description.push_str(&note);
        }
        lines.push(DocumentLine {
            key: Some(line.id),
            description,
            quantity: encoded.quantity,
            unit_price: encoded.unit_price,
            rate,
            tax_code,
        });
    }
    let wanted = invoice.totals(workspace.tax_rounding);
    let computed = ledger_totals(&lines, invoice, rules);
    let mut rounding_account = None;
    let mut final_totals = computed;
    if computed != wanted {
        let (line, account) = rounding_line(wanted, computed, inputs)?;
        lines.push(line);
        rounding_account = Some(account);
        final_totals = ledger_totals(&lines, invoice, rules);
    }
    let (number, reference) = match (
        options.number,
        row.answers.iter().any(|answer| answer.question == Question::NumberTaken && answer.choice == "ledger_number"),
    ) {
        (NumberPolicy::Both, false) => (Some(invoice.number.trim().to_owned()), Some(invoice.number.trim().to_owned())),
        (NumberPolicy::Both, true) | (NumberPolicy::ReferenceOnly, _) => (None, Some(invoice.number.trim().to_owned())),
        // Our number does not travel (R77), but a lost create must stay findable: the reference carries our id.
        (NumberPolicy::LedgerAssigns, _) => (None, Some(invoice.id.to_string())),
    };
    let content = DocumentContent {
        number: number.map(|text| text.chars().take(rules.number_max).collect()),
        reference: reference.map(|text| text.chars().take(rules.reference_max).collect()),
        url: url.to_owned(),
        contact: contact.to_owned(),
        currency: invoice.currency,
        issue_date: invoice.issue_date,
        due_date: invoice.due_date.unwrap_or(invoice.issue_date),
        tax_mode: invoice.tax_mode,
        lines,
    };
    Ok(BuiltContent { content, sales_account, rounding_account, totals: final_totals })
}

/// What the ledger computes of lines that are encoded for it.
#[must_use]
pub fn ledger_totals(lines: &[DocumentLine], invoice: &Invoice, rules: &LedgerRules) -> Totals {
    let priced = lines.iter().map(|line| PricedLine {
        quantity: line.quantity,
        unit_price: line.unit_price,
        discount_percent: Decimal::ZERO,
        rate: line.rate,
    });
    totals(priced, invoice.currency, invoice.tax_mode, rules.arithmetic.tax_rounding)
}

fn sales_account(facts: &Facts, choices: &Choices, label: &str) -> Result<String, Box<HoldDraft>> {
    let candidates: Vec<_> = facts.accounts_for(AccountUse::Sales).collect();
    if let Some(chosen) = &choices.sales_account
        && candidates.iter().any(|account| account.code.as_ref() == Some(chosen) || account.id == *chosen)
    {
        return Ok(chosen.clone());
    }
    let choices: Vec<Choice> = candidates
        .iter()
        .map(|account| {
            let code = account.code.as_ref().unwrap_or(&account.id);
            Choice::new(code.clone(), format!("{code} {}", account.name))
        })
        .collect();
    let detail = match (&choices.is_empty(), &facts.name) {
        (true, name) => format!("{name} has no active sales account. Add one in {label}, then try again."),
        (false, name) => format!("Which account of {name} do sales go to?"),
    };
    let ids: Vec<&str> = choices.iter().map(|choice| choice.id.as_str()).collect();
    let inputs_hash = digest(ids.iter().map(|id| id.as_bytes()));
    Err(Box::new(HoldDraft { question: Question::ChooseAccount, detail, choices, inputs_hash }))
}

fn tax_of(rate: Option<Rate>, facts: &Facts, choices: &Choices, row: &SyncRow, label: &str) -> Result<(Rate, String), Box<HoldDraft>> {
    let Some(rate) = rate else {
        // C11: a line without a rate is settled when the invoice is sent, never at push; only a code of 0% leaves our total as shown.
        let zero: Vec<Choice> = facts
            .tax_rates
            .iter()
            .filter(|candidate| candidate.on_sales && candidate.rate == Some(Rate::ZERO))
            .map(|candidate| Choice::new(candidate.code.clone(), candidate.name.clone()))
            .collect();
        let inputs_hash = digest([b"no rate".as_slice()]);
        if let Some(code) = row.answer(Question::MapTax, &inputs_hash)
            && zero.iter().any(|choice| choice.id == code)
        {
            return Ok((Rate::ZERO, code.to_owned()));
        }
        return Err(Box::new(HoldDraft {
            question: Question::MapTax,
            detail: "A line has no tax rate. Set one on the invoice, or choose the code for untaxed sales.".to_owned(),
            choices: zero,
            inputs_hash,
        }));
    };
    if !facts.pays_tax && rate == Rate::ZERO {
        return Ok((rate, String::new()));
    }
    match resolve(rate, facts, choices) {
        TaxCode::Code(code) => Ok((rate, code.to_owned())),
        TaxCode::Ask(candidates) => {
            let detail = match candidates.as_slice() {
                [] => {
                    format!("{} has no active sales tax rate of exactly {rate}%. Add one in {label}, or correct the invoice.", facts.name)
                }
                _ => format!("{} has several sales tax rates of {rate}%. Which one is it?", facts.name),
            };
            let offered =
                candidates.iter().map(|candidate| Choice::new(format!("{rate}={}", candidate.code), candidate.name.clone())).collect();
            Err(Box::new(HoldDraft {
                question: Question::MapTax,
                detail,
                choices: offered,
                inputs_hash: digest([rate.to_string().as_bytes()]),
            }))
        }
    }
}

/// C12: off by cents is a hold, or a rounding line where the connection or a person allows one.
fn rounding_line(wanted: Totals, computed: Totals, inputs: ContentInputs<'_>) -> Result<(DocumentLine, String), Box<HoldDraft>> {
    let ContentInputs { rules, invoice, facts, choices, options, row, .. } = inputs;
    let label = rules.ledger.label();
    let difference = wanted.total - computed.total;
    let inputs_hash = digest([format!("{wanted:?}{computed:?}").as_bytes()]);
    let small = difference.abs() <= Decimal::new(ROUNDING_LIMIT_MINOR, invoice.currency.minor_units()) && !difference.is_zero();
    let account = facts.accounts_for(AccountUse::Rounding).next();
    let untaxed = tax_of(Some(Rate::ZERO), facts, choices, row, label);
    let allowed = options.rounding == Rounding::Line || row.answer(Question::TotalsDiffer, &inputs_hash) == Some("line");
    if let (true, true, Some(account), Ok((rate, tax_code))) = (small, allowed, account, &untaxed) {
        let line = DocumentLine {
            key: None,
            description: "Rounding".to_owned(),
            quantity: Decimal::ONE,
            unit_price: difference,
            rate: *rate,
            tax_code: tax_code.clone(),
        };
        return Ok((line, account.code.clone().unwrap_or_else(|| account.id.clone())));
    }
    let mut offered = Vec::new();
    if small && account.is_some() && untaxed.is_ok() {
        offered.push(Choice::new("line", format!("Add a rounding line of {difference} {}", invoice.currency)));
    }
    offered.push(Choice::new("retry", "I have changed the invoice: try again"));
    Err(Box::new(HoldDraft {
        question: Question::TotalsDiffer,
        detail: format!(
            "CoPortal shows subtotal {}, tax {}, total {}; {label} would compute subtotal {}, tax {}, total {}.",
            wanted.subtotal, wanted.tax, wanted.total, computed.subtotal, computed.tax, computed.total
        ),
        choices: offered,
        inputs_hash,
    }))
}

fn hold<const N: usize>(question: Question, detail: String, choices: Vec<Choice>, inputs: [&str; N]) -> Box<HoldDraft> {
    Box::new(HoldDraft { question, detail, choices, inputs_hash: digest(inputs.iter().map(|input| input.as_bytes())) })
}
