//! A backfill from its plan to its rest.

use chaos::world::World;
use coportal_core::backfill::{BackfillState, Purpose};
use coportal_core::invoice::InvoiceStatus;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::SyncState;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Plan;
use coportal_engine::jobs::{BackfillRequest, JobEnd};
use coportal_engine::sync::SyncEnd;

use crate::support::{begin, deliver, drive, everything, is_over, one_of_each, populate, vendor_calls, view};

/// R36, R64: each invoice once, and a second time nothing.
#[tokio::test(start_paused = true)]
async fn r36_a_backfill_brings_each_invoice_once_in_every_ledger() {
    for ledger in Ledger::ALL {
        let world = World::of(ledger, 1).await.unwrap();
        world.options(|options| options.sync_as_draft = ledger != Ledger::Quickbooks).await.unwrap();
        let invoices = populate(&world, 3, 5).await;
        let id = begin(&world).await;
        let done = drive(&world, id).await;
        is_over(&done);
        let count = u32::try_from(invoices.len()).unwrap();
        assert_eq!((done.progress.total, done.progress.synced), (count, count), "{ledger}: {done:?}");
        one_of_each(&world, invoices.len(), 4);
        let calls = vendor_calls(&world);
        assert!(done.progress.vendor_calls > 0, "{ledger}: {done:?}");

        let again = begin(&world).await;
        let again = drive(&world, again).await;
        is_over(&again);
        assert_eq!((again.progress.unchanged, again.progress.vendor_calls), (count, 0), "{ledger}: {again:?}");
        assert_eq!(vendor_calls(&world), calls, "{ledger}");
    }
}

/// C30: it begins on the day of the connection unless somebody says otherwise, and takes what a click takes (C9).
#[tokio::test(start_paused = true)]
async fn c30_what_is_older_than_the_connection_is_left_alone() {
    let world = World::new(1).await.unwrap();
    populate(&world, 1, 2).await;
    let before = vendor_calls(&world);
    let engine = world.process().unwrap();
    let actor = Actor::User(world.user.clone());
    let id = engine.begin_backfill(&world.ctx(), world.workspace, world.ledger, &BackfillRequest::default(), actor).await.unwrap();
    let done = drive(&world, id).await;
    is_over(&done);
    let Purpose::Backfill { selection } = &done.purpose else { panic!("{done:?}") };
    assert_eq!(selection.from.to_string(), "2026-03-02");
    assert_eq!((done.progress.total, vendor_calls(&world)), (0, before), "the invoices are of 1 March");
}

/// The plan writes nothing anywhere, and says what the job then does.
#[tokio::test(start_paused = true)]
async fn a_plan_comes_before_and_comes_true() {
    let world = World::new(1).await.unwrap();
    let invoices = populate(&world, 3, 5).await;
    let engine = world.process().unwrap();
    let plan = engine.plan_backfill(&world.ctx(), world.workspace, world.ledger, &everything()).await.unwrap();
    assert_eq!(plan.estimate.invoices, u32::try_from(invoices.len()).unwrap());
    assert_eq!((plan.new_contacts, plan.contact_questions, plan.up_to_date), (4, 0, 0));
    assert!(plan.estimate.lower_bound <= plan.estimate.vendor_calls && plan.estimate.seconds > 0, "{plan:?}");
    assert_eq!(world.books().documents.len() + world.books().contacts.len(), 0);
    for invoice in &invoices {
        assert!(engine.store.sync_rows(world.workspace, *invoice).await.unwrap().is_empty());
    }
    let id = begin(&world).await;
    drive(&world, id).await;
    let plan = engine.plan_backfill(&world.ctx(), world.workspace, world.ledger, &everything()).await.unwrap();
    assert_eq!((plan.estimate.vendor_calls, plan.estimate.lower_bound, plan.up_to_date), (0, 0, plan.estimate.invoices));
}

/// A message that comes twice, early, or after the end does nothing; and only one step is done at a time.
#[tokio::test(start_paused = true)]
async fn a_message_too_many_is_harmless() {
    let world = World::new(1).await.unwrap();
    let invoices = populate(&world, 2, 3).await;
    let id = begin(&world).await;
    let engine = world.process().unwrap();
    loop {
        let (one, two) = tokio::join!(deliver(&world, id), deliver(&world, id));
        if one == JobEnd::AtRest && two == JobEnd::AtRest {
            break;
        }
        assert!([one, two].iter().any(|end| matches!(end, JobEnd::Advanced(_) | JobEnd::AtRest)), "{one:?} {two:?}");
    }
    let done = view(&world, id).await;
    is_over(&done);
    one_of_each(&world, invoices.len(), 3);
    let calls = vendor_calls(&world);
    assert_eq!(deliver(&world, id).await, JobEnd::AtRest);
    assert_eq!(vendor_calls(&world), calls);
    let nobody = coportal_core::id::BackfillId::new(uuid::Uuid::from_u128(9));
    let gone = engine.run_job(&world.ctx(), world.workspace, coportal_core::job::JobId::Backfill(nobody)).await.unwrap();
    assert_eq!(gone, JobEnd::Gone);
}

