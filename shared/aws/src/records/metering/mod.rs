//! Permits of calls: the bucket of each organisation, the app's own, and the tranches of it that this process has in hand.
//!
//! A bucket is written on the revision that was read: contention costs a retry, never a wrong count.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use coportal_core::ctx::Ctx;
use coportal_core::ledger::Ledger;
use coportal_core::metering::{AppBucket, Bucket, TRANCHE_FOR};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Transacted, Versioned, Write, from_item, rev_of};

/// An idle bucket holds nothing that still counts after this time.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(72);
/// How often a change of a bucket is tried again when somebody else changed it first.
const TRIES: u32 = 10;

/// The buckets of an organisation, as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallsKnown {
    /// The organisation's own.
    pub bucket: Versioned<Bucket>,
    /// The app's.
    pub app: Versioned<AppBucket>,
}

impl CallsKnown {
    pub(crate) fn of(bucket: Option<Item>, app: Option<Item>) -> Result<Self, StoreError> {
        Ok(Self { bucket: read(Kind::CallBucket, bucket)?, app: read(Kind::AppBucket, app)? })
    }
}

fn read<T: DeserializeOwned + Default>(kind: Kind, item: Option<Item>) -> Result<Versioned<T>, StoreError> {
    let Some(item) = item else { return Ok(Versioned::default()) };
    let rev = rev_of(&item);
    Ok(Versioned::new(from_item(kind, item)?, rev))
}

/// Permits that are about to be taken: the buckets as they will be, on the revisions that were read.
#[derive(Debug, Clone)]
pub struct PermitWrite {
    /// The ledger.
    pub ledger: Ledger,
    /// The ledger's id of the organisation.
    pub organisation: String,
    /// The organisation's bucket.
    pub bucket: Versioned<Bucket>,
    /// The app's, where a tranche is taken along.
    pub app: Option<Versioned<AppBucket>>,
    /// When they are taken.
    pub at: Timestamp,
}

impl PermitWrite {
    pub(crate) fn changes(&self) -> Result<Vec<Change>, StoreError> {
        let ends = self.at.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        let bucket = Fields::of(Kind::CallBucket, &self.bucket.value)?.expires(ends);
        let mut changes = vec![Change::update(keys::bucket(self.ledger, &self.organisation), bucket).when(Condition::rev(self.bucket.rev))];
        if let Some(app) = &self.app {
            let fields = Fields::of(Kind::AppBucket, &app.value)?.expires(ends);
            changes.push(Change::update(keys::app_bucket(self.ledger), fields).when(Condition::rev(app.rev)));
        }
        Ok(changes)
    }

    /// The buckets once this was written.
    #[must_use]
    pub fn written(&self, before: &CallsKnown) -> CallsKnown {
        let next = |rev: u64| rev.saturating_add(1);
        CallsKnown {
            bucket: Versioned::new(self.bucket.value.clone(), next(self.bucket.rev)),
            app: self.app.as_ref().map_or_else(|| before.app.clone(), |app| Versioned::new(app.value.clone(), next(app.rev))),
        }
    }
}

/// Permits of the app-wide limits that this process has in hand, by ledger.
#[derive(Debug, Default)]
pub struct Tranches(Mutex<HashMap<Ledger, (u32, Timestamp)>>);

