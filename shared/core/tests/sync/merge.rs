//! The three-way comparison (C29, design decision 12, I7, I8).

use coportal_core::connection::Rounding;
use coportal_core::document::{Changeable, DocumentStatus, DocumentWrite, RemoteDocument, RemoteLine, SentDocument};
use coportal_core::invoice::TaxMode;
use coportal_core::money::Rate;
use coportal_core::sync::merge::{Difference, Keep, Merge, holds, merge, new_document};
use coportal_core::sync::plan::Step;
use coportal_core::workspace::TaxRounding;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{World, dec, item, rate, recompute};

fn merged(world: &World, there: &RemoteDocument, keep: Keep) -> Merge {
    let sent = world.row.link.as_ref().unwrap().sent.as_ref();
    merge(sent, there, &world.built(), world.facts.as_ref().unwrap(), &world.rules, keep)
}

fn write(world: &World, there: &RemoteDocument, keep: Keep) -> (DocumentWrite, Vec<String>) {
    match merged(world, there, keep) {
        Merge::Write { write, changes } => (*write, fields(&changes)),
        other => panic!("{other:?}"),
    }
}

fn conflict(world: &World, there: &RemoteDocument) -> Vec<String> {
    match merged(world, there, Keep::Ask) {
        Merge::Conflict(differences) => fields(&differences),
        other => panic!("{other:?}"),
    }
}

fn fields(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(|difference| difference.field.clone()).collect()
}

fn text_line(id: &str) -> RemoteLine {
    RemoteLine {
        line_id: Some(id.into()),
        description: "Thank you".into(),
        quantity: None,
        unit_price: None,
        tax_code: None,
        account: None,
        amount: None,
        tax: None,
        rate: None,
        kept: json!({"Tracking": "x"}),
    }
}

/// Our own change beside the one that a test is about, so that there is something to write.
fn with_our_change(world: &mut World) {
    world.invoice.lines[0].description = "Design, phase 2".into();
}

#[test]
fn r64_nothing_changed_is_the_same() {
    let (world, there) = World::synced();
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
    assert_eq!(merged(&world, &there, Keep::Ours), Merge::Same);
}

#[test]
fn r64_our_change_is_written_on_the_same_lines() {
    let (mut world, there) = World::synced();
    with_our_change(&mut world);
    let (write, changes) = write(&world, &there, Keep::Ask);
    assert_eq!(changes, ["line 1 description"]);
    assert_eq!(write.external_id.as_deref(), Some("doc-1"));
    assert_eq!(write.lines.iter().map(|line| line.line_id.as_deref()).collect::<Vec<_>>(), [Some("l0"), Some("l1")]);
    assert_eq!(write.lines[0].description, "Design, phase 2");
}

/// A posted document of a ledger that keeps it apart from its drafts: other line ids, and the same lines.
#[test]
fn c29_lines_that_posting_gave_other_ids_are_still_ours() {
    let (mut world, mut there) = World::synced();
    world.invoice.due_date = Some("2026-05-01".parse().unwrap());
    for line in &mut there.lines {
        line.line_id = line.line_id.as_ref().map(|id| format!("posted-{id}"));
    }
    assert!(conflict(&world, &there).len() >= 2, "where ids stay, lines of other ids are somebody else's");
    there.changeable = Changeable::DueDate;
    there.status = DocumentStatus::Approved;
    let (due, changes) = write(&world, &there, Keep::Ask);
    assert_eq!((changes, due.due_date), (vec!["due date".to_owned()], "2026-05-01".parse().unwrap()));
    // What was changed there all the same is still seen.
    there.lines[0].unit_price = Some(dec("1"));
    there.lines[0].amount = None;
    assert!(matches!(merged(&world, &there, Keep::Ask), Merge::Conflict(_)));
}

