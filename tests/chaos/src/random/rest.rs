//! Everything comes to rest: nothing goes wrong any more, sweep and workers go on by themselves, and then people click once more.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use coportal_aws::records::sync::SyncKey;
use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::problem::Outcome;
use coportal_core::sync::row::SyncRow;
use coportal_engine::Engine;
use coportal_engine::sync::{Changed, SyncEnd, SyncRequest};
use jiff::{SignedDuration, Timestamp};

use super::history::Click;
use super::perform::{Aim, click, odd};
use super::universe::{BULK, NOW, Universe, first};

/// Rounds of waiting after which an invoice that is not at rest never will be.
const ROUNDS: usize = 60;
/// Messages that a dead worker had received are seen again after so long (the template's `VisibilityTimeout`), and none is delayed longer.
const HIDDEN: SignedDuration = SignedDuration::from_secs(1_080 + 1);
/// Marks of invoices are due after so long at most.
const MARKS_AGE: SignedDuration = SignedDuration::from_mins(3);

/// Connections, and the rows of their present generations, as they are stored: read once for a look at all of them.
pub(super) struct Seen {
    connections: Vec<Connection>,
    rows: HashMap<SyncKey, SyncRow>,
}

impl Seen {
    /// A connection.
    ///
    /// # Errors
    /// When the universe has none at this place.
    pub(super) fn connection(&self, link: usize) -> Result<&Connection> {
        self.connections.get(link).context("a connection")
    }

    /// All of them, in their order.
    pub(super) fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The row of an invoice in its connection's present generation.
    pub(super) fn row(&self, aim: &Aim) -> Option<&SyncRow> {
        self.rows.get(&aim.key(self.connections.get(aim.link)?.generation))
    }

    /// Connections whose consent has to be given anew.
    fn lost(&self) -> impl Iterator<Item = usize> {
        let lost = |connection: &Connection| connection.status == ConnectionStatus::ReconnectRequired;
        self.connections.iter().enumerate().filter(move |(_, connection)| lost(connection)).map(|(place, _)| place)
    }
}

