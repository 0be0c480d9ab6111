//! Who did what to the integrations.

use coportal_aws::store::Page;
use coportal_core::ctx::Ctx;
use coportal_core::id::{EventId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::timeline::{Actor, AuditEvent};

use crate::Engine;

impl Engine {
    /// Writes a line of the audit list. The text holds names, ids and settings, never a secret.
    pub(crate) async fn audit(
        &self,
        ctx: &Ctx,
        workspace: WorkspaceId,
        actor: Actor,
        action: &str,
        ledger: Option<Ledger>,
        text: String,
    ) -> Outcome<()> {
        let event = AuditEvent { id: EventId::new(ctx.uuid()), at: ctx.now(), actor, action: action.to_owned(), ledger, text };
        Ok(self.store.put_audit(ctx, workspace, &event).await?)
    }

    /// A page of the audit list, newest first. `cursor` is the `next` of the page before.
    ///
    /// # Errors
    /// 422 when the cursor is none of this list.
    pub async fn audit_list(&self, ctx: &Ctx, workspace: WorkspaceId, limit: u32, cursor: Option<&str>) -> Outcome<Page<AuditEvent>> {
        if cursor.is_some_and(|cursor| !is_cursor(cursor)) {
            return Err(Problem::invalid(vec![Issue::new("", "cursor", "This cursor did not come from the audit list.")]));
        }
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        Ok(self.store.audit(ctx, workspace, limit, cursor).await?)
    }
}

/// `{instant}#{event id}`: the sort key of a line.
fn is_cursor(text: &str) -> bool {
    text.split_once('#').is_some_and(|(at, id)| at.parse::<jiff::Timestamp>().is_ok() && id.parse::<EventId>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_sort_key_and_nothing_else() {
        assert!(is_cursor("2026-03-01T09:00:00.000Z#evt_00000000000000000000000000000007"));
        for other in ["", "#", "2026-03-01T09:00:00.000Z", "x#evt_00000000000000000000000000000007", "AUDIT#ws_1"] {
            assert!(!is_cursor(other), "{other}");
        }
    }
}
