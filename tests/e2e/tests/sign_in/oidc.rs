//! Google Workspace and Microsoft Entra ID.

use coportal_core::workspace::Plan;
use serde_json::json;
use simulators::identity_provider::served::{Person, TENANT};

use crate::support::{Browser, Tenant, World, code, parameter};

async fn google() -> (World, Tenant, String) {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let id = world.live(&tenant, &json!({"provider": "google"}), Person::with("boss@acme.example")).await;
    (world, tenant, id)
}

/// R103, R104, R106: the whole way, with nothing configured at Google.
#[tokio::test]
async fn somebody_of_the_domain_signs_in_through_google_and_has_a_session() {
    let (world, tenant, id) = google().await;
    let browser = Browser::new(&world);
    world.person(Person { name: Some("Ann Smith".to_owned()), ..Person::with("ann@acme.example") });
    let session = browser.session("ann@acme.example").await;
    assert_eq!(session["workspace"]["id"], tenant.id.as_str());
    assert_eq!(
        (&session["role"], &session["auth"]["method"], &session["auth"]["connection"]),
        (&json!("member"), &json!("sso"), &json!(id))
    );
    assert_eq!(session["return_to"], "/settings/sso");
    let me = browser.who().await;
    assert_eq!(
        (me.status.as_u16(), &me.json()["user"]["email"], &me.json()["user"]["name"]),
        (200, &json!("ann@acme.example"), &json!("Ann Smith"))
    );
    // The same person again is the same user, whatever their address by then.
    let user = session["user"]["id"].clone();
    let subject = Person::with("ann@acme.example");
    let again = Browser::new(&world);
    assert_eq!(again.session("ann@acme.example").await["user"]["id"], user);
    world.person(Person { subject: Some("another".to_owned()), ..subject });
    assert_eq!(
        Browser::new(&world).sign_in("ann@acme.example").await,
        Err("subject_changed".to_owned()),
        "a known address, another account"
    );
    let audit = world.audit(&tenant.admin).await;
    let seen = |action: &str| audit.iter().filter(|(found, _)| found == action).count();
    assert_eq!((seen("sso_user_created"), seen("sso_signed_in"), seen("sso_subject_changed")), (1, 1, 1), "{audit:?}");
    assert!(!format!("{audit:?}").contains("ann@"), "no address in an audit line");
    // The admin reads what to do about it.
    let shown = tenant.admin.get(&format!("/v1/sso/connections/{id}")).await.unwrap().json();
    assert_eq!(shown["last_failure"]["reason"], "subject_changed");
    assert!(shown["last_failure"]["fix"]["what"].as_str().is_some_and(|fix| fix.contains("approves")));
    assert_eq!(shown["hosted_domain"], "acme.example");
    // Signing out ends it, and what was made of it.
    let csrf = me.json()["csrf_token"].as_str().unwrap().to_owned();
    let forged = browser.0.send(http::Method::DELETE, "/v1/session", None, &[]).await.unwrap();
    assert_eq!(code(&forged), (403, "csrf".to_owned()));
    let headers = [("origin", world.local.origin.as_str()), ("x-csrf-token", csrf.as_str())];
    let out = browser.0.send(http::Method::DELETE, "/v1/session", None, &headers).await.unwrap();
    assert_eq!(out.status.as_u16(), 200, "{}", out.text());
    assert_eq!(browser.who().await.status.as_u16(), 401);
    assert_eq!(again.who().await.status.as_u16(), 401);
    world.local.shutdown().await.unwrap();
}

#[tokio::test]
async fn state_and_code_work_once_and_in_one_browser() {
    let (world, _tenant, _) = google().await;
    world.person(Person::with("ann@acme.example"));
    let browser = Browser::new(&world);
    let start = browser.discover("ann@acme.example").await["start_url"].as_str().unwrap().to_owned();
    let hops = browser.0.browse(&start).await.unwrap();
    let callback = hops.iter().find(|hop| hop.url.path() == "/v1/sso/oidc/callback").unwrap().url.clone();
    let code_of = parameter(hops.last().unwrap().url.as_str(), "code").unwrap();
    // The state a second time.
    let again = browser.0.get(callback.as_str()).await.unwrap();
    assert_eq!(parameter(again.header("location"), "error").as_deref(), Some("state_unknown"));
    // The code in another browser, then in its own, then once more.
    let exchange = |caller: &coportal_local::caller::Caller| {
        let (caller, body) = (caller.clone(), json!({"code": code_of}));
        async move { caller.post("/v1/sso/exchange", &body).await.unwrap() }
    };
    assert_eq!(code(&exchange(&world.stranger()).await), (403, "other_browser".to_owned()));
    let opened = exchange(&browser.0).await;
    assert_eq!(opened.status.as_u16(), 200, "{}", opened.text());
    assert_eq!(opened.header("cache-control"), "no-store");
    assert_eq!(code(&exchange(&browser.0).await), (403, "state_unknown".to_owned()));
    // A sign-in that another browser brings back: somebody was sent an attacker's link.
    let victim = Browser::new(&world);
    let (start, thief) = (browser.discover("ann@acme.example").await["start_url"].as_str().unwrap().to_owned(), Browser::new(&world));
    let authorize = thief.0.get(&start).await.unwrap().header("location").to_owned();
    let back = victim.0.get(&authorize).await.unwrap().header("location").to_owned();
    let refused = victim.0.get(&back).await.unwrap();
    assert_eq!(parameter(refused.header("location"), "error").as_deref(), Some("other_browser"));
    // A code waits a minute, a sign-in ten.
    let late = Browser::new(&world);
    let late_code = late.sign_in("ann@acme.example").await.unwrap();
    world.local.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(code(&late.0.post("/v1/sso/exchange", &json!({"code": late_code})).await.unwrap()), (403, "state_unknown".to_owned()));
    let slow = Browser::new(&world);
    let start = slow.discover("ann@acme.example").await["start_url"].as_str().unwrap().to_owned();
    let authorize = slow.0.get(&start).await.unwrap().header("location").to_owned();
    let back = slow.0.get(&authorize).await.unwrap().header("location").to_owned();
    world.local.advance(jiff::SignedDuration::from_mins(10));
    let refused = slow.0.get(&back).await.unwrap();
    assert_eq!(parameter(refused.header("location"), "error").as_deref(), Some("state_unknown"));
    world.local.shutdown().await.unwrap();
}

