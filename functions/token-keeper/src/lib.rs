//! The token-keeper function: every hour, refreshes grants that nobody uses, announces ends, lets go on what waited for a connection.

use coportal_engine::Engine;
use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::events::{EventShell, Invocation, LambdaEvent};
use coportal_lambda::telemetry::{Note, Recorded};
use jiff::SignedDuration;
use serde::de::IgnoredAny;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "token-keeper";

/// The time of one round, well before the function's own end; what is left is the next hour's.
pub const BUDGET: SignedDuration = SignedDuration::from_secs(280);

/// What the function works with.
#[derive(Clone)]
pub struct State {
    /// Clock, chance and voice.
    pub shell: EventShell,
    /// The use cases.
    pub engine: Engine,
}

impl State {
    /// From the function's configuration.
    ///
    /// # Errors
    /// With every problem at once, or when TLS cannot be set up.
    pub fn of(boot: &Boot) -> Result<Self, Error> {
        let (_, engine) = boot.engine()?;
        Ok(Self { shell: boot.event_shell()?, engine })
    }
}

/// One round. What the schedule says about itself is not needed.
///
/// # Errors
/// When the table could not be read at all; the next hour tries again.
pub async fn handle(state: State, event: LambdaEvent<IgnoredAny>) -> Result<(), Error> {
    let (invocation, _) = Invocation::of(event);
    let ctx = state.shell.ctx(BUDGET);
    let at = ctx.now();
    let kept = state.engine.keep_tokens(&ctx).await;
    let recorded = Recorded {
        at,
        source: "schedule",
        id: None,
        receives: None,
        outcome: match &kept {
            Ok(kept) if kept.more => "more",
            Ok(_) => "done",
            Err(_) => "failed",
        },
        is_error: kept.is_err(),
        duration_ms: u64::try_from(at.duration_until(ctx.now()).as_millis()).unwrap_or_default(),
        request_id: &invocation.request_id,
        trace_id: invocation.trace_id.as_deref(),
        problem: kept.as_ref().err().map(|problem| problem.code.as_ref()),
        reason: kept.as_ref().err().and_then(|problem| problem.internal()),
    };
    state.shell.telemetry().record(&recorded, &Note::default());
    match kept {
        Ok(kept) => {
            tracing::info!(
                looked = kept.looked,
                refreshed = kept.refreshed,
                dead = kept.dead,
                warned = kept.warned,
                resumed = kept.resumed,
                failed = kept.failed,
                more = kept.more,
                "tokens kept"
            );
            Ok(())
        }
        Err(problem) => Err(format!("the round failed: {}", problem.code).into()),
    }
}
