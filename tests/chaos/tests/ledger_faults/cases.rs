//! Each fault at each call.

use std::collections::BTreeMap;
use std::sync::Arc;

use chaos::world::World;
use coportal_core::connection::ConnectionStatus;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::SignedDuration;
use rust_decimal::Decimal;

use crate::expected::{Asked, expected, kinds};
use crate::gate::{Gate, Spot};
use crate::stands::{Stands, stands};
use crate::wrong::{AGAIN, WRONGS, Wrong};
use chaos::scenario::Scenario;

async fn act(scenario: Scenario, world: &World, gate: &Arc<Gate>) -> Outcome<SyncEnd> {
    let engine = gate.process(world);
    if scenario == Scenario::Approval {
        // On the heap: an unoptimised future of this size is too much for a test's stack.
        Box::pin(engine.approve(&world.ctx(), world.request())).await
    } else {
        Box::pin(engine.sync_invoice(&world.ctx(), world.request())).await
    }
}

/// The vendor calls of the scenario when nothing goes wrong.
async fn calls(ledger: Ledger, scenario: Scenario) -> Vec<Spot> {
    let world = Box::pin(scenario.prepare(ledger)).await.unwrap();
    let gate = Gate::of(&world);
    let end = Box::pin(act(scenario, &world, &gate)).await;
    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{ledger}, {scenario:?}: {end:?}");
    gate.passed()
}

/// Never more than one of anything, whatever stands in doubt.
fn never_two(world: &World) -> Result<(), String> {
    let books = world.books();
    let counts = (world.live().len(), books.contacts.len(), books.payments.len());
    if counts.0 <= 1 && counts.1 <= 1 && counts.2 <= 1 { Ok(()) } else { Err(format!("documents, contacts, payments: {counts:?}")) }
}

/// Runs one case; answers where the first click left it.
async fn case(ledger: Ledger, scenario: Scenario, spot: &Spot, wrong: Wrong, times: usize) -> Result<Stands, String> {
    let world = Box::pin(scenario.prepare(ledger)).await.unwrap();
    let gate = Gate::of(&world);
    gate.strike(spot, wrong, times);
    let end = Box::pin(act(scenario, &world, &gate)).await;
    if gate.struck() == 0 {
        return Err("the fault did not strike".to_owned());
    }
    let first = stands(&world, &end);
    never_two(&world)?;
    // The vendor is ill for longer: more clicks, each when it is due.
    if times > 1 {
        for _ in 0..3 {
            world.clock.advance(SignedDuration::from_secs(40));
            let _ = Box::pin(gate.process(&world).sync_invoice(&world.ctx(), world.request())).await;
            never_two(&world)?;
        }
    }
    // What a refusal has taught of a limit is believed for ten minutes: a step of several calls may find too few permits until then.
    if let Wrong::Throttled(_) = wrong {
        world.clock.advance(SignedDuration::from_mins(10));
    }
    Box::pin(recover(&world, scenario)).await.map_err(|why| format!("after {first:?}: {why}"))?;
    Ok(first)
}

async fn patient(world: &World) -> Result<Outcome<SyncEnd>, String> {
    Box::pin(world.patient(world.invoice_id, 60)).await.map_err(|error| format!("{error:#}"))
}

/// The vendor is well: a patient person clicks, reconnects and approves again where that is asked for.
async fn recover(world: &World, scenario: Scenario) -> Result<(), String> {
    world.heal().unwrap();
    if world.connection().await.unwrap().value.status == ConnectionStatus::ReconnectRequired {
        world.reconnect_as_before().await.unwrap();
    }
    let mut end = patient(world).await?;
    // K18: a refresh whose answer was lost may cost the grant; an admin reconnects, and the row that waited goes on (C19, R21).
    if matches!(&end, Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, .. })) {
        world.reconnect_as_before().await.unwrap();
        end = patient(world).await?;
    }
    // Refused between two lines: what stands there is half a document of ours, and a person says that it is to be completed.
    if let (Ok(SyncEnd::Held(hold)), Scenario::FirstSyncLineByLine) = (&end, scenario)
        && hold.question.code() == "changed_in_ledger"
    {
        let _ = Box::pin(world.resolve(hold.id, "ours")).await.unwrap();
        end = patient(world).await?;
    }
    if !matches!(end, Ok(SyncEnd::Synced(_))) {
        return Err(format!("not synced: {end:?}"));
    }
    if scenario == Scenario::Approval && world.live().iter().any(|document| document.status == "draft") {
        let end = Box::pin(world.approve()).await.unwrap();
        if world.live().iter().any(|document| document.status == "draft") {
            return Err(format!("approved again, and still a draft: {end:?}"));
        }
    }
    never_two(world)?;
    let row = world.row().await.unwrap();
    if row.state != SyncState::Synced {
        return Err(format!("{:?}", row.state));
    }
    let (books, live) = (world.books(), world.live());
    match scenario {
        Scenario::Void => {
            if !live.is_empty() {
                return Err(format!("not void: {live:?}"));
            }
        }
        _ => {
            let only = world.only().map_err(|error| format!("{error:#}"))?;
            let wanted = world.invoice().await.unwrap().totals(TaxRounding::Line);
            if (only.subtotal, only.tax, only.total) != (wanted.subtotal, wanted.tax, wanted.total) || books.contacts.len() != 1 {
                return Err(format!("I6: {only:?}"));
            }
            if row.link.as_ref().map(|link| link.external_id.as_str()) != Some(only.id.as_str()) {
                return Err(format!("linked to {:?}, not to {}", row.link, only.id));
            }
        }
    }
    if scenario == Scenario::Payment {
        let paid: Vec<_> = books.payments.iter().map(|payment| payment.amount).collect();
        if paid != [Decimal::new(50_000, 2)] {
            return Err(format!("paid {paid:?}"));
        }
    }
    let before = world.simulator.calls().len();
    let again = world.sync(world.invoice_id).await.unwrap();
    if !matches!(&again, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing && answer.vendor_calls == 0)
        || world.simulator.calls().len() != before
    {
        return Err(format!("R64: another click does something: {again:?}"));
    }
    Ok(())
}

