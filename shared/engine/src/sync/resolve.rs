//! A person answers a hold with one click, and the sync goes on.

use coportal_aws::keys;
use coportal_aws::records::sync::Saved;
use coportal_core::ctx::Ctx;
use coportal_core::failure::Question;
use coportal_core::id::HoldId;
use coportal_core::money::Rate;
use coportal_core::problem::{Issue, Outcome, Problem, ProblemKind};
use coportal_core::sync::plan::LEAVE_DRAFT;
use coportal_core::sync::row::{Answer, Hold, SyncState};
use coportal_core::timeline::TimelineEvent;
use rust_decimal::Decimal;

use super::answer::SyncEnd;
use super::run::Run;
use super::{Engine, SyncRequest};

impl Engine {
    /// Stores the answer and syncs.
    ///
    /// # Errors
    /// When the hold is no longer the open one, or the choice is not one of its.
    pub async fn resolve_hold(&self, ctx: &Ctx, request: SyncRequest, hold: HoldId, choice: &str) -> Outcome<SyncEnd> {
        let mut run = self.load(ctx, request).await?;
        let open = run.row.value.hold.clone().filter(|open| open.id == hold && run.row.value.state == SyncState::Held);
        let open = open.ok_or_else(hold_closed)?;
        let label = open.choices.iter().find(|offered| offered.id == choice).map(|offered| offered.label.clone()).ok_or_else(|| {
            Problem::invalid(vec![Issue::new("/choice", "unknown_choice", "This is not one of the answers that the question offers.")])
        })?;
        let story = run.event("resolved", &format!("{} — {label}", open.detail), None);
        let audit = run.audit("hold_resolved", &format!("Invoice {}: answered with “{label}”.", run.invoice.number));
        self.store.put_audit(ctx, run.workspace.id, &audit).await?;
        if is_final(open.question, choice) {
            run.row.value.hold = None;
            run.enter(SyncState::Stopped);
            run.row.value.left_out = true;
            run.save_answer(&story).await?;
            return Ok(run.stopped());
        }
        if choice == LEAVE_DRAFT {
            // To approve it was somebody's wish, and ends by theirs.
            run.row.value.approve = false;
        } else if choice != "retry" && is_kept_on_the_row(open.question, choice) {
            run.row.value.answers.push(answer(&open, choice));
        }
        run.row.value.hold = None;
        run.enter(SyncState::Queued);
        run.row.value.waiting = None;
        run.save_answer(&story).await?;
        // What other invoices share is written by whoever's answer counts. Should this be cut off here, the question is asked again.
        run.remember(&open, choice).await?;
        run.sync().await
    }
}

fn hold_closed() -> Problem {
    Problem::new(ProblemKind::Conflict, "hold_closed", "This question is no longer open.").fix(
        "Look at the invoice again: it may be synced by now, or ask something else.",
        "the invoice",
        false,
    )
}

/// Answers that mean "not this invoice".
fn is_final(question: Question, choice: &str) -> bool {
    matches!((question, choice), (Question::NumberTaken, "skip") | (Question::DocumentGone, "leave"))
}

fn answer(open: &Hold, choice: &str) -> Answer {
    Answer { question: open.question, choice: choice.to_owned(), inputs_hash: open.inputs_hash.clone() }
}

/// Whether an answer is about this invoice alone; the others are about the client's contact or the whole connection.
fn is_kept_on_the_row(question: Question, choice: &str) -> bool {
    match question {
        Question::ChooseAccount
        | Question::ChooseItem
        | Question::ChoosePaymentAccount
        | Question::ChooseContact
        | Question::ConfirmContact
        | Question::NameClash
        | Question::ContactGone => false,
        Question::MapTax => !choice.contains('='),
        Question::TotalsDiffer
        | Question::NumberTaken
        | Question::TwoDocuments
        | Question::ChangedInLedger
        | Question::DocumentGone
        | Question::PaidInLedger
        | Question::PeriodLocked
        | Question::CurrencyMissing
        | Question::VoidInLedger
        | Question::PostHeld
        | Question::LockedInLedger
        | Question::PaymentDiffers => true,
    }
}

