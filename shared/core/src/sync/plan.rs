//! The next step of a sync, from what is known so far. Pure: the engine performs the step, adds what it learned, and asks again.

mod after;
mod contact;
mod void;

use jiff::Timestamp;

use crate::choices::Choices;
use crate::client::Client;
use crate::connection::{Connection, ContactUpdate};
use crate::contact::{Contact, ContactContent};
use crate::document::{Changeable, DocumentStatus, DocumentWrite, Paid, PaymentWrite, RemoteDocument, Removal, SentDocument};
use crate::eligibility;
use crate::facts::Facts;
use crate::id::RunId;
use crate::invoice::Invoice;
use crate::ledger::{DocumentMark, DocumentShape, DraftMeaning, LedgerRules, TaxCodes};
use crate::problem::Problem;
use crate::sync::HoldDraft;
use crate::sync::content::{BuiltContent, ContentInputs, build, hash_of, tax_unanswered};
use crate::sync::drift::drift;
use crate::sync::merge::{Difference, Keep, Merge, merge, new_document, update_unread};
use crate::sync::questions::{
    DELETED, VOIDED, changed_in_ledger, chosen_document, document_gone, locked_in_ledger, number_taken, number_taken_unseen,
    paid_in_ledger, post_held, two_documents,
};
use crate::sync::row::{ContactRow, DocumentLink, IntentKind, Look, PaymentLink, SyncRow};
use crate::sync::settle::{self, Settle};
use crate::workspace::Workspace;

pub use after::{LEAVE_DRAFT, payment_mark};
use after::{after_content, at_rest, settle_payment};
use contact::{find_again, find_contact, refresh_contact};
pub(crate) use void::unasked as void_unasked;
use void::voided_here;

/// What this run has read from the ledger so far.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Contacts found by e-mail or name.
    pub contacts: Option<Vec<Contact>>,
    /// The linked contact, read because the client changed (`Some(None)`: it is gone).
    pub linked_contact: Option<Option<Contact>>,
    /// Answers of a look for an open contact intent.
    pub contact_look: Option<Vec<Contact>>,
    /// Answers of a look for an open document intent.
    pub document_look: Option<Vec<RemoteDocument>>,
    /// Answers of a look for our number before a create.
    pub number_look: Option<Vec<RemoteDocument>>,
    /// The linked document (`Some(None)`: it is gone).
    pub document: Option<Option<RemoteDocument>>,
    /// The ledger said that our number is taken.
    pub number_taken: bool,
    /// The contact's name of which the ledger said that it is taken, although no search had found it.
    pub name_taken: Option<String>,
    /// The ledger said that the document had moved on from the version that an update or void rested on.
    pub stale: bool,
    /// What is paid of the document there.
    pub paid: Option<Paid>,
    /// What a look for an open payment intent found.
    pub payment_look: Option<Paid>,
    /// Facts were read in this run.
    pub facts_read: bool,
}

/// Everything a decision may rest on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The present instant.
    pub now: Timestamp,
    /// This run.
    pub run: RunId,
    /// The ledger's constants.
    pub rules: &'a LedgerRules,
    /// The workspace.
    pub workspace: &'a Workspace,
    /// The invoice, newest version.
    pub invoice: &'a Invoice,
    /// Its client.
    pub client: &'a Client,
    /// The connection.
    pub connection: &'a Connection,
    /// The organisation's facts, if they are stored.
    pub facts: Option<&'a Facts>,
    /// Stored choices.
    pub choices: &'a Choices,
    /// The client's contact in this generation.
    pub contact: &'a ContactRow,
    /// The sync row.
    pub row: &'a SyncRow,
    /// The invoice's page in CoPortal: the owner's mark.
    pub url: &'a str,
    /// What this run has read.
    pub found: &'a Found,
}

/// A contact write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactPlan {
    /// Create or update.
    pub kind: IntentKind,
    /// The contact to update.
    pub external_id: Option<String>,
    /// What to write.
    pub content: ContactContent,
    /// The client's digest that its success brings into the link.
    pub hash: String,
    /// By what it is looked for.
    pub look: Look,
}

