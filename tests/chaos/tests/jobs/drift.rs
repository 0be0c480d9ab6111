//! Drift: what somebody changed in the ledger is found by a cheap check, shown, and never overwritten without a word (C29, I7).

use std::collections::BTreeMap;

use chaos::world::World;
use coportal_core::failure::Question;
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::sync::drift::DriftKind;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::Actor;
use coportal_engine::jobs::JobEnd;
use coportal_engine::sync::{KeepSide, SyncEnd};
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::skeleton::faults::{Fault, FaultKind};
use simulators::skeleton::state::{Contact, Document};

use crate::support::{populate, vendor_calls};

/// One message to the job of the connection's checks.
async fn step(world: &World) -> JobEnd {
    let connection = world.connection().await.unwrap().value;
    let job = JobId::Drift { ledger: world.ledger, generation: connection.generation };
    world.process().unwrap().run_job(&world.ctx(), world.workspace, job).await.unwrap()
}

async fn check(world: &World) -> JobEnd {
    let engine = world.process().unwrap();
    engine.check_drift(&world.ctx(), world.workspace, world.ledger).await.unwrap();
    for _ in 0..20 {
        let end = step(world).await;
        if end != JobEnd::Advanced(NextStep::Now) {
            return end;
        }
    }
    panic!("a check of one page does not end")
}

async fn drifts(world: &World) -> Vec<coportal_core::sync::drift::Drifted> {
    world.process().unwrap().drifts(&world.ctx(), world.workspace, world.ledger, 50, None).await.unwrap().items
}

async fn synced() -> World {
    let world = World::new(1).await.unwrap();
    world.synced().await.unwrap();
    world.clock.advance(SignedDuration::from_mins(1));
    world
}

/// A connection that nobody works in: one call, nothing found, and our own write is no drift.
#[tokio::test(start_paused = true)]
async fn a_check_of_quiet_books_is_one_call_and_finds_nothing() {
    let world = synced().await;
    let before = vendor_calls(&world);
    assert_eq!(check(&world).await, JobEnd::Advanced(NextStep::Rest));
    assert_eq!((vendor_calls(&world) - before, drifts(&world).await.len()), (1, 0));
    world.options(|options| options.auto_sync = true).await.unwrap();
    let JobEnd::Advanced(NextStep::At(next)) = check(&world).await else { panic!("it begins anew by itself") };
    assert_eq!(world.clock.now().duration_until(next), SignedDuration::from_hours(1));
}

/// What somebody did to a document, and what is to become of it.
struct Case {
    /// Of a draft; else of a document in the books.
    draft: bool,
    actions: fn(&Document, &Contact) -> Vec<Value>,
    kinds: &'static [DriftKind],
    /// What the timeline says.
    told: &'static str,
    /// What "keep ours" comes to.
    ours: Ours,
}

/// What keeping CoPortal's side comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ours {
    /// The document is as CoPortal sent it.
    Restored,
    /// There is a new one, or a person is asked for the number of it.
    MadeAnew,
    /// Refused: money that was applied is never taken back.
    Refused,
    /// It cannot be as it was, and a person is asked.
    Asked(Question),
}

fn act(action: &str, document: &Document, more: &[(&str, &str)]) -> Value {
    let mut told = json!({ "action": action, "document_id": document.id });
    for (field, value) in more {
        told[*field] = json!(value);
    }
    told
}

const CHANGED: Case = Case {
    draft: true,
    actions: |document, _| {
        vec![json!({ "action": "edit_line", "document_id": document.id, "line": 0, "description": "As agreed by telephone" })]
    },
    kinds: &[DriftKind::Changed],
    told: "it was changed (",
    ours: Ours::Restored,
};
const DELETED: Case = Case {
    draft: true,
    actions: |document, _| vec![act("delete", document, &[])],
    kinds: &[DriftKind::Deleted],
    told: "it was deleted.",
    ours: Ours::MadeAnew,
};
const VOIDED: Case = Case {
    draft: false,
    actions: |document, _| vec![act("void", document, &[])],
    kinds: &[DriftKind::Voided],
    told: "it was voided.",
    ours: Ours::MadeAnew,
};
const PAID: Case = Case {
    draft: false,
    actions: |document, _| vec![act("pay", document, &[])],
    kinds: &[DriftKind::Paid],
    told: "it was paid or credited.",
    ours: Ours::Refused,
};
const RENUMBERED: Case = Case {
    draft: false,
    actions: |document, _| vec![act("edit_document", document, &[("number", "2026-17")])],
    kinds: &[DriftKind::Renumbered],
    told: "it was given another number (number)",
    ours: Ours::Restored,
};
const MERGED: Case = Case {
    draft: true,
    actions: |document, other| vec![json!({ "action": "merge_contact", "contact_id": document.contact_id, "into": other.id })],
    kinds: &[DriftKind::ContactChanged],
    told: "it was given to another contact (contact)",
    // The contact that it was sent with is none to bill any more.
    ours: Ours::Asked(Question::ContactGone),
};

