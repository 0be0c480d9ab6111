//! The simulator as others hold it: by its ledger's type ([`Simulator`]), or without knowing which ledger it is ([`AnyLedger`]).

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::TcpListener;

use super::answer::Answer;
use super::calls::Call;
use super::clock::Clock;
use super::config::Config;
use super::consent::{Consent, Decision};
use super::controls::{self, Controls, Refused};
use super::exchange::Exchange;
use super::faults::{Fault, Faults, Posted};
use super::incoming::Incoming;
use super::limits::{Limits, LimitsChange, Ticket};
use super::lock;
use super::serve::{self, Vendor};
use super::state::{Seed, State};
use super::world::World;

/// A ledger of one's own. Clones share it.
pub struct Simulator<W>(Arc<Inner<W>>);

struct Inner<W> {
    config: Config,
    world: Mutex<W>,
}

impl<W> Clone for Simulator<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: World> Simulator<W> {
    /// A simulator with its organisations out of the box, nothing in them, and no consent.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let world = W::new(&config);
        Self(Arc::new(Inner { config, world: Mutex::new(world) }))
    }

    /// Answers one call in process: nothing is awaited, nothing sleeps.
    #[expect(clippy::unused_async, reason = "transports await their ledger; this one has nothing to wait for")]
    pub async fn handle(&self, request: Request<Bytes>) -> Answer {
        self.take(&request)
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
        self.world().common_mut().meter.release(ticket);
    }

    /// Clears documents, contacts, payments, calls, faults, limits and kept keys; leaves consent, grants, organisations and the clock.
    pub fn reset(&self) {
        let mut world = self.world();
        world.common_mut().reset();
        world.clear();
    }

    /// Puts records in; answers them with their ids.
    ///
    /// # Errors
    /// When the seed names what does not exist or is taken; nothing is put in then.
    pub fn seed(&self, seed: &Seed) -> Result<State, Refused> {
        let mut world = self.settled();
        let mut changed = world.clone();
        let put_in = changed.plant(seed, self.0.config.clock.now())?;
        *world = changed;
        Ok(put_in)
    }

    /// What the organisations hold.
    #[must_use]
    pub fn state(&self) -> State {
        self.settled().state()
    }

    /// Every vendor call since the last reset, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.world().common().calls.clone()
    }

    /// Changes limits; what is not named stays.
    pub fn change_limits(&self, change: LimitsChange) -> Limits {
        self.world().common_mut().meter.change(change)
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.world().common().meter.limits()
    }

    /// The most calls that were in flight together for one organisation since the last reset.
    #[must_use]
    pub fn peak_in_flight(&self) -> usize {
        self.world().common().meter.peak_in_flight()
    }

    /// Posts faults, behind those that are there.
    pub fn post_faults(&self, faults: Vec<Fault>) {
        self.world().common_mut().faults.post(faults);
    }

    /// The faults posted since the last reset or [`Simulator::clear_faults`], with counts.
    #[must_use]
    pub fn faults(&self) -> Vec<Posted> {
        self.world().common().faults.posted().to_vec()
    }

    /// Takes the posted faults back. Late effects that are still to come do come.
    pub fn clear_faults(&self) {
        self.world().common_mut().faults = Faults::default();
    }

    /// Scripts the user's decision; [`Decision::Ask`] brings the page back.
    ///
    /// # Errors
    /// When an organisation is unknown.
    pub fn set_consent(&self, consent: Consent) -> Result<(), Refused> {
        let mut world = self.world();
        if let Some(unknown) = consent.organisations.iter().flatten().find(|named| !world.knows_organisation(named)) {
            return Err(Refused(format!("there is no organisation {unknown}")));
        }
        world.common_mut().consent = Some(consent).filter(|consent| consent.decision != Decision::Ask);
        Ok(())
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.config.clock
    }

    /// Applies the `late` effects that are due, each at its own time, in order; every call, [`Simulator::state`] and the clock's route do
    /// it too.
    pub fn settle(&self) {
        drop(self.settled());
    }

    /// What a person does inside the ledger.
    ///
    /// # Errors
    /// When the ledger would not let them, or the record is unknown; nothing changes then.
    pub fn bookkeeper(&self, action: W::Action) -> Result<(), Refused> {
        let mut world = self.settled();
        let mut changed = world.clone();
        changed.act(action, self.0.config.clock.now())?;
        *world = changed;
        Ok(())
    }

    /// Everything the simulator knows, to be kept; the clock is not in it.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.world()).unwrap_or_default()
    }

    /// Goes back to a snapshot.
    ///
    /// # Errors
    /// When the value is none; nothing changes then.
    pub fn restore(&self, snapshot: Value) -> Result<(), Refused> {
        let world = serde_json::from_value(snapshot).map_err(|error| Refused(error.to_string()))?;
        *self.world() = world;
        Ok(())
    }

    fn world(&self) -> MutexGuard<'_, W> {
        lock(&self.0.world)
    }

    /// The world after the late effects that are due.
    fn settled(&self) -> MutexGuard<'_, W> {
        let mut world = self.world();
        let now = self.0.config.clock.now();
        while let Some((call, pass, due)) = world.common_mut().next_late(now) {
            world.apply(&call, &pass, &self.0.config, due);
        }
        world
    }

    fn take(&self, request: &Request<Bytes>) -> Answer {
        let call = Incoming::read(request);
        if call.path.starts_with("/__sim") {
            return Answer::Response(controls::answer(self, &call.method, &call.path, &call.body));
        }
        let mut world = self.settled();
        let fault = world.common_mut().faults.strike(&call.method, &call.path_and_query);
        Exchange { world: &mut *world, config: &self.0.config, call, now: self.0.config.clock.now() }.run(fault)
    }
}

