//! Jobs over many invoices: they come to rest from any point at which a process dies, and nothing is done twice (K19, I1, I2, R36, R64).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops where it fails"
)]

mod approving;
mod backfill;
mod crashes;
mod drift;
mod retry;
mod support;
