//! Signed-in browsers.

use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Kind, Store, Write, from_item};

/// A session, kept under the SHA-256 of its cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who.
    pub user: UserId,
    /// Where.
    pub workspace: WorkspaceId,
    /// How they signed in.
    pub auth: SignIn,
    /// [`csrf_hash`] of what the browser's writes must carry.
    pub csrf: String,
    /// It ends then if it is not used before.
    pub idle_until: Timestamp,
    /// It ends then at the latest.
    pub absolute_until: Timestamp,
}

/// How somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The method, by its name in RFC 8176 or our own (`sso`, `local`).
    pub method: String,
    /// The single sign-on connection it went through.
    pub connection: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What is stored of the token against forged requests.
#[must_use]
pub fn csrf_hash(token: &str) -> String {
    keys::secret_hash(token)
}

impl Store {
    /// The session of a cookie. Whether it still counts is the caller's to judge by the two ends.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn session(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let item = self.get(&keys::session(cookie)).await?;
        item.map(|item| from_item(Kind::Session, item)).transpose()
    }

    /// Stores a session under a fresh cookie.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_session(&self, ctx: &Ctx, cookie: &str, session: &Session) -> Result<(), StoreError> {
        let fields = Fields::of(Kind::Session, session)?.expires(session.absolute_until);
        match self.write(ctx, Change::put(keys::session(cookie), fields)).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }

    /// Moves the end that comes without use. A session that is gone stays gone. No other attribute is written: functions that may not
    /// open sessions may do this.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn extend_session(&self, ctx: &Ctx, cookie: &str, idle_until: Timestamp) -> Result<(), StoreError> {
        let fields = Fields::empty(Kind::Session).value("idle_until", &idle_until)?;
        match self.write(ctx, Change::update(keys::session(cookie), fields).when(Condition::present())).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn delete_session(&self, ctx: &Ctx, cookie: &str) -> Result<(), StoreError> {
        match self.write(ctx, Change::delete(keys::session(cookie))).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }
}
