//! The bucket of one organisation.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DAY, Limit, Limits, MINUTE, Pace, Withheld, after, before, epoch};
use crate::id::RunId;

/// Calls of so long are counted together.
const CELL: SignedDuration = SignedDuration::from_secs(3);
/// Cells that are kept; beyond it, old neighbours become one that ends with the later.
const CELLS: usize = 48;
/// What has left every window is kept for so long, for processes whose clocks lag.
const SLACK: SignedDuration = SignedDuration::from_mins(15);
/// A minute limit that was learnt counts for so long; the next answer teaches it again.
const MINUTE_LEARNT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// One that a refusal taught counts for so long: it may have been refused for another reason, and no answer corrects it where the vendor
/// does not tell what is left.
const REFUSAL_TEACHES_FOR: SignedDuration = SignedDuration::from_mins(10);
/// A refusal teaches no lower limit than this, nor less than a tenth of the documented one: soon after few calls it would teach one that no
/// step with its writes fits in, and what does not fit is begun again and again.
const TAUGHT_AT_LEAST: u32 = 20;
/// A day limit that was learnt counts for so long.
const DAY_LEARNT_FOR: SignedDuration = SignedDuration::from_hours(25);

/// What is asked of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Calls, all or none; more than the organisation's burst are cut to it, since they are never free together.
    pub calls: u32,
    /// How many of them are batches that the vendor counts apart.
    pub batches: u32,
    /// Calls that will be in flight at once. They take the place of the slots that the same owner holds.
    pub slots: u32,
    /// Who asks.
    pub owner: RunId,
    /// When the slots end by themselves.
    pub until: Timestamp,
    /// Whether the asker has waited for this limit before: it then goes behind nobody.
    pub waited: bool,
}

/// What the bucket answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// So many calls may go out, each within [`super::USE_WITHIN`].
    Granted {
        /// Calls.
        calls: u32,
    },
    /// None.
    Withheld(Withheld),
}

/// What a vendor's answer told of its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls left this minute.
    pub minute: Option<u32>,
    /// Calls left today.
    pub day: Option<u32>,
}

/// Calls in flight of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Whose.
    pub owner: RunId,
    /// Until when they count.
    pub until: Timestamp,
    /// How many.
    pub calls: u32,
}

/// Calls that were permitted, up to an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cell {
    last: Timestamp,
    calls: u32,
}

/// A limit that is lower than the documented one, as the vendor's answers told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Learnt {
    limit: u32,
    until: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Blocked {
    limit: Limit,
    until: Timestamp,
}

/// What is known of one organisation's limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    #[serde(default = "epoch")]
    tat: Timestamp,
    #[serde(default)]
    batch_tat: Option<Timestamp>,
    #[serde(default)]
    cells: Vec<Cell>,
    #[serde(default)]
    minute_learnt: Option<Learnt>,
    #[serde(default)]
    day_learnt: Option<Learnt>,
    #[serde(default)]
    blocked: Option<Blocked>,
    #[serde(default)]
    slots: Vec<Slot>,
    /// When whoever asks in vain next is told to come back.
    #[serde(default)]
    tail: Option<Timestamp>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            tat: epoch(),
            batch_tat: None,
            cells: Vec::new(),
            minute_learnt: None,
            day_learnt: None,
            blocked: None,
            slots: Vec::new(),
            tail: None,
        }
    }
}

fn in_force(documented: u32, learnt: Option<Learnt>, now: Timestamp) -> u32 {
    learnt.filter(|learnt| now < learnt.until).map_or(documented, |learnt| learnt.limit.min(documented)).max(1)
}

