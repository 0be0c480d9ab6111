//! The three-way comparison of an update: last sent, in the ledger now, wanted (C29, design decision 12).

mod unread;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{
    Changeable, DocumentLine, DocumentStatus, DocumentWrite, RemoteDocument, RemoteLine, RemovedLine, SentDocument, SentLine, WriteLine,
};
use crate::facts::Facts;
use crate::invoice::TaxMode;
use crate::ledger::LedgerRules;
use crate::money::Rate;
use crate::pricing::{LedgerLine, Totals, ledger_totals, raw_tax};
use crate::sync::content::{BuiltContent, tax_method};
use crate::text::fingerprint;

pub use unread::update_unread;

/// No quantity or price of ours is as large (an invoice's stay below a thousand million), and two of them multiply without overflow.
const MOST: u64 = 1_000_000_000_000;

/// Whose values win where both sides changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nobody has said: a conflict is a question.
    Ask,
    /// CoPortal's.
    Ours,
    /// CoPortal's in every field that it carries, also in those that only the bookkeeper changed: a person has seen them, and wants them undone.
    OursThroughout,
}

/// One field as the two sides have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
///
/// [`Keep::Ours`] decides what both sides changed, and everything that the total rests on; what only the bookkeeper changed beside that
/// (a due date, a reference, a text) is kept all the same.
#[must_use]
pub fn merge(
    sent: Option<&SentDocument>,
    there: &RemoteDocument,
    wanted: &BuiltContent,
    facts: &Facts,
    rules: &LedgerRules,
    keep: Keep,
) -> Merge {
    let renewed = sent.filter(|sent| lines_are_renewed(sent, there)).map(|sent| sent.clone().with_line_ids(&there.lines));
    let sent = renewed.as_ref().or(sent);
    use Stake::{Label, Money};
    let mut notes = Notes { keep, changes: Vec::new(), conflicts: Vec::new() };
    let content = &wanted.content;
    let number = match &content.number {
        Some(number) => notes.field("number", Label, sent.map(|s| s.number.clone()), there.number.clone(), Some(number.clone())),
        None => there.number.clone(),
    };
    let reference = notes.field("reference", Label, sent.map(|s| s.reference.clone()), there.reference.clone(), content.reference.clone());
    // The owner's mark is ours alone: each write carries it, so that a lost one comes back. Its loss by itself is no reason to write.
    let mark_moved = sent.is_none_or(|sent| sent.url != content.url);
    if mark_moved && there.url.as_deref().unwrap_or_default() != content.url {
        notes.change("link to CoPortal".to_owned(), there.url.clone().unwrap_or_default(), content.url.clone());
    }
    let contact = notes
        .field("contact", Label, sent.map(|s| Some(s.contact.clone())), Some(there.contact.clone()), Some(content.contact.clone()))
        .unwrap_or_default();
    let issue_date = notes
        .field("date", Label, sent.map(|s| Some(s.issue_date)), there.issue_date, Some(content.issue_date))
        .unwrap_or(content.issue_date);
    let due_date =
        notes.field("due date", Label, sent.map(|s| Some(s.due_date)), there.due_date, Some(content.due_date)).unwrap_or(content.due_date);
    if there.currency != Some(content.currency) {
        let in_ledger = there.currency.map(|c| c.to_string()).unwrap_or_default();
        notes.clash("currency".to_owned(), in_ledger, content.currency.to_string());
    }
    let untaxed = !facts.pays_tax && content.lines.iter().all(|line| line.rate == Rate::ZERO);
    let tax_mode = if untaxed {
        there.tax_mode
    } else {
        notes.field("tax mode", Money, sent.map(|s| Some(s.tax_mode)), there.tax_mode, Some(content.tax_mode))
    };

    let lines = match sent {
        Some(sent) => merge_lines(&mut notes, sent, there, wanted, facts),
        None => replace_lines(&mut notes, there, wanted, facts),
    };
    let total = |in_ledger: Totals| Difference {
        field: "total".to_owned(),
        in_ledger: in_ledger.total.to_string(),
        to_send: format!("{} (tax {})", wanted.totals.total, wanted.totals.tax),
    };
    if notes.conflicts.is_empty() && notes.changes.is_empty() {
        match (there.totals == wanted.totals, keep) {
            (true, _) => return Merge::Same,
            // Every field is as it should be and the sum is not: a tax amount typed over. Writing the lines again has it computed anew.
            (false, Keep::Ours | Keep::OursThroughout) => notes.changes.push(total(there.totals)),
            (false, Keep::Ask) => notes.conflicts.push(total(there.totals)),
        }
    } else if notes.conflicts.is_empty() && sent.is_some_and(|sent| tax_typed_over(sent, there, facts)) {
        // Writing anything has the tax computed anew: what somebody typed over it would be lost in silence.
        notes.clash("tax".to_owned(), there.totals.tax.to_string(), wanted.totals.tax.to_string());
    }
    if notes.conflicts.is_empty() && !notes.changes.is_empty() && totals_of(&lines, wanted, tax_mode, facts, rules) != wanted.totals {
        // Keeping the bookkeeper's values must not change the totals that CoPortal shows (R54, I6).
        notes.conflicts.push(total(there.totals));
    }
    if !notes.conflicts.is_empty() {
        return Merge::Conflict(notes.conflicts);
    }
    let write = DocumentWrite {
        external_id: Some(there.external_id.clone()),
        number,
        reference,
        url: content.url.clone(),
        contact,
        currency: content.currency,
        issue_date,
        due_date,
        tax_mode,
        status: there.status,
        native_status: Some(there.native_status.clone()),
        removed: removed(&there.lines, &lines),
        lines: lines.into_iter().map(|line| line.write).collect(),
        version: there.version.clone(),
        totals: wanted.totals,
        kept: there.kept.clone(),
    };
    Merge::Write { write: Box::new(write), changes: notes.changes }
}

