//! The token vault: AES-256-GCM under a data key from KMS.
//!
//! A grant has one data key, wrapped by KMS under an encryption context that names workspace, ledger, organisation, generation and
//! purpose. Each seal has a fresh nonce, and as associated data the same context, the field and `token_gen`. A ciphertext that is moved
//! to another row, field or generation is refused, and so is a flipped bit anywhere in the envelope.
//!
//! A refresh must never wait for KMS between the vendor's answer and the write: [`Vault::open`] hands out the data key, and
//! [`Vault::seal`] needs nothing else.

mod envelope;
pub mod under_state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::Problem;
use coportal_core::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::error::StoreError;

pub use envelope::Envelope;
use envelope::Sealed;

/// How long an unwrapped data key stays in a process.
pub const KEY_FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);
/// How often it is used before KMS is asked again.
pub const KEY_USES: u32 = 100;

/// Why the vault did not open or seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The envelope is not what was sealed for this context: moved, changed, or of another key.
    #[error("the envelope was refused: {0}")]
    Refused(&'static str),
    /// KMS could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Refused(_) => Self::internal_error(error),
            VaultError::Store(error) => error.into(),
        }
    }
}

/// What a sealed secret is for; part of the encryption context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Access and refresh token of a connection.
    Tokens,
    /// The PKCE verifier of a sign-in that has begun.
    Verifier,
    /// A grant that waits for a person's confirmation.
    ParkedGrant,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Verifier => "verifier",
            Self::ParkedGrant => "parked-grant",
        }
    }
}

/// What an envelope is bound to. `organisation` is [`PENDING`] until one is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SealContext {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The ledger.
    pub ledger: Ledger,
    /// The organisation.
    pub organisation: String,
    /// Its generation.
    pub generation: Generation,
    /// What for.
    pub purpose: Purpose,
}

/// The organisation in the context before one is chosen.
pub const PENDING: &str = "pending";

impl SealContext {
    /// The context of a connection's tokens.
    #[must_use]
    pub fn tokens(workspace: WorkspaceId, ledger: Ledger, organisation: &str, generation: Generation) -> Self {
        Self { workspace, ledger, organisation: organisation.to_owned(), generation, purpose: Purpose::Tokens }
    }

    /// The context of something that belongs to a sign-in, before any organisation is known.
    #[must_use]
    pub fn sign_in(workspace: WorkspaceId, ledger: Ledger, purpose: Purpose) -> Self {
        Self { workspace, ledger, organisation: PENDING.to_owned(), generation: Generation(0), purpose }
    }

