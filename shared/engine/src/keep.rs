//! The keeper: idle grants are refreshed in time, ends that no refresh moves are announced, and what waited for a person goes on.

use coportal_aws::keys::SHARDS;
use coportal_aws::records::keep_alive::KeptTokens;
use coportal_aws::records::sync::{Saved, SyncKey};
use coportal_aws::records::tokens::{KEEP_ALIVE_AFTER, TokenRow};
use coportal_core::connection::{Connection, ConnectionStatus};
use coportal_core::ctx::Ctx;
use coportal_core::id::{EventId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::row::{SyncRow, SyncState, Waiting, WaitingFor};
use coportal_core::timeline::{Actor, TimelineEvent};
use coportal_ledgers::profile::Profile;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};

use crate::Engine;
use crate::access::AccessProblem;
use crate::sync::check_plan;

/// Connections that are gone through at once, and rows of each that are resumed at once.
const AT_ONCE: usize = 8;
/// What one page of rows, or one refresh, needs.
const STEP: SignedDuration = SignedDuration::from_secs(14);
/// Days before the end at which it is announced.
const WARNINGS: [i64; 3] = [30, 7, 1];
/// Two instants that a vendor means as one differ by less.
const SAME_END: SignedDuration = SignedDuration::from_hours(24);

/// What one round of the keeper came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Tokens that were looked at.
    pub looked: u32,
    /// Grants that were refreshed because nobody used them.
    pub refreshed: u32,
    /// Grants that turned out dead.
    pub dead: u32,
    /// Ends that were announced.
    pub warned: u32,
    /// Rows that go on.
    pub resumed: u32,
    /// What failed and is tried again.
    pub failed: u32,
    /// Whether something was left for the next round.
    pub more: bool,
}

/// When tokens of this profile were issued, by what is stored.
fn issued_at(profile: &Profile, row: &TokenRow) -> Timestamp {
    row.access_exp.saturating_sub(profile.access_token_life).unwrap_or(Timestamp::MIN)
}

/// Whether an unused grant is refreshed now: after a quarter of the time in which it would die.
fn is_idle(profile: &Profile, row: &TokenRow, now: Timestamp) -> bool {
    let quarter = profile.refresh_token_life / 4;
    issued_at(profile, row).saturating_add(quarter).is_ok_and(|due| due <= now)
}

/// The end of a grant that no refresh moves: it is told earlier than the life of an unused refresh token would put it.
fn hard_end(profile: &Profile, row: &TokenRow) -> Option<Timestamp> {
    let rolling = issued_at(profile, row).saturating_add(profile.refresh_token_life).unwrap_or(Timestamp::MAX);
    row.refresh_exp.filter(|end| end.saturating_add(SAME_END).is_ok_and(|end| end < rolling))
}

/// The warning that is due: the last one whose day has come since the look before this one.
fn warning(end: Timestamp, before: Timestamp, now: Timestamp) -> Option<i64> {
    let day = |days: i64| end.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
    WARNINGS.into_iter().filter(|days| before < day(*days) && day(*days) <= now).min()
}

/// Where the walk through a shard stands.
enum Place {
    First,
    After(String),
    End,
}

/// A shard that could not be read: told, and the round goes on.
fn shard_left(kept: &mut Kept, shard: u8, problem: Problem) -> Problem {
    kept.failed += 1;
    kept.more = true;
    tracing::warn!(shard, ?problem, "a shard of the kept tokens could not be read");
    problem
}

/// All shards, from the one whose hour it is.
fn shards_from(now: Timestamp) -> impl Iterator<Item = u8> {
    let hour = now.as_second().div_euclid(3_600).rem_euclid(i64::from(SHARDS));
    let first = u8::try_from(hour).unwrap_or_default();
    (first..SHARDS).chain(0..first)
}

impl Engine {
    /// Refreshes the grants that nobody uses, under the refresh lease as everybody, announces ends 30, 7 and 1 days ahead, and lets go on what
    /// waits for a connection that stands again. Harmless twice.
    ///
    /// Grants come first, of all shards: those whose look is due stand in front of their shard, and a look puts them off by a day, so that
    /// the next round goes on where this one ended. Each hour another shard is the first, so that a round that never comes to the end
    /// leaves out others than the one before.
    ///
    /// A shard that cannot be read is left to the next round; the others do not wait for it.
    ///
    /// # Errors
    /// When no shard could be read.
    pub async fn keep_tokens(&self, ctx: &Ctx) -> Outcome<Kept> {
        let mut kept = Kept::default();
        let mut unread = None;
        let mut read = 0;
        for shard in shards_from(ctx.now()) {
            match self.look_after_shard(ctx, shard, &mut kept).boxed().await {
                Ok(()) => read += 1,
                Err(problem) => unread = Some(shard_left(&mut kept, shard, problem)),
            }
        }
        for shard in shards_from(ctx.now()) {
            match self.resume_shard(ctx, shard, &mut kept).boxed().await {
                Ok(()) => read += 1,
                Err(problem) => unread = Some(shard_left(&mut kept, shard, problem)),
            }
        }
        match unread {
            Some(problem) if read == 0 => Err(problem),
            Some(_) | None => Ok(kept),
        }
    }

