//! What a ledger's own folder supplies: its world, and what every world holds alike.

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::Reply;
use super::calls::{Call, Kind};
use super::clock::plus;
use super::config::Config;
use super::consent::Consent;
use super::controls::Refused;
use super::faults::Faults;
use super::ids::Ids;
use super::incoming::Incoming;
use super::limits::{Limits, Meter};
use super::state::{Seed, State};

/// What the gate of a ledger let through: what a `late` effect still knows of it when its token has expired meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The organisation that the call was admitted to; `None` for calls of sign-in.
    pub organisation: Option<String>,
}

/// A `late` effect that is still to come.
#[derive(Clone, Serialize, Deserialize)]
pub struct Late {
    due: Timestamp,
    call: Incoming,
    pass: Pass,
}

/// What every ledger's world holds. Worlds serialize it flattened, so that every snapshot has these members at the top.
#[derive(Clone, Serialize, Deserialize)]
pub struct Common {
    /// Ids and opaque tokens.
    pub ids: Ids,
    /// The scripted decision of the user.
    pub consent: Option<Consent>,
    /// Rate limits.
    pub meter: Meter,
    /// Scripted faults.
    pub faults: Faults,
    /// Every vendor call since the last reset.
    pub calls: Vec<Call>,
    /// Effects that are still to come.
    pub late: Vec<Late>,
}

impl Common {
    /// Nothing has happened; ids begin at `seed`.
    #[must_use]
    pub fn new(seed: u64, limits: Limits) -> Self {
        Self {
            ids: Ids::new(seed),
            consent: None,
            meter: Meter::new(limits),
            faults: Faults::default(),
            calls: Vec::new(),
            late: Vec::new(),
        }
    }

    /// Forgets calls, faults, late effects and counts; ids go on, consent stays.
    pub(crate) fn reset(&mut self) {
        self.calls.clear();
        self.late.clear();
        self.faults = Faults::default();
        self.meter.reset();
    }

    /// How long the answer under an idempotency key or request id is kept ([`Limits::replay_seconds`]).
    #[must_use]
    pub fn replay_for(&self) -> SignedDuration {
        SignedDuration::from_secs(self.meter.limits().replay_seconds.into())
    }

    pub(crate) fn postpone(&mut self, call: Incoming, pass: Pass, now: Timestamp, after: SignedDuration) {
        self.late.push(Late { due: plus(now, after), call, pass });
    }

    /// Takes the earliest late effect that is due, with the instant it was due at.
    pub(crate) fn next_late(&mut self, now: Timestamp) -> Option<(Incoming, Pass, Timestamp)> {
        let due = self.late.iter().enumerate().filter(|(_, late)| late.due <= now);
        let position = due.min_by_key(|(position, late)| (late.due, *position)).map(|(position, _)| position)?;
        let late = self.late.remove(position);
        Some((late.call, late.pass, late.due))
    }
}

/// One ledger, whole: what it holds and how it answers. Everything else (faults, log, late effects, controls, serving) is
/// [`Simulator`](super::simulator::Simulator)'s.
pub trait World: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// What a person can do inside the ledger. In JSON every ledger has the same words for the same deeds
    /// (`{"action": "void", "document_id": "…"}`), as far as it knows the deed.
    type Action: DeserializeOwned;

    /// The world out of the box: its organisations, nothing in them, no consent.
    fn new(config: &Config) -> Self;

    /// What every world holds.
    fn common(&self) -> &Common;

    /// The same, to change it.
    fn common_mut(&mut self) -> &mut Common;

    /// Whether a call is of the API or of sign-in.
    fn kind(call: &Incoming) -> Kind;

    /// The organisation a call names, whether or not it may.
    fn named(call: &Incoming) -> Option<String>;

    /// Whether there is an organisation of this id or name.
    fn knows_organisation(&self, named: &str) -> bool;

    /// Answers a call and applies its effect.
    fn respond(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Reply;

    /// Lets a call whose effect is to come later through the gate now; `None` when it would have been refused there. A token that expires
    /// meanwhile does not stop the effect.
    fn admit(&mut self, call: &Incoming, config: &Config, now: Timestamp) -> Option<Pass>;

    /// Applies a call that was admitted. Nobody waits for the answer of a late one.
    fn apply(&mut self, call: &Incoming, pass: &Pass, config: &Config, at: Timestamp) -> Reply;

    /// Takes every record and every kept key out; consent, grants, organisations and their facts stay.
    fn clear(&mut self);

    /// Puts a seed in and answers what was put in. When it fails, the caller throws the world away.
    ///
    /// # Errors
    /// When the seed names what does not exist or is taken.
    fn plant(&mut self, seed: &Seed, now: Timestamp) -> Result<State, Refused>;

    /// What the organisations hold.
    fn state(&self) -> State;

    /// What a person does inside the ledger. When it fails, the caller throws the world away.
    ///
    /// # Errors
    /// When the ledger would not let them, or the record is unknown.
    fn act(&mut self, action: Self::Action, now: Timestamp) -> Result<(), Refused>;
}
