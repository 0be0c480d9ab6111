//! C29 in every ledger: the bookkeeper works on a document between two syncs, with every action that their ledger offers them. What is theirs
//! is kept, what both changed is asked, nothing is overwritten; each answer of each question comes to rest with one document, one contact
//! and the totals that CoPortal shows.
//!
//! C1, C6, C7, C8, C10, C29, C31; R64; I1, I2, I6, I7, I8.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test's helpers fail the test by panicking, and print what they counted"
)]

mod another_field;
mod books;
mod drafts;
mod endings;
mod rest;
mod same_field;
mod taken_number;
mod versions;
mod work;

use coportal_core::ledger::Ledger;

/// One ledger and one subject each, so that a failure names both and the machine's cores share the work.
macro_rules! cases {
    ($($name:ident: $run:path, $ledger:ident, at least $least:literal;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                let cases = $run(Ledger::$ledger).await;
                println!("{}: {cases} cases", stringify!($name));
                assert!(cases >= $least, "{cases} cases are fewer than this ledger offers");
            }
        )*
    };
}

cases! {
    c29_xero_another_field: another_field::survives, Xero, at least 60;
    c29_quickbooks_another_field: another_field::survives, Quickbooks, at least 40;
    c29_sage_another_field: another_field::survives, Sage, at least 40;
    c29_business_central_another_field: another_field::survives, BusinessCentral, at least 40;
    c29_xero_the_same_field: same_field::is_asked, Xero, at least 30;
    c29_quickbooks_the_same_field: same_field::is_asked, Quickbooks, at least 20;
    c29_sage_the_same_field: same_field::is_asked, Sage, at least 30;
    c29_business_central_the_same_field: same_field::is_asked, BusinessCentral, at least 20;
    c31_quickbooks_a_number_taken_by_hand: taken_number::is_asked, Quickbooks, at least 3;
    c31_sage_a_number_taken_by_hand: taken_number::is_asked, Sage, at least 3;
    c31_business_central_a_number_taken_by_hand: taken_number::is_asked, BusinessCentral, at least 3;
    c29_quickbooks_guards_versions: versions::are_guarded, Quickbooks, at least 3;
    c29_business_central_guards_versions: versions::are_guarded, BusinessCentral, at least 3;
    c10_xero_voids: endings::voids, Xero, at least 40;
    c10_quickbooks_voids: endings::voids, Quickbooks, at least 30;
    c10_sage_voids: endings::voids, Sage, at least 40;
    c10_business_central_voids: endings::voids, BusinessCentral, at least 30;
    c1_xero_payments: endings::payments, Xero, at least 15;
    c1_quickbooks_payments: endings::payments, Quickbooks, at least 15;
    c1_sage_payments: endings::payments, Sage, at least 15;
    c1_business_central_payments: endings::payments, BusinessCentral, at least 8;
    c7_xero_drafts: drafts::keep_their_state, Xero, at least 2;
    c7_sage_drafts: drafts::keep_their_state, Sage, at least 2;
    c7_business_central_drafts: drafts::keep_their_state, BusinessCentral, at least 2;
    c8_quickbooks_waits_until_posted: drafts::wait_here, Quickbooks, at least 1;
}
