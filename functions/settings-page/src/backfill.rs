//! Backfill: older invoices of one ledger in one go. First what it would take, then the start, then how far it is.

use axum::extract::{Query, State};
use axum::response::Response;
use coportal_core::backfill::{Backfill, BackfillState, Progress, Purpose, Selection, Stage};
use coportal_core::connection::Connection;
use coportal_core::ctx::Ctx;
use coportal_core::id::BackfillId;
use coportal_core::invoice::InvoiceStatus;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::sync::row::WaitingFor;
use coportal_engine::jobs::{BackfillPlan, BackfillRequest, BackfillView, Statuses};
use coportal_lambda::authn::{Admin, AdminForm, Invocation, Principal};
use coportal_lambda::extract::PathIds;
use coportal_lambda::idempotency::{IdempotencyKey, Reply, Request, once};
use coportal_lambda::problem::Refusal;
use coportal_lambda::telemetry::Note;
use coportal_pages::components::{
    Choice, Issues, Look, Tone, button, count, empty, facts, fix, form, heading, instant, notice, pill, press, problem_notice, progress,
    select, table, text_field,
};
use coportal_pages::layout::{self, Section, Viewer};
use http::StatusCode;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::AppState;
use crate::amounts;
use crate::answers::{see_other, shown, viewer};
use crate::connected::{chosen, connected, none_connected, organisation, tabs};

/// Backfills that the page lists.
const RECENT: i32 = 10;
/// How often the progress is looked at anew while it is under way.
const EVERY: u8 = 5;
const BACK: (&str, &str) = ("/settings/backfill", "Back to Backfill");

/// Which invoices, as the form's fields say it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
struct Fields {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    status: String,
}

impl Fields {
    fn request(&self) -> Outcome<BackfillRequest> {
        let mut issues = Vec::new();
        let mut day = |name: &'static str, text: &str| match text.trim() {
            "" => None,
            text => text.parse().map_err(|_| issues.push(Issue::new(format!("/{name}"), "not_a_day", "Write a day like 2026-03-31."))).ok(),
        };
        let (from, to) = (day("from", &self.from), day("to", &self.to));
        let status = match self.status.as_str() {
            "" => None,
            "sent" => Some(Statuses::One(InvoiceStatus::Sent)),
            "paid" => Some(Statuses::One(InvoiceStatus::Paid)),
            "draft" => Some(Statuses::One(InvoiceStatus::Draft)),
            _ => {
                issues.push(Issue::new("/status", "unknown", "Choose one of the states of the list."));
                None
            }
        };
        if issues.is_empty() { Ok(BackfillRequest { from, to, status }) } else { Err(Problem::invalid(issues)) }
    }
}

/// The ledger, and the fields once they were filled in.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct BackfillQuery {
    #[serde(default)]
    ledger: Option<String>,
    /// Whether what it takes is asked for.
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    status: String,
}

/// What the form came to.
enum Planned {
    Not,
    Ready(BackfillPlan),
    Refused(Problem),
}

