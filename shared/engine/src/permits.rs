//! Permits of one run: asked for before calls are made, kept in hand for a moment, given back when they are too many.
//!
//! A run holds one [`Permits`] for the organisation it calls, and every call passes it ([`Gate`]): whoever asked for too little asks
//! again, and a call that no limit allows is not made. What the vendor's answers tell of its limits is kept for everybody.

use std::sync::Arc;
use std::time::Duration;

use coportal_aws::error::StoreError;
use coportal_aws::records::metering::{CallsKnown, PermitWrite};
use coportal_aws::store::{Store, Versioned};
use coportal_core::ctx::Ctx;
use coportal_core::id::RunId;
use coportal_core::ledger::Ledger;
use coportal_core::metering::{AppBucket, Ask, Bucket, Decision, Limit, Limits, Seen, TRANCHE, USE_WITHIN, Withheld};
use coportal_core::problem::{Outcome, Problem};
use coportal_ledgers::exec::{Cost, Gate, Meter, TransportError};
use coportal_ledgers::{LedgerApi, LimitsSeen};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::Engine;
use crate::sync::STORE_MARGIN;

/// A limit that is free again within this time is waited for; longer waiting is done by rows.
const WAITED_FOR: SignedDuration = SignedDuration::from_secs(3);
/// How often a run waits for one permit.
const TURNS: u32 = 3;
/// Whoever finds all slots taken looks again after so long: a slot's own end is that of a process that died with it, and a living one
/// gives it back within a call or two.
const SLOT_TURN: SignedDuration = SignedDuration::from_millis(1_000);
/// How often permits are prepared anew when the buckets have moved: the app's bucket is everybody's.
const TRIES: u32 = 16;
/// Whoever found the buckets moved prepares anew up to so much later, times its tries: of many at once, each try lets only one through.
const STEP_ASIDE_MILLIS: u64 = 10;
/// Whoever has waited and finds nothing again comes back up to so much later, so that they do not come all at once.
const SPREAD_MILLIS: u64 = 5_000;

/// Leave to call one organisation, for one run.
pub struct Permits {
    store: Store,
    ctx: Ctx,
    ledger: Ledger,
    organisation: String,
    limits: Limits,
    /// Most calls that one step has in flight.
    widest: u32,
    call_timeout: SignedDuration,
    lease: SignedDuration,
    owner: RunId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The buckets as this run knows them.
    known: Option<CallsKnown>,
    /// Calls in hand.
    left: u32,
    /// Since when.
    granted_at: Timestamp,
    /// Slots in hand.
    slots: u32,
    /// Others in flight when the slots were taken.
    others: u32,
    /// The row has waited for this limit already.
    waited: bool,
}

/// Permits that a claim takes along.
pub struct WithClaim {
    write: PermitWrite,
    calls: u32,
    slots: u32,
    app_left: Option<u32>,
}

impl WithClaim {
    /// What the claim's transaction writes.
    #[must_use]
    pub fn write(&self) -> &PermitWrite {
        &self.write
    }
}

enum Prepared {
    Take(Box<WithClaim>),
    /// Nothing is free; the bucket with its longer queue, where it has one.
    Wait(Withheld, Option<Box<PermitWrite>>),
}

impl Engine {
    /// Leave to call an organisation, for the run `owner`. Nothing is read or taken yet.
    #[must_use]
    pub fn permits(&self, ctx: &Ctx, api: &LedgerApi, organisation: &str, owner: RunId) -> Arc<Permits> {
        Arc::new(Permits {
            store: self.store.clone(),
            ctx: ctx.clone(),
            ledger: api.rules.ledger,
            organisation: organisation.to_owned(),
            limits: api.profile.limits,
            widest: api.profile.facts_in_flight.max(api.profile.step_in_flight).max(api.profile.list_in_flight),
            call_timeout: api.rules.call_timeout,
            lease: api.rules.lease(),
            owner,
            state: Mutex::default(),
        })
    }
}

impl Permits {
    /// A meter whose calls pass these permits.
    #[must_use]
    pub fn meter(self: &Arc<Self>) -> Meter {
        Meter::gated(Arc::clone(self) as Arc<dyn Gate>)
    }

    /// Tells what a read beside brought, and whether the run's row has waited for a limit before.
    pub async fn knowing(&self, known: CallsKnown, waited: bool) {
        let mut state = self.state.lock().await;
        state.known = Some(known);
        state.waited = waited;
    }

