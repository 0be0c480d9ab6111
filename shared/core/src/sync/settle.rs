//! Settling an open intent: what may have been sent is found out before anything else is done (design decisions 7 and 8).

use jiff::{SignedDuration, Timestamp};

use crate::contact::{Contact, ContactStatus};
use crate::document::{DocumentStatus, Paid, RemoteDocument, RemotePayment};
use crate::failure::Disposition;
use crate::ledger::{BATCH_TIMEOUT, ContactMark, DocumentMark, DocumentShape, LedgerRules};
use crate::sync::merge::holds;
use crate::sync::row::{Intent, IntentKind};
use crate::text::{digest, email_key, name_key};

/// The next move about an open intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle<'a, T> {
    /// The same key and the same body again.
    Resend,
    /// Look in the ledger, by the values stored in the intent.
    Look,
    /// It was done: this is what it made or changed.
    Done(&'a T),
    /// It was not done, and can no longer be.
    NotDone,
    /// Not there yet, but it may still appear until then.
    Wait(Timestamp),
    /// More than one document answers to it.
    Several,
    /// It was begun and is not complete: lines are missing.
    Unfinished(&'a T),
}

/// Whether the vendor still remembers the key. What travelled in a batch was never sent under its own.
#[must_use]
pub fn within_key_window(intent: &Intent, rules: &LedgerRules, now: Timestamp) -> bool {
    !intent.batched && intent.first_sent_at.duration_until(now) < rules.key_window
}

/// From when on a miss counts: the newest send window, one call and the ledger's settle time are over.
#[must_use]
pub fn miss_counts_at(intent: &Intent, rules: &LedgerRules) -> Timestamp {
    let call = if intent.batched { rules.call_timeout.max(BATCH_TIMEOUT) } else { rules.call_timeout };
    intent.send_by.saturating_add(call + rules.settle).unwrap_or(Timestamp::MAX)
}

/// Whether a failed send settles its intent as not done. A refusal before the request was looked at (throttled, token not taken, malformed)
/// speaks of this one send: when the same intent was sent before, that send may have been done all the same, and only the same key, or a
/// look, can tell. A refusal of the content is the vendor's answer under the key, and so holds for every send of it.
#[must_use]
pub fn refusal_settles(disposition: &Disposition, sent_before: bool) -> bool {
    match disposition {
        Disposition::Reject { .. } | Disposition::Hold { .. } => true,
        // An earlier send that was done is what makes a version old.
        Disposition::Retry { .. } | Disposition::Reauthorize | Disposition::Stale | Disposition::Defect => !sent_before,
        Disposition::LookFirst => false,
    }
}

/// The move about a document's intent; `found` is what a look returned in this run.
#[must_use]
pub fn document<'a>(
    intent: &Intent,
    rules: &LedgerRules,
    now: Timestamp,
    found: Option<&'a [RemoteDocument]>,
) -> Settle<'a, RemoteDocument> {
    let Some(found) = found else {
        return if within_key_window(intent, rules, now) { Settle::Resend } else { Settle::Look };
    };
    match intent.kind {
        IntentKind::Create => {
            // What was gone before the create was sent did not come of it: else a dead document would be taken for the one that a late
            // create may still make.
            let gone_before = |id: &String| intent.sent.as_ref().is_some_and(|sent| sent.gone_before.contains(id));
            let mut ours = found.iter().filter(|document| is_answer(document, intent, rules) && !gone_before(&document.external_id));
            let live: Vec<&RemoteDocument> = ours.clone().filter(|document| !document.status.is_gone()).collect();
            match (live.as_slice(), ours.next()) {
                ([only], _) if lacks_lines(only, intent, rules) => Settle::Unfinished(only),
                ([only], _) => Settle::Done(only),
                // Made, and taken out of the books since.
                ([], Some(gone)) => Settle::Done(gone),
                ([], None) => miss(intent, rules, now),
                ([_, _, ..], _) => Settle::Several,
            }
        }
        IntentKind::Update => match found.first() {
            Some(there) if intent.sent.as_ref().is_some_and(|sent| holds(there, sent)) => Settle::Done(there),
            // Gone for good: nothing can land on it any more.
            None => Settle::NotDone,
            Some(there) if there.status.is_gone() => Settle::NotDone,
            Some(_) => miss(intent, rules, now),
        },
        IntentKind::Void => match found.first() {
            Some(there) if there.status.is_gone() => Settle::Done(there),
            None => Settle::NotDone,
            Some(_) => miss(intent, rules, now),
        },
        IntentKind::Approve => match found.first() {
            Some(there) if there.status != DocumentStatus::Draft => Settle::Done(there),
            None => Settle::NotDone,
            Some(_) => miss(intent, rules, now),
        },
        // Payments are looked for among payments; a contact's intent never stands on a document's row.
        IntentKind::Payment | IntentKind::CreateContact | IntentKind::UpdateContact => Settle::NotDone,
    }
}

