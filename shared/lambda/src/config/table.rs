//! The variables: one constant each, so that what is read and what is documented cannot differ.

use coportal_core::ledger::Ledger;

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it sets, in a sentence.
    pub what: &'static str,
    /// What counts when it is absent; `None` when it must be set (or, for [`Scope::Local`], stays unset).
    pub default: Option<&'static str>,
    /// A value that would be accepted.
    pub example: &'static str,
    /// Whether the value is a secret: then it is never repeated, not even in an error.
    pub secret: bool,
    /// Who sets it.
    pub scope: Scope,
}

/// Who sets a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The deployment template.
    Deployment,
    /// The Lambda runtime, by itself.
    Runtime,
    /// Local running only; refused unless `COPORTAL_LOCAL=1` (which no template sets).
    Local,
}

const fn deployed(name: &'static str, what: &'static str, default: Option<&'static str>, example: &'static str) -> Variable {
    Variable { name, what, default, example, secret: false, scope: Scope::Deployment }
}

const fn runtime(name: &'static str, what: &'static str, example: &'static str, secret: bool) -> Variable {
    Variable { name, what, default: None, example, secret, scope: Scope::Runtime }
}

const fn local(name: &'static str, what: &'static str, example: &'static str) -> Variable {
    Variable { name, what, default: None, example, secret: false, scope: Scope::Local }
}

/// The table.
pub const DATABASE_TABLE: Variable = deployed("COPORTAL_TABLE", "Name of the DynamoDB table.", None, "coportal-Table-1A2B3C");
/// The key that wraps tokens.
pub const TOKEN_KEY: Variable = deployed(
    "COPORTAL_TOKEN_KEY",
    "ARN or id of the KMS key that wraps vendor tokens; needed by the functions that use them.",
    None,
    "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000000",
);
/// The queue of what somebody waits for.
pub const SYNC_NOW_URL: Variable = deployed(
    "COPORTAL_SYNC_NOW_URL",
    "Address of the queue `sync-now`; needed by the functions that send to it.",
    None,
    "https://sqs.eu-west-1.amazonaws.com/111122223333/coportal-SyncNow-1A2B3C",
);
/// The queue of vendor batches.
pub const SYNC_BULK_URL: Variable = deployed(
    "COPORTAL_SYNC_BULK_URL",
    "Address of the queue `sync-bulk`; needed by the functions that send to it.",
    None,
    "https://sqs.eu-west-1.amazonaws.com/111122223333/coportal-SyncBulk-1A2B3C",
);
/// Token issuers.
pub const ISSUERS: Variable = deployed(
    "COPORTAL_ISSUERS",
    "Issuers whose bearer tokens are accepted: a comma list of `issuer=jwks_url`, https only; `none` for nobody's but its own.",
    None,
    "https://id.example.com=https://id.example.com/.well-known/jwks.json",
);
/// The audience of bearer tokens.
pub const AUDIENCE: Variable = deployed(
    "COPORTAL_AUDIENCE",
    "`aud` of a member's bearer tokens; service tokens carry it followed by `/service`.",
    Some("coportal"),
    "coportal",
);
/// The API's own origin.
pub const PUBLIC_URL: Variable = deployed(
    "COPORTAL_PUBLIC_URL",
    "Origin under which browsers reach the API: redirect URIs are built on it and the `Origin` of writes is compared with it.",
    None,
    "https://api.coportal.example",
);
/// The app's origin.
pub const APP_URL: Variable = deployed(
    "COPORTAL_APP_URL",
    "Origin of the pages that people open; an invoice's page under it is the mark that CoPortal leaves on a ledger's document.",
    None,
    "https://app.coportal.example",
);
/// The variables of one ledger's app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerVariables {
    /// The ledger.
    pub ledger: Ledger,
    /// Where the OAuth client id is kept.
    pub client_id: Variable,
    /// Where the OAuth client secret is kept.
    pub client_secret: Variable,
    /// Whether the vendor approved the app.
    pub availability: Variable,
    /// Another address, for local running.
    pub url: Variable,
}