    /// Makes sure that `calls` may be made now, `slots` of them at once: what is in hand counts while it is fresh, else all of them are
    /// taken, in one write. A limit that is free in a moment is waited for.
    ///
    /// # Errors
    /// When the buckets cannot be read or written.
    pub async fn reserve(&self, calls: u32, slots: u32) -> Outcome<Result<(), Withheld>> {
        let mut state = self.state.lock().await;
        Ok(self.reserve_in(&mut state, calls, slots, 0).await?)
    }

    /// Most calls that are ever free together, as far as is known.
    pub async fn at_once(&self) -> u32 {
        self.at_once_in(&*self.state.lock().await)
    }

    fn at_once_in(&self, state: &State) -> u32 {
        let known = state.known.as_ref();
        known.map_or(self.limits.burst, |known| known.bucket.value.at_once(&self.limits, self.ctx.now()))
    }

    /// The permits of one write that counts as so many calls, for the transaction of its claim; `None` when they are in hand.
    ///
    /// # Errors
    /// When the buckets cannot be read or written.
    pub async fn with_claim(&self, calls: u32) -> Outcome<Result<Option<WithClaim>, Withheld>> {
        let mut state = self.state.lock().await;
        let mut turn = 0;
        loop {
            if self.in_hand(&state) >= calls.min(self.at_once_in(&state)) {
                return Ok(Ok(None));
            }
            match self.prepare(&mut state, calls, 1, 0).await? {
                Prepared::Take(taken) => return Ok(Ok(Some(*taken))),
                Prepared::Wait(no, tail) => {
                    turn += 1;
                    if !self.waits(&state, turn, no).await {
                        self.queue(&mut state, tail).await;
                        return Ok(Err(self.spread(&state, no)));
                    }
                    state.known = None;
                }
            }
        }
    }

    /// The claim was won: its permit is in hand.
    pub async fn claimed(&self, taken: WithClaim) {
        let mut state = self.state.lock().await;
        self.taken(&mut state, taken);
    }

    /// The claim found other buckets than were read: they are read anew.
    pub async fn moved(&self, taken: WithClaim) {
        let mut state = self.state.lock().await;
        self.not_taken(&mut state, &taken);
    }

    /// The run is over: what is left goes back where somebody may want it, and else ends by itself.
    pub async fn close(&self) {
        let mut state = self.state.lock().await;
        // Several slots are too many to leave lying; one is, where another step might not fit beside it.
        let crowded = state.slots > 1 || state.others + state.slots + self.widest > self.limits.concurrent;
        if state.left == 0 && !(state.slots > 0 && crowded) {
            return;
        }
        let (left, granted_at) = (state.left, state.granted_at);
        state.left = 0;
        state.slots = 0;
        let now = self.ctx.now();
        let back = |bucket: &mut Bucket| {
            bucket.give_back(&self.limits, now, self.owner, left, granted_at);
            true
        };
        if let Err(error) = self.change(&mut state, back).await {
            tracing::warn!(ledger = self.ledger.slug(), %error, "permits that were not used end by themselves");
        }
    }

    fn in_hand(&self, state: &State) -> u32 {
        let fresh = state.granted_at.saturating_add(USE_WITHIN).is_ok_and(|until| self.ctx.now() <= until);
        if fresh { state.left } else { 0 }
    }

    async fn reserve_in(&self, state: &mut State, calls: u32, slots: u32, batches: u32) -> Result<Result<(), Withheld>, StoreError> {
        let mut turn = 0;
        for tries in 0..TRIES {
            // More than ever are free together are not waited for.
            if batches == 0 && self.in_hand(state) >= calls.min(self.at_once_in(state)) && state.slots >= slots {
                return Ok(Ok(()));
            }
            match self.prepare(state, calls, slots, batches).await? {
                Prepared::Take(taken) => {
                    if self.store.write_permits(&self.ctx, &taken.write).await? {
                        self.taken(state, *taken);
                        return Ok(Ok(()));
                    }
                    self.not_taken(state, &taken);
                    let [chance] = self.ctx.random_bytes::<1>();
                    let most = STEP_ASIDE_MILLIS.saturating_mul(u64::from(tries.saturating_add(1)));
                    tokio::time::sleep(Duration::from_millis(most.saturating_mul(u64::from(chance)) / u64::from(u8::MAX))).await;
                }
                Prepared::Wait(no, tail) => {
                    turn += 1;
                    if !self.waits(state, turn, no).await {
                        self.queue(state, tail).await;
                        return Ok(Err(self.spread(state, no)));
                    }
                    state.known = None;
                }
            }
        }
        Err(StoreError::Conflict { operation: "permits" })
    }

