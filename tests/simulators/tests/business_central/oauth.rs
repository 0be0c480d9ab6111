//! Sign-in with Entra (vendor notes, section 1).

use http::Request;
use serde_json::json;
use simulators::business_central::Action;
use simulators::skeleton::calls::Kind;
use simulators::skeleton::consent::Consent;

use crate::support::*;

#[tokio::test]
async fn a_sign_in_gives_tokens_that_name_tenant_and_user() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let pairs = redirected(&simulator, &authorize_path("", SCOPES)).await;
    assert_eq!(named(&pairs, "state"), "xyz");
    assert!(!named(&pairs, "session_state").is_empty());
    let tokens = value(&redeem(&simulator, &named(&pairs, "code")).await);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3599)));
    let scope = tokens["scope"].as_str().unwrap();
    assert!(scope.contains("https://api.businesscentral.dynamics.com/Financials.ReadWrite.All") && !scope.contains("offline_access"));
    let (access, id) = (claims(tokens["access_token"].as_str().unwrap()), claims(tokens["id_token"].as_str().unwrap()));
    assert_eq!(access["aud"], "https://api.businesscentral.dynamics.com");
    assert_eq!((&access["tid"], &access["oid"]), (&id["tid"], &id["oid"]));
    assert_eq!((&id["aud"], &id["nonce"], &id["ver"]), (&json!(CLIENT), &json!("n1"), &json!("2.0")));
    assert_eq!(id["iss"], format!("https://login.microsoftonline.com/{}/v2.0", id["tid"].as_str().unwrap()));
    assert!(simulator.calls().iter().all(|call| call.kind == Kind::Oauth && call.organisation.is_none()));
}

#[tokio::test]
async fn without_offline_access_and_openid_there_is_one_token() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let code = code(&simulator, "https://api.businesscentral.dynamics.com/user_impersonation").await;
    let tokens = value(&redeem(&simulator, &code).await);
    assert!(tokens["access_token"].is_string() && tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
}

#[tokio::test]
async fn what_cannot_be_sent_back_is_a_page_and_the_rest_goes_back() {
    let simulator = simulator();
    for (from, to, shown) in [
        (format!("client_id={CLIENT}"), "client_id=other".to_owned(), "AADSTS700016"),
        (encode(REDIRECT), encode("https://app.example/callback/"), "AADSTS50011"),
        ("/organizations/".to_owned(), "/nobody.onmicrosoft.com/".to_owned(), "AADSTS90002"),
    ] {
        let path = authorize_path("", SCOPES).replace(&from, &to);
        let response = whole(answer(&simulator, Request::get(path), "").await);
        assert_eq!(response.status(), 400);
        assert!(text(&response).contains(shown), "{shown}");
    }
    let base = "https://api.businesscentral.dynamics.com/";
    for scopes in ["nonsense", &format!("{base}.default {base}user_impersonation"), &format!("{base}Nothing.Read"), ""] {
        let pairs = redirected(&simulator, &authorize_path("", scopes)).await;
        assert_eq!((named(&pairs, "error").as_str(), named(&pairs, "state").as_str()), ("invalid_scope", "xyz"));
        assert!(named(&pairs, "error_description").starts_with("AADSTS"));
    }
    let other = authorize_path("", SCOPES).replace("response_type=code", "response_type=token");
    assert_eq!(named(&redirected(&simulator, &other).await, "error"), "unsupported_response_type");
    let plain = authorize_path("", SCOPES).replace("code_challenge_method=S256", "code_challenge_method=plain");
    assert_eq!(named(&redirected(&simulator, &plain).await, "error"), "invalid_request");
    let fragment = whole(answer(&simulator, Request::get(authorize_path("&response_mode=fragment", SCOPES)), "").await);
    assert_eq!(fragment.status(), 501);
}

#[tokio::test]
async fn a_person_decides_on_the_page_or_a_script_does() {
    let simulator = simulator();
    let page = whole(answer(&simulator, Request::get(authorize_path("", SCOPES)), "").await);
    assert_eq!(page.status(), 200);
    assert!(text(&page).contains("Allow access") && !text(&page).contains("Organisations"), "Entra asks about no company");
    let post = |body: &'static str| {
        let request = Request::post(authorize_path("", SCOPES)).header("content-type", "application/x-www-form-urlencoded");
        let simulator = simulator.clone();
        async move { header(&whole(answer(&simulator, request, body).await), "location").to_owned() }
    };
    assert!(post("decision=approve").await.contains("code="));
    assert!(post("decision=deny").await.contains("error=access_denied"));
    simulator.set_consent(Consent::deny()).unwrap();
    let denied = redirected(&simulator, &authorize_path("", SCOPES)).await;
    assert_eq!(named(&denied, "error"), "access_denied");
    assert!(named(&denied, "error_description").starts_with("AADSTS65004"));
    assert!(simulator.set_consent(Consent::approve_only(&["Nobody"])).is_err());
}

