//! `requestid` (section 3): unique per company across all requests and entities; the same id gets the first reply again.
//!
//! Decided here, where the notes are silent: refusals of the business (`Fault`, 400) are kept like successes, since the vendor says "the
//! original reply"; what never reached the business (401, 403, 429) is not, and neither is the simulator's own 501.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::fault::Refusal;
use crate::skeleton::answer::Reply;
use crate::skeleton::clock::plus;

/// Longest id, in characters; of a batch.
const LONGEST: usize = 50;
const LONGEST_OF_BATCH: usize = 36;

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    first: Timestamp,
    status: u16,
    content_type: String,
    body: String,
    of_batch: bool,
}

/// The replies of one company, by request id.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Replies(HashMap<String, Kept>);

impl Replies {
    /// Checks an id's length.
    pub(crate) fn check(id: &str, batch: bool) -> Result<(), Refusal> {
        let most = if batch { LONGEST_OF_BATCH } else { LONGEST };
        match id.chars().count() {
            0 => Err(Refusal::not_modelled("an empty requestid")),
            length if length > most => Err(Refusal::too_long("requestid", most, length)),
            _ => Ok(()),
        }
    }

    /// The first reply under this id, whatever is sent now: the body is not compared, and the entity may be gone.
    pub(crate) fn replay(&self, id: &str, kept_for: SignedDuration, now: Timestamp) -> Result<Option<Reply>, Refusal> {
        match self.0.get(id).filter(|kept| now < plus(kept.first, kept_for)) {
            None => Ok(None),
            // Reported to answer faults 6000 per item (section 3); how exactly is not known.
            Some(kept) if kept.of_batch => Err(Refusal::not_modelled("the replay of a batch")),
            Some(kept) => Ok(Some(Reply::new(kept.status, &kept.content_type, kept.body.clone()))),
        }
    }

    pub(crate) fn keep(&mut self, id: &str, of_batch: bool, reply: &Reply, now: Timestamp) {
        if !matches!(reply.status, 200 | 400) {
            return;
        }
        let kept = Kept { first: now, status: reply.status, content_type: reply.content_type.clone(), body: reply.body.clone(), of_batch };
        self.0.insert(id.to_owned(), kept);
    }
}
