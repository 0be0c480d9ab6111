//! What a schedule looks at again, what an admin pastes, and what is never written down.

use coportal_core::workspace::Plan;
use coportal_local::caller::Caller;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::identity_provider::Key;
use simulators::identity_provider::served::{Person, Published};

use crate::support::{Browser, Tenant, World, code, parameter};

fn metadata(entity: &str, sso: &str, certificate: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity}\"><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{sso}\"/></md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

#[tokio::test]
async fn metadata_is_pasted_or_refused_with_the_reason() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    let certificate = world.local.providers.key().certificate_base64();
    let good = metadata("https://idp.acme.example", "https://idp.acme.example/sso", &certificate);
    let two = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{good}{}</md:EntitiesDescriptor>",
        good.replace("idp.acme", "idp2.acme")
    );
    for (request, pointer, reason) in [
        (json!({"provider": "saml", "metadata_xml": "x"}), "/metadata_xml", "not_metadata"),
        (json!({"provider": "saml", "metadata_xml": format!("<!DOCTYPE x>{good}")}), "/metadata_xml", "not_metadata"),
        (json!({"provider": "saml", "metadata_xml": two}), "/entity_id", "several_identity_providers"),
        (json!({"provider": "saml"}), "/metadata_url", "required"),
        (json!({"provider": "saml", "metadata_xml": good, "metadata_url": "https://idp.example/m"}), "/metadata_url", "required"),
        (json!({"provider": "google", "metadata_xml": good}), "/provider", "no_metadata"),
    ] {
        let reply = tenant.owner.post("/v1/sso/connections", &request).await.unwrap();
        let issue = &reply.json()["issues"][0];
        assert_eq!((reply.status.as_u16(), &issue["pointer"], &issue["code"]), (422, &json!(pointer), &json!(reason)), "{}", reply.text());
    }
    let made = tenant
        .owner
        .post("/v1/sso/connections", &json!({"provider": "saml", "metadata_xml": two, "entity_id": "https://idp2.acme.example"}))
        .await
        .unwrap();
    assert_eq!(made.json()["identity_provider"]["entity_id"], "https://idp2.acme.example", "{}", made.text());
    assert_eq!(
        code(&tenant.member.post("/v1/sso/connections", &json!({"provider": "google"})).await.unwrap()),
        (403, "role_required".to_owned())
    );
    world.local.shutdown().await.unwrap();
}

/// What the schedule has made of a connection's metadata after a day.
async fn after_a_day(world: &World, tenant: &Tenant, id: &str) -> (Caller, Value) {
    world.local.advance(SignedDuration::from_hours(24));
    world.local.run_due().await;
    let owner = world.tenant_tokens_again(tenant).await;
    let shown = owner.get(&format!("/v1/sso/connections/{id}")).await.unwrap().json();
    (owner, shown)
}

