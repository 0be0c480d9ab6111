//! The `/__sim` routes, the same for every simulator.

use bytes::Bytes;
use http::Response;
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::Reply;
use super::calls::Call;
use super::clock::Clock;
use super::consent::Consent;
use super::faults::{Fault, Posted};
use super::limits::{Limits, LimitsChange};
use super::state::{Seed, State};

/// Why a control was not carried out; the text is for whoever writes the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// What a simulator lets its operator do.
pub trait Controls {
    /// Clears documents, contacts, payments, calls, faults, limits and kept keys; leaves consent, grants and the clock.
    fn reset(&self);
    /// Puts records in; answers what was put in, with ids.
    ///
    /// # Errors
    /// When the seed contradicts itself or the vendor's rules of uniqueness; nothing is put in.
    fn seed(&self, seed: &Seed) -> Result<State, Refused>;
    /// What it holds.
    fn state(&self) -> State;
    /// Every vendor call since the last reset.
    fn calls(&self) -> Vec<Call>;
    /// The limits in force.
    fn limits(&self) -> Limits;
    /// The most calls that were in flight together for one organisation since the last reset.
    fn peak_in_flight(&self) -> usize;
    /// Changes limits.
    fn change_limits(&self, change: LimitsChange) -> Limits;
    /// Posts faults.
    fn post_faults(&self, faults: Vec<Fault>);
    /// Faults posted, with counts.
    fn faults(&self) -> Vec<Posted>;
    /// Takes the posted faults back; late effects that are still to come do come.
    fn clear_faults(&self);
    /// Scripts the user's decision.
    ///
    /// # Errors
    /// When an organisation is unknown.
    fn set_consent(&self, consent: Consent) -> Result<(), Refused>;
    /// The clock.
    fn clock(&self) -> &Clock;
    /// Applies `late` effects that are due.
    fn settle(&self);
    /// One action of a person inside the ledger, in JSON.
    ///
    /// # Errors
    /// When the ledger would not let them, or the JSON names no action.
    fn act(&self, action: &[u8]) -> Result<(), Refused>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused(error.to_string()))
}

fn encode(value: &impl serde::Serialize) -> Result<String, Refused> {
    serde_json::to_string(value).map_err(|error| Refused(error.to_string()))
}

/// Answers a `/__sim` call: 200 with JSON, 422 when refused, 404 when there is no such control.
pub fn answer(controls: &(impl Controls + ?Sized), method: &str, path: &str, body: &[u8]) -> Response<Bytes> {
    let outcome = match (method, path) {
        ("POST", "/__sim/reset") => {
            controls.reset();
            Ok(json!({ "reset": true }).to_string())
        }
        ("POST", "/__sim/seed") => read(body).and_then(|seed| controls.seed(&seed)).and_then(|state| encode(&state)),
        ("GET", "/__sim/state") => encode(&controls.state()),
        ("GET", "/__sim/calls") => encode(&controls.calls()),
        ("GET", "/__sim/limits") => encode(&json!({ "limits": controls.limits(), "peak_in_flight": controls.peak_in_flight() })),
        ("POST", "/__sim/limits") => read(body).and_then(|change| encode(&controls.change_limits(change))),
        ("GET", "/__sim/faults") => encode(&controls.faults()),
        ("POST", "/__sim/faults") => read(body).and_then(|faults| {
            controls.post_faults(faults);
            encode(&controls.faults())
        }),
        ("DELETE", "/__sim/faults") => {
            controls.clear_faults();
            encode(&controls.faults())
        }
        ("GET", "/__sim/clock") => encode(&json!({ "now": controls.clock().now() })),
        ("POST", "/__sim/clock") => read(body).and_then(|advance: Advance| {
            controls.clock().advance(SignedDuration::from_secs(advance.advance_seconds));
            controls.settle();
            encode(&json!({ "now": controls.clock().now() }))
        }),
        ("POST", "/__sim/consent") => {
            read(body).and_then(|consent: Consent| controls.set_consent(consent.clone()).and_then(|()| encode(&consent)))
        }
        ("POST", "/__sim/bookkeeper") => controls.act(body).and_then(|()| encode(&controls.state())),
        _ => return Reply::json(404, json!({ "error": "there is no such control" }).to_string()).into_response(),
    };
    match outcome {
        Ok(text) => Reply::json(200, text),
        Err(Refused(why)) => Reply::json(422, json!({ "error": why }).to_string()),
    }
    .into_response()
}
