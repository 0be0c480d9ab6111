//! The binary of the settings-page function: boot, then serve.

use coportal_lambda::boot::{self, Boot};
use settings_page::AppState;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), boot::Error> {
    let (shell, engine) = Boot::in_lambda("settings-page")?.sending_engine()?;
    boot::run(settings_page::router(AppState { shell, engine })).await
}
