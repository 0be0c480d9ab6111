//! The connection test (R23): a real read against the ledger.

use std::time::Duration;

use coportal_aws::store::Versioned;
use coportal_core::connection::{Connection, ConnectionStatus, Organisation};
use coportal_core::ctx::Ctx;
use coportal_core::facts::Facts;
use coportal_core::failure::Failure;
use coportal_core::id::{RunId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Fix, Outcome, Problem, ProblemKind};
use coportal_core::secret::Secret;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_ledgers::{Access, LedgerApi};
use serde::Serialize;

use super::view::OrganisationView;
use crate::Engine;
use crate::access::AccessProblem;

/// Why a test did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestProblem {
    /// Stable code.
    pub code: String,
    /// What happened.
    pub detail: String,
    /// What to do.
    pub fix: Option<Fix>,
}

/// What a test of a connection found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestView {
    /// Whether the ledger answered with the organisation.
    pub ok: bool,
    /// The organisation that was asked.
    pub organisation: OrganisationView,
    /// From the question to the answer, in milliseconds.
    pub latency_ms: u64,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<TestProblem>,
}

impl Engine {
    /// Reads the organisation from the ledger now, and keeps what was read. That the ledger refuses is a result, not an error.
    ///
    /// # Errors
    /// 403 when the plan does not include the ledger (R146), 409 without a connected organisation.
    pub async fn test_connection(&self, ctx: &Ctx, workspace: &Workspace, actor: Actor, ledger: Ledger) -> Outcome<TestView> {
        let (connection, organisation) = self.usable_connection(workspace, ledger).await?;
        let began = ctx.now();
        let read = self.read_facts(ctx, workspace.id, &connection.value, &organisation).await;
        let latency_ms = u64::try_from(began.duration_until(ctx.now()).as_millis()).unwrap_or_default();
        let view = match read {
            Ok(_) => TestView { ok: true, organisation: OrganisationView::from(&organisation), latency_ms, problem: None },
            Err(problem) if problem.kind == ProblemKind::Internal => return Err(problem),
            Err(problem) => {
                let problem = TestProblem { code: problem.code.into_owned(), detail: problem.detail.into_owned(), fix: problem.fix };
                TestView { ok: false, organisation: OrganisationView::from(&organisation), latency_ms, problem: Some(problem) }
            }
        };
        let outcome = view.problem.as_ref().map_or("it answers", |problem| problem.code.as_str());
        let text = format!("Tested the connection to {}: {outcome}.", organisation.name);
        self.audit(ctx, workspace.id, actor, "connection_tested", Some(ledger), text).await?;
        Ok(view)
    }

    /// The connection, whatever its state.
    ///
    /// # Errors
    /// 409 when the ledger was never connected.
    pub(super) async fn known_connection(&self, workspace: WorkspaceId, ledger: Ledger) -> Outcome<Versioned<Connection>> {
        self.store.connection(workspace, ledger).await?.ok_or_else(|| not_connected(ledger))
    }

    /// The connection and its organisation, when calls may be made: the plan includes the ledger and an organisation is chosen.
    ///
    /// # Errors
    /// 403 `plan_required`; 409 otherwise.
    pub(crate) async fn usable_connection(&self, workspace: &Workspace, ledger: Ledger) -> Outcome<(Versioned<Connection>, Organisation)> {
        crate::sync::check_plan(workspace, ledger)?;
        let connection = self.known_connection(workspace.id, ledger).await?;
        let organisation = match connection.value.status {
            ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired => connection.value.organisation.clone(),
            ConnectionStatus::ChooseOrganisation => return Err(choose_first(ledger)),
            ConnectionStatus::Disconnected => None,
        };
        organisation.map(|organisation| (connection, organisation)).ok_or_else(|| not_connected(ledger))
    }

    /// Stored facts while they are fresh, else read from the ledger.
    pub(super) async fn fresh_facts(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        connection: &Connection,
        organisation: &Organisation,
    ) -> Outcome<Facts> {
        let stored = self.store.facts(workspace, connection.ledger, connection.generation).await?;
        match stored {
            Some(facts) if facts.is_fresh(ctx.now()) => Ok(facts),
            Some(_) | None => self.read_facts(ctx, workspace, connection, organisation).await,
        }
    }

    /// Reads facts with the connection's own token and stores them.
    async fn read_facts(&self, ctx: &Ctx, workspace: WorkspaceId, connection: &Connection, organisation: &Organisation) -> Outcome<Facts> {
        let (api, _) = self.connectable(connection.ledger)?;
        if connection.status == ConnectionStatus::ReconnectRequired {
            return Err(AccessProblem::Dead.problem(connection.ledger));
        }
        let token = self.access_token(ctx, workspace, connection, None).await.map_err(|problem| problem.problem(connection.ledger))?;
        let facts = match self.ask(ctx, api, &organisation.id, token.secret()).await? {
            Ok(facts) => facts,
            Err(failure) if matches!(failure.disposition, coportal_core::failure::Disposition::Reauthorize) => {
                // The token may have been taken back before its time: one renewal tells.
                let renewed = self.renew_token(ctx, workspace, connection, Some(&token)).await;
                let renewed = renewed.map_err(|problem| problem.problem(connection.ledger))?;
                self.ask(ctx, api, &organisation.id, renewed.secret()).await?.map_err(|failure| failure.problem())?
            }
            Err(failure) => return Err(failure.problem()),
        };
        self.store.put_facts(ctx, workspace, connection.ledger, connection.generation, &facts).await?;
        Ok(facts)
    }

    /// Facts from the ledger, within the time of one call. A limit that allows none now is the failure that the vendor's refusal would be,
    /// and no call is made.
    pub(super) async fn ask(&self, ctx: &Ctx, api: &LedgerApi, organisation: &str, token: &Secret) -> Outcome<Result<Facts, Failure>> {
        let permits = self.permits(ctx, api, organisation, RunId::new(ctx.uuid()));
        if let Err(no) = permits.reserve(api.profile.facts_calls, api.profile.facts_in_flight).await? {
            return Ok(Err(coportal_ledgers::withheld(no)));
        }
        let meter = permits.meter();
        let timeout = Duration::try_from(api.rules.call_timeout).unwrap_or(Duration::from_secs(12));
        let access = Access { organisation, token, meter: &meter, timeout, now: ctx.now() };
        let facts = api.facts.facts(access).await.map(|answered| answered.value);
        permits.close().await;
        Ok(facts)
    }
}

pub(super) fn not_connected(ledger: Ledger) -> Problem {
    let label = ledger.label();
    Problem::new(ProblemKind::Conflict, "not_connected", format!("{label} is not connected.")).fix(
        format!("Connect {label} first."),
        "Settings -> Integrations",
        false,
    )
}

fn choose_first(ledger: Ledger) -> Problem {
    let label = ledger.label();
    Problem::new(ProblemKind::Conflict, "choose_organisation", format!("{label} gave access to several organisations, and none is chosen."))
        .fix("Choose the organisation first.", "Settings -> Integrations", false)
}
