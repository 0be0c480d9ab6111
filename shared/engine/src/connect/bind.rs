//! The connect transaction: connection, tokens sealed for the organisation, its number, its use (docs/records.md, section 5).

use coportal_aws::records::connections::{Connected, Draw};
use coportal_aws::records::granted::Granted;
use coportal_aws::records::oauth::{ACCESS, REFRESH};
use coportal_aws::records::tokens::{Refresh, RefreshOutcome, TokenKey, TokenRow};
use coportal_aws::store::Versioned;
use coportal_aws::vault::{PENDING, SealContext};
use coportal_core::choices::Choices;
use coportal_core::connection::{Connection, ConnectionStatus, Generation, Options, Organisation};
use coportal_core::ctx::Ctx;
use coportal_core::id::{ConnectionId, RunId, UserId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::oauth::TokenSet;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::secret::Secret;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_ledgers::Held;
use jiff::Timestamp;

use super::choices::single_choices;
use super::grant::fields;
use super::moved;
use crate::Engine;
use crate::access::REFRESH_LEASE;

/// How often the transaction is prepared anew when somebody else changed what it rests on.
const TRIES: u32 = 4;

/// When a token set ends.
struct Terms {
    access_exp: Timestamp,
    refresh_exp: Option<Timestamp>,
}

/// A connection that was written.
struct Bound {
    connection: Connection,
    /// Its number was drawn for it: no choice was made and no invoice waits under it.
    fresh: bool,
}

impl Engine {
    /// Connects the one organisation of a fresh grant.
    pub(super) async fn connect_fresh(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        user: &UserId,
        ledger: Ledger,
        organisation: &Organisation,
        tokens: &TokenSet,
    ) -> Outcome<()> {
        let terms = Terms { access_exp: tokens.access_expires_at, refresh_exp: tokens.refresh_expires_at };
        for _ in 0..TRIES {
            let before = self.store.connection(workspace.id, ledger).await?;
            let grant = next_grant(before.as_ref());
            let left = before.as_ref().filter(|before| before.value.organisation.as_ref().is_some_and(|left| left.id != organisation.id));
            let theirs = match left {
                Some(left) => self.left_refresh_token(ctx, workspace.id, &left.value).await,
                None => None,
            };
            let made = self.bind(ctx, workspace.id, user, ledger, before.as_ref(), organisation, grant, &fields(tokens), &terms).await?;
            if let Some(bound) = made {
                let left = left.and_then(|left| left.value.organisation.clone());
                let held = Held { access: &tokens.access_token, refresh: theirs.as_ref() };
                self.after(ctx, workspace.id, user, &bound, "connected", held, left.as_slice()).await;
                return Ok(());
            }
        }
        Err(moved(ledger))
    }

    /// The refresh token of an organisation that is left: binding another one erases it, and a ledger whose token set is of one organisation
    /// takes that set back with it. Without it the old grant ends by itself; that keeps nobody from connecting.
    async fn left_refresh_token(&self, ctx: &Ctx, workspace: WorkspaceId, left: &Connection) -> Option<Secret> {
        match self.held_refresh_token(ctx, workspace, left).await {
            Ok(token) => token,
            Err(problem) => {
                tracing::warn!(?problem, "the tokens of an organisation that is left could not be opened");
                None
            }
        }
    }

    /// Keeps the tokens of a consent to several organisations, sealed for none of them, until one is chosen.
    pub(super) async fn offer(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        user: &UserId,
        ledger: Ledger,
        organisations: Vec<Organisation>,
        tokens: &TokenSet,
    ) -> Outcome<()> {
        let count = organisations.len();
        let mut granted = Granted { grant: 0, organisations, options_of: None };
        for _ in 0..TRIES {
            let before = self.store.connection(workspace, ledger).await?;
            granted.grant = next_grant(before.as_ref());
            granted.options_of = self.options_of(workspace, before.as_ref()).await?;
            let pending = Generation(0);
            let context = SealContext::tokens(workspace, ledger, PENDING, pending);
            let key = self.vault.data_key(ctx, &context).await?;
            let envelope = self.vault.seal(ctx, &key, 1, &fields(tokens))?;
            let row = TokenRow::issued(envelope, tokens.access_expires_at, tokens.refresh_expires_at, granted.grant);
            let connection = Connection {
                status: ConnectionStatus::ChooseOrganisation,
                organisation: None,
                generation: pending,
                grant: granted.grant,
                reconnect_reason: None,
                look_first: false,
                ..base(ctx, before.as_ref(), ledger)
            };
            match self.store.offer(ctx, workspace, before.as_ref(), &connection, &row, &granted).await? {
                Connected::Done { .. } => {
                    self.tell_left(ctx, before.as_ref(), None).await;
                    let text = format!("{} gave access to {count} organisations; one is to be chosen.", ledger.label());
                    return self.audit(ctx, workspace, Actor::User(user.clone()), "consent_given", Some(ledger), text).await;
                }
                Connected::Moved => {}
            }
        }
        Err(moved(ledger))
    }

    /// Binds a pending grant to the organisation that was chosen, and cuts the links to the others.
    pub(super) async fn connect_pending(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        user: &UserId,
        before: Versioned<Connection>,
        chosen: &Organisation,
        granted: &Granted,
    ) -> Outcome<()> {
        let ledger = before.value.ledger;
        let key = TokenKey { ws: workspace.id, ledger, generation: before.value.generation };
        let row = self.store.tokens(key).await?.filter(|row| row.value.grant == before.value.grant).ok_or_else(|| moved(ledger))?.value;
        let context = SealContext::tokens(workspace.id, ledger, PENDING, before.value.generation);
        let mut opened = self.vault.open(ctx, &row.envelope, &context, row.token_gen).await?;
        let access = opened.take(ACCESS).ok_or_else(|| Problem::internal_error("a pending grant without an access token"))?;
        let refresh = opened.take(REFRESH);
        let secrets: Vec<(&'static str, &Secret)> =
            std::iter::once((ACCESS, &access)).chain(refresh.as_ref().map(|refresh| (REFRESH, refresh))).collect();
        let terms = Terms { access_exp: row.access_exp, refresh_exp: row.refresh_exp };
        let grant = before.value.grant.saturating_add(1);
        // One try: whoever changed the connection meanwhile has chosen, consented anew or disconnected, and that stands.
        let made = self.bind(ctx, workspace.id, user, ledger, Some(&before), chosen, grant, &secrets, &terms).await?;
        let bound = made.ok_or_else(|| moved(ledger))?;
        let others: Vec<Organisation> = granted.organisations.iter().filter(|other| other.id != chosen.id).cloned().collect();
        if ctx.now() < row.access_exp {
            let held = Held { access: &access, refresh: None };
            self.after(ctx, workspace.id, user, &bound, "organisation_chosen", held, &others).await;
            return Ok(());
        }
        match self.access_token(ctx, workspace.id, &bound.connection, None).await {
            Ok(token) => {
                let held = Held { access: token.secret(), refresh: None };
                self.after(ctx, workspace.id, user, &bound, "organisation_chosen", held, &others).await;
            }
            Err(problem) => tracing::warn!(?problem, "an organisation is chosen, and its facts could not be read yet"),
        }
        Ok(())
    }

    /// Moves a connection to another organisation that the same consent reaches (R17): its own generation, the tokens sealed anew for it.
    pub(super) async fn connect_other(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        user: &UserId,
        before: Versioned<Connection>,
        chosen: &Organisation,
    ) -> Outcome<()> {
        let ledger = before.value.ledger;
        // A token that ends now would be refreshed under the old number; it is refreshed first, so that the newest set moves along.
        let token = self.access_token(ctx, workspace.id, &before.value, None).await.map_err(|problem| problem.problem(ledger))?;
        let key = TokenKey { ws: workspace.id, ledger, generation: before.value.generation };
        let organisation = before.value.organisation.as_ref().ok_or_else(|| moved(ledger))?;
        // The right to refresh is held while the set is moved: a refresh in between would leave the new number with a used refresh token.
        let read = self.store.tokens(key).await?.ok_or_else(|| moved(ledger))?;
        let owner = RunId::new(ctx.uuid());
        let until = ctx.now().saturating_add(REFRESH_LEASE).unwrap_or(Timestamp::MAX);
        let Refresh::Mine(held) = self.store.take_refresh_lease(ctx, key, &read, owner, until).await? else { return Err(moved(ledger)) };
        let row = held.value;
        let context = SealContext::tokens(workspace.id, ledger, &organisation.id, before.value.generation);
        let mut opened = self.vault.open(ctx, &row.envelope, &context, row.token_gen).await?;
        let access = opened.take(ACCESS).ok_or_else(|| Problem::internal_error("a token row without an access token"))?;
        let refresh = opened.take(REFRESH);
        let secrets: Vec<(&'static str, &Secret)> =
            std::iter::once((ACCESS, &access)).chain(refresh.as_ref().map(|refresh| (REFRESH, refresh))).collect();
        let terms = Terms { access_exp: row.access_exp, refresh_exp: row.refresh_exp };
        let grant = before.value.grant.saturating_add(1);
        // One try: whoever changed the connection meanwhile has chosen, consented anew or disconnected, and that stands.
        let made = self.bind(ctx, workspace.id, user, ledger, Some(&before), chosen, grant, &secrets, &terms).await?;
        let Some(bound) = made else {
            if let Err(error) = self.store.release_refresh_lease(ctx, key, owner, RefreshOutcome::Settled).await {
                tracing::warn!(ledger = ledger.slug(), %error, "a refresh lease ends by itself");
            }
            return Err(moved(ledger));
        };
        let held = Held { access: token.secret(), refresh: None };
        self.after(ctx, workspace.id, user, &bound, "organisation_changed", held, &[]).await;
        Ok(())
    }

    /// The tokens of a consent that waits for a choice, access and refresh. The access token may have ended meanwhile.
    pub(super) async fn pending_tokens(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        connection: &Connection,
    ) -> Outcome<Option<(Secret, Option<Secret>)>> {
        let key = TokenKey { ws: workspace, ledger: connection.ledger, generation: connection.generation };
        let Some(row) = self.store.tokens(key).await?.map(|row| row.value) else {
            return Ok(None);
        };
        let context = SealContext::tokens(workspace, connection.ledger, PENDING, connection.generation);
        let mut opened = self.vault.open(ctx, &row.envelope, &context, row.token_gen).await?;
        let refresh = opened.take(REFRESH);
        Ok(opened.take(ACCESS).map(|access| (access, refresh)))
    }

    /// The generation whose options a connection carries.
    async fn options_of(&self, workspace: WorkspaceId, before: Option<&Versioned<Connection>>) -> Outcome<Option<Generation>> {
        let Some(Connection { status, ledger, grant, generation, organisation, .. }) = before.map(|before| &before.value) else {
            return Ok(None);
        };
        if *status != ConnectionStatus::ChooseOrganisation {
            return Ok(organisation.as_ref().map(|_| *generation));
        }
        let granted = self.store.granted(workspace, *ledger, *grant).await?;
        Ok(granted.and_then(|granted| granted.options_of))
    }

    /// Seals for the organisation and writes the transaction; `None` when somebody else changed what it rests on.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the transaction")]
    async fn bind(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        user: &UserId,
        ledger: Ledger,
        before: Option<&Versioned<Connection>>,
        organisation: &Organisation,
        grant: u64,
        secrets: &[(&'static str, &Secret)],
        terms: &Terms,
    ) -> Outcome<Option<Bound>> {
        let draw: Draw = self.store.draw_generation(ctx, workspace, ledger, &organisation.id).await?;
        let context = SealContext::tokens(workspace, ledger, &organisation.id, draw.generation);
        let key = self.vault.data_key(ctx, &context).await?;
        let envelope = self.vault.seal(ctx, &key, 1, secrets)?;
        let row = TokenRow::issued(envelope, terms.access_exp, terms.refresh_exp, grant);
        let base = base(ctx, before, ledger);
        // Options belong to the organisation: what was switched on for another one's books is not switched on here.
        let same = self.options_of(workspace, before).await? == Some(draw.generation);
        let connection = Connection {
            status: ConnectionStatus::Connected,
            organisation: Some(organisation.clone()),
            generation: draw.generation,
            grant,
            options: if same { base.options.clone() } else { Options::defaults(ledger) },
            connected_at: Some(ctx.now()),
            connected_by: Some(user.clone()),
            look_first: draw.look_first,
            reconnect_reason: None,
            ..base
        };
        match self.store.connect(ctx, workspace, before, &connection, &row, Some(&draw)).await? {
            Connected::Done { .. } => {
                self.tell_sharing(ctx, ledger, &organisation.id).await;
                self.tell_left(ctx, before, Some(organisation)).await;
                Ok(Some(Bound { connection, fresh: draw.fresh }))
            }
            Connected::Moved => Ok(None),
        }
    }

    /// Says on the cards of those who still use the organisation that a connection was of before whether they share it.
    async fn tell_left(&self, ctx: &Ctx, before: Option<&Versioned<Connection>>, now: Option<&Organisation>) {
        let Some(before) = before.map(|before| &before.value) else { return };
        if let Some(left) = before.organisation.as_ref().filter(|left| now.is_none_or(|now| now.id != left.id)) {
            self.tell_sharing(ctx, before.ledger, &left.id).await;
        }
    }

    /// What follows from a connection that stands: its audit line, its facts with the single sales account, and the links that nobody
    /// uses any more. Nothing here undoes the connection: facts are read again by whoever needs them, and a link that could not be cut
    /// is only a slot at the vendor. `held.refresh` is of the set that the unused organisations' links end with, where they have one of
    /// their own.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the new connection")]
    async fn after(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        user: &UserId,
        bound: &Bound,
        action: &str,
        held: Held<'_>,
        unused: &[Organisation],
    ) {
        let Bound { connection, fresh } = bound;
        let ledger = connection.ledger;
        let name = connection.organisation.as_ref().map_or("", |organisation| organisation.name.as_str());
        let text = format!("Invoices go to {name} in {}.", ledger.label());
        if let Err(problem) = self.audit(ctx, workspace, Actor::User(user.clone()), action, Some(ledger), text).await {
            tracing::error!(?problem, action, "an audit line was not written");
        }
        if let Err(problem) = self.first_facts(ctx, workspace, bound, held.access).await {
            tracing::warn!(?problem, "the facts of a fresh connection could not be read yet");
        }
        if let Err(problem) = self.keep_checking_drift(ctx, workspace, connection).await {
            tracing::warn!(?problem, "the books of a fresh connection are not compared until somebody asks");
        }
        // What waited for the consent goes on by itself (C19); what time does not allow here, the keeper repeats.
        if !fresh && let Err(problem) = self.resume_parked(ctx, workspace, ledger).await {
            tracing::warn!(?problem, "what waits for the connection is resumed later");
        }
        for organisation in unused {
            if let Err(problem) = self.cut_if_unused(ctx, workspace, ledger, organisation, held).await {
                tracing::warn!(?problem, "the link to an organisation that was not chosen could not be cut");
            }
        }
    }

    /// Facts at connect, and the single sales account stored as the choice, unless the generation has one from before.
    async fn first_facts(&self, ctx: &Ctx, workspace: WorkspaceId, bound: &Bound, token: &Secret) -> Outcome<()> {
        let connection = &bound.connection;
        let (ledger, generation) = (connection.ledger, connection.generation);
        let (api, _) = self.connectable(ledger)?;
        let Some(organisation) = connection.organisation.as_ref().filter(|_| ctx.has_time_for(api.rules.call_timeout)) else {
            return Ok(());
        };
        let facts = self.ask(ctx, api, &organisation.id, token).await?.map_err(|failure| failure.problem())?;
        self.store.put_facts(ctx, workspace, ledger, generation, &facts).await?;
        let stored = if bound.fresh { Choices::default() } else { self.store.choices(workspace, ledger, generation).await? };
        let single = single_choices(&facts);
        let choices = Choices {
            sales_account: stored.sales_account.clone().or(single.sales_account),
            sales_item: stored.sales_item.clone().or(single.sales_item),
            ..stored.clone()
        };
        if choices != stored {
            self.store.put_choices(ctx, workspace, ledger, generation, &stored, &choices).await?;
        }
        Ok(())
    }

    /// Cuts the vendor's link to an organisation, if no workspace uses it.
    pub(super) async fn cut_if_unused(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        ledger: Ledger,
        organisation: &Organisation,
        held: Held<'_>,
    ) -> Outcome<()> {
        let (api, _) = self.connectable(ledger)?;
        let Some(link) = organisation.link_id.as_deref().filter(|_| ctx.has_time_for(api.rules.call_timeout)) else {
            return Ok(());
        };
        if self.is_shared(ledger, &organisation.id, workspace).await? {
            return Ok(());
        }
        let credentials = self.credentials(ctx, ledger).await?;
        api.sign_in.unlink(&credentials, held, link).await.map_err(|failure| failure.problem())
    }
}

/// What a new state of a connection is made from: the connection as it was, or one that never was.
fn base(ctx: &Ctx, before: Option<&Versioned<Connection>>, ledger: Ledger) -> Connection {
    before.map_or_else(
        || Connection {
            id: ConnectionId::new(ctx.uuid()),
            ledger,
            status: ConnectionStatus::Disconnected,
            organisation: None,
            generation: Generation(0),
            grant: 0,
            options: Options::defaults(ledger),
            connected_at: None,
            connected_by: None,
            look_first: false,
            reconnect_reason: None,
        },
        |before| before.value.clone(),
    )
}

fn next_grant(before: Option<&Versioned<Connection>>) -> u64 {
    before.map_or(0, |before| before.value.grant).saturating_add(1)
}
