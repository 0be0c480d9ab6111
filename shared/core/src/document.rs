//! The neutral shape of a ledger's sales document: what CoPortal wants there, what was sent, what is there now.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::LineId;
use crate::invoice::TaxMode;
use crate::money::{Currency, Rate};
use crate::pricing::Totals;

/// Where a document stands in its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    /// A draft (Xero `DRAFT`, `SUBMITTED`).
    Draft,
    /// Approved, awaiting payment (Xero `AUTHORISED`).
    Approved,
    /// Paid in full.
    Paid,
    /// Voided; terminal.
    Voided,
    /// Deleted; terminal.
    Deleted,
}

impl DocumentStatus {
    /// Whether the document no longer counts.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Voided | Self::Deleted)
    }
}

/// What a ledger still lets anybody change of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changeable {
    /// Everything.
    #[default]
    All,
    /// The due date alone (a posted document of Business Central).
    DueDate,
    /// Nothing: reconciled, reported to the tax office, or in a closed year.
    Nothing,
}

/// How a document is taken out of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// It stays, void.
    Void,
    /// It goes, where the ledger lets it; else it is voided.
    Delete,
}

/// One line as CoPortal wants it in a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentLine {
    /// Our line; `None` for a rounding line that the user allowed.
    pub key: Option<LineId>,
    /// Text.
    pub description: String,
    /// Units, in decimals that the ledger keeps.
    pub quantity: Decimal,
    /// Price of a unit, discount included.
    pub unit_price: Decimal,
    /// Rate of tax.
    pub rate: Rate,
    /// The ledger's code for that rate.
    pub tax_code: String,
    /// The item it is tied to, where the ledger has items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The line's tax, where the ledger is told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Decimal>,
}

/// The content CoPortal wants in a ledger's document. Its digest is the content hash: accounts, tracking and the like are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentContent {
    /// Document number, where ours is carried over.
    pub number: Option<String>,
    /// Reference.
    pub reference: Option<String>,
    /// The invoice's page in CoPortal: the owner's mark.
    pub url: String,
    /// The ledger's id of the contact.
    pub contact: String,
    /// Currency.
    pub currency: Currency,
    /// Date of issue.
    pub issue_date: Date,
    /// Due date: the invoice's own, or the date of issue where it has none and the ledger wants one.
    pub due_date: Date,
    /// Whether prices contain tax.
    pub tax_mode: TaxMode,
    /// Lines.
    pub lines: Vec<DocumentLine>,
}

impl DocumentContent {
    /// SHA-256 over the canonical JSON of the content.
    ///
    /// Field order is the declaration's; decimals are normalised by the builder. A change of shape changes the hash and costs one
    /// update that changes nothing.
    #[must_use]
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        crate::text::digest([canonical.as_slice()])
    }
}

/// A line as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteLine {
    /// The ledger's id of the line.
    pub line_id: Option<String>,
    /// Text.
    pub description: String,
    /// Units; absent on a line of text only.
    pub quantity: Option<Decimal>,
    /// Price of a unit.
    pub unit_price: Option<Decimal>,
    /// Tax code.
    pub tax_code: Option<String>,
    /// Account, by code or id.
    pub account: Option<String>,
    /// The line's amount as the ledger computes it.
    pub amount: Option<Decimal>,
    /// The line's tax as the ledger computes it.
    pub tax: Option<Decimal>,
    /// The percentage that the ledger applied, where it says so.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Fields that CoPortal does not carry and must hand back unchanged on an update (tracking, item, discount), in the vendor's names.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub kept: Value,
}

impl RemoteLine {
    /// What the line adds to the document: the ledger's figure, else quantity times price.
    #[must_use]
    pub fn worth(&self, currency: Currency) -> Decimal {
        self.amount.unwrap_or_else(|| {
            let (quantity, unit_price) = (self.quantity.unwrap_or_default(), self.unit_price.unwrap_or_default());
            // A vendor's figures are not trusted to be small.
            quantity.checked_mul(unit_price).map_or(Decimal::MAX, |amount| currency.round(amount))
        })
    }
}

