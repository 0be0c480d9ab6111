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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    fn invoice(status: InvoiceStatus) -> Invoice {
        Invoice {
            id: crate::id::InvoiceId::new(uuid::Uuid::from_u128(1)),
            number: "1".into(),
            client_id: crate::id::ClientId::new(uuid::Uuid::from_u128(2)),
            currency: "GBP".parse().unwrap(),
            issue_date: "2026-01-01".parse().unwrap(),
            due_date: None,
            status,
            tax_mode: crate::invoice::TaxMode::Exclusive,
            lines: vec![],
            payments: vec![],
            version: 1,
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// C9, R39-R42: sent and paid in all four; drafts only by option and only as drafts; void never; the refusal names its reason.
    #[test]
    fn c9_r39_to_r42_what_may_be_synced() {
        for ledger in Ledger::ALL {
            let defaults = Options::defaults(ledger);
            let drafts = Options { also_draft_source: true, ..defaults.clone() };
            let posted = Options { sync_as_draft: false, ..drafts.clone() };
            let shown = Options::preset(Profile::Copper, ledger);
            for status in [InvoiceStatus::Sent, InvoiceStatus::Paid] {
                assert_eq!(check(&invoice(status), &defaults), Ok(()));
                assert_eq!(check(&invoice(status), &shown), Err(Ineligible::ViewOnly));
            }
            assert_eq!(check(&invoice(InvoiceStatus::Draft), &defaults), Err(Ineligible::NotSent));
            assert_eq!(check(&invoice(InvoiceStatus::Draft), &drafts), Ok(()));
            assert_eq!(check(&invoice(InvoiceStatus::Draft), &posted), Err(Ineligible::NotSent));
            assert_eq!(check(&invoice(InvoiceStatus::Void), &drafts), Err(Ineligible::Void));
        }
        for reason in [Ineligible::NotSent, Ineligible::Void, Ineligible::ViewOnly] {
            let problem = reason.problem();
            assert_eq!((problem.kind, problem.code.as_ref()), (ProblemKind::Invalid, "not_eligible"));
            assert!(problem.fix.is_some());
        }
    }
}
