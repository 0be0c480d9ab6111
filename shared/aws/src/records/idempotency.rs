//! Idempotency records: the answer of a POST, kept for whoever sends it again.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use coportal_core::ctx::Ctx;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::packed;
use crate::error::StoreError;
use crate::keys::Key;
use crate::store::{Change, Condition, Fields, Kind, Store, Write, from_item, millis, millis_up};

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How long an attempt may take before another with the same body may start: longer than a function can run (29 s).
const LEASE: SignedDuration = SignedDuration::from_secs(32);

/// Largest answer that is kept whole, in bytes as stored (packed).
const LARGEST: usize = 64 * 1024;

/// An answer, as it is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Location`, where there was one.
    pub location: Option<String>,
    /// The JSON body. Empty when it was too large to keep: `Location` then says where to read.
    pub body: Vec<u8>,
}

/// What a key stands for at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Begin {
    /// Nobody's: the caller may do the work, and holds the lease.
    Mine(Claim),
    /// The same request was answered: give this again.
    Answered(KeptAnswer),
    /// The same request is being worked on until this instant at most.
    InProgress(Timestamp),
    /// The key came with another body before.
    OtherBody,
}

/// The right to do the work of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: Key,
    owner: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    body_hash: String,
    state: State,
    owner: String,
    lease_until: i64,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    location: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    InProgress,
    Completed,
}

impl Store {
    /// Begins the work of a key, or says why not.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn begin_idempotent(&self, ctx: &Ctx, key: Key, body_hash: &str) -> Result<Begin, StoreError> {
        let now = ctx.now();
        let later = |wait| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let claim = Claim { key: key.clone(), owner: hex::encode(ctx.random_bytes::<16>()) };
        let fields = Fields::empty(Kind::Idempotency)
            .text("body_hash", body_hash)
            .value("state", &State::InProgress)?
            .text("owner", &claim.owner)
            .number("lease_until", millis_up(later(LEASE)))
            .expires(later(KEPT));
        let free = Condition::new(
            "attribute_not_exists(#pk) OR #exp <= :now OR (#state = :in_progress AND #lease_until <= :now_ms AND #body_hash = :body)",
        )
        .number(":now", now.as_second())
        .number(":now_ms", millis(now))
        .text(":in_progress", "in_progress")
        .text(":body", body_hash);
        let old = match self.write(ctx, Change::put(key, fields).when(free)).await? {
            Write::Done { .. } => return Ok(Begin::Mine(claim)),
            Write::Refused { old } => old,
        };
        let Some(old) = old else {
            return Err(StoreError::Unavailable { operation: "PutItem", cause: "the refusing item is gone".to_owned() });
        };
        let kept = old.get("answer").and_then(|value| value.as_b().ok());
        let body = kept.map(|kept| packed::unpack(kept.as_ref(), UNPACKED)).transpose().map_err(damaged)?;
        let record: Record = from_item(Kind::Idempotency, old)?;
        if record.body_hash != body_hash {
            return Ok(Begin::OtherBody);
        }
        match record.state {
            State::InProgress => Ok(Begin::InProgress(Timestamp::from_millisecond(record.lease_until).unwrap_or(now))),
            State::Completed => Ok(Begin::Answered(KeptAnswer {
                status: record.status.unwrap_or(200),
                location: record.location,
                body: body.unwrap_or_default(),
            })),
        }
    }

    /// Gives a claim up: the work had no effect, and the key is free again.
    ///
    /// # Errors
    /// When the table does not answer; the claim then ends by itself.
    pub async fn release_idempotent(&self, ctx: &Ctx, claim: &Claim) -> Result<(), StoreError> {
        let mine =
            Condition::new("#owner = :owner AND #state = :in_progress").text(":owner", &claim.owner).text(":in_progress", "in_progress");
        match self.write(ctx, Change::delete(claim.key.clone()).when(mine)).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }

    /// Keeps the answer of work whose effect was stored before. Another attempt that took over keeps its own.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn complete_idempotent(&self, ctx: &Ctx, claim: &Claim, answer: &KeptAnswer) -> Result<(), StoreError> {
        match self.write(ctx, claim.completed(answer)?).await? {
            Write::Done { .. } | Write::Refused { .. } => Ok(()),
        }
    }
}

impl Claim {
    /// The change that keeps the answer, for the transaction of the effect: it is refused when another attempt holds the key by now.
    ///
    /// # Errors
    /// When the answer has no form in DynamoDB.
    pub fn completed(&self, answer: &KeptAnswer) -> Result<Change, StoreError> {
        let body = packed::pack(&answer.body).map_err(damaged)?;
        let body = (body.len() <= LARGEST).then(|| AttributeValue::B(Blob::new(body)));
        let fields = Fields::empty(Kind::Idempotency)
            .value("state", &State::Completed)?
            .number("status", answer.status)
            .value("location", &answer.location)?
            .optional("answer", body);
        let mine =
            Condition::new("#owner = :owner AND #state = :in_progress").text(":owner", &self.owner).text(":in_progress", "in_progress");
        Ok(Change::update(self.key.clone(), fields).when(mine))
    }
}

/// No answer of ours is larger than this; what unpacks to more was not packed by us.
const UNPACKED: u64 = 4 * 1024 * 1024;

fn damaged(error: std::io::Error) -> StoreError {
    StoreError::corrupt("an idempotency record", error)
}
