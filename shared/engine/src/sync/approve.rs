//! Approving a draft: an explicit act, never a consequence of an edit or of an option (C7, C8).

use coportal_aws::records::sync::Saved;
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::document::DocumentStatus;
use coportal_core::failure::Question;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::row::SyncState;

use super::many::other_organisation;
use super::run::Run;
use super::{SyncEnd, SyncRequest};
use crate::Engine;

impl Engine {
    /// Approves (posts, releases) the draft of an invoice, after its totals were checked there; where the ledger has no drafts, posts the
    /// invoice that waits here. Then syncs, and answers as a sync does.
    ///
    /// # Errors
    /// 409 when there is nothing to approve, or another run is at the invoice; else as [`Engine::sync_invoice`].
    pub async fn approve(&self, ctx: &Ctx, request: SyncRequest) -> Outcome<SyncEnd> {
        let mut run = self.load(ctx, request).await?;
        run.wish_to_approve().await?;
        run.sync().await
    }

    /// Says of a draft that it is to be approved, and leaves the approval to the next sync. `generation` is the one that the caller saw.
    ///
    /// # Errors
    /// As [`Engine::approve`], and when the connection has another organisation by now.
    pub(crate) async fn ask_approval(&self, ctx: &Ctx, request: SyncRequest, generation: Generation) -> Outcome<()> {
        let mut run = self.load(ctx, request).await?;
        if run.connection.generation != generation {
            return Err(other_organisation(run.request.ledger));
        }
        run.wish_to_approve().await
    }
}

impl Run<'_> {
    /// The wish is stored before any call.
    async fn wish_to_approve(&mut self) -> Outcome<()> {
        let row = &self.row.value;
        // Another run writes this invoice now, and its outcome would write over the wish: nobody is told of an approval that is lost.
        if row.lease.is_some_and(|lease| lease.is_live(self.ctx.now())) {
            return Err(moved());
        }
        let draft = row.link.as_ref().is_some_and(|link| link.status == DocumentStatus::Draft);
        let held = row.hold.as_ref().is_some_and(|hold| hold.question == Question::PostHeld) && row.state == SyncState::Held;
        if !draft && !held {
            return Err(nothing_to_approve(self.api.rules.ledger.label()));
        }
        let story = self.event("approve_asked", "Asked to approve the draft.", None);
        let audit = self.audit("draft_approved", &format!("Invoice {}", self.invoice.number));
        self.row.value.approve = true;
        if held {
            self.row.value.hold = None;
            self.enter(SyncState::Queued);
        }
        match self.engine.store.save_row(self.ctx, self.key(), &self.row.value, self.row.rev).await? {
            Saved::Done { rev } => self.row.rev = rev,
            Saved::Moved(_) => return Err(moved()),
        }
        self.tell(&story).await?;
        self.engine.store.put_audit(self.ctx, self.workspace.id, &audit).await?;
        Ok(())
    }
}

fn nothing_to_approve(label: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, "nothing_to_approve", format!("There is no draft of this invoice in {label}.")).fix(
        "Sync the invoice first; a document that is approved already needs nothing.",
        "the invoice",
        false,
    )
}

fn moved() -> Problem {
    Problem::new(ProblemKind::Conflict, "sync_in_progress", "Somebody else is at this invoice just now.").fix(
        "Look at the invoice again, then approve.",
        "the invoice",
        true,
    )
}
