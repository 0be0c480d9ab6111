//! Google and Entra against a provider that signs whatever a test wants it to say.
#![cfg(test)]

#[path = "../src/testing.rs"]
mod testing;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use coportal_core::ctx::Ctx;
use coportal_core::secret::Secret;
use coportal_identity::domain::Domain;
use coportal_identity::fetch::{Fetch, FetchError, Limits};
use coportal_identity::oidc::{Callback, Hints, Oidc, Pending, Provider, Providers, Registration, Started, TenantId, Verified};
use coportal_identity::{Reason, Refusal};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::testing::{ctx, ctx_at, now};

const GOOGLE: &str = "https://accounts.google.com";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "client-1";
const CLIENT_SECRET: &str = "client secret";

struct SigningKey {
    kid: &'static str,
    pair: KeyPair,
}

impl SigningKey {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    /// `RSAPublicKey ::= SEQUENCE { modulus, exponent }`, taken apart.
    fn jwk(&self) -> Value {
        let der = self.pair.public_key().as_ref().to_vec();
        // 30 82 xx xx 02 82 01 01 00 <256 bytes> 02 03 <3 bytes>
        let (modulus, exponent) = (&der[9..9 + 256], &der[der.len() - 3..]);
        json!({"kty": "RSA", "use": "sig", "kid": self.kid, "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent), "issuer": "ignored"})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign_digest(&RSA_PKCS1_SHA256, &digest(&SHA256, signed.as_bytes()), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What the provider will do next.
struct Script {
    /// Changes the discovery document.
    document: fn(&mut Value),
    keys: Vec<Value>,
    cache_control: &'static str,
    /// The token endpoint's answer.
    token: (u16, Value),
    unreachable: bool,
    calls: Vec<String>,
}

struct Idp(Mutex<Script>);

impl Fetch for Idp {
    fn send<'a>(&'a self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'a, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let mut script = self.0.lock().unwrap();
            let url: url::Url = request.uri().to_string().parse().unwrap();
            script.calls.push(url.path().rsplit('/').next().unwrap().to_owned());
            if script.unreachable {
                return Err(FetchError::Unreachable("down".to_owned()));
            }
            let (status, body) = if url.path().ends_with("/.well-known/openid-configuration") {
                let base = url.as_str().trim_end_matches("/.well-known/openid-configuration").to_owned();
                let google = base == GOOGLE;
                let mut document = json!({
                    "issuer": base,
                    "authorization_endpoint": format!("{base}/authorize"),
                    "token_endpoint": if google { "https://oauth2.googleapis.com/token".to_owned() } else { format!("{base}/token") },
                    "jwks_uri": if google { "https://www.googleapis.com/oauth2/v3/keys".to_owned() } else { format!("{base}/keys") },
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                });
                (script.document)(&mut document);
                (200, document)
            } else if url.path().ends_with("/keys") {
                (200, json!({"keys": script.keys}))
            } else {
                assert_eq!((request.method().as_str(), url.path().ends_with("/token"), limits), ("POST", true, Limits::TOKEN));
                let basic = STANDARD.encode(format!("{CLIENT}:{}", CLIENT_SECRET.replace(' ', "+")));
                assert_eq!(request.headers()["authorization"], format!("Basic {basic}"));
                let form: Vec<_> = url::form_urlencoded::parse(request.body()).into_owned().collect();
                assert!(form.contains(&("code".to_owned(), "code-1".to_owned())) && form.iter().any(|(name, _)| name == "code_verifier"));
                script.token.clone()
            };
            Ok(Response::builder()
                .status(status)
                .header("cache-control", script.cache_control)
                .header("content-type", "application/json")
                .body(Bytes::from(body.to_string()))
                .unwrap())
        })
    }
}

struct World {
    idp: Arc<Idp>,
    oidc: Oidc,
    key: SigningKey,
    domains: BTreeSet<Domain>,
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn google() -> Provider {
    Provider::Google { hosted_domain: None }
}

fn entra() -> Provider {
    Provider::Microsoft { tenant: TenantId::parse(TENANT).unwrap() }
}

impl World {
    fn new() -> Self {
        let key = SigningKey::new("k1");
        let script = Script {
            document: |_| {},
            keys: vec![key.jwk()],
            cache_control: "public, max-age=3600",
            token: (500, json!({})),
            unreachable: false,
            calls: vec![],
        };
        let idp = Arc::new(Idp(Mutex::new(script)));
        let registration =
            || Some(Registration { client_id: CLIENT.to_owned(), client_secret: Arc::new(Secret::new(CLIENT_SECRET.to_owned())) });
        let providers = Providers {
            google_issuer: GOOGLE.to_owned(),
            google_hosts: vec!["oauth2.googleapis.com".to_owned(), "www.googleapis.com".to_owned()],
            google: registration(),
            microsoft_authority: "https://login.microsoftonline.com".to_owned(),
            microsoft: registration(),
            redirect_uri: "https://app.coportal.example/v1/sso/oidc/callback".parse().unwrap(),
        };
        Self { oidc: Oidc::new(providers, idp.clone()), idp, key, domains: BTreeSet::from([domain("acme.example"), domain("acme.test")]) }
    }

    fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.idp.0.lock().unwrap());
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.idp.0.lock().unwrap().calls)
    }

    /// What the provider says of a good user.
    fn claims(&self, provider: &Provider, nonce: &str, at: Timestamp) -> Value {
        let mut claims = json!({
            "iss": self.oidc.issuer_of(provider), "aud": CLIENT, "sub": "sub-1", "nonce": nonce,
            "iat": at.as_second(), "exp": at.as_second() + 3600, "email": "Ann@acme.example", "name": "Ann  Smith",
        });
        let own = match provider {
            Provider::Google { .. } => json!({"hd": "acme.example", "email_verified": true}),
            Provider::Microsoft { .. } => json!({"tid": TENANT, "oid": "oid-1"}),
        };
        claims.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        claims
    }

    async fn finish(&self, ctx: &Ctx, provider: &Provider, started: &Started, token: String) -> Result<Verified, Refusal> {
        self.script(|script| script.token = (200, json!({"access_token": "a", "token_type": "Bearer", "id_token": token})));
        let callback = Callback::parse(&format!("state={}&code=code-1", started.state.expose())).unwrap();
        let pending = Pending { nonce: &started.nonce, verifier: &started.verifier };
        self.oidc.finish(ctx, provider, &self.domains, &pending, &callback).await
    }

    /// A whole sign-in whose token's claims were changed.
    async fn sign_in(&self, provider: &Provider, change: impl FnOnce(&mut Value)) -> Result<Verified, Refusal> {
        let started = self.oidc.start(&ctx(), provider, &Hints::default()).await?;
        let mut claims = self.claims(provider, &started.nonce, now());
        change(&mut claims);
        let token = self.key.token(&json!({"alg": "RS256", "kid": "k1"}), &claims);
        self.finish(&ctx(), provider, &started, token).await
    }
}

