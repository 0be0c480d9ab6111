//! How often strangers may ask.

use coportal_core::ctx::Ctx;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::error::StoreError;
use crate::keys::Key;
use crate::records::timeline::ends;
use crate::store::{Change, Condition, Fields, Kind, Store, Write, from_item, millis, rev_of};

/// A rate: on average one request in `every`, and `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time that one request costs.
    pub every: SignedDuration,
    /// How many may come at once.
    pub burst: i32,
}

/// The theoretical arrival time of the generic cell rate algorithm (ITU-T I.371): when the bucket is empty again, in milliseconds.
#[derive(Deserialize)]
struct Bucket {
    tat: i64,
}

/// Times that a permit is tried for when others of the same network write at once.
const ROUNDS: usize = 4;

impl Store {
    /// Takes one permit; when there is none, until when to wait.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn take_permit(&self, ctx: &Ctx, key: &Key, rate: Rate) -> Result<Result<(), Timestamp>, StoreError> {
        for _ in 0..ROUNDS {
            let now = ctx.now();
            let item = self.get(key).await?;
            let rev = item.as_ref().map(rev_of).unwrap_or_default();
            let bucket: Option<Bucket> = item.map(|item| from_item(Kind::Bucket, item)).transpose()?;
            let tat = bucket.map_or(i64::MIN, |bucket| bucket.tat).max(millis(now));
            let step = millis_of(rate.every);
            let next = tat.saturating_add(step);
            let allowed_from = next.saturating_sub(step.saturating_mul(i64::from(rate.burst)));
            if allowed_from > millis(now) {
                return Ok(Err(Timestamp::from_millisecond(allowed_from).unwrap_or(now)));
            }
            let empty_at = Timestamp::from_millisecond(next).unwrap_or(now);
            let fields = Fields::empty(Kind::Bucket).number("tat", next).expires(ends(empty_at, SignedDuration::from_mins(5)));
            match self.write(ctx, Change::update(key.clone(), fields).when(Condition::rev(rev))).await? {
                Write::Done { .. } => return Ok(Ok(())),
                Write::Refused { .. } => {}
            }
        }
        // So many at once from one network that none of its writes gets through is itself over the limit.
        Ok(Err(ends(ctx.now(), rate.every)))
    }
}

fn millis_of(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
