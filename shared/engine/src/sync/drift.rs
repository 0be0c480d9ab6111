//! A person's word about what somebody changed in the ledger: keep ours, or keep theirs. Nothing is overwritten without it (C29, I7).

use std::sync::Arc;

use coportal_aws::records::sync::Saved;
use coportal_core::ctx::Ctx;
use coportal_core::document::DocumentStatus;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::create_again;
use coportal_core::sync::drift::{Drift, Drifted, drift};
use coportal_core::sync::plan::Step;
use coportal_core::sync::row::SyncState;
use serde::Deserialize;

use super::run::{Run, refresh_link};
use super::{SyncEnd, SyncRequest};
use crate::Engine;

/// Whose values stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeepSide {
    /// CoPortal's: they are written again, or a new document is made where the old one is gone.
    Ours,
    /// The ledger's: they are accepted, and later changes are merged into them.
    Theirs,
}

impl Engine {
    /// Answers what somebody changed of an invoice's document. The answer is for what the person saw: `seen` is the digest of that, or `None`
    /// for what is known now. The document is read first.
    ///
    /// # Errors
    /// 404 when nothing is known to be changed; 409 when it has been changed again, another question about the invoice is open, or what was
    /// changed cannot be undone from here.
    pub async fn keep_drift(&self, ctx: &Ctx, request: SyncRequest, keep: KeepSide, seen: Option<&str>) -> Outcome<SyncEnd> {
        let mut run = self.load(ctx, request).await?;
        let permits = Arc::clone(&run.permits);
        let end = Box::pin(self.keep_side(ctx, &mut run, keep, seen)).await;
        Box::pin(permits.close()).await;
        end
    }

    async fn keep_side(&self, ctx: &Ctx, run: &mut Run<'_>, keep: KeepSide, digest: Option<&str>) -> Outcome<SyncEnd> {
        let (ws, ledger, generation) = (run.workspace.id, run.request.ledger, run.connection.generation);
        let seen = self.store.drift(ws, ledger, generation, run.invoice.id).await?.ok_or_else(|| Problem::not_found("record"))?;
        if digest.is_some_and(|digest| digest != seen.drift().digest()) {
            return Err(changed_again());
        }
        if run.row.value.intent.is_some() || run.row.value.lease.is_some_and(|lease| lease.is_live(ctx.now())) {
            return Err(busy());
        }
        if run.row.value.state == SyncState::Held {
            return Err(Problem::new(ProblemKind::Conflict, "question_open", "A question about this invoice is open.").fix(
                "Answer it; it is about the same document.",
                "the invoice",
                false,
            ));
        }
        let link = run.row.value.link.as_ref().ok_or_else(|| Problem::not_found("record"))?;
        let external_id = link.external_id.clone();
        run.read_or_refuse(Step::ReadDocument(external_id.clone())).await?;
        let there = run.found.document.clone().flatten();
        let now = match &there {
            None => Some(Drift::deleted()),
            Some(there) => drift(&run.row.value, there),
        };
        let Some(now) = now else {
            // Somebody has put it back.
            self.store.delete_drift(ctx, ws, ledger, generation, &seen).await?;
            return Ok(run.synced());
        };
        if now != seen.drift() {
            let version = there.as_ref().and_then(|there| there.version.clone());
            let moved = Drifted { kinds: now.kinds, differences: now.differences, version, seen_at: ctx.now(), ..seen };
            self.store.put_drift(ctx, ws, ledger, generation, &moved).await?;
            return Err(changed_again());
        }
        let gone = there.as_ref().map_or(Some(DocumentStatus::Deleted), |there| Some(there.status).filter(|status| status.is_gone()));
        match keep {
            KeepSide::Theirs => {
                if let (Some(link), Some(there)) = (run.row.value.link.as_mut(), &there) {
                    refresh_link(link, there);
                    link.as_sent = false;
                }
                run.row.value.undo = None;
                run.found.document = None;
                run.accept(gone).await?;
            }
            KeepSide::Ours => {
                if !now.can_be_undone() {
                    return Err(cannot_be_undone(run.api.rules.ledger.label()));
                }
                match gone {
                    Some(status) => {
                        let id = there.as_ref().map_or(external_id, |there| there.external_id.clone());
                        run.row.value.answers.push(create_again(&id, status));
                    }
                    None => run.row.value.undo = Some(now.digest()),
                }
                run.row.value.hash = None;
                run.row.value.waiting = None;
                run.enter(SyncState::Queued);
                run.keep("kept_ours", "Kept as in CoPortal, as chosen: what was changed in the ledger is written over.").await?;
            }
        }
        self.store.delete_drift(ctx, ws, ledger, generation, &seen).await?;
        match (keep, gone) {
            (KeepSide::Ours, _) => run.sync().await,
            (KeepSide::Theirs, Some(_)) => Ok(run.stopped()),
            (KeepSide::Theirs, None) => Ok(run.synced()),
        }
    }
}

fn changed_again() -> Problem {
    Problem::new(ProblemKind::Conflict, "changed_again", "The document has been changed again since you looked.").fix(
        "Look at what differs now, then answer.",
        "Settings -> Integrations",
        true,
    )
}

fn busy() -> Problem {
    Problem::new(ProblemKind::Conflict, "sync_in_progress", "A sync of this invoice is under way or in doubt.").fix(
        "Look again in a minute.",
        "the invoice",
        true,
    )
}

fn cannot_be_undone(label: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "nothing_to_undo",
        format!("A payment or credit was applied in {label}; CoPortal never takes one back."),
    )
    .fix(format!("Keep theirs, or remove the payment in {label}."), "the ledger", false)
}

impl Run<'_> {
    /// What stands in the ledger counts. Of a document that is gone nothing is synced any more, until somebody presses Sync.
    async fn accept(&mut self, gone: Option<DocumentStatus>) -> Outcome<()> {
        let Some(status) = gone else {
            return self.keep("kept_theirs", "Kept as it stands in the ledger, as chosen.").await;
        };
        if let Some(link) = self.row.value.link.as_mut() {
            link.status = status;
        }
        self.row.value.hash = None;
        self.row.value.waiting = None;
        self.row.value.left_out = true;
        self.enter(SyncState::Stopped);
        self.keep("kept_theirs", "The document is gone in the ledger and stays so, as chosen: this invoice is not synced any more.").await
    }

    /// Saves the answer on the row as it was read, and tells of it.
    async fn keep(&mut self, step: &str, text: &str) -> Outcome<()> {
        let story = self.event(step, text, None);
        let audit = self.audit("drift_resolved", &format!("Invoice {}: {text}", self.invoice.number));
        match self.engine.store.save_row(self.ctx, self.key(), &self.row.value, self.row.rev).await? {
            Saved::Done { rev } => self.row.rev = rev,
            Saved::Moved(_) => return Err(busy()),
        }
        self.tell(&story).await?;
        Ok(self.engine.store.put_audit(self.ctx, self.workspace.id, &audit).await?)
    }
}