fn query(started: &Started, name: &str) -> Option<String> {
    started.url.query_pairs().find(|(held, _)| held == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_google_workspace_user_signs_in() {
    // R106: nothing but our own registration.
    let world = World::new();
    let hints = Hints { login_hint: Some("ann@acme.example".to_owned()), domain: Some(domain("acme.example")), fresh: true };
    let started = world.oidc.start(&ctx(), &google(), &hints).await.unwrap();
    assert_eq!(started.url.origin().ascii_serialization(), GOOGLE);
    for (name, value) in [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", "https://app.coportal.example/v1/sso/oidc/callback"),
        ("scope", "openid email profile"),
        ("state", started.state.expose()),
        ("nonce", &started.nonce),
        ("code_challenge_method", "S256"),
        ("code_challenge", &URL_SAFE_NO_PAD.encode(digest(&SHA256, started.verifier.expose().as_bytes()))),
        ("login_hint", "ann@acme.example"),
        ("hd", "acme.example"),
        ("prompt", "select_account"),
    ] {
        assert_eq!(query(&started, name).as_deref(), Some(value), "{name}");
    }
    assert!(!started.url.as_str().contains(started.verifier.expose()));
    let claims = world.claims(&google(), &started.nonce, now());
    let verified =
        world.finish(&ctx(), &google(), &started, world.key.token(&json!({"alg": "RS256", "kid": "k1"}), &claims)).await.unwrap();
    let identity = verified.identity.unwrap();
    assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), (GOOGLE, "sub-1"));
    assert_eq!((identity.email.to_string().as_str(), identity.email_verified), ("ann@acme.example", true));
    assert_eq!(identity.name.as_deref(), Some("Ann Smith"));
    assert_eq!(verified.hosted_domain, Some(domain("acme.example")));
    assert!(verified.shown.iter().any(|claim| claim.name == "hd" && claim.value == "acme.example"));
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused() {
    let world = World::new();
    let set = |name: &'static str, value: Value| move |claims: &mut Value| claims[name] = value;
    let second = now().as_second();
    for (name, value, reason) in [
        ("iss", json!("https://evil.example"), Reason::IssuerMismatch),
        ("iss", json!("accounts.google.com"), Reason::TokenMissing),
        ("iss", json!("https://accounts.google.com/"), Reason::IssuerMismatch),
        ("aud", json!("client-2"), Reason::AudienceMismatch),
        ("aud", json!([CLIENT, "client-2"]), Reason::AudienceMismatch),
        ("aud", json!([]), Reason::AudienceMismatch),
        ("nonce", json!("another"), Reason::NonceMismatch),
        ("nonce", Value::Null, Reason::NonceMismatch),
        ("exp", json!(second), Reason::TimeWindow),
        ("exp", json!(second - 1), Reason::TimeWindow),
    ] {
        let refusal = world.sign_in(&google(), set(name, value.clone())).await.unwrap_err();
        assert_eq!(refusal.reason, reason, "{name} {value}");
        assert_eq!(refusal.detail, None, "nothing of the token is repeated");
    }
    for absent in ["iss", "aud", "sub", "exp", "iat"] {
        let outcome = world.sign_in(&google(), |claims| drop(claims.as_object_mut().unwrap().remove(absent))).await;
        let expected = if absent == "aud" { Reason::AudienceMismatch } else { Reason::TokenMissing };
        assert_eq!(outcome.unwrap_err().reason, expected, "without {absent}");
    }
    assert!(world.sign_in(&google(), set("iat", json!(second + 300))).await.is_err(), "from the future");
    assert!(world.sign_in(&google(), set("iat", json!(second + 60))).await.is_ok(), "a clock that is a minute ahead");

    let started = world.oidc.start(&ctx(), &google(), &Hints::default()).await.unwrap();
    let claims = world.claims(&google(), &started.nonce, now());
    let attacker = SigningKey::new("k1");
    let good = world.key.token(&json!({"alg": "RS256", "kid": "k1"}), &claims);
    let head = |header: Value| format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), good.split_once('.').unwrap().1);
    let hs = {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes())))
    };
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), good.split('.').nth(1).unwrap());
    for (name, token, reasons) in [
        ("another key by the same name", attacker.token(&json!({"alg": "RS256", "kid": "k1"}), &claims), &[Reason::SignatureInvalid][..]),
        ("another key without a name", attacker.token(&json!({"alg": "RS256"}), &claims), &[Reason::SignatureInvalid]),
        ("a key in the header", attacker.token(&json!({"alg": "RS256", "jwk": attacker.jwk()}), &claims), &[Reason::SignatureInvalid]),
        (
            "a key at an address",
            attacker.token(&json!({"alg": "RS256", "jku": "https://evil.example/keys", "kid": "k9"}), &claims),
            &[Reason::SignatureInvalid],
        ),
        ("HS256 by our secret", hs, &[Reason::AlgorithmRefused]),
        ("no signature", unsigned, &[Reason::AlgorithmRefused, Reason::TokenMissing, Reason::ProviderUnavailable]),
        ("RS512 on an RS256 signature", head(json!({"alg": "RS512", "kid": "k1"})), &[Reason::AlgorithmRefused]),
        ("another header", head(json!({"alg": "RS256", "kid": "k1", "x": 1})), &[Reason::SignatureInvalid]),
        ("a cut signature", good[..good.len() - 4].to_owned(), &[Reason::SignatureInvalid]),
        ("no token", "hello".to_owned(), &[Reason::TokenMissing]),
    ] {
        let refusal = world.finish(&ctx(), &google(), &started, token).await.unwrap_err();
        assert!(reasons.contains(&refusal.reason), "{name}: {refusal:?}");
    }
    assert!(world.finish(&ctx(), &google(), &started, good).await.is_ok());
    assert!(!world.calls().iter().any(|call| call.contains("evil")));
}

