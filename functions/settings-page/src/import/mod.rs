//! The import of contacts: a preview that reads, shows and asks, and imports exactly what was chosen (R24-R33).

mod rows;

use axum::extract::{Query, State};
use axum::response::Response;
use coportal_core::id::{ClientId, PreviewId};
use coportal_core::import::Action;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_engine::import::{ImportAnswer, ImportRequest, ImportResult, Looked, PickedRow, PreviewState, PreviewView};
use coportal_lambda::authn::{Admin, AdminForm, Invocation};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::Refusal;
use coportal_pages::components::{Look, Tone, count, csrf, facts, fix, fold, instant, more, notice, pill, press, table};
use coportal_pages::layout::{self as frame, Section, Viewer};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::cards::action;
use crate::forms::{Press, ledger, see_other};
use crate::{AppState, layout};
use rows::Rows;

/// Which rows of a page of the list are shown.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shown {
    /// The page of the list.
    #[serde(default)]
    cursor: Option<String>,
    /// Words that a row must hold.
    #[serde(default)]
    q: Option<String>,
    /// A status.
    #[serde(default)]
    show: Option<String>,
}

impl Shown {
    /// The rows that are looked for in the whole preview.
    fn looked(&self) -> Looked<'_> {
        let status = self.show.as_deref().and_then(rows::status);
        Looked { cursor: self.cursor.as_deref(), words: self.q.as_deref().unwrap_or_default(), status }
    }

    /// The next page of the same search.
    fn next(&self, to: &str, cursor: &str) -> String {
        let fields = [("cursor", Some(cursor)), ("q", self.q.as_deref()), ("show", self.show.as_deref())];
        let fields: Vec<(&str, &str)> =
            fields.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect();
        format!("{to}?{}", serde_urlencoded::to_string(fields).unwrap_or_default())
    }
}

/// `POST /settings/integrations/{ledger}/import`: begins to read.
pub(crate) async fn begin(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, .. }, ledger) = (form?, ledger(path)?);
        let view = state.engine.begin_preview(&ctx, &principal.workspace, principal.actor(), ledger, false).await?;
        Ok(see_other(&action(ledger, &format!("import/{}", view.id)))?)
    };
    layout::paged(run.await, Section::Integrations)
}

/// `GET /settings/integrations/{ledger}/import/{id}`.
pub(crate) async fn show(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<(Ledger, PreviewId)>, Refusal>,
    shown: Result<Query<Shown>, axum::extract::rejection::QueryRejection>,
    admin: Result<Admin, Refusal>,
) -> Response {
    let run = async {
        let (Admin(principal), PathIds((ledger, id))) = (admin?, path?);
        let shown = shown.map(|Query(shown)| shown).unwrap_or_default();
        let view = state.engine.look_at_preview(&ctx, &principal.workspace, ledger, id, shown.looked()).await?;
        Ok(page(ledger, &view, &shown, layout::viewer(&principal)))
    };
    layout::paged(run.await, Section::Integrations)
}

/// `POST /settings/integrations/{ledger}/import/{id}`: imports what was chosen, or everything new.
pub(crate) async fn commit(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<(Ledger, PreviewId)>, Refusal>,
    form: Result<AdminForm<Vec<(String, String)>>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, form }, PathIds((ledger, id))) = (form?, path?);
        let request = request(id, form)?;
        match state.engine.import(&ctx, &principal.workspace, principal.actor(), ledger, request).await? {
            // Either way the preview shows it.
            ImportAnswer::Done(_) | ImportAnswer::Accepted(_) => Ok(see_other(&action(ledger, &format!("import/{id}")))?),
        }
    };
    layout::paged(run.await, Section::Integrations)
}

/// The fields as the use case wants them: `all_new`, or a choice by row.
fn request(id: PreviewId, fields: Vec<(String, String)>) -> Outcome<ImportRequest> {
    let mut request = ImportRequest { preview_id: Some(id), rows: None, all_new: false };
    let unknown = || Problem::invalid(vec![Issue::new("", "form", "The form has an unknown field.")]);
    let mut rows = Vec::new();
    for (name, value) in fields {
        if name == "all_new" {
            request.all_new = true;
            continue;
        }
        let external_id = name.strip_prefix("row_").ok_or_else(unknown)?.to_owned();
        let (action, client_id) = match value.split_once(' ') {
            None => (action_of(&value).ok_or_else(unknown)?, None),
            Some(("link", client)) => (Action::Link, Some(client.parse::<ClientId>().map_err(|_| unknown())?)),
            Some(_) => return Err(unknown()),
        };
        if action != Action::Skip {
            rows.push(PickedRow { external_id, action, client_id });
        }
    }
    if request.all_new {
        return Ok(request);
    }
    if rows.is_empty() {
        let text = "Nothing is chosen. Choose \"Create\" or \"Link\" for at least one contact, or close the preview.";
        return Err(Problem::invalid(vec![Issue::new("/rows", "required", text)]));
    }
    request.rows = Some(rows);
    Ok(request)
}