/// What the ledger's own people can do there, and its list of changes shows: Sage and Business Central number their documents themselves,
/// Sage merges no contacts, and of a draft that is deleted Business Central's list shows nothing. That one is found by the next sync.
fn cases(ledger: Ledger) -> Vec<Case> {
    let mut cases = vec![CHANGED, VOIDED, PAID];
    if ledger != Ledger::BusinessCentral {
        cases.push(DELETED);
    }
    if matches!(ledger, Ledger::Xero | Ledger::Quickbooks) {
        cases.push(RENUMBERED);
    }
    if ledger != Ledger::Sage {
        cases.push(MERGED);
    }
    cases
}

async fn before(ledger: Ledger, case: &Case) -> World {
    let world = World::of(ledger, 2).await.unwrap();
    world.plant(json!({ "contacts": [{ "name": "Somebody Else", "email": "else@example.com" }] })).unwrap();
    // QuickBooks has no drafts: its documents are in the books from the first moment.
    world.options(|options| options.sync_as_draft = case.draft && ledger != Ledger::Quickbooks).await.unwrap();
    world.synced().await.unwrap();
    world.clock.advance(SignedDuration::from_mins(1));
    world
}

async fn found_and_answered(ledger: Ledger, case: &Case, keep: KeepSide) {
    let world = before(ledger, case).await;
    assert_eq!(check(&world).await, JobEnd::Advanced(NextStep::Rest));
    assert_eq!(drifts(&world).await, [], "{ledger}: our own write is none");
    let sent = world.only().unwrap();
    let other = world.books().contacts.into_iter().find(|contact| contact.name == "Somebody Else").unwrap();
    for action in (case.actions)(&sent, &other) {
        world.bookkeeper(&action).unwrap_or_else(|refused| panic!("{ledger}, {}: {refused:#}", case.told));
    }
    let theirs = world.books().documents;
    check(&world).await;
    let found = drifts(&world).await;
    assert_eq!(found.iter().map(|one| one.kinds.as_slice()).collect::<Vec<_>>(), [case.kinds], "{ledger}: {found:?}");
    assert_eq!(world.books().documents, theirs, "{ledger}: nothing is written without a word");
    let story = world.process().unwrap().store.timeline(&world.ctx(), world.workspace, world.invoice_id, 50, None).await.unwrap();
    let line = story.items.iter().find(|line| line.step == "changed_there").unwrap();
    assert!(line.text.contains(case.told), "{ledger}: {} has no {:?}", line.text, case.told);
    check(&world).await;
    assert_eq!(drifts(&world).await, found, "{ledger}: found again, it is the same");
    let end = world.process().unwrap().keep_drift(&world.ctx(), world.request(), keep, Some(&found[0].drift().digest())).await;
    let live = world.live();
    match (keep, case.ours) {
        (KeepSide::Theirs, Ours::MadeAnew) => {
            let Ok(SyncEnd::Synced(answer)) = end else { panic!("{ledger}, {}: {end:?}", case.told) };
            assert_eq!((answer.state, live.len()), (SyncState::Stopped, 0), "{ledger}");
        }
        (KeepSide::Theirs, Ours::Restored | Ours::Refused | Ours::Asked(_)) => {
            assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{ledger}, {}: {end:?}", case.told);
            assert_eq!(world.books().documents, theirs, "{ledger}: theirs is kept as it stands");
        }
        (KeepSide::Ours, Ours::Refused) => {
            assert_eq!(end.unwrap_err().code, "nothing_to_undo", "{ledger}");
            assert_eq!((world.books().documents, drifts(&world).await), (theirs, found), "{ledger}: it stays listed");
            return;
        }
        (KeepSide::Ours, Ours::MadeAnew) => match end.unwrap() {
            SyncEnd::Synced(answer) => assert_eq!((answer.state, live.len()), (SyncState::Synced, 1), "{ledger}"),
            // The ledger keeps the number of what is gone: making it again asks which number it is to have.
            SyncEnd::Held(hold) => assert_eq!((hold.question, live.len()), (Question::NumberTaken, 0), "{ledger}, {}", case.told),
            other => panic!("{ledger}, {}: {other:?}", case.told),
        },
        (KeepSide::Ours, Ours::Asked(question)) => {
            let Ok(SyncEnd::Held(hold)) = end else { panic!("{ledger}, {}: {end:?}", case.told) };
            assert_eq!((hold.question, world.books().documents), (question, theirs), "{ledger}");
            // Until it is answered, the document differs as it did.
            return;
        }
        (KeepSide::Ours, Ours::Restored) => {
            let Ok(SyncEnd::Synced(_)) = end else { panic!("{ledger}, {}: {end:?}", case.told) };
            let now = world.only().unwrap();
            let shown = |document: &Document| {
                let lines: Vec<String> = document.lines.iter().map(|line| line.description.clone()).collect();
                (document.number.clone(), document.total, lines)
            };
            assert_eq!(shown(&now), shown(&sent), "{ledger}, {}", case.told);
        }
    }
    assert_eq!(drifts(&world).await, [], "{ledger}, {}", case.told);
    check(&world).await;
    assert_eq!(drifts(&world).await, [], "{ledger}, {}: answered once, it is not found again", case.told);
}

