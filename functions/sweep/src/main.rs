//! The sweep function, as Lambda runs it.

use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::events::{run, service_fn};
use sweep::State;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let state = State::of(&Boot::in_lambda(sweep::NAME)?)?;
    run(service_fn(|event| sweep::handle(state.clone(), event))).await
}
