//! Time and chance as parameters: a use case gets a [`Ctx`] and never asks the machine.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::{Builder, Uuid};

use crate::sync::retry::Jitter;

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Where unguessable bytes come from.
pub trait Random: Send + Sync {
    /// Fills `bytes` from a cryptographic source.
    fn fill(&self, bytes: &mut [u8]);
}

/// What one invocation knows about time, chance and how long it may take.
#[derive(Clone)]
pub struct Ctx {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    deadline: Timestamp,
}

impl Ctx {
    /// A context whose work must be over `budget` from now (an HTTP function: 24 s, below API Gateway's 30).
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>, budget: SignedDuration) -> Self {
        let deadline = clock.now().saturating_add(budget).unwrap_or(Timestamp::MAX);
        Self { clock, random, deadline }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The instant by which an answer must have been given.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Whether `needed` still fits before the deadline.
    #[must_use]
    pub fn has_time_for(&self, needed: SignedDuration) -> bool {
        self.now().duration_until(self.deadline) >= needed
    }

    /// Fresh unguessable bytes.
    #[must_use]
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// A fresh UUIDv7 from this context's clock and randomness.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.now().as_millisecond()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &self.random_bytes()).into_uuid()
    }

    /// Chance for one interval of the retry schedule.
    #[must_use]
    pub fn jitter(&self) -> Jitter {
        Jitter::of(self.random_bytes())
    }

    /// A fresh 256-bit secret as 64 hexadecimal digits (state, session, hand-off code).
    #[must_use]
    pub fn token(&self) -> String {
        hex::encode(self.random_bytes::<32>())
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
