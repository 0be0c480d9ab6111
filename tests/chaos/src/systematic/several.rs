//! K19 and K20: a backfill that is stopped between its batches, and a vendor's batch that half fails.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use coportal_core::backfill::BackfillState;
use coportal_core::id::{BackfillId, InvoiceId};
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::timeline::Actor;
use coportal_engine::Engine;
use coportal_engine::jobs::{BackfillRequest, JobEnd};
use coportal_engine::sync::SyncEnd;
use jiff::SignedDuration;
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::json;

use super::Report;
use super::points::{Point, Way, Written};
use crate::wire::{Fault, Passed, Side};
use crate::world::World;

/// Steps that a job needs at most.
const STEPS: usize = 400;
/// Rounds that a batch's rows need at most.
const ROUNDS: usize = 14;

/// The cells of K19: the job's process dies at each write of its own record, which is what stands between two batches.
pub(super) async fn backfills(ledger: Ledger, report: &mut Report) -> Result<()> {
    let (world, id, invoices) = backfill(ledger).await?;
    ensure!(!until_death(&world, id).await?, "a process died although nothing was armed");
    let calls = world.wire.passed();
    finished(&world, id, invoices).await.with_context(|| format!("{ledger}, K19 without a fault"))?;
    let between: Vec<usize> = (0..calls.len()).filter(|at| calls.get(*at).is_some_and(|call| call.subject == "BKF")).collect();
    ensure!(between.len() >= 3, "{ledger}: a backfill of two batches writes its record more often than {} times", between.len());
    for at in between {
        for (fault, way) in [(Fault::CrashAfter, Way::Before), (Fault::CrashBefore, Way::After)] {
            let case = format!("{ledger}, K19, call {at} of {}, {fault:?}", calls.len());
            let end = Box::pin(resumed(ledger, at, fault)).await;
            report.case(ledger, Written::Create, &[(Point::K19, way)], &case, end);
        }
    }
    Ok(())
}

/// A backfill of one vendor batch and two invoices more.
async fn backfill(ledger: Ledger) -> Result<(World, BackfillId, usize)> {
    let world = World::of(ledger, 1).await?;
    world.options(|options| options.sync_as_draft = ledger != Ledger::Quickbooks).await?;
    let batch = world.process()?.ledgers.get(ledger).context("the ledger is in this build")?.profile.batch;
    let client = world.add_client(1).await?;
    world
        .edit_client(client, |client| {
            client.name = "Client 1".to_owned();
            client.email = "client1@example.com".to_owned();
        })
        .await?;
    let count = batch.saturating_add(2).min(52);
    for n in 1..count {
        world.add_invoice(u128::try_from(n)?, client).await?;
    }
    world.clock.advance(SignedDuration::from_secs(1));
    let request = BackfillRequest { from: Some(date(2026, 3, 1)), ..BackfillRequest::default() };
    let actor = Actor::User(world.user.clone());
    let begun = world.process()?.begin_backfill(&world.ctx(), world.workspace, ledger, &request, actor).await;
    let id = begun.map_err(|problem| anyhow!("{problem:?}"))?;
    world.wire.disarm();
    Ok((world, id, count))
}

async fn step(engine: &Engine, world: &World, id: BackfillId) -> Result<JobEnd> {
    engine.run_job(&world.ctx(), world.workspace, JobId::Backfill(id)).await.map_err(|problem| anyhow!("{problem:?}"))
}

/// Steps in one process until it dies, or the job rests; whether it died.
async fn until_death(world: &World, id: BackfillId) -> Result<bool> {
    let engine = world.process()?;
    let work = async {
        for _ in 0..STEPS {
            match step(&engine, world, id).await? {
                JobEnd::AtRest | JobEnd::Advanced(NextStep::Rest) => return Ok(()),
                JobEnd::Advanced(NextStep::At(at)) => {
                    world.clock.advance(world.clock.now().duration_until(at).max(SignedDuration::from_secs(1)));
                }
                JobEnd::Advanced(NextStep::Now) => {}
                other @ (JobEnd::Busy | JobEnd::NotDue | JobEnd::Gone) => bail!("{other:?}"),
            }
        }
        bail!("not at rest after {STEPS} steps")
    };
    tokio::select! {
        biased;
        () = world.wire.death() => Ok(true),
        end = Box::pin(work) => end.map(|()| false),
    }
}