impl<W: World> Vendor for Simulator<W> {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        self.take(request)
    }

    fn release(&self, ticket: Ticket) {
        Self::release(self, ticket);
    }
}

impl<W: World> Controls for Simulator<W> {
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

    fn clear_faults(&self) {
        Self::clear_faults(self);
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

/// Everything a harness needs of a ledger that it does not know by type; hold it as `Arc<dyn AnyLedger>`. The controls ([`Controls`]) are
/// among its methods; an action of the bookkeeper goes in as JSON ([`Controls::act`]).
pub trait AnyLedger: Controls + Send + Sync {
    /// Answers one call in process: nothing sleeps.
    fn answer(&self, request: &Request<Bytes>) -> Answer;
    /// Gives back the slot of a slow call before the clock has moved that far.
    fn release(&self, ticket: Ticket);
    /// Everything the simulator knows, to be kept; the clock is not in it.
    fn snapshot(&self) -> Value;
    /// Goes back to a snapshot.
    ///
    /// # Errors
    /// When the value is none of this ledger's; nothing changes then.
    fn restore(&self, snapshot: Value) -> Result<(), Refused>;
}

impl<W: World> AnyLedger for Simulator<W> {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        self.take(request)
    }

    fn release(&self, ticket: Ticket) {
        Self::release(self, ticket);
    }

    fn snapshot(&self) -> Value {
        Self::snapshot(self)
    }

    fn restore(&self, snapshot: Value) -> Result<(), Refused> {
        Self::restore(self, snapshot)
    }
}

impl dyn AnyLedger + '_ {
    /// Answers one call in process, as [`Simulator::handle`] does.
    #[expect(clippy::unused_async, reason = "transports await their ledger; this one has nothing to wait for")]
    pub async fn handle(&self, request: Request<Bytes>) -> Answer {
        self.answer(&request)
    }

    /// An action of the bookkeeper, as JSON.
    ///
    /// # Errors
    /// When the ledger would not let them, or the JSON names no action.
    pub fn bookkeeper(&self, action: &Value) -> Result<(), Refused> {
        self.act(action.to_string().as_bytes())
    }

    /// Posts one fault.
    pub fn post_fault(&self, fault: Fault) {
        self.post_faults(vec![fault]);
    }

    /// The `/__sim` routes, without a socket.
    #[must_use]
    pub fn control(&self, method: &str, path: &str, body: &[u8]) -> Response<Bytes> {
        controls::answer(self, method, path, body)
    }
}

/// Any ledger can be served: [`serve::serve`] takes an `Arc<dyn AnyLedger>`.
impl Vendor for Arc<dyn AnyLedger> {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        AnyLedger::answer(&**self, request)
    }

    fn release(&self, ticket: Ticket) {
        AnyLedger::release(&**self, ticket);
    }
}