pub(crate) async fn backfill(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    admin: Result<Admin, Refusal>,
    query: Result<Query<BackfillQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let show = async {
        let Admin(principal) = admin?;
        let ws = principal.workspace.id;
        let connections = connected(&state, &ctx, ws).await?;
        let recent = state.shell.store().recent_backfills(&ctx, ws, RECENT).await.map_err(Problem::from)?;
        let fields = Fields { from: query.from.clone(), to: query.to.clone(), status: query.status.clone() };
        let about = chosen(&connections, query.ledger.as_deref());
        let planned = match about {
            Some(connection) if query.plan.is_some() => plan(&state, &ctx, &principal, connection.ledger, &fields).await,
            Some(_) | None => Ok(Planned::Not),
        }?;
        let status = if matches!(planned, Planned::Refused(_)) { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let main = html! {
            (heading("Backfill", "Send older invoices to a ledger in one go. What is there already is not sent again."))
            @match about {
                None => { (none_connected()) }
                Some(connection) => {
                    (tabs(Section::Backfill, &connections, connection.ledger))
                    (ask(connection, &fields, &planned))
                    (forecast(&ctx, connection, &fields, &planned, viewer(&principal)))
                }
            }
            @if !recent.is_empty() { h2 { "Recent backfills" } (list(&recent)) }
        };
        Ok(layout::answer(status, layout::page("Backfill", Section::Backfill, viewer(&principal), &main), &[]))
    };
    shown(show.await, ("/settings/integrations", "Back to Integrations"))
}

/// A refusal that the person can mend is shown beside the form; any other in its place.
async fn plan(state: &AppState, ctx: &Ctx, principal: &Principal, ledger: Ledger, fields: &Fields) -> Outcome<Planned> {
    let asked = match fields.request() {
        Ok(request) => state.engine.plan_backfill(ctx, principal.workspace.id, ledger, &request).await,
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(plan) => Ok(Planned::Ready(plan)),
        Err(problem) if matches!(problem.kind, ProblemKind::Invalid | ProblemKind::Unavailable) => Ok(Planned::Refused(problem)),
        Err(problem) => Err(problem),
    }
}

fn ask(connection: &Connection, fields: &Fields, planned: &Planned) -> Markup {
    let refused = match planned {
        Planned::Refused(problem) => Some(problem),
        Planned::Not | Planned::Ready(_) => None,
    };
    let issues = Issues(refused.map(|problem| problem.issues.as_slice()).unwrap_or_default());
    let connected = connection.connected_at.map(|at| at.to_zoned(TimeZone::UTC).date().to_string()).unwrap_or_default();
    let from = if fields.from.is_empty() { connected.as_str() } else { fields.from.as_str() };
    let mut states = vec![
        Choice { value: "", label: "Sent and paid" },
        Choice { value: "sent", label: "Sent" },
        Choice { value: "paid", label: "Paid" },
    ];
    if connection.options.also_draft_source && connection.options.sync_as_draft {
        states.push(Choice { value: "draft", label: "Draft" });
    }
    html! {
        @if let Some(problem) = refused { (problem_notice(problem, &["from", "to", "status"])) }
        // It changes nothing, so it is a question in the address.
        form.fields method="get" action="/settings/backfill" {
            input type="hidden" name="ledger" value=(connection.ledger);
            input type="hidden" name="plan" value="yes";
            (text_field("from", "Issued on or after", "date", from, false, issues))
            (text_field("to", "Issued on or before", "date", &fields.to, false, issues))
            (select("status", "State", "", &states, &fields.status, issues))
            (button("See what it takes", if matches!(planned, Planned::Ready(_)) { Look::Plain } else { Look::Primary }))
        }
        p.quiet { "It goes to " (organisation(connection)) ". Without a first day it begins on the day the ledger was connected, so that closed years stay closed." }
    }
}

fn forecast(ctx: &Ctx, connection: &Connection, fields: &Fields, planned: &Planned, viewer: Viewer<'_>) -> Markup {
    let Planned::Ready(plan) = planned else { return html! {} };
    let label = connection.ledger.label();
    let estimate = &plan.estimate;
    if estimate.invoices == 0 {
        return empty("No invoice fits", &html! { p { "There is no invoice of these days in this state. Choose other days above." } });
    }
    let to_send = estimate.invoices.saturating_sub(plan.up_to_date);
    let share = (estimate.day_budget_share * Decimal::ONE_HUNDRED).round_dp(1);
    html! {
        section.card aria-labelledby="plan-name" {
            header { h2 #plan-name { "What it takes" } }
            (facts(&[
                ("Invoices chosen", html! { (estimate.invoices) }),
                ("There already", html! { (plan.up_to_date) span.quiet { " in " (label) ", and not sent again" } }),
                ("To be sent", html! { (to_send) }),
                ("Contacts to make or find", html! { (plan.new_contacts) }),
                ("Clients with an open question", html! {
                    (plan.contact_questions)
                    @if plan.contact_questions > 0 { " · " a href="/settings/attention" { "Answer it first" } }
                }),
                ("Calls expected", html! { (estimate.vendor_calls) span.quiet { " (at least " (estimate.lower_bound) ")" } }),
                ("Share of a day's calls", html! { (amounts::plain(share)) " %" @if share > Decimal::ONE_HUNDRED { ": it goes on over several days by itself" } }),
                ("Time expected", html! { (duration(estimate.seconds)) }),
            ]))
            @if to_send == 0 {
                p { "There is nothing to send: every one of them is there." }
            } @else {
                (form(viewer, &format!("/settings/backfill/{}", connection.ledger), &html! {
                    input type="hidden" name="from" value=(fields.from);
                    input type="hidden" name="to" value=(fields.to);
                    input type="hidden" name="status" value=(fields.status);
                    // The same page sent twice begins one backfill.
                    input type="hidden" name="key" value=(ctx.uuid());
                    (button(&format!("Send {}", count(u64::from(to_send), "invoice", "invoices")), Look::Primary))
                }))
                p.quiet { "It goes on when you close the page, and can be ended at any time. What a ledger asks or refuses is listed under Attention." }
            }
        }
    }
}

/// `about 3 minutes`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..=89 => "about a minute".to_owned(),
        90..=5_399 => format!("about {} minutes", seconds.div_ceil(60)),
        5_400..=172_799 => format!("about {} hours", seconds.div_ceil(3_600)),
        _ => format!("about {} days", seconds.div_ceil(86_400)),
    }
}

