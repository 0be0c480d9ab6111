//! What the ledger's document should say: built from the invoice, checked to the cent before anything is sent (C6, C11, C12, R143).

use rust_decimal::Decimal;

use crate::choices::{Choices, product_key};
use crate::connection::{ItemPolicy, NumberPolicy, Options, Rounding};
use crate::document::{DocumentContent, DocumentLine, RemoteDocument, RemoteLine, SentDocument, SentLine};
use crate::facts::{AccountUse, Facts};
use crate::failure::Question;
use crate::invoice::{Invoice, TaxMode};
use crate::ledger::{InclusivePrices, LedgerRules, LineTarget, TaxCodes, TaxMethod};
use crate::money::{Currency, Rate};
use crate::pricing::{LedgerLine, PricedLine, Totals, encode_amount, ledger_totals, line_taxes, raw_tax, taken_tax};
use crate::sync::HoldDraft;
use crate::sync::row::{Choice, SyncRow};
use crate::tax::{TaxCode, resolve};
use crate::text::{capitals, digest};
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
    let ContentInputs { rules, invoice, facts, choices, .. } = inputs;
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
    let account = match rules.line_target {
        LineTarget::Account => Some(sales_account(facts, choices, label)?),
        LineTarget::Item => None,
    };
    let Priced { content, rounding_account, totals } = price(inputs, Items::MustServe)?;
    // Lines that are tied to items have the item's account.
    let sales_account = account.unwrap_or_default();
    Ok(BuiltContent { content, sales_account, rounding_account, totals })
}

/// The hash that the content would have, whatever stands in the way of writing it: a period that was closed or an account that went away
/// after the document was written is no reason to ask anybody about a document that needs no write. `None` while a rate has no code or
/// the cents differ, which the content itself rests on.
#[must_use]
pub fn hash_of(inputs: ContentInputs<'_>) -> Option<String> {
    price(inputs, Items::AsChosen).ok().map(|priced| priced.content.hash())
}

struct Priced {
    content: DocumentContent,
    rounding_account: Option<String>,
    totals: Totals,
}

/// Whether a chosen item must still be one of the organisation's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Items {
    /// For a write.
    MustServe,
    /// For the hash alone: an item that went away is no reason to ask about a document that needs no write.
    AsChosen,
}

fn price(inputs: ContentInputs<'_>, items: Items) -> Result<Priced, Box<HoldDraft>> {
    let ContentInputs { rules, workspace, invoice, facts, contact, url, .. } = inputs;
    let mut lines = Vec::with_capacity(invoice.lines.len() + 1);
    let taxed = invoice.lines.iter().map(|line| tax_of(line.tax_rate, inputs)).collect::<Result<Vec<_>, _>>()?;
    one_code(&taxed, facts, rules.ledger.label())?;
    let priced: Vec<PricedLine> =
        invoice.lines.iter().zip(&taxed).map(|(line, (rate, _))| PricedLine { rate: *rate, ..line.priced() }).collect();
    let taxes = line_taxes(&priced, invoice.currency, invoice.tax_mode, workspace.tax_rounding);
    let told = tax_method(facts, rules) == TaxMethod::Given;
    let sent_net = invoice.tax_mode == TaxMode::Inclusive && rules.arithmetic.inclusive == InclusivePrices::SentNet;
    let tax_mode = if sent_net { TaxMode::Exclusive } else { invoice.tax_mode };
    for (((line, (rate, tax_code)), priced), tax) in invoice.lines.iter().zip(taxed).zip(priced).zip(taxes) {
        let amount = priced.amount(invoice.currency) - if sent_net { tax } else { Decimal::ZERO };
        let arithmetic = &rules.arithmetic;
        let places = arithmetic.decimals(invoice.currency);
        let encoded = encode_amount(priced, amount, places, arithmetic.quantity_decimals, arithmetic.unit_price_decimals);
        lines.push(DocumentLine {
            key: Some(line.id),
            description: line_text(&line.description, encoded.note.as_deref(), rules.description_max),
            quantity: encoded.quantity,
            unit_price: encoded.unit_price,
            rate,
            tax_code,
            item: item_of(&line.description, inputs, items)?,
            tax: told.then(|| {
                let own = raw_tax(arithmetic.round(amount, invoice.currency), rate, tax_mode);
                taken_tax(tax, own, invoice.lines.len(), invoice.currency, arithmetic).normalize()
            }),
        });
    }
    let wanted = invoice.totals(workspace.tax_rounding);
    let computed = totals_in_ledger(&lines, invoice.currency, tax_mode, facts, rules);
    let mut rounding_account = None;
    let mut final_totals = computed;
    if computed != wanted
        && let Some((line, account)) = bridge(&lines, wanted, computed, tax_mode, inputs)?
    {
        lines.push(line);
        rounding_account = Some(account);
        final_totals = totals_in_ledger(&lines, invoice.currency, tax_mode, facts, rules);
    }
    let (number, reference) = names(inputs);
    let content = DocumentContent {
        number: number.map(|text| shortened(&text, rules.number_max)),
        reference: Some(shortened(&reference, rules.reference_max)),
        url: url.to_owned(),
        contact: contact.to_owned(),
        currency: invoice.currency,
        issue_date: invoice.issue_date,
        due_date: invoice.due_date.unwrap_or(invoice.issue_date),
        tax_mode,
        lines,
    };
    Ok(Priced { content, rounding_account, totals: final_totals })
}