/// A document as read from a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteDocument {
    /// The ledger's id of it.
    pub external_id: String,
    /// Its number.
    pub number: Option<String>,
    /// Its reference.
    pub reference: Option<String>,
    /// Its link back to CoPortal: the owner's mark.
    pub url: Option<String>,
    /// The contact.
    pub contact: String,
    /// Currency; `None` when the ledger names one that CoPortal does not know.
    pub currency: Option<Currency>,
    /// Date of issue.
    pub issue_date: Option<Date>,
    /// Due date.
    pub due_date: Option<Date>,
    /// Whether prices contain tax; `None` when the document carries no tax at all.
    pub tax_mode: Option<TaxMode>,
    /// Where it stands.
    pub status: DocumentStatus,
    /// The ledger's own word for that, to be handed back on an update (Xero `SUBMITTED` stays `SUBMITTED`).
    pub native_status: String,
    /// Lines; empty when the ledger left them out.
    pub lines: Vec<RemoteLine>,
    /// Totals as the ledger computes them.
    pub totals: Totals,
    /// Payments or credits are allocated to it.
    pub has_payments: bool,
    /// The ledger's version mark (Xero `UpdatedDateUTC`, QuickBooks `SyncToken`, an etag).
    pub version: Option<String>,
    /// What is still open of it, in its currency; `None` when the ledger does not say.
    #[serde(default)]
    pub balance: Option<Decimal>,
    /// When it was made there.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// What may still be changed.
    #[serde(default)]
    pub changeable: Changeable,
    /// Fields of the document that CoPortal does not carry and must hand back on an update, in the vendor's names.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub kept: Value,
}

/// A line as it was last sent, compact: long text by fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentLine {
    /// Our line.
    pub key: Option<LineId>,
    /// The ledger's id of it.
    pub line_id: Option<String>,
    /// Fingerprint of the text.
    pub description: String,
    /// Units.
    pub quantity: Decimal,
    /// Price of a unit.
    pub unit_price: Decimal,
    /// Rate of tax.
    pub rate: Rate,
    /// Tax code.
    pub tax_code: String,
    /// Its tax, where the ledger was told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Decimal>,
    /// The item that CoPortal tied it to, where the ledger has items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Account or item that it stands on in the ledger, once its answer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// A document as it was last sent: the base of the three-way comparison (C29).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentDocument {
    /// Number.
    pub number: Option<String>,
    /// Reference.
    pub reference: Option<String>,
    /// Owner's mark.
    pub url: String,
    /// Contact.
    pub contact: String,
    /// Currency.
    pub currency: Currency,
    /// Date of issue.
    pub issue_date: Date,
    /// Due date.
    pub due_date: Date,
    /// Whether prices contain tax.
    pub tax_mode: TaxMode,
    /// Totals that the ledger must have answered with.
    pub totals: Totals,
    /// Lines, in order.
    pub lines: Vec<SentLine>,
    /// Documents of this invoice that were gone already when this one was created: none of them is what came of the create.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_before: Vec<String>,
}

impl SentDocument {
    /// What is remembered of a content once it was sent; line ids follow from the ledger's answer.
    #[must_use]
    pub fn of(content: &DocumentContent, totals: Totals) -> Self {
        Self {
            number: content.number.clone(),
            reference: content.reference.clone(),
            url: content.url.clone(),
            contact: content.contact.clone(),
            currency: content.currency,
            issue_date: content.issue_date,
            due_date: content.due_date,
            tax_mode: content.tax_mode,
            totals,
            lines: content
                .lines
                .iter()
                .map(|line| SentLine {
                    key: line.key,
                    line_id: None,
                    description: crate::text::fingerprint(&line.description),
                    quantity: line.quantity,
                    unit_price: line.unit_price,
                    rate: line.rate,
                    tax_code: line.tax_code.clone(),
                    tax: line.tax,
                    item: line.item.clone(),
                    account: None,
                })
                .collect(),
            gone_before: Vec::new(),
        }
    }

