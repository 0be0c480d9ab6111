//! Sync without a click: the functions themselves, handed the events that Lambda hands them, over the queue double, with anything lost,
//! doubled, late or dead on the way.
//!
//! K1-K6, K17; I1, I10, I14; R34-R37, R64, R66, R69, R146, C1, C2, C10, C19, C30.

#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test's helpers fail the test by panicking")]

mod backfills;
mod copilot;
mod crashes;
mod event;
mod fairness;
mod grant;
mod order;
mod populate;
mod pumps;
mod retries;
mod rules;
mod sweeps;
