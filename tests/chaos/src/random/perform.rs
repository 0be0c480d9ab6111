//! What the steps of a history do.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use coportal_aws::records::sync::SyncKey;
use coportal_core::connection::Generation;
use coportal_core::invoice::{Invoice, InvoiceStatus, Payment};
use coportal_core::problem::{Outcome, ProblemKind};
use coportal_core::queue::{Message, SyncMessage, SyncQueue};
use coportal_core::sync::row::SyncRow;
use coportal_core::timeline::Actor;
use coportal_engine::Engine;
use coportal_engine::sync::{SyncEnd, SyncRequest};
use futures_util::future::join_all;
use jiff::SignedDuration;
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::dice::Dice;
use super::history::{Click, Edit, Op, Rates, Step, WORKSPACES, Work};
use super::line::Line;
use super::universe::{Known, Universe, first};

/// Answers that leave the ledger's content as it is, or another than CoPortal's: what stands there then is a person's choice.
const LEAVES: [&str; 6] = ["leave", "leave_draft", "skip", "theirs", "create_again", "send"];

/// Clicks at once when the access tokens have ended.
const RUSH: usize = 4;

/// Where a click goes: invoice, request, connection.
pub(super) struct Aim {
    pub(super) known: Known,
    pub(super) link: usize,
    pub(super) request: SyncRequest,
}

impl Aim {
    /// The row of this invoice in a generation of its connection.
    pub(super) fn key(&self, generation: Generation) -> SyncKey {
        SyncKey { ws: self.request.workspace, inv: self.known.id, ledger: self.request.ledger, generation }
    }
}

impl Universe {
    /// The invoice and connection that a click means.
    pub(super) fn aim(&self, click: Click) -> Result<Aim> {
        let known = self.known(click.invoice)?;
        let links = self.links_of(known.space);
        let link = links.get(click.link % links.len().max(1)).copied().context("a workspace has a connection")?;
        let at = self.space(known.space)?;
        let request = SyncRequest {
            workspace: at.workspace.id,
            invoice: known.id,
            ledger: self.link(link)?.ledger,
            actor: Actor::User(at.user.clone()),
        };
        Ok(Aim { known, link, request })
    }

    fn known(&self, place: usize) -> Result<Known> {
        self.invoices.get(place % self.invoices.len().max(1)).cloned().context("an invoice")
    }

    /// The sync row of an invoice in its connection's present generation.
    pub(super) async fn row(&self, aim: &Aim) -> Result<Option<SyncRow>> {
        let key = aim.key(self.generation(aim.link)?);
        Ok(self.quiet.store.sync_rows_of(&self.ctx(), &[key]).await?.pop().map(|(_, row)| row))
    }

