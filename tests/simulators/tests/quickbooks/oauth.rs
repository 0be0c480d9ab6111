//! Sign-in (vendor notes, section 1).

use http::Request;
use serde_json::{Value, json};
use simulators::quickbooks::Action;
use simulators::skeleton::calls::Kind;
use simulators::skeleton::consent::{Consent, Decision};

use crate::support::{
    CLIENT, Caller, REDIRECT, SECRET, advance, answer, authorize_path, basic, connect, consented, encode, form, gb, header, redeem,
    refresh, returned, simulator, text, token_request, value, whole,
};

#[tokio::test]
async fn consent_answers_code_state_and_realm_and_the_token_is_of_that_company() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let back = consented(&simulator).await;
    let organisations = simulator.state().organisations;
    assert!(header(&back, "location").starts_with(REDIRECT));
    assert_eq!(returned(&back, "state").as_deref(), Some("xyz"));
    assert_eq!(returned(&back, "realmId"), Some(organisations[0].id.clone()), "the first when nobody chose");
    let tokens = redeem(&simulator, &returned(&back, "code").unwrap()).await;
    assert_eq!(tokens.status(), 200);
    let tokens = value(&tokens);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(3600)));
    assert_eq!(tokens["x_refresh_token_expires_in"], 8_726_400);
    assert!(tokens.get("x_refresh_token_hard_expires_in").is_none(), "only when it is asked for");
    assert!(simulator.state().organisations[0].connected);
    assert!(!simulator.state().organisations[1].connected);
    assert!(simulator.calls().iter().all(|call| call.kind == Kind::Oauth));
}

#[tokio::test]
async fn the_user_chooses_one_company_on_the_page_or_cancels() {
    let simulator = simulator();
    let page = whole(answer(&simulator, Request::get(authorize_path("")), "").await);
    assert_eq!(page.status(), 200);
    assert!(text(&page).contains("Table Rock Studio LLC") && text(&page).contains("type=\"radio\""));
    let us = simulator.state().organisations[1].id.clone();
    let post = || Request::post(authorize_path("")).header("content-type", "application/x-www-form-urlencoded");
    let chosen = whole(answer(&simulator, post(), &format!("decision=approve&organisation={us}")).await);
    assert_eq!(returned(&chosen, "realmId"), Some(us));
    for refused in ["decision=deny", "decision=approve"] {
        let back = whole(answer(&simulator, post(), refused).await);
        assert_eq!(returned(&back, "error").as_deref(), Some("access_denied"), "{refused}");
        assert_eq!(returned(&back, "code"), None);
    }
    simulator.set_consent(Consent::deny()).unwrap();
    assert_eq!(returned(&consented(&simulator).await, "error").as_deref(), Some("access_denied"));
    simulator.set_consent(Consent { decision: Decision::Ask, ..Consent::deny() }).unwrap();
    assert_eq!(whole(answer(&simulator, Request::get(authorize_path("")), "").await).status(), 200);
    assert!(simulator.set_consent(Consent::approve_only(&["Nobody Ltd"])).is_err());
}

#[tokio::test]
async fn a_request_to_authorise_that_is_wrong_goes_nowhere() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let good = authorize_path("");
    for bad in [
        good.replace("client_id=client", "client_id=other"),
        good.replace(&encode(REDIRECT), &encode("https://evil.example/callback")),
        good.replace("response_type=code", "response_type=token"),
        good.replace("accounting", "everything"),
        good.replace("&state=xyz", ""),
    ] {
        let page = whole(answer(&simulator, Request::get(&bad), "").await);
        assert_eq!(page.status(), 400, "{bad}");
        assert!(page.headers().get("location").is_none());
    }
    let pkce = whole(answer(&simulator, Request::get(authorize_path("&code_challenge=x&code_challenge_method=S256")), "").await);
    assert_eq!(pkce.status(), 501);
}

#[tokio::test]
async fn a_code_is_one_attempt_and_lives_five_minutes() {
    let simulator = simulator();
    simulator.set_consent(Consent::approve()).unwrap();
    let code = returned(&consented(&simulator).await, "code").unwrap();
    assert_eq!(redeem(&simulator, &code).await.status(), 200);
    let again = redeem(&simulator, &code).await;
    assert_eq!((again.status().as_u16(), value(&again)), (400, json!({ "error": "invalid_grant" })));
    let late = returned(&consented(&simulator).await, "code").unwrap();
    advance(&simulator, 301);
    assert_eq!(redeem(&simulator, &late).await.status(), 400);
    let wrong = Request::post("/oauth2/v1/tokens/bearer")
        .header("authorization", basic(CLIENT, "wrong"))
        .header("content-type", "application/x-www-form-urlencoded");
    let refused = whole(answer(&simulator, wrong, &form(&[("grant_type", "refresh_token")])).await);
    assert_eq!((refused.status().as_u16(), value(&refused)), (401, json!({ "error": "invalid_client" })));
}