impl Bucket {
    /// Asks for permits. Granted ones are counted; an asker in vain moves the queue's end on.
    pub fn take(&mut self, limits: &Limits, now: Timestamp, ask: &Ask) -> Decision {
        self.prune(limits, now);
        let pace = self.pace(limits, now);
        let per_day = in_force(limits.per_day, self.day_learnt, now);
        let calls = ask.calls.min(pace.burst).min(per_day);
        let blocked = self.blocked.map(|blocked| (blocked.limit, blocked.until));
        let day = (Limit::Day, self.day_free_at(per_day, now, calls));
        let minute = (Limit::Minute, pace.free_at(self.tat, calls));
        let batches = self.batch_tat.filter(|_| ask.batches > 0);
        let batches = batches.map(|tat| (Limit::Minute, batch_pace(limits).free_at(tat, ask.batches)));
        let latest = [Some(minute), batches, Some(day), blocked].into_iter().flatten().max_by_key(|(_, free)| *free);
        // Slots come last: they are mostly given back long before their end, which says nothing while another limit allows no call.
        let slots = (Limit::Concurrent, self.slot_free_at(limits, now, ask));
        let latest = latest.filter(|(_, free)| *free > now).or(Some(slots));
        if let Some((limit, free)) = latest.filter(|(_, free)| *free > now) {
            return Decision::Withheld(self.send_away(limit, free, now, pace.time_for(calls), ask.waited));
        }
        self.tat = pace.taken(self.tat, now, calls);
        if ask.batches > 0 && limits.batches_per_minute != u32::MAX {
            self.batch_tat = Some(batch_pace(limits).taken(self.batch_tat.unwrap_or(epoch()), now, ask.batches));
        }
        if calls > 0 {
            self.count(now, calls);
        }
        self.slots.retain(|slot| slot.owner != ask.owner);
        if ask.slots > 0 {
            self.slots.push(Slot { owner: ask.owner, until: ask.until, calls: ask.slots });
        }
        Decision::Granted { calls }
    }

    /// Whoever is sent away comes back when it is free, one after the other; who has waited before comes back as soon as it is. Slots free
    /// in seconds: nobody queues for them.
    fn send_away(&mut self, limit: Limit, free: Timestamp, now: Timestamp, spacing: SignedDuration, waited: bool) -> Withheld {
        if limit == Limit::Concurrent || waited {
            return Withheld { limit, until: free };
        }
        let until = self.tail.filter(|tail| *tail > now).map_or(free, |tail| tail.max(free));
        self.tail = Some(after(until, spacing));
        Withheld { limit, until }
    }