/// A line's text as a ledger keeps it: one kind of line break, no other control characters, and short enough to take the note whole.
fn line_text(description: &str, note: Option<&str>, max: usize) -> String {
    let plain = description.replace("\r\n", "\n").replace('\r', "\n");
    let plain: String = plain.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    let tail = note.map(|note| format!(" {note}")).unwrap_or_default();
    let room = max.saturating_sub(tail.chars().count());
    let head: String = plain.trim().chars().take(room).collect();
    format!("{}{tail}", head.trim_end())
}

/// Number and reference (C6). A ledger, or an organisation, that numbers its documents itself has our number as the reference.
fn names(inputs: ContentInputs<'_>) -> (Option<String>, String) {
    let ContentInputs { rules, invoice, facts, options, row, .. } = inputs;
    let ours = || invoice.number.trim().to_owned();
    let elsewhere = row.answers.iter().any(|answer| answer.question == Question::NumberTaken && answer.choice == "ledger_number");
    let (number, reference) = match (options.number, rules.carries_number && !facts.assigns_numbers, elsewhere) {
        (NumberPolicy::Both, true, false) => (Some(ours()), ours()),
        (NumberPolicy::Both | NumberPolicy::ReferenceOnly, true, _) | (NumberPolicy::Both | NumberPolicy::ReferenceOnly, false, false) => {
            (None, ours())
        }
        // Our number does not travel (R77), or is on another document: a lost create must stay findable all the same.
        (NumberPolicy::Both | NumberPolicy::ReferenceOnly, false, true) | (NumberPolicy::LedgerAssigns, _, _) => {
            (None, invoice.id.to_string())
        }
    };
    (number, if rules.reference_in_capitals { capitals(&reference) } else { reference })
}

/// As much of a name as the ledger keeps, without the blank that may have come to its end: a ledger drops that, and a look for the name
/// would miss its document.
fn shortened(name: &str, max: usize) -> String {
    let kept: String = name.chars().take(max).collect();
    kept.trim_end().to_owned()
}

/// Where the organisation rounds tax.
#[must_use]
pub fn tax_method(facts: &Facts, rules: &LedgerRules) -> TaxMethod {
    facts.tax_method.unwrap_or(rules.arithmetic.tax)
}

/// What the ledger computes of lines that are encoded for it.
#[must_use]
pub fn totals_in_ledger(lines: &[DocumentLine], currency: Currency, mode: TaxMode, facts: &Facts, rules: &LedgerRules) -> Totals {
    let lines = lines.iter().map(|line| LedgerLine {
        quantity: line.quantity,
        unit_price: line.unit_price,
        rate: line.rate,
        tax_code: &line.tax_code,
        tax: line.tax,
        parts: facts.parts_of(&line.tax_code),
    });
    ledger_totals(lines, currency, mode, &rules.arithmetic, tax_method(facts, rules))
}

