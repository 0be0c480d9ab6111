//! Calls to a ledger, counted before they are made: how many may go out now, or when, and which limit says so.
//!
//! One [`Bucket`] stands for one organisation of one ledger, one [`AppBucket`] for our app over all of them. Both are plain values: who
//! stores them does so on the revision that was read, and so each permit is given once.
//!
//! The instants of permits are those of the asking process. Nothing here rests on their order: a clock that lags is judged more strictly,
//! and the bounds hold for any interleaving (`tests` below).

mod bucket;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use bucket::{Ask, Bucket, Decision, Seen, Slot};

/// A permit is used within this time or not at all. Minutes are counted longer by as much, so that calls of any 60 seconds stay within the
/// limit however late their permits were used.
pub const USE_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// The minute as permits count it: 60 seconds and [`USE_WITHIN`].
const MINUTE: SignedDuration = SignedDuration::from_secs(65);
/// The day as permits count it. Vendors' days begin at a moment of their own (docs/vendors/xero.md, section 6), so ours always rolls.
const DAY: SignedDuration = SignedDuration::from_secs(86_400 + 5);

/// Permits of the app-wide limit that a process takes at once.
pub const TRANCHE: u32 = 20;
/// How long a process may use a tranche.
pub const TRANCHE_FOR: SignedDuration = SignedDuration::from_secs(15);
/// The minute as tranches count it: 60 seconds, the life of a tranche, and [`USE_WITHIN`].
const TRANCHE_MINUTE: SignedDuration = SignedDuration::from_secs(80);

/// A vendor's limits on calls; `u32::MAX` where there is none. Each ledger's profile states them with their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls per minute, organisation and app.
    pub per_minute: u32,
    /// Calls that may go out at once after a pause: ours to choose. What is left of the minute flows evenly.
    pub burst: u32,
    /// Calls in flight at once, organisation and app.
    pub concurrent: u32,
    /// Calls per day, organisation and app.
    pub per_day: u32,
    /// Calls per minute and app over all organisations.
    pub app_per_minute: u32,
    /// Batches per minute, organisation and app, where the vendor counts them apart.
    pub batches_per_minute: u32,
}

/// Which limit stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Calls per minute.
    Minute,
    /// Calls per day.
    Day,
    /// Calls in flight.
    Concurrent,
    /// Calls per minute of our app over all organisations.
    App,
}

impl Limit {
    /// The word in codes and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Concurrent => "concurrent",
            Self::App => "app",
        }
    }
}

/// No permit: which limit, and when it is worth asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The limit that ends last of those in the way.
    pub limit: Limit,
    /// When what was asked for is free, as far as is known now. Later for each that asks in vain, so that a backlog wakes one by one.
    pub until: Timestamp,
}

fn after(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.saturating_add(time).unwrap_or(Timestamp::MAX)
}

fn before(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.saturating_sub(time).unwrap_or(Timestamp::MIN)
}

/// A rate as GCRA knows it: so many at once, then one per interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    burst: u32,
    interval: SignedDuration,
}

impl Pace {
    /// A pace of which no `window` (both ends included) sees more than `limit`: `burst + window / interval <= limit`.
    fn of(limit: u32, burst: u32, window: SignedDuration) -> Self {
        let limit = limit.max(1);
        let burst = burst.min(limit / 2).max(1);
        let flowing = limit.saturating_sub(burst);
        let nanos = window.as_nanos().unsigned_abs();
        let interval = match flowing {
            // One in the window, and the next after it.
            0 => nanos.saturating_add(1),
            flowing => nanos.div_ceil(u128::from(flowing)),
        };
        Self { burst, interval: SignedDuration::from_nanos(i64::try_from(interval).unwrap_or(i64::MAX)) }
    }

    /// The time in which `calls` more become free.
    fn time_for(&self, calls: u32) -> SignedDuration {
        self.interval.saturating_mul(i32::try_from(calls).unwrap_or(i32::MAX))
    }

    /// When `calls` at once are free, where `tat` is GCRA's theoretical arrival time.
    fn free_at(&self, tat: Timestamp, calls: u32) -> Timestamp {
        before(tat, self.time_for(self.burst.saturating_sub(calls)))
    }

    /// The theoretical arrival time once `calls` have gone out at `now`.
    fn taken(&self, tat: Timestamp, now: Timestamp, calls: u32) -> Timestamp {
        after(tat.max(now), self.time_for(calls))
    }
}

/// The app-wide bucket of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppBucket {
    /// GCRA's theoretical arrival time.
    #[serde(default = "epoch")]
    tat: Timestamp,
    /// The vendor said that the app's limit is used up until then.
    #[serde(default)]
    blocked_until: Option<Timestamp>,
}

fn epoch() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

impl Default for AppBucket {
    fn default() -> Self {
        Self { tat: epoch(), blocked_until: None }
    }
}

impl AppBucket {
    /// Whether a ledger limits the app as a whole at all.
    #[must_use]
    pub fn is_needed(limits: &Limits) -> bool {
        limits.app_per_minute != u32::MAX
    }

    /// Takes a tranche: [`TRANCHE`] permits, to be used within [`TRANCHE_FOR`]; fewer where the limit itself is smaller.
    ///
    /// # Errors
    /// When the app's limit is used up: until when.
    pub fn take(&mut self, limits: &Limits, now: Timestamp) -> Result<u32, Withheld> {
        let pace = Pace::of(limits.app_per_minute, limits.app_per_minute / 5, TRANCHE_MINUTE);
        let permits = TRANCHE.min(pace.burst);
        let free = pace.free_at(self.tat, permits).max(self.blocked_until.unwrap_or(Timestamp::MIN));
        if free > now {
            return Err(Withheld { limit: Limit::App, until: free });
        }
        self.tat = pace.taken(self.tat, now, permits);
        Ok(permits)
    }

    /// The vendor says that the app's limit is used up until `until`. Answers whether that is news.
    pub fn block(&mut self, until: Timestamp) -> bool {
        let news = self.blocked_until.is_none_or(|known| known < until);
        if news {
            self.blocked_until = Some(until);
        }
        news
    }
}