#[tokio::test]
async fn whoever_is_not_of_the_workspaces_google_is_refused() {
    let (world, tenant, id) = google().await;
    for (person, reason) in [
        (Person { hosted_domain: Some(String::new()), ..Person::with("ann@acme.example") }, "hosted_domain_missing"),
        (Person { hosted_domain: Some("other.example".to_owned()), ..Person::with("ann@acme.example") }, "hosted_domain_mismatch"),
        (Person { hosted_domain: Some("acme.example".to_owned()), ..Person::with("ann@eng.acme.example") }, "email_outside_domains"),
    ] {
        world.person(person);
        assert_eq!(Browser::new(&world).sign_in("ann@acme.example").await, Err(reason.to_owned()));
    }
    // Off: the address is not routed, and a link that somebody kept leads nowhere.
    let start = Browser::new(&world).discover("ann@acme.example").await["start_url"].as_str().unwrap().to_owned();
    world.enforce(&tenant, &id, json!({"enforcement": "off"})).await;
    assert_eq!(Browser::new(&world).discover("ann@acme.example").await, json!({"method": "password"}));
    let ended = Browser::new(&world).go(&start).await;
    assert_eq!(parameter(&ended, "error").as_deref(), Some("connection_not_live"));
    world.local.shutdown().await.unwrap();
}

/// R107: the tenant is bound by an admin's sign-in, and from then on it is that tenant or nobody.
#[tokio::test]
async fn a_microsoft_connection_is_bound_to_one_tenant() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let id = world.connect(&tenant, &json!({"provider": "microsoft"})).await;
    let shown = |caller: coportal_local::caller::Caller, id: String| async move {
        caller.get(&format!("/v1/sso/connections/{id}")).await.unwrap().json()
    };
    assert_eq!(shown(tenant.admin.clone(), id.clone()).await["status"], "tenant_needed");
    // A personal account binds nothing.
    world.person(Person { tenant: Some("9188040d-6c67-4c5b-b112-36a304b66dad".to_owned()), ..Person::with("ann@acme.example") });
    let ended = world.test(&tenant.owner, &id).await;
    assert_eq!(parameter(&ended, "reason").as_deref(), Some("personal_account"), "{ended}");
    world.person(Person::with("boss@acme.example"));
    assert_eq!(parameter(&world.test(&tenant.owner, &id).await, "test").as_deref(), Some("passed"));
    let bound = shown(tenant.admin.clone(), id.clone()).await;
    assert_eq!((&bound["tenant"], &bound["status"]), (&json!(TENANT), &json!("untested")));
    assert!(bound["admin_consent_url"].as_str().is_some_and(|url| url.contains(TENANT)));
    // Bound is not tried: nothing goes live before a test through the tenant's own issuer.
    let early = tenant.owner.post(&format!("/v1/sso/connections/{id}/enforce"), &json!({"enforcement": "offer"})).await.unwrap();
    assert_eq!(code(&early), (409, "test_missing".to_owned()));
    assert_eq!(parameter(&world.test(&tenant.owner, &id).await, "test").as_deref(), Some("passed"));
    world.enforce(&tenant, &id, json!({"enforcement": "offer"})).await;
    world.person(Person::with("ann@acme.example"));
    assert_eq!(Browser::new(&world).session("ann@acme.example").await["workspace"]["id"], tenant.id.as_str());
    // Another tenant's administrator can write any address into a token.
    world.person(Person { tenant: Some("22222222-2222-4333-8444-555555555555".to_owned()), ..Person::with("boss@acme.example") });
    assert_eq!(Browser::new(&world).sign_in("boss@acme.example").await, Err("issuer_mismatch".to_owned()));
    world.local.shutdown().await.unwrap();
}
