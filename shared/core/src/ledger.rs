//! The ledgers, and the few constants about each that decisions rest on.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::money::Currency;
use crate::workspace::Plan;

/// An accounting system that CoPortal pushes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ledger {
    /// Xero.
    Xero,
    /// QuickBooks Online.
    Quickbooks,
    /// Sage Business Cloud Accounting.
    Sage,
    /// Microsoft Dynamics 365 Business Central.
    BusinessCentral,
}

/// A text names no ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a ledger is one of xero, quickbooks, sage, business-central")]
pub struct UnknownLedger;

impl Ledger {
    /// All of them, in the order that pages show them.
    pub const ALL: [Self; 4] = [Self::Xero, Self::Quickbooks, Self::Sage, Self::BusinessCentral];

    /// The name in URLs and keys.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Xero => "xero",
            Self::Quickbooks => "quickbooks",
            Self::Sage => "sage",
            Self::BusinessCentral => "business-central",
        }
    }

    /// The name that users read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Xero => "Xero",
            Self::Quickbooks => "QuickBooks Online",
            Self::Sage => "Sage Business Cloud Accounting",
            Self::BusinessCentral => "Microsoft Business Central",
        }
    }

    /// The lowest plan that includes it (R3-R6).
    #[must_use]
    pub fn plan_required(self) -> Plan {
        match self {
            Self::Xero | Self::Quickbooks => Plan::Studio,
            Self::Sage => Plan::Agency,
            Self::BusinessCentral => Plan::Enterprise,
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl FromStr for Ledger {
    type Err = UnknownLedger;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|ledger| ledger.slug() == text).ok_or(UnknownLedger)
    }
}

/// Where a ledger rounds tax (C12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxMethod {
    /// Each line's tax is rounded, then summed.
    Line,
    /// Amounts are summed by tax code over the document, and the tax of each sum is rounded.
    Group,
    /// The same with credits apart: the sum of a code's negative lines is taxed by itself.
    SignedGroup,
    /// The caller states each line's tax, and the ledger sums what it was given.
    Given,
}

/// What becomes of prices that contain tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InclusivePrices {
    /// The ledger takes them as they are.
    Kept,
    /// They are sent as net prices: the ledger has no such mode, or its own rounding of net amounts is not to be relied on.
    SentNet,
}

/// [`Arithmetic::amount_decimals`] of a ledger whose amounts have the decimals of their currency: no currency has as many.
pub const AS_THE_CURRENCY: u32 = 4;

/// How a ledger computes tax and totals (C12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arithmetic {
    /// Where it rounds tax; an organisation may differ ([`crate::facts::Facts::tax_method`]).
    pub tax: TaxMethod,
    /// What becomes of prices that contain tax.
    pub inclusive: InclusivePrices,
    /// Decimals it keeps of a quantity.
    pub quantity_decimals: u32,
    /// Decimals it keeps of a unit price.
    pub unit_price_decimals: u32,
    /// Decimals of its amounts, in every currency; [`AS_THE_CURRENCY`] or more where each currency has its own.
    pub amount_decimals: u32,
}

impl Arithmetic {
    /// Decimals of an amount in a currency.
    #[must_use]
    pub fn decimals(&self, currency: Currency) -> u32 {
        if self.amount_decimals >= AS_THE_CURRENCY { currency.minor_units() } else { self.amount_decimals }
    }

    /// Rounds an amount as the ledger does.
    #[must_use]
    pub fn round(&self, amount: Decimal, currency: Currency) -> Decimal {
        crate::money::round(amount, self.decimals(currency))
    }
}

/// What a document carries that says "CoPortal made this, for that invoice" (C6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentMark {
    /// The address of the invoice's page.
    Link,
    /// A digest of that address, in a field too short for it.
    Digest,
    /// Nothing: a lost create is known by reference, contact, amount and time together.
    Evidence,
}