async fn resumed(ledger: Ledger, at: usize, fault: Fault) -> Result<()> {
    let (world, id, invoices) = backfill(ledger).await?;
    world.wire.arm(at, fault);
    ensure!(until_death(&world, id).await?, "the process did not die");
    world.wire.disarm();
    finished(&world, id, invoices).await
}

/// The job's messages come again until it rests: every invoice has one document, every client one contact, and nothing is left to do.
async fn finished(world: &World, id: BackfillId, invoices: usize) -> Result<()> {
    let engine = world.process()?;
    for _ in 0..STEPS {
        match step(&engine, world, id).await? {
            JobEnd::AtRest => break,
            JobEnd::Advanced(NextStep::At(at)) => {
                world.clock.advance(world.clock.now().duration_until(at).max(SignedDuration::from_secs(1)));
            }
            JobEnd::Advanced(NextStep::Now | NextStep::Rest) => {}
            // Of a process that died: its lease ends.
            JobEnd::Busy | JobEnd::NotDue => world.clock.advance(SignedDuration::from_secs(15)),
            JobEnd::Gone => bail!("the job is gone"),
        }
    }
    let view = engine.backfill(&world.ctx(), world.workspace, world.ledger, id).await.map_err(|problem| anyhow!("{problem:?}"))?;
    ensure!(view.state == BackfillState::Done, "{view:?}");
    ensure!(usize::try_from(view.progress.synced)? == invoices, "{view:?}");
    let mut names: Vec<_> = world.live().into_iter().map(|document| document.number.or(document.reference)).collect();
    let found = names.len();
    names.sort();
    names.dedup();
    ensure!((found, names.len()) == (invoices, invoices), "I1: {found} documents of {invoices} invoices: {names:?}");
    ensure!(world.books().contacts.len() == 2, "I2: {} contacts", world.books().contacts.len());
    Ok(())
}

/// The cells of K20: a batch of three of which the second is refused, struck at the batch and at what follows of it.
pub(super) async fn half_failed(ledger: Ledger, written: Written, report: &mut Report) -> Result<()> {
    match (ledger, written) {
        (Ledger::Xero, Written::Create | Written::Update) | (Ledger::Quickbooks, Written::Update) => {}
        _ => return Ok(()),
    }
    let (world, all) = three(ledger, written).await?;
    let ends = world.together(&all).await?.context("nothing was armed")?;
    let calls = world.wire.passed();
    let rows = rest(&world, &all).await?;
    kept(&world, &all, &rows, written).with_context(|| format!("{ledger}, {written:?}, K20 without a fault: {ends:?}"))?;
    let batch =
        calls.iter().rposition(|call| call.side == Side::Vendor && !call.operation.starts_with("GET")).context("a batch was sent")?;
    let struck = |at: &usize| *at == batch || calls.get(*at).is_some_and(|call: &Passed| call.subject == "SYNC");
    for at in (batch..calls.len()).filter(struck) {
        for (fault, way) in [
            (Fault::CrashBefore, Way::Before),
            (Fault::CrashAfter, Way::After),
            (Fault::RequestLost, Way::Before),
            (Fault::AnswerLost, Way::After),
        ] {
            let case = format!("{ledger}, {written:?}, K20, call {at} of {}, {fault:?}", calls.len());
            let end = Box::pin(half(ledger, written, at, fault)).await;
            report.case(ledger, written, &[(Point::K20, way)], &case, end);
        }
    }
    Ok(())
}

