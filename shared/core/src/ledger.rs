//! The ledgers, and the few constants about each that decisions rest on.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::workspace::Plan;

/// An accounting system that CoPortal pushes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// How a ledger computes tax and totals (C12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arithmetic {
    /// Where it rounds tax.
    pub tax_rounding: crate::workspace::TaxRounding,
    /// Decimals it keeps of a quantity.
    pub quantity_decimals: u32,
    /// Decimals it keeps of a unit price.
    pub unit_price_decimals: u32,
}

/// What "draft" means in a ledger (C8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
}

/// A claimed write must start within this time, or be claimed anew (docs/records.md, section 4, "send").
pub const SEND_WINDOW: SignedDuration = SignedDuration::from_secs(5);
