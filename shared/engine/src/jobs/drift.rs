//! The check for drift: what changed in a ledger since the last check, compared with what CoPortal left there. A call a page; a ledger whose
//! lists show no whole documents takes one more for each of ours that changed.
//!
//! One job for each connection's generation, which begins anew by itself every hour while the connection syncs by itself, and whenever somebody
//! asks. Nothing is written to the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use coportal_aws::records::sync::SyncKey;
use coportal_core::connection::{Connection, ConnectionStatus, Generation};
use coportal_core::ctx::Ctx;
use coportal_core::document::RemoteDocument;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::id::{EventId, InvoiceId, RunId, WorkspaceId};
use coportal_core::job::{JobId, NextStep};
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::drift::{Drift, DriftKind, Drifted, drift};
use coportal_core::sync::row::{RowProblem, SyncRow};
use coportal_core::timeline::{Actor, TimelineEvent};
use coportal_ledgers::changes::{ChangedDocument, ChangedPage, Seen};
use coportal_ledgers::exec::Meter;
use coportal_ledgers::{Access, LedgerApi};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{StepOf, Steps};
use crate::Engine;
use crate::access::AccessToken;
use crate::sync::{check_connection, check_plan, not_connected, other_organisation, public_half};

/// How often a connection that syncs by itself is checked.
const EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How much of the time before is looked at again: for clocks, and for changes that a ledger's list shows late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// When a check that a limit or a ledger stood in the way of is tried again, where the vendor named no time.
const LATER: SignedDuration = SignedDuration::from_mins(5);

/// What a check keeps in its head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DriftCheck {
    ledger: Ledger,
    generation: Generation,
    /// Everything up to here has been looked at.
    checked_to: Timestamp,
    /// The check that is under way.
    #[serde(default)]
    round: Option<Round>,
    /// When the last whole check ended.
    #[serde(default)]
    checked_at: Option<Timestamp>,
    #[serde(default)]
    problem: Option<RowProblem>,
}

/// A check that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Round {
    since: Timestamp,
    begun_at: Timestamp,
    #[serde(default)]
    cursor: Option<String>,
    /// What is left of the page at `cursor`, when the check stopped within it: reading the page and its documents again would take the day's
    /// calls and might never come further. What changes in them from then on is of the next check, which looks at all that changed since
    /// this one began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest: Option<Rest>,
}

/// Documents of a page that are not compared yet, all of a list that shows no whole documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rest {
    documents: Vec<Unread>,
    /// Where the next page begins; `None` at the end.
    next: Option<String>,
}

/// A document that is not compared yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unread {
    external_id: String,
    version: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

impl Rest {
    /// What of `page` is not in `compared`; `None` where it is best read again, because the list tells more than is kept.
    fn of(page: ChangedPage, compared: &BTreeSet<String>) -> Option<Self> {
        let left = page.documents.into_iter().filter(|document| !compared.contains(&document.external_id));
        let documents = left.map(|document| match document.seen {
            Seen::Version(version) => Some(Unread { external_id: document.external_id, version, deleted: false }),
            Seen::Deleted => Some(Unread { external_id: document.external_id, version: None, deleted: true }),
            Seen::Whole(_) => None,
        });
        Some(Self { documents: documents.collect::<Option<_>>()?, next: page.next })
    }

    fn page(self) -> ChangedPage {
        let seen = |unread: Unread| ChangedDocument {
            external_id: unread.external_id,
            seen: if unread.deleted { Seen::Deleted } else { Seen::Version(unread.version) },
        };
        ChangedPage { documents: self.documents.into_iter().map(seen).collect(), next: self.next }
    }
}

/// How the checks of a connection stand.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DriftState {
    /// When the books were last compared; null before the first time.
    pub checked_at: Option<Timestamp>,
    /// When they are compared next; null where nobody asks for it: the connection does not sync by itself.
    pub due_at: Option<Timestamp>,
    /// Why the last check did not come to its end.
    pub problem: Option<RowProblem>,
}

