//! Each step and each question of the planner, and the order in which they come.

use coportal_core::client::Address;
use coportal_core::connection::{ContactUpdate, MatchBy, NameClash, NumberPolicy, Profile};
use coportal_core::contact::{Contact, ContactLink, ContactStatus};
use coportal_core::document::{DocumentStatus, RemoteDocument};
use coportal_core::failure::Question;
use coportal_core::id::RunId;
use coportal_core::invoice::InvoiceStatus;
use coportal_core::sync::matching::{contact_changes, contact_mark};
use coportal_core::sync::plan::Step;
use coportal_core::sync::row::{Answer, IntentKind, Lease, SyncState};
use coportal_core::sync::settle::miss_counts_at;
use jiff::{SignedDuration, ToSpan};
use uuid::Uuid;

use crate::fixture::{CONTACT, URL, World, contact, dec};

fn choices(world: &World) -> Vec<String> {
    world.hold().choices.into_iter().map(|choice| choice.id).collect()
}

fn ours(world: &World, id: &str) -> Contact {
    Contact { our_mark: Some(contact_mark(&world.client)), ..contact(id, "Renamed", None) }
}

/// The whole order at once: each thing that stands in the way is taken away in turn, and the next one shows.
#[test]
fn the_order_of_decisions() {
    let mut world = World::new();
    let other = RunId::new(Uuid::from_u128(77));
    world.row.lease = Some(Lease { owner: other, until: world.now + SignedDuration::from_secs(9) });
    world.row.intent = Some(world.intent(IntentKind::Create));
    world.contact.intent = Some(world.intent(IntentKind::CreateContact));
    world.invoice.status = InvoiceStatus::Draft;
    let facts = world.facts.take();
    assert!(matches!(world.step(), Step::Busy { contact: false, .. }));
    world.now += SignedDuration::from_secs(9);
    assert!(matches!(world.step(), Step::ResendDocument), "an intent comes before everything but a lease");
    world.row.intent = None;
    assert!(matches!(world.step(), Step::Refuse(problem) if problem.code == "not_eligible"));
    world.invoice.status = InvoiceStatus::Sent;
    assert!(matches!(world.step(), Step::ResendContact));
    world.contact.intent = None;
    assert!(matches!(world.step(), Step::ReadFacts));
    world.facts = facts;
    assert!(matches!(world.step(), Step::SearchContacts));
    world.found.contacts = Some(vec![]);
    assert!(matches!(world.step(), Step::WriteContact(_)));
    world.contact.link = World::linked().contact.link;
    let Step::WriteDocument(plan) = world.step() else { panic!() };
    assert_eq!((plan.kind, plan.write.status), (IntentKind::Create, DocumentStatus::Draft));
    assert_eq!(plan.look.mark.as_deref(), Some(URL));
}

/// R64, C2: unchanged is nothing, without a call: also when it was paid here, the books were closed or facts are old.
#[test]
fn r64_c2_unchanged_is_nothing() {
    let (mut world, _) = World::synced();
    assert!(matches!(world.step(), Step::Nothing));
    world.invoice.status = InvoiceStatus::Paid;
    world.facts_mut().locked_until = Some("2026-12-31".parse().unwrap());
    world.facts_mut().accounts.clear();
    world.now += 48.hours();
    assert!(matches!(world.step(), Step::Nothing));
    // A change in a closed period is a question, after the facts were read again.
    world.invoice.due_date = None;
    assert!(matches!(world.step(), Step::ReadFacts));
    world.found.facts_read = true;
    assert_eq!(world.hold().question, Question::PeriodLocked);
}

/// Design decision 6: old facts are read again before a write.
#[test]
fn old_facts_are_read_before_a_write() {
    let mut world = World::linked();
    world.now += 25.hours();
    assert!(matches!(world.step(), Step::ReadFacts));
    world.found.facts_read = true;
    assert!(matches!(world.step(), Step::WriteDocument(_)));
}

