//! Comparing and fingerprinting text the way people and ledgers do.

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Trims, collapses inner white space and drops control characters: "two names that look alike" become equal.
#[must_use]
pub fn tidy(text: &str) -> String {
    let cleaned: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name for comparison: tidied, without accents, in lower case (Xero's own name equality ignores case and accents:
/// docs/vendors/xero.md, section 2). Of signs that are written above or below a letter, those for Latin, Greek and Cyrillic count as accents; Thai and Indian vowels
/// and Japanese voicing are sounds of their own, and stay. What only chooses how a sign is drawn is left out.
#[must_use]
pub fn name_key(text: &str) -> String {
    const ACCENTS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36f}';
    const FORMS: std::ops::RangeInclusive<char> = '\u{fe00}'..='\u{fe0f}';
    tidy(text).nfkd().filter(|c| !ACCENTS.contains(c) && !FORMS.contains(c)).flat_map(char::to_lowercase).collect()
}

/// Capitals character by character, as a ledger makes them of a code: no text grows by it (`ß` stays `ß`).
#[must_use]
pub fn capitals(text: &str) -> String {
    let capital = |small: char| {
        let mut capitals = small.to_uppercase();
        capitals.next().filter(|_| capitals.next().is_none()).unwrap_or(small)
    };
    text.chars().map(capital).collect()
}

/// An e-mail address for comparison: trimmed, composed, in lower case.
#[must_use]
pub fn email_key(text: &str) -> String {
    text.trim().nfc().flat_map(char::to_lowercase).collect()
}

/// Whether `text` has the form of one e-mail address (one `@`, something before it, a dotted domain after it, no blanks or brackets).
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let clean = text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"@".contains(c) && c != '@');
    clean
        && !local.is_empty()
        && !domain.contains('@')
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

/// SHA-256 of the parts, each preceded by its length, in lower-case hexadecimal: no two lists of parts share a digest by joining.
#[must_use]
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

/// The first 16 hexadecimal digits of a text's SHA-256: enough to tell whether a long text is the one that was sent.
#[must_use]
pub fn fingerprint(text: &str) -> String {
    let mut full = hex::encode(Sha256::digest(text.as_bytes()));
    full.truncate(16);
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_accents_and_blanks() {
        assert_eq!(name_key("  Café\u{a0} Zoë\tLtd "), name_key("cafe zoe LTD"));
        assert_ne!(name_key("Acme Ltd"), name_key("Acme Limited"));
        // Thai, Hindi and Japanese: other words, told apart by their marks alone; composed or not is the same.
        for (one, other) in [("กา", "กี"), ("कला", "कली"), ("かき", "かぎ"), ("ハス", "バス")] {
            assert_ne!(name_key(one), name_key(other), "{one} and {other}");
        }
        assert_eq!(name_key("Caf\u{e9} \u{2615}\u{fe0f}"), name_key("Cafe \u{2615}"));
        assert_eq!(name_key("か\u{3099}"), name_key("が"));
    }

    #[test]
    fn email_shapes() {
        for good in ["a@b.co", "first.last+tag@sub.example.com", "zoë@example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.co", "a@@b.co", "a@b@c.co", "a b@c.co", "a@.co", "a@b..co", "a@-b.co", "<a@b.co>", "a@b.co, c@d.co"]
        {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn digests_do_not_join() {
        assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
    }
}