    /// The next page of a shard's tokens, those whose look is due first; `None` after the last one, and when the time is up.
    async fn next_page(&self, ctx: &Ctx, shard: u8, at: &mut Place, kept: &mut Kept) -> Outcome<Option<Vec<KeptTokens>>> {
        let after = match at {
            Place::First => None,
            Place::After(last) => Some(last.as_str()),
            Place::End => return Ok(None),
        };
        if !ctx.has_time_for(STEP) {
            kept.more = true;
            return Ok(None);
        }
        let page = self.store.kept_tokens(shard, after).await?;
        *at = page.next.map_or(Place::End, Place::After);
        Ok(Some(page.items))
    }

    /// The tokens of a shard whose look is due.
    async fn look_after_shard(&self, ctx: &Ctx, shard: u8, kept: &mut Kept) -> Outcome<()> {
        let mut at = Place::First;
        while let Some(page) = self.next_page(ctx, shard, &mut at, kept).await? {
            for tokens in page {
                if tokens.look_at > ctx.now() {
                    return Ok(());
                }
                if !ctx.has_time_for(STEP) {
                    kept.more = true;
                    return Ok(());
                }
                let ledger = tokens.key.ledger;
                if let Err(problem) = self.look_after(ctx, tokens, kept).await {
                    kept.failed += 1;
                    tracing::warn!(ledger = ledger.slug(), ?problem, "tokens could not be looked after");
                }
            }
        }
        Ok(())
    }

