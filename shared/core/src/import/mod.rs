//! Importing contacts of a ledger as clients: what a preview shows of each, and what becomes of a ticked row (R24-R33, C14-C16).
//!
//! [`classify()`] tells for a whole list which contacts are linked already, which have the address of a client, and which are new.
//! [`decide()`] tells for one ticked row what is done with it, on what is known at that moment; a row that is no longer what the preview
//! showed is reported and not guessed (I15).

mod classify;
mod decide;

use serde::{Deserialize, Serialize};

use crate::client::{Address, Client};
use crate::id::{ClientId, PreviewId};
use crate::ledger::Ledger;
use crate::money::Currency;
use crate::text;

pub use classify::{Classifier, Counts, Known, KnownClient, classify};
pub use decide::{Changed, Decision, Failed, Fresh, Now, Pick, decide, difference};

/// A contact of a ledger as an import reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The ledger's id of it.
    #[serde(rename = "id")]
    pub external_id: String,
    /// Its name there.
    #[serde(rename = "n")]
    pub name: String,
    /// Its e-mail address; of several, the first.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Further addresses of the same field.
    #[serde(rename = "ee", default, skip_serializing_if = "Vec::is_empty")]
    pub other_emails: Vec<String>,
    /// Its telephone.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Its billing address.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    /// It cannot be used on new documents there.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// The owner's mark on it, ours or somebody else's.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub our_mark: Option<String>,
    /// The currency of its documents, where the ledger says one.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// A part of another contact (a sub-customer, a project): it answers to the other's address.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub part_of_another: bool,
}

impl Listed {
    /// All its e-mail addresses.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.email.iter().chain(&self.other_emails).map(String::as_str)
    }
}

/// How a contact stands to the clients of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ImportStatus))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No client has its address, and none is linked to it (R25).
    New,
    /// A client, or a contact person of one, has its address (R26, R149).
    DuplicateEmail,
    /// A client is linked to it, or it carries our mark of a client (R27).
    Linked,
}

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ImportAction))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A client is made of it.
    Create,
    /// A client that exists is linked to it (C15).
    Link,
    /// Nothing.
    Skip,
}

/// Why no client can be made of a contact, or why none is made unless somebody says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// It has no name, and a client needs one (R111).
    NoName,
    /// It has no e-mail address, and a client needs one (R112).
    NoEmail,
    /// What it has for an e-mail address is none (R112).
    MalformedEmail,
    /// It is archived there: a client is made only when somebody says so.
    ArchivedInLedger,
    /// It is a part of another contact: a client is made only when somebody says so.
    PartOfAnother,
}

impl Obstacle {
    /// The code in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoName => "no_name",
            Self::NoEmail => "no_email",
            Self::MalformedEmail => "malformed_email",
            Self::ArchivedInLedger => "archived_in_ledger",
            Self::PartOfAnother => "part_of_another",
        }
    }

    /// The sentence a user reads.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::NoName => "The contact has no name. Give it one in the ledger, then preview again.",
            Self::NoEmail => "The contact has no e-mail address, and a client needs one. Add it in the ledger, then preview again.",
            Self::MalformedEmail => "The contact's e-mail address is not one. Correct it in the ledger, then preview again.",
            Self::ArchivedInLedger => "The contact is archived in the ledger.",
            Self::PartOfAnother => "The contact is a part of another one, a project for example.",
        }
    }

    /// Whether no client can be made even if somebody says so.
    #[must_use]
    pub fn prevents(self) -> bool {
        match self {
            Self::NoName | Self::NoEmail | Self::MalformedEmail => true,
            Self::ArchivedInLedger | Self::PartOfAnother => false,
        }
    }
}

/// A row of a preview: the contact, and what was found about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The contact as it was read.
    #[serde(flatten)]
    pub listed: Listed,
    /// How it stands.
    #[serde(rename = "st")]
    pub status: Status,
    /// The clients that it is linked to or has the address of; the one that a link goes to first.
    #[serde(rename = "cl", default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientId>,
    /// Whether the first of them is archived here (R148).
    #[serde(rename = "ar", default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// An earlier contact of the same list with the same address.
    #[serde(rename = "tw", default, skip_serializing_if = "Option::is_none")]
    pub twin_of: Option<String>,
    /// Whether an earlier contact that has a client, or can be made one, has the same address.
    #[serde(rename = "cd", default, skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
    /// What stands in the way of a client.
    #[serde(rename = "ob", default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
}

