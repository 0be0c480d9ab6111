//! Domains: proved by one, routed exactly, refused where nobody may claim them (C23, R103).

use coportal_core::workspace::Plan;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::identity_provider::served::Person;

use crate::support::{Browser, World, code, parameter};

/// What somebody types, and whether it is of the proven domain `acme.co.uk`.
const TYPED: &[(&str, bool)] = &[
    ("a@acme.co.uk", true),
    ("A@ACME.CO.UK", true),
    ("  a@acme.co.uk\t", true),
    ("a@acme.co.uk.", true),
    ("first.last@acme.co.uk", true),
    ("first+tag@acme.co.uk", true),
    ("o'hara@acme.co.uk", true),
    ("zoë@acme.co.uk", true),
    ("a@ａｃｍｅ.co.uk", true),
    ("a@acme。co。uk", true),
    ("a%evil.example@acme.co.uk", true),
    ("evil.example!a@acme.co.uk", true),
    ("a@eng.acme.co.uk", false),
    ("a@acme.co", false),
    ("a@co.uk", false),
    ("a@uk", false),
    ("a@xacme.co.uk", false),
    ("a@acme-co.uk", false),
    ("a@acme.co.uk.evil.example", false),
    ("a@acme.co.uk..", false),
    ("a@.acme.co.uk", false),
    ("a@acme..co.uk", false),
    ("a@acme.com", false),
    ("a@acme.org.uk", false),
    ("a@аcme.co.uk", false),
    ("a@acmе.co.uk", false),
    ("a@acme.cо.uk", false),
    ("a@асме.co.uk", false),
    ("a@xn--cme-7cd.co.uk", false),
    ("a@acmé.co.uk", false),
    ("a@acme.co.uk\u{202e}", false),
    ("a@acme.co.uk\u{200b}.evil.example", false),
    ("a@evil.example@acme.co.uk", false),
    ("a@acme.co.uk@evil.example", false),
    ("\"a@evil.example\"@acme.co.uk", false),
    ("\"a\"@acme.co.uk", false),
    ("a@[acme.co.uk]", false),
    ("a@[127.0.0.1]", false),
    ("a@127.0.0.1", false),
    ("a@0x7f.1", false),
    ("a@acme.co.uk (comment)", false),
    ("a(comment)@acme.co.uk", false),
    ("a@(comment)acme.co.uk", false),
    ("A <a@acme.co.uk>", false),
    ("<a@acme.co.uk>", false),
    ("a@acme.co.uk,b@evil.example", false),
    ("a@acme.co.uk;b@evil.example", false),
    ("a@acme.co.uk\nbcc: b@evil.example", false),
    ("a@acme.co.uk\0", false),
    ("a b@acme.co.uk", false),
    ("mailto:a@acme.co.uk", false),
    ("@evil.example:a@acme.co.uk", false),
    (".a@acme.co.uk", false),
    ("a.@acme.co.uk", false),
    ("a..b@acme.co.uk", false),
    ("@acme.co.uk", false),
    ("acme.co.uk", false),
    ("a@", false),
    ("", false),
    ("a@acme_co.uk", false),
    ("a@-acme.co.uk", false),
    ("a@gmail.com", false),
    ("a@second.example", false),
];

/// What nobody may claim, and the code of the refusal.
const UNCLAIMABLE: &[(&str, &str)] = &[
    ("co.uk", "public_suffix"),
    ("uk", "not_a_domain"),
    ("github.io", "public_suffix"),
    ("gmail.com", "consumer_domain"),
    ("mail.gmail.com", "consumer_domain"),
    ("outlook.com", "consumer_domain"),
    ("127.0.0.1", "not_a_domain"),
    ("[::1]", "not_a_domain"),
    ("localhost", "not_a_domain"),
    ("a@acme.example", "not_a_domain"),
    ("https://acme.example", "not_a_domain"),
    ("acme example", "not_a_domain"),
    ("", "not_a_domain"),
];

