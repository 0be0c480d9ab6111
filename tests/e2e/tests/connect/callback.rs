//! The state of a sign-in in twelve cases, codes, redirects.

use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::faults::{Fault, FaultKind};

use crate::world::{Answered, CLIENT_SECRET, UK, World};

fn location_of(answer: &Answered) -> &str {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.header("location")
}

/// Nothing changed and nobody was called.
async fn assert_untouched(world: &World, case: &str) {
    assert_eq!(world.connection(world.one).await, None, "{case}");
    assert_eq!(world.connection(world.two).await, None, "{case}");
    assert!(world.vendor_calls().is_empty(), "{case}: {:?}", world.vendor_calls());
}

/// R12, R22: consent, callback, connected; the cookie and the URLs are what they have to be.
#[tokio::test]
async fn a_consent_in_one_browser_connects() {
    let world = World::new().await;
    let answer = world.admin(world.one, "POST", "/v1/integrations/xero/connect", Some(json!({"return_to": "/invoices?x=1"}))).await;
    assert!(answer.json()["expires_at"].as_str().unwrap().starts_with("2026-03-02T09:10:00"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    let url = answer.json()["authorize_url"].as_str().unwrap().to_owned();
    for part in ["response_type=code", "code_challenge_method=S256", "code_challenge=", "state=", "offline_access"] {
        assert!(url.contains(part), "{part}: {url}");
    }
    assert!(!url.contains("accounting.transactions"), "no retired scope");
    let started = crate::world::Started { authorize_url: url, cookie: answer.connect_cookie() };
    let back = world.consent(&started).await;
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    assert_eq!(location_of(&answer), "/invoices?x=1&connected=xero");

    let list = world.call(&world.token(world.one, "member"), "GET", "/v1/integrations", None).await.json();
    let xero = &list["items"][0];
    assert_eq!(xero["ledger"], "xero");
    assert_eq!(xero["connection"]["status"], "connected");
    assert_eq!(xero["connection"]["organisation"]["name"], UK);
    assert_eq!(xero["connection"]["options"]["sync_as_draft"], true, "C7: drafts by default");
    assert_eq!(xero["connection"]["options"]["auto_sync"], false, "R34: off by default");
    assert_eq!(world.audit(world.one).await, ["connected", "connect_started"]);
}

/// Cases 1 to 5: the state is missing, wrong, truncated, doubled, or comes without an answer.
#[tokio::test]
async fn a_state_that_is_none_changes_nothing() {
    let world = World::new().await;
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    let (path, query) = back.split_once('?').unwrap();
    let state = query.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap().to_owned();
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code=")).unwrap().to_owned();
    for (case, query) in [
        ("no query", String::new()),
        ("missing", format!("code={code}")),
        ("empty", format!("code={code}&state=")),
        ("wrong", format!("code={code}&state={}", "0".repeat(64))),
        ("truncated", format!("code={code}&state={}", &state[..63])),
        ("longer", format!("code={code}&state={state}0")),
        ("other case", format!("code={code}&state={}", state.to_uppercase())),
        ("doubled", format!("code={code}&state={state}&state={state}")),
        ("without an answer", format!("state={state}")),
        ("two answers", format!("code={code}&error=access_denied&state={state}")),
    ] {
        let answer = world.navigate(&format!("{path}?{query}"), Some(&started.cookie)).await;
        assert_eq!(location_of(&answer), "/settings/integrations?connect_error=invalid_state", "{case}");
        assert_untouched(&world, case).await;
    }
    // None of it used the state up.
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connected=xero");
}

/// Case 6: a state counts once; the code behind it is not even tried again.
#[tokio::test]
async fn a_reused_state_changes_nothing() {
    let world = World::new().await;
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    world.navigate(&back, Some(&started.cookie)).await;
    let (before, calls) = (world.connection(world.one).await, world.vendor_calls().len());
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connect_error=invalid_state");
    assert_eq!(world.connection(world.one).await, before);
    assert_eq!(world.vendor_calls().len(), calls);
}

/// Case 7: ten minutes, compared by us and not left to the table's own clean-up.
#[tokio::test]
async fn a_state_older_than_ten_minutes_changes_nothing() {
    let world = World::new().await;
    let early = world.start(world.one, "admin").await;
    let late = world.start(world.one, "admin").await;
    world.advance(SignedDuration::from_secs(10 * 60 - 1));
    let back = world.consent(&early).await;
    let answer = world.navigate(&back, Some(&early.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connected=xero", "a second before");
    let (before, calls) = (world.connection(world.one).await, world.vendor_calls().len());
    let back = world.consent(&late).await;
    world.advance(SignedDuration::from_secs(2));
    let answer = world.navigate(&back, Some(&late.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connect_error=invalid_state", "a second after");
    assert_eq!(world.connection(world.one).await, before);
    assert_eq!(world.vendor_calls().len(), calls);
}

/// Case 8: another ledger's callback (mix-up). The state stays good for its own.
#[tokio::test]
async fn a_state_of_another_ledger_changes_nothing() {
    let world = World::new().await;
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    for other in ["quickbooks", "sage", "business-central"] {
        let answer = world.navigate(&back.replace("/xero/", &format!("/{other}/")), Some(&started.cookie)).await;
        assert_eq!(location_of(&answer), "/settings/integrations?connect_error=invalid_state", "{other}");
        assert_untouched(&world, other).await;
    }
    assert_eq!(world.navigate(&back.replace("/xero/", "/netsuite/"), Some(&started.cookie)).await.status, StatusCode::NOT_FOUND);
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connected=xero");
}

/// Cases 9 to 11: no cookie, another session's, another tenant's: parked, and bound only by the same user's word.
#[tokio::test]
async fn another_browser_only_parks_the_grant() {
    for case in ["no cookie", "another session's cookie", "another workspace's cookie"] {
        let world = World::new().await;
        let started = world.start(world.one, "admin").await;
        let cookie = match case {
            "no cookie" => None,
            "another session's cookie" => Some(world.start(world.one, "other-admin").await.cookie),
            _ => Some(world.start(world.two, "admin").await.cookie),
        };
        let back = world.consent(&started).await;
        let answer = world.navigate(&back, cookie.as_deref()).await;
        assert_eq!(location_of(&answer), "/settings/integrations?connect_error=confirm_required", "{case}");
        assert_eq!(world.connection(world.one).await, None, "{case}");
        assert_eq!(world.connection(world.two).await, None, "{case}");

        // Nobody else can confirm: another admin, the same name in another workspace, a member.
        for (tenant, user) in [(world.one, "other-admin"), (world.one, "owner"), (world.two, "admin")] {
            let refused = world.call(&world.token(tenant, user), "POST", "/v1/integrations/xero/connect/confirm", None).await;
            assert_eq!((refused.status, refused.code().as_str()), (StatusCode::NOT_FOUND, "nothing_to_confirm"), "{case} {user}");
        }
        let list = world.admin(world.one, "GET", "/v1/integrations", None).await.json();
        assert!(list["items"][0]["parked"].is_object(), "{case}: {list}");
        assert!(world.admin(world.two, "GET", "/v1/integrations", None).await.json()["items"][0]["parked"].is_null());

        let confirmed = world.admin(world.one, "POST", "/v1/integrations/xero/connect/confirm", None).await;
        assert_eq!(confirmed.status, StatusCode::OK, "{case}: {}", confirmed.text);
        assert_eq!(confirmed.json()["connection"]["status"], "connected");
        assert_eq!(world.connection(world.two).await, None, "{case}");
        let again = world.admin(world.one, "POST", "/v1/integrations/xero/connect/confirm", None).await;
        assert_eq!(again.code(), "nothing_to_confirm", "{case}: a grant is taken once");
    }
}

/// Case 12: two tabs. The newer one's cookie counts; the older one's grant is parked.
#[tokio::test]
async fn the_older_of_two_tabs_is_parked() {
    let world = World::new().await;
    let older = world.start(world.one, "admin").await;
    let newer = world.start(world.one, "admin").await;
    let back = world.consent(&older).await;
    let answer = world.navigate(&back, Some(&newer.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connect_error=confirm_required");
    assert_eq!(world.connection(world.one).await, None);
    let back = world.consent(&newer).await;
    let answer = world.navigate(&back, Some(&newer.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connected=xero");
}

/// A parked grant leaves a connection that stands as it is, and is over after 30 minutes.
#[tokio::test]
async fn a_parked_grant_waits_thirty_minutes_and_touches_nothing() {
    let world = World::new().await;
    let before = world.connected(world.one, UK).await;
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    world.navigate(&back, None).await;
    assert_eq!(world.connection(world.one).await.unwrap(), before);
    world.advance(SignedDuration::from_mins(30));
    let late = world.admin(world.one, "POST", "/v1/integrations/xero/connect/confirm", None).await;
    assert_eq!(late.code(), "nothing_to_confirm");
    assert_eq!(world.connection(world.one).await.unwrap(), before);
}

/// A "no" at the consent page uses the state up and calls nobody.
#[tokio::test]
async fn a_refusal_is_told_and_final() {
    let world = World::new().await;
    world.simulator.set_consent(Consent::deny()).unwrap();
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connect_error=access_denied");
    assert_untouched(&world, "denied").await;
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connect_error=invalid_state");
}

/// Code replay: a code that was used elsewhere, forged, or is another app's is refused by the vendor and connects nothing.
#[tokio::test]
async fn a_code_that_the_vendor_refuses_connects_nothing() {
    let world = World::new().await;
    let first = world.start(world.one, "admin").await;
    let back = world.consent(&first).await;
    world.navigate(&back, Some(&first.cookie)).await;
    let used = back.split(['?', '&']).find(|part| part.starts_with("code=")).unwrap().to_owned();
    for code in [used.as_str(), "code=forged"] {
        let second = world.start(world.two, "admin").await;
        let back = world.consent(&second).await;
        let own = back.split(['?', '&']).find(|part| part.starts_with("code=")).unwrap().to_owned();
        let answer = world.navigate(&back.replace(&own, code), Some(&second.cookie)).await;
        assert_eq!(location_of(&answer), "/settings/integrations?connect_error=exchange_failed", "{code}");
        assert_eq!(world.connection(world.two).await, None);
    }
    // PKCE: a code stolen from one sign-in does not serve another (RFC 9700, section 2.1.1).
    let (victim, attacker) = (world.start(world.one, "admin").await, world.start(world.two, "admin").await);
    let (stolen, own) = (world.consent(&victim).await, world.consent(&attacker).await);
    let code = |back: &str| back.split(['?', '&']).find(|part| part.starts_with("code=")).unwrap().to_owned();
    let answer = world.navigate(&own.replace(&code(&own), &code(&stolen)), Some(&attacker.cookie)).await;
    assert_eq!(location_of(&answer), "/settings/integrations?connect_error=exchange_failed");
    assert_eq!(world.connection(world.two).await, None);
}

/// The vendor does not answer: told as such, nothing half done, and a new sign-in works.
#[tokio::test]
async fn a_vendor_out_of_reach_connects_nothing() {
    for (matching, kind) in [
        ("/connect/token", FaultKind::Refuse),
        ("/connect/token", FaultKind::TimeoutAfter),
        ("/connect/token", FaultKind::Status),
        ("/connections", FaultKind::TimeoutAfter),
        ("/connections", FaultKind::Status),
    ] {
        let world = World::new().await;
        world.simulator.post_faults(vec![Fault::on(matching, kind)]);
        let started = world.start(world.one, "admin").await;
        let back = world.consent(&started).await;
        let answer = world.navigate(&back, Some(&started.cookie)).await;
        assert_eq!(location_of(&answer), "/settings/integrations?connect_error=ledger_unavailable", "{matching} {kind:?}");
        assert_eq!(world.connection(world.one).await, None);
        world.connected(world.one, UK).await;
    }
}

/// No open redirect after the callback: `return_to` is a path of our own, or the request is refused.
#[tokio::test]
async fn return_to_stays_on_our_own_origin() {
    let world = World::new().await;
    let vectors = [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/a/..//evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "",
        "/x#y",
        "/\u{2044}/evil.example",
        "http:evil.example",
        "/a?next=https://evil.example",
    ];
    for vector in vectors {
        let body = Some(json!({ "return_to": vector }));
        let answer = world.admin(world.one, "POST", "/v1/integrations/xero/connect", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{vector:?}");
        assert_eq!(answer.json()["issues"][0]["pointer"], "/return_to");
    }
    assert_untouched(&world, "return_to").await;
}

/// The redirect URI is exactly the registered one: the simulator, like Xero, takes no variant of it.
#[tokio::test]
async fn the_redirect_uri_is_exact() {
    let world = World::new().await;
    let started = world.start(world.one, "admin").await;
    let ours = "https%3A%2F%2Fcoportal.test%2Fv1%2Foauth%2Fxero%2Fcallback";
    assert!(started.authorize_url.contains(ours), "{}", started.authorize_url);
    for variant in [
        "https%3A%2F%2Fcoportal.test%2Fv1%2Foauth%2Fxero%2Fcallback%2F",
        "https%3A%2F%2FCoPortal.test%2Fv1%2Foauth%2Fxero%2Fcallback",
        "https%3A%2F%2Fcoportal.test%3A443%2Fv1%2Foauth%2Fxero%2Fcallback",
        "http%3A%2F%2Fcoportal.test%2Fv1%2Foauth%2Fxero%2Fcallback",
        "https%3A%2F%2Fcoportal.test%2Fv1%2Foauth%2Fxero%2Fcallback%3Fx%3D1",
        "https%3A%2F%2Fcoportal.test.evil.example%2Fv1%2Foauth%2Fxero%2Fcallback",
        "https%3A%2F%2Fcoportal.test%2Fv1%2Foauth%2FXero%2Fcallback",
        "https%3A%2F%2Fcoportal.test%2Fv1%2Foauth%2F..%2Fcallback",
    ] {
        let request = http::Request::get(started.authorize_url.replace(ours, variant)).body(bytes::Bytes::new()).unwrap();
        let simulators::Answer::Response(answer) = world.simulator.handle(request).await else { panic!() };
        assert!(answer.headers().get("location").is_none(), "{variant}");
    }
}

/// I12: no token, code, state, verifier or client secret in any line that the functions wrote, nor in any answer.
#[tokio::test]
async fn no_secret_reaches_the_log() {
    let world = World::new().await;
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    let list = world.admin(world.one, "GET", "/v1/integrations", None).await.text;
    let mut secrets: Vec<&str> = back.split(['?', '&']).filter_map(|part| part.split_once('=').map(|(_, value)| value)).collect();
    secrets.extend([started.cookie.as_str(), CLIENT_SECRET]);
    let written = format!("{}{}{:?}{list}", world.log.lines().join("\n"), answer.text, answer.headers);
    assert!(world.log.lines().len() >= 2);
    for secret in secrets {
        assert!(!written.contains(secret), "{secret}");
    }
}
