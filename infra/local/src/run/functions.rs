//! Every function, booted as Lambda boots it: the environment is worked out from the template, the machine is this one.

use std::collections::{BTreeMap, HashMap};

use std::net::SocketAddr;

use axum::Router;
use coportal_lambda::boot::{Boot, BootError, Machine};
use coportal_lambda::config::{Environment, table};

use simulators::identity_provider::served::IdentityProviders;

use super::ledgers::SimulatedLedger;
use super::{OtherProviders, RunError};
use crate::assembly::LocalCloud;
use crate::aws_json::REGION;
use crate::pumps::Handler;

type Mount = fn(&Boot) -> Result<Router, BootError>;

/// The functions of this build by their one name. The gateway refuses a list that is not exactly the template's.
const FUNCTIONS: [(&str, Mount); 7] = [
    ("sso-routing", |boot| Ok(sso_routing::router(sso_routing::state(boot)?))),
    ("oauth-callback", |boot| boot.engine().map(|(shell, engine)| oauth_callback::router(oauth_callback::AppState { shell, engine }))),
    ("import-preview", |boot| {
        boot.sending_engine().map(|(shell, engine)| import_preview::router(import_preview::AppState { shell, engine }))
    }),
    ("clients", |boot| Ok(clients::router(boot.records_only()?))),
    ("invoices", |boot| Ok(invoices::router(boot.records_only()?))),
    ("invoice-sync", |boot| boot.sending_engine().map(|(shell, engine)| invoice_sync::router(invoice_sync::AppState { shell, engine }))),
    ("settings-page", |boot| boot.sending_engine().map(|(shell, engine)| settings_page::router(settings_page::AppState { shell, engine }))),
];

type Listen = fn(&Boot) -> Result<Handler, coportal_lambda::boot::Error>;

/// The functions of this build that run without a request. The pumps refuse a list that is not exactly the template's.
const LISTENING: [(&str, Listen); 5] = [
    (auto_sync_fanout::NAME, |boot| {
        let state = auto_sync_fanout::State::of(boot)?;
        Ok(Handler::of(move |event| auto_sync_fanout::handle(state.clone(), event)))
    }),
    (auto_sync_worker::NAME, |boot| {
        let state = auto_sync_worker::State::of(boot)?;
        Ok(Handler::of(move |event| auto_sync_worker::handle(state.clone(), event)))
    }),
    (sign_in_keeper::NAME, |boot| {
        let state = sign_in_keeper::State::of(boot)?;
        Ok(Handler::of(move |event| sign_in_keeper::handle(state.clone(), event)))
    }),
    (sweep::NAME, |boot| {
        let state = sweep::State::of(boot)?;
        Ok(Handler::of(move |event| sweep::handle(state.clone(), event)))
    }),
    (token_keeper::NAME, |boot| {
        let state = token_keeper::State::of(boot)?;
        Ok(Handler::of(move |event| token_keeper::handle(state.clone(), event)))
    }),
];

/// Where the functions reach the outside here.
pub(super) struct Addresses<'a> {
    /// DynamoDB, KMS, SQS and SSM.
    pub(super) aws: &'a str,
    /// The simulators.
    pub(super) ledgers: &'a [SimulatedLedger],
    /// Customers' identity providers.
    pub(super) providers: &'a IdentityProviders,
    /// Their origin.
    pub(super) providers_origin: &'a str,
    /// In place of the simulated Google and Microsoft.
    pub(super) other_providers: Option<&'a OtherProviders>,
    /// The name server.
    pub(super) dns: SocketAddr,
    /// QuickBooks is the vendor's own, with a sandbox company.
    pub(super) quickbooks_sandbox: bool,
}

/// The routers by binary name.
pub(super) fn routers(local: &LocalCloud, at: &Addresses<'_>, machine: &Machine) -> Result<HashMap<String, Router>, RunError> {
    let mut routers = HashMap::new();
    for (binary, mount) in FUNCTIONS {
        let boot = Boot::new(binary, environment(local, at, binary)?.into(), machine.clone());
        routers.insert(binary.to_owned(), mount(&boot)?);
    }
    Ok(routers)
}

/// The handlers of events by binary name.
pub(super) fn handlers(local: &LocalCloud, at: &Addresses<'_>, machine: &Machine) -> Result<HashMap<String, Handler>, RunError> {
    let mut handlers = HashMap::new();
    for (binary, listen) in LISTENING {
        let boot = Boot::new(binary, environment(local, at, binary)?.into(), machine.clone());
        let handler = listen(&boot).map_err(|error| RunError::Function { binary: binary.to_owned(), problem: error.to_string() })?;
        handlers.insert(binary.to_owned(), handler);
    }
    Ok(handlers)
}

/// The shell of the local routes themselves. They stand on records alone, as the clients function does, and have its environment.
pub(super) fn local_shell(local: &LocalCloud, at: &Addresses<'_>, machine: &Machine) -> Result<coportal_lambda::shell::Shell, RunError> {
    let environment: Environment = environment(local, at, "clients")?.into();
    Ok(Boot::new("local", environment, machine.clone()).records_only().map_err(BootError::from)?)
}

/// The environment of all functions together: what one of them reads and another does not, the other never looks at.
pub(super) fn shared_environment(local: &LocalCloud, at: &Addresses<'_>) -> Result<BTreeMap<String, String>, RunError> {
    let mut shared = BTreeMap::new();
    for function in local.template.functions.values() {
        shared.extend(environment(local, at, &function.binary)?);
    }
    Ok(shared)
}

/// What the template gives the function, what the Lambda runtime would add, and the local-only settings (design decision 17).
pub(super) fn environment(local: &LocalCloud, at: &Addresses<'_>, binary: &str) -> Result<BTreeMap<String, String>, RunError> {
    let function = local.template.function_of_binary(binary).ok_or_else(|| RunError::NotInTemplate(binary.to_owned()))?;
    let mut variables = local.template.environment(&function.logical_id, &local.bindings())?;
    let added = [
        // Signatures are not verified by the local cloud; the SDK wants credentials all the same.
        (table::REGION, REGION),
        (table::ACCESS_KEY_ID, "local"),
        (table::SECRET_ACCESS_KEY, "local"),
        (table::LOCAL, "1"),
        (table::AWS_ENDPOINT, at.aws),
    ];
    variables.extend(added.map(|(variable, value)| (variable.name.to_owned(), value.to_owned())));
    let providers = [
        (table::GOOGLE_ISSUER, at.providers.google_issuer()),
        (table::MICROSOFT_AUTHORITY, at.providers.microsoft_authority()),
        (table::PROVIDER_ORIGINS, at.providers_origin.to_owned()),
        (table::DNS_SERVERS, at.dns.to_string()),
    ];
    variables.extend(providers.map(|(variable, value)| (variable.name.to_owned(), value)));
    if let Some(other) = at.other_providers {
        variables.insert(table::GOOGLE_ISSUER.name.to_owned(), other.google_issuer.clone());
        variables.insert(table::MICROSOFT_AUTHORITY.name.to_owned(), other.microsoft_authority.clone());
        variables.insert(table::PROVIDER_ORIGINS.name.to_owned(), format!("{},{}", at.providers_origin, other.origins));
    }
    if at.quickbooks_sandbox {
        variables.insert(table::QUICKBOOKS_ENVIRONMENT.name.to_owned(), "sandbox".to_owned());
    }
    variables.extend(at.ledgers.iter().map(|ledger| (ledger.variables.url.name.to_owned(), ledger.origin.clone())));
    Ok(variables)
}
