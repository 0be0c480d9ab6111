//! Configuration: values read once at boot, every problem reported at once.
//!
//! A function reads only the structs it uses. What belongs to local running (another AWS endpoint, a vendor's simulator, http addresses)
//! is refused unless `COPORTAL_LOCAL=1`, which no template sets (design decision 17).

pub mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use url::Url;

pub use table::{Scope, TABLE, Variable};

/// A snapshot of environment variables.
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        // Not `vars()`, which panics on a value that is not UTF-8 even when nobody asks for it.
        let pairs = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(pairs.collect())
    }

    /// Given variables: tests, and the local gateway, which boots many functions in one process.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Variables whose names were read from the template.
impl From<BTreeMap<String, String>> for Environment {
    fn from(variables: BTreeMap<String, String>) -> Self {
        Self(variables)
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfiguration {
    /// One sentence for each variable that is missing or wrong; never a secret's value.
    pub problems: Vec<String>,
}

impl fmt::Display for InvalidConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s): {}", self.problems.len(), self.problems.join("; "))
    }
}

impl std::error::Error for InvalidConfiguration {}

/// Reads structs from an [`Environment`] and gathers what is wrong.
pub struct Reader<'a> {
    environment: &'a Environment,
    local: bool,
    problems: Vec<String>,
}

/// Reads a configuration: `read` runs to its end, so that all problems are found, and its value counts only when there were none.
///
/// # Errors
/// With every problem at once.
///
/// ```
/// use coportal_lambda::config::{self, Door, Environment, Pages};
/// let environment = Environment::of([("COPORTAL_APP_URL", "not a url".to_owned())]);
/// let error = config::read(&environment, |reader| (Door::read(reader), Pages::read(reader))).err();
/// assert!(error.is_some_and(|error| error.problems.len() == 3));
/// ```
pub fn read<T: Complete>(environment: &Environment, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T::Whole, InvalidConfiguration> {
    let mut reader = Reader { environment, local: environment.get(table::LOCAL.name) == Some("1"), problems: Vec::new() };
    reader.refuse_local_settings();
    let value = read(&mut reader).complete();
    match value {
        Some(value) if reader.problems.is_empty() => Ok(value),
        Some(_) | None => Err(InvalidConfiguration { problems: reader.problems }),
    }
}

/// A value, or a tuple of values, that is there once each part was read.
pub trait Complete {
    /// The value without its doubts.
    type Whole;
    /// The value, if every part is there.
    fn complete(self) -> Option<Self::Whole>;
}

impl<A> Complete for Option<A> {
    type Whole = A;
    fn complete(self) -> Option<A> {
        self
    }
}

macro_rules! complete_tuples {
    ($($($part:ident)+;)*) => {$(
        impl<$($part),+> Complete for ($(Option<$part>,)+) {
            type Whole = ($($part,)+);
            #[expect(non_snake_case, reason = "the macro names each variable as its type")]
            fn complete(self) -> Option<Self::Whole> {
                let ($($part,)+) = self;
                Some(($($part?,)+))
            }
        }
    )*};
}
complete_tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; }

impl<'a> Reader<'a> {
    /// Whether local-only settings are admitted.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    fn refuse_local_settings(&mut self) {
        if self.local {
            return;
        }
        for variable in TABLE.iter().filter(|variable| variable.scope == Scope::Local) {
            if self.environment.get(variable.name).is_some() {
                self.problems.push(format!("{} is for local running only (it needs {}=1)", variable.name, table::LOCAL.name));
            }
        }
        // The SDK's own per-service overrides: a table in somebody else's hands is as bad as a vendor in somebody else's.
        for name in self.environment.0.keys().filter(|name| name.starts_with("AWS_ENDPOINT_URL_")) {
            self.problems.push(format!("{name} is for local running only (it needs {}=1)", table::LOCAL.name));
        }
    }

    fn optional(&self, variable: &Variable) -> Option<&'a str> {
        self.environment.get(variable.name)
    }

    fn text(&mut self, variable: &Variable) -> Option<&'a str> {
        let value = self.optional(variable).or(variable.default);
        if value.is_none() {
            self.problems.push(format!("{} is missing: {}", variable.name, variable.what));
        }
        value
    }

    fn wrong(&mut self, variable: &Variable, expected: &str) {
        let plain_http = !self.local && self.optional(variable).is_some_and(|value| value.contains("http://"));
        let local = if plain_http { format!("; http is for local running only (it needs {}=1)", table::LOCAL.name) } else { String::new() };
        self.problems.push(format!("{} is not {expected} (example: {}){local}", variable.name, variable.example));
    }

    fn is_acceptable(&self, url: &Url) -> bool {
        let scheme = url.scheme() == "https" || url.scheme() == "http" && self.local;
        scheme && url.host_str().is_some() && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
    }

    fn parse_origin(&mut self, variable: &Variable, text: &str) -> Option<Url> {
        let origin = Url::parse(text).ok().filter(|url| self.is_acceptable(url) && url.path() == "/" && url.query().is_none());
        if origin.is_none() {
            self.wrong(variable, "an https origin without a path");
        }
        origin
    }

    fn origin(&mut self, variable: &Variable) -> Option<Url> {
        let text = self.text(variable)?;
        self.parse_origin(variable, text)
    }

    /// A local-only origin: `Some(None)` when absent (or refused already), `None` when wrong.
    fn local_origin(&mut self, variable: &Variable) -> Option<Option<Url>> {
        match self.optional(variable).filter(|_| self.local) {
            None => Some(None),
            Some(text) => self.parse_origin(variable, text).map(Some),
        }
    }
}

