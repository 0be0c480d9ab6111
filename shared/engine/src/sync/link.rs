//! Tying an invoice to a document that exists, and untying it: explicit decisions of an admin (I7).

use std::sync::Arc;

use coportal_aws::records::sync::{DocumentClaim, Saved};
use coportal_core::ctx::Ctx;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::sync::row::SyncState;

use super::answer::SyncEnd;
use super::run::{Next, Run};
use super::{Engine, SyncRequest};

impl Engine {
    /// Ties the invoice to a document that exists, after comparing currency and total.
    ///
    /// # Errors
    /// When there is no such document, it is gone, differs in currency or total, or belongs to another invoice.
    pub async fn link_document(&self, ctx: &Ctx, request: SyncRequest, external_id: &str) -> Outcome<SyncEnd> {
        let mut run = self.load(ctx, request).await?;
        let permits = Arc::clone(&run.permits);
        let end = Box::pin(link(&mut run, external_id)).await;
        Box::pin(permits.close()).await;
        end
    }

    /// Unties the invoice from its document; the document stays as it is.
    ///
    /// # Errors
    /// When there is no link, or a write to it is still in doubt.
    pub async fn unlink_document(&self, ctx: &Ctx, request: SyncRequest) -> Outcome<()> {
        let mut run = self.load(ctx, request).await?;
        if run.row.value.intent.is_some() {
            return Err(open_intent());
        }
        let Some(link) = run.row.value.link.take() else {
            return Err(Problem::new(ProblemKind::Conflict, "not_linked", "The invoice is not linked to a document.").fix(
                "Nothing to do.",
                "the invoice",
                false,
            ));
        };
        let row = &mut run.row.value;
        row.hash = None;
        row.hold = None;
        row.problem = None;
        row.waiting = None;
        row.answers.clear();
        // What was said and paid of this document is not said and paid of the next one.
        row.approve = false;
        row.payments.clear();
        row.done = 0;
        row.remote_generation += 1;
        run.enter(SyncState::Stopped);
        run.row.value.left_out = true;
        let number = link.external_number.as_deref().unwrap_or(&link.external_id);
        let event = run.event("unlinked", &format!("Unlinked from document {number}, which stays in the ledger."), None);
        let audit = run.audit("document_unlinked", &format!("Invoice {} from document {number}", run.invoice.number));
        let document = DocumentClaim { organisation: &run.organisation, external_id: &link.external_id };
        match self.store.unlink_document(ctx, run.key(), &run.row.value, run.row.rev, &event, document).await? {
            Saved::Done { .. } => Ok(self.store.put_audit(ctx, run.workspace.id, &audit).await?),
            Saved::Moved(_) => Err(open_intent()),
        }
    }
}

/// Compares the document, ties the invoice to it, and syncs.
async fn link(run: &mut Run<'_>, external_id: &str) -> Outcome<SyncEnd> {
    if run.row.value.intent.is_some() {
        return Err(open_intent());
    }
    if run.row.value.link.is_some() {
        return Err(Problem::new(ProblemKind::Conflict, "already_linked", "The invoice is linked to a document already.").fix(
            "Unlink it first.",
            "the invoice",
            false,
        ));
    }
    let document = run.read_for_link(external_id).await?;
    let wanted = run.invoice.totals(run.workspace.tax_rounding);
    let mut issues = Vec::new();
    if document.status.is_gone() {
        issues.push(Issue::new("/external_id", "document_gone", "This document is voided or deleted."));
    }
    if document.currency != Some(run.invoice.currency) {
        issues.push(Issue::new(
            "/external_id",
            "currency_differs",
            format!(
                "The document is in {}, the invoice in {}.",
                document.currency.map_or_else(|| "another currency".to_owned(), |currency| currency.to_string()),
                run.invoice.currency
            ),
        ));
    }
    if document.totals.total != wanted.total {
        issues.push(Issue::new(
            "/external_id",
            "total_differs",
            format!("The document's total is {}, the invoice's {}.", document.totals.total, wanted.total),
        ));
    }
    if !issues.is_empty() {
        return Err(Problem::new(ProblemKind::Invalid, "document_differs", "This document is not this invoice.").issues(issues).fix(
            "Choose the document with the same currency and total, or correct one of the two.",
            "the invoice",
            false,
        ));
    }
    if let Next::End(end) = run.adopt(document).await? {
        return Ok(end);
    }
    // Somebody else changed the row meanwhile: going on would sync what was not to be synced before it is linked.
    if run.row.value.link.as_ref().is_none_or(|link| !link.external_id.eq_ignore_ascii_case(external_id)) {
        return Err(open_intent());
    }
    run.sync().await
}

fn open_intent() -> Problem {
    Problem::new(ProblemKind::Conflict, "sync_in_progress", "A sync of this invoice is under way or in doubt.").fix(
        "Sync it again first; then link or unlink it.",
        "the invoice",
        true,
    )
}

impl Run<'_> {
    async fn read_for_link(&mut self, external_id: &str) -> Outcome<coportal_core::document::RemoteDocument> {
        let missing = || {
            Problem::new(ProblemKind::Invalid, "document_not_found", "There is no such sales document in the ledger.")
                .issues(vec![Issue::new("/external_id", "not_found", "The ledger has no sales document of this id.")])
                .fix("Copy the id from the document's page in the ledger.", "the ledger", false)
        };
        let step = coportal_core::sync::plan::Step::ReadDocument(external_id.to_owned());
        self.read_or_refuse(step).await?;
        self.found.document.take().flatten().ok_or_else(missing)
    }
}
