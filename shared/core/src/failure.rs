//! How a vendor call failed: a kind, and what follows from it (design decision 5).

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::metering::Limit;
use crate::problem::{Fix, Issue, Problem, ProblemKind};

/// The question of a hold, named by its stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Several contacts fit.
    ChooseContact,
    /// One contact fits by half.
    ConfirmContact,
    /// The name of a new contact is taken.
    NameClash,
    /// Which account do sales go to?
    ChooseAccount,
    /// Which tax code is this rate?
    MapTax,
    /// The ledger would compute other cents.
    TotalsDiffer,
    /// Our number is on a document that is not ours.
    NumberTaken,
    /// More than one document carries our mark.
    TwoDocuments,
    /// The same field changed here and there.
    ChangedInLedger,
    /// The document was voided or deleted there.
    DocumentGone,
    /// Money is applied to the document there.
    PaidInLedger,
    /// The date lies in a closed period.
    PeriodLocked,
    /// The organisation does not have the invoice's currency.
    CurrencyMissing,
    /// The invoice was voided here and is open there.
    VoidInLedger,
    /// The contact that the client is linked to can no longer be used.
    ContactGone,
    /// Which item are sales lines tied to?
    ChooseItem,
    /// Which account do payments go to?
    ChoosePaymentAccount,
    /// The ledger has no drafts: the invoice waits here until somebody posts it (C8).
    PostHeld,
    /// The ledger lets nobody change the document any more.
    LockedInLedger,
    /// A payment that cannot be recorded as it is.
    PaymentDiffers,
}

impl Question {
    /// The code in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ChooseContact => "choose_contact",
            Self::ConfirmContact => "confirm_contact",
            Self::NameClash => "name_clash",
            Self::ChooseAccount => "choose_account",
            Self::MapTax => "map_tax",
            Self::TotalsDiffer => "totals_differ",
            Self::NumberTaken => "number_taken",
            Self::TwoDocuments => "two_documents",
            Self::ChangedInLedger => "changed_in_ledger",
            Self::DocumentGone => "document_gone",
            Self::PaidInLedger => "paid_in_ledger",
            Self::PeriodLocked => "period_locked",
            Self::CurrencyMissing => "currency_missing",
            Self::VoidInLedger => "void_in_ledger",
            Self::ContactGone => "contact_gone",
            Self::ChooseItem => "choose_item",
            Self::ChoosePaymentAccount => "choose_payment_account",
            Self::PostHeld => "post_held",
            Self::LockedInLedger => "locked_in_ledger",
            Self::PaymentDiffers => "payment_differs",
        }
    }
}

/// What follows from a failed call. Matched exhaustively: a new failure has to be decided, not defaulted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Not done, and trying again later helps; not before this instant where the vendor named one.
    Retry {
        /// The vendor's own "not before".
        not_before: Option<Timestamp>,
    },
    /// Not done: the access token is not taken. Refresh once; if that does not help, the grant is dead.
    Reauthorize,
    /// Not done, and the same request will be refused again.
    Reject {
        /// What is wrong, where the vendor said so.
        issues: Vec<Issue>,
    },
    /// It may have been done: time-out, reset, 5xx on a write. Only a look, or the same key and body, may follow.
    LookFirst,
    /// Not done, and a person can answer what to do.
    Hold {
        /// The question.
        question: Question,
    },
    /// Not done: it rested on a version that is no longer the newest. Read again and compare.
    Stale,
    /// Not done: our own mistake (a malformed query, an unexpected answer).
    Defect,
}

/// A failed vendor call.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Stable code, `snake_case`: the entry in the ledger's fix-it catalogue.
    pub code: Cow<'static, str>,
    /// What follows.
    pub disposition: Disposition,
    /// What the user reads.
    pub detail: Cow<'static, str>,
    /// What the user can do.
    pub fix: Fix,
    /// The vendor's HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The vendor's id of the request, for their support.
    pub vendor_request_id: Option<String>,
    /// What the log keeps: the vendor's words, cut short, never a token.
    pub internal: String,
    /// Stored facts (accounts, tax rates) are probably stale: read them again.
    pub facts_stale: bool,
    /// The limit that stood in the way: the vendor's refusal, or a call that was not made because of it.
    pub limit: Option<Limit>,
}

impl Failure {
    /// Whether the vendor certainly did nothing: the intent may be closed.
    #[must_use]
    pub fn certainly_not_done(&self) -> bool {
        match self.disposition {
            Disposition::Retry { .. }
            | Disposition::Reauthorize
            | Disposition::Reject { .. }
            | Disposition::Hold { .. }
            | Disposition::Stale
            | Disposition::Defect => true,
            Disposition::LookFirst => false,
        }
    }

    /// The public half, as a problem.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let kind = match self.disposition {
            Disposition::Retry { .. } | Disposition::LookFirst => ProblemKind::Unavailable,
            Disposition::Reauthorize | Disposition::Stale => ProblemKind::Conflict,
            Disposition::Reject { .. } | Disposition::Hold { .. } => ProblemKind::Invalid,
            Disposition::Defect => ProblemKind::Internal,
        };
        let mut problem = Problem::new(kind, self.code.clone(), self.detail.clone()).because(&self.internal);
        problem.fix = Some(self.fix.clone());
        if let Disposition::Reject { issues } = &self.disposition {
            problem.issues.clone_from(issues);
        }
        problem
    }
}
