//! QuickBooks Online: the company that the callback names is a claim (R13), a sandbox says so (R11), and a disconnect ends the tokens.

use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_lambda::config::table;
use coportal_local::studio::{Studio, text};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    Pages, access_tokens, ask, boot, callback, card, come_back, connect, connect_to, connected, decide, documents, invoice, opened,
    organisation, vendor_calls, with_token,
};

const LEDGER: Ledger = Ledger::Quickbooks;
const GB: &str = "Harbour & Hill Ltd";
const US: &str = "Table Rock Studio LLC";

/// The callback's address with other companies named in it.
fn naming(back: &str, named: &[&str]) -> String {
    let (path, query) = back.split_once('?').unwrap();
    let mut parts: Vec<String> = query.split('&').filter(|part| !part.starts_with("realmId=")).map(str::to_owned).collect();
    parts.extend(named.iter().map(|realm| format!("realmId={realm}")));
    format!("{path}?{}", parts.join("&"))
}

/// R13: what the browser says about the company binds nothing. It is read with the token, and the vendor refuses all but the one that the
/// consent was for.
#[tokio::test]
async fn r13_a_forged_company_is_never_bound() {
    let (local, studio) = opened().await;
    decide(&studio, LEDGER, None).await;
    let own = text(&organisation(&studio, LEDGER, GB).await, "/id").to_owned();
    let other = text(&organisation(&studio, LEDGER, US).await, "/id").to_owned();
    let refused = "/settings/integrations?connect_error=exchange_failed";
    let nothing = "/settings/integrations?connect_error=no_organisation";
    for (case, named, at, asked) in [
        ("another company", vec![other.as_str()], refused, 1),
        ("one that there is not", vec!["9130350000000000009"], refused, 1),
        ("no company", vec![], nothing, 0),
        ("an empty one", vec![""], nothing, 0),
        ("the same twice", vec![own.as_str(), own.as_str()], nothing, 0),
        ("two", vec![own.as_str(), other.as_str()], nothing, 0),
        ("a path", vec!["1%2F..%2F2"], refused, 0),
        ("a query", vec!["1%3Fminorversion%3D1"], refused, 0),
    ] {
        let back = callback(&studio, LEDGER).await;
        let before = studio.at(LEDGER).calls("api").await.unwrap().len();
        assert_eq!(come_back(&studio, &naming(&back, &named)).await, at, "{case}");
        assert_eq!(card(&studio, LEDGER).await["connection"], Value::Null, "{case}");
        let calls = studio.at(LEDGER).calls("api").await.unwrap().split_off(before);
        assert_eq!(calls.len(), asked, "{case}: {calls:?}");
        assert!(calls.iter().all(|call| call["status"] == 403), "{case}: {calls:?}");
        // The code is used, whatever it was used for: the right company does not come back to life with it.
        assert_eq!(come_back(&studio, &back).await, "/settings/integrations?connect_error=invalid_state", "{case}");
    }
    // A connection that stands is not moved by it either.
    connect(&studio, LEDGER).await;
    let before = card(&studio, LEDGER).await;
    let back = callback(&studio, LEDGER).await;
    assert_eq!(come_back(&studio, &naming(&back, &[other.as_str()])).await, refused);
    assert_eq!(card(&studio, LEDGER).await, before);
    let test = ask(&studio, LEDGER, "POST", "/test", None).await.json();
    assert_eq!((&test["ok"], &test["organisation"]["name"]), (&json!(true), &json!(GB)), "{test}");
    local.shutdown().await.unwrap();
}

/// R21, R145: another company has a consent and a number of its own; the first one comes back to its links.
#[tokio::test]
async fn r145_another_company_needs_its_own_consent_and_has_its_own_links() {
    let (local, studio) = connected(LEDGER).await;
    studio.at(LEDGER).set_options(&json!({"sync_as_draft": false, "auto_sync": true})).await.unwrap();
    let invoice = invoice(&studio).await;
    // It syncs by itself; a click meanwhile would be told to look again.
    assert!(local.idle(Duration::from_secs(30)).await);
    let first = studio.at(LEDGER).synced(&invoice).await.unwrap();
    let listed = ask(&studio, LEDGER, "GET", "/organisations", None).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "a consent is for one company: {listed}");
    let other = text(&organisation(&studio, LEDGER, US).await, "/id").to_owned();
    let refused = ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": other}))).await;
    assert_eq!((refused.status.as_u16(), text(&refused.json(), "/code")), (409, "consent_needed"));

    assert_eq!(connect_to(&studio, LEDGER, &[US]).await, "/settings/integrations?connected=quickbooks");
    let there = card(&studio, LEDGER).await;
    assert_eq!(there["connection"]["organisation"]["name"], US);
    assert_eq!(
        (&there["connection"]["options"]["auto_sync"], &there["connection"]["options"]["sync_as_draft"]),
        (&json!(false), &json!(true))
    );
    let test = ask(&studio, LEDGER, "POST", "/test", None).await.json();
    assert_eq!((&test["ok"], &test["organisation"]["name"]), (&json!(true), &json!(US)), "the new consent lives: {test}");
    let tokens = access_tokens(&local, LEDGER);
    let path = format!("/v3/company/{other}/companyinfo/{other}?minorversion=75");
    assert_eq!((tokens.len(), with_token(&local, LEDGER, &path, &tokens[0]).await), (1, 200), "the one that was left is taken back");
    let seen = studio.owner.get(&format!("/v1/invoices/{}", text(&invoice, "/id"))).await.unwrap().json();
    let of_ledger = seen["ledgers"].as_array().unwrap().iter().find(|one| one["ledger"] == LEDGER.slug()).unwrap().clone();
    assert_eq!((&of_ledger["state"], &of_ledger["external_id"]), (&json!("never"), &Value::Null), "no link of one company reaches another");

    assert_eq!(connect_to(&studio, LEDGER, &[GB]).await, "/settings/integrations?connected=quickbooks");
    studio.at(LEDGER).set_options(&json!({"sync_as_draft": false})).await.unwrap();
    let again = studio.at(LEDGER).synced(&invoice).await.unwrap();
    assert_eq!((&again["changed"], &again["external_id"]), (&json!("nothing"), &first["external_id"]));
    let own = text(&organisation(&studio, LEDGER, GB).await, "/id").to_owned();
    assert_eq!(documents(&studio, LEDGER, &own).await.len(), 1);
    assert_eq!(documents(&studio, LEDGER, &other).await.len(), 0);
    local.shutdown().await.unwrap();
}

