use std::sync::Arc;

use coportal_core::failure::Disposition;
use coportal_core::ledger::Ledger;

use super::*;
use crate::exec::TransportError;
use crate::exec::scripted::{Scripted, Scripting, answer, json};
use crate::profile::Lane;

const NOW: &str = "2026-11-21T10:00:00Z";
const REDIRECT: &str = "https://api.coportal.example/v1/oauth/sage/callback";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn credentials() -> ClientCredentials {
    ClientCredentials { client_id: "app/1".to_owned(), client_secret: secret("s&cret") }
}

fn sign_in(transport: &Arc<Scripted>) -> SageSignIn {
    SageSignIn::new(Executor::new(transport.clone(), Ledger::Sage), SageEndpoints::default())
}

fn tokens(more: &str) -> Scripting {
    Ok(json(200, &format!(r#"{{"access_token":"a-2","refresh_token":"r-2","token_type":"bearer"{more}}}"#)))
}

async fn exchange(transport: &Arc<Scripted>) -> Result<TokenSet, Failure> {
    sign_in(transport).exchange_code(&credentials(), &secret("c-1"), &secret("v-1"), REDIRECT, None, NOW.parse().unwrap()).await
}

async fn refresh(transport: &Arc<Scripted>) -> Result<TokenSet, RefreshFailure> {
    sign_in(transport).refresh(&credentials(), &secret("r-1"), None, NOW.parse().unwrap()).await
}

#[test]
fn c16_the_consent_page_is_asked_for_one_scope_and_keeps_its_filter() {
    let scripted = Scripted::new([]);
    let page = |lanes: &[Lane]| {
        let request = AuthorizeRequest { client_id: "app/1", redirect_uri: REDIRECT, state: "st", pkce_challenge: "ch", lanes };
        sign_in(&scripted).authorize_url(&request)
    };
    for (lanes, scope) in
        [(&[Lane::Push][..], "full_access"), (&[Lane::Import, Lane::View], "readonly"), (&[Lane::View, Lane::Push], "full_access")]
    {
        let url = page(lanes);
        let pair = |name: &str| url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
        assert_eq!(pair("scope"), [scope]);
        assert_eq!(pair("filter"), ["apiv3.1"]);
        assert_eq!(
            (pair("response_type"), pair("state"), pair("redirect_uri")),
            (vec!["code".into()], vec!["st".into()], vec![REDIRECT.into()])
        );
        assert_eq!((pair("code_challenge"), pair("code_challenge_method")), (vec!["ch".into()], vec!["S256".into()]));
    }
}

/// R14: the code is exchanged once, with our app's credentials in the form.
#[tokio::test]
async fn r14_a_code_becomes_tokens_of_five_minutes() {
    let transport =
        Scripted::new([tokens(r#","expires_in":300,"refresh_token_expires_in":2678400,"scope":"full_access","requested_by_id":"u""#)]);
    let set = exchange(&transport).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(set.access_expires_at, "2026-11-21T10:05:00Z".parse().unwrap());
    assert_eq!(set.refresh_expires_at, Some("2026-12-22T10:00:00Z".parse().unwrap()), "31 days");
    assert!(set.auth_event.is_none());
    assert_eq!(transport.lines(), ["POST /token"]);
    let body = transport.body(0);
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((field("client_id"), field("client_secret")), (Some("app/1"), Some("s&cret")));
    assert_eq!((field("grant_type"), field("code"), field("redirect_uri")), (Some("authorization_code"), Some("c-1"), Some(REDIRECT)));
    assert_eq!(field("code_verifier"), Some("v-1"));
    assert_eq!(transport.header(0, "authorization"), None);
    assert_eq!(transport.header(0, "accept").as_deref(), Some("application/json"));
}

#[tokio::test]
async fn lives_that_make_no_sense_are_the_documented_ones() {
    for more in ["", r#","expires_in":"soon","refresh_token_expires_in":-1"#, r#","expires_in":1e9,"refresh_token_expires_in":99999999999"#]
    {
        let set = exchange(&Scripted::new([tokens(more)])).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(set.access_expires_at, "2026-11-21T10:05:00Z".parse().unwrap(), "{more}");
        assert_eq!(set.refresh_expires_at, Some("2026-12-22T10:00:00Z".parse().unwrap()), "{more}");
    }
}

#[tokio::test]
async fn what_a_failed_exchange_means() {
    for (script, code, look) in [
        (Ok(json(400, r#"{"error":"invalid_grant"}"#)), "sage_code_refused", false),
        (Ok(json(401, r#"{"error":"invalid_client"}"#)), "sage_app_refused", false),
        (Ok(json(400, r#"{"error":"invalid_request"}"#)), "sage_app_refused", false),
        (Ok(json(503, "{}")), "sage_outcome_unknown", true),
        (Ok(answer(200, &[("content-type", "text/html")], "<html>")), "sage_outcome_unknown", true),
        (Err(TransportError::NotSent("refused".to_owned())), "sage_unreachable", false),
        (Err(TransportError::MaybeSent("reset".to_owned())), "sage_outcome_unknown", true),
    ] {
        let failure = exchange(&Scripted::new([script])).await.err().unwrap();
        assert_eq!((failure.code.as_ref(), failure.disposition == Disposition::LookFirst), (code, look));
    }
}

/// A refresh is never lost: only the vendor's word ends a grant, and whatever may have rotated the token is not settled.
#[tokio::test]
async fn only_the_vendors_word_ends_a_grant() {
    assert!(refresh(&Scripted::new([tokens("")])).await.is_ok_and(|set| set.refresh_token.is_some()));
    let dead = refresh(&Scripted::new([Ok(json(400, r#"{"error":"invalid_grant"}"#))])).await;
    assert!(matches!(dead, Err(RefreshFailure::Dead)));
    for script in [
        Err(TransportError::MaybeSent("reset".to_owned())),
        Ok(json(502, "")),
        Ok(json(200, r#"{"access_token":"a-2","refr"#)),
        Ok(answer(200, &[], "")),
    ] {
        assert!(matches!(refresh(&Scripted::new([script])).await, Err(RefreshFailure::Unsettled { .. })));
    }
    for script in [Err(TransportError::NotSent("refused".to_owned())), Ok(json(429, "")), Ok(json(401, r#"{"error":"invalid_client"}"#))] {
        assert!(matches!(refresh(&Scripted::new([script])).await, Err(RefreshFailure::NotDone(_))));
    }
}

fn page(ids: &[&str], next: bool) -> Scripting {
    let items: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}","displayed_as":"Business {id}"}}"#)).collect();
    let next = if next { r#""https://evil.example/businesses""# } else { "null" };
    Ok(json(200, &format!(r#"{{"$total":1,"$page":1,"$next":{next},"$items":[{}]}}"#, items.join(","))))
}

#[tokio::test]
async fn businesses_are_listed_with_the_token_and_no_link_is_followed() {
    let transport = Scripted::new([page(&["b1", "b2"], true), page(&["b3"], false)]);
    let found = sign_in(&transport).organisations(&secret("a-1"), Some("ignored")).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.name.as_str(), one.link_id.as_deref())).collect();
    assert_eq!(told, [("b1", "Business b1", Some("b1")), ("b2", "Business b2", Some("b2")), ("b3", "Business b3", Some("b3"))]);
    assert_eq!(transport.lines(), ["GET /v3.1/businesses", "GET /v3.1/businesses?page=2"]);
    assert_eq!(transport.header(0, "authorization").as_deref(), Some("Bearer a-1"));
    let endless = Scripted::new((0..PAGES_MAX).map(|_| page(&["b1"], true)));
    assert_eq!(sign_in(&endless).organisations(&secret("a"), None).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_list_of_businesses_that_cannot_be_is_not_believed() {
    for script in
        [page(&[""], false), Ok(json(200, "[]")), Ok(json(200, "{}")), Ok(answer(200, &[("content-type", "text/html")], "<html>"))]
    {
        let failure = sign_in(&Scripted::new([script])).organisations(&secret("a"), None).await.unwrap_err();
        assert!(failure.certainly_not_done(), "{}", failure.code);
    }
    let ended = r#"[{"$severity":"error","$dataCode":"AuthorizationFailure","$message":"No active subscription. (MSE)","$source":""}]"#;
    let failure = sign_in(&Scripted::new([Ok(json(401, ended))])).organisations(&secret("a"), None).await.unwrap_err();
    assert_eq!(failure.code, "sage_subscription_inactive");
}

#[tokio::test]
async fn a_disconnect_takes_the_refresh_token_back_and_a_business_alone_has_no_link() {
    let unlink = |script: Option<Scripting>, with_refresh: bool| async move {
        let transport = Scripted::new(script);
        let (access, refresh) = (secret("a-1"), secret("r-1"));
        let held = Held { access: &access, refresh: with_refresh.then_some(&refresh) };
        let outcome = sign_in(&transport).unlink(&credentials(), held, "b1").await;
        (outcome, transport)
    };
    let (outcome, transport) = unlink(Some(Ok(answer(200, &[], ""))), true).await;
    assert!(outcome.is_ok());
    assert_eq!(
        (transport.lines(), transport.body(0)),
        (vec!["POST /revoke".to_owned()], "client_id=app%2F1&client_secret=s%26cret&token=r-1".to_owned())
    );
    assert!(unlink(Some(Ok(json(400, r#"{"error":"invalid_grant"}"#))), true).await.0.is_ok(), "it is dead already");
    let refused = unlink(Some(Ok(json(401, r#"{"error":"invalid_client"}"#))), true).await.0.unwrap_err();
    assert!(!refused.internal.contains("r-1") && !refused.internal.contains("s&cret"));
    assert!(unlink(Some(Err(TransportError::MaybeSent("reset".to_owned()))), true).await.0.is_err());
    let (outcome, transport) = unlink(None, false).await;
    assert!(outcome.is_ok() && transport.lines().is_empty());
}
