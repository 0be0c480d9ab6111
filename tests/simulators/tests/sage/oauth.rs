//! Sign-in: consent, codes, rotation, scopes, revocation, businesses (guides "Authentication", "Multi Business").

use http::Request;
use serde_json::{Value, json};
use simulators::sage::Action;
use simulators::skeleton::calls::Kind;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::tokens::s256;

use crate::support::{
    CLIENT, REDIRECT, SECRET, advance, answer, authorize_path, code, connect, connected, encode, form_call, header, redeem, refresh,
    returned, simulator, text, token_call, value, whole,
};

const INVALID_GRANT: &str = r#"{"error":"invalid_grant"}"#;

#[tokio::test]
async fn a_code_gives_tokens_once() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let code = code(&simulator, "&scope=full_access").await;
    let tokens = value(&redeem(&simulator, &code).await);
    assert_eq!(tokens["expires_in"], 300);
    assert_eq!(tokens["refresh_token_expires_in"], 2_678_400);
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("bearer"), &json!("full_access")));
    assert!(tokens["requested_by_id"].is_string() && tokens["refresh_token"].is_string());
    let again = redeem(&simulator, &code).await;
    assert_eq!((again.status().as_u16(), text(&again).as_str()), (400, INVALID_GRANT));
}

/// Guide "Frequently Raised Errors": a code lives 60 seconds.
#[tokio::test]
async fn a_code_lives_sixty_seconds_and_belongs_to_its_redirect_uri() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let (young, old) = (code(&simulator, "").await, code(&simulator, "").await);
    advance(&simulator, 60);
    assert_eq!(redeem(&simulator, &young).await.status(), 200);
    advance(&simulator, 1);
    assert_eq!(text(&redeem(&simulator, &old).await), INVALID_GRANT);
    let other = code(&simulator, "").await;
    let form = [("grant_type", "authorization_code"), ("code", other.as_str()), ("redirect_uri", "https://app.example/callback/")];
    assert_eq!(token_call(&simulator, &form).await.status(), 400, "character for character");
}

#[tokio::test]
async fn pkce_is_verified_when_it_was_begun() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let extra = format!("&code_challenge={}&code_challenge_method=S256", s256(verifier));
    for (sent, status) in [(None, 400), (Some("another-verifier-another-verifier-another-v"), 400), (Some(verifier), 200)] {
        let code = code(&simulator, &extra).await;
        let mut form = vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
        form.extend(sent.map(|verifier| ("code_verifier", verifier)));
        assert_eq!(token_call(&simulator, &form).await.status(), status, "{sent:?}");
    }
}

#[tokio::test]
async fn a_wrong_authorize_request_ends_on_a_page() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let good = authorize_path("&scope=full_access");
    let cases = [
        (good.replace("client_id=client", "client_id=stranger"), "invalid_client"),
        (good.replace(&encode(REDIRECT), &encode("https://app.example/callback/")), "invalid_request"),
        (good.replace("response_type=code", "response_type=token"), "unsupported_response_type"),
        (good.replace("full_access", "everything"), "invalid_scope"),
        (good.replace("filter=apiv3.1", "filter=apiv3"), "invalid_request"),
        (format!("{good}&country=za"), "invalid_request"),
        (format!("{good}&code_challenge=abc&code_challenge_method=plain"), "invalid_request"),
    ];
    for (path, error) in cases {
        let response = whole(answer(&simulator, Request::get(&path), "").await);
        assert_eq!((response.status().as_u16(), header(&response, "location")), (400, ""), "{path}");
        assert!(text(&response).contains(error), "{path}");
    }
}

/// Guide "Authentication": a country skips the picker and the filter is ignored; guide "Frequently Raised Errors": it must be the business's.
#[tokio::test]
async fn a_country_replaces_the_filter_and_must_fit_the_business() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let at = |country: &str| authorize_path("").replace("filter=apiv3.1", &format!("country={country}"));
    let fits = whole(answer(&simulator, Request::get(at("gb")), "").await);
    assert!(returned(&fits, "code").is_some());
    let other = whole(answer(&simulator, Request::get(at("ie")), "").await);
    assert_eq!(returned(&other, "error").as_deref(), Some("Invalid request"));
    assert_eq!(returned(&other, "reason").as_deref(), Some("Email already in use"));
}

