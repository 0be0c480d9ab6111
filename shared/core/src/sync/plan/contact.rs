//! The contact step: found, made, or brought up to date before its document (C3 to C5, C27).

use super::{ContactPlan, Step, View, held_until_posted, inputs};
use crate::contact::{Contact, ContactStatus};
use crate::facts::Facts;
use crate::failure::Question;
use crate::sync::HoldDraft;
use crate::sync::content::{build, hash_of};
use crate::sync::matching::{self, ContactDecision, contact_changes, contact_mark, contact_mark_in, new_contact};
use crate::sync::row::{Choice, IntentKind, Look};
use crate::text::digest;

pub(super) fn find_contact(view: View<'_>, facts: &Facts) -> Step {
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
    let mark = contact_mark_in(form, view.client, view.invoice.currency, gone);
    let look = |name: &str| Look {
        mark: mark.clone(),
        name: Some(name.to_owned()),
        email: Some(view.client.email.trim().to_owned()).filter(|email| !email.is_empty()),
        // Where a contact has no mark, what was there before cannot have come of the create.
        known: if mark.is_none() { found.iter().map(|contact| contact.external_id.clone()).collect() } else { Vec::new() },
        ..Look::default()
    };
    // One that we made may bear another name by now, and its link may be lost (a restore): found by its mark (I2).
    if mark.is_some() && (view.connection.look_first || view.found.name_taken.is_some()) {
        let Some(marked) = &view.found.contact_look else { return Step::LookContact(look(&name)) };
        let ours = marked
            .iter()
            .find(|contact| contact.our_mark == mark && contact.status == ContactStatus::Active && contact.merged_into.is_none());
        if let Some(contact) = ours {
            return use_contact(contact);
        }
    }
    // Searched for once more, the contact that has the name may be known by now, and another name be meant.
    let name = if view.found.name_taken.as_ref() == Some(&name) {
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
        // Said only where there is something to say: an organisation of one currency may refuse its name.
        content: new_contact(view.client, name, mark.clone(), (facts.currencies.len() > 1).then_some(view.invoice.currency)),
        hash: view.client.contact_hash(),
    }))
}

/// The client changed since its contact was last compared (R43, C27).
pub(super) fn refresh_contact(view: View<'_>, external_id: &str) -> Option<Step> {
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
pub(super) fn find_again(view: View<'_>, external_id: &str) -> bool {
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
