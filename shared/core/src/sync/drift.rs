//! Drift: what somebody changed in the ledger since CoPortal last wrote or compared a document (C29). Shown, and never overwritten without a word.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::document::{DocumentStatus, RemoteDocument, RemoteLine, SentDocument, SentLine};
use crate::id::InvoiceId;
use crate::money::Currency;
use crate::sync::merge::Difference;
use crate::sync::row::SyncRow;
use crate::text::{digest, fingerprint};

/// What became of a document there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// It was voided.
    Voided,
    /// It was deleted.
    Deleted,
    /// Money or a credit that CoPortal did not send is applied to it.
    Paid,
    /// It has another number.
    Renumbered,
    /// It is another contact's: somebody billed others, or merged contacts.
    ContactChanged,
    /// Fields that CoPortal carries were changed.
    Changed,
}

impl DriftKind {
    /// Its name in records.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Voided => "voided",
            Self::Deleted => "deleted",
            Self::Paid => "paid",
            Self::Renumbered => "renumbered",
            Self::ContactChanged => "contact_changed",
            Self::Changed => "changed",
        }
    }
}

/// What differs between a document and what CoPortal last knew of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What became of it; never empty.
    pub kinds: Vec<DriftKind>,
    /// The fields that CoPortal carries, as they stand there and as they were last sent.
    pub differences: Vec<Difference>,
}

impl Drift {
    /// A document that is not there any more, and of which nothing else is told.
    #[must_use]
    pub fn deleted() -> Self {
        Self { kinds: vec![DriftKind::Deleted], differences: Vec::new() }
    }

    /// Whether the document no longer counts there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.kinds.iter().any(|kind| matches!(kind, DriftKind::Voided | DriftKind::Deleted))
    }

    /// Stands for what a person was shown of it: an answer carries it, so that it never counts for what was changed since.
    #[must_use]
    pub fn digest(&self) -> String {
        let kinds = self.kinds.iter().map(|kind| kind.as_str());
        let fields = self.differences.iter().flat_map(|change| [change.field.as_str(), &change.in_ledger, &change.to_send]);
        // The empty part ends the kinds.
        digest(kinds.chain([""]).chain(fields).map(str::as_bytes))
    }

    /// Whether CoPortal's own values could be written again: money that was applied is nothing that a write takes back.
    #[must_use]
    pub fn can_be_undone(&self) -> bool {
        self.kinds.iter().any(|kind| *kind != DriftKind::Paid)
    }
}

/// What is written down of a document that somebody changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drifted {
    /// Whose document it is.
    pub inv: InvoiceId,
    /// The ledger's id of it.
    pub external_id: String,
    /// Its number as CoPortal knows it.
    pub external_number: Option<String>,
    /// Where a person opens it.
    pub external_url: Option<String>,
    /// What became of it.
    pub kinds: Vec<DriftKind>,
    /// The fields, as they stand there and as they were last sent.
    pub differences: Vec<Difference>,
    /// The version that was compared, where the ledger has versions.
    pub version: Option<String>,
    /// When it was first seen.
    pub seen_at: Timestamp,
}

impl Drifted {
    /// What differs.
    #[must_use]
    pub fn drift(&self) -> Drift {
        Drift { kinds: self.kinds.clone(), differences: self.differences.clone() }
    }
}

/// What somebody changed of a linked document; `None` where it stands as CoPortal last left or accepted it. Work that CoPortal does not carry
/// (accounts, tracking, an approval) is the bookkeeper's own, and no drift.
#[must_use]
pub fn drift(row: &SyncRow, there: &RemoteDocument) -> Option<Drift> {
    let link = row.link.as_ref()?;
    if link.status.is_gone() || (there.version.is_some() && there.version == link.remote_version) {
        return None;
    }
    match there.status {
        DocumentStatus::Voided => return Some(Drift { kinds: vec![DriftKind::Voided], differences: Vec::new() }),
        DocumentStatus::Deleted => return Some(Drift::deleted()),
        DocumentStatus::Draft | DocumentStatus::Approved | DocumentStatus::Paid => {}
    }
    let mut kinds = Vec::new();
    let mut differences = Vec::new();
    let by_us = row.payments.iter().any(|payment| payment.external_id.is_some());
    let was_paid = link.status == DocumentStatus::Paid;
    if (there.has_payments || there.status == DocumentStatus::Paid) && !by_us && !was_paid {
        kinds.push(DriftKind::Paid);
    }
    if link.external_number.is_some() && there.number != link.external_number {
        kinds.push(DriftKind::Renumbered);
        differences.push(difference("number", there.number.as_deref(), link.external_number.as_deref()));
    }
    if let Some(sent) = &link.sent {
        if sent.contact != there.contact {
            kinds.push(DriftKind::ContactChanged);
            differences.push(difference("contact", Some(&there.contact), Some(&sent.contact)));
        }
        let before = differences.len();
        compare(sent, there, &mut differences);
        if differences.len() > before {
            kinds.push(DriftKind::Changed);
        }
    }
    (!kinds.is_empty()).then_some(Drift { kinds, differences })
}

