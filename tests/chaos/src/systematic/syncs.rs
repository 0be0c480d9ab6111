//! K5 to K16 and K18: one sync that is struck at each of its calls, and two that are struck in a row.

use anyhow::{Context as _, Result, ensure};
use coportal_core::connection::ConnectionStatus;
use coportal_core::ledger::Ledger;
use coportal_core::queue::SyncMessage;
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::SignedDuration;

use super::Report;
use super::points::{Point, Written, is_claim, is_contact, is_document, is_line, moments};
use crate::scenario::Scenario;
use crate::wire::{Fault, Passed, Side};
use crate::world::{Run, World};

/// Longer than a lease: the second process finds the first one's ended.
const AFTER_A_LEASE: SignedDuration = SignedDuration::from_secs(31);

/// What is struck: a scenario, or one whose access token has ended meanwhile.
#[derive(Clone, Copy)]
struct Act {
    ledger: Ledger,
    scenario: Scenario,
    expired: bool,
}

impl Act {
    async fn prepare(self) -> Result<World> {
        let world = Box::pin(self.scenario.prepare(self.ledger)).await?;
        if self.expired {
            world.clock.advance(SignedDuration::from_mins(61));
        }
        Ok(world)
    }

    async fn calls(self) -> Result<Vec<Passed>> {
        let world = self.prepare().await?;
        let run = Box::pin(self.scenario.act(&world)).await?;
        let synced = matches!(&run, Run::Ended(end) if matches!(**end, Ok(SyncEnd::Synced(_))));
        ensure!(synced, "{}, {:?} without a fault: {run:?}", self.ledger, self.scenario);
        Ok(world.wire.passed())
    }

    /// Strikes at one call; then lets it come to rest, and looks.
    async fn struck(self, at: usize, fault: Fault) -> Result<()> {
        let world = self.prepare().await?;
        world.wire.arm(at, fault);
        let run = Box::pin(self.scenario.act(&world)).await?;
        ensure!(world.wire.struck(), "the fault did not strike: {run:?}");
        let dies = matches!(fault, Fault::CrashBefore | Fault::CrashAfter);
        ensure!(matches!(run, Run::Died) == dies, "whether the process dies: {run:?}");
        world.wire.disarm();
        Box::pin(at_rest(&world, self.scenario)).await
    }
}

/// Every call of a scenario, struck in every way.
pub(super) async fn table(ledger: Ledger, scenario: Scenario, report: &mut Report) -> Result<()> {
    let act = Act { ledger, scenario, expired: false };
    let calls = Box::pin(act.calls()).await?;
    for (at, call) in calls.iter().enumerate() {
        let written = call.side == Side::Vendor && !call.operation.starts_with("GET");
        // A request or an answer that is lost is something else than a death only where the vendor may have done it: the SDK asks AWS again.
        let faults: &[Fault] = if written {
            &[Fault::CrashBefore, Fault::CrashAfter, Fault::RequestLost, Fault::AnswerLost]
        } else {
            &[Fault::CrashBefore, Fault::CrashAfter]
        };
        for fault in faults {
            let case = format!("{ledger}, {scenario:?}, call {at} ({} {}), {fault:?}", call.operation, call.subject);
            let end = Box::pin(act.struck(at, *fault)).await;
            report.case(ledger, Written::by(scenario), &moments(&calls, at, *fault), &case, end);
        }
    }
    // K18 of the writes other than a first sync, which has a scenario of its own for it.
    let expired = Act { expired: true, ..act };
    if matches!(scenario, Scenario::Update | Scenario::Void | Scenario::Payment) {
        let calls = Box::pin(expired.calls()).await?;
        for at in 0..calls.len() {
            for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost] {
                let struck: Vec<_> = moments(&calls, at, fault).into_iter().filter(|(point, _)| *point == Point::K18).collect();
                if !struck.is_empty() {
                    let case = format!("{ledger}, {scenario:?} with an ended token, call {at}, {fault:?}");
                    let end = Box::pin(expired.struck(at, fault)).await;
                    report.case(ledger, Written::by(scenario), &struck, &case, end);
                }
            }
        }
    }
    Ok(())
}

/// Whether a call, of this number, is the one that is struck.
type Like = fn(&Passed, usize) -> bool;

