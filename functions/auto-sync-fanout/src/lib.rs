//! The auto-sync-fanout function: hears of changed invoices from the table's stream and tells the connections that want them (R35).

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::DynamoDbEventResponse;
use coportal_engine::auto_sync::AutoSync;
use coportal_lambda::batch;
use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::events::{EventShell, Invocation, LambdaEvent};

/// The function's one name: folder, package, binary, log field and metric dimension.
pub const NAME: &str = "auto-sync-fanout";

/// What the function works with: records and queues; it calls no ledger.
#[derive(Clone)]
pub struct State {
    /// Clock, chance and voice.
    pub shell: EventShell,
    /// The fan-out.
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

/// Hands the changed invoices of an event on; the answer names the records that are to come again.
///
/// # Errors
/// Never: each record's failure is its own.
pub async fn handle(state: State, event: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
    let (invocation, event) = Invocation::of(event);
    let auto_sync = &state.auto_sync;
    let hand_on = |ctx, ws, inv| async move { auto_sync.fan_out(&ctx, ws, inv).await.map(|_| ()) };
    Ok(batch::changes(&state.shell, &invocation, event, hand_on).await)
}
