//! Connections to identity providers, and the list of what a workspace has.

use coportal_core::ctx::Ctx;
use coportal_core::door::{Enforcement, SsoRequired};
use coportal_core::id::{DomainId, SsoConnectionId, UserId, WorkspaceId};
use coportal_core::workspace::Workspace;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Kind, Store, Transacted, Versioned, Write, from_item, rev_of};

/// A connection of a workspace to its identity provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SsoConnection {
    /// Its id, which stands in its addresses.
    pub id: SsoConnectionId,
    /// Whose.
    pub ws: WorkspaceId,
    /// `google`, `microsoft` or `saml`.
    pub provider: String,
    /// What the protocol needs: tenant, entity id, certificates. `None` until a Microsoft tenant is bound.
    pub settings: Option<Value>,
    /// How strict it is; `None` while it is not live.
    pub enforcement: Option<Enforcement>,
    /// Where its metadata is fetched from, and what became of that.
    pub metadata: Option<MetadataSource>,
    /// The last test that passed.
    pub passed: Option<Passed>,
    /// The last test, passed or not.
    pub last_test: Option<TestRun>,
    /// The last sign-in of a person that failed.
    pub last_failure: Option<Failure>,
    /// When provider, tenant, keys or domains last changed: an older test no longer counts.
    pub changed_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
}

/// Metadata that is fetched again every day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataSource {
    /// The address.
    pub url: String,
    /// The entity in it, where there are several.
    pub entity: Option<String>,
    /// When it was last fetched and read.
    pub fetched_at: Timestamp,
    /// When it is fetched again.
    pub due_at: Timestamp,
    /// Why the last fetch brought nothing; the last good copy stays in force.
    pub problem: Option<String>,
    /// What was fetched and waits for an owner's approval.
    pub held: Option<HeldMetadata>,
}

/// Metadata whose provider is another one, or somewhere else, than the stored one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldMetadata {
    /// What would be stored.
    pub settings: Value,
    /// What differs.
    pub differs: Value,
    /// Since when.
    pub since: Timestamp,
}

/// A test that passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Who signed in.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// A test sign-in, as the admin reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestRun {
    /// Who signed in.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Whether a person would have been let in.
    pub passed: bool,
    /// The reason's code.
    pub reason: String,
    /// What the admin may read besides.
    pub detail: Option<String>,
    /// The claims, as a list of names and values.
    pub claims: Value,
}

/// A sign-in that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// The reason's code.
    pub reason: String,
    /// What the admin may read besides.
    pub detail: Option<String>,
}

/// What of single sign-on a workspace has. It lists; each thing's own item says what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsoDirectory {
    /// Its connections, oldest first.
    #[serde(default)]
    pub connections: Vec<SsoConnectionId>,
    /// The domains that it has asked for or proved, oldest first.
    #[serde(default)]
    pub domains: Vec<ListedDomain>,
}

/// A domain in a workspace's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDomain {
    /// The id of the workspace's claim.
    pub id: DomainId,
    /// The domain, normalised.
    pub domain: String,
}

/// Whether something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// It was.
    Done,
    /// Somebody else has written since it was read; nothing was.
    Stale,
}

impl Saved {
    pub(super) fn of(outcome: &Transacted) -> Self {
        match outcome {
            Transacted::Done => Self::Done,
            Transacted::Refused(_) => Self::Stale,
        }
    }
}

/// What a stranger's request for a workspace's sign-in needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct SsoOf {
    /// The workspace.
    pub workspace: Option<Workspace>,
    /// What it has.
    pub directory: SsoDirectory,
    /// Its connections, in the order of the list.
    pub connections: Vec<SsoConnection>,
}

/// The change that writes a workspace's list.
pub(super) fn directory_change(ws: WorkspaceId, seen: u64, directory: &SsoDirectory) -> Result<Change, StoreError> {
    let fields = Fields::of(Kind::SsoDirectory, directory)?;
    Ok(Change::update(keys::sso_directory(ws), fields).when(Condition::rev(seen)))
}

/// The change that writes a connection.
fn connection_change(connection: &SsoConnection, seen: u64) -> Result<Change, StoreError> {
    let due = connection
        .metadata
        .as_ref()
        .map(|metadata| (keys::SSO_DUE_PK.to_owned(), format!("{}#{}", keys::instant(metadata.due_at), connection.id)));
    let fields = Fields::of(Kind::SsoConnection, connection)?.due(due);
    Ok(Change::update(keys::sso_connection(connection.id), fields).when(Condition::rev(seen)))
}

