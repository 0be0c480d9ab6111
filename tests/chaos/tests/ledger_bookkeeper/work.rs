//! What a bookkeeper does, in the words of each ledger.

use chaos::world::World;
use coportal_core::ledger::Ledger;
use serde_json::{Value, json};

use crate::books::{Origin, organisation, other_account};

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// The first line's account; its item, where lines stand on items.
    Account,
    /// The first line's tracking, class or dimension.
    Tracking,
    /// The document's own dimension.
    Dimension,
    /// Another tax code of the same rate.
    EqualTaxCode,
    /// A tax code of another rate.
    OtherTaxCode,
    Description,
    Price,
    Quantity,
    DueDate,
    IssueDate,
    Reference,
    Number,
    /// The note for the organisation's own people.
    Note,
    OtherContact,
    /// An added line that adds nothing to the total.
    FreeLine,
    /// An added line that does.
    PaidLine,
    RemoveLine,
    /// Approved, released into the books or posted.
    Approve,
    SendForApproval,
    /// Released for posting, without being posted.
    Release,
    PayInFull,
    PayInPart,
    Void,
    Delete,
    /// The VAT return that it is in was filed.
    FileTaxReturn,
    CloseBooks,
    /// Archived, made inactive or blocked for everything.
    ArchiveContact,
    /// Blocked for shipping alone.
    BlockContact,
    MergeContact,
    RenameContact,
    /// The item of our lines is made inactive.
    RetireItem,
    /// The tax code of our lines is made inactive.
    RetireTaxCode,
}

pub(crate) const ALL: [Work; 32] = [
    Work::Account,
    Work::Tracking,
    Work::Dimension,
    Work::EqualTaxCode,
    Work::OtherTaxCode,
    Work::Description,
    Work::Price,
    Work::Quantity,
    Work::DueDate,
    Work::IssueDate,
    Work::Reference,
    Work::Number,
    Work::Note,
    Work::OtherContact,
    Work::FreeLine,
    Work::PaidLine,
    Work::RemoveLine,
    Work::Approve,
    Work::SendForApproval,
    Work::Release,
    Work::PayInFull,
    Work::PayInPart,
    Work::Void,
    Work::Delete,
    Work::FileTaxReturn,
    Work::CloseBooks,
    Work::ArchiveContact,
    Work::BlockContact,
    Work::MergeContact,
    Work::RenameContact,
    Work::RetireItem,
    Work::RetireTaxCode,
];

