//! What a job would take, before it begins: read from our own records, written nowhere.

use std::collections::{BTreeMap, BTreeSet};

use coportal_core::backfill::{Estimate, Load, Purpose, estimate};
use coportal_core::ctx::Ctx;
use coportal_core::failure::Question;
use coportal_core::id::{ClientId, InvoiceId, WorkspaceId};
use coportal_core::invoice::Invoice;
use coportal_core::ledger::Ledger;
use coportal_core::money::{Currency, Money};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::row::{SyncRow, SyncState};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde::Serialize;

use super::{BackfillRequest, Standing, selection};
use crate::Engine;

/// Time that a forecast leaves for its answer.
const FOR_THE_ANSWER: SignedDuration = SignedDuration::from_secs(2);

/// What a backfill would take.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackfillPlan {
    /// Calls, time and share of a day's calls.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Of the chosen invoices, those that the ledger has in this version: nothing is sent for them.
    pub up_to_date: u32,
    /// Clients of these invoices that have no contact there yet.
    pub new_contacts: u32,
    /// Of these invoices' clients, those about whose contact a question is open already (C4). A backfill asks the others before its first invoice.
    pub contact_questions: u32,
}

/// What the approval of all drafts would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DraftsForecast {
    /// Drafts.
    pub invoices: u32,
    /// What they come to, a sum for each currency.
    pub totals: Vec<Money>,
}

/// What is left to do about a chosen invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Create,
    Update,
}

fn left(invoice: &Invoice, row: &SyncRow) -> Left {
    match &row.link {
        Some(link) if link.status.is_gone() => Left::Create,
        Some(_) if row.state == SyncState::Synced && row.hash.is_some() && row.done >= invoice.version => Left::Nothing,
        Some(_) => Left::Update,
        None => Left::Create,
    }
}

/// Whether a person is asked about the contact of the row's client.
fn asks_about_contact(row: &SyncRow) -> bool {
    let of_contact =
        |question| matches!(question, Question::ChooseContact | Question::ConfirmContact | Question::NameClash | Question::ContactGone);
    row.state == SyncState::Held && row.hold.as_ref().is_some_and(|hold| of_contact(hold.question))
}

fn too_many() -> Problem {
    Problem::new(ProblemKind::Unavailable, "taking_longer", "There are more invoices than can be looked at while you wait.").fix(
        "Narrow the days or the state, or begin without a forecast.",
        "Settings -> Integrations",
        true,
    )
}

/// What was learnt of the chosen invoices.
#[derive(Default)]
struct Seen {
    load: Load,
    clients: BTreeSet<(ClientId, Currency)>,
    /// Clients about whose contact a question is open.
    asked: BTreeSet<ClientId>,
    sums: BTreeMap<Currency, Decimal>,
}

impl Engine {
    /// What a backfill would take.
    ///
    /// # Errors
    /// When the plan or the connection does not allow it, the request makes no sense, or there are too many invoices to look at.
    pub async fn plan_backfill(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, request: &BackfillRequest) -> Outcome<BackfillPlan> {
        let standing = self.standing(ws, ledger).await?;
        let purpose = Purpose::Backfill { selection: selection(&standing.connection, request)? };
        let mut seen = self.look_at_all(ctx, &standing, &purpose).await?;
        let api = self.ledgers.get(ledger).ok_or_else(|| crate::sync::not_connected(ledger))?;
        let linked = self.store.linked_clients(ws, ledger, standing.connection.generation).await?;
        let fixed = api.rules.contact_has_currency;
        let unlinked: BTreeSet<(ClientId, Option<String>)> = seen
            .clients
            .iter()
            .map(|(client, currency)| (*client, fixed.then(|| currency.to_string())))
            .filter(|wanted| !linked.contains(wanted))
            .collect();
        let clients = u32::try_from(unlinked.len()).unwrap_or(u32::MAX);
        seen.load.clients = clients;
        seen.load.contacts = clients;
        seen.load.contact_pages = 1;
        let limits = api.profile.limits;
        let up_to_date = seen.load.invoices.saturating_sub(seen.load.creates).saturating_sub(seen.load.updates);
        Ok(BackfillPlan {
            estimate: estimate(seen.load, &api.profile.costs, limits.per_minute, limits.per_day),
            up_to_date,
            new_contacts: clients,
            contact_questions: u32::try_from(seen.asked.len()).unwrap_or(u32::MAX),
        })
    }

    /// What the approval of all drafts would do.
    ///
    /// # Errors
    /// When the plan or the connection does not allow it, or there are too many invoices to look at.
    pub async fn forecast_approving(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger) -> Outcome<DraftsForecast> {
        let standing = self.standing(ws, ledger).await?;
        let seen = self.look_at_all(ctx, &standing, &Purpose::ApproveDrafts).await?;
        let totals = seen.sums.into_iter().map(|(currency, amount)| Money::new(amount, currency)).collect();
        Ok(DraftsForecast { invoices: seen.load.invoices, totals })
    }

    async fn look_at_all(&self, ctx: &Ctx, standing: &Standing, purpose: &Purpose) -> Outcome<Seen> {
        let of_connection = (standing.connection.ledger, standing.connection.generation);
        let mut seen = Seen::default();
        let mut after: Option<InvoiceId> = None;
        loop {
            if !ctx.has_time_for(FOR_THE_ANSWER) {
                return Err(too_many());
            }
            let looked = self.look_at_page(ctx, standing.workspace.id, of_connection, purpose, true, after).await?;
            for (invoice, row) in &looked.chosen {
                seen.load.invoices = seen.load.invoices.saturating_add(1);
                let count = match left(invoice, row) {
                    Left::Nothing => None,
                    Left::Create => Some(&mut seen.load.creates),
                    Left::Update => Some(&mut seen.load.updates),
                };
                if let Some(count) = count {
                    *count = count.saturating_add(1);
                    seen.clients.insert((invoice.client_id, invoice.currency));
                }
                if asks_about_contact(row) {
                    seen.asked.insert(invoice.client_id);
                }
                let total = invoice.totals(standing.workspace.tax_rounding).total;
                let sum = seen.sums.entry(invoice.currency).or_default();
                *sum = sum.checked_add(total).unwrap_or(Decimal::MAX);
            }
            match looked.next {
                Some(next) => after = Some(next),
                None => return Ok(seen),
            }
        }
    }
}
