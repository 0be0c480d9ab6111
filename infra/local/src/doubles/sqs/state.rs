//! What lies in the queues, without the protocol around it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Counts, Received};
use crate::template;

/// Longest delay of a message (SQS API Reference, `SendMessage`).
pub(super) const MAX_DELAY: u64 = 900;
/// Longest visibility time-out (SQS API Reference, `ChangeMessageVisibility`).
pub(super) const MAX_VISIBILITY: u64 = 43_200;

/// A receipt handle that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandleError {
    /// It is no handle of this queue.
    Invalid,
    /// The message is not in flight under it: its time ran out, it was received again, or it is gone.
    NotInFlight,
}

#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    id: Uuid,
    body: String,
    group: Option<String>,
    sent: Timestamp,
    visible: Timestamp,
    first_received: Option<Timestamp>,
    receives: u32,
    /// Somebody received it, and its visibility time-out has not been ended.
    held: bool,
    /// ARN of the queue that it could not be delivered from.
    moved_from: Option<String>,
}

struct Queue {
    shape: template::Queue,
    messages: BTreeMap<u64, Stored>,
    /// How many of the next messages are stored twice.
    doubled: u32,
}

/// The queues of an account.
pub(super) struct State {
    queues: BTreeMap<String, Queue>,
    serial: u64,
}

/// What outlives the process.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    serial: u64,
    queues: BTreeMap<String, BTreeMap<u64, Stored>>,
}

impl State {
    pub(super) fn new(shapes: &BTreeMap<String, template::Queue>) -> Self {
        let queue = |shape: &template::Queue| Queue { shape: shape.clone(), messages: BTreeMap::new(), doubled: 0 };
        Self { queues: shapes.iter().map(|(name, shape)| (name.clone(), queue(shape))).collect(), serial: 0 }
    }

    pub(super) fn snapshot(&self) -> Kept {
        let queues = self.queues.iter().map(|(name, queue)| (name.clone(), queue.messages.clone()));
        Kept { serial: self.serial, queues: queues.collect() }
    }

    /// Takes the messages back. `None` when one lies in a queue that the template does not have.
    pub(super) fn restore(&mut self, kept: Kept) -> Option<()> {
        for (name, messages) in kept.queues {
            match self.queues.get_mut(&name) {
                Some(queue) => queue.messages = messages,
                None if messages.is_empty() => {}
                None => return None,
            }
        }
        self.serial = kept.serial;
        Some(())
    }

    pub(super) fn has(&self, queue: &str) -> bool {
        self.queues.contains_key(queue)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.queues.keys().cloned().collect()
    }

    pub(super) fn shape(&self, queue: &str) -> Option<&template::Queue> {
        self.queues.get(queue).map(|queue| &queue.shape)
    }

