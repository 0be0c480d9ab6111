//! The Key Management Service: `GenerateDataKey`, `Decrypt`, `DescribeKey`, `GetPublicKey`, `Sign` (AWS KMS API Reference).
//!
//! Encryption is real: AES-256-GCM with the encryption context as associated data. Key policies come from the template; a denial is
//! enforced as KMS does (AWS KMS Developer Guide, "Condition keys": `kms:EncryptionContext:context-key`).

mod key;
mod policy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use crate::aws_json::{self, ACCOUNT, Failure};
use crate::clock::Clock;
use crate::template::{self, TemplateError};

use key::{Key, Material};

/// Prefix of `X-Amz-Target`.
pub const TARGET: &str = "TrentService";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// KMS signs messages of at most this many bytes; longer ones are digested by the caller.
const MAX_MESSAGE: usize = 4096;

/// Why the double could not be built.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// The key policy in the template holds what the double does not model.
    #[error(transparent)]
    Policy(#[from] TemplateError),
    /// The kept keys could not be read or written.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kept keys are damaged.
    #[error("{} is not a file of kept keys", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No key could be made.
    #[error("a key could not be generated")]
    Generation,
}

/// The double. Clones share keys and counts.
#[derive(Clone)]
pub struct Kms {
    keys: Arc<BTreeMap<String, Key>>,
    calls: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Kms {
    /// A key for each of the template's, generated now and gone with the process.
    ///
    /// # Errors
    /// When a key policy holds what is not modelled, or no randomness is to be had.
    pub fn in_memory(keys: &BTreeMap<String, template::Key>, clock: &Clock) -> Result<Self, KmsError> {
        Self::with(keys, clock, &mut BTreeMap::new())
    }

    /// The same, with the keys kept in a file.
    ///
    /// # Errors
    /// As [`Kms::in_memory`], and when the file cannot be read or written.
    pub fn kept(keys: &BTreeMap<String, template::Key>, clock: &Clock, path: &Path) -> Result<Self, KmsError> {
        let io = |source| KmsError::Kept { path: path.to_owned(), source };
        let damaged = || KmsError::Damaged { path: path.to_owned() };
        let mut kept: BTreeMap<String, key::Kept> = match crate::kept::read(path).map_err(io)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| damaged())?,
            None => BTreeMap::new(),
        };
        let known = kept.len();
        let kms = Self::with(keys, clock, &mut kept).map_err(|error| {
            // A key that was kept and cannot be used is a damaged file, not a lack of chance.
            if known > 0 && matches!(error, KmsError::Generation) { damaged() } else { error }
        })?;
        if kept.len() != known {
            let bytes = serde_json::to_vec_pretty(&kept).map_err(|_| damaged())?;
            crate::kept::write(path, &bytes).map_err(io)?;
        }
        Ok(kms)
    }

    fn with(keys: &BTreeMap<String, template::Key>, clock: &Clock, kept: &mut BTreeMap<String, key::Kept>) -> Result<Self, KmsError> {
        let mut made = BTreeMap::new();
        for (logical_id, shape) in keys {
            let denials = policy::denials(logical_id, &shape.statements)?;
            let stored = match kept.get(logical_id) {
                Some(stored) => stored.clone(),
                None => {
                    let fresh = key::Kept::generate(&shape.spec, clock.now()).ok_or(KmsError::Generation)?;
                    kept.insert(logical_id.clone(), fresh.clone());
                    fresh
                }
            };
            let key = Key::open(&stored, denials).ok_or(KmsError::Generation)?;
            made.insert(logical_id.clone(), key);
        }
        Ok(Self { keys: Arc::new(made), calls: Arc::default() })
    }

    /// ARN of the template's key of this logical id.
    #[must_use]
    pub fn arn(&self, logical_id: &str) -> Option<String> {
        self.keys.get(logical_id).map(Key::arn)
    }

    /// Calls so far, by operation.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a request.
    #[expect(clippy::unused_async, reason = "one shape for all handlers of the local cloud")]
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        aws_json::answer(CONTENT_TYPE, self.respond(&request))
    }

    fn respond(&self, request: &Request<Bytes>) -> Result<Value, Failure> {
        aws_json::admit(request)?;
        let operation = aws_json::operation(request.headers(), TARGET)
            .ok_or_else(|| Failure::client("UnknownOperationException", "no X-Amz-Target"))?;
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(operation.to_owned()).or_default() += 1;
        let body = request.body();
        match operation {
            "GenerateDataKey" => self.generate_data_key(body),
            "Decrypt" => self.decrypt(body),
            "DescribeKey" => self.describe_key(body),
            "GetPublicKey" => self.get_public_key(body),
            "Sign" => self.sign(body),
            other => Err(Failure::not_modelled(format_args!("kms:{other}"))),
        }
    }

    /// The key of an id or an ARN.
    fn key(&self, name: &str) -> Result<&Key, Failure> {
        if name.starts_with("alias/") || name.contains(":alias/") {
            return Err(Failure::not_modelled("aliases of keys"));
        }
        self.keys.values().find(|key| key.id.to_string() == name || key.arn() == name).ok_or_else(|| not_found(name))
    }

    fn generate_data_key(&self, body: &Bytes) -> Result<Value, Failure> {
        let members = aws_json::members(body, &["KeyId", "KeySpec", "EncryptionContext"])?;
        let key = self.key(aws_json::required_text(&members, "KeyId")?)?;
        let context = context(&members)?;
        key.refuse("kms:GenerateDataKey", &context)?;
        if aws_json::required_text(&members, "KeySpec")? != "AES_256" {
            return Err(Failure::not_modelled("data keys other than AES_256"));
        }
        let mut plaintext = [0_u8; 32];
        crate::chance::fill(&mut plaintext).map_err(|_| Failure::internal("no randomness"))?;
        Ok(json!({
            "KeyId": key.arn(),
            "Plaintext": STANDARD.encode(plaintext),
            "CiphertextBlob": STANDARD.encode(key.seal(&plaintext, &context)?),
        }))
    }

    fn decrypt(&self, body: &Bytes) -> Result<Value, Failure> {
        let members = aws_json::members(body, &["CiphertextBlob", "EncryptionContext", "KeyId", "EncryptionAlgorithm"])?;
        if aws_json::text(&members, "EncryptionAlgorithm")?.is_some_and(|name| name != "SYMMETRIC_DEFAULT") {
            return Err(Failure::not_modelled("encryption algorithms other than SYMMETRIC_DEFAULT"));
        }
        let blob = binary(&members, "CiphertextBlob")?;
        let key_id = key::key_id_of(&blob).ok_or_else(invalid_ciphertext)?;
        let named = aws_json::text(&members, "KeyId")?.map(|name| self.key(name)).transpose()?;
        let key = self.keys.values().find(|key| key.id == key_id).ok_or_else(invalid_ciphertext)?;
        if named.is_some_and(|named| named.id != key.id) {
            return Err(Failure::client(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.",
            ));
        }
        let context = context(&members)?;
        key.refuse("kms:Decrypt", &context)?;
        let plaintext = key.open_sealed(&blob, &context).ok_or_else(invalid_ciphertext)?;
        Ok(json!({
            "KeyId": key.arn(),
            "Plaintext": STANDARD.encode(plaintext),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        }))
    }

    fn describe_key(&self, body: &Bytes) -> Result<Value, Failure> {
        let members = aws_json::members(body, &["KeyId"])?;
        let key = self.key(aws_json::required_text(&members, "KeyId")?)?;
        let mut metadata = json!({
            "AWSAccountId": ACCOUNT,
            "KeyId": key.id.to_string(),
            "Arn": key.arn(),
            "CreationDate": key.created.as_second(),
            "Enabled": true,
            "KeyState": "Enabled",
            "KeyManager": "CUSTOMER",
            "Origin": "AWS_KMS",
            "MultiRegion": false,
            "KeyUsage": key.material.usage(),
            "KeySpec": key.material.spec(),
            "CustomerMasterKeySpec": key.material.spec(),
        });
        let algorithms = match key.material {
            Material::Symmetric(_) => json!({"EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"]}),
            Material::EccP256(_) => json!({"SigningAlgorithms": ["ECDSA_SHA_256"]}),
        };
        if let (Some(target), Some(more)) = (metadata.as_object_mut(), algorithms.as_object()) {
            target.extend(more.clone());
        }
        Ok(json!({"KeyMetadata": metadata}))
    }

    fn get_public_key(&self, body: &Bytes) -> Result<Value, Failure> {
        let members = aws_json::members(body, &["KeyId"])?;
        let key = self.key(aws_json::required_text(&members, "KeyId")?)?;
        Ok(json!({
            "KeyId": key.arn(),
            "PublicKey": STANDARD.encode(key.public_key()?),
            "KeySpec": key.material.spec(),
            "CustomerMasterKeySpec": key.material.spec(),
            "KeyUsage": key.material.usage(),
            "SigningAlgorithms": ["ECDSA_SHA_256"],
        }))
    }

    fn sign(&self, body: &Bytes) -> Result<Value, Failure> {
        let members = aws_json::members(body, &["KeyId", "Message", "MessageType", "SigningAlgorithm"])?;
        let key = self.key(aws_json::required_text(&members, "KeyId")?)?;
        let algorithm = aws_json::required_text(&members, "SigningAlgorithm")?;
        let message = binary(&members, "Message")?;
        if message.is_empty() || message.len() > MAX_MESSAGE {
            return Err(Failure::client(
                "ValidationException",
                format!(
                    "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length between 1 and {MAX_MESSAGE}"
                ),
            ));
        }
        if algorithm != "ECDSA_SHA_256" {
            return Err(Failure::client(
                "InvalidKeyUsageException",
                format!("Algorithm {algorithm} is incompatible with key spec {}.", key.material.spec()),
            ));
        }
        let signature = match aws_json::text(&members, "MessageType")?.unwrap_or("RAW") {
            "RAW" => key.sign(&message)?,
            "DIGEST" => key.sign_digest(&message)?,
            other => return Err(Failure::not_modelled(format_args!("the message type {other}"))),
        };
        Ok(json!({
            "KeyId": key.arn(),
            "Signature": STANDARD.encode(signature),
            "SigningAlgorithm": algorithm,
        }))
    }
}

fn not_found(name: &str) -> Failure {
    Failure::client("NotFoundException", format!("Key '{name}' does not exist"))
}

/// KMS gives no reason: a wrong context and a damaged blob look alike.
fn invalid_ciphertext() -> Failure {
    Failure::client("InvalidCiphertextException", "")
}

fn context(members: &Map<String, Value>) -> Result<BTreeMap<String, String>, Failure> {
    let malformed = || Failure::client("SerializationException", "EncryptionContext must map text to text");
    match members.get("EncryptionContext") {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(value) => value
            .as_object()
            .ok_or_else(malformed)?
            .iter()
            .map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(malformed)?.to_owned())))
            .collect(),
    }
}

fn binary(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Failure> {
    STANDARD
        .decode(aws_json::required_text(members, name)?)
        .map_err(|_| Failure::client("SerializationException", format!("{name} is not base64")))
}
