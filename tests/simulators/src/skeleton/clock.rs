//! The one clock that simulators, product and harness share.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use super::lock;

/// A clock that can be moved. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Reading>>);

#[derive(Debug)]
struct Reading {
    /// `None`: the wall clock.
    paused_at: Option<Timestamp>,
    offset: SignedDuration,
}

impl Clock {
    /// The wall clock; [`Clock::advance`] adds an offset that stays.
    #[must_use]
    pub fn system() -> Self {
        Self::reading(None)
    }

    /// A paused clock: only [`Clock::advance`] moves it.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self::reading(Some(at))
    }

    fn reading(paused_at: Option<Timestamp>) -> Self {
        Self(Arc::new(Mutex::new(Reading { paused_at, offset: SignedDuration::ZERO })))
    }

    /// The instant it shows; saturates at the ends of jiff's range.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let reading = lock(&self.0);
        #[expect(clippy::disallowed_methods, reason = "this is the one place where the simulators read the wall clock")]
        let base = reading.paused_at.unwrap_or_else(Timestamp::now);
        plus(base, reading.offset)
    }

    /// How far it was moved so far, so that a harness can keep that.
    #[must_use]
    pub fn moved(&self) -> SignedDuration {
        lock(&self.0).offset
    }

    /// Moves the clock for everybody who shares it; negative durations move it back.
    pub fn advance(&self, by: SignedDuration) {
        let mut reading = lock(&self.0);
        reading.offset = reading.offset.saturating_add(by);
    }
}

/// `at + by`, stopping at the ends of jiff's range instead of failing.
pub(crate) fn plus(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_clones_share_it() {
        let clock = Clock::fixed(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        assert_eq!(other.now(), Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::from_secs(90));
        assert_eq!(other.now(), Timestamp::from_second(90).unwrap());
    }

    #[test]
    fn the_system_clock_keeps_its_offset() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(SignedDuration::from_hours(48));
        assert_eq!(clock.moved(), SignedDuration::from_hours(48));
        assert!(clock.now().duration_since(before) >= SignedDuration::from_hours(48));
    }
}
