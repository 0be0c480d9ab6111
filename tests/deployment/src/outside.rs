//! What stands outside AWS: the ledgers' simulators, and the issuer of bearer tokens.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use coportal_core::ledger::Ledger;
use coportal_lambda::config::table;
use coportal_local::clock::Clock;
use coportal_local::issuer::{Issuer, JWKS_PATH};
use coportal_local::template::copy::Outside;
use simulators::skeleton::config::Config;
use simulators::skeleton::serve::serve;
use simulators::skeleton::simulator::AnyLedger;
use tokio::net::TcpListener;

/// Our app's client id at every simulator.
pub(crate) const CLIENT_ID: &str = "coportal-deployed";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "a secret that only the simulators and the parameter store know";

/// Simulators and issuer; they serve until the process ends.
pub(crate) struct Surroundings {
    /// Signs bearer tokens.
    pub(crate) issuer: Issuer,
    /// Where its keys are.
    jwks: String,
    /// The simulators' addresses.
    pub(crate) ledgers: BTreeMap<Ledger, String>,
    addresses: Vec<(&'static str, String)>,
}

async fn listen() -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    Ok((listener, origin))
}

impl Surroundings {
    /// Starts them; `public` is the origin under which vendors know the API.
    pub(crate) async fn start(public: &str) -> Result<Self> {
        let clock = Clock::system();
        let (listener, origin) = listen().await?;
        let issuer = Issuer::in_memory(&origin, clock.clone())?;
        let router = issuer.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (mut ledgers, mut addresses) = (BTreeMap::new(), Vec::new());
        for (seed, variables) in (1..).zip(table::LEDGERS) {
            let ledger = variables.ledger;
            let config = Config {
                clock: clock.clone(),
                client_id: CLIENT_ID.to_owned(),
                client_secret: CLIENT_SECRET.to_owned(),
                redirect_uris: vec![format!("{public}/v1/oauth/{ledger}/callback")],
                seed,
            };
            let simulator: Arc<dyn AnyLedger> = match ledger {
                Ledger::Xero => Arc::new(simulators::xero::Simulator::new(config)),
                Ledger::Quickbooks => Arc::new(simulators::quickbooks::Simulator::new(config)),
                Ledger::Sage => Arc::new(simulators::sage::Simulator::new(config)),
                Ledger::BusinessCentral => Arc::new(simulators::business_central::Simulator::new(config)),
            };
            let (listener, origin) = listen().await?;
            tokio::spawn(serve(simulator, listener, pending()));
            addresses.push((variables.url.name, origin.clone()));
            ledgers.insert(ledger, origin);
        }
        Ok(Self { jwks: format!("{origin}{JWKS_PATH}"), issuer, ledgers, addresses })
    }

    /// As the copy of the template takes them.
    pub(crate) fn named(&self) -> Outside<'_> {
        Outside { issuer: self.issuer.iss(), jwks: &self.jwks, ledgers: &self.addresses }
    }
}
