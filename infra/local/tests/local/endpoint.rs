//! The AWS endpoint: what it tells apart, what it counts, the parameter double behind it, and the issuer.

use crate::support;
use coportal_local::issuer::{Grant, Issuer, IssuerError};
use http::Request;
use jiff::SignedDuration;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

#[tokio::test]
async fn parameters_are_found_decrypted_and_the_unknown_named() {
    let local = support::local();
    let ssm = local.cloud.ssm();
    ssm.put_text("/coportal/xero/client-id", "id-1");
    ssm.put_secure("/coportal/xero/client-secret", "secret-1");
    ssm.put_secure("/coportal/xero/client-secret", "secret-2");
    let client = support::ssm(&local.cloud);
    let ask = |decrypt: bool| {
        let names = ["/coportal/xero/client-id", "/coportal/xero/client-secret", "/none"].map(str::to_owned);
        client.get_parameters().set_names(Some(names.to_vec())).with_decryption(decrypt).send()
    };
    let open = ask(true).await.unwrap();
    assert_eq!(open.invalid_parameters(), ["/none"]);
    let values: Vec<(&str, i64)> = open.parameters().iter().map(|found| (found.value().unwrap(), found.version())).collect();
    assert_eq!(values, [("id-1", 1), ("secret-2", 2)]);
    let sealed = ask(false).await.unwrap();
    assert_eq!(sealed.parameters()[0].value(), Some("id-1"));
    assert!(!sealed.parameters()[1].value().unwrap().contains("secret-2"));
    assert_eq!(ssm.calls(), support::counts(&[("GetParameters", 2)]));
}

#[tokio::test]
async fn parameters_are_refused_as_aws_refuses_them() {
    let local = support::local();
    let eleven: Vec<String> = (0..11).map(|number| format!("/p/{number}")).collect();
    for (request, status, kind) in [
        (json!({"Names": eleven}), 400, "ValidationException"),
        (json!({"Names": []}), 400, "ValidationException"),
        (json!({}), 400, "ValidationException"),
        (json!({"Names": ["/a", "/a"]}), 400, "ValidationException"),
        (json!({"Names": ["/a:3"]}), 501, "NotModelledException"),
        (json!({"Names": ["/a"], "MaxResults": 1}), 501, "NotModelledException"),
    ] {
        let (found, body) = support::ask(&local.cloud, "AmazonSSM.GetParameters", request.clone()).await;
        assert_eq!((found, body["__type"].as_str()), (status, Some(kind)), "{request}");
    }
    let (status, _) = support::ask(&local.cloud, "AmazonSSM.PutParameter", json!({})).await;
    assert_eq!(status, 501);
}

#[tokio::test]
async fn calls_are_counted_and_logged_by_operation() {
    let local = support::local();
    let cloud = &local.cloud;
    support::ask(cloud, "DynamoDB_20120810.ListTables", json!({})).await;
    support::ask(cloud, "DynamoDBStreams_20120810.ListStreams", json!({})).await;
    local.clock.advance(SignedDuration::from_secs(5));
    support::ask(cloud, "TrentService.DescribeKey", json!({"KeyId": "none"})).await;
    support::ask(cloud, "DynamoDB_20120810.ListTables", json!({})).await;
    assert_eq!(cloud.calls(), support::counts(&[("dynamodb:ListStreams", 1), ("dynamodb:ListTables", 2), ("kms:DescribeKey", 1)]));
    let log = cloud.call_log();
    assert_eq!((log[2].status, log[2].error.as_deref()), (400, Some("NotFoundException")));
    assert_eq!(log[2].at.duration_since(log[1].at), SignedDuration::from_secs(5));
    assert_eq!(log[3].error, None);
    cloud.forget_calls();
    assert!(cloud.calls().is_empty());
}