/// A document write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPlan {
    /// Create or update.
    pub kind: IntentKind,
    /// What to write.
    pub write: DocumentWrite,
    /// What the row remembers once it is done.
    pub sent: SentDocument,
    /// The content hash that its success proves.
    pub hash: String,
    /// By what it is looked for.
    pub look: Look,
    /// The fields that change, for the dry run and the timeline.
    pub changes: Vec<Difference>,
    /// What the row says from now on: the document is to be approved once it stands there as a draft and its totals were checked. A create
    /// says so anew, whatever an earlier one wanted; an update leaves it as it is.
    pub approve: bool,
}

/// A payment to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentPlan {
    /// What to write.
    pub write: PaymentWrite,
    /// By what it is looked for.
    pub look: Look,
    /// The content hash that stays proved.
    pub hash: String,
}

/// The next step.
#[derive(Debug)]
pub enum Step {
    /// Refused; nothing changes.
    Refuse(Problem),
    /// Somebody else is at it until then.
    Busy {
        /// End of their lease.
        until: Timestamp,
        /// Whether it is the contact that they are at.
        contact: bool,
    },
    /// A person has to answer.
    Hold(HoldDraft),
    /// Read the organisation's facts.
    ReadFacts,
    /// Search contacts by e-mail and name.
    SearchContacts,
    /// Read the linked contact.
    ReadContact(String),
    /// Link the client to this contact; nothing is written there.
    LinkContact {
        /// The contact.
        external_id: String,
        /// The client's digest, where nothing is left to write; else empty.
        hash: String,
    },
    /// Forget a contact link that leads nowhere.
    UnlinkContact,
    /// Write a contact.
    WriteContact(Box<ContactPlan>),
    /// Send the contact intent again.
    ResendContact,
    /// Look for the contact of an open intent.
    LookContact(Look),
    /// The open contact intent was done.
    ContactDone(Box<Contact>),
    /// The open contact intent was not done.
    ContactNotDone,
    /// Send the document intent again.
    ResendDocument,
    /// Look for the document of an open intent.
    LookDocument(Look),
    /// The open document intent was done.
    DocumentDone(Box<RemoteDocument>),
    /// The open document intent was not done.
    DocumentNotDone,
    /// The outcome of a write may still appear; nothing can be done before.
    WaitOutcome(Timestamp),
    /// Look for our number before a create.
    LookNumber(Look),
    /// A document of ours that the row did not know: link it.
    Adopt(Box<RemoteDocument>),
    /// Read the linked document.
    ReadDocument(String),
    /// The linked document is gone and a person wants a new one.
    ForgetDocument,
    /// Write the document.
    WriteDocument(Box<DocumentPlan>),
    /// Go on with a create whose header stands and whose lines do not yet.
    ContinueDocument(Box<RemoteDocument>),
    /// Approve (post, release) the draft.
    ApproveDocument {
        /// The draft as it was just read.
        there: Box<RemoteDocument>,
        /// The content hash that its success proves.
        hash: String,
    },
    /// Take the document out of the books.
    VoidDocument {
        /// The document as it was just read.
        there: Box<RemoteDocument>,
        /// How.
        how: Removal,
        /// What its success proves.
        hash: String,
    },
    /// Read what is paid of the document there.
    ReadPayments(String),
    /// Record a payment there.
    WritePayment(Box<PaymentPlan>),
    /// Send the payment intent again.
    ResendPayment,
    /// Look for the payment of an open intent.
    LookPayment(Look),
    /// A payment is settled with the ledger.
    PaymentDone {
        /// Which.
        link: PaymentLink,
        /// In a sentence.
        reason: &'static str,
    },
    /// The open payment intent was not done.
    PaymentNotDone,
    /// The content is there already; remember that.
    Proved {
        /// The content hash.
        hash: String,
        /// What the row remembers as sent, where the ledger was read.
        sent: Option<Box<SentDocument>>,
        /// Why nothing was sent.
        reason: &'static str,
    },
    /// Unchanged since the last sync: no vendor call.
    Nothing,
}

