//! Which invoices may be synced (C9, R39-R42).

use serde::Serialize;

use crate::connection::{Options, Profile};
use crate::invoice::{Invoice, InvoiceStatus};
use crate::problem::{Problem, ProblemKind};

/// Why an invoice may not be synced now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ineligible {
    /// It is a draft, and the connection does not take drafts.
    NotSent,
    /// It is void.
    Void,
    /// The connection only shows the ledger's invoices (C17).
    ViewOnly,
}

impl Ineligible {
    /// The reason in a sentence.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::NotSent => "Only sent and paid invoices are synced. Send the invoice first.",
            Self::Void => "The invoice is void.",
            Self::ViewOnly => "This connection only shows the ledger's invoices; it pushes none.",
        }
    }

    /// The refusal: the API gives the reason; the button is not merely hidden.
    #[must_use]
    pub fn problem(self) -> Problem {
        let problem = Problem::new(ProblemKind::Invalid, "not_eligible", self.detail());
        match self {
            Self::NotSent => problem.fix(
                "Send the invoice, or switch on \"also draft invoices\" together with \"sync as draft\".",
                "the invoice, or Settings -> Integrations",
                false,
            ),
            Self::ViewOnly => problem.fix("Choose another profile for the connection.", "Settings -> Integrations", false),
            Self::Void => problem.fix("Create a new invoice; a void one stays out of the ledger.", "Invoices", false),
        }
    }
}

/// Whether an invoice may be synced under a connection's options.
///
/// # Errors
/// The reason it may not.
pub fn check(invoice: &Invoice, options: &Options) -> Result<(), Ineligible> {
    if options.profile == Profile::Copper {
        return Err(Ineligible::ViewOnly);
    }
    match invoice.status {
        InvoiceStatus::Sent | InvoiceStatus::Paid => Ok(()),
        InvoiceStatus::Draft if options.also_draft_source && options.sync_as_draft => Ok(()),
        InvoiceStatus::Draft => Err(Ineligible::NotSent),
        InvoiceStatus::Void => Err(Ineligible::Void),
    }
}
