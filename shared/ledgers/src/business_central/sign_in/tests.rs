use std::sync::Arc;

use coportal_core::failure::Disposition;
use coportal_core::ledger::Ledger;
use serde_json::{Value, json};

use super::*;
use crate::exec::TransportError;
use crate::exec::scripted::{Scripted, Scripting, answer, json as reply};
use crate::profile::Lane;

const TENANT: &str = "dddddddd-0000-4000-8000-000000000004";
const OTHER: &str = "99999999-0000-4000-8000-000000000009";
const COMPANY: &str = "eeeeeeee-0000-4000-8000-000000000005";
const NOW: &str = "2026-11-21T10:00:00Z";

fn sign_in(transport: &Arc<Scripted>) -> EntraSignIn {
    EntraSignIn::new(Executor::new(transport.clone(), Ledger::BusinessCentral), BusinessCentralEndpoints::default())
}

fn credentials() -> ClientCredentials {
    ClientCredentials { client_id: "app-1".to_owned(), client_secret: Secret::new("app secret/1".to_owned()) }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// An access token of a tenant.
fn token(tenant: &str) -> Secret {
    Secret::new(format!("h.{}.s", URL_SAFE_NO_PAD.encode(json!({ "tid": tenant, "exp": 1 }).to_string())))
}

fn refusal(status: u16, error: &str, description: &str) -> Scripting {
    Ok(reply(status, &json!({ "error": error, "error_description": description }).to_string()))
}

async fn exchange(answer: Scripting) -> Result<TokenSet, Failure> {
    let transport = Scripted::new([answer]);
    let sign_in = sign_in(&transport);
    sign_in.exchange_code(&credentials(), &secret("code-1"), &secret("verifier"), "https://app/cb", None, NOW.parse().unwrap()).await
}

async fn refresh(answer: Scripting, organisation: Option<&str>) -> (Result<TokenSet, RefreshFailure>, Vec<String>) {
    let transport = Scripted::new([answer]);
    let outcome = sign_in(&transport).refresh(&credentials(), &secret("refresh-1"), organisation, NOW.parse().unwrap()).await;
    (outcome, transport.lines())
}

/// R15: any organisation's account may sign in; PKCE and a refresh token are asked for.
#[test]
fn r15_the_consent_page() {
    let transport = Scripted::new([]);
    let request = AuthorizeRequest {
        client_id: "app-1",
        redirect_uri: "https://app/cb",
        state: "state-1",
        pkce_challenge: "challenge",
        lanes: &[Lane::Push, Lane::Import],
    };
    let url = sign_in(&transport).authorize_url(&request);
    assert_eq!((url.host_str(), url.path()), (Some("login.microsoftonline.com"), "/organizations/oauth2/v2.0/authorize"));
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(value("scope").as_deref(), Some("https://api.businesscentral.dynamics.com/.default offline_access openid profile"));
    assert_eq!((value("state").as_deref(), value("code_challenge").as_deref()), (Some("state-1"), Some("challenge")));
    assert_eq!((value("code_challenge_method").as_deref(), value("response_type").as_deref()), (Some("S256"), Some("code")));
    assert_eq!(value("prompt").as_deref(), Some("select_account"));
}

#[tokio::test]
async fn a_code_becomes_tokens_at_the_common_address() {
    let tokens = json!({ "token_type": "Bearer", "access_token": "a-1", "refresh_token": "r-1", "expires_in": 4000, "id_token": "x" });
    let transport = Scripted::new([Ok(reply(200, &tokens.to_string()))]);
    let sign_in = sign_in(&transport);
    let now: Timestamp = NOW.parse().unwrap();
    let set = sign_in.exchange_code(&credentials(), &secret("code-1"), &secret("verifier"), "https://app/cb", None, now).await;
    let set = set.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!((set.access_token.expose(), set.refresh_token.as_ref().map(Secret::expose)), ("a-1", Some("r-1")));
    assert_eq!(set.access_expires_at, oauth::until(now, jiff::SignedDuration::from_secs(4000)));
    assert_eq!(set.refresh_expires_at, Some(oauth::until(now, PROFILE.refresh_token_life)));
    assert_eq!(transport.lines(), ["POST /organizations/oauth2/v2.0/token"]);
    let body = transport.body(0);
    for part in
        ["grant_type=authorization_code", "code=code-1", "code_verifier=verifier", "client_id=app-1", "client_secret=app+secret%2F1"]
    {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[tokio::test]
async fn a_refused_sign_in_says_what_to_do() {
    for (error, description, code) in [
        ("invalid_grant", "AADSTS54005: OAuth2 Authorization code was already redeemed", "code_refused"),
        ("invalid_grant", "AADSTS65001: The user or administrator has not consented", "consent_missing"),
        ("invalid_grant", "AADSTS50020: User account from identity provider does not exist in tenant", "account_foreign"),
        ("invalid_resource", "AADSTS500011: The resource principal was not found in the tenant", "service_missing"),
        ("interaction_required", "AADSTS50076: you must use multi-factor authentication", "sign_in_blocked"),
        ("invalid_client", "AADSTS7000222: The provided client secret keys are expired", "app_refused"),
        ("temporarily_unavailable", "AADSTS90033: A transient error has occurred", "sign_in_unavailable"),
    ] {
        let Err(failure) = exchange(refusal(400, error, description)).await else { panic!("{error}") };
        assert_eq!(failure.code, format!("business_central_{code}"), "{description}");
        assert!(!failure.internal.contains("code-1") && !failure.internal.contains("User account"), "{}", failure.internal);
        let expected_retry = code == "sign_in_unavailable";
        assert_eq!(matches!(failure.disposition, Disposition::Retry { .. }), expected_retry, "{code}");
    }
}

#[tokio::test]
async fn a_refresh_goes_to_the_organisations_own_tenant() {
    let tokens = || Ok(reply(200, &json!({ "token_type": "Bearer", "access_token": "a-2", "refresh_token": "r-2" }).to_string()));
    let organisation = format!("{TENANT}/Production/{COMPANY}");
    let (set, lines) = refresh(tokens(), Some(&organisation)).await;
    let set = set.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(set.refresh_token.as_ref().map(Secret::expose), Some("r-2"), "the newest is kept");
    assert_eq!(lines, [format!("POST /{TENANT}/oauth2/v2.0/token")]);
    for other in [None, Some("nonsense"), Some("../../x/y/z")] {
        let (_, lines) = refresh(tokens(), other).await;
        assert_eq!(lines, ["POST /organizations/oauth2/v2.0/token"], "{other:?}");
    }
}

#[tokio::test]
async fn only_a_proven_refusal_kills_a_grant() {
    let word = |outcome: &Result<TokenSet, RefreshFailure>| match outcome {
        Ok(_) => "ok",
        Err(RefreshFailure::Dead) => "dead",
        Err(RefreshFailure::Unsettled { .. }) => "unsettled",
        Err(RefreshFailure::NotDone(_)) => "not done",
    };
    for (response, expected) in [
        (refusal(400, "invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked"), "dead"),
        (refusal(400, "invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity"), "dead"),
        (refusal(400, "interaction_required", "AADSTS50076: multi-factor"), "dead"),
        (refusal(400, "consent_required", "AADSTS65001: not consented"), "dead"),
        (refusal(400, "temporarily_unavailable", "AADSTS90033: transient"), "not done"),
        (refusal(503, "temporarily_unavailable", "AADSTS90033: transient"), "not done"),
        (refusal(401, "invalid_client", "AADSTS7000215: Invalid client secret"), "not done"),
        (Ok(reply(429, "{}")), "not done"),
        (Ok(answer(502, &[("content-type", "text/html")], "<html>")), "unsettled"),
        (Ok(reply(200, "{")), "unsettled"),
        (Err(TransportError::MaybeSent("time-out".to_owned())), "unsettled"),
        (Err(TransportError::NotSent("refused".to_owned())), "not done"),
    ] {
        let shown = format!("{response:?}");
        let (outcome, _) = refresh(response, None).await;
        assert_eq!(word(&outcome), expected, "{shown}");
    }
}

fn environment(name: &str, kind: &str, tenant: &str) -> Value {
    json!({ "aadTenantId": tenant, "applicationFamily": "BusinessCentral", "type": kind, "name": name })
}

fn list(value: Value) -> Scripting {
    Ok(reply(200, &json!({ "value": value }).to_string()))
}

fn companies(names: &[&str]) -> Scripting {
    list(names.iter().map(|name| json!({ "id": COMPANY, "name": name, "displayName": "" })).collect())
}

fn error(status: u16, code: &str) -> Scripting {
    Ok(reply(status, &json!({ "error": { "code": code, "message": "words" } }).to_string()))
}

async fn discover(answers: Vec<Scripting>) -> (Result<Vec<Organisation>, Failure>, Vec<String>) {
    let transport = Scripted::new(answers);
    let found = sign_in(&transport).organisations(&token(TENANT), None).await;
    (found, transport.lines())
}

/// R16: environments and companies are found by themselves; the first is the first production environment's first company.
#[tokio::test]
async fn r16_every_company_is_found_and_production_comes_first() {
    let environments = list(json!([
        environment("Alpha test", "Sandbox", TENANT),
        environment("Zulu", "Production", TENANT),
        environment("Mike", "Production", TENANT),
        environment("Another tenant's", "Production", OTHER),
    ]));
    let (found, lines) = discover(vec![environments, companies(&["M2", "M1"]), companies(&["Z"]), companies(&["A"])]).await;
    let found = found.unwrap();
    let names: Vec<(&str, &str)> = found.iter().map(|one| (one.environment.as_deref().unwrap(), one.name.as_str())).collect();
    assert_eq!(names, [("Mike", "M2"), ("Mike", "M1"), ("Zulu", "Z"), ("Alpha test, sandbox", "A")]);
    assert_eq!(found[3].id, format!("{TENANT}/Alpha%20test/{COMPANY}"));
    assert_eq!(lines[0], "GET /environments/v1.2");
    assert_eq!(lines[3], format!("GET /v2.0/{TENANT}/Alpha%20test/api/v2.0/companies"));
    assert_eq!(lines.len(), 4, "no call reaches another tenant");
}

#[tokio::test]
async fn a_closed_environment_is_left_out_and_a_silent_one_is_not() {
    let two = || list(json!([environment("A", "Production", TENANT), environment("B", "Production", TENANT)]));
    for closed in [error(401, "Authentication_InvalidCredentials"), error(403, "Authorization_RequestDenied"), error(404, "NoEnvironment")]
    {
        let (found, _) = discover(vec![two(), closed, companies(&["B1"])]).await;
        assert_eq!(found.unwrap().len(), 1);
    }
    // Else another company would silently become the first.
    for silent in [error(503, "Internal_TenantUnavailable"), error(429, "Unknown"), Err(TransportError::MaybeSent("time-out".to_owned()))] {
        let (found, _) = discover(vec![two(), silent, companies(&["B1"])]).await;
        assert!(matches!(found.unwrap_err().disposition, Disposition::Retry { .. }));
    }
    let closed = || error(401, "Authentication_InvalidCredentials");
    let (found, _) = discover(vec![two(), closed(), closed()]).await;
    let failure = found.unwrap_err();
    assert_eq!((failure.code.as_ref(), failure.status), ("business_central_permission_missing", Some(401)), "a licence is missing");
    let (none, _) = discover(vec![list(json!([]))]).await;
    assert!(none.unwrap().is_empty());
    let (refused, _) = discover(vec![closed()]).await;
    assert_eq!(refused.unwrap_err().disposition, Disposition::Reauthorize);
}

#[tokio::test]
async fn companies_lead_on_at_the_same_address_only() {
    let one = || list(json!([environment("A", "Production", TENANT)]));
    let base = format!("https://api.businesscentral.dynamics.com/v2.0/{TENANT}/A/api/v2.0/companies");
    let page = |next: &str| Ok(reply(200, &json!({ "value": [{ "id": COMPANY, "name": "A1" }], "@odata.nextLink": next }).to_string()));
    let (found, lines) = discover(vec![one(), page(&format!("{base}?$skiptoken=x")), companies(&["A2"])]).await;
    assert_eq!((found.unwrap().len(), lines.len()), (2, 3));
    for elsewhere in ["https://evil.example/companies?x".to_owned(), format!("{base}/../x"), format!("{base}({COMPANY})/customers?x")] {
        let (found, lines) = discover(vec![one(), page(&elsewhere)]).await;
        assert_eq!((found.unwrap_err().code.as_ref(), lines.len()), ("business_central_answer_unexpected", 2), "{elsewhere}");
    }
}

#[tokio::test]
async fn an_opaque_token_is_no_obstacle() {
    for nonsense in ["opaque", "a.!!.c", "a.e30.c", ""] {
        assert_eq!(claims(&secret(nonsense)).tid, None, "{nonsense}");
    }
    let transport = Scripted::new([list(json!([environment("A", "Production", TENANT)])), companies(&["A1"])]);
    assert_eq!(sign_in(&transport).organisations(&secret("opaque"), None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn there_is_nothing_to_cut() {
    let transport = Scripted::new([]);
    let (access, refresh) = (secret("a"), secret("r"));
    let held = Held { access: &access, refresh: Some(&refresh) };
    assert!(sign_in(&transport).unlink(&credentials(), held, "any").await.is_ok());
    assert!(transport.lines().is_empty());
}