macro_rules! ledger_variables {
    ($ledger:expr, $name:literal, $slug:literal, $label:literal) => {
        LedgerVariables {
            ledger: $ledger,
            client_id: deployed(
                concat!("COPORTAL_", $name, "_CLIENT_ID_PARAMETER"),
                concat!("SSM parameter that holds the OAuth client id of the ", $label, " app."),
                Some(concat!("/coportal/", $slug, "/client-id")),
                concat!("/coportal/", $slug, "/client-id"),
            ),
            client_secret: deployed(
                concat!("COPORTAL_", $name, "_CLIENT_SECRET_PARAMETER"),
                concat!("SSM SecureString parameter that holds the OAuth client secret of the ", $label, " app."),
                Some(concat!("/coportal/", $slug, "/client-secret")),
                concat!("/coportal/", $slug, "/client-secret"),
            ),
            availability: deployed(
                concat!("COPORTAL_", $name, "_AVAILABILITY"),
                concat!("What the integrations page says about the ", $label, " app's approval: `available` or `pending_approval` (R9)."),
                Some("available"),
                "pending_approval",
            ),
            url: local(
                concat!("COPORTAL_", $name, "_URL"),
                concat!("Address of the ", $label, " simulator, instead of the vendor's own hosts."),
                "http://127.0.0.1:8789",
            ),
        }
    };
}

/// Xero's app.
pub const XERO: LedgerVariables = ledger_variables!(Ledger::Xero, "XERO", "xero", "Xero");
/// QuickBooks Online's app.
pub const QUICKBOOKS: LedgerVariables = ledger_variables!(Ledger::Quickbooks, "QUICKBOOKS", "quickbooks", "QuickBooks");
/// Sage's app.
pub const SAGE: LedgerVariables = ledger_variables!(Ledger::Sage, "SAGE", "sage", "Sage");
/// Business Central's app.
pub const BUSINESS_CENTRAL: LedgerVariables =
    ledger_variables!(Ledger::BusinessCentral, "BUSINESS_CENTRAL", "business-central", "Business Central");
/// The apps of all ledgers.
pub const LEDGERS: [LedgerVariables; 4] = [XERO, QUICKBOOKS, SAGE, BUSINESS_CENTRAL];
/// Which QuickBooks.
pub const QUICKBOOKS_ENVIRONMENT: Variable = deployed(
    "COPORTAL_QUICKBOOKS_ENVIRONMENT",
    "`production`, or `sandbox`: then companies are sandbox companies, and their cards say so (R11).",
    Some("production"),
    "sandbox",
);
/// The key that signs tokens.
pub const SIGNING_KEY: Variable = deployed(
    "COPORTAL_SIGNING_KEY",
    "ARN or id of the KMS key (ECC, P-256) that signs the tokens which are made of sessions; needed by sign-in alone.",
    None,
    "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000001",
);
/// Google's client id.
pub const GOOGLE_CLIENT_ID: Variable = deployed(
    "COPORTAL_GOOGLE_CLIENT_ID_PARAMETER",
    "SSM parameter that holds the OAuth client id of CoPortal's registration at Google, for single sign-on.",
    Some("/coportal/google/client-id"),
    "/coportal/google/client-id",
);
/// Google's client secret.
pub const GOOGLE_CLIENT_SECRET: Variable = deployed(
    "COPORTAL_GOOGLE_CLIENT_SECRET_PARAMETER",
    "SSM SecureString parameter that holds the OAuth client secret of CoPortal's registration at Google.",
    Some("/coportal/google/client-secret"),
    "/coportal/google/client-secret",
);
/// Microsoft's client id.
pub const MICROSOFT_CLIENT_ID: Variable = deployed(
    "COPORTAL_MICROSOFT_CLIENT_ID_PARAMETER",
    "SSM parameter that holds the application id of CoPortal's registration at Microsoft, for single sign-on.",
    Some("/coportal/microsoft/client-id"),
    "/coportal/microsoft/client-id",
);
/// Microsoft's client secret.
pub const MICROSOFT_CLIENT_SECRET: Variable = deployed(
    "COPORTAL_MICROSOFT_CLIENT_SECRET_PARAMETER",
    "SSM SecureString parameter that holds the client secret of CoPortal's registration at Microsoft.",
    Some("/coportal/microsoft/client-secret"),
    "/coportal/microsoft/client-secret",
);
/// The resolvers of the DNS.
pub const DNS_SERVERS: Variable = deployed(
    "COPORTAL_DNS_SERVERS",
    "Resolvers that are asked for domain proofs and for the addresses of metadata URLs: a comma list of `address:port`, or `system` for those of the machine.",
    Some("system"),
    "1.1.1.1:53,9.9.9.9:53",
);
/// Google's issuer, for local running.
pub const GOOGLE_ISSUER: Variable = local("COPORTAL_GOOGLE_ISSUER", "Issuer in place of Google's.", "http://127.0.0.1:8793/google");
/// Microsoft's authority, for local running.
pub const MICROSOFT_AUTHORITY: Variable =
    local("COPORTAL_MICROSOFT_AUTHORITY", "Authority in place of Microsoft's.", "http://127.0.0.1:8793/microsoft");
