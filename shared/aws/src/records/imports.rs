//! An imported contact: client, owners of its address, contact link and contact owner, in one transaction (docs/records.md, section 5).

use coportal_core::client::Client;
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, WorkspaceId};
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::ContactRow;
use serde::Deserialize;

use super::clients::{EmailOwner, EmailOwners, fields};
use super::contacts::{ContactClaim, ContactKey, client_of, own_contact, row_of, settled};
use crate::error::StoreError;
use crate::keys::{self, Key};
use crate::store::{Change, Condition, Fields, Kind, Range, Store, Transacted, Versioned, from_item};

/// A client that is made of a contact.
#[derive(Debug, Clone, Copy)]
pub struct NewImport<'a> {
    /// The client.
    pub client: &'a Client,
    /// The owners of its address as they were seen: somebody who has added himself since refuses it.
    pub address: &'a Versioned<Vec<EmailOwner>>,
    /// Its contact link's key.
    pub key: ContactKey,
    /// Its contact link.
    pub row: &'a ContactRow,
    /// The contact.
    pub contact: ContactClaim<'a>,
}

/// How an import of one contact ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Imported {
    /// Client and link are stored.
    Done,
    /// A client of this id is there: an earlier import of the same row made it, and its link was erased since.
    ClientThere,
    /// The address has got another owner since it was seen.
    AddressMoved,
    /// The contact belongs to this client already.
    ContactOwned(ClientId),
}

/// What stands around one row of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The client that owns the contact.
    pub owner: Option<ClientId>,
    /// The owners of each of its addresses, in the order that they were asked for.
    pub addresses: Vec<Versioned<Vec<EmailOwner>>>,
}

/// A contact of an import: its id, and its addresses.
#[derive(Debug, Clone, Copy)]
pub struct ContactOf<'a> {
    /// The ledger's id of it.
    pub external_id: &'a str,
    /// Its addresses.
    pub emails: &'a [&'a str],
}

#[derive(Deserialize, Default)]
struct Owner {
    #[serde(default)]
    cl: Option<ClientId>,
}

/// A client, as far as a classification needs it.
#[derive(Deserialize)]
struct Archived {
    id: ClientId,
    #[serde(default)]
    archived: bool,
}

impl Store {
    /// What stands around some contacts of an organisation, in their order.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn surroundings(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        organisation: &str,
        contacts: &[ContactOf<'_>],
    ) -> Result<Vec<Surroundings>, StoreError> {
        let owners: Vec<Key> = contacts.iter().map(|contact| keys::contact_owner(ledger, organisation, contact.external_id, ws)).collect();
        let addresses: Vec<Key> = contacts.iter().flat_map(|contact| contact.emails).map(|email| keys::email_owners(ws, email)).collect();
        let owners = self.batch_records::<Owner>(ctx, Kind::ContactOwner, &owners).await?;
        let mut addresses = self.batch_records::<EmailOwners>(ctx, Kind::EmailOwners, &addresses).await?.into_iter();
        Ok(contacts
            .iter()
            .zip(owners)
            .map(|(contact, owner)| Surroundings {
                owner: owner.value.cl,
                addresses: addresses
                    .by_ref()
                    .take(contact.emails.len())
                    .map(|found| Versioned::new(found.value.owners, found.rev))
                    .collect(),
            })
            .collect())
    }

