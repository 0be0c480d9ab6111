//! The checker: after each step what must never be so, and at rest the invariants over store and simulators.

use std::collections::BTreeMap;

use anyhow::Result;
use coportal_core::connection::ConnectionStatus;
use coportal_core::invoice::InvoiceStatus;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{SyncRow, SyncState};
use coportal_core::workspace::TaxRounding;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::{SignedDuration, Timestamp};
use simulators::skeleton::state::{Document, State};

use super::history::Click;
use super::perform::{Aim, click, odd};
use super::universe::{BULK, Known, NOW, Universe, first};

/// Rounds of waiting after which an invoice that is not at rest never will be.
const ROUNDS: usize = 60;

/// The books of every ledger.
pub(super) type Books = BTreeMap<Ledger, State>;

impl Universe {
    /// What stands in the ledgers now.
    pub(super) fn books(&self) -> Books {
        self.ledgers.iter().map(|(ledger, simulator)| (*ledger, simulator.state())).collect()
    }

    /// What may never follow from a step: a document of ours that is taken back to draft, or one with money on it that is changed (I8).
    /// `ours`: the step was no bookkeeper's.
    pub(super) fn never(before: &Books, after: &Books, ours: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        if !ours {
            return wrong;
        }
        for (ledger, books) in after {
            let was = |id: &str| before.get(ledger).and_then(|books| books.documents.iter().find(|document| document.id == id));
            for now in &books.documents {
                let Some(was) = was(&now.id) else { continue };
                if was.status != "draft" && now.status == "draft" {
                    wrong.push(format!("I8: {ledger} document {} went from {} back to draft", now.id, was.status));
                }
                let paid = was.status == "paid" || (was.status == "approved" && was.amount_due < was.total);
                let touched = was.total != now.total || (now.status == "voided" && was.status != "voided");
                if paid && touched {
                    wrong.push(format!("I8: {ledger} document {} had money on it and was changed: {was:?}, now {now:?}", now.id));
                }
            }
        }
        wrong
    }

    /// Lets everything come to rest: people click and wait, nothing goes wrong any more, and what is due is done.
    ///
    /// # Errors
    /// When the harness itself cannot go on.
    pub(super) async fn rest(&mut self) -> Result<Vec<String>> {
        let mut wrong = self.machines().await?;
        // A person looks at every invoice once more, so that the newest version is wanted everywhere.
        for aim in self.aims()? {
            wrong.extend(self.quiet_click(&aim).await);
        }
        for _ in 0..ROUNDS {
            wrong.extend(self.lost_grants().await?);
            let due = self.pending().await?;
            let Some(first) = due.iter().map(|(at, _)| *at).min() else { return Ok(wrong) };
            let wait = self.clock.now().duration_until(first) + SignedDuration::from_secs(1);
            self.clock.advance(wait.max(SignedDuration::from_secs(1)));
            for (at, aim) in due {
                if at <= self.clock.now() {
                    wrong.extend(self.quiet_click(&aim).await);
                }
            }
        }
        for aim in self.aims()? {
            if self.connection(aim.link).await?.status == ConnectionStatus::Connected
                && let Some(row) = self.row(&aim).await?
                && !row.state.is_at_rest()
            {
                let (number, ledger, waiting) = (&aim.known.number, aim.request.ledger, row.waiting);
                wrong.push(format!("I3: {number} to {ledger} does not come to rest: {:?}, {waiting:?}, {:?}", row.state, row.problem));
            }
        }
        Ok(wrong)
    }

    /// Sweep and workers alone, until nothing is due: what auto-sync was told of is brought to its end without anybody's click (I3, C20).
    async fn machines(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for round in 0..ROUNDS {
            wrong.extend(self.lost_grants().await?);
            let pending = self.pending().await?;
            let waits = [NOW, BULK].iter().any(|queue| {
                let counts = self.queues().counts(queue);
                counts.visible + counts.in_flight + counts.delayed > 0
            });
            // Marks of invoices are the sweep's to find: three minutes are enough for it.
            if pending.is_empty() && !waits && round > 2 {
                break;
            }
            let first = pending.iter().map(|(at, _)| *at).min().unwrap_or_else(|| self.clock.now());
            let wait = self.clock.now().duration_until(first) + SignedDuration::from_secs(1);
            self.clock.advance(wait.max(SignedDuration::from_secs(61)));
            let swept = Box::pin(self.quiet.auto_sync().sweep(&self.ctx())).await;
            if let Err(problem) = swept {
                wrong.push(format!("the sweep, at rest: {problem:?}"));
            }
            for queue in [NOW, BULK] {
                loop {
                    let messages = self.queues().receive(queue, 10);
                    if messages.is_empty() {
                        break;
                    }
                    wrong.extend(Box::pin(self.handled(queue, &messages, &self.quiet, &self.ctx(), false)).await);
                }
            }
        }
        wrong.extend(self.nothing_vanished().await?);
        Ok(wrong)
    }

