//! The sync row: link, state and intent of one invoice in one generation; and its sibling for contacts.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::contact::ContactLink;
use crate::document::{DocumentStatus, SentDocument};
use crate::failure::Question;
use crate::id::{HoldId, IntentId, RunId};
use crate::problem::{Fix, Issue};

/// Where a row stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// Never asked for.
    #[default]
    Never,
    /// Wanted; nobody is at it.
    Queued,
    /// Leased: somebody is at it.
    Syncing,
    /// The wanted version is in the ledger.
    Synced,
    /// A person has to answer a question.
    Held,
    /// Parked for a limit, a grant, a plan or a retry time.
    Waiting,
    /// An intent may have been sent and is not settled.
    Uncertain,
    /// Refused; trying the same again does not help.
    Failed,
    /// Not to be synced any more (disconnected, other organisation).
    Stopped,
}

impl SyncState {
    /// Whether nothing is due: a row that is not at rest always has a `due_at`.
    #[must_use]
    pub fn is_at_rest(self) -> bool {
        match self {
            Self::Never | Self::Synced | Self::Held | Self::Failed | Self::Stopped => true,
            Self::Queued | Self::Syncing | Self::Waiting | Self::Uncertain => false,
        }
    }

    /// The word in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Queued => "queued",
            Self::Syncing => "syncing",
            Self::Synced => "synced",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Uncertain => "uncertain",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// What a row waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// The ledger's rate limit.
    Limit,
    /// The next day's calls: this day's are used up.
    DayBudget,
    /// The ledger is not answering properly.
    Ledger,
    /// The outcome of a write that may have been done.
    Outcome,
    /// Somebody else who is at the same invoice or contact.
    OtherRun,
    /// An admin who reconnects.
    Reconnect,
    /// A plan that includes the ledger.
    Plan,
    /// The next try, after a mistake of CoPortal's own.
    Retry,
}

/// Why and until when a row waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// For what.
    #[serde(rename = "for")]
    pub reason: WaitingFor,
    /// Due again at this instant; rows that wait for a person's act (grant, plan) are parked without one.
    pub until: Option<Timestamp>,
}

/// The right to start, until an instant. It decides nothing about answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it.
    pub owner: RunId,
    /// Until when.
    pub until: Timestamp,
}

impl Lease {
    /// Whether it still keeps others away.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentKind {
    /// Makes a document.
    Create,
    /// Changes a document.
    Update,
    /// Voids a document.
    Void,
    /// Approves (posts, releases) a draft.
    Approve,
    /// Records a payment.
    Payment,
    /// Makes a contact.
    CreateContact,
    /// Changes a contact.
    UpdateContact,
}

/// The values by which a lost write is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The document's id, when it is known (update, void).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Our number, if it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The reference, if it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The owner's mark: a document's `Url`, a contact's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The document's date of issue, where it may have to be found by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_date: Option<Date>,
    /// A contact's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A contact's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Contacts that were there before a create, where a contact has no mark: none of them came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// Our payment, by CoPortal's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// What was open of the document before a payment was sent: where the ledger shows no mark of it any more, a balance that has fallen
    /// is all that is left to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Decimal>,
}

/// One vendor write that is about to be, or may have been, sent. Stored before the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its id: outcomes are stored on it, not on the lease.
    pub id: IntentId,
    /// What it does.
    pub kind: IntentKind,
    /// The idempotency key; the same body follows it always.
    pub key: String,
    /// When it was first claimed for sending: the vendor's key window counts from here.
    pub first_sent_at: Timestamp,
    /// The newest claim must start its call by then; the settle time counts from here plus the call's time-out.
    pub send_by: Timestamp,
    /// The request's body, byte for byte.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// By what it is looked for.
    pub look: Look,
    /// What the row remembers once it is done (documents).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentDocument>,
    /// The content hash that its success proves.
    pub hash: String,
    /// The invoice version that its success brings into the ledger; 0 for a contact.
    pub version: u64,
    /// It travels with others in one call, under a key of that call: the vendor never hears its own key, which therefore tells nobody what
    /// became of it. It is never sent again before a look has counted as a miss.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batched: bool,
}

/// The tie to a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentLink {
    /// The ledger's id of the document.
    pub external_id: String,
    /// The ledger's own number of it, always read back (C6).
    pub external_number: Option<String>,
    /// Where a person opens it.
    pub url: Option<String>,
    /// The ledger's version mark at our last read or write.
    pub remote_version: Option<String>,
    /// Where it stood then.
    pub status: DocumentStatus,
    /// What we last sent; absent when the link was made by hand and nothing was sent yet.
    pub sent: Option<SentDocument>,
    /// Whether CoPortal made the document (else a user linked it).
    pub created_by_us: bool,
    /// The ledger's answer to our last write was what we sent and nothing beside it: while its version holds, an update need not read it.
    #[serde(default)]
    pub as_sent: bool,
}

/// A payment of CoPortal's that is settled with the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentLink {
    /// CoPortal's id of the payment.
    pub payment_id: String,
    /// The ledger's id of it; `None` where nothing was sent, because nothing was open there or a person said so.
    pub external_id: Option<String>,
    /// How much.
    pub amount: Decimal,
}

/// One answer that a hold offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Choice {
    /// What `resolve` takes.
    pub id: String,
    /// What the button says.
    pub label: String,
}

impl Choice {
    /// A choice.
    #[must_use]
    pub fn new(id: impl Into<String>, label: impl Into<String>) -> Self {
        Self { id: id.into(), label: label.into() }
    }
}