/// What would be held anyway is held before a contact is made for it.
#[test]
fn no_contact_is_made_for_an_invoice_that_is_held() {
    let mut world = World::new();
    world.invoice.lines[0].tax_rate = None;
    assert!(matches!(world.step(), Step::ReadFacts), "stale facts may be the reason");
    world.found.facts_read = true;
    assert_eq!(world.hold().question, Question::MapTax);
    world.facts_mut().currencies.clear();
    assert_eq!(world.hold().question, Question::CurrencyMissing);
    let mut world = World::linked();
    world.found.facts_read = true;
    world.choices.sales_account = None;
    assert_eq!(world.hold().question, Question::ChooseAccount);
}

/// A linked contact's lease is of no interest; one that is being made is.
#[test]
fn a_contact_in_the_making_is_waited_for() {
    let mut world = World::new();
    world.contact.lease = Some(Lease { owner: RunId::new(Uuid::from_u128(77)), until: world.now + SignedDuration::from_secs(9) });
    assert!(matches!(world.step(), Step::Busy { contact: true, .. }));
    world.contact.link = World::linked().contact.link;
    assert!(matches!(world.step(), Step::WriteDocument(_)));
}

/// R43: what the client has more than the contact is filled in (C27), and the link remembers what was compared.
#[test]
fn r43_a_contact_is_linked_then_filled() {
    let mut world = World::new();
    world.client.phone = Some("+27 11".into());
    world.found.contacts = Some(vec![contact("c", "Acme", Some("ann@acme.co"))]);
    assert!(matches!(world.step(), Step::LinkContact { hash, .. } if hash.is_empty()));
    world.contact.link = Some(ContactLink { external_id: "c".into(), hash: String::new(), linked_at: world.now });
    let Step::WriteContact(plan) = world.step() else { panic!() };
    assert_eq!(
        (plan.kind, plan.external_id.as_deref(), plan.content.phone.as_deref()),
        (IntentKind::UpdateContact, Some("c"), Some("+27 11"))
    );
    world.connection.options.contact_update = ContactUpdate::Never;
    assert!(matches!(world.step(), Step::WriteDocument(_)));
}

#[test]
fn r43_a_changed_client_is_compared_with_its_contact() {
    let (mut world, _) = World::synced();
    world.client.email = "new@acme.co".into();
    assert!(matches!(world.step(), Step::ReadContact(id) if id == CONTACT));
    world.found.linked_contact = Some(Some(contact(CONTACT, "Acme", Some("ann@acme.co"))));
    assert!(matches!(world.step(), Step::LinkContact { hash, .. } if hash == world.client.contact_hash()), "a filled field stays (C27)");
}

/// A merged contact leads to its target, which is read itself: no endless loop.
#[test]
fn a_merged_contact_is_followed() {
    let (mut world, _) = World::synced();
    world.client.email = "new@acme.co".into();
    world.found.linked_contact = Some(Some(Contact { merged_into: Some("target".into()), ..contact(CONTACT, "Acme", None) }));
    let Step::LinkContact { external_id, hash } = world.step() else { panic!() };
    world.contact.link = Some(ContactLink { external_id, hash, linked_at: world.now });
    assert!(matches!(world.step(), Step::ReadContact(id) if id == "target"));
    world.found.linked_contact = Some(Some(Contact { merged_into: Some("target".into()), ..contact("target", "Acme", None) }));
    assert_eq!(world.hold().question, Question::ContactGone, "a contact merged into itself is none");
}

