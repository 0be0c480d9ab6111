//! The questions about a document, in words and with their answers.

use crate::document::RemoteDocument;
use crate::failure::Question;
use crate::sync::HoldDraft;
use crate::sync::content::BuiltContent;
use crate::sync::merge::Difference;
use crate::sync::plan::{Step, View};
use crate::sync::row::{Choice, SyncRow};
use crate::text::digest;

/// The document that a person chose for exactly this question.
pub(super) fn chosen_document<'a>(row: &SyncRow, hold: &HoldDraft, found: &'a [RemoteDocument]) -> Option<&'a RemoteDocument> {
    let id = row.answer(hold.question, &hold.inputs_hash)?.strip_prefix("link:")?;
    found.iter().find(|document| document.external_id == id)
}

pub(super) fn two_documents(found: &[RemoteDocument], mark: &str) -> HoldDraft {
    let ours: Vec<&RemoteDocument> =
        found.iter().filter(|document| document.url.as_deref() == Some(mark) && !document.status.is_gone()).collect();
    let ids: Vec<&str> = ours.iter().map(|document| document.external_id.as_str()).collect();
    HoldDraft {
        question: Question::TwoDocuments,
        detail: format!("{} documents carry this invoice's link. Which one is it?", ours.len()),
        choices: ours
            .iter()
            .map(|document| {
                Choice::new(
                    format!("link:{}", document.external_id),
                    format!("Document {} ({})", document.number.as_deref().unwrap_or("without number"), document.totals.total),
                )
            })
            .collect(),
        inputs_hash: digest(ids.iter().map(|id| id.as_bytes())),
    }
}

/// C31: a document with our number that is not ours.
pub(super) fn number_taken(view: View<'_>, document: &RemoteDocument, number: &str) -> HoldDraft {
    let mut choices = Vec::new();
    if !document.status.is_gone() {
        choices.push(Choice::new(
            format!("link:{}", document.external_id),
            format!("It is this invoice: link document {number} ({})", document.totals.total),
        ));
    }
    choices.push(Choice::new(
        "ledger_number",
        format!("Push it under a number that {} assigns; {number} stays as the reference", view.rules.ledger.label()),
    ));
    choices.push(Choice::new("skip", "Do not push this invoice"));
    HoldDraft {
        question: Question::NumberTaken,
        detail: format!("Number {number} is already on another document in {}.", view.rules.ledger.label()),
        choices,
        inputs_hash: digest([document.external_id.as_bytes(), number.as_bytes()]),
    }
}

pub(super) fn number_taken_unseen(view: View<'_>, number: &str) -> HoldDraft {
    HoldDraft {
        question: Question::NumberTaken,
        detail: format!(
            "{} says that number {number} is taken, but shows no document of that number (it may be deleted).",
            view.rules.ledger.label()
        ),
        choices: vec![
            Choice::new(
                "ledger_number",
                format!("Push it under a number that {} assigns; {number} stays as the reference", view.rules.ledger.label()),
            ),
            Choice::new("skip", "Do not push this invoice"),
        ],
        inputs_hash: digest([number.as_bytes()]),
    }
}

pub(super) fn document_gone(view: View<'_>, external_id: &str, what: &str) -> Step {
    let inputs_hash = digest([external_id.as_bytes(), what.as_bytes()]);
    match view.row.answer(Question::DocumentGone, &inputs_hash) {
        Some("create_again") => Step::ForgetDocument,
        _ => Step::Hold(HoldDraft {
            question: Question::DocumentGone,
            detail: format!("The document of this invoice {what} in {}.", view.rules.ledger.label()),
            choices: vec![
                Choice::new("create_again", "Create a new document"),
                Choice::new("leave", "Leave it: this invoice is not synced any more"),
            ],
            inputs_hash,
        }),
    }
}

/// I8: a document that money is applied to is never edited by us.
pub(super) fn paid_in_ledger(view: View<'_>, there: &RemoteDocument, built: &BuiltContent) -> Step {
    let inputs_hash = digest([there.external_id.as_bytes(), built.content.hash().as_bytes()]);
    if view.row.answer(Question::PaidInLedger, &inputs_hash) == Some("leave") {
        return Step::Proved {
            hash: built.content.hash(),
            sent: None,
            reason: "Left as it stands in the ledger, as chosen: money is applied to it there.",
        };
    }
    Step::Hold(HoldDraft {
        question: Question::PaidInLedger,
        detail: format!(
            "A payment or credit is applied to this document in {}, so it is not changed from here.",
            view.rules.ledger.label()
        ),
        choices: vec![
            Choice::new("retry", "I have removed the payment there: try again"),
            Choice::new("leave", "Leave the document as it is"),
        ],
        inputs_hash,
    })
}

pub(super) fn changed_in_ledger(view: View<'_>, there: &RemoteDocument, differences: &[Difference], content_hash: &str) -> HoldDraft {
    let fields: Vec<String> = differences
        .iter()
        .map(|difference| format!("{}: \"{}\" there, \"{}\" here", difference.field, difference.in_ledger, difference.to_send))
        .collect();
    let version = there.version.as_deref().unwrap_or_default();
    let inputs = [there.external_id.as_str(), content_hash, version];
    HoldDraft {
        question: Question::ChangedInLedger,
        detail: format!("The document in {} differs from what CoPortal last wrote ({}).", view.rules.ledger.label(), fields.join("; ")),
        choices: vec![
            Choice::new("ours", "Write CoPortal's values"),
            Choice::new("theirs", "Leave the document as it stands in the ledger"),
        ],
        // Not every ledger has a version mark: what differs is part of the question.
        inputs_hash: digest(inputs.into_iter().chain(fields.iter().map(String::as_str)).map(str::as_bytes)),
    }
}
