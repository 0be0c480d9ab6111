//! What is done with one message.

use coportal_core::ctx::Ctx;
use coportal_core::problem::Outcome;
use coportal_core::queue::{JobMessage, Message, SyncMessage};
use coportal_engine::Engine;
use coportal_engine::auto_sync::{lot, rows_of};
use coportal_engine::sync::SyncEnd;
use coportal_lambda::batch::Work;
use coportal_lambda::telemetry::Note;
use jiff::Timestamp;

/// The engine, as the batch layer sees it.
pub(crate) struct Worker<'a>(pub(crate) &'a Engine);

impl Work for Worker<'_> {
    async fn work(&self, ctx: &Ctx, message: &Message, note: &Note) -> Outcome<()> {
        match message {
            Message::Sync(sync) => {
                for (_, end) in self.0.work(ctx, sync).await? {
                    match end {
                        Ok(SyncEnd::Synced(answer)) => note.vendor_calls(answer.vendor_calls),
                        Ok(SyncEnd::Waiting { vendor_calls, .. }) => note.vendor_calls(vendor_calls),
                        Ok(SyncEnd::InProgress { .. } | SyncEnd::Held(_) | SyncEnd::Failed(_)) | Err(_) => {}
                    }
                }
                Ok(())
            }
            Message::Job(JobMessage { ws, job }) => {
                let end = self.0.run_job(ctx, *ws, *job).await?;
                note.outcome(end.label());
                Ok(())
            }
        }
    }

    fn together(&self, messages: &[&Message]) -> Option<Message> {
        let mut all: Option<SyncMessage> = None;
        for message in messages {
            let Message::Sync(sync) = message else { return None };
            match &mut all {
                None => all = Some(sync.clone()),
                Some(all) if (all.ws, all.ledger, all.generation) == (sync.ws, sync.ledger, sync.generation) => {
                    all.invoices.extend(&sync.invoices);
                }
                Some(_) => return None,
            }
        }
        let mut all = all?;
        all.invoices.sort_unstable();
        all.invoices.dedup();
        (all.invoices.len() <= lot(all.ledger)).then_some(Message::Sync(all))
    }

    async fn broken(&self, ctx: &Ctx, message: &Message, since: Timestamp) -> Outcome<()> {
        match message {
            Message::Sync(sync) => self.count(ctx, sync, since).await,
            // A job counts its steps at their claim, and its head is due until it rests.
            Message::Job(_) => Ok(()),
        }
    }
}

impl Worker<'_> {
    /// One invoice is counted. Of many it is not known which one it was: each is sent by itself, and the culprit counts alone.
    async fn count(&self, ctx: &Ctx, sync: &SyncMessage, since: Timestamp) -> Outcome<()> {
        if sync.invoices.len() > 1 {
            return self.0.auto_sync().send_apart(ctx, sync).await;
        }
        for key in rows_of(sync) {
            self.0.count_broken_try(ctx, key, since).await?;
        }
        Ok(())
    }
}
