//! `GET /settings/sso` (R105): first whose domain it is, then which provider, then a test, then how strict.

use axum::extract::{Query, State};
use axum::response::Response;
use coportal_core::ctx::Ctx;
use coportal_core::door::Enforcement;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::workspace::{Plan, Role};
use coportal_lambda::authn::{Admin, Invocation, Principal};
use coportal_lambda::problem::{Refusal, status};
use coportal_pages::components::{Look, Tone, count, fix, fold, heading, notice, press, problem_notice};
use coportal_pages::layout::{self, Section, Viewer};
use coportal_sign_in::{ApprovalView, ConnectionView, DomainView};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::connection::{self, new_connection};
use super::domain::{self, new_domain};
use super::frame::{shown, viewer};
use crate::AppState;
use crate::page::onward;

/// What a redirect tells the page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default)]
    did: Option<String>,
}

/// What the page shows.
pub(crate) struct Seen {
    pub(crate) domains: Vec<DomainView>,
    pub(crate) connections: Vec<ConnectionView>,
    approvals: Vec<ApprovalView>,
    codes_left: usize,
}

/// A form that came back, with what was wrong with it.
pub(crate) enum Refused {
    Domain(String, Problem),
    Connection(connection::Fields, Problem),
    Other(Problem),
}

impl Refused {
    fn problem(&self) -> &Problem {
        match self {
            Self::Domain(_, problem) | Self::Connection(_, problem) | Self::Other(problem) => problem,
        }
    }
}

pub(crate) async fn settings(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    admin: Result<Admin, Refusal>,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let show = async {
        let Admin(principal) = admin?;
        if principal.workspace.plan < Plan::Enterprise {
            return Ok(gate(&principal));
        }
        let seen = read(&state, &ctx, &principal).await?;
        let told = query.did.as_deref().and_then(told);
        Ok(render(&state, &principal, &seen, told.as_ref(), None))
    };
    shown(show.await)
}

async fn read(state: &AppState, ctx: &Ctx, principal: &Principal) -> Outcome<Seen> {
    let workspace = &principal.workspace;
    Ok(Seen {
        domains: state.sign_in.domains(ctx, workspace).await?,
        connections: state.sign_in.connections(ctx, workspace).await?,
        approvals: state.sign_in.approvals(ctx, workspace).await?,
        codes_left: state.sign_in.codes_left(workspace.id).await?,
    })
}

/// The page again, with what was wrong.
///
/// # Errors
/// When the table does not answer.
pub(crate) async fn again(state: &AppState, ctx: &Ctx, principal: &Principal, refused: &Refused) -> Outcome<Response> {
    let seen = read(state, ctx, principal).await?;
    Ok(render(state, principal, &seen, None, Some(refused)))
}

const TITLE: &str = "Single sign-on";
const LEAD: &str = "Let your team sign in through your organisation's identity provider: Google Workspace, Microsoft Entra ID, or any that speaks SAML 2.0.";

fn gate(principal: &Principal) -> Response {
    let main = html! {
        (heading(TITLE, LEAD))
        (notice(Tone::Neutral, "Single sign-on is part of the Enterprise plan", &html! {
            p { "This workspace is on " (principal.workspace.plan.label()) ". Upgrade under Settings, Plan; then set it up here." }
        }))
    };
    layout::answer(StatusCode::OK, layout::page(TITLE, Section::SignIn, viewer(principal), &main), &[])
}

