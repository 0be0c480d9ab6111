//! Every call, every way to lose it.

use chaos::wire::{Fault, Passed, Side};
use chaos::world::{Run, World};
use coportal_core::connection::ConnectionStatus;
use coportal_core::invoice::InvoiceStatus;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{SyncState, WaitingFor};
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use simulators::skeleton::faults::{Fault as VendorFault, FaultKind};

use chaos::scenario::{Scenario, dearer};

/// What happens between the fault and the next click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Edited,
    Voided,
}

impl Meanwhile {
    fn of(scenario: Scenario) -> &'static [Self] {
        match scenario {
            // A void ends the invoice, and money on it keeps it as it is.
            Scenario::Void | Scenario::Payment => &[Self::Nothing],
            // What is posted is changed no more in some ledgers; an edit of an approved invoice has a scenario of its own.
            Scenario::Approval | Scenario::FirstSyncLineByLine | Scenario::ExpiredToken => &[Self::Nothing, Self::Voided],
            Scenario::FirstSync | Scenario::Update => &[Self::Nothing, Self::Edited, Self::Voided],
        }
    }
}

/// The calls that the scenario makes when nothing goes wrong.
async fn calls(ledger: Ledger, scenario: Scenario) -> Vec<Passed> {
    let world = Box::pin(scenario.prepare(ledger)).await.unwrap();
    let Run::Ended(end) = Box::pin(scenario.act(&world)).await.unwrap() else { panic!("nothing was armed") };
    let Ok(SyncEnd::Synced(answer)) = *end else { panic!("{ledger}, {scenario:?} ended as {end:?}") };
    let made = matches!(scenario, Scenario::FirstSync | Scenario::FirstSyncLineByLine | Scenario::ExpiredToken);
    assert_eq!(answer.changed, if made { Changed::Created } else { Changed::Updated }, "{ledger}, {scenario:?}");
    world.wire.passed()
}

/// Runs the matrix; answers how many cases it had.
pub(crate) async fn matrix(ledger: Ledger, scenario: Scenario) -> usize {
    let rules = World::of(ledger, 1).await.unwrap().process().unwrap().ledgers.get(ledger).unwrap().rules;
    if let Some(reason) = scenario.not_applicable(ledger, rules.draft) {
        println!("{ledger}, {scenario:?}: not applicable: {reason}");
        return 0;
    }
    let calls = calls(ledger, scenario).await;
    let mut cases = 0;
    for (k, call) in calls.iter().enumerate() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::RequestLost] {
            for meanwhile in Meanwhile::of(scenario) {
                let case = format!("{ledger}, {scenario:?}, call {k} ({}), {fault:?}, {meanwhile:?}", call.operation);
                let world = Box::pin(scenario.prepare(ledger)).await.unwrap();
                world.wire.arm(k, fault);
                let run = Box::pin(scenario.act(&world)).await.unwrap();
                assert!(world.wire.struck(), "{case}: the fault did not strike");
                let dies = matches!(fault, Fault::CrashBefore | Fault::CrashAfter);
                assert_eq!(matches!(run, Run::Died), dies, "{case}: {run:?}");
                world.wire.disarm();
                happen(&world, *meanwhile).await;
                check(&world, &case, scenario, *meanwhile).await;
                cases += 1;
            }
        }
    }
    cases += late(ledger, scenario, &calls).await;
    println!("{ledger}, {scenario:?}: {} calls, {cases} cases", calls.len());
    for call in &calls {
        println!("  {:?} {}", call.side, call.operation);
    }
    cases
}

/// A request that lands long after our time-out: at once for the caller it was lost, and it takes effect while we wait or look.
async fn late(ledger: Ledger, scenario: Scenario, calls: &[Passed]) -> usize {
    let mut cases = 0;
    let writes = calls.iter().filter(|call| call.side == Side::Vendor && !call.operation.starts_with("GET"));
    let mut seen: Vec<&str> = Vec::new();
    // A batch that is refused has no effect that could come late.
    let refused = |call: &Passed| scenario == Scenario::FirstSyncLineByLine && call.operation.contains("$batch");
    for call in writes.filter(|call| !call.operation.contains("/token") && !refused(call)) {
        let (method, path) = call.operation.split_once(' ').unwrap_or_default();
        let nth = 1 + u32::try_from(seen.iter().filter(|known| **known == call.operation).count()).unwrap();
        seen.push(&call.operation);
        for after_seconds in [1, 20, 100] {
            let case = format!("{ledger}, {scenario:?}, {} lands after {after_seconds} s", call.operation);
            let world = Box::pin(scenario.prepare(ledger)).await.unwrap();
            let fault = VendorFault { method: Some(method.to_owned()), nth, after_seconds, ..VendorFault::on(path, FaultKind::Late) };
            world.simulator.post_faults(vec![fault]);
            let _ = Box::pin(scenario.act(&world)).await.unwrap();
            assert!(world.simulator.faults().iter().any(|posted| posted.fired > 0 && posted.fault.kind == FaultKind::Late), "{case}");
            check(&world, &case, scenario, Meanwhile::Nothing).await;
            cases += 1;
        }
    }
    cases
}

