//! A key and what can be done with it.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::policy::Denial;
use crate::aws_json::{ACCOUNT, Failure, REGION};

/// First byte of every ciphertext.
const BLOB_VERSION: u8 = 1;
const ID_LEN: usize = 16;

/// A key as it is kept in a file.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    id: Uuid,
    spec: String,
    created: Timestamp,
    material: String,
}

impl Kept {
    /// A fresh key; nothing when the spec is not modelled or randomness fails.
    pub(super) fn generate(spec: &str, created: Timestamp) -> Option<Self> {
        let mut id = [0_u8; ID_LEN];
        crate::chance::fill(&mut id).ok()?;
        let material = match spec {
            "SYMMETRIC_DEFAULT" => {
                let mut bytes = [0_u8; 32];
                crate::chance::fill(&mut bytes).ok()?;
                STANDARD.encode(bytes)
            }
            "ECC_NIST_P256" => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok()?;
                STANDARD.encode(pair.to_pkcs8v1().ok()?)
            }
            _ => return None,
        };
        Some(Self { id: uuid::Builder::from_random_bytes(id).into_uuid(), spec: spec.to_owned(), created, material })
    }
}

/// What the key computes with.
pub(super) enum Material {
    Symmetric(LessSafeKey),
    EccP256(EcdsaKeyPair),
}

impl Material {
    pub(super) fn spec(&self) -> &'static str {
        match self {
            Self::Symmetric(_) => "SYMMETRIC_DEFAULT",
            Self::EccP256(_) => "ECC_NIST_P256",
        }
    }

    pub(super) fn usage(&self) -> &'static str {
        match self {
            Self::Symmetric(_) => "ENCRYPT_DECRYPT",
            Self::EccP256(_) => "SIGN_VERIFY",
        }
    }
}

/// A key.
pub(super) struct Key {
    pub(super) id: Uuid,
    pub(super) created: Timestamp,
    pub(super) material: Material,
    denials: Vec<Denial>,
}

impl Key {
    pub(super) fn open(kept: &Kept, denials: Vec<Denial>) -> Option<Self> {
        let bytes = STANDARD.decode(&kept.material).ok()?;
        let material = match kept.spec.as_str() {
            "SYMMETRIC_DEFAULT" => Material::Symmetric(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?)),
            "ECC_NIST_P256" => Material::EccP256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &bytes).ok()?),
            _ => return None,
        };
        Some(Self { id: kept.id, created: kept.created, material, denials })
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{}", self.id)
    }

    /// Refuses a call that the key policy denies.
    pub(super) fn refuse(&self, action: &str, context: &BTreeMap<String, String>) -> Result<(), Failure> {
        if self.denials.iter().any(|denial| denial.refuses(action, context)) {
            return Err(Failure::client(
                "AccessDeniedException",
                format!(
                    "User: arn:aws:sts::{ACCOUNT}:assumed-role/local is not authorized to perform: {action} on resource: {} with an explicit deny in a resource-based policy",
                    self.arn()
                ),
            ));
        }
        Ok(())
    }

    fn wrong_usage(&self) -> Failure {
        Failure::client(
            "InvalidKeyUsageException",
            format!("{} key usage is {} which is not valid for the operation.", self.arn(), self.material.usage()),
        )
    }

    fn symmetric(&self) -> Result<&LessSafeKey, Failure> {
        match &self.material {
            Material::Symmetric(key) => Ok(key),
            Material::EccP256(_) => Err(self.wrong_usage()),
        }
    }

    fn signing(&self) -> Result<&EcdsaKeyPair, Failure> {
        match &self.material {
            Material::EccP256(pair) => Ok(pair),
            Material::Symmetric(_) => Err(self.wrong_usage()),
        }
    }

    /// Version, key id, nonce, ciphertext and tag.
    pub(super) fn seal(&self, plaintext: &[u8], context: &BTreeMap<String, String>) -> Result<Vec<u8>, Failure> {
        let failed = |_| Failure::internal("sealing failed");
        let key = self.symmetric()?;
        let mut nonce = [0_u8; NONCE_LEN];
        crate::chance::fill(&mut nonce).map_err(failed)?;
        let mut sealed = plaintext.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(self.associated(context)), &mut sealed)
            .map_err(failed)?;
        let mut blob = vec![BLOB_VERSION];
        blob.extend_from_slice(self.id.as_bytes());
        blob.extend_from_slice(&nonce);
        blob.append(&mut sealed);
        Ok(blob)
    }

    /// The plaintext, unless blob, context or key are others than at sealing.
    pub(super) fn open_sealed(&self, blob: &[u8], context: &BTreeMap<String, String>) -> Option<Vec<u8>> {
        let (nonce, sealed) = blob.get(1 + ID_LEN..)?.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let plaintext = self
            .symmetric()
            .ok()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(self.associated(context)), &mut sealed)
            .ok()?;
        Some(plaintext.to_vec())
    }

    /// Associated data: version, key and the context in one form for every order of its pairs. Lengths keep `ab`+`c` and `a`+`bc`
    /// apart.
    fn associated(&self, context: &BTreeMap<String, String>) -> Vec<u8> {
        let mut out = vec![BLOB_VERSION];
        out.extend_from_slice(self.id.as_bytes());
        for text in context.iter().flat_map(|(name, value)| [name, value]) {
            out.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out
    }

    /// DER-encoded `SubjectPublicKeyInfo`.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, Failure> {
        let der: PublicKeyX509Der<'_> =
            self.signing()?.public_key().as_der().map_err(|_| Failure::internal("the public key cannot be written"))?;
        Ok(der.as_ref().to_vec())
    }

    /// DER-encoded ECDSA signature of a message.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let signature = self.signing()?.sign(&crate::chance::generator(), message).map_err(|_| Failure::internal("signing failed"))?;
        Ok(signature.as_ref().to_vec())
    }

    /// DER-encoded ECDSA signature of a SHA-256 digest.
    pub(super) fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>, Failure> {
        let pair = self.signing()?;
        let digest = Digest::import_less_safe(digest, &SHA256)
            .map_err(|_| Failure::client("ValidationException", "Digest is invalid length for algorithm ECDSA_SHA_256."))?;
        let signature = pair.sign_digest(&digest).map_err(|_| Failure::internal("signing failed"))?;
        Ok(signature.as_ref().to_vec())
    }
}

/// The key id that a ciphertext names.
pub(super) fn key_id_of(blob: &[u8]) -> Option<Uuid> {
    let (version, rest) = blob.split_first()?;
    let id = rest.first_chunk::<ID_LEN>()?;
    (*version == BLOB_VERSION).then(|| Uuid::from_bytes(*id))
}