/// Decides the next step.
#[must_use]
pub fn next_step(view: View<'_>) -> Step {
    // Tax rates count as of the document's date.
    let dated = view.facts.map(|facts| facts.on(view.invoice.issue_date));
    step_of(View { facts: dated.as_deref(), ..view })
}

fn step_of(view: View<'_>) -> Step {
    if let Some(step) = lease_of_another(view) {
        return step;
    }
    if let Some(step) = settle_document(view) {
        return step;
    }
    if let Some(step) = voided_here(view) {
        return step;
    }
    if let Err(reason) = eligibility::check(view.invoice, &view.connection.options) {
        return Step::Refuse(reason.problem());
    }
    if let Some(step) = settle_contact(view) {
        return step;
    }
    let Some(facts) = view.facts else { return Step::ReadFacts };
    let Some(link) = &view.contact.link else { return find_contact(view, facts) };
    if find_again(view, &link.external_id) {
        return Step::UnlinkContact;
    }
    let client_changed = link.hash != view.client.contact_hash() && view.connection.options.contact_update != ContactUpdate::Never;
    let in_ledger = view.row.link.as_ref().is_some_and(|link| !link.status.is_gone());
    let hash = hash_of(inputs(view, facts, &link.external_id));
    // Before anything that stands in the way of a write: nothing is to be written (C2, R64).
    if in_ledger
        && !client_changed
        && view.row.undo.is_none()
        && view.row.hash == hash
        && let Some(hash) = hash
    {
        return after_content(view, facts, &hash).unwrap_or_else(|| at_rest(view, hash));
    }
    let built = match build(inputs(view, facts, &link.external_id)) {
        Ok(built) => built,
        // Stale facts may be the reason: read them again before a person is asked.
        Err(_) if !view.found.facts_read => return Step::ReadFacts,
        Err(hold) => return Step::Hold(*hold),
    };
    if !facts.is_fresh(view.now) && !view.found.facts_read {
        return Step::ReadFacts;
    }
    // C8: what waits here writes nothing there, to the contact neither.
    if let Some(hold) = held_until_posted(view) {
        return Step::Hold(hold);
    }
    if client_changed && let Some(step) = refresh_contact(view, &link.external_id) {
        return step;
    }
    document_step(view, facts, built)
}

fn inputs<'a>(view: View<'a>, facts: &'a Facts, contact: &'a str) -> ContentInputs<'a> {
    ContentInputs {
        rules: view.rules,
        workspace: view.workspace,
        invoice: view.invoice,
        facts,
        choices: view.choices,
        options: &view.connection.options,
        row: view.row,
        contact,
        url: view.url,
    }
}

fn lease_of_another(view: View<'_>) -> Option<Step> {
    let busy = |lease: Option<crate::sync::row::Lease>, contact| {
        lease.filter(|lease| lease.is_live(view.now) && lease.owner != view.run).map(|lease| Step::Busy { until: lease.until, contact })
    };
    busy(view.row.lease, false)
        .or_else(|| busy(view.contact.lease.filter(|_| view.contact.link.is_none() || view.contact.intent.is_some()), true))
}

fn settle_document(view: View<'_>) -> Option<Step> {
    let intent = view.row.intent.as_ref()?;
    if intent.kind == IntentKind::Payment {
        return Some(settle_payment(view, intent));
    }
    Some(match settle::document(intent, view.rules, view.now, view.found.document_look.as_deref()) {
        Settle::Resend => Step::ResendDocument,
        Settle::Look => Step::LookDocument(intent.look.clone()),
        Settle::Done(document) => Step::DocumentDone(Box::new(document.clone())),
        Settle::NotDone => Step::DocumentNotDone,
        Settle::Wait(until) => Step::WaitOutcome(until),
        Settle::Unfinished(document) => Step::ContinueDocument(Box::new(document.clone())),
        Settle::Several => {
            let found = view.found.document_look.as_deref().unwrap_or_default();
            let hold = two_documents(found, |document| settle::is_answer(document, intent, view.rules));
            match chosen_document(view.row, &hold, found) {
                Some(document) => Step::DocumentDone(Box::new(document.clone())),
                None => Step::Hold(hold),
            }
        }
    })
}

