//! The forms of an invoice's panels: each does one use case and goes back to the invoice (303).

use axum::extract::State;
use axum::response::Response;
use coportal_core::id::{HoldId, InvoiceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::sync::row::{SyncRow, SyncState};
use coportal_engine::sync::{Changed, SyncEnd, SyncRequest};
use coportal_lambda::authn::{AdminForm, Invocation, MemberForm, Principal};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::{Answer, Refusal};
use coportal_lambda::standings::Standing;
use coportal_lambda::telemetry::Note;
use coportal_lambda::views::is_document_id;
use coportal_pages::components::{Tone, notice};
use maud::{Markup, html};
use serde::Deserialize;

use crate::AppState;
use crate::answers::{see_other, shown};

/// What came of a form, as the redirect says it and the page tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    Created,
    Updated,
    Nothing,
    Waiting,
    Busy,
    Held,
    Failed,
    Unlinked,
}

impl Did {
    const ALL: [Self; 8] =
        [Self::Created, Self::Updated, Self::Nothing, Self::Waiting, Self::Busy, Self::Held, Self::Failed, Self::Unlinked];

    fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Nothing => "nothing",
            Self::Waiting => "waiting",
            Self::Busy => "busy",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Unlinked => "unlinked",
        }
    }

    /// Whether the row still says the same: anybody can write a link, and a page may be loaded again later.
    fn fits(self, row: &SyncRow) -> bool {
        match self {
            Self::Created | Self::Updated | Self::Nothing => row.state == SyncState::Synced,
            Self::Waiting => matches!(row.state, SyncState::Waiting | SyncState::Queued | SyncState::Uncertain),
            Self::Busy => row.state == SyncState::Syncing,
            Self::Held => row.state == SyncState::Held,
            Self::Failed => row.state == SyncState::Failed,
            Self::Unlinked => row.link.is_none() && row.left_out,
        }
    }

    /// The message of a redirect, if it is true.
    pub(crate) fn said(code: &str, ledger: &str, standings: &[Standing]) -> Option<Markup> {
        let did = Self::ALL.into_iter().find(|did| did.code() == code)?;
        let standing = standings.iter().find(|standing| standing.connection.ledger.slug() == ledger)?;
        let row = standing.row.as_ref().filter(|row| did.fits(row))?;
        let name = standing.connection.ledger.label();
        let number = row.link.as_ref().and_then(|link| link.external_number.as_deref());
        Some(match did {
            Self::Created => notice(
                Tone::Good,
                &format!("The invoice is in {name}"),
                &html! { @if let Some(number) = number { p { "It has the number " strong { (number) } " there." } } @else { p { "It has no number there yet." } } },
            ),
            Self::Updated => {
                notice(Tone::Good, &format!("{name} is up to date"), &html! { p { "What had changed here stands there now." } })
            }
            Self::Nothing => {
                notice(Tone::Good, "Nothing had to be sent", &html! { p { (name) " has this version of the invoice already." } })
            }
            Self::Waiting => notice(
                Tone::Neutral,
                "It goes on by itself",
                &html! { p { "The card of " (name) " says what it waits for. You can close this page." } },
            ),
            Self::Busy => notice(Tone::Neutral, "It is being synced already", &html! { p { "Look again in a few seconds." } }),
            Self::Held => notice(
                Tone::Attention,
                "One question first",
                &html! { p { "Answer it on the card of " (name) ", and the invoice is synced at once." } },
            ),
            Self::Failed => notice(
                Tone::Stopped,
                &format!("{name} did not accept it"),
                &html! { p { "What is wrong, and what to do, stands on its card." } },
            ),
            Self::Unlinked => notice(
                Tone::Good,
                &format!("Unlinked from {name}"),
                &html! { p { "The document there stays as it is. Automatic syncs leave this invoice out from now on." } },
            ),
        })
    }
}

/// Where a panel's form came from.
type Path = Result<PathIds<(InvoiceId, Ledger)>, Refusal>;

fn request(principal: &Principal, invoice: InvoiceId, ledger: Ledger, note: &Note) -> SyncRequest {
    note.invoice(invoice);
    note.ledger(ledger);
    SyncRequest { workspace: principal.workspace.id, invoice, ledger, actor: principal.actor() }
}

