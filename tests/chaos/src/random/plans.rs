//! Plans go down and up: what a plan does not include waits, calls nothing, and goes on when it is included again (R146).

use anyhow::{Context as _, Result, anyhow};
use coportal_core::ledger::Ledger;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Plan;
use coportal_engine::connect::WorkspaceRequest;

use super::grants::Consent;
use super::universe::Universe;

/// A consent while its workspace's plan does not include the ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Barred {
    space: usize,
    ledger: Ledger,
    consent: Consent,
    /// The newest process when the plan went down.
    since: u64,
    /// The newest process when it went up again.
    until: Option<u64>,
}

impl Universe {
    /// A workspace changes its plan.
    pub(super) async fn plan(&mut self, space: usize, plan: Plan) -> Result<()> {
        let (was, user) = self.space(space).map(|at| (at.workspace.clone(), at.user.clone()))?;
        if was.plan == plan {
            return Ok(());
        }
        let request = WorkspaceRequest {
            name: was.name,
            plan,
            currency: was.currency,
            country: was.country,
            tax_rounding: was.tax_rounding,
            default_tax_rate: was.default_tax_rate,
        };
        self.quiet.put_workspace(&self.ctx(), Actor::User(user), was.id, request).await.map_err(|problem| anyhow!("{problem:?}"))?;
        self.spaces.get_mut(space).context("a workspace")?.workspace.plan = plan;
        let newest = self.lines;
        for barred in self.barred.iter_mut().filter(|barred| barred.space == space && barred.until.is_none()) {
            barred.until = Some(newest);
        }
        let lacking = self.links.iter().filter(|link| link.space == space && plan < link.ledger.plan_required());
        let barred =
            lacking.filter_map(|link| Some(Barred { space, ledger: link.ledger, consent: link.consent?, since: newest, until: None }));
        self.barred.extend(barred);
        Ok(())
    }

    /// Every workspace has every ledger again.
    pub(super) async fn whole_plans(&mut self) -> Result<()> {
        for space in 0..self.spaces.len() {
            self.plan(space, Plan::Enterprise).await?;
        }
        Ok(())
    }

    /// Whether the plan of a connection's workspace includes its ledger.
    pub(super) fn is_included(&self, link: usize) -> Result<bool> {
        let link = self.link(link)?;
        Ok(!self.barred.iter().any(|barred| barred.space == link.space && barred.ledger == link.ledger && barred.until.is_none()))
    }

    /// R146: no process that began while the plan did not include a ledger called it, but to give its grant back.
    pub(super) fn beyond_the_plan(&self) -> Vec<String> {
        self.with_called(|called| {
            let mut wrong = Vec::new();
            for Barred { ledger, consent, since, until, .. } in &self.barred {
                let between = |line: u64| line > *since && until.is_none_or(|until| line <= until) && !self.leaving.contains(&line);
                let late = called.iter().filter(|call| call.ledger == *ledger && call.consent == Some(*consent) && between(call.line));
                wrong.extend(late.take(1).map(|call| format!("R146: {ledger} was called while the plan did not include it: {call:?}")));
            }
            wrong
        })
    }
}
