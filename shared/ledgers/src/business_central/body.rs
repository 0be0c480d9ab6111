//! Bodies of writes to sales invoices and payments, as intents store them: pure, and the same bytes for the same write. They are envelopes
//! of CoPortal's own: a write takes several requests, and their addresses follow from the organisation when they are sent.

use coportal_core::document::{DocumentStatus, DocumentWrite, PaymentWrite, RemoteDocument, WriteLine};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::document::{DESCRIPTION2, DISCOUNT, LINE_TYPE, LOCATION, UNIT, VARIANT};
use super::profile::BATCH_MAX;
use super::sequence::{LineRef, Placed, of_new, place};
use super::version::Version;
use super::wire::{HeaderBody, LineBody, PaymentBody};
use crate::json::{self, WireDecimal};

/// A create: the header's request, then one for each line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Create {
    pub(super) header: Option<Box<RawValue>>,
    pub(super) lines: Vec<NewLine>,
}

impl Create {
    /// Lines that are not there yet: known by their sequence.
    pub(super) fn missing(&self, there: &RemoteDocument) -> Vec<&NewLine> {
        let written: Vec<u32> =
            there.lines.iter().filter_map(|line| line.line_id.as_deref().and_then(LineRef::read)).map(|line| line.sequence).collect();
        self.lines.iter().filter(|line| !written.contains(&line.sequence)).collect()
    }
}

/// Calls that are counted for so many requests sent together: one goes alone, more go in a batch that counts as well.
fn together(requests: usize) -> usize {
    if requests > 1 { requests.saturating_add(1) } else { requests }
}

/// Calls of a create, to its end: the header, the lines that are missing, and the reading of what came of them. 1 for a body that is none.
pub(super) fn create_calls(body: &[u8], begun: Option<&RemoteDocument>) -> usize {
    let Ok(create) = serde_json::from_slice::<Create>(body) else { return 1 };
    let lines = begun.map_or(create.lines.len(), |there| create.missing(there).len());
    usize::from(begun.is_none()).saturating_add(together(lines.min(BATCH_MAX))).saturating_add(1)
}

/// Calls of an update: its requests, and the reading of what came of them. 1 for a body that is none.
pub(super) fn update_calls(body: &[u8]) -> usize {
    let Ok(update) = serde_json::from_slice::<Update>(body) else { return 1 };
    together(update.requests.len()).saturating_add(1)
}

/// A line to make.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewLine {
    pub(super) sequence: u32,
    pub(super) line: Option<Box<RawValue>>,
}

/// An update: its requests in order; the first names the header's version and so guards them all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Update {
    /// The document holds prices that contain tax, and the lines here are net: it must not be sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_gross: bool,
    pub(super) requests: Vec<Change>,
}

/// One request of an update.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) method: String,
    /// Below the invoice: empty for its header.
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) if_match: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Box<RawValue>>,
}

/// How a document leaves the books.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Void {
    /// A draft is deleted. The answer is empty: the document as it stood is what is told of it.
    Delete {
        /// The header's version.
        if_match: Option<String>,
        /// The document.
        there: Box<RemoteDocument>,
    },
    /// A posted one is cancelled by a credit memo.
    Cancel {},
}

/// A payment to leave in a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payment {
    /// The journal's id.
    pub(super) journal: String,
    /// The line.
    pub(super) payment: Option<Box<RawValue>>,
}

/// The body of an invoice's create or update.
pub(super) fn document_body(write: &DocumentWrite) -> Vec<u8> {
    if write.external_id.is_none() { json::bytes(&create(write)) } else { json::bytes(&update(write)) }
}

fn create(write: &DocumentWrite) -> Create {
    let header = HeaderBody {
        customer_id: Some(&write.contact),
        currency_code: Some(write.currency.as_str()),
        external_document_number: write.reference.as_deref(),
        customer_purchase_order_reference: Some(write.url.as_str()).filter(|mark| !mark.is_empty()),
        invoice_date: Some(write.issue_date),
        posting_date: Some(write.issue_date),
        due_date: Some(write.due_date),
    };
    let line = |(index, line): (usize, &WriteLine)| NewLine { sequence: of_new(index), line: new_line(line, of_new(index)) };
    Create { header: to_raw_value(&header).ok(), lines: write.lines.iter().enumerate().map(line).collect() }
}