fn what(purpose: &Purpose) -> Markup {
    html! {
        @match purpose {
            Purpose::Backfill { selection } => { (chosen_in_words(selection)) }
            Purpose::ApproveDrafts => { "All drafts, to be approved" }
        }
    }
}

fn chosen_in_words(selection: &Selection) -> String {
    let Selection { from, to, statuses } = selection;
    let states: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    let until = to.map(|to| format!(" to {to}")).unwrap_or_default();
    format!("Invoices from {from}{until}, {}", states.join(" and "))
}

fn state_word(state: BackfillState) -> (Tone, &'static str) {
    match state {
        BackfillState::Running => (Tone::Neutral, "Under way"),
        BackfillState::Done => (Tone::Good, "Done"),
        BackfillState::Cancelled => (Tone::Neutral, "Ended"),
        BackfillState::Stopped => (Tone::Stopped, "Stopped"),
    }
}

fn list(recent: &[(BackfillId, Backfill)]) -> Markup {
    let rows: Vec<Markup> = recent
        .iter()
        .map(|(id, job)| {
            let (tone, word) = state_word(job.state);
            html! {
                tr {
                    th scope="row" { a href=(format!("/settings/backfill/{}/{id}", job.ledger)) { (what(&job.purpose)) } }
                    td { (job.ledger.label()) }
                    td { (pill(tone, word)) }
                    td.date { (instant(job.begun_at)) }
                }
            }
        })
        .collect();
    table("backfills", "Recent backfills, newest first", &["What", "Ledger", "State", "Begun"], &rows)
}

/// What begins a backfill. No field of it is trusted: the plan that was shown is worked out anew by the job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    #[serde(flatten)]
    fields: Fields,
    key: String,
}

/// Begins a backfill.
pub(crate) async fn begin(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Begin>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, form }, PathIds(ledger)) = (form?, path?);
        note.ledger(ledger);
        let request = form.fields.request()?;
        let key = IdempotencyKey(form.key.parse::<uuid::Uuid>().ok().map(|key| key.to_string()));
        if key.0.is_none() {
            return Err(Problem::invalid(vec![Issue::new("/key", "form", "This form is not of this page. Open the page again.")]).into());
        }
        let route = format!("POST /settings/backfill/{ledger}");
        let bytes = serde_json::to_vec(&form.fields).map_err(Problem::internal_error)?;
        once(state.shell.store(), &ctx, Request::of(&principal, &route, &key, &bytes), async {
            let id = state.engine.begin_backfill(&ctx, principal.workspace.id, ledger, &request, principal.actor()).await?;
            Ok(Reply::new(StatusCode::SEE_OTHER, Some(format!("/settings/backfill/{ledger}/{id}")), &id)?)
        })
        .await
    };
    shown(run.await, BACK)
}

/// How far a backfill, or an approval of all drafts, is.
pub(crate) async fn under_way(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    admin: Result<Admin, Refusal>,
    path: Result<PathIds<(Ledger, BackfillId)>, Refusal>,
) -> Response {
    let show = async {
        let (Admin(principal), PathIds((ledger, id))) = (admin?, path?);
        let view = state.engine.backfill(&ctx, principal.workspace.id, ledger, id).await?;
        let title = format!("Backfill of {}", ledger.label());
        let viewer = viewer(&principal);
        let refresh = (view.state == BackfillState::Running).then_some(EVERY);
        let page = layout::page_in_progress(&title, Section::Backfill, viewer, refresh, &progress_of(ledger, &view, ctx.now(), viewer));
        Ok(layout::answer(StatusCode::OK, page, &[]))
    };
    shown(show.await, BACK)
}

