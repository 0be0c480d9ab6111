//! One ledger of an invoice: how it stands there, the open question, what went wrong, and what can be done.

use coportal_core::document::DocumentStatus;
use coportal_core::id::InvoiceId;
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Issue;
use coportal_core::sync::row::{Hold, RowProblem, SyncState};
use coportal_core::workspace::Workspace;
use coportal_lambda::standings::Standing;
use coportal_lambda::views::LedgerView;
use coportal_pages::components::{
    Choice, Issues, Look, Tone, button, card, csrf, facts, fix, fold, form, instant, notice, pill, press, select,
};
use coportal_pages::layout::Viewer;
use maud::{Markup, html};

use super::words;

/// From how many answers on they are a list and one button.
const MANY: usize = 8;

/// Where a form of a panel goes; `what` is empty for the sync itself.
pub(crate) fn action(invoice: InvoiceId, ledger: Ledger, what: &str) -> String {
    let slash = if what.is_empty() { "" } else { "/" };
    format!("/settings/invoices/{invoice}/sync/{ledger}{slash}{what}")
}

/// The card of one ledger.
pub(crate) fn panel(workspace: &Workspace, invoice: &Invoice, standing: &Standing, viewer: Viewer<'_>) -> Markup {
    let view = standing.view(workspace, invoice);
    let ledger = view.ledger;
    let row = standing.row.as_ref();
    let (tone, word) = words::state_word(view.state);
    let hold = row.and_then(|row| row.hold.as_ref()).filter(|_| view.state == SyncState::Held);
    let body = html! {
        p { (words::sentence(ledger, row, invoice.version)) }
        @if let Some(hold) = hold { (question(invoice.id, ledger, hold, viewer)) }
        @if let (None, Some(problem)) = (hold, &view.problem) { (trouble(problem)) }
        (there(&view))
        (actions(invoice, &view, hold.is_some(), viewer))
    };
    card(ledger.slug(), ledger.label(), Some(pill(tone, word)), &body)
}

/// What the ledger has (R63).
fn there(view: &LedgerView) -> Markup {
    let mut entries: Vec<(&str, Markup)> = Vec::new();
    if let Some(id) = &view.external_id {
        let number = view.external_number.as_deref().unwrap_or("without a number");
        entries.push((
            "Number there",
            match &view.external_url {
                Some(url) => html! { a href=(url) rel="noreferrer noopener" target="_blank" { (number) span.sr-only { " in " (view.ledger.label()) ", in a new tab" } } },
                None => html! { (number) },
            },
        ));
        entries.push(("Its id", html! { span.mono { (id) } }));
    }
    if let Some(document) = view.document {
        entries.push(("Stands there as", html! { (words::document_word(document)) }));
    }
    if let Some(at) = view.last_synced_at {
        entries.push(("Last synced", instant(at)));
    }
    html! { @if !entries.is_empty() { (facts(&entries)) } }
}

fn question(invoice: InvoiceId, ledger: Ledger, hold: &Hold, viewer: Viewer<'_>) -> Markup {
    let heading = format!("{}-question", ledger.slug());
    html! {
        section.question aria-labelledby=(heading) {
            h3 id=(heading) { (words::question(hold.question)) }
            p { (hold.detail) }
            @if viewer.admin {
                form method="post" action=(action(invoice, ledger, "resolve")) {
                    (csrf(viewer))
                    input type="hidden" name="hold_id" value=(hold.id);
                    @if hold.choices.len() > MANY {
                        @let choices: Vec<Choice<'_>> = hold.choices.iter().map(|choice| Choice { value: &choice.id, label: &choice.label }).collect();
                        (select("choice", "Your answer", "", &choices, "", Issues::default()))
                        (button("Answer and sync", Look::Primary))
                    } @else {
                        div.answers role="group" aria-labelledby=(heading) {
                            @for choice in &hold.choices {
                                button.plain type="submit" name="choice" value=(choice.id) { (choice.label) }
                            }
                        }
                    }
                }
                p.quiet { "The invoice is synced as soon as you have answered." }
            } @else {
                p.quiet { "An admin of the workspace answers this." }
            }
        }
    }
}

