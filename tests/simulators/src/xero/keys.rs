//! `Idempotency-Key` (vendor notes, section 3): kept six minutes from the first call, per app and not per organisation, failures too.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::reply::Refusal;
use crate::skeleton::answer::Reply;
use crate::skeleton::clock::plus;
use crate::skeleton::incoming::Incoming;

/// Longest key, in characters.
const LONGEST: usize = 128;

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    first: Timestamp,
    method: String,
    url: String,
    body: Vec<u8>,
    status: u16,
    content_type: String,
    answer: String,
}

/// Keys in their window.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Keys(HashMap<String, Kept>);

impl Keys {
    /// The kept reply to the same request under the same key, if any. `window`: how long a key is kept, from its first call.
    ///
    /// # Errors
    /// 400 when the key is empty, too long, or was used with another request.
    pub(crate) fn replay(&self, call: &Incoming, window: SignedDuration, now: Timestamp) -> Result<Option<Reply>, Refusal> {
        let Some(key) = call.header("idempotency-key") else { return Ok(None) };
        if key.is_empty() || key.chars().count() > LONGEST {
            return Err(Refusal::Request(format!("The Idempotency-Key header must have 1 to {LONGEST} characters.")));
        }
        let Some(kept) = self.0.get(key).filter(|kept| now < plus(kept.first, window)) else { return Ok(None) };
        if kept.method == call.method && kept.url == call.path_and_query && kept.body == call.body {
            return Ok(Some(Reply::new(kept.status, &kept.content_type, kept.answer.clone())));
        }
        Err(Refusal::Request(format!("Idempotency Key: {key} is used with a different request.")))
    }

    /// Keeps a reply. What the simulator does not model is no reply of the vendor's and is not kept.
    pub(crate) fn keep(&mut self, call: &Incoming, reply: &Reply, now: Timestamp) {
        let Some(key) = call.header("idempotency-key").filter(|_| reply.status != 501) else { return };
        let kept = Kept {
            first: now,
            method: call.method.clone(),
            url: call.path_and_query.clone(),
            body: call.body.clone(),
            status: reply.status,
            content_type: reply.content_type.clone(),
            answer: reply.body.clone(),
        };
        self.0.insert(key.to_owned(), kept);
    }
}
