use std::collections::VecDeque;

use super::*;
use crate::testing::{Fault, Scripted, Services, TOKEN_KEY};
use coportal_core::ctx::Random as _;
use uuid::Uuid;

fn context() -> SealContext {
    SealContext::tokens(WorkspaceId::new(Uuid::from_u128(1)), Ledger::Xero, "org-1", Generation(3))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn sealed(services: &Services, vault: &Vault) -> Envelope {
    let ctx = services.ctx();
    let key = vault.data_key(&ctx, &context()).await.unwrap();
    vault.seal(&ctx, &key, 7, &[("access", &secret("at-1")), ("refresh", &secret("rt-1"))]).unwrap()
}

#[tokio::test]
async fn what_was_sealed_opens_once_more_and_without_kms_while_the_key_is_fresh() {
    let services = Services::new();
    let vault = services.cloud().vault;
    let envelope = sealed(&services, &vault).await;
    for needle in ["at-1", "rt-1"] {
        assert!(!envelope.as_bytes().windows(needle.len()).any(|window| window == needle.as_bytes()));
    }
    let mut opened = vault.open(&services.ctx(), &envelope, &context(), 7).await.unwrap();
    assert_eq!(opened.take("access").unwrap().expose(), "at-1");
    assert_eq!(opened.take("refresh").unwrap().expose(), "rt-1");
    assert!(opened.take("access").is_none());
    assert_eq!(services.operations(0), ["GenerateDataKey"]);

    // A refresh seals the next set under the same key, again without KMS.
    let next = vault.seal(&services.ctx(), &opened.key, 8, &[("access", &secret("at-2"))]).unwrap();
    let mut opened = vault.open(&services.ctx(), &next, &context(), 8).await.unwrap();
    assert_eq!(opened.take("access").unwrap().expose(), "at-2");
    assert_eq!(services.calls().len(), 1);
}

#[tokio::test]
async fn an_unwrapped_key_lasts_five_minutes_and_a_hundred_uses() {
    let services = Services::new();
    let vault = services.cloud().vault;
    let envelope = sealed(&services, &vault).await;
    for _ in 0..KEY_USES {
        vault.open(&services.ctx(), &envelope, &context(), 7).await.unwrap();
    }
    assert_eq!(services.operations(0), ["GenerateDataKey"]);
    vault.open(&services.ctx(), &envelope, &context(), 7).await.unwrap();
    assert_eq!(services.operations(0), ["GenerateDataKey", "Decrypt"]);
    services.advance(KEY_FRESH_FOR);
    vault.open(&services.ctx(), &envelope, &context(), 7).await.unwrap();
    assert_eq!(services.operations(0), ["GenerateDataKey", "Decrypt", "Decrypt"]);
}

/// Issue 2, acceptance: every byte of a stored envelope flipped is refused; both by a process that has the key and by one that has not.
#[tokio::test]
async fn every_flipped_byte_is_refused() {
    let services = Services::new();
    let warm = services.cloud().vault;
    let envelope = sealed(&services, &warm).await;
    let ctx = services.ctx();
    let mut cases = 0;
    for index in 0..envelope.as_bytes().len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut bytes = envelope.as_bytes().to_vec();
            bytes[index] ^= flip;
            let changed = Envelope::from_bytes(bytes);
            let cold = services.cloud().vault;
            for vault in [&warm, &cold] {
                let error = vault.open(&ctx, &changed, &context(), 7).await.map(|_| ()).unwrap_err();
                assert!(matches!(error, VaultError::Refused(_)), "byte {index}: {error}");
                cases += 1;
            }
        }
    }
    assert!(cases > 900, "{cases}");
}

#[tokio::test]
async fn a_truncated_or_longer_envelope_is_refused() {
    let services = Services::new();
    let vault = services.cloud().vault;
    let envelope = sealed(&services, &vault).await;
    for length in 0..envelope.as_bytes().len() {
        let cut = Envelope::from_bytes(envelope.as_bytes()[..length].to_vec());
        assert!(vault.open(&services.ctx(), &cut, &context(), 7).await.is_err(), "{length}");
    }
    let longer = Envelope::from_bytes([envelope.as_bytes(), &[0]].concat());
    assert!(vault.open(&services.ctx(), &longer, &context(), 7).await.is_err());
}

