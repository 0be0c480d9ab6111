//! Clients and their contact persons: what is asked for, and changing what is stored (R109-R120, R133, R134).

use coportal_aws::records::clients::ClientSaved;
use coportal_aws::store::Store;
use coportal_core::client::{Address, Client, ContactPerson};
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, ContactPersonId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::text;
use serde::{Deserialize, Deserializer};

/// `POST /v1/clients`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateClientRequest {
    /// The legal name (R111, R116).
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 255, pattern = "[^\\s\\x00-\\x1f\\x7f-\\x9f]"))]
    pub name: String,
    /// Where invoices and receipts go (R112).
    #[cfg_attr(feature = "openapi", schema(format = "email", max_length = 254))]
    pub email: String,
    /// The company, shown beside the name if it differs (R113).
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub company: Option<String>,
    /// For reference (R114).
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 50))]
    pub phone: Option<String>,
    /// Where invoices are addressed to.
    #[serde(default)]
    pub billing_address: Option<Address>,
    /// The team's own; never shown to the client (R115).
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 10000))]
    pub notes: Option<String>,
    /// Hidden from the main list (R133).
    #[serde(default)]
    pub archived: bool,
}

impl CreateClientRequest {
    /// The client that is asked for, without stray blanks.
    #[must_use]
    pub fn into_client(self, id: ClientId) -> Client {
        let Self { name, email, company, phone, billing_address, notes, archived } = self;
        tidied(Client { id, name, email, company, phone, billing_address, notes, archived })
    }
}

/// `PATCH /v1/clients/{id}`: a field that is absent stays, an optional one that is null is emptied, a required one that is null is refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeClientRequest {
    /// The legal name (R111, R116).
    #[serde(default, deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 1, max_length = 255, pattern = "[^\\s\\x00-\\x1f\\x7f-\\x9f]"))]
    pub name: Option<String>,
    /// Where invoices and receipts go (R112).
    #[serde(default, deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, format = "email", max_length = 254))]
    pub email: Option<String>,
    /// The company, shown beside the name if it differs (R113).
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub company: Option<Option<String>>,
    /// For reference (R114).
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "openapi", schema(max_length = 50))]
    pub phone: Option<Option<String>>,
    /// Where invoices are addressed to.
    #[serde(default, deserialize_with = "given")]
    pub billing_address: Option<Option<Address>>,
    /// The team's own; never shown to the client (R115).
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "openapi", schema(max_length = 10000))]
    pub notes: Option<Option<String>>,
    /// Hidden from the main list (R133).
    #[serde(default, deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub archived: Option<bool>,
}

/// A field that a client always has: it may be absent, and cannot be emptied.
fn stated<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ChangeClientRequest {
    /// The client with the changes.
    #[must_use]
    pub fn applied_to(self, client: &Client) -> Client {
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddContactRequest {
    /// Their own name (R119).
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 255, pattern = "[^\\s\\x00-\\x1f\\x7f-\\x9f]"))]
    pub name: String,
    /// Their own address (R119).
    #[cfg_attr(feature = "openapi", schema(format = "email", max_length = 254))]
    pub email: String,
}

impl AddContactRequest {
    /// The contact person that is asked for.
    #[must_use]
    pub fn into_person(self, id: ContactPersonId) -> ContactPerson {
        ContactPerson { id, name: text::tidy(&self.name), email: self.email.trim().to_owned() }
    }
}

impl ChangeClientRequest {
    /// Archives or unarchives, and nothing else.
    #[must_use]
    pub fn archiving(archived: bool) -> Self {
        Self { archived: Some(archived), ..Self::default() }
    }
}

/// How often a change is applied anew to what somebody else has just stored.
const ROUNDS: usize = 5;

/// Changes a client. Two people who change different fields at once both get their way: the later change is applied to the result of the
/// earlier.
///
/// # Errors
/// 404, or every field that is wrong; 409 when others keep changing the client.
pub async fn change_client(store: &Store, ctx: &Ctx, ws: WorkspaceId, id: ClientId, request: ChangeClientRequest) -> Outcome<Client> {
    for _ in 0..ROUNDS {
        let before = store.client(ws, id).await?.ok_or_else(|| Problem::not_found("client"))?;
        let client = request.clone().applied_to(&before.value);
        if client == before.value {
            return Ok(client);
        }
        check_client(&client)?;
        match store.save_client(ctx, ws, &before, &client).await? {
            ClientSaved::Done => return Ok(client),
            ClientSaved::Stale | ClientSaved::CompanionRefused => {}
        }
    }
    Err(Problem::new(ProblemKind::Conflict, "changed_meanwhile", "Others keep changing this client.").fix(
        "Read the client again and repeat your change.",
        "the client",
        true,
    ))
}

/// Refuses a client with every field that is wrong.
///
/// # Errors
/// 422.
pub fn check_client(client: &Client) -> Outcome<()> {
    let issues = client.issues();
    if issues.is_empty() { Ok(()) } else { Err(Problem::invalid(issues)) }
}
