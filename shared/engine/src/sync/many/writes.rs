//! What several runs want to write at the same moment: N claims, one call, N outcomes.

use std::time::Duration;

use coportal_aws::records::contacts::ContactClaimed;
use coportal_aws::records::sync::Claim;
use coportal_core::contact::Contact;
use coportal_core::document::RemoteDocument;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::ledger::{BATCH_TIMEOUT, SEND_WINDOW};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::plan::Step;
use coportal_core::sync::row::Intent;
use coportal_core::text::digest;
use coportal_ledgers::batches::{BatchAnswer, BatchBound, BatchWrite};
use coportal_ledgers::{Access, Answered};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::super::STORE_MARGIN;
use super::super::run::{Next, Run};
use super::rows::Row;
use super::{AT_ONCE, Together};

/// What a batch writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// New contacts.
    Contacts,
    /// New documents.
    Creates,
    /// Changes of documents.
    Updates,
}

/// A row that is about to be sent, with what it sends.
struct Sending<'r, 'e> {
    place: usize,
    row: &'r mut Row<'e>,
    intent: Intent,
}

/// What the vendor said of each row, or of the call.
enum Said {
    Documents(BatchAnswer<RemoteDocument>),
    Contacts(BatchAnswer<Contact>),
}

impl Together<'_, '_> {
    /// Sends what was gathered, in as few calls as the vendor's bounds allow.
    pub(super) async fn write(&mut self, places: &[usize], kind: Kind) {
        let mut ready = Vec::new();
        for place in places {
            let Some(row) = self.rows.get_mut(*place) else { continue };
            if row.has_no_time_to_begin() {
                row.end = Some(Err(super::no_time()));
                continue;
            }
            row.count_step();
            match row.run.ready_to_write().await {
                Ok(None) => ready.push(*place),
                Ok(Some(next)) => row.take(Ok(next)),
                Err(problem) => row.end = Some(Err(problem)),
            }
            self.share(*place);
        }
        let Some(bound) = ready.first().and_then(|first| self.rows.get(*first)).and_then(|row| kind.bound(&row.run)) else { return };
        let mut intents: Vec<(usize, Intent)> = Vec::with_capacity(ready.len());
        for place in ready {
            let Some(row) = self.rows.get_mut(place).filter(|row| row.end.is_none()) else { continue };
            match row.intent() {
                Some(Ok(intent)) => intents.push((place, intent)),
                Some(Err(problem)) => row.end = Some(Err(problem)),
                None => {}
            }
        }
        while !intents.is_empty() {
            let some = bound.first(intents.iter().map(|(_, intent)| intent.body.len()));
            let now: Vec<(usize, Intent)> = intents.drain(..some.min(intents.len())).collect();
            self.write_some(now, kind).await;
        }
    }

    /// One call.
    async fn write_some(&mut self, intents: Vec<(usize, Intent)>, kind: Kind) {
        // Before the claims: a call that no limit allows is nobody's attempt, and leaves nothing to take back.
        let places: Vec<usize> = intents.iter().map(|(place, _)| *place).collect();
        if !self.permitted(&places, 1).await {
            return;
        }
        let mut intents = intents.into_iter().peekable();
        let rows = self.rows.iter_mut().enumerate();
        let mut sending: Vec<Sending<'_, '_>> = Vec::new();
        for (place, row) in rows {
            if let Some((_, intent)) = intents.next_if(|(wanted, _)| *wanted == place) {
                sending.push(Sending { place, row, intent });
            }
        }
        let mut sending = claimed(sending, kind).await;
        sending = standing(sending).await;
        sending = in_time(sending, kind).await;
        let Some(first) = sending.first() else { return };
        let leader = first.place;
        let places: Vec<usize> = sending.iter().map(|sending| sending.place).collect();
        let said = match call(&first.row.run, &sending, kind).await {
            Ok(said) => said,
            Err(problem) => {
                for Sending { row, .. } in sending {
                    row.end = Some(Err(problem.clone()));
                }
                return;
            }
        };
        let renew = store(sending, said).await;
        if renew {
            self.renew(leader, &places).await;
        }
    }
}

/// At most so many at once, in their order. The futures are boxed: what a worker awaits must be sendable for any lifetimes.
async fn some_at_once<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(futures).buffered(AT_ONCE).collect().await
}

/// The rows whose claim was won; a row that somebody else has claimed is not sent.
async fn claimed<'r, 'e>(sending: Vec<Sending<'r, 'e>>, kind: Kind) -> Vec<Sending<'r, 'e>> {
    let mut claims: Vec<BoxFuture<'_, Option<Sending<'r, 'e>>>> = Vec::with_capacity(sending.len());
    for one in sending {
        claims.push(Box::pin(claim(one, kind)));
    }
    some_at_once(claims).await.into_iter().flatten().collect()
}