/// Whether posting gave every line another id: then ours are known again by what they say. A ledger that takes the due date alone afterwards
/// keeps posted documents apart from drafts, so that none of the ids can be there any more.
fn lines_are_renewed(sent: &SentDocument, there: &RemoteDocument) -> bool {
    let is_there = |id: &String| there.lines.iter().any(|line| line.line_id.as_ref() == Some(id));
    let mut known = sent.lines.iter().filter_map(|line| line.line_id.as_ref()).peekable();
    there.changeable == Changeable::DueDate && known.peek().is_some() && !known.any(is_there)
}

/// Whether the document's tax is another one than was sent although every line says what was sent.
fn tax_typed_over(sent: &SentDocument, there: &RemoteDocument, facts: &Facts) -> bool {
    let as_it_was = |line: &SentLine| {
        let remote = there.lines.iter().find(|remote| remote.line_id.is_some() && remote.line_id == line.line_id);
        remote.is_some_and(|remote| {
            let same_code = remote.tax_code.as_deref().unwrap_or_default() == line.tax_code;
            // A ledger that was left to apply a rate of its own, and applied another, has typed nothing over.
            let other_rate = remote.rate.is_some_and(|rate| rate != line.rate);
            line.costs_what(remote) && !other_rate && (same_code || rate_there(remote, facts) == Some(line.rate))
        })
    };
    // What the lines come to, which a tax that is typed over leaves alone: with prices that contain it, the total.
    let lines_of = |totals: Totals| if sent.tax_mode == TaxMode::Inclusive { totals.total } else { totals.subtotal };
    sent.totals.tax != there.totals.tax
        && lines_of(sent.totals) == lines_of(there.totals)
        && there.tax_mode.is_some()
        && there.tax_mode == Some(sent.tax_mode)
        && sent.lines.iter().all(as_it_was)
}

fn removed(there: &[RemoteLine], lines: &[MergedLine]) -> Vec<RemovedLine> {
    let stays = |id: &String| lines.iter().any(|line| line.write.line_id.as_ref() == Some(id));
    there
        .iter()
        .filter_map(|line| {
            let line_id = line.line_id.clone().filter(|id| !stays(id))?;
            Some(RemovedLine { line_id, kept: line.kept.clone() })
        })
        .collect()
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
        removed: Vec::new(),
        version: None,
        totals: wanted.totals,
        kept: Value::Null,
    }
}

/// Whether a document is exactly what was sent, with nothing of anybody else's on it: no other item of a line either, and no other tax code,
/// be it of an equal rate. Only then may an update rest on what was sent.
#[must_use]
pub fn as_sent(there: &RemoteDocument, sent: &SentDocument) -> bool {
    let on_ours = |(there, line): (&RemoteLine, &SentLine)| line.tax_code.is_empty() || there.tax_code.as_ref() == Some(&line.tax_code);
    holds(there, sent)
        && there.kept.is_null()
        && there.lines.iter().all(|line| line.kept.is_null())
        && there.lines.iter().zip(&sent.lines).all(on_ours)
}

