//! The questions about a document, in words and with their answers.

use rust_decimal::Decimal;

use crate::document::{DocumentStatus, RemoteDocument, SentDocument};
use crate::facts::{Account, Facts};
use crate::failure::Question;
use crate::invoice::Invoice;
use crate::money::Currency;
use crate::pricing::Totals;
use crate::sync::HoldDraft;
use crate::sync::content::BuiltContent;
use crate::sync::merge::Difference;
use crate::sync::plan::{Step, View};
use crate::sync::row::{Answer, Choice, SyncRow};
use crate::text::digest;

/// The document that a person chose for exactly this question.
pub(super) fn chosen_document<'a>(row: &SyncRow, hold: &HoldDraft, found: &'a [RemoteDocument]) -> Option<&'a RemoteDocument> {
    let id = row.answer(hold.question, &hold.inputs_hash)?.strip_prefix("link:")?;
    found.iter().find(|document| document.external_id == id)
}

pub(super) fn two_documents(found: &[RemoteDocument], is_ours: impl Fn(&RemoteDocument) -> bool) -> HoldDraft {
    let ours: Vec<&RemoteDocument> = found.iter().filter(|document| is_ours(document) && !document.status.is_gone()).collect();
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
    choices.push(Choice::new("ledger_number", another_number(view, number)));
    choices.push(Choice::new("skip", "Do not push this invoice"));
    HoldDraft {
        question: Question::NumberTaken,
        detail: format!("Number {number} is already on another document in {}.", view.rules.ledger.label()),
        choices,
        inputs_hash: digest([document.external_id.as_bytes(), number.as_bytes()]),
    }
}

fn another_number(view: View<'_>, number: &str) -> String {
    let label = view.rules.ledger.label();
    if view.rules.carries_number {
        format!("Push it under a number that {label} assigns; {number} stays as the reference")
    } else {
        format!("Push it with CoPortal's own id as the reference instead of {number}")
    }
}