async fn everything_that_is_done_there(ledger: Ledger) {
    for case in cases(ledger) {
        for keep in [KeepSide::Theirs, KeepSide::Ours] {
            Box::pin(found_and_answered(ledger, &case, keep)).await;
        }
    }
}

/// C29, I7, in each ledger: changed, deleted, voided, paid, renumbered, merged; told in the right words, and kept as a person says.
#[tokio::test(start_paused = true)]
async fn c29_what_is_done_in_xero_is_found_and_answered() {
    everything_that_is_done_there(Ledger::Xero).await;
}

#[tokio::test(start_paused = true)]
async fn c29_what_is_done_in_quickbooks_is_found_and_answered() {
    everything_that_is_done_there(Ledger::Quickbooks).await;
}

#[tokio::test(start_paused = true)]
async fn c29_what_is_done_in_sage_is_found_and_answered() {
    everything_that_is_done_there(Ledger::Sage).await;
}

#[tokio::test(start_paused = true)]
async fn c29_what_is_done_in_business_central_is_found_and_answered() {
    everything_that_is_done_there(Ledger::BusinessCentral).await;
}

/// A check that a limit cuts off within a page goes on with the documents that it has not read: it never reads one twice, and comes to its
/// end however often it is stopped.
#[tokio::test(start_paused = true)]
async fn a_check_that_is_stopped_within_a_page_goes_on_where_it_was() {
    let world = World::of(Ledger::Sage, 3).await.unwrap();
    for invoice in populate(&world, 1, 5).await {
        world.sync(invoice).await.unwrap().unwrap();
    }
    world.clock.advance(SignedDuration::from_mins(30));
    check(&world).await;
    world.clock.advance(SignedDuration::from_mins(30));
    let documents = world.live();
    assert_eq!(documents.len(), 6);
    for document in &documents {
        world.bookkeeper((CHANGED.actions)(document, &world.books().contacts[0]).remove(0)).unwrap();
    }
    let from = world.simulator.calls().len();
    let engine = world.process().unwrap();
    engine.check_drift(&world.ctx(), world.workspace, world.ledger).await.unwrap();
    let mut stops = 0;
    loop {
        // Two documents are read, and then the ledger has enough for a while.
        let headers = BTreeMap::from([("retry-after".to_owned(), "40".to_owned())]);
        world.heal().unwrap();
        world.simulator.post_faults(vec![Fault {
            status: Some(429),
            headers,
            nth: 3,
            times: 1,
            ..Fault::on("/sales_invoices/", FaultKind::Status)
        }]);
        match step(&world).await {
            JobEnd::Advanced(NextStep::At(at)) => {
                stops += 1;
                assert!(stops <= 12, "the page never ends");
                world.clock.advance(world.clock.now().duration_until(at));
            }
            JobEnd::Advanced(NextStep::Now) => {}
            JobEnd::Advanced(NextStep::Rest) => break,
            other => panic!("{other:?}"),
        }
    }
    let calls = world.simulator.calls().split_off(from);
    let lists = calls.iter().filter(|call| call.path.contains("updated_or_created_since")).count();
    assert_eq!(lists, 1, "what is left of a page is known without reading it again");
    let mut read: Vec<String> =
        calls.into_iter().filter(|call| call.path.contains("/sales_invoices/") && call.status == Some(200)).map(|call| call.path).collect();
    read.sort();
    let reads = read.len();
    read.dedup();
    assert_eq!((reads, read.len()), (6, 6), "{read:?}");
    assert!(stops >= 2, "{stops}");
    assert_eq!(drifts(&world).await.len(), 6);
}