/// The move about a contact's intent; `found` is what a look returned in this run.
#[must_use]
pub fn contact<'a>(intent: &Intent, rules: &LedgerRules, now: Timestamp, found: Option<&'a [Contact]>) -> Settle<'a, Contact> {
    let Some(found) = found else {
        return match (within_key_window(intent, rules, now), intent.kind) {
            (true, _) => Settle::Resend,
            // Nothing to look for: once it can no longer land, the contact is read and compared anew. Sending the old body again so
            // late could write over what a bookkeeper filled in since (C27).
            (false, IntentKind::UpdateContact) => miss(intent, rules, now),
            (
                false,
                IntentKind::Create
                | IntentKind::Update
                | IntentKind::Void
                | IntentKind::Approve
                | IntentKind::Payment
                | IntentKind::CreateContact,
            ) => Settle::Look,
        };
    };
    let ours = |contact: &&Contact| match rules.contact_mark {
        ContactMark::ClientId | ContactMark::Digest { .. } => contact.our_mark.is_some() && contact.our_mark == intent.look.mark,
        ContactMark::Evidence => is_evident(contact, intent),
    };
    // A usable one first, should a merge have left the mark on two.
    let usable = |contact: &&Contact| ours(contact) && contact.status == ContactStatus::Active && contact.merged_into.is_none();
    match found.iter().find(usable).or_else(|| found.iter().find(ours)) {
        Some(ours) => Settle::Done(ours),
        None => miss(intent, rules, now),
    }
}

fn miss<'a, T>(intent: &Intent, rules: &LedgerRules, now: Timestamp) -> Settle<'a, T> {
    let counts_at = miss_counts_at(intent, rules);
    if now >= counts_at { Settle::NotDone } else { Settle::Wait(counts_at) }
}

/// The move about a payment's intent; `found` is what a look returned in this run.
#[must_use]
pub fn payment<'a>(intent: &Intent, rules: &LedgerRules, now: Timestamp, found: Option<&'a Paid>) -> Settle<'a, RemotePayment> {
    let Some(found) = found else {
        return if within_key_window(intent, rules, now) { Settle::Resend } else { Settle::Look };
    };
    let mut ours = found.payments.iter().filter(|payment| payment.mark.is_some() && payment.mark == intent.look.mark);
    match (ours.next(), ours.next()) {
        (Some(only), None) => Settle::Done(only),
        (Some(_), Some(_)) => Settle::Several,
        (None, _) => miss(intent, rules, now),
    }
}

/// How far a ledger's clock may be behind ours.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(2);

/// Whether something that a ledger made at `created_at` can have come of an intent. Where it does not say when, it can.
fn since_intent(created_at: Option<Timestamp>, intent: &Intent) -> bool {
    let earliest = intent.first_sent_at.saturating_sub(CLOCKS_APART).unwrap_or(Timestamp::MIN);
    created_at.is_none_or(|at| at >= earliest)
}

