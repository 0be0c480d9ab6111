//! Settling an open intent (design decisions 7 and 8, C6).

use coportal_core::document::DocumentStatus;
use coportal_core::failure::{Disposition, Question};
use coportal_core::sync::row::{Intent, IntentKind};
use coportal_core::sync::settle::{self, Settle, miss_counts_at, refusal_settles, within_key_window};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::{World, contact};

fn intent(kind: IntentKind) -> (World, Intent, Timestamp) {
    let world = World::linked();
    let intent = world.intent(kind);
    let counts = miss_counts_at(&intent, &world.rules);
    (world, intent, counts)
}

const MOMENT: SignedDuration = SignedDuration::from_secs(1);

/// The key window counts from the first send, the settle time from the newest one plus the call.
#[test]
fn the_windows() {
    let (world, mut intent, counts) = intent(IntentKind::Create);
    assert_eq!(counts, intent.send_by + SignedDuration::from_secs(12) + SignedDuration::from_mins(6));
    let end = intent.first_sent_at + world.rules.key_window;
    assert!(within_key_window(&intent, &world.rules, end - MOMENT));
    assert!(!within_key_window(&intent, &world.rules, end));
    intent.send_by += SignedDuration::from_mins(2);
    assert_eq!(miss_counts_at(&intent, &world.rules), counts + SignedDuration::from_mins(2));
    assert!(!within_key_window(&intent, &world.rules, end), "a resend does not prolong the vendor's memory");
}

/// The same key and body while the vendor remembers it, a look after that.
#[test]
fn resend_then_look() {
    for kind in [IntentKind::Create, IntentKind::Update, IntentKind::Void] {
        let (world, intent, counts) = intent(kind);
        assert_eq!(settle::document(&intent, &world.rules, world.now, None), Settle::Resend);
        assert_eq!(settle::document(&intent, &world.rules, counts, None), Settle::Look);
    }
}

/// What travelled in a batch was never sent under its own key: a look decides, and a miss counts after a batch's own time-out.
#[test]
fn a_row_of_a_batch_is_never_sent_again() {
    for kind in [IntentKind::Create, IntentKind::Update] {
        let (world, single, counts) = intent(kind);
        let batched = Intent { batched: true, ..single };
        assert!(!within_key_window(&batched, &world.rules, batched.first_sent_at));
        assert_eq!(settle::document(&batched, &world.rules, world.now, None), Settle::Look);
        let later = miss_counts_at(&batched, &world.rules);
        assert_eq!(later, counts + SignedDuration::from_secs(48), "sixty seconds of a batch, not twelve of a call");
        let missed = settle::document(&batched, &world.rules, counts, Some(&[]));
        assert!(kind != IntentKind::Create || missed == Settle::Wait(later));
        assert_eq!(settle::document(&batched, &world.rules, later, Some(&[])), Settle::NotDone);
    }
    let (world, single, _) = intent(IntentKind::CreateContact);
    let batched = Intent { batched: true, ..single };
    assert_eq!(settle::contact(&batched, &world.rules, world.now, None), Settle::Look);
}

/// A ledger without keys is looked into at once.
#[test]
fn without_keys_a_look_comes_first() {
    let (mut world, intent, _) = intent(IntentKind::Create);
    world.rules.key_window = SignedDuration::ZERO;
    assert_eq!(settle::document(&intent, &world.rules, world.now, None), Settle::Look);
}

/// A hit counts at once, if it carries our mark (C6): the number alone is no proof.
#[test]
fn c6_a_hit_with_our_mark_is_adopted() {
    let (world, intent, counts) = intent(IntentKind::Create);
    let ours = world.remote("doc-1");
    let mut foreign = world.remote("doc-2");
    foreign.url = Some("https://other.example/".into());
    let mut unmarked = world.remote("doc-3");
    unmarked.url = None;
    let found = [foreign.clone(), unmarked.clone(), ours.clone()];
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(&found)), Settle::Done(&ours));
    assert_eq!(settle::document(&intent, &world.rules, counts, Some(&[foreign, unmarked])), Settle::NotDone);
}

/// A miss counts only after the settle time: until then the effect may still appear.
#[test]
fn a_miss_waits_and_then_counts() {
    for kind in [IntentKind::Create, IntentKind::Update, IntentKind::Void] {
        let (world, intent, counts) = intent(kind);
        let mut before = world.remote("doc-1");
        before.reference = Some("before".into());
        let found = if kind == IntentKind::Create { vec![] } else { vec![before] };
        assert_eq!(settle::document(&intent, &world.rules, counts - MOMENT, Some(&found)), Settle::Wait(counts));
        assert_eq!(settle::document(&intent, &world.rules, counts, Some(&found)), Settle::NotDone);
    }
}

