//! The engine of a function that calls ledgers, built from its configuration.

use std::sync::Arc;

use axum::extract::FromRef;
use coportal_engine::{Engine, LedgerSettings, Settings};
use coportal_ledgers::exec::{Egress, HttpTransport, Transport};
use coportal_ledgers::{Endpoints, Ledgers, QuickBooksEndpoints};
use url::Url;

use crate::boot::{Boot, BootError};
use crate::config::{Availability, Aws, Database, Door, LedgerApps, Pages, Telemetry, Tokens};
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
        let (_, _, _, _, tokens, pages, apps) = self.configuration(|reader| {
            (
                Aws::read(reader),
                Database::read(reader),
                Door::read(reader),
                Telemetry::read(reader),
                Tokens::read(reader),
                Pages::read(reader),
                LedgerApps::read(reader),
            )
        })?;
        let mut endpoints = Endpoints::default();
        if apps.quickbooks_sandbox {
            endpoints.quickbooks = QuickBooksEndpoints::sandbox();
        }
        for app in &apps.apps {
            if let Some(simulator) = &app.simulator {
                endpoints.simulate(app.ledger, simulator);
            }
        }
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
            settings: Arc::new(settings(shell.public_url(), &pages.app_url, &apps)),
        };
        Ok((shell, engine))
    }
}

fn settings(public_url: &Url, app_url: &Url, apps: &LedgerApps) -> Settings {
    let bare = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    let ledgers = apps.apps.iter().map(|app| {
        let settings = LedgerSettings {
            client_id_parameter: app.client_id_parameter.clone(),
            client_secret_parameter: app.client_secret_parameter.clone(),
            available: app.availability == Availability::Available,
        };
        (app.ledger, settings)
    });
    Settings { public_url: bare(public_url), app_url: bare(app_url), ledgers: ledgers.collect() }
}