    fn pairs(&self) -> [(&'static str, String); 5] {
        [
            ("workspace", self.workspace.to_string()),
            ("ledger", self.ledger.slug().to_owned()),
            ("organisation", self.organisation.clone()),
            ("generation", self.generation.to_string()),
            ("purpose", self.purpose.as_str().to_owned()),
        ]
    }

    fn for_kms(&self) -> HashMap<String, String> {
        self.pairs().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Associated data of one seal: each part with its length before it, so that no two lists of parts read alike.
    fn associated_data(&self, header: &[u8], field: &str, token_gen: u64) -> Vec<u8> {
        let token_gen = token_gen.to_be_bytes();
        let pairs = self.pairs();
        let parts = pairs.iter().map(|(_, value)| value.as_bytes()).chain([header, field.as_bytes(), token_gen.as_slice()]);
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// A data key in hand: sealing under it needs no call. Wiped when dropped.
pub struct DataKey {
    plain: Arc<Zeroizing<[u8; 32]>>,
    key_id: String,
    wrapped: Vec<u8>,
    context: SealContext,
}

/// One secret to seal, with the name of its field.
pub type Field<'a> = (&'static str, &'a Secret);

/// What an envelope held.
pub struct Opened {
    /// The secrets, by field.
    pub secrets: HashMap<String, Secret>,
    /// The data key, for the next seal of the same grant.
    pub key: DataKey,
}

impl Opened {
    /// Takes the secret of a field out.
    #[must_use]
    pub fn take(&mut self, field: &str) -> Option<Secret> {
        self.secrets.remove(field)
    }
}

struct CachedKey {
    plain: Arc<Zeroizing<[u8; 32]>>,
    until: Timestamp,
    uses_left: u32,
}

/// Wrapped key and context together name an unwrapped key: a hit under another context is impossible.
type CacheKey = (Vec<u8>, SealContext);

/// The vault. Clones share the cache of unwrapped data keys.
#[derive(Clone)]
pub struct Vault {
    client: aws_sdk_kms::Client,
    key_id: String,
    cache: Arc<Mutex<HashMap<CacheKey, CachedKey>>>,
}

impl Vault {
    /// A vault whose data keys are wrapped by the KMS key `key_id` (id or ARN).
    #[must_use]
    pub fn new(client: aws_sdk_kms::Client, key_id: impl Into<String>) -> Self {
        Self { client, key_id: key_id.into(), cache: Arc::default() }
    }

    /// A fresh data key for a context (KMS `GenerateDataKey`).
    ///
    /// # Errors
    /// When KMS does not answer, or refuses the context.
    pub async fn data_key(&self, ctx: &Ctx, context: &SealContext) -> Result<DataKey, VaultError> {
        let answer = self
            .client
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(context.for_kms()))
            .send()
            .await
            .map_err(|error| StoreError::of("GenerateDataKey", &error))?;
        let plain = plain_key(answer.plaintext)?;
        let wrapped = answer.ciphertext_blob.map(Blob::into_inner).ok_or(VaultError::Refused("KMS sent no wrapped key"))?;
        let key_id = answer.key_id.unwrap_or_else(|| self.key_id.clone());
        self.keep(ctx, &wrapped, context, &plain);
        Ok(DataKey { plain, key_id, wrapped, context: context.clone() })
    }

    /// Seals secrets under a data key. `token_gen` is the number of the token set (0 where there is only one). No call is made.
    ///
    /// # Errors
    /// When the cipher refuses: a secret of more than 2^36 bytes.
    pub fn seal(&self, ctx: &Ctx, key: &DataKey, token_gen: u64, fields: &[Field<'_>]) -> Result<Envelope, VaultError> {
        let header = envelope::header(&key.key_id, &key.wrapped);
        let cipher = cipher(&key.plain)?;
        let mut sealed = Vec::with_capacity(fields.len());
        for (field, secret) in fields {
            let nonce = ctx.random_bytes::<NONCE_LEN>();
            let mut text = secret.expose().as_bytes().to_vec();
            let aad = key.context.associated_data(&header, field, token_gen);
            cipher
                .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
                .map_err(|_| VaultError::Refused("a secret could not be sealed"))?;
            sealed.push(Sealed { field: (*field).to_owned(), nonce, text });
        }
        Ok(Envelope::new(&key.key_id, &key.wrapped, &sealed))
    }

    /// Opens an envelope that was sealed for this context and `token_gen`.
    ///
    /// # Errors
    /// When the envelope is not exactly that, or KMS does not answer.
    pub async fn open(&self, ctx: &Ctx, envelope: &Envelope, context: &SealContext, token_gen: u64) -> Result<Opened, VaultError> {
        let parts = envelope.read().ok_or(VaultError::Refused("it is no envelope of a known version"))?;
        let plain = self.unwrap(ctx, &parts.key_id, &parts.wrapped, context).await?;
        let header = envelope::header(&parts.key_id, &parts.wrapped);
        let cipher = cipher(&plain)?;
        let mut secrets = HashMap::new();
        for sealed in parts.sealed {
            let aad = context.associated_data(&header, &sealed.field, token_gen);
            let mut text = Zeroizing::new(sealed.text);
            let opened = cipher
                .open_in_place(Nonce::assume_unique_for_key(sealed.nonce), Aad::from(aad), &mut text)
                .map_err(|_| VaultError::Refused("its content was not sealed for this context"))?;
            let secret = std::str::from_utf8(opened).map_err(|_| VaultError::Refused("its content is no text"))?;
            secrets.insert(sealed.field, Secret::new(secret.to_owned()));
        }
        Ok(Opened { secrets, key: DataKey { plain, key_id: parts.key_id, wrapped: parts.wrapped, context: context.clone() } })
    }

    /// The unwrapped data key, from the cache or from KMS `Decrypt`. The key that wrapped it must be ours: KMS alone would take any
    /// key that the role may use.
    async fn unwrap(&self, ctx: &Ctx, key_id: &str, wrapped: &[u8], context: &SealContext) -> Result<Arc<Zeroizing<[u8; 32]>>, VaultError> {
        if let Some(plain) = self.cached(ctx, wrapped, context) {
            return Ok(plain);
        }
        let answer = self
            .client
            .decrypt()
            .key_id(key_id)
            .ciphertext_blob(Blob::new(wrapped))
            .set_encryption_context(Some(context.for_kms()))
            .send()
            .await
            .map_err(|error| {
                let refused = error.as_service_error().and_then(|error| error.meta().code()).is_some_and(is_refusal);
                if refused { VaultError::Refused("KMS refused the wrapped key") } else { StoreError::of("Decrypt", &error).into() }
            })?;
        if answer.key_id.as_deref() != Some(key_id) {
            return Err(VaultError::Refused("another key had wrapped it"));
        }
        let plain = plain_key(answer.plaintext)?;
        self.keep(ctx, wrapped, context, &plain);
        Ok(plain)
    }

    fn cached(&self, ctx: &Ctx, wrapped: &[u8], context: &SealContext) -> Option<Arc<Zeroizing<[u8; 32]>>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let now = ctx.now();
        cache.retain(|_, kept| now < kept.until && kept.uses_left > 0);
        let kept = cache.get_mut(&(wrapped.to_vec(), context.clone()))?;
        kept.uses_left -= 1;
        Some(Arc::clone(&kept.plain))
    }

    fn keep(&self, ctx: &Ctx, wrapped: &[u8], context: &SealContext, plain: &Arc<Zeroizing<[u8; 32]>>) {
        let until = ctx.now().saturating_add(KEY_FRESH_FOR).unwrap_or(Timestamp::MAX);
        let kept = CachedKey { plain: Arc::clone(plain), until, uses_left: KEY_USES };
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert((wrapped.to_vec(), context.clone()), kept);
    }
}

/// What KMS answers to a wrapped key that is not what it wrapped, or wrapped under another context or key.
fn is_refusal(code: &str) -> bool {
    matches!(
        code,
        "InvalidCiphertextException" | "IncorrectKeyException" | "NotFoundException" | "AccessDeniedException" | "ValidationException"
    )
}

fn plain_key(blob: Option<Blob>) -> Result<Arc<Zeroizing<[u8; 32]>>, VaultError> {
    let bytes = Zeroizing::new(blob.map(Blob::into_inner).unwrap_or_default());
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(VaultError::Refused("KMS sent no key of 256 bits"));
    }
    key.copy_from_slice(&bytes);
    Ok(Arc::new(key))
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| VaultError::Refused("the key is no AES-256 key"))
}

#[cfg(test)]
mod tests;
