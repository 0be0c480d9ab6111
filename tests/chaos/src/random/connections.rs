//! What admins do with connections: consent, options, disconnect.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use coportal_aws::keys::Choice;
use coportal_aws::records::connections::{Connected, Links};
use coportal_aws::records::oauth::{ACCESS, REFRESH};
use coportal_aws::records::tokens::TokenRow;
use coportal_aws::vault::SealContext;
use coportal_core::choices::Choices;
use coportal_core::connection::{Connection, ConnectionStatus, OnVoid, Options, Payments};
use coportal_core::facts::AccountUse;
use coportal_core::id::ConnectionId;
use coportal_core::secret::Secret;
use coportal_engine::connect::{CallbackQuery, ReturnPath};
use coportal_ledgers::exec::Meter;
use coportal_ledgers::profile::Lane;
use coportal_ledgers::{Access, AuthorizeRequest, ClientCredentials, pkce_challenge};
use simulators::skeleton::consent::Consent;
use simulators::skeleton::simulator::AnyLedger;
use url::Url;

use super::history::{Rates, Toggle};
use super::perform::survived;
use super::universe::{Universe, first, redirect_uri};
use crate::world::{CLIENT_ID, CLIENT_SECRET};

/// Says yes on a ledger's consent page; answers where that leads back to.
async fn led_back(simulator: &dyn AnyLedger, authorize_url: &Url) -> Result<Url> {
    let request = http::Request::get(authorize_url.as_str()).body(Bytes::new())?;
    let simulators::Answer::Response(consent) = simulator.handle(request).await else { bail!("the consent page did not answer") };
    Ok(Url::parse(consent.headers().get("location").context("consent leads back")?.to_str()?)?)
}

impl Universe {
    /// A connection that a history begins with: granted and described by the ledger, and stored as a consent leaves it, the admin's choices
    /// with it. What a consent does on its way, the steps do.
    pub(super) async fn found(&mut self, link: usize, organisation: &str, auto_sync: bool) -> Result<()> {
        let (space, ledger) = self.link(link).map(|link| (link.space, link.ledger))?;
        let simulator = Arc::clone(self.ledger(ledger)?);
        simulator.set_consent(Consent::approve_only(&[organisation])).map_err(|refused| anyhow!("{refused:?}"))?;
        let (ctx, at) = (self.ctx(), self.space(space)?);
        let ws = at.workspace.id;
        let api = self.quiet.ledgers.get(ledger).context("an API")?;
        let verifier = Secret::new(ctx.token());
        let redirect_uri = redirect_uri(ledger);
        let back = led_back(
            simulator.as_ref(),
            &api.sign_in.authorize_url(&AuthorizeRequest {
                client_id: CLIENT_ID,
                redirect_uri: &redirect_uri,
                state: &ctx.token(),
                pkce_challenge: &pkce_challenge(&verifier),
                lanes: &[Lane::Push],
            }),
        )
        .await?;
        let said = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let (code, realm) = (Secret::new(said("code").context("a code")?), said("realmId"));
        let credentials = ClientCredentials { client_id: CLIENT_ID.to_owned(), client_secret: Secret::new(CLIENT_SECRET.to_owned()) };
        let tokens = api.sign_in.exchange_code(&credentials, &code, &verifier, &redirect_uri, realm.as_deref(), ctx.now()).await;
        let tokens = tokens.map_err(|failure| anyhow!("{failure:?}"))?;
        let granted = api.sign_in.organisations(&tokens.access_token, tokens.auth_event.as_deref()).await;
        let granted = granted.map_err(|failure| anyhow!("{failure:?}"))?;
        let chosen = granted.into_iter().find(|granted| granted.name == organisation).context("the organisation was granted")?;
        let timeout = std::time::Duration::try_from(api.rules.call_timeout)?;
        let meter = Meter::default();
        let access = Access { organisation: &chosen.id, token: &tokens.access_token, meter: &meter, timeout, now: ctx.now() };
        let facts = api.facts.facts(access).await.map_err(|failure| anyhow!("{failure:?}"))?.value;

        let (store, vault) = (&self.quiet.store, &self.quiet.vault);
        let draw = store.draw_generation(&ctx, ws, ledger, &chosen.id).await?;
        let generation = draw.generation;
        let context = SealContext::tokens(ws, ledger, &chosen.id, generation);
        let key = vault.data_key(&ctx, &context).await?;
        let refresh = tokens.refresh_token.as_ref().context("a refresh token")?;
        let envelope = vault.seal(&ctx, &key, 1, &[(ACCESS, &tokens.access_token), (REFRESH, refresh)])?;
        let row = TokenRow::issued(envelope, tokens.access_expires_at, tokens.refresh_expires_at, 1);
        let place = chosen.id.clone();
        let connection = Connection {
            id: ConnectionId::new(ctx.uuid()),
            ledger,
            status: ConnectionStatus::Connected,
            organisation: Some(chosen),
            generation,
            grant: 1,
            options: Options { auto_sync, ..Options::defaults(ledger) },
            connected_at: Some(ctx.now()),
            connected_by: Some(at.user.clone()),
            look_first: draw.look_first,
            reconnect_reason: None,
        };
        let Connected::Done { .. } = store.connect(&ctx, ws, None, &connection, &row, Some(&draw)).await? else {
            bail!("{ledger} of {ws} was connected already");
        };
        store.put_facts(&ctx, ws, ledger, generation, &facts).await?;
        let first = |purpose| facts.accounts_for(purpose).next().map(|account| account.code.clone().unwrap_or_else(|| account.id.clone()));
        let sales = facts.default_sales_account.as_deref().and_then(|id| facts.account(id)).map(|account| account.id.clone());
        let choices = Choices {
            sales_account: sales.or_else(|| first(AccountUse::Sales)),
            sales_item: facts.default_item.clone().or_else(|| facts.items.first().map(|item| item.id.clone())),
            payment_account: first(AccountUse::Payment),
            ..Choices::default()
        };
        store.put_choices(&ctx, ws, ledger, generation, &Choices::default(), &choices).await?;

        let consent = self.grants().newest(ledger);
        let step = self.step;
        let link = self.links.get_mut(link).context("a connection")?;
        link.organisations.insert(place);
        link.consent = consent;
        link.generation = Some(generation);
        link.auto_since = auto_sync.then_some(step);
        Ok(())
    }