/// Whether a document is what the create of this intent made. Ownership is never the number alone (C6): the document must carry the mark
/// that was sent, or, where a ledger has no room for one, agree in reference, contact and amount and be no older than the intent.
#[must_use]
pub fn is_answer(document: &RemoteDocument, intent: &Intent, rules: &LedgerRules) -> bool {
    match rules.document_mark {
        DocumentMark::Link | DocumentMark::Digest => document.url.is_some() && document.url == intent.look.mark,
        DocumentMark::Evidence => {
            document.reference.is_some()
                && document.reference == intent.look.reference
                && Some(&document.contact) == intent.look.contact.as_ref()
                && (document.status.is_gone() || intent.sent.as_ref().is_some_and(|sent| sent.totals.total == document.totals.total))
                && since_intent(document.created_at, intent)
        }
    }
}

/// The owner's mark as a ledger's documents have room for it: the address of the invoice's page, a digest of it in 35 characters, or
/// nothing.
#[must_use]
pub fn document_mark(form: DocumentMark, url: &str) -> String {
    match form {
        DocumentMark::Link => url.to_owned(),
        DocumentMark::Digest => format!("CP-{}", digest([url.as_bytes()]).chars().take(32).collect::<String>().to_uppercase()),
        DocumentMark::Evidence => String::new(),
    }
}

/// Whether the answer to a write is its outcome: about the document that was to be made or changed and no other one (I5), and, for a void
/// or an approval, that it was carried out. Anything else leaves open what became of the write.
#[must_use]
pub fn answers(document: &RemoteDocument, intent: &Intent, rules: &LedgerRules) -> bool {
    let same = intent.look.external_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&document.external_id));
    match intent.kind {
        IntentKind::Create => match rules.document_mark {
            DocumentMark::Link | DocumentMark::Digest => document.url == intent.look.mark,
            DocumentMark::Evidence => {
                document.reference == intent.look.reference && Some(&document.contact) == intent.look.contact.as_ref()
            }
        },
        IntentKind::Update => same,
        IntentKind::Void => same && document.status.is_gone(),
        IntentKind::Approve => same && document.status != DocumentStatus::Draft,
        IntentKind::Payment | IntentKind::CreateContact | IntentKind::UpdateContact => false,
    }
}

/// Whether the answer to a contact's create is about the contact that was to be made, and no other one (I5). `kept` makes of a name what the
/// ledger keeps of it, which is not always as it was meant.
#[must_use]
pub fn contact_answers(contact: &Contact, intent: &Intent, rules: &LedgerRules, kept: impl Fn(&str) -> String) -> bool {
    match rules.contact_mark {
        ContactMark::ClientId | ContactMark::Digest { .. } => contact.our_mark == intent.look.mark,
        // An answer that is replayed for another create has another name.
        ContactMark::Evidence => {
            let there = name_key(&contact.name);
            intent.look.name.as_deref().is_some_and(|name| name_key(name) == there || name_key(&kept(name)) == there)
        }
    }
}

/// A contact without room for a mark: the name and address that were sent, not there before, and no older than the intent.
fn is_evident(contact: &Contact, intent: &Intent) -> bool {
    let same = |ours: &Option<String>, theirs: Option<&str>, key: fn(&str) -> String| {
        ours.as_deref().is_none_or(|ours| theirs.is_some_and(|theirs| key(theirs) == key(ours)))
    };
    intent.look.name.is_some()
        && !intent.look.known.contains(&contact.external_id)
        && same(&intent.look.name, Some(&contact.name), name_key)
        && same(&intent.look.email, contact.email.as_deref(), email_key)
        && since_intent(contact.created_at, intent)
}

/// Whether lines of a create are still missing. Lines are sent in order and numbered, so fewer than were planned means that some of ours
/// are not there; a line that a bookkeeper added meanwhile shows as a difference in the totals.
#[must_use]
pub fn lacks_lines(document: &RemoteDocument, intent: &Intent, rules: &LedgerRules) -> bool {
    rules.shape == DocumentShape::HeaderThenLines
        && document.status == DocumentStatus::Draft
        && intent.sent.as_ref().is_some_and(|sent| document.lines.len() < sent.lines.len())
}
