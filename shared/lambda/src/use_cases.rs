//! The engine of a function that calls ledgers, built from its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::FromRef;
use coportal_core::ledger::Ledger;
use coportal_engine::{Engine, LedgerSettings, Settings};
use coportal_ledgers::exec::{Egress, HttpTransport, Transport};
use coportal_ledgers::{Endpoints, Ledgers, XeroEndpoints};
use url::Url;

use crate::boot::{Boot, BootError};
use crate::config::{Availability, Aws, Database, Door, Pages, Telemetry, Tokens, Xero};
use crate::shell::Shell;

/// What the routes of a function with use cases work with.
#[derive(Clone)]
pub struct AppState {
    /// Clock, records, door and voice.
    pub shell: Shell,
    /// The use cases.
    pub engine: Engine,
}

impl FromRef<AppState> for Shell {
    fn from_ref(state: &AppState) -> Self {
        state.shell.clone()
    }
}

impl Boot {
    /// The shell and the use cases of a function that calls ledgers.
    ///
    /// # Errors
    /// With every problem of the configuration at once, or when TLS cannot be set up.
    pub fn engine(&self) -> Result<(Shell, Engine), BootError> {
        let (_, _, _, _, tokens, pages, xero) = self.configuration(|reader| {
            (
                Aws::read(reader),
                Database::read(reader),
                Door::read(reader),
                Telemetry::read(reader),
                Tokens::read(reader),
                Pages::read(reader),
                Xero::read(reader),
            )
        })?;
        let endpoints = Endpoints { xero: xero.simulator.as_ref().map(XeroEndpoints::at).unwrap_or_default() };
        let egress = Egress::of(endpoints.called())?;
        let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new(egress)?);
        let cloud = self.cloud(Some(tokens))?;
        let shell = self.shell(&cloud)?;
        let engine = Engine {
            // The shell's own client: one pool of connections to DynamoDB.
            store: shell.store().clone(),
            vault: cloud.vault(),
            parameters: cloud.parameters(),
            ledgers: Ledgers::new(transport, endpoints),
            settings: Arc::new(settings(shell.public_url(), &pages.app_url, &xero)),
        };
        Ok((shell, engine))
    }
}

fn settings(public_url: &Url, app_url: &Url, xero: &Xero) -> Settings {
    let bare = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    let ledgers = BTreeMap::from([(
        Ledger::Xero,
        LedgerSettings {
            client_id_parameter: xero.client_id_parameter.clone(),
            client_secret_parameter: xero.client_secret_parameter.clone(),
            available: xero.availability == Availability::Available,
        },
    )]);
    Settings { public_url: bare(public_url), app_url: bare(app_url), ledgers }
}
