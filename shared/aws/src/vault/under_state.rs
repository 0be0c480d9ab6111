//! Sealing under a secret that only a browser brings back: what is sealed can be opened with the state of a sign-in and not with the
//! table, which knows the state by its SHA-256 alone. No key of KMS is needed, and no right to use one.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use coportal_core::ctx::Ctx;
use coportal_core::secret::Secret;
use zeroize::Zeroizing;

use super::VaultError;

/// Separates this use of the state from its other one, the hash that is the key of its row.
const INFO: &[u8] = b"coportal sign-in verifier v1";

/// The key of one state: HKDF with SHA-256 (RFC 5869), whose input is 256 bits of chance.
fn key(state: &Secret) -> Result<LessSafeKey, VaultError> {
    let refused = |_| VaultError::Refused("no key could be derived");
    let secret = Salt::new(HKDF_SHA256, &[]).extract(state.expose().as_bytes());
    let info = [INFO];
    let okm = secret.expand(&info, &AES_256_GCM).map_err(refused)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}

/// Seals a secret under a state. `context` says what for and whose, and has to be the same when it is opened.
///
/// # Errors
/// When the cipher refuses.
pub fn seal(ctx: &Ctx, state: &Secret, context: &str, secret: &Secret) -> Result<String, VaultError> {
    let nonce = ctx.random_bytes::<NONCE_LEN>();
    let mut text = secret.expose().as_bytes().to_vec();
    key(state)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context.as_bytes()), &mut text)
        .map_err(|_| VaultError::Refused("a secret could not be sealed"))?;
    Ok(hex::encode([nonce.as_slice(), &text].concat()))
}

/// Opens what was sealed under this state for this context.
///
/// # Errors
/// When it is not exactly that.
pub fn open(state: &Secret, context: &str, sealed: &str) -> Result<Secret, VaultError> {
    let refused = || VaultError::Refused("it was not sealed under this state");
    let bytes = hex::decode(sealed).map_err(|_| refused())?;
    let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(refused)?;
    let mut text = Zeroizing::new(text.to_vec());
    let opened =
        key(state)?.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context.as_bytes()), &mut text).map_err(|_| refused())?;
    let secret = std::str::from_utf8(opened).map_err(|_| refused())?;
    Ok(Secret::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Services;

    #[test]
    fn only_the_same_state_and_context_open_it() {
        let ctx = Services::new().ctx();
        let secret = |text: &str| Secret::new(text.to_owned());
        let sealed = seal(&ctx, &secret("state"), "login ssc_1", &secret("verifier")).unwrap();
        assert_eq!(open(&secret("state"), "login ssc_1", &sealed).unwrap().expose(), "verifier");
        assert!(!sealed.contains(&hex::encode("verifier")));
        assert_ne!(sealed, seal(&ctx, &secret("state"), "login ssc_1", &secret("verifier")).unwrap());
        let mut flipped = hex::decode(&sealed).unwrap();
        flipped[13] ^= 1;
        for (state, context, text) in [
            ("other", "login ssc_1", sealed.clone()),
            ("state", "login ssc_2", sealed.clone()),
            ("state", "login ssc_1", hex::encode(flipped)),
            ("state", "login ssc_1", sealed[..20].to_owned()),
            ("state", "login ssc_1", "zz".to_owned()),
            ("state", "login ssc_1", String::new()),
        ] {
            assert!(open(&secret(state), context, &text).is_err());
        }
    }
}
