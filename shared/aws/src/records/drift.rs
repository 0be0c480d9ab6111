//! What somebody changed in a ledger, an item for each invoice; and whose a ledger's documents are.

use std::collections::BTreeSet;

use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{InvoiceId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::sync::drift::Drifted;

use super::sync::owner_of;
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Kind, Page, Range, Store, from_item, key_of};

/// The attribute that stands for what differs.
const DIGEST: &str = "digest";

/// What the sort keys of invoices begin with; the head of the check lies beside them.
const INVOICES: &str = "inv_";

impl Store {
    /// Writes down what was changed of an invoice's document.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_drift(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        drifted: &Drifted,
    ) -> Result<(), StoreError> {
        let fields = Fields::of(Kind::Drift, drifted)?.text("ws", ws).text(DIGEST, drifted.drift().digest());
        let _always_done = self.write(ctx, Change::put(keys::drift(ws, ledger, generation, drifted.inv), fields)).await?;
        Ok(())
    }

    /// What was changed of an invoice's document, if anything is known.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn drift(
        &self,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        inv: InvoiceId,
    ) -> Result<Option<Drifted>, StoreError> {
        let item = self.get(&keys::drift(ws, ledger, generation, inv)).await?;
        item.map(|item| from_item(Kind::Drift, item)).transpose()
    }

    /// Nothing differs any more, or a person has answered. Condition: what is written down is still what was `seen`; another change that a
    /// check has found since stays.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn delete_drift(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        seen: &Drifted,
    ) -> Result<(), StoreError> {
        let same = Condition::new("#digest = :digest").text(":digest", seen.drift().digest());
        let _gone_or_another = self.write(ctx, Change::delete(keys::drift(ws, ledger, generation, seen.inv)).when(same)).await?;
        Ok(())
    }

    /// A page of what was changed in the books of a connection.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn drifts(
        &self,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        limit: i32,
        after: Option<InvoiceId>,
    ) -> Result<Page<Drifted>, StoreError> {
        let after = after.map(|inv| inv.to_string());
        let partition = keys::drift_pk(ws, ledger, generation);
        // On the table a cursor and a prefix go together; the head sorts before all invoices.
        let range = Range { prefix: INVOICES, after: after.as_deref(), limit: Some(limit), ..Range::default() };
        let page = self.query(&partition, &range).await?;
        let items = page.items.into_iter().map(|item| from_item(Kind::Drift, item)).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// The invoices of a connection of which something is known to be changed.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn drifted_invoices(
        &self,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
    ) -> Result<BTreeSet<InvoiceId>, StoreError> {
        let items = self.query_all(&keys::drift_pk(ws, ledger, generation), INVOICES).await?;
        Ok(items.iter().filter_map(|item| key_of(item)?.1.parse().ok()).collect())
    }

    /// Which invoices own these documents, in their order; `None` for a document that is nobody's here.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn document_owners(
        &self,
        ctx: &Ctx,
        ledger: Ledger,
        organisation: &str,
        documents: &[&str],
    ) -> Result<Vec<Option<(WorkspaceId, InvoiceId)>>, StoreError> {
        let wanted: Vec<_> = documents.iter().map(|document| keys::document_owner(ledger, organisation, document)).collect();
        let found = self.batch_get(ctx, &wanted).await?;
        found.into_iter().map(|item| item.map(|item| owner_of(Some(&item))).transpose()).collect()
    }
}