    /// Rows of connections that stand, and are not at rest.
    async fn pending(&self) -> Result<Vec<(Timestamp, Aim)>> {
        let mut due: Vec<(Timestamp, Aim)> = Vec::new();
        for aim in self.aims()? {
            if self.connection(aim.link).await?.status != ConnectionStatus::Connected {
                continue;
            }
            if let Some(row) = self.row(&aim).await?
                && !row.state.is_at_rest()
            {
                due.push((self.due(&row), aim));
            }
        }
        Ok(due)
    }

    /// I3: an event that was accepted while auto-sync was on has ended, and shows.
    async fn nothing_vanished(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for aim in self.aims()? {
            let link = self.link(aim.link)?;
            let (Some(since), Some((event, version))) = (link.auto_since, aim.known.event) else { continue };
            if event <= since || self.connection(aim.link).await?.status != ConnectionStatus::Connected {
                continue;
            }
            let invoice = self.quiet.store.invoice(aim.request.workspace, aim.known.id).await?;
            if !invoice.is_some_and(|invoice| matches!(invoice.status, InvoiceStatus::Sent | InvoiceStatus::Paid)) {
                continue;
            }
            let row = self.row(&aim).await?;
            let ended = row.as_ref().is_some_and(|row| row.state.is_at_rest() && row.state != SyncState::Never && row.wanted >= version);
            if !ended {
                let stands = row.map(|row| (row.state, row.wanted, row.done, row.waiting));
                let (number, ledger) = (&aim.known.number, aim.request.ledger);
                wrong.push(format!("I3: version {version} of {number} never came to its end in {ledger}: {stands:?}"));
            }
        }
        Ok(wrong)
    }

    /// When a row is due again.
    fn due(&self, row: &SyncRow) -> Timestamp {
        let parked = row.waiting.and_then(|waiting| waiting.until);
        let leased = row.lease.map(|lease| lease.until);
        parked.or(leased).unwrap_or_else(|| self.clock.now())
    }

    /// Every invoice at every connection of its workspace.
    fn aims(&self) -> Result<Vec<Aim>> {
        let mut aims = Vec::new();
        for (invoice, known) in self.invoices.iter().enumerate() {
            for link in 0..self.links_of(known.space).len() {
                aims.push(self.aim(Click { invoice, link })?);
            }
        }
        Ok(aims)
    }

    async fn quiet_click(&self, aim: &Aim) -> Option<String> {
        let end = click(&self.quiet, self, aim).await;
        odd(&end, false).map(|why| format!("{} to {}, at rest: {why}", aim.known.number, aim.request.ledger))
    }

    /// I11: a grant that nothing happened to is never thrown away; one that was lost in a fault is consented to anew, and all goes on (C19).
    async fn lost_grants(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for place in 0..self.links.len() {
            if self.connection(place).await?.status != ConnectionStatus::ReconnectRequired {
                continue;
            }
            let link = self.link(place)?;
            if !link.token_trouble {
                wrong.push(format!("I11: the grant of {} is thrown away, and nothing had gone wrong with it", link.ledger));
            }
            let organisation = first(self.link(place)?.ledger);
            self.connect(place, organisation).await?;
        }
        Ok(wrong)
    }

    /// The invariants, at rest.
    ///
    /// # Errors
    /// When the harness itself cannot go on.
    pub(super) async fn invariants(&mut self) -> Result<Vec<String>> {
        let books = self.books();
        let mut wrong = self.one_of_each(&books);
        wrong.extend(self.two_refreshes());
        wrong.extend(self.after_a_disconnect());
        for aim in self.aims()? {
            let connection = self.connection(aim.link).await?;
            if connection.status != ConnectionStatus::Connected {
                continue;
            }
            let Some(row) = self.row(&aim).await? else { continue };
            let organisation = connection.organisation.as_ref().map(|organisation| organisation.id.clone()).unwrap_or_default();
            wrong.extend(self.agrees(&aim, &row, &organisation, &books).await?);
        }
        Ok(wrong)
    }