    /// Does a step; answers what is wrong about it.
    ///
    /// # Errors
    /// When the harness itself cannot go on.
    pub(super) async fn perform(&mut self, step: &Step, rates: Rates) -> Result<Vec<String>> {
        self.step += 1;
        let faults = step.faulty.of(rates);
        match &step.op {
            Op::Edit(invoice, edit) => {
                let known = self.known(*invoice)?;
                self.edit(&known, |invoice| changed(invoice, *edit)).await?;
                return self.told(&known, step.salt, faults, None).await;
            }
            Op::Send(invoice) => {
                let known = self.known(*invoice)?;
                let sent = self
                    .edit(&known, |invoice| {
                        if invoice.status == InvoiceStatus::Draft {
                            invoice.status = InvoiceStatus::Sent;
                        }
                    })
                    .await?;
                return self.told(&known, step.salt, faults, sent).await;
            }
            Op::Pay(invoice, cents) => {
                let known = self.known(*invoice)?;
                let paid = self
                    .edit(&known, |invoice| {
                        if matches!(invoice.status, InvoiceStatus::Sent | InvoiceStatus::Paid) && invoice.payments.len() < 4 {
                            let amount = Decimal::new(i64::from(*cents), 2);
                            let payment_id = format!("pay-{}", invoice.payments.len() + 1);
                            invoice.payments.push(Payment { payment_id, amount, date: date(2026, 3, 2) });
                        }
                    })
                    .await?;
                return self.told(&known, step.salt, faults, paid).await;
            }
            Op::Void(invoice) => {
                let known = self.known(*invoice)?;
                let voided = self
                    .edit(&known, |invoice| {
                        if invoice.payments.is_empty() {
                            invoice.status = InvoiceStatus::Void;
                        }
                    })
                    .await?;
                return self.told(&known, step.salt, faults, voided).await;
            }
            Op::Invoice(space) => self.invoice(*space, InvoiceStatus::Sent).await?,
            Op::Click(click) => return self.clicks(&[*click], step.salt, faults, false).await,
            Op::Together(clicks) => return self.clicks(clicks, step.salt, faults, true).await,
            Op::Sweep => return self.sweep(step.salt, faults).await,
            Op::Work(workers) => return self.workers(*workers, step.salt, faults).await,
            Op::Bulk(link) => {
                let space = self.link(*link)?.space;
                let place = self.links_of(space).iter().position(|one| one == link).unwrap_or_default();
                let of_space = self.invoices.iter().enumerate().filter(|(_, known)| known.space == space);
                let clicks: Vec<Click> = of_space.map(|(invoice, _)| Click { invoice, link: place }).collect();
                return self.bulk(&clicks, step.salt, faults).await;
            }
            Op::Approve(click) => {
                let aim = self.aim(*click)?;
                let (engine, line) = self.process(step.salt, faults, false)?;
                let ctx = self.ctx();
                let end = survived(&line, engine.approve(&ctx, aim.request.clone())).await;
                return Ok(self.judged(&aim, &line, end));
            }
            Op::Answer(click, choice) => return self.answer(*click, *choice, step.salt, faults).await,
            Op::Stranger(click) => return self.stranger(*click, step.salt).await,
            Op::Toggle(link, toggle) => self.toggle(*link, *toggle).await?,
            Op::Wait(seconds) => self.clock.advance(SignedDuration::from_secs(i64::from(*seconds))),
            Op::Bookkeeper(click, work) => self.bookkeeper(*click, *work).await?,
            Op::Import(link) => return self.import(*link, step.salt, faults).await,
            Op::Disconnect(link) => return self.disconnect(*link, step.salt, faults).await,
            Op::Reconnect(link) => {
                let organisation = first(self.link(*link)?.ledger);
                if self.is_included(*link)? {
                    self.connect(*link, organisation).await?;
                }
            }
            Op::Rush(click) => {
                // Access tokens of every ledger end within an hour.
                self.clock.advance(SignedDuration::from_mins(61));
                let clicks: Vec<Click> = (0..RUSH).map(|more| Click { invoice: click.invoice + more * WORKSPACES, ..*click }).collect();
                return self.clicks(&clicks, step.salt, faults, true).await;
            }
            Op::Backfill(link) => return self.backfill(*link, step.salt, faults).await,
            Op::Drift(link) => return self.drift(*link, step.salt, faults).await,
            Op::Keep(click, side) => return self.keep(*click, *side, step.salt, faults).await,
            Op::Plan(space, plan) => self.plan(*space, *plan).await?,
            Op::Move(link) => {
                let other = self.other_organisation(*link)?;
                if self.is_included(*link)? {
                    self.connect(*link, &other).await?;
                }
            }
        }
        Ok(Vec::new())
    }

    /// The stream tells of a changed invoice: its record comes once, twice or never. `event`: it was sent, paid or voided by this step, and
    /// auto-sync has to bring that to its end (I3).
    async fn told(&mut self, known: &Known, salt: u64, faults: Rates, event: Option<Invoice>) -> Result<Vec<String>> {
        let ws = self.space(known.space)?.workspace.id;
        let step = self.step;
        if let Some(known) = self.invoices.iter_mut().find(|one| one.id == known.id)
            && let Some(event) = event
            && event.status != InvoiceStatus::Draft
        {
            known.event = Some((step, event.version));
        }
        let mut dice = Dice::new(salt ^ 0x57_4E_A4);
        let copies = dice.weighed(&[(25, 0), (55, 1), (20, 2)]).unwrap_or(1);
        let mut wrong = Vec::new();
        for _ in 0..copies {
            let (engine, line) = self.process(dice.draw(), faults, false)?;
            let ctx = self.ctx();
            let end = survived(&line, async { engine.auto_sync().fan_out(&ctx, ws, known.id).await }).await;
            if let Some(Err(problem)) = end
                && problem.kind == ProblemKind::Internal
                && line.struck().is_empty()
            {
                wrong.push(format!("the fan-out of {}: {problem:?}", known.number));
            }
        }
        Ok(wrong)
    }

    /// A minute's sweep, in a process that may die.
    async fn sweep(&mut self, salt: u64, faults: Rates) -> Result<Vec<String>> {
        let (engine, line) = self.process(salt, faults, false)?;
        let ctx = self.ctx();
        let end = survived(&line, async { engine.auto_sync().sweep(&ctx).await }).await;
        let odd = matches!(&end, Some(Err(problem)) if problem.kind == ProblemKind::Internal && line.struck().is_empty());
        Ok(if odd { vec![format!("the sweep: {:?}", end.and_then(Result::err))] } else { Vec::new() })
    }

