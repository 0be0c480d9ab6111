//! Heads of jobs: where a job stands, who is at a step of it, and when the next one is due.
//!
//! A job that is not at rest always lies in the `due` index, so that a lost message, or a process that died in the middle of a step, costs
//! time and nothing else.

use aws_sdk_dynamodb::types::AttributeValue;
use coportal_core::ctx::Ctx;
use coportal_core::id::{RunId, WorkspaceId};
use coportal_core::job::{JobId, NextStep};
use coportal_core::sync::row::Lease;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::sync::{Saved, lease_is_free};
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Versioned, Write, from_item, millis_up, rev_of};

/// A message that a step sends is expected within this time; the sweep sends another one then.
const MESSAGE_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// The head of a job; `T` is what its kind keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job<T> {
    /// When the next step may begin; `None` at rest. (Not when the sweep sends a message: that is later, while one is on its way.)
    pub next_at: Option<Timestamp>,
    /// Who is at a step.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Steps in a row that did not end well, this one included: it grows at the claim.
    #[serde(default)]
    pub failures: u32,
    /// Somebody wants it to end. Written from outside a step, and never by one.
    #[serde(default)]
    pub cancel: bool,
    /// What its kind keeps.
    pub body: T,
}

/// The same without its body, where the kind does not matter.
#[derive(Debug, Deserialize)]
struct Bare {
    next_at: Option<Timestamp>,
}

/// How the claim of a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum JobClaim {
    /// It is ours. `rev` grows from claim to claim: what a step writes beside the head carries it, so that a slow step does not write over
    /// a later one's.
    Won {
        /// The head's revision.
        rev: u64,
    },
    /// Somebody else is at it, or has been since it was read.
    Lost,
}

fn head<T: DeserializeOwned>(item: Item) -> Result<Versioned<Job<T>>, StoreError> {
    let rev = rev_of(&item);
    Ok(Versioned::new(from_item(Kind::Job, item)?, rev))
}

fn is_held_by(owner: RunId) -> Condition {
    Condition::new("#lease.#owner = :owner").text(":owner", owner.to_string())
}

