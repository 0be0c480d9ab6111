//! The first steps: which invoices, written down in chunks.

use coportal_aws::records::sync::SyncKey;
use coportal_core::backfill::{Backfill, BackfillState, CHUNK_MAX, CHUNK_MIN, Chunk, Purpose, Stage};
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::document::DocumentStatus;
use coportal_core::failure::Question;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::invoice::Invoice;
use coportal_core::job::NextStep;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::{SyncRow, SyncState};

use super::{Standing, id_of};
use crate::Engine;
use crate::jobs::StepOf;

/// Invoices of one read.
pub(super) const PAGE: i32 = 100;
/// Reads of one step.
const PAGES: u32 = 10;

/// A page of invoices, with the rows of the connection where the purpose asks for them.
pub(super) struct Looked {
    /// What was chosen of it.
    pub(super) chosen: Vec<(Invoice, SyncRow)>,
    /// Where the next page begins; `None` at the end.
    pub(super) next: Option<InvoiceId>,
}

/// Whether an invoice's draft can be approved: a draft there, or one that waits here because the ledger has none (C8).
fn is_draft(row: &SyncRow) -> bool {
    let there = row.link.as_ref().is_some_and(|link| link.status == DocumentStatus::Draft);
    let here = row.state == SyncState::Held && row.hold.as_ref().is_some_and(|hold| hold.question == Question::PostHeld);
    there || here
}

impl Engine {
    /// The rows of invoices in a connection's generation, in the order of the invoices; absent ones as they begin.
    pub(super) async fn rows_of(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        invoices: &[InvoiceId],
    ) -> Outcome<Vec<SyncRow>> {
        let keys: Vec<SyncKey> = invoices.iter().map(|inv| SyncKey { ws, inv: *inv, ledger, generation }).collect();
        let mut found: std::collections::HashMap<InvoiceId, SyncRow> =
            self.store.sync_rows_of(ctx, &keys).await?.into_iter().map(|(key, row)| (key.inv, row)).collect();
        Ok(invoices.iter().map(|inv| found.remove(inv).unwrap_or_default()).collect())
    }

    /// Looks at the next page of invoices, oldest first.
    pub(super) async fn look_at_page(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        (ledger, generation): (Ledger, Generation),
        purpose: &Purpose,
        with_rows: bool,
        after: Option<InvoiceId>,
    ) -> Outcome<Looked> {
        let page = self.store.invoices_after(ws, after, PAGE).await?;
        let next = page.next.as_ref().and_then(|next| next.parse().ok());
        let dated: Vec<Invoice> = match purpose {
            Purpose::Backfill { selection } => page.items.into_iter().filter(|invoice| selection.takes(invoice)).collect(),
            Purpose::ApproveDrafts => page.items,
        };
        let needs_rows = with_rows || *purpose == Purpose::ApproveDrafts;
        if !needs_rows {
            return Ok(Looked { chosen: dated.into_iter().map(|invoice| (invoice, SyncRow::default())).collect(), next });
        }
        let ids: Vec<InvoiceId> = dated.iter().map(|invoice| invoice.id).collect();
        let rows = self.rows_of(ctx, ws, ledger, generation, &ids).await?;
        let chosen = dated.into_iter().zip(rows).filter(|(_, row)| *purpose != Purpose::ApproveDrafts || is_draft(row)).collect();
        Ok(Looked { chosen, next })
    }

    /// Looks at some pages and writes full chunks down; the last step writes what is left.
    pub(super) async fn list_step(&self, ctx: &Ctx, of: StepOf, backfill: &mut Backfill, standing: &Standing) -> Outcome<NextStep> {
        let id = id_of(of)?;
        let size = self.ledgers.get(backfill.ledger).map_or(1, |api| api.profile.batch).clamp(CHUNK_MIN, CHUNK_MAX);
        let of_connection = (backfill.ledger, standing.connection.generation);
        for _ in 0..PAGES {
            let looked = self.look_at_page(ctx, of.ws, of_connection, &backfill.purpose, false, backfill.listed_to).await?;
            backfill.remainder.extend(looked.chosen.iter().map(|(invoice, _)| invoice.id));
            let is_last = looked.next.is_none();
            while backfill.remainder.len() >= size || (is_last && !backfill.remainder.is_empty()) {
                let rest = backfill.remainder.split_off(size.min(backfill.remainder.len()));
                let chunk = Chunk::of(&std::mem::replace(&mut backfill.remainder, rest));
                self.store.put_chunk(ctx, of.ws, id, backfill.chunks, &chunk, of.fence).await?;
                backfill.chunks = backfill.chunks.saturating_add(1);
                backfill.total = backfill.total.saturating_add(u32::try_from(chunk.chosen.len()).unwrap_or(u32::MAX));
            }
            if is_last {
                if backfill.total == 0 {
                    backfill.end(BackfillState::Done, ctx.now());
                    return Ok(NextStep::Rest);
                }
                backfill.stage = match backfill.purpose {
                    Purpose::Backfill { .. } => Stage::Contacts,
                    Purpose::ApproveDrafts => Stage::Working,
                };
                return Ok(NextStep::Now);
            }
            backfill.listed_to = looked.next;
        }
        Ok(NextStep::Now)
    }
}
