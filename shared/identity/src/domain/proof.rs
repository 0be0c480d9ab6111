//! The proof of a domain: a TXT record that only its owner can set, looked for again every week.

use coportal_core::ctx::Ctx;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Domain, LookupError, TxtLookup};

/// The label before the domain: a place of our own, so that no other record of the domain is in the way.
const LABEL: &str = "_coportal-challenge";
/// What the record's value begins with, so that an administrator who finds it later knows whose it is.
const PREFIX: &str = "coportal-domain-verification=";
/// Characters of the random part: 40 of base 62, 238 bits.
const LENGTH: usize = 40;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How often a proved domain is looked at again.
pub const RECHECK_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How soon after a look that did not find the record.
const RECHECK_ABSENT: SignedDuration = SignedDuration::from_hours(24);
/// How soon after a look that had no answer.
const RECHECK_UNKNOWN: SignedDuration = SignedDuration::from_hours(1);
/// How long after the first look without the record the proof lapses.
const GRACE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a proof stands on its last sight when no look has an answer.
const UNSEEN_MAX: SignedDuration = SignedDuration::from_hours(28 * 24);

/// What a workspace has to publish to prove a domain. Each workspace and each domain has its own value, so that a record copied from
/// elsewhere proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The domain.
    pub domain: Domain,
    /// The record's value, whole.
    pub value: String,
}

impl Challenge {
    /// A fresh challenge.
    #[must_use]
    pub fn new(ctx: &Ctx, domain: Domain) -> Self {
        let mut value = PREFIX.to_owned();
        while value.len() < PREFIX.len() + LENGTH {
            // Bytes above the largest multiple of 62 are dropped: every character is equally likely.
            let fresh = ctx.random_bytes::<64>();
            let symbols = fresh.iter().filter(|byte| **byte < 248).filter_map(|byte| BASE62.get(usize::from(byte % 62)));
            let missing = PREFIX.len() + LENGTH - value.len();
            value.extend(symbols.take(missing).map(|byte| char::from(*byte)));
        }
        Self { domain, value }
    }

    /// The name of the TXT record.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{LABEL}.{}", self.domain)
    }

    /// Whether one of the records says exactly what was asked for.
    #[must_use]
    pub fn answered_by(&self, records: &[Vec<u8>]) -> bool {
        records.iter().any(|record| record == self.value.as_bytes())
    }
}

/// What a look at the DNS has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// The record is there.
    Present,
    /// The name has no such record.
    Absent,
    /// No answer that says either.
    Unknown,
}

/// Looks for the record. A failed look-up is [`Observation::Unknown`], never [`Observation::Absent`]: an outage of a name server must not
/// end anybody's sign-in.
pub async fn observe(dns: &dyn TxtLookup, challenge: &Challenge) -> (Observation, Option<LookupError>) {
    match dns.txt(&challenge.record_name()).await {
        Ok(records) if challenge.answered_by(&records) => (Observation::Present, None),
        Ok(_) => (Observation::Absent, None),
        Err(error) => (Observation::Unknown, Some(error)),
    }
}

/// How a proof stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Good.
    Proven,
    /// The record was missing at two looks; owners are told, nothing changes yet.
    Warned,
    /// Missing for 14 days, or not seen for 28. Nobody is routed by the domain, no new identity is linked and another workspace may
    /// prove it; identities that are known go on signing in by their connection's address, until an owner decides.
    Lapsed,
}

impl Standing {
    /// Whether `discover` routes the domain, and new identities may be linked or created.
    #[must_use]
    pub fn is_good(self) -> bool {
        match self {
            Self::Proven | Self::Warned => true,
            Self::Lapsed => false,
        }
    }
}

/// What is kept of a proof. All decisions are functions of it and of the present instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofState {
    /// When the record was last seen.
    pub seen_at: Timestamp,
    /// When it was last looked for.
    pub checked_at: Timestamp,
    /// When it was first found missing, and how often since.
    pub missing: Option<Missing>,
    /// Whether the last look had no answer.
    #[serde(default)]
    pub unanswered: bool,
}

/// Looks that found no record, in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The first of them.
    pub since: Timestamp,
    /// How many.
    pub times: u32,
}

impl ProofState {
    /// A proof whose record was seen now.
    #[must_use]
    pub fn proven(now: Timestamp) -> Self {
        Self { seen_at: now, checked_at: now, missing: None, unanswered: false }
    }

    /// The state after a look.
    #[must_use]
    pub fn after(self, observation: Observation, now: Timestamp) -> Self {
        match observation {
            Observation::Present => Self::proven(now),
            Observation::Absent => {
                let times = self.missing.map_or(0, |missing| missing.times).saturating_add(1);
                let since = self.missing.map_or(now, |missing| missing.since);
                Self { checked_at: now, missing: Some(Missing { since, times }), unanswered: false, ..self }
            }
            Observation::Unknown => Self { checked_at: now, unanswered: true, ..self },
        }
    }

    /// How the proof stands at an instant.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let unseen = self.seen_at.duration_until(now) >= UNSEEN_MAX;
        match self.missing {
            Some(missing) if missing.times >= 2 && missing.since.duration_until(now) >= GRACE => Standing::Lapsed,
            _ if unseen => Standing::Lapsed,
            Some(missing) if missing.times >= 2 => Standing::Warned,
            Some(_) | None => Standing::Proven,
        }
    }

    /// When to look again.
    #[must_use]
    pub fn due_at(&self) -> Timestamp {
        let wait = if self.unanswered {
            RECHECK_UNKNOWN
        } else if self.missing.is_some() {
            RECHECK_ABSENT
        } else {
            RECHECK_EVERY
        };
        self.checked_at.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }
}
