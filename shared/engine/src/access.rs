//! Access tokens: opened when fresh, refreshed under a lease when not, and "reconnect" said only when it is proven (design decision 10).

use std::time::Duration;

use coportal_aws::records::connections::ReconnectMarked;
use coportal_aws::records::tokens::{Refresh, RefreshOutcome, Refreshed, TokenKey, TokenRow};
use coportal_aws::store::Versioned;
use coportal_aws::vault::{DataKey, SealContext};
use coportal_core::connection::Connection;
use coportal_core::ctx::Ctx;
use coportal_core::failure::Failure;
use coportal_core::id::{RunId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::oauth::TokenSet;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::secret::Secret;
use coportal_ledgers::RefreshFailure;
use jiff::{SignedDuration, Timestamp};

use crate::Engine;

/// Field of the access token in an envelope.
pub(crate) const ACCESS: &str = "access";
/// Field of the refresh token in an envelope.
pub(crate) const REFRESH: &str = "refresh";

/// A token that ends within this time is refreshed first: a call must not outlive it.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How long the right to refresh lasts: the vendor's time-out, the writes around it and a margin.
pub(crate) const REFRESH_LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How long after the lease was taken the vendor may be called: what is left of the lease covers the vendor's time-out and the storing.
/// Two uses of one refresh token can leave the vendor with another live set than the one that is stored.
const REFRESH_START: SignedDuration = SignedDuration::from_secs(10);
/// How often a run looks whether somebody else's refresh is done.
const TURNS: u32 = 48;
const TURN: Duration = Duration::from_millis(250);
/// A refresh that may have been done is tried again after this time.
const UNSETTLED_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// How often the storing of a fresh token set is tried: it may be the only live one.
const STORE_TRIES: u32 = 4;

/// An access token in hand, for one invocation.
pub struct AccessToken {
    secret: Secret,
    token_gen: u64,
}

impl AccessToken {
    /// The token itself, for the header of a vendor call.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// Why there is no access token.
#[derive(Debug)]
pub enum AccessProblem {
    /// The grant is proven dead, or was erased: an admin has to reconnect.
    Dead,
    /// Somebody else is refreshing until then.
    Busy {
        /// End of their lease.
        until: Timestamp,
    },
    /// A refresh may have been done, and its outcome is not known.
    Unsettled {
        /// When to try again.
        until: Timestamp,
    },
    /// The ledger refused to refresh for another reason, or could not be reached.
    Failed(Box<Failure>),
    /// Our own side failed.
    Store(Problem),
}

impl AccessProblem {
    /// The problem as a user reads it.
    #[must_use]
    pub fn problem(&self, ledger: Ledger) -> Problem {
        let label = ledger.label();
        match self {
            Self::Dead => Problem::new(ProblemKind::Conflict, "reconnect_required", format!("{label} no longer accepts the connection."))
                .fix(
                    format!("Ask an admin to reconnect {label}. Nothing is lost meanwhile: what waits goes on by itself then."),
                    "Settings -> Integrations",
                    false,
                ),
            Self::Busy { .. } | Self::Unsettled { .. } => Problem::new(
                ProblemKind::Unavailable,
                "token_refresh_pending",
                format!("The sign-in at {label} is being renewed."),
            )
            .fix("Nothing to do: what waits goes on by itself in a minute.", "the invoice", true),
            Self::Failed(failure) => failure.problem(),
            Self::Store(problem) => problem.clone(),
        }
    }
}

fn ours<E: Into<Problem>>(error: E) -> AccessProblem {
    AccessProblem::Store(error.into())
}

/// One look at the tokens, or one refresh.
enum Turn {
    /// A token in hand.
    Token(AccessToken),
    /// The tokens as they stand now: look again.
    Again(Box<Versioned<TokenRow>>),
    /// Somebody else refreshes until then.
    Wait(Timestamp),
}

impl Engine {
    /// The access token of a connection, refreshed under the lease when it ends soon. `row` is the token row if the caller has read it
    /// just now: a warm sync then makes no call here.
    ///
    /// # Errors
    /// When there is no token to be had: see [`AccessProblem`].
    pub async fn access_token(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        connection: &Connection,
        row: Option<Versioned<TokenRow>>,
    ) -> Result<AccessToken, AccessProblem> {
        self.token(ctx, workspace, connection, row, None).await
    }

    /// Another access token than the one that the ledger has just refused.
    ///
    /// # Errors
    /// As [`Engine::access_token`].
    pub async fn renew_token(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        connection: &Connection,
        refused: Option<&AccessToken>,
    ) -> Result<AccessToken, AccessProblem> {
        self.token(ctx, workspace, connection, None, refused.map(|token| token.token_gen)).await
    }

    /// The ledger refuses a token that it has just issued: its user, or an admin there, has cut the organisation off. Said on the card,
    /// unless another set or consent has taken that token's place, or a refresh is without an outcome.
    pub(crate) async fn mark_cut_off(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        connection: &Connection,
        token: &AccessToken,
    ) -> AccessProblem {
        let key = TokenKey { ws: workspace, ledger: connection.ledger, generation: connection.generation };
        let day = ctx.now().strftime("%-d %b %Y");
        let reason = format!("{} has not let CoPortal into the organisation since {day}.", connection.ledger.label());
        match self.store.mark_reconnect_required(ctx, key, token.token_gen, connection.grant, None, &reason).await {
            Ok(ReconnectMarked::Done) => AccessProblem::Dead,
            Ok(ReconnectMarked::Moved | ReconnectMarked::Unsettled) => {
                AccessProblem::Unsettled { until: ctx.now().saturating_add(UNSETTLED_PAUSE).unwrap_or(Timestamp::MAX) }
            }
            Err(error) => ours(error),
        }
    }

    async fn token(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        connection: &Connection,
        row: Option<Versioned<TokenRow>>,
        refused: Option<u64>,
    ) -> Result<AccessToken, AccessProblem> {
        let key = TokenKey { ws: workspace, ledger: connection.ledger, generation: connection.generation };
        let organisation = connection.organisation.as_ref().ok_or(AccessProblem::Dead)?;
        let context = SealContext::tokens(workspace, connection.ledger, &organisation.id, connection.generation);
        let run = RunId::new(ctx.uuid());
        let mut row = match row {
            Some(row) => row,
            None => self.store.tokens(key).await.map_err(ours)?.ok_or(AccessProblem::Dead)?,
        };
        let mut busy_until = ctx.now();
        for _ in 0..TURNS {
            let usable = ctx.now().saturating_add(MARGIN).is_ok_and(|soon| soon < row.value.access_exp);
            if usable && refused != Some(row.value.token_gen) {
                return self.open(ctx, &row.value, &context).await;
            }
            match self.refresh(ctx, key, connection.ledger, Some(&organisation.id), &context, &row, run).await? {
                Turn::Token(token) => return Ok(token),
                Turn::Again(now) => row = *now,
                Turn::Wait(until) => {
                    if !ctx.has_time_for(SignedDuration::from_secs(14)) {
                        return Err(AccessProblem::Busy { until });
                    }
                    busy_until = until;
                    tokio::time::sleep(TURN).await;
                    row = self.store.tokens(key).await.map_err(ours)?.ok_or(AccessProblem::Dead)?;
                }
            }
        }
        Err(AccessProblem::Busy { until: busy_until })
    }

    /// The refresh token of a connection, to take its grant back with; `None` when there is none.
    pub(crate) async fn held_refresh_token(&self, ctx: &Ctx, workspace: WorkspaceId, connection: &Connection) -> Outcome<Option<Secret>> {
        let Some(organisation) = &connection.organisation else { return Ok(None) };
        let key = TokenKey { ws: workspace, ledger: connection.ledger, generation: connection.generation };
        let Some(row) = self.store.tokens(key).await? else { return Ok(None) };
        let context = SealContext::tokens(workspace, connection.ledger, &organisation.id, connection.generation);
        let mut opened = self.vault.open(ctx, &row.value.envelope, &context, row.value.token_gen).await?;
        Ok(opened.take(REFRESH))
    }

    async fn open(&self, ctx: &Ctx, row: &TokenRow, context: &SealContext) -> Result<AccessToken, AccessProblem> {
        let mut opened = self.vault.open(ctx, &row.envelope, context, row.token_gen).await.map_err(ours)?;
        let secret = opened.take(ACCESS).ok_or_else(|| ours(Problem::internal_error("an envelope without an access token")))?;
        Ok(AccessToken { secret, token_gen: row.token_gen })
    }

    #[expect(clippy::too_many_arguments, reason = "each is one fact of the refresh")]
    async fn refresh(
        &self,
        ctx: &Ctx,
        key: TokenKey,
        ledger: Ledger,
        organisation: Option<&str>,
        context: &SealContext,
        row: &Versioned<TokenRow>,
        run: RunId,
    ) -> Result<Turn, AccessProblem> {
        if let Some(lease) = row.value.lease.as_ref().filter(|lease| ctx.now() < lease.until) {
            return Ok(Turn::Wait(lease.until));
        }
        let begun = ctx.now();
        let until = begun.saturating_add(REFRESH_LEASE).unwrap_or(Timestamp::MAX);
        let held = match self.store.take_refresh_lease(ctx, key, row, run, until).await.map_err(ours)? {
            Refresh::Mine(held) => held,
            Refresh::Other(Some(now)) => return Ok(Turn::Again(now)),
            Refresh::Other(None) => return Err(AccessProblem::Dead),
        };
        // Everything that the storing of the answer needs is in hand before the vendor is called.
        let prepared = self.prepare(ctx, ledger, context, &held.value).await;
        let (credentials, refresh_token, data_key) = match prepared {
            Ok(prepared) => prepared,
            Err(problem) => {
                self.release(ctx, key, run, RefreshOutcome::Settled).await;
                return Err(problem);
            }
        };
        let held = match self.store.mark_refresh_sent(ctx, key, &held).await.map_err(ours)? {
            Refresh::Mine(held) => held,
            Refresh::Other(Some(now)) => return Ok(Turn::Again(now)),
            Refresh::Other(None) => return Err(AccessProblem::Dead),
        };
        if begun.duration_until(ctx.now()) > REFRESH_START {
            // The way here took too long: somebody else may have the lease by now. Nothing was sent; look anew.
            return match self.release(ctx, key, run, RefreshOutcome::Settled).await {
                Some(now) => Ok(Turn::Again(Box::new(now))),
                None => Err(AccessProblem::Unsettled { until: ctx.now().saturating_add(UNSETTLED_PAUSE).unwrap_or(Timestamp::MAX) }),
            };
        }
        let api =
            self.ledgers.get(ledger).ok_or_else(|| ours(Problem::internal_error("a connection to a ledger that this build lacks")))?;
        match api.sign_in.refresh(&credentials, &refresh_token, organisation, ctx.now()).await {
            Ok(set) => self.keep(ctx, key, &held.value, &data_key, set, refresh_token).await,
            Err(RefreshFailure::NotDone(failure)) => {
                self.release(ctx, key, run, RefreshOutcome::Settled).await;
                Err(AccessProblem::Failed(Box::new(failure)))
            }
            Err(RefreshFailure::Unsettled { internal }) => {
                tracing::warn!(ledger = ledger.slug(), cause = internal, "a token refresh has no outcome");
                self.release(ctx, key, run, RefreshOutcome::Unknown).await;
                Err(AccessProblem::Unsettled { until: ctx.now().saturating_add(UNSETTLED_PAUSE).unwrap_or(Timestamp::MAX) })
            }
            Err(RefreshFailure::Dead) => self.refused(ctx, key, ledger, &held.value, run).await,
        }
    }

    async fn prepare(
        &self,
        ctx: &Ctx,
        ledger: Ledger,
        context: &SealContext,
        row: &TokenRow,
    ) -> Result<(coportal_ledgers::ClientCredentials, Secret, DataKey), AccessProblem> {
        let credentials = self.credentials(ctx, ledger).await.map_err(AccessProblem::Store)?;
        let mut opened = self.vault.open(ctx, &row.envelope, context, row.token_gen).await.map_err(ours)?;
        let refresh_token = opened.take(REFRESH).ok_or(AccessProblem::Dead)?;
        Ok((credentials, refresh_token, opened.key))
    }

    /// Stores what the vendor issued, on set and consent unmoved. It may be the only live refresh token: storing is tried again.
    async fn keep(
        &self,
        ctx: &Ctx,
        key: TokenKey,
        held: &TokenRow,
        data_key: &DataKey,
        set: TokenSet,
        before: Secret,
    ) -> Result<Turn, AccessProblem> {
        let token_gen = held.token_gen.saturating_add(1);
        // A vendor that does not rotate leaves the old refresh token good.
        let refresh_token = set.refresh_token.unwrap_or(before);
        let envelope =
            self.vault.seal(ctx, data_key, token_gen, &[(ACCESS, &set.access_token), (REFRESH, &refresh_token)]).map_err(ours)?;
        let refreshed = Refreshed { envelope, access_exp: set.access_expires_at, refresh_exp: set.refresh_expires_at.or(held.refresh_exp) };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.store.store_refreshed(ctx, key, held, &refreshed).await {
                Ok(Refresh::Mine(_)) => return Ok(Turn::Token(AccessToken { secret: set.access_token, token_gen })),
                // Stored by an attempt of ours whose answer was lost, or another set or consent has taken its place: look.
                Ok(Refresh::Other(Some(now))) => return Ok(Turn::Again(now)),
                Ok(Refresh::Other(None)) => return Err(AccessProblem::Dead),
                Err(error) if tries < STORE_TRIES => {
                    tracing::warn!(ledger = key.ledger.slug(), %error, "storing a refreshed token set again")
                }
                Err(error) => return Err(ours(error)),
            }
        }
    }

    /// `invalid_grant`. It is believed only when no other refresh from the same set is without an outcome: that one may have rotated the
    /// token, and its answer may still be stored.
    async fn refused(&self, ctx: &Ctx, key: TokenKey, ledger: Ledger, held: &TokenRow, run: RunId) -> Result<Turn, AccessProblem> {
        let now = self.release(ctx, key, run, RefreshOutcome::Settled).await;
        if let Some(now) = now.filter(|now| now.value.token_gen != held.token_gen || now.value.grant != held.grant) {
            return Ok(Turn::Again(Box::new(now)));
        }
        if held.has_unsettled_refresh(ctx.now(), Some(run)) {
            return Err(AccessProblem::Unsettled { until: ctx.now().saturating_add(UNSETTLED_PAUSE).unwrap_or(Timestamp::MAX) });
        }
        let reason = format!("{} signed us out on {}.", ledger.label(), ctx.now().strftime("%-d %b %Y"));
        match self.store.mark_reconnect_required(ctx, key, held.token_gen, held.grant, Some(run), &reason).await.map_err(ours)? {
            ReconnectMarked::Done => Err(AccessProblem::Dead),
            ReconnectMarked::Moved | ReconnectMarked::Unsettled => {
                Err(AccessProblem::Unsettled { until: ctx.now().saturating_add(UNSETTLED_PAUSE).unwrap_or(Timestamp::MAX) })
            }
        }
    }

    async fn release(&self, ctx: &Ctx, key: TokenKey, run: RunId, outcome: RefreshOutcome) -> Option<Versioned<TokenRow>> {
        match self.store.release_refresh_lease(ctx, key, run, outcome).await {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(ledger = key.ledger.slug(), %error, "a refresh lease ends by itself");
                None
            }
        }
    }
}