    /// Clicks, each in a process of its own; several take turns at every call.
    async fn clicks(&mut self, clicks: &[Click], salt: u64, faults: Rates, turns: bool) -> Result<Vec<String>> {
        let mut dice = Dice::new(salt);
        let mut all = Vec::with_capacity(clicks.len());
        for click in clicks {
            let aim = self.aim(*click)?;
            // Most people press the button because they have just changed something.
            let cents = u32::try_from(1 + dice.roll(50_000)).unwrap_or(1);
            if dice.chance(600) {
                self.edit(&aim.known, |invoice| changed(invoice, Edit::Price(cents))).await?;
            }
            let (engine, line) = self.process(dice.draw(), faults, turns)?;
            all.push((aim, engine, line, self.ctx()));
        }
        let work = all.iter().map(|(aim, engine, line, ctx)| survived(line, engine.sync_invoice(ctx, aim.request.clone())));
        let ends = join_all(work).await;
        let mut wrong = Vec::new();
        for ((aim, _, line, _), end) in all.iter().zip(ends) {
            wrong.extend(self.judged(aim, line, end));
        }
        Ok(wrong)
    }

    /// All invoices of a connection in one process.
    async fn bulk(&mut self, clicks: &[Click], salt: u64, faults: Rates) -> Result<Vec<String>> {
        let aims = clicks.iter().map(|click| self.aim(*click)).collect::<Result<Vec<_>>>()?;
        let Some(first) = aims.first() else { return Ok(Vec::new()) };
        let generation = self.generation(first.link)?;
        let (engine, line) = self.process(salt, faults, false)?;
        let (workspace, ledger) = (first.request.workspace, first.request.ledger);
        let invoices: Vec<_> = aims.iter().map(|aim| aim.known.id).collect();
        let ctx = self.ctx();
        // A job hands it to the queue; a person's "sync all" does it at once.
        if salt.is_multiple_of(2) {
            let message = Message::Sync(SyncMessage { ws: workspace, ledger, generation, invoices });
            let _ = survived(&line, async { engine.queues.send(&ctx, SyncQueue::Bulk, &[message]).await }).await;
            return Ok(Vec::new());
        }
        let ends = survived(&line, engine.sync_invoices(&ctx, workspace, ledger, generation, &invoices, first.request.actor.clone())).await;
        let mut wrong = Vec::new();
        let struck = line.struck();
        for (invoice, end) in ends.into_iter().flatten() {
            wrong.extend(odd(&end, !struck.is_empty()).map(|why| format!("{invoice}: {why}")));
        }
        Ok(wrong)
    }

    /// What is wrong about an end, if anything is.
    pub(super) fn judged(&mut self, aim: &Aim, line: &Line, end: Option<Outcome<SyncEnd>>) -> Vec<String> {
        let Some(end) = end else { return Vec::new() };
        self.heard().say(format!("{end:?}").as_bytes());
        odd(&end, !line.struck().is_empty())
            .map(|why| format!("{} to {}: {why}", aim.known.number, aim.request.ledger))
            .into_iter()
            .collect()
    }

    async fn answer(&mut self, click: Click, choice: usize, salt: u64, faults: Rates) -> Result<Vec<String>> {
        let aim = self.aim(click)?;
        let Some(hold) = self.row(&aim).await?.and_then(|row| row.hold) else { return Ok(Vec::new()) };
        let Some(choice) = hold.choices.get(choice % hold.choices.len().max(1)).map(|choice| choice.id.clone()) else {
            return Ok(vec![format!("{}: a question without an answer: {}", aim.known.number, hold.detail)]);
        };
        if LEAVES.contains(&choice.as_str()) || choice.starts_with("link") || choice.starts_with("use") {
            self.excused.answered.insert((aim.known.id, aim.request.ledger));
        }
        let (engine, line) = self.process(salt, faults, false)?;
        let ctx = self.ctx();
        let end = survived(&line, engine.resolve_hold(&ctx, aim.request.clone(), hold.id, &choice)).await;
        Ok(self.judged(&aim, &line, end))
    }

