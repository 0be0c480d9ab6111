//! The auto-sync-worker function: takes messages from `sync-now` and `sync-bulk` and brings their invoices into the ledgers.

mod work;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use coportal_engine::Engine;
use coportal_lambda::batch;
use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::events::{EventShell, Invocation, LambdaEvent};

use work::Worker;

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "auto-sync-worker";

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
        let (_, engine) = boot.sending_engine()?;
        Ok(Self { shell: boot.event_shell()?, engine })
    }
}

/// Works on the messages of an event; the answer names those that are to be delivered again.
///
/// # Errors
/// Never: each message's failure is its own.
pub async fn handle(state: State, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let (invocation, event) = Invocation::of(event);
    Ok(batch::messages(&state.shell, &invocation, event, &Worker(&state.engine)).await)
}
