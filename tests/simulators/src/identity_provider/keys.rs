//! Keys and self-signed certificates, made anew for each run.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The cryptographic library made no key or no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no key or no signature could be made")
    }
}

impl std::error::Error for KeyError {}

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl From<KeyRejected> for KeyError {
    fn from(_: KeyRejected) -> Self {
        Self
    }
}

enum Private {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// A key with its certificate, which is valid from 2026 to 2036.
pub struct Key {
    private: Private,
    certificate: Vec<u8>,
    spki: Vec<u8>,
}

impl Key {
    /// An RSA key of 2048 bits.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn rsa() -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let spki = sequence(&[&sequence(&[&oid(RSA), &[5, 0]]), &bits(pair.public_key().as_ref())]);
        let algorithm = sequence(&[&oid(SHA256_RSA), &[5, 0]]);
        let body = body(&algorithm, &spki);
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(&RSA_PKCS1_SHA256, &digest(&SHA256, &body), &mut signature)?;
        Ok(Self { private: Private::Rsa(pair), certificate: sequence(&[&body, &algorithm, &bits(&signature)]), spki })
    }

    /// An ECDSA key on P-256.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn ec() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let for_certificate = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pair.to_pkcs8v1()?.as_ref())?;
        let spki = sequence(&[&sequence(&[&oid(EC), &oid(P256)]), &bits(pair.public_key().as_ref())]);
        let algorithm = sequence(&[&oid(ECDSA_SHA256)]);
        let body = body(&algorithm, &spki);
        let signature = for_certificate.sign_digest(&digest(&SHA256, &body))?;
        Ok(Self { private: Private::Ec(pair), certificate: sequence(&[&body, &algorithm, &bits(signature.as_ref())]), spki })
    }

    /// The certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate, DER in base 64.
    #[must_use]
    pub fn certificate_base64(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// An RSA key as PEM (PKCS #8), for a process that signs with it; `None` for another key.
    #[must_use]
    pub fn private_pem(&self) -> Option<String> {
        let Private::Rsa(pair) = &self.private else { return None };
        let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        Some(pem("PRIVATE KEY", der.as_ref()))
    }

    /// The certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The certificate's `SubjectPublicKeyInfo`, DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Signs. An RSA key takes the hash from the algorithm's URI (SHA-256 if it names none that is known); an ECDSA key signs with SHA-256,
    /// as `r` and `s`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn sign(&self, uri: &str, octets: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.private {
            Private::Rsa(pair) => {
                let (encoding, hash) = match uri.rsplit('#').next() {
                    Some("rsa-sha384") => (&RSA_PKCS1_SHA384, &SHA384),
                    Some("rsa-sha512") => (&RSA_PKCS1_SHA512, &SHA512),
                    _ => (&RSA_PKCS1_SHA256, &SHA256),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, &digest(hash, octets), &mut signature)?;
                Ok(signature)
            }
            Private::Ec(pair) => Ok(pair.sign_digest(&digest(&SHA256, octets))?.as_ref().to_vec()),
        }
    }
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const SHA256_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// `TBSCertificate` (RFC 5280, section 4.1).
fn body(algorithm: &[u8], spki: &[u8]) -> Vec<u8> {
    let name = sequence(&[&tlv(0x31, &sequence(&[&oid(COMMON_NAME), &tlv(0x0c, b"idp.test")]))]);
    let validity = sequence(&[&tlv(0x17, b"260101000000Z"), &tlv(0x17, b"360101000000Z")]);
    sequence(&[&tlv(0xa0, &[2, 1, 2]), &[2, 1, 7], algorithm, &name, &validity, &name, spki])
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    tlv(6, bytes)
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], bytes].concat())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// Tag, length and value (X.690, section 8.1); values here are shorter than 64 KB.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let header: &[u8] = match (high, low) {
        (0, 0..=127) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [header, content].concat()
}
