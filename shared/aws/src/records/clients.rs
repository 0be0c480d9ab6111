//! Clients, and who owns which e-mail address.

use std::collections::BTreeMap;

use coportal_core::client::Client;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, ContactPersonId, WorkspaceId};
use coportal_core::text;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::keys::{self, Key};
use crate::store::{Change, Condition, Fields, Kind, Page, Range, Store, Transacted, Versioned, from_item};

/// How often a save is tried anew because somebody else changed an address's owners in between.
pub(super) const ROUNDS: usize = 8;

/// How a save ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ClientSaved {
    /// It is stored.
    Done,
    /// The client was changed since it was read.
    Stale,
    /// The change that was to happen with it was refused (an idempotency record that another attempt holds).
    CompanionRefused,
}

/// An owner of an e-mail address: a client, or one of its contact persons (R149).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailOwner {
    /// The client.
    pub cl: ClientId,
    /// The contact person, where it is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ct: Option<ContactPersonId>,
}

/// The owners of an address. Not a unique constraint: one person may serve two clients, and a duplicate may be wanted (C15).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EmailOwners {
    #[serde(default)]
    pub(super) owners: Vec<EmailOwner>,
}

impl Store {
    /// One client.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn client(&self, ws: WorkspaceId, cl: ClientId) -> Result<Option<Versioned<Client>>, StoreError> {
        self.get_record(Kind::Client, &keys::client(ws, cl)).await
    }

    /// Several clients by their ids; one that is not there is not in the answer.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn clients_by_id(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ids: impl IntoIterator<Item = ClientId>,
    ) -> Result<BTreeMap<ClientId, Client>, StoreError> {
        let wanted: Vec<Key> = ids.into_iter().map(|cl| keys::client(ws, cl)).collect();
        let mut clients = BTreeMap::new();
        for item in self.batch_get(ctx, &wanted).await?.into_iter().flatten() {
            let client: Client = from_item(Kind::Client, item)?;
            clients.insert(client.id, client);
        }
        Ok(clients)
    }

    /// A page of clients, newest first; archived ones only where asked for (R133).
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn clients(&self, ws: WorkspaceId, archived: bool, after: Option<ClientId>, limit: u32) -> Result<Page<Client>, StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut after = after.map(|cl| cl.to_string());
        let mut clients: Vec<Client> = Vec::new();
        loop {
            // One more than a page, so that the last page knows that it is the last.
            let range = Range {
                after: after.as_deref(),
                newest_first: true,
                limit: i32::try_from(limit.saturating_add(1)).ok(),
                ..Range::default()
            };
            let page = self.query(&keys::clients_pk(ws), &range).await?;
            for item in page.items {
                let client: Client = from_item(Kind::Client, item)?;
                if client.archived && !archived {
                    continue;
                }
                if clients.len() == wanted {
                    return Ok(Page { next: clients.last().map(|last| last.id.to_string()), items: clients });
                }
                clients.push(client);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(Page { items: clients, next: None }),
            }
        }
    }

    /// Who owns an e-mail address in a workspace, with the revision that an addition must state.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn email_owners(&self, ws: WorkspaceId, email: &str) -> Result<Versioned<Vec<EmailOwner>>, StoreError> {
        let found: Versioned<EmailOwners> = self.owners_at(&keys::email_owners(ws, email)).await?;
        Ok(Versioned::new(found.value.owners, found.rev))
    }

    pub(super) async fn owners_at(&self, key: &Key) -> Result<Versioned<EmailOwners>, StoreError> {
        Ok(self.get_record(Kind::EmailOwners, key).await?.unwrap_or_default())
    }

    /// Stores a new client together with its address's owner and, if given, `companion` (an idempotency record).
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn create_client(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        client: &Client,
        companion: Option<Change>,
    ) -> Result<ClientSaved, StoreError> {
        let key = keys::client(ws, client.id);
        let put = Change::put(key, fields(client)?).when(Condition::absent());
        self.save(ctx, ws, client, None, put, companion).await
    }

    /// Stores a changed client; `before` is what was read. Its address's owners follow.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn save_client(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        before: &Versioned<Client>,
        client: &Client,
    ) -> Result<ClientSaved, StoreError> {
        let update = Change::update(keys::client(ws, client.id), fields(client)?).when(Condition::rev(before.rev));
        self.save(ctx, ws, client, Some(&before.value.email), update, None).await
    }

    async fn save(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        client: &Client,
        old_email: Option<&str>,
        change: Change,
        companion: Option<Change>,
    ) -> Result<ClientSaved, StoreError> {
        let owner = EmailOwner { cl: client.id, ct: None };
        let moved = old_email.is_none_or(|old| text::email_key(old) != text::email_key(&client.email));
        let given_up = old_email.filter(|_| moved);
        for _ in 0..ROUNDS {
            let mut changes = vec![change.clone()];
            changes.extend(companion.clone());
            let certain = changes.len();
            if moved {
                let key = keys::email_owners(ws, &client.email);
                changes.push(
                    self.owners_change(key, |owners| {
                        owners.retain(|known| *known != owner);
                        owners.push(owner.clone());
                    })
                    .await?,
                );
            }
            if let Some(old) = given_up {
                let key = keys::email_owners(ws, old);
                changes.push(self.owners_change(key, |owners| owners.retain(|known| *known != owner)).await?);
            }
            let outcome = self.transact(ctx, changes).await?;
            let Transacted::Refused(refusals) = &outcome else {
                return Ok(ClientSaved::Done);
            };
            if outcome.refusal(0).is_some() {
                return Ok(ClientSaved::Stale);
            }
            if refusals.iter().take(certain).any(Option::is_some) {
                return Ok(ClientSaved::CompanionRefused);
            }
        }
        Err(StoreError::Conflict { operation: "TransactWriteItems" })
    }

    /// The owners of an address, changed, on the revision that was read.
    pub(super) async fn owners_change(&self, key: Key, change: impl FnOnce(&mut Vec<EmailOwner>)) -> Result<Change, StoreError> {
        let mut found = self.owners_at(&key).await?;
        change(&mut found.value.owners);
        Ok(Change::update(key, Fields::of(Kind::EmailOwners, &found.value)?).when(Condition::rev(found.rev)))
    }
}