#[tokio::test]
async fn google_lets_in_the_workspaces_own_accounts_alone() {
    let world = World::new();
    let refused = async |provider: &Provider, name: &'static str, value: Value| {
        world.sign_in(provider, move |claims| claims[name] = value).await.unwrap().identity.unwrap_err().reason
    };
    let g = google();
    assert_eq!(refused(&g, "hd", Value::Null).await, Reason::HostedDomainMissing, "a consumer account on a corporate address");
    assert_eq!(refused(&g, "hd", json!("evil.example")).await, Reason::HostedDomainMismatch);
    assert_eq!(refused(&g, "hd", json!("eng.acme.example")).await, Reason::HostedDomainMismatch);
    assert_eq!(refused(&g, "email_verified", json!(false)).await, Reason::EmailUnverified);
    assert_eq!(refused(&g, "email_verified", Value::Null).await, Reason::EmailUnverified);
    assert_eq!(refused(&g, "email", Value::Null).await, Reason::EmailMissing);
    assert_eq!(refused(&g, "email", json!("boss@evil.example")).await, Reason::EmailOutsideDomains);
    // Once a test sign-in has shown the Workspace's domain, that one alone is taken; addresses of its other proven domains still are.
    let bound = Provider::Google { hosted_domain: Some(domain("acme.example")) };
    assert_eq!(refused(&bound, "hd", json!("acme.test")).await, Reason::HostedDomainMismatch);
    let other = world.sign_in(&bound, |claims| claims["email"] = json!("ann@acme.test")).await.unwrap();
    assert_eq!(other.identity.unwrap().email.domain(), &domain("acme.test"));
}