/// The AWS account's side: region, credentials, endpoint.
pub struct Aws {
    /// Region.
    pub region: String,
    /// Access key of the role.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// Its session token; absent only where no role is assumed (local running).
    pub session_token: Option<Secret>,
    /// The local cloud.
    pub endpoint: Option<Url>,
}

impl Aws {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let region = reader.text(&table::REGION);
        let access_key_id = reader.text(&table::ACCESS_KEY_ID);
        let secret_access_key = reader.text(&table::SECRET_ACCESS_KEY);
        let session_token = reader.optional(&table::SESSION_TOKEN).map(|token| Secret::new(token.to_owned()));
        let endpoint = reader.local_origin(&table::AWS_ENDPOINT);
        Some(Self {
            region: region?.to_owned(),
            access_key_id: access_key_id?.to_owned(),
            secret_access_key: Secret::new(secret_access_key?.to_owned()),
            session_token,
            endpoint: endpoint?,
        })
    }
}

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The table's name.
    pub table: String,
}

impl Database {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { table: reader.text(&table::DATABASE_TABLE)?.to_owned() })
    }
}

/// Where sync messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncQueues {
    /// Address of `sync-now`.
    pub now: Url,
    /// Address of `sync-bulk`.
    pub bulk: Url,
}

impl SyncQueues {
    /// Reads both, for a function that sends.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let now = Self::url(reader, &table::SYNC_NOW_URL);
        let bulk = Self::url(reader, &table::SYNC_BULK_URL);
        Some(Self { now: now?, bulk: bulk? })
    }

    fn url(reader: &mut Reader<'_>, variable: &Variable) -> Option<Url> {
        let text = reader.text(variable)?;
        let url = Url::parse(text).ok().filter(|url| reader.is_acceptable(url) && url.path().len() > 1 && url.query().is_none());
        if url.is_none() {
            reader.wrong(variable, "the https address of a queue");
        }
        url
    }
}

/// What wraps vendor tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// ARN or id of the KMS key.
    pub key: String,
}

impl Tokens {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { key: reader.text(&table::TOKEN_KEY)?.to_owned() })
    }
}

/// An issuer of bearer tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its `iss`, compared as text.
    pub issuer: String,
    /// Where its keys are.
    pub jwks: Url,
}

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Accepted issuers.
    pub issuers: Vec<Issuer>,
    /// Audience of a member's tokens.
    pub audience: String,
    /// The API's own origin.
    pub public_url: Url,
}

impl Door {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let issuers = reader.text(&table::ISSUERS).map(|list| {
            if list == NO_ISSUER {
                return Some(Vec::new());
            }
            let parsed: Option<Vec<Issuer>> = list.split(',').map(|entry| parse_issuer(reader, entry)).collect();
            if parsed.is_none() {
                reader.wrong(&table::ISSUERS, "a comma list of issuer=jwks_url with https addresses, or none");
            }
            parsed
        });
        let audience = reader.text(&table::AUDIENCE);
        let public_url = reader.origin(&table::PUBLIC_URL);
        Some(Self { issuers: issuers??, audience: audience?.to_owned(), public_url: public_url? })
    }
}

