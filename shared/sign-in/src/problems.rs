//! What an admin is answered when something cannot be done.

use coportal_aws::records::sign_in::connections::Saved;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::workspace::{Plan, Workspace};

/// Where single sign-on is set up.
pub(crate) const SETTINGS_PAGE: &str = "Settings -> Integrations -> Single sign-on";

/// R8: single sign-on comes with the Enterprise plan.
pub(crate) fn on_plan(workspace: &Workspace) -> Outcome<()> {
    if workspace.plan >= Plan::Enterprise {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Forbidden,
        "plan_required",
        format!("Single sign-on needs the {} plan; this workspace has {}.", Plan::Enterprise.label(), workspace.plan.label()),
    )
    .fix(format!("Change to the {} plan.", Plan::Enterprise.label()), "Settings -> Plan", false))
}

/// Somebody else wrote at the same time, again and again.
pub(crate) fn changed_meanwhile() -> Problem {
    Problem::new(ProblemKind::Conflict, "changed_meanwhile", "Somebody else has just changed the sign-in settings of this workspace.").fix(
        "Read them again and repeat your change.",
        SETTINGS_PAGE,
        true,
    )
}

/// A conflict with what is there.
pub(crate) fn conflict(code: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>, fix: &'static str) -> Problem {
    Problem::new(ProblemKind::Conflict, code, detail).fix(fix, SETTINGS_PAGE, false)
}

/// One field of the request is wrong.
pub(crate) fn wrong(pointer: &'static str, code: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::invalid(vec![Issue::new(pointer, code, detail)])
}

/// A write that must have found what was read.
pub(crate) fn saved(saved: Saved) -> Outcome<()> {
    match saved {
        Saved::Done => Ok(()),
        Saved::Stale => Err(changed_meanwhile()),
    }
}
