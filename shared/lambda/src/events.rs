//! What a function stands on that takes records of queues and streams, or ticks of a schedule, instead of requests.

use std::sync::Arc;

use coportal_aws::queues::{QueueUrls, Queues};
use coportal_aws::store::Store;
use coportal_core::ctx::{Clock, Ctx, Random};
use jiff::SignedDuration;

/// Runs a handler of events as a Lambda.
pub use lambda_http::lambda_runtime::run;
pub use lambda_http::{LambdaEvent, service_fn};

use crate::boot::Boot;
use crate::config::{Aws, Database, InvalidConfiguration, SyncQueues, Telemetry as TelemetrySettings};
use crate::telemetry::Telemetry;

/// Clock, chance and voice of a function without requests. Clones share everything.
#[derive(Clone)]
pub struct EventShell {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    telemetry: Telemetry,
}

impl EventShell {
    /// Puts the parts together.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>, telemetry: Telemetry) -> Self {
        Self { clock, random, telemetry }
    }

    /// A context for one invocation that has this much time.
    #[must_use]
    pub fn ctx(&self, budget: SignedDuration) -> Ctx {
        Ctx::new(Arc::clone(&self.clock), Arc::clone(&self.random), budget)
    }

    /// The function's voice.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }
}

/// An invocation, for its log lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Its id.
    pub request_id: String,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
}

impl Invocation {
    /// Of an event as the runtime hands it over, and the event itself.
    pub fn of<T>(event: LambdaEvent<T>) -> (Self, T) {
        let LambdaEvent { payload, context } = event;
        (Self { request_id: context.request_id, trace_id: context.xray_trace_id }, payload)
    }
}

impl Boot {
    /// The shell of a function without requests.
    ///
    /// # Errors
    /// With every problem at once.
    pub fn event_shell(&self) -> Result<EventShell, InvalidConfiguration> {
        let settings = self.configuration(TelemetrySettings::read)?;
        let machine = self.machine().clone();
        Ok(EventShell::new(machine.clock, machine.random, Telemetry::new(self.function(), &settings, machine.sink)))
    }

    /// The shell, records and queues of a function that hands work on and calls no ledger.
    ///
    /// # Errors
    /// With every problem at once.
    pub fn handing_on(&self) -> Result<(EventShell, Store, Queues), InvalidConfiguration> {
        // Read together first, so that one start names everything that is wrong.
        let (_, _, _, queues) = self.configuration(|reader| {
            (Aws::read(reader), Database::read(reader), TelemetrySettings::read(reader), SyncQueues::read(reader))
        })?;
        let mut cloud = self.cloud(None)?;
        cloud.queues = QueueUrls { now: Some(queues.now.into()), bulk: Some(queues.bulk.into()) };
        Ok((self.event_shell()?, cloud.store(), cloud.queues()))
    }
}