/// A page of what somebody changed.
#[derive(Debug, Clone)]
pub struct DriftPage {
    /// The entries.
    pub items: Vec<Drifted>,
    /// The invoice after which the next page begins.
    pub next: Option<InvoiceId>,
    /// How the checks stand.
    pub state: DriftState,
}

/// Why a page of changes was not read.
enum Stop {
    /// Not now.
    Later(Timestamp),
    /// Not at all.
    Problem(Problem),
}

impl Engine {
    /// Has the books of a connection compared now.
    ///
    /// # Errors
    /// When the plan or the connection does not allow it.
    pub async fn check_drift(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger) -> Outcome<DriftState> {
        let workspace = self.store.workspace(ws).await?.ok_or_else(|| Problem::not_found("workspace"))?;
        check_plan(&workspace, ledger)?;
        let connection = self.store.connection(ws, ledger).await?.ok_or_else(|| not_connected(ledger))?.value;
        check_connection(&connection)?;
        self.wake_drift_check(ctx, ws, &connection, ctx.now()).await?;
        self.send_step(ctx, ws, job_of(&connection)).await;
        self.drift_state(ctx, ws, &connection).await
    }

    /// A connection that syncs by itself is compared every hour from now on. Harmless when it is already.
    pub(crate) async fn keep_checking_drift(&self, ctx: &Ctx, ws: WorkspaceId, connection: &Connection) -> Outcome<()> {
        if connection.options.auto_sync && connection.status == ConnectionStatus::Connected {
            self.wake_drift_check(ctx, ws, connection, ctx.now().saturating_add(EVERY).unwrap_or(Timestamp::MAX)).await?;
        }
        Ok(())
    }

    async fn wake_drift_check(&self, ctx: &Ctx, ws: WorkspaceId, connection: &Connection, at: Timestamp) -> Outcome<()> {
        let job = job_of(connection);
        let body = DriftCheck {
            ledger: connection.ledger,
            generation: connection.generation,
            checked_to: connection.connected_at.unwrap_or_else(|| ctx.now()),
            round: None,
            checked_at: None,
            problem: None,
        };
        if !self.store.create_job(ctx, ws, job, &body, at, None).await? {
            self.store.job_due_by(ctx, ws, job, at).await?;
        }
        Ok(())
    }

    async fn drift_state(&self, ctx: &Ctx, ws: WorkspaceId, connection: &Connection) -> Outcome<DriftState> {
        let head = self.store.job::<DriftCheck>(ctx, ws, job_of(connection)).await?;
        Ok(head.map_or(DriftState { checked_at: None, due_at: None, problem: None }, |head| DriftState {
            checked_at: head.value.body.checked_at,
            due_at: head.value.next_at,
            problem: head.value.body.problem,
        }))
    }

    /// A page of what somebody changed in the books of a connection.
    ///
    /// # Errors
    /// 409 without a connected organisation.
    pub async fn drifts(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, limit: u32, after: Option<InvoiceId>) -> Outcome<DriftPage> {
        let connection = self.store.connection(ws, ledger).await?.ok_or_else(|| not_connected(ledger))?.value;
        check_connection(&connection)?;
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let page = self.store.drifts(ws, ledger, connection.generation, limit, after).await?;
        let state = self.drift_state(ctx, ws, &connection).await?;
        Ok(DriftPage { items: page.items, next: page.next.and_then(|next| next.parse().ok()), state })
    }

    /// The books of the connection, read with its own token.
    async fn changed_page(&self, ctx: &Ctx, books: &Books<'_>, round: &Round) -> Result<ChangedPage, Stop> {
        let mut token = self.drift_token(ctx, books, None).await?;
        for renewed in [false, true] {
            let read = books.api.changes.changed_page(books.access(ctx, &token), round.since, round.cursor.as_deref()).await;
            match read {
                Ok(answered) => return Ok(answered.value),
                Err(failure) if failure.disposition == Disposition::Reauthorize && !renewed => {
                    token = self.drift_token(ctx, books, Some(&token)).await?;
                }
                Err(failure) => return Err(stop(ctx, &failure)),
            }
        }
        Err(Stop::Later(later(ctx)))
    }

