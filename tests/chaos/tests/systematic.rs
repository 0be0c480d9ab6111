//! The parts of the crash-point tables that no other suite plays, in every ledger. `cargo run --release -p chaos -- systematic` plays all.
//!
//! K1, K2, K3, K4, K17.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use chaos::systematic::{Part, run};
use coportal_core::ledger::Ledger;

fn holds(ledger: Ledger, part: Part, at_least: u64) {
    // Room for the unoptimised futures of whole syncs.
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let report = runtime.block_on(Box::pin(run(ledger, &[part], |_| {}))).unwrap();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
        assert!(report.cases >= at_least, "{} cases", report.cases);
    };
    std::thread::Builder::new().stack_size(32 * 1024 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn k1_to_k4_and_k17_xero() {
    holds(Ledger::Xero, Part::Alone, 40);
}

#[test]
fn k1_to_k4_and_k17_quickbooks() {
    holds(Ledger::Quickbooks, Part::Alone, 40);
}

#[test]
fn k1_to_k4_and_k17_sage() {
    holds(Ledger::Sage, Part::Alone, 40);
}

#[test]
fn k1_to_k4_and_k17_business_central() {
    holds(Ledger::BusinessCentral, Part::Alone, 40);
}