fn trouble(problem: &RowProblem) -> Markup {
    // A ledger that names one thing alone says it twice.
    let more: Vec<&Issue> = problem.issues.iter().filter(|issue| issue.detail != problem.detail).collect();
    let body = html! {
        @if !more.is_empty() { ul { @for issue in more { li { (issue.detail) } } } }
        // The place is named, unless the reader is there.
        @if problem.fix.place.starts_with("the invoice") { p { (problem.fix.what) } } @else { (fix(&problem.fix)) }
        @if problem.fix.retry_helps { p.quiet { "Trying again helps once that is done." } }
    };
    notice(Tone::Attention, &problem.detail, &body)
}

fn actions(invoice: &Invoice, view: &LedgerView, held: bool, viewer: Viewer<'_>) -> Markup {
    let (id, ledger) = (invoice.id, view.ledger);
    let label = ledger.label();
    let busy = view.state == SyncState::Syncing;
    let draft = view.document == Some(DocumentStatus::Draft);
    let (sync, look) = match view.state {
        SyncState::Synced => ("Sync again", Look::Plain),
        SyncState::Failed | SyncState::Waiting | SyncState::Uncertain => ("Try again now", Look::Primary),
        SyncState::Never | SyncState::Queued | SyncState::Syncing | SyncState::Held | SyncState::Stopped => ("Sync now", Look::Primary),
    };
    html! {
        @if let Some(reason) = &view.reason {
            p.quiet { (reason.detail) }
        } @else {
            div.row {
                @if !held && !busy { (press(viewer, &action(id, ledger, ""), sync, look)) }
                @if draft && !held && viewer.admin { (approve(id, ledger, viewer)) }
                a.button href=(format!("/invoices/{id}/sync/{ledger}/changes")) { "What would change" span.sr-only { " in " (label) } }
            }
            @if draft && !held && viewer.admin && ledger == Ledger::BusinessCentral {
                p.quiet { "Posting cannot be undone: a posted invoice is corrected with a credit memo." }
            }
        }
        @if viewer.admin && !busy { (tie(id, view, viewer)) }
    }
}

/// C7: a draft is approved by an explicit act, and by nothing else.
fn approve(invoice: InvoiceId, ledger: Ledger, viewer: Viewer<'_>) -> Markup {
    let label = match ledger {
        Ledger::BusinessCentral => "Post this draft",
        Ledger::Xero | Ledger::Quickbooks | Ledger::Sage => "Approve this draft",
    };
    press(viewer, &action(invoice, ledger, "approve"), label, Look::Plain)
}

/// Linking to a document that exists, or untying.
fn tie(invoice: InvoiceId, view: &LedgerView, viewer: Viewer<'_>) -> Markup {
    let label = view.ledger.label();
    html! {
        @if view.external_id.is_some() {
            (fold("Unlink", false, &html! {
                p { "The document stays in " (label) " as it is, and CoPortal forgets that it belongs to this invoice. A later sync makes a new document." }
                (press(viewer, &action(invoice, view.ledger, "unlink"), &format!("Unlink from {label}"), Look::Danger))
            }))
        } @else if view.eligible {
            (fold("Link to a document that is there already", false, &html! {
                p { "CoPortal compares the two first and asks before it changes anything." }
                (form(viewer, &action(invoice, view.ledger, "link"), &html! {
                    div.field {
                        label for={ (view.ledger.slug()) "-external" } { "The document's id in " (label) }
                        input id={ (view.ledger.slug()) "-external" } name="external_id" type="text" required maxlength="100" pattern="[A-Za-z0-9\\-]+" autocomplete="off" spellcheck="false";
                        p.hint { "It stands in the address of the document's page: letters, digits and hyphens." }
                    }
                    (button("Compare and link", Look::Plain))
                }))
            }))
        }
    }
}