/// What a contact carries that says "CoPortal made this, for that client".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactMark {
    /// A field that holds the client's id.
    ClientId,
    /// A field of so many characters, too short for the id: a digest of it.
    Digest {
        /// Longest text of the field.
        max: usize,
    },
    /// Nothing: a lost create is known by name, e-mail address and time together.
    Evidence,
}

/// What a ledger ties a sales line to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineTarget {
    /// A sales account.
    Account,
    /// An item, which has an account of its own (C13).
    Item,
}

/// How a ledger knows the tax of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaxCodes {
    /// A code with a published percentage is sent with each line.
    Sent,
    /// Percentages are not published: a code is sent where a person chose one, and the percentage of the line that comes back is checked.
    Checked,
}

/// How a document reaches a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentShape {
    /// In one call.
    Whole,
    /// The header in one call, its lines in the next; approved by a call of its own, after the draft's totals were checked (R61, C12).
    HeaderThenLines,
}

/// What "draft" means in a ledger (C8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DraftMeaning {
    /// The ledger has drafts of its own.
    Native,
    /// CoPortal holds the invoice until "Post" is pressed.
    Held,
    /// The ledger's unsent documents stand in for drafts.
    Unsent,
}

/// The constants of a ledger that the planner reasons with. Each ledger's folder states them, with the vendor's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerRules {
    /// Which ledger.
    pub ledger: Ledger,
    /// How it computes.
    pub arithmetic: Arithmetic,
    /// What its drafts are.
    pub draft: DraftMeaning,
    /// How long the same idempotency key and body may be sent again after the first send; zero where the ledger has no such key.
    pub key_window: SignedDuration,
    /// How long after a call's time-out its effect may still appear.
    pub settle: SignedDuration,
    /// Time-out of one vendor call made for a waiting user.
    pub call_timeout: SignedDuration,
    /// Whether the ledger itself refuses a second document with the same number (else the number is looked up before a create, C31).
    pub enforces_number: bool,
    /// Whether a document takes our number as its own. Where it does not, the ledger numbers it and our number is its reference (C6).
    pub carries_number: bool,
    /// Whether references are kept in capitals.
    pub reference_in_capitals: bool,
    /// Whether the ledger refuses an update or void that rests on an old version: then a document that stands as we left it is not read
    /// before it is updated.
    pub guards_versions: bool,
    /// How a document is known as ours.
    pub document_mark: DocumentMark,
    /// How a contact is known as ours.
    pub contact_mark: ContactMark,
    /// Whether a contact has one currency for good, so that a client with invoices in two has two contacts there.
    pub contact_has_currency: bool,
    /// What lines are tied to.
    pub line_target: LineTarget,
    /// How the tax of a line is known.
    pub tax_codes: TaxCodes,
    /// In how many calls a document is made.
    pub shape: DocumentShape,
    /// Longest document number it takes.
    pub number_max: usize,
    /// Longest reference it takes.
    pub reference_max: usize,
    /// Longest line description it takes.
    pub description_max: usize,
}

impl LedgerRules {
    /// How long a claim counts: the send window, one call and a margin. A holder that is slower loses the right to start, not its answer.
    #[must_use]
    pub fn lease(&self) -> SignedDuration {
        SEND_WINDOW + self.call_timeout + SignedDuration::from_secs(8)
    }

    /// How long a claim counts whose write travels in a batch: the same with a batch's time-out, and the time that storing all outcomes
    /// takes.
    #[must_use]
    pub fn batch_lease(&self) -> SignedDuration {
        SEND_WINDOW + self.call_timeout.max(BATCH_TIMEOUT) + SignedDuration::from_secs(20)
    }
}

/// How long one vendor call with a batch may take, answer included (design decision 14: a worker's vendor call).
pub const BATCH_TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

/// A claimed write must start within this time, or be claimed anew (docs/records.md, section 4, "send").
pub const SEND_WINDOW: SignedDuration = SignedDuration::from_secs(5);
