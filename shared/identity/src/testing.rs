//! A clock that stands still and bytes that repeat, for this crate's tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coportal_core::ctx::{Clock, Ctx, Random};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Random for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = Sha256::digest(self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// The instant at which these tests happen.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

pub(crate) fn ctx() -> Ctx {
    ctx_at(now())
}

pub(crate) fn ctx_at(at: Timestamp) -> Ctx {
    Ctx::new(Arc::new(At(at)), Arc::new(Counted::default()), SignedDuration::from_secs(24))
}
