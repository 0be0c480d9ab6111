//! Keys and self-signed certificates, made anew for each run.

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

enum Private {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// A key with its certificate.
pub(crate) struct Key {
    private: Private,
    /// The certificate, DER.
    pub(crate) certificate: Vec<u8>,
    /// The certificate's `SubjectPublicKeyInfo`, DER.
    pub(crate) spki: Vec<u8>,
}

impl Key {
    pub(crate) fn rsa(size: KeySize) -> Self {
        let pair = RsaKeyPair::generate(size).unwrap();
        let spki = sequence(&[&sequence(&[&oid(RSA), &[5, 0]]), &bits(pair.public_key().as_ref())]);
        let algorithm = sequence(&[&oid(SHA256_RSA), &[5, 0]]);
        let body = body(&algorithm, &spki);
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(&RSA_PKCS1_SHA256, &digest(&SHA256, &body), &mut signature).unwrap();
        Self { private: Private::Rsa(pair), certificate: sequence(&[&body, &algorithm, &bits(&signature)]), spki }
    }

    pub(crate) fn ec() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        let asn1 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        let spki = sequence(&[&sequence(&[&oid(EC), &oid(P256)]), &bits(pair.public_key().as_ref())]);
        let algorithm = sequence(&[&oid(ECDSA_SHA256)]);
        let body = body(&algorithm, &spki);
        let signature = asn1.sign_digest(&digest(&SHA256, &body)).unwrap();
        Self { private: Private::Ec(pair), certificate: sequence(&[&body, &algorithm, &bits(signature.as_ref())]), spki }
    }

    pub(crate) fn certificate_base64(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// Signs by the algorithm of this URI.
    pub(crate) fn sign(&self, uri: &str, octets: &[u8]) -> Vec<u8> {
        match &self.private {
            Private::Rsa(pair) => {
                let (encoding, hash) = match uri.rsplit('#').next().unwrap() {
                    "rsa-sha384" => (&RSA_PKCS1_SHA384, &SHA384),
                    "rsa-sha512" => (&RSA_PKCS1_SHA512, &SHA512),
                    _ => (&RSA_PKCS1_SHA256, &SHA256),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, &digest(hash, octets), &mut signature).unwrap();
                signature
            }
            Private::Ec(pair) => pair.sign_digest(&digest(&SHA256, octets)).unwrap().as_ref().to_vec(),
        }
    }
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const SHA256_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// `TBSCertificate` (RFC 5280, section 4.1), valid 2026 to 2036.
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

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..=127 => vec![tag, u8::try_from(length).unwrap()],
        128..=255 => vec![tag, 0x81, u8::try_from(length).unwrap()],
        _ => vec![tag, 0x82, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 255).unwrap()],
    };
    [header.as_slice(), content].concat()
}
