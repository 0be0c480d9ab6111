//! The operator's access to the account: clients with the operator's own credentials.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use aws_credential_types::Credentials;
use coportal_aws::cloud::{CloudConfig, CloudCredentials, Endpoints};
use coportal_aws::queues::QueueUrls;
use coportal_core::ctx::Ctx;
use coportal_core::secret::Secret;
use coportal_lambda::system::{SystemClock, SystemRandom};
use jiff::SignedDuration;

/// Time for one row's work.
const BUDGET: SignedDuration = SignedDuration::from_secs(60);

/// Whose credentials, which region, which address.
pub struct Access {
    /// Region of the stack.
    pub region: String,
    /// Another address than AWS's own: an emulator's.
    pub endpoint: Option<String>,
    /// Access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// Its session token, where a role was assumed.
    pub session_token: Option<Secret>,
}

/// The settings that the SDKs' builders have in common.
macro_rules! client {
    ($sdk:ident, $access:expr) => {{
        let access: &Access = $access;
        let mut config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::new(access.region.clone()))
            .credentials_provider(access.credentials());
        config.set_endpoint_url(access.endpoint.clone());
        $sdk::Client::from_conf(config.build())
    }};
}

impl Access {
    fn credentials(&self) -> Credentials {
        let session = self.session_token.as_ref().map(|token| token.expose().to_owned());
        Credentials::new(self.access_key_id.clone(), self.secret_access_key.expose(), session, None, "operator")
    }

    /// The table's client, for what only an operator does: scans.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        client!(aws_sdk_dynamodb, self)
    }

    /// The queues' client.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        client!(aws_sdk_sqs, self)
    }

    /// The product's own clients: its conditional writes, its vault, its queues.
    #[must_use]
    pub fn cloud(&self, table: &str, token_key: &str, queues: QueueUrls) -> CloudConfig {
        CloudConfig {
            region: self.region.clone(),
            table: table.to_owned(),
            token_key: token_key.to_owned(),
            queues,
            endpoints: self.endpoint.as_deref().map(Endpoints::all).unwrap_or_default(),
            credentials: CloudCredentials {
                access_key_id: self.access_key_id.clone(),
                secret_access_key: Secret::new(self.secret_access_key.expose().to_owned()),
                session_token: self.session_token.as_ref().map(|token| Secret::new(token.expose().to_owned())),
            },
            http_client: None,
            sleep: None,
            time_source: None,
        }
    }

    /// The credentials of whoever runs the tool: `AWS_ACCESS_KEY_ID` and its companions, as `aws configure export-credentials` sets them.
    ///
    /// # Errors
    /// When one is missing.
    #[expect(clippy::disallowed_methods, reason = "credentials of the person who starts the tool, not the product's configuration")]
    pub fn of_environment(region: Option<String>, endpoint: Option<String>) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let needed = |name: &str| {
            variable(name).with_context(|| format!("{name} is not set: eval \"$(aws configure export-credentials --format env)\""))
        };
        Ok(Self {
            region: region.or_else(|| variable("AWS_REGION")).context("which region? --region, or AWS_REGION")?,
            endpoint: endpoint.or_else(|| variable("AWS_ENDPOINT_URL")),
            access_key_id: needed("AWS_ACCESS_KEY_ID")?,
            secret_access_key: Secret::new(needed("AWS_SECRET_ACCESS_KEY")?),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
        })
    }
}

/// A context for the work on one row.
#[must_use]
pub fn ctx() -> Ctx {
    Ctx::new(Arc::new(SystemClock), Arc::new(SystemRandom), BUDGET)
}