/// The calls that this scenario is about; the others are another scenario's.
fn is_subject(scenario: Scenario, spot: &Spot) -> bool {
    match scenario {
        Scenario::ExpiredToken => spot.path.contains("token"),
        Scenario::FirstSyncLineByLine => spot.path.ends_with("/salesInvoiceLines"),
        Scenario::FirstSync | Scenario::Update | Scenario::Approval | Scenario::Void | Scenario::Payment => true,
    }
}

/// What nobody could tell from the truth.
fn is_believed(scenario: Scenario, spot: &Spot, wrong: Wrong) -> bool {
    match wrong {
        // A document that is said to be gone need not be voided.
        Wrong::Own(404) => scenario == Scenario::Void && spot.method == "GET",
        // A payment has no mark of ours in its answer.
        Wrong::AnotherObject => spot.path.ends_with("/payment"),
        _ => false,
    }
}

/// Of so many cases, one is run where nobody asks for all of them.
const SAMPLED: usize = 5;

/// What a person asks for: every case (`LEDGER_FAULTS=all`), or every case of the faults that are named so (`LEDGER_FAULTS=Throttled`).
fn asked_for() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how much a person asks for")]
    let asked = std::env::var("LEDGER_FAULTS");
    asked.ok().filter(|asked| !asked.is_empty())
}

/// Whether a case is run: the `count`-th of its scenario.
fn is_run(asked: Option<&str>, wrong: Wrong, count: usize) -> bool {
    match asked {
        None => count.is_multiple_of(SAMPLED),
        Some("all") => true,
        Some(name) => format!("{wrong:?}").contains(name),
    }
}

/// Runs every fault at every call of the scenario, or every fifth of them; answers how many cases there are and how many were run.
pub(crate) async fn cases(ledger: Ledger, scenario: Scenario) -> (usize, usize) {
    let only = asked_for();
    let all = Box::pin(calls(ledger, scenario)).await;
    let rules = World::of(ledger, 1).await.unwrap().process().unwrap().ledgers.get(ledger).unwrap().rules;
    let kinds = kinds(ledger, scenario, &all);
    let spots: Vec<_> = all.iter().zip(kinds).filter(|(spot, _)| is_subject(scenario, spot)).collect();
    let (mut count, mut run, mut violations) = (0, 0, Vec::new());
    for (spot, kind) in spots.iter().copied() {
        let asked = Asked { rules: &rules, scenario, spot, kind };
        let place = spot.path.rsplit_once("/companies(").map_or(spot.path.as_str(), |(_, rest)| rest.get(37..).unwrap_or_default());
        println!("  {} {place} #{} ({kind:?})", spot.method, spot.nth);
        for (times, wrongs) in [(1, WRONGS.as_slice()), (6, AGAIN.as_slice())] {
            let mut others: BTreeMap<(Stands, Stands), Vec<Wrong>> = BTreeMap::new();
            for wrong in wrongs.iter().copied().filter(|wrong| !is_believed(scenario, spot, *wrong)) {
                count += 1;
                if !is_run(only.as_deref(), wrong, count) {
                    continue;
                }
                run += 1;
                let table = expected(&asked, wrong, times > 1);
                match Box::pin(case(ledger, scenario, spot, wrong, times)).await {
                    Ok(stands) if stands.is(&table) => {}
                    Ok(stands) => others.entry((stands, table)).or_default().push(wrong),
                    Err(why) => violations.push(format!("{} {place} #{}, {wrong:?}, {times} times: {why}", spot.method, spot.nth)),
                }
            }
            for ((stands, table), wrongs) in others {
                violations.push(format!("{} {place} #{}, {times} times: {stands:?}, not {table:?}: {wrongs:?}", spot.method, spot.nth));
            }
        }
    }
    println!("{ledger}, {scenario:?}: {} calls, {count} cases, {run} of them run", spots.len());
    assert!(violations.is_empty(), "{ledger}, {scenario:?}: {} violations:\n{}", violations.len(), violations.join("\n"));
    (count, run)
}
