//! Activity: who connected, changed an option, resolved a question, disconnected; newest first.

use axum::extract::State;
use axum::response::Response;
use coportal_core::timeline::AuditEvent;
use coportal_lambda::authn::{Admin, Invocation};
use coportal_lambda::extract::{PageQuery, QueryOf, page_limit};
use coportal_lambda::problem::Refusal;
use coportal_pages::components::{empty, heading, instant, more, table};
use coportal_pages::layout::Section;
use maud::{Markup, html};

use crate::AppState;
use crate::answers::{page, shown, viewer};
use crate::names::Names;

pub(crate) async fn audit(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    admin: Result<Admin, Refusal>,
    query: Result<QueryOf<PageQuery>, Refusal>,
) -> Response {
    let show = async {
        let (Admin(principal), QueryOf(query)) = (admin?, query?);
        let limit = page_limit(query.limit)?;
        let listed = state.engine.audit_list(&ctx, principal.workspace.id, limit, query.cursor.as_deref()).await?;
        let names = Names::of(&state, &ctx, &principal, listed.items.iter().map(|event| &event.actor)).await?;
        let next = listed.next.as_ref().and_then(|next| serde_urlencoded::to_string([("cursor", next)]).ok());
        let main = html! {
            (heading("Activity", "Who changed what in this workspace's integrations and sign-in, newest first. Lines are kept for 400 days."))
            @if listed.items.is_empty() {
                (empty("Nothing has happened yet", &html! { p { "Connecting a ledger, changing an option or answering a question leaves a line here. " a href="/settings/integrations" { "Begin with Integrations" } "." } }))
            } @else {
                (list(&listed.items, &names))
                (more(next.map(|query| format!("/settings/audit?{query}")).as_deref(), "Older"))
            }
        };
        Ok(page("Activity", Section::Audit, viewer(&principal), &main))
    };
    shown(show.await, ("/settings/integrations", "Back to Integrations"))
}

fn list(events: &[AuditEvent], names: &Names) -> Markup {
    let rows: Vec<Markup> = events
        .iter()
        .map(|event| {
            html! {
                tr {
                    td.date { (instant(event.at)) }
                    td { (names.actor_and_id(&event.actor)) }
                    th scope="row" { (words(&event.action)) @if let Some(ledger) = event.ledger { small { (ledger.label()) } } }
                    td.text { (event.text) }
                }
            }
        })
        .collect();
    table("audit", "Activity, newest first", &["When", "Who", "What", "Particulars"], &rows)
}

/// `options_changed` as `Options changed`.
fn words(action: &str) -> String {
    let action = action.strip_prefix("sso_").map_or_else(|| action.to_owned(), |rest| format!("single sign-on: {rest}"));
    let text = action.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn an_action_is_told_in_words() {
        assert_eq!(words("options_changed"), "Options changed");
        assert_eq!(words("sso_domain_verified"), "Single sign-on: domain verified");
        assert_eq!(words(""), "");
    }
}