impl Row {
    /// What a tick means, where the person does not say otherwise: a new contact becomes a client, a duplicate is linked to the client it
    /// duplicates (C15), and a linked one stays as it is. A twin of a contact that has a client, or can be made one, is left to the person,
    /// and so is what stands in the way.
    #[must_use]
    pub fn default_action(&self) -> Action {
        match self.status {
            Status::New if !self.claimed && self.obstacle.is_none() => Action::Create,
            Status::DuplicateEmail => Action::Link,
            Status::New | Status::Linked => Action::Skip,
        }
    }

    /// Whether it is ticked before anybody touches it: what is new is, a duplicate is not (R26, C14).
    #[must_use]
    pub fn is_ticked(&self) -> bool {
        self.default_action() == Action::Create
    }
}

/// The clients' fields of a contact: what is shown in the preview, and what a client is made with (R28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Billing address.
    pub billing_address: Option<Address>,
}

/// Longest telephone of a client, in characters; a longer one is a note rather than a number, and is left out.
const PHONE_MAX: usize = 50;
/// Longest name and longest part of an address, in characters.
const LINE_MAX: usize = 255;

fn line(text: &str) -> Option<String> {
    let tidy: String = text::tidy(text).chars().take(LINE_MAX).collect();
    Some(tidy.trim_end().to_owned()).filter(|line| !line.is_empty())
}

impl Mapped {
    /// A contact's fields as a client has them: without stray blanks, and no longer than a client's fields are.
    #[must_use]
    pub fn of(listed: &Listed) -> Self {
        let part = |part: &Option<String>| part.as_deref().and_then(line);
        let address = listed.billing_address.as_ref().map(|address| Address {
            line1: part(&address.line1),
            line2: part(&address.line2),
            city: part(&address.city),
            region: part(&address.region),
            postal_code: part(&address.postal_code),
            country: part(&address.country),
        });
        Self {
            name: line(&listed.name).unwrap_or_default(),
            email: listed.email.as_deref().map(|email| email.trim().to_owned()).filter(|email| !email.is_empty()),
            phone: listed.phone.as_deref().and_then(line).filter(|phone| phone.chars().count() <= PHONE_MAX),
            billing_address: address.filter(|address| !address.is_empty()),
        }
    }

    /// The client that is made of it.
    #[must_use]
    pub fn client(self, id: ClientId) -> Client {
        Client {
            id,
            name: self.name,
            email: self.email.unwrap_or_default(),
            company: None,
            phone: self.phone,
            billing_address: self.billing_address,
            notes: None,
            archived: false,
        }
    }
}

/// The id of the client that a preview's commit makes of a contact: always the same one, so that a repeat, after a crash too, knows what
/// was made. Its time is the preview's.
#[must_use]
pub fn client_of(preview: PreviewId, external_id: &str) -> ClientId {
    let name = preview.to_string();
    let digest = text::digest([name.as_bytes(), external_id.as_bytes()]);
    let bits = digest.get(..20).and_then(|twenty| u128::from_str_radix(twenty, 16).ok()).unwrap_or_default();
    let [_, _, _, _, _, _, random @ ..] = bits.to_be_bytes();
    let time = name.rsplit('_').next().and_then(|hex| hex.get(..12)).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    ClientId::new(uuid::Builder::from_unix_timestamp_millis(time, &random).into_uuid())
}

/// Which field of a ledger becomes which of CoPortal's: read only, and these four (R28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldMapping {
    /// The ledger's field, by the name that its users or its API know it by.
    pub ledger_field: &'static str,
    /// CoPortal's field.
    pub coportal_field: &'static str,
}

const fn mapping(name: &'static str, email: &'static str, phone: &'static str, address: &'static str) -> [FieldMapping; 4] {
    [
        FieldMapping { ledger_field: name, coportal_field: "name" },
        FieldMapping { ledger_field: email, coportal_field: "email" },
        FieldMapping { ledger_field: phone, coportal_field: "phone" },
        FieldMapping { ledger_field: address, coportal_field: "billing_address" },
    ]
}

