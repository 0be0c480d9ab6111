//! An invoice that was voided here (C10).

use super::{Step, View};
use crate::connection::OnVoid;
use crate::document::{Changeable, DocumentStatus, Removal};
use crate::failure::Question;
use crate::invoice::InvoiceStatus;
use crate::ledger::Ledger;
use crate::sync::HoldDraft;
use crate::sync::row::{Choice, DocumentLink, SyncRow, SyncState};
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
    let inputs_hash = inputs_of(link);
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
    // Never where money is applied, never on a document that we did not make, never on one that the ledger has closed.
    let obstacle = if there.has_payments || there.status == DocumentStatus::Paid {
        Some(PAID)
    } else if !link.created_by_us {
        Some(NOT_OURS)
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
    Some(Step::Hold(question(link, view.rules.ledger, obstacle)))
}

const PAID: &str = "a payment or credit is applied to it, so it is not voided from here";
const NOT_OURS: &str = "it was not made by CoPortal, so it is not voided from here";

/// What the question about a void invoice's document rests on.
fn inputs_of(link: &DocumentLink) -> String {
    digest([link.external_id.as_bytes(), b"void"])
}

/// The question where nobody has asked the ledger: what the link remembers may be old, and who answers "void" has it read first. `None`
/// where there is nothing to ask: no document, one that is known to be gone, or one that a person has said to leave.
pub(crate) fn unasked(row: &SyncRow, ledger: Ledger) -> Option<HoldDraft> {
    let link = row.link.as_ref().filter(|link| !link.status.is_gone())?;
    if row.answer(Question::VoidInLedger, &inputs_of(link)) == Some("leave") {
        return None;
    }
    let obstacle = if link.status == DocumentStatus::Paid {
        Some(PAID)
    } else if !link.created_by_us {
        Some(NOT_OURS)
    } else {
        None
    };
    Some(question(link, ledger, obstacle))
}

fn question(link: &DocumentLink, ledger: Ledger, obstacle: Option<&str>) -> HoldDraft {
    let number = link.external_number.as_deref().unwrap_or(&link.external_id);
    let label = ledger.label();
    let mut choices = vec![
        Choice::new("leave", "Leave it there: I take care of it in the ledger"),
        Choice::new("retry", format!("I have voided it in {label}: look again")),
    ];
    if obstacle.is_none() {
        choices.insert(0, Choice::new("void", format!("Void it in {label}")));
    }
    let why = obstacle.map(|why| format!("; {why}")).unwrap_or_default();
    HoldDraft {
        question: Question::VoidInLedger,
        detail: format!("The invoice is void in CoPortal, and document {number} is still open in {label}{why}."),
        choices,
        inputs_hash: inputs_of(link),
    }
}