/// How a point of a worker's way through a message is struck first.
fn strike(point: Point) -> Option<(Like, Fault)> {
    Some(match point {
        Point::K4 => (|_, at| at == 0, Fault::CrashBefore),
        Point::K5 => (|call, _| is_claim(call), Fault::CrashBefore),
        Point::K6 => (|call, _| is_claim(call), Fault::CrashAfter),
        Point::K7 => (|call, _| is_contact(call), Fault::CrashBefore),
        Point::K8 => (|call, _| is_contact(call), Fault::CrashAfter),
        Point::K9 => (|call, _| call.subject == "CLINK", Fault::CrashBefore),
        Point::K10 => (|call, _| call.subject == "CLINK", Fault::CrashAfter),
        Point::K11 => (|call, _| is_document(call), Fault::CrashBefore),
        Point::K12 => (|call, _| is_document(call), Fault::CrashAfter),
        Point::K13 => (|call, _| call.subject == "SYNC", Fault::CrashBefore),
        Point::K14 => (|call, _| is_line(call), Fault::CrashBefore),
        Point::K15 => (|call, _| is_line(call), Fault::CrashAfter),
        Point::K16 => (|call, _| call.subject == "SYNC", Fault::CrashAfter),
        // All is done, and the message comes again: nothing is struck.
        Point::K1 | Point::K2 | Point::K3 | Point::K17 | Point::K18 | Point::K19 | Point::K20 | Point::K21 | Point::K22 => return None,
    })
}

/// The points of the plan's pairs.
const OF_A_PAIR: [Point; 14] = [
    Point::K4,
    Point::K5,
    Point::K6,
    Point::K7,
    Point::K8,
    Point::K9,
    Point::K10,
    Point::K11,
    Point::K12,
    Point::K13,
    Point::K14,
    Point::K15,
    Point::K16,
    Point::K17,
];

/// All pairs of two crashes in a row: the message's first delivery is struck at one point, the second at another, and a third one is not.
pub(super) async fn pairs(ledger: Ledger, report: &mut Report) -> Result<()> {
    let scenario = if ledger == Ledger::BusinessCentral { Scenario::FirstSyncLineByLine } else { Scenario::FirstSync };
    for first in OF_A_PAIR {
        for second in OF_A_PAIR {
            report.pairs.of += 1;
            let lines = [first, second].into_iter().any(|point| matches!(point, Point::K14 | Point::K15));
            if lines && ledger != Ledger::BusinessCentral {
                report.pairs.not_applicable += 1;
                continue;
            }
            match Box::pin(pair(ledger, scenario, [first, second])).await {
                Ok(both) => {
                    report.pairs.passed += 1;
                    report.pairs.both_struck += u64::from(both);
                }
                Err(error) => report.violations.push(format!("{ledger}, the pair {first:?}, {second:?}: {error:#}")),
            }
        }
    }
    Ok(())
}

/// Whether both were struck: a second delivery does not come to a point that lies behind it, contacts that are linked for example.
async fn pair(ledger: Ledger, scenario: Scenario, points: [Point; 2]) -> Result<bool> {
    let world = Box::pin(scenario.prepare(ledger)).await?;
    let generation = world.connection().await?.value.generation;
    let message = SyncMessage { ws: world.workspace, ledger, generation, invoices: vec![world.invoice_id] };
    let mut both = true;
    for (number, point) in points.into_iter().enumerate() {
        world.wire.disarm();
        if let Some((like, fault)) = strike(point) {
            world.wire.arm_when(like, fault);
        }
        let (engine, ctx) = (world.process()?, world.ctx());
        let died = tokio::select! {
            biased;
            () = world.wire.death() => true,
            _ = engine.work(&ctx, &message) => false,
        };
        let struck = world.wire.struck();
        ensure!(died == struck, "{point:?}: died: {died}, struck: {struck}");
        ensure!(number > 0 || struck || point == Point::K17, "{point:?} was not struck");
        both &= struck || point == Point::K17;
        world.clock.advance(AFTER_A_LEASE);
    }
    world.wire.disarm();
    Box::pin(at_rest(&world, scenario)).await?;
    Ok(both)
}

/// Lets the invoice come to rest by clicks, and looks at row and books.
pub(super) async fn at_rest(world: &World, scenario: Scenario) -> Result<()> {
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
