//! The sign-in-keeper function: every hour, looks again at proofs of domains and at metadata of identity providers (C23, R108).
//!
//! It fetches what customers name, so it is a function of its own: it signs nothing, reads no client secret and opens no token.

use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::config::{Aws, Database, Providers, Telemetry};
use coportal_lambda::events::{EventShell, Invocation, LambdaEvent};
use coportal_lambda::telemetry::{Note, Recorded};
use coportal_sign_in::{Keeper, Outside};
use jiff::SignedDuration;
use serde::de::IgnoredAny;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "sign-in-keeper";

/// The time of one round, well before the function's own end; what is left is the next hour's.
pub const BUDGET: SignedDuration = SignedDuration::from_secs(280);

/// What the function works with.
#[derive(Clone)]
pub struct State {
    /// Clock, chance and voice.
    pub shell: EventShell,
    /// What is looked at again.
    pub keeper: Keeper,
}

impl State {
    /// From the function's configuration.
    ///
    /// # Errors
    /// With every problem at once, or when TLS cannot be set up.
    pub fn of(boot: &Boot) -> Result<Self, Error> {
        let (_, _, _, providers) =
            boot.configuration(|reader| (Aws::read(reader), Database::read(reader), Telemetry::read(reader), Providers::read(reader)))?;
        let outside = Outside::of(providers.dns_servers, &providers.origins)?;
        Ok(Self { shell: boot.event_shell()?, keeper: Keeper::new(boot.cloud(None)?.store(), outside) })
    }
}

/// One round. What the schedule says about itself is not needed.
///
/// # Errors
/// When the list of what is due could not be read; the next hour tries again.
pub async fn handle(state: State, event: LambdaEvent<IgnoredAny>) -> Result<(), Error> {
    let (invocation, _) = Invocation::of(event);
    let ctx = state.shell.ctx(BUDGET);
    let at = ctx.now();
    let kept = state.keeper.keep(&ctx).await;
    let recorded = Recorded {
        at,
        source: "schedule",
        id: None,
        receives: None,
        outcome: match &kept {
            Ok(kept) if kept.left > 0 => "more",
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
            tracing::info!(domains = kept.domains, connections = kept.connections, left = kept.left, "sign-in kept");
            Ok(())
        }
        Err(problem) => Err(format!("the round failed: {}", problem.code).into()),
    }
}
