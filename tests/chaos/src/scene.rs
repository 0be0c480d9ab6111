//! What people do to a world: change options and clients, add invoices, answer questions, work in the ledger.

use anyhow::{Context as _, Result, anyhow, bail};
use coportal_aws::keys::Choice;
use coportal_aws::store::Versioned;
use coportal_core::client::Client;
use coportal_core::connection::{Connection, Options};
use coportal_core::facts::AccountUse;
use coportal_core::id::{ClientId, HoldId, InvoiceId};
use coportal_core::invoice::Invoice;
use coportal_core::money::Rate;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{Hold, SyncRow};
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_engine::sync::{SyncAnswer, SyncEnd, SyncRequest};
use jiff::SignedDuration;
use serde::Serialize;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::state::{Document, Seed, State};
use uuid::Uuid;

use crate::world::{World, written};

impl World {
    /// The connection as it is stored.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connection(&self) -> Result<Versioned<Connection>> {
        self.process()?.store.connection(self.workspace, self.ledger).await?.context("connected")
    }

    /// Changes the connection's options.
    ///
    /// # Errors
    /// When they cannot be stored.
    pub async fn options(&self, change: impl FnOnce(&mut Options)) -> Result<()> {
        let Versioned { value: mut connection, rev, .. } = self.connection().await?;
        change(&mut connection.options);
        let _ = self.process()?.store.save_connection(&self.ctx(), self.workspace, &connection, rev).await?;
        Ok(())
    }

    /// Chooses the code of a rate, as an admin does.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn choose_tax(&self, rate: Rate, code: &str) -> Result<()> {
        let generation = self.connection().await?.value.generation;
        let store = self.process()?.store;
        Ok(store.put_choice(&self.ctx(), self.workspace, self.ledger, generation, Choice::Tax(rate), Some(code)).await?)
    }

    /// Chooses the first account that payments can go to, as an admin does.
    ///
    /// # Errors
    /// When the organisation has none, or it cannot be stored.
    pub async fn choose_payment_account(&self) -> Result<()> {
        let generation = self.connection().await?.value.generation;
        let store = self.process()?.store;
        let facts = store.facts(self.workspace, self.ledger, generation).await?.context("facts are stored at connect")?;
        let account = facts.accounts_for(AccountUse::Payment).next().context("an account for payments")?;
        let chosen = account.code.as_deref().unwrap_or(&account.id);
        Ok(store.put_choice(&self.ctx(), self.workspace, self.ledger, generation, Choice::PaymentAccount, Some(chosen)).await?)
    }

    /// Changes the workspace.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn settings(&self, change: impl FnOnce(&mut Workspace)) -> Result<()> {
        let engine = self.process()?;
        let mut workspace = engine.store.workspace(self.workspace).await?.context("the workspace is there")?;
        change(&mut workspace);
        let _ = engine.store.put_workspace(&self.ctx(), &workspace).await?;
        Ok(())
    }

    /// Changes a client as a user would.
    ///
    /// # Errors
    /// When it is not there or cannot be stored.
    pub async fn edit_client(&self, client: ClientId, change: impl FnOnce(&mut Client)) -> Result<()> {
        let engine = self.process()?;
        let before = engine.store.client(self.workspace, client).await?.context("the client is there")?;
        let mut after = before.value.clone();
        change(&mut after);
        let _ = engine.store.save_client(&self.ctx(), self.workspace, &before, &after).await?;
        Ok(())
    }

    /// Adds a client of the same fields under another id.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn add_client(&self, n: u128) -> Result<ClientId> {
        let engine = self.process()?;
        let like = engine.store.client(self.workspace, self.client).await?.context("the client is there")?.value;
        let id = ClientId::new(Uuid::from_u128(0x0190_0000_0000_7000_9000_0000_0000_0000 | n));
        let _ = engine.store.create_client(&self.ctx(), self.workspace, &Client { id, ..like }, None).await?;
        Ok(id)
    }

    /// Adds a sent invoice like the first one, with a number of its own.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn add_invoice(&self, n: u128, client: ClientId) -> Result<InvoiceId> {
        let engine = self.process()?;
        let like = self.invoice().await?;
        let id = InvoiceId::new(Uuid::from_u128(0x0190_0000_0000_7000_a000_0000_0000_0000 | n));
        let invoice = Invoice { id, number: format!("INV-A{n:04}"), client_id: client, version: 1, ..like };
        let _ = engine.store.create_invoice(&self.ctx(), self.workspace, written(&invoice), None).await?;
        Ok(id)
    }

    /// Changes any invoice as a user would.
    ///
    /// # Errors
    /// When it is not there or cannot be stored.
    pub async fn edit_invoice(&self, invoice: InvoiceId, change: impl FnOnce(&mut Invoice)) -> Result<()> {
        let engine = self.process()?;
        let before = engine.store.invoice(self.workspace, invoice).await?.context("the invoice is there")?;
        let mut after = before.clone();
        change(&mut after);
        after.version = before.version + 1;
        let _ = engine.store.save_invoice(&self.ctx(), self.workspace, &before, written(&after), None).await?;
        Ok(())
    }

    /// A click on any invoice, in a process of its own in which nothing dies.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn sync(&self, invoice: InvoiceId) -> Result<Outcome<SyncEnd>> {
        let request = SyncRequest { invoice, ..self.request() };
        Ok(Box::pin(self.process()?.sync_invoice(&self.ctx(), request)).await)
    }

    /// Several invoices in one process, as a worker brings them up to date; the process may die.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn together(&self, invoices: &[InvoiceId]) -> Result<Option<Vec<(InvoiceId, Outcome<SyncEnd>)>>> {
        let (engine, ctx) = (self.process()?, self.ctx());
        let generation = self.connection().await?.value.generation;
        let actor = Actor::User(self.user.clone());
        // What was read for the harness is none of the calls that a fault is counted by.
        self.wire.forget();
        Ok(tokio::select! {
            biased;
            () = self.wire.death() => None,
            ends = engine.sync_invoices(&ctx, self.workspace, self.ledger, generation, invoices, actor) => Some(ends),
        })
    }

    /// Clicks until nothing is due any more, at most `clicks` times, moving the clock by what the answers say. Answers the last end.
    ///
    /// # Errors
    /// When it does not come to rest.
    pub async fn patient(&self, invoice: InvoiceId, clicks: usize) -> Result<Outcome<SyncEnd>> {
        let mut last = String::new();
        for _ in 0..clicks {
            let end = self.sync(invoice).await?;
            let until = match &end {
                Ok(SyncEnd::InProgress { until } | SyncEnd::Waiting { due_at: Some(until), .. }) => *until,
                Err(problem) if problem.fix.as_ref().is_some_and(|fix| fix.retry_helps) => self.clock.now(),
                Ok(_) | Err(_) => return Ok(end),
            };
            last = format!("{end:?}");
            let wait = self.clock.now().duration_until(until) + SignedDuration::from_secs(1);
            self.clock.advance(wait.max(SignedDuration::from_secs(1)));
        }
        bail!("not at rest after {clicks} clicks: {last}")
    }

    /// Clicks patiently until a person is asked.
    ///
    /// # Errors
    /// When nobody is.
    pub async fn held(&self) -> Result<Hold> {
        match self.patient(self.invoice_id, 12).await? {
            Ok(SyncEnd::Held(hold)) => Ok(*hold),
            other => bail!("nobody was asked: {other:?}"),
        }
    }

    /// Clicks patiently until it is synced.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub async fn synced(&self) -> Result<SyncAnswer> {
        match self.patient(self.invoice_id, 12).await? {
            Ok(SyncEnd::Synced(answer)) => Ok(answer),
            other => bail!("not synced: {other:?}"),
        }
    }

    /// Answers a question, in a process of its own.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn resolve(&self, hold: HoldId, choice: &str) -> Result<Outcome<SyncEnd>> {
        self.resolve_on(self.invoice_id, hold, choice).await
    }

    /// Answers another invoice's question.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn resolve_on(&self, invoice: InvoiceId, hold: HoldId, choice: &str) -> Result<Outcome<SyncEnd>> {
        let request = SyncRequest { invoice, ..self.request() };
        Ok(self.process()?.resolve_hold(&self.ctx(), request, hold, choice).await)
    }

    /// The newest generation's sync row.
    ///
    /// # Errors
    /// When there is none.
    pub async fn row(&self) -> Result<SyncRow> {
        self.row_of(self.invoice_id).await
    }

    /// Another invoice's sync row, of the newest generation.
    ///
    /// # Errors
    /// When there is none.
    pub async fn row_of(&self, invoice: InvoiceId) -> Result<SyncRow> {
        let rows = self.process()?.store.sync_rows(self.workspace, invoice).await?;
        rows.into_iter().max_by_key(|(_, generation, _)| *generation).map(|(_, _, row)| row).context("a sync row")
    }

    /// Puts records into the ledger, in the simulator's own shape.
    ///
    /// # Errors
    /// When the simulator does not take them.
    pub fn plant(&self, seed: serde_json::Value) -> Result<State> {
        let seed: Seed = serde_json::from_value(seed)?;
        self.simulator.seed(&seed).map_err(|refused| anyhow!("{refused:?}"))
    }

    /// A person works in the ledger; its clock moves a little, as it does for people.
    ///
    /// # Errors
    /// When the ledger would not let them.
    pub fn bookkeeper(&self, action: impl Serialize) -> Result<()> {
        self.clock.advance(SignedDuration::from_secs(1));
        self.simulator.bookkeeper(&serde_json::to_value(action)?).map_err(|refused| anyhow!("{refused:?}"))
    }

    /// The vendor is well again: scripted faults are gone. Effects that are still to come do come.
    ///
    /// # Errors
    /// When the simulator does not take its own snapshot back.
    pub fn heal(&self) -> Result<()> {
        self.wire.replace(None);
        self.simulator.clear_faults();
        Ok(())
    }

    /// The documents that count: neither voided nor deleted.
    #[must_use]
    pub fn live(&self) -> Vec<Document> {
        self.books().documents.into_iter().filter(|document| document.status != "voided").collect()
    }

    /// The one document that counts.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn only(&self) -> Result<Document> {
        match <[Document; 1]>::try_from(self.live()) {
            Ok([only]) => Ok(only),
            Err(other) => bail!("{} documents: {other:?}", other.len()),
        }
    }

    /// Connects anew, to the same organisation.
    ///
    /// # Errors
    /// When connecting does not end as connected.
    pub async fn reconnect_as_before(&self) -> Result<()> {
        self.consent_anew(Consent::approve()).await
    }

    /// Connects anew, consenting to exactly these organisations.
    ///
    /// # Errors
    /// When connecting does not end as connected.
    pub async fn reconnect(&self, organisations: &[&str]) -> Result<()> {
        self.consent_anew(Consent::approve_only(organisations)).await
    }

    async fn consent_anew(&self, consent: Consent) -> Result<()> {
        self.simulator.set_consent(consent).map_err(|refused| anyhow!("{refused:?}"))?;
        let engine = self.process()?;
        let workspace = engine.store.workspace(self.workspace).await?.context("the workspace is there")?;
        self.consent(&engine, &self.ctx(), &workspace).await
    }
}