fn settle_contact(view: View<'_>) -> Option<Step> {
    let intent = view.contact.intent.as_ref()?;
    Some(match settle::contact(intent, view.rules, view.now, view.found.contact_look.as_deref()) {
        Settle::Resend => Step::ResendContact,
        Settle::Look => Step::LookContact(intent.look.clone()),
        Settle::Done(contact) => Step::ContactDone(Box::new(contact.clone())),
        Settle::NotDone | Settle::Several | Settle::Unfinished(_) => Step::ContactNotDone,
        Settle::Wait(until) => Step::WaitOutcome(until),
    })
}

fn document_step(view: View<'_>, facts: &Facts, built: BuiltContent) -> Step {
    let Some(link) = &view.row.link else { return create_step(view, facts, built) };
    if let Some(sent) = link.sent.as_ref().filter(|_| needs_no_read(view, link)) {
        return match update_unread(link, sent, &built, facts) {
            Merge::Write { write, changes } => Step::WriteDocument(Box::new(update_plan(view, &built, *write, changes, &link.external_id))),
            // The content is what was sent, though its hash was not kept; or it cannot be written without a look.
            Merge::Same | Merge::Conflict(_) => Step::ReadDocument(link.external_id.clone()),
        };
    }
    let there = match &view.found.document {
        None => return Step::ReadDocument(link.external_id.clone()),
        Some(None) => return document_gone(view, &link.external_id, DELETED),
        Some(Some(there)) => there,
    };
    match there.status {
        DocumentStatus::Voided => return document_gone(view, &there.external_id, VOIDED),
        DocumentStatus::Deleted => return document_gone(view, &there.external_id, DELETED),
        DocumentStatus::Draft | DocumentStatus::Approved | DocumentStatus::Paid => {}
    }
    // A ledger that applies percentages of its own: which of its codes is meant is asked first, on a draft that can still follow.
    if view.rules.tax_codes == TaxCodes::Checked
        && there.status == DocumentStatus::Draft
        && let Some(hold) =
            link.sent.as_ref().and_then(|sent| tax_unanswered(sent, there, &built.content, facts, view.rules.ledger.label()))
    {
        return if view.found.facts_read { Step::Hold(hold) } else { Step::ReadFacts };
    }
    let sent = || SentDocument::of(&built.content, built.totals);
    let known = link.sent.iter().flat_map(|sent| &sent.lines).map(|line| (line.key, line.line_id.as_ref()));
    let compared = || Box::new(sent().with_known_ids(known.clone()).with_line_ids(&there.lines));
    let merged = |keep| merge(link.sent.as_ref(), there, &built, facts, view.rules, keep);
    // A person's word counts for what the person saw: what was changed since is asked about (C29, I7).
    let wish = view.row.undo.as_ref().and_then(|seen| Some(drift(view.row, there)?.digest() == *seen));
    let mut outcome = merged(if wish.is_some() { Keep::OursThroughout } else { Keep::Ask });
    if let (Merge::Write { changes, .. }, Some(false)) = (&outcome, wish) {
        outcome = Merge::Conflict(changes.clone());
    }
    // A document of ours whose last content is not known (its link was lost): who changed what cannot be told, so a person is asked.
    if let (Merge::Write { changes, .. }, None, true) = (&outcome, &link.sent, link.created_by_us) {
        outcome = Merge::Conflict(changes.clone());
    }
    if let Merge::Conflict(differences) = &outcome {
        // CoPortal's values are offered where they would settle it.
        let forced = merged(if wish.is_some() { Keep::OursThroughout } else { Keep::Ours });
        let hold = changed_in_ledger(view, there, differences, &built.content.hash(), !matches!(forced, Merge::Conflict(_)));
        match view.row.answer(hold.question, &hold.inputs_hash) {
            Some("ours") if !matches!(forced, Merge::Conflict(_)) => outcome = forced,
            // Compared with this version: what stands there now is accepted, and later changes are merged into it.
            Some("theirs") => {
                let reason = "Kept as it stands in the ledger, as chosen.";
                return Step::Proved { hash: built.content.hash(), sent: Some(compared()), reason };
            }
            // A code or rate that was added there since the facts were read may be all that differs.
            _ if !view.found.facts_read => return Step::ReadFacts,
            _ => return Step::Hold(hold),
        }
    }
    match outcome {
        Merge::Same => after_content(view, facts, &built.content.hash()).unwrap_or_else(|| Step::Proved {
            hash: built.content.hash(),
            sent: Some(compared()),
            reason: "The ledger's document says this already.",
        }),
        Merge::Conflict(differences) => Step::Hold(changed_in_ledger(view, there, &differences, &built.content.hash(), false)),
        Merge::Write { write, changes } => {
            if there.has_payments || there.status == DocumentStatus::Paid {
                return paid_in_ledger(view, there, &built);
            }
            match there.changeable {
                Changeable::All => {}
                Changeable::DueDate if changes.iter().all(|change| change.field == "due date") => {}
                Changeable::DueDate | Changeable::Nothing => return locked_in_ledger(view, there, &built, &changes),
            }
            Step::WriteDocument(Box::new(update_plan(view, &built, *write, changes, &there.external_id)))
        }
    }
}