/// The mapping of a ledger (docs/vendors, section 2 of each ledger's page; Business Central's section 4).
#[must_use]
pub fn field_mapping(ledger: Ledger) -> [FieldMapping; 4] {
    match ledger {
        Ledger::Xero => mapping("Name", "EmailAddress", "Phones (DEFAULT)", "Addresses (POBOX)"),
        Ledger::Quickbooks => mapping("DisplayName", "PrimaryEmailAddr", "PrimaryPhone", "BillAddr"),
        Ledger::Sage => mapping("name", "email", "main_contact_person.telephone", "main_address"),
        Ledger::BusinessCentral => {
            mapping("displayName", "email", "phoneNumber", "addressLine1, addressLine2, city, state, postalCode, country")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn listed() -> Listed {
        Listed { external_id: "x1".into(), name: " Zoë \u{7} Ltd ".into(), email: Some(" zoe@example.com ".into()), ..Listed::default() }
    }

    /// R28: these four fields, tidied; what is made of them is a client without faults.
    #[test]
    fn r28_four_fields_are_mapped() {
        let long = "l".repeat(300);
        let whole = Listed {
            phone: Some(" 020  7946 ".into()),
            billing_address: Some(Address { line1: Some(long.clone()), city: Some(" ".into()), ..Address::default() }),
            ..listed()
        };
        let client = Mapped::of(&whole).client(ClientId::new(Uuid::from_u128(1)));
        assert_eq!(
            (client.name.as_str(), client.email.as_str(), client.phone.as_deref()),
            ("Zoë Ltd", "zoe@example.com", Some("020 7946"))
        );
        let address = client.billing_address.clone().unwrap();
        assert_eq!((address.line1.unwrap().len(), address.city), (255, None));
        assert_eq!(client.issues(), []);
        let odd = Listed { phone: Some(long), billing_address: Some(Address::default()), email: Some(" ".into()), ..listed() };
        let mapped = Mapped::of(&odd);
        assert_eq!((mapped.phone, mapped.billing_address, mapped.email), (None, None, None));
        for ledger in Ledger::ALL {
            let fields = field_mapping(ledger).map(|row| row.coportal_field);
            assert_eq!(fields, ["name", "email", "phone", "billing_address"]);
        }
    }

    #[test]
    fn a_commit_knows_its_own_clients() {
        let preview = |n: u128| PreviewId::new(Uuid::from_u128(0x0195_0000_0001_7000_8000_0000_0000_0000 + n));
        let made = client_of(preview(1), "x1");
        assert_eq!(made, client_of(preview(1), "x1"));
        assert!(made.to_string().starts_with("cl_0195000000017"), "{made}");
        assert!(made != client_of(preview(1), "x2") && made != client_of(preview(2), "x1"));
    }

    /// C14, C15, R26: new is ticked and becomes a client; a duplicate is not ticked, and a tick links it; a linked one is left alone.
    #[test]
    fn c14_c15_r26_what_a_tick_means() {
        let row = |status, twin: bool, obstacle| {
            let twin_of = Some("x0".to_owned());
            let row = Row { listed: listed(), status, clients: Vec::new(), archived: false, twin_of, claimed: twin, obstacle };
            (row.default_action(), row.is_ticked())
        };
        assert_eq!(row(Status::New, false, None), (Action::Create, true));
        assert_eq!(row(Status::New, true, None), (Action::Skip, false));
        assert_eq!(row(Status::New, false, Some(Obstacle::ArchivedInLedger)), (Action::Skip, false));
        assert_eq!(row(Status::DuplicateEmail, false, None), (Action::Link, false));
        assert_eq!(row(Status::DuplicateEmail, true, Some(Obstacle::NoName)), (Action::Link, false));
        assert_eq!(row(Status::Linked, false, None), (Action::Skip, false));
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        use Obstacle::{ArchivedInLedger, MalformedEmail, NoEmail, NoName, PartOfAnother};
        for obstacle in [NoName, NoEmail, MalformedEmail, ArchivedInLedger, PartOfAnother] {
            assert_eq!(serde_json::to_value(obstacle).unwrap(), obstacle.code());
            assert!(obstacle.detail().ends_with('.'));
            assert_eq!(obstacle.prevents(), !matches!(obstacle, ArchivedInLedger | PartOfAnother));
        }
    }
}