    /// What waits for a person's act, of all connections of a shard.
    async fn resume_shard(&self, ctx: &Ctx, shard: u8, kept: &mut Kept) -> Outcome<()> {
        let mut at = Place::First;
        while let Some(page) = self.next_page(ctx, shard, &mut at, kept).await? {
            let resumes = stream::iter(page).map(|KeptTokens { key, .. }| async move {
                let resumed = if ctx.has_time_for(STEP) { Some(self.resume_parked(ctx, key.ws, key.ledger).await) } else { None };
                (key.ledger, resumed)
            });
            for (ledger, resumed) in resumes.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
                match resumed {
                    Some(Ok(resumed)) => kept.resumed = kept.resumed.saturating_add(resumed),
                    Some(Err(problem)) => {
                        kept.failed += 1;
                        tracing::warn!(ledger = ledger.slug(), ?problem, "what waits could not be resumed");
                    }
                    None => kept.more = true,
                }
            }
        }
        Ok(())
    }

    async fn look_after(&self, ctx: &Ctx, tokens: KeptTokens, kept: &mut Kept) -> Outcome<()> {
        let KeptTokens { key, look_at } = tokens;
        kept.looked += 1;
        let connection = self.store.connection(key.ws, key.ledger).await?;
        let Some(row) = self.store.tokens(key).await? else { return Ok(()) };
        let stands =
            connection.filter(|stands| stands.value.generation == key.generation && stands.value.status == ConnectionStatus::Connected);
        let next = ctx.now().saturating_add(KEEP_ALIVE_AFTER).unwrap_or(Timestamp::MAX);
        let (Some(connection), Some(api)) = (stands, self.ledgers.get(key.ledger)) else {
            // Nothing to keep alive: no organisation is chosen, or the grant is dead already.
            self.store.look_later(ctx, key, row.rev, next).await?;
            return Ok(());
        };
        let before = look_at.saturating_sub(KEEP_ALIVE_AFTER).unwrap_or(Timestamp::MIN);
        if let Some(end) = hard_end(api.profile, &row.value)
            && let Some(days) = warning(end, before, ctx.now())
        {
            self.warn_of_end(ctx, key.ws, connection.value.clone(), connection.rev, end, days).await?;
            kept.warned += 1;
        }
        let idle = is_idle(api.profile, &row.value, ctx.now());
        // The mark first: a refresh changes the row, and the next look comes a day later whatever becomes of it.
        if !self.store.look_later(ctx, key, row.rev, next).await? || !idle {
            return Ok(());
        }
        match self.access_token(ctx, key.ws, &connection.value, None).await {
            Ok(_) => kept.refreshed += 1,
            Err(AccessProblem::Dead) => kept.dead += 1,
            Err(problem) => {
                kept.failed += 1;
                tracing::warn!(ledger = key.ledger.slug(), ?problem, "an idle grant could not be refreshed yet");
            }
        }
        Ok(())
    }

    /// Says on the card and in the audit list that a grant ends.
    async fn warn_of_end(&self, ctx: &Ctx, ws: WorkspaceId, connection: Connection, rev: u64, end: Timestamp, days: i64) -> Outcome<()> {
        let label = connection.ledger.label();
        let date = end.strftime("%Y-%m-%d");
        let left = if days == 1 { "in one day".to_owned() } else { format!("within {days} days") };
        let ledger = connection.ledger;
        let text = format!("{label} ends this sign-in on {date} ({left}), however it is used.");
        let warned = Connection { reconnect_reason: Some(text.clone()), ..connection };
        if let Saved::Moved(_) = self.store.save_connection(ctx, ws, &warned, rev).await? {
            // Somebody has just changed it: consented anew, perhaps. The audit line stands; the card says it at the next warning.
            tracing::info!(ledger = ledger.slug(), "the card of a sign-in that ends was changed meanwhile");
        }
        self.audit(ctx, ws, Actor::System, "sign_in_ends", Some(ledger), text).await
    }

    /// Lets go on what waits for a reconnect or a plan, where both are there again: each row is due at once, and the sweep sends it. In
    /// pages, resumable, harmless twice. Answers how many go on.
    ///
    /// # Errors
    /// When the table does not answer; whoever comes next goes on.
    pub async fn resume_parked(&self, ctx: &Ctx, workspace: WorkspaceId, ledger: Ledger) -> Outcome<u32> {
        let mut resumed = 0;
        let mut after: Option<String> = None;
        let mut allowed = None;
        loop {
            let page = self.store.parked_rows(workspace, ledger, after.as_deref()).await?;
            if page.items.is_empty() {
                return Ok(resumed);
            }
            let connection = match &allowed {
                Some(connection) => connection,
                None => match self.resumable(workspace, ledger).await? {
                    Some(connection) => allowed.insert(connection),
                    None => return Ok(0),
                },
            };
            let ours = page.items.into_iter().filter(|key| key.generation == connection.generation);
            let flips: Vec<Outcome<bool>> =
                stream::iter(ours).map(|key| self.resume_row(ctx, key)).buffer_unordered(AT_ONCE).collect().await;
            for flip in flips {
                resumed += u32::from(flip?);
            }
            match page.next {
                Some(next) if ctx.has_time_for(STEP) => after = Some(next),
                Some(_) | None => return Ok(resumed),
            }
        }
    }

    /// The connection, where it stands and the plan includes it.
    async fn resumable(&self, workspace: WorkspaceId, ledger: Ledger) -> Outcome<Option<Connection>> {
        let connection = self.store.connection(workspace, ledger).await?.map(|connection| connection.value);
        let Some(connection) = connection.filter(|connection| connection.status == ConnectionStatus::Connected) else {
            return Ok(None);
        };
        let plan = self.store.workspace(workspace).await?;
        Ok(plan.filter(|workspace| check_plan(workspace, ledger).is_ok()).map(|_| connection))
    }

    async fn resume_row(&self, ctx: &Ctx, key: SyncKey) -> Outcome<bool> {
        let read = self.store.sync_row(key).await?;
        let Some(row) = resumed(&read.value, ctx.now()) else { return Ok(false) };
        match self.store.save_row(ctx, key, &row, read.rev).await? {
            Saved::Done { .. } => {
                let line = TimelineEvent {
                    id: EventId::new(ctx.uuid()),
                    at: ctx.now(),
                    ledger: Some(key.ledger),
                    step: "resumed".to_owned(),
                    text: format!("{} is connected again: this invoice goes on by itself.", key.ledger.label()),
                    vendor_request_id: None,
                    actor: Actor::System,
                    version: row.wanted,
                };
                self.store.put_timeline(ctx, key.ws, key.inv, &line).await?;
                Ok(true)
            }
            // Somebody is at it already.
            Saved::Moved(_) => Ok(false),
        }
    }
}

/// A row that waits for a person's act, as one that goes on at once; `None` for any other.
fn resumed(row: &SyncRow, now: Timestamp) -> Option<SyncRow> {
    let waits = row.waiting.is_some_and(|waiting| {
        waiting.until.is_none()
            && match waiting.reason {
                WaitingFor::Reconnect | WaitingFor::Plan => true,
                WaitingFor::Limit
                | WaitingFor::DayBudget
                | WaitingFor::Ledger
                | WaitingFor::Outcome
                | WaitingFor::OtherRun
                | WaitingFor::Retry => false,
            }
    });
    (row.state == SyncState::Waiting && waits).then(|| SyncRow {
        state: SyncState::Queued,
        waiting: Some(Waiting { reason: WaitingFor::OtherRun, until: Some(now) }),
        problem: None,
        since: Some(now),
        ..row.clone()
    })
}

