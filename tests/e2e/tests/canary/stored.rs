//! Every item of the table, as bytes to be searched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coportal_local::run::LocalRun;
use http::Request;
use serde_json::{Value, json};

/// One item: its key, its strings, and its binary values as they are stored (the sealed ones are ciphertext).
pub(crate) async fn items(local: &LocalRun) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut start = Value::Null;
    loop {
        let mut scan = json!({"TableName": local.cloud.cloud.table().name()});
        if !start.is_null() {
            scan["ExclusiveStartKey"] = start;
        }
        let request = Request::post("/")
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20260301T090000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=local/20260301/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00",
            )
            .body(Bytes::from(scan.to_string()))
            .unwrap();
        let answer = local.cloud.cloud.table().handle(request).await;
        assert_eq!(answer.status().as_u16(), 200, "{:?}", answer.body());
        let page: Value = serde_json::from_slice(answer.body()).unwrap();
        for item in page["Items"].as_array().unwrap() {
            let mut bytes = Vec::new();
            gather(item, &mut bytes);
            all.push((format!("{} {}", item["pk"]["S"], item["sk"]["S"]), bytes));
        }
        start = page.get("LastEvaluatedKey").cloned().unwrap_or_default();
        if start.is_null() {
            return all;
        }
    }
}

fn gather(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("B", Value::String(text)) => {
                        let bytes = STANDARD.decode(text).unwrap();
                        inflate(&bytes, into);
                        into.extend(bytes);
                    }
                    _ => {
                        into.extend(name.as_bytes());
                        gather(value, into);
                    }
                }
                into.push(b'\n');
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| gather(entry, into)),
        Value::String(text) => into.extend(text.as_bytes()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A compressed value is searched in its plain form too.
fn inflate(bytes: &[u8], into: &mut Vec<u8>) {
    use std::io::Read as _;
    let mut plain = Vec::new();
    if flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut plain).is_ok() {
        into.extend(plain);
    }
}