/// C29: account, tracking, item and a tax code of equal rate are the bookkeeper's.
#[test]
fn c29_what_we_do_not_carry_is_handed_back() {
    let (mut world, mut there) = World::synced();
    let mut other = world.facts_mut().tax_rates[0].clone();
    other.code = "S20EU".into();
    world.facts_mut().tax_rates.push(other);
    world.choices.tax_map.insert(rate("20"), "S20".into());
    there.lines[0].account = Some("260".into());
    there.lines[0].kept = json!({"Tracking": "[1]", "ItemCode": "\"A\""});
    there.lines[0].tax_code = Some("S20EU".into());
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same, "none of it is a reason to write");
    with_our_change(&mut world);
    for keep in [Keep::Ask, Keep::Ours] {
        let (write, changes) = write(&world, &there, keep);
        assert_eq!(changes, ["line 1 description"]);
        let line = &write.lines[0];
        assert_eq!((line.account.as_deref(), line.tax_code.as_deref()), (Some("260"), Some("S20EU")));
        assert_eq!(line.kept, there.lines[0].kept);
    }
}

/// C29: changed there only is kept, also when a person says "ours" about something else.
#[test]
fn c29_a_due_date_changed_there_only_is_kept() {
    let (mut world, mut there) = World::synced();
    there.due_date = Some("2026-06-01".parse().unwrap());
    there.reference = Some("PO 77".into());
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
    with_our_change(&mut world);
    for keep in [Keep::Ask, Keep::Ours] {
        let (write, changes) = write(&world, &there, keep);
        assert_eq!((write.due_date, write.reference.as_deref()), ("2026-06-01".parse().unwrap(), Some("PO 77")));
        assert_eq!(changes, ["line 1 description"]);
    }
}

