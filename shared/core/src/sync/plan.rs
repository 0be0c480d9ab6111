//! The next step of a sync, from what is known so far. Pure: the engine performs the step, adds what it learned, and asks again.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::choices::Choices;
use crate::client::Client;
use crate::connection::{Connection, ContactUpdate, OnVoid, Payments};
use crate::contact::{Contact, ContactContent, ContactStatus};
use crate::document::{Changeable, DocumentStatus, DocumentWrite, Paid, PaymentWrite, RemoteDocument, Removal, SentDocument};
use crate::eligibility;
use crate::facts::{Account, AccountUse, Facts};
use crate::failure::Question;
use crate::id::RunId;
use crate::invoice::{Invoice, InvoiceStatus, Payment};
use crate::ledger::{DocumentShape, DraftMeaning, LedgerRules};
use crate::problem::Problem;
use crate::sync::HoldDraft;
use crate::sync::content::{BuiltContent, ContentInputs, build, hash_of, tax_applied};
use crate::sync::matching::{self, ContactDecision, contact_changes, contact_mark, contact_mark_in, new_contact};
use crate::sync::merge::{Difference, Keep, Merge, merge, new_document, update_unread};
use crate::sync::questions::{
    changed_in_ledger, choose_payment_account, chosen_document, document_gone, locked_in_ledger, number_taken, number_taken_unseen,
    paid_in_ledger, payment_differs, post_held, totals_differ, two_documents,
};
use crate::sync::row::{Choice, ContactRow, DocumentLink, Intent, IntentKind, Look, PaymentLink, SyncRow, SyncState};
use crate::sync::settle::{self, Settle};
use crate::text::digest;
use crate::workspace::Workspace;

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
    /// The ledger said that the contact's name is taken, although no search had found it.
    pub name_taken: bool,
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
    /// The document is to be approved once it stands there as a draft, and its totals were checked.
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
        && view.row.hash == hash
        && let Some(hash) = hash
    {
        return after_content(view, facts, &hash).unwrap_or(Step::Nothing);
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

fn settle_payment(view: View<'_>, intent: &Intent) -> Step {
    let payment_id = intent.look.payment.clone().unwrap_or_default();
    match settle::payment(intent, view.rules, view.now, view.found.payment_look.as_ref()) {
        Settle::Resend => Step::ResendPayment,
        Settle::Look => Step::LookPayment(intent.look.clone()),
        Settle::Done(payment) | Settle::Unfinished(payment) => Step::PaymentDone {
            link: PaymentLink { payment_id, external_id: Some(payment.external_id.clone()), amount: payment.amount },
            reason: "Recorded in the ledger.",
        },
        Settle::NotDone => Step::PaymentNotDone,
        Settle::Wait(until) => Step::WaitOutcome(until),
        Settle::Several => Step::Hold(payment_differs(view, &payment_id, "Two payments there carry our mark.".to_owned(), "twice")),
    }
}

/// C10: voided here and open there is a question; voided before it ever reached the ledger, or gone there too, is nothing to do.
fn voided_here(view: View<'_>) -> Option<Step> {
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

/// What is left to do about a document whose content is in the ledger: approve a draft that is to be approved (C7), record payments (C1).
fn after_content(view: View<'_>, facts: &Facts, hash: &str) -> Option<Step> {
    let link = view.row.link.as_ref()?;
    let read = view.found.document.as_ref();
    let status = read.and_then(Option::as_ref).map_or(link.status, |there| there.status);
    if view.row.approve && status == DocumentStatus::Draft {
        let there = match read {
            None => return Some(Step::ReadDocument(link.external_id.clone())),
            Some(None) => return Some(document_gone(view, &link.external_id, "was deleted")),
            Some(Some(there)) => there,
        };
        return Some(approve_draft(view, facts, there, hash));
    }
    if view.connection.options.payments != Payments::Push || status == DocumentStatus::Draft || status.is_gone() {
        return None;
    }
    let settled = |id: &str| view.row.payments.iter().any(|known| known.payment_id == id);
    let pending = view.invoice.payments.iter().find(|payment| !settled(&payment.payment_id))?;
    Some(payment_step(view, facts, &link.external_id, pending, hash))
}

/// The totals are checked on the draft before it is approved (C12): an approved document can often not be changed any more.
fn approve_draft(view: View<'_>, facts: &Facts, there: &RemoteDocument, hash: &str) -> Step {
    let label = view.rules.ledger.label();
    if let Some(sent) = view.row.link.as_ref().and_then(|link| link.sent.as_ref()) {
        if let Some(hold) = tax_applied(sent, there, facts, label) {
            return Step::Hold(hold);
        }
        if sent.totals != there.totals {
            return Step::Hold(totals_differ(label, sent, there));
        }
    }
    Step::ApproveDocument { there: Box::new(there.clone()), hash: hash.to_owned() }
}

/// Our mark on a payment: short enough for every ledger's reference.
#[must_use]
pub fn payment_mark(invoice: &Invoice, payment_id: &str) -> String {
    let digest = digest([invoice.id.to_string().as_bytes(), payment_id.as_bytes()]);
    format!("CP-{}", digest.chars().take(17).collect::<String>().to_uppercase())
}

fn payment_step(view: View<'_>, facts: &Facts, document: &str, payment: &Payment, hash: &str) -> Step {
    let label = view.rules.ledger.label();
    let accounts: Vec<&Account> = facts.accounts_for(AccountUse::Payment).collect();
    let name = |account: &Account| account.code.clone().unwrap_or_else(|| account.id.clone());
    let chosen = view
        .choices
        .payment_account
        .as_ref()
        .and_then(|chosen| accounts.iter().find(|account| name(account) == *chosen || account.id == *chosen));
    let account = match (chosen, accounts.as_slice()) {
        (Some(account), _) => name(account),
        (None, [only]) => name(only),
        (None, _) if !view.found.facts_read => return Step::ReadFacts,
        (None, several) => return Step::Hold(choose_payment_account(facts, several, label)),
    };
    let Some(paid) = &view.found.paid else { return Step::ReadPayments(document.to_owned()) };
    let settled = |external_id: Option<String>, reason| Step::PaymentDone {
        link: PaymentLink { payment_id: payment.payment_id.clone(), external_id, amount: payment.amount },
        reason,
    };
    let mark = payment_mark(view.invoice, &payment.payment_id);
    if let Some(ours) = paid.payments.iter().find(|there| there.mark.as_deref() == Some(mark.as_str())) {
        return settled(Some(ours.external_id.clone()), "The ledger has this payment already.");
    }
    // C1: the balance is read first, and nothing open means nothing sent.
    if paid.balance <= Decimal::ZERO {
        return settled(None, "Nothing is open on the document there, so the payment was not sent.");
    }
    if payment.amount > paid.balance {
        let detail = format!(
            "A payment of {} {} was received, and only {} is open on the document in {label}.",
            payment.amount, view.invoice.currency, paid.balance
        );
        let hold = payment_differs(view, &payment.payment_id, detail, &paid.balance.normalize().to_string());
        return match view.row.answer(hold.question, &hold.inputs_hash) {
            Some("skip") => settled(None, "Not sent, as chosen."),
            _ => Step::Hold(hold),
        };
    }
    let contact = view.contact.link.as_ref().map(|link| link.external_id.clone()).unwrap_or_default();
    let contact = view.row.link.as_ref().and_then(|link| link.sent.as_ref()).map_or(contact, |sent| sent.contact.clone());
    Step::WritePayment(Box::new(PaymentPlan {
        write: PaymentWrite {
            mark: mark.clone(),
            document: document.to_owned(),
            document_number: view.row.link.as_ref().and_then(|link| link.external_number.clone()),
            contact,
            amount: payment.amount,
            currency: view.invoice.currency,
            date: payment.date,
            account,
            text: format!("Payment of invoice {}", view.invoice.number.trim()),
        },
        look: Look {
            external_id: Some(document.to_owned()),
            mark: Some(mark),
            payment: Some(payment.payment_id.clone()),
            ..Look::default()
        },
        hash: hash.to_owned(),
    }))
}

fn find_contact(view: View<'_>, facts: &Facts) -> Step {
    let options = &view.connection.options;
    // What would be held anyway is held before a contact is made for it, and judged by facts that count.
    if !facts.is_fresh(view.now) && !view.found.facts_read {
        return Step::ReadFacts;
    }
    if let Err(hold) = build(inputs(view, facts, "")) {
        return if view.found.facts_read { Step::Hold(*hold) } else { Step::ReadFacts };
    }
    if let Some(hold) = held_until_posted(view) {
        return Step::Hold(hold);
    }
    let Some(found) = &view.found.contacts else { return Step::SearchContacts };
    let use_contact = |contact: &Contact| {
        let changes = contact_changes(view.client, contact, options.contact_update);
        let hash = if changes.is_empty() { view.client.contact_hash() } else { String::new() };
        Step::LinkContact { external_id: contact.external_id.clone(), hash }
    };
    let form = view.rules.contact_mark;
    let name = match matching::decide(view.client, found, options, view.contact, form, view.invoice.currency) {
        ContactDecision::Use(contact) => return use_contact(contact),
        ContactDecision::Create { name } => name,
        ContactDecision::Hold(hold) => return Step::Hold(hold),
        ContactDecision::Fail(problem) => return Step::Refuse(problem),
    };
    let gone = view.contact.remote_generation;
    let mark = contact_mark_in(form, view.client, gone);
    let look = |name: &str| Look {
        mark: mark.clone(),
        name: Some(name.to_owned()),
        email: Some(view.client.email.trim().to_owned()).filter(|email| !email.is_empty()),
        ..Look::default()
    };
    // One that we made may bear another name by now, and its link may be lost (a restore): found by its mark (I2).
    if mark.is_some() && (view.connection.look_first || view.found.name_taken) {
        let Some(marked) = &view.found.contact_look else { return Step::LookContact(look(&name)) };
        let ours = marked
            .iter()
            .find(|contact| contact.our_mark == mark && contact.status == ContactStatus::Active && contact.merged_into.is_none());
        if let Some(contact) = ours {
            return use_contact(contact);
        }
    }
    let name = if view.found.name_taken {
        match matching::decide_unseen_clash(view.client, found, options, &name, view.rules.ledger.label()) {
            ContactDecision::Create { name } => name,
            ContactDecision::Use(contact) => return use_contact(contact),
            ContactDecision::Hold(hold) => return Step::Hold(hold),
            ContactDecision::Fail(problem) => return Step::Refuse(problem),
        }
    } else {
        name
    };
    Step::WriteContact(Box::new(ContactPlan {
        kind: IntentKind::CreateContact,
        external_id: None,
        look: look(&name),
        content: new_contact(view.client, name, mark.clone(), view.invoice.currency),
        hash: view.client.contact_hash(),
    }))
}

/// The client changed since its contact was last compared (R43, C27).
fn refresh_contact(view: View<'_>, external_id: &str) -> Option<Step> {
    // A search or look of this run may have just read it.
    let read = [&view.found.contacts, &view.found.contact_look];
    let known = read.into_iter().flatten().flatten().find(|contact| contact.external_id == external_id);
    let there = match (known, &view.found.linked_contact) {
        (Some(contact), _) => contact,
        (None, Some(None)) => return Some(contact_gone(view, external_id, DELETED)),
        (None, Some(Some(contact))) if contact.external_id == external_id => contact,
        // Not read yet, or read was the contact that has been merged into this one.
        (None, None | Some(Some(_))) => return Some(Step::ReadContact(external_id.to_owned())),
    };
    if let Some(target) = there.merged_into.as_deref().filter(|target| *target != external_id) {
        return Some(Step::LinkContact { external_id: target.to_owned(), hash: String::new() });
    }
    if there.status == ContactStatus::Archived || there.merged_into.is_some() {
        return Some(contact_gone(view, external_id, ARCHIVED));
    }
    let content = contact_changes(view.client, there, view.connection.options.contact_update);
    if content.is_empty() {
        return Some(Step::LinkContact { external_id: external_id.to_owned(), hash: view.client.contact_hash() });
    }
    Some(Step::WriteContact(Box::new(ContactPlan {
        kind: IntentKind::UpdateContact,
        external_id: Some(external_id.to_owned()),
        content,
        hash: view.client.contact_hash(),
        look: Look { external_id: Some(external_id.to_owned()), ..Look::default() },
    })))
}

const DELETED: &str = "was deleted";
const ARCHIVED: &str = "is archived";

/// Whether a person asked to look for the contact again: after what we read, or after the ledger refused a write because of the contact
/// (that question rests on what was written: the document's content, or the client's mark). Answers end with the link they are about.
fn find_again(view: View<'_>, external_id: &str) -> bool {
    let read = [DELETED, ARCHIVED].map(|what| digest([external_id.as_bytes(), what.as_bytes()]));
    let refused = view.facts.and_then(|facts| hash_of(inputs(view, facts, external_id)));
    let mark = digest([contact_mark(view.client).as_bytes()]);
    read.iter().chain(&refused).chain([&mark]).any(|hash| view.contact.answer(Question::ContactGone, hash) == Some("find_again"))
}

fn contact_gone(view: View<'_>, external_id: &str, what: &str) -> Step {
    Step::Hold(HoldDraft {
        question: Question::ContactGone,
        detail: format!("The contact that \"{}\" is linked to {what} in {}.", view.client.name, view.rules.ledger.label()),
        choices: vec![
            Choice::new("find_again", "Look for the right contact again, or create it"),
            Choice::new("retry", "I have restored it: try again"),
        ],
        inputs_hash: digest([external_id.as_bytes(), what.as_bytes()]),
    })
}

fn document_step(view: View<'_>, facts: &Facts, built: BuiltContent) -> Step {
    let Some(link) = &view.row.link else { return create_step(view, facts, built) };
    if let Some(sent) = link.sent.as_ref().filter(|_| needs_no_read(view, link)) {
        return match update_unread(link, sent, &built, facts) {
            Merge::Write { write, changes } => Step::WriteDocument(Box::new(update_plan(&built, *write, changes, &link.external_id))),
            // The content is what was sent, though its hash was not kept.
            Merge::Same | Merge::Conflict(_) => Step::ReadDocument(link.external_id.clone()),
        };
    }
    let there = match &view.found.document {
        None => return Step::ReadDocument(link.external_id.clone()),
        Some(None) => return document_gone(view, &link.external_id, "was deleted"),
        Some(Some(there)) => there,
    };
    match there.status {
        DocumentStatus::Voided => return document_gone(view, &there.external_id, "was voided"),
        DocumentStatus::Deleted => return document_gone(view, &there.external_id, "was deleted"),
        DocumentStatus::Draft | DocumentStatus::Approved | DocumentStatus::Paid => {}
    }
    let sent = || SentDocument::of(&built.content, built.totals);
    let known = link.sent.iter().flat_map(|sent| &sent.lines).map(|line| (line.key, line.line_id.as_ref()));
    let compared = || Box::new(sent().with_known_ids(known.clone()).with_line_ids(&there.lines));
    let mut outcome = merge(link.sent.as_ref(), there, &built, facts, view.rules, Keep::Ask);
    // A document of ours whose last content is not known (its link was lost): who changed what cannot be told, so a person is asked.
    if let (Merge::Write { changes, .. }, None, true) = (&outcome, &link.sent, link.created_by_us) {
        outcome = Merge::Conflict(changes.clone());
    }
    if let Merge::Conflict(differences) = &outcome {
        let hold = changed_in_ledger(view, there, differences, &built.content.hash());
        match view.row.answer(hold.question, &hold.inputs_hash) {
            Some("ours") => outcome = merge(link.sent.as_ref(), there, &built, facts, view.rules, Keep::Ours),
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
        Merge::Conflict(differences) => Step::Hold(changed_in_ledger(view, there, &differences, &built.content.hash())),
        Merge::Write { write, changes } => {
            if there.has_payments || there.status == DocumentStatus::Paid {
                return paid_in_ledger(view, there, &built);
            }
            match there.changeable {
                Changeable::All => {}
                Changeable::DueDate if changes.iter().all(|change| change.field == "due date") => {}
                Changeable::DueDate | Changeable::Nothing => return locked_in_ledger(view, there, &built, &changes),
            }
            Step::WriteDocument(Box::new(update_plan(&built, *write, changes, &there.external_id)))
        }
    }
}

fn update_plan(built: &BuiltContent, write: DocumentWrite, changes: Vec<Difference>, external_id: &str) -> DocumentPlan {
    let known = write.lines.iter().map(|line| (line.key, line.line_id.as_ref()));
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
        approve: false,
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
        && view.found.document.is_none()
        && !view.found.stale
        && !view.connection.look_first
        && !view.row.approve
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
        sent.gone_before = found
            .iter()
            .filter(|document| is_ours(document) && document.status.is_gone())
            .map(|document| document.external_id.clone())
            .collect();
        // Ours but gone keeps the number (docs/vendors/xero.md, section 0, fact 3): the number is taken by it, too. A reference, and a
        // number that the ledger does not keep unique, is free again once its document is gone.
        let named = |document: &&RemoteDocument| match &content.number {
            Some(_) => document.number == content.number,
            None => !view.rules.carries_number && document.reference.is_some() && document.reference == content.reference,
        };
        let theirs = found.iter().filter(|document| enforced || !document.status.is_gone()).find(named);
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
        approve: in_steps && !as_draft,
        kind: IntentKind::Create,
        write: new_document(&built, facts, status),
        sent,
        hash: content.hash(),
        look,
        changes: Vec::new(),
    }))
}