#[tokio::test]
async fn every_refusal_of_the_token_endpoint_has_its_number() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let good = code(&simulator, SCOPES).await;
    let base = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("code", good.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let with = |name: &'static str, value: &'static str| base.map(|(key, before)| (key, if key == name { value } else { before }));
    for (pairs, status, error, number) in [
        (with("client_secret", "wrong"), 401, "invalid_client", 7_000_215),
        (with("client_secret", ""), 401, "invalid_client", 7_000_218),
        (with("client_id", "other"), 400, "unauthorized_client", 700_016),
        (with("grant_type", "password"), 400, "unsupported_grant_type", 70_003),
        (with("code", "nonsense"), 400, "invalid_grant", 70_000),
    ] {
        let refused = token(&simulator, &pairs).await;
        let body = value(&refused);
        assert_eq!((refused.status().as_u16(), &body["error"]), (status, &json!(error)));
        assert_eq!(body["error_codes"], json!([number]));
        assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{number}: ")));
        assert!(body["trace_id"].is_string() && body["correlation_id"].is_string());
    }
    // Each of these spends its code.
    let spent = [("redirect_uri", "https://app.example/other", 500_112), ("code_verifier", "another", 501_481)];
    for (name, wrong, number) in spent {
        let fresh = code(&simulator, SCOPES).await;
        let pairs = base.map(|(key, before)| match key {
            "code" => (key, fresh.as_str()),
            key if key == name => (key, wrong),
            key => (key, before),
        });
        assert_eq!(value(&token(&simulator, &pairs).await)["error_codes"], json!([number]));
    }
    assert_eq!(redeem(&simulator, &good).await.status(), 200);
    assert_eq!(value(&redeem(&simulator, &good).await)["error_codes"], json!([54_005]), "a code is spent once");
    let old = code(&simulator, SCOPES).await;
    advance(&simulator, 601);
    assert_eq!(value(&redeem(&simulator, &old).await)["error_codes"], json!([70_008]));
    assert_eq!(token_at(&simulator, "nobody.example", &base).await.status(), 400);
    let json_body = Request::post("/organizations/oauth2/v2.0/token").header("content-type", "application/json");
    assert_eq!(value(&whole(answer(&simulator, json_body, "{}").await))["error"], "invalid_request");
}

#[tokio::test]
async fn a_refresh_rotates_and_the_old_token_stays_alive() {
    let caller = connected().await;
    let first = value(&refresh(&caller.simulator, &caller.refresh).await);
    let second = value(&refresh(&caller.simulator, &caller.refresh).await);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    for tokens in [&first, &second] {
        assert_eq!(refresh(&caller.simulator, tokens["refresh_token"].as_str().unwrap()).await.status(), 200);
    }
    let by_id = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("refresh_token", caller.refresh.as_str()),
        ("scope", "https://api.businesscentral.dynamics.com/.default"),
    ];
    let narrowed = value(&token_at(&caller.simulator, &caller.tenant, &by_id).await);
    assert!(narrowed["access_token"].is_string() && narrowed.get("refresh_token").is_none());
    let wider = by_id.map(|(key, value)| (key, if key == "scope" { "email" } else { value }));
    let refused = value(&token(&caller.simulator, &wider).await);
    assert_eq!((&refused["error"], &refused["suberror"]), (&json!("invalid_grant"), &json!("consent_required")));
    // Ninety days from its own issue.
    advance(&caller.simulator, 90 * 86_400);
    assert_eq!(value(&refresh(&caller.simulator, &caller.refresh).await)["error_codes"], json!([700_082]));
}

#[tokio::test]
async fn a_revoked_sign_in_is_an_invalid_grant_and_access_lives_on() {
    let caller = connected().await;
    caller.simulator.bookkeeper(Action::RevokeSignIns).unwrap();
    let refused = refresh(&caller.simulator, &caller.refresh).await;
    assert_eq!((refused.status().as_u16(), value(&refused)["error"].as_str().unwrap()), (400, "invalid_grant"));
    assert_eq!(value(&refused)["error_codes"], json!([50_173]));
    caller.get("customers").await;
    assert_eq!(value(&refresh(&caller.simulator, "nonsense").await)["error"], "invalid_grant");
}

#[tokio::test]
async fn an_access_token_ends_and_one_for_sign_in_alone_opens_nothing() {
    let caller = connected().await;
    advance(&caller.simulator, 3_598);
    caller.get("customers").await;
    advance(&caller.simulator, 1);
    let refused = caller.send("GET", "customers", &serde_json::Value::Null).await;
    assert_eq!((refused.status().as_u16(), value(&refused)["error"]["code"].as_str().unwrap()), (401, "Authentication_InvalidCredentials"));
    assert!(header(&refused, "www-authenticate").contains("invalid_token"));
    let code = code(&caller.simulator, "openid offline_access").await;
    let tokens = value(&redeem(&caller.simulator, &code).await);
    let other = Caller { access: tokens["access_token"].as_str().unwrap().to_owned(), ..caller };
    assert_eq!(other.send("GET", "customers", &serde_json::Value::Null).await.status(), 401);
}