impl Store {
    /// Stores a new job, due at `at`, unless there is one of this id; answers whether it was stored.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn create_job<T: Serialize>(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        job: JobId,
        body: &T,
        at: Timestamp,
        ends: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let fields = Fields::empty(Kind::Job)
            .text("ws", ws)
            .text("job", job)
            .value("next_at", &at)?
            .number("failures", 0)
            .value("body", body)?
            .due(Some(keys::due_job(at, ws, job)));
        let fields = match job {
            JobId::Backfill(id) => fields.listed(Some((keys::backfills_pk(ws), keys::backfills_sk(at, id)))),
            JobId::Preview(_) | JobId::Drift { .. } => fields,
        };
        let fields = match ends {
            Some(at) => fields.expires(at),
            None => fields,
        };
        let made = self.write(ctx, Change::put(keys::job(ws, job), fields).when(Condition::absent())).await?;
        Ok(matches!(made, Write::Done { .. }))
    }

    /// The head of a job.
    ///
    /// # Errors
    /// When the table does not answer or the head cannot be read.
    pub async fn job<T: DeserializeOwned>(&self, ctx: &Ctx, ws: WorkspaceId, job: JobId) -> Result<Option<Versioned<Job<T>>>, StoreError> {
        let item = self.get(&keys::job(ws, job)).await?;
        item.filter(|item| crate::store::is_live(item, ctx.now())).map(head).transpose()
    }

    /// Claims the next step of a job that was read at `read_rev`: until `until` nobody else begins one.
    ///
    /// # Errors
    /// When the table does not answer; the claim may then have been made, and ends with its lease.
    pub async fn claim_job(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        job: JobId,
        read_rev: u64,
        lease: Lease,
        failures: u32,
    ) -> Result<JobClaim, StoreError> {
        let fields = Fields::empty(Kind::Job)
            .value("lease", &lease)?
            .number("lease_until", millis_up(lease.until))
            .number("failures", failures)
            .due(Some(keys::due_job(lease.until, ws, job)));
        let free = Condition::rev(read_rev).and(lease_is_free(ctx.now()));
        Ok(match self.write(ctx, Change::update(keys::job(ws, job), fields).when(free)).await? {
            Write::Done { rev } => JobClaim::Won { rev },
            Write::Refused { .. } => JobClaim::Lost,
        })
    }

    /// Ends a step: what the kind keeps, and when the next step is due. Condition: the lease is `owner`'s, be it over by now; a wish to end the
    /// job that came meanwhile stays, and is heard within a minute where the step would have the job wait for longer.
    ///
    /// # Errors
    /// When the table does not answer.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the step")]
    pub async fn save_job<T: Serialize + DeserializeOwned>(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        job: JobId,
        owner: RunId,
        body: &T,
        next: NextStep,
        failures: u32,
    ) -> Result<Saved<Job<T>>, StoreError> {
        let now = ctx.now();
        let (next_at, due_at) = match next {
            NextStep::Now => (Some(now), Some(now.saturating_add(MESSAGE_WITHIN).unwrap_or(Timestamp::MAX))),
            NextStep::At(at) => (Some(at), Some(at)),
            NextStep::Rest => (None, None),
        };
        let fields = Fields::empty(Kind::Job)
            .value("body", body)?
            .value("next_at", &next_at)?
            .number("failures", failures)
            .remove("lease")
            .remove("lease_until")
            .due(due_at.map(|at| keys::due_job(at, ws, job)));
        // A step that ended well and waits knows nothing of a wish that came while it ran; one that failed has its own time.
        let waits = matches!(next, NextStep::At(_)) && failures == 0;
        let unasked = Condition::new("attribute_not_exists(#cancel) OR #cancel = :no").value(":no", AttributeValue::Bool(false));
        let condition = if waits { is_held_by(owner).and(unasked) } else { is_held_by(owner) };
        match self.write(ctx, Change::update(keys::job(ws, job), fields).when(condition)).await? {
            Write::Done { rev } => Ok(Saved::Done { rev }),
            Write::Refused { old: None } => Err(StoreError::corrupt("job", "its head is gone")),
            Write::Refused { old: Some(old) } => {
                let moved = head::<T>(old)?;
                if waits && moved.value.lease.is_some_and(|lease| lease.owner == owner) {
                    return Box::pin(self.save_job(ctx, ws, job, owner, body, NextStep::Now, failures)).await;
                }
                Ok(Saved::Moved(Box::new(moved)))
            }
        }
    }

    /// Wakes a job, at rest or not: its next step may begin at the time that is said, or earlier where it is due earlier. A step that is under way
    /// ends first.
    ///
    /// # Errors
    /// When the table does not answer, or the job is not there.
    pub async fn job_due_by(&self, ctx: &Ctx, ws: WorkspaceId, job: JobId, at: Timestamp) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let item = self.get(&keys::job(ws, job)).await?.ok_or_else(|| StoreError::corrupt("job", "it is not there"))?;
            let rev = rev_of(&item);
            let held = item.contains_key("lease");
            let bare: Bare = from_item(Kind::Job, item)?;
            let earlier = bare.next_at.is_some_and(|next| next <= at);
            // A step under way says itself when the next one is due; what waits for an earlier time keeps it.
            if held || earlier {
                return Ok(());
            }
            let fields = Fields::empty(Kind::Job).value("next_at", &at)?.number("failures", 0).due(Some(keys::due_job(at, ws, job)));
            if let Write::Done { .. } = self.write(ctx, Change::update(keys::job(ws, job), fields).when(Condition::rev(rev))).await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict { operation: "UpdateItem" })
    }

    /// Asks a job that is not at rest to end, or to go on at once where it waits: its next step is due now. Answers whether there is one.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn hurry_job(&self, ctx: &Ctx, ws: WorkspaceId, job: JobId, cancel: bool) -> Result<bool, StoreError> {
        let now = ctx.now();
        for _ in 0..TRIES {
            let Some(item) = self.get(&keys::job(ws, job)).await? else { return Ok(false) };
            let rev = rev_of(&item);
            let leased_until = item.get("lease_until").and_then(|until| until.as_n().ok()).and_then(|until| until.parse::<i64>().ok());
            let leased_until = leased_until.and_then(|until| Timestamp::from_millisecond(until).ok()).filter(|until| now < *until);
            let bare: Bare = from_item(Kind::Job, item)?;
            if bare.next_at.is_none() {
                return Ok(false);
            }
            let mut fields = Fields::empty(Kind::Job).value("next_at", &now)?;
            if cancel {
                fields = fields.value("cancel", &true)?;
            }
            // A step that is under way ends first; its own end says when the next one is due.
            let due_at = leased_until.unwrap_or_else(|| now.saturating_add(MESSAGE_WITHIN).unwrap_or(Timestamp::MAX));
            let change = Change::update(keys::job(ws, job), fields.due(Some(keys::due_job(due_at, ws, job))));
            if let Write::Done { .. } = self.write(ctx, change.when(Condition::rev(rev))).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Conflict { operation: "UpdateItem" })
    }
}

