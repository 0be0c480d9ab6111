//! Who is who: a person, their address, and the identities that providers have proved.

use coportal_core::ctx::Ctx;
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::workspace::{Member, Role};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connections::Saved;
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Kind, Store, from_item};

/// A person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their name.
    #[serde(default)]
    pub name: Option<String>,
    /// Their e-mail address.
    #[serde(default)]
    pub email: Option<String>,
}

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Who.
    pub user: UserId,
    /// Whether CoPortal has confirmed that it reaches them.
    pub confirmed: bool,
}

/// An identity that a provider has proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownIdentity {
    /// Whose it is.
    pub user: UserId,
    /// The connection it was first proved by.
    pub connection: SsoConnectionId,
    /// When.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Here {
    identity: String,
}

/// What is known of a proved identity and of the address that it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoIs {
    /// The user to whom the identity is tied.
    pub identity: Option<KnownIdentity>,
    /// Their place in the workspace.
    pub identity_member: Option<Member>,
    /// Who has the address.
    pub address: Option<Address>,
    /// Their place in the workspace.
    pub address_member: Option<Member>,
    /// Whether an identity of this connection is tied to whoever has the address.
    pub address_has_identity_here: bool,
}

/// A first sign-in to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie<'a> {
    /// The workspace.
    pub ws: WorkspaceId,
    /// The connection.
    pub connection: SsoConnectionId,
    /// SHA-256 of issuer and subject.
    pub identity: &'a str,
    /// Whether the identity is known already, from another workspace.
    pub identity_is_known: bool,
    /// The user.
    pub user: &'a UserId,
    /// Whether they become a member, with the lowest role.
    pub join: bool,
    /// A user who is made by this: their name and address.
    pub create: Option<&'a Person>,
}

/// The changes that make a user a member with the lowest role.
pub(super) fn join_changes(ws: WorkspaceId, user: &UserId) -> Result<[Change; 2], StoreError> {
    let member = Member { user: user.clone(), role: Role::Member, teams: Vec::new(), active: true };
    let mirror = Fields::empty(Kind::Membership).value("role", &member.role)?.value("active", &member.active)?;
    Ok([
        Change::update(keys::member(ws, user), Fields::of(Kind::Member, &member)?).when(Condition::absent()),
        Change::update(keys::membership(user, ws), mirror),
    ])
}