#[tokio::test]
async fn a_denial_returns_with_the_state() {
    let simulator = simulator();
    simulator.set_consent(Consent::deny()).unwrap();
    let response = whole(answer(&simulator, Request::get(authorize_path("")), "").await);
    assert_eq!(returned(&response, "error").as_deref(), Some("access_denied"));
    assert_eq!(returned(&response, "state").as_deref(), Some("xyz"));
    assert_eq!(returned(&response, "code"), None);
}

#[tokio::test]
async fn a_person_sees_a_page_and_decides_on_it() {
    let simulator = simulator();
    let path = authorize_path("&scope=full_access");
    let page = whole(answer(&simulator, Request::get(&path), "").await);
    assert_eq!(page.status(), 200);
    let businesses = simulator.state().organisations;
    assert!(text(&page).contains(&businesses[1].id) && text(&page).contains("full_access"));
    assert!(text(&page).contains("ZA, ZAR; the vendor"), "the page says that nobody serves the third one");
    let form = format!("decision=approve&organisation={}", businesses[1].id);
    let response = whole(answer(&simulator, Request::post(&path), &form).await);
    assert!(returned(&response, "code").is_some());
    let connected: Vec<bool> = simulator.state().organisations.iter().map(|organisation| organisation.connected).collect();
    assert_eq!(connected, [false, true, false]);
    for form in ["decision=deny", "decision=approve"] {
        let response = whole(answer(&simulator, Request::post(&path), form).await);
        assert_eq!(returned(&response, "error").as_deref(), Some("access_denied"), "{form}");
    }
}