/// Section 1, Rotation: no grace is documented for the value before.
#[tokio::test]
async fn every_refresh_rotates_and_the_value_before_is_dead_at_once() {
    let caller = gb().await;
    let second = value(&refresh(&caller.simulator, &caller.refresh).await);
    let second = second["refresh_token"].as_str().unwrap();
    assert_ne!(second, caller.refresh);
    let dead = refresh(&caller.simulator, &caller.refresh).await;
    assert_eq!((dead.status().as_u16(), value(&dead)), (400, json!({ "error": "invalid_grant" })));
    assert_eq!(refresh(&caller.simulator, second).await.status(), 200);
}

#[tokio::test]
async fn a_refresh_token_rolls_for_its_days_and_ends_for_good_after_five_years() {
    let caller = gb().await;
    let day = 86_400;
    let mut token = caller.refresh.clone();
    for _ in 0..18 {
        advance(&caller.simulator, 100 * day);
        let request = token_request().header("x-include-refresh-token-hard-expires-in", "true");
        let body = form(&[("grant_type", "refresh_token"), ("refresh_token", &token)]);
        let answered = value(&whole(answer(&caller.simulator, request, &body).await));
        let hard = answered["x_refresh_token_hard_expires_in"].as_i64().unwrap();
        assert!(answered["x_refresh_token_expires_in"].as_i64().unwrap() <= hard);
        token = answered["refresh_token"].as_str().unwrap().to_owned();
    }
    advance(&caller.simulator, 25 * day);
    assert_eq!(refresh(&caller.simulator, &token).await.status(), 400, "5 years after the consent");

    let unused = gb().await;
    advance(&unused.simulator, 8_726_401);
    assert_eq!(refresh(&unused.simulator, &unused.refresh).await.status(), 400);
}

async fn revoke(caller: &Caller, token: &str) -> u16 {
    let request =
        Request::post("/v2/oauth2/tokens/revoke").header("authorization", basic(CLIENT, SECRET)).header("content-type", "application/json");
    whole(answer(&caller.simulator, request, &json!({ "token": token }).to_string()).await).status().as_u16()
}

/// Section 1, Disconnect: revoking the refresh token kills both, of this company alone.
#[tokio::test]
async fn revoking_ends_this_company_s_tokens_alone() {
    let first = gb().await;
    let second = connect(first.simulator.clone(), "Table Rock Studio LLC").await;
    assert_eq!(revoke(&first, "unknown").await, 200);
    assert_eq!(revoke(&first, &first.refresh).await, 200);
    assert_eq!(first.send("GET", "preferences", &Value::Null).await.status(), 401);
    assert_eq!(refresh(&first.simulator, &first.refresh).await.status(), 400);
    second.get("preferences").await;
    assert_eq!(revoke(&second, &second.access).await, 200, "an access token names the set as well");
    assert_eq!(refresh(&second.simulator, &second.refresh).await.status(), 400);
    assert!(second.simulator.state().organisations.iter().all(|organisation| !organisation.connected));
}

#[tokio::test]
async fn a_user_can_disconnect_inside_quickbooks() {
    let caller = gb().await;
    caller.simulator.bookkeeper(Action::Disconnect { organisation: caller.realm.clone() }).unwrap();
    assert_eq!(caller.send("GET", "preferences", &Value::Null).await.status(), 401);
    assert_eq!(refresh(&caller.simulator, &caller.refresh).await.status(), 400);
}

/// Section 7: lower case, unlike every `Fault`.
#[tokio::test]
async fn an_expired_token_is_a_lower_case_fault_and_another_company_a_403() {
    let caller = gb().await;
    let other = connect(caller.simulator.clone(), "Table Rock Studio LLC").await;
    let crossed = Caller { realm: other.realm.clone(), access: caller.access.clone(), ..other };
    let refused = crossed.send("GET", "preferences", &Value::Null).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(value(&refused)["fault"]["error"][0]["code"], "3100");
    advance(&caller.simulator, 3600);
    let expired = caller.send("GET", "preferences", &Value::Null).await;
    assert_eq!(expired.status(), 401);
    assert_eq!(header(&expired, "www-authenticate"), "Bearer realm=\"Intuit\", error=\"invalid_token\"");
    let body = value(&expired);
    assert_eq!(body["fault"]["type"], "AUTHENTICATION");
    assert_eq!(body["fault"]["error"][0]["message"], "message=AuthenticationFailed; errorCode=003200; statusCode=401");
    assert_eq!(body["fault"]["error"][0]["code"], "3200");
    assert!(body["time"].is_i64());
    let unknown = Caller { access: "made-up".into(), ..caller };
    assert_eq!(unknown.send("GET", "preferences", &Value::Null).await.status(), 401);
}
