//! Where a workspace requires its identity provider: every other way is refused on every route, but a break-glass code (R102, C24).

use coportal_core::workspace::Plan;
use coportal_local::caller::Caller;
use coportal_local::template::{DEPLOYED, Template};
use http::Method;
use serde_json::{Value, json};
use simulators::identity_provider::served::Person;

use crate::support::{Browser, Tenant, World, code, parameter};

/// The routes that a member's credential opens, from the template: all but those that the page of routes calls open or a service's.
fn member_routes() -> Vec<(Method, String)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md")).unwrap();
    let mut who = std::collections::BTreeMap::new();
    for line in page.lines() {
        let Some((key, rest)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')) else { continue };
        if key.contains(" /") {
            who.insert(key.to_owned(), rest.split('|').nth(1).unwrap_or_default().trim().to_owned());
        }
    }
    let template = Template::parse(DEPLOYED).unwrap();
    let keys = template.routes.iter().map(|route| route.key.clone());
    let routes = keys.filter(|key| {
        let who = who.get(key).unwrap_or_else(|| panic!("{key}"));
        ["member", "admin", "member, by session", "admin, by session", "member, by form", "admin, by form"].contains(&who.as_str())
    });
    routes.map(|key| key.split_once(' ').map(|(method, path)| (method.parse().unwrap(), path.to_owned())).unwrap()).collect()
}

/// A path of a route, with ids that could be.
fn path_of(route: &str) -> String {
    let id = match route.split('/').nth(2) {
        Some("clients") => "cl_0123456789ab7cde8f00112233445566",
        Some("sso") if route.contains("/domains") => "dom_0123456789ab7cde8f00112233445566",
        Some("sso") if route.contains("/approvals") => "apv_0123456789ab7cde8f00112233445566",
        Some("sso") => "ssc_0123456789ab7cde8f00112233445566",
        _ => "inv_0123456789ab7cde8f00112233445566",
    };
    let mut path = String::new();
    for part in route.split('/').skip(1) {
        path.push('/');
        path.push_str(match part {
            "{ledger}" => "xero",
            part if part.starts_with('{') => id,
            part => part,
        });
    }
    path
}

/// What a credential is answered on every route of a member: how often `sso_required`, and which were let in.
async fn on_every_route(caller: &Caller, headers: &[(&str, &str)]) -> (usize, Vec<String>) {
    let (mut refused, mut let_in) = (0, Vec::new());
    for (method, route) in member_routes() {
        let form = route.starts_with("/settings/");
        let body = json!({});
        let writes = method != Method::GET && method != Method::DELETE;
        let mut headers = headers.to_vec();
        headers.push(("if-match", "1"));
        let path = path_of(&route);
        let reply = if form && writes {
            let csrf = headers.iter().find(|(name, _)| *name == "x-csrf-token").map(|(_, value)| *value).unwrap_or_default();
            headers.push(("content-type", "application/x-www-form-urlencoded"));
            caller.send_text(method.clone(), &path, &format!("_csrf={csrf}"), &headers).await.unwrap()
        } else {
            caller.send(method.clone(), &path, writes.then_some(&body), &headers).await.unwrap()
        };
        let says = code(&reply).1;
        if reply.status.as_u16() == 403
            && (says == "sso_required" || reply.text().contains("requires sign-in through its identity provider"))
        {
            refused += 1;
        } else {
            let_in.push(format!("{method} {route}: {} {says}", reply.status));
        }
    }
    (refused, let_in)
}

async fn required() -> (World, Tenant, String, Value) {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let id = world.live(&tenant, &world.saml(), Person::with("boss@acme.example")).await;
    (world, tenant, id, json!({"enforcement": "require", "break_glass_email": "boss@acme.example"}))
}

fn secret_headers<'a>(world: &'a World, csrf: &'a str) -> [(&'a str, &'a str); 2] {
    [("origin", world.local.origin.as_str()), ("x-csrf-token", csrf)]
}

async fn jwt_of(world: &World, browser: &Browser) -> Caller {
    let csrf = browser.who().await.json()["csrf_token"].as_str().unwrap().to_owned();
    let made = browser.0.send(Method::POST, "/v1/session/token", None, &secret_headers(world, &csrf)).await.unwrap();
    assert_eq!(made.status.as_u16(), 200, "{}", made.text());
    world.stranger().with_token(made.json()["token"].as_str().unwrap())
}

