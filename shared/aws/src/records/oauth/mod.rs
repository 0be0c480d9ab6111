//! OAuth sign-ins between their steps: the state a stranger brings back, and grants parked until a person confirms them.

use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::oauth::TokenSet;
use coportal_core::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::timeline::ends;
use crate::error::StoreError;
use crate::keys::{self, Index};
use crate::store::{Change, Condition, Fields, Item, Kind, Range, Store, Write, from_item, is_live};
use crate::vault::{Envelope, Opened};

/// How long a sign-in may take.
pub const STATE_LIVES: SignedDuration = SignedDuration::from_mins(10);
/// How long a parked grant waits for its person.
pub const PARKED_LIVES: SignedDuration = SignedDuration::from_mins(30);

/// A sign-in that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthState {
    /// The workspace.
    pub ws: WorkspaceId,
    /// Who began it.
    pub user: UserId,
    /// The ledger.
    pub ledger: Ledger,
    /// The PKCE verifier, sealed.
    pub verifier: Envelope,
    /// SHA-256 of the browser's cookie.
    pub browser_hash: String,
    /// Where the browser goes afterwards: a path of ours.
    #[serde(default)]
    pub return_path: Option<String>,
    /// When it began.
    pub begun_at: Timestamp,
    /// The request that brought it back.
    #[serde(default)]
    pub consumed_by: Option<String>,
    /// The grant that waits for a person's confirmation, sealed.
    #[serde(default)]
    pub grant: Option<Envelope>,
    /// When the parked grant's tokens end.
    #[serde(default)]
    pub grant_terms: Option<GrantTerms>,
    /// The request that took the parked grant.
    #[serde(default)]
    pub taken_by: Option<String>,
}

/// What of a token set is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantTerms {
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// When the refresh token ends if it is not used.
    pub refresh_expires_at: Option<Timestamp>,
    /// The sign-in the set came from.
    pub auth_event: Option<String>,
}

impl GrantTerms {
    /// The terms of a token set.
    #[must_use]
    pub fn of(tokens: &TokenSet) -> Self {
        Self {
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            auth_event: tokens.auth_event.clone(),
        }
    }

    /// The token set again, from what the vault opened. `None` when it holds no access token.
    #[must_use]
    pub fn with(&self, opened: &mut Opened) -> Option<TokenSet> {
        let access_token: Secret = opened.take(ACCESS)?;
        Some(TokenSet {
            access_token,
            refresh_token: opened.take(REFRESH),
            access_expires_at: self.access_expires_at,
            refresh_expires_at: self.refresh_expires_at,
            auth_event: self.auth_event.clone(),
        })
    }
}

/// Field name of an access token in envelopes.
pub const ACCESS: &str = "access";
/// Field name of a refresh token in envelopes.
pub const REFRESH: &str = "refresh";
/// Field name of a PKCE verifier in envelopes.
pub const VERIFIER: &str = "verifier";

/// A grant that waits.
#[derive(Debug, Clone)]
pub struct ParkedGrant {
    /// SHA-256 of the state it came with: names it, and is no secret.
    pub reference: String,
    /// The sign-in with the sealed grant.
    pub state: OauthState,
}

fn live_state(item: Item, now: Timestamp) -> Result<Option<OauthState>, StoreError> {
    if is_live(&item, now) { from_item(Kind::OauthState, item).map(Some) } else { Ok(None) }
}

/// Not over: `exp` is in seconds, and is compared by us.
fn not_over(now: Timestamp) -> Condition {
    Condition::new("#exp > :now").number(":now", now.as_second())
}

impl Store {
    /// Begins a sign-in. It lives [`STATE_LIVES`].
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_oauth_state(&self, ctx: &Ctx, state: &str, sign_in: &OauthState) -> Result<(), StoreError> {
        let fields = Fields::of(Kind::OauthState, sign_in)?.expires(ends(ctx.now(), STATE_LIVES));
        match self.write(ctx, Change::put(keys::oauth_state(state), fields).when(Condition::absent())).await? {
            Write::Done { .. } => Ok(()),
            Write::Refused { .. } => Err(StoreError::corrupt("oauth_state", "its key is taken")),
        }
    }

    /// A sign-in by the state that a browser brought back; `None` when there is none or its time is over. It is not consumed.
    async fn oauth_state(&self, ctx: &Ctx, state: &str) -> Result<Option<OauthState>, StoreError> {
        let item = self.get(&keys::oauth_state(state)).await?;
        item.map_or(Ok(None), |item| live_state(item, ctx.now()))
    }