/// ContactGone: deleted or archived, asked, unlinked on the answer; the new one has a mark of its own.
#[test]
fn a_contact_that_is_gone_is_a_question() {
    for there in [None, Some(Contact { status: ContactStatus::Archived, ..contact(CONTACT, "Acme", None) })] {
        let (mut world, _) = World::synced();
        world.client.email = "new@acme.co".into();
        world.found.linked_contact = Some(there);
        let hold = world.hold();
        assert_eq!((hold.question, choices(&world)), (Question::ContactGone, vec!["find_again".to_owned(), "retry".to_owned()]));
        world.answer(&hold, "find_again");
        assert!(matches!(world.step(), Step::UnlinkContact));
        (world.contact.link, world.contact.remote_generation, world.found.contacts) = (None, 1, Some(vec![]));
        let Step::WriteContact(plan) = world.step() else { panic!() };
        assert_eq!(plan.content.our_mark, Some(format!("{}:1", contact_mark(&world.client))));
        assert_eq!(plan.look.mark, plan.content.our_mark);
    }
}

/// The same question raised by the ledger's refusal of a write rests on what was written; its answer is heard, too.
#[test]
fn a_contact_refused_in_a_write_is_found_again() {
    let mut world = World::linked();
    let mark = coportal_core::text::digest([contact_mark(&world.client).as_bytes()]);
    for inputs_hash in [world.built().content.hash(), mark] {
        world.contact.answers = vec![Answer { question: Question::ContactGone, choice: "find_again".into(), inputs_hash }];
        assert!(matches!(world.step(), Step::UnlinkContact));
    }
    world.contact.answers[0].inputs_hash = "another content".into();
    assert!(matches!(world.step(), Step::WriteDocument(_)), "an answer counts for its inputs only");
}

#[test]
fn c3_c4_c5_contact_questions_and_their_answers() {
    let table = [
        (vec![contact("a", "Acme", Some("x@y.co"))], Question::ConfirmContact, "link:a"),
        (vec![contact("a", "Acme", Some("ann@acme.co")), contact("b", "Beta", Some("ann@acme.co"))], Question::ChooseContact, "link:b"),
    ];
    for (found, question, answer) in table {
        let mut world = World::new();
        world.found.contacts = Some(found);
        let hold = world.hold();
        assert_eq!(hold.question, question);
        world.answer(&hold, answer);
        assert!(matches!(world.step(), Step::LinkContact { external_id, .. } if answer.ends_with(&external_id)));
    }
    let mut world = World::new();
    world.connection.options.match_by = vec![MatchBy::Email];
    world.found.contacts = Some(vec![contact("a", "Acme", None)]);
    let hold = world.hold();
    assert_eq!(hold.question, Question::NameClash);
    world.answer(&hold, "create_suffixed");
    assert!(matches!(world.step(), Step::WriteContact(plan) if plan.content.name.as_deref() == Some("Acme (ann@acme.co)")));
}

/// C5: a name that only the refusal told is taken. Our own contact under another name is looked for first (I2), then the option decides,
/// and each answer leads somewhere.
#[test]
fn c5_a_name_taken_by_a_contact_that_is_not_shown() {
    let mut world = World::new();
    (world.found.contacts, world.found.name_taken) = (Some(vec![]), Some("Acme".to_owned()));
    assert!(matches!(world.step(), Step::LookContact(look) if look.mark == Some(contact_mark(&world.client))));
    world.found.contact_look = Some(vec![ours(&world, "renamed")]);
    assert!(matches!(world.step(), Step::LinkContact { external_id, .. } if external_id == "renamed"));
    world.found.contact_look = Some(vec![]);
    let hold = world.hold();
    assert_eq!((hold.question, choices(&world)), (Question::NameClash, vec!["create_suffixed".to_owned(), "retry".to_owned()]));
    world.answer(&hold, "create_suffixed");
    world.found.name_taken = None;
    assert!(matches!(world.step(), Step::WriteContact(plan) if plan.content.name.as_deref() == Some("Acme (ann@acme.co)")));
    world.found.name_taken = Some("Acme (ann@acme.co)".to_owned());
    assert_eq!(choices(&world), ["retry"], "the second name is taken as well");
    world.contact.answers.clear();
    world.found.name_taken = Some("Acme".to_owned());
    world.connection.options.name_clash = NameClash::Suffix;
    assert!(matches!(world.step(), Step::WriteContact(plan) if plan.content.name.as_deref() == Some("Acme (ann@acme.co)")));
    world.connection.options.name_clash = NameClash::Fail;
    assert!(matches!(world.step(), Step::Refuse(problem) if problem.code == "name_clash"));
    // Searched for once more, it is the client's contact in another currency: the name that is meant now was not refused.
    let euros = Contact { currency: "EUR".parse().ok(), ..contact("e", "Acme", None) };
    world.found.contacts = Some(vec![euros]);
    let meant = format!("Acme ({})", world.invoice.currency);
    assert!(matches!(world.step(), Step::WriteContact(plan) if plan.content.name.as_deref() == Some(meant.as_str())));
}