/// An organisation whose documents have one tax code for all taxed lines takes no second rate.
fn one_code(taxed: &[(Rate, String)], facts: &Facts, label: &str) -> Result<(), Box<HoldDraft>> {
    let mut codes: Vec<&(Rate, String)> = taxed.iter().filter(|(rate, _)| *rate != Rate::ZERO).collect();
    codes.sort_unstable();
    codes.dedup();
    if !facts.one_tax_code || codes.len() < 2 {
        return Ok(());
    }
    let rates: Vec<String> = codes.iter().map(|(rate, _)| format!("{rate}%")).collect();
    Err(hold(
        Question::MapTax,
        format!("{} taxes all lines of a document at one rate, and this invoice has {}.", facts.name, rates.join(" and ")),
        vec![Choice::new("retry", format!("I have changed the invoice, or made one rate of them in {label}: try again"))],
        [rates.join(",").as_str()],
    ))
}

/// The item that a line is tied to (C13): the default sales item, or by the table of products.
fn item_of(description: &str, inputs: ContentInputs<'_>, items: Items) -> Result<Option<String>, Box<HoldDraft>> {
    let ContentInputs { rules, facts, choices, options, .. } = inputs;
    if rules.line_target != LineTarget::Item {
        return Ok(None);
    }
    let product = product_key(description);
    let chosen = match options.item {
        ItemPolicy::DefaultService => choices.sales_item.as_ref(),
        ItemPolicy::Mapped => choices.item_map.get(&product),
    };
    let serves = |chosen: &&String| items == Items::AsChosen || facts.items.iter().any(|item| item.id == **chosen);
    if let Some(item) = chosen.filter(serves) {
        return Ok(Some(item.clone()));
    }
    let prefix = match options.item {
        ItemPolicy::DefaultService => String::new(),
        ItemPolicy::Mapped => format!("{product}="),
    };
    let mut offered: Vec<Choice> = facts.items.iter().map(|item| Choice::new(format!("{prefix}{}", item.id), item.name.clone())).collect();
    let label = rules.ledger.label();
    let detail = match (offered.is_empty(), options.item) {
        (true, _) => format!("{} has no active service item to tie sales lines to. Add one in {label}, then try again.", facts.name),
        (false, ItemPolicy::DefaultService) => format!("Which item of {} are sales lines tied to?", facts.name),
        (false, ItemPolicy::Mapped) => format!("Which item of {} is \"{}\"?", facts.name, description.trim()),
    };
    let ids: Vec<String> = offered.iter().map(|choice| choice.id.clone()).collect();
    if offered.is_empty() {
        offered.push(Choice::new("retry", "I have added one: try again"));
    }
    let inputs_hash = digest(std::iter::once(product.as_bytes()).chain(ids.iter().map(String::as_bytes)));
    Err(Box::new(HoldDraft { question: Question::ChooseItem, detail, choices: offered, inputs_hash }))
}

/// A ledger that publishes no percentages was left to apply its own: the line that came back must have the invoice's (C11). The question
/// offers the organisation's codes; the answer is stored for the rate.
#[must_use]
pub fn tax_applied(sent: &SentDocument, there: &RemoteDocument, facts: &Facts, label: &str) -> Option<HoldDraft> {
    let applied = |line: &SentLine| {
        let rate = line_there(line, there)?.rate;
        rate.filter(|rate| *rate != line.rate).map(|rate| (line.rate, rate))
    };
    sent.lines.iter().find_map(applied).map(|(wanted, applied)| which_code(wanted, applied, facts, label))
}

/// The same before an update: a line of the draft has another percentage than the invoice, and no code was chosen since that would change
/// it. A code that somebody changed there is no such question: the comparison asks about it (C29).
#[must_use]
pub fn tax_unanswered(
    sent: &SentDocument,
    there: &RemoteDocument,
    wanted: &DocumentContent,
    facts: &Facts,
    label: &str,
) -> Option<HoldDraft> {
    let unanswered = |line: &DocumentLine| {
        let base = sent.lines.iter().find(|base| base.key == line.key)?;
        let remote = line_there(base, there)?;
        let moved = !base.tax_code.is_empty() && remote.tax_code.as_ref() != Some(&base.tax_code);
        let tried = line.tax_code.is_empty() || remote.tax_code.as_ref() == Some(&line.tax_code);
        remote.rate.filter(|rate| tried && !moved && *rate != line.rate).map(|rate| (line.rate, rate))
    };
    wanted.lines.iter().find_map(unanswered).map(|(wanted, applied)| which_code(wanted, applied, facts, label))
}

fn line_there<'a>(line: &SentLine, there: &'a RemoteDocument) -> Option<&'a RemoteLine> {
    there.lines.iter().find(|remote| remote.line_id.is_some() && remote.line_id == line.line_id)
}

