//! What is looked at again by a schedule: proofs of domains, metadata of providers.

use std::net::SocketAddr;
use std::sync::Arc;

use coportal_aws::records::sign_in::connections::{HeldMetadata, Saved, SsoConnection};
use coportal_aws::records::sign_in::domains::{Due, OwnedDomain};
use coportal_aws::store::Store;
use coportal_core::ctx::Ctx;
use coportal_core::id::{EventId, SsoConnectionId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::timeline::{Actor, AuditEvent};
use coportal_identity::domain::{Challenge, Dns, Domain, ProofState, Standing, observe};
use coportal_identity::fetch::{FetchError, Guard, GuardError, GuardedFetch, LocalOrigins};
use coportal_identity::saml::{Change, METADATA_EVERY, compare, fetch_metadata};
use jiff::{SignedDuration, Timestamp};

use crate::Outside;
use crate::problems::changed_meanwhile;
use crate::settings::{SamlSettings, Speaks, document, from_document, speaks};

/// How soon metadata that could not be had is fetched again.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// How many things one run looks at; what is left over is due at the next.
const BATCH: i32 = 1_000;
/// The time that one look may need: a fetch of metadata has eight seconds.
const LOOK: SignedDuration = SignedDuration::from_secs(10);

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Domains that were looked for.
    pub domains: usize,
    /// Providers whose metadata was fetched.
    pub connections: usize,
    /// Things that could not be looked at this time; they stay due.
    pub left: usize,
}

/// What the outside cannot be set up for.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// An origin of this machine that is none.
    #[error(transparent)]
    Origin(#[from] GuardError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] FetchError),
}

impl Outside {
    /// The internet: these resolvers (the machine's own when there are none), and besides public addresses the origins of this machine
    /// that a local run allows, a comma list.
    ///
    /// # Errors
    /// [`OutsideError`].
    pub fn of(dns_servers: Vec<SocketAddr>, local_origins: &str) -> Result<Self, OutsideError> {
        let guard = Guard::new(LocalOrigins::parse(local_origins)?);
        let dns = Arc::new(Dns::new(dns_servers));
        let fetch = Arc::new(GuardedFetch::new(dns.clone(), guard.clone())?);
        Ok(Self { fetch, guard, dns })
    }
}

/// Looks at proofs and metadata again. It signs nothing and knows no client secret. Clones share everything.
#[derive(Clone)]
pub struct Keeper {
    store: Store,
    outside: Outside,
}