async fn claim<'r, 'e>(Sending { place, row, intent }: Sending<'r, 'e>, kind: Kind) -> Option<Sending<'r, 'e>> {
    let claimed = match kind {
        Kind::Contacts => row.run.claim_contact_for_batch(intent).await,
        Kind::Creates | Kind::Updates => row.run.claim_for_batch(intent).await,
    };
    match claimed {
        Ok(claimed) => claimed.map(|intent| Sending { place, row, intent }),
        Err(problem) => {
            row.end = Some(Err(problem));
            None
        }
    }
}

/// I4, I14: all of them, or none if the connection no longer stands; their intents stay open then, as a single sync's does.
async fn standing<'r, 'e>(mut sending: Vec<Sending<'r, 'e>>) -> Vec<Sending<'r, 'e>> {
    let Some(first) = sending.first_mut() else { return sending };
    match first.row.run.check_standing().await {
        Ok(()) => sending,
        Err(problem) => {
            for Sending { row, .. } in sending {
                row.end = Some(Err(problem.clone()));
            }
            Vec::new()
        }
    }
}

/// The rows whose send window is open. What was claimed too long ago is certainly not sent, and planned anew.
async fn in_time<'r, 'e>(sending: Vec<Sending<'r, 'e>>, kind: Kind) -> Vec<Sending<'r, 'e>> {
    let mut open = Vec::with_capacity(sending.len());
    for Sending { place, row, intent } in sending {
        if row.run.ctx.now() <= intent.send_by {
            open.push(Sending { place, row, intent });
            continue;
        }
        let next = match kind {
            Kind::Contacts => row.run.contact_unsent(&intent).await,
            Kind::Creates | Kind::Updates => row.run.unsent(&intent).await,
        };
        row.take(next);
    }
    open
}

/// The call itself, under a key that no other call has: a batch is never sent again, so that an answer under it can only be this call's.
async fn call(leader: &Run<'_>, sending: &[Sending<'_, '_>], kind: Kind) -> Outcome<Said> {
    let Access { organisation, token, meter, now, timeout } = leader.access()?;
    // All that is left of the budget but the storing, and no more than the settle time counts with.
    let budget = leader.ctx.now().duration_until(leader.ctx.deadline()) - STORE_MARGIN;
    let timeout = Duration::try_from(budget.min(BATCH_TIMEOUT)).unwrap_or(timeout).max(timeout);
    let access = Access { organisation, token, meter, timeout, now };
    let rows: Vec<BatchWrite<'_>> = sending
        .iter()
        .map(|sending| BatchWrite { external_id: sending.intent.look.external_id.as_deref(), body: &sending.intent.body })
        .collect();
    let ids: Vec<String> = sending.iter().map(|sending| sending.intent.id.to_string()).collect();
    let generation = leader.connection.generation.0.to_be_bytes();
    let parts = [b"coportal/1/batch".as_slice(), organisation.as_bytes(), &generation];
    let key = digest(parts.into_iter().chain(ids.iter().map(String::as_bytes)));
    let batches = &leader.api.batches;
    let absent = || Problem::internal_error("a batch at a ledger that takes none");
    tracing::info!(ledger = leader.request.ledger.slug(), rows = rows.len(), kind = ?kind, "one call for several rows");
    Ok(match kind {
        Kind::Contacts => {
            let creates = batches.creates.as_ref().ok_or_else(absent)?;
            Said::Contacts(creates.create_contacts(access, &rows, &key).await)
        }
        Kind::Creates => {
            let creates = batches.creates.as_ref().ok_or_else(absent)?;
            Said::Documents(creates.create_documents(access, &rows, &key).await)
        }
        Kind::Updates => {
            let updates = batches.updates.as_ref().ok_or_else(absent)?;
            Said::Documents(updates.update_documents(access, &rows, &key).await)
        }
    })
}

/// Stores what became of each row on its own intent (K20). Answers whether the token was refused.
async fn store(sending: Vec<Sending<'_, '_>>, said: Said) -> bool {
    let mut stores: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(sending.len());
    let mut renew = false;
    match said {
        Said::Documents(Ok(outcomes)) => {
            for (one, outcome) in sending.into_iter().zip(outcomes) {
                stores.push(Box::pin(store_document(one, outcome)));
            }
        }
        Said::Contacts(Ok(outcomes)) => {
            for (one, outcome) in sending.into_iter().zip(outcomes) {
                stores.push(Box::pin(store_contact(one, outcome)));
            }
        }
        Said::Documents(Err(failure)) => {
            renew = failure.disposition == Disposition::Reauthorize;
            for one in sending {
                stores.push(Box::pin(fail_document(one, failure.clone())));
            }
        }
        Said::Contacts(Err(failure)) => {
            renew = failure.disposition == Disposition::Reauthorize;
            for one in sending {
                stores.push(Box::pin(fail_contact(one, failure.clone())));
            }
        }
    }
    some_at_once(stores).await;
    renew
}

