//! One clock for the product, the doubles and the simulators, so that all of them move together.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// A clock that can be moved. Clones share the movement.
#[derive(Debug, Clone)]
pub struct Clock {
    base: Base,
    ahead: Arc<Mutex<SignedDuration>>,
}

#[derive(Debug, Clone, Copy)]
enum Base {
    Wall,
    Fixed(Timestamp),
}

impl Clock {
    /// The wall clock, plus what it was moved by.
    #[must_use]
    pub fn system() -> Self {
        Self { base: Base::Wall, ahead: Arc::default() }
    }

    /// A clock that stands still until it is moved.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self { base: Base::Fixed(at), ahead: Arc::default() }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let base = match self.base {
            Base::Wall => wall(),
            Base::Fixed(at) => at,
        };
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        base.saturating_add(ahead).unwrap_or(base)
    }

    /// Moves the clock forward. Time never goes back: an amount below zero moves nothing.
    pub fn advance(&self, by: SignedDuration) {
        if by.is_negative() {
            return;
        }
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.saturating_add(by);
    }

    /// How far the clock was moved.
    #[must_use]
    pub fn moved_by(&self) -> SignedDuration {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is handed")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_its_clones_with_it() {
        let start: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let clock = Clock::fixed(start);
        let clone = clock.clone();
        assert_eq!(clone.now(), start);
        clock.advance(SignedDuration::from_secs(90));
        assert_eq!(clone.now().to_string(), "2026-03-01T00:01:30Z");
        clock.advance(SignedDuration::from_secs(-30));
        assert_eq!(clone.now().to_string(), "2026-03-01T00:01:30Z");
    }

    #[test]
    fn the_system_clock_runs_ahead_by_what_it_was_moved() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(SignedDuration::from_hours(3));
        let ahead = clock.now().duration_since(before);
        assert!(ahead >= SignedDuration::from_hours(3));
        assert!(ahead < SignedDuration::from_hours(4));
    }
}
