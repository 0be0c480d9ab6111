//! The key that signs our own tokens: an ECC key of KMS (P-256), which nobody can read, not even we.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use coportal_core::ctx::Ctx;
use jiff::{SignedDuration, Timestamp};

use crate::error::StoreError;

/// How long the public key is used before KMS is asked again.
pub const PUBLIC_KEY_FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);

type Kept = Arc<Mutex<Option<(Arc<Vec<u8>>, Timestamp)>>>;

/// The signing key. Clones share the public key that was read.
#[derive(Clone)]
pub struct Signer {
    client: aws_sdk_kms::Client,
    key_id: String,
    public: Kept,
}

impl Signer {
    /// The key `key_id` (id or ARN), through an SDK client.
    #[must_use]
    pub fn new(client: aws_sdk_kms::Client, key_id: impl Into<String>) -> Self {
        Self { client, key_id: key_id.into(), public: Arc::default() }
    }

    /// Signs a message: ECDSA with SHA-256, as KMS gives it (DER). The message itself does not leave the process.
    ///
    /// # Errors
    /// When KMS does not answer.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, StoreError> {
        let digest = digest(&SHA256, message);
        let answer = self
            .client
            .sign()
            .key_id(&self.key_id)
            .message(Blob::new(digest.as_ref()))
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await
            .map_err(|error| StoreError::of("Sign", &error))?;
        let signature = answer.signature.map(Blob::into_inner);
        signature.ok_or_else(|| StoreError::corrupt("a signature", "KMS sent none"))
    }

    /// The public key: `SubjectPublicKeyInfo`, DER.
    ///
    /// # Errors
    /// When KMS does not answer.
    pub async fn public_key(&self, ctx: &Ctx) -> Result<Arc<Vec<u8>>, StoreError> {
        let now = ctx.now();
        if let Some((key, until)) = self.kept()
            && now < until
        {
            return Ok(key);
        }
        let answer =
            self.client.get_public_key().key_id(&self.key_id).send().await.map_err(|error| StoreError::of("GetPublicKey", &error))?;
        let key = answer.public_key.map(Blob::into_inner).ok_or_else(|| StoreError::corrupt("a public key", "KMS sent none"))?;
        let key = Arc::new(key);
        let until = now.saturating_add(PUBLIC_KEY_FRESH_FOR).unwrap_or(now);
        *self.public.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&key), until));
        Ok(key)
    }

    fn kept(&self) -> Option<(Arc<Vec<u8>>, Timestamp)> {
        self.public.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
