//! Tokens made of sessions: ES256 by a key of KMS, and the key as a JWK.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coportal_core::ctx::Ctx;
use coportal_core::problem::{Outcome, Problem};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::SignIn;

/// Bytes of a coordinate on P-256, and of `r` and `s`.
const FIELD: usize = 32;

/// The header of a token (RFC 7515, section 4.1).
#[must_use]
pub fn jwt_header(typ: &str, kid: &str) -> Value {
    json!({"alg": "ES256", "typ": typ, "kid": kid})
}

/// A public key on P-256 as a JWK (RFC 7518, section 6.2.1), named by its thumbprint (RFC 7638).
fn jwk(spki: &[u8]) -> Option<(Value, String)> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    let (form, point) = info.subject_public_key.as_bytes()?.split_first()?;
    let (x, y) = point.split_at_checked(FIELD).filter(|(_, y)| *form == 4 && y.len() == FIELD)?;
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    // The members in the order of their names, without blanks.
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()));
    Some((json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": kid}), kid))
}

/// `Ecdsa-Sig-Value` (RFC 3279, section 2.2.3) as `r` and `s` of equal length (RFC 7518, section 3.4).
fn raw_signature(der: &[u8]) -> Option<Vec<u8>> {
    let mut reader = SliceReader::new(der).ok()?;
    let (r, s) = reader.sequence(|inner| Ok((UintRef::decode(inner)?, UintRef::decode(inner)?))).ok()?;
    let mut raw = Vec::with_capacity(2 * FIELD);
    for part in [r.as_bytes(), s.as_bytes()] {
        raw.extend(std::iter::repeat_n(0, FIELD.checked_sub(part.len())?));
        raw.extend_from_slice(part);
    }
    Some(raw)
}

impl SignIn {
    /// The published keys (RFC 7517).
    ///
    /// # Errors
    /// When KMS does not answer.
    pub async fn jwks(&self, ctx: &Ctx) -> Outcome<Value> {
        let (jwk, _) = self.own_key(ctx).await?;
        Ok(json!({"keys": [jwk]}))
    }

    async fn own_key(&self, ctx: &Ctx) -> Outcome<(Value, String)> {
        let spki = self.0.signer.public_key(ctx).await?;
        jwk(&spki).ok_or_else(|| Problem::internal_error("the signing key is no key on P-256"))
    }

    /// Signs a token of this type with these claims.
    ///
    /// # Errors
    /// When KMS does not answer.
    pub async fn mint<T: Serialize>(&self, ctx: &Ctx, typ: &str, claims: &T) -> Outcome<String> {
        let (_, kid) = self.own_key(ctx).await?;
        let claims = serde_json::to_vec(claims).map_err(Problem::internal_error)?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(jwt_header(typ, &kid).to_string()), URL_SAFE_NO_PAD.encode(claims));
        let der = self.0.signer.sign(signed.as_bytes()).await?;
        let raw = raw_signature(&der).ok_or_else(|| Problem::internal_error("KMS gave a signature that cannot be read"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_two_halves_of_one_length() {
        // r has a leading zero byte in DER because its first bit is set; s is shorter than 32 bytes.
        let mut der = vec![0x30, 0x27, 0x02, 0x21, 0x00];
        der.extend([0xff; 32]);
        der.extend([0x02, 0x02, 0x01, 0x02]);
        let raw = raw_signature(&der).unwrap();
        assert_eq!((raw.len(), &raw[..32], &raw[32..62], &raw[62..]), (64, &[0xff; 32][..], &[0; 30][..], &[1, 2][..]));
        for other in [&[][..], &[0x30, 0x00], &der[..20], &[0x30, 0x03, 0x02, 0x01, 0x81]] {
            assert_eq!(raw_signature(other), None);
        }
    }

    #[test]
    fn a_thumbprint_is_that_of_the_standard() {
        // The key of RFC 7515, appendix A.3.
        let x = URL_SAFE_NO_PAD.decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU").unwrap();
        let y = URL_SAFE_NO_PAD.decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0").unwrap();
        let prefix = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
            0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
        ];
        let spki = [prefix.as_slice(), &x, &y].concat();
        let (jwk, kid) = jwk(&spki).unwrap();
        assert_eq!((jwk["x"].as_str(), kid.len()), (Some("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), 43));
        assert!(super::jwk(&spki[..60]).is_none());
    }
}