fn update_plan(view: View<'_>, built: &BuiltContent, write: DocumentWrite, changes: Vec<Difference>, external_id: &str) -> DocumentPlan {
    // A line of text that is kept has no key, and neither has the rounding line: only the one that was sent before is known.
    let keyed = write.lines.iter().filter(|line| line.key.is_some()).map(|line| (line.key, line.line_id.as_ref()));
    let sent_before = view.row.link.iter().filter_map(|link| link.sent.as_ref()).flat_map(|sent| &sent.lines);
    let rounding = sent_before.filter(|line| line.key.is_none()).map(|line| (None, line.line_id.as_ref()));
    let known = keyed.chain(rounding);
    DocumentPlan {
        kind: IntentKind::Update,
        look: Look {
            external_id: Some(external_id.to_owned()),
            mark: Some(write.url.clone()).filter(|url| !url.is_empty()),
            ..Look::default()
        },
        sent: SentDocument::of(&built.content, built.totals).with_known_ids(known),
        hash: built.content.hash(),
        write,
        changes,
        approve: view.row.approve,
    }
}

/// Whether an update may rest on what we know of the document: the ledger refuses it if anybody touched the document since.
fn needs_no_read(view: View<'_>, link: &DocumentLink) -> bool {
    let open = match (link.status, view.rules.shape) {
        (DocumentStatus::Draft, _) | (DocumentStatus::Approved, DocumentShape::Whole) => true,
        // A posted document is closed but for its due date; only a read tells what may be done.
        (DocumentStatus::Approved, DocumentShape::HeaderThenLines)
        | (DocumentStatus::Paid | DocumentStatus::Voided | DocumentStatus::Deleted, _) => false,
    };
    view.rules.guards_versions
        && open
        && link.as_sent
        && link.remote_version.is_some()
        && link.sent.as_ref().is_some_and(|sent| sent.lines.iter().all(|line| line.line_id.is_some()))
        && view.found.document.is_none()
        && !view.found.stale
        && !view.connection.look_first
        && !view.row.approve
        && view.row.undo.is_none()
        && view.row.payments.is_empty()
}

/// C8: where the ledger has no drafts, "sync as draft" keeps the invoice here until somebody posts it.
fn held_until_posted(view: View<'_>) -> Option<HoldDraft> {
    let held = view.rules.draft == DraftMeaning::Held && view.connection.options.sync_as_draft && view.row.link.is_none();
    if !held || view.row.approve {
        return None;
    }
    let hold = post_held(view);
    (view.row.answer(hold.question, &hold.inputs_hash) != Some("post")).then_some(hold)
}