/// C29: changed on both sides is a question; "ours" writes ours.
#[test]
fn c29_changed_on_both_sides_is_a_conflict() {
    let (mut world, mut there) = World::synced();
    there.due_date = Some("2026-06-01".parse().unwrap());
    world.invoice.due_date = Some("2026-07-01".parse().unwrap());
    assert_eq!(conflict(&world, &there), ["due date"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!(write.due_date, "2026-07-01".parse().unwrap());
}

#[test]
fn c29_the_same_change_on_both_sides_is_none() {
    let (mut world, mut there) = World::synced();
    there.due_date = Some("2026-07-01".parse().unwrap());
    world.invoice.due_date = there.due_date;
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
}

#[test]
fn c29_lines_added_and_removed_here() {
    let (mut world, there) = World::synced();
    world.invoice.lines.remove(0);
    world.invoice.lines.insert(0, item(7, "Hosting", "1", "9.99", "20"));
    let (write, changes) = write(&world, &there, Keep::Ask);
    assert_eq!(changes, ["line 1", "line"]);
    let lines: Vec<_> = write.lines.iter().map(|line| (line.line_id.as_deref(), line.description.as_str())).collect();
    assert_eq!(lines, [(None, "Hosting"), (Some("l1"), "Print")]);
    assert_eq!(write.lines[0].account.as_deref(), Some("200"));
}

#[test]
fn c29_a_line_removed_here_but_worked_on_there_is_a_conflict() {
    let (mut world, mut there) = World::synced();
    there.lines[0].description = "Design (see mail)".into();
    world.invoice.lines.remove(0);
    assert_eq!(conflict(&world, &there), ["line"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!(write.lines.len(), 1);
}

#[test]
fn c29_a_line_removed_there_is_a_conflict() {
    let (world, mut there) = World::synced();
    there.lines.remove(0);
    recompute(&mut there, world.facts.as_ref().unwrap(), &world.rules);
    assert_eq!(conflict(&world, &there), ["line 1"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!((write.lines.len(), write.lines[0].line_id.as_deref()), (2, None));
}

/// I6: a line with an amount that the bookkeeper added changes the total: never kept in silence, never removed in silence.
#[test]
fn c29_a_line_added_there_is_a_conflict() {
    let (world, mut there) = World::synced();
    let mut fee = there.lines[0].clone();
    fee.line_id = Some("fee".into());
    there.lines.push(fee);
    recompute(&mut there, world.facts.as_ref().unwrap(), &world.rules);
    assert_eq!(conflict(&world, &there), ["line"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!(write.lines.len(), 2);
}

/// C29: a line of text is kept, below the line that it stands below.
#[test]
fn c29_a_text_line_is_kept_in_its_place() {
    let (mut world, mut there) = World::synced();
    there.lines.insert(1, text_line("t1"));
    there.lines.insert(0, text_line("t0"));
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
    with_our_change(&mut world);
    let (write, _) = write(&world, &there, Keep::Ask);
    let ids: Vec<_> = write.lines.iter().filter_map(|line| line.line_id.as_deref()).collect();
    assert_eq!(ids, ["t0", "l0", "t1", "l1"]);
    assert_eq!(write.lines[0].kept, json!({"Tracking": "x"}));
}

/// A text line on top is not taken for ours when the ids are remembered.
#[test]
fn c29_line_ids_follow_the_lines_and_not_their_places() {
    let (world, mut there) = World::synced();
    let sent = || SentDocument::of(&world.built().content, world.built().totals);
    there.lines.insert(0, text_line("t0"));
    let ids = |sent: SentDocument| sent.lines.into_iter().map(|line| line.line_id.unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(sent().with_line_ids(&there.lines)), ["l0", "l1"]);
    there.lines[1].description = "Changed".into();
    there.lines[2].unit_price = Some(dec("1"));
    assert_eq!(ids(sent().with_line_ids(&there.lines)), ["l0", "l1"], "by price, by text");
    there.lines.swap(1, 2);
    assert_eq!(ids(sent().with_line_ids(&there.lines)), ["l0", "l1"]);
    let known = sent().with_known_ids([(sent().lines[0].key, Some(&"l1".to_owned())), (sent().lines[1].key, Some(&"l0".to_owned()))]);
    assert_eq!(ids(known.with_line_ids(&there.lines)), ["l1", "l0"], "what is known stays");
}

/// C29: equal lines keep their order, also below a line of text and below a line that is known already.
#[test]
fn c29_equal_lines_keep_their_ids_in_order() {
    let mut world = World::linked();
    world.invoice.lines = (0..3).map(|n| item(n, "Hour", "1", "80", "20")).collect();
    let mut there = world.remote("doc-1");
    let sent = || SentDocument::of(&world.built().content, world.built().totals);
    let ids = |sent: SentDocument| sent.lines.into_iter().map(|line| line.line_id.unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(sent().with_line_ids(&there.lines)), ["l0", "l1", "l2"]);
    there.lines.insert(0, text_line("t0"));
    assert_eq!(ids(sent().with_line_ids(&there.lines)), ["l0", "l1", "l2"]);
    let known = sent().with_known_ids([(sent().lines[0].key, Some(&"l0".to_owned()))]);
    assert_eq!(ids(known.with_line_ids(&there.lines)), ["l0", "l1", "l2"]);
    there.lines[2].unit_price = Some(dec("81"));
    assert_eq!(ids(sent().with_line_ids(&there.lines)), ["l0", "l1", "l2"], "another price in between");
    (there.lines[0].quantity, there.lines[0].unit_price) = (Some(dec("1")), Some(dec("0")));
    assert_eq!(ids(sent().with_line_ids(&there.lines)), ["l0", "l1", "l2"], "below a line that costs nothing");
}

/// I6: the bookkeeper's price changes the total, so it is a question although only one side moved; "ours" restores it.
#[test]
fn i6_a_price_changed_there_is_protected_by_the_total() {
    let (mut world, mut there) = World::synced();
    there.lines[0].unit_price = Some(dec("90"));
    recompute(&mut there, world.facts.as_ref().unwrap(), &world.rules);
    assert_eq!(conflict(&world, &there), ["total"]);
    with_our_change(&mut world);
    assert_eq!(conflict(&world, &there), ["total"]);
    let (write, changes) = write(&world, &there, Keep::Ours);
    assert_eq!(write.lines[0].unit_price, Some(dec("100")));
    assert_eq!(changes, ["line 1 description", "line 1 price"]);
}

/// Two changes there that leave the total alone are the bookkeeper's own affair.
#[test]
fn c29_quantity_and_price_recast_there_are_kept() {
    let (mut world, mut there) = World::synced();
    (there.lines[0].quantity, there.lines[0].unit_price) = (Some(dec("4")), Some(dec("50")));
    recompute(&mut there, world.facts.as_ref().unwrap(), &world.rules);
    with_our_change(&mut world);
    let (write, _) = write(&world, &there, Keep::Ask);
    assert_eq!((write.lines[0].quantity, write.lines[0].unit_price), (Some(dec("4")), Some(dec("50"))));
}

/// I6: another rate there is another tax.
#[test]
fn i6_a_tax_code_of_another_rate_is_a_question() {
    let (mut world, mut there) = World::synced();
    there.lines[0].tax_code = Some("Z0".into());
    recompute(&mut there, world.facts.as_ref().unwrap(), &world.rules);
    with_our_change(&mut world);
    assert_eq!(conflict(&world, &there), ["total"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!(write.lines[0].tax_code.as_deref(), Some("S20"));
}

/// I6: tax taken off the whole document there. Every line still looks right; the total is not.
#[test]
fn i6_no_tax_mode_there_is_a_question() {
    let (mut world, mut there) = World::synced();
    there.tax_mode = None;
    recompute(&mut there, world.facts.as_ref().unwrap(), &world.rules);
    with_our_change(&mut world);
    assert_eq!(conflict(&world, &there), ["total"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!(write.tax_mode, Some(TaxMode::Exclusive));
}

/// The tax mode changed here is an ordinary change, whose total is reckoned in the new mode.
#[test]
fn r54_a_new_tax_mode_is_written() {
    let (mut world, there) = World::synced();
    world.invoice.tax_mode = TaxMode::Inclusive;
    let (write, changes) = write(&world, &there, Keep::Ask);
    assert_eq!((write.tax_mode, changes), (Some(TaxMode::Inclusive), vec!["tax mode".to_owned()]));
}

/// A discount given there is the bookkeeper's, and is not the invoice.
#[test]
fn i6_a_discount_there_is_a_question() {
    let (world, mut there) = World::synced();
    there.lines[0].account = Some("260".into());
    there.lines[0].amount = Some(dec("180"));
    there.lines[0].kept = json!({"DiscountRate": "10"});
    there.totals.total -= dec("24");
    assert_eq!(conflict(&world, &there), ["line 1 discount"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!((write.lines[0].line_id.as_deref(), write.lines[0].account.as_deref()), (None, Some("260")));
    assert_eq!(write.lines[0].kept, Value::Null);
}

/// Every field is right and the sum is not (a tax amount typed over): "ours" must lead somewhere, so the lines are written again.
#[test]
fn i6_a_total_without_a_reason_has_an_answer() {
    let (world, mut there) = World::synced();
    there.totals.tax += dec("0.01");
    there.totals.total += dec("0.01");
    assert_eq!(conflict(&world, &there), ["total"]);
    let (write, changes) = write(&world, &there, Keep::Ours);
    assert_eq!((write.lines.len(), changes), (2, vec!["total".to_owned()]));
}

#[test]
fn a_currency_changed_there_is_a_question_with_an_answer() {
    let (world, mut there) = World::synced();
    there.currency = Some("EUR".parse().unwrap());
    assert_eq!(conflict(&world, &there), ["currency"]);
    let (write, _) = write(&world, &there, Keep::Ours);
    assert_eq!(write.currency.as_str(), "GBP");
}

/// A vendor's answer is not trusted: figures that overflow are a question, not a panic.
#[test]
fn figures_too_large_to_be_true_do_not_panic() {
    let (mut world, mut there) = World::synced();
    there.lines[0].quantity = Some(rust_decimal::Decimal::MAX);
    there.lines[0].unit_price = Some(rust_decimal::Decimal::MAX);
    let mut own = text_line("t");
    (own.quantity, own.unit_price) = (Some(rust_decimal::Decimal::MAX), Some(dec("9")));
    there.lines.push(own);
    with_our_change(&mut world);
    assert_eq!(conflict(&world, &there), ["line 1 discount", "line"]);
}

/// The owner's mark comes back with the next write; its loss alone is no reason to write.
#[test]
fn c6_the_mark_is_restored_with_the_next_write() {
    let (mut world, mut there) = World::synced();
    there.url = None;
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
    with_our_change(&mut world);
    assert_eq!(write(&world, &there, Keep::Ask).0.url, crate::fixture::URL);
}

/// I8, C7: the status stays as it is, in the ledger's own word.
#[test]
fn i8_an_update_leaves_the_status_alone() {
    let (mut world, mut there) = World::synced();
    with_our_change(&mut world);
    for (status, word) in [(DocumentStatus::Draft, "SUBMITTED"), (DocumentStatus::Approved, "AUTHORISED")] {
        (there.status, there.native_status) = (status, word.into());
        let (write, _) = write(&world, &there, Keep::Ask);
        assert_eq!((write.status, write.native_status.as_deref()), (status, Some(word)));
    }
}

/// The order of lines is ours when we change it, the bookkeeper's when only they did.
#[test]
fn c29_the_order_of_lines() {
    let (mut world, mut there) = World::synced();
    world.invoice.lines.swap(0, 1);
    let (written, changes) = write(&world, &there, Keep::Ask);
    assert_eq!(changes, ["order of lines"]);
    assert_eq!(written.lines[0].line_id.as_deref(), Some("l1"));
    world.invoice.lines.swap(0, 1);
    there.lines.swap(0, 1);
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
    with_our_change(&mut world);
    let (written, _) = write(&world, &there, Keep::Ask);
    assert_eq!(written.lines[0].line_id.as_deref(), Some("l1"));
}

/// C29: an order that both sides changed, each in another way, is a question; "ours" writes ours.
#[test]
fn c29_an_order_that_both_changed_is_a_question() {
    let mut world = World::new();
    world.invoice.lines = ["Design", "Print", "Post"].iter().zip(1..).map(|(text, n)| item(n, text, "1", "80", "20")).collect();
    let (mut world, mut there) = world.pushed();
    there.lines.rotate_right(1);
    world.invoice.lines.swap(0, 1);
    let Merge::Conflict(differences) = merged(&world, &there, Keep::Ask) else { panic!() };
    let asked =
        differences.iter().map(|asked| (asked.field.as_str(), asked.in_ledger.as_str(), asked.to_send.as_str())).collect::<Vec<_>>();
    assert_eq!(asked, [("order of lines", "Post, Design, Print", "Print, Design, Post")]);
    let (written, changes) = write(&world, &there, Keep::Ours);
    assert_eq!(changes, ["order of lines"]);
    assert_eq!(written.lines.iter().map(|line| line.description.as_str()).collect::<Vec<_>>(), ["Print", "Design", "Post"]);
    // The same order on both sides is none.
    world.invoice.lines.swap(0, 1);
    world.invoice.lines.rotate_right(1);
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
}

/// C29: what was made a line of text there takes nothing of ours; "ours" is a line of its own.
#[test]
fn c29_a_line_of_ours_without_figures_is_a_question() {
    let (world, mut there) = World::synced();
    (there.lines[1].quantity, there.lines[1].unit_price, there.lines[1].amount) = (None, None, Some(dec("50.5")));
    assert_eq!(conflict(&world, &there), ["line 2"]);
    let (written, changes) = write(&world, &there, Keep::Ours);
    assert_eq!(changes, ["line 2"]);
    assert_eq!(written.lines.iter().map(|line| line.line_id.as_deref()).collect::<Vec<_>>(), [Some("l0"), None]);
    assert_eq!(written.removed.iter().map(|line| line.line_id.as_str()).collect::<Vec<_>>(), ["l1"]);
}

/// C12, C29: the rounding line has no key, and neither has a line of text: one is not taken for the other.
#[test]
fn c29_a_line_of_text_is_not_taken_for_the_rounding_line() {
    let mut world = World::linked();
    world.workspace.tax_rounding = TaxRounding::Document;
    world.connection.options.rounding = Rounding::Line;
    world.facts_mut().tax_rates[1].rate = Some(rate("15"));
    world.invoice.lines = ["25.06", "25.61", "25.63"].iter().zip(1..).map(|(price, n)| item(n, "Line", "1", price, "15")).collect();
    let (mut world, mut there) = world.pushed();
    assert_eq!(there.lines.len(), 4, "with the rounding line");
    there.lines.insert(0, text_line("t0"));
    with_our_change(&mut world);
    world.row.hash = None;
    world.found.document = Some(Some(there.clone()));
    let Step::WriteDocument(plan) = world.step() else { panic!("{:?}", world.step()) };
    let ids: Vec<_> = plan.sent.lines.iter().map(|line| line.line_id.as_deref()).collect();
    assert_eq!(ids, [Some("l0"), Some("l1"), Some("l2"), Some("l3")]);
    let written: Vec<_> = plan.write.lines.iter().map(|line| line.line_id.as_deref()).collect();
    assert_eq!(written, [Some("t0"), Some("l0"), Some("l1"), Some("l2"), Some("l3")]);
}

/// I7, C29: in a document that was linked by hand a line is known again by what it says, wherever it stands; and what has no quantity (a text, a
/// discount) is never written over.
#[test]
fn i7_a_hand_link_follows_the_lines_and_not_their_places() {
    let (mut world, mut there) = World::synced();
    world.row.link.as_mut().unwrap().sent = None;
    (there.lines[0].account, there.lines[1].account) = (Some("260".into()), Some("270".into()));
    there.lines.insert(0, text_line("t"));
    let (written, changes) = write(&world, &there, Keep::Ask);
    assert_eq!(changes, ["line"], "the text goes");
    let lines: Vec<_> = written.lines.iter().map(|line| (line.line_id.as_deref().unwrap(), line.account.as_deref().unwrap())).collect();
    assert_eq!(lines, [("l0", "260"), ("l1", "270")]);

    // Nothing says the same: the lines are taken in order, the discount is not among them.
    there.lines.remove(0);
    there.lines[0].description = "Work".into();
    (there.lines[0].unit_price, there.lines[0].amount) = (Some(dec("1")), Some(dec("2")));
    let mut discount = text_line("d");
    discount.amount = Some(dec("-10"));
    there.lines[1] = discount;
    let (written, changes) = write(&world, &there, Keep::Ask);
    assert_eq!(changes, ["line 1", "line 2", "line"]);
    assert_eq!(written.lines.iter().map(|line| line.line_id.as_deref()).collect::<Vec<_>>(), [Some("l0"), None]);
    assert_eq!(written.lines[1].kept, Value::Null);
    assert_eq!(written.removed.iter().map(|line| line.line_id.as_str()).collect::<Vec<_>>(), ["d"]);
}

/// I7: linked by hand. Nothing was ever sent, so CoPortal's values count; what it does not carry stays.
#[test]
fn i7_a_hand_link_takes_our_values_and_keeps_the_rest() {
    let (mut world, mut there) = World::synced();
    world.row.link.as_mut().unwrap().sent = None;
    assert_eq!(merged(&world, &there, Keep::Ask), Merge::Same);
    there.lines[0].kept = json!({"Tracking": "x"});
    there.lines[0].account = Some("260".into());
    there.lines[0].description = "Design as agreed".into();
    there.reference = None;
    there.url = None;
    there.lines.push(text_line("t"));
    let (write, changes) = write(&world, &there, Keep::Ask);
    assert_eq!(changes, ["reference", "link to CoPortal", "line 1", "line"]);
    assert_eq!((write.lines.len(), write.lines[0].line_id.as_deref()), (2, Some("l0")));
    assert_eq!((write.lines[0].account.as_deref(), &write.lines[0].kept), (Some("260"), &json!({"Tracking": "x"})));
    assert_eq!(write.lines[0].description, "Design");
}

/// C6: where the ledger numbers its documents, its number is left alone.
#[test]
fn c6_the_ledgers_own_number_stays() {
    let (mut world, mut there) = World::synced();
    world.connection.options.number = coportal_core::connection::NumberPolicy::ReferenceOnly;
    there.number = Some("INV-9".into());
    with_our_change(&mut world);
    assert_eq!(write(&world, &there, Keep::Ask).0.number.as_deref(), Some("INV-9"));
}

/// An organisation that is not registered: documents carry no tax mode and lines no code.
#[test]
fn an_unregistered_organisation_gets_no_tax_fields() {
    let mut world = World::linked();
    world.facts_mut().pays_tax = false;
    for line in &mut world.invoice.lines {
        line.tax_rate = Some(Rate::ZERO);
    }
    let write = new_document(&world.built(), world.facts.as_ref().unwrap(), DocumentStatus::Draft);
    assert_eq!((write.tax_mode, write.lines[0].tax_code.as_deref()), (None, None));
    assert_eq!(write.external_id, None);
}

/// A lost update is recognised by everything that it writes; one that changes only the tax is not taken for done.
#[test]
fn i6_a_lost_update_is_recognised_by_tax_and_totals_too() {
    let (world, there) = World::synced();
    let sent = world.row.link.as_ref().unwrap().sent.clone().unwrap();
    assert!(holds(&there, &sent));
    let changes: [fn(&mut RemoteDocument); 9] = [
        |there| there.reference = None,
        |there| there.url = None,
        |there| there.contact = "other".into(),
        |there| there.due_date = None,
        |there| there.currency = None,
        |there| there.lines[0].description.push('.'),
        |there| there.lines[0].unit_price = Some(dec("99")),
        |there| (there.lines[0].tax_code, there.lines[0].tax) = (Some("Z0".into()), Some(dec("0"))),
        |there| there.totals.total += dec("0.01"),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = there.clone();
        change(&mut other);
        assert!(!holds(&other, &sent), "change {index}");
    }
    let mut equal_rate = there;
    equal_rate.lines[0].tax_code = Some("S20EU".into());
    assert!(holds(&equal_rate, &sent), "a code of equal rate may have been kept");
}

proptest! {
    /// C29: whatever the invoice, what was sent, stands there and is wanted being the same, is the same; and a change of ours never touches
    /// what CoPortal does not carry.
    #[test]
    fn c29_fields_that_are_not_ours_survive_every_write(
        prices in prop::collection::vec((1_i64..9_999, 1_i64..99_999, prop::sample::select(vec!["0", "5", "20"])), 1..8),
        accounts in prop::collection::vec("[0-9]{3}", 8),
        texts in prop::collection::vec(any::<bool>(), 8),
        changed in 0_usize..8,
        inclusive: bool,
    ) {
        let mut world = World::linked();
        world.invoice.tax_mode = if inclusive { TaxMode::Inclusive } else { TaxMode::Exclusive };
        world.invoice.lines = prices.iter().enumerate().map(|(n, (quantity, price, percent))| {
            let mut line = item(n as u128, &format!("Line {n}"), "1", "1", percent);
            (line.quantity, line.unit_price) = (rust_decimal::Decimal::new(*quantity, 2), rust_decimal::Decimal::new(*price, 2));
            line
        }).collect();
        let built = world.built();
        let mut there = world.remote("doc-1");
        let sent = SentDocument::of(&built.content, built.totals).with_line_ids(&there.lines);
        let facts = world.facts.clone().unwrap();
        prop_assert_eq!(merge(Some(&sent), &there, &built, &facts, &world.rules, Keep::Ask), Merge::Same);
        for (line, account) in there.lines.iter_mut().zip(&accounts) {
            line.account = Some(account.clone());
            line.kept = json!({"Tracking": account});
        }
        for (place, _) in texts.iter().enumerate().filter(|(_, there)| **there) {
            let place = place.min(there.lines.len());
            there.lines.insert(place, text_line(&format!("t{place}")));
        }
        prop_assert_eq!(merge(Some(&sent), &there, &built, &facts, &world.rules, Keep::Ask), Merge::Same);
        let changed = changed % world.invoice.lines.len();
        world.invoice.lines[changed].unit_price += dec("1");
        let built = world.built();
        let Merge::Write { write, .. } = merge(Some(&sent), &there, &built, &facts, &world.rules, Keep::Ask) else {
            panic!("one price changed here is a write");
        };
        prop_assert_eq!(write.lines.len(), there.lines.len());
        for (written, there) in write.lines.iter().zip(&there.lines) {
            prop_assert_eq!(&written.line_id, &there.line_id);
            prop_assert_eq!(&written.account, &there.account);
            prop_assert_eq!(&written.kept, &there.kept);
        }
        prop_assert_eq!(write.native_status.as_deref(), Some("DRAFT"));
    }
}
