//! From environment variables to a running function.

use std::sync::Arc;

use axum::Router;
use coportal_aws::cloud::{CloudConfig, CloudCredentials, Endpoints};
use coportal_aws::queues::QueueUrls;
use coportal_core::ctx::{Clock, Random};

/// What `main` of a function answers when it cannot run.
pub use lambda_http::Error;

use crate::authn::token::{HttpKeys, KeySource, Verifier};
use crate::config::{self, Complete, Environment, InvalidConfiguration, Reader};
use crate::shell::{Parts, Shell};
use crate::system::{SystemClock, SystemRandom};
use crate::telemetry::{self, Sink, Stdout, Telemetry};

/// What a function has before it reads its configuration: the machine's side. Locally another clock, sink or key source stands here.
#[derive(Clone)]
pub struct Machine {
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// Where unguessable bytes come from.
    pub random: Arc<dyn Random>,
    /// Where log lines go.
    pub sink: Arc<dyn Sink>,
    /// Where issuers' keys are read from.
    pub keys: Arc<dyn KeySource>,
}

impl Machine {
    /// The real one.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn real() -> Result<Self, BootError> {
        Ok(Self { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), sink: Arc::new(Stdout), keys: Arc::new(HttpKeys::new()?) })
    }
}

/// A function that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its configuration.
    #[error(transparent)]
    Configuration(#[from] InvalidConfiguration),
    /// Its client for issuers' keys.
    #[error(transparent)]
    Keys(#[from] crate::authn::token::KeysUnavailable),
    /// An address that ledgers must not be called at.
    #[cfg(feature = "use-cases")]
    #[error(transparent)]
    Egress(#[from] coportal_ledgers::exec::EgressError),
    /// The client for the ledgers.
    #[cfg(feature = "use-cases")]
    #[error(transparent)]
    Transport(#[from] coportal_ledgers::exec::TransportError),
}

/// A function on its way up: its name, its environment, its machine.
pub struct Boot {
    function: &'static str,
    environment: Environment,
    machine: Machine,
}

impl Boot {
    /// In Lambda: the process's environment, the real machine; events and panics go to standard output from here on.
    ///
    /// # Errors
    /// When the settings of the log are wrong or TLS cannot be set up.
    pub fn in_lambda(function: &'static str) -> Result<Self, BootError> {
        let boot = Self::new(function, Environment::of_process(), Machine::real()?);
        let settings = boot.configuration(config::Telemetry::read)?;
        let Machine { clock, sink, .. } = boot.machine.clone();
        let service = settings.service.as_deref().unwrap_or(function);
        telemetry::install(service, settings.level, Arc::clone(&clock), Arc::clone(&sink));
        telemetry::report_panics(service, clock, sink);
        Ok(boot)
    }

    /// With a given environment and machine: the local gateway, tests.
    #[must_use]
    pub fn new(function: &'static str, environment: Environment, machine: Machine) -> Self {
        Self { function, environment, machine }
    }

    /// Reads what the function's own state needs.
    ///
    /// # Errors
    /// With every problem at once.
    pub fn configuration<T: Complete>(&self, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T::Whole, InvalidConfiguration> {
        config::read(&self.environment, read)
    }

    /// The function's name.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.function
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// What the SDK clients are built from. `token_key` stays empty in functions that use no tokens; so do the queues, until a
    /// function that sends sets them.
    ///
    /// # Errors
    /// With every problem at once.
    pub fn cloud(&self, token_key: Option<config::Tokens>) -> Result<CloudConfig, InvalidConfiguration> {
        let (aws, database) = self.configuration(|reader| (config::Aws::read(reader), config::Database::read(reader)))?;
        Ok(CloudConfig {
            region: aws.region,
            table: database.table,
            token_key: token_key.map(|tokens| tokens.key).unwrap_or_default(),
            queues: QueueUrls::default(),
            endpoints: aws.endpoint.map(|url| Endpoints::all(url.as_str().trim_end_matches('/'))).unwrap_or_default(),
            credentials: CloudCredentials {
                access_key_id: aws.access_key_id,
                secret_access_key: aws.secret_access_key,
                session_token: aws.session_token,
            },
            http_client: None,
            sleep: None,
            time_source: None,
        })
    }

    /// The shell around records of `cloud`.
    ///
    /// # Errors
    /// With every problem at once.
    pub fn shell(&self, cloud: &CloudConfig) -> Result<Shell, InvalidConfiguration> {
        let (door, settings) = self.configuration(|reader| (config::Door::read(reader), config::Telemetry::read(reader)))?;
        let Machine { clock, random, sink, keys } = self.machine.clone();
        Ok(Shell::new(Parts {
            clock,
            random,
            store: cloud.store(),
            verifier: Verifier::new(&door.issuers, &door.audience, keys).with_own(&door.public_url),
            public_url: door.public_url,
            telemetry: Telemetry::new(self.function, &settings, sink),
        }))
    }

    /// The shell of a function that uses records only.
    ///
    /// # Errors
    /// With every problem at once.
    pub fn records_only(&self) -> Result<Shell, InvalidConfiguration> {
        // Read together first, so that one start names everything that is wrong.
        self.configuration(|reader| {
            (config::Aws::read(reader), config::Database::read(reader), config::Door::read(reader), config::Telemetry::read(reader))
        })?;
        self.shell(&self.cloud(None)?)
    }
}

/// Serves a function's routes as a Lambda behind API Gateway.
///
/// # Errors
/// When the runtime's own API cannot be reached.
pub async fn run(router: Router) -> Result<(), Error> {
    lambda_http::run(router).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Collected, FixedClock, TestIssuer};

    fn boot(variables: &[(&'static str, &str)]) -> Boot {
        let machine = Machine {
            clock: Arc::new(FixedClock::default()),
            random: Arc::new(SystemRandom),
            sink: Arc::new(Collected::default()),
            keys: Arc::new(TestIssuer::default()),
        };
        let environment = Environment::of(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Boot::new("clients", environment, machine)
    }

    const DEPLOYED: [(&str, &str); 7] = [
        ("COPORTAL_TABLE", "t"),
        ("COPORTAL_ISSUERS", "https://id.example.com=https://id.example.com/jwks"),
        ("COPORTAL_PUBLIC_URL", "https://api.example.com"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ("AWS_SESSION_TOKEN", "t0ken"),
    ];

    #[test]
    fn a_function_starts_from_its_environment_alone() {
        let boot = boot(&DEPLOYED);
        let shell = boot.records_only().unwrap();
        assert!(shell.is_own_origin("https://api.example.com"));
        for other in
            ["", "null", "https://x@api.example.com", "https://api.example.com/", "http://api.example.com", "https://API.example.com"]
        {
            assert!(!shell.is_own_origin(other), "{other:?}");
        }
        let cloud = boot.cloud(Some(config::Tokens { key: "key-1".to_owned() })).unwrap();
        assert_eq!((cloud.table.as_str(), cloud.token_key.as_str(), cloud.endpoints), ("t", "key-1", Endpoints::default()));
    }

    #[test]
    fn one_start_names_everything_that_is_missing() {
        let error = boot(&[]).records_only().err().unwrap();
        assert_eq!(error.problems.len(), 6, "{error}");
    }

    /// Design decision 17: another endpoint needs the switch that no template sets.
    #[test]
    fn another_endpoint_is_for_local_running_only() {
        let mut variables = DEPLOYED.to_vec();
        variables.push(("AWS_ENDPOINT_URL", "http://127.0.0.1:8788"));
        assert!(boot(&variables).records_only().is_err());
        variables.push(("COPORTAL_LOCAL", "1"));
        let cloud = boot(&variables).cloud(None).unwrap();
        assert_eq!(cloud.endpoints, Endpoints::all("http://127.0.0.1:8788"));
    }
}
