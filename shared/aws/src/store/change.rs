//! Changes of items.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;

use super::condition::{Condition, names};
use super::{Item, number, string};
use crate::error::StoreError;
use crate::keys::{Index, Key, PK, SK};

/// What an item is. Stream filters and readers rest on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A workspace.
    Workspace,
    /// A member of a workspace.
    Member,
    /// The mirror of a membership.
    Membership,
    /// A person.
    User,
    /// A line of the audit list.
    Audit,
    /// A client.
    Client,
    /// A contact person of a client.
    Person,
    /// The owners of an e-mail address.
    EmailOwners,
    /// An invoice.
    Invoice,
    /// The claim of an invoice number.
    InvoiceNumber,
    /// A line of a timeline.
    Timeline,
    /// An event for hooks.
    Event,
    /// A connection.
    Connection,
    /// What a connection's card shows beside the connection.
    Note,
    /// The generation of an organisation.
    Generation,
    /// The counter of generations.
    GenerationCounter,
    /// A workspace's use of an organisation.
    OrganisationUse,
    /// Tokens.
    Tokens,
    /// Facts of an organisation.
    Facts,
    /// A choice.
    Choice,
    /// The link of a client to a contact.
    ContactLink,
    /// The owner of a contact.
    ContactOwner,
    /// The owner of a document.
    DocumentOwner,
    /// A sync row.
    SyncRow,
    /// The body of an intent.
    SyncBody,
    /// An OAuth sign-in.
    OauthState,
    /// A signed-in browser.
    Session,
    /// A hand-off code.
    HandOffCode,
    /// A sign-in at an identity provider.
    Login,
    /// The id of a response or assertion that was used.
    AssertionSeen,
    /// A single sign-on connection.
    SsoConnection,
    /// What of single sign-on a workspace has.
    SsoDirectory,
    /// A proved domain.
    Domain,
    /// A domain that a workspace has asked for.
    DomainAsked,
    /// An identity at an issuer.
    Identity,
    /// A person's identity at a connection.
    IdentityHere,
    /// Who has an e-mail address.
    Address,
    /// A sign-in that waits for an admin.
    WaitingSignIn,
    /// A break-glass code.
    BreakGlass,
    /// How much of a limit is used.
    Bucket,
    /// An idempotency record.
    Idempotency,
    /// The calls of an organisation.
    CallBucket,
    /// The calls of our app over all organisations of a ledger.
    AppBucket,
    /// The head of a job.
    Job,
    /// What a job keeps beside its head: a chunk of a backfill.
    JobPart,
    /// What somebody changed in a ledger.
    Drift,
}

impl Kind {
    /// The value of the attribute `kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Member => "member",
            Self::Membership => "membership",
            Self::User => "user",
            Self::Audit => "audit",
            Self::Client => "client",
            Self::Person => "person",
            Self::EmailOwners => "email_owners",
            Self::Invoice => "invoice",
            Self::InvoiceNumber => "invoice_number",
            Self::Timeline => "timeline",
            Self::Event => "event",
            Self::Connection => "connection",
            Self::Note => "note",
            Self::Generation => "generation",
            Self::GenerationCounter => "generation_counter",
            Self::OrganisationUse => "organisation_use",
            Self::Tokens => "tokens",
            Self::Facts => "facts",
            Self::Choice => "choice",
            Self::ContactLink => "contact_link",
            Self::ContactOwner => "contact_owner",
            Self::DocumentOwner => "document_owner",
            Self::SyncRow => "sync_row",
            Self::SyncBody => "sync_body",
            Self::OauthState => "oauth_state",
            Self::Session => "session",
            Self::HandOffCode => "hand_off_code",
            Self::Login => "login",
            Self::AssertionSeen => "assertion_seen",
            Self::SsoConnection => "sso_connection",
            Self::SsoDirectory => "sso_directory",
            Self::Domain => "domain",
            Self::DomainAsked => "domain_asked",
            Self::Identity => "identity",
            Self::IdentityHere => "identity_here",
            Self::Address => "address",
            Self::WaitingSignIn => "waiting_sign_in",
            Self::BreakGlass => "break_glass",
            Self::Bucket => "bucket",
            Self::Idempotency => "idempotency",
            Self::CallBucket => "call_bucket",
            Self::AppBucket => "app_bucket",
            Self::Job => "job",
            Self::JobPart => "job_part",
            Self::Drift => "drift",
        }
    }

    /// The newest shape that this binary reads and writes (attribute `v`).
    #[must_use]
    pub fn shape(self) -> u32 {
        1
    }
}

