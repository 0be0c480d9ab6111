//! Creating, replacing and reading.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use coportal_aws::records::invoices::{InvoiceSaved, Written};
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, InvoiceId, LineId, WorkspaceId};
use coportal_core::invoice::Invoice;
use coportal_core::money::Money;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::workspace::TaxRounding;
use coportal_lambda::authn::{Invocation, Member, Principal};
use coportal_lambda::extract::{JsonBody, PageQuery, PageView, PathIds, QueryOf, cursor, if_match, page_limit};
use coportal_lambda::idempotency::{self, Attempt, Begun, Done, IdempotencyKey, Reply, Request, in_progress};
use coportal_lambda::problem::Answer;
use coportal_lambda::shell::Shell;
use coportal_lambda::standings;
use coportal_lambda::telemetry::Note;
use http::HeaderMap;
use http::header::{ETAG, HeaderValue};

use crate::request::{InvoiceRequest, Surroundings};
use crate::view::InvoiceView;

/// How many numbers of the counter are tried: users may have typed some of them before.
const DRAWS: usize = 25;

pub(crate) async fn create(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    key: IdempotencyKey,
    note: Note,
    body: JsonBody<InvoiceRequest>,
) -> Answer<Response> {
    let JsonBody { value, bytes } = body;
    let request = Request::of(&principal, "POST /v1/invoices", &key, &bytes);
    let attempt = match idempotency::begin(shell.store(), &ctx, request).await? {
        Begun::Answered(response) => return Ok(*response),
        Begun::Work(attempt) => attempt,
    };
    let done = create_invoice(&shell, &ctx, &principal, &attempt, &note, value).await;
    attempt.settle(shell.store(), &ctx, done).await
}

async fn create_invoice(
    shell: &Shell,
    ctx: &Ctx,
    principal: &Principal,
    attempt: &Attempt,
    note: &Note,
    request: InvoiceRequest,
) -> Outcome<Done> {
    let workspace = &principal.workspace;
    let draws = request.number.is_none();
    let around = Surroundings { workspace, before: None, now: ctx.now() };
    let (mut invoice, issues) = request.into_invoice(InvoiceId::new(ctx.uuid()), &around, || LineId::new(ctx.uuid()));
    check(shell, workspace.id, invoice.client_id, issues).await?;
    note.invoice(invoice.id);
    for _ in 0..DRAWS {
        if draws {
            let drawn = shell.store().draw_invoice_number(ctx, workspace.id).await?;
            invoice.number = format!("INV-{drawn:04}");
        }
        let reply = Reply::created(format!("/v1/invoices/{}", invoice.id), &InvoiceView::of(&invoice, workspace.tax_rounding))?;
        let companion = attempt.companion(&reply)?;
        match shell.store().create_invoice(ctx, workspace.id, written(&invoice, workspace.tax_rounding), companion).await? {
            InvoiceSaved::Done => {
                note.outcome("created");
                return Ok(Done::Kept(reply));
            }
            InvoiceSaved::NumberTaken if draws => {}
            InvoiceSaved::NumberTaken => return Err(number_taken(&invoice.number)),
            InvoiceSaved::CompanionRefused => return Err(in_progress()),
            InvoiceSaved::Stale => return Err(Problem::internal_error("a fresh invoice id is in use")),
        }
    }
    Err(number_taken(&invoice.number))
}