    async fn drift_token(&self, ctx: &Ctx, books: &Books<'_>, refused: Option<&AccessToken>) -> Result<AccessToken, Stop> {
        use crate::access::AccessProblem;
        let (ws, connection) = (books.ws, books.connection);
        let token = match refused {
            None => self.access_token(ctx, ws, connection, None).await,
            Some(_) => self.renew_token(ctx, ws, connection, refused).await,
        };
        token.map_err(|problem| match problem {
            AccessProblem::Busy { until } | AccessProblem::Unsettled { until } => Stop::Later(until),
            AccessProblem::Failed(failure) => stop(ctx, &failure),
            AccessProblem::Dead | AccessProblem::Store(_) => Stop::Problem(problem.problem(connection.ledger)),
        })
    }

    /// Compares the documents of a page that are this connection's. `compared` takes in each that needs no further look.
    async fn compare_page(&self, ctx: &Ctx, books: &Books<'_>, page: &ChangedPage, compared: &mut BTreeSet<String>) -> Result<(), Stop> {
        let (ledger, generation) = (books.connection.ledger, books.connection.generation);
        let ours = |error: coportal_aws::error::StoreError| Stop::Problem(error.into());
        let mut newest: BTreeMap<&str, &ChangedDocument> = BTreeMap::new();
        for document in &page.documents {
            newest.insert(document.external_id.as_str(), document);
        }
        let ids: Vec<&str> = newest.keys().copied().collect();
        let owners = self.store.document_owners(ctx, ledger, &books.organisation, &ids).await.map_err(ours)?;
        let owned: Vec<(SyncKey, &ChangedDocument)> = owners
            .into_iter()
            .zip(newest.values())
            .filter_map(|(owner, document)| {
                owner.filter(|(ws, _)| *ws == books.ws).map(|(ws, inv)| (SyncKey { ws, inv, ledger, generation }, *document))
            })
            .collect();
        let keys: Vec<SyncKey> = owned.iter().map(|(key, _)| *key).collect();
        let rows: BTreeMap<InvoiceId, SyncRow> =
            self.store.sync_rows_of(ctx, &keys).await.map_err(ours)?.into_iter().map(|(key, row)| (key.inv, row)).collect();
        let known = self.store.drifted_invoices(books.ws, ledger, generation).await.map_err(ours)?;
        for (key, document) in owned {
            let Some(row) = rows.get(&key.inv) else { continue };
            // A write of our own is under way: what came of it is compared when it is over, and changes the document once more.
            let is_linked = row.link.as_ref().is_some_and(|link| link.external_id.eq_ignore_ascii_case(&document.external_id));
            if !is_linked || row.intent.is_some() || row.lease.is_some_and(|lease| lease.is_live(ctx.now())) {
                continue;
            }
            let found = self.compare(ctx, books, row, document).await?;
            self.note_drift(ctx, key, row, found, known.contains(&key.inv)).await.map_err(Stop::Problem)?;
            compared.insert(document.external_id.clone());
        }
        Ok(())
    }

    async fn compare(
        &self,
        ctx: &Ctx,
        books: &Books<'_>,
        row: &SyncRow,
        document: &ChangedDocument,
    ) -> Result<Option<(Drift, Option<String>)>, Stop> {
        let told = |there: &RemoteDocument| drift(row, there).map(|drift| (drift, there.version.clone()));
        let link = row.link.as_ref();
        match &document.seen {
            Seen::Whole(there) => Ok(told(there)),
            Seen::Deleted => Ok(link.filter(|link| !link.status.is_gone()).map(|_| (Drift::deleted(), None))),
            Seen::Version(version) if version.is_some() && link.is_some_and(|link| link.remote_version == *version) => Ok(None),
            Seen::Version(_) => {
                if !ctx.has_time_for(books.api.rules.call_timeout) {
                    return Err(Stop::Later(ctx.now()));
                }
                let token = self.drift_token(ctx, books, None).await?;
                let read = books.api.documents.read_document(books.access(ctx, &token), &document.external_id).await;
                match read.map_err(|failure| stop(ctx, &failure))?.value {
                    Some(there) => Ok(told(&there)),
                    None => Ok(link.filter(|link| !link.status.is_gone()).map(|_| (Drift::deleted(), None))),
                }
            }
        }
    }