/// A question that a person answers with one click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// The question.
    pub question: Question,
    /// The question in words, with the values it is about.
    pub detail: String,
    /// The answers offered.
    pub choices: Vec<Choice>,
    /// Digest of what the question rests on: an answer counts for these inputs only.
    pub inputs_hash: String,
    /// Since when.
    pub since: Timestamp,
}

/// A person's answer to a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question.
    pub question: Question,
    /// The chosen id.
    pub choice: String,
    /// The inputs it was given for.
    pub inputs_hash: String,
}

impl Answer {
    /// Whether it stays when a write was settled. An answer that is part of the content (a rounding line, a split of net and tax, a code
    /// for untaxed lines, the ledger's own number) must: without it the same invoice would have another content, and the same question
    /// would come again. Answers about what stood in the ledger end with the write.
    #[must_use]
    pub fn outlives_a_write(&self) -> bool {
        match self.question {
            Question::TotalsDiffer | Question::MapTax => true,
            Question::NumberTaken => self.choice == "ledger_number",
            Question::ChooseContact
            | Question::ConfirmContact
            | Question::NameClash
            | Question::ChooseAccount
            | Question::TwoDocuments
            | Question::ChangedInLedger
            | Question::DocumentGone
            | Question::PaidInLedger
            | Question::PeriodLocked
            | Question::CurrencyMissing
            | Question::VoidInLedger
            | Question::ContactGone
            | Question::ChooseItem
            | Question::ChoosePaymentAccount
            | Question::PostHeld
            | Question::LockedInLedger
            | Question::PaymentDiffers => false,
        }
    }
}

/// The public half of a failure, as kept on a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowProblem {
    /// Stable code.
    pub code: Cow<'static, str>,
    /// The sentence.
    pub detail: Cow<'static, str>,
    /// What to do.
    pub fix: Fix,
    /// Parts that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Issue>,
}

/// The sync row of one invoice in one generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRow {
    /// Newest version asked for.
    pub wanted: u64,
    /// Newest version known to be in the ledger.
    pub done: u64,
    /// Where it stands.
    pub state: SyncState,
    /// The tie to the document.
    #[serde(default)]
    pub link: Option<DocumentLink>,
    /// Content hash proved to be in the ledger; removed when an intent is issued, set again by its outcome.
    #[serde(default)]
    pub hash: Option<String>,
    /// The open intent.
    #[serde(default)]
    pub intent: Option<Intent>,
    /// Who may start.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Tries since the last one that came to an end: claims, which count before any vendor call, and tries that came to nothing without one.
    #[serde(default)]
    pub attempts: u32,
    /// Documents of ours in this generation that are known to be gone: part of the key, so that a replayed answer cannot name a dead one.
    #[serde(default)]
    pub remote_generation: u32,
    /// Definite rejections so far: part of the key, since vendors replay a refusal too.
    #[serde(default)]
    pub rejections: u32,
    /// Updates settled so far, done or not: part of an update's key.
    #[serde(default)]
    pub updates: u32,
    /// The draft there is to be approved: somebody said so, or it was made to be (C7).
    #[serde(default)]
    pub approve: bool,
    /// While it is [`SyncState::Stopped`]: a person left the invoice out or untied it, so that only a person takes it in again. A row that
    /// a disconnect stopped goes on with the next event.
    #[serde(default)]
    pub left_out: bool,
    /// What somebody changed in the ledger is to be undone: a person saw it, and said so. The digest of what was seen
    /// ([`Drift::digest`](super::drift::Drift::digest)): what was changed since is asked about. Ends with the next settled sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// Payments that are settled with the ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<PaymentLink>,
    /// Answers given for the present inputs.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// The open question.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// Why it failed or waits.
    #[serde(default)]
    pub problem: Option<RowProblem>,
    /// What it waits for.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// The newest success: the vendor's time where it gave one.
    #[serde(default)]
    pub last_synced_at: Option<Timestamp>,
    /// Since when it has been in its state.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// The newest answer to a question about exactly these inputs.
fn newest_answer<'a>(answers: &'a [Answer], question: Question, inputs_hash: &str) -> Option<&'a str> {
    let newest = answers.iter().rev().find(|answer| answer.question == question && answer.inputs_hash == inputs_hash);
    newest.map(|answer| answer.choice.as_str())
}

impl SyncRow {
    /// The answer a person gave to a question about these inputs.
    #[must_use]
    pub fn answer(&self, question: Question, inputs_hash: &str) -> Option<&str> {
        newest_answer(&self.answers, question, inputs_hash)
    }
}

/// The row of one client's contact in one generation: link, intent and lease of the contact step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRow {
    /// The link, once there.
    #[serde(default)]
    pub link: Option<ContactLink>,
    /// The open intent.
    #[serde(default)]
    pub intent: Option<Intent>,
    /// Who may start.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Contacts of ours that are known to be gone.
    #[serde(default)]
    pub remote_generation: u32,
    /// Definite rejections so far.
    #[serde(default)]
    pub rejections: u32,
    /// Updates settled so far.
    #[serde(default)]
    pub updates: u32,
    /// Answers given about this contact.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

impl ContactRow {
    /// The answer a person gave to a question about these inputs.
    #[must_use]
    pub fn answer(&self, question: Question, inputs_hash: &str) -> Option<&str> {
        newest_answer(&self.answers, question, inputs_hash)
    }
}