/// I14: a disconnect takes the token set back at the vendor; what was copied of it is worth nothing.
#[tokio::test]
async fn a_disconnect_ends_the_tokens_at_the_vendor() {
    let (local, studio) = connected(LEDGER).await;
    let realm = text(&organisation(&studio, LEDGER, GB).await, "/id").to_owned();
    let path = format!("/v3/company/{realm}/companyinfo/{realm}?minorversion=75");
    let tokens = access_tokens(&local, LEDGER);
    assert_eq!(tokens.len(), 1);
    assert_eq!(with_token(&local, LEDGER, &path, &tokens[0]).await, 200);
    let receipt = ask(&studio, LEDGER, "DELETE", "", Some(&json!({"links": "keep"}))).await;
    let expected = json!({"revoked": true, "reason": null, "tokens_erased": true, "stopped": 0, "unsettled": 0});
    assert_eq!(receipt.json(), expected);
    assert_eq!(with_token(&local, LEDGER, &path, &tokens[0]).await, 401);
    assert!(access_tokens(&local, LEDGER).is_empty());
    assert_eq!(organisation(&studio, LEDGER, GB).await["connected"], false);
    let last = studio.at(LEDGER).calls("oauth").await.unwrap().pop().unwrap();
    assert_eq!((text(&last, "/path"), &last["status"]), ("/v2/oauth2/tokens/revoke", &json!(200)));
    assert_eq!(card(&studio, LEDGER).await["connection"]["status"], "disconnected");
    let refused = ask(&studio, LEDGER, "POST", "/test", None).await;
    assert_eq!(text(&refused.json(), "/code"), "not_connected");
    local.shutdown().await.unwrap();
}

/// The vendor cannot be reached for it: our own half is done all the same, and the receipt does not say more.
#[tokio::test]
async fn a_disconnect_that_the_vendor_does_not_hear_says_so() {
    let (local, studio) = connected(LEDGER).await;
    let faults = json!([{"match": "/tokens/revoke", "kind": "refuse", "times": 9}]);
    studio.at(LEDGER).control(Method::POST, "faults", Some(&faults)).await.unwrap();
    let receipt = ask(&studio, LEDGER, "DELETE", "", Some(&json!({"links": "keep"}))).await.json();
    assert_eq!((&receipt["revoked"], &receipt["reason"], &receipt["tokens_erased"]), (&json!(false), &json!("unreachable"), &json!(true)));
    assert_eq!(card(&studio, LEDGER).await["connection"]["status"], "disconnected");
    local.shutdown().await.unwrap();
}

async fn connected_in_a_sandbox(local: &coportal_local::run::LocalRun, studio: &Studio) {
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt as _;

    let (shell, engine) = boot(local, "oauth-callback", &[(table::QUICKBOOKS_ENVIRONMENT, "sandbox")]);
    let callbacks = oauth_callback::router(oauth_callback::AppState { shell, engine });
    decide(studio, LEDGER, None).await;
    let start = studio.owner.send(Method::POST, "/v1/integrations/quickbooks/connect", None, &[]).await.unwrap();
    let cookie = start.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = studio.owner.get(text(&start.json(), "/authorize_url")).await.unwrap();
    let back = page.header("location").strip_prefix(&local.origin).unwrap().to_owned();
    let request = Request::builder().uri(back).header("cookie", cookie).body(Body::empty()).unwrap();
    let answer = callbacks.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/settings/integrations?connected=quickbooks");
}

/// R11: a setting of the deployment makes companies sandbox companies; the API and the card say so. Without it they do not.
#[tokio::test]
async fn r11_a_sandbox_company_says_that_it_is_one() {
    let (local, studio) = opened().await;
    connected_in_a_sandbox(&local, &studio).await;
    let view = card(&studio, LEDGER).await;
    assert_eq!(
        view["connection"]["organisation"],
        json!({"id": organisation(&studio, LEDGER, GB).await["id"], "name": GB, "environment": "Sandbox"})
    );
    let pages = Pages::of(&local, &[]);
    let owner = pages.session(&studio.workspace_id, "owner").await;
    let page = pages.get("/settings/integrations", &owner).await;
    assert!(page.card(LEDGER).contains(r#"<span class="pill attention">Sandbox</span>"#), "{}", page.card(LEDGER));

    let (local_too, real) = connected(LEDGER).await;
    assert_eq!(card(&real, LEDGER).await["connection"]["organisation"]["environment"], Value::Null);
    let pages = Pages::of(&local_too, &[]);
    let owner = pages.session(&real.workspace_id, "owner").await;
    assert!(!pages.get("/settings/integrations", &owner).await.card(LEDGER).contains("Sandbox"));
    assert!(!vendor_calls(&real, LEDGER).await.is_empty());
    local_too.shutdown().await.unwrap();
    local.shutdown().await.unwrap();
}