    /// What is in hand and too little or too old goes back in the same write.
    async fn prepare(&self, state: &mut State, calls: u32, slots: u32, batches: u32) -> Result<Prepared, StoreError> {
        let known = match state.known.take() {
            Some(known) => known,
            None => self.store.calls_known(&self.ctx, self.ledger, &self.organisation).await?,
        };
        let now = self.ctx.now();
        let mut bucket = known.bucket.clone();
        if state.left > 0 {
            bucket.value.give_back(&self.limits, now, self.owner, state.left, state.granted_at);
        }
        let until = now.saturating_add(self.lease).unwrap_or(Timestamp::MAX);
        let ask = Ask { calls, batches, slots, owner: self.owner, until, waited: state.waited };
        let write = |bucket, app| PermitWrite { ledger: self.ledger, organisation: self.organisation.clone(), bucket, app, at: now };
        let before = known.bucket.value.clone();
        let decision = bucket.value.take(&self.limits, now, &ask);
        let app = known.app.clone();
        state.known = Some(known);
        let calls = match decision {
            Decision::Granted { calls } => calls,
            Decision::Withheld(no) => {
                let queues = (state.left == 0 && bucket.value != before).then(|| Box::new(write(bucket, None)));
                return Ok(Prepared::Wait(no, queues));
            }
        };
        let (app, app_left) = match self.app_permits(app, now, calls) {
            Ok(app) => app,
            Err(no) => return Ok(Prepared::Wait(no, None)),
        };
        Ok(Prepared::Take(Box::new(WithClaim { write: write(bucket, app), calls, slots, app_left })))
    }

    /// The app's permits: of the tranche in hand, or of one that is taken along.
    /// Answers the bucket to write, and what is left of its tranche, if one is taken.
    fn app_permits(
        &self,
        mut app: Versioned<AppBucket>,
        now: Timestamp,
        calls: u32,
    ) -> Result<(Option<Versioned<AppBucket>>, Option<u32>), Withheld> {
        if !AppBucket::is_needed(&self.limits) || self.store.use_tranche(self.ledger, now, calls) {
            return Ok((None, None));
        }
        let permits = app.value.take(&self.limits, now)?;
        Ok((Some(app), Some(permits.saturating_sub(calls))))
    }

    fn taken(&self, state: &mut State, taken: WithClaim) {
        let known = state.known.take().unwrap_or_default();
        state.known = Some(taken.write.written(&known));
        state.left = taken.calls;
        state.granted_at = taken.write.at;
        state.slots = taken.slots;
        state.others = taken.write.bucket.value.in_flight_besides(self.owner, taken.write.at);
        if let Some(left) = taken.app_left {
            self.store.keep_tranche(self.ledger, taken.write.at, left);
        }
    }

    fn not_taken(&self, state: &mut State, taken: &WithClaim) {
        state.known = None;
        if taken.app_left.is_none() && AppBucket::is_needed(&self.limits) {
            // They were of the tranche in hand, and nobody has used them.
            self.store.return_tranche(self.ledger, taken.calls);
        }
    }

    /// Waits for what is free in a moment; answers whether it is worth asking again.
    async fn waits(&self, state: &State, turn: u32, no: Withheld) -> bool {
        let now = self.ctx.now();
        let told = state.known.as_ref().and_then(|known| known.bucket.value.blocked(now));
        let most = if no.limit == Limit::Concurrent && told.is_none() { SLOT_TURN } else { SignedDuration::MAX };
        let wait = now.duration_until(no.until).min(most);
        if turn > TURNS || wait > WAITED_FOR || !self.ctx.has_time_for(wait + self.call_timeout + STORE_MARGIN) {
            return false;
        }
        let [chance] = self.ctx.random_bytes::<1>();
        let millis = u64::try_from(wait.as_millis()).unwrap_or_default().saturating_add(u64::from(chance));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        true
    }