#[tokio::test]
async fn entra_lets_in_the_bound_tenants_own_members_alone() {
    // R107.
    let world = World::new();
    let provider = entra();
    let started = world.oidc.start(&ctx(), &provider, &Hints { domain: Some(domain("acme.example")), ..Hints::default() }).await.unwrap();
    assert_eq!(started.url.path(), format!("/{TENANT}/v2.0/authorize"), "the tenant's own, never common");
    assert_eq!(query(&started, "domain_hint").as_deref(), Some("acme.example"));
    let with = async |changes: Value| {
        let add = move |claims: &mut Value| claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        world.sign_in(&provider, add).await.unwrap().identity
    };
    for (changes, verified) in [
        (json!({}), false),
        (json!({"acct": 0}), false),
        (json!({"acct": "0", "xms_edov": true}), true),
        (json!({"xms_edov": 1}), true),
        (json!({"xms_edov": "1"}), true),
        (json!({"xms_edov": "True"}), true),
        (json!({"tid": TENANT.to_uppercase()}), false),
    ] {
        assert_eq!(with(changes.clone()).await.unwrap().email_verified, verified, "{changes}");
    }
    for (changes, reason) in [
        (json!({"tid": null}), Reason::TenantMismatch),
        (json!({"tid": "common"}), Reason::TenantMismatch),
        (json!({"tid": "11111111-2222-3333-4444-666666666666"}), Reason::TenantMismatch),
        (json!({"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}), Reason::PersonalAccount),
        (json!({"acct": 1}), Reason::GuestAccount),
        (json!({"acct": "1"}), Reason::GuestAccount),
        (json!({"acct": {}}), Reason::GuestAccount),
        (json!({"xms_edov": false}), Reason::EmailUnverified),
        (json!({"xms_edov": 0}), Reason::EmailUnverified),
        (json!({"xms_edov": "0"}), Reason::EmailUnverified),
        (json!({"xms_edov": "maybe"}), Reason::EmailUnverified),
        // nOAuth: any tenant's administrator can write any address.
        (json!({"email": "boss@evil.example"}), Reason::EmailOutsideDomains),
        (json!({"email": null, "preferred_username": "ann@acme.example", "upn": "ann@acme.example"}), Reason::EmailMissing),
    ] {
        assert_eq!(with(changes.clone()).await.unwrap_err().reason, reason, "{changes}");
    }
    // Another tenant's token is another issuer's.
    let other = format!("https://login.microsoftonline.com/{}/v2.0", TENANT.replace('1', "7"));
    let refusal = world.sign_in(&provider, |claims| claims["iss"] = json!(other)).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::IssuerMismatch);
}

#[tokio::test]
async fn a_tenant_is_bound_by_a_verified_token_of_its_own_issuer() {
    let world = World::new();
    let bind_as = async |change: Value, named: &str| {
        let started = world.oidc.start_binding(&ctx(), &Hints::default()).await.unwrap();
        assert_eq!(started.url.path(), "/organizations/oauth2/v2.0/authorize");
        let mut claims = world.claims(&entra(), &started.nonce, now());
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let token = world.key.token(&json!({"alg": "RS256", "kid": "k1"}), &claims);
        world.script(|script| script.token = (200, json!({"access_token": "a", "token_type": "Bearer", "id_token": token})));
        // What the browser says of the tenant is not looked at.
        let query = format!("state={}&code=code-1&tenant=evil&admin_consent=True{named}", started.state.expose());
        let callback = Callback::parse(&query).unwrap();
        world.oidc.finish_binding(&ctx(), &Pending { nonce: &started.nonce, verifier: &started.verifier }, &callback).await
    };
    let bind = async |change: Value| bind_as(change, "").await;
    let bound = bind(json!({})).await.unwrap();
    assert_eq!(bound.tenant.as_str(), TENANT);
    assert!(bound.shown.iter().any(|claim| claim.name == "tid"));
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let of = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    for (change, reason) in [
        (json!({"tid": "22222222-2222-3333-4444-555555555555"}), Reason::IssuerMismatch),
        (json!({"iss": of("common")}), Reason::IssuerMismatch),
        (json!({"iss": "https://evil.example/11111111-2222-3333-4444-555555555555/v2.0"}), Reason::IssuerMismatch),
        (json!({"tid": "{tenantid}", "iss": of("{tenantid}")}), Reason::TenantMismatch),
        (json!({"tid": null}), Reason::TenantMismatch),
        (json!({"tid": personal, "iss": of(personal)}), Reason::PersonalAccount),
        (json!({"acct": 1}), Reason::GuestAccount),
        (json!({"aud": "client-2"}), Reason::AudienceMismatch),
        (json!({"nonce": "x"}), Reason::NonceMismatch),
        (json!({"exp": 1}), Reason::TimeWindow),
    ] {
        assert_eq!(bind(change.clone()).await.unwrap_err().reason, reason, "{change}");
    }
    // RFC 9207: a provider that names itself is the tenant of the token, and no other of the authority.
    let named = |tenant: &str| format!("&iss={}", of(tenant));
    assert_eq!(bind_as(json!({}), &named(TENANT)).await.unwrap().tenant.as_str(), TENANT);
    for other in
        [named("organizations"), named("22222222-2222-3333-4444-555555555555"), "&iss=https://evil.example".to_owned(), "&iss=x".to_owned()]
    {
        assert_eq!(bind_as(json!({}), &other).await.unwrap_err().reason, Reason::IssuerMismatch, "{other}");
    }
    let consent = world.oidc.admin_consent_url(&bound.tenant).unwrap();
    assert!(
        consent.as_str().starts_with(&format!("https://login.microsoftonline.com/{TENANT}/adminconsent?client_id={CLIENT}&redirect_uri="))
    );
}

#[tokio::test]
async fn the_providers_own_refusals_explain_themselves() {
    let world = World::new();
    let started = world.oidc.start(&ctx(), &entra(), &Hints::default()).await.unwrap();
    let pending = Pending { nonce: &started.nonce, verifier: &started.verifier };
    for (query, reason, detail) in [
        ("error=access_denied", Reason::ProviderDenied, Some("access_denied")),
        ("error=access_denied&error_description=AADSTS65001%3A+The+user+ann%40acme", Reason::ConsentRequired, Some("AADSTS65001")),
        ("error=access_denied&error_description=AADSTS90094:+x", Reason::AdminApprovalRequired, Some("AADSTS90094")),
        ("error=invalid_request&error_description=AADSTS50105:+x", Reason::UserNotAssigned, Some("AADSTS50105")),
        ("error=invalid_request&error_description=AADSTS123456:+x", Reason::ProviderError, Some("AADSTS123456")),
        ("error=server_error", Reason::ProviderBusy, Some("server_error")),
        ("error=%3Cscript%3E", Reason::ProviderError, None),
        ("x=y", Reason::ProviderError, Some("the callback brings neither code nor error")),
        ("code=code-1&iss=https%3A%2F%2Fevil.example", Reason::IssuerMismatch, Some("the callback names another issuer")),
    ] {
        let callback = Callback::parse(&format!("state=s&{query}")).unwrap();
        let refusal = world.oidc.finish(&ctx(), &entra(), &world.domains, &pending, &callback).await.unwrap_err();
        assert_eq!((refusal.reason, refusal.detail.as_deref()), (reason, detail), "{query}");
    }
    for query in ["", "code=x", "state=", "state=a&state=b&code=c", "state=a&code=b&code=c", &format!("state={}", "a".repeat(257))] {
        assert_eq!(Callback::parse(query).map(|_| ()).unwrap_err().reason, Reason::StateUnknown, "{query}");
    }
    let callback = Callback::parse("state=s&code=code-1").unwrap();
    for (answer, reason) in [
        ((400, json!({"error": "invalid_grant"})), Reason::ExchangeRefused),
        ((400, json!({"error": "invalid_grant", "error_description": "AADSTS54005: redeemed"})), Reason::ExchangeRefused),
        ((401, json!({"error": "invalid_client", "error_description": "AADSTS7000215: secret"})), Reason::RegistrationWrong),
        ((401, json!({"error": "invalid_client"})), Reason::RegistrationWrong),
        ((400, json!({"error": "interaction_required", "error_description": "AADSTS50076: second factor"})), Reason::SecondFactorRequired),
        ((400, json!({"error": "weird"})), Reason::ExchangeRefused),
        ((200, json!({"access_token": "a", "token_type": "Bearer"})), Reason::TokenMissing),
        ((200, json!({"hello": 1})), Reason::TokenMissing),
    ] {
        world.script(|script| script.token = answer.clone());
        let refusal = world.oidc.finish(&ctx(), &entra(), &world.domains, &pending, &callback).await.unwrap_err();
        assert_eq!(refusal.reason, reason, "{answer:?}");
    }
}

#[tokio::test]
async fn a_discovery_document_cannot_lead_elsewhere() {
    let changes: [fn(&mut Value); 7] = [
        |document| document["issuer"] = json!("https://evil.example"),
        |document| document["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0"),
        |document| document["token_endpoint"] = json!("https://evil.example/token"),
        |document| document["jwks_uri"] = json!("https://evil.example/keys"),
        |document| document["jwks_uri"] = json!("http://www.googleapis.com/keys"),
        |document| document["authorization_endpoint"] = json!("https://accounts.google.com.evil.example/authorize"),
        |document| document["token_endpoint"] = Value::Null,
    ];
    for change in changes {
        let world = World::new();
        world.script(|script| script.document = change);
        let refusal = world.oidc.start(&ctx(), &google(), &Hints::default()).await.map(|_| ()).unwrap_err();
        assert!(matches!(refusal.reason, Reason::IssuerMismatch | Reason::ProviderUnavailable), "{refusal:?}");
        assert_eq!(world.calls(), ["openid-configuration"], "no key was fetched");
    }
    let world = World::new();
    world.script(|script| script.unreachable = true);
    let refusal = world.oidc.start(&ctx(), &google(), &Hints::default()).await.map(|_| ()).unwrap_err();
    assert_eq!(refusal.reason, Reason::ProviderUnavailable);
}

#[tokio::test]
async fn documents_and_keys_age_by_the_wall_clock() {
    let world = World::new();
    let at = |minutes: i64| ctx_at(now() + SignedDuration::from_mins(minutes));
    let start = async |minutes: i64| drop(world.oidc.start(&at(minutes), &google(), &Hints::default()).await.unwrap());
    start(0).await;
    assert_eq!(world.calls(), ["openid-configuration", "keys"]);
    start(59).await;
    assert_eq!(world.calls(), Vec::<String>::new());
    // Frozen for an hour, with no timer to tell: the keys' max-age has gone by.
    start(60).await;
    assert_eq!(world.calls(), ["openid-configuration", "keys"]);
    start(59).await;
    assert_eq!(world.calls(), ["openid-configuration", "keys"], "a clock that went back makes the entry stale");
    for (header, fresh_after, stale_after) in
        [("no-store", 59, 60), ("max-age=1", 4, 5), ("max-age=999999999", 24 * 60 - 1, 24 * 60), ("s-maxage=1, MAX-AGE=7200", 119, 120)]
    {
        let world = World::new();
        world.script(|script| script.cache_control = header);
        let start = async |minutes: i64| drop(world.oidc.start(&at(minutes), &google(), &Hints::default()).await.unwrap());
        start(0).await;
        start(fresh_after).await;
        assert_eq!(world.calls().len(), 2, "{header}");
        start(stale_after).await;
        assert_eq!(world.calls().len(), 2, "{header}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_known_is_looked_for_once_a_minute() {
    let world = World::new();
    let started = world.oidc.start(&ctx(), &google(), &Hints::default()).await.unwrap();
    let claims = world.claims(&google(), &started.nonce, now());
    let rotated = SigningKey::new("k2");
    let token = rotated.token(&json!({"alg": "RS256", "kid": "k2"}), &claims);
    world.calls();
    world.script(|script| script.keys.push(rotated.jwk()));
    // 30 s after the keys were fetched: not yet.
    let soon = ctx_at(now() + SignedDuration::from_secs(30));
    assert_eq!(world.finish(&soon, &google(), &started, token.clone()).await.unwrap_err().reason, Reason::SignatureInvalid);
    assert_eq!(world.calls(), ["token"]);
    let later = ctx_at(now() + SignedDuration::from_secs(60));
    assert!(world.finish(&later, &google(), &started, token).await.is_ok());
    assert_eq!(world.calls(), ["token", "keys"]);
    // A stream of forged names makes one fetch a minute.
    let unknown = rotated.token(&json!({"alg": "RS256", "kid": "k3"}), &claims);
    for _ in 0..20 {
        assert!(world.finish(&later, &google(), &started, unknown.clone()).await.is_err());
    }
    assert!(world.calls().iter().all(|call| call == "token"));
}

#[tokio::test]
async fn what_was_exported_comes_back_with_its_keys() {
    let world = World::new();
    let started = world.oidc.start(&ctx(), &google(), &Hints::default()).await.unwrap();
    let stored = serde_json::to_string(&world.oidc.cache().export(GOOGLE).unwrap()).unwrap();
    let cold = World { key: world.key, ..World::new() };
    cold.oidc.cache().import(serde_json::from_str(&stored).unwrap());
    let token = cold.key.token(&json!({"alg": "RS256", "kid": "k1"}), &cold.claims(&google(), &started.nonce, now()));
    assert!(cold.finish(&ctx(), &google(), &started, token).await.is_ok());
    assert_eq!(cold.calls(), ["token"], "neither document nor keys were fetched again");
    assert!(cold.oidc.cache().export("https://other.example").is_none());
}