/// Whether a document holds exactly what an intent sent: how a lost update is recognised. Tax, totals and items count: an update that changes
/// nothing but a rate or an item must not be taken for done. Where the bookkeeper's item was kept, one that was done is not recognised either,
/// and is compared anew.
#[must_use]
pub fn holds(there: &RemoteDocument, sent: &SentDocument) -> bool {
    let header = (sent.number.is_none() || there.number == sent.number)
        && there.reference == sent.reference
        && there.url.as_deref().unwrap_or_default() == sent.url
        && there.contact == sent.contact
        && there.currency == Some(sent.currency)
        && there.issue_date == Some(sent.issue_date)
        && there.due_date == Some(sent.due_date)
        && there.tax_mode.is_none_or(|mode| mode == sent.tax_mode)
        && there.totals == sent.totals;
    header
        && there.lines.len() == sent.lines.len()
        && there.lines.iter().zip(&sent.lines).all(|(there, line)| line_holds(there, line, sent))
}

fn line_holds(there: &RemoteLine, line: &SentLine, sent: &SentDocument) -> bool {
    // A code of equal rate may have been kept (C29): then the line's tax is what was sent, to the cent.
    let same_code = there.tax_code.as_deref().unwrap_or_default() == line.tax_code;
    let amount = sent.currency.round(line.quantity * line.unit_price);
    let expected = line.tax.unwrap_or_else(|| sent.currency.round(raw_tax(amount, line.rate, sent.tax_mode)));
    let same_tax = there.tax == Some(expected) || there.rate == Some(line.rate);
    let same_item = line.item.is_none() || line.item == there.account;
    line.says_what(there) && same_item && (same_code || same_tax)
}

/// What a field decides: who may keep it when a person says "ours".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stake {
    /// The document's face.
    Label,
    /// Its total.
    Money,
}

struct Notes {
    keep: Keep,
    changes: Vec<Difference>,
    conflicts: Vec<Difference>,
}

impl Notes {
    /// One field: `base` is what was last sent (`None`: nothing was sent yet, so ours simply counts).
    fn field<T: PartialEq + ToText>(
        &mut self,
        name: &str,
        stake: Stake,
        base: Option<Option<T>>,
        there: Option<T>,
        want: Option<T>,
    ) -> Option<T> {
        if there == want {
            return want;
        }
        let ours_moved = base.as_ref().is_none_or(|base| *base != want);
        let theirs_moved = base.as_ref().is_some_and(|base| *base != there);
        match (ours_moved, theirs_moved, self.keep, stake) {
            // Only the bookkeeper changed it: kept.
            (false, _, Keep::Ask, _) | (false, _, Keep::Ours, Stake::Label) => there,
            (_, _, Keep::OursThroughout, _) => {
                self.change(name.to_owned(), text_of(&there), text_of(&want));
                want
            }
            (true, true, Keep::Ask, _) => {
                self.conflict(name.to_owned(), text_of(&there), text_of(&want));
                there
            }
            (true, false, Keep::Ask, _) | (true, _, Keep::Ours, _) | (false, _, Keep::Ours, Stake::Money) => {
                self.change(name.to_owned(), text_of(&there), text_of(&want));
                want
            }
        }
    }

    /// What cannot stand beside CoPortal's own: a question, or ours where a person said so.
    fn clash(&mut self, field: String, in_ledger: String, to_send: String) {
        match self.keep {
            Keep::Ask => self.conflict(field, in_ledger, to_send),
            Keep::Ours | Keep::OursThroughout => self.change(field, in_ledger, to_send),
        }
    }