    /// Consents to one organisation; what an admin chooses beside it is chosen as well.
    pub(super) async fn connect(&mut self, link: usize, organisation: &str) -> Result<()> {
        let (space, ledger) = self.link(link).map(|link| (link.space, link.ledger))?;
        let simulator = Arc::clone(self.ledger(ledger)?);
        simulator.set_consent(Consent::approve_only(&[organisation])).map_err(|refused| anyhow!("{refused:?}"))?;
        let at = self.space(space)?;
        let (ctx, workspace) = (self.ctx(), &at.workspace);
        let start = self.quiet.begin_connect(&ctx, workspace, &at.user, ledger, ReturnPath::settings()).await;
        let start = start.map_err(|problem| anyhow!("{problem:?}"))?;
        let back = led_back(simulator.as_ref(), &start.authorize_url).await?;
        let query = CallbackQuery::parse(back.query().unwrap_or_default());
        let end = self.quiet.callback(&ctx, ledger, query, Some(start.browser)).await.map_err(|problem| anyhow!("{problem:?}"))?;
        if end.label() != "connected" {
            let chosen = self.quiet.organisations(&ctx, workspace, ledger).await.map_err(|problem| anyhow!("{problem:?}"))?;
            let wanted = chosen.items.iter().find(|item| item.organisation.name == organisation);
            let wanted = wanted.with_context(|| format!("{}: {organisation} is offered", end.label()))?.organisation.id.clone();
            self.quiet.choose_organisation(&ctx, workspace, &at.user, ledger, &wanted).await.map_err(|problem| anyhow!("{problem:?}"))?;
        }
        let connection = self.connection(link).await?;
        let named = connection.organisation.as_ref().context("an organisation")?;
        let generation = connection.generation;
        // Choices are a generation's: who consents to the same organisation again finds them as they were.
        let same = self.link(link)?.generation == Some(generation);
        if !same
            && let Some(facts) = self.quiet.store.facts(at.workspace.id, ledger, generation).await?
            && let Some(account) = facts.accounts_for(AccountUse::Payment).next()
        {
            let chosen = account.code.as_deref().unwrap_or(&account.id);
            self.quiet.store.put_choice(&ctx, at.workspace.id, ledger, generation, Choice::PaymentAccount, Some(chosen)).await?;
        }
        let place = named.id.clone();
        let (heard, consent) = (connection.options.auto_sync, self.grants().newest(ledger));
        let step = self.step;
        let link = self.links.get_mut(link).context("a connection")?;
        link.organisations.insert(place);
        link.consent = consent;
        link.generation = Some(generation);
        // C19: what was told while the grant was dead goes on by itself. What was told of another organisation was for that one.
        let since = link.auto_since.filter(|_| same).unwrap_or(step);
        link.auto_since = heard.then_some(since);
        Ok(())
    }