fn which_code(wanted: Rate, applied: Rate, facts: &Facts, label: &str) -> HoldDraft {
    let mut offered: Vec<Choice> =
        facts.tax_rates.iter().map(|code| Choice::new(format!("{wanted}={}", code.code), code.name.clone())).collect();
    offered.push(Choice::new("retry", format!("I have corrected the tax set-up in {label}: compare again")));
    HoldDraft {
        question: Question::MapTax,
        detail: format!(
            "{label} applied {applied}% to a line that has {wanted}% here. Which of its tax groups stands for {wanted}%? The document stays \
             a draft until they agree."
        ),
        choices: offered,
        inputs_hash: digest([wanted.to_string().as_bytes(), applied.to_string().as_bytes()]),
    }
}

fn sales_account(facts: &Facts, choices: &Choices, label: &str) -> Result<String, Box<HoldDraft>> {
    let candidates: Vec<_> = facts.accounts_for(AccountUse::Sales).collect();
    if let Some(chosen) = &choices.sales_account
        && candidates.iter().any(|account| account.code.as_ref() == Some(chosen) || account.id == *chosen)
    {
        return Ok(chosen.clone());
    }
    let mut choices: Vec<Choice> = candidates
        .iter()
        .map(|account| {
            // Where accounts go by their ids, the name alone says which it is.
            let label = account.code.as_ref().map_or_else(|| account.name.clone(), |code| format!("{code} {}", account.name));
            Choice::new(account.code.as_ref().unwrap_or(&account.id).clone(), label)
        })
        .collect();
    let detail = match (&choices.is_empty(), &facts.name) {
        (true, name) => format!("{name} has no active sales account. Add one in {label}, then try again."),
        (false, name) => format!("Which account of {name} do sales go to?"),
    };
    let ids: Vec<&str> = choices.iter().map(|choice| choice.id.as_str()).collect();
    let inputs_hash = digest(ids.iter().map(|id| id.as_bytes()));
    if choices.is_empty() {
        choices.push(Choice::new("retry", "I have added one: try again"));
    }
    Err(Box::new(HoldDraft { question: Question::ChooseAccount, detail, choices, inputs_hash }))
}

fn tax_of(rate: Option<Rate>, inputs: ContentInputs<'_>) -> Result<(Rate, String), Box<HoldDraft>> {
    let ContentInputs { rules, facts, choices, .. } = inputs;
    if !facts.pays_tax && rate.is_none_or(|rate| rate == Rate::ZERO) {
        return Ok((Rate::ZERO, String::new()));
    }
    if rules.tax_codes == TaxCodes::Checked {
        // What the ledger makes of it is checked on the line that comes back.
        let rate = rate.unwrap_or(Rate::ZERO);
        let chosen = choices.tax_map.get(&rate).filter(|chosen| facts.tax_rates.iter().any(|code| code.code == **chosen));
        return Ok((rate, chosen.cloned().unwrap_or_default()));
    }
    let Some(rate) = rate else { return untaxed_line(inputs) };
    match resolve(rate, facts, choices) {
        TaxCode::Code(code) => Ok((rate, code.to_owned())),
        TaxCode::Ask(candidates) => {
            let label = rules.ledger.label();
            let detail = match candidates.as_slice() {
                [] => {
                    format!("{} has no active sales tax rate of exactly {rate}%. Add one in {label}, or correct the invoice.", facts.name)
                }
                _ => format!("{} has several sales tax rates of {rate}%. Which one is it?", facts.name),
            };
            let mut offered: Vec<Choice> =
                candidates.iter().map(|candidate| Choice::new(format!("{rate}={}", candidate.code), candidate.name.clone())).collect();
            if offered.is_empty() {
                offered.push(Choice::new("retry", format!("There is a rate of {rate}% now: try again")));
            }
            Err(Box::new(HoldDraft {
                question: Question::MapTax,
                detail,
                choices: offered,
                inputs_hash: digest([rate.to_string().as_bytes()]),
            }))
        }
    }
}

