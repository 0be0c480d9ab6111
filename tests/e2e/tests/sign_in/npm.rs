//! Identity providers of other makers: `oidc-provider` as Google and as an Entra tenant, `oauth2-mock-server` for tokens that are not good,
//! `samlp` and `samlify` for SAML. They are one process of Node.js (tests/e2e/identity-providers).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use coportal_core::workspace::Plan;
use coportal_local::caller::{Caller, Reply};
use coportal_local::run::{LocalRun, OtherProviders, RunOptions};
use serde_json::{Value, json};
use simulators::identity_provider::Key;
use simulators::identity_provider::served::TENANT;
use url::Url;

use crate::support::{Browser, Tenant, World, parameter};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/identity-providers");

/// The process; it ends with the test.
struct Providers {
    child: Child,
    at: Value,
}

impl Drop for Providers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the packages and Node.js are there. `make test` and CI install the packages first: there, their absence is a failure.
#[expect(clippy::disallowed_methods, reason = "whether a test may be left out is asked of whoever started it")]
fn installed() -> bool {
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    let there = node && Path::new(FOLDER).join("node_modules/oidc-provider").exists();
    let must = std::env::var("CI").is_ok_and(|value| value == "true") || std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "no");
    assert!(there || !must, "Node.js or the packages of {FOLDER} are missing: run npm ci there");
    if !there {
        println!("left out: Node.js or the packages of {FOLDER} are missing (npm ci)");
    }
    there
}

