//! The ledger, as one step of an import reaches it.

use std::sync::Arc;
use std::time::Duration;

use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::contact::Contact;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::id::{RunId, WorkspaceId};
use coportal_core::import::Listed;
use coportal_core::ledger::BATCH_TIMEOUT;
use coportal_core::money::Currency;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_ledgers::exec::Meter;
use coportal_ledgers::{Access, ContactPage, LedgerApi, ListedContact};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::{Preview, Step};
use crate::access::AccessToken;
use crate::permits::Permits;

/// Why a call brought nothing.
pub(super) enum Stop {
    /// The ledger takes calls again then.
    Until(Timestamp),
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// What a step needs beside a page's call: to store it.
const PAGE_MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// A connection in hand.
pub(super) struct Books<'a> {
    step: Step<'a>,
    pub(super) connection: Connection,
    pub(super) api: &'a LedgerApi,
    /// The currency of the organisation's own books.
    pub(super) base_currency: Currency,
    token: AccessToken,
    permits: Arc<Permits>,
    meter: Meter,
    renewed: bool,
}

impl<'a> Books<'a> {
    /// Opens the books that the preview is of: the same organisation, still connected, on a plan that includes the ledger (R146).
    pub(super) async fn open(step: Step<'a>, preview: &Preview) -> Outcome<Self> {
        let Step { engine, ctx, ws, .. } = step;
        let ledger = preview.ledger;
        let workspace = engine.store.workspace(ws).await?.ok_or_else(|| Problem::not_found("workspace"))?;
        crate::sync::check_plan(&workspace, ledger)?;
        let connection = engine.store.connection(ws, ledger).await?.map(|found| found.value).filter(|connection| {
            let organisation = connection.organisation.as_ref().map(|organisation| organisation.id.as_str());
            let there = matches!(connection.status, ConnectionStatus::Connected | ConnectionStatus::ReconnectRequired);
            there && connection.generation == preview.generation && organisation == Some(preview.organisation.as_str())
        });
        let connection = connection.ok_or_else(|| other_books(ledger.label()))?;
        let api = engine.ledgers.get(ledger).ok_or_else(|| Problem::internal_error("a connection to a ledger that this build lacks"))?;
        let token = engine.access_token(ctx, ws, &connection, None).await.map_err(|problem| problem.problem(ledger))?;
        let facts = engine.store.facts(ws, ledger, connection.generation).await?;
        let base_currency = facts.map_or(workspace.currency, |facts| facts.base_currency);
        let permits = engine.permits(ctx, api, &preview.organisation, RunId::new(ctx.uuid()));
        let meter = permits.meter();
        Ok(Self { step, connection, api, base_currency, token, permits, meter, renewed: false })
    }

    /// Gives back what the step did not use of the connection's permits.
    pub(super) async fn close(&self) {
        self.permits.close().await;
    }

