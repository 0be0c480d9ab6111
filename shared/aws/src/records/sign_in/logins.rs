//! Sign-ins under way: the state that a browser brings back, what has been used, and the one-time codes at the end.

use coportal_core::ctx::Ctx;
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;
use crate::keys;
use crate::records::timeline::ends;
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Transacted, Write, from_item, is_live};

/// How long a sign-in may take.
pub const LOGIN_LIVES: SignedDuration = SignedDuration::from_mins(10);
/// How long a one-time code waits to be exchanged.
pub const CODE_LIVES: SignedDuration = SignedDuration::from_secs(60);

/// What a sign-in is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginPurpose {
    /// A person wants in.
    SignIn,
    /// An admin tries the connection.
    Test(UserId),
    /// An admin binds the connection to their Microsoft tenant.
    Bind(UserId),
}

/// A sign-in that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The workspace.
    pub ws: WorkspaceId,
    /// The connection.
    pub connection: SsoConnectionId,
    /// What it is for.
    pub purpose: LoginPurpose,
    /// The nonce that an ID token must repeat, or the id of the request that a SAML response must answer.
    pub expected: String,
    /// The PKCE verifier, sealed under the state.
    pub verifier: Option<String>,
    /// SHA-256 of the browser's cookie.
    pub browser_hash: String,
    /// Where the browser goes afterwards: a path of ours.
    pub return_to: String,
    /// When it began.
    pub begun_at: Timestamp,
    /// The request that brought it back.
    #[serde(default)]
    pub consumed_by: Option<String>,
}

/// What a one-time code stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandOff {
    /// The workspace.
    pub ws: WorkspaceId,
    /// The connection.
    pub connection: SsoConnectionId,
    /// What the sign-in was for.
    pub purpose: LoginPurpose,
    /// SHA-256 of the browser's cookie.
    pub browser_hash: String,
    /// Where the browser goes afterwards.
    pub return_to: String,
    /// What the provider has proved, in the words of the crate that read it: a handle between the provider's POST and our own GET.
    pub proved: Option<Value>,
    /// Who signed in: what a code for a session stands for.
    pub user: Option<UserId>,
    /// When the provider's session ends.
    pub ends_at: Option<Timestamp>,
    /// When it was made.
    pub at: Timestamp,
    /// The request that redeemed it.
    #[serde(default)]
    pub consumed_by: Option<String>,
}

/// An id that must not come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// SHA-256 of its kind and text.
    pub hash: String,
    /// Until when it is remembered.
    pub until: Timestamp,
}

fn live<T: serde::de::DeserializeOwned>(kind: Kind, item: Option<Item>, now: Timestamp) -> Result<Option<T>, StoreError> {
    item.filter(|item| is_live(item, now)).map(|item| from_item(kind, item)).transpose()
}

/// Not used, or used by this very request whose answer was lost; not over.
fn once(request: &str, now: Timestamp) -> Condition {
    Condition::present()
        .and(Condition::new("#consumed_by = :request OR attribute_not_exists(#consumed_by)").text(":request", request))
        .and(Condition::new("#exp > :now").number(":now", now.as_second()))
}

impl Store {
    /// Begins a sign-in. It lives [`LOGIN_LIVES`].
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_login(&self, ctx: &Ctx, state: &str, login: &Login) -> Result<(), StoreError> {
        let fields = Fields::of(Kind::Login, login)?.expires(ends(ctx.now(), LOGIN_LIVES));
        match self.write(ctx, Change::put(keys::login(state), fields).when(Condition::absent())).await? {
            Write::Done { .. } => Ok(()),
            Write::Refused { .. } => Err(StoreError::corrupt("login", "its key is taken")),
        }
    }

    /// A sign-in by the state that a browser brought back; `None` when there is none or its time is over.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn login(&self, ctx: &Ctx, state: &str) -> Result<Option<Login>, StoreError> {
        live(Kind::Login, self.get(&keys::login(state)).await?, ctx.now())
    }

    /// Consumes a sign-in for one request; `false` when another had it or its time is over.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn consume_login(&self, ctx: &Ctx, state: &str, request: &str) -> Result<bool, StoreError> {
        let fields = Fields::empty(Kind::Login).text("consumed_by", request);
        match self.write(ctx, Change::update(keys::login(state), fields).when(once(request, ctx.now()))).await? {
            Write::Done { .. } => Ok(true),
            Write::Refused { .. } => Ok(false),
        }
    }

    /// Spends a response: the sign-in's state, each id of the response, and the handle that stands for it, all or nothing. `false` when
    /// any of them was used before.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn settle_login(
        &self,
        ctx: &Ctx,
        state: &str,
        request: &str,
        connection: SsoConnectionId,
        seen: &[Seen],
        handle: (&str, &HandOff),
    ) -> Result<bool, StoreError> {
        let now = ctx.now();
        let consumed = Fields::empty(Kind::Login).text("consumed_by", request);
        let mut changes = vec![Change::update(keys::login(state), consumed).when(once(request, now))];
        for seen in seen {
            // An id whose time is over may lie there still: the table removes it hours late.
            let free = Condition::new("attribute_not_exists(#pk) OR #exp <= :now").number(":now", now.as_second());
            let fields = Fields::empty(Kind::AssertionSeen).expires(seen.until);
            changes.push(Change::put(keys::assertion_seen(connection, &seen.hash), fields).when(free));
        }
        changes.push(code_change(handle.0, handle.1, now)?);
        match self.transact(ctx, changes).await? {
            Transacted::Done => Ok(true),
            Transacted::Refused(_) => Ok(false),
        }
    }

    /// Puts a one-time code. It lives [`CODE_LIVES`].
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_hand_off(&self, ctx: &Ctx, code: &str, hand_off: &HandOff) -> Result<(), StoreError> {
        match self.write(ctx, code_change(code, hand_off, ctx.now())?).await? {
            Write::Done { .. } => Ok(()),
            Write::Refused { .. } => Err(StoreError::corrupt("hand_off_code", "its key is taken")),
        }
    }

    /// What a one-time code stands for; `None` when there is none or its time is over. It is not consumed.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn hand_off(&self, ctx: &Ctx, code: &str) -> Result<Option<HandOff>, StoreError> {
        live(Kind::HandOffCode, self.get(&keys::hand_off_code(code)).await?, ctx.now())
    }

    /// Consumes a one-time code for one request; `false` when another had it or its time is over.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn consume_hand_off(&self, ctx: &Ctx, code: &str, request: &str) -> Result<bool, StoreError> {
        let fields = Fields::empty(Kind::HandOffCode).text("consumed_by", request);
        match self.write(ctx, Change::update(keys::hand_off_code(code), fields).when(once(request, ctx.now()))).await? {
            Write::Done { .. } => Ok(true),
            Write::Refused { .. } => Ok(false),
        }
    }
}

fn code_change(code: &str, hand_off: &HandOff, now: Timestamp) -> Result<Change, StoreError> {
    let fields = Fields::of(Kind::HandOffCode, hand_off)?.expires(ends(now, CODE_LIVES));
    Ok(Change::put(keys::hand_off_code(code), fields).when(Condition::absent()))
}