impl Providers {
    fn start(redirect_uri: &str, secret: &str) -> Self {
        let key = Key::rsa().unwrap();
        let setup = json!({
            "client_id": "coportal-local", "client_secret": secret, "redirect_uri": redirect_uri, "tenant": TENANT,
            "key": key.private_pem().unwrap(), "certificate": key.certificate_pem(),
        });
        let mut child = Command::new("node")
            .arg("serve.mjs")
            .arg(setup.to_string())
            .current_dir(FOLDER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !line.starts_with('{') {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the providers did not start: node serve.mjs in {FOLDER} says why");
        }
        // What they say later is read on: a pipe that nobody reads ends the process that writes to it.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
        Self { child, at: serde_json::from_str(&line).unwrap() }
    }

    fn origin(&self, name: &str) -> String {
        self.at[name].as_str().unwrap().to_owned()
    }

    /// Who signs in next, and what the mock server's token says instead.
    async fn person(&self, person: Value, overrides: Value, header: Value) {
        let control = Caller::new(&self.origin("control")).unwrap();
        let body = json!({"person": person, "overrides": overrides, "header": header});
        assert_eq!(control.post("/person", &body).await.unwrap().status.as_u16(), 200);
    }
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The local cloud with these providers; `google` names which of them plays Google.
async fn world(google: &str) -> (World, Providers) {
    let port = free_port();
    let secret = "the client secret of a test, long enough for HS256 as well".to_owned();
    let providers = Providers::start(&format!("http://127.0.0.1:{port}/v1/sso/oidc/callback"), &secret);
    let origins: Vec<String> = ["google", "microsoft", "mock", "saml"].iter().map(|name| providers.origin(name)).collect();
    let other = OtherProviders {
        google_issuer: providers.origin(google),
        microsoft_authority: providers.origin("microsoft"),
        origins: origins.join(","),
        client_secret: secret,
    };
    let local = LocalRun::start(RunOptions { port, providers: Some(other), ..RunOptions::default() }).await.unwrap();
    (World { local }, providers)
}

/// A browser with cookies for each origin.
#[derive(Clone)]
struct Everywhere {
    own: Caller,
    others: Arc<Mutex<BTreeMap<String, Caller>>>,
}

impl Everywhere {
    fn new(own: &Caller) -> Self {
        Self { own: own.clone(), others: Arc::default() }
    }

    fn at(&self, own: &str, url: &Url) -> Caller {
        let origin = url.origin().ascii_serialization();
        if origin == own {
            return self.own.clone();
        }
        self.others.lock().unwrap().entry(origin.clone()).or_insert_with(|| Caller::new(&origin).unwrap()).clone()
    }

    /// Follows redirects and pages that post by themselves to the end: the last address, and every answer of our own.
    async fn go(&self, world: &World, address: &str) -> (String, Vec<(String, Reply)>) {
        let own = world.local.origin.clone();
        let mut url: Url = own.parse::<Url>().unwrap().join(address).unwrap();
        let mut ours = Vec::new();
        for _ in 0..30 {
            let reply = self.at(&own, &url).get(url.as_str()).await.unwrap();
            if url.origin().ascii_serialization() == own {
                ours.push((url.to_string(), reply.clone()));
            }
            if reply.status.is_redirection() {
                url = url.join(reply.header("location")).unwrap();
                continue;
            }
            let page = reply.text();
            if !page.contains("name=\"SAMLResponse\"") {
                assert!(url.origin().ascii_serialization() == own, "{url}: {} {page}", reply.status);
                return (url.to_string(), ours);
            }
            let posted = Browser(self.own.clone()).post_response(&page).await;
            ours.push((format!("POST {page}"), posted.clone()));
            url = own.parse::<Url>().unwrap().join(posted.header("location")).unwrap();
        }
        panic!("no end at {url}")
    }
}

async fn live(world: &World, tenant: &Tenant, request: &Value) -> String {
    let id = world.connect(tenant, request).await;
    let runs = if request["provider"] == "microsoft" { 2 } else { 1 };
    for _ in 0..runs {
        let started = tenant.owner.post(&format!("/v1/sso/connections/{id}/test"), &json!({})).await.unwrap();
        assert_eq!(started.status.as_u16(), 200, "{}", started.text());
        let ended = Everywhere::new(&tenant.owner).go(world, started.json()["start_url"].as_str().unwrap()).await.0;
        assert_eq!(parameter(&ended, "test").as_deref(), Some("passed"), "{ended}");
    }
    world.enforce(tenant, &id, json!({"enforcement": "offer"})).await;
    id
}

/// A whole sign-in, and what was used in it a second time.
async fn signs_in_once(world: &World, tenant: &Tenant, id: &str, name: &str) {
    let own = world.stranger();
    let browser = Everywhere::new(&own);
    let (ended, ours) = browser.go(world, &format!("/v1/sso/start?connection={id}&login_hint=ann%40acme.example")).await;
    let code = parameter(&ended, "code").unwrap_or_else(|| panic!("{name}: {ended}"));
    // Everything that was used is sent once more, by the same browser, before it has its session.
    for (address, _) in ours {
        if let Some(page) = address.strip_prefix("POST ") {
            let again = Browser(own.clone()).post_response(page).await;
            assert_eq!(parameter(again.header("location"), "error").as_deref(), Some("replayed"), "{name}: the assertion again");
        } else if address.contains("/oidc/callback") || address.contains("/complete") {
            let again = own.get(&address).await.unwrap();
            assert_eq!(parameter(again.header("location"), "error").as_deref(), Some("state_unknown"), "{name}: {address}");
        }
    }
    let session = own.post("/v1/sso/exchange", &json!({"code": code})).await.unwrap();
    assert_eq!(
        (session.status.as_u16(), session.json()["workspace"]["id"].as_str()),
        (200, Some(tenant.id.as_str())),
        "{name}: {}",
        session.text()
    );
    let me = own.get("/v1/session").await.unwrap();
    assert_eq!((me.status.as_u16(), &me.json()["user"]["email"]), (200, &json!("ann@acme.example")), "{name}");
    assert_eq!(own.post("/v1/sso/exchange", &json!({"code": code})).await.unwrap().status.as_u16(), 403, "{name}: the code again");
    println!("{name}: signed in; code, state and assertion once only");
}

fn ann() -> Value {
    json!({"email": "ann@acme.example", "subject": "user-17", "name": "Ann", "hd": "acme.example", "tid": TENANT})
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_through_providers_of_other_makers() {
    if !installed() {
        return;
    }
    let (world, providers) = world("google").await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    providers.person(ann(), json!({}), json!({})).await;
    let saml = providers.origin("saml");
    for (name, request) in [
        ("oidc-provider as Google", json!({"provider": "google"})),
        ("oidc-provider as an Entra tenant", json!({"provider": "microsoft"})),
        ("samlp", json!({"provider": "saml", "metadata_url": format!("{saml}/samlp/metadata")})),
        ("samlify", json!({"provider": "saml", "metadata_url": format!("{saml}/samlify/metadata")})),
    ] {
        // Each provider has a person of its own: one address is one account.
        let id = live(&world, &tenant, &request).await;
        signs_in_once(&world, &tenant, &id, name).await;
    }
    drop(providers);
    world.local.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_good_are_refused() {
    if !installed() {
        return;
    }
    let (world, providers) = world("mock").await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    providers.person(ann(), json!({}), json!({})).await;
    let id = live(&world, &tenant, &json!({"provider": "google"})).await;
    signs_in_once(&world, &tenant, &id, "oauth2-mock-server").await;
    let mut refused = 0;
    for (overrides, reason) in [
        (json!({"iss": "https://evil.example"}), "issuer_mismatch"),
        (json!({"aud": "another"}), "audience_mismatch"),
        (json!({"nonce": "another"}), "nonce_mismatch"),
        (json!({"exp": 1_000_000_000}), "time_window"),
        (json!({"hd": null}), "hosted_domain_missing"),
        (json!({"hd": "other.example"}), "hosted_domain_mismatch"),
        (json!({"email_verified": false}), "email_unverified"),
        (json!({"email": "ann@eng.acme.example"}), "email_outside_domains"),
        (json!({"email": null}), "email_missing"),
        (json!({"sub": "another"}), "subject_changed"),
    ] {
        providers.person(ann(), overrides.clone(), json!({})).await;
        let (ended, _) = Everywhere::new(&world.stranger()).go(&world, &format!("/v1/sso/start?connection={id}")).await;
        assert_eq!(parameter(&ended, "error").as_deref(), Some(reason), "{overrides}: {ended}");
        refused += 1;
    }
    println!("oauth2-mock-server: {refused} tokens refused, each with its reason");
    drop(providers);
    world.local.shutdown().await.unwrap();
}