    fn access(&self, timeout: SignedDuration) -> Access<'_> {
        let timeout = Duration::try_from(timeout).unwrap_or(Duration::from_secs(12));
        let organisation = self.connection.organisation.as_ref().map_or("", |organisation| organisation.id.as_str());
        Access { organisation, token: self.token.secret(), meter: &self.meter, timeout, now: self.step.ctx.now() }
    }

    /// How long a page of the list may take: a large one is slow, and only a worker can wait for it.
    fn page_time(&self) -> SignedDuration {
        if self.step.ctx.has_time_for(BATCH_TIMEOUT + PAGE_MARGIN) { BATCH_TIMEOUT } else { self.api.rules.call_timeout }
    }

    /// Pages of the list, asked for together, in their order: those before the first that brought nothing, and why it did not.
    pub(super) async fn pages(&mut self, cursors: &[Option<String>]) -> (Vec<ContactPage>, Option<Stop>) {
        let mut read = Vec::with_capacity(cursors.len());
        while let Some(left) = cursors.get(read.len()..).filter(|left| !left.is_empty()) {
            let calls = u32::try_from(left.len()).unwrap_or(u32::MAX);
            match self.permits.reserve(calls, calls).await {
                Ok(Ok(())) => {}
                Ok(Err(no)) => return (read, Some(Stop::Until(no.until))),
                Err(problem) => return (read, Some(Stop::Problem(problem))),
            }
            let access = self.access(self.page_time());
            let mut failed = None;
            for answer in join_all(left.iter().map(|cursor| self.api.contact_list.contact_page(access, cursor.as_deref()))).await {
                match answer {
                    Ok(answered) if failed.is_none() => read.push(answered.value),
                    Ok(_) => {}
                    Err(failure) => failed = failed.or(Some(failure)),
                }
            }
            if let Some(failure) = failed
                && let Err(stop) = self.after(failure).await
            {
                return (read, Some(stop));
            }
        }
        (read, None)
    }

    /// The pages that are asked for together next, of those that are known to be there.
    pub(super) fn window<'k>(&self, known: impl Iterator<Item = &'k String>) -> Vec<Option<String>> {
        let most = usize::try_from(self.api.profile.list_in_flight.min(self.api.profile.limits.concurrent).max(1)).unwrap_or(1);
        known.take(most).map(|cursor| Some(cursor.clone())).collect()
    }

    /// One contact.
    pub(super) async fn contact(&mut self, external_id: &str) -> Result<Option<Contact>, Stop> {
        loop {
            match self.api.contacts.read_contact(self.access(self.api.rules.call_timeout), external_id).await {
                Ok(answered) => return Ok(answered.value),
                Err(failure) => self.after(failure).await?,
            }
        }
    }

    /// What follows from a failed call: once another token, and the call again; else the end.
    async fn after(&mut self, failure: Failure) -> Result<(), Stop> {
        let Step { engine, ctx, ws, .. } = self.step;
        match failure.disposition {
            Disposition::Reauthorize if !self.renewed => {
                self.renewed = true;
                let ledger = self.connection.ledger;
                let renewed = engine.renew_token(ctx, ws, &self.connection, Some(&self.token)).await;
                self.token = renewed.map_err(|problem| problem.problem(ledger))?;
                Ok(())
            }
            Disposition::Reauthorize => {
                let dead = engine.mark_cut_off(ctx, ws, &self.connection, &self.token).await;
                Err(Stop::Problem(dead.problem(self.connection.ledger)))
            }
            Disposition::Retry { not_before: Some(until) } => Err(Stop::Until(until)),
            Disposition::Retry { not_before: None }
            | Disposition::LookFirst
            | Disposition::Reject { .. }
            | Disposition::Hold { .. }
            | Disposition::Stale
            | Disposition::Defect => Err(Stop::Problem(failure.problem())),
        }
    }
}

fn other_books(label: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "organisation_changed",
        format!("{label} is no longer connected to the organisation that was previewed."),
    )
    .fix("Preview the contacts of the organisation that is connected now.", "Settings -> Integrations", false)
}

/// A contact of a list, as the core takes it.
pub(super) fn listed(contact: ListedContact) -> Listed {
    Listed {
        external_id: contact.external_id,
        name: contact.name,
        email: contact.email,
        other_emails: contact.other_emails,
        phone: contact.phone,
        billing_address: contact.billing_address,
        archived: contact.archived,
        our_mark: contact.our_mark,
        currency: contact.currency,
        part_of_another: contact.part_of_another,
    }
}

/// A contact that was read by itself, as a list would show it. A ledger that keeps several addresses in one field shows the first one.
pub(super) fn listed_alone(contact: Contact) -> Listed {
    let mut emails = contact.email.iter().flat_map(|field| field.split([',', ';'])).map(str::trim).filter(|email| !email.is_empty());
    let (email, other_emails) = (emails.next().map(str::to_owned), emails.map(str::to_owned).collect());
    Listed {
        archived: !contact.is_usable(),
        external_id: contact.external_id,
        name: contact.name,
        email,
        other_emails,
        phone: contact.phone,
        billing_address: contact.billing_address,
        our_mark: contact.our_mark,
        currency: contact.currency,
        part_of_another: false,
    }
}

/// A listed contact as the matching of a sync takes it.
pub(super) fn contact(listed: &Listed) -> Contact {
    use coportal_core::contact::ContactStatus;
    Contact {
        external_id: listed.external_id.clone(),
        name: listed.name.clone(),
        email: listed.email.clone(),
        phone: listed.phone.clone(),
        billing_address: listed.billing_address.clone(),
        our_mark: listed.our_mark.clone(),
        status: if listed.archived { ContactStatus::Archived } else { ContactStatus::Active },
        merged_into: None,
        currency: listed.currency,
        created_at: None,
        version: None,
    }
}

/// The workspace whose addresses are hashed: a short name for what [`coportal_aws::keys::email_hash`] wants.
pub(super) fn address_key(ws: WorkspaceId) -> impl Fn(&str) -> String {
    move |email| coportal_aws::keys::email_hash(ws, email)
}
