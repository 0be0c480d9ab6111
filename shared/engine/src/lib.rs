//! The use cases: connect, choose, sync, settle, resolve.
//!
//! A use case reads what a decision needs, lets `coportal-core` decide, performs the one step it names, and stores what came of it. The
//! order is always the same: intent before effect, outcome on the intent's id (design decisions 7 and 8).

pub mod access;
pub mod auto_sync;
pub mod connect;
pub mod import;
pub mod jobs;
pub mod keep;
pub mod permits;
pub mod sync;

use std::collections::BTreeMap;
use std::sync::Arc;

use coportal_aws::parameters::Parameters;
use coportal_aws::queues::Queues;
use coportal_aws::store::Store;
use coportal_aws::vault::Vault;
use coportal_core::ledger::Ledger;
use coportal_ledgers::Ledgers;

/// What a deployment says about one ledger.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// Name of the parameter that holds our app's client id.
    pub client_id_parameter: String,
    /// Name of the parameter that holds our app's client secret.
    pub client_secret_parameter: String,
    /// Whether the vendor has approved the app (R9, R150): until then connecting is refused with the reason.
    pub available: bool,
}

/// Addresses and settings that use cases need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API is reached from outside, without a trailing slash: callbacks are below it.
    pub public_url: String,
    /// Where CoPortal's own pages live, without a trailing slash: an invoice's page is `{app_url}/invoices/{id}`.
    pub app_url: String,
    /// Ledgers that this deployment has.
    pub ledgers: BTreeMap<Ledger, LedgerSettings>,
}

/// The use cases and what they work with. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    /// The records.
    pub store: Store,
    /// The token vault.
    pub vault: Vault,
    /// The sync queues.
    pub queues: Queues,
    /// Parameters and secrets of the deployment.
    pub parameters: Parameters,
    /// The ledgers.
    pub ledgers: Ledgers,
    /// Addresses and settings.
    pub settings: Arc<Settings>,
}

impl Engine {
    /// The address a ledger sends users back to.
    #[must_use]
    pub fn redirect_uri(&self, ledger: Ledger) -> String {
        format!("{}/v1/oauth/{ledger}/callback", self.settings.public_url)
    }

    /// The page of an invoice in CoPortal: the owner's mark on its document.
    #[must_use]
    pub fn invoice_url(&self, invoice: coportal_core::id::InvoiceId) -> String {
        format!("{}/invoices/{invoice}", self.settings.app_url)
    }
}
