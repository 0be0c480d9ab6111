//! What is constant about a ledger, as data.

use coportal_core::backfill::Costs;
use coportal_core::ledger::Ledger;
pub use coportal_core::metering::Limits;
use jiff::SignedDuration;

/// What a connection is for; each lane has scopes of its own (C16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Invoices and contacts are pushed.
    Push,
    /// Contacts are imported.
    Import,
    /// Invoices are shown beside records; nothing is written.
    View,
}

/// Where a request carries its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCarrier {
    /// In this header.
    Header(&'static str),
    /// In this query parameter.
    Query(&'static str),
}

/// A vendor's way to tell a repeated write from a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// What carries the key.
    pub carrier: KeyCarrier,
    /// Longest key.
    pub key_max: usize,
    /// How long the vendor keeps a key, from the first call.
    pub kept_for: SignedDuration,
}

/// The constants of a ledger that connecting, pacing and documentation need; the planner's are
/// [`coportal_core::ledger::LedgerRules`]. Each ledger's `profile` module states them with their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Which ledger.
    pub ledger: Ledger,
    /// Scopes of the push lane.
    pub push_scopes: &'static [&'static str],
    /// Scopes of the import lane.
    pub import_scopes: &'static [&'static str],
    /// Scopes of the view lane: none of them can write.
    pub view_scopes: &'static [&'static str],
    /// Life of an access token, where its own answer does not say.
    pub access_token_life: SignedDuration,
    /// Life of an unused refresh token.
    pub refresh_token_life: SignedDuration,
    /// How long a refresh token that was just used may be tried again when the answer was lost.
    pub refresh_grace: SignedDuration,
    /// Limits on calls.
    pub limits: Limits,
    /// Calls that reading the facts takes where no list is longer than a page.
    pub facts_calls: u32,
    /// Calls of facts in flight at once.
    pub facts_in_flight: u32,
    /// Calls of any other step in flight at once.
    pub step_in_flight: u32,
    /// What steps of one invoice count as against the limits, whose permits are asked for before the first of a step's calls.
    pub step_calls: StepCalls,
    /// Pages of the list of contacts in flight at once, where the ledger tells how many there are: within `limits.concurrent`.
    pub list_in_flight: u32,
    /// Most elements of one batch.
    pub batch: usize,
    /// What work over many invoices costs, in calls.
    pub costs: Costs,
    /// How the vendor tells a repeated write; `None` where it does not.
    pub idempotency: Option<Idempotency>,
    /// Which organisation a consent for several is for.
    pub choice: OrganisationChoice,
}

/// Calls of steps, as the vendor counts them, or may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepCalls {
    /// A search for a contact.
    pub search: u32,
    /// Reading what is open of a document, and its payments, in an ordinary organisation.
    pub paid: u32,
    /// The most that a write of a document counts as, beside its lines.
    pub document: u32,
    /// And for each line.
    pub line: u32,
}

impl StepCalls {
    /// A call for each.
    pub const ONE: Self = Self { search: 1, paid: 1, document: 1, line: 0 };

    /// The most that a write of a document with so many lines counts as.
    #[must_use]
    pub fn of_document(&self, lines: usize) -> u32 {
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        self.document.saturating_add(self.line.saturating_mul(lines))
    }
}

/// What follows from a consent that reaches several organisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganisationChoice {
    /// An admin chooses; another one later needs a consent of its own.
    Asked,
    /// An admin chooses; the same consent reaches the others, so that it can be changed later.
    AskedAndChangeable,
    /// The first is taken, as the ledger's folder orders them, and can be changed later (R16, R17).
    FirstAndChangeable,
}

impl OrganisationChoice {
    /// Whether another organisation can be chosen without a new consent.
    #[must_use]
    pub fn is_changeable(self) -> bool {
        match self {
            Self::Asked => false,
            Self::AskedAndChangeable | Self::FirstAndChangeable => true,
        }
    }
}

impl Profile {
    /// The scopes of a lane.
    #[must_use]
    pub fn scopes(&self, lane: Lane) -> &'static [&'static str] {
        match lane {
            Lane::Push => self.push_scopes,
            Lane::Import => self.import_scopes,
            Lane::View => self.view_scopes,
        }
    }
}
