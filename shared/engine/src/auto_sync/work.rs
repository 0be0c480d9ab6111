//! From a message to the ledger.

use coportal_aws::records::sync::SyncKey;
use coportal_core::auto_sync::{Gate, gate};
use coportal_core::ctx::Ctx;
use coportal_core::id::InvoiceId;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::queue::{Message, SyncMessage, SyncQueue};
use coportal_core::timeline::Actor;
use futures_util::future::BoxFuture;

use super::AutoSync;
use crate::Engine;
use crate::sync::{SyncEnd, check_plan};

/// The rows that a message names.
pub fn rows_of(message: &SyncMessage) -> impl Iterator<Item = SyncKey> {
    let SyncMessage { ws, ledger, generation, invoices } = message;
    invoices.iter().map(|inv| SyncKey { ws: *ws, inv: *inv, ledger: *ledger, generation: *generation })
}

/// What each invoice of a message came to.
type Ends = Vec<(InvoiceId, Outcome<SyncEnd>)>;

impl Engine {
    /// Brings the invoices of a message up to date, or leaves each row where its next step is known: stopped when the connection is gone
    /// or has another organisation, waiting when the plan does not include the ledger (R146), counted when the mistake was ours. Answers
    /// what each came to; empty where nothing was begun.
    ///
    /// # Errors
    /// When the table does not answer, or there was no time for all: the message is then to be given back.
    pub fn work<'a>(&'a self, ctx: &'a Ctx, message: &'a SyncMessage) -> BoxFuture<'a, Outcome<Ends>> {
        // On the heap, and made here: what all steps of a sync need is too much for a caller's stack in an unoptimised build.
        Box::pin(self.work_on(ctx, message))
    }

    async fn work_on(&self, ctx: &Ctx, message: &SyncMessage) -> Outcome<Ends> {
        let SyncMessage { ws, ledger, generation, invoices } = message;
        let Some(first) = invoices.first() else { return Ok(Vec::new()) };
        let began = ctx.now();
        let head = self.store.sync_head(ctx, *ws, *first, *ledger).await?;
        let workspace = head.workspace.ok_or_else(|| Problem::not_found("workspace"));
        let Ok(workspace) = workspace else {
            // A body is hostile input: nobody's rows are read for it.
            tracing::warn!(workspace.id = %ws, "a message names a workspace that is not there");
            return Ok(Vec::new());
        };
        match gate(&workspace, head.connection.as_ref().map(|connection| &connection.value), *ledger, *generation) {
            Gate::Open => {}
            Gate::Plan => {
                if let Err(problem) = check_plan(&workspace, *ledger) {
                    for key in rows_of(message) {
                        self.park_queued(ctx, key, &problem).await?;
                    }
                }
                return Ok(Vec::new());
            }
            Gate::Stop(reason) => {
                for key in rows_of(message) {
                    self.stop_queued(ctx, key, &reason).await?;
                }
                return Ok(Vec::new());
            }
        }
        let ends = self.sync_invoices(ctx, *ws, *ledger, *generation, invoices, Actor::System).await;
        let mut given_back = None;
        for (inv, end) in &ends {
            let key = SyncKey { ws: *ws, inv: *inv, ledger: *ledger, generation: *generation };
            match end {
                Ok(SyncEnd::InProgress { until }) => self.wait_for_other(ctx, key, *until).await?,
                Ok(SyncEnd::Synced(_) | SyncEnd::Waiting { .. } | SyncEnd::Held(_) | SyncEnd::Failed(_)) => {}
                Err(problem) => match problem.kind {
                    ProblemKind::Unavailable | ProblemKind::Limited => given_back = Some(problem.clone()),
                    // What cannot be read, or is missing, is our own mistake as long as its row waits.
                    ProblemKind::Internal | ProblemKind::NotFound => {
                        tracing::error!(invoice.id = %inv, internal = problem.internal().unwrap_or_default(), "a sync broke off");
                        self.count_broken_try(ctx, key, began).await?;
                    }
                    // Refused, and its row says so; or the connection went meanwhile: the row is due, and is stopped at its next turn.
                    ProblemKind::Unauthenticated
                    | ProblemKind::Forbidden
                    | ProblemKind::Conflict
                    | ProblemKind::Stale
                    | ProblemKind::PreconditionRequired
                    | ProblemKind::Invalid
                    | ProblemKind::TooLarge => {
                        tracing::info!(invoice.id = %inv, code = %problem.code, "queued work was refused");
                    }
                },
            }
        }
        match given_back {
            Some(problem) => Err(problem),
            None => Ok(ends),
        }
    }
}

impl AutoSync {
    /// Sends the invoices of a message one by one.
    ///
    /// # Errors
    /// When one of them could not be sent: those that were are harmless.
    pub async fn send_apart(&self, ctx: &Ctx, message: &SyncMessage) -> Outcome<()> {
        let apart = message.invoices.iter().map(|inv| Message::Sync(SyncMessage { invoices: vec![*inv], ..message.clone() }));
        let apart: Vec<Message> = apart.collect();
        let sent = self.queues.send(ctx, SyncQueue::Now, &apart).await?;
        match sent.iter().find(|outcome| !outcome.is_sent()) {
            None => Ok(()),
            Some(outcome) => Err(Problem::new(ProblemKind::Unavailable, "not_sent", "A message could not be sent.")
                .fix("Nothing to do: it is tried again.", "the invoice", true)
                .because(format_args!("{outcome:?}"))),
        }
    }
}