#[tokio::test(flavor = "multi_thread")]
async fn only_an_exact_proven_domain_is_routed() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    let stranger = Browser::new(&world);
    let asked = tenant.admin.post("/v1/sso/domains", &json!({"domain": "Acme.co.UK."})).await.unwrap().json();
    assert_eq!((&asked["domain"], &asked["status"]), (&json!("acme.co.uk"), &json!("pending")));
    let verify = format!("/v1/sso/domains/{}/verify", asked["id"].as_str().unwrap());
    // Not set yet, set at the wrong name, and set with another's value: pending all the while.
    let record = asked["record"].clone();
    let (name, value) = (record["name"].as_str().unwrap(), record["value"].as_str().unwrap().to_owned());
    for (name, value) in [("nowhere.example", value.clone()), ("acme.co.uk", value.clone()), (name, format!("{value}x"))] {
        world.local.dns.put(name, vec![value]);
        let looked = tenant.admin.post(&verify, &json!({})).await.unwrap();
        assert_eq!((looked.status.as_u16(), &looked.json()["status"]), (200, &json!("pending")));
    }
    world.local.dns.put(name, vec!["v=spf1 -all".to_owned(), value]);
    assert_eq!(tenant.admin.post(&verify, &json!({})).await.unwrap().json()["status"], "verified");
    // Proved, and no live connection yet.
    assert_eq!(stranger.discover("a@acme.co.uk").await, json!({"method": "password"}));
    let id = world.live(&tenant, &world.saml(), Person::with("boss@acme.co.uk")).await;
    let start = json!({"method": "sso", "start_url": format!("{}/v1/sso/start?connection={id}", world.local.origin)});
    let password = json!({"method": "password"});
    for (typed, routed) in TYPED {
        assert_eq!(stranger.discover(typed).await, if *routed { start.clone() } else { password.clone() }, "{typed:?}");
    }
    for (typed, refusal) in UNCLAIMABLE {
        let reply = tenant.admin.post("/v1/sso/domains", &json!({"domain": typed})).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.json()["issues"][0]["code"]), (422, &json!(refusal)), "{typed:?}");
    }
    let routed = TYPED.iter().filter(|(_, routed)| *routed).count();
    println!("domains over HTTP: {} addresses, {routed} routed; {} claims refused", TYPED.len(), UNCLAIMABLE.len());
    assert!(TYPED.len() >= 60);
    // A known user and an unknown one: the same answer, byte for byte, by the same calls.
    world.person(Person::with("ann@acme.co.uk"));
    Browser::new(&world).session("ann@acme.co.uk").await;
    assert!(world.local.idle(std::time::Duration::from_secs(20)).await);
    let cloud = &world.local.cloud.cloud;
    let mut answers = Vec::new();
    for email in ["ann@acme.co.uk", "nobody@acme.co.uk"] {
        cloud.forget_calls();
        let reply = world.stranger().post("/v1/sso/discover", &json!({"email": email})).await.unwrap();
        let calls: Vec<String> = cloud.call_log().iter().map(|call| call.operation.clone()).collect();
        assert!(!calls.is_empty());
        answers.push((reply.status, reply.text(), calls));
    }
    assert_eq!(answers[0], answers[1]);
    world.local.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_workspace_per_proven_domain() {
    let world = World::new().await;
    let (one, two) = (world.tenant("One", Plan::Enterprise).await, world.tenant("Two", Plan::Enterprise).await);
    // Both ask, both set their record; whoever proves it first has it.
    let ask = |tenant: &coportal_local::caller::Caller| {
        let tenant = tenant.clone();
        async move { tenant.post("/v1/sso/domains", &json!({"domain": "acme.example"})).await.unwrap().json() }
    };
    let (first, second) = (ask(&one.admin).await, ask(&two.admin).await);
    assert_ne!(first["record"]["value"], second["record"]["value"], "a record that was copied proves nothing");
    let values = [&first, &second].map(|asked| asked["record"]["value"].as_str().unwrap().to_owned());
    world.local.dns.put("_coportal-challenge.acme.example", values.to_vec());
    let verify = |caller: &coportal_local::caller::Caller, asked: &Value| {
        let (caller, at) = (caller.clone(), format!("/v1/sso/domains/{}/verify", asked["id"].as_str().unwrap()));
        async move { caller.post(&at, &json!({})).await.unwrap() }
    };
    let (a, b) = tokio::join!(verify(&one.admin, &first), verify(&two.admin, &second));
    let statuses = [a.status.as_u16(), b.status.as_u16()];
    assert!(statuses.contains(&200) && statuses.contains(&409), "{statuses:?}");
    let (winner, loser) = if statuses[0] == 200 { (&one, &two) } else { (&two, &one) };
    let third = world.tenant("Three", Plan::Enterprise).await;
    assert_eq!(
        code(&third.admin.post("/v1/sso/domains", &json!({"domain": "acme.example"})).await.unwrap()),
        (409, "domain_taken".to_owned())
    );
    // Another workspace's claim is not there.
    let mine = winner.admin.get("/v1/sso/domains").await.unwrap().json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(code(&loser.admin.get(&format!("/v1/sso/domains/{mine}")).await.unwrap()), (404, "not_found".to_owned()));
    // Given up, it is free.
    let removed = winner.admin.send(http::Method::DELETE, &format!("/v1/sso/domains/{mine}"), None, &[]).await.unwrap();
    assert_eq!(removed.status.as_u16(), 200);
    let asked = if statuses[0] == 200 { &second } else { &first };
    assert_eq!(verify(&loser.admin, asked).await.json()["status"], "verified");
    world.local.shutdown().await.unwrap();
}

