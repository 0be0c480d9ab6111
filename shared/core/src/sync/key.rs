//! Idempotency keys (design decision 7).

use crate::connection::Generation;
use crate::sync::row::IntentKind;
use crate::text::digest;

/// What a key is made of. No invoice version: an edit must not open the door to a second create. No secret that rotates.
#[derive(Debug, Clone, Copy)]
pub struct KeyParts<'a> {
    /// The organisation: vendors scope keys per app, not per organisation (docs/vendors/xero.md, section 3).
    pub organisation: &'a str,
    /// The generation.
    pub generation: Generation,
    /// The invoice's or client's id.
    pub subject: &'a str,
    /// What the write does.
    pub kind: IntentKind,
    /// Documents of ours that are known to be gone.
    pub remote_generation: u32,
    /// Definite rejections: vendors replay refusals too.
    pub rejections: u32,
    /// Settled updates; two different updates must not share a key.
    pub updates: u32,
}

/// The key: 64 hexadecimal digits, within every vendor's limit.
#[must_use]
pub fn idempotency_key(parts: KeyParts<'_>) -> String {
    let kind = match parts.kind {
        IntentKind::Create => "create",
        IntentKind::Update => "update",
        IntentKind::Void => "void",
        IntentKind::Approve => "approve",
        IntentKind::Payment => "payment",
        IntentKind::CreateContact => "create_contact",
        IntentKind::UpdateContact => "update_contact",
    };
    // A create's key must not change because an update was settled in between.
    let updates = match parts.kind {
        IntentKind::Create | IntentKind::CreateContact => 0,
        IntentKind::Update | IntentKind::Void | IntentKind::Approve | IntentKind::UpdateContact => parts.updates,
        // The subject names the payment: it is made once, whatever else happens.
        IntentKind::Payment => 0,
    };
    digest([
        b"coportal/1".as_slice(),
        parts.organisation.as_bytes(),
        &parts.generation.0.to_be_bytes(),
        parts.subject.as_bytes(),
        kind.as_bytes(),
        &parts.remote_generation.to_be_bytes(),
        &parts.rejections.to_be_bytes(),
        &updates.to_be_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_separates_and_nothing_else_does() {
        let base = KeyParts {
            organisation: "o",
            generation: Generation(1),
            subject: "inv",
            kind: IntentKind::Update,
            remote_generation: 0,
            rejections: 0,
            updates: 0,
        };
        let key = idempotency_key(base);
        assert_eq!(key.len(), 64);
        assert_eq!(key, idempotency_key(base));
        for other in [
            KeyParts { organisation: "p", ..base },
            KeyParts { generation: Generation(2), ..base },
            KeyParts { subject: "inw", ..base },
            KeyParts { kind: IntentKind::Create, ..base },
            KeyParts { remote_generation: 1, ..base },
            KeyParts { rejections: 1, ..base },
            KeyParts { updates: 1, ..base },
        ] {
            assert_ne!(key, idempotency_key(other));
        }
        let create = KeyParts { kind: IntentKind::Create, ..base };
        assert_eq!(idempotency_key(create), idempotency_key(KeyParts { updates: 9, ..create }), "a create keeps its key");
    }

    /// Vendors scope keys per app: every kind of write, and every organisation, generation and invoice, has its own.
    #[test]
    fn kinds_never_share_a_key() {
        let kinds = [
            IntentKind::Create,
            IntentKind::Update,
            IntentKind::Void,
            IntentKind::Approve,
            IntentKind::Payment,
            IntentKind::CreateContact,
            IntentKind::UpdateContact,
        ];
        let mut keys: Vec<String> = kinds
            .into_iter()
            .map(|kind| {
                let generation = Generation(1);
                idempotency_key(KeyParts {
                    organisation: "o",
                    generation,
                    subject: "s",
                    kind,
                    remote_generation: 0,
                    rejections: 0,
                    updates: 0,
                })
            })
            .collect();
        assert!(keys.iter().all(|key| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), kinds.len());
    }
}