impl Run<'_> {
    /// Puts an answer that is not the row's alone where the planner finds it.
    async fn remember(&mut self, open: &Hold, choice: &str) -> Outcome<()> {
        if choice == "retry" {
            // Facts may have changed: that is what "try again" says.
            if matches!(
                open.question,
                Question::CurrencyMissing
                    | Question::PeriodLocked
                    | Question::ChooseAccount
                    | Question::ChooseItem
                    | Question::ChoosePaymentAccount
                    | Question::MapTax
                    | Question::TotalsDiffer
            ) {
                self.facts = None;
            }
            return Ok(());
        }
        match open.question {
            Question::ChooseAccount => {
                self.choices.sales_account = Some(choice.to_owned());
                self.store_choice(keys::Choice::SalesAccount, choice).await
            }
            Question::ChoosePaymentAccount => {
                self.choices.payment_account = Some(choice.to_owned());
                self.store_choice(keys::Choice::PaymentAccount, choice).await
            }
            Question::ChooseItem => {
                match choice.split_once('=').and_then(|(product, item)| Some((keys::Choice::product(product)?, product, item))) {
                    Some((key, product, item)) => {
                        self.choices.item_map.insert(product.to_owned(), item.to_owned());
                        self.store_choice(key, item).await
                    }
                    None => {
                        self.choices.sales_item = Some(choice.to_owned());
                        self.store_choice(keys::Choice::SalesItem, choice).await
                    }
                }
            }
            Question::MapTax if choice.contains('=') => {
                let (rate, code) = choice.split_once('=').unwrap_or_default();
                let rate: Rate = rate
                    .parse::<Decimal>()
                    .ok()
                    .and_then(|percent| percent.try_into().ok())
                    .ok_or_else(|| Problem::internal_error("a tax choice without a rate"))?;
                self.choices.tax_map.insert(rate, code.to_owned());
                self.store_choice(keys::Choice::Tax(rate), code).await
            }
            Question::ChooseContact | Question::ConfirmContact | Question::NameClash | Question::ContactGone => {
                self.contact.value.answers.push(answer(open, choice));
                self.save_contact().await
            }
            Question::MapTax
            | Question::TotalsDiffer
            | Question::NumberTaken
            | Question::TwoDocuments
            | Question::ChangedInLedger
            | Question::DocumentGone
            | Question::PaidInLedger
            | Question::PeriodLocked
            | Question::CurrencyMissing
            | Question::VoidInLedger
            | Question::PostHeld
            | Question::LockedInLedger
            | Question::PaymentDiffers => Ok(()),
        }
    }

    /// The answer counts when the row is as it was read: of two people who answer at once, the second is told, and nothing of theirs is
    /// taken for done.
    async fn save_answer(&mut self, story: &TimelineEvent) -> Outcome<()> {
        match self.engine.store.save_row(self.ctx, self.key(), &self.row.value, self.row.rev).await? {
            Saved::Done { rev } => self.row.rev = rev,
            Saved::Moved(_) => return Err(hold_closed()),
        }
        self.tell(story).await
    }

    async fn store_choice(&self, choice: keys::Choice, value: &str) -> Outcome<()> {
        let (workspace, ledger, generation) = (self.request.workspace, self.request.ledger, self.connection.generation);
        Ok(self.engine.store.put_choice(self.ctx, workspace, ledger, generation, choice, Some(value)).await?)
    }

    pub(super) fn stopped(&self) -> SyncEnd {
        SyncEnd::Synced(super::SyncAnswer {
            state: SyncState::Stopped,
            external_id: None,
            external_number: None,
            external_url: None,
            synced_at: None,
            vendor_calls: self.meter.calls(),
            changed: super::Changed::Nothing,
        })
    }
}
