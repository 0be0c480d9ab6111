//! The sign-in-keeper function, as Lambda runs it.

use coportal_lambda::boot::{Boot, Error};
use coportal_lambda::events::{run, service_fn};
use sign_in_keeper::State;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let state = State::of(&Boot::in_lambda(sign_in_keeper::NAME)?)?;
    run(service_fn(|event| sign_in_keeper::handle(state.clone(), event))).await
}