#[cfg(test)]
mod tests {
    use coportal_aws::vault::Envelope;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn profile(ledger: Ledger) -> &'static Profile {
        let endpoints = coportal_ledgers::Endpoints::default();
        let egress = coportal_ledgers::exec::Egress::of(endpoints.called()).unwrap();
        let transport = std::sync::Arc::new(coportal_ledgers::exec::HttpTransport::new(egress).unwrap());
        coportal_ledgers::Ledgers::new(transport, endpoints).get(ledger).unwrap().profile
    }

    fn issued(profile: &Profile, when: Timestamp, refresh_exp: Option<Timestamp>) -> TokenRow {
        TokenRow::issued(Envelope::from_bytes(vec![1]), when + profile.access_token_life, refresh_exp, 1)
    }

    /// Each ledger's idle age, long before its end: Xero 60 days, QuickBooks 100, Sage 31, Business Central 90.
    #[test]
    fn idle_grants_are_refreshed_in_time() {
        for (ledger, dies, refreshed) in
            [(Ledger::Xero, 60, 15), (Ledger::Quickbooks, 100, 25), (Ledger::Sage, 31, 8), (Ledger::BusinessCentral, 90, 23)]
        {
            let profile = profile(ledger);
            assert_eq!(profile.refresh_token_life, DAY * dies, "{ledger}");
            let row = issued(profile, at("2026-03-01T09:00:00Z"), None);
            let idle = |days: i32| is_idle(profile, &row, at("2026-03-01T09:00:00Z") + DAY * days);
            assert!(!idle(1) && !idle(refreshed - 2) && idle(refreshed) && idle(dies - 1), "{ledger}");
        }
    }

    /// An end that moves with each refresh is none to warn of; one that stays is, 30, 7 and 1 days ahead, each once.
    #[test]
    fn hard_ends_are_announced_30_7_and_1_days_ahead() {
        let profile = profile(Ledger::Quickbooks);
        let now = at("2031-01-01T00:00:00Z");
        assert_eq!(hard_end(profile, &issued(profile, now, Some(now + DAY * 100))), None);
        assert_eq!(hard_end(profile, &issued(profile, now, None)), None);
        let end = now + DAY * 40;
        assert_eq!(hard_end(profile, &issued(profile, now, Some(end))), Some(end));
        let told: Vec<i64> = (0..41).filter_map(|day| warning(end, now + DAY * (day - 1), now + DAY * day)).collect();
        assert_eq!(told, [30, 7, 1]);
        // A keeper that was away for long says the most urgent alone.
        assert_eq!(warning(end, now, end - DAY * 2), Some(7));
    }

    /// Each shard is the first once in so many hours, and each round goes through all of them.
    #[test]
    fn each_hour_another_shard_is_the_first() {
        let begin = at("2026-03-01T09:00:00Z");
        let mut firsts = Vec::new();
        for hour in 0..i64::from(SHARDS) {
            let shards: Vec<u8> = shards_from(begin + SignedDuration::from_hours(hour)).collect();
            assert_eq!(shards.iter().copied().collect::<std::collections::BTreeSet<u8>>(), (0..SHARDS).collect());
            assert_eq!(shards.len(), usize::from(SHARDS));
            firsts.push(shards[0]);
        }
        firsts.sort_unstable();
        assert_eq!(firsts, (0..SHARDS).collect::<Vec<u8>>());
    }

    #[test]
    fn only_what_waits_for_a_person_goes_on() {
        let now = at("2026-03-01T09:00:00Z");
        let row = |state, reason, until| SyncRow { state, waiting: Some(Waiting { reason, until }), ..SyncRow::default() };
        for reason in [WaitingFor::Reconnect, WaitingFor::Plan] {
            let on = resumed(&row(SyncState::Waiting, reason, None), now).unwrap();
            assert_eq!((on.state, on.waiting.and_then(|waiting| waiting.until)), (SyncState::Queued, Some(now)));
            assert_eq!(resumed(&on, now), None, "harmless twice");
        }
        for other in [
            row(SyncState::Waiting, WaitingFor::Limit, Some(now)),
            row(SyncState::Uncertain, WaitingFor::Reconnect, None),
            row(SyncState::Held, WaitingFor::Reconnect, None),
            SyncRow::default(),
        ] {
            assert_eq!(resumed(&other, now), None);
        }
    }
}
