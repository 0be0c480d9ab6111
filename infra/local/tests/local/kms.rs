//! The key double: through the SDK, and raw where the SDK would not go.

use crate::support;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::operation::generate_data_key::GenerateDataKeyError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeySpec, MessageType, SigningAlgorithmSpec};
use coportal_local::assembly::LocalCloud;
use coportal_local::clock::Clock;
use coportal_local::doubles::kms::{Kms, KmsError};
use coportal_local::template::{DEPLOYED, Key, Template};
use serde_json::{Value, json};

const CONTEXT: [(&str, &str); 5] =
    [("workspace", "ws_1"), ("ledger", "xero"), ("organisation", "org_1"), ("gen", "1"), ("purpose", "vendor_token")];

fn context(changed: &[(&str, Option<&str>)]) -> std::collections::HashMap<String, String> {
    let mut all: std::collections::HashMap<String, String> =
        CONTEXT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in changed {
        match value {
            Some(value) => all.insert((*name).to_owned(), (*value).to_owned()),
            None => all.remove(*name),
        };
    }
    all
}

async fn data_key(local: &LocalCloud) -> (String, Vec<u8>, Vec<u8>) {
    let arn = local.cloud.kms().arn("TokenKey").unwrap();
    let made = support::kms(&local.cloud)
        .generate_data_key()
        .key_id(&arn)
        .key_spec(DataKeySpec::Aes256)
        .set_encryption_context(Some(context(&[])))
        .send()
        .await
        .unwrap();
    (arn, made.plaintext.unwrap().into_inner(), made.ciphertext_blob.unwrap().into_inner())
}

#[tokio::test]
async fn a_data_key_is_unwrapped_under_the_same_context_in_any_order() {
    let local = support::local();
    let (arn, plaintext, blob) = data_key(&local).await;
    assert_eq!(plaintext.len(), 32);
    assert!(!blob.windows(8).any(|part| plaintext.windows(8).any(|secret| secret == part)));
    let mut reversed = CONTEXT.to_vec();
    reversed.reverse();
    let ordered: String = reversed.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect::<Vec<_>>().join(",");
    let request = format!(
        "{{\"CiphertextBlob\":\"{}\",\"EncryptionContext\":{{{ordered}}}}}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &blob)
    );
    let request: Value = serde_json::from_str(&request).unwrap();
    let (status, opened) = support::ask(&local.cloud, "TrentService.Decrypt", request).await;
    assert_eq!(status, 200, "{opened}");
    assert_eq!(opened["KeyId"], arn);

    let opened = support::kms(&local.cloud)
        .decrypt()
        .key_id(&arn)
        .ciphertext_blob(Blob::new(blob))
        .set_encryption_context(Some(context(&[])))
        .send()
        .await
        .unwrap();
    assert_eq!(opened.plaintext.unwrap().into_inner(), plaintext);
    assert_eq!(local.cloud.kms().calls(), support::counts(&[("Decrypt", 2), ("GenerateDataKey", 1)]));
}

#[tokio::test]
async fn the_key_policy_denies_both_calls_without_workspace_ledger_or_purpose() {
    let local = support::local();
    let (arn, _, blob) = data_key(&local).await;
    let kms = support::kms(&local.cloud);
    for absent in ["workspace", "ledger", "purpose"] {
        let lacking = Some(context(&[(absent, None)]));
        let made = kms.generate_data_key().key_id(&arn).key_spec(DataKeySpec::Aes256).set_encryption_context(lacking.clone());
        let made = made.send().await.unwrap_err().into_service_error();
        assert_eq!(aws_sdk_kms::error::ProvideErrorMetadata::code(&made), Some("AccessDeniedException"), "{absent}");
        let opened = kms.decrypt().ciphertext_blob(Blob::new(blob.clone())).set_encryption_context(lacking);
        let opened = opened.send().await.unwrap_err().into_service_error();
        assert_eq!(aws_sdk_kms::error::ProvideErrorMetadata::code(&opened), Some("AccessDeniedException"), "{absent}");
    }
    // The key of the table is used with another context, and has no such denial.
    let table_key = local.cloud.kms().arn("TableKey").unwrap();
    kms.generate_data_key().key_id(table_key).key_spec(DataKeySpec::Aes256).send().await.unwrap();
}

