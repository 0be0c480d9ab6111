//! What callers send.

use coportal_core::client::{Address, Client, ContactPerson};
use coportal_core::id::{ClientId, ContactPersonId};
use coportal_core::text;
use serde::{Deserialize, Deserializer};

/// `POST /v1/clients`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateClientRequest {
    name: String,
    email: String,
    #[serde(default)]
    company: Option<String>,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    billing_address: Option<Address>,
    #[serde(default)]
    notes: Option<String>,
    #[serde(default)]
    archived: bool,
}

impl CreateClientRequest {
    pub(crate) fn into_client(self, id: ClientId) -> Client {
        let Self { name, email, company, phone, billing_address, notes, archived } = self;
        tidied(Client { id, name, email, company, phone, billing_address, notes, archived })
    }
}

/// `PATCH /v1/clients/{id}`: a field that is absent stays, an optional one that is null is emptied.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeClientRequest {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default, deserialize_with = "given")]
    company: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    phone: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    billing_address: Option<Option<Address>>,
    #[serde(default, deserialize_with = "given")]
    notes: Option<Option<String>>,
    #[serde(default)]
    archived: Option<bool>,
}

fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ChangeClientRequest {
    pub(crate) fn applied_to(self, client: &Client) -> Client {
        let Self { name, email, company, phone, billing_address, notes, archived } = self;
        let old = client.clone();
        tidied(Client {
            id: old.id,
            name: name.unwrap_or(old.name),
            email: email.unwrap_or(old.email),
            company: company.unwrap_or(old.company),
            phone: phone.unwrap_or(old.phone),
            billing_address: billing_address.unwrap_or(old.billing_address),
            notes: notes.unwrap_or(old.notes),
            archived: archived.unwrap_or(old.archived),
        })
    }
}

/// What people type, without stray blanks; an empty optional field is an absent one.
fn tidied(client: Client) -> Client {
    let line = |field: Option<String>| field.map(|value| text::tidy(&value)).filter(|value| !value.is_empty());
    Client {
        id: client.id,
        name: text::tidy(&client.name),
        email: client.email.trim().to_owned(),
        company: line(client.company),
        phone: line(client.phone),
        billing_address: client
            .billing_address
            .map(|address| Address {
                line1: line(address.line1),
                line2: line(address.line2),
                city: line(address.city),
                region: line(address.region),
                postal_code: line(address.postal_code),
                country: line(address.country),
            })
            .filter(|address| !address.is_empty()),
        // Notes keep their lines.
        notes: client.notes.filter(|notes| !notes.trim().is_empty()),
        archived: client.archived,
    }
}

/// `POST /v1/clients/{id}/contacts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddContactRequest {
    name: String,
    email: String,
}

impl AddContactRequest {
    pub(crate) fn into_person(self, id: ContactPersonId) -> ContactPerson {
        ContactPerson { id, name: text::tidy(&self.name), email: self.email.trim().to_owned() }
    }
}

impl ChangeClientRequest {
    /// Archives or unarchives, and nothing else.
    pub(crate) fn archiving(archived: bool) -> Self {
        Self { name: None, email: None, company: None, phone: None, billing_address: None, notes: None, archived: Some(archived) }
    }
}

/// `GET /v1/clients`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    #[serde(default)]
    pub(crate) limit: Option<u32>,
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// Archived ones too (R133).
    #[serde(default)]
    pub(crate) archived: bool,
}
