//! The three-way comparison of an update: last sent, in the ledger now, wanted (C29, design decision 12).

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use crate::document::{DocumentLine, DocumentStatus, DocumentWrite, RemoteDocument, RemoteLine, SentDocument, SentLine, WriteLine};
use crate::facts::Facts;
use crate::ledger::LedgerRules;
use crate::money::Rate;
use crate::pricing::{PricedLine, totals};
use crate::sync::content::BuiltContent;
use crate::text::fingerprint;

/// Whose values win where both sides changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nobody has said: a conflict is a question.
    Ask,
    /// CoPortal's.
    Ours,
}

/// One field as the two sides have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field, as a person names it.
    pub field: String,
    /// What stands in the ledger.
    pub in_ledger: String,
    /// What CoPortal wants there.
    pub to_send: String,
}

/// What the comparison says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// Everything that we carry is there already.
    Same,
    /// This is to be written.
    Write {
        /// The document to write.
        write: Box<DocumentWrite>,
        /// The fields that change.
        changes: Vec<Difference>,
    },
    /// Both sides changed the same, or the result would not agree to the cent.
    Conflict(Vec<Difference>),
}

/// Compares and merges.
#[must_use]
pub fn merge(
    sent: Option<&SentDocument>,
    there: &RemoteDocument,
    wanted: &BuiltContent,
    facts: &Facts,
    rules: &LedgerRules,
    keep: Keep,
) -> Merge {
    let mut notes = Notes { keep, changes: Vec::new(), conflicts: Vec::new() };
    let content = &wanted.content;
    let number = match &content.number {
        Some(number) => notes.field("number", sent.map(|s| s.number.clone()), there.number.clone(), Some(number.clone())),
        None => there.number.clone(),
    };
    let reference = notes.field("reference", sent.map(|s| s.reference.clone()), there.reference.clone(), content.reference.clone());
    let url = notes
        .field("link to CoPortal", sent.map(|s| Some(s.url.clone())), there.url.clone(), Some(content.url.clone()))
        .unwrap_or_default();
    let contact = notes
        .field("contact", sent.map(|s| Some(s.contact.clone())), Some(there.contact.clone()), Some(content.contact.clone()))
        .unwrap_or_default();
    let issue_date =
        notes.field("date", sent.map(|s| Some(s.issue_date)), there.issue_date, Some(content.issue_date)).unwrap_or(content.issue_date);
    let due_date =
        notes.field("due date", sent.map(|s| Some(s.due_date)), there.due_date, Some(content.due_date)).unwrap_or(content.due_date);
    if there.currency != Some(content.currency) {
        notes.conflict("currency", there.currency.map(|c| c.to_string()).unwrap_or_default(), content.currency.to_string());
    }
    let untaxed = !facts.pays_tax && content.lines.iter().all(|line| line.rate == Rate::ZERO);
    let tax_mode = if untaxed {
        there.tax_mode
    } else {
        notes.field("tax mode", sent.map(|s| Some(s.tax_mode)), there.tax_mode, Some(content.tax_mode))
    };

    let lines = merge_lines(&mut notes, sent, there, wanted, facts, rules);
    if !notes.conflicts.is_empty() {
        return Merge::Conflict(notes.conflicts);
    }
    if notes.changes.is_empty() {
        return if there.totals == wanted.totals {
            Merge::Same
        } else {
            Merge::Conflict(vec![total_difference(there.totals.total, wanted.totals.total)])
        };
    }
    let write = DocumentWrite {
        external_id: Some(there.external_id.clone()),
        number,
        reference,
        url,
        contact,
        currency: content.currency,
        issue_date,
        due_date,
        tax_mode,
        status: there.status,
        native_status: Some(there.native_status.clone()),
        lines: lines.into_iter().map(|line| line.write).collect(),
    };
    Merge::Write { write: Box::new(write), changes: notes.changes }
}