    /// Lets those who come later queue behind this one. A queue that moved meanwhile is left: whoever moved it told its own time.
    async fn queue(&self, state: &mut State, tail: Option<Box<PermitWrite>>) {
        let Some(tail) = tail else { return };
        match self.store.write_permits(&self.ctx, &tail).await {
            Ok(true) => {
                let known = state.known.take().unwrap_or_default();
                state.known = Some(tail.written(&known));
            }
            Ok(false) => state.known = None,
            Err(error) => {
                state.known = None;
                tracing::warn!(ledger = self.ledger.slug(), %error, "a queue for a limit could not be kept");
            }
        }
    }

    fn spread(&self, state: &State, no: Withheld) -> Withheld {
        if !state.waited {
            return no;
        }
        let [high, low] = self.ctx.random_bytes::<2>();
        let millis = SPREAD_MILLIS * u64::from(u16::from_be_bytes([high, low])) / u64::from(u16::MAX);
        let later = SignedDuration::from_millis(i64::try_from(millis).unwrap_or_default());
        Withheld { until: no.until.saturating_add(later).unwrap_or(no.until), ..no }
    }

    async fn change(&self, state: &mut State, change: impl FnMut(&mut Bucket) -> bool) -> Result<(), StoreError> {
        let known = state.known.take();
        let bucket = known.as_ref().map(|known| known.bucket.clone());
        let bucket = self.store.change_bucket(&self.ctx, self.ledger, &self.organisation, bucket, change).await?;
        state.known = known.map(|known| CallsKnown { bucket, ..known });
        Ok(())
    }
}

impl Gate for Permits {
    fn pass<'a>(&'a self, cost: Cost) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let mut state = self.state.lock().await;
            let slots = state.slots.max(1);
            if cost.batch && self.limits.batches_per_minute != u32::MAX {
                // Batches are counted beside calls, and never kept in hand.
                let mut beside = State { known: state.known.take(), slots, waited: state.waited, ..State::default() };
                self.pass_by(&mut beside, 0, slots, 1).await?;
                state.known = beside.known;
            }
            self.pass_by(&mut state, cost.calls, slots, 0).await
        })
    }

    fn answered<'a>(&'a self, seen: LimitsSeen) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(left) = seen.app.filter(|left| *left < TRANCHE && AppBucket::is_needed(&self.limits)) {
                let until = self.ctx.now().saturating_add(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MAX);
                tracing::warn!(ledger = self.ledger.slug(), left, "the app's limit is nearly used up");
                self.told(self.store.block_app(&self.ctx, self.ledger, until).await);
            }
            let mut state = self.state.lock().await;
            state.left = seen.minute.into_iter().chain(seen.day).fold(state.left, u32::min);
            let (seen, unsent, now) = (Seen { minute: seen.minute, day: seen.day }, state.left, self.ctx.now());
            let known = state.known.as_ref().map(|known| &known.bucket.value);
            if known.is_some_and(|bucket| bucket.is_news(&self.limits, now, seen, unsent, self.limits.concurrent)) {
                let heard = self.change(&mut state, |bucket| bucket.observe(&self.limits, now, seen, unsent)).await;
                self.told(heard);
            }
        })
    }

    fn now(&self) -> Timestamp {
        self.ctx.now()
    }

    fn refused<'a>(&'a self, limit: Withheld) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if limit.limit == Limit::App && AppBucket::is_needed(&self.limits) {
                self.told(self.store.block_app(&self.ctx, self.ledger, limit.until).await);
            }
            let mut state = self.state.lock().await;
            let (unsent, now) = (state.left, self.ctx.now());
            state.left = 0;
            let block = |bucket: &mut Bucket| {
                bucket.block(&self.limits, now, limit, unsent);
                true
            };
            let heard = self.change(&mut state, block).await;
            self.told(heard);
        })
    }
}

impl Permits {
    async fn pass_by(&self, state: &mut State, calls: u32, slots: u32, batches: u32) -> Result<(), TransportError> {
        match self.reserve_in(state, calls, slots, batches).await {
            Ok(Ok(())) => {
                state.left = state.left.saturating_sub(calls);
                Ok(())
            }
            Ok(Err(no)) => Err(TransportError::Withheld(no)),
            Err(error) => Err(TransportError::NotSent(format!("no permit: {error}"))),
        }
    }

    /// The problem of a call that a limit does not allow now, for those who wait for an answer.
    #[must_use]
    pub fn problem(no: Withheld) -> Problem {
        coportal_ledgers::withheld(no).problem()
    }

    fn told(&self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            tracing::warn!(ledger = self.ledger.slug(), %error, "what the vendor told of its limits was not kept");
        }
    }
}