    /// Stores a client that is made of a contact: client, owners of its address, contact link and contact owner, all or nothing.
    ///
    /// # Errors
    /// When the table does not answer; it may then have been done, and the contact has its owner.
    pub async fn import_client(&self, ctx: &Ctx, ws: WorkspaceId, new: NewImport<'_>) -> Result<Imported, StoreError> {
        let mut owners = new.address.value.clone();
        owners.push(EmailOwner { cl: new.client.id, ct: None });
        let address = Fields::of(Kind::EmailOwners, &EmailOwners { owners })?;
        let outcome = self
            .transact(
                ctx,
                vec![
                    own_contact(&new.key, &new.contact),
                    Change::put(keys::client(ws, new.client.id), fields(new.client)?).when(Condition::absent()),
                    Change::update(keys::email_owners(ws, &new.client.email), address).when(Condition::rev(new.address.rev)),
                    Change::update(new.key.row(), settled(&new.key, new.row)?).when(Condition::absent()),
                ],
            )
            .await?;
        if let Some(owner) = outcome.refusal(0) {
            return Ok(Imported::ContactOwned(client_of(owner)?));
        }
        Ok(match outcome {
            Transacted::Done => Imported::Done,
            Transacted::Refused(_) if outcome.refusal(1).is_some() || outcome.refusal(3).is_some() => Imported::ClientThere,
            Transacted::Refused(_) => Imported::AddressMoved,
        })
    }

