//! An invoice that was voided here (C10).

use super::{Step, View};
use crate::connection::OnVoid;
use crate::document::{Changeable, DocumentStatus, Removal};
use crate::failure::Question;
use crate::invoice::InvoiceStatus;
use crate::sync::HoldDraft;
use crate::sync::row::{Choice, SyncState};
use crate::text::digest;

/// C10: voided here and open there is a question; voided before it ever reached the ledger, or gone there too, is nothing to do.
pub(super) fn voided_here(view: View<'_>) -> Option<Step> {
    if view.invoice.status != InvoiceStatus::Void {
        return None;
    }
    let Some(link) = &view.row.link else {
        // Somebody asked for it while it was not void: that wish has come to its end. Asked for now, it is refused with the reason.
        let asked_before = view.row.state != SyncState::Never;
        return asked_before.then(|| Step::Proved {
            hash: digest([b"void".as_slice()]),
            sent: None,
            reason: "The invoice was voided before it reached the ledger.",
        });
    };
    let inputs_hash = digest([link.external_id.as_bytes(), b"void"]);
    let proved = |reason| Some(Step::Proved { hash: inputs_hash.clone(), sent: None, reason });
    if view.row.answer(Question::VoidInLedger, &inputs_hash) == Some("leave") {
        return proved("The invoice is void here; its document in the ledger was left as it is.");
    }
    let both = "The invoice is void here, and its document is void or deleted in the ledger.";
    if link.status.is_gone() {
        return proved(both);
    }
    // What the link remembers may be old: the bookkeeper may have voided it since.
    let there = match &view.found.document {
        None => return Some(Step::ReadDocument(link.external_id.clone())),
        Some(None) => return proved(both),
        Some(Some(there)) if there.status.is_gone() => return proved(both),
        Some(Some(there)) => there,
    };
    let number = link.external_number.as_deref().unwrap_or(&link.external_id);
    let label = view.rules.ledger.label();
    // Never where money is applied, never on a document that we did not make, never on one that the ledger has closed.
    let obstacle = if there.has_payments || there.status == DocumentStatus::Paid {
        Some("a payment or credit is applied to it, so it is not voided from here")
    } else if !link.created_by_us {
        Some("it was not made by CoPortal, so it is not voided from here")
    } else if there.changeable == Changeable::Nothing {
        Some("it can no longer be changed there")
    } else {
        None
    };
    let answer = view.row.answer(Question::VoidInLedger, &inputs_hash);
    let how = match (answer, view.connection.options.on_void) {
        (Some("void"), _) | (_, OnVoid::Void) => Some(Removal::Void),
        (_, OnVoid::Delete) => Some(Removal::Delete),
        (_, OnVoid::None) => None,
    };
    if let (Some(how), None) = (how, obstacle) {
        return Some(Step::VoidDocument { there: Box::new(there.clone()), how, hash: inputs_hash });
    }
    let mut choices = vec![
        Choice::new("leave", "Leave it there: I take care of it in the ledger"),
        Choice::new("retry", format!("I have voided it in {label}: look again")),
    ];
    if obstacle.is_none() {
        choices.insert(0, Choice::new("void", format!("Void it in {label}")));
    }
    let why = obstacle.map(|why| format!("; {why}")).unwrap_or_default();
    Some(Step::Hold(HoldDraft {
        question: Question::VoidInLedger,
        detail: format!("The invoice is void in CoPortal, and document {number} is still open in {label}{why}."),
        choices,
        inputs_hash,
    }))
}
