//! Scripted faults: what goes wrong, for which calls, when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The ways in which a call can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The connection fails before the first byte: no effect.
    Refuse,
    /// The connection is cut before the effect: none.
    TimeoutBefore,
    /// The effect is applied, then the connection is cut at once.
    TimeoutAfter,
    /// The connection is cut at once; the effect follows when the clock has moved by `after_seconds`.
    Late,
    /// `status`, `headers` and `body` are answered; no effect.
    Status,
    /// The effect is applied; the connection is cut inside the body.
    Truncate,
    /// The effect is applied; the answer comes after `after_seconds`.
    Slow,
    /// The effect is applied; the body is not what its content type says (`body`, or a scrap of HTML).
    Garbage,
}

/// One scripted fault, as posted to `/__sim/faults`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Narrows to one HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A substring of `path?query`; empty matches every call.
    #[serde(default, rename = "match")]
    pub matching: String,
    /// The first matching call that it hits, counted from the posting, from 1.
    #[serde(default = "one")]
    pub nth: u32,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Seconds, for `late` and `slow`.
    #[serde(default)]
    pub after_seconds: i64,
    /// For `status`: the answered status (503 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// For `status` and `garbage`: headers of the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// For `status` and `garbage`: the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many matching calls in a row it hits.
    #[serde(default = "one")]
    pub times: u32,
}

fn one() -> u32 {
    1
}

impl Fault {
    /// A fault of this kind on the next call whose `path?query` contains `matching`.
    #[must_use]
    pub fn on(matching: &str, kind: FaultKind) -> Self {
        Self {
            method: None,
            matching: matching.to_owned(),
            nth: 1,
            kind,
            after_seconds: 0,
            status: None,
            headers: BTreeMap::new(),
            body: None,
            times: 1,
        }
    }
}

/// A posted fault with what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Posted {
    /// As posted.
    #[serde(flatten)]
    pub fault: Fault,
    /// Matching calls seen since.
    pub seen: u32,
    /// How often it struck.
    pub fired: u32,
}

/// Everything posted since the last reset.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Faults(Vec<Posted>);

impl Faults {
    /// Adds to what is posted.
    pub fn post(&mut self, faults: Vec<Fault>) {
        self.0.extend(faults.into_iter().map(|fault| Posted { fault, seen: 0, fired: 0 }));
    }

    /// What was posted, with counts.
    #[must_use]
    pub fn posted(&self) -> &[Posted] {
        &self.0
    }

    /// The fault that strikes this call, if any. Every matching fault counts the call; the earliest posted one that is due strikes.
    pub fn strike(&mut self, method: &str, path_and_query: &str) -> Option<Fault> {
        let mut struck = None;
        for posted in &mut self.0 {
            let fault = &posted.fault;
            let narrowed = fault.method.as_deref().is_none_or(|only| only.eq_ignore_ascii_case(method));
            if !narrowed || !path_and_query.contains(&fault.matching) {
                continue;
            }
            posted.seen = posted.seen.saturating_add(1);
            let due = posted.seen >= fault.nth && posted.seen < fault.nth.saturating_add(fault.times);
            if due && struck.is_none() {
                posted.fired = posted.fired.saturating_add(1);
                struck = Some(fault.clone());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nth_counts_matching_calls_and_times_repeats() {
        let mut faults = Faults::default();
        let fault = Fault { method: Some("put".into()), nth: 2, times: 2, ..Fault::on("/Invoices", FaultKind::TimeoutAfter) };
        faults.post(vec![fault]);
        let strikes: Vec<bool> = ["PUT", "GET", "PUT", "PUT", "PUT"]
            .iter()
            .map(|method| faults.strike(method, "/api.xro/2.0/Invoices?unitdp=4").is_some())
            .collect();
        assert_eq!(strikes, [false, false, true, true, false]);
        assert_eq!(faults.posted()[0].fired, 2);
        assert!(faults.strike("PUT", "/Contacts").is_none());
    }
}