fn did(end: &SyncEnd) -> Did {
    match end {
        SyncEnd::Synced(answer) => match answer.changed {
            Changed::Created => Did::Created,
            Changed::Updated => Did::Updated,
            Changed::Nothing => Did::Nothing,
        },
        SyncEnd::Waiting { .. } => Did::Waiting,
        SyncEnd::InProgress { .. } => Did::Busy,
        SyncEnd::Held(_) => Did::Held,
        SyncEnd::Failed(_) => Did::Failed,
    }
}

/// How a sync ended, as a redirect to the invoice says it.
pub(crate) fn code(end: &SyncEnd) -> &'static str {
    did(end).code()
}

fn back(invoice: InvoiceId, ledger: Ledger, did: Did) -> Outcome<Response> {
    see_other(&format!("/invoices/{invoice}?ledger={ledger}&did={}#{ledger}", did.code()))
}

fn ended(asked: &SyncRequest, end: &SyncEnd, note: &Note) -> Answer<Response> {
    let did = did(end);
    note.outcome(did.code());
    Ok(back(asked.invoice, asked.ledger, did)?)
}

/// What stands in place of the invoice when a form is refused leads back to it.
fn answered(path: Option<(InvoiceId, Ledger)>, answer: Result<Response, Refusal>) -> Response {
    match path {
        Some((invoice, ledger)) => shown(answer, (&format!("/invoices/{invoice}#{ledger}"), "Back to the invoice")),
        None => shown(answer, ("/invoices", "All invoices")),
    }
}

fn place(path: &Path) -> Option<(InvoiceId, Ledger)> {
    path.as_ref().ok().map(|PathIds(place)| *place)
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {}

/// Syncs now (R38).
pub(crate) async fn sync(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Path,
    form: Result<MemberForm<Press>, Refusal>,
) -> Response {
    let place = place(&path);
    let run = async {
        let (MemberForm { principal, .. }, PathIds((invoice, ledger))) = (form?, path?);
        let asked = request(&principal, invoice, ledger, &note);
        let end = state.engine.sync_invoice(&ctx, asked.clone()).await?;
        ended(&asked, &end, &note)
    };
    answered(place, run.await)
}

/// An answer to a question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolution {
    hold_id: HoldId,
    choice: String,
}

/// Answers a hold, then syncs.
pub(crate) async fn resolve(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Path,
    form: Result<AdminForm<Resolution>, Refusal>,
) -> Response {
    let place = place(&path);
    let run = async {
        let (AdminForm { principal, form }, PathIds((invoice, ledger))) = (form?, path?);
        let asked = request(&principal, invoice, ledger, &note);
        let end = state.engine.resolve_hold(&ctx, asked.clone(), form.hold_id, &form.choice).await?;
        ended(&asked, &end, &note)
    };
    answered(place, run.await)
}

/// Approves (posts) the draft (C7, C8).
pub(crate) async fn approve(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Path,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let place = place(&path);
    let run = async {
        let (AdminForm { principal, .. }, PathIds((invoice, ledger))) = (form?, path?);
        let asked = request(&principal, invoice, ledger, &note);
        let end = state.engine.approve(&ctx, asked.clone()).await?;
        ended(&asked, &end, &note)
    };
    answered(place, run.await)
}

/// The document to link to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tie {
    external_id: String,
}

/// Ties the invoice to a document that exists, compared first; then syncs.
pub(crate) async fn link(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Path,
    form: Result<AdminForm<Tie>, Refusal>,
) -> Response {
    let place = place(&path);
    let run = async {
        let (AdminForm { principal, form }, PathIds((invoice, ledger))) = (form?, path?);
        let external_id = form.external_id.trim();
        if !is_document_id(external_id) {
            let issue = Issue::new("/external_id", "invalid", "A document's id in the ledger has letters, digits and hyphens.");
            return Err(Problem::invalid(vec![issue]).into());
        }
        let asked = request(&principal, invoice, ledger, &note);
        let end = state.engine.link_document(&ctx, asked.clone(), external_id).await?;
        ended(&asked, &end, &note)
    };
    answered(place, run.await)
}

/// Unties the invoice; the document stays in the ledger as it is.
pub(crate) async fn unlink(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    note: Note,
    path: Path,
    form: Result<AdminForm<Press>, Refusal>,
) -> Response {
    let place = place(&path);
    let run = async {
        let (AdminForm { principal, .. }, PathIds((invoice, ledger))) = (form?, path?);
        state.engine.unlink_document(&ctx, request(&principal, invoice, ledger, &note)).await?;
        Ok(back(invoice, ledger, Did::Unlinked)?)
    };
    answered(place, run.await)
}