    /// I13: another workspace's invoice is not found, and nothing is called.
    async fn stranger(&mut self, click: Click, salt: u64) -> Result<Vec<String>> {
        let aim = self.aim(click)?;
        let other = (aim.known.space + 1) % self.spaces.len().max(1);
        let Some(link) = self.links_of(other).first().copied() else { return Ok(Vec::new()) };
        let (engine, _) = self.process(salt, Rates::NONE, false)?;
        let at = self.space(other)?;
        let ledger = self.link(link)?.ledger;
        if !self.is_included(link)? {
            return Ok(Vec::new());
        }
        let request = SyncRequest { workspace: at.workspace.id, ledger, actor: Actor::User(at.user.clone()), ..aim.request };
        let before = self.calls();
        let end = Box::pin(engine.sync_invoice(&self.ctx(), request)).await;
        let refused = matches!(&end, Err(problem) if problem.kind == ProblemKind::NotFound);
        let calls = self.calls() - before;
        Ok(if refused && calls == 0 { Vec::new() } else { vec![format!("I13: a stranger's click ended as {end:?} after {calls} calls")] })
    }

    /// A bookkeeper's work on the document of an invoice, where there is one and the ledger lets them.
    async fn bookkeeper(&mut self, click: Click, work: Work) -> Result<()> {
        let aim = self.aim(click)?;
        let Some(id) = self.row(&aim).await?.and_then(|row| row.link).map(|link| link.external_id) else { return Ok(()) };
        let act = |action: &str, more: Value| {
            let mut all = json!({ "action": action, "document_id": id });
            if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
                all.extend(more);
            }
            all
        };
        let action = match work {
            Work::Approve => act("approve", json!({})),
            Work::PayInPart => act("pay", json!({ "amount": "10" })),
            Work::Void => act("void", json!({})),
            Work::Describe => act("edit_line", json!({ "line": 0, "description": "Workshop, as agreed by telephone" })),
            Work::DueDate => act("edit_document", json!({ "due_date": "2026-05-01" })),
        };
        self.clock.advance(SignedDuration::from_secs(1));
        let ledger = aim.request.ledger;
        let simulator = Arc::clone(self.ledger(ledger)?);
        let payments = || simulator.state().payments.into_iter().map(|payment| (ledger, payment.id)).collect::<BTreeSet<_>>();
        // What was to come late from us has come by now: what this act adds is the bookkeeper's.
        let before = payments();
        if simulator.bookkeeper(&action).is_ok() {
            self.excused.touched.insert((ledger, id));
            self.their_payments.extend(payments().difference(&before).cloned());
        }
        Ok(())
    }
}

/// The work's end, unless its process dies.
pub(super) async fn survived<T>(line: &Line, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = line.death() => None,
        end = Box::pin(work) => Some(end),
    }
}

fn changed(invoice: &mut Invoice, edit: Edit) {
    if invoice.status == InvoiceStatus::Void {
        return;
    }
    let count = invoice.lines.len();
    let Some(first) = invoice.lines.first_mut() else { return };
    match edit {
        Edit::Price(cents) => first.unit_price = Decimal::new(i64::from(cents), 2) + Decimal::ONE_HUNDRED,
        Edit::Text(number) => first.description = format!("Brand workshop {number}"),
        Edit::Line(cents) if count < 6 => {
            let mut line = first.clone();
            line.id = coportal_core::id::LineId::new(uuid::Uuid::from_u128(10 + u128::from(cents)));
            line.description = format!("Extra {cents}");
            line.quantity = Decimal::ONE;
            line.unit_price = Decimal::new(i64::from(cents), 2);
            if !invoice.lines.iter().any(|known| known.id == line.id) {
                invoice.lines.push(line);
            }
        }
        Edit::Line(_) => {}
        Edit::Due(days) => invoice.due_date = Universe::due_in(days),
    }
}

/// What is wrong about an end. `struck`: calls of its process went wrong.
pub(super) fn odd(end: &Outcome<SyncEnd>, struck: bool) -> Option<String> {
    match end {
        // No answer of any vendor was malformed, so nobody may find one that is.
        Ok(SyncEnd::Failed(problem)) if problem.code.ends_with("_answer_unexpected") || problem.code.ends_with("_request_malformed") => {
            Some(format!("failed as {}: {problem:?}", problem.code))
        }
        Err(problem) if problem.kind == ProblemKind::Internal && !struck => Some(format!("internal: {problem:?}")),
        Ok(_) | Err(_) => None,
    }
}

/// A click on any engine, for the drain.
pub(super) async fn click(engine: &Engine, universe: &Universe, aim: &Aim) -> Outcome<SyncEnd> {
    Box::pin(engine.sync_invoice(&universe.ctx(), aim.request.clone())).await
}