    fn conflict(&mut self, field: String, in_ledger: String, to_send: String) {
        self.conflicts.push(Difference { field, in_ledger, to_send });
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

impl ToText for TaxMode {
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

/// A line of the merged document. `rate` is absent on a line that adds nothing to the total.
struct MergedLine {
    write: WriteLine,
    rate: Option<Rate>,
}

impl MergedLine {
    fn ours(line: &DocumentLine, wanted: &BuiltContent) -> Self {
        Self { write: new_line(line, wanted), rate: Some(line.rate) }
    }
}

fn merge_lines(notes: &mut Notes, sent: &SentDocument, there: &RemoteDocument, wanted: &BuiltContent, facts: &Facts) -> Vec<MergedLine> {
    let content = &wanted.content;
    let mut merged = Vec::with_capacity(content.lines.len());
    for (index, line) in content.lines.iter().enumerate() {
        let place = format!("line {}", index + 1);
        let base = sent.lines.iter().find(|sent| sent.key == line.key);
        let remote = base.and_then(|base| there.lines.iter().find(|remote| remote.line_id.is_some() && remote.line_id == base.line_id));
        merged.push(match (base, remote) {
            (Some(base), Some(remote)) => merge_line(notes, &place, base, remote, line, wanted, facts),
            (Some(_), None) => {
                notes.clash(place, "removed".to_owned(), line.description.clone());
                MergedLine::ours(line, wanted)
            }
            (None, _) => {
                notes.change(place, String::new(), line.description.clone());
                MergedLine::ours(line, wanted)
            }
        });
    }
    let mut kept = Vec::new();
    for (position, remote) in there.lines.iter().enumerate() {
        let base = sent.lines.iter().find(|sent| sent.line_id.is_some() && sent.line_id == remote.line_id);
        match base {
            // Ours once, and no longer wanted: it goes, unless somebody worked on it there.
            Some(base) if !content.lines.iter().any(|line| line.key == base.key) => {
                if base.says_what(remote) {
                    notes.change("line".to_owned(), remote.description.clone(), "removed".to_owned());
                } else {
                    notes.clash("line".to_owned(), remote.description.clone(), "removed".to_owned());
                }
            }
            Some(_) => {}
            // The bookkeeper's own line: a line of text is kept; one with an amount changes the total.
            None => {
                let worth = remote.worth(content.currency);
                if worth.is_zero() {
                    kept.push((position, MergedLine { write: kept_line(remote), rate: None }));
                } else {
                    notes.clash("line".to_owned(), format!("{} ({worth})", remote.description), "none".to_owned());
                }
            }
        }
    }
    arrange(notes, sent, there, merged, kept)
}

/// Puts the lines in order: CoPortal's, unless only the bookkeeper changed it; the bookkeeper's own lines stay below the line that they
/// stood below.
fn arrange(
    notes: &mut Notes,
    sent: &SentDocument,
    there: &RemoteDocument,
    mut merged: Vec<MergedLine>,
    kept: Vec<(usize, MergedLine)>,
) -> Vec<MergedLine> {
    let place_there = |id: &Option<String>| there.lines.iter().position(|line| line.line_id.is_some() && line.line_id == *id);
    let place_sent = |id: &Option<String>| sent.lines.iter().position(|line| line.line_id.is_some() && line.line_id == *id);
    let ascending = |places: Vec<usize>| places.is_sorted();
    let ours_moved = !ascending(merged.iter().filter_map(|line| place_sent(&line.write.line_id)).collect());
    let theirs_moved = !ascending(sent.lines.iter().filter_map(|line| place_there(&line.line_id)).collect());
    let ours_counts = (ours_moved && !theirs_moved) || (theirs_moved && notes.keep == Keep::OursThroughout);
    let agree = ascending(merged.iter().filter_map(|line| place_there(&line.write.line_id)).collect());
    if ours_counts {
        notes.change("order of lines".to_owned(), String::new(), String::new());
    } else if ours_moved && theirs_moved && !agree {
        let in_order = |texts: Vec<&str>| texts.join(", ");
        let in_ledger = in_order(there.lines.iter().map(|line| line.description.as_str()).collect());
        let to_send = in_order(merged.iter().map(|line| line.write.description.as_str()).collect());
        notes.clash("order of lines".to_owned(), in_ledger, to_send);
    } else if theirs_moved && !ours_moved {
        let mut last = 0;
        let mut placed: Vec<(usize, MergedLine)> = Vec::with_capacity(merged.len());
        for line in merged {
            // A new line stays below the one that it follows here.
            last = place_there(&line.write.line_id).unwrap_or(last);
            placed.push((last, line));
        }
        placed.sort_by_key(|(place, _)| *place);
        merged = placed.into_iter().map(|(_, line)| line).collect();
    }
    for (position, line) in kept {
        let above = there
            .lines
            .iter()
            .take(position)
            .rev()
            .find_map(|above| merged.iter().position(|line| line.write.line_id.is_some() && line.write.line_id == above.line_id));
        merged.insert(above.map_or(0, |above| above + 1), line);
    }
    merged
}

/// What the ledger will compute of merged lines.
fn totals_of(lines: &[MergedLine], wanted: &BuiltContent, mode: Option<TaxMode>, facts: &Facts, rules: &LedgerRules) -> Totals {
    let lines = lines.iter().filter_map(|line| {
        Some(LedgerLine {
            quantity: line.write.quantity?,
            unit_price: line.write.unit_price?,
            // Without a tax mode the document carries no tax, whatever its lines say.
            rate: line.rate.map(|rate| if mode.is_some() { rate } else { Rate::ZERO })?,
            tax_code: line.write.tax_code.as_deref().unwrap_or_default(),
            tax: line.write.tax,
            parts: if mode.is_some() { facts.parts_of(line.write.tax_code.as_deref().unwrap_or_default()) } else { &[] },
        })
    });
    ledger_totals(lines, wanted.content.currency, mode.unwrap_or(TaxMode::Exclusive), &rules.arithmetic, tax_method(facts, rules))
}

/// Whether a line has a quantity and a price; a line of text, a discount or a bare amount has not.
fn has_figures(remote: &RemoteLine) -> bool {
    remote.quantity.is_some() && remote.unit_price.is_some()
}

/// A line whose figures cannot be handed back as ours: discounted there, or too large to be true (a vendor's answer is not trusted).
fn reckoned_otherwise(remote: &RemoteLine, wanted: &BuiltContent) -> bool {
    let limit = Decimal::from(MOST);
    if [remote.quantity, remote.unit_price].into_iter().flatten().any(|figure| figure.abs() >= limit) {
        return true;
    }
    // Some ledgers keep two decimals in every currency.
    let comes_to =
        |amount: Decimal, plain: Decimal| [wanted.content.currency.round(plain), crate::money::round(plain, 2)].contains(&amount);
    remote
        .amount
        .zip(remote.quantity.zip(remote.unit_price))
        .is_some_and(|(amount, (quantity, unit_price))| !comes_to(amount, quantity * unit_price))
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
    use Stake::{Label, Money};
    if reckoned_otherwise(remote, wanted) {
        let own = wanted.content.currency.round(line.quantity * line.unit_price);
        notes.clash(format!("{place} discount"), remote.worth(wanted.content.currency).to_string(), own.to_string());
        // As a new line, so that the discount does not stay on it; the account is the bookkeeper's.
        let mut ours = MergedLine::ours(line, wanted);
        ours.write.account = remote.account.clone().or(ours.write.account);
        return ours;
    }
    let own = line.quantity * line.unit_price;
    if !has_figures(remote) && !own.is_zero() {
        // Made a line of text or of a bare amount there: nothing of ours can be put onto it.
        let in_ledger = format!("{} ({})", remote.description, remote.worth(wanted.content.currency));
        notes.clash(place.to_owned(), in_ledger, format!("{} ({})", line.description, wanted.content.currency.round(own)));
        return MergedLine::ours(line, wanted);
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
        .field(&format!("{place} description"), Label, Some(Some(base_text)), Some(there_text), Some(line.description.clone()))
        .unwrap_or_default();
    let quantity = notes.field(&format!("{place} quantity"), Money, Some(Some(base.quantity)), remote.quantity, Some(line.quantity));
    let unit_price = notes.field(&format!("{place} price"), Money, Some(Some(base.unit_price)), remote.unit_price, Some(line.unit_price));
    let there_rate = rate_there(remote, facts);
    // The tax that a ledger is told is a figure of its own: typed over there, it is the bookkeeper's.
    let tax = match (line.tax, remote.tax) {
        (Some(ours), Some(theirs)) => notes.field(&format!("{place} tax amount"), Money, base.tax.map(Some), Some(theirs), Some(ours)),
        (ours, _) => ours,
    };
    // A tax code of equal rate is the bookkeeper's own work (C29), and where CoPortal names none, the one that the ledger chose stays.
    let wanted_code = code_of(&line.tax_code).or_else(|| code_of(&base.tax_code));
    let tax_code = if there_rate == Some(line.rate) || wanted_code.is_none() {
        remote.tax_code.clone()
    } else {
        notes.field(&format!("{place} tax"), Money, Some(code_of(&base.tax_code)), remote.tax_code.clone(), wanted_code.clone())
    };
    // The ledger's own choice counts where it is put back; where it stands already, the percentage that it has there does. Where CoPortal names
    // no code and the ledger no percentage, nothing says that it is another one.
    let is_named = tax_code.is_some() && tax_code == code_of(&line.tax_code);
    let is_restored = tax_code != remote.tax_code && tax_code == wanted_code;
    let unsaid = line.tax_code.is_empty() && there_rate.is_none();
    let is_ours = there_rate == Some(line.rate) || unsaid || is_named || is_restored;
    let account = account_of(notes, place, base, remote, line);
    MergedLine {
        write: WriteLine {
            key: line.key,
            line_id: remote.line_id.clone(),
            description,
            quantity,
            unit_price,
            tax_code,
            account,
            rate: Some(line.rate),
            tax,
            kept: remote.kept.clone(),
        },
        rate: Some(if is_ours { line.rate } else { there_rate.unwrap_or(Rate::ZERO) }),
    }
}

/// The account is the bookkeeper's (C29); so is an item, unless CoPortal ties the line to another one than it did (C13).
fn account_of(notes: &mut Notes, place: &str, base: &SentLine, remote: &RemoteLine, line: &DocumentLine) -> Option<String> {
    if line.item.is_none() || base.item.is_none() {
        return remote.account.clone();
    }
    notes.field(&format!("{place} item"), Stake::Label, Some(base.item.clone()), remote.account.clone(), line.item.clone())
}

/// The rate of a line there: the ledger's own figure, else its code's.
fn rate_there(remote: &RemoteLine, facts: &Facts) -> Option<Rate> {
    remote.rate.or_else(|| remote.tax_code.as_deref().and_then(|code| facts.rate_of(code)))
}

/// No code is an absent one, never an empty one.
fn code_of(code: &str) -> Option<String> {
    (!code.is_empty()).then(|| code.to_owned())
}

/// A document that was linked by hand: nothing was ever sent, and the user decided that CoPortal's lines count (I7). What CoPortal does
/// not carry stays on each line all the same (C29). A line is known again by what it says; those that are left are taken in order, and one
/// without a quantity is never written over: it goes.
fn replace_lines(notes: &mut Notes, there: &RemoteDocument, wanted: &BuiltContent, facts: &Facts) -> Vec<MergedLine> {
    let content = &wanted.content;
    let known = SentDocument::of(content, wanted.totals).with_line_ids(&there.lines);
    let is_known = |remote: &&RemoteLine| known.lines.iter().any(|line| line.line_id.is_some() && line.line_id == remote.line_id);
    let mut left = there.lines.iter().filter(|remote| has_figures(remote) && !is_known(remote));
    let mut taken: Vec<&RemoteLine> = Vec::with_capacity(there.lines.len());
    let mut merged = Vec::with_capacity(content.lines.len());
    for (index, (line, known)) in content.lines.iter().zip(&known.lines).enumerate() {
        let mut ours = MergedLine::ours(line, wanted);
        let place = format!("line {}", index + 1);
        let same_line = |remote: &&RemoteLine| known.line_id.is_some() && remote.line_id == known.line_id && has_figures(remote);
        let Some(remote) = there.lines.iter().find(same_line).or_else(|| left.next()) else {
            notes.change(place, String::new(), line.description.clone());
            merged.push(ours);
            continue;
        };
        taken.push(remote);
        ours.write.account = remote.account.clone().or(ours.write.account);
        let otherwise = reckoned_otherwise(remote, wanted);
        if !otherwise {
            ours.write.line_id.clone_from(&remote.line_id);
            ours.write.kept.clone_from(&remote.kept);
        }
        let equal_rate = rate_there(remote, facts) == Some(line.rate);
        if equal_rate {
            ours.write.tax_code.clone_from(&remote.tax_code);
        }
        let same = !otherwise
            && remote.description == line.description
            && remote.quantity == Some(line.quantity)
            && remote.unit_price == Some(line.unit_price)
            && remote.tax_code == ours.write.tax_code;
        if !same {
            notes.change(place, remote.description.clone(), line.description.clone());
        }
        merged.push(ours);
    }
    for remote in there.lines.iter().filter(|remote| !taken.iter().any(|known| std::ptr::eq(*known, *remote))) {
        notes.change("line".to_owned(), remote.description.clone(), "removed".to_owned());
    }
    merged
}

fn new_line(line: &DocumentLine, wanted: &BuiltContent) -> WriteLine {
    let account = match (&line.item, line.key) {
        (Some(item), _) => Some(item.clone()),
        (None, Some(_)) => Some(wanted.sales_account.clone()),
        (None, None) => wanted.rounding_account.clone(),
    };
    WriteLine {
        key: line.key,
        line_id: None,
        description: line.description.clone(),
        quantity: Some(line.quantity),
        unit_price: Some(line.unit_price),
        tax_code: code_of(&line.tax_code),
        account,
        rate: Some(line.rate),
        tax: line.tax,
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
        rate: remote.rate,
        tax: remote.tax,
        kept: remote.kept.clone(),
    }
}
