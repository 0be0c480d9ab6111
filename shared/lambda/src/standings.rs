//! How invoices stand with the workspace's ledgers: one read of the connections, one of the rows.

use coportal_aws::records::sync::SyncKey;
use coportal_aws::store::Store;
use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::ctx::Ctx;
use coportal_core::id::WorkspaceId;
use coportal_core::invoice::Invoice;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::SyncRow;
use coportal_core::workspace::Workspace;

use crate::views::LedgerView;

/// One ledger of an invoice.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The connection as it is now.
    pub connection: Connection,
    /// The invoice's row in the connection's present generation; a row of another one belongs to another organisation's books (R145).
    pub row: Option<SyncRow>,
}

impl Standing {
    /// What answers and pages show of it.
    #[must_use]
    pub fn view(&self, workspace: &Workspace, invoice: &Invoice) -> LedgerView {
        let plan_allows = workspace.plan >= self.connection.ledger.plan_required();
        LedgerView::of(invoice, &self.connection, self.row.as_ref(), plan_allows)
    }

    /// A ledger that was taken apart is listed only where it left something.
    fn is_listed(&self) -> bool {
        self.connection.status != ConnectionStatus::Disconnected || self.row.is_some()
    }
}

/// How one invoice stands, ledger by ledger.
///
/// # Errors
/// When the table does not answer.
pub async fn of_invoice(store: &Store, ctx: &Ctx, ws: WorkspaceId, invoice: &Invoice) -> Outcome<Vec<Standing>> {
    let connections = connections(store, ctx, ws).await?;
    if connections.is_empty() {
        return Ok(Vec::new());
    }
    let rows = store.sync_rows(ws, invoice.id).await?;
    let standings = connections.into_iter().map(|connection| {
        let row = rows.iter().find(|(ledger, generation, _)| *ledger == connection.ledger && *generation == connection.generation);
        Standing { row: row.map(|(_, _, row)| row.clone()), connection }
    });
    Ok(standings.filter(Standing::is_listed).collect())
}

/// The same of each invoice of a page, in its order.
///
/// # Errors
/// When the table does not answer.
pub async fn of_invoices(store: &Store, ctx: &Ctx, ws: WorkspaceId, invoices: &[Invoice]) -> Outcome<Vec<Vec<Standing>>> {
    let connections = connections(store, ctx, ws).await?;
    let key = |invoice: &Invoice, connection: &Connection| SyncKey {
        ws,
        inv: invoice.id,
        ledger: connection.ledger,
        generation: connection.generation,
    };
    let wanted: Vec<SyncKey> =
        invoices.iter().flat_map(|invoice| connections.iter().map(move |connection| key(invoice, connection))).collect();
    let rows = if wanted.is_empty() { Vec::new() } else { store.sync_rows_of(ctx, &wanted).await? };
    let standings = invoices.iter().map(|invoice| {
        let of_connection = |connection: &Connection| {
            let wanted = key(invoice, connection);
            let row = rows.iter().find(|(found, _)| *found == wanted).map(|(_, row)| row.clone());
            Standing { connection: connection.clone(), row }
        };
        connections.iter().map(of_connection).filter(Standing::is_listed).collect()
    });
    Ok(standings.collect())
}

async fn connections(store: &Store, ctx: &Ctx, ws: WorkspaceId) -> Outcome<Vec<Connection>> {
    let found = store.connections(ctx, ws).await?;
    Ok(found.into_iter().map(|connection| connection.value).collect())
}