async fn happen(world: &World, meanwhile: Meanwhile) {
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Edited => world.edit(|invoice| dearer(invoice, 333)).await.unwrap(),
        Meanwhile::Voided => world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap(),
    }
}

async fn check(world: &World, case: &str, scenario: Scenario, meanwhile: Meanwhile) {
    let clicks = if scenario == Scenario::ExpiredToken { 60 } else { 12 };
    let mut end = world.settle_within(clicks).await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    // K18: a refresh whose answer was lost costs the grant where the vendor gives no second try; then an admin reconnects, and the row
    // that waited goes on (C19, R21).
    if let Ok(SyncEnd::Waiting { waiting_for: WaitingFor::Reconnect, .. }) = &end {
        assert_eq!(scenario, Scenario::ExpiredToken, "{case}: {end:?}");
        assert_eq!(world.connection().await.unwrap().value.status, ConnectionStatus::ReconnectRequired, "{case}: the card says so");
        world.reconnect_as_before().await.unwrap();
        end = world.settle().await.unwrap_or_else(|error| panic!("{case}: {error:#}"));
    }
    // What was posted before it was edited can be changed no more in some ledgers: that is asked, and left as it is.
    if let Ok(SyncEnd::Held(hold)) = &end
        && meanwhile == Meanwhile::Edited
        && hold.question.code() == "locked_in_ledger"
    {
        end = world.resolve(hold.id, "leave").await.unwrap();
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
        assert_eq!((world.live().len(), world.books().contacts.len()), (1, 1), "{case}");
        return;
    }
    let books = world.books();
    let live = world.live();
    assert!(books.contacts.len() <= 1, "{case}: {} contacts", books.contacts.len());
    assert!(live.len() <= 1, "{case}: {live:?}");
    if scenario == Scenario::Void {
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
        assert!(live.is_empty(), "{case}: {live:?}");
        return quiet(world, case).await;
    }
    if meanwhile == Meanwhile::Voided {
        let held = matches!(&end, Ok(SyncEnd::Held(hold)) if hold.question.code() == "void_in_ledger");
        let refused = matches!(&end, Err(problem) if problem.code == "not_eligible");
        let at_rest = matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing && answer.external_id.is_none());
        assert!(if live.is_empty() { refused || at_rest } else { held }, "{case}: {} documents, {end:?}", live.len());
        return;
    }
    assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
    assert_eq!(world.state().await.unwrap(), SyncState::Synced, "{case}");
    assert_eq!((books.contacts.len(), live.len()), (1, 1), "{case}");
    let (document, invoice) = (live.first().unwrap(), world.invoice().await.unwrap());
    let wanted = invoice.totals(TaxRounding::Line);
    assert_eq!((document.subtotal, document.tax, document.total), (wanted.subtotal, wanted.tax, wanted.total), "{case}: I6");
    match scenario {
        Scenario::Payment => {
            let paid: Vec<_> = books.payments.iter().map(|payment| payment.amount).collect();
            assert_eq!(paid, [rust_decimal::Decimal::new(50_000, 2)], "{case}: C1, once");
        }
        Scenario::Approval => {
            // A wish that was never stored was never made; one that was stored is fulfilled, and only once.
            let asked = world.row().await.unwrap().approve;
            assert!(!asked, "{case}: an approval is still wanted");
        }
        Scenario::FirstSync | Scenario::FirstSyncLineByLine | Scenario::ExpiredToken => {
            assert_eq!(document.status, "approved", "{case}: C7, drafts are off");
        }
        Scenario::Update | Scenario::Void => {}
    }
    quiet(world, case).await;
}

/// R64: another click makes no vendor call.
async fn quiet(world: &World, case: &str) {
    let before = world.simulator.calls().len();
    let again = world.settle().await.unwrap();
    assert!(matches!(again, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing && answer.vendor_calls == 0), "{case}");
    assert_eq!(world.simulator.calls().len(), before, "{case}");
}