impl Store {
    /// A workspace's list; empty when there is none.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn sso_directory(&self, ws: WorkspaceId) -> Result<Versioned<SsoDirectory>, StoreError> {
        let found = self.get_record(Kind::SsoDirectory, &keys::sso_directory(ws)).await?;
        Ok(found.unwrap_or_default())
    }

    /// A connection, whosever it is.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn sso_connection(&self, id: SsoConnectionId) -> Result<Option<Versioned<SsoConnection>>, StoreError> {
        self.get_record(Kind::SsoConnection, &keys::sso_connection(id)).await
    }

    /// A workspace with its list and all its connections, consistently, in two reads.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn sso_of(&self, ctx: &Ctx, ws: WorkspaceId) -> Result<SsoOf, StoreError> {
        let mut found = self.batch_get(ctx, &[keys::workspace(ws), keys::sso_directory(ws)]).await?.into_iter();
        let mut next = || found.next().flatten();
        let (workspace, directory) = (next(), next());
        let directory: SsoDirectory = directory.map(|item| from_item(Kind::SsoDirectory, item)).transpose()?.unwrap_or_default();
        let connections = self.sso_connections(ctx, &directory).await?.into_iter().map(|found| found.value).collect();
        Ok(SsoOf { workspace: workspace.map(|item| from_item(Kind::Workspace, item)).transpose()?, directory, connections })
    }

    /// The connections of a list.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn sso_connections(&self, ctx: &Ctx, directory: &SsoDirectory) -> Result<Vec<Versioned<SsoConnection>>, StoreError> {
        if directory.connections.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<_> = directory.connections.iter().map(|id| keys::sso_connection(*id)).collect();
        let items = self.batch_get(ctx, &wanted).await?.into_iter().flatten();
        items.map(|item| Ok(Versioned::new(from_item(Kind::SsoConnection, item.clone())?, rev_of(&item)))).collect()
    }

    /// Makes a connection and lists it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn create_sso_connection(
        &self,
        ctx: &Ctx,
        connection: &SsoConnection,
        directory: &Versioned<SsoDirectory>,
    ) -> Result<Saved, StoreError> {
        let mut listed = directory.value.clone();
        listed.connections.push(connection.id);
        let changes = vec![connection_change(connection, 0)?, directory_change(connection.ws, directory.rev, &listed)?];
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }

    /// Writes a connection over the one that was read.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn save_sso_connection(&self, ctx: &Ctx, seen: u64, connection: &SsoConnection) -> Result<Saved, StoreError> {
        match self.write(ctx, connection_change(connection, seen)?).await? {
            Write::Done { .. } => Ok(Saved::Done),
            Write::Refused { .. } => Ok(Saved::Stale),
        }
    }

    /// Notes a sign-in that failed, for the admin who looks at the connection. It is no part of any decision and moves nothing else.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn note_sso_failure(&self, ctx: &Ctx, id: SsoConnectionId, failure: &Failure) -> Result<(), StoreError> {
        let fields = Fields::empty(Kind::SsoConnection).value("last_failure", failure)?;
        match self.write(ctx, Change::update(keys::sso_connection(id), fields).when(Condition::present())).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }

    /// Changes how strict a connection is, together with what its workspace requires: "required" never stands at one of them alone.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn enforce_sso(
        &self,
        ctx: &Ctx,
        seen: u64,
        connection: &SsoConnection,
        required: Option<SsoRequired>,
    ) -> Result<Saved, StoreError> {
        let door = Fields::empty(Kind::Workspace).value("sso_required", &required)?;
        let changes =
            vec![connection_change(connection, seen)?, Change::update(keys::workspace(connection.ws), door).when(Condition::present())];
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }

    /// What a workspace requires.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn sso_required(&self, ws: WorkspaceId) -> Result<Option<SsoRequired>, StoreError> {
        #[derive(Deserialize)]
        struct DoorOf {
            #[serde(default)]
            sso_required: Option<SsoRequired>,
        }
        let item = self.get(&keys::workspace(ws)).await?;
        let door: Option<DoorOf> = item.map(|item| from_item(Kind::Workspace, item)).transpose()?;
        Ok(door.and_then(|door| door.sso_required))
    }

    /// Removes a connection and takes it off the list. Sessions that it opened end with it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn delete_sso_connection(
        &self,
        ctx: &Ctx,
        connection: &Versioned<SsoConnection>,
        directory: &Versioned<SsoDirectory>,
    ) -> Result<Saved, StoreError> {
        let id = connection.value.id;
        let mut listed = directory.value.clone();
        listed.connections.retain(|listed| *listed != id);
        let changes = vec![
            Change::delete(keys::sso_connection(id)).when(Condition::rev(connection.rev)),
            directory_change(connection.value.ws, directory.rev, &listed)?,
        ];
        Ok(Saved::of(&self.transact(ctx, changes).await?))
    }
}