impl Store {
    /// What is known of an identity and an address, in two consistent batch reads.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn who_is(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        connection: SsoConnectionId,
        identity: &str,
        email: &str,
    ) -> Result<WhoIs, StoreError> {
        let mut found = self.batch_get(ctx, &[keys::identity(identity), keys::address(email)]).await?.into_iter();
        let identity: Option<KnownIdentity> = found.next().flatten().map(|item| from_item(Kind::Identity, item)).transpose()?;
        let address: Option<Address> = found.next().flatten().map(|item| from_item(Kind::Address, item)).transpose()?;
        let mut wanted = Vec::new();
        wanted.extend(identity.iter().map(|known| keys::member(ws, &known.user)));
        if let Some(address) = &address {
            wanted.extend([keys::member(ws, &address.user), keys::identity_here(&address.user, connection)]);
        }
        let mut found = if wanted.is_empty() { Vec::new() } else { self.batch_get(ctx, &wanted).await? }.into_iter();
        let mut member = |there: bool| -> Result<Option<Member>, StoreError> {
            let item = if there { found.next().flatten() } else { None };
            item.map(|item| from_item(Kind::Member, item)).transpose()
        };
        let identity_member = member(identity.is_some())?;
        let address_member = member(address.is_some())?;
        let address_has_identity_here = address.is_some() && found.next().flatten().is_some();
        Ok(WhoIs { identity, identity_member, address, address_member, address_has_identity_here })
    }

    /// Ties an identity to a user; who is not a member becomes one, and who is not there is made. All or nothing, and only if what was
    /// read still holds.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn tie_identity(&self, ctx: &Ctx, tie: &Tie<'_>) -> Result<Saved, StoreError> {
        let known = KnownIdentity { user: tie.user.clone(), connection: tie.connection, at: ctx.now() };
        let key = keys::identity(tie.identity);
        let mut changes = vec![if tie.identity_is_known {
            Change::check(key, Condition::new("#user = :user").text(":user", tie.user.as_str()))
        } else {
            Change::put(key, Fields::of(Kind::Identity, &known)?).when(Condition::absent())
        }];
        let here = Fields::of(Kind::IdentityHere, &Here { identity: tie.identity.to_owned() })?;
        let free = Condition::new("attribute_not_exists(#pk) OR #identity = :identity").text(":identity", tie.identity);
        changes.push(Change::update(keys::identity_here(tie.user, tie.connection), here).when(free));
        if tie.join {
            changes.extend(join_changes(tie.ws, tie.user)?);
        }
        if let Some(person) = tie.create {
            changes.push(Change::update(keys::user(tie.user), Fields::of(Kind::User, person)?).when(Condition::absent()));
            if let Some(email) = &person.email {
                let address = Address { user: tie.user.clone(), confirmed: true };
                changes.push(Change::put(keys::address(email), Fields::of(Kind::Address, &address)?).when(Condition::absent()));
            }
        }
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }

    /// A person.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn profile(&self, user: &UserId) -> Result<Person, StoreError> {
        let found = self.get(&keys::user(user)).await?;
        Ok(found.map(|item| from_item(Kind::User, item)).transpose()?.unwrap_or_default())
    }

    /// Several persons in one batch read, in the order of `users`. Who is no active member of the workspace, or not known, has neither name
    /// nor address: what a person is called elsewhere since is nothing to those whom they left.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn profiles(&self, ctx: &Ctx, ws: WorkspaceId, users: &[UserId]) -> Result<Vec<Person>, StoreError> {
        let wanted: Vec<_> = users.iter().flat_map(|user| [keys::user(user), keys::member(ws, user)]).collect();
        let mut found = self.batch_get(ctx, &wanted).await?.into_iter();
        let mut people = Vec::with_capacity(users.len());
        while let (Some(person), Some(member)) = (found.next(), found.next()) {
            let member: Option<Member> = member.map(|item| from_item(Kind::Member, item)).transpose()?;
            let person = person.filter(|_| member.is_some_and(|member| member.active));
            people.push(person.map(|item| from_item(Kind::User, item)).transpose()?.unwrap_or_default());
        }
        Ok(people)
    }

    /// Who has an address.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn address(&self, email: &str) -> Result<Option<Address>, StoreError> {
        let found = self.get(&keys::address(email)).await?;
        found.map(|item| from_item(Kind::Address, item)).transpose()
    }

    /// States a person's name and address. `false` when the address is another's: an address has one owner.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_profile(&self, ctx: &Ctx, user: &UserId, person: &Person, confirmed: bool) -> Result<bool, StoreError> {
        let before = self.profile(user).await?;
        let mut changes = vec![Change::update(keys::user(user), Fields::of(Kind::User, person)?)];
        if let Some(email) = &person.email {
            let theirs = Condition::new("attribute_not_exists(#pk) OR #user = :user").text(":user", user.as_str());
            let address = Address { user: user.clone(), confirmed };
            changes.push(Change::update(keys::address(email), Fields::of(Kind::Address, &address)?).when(theirs));
        }
        if let Some(old) = before.email.filter(|old| person.email.as_ref().is_none_or(|new| keys::address(old) != keys::address(new))) {
            let theirs = Condition::new("attribute_not_exists(#pk) OR #user = :user").text(":user", user.as_str());
            changes.push(Change::delete(keys::address(&old)).when(theirs));
        }
        Ok(Saved::of(&self.transact(ctx, changes).await?) == Saved::Done)
    }
}