fn difference(field: &str, in_ledger: Option<&str>, to_send: Option<&str>) -> Difference {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Difference { field: field.to_owned(), in_ledger: text(in_ledger), to_send: text(to_send) }
}

fn shown(value: Option<Decimal>) -> String {
    value.map(|value| value.normalize().to_string()).unwrap_or_default()
}

/// An amount with at least the decimals of its currency.
fn amount(value: Decimal, currency: Currency) -> String {
    let mut exact = value.normalize();
    if exact.scale() < currency.minor_units() {
        exact.rescale(currency.minor_units());
    }
    exact.to_string()
}

/// Everything that CoPortal carries, but number and contact.
fn compare(sent: &SentDocument, there: &RemoteDocument, differences: &mut Vec<Difference>) {
    let mut note = |field: &str, in_ledger: String, to_send: String| {
        if in_ledger != to_send {
            differences.push(Difference { field: field.to_owned(), in_ledger, to_send });
        }
    };
    note("reference", there.reference.clone().unwrap_or_default(), sent.reference.clone().unwrap_or_default());
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
    note("date", date(there.issue_date), sent.issue_date.to_string());
    note("due date", date(there.due_date), sent.due_date.to_string());
    note("currency", there.currency.map(|currency| currency.to_string()).unwrap_or_default(), sent.currency.to_string());
    // A ledger that left the lines out says nothing of them.
    if !there.lines.is_empty() {
        compare_lines(sent, there, &mut note);
    }
    let total =
        |totals: crate::pricing::Totals| format!("{} (tax {})", amount(totals.total, sent.currency), amount(totals.tax, sent.currency));
    note("total", total(there.totals), total(sent.totals));
}

fn compare_lines(sent: &SentDocument, there: &RemoteDocument, note: &mut impl FnMut(&str, String, String)) {
    // Posting gives every line another id in some ledgers: then ours are known again by what they say.
    let is_there = |line: &SentLine| there.lines.iter().any(|remote| remote.line_id.is_some() && remote.line_id == line.line_id);
    let renewed = (!sent.lines.iter().any(is_there)).then(|| sent.clone().with_line_ids(&there.lines));
    let sent = renewed.as_ref().unwrap_or(sent);
    for (index, line) in sent.lines.iter().enumerate() {
        let place = format!("line {}", index + 1);
        let remote = there.lines.iter().find(|remote| remote.line_id.is_some() && remote.line_id == line.line_id);
        let Some(remote) = remote else {
            note(&place, "removed".to_owned(), format!("{} x {}", shown(Some(line.quantity)), amount(line.unit_price, sent.currency)));
            continue;
        };
        // Only a fingerprint of the text that was sent is kept.
        if fingerprint(&remote.description) != line.description {
            note(&format!("{place} description"), remote.description.clone(), "as it was sent".to_owned());
        }
        note(&format!("{place} quantity"), shown(remote.quantity), shown(Some(line.quantity)));
        let price = |value: Option<Decimal>| value.map(|value| amount(value, sent.currency)).unwrap_or_default();
        note(&format!("{place} price"), price(remote.unit_price), price(Some(line.unit_price)));
        // A code of equal rate is the bookkeeper's own work (C29); another percentage is not.
        if remote.rate.is_some_and(|rate| rate != line.rate) {
            note(&format!("{place} tax"), remote.tax_code.clone().unwrap_or_default(), line.tax_code.clone());
        }
    }
    let is_ours = |remote: &&RemoteLine| sent.lines.iter().any(|line| line.line_id.is_some() && line.line_id == remote.line_id);
    for remote in there.lines.iter().filter(|remote| !is_ours(remote)) {
        // A line of text changes nothing that CoPortal shows.
        let worth = remote.worth(sent.currency);
        if !worth.is_zero() {
            note("line added", format!("{} ({})", remote.description, amount(worth, sent.currency)), String::new());
        }
    }
}
