//! The simulated ledgers: one each, on an address of its own.

use std::sync::Arc;

use coportal_core::ctx::Random;
use coportal_core::ledger::Ledger;
use coportal_lambda::config::table::{self, LedgerVariables};
use simulators::skeleton::config::Config;
use simulators::skeleton::simulator::AnyLedger;
use tokio::net::TcpListener;

use super::keeper::Keeper;
use super::{RunError, hex, listen_near, origin, seed_of};
use crate::clock::Clock;

/// Our app's client id at every simulator.
pub(super) const CLIENT_ID: &str = "coportal-local";

/// A ledger of one's own.
#[derive(Clone)]
pub struct SimulatedLedger {
    /// Which.
    pub ledger: Ledger,
    /// Its address, `http://127.0.0.1:8789`.
    pub origin: String,
    /// The simulator itself.
    pub simulator: Arc<dyn AnyLedger>,
    pub(super) variables: LedgerVariables,
    pub(super) client_secret: String,
}

/// The user's own app at a vendor, in place of that ledger's simulator.
#[derive(Clone)]
pub struct LiveApp {
    /// Which ledger.
    pub ledger: Ledger,
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: String,
}

/// The variables that hold the client id and secret of a live app.
#[must_use]
pub fn live_variables(ledger: Ledger) -> [String; 2] {
    let name = ledger.slug().replace('-', "_").to_uppercase();
    ["CLIENT_ID", "CLIENT_SECRET"].map(|what| format!("COPORTAL_LIVE_{name}_{what}"))
}

/// A simulator of the ledger.
fn simulator(ledger: Ledger, config: Config) -> Arc<dyn AnyLedger> {
    match ledger {
        Ledger::Xero => Arc::new(simulators::xero::Simulator::new(config)),
        Ledger::Quickbooks => Arc::new(simulators::quickbooks::Simulator::new(config)),
        Ledger::Sage => Arc::new(simulators::sage::Simulator::new(config)),
        Ledger::BusinessCentral => Arc::new(simulators::business_central::Simulator::new(config)),
    }
}

/// Starts listening for each ledger, beside the API's own port, and takes up what was kept of it.
pub(super) async fn open(
    port: u16,
    api: &str,
    clock: &Clock,
    random: &dyn Random,
    keeper: Option<&Keeper>,
    live: &[LiveApp],
) -> Result<Vec<(SimulatedLedger, TcpListener)>, RunError> {
    let mut opened = Vec::new();
    for (above, variables) in (2..).zip(table::LEDGERS) {
        let ledger = variables.ledger;
        if live.iter().any(|app| app.ledger == ledger) {
            continue;
        }
        let client_secret = hex(random);
        let config = Config {
            clock: clock.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: client_secret.clone(),
            redirect_uris: vec![format!("{api}/v1/oauth/{ledger}/callback")],
            seed: seed_of(random),
        };
        let simulator = simulator(ledger, config);
        if let Some(keeper) = keeper {
            keeper.restore(ledger, &*simulator)?;
        }
        let listener = listen_near(port, above).await?;
        let origin = origin(&listener)?;
        opened.push((SimulatedLedger { ledger, origin, simulator, variables, client_secret }, listener));
    }
    Ok(opened)
}