/// I2: after a restore a contact of ours is looked for by its mark before one is made.
#[test]
fn i2_look_first_covers_contacts_too() {
    let mut world = World::new();
    (world.found.contacts, world.connection.look_first) = (Some(vec![]), true);
    assert!(matches!(world.step(), Step::LookContact(_)));
    world.found.contact_look = Some(vec![ours(&world, "o")]);
    assert!(matches!(world.step(), Step::LinkContact { external_id, .. } if external_id == "o"));
}

/// C27: an address is written whole, so what only the bookkeeper filled goes along.
#[test]
fn c27_overwriting_an_address_blanks_no_part_of_it() {
    let mut world = World::new();
    let address = |line1: &str, city: Option<&str>| Address { line1: Some(line1.into()), city: city.map(Into::into), ..Address::default() };
    world.client.billing_address = Some(address("1 New St", None));
    let there = Contact { billing_address: Some(address("9 Old St", Some("Leeds"))), ..contact("c", "Acme", Some("ann@acme.co")) };
    let changes = contact_changes(&world.client, &there, ContactUpdate::Overwrite);
    assert_eq!(changes.billing_address, Some(address("1 New St", Some("Leeds"))));
    let same = Contact { billing_address: changes.billing_address, ..there };
    assert!(contact_changes(&world.client, &same, ContactUpdate::Overwrite).is_empty());
    assert!(contact_changes(&world.client, &same, ContactUpdate::FillBlanks).is_empty());
}

/// C7, R51: a draft, or approved (awaiting payment) where the toggle says so; an update leaves it as it stands.
#[test]
fn c7_draft_or_approved() {
    let mut world = World::linked();
    world.connection.options.sync_as_draft = false;
    assert!(matches!(world.step(), Step::WriteDocument(plan) if plan.write.status == DocumentStatus::Approved));
    let (mut world, there) = World::synced();
    world.connection.options.sync_as_draft = false;
    world.invoice.due_date = None;
    world.found.document = Some(Some(there));
    assert!(
        matches!(world.step(), Step::WriteDocument(plan) if plan.kind == IntentKind::Update && plan.write.status == DocumentStatus::Draft)
    );
}

/// C9, C17: what may be synced.
#[test]
fn c9_c17_eligibility() {
    let mut world = World::linked();
    world.invoice.status = InvoiceStatus::Draft;
    assert!(matches!(world.step(), Step::Refuse(_)));
    world.connection.options.also_draft_source = true;
    assert!(matches!(world.step(), Step::WriteDocument(_)));
    world.connection.options.sync_as_draft = false;
    assert!(matches!(world.step(), Step::Refuse(_)));
    world.invoice.status = InvoiceStatus::Paid;
    assert!(matches!(world.step(), Step::WriteDocument(_)));
    world.connection.options.profile = Profile::Copper;
    assert!(matches!(world.step(), Step::Refuse(_)));
}

