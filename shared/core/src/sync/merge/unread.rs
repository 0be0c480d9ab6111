//! The update of a document that need not be read: its ledger refuses what rests on an old version.

use rust_decimal::Decimal;
use serde_json::Value;

use super::{Difference, Merge, ToText, code_of, new_document, new_line, text_of};
use crate::document::{DocumentWrite, RemovedLine, SentDocument};
use crate::facts::Facts;
use crate::sync::content::BuiltContent;
use crate::sync::row::DocumentLink;
use crate::text::fingerprint;

/// The update of a document that stands as it was last sent: the ledger guards its version, so nothing has to be read to know that. The
/// lines keep the account that they stand on. [`Merge::Conflict`] where that cannot be written without a look: in another currency, or where a
/// line's item or its code of equal rate may be the bookkeeper's.
#[must_use]
pub fn update_unread(link: &DocumentLink, sent: &SentDocument, wanted: &BuiltContent, facts: &Facts) -> Merge {
    let content = &wanted.content;
    if sent.currency != content.currency {
        let (in_ledger, to_send) = (sent.currency.to_string(), content.currency.to_string());
        return Merge::Conflict(vec![Difference { field: "currency".to_owned(), in_ledger, to_send }]);
    }
    let mut changes = Vec::new();
    let mut note = |field: &str, before: String, after: String| {
        if before != after {
            changes.push(Difference { field: field.to_owned(), in_ledger: before, to_send: after });
        }
    };
    if content.number.is_some() {
        note("number", text_of(&sent.number), text_of(&content.number));
    }
    note("reference", text_of(&sent.reference), text_of(&content.reference));
    note("link to CoPortal", sent.url.clone(), content.url.clone());
    note("contact", sent.contact.clone(), content.contact.clone());
    note("date", sent.issue_date.to_text(), content.issue_date.to_text());
    note("due date", sent.due_date.to_text(), content.due_date.to_text());
    note("tax mode", sent.tax_mode.to_text(), content.tax_mode.to_text());
    let mut lines = Vec::with_capacity(content.lines.len());
    for (index, line) in content.lines.iter().enumerate() {
        let mut write = new_line(line, wanted);
        let base = sent.lines.iter().find(|base| base.key == line.key);
        if let Some(base) = base {
            write.line_id.clone_from(&base.line_id);
            // Where the line stands is the bookkeeper's; only an item that is chosen anew moves it, and only from where CoPortal put it.
            let moves = line.item.is_some() && base.item.is_some() && base.item != line.item;
            if moves && base.account != base.item {
                let (in_ledger, to_send) = (text_of(&base.account), text_of(&line.item));
                return Merge::Conflict(vec![Difference { field: format!("line {} item", index + 1), in_ledger, to_send }]);
            }
            if !moves && base.account.is_some() {
                write.account.clone_from(&base.account);
            }
            // Where none is sent, the code that stands there stays: a line that is made anew would get its account's own.
            if line.tax_code.is_empty() {
                write.tax_code = code_of(&base.tax_code);
            } else if !base.tax_code.is_empty() && base.tax_code != line.tax_code && base.rate == line.rate {
                // A code of equal rate may be the bookkeeper's own; only what stands there tells (C29).
                let (in_ledger, to_send) = (base.tax_code.clone(), line.tax_code.clone());
                return Merge::Conflict(vec![Difference { field: format!("line {} tax", index + 1), in_ledger, to_send }]);
            }
        }
        let says = |text: &str, quantity: Decimal, price: Decimal, code: &str, tax: Option<Decimal>| {
            format!("{text} {} x {} {code} {}", quantity.normalize(), price.normalize(), text_of(&tax)).trim().to_owned()
        };
        let code = write.tax_code.as_deref().unwrap_or_default();
        let after = says(&fingerprint(&line.description), line.quantity, line.unit_price, code, line.tax);
        let before = base.map(|base| says(&base.description, base.quantity, base.unit_price, &base.tax_code, base.tax));
        let moved = line.item.is_some() && base.is_some_and(|base| base.item.is_some() && base.item != line.item);
        if before.as_ref() != Some(&after) || moved {
            let shown = |quantity: Decimal, price: Decimal| format!("{} x {}", quantity.normalize(), price.normalize());
            changes.push(Difference {
                field: format!("line {}", index + 1),
                in_ledger: base.map(|base| shown(base.quantity, base.unit_price)).unwrap_or_default(),
                to_send: format!("{} ({})", line.description, shown(line.quantity, line.unit_price)),
            });
        }
        lines.push(write);
    }
    let kept: Vec<&String> = lines.iter().filter_map(|line| line.line_id.as_ref()).collect();
    let removed: Vec<RemovedLine> = sent
        .lines
        .iter()
        .filter_map(|line| line.line_id.clone())
        .filter(|id| !kept.contains(&id))
        .map(|line_id| RemovedLine { line_id, kept: Value::Null })
        .collect();
    for _ in &removed {
        changes.push(Difference { field: "line".to_owned(), in_ledger: "a line".to_owned(), to_send: "removed".to_owned() });
    }
    let order = |id: &String| sent.lines.iter().position(|line| line.line_id.as_ref() == Some(id));
    if !kept.iter().filter_map(|id| order(id)).is_sorted() {
        changes.push(Difference { field: "order of lines".to_owned(), in_ledger: String::new(), to_send: String::new() });
    }
    if changes.is_empty() {
        return Merge::Same;
    }
    let write = DocumentWrite {
        external_id: Some(link.external_id.clone()),
        version: link.remote_version.clone(),
        native_status: None,
        lines,
        removed,
        ..new_document(wanted, facts, link.status)
    };
    Merge::Write { write: Box::new(write), changes }
}