/// The attributes that a write sets and those that it removes.
#[derive(Debug, Clone)]
pub struct Fields {
    /// Absent: the item stays what it is.
    kind: Option<Kind>,
    set: BTreeMap<String, AttributeValue>,
    remove: BTreeSet<String>,
}

impl Fields {
    /// No attributes yet.
    #[must_use]
    pub fn empty(kind: Kind) -> Self {
        Self { kind: Some(kind), set: BTreeMap::new(), remove: BTreeSet::new() }
    }

    /// No attributes yet, for a change of an item of whatever kind: kind and shape stay as they are stored.
    #[must_use]
    pub fn of_any_kind() -> Self {
        Self { kind: None, set: BTreeMap::new(), remove: BTreeSet::new() }
    }

    /// The fields of a record. A field that is `None` removes its attribute, so the record must not skip `None` when serialised.
    ///
    /// # Errors
    /// When the record has no form in DynamoDB.
    pub fn of<T: Serialize>(kind: Kind, record: &T) -> Result<Self, StoreError> {
        let item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(record).map_err(|error| StoreError::corrupt(kind.as_str(), error))?;
        let mut fields = Self::empty(kind);
        for (name, value) in item {
            if value.is_null() {
                fields.remove.insert(name);
            } else {
                fields.set.insert(name, value);
            }
        }
        Ok(fields)
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.remove.remove(name);
        self.set.insert(name.to_owned(), value);
        self
    }

    /// Sets a text.
    #[must_use]
    pub fn text(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.set(name, string(value.to_string()))
    }

    /// Sets a number.
    #[must_use]
    pub fn number(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.set(name, number(value))
    }

    /// Sets an attribute, or removes it when there is no value.
    #[must_use]
    pub fn optional(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Sets an attribute to any serialisable value.
    ///
    /// # Errors
    /// When the value has no form in DynamoDB.
    pub fn value<T: Serialize>(self, name: &str, value: &T) -> Result<Self, StoreError> {
        let kind = self.kind.map_or("item", Kind::as_str);
        let value = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value).map_err(|error| StoreError::corrupt(kind, error))?;
        Ok(if matches!(value, AttributeValue::Null(_)) { self.remove(name) } else { self.set(name, value) })
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.set.remove(name);
        self.remove.insert(name.to_owned());
        self
    }

    /// Leaves an attribute as it is stored.
    #[must_use]
    pub fn untouched(mut self, name: &str) -> Self {
        self.set.remove(name);
        self.remove.remove(name);
        self
    }

    /// The item ends then: DynamoDB removes it hours later, so readers compare `exp` themselves.
    #[must_use]
    pub fn expires(self, at: Timestamp) -> Self {
        self.number("exp", at.as_second())
    }

    /// Keys in the `due` index, or none.
    #[must_use]
    pub fn due(self, keys: Option<(String, String)>) -> Self {
        self.index(Index::Due, keys)
    }

    /// Keys in the `list` index, or none.
    #[must_use]
    pub fn listed(self, keys: Option<(String, String)>) -> Self {
        self.index(Index::List, keys)
    }

    fn index(self, index: Index, keys: Option<(String, String)>) -> Self {
        match keys {
            Some((partition, sort)) => self.set(index.pk(), string(partition)).set(index.sk(), string(sort)),
            None => self.remove(index.pk()).remove(index.sk()),
        }
    }