fn progress_of(ledger: Ledger, view: &BackfillView, now: Timestamp, viewer: Viewer<'_>) -> Markup {
    let label = ledger.label();
    let (tone, word) = state_word(view.state);
    let Progress { total, synced, unchanged, held, failed, skipped, waiting, pending, vendor_calls } = view.progress;
    let ended = total.saturating_sub(waiting).saturating_sub(pending);
    let running = view.state == BackfillState::Running;
    let number = |number: u32| html! { (number) };
    let listing = running && view.stage == Stage::Listing;
    html! {
        p.crumb { a href="/settings/backfill" { "Backfill" } }
        header.page-head { h1 { @match view.purpose { Purpose::Backfill { .. } => { "Backfill of " (label) } Purpose::ApproveDrafts => { "Approving drafts in " (label) } } } (pill(tone, word)) }
        p.lead { (what(&view.purpose)) "." }
        div #progress data-reload=[running.then_some(EVERY)] {
            (progress("Invoices that have come to an end", u64::from(ended), if listing { 0 } else { u64::from(total) }))
            p {
                @if listing { "The invoices are being listed: " (count(u64::from(total), "invoice", "invoices")) " so far." }
                @else if running && view.stage == Stage::Contacts { "The contacts of the clients are being found or made." }
                @else { strong { (ended) " of " (total) } " have come to an end." }
                @if let (true, Some(eta)) = (running, view.eta) { " " (expected(now, eta)) }
            }
            @if view.cancelling { p { "It is being ended: what was begun is settled first." } }
            @if let (true, Some(reason)) = (running, view.waiting_for) { (waits(label, reason, view.due_at)) }
            @if let Some(problem) = &view.problem { (notice(Tone::Stopped, &problem.detail, &html! { (fix(&problem.fix)) })) }
            (facts(&[
                ("Synced", number(synced)),
                ("There already", number(unchanged)),
                ("Need an answer", html! { (held) @if held > 0 { " · " a href="/settings/attention" { "Answer them" } } }),
                ("Not accepted", html! { (failed) @if failed > 0 { " · " a href="/settings/attention" { "See why" } } }),
                ("Left out", number(skipped)),
                ("Waiting", number(waiting)),
                ("Not begun", number(pending)),
                ("Calls to the ledger", number(vendor_calls)),
                ("Begun", instant(view.begun_at)),
                ("Ended", html! { @if let Some(at) = view.ended_at { (instant(at)) } @else { "not yet" } }),
            ]))
        }
        @if running && !view.cancelling {
            (press(viewer, &format!("/settings/backfill/{ledger}/{}/cancel", view.id), "End it here", Look::Danger))
            p.quiet { "What is in the ledger stays there. You can close this page; it goes on by itself." }
        } @else if !running {
            p { a href="/settings/backfill" { "Begin another one" } }
        }
    }
}

fn expected(now: Timestamp, eta: Timestamp) -> Markup {
    let left = now.duration_until(eta).max(SignedDuration::ZERO);
    let seconds = u64::try_from(left.as_secs()).unwrap_or_default();
    html! { "It is expected to be done in " (duration(seconds)) ", at " (instant(eta)) "." }
}

fn waits(label: &str, reason: WaitingFor, until: Option<Timestamp>) -> Markup {
    let why = match reason {
        WaitingFor::Limit => format!("{label} takes no more calls for the moment."),
        WaitingFor::DayBudget => format!("Today's calls to {label} are used up."),
        WaitingFor::Ledger => format!("{label} is not answering properly."),
        WaitingFor::Reconnect => format!("{label} signed us out: reconnect it in Settings, Integrations."),
        WaitingFor::Plan => format!("The workspace's plan does not include {label}."),
        WaitingFor::Outcome | WaitingFor::OtherRun | WaitingFor::Retry => "It waits for its next step.".to_owned(),
    };
    notice(Tone::Attention, &why, &html! { @if let Some(until) = until { p { "It goes on by itself at " (instant(until)) "." } } })
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {}

/// Ends a backfill: what it has done stays.
pub(crate) async fn cancel(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Result<PathIds<(Ledger, BackfillId)>, Refusal>,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, PathIds((ledger, id))) = (form?, path?);
        note.ledger(ledger);
        state.engine.cancel_backfill(&ctx, principal.workspace.id, ledger, id, principal.actor()).await?;
        Ok(see_other(&format!("/settings/backfill/{ledger}/{id}"))?)
    };
    shown(run.await, BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_roughly() {
        for (seconds, words) in [
            (0, "about a minute"),
            (90, "about 2 minutes"),
            (5_399, "about 90 minutes"),
            (5_400, "about 2 hours"),
            (172_800, "about 2 days"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }

    #[test]
    fn a_malformed_day_is_told_beside_its_field() {
        let fields = Fields { from: "yesterday".to_owned(), to: String::new(), status: "void".to_owned() };
        let problem = fields.request().unwrap_err();
        let pointers: Vec<&str> = problem.issues.iter().map(|issue| issue.pointer.as_ref()).collect();
        assert_eq!(pointers, ["/from", "/status"]);
    }
}