/// R146: a plan that no longer includes the ledger ends the checks; one that does again begins them anew by itself.
#[tokio::test(start_paused = true)]
async fn r146_checks_begin_anew_when_the_plan_includes_the_ledger_again() {
    let world = synced().await;
    world.options(|options| options.auto_sync = true).await.unwrap();
    assert!(matches!(check(&world).await, JobEnd::Advanced(NextStep::At(_))));
    let engine = world.process().unwrap();
    let plan = async |plan: &str| {
        let stated = json!({ "name": "Studio", "plan": plan, "currency": "GBP", "country": "GB" });
        let request = serde_json::from_value(stated).unwrap();
        engine.put_workspace(&world.ctx(), Actor::System, world.workspace, request).await.unwrap();
    };
    plan("solo").await;
    world.clock.advance(SignedDuration::from_hours(2));
    let calls = vendor_calls(&world);
    assert_eq!(step(&world).await, JobEnd::Advanced(NextStep::Rest), "not on this plan");
    // Another lower plan changes nothing.
    plan("solo").await;
    world.clock.advance(SignedDuration::from_hours(2));
    assert_eq!((step(&world).await, vendor_calls(&world)), (JobEnd::AtRest, calls));
    plan("studio").await;
    assert_eq!(step(&world).await, JobEnd::NotDue, "in an hour");
    let document = world.only().unwrap();
    world.bookkeeper(act("delete", &document, &[])).unwrap();
    world.clock.advance(SignedDuration::from_hours(1));
    assert!(matches!(step(&world).await, JobEnd::Advanced(NextStep::At(_))), "and every hour from then on");
    assert_eq!(drifts(&world).await.len(), 1, "what was done meanwhile is found");
}

/// C29, I7: an answer is for what the person saw. What was changed since and found by another check is not written over by it.
#[tokio::test(start_paused = true)]
async fn c29_an_answer_is_for_what_was_shown_and_nothing_newer() {
    let world = before(Ledger::Xero, &CHANGED).await;
    let sent = world.only().unwrap();
    let change = async |text: &str| {
        let edit = json!({ "action": "edit_line", "document_id": sent.id, "line": 0, "description": text });
        world.bookkeeper(edit).unwrap();
        check(&world).await;
        drifts(&world).await.remove(0).drift().digest()
    };
    let shown = change("As agreed by telephone").await;
    let newer = change("As agreed by letter").await;
    assert_ne!(shown, newer);
    let theirs = world.books().documents;
    for keep in [KeepSide::Ours, KeepSide::Theirs] {
        for _ in 0..2 {
            let refused = world.process().unwrap().keep_drift(&world.ctx(), world.request(), keep, Some(&shown)).await.unwrap_err();
            assert_eq!((refused.code.as_ref(), world.books().documents), ("changed_again", theirs.clone()));
        }
    }
    let end = world.process().unwrap().keep_drift(&world.ctx(), world.request(), KeepSide::Ours, Some(&newer)).await;
    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{end:?}");
    assert_eq!(world.only().unwrap().lines[0].description, sent.lines[0].description);
}

