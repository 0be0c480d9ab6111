//! What admins do with connections: consent, options, disconnect.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use coportal_aws::keys::Choice;
use coportal_aws::records::connections::Links;
use coportal_core::connection::{Connection, ConnectionStatus, OnVoid, Payments};
use coportal_core::facts::AccountUse;
use coportal_engine::connect::{CallbackQuery, ReturnPath};
use simulators::skeleton::consent::Consent;
use url::Url;

use super::history::{Rates, Toggle};
use super::perform::survived;
use super::universe::{Universe, first};

impl Universe {
    /// Consents to one organisation; what an admin chooses beside it is chosen as well.
    pub(super) async fn connect(&mut self, link: usize, organisation: &str) -> Result<()> {
        let (space, ledger) = self.link(link).map(|link| (link.space, link.ledger))?;
        let simulator = Arc::clone(self.ledger(ledger)?);
        simulator.set_consent(Consent::approve_only(&[organisation])).map_err(|refused| anyhow!("{refused:?}"))?;
        let at = self.space(space)?;
        let (ctx, workspace) = (self.ctx(), &at.workspace);
        let start = self.quiet.begin_connect(&ctx, workspace, &at.user, ledger, ReturnPath::settings()).await;
        let start = start.map_err(|problem| anyhow!("{problem:?}"))?;
        let request = http::Request::get(start.authorize_url.as_str()).body(Bytes::new())?;
        let simulators::Answer::Response(consent) = simulator.handle(request).await else { bail!("the consent page did not answer") };
        let location = consent.headers().get("location").context("consent leads back")?.to_str()?;
        let back = Url::parse(location)?;
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
