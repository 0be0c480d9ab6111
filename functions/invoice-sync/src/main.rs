//! Lambda entry point: boots and runs.

use coportal_lambda::boot::{self, Boot};
use invoice_sync::AppState;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), boot::Error> {
    let boot = Boot::in_lambda("invoice-sync")?;
    let (shell, engine) = boot.sending_engine()?;
    boot::run(invoice_sync::router(AppState { shell, engine })).await
}
