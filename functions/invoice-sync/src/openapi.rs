//! The routes for the OpenAPI document.

use coportal_core::problem::ProblemKind;
use coportal_engine::jobs::{BackfillPlan, DraftsForecast, DriftState};
use coportal_engine::sync::{Retried, SyncAnswer};
use coportal_lambda::attention::AttentionView;
use coportal_lambda::extract::PageView;
use coportal_lambda::openapi::{Operation, Operations};

use crate::backfill::BegunView;
use crate::sync::WaitingView;
use crate::{attention, backfill, drift, link, sync, timeline};

/// What a sync answers, and whatever answers like one.
fn synced(operation: &mut Operation) {
    operation.answers_json::<SyncAnswer>(200, "The invoice stands in the ledger as it stands here.");
    operation.answers_json::<WaitingView>(202, "It has to wait, and goes on by itself.");
    operation.refuses(&[ProblemKind::Conflict, ProblemKind::Invalid, ProblemKind::Limited]);
}

/// What every route may answer that asks for a connection.
const CONNECTION: &[ProblemKind] = &[ProblemKind::NotFound, ProblemKind::Conflict];

/// What each route takes and answers.
#[must_use]
pub fn operations() -> Operations {
    Operations::default()
        .route("POST /v1/invoices/{id}/sync/{ledger}", sync::sync)
        .and(synced)
        .route("POST /v1/invoices/{id}/sync/{ledger}/dry-run", sync::dry_run)
        .refuses(&[ProblemKind::Conflict, ProblemKind::Invalid, ProblemKind::Limited])
        .route("POST /v1/invoices/{id}/sync/{ledger}/resolve", sync::resolve)
        .and(synced)
        .route("POST /v1/invoices/{id}/sync/{ledger}/approve", sync::approve)
        .and(synced)
        .route("POST /v1/invoices/{id}/sync/{ledger}/link", link::link)
        .and(synced)
        .route("DELETE /v1/invoices/{id}/sync/{ledger}/link", link::unlink)
        .and(|operation| operation.answers_nothing(204, "Untied; the document stays in the ledger."))
        .refuses(CONNECTION)
        .route("GET /v1/invoices/{id}/timeline", timeline::timeline)
        .route("GET /v1/sync/attention", attention::attention)
        .ok::<PageView<AttentionView>>()
        .and(|operation| operation.answers_text(200, "text/csv", "As asked."))
        .route("POST /v1/sync/attention/retry", attention::retry)
        .ok::<Retried>()
        .route("POST /v1/integrations/{ledger}/backfill", backfill::begin)
        .ok::<BackfillPlan>()
        .accepted_at::<BegunView>()
        .refuses(CONNECTION)
        .route("GET /v1/integrations/{ledger}/backfills/{id}", backfill::progress)
        .route("DELETE /v1/integrations/{ledger}/backfills/{id}", backfill::cancel)
        .refuses(CONNECTION)
        .route("GET /v1/integrations/{ledger}/drift", drift::list)
        .refuses(CONNECTION)
        .route("POST /v1/integrations/{ledger}/drift", drift::check)
        .accepted::<DriftState>()
        .refuses(CONNECTION)
        .route("POST /v1/integrations/{ledger}/drift/{id}", drift::keep)
        .and(synced)
        .route("POST /v1/integrations/{ledger}/approve-drafts", backfill::approve_drafts)
        .ok::<DraftsForecast>()
        .accepted_at::<BegunView>()
        .refuses(CONNECTION)
}
