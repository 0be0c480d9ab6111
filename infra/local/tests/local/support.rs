//! What the tests of this crate share.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use bytes::Bytes;
use coportal_local::assembly::LocalCloud;
use coportal_local::aws_endpoint::Cloud;
use coportal_local::clock::Clock;
use http::{Request, Response};
use serde_json::Value;

pub(crate) const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=local/20260301/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00";

pub(crate) fn clock() -> Clock {
    Clock::fixed("2026-03-01T09:00:00Z".parse().unwrap())
}

pub(crate) fn local() -> LocalCloud {
    LocalCloud::open("http://127.0.0.1:8787", None, clock()).unwrap()
}

pub(crate) fn call(target: &str, body: &Value) -> Request<Bytes> {
    Request::post("/")
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260301T090000Z")
        .header("authorization", AUTHORIZATION)
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

pub(crate) fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("not JSON: {:?}", response.body()))
}

pub(crate) async fn ask(cloud: &Cloud, target: &str, request: Value) -> (u16, Value) {
    let response = cloud.handle(call(target, &request)).await;
    (response.status().as_u16(), body(&response))
}

fn credentials() -> Credentials {
    Credentials::from_keys("local", "local", None)
}

pub(crate) fn dynamodb(cloud: &Cloud) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(aws_sdk_dynamodb::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .endpoint_url("http://local-cloud")
            .http_client(coportal_local::sdk::http_client(cloud.clone()))
            .build(),
    )
}

pub(crate) fn kms(cloud: &Cloud) -> aws_sdk_kms::Client {
    aws_sdk_kms::Client::from_conf(
        aws_sdk_kms::Config::builder()
            .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
            .region(aws_sdk_kms::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .endpoint_url("http://local-cloud")
            .http_client(coportal_local::sdk::http_client(cloud.clone()))
            .build(),
    )
}

pub(crate) fn sqs(cloud: &Cloud) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .endpoint_url("http://local-cloud")
            .http_client(coportal_local::sdk::http_client(cloud.clone()))
            .build(),
    )
}

pub(crate) fn ssm(cloud: &Cloud) -> aws_sdk_ssm::Client {
    aws_sdk_ssm::Client::from_conf(
        aws_sdk_ssm::Config::builder()
            .behavior_version(aws_sdk_ssm::config::BehaviorVersion::latest())
            .region(aws_sdk_ssm::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .endpoint_url("http://local-cloud")
            .http_client(coportal_local::sdk::http_client(cloud.clone()))
            .build(),
    )
}

pub(crate) fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}
