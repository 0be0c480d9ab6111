//! What every ledger's simulator has in common: clock, ids, call log, faults, limits, consent, tokens, state, controls and the server.
//!
//! A ledger's folder supplies a [`world::World`]; [`simulator::Simulator`] makes a simulator of it.

pub mod answer;
pub mod calls;
pub mod clock;
pub mod config;
pub mod consent;
pub mod controls;
pub(crate) mod exchange;
pub mod faults;
pub mod fields;
pub mod ids;
pub mod incoming;
pub mod limits;
pub mod number;
pub mod pricing;
pub mod serve;
pub(crate) mod sign_in;
pub mod simulator;
pub mod state;
pub mod tokens;
pub mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic of another holder: a simulator's state is plain data, and a failed test must not hide the next one's answer.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
