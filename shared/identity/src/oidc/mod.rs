//! Google Workspace and Microsoft Entra ID, by OpenID Connect (code flow with PKCE).
//!
//! Google: one registration of CoPortal's for every customer, nothing to configure there (R106). What proves membership of a Workspace
//! is the signed `hd` claim, not the address. Entra (R107): a connection is bound to one tenant when it is set up; from then on the
//! tenant's own issuer is used and nothing else, never `common`.

mod aadsts;
mod cache;
mod claims;
mod flow;
mod tenant;
mod transport;

use std::sync::Arc;

use coportal_core::secret::Secret;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::aadsts::{Aadsts, aadsts, aadsts_of};
pub use self::cache::{CachedProvider, ProviderCache};
pub use self::flow::{Bound, Callback, Hints, Oidc, Pending, Started, Verified};
pub use self::tenant::TenantId;
use crate::domain::Domain;

/// CoPortal's registration at a provider.
#[derive(Clone)]
pub struct Registration {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: Arc<Secret>,
}

/// Where the providers are and how CoPortal is registered there.
#[derive(Clone)]
pub struct Providers {
    /// Google's issuer, letter by letter as its tokens name it: `https://accounts.google.com` wherever the product is deployed.
    pub google_issuer: String,
    /// Hosts besides the issuer's own that Google's discovery document may name.
    pub google_hosts: Vec<String>,
    /// The registration at Google.
    pub google: Option<Registration>,
    /// Microsoft's authority, `https://login.microsoftonline.com` wherever the product is deployed; a tenant's issuer is below it.
    pub microsoft_authority: String,
    /// The registration at Microsoft.
    pub microsoft: Option<Registration>,
    /// Our callback, as registered: `…/v1/sso/oidc/callback`.
    pub redirect_uri: Url,
}

/// A connection's provider, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum Provider {
    /// Google Workspace.
    Google {
        /// The `hd` that the first test sign-in showed. Before it any of the connection's proven domains is taken, afterwards this alone.
        hosted_domain: Option<Domain>,
    },
    /// Microsoft Entra ID.
    Microsoft {
        /// The tenant, read from a verified ID token at set-up.
        tenant: TenantId,
    },
}