/// Design decision 10: a ciphertext moved between workspace, ledger, organisation, generation, purpose, field or token set.
#[tokio::test]
async fn every_part_of_the_context_swapped_is_refused() {
    let services = Services::new();
    let warm = services.cloud().vault;
    let envelope = sealed(&services, &warm).await;
    let swaps: [(&str, SealContext, u64); 6] = [
        ("workspace", SealContext { workspace: WorkspaceId::new(Uuid::from_u128(2)), ..context() }, 7),
        ("ledger", SealContext { ledger: Ledger::Sage, ..context() }, 7),
        ("organisation", SealContext { organisation: "org-2".to_owned(), ..context() }, 7),
        ("generation", SealContext { generation: Generation(4), ..context() }, 7),
        ("purpose", SealContext { purpose: Purpose::ParkedGrant, ..context() }, 7),
        ("token_gen", context(), 8),
    ];
    for (what, swapped, token_gen) in swaps {
        for vault in [&warm, &services.cloud().vault] {
            let error = vault.open(&services.ctx(), &envelope, &swapped, token_gen).await.map(|_| ()).unwrap_err();
            assert!(matches!(error, VaultError::Refused(_)), "{what}: {error}");
        }
    }
    // Even with the right data key in hand, another context is refused by the associated data alone.
    let key = warm.open(&services.ctx(), &envelope, &context(), 7).await.unwrap().key;
    let moved = DataKey { context: SealContext { organisation: "org-2".to_owned(), ..context() }, ..key };
    let foreign = warm.seal(&services.ctx(), &moved, 7, &[("access", &secret("at-9"))]).unwrap();
    assert!(warm.open(&services.ctx(), &foreign, &context(), 7).await.is_err());
}

#[tokio::test]
async fn fields_cannot_change_places() {
    let services = Services::new();
    let vault = services.cloud().vault;
    let envelope = sealed(&services, &vault).await;
    let mut parts = envelope.read().unwrap();
    let [one, two] = parts.sealed.as_mut_slice() else { panic!() };
    std::mem::swap(&mut one.text, &mut two.text);
    std::mem::swap(&mut one.nonce, &mut two.nonce);
    let swapped = Envelope::new(&parts.key_id, &parts.wrapped, &parts.sealed);
    assert!(vault.open(&services.ctx(), &swapped, &context(), 7).await.is_err());
}

/// A fixed vector: what was sealed by an earlier binary must open in a later one.
#[test]
fn a_fixed_vector() {
    let services = Services::new();
    let vault = services.cloud().vault;
    let random = Arc::new(Scripted(Mutex::new(VecDeque::from((0..64).collect::<Vec<u8>>()))));
    let ctx = Ctx::new(Arc::new(services.clone()), random, SignedDuration::from_secs(24));
    let key =
        DataKey { plain: Arc::new(Zeroizing::new([9; 32])), key_id: TOKEN_KEY.to_owned(), wrapped: vec![1, 2, 3], context: context() };
    let envelope = vault.seal(&ctx, &key, 7, &[("access", &secret("at-1"))]).unwrap();
    assert_eq!(hex::encode(envelope.as_bytes()), include_str!("vector.hex").trim());
    vault.keep(&ctx, &[1, 2, 3], &context(), &key.plain);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut opened = runtime.block_on(vault.open(&ctx, &envelope, &context(), 7)).unwrap();
    assert_eq!(opened.take("access").unwrap().expose(), "at-1");
}

#[test]
fn nonces_do_not_repeat() {
    let services = Services::new();
    let ctx = services.ctx();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100_000 {
        assert!(seen.insert(ctx.random_bytes::<NONCE_LEN>()));
    }
    let mut scripted = [0; 2];
    Scripted(Mutex::new(VecDeque::from([1]))).fill(&mut scripted);
    assert_eq!(scripted, [1, 0xA5]);
}

#[tokio::test]
async fn a_kms_that_does_not_answer_is_unavailable_not_refused() {
    let services = Services::new();
    let envelope = sealed(&services, &services.cloud().vault).await;
    for n in 0..3 {
        services.fault(n, Fault::LoseRequest);
    }
    let error = services.cloud().vault.open(&services.ctx(), &envelope, &context(), 7).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, VaultError::Store(StoreError::Unavailable { .. })));
    services.fault(0, Fault::LoseAnswer);
    services.cloud().vault.open(&services.ctx(), &envelope, &context(), 7).await.unwrap();
}