#[tokio::test]
async fn a_request_without_a_whole_signature_is_refused_by_every_service() {
    let cloud = support::local().cloud;
    for target in ["DynamoDB_20120810.ListTables", "TrentService.DescribeKey", "AmazonSSM.GetParameters"] {
        let mut request = support::call(target, &json!({}));
        request.headers_mut().remove("authorization");
        let refused = cloud.handle(request).await;
        assert_eq!(
            (refused.status().as_u16(), support::body(&refused)["__type"].clone()),
            (400, json!("MissingAuthenticationTokenException"))
        );
        let mut request = support::call(target, &json!({}));
        request.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 Credential=local".parse().unwrap());
        let refused = cloud.handle(request).await;
        assert_eq!(support::body(&refused)["__type"], "IncompleteSignatureException");
    }
    for target in ["Kinesis_20131202.PutRecord", "TrentService", "nonsense"] {
        assert_eq!(cloud.handle(support::call(target, &json!({}))).await.status(), 501, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listener_serves_all_services_until_it_is_stopped() {
    let local = support::local();
    local.cloud.ssm().put_secure("/a", "value");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(local.cloud.clone().serve(listener, async { stopped.await.unwrap_or(()) }));
    let ssm = aws_sdk_ssm::Client::from_conf(
        aws_sdk_ssm::Config::builder()
            .behavior_version(aws_sdk_ssm::config::BehaviorVersion::latest())
            .region(aws_sdk_ssm::config::Region::new("eu-west-1"))
            .credentials_provider(aws_credential_types::Credentials::from_keys("local", "local", None))
            .endpoint_url(&address)
            .build(),
    );
    let found = ssm.get_parameters().names("/a").with_decryption(true).send().await.unwrap();
    assert_eq!(found.parameters()[0].value(), Some("value"));
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(aws_sdk_dynamodb::config::Region::new("eu-west-1"))
            .credentials_provider(aws_credential_types::Credentials::from_keys("local", "local", None))
            .endpoint_url(&address)
            .build(),
    );
    assert_eq!(dynamodb.list_tables().send().await.unwrap().table_names(), ["coportal"]);
    drop((ssm, dynamodb));
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert_eq!(local.cloud.calls(), support::counts(&[("dynamodb:ListTables", 1), ("ssm:GetParameters", 1)]));
}

const MEMBER: Grant<'static> = Grant {
    sub: "usr_1",
    ws: Some("ws_1"),
    sid: Some("ses_1"),
    aud: "coportal",
    typ: "session+jwt",
    scope: None,
    amr: &["pwd"],
    ttl: SignedDuration::from_hours(12),
};

fn verified(issuer: &Issuer, token: &str) -> Value {
    let keys: JwkSet = serde_json::from_value(issuer.jwks().clone()).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let jwk = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["coportal", "coportal/service"]);
    validation.set_issuer(&[issuer.iss()]);
    validation.validate_exp = false;
    let mut claims: Value = jsonwebtoken::decode(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap().claims;
    claims["header_typ"] = json!(header.typ);
    claims
}

#[tokio::test]
async fn a_token_verifies_under_the_published_keys_and_says_what_was_asked() {
    let clock = support::clock();
    let issuer = Issuer::in_memory("http://127.0.0.1:8787", clock.clone()).unwrap();
    let now = clock.now().as_second();
    assert_eq!(
        verified(&issuer, &issuer.mint(&MEMBER).unwrap()),
        json!({
            "iss": "http://127.0.0.1:8787/__local", "aud": "coportal", "typ": "session+jwt", "header_typ": "session+jwt",
            "sub": "usr_1", "ws": "ws_1", "sid": "ses_1", "amr": ["pwd"], "iat": now, "exp": now + 43_200,
        })
    );
    let service = Grant { ws: None, sid: None, aud: "coportal/service", typ: "service+jwt", scope: Some("workspaces"), amr: &[], ..MEMBER };
    let claims = verified(&issuer, &issuer.mint(&service).unwrap());
    assert_eq!(claims["scope"], "workspaces");
    assert_eq!((claims.get("ws"), claims.get("sid"), claims.get("amr")), (None, None, None));

    let published = issuer.jwks()["keys"][0].clone();
    assert_eq!((published["kty"].as_str(), published["alg"].as_str(), published["use"].as_str()), (Some("EC"), Some("ES256"), Some("sig")));
    assert!(published.get("d").is_none());
    let mut service = issuer.router();
    let asked = Request::get("/__local/jwks.json").body(axum::body::Body::empty()).unwrap();
    let answer = tower::Service::call(&mut service, asked).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");

    let endless = Grant { ttl: SignedDuration::MAX, ..MEMBER };
    assert!(matches!(issuer.mint(&endless).unwrap_err(), IssuerError::Lifetime));
}

#[test]
fn a_kept_issuer_has_the_same_key_again_and_a_damaged_one_is_refused() {
    let folder = std::env::temp_dir().join(format!("coportal-local-issuer-{}", std::process::id()));
    let path = folder.join("issuer.json");
    let open = || Issuer::kept("http://127.0.0.1:8787", support::clock(), &path);
    let token = open().unwrap().mint(&MEMBER).unwrap();
    verified(&open().unwrap(), &token);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for damaged in ["", "{\"pkcs8\":\"AAAA\"}", "{\"pkcs8\":\"%\"}"] {
        std::fs::write(&path, damaged).unwrap();
        assert!(open().is_err(), "{damaged}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