/// Says that nobody's tokens are accepted but those that this deployment makes of sessions. Said and not left out, so that a forgotten
/// variable is still noticed.
const NO_ISSUER: &str = "none";

fn parse_issuer(reader: &Reader<'_>, entry: &str) -> Option<Issuer> {
    let (issuer, jwks) = entry.trim().split_once('=')?;
    let both = |text: &str| Url::parse(text).ok().filter(|url| reader.is_acceptable(url));
    both(issuer).filter(|url| url.query().is_none())?;
    Some(Issuer { issuer: issuer.to_owned(), jwks: both(jwks)? })
}

/// The pages that people open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Their origin.
    pub app_url: Url,
}

impl Pages {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { app_url: reader.origin(&table::APP_URL)? })
    }
}

/// Whether a vendor has approved CoPortal's app (R9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// It can be connected.
    Available,
    /// It waits for the vendor's approval (R150).
    PendingApproval,
}

/// One ledger's app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerApp {
    /// The ledger.
    pub ledger: Ledger,
    /// SSM parameter of the client id.
    pub client_id_parameter: String,
    /// SSM parameter of the client secret.
    pub client_secret_parameter: String,
    /// Whether the vendor approved it.
    pub availability: Availability,
    /// The simulator, in place of every host of the vendor.
    pub simulator: Option<Url>,
}

/// The apps of all ledgers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerApps {
    /// One each.
    pub apps: Vec<LedgerApp>,
    /// QuickBooks companies are sandbox companies (R11).
    pub quickbooks_sandbox: bool,
}

impl LedgerApps {
    /// Reads them.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let apps: Vec<Option<LedgerApp>> = table::LEDGERS.iter().map(|variables| LedgerApp::read(reader, variables)).collect();
        let quickbooks_sandbox = match reader.text(&table::QUICKBOOKS_ENVIRONMENT) {
            Some("production") => Some(false),
            Some("sandbox") => Some(true),
            Some(_) | None => {
                reader.wrong(&table::QUICKBOOKS_ENVIRONMENT, "production or sandbox");
                None
            }
        };
        Some(Self { apps: apps.into_iter().collect::<Option<_>>()?, quickbooks_sandbox: quickbooks_sandbox? })
    }
}

impl LedgerApp {
    fn read(reader: &mut Reader<'_>, variables: &table::LedgerVariables) -> Option<Self> {
        let client_id_parameter = reader.text(&variables.client_id).map(str::to_owned);
        let client_secret_parameter = reader.text(&variables.client_secret).map(str::to_owned);
        let availability = match reader.text(&variables.availability) {
            Some("available") => Some(Availability::Available),
            Some("pending_approval") => Some(Availability::PendingApproval),
            Some(_) | None => {
                reader.wrong(&variables.availability, "available or pending_approval");
                None
            }
        };
        let simulator = reader.local_origin(&variables.url);
        Some(Self {
            ledger: variables.ledger,
            client_id_parameter: client_id_parameter?,
            client_secret_parameter: client_secret_parameter?,
            availability: availability?,
            simulator: simulator?,
        })
    }
}

/// Sign-in through customers' identity providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// ARN or id of the KMS key that signs tokens made of sessions.
    pub signing_key: String,
    /// SSM parameters of the client id and client secret at Google.
    pub google: [String; 2],
    /// SSM parameters of the client id and client secret at Microsoft.
    pub microsoft: [String; 2],
    /// Another issuer than Google's, for local running.
    pub google_issuer: Option<String>,
    /// Another authority than Microsoft's, for local running.
    pub microsoft_authority: Option<String>,
}

impl SignIn {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut text = |variable| reader.text(variable).map(str::to_owned);
        let signing_key = text(&table::SIGNING_KEY);
        let [google_id, google_secret] = [&table::GOOGLE_CLIENT_ID, &table::GOOGLE_CLIENT_SECRET].map(&mut text);
        let [microsoft_id, microsoft_secret] = [&table::MICROSOFT_CLIENT_ID, &table::MICROSOFT_CLIENT_SECRET].map(&mut text);
        Some(Self {
            signing_key: signing_key?,
            google: [google_id?, google_secret?],
            microsoft: [microsoft_id?, microsoft_secret?],
            google_issuer: local(reader, &table::GOOGLE_ISSUER),
            microsoft_authority: local(reader, &table::MICROSOFT_AUTHORITY),
        })
    }
}