/// Three invoices of one linked client, the second of which the ledger refuses.
async fn three(ledger: Ledger, written: Written) -> Result<(World, Vec<InvoiceId>)> {
    let world = World::of(ledger, 1).await?;
    world.options(|options| options.sync_as_draft = ledger != Ledger::Quickbooks).await?;
    world.link_contact().await?;
    let mut all = Vec::new();
    for n in 1..=3 {
        all.push(world.add_invoice(n, world.client).await?);
    }
    let second = *all.get(1).context("three invoices")?;
    if written == Written::Create {
        // A bookkeeper has used its number.
        world.plant(json!({ "documents": [{ "number": "INV-A0002", "status": "approved", "total": "10" }] }))?;
    } else {
        rest(&world, &all).await?;
        for invoice in &all {
            world.edit_invoice(*invoice, dearer).await?;
        }
        // Somebody changed what we are about to write: its element of the batch is refused, the others are not.
        let row = world.row_of(second).await?;
        let id = row.link.context("it is linked")?.external_id;
        // Only what is in the books can be voided.
        if world.books().documents.iter().any(|document| document.id == id && document.status == "draft") {
            world.bookkeeper(json!({ "action": "approve", "document_id": id }))?;
        }
        world.bookkeeper(json!({ "action": "void", "document_id": id }))?;
    }
    world.wire.disarm();
    Ok((world, all))
}

fn dearer(invoice: &mut coportal_core::invoice::Invoice) {
    if let Some(line) = invoice.lines.first_mut() {
        line.unit_price += Decimal::ONE;
    }
}

async fn half(ledger: Ledger, written: Written, at: usize, fault: Fault) -> Result<()> {
    let (world, all) = three(ledger, written).await?;
    world.wire.arm(at, fault);
    let run = world.together(&all).await?;
    ensure!(world.wire.struck(), "the fault did not strike");
    ensure!(run.is_none() == matches!(fault, Fault::CrashBefore | Fault::CrashAfter), "whether the process died: {run:?}");
    world.wire.disarm();
    let ends = rest(&world, &all).await?;
    kept(&world, &all, &ends, written)
}

type Ends = BTreeMap<InvoiceId, Outcome<SyncEnd>>;

/// Runs them together until none is due.
async fn rest(world: &World, all: &[InvoiceId]) -> Result<Ends> {
    let (mut ends, mut left) = (Ends::new(), all.to_vec());
    for _ in 0..ROUNDS {
        let some = world.together(&left).await?.context("a process died although nothing was armed")?;
        let mut until = None;
        left.clear();
        for (invoice, end) in some {
            let due = match &end {
                Ok(SyncEnd::InProgress { until }) => Some(*until),
                Ok(SyncEnd::Waiting { due_at, .. }) => *due_at,
                Err(problem) if problem.fix.as_ref().is_some_and(|fix| fix.retry_helps) => Some(world.clock.now()),
                Ok(_) | Err(_) => None,
            };
            if let Some(due) = due {
                left.push(invoice);
                until = until.max(Some(due));
            }
            ends.insert(invoice, end);
        }
        let Some(until) = until else { return Ok(ends) };
        let wait = world.clock.now().duration_until(until) + SignedDuration::from_secs(1);
        world.clock.advance(wait.max(SignedDuration::from_secs(1)));
    }
    bail!("not at rest: {ends:?}")
}

/// The first and the third are in the ledger once, as they are here; the second has its own question.
fn kept(world: &World, all: &[InvoiceId], ends: &Ends, written: Written) -> Result<()> {
    for (place, invoice) in all.iter().enumerate() {
        let end = ends.get(invoice).context("an end")?;
        if place == 1 {
            ensure!(matches!(end, Ok(SyncEnd::Held(_) | SyncEnd::Failed(_))), "the refused row: {end:?}");
        } else {
            ensure!(matches!(end, Ok(SyncEnd::Synced(_))), "{end:?}");
        }
    }
    let ours: Vec<_> = world.live().into_iter().filter(|document| document.created_by_app).collect();
    ensure!(ours.len() == 2, "I1: {} documents of two invoices ({written:?}): {ours:?}", ours.len());
    Ok(())
}
