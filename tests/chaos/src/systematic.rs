//! Every crash point of one sync, before and after it, in every ledger and for every write; and all pairs of two crashes in a row.
//!
//! The points have the numbers K1 to K22 of the plan (docs/architecture.md, "If it stops at any point"). Which call is which point follows
//! from what it writes. What a ledger or a write does not have is listed with its reason.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use coportal_core::connection::ConnectionStatus;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use serde::Serialize;

use crate::scenario::Scenario;
use crate::wire::{Fault, Passed, Side};
use crate::world::{Run, World};

/// A crash point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Point {
    /// Planned, before the claim.
    K5,
    /// Claimed with its intent, before the first vendor call.
    K6,
    /// The contact call, not reached.
    K7,
    /// The contact call, applied, its answer lost.
    K8,
    /// The contact's answer here, its link not stored.
    K9,
    /// The contact's link stored, before the document.
    K10,
    /// The document call, not reached.
    K11,
    /// The document call, applied, its answer lost.
    K12,
    /// The document's answer here, its link not stored.
    K13,
    /// Header applied, lines missing.
    K14,
    /// A line applied, its answer lost.
    K15,
    /// The link stored, what follows not.
    K16,
    /// The token refreshed at the vendor, not stored.
    K18,
}

/// What a run of the tables came to.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Cases run.
    pub cases: u64,
    /// Cases run, by ledger and point.
    pub points: BTreeMap<String, BTreeMap<Point, u64>>,
    /// Pairs of crashes run.
    pub pairs: u64,
    /// What does not apply, with its reason.
    pub not_applicable: Vec<String>,
    /// What was violated.
    pub violations: Vec<String>,
}

/// Which point the process dies at, when it dies before or after a call.
fn point(call: &Passed, after: bool) -> Point {
    let vendor = call.side == Side::Vendor;
    let writes = !call.operation.starts_with("GET");
    match call.subject.as_str() {
        "SYNC" if after => Point::K16,
        "SYNC" => Point::K13,
        "CLAIM" | "LINK_CLAIM" if after => Point::K6,
        "CLAIM" | "LINK_CLAIM" => Point::K5,
        "CLINK" if after => Point::K10,
        "CLINK" => Point::K9,
        "TOK" => Point::K18,
        _ if vendor && call.operation.contains("token") => Point::K18,
        _ if vendor && writes && is_contact(&call.operation) => {
            if after {
                Point::K8
            } else {
                Point::K7
            }
        }
        _ if vendor && writes && is_line(&call.operation) => {
            if after {
                Point::K15
            } else {
                Point::K14
            }
        }
        _ if vendor && writes => {
            if after {
                Point::K12
            } else {
                Point::K11
            }
        }
        // Reads of either side change nothing: the process is where it was, planned and before its next claim.
        _ => Point::K5,
    }
}

fn is_contact(operation: &str) -> bool {
    ["/Contacts", "/customer", "/contacts", "/customers"].iter().any(|path| operation.ends_with(path))
}

fn is_line(operation: &str) -> bool {
    operation.ends_with("/salesInvoiceLines") || operation.ends_with("/$batch")
}

/// Runs the tables of one ledger, or of all.
///
/// # Errors
/// When the harness itself cannot go on.
pub async fn run(only: Option<Ledger>, pairs: bool, told: impl Fn(&str)) -> Result<Report> {
    let mut report = Report::default();
    for ledger in Ledger::ALL.into_iter().filter(|ledger| only.is_none_or(|only| only == *ledger)) {
        let api = World::of(ledger, 1).await?.process()?.ledgers.get(ledger).context("the ledger is in this build")?.rules;
        for scenario in Scenario::ALL {
            if let Some(reason) = scenario.not_applicable(ledger, api.draft) {
                report.not_applicable.push(format!("{ledger}, {scenario:?}: {reason}"));
                continue;
            }
            Box::pin(table(ledger, scenario, pairs, &mut report)).await?;
            told(&format!("{ledger}, {scenario:?}: {} cases so far, {} violations", report.cases + report.pairs, report.violations.len()));
        }
        let points = report.points.entry(ledger.to_string()).or_default();
        for absent in [Point::K14, Point::K15] {
            if !points.contains_key(&absent) {
                report.not_applicable.push(format!("{ledger}, {absent:?}: its documents are made in one call"));
            }
        }
    }
    for (points, reason) in [
        ("K1 to K4, K17", "events, messages and their deletion: the random histories drop and double them"),
        ("K19, K20", "batches: the batch driver's own tests stop it between two batches and inside one"),
        ("K21, K22", "disconnecting and changing the organisation: tests/chaos/tests/crossed_decisions.rs and tries_and_moves.rs"),
    ] {
        report.not_applicable.push(format!("{points}: {reason}"));
    }
    Ok(report)
}

