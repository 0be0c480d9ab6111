//! What every function shares: boot, configuration, authentication, problem+json, telemetry.
//!
//! A function is a folder with `lib.rs` (`router(state)`) and `main.rs`, which boots and runs:
//!
//! ```no_run
//! use coportal_lambda::boot::{self, Boot};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), coportal_lambda::boot::Error> {
//!     let boot = Boot::in_lambda("clients")?;
//!     let shell = boot.records_only()?;
//!     let routes = axum::Router::new(); // the function's own
//!     boot::run(shell.serve(routes)).await
//! }
//! ```

pub mod attention;
pub mod authn;
#[cfg(any(test, feature = "events"))]
pub mod batch;
pub mod boot;
pub mod clients;
pub mod config;
#[cfg(any(test, feature = "events"))]
pub mod events;
pub mod extract;
pub mod idempotency;
mod objects;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod problem;
pub mod shell;
pub mod standings;
pub mod system;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(feature = "use-cases")]
pub mod use_cases;
pub mod views;
