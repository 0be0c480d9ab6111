//! The sweep function: every minute, sends what is due, and what the stream or a queue dropped.

use coportal_engine::auto_sync::AutoSync;
use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::events::{EventShell, Invocation, LambdaEvent};
use coportal_lambda::telemetry::{Note, Recorded};
use jiff::SignedDuration;
use serde::de::IgnoredAny;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "sweep";

/// The time of one sweep: less than the minute to the next one.
pub const BUDGET: SignedDuration = SignedDuration::from_secs(50);

/// What the function works with: records and queues; it calls no ledger.
#[derive(Clone)]
pub struct State {
    /// Clock, chance and voice.
    pub shell: EventShell,
    /// The sweep.
    pub auto_sync: AutoSync,
}

impl State {
    /// From the function's configuration.
    ///
    /// # Errors
    /// With every problem at once.
    pub fn of(boot: &Boot) -> Result<Self, Error> {
        let (shell, store, queues) = boot.handing_on()?;
        Ok(Self { shell, auto_sync: AutoSync { store, queues } })
    }
}

/// One sweep. What the schedule says about itself is not needed.
///
/// # Errors
/// When the table could not be read at all; the next minute tries again.
pub async fn handle(state: State, event: LambdaEvent<IgnoredAny>) -> Result<(), Error> {
    let (invocation, _) = Invocation::of(event);
    let ctx = state.shell.ctx(BUDGET);
    let at = ctx.now();
    let swept = state.auto_sync.sweep(&ctx).await;
    let recorded = Recorded {
        at,
        source: "schedule",
        id: None,
        receives: None,
        outcome: match &swept {
            Ok(swept) if swept.more => "more",
            Ok(_) => "done",
            Err(_) => "failed",
        },
        is_error: swept.is_err(),
        duration_ms: u64::try_from(at.duration_until(ctx.now()).as_millis()).unwrap_or_default(),
        request_id: &invocation.request_id,
        trace_id: invocation.trace_id.as_deref(),
        problem: swept.as_ref().err().map(|problem| problem.code.as_ref()),
        reason: swept.as_ref().err().and_then(|problem| problem.internal()),
    };
    state.shell.telemetry().record(&recorded, &Note::default());
    match swept {
        Ok(swept) => {
            tracing::info!(
                rows = swept.rows,
                invoices = swept.invoices,
                jobs = swept.jobs,
                messages = swept.messages,
                failed = swept.failed,
                more = swept.more,
                "swept"
            );
            Ok(())
        }
        Err(problem) => Err(format!("the sweep failed: {}", problem.code).into()),
    }
}