/// The document to write when there is none yet.
#[must_use]
pub fn new_document(wanted: &BuiltContent, facts: &Facts, status: DocumentStatus) -> DocumentWrite {
    let content = &wanted.content;
    let untaxed = !facts.pays_tax && content.lines.iter().all(|line| line.rate == Rate::ZERO);
    DocumentWrite {
        external_id: None,
        number: content.number.clone(),
        reference: content.reference.clone(),
        url: content.url.clone(),
        contact: content.contact.clone(),
        currency: content.currency,
        issue_date: content.issue_date,
        due_date: content.due_date,
        tax_mode: (!untaxed).then_some(content.tax_mode),
        status,
        native_status: None,
        lines: content.lines.iter().map(|line| new_line(line, wanted)).collect(),
    }
}

/// Whether a document holds exactly what an intent sent: how a lost update is recognised.
#[must_use]
pub fn holds(there: &RemoteDocument, sent: &SentDocument) -> bool {
    let header = (sent.number.is_none() || there.number == sent.number)
        && there.reference == sent.reference
        && there.url.as_deref() == Some(sent.url.as_str())
        && there.contact == sent.contact
        && there.issue_date == Some(sent.issue_date)
        && there.due_date == Some(sent.due_date);
    header && there.lines.len() == sent.lines.len() && there.lines.iter().zip(&sent.lines).all(|(there, sent)| line_holds(there, sent))
}

fn line_holds(there: &RemoteLine, sent: &SentLine) -> bool {
    fingerprint(&there.description) == sent.description
        && there.quantity == Some(sent.quantity)
        && there.unit_price == Some(sent.unit_price)
}

struct Notes {
    keep: Keep,
    changes: Vec<Difference>,
    conflicts: Vec<Difference>,
}

impl Notes {
    /// One field: `base` is what was last sent (`None`: nothing was sent yet, so ours simply counts).
    fn field<T: PartialEq + ToText>(&mut self, name: &str, base: Option<Option<T>>, there: Option<T>, want: Option<T>) -> Option<T> {
        if there == want {
            return want;
        }
        let ours_moved = base.as_ref().is_none_or(|base| *base != want);
        let theirs_moved = base.as_ref().is_some_and(|base| *base != there);
        match (ours_moved, theirs_moved, self.keep) {
            // Only the bookkeeper changed it: kept.
            (false, _, Keep::Ask) => there,
            (true, true, Keep::Ask) => {
                self.conflict(name, text_of(&there), text_of(&want));
                there
            }
            (true, false, Keep::Ask) | (_, _, Keep::Ours) => {
                self.changes.push(Difference { field: name.to_owned(), in_ledger: text_of(&there), to_send: text_of(&want) });
                want
            }
        }
    }

    fn conflict(&mut self, field: &str, in_ledger: String, to_send: String) {
        self.conflicts.push(Difference { field: field.to_owned(), in_ledger, to_send });
    }

    fn change(&mut self, field: String, in_ledger: String, to_send: String) {
        self.changes.push(Difference { field, in_ledger, to_send });
    }
}

trait ToText {
    fn to_text(&self) -> String;
}

impl ToText for String {
    fn to_text(&self) -> String {
        self.clone()
    }
}

