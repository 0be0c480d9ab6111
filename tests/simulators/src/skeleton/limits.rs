//! Rate limits: fixed windows per organisation, a window for the whole app, and calls in flight.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::clock::plus;

/// The limits in force, how long every API call takes, and how long answers are kept for replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Calls a minute, per organisation.
    pub minute: u32,
    /// Calls a day, per organisation.
    pub day: u32,
    /// Calls in flight, per organisation.
    pub concurrent: u32,
    /// Calls a minute, all organisations together.
    pub app_minute: u32,
    /// Milliseconds that every API call takes (0: answered at once). Calls overlap, and meet `concurrent`, only when this is set or a
    /// `slow` fault strikes.
    pub latency_ms: u32,
    /// Seconds for which the answer under an idempotency key or request id is kept; 0 where the ledger keeps none.
    pub replay_seconds: u32,
}

/// A change of some limits, as posted to `/__sim/limits`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsChange {
    /// See [`Limits::minute`].
    pub minute: Option<u32>,
    /// See [`Limits::day`].
    pub day: Option<u32>,
    /// See [`Limits::concurrent`].
    pub concurrent: Option<u32>,
    /// See [`Limits::app_minute`].
    pub app_minute: Option<u32>,
    /// See [`Limits::latency_ms`].
    pub latency_ms: Option<u32>,
    /// See [`Limits::replay_seconds`].
    pub replay_seconds: Option<u32>,
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// [`Limits::minute`].
    Minute,
    /// [`Limits::day`].
    Day,
    /// [`Limits::concurrent`].
    Concurrent,
    /// [`Limits::app_minute`].
    AppMinute,
}

/// What is left of each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// In this organisation's minute.
    pub minute: u32,
    /// In this organisation's day.
    pub day: u32,
    /// In the app's minute.
    pub app_minute: u32,
}

/// A refused call: nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Which limit.
    pub problem: Problem,
    /// Whole seconds until its window ends; `None` for [`Problem::Concurrent`].
    pub retry_after: Option<i64>,
    /// What is left of each window.
    pub remaining: Remaining,
}

/// A slot of the concurrency limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket(u64);

/// How a ledger counts in a sliding window and queues what it cannot serve at once.
#[derive(Clone, Copy, Debug)]
pub struct Sliding {
    /// Length of the window, which holds [`Limits::minute`] calls for each of its minutes.
    pub minutes: u32,
    /// Calls in flight, served ([`Limits::concurrent`] of them) and queued together.
    pub connections: usize,
    /// How long a call may wait in the queue.
    pub longest_wait: SignedDuration,
}

/// Why a call under a [`Sliding`] rule was refused; nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// The window is full.
    Rate,
    /// So many calls are in flight that none more is queued.
    Connections,
    /// The queue would take too long.
    Queue,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Window {
    index: i64,
    count: u32,
}

impl Window {
    /// The count in the window that `now` falls in. `length` and `phase` in seconds.
    fn at(&mut self, now: Timestamp, length: i64, phase: i64) -> u32 {
        let index = (now.as_second() - phase).div_euclid(length);
        if index != self.index {
            *self = Self { index, count: 0 };
        }
        self.count
    }
}

