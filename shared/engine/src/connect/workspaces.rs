//! Workspaces and members, as CoPortal's own backend states them.

use coportal_aws::records::workspaces::Put;
use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use coportal_core::money::{Currency, Rate};
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::timeline::Actor;
use coportal_core::workspace::{Member, Plan, Role, TaxRounding, Workspace};
use serde::Deserialize;

use crate::Engine;
use crate::sync::check_plan;

/// A workspace, as stated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WorkspaceRequest {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 200, pattern = "[^\\s\\x00-\\x1f\\x7f-\\x9f]"))]
    pub name: String,
    /// What it pays for.
    pub plan: Plan,
    /// The currency of new invoices.
    pub currency: Currency,
    /// ISO 3166-1 alpha-2.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Z]{2}$", example = "GB"))]
    pub country: String,
    /// Where tax is rounded; per line when absent.
    #[serde(default)]
    pub tax_rounding: TaxRounding,
    /// The rate of lines sent without one; when absent, 15% in South Africa (C11) and none elsewhere.
    #[serde(default)]
    pub default_tax_rate: Option<Rate>,
}

impl WorkspaceRequest {
    fn workspace(self, id: WorkspaceId) -> Outcome<Workspace> {
        let name = coportal_core::text::tidy(&self.name);
        let mut issues = Vec::new();
        if name.is_empty() || name.chars().count() > 200 {
            issues.push(Issue::new("/name", "length", "A name has 1 to 200 characters."));
        }
        if self.country.len() != 2 || !self.country.bytes().all(|b| b.is_ascii_uppercase()) {
            issues.push(Issue::new("/country", "country", "The country is its ISO 3166-1 code of two letters, such as GB."));
        }
        if !issues.is_empty() {
            return Err(Problem::invalid(issues));
        }
        let south_africa = || if self.country == "ZA" { Rate::try_from(rust_decimal::Decimal::from(15)).ok() } else { None };
        let default_tax_rate = self.default_tax_rate.or_else(south_africa);
        Ok(Workspace {
            id,
            name,
            plan: self.plan,
            currency: self.currency,
            country: self.country,
            tax_rounding: self.tax_rounding,
            default_tax_rate,
        })
    }
}

/// A member, as stated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    /// What they may do.
    pub role: Role,
    /// Teams that limit what they see.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Whether the membership counts; a removed member stays on record.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// Whether a record was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stated {
    /// It was not.
    Created,
    /// It was.
    Changed,
}

/// Most teams of one member, and longest name of one.
const TEAMS_MAX: usize = 100;
const TEAM_NAME_MAX: usize = 100;

impl Engine {
    /// States a workspace. A lower plan stops syncing at the next call and keeps connections, links and choices (R146).
    ///
    /// # Errors
    /// 422 when a field cannot be accepted.
    pub async fn put_workspace(&self, ctx: &Ctx, actor: Actor, id: WorkspaceId, request: WorkspaceRequest) -> Outcome<(Stated, Workspace)> {
        let workspace = request.workspace(id)?;
        let stated = stated(self.store.put_workspace(ctx, &workspace).await?)?;
        let text = format!("Plan {}, currency {}, country {}.", workspace.plan.label(), workspace.currency, workspace.country);
        self.audit(ctx, id, actor, "workspace_stated", None, text).await?;
        // What waited for the plan goes on by itself; what time does not allow here, the keeper repeats.
        for ledger in coportal_core::ledger::Ledger::ALL {
            if let Err(problem) = self.resume_parked(ctx, id, ledger).await {
                tracing::warn!(?problem, "what waits for the plan is resumed later");
            }
        }
        if let Err(problem) = self.compare_again(ctx, &workspace).await {
            tracing::warn!(?problem, "books are compared again when somebody asks, or the workspace is stated anew");
        }
        Ok((stated, workspace))
    }

    /// A check of the books that a lower plan ended begins anew, where the plan includes the ledger again.
    async fn compare_again(&self, ctx: &Ctx, workspace: &Workspace) -> Outcome<()> {
        let connections = self.store.connections(ctx, workspace.id).await?;
        for connection in connections.into_iter().map(|connection| connection.value) {
            if check_plan(workspace, connection.ledger).is_ok() {
                self.keep_checking_drift(ctx, workspace.id, &connection).await?;
            }
        }
        Ok(())
    }

    /// States a member: role, teams, and whether the membership counts.
    ///
    /// # Errors
    /// 404 when the workspace is not there, 422 when a field cannot be accepted.
    pub async fn put_member(
        &self,
        ctx: &Ctx,
        actor: Actor,
        workspace: WorkspaceId,
        user: UserId,
        request: MemberRequest,
    ) -> Outcome<(Stated, Member)> {
        let MemberRequest { role, teams, active } = request;
        let unacceptable = |team: &String| team.trim().is_empty() || team.chars().count() > TEAM_NAME_MAX;
        if teams.len() > TEAMS_MAX || teams.iter().any(unacceptable) {
            let text = format!("A member has at most {TEAMS_MAX} teams, each with a name of 1 to {TEAM_NAME_MAX} characters.");
            return Err(Problem::invalid(vec![Issue::new("/teams", "teams", text)]));
        }
        let member = Member { user, role, teams, active };
        let stated = stated(self.store.put_member(ctx, workspace, &member).await?)?;
        let standing = if active { "active" } else { "removed" };
        let text = format!("{}: {role:?}, {standing}, teams: {}.", member.user, member.teams.len());
        self.audit(ctx, workspace, actor, "member_stated", None, text).await?;
        Ok((stated, member))
    }
}

fn stated(put: Put) -> Outcome<Stated> {
    match put {
        Put::Created => Ok(Stated::Created),
        Put::Changed => Ok(Stated::Changed),
        Put::NoWorkspace => Err(Problem::not_found("workspace")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated_as(text: &str) -> Outcome<Workspace> {
        let request: WorkspaceRequest = serde_json::from_str(text).unwrap();
        request.workspace(WorkspaceId::new(uuid::Uuid::from_u128(1)))
    }

    /// C11: a South African workspace has 15% unless it says otherwise.
    #[test]
    fn south_africa_has_its_standard_rate() {
        let za = stated_as(r#"{"name":" A  B ","plan":"studio","currency":"ZAR","country":"ZA"}"#).unwrap();
        assert_eq!((za.name.as_str(), za.default_tax_rate.unwrap().to_string().as_str()), ("A B", "15"));
        let own = stated_as(r#"{"name":"A","plan":"studio","currency":"ZAR","country":"ZA","default_tax_rate":"0"}"#).unwrap();
        assert_eq!(own.default_tax_rate, Some(Rate::ZERO));
        let gb = stated_as(r#"{"name":"A","plan":"solo","currency":"GBP","country":"GB","tax_rounding":"document"}"#).unwrap();
        assert_eq!((gb.default_tax_rate, gb.tax_rounding), (None, TaxRounding::Document));
    }

    #[test]
    fn what_cannot_be_accepted_is_named() {
        let problem = stated_as(r#"{"name":" ","plan":"studio","currency":"GBP","country":"gb"}"#).unwrap_err();
        let pointers: Vec<&str> = problem.issues.iter().map(|issue| issue.pointer.as_ref()).collect();
        assert_eq!(pointers, ["/name", "/country"]);
    }
}