/// R146: a plan that no longer includes the ledger stops the job visibly, and nothing is sent any more.
#[tokio::test(start_paused = true)]
async fn r146_a_downgrade_stops_the_job_and_says_why() {
    let world = World::new(1).await.unwrap();
    populate(&world, 2, 3).await;
    let before = vendor_calls(&world);
    let id = begin(&world).await;
    deliver(&world, id).await;
    world.settings(|workspace| workspace.plan = Plan::Solo).await.unwrap();
    let stopped = drive(&world, id).await;
    assert_eq!(stopped.state, BackfillState::Stopped);
    assert_eq!(stopped.problem.as_ref().map(|problem| problem.code.as_ref()), Some("plan_required"));
    assert_eq!((stopped.progress.pending, vendor_calls(&world)), (stopped.progress.total, before), "{stopped:?}");
}

/// What a person must answer is held and counted, and holds nothing else up.
#[tokio::test(start_paused = true)]
async fn what_is_held_or_refused_is_counted_and_listed() {
    let world = World::new(1).await.unwrap();
    let invoices = populate(&world, 2, 2).await;
    // Somebody else's contact has the first client's name and another address: a person is asked (C4).
    world.plant(serde_json::json!({"contacts": [{"name": "Client 1", "email": "other@example.net"}]})).unwrap();
    let id = begin(&world).await;
    let done = drive(&world, id).await;
    is_over(&done);
    assert_eq!((done.progress.held, done.progress.synced), (2, 3), "{done:?}");
    let listed = world.process().unwrap().store.attention(&world.ctx(), world.workspace, 50, None).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    for invoice in &invoices[1..3] {
        assert_eq!(world.row_of(*invoice).await.unwrap().state, SyncState::Held);
    }
    // C4: the next plan says that this client is still to be decided, once for both invoices.
    let plan = world.process().unwrap().plan_backfill(&world.ctx(), world.workspace, world.ledger, &everything()).await.unwrap();
    assert_eq!((plan.contact_questions, plan.new_contacts, plan.up_to_date), (1, 1, 3), "{plan:?}");
}

/// An invoice that is voided after it was chosen is left out, and counted so.
#[tokio::test(start_paused = true)]
async fn what_is_voided_meanwhile_is_skipped() {
    let world = World::new(1).await.unwrap();
    populate(&world, 1, 2).await;
    let id = begin(&world).await;
    deliver(&world, id).await;
    world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
    let done = drive(&world, id).await;
    is_over(&done);
    assert_eq!((done.progress.synced + done.progress.unchanged + done.progress.skipped, done.progress.failed), (3, 0), "{done:?}");
    assert_eq!(world.live().len(), 2);
}

/// A cancelled job begins nothing more; what it has done stays.
#[tokio::test(start_paused = true)]
async fn a_cancelled_job_leaves_the_rest_as_it_is() {
    let world = World::of(Ledger::Sage, 1).await.unwrap();
    populate(&world, 3, 10).await;
    let id = begin(&world).await;
    while view(&world, id).await.progress.synced == 0 {
        deliver(&world, id).await;
    }
    let engine = world.process().unwrap();
    let actor = Actor::User(world.user.clone());
    let cancelling = engine.cancel_backfill(&world.ctx(), world.workspace, world.ledger, id, actor.clone()).await.unwrap();
    assert!(cancelling.cancelling, "{cancelling:?}");
    let cancelled = drive(&world, id).await;
    assert_eq!(cancelled.state, BackfillState::Cancelled);
    assert!(cancelled.progress.pending > 0, "{cancelled:?}");
    let documents = world.live().len();
    assert_eq!(u32::try_from(documents).unwrap(), cancelled.progress.synced);
    // Again: nothing, and nothing new in the audit list.
    let lines = || async { engine.audit_list(&world.ctx(), world.workspace, 50, None).await.unwrap().items.len() };
    let before = lines().await;
    engine.cancel_backfill(&world.ctx(), world.workspace, world.ledger, id, actor).await.unwrap();
    assert_eq!(lines().await, before);
    // What was left can be synced by a click, as ever.
    let rest = world.sync(world.invoice_id).await.unwrap();
    assert!(matches!(rest, Ok(SyncEnd::Synced(_))), "{rest:?}");
}

/// I13: a job is its workspace's and its ledger's; to others it is not there.
#[tokio::test(start_paused = true)]
async fn i13_another_ledgers_job_is_not_there() {
    let world = World::new(1).await.unwrap();
    let id = begin(&world).await;
    let engine = world.process().unwrap();
    let elsewhere = engine.backfill(&world.ctx(), world.workspace, Ledger::Sage, id).await.unwrap_err();
    assert_eq!(elsewhere.code, "not_found");
    let stranger = coportal_core::id::WorkspaceId::new(uuid::Uuid::from_u128(77));
    assert_eq!(engine.backfill(&world.ctx(), stranger, world.ledger, id).await.unwrap_err().code, "not_found");
}