/// What a redirect says. Only words of our own: anybody can write a link.
fn told(did: &str) -> Option<Markup> {
    let (tone, title, text) = match did {
        "asked" => (
            Tone::Neutral,
            "Set this record now",
            "Copy the TXT record below into your domain's DNS. Then press Check now; some providers take an hour or two to publish it.",
        ),
        "verified" => (Tone::Good, "The domain is proved", "Leave the record in place: CoPortal looks for it again from time to time."),
        "pending" => (
            Tone::Attention,
            "The record is not there yet",
            "DNS changes can take a while to be seen everywhere. Check that name and value are exactly as below, and try again later.",
        ),
        "released" => (Tone::Good, "The domain was given up", "Addresses of it sign in the ordinary way from now on."),
        "connected" => (Tone::Good, "The connection was made", "Nobody is let in by it yet. Try it with your own account next."),
        "removed" => (Tone::Good, "The connection was removed", "Whoever came by it is signed out."),
        "enforced" => (Tone::Good, "Saved", "How strict this workspace is stands on the connection below."),
        "metadata" => (Tone::Good, "Saved", "The connection uses what you decided."),
        "approved" => (Tone::Good, "The sign-in was approved", "The person can sign in now."),
        "rejected" => (Tone::Good, "The sign-in was turned down", "It lets nobody in."),
        _ => return None,
    };
    Some(notice(tone, title, &html! { p { (text) } }))
}

fn render(state: &AppState, principal: &Principal, seen: &Seen, told: Option<&Markup>, refused: Option<&Refused>) -> Response {
    let viewer = viewer(principal);
    let beside = ["domain", "provider", "metadata_url", "metadata_xml", "entity_id"];
    let (typed, domain_issues): (&str, &[Issue]) = match refused {
        Some(Refused::Domain(typed, problem)) => (typed, &problem.issues),
        Some(Refused::Connection(..) | Refused::Other(_)) | None => ("", &[]),
    };
    let blank = connection::Fields::default();
    let (fields, connection_issues): (&connection::Fields, &[Issue]) = match refused {
        Some(Refused::Connection(fields, problem)) => (fields, &problem.issues),
        Some(Refused::Domain(..) | Refused::Other(_)) | None => (&blank, &[]),
    };
    let proved = seen.domains.iter().any(|domain| domain.status == "verified");
    let owner = principal.require(Role::Owner).is_ok();
    let main = html! {
        (heading(TITLE, LEAD))
        @if let Some(told) = told { (told) }
        @if let Some(refused) = refused { (problem_notice(refused.problem(), &beside)) }
        (steps(seen, proved))
        h2 #domains { "1. Your domains" }
        p.quiet { "Whoever signs in with an address of a proved domain is sent to your identity provider. A domain is proved by a record that only its owner can set." }
        div.stack { @for domain in &seen.domains { (domain::card(domain, viewer)) } }
        (new_domain(viewer, typed, domain_issues, seen.domains.is_empty()))
        h2 #provider { "2. Your identity provider" }
        div.stack { @for connection in &seen.connections { (connection::card(connection, viewer, owner, seen.codes_left, proved)) } }
        (new_connection(viewer, fields, connection_issues, seen.connections.is_empty()))
        (approvals(&seen.approvals, viewer))
        h2 #break-glass { "Break-glass codes" }
        (break_glass(seen, viewer, owner))
    };
    let code = refused.map_or(StatusCode::OK, |refused| status(refused.problem().kind));
    layout::answer(code, layout::page(TITLE, Section::SignIn, viewer, &main), &onward(state))
}

/// How far the set-up is, in order.
fn steps(seen: &Seen, proved: bool) -> Markup {
    let tested = seen.connections.iter().any(|connection| matches!(connection.status, "tested" | "live"));
    let live = seen.connections.iter().any(|connection| connection.status == "live");
    let done =
        [("Prove your domain", proved), ("Choose your provider", !seen.connections.is_empty()), ("Try it", tested), ("Switch it on", live)];
    html! {
        ol.steps aria-label="How far the set-up is" {
            @for (step, done) in done {
                li class=[done.then_some("done")] { (step) @if done { span.sr-only { ": done" } } }
            }
        }
    }
}

