//! Approving every draft that CoPortal has in a ledger: what it would do, and how far it is (C7).

use axum::extract::State;
use axum::response::Response;
use coportal_core::backfill::{BackfillState, Progress, Purpose};
use coportal_core::id::BackfillId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Problem;
use coportal_engine::jobs::BackfillView;
use coportal_lambda::authn::{Admin, AdminForm, Invocation};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::Refusal;
use coportal_pages::components::{Look, Tone, count, empty, facts, fix, heading, instant, notice, press, progress};
use coportal_pages::layout::{self as frame, Section};
use http::StatusCode;
use maud::{Markup, html};

use crate::cards::action;
use crate::forms::{Press, ledger, see_other};
use crate::{AppState, amounts, layout};

/// `GET /settings/integrations/{ledger}/drafts`: the what-if. Nothing is asked of the ledger.
pub(crate) async fn forecast(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    admin: Result<Admin, Refusal>,
) -> Response {
    let run = async {
        let (Admin(principal), ledger) = (admin?, ledger(path)?);
        let found = state.engine.forecast_approving(&ctx, principal.workspace.id, ledger).await?;
        let viewer = layout::viewer(&principal);
        let label = ledger.label();
        let main = html! {
            (heading("Approve drafts", &format!("What approving every draft that CoPortal made in {label} would do. Nothing happens before you confirm.")))
            @if found.invoices == 0 {
                (empty("There are no drafts to approve", &html! {
                    p { "Invoices that are synced as drafts will be listed here." }
                    p { a.button href="/settings/integrations" { "Back to Integrations" } }
                }))
            } @else {
                section.card {
                    p { (count(u64::from(found.invoices), "draft becomes an approved invoice", "drafts become approved invoices")) " in " (label) ". This cannot be taken back from here." }
                    (facts(&found.totals.iter().map(|total| ("Total", html! { (amounts::money(*total)) })).collect::<Vec<_>>()))
                    div.row {
                        (press(viewer, &action(ledger, "drafts"), &format!("Approve {}", count(u64::from(found.invoices), "draft", "drafts")), Look::Primary))
                        a.button href={ "/settings/integrations#" (ledger.slug()) } { "Not now" }
                    }
                }
            }
        };
        Ok(frame::answer(StatusCode::OK, frame::page("Approve drafts", Section::Integrations, viewer, &main), &[]))
    };
    layout::paged(run.await, Section::Integrations)
}

/// `POST /settings/integrations/{ledger}/drafts`: begins.
pub(crate) async fn approve(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, ledger) = (form?, ledger(path)?);
        let id = state.engine.begin_approving(&ctx, principal.workspace.id, ledger, principal.actor()).await?;
        Ok(see_other(&action(ledger, &format!("drafts/{id}")))?)
    };
    layout::paged(run.await, Section::Integrations)
}

/// `GET /settings/integrations/{ledger}/drafts/{id}`: how far it is.
pub(crate) async fn under_way(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<(Ledger, BackfillId)>, Refusal>,
    admin: Result<Admin, Refusal>,
) -> Response {
    let run = async {
        let (Admin(principal), PathIds((ledger, id))) = (admin?, path?);
        let view = state.engine.backfill(&ctx, principal.workspace.id, ledger, id).await?;
        if !matches!(view.purpose, Purpose::ApproveDrafts) {
            return Err(Problem::not_found("record").into());
        }
        let running = view.state == BackfillState::Running;
        let main = html! {
            (heading("Approve drafts", &format!("Drafts that CoPortal made in {}.", ledger.label())))
            section.card data-poll=[running.then(|| format!("/v1/integrations/{ledger}/backfills/{id}"))] data-while="running" {
                (told(&view))
                p { a.button href="/settings/integrations" { "Back to Integrations" } }
            }
        };
        let refresh = running.then_some(3);
        let page = frame::page_in_progress("Approve drafts", Section::Integrations, layout::viewer(&principal), refresh, &main);
        Ok(frame::answer(StatusCode::OK, page, &[]))
    };
    layout::paged(run.await, Section::Integrations)
}

fn told(view: &BackfillView) -> Markup {
    let Progress { total, synced, unchanged, held, failed, skipped, waiting, .. } = view.progress;
    let ended = synced.saturating_add(unchanged).saturating_add(held).saturating_add(failed).saturating_add(skipped);
    let entries =
        [("Approved", synced), ("Approved before", unchanged), ("Need an answer", held), ("Refused", failed), ("Waiting", waiting)];
    let shown: Vec<(&str, Markup)> = entries.into_iter().map(|(name, number)| (name, html! { (number) })).collect();
    html! {
        @match view.state {
            BackfillState::Running => {
                p { "Under way. You can leave this page; it goes on by itself." @if let Some(eta) = view.eta { " Expected to be over by " (instant(eta)) "." } }
                (progress("Drafts approved", u64::from(ended), u64::from(total)))
            }
            BackfillState::Done if total == 0 => (notice(Tone::Neutral, "There was nothing to approve", &html! { p { "No draft of CoPortal's is there any more." } })),
            BackfillState::Done => (notice(if held == 0 && failed == 0 { Tone::Good } else { Tone::Attention }, "Every draft has been looked at", &html! {
                p { @if held == 0 && failed == 0 { "All of them are approved." } @else { "Some of them need a person: their invoices say what to do." } }
            })),
            BackfillState::Cancelled => (notice(Tone::Attention, "It was ended before it was over", &html! { p { "Drafts that were not reached stay drafts." } })),
            BackfillState::Stopped => (notice(Tone::Stopped, "It could not go on", &html! {
                @if let Some(problem) = &view.problem { p { (problem.detail) } (fix(&problem.fix)) }
            })),
        }
        (facts(&shown))
    }
}
