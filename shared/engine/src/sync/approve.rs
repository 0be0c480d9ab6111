//! Approving a draft: an explicit act, never a consequence of an edit or of an option (C7, C8).

use coportal_aws::records::sync::Saved;
use coportal_core::ctx::Ctx;
use coportal_core::document::DocumentStatus;
use coportal_core::failure::Question;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::row::SyncState;

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
        let row = &run.row.value;
        // Another run writes this invoice now, and its outcome would write over the wish: nobody is told of an approval that is lost.
        if row.lease.is_some_and(|lease| lease.is_live(ctx.now())) {
            return Err(moved());
        }
        let draft = row.link.as_ref().is_some_and(|link| link.status == DocumentStatus::Draft);
        let held = row.hold.as_ref().is_some_and(|hold| hold.question == Question::PostHeld) && row.state == SyncState::Held;
        if !draft && !held {
            return Err(nothing_to_approve(run.api.rules.ledger.label()));
        }
        let story = run.event("approve_asked", "Asked to approve the draft.", None);
        let audit = run.audit("draft_approved", &format!("Invoice {}", run.invoice.number));
        run.row.value.approve = true;
        if held {
            run.row.value.hold = None;
            run.enter(SyncState::Queued);
        }
        match self.store.save_row(ctx, run.key(), &run.row.value, run.row.rev).await? {
            Saved::Done { rev } => run.row.rev = rev,
            Saved::Moved(_) => return Err(moved()),
        }
        run.tell(&story).await?;
        self.store.put_audit(ctx, run.workspace.id, &audit).await?;
        run.sync().await
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