    /// Takes over the ids of our lines that a write or an earlier sync knew already.
    #[must_use]
    pub fn with_known_ids<'a>(mut self, known: impl IntoIterator<Item = (Option<LineId>, Option<&'a String>)>) -> Self {
        for (key, line_id) in known {
            if let Some(line) = self.lines.iter_mut().find(|line| line.key == key && line.line_id.is_none()) {
                line.line_id = line_id.cloned();
            }
        }
        self
    }

    /// Takes over the ledger's line ids. An id that is known already stays while the ledger still has that line; other lines are found
    /// by what they say, then by text, then by quantity and price, last by their place. Never by the place first: a line of text that the bookkeeper put
    /// on top must not be taken for ours.
    #[must_use]
    pub fn with_line_ids(self, remote: &[RemoteLine]) -> Self {
        let mut sent = self.with_ids_of(remote);
        for line in sent.lines.iter_mut().filter(|line| line.line_id.is_some()) {
            let Some(there) = remote.iter().find(|there| there.line_id == line.line_id) else { continue };
            line.account.clone_from(&there.account);
            // Where no code was sent, the ledger's own choice is what a later comparison starts from.
            if line.tax_code.is_empty() {
                line.tax_code = there.tax_code.clone().unwrap_or_default();
            }
        }
        sent
    }

    fn with_ids_of(mut self, remote: &[RemoteLine]) -> Self {
        let mut free: Vec<Option<&RemoteLine>> = remote.iter().map(|line| line.line_id.is_some().then_some(line)).collect();
        for line in &mut self.lines {
            let known = line.line_id.take();
            line.line_id = known.filter(|id| take_line(&mut free, |there| there.line_id.as_ref() == Some(id)).is_some());
        }
        let says = |line: &SentLine, there: &RemoteLine| line.says_what(there);
        let costs = |line: &SentLine, there: &RemoteLine| line.costs_what(there);
        let reads = |line: &SentLine, there: &RemoteLine| crate::text::fingerprint(&there.description) == line.description;
        let texts: Vec<String> = self.lines.iter().map(|line| line.description.clone()).collect();
        let may_be_ours = |there: &RemoteLine| {
            let amount = !there.worth(self.currency).is_zero();
            there.quantity.is_some() && (amount || texts.contains(&crate::text::fingerprint(&there.description)))
        };
        for fits in [&says as &dyn Fn(&SentLine, &RemoteLine) -> bool, &reads, &costs] {
            // In its own place first, so that equal lines keep their order: its place among the lines that are left, since a line that is known
            // already or one without an amount, as a bookkeeper may add it, can stand above it.
            let left = free.iter_mut().filter(|slot| slot.is_some_and(&may_be_ours));
            for (line, slot) in self.lines.iter_mut().filter(|line| line.line_id.is_none()).zip(left) {
                if slot.is_some_and(|there| fits(line, there)) {
                    line.line_id = slot.take().and_then(|there| there.line_id.clone());
                }
            }
            for line in self.lines.iter_mut().filter(|line| line.line_id.is_none()) {
                line.line_id = take_line(&mut free, |there| fits(line, there)).and_then(|there| there.line_id.clone());
            }
        }
        // What was changed beyond recognition, where there is exactly one place left for each.
        let left: Vec<&RemoteLine> = free.into_iter().flatten().filter(|there| there.quantity.is_some()).collect();
        let lost: Vec<&mut SentLine> = self.lines.iter_mut().filter(|line| line.line_id.is_none()).collect();
        if left.len() == lost.len() {
            for (line, there) in lost.into_iter().zip(left) {
                line.line_id.clone_from(&there.line_id);
            }
        }
        self
    }
}

fn take_line<'a>(free: &mut [Option<&'a RemoteLine>], fits: impl Fn(&RemoteLine) -> bool) -> Option<&'a RemoteLine> {
    free.iter_mut().find(|slot| slot.is_some_and(&fits)).and_then(Option::take)
}

