//! Whose account a proved identity is, and what a first sign-in writes.

use coportal_aws::records::sign_in::connections::Saved;
use coportal_aws::records::sign_in::people::{Person, Tie, WhoIs};
use coportal_core::ctx::Ctx;
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::timeline::Actor;
use coportal_core::workspace::Member;
use coportal_identity::domain::{Domain, Email, ProofState, Standing};
use coportal_identity::linking::{AddressHolder, Known, KnownUser, Link, Membership, decide};
use coportal_identity::{Identity, Reason, Refusal};

use crate::SignIn;
use crate::audit::subject;
use crate::problems::changed_meanwhile;
use crate::settings::from_document;

/// How often a decision is taken anew when somebody else wrote between reading and writing.
const ROUNDS: usize = 4;

pub(crate) fn membership(member: Option<&Member>) -> Membership {
    match member {
        None => Membership::None,
        Some(member) if member.active => Membership::Member,
        Some(_) => Membership::Removed,
    }
}

pub(crate) fn known(who: &WhoIs, proof: Standing) -> Known {
    Known {
        identity: who
            .identity
            .as_ref()
            .map(|known| KnownUser { user: known.user.clone(), membership: membership(who.identity_member.as_ref()) }),
        address: who.address.as_ref().map(|address| AddressHolder {
            user: address.user.clone(),
            confirmed: address.confirmed,
            has_identity_here: who.address_has_identity_here,
            membership: membership(who.address_member.as_ref()),
        }),
        proof,
    }
}

impl SignIn {
    /// The user of a proved identity: a known one signs in, a new one is tied or made with the lowest role. What was decided on is a
    /// condition of the write; when somebody else was faster, the decision is taken anew.
    pub(crate) async fn user_of(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        connection: SsoConnectionId,
        identity: &Identity,
    ) -> Outcome<Result<(UserId, Reason), Refusal>> {
        let (key, email) = (identity.key(), identity.email.to_string());
        for _ in 0..ROUNDS {
            let proof = self.proof_of(ctx, ws, identity).await?;
            let who = self.store().who_is(ctx, ws, connection, &key, &email).await?;
            let link = match decide(&known(&who, proof)) {
                Ok(link) => link,
                Err(refusal) => {
                    self.wait_for_approval(ctx, (ws, connection), identity, &who, refusal.reason).await?;
                    return Ok(Err(refusal));
                }
            };
            let fresh = Person { name: identity.name.clone(), email: Some(email.clone()) };
            let (user, join, create, reason) = match link {
                Link::SignIn(user) => return Ok(Ok((user, Reason::SignedIn))),
                Link::Tie { user, join } => (user, join, None, Reason::UserLinked),
                Link::Create => {
                    let user = format!("usr_{}", ctx.uuid().simple()).parse().map_err(Problem::internal_error)?;
                    (user, true, Some(&fresh), Reason::UserCreated)
                }
            };
            let tie = Tie { ws, connection, identity: &key, identity_is_known: who.identity.is_some(), user: &user, join, create };
            if self.store().tie_identity(ctx, &tie).await? == Saved::Done {
                return Ok(Ok((user, reason)));
            }
        }
        Err(changed_meanwhile())
    }

    /// Ties the identity that an admin has shown in a test to the account that they were signed in with while they did: who makes sign-in
    /// required must not be somebody new to it afterwards. An identity or address that is another user's stays theirs.
    pub(crate) async fn link_tester(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        connection: SsoConnectionId,
        by: &UserId,
        identity: &Identity,
    ) -> Outcome<()> {
        let (key, email) = (identity.key(), identity.email.to_string());
        let who = self.store().who_is(ctx, ws, connection, &key, &email).await?;
        let theirs = who.identity.is_none() && who.address.as_ref().is_none_or(|address| address.user == *by);
        if !theirs || !self.proof_of(ctx, ws, identity).await?.is_good() {
            return Ok(());
        }
        let tie = Tie { ws, connection, identity: &key, identity_is_known: false, user: by, join: false, create: None };
        if self.store().tie_identity(ctx, &tie).await? == Saved::Stale {
            return Ok(());
        }
        let person = self.store().profile(by).await?;
        if person.email.as_ref().is_none_or(|known| *known == email) {
            let person = Person { name: person.name.or_else(|| identity.name.clone()), email: Some(email) };
            // Somebody who took the address a moment ago keeps it; the identity is tied all the same.
            let _ = self.store().put_profile(ctx, by, &person, true).await?;
        }
        let actor = Actor::User(by.clone());
        self.decided(ctx, ws, connection, actor, Reason::UserLinked, Some(&subject(identity))).await
    }

    /// How the proof of an address's domain stands. A domain that is no longer the workspace's counts as lapsed: known people go on.
    async fn proof_of(&self, ctx: &Ctx, ws: WorkspaceId, identity: &Identity) -> Outcome<Standing> {
        self.proof_of_domain(ctx, ws, identity.email.domain()).await
    }

    pub(crate) async fn proof_of_address(&self, ctx: &Ctx, ws: WorkspaceId, email: &str) -> Outcome<Standing> {
        let email = Email::parse(email).map_err(Problem::internal_error)?;
        self.proof_of_domain(ctx, ws, email.domain()).await
    }

    async fn proof_of_domain(&self, ctx: &Ctx, ws: WorkspaceId, domain: &Domain) -> Outcome<Standing> {
        let owner = self.store().domain_owner(domain.as_str()).await?;
        let Some(owner) = owner.filter(|owner| owner.value.ws == ws) else {
            return Ok(Standing::Lapsed);
        };
        let proof: ProofState = from_document(&owner.value.proof)?;
        Ok(proof.standing(ctx.now()))
    }
}