#[tokio::test]
async fn another_context_or_one_changed_byte_opens_nothing() {
    let local = support::local();
    let (_, _, blob) = data_key(&local).await;
    let kms = support::kms(&local.cloud);
    let refused = |blob: Vec<u8>, context| {
        let sent = kms.decrypt().ciphertext_blob(Blob::new(blob)).set_encryption_context(Some(context));
        async move { sent.send().await.unwrap_err().into_service_error() }
    };
    let swaps: [&[(&str, Option<&str>)]; 6] = [
        &[("workspace", Some("ws_2"))],
        &[("organisation", Some("org_2"))],
        &[("gen", Some("2"))],
        &[("gen", None)],
        &[("extra", Some("x"))],
        &[("organisation", Some("1")), ("gen", Some("org_1"))],
    ];
    for swap in swaps {
        let error = refused(blob.clone(), context(swap)).await;
        assert!(matches!(error, DecryptError::InvalidCiphertextException(_)), "{swap:?} {error:?}");
    }
    for at in 0..blob.len() {
        let mut tampered = blob.clone();
        tampered[at] ^= 1;
        let error = refused(tampered, context(&[])).await;
        assert!(matches!(error, DecryptError::InvalidCiphertextException(_)), "byte {at}: {error:?}");
    }
    for length in 0..blob.len() {
        if length == 0 {
            continue;
        }
        let error = refused(blob[..length].to_vec(), context(&[])).await;
        assert!(matches!(error, DecryptError::InvalidCiphertextException(_)), "length {length}: {error:?}");
    }
}

#[tokio::test]
async fn keys_that_are_unknown_or_others_are_told_apart() {
    let local = support::local();
    let (_, _, blob) = data_key(&local).await;
    let kms = support::kms(&local.cloud);
    let unknown = "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000000";
    let made = kms.generate_data_key().key_id(unknown).key_spec(DataKeySpec::Aes256).send().await.unwrap_err();
    assert!(matches!(made.into_service_error(), GenerateDataKeyError::NotFoundException(_)));
    let opened = kms.decrypt().key_id(unknown).ciphertext_blob(Blob::new(blob.clone())).send().await.unwrap_err();
    assert!(matches!(opened.into_service_error(), DecryptError::NotFoundException(_)));
    let other = local.cloud.kms().arn("TableKey").unwrap();
    let sent = kms.decrypt().key_id(other).ciphertext_blob(Blob::new(blob)).set_encryption_context(Some(context(&[])));
    assert!(matches!(sent.send().await.unwrap_err().into_service_error(), DecryptError::IncorrectKeyException(_)));
    assert!(kms.describe_key().key_id(unknown).send().await.unwrap_err().into_service_error().is_not_found_exception());
}

fn with_signing_key() -> Kms {
    let mut keys = Template::parse(DEPLOYED).unwrap().keys;
    keys.insert("SigningKey".to_owned(), Key { spec: "ECC_NIST_P256".to_owned(), statements: Vec::new() });
    Kms::in_memory(&keys, &support::clock()).unwrap()
}

fn signing() -> (aws_sdk_kms::Client, String, LocalCloud) {
    let mut local = support::local();
    let kms = with_signing_key();
    let arn = kms.arn("SigningKey").unwrap();
    local.cloud = coportal_local::aws_endpoint::Cloud::new(
        local.clock.clone(),
        local.cloud.table().clone(),
        kms,
        local.cloud.sqs().clone(),
        local.cloud.ssm().clone(),
    );
    (support::kms(&local.cloud), arn, local)
}

#[tokio::test]
async fn a_signature_verifies_under_the_published_key() {
    let (kms, arn, local) = signing();
    let published = kms.get_public_key().key_id(&arn).send().await.unwrap();
    assert_eq!(published.key_spec, Some(KeySpec::EccNistP256));
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, published.public_key.unwrap().into_inner());
    let message = b"what is signed";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message);
    for (kind, sent) in [(MessageType::Raw, message.as_slice()), (MessageType::Digest, digest.as_ref())] {
        let signed = kms.sign().key_id(&arn).message(Blob::new(sent)).message_type(kind);
        let signed = signed.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await.unwrap();
        key.verify(message, signed.signature.unwrap().as_ref()).unwrap();
    }
    let described = kms.describe_key().key_id(&arn).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(described.key_spec, Some(KeySpec::EccNistP256));
    assert_eq!(described.creation_date.unwrap().secs(), local.clock.now().as_second());
}

#[tokio::test]
async fn a_key_is_used_for_its_own_usage_alone() {
    let (kms, arn, local) = signing();
    let wrapped = kms.generate_data_key().key_id(&arn).key_spec(DataKeySpec::Aes256).send().await.unwrap_err();
    assert!(matches!(wrapped.into_service_error(), GenerateDataKeyError::InvalidKeyUsageException(_)));
    let token_key = local.cloud.kms().arn("TokenKey").unwrap();
    let signed = kms.sign().key_id(&token_key).message(Blob::new("m")).signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
    assert!(signed.send().await.unwrap_err().into_service_error().is_invalid_key_usage_exception());
    let public = kms.get_public_key().key_id(&token_key).send().await.unwrap_err().into_service_error();
    assert!(public.is_invalid_key_usage_exception());
    let other = kms.sign().key_id(&arn).message(Blob::new("m")).signing_algorithm(SigningAlgorithmSpec::EcdsaSha384);
    assert!(other.send().await.unwrap_err().into_service_error().is_invalid_key_usage_exception());
    for (message, kind) in [(vec![0; 4097], "RAW"), (vec![0; 31], "DIGEST")] {
        let sent = kms.sign().key_id(&arn).message(Blob::new(message)).message_type(kind.into());
        let error = sent.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await.unwrap_err().into_service_error();
        assert_eq!(aws_sdk_kms::error::ProvideErrorMetadata::code(&error), Some("ValidationException"));
    }
}