/// C11: a line without a rate is settled when the invoice is sent, never at push; only a code of 0% leaves our total as shown.
fn untaxed_line(inputs: ContentInputs<'_>) -> Result<(Rate, String), Box<HoldDraft>> {
    let ContentInputs { invoice, facts, row, .. } = inputs;
    let mut zero: Vec<Choice> = facts
        .tax_rates
        .iter()
        .filter(|candidate| candidate.on_sales && candidate.rate == Some(Rate::ZERO))
        .map(|candidate| Choice::new(candidate.code.clone(), candidate.name.clone()))
        .collect();
    // An answer covers the lines that it was asked about, and no line that came later.
    let lines: Vec<String> = invoice.lines.iter().filter(|line| line.tax_rate.is_none()).map(|line| line.id.to_string()).collect();
    let inputs_hash = digest(std::iter::once(b"no rate".as_slice()).chain(lines.iter().map(String::as_bytes)));
    if let Some(code) = row.answer(Question::MapTax, &inputs_hash)
        && zero.iter().any(|choice| choice.id == code)
    {
        return Ok((Rate::ZERO, code.to_owned()));
    }
    if zero.is_empty() {
        zero.push(Choice::new("retry", "I have set a rate, or added a code of 0%: try again"));
    }
    Err(Box::new(HoldDraft {
        question: Question::MapTax,
        detail: "A line has no tax rate. Set one on the invoice, or choose the code for untaxed sales.".to_owned(),
        choices: zero,
        inputs_hash,
    }))
}

/// C12: off by cents is a hold, or a rounding line where the connection or a person allows one. `None`: a person accepted that the
/// ledger splits an equal total into other net and tax.
fn bridge(
    lines: &[DocumentLine],
    wanted: Totals,
    computed: Totals,
    tax_mode: TaxMode,
    inputs: ContentInputs<'_>,
) -> Result<Option<(DocumentLine, String)>, Box<HoldDraft>> {
    let ContentInputs { rules, invoice, facts, options, row, .. } = inputs;
    let label = rules.ledger.label();
    let difference = (wanted.total - computed.total).normalize();
    let limit = Decimal::new(ROUNDING_LIMIT_MINOR, invoice.currency.minor_units());
    let figures = |totals: Totals| [totals.subtotal, totals.tax, totals.total].map(|figure| figure.normalize().to_string());
    let inputs_hash = digest(figures(wanted).iter().chain(&figures(computed)).map(String::as_bytes));
    let answer = row.answer(Question::TotalsDiffer, &inputs_hash);
    let mut offered = Vec::new();
    if difference.is_zero() {
        // A rounding line cannot move a cent between net and tax. The total is as shown (I6), so a person may accept the split.
        if (wanted.tax - computed.tax).abs() <= limit {
            if answer == Some("accept_split") {
                return Ok(None);
            }
            offered
                .push(Choice::new("accept_split", format!("Push it: the total is the same, {label} shows {} of it as tax", computed.tax)));
        }
    } else if let (true, Some((account, item))) = (difference.abs() <= limit, rounding_target(lines, facts)) {
        if options.rounding == Rounding::Line || answer == Some("line") {
            // Several codes of 0%, or none, is a question of its own.
            let (rate, tax_code) = tax_of(Some(Rate::ZERO), inputs)?;
            let line = DocumentLine {
                key: None,
                description: "Rounding".to_owned(),
                quantity: Decimal::ONE,
                unit_price: difference,
                rate,
                tax_code,
                item,
                tax: (tax_method(facts, rules) == TaxMethod::Given).then_some(Decimal::ZERO),
            };
            let with_line: Vec<DocumentLine> = lines.iter().chain(std::iter::once(&line)).cloned().collect();
            if totals_in_ledger(&with_line, invoice.currency, tax_mode, facts, rules).total == wanted.total {
                return Ok(Some((line, account)));
            }
        } else {
            offered.push(Choice::new("line", format!("Add a rounding line of {difference} {}", invoice.currency)));
        }
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

/// Where a rounding line goes: the organisation's rounding account, or the item of a line where lines are tied to items.
fn rounding_target(lines: &[DocumentLine], facts: &Facts) -> Option<(String, Option<String>)> {
    if let Some(item) = lines.iter().find_map(|line| line.item.clone()) {
        return Some((item.clone(), Some(item)));
    }
    facts.accounts_for(AccountUse::Rounding).next().map(|account| (account.code.clone().unwrap_or_else(|| account.id.clone()), None))
}

fn hold<const N: usize>(question: Question, detail: String, choices: Vec<Choice>, inputs: [&str; N]) -> Box<HoldDraft> {
    Box::new(HoldDraft { question, detail, choices, inputs_hash: digest(inputs.iter().map(|input| input.as_bytes())) })
}
