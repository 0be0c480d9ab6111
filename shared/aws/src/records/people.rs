//! Contact persons of clients. Their addresses lead to the client, as its own does (R149).

use coportal_core::client::ContactPerson;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, ContactPersonId, WorkspaceId};

use super::clients::{EmailOwner, ROUNDS};
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Kind, Page, Range, Store, Transacted, Versioned, from_item};

/// How the storing of a contact person ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PersonSaved {
    /// It is stored.
    Done,
    /// The client is not there.
    NoClient,
    /// The id is in use.
    Stale,
    /// The change that was to happen with it was refused (an idempotency record that another attempt holds).
    CompanionRefused,
}

/// How the removal of a contact person ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PersonRemoved {
    /// It is gone, and its address no longer leads to the client by it.
    Done,
    /// There was none.
    NotThere,
}

impl Store {
    /// One contact person.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn person(&self, ws: WorkspaceId, cl: ClientId, ct: ContactPersonId) -> Result<Option<Versioned<ContactPerson>>, StoreError> {
        self.get_record(Kind::Person, &keys::person(ws, cl, ct)).await
    }

    /// A page of a client's contact persons, in the order they were added.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn people(
        &self,
        ws: WorkspaceId,
        cl: ClientId,
        after: Option<ContactPersonId>,
        limit: u32,
    ) -> Result<Page<ContactPerson>, StoreError> {
        let after = after.map(|ct| ct.to_string());
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        // One more than a page, so that the last page knows that it is the last.
        let range = Range { after: after.as_deref(), limit: i32::try_from(limit.saturating_add(1)).ok(), ..Range::default() };
        let page = self.query(&keys::people_pk(ws, cl), &range).await?;
        let more = page.items.len() > wanted;
        let people = page.items.into_iter().take(wanted).map(|item| from_item(Kind::Person, item));
        let items = people.collect::<Result<Vec<ContactPerson>, _>>()?;
        let next = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items, next })
    }

    /// Stores a new contact person together with its address's owner and, if given, `companion` (an idempotency record).
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn create_person(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        cl: ClientId,
        person: &ContactPerson,
        companion: Option<Change>,
    ) -> Result<PersonSaved, StoreError> {
        let owner = EmailOwner { cl, ct: Some(person.id) };
        for _ in 0..ROUNDS {
            let mut changes = vec![
                Change::check(keys::client(ws, cl), Condition::present()),
                Change::put(keys::person(ws, cl, person.id), Fields::of(Kind::Person, person)?).when(Condition::absent()),
            ];
            let with_companion = companion.is_some();
            changes.extend(companion.clone());
            changes.push(
                self.owners_change(keys::email_owners(ws, &person.email), |owners| {
                    owners.retain(|known| *known != owner);
                    owners.push(owner.clone());
                })
                .await?,
            );
            let outcome = self.transact(ctx, changes).await?;
            let refused = |index: usize| outcome.refusal(index).is_some();
            match &outcome {
                Transacted::Done => return Ok(PersonSaved::Done),
                Transacted::Refused(_) if refused(0) => return Ok(PersonSaved::NoClient),
                Transacted::Refused(_) if refused(1) => return Ok(PersonSaved::Stale),
                Transacted::Refused(_) if with_companion && refused(2) => return Ok(PersonSaved::CompanionRefused),
                // Somebody else was at the address: on what is there now.
                Transacted::Refused(_) => {}
            }
        }
        Err(StoreError::Conflict { operation: "TransactWriteItems" })
    }

    /// Removes a contact person, and the client from the owners of its address by it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn remove_person(&self, ctx: &Ctx, ws: WorkspaceId, cl: ClientId, ct: ContactPersonId) -> Result<PersonRemoved, StoreError> {
        let owner = EmailOwner { cl, ct: Some(ct) };
        for _ in 0..ROUNDS {
            let Some(found) = self.person(ws, cl, ct).await? else { return Ok(PersonRemoved::NotThere) };
            let owners =
                self.owners_change(keys::email_owners(ws, &found.value.email), |owners| owners.retain(|known| *known != owner)).await?;
            let delete = Change::delete(keys::person(ws, cl, ct)).when(Condition::rev(found.rev));
            match self.transact(ctx, vec![delete, owners]).await? {
                Transacted::Done => return Ok(PersonRemoved::Done),
                Transacted::Refused(_) => {}
            }
        }
        Err(StoreError::Conflict { operation: "TransactWriteItems" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::clients::ClientSaved;
    use crate::testing::{Fault, Services};
    use coportal_core::client::Client;
    use uuid::Uuid;

    fn ws() -> WorkspaceId {
        WorkspaceId::new(Uuid::from_u128(1))
    }

    fn client() -> Client {
        Client {
            id: ClientId::new(Uuid::from_u128(2)),
            name: "Ann".to_owned(),
            email: "ann@example.com".to_owned(),
            company: None,
            phone: None,
            billing_address: None,
            notes: None,
            archived: false,
        }
    }

    fn person(n: u128, email: &str) -> ContactPerson {
        ContactPerson { id: ContactPersonId::new(Uuid::from_u128(n)), name: format!("Person {n}"), email: email.to_owned() }
    }

    /// R149: a contact person's address leads to its client, until the person is removed.
    #[tokio::test]
    async fn r149_a_contact_persons_address_is_the_clients() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let (client, fay) = (client(), person(5, "Fay@Example.com"));
        assert_eq!(store.create_client(&ctx, ws(), &client, None).await.unwrap(), ClientSaved::Done);
        // The answer of the transaction is lost: it counts once all the same.
        services.fault(0, Fault::LoseAnswer);
        assert_eq!(store.create_person(&ctx, ws(), client.id, &fay, None).await.unwrap(), PersonSaved::Done);
        let owners = store.email_owners(ws(), "fay@example.com").await.unwrap().value;
        assert_eq!(owners, [EmailOwner { cl: client.id, ct: Some(fay.id) }]);
        assert_eq!(store.person(ws(), client.id, fay.id).await.unwrap().unwrap().value, fay);
        assert_eq!(store.remove_person(&ctx, ws(), client.id, fay.id).await.unwrap(), PersonRemoved::Done);
        assert_eq!(store.email_owners(ws(), "fay@example.com").await.unwrap().value, []);
        assert_eq!(store.remove_person(&ctx, ws(), client.id, fay.id).await.unwrap(), PersonRemoved::NotThere);
    }

    /// The client and one of its people may share an address: each owns it, and one leaves without the other.
    #[tokio::test]
    async fn client_and_person_of_one_address_are_two_owners() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let (client, twin) = (client(), person(5, "ann@example.com"));
        let _ = store.create_client(&ctx, ws(), &client, None).await.unwrap();
        assert_eq!(store.create_person(&ctx, ws(), client.id, &twin, None).await.unwrap(), PersonSaved::Done);
        assert_eq!(store.email_owners(ws(), "ann@example.com").await.unwrap().value.len(), 2);
        assert_eq!(store.remove_person(&ctx, ws(), client.id, twin.id).await.unwrap(), PersonRemoved::Done);
        assert_eq!(store.email_owners(ws(), "ann@example.com").await.unwrap().value, [EmailOwner { cl: client.id, ct: None }]);
    }

    #[tokio::test]
    async fn people_are_listed_in_pages_and_belong_to_a_client_that_is_there() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let client = client();
        assert_eq!(store.create_person(&ctx, ws(), client.id, &person(5, "a@example.com"), None).await.unwrap(), PersonSaved::NoClient);
        assert_eq!(store.email_owners(ws(), "a@example.com").await.unwrap().value, []);
        let _ = store.create_client(&ctx, ws(), &client, None).await.unwrap();
        for n in 5..10 {
            assert_eq!(store.create_person(&ctx, ws(), client.id, &person(n, "a@example.com"), None).await.unwrap(), PersonSaved::Done);
        }
        assert_eq!(store.create_person(&ctx, ws(), client.id, &person(5, "b@example.com"), None).await.unwrap(), PersonSaved::Stale);
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = store.people(ws(), client.id, after, 2).await.unwrap();
            assert!(!page.items.is_empty());
            seen.extend(page.items.iter().map(|person| person.name.clone()));
            match page.next {
                Some(next) => after = Some(next.parse().unwrap()),
                None => break,
            }
        }
        assert_eq!(seen, ["Person 5", "Person 6", "Person 7", "Person 8", "Person 9"]);
    }
}