fn create_step(view: View<'_>, facts: &Facts, built: BuiltContent) -> Step {
    let content = &built.content;
    if let Some(hold) = held_until_posted(view) {
        return Step::Hold(hold);
    }
    let look = Look {
        number: content.number.clone(),
        reference: content.reference.clone(),
        mark: Some(content.url.clone()).filter(|url| !url.is_empty()),
        contact: Some(content.contact.clone()),
        issue_date: Some(content.issue_date),
        ..Look::default()
    };
    // Where the ledger keeps numbers apart, its refusal is the look, unless the document may be there under another number: after a
    // restore, and once a document of this invoice was forgotten or unlinked.
    let enforced = view.rules.enforces_number && content.number.is_some();
    let must_look = view.connection.look_first || view.found.number_taken || view.row.remote_generation > 0 || !enforced;
    let mut sent = SentDocument::of(content, built.totals);
    if must_look {
        let Some(found) = &view.found.number_look else { return Step::LookNumber(look) };
        let is_ours = |document: &RemoteDocument| !view.url.is_empty() && document.url.as_deref() == Some(view.url);
        let ours: Vec<&RemoteDocument> = found.iter().filter(|document| is_ours(document) && !document.status.is_gone()).collect();
        match ours.as_slice() {
            [only] => return Step::Adopt(Box::new((*only).clone())),
            [_, _, ..] => {
                let hold = two_documents(found, is_ours);
                return match chosen_document(view.row, &hold, found) {
                    Some(document) => Step::Adopt(Box::new(document.clone())),
                    None => Step::Hold(hold),
                };
            }
            [] => {}
        }
        // Without a mark, a document that was gone before is known by the reference that it shares with the one to come.
        let may_be_ours = |document: &RemoteDocument| match view.rules.document_mark {
            DocumentMark::Link | DocumentMark::Digest => is_ours(document),
            DocumentMark::Evidence => document.reference == content.reference,
        };
        sent.gone_before = found
            .iter()
            .filter(|document| may_be_ours(document) && document.status.is_gone())
            .map(|document| document.external_id.clone())
            .collect();
        // Ours but gone keeps the number (docs/vendors/xero.md, section 0, fact 3): the number is taken by it, too. A reference, and a
        // number that the ledger does not keep unique, is free again once its document is gone.
        let named = |document: &&RemoteDocument| match &content.number {
            Some(_) => document.number == content.number,
            None => !view.rules.carries_number && document.reference.is_some() && document.reference == content.reference,
        };
        let keeps = |document: &&RemoteDocument| enforced || view.found.number_taken || !document.status.is_gone();
        let theirs = found.iter().filter(keeps).find(named);
        if let Some(document) = theirs {
            let hold = number_taken(view, document, content.number.as_deref().or(content.reference.as_deref()).unwrap_or_default());
            return match chosen_document(view.row, &hold, found) {
                Some(document) => Step::Adopt(Box::new(document.clone())),
                None => Step::Hold(hold),
            };
        }
        if let (true, Some(number)) = (view.found.number_taken, &content.number) {
            return Step::Hold(number_taken_unseen(view, number));
        }
    }
    let as_draft = view.connection.options.sync_as_draft && view.rules.draft != DraftMeaning::Held;
    let in_steps = view.rules.shape == DocumentShape::HeaderThenLines;
    let status = if as_draft || in_steps { DocumentStatus::Draft } else { DocumentStatus::Approved };
    Step::WriteDocument(Box::new(DocumentPlan {
        // A ledger that makes drafts only: it is to be approved. One that has none: that somebody said so lasts until it stands there.
        approve: (in_steps && !as_draft) || (view.rules.draft == DraftMeaning::Held && view.row.approve),
        kind: IntentKind::Create,
        write: new_document(&built, facts, status),
        sent,
        hash: content.hash(),
        look,
        changes: Vec::new(),
    }))
}