    /// I1, I2, I4, I9: over the books alone.
    fn one_of_each(&self, books: &Books) -> Vec<String> {
        let mut wrong = Vec::new();
        for (ledger, state) in books {
            for organisation in &state.organisations {
                let here = |document: &&Document| document.organisation == organisation.id && document.created_by_app;
                let documents: Vec<&Document> = state.documents.iter().filter(here).collect();
                for known in &self.invoices {
                    let of: Vec<&&Document> = documents.iter().filter(|document| is_of(document, known)).collect();
                    let live: Vec<&&&Document> = of.iter().filter(|document| document.status != "voided").collect();
                    if live.len() > 1 {
                        wrong.push(format!(
                            "I1: {} has {} live documents in {ledger} {}: {live:?}",
                            known.number,
                            live.len(),
                            organisation.name
                        ));
                    }
                    let allowed = self.links.iter().any(|link| {
                        link.space == known.space
                            && link.ledger == *ledger
                            && link.organisations.contains(&place(*ledger, &organisation.id, link))
                    });
                    if !of.is_empty() && !allowed {
                        wrong.push(format!(
                            "I4: {} is in {ledger} {}, which its workspace was never connected to",
                            known.number, organisation.name
                        ));
                    }
                    wrong.extend(self.payments(*ledger, state, &of, known));
                }
                for space in &self.spaces {
                    for (_, name) in &space.clients {
                        let count = state
                            .contacts
                            .iter()
                            .filter(|contact| contact.organisation == organisation.id && contact.name == *name)
                            .count();
                        if count > 1 {
                            wrong.push(format!("I2: {name} is {count} contacts in {ledger} {}", organisation.name));
                        }
                    }
                }
            }
        }
        wrong
    }

    /// I9: where payments were never pushed, none is there but the bookkeeper's; and none is there twice (C1).
    fn payments(&self, ledger: Ledger, state: &State, of: &[&&Document], known: &Known) -> Vec<String> {
        let ours = |reference: &Option<String>| reference.as_deref().is_some_and(|reference| reference.starts_with("CP-"));
        let is_of = |id: &str| of.iter().any(|document| document.id == id);
        let made: Vec<_> = state.payments.iter().filter(|payment| is_of(&payment.document_id) && ours(&payment.reference)).collect();
        let pushed = self.links.iter().any(|link| link.space == known.space && link.ledger == ledger && link.pushed_payments);
        let mut wrong = Vec::new();
        if !made.is_empty() && !pushed {
            wrong.push(format!("I9: {} has payments in {ledger}, and none is ever pushed: {made:?}", known.number));
        }
        let twice = made.iter().enumerate().any(|(place, one)| {
            made.iter().skip(place + 1).any(|other| other.reference == one.reference && other.document_id == one.document_id)
        });
        if twice {
            wrong.push(format!("C1: a payment of {} is in {ledger} twice: {made:?}", known.number));
        }
        wrong
    }

    /// I11: no two processes have a refresh of one connection answered with a new set at the same moment; told by the vendor's own calls: a
    /// refresh that is answered while another of the same ledger and process pair stands between its call and its store would show as two
    /// answered refreshes with one access token's life between them and no store in between.
    fn two_refreshes(&self) -> Vec<String> {
        let called = self.called();
        let refreshed: Vec<_> = called.iter().filter(|call| call.operation.contains("token") && call.status == Some(200)).collect();
        let mut wrong = Vec::new();
        for (one, next) in refreshed.iter().zip(refreshed.iter().skip(1)) {
            let same_moment =
                one.ledger == next.ledger && next.at.duration_since(one.at) < SignedDuration::from_secs(5) && one.line != next.line;
            let users = self.links.iter().filter(|link| link.ledger == one.ledger).count();
            if same_moment && users == 1 && one.fault.is_none() && next.fault.is_none() && one.line != 0 && next.line != 0 {
                wrong.push(format!("I11: two refreshes at {} within {}", one.ledger, next.at.duration_since(one.at)));
            }
        }
        wrong
    }

