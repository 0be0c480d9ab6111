use std::sync::Arc;

use coportal_core::failure::Disposition;
use coportal_core::ledger::Ledger;

use super::*;
use crate::exec::TransportError;
use crate::exec::scripted::{Scripted, Scripting, answer, json};
use crate::profile::Lane;

const REALM: &str = "4620816365002450";

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn sign_in(transport: &Arc<Scripted>) -> QuickBooksSignIn {
    QuickBooksSignIn::new(Executor::new(transport.clone(), Ledger::Quickbooks), QuickBooksEndpoints::default())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn credentials() -> ClientCredentials {
    ClientCredentials { client_id: "app-1".to_owned(), client_secret: secret("sh/h secret") }
}

fn tokens(more: &str) -> Scripting {
    Ok(json(200, &format!(r#"{{"token_type":"bearer","access_token":"a-1","expires_in":3600,"refresh_token":"r-2"{more}}}"#)))
}

fn company(id: &str) -> Scripting {
    Ok(json(200, &format!(r#"{{"CompanyInfo":{{"CompanyName":"Harbour & Hill","Id":"{id}","Country":"GB"}},"time":"x"}}"#)))
}

#[test]
fn the_consent_page_has_the_one_scope_and_no_challenge() {
    let url = sign_in(&Scripted::new([])).authorize_url(&AuthorizeRequest {
        client_id: "app-1",
        redirect_uri: "https://api.coportal.example/oauth/quickbooks/callback",
        state: "st&te",
        pkce_challenge: "not-sent",
        lanes: &[Lane::Push, Lane::View],
    });
    assert!(url.as_str().starts_with("https://appcenter.intuit.com/connect/oauth2?"));
    let pairs: std::collections::BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let names: Vec<_> = pairs.keys().map(String::as_str).collect();
    assert_eq!(names, ["client_id", "redirect_uri", "response_type", "scope", "state"]);
    assert_eq!(pairs["scope"], "com.intuit.quickbooks.accounting");
}

#[tokio::test]
async fn a_code_becomes_tokens_that_carry_the_realm_as_a_claim() {
    let transport = Scripted::new([tokens(r#","x_refresh_token_expires_in":8726400,"x_refresh_token_hard_expires_in":157680000"#)]);
    let set = sign_in(&transport)
        .exchange_code(&credentials(), &secret("code-1"), &secret("verifier"), "https://api.coportal.example/cb", Some(REALM), now())
        .await
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!((set.access_token.expose(), set.refresh_token.unwrap().expose()), ("a-1", "r-2"));
    assert_eq!(set.access_expires_at, "2026-11-21T11:00:00Z".parse().unwrap());
    assert_eq!(set.refresh_expires_at, Some("2027-03-02T10:00:00Z".parse().unwrap()));
    assert_eq!(set.auth_event.as_deref(), Some(REALM));
    assert_eq!(transport.lines(), ["POST /oauth2/v1/tokens/bearer"]);
    assert!(transport.header(0, "authorization").unwrap().starts_with("Basic "));
    assert_eq!(transport.header(0, "x-include-refresh-token-hard-expires-in").as_deref(), Some("true"));
    let body = transport.body(0);
    assert!(body.contains("grant_type=authorization_code") && !body.contains("code_verifier") && !body.contains("secret"), "{body}");
}

#[tokio::test]
async fn a_grant_ends_at_its_hard_end_and_a_life_that_is_not_told_is_the_documented_one() {
    for (more, expected) in [
        (r#","x_refresh_token_expires_in":8726400,"x_refresh_token_hard_expires_in":"3600""#, "2026-11-21T11:00:00Z"),
        (r#","x_refresh_token_expires_in":0"#, "2027-03-01T10:00:00Z"),
        (r#","x_refresh_token_expires_in":{"a":[1]}"#, "2027-03-01T10:00:00Z"),
        ("", "2027-03-01T10:00:00Z"),
    ] {
        let transport = Scripted::new([tokens(more)]);
        let set = sign_in(&transport).refresh(&credentials(), &secret("r-1"), Some(REALM), now()).await;
        let set = set.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(set.refresh_expires_at, Some(expected.parse().unwrap()), "{more}");
        assert_eq!(set.auth_event, None);
    }
}

#[tokio::test]
async fn i11_a_refresh_is_dead_only_when_the_vendor_says_so() {
    let table: Vec<(Scripting, &str)> = vec![
        (Ok(json(400, r#"{"error":"invalid_grant"}"#)), "dead"),
        (Ok(json(401, r#"{"error":"invalid_client"}"#)), "not_done"),
        (Ok(answer(400, &[("content-type", "text/html")], "<html>no</html>")), "not_done"),
        (Ok(answer(429, &[], "")), "not_done"),
        (Err(TransportError::NotSent("refused".to_owned())), "not_done"),
        (Err(TransportError::MaybeSent("time-out".to_owned())), "unsettled"),
        (Ok(json(500, r#"{"error":"invalid_grant"}"#)), "unsettled"),
        (Ok(json(200, r#"{"refresh_token":"r-2"}"#)), "unsettled"),
    ];
    for (scripted, expected) in table {
        let told = format!("{scripted:?}");
        let transport = Scripted::new([scripted]);
        let word = match sign_in(&transport).refresh(&credentials(), &secret("r-old-1"), None, now()).await {
            Ok(_) => "tokens",
            Err(RefreshFailure::Dead) => "dead",
            Err(RefreshFailure::Unsettled { .. }) => "unsettled",
            Err(RefreshFailure::NotDone(failure)) => {
                assert!(failure.certainly_not_done(), "{told}");
                "not_done"
            }
        };
        assert_eq!(word, expected, "{told}");
    }
}

#[tokio::test]
async fn the_realm_of_the_callback_counts_once_the_token_has_read_it() {
    let transport = Scripted::new([company("1"), company(REALM)]);
    for _ in 0..2 {
        let found = sign_in(&transport).organisations(&secret("a-1"), Some(REALM)).await.unwrap();
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((only.id.as_str(), only.name.as_str(), only.link_id.as_deref()), (REALM, "Harbour & Hill", Some(REALM)));
        assert_eq!(only.environment, None);
    }
    assert_eq!(transport.lines()[0], format!("GET /v3/company/{REALM}/companyinfo/{REALM}?minorversion=75"));
    assert_eq!(transport.header(0, "authorization").as_deref(), Some("Bearer a-1"));
}

#[tokio::test]
async fn a_realm_that_is_not_the_tokens_is_none() {
    let forbidden = Ok(json(403, r#"{"fault":{"error":[{"message":"message=ApplicationAuthorizationFailed; errorCode=003100"}]}}"#));
    let fault = Ok(json(200, r#"{"Fault":{"Error":[{"code":"120"}]}}"#));
    for (scripted, code) in [
        (forbidden, "quickbooks_company_not_linked"),
        (fault, "quickbooks_rights_lost"),
        (company("999"), "quickbooks_answer_unexpected"),
        (Ok(json(200, "{}")), "quickbooks_answer_unexpected"),
        (Ok(json(200, "")), "quickbooks_answer_unreadable"),
    ] {
        let transport = Scripted::new([scripted]);
        assert_eq!(sign_in(&transport).organisations(&secret("a-1"), Some(REALM)).await.unwrap_err().code, code);
    }
    let transport = Scripted::new([]);
    for realm in ["", "1/../2", "12a", "123456789012345678901", "1?x=1"] {
        let failure = sign_in(&transport).organisations(&secret("a-1"), Some(realm)).await.unwrap_err();
        assert_eq!(failure.disposition, Disposition::Defect, "{realm}");
    }
    assert!(sign_in(&transport).organisations(&secret("a-1"), None).await.unwrap().is_empty(), "a token does not say whose it is");
}

/// R11: a sandbox is shown as one.
#[tokio::test]
async fn r11_a_sandbox_company_says_so() {
    let transport = Scripted::new([company("1")]);
    let executor = Executor::new(transport.clone(), Ledger::Quickbooks);
    let found = QuickBooksSignIn::new(executor, QuickBooksEndpoints::sandbox()).organisations(&secret("a-1"), Some(REALM)).await.unwrap();
    assert_eq!(found[0].environment.as_deref(), Some("Sandbox"));
}

#[tokio::test]
async fn unlinking_takes_the_refresh_token_back() {
    for (scripted, done) in [
        (Ok(answer(200, &[], "")), true),
        (Ok(json(400, r#"{"error":"invalid_grant"}"#)), true),
        (Ok(json(400, r#"{"error":"invalid_request"}"#)), false),
        (Ok(json(401, r#"{"error":"invalid_client"}"#)), false),
        (Ok(json(500, "")), false),
        (Err(TransportError::MaybeSent("reset".to_owned())), false),
    ] {
        let transport = Scripted::new([scripted]);
        let (access, refresh) = (secret("a-1"), secret("r-1"));
        let held = Held { access: &access, refresh: Some(&refresh) };
        assert_eq!(sign_in(&transport).unlink(&credentials(), held, REALM).await.is_ok(), done);
        assert_eq!(
            (transport.lines(), transport.body(0)),
            (vec!["POST /v2/oauth2/tokens/revoke".to_owned()], r#"{"token":"r-1"}"#.to_owned())
        );
        // Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1).
        assert_eq!(transport.header(0, "authorization").as_deref(), Some("Basic YXBwLTE6c2glMkZoK3NlY3JldA=="));
    }
}

/// R145: connecting another company leaves the one before, with the tokens of the new consent in hand; those must outlive it.
#[tokio::test]
async fn a_company_that_is_left_takes_no_token_of_the_next_one_along() {
    let transport = Scripted::new([]);
    let access = secret("a-of-the-next");
    let held = Held { access: &access, refresh: None };
    assert!(sign_in(&transport).unlink(&credentials(), held, REALM).await.is_ok());
    assert!(transport.lines().is_empty());
}