#[tokio::test]
async fn the_token_endpoint_knows_its_client_by_the_form() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    for (client, secret) in [(CLIENT, "wrong"), ("stranger", SECRET), ("", "")] {
        let code = code(&simulator, "").await;
        let form = [
            ("client_id", client),
            ("client_secret", secret),
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
        ];
        let reply = form_call(&simulator, "/token", &form).await;
        assert_eq!((reply.status().as_u16(), text(&reply).as_str()), (401, r#"{"error":"invalid_client"}"#));
    }
    let json = whole(answer(&simulator, Request::post("/token").header("content-type", "application/json"), "{}").await);
    assert_eq!(text(&json), r#"{"error":"invalid_request"}"#);
    let other = token_call(&simulator, &[("grant_type", "client_credentials")]).await;
    assert_eq!(text(&other), r#"{"error":"unsupported_grant_type"}"#);
}

/// Sage staff, Sage/sageone_api_php_sample#39: every refresh makes a new refresh token, and the one before is dead at once.
#[tokio::test]
async fn a_refresh_token_dies_with_its_first_use() {
    let caller = connected().await;
    let next = value(&refresh(&caller.simulator, &caller.refresh).await);
    assert_eq!(text(&refresh(&caller.simulator, &caller.refresh).await), INVALID_GRANT);
    let next = next["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(next, caller.refresh);
    advance(&caller.simulator, 31 * 86_400);
    let last = value(&refresh(&caller.simulator, &next).await);
    advance(&caller.simulator, 31 * 86_400 + 1);
    let late = refresh(&caller.simulator, last["refresh_token"].as_str().unwrap()).await;
    assert_eq!(text(&late), INVALID_GRANT, "31 days without a refresh");
}

/// The two 401 that a caller must tell apart have one code.
#[tokio::test]
async fn an_expired_token_and_an_ended_subscription_differ_in_the_message_alone() {
    let caller = connected().await;
    advance(&caller.simulator, 299);
    caller.get("/contacts").await;
    advance(&caller.simulator, 1);
    let expired = caller.send("GET", "/contacts", &Value::Null).await;
    assert_eq!(expired.status(), 401);
    let fresh = value(&refresh(&caller.simulator, &caller.refresh).await);
    let mut caller = caller.aimed(&caller.business);
    caller.access = fresh["access_token"].as_str().unwrap().to_owned();
    let organisation = caller.business.clone();
    caller.simulator.bookkeeper(Action::Subscription { organisation: organisation.clone(), active: false }).unwrap();
    let ended = caller.send("GET", "/contacts", &Value::Null).await;
    assert_eq!(ended.status(), 401);
    let (expired, ended) = (value(&expired)[0].clone(), value(&ended)[0].clone());
    assert_eq!(expired["$dataCode"], ended["$dataCode"]);
    assert_eq!(ended["$dataCode"], "AuthorizationFailure");
    assert_eq!(ended["$message"], "No active subscription. (MSE)");
    assert_ne!(expired["$message"], ended["$message"]);
    assert_eq!(caller.at(1).send("GET", "/contacts", &Value::Null).await.status(), 200, "the others go on");
    caller.simulator.bookkeeper(Action::Subscription { organisation, active: true }).unwrap();
    caller.get("/contacts").await;
}

#[tokio::test]
async fn readonly_reads_alone_and_is_what_silence_means() {
    for scope in ["readonly", ""] {
        let simulator = simulator();
        let caller = if scope.is_empty() {
            simulator.set_consent(Consent::approve()).unwrap();
            let tokens = value(&redeem(&simulator, &code(&simulator, "").await).await);
            let mut caller = connect(simulator, "readonly").await;
            caller.access = tokens["access_token"].as_str().unwrap().to_owned();
            caller
        } else {
            connect(simulator, scope).await
        };
        caller.get("/contacts").await;
        let body = json!({ "contact": { "name": "Acme", "contact_type_ids": ["CUSTOMER"] } });
        let (status, code, _) = caller.refused("POST", "/contacts", &body).await;
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    }
}

#[tokio::test]
async fn revoking_ends_the_grant_with_its_tokens() {
    let caller = connected().await;
    let other = connect(caller.simulator.clone(), "full_access").await;
    let form = [("client_id", CLIENT), ("client_secret", SECRET), ("token", caller.refresh.as_str())];
    assert_eq!(form_call(&caller.simulator, "/revoke", &form).await.status(), 200);
    assert_eq!(form_call(&caller.simulator, "/revoke", &form).await.status(), 200, "an unknown token is answered alike");
    assert_eq!(text(&refresh(&caller.simulator, &caller.refresh).await), INVALID_GRANT);
    assert_eq!(caller.send("GET", "/contacts", &Value::Null).await.status(), 401);
    other.get("/contacts").await;
    let missing = form_call(&caller.simulator, "/revoke", &form[..2]).await;
    assert_eq!(missing.status(), 400);
}

/// Guide "Multi Business": a token is a person's; the list says whom it reaches.
#[tokio::test]
async fn a_token_reaches_the_businesses_of_its_person() {
    let caller = connected().await;
    let all = caller.get("/businesses").await;
    assert_eq!((&all["$total"], &all["$items_per_page"], &all["$next"]), (&json!(3), &json!(2_147_483_647_u32), &Value::Null));
    let first = all["$items"][0].clone();
    assert_eq!(first["id"], caller.business.as_str());
    assert_eq!(caller.business.len(), 32);
    assert_eq!(first["$path"], format!("/businesses/{}", caller.business));
    let one = caller.get(&format!("/businesses/{}", caller.business)).await;
    assert_eq!((&one["name"], &one["country"]["id"]), (&first["displayed_as"], &json!("GB")));
    assert_eq!(caller.get("/businesses/lead").await["id"], caller.business.as_str());
    assert_eq!(caller.refused("GET", "/businesses/00000000000000000000000000000000", &Value::Null).await.0, 404);

    let narrow = {
        let name = caller.simulator.state().organisations[1].name.clone();
        caller.simulator.set_consent(Consent::approve_only(&[&name])).unwrap();
        let tokens = value(&redeem(&caller.simulator, &code(&caller.simulator, "&scope=full_access").await).await);
        let mut narrow = caller.aimed("");
        narrow.access = tokens["access_token"].as_str().unwrap().to_owned();
        narrow
    };
    assert_eq!(narrow.get("/businesses").await["$total"], 1);
    let beyond = narrow.aimed(&caller.business).refused("GET", "/contacts", &Value::Null).await;
    assert_eq!((beyond.0, beyond.1.as_str()), (403, "AccessDenied"));
    assert_eq!(narrow.aimed("no-id").refused("GET", "/contacts", &Value::Null).await.0, 403);
}

/// Guide "Multi Business": without `X-Business` the lead business answers, and the lead can change while nobody looks.
#[tokio::test]
async fn without_the_header_the_lead_business_answers_and_says_so() {
    let caller = connected().await;
    let nobody = caller.aimed("");
    let businesses = caller.simulator.state().organisations;
    let reply = nobody.send("GET", "/contacts", &Value::Null).await;
    assert_eq!(header(&reply, "x-business"), businesses[0].id);
    assert_eq!(caller.simulator.calls().last().unwrap().organisation, None, "the call named none");
    caller.simulator.bookkeeper(Action::ChangeLead { organisation: businesses[1].id.clone() }).unwrap();
    let made = nobody.contact("Acme").await;
    assert_eq!(caller.at(1).get(&format!("/contacts/{made}")).await["name"], "Acme", "in the wrong books");
    assert_eq!(caller.refused("GET", &format!("/contacts/{made}"), &Value::Null).await.0, 404);
    let named = caller.send("GET", "/contacts", &Value::Null).await;
    assert_eq!(header(&named, "x-business"), businesses[0].id);
    let last = caller.simulator.calls().last().unwrap().clone();
    assert_eq!((last.organisation.as_deref(), last.kind), (Some(businesses[0].id.as_str()), Kind::Api));
}

#[tokio::test]
async fn a_person_can_lose_a_business_and_an_app_its_grant() {
    let caller = connected().await;
    let businesses = caller.simulator.state().organisations;
    caller.simulator.bookkeeper(Action::RemoveUsers { organisation: businesses[0].id.clone() }).unwrap();
    assert_eq!(caller.refused("GET", "/contacts", &Value::Null).await.0, 403);
    assert_eq!(caller.get("/businesses").await["$total"], 2);
    caller.at(1).get("/contacts").await;
    assert!(!caller.simulator.state().organisations[0].connected);
    caller.simulator.bookkeeper(Action::Disconnect { organisation: businesses[1].id.clone() }).unwrap();
    assert_eq!(caller.at(1).refused("GET", "/contacts", &Value::Null).await.0, 401);
    assert_eq!(text(&refresh(&caller.simulator, &caller.refresh).await), INVALID_GRANT);
    assert_eq!(caller.aimed("").send("GET", "/businesses", &Value::Null).await.status(), 401);
}

/// The same businesses are the same person; another consent does not end the first.
#[tokio::test]
async fn two_consents_live_side_by_side() {
    let first = connected().await;
    let second = connect(first.simulator.clone(), "full_access").await;
    first.get("/contacts").await;
    second.get("/contacts").await;
    let one = value(&refresh(&first.simulator, &first.refresh).await);
    let two = value(&refresh(&first.simulator, &second.refresh).await);
    assert_eq!(one["requested_by_id"], two["requested_by_id"]);
    assert_ne!(one["refresh_token"], two["refresh_token"]);
}

#[tokio::test]
async fn who_reaches_nothing_is_refused_everywhere() {
    let caller = connected().await;
    for business in caller.simulator.state().organisations {
        caller.simulator.bookkeeper(Action::RemoveUsers { organisation: business.id }).unwrap();
    }
    assert_eq!(caller.get("/businesses").await["$total"], 0);
    assert_eq!(caller.aimed("").refused("GET", "/contacts", &Value::Null).await.0, 403);
    assert_eq!(caller.refused("GET", "/businesses/lead", &Value::Null).await.0, 404);
}
