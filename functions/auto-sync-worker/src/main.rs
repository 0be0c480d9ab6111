//! The auto-sync-worker function, as Lambda runs it.

use auto_sync_worker::State;
use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::events::{run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let state = State::of(&Boot::in_lambda(auto_sync_worker::NAME)?)?;
    run(service_fn(|event| auto_sync_worker::handle(state.clone(), event))).await
}