    /// Adds what every item carries: `kind`, `v`, `wid`, `updated_at` (`rev` is counted by the table).
    fn stamped(self, wid: &str, now: Timestamp) -> Self {
        let kind = self.kind;
        let written = self.text("wid", wid).text("updated_at", format_args!("{now:.3}"));
        match kind {
            Some(kind) => written.text("kind", kind.as_str()).number("v", kind.shape()),
            None => written,
        }
    }
}

/// One write of one item.
#[derive(Debug, Clone)]
pub struct Change {
    pub(super) key: Key,
    pub(super) condition: Condition,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Update(Fields),
    Put(Fields),
    Delete,
    Check,
}

/// A change as a request: expressions, names and values.
pub(super) struct Expressed {
    pub(super) key: Item,
    pub(super) update: Option<String>,
    pub(super) condition: Option<String>,
    pub(super) names: Option<HashMap<String, String>>,
    pub(super) values: Option<HashMap<String, AttributeValue>>,
    /// The item's revision once the change is made, where its condition says it beforehand.
    pub(super) rev: Option<u64>,
}

impl Change {
    /// Sets and removes attributes; the item is made if it is not there.
    #[must_use]
    pub fn update(key: Key, fields: Fields) -> Self {
        Self { key, condition: Condition::none(), what: What::Update(fields) }
    }

    /// Writes a whole item over whatever is there, at revision 1: for fresh keys, and for keys whose old item has ended.
    #[must_use]
    pub fn put(key: Key, fields: Fields) -> Self {
        Self { key, condition: Condition::none(), what: What::Put(fields) }
    }

    /// Deletes an item.
    #[must_use]
    pub fn delete(key: Key) -> Self {
        Self { key, condition: Condition::none(), what: What::Delete }
    }

    /// Only checks a condition; for transactions.
    #[must_use]
    pub fn check(key: Key, condition: Condition) -> Self {
        Self { key, condition, what: What::Check }
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = self.condition.and(condition);
        self
    }

    /// As a request other than a put.
    pub(super) fn express(self, wid: &str, now: Timestamp) -> Expressed {
        let conditional = !self.condition.is_none();
        let at = self.condition.at_rev();
        let (condition, mut values) = self.condition.into_parts();
        let mut used = HashMap::new();
        names(&condition, &mut used);
        let update = match self.what {
            What::Update(fields) => {
                let Fields { set, remove, .. } = fields.stamped(wid, now);
                let sets: Vec<String> = set.keys().map(|name| format!("#{name} = :set_{name}")).collect();
                let mut update = format!("SET {} ADD #rev :one", sets.join(", "));
                values.insert(":one".to_owned(), number(1));
                // Of an absent item there is nothing to remove.
                if !remove.is_empty() && at != Some(0) {
                    let removes: Vec<String> = remove.iter().map(|name| format!("#{name}")).collect();
                    update = format!("{update} REMOVE {}", removes.join(", "));
                }
                values.extend(set.into_iter().map(|(name, value)| (format!(":set_{name}"), value)));
                names(&update, &mut used);
                Some(update)
            }
            What::Put(_) | What::Delete | What::Check => None,
        };
        Expressed {
            key: key_item(&self.key),
            update,
            condition: conditional.then_some(condition),
            names: (!used.is_empty()).then_some(used),
            values: (!values.is_empty()).then_some(values),
            rev: at.map(|at| at + 1),
        }
    }
}

/// The whole item of a put.
pub(super) fn whole_item(key: &Key, fields: Fields, wid: &str, now: Timestamp) -> Item {
    let mut item: Item = fields.stamped(wid, now).number("rev", 1).set.into_iter().collect();
    item.extend(key_item(key));
    item
}

/// The key attributes of an item.
pub(super) fn key_item(key: &Key) -> Item {
    HashMap::from([(PK.to_owned(), string(key.pk.clone())), (SK.to_owned(), string(key.sk.clone()))])
}