impl SentLine {
    /// Whether a line of the ledger has the text, quantity and price that were sent.
    #[must_use]
    pub fn says_what(&self, there: &RemoteLine) -> bool {
        crate::text::fingerprint(&there.description) == self.description && self.costs_what(there)
    }

    /// Whether a line of the ledger has the quantity and price that were sent.
    #[must_use]
    pub fn costs_what(&self, there: &RemoteLine) -> bool {
        there.quantity == Some(self.quantity) && there.unit_price == Some(self.unit_price)
    }
}

/// A line to write: what CoPortal wants, and what is kept from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteLine {
    /// Our line; `None` for a rounding line or one of the bookkeeper's.
    pub key: Option<LineId>,
    /// The ledger's id, so that an update changes this line and makes no other (Xero: an omitted id deletes the line).
    pub line_id: Option<String>,
    /// Text.
    pub description: String,
    /// Units.
    pub quantity: Option<Decimal>,
    /// Price of a unit.
    pub unit_price: Option<Decimal>,
    /// Tax code.
    pub tax_code: Option<String>,
    /// Account, by code or id; the item, where the ledger ties lines to items.
    pub account: Option<String>,
    /// Rate of tax, where CoPortal knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The line's tax, where the ledger is told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Decimal>,
    /// Fields handed back unchanged.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub kept: Value,
}

/// A line that an update takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedLine {
    /// The ledger's id of it.
    pub line_id: String,
    /// What was read with it, in the vendor's names; null where the document was not read.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub kept: Value,
}

/// A complete document to write: a create, or an update of the document `external_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentWrite {
    /// The document to update; `None` creates.
    pub external_id: Option<String>,
    /// Number; `None` leaves it to the ledger, or as it is.
    pub number: Option<String>,
    /// Reference.
    pub reference: Option<String>,
    /// Owner's mark.
    pub url: String,
    /// Contact.
    pub contact: String,
    /// Currency.
    pub currency: Currency,
    /// Date of issue.
    pub issue_date: Date,
    /// Due date.
    pub due_date: Date,
    /// Whether prices contain tax; `None` when the organisation is not registered for tax.
    pub tax_mode: Option<TaxMode>,
    /// State to create in, or to leave it in.
    pub status: DocumentStatus,
    /// The ledger's own word to hand back, on an update.
    pub native_status: Option<String>,
    /// Lines, in order: all that the document is to have.
    pub lines: Vec<WriteLine>,
    /// Lines of the ledger that are to go, for ledgers that want to be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RemovedLine>,
    /// The version that the update rests on, where the ledger guards versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the ledger must come to.
    #[serde(default)]
    pub totals: Totals,
    /// Fields of the document handed back unchanged.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub kept: Value,
}

/// A payment to record in a ledger against a document (C1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentWrite {
    /// Our mark on it: at most 20 letters, digits and hyphens, unique for the payment.
    pub mark: String,
    /// The document that it pays.
    pub document: String,
    /// The document's number, for people.
    pub document_number: Option<String>,
    /// Who pays: the ledger's id of the contact.
    pub contact: String,
    /// How much, in the document's currency.
    pub amount: Decimal,
    /// The document's currency.
    pub currency: Currency,
    /// When it was received.
    pub date: Date,
    /// The account it goes to, by code or id.
    pub account: String,
    /// Text for people.
    pub text: String,
}

/// A payment as it stands in a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemotePayment {
    /// The ledger's id of it.
    pub external_id: String,
    /// Our mark on it.
    pub mark: Option<String>,
    /// How much of it is applied to the document.
    pub amount: Decimal,
    /// When.
    pub date: Option<Date>,
}

/// What has been paid of a document, and what has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// What is still open.
    pub balance: Decimal,
    /// Whose document it is there now, where a payment has to name them: a bookkeeper bills others, and merges contacts.
    #[serde(default)]
    pub contact: Option<String>,
    /// Payments applied to it, or left there for the bookkeeper to post.
    pub payments: Vec<RemotePayment>,
}