fn update(write: &DocumentWrite) -> Update {
    let rests_on = write.version.as_deref().and_then(Version::read);
    let header = Change {
        method: "PATCH".to_owned(),
        path: String::new(),
        if_match: rests_on.as_ref().map(|version| version.etag.clone()),
        body: to_raw_value(&header_changes(write, rests_on.as_ref())).ok(),
    };
    let mut requests = vec![header];
    if write.status == DocumentStatus::Draft {
        requests.extend(line_changes(write));
    }
    let is_gross = write.status == DocumentStatus::Draft && rests_on.is_some_and(|version| version.is_gross);
    Update { is_gross, requests }
}

/// A change of the header that changes nothing: our own two marks again, for a later part of an update to carry its version in.
pub(super) fn marks_of(header: &Change) -> Option<Box<RawValue>> {
    const MARKS: [&str; 2] = ["externalDocumentNumber", "customerPurchaseOrderReference"];
    let fields: serde_json::Map<String, Value> =
        header.body.as_deref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let marks: serde_json::Map<String, Value> = fields.into_iter().filter(|(name, _)| MARKS.contains(&name.as_str())).collect();
    to_raw_value(&marks).ok()
}

/// Only what changes, and always our own two marks: what is sent again is validated again, which may end in a question that nobody is there
/// to answer. After posting nothing but the due date may be named.
fn header_changes<'a>(write: &'a DocumentWrite, rests_on: Option<&Version>) -> HeaderBody<'a> {
    let due_date = Some(write.due_date).filter(|date| rests_on.and_then(|version| version.due_date) != Some(*date));
    if write.status != DocumentStatus::Draft {
        return HeaderBody { due_date: Some(write.due_date), ..HeaderBody::default() };
    }
    let issue_date = Some(write.issue_date).filter(|date| rests_on.and_then(|version| version.issue_date) != Some(*date));
    HeaderBody {
        customer_id: Some(write.contact.as_str()).filter(|contact| rests_on.is_none_or(|version| version.contact != *contact)),
        currency_code: Some(write.currency)
            .filter(|currency| rests_on.is_none_or(|version| version.currency != Some(*currency)))
            .map(|_| write.currency.as_str()),
        external_document_number: write.reference.as_deref(),
        customer_purchase_order_reference: Some(write.url.as_str()).filter(|mark| !mark.is_empty()),
        invoice_date: issue_date,
        // The bookkeeper may have moved the posting date by itself: it follows the date of issue only where that moves.
        posting_date: issue_date,
        // A new date of issue would move the due date by the payment terms.
        due_date: if issue_date.is_some() { Some(write.due_date) } else { due_date },
    }
}

/// Lines that go, then lines that change, then lines that are made.
fn line_changes(write: &DocumentWrite) -> Vec<Change> {
    let reference = |line: &WriteLine| line.line_id.as_deref().and_then(LineRef::read);
    let places: Vec<Option<LineRef>> = write.lines.iter().map(reference).collect();
    let placed = place(&places);
    let change = |method: &str, id: Option<Uuid>, body: Option<Box<RawValue>>| Change {
        method: method.to_owned(),
        path: id.map_or_else(|| "/salesInvoiceLines".to_owned(), |id| format!("/salesInvoiceLines({id})")),
        // The header's version stands for its lines: any change to one of them makes it another.
        if_match: id.map(|_| "*".to_owned()),
        body,
    };
    let gone = write.removed.iter().filter_map(|removed| LineRef::read(&removed.line_id));
    let moved = placed.iter().filter_map(|placed| match placed {
        Placed::Made { instead_of, .. } => *instead_of,
        Placed::Stays(_) => None,
    });
    let mut changes: Vec<Change> = gone.chain(moved).map(|line| change("DELETE", Some(line.id), None)).collect();
    for (line, placed) in write.lines.iter().zip(&placed) {
        // A text of the bookkeeper's own stays as it is.
        if let Placed::Stays(there) = placed
            && !(line.key.is_none() && line.quantity.is_none())
        {
            changes.push(change("PATCH", Some(there.id), changed_line(line)));
        }
    }
    for (line, placed) in write.lines.iter().zip(&placed) {
        if let Placed::Made { sequence, .. } = placed {
            changes.push(change("POST", None, new_line(line, *sequence)));
        }
    }
    changes
}

