//! Syncing one invoice with one ledger, now.

mod answer;
mod approve;
mod contact;
mod document;
mod drift;
mod dry_run;
mod ends;
mod link;
mod many;
mod payment;
mod resolve;
mod retry;
mod run;

pub use answer::{Changed, SyncAnswer, SyncEnd};
pub use drift::KeepSide;
pub use dry_run::{ContactView, DryRun, TaxView, TotalsView};
pub(crate) use ends::public_half;
pub(crate) use many::other_organisation;
pub use many::{ContactsResolved, NO_TIME};
pub use retry::{Retried, RetryRequest, RetryState};

use std::sync::Arc;

use coportal_aws::records::sync::{SyncBody, SyncKey, SyncNeeds};
use coportal_core::choices::product_key;
use coportal_core::connection::{Connection, ConnectionStatus, ItemPolicy, Options};
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::row::WaitingFor;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_ledgers::LedgerApi;
use jiff::SignedDuration;

use crate::Engine;
use run::Run;

/// What storing an outcome needs beside one call's time.
pub(crate) const STORE_MARGIN: SignedDuration = SignedDuration::from_secs(4);

/// What is asked for: one invoice, one ledger, by somebody.
#[derive(Debug, Clone)]
pub struct SyncRequest {
    /// The workspace, taken from the principal.
    pub workspace: WorkspaceId,
    /// The invoice.
    pub invoice: InvoiceId,
    /// The ledger.
    pub ledger: Ledger,
    /// Who asks.
    pub actor: Actor,
}

impl Engine {
    /// Brings one invoice up to date in one ledger, exactly once (R64).
    ///
    /// # Errors
    /// When the invoice is not there, the plan or the connection does not allow it, or the invoice is not eligible. What the ledger
    /// says is not an error but an end: see [`SyncEnd`].
    pub async fn sync_invoice(&self, ctx: &Ctx, request: SyncRequest) -> Outcome<SyncEnd> {
        let mut run = self.load(ctx, request).await?;
        run.sync().await
    }

    /// What a sync would do, field by field; writes nothing anywhere.
    ///
    /// # Errors
    /// As [`Engine::sync_invoice`].
    pub async fn dry_run(&self, ctx: &Ctx, request: SyncRequest) -> Outcome<DryRun> {
        let run = self.load(ctx, request).await?;
        let permits = Arc::clone(&run.permits);
        let forecast = Box::pin(run.dry_run()).await;
        // Who only looks leaves no slot behind: a few looks in a row would keep syncs out.
        Box::pin(permits.close()).await;
        forecast
    }

    /// Reads what a sync rests on, in two consistent batch reads, and checks the gates (R146).
    async fn load<'e>(&'e self, ctx: &'e Ctx, request: SyncRequest) -> Outcome<Run<'e>> {
        let read_at = ctx.now();
        let head = self.store.sync_head(ctx, request.workspace, request.invoice, request.ledger).await?;
        let invoice = head.invoice.ok_or_else(|| Problem::not_found("invoice"))?;
        let workspace = head.workspace.ok_or_else(|| Problem::not_found("workspace"))?;
        check_plan(&workspace, request.ledger)?;
        let connection = head.connection.ok_or_else(|| not_connected(request.ledger))?;
        let api = self.ledgers.get(request.ledger).ok_or_else(|| not_connected(request.ledger))?;
        let organisation = check_connection(&connection.value)?;
        let options = &connection.value.options;
        let needs = needs_of(&invoice, api, &organisation, options);
        let key = SyncKey { ws: request.workspace, inv: invoice.id, ledger: request.ledger, generation: connection.value.generation };
        let SyncBody { client, tokens, facts, choices, contact, row, calls } = Box::pin(self.store.sync_body(ctx, key, &needs)).await?;
        let client = client.ok_or_else(|| Problem::internal_error("the invoice's client is missing"))?;
        let mut run = Run::new(
            self,
            ctx,
            api,
            request,
            workspace,
            invoice,
            client,
            connection.value,
            organisation,
            tokens,
            facts,
            choices,
            contact,
            row,
        );
        run.stood_at = read_at;
        let waited = run.row.value.waiting.is_some_and(|waiting| matches!(waiting.reason, WaitingFor::Limit | WaitingFor::DayBudget));
        run.permits.knowing(calls, waited).await;
        Ok(run)
    }
}

/// What the second read of an invoice's sync is about.
fn needs_of(invoice: &Invoice, api: &LedgerApi, organisation: &str, options: &Options) -> SyncNeeds {
    SyncNeeds {
        organisation: organisation.to_owned(),
        client: invoice.client_id,
        currency: api.rules.contact_has_currency.then_some(invoice.currency),
        rates: invoice.lines.iter().filter_map(|line| line.tax_rate).collect(),
        products: match options.item {
            ItemPolicy::DefaultService => Vec::new(),
            ItemPolicy::Mapped => invoice.lines.iter().map(|line| product_key(&line.description)).collect(),
        },
    }
}

/// The plan must include the ledger: at connect, at each call, and when queued work starts (R3-R6, R146).
///
/// # Errors
/// `plan_required`, naming the plan.
pub fn check_plan(workspace: &Workspace, ledger: Ledger) -> Outcome<()> {
    let required = ledger.plan_required();
    if workspace.plan >= required {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Forbidden,
        "plan_required",
        format!("{} is part of the {} plan; this workspace is on {}.", ledger.label(), required.label(), workspace.plan.label()),
    )
    .fix(format!("Upgrade the workspace to {} or higher. Links and choices are kept.", required.label()), "Settings -> Plan", false))
}

pub(crate) fn not_connected(ledger: Ledger) -> Problem {
    Problem::new(ProblemKind::Conflict, "not_connected", format!("{} is not connected.", ledger.label())).fix(
        format!("Ask an admin to connect {}.", ledger.label()),
        "Settings -> Integrations",
        false,
    )
}

/// The organisation that calls go to.
pub(crate) fn check_connection(connection: &Connection) -> Outcome<String> {
    match connection.status {
        // A dead grant does not refuse: the row is parked, and resumes after the reconnect (C19).
        ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired => {}
        ConnectionStatus::ChooseOrganisation => {
            return Err(Problem::new(
                ProblemKind::Conflict,
                "choose_organisation",
                format!("{} is connected, but no organisation is chosen yet.", connection.ledger.label()),
            )
            .fix("Ask an admin to choose the organisation.", "Settings -> Integrations", false));
        }
        ConnectionStatus::Disconnected => return Err(not_connected(connection.ledger)),
    }
    connection.organisation.as_ref().map(|organisation| organisation.id.clone()).ok_or_else(|| not_connected(connection.ledger))
}
