use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coportal_core::failure::Disposition;
use coportal_core::ledger::Ledger;

use super::*;
use crate::exec::TransportError;
use crate::exec::scripted::{Scripted, Scripting, answer, json};
use crate::profile::Lane;

const NOW: &str = "2026-11-21T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn sign_in(transport: &Arc<Scripted>) -> XeroSignIn {
    XeroSignIn::new(Executor::new(transport.clone(), Ledger::Xero), XeroEndpoints::default())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn credentials() -> ClientCredentials {
    ClientCredentials { client_id: "app-1".to_owned(), client_secret: secret("sh/h secret") }
}

fn access_token() -> String {
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"authentication_event_id":"ev-1","exp":{}}}"#, now().as_second() + 1800));
    format!("eyJhbGciOiJSUzI1NiJ9.{claims}.c2ln")
}

fn tokens() -> Scripting {
    Ok(json(200, &format!(r#"{{"access_token":"{}","refresh_token":"r-2","expires_in":"1800","token_type":"Bearer"}}"#, access_token())))
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[test]
fn the_consent_page_is_asked_for_exactly_what_the_lanes_need() {
    // The verifier and challenge of RFC 7636, appendix B.
    let challenge = crate::pkce_challenge(&secret(VERIFIER));
    assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let scope = |lanes: &[Lane]| {
        let url = sign_in(&Scripted::new([])).authorize_url(&AuthorizeRequest {
            client_id: "app-1",
            redirect_uri: "https://api.coportal.example/oauth/xero/callback",
            state: "st&te",
            pkce_challenge: &challenge,
            lanes,
        });
        assert!(url.as_str().starts_with("https://login.xero.com/identity/connect/authorize?"));
        let pairs: std::collections::BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs.len(), 7, "{pairs:?}");
        for (name, expected) in [
            ("response_type", "code"),
            ("client_id", "app-1"),
            ("redirect_uri", "https://api.coportal.example/oauth/xero/callback"),
            ("state", "st&te"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(pairs.get(name).map(String::as_str), Some(expected), "{name}");
        }
        pairs.get("scope").cloned().unwrap()
    };
    assert_eq!(scope(&[Lane::Push]), "offline_access accounting.contacts accounting.invoices accounting.payments accounting.settings.read");
    assert_eq!(scope(&[Lane::Import]), "offline_access accounting.contacts.read");
    assert_eq!(scope(&[Lane::View]), "offline_access accounting.contacts.read accounting.invoices.read");
    assert_eq!(
        scope(&[Lane::View, Lane::Import, Lane::Push]),
        "offline_access accounting.contacts accounting.invoices accounting.payments accounting.settings.read"
    );
}

#[tokio::test]
async fn a_code_becomes_tokens_with_secret_and_verifier() {
    let transport = Scripted::new([tokens()]);
    let set = sign_in(&transport)
        .exchange_code(&credentials(), &secret("code-1"), &secret(VERIFIER), "https://api.coportal.example/cb", None, now())
        .await
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(set.access_token.expose(), access_token());
    assert_eq!(set.refresh_token.unwrap().expose(), "r-2");
    assert_eq!(set.access_expires_at, "2026-11-21T10:30:00Z".parse().unwrap());
    assert_eq!(set.refresh_expires_at, Some("2027-01-20T10:00:00Z".parse().unwrap()));
    assert_eq!(set.auth_event.as_deref(), Some("ev-1"));
    assert_eq!(transport.lines(), ["POST /connect/token"]);
    assert!(transport.header(0, "authorization").unwrap().starts_with("Basic "));
    let body = transport.body(0);
    for part in ["grant_type=authorization_code", "code=code-1", VERIFIER, "redirect_uri=https%3A%2F%2Fapi.coportal.example%2Fcb"] {
        assert!(body.contains(part), "{body}");
    }
    assert!(!body.contains("secret"), "{body}");
}

#[tokio::test]
async fn a_set_without_refresh_token_is_a_set() {
    let transport = Scripted::new([Ok(json(200, r#"{"access_token":"opaque"}"#))]);
    let set =
        sign_in(&transport).refresh(&credentials(), &secret("r-1"), None, now()).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert!(set.refresh_token.is_none() && set.refresh_expires_at.is_none() && set.auth_event.is_none());
    assert_eq!(set.access_expires_at, "2026-11-21T10:30:00Z".parse().unwrap());
}

#[tokio::test]
async fn i11_a_refresh_is_dead_only_when_the_vendor_says_so() {
    let html = answer(502, &[("content-type", "text/html")], "<html>bad gateway</html>");
    let limited = answer(429, &[("retry-after", "30")], "");
    let truncated = json(200, r#"{"access_token":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln","refresh_to"#);
    let table: Vec<(Scripting, &str)> = vec![
        (Ok(json(400, r#"{"error":"invalid_grant"}"#)), "dead"),
        (Ok(json(400, r#"{"error":"invalid_client"}"#)), "not_done"),
        (Ok(json(401, r#"{"error":"invalid_client"}"#)), "not_done"),
        (Ok(json(400, r#"{"error":"invalid_scope"}"#)), "not_done"),
        (Ok(json(400, r#"{"error":"something_new"}"#)), "not_done"),
        (Ok(answer(400, &[("content-type", "text/html")], "<html>no</html>")), "not_done"),
        (Ok(json(404, "")), "not_done"),
        (Ok(answer(302, &[("location", "https://elsewhere.example")], "")), "not_done"),
        (Ok(limited), "not_done"),
        (Err(TransportError::NotSent("refused".to_owned())), "not_done"),
        (Err(TransportError::MaybeSent("time-out".to_owned())), "unsettled"),
        (Ok(html), "unsettled"),
        (Ok(json(500, r#"{"error":"invalid_grant"}"#)), "unsettled"),
        (Ok(json(503, "")), "unsettled"),
        (Ok(json(408, "")), "unsettled"),
        (Ok(truncated), "unsettled"),
        (Ok(json(200, "")), "unsettled"),
        (Ok(json(200, r#"{"refresh_token":"r-2"}"#)), "unsettled"),
        (Ok(json(200, r#"{"access_token":"a","access_token":"b"}"#)), "unsettled"),
        (Ok(json(204, "")), "unsettled"),
        (Ok(answer(200, &[("content-type", "text/html")], "<html>hello</html>")), "unsettled"),
    ];
    for (scripted, expected) in table {
        let told = format!("{scripted:?}");
        let transport = Scripted::new([scripted]);
        let failure = match sign_in(&transport).refresh(&credentials(), &secret("r-old-1"), None, now()).await {
            Ok(_) => panic!("tokens out of {told}"),
            Err(failure) => failure,
        };
        let (word, internal) = match &failure {
            RefreshFailure::Dead => ("dead", String::new()),
            RefreshFailure::Unsettled { internal } => ("unsettled", internal.clone()),
            RefreshFailure::NotDone(failure) => {
                assert!(failure.certainly_not_done(), "{told}");
                ("not_done", failure.internal.clone())
            }
        };
        assert_eq!(word, expected, "{told}");
        assert!(!internal.contains("eyJ") && !internal.contains("r-old-1"), "{internal}");
        assert_eq!(transport.lines().len(), 1, "one request, never a second");
    }
}

#[tokio::test]
async fn a_limit_at_the_token_endpoint_says_when_to_come_back() {
    let transport = Scripted::new([Ok(answer(429, &[("retry-after", "30")], ""))]);
    let Err(RefreshFailure::NotDone(failure)) = sign_in(&transport).refresh(&credentials(), &secret("r-1"), None, now()).await else {
        panic!("not a plain refusal");
    };
    assert_eq!(failure.disposition, Disposition::Retry { not_before: Some("2026-11-21T10:00:30Z".parse().unwrap()) });
}

#[tokio::test]
async fn a_code_that_fails_sends_the_user_back_to_the_start() {
    for (scripted, code) in [
        (Ok(json(400, r#"{"error":"invalid_grant"}"#)), "xero_code_refused"),
        (Ok(json(401, r#"{"error":"invalid_client"}"#)), "xero_app_refused"),
        (Err(TransportError::NotSent("refused".to_owned())), "xero_unreachable"),
        (Err(TransportError::MaybeSent("time-out".to_owned())), "xero_outcome_unknown"),
        (Ok(json(500, "")), "xero_outcome_unknown"),
        (Ok(json(200, "{")), "xero_outcome_unknown"),
    ] {
        let transport = Scripted::new([scripted]);
        let outcome = sign_in(&transport)
            .exchange_code(&credentials(), &secret("code-1"), &secret(VERIFIER), "https://a.example/cb", None, now())
            .await;
        let failure = outcome.err().unwrap();
        assert_eq!(failure.code, code);
        assert!(!failure.internal.contains("code-1"), "{}", failure.internal);
    }
    let transport = Scripted::new([]);
    let outcome = sign_in(&transport).exchange_code(&credentials(), &secret("c"), &secret(VERIFIER), "not a url", None, now()).await;
    assert_eq!(outcome.err().unwrap().disposition, Disposition::Defect);
}

const LINKS: &str = r#"[
  {"id":"l-1","authEventId":"ev-1","tenantId":"t-1","tenantType":"ORGANISATION","tenantName":"Harbour & Hill","createdDateUtc":"2026-01-01"},
  {"id":"l-2","authEventId":"ev-1","tenantId":"t-2","tenantType":"PRACTICE","tenantName":"Some practice"},
  {"id":"l-3","authEventId":"ev-1","tenantId":"t-3","tenantType":"ORGANISATION","tenantName":""}]"#;

#[tokio::test]
async fn organisations_are_those_of_this_consent_and_practices_are_left_out() {
    let transport = Scripted::new([Ok(json(200, LINKS))]);
    let found = sign_in(&transport).organisations(&secret("a-1"), Some("ev 1")).await.unwrap();
    assert_eq!(transport.lines(), ["GET /connections?authEventId=ev%201"]);
    let found: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.name.as_str(), one.link_id.as_deref())).collect();
    assert_eq!(found, [("t-1", "Harbour & Hill", Some("l-1")), ("t-3", "Unnamed organisation", Some("l-3"))]);
}

/// The whole list may hold organisations that the user linked for other workspaces: it is read only when it is asked for.
#[tokio::test]
async fn a_consent_without_organisations_does_not_reach_those_of_others() {
    let transport = Scripted::new([Ok(json(200, "[]")), Ok(json(200, LINKS))]);
    assert!(sign_in(&transport).organisations(&secret("a-1"), Some("ev-9")).await.unwrap().is_empty());
    assert_eq!(sign_in(&transport).organisations(&secret("a-1"), None).await.unwrap().len(), 2);
    assert_eq!(transport.lines(), ["GET /connections?authEventId=ev-9", "GET /connections"]);
}

#[tokio::test]
async fn a_limit_on_the_list_counts_from_the_vendors_clock() {
    let headers = [("retry-after", "30"), ("date", "Sat, 21 Nov 2026 10:00:00 GMT")];
    let transport = Scripted::new([Ok(answer(429, &headers, ""))]);
    let failure = sign_in(&transport).organisations(&secret("a-1"), None).await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Retry { not_before: Some("2026-11-21T10:00:30Z".parse().unwrap()) });
}

#[tokio::test]
async fn unlinking_is_done_when_the_link_is_gone() {
    for (status, done) in [(204, true), (404, true), (403, false), (500, false)] {
        let transport = Scripted::new([Ok(json(status, ""))]);
        let outcome = sign_in(&transport).unlink(&credentials(), Held { access: &secret("a-1"), refresh: None }, "l/1").await;
        assert_eq!(outcome.is_ok(), done, "{status}");
        assert_eq!(transport.lines(), ["DELETE /connections/l%2F1"]);
        assert_eq!(transport.header(0, "authorization").as_deref(), Some("Bearer a-1"));
    }
    let transport = Scripted::new([Err(TransportError::MaybeSent("reset".to_owned()))]);
    let failure = sign_in(&transport).unlink(&credentials(), Held { access: &secret("a-1"), refresh: None }, "l-1").await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Retry { not_before: None });
}
