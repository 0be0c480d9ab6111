//! A known address that comes as another account waits for an admin.

use coportal_core::workspace::Plan;
use serde_json::{Value, json};
use simulators::identity_provider::served::Person;

use crate::support::{Browser, Tenant, World, code};

async fn google() -> (World, Tenant) {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    world.live(&tenant, &json!({"provider": "google"}), Person::with("boss@acme.example")).await;
    (world, tenant)
}

fn account(email: &str, subject: &str) -> Person {
    Person { subject: Some(subject.to_owned()), name: Some("Ann".to_owned()), ..Person::with(email) }
}

async fn waiting(tenant: &Tenant) -> Vec<Value> {
    tenant.admin.get("/v1/sso/approvals").await.unwrap().json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn another_account_of_a_known_address_waits_for_an_admin() {
    let (world, tenant) = google().await;
    world.person(account("ann@acme.example", "first"));
    let ann = Browser::new(&world).session("ann@acme.example").await["user"]["id"].clone();
    world.person(account("ann@acme.example", "second"));
    for _ in 0..2 {
        assert_eq!(Browser::new(&world).sign_in("ann@acme.example").await, Err("subject_changed".to_owned()));
    }
    // Two tries of one account are one thing to answer.
    let items = waiting(&tenant).await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(
        (&items[0]["user_id"], &items[0]["email"], &items[0]["reason"]),
        (&ann, &json!("ann@acme.example"), &json!("subject_changed"))
    );
    let at = format!("/v1/sso/approvals/{}", items[0]["id"].as_str().unwrap());
    // I13: another workspace's admin sees and answers nothing of it; a member of this one neither.
    let other = world.tenant("Other", Plan::Enterprise).await;
    assert_eq!(waiting(&other).await, Vec::<Value>::new());
    assert_eq!(code(&other.owner.post(&at, &json!({"accept": true})).await.unwrap()), (404, "not_found".to_owned()));
    assert_eq!(code(&tenant.member.post(&at, &json!({"accept": true})).await.unwrap()), (403, "role_required".to_owned()));
    // No, and it is forgotten; another try waits again.
    assert_eq!(tenant.admin.post(&at, &json!({"accept": false})).await.unwrap().json(), json!({"approved": false}));
    assert_eq!((waiting(&tenant).await.len(), code(&tenant.admin.post(&at, &json!({"accept": true})).await.unwrap()).0), (0, 404));
    assert_eq!(Browser::new(&world).sign_in("ann@acme.example").await, Err("subject_changed".to_owned()));
    // Yes, by two admins at once: the user is the same, and the earlier account is nobody's.
    let yes = json!({"accept": true});
    let (one, two) = tokio::join!(tenant.admin.post(&at, &yes), tenant.owner.post(&at, &yes));
    let statuses = [one.unwrap().status.as_u16(), two.unwrap().status.as_u16()];
    assert!(statuses.contains(&200) && statuses.iter().any(|status| [404, 409].contains(status)), "{statuses:?}");
    assert_eq!(Browser::new(&world).session("ann@acme.example").await["user"]["id"], ann);
    world.person(account("ann@acme.example", "first"));
    assert_eq!(Browser::new(&world).sign_in("ann@acme.example").await, Err("subject_changed".to_owned()));
    let audit = world.audit(&tenant.admin).await;
    let seen = |action: &str| audit.iter().filter(|(found, _)| found == action).count();
    assert_eq!((seen("sso_sign_in_rejected"), seen("sso_sign_in_approved")), (1, 1), "{audit:?}");
    assert!(!format!("{audit:?}").contains("ann@"), "no address in an audit line");
    world.local.shutdown().await.unwrap();
}

/// An admin does not hand an owner's account to somebody: only an owner answers for it.
#[tokio::test]
async fn an_owners_account_is_answered_for_by_an_owner() {
    let (world, tenant) = google().await;
    // The owner's own test tied `boss@` to the owner.
    world.person(account("boss@acme.example", "another"));
    assert_eq!(Browser::new(&world).sign_in("boss@acme.example").await, Err("subject_changed".to_owned()));
    let at = format!("/v1/sso/approvals/{}", waiting(&tenant).await[0]["id"].as_str().unwrap());
    assert_eq!(code(&tenant.admin.post(&at, &json!({"accept": true})).await.unwrap()), (403, "role_required".to_owned()));
    assert_eq!(tenant.owner.post(&at, &json!({"accept": true})).await.unwrap().json(), json!({"approved": true}));
    assert_eq!(Browser::new(&world).session("boss@acme.example").await["role"], "owner");
    world.local.shutdown().await.unwrap();
}