/// C10: voided here. Never asked for: refused; asked for and never there: at its end; there and open: a question, and its answers; gone
/// there too: at its end.
#[test]
fn c10_voided_here() {
    let mut world = World::linked();
    world.invoice.status = InvoiceStatus::Void;
    assert!(matches!(world.step(), Step::Refuse(_)));
    world.row.state = SyncState::Held;
    assert!(matches!(world.step(), Step::Proved { sent: None, .. }));
    let (mut world, mut there) = World::synced();
    world.invoice.status = InvoiceStatus::Void;
    assert!(matches!(world.step(), Step::ReadDocument(_)), "the bookkeeper may have voided it since");
    world.found.document = Some(Some(there.clone()));
    let hold = world.hold();
    assert_eq!((hold.question, choices(&world)), (Question::VoidInLedger, ["void", "leave", "retry"].map(str::to_owned).to_vec()));
    there.status = DocumentStatus::Voided;
    for gone in [None, Some(there)] {
        world.found.document = Some(gone);
        assert!(matches!(world.step(), Step::Proved { .. }));
    }
    world.answer(&hold, "leave");
    world.found.document = None;
    assert!(matches!(world.step(), Step::Proved { .. }), "left, without a call");
    world.row.intent = Some(world.intent(IntentKind::Update));
    assert!(matches!(world.step(), Step::ResendDocument), "an open intent comes first");
}

/// Settling, as steps.
#[test]
fn an_open_intent_is_settled_first() {
    let mut world = World::linked();
    let intent = world.intent(IntentKind::Create);
    let counts = miss_counts_at(&intent, &world.rules);
    world.row.intent = Some(intent);
    world.now += 6.minutes();
    assert!(matches!(world.step(), Step::LookDocument(look) if look.number.as_deref() == Some("CP-1")));
    world.found.document_look = Some(vec![]);
    assert!(matches!(world.step(), Step::WaitOutcome(until) if until == counts));
    world.now = counts;
    assert!(matches!(world.step(), Step::DocumentNotDone));
    world.found.document_look = Some(vec![world.remote("d")]);
    assert!(matches!(world.step(), Step::DocumentDone(there) if there.external_id == "d"));
    world.found.document_look = Some(vec![world.remote("d"), world.remote("e")]);
    let hold = world.hold();
    assert_eq!((hold.question, choices(&world)), (Question::TwoDocuments, vec!["link:d".to_owned(), "link:e".to_owned()]));
    world.answer(&hold, "link:e");
    assert!(matches!(world.step(), Step::DocumentDone(there) if there.external_id == "e"));
}

#[test]
fn an_open_contact_intent_is_settled_before_a_contact_is_sought() {
    let mut world = World::new();
    let mut intent = world.intent(IntentKind::CreateContact);
    intent.look.mark = Some(contact_mark(&world.client));
    let counts = miss_counts_at(&intent, &world.rules);
    world.contact.intent = Some(intent);
    world.now += 6.minutes();
    assert!(matches!(world.step(), Step::LookContact(_)));
    world.found.contact_look = Some(vec![]);
    assert!(matches!(world.step(), Step::WaitOutcome(until) if until == counts));
    world.now = counts;
    assert!(matches!(world.step(), Step::ContactNotDone));
    world.found.contact_look = Some(vec![ours(&world, "o")]);
    assert!(matches!(world.step(), Step::ContactDone(there) if there.external_id == "o"));
}