    /// Every client of a workspace, and whether it is archived. What a classification needs and no more is kept of each.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn client_ids(&self, ws: WorkspaceId) -> Result<Vec<(ClientId, bool)>, StoreError> {
        self.gather(&keys::clients_pk(ws), |item| {
            let client: Archived = from_item(Kind::Client, item)?;
            Ok((client.id, client.archived))
        })
        .await
    }

    /// Every address of a workspace, as the hash that [`keys::email_hash`] makes, with the clients that own it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn all_email_owners(&self, ws: WorkspaceId) -> Result<Vec<(String, Vec<ClientId>)>, StoreError> {
        self.gather(&keys::email_owners_pk(ws), |item| {
            let hash = item.get(keys::SK).and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
            let found: EmailOwners = from_item(Kind::EmailOwners, item)?;
            Ok((hash, found.owners.into_iter().map(|owner| owner.cl).collect()))
        })
        .await
    }

    /// Every contact row of a generation, with its client.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn contact_rows(
        &self,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
    ) -> Result<Vec<(ClientId, ContactRow)>, StoreError> {
        self.gather(&keys::contact_links_pk(ws, ledger, generation), |item| {
            let client = item.get(keys::SK).and_then(|sk| sk.as_s().ok()).and_then(|sk| sk.split('#').next()?.parse().ok());
            let client = client.ok_or_else(|| StoreError::corrupt("contact_link", "it names no client"))?;
            Ok((client, row_of(item)?.value))
        })
        .await
    }

    /// What is wanted of each item of a partition; a page of items at a time.
    async fn gather<T>(&self, partition: &str, read: impl Fn(crate::store::Item) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
        let (mut all, mut after): (Vec<T>, Option<String>) = (Vec::new(), None);
        loop {
            let page = self.query(partition, &Range { after: after.as_deref(), ..Range::default() }).await?;
            for item in page.items {
                all.push(read(item)?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fault, Services};
    use coportal_core::contact::ContactLink;
    use uuid::Uuid;

    fn ws() -> WorkspaceId {
        WorkspaceId::new(Uuid::from_u128(1))
    }

    fn client(n: u128, email: &str) -> Client {
        Client {
            id: ClientId::new(Uuid::from_u128(n)),
            name: "Ann".to_owned(),
            email: email.to_owned(),
            company: None,
            phone: None,
            billing_address: None,
            notes: None,
            archived: n > 100,
        }
    }

    fn key(client: &Client) -> ContactKey {
        ContactKey { ws: ws(), client: client.id, ledger: Ledger::Xero, generation: Generation(1), currency: None }
    }

    async fn import(services: &Services, made: &Client, external: &str, address: &Versioned<Vec<EmailOwner>>) -> Imported {
        let link = ContactLink { external_id: external.to_owned(), hash: made.contact_hash(), linked_at: services.ctx().now() };
        let row = ContactRow { link: Some(link), ..ContactRow::default() };
        let contact = ContactClaim { organisation: "org", external_id: external, shared: false };
        let new = NewImport { client: made, address, key: key(made), row: &row, contact };
        services.cloud().store.import_client(&services.ctx(), ws(), new).await.unwrap()
    }

    async fn around(services: &Services, external: &str, email: &str) -> Surroundings {
        let of = [ContactOf { external_id: external, emails: &[email] }];
        let mut found = services.cloud().store.surroundings(&services.ctx(), ws(), Ledger::Xero, "org", &of).await.unwrap();
        found.remove(0)
    }

    /// R141: the link that an import makes is the one that a sync reads; all of it is there, or nothing.
    #[tokio::test]
    async fn r141_client_address_link_and_owner_are_stored_together() {
        let services = Services::new();
        let (store, ann) = (services.cloud().store, client(10, "ann@example.com"));
        assert_eq!(around(&services, "x1", "ann@example.com").await.owner, None);
        services.fault(0, Fault::LoseAnswer);
        assert_eq!(import(&services, &ann, "x1", &Versioned::default()).await, Imported::Done);
        assert_eq!(store.client(ws(), ann.id).await.unwrap().unwrap().value, ann);
        let row = store.contact_row(key(&ann)).await.unwrap().value;
        assert_eq!(row.link.unwrap().external_id, "x1");
        let after = around(&services, "x1", "ANN@example.com").await;
        assert_eq!(after.owner, Some(ann.id));
        assert_eq!(after.addresses[0].value, [EmailOwner { cl: ann.id, ct: None }]);
    }

    /// Two imports of one contact at once make one client; so do two contacts of one address that were both seen as new.
    #[tokio::test]
    async fn of_two_imports_at_once_one_is_refused_and_leaves_nothing() {
        let services = Services::new();
        let store = services.cloud().store;
        let (one, two, three) = (client(10, "ann@example.com"), client(11, "ann@example.com"), client(12, "ann@example.com"));
        let seen = Versioned::default();
        assert_eq!(import(&services, &one, "x1", &seen).await, Imported::Done);
        assert_eq!(import(&services, &two, "x1", &seen).await, Imported::ContactOwned(one.id));
        assert_eq!(import(&services, &three, "x2", &seen).await, Imported::AddressMoved);
        assert_eq!(
            import(&services, &one, "x3", &around(&services, "x3", "ann@example.com").await.addresses[0]).await,
            Imported::ClientThere
        );
        assert_eq!(store.client_ids(ws()).await.unwrap(), [(one.id, false)]);
        assert_eq!(around(&services, "x2", "ann@example.com").await.owner, None);
        // Who has seen the other may make a second client of the address: it was chosen (C15).
        let address = around(&services, "x2", "ann@example.com").await.addresses.remove(0);
        assert_eq!(import(&services, &three, "x2", &address).await, Imported::Done);
        assert_eq!(around(&services, "x2", "ann@example.com").await.addresses[0].value.len(), 2);
    }

    #[tokio::test]
    async fn a_classification_reads_clients_addresses_and_links() {
        let services = Services::new();
        let store = services.cloud().store;
        let (ann, bob) = (client(10, "ann@example.com"), client(101, "bob@example.com"));
        assert_eq!(import(&services, &ann, "x1", &Versioned::default()).await, Imported::Done);
        let _ = store.create_client(&services.ctx(), ws(), &bob, None).await.unwrap();
        assert_eq!(store.client_ids(ws()).await.unwrap(), [(ann.id, false), (bob.id, true)]);
        let owners = store.all_email_owners(ws()).await.unwrap();
        assert!(owners.contains(&(keys::email_hash(ws(), "BOB@example.com"), vec![bob.id])), "{owners:?}");
        let rows = store.contact_rows(ws(), Ledger::Xero, Generation(1)).await.unwrap();
        assert_eq!(rows.iter().map(|(client, _)| *client).collect::<Vec<_>>(), [ann.id]);
        assert!(store.contact_rows(ws(), Ledger::Xero, Generation(2)).await.unwrap().is_empty());
    }
}
