//! The simulator as others hold it.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::net::TcpListener;

use super::Config;
use super::bookkeeper::{self, Action};
use super::seed;
use super::world::World;
use crate::skeleton::answer::{Answer, Reply};
use crate::skeleton::calls::{Call, Dropped};
use crate::skeleton::clock::{Clock, plus};
use crate::skeleton::consent::{Consent, Decision};
use crate::skeleton::controls::{self, Controls, Refused};
use crate::skeleton::faults::{Fault, FaultKind, Faults, Posted};
use crate::skeleton::incoming::Incoming;
use crate::skeleton::limits::{Limits, LimitsChange, Ticket};
use crate::skeleton::lock;
use crate::skeleton::serve::{self, Vendor};
use crate::skeleton::state::{Seed, State};

/// A Xero of one's own. Clones share it.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    config: Config,
    world: Mutex<World>,
}

impl Simulator {
    /// A simulator with its two organisations, nothing in them, and no consent.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let world = World::new(config.seed, config.clock.now());
        Self(Arc::new(Inner { config, world: Mutex::new(world) }))
    }

    /// Answers one call in process: nothing is awaited, nothing sleeps.
    #[expect(clippy::unused_async, reason = "transports await their ledger; this one has nothing to wait for")]
    pub async fn handle(&self, request: Request<Bytes>) -> Answer {
        self.answer(&request)
    }

    /// Serves real HTTP until `shutdown` is done. `refuse`, `timeout_*` and `late` faults close the connection, `truncate` closes it inside
    /// the body, `slow` really waits.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        serve::serve(self, listener, shutdown).await
    }

    /// Gives back the slot of a slow call before the clock has moved that far.
    pub fn release(&self, ticket: Ticket) {
        lock(&self.0.world).meter.release(ticket);
    }

    /// Clears documents, contacts, payments, calls, faults, limits and kept keys; leaves consent, grants, organisations and the clock.
    pub fn reset(&self) {
        let mut world = lock(&self.0.world);
        for organisation in &mut world.organisations {
            organisation.clear();
        }
        world.calls.clear();
        world.late.clear();
        world.faults = Faults::default();
        world.meter.reset();
        world.keys = super::keys::Keys::default();
    }

    /// Puts records in; answers them with their ids.
    ///
    /// # Errors
    /// When the seed names what does not exist or is taken; nothing is put in then.
    pub fn seed(&self, seed: &Seed) -> Result<State, Refused> {
        let mut world = lock(&self.0.world);
        let now = self.0.config.clock.now();
        world.settle_late(&self.0.config, now);
        let mut changed = world.clone();
        let put_in = seed::plant(&mut changed, seed, now)?;
        *world = changed;
        Ok(put_in)
    }

    /// What the organisations hold.
    #[must_use]
    pub fn state(&self) -> State {
        let mut world = lock(&self.0.world);
        world.settle_late(&self.0.config, self.0.config.clock.now());
        seed::state(&world)
    }

    /// Every vendor call since the last reset, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0.world).calls.clone()
    }

    /// Changes limits; what is not named stays.
    pub fn change_limits(&self, change: LimitsChange) -> Limits {
        lock(&self.0.world).meter.change(change)
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        lock(&self.0.world).meter.limits()
    }

    /// The most calls that were in flight together for one organisation since the last reset.
    #[must_use]
    pub fn peak_in_flight(&self) -> usize {
        lock(&self.0.world).meter.peak_in_flight()
    }

    /// Posts faults, behind those that are there.
    pub fn post_faults(&self, faults: Vec<Fault>) {
        lock(&self.0.world).faults.post(faults);
    }

    /// The faults posted since the last reset, with counts.
    #[must_use]
    pub fn faults(&self) -> Vec<Posted> {
        lock(&self.0.world).faults.posted().to_vec()
    }

    /// Scripts the user's decision; [`Decision::Ask`] brings the page back.
    ///
    /// # Errors
    /// When an organisation is unknown.
    pub fn set_consent(&self, consent: Consent) -> Result<(), Refused> {
        let mut world = lock(&self.0.world);
        if let Some(unknown) = consent.organisations.iter().flatten().find(|named| world.find_organisation(named).is_none()) {
            return Err(Refused(format!("there is no organisation {unknown}")));
        }
        world.consent = Some(consent).filter(|consent| consent.decision != Decision::Ask);
        Ok(())
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.config.clock
    }

    /// Applies the `late` effects that are due; every call, [`Simulator::state`] and the clock's route do it too.
    pub fn settle(&self) {
        let mut world = lock(&self.0.world);
        world.settle_late(&self.0.config, self.0.config.clock.now());
    }

    /// What a person does inside Xero.
    ///
    /// # Errors
    /// When Xero would not let them, or the record is unknown.
    pub fn bookkeeper(&self, action: Action) -> Result<(), Refused> {
        let mut world = lock(&self.0.world);
        let now = self.0.config.clock.now();
        world.settle_late(&self.0.config, now);
        bookkeeper::act(&mut world, action, now)
    }

    /// Everything the simulator knows, to be kept; the clock is not in it.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        serde_json::to_value(&*lock(&self.0.world)).unwrap_or_default()
    }

    /// Goes back to a snapshot.
    ///
    /// # Errors
    /// When the value is none; nothing changes then.
    pub fn restore(&self, snapshot: Value) -> Result<(), Refused> {
        let world = serde_json::from_value(snapshot).map_err(|error| Refused(error.to_string()))?;
        *lock(&self.0.world) = world;
        Ok(())
    }

    fn answer(&self, request: &Request<Bytes>) -> Answer {
        let call = Incoming::read(request);
        if call.path.starts_with("/__sim") {
            return Answer::Response(controls::answer(self, &call.method, &call.path, &call.body));
        }
        let now = self.0.config.clock.now();
        let mut world = lock(&self.0.world);
        world.settle_late(&self.0.config, now);
        let fault = world.faults.strike(&call.method, &call.path_and_query);
        Exchange { world: &mut world, config: &self.0.config, call, now }.run(fault)
    }
}

