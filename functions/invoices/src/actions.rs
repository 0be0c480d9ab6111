//! Sending, voiding and paying. An action that changes nothing stores nothing.

use axum::extract::State;
use axum::response::Response;
use coportal_aws::records::invoices::InvoiceSaved;
use coportal_core::ctx::Ctx;
use coportal_core::id::InvoiceId;
use coportal_core::invoice::{Invoice, Payment};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::workspace::Workspace;
use coportal_lambda::authn::{Invocation, Member, Principal};
use coportal_lambda::extract::{EmptyRequest, JsonBody, OptionalJsonBody, PathIds};
use coportal_lambda::idempotency::{self, Attempt, Begun, Done, IdempotencyKey, Reply, Request, in_progress};
use coportal_lambda::problem::Answer;
use coportal_lambda::shell::Shell;
use coportal_lambda::telemetry::Note;

use crate::request::PayRequest;
use crate::routes::{read_invoice, written};
use crate::view::InvoiceView;

/// How often an action is applied anew to what somebody else has just stored.
const ROUNDS: usize = 5;

/// What is done to an invoice.
enum Action {
    Send,
    Void,
    Pay(Payment),
}

impl Action {
    fn route(&self, id: InvoiceId) -> String {
        let verb = match self {
            Self::Send => "send",
            Self::Void => "void",
            Self::Pay(_) => "pay",
        };
        format!("POST /v1/invoices/{id}/{verb}")
    }

    fn outcome(&self) -> &'static str {
        match self {
            Self::Send => "sent",
            Self::Void => "voided",
            Self::Pay(_) => "paid",
        }
    }

    fn apply(&self, invoice: &mut Invoice, workspace: &Workspace) -> Outcome<()> {
        match self {
            Self::Send => invoice.send(workspace),
            Self::Void => invoice.void(),
            Self::Pay(payment) => invoice.pay(payment.clone(), workspace.tax_rounding).map(|_| ()),
        }
    }
}

/// Who acts on which invoice.
pub(crate) struct Actor {
    shell: Shell,
    ctx: Ctx,
    principal: Principal,
    id: InvoiceId,
    key: IdempotencyKey,
    note: Note,
}

pub(crate) async fn send(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<InvoiceId>,
    key: IdempotencyKey,
    note: Note,
    OptionalJsonBody(body): OptionalJsonBody<EmptyRequest>,
) -> Answer<Response> {
    act(Actor { shell, ctx, principal, id, key, note }, Action::Send, &body.bytes).await
}

pub(crate) async fn void(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<InvoiceId>,
    key: IdempotencyKey,
    note: Note,
    OptionalJsonBody(body): OptionalJsonBody<EmptyRequest>,
) -> Answer<Response> {
    act(Actor { shell, ctx, principal, id, key, note }, Action::Void, &body.bytes).await
}

pub(crate) async fn pay(
    State(shell): State<Shell>,
    Invocation(ctx): Invocation,
    Member(principal): Member,
    PathIds(id): PathIds<InvoiceId>,
    key: IdempotencyKey,
    note: Note,
    body: JsonBody<PayRequest>,
) -> Answer<Response> {
    act(Actor { shell, ctx, principal, id, key, note }, Action::Pay(body.value.into()), &body.bytes).await
}

async fn act(actor: Actor, action: Action, body: &[u8]) -> Answer<Response> {
    let Actor { shell, ctx, principal, id, key, note } = &actor;
    note.invoice(*id);
    let route = action.route(*id);
    let request = Request::of(principal, &route, key, body);
    let attempt = match idempotency::begin(shell.store(), ctx, request).await? {
        Begun::Answered(response) => return Ok(*response),
        Begun::Work(attempt) => attempt,
    };
    let done = act_once(&actor, &action, &attempt).await;
    note.outcome(if done.is_ok() { action.outcome() } else { "refused" });
    attempt.settle(shell.store(), ctx, done).await
}

/// An action does not state which version it saw: it is applied to the newest, as often as that moves.
async fn act_once(actor: &Actor, action: &Action, attempt: &Attempt) -> Outcome<Done> {
    let Actor { shell, ctx, principal, id, .. } = actor;
    let workspace = &principal.workspace;
    for _ in 0..ROUNDS {
        let before = read_invoice(shell, workspace.id, *id).await?;
        let mut invoice = before.clone();
        action.apply(&mut invoice, workspace)?;
        if invoice == before {
            return Ok(Done::ToKeep(Reply::ok(&InvoiceView::of(&invoice, workspace.tax_rounding))?));
        }
        invoice.version = before.version + 1;
        let reply = Reply::ok(&InvoiceView::of(&invoice, workspace.tax_rounding))?;
        let companion = attempt.companion(&reply)?;
        match shell.store().save_invoice(ctx, workspace.id, &before, written(&invoice, workspace.tax_rounding), companion).await? {
            InvoiceSaved::Done => return Ok(Done::Kept(reply)),
            InvoiceSaved::CompanionRefused => return Err(in_progress()),
            InvoiceSaved::Stale | InvoiceSaved::NumberTaken => {}
        }
    }
    Err(Problem::new(ProblemKind::Conflict, "changed_meanwhile", "Others keep changing this invoice.").fix(
        "Read the invoice again and repeat your action.",
        "the invoice",
        true,
    ))
}