/// Where a browser may be sent back to: a path of our own and nothing else.
#[tokio::test]
async fn no_return_to_leads_away() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let id = world.live(&tenant, &json!({"provider": "google"}), Person::with("boss@acme.example")).await;
    let hostile = [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " /settings",
        "javascript:alert(1)",
        "data:text/html,x",
        "/%2f/evil.example",
        "/%5cevil.example",
        "/..//evil.example",
        "/.//evil.example",
        "/a/../../b",
        "/settings#@evil.example",
        "/settings\r\nset-cookie: a=b",
        "@evil.example",
        "evil.example",
        "?next=/",
        "/a//evil.example",
        "/@evil.example:80",
        "http:/settings",
    ];
    for text in hostile {
        let query = serde_urlencoded::to_string([("connection", id.as_str()), ("return_to", text)]).unwrap();
        let reply = world.stranger().get(&format!("/v1/sso/start?{query}")).await.unwrap();
        assert_eq!(reply.header("location"), "/sign-in?error=return_refused", "{text:?}");
        assert!(reply.headers.get("set-cookie").is_none());
    }
    world.person(Person::with("ann@acme.example"));
    for path in ["/", "/settings/sso", "/invoices/inv_1?tab=timeline&x=1%202", "/clients/cl_1/"] {
        let browser = Browser::new(&world);
        let query = serde_urlencoded::to_string([("connection", id.as_str()), ("return_to", path)]).unwrap();
        let ended = browser.go(&format!("/v1/sso/start?{query}")).await;
        let reply = browser.0.form("/v1/sso/exchange", &[("code".to_owned(), parameter(&ended, "code").unwrap())]).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.header("location")), (303, path));
        assert_eq!(browser.who().await.status.as_u16(), 200);
    }
    println!("return_to over HTTP: {} refused, 4 followed", hostile.len());
    assert!(hostile.len() >= 20);
    world.local.shutdown().await.unwrap();
}

/// A proof that lapses routes nobody; who is known goes on by the connection's own address until an owner decides.
#[tokio::test]
async fn a_lapsed_proof_routes_nobody() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let id = world.live(&tenant, &json!({"provider": "google"}), Person::with("boss@acme.example")).await;
    world.person(Person::with("ann@acme.example"));
    let user = Browser::new(&world).session("ann@acme.example").await["user"]["id"].clone();
    world.local.dns.put("_coportal-challenge.acme.example", vec![]);
    // Looked at weekly, then daily once it is missing.
    let domain = tenant_domain(&world, &tenant).await;
    for _ in 0..25 {
        world.local.advance(SignedDuration::from_hours(24));
        world.local.run_due().await;
    }
    let fresh = world.tenant_tokens_again(&tenant).await;
    let shown = fresh.get(&format!("/v1/sso/domains/{domain}")).await.unwrap().json();
    assert_eq!(shown["status"], "failed", "{shown}");
    let stranger = Browser::new(&world);
    assert_eq!(stranger.discover("ann@acme.example").await, json!({"method": "password"}));
    // By the connection's own address: the known person, and nobody new.
    let start = format!("/v1/sso/start?connection={id}");
    let known = Browser::new(&world);
    let ended = known.go(&start).await;
    let session = known.0.post("/v1/sso/exchange", &json!({"code": parameter(&ended, "code").unwrap()})).await.unwrap();
    assert_eq!(session.json()["user"]["id"], user);
    world.person(Person::with("new@acme.example"));
    assert_eq!(parameter(&Browser::new(&world).go(&start).await, "error").as_deref(), Some("proof_lapsed"));
    let audit = world.audit(&fresh).await;
    assert!(
        audit.iter().any(|(action, _)| action == "sso_domain_warned") && audit.iter().any(|(action, _)| action == "sso_domain_lapsed"),
        "{audit:?}"
    );
    world.local.shutdown().await.unwrap();
}

async fn tenant_domain(_: &World, tenant: &crate::support::Tenant) -> String {
    tenant.admin.get("/v1/sso/domains").await.unwrap().json()["items"][0]["id"].as_str().unwrap().to_owned()
}