pub(crate) async fn replace(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<InvoiceId>,
    headers: HeaderMap,
    note: Note,
    body: JsonBody<InvoiceRequest>,
) -> Answer<Response> {
    note.invoice(id);
    let workspace = &principal.workspace;
    let before = read_invoice(&shell, workspace.id, id).await?;
    let seen = if_match(&headers)?;
    if seen != before.version {
        return Err(stale(before.version).into());
    }
    before.check_editable()?;
    let around = Surroundings { workspace, before: Some(&before), now: ctx.now() };
    let (invoice, issues) = body.value.into_invoice(id, &around, || LineId::new(ctx.uuid()));
    check(&shell, workspace.id, invoice.client_id, issues).await?;
    match shell
        .store()
        .save_invoice(&ctx, workspace.id, &before, written(&invoice, workspace.tax_rounding), None)
        .await
        .map_err(Problem::from)?
    {
        InvoiceSaved::Done => {
            note.outcome("updated");
            Ok((etag(&invoice), Json(InvoiceView::of(&invoice, workspace.tax_rounding))).into_response())
        }
        InvoiceSaved::NumberTaken => Err(number_taken(&invoice.number).into()),
        InvoiceSaved::Stale | InvoiceSaved::CompanionRefused => Err(stale(before.version + 1).into()),
    }
}

pub(crate) async fn read(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<InvoiceId>,
    note: Note,
) -> Answer<Response> {
    note.invoice(id);
    let workspace = &principal.workspace;
    let invoice = read_invoice(&shell, workspace.id, id).await?;
    let standings = standings::of_invoice(shell.store(), &ctx, workspace.id, &invoice).await?;
    let ledgers = standings.iter().map(|standing| standing.view(workspace, &invoice)).collect();
    let view = InvoiceView::of(&invoice, workspace.tax_rounding).with_ledgers(ledgers);
    Ok((etag(&invoice), Json(view)).into_response())
}

pub(crate) async fn list(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    QueryOf(query): QueryOf<PageQuery>,
) -> Answer<Response> {
    let workspace = &principal.workspace;
    let after: Option<InvoiceId> = cursor(query.cursor.as_deref())?;
    let page = shell.store().invoices(workspace.id, after, page_limit(query.limit)?).await.map_err(Problem::from)?;
    let standings = standings::of_invoices(shell.store(), &ctx, workspace.id, &page.items).await?;
    let views = page.items.iter().zip(standings).map(|(invoice, standings)| {
        let ledgers = standings.iter().map(|standing| standing.view(workspace, invoice)).collect();
        InvoiceView::of(invoice, workspace.tax_rounding).with_ledgers(ledgers)
    });
    let items: Vec<_> = views.collect();
    Ok(Json(PageView { items, next_cursor: page.next }).into_response())
}

/// One invoice, or 404.
pub(crate) async fn read_invoice(shell: &Shell, ws: WorkspaceId, id: InvoiceId) -> Outcome<Invoice> {
    shell.store().invoice(ws, id).await?.ok_or_else(|| Problem::not_found("invoice"))
}

/// What is stored of an invoice.
pub(crate) fn written(invoice: &Invoice, rounding: TaxRounding) -> Written<'_> {
    Written { invoice, total: Money::new(invoice.totals(rounding).total, invoice.currency) }
}

/// All that is wrong with a request at once: its fields, and a client that is not this workspace's.
async fn check(shell: &Shell, ws: WorkspaceId, client: ClientId, mut issues: Vec<Issue>) -> Outcome<()> {
    if shell.store().client(ws, client).await?.is_none() {
        issues.push(Issue::new("/client_id", "unknown_client", "There is no such client in this workspace."));
    }
    if issues.is_empty() { Ok(()) } else { Err(Problem::invalid(issues)) }
}

fn number_taken(number: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, "number_taken", format!("Another invoice of this workspace has the number {number}."))
        .issues(vec![Issue::new("/number", "taken", "Another invoice has this number; upper and lower case count as the same.")])
        .fix("Choose another number, or leave it out to get the next one.", "the invoice", false)
}

fn stale(newest: u64) -> Problem {
    Problem::new(ProblemKind::Stale, "stale_version", format!("The invoice has changed since you read it: it is at version {newest} now."))
        .fix("Read the invoice again, repeat your change on it and send that version in If-Match.", "the If-Match header", false)
}

/// The version as an entity tag, for the next `If-Match`.
fn etag(invoice: &Invoice) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", invoice.version)) {
        headers.insert(ETAG, tag);
    }
    headers
}