fn approvals(waiting: &[ApprovalView], viewer: Viewer<'_>) -> Markup {
    if waiting.is_empty() {
        return html! {};
    }
    html! {
        h2 #approvals { "Sign-ins that wait for you" }
        div.stack {
            @for waits in waiting {
                section.card aria-labelledby={ (waits.id) "-name" } {
                    header { h2 id={ (waits.id) "-name" } { (waits.name.as_deref().unwrap_or(&waits.email)) } }
                    p { (waits.sentence.unwrap_or("It is not certain that this is the same person.")) }
                    p.quiet { "Address " (waits.email) ", user " (waits.user_id) ", last tried " (coportal_pages::components::instant(waits.at)) "." }
                    div.row {
                        (coportal_pages::components::form(viewer, &format!("/settings/sso/approvals/{}", waits.id), &html! {
                            input type="hidden" name="accept" value="true";
                            button.primary type="submit" { "It is the same person" }
                        }))
                        (coportal_pages::components::form(viewer, &format!("/settings/sso/approvals/{}", waits.id), &html! {
                            input type="hidden" name="accept" value="false";
                            button.danger type="submit" { "Turn it down" }
                        }))
                    }
                }
            }
        }
    }
}

fn break_glass(seen: &Seen, viewer: Viewer<'_>, owner: bool) -> Markup {
    let required = seen.connections.iter().any(|connection| connection.enforcement == Some(Enforcement::Require));
    let left = u64::try_from(seen.codes_left).unwrap_or(u64::MAX);
    html! {
        p { "When the identity provider cannot be reached and sign-in is required, an owner gets in with a break-glass code. Each works once." }
        @if left == 0 && required {
            (notice(Tone::Attention, "No owner holds an unused code", &html! { p { "If the identity provider fails now, nobody gets in. An owner should issue a fresh set." } }))
        } @else {
            p { "Owners hold " strong { (count(left, "unused code", "unused codes")) } "." }
        }
        @if owner {
            (fold(if left == 0 { "Issue codes" } else { "Issue a fresh set" }, false, &html! {
                p { "Older codes of yours end. The new ones are shown once: print them, or keep them in a password manager that does not depend on this sign-in." }
                (coportal_pages::components::form(viewer, "/settings/sso/break-glass", &html! {
                    div.field {
                        label for="email" { "Your e-mail address, by which you will use them" }
                        input #email name="email" type="email" autocomplete="email";
                        p.hint { "Leave it empty to use the one that CoPortal knows." }
                    }
                    button.primary type="submit" { "Issue and show codes" }
                }))
            }))
        } @else {
            p.quiet { "They are issued to an owner, by that owner." }
        }
    }
}

/// The codes, shown once.
pub(crate) fn codes(principal: &Principal, issued: &coportal_sign_in::IssuedCodes, did: Option<&str>) -> Response {
    let main = html! {
        p.crumb { a href="/settings/sso" { (TITLE) } }
        (heading("Your break-glass codes", "They are shown this once. Print them, or keep them where you can reach them without this sign-in."))
        @if let Some(did) = did { (notice(Tone::Good, did, &html! {})) }
        p { "With one of them and the address " strong { (issued.email) } " you get in at " a href="/sign-in/break-glass" { "/sign-in/break-glass" } ". Each works once." }
        pre.mono #codes { @for code in &issued.codes { (code) "\n" } }
        div.row {
            button.plain type="button" data-copy="#codes" hidden { "Copy all" }
            a.button.primary href="/settings/sso" { "I have kept them" }
        }
    };
    layout::answer(StatusCode::OK, layout::page("Your break-glass codes", Section::SignIn, viewer(principal), &main), &[])
}

/// What to do, where a thing has a fix.
pub(crate) fn remedy(known: Option<&coportal_core::problem::Fix>) -> Markup {
    html! { @if let Some(known) = known { (fix(known)) } }
}

/// A button that takes something away, folded.
pub(crate) fn taking_away(viewer: Viewer<'_>, summary: &str, text: &str, action: &str, label: &str) -> Markup {
    fold(summary, false, &html! { p { (text) } (press(viewer, action, label, Look::Danger)) })
}