impl Universe {
    /// Reads connections and rows.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) async fn seen(&self) -> Result<Seen> {
        let mut stored = HashMap::new();
        for (space, known) in self.spaces.iter().enumerate() {
            let found = self.quiet.store.connections(&self.ctx(), known.workspace.id).await?;
            stored.extend(found.into_iter().map(|connection| ((space, connection.value.ledger), connection.value)));
        }
        let connections = self.links.iter().map(|link| stored.remove(&(link.space, link.ledger)).context("it was connected"));
        let connections: Vec<Connection> = connections.collect::<Result<_>>()?;
        let mut keys = Vec::new();
        for aim in self.aims()? {
            keys.push(aim.key(connections.get(aim.link).context("a connection")?.generation));
        }
        let rows = self.quiet.store.sync_rows_of(&self.ctx(), &keys).await?.into_iter().collect();
        Ok(Seen { connections, rows })
    }

    /// Lets everything come to rest: people click and wait, nothing goes wrong any more, and what is due is done. Answers what is stored then.
    ///
    /// # Errors
    /// When the harness itself cannot go on.
    pub(super) async fn rest(&mut self, hands: &Engine) -> Result<(Vec<String>, Seen)> {
        let mut wrong = self.machines(hands).await?;
        // A person looks at every invoice once more, so that the newest version is wanted everywhere: one click each, or all of a connection.
        for (aim, end) in self.looked(hands).await? {
            if matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing) {
                self.unchanged.insert((aim.known.id, aim.request.ledger));
            }
            wrong.extend(odd_at_rest(&aim, &end));
        }
        for _ in 0..ROUNDS {
            let seen = self.lost_grants(&mut wrong).await?;
            let due = self.pending(&seen)?;
            let Some(first) = due.iter().map(|(at, _)| *at).min() else { return Ok((wrong, seen)) };
            let wait = self.clock.now().duration_until(first) + SignedDuration::from_secs(1);
            self.clock.advance(wait.max(SignedDuration::from_secs(1)));
            for (at, aim) in due {
                if at <= self.clock.now() {
                    wrong.extend(odd_at_rest(&aim, &click(hands, self, &aim).await));
                }
            }
        }
        let seen = self.seen().await?;
        for aim in self.aims()? {
            if seen.connection(aim.link)?.status == ConnectionStatus::Connected
                && let Some(row) = seen.row(&aim)
                && !row.state.is_at_rest()
            {
                let (number, ledger, waiting) = (&aim.known.number, aim.request.ledger, row.waiting);
                wrong.push(format!("I3: {number} to {ledger} does not come to rest: {:?}, {waiting:?}, {:?}", row.state, row.problem));
            }
        }
        Ok((wrong, seen))
    }

    /// Every invoice synced once more: in half of all histories by a click each, in the others with all of its connection.
    async fn looked(&self, hands: &Engine) -> Result<Vec<(Aim, Outcome<SyncEnd>)>> {
        let aims = self.aims()?;
        let mut ends = Vec::with_capacity(aims.len());
        // Not by the lowest bit, which says how the machines come to rest: each goes with each.
        if self.seed % 4 < 2 {
            for aim in aims {
                let end = click(hands, self, &aim).await;
                ends.push((aim, end));
            }
            return Ok(ends);
        }
        let mut of_links: BTreeMap<usize, Vec<Aim>> = BTreeMap::new();
        for aim in aims {
            of_links.entry(aim.link).or_default().push(aim);
        }
        for (link, aims) in of_links {
            let Some(SyncRequest { workspace, ledger, actor, .. }) = aims.first().map(|aim| aim.request.clone()) else { continue };
            let (ctx, generation) = (self.ctx(), self.generation(link)?);
            let invoices: Vec<_> = aims.iter().map(|aim| aim.known.id).collect();
            let mut of: HashMap<_, _> = aims.into_iter().map(|aim| (aim.known.id, aim)).collect();
            let synced = Box::pin(hands.sync_invoices(&ctx, workspace, ledger, generation, &invoices, actor)).await;
            ends.extend(synced.into_iter().filter_map(|(invoice, end)| Some((of.remove(&invoice)?, end))));
        }
        Ok(ends)
    }

    /// Sweep and workers alone, until nothing is due: what auto-sync was told of is brought to its end without anybody's click (I3, C20).
    async fn machines(&mut self, hands: &Engine) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let mut at_rest = None;
        for round in 0..ROUNDS {
            let seen = self.lost_grants(&mut wrong).await?;
            let pending = self.pending(&seen)?;
            let going = self.going().await?;
            let is_quiet = pending.is_empty() && going.is_empty();
            // Marks of invoices are the sweep's to find, once they are old enough for it.
            if is_quiet && self.undone() == 0 && round > 0 {
                at_rest = Some(seen);
                break;
            }
            let first = pending.iter().map(|(at, _)| *at).chain(going).min().unwrap_or_else(|| self.clock.now());
            let wait = self.clock.now().duration_until(first) + SignedDuration::from_secs(1);
            let least = match (round, is_quiet) {
                (0, _) => MARKS_AGE,
                (1, false) => SignedDuration::from_secs(61),
                // What waits longer than a minute waits for a dead process's leases and slots: nothing is to be seen of the minutes until then.
                _ => HIDDEN,
            };
            self.clock.advance(wait.max(least));
            let swept = Box::pin(hands.auto_sync().sweep(&self.ctx())).await;
            if let Err(problem) = swept {
                wrong.push(format!("the sweep, at rest: {problem:?}"));
            }
            // One half of all histories comes to rest in the function, the other without its batches.
            let is_event = self.seed.is_multiple_of(2);
            for queue in [NOW, BULK] {
                loop {
                    let messages = self.queues().receive(queue, 10);
                    if messages.is_empty() {
                        break;
                    }
                    wrong.extend(Box::pin(self.handled(queue, &messages, hands, is_event)).await?);
                }
            }
        }
        let seen = match at_rest {
            Some(seen) => seen,
            None => self.seen().await?,
        };
        wrong.extend(self.backfilled().await?);
        wrong.extend(self.dead_letters());
        wrong.extend(self.nothing_vanished(&seen).await?);
        wrong.extend(self.shown(&seen).await?);
        Ok(wrong)
    }

    /// Rows of connections that stand, and are not at rest.
    fn pending(&self, seen: &Seen) -> Result<Vec<(Timestamp, Aim)>> {
        let mut due: Vec<(Timestamp, Aim)> = Vec::new();
        for aim in self.aims()? {
            if seen.connection(aim.link)?.status == ConnectionStatus::Connected
                && let Some(row) = seen.row(&aim)
                && !row.state.is_at_rest()
            {
                due.push((self.due(row), aim));
            }
        }
        Ok(due)
    }

    /// When a row is due again.
    fn due(&self, row: &SyncRow) -> Timestamp {
        let parked = row.waiting.and_then(|waiting| waiting.until);
        let leased = row.lease.map(|lease| lease.until);
        parked.or(leased).unwrap_or_else(|| self.clock.now())
    }

    /// Every invoice at every connection of its workspace.
    pub(super) fn aims(&self) -> Result<Vec<Aim>> {
        let mut aims = Vec::new();
        for (invoice, known) in self.invoices.iter().enumerate() {
            for link in 0..self.links_of(known.space).len() {
                aims.push(self.aim(Click { invoice, link })?);
            }
        }
        Ok(aims)
    }

    /// I11: a grant that nothing happened to is never thrown away; one that was lost in a fault is consented to anew, and all goes on (C19).
    /// Answers what is stored then.
    async fn lost_grants(&mut self, wrong: &mut Vec<String>) -> Result<Seen> {
        let seen = self.seen().await?;
        let lost: Vec<usize> = seen.lost().collect();
        if lost.is_empty() {
            return Ok(seen);
        }
        for place in lost {
            let link = self.link(place)?;
            if !self.grants().may_be_lost(link.consent) {
                wrong.push(format!("I11: the grant of {} is thrown away, and nothing had gone wrong with it", link.ledger));
            }
            // To the organisation that it was connected to: what waits for that one has to go on.
            let connection = seen.connection(place)?;
            let organisation = connection.organisation.as_ref().map(|organisation| organisation.name.clone());
            let organisation = organisation.unwrap_or_else(|| first(link.ledger).to_owned());
            self.connect(place, &organisation).await?;
        }
        self.seen().await
    }
}

fn odd_at_rest(aim: &Aim, end: &Outcome<SyncEnd>) -> Option<String> {
    odd(end, false).map(|why| format!("{} to {}, at rest: {why}", aim.known.number, aim.request.ledger))
}