#[test]
fn two_live_documents_are_a_question() {
    let (world, intent, _) = intent(IntentKind::Create);
    let found = [world.remote("doc-1"), world.remote("doc-2")];
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(&found)), Settle::Several);
    let mut gone = found.clone();
    gone[0].status = DocumentStatus::Voided;
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(&gone)), Settle::Done(&gone[1]));
}

/// Made and voided since: known, and not made again. Two of them are no riddle either.
#[test]
fn a_document_that_is_gone_by_now_was_made() {
    let (world, intent, counts) = intent(IntentKind::Create);
    let mut gone = [world.remote("doc-1"), world.remote("doc-2")];
    for document in &mut gone {
        document.status = DocumentStatus::Deleted;
    }
    assert_eq!(settle::document(&intent, &world.rules, counts, Some(&gone[..1])), Settle::Done(&gone[0]));
    assert_eq!(settle::document(&intent, &world.rules, counts, Some(&gone)), Settle::Done(&gone[0]));
}

/// I1: what was gone before the create was sent did not come of it.
#[test]
fn i1_an_older_dead_document_is_not_what_was_made() {
    let (world, mut intent, counts) = intent(IntentKind::Create);
    let mut old = world.remote("doc-0");
    old.status = DocumentStatus::Voided;
    intent.sent.as_mut().unwrap().gone_before.push("doc-0".into());
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(std::slice::from_ref(&old))), Settle::Wait(counts));
    let found = [old, world.remote("doc-1")];
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(&found)), Settle::Done(&found[1]));
}

#[test]
fn an_update_is_recognised_by_what_it_wrote() {
    let (world, intent, _) = intent(IntentKind::Update);
    let there = world.remote("doc-1");
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(std::slice::from_ref(&there))), Settle::Done(&there));
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(&[])), Settle::NotDone, "the document is gone: nothing can land");
    let mut gone = there;
    gone.status = DocumentStatus::Voided;
    gone.reference = None;
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(&[gone])), Settle::NotDone);
}

#[test]
fn c10_a_void_is_recognised_by_the_status() {
    let (world, intent, _) = intent(IntentKind::Void);
    let mut there = world.remote("doc-1");
    there.status = DocumentStatus::Voided;
    assert_eq!(settle::document(&intent, &world.rules, world.now, Some(std::slice::from_ref(&there))), Settle::Done(&there));
}

#[test]
fn k8_a_lost_contact_is_found_by_its_mark() {
    let (world, mut intent, counts) = intent(IntentKind::CreateContact);
    intent.look.mark = Some("coportal:cl".into());
    assert_eq!(settle::contact(&intent, &world.rules, world.now, None), Settle::Resend);
    assert_eq!(settle::contact(&intent, &world.rules, counts, None), Settle::Look);
    let stranger = contact("a", "Acme", None);
    let mut ours = contact("b", "Acme", None);
    ours.our_mark = Some("coportal:cl".into());
    let found = [stranger, ours];
    assert_eq!(settle::contact(&intent, &world.rules, world.now, Some(&found)), Settle::Done(&found[1]));
    assert_eq!(settle::contact(&intent, &world.rules, world.now, Some(&found[..1])), Settle::Wait(counts));
    assert_eq!(settle::contact(&intent, &world.rules, counts, Some(&found[..1])), Settle::NotDone);
}

/// C27: an old update of a contact is not sent again when the vendor has forgotten its key: the bookkeeper may have filled the field since.
#[test]
fn c27_an_old_contact_update_is_compared_anew() {
    let (world, intent, counts) = intent(IntentKind::UpdateContact);
    assert_eq!(settle::contact(&intent, &world.rules, world.now, None), Settle::Resend);
    assert_eq!(settle::contact(&intent, &world.rules, counts - MOMENT, None), Settle::Wait(counts));
    assert_eq!(settle::contact(&intent, &world.rules, counts, None), Settle::NotDone);
}

/// I1: a send that was throttled says nothing about an earlier send of the same intent.
#[test]
fn i1_a_refused_resend_leaves_the_first_send_open() {
    let table = [
        (Disposition::Retry { not_before: None }, true, false),
        (Disposition::Reauthorize, true, false),
        (Disposition::Defect, true, false),
        (Disposition::Reject { issues: vec![] }, true, true),
        (Disposition::Hold { question: Question::NumberTaken }, true, true),
        (Disposition::LookFirst, false, false),
    ];
    for (disposition, first, again) in table {
        assert_eq!((refusal_settles(&disposition, false), refusal_settles(&disposition, true)), (first, again), "{disposition:?}");
    }
}