/// C29, I7: "keep ours" that has to wait counts for what the person saw; what is changed until it is carried out is asked about.
async fn a_wish_that_waited(ledger: Ledger, meanwhile: bool) {
    let world = before(ledger, &CHANGED).await;
    let sent = world.only().unwrap();
    let edit = |text: &str| {
        let edit = json!({ "action": "edit_line", "document_id": sent.id, "line": 0, "description": text });
        world.bookkeeper(edit).unwrap();
    };
    edit("As agreed by telephone");
    check(&world).await;
    let seen = drifts(&world).await.remove(0).drift().digest();
    // The reads go through; the write meets a limit.
    let engine = world.process().unwrap();
    let headers = BTreeMap::from([("retry-after".to_owned(), "60".to_owned())]);
    let refused = |method: &&str| Fault {
        method: Some((*method).to_owned()),
        status: Some(429),
        headers: headers.clone(),
        ..Fault::on("", FaultKind::Status)
    };
    world.simulator.post_faults(["POST", "PUT", "PATCH"].iter().map(refused).collect());
    let end = engine.keep_drift(&world.ctx(), world.request(), KeepSide::Ours, Some(&seen)).await;
    assert!(matches!(end, Ok(SyncEnd::Waiting { .. })), "{ledger}: {end:?}");
    world.heal().unwrap();
    if meanwhile {
        edit("As agreed by letter");
    }
    world.clock.advance(SignedDuration::from_mins(5));
    let end = world.sync(world.invoice_id).await.unwrap();
    let description = world.only().unwrap().lines[0].description.clone();
    if !meanwhile {
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{ledger}: {end:?}");
        assert_eq!(description, sent.lines[0].description, "{ledger}");
        return;
    }
    let Ok(SyncEnd::Held(hold)) = end else { panic!("{ledger}: {end:?}") };
    assert_eq!((hold.question, description.as_str()), (Question::ChangedInLedger, "As agreed by letter"), "{ledger}");
    assert!(hold.detail.contains("As agreed by letter"), "{ledger}: {}", hold.detail);
    let end = world.resolve(hold.id, "ours").await.unwrap();
    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{ledger}: {end:?}");
    assert_eq!(world.only().unwrap().lines[0].description, sent.lines[0].description, "{ledger}");
}

#[tokio::test(start_paused = true)]
async fn c29_a_wish_that_waited_counts_for_what_was_seen() {
    for ledger in Ledger::ALL {
        for meanwhile in [false, true] {
            Box::pin(a_wish_that_waited(ledger, meanwhile)).await;
        }
    }
}

/// One refusal of the hourly check does not end the hourly checks: the next one finds what was changed.
#[tokio::test(start_paused = true)]
async fn a_check_that_is_refused_once_goes_on_in_an_hour() {
    let world = synced().await;
    world.options(|options| options.auto_sync = true).await.unwrap();
    assert!(matches!(check(&world).await, JobEnd::Advanced(NextStep::At(_))));
    world.clock.advance(SignedDuration::from_hours(1));
    let document = world.only().unwrap();
    world.bookkeeper(act("delete", &document, &[])).unwrap();
    world.simulator.post_faults(vec![Fault { status: Some(400), ..Fault::on("/Invoices", FaultKind::Status) }]);
    let JobEnd::Advanced(NextStep::At(next)) = step(&world).await else { panic!("it goes on") };
    assert_eq!(world.clock.now().duration_until(next), SignedDuration::from_hours(1));
    let connection = world.connection().await.unwrap().value;
    let state = world.process().unwrap().drifts(&world.ctx(), world.workspace, connection.ledger, 50, None).await.unwrap().state;
    let last: Vec<_> = world.simulator.calls().into_iter().rev().take(3).map(|call| (call.path, call.status)).collect();
    assert!(state.problem.is_some(), "it is said: {state:?} {last:?}");
    world.heal().unwrap();
    world.clock.advance(SignedDuration::from_hours(1));
    assert!(matches!(step(&world).await, JobEnd::Advanced(NextStep::At(_))));
    assert_eq!(drifts(&world).await.len(), 1);
}