/// How customers' identity providers and domains are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Providers {
    /// Resolvers; the machine's own when empty.
    pub dns_servers: Vec<SocketAddr>,
    /// Origins of this machine that may be fetched from, for local running: a comma list.
    pub origins: String,
}

impl Providers {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let dns_servers = match reader.text(&table::DNS_SERVERS) {
            Some("system") => Some(Vec::new()),
            Some(list) => list.split(',').map(|server| server.trim().parse().ok()).collect(),
            None => None,
        };
        if dns_servers.is_none() {
            reader.wrong(&table::DNS_SERVERS, "`system` or a comma list of address:port");
        }
        Some(Self { dns_servers: dns_servers?, origins: local(reader, &table::PROVIDER_ORIGINS).unwrap_or_default() })
    }
}

/// A setting of local running; absent anywhere else.
fn local(reader: &Reader<'_>, variable: &Variable) -> Option<String> {
    reader.optional(variable).filter(|_| reader.local).map(str::to_owned)
}

/// What is logged and measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// `service` of each line, where it is not the function's name.
    pub service: Option<String>,
    /// Namespace of the metrics.
    pub namespace: String,
    /// Least level logged.
    pub level: tracing::Level,
}

impl Telemetry {
    /// Reads it.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let service = reader.optional(&table::SERVICE_NAME).map(str::to_owned);
        let namespace = reader.text(&table::METRICS_NAMESPACE);
        let level = match reader.text(&table::LOG_LEVEL).map(str::to_ascii_lowercase).as_deref() {
            Some("trace") => Some(tracing::Level::TRACE),
            Some("debug") => Some(tracing::Level::DEBUG),
            Some("info") => Some(tracing::Level::INFO),
            Some("warn" | "warning") => Some(tracing::Level::WARN),
            Some("error" | "critical") => Some(tracing::Level::ERROR),
            Some(_) | None => {
                reader.wrong(&table::LOG_LEVEL, "trace, debug, info, warn or error");
                None
            }
        };
        Some(Self { service, namespace: namespace?.to_owned(), level: level? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Vec<(&'static str, String)> {
        TABLE
            .iter()
            .filter(|variable| variable.scope != Scope::Local)
            .map(|variable| (variable.name, variable.example.to_owned()))
            .collect()
    }

    fn everything(
        variables: Vec<(&'static str, String)>,
    ) -> Result<(Aws, Database, Tokens, Door, Pages, LedgerApps), InvalidConfiguration> {
        read(&Environment::of(variables), |r| {
            (Aws::read(r), Database::read(r), Tokens::read(r), Door::read(r), Pages::read(r), LedgerApps::read(r))
        })
    }

    fn queues(variables: Vec<(&'static str, String)>) -> Result<SyncQueues, InvalidConfiguration> {
        read(&Environment::of(variables), SyncQueues::read)
    }

    #[test]
    fn every_example_is_accepted() {
        let (aws, database, _, door, pages, apps) = everything(complete()).unwrap();
        assert_eq!(aws.endpoint, None);
        assert_eq!(database.table, "coportal-Table-1A2B3C");
        assert_eq!(door.issuers.first().unwrap().issuer, "https://id.example.com");
        assert_eq!(pages.app_url.as_str(), "https://app.coportal.example/");
        assert_eq!(apps.apps.iter().map(|app| app.ledger).collect::<Vec<_>>(), Ledger::ALL);
        assert!(apps.apps.iter().all(|app| app.availability == Availability::PendingApproval));
        assert!(apps.quickbooks_sandbox, "R11: the sandbox is a setting");
        read(&Environment::of(complete()), Telemetry::read).unwrap();
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = everything(Vec::new()).err().unwrap().problems;
        for name in [
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "COPORTAL_TABLE",
            "COPORTAL_TOKEN_KEY",
            "COPORTAL_ISSUERS",
            "COPORTAL_PUBLIC_URL",
            "COPORTAL_APP_URL",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(&format!("{name} is missing"))), "{name}: {problems:?}");
        }
    }

    #[test]
    fn a_deployment_may_accept_nobodys_tokens_but_its_own() {
        let mut variables = complete();
        variables.retain(|(name, _)| *name != "COPORTAL_ISSUERS");
        variables.push(("COPORTAL_ISSUERS", "none".to_owned()));
        assert_eq!(everything(variables).unwrap().3.issuers, Vec::new());
    }

    /// A function that sends does not start without the addresses; others never read them.
    #[test]
    fn the_queues_of_a_function_that_sends() {
        let queues_of = |now: &str| {
            let mut variables = complete();
            variables.retain(|(name, _)| *name != "COPORTAL_SYNC_NOW_URL");
            variables.push(("COPORTAL_SYNC_NOW_URL", now.to_owned()));
            queues(variables)
        };
        assert_eq!(queues(complete()).unwrap().bulk.path(), "/111122223333/coportal-SyncBulk-1A2B3C");
        assert_eq!(queues(Vec::new()).err().unwrap().problems.len(), 2);
        for wrong in ["", "sync-now", "http://sqs.eu-west-1.amazonaws.com/1/q", "https://sqs.eu-west-1.amazonaws.com", "https://a@sqs/1/q"]
        {
            let error = queues_of(wrong).err().unwrap();
            assert!(error.problems.len() == 1 && error.to_string().contains("COPORTAL_SYNC_NOW_URL"), "{wrong}: {error}");
        }
        assert!(everything(complete().into_iter().filter(|(name, _)| !name.contains("SYNC")).collect()).is_ok());
    }

    /// Design decision 17: local-only things cannot reach production.
    #[test]
    fn local_settings_are_refused_without_the_switch() {
        for (name, value) in [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1"),
            ("COPORTAL_XERO_URL", "http://127.0.0.1:1"),
            ("COPORTAL_BUSINESS_CENTRAL_URL", "http://127.0.0.1:1"),
            ("COPORTAL_ISSUERS", "http://id.example.com=http://id.example.com/jwks"),
            ("COPORTAL_ISSUERS", "https://id.example.com=http://id.example.com/jwks"),
            ("COPORTAL_PUBLIC_URL", "http://api.example.com"),
            ("COPORTAL_APP_URL", "http://app.example.com"),
            ("COPORTAL_LOCAL", "yes"),
        ] {
            let mut variables = complete();
            variables.retain(|(known, _)| *known != name);
            variables.push((name, value.to_owned()));
            let refusal = everything(variables.clone()).err().unwrap();
            assert_eq!(refusal.problems.len(), 1, "{name}: {refusal}");
            // The message names what was set, and the switch that admits it.
            for named in [name, "COPORTAL_LOCAL"] {
                assert!(refusal.to_string().contains(named), "{named}: {refusal}");
            }
            if name != "COPORTAL_LOCAL" {
                variables.push(("COPORTAL_LOCAL", "1".to_owned()));
                assert!(everything(variables).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn values_that_are_not_what_they_should_be() {
        for (name, value) in [
            ("COPORTAL_PUBLIC_URL", "https://api.example.com/path"),
            ("COPORTAL_PUBLIC_URL", "https://user:password@api.example.com"),
            ("COPORTAL_APP_URL", "app.example.com"),
            ("COPORTAL_ISSUERS", "https://id.example.com"),
            ("COPORTAL_ISSUERS", "https://id.example.com=https://id.example.com/jwks,"),
            ("COPORTAL_XERO_AVAILABILITY", "soon"),
            ("COPORTAL_SAGE_AVAILABILITY", "never"),
            ("COPORTAL_QUICKBOOKS_ENVIRONMENT", "live"),
        ] {
            let mut variables = complete();
            variables.retain(|(known, _)| *known != name);
            variables.push((name, value.to_owned()));
            let error = everything(variables).err().unwrap();
            assert!(error.to_string().contains(name), "{error}");
            assert!(!error.to_string().contains("password"), "{error}");
        }
    }

    #[test]
    fn defaults_are_values_that_would_be_accepted() {
        let required = complete().into_iter().filter(|(name, _)| TABLE.iter().any(|v| v.name == *name && v.default.is_none()));
        everything(required.collect()).unwrap();
        assert_eq!(
            read(&Environment::of([]), Telemetry::read).unwrap(),
            Telemetry { service: None, namespace: "CoPortal".to_owned(), level: tracing::Level::INFO }
        );
    }

    #[test]
    fn the_table_prints_each_variable_once() {
        let text = table::markdown();
        for variable in TABLE {
            assert_eq!(text.matches(&format!("| `{}` |", variable.name)).count(), 1, "{}", variable.name);
        }
    }
}
