//! No window of any vendor ever sees more than its limit, whatever the order of askers and clocks.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::RunId;

const XERO: Limits =
    Limits { per_minute: 60, burst: 10, concurrent: 5, per_day: 5_000, app_per_minute: 10_000, batches_per_minute: u32::MAX };

fn at(millis: i64) -> Timestamp {
    "2026-03-02T09:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_millis(millis)
}

fn owner(n: u128) -> RunId {
    RunId::new(Uuid::from_u128(n))
}

fn ask(calls: u32, now: Timestamp) -> Ask {
    Ask { calls, batches: 0, slots: 0, owner: owner(1), until: now, waited: false }
}

fn granted(decision: Decision) -> u32 {
    match decision {
        Decision::Granted { calls } => calls,
        Decision::Withheld(_) => 0,
    }
}

fn withheld(decision: Decision) -> Withheld {
    match decision {
        Decision::Withheld(withheld) => withheld,
        Decision::Granted { calls } => panic!("{calls} granted"),
    }
}

/// Most instants of `uses` within any `window`, both ends included.
fn most_within(mut uses: Vec<Timestamp>, window: SignedDuration) -> usize {
    uses.sort_unstable();
    let (mut first, mut most) = (0, 0);
    for (last, at) in uses.iter().enumerate() {
        while uses[first].duration_until(*at) > window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No 60 seconds see more calls than the limit: askers whose clocks differ, permits used early and late, some given back.
    #[test]
    fn no_minute_ever_exceeds_the_limit(
        limit in prop_oneof![Just(1_u32), Just(2), Just(3), Just(10), Just(60), Just(100)],
        burst in 1_u32..20,
        asks in prop::collection::vec((0_i64..9_000, -4_000_i64..4_000, 1_u32..6, 0_i64..5_000), 1..400),
    ) {
        let limits = Limits { per_minute: limit, burst, per_day: u32::MAX, ..XERO };
        let (mut bucket, mut clock, mut uses) = (Bucket::default(), 0, Vec::new());
        for (passed, skew, calls, late) in asks {
            clock += passed;
            let now = at(clock + skew);
            let calls = granted(bucket.take(&limits, now, &ask(calls, now)));
            uses.extend((0..calls).map(|_| now + SignedDuration::from_millis(late)));
        }
        let most = most_within(uses, SignedDuration::from_secs(60));
        prop_assert!(most <= limit as usize, "{most} of {limit}");
    }

    /// Nor does any day, though old counts are merged.
    #[test]
    fn no_day_ever_exceeds_the_limit(
        per_day in 1_u32..200,
        asks in prop::collection::vec((0_i64..4_000_000, -300_000_i64..300_000, 1_u32..6, 0_i64..5_000), 1..400),
    ) {
        let limits = Limits { per_day, ..XERO };
        let (mut bucket, mut clock, mut uses) = (Bucket::default(), 0, Vec::new());
        for (passed, skew, calls, late) in asks {
            clock += passed;
            let now = at(clock + skew);
            let calls = granted(bucket.take(&limits, now, &ask(calls, now)));
            uses.extend((0..calls).map(|_| now + SignedDuration::from_millis(late)));
        }
        let most = most_within(uses, SignedDuration::from_secs(86_400));
        prop_assert!(most <= per_day as usize, "{most} of {per_day}");
    }

    /// What is given back and taken anew is never more than if it had not been taken.
    #[test]
    fn what_is_given_back_lets_no_more_out(
        asks in prop::collection::vec((0_i64..6_000, 1_u32..6, any::<bool>(), 0_i64..5_000), 1..300),
    ) {
        let (mut bucket, mut clock, mut uses) = (Bucket::default(), 0, Vec::new());
        for (passed, calls, back, late) in asks {
            clock += passed;
            let taken = at(clock);
            let calls = granted(bucket.take(&XERO, taken, &ask(calls, taken)));
            if back && calls > 0 {
                clock += late;
                bucket.give_back(&XERO, at(clock), owner(1), calls, taken);
            } else {
                uses.extend((0..calls).map(|_| taken));
            }
        }
        let most = most_within(uses, SignedDuration::from_secs(60));
        prop_assert!(most <= 60, "{most}");
    }

    /// Never more calls in flight than the limit, whoever ends by itself or gives back.
    #[test]
    fn slots_never_exceed_the_limit(
        asks in prop::collection::vec((0_i64..2_000, 0_u128..12, 1_u32..5, 1_i64..20_000, any::<bool>()), 1..200),
    ) {
        let limits = Limits { per_minute: 6_000, burst: 3_000, per_day: u32::MAX, ..XERO };
        let (mut bucket, mut clock) = (Bucket::default(), 0);
        let mut flying: Vec<(u128, i64, u32)> = Vec::new();
        for (passed, n, slots, lasting, back) in asks {
            clock += passed;
            flying.retain(|(_, until, _)| *until > clock);
            let wanted = Ask { slots, owner: owner(n), until: at(clock + lasting), ..ask(1, at(clock)) };
            if granted(bucket.take(&limits, at(clock), &wanted)) > 0 {
                flying.retain(|(who, _, _)| *who != n);
                flying.push((n, clock + lasting, slots));
            } else if back {
                bucket.give_back(&limits, at(clock), owner(n), 0, at(clock));
                flying.retain(|(who, _, _)| *who != n);
            }
            prop_assert!(flying.iter().map(|(_, _, slots)| *slots).sum::<u32>() <= 5);
        }
    }

    /// A vendor whose limits are lower than the documented ones, and that says so in each answer, is never asked too often: neither its
    /// minute, which begins at a moment of its own, nor its day.
    #[test]
    fn a_lower_limit_is_learnt_before_it_is_exceeded(
        minute in 1_u32..60,
        day in 5_u32..400,
        phase in 0_i64..60_000,
        pauses in prop::collection::vec(0_i64..4_000, 1..600),
    ) {
        let mut vendor = Vendor { minute, day, phase, made: Vec::new() };
        let (mut bucket, mut clock) = (Bucket::default(), 1_000_000);
        for pause in pauses {
            clock += pause;
            let now = at(clock);
            if granted(bucket.take(&XERO, now, &ask(1, now))) == 1 {
                let seen = vendor.call(clock);
                prop_assert!(seen.is_some(), "a call too many");
                let seen = seen.unwrap_or_default();
                let told = bucket.is_news(&XERO, now, seen, 0, 5);
                let changed = told && bucket.observe(&XERO, now, seen, 0);
                prop_assert!(told || !changed);
            }
        }
    }

    /// A tranche is used within its time by whoever has it: no minute of the app exceeds its limit.
    #[test]
    fn no_minute_of_the_app_exceeds_its_limit(
        limit in prop_oneof![Just(40_u32), Just(900), Just(10_000)],
        asks in prop::collection::vec((0_i64..900, -3_000_i64..3_000, 0_i64..20_000), 1..600),
    ) {
        let limits = Limits { app_per_minute: limit, ..XERO };
        let (mut app, mut clock, mut uses) = (AppBucket::default(), 0, Vec::new());
        for (passed, skew, late) in asks {
            clock += passed;
            let now = at(clock + skew);
            let permits = app.take(&limits, now).unwrap_or_default();
            uses.extend((0..permits).map(|_| now + SignedDuration::from_millis(late)));
        }
        let most = most_within(uses, SignedDuration::from_secs(60));
        prop_assert!(most <= limit as usize, "{most} of {limit}");
    }
}

/// Fixed windows, as the vendor counts (docs/vendors/xero.md, section 6).
struct Vendor {
    minute: u32,
    day: u32,
    phase: i64,
    made: Vec<i64>,
}

impl Vendor {
    fn left(&self, now: i64, length: i64, limit: u32) -> u32 {
        let window = |at: i64| (at - self.phase).div_euclid(length);
        let used = self.made.iter().filter(|at| window(**at) == window(now)).count();
        limit.saturating_sub(u32::try_from(used).unwrap())
    }

    fn call(&mut self, now: i64) -> Option<Seen> {
        if self.left(now, 60_000, self.minute) == 0 || self.left(now, 86_400_000, self.day) == 0 {
            return None;
        }
        self.made.push(now);
        Some(Seen { minute: Some(self.left(now, 60_000, self.minute)), day: Some(self.left(now, 86_400_000, self.day)) })
    }
}

#[test]
fn ten_at_once_then_one_by_one() {
    let mut bucket = Bucket::default();
    assert_eq!(bucket.take(&XERO, at(0), &ask(10, at(0))), Decision::Granted { calls: 10 });
    let no = withheld(bucket.take(&XERO, at(0), &ask(1, at(0))));
    assert_eq!((no.limit, no.until), (Limit::Minute, at(1_300)));
    assert_eq!(bucket.take(&XERO, at(1_300), &Ask { waited: true, ..ask(1, at(0)) }), Decision::Granted { calls: 1 });
}

#[test]
fn a_backlog_wakes_one_by_one_and_in_its_order() {
    let mut bucket = Bucket::default();
    let _ = bucket.take(&XERO, at(0), &ask(10, at(0)));
    let due: Vec<Timestamp> = (0..500).map(|_| withheld(bucket.take(&XERO, at(0), &ask(1, at(0)))).until).collect();
    assert!(due.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(due[499], at(1_300 * 500));
    // Whoever has had its turn and still finds nothing does not go behind the whole queue.
    let again = withheld(bucket.take(&XERO, at(0), &Ask { waited: true, ..ask(1, at(0)) }));
    assert_eq!(again.until, at(1_300));
}

/// The vendor's "not before" stops this organisation, for everybody, and says which limit it was.
#[test]
fn after_a_429_nothing_goes_out_before_its_time() {
    let mut bucket = Bucket::default();
    let _ = bucket.take(&XERO, at(0), &ask(1, at(0)));
    bucket.block(&XERO, at(0), Withheld { limit: Limit::Concurrent, until: at(90_000) }, 0);
    for now in [0, 45_000, 89_999] {
        let no = withheld(bucket.take(&XERO, at(now), &ask(1, at(now))));
        assert_eq!(no.limit, Limit::Concurrent);
        assert!(no.until >= at(90_000));
    }
    assert_eq!(granted(bucket.take(&XERO, at(90_000), &ask(1, at(90_000)))), 1);
    assert_eq!(bucket.blocked(at(90_000)), None);
}

/// A vendor without a word about what is left is learnt from its refusals.
#[test]
fn a_429_teaches_the_limit_where_no_header_does() {
    let mut bucket = Bucket::default();
    for n in 0..8 {
        assert_eq!(granted(bucket.take(&XERO, at(n), &ask(1, at(n)))), 1);
    }
    // The eighth was refused: seven fit, and nothing less than twenty is taught.
    bucket.block(&XERO, at(8), Withheld { limit: Limit::Minute, until: at(60_000) }, 0);
    let uses = |bucket: &mut Bucket| (66..126).map(|second| granted(bucket.take(&XERO, at(second * 1_000), &ask(1, at(0))))).sum::<u32>();
    let used = uses(&mut bucket);
    assert!((7..=20).contains(&used), "{used}");
    // A vendor of many calls a minute is not cut down to a handful of them: a tenth stays.
    let plenty = Limits { per_minute: 1_200, burst: 120, ..XERO };
    let mut many = Bucket::default();
    let _ = many.take(&plenty, at(0), &ask(1, at(0)));
    many.block(&plenty, at(1), Withheld { limit: Limit::Minute, until: at(60_000) }, 0);
    assert_eq!(granted(many.take(&plenty, at(66_000), &ask(60, at(66_000)))), 60, "a step with its writes fits");
    // It is not believed for ever.
    let later = at(3_700_000);
    assert_eq!(granted(bucket.take(&XERO, later, &ask(10, later))), 10);
}

#[test]
fn a_limit_that_has_grown_back_is_used_again() {
    let mut bucket = Bucket::default();
    let _ = bucket.take(&XERO, at(0), &ask(1, at(0)));
    assert!(bucket.observe(&XERO, at(0), Seen { minute: Some(9), day: Some(19) }, 0));
    assert_eq!(bucket.day_limit(&XERO, at(0)), 20);
    let later = at(200_000);
    let _ = bucket.take(&XERO, later, &ask(1, later));
    assert!(bucket.is_news(&XERO, later, Seen { minute: Some(58), day: Some(4_997) }, 0, 5));
    assert!(bucket.observe(&XERO, later, Seen { minute: Some(58), day: Some(4_997) }, 0));
    assert_eq!(bucket.day_limit(&XERO, later), 4_998);
    assert!(!bucket.is_news(&XERO, later, Seen { minute: Some(58), day: Some(4_996) }, 0, 5));
}

/// The day's budget says when it is free again, and how long a job will take at least.
#[test]
fn a_day_that_is_used_up_has_an_eta() {
    let limits = Limits { per_day: 20, ..XERO };
    let mut bucket = Bucket::default();
    for n in 0..20 {
        assert_eq!(granted(bucket.take(&limits, at(n * 10_000), &ask(1, at(0)))), 1);
    }
    let now = at(200_000);
    let no = withheld(bucket.take(&limits, now, &ask(1, now)));
    assert_eq!(no.limit, Limit::Day);
    assert!(no.until > at(86_400_000) && no.until < at(86_420_000), "{}", no.until);
    assert_eq!((bucket.used_today(now), bucket.day_limit(&limits, now)), (20, 20));
    let eta = bucket.eta(&limits, now, 34);
    assert!(eta > at(2 * 86_400_000) && eta < at(2 * 86_400_000 + 400_000), "{eta}");
    assert!(bucket.eta(&XERO, now, 34) < at(300_000));
}

/// A refusal for the day that comes although hardly anything was counted here (a restored table) does not end the day at that.
#[test]
fn a_days_refusal_teaches_with_a_floor() {
    let mut bucket = Bucket::default();
    for n in 0..4 {
        assert_eq!(granted(bucket.take(&XERO, at(n * 1_000), &ask(1, at(n * 1_000)))), 1);
    }
    let until = at(3_600_000);
    bucket.block(&XERO, at(4_000), Withheld { limit: Limit::Day, until }, 0);
    assert_eq!(withheld(bucket.take(&XERO, at(5_000), &ask(1, at(5_000)))).until, until);
    assert_eq!(bucket.day_limit(&XERO, at(5_000)), XERO.per_day / 10);
    let after = at(3_601_000);
    assert_eq!(granted(bucket.take(&XERO, after, &ask(1, after))), 1);
}

#[test]
fn batches_have_a_limit_of_their_own_where_the_vendor_counts_them() {
    let limits = Limits { per_minute: 500, burst: 40, per_day: u32::MAX, batches_per_minute: 40, ..XERO };
    let mut bucket = Bucket::default();
    let batch = |now| Ask { batches: 1, ..ask(1, now) };
    let sent: u32 = (0..60_000).step_by(100).map(|now| granted(bucket.take(&limits, at(now), &batch(at(now))))).sum();
    assert!((30..=40).contains(&sent), "{sent}");
    assert_eq!(granted(bucket.take(&limits, at(60_000), &ask(1, at(60_000)))), 1, "other calls go on");
}

#[test]
fn a_slot_ends_by_itself() {
    let mut bucket = Bucket::default();
    let slot = |n, now: i64| Ask { slots: 1, owner: owner(n), until: at(now + 25_000), ..ask(1, at(now)) };
    for n in 0..5 {
        assert_eq!(granted(bucket.take(&XERO, at(0), &slot(n, 0))), 1);
    }
    assert_eq!(bucket.in_flight_besides(owner(0), at(0)), 4);
    let no = withheld(bucket.take(&XERO, at(10), &slot(9, 10)));
    assert_eq!((no.limit, no.until), (Limit::Concurrent, at(25_000)));
    bucket.give_back(&XERO, at(20), owner(3), 0, at(0));
    assert_eq!(granted(bucket.take(&XERO, at(20), &slot(9, 20))), 1);
    assert_eq!(granted(bucket.take(&XERO, at(26_000), &slot(10, 26_000))), 1);
}

/// Slots are mostly given back before their end: while another limit allows no call, that one is told, and its time.
#[test]
fn a_limit_of_calls_comes_before_one_of_slots() {
    let mut bucket = Bucket::default();
    let slot = |n, now: i64, calls| Ask { slots: 1, owner: owner(n), until: at(now + 25_000), ..ask(calls, at(now)) };
    for n in 0..5 {
        assert_eq!(granted(bucket.take(&XERO, at(0), &slot(n, 0, 2))), 2);
    }
    let no = withheld(bucket.take(&XERO, at(10), &slot(9, 10, 1)));
    assert!(no.limit == Limit::Minute && no.until < at(25_000), "{no:?}");
    let then = i64::try_from(at(0).duration_until(no.until).as_millis()).unwrap() + 1;
    let no = withheld(bucket.take(&XERO, at(then), &slot(9, then, 1)));
    assert_eq!((no.limit, no.until), (Limit::Concurrent, at(25_000)));
}

#[test]
fn a_bucket_stays_small() {
    let mut bucket = Bucket::default();
    for n in 0..20_000 {
        let _ = bucket.take(&XERO, at(n * 4_500), &ask(1, at(0)));
    }
    let stored = serde_json::to_string(&bucket).unwrap();
    assert!(stored.len() < 4_000, "{}", stored.len());
}

#[test]
fn a_tranche_of_the_app() {
    let mut app = AppBucket::default();
    assert_eq!(app.take(&XERO, at(0)), Ok(TRANCHE));
    assert!(app.block(at(30_000)) && !app.block(at(20_000)));
    assert_eq!(app.take(&XERO, at(0)), Err(Withheld { limit: Limit::App, until: at(30_000) }));
    assert!(!AppBucket::is_needed(&Limits { app_per_minute: u32::MAX, ..XERO }));
}
