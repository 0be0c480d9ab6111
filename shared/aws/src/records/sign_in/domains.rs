//! E-mail domains: asked for by many, proved by one.

use coportal_core::ctx::Ctx;
use coportal_core::id::{DomainId, SsoConnectionId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::connections::{ListedDomain, Saved, SsoDirectory, directory_change};
use crate::error::StoreError;
use crate::keys::{self, Index};
use crate::records::timeline::ends;
use crate::store::{Change, Condition, Fields, Kind, Range, Store, Versioned, Write, from_item, is_live, rev_of};

/// How long a domain that was asked for waits for its proof.
pub const ASKED_LIVES: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A domain that a workspace has asked for and not proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedDomain {
    /// The id of the claim.
    pub id: DomainId,
    /// Whose.
    pub ws: WorkspaceId,
    /// The domain, normalised.
    pub domain: String,
    /// The connection that it shall lead to; the workspace's only one where absent.
    pub connection: Option<SsoConnectionId>,
    /// The TXT record's value.
    pub value: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When the record was last looked for.
    pub checked_at: Option<Timestamp>,
}

/// A domain that a workspace has proved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnedDomain {
    /// The id of the claim.
    pub id: DomainId,
    /// Whose.
    pub ws: WorkspaceId,
    /// The domain, normalised.
    pub domain: String,
    /// The connection that it leads to; the workspace's only one where absent.
    pub connection: Option<SsoConnectionId>,
    /// The TXT record's value.
    pub value: String,
    /// How the proof stands, in the words of the crate that judges it.
    pub proof: Value,
    /// When it was first proved.
    pub proven_at: Timestamp,
    /// When the record is looked for again.
    pub due_at: Timestamp,
}

/// A workspace's claim on a domain, as the table holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What it listed.
    pub listed: ListedDomain,
    /// What it asked for, while that lives.
    pub asked: Option<AskedDomain>,
    /// Who has proved it, this workspace or another.
    pub owner: Option<Versioned<OwnedDomain>>,
}

/// What is to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// The proof of a domain.
    Domain(String),
    /// The metadata of a connection.
    Connection(SsoConnectionId),
}

fn owner_fields(owner: &OwnedDomain) -> Result<Fields, StoreError> {
    let due = (keys::SSO_DUE_PK.to_owned(), format!("{}#{}", keys::instant(owner.due_at), owner.domain));
    Ok(Fields::of(Kind::Domain, owner)?.due(Some(due)))
}

impl Store {
    /// Who has proved a domain.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn domain_owner(&self, domain: &str) -> Result<Option<Versioned<OwnedDomain>>, StoreError> {
        self.get_record(Kind::Domain, &keys::domain(domain)).await
    }

    /// A workspace's claims, in the order of its list.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn domain_claims(&self, ctx: &Ctx, ws: WorkspaceId, directory: &SsoDirectory) -> Result<Vec<Claim>, StoreError> {
        if directory.domains.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<_> =
            directory.domains.iter().flat_map(|listed| [keys::domain(&listed.domain), keys::domain_asked(&listed.domain, ws)]).collect();
        let mut found = self.batch_get(ctx, &wanted).await?.into_iter();
        let mut claims = Vec::new();
        for listed in &directory.domains {
            let (owner, asked) = (found.next().flatten(), found.next().flatten());
            let rev = owner.as_ref().map(rev_of).unwrap_or_default();
            let owner: Option<OwnedDomain> = owner.map(|item| from_item(Kind::Domain, item)).transpose()?;
            let asked = asked.filter(|item| is_live(item, ctx.now())).map(|item| from_item(Kind::DomainAsked, item)).transpose()?;
            claims.push(Claim { listed: listed.clone(), asked, owner: owner.map(|owner| Versioned::new(owner, rev)) });
        }
        Ok(claims)
    }

    /// Asks for a domain and lists it. Many workspaces may ask for one.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn ask_domain(&self, ctx: &Ctx, asked: &AskedDomain, directory: &Versioned<SsoDirectory>) -> Result<Saved, StoreError> {
        let mut listed = directory.value.clone();
        listed.domains.retain(|known| known.domain != asked.domain);
        listed.domains.push(ListedDomain { id: asked.id, domain: asked.domain.clone() });
        let fields = Fields::of(Kind::DomainAsked, asked)?.expires(ends(asked.asked_at, ASKED_LIVES));
        let changes =
            vec![Change::update(keys::domain_asked(&asked.domain, asked.ws), fields), directory_change(asked.ws, directory.rev, &listed)?];
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }

    /// Notes that a record was looked for in vain.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn note_domain_look(&self, ctx: &Ctx, asked: &AskedDomain) -> Result<(), StoreError> {
        let fields = Fields::empty(Kind::DomainAsked).value("checked_at", &ctx.now())?;
        let change = Change::update(keys::domain_asked(&asked.domain, asked.ws), fields).when(Condition::present());
        match self.write(ctx, change).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }

    /// Makes a workspace the owner of a domain. `seen` is the revision of the owner's item as it was read, 0 when there was none: two
    /// workspaces that prove one domain at once do not both get it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn own_domain(&self, ctx: &Ctx, seen: u64, owner: &OwnedDomain) -> Result<Saved, StoreError> {
        let changes = vec![
            Change::update(keys::domain(&owner.domain), owner_fields(owner)?).when(Condition::rev(seen)),
            Change::delete(keys::domain_asked(&owner.domain, owner.ws)),
        ];
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }

    /// Writes what a later look at the record has shown.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn save_domain(&self, ctx: &Ctx, seen: u64, owner: &OwnedDomain) -> Result<Saved, StoreError> {
        let change = Change::update(keys::domain(&owner.domain), owner_fields(owner)?).when(Condition::rev(seen));
        match self.write(ctx, change).await? {
            Write::Done { .. } => Ok(Saved::Done),
            Write::Refused { .. } => Ok(Saved::Stale),
        }
    }

    /// Gives a claim up: the domain is free for others, and no longer listed.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn release_domain(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        claim: &Claim,
        directory: &Versioned<SsoDirectory>,
    ) -> Result<Saved, StoreError> {
        let domain = &claim.listed.domain;
        let mut listed = directory.value.clone();
        listed.domains.retain(|known| known.id != claim.listed.id);
        let mut changes = vec![directory_change(ws, directory.rev, &listed)?, Change::delete(keys::domain_asked(domain, ws))];
        if let Some(owner) = claim.owner.as_ref().filter(|owner| owner.value.ws == ws) {
            changes.push(Change::delete(keys::domain(domain)).when(Condition::rev(owner.rev)));
        }
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }

    /// Proofs and metadata that are to be looked at by now, the longest overdue first. The index names them; whoever acts reads the item.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn sso_due(&self, ctx: &Ctx, limit: i32) -> Result<Vec<Due>, StoreError> {
        let now = keys::instant(ctx.now());
        // `~` sorts after every character of a key's second part.
        let up_to = format!("{now}#~");
        let range = Range { up_to: Some(&up_to), limit: Some(limit), ..Range::default() };
        let page = self.query_index(Index::Due, keys::SSO_DUE_PK, &range).await?;
        let names = page.items.iter().filter_map(|item| item.get(Index::Due.sk())?.as_s().ok()?.split_once('#').map(|(_, name)| name));
        Ok(names.map(|name| name.parse().map_or_else(|_| Due::Domain(name.to_owned()), Due::Connection)).collect())
    }
}
