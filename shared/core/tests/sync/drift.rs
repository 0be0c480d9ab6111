//! What somebody changed in the ledger (C29, I7): found, told, undone only by a person's word.

use coportal_core::document::{DocumentStatus, RemoteDocument};
use coportal_core::failure::Question;
use coportal_core::sync::drift::{DriftKind, drift};
use coportal_core::sync::merge::{Keep, Merge, merge};
use coportal_core::sync::plan::Step;
use coportal_core::sync::row::{Answer, PaymentLink};
use rust_decimal::Decimal;

use crate::fixture::{World, dec, recompute};

fn touched(there: &mut RemoteDocument) {
    there.version = Some("later".to_owned());
}

fn kinds(world: &World, there: &RemoteDocument) -> Vec<DriftKind> {
    drift(&world.row, there).map(|drift| drift.kinds).unwrap_or_default()
}

#[test]
fn what_stands_as_it_was_left_is_no_drift() {
    let (world, mut there) = World::synced();
    assert_eq!(drift(&world.row, &there), None);
    touched(&mut there);
    assert_eq!(drift(&world.row, &there), None, "touched, and nothing of ours changed");
    // The bookkeeper's own work: another account, an approval.
    there.lines[0].account = Some("999".to_owned());
    there.status = DocumentStatus::Approved;
    assert_eq!(drift(&world.row, &there), None);
}

#[test]
fn c29_each_change_is_named() {
    let (world, there) = World::synced();
    type Change = (&'static str, fn(&mut RemoteDocument), &'static [DriftKind]);
    let changes: [Change; 9] = [
        ("due date", |there| there.due_date = there.due_date.map(|date| date.tomorrow().unwrap()), &[DriftKind::Changed]),
        ("reference", |there| there.reference = Some("other".to_owned()), &[DriftKind::Changed]),
        ("line 1 quantity", |there| there.lines[0].quantity = Some(dec("77")), &[DriftKind::Changed]),
        ("line 1 description", |there| there.lines[0].description = "Other work".to_owned(), &[DriftKind::Changed]),
        ("line 1", |there| drop(there.lines.remove(0)), &[DriftKind::Changed]),
        ("number", |there| there.number = Some("B-9".to_owned()), &[DriftKind::Renumbered]),
        ("contact", |there| there.contact = "merged".to_owned(), &[DriftKind::ContactChanged]),
        ("total", |there| there.totals.total += Decimal::ONE, &[DriftKind::Changed]),
        ("", |there| there.has_payments = true, &[DriftKind::Paid]),
    ];
    for (field, change, expected) in changes {
        let mut there = there.clone();
        touched(&mut there);
        change(&mut there);
        let found = drift(&world.row, &there).unwrap_or_else(|| panic!("{field}"));
        assert_eq!(found.kinds, expected, "{field}");
        let named = found.differences.iter().any(|difference| difference.field == field);
        assert!(named || field.is_empty(), "{field}: {found:?}");
    }
    for (status, kind) in [(DocumentStatus::Voided, DriftKind::Voided), (DocumentStatus::Deleted, DriftKind::Deleted)] {
        let mut there = there.clone();
        touched(&mut there);
        there.status = status;
        assert_eq!(kinds(&world, &there), [kind]);
    }
}

/// A payment that CoPortal itself recorded (C1) is nobody else's.
#[test]
fn our_own_payment_is_no_drift() {
    let (mut world, mut there) = World::synced();
    touched(&mut there);
    there.has_payments = true;
    world.row.payments = vec![PaymentLink { payment_id: "p".to_owned(), external_id: Some("x".to_owned()), amount: Decimal::ONE }];
    assert_eq!(drift(&world.row, &there), None);
}

/// "Keep ours" undoes what only the bookkeeper changed; without that word it is kept.
#[test]
fn keeping_ours_restores_what_only_they_changed() {
    let (mut world, mut there) = World::synced();
    let wanted_due = there.due_date;
    touched(&mut there);
    there.due_date = there.due_date.map(|date| date.tomorrow().unwrap());
    there.lines[0].quantity = Some(dec("77"));
    recompute(&mut there, world.facts.as_ref().unwrap(), &world.rules);
    let sent = world.row.link.as_ref().unwrap().sent.clone();
    let outcome = merge(sent.as_ref(), &there, &world.built(), world.facts.as_ref().unwrap(), &world.rules, Keep::OursThroughout);
    let Merge::Write { write, changes } = outcome else { panic!("{outcome:?}") };
    assert_eq!(write.due_date, wanted_due.unwrap());
    assert_eq!(write.lines[0].quantity, sent.unwrap().lines.first().map(|line| line.quantity));
    assert!(changes.iter().any(|change| change.field == "due date"), "{changes:?}");

    // Without the wish, an unchanged invoice makes no call; with it, the document is read, and then written.
    assert!(matches!(world.step(), Step::Nothing), "{:?}", world.step());
    world.row.undo = drift(&world.row, &there).map(|seen| seen.digest());
    assert!(matches!(world.step(), Step::ReadDocument(_)), "{:?}", world.step());
    world.found.document = Some(Some(there.clone()));
    assert!(matches!(world.step(), Step::WriteDocument(_)), "{:?}", world.step());

    // C29: the wish counts for what the person saw. What was changed since is asked about, and "ours" writes over all of it.
    there.lines[0].description = "As agreed by telephone".to_owned();
    touched(&mut there);
    world.found.document = Some(Some(there.clone()));
    world.found.facts_read = true;
    let Step::Hold(hold) = world.step() else { panic!("{:?}", world.step()) };
    assert_eq!(hold.question, Question::ChangedInLedger);
    assert!(hold.detail.contains("due date") && hold.detail.contains("As agreed by telephone"), "{}", hold.detail);
    assert!(hold.choices.iter().any(|choice| choice.id == "ours"), "{:?}", hold.choices);
    world.row.answers = vec![Answer { question: hold.question, inputs_hash: hold.inputs_hash, choice: "ours".to_owned() }];
    let Step::WriteDocument(plan) = world.step() else { panic!("{:?}", world.step()) };
    assert_eq!(plan.changes.iter().filter(|change| change.field == "due date").count(), 1, "{:?}", plan.changes);
}