async fn store_document(Sending { row, intent, .. }: Sending<'_, '_>, outcome: Result<Answered<RemoteDocument>, Failure>) {
    let next = row.run.document_sent(intent, outcome, false).await;
    row.take(next);
}

async fn store_contact(Sending { row, intent, .. }: Sending<'_, '_>, outcome: Result<Answered<Contact>, Failure>) {
    let next = row.run.contact_sent(intent, outcome, false).await;
    row.take(next);
}

async fn fail_document(Sending { row, intent, .. }: Sending<'_, '_>, failure: Failure) {
    let next = match whole(&failure) {
        Whole::OfEachRow => row.run.document_failed(&intent, failure, false).await,
        Whole::NotDone { alone } => {
            row.writes_alone |= alone;
            row.run.close_intent(&intent, &failure).await
        }
    };
    row.take(next);
}

async fn fail_contact(Sending { row, intent, .. }: Sending<'_, '_>, failure: Failure) {
    let next = match whole(&failure) {
        Whole::OfEachRow => row.run.contact_failed(&intent, failure, false).await,
        Whole::NotDone { alone } => {
            row.writes_alone |= alone;
            row.run.close_contact_intent(&intent).await.map(|()| Next::Continue)
        }
    };
    row.take(next);
}

/// What the failure of a whole call means for its rows.
enum Whole {
    /// The same for each: it waits, or is in doubt.
    OfEachRow,
    /// Nothing was done. `alone`: which row was at fault is not known, so that each goes on by itself.
    NotDone { alone: bool },
}

fn whole(failure: &Failure) -> Whole {
    match failure.disposition {
        Disposition::Retry { .. } | Disposition::LookFirst => Whole::OfEachRow,
        Disposition::Reauthorize => Whole::NotDone { alone: false },
        Disposition::Reject { .. } | Disposition::Hold { .. } | Disposition::Stale | Disposition::Defect => Whole::NotDone { alone: true },
    }
}

impl Kind {
    fn bound(self, run: &Run<'_>) -> Option<BatchBound> {
        let batches = &run.api.batches;
        match self {
            Self::Contacts | Self::Creates => batches.creates.as_ref().map(|creates| creates.bound()),
            Self::Updates => batches.updates.as_ref().map(|updates| updates.bound()),
        }
    }
}

impl Row<'_> {
    /// The gathered write as an intent, not claimed yet.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these two are gathered for a batch")]
    fn intent(&mut self) -> Option<Outcome<Intent>> {
        match self.step.take()? {
            Step::WriteDocument(plan) => Some(Ok(self.run.document_intent(*plan))),
            Step::WriteContact(plan) => Some(self.run.contact_intent(*plan)),
            _ => None,
        }
    }
}

impl Run<'_> {
    /// Claims an intent that travels in a batch; `None` when somebody else was faster.
    async fn claim_for_batch(&mut self, mut intent: Intent) -> Outcome<Option<Intent>> {
        let now = self.ctx.now();
        intent.send_by = now.saturating_add(SEND_WINDOW).unwrap_or(Timestamp::MAX);
        intent.batched = true;
        self.put_claim(&intent, now, self.api.rules.batch_lease());
        match self.engine.store.claim_row(self.ctx, self.key(), &self.row.value, self.row.rev, now).await? {
            Claim::Won { rev } => {
                self.row.rev = rev;
                // What was seen before this send says nothing of what comes of it.
                self.found.document_look = None;
                Ok(Some(intent))
            }
            // No permit goes with a claim of a batch: the batch takes one for all.
            Claim::PermitMoved => Ok(None),
            Claim::Lost(current) => {
                self.claim_lost(*current);
                Ok(None)
            }
        }
    }

    /// The same for a contact.
    async fn claim_contact_for_batch(&mut self, mut intent: Intent) -> Outcome<Option<Intent>> {
        let now = self.ctx.now();
        intent.send_by = now.saturating_add(SEND_WINDOW).unwrap_or(Timestamp::MAX);
        intent.batched = true;
        self.put_contact_claim(&intent, now, self.api.rules.batch_lease());
        match self.engine.store.claim_contact(self.ctx, self.contact_key(), &self.contact.value, self.contact.rev, now).await? {
            ContactClaimed::Won { rev } => {
                self.contact.rev = rev;
                Ok(Some(intent))
            }
            ContactClaimed::Lost(current) => {
                self.contact_claim_lost(*current);
                Ok(None)
            }
        }
    }

    /// Claimed, and certainly not sent: only this run could have.
    async fn unsent(&mut self, intent: &Intent) -> Outcome<Next> {
        let told = self.event("not_sent", "It was claimed too late to be sent; it is planned anew.", None);
        self.settle_without_document(intent, told).await
    }

    async fn contact_unsent(&mut self, intent: &Intent) -> Outcome<Next> {
        self.contact.value.intent = None;
        self.store_contact(intent).await?;
        Ok(Next::Continue)
    }
}