/// Identity providers of this machine.
pub const PROVIDER_ORIGINS: Variable = local(
    "COPORTAL_PROVIDER_ORIGINS",
    "Origins of identity providers on this machine, which the guarded fetch may call: a comma list.",
    "http://127.0.0.1:8793",
);
/// The service name in logs.
pub const SERVICE_NAME: Variable =
    deployed("POWERTOOLS_SERVICE_NAME", "`service` of every log line; the function's own name when absent.", Some(""), "coportal");
/// The namespace of metrics.
pub const METRICS_NAMESPACE: Variable =
    deployed("POWERTOOLS_METRICS_NAMESPACE", "CloudWatch namespace of the metrics.", Some("CoPortal"), "CoPortal");
/// The log level.
pub const LOG_LEVEL: Variable =
    deployed("LOG_LEVEL", "Least level that is logged: `trace`, `debug`, `info`, `warn` or `error`.", Some("info"), "debug");
/// The AWS region.
pub const REGION: Variable = runtime("AWS_REGION", "Region of the function.", "eu-west-1", false);
/// The access key.
pub const ACCESS_KEY_ID: Variable = runtime("AWS_ACCESS_KEY_ID", "Access key of the function's role.", "AKIDEXAMPLE", false);
/// The secret key.
pub const SECRET_ACCESS_KEY: Variable = runtime("AWS_SECRET_ACCESS_KEY", "Secret key of the function's role.", "(secret)", true);
/// The session token.
pub const SESSION_TOKEN: Variable = runtime("AWS_SESSION_TOKEN", "Session token of the function's role.", "(secret)", true);
/// The switch that admits local settings.
pub const LOCAL: Variable = local(
    "COPORTAL_LOCAL",
    "`1` admits the local-only settings below and http addresses; set by `cargo run` alone, never by a template.",
    "1",
);
/// Another AWS endpoint.
pub const AWS_ENDPOINT: Variable =
    local("AWS_ENDPOINT_URL", "Address of the local cloud, instead of AWS's own endpoints.", "http://127.0.0.1:8788");
/// Every variable that any function reads, in the order of the README's configuration table.
pub const TABLE: &[Variable] = &[
    DATABASE_TABLE,
    TOKEN_KEY,
    SYNC_NOW_URL,
    SYNC_BULK_URL,
    ISSUERS,
    AUDIENCE,
    PUBLIC_URL,
    APP_URL,
    XERO.client_id,
    XERO.client_secret,
    XERO.availability,
    QUICKBOOKS.client_id,
    QUICKBOOKS.client_secret,
    QUICKBOOKS.availability,
    QUICKBOOKS_ENVIRONMENT,
    SAGE.client_id,
    SAGE.client_secret,
    SAGE.availability,
    BUSINESS_CENTRAL.client_id,
    BUSINESS_CENTRAL.client_secret,
    BUSINESS_CENTRAL.availability,
    SIGNING_KEY,
    GOOGLE_CLIENT_ID,
    GOOGLE_CLIENT_SECRET,
    MICROSOFT_CLIENT_ID,
    MICROSOFT_CLIENT_SECRET,
    DNS_SERVERS,
    SERVICE_NAME,
    METRICS_NAMESPACE,
    LOG_LEVEL,
    REGION,
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    LOCAL,
    AWS_ENDPOINT,
    XERO.url,
    QUICKBOOKS.url,
    SAGE.url,
    BUSINESS_CENTRAL.url,
    GOOGLE_ISSUER,
    MICROSOFT_AUTHORITY,
    PROVIDER_ORIGINS,
];

/// The table as Markdown, for the README; a test compares the two.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| variable | what it sets | default | example | set by |\n|---|---|---|---|---|\n");
    for variable in TABLE {
        let default = match variable.default {
            Some("") => "the function's name".to_owned(),
            Some(value) => format!("`{value}`"),
            None => match variable.scope {
                Scope::Deployment => "required".to_owned(),
                Scope::Runtime | Scope::Local => "-".to_owned(),
            },
        };
        let example = if variable.secret { "(secret)".to_owned() } else { format!("`{}`", variable.example) };
        let scope = match variable.scope {
            Scope::Deployment => "template",
            Scope::Runtime => "Lambda",
            Scope::Local => "local only",
        };
        text.push_str(&format!("| `{}` | {} | {default} | {example} | {scope} |\n", variable.name, variable.what));
    }
    text
}