#[tokio::test]
async fn every_other_way_is_refused_on_every_route() {
    let (world, tenant, id, require) = required().await;
    let routes = member_routes().len();
    assert!(routes >= 40, "{routes}");
    // Before: a password's token and cookie, a session of the connection and a token made of it.
    let by_password = tenant.member.clone();
    let cookie = world.stranger();
    let signed = cookie.get(&format!("/__local/sign-in?token={}", World::member_token(&tenant))).await.unwrap();
    assert_eq!(signed.status.as_u16(), 303, "{}", signed.text());
    assert_eq!(cookie.get("/v1/session").await.unwrap().status.as_u16(), 200);
    world.person(Person::with("ann@acme.example"));
    let early = Browser::new(&world);
    early.session("ann@acme.example").await;
    let early_token = jwt_of(&world, &early).await;
    assert_eq!(early_token.get("/v1/clients").await.unwrap().status.as_u16(), 200);
    world.local.advance(jiff::SignedDuration::from_secs(5));

    let switched = world.enforce(&tenant, &id, require).await;
    assert_eq!((&switched["enforcement"], &switched["status"]), (&json!("require"), &json!("live")));
    assert_eq!(switched["break_glass"]["codes"].as_array().unwrap().len(), 8);

    let csrf = coportal_lambda::authn::csrf_token(&cookie.cookie("__Host-coportal").unwrap());
    let early_csrf = coportal_lambda::authn::csrf_token(&early.0.cookie("__Host-coportal").unwrap());
    let sent = secret_headers(&world, &csrf);
    let early_sent = secret_headers(&world, &early_csrf);
    let mut total = 0;
    for (name, caller, headers) in [
        ("a password's token", &by_password, &[][..]),
        ("the owner's token", &tenant.owner, &[][..]),
        ("a password's session", &cookie, &sent[..]),
        ("a session from before", &early.0, &early_sent[..]),
        ("a token of a session from before", &early_token, &[][..]),
    ] {
        let (refused, let_in) = on_every_route(caller, headers).await;
        assert_eq!((refused, let_in.len()), (routes, 0), "{name}: {let_in:#?}");
        total += refused;
    }
    println!("require: {total} requests refused on {routes} routes, none let in");

    // The connection's own door, and the token made there, are open.
    let browser = Browser::new(&world);
    browser.session("ann@acme.example").await;
    assert_eq!(browser.0.get("/v1/clients").await.unwrap().status.as_u16(), 200);
    assert_eq!(jwt_of(&world, &browser).await.get("/v1/clients").await.unwrap().status.as_u16(), 200);
    // The token ends with its five minutes.
    let token = jwt_of(&world, &browser).await;
    world.local.advance(jiff::SignedDuration::from_secs(5 * 60 + 31));
    assert_eq!(token.get("/v1/clients").await.unwrap().status.as_u16(), 401);
    world.local.shutdown().await.unwrap();
}

#[tokio::test]
async fn another_connection_of_the_workspace_does_not_do() {
    let (world, tenant, id, require) = required().await;
    let other = world.live(&tenant, &json!({"provider": "google"}), Person::with("boss@acme.example")).await;
    world.person(Person::with("ann@acme.example"));
    let start = |connection: &str| format!("/v1/sso/start?connection={connection}");
    world.enforce(&tenant, &id, require).await;
    world.local.advance(jiff::SignedDuration::from_secs(1));
    let browser = Browser::new(&world);
    let ended = browser.go(&start(&other)).await;
    let exchanged = browser.0.post("/v1/sso/exchange", &json!({"code": parameter(&ended, "code").unwrap()})).await.unwrap();
    assert_eq!(exchanged.status.as_u16(), 200, "{}", exchanged.text());
    assert_eq!(code(&browser.0.get("/v1/clients").await.unwrap()), (403, "sso_required".to_owned()));
    world.local.shutdown().await.unwrap();
}