impl Work {
    /// Why nobody can do this there.
    pub(crate) fn not_offered(self, ledger: Ledger, origin: Origin) -> Option<&'static str> {
        let issued = origin == Origin::Approved || ledger == Ledger::Quickbooks;
        let posted = issued && ledger == Ledger::BusinessCentral;
        match self {
            Self::Account
            | Self::Tracking
            | Self::Dimension
            | Self::EqualTaxCode
            | Self::OtherTaxCode
            | Self::Description
            | Self::Price
            | Self::Quantity
            | Self::IssueDate
            | Self::Reference
            | Self::FreeLine
            | Self::PaidLine
            | Self::RemoveLine
                if posted =>
            {
                Some("of a posted document only the due date can change")
            }
            Self::Tracking if ledger == Ledger::Sage => Some("its invoices have no tracking"),
            Self::Dimension | Self::SendForApproval | Self::Release | Self::BlockContact if ledger != Ledger::BusinessCentral => {
                Some("it knows nothing like it")
            }
            Self::SendForApproval | Self::Release if posted => Some("it is posted already"),
            Self::Reference if ledger == Ledger::Quickbooks => Some("its invoices have a number and a note"),
            Self::Number if matches!(ledger, Ledger::Sage | Ledger::BusinessCentral) => Some("it numbers its documents itself"),
            Self::Note | Self::RetireItem | Self::RetireTaxCode if ledger != Ledger::Quickbooks => Some("it knows nothing like it"),
            Self::OtherContact if ledger == Ledger::BusinessCentral => Some("a document keeps its customer"),
            Self::Approve if issued => Some("it is in the books already"),
            Self::Delete if issued && ledger != Ledger::Quickbooks => Some("only drafts are deleted"),
            Self::FileTaxReturn if ledger != Ledger::Sage => Some("it does not show it on an invoice"),
            Self::FileTaxReturn if !issued => Some("a draft is in no return"),
            Self::MergeContact if ledger == Ledger::Sage => Some("its contacts cannot be merged"),
            _ => None,
        }
    }

    /// Whether the document is in the books once this is done.
    pub(crate) fn issues(self) -> bool {
        matches!(self, Self::Approve | Self::PayInFull | Self::PayInPart | Self::Void)
    }

    /// Does it. Panics where the ledger would not let them.
    pub(crate) fn act(self, world: &World) {
        let organisation = organisation(world.ledger);
        if (self, world.ledger) == (Self::CloseBooks, Ledger::Xero) {
            world.plant(json!({ "organisations": [{ "name": organisation, "period_lock_date": "2026-03-31" }] })).unwrap();
            return;
        }
        for action in self.actions(world, organisation) {
            world.bookkeeper(&action).unwrap_or_else(|refused| panic!("{}, {self:?}: {refused:#}", world.ledger));
        }
    }

    fn actions(self, world: &World, organisation: &str) -> Vec<Value> {
        let ledger = world.ledger;
        let document = world.only().unwrap();
        let (id, contact) = (document.id.as_str(), document.contact_id.as_str());
        let other = || world.books().contacts.into_iter().find(|contact| contact.name == "Somebody Else").unwrap().id;
        let document_with = |action: &str, more: Value| one(json!({ "action": action, "document_id": id }), more);
        let line = |more: Value| one(json!({ "action": "edit_line", "document_id": id, "line": 0 }), more);
        let head = |more: Value| document_with("edit_document", more);
        let add = |price: &str| {
            document_with("add_line", json!({ "description": "Added by the bookkeeper", "quantity": "1", "unit_price": price }))
        };
        let nothing = || json!({});
        // Only what is in the books is paid, or voided instead of deleted.
        let issued = |then: Vec<Value>| {
            let first = if document.status == "draft" { document_with("approve", nothing()) } else { Vec::new() };
            first.into_iter().chain(then).collect()
        };
        match self {
            Self::Account => line(json!({ "account": other_account(ledger) })),
            Self::Tracking => line(json!({ "tracking": [tracking(ledger)] })),
            Self::Dimension => head(json!({ "dimension": "SALES" })),
            Self::EqualTaxCode => line(json!({ "tax_type": equal_code(ledger) })),
            Self::OtherTaxCode => line(json!({ "tax_type": other_code(ledger) })),
            Self::Description => line(json!({ "description": "Workshop, as agreed by telephone" })),
            Self::Price => line(json!({ "unit_price": "475" })),
            Self::Quantity => line(json!({ "quantity": "3" })),
            Self::DueDate => head(json!({ "due_date": "2026-05-01" })),
            Self::IssueDate => head(json!({ "issue_date": "2026-03-02" })),
            Self::Reference => head(json!({ "reference": "PO 4711" })),
            Self::Number => head(json!({ "number": "2026-17" })),
            Self::Note => head(json!({ "note": "Asked for by telephone" })),
            Self::OtherContact => head(json!({ "contact_id": other() })),
            Self::FreeLine => add("0"),
            Self::PaidLine => add("5"),
            Self::RemoveLine => document_with("remove_line", json!({ "line": 0 })),
            Self::Approve => document_with("approve", nothing()),
            Self::SendForApproval => document_with("send_for_approval", nothing()),
            Self::Release => document_with("release", nothing()),
            Self::PayInFull => issued(document_with("pay", nothing())),
            Self::PayInPart => issued(document_with("pay", json!({ "amount": "10" }))),
            Self::Void => issued(document_with("void", nothing())),
            Self::Delete => document_with("delete", nothing()),
            Self::FileTaxReturn => document_with("file_tax_return", nothing()),
            Self::CloseBooks => match ledger {
                Ledger::BusinessCentral => vec![json!({ "action": "close_period", "through": "2026-03-31" })],
                Ledger::Sage => vec![json!({ "action": "lock", "organisation": organisation, "date": "2026-03-31" })],
                Ledger::Xero | Ledger::Quickbooks => {
                    vec![json!({ "action": "close_books", "organisation": organisation, "until": "2026-03-31" })]
                }
            },
            Self::ArchiveContact => vec![json!({ "action": "archive_contact", "contact_id": contact })],
            Self::BlockContact => vec![json!({ "action": "block_contact", "contact_id": contact, "blocked": "ship" })],
            Self::MergeContact => vec![json!({ "action": "merge_contact", "contact_id": contact, "into": other() })],
            Self::RenameContact => vec![json!({ "action": "edit_contact", "contact_id": contact, "name": "Rosewood & Vale (London)" })],
            Self::RetireItem => vec![json!({ "action": "set_item", "organisation": organisation, "item": "1", "active": false })],
            Self::RetireTaxCode => {
                vec![json!({ "action": "set_tax_code", "organisation": organisation, "tax_code": "2", "active": false })]
            }
        }
    }
}

fn one(mut action: Value, more: Value) -> Vec<Value> {
    action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    vec![action]
}

/// As the state shows it.
pub(crate) fn tracking(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Xero => "Region: North",
        Ledger::Quickbooks => "Class: North",
        Ledger::Sage => panic!("its invoices have no tracking"),
        Ledger::BusinessCentral => "PROJECT: NORTH",
    }
}

fn equal_code(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Xero => "TAX020",
        Ledger::Quickbooks => "20",
        Ledger::Sage => "GB_DESIGN",
        Ledger::BusinessCentral => "DESIGN",
    }
}

fn other_code(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Xero => "RROUTPUT",
        Ledger::Quickbooks => "3",
        Ledger::Sage => "GB_LOWER",
        Ledger::BusinessCentral => "REDUCED",
    }
}