/// A line that is there: what it is tied to cannot be changed, and need not be named (section 5).
fn changed_line(line: &WriteLine) -> Option<Box<RawValue>> {
    let body = LineBody {
        sequence: None,
        line_type: None,
        line_object_number: None,
        account_id: None,
        item_variant_id: None,
        location_id: None,
        unit_of_measure_code: None,
        description: &line.description,
        description2: None,
        tax_code: line.tax_code.as_deref(),
        quantity: line.quantity.map(WireDecimal),
        unit_price: line.unit_price.map(WireDecimal),
        discount_percent: None,
    };
    to_raw_value(&body).ok()
}

fn new_line(line: &WriteLine, sequence: u32) -> Option<Box<RawValue>> {
    let is_text = line.quantity.is_none() && line.unit_price.is_none();
    let kept_type = line.kept.get(LINE_TYPE).and_then(Value::as_str).and_then(|raw| serde_json::from_str::<String>(raw).ok());
    // A line with a text only would become an item: the type is always named.
    let kind = kept_type.as_deref().unwrap_or(if is_text { "Comment" } else { "Account" });
    // Numbers have at most 20 characters, so a GUID can only be an id.
    let is_id = line.account.as_deref().is_some_and(|account| Uuid::try_parse(account).is_ok());
    let body = LineBody {
        sequence: Some(sequence),
        line_type: Some(kind),
        line_object_number: line.account.as_deref().filter(|_| !is_id),
        account_id: line.account.as_deref().filter(|_| is_id),
        item_variant_id: json::kept(&line.kept, VARIANT),
        location_id: json::kept(&line.kept, LOCATION),
        unit_of_measure_code: json::kept(&line.kept, UNIT),
        description: &line.description,
        description2: json::kept(&line.kept, DESCRIPTION2),
        tax_code: line.tax_code.as_deref(),
        quantity: line.quantity.map(WireDecimal),
        unit_price: line.unit_price.map(WireDecimal),
        discount_percent: json::kept(&line.kept, DISCOUNT),
    };
    to_raw_value(&body).ok()
}

/// The body that takes a document out of the books: a draft is deleted, whatever was asked for, and a posted document is cancelled, since it
/// can never be deleted (section 12).
pub(super) fn void_body(there: &RemoteDocument) -> Vec<u8> {
    let etag = || there.version.as_deref().and_then(Version::read).map(|version| version.etag);
    let void = match there.status {
        DocumentStatus::Draft | DocumentStatus::Deleted => Void::Delete { if_match: etag(), there: Box::new(there.clone()) },
        DocumentStatus::Approved | DocumentStatus::Paid | DocumentStatus::Voided => Void::Cancel {},
    };
    json::bytes(&void)
}

/// The body of a payment: a line for a journal, which the bookkeeper posts. A receipt is a negative amount (section 12).
pub(super) fn payment_body(write: &PaymentWrite) -> Vec<u8> {
    let description: String = write.text.chars().take(100).collect();
    let payment = PaymentBody {
        customer_id: &write.contact,
        posting_date: write.date,
        document_number: &write.mark,
        external_document_number: &write.mark,
        amount: WireDecimal(-write.amount),
        applies_to_invoice_id: &write.document,
        description,
    };
    json::bytes(&Payment { journal: write.account.clone(), payment: to_raw_value(&payment).ok() })
}

#[cfg(test)]
mod tests;