fn action_of(word: &str) -> Option<Action> {
    match word {
        "create" => Some(Action::Create),
        "link" => Some(Action::Link),
        "skip" => Some(Action::Skip),
        _ => None,
    }
}

fn page(ledger: Ledger, view: &PreviewView, shown: &Shown, viewer: Viewer<'_>) -> Response {
    let going = matches!(view.state, PreviewState::Reading | PreviewState::Committing);
    let card = format!("{}#{ledger}", Section::Integrations.path());
    let title = format!("Import contacts from {}", ledger.label());
    let main = html! {
        // Without scripts it is a part of the page; with them it is a dialog over it.
        dialog.modal open aria-labelledby="import-title" data-modal=(card) {
            header.row {
                h1 #import-title tabindex="-1" autofocus { (title) }
                a.button href=(card) { "Close" }
            }
            @match view.state {
                PreviewState::Reading => (reading(ledger, view)),
                PreviewState::Committing => (committing(ledger, view)),
                PreviewState::Failed => (failed(ledger, view, viewer)),
                PreviewState::Ready | PreviewState::Done => (ready(ledger, view, shown, viewer)),
            }
        }
    };
    let page = frame::page_in_progress(&title, Section::Integrations, viewer, going.then_some(3), &main);
    frame::answer(StatusCode::OK, page, &[])
}

/// What asks how far it is, and where it shows.
fn watched(ledger: Ledger, view: &PreviewView, body: &Markup) -> Markup {
    html! {
        div data-poll=(format!("/v1/integrations/{ledger}/import/previews/{}", view.id)) data-while="reading committing" {
            (body)
            noscript { p { a.button href="" { "Look again" } } }
        }
    }
}

fn reading(ledger: Ledger, view: &PreviewView) -> Markup {
    watched(
        ledger,
        view,
        &html! {
            p role="status" {
                "Reading the contacts of " (ledger.label()) ": " span data-value="read" { (view.read) }
                @if let Some(expected) = view.expected { " of " (expected) } " so far. Nothing is imported before you confirm."
            }
            @if let Some(expected) = view.expected.filter(|expected| *expected > 0) {
                progress data-value="read" data-of="expected" aria-label="Contacts read" max=(expected) value=(view.read.min(expected)) {}
            } @else {
                progress aria-label="Contacts read" {}
            }
        },
    )
}

fn committing(ledger: Ledger, view: &PreviewView) -> Markup {
    let result = view.result.clone().unwrap_or_default();
    watched(
        ledger,
        view,
        &html! {
            p role="status" { "Importing. " (count(u64::from(result.created), "client", "clients")) " made and " (result.linked) " linked so far. You can close this; it goes on by itself." }
            progress aria-label="Contacts imported" {}
        },
    )
}

fn failed(ledger: Ledger, view: &PreviewView, viewer: Viewer<'_>) -> Markup {
    let title = format!("The contacts of {} could not be read", ledger.label());
    html! {
        (notice(Tone::Stopped, &title, &html! {
            @if let Some(problem) = &view.problem { p { (problem.detail) } (fix(&problem.fix)) }
        }))
        (press(viewer, &action(ledger, "import"), "Read them again", Look::Primary))
    }
}