/// How often a change of a head that a step writes at the same moment is tried again.
const TRIES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Index;
    use crate::store::Range;
    use crate::testing::{Fault, Services};
    use coportal_core::id::BackfillId;
    use uuid::Uuid;

    fn ws() -> WorkspaceId {
        WorkspaceId::new(Uuid::from_u128(1))
    }

    fn job() -> JobId {
        JobId::Backfill(BackfillId::new(Uuid::from_u128(2)))
    }

    fn run(n: u128) -> RunId {
        RunId::new(Uuid::from_u128(n))
    }

    async fn due(store: &Store) -> Vec<(WorkspaceId, JobId, String)> {
        let mut found = Vec::new();
        for shard in 0..keys::SHARDS {
            let page = store.query_index(Index::Due, &keys::due_pk(shard), &Range::default()).await.unwrap();
            for item in page.items {
                let sk = item[Index::Due.sk()].as_s().unwrap();
                let (ws, job) = keys::job_of_due_sk(sk).unwrap();
                found.push((ws, job, sk.split('#').next().unwrap().to_owned()));
            }
        }
        found
    }

    /// A job that is not at rest is due: after its message is overdue, after its lease, at its time; at rest it is not.
    #[tokio::test]
    async fn a_job_is_due_until_it_rests() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        assert!(store.create_job(&ctx, ws(), job(), &1_u32, ctx.now(), None).await.unwrap());
        assert!(!store.create_job(&ctx, ws(), job(), &9_u32, ctx.now(), None).await.unwrap(), "one of an id");
        assert_eq!(due(&store).await, [(ws(), job(), "2026-03-01T09:00:00.000Z".to_owned())]);
        let read = store.job::<u32>(&ctx, ws(), job()).await.unwrap().unwrap();
        assert_eq!((read.value.body, read.value.failures, read.value.cancel), (1, 0, false));

        let until = ctx.now() + SignedDuration::from_secs(90);
        let lease = Lease { owner: run(1), until };
        assert!(matches!(store.claim_job(&ctx, ws(), job(), read.rev, lease, 1).await.unwrap(), JobClaim::Won { .. }));
        assert_eq!(due(&store).await[0].2, "2026-03-01T09:01:30.000Z");
        assert_eq!(store.claim_job(&ctx, ws(), job(), read.rev, Lease { owner: run(2), until }, 1).await.unwrap(), JobClaim::Lost);

        let saved = store.save_job(&ctx, ws(), job(), run(1), &2_u32, NextStep::Now, 0).await.unwrap();
        assert!(matches!(saved, Saved::Done { .. }));
        assert_eq!(due(&store).await[0].2, "2026-03-01T09:01:00.000Z", "the sweep gives the step's own message a minute");
        let read = store.job::<u32>(&ctx, ws(), job()).await.unwrap().unwrap();
        assert_eq!((read.value.body, read.value.next_at, read.value.lease), (2, Some(ctx.now()), None));

        assert!(matches!(store.claim_job(&ctx, ws(), job(), read.rev, lease, 1).await.unwrap(), JobClaim::Won { .. }));
        let _ = store.save_job(&ctx, ws(), job(), run(1), &3_u32, NextStep::Rest, 0).await.unwrap();
        assert_eq!(due(&store).await, []);
        assert!(!store.hurry_job(&ctx, ws(), job(), true).await.unwrap(), "at rest");
    }

    /// A step that was overtaken stores nothing; one that is merely late does.
    #[tokio::test]
    async fn a_lease_that_is_over_is_not_yet_lost() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        assert!(store.create_job(&ctx, ws(), job(), &1_u32, ctx.now(), None).await.unwrap());
        let lease = |n, secs| Lease { owner: run(n), until: ctx.now() + SignedDuration::from_secs(secs) };
        assert!(matches!(store.claim_job(&ctx, ws(), job(), 1, lease(1, 30), 1).await.unwrap(), JobClaim::Won { rev: 2 }));
        services.advance(SignedDuration::from_secs(40));
        let later = services.ctx();
        assert!(matches!(store.claim_job(&later, ws(), job(), 2, lease(2, 90), 2).await.unwrap(), JobClaim::Won { rev: 3 }));
        let late = store.save_job(&later, ws(), job(), run(1), &7_u32, NextStep::Rest, 0).await.unwrap();
        assert!(matches!(late, Saved::Moved(_)));
        services.advance(SignedDuration::from_secs(90));
        services.fault(0, Fault::LoseAnswer);
        let own = store.save_job(&services.ctx(), ws(), job(), run(2), &8_u32, NextStep::Rest, 0).await.unwrap();
        assert!(matches!(own, Saved::Done { .. }), "late, and nobody else was at it: {own:?}");
    }

    /// A wish to end a job is kept by a step that ends at the same moment, and makes a waiting job due.
    #[tokio::test]
    async fn a_cancelled_job_hears_of_it() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        assert!(store.create_job(&ctx, ws(), job(), &1_u32, ctx.now(), None).await.unwrap());
        let lease = Lease { owner: run(1), until: ctx.now() + SignedDuration::from_secs(30) };
        let _ = store.claim_job(&ctx, ws(), job(), 1, lease, 1).await.unwrap();
        assert!(store.hurry_job(&ctx, ws(), job(), true).await.unwrap());
        let tomorrow = ctx.now() + SignedDuration::from_hours(24);
        let saved = store.save_job(&ctx, ws(), job(), run(1), &2_u32, NextStep::At(tomorrow), 0).await.unwrap();
        assert!(matches!(saved, Saved::Done { .. }));
        let read = store.job::<u32>(&ctx, ws(), job()).await.unwrap().unwrap().value;
        assert_eq!((read.cancel, read.next_at, read.body, read.lease), (true, Some(ctx.now()), 2, None));
        assert_eq!(due(&store).await[0].2, "2026-03-01T09:01:00.000Z", "the sweep finds it within a minute");

        // A step that failed has its own time, and a cancelled one is tried again then.
        let read = store.job::<u32>(&ctx, ws(), job()).await.unwrap().unwrap();
        let _ = store.claim_job(&ctx, ws(), job(), read.rev, lease, 1).await.unwrap();
        let _ = store.save_job(&ctx, ws(), job(), run(1), &3_u32, NextStep::At(tomorrow), 1).await.unwrap();
        assert_eq!(due(&store).await[0].2, "2026-03-02T09:00:00.000Z");
    }
}
