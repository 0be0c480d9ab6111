//! Everything about one client on one page (R115, R129).

use axum::Json;
use axum::extract::State;
use coportal_core::client::{Client, ContactPerson};
use coportal_core::id::ClientId;
use coportal_core::overview::{Billed, billed};
use coportal_core::problem::Problem;
use coportal_lambda::authn::{Invocation, Member};
use coportal_lambda::extract::{MAX_LIMIT, PathIds};
use coportal_lambda::problem::Answer;
use coportal_lambda::shell::Shell;
use serde::Serialize;

/// `GET /v1/clients/{id}/overview`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct OverviewView {
    client: Client,
    invoices: Billed,
    /// The first hundred, in the order they were added; the list of contacts has the rest.
    contacts: Vec<ContactPerson>,
    /// The team's own, as on the client; never shown to the client.
    notes: Option<String>,
}

pub(crate) async fn overview(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<ClientId>,
) -> Answer<Json<OverviewView>> {
    let (store, ws) = (shell.store(), principal.workspace.id);
    let client = store.client(ws, id).await.map_err(Problem::from)?.ok_or_else(|| Problem::not_found("client"))?.value;
    let invoices = store.invoices_of_client(&ctx, ws, id).await.map_err(Problem::from)?;
    let contacts = store.people(ws, id, None, MAX_LIMIT).await.map_err(Problem::from)?.items;
    let notes = client.notes.clone();
    Ok(Json(OverviewView { invoices: billed(&invoices, principal.workspace.tax_rounding), client, contacts, notes }))
}
