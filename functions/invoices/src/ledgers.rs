//! How invoices stand with the workspace's ledgers: one read of the connections, one of the rows.

use coportal_aws::records::sync::SyncKey;
use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::ctx::Ctx;
use coportal_core::invoice::Invoice;
use coportal_core::problem::Outcome;
use coportal_core::sync::row::SyncRow;
use coportal_core::workspace::Workspace;
use coportal_lambda::shell::Shell;
use coportal_lambda::views::LedgerView;

/// `ledgers[]` of one invoice.
pub(crate) async fn of_one(shell: &Shell, ctx: &Ctx, workspace: &Workspace, invoice: &Invoice) -> Outcome<Vec<LedgerView>> {
    let connections = connections(shell, ctx, workspace).await?;
    if connections.is_empty() {
        return Ok(Vec::new());
    }
    let rows = shell.store().sync_rows(workspace.id, invoice.id).await?;
    let views = connections.iter().filter_map(|connection| {
        // A row of another generation belongs to another organisation's books (R145).
        let row = rows.iter().find(|(ledger, generation, _)| *ledger == connection.ledger && *generation == connection.generation);
        view(workspace, invoice, connection, row.map(|(_, _, row)| row))
    });
    Ok(views.collect())
}

/// `ledgers[]` of each invoice of a page, in its order.
pub(crate) async fn of_page(shell: &Shell, ctx: &Ctx, workspace: &Workspace, invoices: &[Invoice]) -> Outcome<Vec<Vec<LedgerView>>> {
    let connections = connections(shell, ctx, workspace).await?;
    let key = |invoice: &Invoice, connection: &Connection| SyncKey {
        ws: workspace.id,
        inv: invoice.id,
        ledger: connection.ledger,
        generation: connection.generation,
    };
    let wanted: Vec<SyncKey> =
        invoices.iter().flat_map(|invoice| connections.iter().map(move |connection| key(invoice, connection))).collect();
    let rows = if wanted.is_empty() { Vec::new() } else { shell.store().sync_rows_of(ctx, &wanted).await? };
    let views = invoices.iter().map(|invoice| {
        let of_connection = |connection: &Connection| {
            let wanted = key(invoice, connection);
            let row = rows.iter().find(|(found, _)| *found == wanted).map(|(_, row)| row);
            view(workspace, invoice, connection, row)
        };
        connections.iter().filter_map(of_connection).collect()
    });
    Ok(views.collect())
}

async fn connections(shell: &Shell, ctx: &Ctx, workspace: &Workspace) -> Outcome<Vec<Connection>> {
    let found = shell.store().connections(ctx, workspace.id).await?;
    Ok(found.into_iter().map(|connection| connection.value).collect())
}

/// A ledger that was taken apart is listed only where it left something.
fn view(workspace: &Workspace, invoice: &Invoice, connection: &Connection, row: Option<&SyncRow>) -> Option<LedgerView> {
    if connection.status == ConnectionStatus::Disconnected && row.is_none() {
        return None;
    }
    Some(LedgerView::of(invoice, connection, row, workspace.plan >= connection.ledger.plan_required()))
}
