//! The kill matrix of every write in every ledger (docs/architecture.md, K4 to K18): create, update, approval, void and payment, dropped
//! before and after each call, their requests or answers lost, or taking effect long after the time-out. Always one document, one contact,
//! one payment, and the totals that CoPortal shows.
//!
//! I1, I2, I5, I6, I8, I10; R61, R64, R140, R141; C1, C7, C8, C10, C29. What does not apply to a ledger is printed with its reason.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where it fails, and prints how many cases it ran"
)]

mod matrix;

use coportal_core::ledger::{DraftMeaning, Ledger};

use chaos::scenario::Scenario;
use matrix::matrix;

/// One ledger and one scenario each, so that a failure names both and the machine's cores share the work.
macro_rules! matrices {
    ($($name:ident: $ledger:ident, $scenario:ident, at least $least:literal;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                let cases = matrix(Ledger::$ledger, Scenario::$scenario).await;
                assert!(cases >= $least, "{cases} cases are fewer than this scenario has calls for");
            }
        )*
    };
}

matrices! {
    xero_approval: Xero, Approval, at least 40;
    xero_void: Xero, Void, at least 30;
    xero_payment: Xero, Payment, at least 30;
    quickbooks_first_sync: Quickbooks, FirstSync, at least 80;
    quickbooks_update: Quickbooks, Update, at least 40;
    quickbooks_void: Quickbooks, Void, at least 30;
    quickbooks_payment: Quickbooks, Payment, at least 30;
    quickbooks_expired_token: Quickbooks, ExpiredToken, at least 80;
    sage_first_sync: Sage, FirstSync, at least 80;
    sage_update: Sage, Update, at least 60;
    sage_approval: Sage, Approval, at least 40;
    sage_void: Sage, Void, at least 30;
    sage_payment: Sage, Payment, at least 30;
    sage_expired_token: Sage, ExpiredToken, at least 80;
    business_central_first_sync: BusinessCentral, FirstSync, at least 80;
    business_central_line_by_line: BusinessCentral, FirstSyncLineByLine, at least 80;
    business_central_update: BusinessCentral, Update, at least 40;
    business_central_approval: BusinessCentral, Approval, at least 40;
    business_central_void: BusinessCentral, Void, at least 30;
    business_central_payment: BusinessCentral, Payment, at least 30;
    business_central_expired_token: BusinessCentral, ExpiredToken, at least 80;
}

/// What a ledger does not have is said with its reason, and is no gap by oversight.
#[test]
fn what_does_not_apply_has_a_reason() {
    for (ledger, scenario, draft) in [
        (Ledger::Quickbooks, Scenario::Approval, DraftMeaning::Held),
        (Ledger::Xero, Scenario::FirstSyncLineByLine, DraftMeaning::Native),
        (Ledger::Quickbooks, Scenario::FirstSyncLineByLine, DraftMeaning::Held),
        (Ledger::Sage, Scenario::FirstSyncLineByLine, DraftMeaning::Native),
    ] {
        let reason = scenario.not_applicable(ledger, draft).unwrap();
        println!("{ledger}, {scenario:?}: not applicable: {reason}");
    }
}
