//! The binary of the import-preview function: boot, then serve.

use coportal_lambda::boot::{self, Boot};
use import_preview::AppState;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), boot::Error> {
    let (shell, engine) = Boot::in_lambda("import-preview")?.sending_engine()?;
    boot::run(import_preview::router(AppState { shell, engine })).await
}
