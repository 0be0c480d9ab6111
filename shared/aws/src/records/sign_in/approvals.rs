//! Sign-ins that wait for an admin: the address is known, and it is not certain that the person is.

use coportal_core::ctx::Ctx;
use coportal_core::id::{ApprovalId, SsoConnectionId, UserId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::connections::Saved;
use super::people::{Address, KnownIdentity, join_changes};
use crate::error::StoreError;
use crate::keys;
use crate::records::timeline::ends;
use crate::store::{Change, Condition, Fields, Kind, Store, Write, from_item, is_live};

/// How long a sign-in waits for an answer. The person may try again, and it waits anew.
pub const WAITS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A sign-in that waits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingSignIn {
    /// Its id, made of connection and identity: another try is the same one.
    pub id: ApprovalId,
    /// The workspace.
    pub ws: WorkspaceId,
    /// The connection.
    pub connection: SsoConnectionId,
    /// SHA-256 of issuer and subject.
    pub identity: String,
    /// Whose address it brought.
    pub user: UserId,
    /// Why it waits: the reason's code.
    pub reason: String,
    /// The address.
    pub email: String,
    /// How the provider names the person.
    pub name: Option<String>,
    /// When the person last tried.
    pub at: Timestamp,
}

impl WaitingSignIn {
    /// When it is forgotten.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        ends(self.at, WAITS)
    }
}

/// Personal data: a log that prints a value around it shows ids alone.
impl std::fmt::Debug for WaitingSignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitingSignIn")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// An approval to write down.
#[derive(Debug, Clone, Copy)]
pub struct Approval<'a> {
    /// What waited.
    pub waiting: &'a WaitingSignIn,
    /// The identity that the user had at the connection until now: it is nobody's afterwards.
    pub instead_of: Option<&'a str>,
    /// Whether the user becomes a member, with the lowest role.
    pub join: bool,
}

impl Store {
    /// Lets a sign-in wait. It lives [`WAITS`].
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_waiting_sign_in(&self, ctx: &Ctx, waiting: &WaitingSignIn) -> Result<(), StoreError> {
        let fields = Fields::of(Kind::WaitingSignIn, waiting)?.expires(waiting.ends_at());
        match self.write(ctx, Change::put(keys::waiting_sign_in(waiting.ws, waiting.id), fields)).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }

    /// A workspace's waiting sign-ins.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn waiting_sign_ins(&self, ctx: &Ctx, ws: WorkspaceId) -> Result<Vec<WaitingSignIn>, StoreError> {
        let items = self.query_all(&keys::workspace(ws).pk, keys::WAITING_SIGN_IN_PREFIX).await?;
        items.into_iter().filter(|item| is_live(item, ctx.now())).map(|item| from_item(Kind::WaitingSignIn, item)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn waiting_sign_in(&self, ctx: &Ctx, ws: WorkspaceId, id: ApprovalId) -> Result<Option<WaitingSignIn>, StoreError> {
        let item = self.get(&keys::waiting_sign_in(ws, id)).await?;
        item.filter(|item| is_live(item, ctx.now())).map(|item| from_item(Kind::WaitingSignIn, item)).transpose()
    }

    /// Forgets one: an admin said no.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn drop_waiting_sign_in(&self, ctx: &Ctx, ws: WorkspaceId, id: ApprovalId) -> Result<Saved, StoreError> {
        match self.write(ctx, Change::delete(keys::waiting_sign_in(ws, id)).when(Condition::present())).await? {
            Write::Done { .. } => Ok(Saved::Done),
            Write::Refused { .. } => Ok(Saved::Stale),
        }
    }

    /// The identity that a user has at a connection.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn identity_at(&self, user: &UserId, connection: SsoConnectionId) -> Result<Option<String>, StoreError> {
        #[derive(Deserialize)]
        struct Here {
            identity: String,
        }
        let item = self.get(&keys::identity_here(user, connection)).await?;
        let here: Option<Here> = item.map(|item| from_item(Kind::IdentityHere, item)).transpose()?;
        Ok(here.map(|here| here.identity))
    }

    /// Ties a waiting identity to the user whose address it brought, in the place of the one that they had at the connection. All or
    /// nothing: the sign-in still waits, the identity is nobody's, the address and the earlier identity are the user's.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn approve_sign_in(&self, ctx: &Ctx, approval: &Approval<'_>) -> Result<Saved, StoreError> {
        let Approval { waiting, instead_of, join } = *approval;
        let user = &waiting.user;
        let theirs = || Condition::new("#user = :user").text(":user", user.as_str());
        let known = KnownIdentity { user: user.clone(), connection: waiting.connection, at: ctx.now() };
        let place = match instead_of {
            Some(old) => Condition::new("#identity = :old").text(":old", old),
            None => Condition::absent(),
        };
        let address = Address { user: user.clone(), confirmed: true };
        let mut changes = vec![
            Change::delete(keys::waiting_sign_in(waiting.ws, waiting.id)).when(Condition::present()),
            Change::put(keys::identity(&waiting.identity), Fields::of(Kind::Identity, &known)?).when(Condition::absent()),
            Change::update(
                keys::identity_here(user, waiting.connection),
                Fields::empty(Kind::IdentityHere).text("identity", &waiting.identity),
            )
            .when(place),
            Change::update(keys::address(&waiting.email), Fields::of(Kind::Address, &address)?).when(theirs()),
        ];
        if let Some(old) = instead_of {
            // It may be gone already; another user's it is not.
            let free = Condition::new("attribute_not_exists(#pk) OR #user = :user").text(":user", user.as_str());
            changes.push(Change::delete(keys::identity(old)).when(free));
        }
        if join {
            changes.extend(join_changes(waiting.ws, user)?);
        }
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }
}
