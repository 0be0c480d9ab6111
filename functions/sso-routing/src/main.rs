//! The binary of the sso-routing function: boot, then serve.

use coportal_lambda::boot::{self, Boot};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), boot::Error> {
    let state = sso_routing::state(&Boot::in_lambda(sso_routing::NAME)?)?;
    boot::run(sso_routing::router(state)).await
}