    /// I14: no process that began after a disconnect calls the ledger, where nobody else is connected to it.
    fn after_a_disconnect(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for link in &self.links {
            let alone = self.links.iter().filter(|other| other.ledger == link.ledger).count() == 1;
            let (Some(since), true) = (link.silent_since, alone) else { continue };
            let calls = self.called();
            let late = calls.iter().filter(|call| call.ledger == link.ledger && call.line > since);
            wrong.extend(late.map(|call| format!("I14: {} was called after its disconnect: {call:?}", link.ledger)));
        }
        wrong
    }

    /// I5, I6, I10, R64: the row and the document say the same, and another click says nothing new.
    async fn agrees(&self, aim: &Aim, row: &SyncRow, organisation: &str, books: &Books) -> Result<Vec<String>> {
        let (ledger, number) = (aim.request.ledger, &aim.known.number);
        let mut wrong = Vec::new();
        if row.state != SyncState::Synced {
            return Ok(wrong);
        }
        let Some(link) = &row.link else { return Ok(wrong) };
        let Some(state) = books.get(&ledger) else { return Ok(wrong) };
        let there = state.documents.iter().find(|document| document.id == link.external_id);
        let chosen = self.excused.answered.contains(&(aim.known.id, ledger));
        let touched = self.excused.touched.contains(&(ledger, link.external_id.clone()));
        match there {
            // A draft that is deleted, there or by option, is gone without a trace.
            None if link.status.is_gone() || touched => {}
            None => wrong.push(format!("I5: {number} is linked to {ledger} {}, which is not there", link.external_id)),
            Some(there) if !place_is(ledger, &there.organisation, organisation) => {
                wrong.push(format!("I4: {number} is linked to a document of another organisation of {ledger}: {there:?}"));
            }
            Some(there) if link.created_by_us && !chosen && !is_of(there, &aim.known) && !touched => {
                wrong.push(format!("I5: {number} is linked to a document of another invoice: {there:?}"));
            }
            Some(there) if !touched && !chosen && there.status != "voided" => {
                let invoice = self.quiet.store.invoice(aim.request.workspace, aim.known.id).await?;
                if let Some(invoice) = invoice.filter(|invoice| matches!(invoice.status, InvoiceStatus::Sent | InvoiceStatus::Paid)) {
                    let wanted = invoice.totals(TaxRounding::Line).total;
                    if there.total != wanted {
                        wrong.push(format!("I6, I10: {number} is {wanted} here and {} in {ledger}: {row:?}", there.total));
                    }
                    let texts =
                        |line: &&coportal_core::invoice::LineItem| there.lines.iter().any(|one| one.description == line.description);
                    if let Some(missing) = invoice.lines.iter().find(|line| !texts(line)) {
                        wrong.push(format!("I10: {number} lacks {:?} in {ledger}: {there:?}", missing.description));
                    }
                }
            }
            Some(_) => {}
        }
        let end = click(&self.quiet, self, aim).await;
        let still = matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing);
        // What a bookkeeper did since is read and asked about; an invoice that is void or never was sent is refused.
        if !still && !touched && !matches!(&end, Err(_) | Ok(SyncEnd::Held(_))) {
            wrong.push(format!("R64: another click on {number} to {ledger} changes something: {end:?}"));
        }
        Ok(wrong)
    }
}

/// Whether a document carries our mark of an invoice.
fn is_of(document: &Document, known: &Known) -> bool {
    let id = known.id.to_string();
    let has = |text: &Option<String>, wanted: &str| text.as_deref().is_some_and(|text| text.contains(wanted));
    has(&document.url, &id)
        || has(&document.note, &id)
        || document.number.as_deref() == Some(&known.number)
        || document.reference.as_deref() == Some(&known.number)
}

/// Whether the product's name of an organisation means this one: Business Central's carries tenant and environment too.
fn place_is(ledger: Ledger, there: &str, ours: &str) -> bool {
    there == ours || (ledger == Ledger::BusinessCentral && ours.contains(there))
}

/// The product's name of an organisation that a connection was made to, or the simulator's where there was none.
fn place(ledger: Ledger, there: &str, link: &super::universe::Link) -> String {
    let named = link.organisations.iter().find(|ours| place_is(ledger, there, ours));
    named.cloned().unwrap_or_else(|| there.to_owned())
}