/// C31, C6: a taken number. Ours by the mark is adopted; another's is a question with three answers; one that is not shown, with two.
#[test]
fn c31_a_taken_number() {
    let mut world = World::linked();
    world.found.number_taken = true;
    assert!(matches!(world.step(), Step::LookNumber(_)));
    let ours = world.remote("ours");
    let theirs = RemoteDocument { url: None, ..world.remote("theirs") };
    world.found.number_look = Some(vec![ours.clone()]);
    assert!(matches!(world.step(), Step::Adopt(there) if there.external_id == "ours"));
    world.found.number_look = Some(vec![ours.clone(), RemoteDocument { external_id: "copy".into(), ..ours.clone() }]);
    let hold = world.hold();
    assert_eq!(hold.question, Question::TwoDocuments);
    world.answer(&hold, "link:copy");
    assert!(matches!(world.step(), Step::Adopt(there) if there.external_id == "copy"));
    world.row.answers.clear();
    world.found.number_look = Some(vec![]);
    assert_eq!((world.hold().question, choices(&world)), (Question::NumberTaken, vec!["ledger_number".to_owned(), "skip".to_owned()]));
    world.found.number_look = Some(vec![theirs]);
    let hold = world.hold();
    assert_eq!(
        (hold.question, choices(&world)),
        (Question::NumberTaken, vec!["link:theirs".into(), "ledger_number".into(), "skip".into()])
    );
    world.answer(&hold, "link:theirs");
    assert!(matches!(world.step(), Step::Adopt(there) if there.external_id == "theirs"));
    world.row.answers.clear();
    world.answer(&hold, "ledger_number");
    assert!(
        matches!(world.step(), Step::WriteDocument(plan) if plan.write.number.is_none() && plan.write.reference.as_deref() == Some("CP-1"))
    );
}

/// I1: whoever might be there already is looked for: after a restore, once one was forgotten or unlinked, and where no number protects.
#[test]
fn i1_when_a_look_comes_before_a_create() {
    let cases: [fn(&mut World); 4] = [
        |world| world.connection.look_first = true,
        |world| world.row.remote_generation = 1,
        |world| world.rules.enforces_number = false,
        |world| world.connection.options.number = NumberPolicy::LedgerAssigns,
    ];
    for case in cases {
        let mut world = World::linked();
        assert!(matches!(world.step(), Step::WriteDocument(_)));
        case(&mut world);
        assert!(matches!(world.step(), Step::LookNumber(_)));
        let mut old = world.remote("old");
        (old.status, old.number) = (DocumentStatus::Voided, Some("INV-1".into()));
        world.found.number_look = Some(vec![old]);
        let Step::WriteDocument(plan) = world.step() else { panic!() };
        assert_eq!(plan.sent.gone_before, ["old"]);
    }
}

/// The document went away there: asked, never made again by itself; also when the loss is only known from the link.
#[test]
fn a_document_that_is_gone_is_a_question() {
    for status in [None, Some(DocumentStatus::Voided), Some(DocumentStatus::Deleted)] {
        let (mut world, there) = World::synced();
        world.invoice.due_date = None;
        assert!(matches!(world.step(), Step::ReadDocument(_)));
        world.found.document = Some(status.map(|status| RemoteDocument { status, ..there }));
        let hold = world.hold();
        assert_eq!((hold.question, choices(&world)), (Question::DocumentGone, vec!["create_again".to_owned(), "leave".to_owned()]));
        world.answer(&hold, "create_again");
        assert!(matches!(world.step(), Step::ForgetDocument));
    }
    let (mut world, _) = World::synced();
    world.row.link.as_mut().unwrap().status = DocumentStatus::Voided;
    assert!(matches!(world.step(), Step::ReadDocument(_)), "a dead document is no reason to say: nothing to do");
}