pub(super) fn fields(client: &Client) -> Result<Fields, StoreError> {
    // `label` is what a list index shows.
    Ok(Fields::of(Kind::Client, client)?.text("label", &client.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fault, Services};
    use uuid::Uuid;

    fn ws() -> WorkspaceId {
        WorkspaceId::new(Uuid::from_u128(1))
    }

    fn client(id: u128, email: &str) -> Client {
        Client {
            id: ClientId::new(Uuid::from_u128(id)),
            name: "Ann".to_owned(),
            email: email.to_owned(),
            company: None,
            phone: Some("1".to_owned()),
            billing_address: None,
            notes: None,
            archived: false,
        }
    }

    /// The revision of an address's owners serialises: neither of two clients made at once is forgotten.
    #[tokio::test]
    async fn clients_of_one_address_made_at_once_are_both_its_owners() {
        let services = Services::new();
        let store = services.cloud().store;
        let mut tasks = tokio::task::JoinSet::new();
        for id in 10..16 {
            let (store, ctx) = (store.clone(), services.ctx());
            tasks.spawn(async move { store.create_client(&ctx, ws(), &client(id, "a@example.com"), None).await.unwrap() });
        }
        assert!(tasks.join_all().await.iter().all(|saved| *saved == ClientSaved::Done));
        assert_eq!(store.email_owners(ws(), "A@example.com").await.unwrap().value.len(), 6);
    }

    #[tokio::test]
    async fn a_client_is_saved_on_the_revision_that_was_read() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let made = client(10, "a@example.com");
        assert_eq!(store.create_client(&ctx, ws(), &made, None).await.unwrap(), ClientSaved::Done);
        let before = store.client(ws(), made.id).await.unwrap().unwrap();
        assert_eq!(before.value, made);
        let bare = Client { phone: None, archived: true, ..made.clone() };
        // The answer of a save that happened is lost: the repeat is known as our own.
        services.fault(0, Fault::LoseAnswer);
        assert_eq!(store.save_client(&ctx, ws(), &before, &bare).await.unwrap(), ClientSaved::Done);
        assert_eq!(store.client(ws(), made.id).await.unwrap().unwrap().value, bare);
        assert_eq!(store.save_client(&ctx, ws(), &before, &made).await.unwrap(), ClientSaved::Stale);
    }
}