pub(super) fn number_taken_unseen(view: View<'_>, number: &str) -> HoldDraft {
    HoldDraft {
        question: Question::NumberTaken,
        detail: format!(
            "{} says that number {number} is taken, but shows no document of that number (it may be deleted).",
            view.rules.ledger.label()
        ),
        choices: vec![Choice::new("ledger_number", another_number(view, number)), Choice::new("skip", "Do not push this invoice")],
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

/// The answer "create a new document", for a document that is known to be gone.
#[must_use]
pub fn create_again(external_id: &str, status: DocumentStatus) -> Answer {
    let what = if status == DocumentStatus::Voided { VOIDED } else { DELETED };
    Answer {
        question: Question::DocumentGone,
        choice: "create_again".to_owned(),
        inputs_hash: digest([external_id.as_bytes(), what.as_bytes()]),
    }
}

/// How a document went, as questions about it say.
pub(super) const VOIDED: &str = "was voided";
pub(super) const DELETED: &str = "was deleted";

/// What was last sent stays the base of the next comparison, and whether the document still is that is judged anew.
fn sent_so_far(view: View<'_>) -> Option<Box<SentDocument>> {
    view.row.link.as_ref().and_then(|link| link.sent.clone()).map(Box::new)
}

/// I8: a document that money is applied to is never edited by us.
pub(super) fn paid_in_ledger(view: View<'_>, there: &RemoteDocument, built: &BuiltContent) -> Step {
    let inputs_hash = digest([there.external_id.as_bytes(), built.content.hash().as_bytes()]);
    if view.row.answer(Question::PaidInLedger, &inputs_hash) == Some("leave") {
        let reason = "Left as it stands in the ledger, as chosen: money is applied to it there.";
        return Step::Proved { hash: built.content.hash(), sent: sent_so_far(view), reason };
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

/// What the ledger has closed is not changed from here: posted, reconciled, or reported to the tax office.
pub(super) fn locked_in_ledger(view: View<'_>, there: &RemoteDocument, built: &BuiltContent, changes: &[Difference]) -> Step {
    let inputs_hash = digest([there.external_id.as_bytes(), built.content.hash().as_bytes()]);
    if view.row.answer(Question::LockedInLedger, &inputs_hash) == Some("leave") {
        let reason = "Left as it stands in the ledger, as chosen: it can no longer be changed there.";
        return Step::Proved { hash: built.content.hash(), sent: sent_so_far(view), reason };
    }
    let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    Step::Hold(HoldDraft {
        question: Question::LockedInLedger,
        detail: format!(
            "The document in {} can no longer be changed there, and this would have to change: {}.",
            view.rules.ledger.label(),
            fields.join(", ")
        ),
        choices: vec![Choice::new("leave", "Leave the document as it is"), Choice::new("retry", "It is open again there: try again")],
        inputs_hash,
    })
}

/// C8: the ledger has no drafts, so the invoice waits here.
pub(super) fn post_held(view: View<'_>) -> HoldDraft {
    let label = view.rules.ledger.label();
    HoldDraft {
        question: Question::PostHeld,
        detail: format!("{label} has no draft invoices. \"Sync as draft\" is on, so this invoice waits in CoPortal until it is posted."),
        choices: vec![Choice::new("post", format!("Post it: create it in {label} now, unsent (this posts to your books)"))],
        inputs_hash: digest([view.invoice.id.to_string().as_bytes(), b"post"]),
    }
}

/// I6: what stands in the ledger does not come to what CoPortal shows.
#[must_use]
pub fn totals_differ(label: &str, sent: &SentDocument, there: &RemoteDocument) -> HoldDraft {
    totals_differ_from(label, sent.totals, sent.currency, there)
}

/// Whether a document comes to other amounts than were wanted, or to the same of other money: an answer that is mistaken for another's, or a
/// draft whose currency a bookkeeper changed, may show the same digits.
#[must_use]
pub fn comes_to_other(wanted: Totals, currency: Currency, there: &RemoteDocument) -> bool {
    wanted != there.totals || there.currency.is_some_and(|theirs| theirs != currency)
}

/// The same against what CoPortal shows, where nothing was sent.
pub(super) fn totals_differ_from(label: &str, wanted: Totals, currency: Currency, there: &RemoteDocument) -> HoldDraft {
    let state = if there.status == DocumentStatus::Draft { "a draft" } else { "in your books" };
    let [theirs, ours] = match there.currency.filter(|theirs| *theirs != currency) {
        Some(theirs) => [format!(" {theirs}"), format!(" {currency}")],
        None => [String::new(), String::new()],
    };
    HoldDraft {
        question: Question::TotalsDiffer,
        detail: format!(
            "{label} computed subtotal {}, tax {}, total {}{theirs}; CoPortal shows subtotal {}, tax {}, total {}{ours}. The document is {state}.",
            there.totals.subtotal, there.totals.tax, there.totals.total, wanted.subtotal, wanted.tax, wanted.total
        ),
        choices: vec![Choice::new("retry", "I have corrected one of the two: compare again")],
        inputs_hash: digest([format!("{:?}", there.totals).as_bytes()]),
    }
}

/// C1: payments need a deposit account.
pub(super) fn choose_payment_account(facts: &Facts, accounts: &[&Account], label: &str) -> HoldDraft {
    let mut choices: Vec<Choice> = accounts
        .iter()
        .map(|account| {
            let code = account.code.as_ref().unwrap_or(&account.id);
            Choice::new(code.clone(), account.name.clone())
        })
        .collect();
    let inputs_hash = digest(choices.iter().map(|choice| choice.id.as_bytes()));
    let detail = if choices.is_empty() {
        choices.push(Choice::new("retry", "I have added one: try again"));
        format!("{} has no account that payments can be recorded in. Add one in {label}, then try again.", facts.name)
    } else {
        format!("Which account of {} do payments go to?", facts.name)
    };
    HoldDraft { question: Question::ChoosePaymentAccount, detail, choices, inputs_hash }
}

/// C1: a payment that is not sent as it is, and never changed by us.
pub(super) fn payment_differs(invoice: &Invoice, payment_id: &str, detail: String, there: &str) -> HoldDraft {
    HoldDraft {
        question: Question::PaymentDiffers,
        detail,
        choices: vec![
            Choice::new("skip", "Do not send this payment"),
            Choice::new("retry", "I have corrected it in the ledger: try again"),
        ],
        inputs_hash: digest([invoice.id.to_string().as_bytes(), payment_id.as_bytes(), there.as_bytes()]),
    }
}

/// A payment whose answer was lost, and which cannot be told from what a bookkeeper recorded since.
pub(super) fn payment_in_doubt(invoice: &Invoice, payment_id: &str, label: &str, before: Decimal, now: Decimal) -> HoldDraft {
    let [before, now] = [before, now].map(|balance| balance.normalize().to_string());
    HoldDraft {
        question: Question::PaymentDiffers,
        detail: format!(
            "A payment was sent to {label} and its answer was lost. {before} was open on the document then, and {now} is open now, but no \
             payment there carries CoPortal's mark. Is it recorded?"
        ),
        choices: vec![
            Choice::new("skip", "Yes, it is recorded there: do not send it again"),
            Choice::new("send", "No, that was another payment: send it"),
        ],
        inputs_hash: digest([invoice.id.to_string().as_bytes(), payment_id.as_bytes(), before.as_bytes(), now.as_bytes()]),
    }
}

/// A payment that the ledger refused to take: a person may leave it out, so that what comes after it is not held up for ever.
#[must_use]
pub fn payment_refused(invoice: &Invoice, payment_id: &str, detail: String) -> HoldDraft {
    payment_differs(invoice, payment_id, detail, "refused")
}

/// A void that the ledger refused: a person takes care of it there, or tries again. `hash` is the void intent's.
#[must_use]
pub fn void_refused(detail: String, hash: &str) -> HoldDraft {
    HoldDraft {
        question: Question::VoidInLedger,
        detail,
        choices: vec![
            Choice::new("leave", "Leave it there: I take care of it in the ledger"),
            Choice::new("retry", "I have corrected it: try again"),
        ],
        inputs_hash: hash.to_owned(),
    }
}

pub(super) fn changed_in_ledger(
    view: View<'_>,
    there: &RemoteDocument,
    differences: &[Difference],
    content_hash: &str,
    ours: bool,
) -> HoldDraft {
    let fields: Vec<String> = differences
        .iter()
        .map(|difference| format!("{}: \"{}\" there, \"{}\" here", difference.field, difference.in_ledger, difference.to_send))
        .collect();
    let version = there.version.as_deref().unwrap_or_default();
    let inputs = [there.external_id.as_str(), content_hash, version];
    HoldDraft {
        question: Question::ChangedInLedger,
        detail: format!("The document in {} differs from what CoPortal last wrote ({}).", view.rules.ledger.label(), fields.join("; ")),
        choices: ours
            .then(|| Choice::new("ours", "Write CoPortal's values"))
            .into_iter()
            .chain([Choice::new("theirs", "Leave the document as it stands in the ledger")])
            .collect(),
        // Not every ledger has a version mark: what differs is part of the question.
        inputs_hash: digest(inputs.into_iter().chain(fields.iter().map(String::as_str)).map(str::as_bytes)),
    }
}
