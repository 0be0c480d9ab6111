//! Single vendor faults at every call of QuickBooks, Sage and Business Central, once and again and again: where the sync stands then, and
//! that it comes to rest with one document, one contact, one payment and equal totals once the vendor is well.
//!
//! `LEDGER_FAULTS=all cargo test -p chaos --test ledger_faults` runs every case, `LEDGER_FAULTS=Throttled` those of the faults with this
//! word in their name; without, every fifth of each scenario is run.
//!
//! I1, I2, I5, I6, I11; R21, R64, C1, C10, C19; docs/architecture.md, "faults at every vendor call".

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test's helpers fail the test by panicking, and print what they counted"
)]

mod cases;
mod expected;
mod gate;
mod stands;
mod wrong;

use coportal_core::ledger::Ledger;

use cases::cases;
use chaos::scenario::Scenario;

/// One ledger and one scenario each, so that a failure names both and the machine's cores share the work.
macro_rules! faults {
    ($($name:ident: $ledger:ident, $scenario:ident, at least $least:literal;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                let (count, run) = cases(Ledger::$ledger, Scenario::$scenario).await;
                assert!(run > 0 && count >= $least, "{count} cases are fewer than this scenario has calls for");
            }
        )*
    };
}

faults! {
    quickbooks_first_sync: Quickbooks, FirstSync, at least 200;
    quickbooks_update: Quickbooks, Update, at least 50;
    quickbooks_void: Quickbooks, Void, at least 100;
    quickbooks_payment: Quickbooks, Payment, at least 150;
    quickbooks_token: Quickbooks, ExpiredToken, at least 50;
    sage_first_sync: Sage, FirstSync, at least 200;
    sage_update: Sage, Update, at least 100;
    sage_approval: Sage, Approval, at least 100;
    sage_void: Sage, Void, at least 100;
    sage_payment: Sage, Payment, at least 100;
    sage_token: Sage, ExpiredToken, at least 50;
    business_central_first_sync: BusinessCentral, FirstSync, at least 300;
    business_central_line_by_line: BusinessCentral, FirstSyncLineByLine, at least 100;
    business_central_update: BusinessCentral, Update, at least 100;
    business_central_approval: BusinessCentral, Approval, at least 150;
    business_central_void: BusinessCentral, Void, at least 150;
    business_central_payment: BusinessCentral, Payment, at least 150;
    business_central_token: BusinessCentral, ExpiredToken, at least 50;
}