    /// Gives back calls that were permitted at `granted_at` and not made, and the slots of `owner`.
    pub fn give_back(&mut self, limits: &Limits, now: Timestamp, owner: RunId, calls: u32, granted_at: Timestamp) {
        self.slots.retain(|slot| slot.owner != owner);
        // What has flowed off since is gone: giving it back would let out more than if nothing had been taken.
        let flowed = granted_at.duration_until(now).max(SignedDuration::ZERO);
        let back = self.pace(limits, now).time_for(calls).saturating_sub(flowed);
        if back.is_positive() {
            self.tat = before(self.tat, back);
        }
        // They lie in the first cell that ends no earlier, whatever was merged since.
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.last >= granted_at) {
            cell.calls = cell.calls.saturating_sub(calls);
        }
        self.cells.retain(|cell| cell.calls > 0);
    }

    /// Takes over what an answer told. `unsent` are permits in the asker's hand that it has not used. Answers whether anything changed.
    ///
    /// The vendor's window holds at most the calls that we permitted in as long a time, so its limit is at most what is left and those;
    /// and it is at least what is left and this one call.
    pub fn observe(&mut self, limits: &Limits, now: Timestamp, seen: Seen, unsent: u32) -> bool {
        let before = self.clone();
        if let Some(left) = seen.minute {
            let known = in_force(limits.per_minute, self.minute_learnt, now);
            let used = self.used_since(now, MINUTE).saturating_sub(unsent).max(1);
            if let Some(limit) = corrected(known, left, used) {
                // What is permitted and not sent yet may still be sent, and what is given back is given back at the new pace.
                let permitted = used.saturating_add(unsent);
                self.learn_minute(limits, now, limit, permitted, MINUTE_LEARNT_FOR);
            }
        }
        if let Some(left) = seen.day {
            let known = in_force(limits.per_day, self.day_learnt, now);
            let used = self.used_since(now, DAY).saturating_sub(unsent).max(1);
            if let Some(limit) = corrected(known, left, used) {
                self.day_learnt = (limit < limits.per_day).then(|| Learnt { limit, until: after(now, DAY_LEARNT_FOR) });
            }
        }
        *self != before
    }

    /// Whether an answer may tell something that is not known: worth a read of the newest bucket. `others` are calls that others may have
    /// been permitted since this bucket was read. While plenty is left and the documented limit is in force, nothing needs to be known.
    #[must_use]
    pub fn is_news(&self, limits: &Limits, now: Timestamp, seen: Seen, unsent: u32, others: u32) -> bool {
        let news = |left: Option<u32>, documented: u32, learnt: Option<Learnt>, window: SignedDuration| {
            let known = in_force(documented, learnt, now);
            let used = self.used_since(now, window).saturating_sub(unsent).max(1);
            left.is_some_and(|left| {
                if known < documented {
                    return left >= known || left.saturating_add(used) < known;
                }
                let others = if left < others.saturating_mul(2) { 0 } else { others };
                left < known / 2 && left.saturating_add(used).saturating_add(others) < known
            })
        };
        news(seen.minute, limits.per_minute, self.minute_learnt, MINUTE) || news(seen.day, limits.per_day, self.day_learnt, DAY)
    }

    /// The vendor refused a call for a limit: nothing goes out before `until`. What it counted was less than we had permitted.
    pub fn block(&mut self, limits: &Limits, now: Timestamp, withheld: Withheld, unsent: u32) {
        if self.blocked.is_none_or(|blocked| blocked.until < withheld.until) {
            self.blocked = Some(Blocked { limit: withheld.limit, until: withheld.until });
        }
        // The refused call was not counted.
        let counted = |used: u32| used.saturating_sub(unsent).saturating_sub(1).max(1);
        match withheld.limit {
            Limit::Minute => {
                let used = counted(self.used_since(now, MINUTE));
                let limit = used.max(TAUGHT_AT_LEAST).max(limits.per_minute / 10);
                if limit < in_force(limits.per_minute, self.minute_learnt, now) {
                    self.learn_minute(limits, now, limit, used, REFUSAL_TEACHES_FOR);
                }
            }
            Limit::Day => {
                // With a floor as well: where our count is too small (a restored table, a limit shared with others), a day of nothing would
                // follow, and no answer that says better.
                let limit = counted(self.used_since(now, DAY)).max(limits.per_day / 10);
                if limit < in_force(limits.per_day, self.day_learnt, now) {
                    self.day_learnt = Some(Learnt { limit, until: after(now, DAY_LEARNT_FOR) });
                }
            }
            Limit::Concurrent | Limit::App => {}
        }
    }

    /// Until when nothing goes out, because the vendor said so.
    #[must_use]
    pub fn blocked(&self, now: Timestamp) -> Option<Withheld> {
        self.blocked.filter(|blocked| blocked.until > now).map(|Blocked { limit, until }| Withheld { limit, until })
    }

    /// Calls permitted within the last day.
    #[must_use]
    pub fn used_today(&self, now: Timestamp) -> u32 {
        self.used_since(now, DAY)
    }

    /// Calls per day that the vendor allows, as far as is known.
    #[must_use]
    pub fn day_limit(&self, limits: &Limits, now: Timestamp) -> u32 {
        in_force(limits.per_day, self.day_learnt, now)
    }

    /// Most calls that are ever free together, as far as is known.
    #[must_use]
    pub fn at_once(&self, limits: &Limits, now: Timestamp) -> u32 {
        self.pace(limits, now).burst.min(self.day_limit(limits, now))
    }

    /// Calls in flight of everybody but `owner`.
    #[must_use]
    pub fn in_flight_besides(&self, owner: RunId, now: Timestamp) -> u32 {
        self.slots.iter().filter(|slot| slot.owner != owner && slot.until > now).map(|slot| slot.calls).sum()
    }

    /// When so many more calls can be over at the earliest, if nobody else makes any.
    #[must_use]
    pub fn eta(&self, limits: &Limits, now: Timestamp, calls: u32) -> Timestamp {
        let pace = self.pace(limits, now);
        let begin = self.blocked(now).map_or(now, |blocked| blocked.until);
        let per_day = in_force(limits.per_day, self.day_learnt, now);
        let today = per_day.saturating_sub(self.used_since(now, DAY));
        if calls <= today {
            return after(begin.max(pace.free_at(self.tat, 1)), pace.time_for(calls.saturating_sub(pace.burst)));
        }
        let beyond = calls - today;
        let days = (beyond - 1) / per_day;
        let rest = beyond - days.saturating_mul(per_day);
        let first = self.day_free_at(per_day, now, 1).max(begin);
        after(after(first, DAY.saturating_mul(i32::try_from(days).unwrap_or(i32::MAX))), pace.time_for(rest))
    }

    fn pace(&self, limits: &Limits, now: Timestamp) -> Pace {
        Pace::of(in_force(limits.per_minute, self.minute_learnt, now), limits.burst, MINUTE)
    }

    /// A lower minute limit counts at once: what went out lately is reckoned at the new pace.
    fn learn_minute(&mut self, limits: &Limits, now: Timestamp, limit: u32, permitted: u32, lasting: SignedDuration) {
        self.minute_learnt = (limit < limits.per_minute).then(|| Learnt { limit, until: after(now, lasting) });
        let pace = self.pace(limits, now);
        self.tat = self.tat.max(after(now, pace.time_for(permitted.min(limit))));
    }

    fn used_since(&self, now: Timestamp, window: SignedDuration) -> u32 {
        let since = before(now, window);
        self.cells.iter().filter(|cell| cell.last >= since).map(|cell| cell.calls).sum()
    }

    fn day_free_at(&self, per_day: u32, now: Timestamp, calls: u32) -> Timestamp {
        let since = before(now, DAY);
        let mut excess = self.used_since(now, DAY).saturating_add(calls).saturating_sub(per_day);
        let mut cells: Vec<&Cell> = self.cells.iter().filter(|cell| cell.last >= since).collect();
        cells.sort_by_key(|cell| cell.last);
        let mut free = now;
        for cell in cells {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(cell.calls);
            free = after(cell.last, DAY + SignedDuration::from_nanos(1));
        }
        free
    }

    fn slot_free_at(&self, limits: &Limits, now: Timestamp, ask: &Ask) -> Timestamp {
        let wanted = ask.slots.min(limits.concurrent);
        let mut excess = self.in_flight_besides(ask.owner, now).saturating_add(wanted).saturating_sub(limits.concurrent);
        let mut live: Vec<&Slot> = self.slots.iter().filter(|slot| slot.owner != ask.owner && slot.until > now).collect();
        live.sort_by_key(|slot| slot.until);
        let mut free = now;
        for slot in live {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(slot.calls);
            free = slot.until;
        }
        free
    }

    fn count(&mut self, now: Timestamp, calls: u32) {
        let index = |at: Timestamp| at.as_millisecond().div_euclid(i64::try_from(CELL.as_millis()).unwrap_or(1));
        match self.cells.iter_mut().find(|cell| index(cell.last) == index(now)) {
            Some(cell) => {
                cell.calls = cell.calls.saturating_add(calls);
                cell.last = cell.last.max(now);
            }
            None => self.cells.push(Cell { last: now, calls }),
        }
        self.cells.sort_by_key(|cell| cell.last);
        while self.cells.len() > CELLS {
            self.merge_closest();
        }
    }

    /// Two neighbours become one: never within the last minute's worth of cells, where counts have to be fine.
    fn merge_closest(&mut self) {
        let old = self.cells.len().saturating_sub(CELLS / 2);
        let gaps = self.cells.iter().zip(self.cells.iter().skip(1)).take(old);
        let closest = gaps.map(|(one, next)| one.last.duration_until(next.last)).enumerate().min_by_key(|(_, gap)| *gap);
        let Some((at, _)) = closest else { return };
        let merged = self.cells.remove(at);
        if let Some(next) = self.cells.get_mut(at) {
            next.calls = next.calls.saturating_add(merged.calls);
        }
    }

    fn prune(&mut self, limits: &Limits, now: Timestamp) {
        let window = if limits.per_day == u32::MAX { MINUTE } else { DAY };
        let kept_since = before(before(now, window), SLACK);
        self.cells.retain(|cell| cell.last >= kept_since);
        self.slots.retain(|slot| after(slot.until, SLACK) > now);
        self.blocked = self.blocked.filter(|blocked| after(blocked.until, SLACK) > now);
        self.tail = self.tail.filter(|tail| *tail > now);
    }
}

fn batch_pace(limits: &Limits) -> Pace {
    Pace::of(limits.batches_per_minute, limits.batches_per_minute / 4, MINUTE)
}

/// The limit, where what is left says that it is another one than is known.
fn corrected(known: u32, left: u32, used: u32) -> Option<u32> {
    let least = left.saturating_add(1);
    let most = left.saturating_add(used);
    if least > known {
        Some(least)
    } else if most < known {
        Some(most.max(1))
    } else {
        None
    }
}
