//! One connection: its organisation, choices, options, test and end.

use axum::Json;
use axum::extract::State;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Problem;
use coportal_engine::connect::{
    ChoicesRequest, ChoicesView, DisconnectReceipt, IntegrationView, Links, OptionsPatch, OptionsView, OrganisationsView, TestView,
};
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{JsonBody, OptionalJsonBody, PathIds, QueryOf};
use coportal_lambda::problem::Answer;
use coportal_lambda::telemetry::Note;
use serde::Deserialize;

use crate::AppState;

/// `GET /v1/integrations/{ledger}/organisations`.
pub(crate) async fn organisations(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
) -> Answer<Json<OrganisationsView>> {
    note.ledger(ledger);
    Ok(Json(state.engine.organisations(&ctx, &principal.workspace, ledger).await?))
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganisationRequest {
    organisation_id: String,
}

/// `PUT /v1/integrations/{ledger}/organisation`: answers the integration as it stands then.
pub(crate) async fn choose_organisation(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    body: JsonBody<OrganisationRequest>,
) -> Answer<Json<IntegrationView>> {
    note.ledger(ledger);
    let chosen = &body.value.organisation_id;
    state.engine.choose_organisation(&ctx, &principal.workspace, &principal.user, ledger, chosen).await?;
    let views = state.engine.integrations(&ctx, &principal.workspace, &principal.user).await?;
    let view =
        views.into_iter().find(|view| view.ledger == ledger).ok_or_else(|| Problem::internal_error("a ledger is missing from the list"))?;
    Ok(Json(view))
}

/// `GET /v1/integrations/{ledger}/choices`.
pub(crate) async fn choices(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
) -> Answer<Json<ChoicesView>> {
    note.ledger(ledger);
    Ok(Json(state.engine.choices(&ctx, &principal.workspace, ledger).await?))
}

/// `PUT /v1/integrations/{ledger}/choices`.
pub(crate) async fn put_choices(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    body: JsonBody<ChoicesRequest>,
) -> Answer<Json<ChoicesView>> {
    note.ledger(ledger);
    Ok(Json(state.engine.put_choices(&ctx, &principal.workspace, principal.actor(), ledger, &body.value).await?))
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DryRunQuery))]
#[serde(deny_unknown_fields)]
pub(crate) struct DryRun {
    #[serde(default)]
    dry_run: bool,
}

/// `PATCH /v1/integrations/{ledger}/options?dry_run=`.
pub(crate) async fn patch_options(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    QueryOf(DryRun { dry_run }): QueryOf<DryRun>,
    body: JsonBody<OptionsPatch>,
) -> Answer<Json<OptionsView>> {
    note.ledger(ledger);
    let view = state.engine.patch_options(&ctx, &principal.workspace, principal.actor(), ledger, &body.value, dry_run).await?;
    Ok(Json(view))
}

/// `POST /v1/integrations/{ledger}/test`.
pub(crate) async fn test(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
) -> Answer<Json<TestView>> {
    note.ledger(ledger);
    let view = state.engine.test_connection(&ctx, &principal.workspace, principal.actor(), ledger).await?;
    note.outcome(if view.ok { "ok" } else { "failed" });
    Ok(Json(view))
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct DisconnectRequest {
    #[serde(default = "keep")]
    links: Links,
}

fn keep() -> Links {
    Links::Keep
}

impl Default for DisconnectRequest {
    fn default() -> Self {
        Self { links: keep() }
    }
}

/// `DELETE /v1/integrations/{ledger}`; without a body the links are kept.
pub(crate) async fn disconnect(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    Admin(principal): Admin,
    note: Note,
    PathIds(ledger): PathIds<Ledger>,
    OptionalJsonBody(body): OptionalJsonBody<DisconnectRequest>,
) -> Answer<Json<DisconnectReceipt>> {
    note.ledger(ledger);
    Ok(Json(state.engine.disconnect(&ctx, &principal.workspace, &principal.user, ledger, body.value.links).await?))
}