async fn calls(ledger: Ledger, scenario: Scenario) -> Result<Vec<Passed>> {
    let world = Box::pin(scenario.prepare(ledger)).await?;
    let run = Box::pin(scenario.act(&world)).await?;
    ensure!(matches!(&run, Run::Ended(end) if matches!(**end, Ok(SyncEnd::Synced(_)))), "{ledger}, {scenario:?} without a fault: {run:?}");
    Ok(world.wire.passed())
}

async fn table(ledger: Ledger, scenario: Scenario, pairs: bool, report: &mut Report) -> Result<()> {
    let calls = Box::pin(calls(ledger, scenario)).await?;
    for (at, call) in calls.iter().enumerate() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let case = format!("{ledger}, {scenario:?}, call {at} ({} {}), {fault:?}", call.operation, call.subject);
            report.cases += 1;
            let points = report.points.entry(ledger.to_string()).or_default();
            *points.entry(point(call, fault == Fault::CrashAfter)).or_default() += 1;
            if let Err(error) = Box::pin(one(ledger, scenario, &[(at, fault)])).await {
                report.violations.push(format!("{case}: {error:#}"));
            }
        }
    }
    if !pairs {
        return Ok(());
    }
    // Two crashes in a row, at the calls that write: reads change nothing and are the same point.
    let writes: Vec<usize> = (0..calls.len()).filter(|at| calls.get(*at).is_some_and(writes)).collect();
    for first in &writes {
        for second in 0..writes.len() {
            report.pairs += 1;
            let faults = [(*first, Fault::CrashAfter), (second, Fault::CrashAfter)];
            if let Err(error) = Box::pin(one(ledger, scenario, &faults)).await {
                report.violations.push(format!("{ledger}, {scenario:?}, {faults:?}: {error:#}"));
            }
        }
    }
    Ok(())
}

fn writes(call: &Passed) -> bool {
    if call.side == Side::Vendor { !call.operation.starts_with("GET") } else { !call.subject.is_empty() }
}

/// Dies at the chosen calls, one process after the other; then lets it come to rest, and looks.
async fn one(ledger: Ledger, scenario: Scenario, faults: &[(usize, Fault)]) -> Result<()> {
    let world = Box::pin(scenario.prepare(ledger)).await?;
    for (number, (at, fault)) in faults.iter().enumerate() {
        world.wire.arm(*at, *fault);
        let run = Box::pin(scenario.act(&world)).await?;
        // The second process may have fewer calls to make than that.
        ensure!(number > 0 || matches!(run, Run::Died), "the process did not die: {run:?}");
        world.wire.disarm();
        if number + 1 < faults.len() {
            world.clock.advance(jiff::SignedDuration::from_secs(31));
        }
    }
    Box::pin(at_rest(&world, scenario)).await
}

async fn at_rest(world: &World, scenario: Scenario) -> Result<()> {
    let mut end = world.settle_within(60).await?;
    // K18: a refresh whose answer was lost costs the grant where the vendor gives no second try (C19, R21).
    if matches!(&end, Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, .. })) {
        ensure!(world.connection().await?.value.status == ConnectionStatus::ReconnectRequired, "the card does not say so");
        world.reconnect_as_before().await?;
        end = world.settle_within(60).await?;
    }
    ensure!(matches!(end, Ok(SyncEnd::Synced(_))), "not synced: {end:?}");
    let (books, live) = (world.books(), world.live());
    ensure!(books.contacts.len() == 1, "I2: {} contacts", books.contacts.len());
    ensure!(live.len() <= 1, "I1: {live:?}");
    if scenario == Scenario::Void {
        ensure!(live.is_empty(), "C10: {live:?}");
    } else {
        let only = live.first().context("I1: no document")?;
        let wanted = world.invoice().await?.totals(TaxRounding::Line);
        ensure!((only.subtotal, only.tax, only.total) == (wanted.subtotal, wanted.tax, wanted.total), "I6: {only:?}");
        let row = world.row().await?;
        ensure!(row.state == SyncState::Synced && row.intent.is_none(), "{row:?}");
        ensure!(row.link.as_ref().map(|link| &link.external_id) == Some(&only.id), "I5: {:?}", row.link);
    }
    if scenario == Scenario::Payment {
        let paid: Vec<_> = books.payments.iter().map(|payment| payment.amount).collect();
        ensure!(paid == [rust_decimal::Decimal::new(50_000, 2)], "C1: {paid:?}");
    }
    let before = world.simulator.calls().len();
    let again = world.settle().await?;
    let quiet = matches!(&again, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing && answer.vendor_calls == 0);
    ensure!(quiet && world.simulator.calls().len() == before, "R64: another click does something: {again:?}");
    Ok(())
}