    async fn note_drift(&self, ctx: &Ctx, key: SyncKey, row: &SyncRow, found: Option<(Drift, Option<String>)>, known: bool) -> Outcome<()> {
        let SyncKey { ws, inv, ledger, generation } = key;
        let Some((drift, version)) = found else {
            if known && let Some(before) = self.store.drift(ws, ledger, generation, inv).await? {
                self.store.delete_drift(ctx, ws, ledger, generation, &before).await?;
            }
            return Ok(());
        };
        let before = if known { self.store.drift(ws, ledger, generation, inv).await? } else { None };
        if before.as_ref().is_some_and(|before| before.drift() == drift && before.version == version) {
            return Ok(());
        }
        let link = row.link.as_ref();
        let text = told(ledger, &drift);
        let drifted = Drifted {
            inv,
            external_id: link.map(|link| link.external_id.clone()).unwrap_or_default(),
            external_number: link.and_then(|link| link.external_number.clone()),
            external_url: link.and_then(|link| link.url.clone()),
            kinds: drift.kinds,
            differences: drift.differences,
            version,
            seen_at: before.map_or_else(|| ctx.now(), |before| before.seen_at),
        };
        self.store.put_drift(ctx, ws, ledger, generation, &drifted).await?;
        let line = TimelineEvent {
            id: EventId::new(ctx.uuid()),
            at: ctx.now(),
            ledger: Some(ledger),
            step: "changed_there".to_owned(),
            text,
            vendor_request_id: None,
            actor: Actor::System,
            version: row.done,
        };
        Ok(self.store.put_timeline(ctx, ws, inv, &line).await?)
    }
}

/// What somebody did, in a sentence for the timeline.
fn told(ledger: Ledger, drift: &Drift) -> String {
    let words = drift.kinds.iter().map(|kind| match kind {
        DriftKind::Voided => "voided",
        DriftKind::Deleted => "deleted",
        DriftKind::Paid => "paid or credited",
        DriftKind::Renumbered => "given another number",
        DriftKind::ContactChanged => "given to another contact",
        DriftKind::Changed => "changed",
    });
    let words: Vec<&str> = words.collect();
    let fields: Vec<&str> = drift.differences.iter().map(|difference| difference.field.as_str()).collect();
    let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
    format!(
        "Somebody has worked on the document in {}: it was {}{fields}. CoPortal leaves it as it is.",
        ledger.label(),
        words.join(" and ")
    )
}

fn job_of(connection: &Connection) -> JobId {
    JobId::Drift { ledger: connection.ledger, generation: connection.generation }
}

fn later(ctx: &Ctx) -> Timestamp {
    ctx.now().saturating_add(LATER).unwrap_or(Timestamp::MAX)
}

fn stop(ctx: &Ctx, failure: &Failure) -> Stop {
    match failure.disposition {
        Disposition::Retry { not_before } => Stop::Later(not_before.unwrap_or_else(|| later(ctx)).max(ctx.now())),
        Disposition::LookFirst | Disposition::Reauthorize => Stop::Later(later(ctx)),
        Disposition::Reject { .. } | Disposition::Hold { .. } | Disposition::Stale | Disposition::Defect => {
            Stop::Problem(failure.problem())
        }
    }
}

/// The books that are compared.
struct Books<'a> {
    ws: WorkspaceId,
    connection: &'a Connection,
    organisation: String,
    api: &'a LedgerApi,
    meter: Meter,
}

