//! When a sync that came to nothing is tried again, and when it is not (docs/architecture.md, "Who goes on").

use jiff::{SignedDuration, Timestamp};

/// How long a row waits after its first, second and so on try that came to nothing. After one more it has failed, and a person starts it
/// again.
pub const SCHEDULE: [SignedDuration; 6] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(30),
    SignedDuration::from_secs(120),
    SignedDuration::from_secs(600),
    SignedDuration::from_secs(3_600),
    LONGEST,
];

/// The longest interval: at it, what is in doubt is looked for as long as it takes.
const LONGEST: SignedDuration = SignedDuration::from_secs(21_600);

/// Chance for one interval, so that rows that failed together do not come back together: a fifth less to a fifth more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(u16);

impl Jitter {
    /// From two unguessable bytes ([`crate::ctx::Ctx::random_bytes`]).
    #[must_use]
    pub const fn of(bytes: [u8; 2]) -> Self {
        Self(u16::from_le_bytes(bytes))
    }

    /// The interval, a fifth shorter to a fifth longer.
    #[must_use]
    pub fn spread(self, interval: SignedDuration) -> SignedDuration {
        let thousandths = 800 + i128::from(self.0) * 400 / i128::from(u16::MAX);
        let millis = interval.as_millis().saturating_mul(thousandths) / 1_000;
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// What follows a try that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The row is due again then.
    At(Timestamp),
    /// The schedule is over: the row has failed, and is listed for a person.
    Failed,
}

/// What a try was that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Tries so far, this one included.
    pub attempts: u32,
    /// A write may have been done and is not settled: giving up would call it undone. It is looked for, at last at the longest interval,
    /// for as long as it takes.
    pub in_doubt: bool,
    /// The vendor's own "not before".
    pub not_before: Option<Timestamp>,
}

/// Whether the schedule is over for a row that has come to nothing so often.
#[must_use]
pub fn is_over(attempts: u32) -> bool {
    usize::try_from(attempts).is_ok_and(|attempts| attempts > SCHEDULE.len())
}

/// What follows. A vendor's "not before" is kept to the second, and never makes a row wait for less than now.
#[must_use]
pub fn then(tried: Tried, now: Timestamp, jitter: Jitter) -> Then {
    if is_over(tried.attempts) && !tried.in_doubt {
        return Then::Failed;
    }
    if let Some(instant) = tried.not_before {
        return Then::At(instant.max(now));
    }
    let place = usize::try_from(tried.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let interval = SCHEDULE.get(place).copied().unwrap_or(LONGEST);
    Then::At(now.saturating_add(jitter.spread(interval)).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-03-02T09:00:00Z".parse().unwrap()
    }

    fn tried(attempts: u32) -> Tried {
        Tried { attempts, in_doubt: false, not_before: None }
    }

    fn seconds(then: Then) -> Option<i64> {
        match then {
            Then::At(at) => Some(now().duration_until(at).as_secs()),
            Then::Failed => None,
        }
    }

    /// 5 s, 30 s, 2 min, 10 min, 1 h, 6 h, then failed; each a fifth shorter to a fifth longer.
    #[test]
    fn the_schedule_ends_after_six_intervals() {
        let (shortest, longest) = (Jitter::of([0, 0]), Jitter::of([0xff, 0xff]));
        let of = |jitter| (1..=8).map(|attempts| seconds(then(tried(attempts), now(), jitter))).collect::<Vec<_>>();
        assert_eq!(of(shortest), [Some(4), Some(24), Some(96), Some(480), Some(2_880), Some(17_280), None, None]);
        assert_eq!(of(longest), [Some(6), Some(36), Some(144), Some(720), Some(4_320), Some(25_920), None, None]);
        // A row that nobody counted waits as after its first try.
        assert_eq!(seconds(then(tried(0), now(), shortest)), Some(4));
        assert!(!is_over(6) && is_over(7));
    }

    /// What is in doubt is never given up by count: it is looked for at the longest interval.
    #[test]
    fn what_is_in_doubt_is_looked_for_as_long_as_it_takes() {
        for attempts in [7, 8, 1_000, u32::MAX] {
            let tried = Tried { in_doubt: true, ..tried(attempts) };
            assert_eq!(seconds(then(tried, now(), Jitter::of([0, 0]))), Some(17_280));
        }
    }

    /// A vendor's Retry-After is kept as it is; one in the past means now; the count ends it all the same.
    #[test]
    fn a_vendors_not_before_is_kept() {
        let later = now().saturating_add(SignedDuration::from_secs(90_000)).unwrap();
        let at = |not_before, attempts| then(Tried { not_before: Some(not_before), ..tried(attempts) }, now(), Jitter::of([9, 9]));
        assert_eq!(at(later, 3), Then::At(later));
        assert_eq!(at(Timestamp::UNIX_EPOCH, 3), Then::At(now()));
        assert_eq!(at(later, 7), Then::Failed);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_fifth(bytes: [u8; 2], seconds in 0_i64..100_000) {
            let interval = SignedDuration::from_secs(seconds);
            let spread = Jitter::of(bytes).spread(interval).as_millis();
            prop_assert!(spread * 10 >= interval.as_millis() * 8 && spread * 10 <= interval.as_millis() * 12);
        }
    }
}
