//! The binary of the oauth-callback function: boot, then serve.

use coportal_lambda::boot::{self, Boot};
use oauth_callback::AppState;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), boot::Error> {
    let (shell, engine) = Boot::in_lambda("oauth-callback")?.engine()?;
    boot::run(oauth_callback::router(AppState { shell, engine })).await
}