    pub(super) fn double_next(&mut self, queue: &str, count: u32) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.doubled = count;
        }
    }

    /// Stores a message; its id.
    pub(super) fn send(&mut self, queue: &str, body: &str, group: Option<&str>, delay: Duration, now: Timestamp) -> Option<Uuid> {
        let State { queues, serial } = self;
        let queue = queues.get_mut(queue)?;
        *serial += 1;
        // Counted, not drawn: a run that is replayed has the same ids.
        let id = Uuid::from_u128(u128::from(*serial));
        let stored = Stored {
            id,
            body: body.to_owned(),
            group: group.map(str::to_owned),
            sent: now,
            visible: after(now, delay),
            first_received: None,
            receives: 0,
            held: false,
            moved_from: None,
        };
        if queue.doubled > 0 {
            queue.doubled -= 1;
            queue.messages.insert(*serial, stored.clone());
            *serial += 1;
        }
        queue.messages.insert(*serial, stored);
        Some(id)
    }

    /// Takes up to `max` messages. What was received as often as the queue allows goes to its dead letters instead.
    pub(super) fn receive(&mut self, name: &str, max: usize, visibility: Option<Duration>, now: Timestamp) -> Vec<Received> {
        self.forget_old(now);
        let Some(queue) = self.queues.get_mut(name) else { return Vec::new() };
        let hidden = visibility.unwrap_or(queue.shape.visibility);
        let redrive = queue.shape.redrive.clone();
        let mut line = Line::of(&queue.messages, now);
        let mut received = Vec::new();
        let mut dead = Vec::new();
        while received.len() < max {
            let Some(serial) = line.next() else { break };
            let Some(message) = queue.messages.get_mut(&serial) else { break };
            if redrive.as_ref().is_some_and(|redrive| message.receives >= redrive.max_receives) {
                dead.extend(queue.messages.remove(&serial).map(|message| (serial, message)));
                continue;
            }
            line.took(message.group.as_deref());
            message.receives += 1;
            message.held = true;
            message.visible = after(now, hidden);
            message.first_received.get_or_insert(now);
            received.push(message.received(name, serial));
        }
        if let Some(target) = redrive.and_then(|redrive| self.queues.get_mut(&redrive.dead_letters)) {
            for (serial, message) in dead {
                let moved = Stored { held: false, visible: now, moved_from: Some(super::arn(name)), ..message };
                target.messages.insert(serial, moved);
            }
        }
        received
    }

    /// Deletes the message that this handle was given for. A handle that is not the newest is taken, and nothing is deleted (SQS
    /// Developer Guide, "Identifiers": the most recent handle is wanted).
    pub(super) fn delete(&mut self, queue: &str, handle: &str) -> Result<(), HandleError> {
        let (serial, receives) = read_handle(queue, handle).ok_or(HandleError::Invalid)?;
        let queue = self.queues.get_mut(queue).ok_or(HandleError::Invalid)?;
        if queue.messages.get(&serial).is_some_and(|message| message.receives == receives) {
            queue.messages.remove(&serial);
        }
        Ok(())
    }

    pub(super) fn change_visibility(&mut self, queue: &str, handle: &str, to: Duration, now: Timestamp) -> Result<(), HandleError> {
        let (serial, receives) = read_handle(queue, handle).ok_or(HandleError::Invalid)?;
        let queue = self.queues.get_mut(queue).ok_or(HandleError::Invalid)?;
        let held = queue.messages.get_mut(&serial).filter(|message| message.receives == receives && message.in_flight(now));
        let message = held.ok_or(HandleError::NotInFlight)?;
        message.visible = after(now, to);
        message.held = !to.is_zero();
        Ok(())
    }

    pub(super) fn counts(&mut self, queue: &str, now: Timestamp) -> Counts {
        self.forget_old(now);
        let mut counts = Counts::default();
        for message in self.queues.get(queue).into_iter().flat_map(|queue| queue.messages.values()) {
            if message.visible <= now {
                counts.visible += 1;
            } else if message.held {
                counts.in_flight += 1;
            } else {
                counts.delayed += 1;
            }
        }
        counts
    }

    /// When the next hidden message of the queue can be received.
    pub(super) fn next_visible(&self, queue: &str, now: Timestamp) -> Option<Timestamp> {
        let messages = self.queues.get(queue)?.messages.values();
        messages.map(|message| message.visible).filter(|visible| *visible > now).min()
    }

    /// Age counts from the first sending, in the dead-letter queue too (SQS Developer Guide, "Using dead-letter queues").
    fn forget_old(&mut self, now: Timestamp) {
        for queue in self.queues.values_mut() {
            let retention = queue.shape.retention;
            queue.messages.retain(|_, message| after(message.sent, retention) > now);
        }
    }
}

impl Stored {
    fn in_flight(&self, now: Timestamp) -> bool {
        self.held && self.visible > now
    }

    fn received(&self, queue: &str, serial: u64) -> Received {
        Received {
            message_id: self.id.to_string(),
            receipt_handle: STANDARD.encode(format!("{queue}#{serial}#{}", self.receives)),
            body: self.body.clone(),
            group: self.group.clone(),
            sent: self.sent,
            first_received: self.first_received.unwrap_or(self.sent),
            receives: self.receives,
            moved_from: self.moved_from.clone(),
        }
    }
}

fn read_handle(queue: &str, handle: &str) -> Option<(u64, u32)> {
    let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
    let (serial, receives) = text.strip_prefix(queue)?.strip_prefix('#')?.split_once('#')?;
    Some((serial.parse().ok()?, receives.parse().ok()?))
}

fn after(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// The messages that can be received, in the order of a fair queue: the group with the fewest messages in flight is served first, the
/// oldest message of it, and a message without a group is a group by itself (SQS Developer Guide, "Amazon SQS fair queues").
struct Line {
    waiting: BTreeMap<Option<String>, VecDeque<u64>>,
    in_flight: BTreeMap<Option<String>, usize>,
}

impl Line {
    fn of(messages: &BTreeMap<u64, Stored>, now: Timestamp) -> Self {
        let mut line = Self { waiting: BTreeMap::new(), in_flight: BTreeMap::new() };
        for (serial, message) in messages {
            if message.visible <= now {
                line.waiting.entry(message.group.clone()).or_default().push_back(*serial);
            } else if message.in_flight(now) {
                *line.in_flight.entry(message.group.clone()).or_default() += 1;
            }
        }
        line
    }

    fn took(&mut self, group: Option<&str>) {
        *self.in_flight.entry(group.map(str::to_owned)).or_default() += 1;
    }

    fn next(&mut self) -> Option<u64> {
        let load = |group: &Option<String>| group.as_ref().map_or(0, |_| self.in_flight.get(group).copied().unwrap_or_default());
        let first = |waiting: &VecDeque<u64>| waiting.front().copied().unwrap_or(u64::MAX);
        let group = self.waiting.iter().min_by_key(|(group, waiting)| (load(group), first(waiting))).map(|(group, _)| group.clone())?;
        let waiting = self.waiting.get_mut(&group)?;
        let serial = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&group);
        }
        serial
    }
}
