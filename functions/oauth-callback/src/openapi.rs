//! The routes for the OpenAPI document.

use coportal_core::problem::ProblemKind;
use coportal_core::workspace::{Member, Workspace};
use coportal_lambda::openapi::Operations;
use utoipa::openapi::path::ParameterIn;

use crate::integrations::ConnectView;
use crate::{audit, callback, connection, integrations, workspaces};

/// What every route may answer that asks for a connection, or asks the ledger.
const CONNECTION: &[ProblemKind] = &[ProblemKind::Conflict];

/// What each route takes and answers.
#[must_use]
pub fn operations() -> Operations {
    Operations::default()
        .route("GET /v1/integrations", integrations::list)
        .route("POST /v1/integrations/{ledger}/connect", integrations::connect)
        .ok::<ConnectView>()
        .and(|operation| operation.header_of(200, "Set-Cookie", "`__Host-connect`: the browser that the consent is bound to."))
        .refuses(CONNECTION)
        .route("POST /v1/integrations/{ledger}/connect/confirm", integrations::confirm)
        .refuses(CONNECTION)
        .route("GET /v1/oauth/{ledger}/callback", callback::callback)
        .and(|operation| {
            for (name, what) in
                [("state", "As it was sent there."), ("code", "What the grant is traded for."), ("error", "Why there is none.")]
            {
                operation.text_parameter(ParameterIn::Query, name, false, what);
            }
            operation.answers_nothing(303, "Back to the page that it began on.");
            operation.header_of(303, "Location", "That page, with `connected` or `connect_error`.");
        })
        .route("GET /v1/integrations/{ledger}/organisations", connection::organisations)
        .refuses(CONNECTION)
        .route("PUT /v1/integrations/{ledger}/organisation", connection::choose_organisation)
        .refuses(CONNECTION)
        .route("GET /v1/integrations/{ledger}/choices", connection::choices)
        .refuses(CONNECTION)
        .route("PUT /v1/integrations/{ledger}/choices", connection::put_choices)
        .refuses(CONNECTION)
        .route("PATCH /v1/integrations/{ledger}/options", connection::patch_options)
        .refuses(CONNECTION)
        .route("POST /v1/integrations/{ledger}/test", connection::test)
        .refuses(CONNECTION)
        .route("DELETE /v1/integrations/{ledger}", connection::disconnect)
        .refuses(CONNECTION)
        .route("PUT /v1/workspaces/{id}", workspaces::put_workspace)
        .ok::<Workspace>()
        .created::<Workspace>()
        .refuses(&[ProblemKind::Conflict])
        .route("PUT /v1/workspaces/{id}/members/{user}", workspaces::put_member)
        .ok::<Member>()
        .created::<Member>()
        .refuses(&[ProblemKind::Conflict])
        .route("GET /v1/audit", audit::list)
}