impl Store {
    /// The buckets of an organisation, in one consistent read.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn calls_known(&self, ctx: &Ctx, ledger: Ledger, organisation: &str) -> Result<CallsKnown, StoreError> {
        let mut found = self.batch_get(ctx, &[keys::bucket(ledger, organisation), keys::app_bucket(ledger)]).await?.into_iter();
        let mut next = || found.next().flatten();
        CallsKnown::of(next(), next())
    }

    /// Takes permits; `false` when the buckets have moved since they were read, and nothing was taken.
    ///
    /// # Errors
    /// When the table does not answer; the permits may then be taken, and nobody uses them.
    pub async fn write_permits(&self, ctx: &Ctx, write: &PermitWrite) -> Result<bool, StoreError> {
        let mut changes = write.changes()?;
        if write.app.is_none()
            && let Some(only) = changes.pop()
        {
            return Ok(matches!(self.write(ctx, only).await?, Write::Done { .. }));
        }
        Ok(matches!(self.transact(ctx, changes).await?, Transacted::Done))
    }

    /// Changes an organisation's bucket, whoever else does: `known` as the caller last saw it, else it is read first; and what a refused
    /// write answers with when it has moved. `change` answers whether there is anything to write. The bucket as it stands then.
    ///
    /// # Errors
    /// When the table does not answer, or the bucket keeps moving.
    pub async fn change_bucket(
        &self,
        ctx: &Ctx,
        ledger: Ledger,
        organisation: &str,
        known: Option<Versioned<Bucket>>,
        mut change: impl FnMut(&mut Bucket) -> bool,
    ) -> Result<Versioned<Bucket>, StoreError> {
        let mut known: Versioned<Bucket> = match known {
            Some(known) => known,
            None => read(Kind::CallBucket, self.get(&keys::bucket(ledger, organisation)).await?)?,
        };
        for round in 0..TRIES {
            if round > 1 {
                self.back_off(ctx, round).await;
            }
            if !change(&mut known.value) {
                return Ok(known);
            }
            let write = PermitWrite { ledger, organisation: organisation.to_owned(), bucket: known.clone(), app: None, at: ctx.now() };
            let Some(only) = write.changes()?.pop() else { break };
            match self.write(ctx, only).await? {
                Write::Done { rev } => return Ok(Versioned::new(known.value, rev)),
                Write::Refused { old } => known = read(Kind::CallBucket, old)?,
            }
        }
        Err(StoreError::Conflict { operation: "a bucket of calls" })
    }

    /// The vendor says that our app's limit is used up until `until`.
    ///
    /// # Errors
    /// As [`Store::change_bucket`].
    pub async fn block_app(&self, ctx: &Ctx, ledger: Ledger, until: Timestamp) -> Result<(), StoreError> {
        self.drop_tranche(ledger);
        let key = keys::app_bucket(ledger);
        let mut known: Versioned<AppBucket> = read(Kind::AppBucket, self.get(&key).await?)?;
        for round in 0..TRIES {
            if round > 1 {
                self.back_off(ctx, round).await;
            }
            if !known.value.block(until) {
                return Ok(());
            }
            let ends = ctx.now().saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
            let fields = Fields::of(Kind::AppBucket, &known.value)?.expires(ends);
            match self.write(ctx, Change::update(key.clone(), fields).when(Condition::rev(known.rev))).await? {
                Write::Done { .. } => return Ok(()),
                Write::Refused { old } => known = read(Kind::AppBucket, old)?,
            }
        }
        Err(StoreError::Conflict { operation: "the app's bucket of calls" })
    }

    /// Uses permits of the app-wide limit that this process has in hand; `false` when there are too few.
    #[must_use]
    pub fn use_tranche(&self, ledger: Ledger, now: Timestamp, calls: u32) -> bool {
        let mut tranches = self.tranches.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_hand = tranches.get_mut(&ledger).filter(|(left, until)| *left >= calls && now < *until);
        in_hand.map(|(left, _)| *left -= calls).is_some()
    }

    /// Keeps what is left of a tranche that was taken at `at`.
    pub fn keep_tranche(&self, ledger: Ledger, at: Timestamp, left: u32) {
        let until = at.saturating_add(TRANCHE_FOR).unwrap_or(at);
        self.tranches.0.lock().unwrap_or_else(PoisonError::into_inner).insert(ledger, (left, until));
    }

    /// Gives permits of the tranche in hand back that were not used after all.
    pub fn return_tranche(&self, ledger: Ledger, calls: u32) {
        let mut tranches = self.tranches.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((left, _)) = tranches.get_mut(&ledger) {
            *left = left.saturating_add(calls);
        }
    }

    fn drop_tranche(&self, ledger: Ledger) {
        self.tranches.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&ledger);
    }
}

#[cfg(test)]
mod tests;
