//! What the runs of several invoices rest on, in two consistent batch reads.

use coportal_aws::records::sync::{SyncBody, SyncKey};
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::row::WaitingFor;
use coportal_core::timeline::Actor;

use super::super::run::Run;
use super::super::{SyncRequest, check_connection, check_plan, needs_of, not_connected};
use super::other_organisation;
use super::rows::{Row, share_permits};
use crate::Engine;

/// The rows that can run, and the invoices that cannot, each with its problem.
pub(super) type Loaded<'e> = (Vec<Row<'e>>, Vec<(InvoiceId, Problem)>);

impl Engine {
    /// Reads for several invoices what [`Engine::sync_invoice`] reads for one, and checks the gates (R146).
    pub(super) async fn load_many<'e>(
        &'e self,
        ctx: &'e Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        invoices: &[InvoiceId],
        actor: &Actor,
    ) -> Outcome<Loaded<'e>> {
        let read_at = ctx.now();
        let heads = self.store.sync_heads(ctx, ws, invoices, ledger).await?;
        let workspace = heads.workspace.ok_or_else(|| Problem::not_found("workspace"))?;
        check_plan(&workspace, ledger)?;
        let connection = heads.connection.ok_or_else(|| not_connected(ledger))?.value;
        let api = self.ledgers.get(ledger).ok_or_else(|| not_connected(ledger))?;
        let organisation = check_connection(&connection)?;
        if connection.generation != generation {
            return Err(other_organisation(ledger));
        }
        let (mut there, mut refused) = (Vec::new(), Vec::new());
        for (id, invoice) in invoices.iter().zip(heads.invoices) {
            match invoice {
                Some(invoice) => there.push(invoice),
                None => refused.push((*id, Problem::not_found("invoice"))),
            }
        }
        let key = |inv| SyncKey { ws, inv, ledger, generation };
        let wanted: Vec<_> =
            there.iter().map(|invoice| (key(invoice.id), needs_of(invoice, api, &organisation, &connection.options))).collect();
        let bodies = self.store.sync_bodies(ctx, &wanted).await?;
        let mut rows: Vec<Row<'e>> = Vec::with_capacity(there.len());
        let mut allowance = None;
        let mut waited = false;
        for (invoice, body) in there.into_iter().zip(bodies) {
            let SyncBody { client, tokens, facts, choices, contact, row, calls } = body;
            let Some(client) = client else {
                refused.push((invoice.id, Problem::internal_error("the invoice's client is missing")));
                continue;
            };
            let request = SyncRequest { workspace: ws, invoice: invoice.id, ledger, actor: actor.clone() };
            let mut run = Run::new(
                self,
                ctx,
                api,
                request,
                workspace.clone(),
                invoice,
                client,
                connection.clone(),
                organisation.clone(),
                tokens,
                facts,
                choices,
                contact,
                row,
            );
            run.stood_at = read_at;
            waited |= run.row.value.waiting.is_some_and(|waiting| matches!(waiting.reason, WaitingFor::Limit | WaitingFor::DayBudget));
            allowance.get_or_insert(calls);
            rows.push(Row::new(run));
        }
        share_permits(&mut rows);
        if let (Some(first), Some(calls)) = (rows.first(), allowance) {
            first.run.permits.knowing(calls, waited).await;
        }
        Ok((rows, refused))
    }
}
