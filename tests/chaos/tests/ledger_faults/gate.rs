//! A transport in which one call of a run goes wrong, and the ones after it if that is asked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chaos::wire::VendorSide;
use chaos::world::World;
use coportal_engine::Engine;
use coportal_ledgers::exec::{Transport, TransportError};
use coportal_ledgers::{Endpoints, Ledgers};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use url::Url;

use crate::wrong::{Reach, Wrong};

/// A call, and the how-manieth of its kind in a run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The method.
    pub(crate) method: String,
    /// The path, without its query.
    pub(crate) path: String,
    /// Counted from 1 among calls of this method and path.
    pub(crate) nth: usize,
}

/// What is to go wrong, and where.
struct Plan {
    spot: Spot,
    wrong: Wrong,
    times: usize,
    seen: usize,
    struck: usize,
}

/// Carries calls to the simulator; strikes by its plan.
pub(crate) struct Gate {
    inner: VendorSide,
    ledger: coportal_core::ledger::Ledger,
    plan: Mutex<Option<Plan>>,
    passed: Mutex<Vec<Spot>>,
}

impl Gate {
    /// A gate that lets everything pass.
    pub(crate) fn of(world: &World) -> Arc<Self> {
        let inner = VendorSide { wire: world.wire.clone(), simulator: world.simulator.clone() };
        Arc::new(Self { inner, ledger: world.ledger, plan: Mutex::default(), passed: Mutex::default() })
    }

    /// From now on: the call at the spot, and the following ones of its kind until `times` have been struck.
    pub(crate) fn strike(&self, spot: &Spot, wrong: Wrong, times: usize) {
        *self.plan.lock().unwrap() = Some(Plan { spot: spot.clone(), wrong, times, seen: 0, struck: 0 });
    }

    /// How many calls were struck.
    pub(crate) fn struck(&self) -> usize {
        self.plan.lock().unwrap().as_ref().map_or(0, |plan| plan.struck)
    }

    /// What passed, in order.
    pub(crate) fn passed(&self) -> Vec<Spot> {
        self.passed.lock().unwrap().clone()
    }

    /// A process whose vendor calls go through this gate.
    pub(crate) fn process(self: &Arc<Self>, world: &World) -> Engine {
        let mut endpoints = Endpoints::default();
        endpoints.simulate(world.ledger, &Url::parse("https://ledger.test").unwrap());
        let mut engine = world.process().unwrap();
        engine.ledgers = Ledgers::new(Arc::clone(self) as Arc<dyn Transport>, endpoints);
        engine
    }

    /// What goes wrong with this call, if anything does.
    fn due(&self, request: &Request<Bytes>) -> Option<Wrong> {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let mut passed = self.passed.lock().unwrap();
        let nth = 1 + passed.iter().filter(|spot| spot.method == method && spot.path == path).count();
        passed.push(Spot { method: method.clone(), path: path.clone(), nth });
        let mut plan = self.plan.lock().unwrap();
        let plan = plan.as_mut().filter(|plan| plan.spot.method == method && plan.spot.path == path)?;
        plan.seen += 1;
        let due = plan.seen >= plan.spot.nth && plan.struck < plan.times;
        plan.struck += usize::from(due);
        due.then_some(plan.wrong)
    }
}

impl Transport for Gate {
    fn send<'a>(&'a self, request: Request<Bytes>, time: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        let Some(wrong) = self.due(&request) else { return self.inner.send(request, time) };
        let token = request.uri().path().contains("token");
        Box::pin(async move {
            match wrong.reach() {
                Reach::Unsent => Err(TransportError::NotSent("refused".to_owned())),
                Reach::Lost => Err(TransportError::MaybeSent("the connection broke".to_owned())),
                Reach::Instead => Ok(wrong.answer(self.ledger, token)),
                Reach::After => {
                    let answer = self.inner.send(request, time).await?;
                    wrong.after(self.ledger, answer)
                }
            }
        })
    }
}
