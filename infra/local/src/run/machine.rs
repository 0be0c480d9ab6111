//! The machine's side of a function here: the one movable clock, and where lines go.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use coportal_lambda::telemetry::Sink;
use jiff::Timestamp;

use crate::clock::Clock;

/// The shared clock as the product takes it.
pub(super) struct ProductClock(pub(super) Clock);

impl coportal_core::ctx::Clock for ProductClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Log lines on standard error: standard output is for the person who started the process. Until [`Stderr::open`], requests that went
/// well are left out: they are the process's own, made while it starts.
#[derive(Debug, Default)]
pub struct Stderr {
    is_open: AtomicBool,
}

impl Stderr {
    /// From here on every line is written.
    pub fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }
}

impl Sink for Stderr {
    fn write(&self, line: &str) {
        if self.is_open.load(Ordering::Relaxed) || !is_info(line) {
            // A log that cannot be written must not fail the request that it is about.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}

/// Whether a line is of the level at which a request that went well is logged.
pub(crate) fn is_info(line: &str) -> bool {
    line.contains(r#""level":"INFO""#)
}

/// Log lines that are kept in memory, for the demo and for tests. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct KeptLines(Arc<Mutex<Vec<String>>>);

impl KeptLines {
    /// All lines, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for KeptLines {
    fn write(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
}
