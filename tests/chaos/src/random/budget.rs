//! I16: every vendor call is inside the budget of its organisation and of the app, counted at the vendor's door.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use coportal_core::ledger::Ledger;
use http::Request;
use jiff::{SignedDuration, Timestamp};

use super::line::Called;
use super::universe::Universe;

/// Calls of one ledger that are counted together: an organisation's, or the app's.
type Times<'a> = BTreeMap<(Ledger, Option<&'a str>), Vec<Timestamp>>;

/// Calls in flight, and the most that there were at once, by ledger and organisation.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<BTreeMap<(Ledger, String), Flown>>>);

#[derive(Default)]
struct Flown {
    /// Each with a number of its own.
    now: Vec<(u64, String)>,
    most: Vec<String>,
    begun: u64,
}

/// A call in flight, until it is dropped: a process that dies has none.
pub(super) struct Flight {
    flights: Flights,
    place: Option<((Ledger, String), u64)>,
}

impl Flights {
    /// A call begins. Sign-in and token endpoints belong to no organisation and are not counted.
    pub(super) fn begin(&self, ledger: Ledger, organisation: Option<&str>, what: impl FnOnce() -> String) -> Flight {
        let place = organisation.map(|organisation| {
            let place = (ledger, organisation.to_owned());
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let flown = flights.entry(place.clone()).or_default();
            flown.begun += 1;
            flown.now.push((flown.begun, what()));
            if flown.now.len() > flown.most.len() {
                flown.most = flown.now.iter().map(|(_, what)| what.clone()).collect();
            }
            (place, flown.begun)
        });
        Flight { flights: self.clone(), place }
    }

    /// The most calls at once, by organisation.
    fn most(&self) -> Vec<(Ledger, String, Vec<String>)> {
        let flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.iter().map(|((ledger, organisation), flown)| (*ledger, organisation.clone(), flown.most.clone())).collect()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some((place, number)) = &self.place
            && let Some(flown) = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place)
        {
            flown.now.retain(|(begun, _)| begun != number);
        }
    }
}

/// The organisation that a call of a ledger's API is about, as the request itself names it: Xero and Sage in a header, QuickBooks and
/// Business Central in the path.
pub(super) fn organisation(ledger: Ledger, request: &Request<Bytes>) -> Option<String> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let behind = |mark: &str, end: &[char]| {
        let (_, rest) = request.uri().path().split_once(mark)?;
        rest.split(end).next().map(str::to_owned)
    };
    match ledger {
        Ledger::Xero => header("xero-tenant-id"),
        Ledger::Sage => header("x-business"),
        Ledger::Quickbooks => behind("/company/", &['/']),
        Ledger::BusinessCentral => behind("companies(", &[')']),
    }
}

/// The most of these in any span of this length.
fn most_within(times: &[Timestamp], span: SignedDuration) -> usize {
    let mut most = 0;
    let mut from = 0;
    for (at, time) in times.iter().enumerate() {
        while times.get(from).is_some_and(|first| time.duration_since(*first) >= span) {
            from += 1;
        }
        most = most.max(at + 1 - from);
    }
    most
}

impl Universe {
    /// I16, over the calls of the whole history.
    pub(super) fn budgets(&self) -> Vec<String> {
        self.with_called(|called| self.kept_to(called))
    }

    fn kept_to(&self, called: &[Called]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut times = Times::new();
        for call in called.iter().filter(|call| call.organisation.is_some()) {
            for place in [call.organisation.as_deref(), None] {
                times.entry((call.ledger, place)).or_default().push(call.at);
            }
        }
        for ((ledger, organisation), mut times) in times {
            let Some(limits) = self.quiet.ledgers.get(ledger).map(|api| api.profile.limits) else { continue };
            times.sort_unstable();
            let (whose, minute) = match organisation {
                Some(organisation) => (organisation, limits.per_minute),
                None => ("the app", limits.app_per_minute),
            };
            let spans = [(SignedDuration::from_mins(1), minute), (SignedDuration::from_hours(24), limits.per_day)];
            // A day is an organisation's alone.
            for (span, most) in spans.into_iter().take(if organisation.is_some() { 2 } else { 1 }) {
                let found = most_within(&times, span);
                if found > usize::try_from(most).unwrap_or(usize::MAX) {
                    wrong.push(format!("I16: {found} calls of {whose} at {ledger} within {span}, and {most} are allowed"));
                }
            }
        }
        for (ledger, organisation, most) in self.flights().most() {
            let allowed = self.quiet.ledgers.get(ledger).map_or(u32::MAX, |api| api.profile.limits.concurrent);
            if most.len() > usize::try_from(allowed).unwrap_or(usize::MAX) {
                let (number, most) = (most.len(), most.join(", "));
                wrong.push(format!("I16: {number} calls at once of {organisation} at {ledger}, and {allowed} are allowed: {most}"));
            }
        }
        wrong.extend(called.iter().filter_map(|call| too_early(call, called)));
        wrong
    }
}

/// A call of an organisation that was told to wait, by a process that began after it was told and before the time was over.
fn too_early(told: &Called, called: &[Called]) -> Option<String> {
    let pause = told.pause?;
    let until = told.at.saturating_add(SignedDuration::from_secs(pause)).ok()?;
    let early = called.iter().find(|call| {
        call.ledger == told.ledger
            && call.organisation.is_some()
            && call.organisation == told.organisation
            && call.line != 0
            && call.line != told.line
            && call.born > told.at
            && call.at < until
    })?;
    Some(format!("I16: {} was told to wait {pause} s at {}, and was called before: {early:?}", told.ledger, told.at))
}