fn until_next(now: Timestamp, length: i64, phase: i64) -> i64 {
    length - (now.as_second() - phase).rem_euclid(length)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Flight {
    ticket: Ticket,
    organisation: String,
    until: Timestamp,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Windows {
    minute: Window,
    day: Window,
}

/// Counts calls against [`Limits`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Meter {
    defaults: Limits,
    limits: Limits,
    windows: BTreeMap<String, Windows>,
    app: Window,
    /// The instants of each caller's calls, under a [`Sliding`] rule.
    #[serde(default)]
    sliding: BTreeMap<String, VecDeque<Timestamp>>,
    in_flight: Vec<Flight>,
    peak_in_flight: usize,
    next_ticket: u64,
}

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

impl Meter {
    /// A meter with these limits, to which [`Meter::reset`] returns.
    #[must_use]
    pub fn new(defaults: Limits) -> Self {
        Self {
            defaults,
            limits: defaults,
            windows: BTreeMap::new(),
            app: Window::default(),
            sliding: BTreeMap::new(),
            in_flight: Vec::new(),
            peak_in_flight: 0,
            next_ticket: 0,
        }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The most calls that were ever in flight together for one organisation.
    #[must_use]
    pub fn peak_in_flight(&self) -> usize {
        self.peak_in_flight
    }

    /// Changes what is named; counts stay.
    pub fn change(&mut self, change: LimitsChange) -> Limits {
        let now = &mut self.limits;
        now.minute = change.minute.unwrap_or(now.minute);
        now.day = change.day.unwrap_or(now.day);
        now.concurrent = change.concurrent.unwrap_or(now.concurrent);
        now.app_minute = change.app_minute.unwrap_or(now.app_minute);
        now.latency_ms = change.latency_ms.unwrap_or(now.latency_ms);
        now.replay_seconds = change.replay_seconds.unwrap_or(now.replay_seconds);
        *now
    }

    /// Back to the first limits, with empty windows.
    pub fn reset(&mut self) {
        *self = Self { next_ticket: self.next_ticket, ..Self::new(self.defaults) };
    }

    /// Counts one call, or refuses it. `phase` shifts the windows of this organisation, in seconds.
    ///
    /// # Errors
    /// [`Throttled`] when a limit is met; the longest-lasting one is named.
    pub fn admit(&mut self, organisation: &str, phase: i64, now: Timestamp) -> Result<Remaining, Throttled> {
        self.in_flight.retain(|flight| flight.until > now);
        let limits = self.limits;
        let windows = self.windows.entry(organisation.to_owned()).or_default();
        let day = windows.day.at(now, DAY, phase);
        let minute = windows.minute.at(now, MINUTE, phase);
        let app = self.app.at(now, MINUTE, 0);
        let flying = self.in_flight.iter().filter(|flight| flight.organisation == organisation).count();
        let left = Remaining {
            minute: limits.minute.saturating_sub(minute),
            day: limits.day.saturating_sub(day),
            app_minute: limits.app_minute.saturating_sub(app),
        };
        let met = if left.day == 0 {
            Some((Problem::Day, Some(until_next(now, DAY, phase))))
        } else if left.minute == 0 {
            Some((Problem::Minute, Some(until_next(now, MINUTE, phase))))
        } else if left.app_minute == 0 {
            Some((Problem::AppMinute, Some(until_next(now, MINUTE, 0))))
        } else if u32::try_from(flying).unwrap_or(u32::MAX) >= limits.concurrent {
            Some((Problem::Concurrent, None))
        } else {
            None
        };
        if let Some((problem, retry_after)) = met {
            return Err(Throttled { problem, retry_after, remaining: left });
        }
        windows.day.count += 1;
        windows.minute.count += 1;
        self.app.count += 1;
        self.peak_in_flight = self.peak_in_flight.max(flying + 1);
        Ok(Remaining { minute: left.minute - 1, day: left.day - 1, app_minute: left.app_minute - 1 })
    }

    /// Counts `calls` calls of a caller in its sliding window, or refuses them all. Calls in flight are counted per organisation; those above
    /// [`Limits::concurrent`] wait for one before them to end.
    ///
    /// # Errors
    /// [`Crowded`].
    pub fn admit_sliding(&mut self, caller: &str, organisation: &str, calls: usize, rule: &Sliding, now: Timestamp) -> Result<(), Crowded> {
        self.in_flight.retain(|flight| flight.until > now);
        let mut ends: Vec<Timestamp> =
            self.in_flight.iter().filter(|flight| flight.organisation == organisation).map(|flight| flight.until).collect();
        ends.sort_unstable();
        let served = usize::try_from(self.limits.concurrent).unwrap_or(usize::MAX);
        if ends.len() >= rule.connections {
            return Err(Crowded::Connections);
        }
        let waits_for = ends.len().checked_sub(served).and_then(|ahead| ends.get(ahead));
        if waits_for.is_some_and(|end| end.duration_since(now) > rule.longest_wait) {
            return Err(Crowded::Queue);
        }
        let length = SignedDuration::from_mins(rule.minutes.into());
        let most = usize::try_from(self.limits.minute.saturating_mul(rule.minutes)).unwrap_or(usize::MAX);
        let seen = self.sliding.entry(caller.to_owned()).or_default();
        while seen.front().is_some_and(|at| plus(*at, length) <= now) {
            seen.pop_front();
        }
        if seen.len() + calls > most {
            return Err(Crowded::Rate);
        }
        seen.extend(std::iter::repeat_n(now, calls));
        self.peak_in_flight = self.peak_in_flight.max(ends.len() + 1);
        Ok(())
    }

    /// Takes a slot until `now + lasting` or [`Meter::release`].
    pub fn take_off(&mut self, organisation: &str, now: Timestamp, lasting: SignedDuration) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.in_flight.push(Flight { ticket, organisation: organisation.to_owned(), until: plus(now, lasting) });
        ticket
    }

    /// Gives a slot back; unknown and returned ones change nothing.
    pub fn release(&mut self, ticket: Ticket) {
        self.in_flight.retain(|flight| flight.ticket != ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Sliding = Sliding { minutes: 5, connections: 4, longest_wait: SignedDuration::from_mins(8) };

    fn meter() -> Meter {
        Meter::new(Limits { minute: 2, day: 1, concurrent: 2, app_minute: 1, latency_ms: 0, replay_seconds: 0 })
    }

    #[test]
    fn a_sliding_window_frees_its_places_one_by_one() {
        let (mut meter, start) = (meter(), Timestamp::UNIX_EPOCH);
        let at = |seconds| plus(start, SignedDuration::from_secs(seconds));
        for seconds in 0..10 {
            assert_eq!(meter.admit_sliding("user", "a", 1, &RULE, at(seconds)), Ok(()));
        }
        assert_eq!(meter.admit_sliding("user", "b", 1, &RULE, at(299)), Err(Crowded::Rate), "per caller, not per organisation");
        assert_eq!(meter.admit_sliding("other", "a", 1, &RULE, at(299)), Ok(()));
        assert_eq!(meter.admit_sliding("user", "a", 1, &RULE, at(300)), Ok(()));
        assert_eq!(meter.admit_sliding("user", "a", 1, &RULE, at(300)), Err(Crowded::Rate));
        assert_eq!(meter.admit_sliding("user", "a", 3, &RULE, at(302)), Err(Crowded::Rate), "all or none");
        assert_eq!(meter.admit_sliding("user", "a", 2, &RULE, at(302)), Ok(()));
    }

    #[test]
    fn what_cannot_be_served_waits_in_a_queue_that_has_its_limits() {
        let (mut meter, start) = (meter(), Timestamp::UNIX_EPOCH);
        for minutes in [7, 9, 10] {
            assert_eq!(meter.admit_sliding("user", "a", 1, &RULE, start), Ok(()));
            meter.take_off("a", start, SignedDuration::from_mins(minutes));
        }
        assert_eq!(meter.admit_sliding("user", "a", 1, &RULE, start), Err(Crowded::Queue), "the second of three ends after nine minutes");
        let later = plus(start, SignedDuration::from_mins(1));
        assert_eq!(meter.admit_sliding("user", "a", 1, &RULE, later), Ok(()));
        meter.take_off("a", later, SignedDuration::from_mins(1));
        assert_eq!(meter.admit_sliding("user", "a", 1, &RULE, later), Err(Crowded::Connections));
        assert_eq!(meter.peak_in_flight(), 4);
    }
}