/// C29: the conflict, and what its two answers do. An answer ends with the ledger's next version.
#[test]
fn c29_a_conflict_and_its_answers() {
    let (mut world, mut there) = World::synced();
    there.due_date = Some("2026-06-01".parse().unwrap());
    world.invoice.due_date = Some("2026-07-01".parse().unwrap());
    world.found.document = Some(Some(there.clone()));
    // A code that was added there since the facts were read may be all that differs: they are read before a person is asked.
    assert!(matches!(world.step(), Step::ReadFacts));
    world.found.facts_read = true;
    let hold = world.hold();
    assert_eq!((hold.question, choices(&world)), (Question::ChangedInLedger, vec!["ours".to_owned(), "theirs".to_owned()]));
    world.answer(&hold, "ours");
    assert!(matches!(world.step(), Step::WriteDocument(plan) if plan.kind == IntentKind::Update));
    world.found.document = Some(Some(RemoteDocument { version: Some("v2".into()), ..there.clone() }));
    assert_eq!(world.hold().question, Question::ChangedInLedger);
    // Without version marks, another difference is another question.
    there.version = None;
    world.row.answers.clear();
    world.found.document = Some(Some(there.clone()));
    let hold = world.hold();
    world.answer(&hold, "ours");
    there.due_date = Some("2026-06-02".parse().unwrap());
    world.found.document = Some(Some(there));
    assert_eq!(world.hold().question, Question::ChangedInLedger);
    let hold = world.hold();
    world.answer(&hold, "theirs");
    let Step::Proved { hash, sent: Some(sent), .. } = world.step() else { panic!() };
    assert_eq!(hash, world.built().content.hash());
    // What was accepted is not asked about again when something else changes.
    world.row.link.as_mut().unwrap().sent = Some(*sent);
    world.row.answers.clear();
    world.invoice.lines[0].description = "Design, phase 2".into();
    assert!(matches!(world.step(), Step::WriteDocument(plan) if plan.write.due_date == "2026-06-02".parse().unwrap()));
}

/// A document of ours whose last content is unknown (its link was lost): who changed what cannot be told.
#[test]
fn c29_without_a_base_our_own_document_is_not_overwritten() {
    let (mut world, mut there) = World::synced();
    there.reference = Some("PO 77".into());
    world.row.link.as_mut().unwrap().sent = None;
    world.row.hash = None;
    world.found.document = Some(Some(there.clone()));
    world.found.facts_read = true;
    assert_eq!(world.hold().question, Question::ChangedInLedger);
    world.row.link.as_mut().unwrap().created_by_us = false;
    assert!(matches!(world.step(), Step::WriteDocument(_)), "linked by hand: decided (I7)");
    there.reference = Some("CP-1".into());
    world.found.document = Some(Some(there));
    assert!(matches!(world.step(), Step::Proved { sent: Some(_), .. }));
}

/// I8: money is applied there: never edited by us.
#[test]
fn i8_a_paid_document_is_a_question() {
    for (status, has_payments) in [(DocumentStatus::Paid, false), (DocumentStatus::Approved, true)] {
        let (mut world, mut there) = World::synced();
        (there.status, there.has_payments) = (status, has_payments);
        world.found.document = Some(Some(there));
        world.row.hash = None;
        assert!(matches!(world.step(), Step::Proved { .. }), "nothing to change is nothing to ask");
        world.invoice.due_date = None;
        let hold = world.hold();
        assert_eq!((hold.question, choices(&world)), (Question::PaidInLedger, vec!["retry".to_owned(), "leave".to_owned()]));
        world.answer(&hold, "leave");
        assert!(matches!(world.step(), Step::Proved { sent: Some(_), .. }));
        world.invoice.lines[0].unit_price = dec("1");
        assert_eq!(world.hold().question, Question::PaidInLedger, "an answer counts for its content");
    }
}

/// C12 reaches the planner: held, answered, and not asked again once the document is there.
#[test]
fn c12_an_answered_rounding_line_is_not_asked_about_again() {
    let mut world = World::linked();
    world.workspace.tax_rounding = coportal_core::workspace::TaxRounding::Document;
    world.invoice.lines = (0..3).map(|n| crate::fixture::item(n, "Line", "1", "10.03", "20")).collect();
    world.found.facts_read = true;
    let hold = world.hold();
    assert_eq!(hold.question, Question::TotalsDiffer);
    world.answer(&hold, "line");
    let Step::WriteDocument(plan) = world.step() else { panic!() };
    assert_eq!(plan.write.lines.last().unwrap().account.as_deref(), Some("860"));
    world.row.hash = Some(plan.hash);
    world.row.link = World::synced().0.row.link;
    world.row.answers.retain(Answer::outlives_a_write);
    assert!(matches!(world.step(), Step::Nothing));
}