/// One call and what happens to it.
struct Exchange<'world> {
    world: &'world mut World,
    config: &'world Config,
    call: Incoming,
    now: jiff::Timestamp,
}

impl Exchange<'_> {
    fn run(mut self, fault: Option<Fault>) -> Answer {
        let Some(fault) = fault else {
            let response = self.respond(None);
            return self.at_its_pace(response);
        };
        let after = SignedDuration::from_secs(fault.after_seconds);
        match fault.kind {
            FaultKind::Refuse => {
                self.log(None, 0, Some(Dropped::Refused));
                Answer::Refused
            }
            FaultKind::TimeoutBefore => {
                self.log(None, 0, Some(Dropped::Before));
                Answer::Dropped { applied: false }
            }
            FaultKind::TimeoutAfter => {
                self.respond(Some(Dropped::After));
                Answer::Dropped { applied: true }
            }
            FaultKind::Late => {
                self.log(None, 0, Some(Dropped::Late));
                let due = plus(self.now, after);
                self.world.postpone(self.call, self.now, due);
                Answer::Dropped { applied: false }
            }
            FaultKind::Status => {
                let status = fault.status.unwrap_or(503);
                let body = fault.body.unwrap_or_default();
                let response = scripted(Reply::new(status, "", body), fault.headers).into_response();
                self.log(Some(response.status().as_u16()), response.body().len(), None);
                Answer::Response(response)
            }
            FaultKind::Truncate => {
                let response = self.respond(Some(Dropped::Truncated));
                Answer::Truncated(response.map(|body| body.slice(..body.len() / 2)))
            }
            FaultKind::Slow => {
                let response = self.respond(None);
                self.slow(after, response)
            }
            FaultKind::Garbage => {
                let mut reply = self.effect();
                reply.body = fault.body.unwrap_or_else(|| "<html><body>Bad gateway".to_owned());
                let response = scripted(reply, fault.headers).into_response();
                self.log(Some(response.status().as_u16()), response.body().len(), None);
                Answer::Response(response)
            }
        }
    }

    fn effect(&mut self) -> Reply {
        self.world.respond(&self.call, self.config, self.now)
    }

    fn respond(&mut self, dropped: Option<Dropped>) -> Response<Bytes> {
        let response = self.effect().into_response();
        self.log(Some(response.status().as_u16()), response.body().len(), dropped);
        response
    }

    /// Calls of an organisation that were admitted take the time that the limits set.
    fn at_its_pace(self, response: Response<Bytes>) -> Answer {
        let latency = self.world.meter.limits().latency_ms;
        let admitted = World::named(&self.call).is_some() && !matches!(response.status().as_u16(), 401 | 403 | 429);
        if latency == 0 || !admitted {
            return Answer::Response(response);
        }
        self.slow(SignedDuration::from_millis(latency.into()), response)
    }

    fn slow(self, after: SignedDuration, response: Response<Bytes>) -> Answer {
        let organisation = World::named(&self.call).unwrap_or_default().to_owned();
        let ticket = self.world.meter.take_off(&organisation, self.now, after);
        Answer::Slow { after, response, ticket }
    }

    fn log(&mut self, status: Option<u16>, bytes: usize, dropped: Option<Dropped>) {
        let call = Call {
            method: self.call.method.clone(),
            path: self.call.path_and_query.clone(),
            status,
            bytes,
            at: self.now,
            organisation: World::named(&self.call).map(str::to_owned),
            kind: World::kind(&self.call),
            dropped,
        };
        self.world.calls.push(call);
    }
}

fn scripted(mut reply: Reply, headers: std::collections::BTreeMap<String, String>) -> Reply {
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-type") {
            reply.content_type = value;
        } else {
            reply = reply.with(&name, value);
        }
    }
    reply
}

impl Vendor for Simulator {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        Self::answer(self, request)
    }

    fn release(&self, ticket: Ticket) {
        Self::release(self, ticket);
    }
}

impl Controls for Simulator {
    fn reset(&self) {
        Self::reset(self);
    }

    fn seed(&self, seed: &Seed) -> Result<State, Refused> {
        Self::seed(self, seed)
    }

    fn state(&self) -> State {
        Self::state(self)
    }

    fn calls(&self) -> Vec<Call> {
        Self::calls(self)
    }

    fn limits(&self) -> Limits {
        Self::limits(self)
    }

    fn peak_in_flight(&self) -> usize {
        Self::peak_in_flight(self)
    }

    fn change_limits(&self, change: LimitsChange) -> Limits {
        Self::change_limits(self, change)
    }

    fn post_faults(&self, faults: Vec<Fault>) {
        Self::post_faults(self, faults);
    }

    fn faults(&self) -> Vec<Posted> {
        Self::faults(self)
    }

    fn set_consent(&self, consent: Consent) -> Result<(), Refused> {
        Self::set_consent(self, consent)
    }

    fn clock(&self) -> &Clock {
        Self::clock(self)
    }

    fn settle(&self) {
        Self::settle(self);
    }

    fn act(&self, action: &[u8]) -> Result<(), Refused> {
        let action = serde_json::from_slice(action).map_err(|error| Refused(error.to_string()))?;
        self.bookkeeper(action)
    }
}