fn ready(ledger: Ledger, view: &PreviewView, shown: &Shown, viewer: Viewer<'_>) -> Markup {
    let counts = view.counts.unwrap_or_default();
    let untouched = view.all_new.unwrap_or_default();
    let to = action(ledger, &format!("import/{}", view.id));
    let all = view.rows.as_deref().unwrap_or_default();
    let rows = Rows(all);
    html! {
        @if let Some(problem) = &view.problem {
            (notice(Tone::Attention, &problem.detail, &fix(&problem.fix)))
        }
        @if let Some(result) = &view.result { (told(view.state, result)) }
        p.row {
            (pill(Tone::Good, &format!("{} new", counts.new)))
            (pill(Tone::Attention, &format!("{} duplicate e-mail", counts.duplicate_email)))
            (pill(Tone::Neutral, &format!("{} linked", counts.linked)))
            span.quiet { "Kept until " (instant(view.expires_at)) }
        }
        @if counts.total() == 0 {
            (coportal_pages::components::empty(&format!("{} has no contacts", ledger.label()), &html! { p { "Nothing is to be imported. Clients that you add here are made there with their first invoice." } }))
        } @else {
            @if untouched > 0 {
                form method="post" action=(to) {
                    (csrf(viewer))
                    input type="hidden" name="all_new" value="yes";
                    button.primary type="submit" {
                        @if view.result.is_none() { "Import all " } @else { "Import the other " }
                        (count(u64::from(untouched), "new contact", "new contacts"))
                    }
                }
                p.quiet { "Or choose for each contact what becomes of it." }
            }
            (fold("Which field becomes which", false, &mapping(view)))
            (Rows::filter(&to, shown, counts.total()))
            form.import method="post" action=(to) data-chosen="" {
                (csrf(viewer))
                (rows.table())
                div.row.confirm {
                    button.primary type="submit" { "Import what is chosen" }
                    button.plain type="button" hidden data-choose="create" { "Choose all new" }
                    button.plain type="button" hidden data-choose="skip" { "Choose none" }
                    span.quiet role="status" data-count="" {}
                }
            }
            @let next = view.next_cursor.as_ref().map(|cursor| shown.next(&to, cursor));
            (more(next.as_deref(), "Next page of contacts"))
        }
    }
}

/// Read only, and these four (R28).
fn mapping(view: &PreviewView) -> Markup {
    let name = |field: &str| match field {
        "name" => "Name",
        "email" => "E-mail address",
        "phone" => "Phone",
        _ => "Billing address",
    };
    let rows: Vec<Markup> =
        view.field_mapping.iter().map(|row| html! { tr { td.mono { (row.ledger_field) } td { (name(row.coportal_field)) } } }).collect();
    table("mapping", "Which field of the ledger becomes which of CoPortal", &["In the ledger", "In CoPortal"], &rows)
}

fn told(state: PreviewState, result: &ImportResult) -> Markup {
    let reports = result.changed_since_preview.len().saturating_add(result.failed.len());
    let tone = if reports == 0 { Tone::Good } else { Tone::Attention };
    let entries = [("Clients made", result.created), ("Linked", result.linked), ("Left alone", result.skipped)];
    let shown: Vec<(&str, Markup)> = entries.into_iter().map(|(name, number)| (name, html! { (number) })).collect();
    let body = html! {
        (facts(&shown))
        @if reports > 0 {
            p { (count(u64::try_from(reports).unwrap_or(u64::MAX), "contact was", "contacts were")) " not imported:" }
            ul { @for report in result.changed_since_preview.iter().chain(&result.failed).take(20) { li { @if !report.name.is_empty() { b { (report.name) } ": " } (report.detail) } } }
            @if reports > 20 { p { "The others are marked in the list below." } }
        }
    };
    match state {
        PreviewState::Done => notice(tone, "The import is done", &body),
        // What stopped it is said above.
        PreviewState::Ready | PreviewState::Committing | PreviewState::Reading | PreviewState::Failed => {
            notice(Tone::Attention, "The import ended early: what it came to", &body)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// R29: what is left alone is not asked for; nothing chosen is said so.
    #[test]
    fn r29_only_what_is_chosen_is_asked_for() {
        let id = PreviewId::new(Uuid::from_u128(1));
        let client = ClientId::new(Uuid::from_u128(2));
        let link = format!("link {client}");
        let asked = request(id, fields(&[("row_a", "skip"), ("row_b c", "create"), ("row_d", &link)])).unwrap();
        let rows = asked.rows.unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.external_id.as_str(), row.action)).collect::<Vec<_>>(),
            [("b c", Action::Create), ("d", Action::Link)]
        );
        assert_eq!(rows[1].client_id, Some(client));
        assert!(request(id, fields(&[("all_new", "yes")])).unwrap().all_new);
        for wrong in [&[("row_a", "skip")][..], &[], &[("row_a", "steal")], &[("rows", "create")], &[("row_a", "link nobody")]] {
            assert!(!request(id, fields(wrong)).unwrap_err().issues.is_empty(), "{wrong:?}");
        }
    }
}