    /// Consumes a sign-in for one request (`request` names it; the same request may repeat itself). `None` when there is none, its time is
    /// over, another request had it, or it is of another ledger: that one is left as it is (mix-up: each ledger has a redirect URI of its own,
    /// RFC 9700, section 4.4).
    ///
    /// Condition: `attribute_not_exists(consumed_by) OR consumed_by = :request`, and `exp > :now`.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn consume_oauth_state(
        &self,
        ctx: &Ctx,
        ledger: Ledger,
        state: &str,
        request: &str,
    ) -> Result<Option<OauthState>, StoreError> {
        let known = self.oauth_state(ctx, state).await?;
        let Some(sign_in) = known.filter(|known| known.ledger == ledger) else {
            return Ok(None);
        };
        let once = Condition::new("#consumed_by = :request OR attribute_not_exists(#consumed_by)").text(":request", request);
        let condition = Condition::present().and(once).and(not_over(ctx.now()));
        let fields = Fields::empty(Kind::OauthState).text("consumed_by", request);
        match self.write(ctx, Change::update(keys::oauth_state(state), fields).when(condition)).await? {
            Write::Done { .. } => Ok(Some(OauthState { consumed_by: Some(request.to_owned()), ..sign_in })),
            Write::Refused { .. } => Ok(None),
        }
    }

    /// Parks a sealed grant at its sign-in for [`PARKED_LIVES`], for the person who began it. Answers its reference, or `None` when the
    /// sign-in was not consumed by this request.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn park_grant(
        &self,
        ctx: &Ctx,
        state: &str,
        request: &str,
        sign_in: &OauthState,
        grant: &Envelope,
        terms: &GrantTerms,
    ) -> Result<Option<String>, StoreError> {
        let reference = keys::secret_hash(state);
        let now = ctx.now();
        let listed = (keys::cards_pk(sign_in.ws), keys::parked_sk(&sign_in.user, now, sign_in.ledger, sign_in.begun_at, &reference));
        let fields = Fields::empty(Kind::OauthState)
            .value("grant", grant)?
            .value("grant_terms", terms)?
            .expires(ends(now, PARKED_LIVES))
            .listed(Some(listed));
        let ours = Condition::new("#consumed_by = :request").text(":request", request);
        match self.write(ctx, Change::update(keys::oauth_state_of_hash(&reference), fields).when(ours)).await? {
            Write::Done { .. } => Ok(Some(reference)),
            Write::Refused { .. } => Ok(None),
        }
    }

    /// The grant of a reference, if it is this person's in this workspace, waits and is not over.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn parked_grant(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        user: &UserId,
        reference: &str,
    ) -> Result<Option<ParkedGrant>, StoreError> {
        let Some(item) = self.get(&keys::oauth_state_of_hash(reference)).await? else {
            return Ok(None);
        };
        let state = live_state(item, ctx.now())?;
        let theirs = state.filter(|state| state.ws == ws && state.user == *user && state.grant.is_some() && state.taken_by.is_none());
        Ok(theirs.map(|state| ParkedGrant { reference: reference.to_owned(), state }))
    }

    /// The grants that wait for a person in a workspace, newest first. The index names them; each is read consistently.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn parked_grants(&self, ctx: &Ctx, ws: WorkspaceId, user: &UserId) -> Result<Vec<ParkedGrant>, StoreError> {
        let prefix = keys::parked_prefix(user);
        let range = Range { prefix: &prefix, newest_first: true, limit: Some(20), ..Range::default() };
        let page = self.query_index(Index::List, &keys::cards_pk(ws), &range).await?;
        let mut waiting = Vec::new();
        for item in &page.items {
            let reference = item.get(Index::List.sk()).and_then(|sk| sk.as_s().ok()).and_then(|sk| sk.rsplit_once('#'));
            if let Some((_, reference)) = reference {
                waiting.extend(self.parked_grant(ctx, ws, user, reference).await?);
            }
        }
        Ok(waiting)
    }

    /// Takes a parked grant for one request of the person who began the sign-in; nobody else can, and nobody twice.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn take_parked_grant(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        user: &UserId,
        reference: &str,
        request: &str,
    ) -> Result<Option<ParkedGrant>, StoreError> {
        let key = keys::oauth_state_of_hash(reference);
        let theirs = Condition::new("#ws = :ws AND #user = :user AND attribute_exists(#grant)")
            .text(":ws", ws.to_string())
            .text(":user", user.as_str());
        let once = Condition::new("#taken_by = :request OR attribute_not_exists(#taken_by)").text(":request", request);
        let condition = theirs.and(once).and(not_over(ctx.now()));
        let Some(item) = self.get(&key).await? else {
            return Ok(None);
        };
        let fields = Fields::empty(Kind::OauthState).text("taken_by", request).listed(None);
        match self.write(ctx, Change::update(key, fields).when(condition)).await? {
            Write::Refused { .. } => Ok(None),
            Write::Done { .. } => {
                let state: OauthState = from_item(Kind::OauthState, item)?;
                Ok(Some(ParkedGrant { reference: reference.to_owned(), state }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
