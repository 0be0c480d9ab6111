//! The run: everything that handles a secret, gone through well and badly.

use coportal_core::ledger::Ledger;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use coportal_core::ctx::Random;
use coportal_lambda::system::SystemRandom;
use coportal_lambda::telemetry;
use coportal_local::caller::{Caller, Reply};
use coportal_local::run::{KeptLines, LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::search::Canaries;
use crate::stored;

/// The machine's randomness, with every 256-bit draw written down: states, verifiers, cookies, the client secret.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<Vec<String>>>);

impl Random for Recorded {
    fn fill(&self, bytes: &mut [u8]) {
        SystemRandom.fill(bytes);
        if bytes.len() == 32 {
            self.0.lock().unwrap().push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        }
    }
}

struct SystemClock;

impl coportal_core::ctx::Clock for SystemClock {
    fn now(&self) -> Timestamp {
        coportal_lambda::system::SystemClock.now()
    }
}

/// Strings that a stranger sends in, in the places where secrets travel.
const PLANTED: [(&str, &str); 6] = [
    ("planted code", "canary-code-7Hq2mZx9LwTfVb3NcRkY"),
    ("planted state", "canary-state-pQ8sJd4GhXe6UaWz1KtM"),
    ("planted bearer", "canary-bearer-B5nYr7CvEo2IlPf9SgDx"),
    ("planted cookie", "canary-cookie-Zw3Tu6RkMq8HjVb1LyNa"),
    ("planted csrf", "canary-csrf-Xe9Fs4GpKd7OcWi2UtQz"),
    ("planted description", "canary-description-Jm5Ah8LrBv3YnEx6TdCo"),
];

struct Run {
    local: LocalRun,
    studio: Studio,
    lines: KeptLines,
    random: Recorded,
    canaries: Canaries,
    /// What the product answered: where, and what of it is searched.
    answers: Vec<(String, Vec<u8>)>,
}

impl Run {
    async fn start() -> Self {
        let (lines, random) = (KeptLines::default(), Recorded::default());
        let sink: Arc<dyn telemetry::Sink> = Arc::new(lines.clone());
        telemetry::install("canary", tracing::Level::TRACE, Arc::new(SystemClock), Arc::clone(&sink));
        telemetry::report_panics("canary", Arc::new(SystemClock), Arc::clone(&sink));
        let local = LocalRun::start(RunOptions { random: Arc::new(random.clone()), sink, ..RunOptions::default() }).await.unwrap();
        let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
        let mut canaries = Canaries::default();
        for (name, secret) in PLANTED {
            canaries.add(name, secret);
        }
        Self { local, studio, lines, random, canaries, answers: Vec::new() }
    }

    fn keep(&mut self, at: &str, reply: &Reply) {
        // The product's own hand-over of state and cookie to the asking browser is what they are for.
        let hands_over = at.ends_with("/connect");
        let mut bytes = Vec::new();
        for (name, value) in &reply.headers {
            let handed = hands_over && (name == "set-cookie" || name == "location");
            if !handed {
                bytes.extend(format!("{name}: ").into_bytes());
                bytes.extend(value.as_bytes());
                bytes.push(b'\n');
            }
        }
        let mut body = reply.json();
        match body.as_object_mut().and_then(|members| members.remove("authorize_url")) {
            Some(_) if hands_over => bytes.extend(body.to_string().into_bytes()),
            _ => bytes.extend(&reply.body),
        }
        self.answers.push((at.to_owned(), bytes));
    }

    async fn ask(&mut self, caller: &Caller, method: Method, at: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Reply {
        let reply = caller.send(method, at, body, headers).await.unwrap();
        self.keep(at.split('?').next().unwrap(), &reply);
        // What the vendor handed out so far may be gone later.
        self.gather_vendor_secrets();
        reply
    }

    async fn owner(&mut self, method: Method, at: &str, body: Option<&Value>) -> Reply {
        let owner = self.studio.owner.clone();
        self.ask(&owner, method, at, body, &[]).await
    }

    /// Begins to connect; answers the consent page's address.
    async fn begin(&mut self) -> String {
        let reply = self.owner(Method::POST, "/v1/integrations/xero/connect", None).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        text(&reply.json(), "/authorize_url").to_owned()
    }

    /// Goes the whole way as a browser; answers the callback's address.
    async fn consent(&mut self, caller: &Caller, authorize: &str) -> String {
        let hops = caller.browse(authorize).await.unwrap();
        let mut callback = String::new();
        let origin = self.local.origin.clone();
        for hop in hops.iter().filter(|hop| hop.url.as_str().starts_with(&origin)) {
            if hop.url.path().ends_with("/callback") {
                callback = hop.url.to_string();
            }
            self.keep(hop.url.path(), &hop.reply);
        }
        self.gather_vendor_secrets();
        callback
    }

    async fn decide(&self, decision: &str) {
        self.studio.at(Ledger::Xero).control(Method::POST, "consent", Some(&json!({"decision": decision}))).await.unwrap();
    }

    async fn fault(&self, fault: Value) {
        self.studio.at(Ledger::Xero).control(Method::POST, "faults", Some(&json!([fault]))).await.unwrap();
    }

    /// Codes, access and refresh tokens, from the simulator's own memory.
    fn gather_vendor_secrets(&mut self) {
        let tokens = self.local.ledger(Ledger::Xero).unwrap().simulator.snapshot()["tokens"].clone();
        for kind in ["codes", "access"] {
            for secret in tokens[kind].as_object().unwrap().keys() {
                self.canaries.add(kind, secret);
            }
        }
        for grant in tokens["grants"].as_array().unwrap() {
            for which in ["current", "previous"] {
                if let Some(secret) = grant[which]["token"].as_str() {
                    self.canaries.add("refresh", secret);
                }
            }
        }
    }

    async fn go(&mut self) {
        let stranger = Caller::new(&self.local.origin).unwrap();
        let owner = self.studio.owner.clone();
        let canary = |name: &str| PLANTED.iter().find(|(known, _)| *known == name).unwrap().1;

        // Denied, forged, foreign and repeated callbacks.
        self.decide("deny").await;
        let authorize = self.begin().await;
        self.consent(&owner, &authorize).await;
        self.decide("approve").await;
        let (code, state, words) = (canary("planted code"), canary("planted state"), canary("planted description"));
        for query in [
            format!("code={code}&state={state}"),
            format!("error=access_denied&error_description={words}&state={state}"),
            format!("error={words}&state={state}"),
            format!("code={code}"),
        ] {
            self.ask(&stranger, Method::GET, &format!("/v1/oauth/xero/callback?{query}"), None, &[]).await;
        }
        let authorize = self.begin().await;
        owner.forget_cookies();
        let parked = self.consent(&owner, &authorize).await;
        self.ask(&owner, Method::GET, &parked, None, &[]).await;

        // The token endpoint and the list of organisations fail in their ways.
        for fault in [
            json!({"match": "/connect/token", "kind": "status", "status": 500}),
            json!({"match": "/connect/token", "kind": "timeout_after"}),
            json!({"match": "/connect/token", "kind": "garbage"}),
            json!({"match": "/connect/token", "kind": "status", "status": 400, "body": "{\"error\":\"invalid_grant\"}"}),
            json!({"match": "/connections", "kind": "status", "status": 403}),
        ] {
            self.fault(fault).await;
            let authorize = self.begin().await;
            self.consent(&owner, &authorize).await;
        }

        // The well-behaved way, then the same callback again.
        self.studio.at(Ledger::Xero).control(Method::POST, "reset", None).await.unwrap();
        let authorize = self.begin().await;
        let callback = self.consent(&owner, &authorize).await;
        self.ask(&owner, Method::GET, &callback, None, &[]).await;
        assert_eq!(self.studio.at(Ledger::Xero).connection().await.unwrap()["status"], "connected");

        // Syncs: done, refused, cut, unauthorised; a refresh, a lost one, and one that the vendor refuses.
        let client = self.studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
        let line = json!([{"description": "Work", "quantity": "1", "unit_price": "100.00", "tax_rate": "20"}]);
        for fault in [
            None,
            Some(json!({"method": "PUT", "match": "/Invoices", "kind": "status", "status": 500})),
            Some(json!({"method": "PUT", "match": "/Invoices", "kind": "timeout_after"})),
            Some(
                json!({"match": "/Invoices", "kind": "status", "status": 401, "body": "{\"Title\":\"Unauthorized\",\"Status\":401,\"Detail\":\"TokenExpired\"}"}),
            ),
            Some(json!({"match": "/Invoices", "kind": "status", "status": 403})),
            Some(json!({"match": "/Invoices", "kind": "garbage"})),
            Some(json!({"match": "/Invoices", "kind": "truncate"})),
        ] {
            let invoice = self.studio.send_invoice(&client, &line).await.unwrap();
            if let Some(fault) = fault {
                self.fault(fault).await;
            }
            let path = format!("/v1/invoices/{}", text(&invoice, "/id"));
            for route in ["/sync/xero/dry-run", "/sync/xero", "/sync/xero"] {
                self.owner(Method::POST, &format!("{path}{route}"), None).await;
            }
            self.owner(Method::GET, &path, None).await;
            self.owner(Method::GET, &format!("{path}/timeline"), None).await;
            self.local.advance(SignedDuration::from_mins(31));
        }
        for fault in [
            json!({"match": "/connect/token", "kind": "timeout_after"}),
            json!({"match": "/connect/token", "kind": "status", "status": 503}),
            json!({"match": "/connect/token", "kind": "status", "status": 400, "body": "{\"error\":\"invalid_grant\"}"}),
        ] {
            self.fault(fault).await;
            self.owner(Method::POST, "/v1/integrations/xero/test", None).await;
            self.local.advance(SignedDuration::from_mins(31));
        }

        // Secrets where they do not belong.
        let (bearer, cookie, csrf) = (canary("planted bearer"), canary("planted cookie"), canary("planted csrf"));
        self.ask(&stranger, Method::GET, "/v1/clients", None, &[("authorization", &format!("Bearer {bearer}"))]).await;
        self.ask(&stranger, Method::GET, "/v1/clients", None, &[("cookie", &format!("__Host-coportal={cookie}"))]).await;
        let both = [("cookie", &*format!("__Host-connect={cookie}")), ("x-csrf-token", csrf)];
        self.ask(&owner, Method::POST, "/v1/integrations/xero/connect", None, &both).await;
        self.owner(Method::GET, &format!("/v1/clients?cursor={bearer}&access_token={code}"), None).await;
        self.owner(Method::GET, &format!("/v1/invoices/{bearer}"), None).await;
        self.owner(Method::POST, "/v1/clients", Some(&json!({"name": "A", "email": state, "unexpected": bearer}))).await;

        for path in [
            "/v1/integrations",
            "/v1/integrations/xero/organisations",
            "/v1/integrations/xero/choices",
            "/v1/audit",
            "/v1/sync/attention",
            "/settings/integrations",
        ] {
            self.owner(Method::GET, path, None).await;
        }
        self.fault(json!({"match": "/connect/revocation", "kind": "status", "status": 500})).await;
        let gone = self.owner(Method::DELETE, "/v1/integrations/xero", None).await;
        assert_eq!(gone.status.as_u16(), 200, "{}", gone.text());
    }
}

#[tokio::test]
async fn i12_no_secret_is_logged_answered_stored_or_put_into_an_address() {
    let mut run = Run::start().await;
    run.go().await;
    let drawn = run.random.0.lock().unwrap().clone();
    assert!(drawn.len() > 20, "{} draws: the product takes its chance from elsewhere", drawn.len());
    for secret in &drawn {
        run.canaries.add("drawn by the product (state, verifier, cookie, client secret)", secret);
    }
    let names = run.canaries.names().clone();
    for kind in ["codes", "access", "refresh"] {
        assert!(names.contains(kind), "no {kind} was handed out: {names:?}");
    }

    let mut searched = BTreeMap::<&str, usize>::new();
    let mut found = Vec::new();
    let mut search = |place: &'static str, at: &str, bytes: &[u8]| {
        *searched.entry(place).or_default() += 1;
        found.extend(run.canaries.in_text(bytes).map(|leak| format!("{place}, {at}: {leak}")));
    };
    for line in run.lines.all() {
        search("log lines", "", line.as_bytes());
    }
    for line in run.local.gateway.access_log() {
        search("access log lines", "", line.as_bytes());
    }
    for (at, bytes) in &run.answers {
        search("answers", at, bytes);
    }
    for (at, bytes) in stored::items(&run.local).await {
        search("items", &at, &bytes);
    }
    for call in run
        .local
        .ledger(Ledger::Xero)
        .unwrap()
        .simulator
        .calls()
        .iter()
        .filter(|call| !call.path.starts_with("/identity/connect/authorize"))
    {
        search("addresses called", "", call.path.as_bytes());
    }
    println!("searched {searched:?}");
    for (place, least) in [("log lines", 80), ("access log lines", 80), ("answers", 60), ("items", 30), ("addresses called", 10)] {
        assert!(searched.get(place).copied().unwrap_or_default() >= least, "too few {place}: {searched:?}");
    }
    found.dedup();
    // The panic hook is the product's own here: what a failure says is printed before it.
    println!("{} leaks\n{}", found.len(), found.join("\n"));
    assert!(found.is_empty(), "secrets leak, see above");

    // The search would see it: the state does stand in the consent page's address, which is where it belongs.
    let authorize = run.begin().await;
    let newest = run.random.0.lock().unwrap().clone();
    let mut fresh = Canaries::default();
    newest.iter().for_each(|secret| fresh.add("drawn", secret));
    assert!(fresh.in_text(authorize.as_bytes()).is_some());
    run.local.shutdown().await.unwrap();
}