impl Keeper {
    /// Over these records.
    #[must_use]
    pub fn new(store: Store, outside: Outside) -> Self {
        Self { store, outside }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Writes a line of the audit list.
    pub(crate) async fn audit(&self, ctx: &Ctx, ws: WorkspaceId, actor: Actor, action: &str, text: String) -> Outcome<()> {
        let event = AuditEvent { id: EventId::new(ctx.uuid()), at: ctx.now(), actor, action: action.to_owned(), ledger: None, text };
        Ok(self.store.put_audit(ctx, ws, &event).await?)
    }

    /// Looks at what is due: proofs of domains and metadata of providers. One that fails keeps nothing else from being looked at.
    ///
    /// # Errors
    /// When the list of what is due cannot be had.
    pub async fn keep(&self, ctx: &Ctx) -> Outcome<Kept> {
        let mut kept = Kept::default();
        for due in self.store.sso_due(ctx, BATCH).await? {
            if !ctx.has_time_for(LOOK) {
                kept.left += 1;
                continue;
            }
            let looked = match &due {
                Due::Domain(domain) => self.keep_domain(ctx, domain).await,
                Due::Connection(id) => self.keep_metadata(ctx, *id).await,
            };
            match (looked, due) {
                (Ok(()), Due::Domain(_)) => kept.domains += 1,
                (Ok(()), Due::Connection(_)) => kept.connections += 1,
                (Err(problem), _) => {
                    tracing::warn!(?problem, "something of single sign-on could not be looked at again");
                    kept.left += 1;
                }
            }
        }
        Ok(kept)
    }

    async fn keep_domain(&self, ctx: &Ctx, domain: &str) -> Outcome<()> {
        // The index lags: whatever it names is read again before anything follows from it.
        let Some(owner) = self.store.domain_owner(domain).await?.filter(|owner| owner.value.due_at <= ctx.now()) else {
            return Ok(());
        };
        self.look_again(ctx, owner.rev, &owner.value).await.map(|_| ())
    }

    /// Looks for the record of a proved domain again and writes down what it found; answers how the proof stands now.
    pub(crate) async fn look_again(&self, ctx: &Ctx, seen: u64, owner: &OwnedDomain) -> Outcome<Standing> {
        let domain = Domain::parse(&owner.domain).map_err(Problem::internal_error)?;
        let before: ProofState = from_document(&owner.proof)?;
        let (observation, error) = observe(&*self.outside.dns, &Challenge { domain, value: owner.value.clone() }).await;
        if let Some(error) = error {
            tracing::info!(%error, "a domain's record could not be looked for");
        }
        // As the last look left it, which is what was written down: a proof that lapsed between two looks has said nothing yet.
        let (was, now) = (before.standing(before.checked_at), ctx.now());
        let after = before.after(observation, now);
        let looked = OwnedDomain { proof: document(&after)?, due_at: after.due_at(), ..owner.clone() };
        if self.store.save_domain(ctx, seen, &looked).await? == Saved::Stale {
            return Err(changed_meanwhile());
        }
        let stands = after.standing(now);
        if stands != was {
            let (action, text) = match stands {
                Standing::Proven => ("sso_domain_verified", "is there again"),
                Standing::Warned => ("sso_domain_warned", "was not found at two looks; the proof lapses 14 days after the first"),
                Standing::Lapsed => ("sso_domain_lapsed", "has not been found for too long: nobody new can sign in by this domain"),
            };
            self.audit(ctx, owner.ws, Actor::System, action, format!("The TXT record of {} {text}.", owner.domain)).await?;
        }
        Ok(stands)
    }

    async fn keep_metadata(&self, ctx: &Ctx, id: SsoConnectionId) -> Outcome<()> {
        let Some(found) = self.store.sso_connection(id).await? else {
            return Ok(());
        };
        let mut connection = found.value;
        let Speaks::Saml(stored) = speaks(&connection)? else {
            return Ok(());
        };
        let Some(line) = self.refresh(ctx, &mut connection, &stored).await? else {
            return Ok(());
        };
        // Somebody who changed the connection meanwhile has the last word; it is due again.
        if self.store.save_sso_connection(ctx, found.rev, &connection).await? == Saved::Done
            && let Some((action, text)) = line
        {
            self.audit(ctx, connection.ws, Actor::System, action, format!("{text} Connection {id}.")).await?;
        }
        Ok(())
    }

    /// Fetches the metadata and changes the connection accordingly; `None` when it is not due. What may change by itself is a key or a
    /// path of the same provider; another provider, or the same elsewhere, waits for a person.
    async fn refresh(
        &self,
        ctx: &Ctx,
        connection: &mut SsoConnection,
        stored: &SamlSettings,
    ) -> Outcome<Option<Option<(&'static str, String)>>> {
        let now = ctx.now();
        let after = |wait| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let Some(metadata) = connection.metadata.as_mut().filter(|metadata| metadata.due_at <= now) else {
            return Ok(None);
        };
        let outside = &self.outside;
        let fetched = fetch_metadata(&*outside.fetch, &outside.guard, &metadata.url, metadata.entity.as_deref(), now).await;
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                metadata.due_at = after(AGAIN);
                let first = metadata.problem.replace(error.code().to_owned()).is_none();
                let text = format!("The metadata could not be fetched ({}); the last good copy stays in force.", error.code());
                return Ok(Some(first.then_some(("sso_metadata_unavailable", text))));
            }
        };
        (metadata.problem, metadata.fetched_at, metadata.due_at) = (None, now, after(METADATA_EVERY));
        let settings = document(&SamlSettings { idp: fetched.clone(), signed: stored.signed })?;
        match compare(&stored.idp, &fetched) {
            Change::Nothing => {
                metadata.held = None;
                Ok(Some(None))
            }
            Change::Accepted { keys_added, keys_removed, sign_on_moved } => {
                metadata.held = None;
                connection.settings = Some(settings);
                connection.changed_at = now;
                let short =
                    |keys: &[String]| keys.iter().map(|key| key.chars().take(16).collect::<String>()).collect::<Vec<_>>().join(", ");
                let mut text = "The provider changed its metadata:".to_owned();
                for (what, keys) in [("signing keys added", &keys_added), ("signing keys removed", &keys_removed)] {
                    if !keys.is_empty() {
                        text.push_str(&format!(" {what} {};", short(keys)));
                    }
                }
                if sign_on_moved {
                    text.push_str(" the sign-on address moved within its origin;");
                }
                text.push_str(" taken over.");
                Ok(Some(Some(("sso_metadata_changed", text))))
            }
            Change::Held(differs) => {
                let known = metadata.held.as_ref().is_some_and(|held| held.settings == settings);
                if known {
                    return Ok(Some(None));
                }
                metadata.held = Some(HeldMetadata { settings, differs: document(&differs)?, since: now });
                let text = "The provider's metadata names another entity or another origin. It waits for an owner's approval; the stored copy stays in force.";
                Ok(Some(Some(("sso_metadata_held", text.to_owned()))))
            }
        }
    }
}