impl ToText for jiff::civil::Date {
    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl ToText for Decimal {
    fn to_text(&self) -> String {
        self.normalize().to_string()
    }
}

impl ToText for crate::invoice::TaxMode {
    fn to_text(&self) -> String {
        match self {
            Self::Exclusive => "exclusive".to_owned(),
            Self::Inclusive => "inclusive".to_owned(),
        }
    }
}

fn text_of<T: ToText>(value: &Option<T>) -> String {
    value.as_ref().map(ToText::to_text).unwrap_or_default()
}

struct MergedLine {
    write: WriteLine,
    rate: Rate,
}

fn merge_lines(
    notes: &mut Notes,
    sent: Option<&SentDocument>,
    there: &RemoteDocument,
    wanted: &BuiltContent,
    facts: &Facts,
    rules: &LedgerRules,
) -> Vec<MergedLine> {
    let Some(sent) = sent else {
        return replace_lines(notes, there, wanted);
    };
    let mut merged = Vec::with_capacity(wanted.content.lines.len());
    for (index, line) in wanted.content.lines.iter().enumerate() {
        let place = format!("line {}", index + 1);
        let base = sent.lines.iter().find(|sent| sent.key == line.key);
        let remote = base.and_then(|base| there.lines.iter().find(|remote| remote.line_id.is_some() && remote.line_id == base.line_id));
        merged.push(match (base, remote) {
            (Some(base), Some(remote)) => merge_line(notes, &place, base, remote, line, wanted, facts),
            (Some(_), None) => {
                if notes.keep == Keep::Ask {
                    notes.conflict(&place, "removed".to_owned(), line.description.clone());
                } else {
                    notes.change(place, "removed".to_owned(), line.description.clone());
                }
                MergedLine { write: new_line(line, wanted), rate: line.rate }
            }
            (None, _) => {
                notes.change(place, String::new(), line.description.clone());
                MergedLine { write: new_line(line, wanted), rate: line.rate }
            }
        });
    }
    for remote in &there.lines {
        let base = sent.lines.iter().find(|sent| sent.line_id.is_some() && sent.line_id == remote.line_id);
        match base {
            // Ours once, and no longer wanted: it goes, unless somebody worked on it there.
            Some(base) if !wanted.content.lines.iter().any(|line| line.key == base.key) => {
                if line_holds(remote, base) || notes.keep == Keep::Ours {
                    notes.change("line".to_owned(), remote.description.clone(), "removed".to_owned());
                } else {
                    notes.conflict("line", remote.description.clone(), "removed".to_owned());
                }
            }
            Some(_) => {}
            // The bookkeeper's own line: a line of text is kept; one with an amount changes the total.
            None if remote.amount.unwrap_or_default().is_zero() => merged.push(MergedLine { write: kept_line(remote), rate: Rate::ZERO }),
            None if notes.keep == Keep::Ours => notes.change("line".to_owned(), remote.description.clone(), "removed".to_owned()),
            None => notes.conflict("line", format!("{} ({})", remote.description, remote.amount.unwrap_or_default()), String::new()),
        }
    }
    if notes.conflicts.is_empty() && !notes.changes.is_empty() {
        check_totals(notes, there, wanted, &merged, rules);
    }
    merged
}

/// Keeping the bookkeeper's values must not change the total that CoPortal shows (R54, I6).
fn check_totals(notes: &mut Notes, there: &RemoteDocument, wanted: &BuiltContent, merged: &[MergedLine], rules: &LedgerRules) {
    let mode = there.tax_mode.unwrap_or(wanted.content.tax_mode);
    let priced = merged.iter().filter_map(|line| {
        Some(PricedLine {
            quantity: line.write.quantity?,
            unit_price: line.write.unit_price?,
            discount_percent: Decimal::ZERO,
            rate: line.rate,
        })
    });
    let result = totals(priced, wanted.content.currency, mode, rules.arithmetic.tax_rounding);
    if result.total != wanted.totals.total {
        let difference = total_difference(there.totals.total, wanted.totals.total);
        notes.conflicts.push(difference);
    }
}

fn total_difference(there: Decimal, wanted: Decimal) -> Difference {
    Difference { field: "total".to_owned(), in_ledger: there.to_string(), to_send: wanted.to_string() }
}

fn merge_line(
    notes: &mut Notes,
    place: &str,
    base: &SentLine,
    remote: &RemoteLine,
    line: &DocumentLine,
    wanted: &BuiltContent,
    facts: &Facts,
) -> MergedLine {
    let discounted = remote
        .amount
        .zip(remote.quantity.zip(remote.unit_price))
        .is_some_and(|(amount, (quantity, unit_price))| wanted.content.currency.round(quantity * unit_price) != amount);
    if discounted {
        if notes.keep == Keep::Ask {
            notes.conflict(&format!("{place} discount"), remote.amount.unwrap_or_default().to_string(), "none".to_owned());
        } else {
            notes.change(format!("{place} discount"), remote.amount.unwrap_or_default().to_string(), "none".to_owned());
        }
        return MergedLine { write: new_line(line, wanted), rate: line.rate };
    }
    let there_text = remote.description.clone();
    let base_text = if fingerprint(&there_text) == base.description {
        there_text.clone()
    } else if fingerprint(&line.description) == base.description {
        line.description.clone()
    } else {
        // Only its fingerprint is known, and it is neither side's text: both moved.
        String::from("\u{0}")
    };
    let description = notes
        .field(&format!("{place} description"), Some(Some(base_text)), Some(there_text), Some(line.description.clone()))
        .unwrap_or_default();
    let quantity = notes.field(&format!("{place} quantity"), Some(Some(base.quantity)), remote.quantity, Some(line.quantity));
    let unit_price = notes.field(&format!("{place} price"), Some(Some(base.unit_price)), remote.unit_price, Some(line.unit_price));
    let there_rate = remote.tax_code.as_deref().and_then(|code| facts.rate_of(code));
    // A tax code of equal rate is the bookkeeper's own work: kept (C29).
    let equal_rate = there_rate == Some(line.rate);
    let tax_code = if equal_rate {
        remote.tax_code.clone()
    } else {
        notes.field(&format!("{place} tax"), Some(Some(base.tax_code.clone())), remote.tax_code.clone(), Some(line.tax_code.clone()))
    };
    let rate = if tax_code.as_deref() == Some(line.tax_code.as_str()) || equal_rate { line.rate } else { there_rate.unwrap_or(Rate::ZERO) };
    MergedLine {
        write: WriteLine {
            key: line.key,
            line_id: remote.line_id.clone(),
            description,
            quantity,
            unit_price,
            tax_code,
            account: remote.account.clone(),
            kept: remote.kept.clone(),
        },
        rate,
    }
}

/// A document that was linked by hand: nothing was ever sent, and the user decided that CoPortal's lines count (I7).
fn replace_lines(notes: &mut Notes, there: &RemoteDocument, wanted: &BuiltContent) -> Vec<MergedLine> {
    let content = &wanted.content;
    let mut merged = Vec::with_capacity(content.lines.len());
    for (index, line) in content.lines.iter().enumerate() {
        match there.lines.get(index) {
            Some(remote) => {
                let same = fingerprint(&remote.description) == fingerprint(&line.description)
                    && remote.quantity == Some(line.quantity)
                    && remote.unit_price == Some(line.unit_price)
                    && remote.tax_code.as_deref() == Some(line.tax_code.as_str());
                if !same {
                    notes.change(format!("line {}", index + 1), remote.description.clone(), line.description.clone());
                }
                let write = WriteLine {
                    line_id: remote.line_id.clone(),
                    account: remote.account.clone().or_else(|| Some(wanted.sales_account.clone())),
                    kept: Value::Null,
                    ..new_line(line, wanted)
                };
                merged.push(MergedLine { write, rate: line.rate });
            }
            None => {
                notes.change(format!("line {}", index + 1), String::new(), line.description.clone());
                merged.push(MergedLine { write: new_line(line, wanted), rate: line.rate });
            }
        }
    }
    for remote in there.lines.iter().skip(content.lines.len()) {
        notes.change("line".to_owned(), remote.description.clone(), "removed".to_owned());
    }
    merged
}

fn new_line(line: &DocumentLine, wanted: &BuiltContent) -> WriteLine {
    let account = match line.key {
        Some(_) => Some(wanted.sales_account.clone()),
        None => wanted.rounding_account.clone(),
    };
    WriteLine {
        key: line.key,
        line_id: None,
        description: line.description.clone(),
        quantity: Some(line.quantity),
        unit_price: Some(line.unit_price),
        tax_code: (!line.tax_code.is_empty()).then(|| line.tax_code.clone()),
        account,
        kept: Value::Null,
    }
}

fn kept_line(remote: &RemoteLine) -> WriteLine {
    WriteLine {
        key: None,
        line_id: remote.line_id.clone(),
        description: remote.description.clone(),
        quantity: remote.quantity,
        unit_price: remote.unit_price,
        tax_code: remote.tax_code.clone(),
        account: remote.account.clone(),
        kept: remote.kept.clone(),
    }
}
