//! What a daily look at a provider's metadata may change by itself.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::metadata::SamlIdp;

/// How often metadata from a URL is fetched again. When the URL fails, the last good copy stays.
pub const METADATA_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// A change that waits for an owner's approval: after it, somebody else might be vouching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldChange {
    /// Another entity id.
    EntityId {
        /// Stored.
        from: String,
        /// Fetched.
        to: String,
    },
    /// The sign-on address is on another origin.
    SignOnOrigin {
        /// Stored.
        from: String,
        /// Fetched.
        to: String,
    },
}

/// What differs between the stored and the fetched metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing.
    Nothing,
    /// May be stored at once, with an audit line and a mail to the owners: the same entity on the same origin.
    Accepted {
        /// Fingerprints of keys that came.
        keys_added: Vec<String>,
        /// Fingerprints of keys that went.
        keys_removed: Vec<String>,
        /// Whether the sign-on address's path or query moved.
        sign_on_moved: bool,
    },
    /// Must be approved; until then the stored copy stays in force.
    Held(Vec<HeldChange>),
}

/// Compares.
#[must_use]
pub fn compare(stored: &SamlIdp, fetched: &SamlIdp) -> Change {
    let mut held = Vec::new();
    if stored.entity_id != fetched.entity_id {
        held.push(HeldChange::EntityId { from: stored.entity_id.clone(), to: fetched.entity_id.clone() });
    }
    let (from, to) = (stored.sso_url.origin(), fetched.sso_url.origin());
    if from != to {
        held.push(HeldChange::SignOnOrigin { from: from.ascii_serialization(), to: to.ascii_serialization() });
    }
    if !held.is_empty() {
        return Change::Held(held);
    }
    let missing_in = |there: &SamlIdp, here: &SamlIdp| -> Vec<String> {
        let absent = here.keys.iter().filter(|key| there.keys.iter().all(|other| other.fingerprint != key.fingerprint));
        absent.map(|key| key.fingerprint.clone()).collect()
    };
    let (keys_added, keys_removed) = (missing_in(stored, fetched), missing_in(fetched, stored));
    let sign_on_moved = stored.sso_url != fetched.sso_url;
    if keys_added.is_empty() && keys_removed.is_empty() && !sign_on_moved && stored.wants_signed_requests == fetched.wants_signed_requests {
        Change::Nothing
    } else {
        Change::Accepted { keys_added, keys_removed, sign_on_moved }
    }
}
