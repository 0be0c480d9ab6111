//! Sign-in through a customer's own identity provider, as use cases over the records.
//!
//! What a protocol means is decided by `coportal-identity`, which keeps nothing; what is kept is `coportal-aws`'s. Here the two meet:
//! a sign-in begins, comes back, is spent once, and becomes a user; a connection is set up, tried and enforced; a domain is asked for,
//! proved and looked at again. Whoever answers HTTP or a schedule calls a method of [`SignIn`] and nothing else.

mod account;
mod approvals;
mod audit;
mod break_glass;
mod connections;
mod domains;
mod enforce;
mod flow;
mod keeper;
mod problems;
mod providers;
mod routing;
mod saml;
mod settings;
mod tokens;
mod views;

use std::sync::{Arc, Mutex};

use coportal_aws::parameters::Parameters;
use coportal_aws::signing::Signer;
use coportal_aws::store::Store;
use coportal_core::ctx::Ctx;
use coportal_identity::domain::{Domain, TxtLookup};
use coportal_identity::fetch::{Fetch, Guard};
use coportal_identity::oidc::Oidc;
use coportal_identity::saml::ServiceProvider;
use url::Url;

pub use approvals::{Answered, ApprovalAnswer, ApprovalView};
pub use break_glass::{BreakGlassEntry, IssuedCodes};
pub use connections::{CreateConnection, HeldAnswer};
pub use domains::AskDomain;
pub use enforce::{EnforceRequest, Enforced, Wanted};
pub use flow::{Begun, End, Redeemed, SIGN_IN_PAGE};
pub use keeper::{Keeper, Kept, OutsideError};
pub use routing::Discovered;
pub use tokens::jwt_header;
pub use views::{
    CertificateView, ConnectionView, DomainView, FailureView, IdentityProviderView, MetadataView, RecordView, ServiceProviderView, TestView,
};

/// Google's issuer, as its tokens name it.
pub const GOOGLE_ISSUER: &str = "https://accounts.google.com";
/// Microsoft's authority.
pub const MICROSOFT_AUTHORITY: &str = "https://login.microsoftonline.com";
/// Hosts besides the issuer's that Google's discovery document names: the token endpoint and the keys.
const GOOGLE_HOSTS: [&str; 2] = ["oauth2.googleapis.com", "www.googleapis.com"];
/// Where the OpenID Connect providers send the browser back to, below our origin.
pub const CALLBACK_PATH: &str = "/v1/sso/oidc/callback";

/// What is the same for every customer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The origin under which browsers reach us.
    pub public_url: Url,
    /// Google's issuer.
    pub google_issuer: String,
    /// SSM parameters of client id and client secret at Google.
    pub google: [String; 2],
    /// Microsoft's authority.
    pub microsoft_authority: String,
    /// SSM parameters of client id and client secret at Microsoft.
    pub microsoft: [String; 2],
    /// CoPortal's own domains, which nobody may claim.
    pub own_domains: Vec<Domain>,
}

/// The outside, behind traits: tests and a local run hand in others.
#[derive(Clone)]
pub struct Outside {
    /// HTTPS to addresses that others published.
    pub fetch: Arc<dyn Fetch>,
    /// What such an address may be.
    pub guard: Guard,
    /// TXT records.
    pub dns: Arc<dyn TxtLookup>,
}

/// The use cases. Clones share everything, what was fetched from providers included.
#[derive(Clone)]
pub struct SignIn(Arc<Inner>);

struct Inner {
    keeper: Keeper,
    parameters: Parameters,
    signer: Signer,
    settings: Settings,
    sp: ServiceProvider,
    oidc: Mutex<Option<(String, Arc<Oidc>)>>,
}

impl SignIn {
    /// The use cases over these records, parameters and keys.
    #[must_use]
    pub fn new(store: Store, parameters: Parameters, signer: Signer, settings: Settings, outside: Outside) -> Self {
        let sp = ServiceProvider::new(settings.public_url.clone());
        let keeper = Keeper::new(store, outside);
        Self(Arc::new(Inner { keeper, parameters, signer, settings, sp, oidc: Mutex::default() }))
    }

    pub(crate) fn store(&self) -> &Store {
        self.0.keeper.store()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn outside(&self) -> &Outside {
        self.0.keeper.outside()
    }

    /// What of it a schedule looks at again.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.0.keeper
    }

    pub(crate) fn sp(&self) -> &ServiceProvider {
        &self.0.sp
    }
}

/// A name for one request, by which it recognises what it has consumed itself.
pub(crate) fn request_name(ctx: &Ctx) -> String {
    ctx.uuid().simple().to_string()
}
