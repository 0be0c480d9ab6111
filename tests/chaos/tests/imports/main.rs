//! Imports: previews and commits against every ledger, cut off at every call, crossed with each other and with syncs.
//!
//! I2, I13, I15; R24-R33, R141, R146, R148, R149; C14, C15.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test by panicking")]

mod changes;
mod crossing;
mod doors;
mod kills;
mod lists;
mod scene;
mod stopped;

/// Counts what is allocated here, for the bound on an import's memory.
#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
