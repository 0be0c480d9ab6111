//! What the sync queues carry: a message says only "bring these invoices up to date in this connection" or "go on with this job".
//!
//! Sync is level-triggered (design decision 6): the worker reads the newest records and works out what is missing, so a late, doubled or
//! reordered message is harmless. Bodies are hostile input: a body that is not exactly a message of a known version is refused with a
//! reason that repeats nothing of it, and reaches the dead-letter queue.

use serde::{Deserialize, Deserializer, Serialize};

use crate::connection::Generation;
use crate::id::{InvoiceId, WorkspaceId};
use crate::job::JobId;
use crate::ledger::Ledger;

/// The version that is written, and the only one that is read.
pub const VERSION: u64 = 1;
/// Most invoices that one message names: the largest batch of a ledger (Xero's and Sage's pages are smaller or equal).
pub const MAX_INVOICES: usize = 50;
/// Longest body that is read, in bytes. Fifty ids and their frame take about 2,100.
pub const MAX_BODY: usize = 8 * 1024;

/// One of the two queues that the worker takes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncQueue {
    /// `sync-now`: what somebody waits for, an invoice a message.
    Now,
    /// `sync-bulk`: a message is one vendor batch of one connection, or a job.
    Bulk,
}

impl SyncQueue {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Now, Self::Bulk];

    /// The name in logs and pages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Now => "sync-now",
            Self::Bulk => "sync-bulk",
        }
    }
}

/// Bring these invoices up to date in this connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncMessage {
    /// The workspace.
    pub ws: WorkspaceId,
    /// Its ledger.
    pub ledger: Ledger,
    /// The organisation that the sender saw: with another one in the connection the work is stopped, never pushed (design decision 9).
    pub generation: Generation,
    /// 1 to [`MAX_INVOICES`] invoices.
    pub invoices: Vec<InvoiceId>,
}

/// Go on with this job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobMessage {
    /// The workspace.
    pub ws: WorkspaceId,
    /// The job.
    pub job: JobId,
}

/// A message of the sync queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Invoices of a connection.
    Sync(SyncMessage),
    /// A job.
    Job(JobMessage),
}

/// A body is no message, or a message could never be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a message of the sync queues: {reason}")]
pub struct Undecodable {
    /// Why, for the log; nothing of the body is in it except positions and numbers.
    pub reason: String,
}

fn undecodable(reason: impl Into<String>) -> Undecodable {
    Undecodable { reason: reason.into() }
}

/// The one field that decides how the others are read.
#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

/// The body, field by field; which of them belong together is [`Message::decode`]'s.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    v: u64,
    ws: WorkspaceId,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    ledger: Option<Ledger>,
    #[serde(default, rename = "gen", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    generation: Option<Generation>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    invoices: Option<Vec<InvoiceId>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

/// A field that is there has a value: `null` is not "absent".
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// serde_json's own words repeat the body; a position does not.
fn unreadable(what: &str, error: &serde_json::Error) -> Undecodable {
    undecodable(format!("{what}, at line {} column {}", error.line(), error.column()))
}

impl Message {
    /// Reads a body.
    ///
    /// # Errors
    /// With the reason, when the body is not JSON, of another version, too long, has a field too many or too few, names no invoice or
    /// more than [`MAX_INVOICES`], or an id is none.
    ///
    /// ```
    /// use coportal_core::queue::Message;
    /// let refused = Message::decode(r#"{"v":2,"ws":"ws_00000000000000000000000000000001","page":3}"#).unwrap_err();
    /// assert_eq!(refused.reason, "version 2 is not known, only 1 is");
    /// ```
    pub fn decode(body: &str) -> Result<Self, Undecodable> {
        if body.len() > MAX_BODY {
            return Err(undecodable(format!("{} bytes are more than the {MAX_BODY} of the longest message", body.len())));
        }
        // serde reads an array as a struct, field by field in their order.
        if !body.starts_with('{') {
            return Err(undecodable("no JSON object with a version `v`, at line 1 column 1"));
        }
        let version: Versioned = serde_json::from_str(body).map_err(|error| unreadable("no JSON object with a version `v`", &error))?;
        if version.v != VERSION {
            return Err(undecodable(format!("version {} is not known, only {VERSION} is", version.v)));
        }
        let body: Body = serde_json::from_str(body).map_err(|error| unreadable("a field is unknown, missing or malformed", &error))?;
        let message = match body {
            Body { ws, ledger: Some(ledger), generation: Some(generation), invoices: Some(invoices), job: None, .. } => {
                Self::Sync(SyncMessage { ws, ledger, generation, invoices })
            }
            Body { ws, ledger: None, generation: None, invoices: None, job: Some(job), .. } => {
                Self::Job(JobMessage { ws, job: job.parse().map_err(|_| undecodable("the job's id is none"))? })
            }
            Body { .. } => return Err(undecodable("neither ledger, gen and invoices nor a job alone")),
        };
        message.check()?;
        Ok(message)
    }

    /// The body that [`Message::decode`] reads as this message.
    ///
    /// # Errors
    /// When the message could not be read back: no invoice or more than [`MAX_INVOICES`].
    pub fn encode(&self) -> Result<String, Undecodable> {
        self.check()?;
        let body = match self {
            Self::Sync(SyncMessage { ws, ledger, generation, invoices }) => Body {
                v: VERSION,
                ws: *ws,
                ledger: Some(*ledger),
                generation: Some(*generation),
                invoices: Some(invoices.clone()),
                job: None,
            },
            Self::Job(JobMessage { ws, job }) => {
                Body { v: VERSION, ws: *ws, ledger: None, generation: None, invoices: None, job: Some(job.to_string()) }
            }
        };
        serde_json::to_string(&body).map_err(|error| unreadable("cannot be written", &error))
    }

    /// `MessageGroupId`: a connection's messages, or a workspace's jobs, share one, so that a fair queue lets nobody wait behind the
    /// thousands of another (AWS, "Amazon SQS fair queues"). It orders nothing on a standard queue.
    #[must_use]
    pub fn group(&self) -> String {
        match self {
            Self::Sync(SyncMessage { ws, ledger, .. }) => format!("{ws}:{ledger}"),
            Self::Job(JobMessage { ws, .. }) => format!("{ws}:jobs"),
        }
    }

    /// The workspace that the message is about.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Sync(message) => message.ws,
            Self::Job(message) => message.ws,
        }
    }

    fn check(&self) -> Result<(), Undecodable> {
        match self {
            Self::Sync(SyncMessage { invoices, .. }) if invoices.is_empty() => Err(undecodable("no invoice is named")),
            Self::Sync(SyncMessage { invoices, .. }) if invoices.len() > MAX_INVOICES => {
                Err(undecodable(format!("{} invoices are more than {MAX_INVOICES}", invoices.len())))
            }
            Self::Sync(_) | Self::Job(_) => Ok(()),
        }
    }
}

impl From<SyncMessage> for Message {
    fn from(message: SyncMessage) -> Self {
        Self::Sync(message)
    }
}

impl From<JobMessage> for Message {
    fn from(message: JobMessage) -> Self {
        Self::Job(message)
    }
}

#[cfg(test)]
mod tests;
