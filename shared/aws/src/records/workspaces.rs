//! Workspaces, their members, and what a request needs to know of both.

use coportal_core::ctx::Ctx;
use coportal_core::door::SsoRequired;
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::workspace::{Member, Workspace};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cards::{self, Cards};
use crate::error::StoreError;
use crate::keys::{self, Key};
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Transacted, Write, from_item};

/// What decides whether a user may act in a workspace, as of one consistent read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The workspace.
    pub workspace: Option<Workspace>,
    /// The membership; it may be inactive.
    pub member: Option<Member>,
    /// Sign-ins of this user from before then no longer count.
    pub not_before: Option<Timestamp>,
    /// The connection that the workspace requires, if it requires one.
    pub sso_required: Option<SsoRequired>,
    /// Whether the connection that was asked about is one of this workspace.
    pub connection_here: bool,
}

/// What is kept of a person, as far as every request needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct User {
    #[serde(default)]
    not_before: Option<Timestamp>,
}

/// What a workspace's item holds for the door alone; whoever states the workspace leaves it alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct DoorOf {
    #[serde(default)]
    sso_required: Option<SsoRequired>,
}

/// Whose a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ConnectionOf {
    ws: WorkspaceId,
}

/// What was written, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Put {
    /// It was not there before.
    Created,
    /// It was changed.
    Changed,
    /// There is no workspace to put it into.
    NoWorkspace,
}

fn access_keys(ws: WorkspaceId, user: &UserId, came_by: Option<SsoConnectionId>) -> Vec<Key> {
    let mut wanted = vec![keys::user(user), keys::workspace(ws), keys::member(ws, user)];
    wanted.extend(came_by.map(keys::sso_connection));
    wanted
}

/// What a batch read found of [`access_keys`], in their order; whatever comes behind them is left in `found`.
fn access_of(
    ws: WorkspaceId,
    came_by: Option<SsoConnectionId>,
    found: &mut impl Iterator<Item = Option<Item>>,
) -> Result<Access, StoreError> {
    let mut next = || found.next().flatten();
    let (person, workspace, member) = (next(), next(), next());
    let connection = came_by.and_then(|_| next());
    let door: Option<DoorOf> = workspace.clone().map(|item| from_item(Kind::Workspace, item)).transpose()?;
    let connection: Option<ConnectionOf> = connection.map(|item| from_item(Kind::SsoConnection, item)).transpose()?;
    let person: Option<User> = person.map(|item| from_item(Kind::User, item)).transpose()?;
    Ok(Access {
        workspace: workspace.map(|item| from_item(Kind::Workspace, item)).transpose()?,
        member: member.map(|item| from_item(Kind::Member, item)).transpose()?,
        not_before: person.and_then(|person| person.not_before),
        sso_required: door.and_then(|door| door.sso_required),
        connection_here: connection.is_some_and(|connection| connection.ws == ws),
    })
}

impl Store {
    /// User, workspace and member in one batch read, and the single sign-on connection that somebody came by (docs/records.md, section 3,
    /// "authenticate a request").
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn access(&self, ctx: &Ctx, ws: WorkspaceId, user: &UserId, came_by: Option<SsoConnectionId>) -> Result<Access, StoreError> {
        let wanted = access_keys(ws, user, came_by);
        access_of(ws, came_by, &mut self.batch_get(ctx, &wanted).await?.into_iter())
    }

    /// The same with what the cards of the workspace show, still in one batch read.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn access_and_cards(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        user: &UserId,
        came_by: Option<SsoConnectionId>,
    ) -> Result<(Access, Cards), StoreError> {
        let mut wanted = access_keys(ws, user, came_by);
        wanted.extend(cards::keys_of(ws));
        let mut found = self.batch_get(ctx, &wanted).await?.into_iter();
        Ok((access_of(ws, came_by, &mut found)?, Cards::of(found)?))
    }

    /// One workspace.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn workspace(&self, ws: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        let item = self.get(&keys::workspace(ws)).await?;
        item.map(|item| from_item(Kind::Workspace, item)).transpose()
    }

    /// Writes a workspace as CoPortal's backend states it. The counter of invoice numbers is left alone.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_workspace(&self, ctx: &Ctx, workspace: &Workspace) -> Result<Put, StoreError> {
        let fields = Fields::of(Kind::Workspace, workspace)?;
        match self.write(ctx, Change::update(keys::workspace(workspace.id), fields)).await? {
            Write::Done { rev: 1 } => Ok(Put::Created),
            Write::Done { .. } | Write::Refused { .. } => Ok(Put::Changed),
        }
    }

    /// Writes a member and the mirror of the membership together, and makes sure that the workspace is there.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_member(&self, ctx: &Ctx, ws: WorkspaceId, member: &Member) -> Result<Put, StoreError> {
        let known = self.get(&keys::member(ws, &member.user)).await?.is_some();
        let mirror = Fields::empty(Kind::Membership).value("role", &member.role)?.value("active", &member.active)?;
        let changes = vec![
            Change::check(keys::workspace(ws), Condition::present()),
            Change::update(keys::member(ws, &member.user), Fields::of(Kind::Member, member)?),
            Change::update(keys::membership(&member.user, ws), mirror),
        ];
        match self.transact(ctx, changes).await? {
            Transacted::Refused(_) => Ok(Put::NoWorkspace),
            Transacted::Done if known => Ok(Put::Changed),
            Transacted::Done => Ok(Put::Created),
        }
    }

    /// The members of a workspace, the inactive ones too.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn members(&self, ws: WorkspaceId) -> Result<Vec<Member>, StoreError> {
        let items = self.query_all(&keys::workspace(ws).pk, keys::MEMBER_PREFIX).await?;
        items.into_iter().map(|item| from_item(Kind::Member, item)).collect()
    }

    /// Ends every sign-in of a user from before `moment`, in all workspaces.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn end_sign_ins(&self, ctx: &Ctx, user: &UserId, moment: Timestamp) -> Result<(), StoreError> {
        let fields = Fields::of(Kind::User, &User { not_before: Some(moment) })?;
        match self.write(ctx, Change::update(keys::user(user), fields)).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }
}