/// The owner's way in: once per code, for the named owner, and audited.
#[tokio::test]
async fn a_break_glass_code_works_once() {
    let (world, tenant, id, require) = required().await;
    let switched = world.enforce(&tenant, &id, require).await;
    let codes: Vec<String> =
        switched["break_glass"]["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    let try_code = |email: &'static str, code: String| {
        let browser = world.stranger();
        async move { (browser.post("/v1/sso/break-glass", &json!({"email": email, "code": code})).await.unwrap(), browser) }
    };
    for (email, typed) in
        [("boss@acme.example", "00000-00000-00000-00000".to_owned()), ("ann@acme.example", codes[0].clone()), ("nobody", codes[0].clone())]
    {
        assert_eq!(code(&try_code(email, typed).await.0), (401, "break_glass_unknown".to_owned()), "{email}");
    }
    let (opened, owner) = try_code("boss@acme.example", codes[0].to_lowercase()).await;
    assert_eq!(opened.status.as_u16(), 200, "{}", opened.text());
    assert_eq!((&opened.json()["role"], &opened.json()["auth"]["method"]), (&json!("owner"), &json!("break_glass")));
    assert_eq!(owner.get("/v1/clients").await.unwrap().status.as_u16(), 200);
    assert_eq!(code(&try_code("boss@acme.example", codes[0].clone()).await.0), (401, "break_glass_unknown".to_owned()));
    // Two at once: one gets in.
    let (one, two) = tokio::join!(try_code("boss@acme.example", codes[1].clone()), try_code("boss@acme.example", codes[1].clone()));
    let statuses = [one.0.status.as_u16(), two.0.status.as_u16()];
    assert!(statuses.contains(&200) && statuses.contains(&401), "{statuses:?}");
    let audit = world.audit(&owner).await;
    let lines = |action: &str| audit.iter().filter(|(found, _)| found == action).count();
    assert_eq!((lines("sso_break_glass_used"), lines("sso_break_glass_unknown")), (2, 1), "{audit:?}");
    assert!(codes.iter().all(|code| !format!("{audit:?}").contains(code.as_str())));
    // Guessing is slow.
    let mut limited = 0;
    for _ in 0..12 {
        limited += usize::from(try_code("boss@acme.example", "00000-00000-00000-00001".to_owned()).await.0.status.as_u16() == 429);
    }
    assert!(limited >= 2, "{limited}");
    // With the provider's fault over, the owner goes back to offering.
    let csrf = owner.get("/v1/session").await.unwrap().json()["csrf_token"].as_str().unwrap().to_owned();
    let body = json!({"enforcement": "offer"});
    let back =
        owner.send(Method::POST, &format!("/v1/sso/connections/{id}/enforce"), Some(&body), &secret_headers(&world, &csrf)).await.unwrap();
    assert_eq!(back.status.as_u16(), 200, "{}", back.text());
    assert_eq!(tenant.member.get("/v1/clients").await.unwrap().status.as_u16(), 200);
    world.local.shutdown().await.unwrap();
}

#[tokio::test]
async fn require_needs_a_test_by_the_same_admin_and_a_way_in() {
    let (world, tenant, id, require) = required().await;
    let enforce = |who: &Caller, body: Value| {
        let (who, at) = (who.clone(), format!("/v1/sso/connections/{id}/enforce"));
        async move { who.post(&at, &body).await.unwrap() }
    };
    // The owner has tested; the admin has not.
    assert_eq!(code(&enforce(&tenant.admin, require.clone()).await), (409, "test_missing".to_owned()));
    assert_eq!(code(&enforce(&tenant.member, require.clone()).await), (403, "role_required".to_owned()));
    // An admin has no codes of an owner's to give.
    world.person(Person::with("boss@acme.example"));
    world.test(&tenant.admin, &id).await;
    assert_eq!(code(&enforce(&tenant.admin, json!({"enforcement": "require"})).await), (409, "break_glass_missing".to_owned()));
    assert_eq!(
        code(&tenant.admin.post("/v1/sso/break-glass/codes", &json!({"email": "a@acme.example"})).await.unwrap()),
        (403, "role_required".to_owned())
    );
    let issued = tenant.owner.post("/v1/sso/break-glass/codes", &json!({"email": "boss@acme.example"})).await.unwrap();
    assert_eq!(issued.status.as_u16(), 200, "{}", issued.text());
    assert_eq!(enforce(&tenant.admin, json!({"enforcement": "require"})).await.status.as_u16(), 200);
    world.local.shutdown().await.unwrap();
}

