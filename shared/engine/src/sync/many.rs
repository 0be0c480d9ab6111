//! Syncing several invoices of one connection.

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::timeline::Actor;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;

use super::{SyncEnd, SyncRequest};
use crate::Engine;

/// What one invoice needs beside a vendor call: its reads, the claim and the outcome.
const AROUND_A_CALL: SignedDuration = SignedDuration::from_secs(6);

impl Engine {
    /// Brings invoices of one connection up to date in the ledger, each exactly once (R64), in the order given. What `generation` says is
    /// the organisation that the caller saw: where the connection has another one by now, nothing is sent (I4).
    ///
    /// Each invoice has an end or a problem of its own, in the order given. An invoice that is not begun, because the deadline leaves no
    /// time for it, has the problem [`NO_TIME`] and its row as it was.
    pub async fn sync_invoices(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        invoices: &[InvoiceId],
        actor: Actor,
    ) -> Vec<(InvoiceId, Outcome<SyncEnd>)> {
        let call = self.ledgers.get(ledger).map(|api| api.rules.call_timeout).unwrap_or_default();
        let mut ends = Vec::with_capacity(invoices.len());
        for &invoice in invoices {
            let end = if ctx.has_time_for(call + AROUND_A_CALL) {
                let request = SyncRequest { workspace: ws, invoice, ledger, actor: actor.clone() };
                self.sync_in(ctx, request, generation).await
            } else {
                Err(no_time())
            };
            ends.push((invoice, end));
        }
        ends
    }

    /// One invoice, in the organisation of `generation` and no other.
    fn sync_in<'a>(&'a self, ctx: &'a Ctx, request: SyncRequest, generation: Generation) -> BoxFuture<'a, Outcome<SyncEnd>> {
        Box::pin(async move {
            let mut run = self.load(ctx, request).await?;
            if run.connection.generation != generation {
                return Err(other_organisation(run.request.ledger));
            }
            run.sync().await
        })
    }
}

/// Code of the problem of an invoice that was not begun for lack of time.
pub const NO_TIME: &str = "no_time";

fn no_time() -> Problem {
    Problem::new(ProblemKind::Unavailable, NO_TIME, "There was no time left to begin this invoice.").fix(
        "Nothing to do: it is begun a little later.",
        "the invoice",
        true,
    )
}

/// Design decision 9: the wrong books are unreachable.
fn other_organisation(ledger: Ledger) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "other_organisation",
        format!("{} is connected to another organisation than the one this sync was meant for.", ledger.label()),
    )
    .fix("Sync the invoice again if it belongs into the organisation that is connected now.", "the invoice", false)
}
