use coportal_core::contact::ContactLink;
use coportal_core::id::RunId;
use coportal_core::sync::row::{Intent, IntentKind, Lease, Look};
use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::testing::{Fault, Services};

fn key(client: u128) -> ContactKey {
    ContactKey {
        ws: WorkspaceId::new(Uuid::from_u128(1)),
        client: ClientId::new(Uuid::from_u128(client)),
        ledger: Ledger::Xero,
        generation: Generation(3),
        currency: None,
    }
}

const fn contact(shared: bool) -> ContactClaim<'static> {
    ContactClaim { organisation: "org", external_id: "contact-1", shared }
}

fn claiming(services: &Services, n: u128) -> ContactRow {
    ContactRow {
        intent: Some(Intent {
            id: IntentId::new(Uuid::from_u128(n)),
            kind: IntentKind::CreateContact,
            key: format!("key-{n}"),
            first_sent_at: services.now(),
            send_by: services.now(),
            body: b"{}".to_vec(),
            look: Look::default(),
            sent: None,
            hash: "h".to_owned(),
            version: 0,
            batched: false,
        }),
        lease: Some(Lease { owner: RunId::new(Uuid::from_u128(n)), until: services.now() + SignedDuration::from_secs(30) }),
        ..ContactRow::default()
    }
}

fn linked(services: &Services) -> ContactRow {
    let link = ContactLink { external_id: "contact-1".to_owned(), hash: "h".to_owned(), linked_at: services.now() };
    ContactRow { link: Some(link), ..ContactRow::default() }
}

/// Two invoices of one new client at once: one claims the contact step, the other sees its intent.
#[tokio::test]
async fn claim_of_the_contact_step_is_given_once() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    services.fault(0, Fault::LoseAnswer);
    let first = store.claim_contact(&ctx, key(1), &claiming(&services, 7), 0, services.now()).await.unwrap();
    assert_eq!(first, ContactClaimed::Won { rev: 1 });
    let second = store.claim_contact(&ctx, key(1), &claiming(&services, 8), 0, services.now()).await.unwrap();
    let ContactClaimed::Lost(stands) = second else { panic!() };
    assert_eq!(stands.value, claiming(&services, 7));
    // After the lease only the same intent may be claimed again.
    let later = services.now() + SignedDuration::from_secs(31);
    let other = store.claim_contact(&ctx, key(1), &claiming(&services, 8), 1, later).await.unwrap();
    assert!(matches!(other, ContactClaimed::Lost(_)));
    let same = store.claim_contact(&ctx, key(1), &claiming(&services, 7), 1, later).await.unwrap();
    assert_eq!(same, ContactClaimed::Won { rev: 2 });
}

#[tokio::test]
async fn outcome_of_a_contact_is_stored_on_its_intent_with_its_owner() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let claim = store.claim_contact(&ctx, key(1), &claiming(&services, 7), 0, services.now()).await.unwrap();
    assert_eq!(claim, ContactClaimed::Won { rev: 1 });
    services.advance(SignedDuration::from_mins(5));
    services.fault(0, Fault::LoseAnswer);
    let id = IntentId::new(Uuid::from_u128(7));
    let stored = store.store_contact_outcome(&ctx, key(1), id, &linked(&services), Some(contact(false))).await.unwrap();
    assert_eq!(stored, ContactStored::Done);
    assert_eq!(store.contact_row(key(1)).await.unwrap().value, linked(&services));
    assert_eq!(store.contact_owner(key(1).ws, Ledger::Xero, "org", "contact-1").await.unwrap(), Some(key(1).client));
    let late = store.store_contact_outcome(&ctx, key(1), id, &linked(&services), Some(contact(false))).await.unwrap();
    assert!(matches!(late, ContactStored::NotMine(_)));
    let refused = store.store_contact_outcome(&ctx, key(1), id, &linked(&services), None).await.unwrap();
    assert!(matches!(refused, ContactStored::NotMine(_)));
}

/// Reverse claim XC: two clients share a contact only by a person's answer.
#[tokio::test]
async fn a_contact_belongs_to_one_client_unless_a_person_says_otherwise() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let first = store.link_contact(&ctx, key(1), &linked(&services), 0, contact(false)).await.unwrap();
    assert_eq!(first, ContactStored::Done);
    let second = store.link_contact(&ctx, key(2), &linked(&services), 0, contact(false)).await.unwrap();
    assert_eq!(second, ContactStored::OwnedByOther { client: key(1).client });
    assert_eq!(store.contact_row(key(2)).await.unwrap().rev, 0, "nothing was stored");
    let second = store.link_contact(&ctx, key(2), &linked(&services), 0, contact(true)).await.unwrap();
    assert_eq!(second, ContactStored::Done);
    assert_eq!(store.contact_owner(key(1).ws, Ledger::Xero, "org", "contact-1").await.unwrap(), Some(key(1).client));
    // The second one's erasure leaves the owner alone; the owner's frees the contact.
    assert_eq!(store.erase_contact(&ctx, key(2), 1, Some(contact(false))).await.unwrap(), ContactStored::Done);
    assert_eq!(store.contact_row(key(2)).await.unwrap().rev, 0);
    assert!(store.contact_owner(key(1).ws, Ledger::Xero, "org", "contact-1").await.unwrap().is_some());
    assert_eq!(store.erase_contact(&ctx, key(1), 1, Some(contact(false))).await.unwrap(), ContactStored::Done);
    assert!(store.contact_owner(key(1).ws, Ledger::Xero, "org", "contact-1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_link_or_erasure_on_an_old_read_is_refused() {
    let services = Services::new();
    let (store, ctx) = (services.cloud().store, services.ctx());
    let claim = store.claim_contact(&ctx, key(1), &claiming(&services, 7), 0, services.now()).await.unwrap();
    assert_eq!(claim, ContactClaimed::Won { rev: 1 });
    let link = store.link_contact(&ctx, key(1), &linked(&services), 0, contact(false)).await.unwrap();
    assert!(matches!(link, ContactStored::NotMine(_)));
    assert!(matches!(store.save_contact(&ctx, key(1), &linked(&services), 0).await.unwrap(), Saved::Moved(_)));
    let erased = store.erase_contact(&ctx, key(1), 1, None).await.unwrap();
    assert!(matches!(erased, ContactStored::NotMine(_)), "an open intent keeps its row");
    let mut answered = claiming(&services, 7);
    answered.rejections = 1;
    assert_eq!(store.save_contact(&ctx, key(1), &answered, 1).await.unwrap(), Saved::Done { rev: 2 });
    assert_eq!(store.contact_row(key(1)).await.unwrap().value, answered, "its body stays");
}