/// I13: a connection of one workspace never opens another, not even for somebody who is a member of both.
#[tokio::test]
async fn a_connection_of_one_workspace_never_opens_another() {
    let world = World::new().await;
    let (one, two) = (world.tenant("One", Plan::Enterprise).await, world.tenant("Two", Plan::Enterprise).await);
    world.prove(&one, "acme.example").await;
    world.prove(&two, "other.example").await;
    let first = world.live(&one, &world.saml(), Person::with("boss@acme.example")).await;
    let second = world.live(&two, &world.saml(), Person::with("boss@other.example")).await;
    world.person(Person::with("ann@acme.example"));
    let browser = Browser::new(&world);
    let session = browser.session("ann@acme.example").await;
    assert_eq!(session["workspace"]["id"], one.id.as_str());
    // Ann becomes a member of the second workspace too: her session stays in the first.
    let user = session["user"]["id"].as_str().unwrap();
    world.local.join(&two.id, user).await.unwrap();
    assert_eq!(browser.who().await.json()["workspace"]["id"], one.id.as_str());
    // Nothing of the other workspace's connections is there.
    for (method, path) in [
        (Method::GET, format!("/v1/sso/connections/{second}")),
        (Method::DELETE, format!("/v1/sso/connections/{second}")),
        (Method::POST, format!("/v1/sso/connections/{second}/test")),
    ] {
        let reply = one.owner.send(method.clone(), &path, None, &[]).await.unwrap();
        assert_eq!(code(&reply), (404, "not_found".to_owned()), "{method} {path}");
    }
    let body = json!({"enforcement": "off"});
    let reply = one.owner.post(&format!("/v1/sso/connections/{second}/enforce"), &body).await.unwrap();
    assert_eq!(code(&reply), (404, "not_found".to_owned()));
    // Its address is not of the second workspace's domains: the provider's word does not count there.
    let ended = Browser::new(&world).go(&format!("/v1/sso/start?connection={second}")).await;
    assert_eq!(parameter(&ended, "error").as_deref(), Some("email_outside_domains"));
    // A response to the first connection's request, sent to the second's address.
    let page = Browser::new(&world).0.browse(&format!("/v1/sso/start?connection={first}")).await.unwrap().last().unwrap().reply.text();
    let moved = page.replace(&first, &second);
    let reply = Browser::new(&world).post_response(&moved).await;
    assert_eq!(parameter(reply.header("location"), "error").as_deref(), Some("state_unknown"));
    // The connection goes, and with it the session that it opened.
    assert_eq!(one.owner.send(Method::DELETE, &format!("/v1/sso/connections/{first}"), None, &[]).await.unwrap().status.as_u16(), 200);
    assert_eq!(code(&browser.who().await), (401, "session_ended".to_owned()));
    world.local.shutdown().await.unwrap();
}

/// R8.
#[tokio::test]
async fn single_sign_on_needs_the_enterprise_plan() {
    let world = World::new().await;
    let tenant = world.tenant("Small", Plan::Agency).await;
    for (method, path, body) in [
        (Method::GET, "/v1/sso/connections", None),
        (Method::POST, "/v1/sso/connections", Some(json!({"provider": "google"}))),
        (Method::POST, "/v1/sso/domains", Some(json!({"domain": "acme.example"}))),
        (Method::POST, "/v1/sso/break-glass/codes", Some(json!({"email": "a@acme.example"}))),
    ] {
        let reply = tenant.owner.send(method.clone(), path, body.as_ref(), &[]).await.unwrap();
        assert_eq!(code(&reply), (403, "plan_required".to_owned()), "{method} {path}");
        assert!(reply.json()["detail"].as_str().unwrap().contains("Enterprise"));
    }
    // A workspace that leaves the plan: nobody is routed, nobody is held, and the door that was shut is open again.
    let (world, tenant, id, require) = required().await;
    world.enforce(&tenant, &id, require).await;
    assert_eq!(tenant.member.get("/v1/clients").await.unwrap().status.as_u16(), 403);
    let changed = world
        .stranger()
        .send(Method::PUT, &format!("/__local/workspaces/{}", tenant.id), Some(&json!({"plan": "agency"})), &[])
        .await
        .unwrap();
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text());
    assert_eq!(tenant.member.get("/v1/clients").await.unwrap().status.as_u16(), 200);
    assert_eq!(Browser::new(&world).discover("ann@acme.example").await, json!({"method": "password"}));
    let ended = Browser::new(&world).go(&format!("/v1/sso/start?connection={id}")).await;
    assert_eq!(parameter(&ended, "error").as_deref(), Some("connection_not_live"));
    world.local.shutdown().await.unwrap();
}
