//! The SDK clients, built by hand: region, credentials and addresses are arguments, nothing is read from the environment here.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use coportal_core::secret::Secret;

use crate::queues::QueueUrls;

pub use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep, TokioSleep};
pub use aws_smithy_async::time::{SharedTimeSource, TimeSource};
pub use aws_smithy_runtime_api::client::http as http_client;
pub use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// Attempts of one SDK call, the first included. A lost answer is therefore asked for again by the SDK itself, which is why each
/// conditional write carries a write id (docs/records.md, section 4).
pub const MAX_ATTEMPTS: u32 = 3;
/// Longest wait before the second attempt; doubled for each further one. The services answer within milliseconds when they answer.
pub const INITIAL_BACKOFF: Duration = Duration::from_millis(50);
/// Longest wait before any attempt.
pub const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// Longest time to connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Longest time of one attempt. DynamoDB answers within tens of milliseconds; a slower connection is dead.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time of a call with its retries: an HTTP function has 24 s for everything.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Credentials of the function's role. Lambda hands them to the environment; boot hands them here.
pub struct CloudCredentials {
    /// Its key id.
    pub access_key_id: String,
    /// Its secret key.
    pub secret_access_key: Secret,
    /// Its session token; a role always has one.
    pub session_token: Option<Secret>,
}

/// Addresses other than AWS's own: the local cloud's, an emulator's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Of DynamoDB.
    pub dynamodb: Option<String>,
    /// Of KMS.
    pub kms: Option<String>,
    /// Of SQS.
    pub sqs: Option<String>,
    /// Of SSM.
    pub ssm: Option<String>,
}

impl Endpoints {
    /// One address for all services.
    #[must_use]
    pub fn all(url: &str) -> Self {
        let url = || Some(url.to_owned());
        Self { dynamodb: url(), kms: url(), sqs: url(), ssm: url() }
    }
}

/// What the clients are built from.
pub struct CloudConfig {
    /// Region, `eu-west-1` for example.
    pub region: String,
    /// Name of the table.
    pub table: String,
    /// Id or ARN of the KMS key that wraps vendor tokens.
    pub token_key: String,
    /// Addresses of the sync queues, in a function that sends.
    pub queues: QueueUrls,
    /// Addresses, where they are not AWS's own.
    pub endpoints: Endpoints,
    /// Credentials.
    pub credentials: CloudCredentials,
    /// The HTTP client; the SDK's own where absent. Tests hand in a connector without sockets.
    pub http_client: Option<SharedHttpClient>,
    /// How to wait between attempts; tokio's clock where absent.
    pub sleep: Option<SharedAsyncSleep>,
    /// The time that signatures carry; the system's where absent.
    pub time_source: Option<SharedTimeSource>,
}

/// The clients of one process. Clones share connections and caches.
#[derive(Clone)]
pub struct Cloud {
    /// The table.
    pub store: crate::store::Store,
    /// The token vault.
    pub vault: crate::vault::Vault,
    /// The sync queues.
    pub queues: crate::queues::Queues,
    /// Configuration kept in SSM.
    pub parameters: crate::parameters::Parameters,
}

/// The four SDKs generate one `Config` each, with the same builder methods.
macro_rules! sdk_config {
    ($sdk:ident, $config:expr, $endpoint:expr) => {{
        let config: &CloudConfig = $config;
        let mut builder = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.region.clone()))
            .credentials_provider(config.credentials())
            .retry_config(
                RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_initial_backoff(INITIAL_BACKOFF).with_max_backoff(MAX_BACKOFF),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(CALL_TIMEOUT)
                    .build(),
            )
            // Bodies are small and each attempt has its time-out.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .sleep_impl(config.sleep());
        builder.set_endpoint_url($endpoint.clone());
        builder.set_http_client(config.http_client.clone());
        if let Some(time_source) = &config.time_source {
            builder.set_time_source(Some(time_source.clone()));
        }
        builder.build()
    }};
}

impl CloudConfig {
    /// Builds the clients.
    #[must_use]
    pub fn connect(&self) -> Cloud {
        Cloud { store: self.store(), vault: self.vault(), queues: self.queues(), parameters: self.parameters() }
    }

    /// The table alone.
    #[must_use]
    pub fn store(&self) -> crate::store::Store {
        let config = sdk_config!(aws_sdk_dynamodb, self, self.endpoints.dynamodb);
        crate::store::Store::new(aws_sdk_dynamodb::Client::from_conf(config), self.table.clone())
    }

    /// The vault alone.
    #[must_use]
    pub fn vault(&self) -> crate::vault::Vault {
        let config = sdk_config!(aws_sdk_kms, self, self.endpoints.kms);
        crate::vault::Vault::new(aws_sdk_kms::Client::from_conf(config), self.token_key.clone())
    }

    /// The queues alone.
    #[must_use]
    pub fn queues(&self) -> crate::queues::Queues {
        let config = sdk_config!(aws_sdk_sqs, self, self.endpoints.sqs);
        crate::queues::Queues::new(aws_sdk_sqs::Client::from_conf(config), self.queues.clone())
    }

    /// The key that signs our own tokens, by its id or ARN.
    #[must_use]
    pub fn signer(&self, key_id: &str) -> crate::signing::Signer {
        let config = sdk_config!(aws_sdk_kms, self, self.endpoints.kms);
        crate::signing::Signer::new(aws_sdk_kms::Client::from_conf(config), key_id)
    }

    /// The parameters alone.
    #[must_use]
    pub fn parameters(&self) -> crate::parameters::Parameters {
        let config = sdk_config!(aws_sdk_ssm, self, self.endpoints.ssm);
        crate::parameters::Parameters::new(aws_sdk_ssm::Client::from_conf(config))
    }

    fn sleep(&self) -> SharedAsyncSleep {
        self.sleep.clone().unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new()))
    }

    fn credentials(&self) -> Credentials {
        let CloudCredentials { access_key_id, secret_access_key, session_token } = &self.credentials;
        Credentials::new(
            access_key_id.clone(),
            secret_access_key.expose(),
            session_token.as_ref().map(|token| token.expose().to_owned()),
            None,
            "function-role",
        )
    }
}
