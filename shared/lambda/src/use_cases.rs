//! The engine of a function that calls ledgers, built from its configuration.

use std::sync::Arc;

use axum::extract::FromRef;
use coportal_aws::queues::QueueUrls;
use coportal_engine::{Engine, LedgerSettings, Settings};
use coportal_ledgers::exec::{Egress, HttpTransport, Transport};
use coportal_ledgers::{Endpoints, Ledgers, QuickBooksEndpoints};
use url::Url;

use crate::boot::{Boot, BootError};
use crate::config::{Availability, Aws, Complete, Database, Door, LedgerApps, Pages, SyncQueues, Telemetry, Tokens};
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
    /// The shell and the use cases of a function that calls ledgers and sends to no queue: a use case of it that would send fails.
    ///
    /// # Errors
    /// With every problem of the configuration at once, or when TLS cannot be set up.
    pub fn engine(&self) -> Result<(Shell, Engine), BootError> {
        self.engine_with(None)
    }

    /// The same for a function that also sends to the sync queues.
    ///
    /// # Errors
    /// The same, and when an address of the queues is missing or wrong.
    pub fn sending_engine(&self) -> Result<(Shell, Engine), BootError> {
        // The rest is read here as well, so that one start names everything that is wrong.
        let (queues, _, _, _, _, _) = self.configuration(|reader| {
            (
                SyncQueues::read(reader),
                Aws::read(reader),
                Database::read(reader),
                Tokens::read(reader),
                (Door::read(reader), Telemetry::read(reader)).complete(),
                (Pages::read(reader), LedgerApps::read(reader)).complete(),
            )
        })?;
        self.engine_with(Some(queues))
    }

    fn engine_with(&self, queues: Option<SyncQueues>) -> Result<(Shell, Engine), BootError> {
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
        let mut cloud = self.cloud(Some(tokens))?;
        if let Some(SyncQueues { now, bulk }) = queues {
            cloud.queues = QueueUrls { now: Some(now.into()), bulk: Some(bulk.into()) };
        }
        let shell = self.shell(&cloud)?;
        let engine = Engine {
            // The shell's own client: one pool of connections to DynamoDB.
            store: shell.store().clone(),
            vault: cloud.vault(),
            queues: cloud.queues(),
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
