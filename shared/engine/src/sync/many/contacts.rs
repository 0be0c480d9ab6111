//! Contacts of many clients at once, before their invoices are sent: what a backfill begins with.

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::WaitingFor;
use coportal_core::timeline::Actor;
use jiff::Timestamp;

use super::super::SyncEnd;
use super::directory::Directory;
use super::rows::share_permits;
use super::{Goal, NO_TIME, Together};
use crate::Engine;

/// Invoices that are read at once.
const READ_AT_ONCE: usize = 200;

/// What became of the contacts of some invoices' clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactsResolved {
    /// Clients that had a contact already.
    pub known: Vec<ClientId>,
    /// Clients that were linked to a contact, found or made.
    pub linked: Vec<ClientId>,
    /// Clients about whom a person is asked; the question stands on the invoice's row.
    pub asked: Vec<(ClientId, InvoiceId)>,
    /// Clients whose contact is left to their invoices' own syncs: nothing to send, refused, or failed.
    pub left: Vec<ClientId>,
    /// Clients that wait, for what and until when; `None` where a person's act is waited for.
    pub waiting: Vec<(ClientId, WaitingFor, Option<Timestamp>)>,
    /// Pages that the ledger's list of contacts has, as far as is known: 0 where it was never read.
    pub pages: u32,
    /// Calls to the ledger's API that this took.
    pub vendor_calls: u32,
}

impl Engine {
    /// Finds or makes the contacts of the clients of these invoices, by the rules of a single sync and in as few calls as can be: the
    /// ledger's contacts are listed where that takes fewer calls than a search for each client, and the missing ones are made in batches,
    /// each with an intent of its own. Nothing of the invoices themselves is sent. What needs a person is held on the row of the first
    /// invoice of the client; where a limit of the vendor's stands in the way, no row says so: who asked waits for all of them. Safe to cut
    /// off at any point, and to do again: a client that has a contact costs no call. `pages` is what an earlier try learnt of the list.
    ///
    /// # Errors
    /// When the plan or the connection does not allow it, the generation is another one, or the table does not answer.
    #[expect(clippy::too_many_arguments, reason = "as `sync_invoices`, and what an earlier try has learnt")]
    pub async fn resolve_contacts(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        invoices: &[InvoiceId],
        actor: Actor,
        pages: u32,
    ) -> Outcome<ContactsResolved> {
        let mut resolved = ContactsResolved::default();
        let mut rows = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for some in invoices.chunks(READ_AT_ONCE) {
            let (loaded, _) = self.load_many(ctx, ws, ledger, generation, some, &actor).await?;
            for row in loaded {
                // The first invoice of a client (in a currency, where contacts have one) stands for all of them.
                if !seen.insert(row.run.contact_key()) {
                    continue;
                }
                let contact = &row.run.contact.value;
                if contact.link.is_some() && contact.intent.is_none() {
                    resolved.known.push(row.run.client.id);
                } else {
                    rows.push(row);
                }
            }
        }
        share_permits(&mut rows);
        let mut together = Together { rows: &mut rows, goal: Goal::Contacts, directory: Directory::of_pages(pages), facts: None };
        Box::pin(together.run()).await;
        resolved.pages = u32::try_from(together.directory.pages).unwrap_or(u32::MAX);
        for row in rows {
            let client = row.run.client.id;
            resolved.vendor_calls += row.run.meter.calls();
            match row.end {
                _ if row.run.contact.value.link.is_some() && row.run.contact.value.intent.is_none() => resolved.linked.push(client),
                Some(Ok(SyncEnd::Held(_))) => resolved.asked.push((client, row.run.request.invoice)),
                Some(Ok(SyncEnd::Waiting { waiting_for, due_at, .. })) => resolved.waiting.push((client, waiting_for, due_at)),
                Some(Ok(SyncEnd::InProgress { until })) => resolved.waiting.push((client, WaitingFor::OtherRun, Some(until))),
                // Not begun for lack of time: its turn is next.
                Some(Err(problem)) if problem.code == NO_TIME => resolved.waiting.push((client, WaitingFor::OtherRun, Some(ctx.now()))),
                Some(Ok(SyncEnd::Synced(_) | SyncEnd::Failed(_)) | Err(_)) | None => resolved.left.push(client),
            }
        }
        Ok(resolved)
    }
}
