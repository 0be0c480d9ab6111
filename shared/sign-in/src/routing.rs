//! Where an address signs in.

use coportal_aws::keys;
use coportal_aws::records::sign_in::connections::SsoOf;
use coportal_aws::records::sign_in::domains::OwnedDomain;
use coportal_aws::records::sign_in::limits::Rate;
use coportal_core::ctx::Ctx;
use coportal_core::id::SsoConnectionId;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_identity::domain::ProofState;
use coportal_identity::routing::{DomainOwner, Method, discover, domain_of};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::SignIn;
use crate::settings::from_document;

/// How often one network may ask: every second, and two hundred at once (an office behind one address in the morning).
const DISCOVER: Rate = Rate { every: SignedDuration::from_secs(1), burst: 200 };

/// The answer of discover. It says nothing of a user, and not how strict the workspace is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Discovered {
    /// At an identity provider.
    Sso {
        /// Where the browser goes.
        start_url: String,
    },
    /// The ordinary way.
    Password,
}

/// The connection that a domain leads to: the one that was chosen for it, else the workspace's oldest live one.
pub(crate) fn leads_to(owned: &OwnedDomain, of: &SsoOf) -> Option<SsoConnectionId> {
    let mut live = of.connections.iter().filter(|connection| connection.enforcement.is_some());
    live.find(|connection| owned.connection.is_none_or(|chosen| chosen == connection.id)).map(|connection| connection.id)
}

/// Too many requests of one network; the time is when the next is answered.
pub(crate) fn too_many(until: Timestamp) -> Problem {
    Problem::new(ProblemKind::Limited, "too_many_requests", "Too many sign-in requests came from your network.").fix(
        format!("Try again after {until:.0}."),
        "the sign-in page",
        true,
    )
}

impl SignIn {
    /// Where an address signs in, by its domain alone (R103). `network` is where the request came from.
    ///
    /// # Errors
    /// 429 when the network asks too often; 503 when the records cannot be had.
    pub async fn discover(&self, ctx: &Ctx, network: &str, typed: &str) -> Outcome<Discovered> {
        self.take(ctx, "discover", network, DISCOVER).await?;
        let Some(domain) = domain_of(typed) else {
            return Ok(Discovered::Password);
        };
        let Some(found) = self.store().domain_owner(domain.as_str()).await? else {
            return Ok(Discovered::Password);
        };
        let of = self.store().sso_of(ctx, found.value.ws).await?;
        let Some(workspace) = &of.workspace else {
            return Ok(Discovered::Password);
        };
        let proof: ProofState = from_document(&found.value.proof)?;
        let connection = leads_to(&found.value, &of);
        let enforcement = of.connections.iter().find(|held| Some(held.id) == connection).and_then(|held| held.enforcement);
        let owner = DomainOwner {
            domain: domain.clone(),
            workspace: workspace.id,
            plan: workspace.plan,
            proof,
            connection,
            enforcement: enforcement.unwrap_or_default(),
        };
        Ok(match discover(&domain, Some(&owner), ctx.now()) {
            Method::Sso(connection) => Discovered::Sso { start_url: self.start_url(connection) },
            Method::Password => Discovered::Password,
        })
    }

    /// Where a sign-in by a connection begins.
    pub(crate) fn start_url(&self, connection: SsoConnectionId) -> String {
        format!("{}/v1/sso/start?connection={connection}", self.settings().public_url.as_str().trim_end_matches('/'))
    }

    /// Takes a permit of a network, or says no.
    pub(crate) async fn take(&self, ctx: &Ctx, what: &str, network: &str, rate: Rate) -> Outcome<()> {
        self.store().take_permit(ctx, &keys::network_bucket(what, network), rate).await?.map_err(too_many)
    }
}