    /// An admin switches an option.
    pub(super) async fn toggle(&mut self, link: usize, toggle: Toggle) -> Result<()> {
        let (space, ledger) = self.link(link).map(|link| (link.space, link.ledger))?;
        let at = self.space(space)?.workspace.id;
        let stored = self.quiet.store.connection(at, ledger).await?.context("it was connected")?;
        let mut connection = stored.value;
        match toggle {
            Toggle::Draft(on) => connection.options.sync_as_draft = on,
            Toggle::AutoSync(on) => connection.options.auto_sync = on,
            Toggle::Payments(on) => connection.options.payments = if on { Payments::Push } else { Payments::None },
            Toggle::OnVoid(what) => {
                connection.options.on_void = match what {
                    0 => OnVoid::None,
                    1 => OnVoid::Void,
                    _ => OnVoid::Delete,
                }
            }
        }
        let _ = self.quiet.store.save_connection(&self.ctx(), at, &connection, stored.rev).await?;
        let step = self.step;
        if let Some(link) = self.links.get_mut(link) {
            link.pushed_payments |= connection.options.payments == Payments::Push;
            // A dead grant does not refuse: what is told meanwhile waits for the reconnect (C19).
            let stands = matches!(connection.status, ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired);
            let heard = connection.options.auto_sync && stands;
            link.auto_since = if heard { link.auto_since.or(Some(step)) } else { None };
        }
        Ok(())
    }

    pub(super) async fn disconnect(&mut self, link: usize, salt: u64, faults: Rates) -> Result<Vec<String>> {
        let (space, ledger) = self.link(link).map(|link| (link.space, link.ledger))?;
        let Connection { status, generation, .. } = self.connection(link).await?;
        if status == ConnectionStatus::Disconnected {
            return Ok(Vec::new());
        }
        let (engine, line) = self.process(salt, faults, false)?;
        self.leaving.insert(self.lines);
        let (ctx, at) = (self.ctx(), self.space(space)?);
        let (ws, workspace) = (at.workspace.id, &at.workspace);
        let end = survived(&line, engine.disconnect(&ctx, workspace, &at.user, ledger, Links::Keep)).await;
        // K21: what was begun and not finished, a repeat finishes.
        if !matches!(end, Some(Ok(_))) {
            let again = Box::pin(self.quiet.disconnect(&ctx, workspace, &at.user, ledger, Links::Keep)).await;
            again.map_err(|problem| anyhow!("a repeated disconnect: {problem:?}"))?;
        }
        let newest = self.lines;
        if let Some(link) = self.links.get_mut(link) {
            link.auto_since = None;
            self.silent.extend(link.consent.map(|consent| (ledger, consent, newest)));
        }
        let key = coportal_aws::records::tokens::TokenKey { ws, ledger, generation };
        let left = self.quiet.store.tokens(key).await?;
        Ok(left.map(|_| format!("I14: {ledger} of {ws} is disconnected, and its tokens are there")).into_iter().collect())
    }

    pub(super) fn other_organisation(&self, link: usize) -> Result<String> {
        let ledger = self.link(link)?.ledger;
        let names: Vec<String> = self.ledger(ledger)?.state().organisations.into_iter().map(|organisation| organisation.name).collect();
        names.into_iter().find(|name| name != first(ledger)).context("a second organisation")
    }
}