impl Books<'_> {
    fn access<'t>(&'t self, ctx: &Ctx, token: &'t AccessToken) -> Access<'t> {
        let timeout = Duration::try_from(self.api.rules.call_timeout).unwrap_or(Duration::from_secs(12));
        Access { organisation: &self.organisation, token: token.secret(), meter: &self.meter, timeout, now: ctx.now() }
    }
}

/// When a check that stopped goes on: then, and a moment from now at the earliest.
fn wait(ctx: &Ctx, until: Timestamp) -> NextStep {
    NextStep::At(until.max(ctx.now().saturating_add(SignedDuration::from_secs(1)).unwrap_or(until)))
}

impl DriftCheck {
    /// Reads and compares the next page; answers whether there is another one.
    async fn look_at_page(&mut self, engine: &Engine, ctx: &Ctx, books: &Books<'_>) -> Result<bool, Stop> {
        let round = self.round.get_or_insert_with(|| Round {
            since: self.checked_to.saturating_sub(OVERLAP).unwrap_or(self.checked_to),
            begun_at: ctx.now(),
            cursor: None,
            rest: None,
        });
        let page = match round.rest.clone() {
            Some(rest) => rest.page(),
            None => engine.changed_page(ctx, books, round).await?,
        };
        let mut compared = BTreeSet::new();
        if let Err(stop) = engine.compare_page(ctx, books, &page, &mut compared).await {
            round.rest = Rest::of(page, &compared);
            return Err(stop);
        }
        self.problem = None;
        if let Some(cursor) = page.next {
            round.cursor = Some(cursor);
            round.rest = None;
            return Ok(true);
        }
        self.checked_to = round.begun_at;
        self.checked_at = Some(ctx.now());
        self.round = None;
        Ok(false)
    }
}

impl Steps for DriftCheck {
    async fn step(&mut self, engine: &Engine, ctx: &Ctx, of: StepOf) -> Outcome<NextStep> {
        let workspace = engine.store.workspace(of.ws).await?.ok_or_else(|| Problem::not_found("workspace"))?;
        check_plan(&workspace, self.ledger)?;
        let connection = engine.store.connection(of.ws, self.ledger).await?.ok_or_else(|| not_connected(self.ledger))?.value;
        let organisation = check_connection(&connection)?;
        if connection.generation != self.generation {
            return Err(other_organisation(self.ledger));
        }
        let next_hour = ctx.now().saturating_add(EVERY).unwrap_or(Timestamp::MAX);
        if connection.status == ConnectionStatus::ReconnectRequired {
            // It goes on by itself after the reconnect.
            return Ok(NextStep::At(next_hour));
        }
        let api = engine.ledgers.get(self.ledger).ok_or_else(|| not_connected(self.ledger))?;
        let permits = engine.permits(ctx, api, &organisation, RunId::new(ctx.uuid()));
        let books = Books { ws: of.ws, connection: &connection, organisation, api, meter: permits.meter() };
        let stopped = Box::pin(self.look_at_page(engine, ctx, &books)).await;
        // Whatever it came to, the next one who calls does not wait for its slot to end by itself.
        permits.close().await;
        match stopped {
            Ok(true) => return Ok(NextStep::Now),
            Ok(false) => {}
            Err(Stop::Later(until)) => return Ok(wait(ctx, until)),
            // What refuses this check may be mended within the hour: one refusal does not end all those to come.
            Err(Stop::Problem(problem)) if connection.options.auto_sync => {
                tracing::warn!(?problem, "a check for changes was refused; the next one is in an hour");
                self.give_up(ctx.now(), &problem);
            }
            Err(Stop::Problem(problem)) => return Err(problem),
        }
        Ok(if connection.options.auto_sync { NextStep::At(next_hour) } else { NextStep::Rest })
    }

    fn give_up(&mut self, _now: Timestamp, problem: &Problem) {
        self.round = None;
        self.problem = (problem.kind != ProblemKind::NotFound).then(|| public_half(problem));
    }
}
