//! One invoice among several.

use std::sync::Arc;

use coportal_aws::records::contacts::ContactKey;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::metering::Limit;
use coportal_core::problem::Outcome;
use coportal_core::sync::plan::{Step, next_step};
use coportal_core::sync::settle::miss_counts_at;

use super::super::SyncEnd;
use super::super::ends::{row_problem, waits_for};
use super::super::run::{MAX_STEPS, Next, Run};
use super::{AROUND_A_CALL, no_end};

/// An invoice's run and where it stands among the others.
pub(super) struct Row<'e> {
    pub(super) run: Box<Run<'e>>,
    /// Its end, once it has one.
    pub(super) end: Option<Outcome<SyncEnd>>,
    /// It has reached what all were to reach, and goes no further.
    pub(super) reached: bool,
    /// The step that was gathered.
    pub(super) step: Option<Step>,
    /// A batch did not tell about it: its next read is its own.
    pub(super) reads_alone: bool,
    /// A batch was refused as a whole: its next write is its own.
    pub(super) writes_alone: bool,
    /// Its contact is searched for by a call of its own.
    pub(super) searches_alone: bool,
    steps: u32,
}

impl<'e> Row<'e> {
    pub(super) fn new(run: Run<'e>) -> Self {
        Self {
            run: Box::new(run),
            end: None,
            reached: false,
            step: None,
            reads_alone: false,
            writes_alone: false,
            searches_alone: false,
            steps: 0,
        }
    }

    /// What it would do next. The rows of a lost batch wait for the one look-up that can settle all of them.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only the two look-ups of a lost batch wait for one another")]
    pub(super) fn next(&self) -> Step {
        let step = next_step(self.run.view());
        let (now, rules) = (self.run.ctx.now(), &self.run.api.rules);
        let waits = |intent: &coportal_core::sync::row::Intent| {
            let until = miss_counts_at(intent, rules);
            (intent.batched && now < until).then_some(Step::WaitOutcome(until))
        };
        match &step {
            Step::LookDocument(_) => self.run.row.value.intent.as_ref().and_then(waits).unwrap_or(step),
            Step::LookContact(_) => self.run.contact.value.intent.as_ref().and_then(waits).unwrap_or(step),
            _ => step,
        }
    }

    /// Whether its client has a contact and nothing is open about it, or what comes next has nothing to do with one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "`is_of_the_contact` knows every step")]
    pub(super) fn is_beyond_its_contact(&self, step: &Step) -> bool {
        match step {
            // Reading facts comes before every decision; a question is asked, whatever it is about.
            Step::ReadFacts | Step::Hold(_) | Step::WaitOutcome(_) => self.run.contact.value.link.is_some(),
            step => !is_of_the_contact(step),
        }
    }

    /// Whether its ledger takes nothing together with others.
    pub(super) fn goes_alone(&self) -> bool {
        let batches = &self.run.api.batches;
        batches.creates.is_none() && batches.updates.is_none() && batches.reads.is_none()
    }

    /// Whether it was not begun, and there is no time left to begin it.
    pub(super) fn has_no_time_to_begin(&self) -> bool {
        self.steps == 0 && !self.run.ctx.has_time_for(self.run.api.rules.call_timeout + AROUND_A_CALL)
    }

    pub(super) fn count_step(&mut self) {
        self.steps += 1;
        let most = MAX_STEPS.saturating_add(u32::try_from(self.run.invoice.lines.len()).unwrap_or(u32::MAX));
        if self.steps > most {
            self.end = Some(Err(no_end()));
        }
    }

    /// Its end while a limit stands in the way of what it would ask the ledger; nothing of it is stored.
    pub(super) fn waits_for(&self, limit: Limit, failure: &Failure) -> SyncEnd {
        let until = match failure.disposition {
            Disposition::Retry { not_before } => not_before,
            Disposition::Reauthorize
            | Disposition::Reject { .. }
            | Disposition::LookFirst
            | Disposition::Hold { .. }
            | Disposition::Stale
            | Disposition::Defect => None,
        };
        SyncEnd::Waiting {
            state: self.run.row.value.state,
            waiting_for: waits_for(limit),
            due_at: until.or(Some(self.run.ctx.now())),
            problem: Some(Box::new(row_problem(failure))),
            vendor_calls: self.run.meter.calls(),
        }
    }

    /// What a step came to.
    pub(super) fn take(&mut self, next: Outcome<Next>) {
        match next {
            Ok(Next::Continue) => {}
            Ok(Next::End(end)) => self.end = Some(Ok(end)),
            Err(problem) => self.end = Some(Err(problem)),
        }
    }
}

/// Runs of one connection call one organisation, one call after the other: what they may call is one allowance, and one slot.
pub(super) fn share_permits(rows: &mut [Row<'_>]) {
    let Some((first, others)) = rows.split_first_mut() else { return };
    for row in others {
        row.run.permits = Arc::clone(&first.run.permits);
        // What each has called is still its own.
        row.run.meter = first.run.permits.meter();
    }
}

/// Whether a step is about the client's contact.
pub(super) fn is_of_the_contact(step: &Step) -> bool {
    match step {
        Step::SearchContacts
        | Step::ReadContact(_)
        | Step::LinkContact { .. }
        | Step::UnlinkContact
        | Step::WriteContact(_)
        | Step::ResendContact
        | Step::LookContact(_)
        | Step::ContactDone(_)
        | Step::ContactNotDone => true,
        Step::Refuse(_)
        | Step::Busy { .. }
        | Step::Hold(_)
        | Step::ReadFacts
        | Step::ResendDocument
        | Step::LookDocument(_)
        | Step::DocumentDone(_)
        | Step::DocumentNotDone
        | Step::WaitOutcome(_)
        | Step::LookNumber(_)
        | Step::Adopt(_)
        | Step::ReadDocument(_)
        | Step::ForgetDocument
        | Step::WriteDocument(_)
        | Step::ContinueDocument(_)
        | Step::ApproveDocument { .. }
        | Step::VoidDocument { .. }
        | Step::ReadPayments(_)
        | Step::WritePayment(_)
        | Step::ResendPayment
        | Step::LookPayment(_)
        | Step::PaymentDone { .. }
        | Step::PaymentNotDone
        | Step::Proved { .. }
        | Step::Nothing => false,
    }
}

/// One client, one contact: what the invoice that went on with it in this round has learned and written is the others' too.
pub(super) fn refresh_contacts(rows: &mut [Row<'_>], leaders: &[(ContactKey, usize)]) {
    for (key, place) in leaders {
        let Some(leader) = rows.get(*place) else { continue };
        let (contact, found) = (leader.run.contact.clone(), &leader.run.found);
        let (contacts, linked, look) = (found.contacts.clone(), found.linked_contact.clone(), found.contact_look.clone());
        let name_taken = found.name_taken.clone();
        let others = rows.iter_mut().enumerate().filter(|(other, row)| other != place && row.end.is_none());
        for (_, row) in others.filter(|(_, row)| row.run.contact_key() == *key) {
            row.run.contact.clone_from(&contact);
            let to = &mut row.run.found;
            to.contacts.clone_from(&contacts);
            to.linked_contact.clone_from(&linked);
            to.contact_look.clone_from(&look);
            to.name_taken.clone_from(&name_taken);
        }
    }
}