#[tokio::test]
async fn what_is_not_modelled_is_said_and_not_retried() {
    let local = support::local();
    let arn = local.cloud.kms().arn("TokenKey").unwrap();
    let asked: [(&str, Value); 7] = [
        ("Encrypt", json!({"KeyId": arn, "Plaintext": "AA=="})),
        ("GenerateDataKey", json!({"KeyId": arn, "KeySpec": "AES_256", "DryRun": true})),
        ("GenerateDataKey", json!({"KeyId": arn, "NumberOfBytes": 32})),
        ("GenerateDataKey", json!({"KeyId": arn, "KeySpec": "AES_128", "EncryptionContext": context(&[])})),
        ("DescribeKey", json!({"KeyId": "alias/coportal"})),
        ("Decrypt", json!({"CiphertextBlob": "AA==", "GrantTokens": ["x"]})),
        ("Decrypt", json!({"CiphertextBlob": "AA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"})),
    ];
    for (operation, request) in asked {
        let (status, body) = support::ask(&local.cloud, &format!("TrentService.{operation}"), request.clone()).await;
        assert_eq!((status, body["__type"].as_str()), (501, Some("NotModelledException")), "{operation} {request}");
        assert!(body["message"].as_str().unwrap().starts_with("not modelled"));
    }
    let encrypted = support::kms(&local.cloud).encrypt().key_id(&arn).plaintext(Blob::new("x")).send().await;
    assert!(encrypted.is_err());
    assert_eq!(local.cloud.kms().calls()["Encrypt"], 2, "the SDK did not repeat it");

    for (request, kind) in [
        (json!({"KeyId": arn, "EncryptionContext": context(&[])}), "ValidationException"),
        (json!({"KeyId": 7}), "SerializationException"),
        (json!({"KeyId": arn, "EncryptionContext": {"workspace": 1}}), "SerializationException"),
        (json!([]), "SerializationException"),
    ] {
        let (status, body) = support::ask(&local.cloud, "TrentService.GenerateDataKey", request).await;
        assert_eq!((status, body["__type"].as_str()), (400, Some(kind)));
    }
    let (_, body) = support::ask(&local.cloud, "TrentService.Decrypt", json!({"CiphertextBlob": "%"})).await;
    assert_eq!(body["__type"], "SerializationException");
}

#[test]
fn a_denial_that_is_not_understood_is_no_denial_at_all_and_therefore_refused() {
    for (from, to) in [
        ("kms:EncryptionContext:workspace: \"true\"", "kms:EncryptionContext:workspace: \"false\""),
        ("kms:EncryptionContext:workspace: \"true\"", "aws:PrincipalTag/team: \"true\""),
        ("              \"Null\":", "              StringNotLike:"),
    ] {
        let keys = Template::parse(&DEPLOYED.replacen(from, to, 1)).unwrap().keys;
        let refused = Kms::in_memory(&keys, &Clock::system()).err().unwrap();
        assert!(matches!(&refused, KmsError::Policy(problem) if problem.element.contains("ContextNamesWorkspace")), "{refused}");
    }
}

#[tokio::test]
async fn kept_keys_open_tomorrow_what_was_sealed_today() {
    let folder = std::env::temp_dir().join(format!("coportal-local-kms-{}", std::process::id()));
    let first = LocalCloud::open("http://127.0.0.1:1", Some(&folder), support::clock()).unwrap();
    let (arn, plaintext, blob) = data_key(&first).await;
    drop(first);
    let second = LocalCloud::open("http://127.0.0.1:1", Some(&folder), support::clock()).unwrap();
    assert_eq!(second.cloud.kms().arn("TokenKey").unwrap(), arn);
    let sent = support::kms(&second.cloud).decrypt().ciphertext_blob(Blob::new(blob)).set_encryption_context(Some(context(&[])));
    assert_eq!(sent.send().await.unwrap().plaintext.unwrap().into_inner(), plaintext);
    drop(second);

    let keys = folder.join("keys.json");
    std::fs::write(&keys, "{\"TokenKey\": 1}").unwrap();
    let shapes = Template::parse(DEPLOYED).unwrap().keys;
    assert!(matches!(Kms::kept(&shapes, &support::clock(), &keys).err().unwrap(), KmsError::Damaged { .. }));
    assert!(matches!(Kms::kept(&shapes, &support::clock(), &folder).err().unwrap(), KmsError::Kept { .. }));
    std::fs::remove_dir_all(&folder).unwrap();
}