/// The metadata is fetched again every day by a schedule: what stays the same changes nothing, a URL that fails leaves the last good
/// copy, another key of the same provider is taken over, and another provider waits for somebody's word.
#[tokio::test]
async fn metadata_is_fetched_again() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let id = world.live(&tenant, &world.saml(), Person::with("boss@acme.example")).await;
    let first = tenant.owner.get(&format!("/v1/sso/connections/{id}")).await.unwrap().json();
    let (owner, same) = after_a_day(&world, &tenant, &id).await;
    assert!(same["metadata"]["fetched_at"].as_str() > first["metadata"]["fetched_at"].as_str(), "{same}");
    assert_eq!((&same["metadata"]["problem"], &same["metadata"]["held"]), (&json!(null), &json!(null)));
    assert_eq!(same["identity_provider"], first["identity_provider"]);
    let at = format!("/v1/sso/connections/{id}/metadata");
    assert_eq!(code(&owner.post(&at, &json!({"accept": true})).await.unwrap()), (409, "nothing_held".to_owned()));

    let providers = &world.local.providers;
    providers.publish_saml(Published { unavailable: true, ..Published::default() });
    let (_, failing) = after_a_day(&world, &tenant, &id).await;
    assert!(failing["metadata"]["problem"].is_string(), "{failing}");
    assert_eq!((&failing["identity_provider"], &failing["status"]), (&first["identity_provider"], &json!("live")));

    let second = Key::rsa().unwrap().certificate_base64();
    providers.publish_saml(Published { second_certificate: Some(second.clone()), ..Published::default() });
    let (_, added) = after_a_day(&world, &tenant, &id).await;
    assert_eq!((&added["metadata"]["problem"], &added["metadata"]["held"]), (&json!(null), &json!(null)), "{added}");
    assert_eq!(added["identity_provider"]["certificates"].as_array().unwrap().len(), 2);

    // Another entity: the stored copy stays in force, and what the new one says is not believed.
    world.person(Person::with("ann@acme.example"));
    let ann = Browser::new(&world).session("ann@acme.example").await["user"]["id"].clone();
    let other = "https://other.example/idp".to_owned();
    providers.publish_saml(Published { entity: Some(other.clone()), second_certificate: Some(second), unavailable: false });
    let (owner, held) = after_a_day(&world, &tenant, &id).await;
    assert!(held["metadata"]["held"].is_object() || held["metadata"]["held"].is_array(), "{held}");
    assert_eq!(held["identity_provider"], added["identity_provider"]);
    assert_eq!(Browser::new(&world).sign_in("ann@acme.example").await, Err("issuer_mismatch".to_owned()));
    let audit = world.audit(&owner).await;
    for action in ["sso_metadata_unavailable", "sso_metadata_changed", "sso_metadata_held"] {
        assert_eq!(audit.iter().filter(|(found, _)| found == action).count(), 1, "{action}: {audit:?}");
    }
    // Thrown away, it is fetched and held again; accepted, it is in force. Its people are new accounts, which an admin approves.
    assert_eq!(owner.post(&at, &json!({"accept": false})).await.unwrap().json()["metadata"]["held"], json!(null));
    let (owner, again) = after_a_day(&world, &tenant, &id).await;
    assert_ne!(again["metadata"]["held"], json!(null));
    let accepted = owner.post(&at, &json!({"accept": true})).await.unwrap().json();
    assert_eq!((&accepted["identity_provider"]["entity_id"], &accepted["metadata"]["held"]), (&json!(other), &json!(null)));
    assert_eq!(Browser::new(&world).sign_in("ann@acme.example").await, Err("subject_changed".to_owned()));
    let waiting = owner.get("/v1/sso/approvals").await.unwrap().json()["items"][0]["id"].as_str().unwrap().to_owned();
    let approved = owner.post(&format!("/v1/sso/approvals/{waiting}"), &json!({"accept": true})).await.unwrap();
    assert_eq!(approved.status.as_u16(), 200, "{}", approved.text());
    assert_eq!(Browser::new(&world).session("ann@acme.example").await["user"]["id"], ann);
    world.local.shutdown().await.unwrap();
}

/// What a browser carries, what a provider says and what a code is: none of it is in the log, the audit list or the table.
#[tokio::test]
async fn no_secret_is_written_down() {
    let lines = std::sync::Arc::new(coportal_local::run::KeptLines::default());
    let options = coportal_local::run::RunOptions { sink: lines.clone(), ..coportal_local::run::RunOptions::default() };
    let world = World { local: coportal_local::run::LocalRun::start(options).await.unwrap() };
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let saml = world.live(&tenant, &world.saml(), Person::with("boss@acme.example")).await;
    let google = world.live(&tenant, &json!({"provider": "google"}), Person::with("boss@acme.example")).await;
    let mut secrets = Vec::new();
    for connection in [&saml, &google] {
        world.person(Person { subject: Some("canary-subject".to_owned()), ..Person::with("canary-ann@acme.example") });
        let browser = Browser::new(&world);
        let started = browser.0.get(&format!("/v1/sso/start?connection={connection}")).await.unwrap();
        let location = started.header("location").to_owned();
        secrets.extend(["state", "nonce", "RelayState"].iter().filter_map(|name| parameter(&location, name)));
        secrets.push(browser.0.cookie("__Host-sso").unwrap());
        let ended = browser.go(&location).await;
        let one_time = parameter(&ended, "code").unwrap_or_else(|| panic!("{ended}"));
        assert_eq!(browser.0.post("/v1/sso/exchange", &json!({"code": one_time})).await.unwrap().status.as_u16(), 200);
        secrets.extend([one_time, browser.0.cookie("__Host-coportal").unwrap()]);
        world.person(Person { subject: Some("canary-subject-2".to_owned()), ..Person::with("canary-ann@acme.example") });
        assert!(Browser::new(&world).go(&format!("/v1/sso/start?connection={connection}")).await.contains("error="));
    }
    let issued = tenant.owner.post("/v1/sso/break-glass/codes", &json!({"email": "boss@acme.example"})).await.unwrap();
    secrets.extend(issued.json()["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()));
    secrets.extend(["canary-subject", "canary-ann"].map(str::to_owned));
    assert_eq!(secrets.len(), 19, "two sign-ins, eight codes, two names");
    let log = lines.all().join("\n");
    let audit = format!("{:?}", world.audit(&tenant.admin).await);
    assert!(log.contains("sso-routing") && audit.contains("sso_user_created"));
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "in the log");
        assert!(!audit.contains(secret.as_str()), "in the audit list");
    }
    println!("canaries: {} secrets and names, none in {} log lines or the audit list", secrets.len(), lines.all().len());
    world.local.shutdown().await.unwrap();
}
